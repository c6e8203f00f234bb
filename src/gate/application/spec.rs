//! An `ApplicationGate` as typed values (`spec/gates.md` 22). The API server's schema has checked what it can.

use super::status::Status;
use crate::gate::spec::{ReportOn, When};
use gatepost_value::time::parse_duration;
use serde_json::Value as Json;
use std::time::Duration;

/// Key of a gate that names none.
pub const DEFAULT_KEY: &str = "argocd-sync";
/// How long the health of Applications has to stand still before it is believed.
pub const DEFAULT_SETTLE: Duration = Duration::from_secs(5);
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

/// An `ApplicationGate` object.
#[derive(Debug, Clone)]
pub struct Gate {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// What it asks for.
    pub spec: Spec,
    /// What is stored of it.
    pub status: Status,
    /// The whole object, as templates see it.
    pub object: Json,
}

/// What a gate asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Name of the PromotionStrategy, in the gate's namespace.
    pub strategy: String,
    /// The key that strategies name the gate by.
    pub key: String,
    /// Which commit is reported on. Judged is always the active one.
    pub report_on: ReportOn,
    /// What an Application is judged by.
    pub when: When,
    /// Template of the description; empty for the gate's own words.
    pub description: String,
    /// Template of the URL; empty for none.
    pub url: String,
    /// How long health has to stand still.
    pub settle: Duration,
}

/// An object is not a gate that can be looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A field is not there.
    #[error("failed to read the ApplicationGate: {0} is missing")]
    Missing(&'static str),
    /// A field cannot be read.
    #[error("failed to read the ApplicationGate: {field}: {reason}")]
    Field {
        /// Its path.
        field: &'static str,
        /// Why.
        reason: String,
    },
}

impl Gate {
    /// Reads an object.
    ///
    /// # Errors
    /// Where it is no gate.
    pub fn parse(object: &Json) -> Result<Self, Error> {
        let text = |path: &str| text(object, path);
        let status = object.get("status").cloned().map(serde_json::from_value).transpose();
        let unreadable = |error: serde_json::Error| Error::Field { field: "status", reason: error.to_string() };
        Ok(Self {
            name: some(text("/metadata/name"), "metadata.name")?,
            namespace: text("/metadata/namespace"),
            uid: text("/metadata/uid"),
            generation: object.pointer("/metadata/generation").and_then(Json::as_i64).unwrap_or_default(),
            spec: Spec::parse(object.get("spec").unwrap_or(&Json::Null))?,
            status: status.map_err(unreadable)?.unwrap_or_default(),
            object: object.clone(),
        })
    }
}

impl Spec {
    /// Reads a `spec`.
    ///
    /// # Errors
    /// What is missing or cannot be read.
    pub fn parse(spec: &Json) -> Result<Self, Error> {
        let text = |path: &str| text(spec, path);
        let strategy = some(text("/promotionStrategyRef/name"), "spec.promotionStrategyRef.name")?;
        let set = |path: &str| Some(text(path)).filter(|source| !source.trim().is_empty());
        let report_on = match text("/reportOn").as_str() {
            "" | "active" => ReportOn::Active,
            "proposed" => ReportOn::Proposed,
            got => {
                let reason = format!("{got:?} is not one of active, proposed");
                return Err(Error::Field { field: "spec.reportOn", reason });
            }
        };
        Ok(Self {
            strategy,
            key: set("/key").unwrap_or_else(|| DEFAULT_KEY.to_owned()),
            report_on,
            when: When {
                variables: set("/when/variables/expression"),
                expression: set("/when/expression").unwrap_or_else(|| DEFAULT_EXPRESSION.to_owned()),
                output: set("/when/output/expression"),
            },
            description: text("/descriptionTemplate"),
            url: text("/urlTemplate"),
            settle: settle(&text("/settle"))?,
        })
    }
}

fn settle(text: &str) -> Result<Duration, Error> {
    if text.is_empty() {
        return Ok(DEFAULT_SETTLE);
    }
    let wrong = |reason: String| Error::Field { field: "spec.settle", reason };
    let nanoseconds = parse_duration(text).map_err(|error| wrong(error.to_string()))?;
    let nanoseconds = u64::try_from(nanoseconds).map_err(|_| wrong(format!("{text} is less than nothing")))?;
    Ok(Duration::from_nanos(nanoseconds))
}

fn text(object: &Json, path: &str) -> String {
    object.pointer(path).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn some(text: String, field: &'static str) -> Result<String, Error> {
    if text.is_empty() { Err(Error::Missing(field)) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_said_has_a_default() {
        let spec = Spec::parse(&json!({"promotionStrategyRef": {"name": "app"}})).unwrap();
        assert_eq!((spec.key.as_str(), spec.report_on, spec.settle), ("argocd-sync", ReportOn::Active, DEFAULT_SETTLE));
        assert_eq!(spec.when.expression, DEFAULT_EXPRESSION);
        let spec = json!({"promotionStrategyRef": {"name": "a"}, "settle": "0s", "when": {"expression": "true", "variables": {"expression": " "}}});
        let spec = Spec::parse(&spec).unwrap();
        assert_eq!((spec.settle, spec.when.expression.as_str(), spec.when.variables), (Duration::ZERO, "true", None));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert_eq!(Spec::parse(&json!({})).unwrap_err(), Error::Missing("spec.promotionStrategyRef.name"));
        for (field, value) in [("reportOn", "both"), ("settle", "soon"), ("settle", "-1s")] {
            let error = Spec::parse(&json!({"promotionStrategyRef": {"name": "a"}, field: value})).unwrap_err();
            assert!(error.to_string().contains(&format!("spec.{field}")), "{error}");
        }
    }
}
