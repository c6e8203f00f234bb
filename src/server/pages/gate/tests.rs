#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::super::testing::{checked, hostile, words};
use super::*;
use serde_json::{Value as Json, json};

const NOW: i64 = 1_800_000_000_000;

fn shown(view: Json) -> String {
    let whole: Whole = serde_json::from_value(view).unwrap();
    checked(&page(Layout::sample(Section::Gates), &whole, &words(), NOW))
}

#[test]
fn a_gate_says_why_and_what_was_answered() {
    let html = shown(json!({
        "kind": "WebRequestCommitStatus", "namespace": "shop", "name": "check", "strategy": "orders", "key": "check", "mode": "polling",
        "phases": {"prod": {"phase": "pending", "sha": "aa11"}},
        "ready": {"status": "False", "reason": "CommitStatusesNotReady", "message": "push refused"},
        "error": null, "lookedAt": "2027-01-15T07:59:00Z", "nextLook": "2027-01-15T08:01:00Z", "nextTry": "2027-01-15T08:00:30Z",
        "why": ["prod is pending for aa11: the expression gave false on the last answer"],
        "steps": [{"scope": "prod", "decision": "asked", "trigger": true, "result": "false"}],
        "answers": {"prod": {"at": "2027-01-15T07:59:00Z", "status": 200, "contentType": "application/json",
            "milliseconds": 12, "bytes": 20, "attempt": 1, "body": "{\"ok\": false}"}},
        "history": {"prod": [{"at": "2027-01-15T07:00:00Z", "phase": "success", "sha": "aa10"},
            {"at": "2027-01-15T07:30:00Z", "phase": "pending", "sha": "aa11"}]},
        "commitStatuses": [{"name": "check-prod", "key": "check", "sha": "aa11", "ready": "False", "reason": "Push", "message": "401"}],
    }));
    for expected in [
        "the expression gave false on the last answer",
        "push refused",
        "in 30 s",
        "{&#34;ok&#34;: false}",
        "prod: success for aa10 from 2027-01-15 07:00:00 UTC to 2027-01-15 07:30:00 UTC",
        "Push: 401",
    ] {
        assert!(html.contains(expected), "{expected} is missing in {html}");
    }
}

#[test]
fn an_application_gate_leads_to_its_applications() {
    let html = shown(json!({
        "kind": "ApplicationGate", "namespace": "shop", "name": "health", "phases": {"prod": {"phase": "failure", "sha": "aa"}},
        "why": ["prod is failure for aa: 1 of 2 is degraded"],
        "environments": [{"branch": "prod", "phase": "failure", "description": "1 of 2 is degraded", "applications": [
            {"namespace": "argocd", "name": "orders", "phase": "failure", "health": "Degraded", "sync": "Synced"}]}],
    }));
    assert!(html.contains("<a href=\"/applications/argocd/orders\">") && html.contains("It has written none yet."));
    assert!(html.contains("No phase is known yet"));
}

#[test]
fn an_empty_and_a_hostile_gate_are_pages_too() {
    shown(json!({}));
    let text = || hostile(3_000);
    let changes: Vec<Json> = (0..50)
        .map(|nth| json!({"at": format!("2027-01-15T07:{nth:02}:00Z"), "phase": "failure", "sha": text()}))
        .collect();
    let step = json!({"scope": text(), "decision": text(), "error": text(), "result": text(), "variables": text()});
    let answer = json!({"status": 200, "contentType": text(), "body": text()});
    let written =
        json!({"name": text(), "key": text(), "sha": text(), "ready": text(), "reason": text(), "message": text()});
    let application =
        json!({"namespace": hostile(63), "name": hostile(63), "phase": text(), "health": text(), "sync": text()});
    let named = |value: &Json| -> serde_json::Map<String, Json> {
        (0..60).map(|nth| (format!("{nth}{}", hostile(250)), value.clone())).collect()
    };
    shown(json!({
        "kind": text(), "strategy": text(), "key": text(), "mode": text(), "error": text(),
        "phases": named(&json!({"phase": text(), "sha": text()})),
        "ready": {"status": text(), "reason": text(), "message": text()},
        "why": vec![text(); 60], "steps": vec![step; 60], "answers": named(&answer), "history": named(&json!(changes)),
        "commitStatuses": vec![written; 60],
        "environments": vec![json!({"branch": text(), "applications": vec![application; 20]}); 60],
    }));
}
