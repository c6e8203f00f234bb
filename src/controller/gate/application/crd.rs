//! The custom resource `ApplicationGate` as the API server is told of it: schema, rules, columns.
//!
//! `config/crd/gatepost.dev_applicationgates.yaml` is made of this; a test fails where they differ. What is read of an object
//! is `crate::gate::application`'s, from JSON: a field of a newer version must not make an older one refuse the whole object.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResource, CustomResourceExt as _};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Turns what Argo CD made of a commit into a CommitStatus of the GitOps Promoter.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "gatepost.dev",
    version = "v1alpha1",
    kind = "ApplicationGate",
    namespaced,
    status = "ApplicationGateStatus",
    shortname = "appgate",
    printcolumn = r#"{"name":"Key","type":"string","jsonPath":".spec.key"}"#,
    printcolumn = r#"{"name":"PromotionStrategy","type":"string","jsonPath":".spec.promotionStrategyRef.name"}"#,
    printcolumn = r#"{"name":"ReportOn","type":"string","jsonPath":".spec.reportOn"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationGateSpec {
    /// The strategy whose environments are reported on, in the gate's own namespace.
    pub promotion_strategy_ref: Reference,
    /// Key that the strategy names in activeCommitStatuses or proposedCommitStatuses.
    #[serde(default = "default_key")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub key: String,
    /// Which commit is reported on. Applications are always judged at the active one.
    #[serde(default)]
    pub report_on: ReportOn,
    /// Which Applications count, by their labels. An empty selector selects none: that would be everybody's.
    #[schemars(extend("x-kubernetes-validations" = [{
        "rule": "(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)",
        "message": "applicationSelector must name at least one label",
    }]))]
    pub application_selector: Selector,
    /// Namespaces of the Applications; by default the gate's own. Others need an entry in authority.grants of Gatepost's settings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub application_namespaces: Vec<String>,
    /// What an Application is judged by; by default its sync, health and operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    /// Template of the CommitStatus's description.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 4096))]
    pub description_template: String,
    /// Template of the CommitStatus's URL, which has to be http or https.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 4096))]
    pub url_template: String,
    /// How long the health of the Applications has to stand still before it is believed.
    #[serde(default = "default_settle")]
    #[schemars(
        regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"),
        length(max = 32),
        extend("x-kubernetes-validations" = [{"rule": "duration(self) <= duration('1h')", "message": "settle must be at most 1h"}])
    )]
    pub settle: String,
}

fn default_key() -> String {
    crate::gate::application::APPLICATION_GATE.default_key.to_owned()
}

fn default_settle() -> String {
    "5s".to_owned()
}

/// An object of the same namespace.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Reference {
    /// Its name.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
}

/// A commit of an environment.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "lowercase")]
pub enum ReportOn {
    /// The one to be promoted.
    Proposed,
    /// The one that is deployed.
    #[default]
    Active,
}

/// Labels, as everywhere in Kubernetes.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    /// Labels with their values, all of which count.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Conditions, all of which count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub match_expressions: Vec<Requirement>,
}

/// One condition on a label.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// How it is compared.
    pub operator: Operator,
    /// With what; empty for Exists and DoesNotExist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// It has one of the values.
    In,
    /// It has none of them.
    NotIn,
    /// It is there.
    Exists,
    /// It is not.
    DoesNotExist,
}

/// Expressions that belong together: variables, then the expression, then what is kept.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct When {
    /// Gives Variables, a map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<Expression>,
    /// A boolean, or an object with phase.
    #[schemars(length(min = 1, max = 16384))]
    pub expression: String,
    /// Gives the map that the status keeps of each Application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Expression>,
}

/// An expression.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Expression {
    /// Its text.
    #[schemars(length(max = 16384))]
    pub expression: String,
}

/// What is known of a gate.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationGateStatus {
    /// Generation of the spec that it is about.
    #[serde(default)]
    pub observed_generation: i64,
    /// One entry for each environment.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["branch"]))]
    pub environments: Vec<Environment>,
    /// Ready: whether the last look succeeded.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The installation that wrote it.
    #[serde(default, rename = "instanceID", skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
}

/// What is said of an environment.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Environment {
    /// Its branch.
    pub branch: String,
    /// The commit that the phase is about.
    #[serde(default)]
    #[schemars(regex(pattern = r"^([a-f0-9]{40}|[a-f0-9]{64})?$"))]
    pub reported_sha: String,
    /// What is said of it.
    pub phase: Phase,
    /// The same in words.
    #[serde(default)]
    pub description: String,
    /// Applications that it was judged by.
    #[serde(default)]
    pub applications: Vec<Application>,
}

/// What is said of a commit.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Not yet, or not known.
    Pending,
    /// It may pass.
    Success,
    /// It may not.
    Failure,
}

/// What one Application came to.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Application {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it came to.
    pub phase: Phase,
    /// The commit that it is at.
    #[serde(default)]
    pub sha: String,
    /// Argo CD's word for its health.
    #[serde(default)]
    pub health: String,
    /// Argo CD's word for its sync.
    #[serde(default)]
    pub sync: String,
    /// What when.output gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub output: Option<serde_json::Value>,
}

/// A condition, as everywhere in Kubernetes.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which one.
    #[serde(rename = "type")]
    pub kind: String,
    /// True, False or Unknown.
    pub status: String,
    /// Generation of the spec that it is about.
    #[serde(default)]
    pub observed_generation: i64,
    /// When the status changed.
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: String,
    /// One word.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "nullable": true, "x-kubernetes-preserve-unknown-fields": true})
}

/// The definition.
#[must_use]
pub fn definition() -> CustomResourceDefinition {
    ApplicationGate::crd()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::gate::application::{APPLICATION_GATE, DEFAULT_SETTLE, Spec};
    use serde_json::{Value as Json, json};
    use std::path::Path;

    const FILE: &str = "config/crd/gatepost.dev_applicationgates.yaml";

    /// Run with `GATEPOST_WRITE_CRDS=1` to write the file anew.
    #[test]
    fn the_file_is_what_the_types_say() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
        let head = "# Made of src/controller/gate/application/crd.rs; write it anew with\n# GATEPOST_WRITE_CRDS=1 cargo test --lib application::crd\n";
        let wanted = format!("{head}{}", serde_yaml_ng::to_string(&definition()).unwrap());
        if std::env::var_os("GATEPOST_WRITE_CRDS").is_some() {
            std::fs::write(&path, &wanted).unwrap();
        }
        assert!(std::fs::read_to_string(&path).unwrap() == wanted, "{FILE} is not what the types say");
    }

    fn schema() -> Json {
        let definition = serde_json::to_value(definition()).unwrap();
        definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
    }

    #[test]
    fn what_the_schema_fills_in_is_what_the_gate_takes() {
        let spec = &schema()["properties"]["spec"]["properties"];
        assert_eq!(spec["key"]["default"], json!("argocd-sync"));
        assert_eq!((&spec["reportOn"]["default"], &spec["settle"]["default"]), (&json!("active"), &json!("5s")));
        let filled =
            json!({"promotionStrategyRef": {"name": "a"}, "key": "argocd-sync", "reportOn": "active", "settle": "5s"});
        let unfilled = json!({"promotionStrategyRef": {"name": "a"}});
        assert_eq!(
            Spec::parse(&APPLICATION_GATE, &filled).unwrap(),
            Spec::parse(&APPLICATION_GATE, &unfilled).unwrap()
        );
        assert_eq!(Spec::parse(&APPLICATION_GATE, &filled).unwrap().settle, DEFAULT_SETTLE);
    }

    #[test]
    fn rules_say_what_is_wrong() {
        let spec = &schema()["properties"]["spec"]["properties"];
        for (field, words) in [("applicationSelector", "at least one label"), ("settle", "at most 1h")] {
            let message = spec[field]["x-kubernetes-validations"][0]["message"].as_str().unwrap();
            assert!(message.contains(words), "{field}: {message}");
        }
        assert_eq!(
            schema()["properties"]["status"]["properties"]["environments"]["x-kubernetes-list-map-keys"],
            json!(["branch"])
        );
    }
}
