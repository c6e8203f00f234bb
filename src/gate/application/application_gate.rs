//! `ApplicationGate`, Gatepost's own kind: judged by an expression, one failure is a failure (`spec/gates.md` 22).

use super::dialect::{Dialect, Found, Memory, Namespaces, Scope, Together, Told};
use super::judge;
use super::spec::{DEFAULT_SETTLE, Error, Fields, Rule, Spec, Url};
use super::status::Status;
use crate::gate::spec::{ReportOn, When};
use gatepost_template::MissingKey;
use gatepost_value::json::{Numbers, from_serde};
use gatepost_value::namespace::Record as Struct;
use gatepost_value::time::parse_duration;
use gatepost_value::{Str, Value};
use serde_json::Value as Json;
use std::time::Duration;

/// The kind.
pub static APPLICATION_GATE: Dialect = Dialect {
    api_version: "gatepost.dev/v1alpha1",
    kind: "ApplicationGate",
    plural: "applicationgates",
    manager: "gatepost.dev/application-gate",
    commit_status_manager: "promoter.argoproj.io/webrequestcommitstatus-controller",
    gate_label: "gatepost.dev/application-gate",
    suffix: "application-gate",
    default_key: "argocd-sync",
    url_field: "spec.urlTemplate",
    is_promoters: false,
    namespaces: Namespaces::Named,
    empty_selects_all: false,
    scope: Scope::Keyed,
    together: Together::AnyFailure,
    memory: Memory::Status,
    read,
    empty: |_| None,
    data,
    store,
};

/// What an Application is judged by where the gate says nothing.
///
/// An Application that is not at the environment's commit is pending without being judged.
pub const DEFAULT_EXPRESSION: &str = r#"
let operation = app.status.operationState?.phase;
let health = app.status.health?.status;
(OperationRevision == Environment.Sha && operation in ["Failed", "Error"])
  || app.status.sourceHydrator?.currentOperation?.phase == "Failed"
  || health == "Degraded"
  ? {phase: "failure"}
  : app.status.sync?.status == "Synced" && health == "Healthy" && operation == "Succeeded"
"#;

fn read(dialect: &'static Dialect, spec: &Json) -> Result<Spec, Error> {
    let fields = Fields::of(dialect, spec);
    let report_on = match fields.text("/reportOn").as_str() {
        "" | "active" => ReportOn::Active,
        "proposed" => ReportOn::Proposed,
        got => return Err(fields.wrong("spec.reportOn", format!("{got:?} is not one of active, proposed"))),
    };
    let when = When {
        variables: fields.set("/when/variables/expression"),
        expression: fields.set("/when/expression").unwrap_or_else(|| DEFAULT_EXPRESSION.to_owned()),
        output: fields.set("/when/output/expression"),
    };
    Ok(Spec {
        strategy: fields.strategy()?,
        key: fields.key(),
        report_on,
        rule: Rule::Expression(when),
        description: fields.text("/descriptionTemplate"),
        url: Url { template: fields.text("/urlTemplate"), missing: MissingKey::Default },
        settle: settle(&fields)?,
    })
}

fn settle(fields: &Fields<'_>) -> Result<Duration, Error> {
    let text = fields.text("/settle");
    if text.is_empty() {
        return Ok(DEFAULT_SETTLE);
    }
    let wrong = |reason: String| fields.wrong("spec.settle", reason);
    let nanoseconds = parse_duration(&text).map_err(|error| wrong(error.to_string()))?;
    let nanoseconds = u64::try_from(nanoseconds).map_err(|_| wrong(format!("{text} is less than nothing")))?;
    Ok(Duration::from_nanos(nanoseconds))
}

fn data(told: &Told<'_>) -> Value {
    let number = |count: usize| Value::int(i64::try_from(count).unwrap_or(i64::MAX));
    let fields = [
        ("Branch", Value::str(told.scene.branch)),
        ("Phase", Value::str(told.phase.as_str())),
        ("Description", Value::str(told.words)),
        ("Environment", judge::environment(told.scene)),
        ("Healthy", number(told.counts.success)),
        ("Degraded", number(told.counts.failure)),
        ("Pending", number(told.counts.pending)),
        ("Total", number(told.counts.total())),
        ("PromotionStrategy", (told.strategy)()),
        ("ApplicationGate", from_serde(&told.gate.object, Numbers::Kubernetes)),
    ];
    let fields = fields.into_iter().map(|(name, value)| (Str::from_static(name), value)).collect();
    Struct::value("applicationgate.TemplateData", fields)
}

fn store(status: &mut Status, found: &Found<'_>) {
    status.environments = found.environments.to_vec();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn spec(spec: &Json) -> Result<Spec, Error> {
        read(&APPLICATION_GATE, spec)
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let default = spec(&json!({"promotionStrategyRef": {"name": "app"}})).unwrap();
        let said = (default.key.as_str(), default.report_on, default.settle);
        assert_eq!(said, ("argocd-sync", ReportOn::Active, DEFAULT_SETTLE));
        let when = |expression: &str| When { variables: None, expression: expression.into(), output: None };
        assert_eq!(default.rule, Rule::Expression(when(DEFAULT_EXPRESSION)));
        let own = json!({"promotionStrategyRef": {"name": "a"}, "settle": "0s", "when": {"expression": "true", "variables": {"expression": " "}}});
        let own = spec(&own).unwrap();
        assert_eq!((own.settle, own.rule), (Duration::ZERO, Rule::Expression(when("true"))));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let error = spec(&json!({})).unwrap_err().to_string();
        assert_eq!(error, "failed to read the ApplicationGate: spec.promotionStrategyRef.name is missing");
        for (field, value) in [("reportOn", "both"), ("settle", "soon"), ("settle", "-1s")] {
            let error = spec(&json!({"promotionStrategyRef": {"name": "a"}, field: value})).unwrap_err();
            assert!(error.to_string().contains(&format!("spec.{field}")), "{error}");
        }
    }
}
