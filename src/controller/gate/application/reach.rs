//! Which Applications a gate may see: where they are, and by which labels it selects them.

use super::super::ask::Grant;
use crate::gate::application::{Dialect, Namespaces, Record};
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// What the operator lets gates see.
#[derive(Clone)]
pub(in crate::controller::gate) struct Reach {
    /// Gatepost's own namespace, whose gates are the operator's.
    pub namespace: String,
    /// Whose gates may see the Applications of other namespaces.
    pub grants: Vec<Grant>,
}

/// What a gate selects.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Selection {
    /// Namespaces of the Applications.
    pub namespaces: Vec<String>,
    /// `spec.applicationSelector`.
    selector: Json,
    /// Whether one without any condition selects all. Elsewhere it selects nothing: it would be everybody's.
    empty_selects_all: bool,
}

impl Selection {
    /// What a gate of this kind and namespace selects.
    ///
    /// # Errors
    /// A namespace that it may not see, and the setting that would let it; a selector that cannot be meant.
    pub fn of(dialect: &Dialect, spec: &Json, own: &str, reach: &Reach) -> Result<Self, String> {
        let selector = spec["applicationSelector"].clone();
        check(&selector)?;
        let namespaces = match dialect.namespaces {
            Namespaces::Named => reach.named(spec, own)?,
            Namespaces::Granted => reach.granted(own),
        };
        Ok(Self { namespaces, selector, empty_selects_all: dialect.empty_selects_all })
    }

    /// Whether a gate sees an Application.
    pub fn holds(&self, record: &Record) -> bool {
        self.namespaces.contains(&record.namespace) && self.selects(&record.labels)
    }

    fn selects(&self, labels: &[(String, String)]) -> bool {
        let value = |key: &str| labels.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        let exact = self.selector["matchLabels"].as_object();
        let conditions = self.selector["matchExpressions"].as_array();
        let is_empty = exact.is_none_or(serde_json::Map::is_empty) && conditions.is_none_or(Vec::is_empty);
        (!is_empty || self.empty_selects_all)
            && exact.into_iter().flatten().all(|(key, wanted)| value(key) == wanted.as_str())
            && conditions.into_iter().flatten().all(|condition| holds(condition, value))
    }
}

impl Reach {
    fn allows(&self, from: &str, to: &str) -> bool {
        from == to
            || from == self.namespace
            || self.grants.iter().any(|grant| grant.to == to && grant.from.is_match(from))
    }

    /// The namespaces that a gate names, or its own.
    fn named(&self, spec: &Json, own: &str) -> Result<Vec<String>, String> {
        let named = spec["applicationNamespaces"].as_array().into_iter().flatten();
        let mut namespaces: Vec<String> = named.filter_map(Json::as_str).map(str::to_owned).collect();
        if namespaces.is_empty() {
            namespaces.push(own.to_owned());
        }
        match namespaces.iter().find(|namespace| !self.allows(own, namespace)) {
            None => Ok(namespaces),
            Some(refused) => Err(format!(
                "gates of {own} may not see the Applications of {refused}; to allow it add {{ from = \"{own}\", to = \"{refused}\", what = [\"applications\"] }} to authority.grants"
            )),
        }
    }

    /// Its own namespace, and those that it was granted. Those that only Gatepost's own namespace may see without a grant are not
    /// among them: nobody has named them.
    fn granted(&self, own: &str) -> Vec<String> {
        let granted = self.grants.iter().filter(|grant| grant.from.is_match(own)).map(|grant| grant.to.clone());
        let all: BTreeSet<String> = granted.chain([own.to_owned()]).collect();
        all.into_iter().collect()
    }
}

/// Whether a selector can be meant at all. The schema does not say so.
fn check(selector: &Json) -> Result<(), String> {
    let operators = selector["matchExpressions"].as_array().into_iter().flatten();
    let operators = operators.map(|condition| condition["operator"].as_str().unwrap_or_default());
    let mut unknown = operators.filter(|operator| !["In", "NotIn", "Exists", "DoesNotExist"].contains(operator));
    unknown.next().map_or(Ok(()), |operator| {
        Err(format!("failed to read applicationSelector: {operator:?} is not one of In, NotIn, Exists, DoesNotExist"))
    })
}

/// Whether one condition of a label selector holds; `value` gives a label's.
fn holds<'v>(condition: &Json, value: impl Fn(&str) -> Option<&'v str>) -> bool {
    let found = value(condition["key"].as_str().unwrap_or_default());
    let listed = || condition["values"].as_array().into_iter().flatten().any(|one| one.as_str() == found);
    match condition["operator"].as_str().unwrap_or_default() {
        "In" => found.is_some() && listed(),
        "NotIn" => found.is_none() || !listed(),
        "Exists" => found.is_some(),
        "DoesNotExist" => found.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::gate::application::{APPLICATION_GATE, ARGOCD_COMMIT_STATUS};
    use serde_json::json;

    fn reach() -> Reach {
        let from = globset::Glob::new("team-*").unwrap().compile_matcher();
        Reach { namespace: "argocd".into(), grants: vec![Grant { from, to: "argocd".into() }] }
    }

    #[test]
    fn other_namespaces_need_a_grant() {
        let of = |own: &str, namespaces: Json| {
            Selection::of(&APPLICATION_GATE, &json!({"applicationNamespaces": namespaces}), own, &reach())
        };
        assert_eq!(of("dev", json!([])).unwrap().namespaces, ["dev"]);
        assert_eq!(of("team-a", json!(["argocd"])).unwrap().namespaces, ["argocd"]);
        assert!(of("argocd", json!(["dev", "prod"])).is_ok(), "the operator's own");
        let refused = of("dev", json!(["dev", "argocd"])).unwrap_err();
        assert!(refused.contains("authority.grants") && refused.contains("to = \"argocd\""), "{refused}");
        assert!(of("team-a", json!(["team-b"])).is_err());
    }

    #[test]
    fn a_kind_that_names_no_namespace_sees_what_was_granted() {
        let of = |own: &str| Selection::of(&ARGOCD_COMMIT_STATUS, &json!({}), own, &reach()).unwrap().namespaces;
        assert_eq!(of("team-a"), ["argocd", "team-a"]);
        assert_eq!(of("dev"), ["dev"]);
        assert_eq!(of("argocd"), ["argocd"]);
    }

    #[test]
    fn labels_select() {
        let labels = [("app".to_owned(), "orders".to_owned()), ("env".to_owned(), "dev".to_owned())];
        let expression = |key: &str, operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        for (selector, selected) in [
            (json!({"matchLabels": {"app": "orders"}}), true),
            (json!({"matchLabels": {"app": "orders", "env": "prod"}}), false),
            (expression("env", "In", &["dev", "test"]), true),
            (expression("none", "In", &["dev"]), false),
            (expression("env", "NotIn", &["dev"]), false),
            (expression("none", "NotIn", &["dev"]), true),
            (expression("env", "Exists", &[]), true),
            (expression("env", "DoesNotExist", &[]), false),
            (expression("env", "Near", &[]), false),
            (json!({}), false),
            (Json::Null, false),
        ] {
            let of =
                |empty_selects_all| Selection { namespaces: Vec::new(), selector: selector.clone(), empty_selects_all };
            assert_eq!(of(false).selects(&labels), selected, "{selector}");
            let is_empty = selector.as_object().is_none_or(serde_json::Map::is_empty);
            assert_eq!(of(true).selects(&labels), selected || is_empty, "{selector}");
        }
        let refused = Selection::of(
            &ARGOCD_COMMIT_STATUS,
            &json!({"applicationSelector": expression("env", "Near", &[])}),
            "a",
            &reach(),
        );
        assert!(refused.unwrap_err().contains("\"Near\" is not one of In"));
    }
}
