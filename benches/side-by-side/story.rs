//! What is configured, and what happens to each Application: ten changes, most of which somebody is told about.

use crate::{Catalogue, peer};
use serde_json::{Map, Value, json};
use std::path::Path;

/// What is printed into a JSON string without being escaped: the one thing that both are known to do differently.
const RAW: &str = r#"- when: app.status.operationState != nil and app.status.operationState.phase in ['Failed']
  oncePer: app.status.operationState?.syncResult?.revision
  send: [raw]
"#;

/// What happens to all Applications.
#[derive(Debug, Clone)]
pub enum Action {
    /// They are made.
    Create,
    /// This is merged into their status.
    Status(Value),
    /// They are deleted; a finalizer keeps them.
    Delete,
}

/// One of the ten.
#[derive(Debug, Clone)]
pub struct Step {
    /// What an Application does.
    pub what: &'static str,
    /// How.
    pub action: Action,
    /// Triggers of the catalogue that hold for the first time.
    pub triggers: &'static [&'static str],
    /// Whether the trigger with the raw template does.
    pub raw: bool,
}

impl Step {
    /// Requests that are expected of it for each Application: of Gatepost's catalogue, each trigger has a variant for Backstage.
    pub fn requests(&self, catalogue: Catalogue) -> usize {
        let each = if catalogue == Catalogue::Gatepost { 2 } else { 1 };
        self.triggers.len() * each + usize::from(self.raw)
    }
}

/// The ten changes.
pub fn steps() -> Vec<Step> {
    let step = |what, action, triggers| Step { what, action, triggers, raw: false };
    let failed =
        "one or more objects failed: \"Deployment\" is invalid:\n\tspec.replicas: Invalid value: C:\\temp & <b>é</b>";
    vec![
        step("are made", Action::Create, &["on-created"]),
        step("run their first sync", status("Running", "r1", "", "Synced", "Progressing"), &["on-sync-running"]),
        step(
            "are deployed",
            status("Succeeded", "r1", "done", "Synced", "Healthy"),
            &["on-sync-succeeded", "on-deployed"],
        ),
        step("degrade", status("Succeeded", "r1", "done", "Synced", "Degraded"), &["on-health-degraded"]),
        step(
            "recover, of unknown status",
            status("Succeeded", "r1", "done", "Unknown", "Healthy"),
            &["on-sync-status-unknown"],
        ),
        step("run their second sync", status("Running", "r2", "", "OutOfSync", "Healthy"), &["on-sync-running"]),
        Step { raw: true, ..step("fail", status("Failed", "r2", failed, "OutOfSync", "Healthy"), &["on-sync-failed"]) },
        step("run their third sync", status("Running", "r3", "", "OutOfSync", "Healthy"), &["on-sync-running"]),
        step(
            "are deployed again",
            status("Succeeded", "r3", "done", "Synced", "Healthy"),
            &["on-sync-succeeded", "on-deployed"],
        ),
        step("are deleted", Action::Delete, &["on-deleted"]),
    ]
}

fn status(phase: &str, revision: &str, message: &str, sync: &str, health: &str) -> Action {
    let over = phase != "Running";
    Action::Status(json!({
        "operationState": {
            "phase": phase, "message": message, "startedAt": "2026-01-01T10:00:00Z", "operation": {},
            "finishedAt": if over { json!("2026-01-01T10:01:00Z") } else { Value::Null },
            "syncResult": {"revision": revision, "source": {"repoURL": "https://github.com/example/repo.git"}},
        },
        "sync": {"status": sync, "revision": revision},
        "health": {"status": health, "lastTransitionTime": "2026-01-01T10:00:30Z"},
        "reconciledAt": "2026-01-01T10:02:00Z",
    }))
}

/// Subscriptions of each Application.
pub fn annotations() -> Map<String, Value> {
    let mut all = Map::new();
    let triggers: std::collections::BTreeSet<&str> =
        steps().iter().flat_map(|step| step.triggers.iter().copied()).collect();
    for trigger in triggers {
        all.insert(format!("notifications.argoproj.io/subscribe.{trigger}.plain"), json!(""));
        all.insert(format!("notifications.argoproj.io/subscribe.{trigger}-backstage.backstage"), json!(""));
    }
    all.insert("notifications.argoproj.io/subscribe.on-raw.raw".into(), json!(""));
    all
}

/// The keys of the ConfigMap, `{url}` standing for the receiver.
pub fn configuration(catalogue: Catalogue) -> Map<String, Value> {
    let mut keys = match catalogue {
        Catalogue::Gatepost => own(),
        Catalogue::Argocd => peer::catalogue(),
    };
    let header =
        "headers:\n- name: Content-Type\n  value: application/json\n- name: Authorization\n  value: Bearer $token\n";
    for (name, value) in [
        ("context", "argocdUrl: https://argocd.example.com\n".to_owned()),
        ("service.webhook.plain", "url: {url}/plain\nbasicAuth:\n  username: me\n  password: $token\n".to_owned()),
        ("service.webhook.backstage", format!("url: {{url}}/api/notifications\n{header}")),
        ("service.webhook.raw", format!("url: {{url}}/raw/\n{header}")),
        ("trigger.on-raw", RAW.to_owned()),
        ("template.raw", json!({"webhook": {"raw": {"method": "PUT", "path": "/{{.app.metadata.name}}?phase={{.app.status.operationState.phase}}",
            "body": "{\"message\": \"{{.app.status.operationState.message}}\"}"}}}).to_string()),
    ] {
        keys.insert(name.to_owned(), json!(value));
    }
    keys
}

fn own() -> Map<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/catalog");
    let files = std::fs::read_dir(folder).expect("the catalogue is there");
    let texts = files.map(|file| std::fs::read_to_string(file.expect("a file").path()).expect("a readable file"));
    texts.flat_map(|text| serde_yaml_ng::from_str::<Map<String, Value>>(&text).expect("keys of a ConfigMap")).collect()
}
