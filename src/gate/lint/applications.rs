//! Gates by Argo CD's outcomes: whether they can be read, and their texts compiled.

use super::{Finding, expressions, texts};
use crate::gate::application::{Dialect, Gate, Rule};
use serde_json::Value as Json;

pub(super) fn check(dialect: &'static Dialect, object: &Json) -> Vec<Finding> {
    let mut asked = object.clone();
    // What is stored is the cluster's, and nothing that an author could mend.
    asked["status"] = Json::Null;
    let gate = match Gate::parse(dialect, &asked) {
        Ok(gate) => gate,
        Err(error) => return vec![Finding::error("gate-spec", "spec", error.to_string())],
    };
    let mut found = match &gate.spec.rule {
        Rule::Expression(when) => expressions::check_when(when),
        Rule::HealthAndSync => Vec::new(),
    };
    found.extend(texts::parse("spec.descriptionTemplate", &gate.spec.description));
    found.extend(texts::parse(dialect.url_field, &gate.spec.url.template));
    found.sort_by_key(|finding| finding.severity);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::application::{APPLICATION_GATE, ARGOCD_COMMIT_STATUS};
    use serde_json::json;

    /// Rules and fields of what is found.
    fn found(dialect: &'static Dialect, more: &Json) -> Vec<(&'static str, String)> {
        let mut object =
            json!({"kind": dialect.kind, "metadata": {"name": "g"}, "spec": {"promotionStrategyRef": {"name": "app"}}});
        json_patch::merge(&mut object, more);
        super::super::check(&object).into_iter().map(|finding| (finding.rule, finding.field)).collect()
    }

    #[test]
    fn what_cannot_be_compiled_is_found_in_its_field() {
        let own = |spec: &Json| found(&APPLICATION_GATE, &json!({"spec": spec}));
        assert_eq!(own(&json!({})), [], "the default is in order");
        assert_eq!(own(&json!({"when": {"expression": "1 +"}})), [("gate-expression", "spec.when.expression".into())]);
        assert_eq!(own(&json!({"urlTemplate": "{{ nosuch }}"})), [("gate-template", "spec.urlTemplate".into())]);
        let promoters = |more: &Json| found(&ARGOCD_COMMIT_STATUS, more);
        assert_eq!(promoters(&json!({"status": {"applicationsSelected": "of another version"}})), []);
        let url = |url: Json| promoters(&json!({"spec": {"url": url}}));
        assert_eq!(url(json!({"template": "{{ nosuch }}"})), [("gate-template", "spec.url.template".into())]);
        assert_eq!(url(json!({"options": ["missingkey=panic"]})), [("gate-spec", "spec".into())]);
    }
}
