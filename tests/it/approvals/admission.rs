//! What the API server takes: the samples as they are, and nothing that the rules of the CRD refuse, in their words.

use crate::env::cluster;
use gatepost::controller::approval::crd::WebhookApproval;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use std::path::Path;

const SAMPLES: &str = "config/samples/approvals";

/// Every document of the samples that can be parsed as YAML.
fn samples() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(SAMPLES);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let documents = serde_yaml_ng::Deserializer::from_str(&text);
            for document in documents {
                let value: Value = serde::Deserialize::deserialize(document).unwrap_or_else(|e| panic!("{name}: {e}"));
                found.push((name.clone(), value));
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_are_taken_as_they_are() {
    let namespace = cluster().await.namespace().await;
    let api: Api<WebhookApproval> = namespace.api();
    let approvals: Vec<_> = samples().into_iter().filter(|(_, value)| value["kind"] == "WebhookApproval").collect();
    assert_eq!(approvals.len(), 7, "the seed's seven uses");
    for (file, value) in approvals {
        let approval: WebhookApproval = serde_json::from_value(value).unwrap_or_else(|e| panic!("{file}: {e}"));
        let made = api.create(&PostParams::default(), &approval).await.unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(made.timeout_ms() >= 60_000, "{file}");
    }
    for stage in ["beforeDeployment", "withinDeployment", "afterDeployment"] {
        let all = api.list(&Default::default()).await.unwrap().items;
        let count = all.iter().filter(|a| serde_json::to_value(a.spec.stage).unwrap() == stage).count();
        assert!(count >= 2, "{stage}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_refused_with_the_reason() {
    let namespace = cluster().await.namespace().await;
    let api: Api<kube::api::DynamicObject> = namespace.dynamic("gatepost.dev/v1alpha1", "WebhookApproval").await;
    let cases = [
        (json!({"applicationRef": {"name": "a"}}), "exclude each other"),
        (json!({"stage": "withinDeployment"}), "opened through the API"),
        (json!({"onFailure": {"rollback": true}}), "needs an applicationRef"),
        (json!({"httpRequest": {"urlTemplate": "http://x"}}), "exactly one of method or methodTemplate"),
        (
            json!({"httpRequest": {"urlTemplate": "http://x", "method": "POST", "authentication": {
            "basic": {"secretRef": {"name": "a"}}, "bearer": {"secretRef": {"name": "a"}}}}}),
            "at most one of the fields",
        ),
        (json!({"callback": {"timeout": "100d"}}), "timeout"),
        (json!({"callback": {"timeout": "9000h"}}), "from 1s to 2160h"),
        (json!({"callback": {"authentication": {}}}), "at least one of the fields"),
        (
            json!({"callback": {"authentication": {"oidc": [{"issuer": "https://i", "audience": "a", "claims": {}}]}}}),
            "claims",
        ),
        (json!({"manualApproval": {"minApprovals": 0}}), "minApprovals"),
        (json!({"key": "Not A Key"}), "spec.key"),
    ];
    for (change, says) in cases {
        let mut spec = json!({"key": "k", "stage": "afterDeployment", "promotionStrategyRef": {"name": "app"},
            "httpRequest": {"urlTemplate": "http://x", "method": "POST"}});
        for (name, value) in change.as_object().unwrap() {
            spec[name] = value.clone();
        }
        let object = json!({"apiVersion": "gatepost.dev/v1alpha1", "kind": "WebhookApproval", "metadata": {"name": "a"}, "spec": spec});
        let object = serde_json::from_value(object).unwrap();
        let refused = api.create(&PostParams::default(), &object).await.expect_err(says).to_string();
        assert!(refused.contains(says), "{says}: {refused}");
    }
}
