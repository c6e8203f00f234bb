//! The examples of `config/samples/gates`, each looked at with an answer that approves and one that does not; and what the
//! longer ones promise, step by step.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::testing::{World, answer};
use crate::gate::lint;
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::time::Duration;

const DEV: &str = "environment/dev";
const PROD: &str = "environment/prod";
const MINUTE: Duration = Duration::from_secs(60);

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config/samples/gates")
}

fn documents(name: &str) -> Vec<Json> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.yaml"))).unwrap();
    let documents = serde_yaml_ng::Deserializer::from_str(&text);
    documents.map(|document| serde::Deserialize::deserialize(document).unwrap()).collect()
}

fn sample(name: &str) -> World {
    let mut gate = documents(name).into_iter().find(|d| d["kind"] == "WebRequestCommitStatus").unwrap();
    gate["metadata"]["generation"] = json!(1);
    let mut world = World::new(gate, documents("strategy").remove(0));
    world.namespace.labels = [("team".to_owned(), "shop".to_owned())].into();
    world
}

fn phase(world: &World, branch: &str) -> String {
    world.says(branch).map(|(phase, _)| phase).unwrap_or_default()
}

/// Body of an answer that approves, and of one that does not.
fn answers(name: &str) -> (Json, Json) {
    let approved = (json!({"approved": true}), json!({"approved": false}));
    match name {
        "change-validation" => (json!({"status": "approved"}), json!({"status": "open"})),
        "compliance-check" => (json!({"compliant": true, "score": 0.8}), json!({"compliant": true, "score": 0.79})),
        "github-required-statuses" => (
            json!({"check_runs": [{"status": "completed", "conclusion": "success"},
                {"status": "completed", "conclusion": "skipped"}]}),
            json!({"check_runs": [{"status": "in_progress", "conclusion": null}]}),
        ),
        "multi-check" => (
            json!({"securityScan": {"passed": true}, "performanceTest": {"score": 90}, "criticalIssues": [],
                "approvals": {"managerApproval": true, "securityApproval": true}}),
            json!({"securityScan": {"passed": true}}),
        ),
        "production-health" => (json!({"errorRate": 0.001}), json!({"errorRate": 0.02})),
        "pipeline-gate" | "deployment-check" => (json!({"ready": true}), json!({"ready": false})),
        "batch-env-status" => (json!({"devOk": true, "prodOk": true}), json!({"stagingOk": true})),
        "progressive-check" => (json!({"validated": true, "status": "done"}), json!({"validated": false})),
        _ => approved,
    }
}

#[test]
fn every_sample_is_clean_and_does_what_it_says() {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|f| f.unwrap().path())
        .filter_map(|path| {
            let yaml = path.extension().is_some_and(|extension| extension == "yaml");
            yaml.then(|| path.file_stem().unwrap().to_string_lossy().into_owned())
        })
        .filter(|name| name != "strategy")
        .collect();
    names.sort();
    assert!(names.len() >= 20, "{names:?}");
    for name in names {
        let mut world = sample(&name);
        assert_eq!(lint::check(&world.gate), [], "{name}");
        let (approving, refusing) = answers(&name);
        world.responds(200, approving);
        world.look();
        assert_eq!(world.last.failures, [], "{name}");
        assert_eq!(phase(&world, PROD), "success", "{name}");
        assert!(!world.commit_statuses.values().any(|c| c.to_string().contains("<no value>")), "{name}");
        // A second look changes nothing.
        let before = world.commit_statuses.clone();
        world.look();
        assert_eq!((world.last.failures.as_slice(), phase(&world, PROD)), ([].as_slice(), "success".into()), "{name}");
        if name != "progressive-check" && name != "change-management-close" {
            assert_eq!(world.commit_statuses, before, "{name}");
        }
        // These take any answer for approval, or answer by status code alone.
        let by_status = ["change-management-close", "secure-validation", "validate-after-argocd", "trigger-with-vars"];
        let mut world = sample(&name);
        let code = if by_status[1..].contains(&name.as_str()) || name == "build-tag-display" { 404 } else { 200 };
        world.responds(code, refusing);
        world.look();
        assert_eq!(world.last.failures, [], "{name}");
        let expected = if name == by_status[0] { "success" } else { "pending" };
        assert_eq!(phase(&world, PROD), expected, "{name}");
    }
}

#[test]
fn a_body_is_json_whatever_the_values_are() {
    for name in ["compliance-check", "team-approval"] {
        let mut world = sample(name);
        world.namespace.labels.insert("team".into(), "the \"best\" team".into());
        world.look();
        let body: Json = serde_json::from_str(world.requests[0].body.as_deref().unwrap()).unwrap();
        assert!(body.to_string().contains("the \\\"best\\\" team"), "{name}");
    }
}

#[test]
fn variables_are_computed_once_and_shown_also_without_an_answer() {
    let mut world = sample("build-tag-display");
    world.responds(200, json!({"buildTag": "v7", "buildRunId": "99"}));
    world.look();
    assert_eq!(world.description(DEV), "Build v7 (success)");
    assert_eq!(world.status()["environments"][0]["successOutput"], json!({"tag": "v7", "runId": "99", "ok": true}));
    // Carry-forward: a new commit that the receiver cannot tell of yet keeps the text, and is pending.
    world.responds(404, json!({}));
    world.push(DEV, &"4".repeat(40));
    world.look();
    assert_eq!(world.description(DEV), "Build v7 (pending)");
    world.look();
    assert_eq!((world.description(DEV), phase(&world, PROD)), ("Build v7 (pending)", "success".into()));
}

#[test]
fn one_answer_may_tell_of_each_environment() {
    let mut world = sample("batch-env-status");
    world.responds(200, json!({"devOk": true, "stagingOk": false, "prodOk": true}));
    world.look();
    let phases = |world: &World| [DEV, "environment/staging", PROD].map(|branch| phase(world, branch));
    assert_eq!((world.requests.len(), phases(&world)), (1, ["success", "pending", "success"].map(str::to_owned)));
    world.look();
    assert_eq!((world.requests.len(), phases(&world)), (1, ["success", "pending", "success"].map(str::to_owned)));
}

#[test]
fn a_trigger_waits_for_another_gate() {
    let mut world = sample("validate-after-argocd");
    world.look();
    assert_eq!(world.requests.len(), 2, "staging's argocd-health is pending");
    assert_eq!((phase(&world, DEV), phase(&world, "environment/staging")), ("success".into(), "pending".into()));
}

#[test]
fn a_trigger_asks_once_about_each_commit() {
    for name in ["deployment-check", "trigger-with-vars"] {
        let mut world = sample(name);
        world.responds(200, answers(name).0);
        world.look();
        world.pass(10 * MINUTE);
        world.look();
        assert_eq!(world.requests.len(), 3, "{name}");
        world.push(PROD, &"5".repeat(40));
        world.look();
        assert_eq!((world.requests.len(), phase(&world, PROD)), (4, "success".into()), "{name}");
    }
}

#[test]
fn attempts_are_counted_until_an_answer_is_final() {
    let mut world = sample("progressive-check");
    world.responds(200, json!({"status": "retry"}));
    world.look();
    world.look();
    assert_eq!(world.description(DEV), "Progressive validation (attempt 2)");
    world.responds(200, json!({"status": "done", "validated": true}));
    world.look();
    world.look();
    assert_eq!((world.requests.len(), phase(&world, DEV)), (9, "success".into()));
}

#[test]
fn who_approved_stays_known() {
    let mut world = sample("approval-with-metadata");
    assert_eq!(world.look().failures, []);
    world.responds(200, json!({"approved": true, "approver": "ann", "approvedAt": "today"}));
    world.push(DEV, &"6".repeat(40));
    world.look();
    assert_eq!(world.description(DEV), "Approved by ann");
    let asked = world.requests.len();
    world.look();
    assert_eq!((world.requests.len(), world.description(DEV)), (asked, "Approved by ann"));
    assert_eq!(phase(&world, DEV), "success");
}

#[test]
fn a_record_is_found_and_then_closed() {
    let mut world = sample("change-management-close").answering(|request| {
        let found = request.url.ends_with(&"c".repeat(40));
        if found { answer(200, json!({"records": [{"id": "CHG-1"}]})) } else { answer(200, json!({"closed": true})) }
    });
    world.look();
    assert_eq!((world.requests[0].method.as_str(), world.requests[0].body.as_deref()), ("GET", Some("")));
    world.look();
    let second = &world.requests[1];
    assert_eq!(
        (second.method.as_str(), second.url.as_str()),
        ("POST", "https://change-management.example.com/close/CHG-1")
    );
    assert_eq!(second.body.as_deref(), Some("{\"status\": \"SUCCEEDED\"}"));
    world.look();
    assert_eq!(world.requests[2].method, "GET");
}

#[test]
fn approval_is_asked_for_again_for_new_content() {
    let mut world = sample("approval-with-revalidation");
    let second = "7".repeat(40);
    // 1. The first commit: the trigger fires, the receiver approves.
    world.look();
    assert_eq!((world.requests.len(), phase(&world, DEV)), (3, "success".into()));
    assert_eq!(world.status()["environments"][0]["lastSuccessfulSha"], "1".repeat(40));
    // 2. New content: asked at once, not approved yet.
    world.responds(200, json!({"approved": false}));
    world.push(DEV, &second);
    world.look();
    assert_eq!((world.requests.len(), phase(&world, DEV)), (4, "pending".into()));
    // 3. Nothing changed elsewhere: carried, nothing asked.
    assert_eq!(phase(&world, PROD), "success");
    // 5. Still pending: asked at each look, until the receiver approves.
    world.pass(MINUTE);
    world.look();
    assert_eq!((world.requests.len(), phase(&world, DEV)), (5, "pending".into()));
    world.responds(200, json!({"approved": true}));
    world.pass(MINUTE);
    world.look();
    assert_eq!((world.requests.len(), world.says(DEV)), (6, Some(("success".to_owned(), second))));
    world.look();
    assert_eq!(world.requests.len(), 6);
}

#[test]
fn a_commit_that_moved_without_a_request_is_pending_and_then_asked_about() {
    // 4. of the list above: the trigger is one that does not look at commits.
    let mut world = sample("approval-with-revalidation");
    world.gate["spec"]["mode"]["trigger"]["when"]["expression"] = json!("Phase != \"success\"");
    world.look();
    world.push(DEV, &"8".repeat(40));
    world.look();
    assert_eq!((world.requests.len(), phase(&world, DEV)), (3, "pending".into()));
    world.pass(MINUTE);
    world.look();
    assert_eq!((world.requests.len(), phase(&world, DEV)), (4, "success".into()));
}

#[test]
fn branches_are_revalidated_each_for_itself_with_one_request() {
    let mut world = sample("per-branch-revalidation");
    world.look();
    world.look();
    assert_eq!((world.requests.len(), phase(&world, DEV)), (1, "success".into()));
    world.responds(200, json!({"approved": false}));
    world.push(DEV, &"9".repeat(40));
    world.look();
    assert_eq!(
        (world.requests.len(), phase(&world, DEV), phase(&world, PROD)),
        (2, "pending".into(), "pending".into())
    );
    // Without an answer each branch is what it last passed with.
    world.gate["spec"]["mode"]["trigger"]["when"]["expression"] = json!("false");
    world.look();
    assert_eq!((phase(&world, DEV), phase(&world, PROD)), ("pending".into(), "success".into()));
}
