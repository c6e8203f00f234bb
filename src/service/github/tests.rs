#![allow(clippy::unwrap_used)]
use super::*;
use crate::service::testing::{self, Played, RSA_KEY, answer, answer_with};
use crate::service::{Outcome, Verdict};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

const KEY: &str = "service.github.gh";
const REPO: &str = "https://api.github.com/repos/acme/orders";
const SHA: &str = "0123456789abcdef";
const MESSAGE: &str = "message: '{{.app.status.operationState.message}}'\n";

fn service(more: &str) -> String {
    format!(
        "appID: 7\ninstallationID: '99'\nprivateKey: |\n{}\n{more}",
        RSA_KEY.replace('\n', "\n  ").replacen("-----BEGIN", "  -----BEGIN", 1)
    )
}
fn play_with(section: &str, answers: &[Answer], memory: &BTreeMap<String, String>) -> Result<Played, String> {
    let mut all = vec![answer(201, r#"{"token": "ghs_1"}"#)];
    all.extend(answers.iter().cloned());
    testing::play_with(KEY, &service(""), &format!("{MESSAGE}github: {section}"), "", &all, memory)
}
fn play(section: &str, answers: &[Answer]) -> Result<Played, String> {
    play_with(section, answers, &BTreeMap::new())
}
fn delivered(played: &Played) {
    assert!(matches!(played.outcome.verdict, Verdict::Delivered { .. }), "{:?}", played.outcome);
}

#[test]
fn a_commit_status_is_set_in_the_apps_name() {
    let section = "{status: {state: success, label: 'cd/{{.app.metadata.name}}', targetURL: 'https://argo/x'}}";
    let played = play(section, &[answer(201, "{}")]).unwrap();
    delivered(&played);
    let status = format!("POST {REPO}/statuses/{SHA}");
    assert_eq!(played.lines(), ["POST https://api.github.com/app/installations/99/access_tokens", status.as_str()]);
    assert!(played.header(0, "authorization").starts_with("Bearer eyJ"));
    assert_eq!(played.header(1, "authorization"), "token ghs_1");
    assert_eq!(played.header(1, "accept"), "application/vnd.github.v3+json");
    assert_eq!(played.header(1, "content-type"), "application/json");
    let expected = json!({"state": "success", "context": "cd/orders", "target_url": "https://argo/x", "description": "bad \"quote\"\nand \\ line"});
    assert_eq!(played.json(1), expected);
    let stored = String::from_utf8(played.prepared.payload).unwrap();
    assert!(!stored.contains("PRIVATE KEY") && !stored.contains("api.github.com"), "{stored}");
}

#[test]
fn the_message_is_cut_to_what_github_takes() {
    let template = "message: '{{repeat 141 \"ä\"}}'\ngithub: {status: {state: success}}";
    let answers = [answer(201, r#"{"token": "t"}"#), answer(201, "{}")];
    let played = testing::play(KEY, &service(""), template, "", &answers).unwrap();
    assert_eq!(played.json(1)["description"], format!("{}...", "ä".repeat(137)));
}

#[test]
fn a_deployment_is_made_unless_it_is_there() {
    let section = "{deployment: {state: success, environment: 'prod eu', environmentURL: 'https://e', logURL: 'https://l', requiredContexts: [], autoMerge: false, reference: v1}}";
    let played = play(section, &[answer(200, "[]"), answer(201, r#"{"id": 5}"#), answer(201, "{}")]).unwrap();
    delivered(&played);
    let lines = played.lines();
    assert_eq!(lines[1], format!("GET {REPO}/deployments?environment=prod+eu&ref={SHA}"));
    assert_eq!(lines[2], format!("POST {REPO}/deployments"));
    assert_eq!(lines[3], format!("POST {REPO}/deployments/5/statuses"));
    let create = json!({"ref": "v1", "environment": "prod eu", "required_contexts": [], "auto_merge": false, "transient_environment": false});
    assert_eq!(played.json(2), create);
    let status = json!({"state": "success", "log_url": "https://l", "environment": "prod eu", "environment_url": "https://e", "description": "bad \"quote\"\nand \\ line"});
    assert_eq!(played.json(3), status);

    let played =
        play("{deployment: {state: x}}", &[answer(200, r#"[{"id": 6}, {"id": 5}]"#), answer(201, "{}")]).unwrap();
    assert_eq!(played.lines()[2], format!("POST {REPO}/deployments/6/statuses"));
    assert_eq!(played.lines()[1], format!("GET {REPO}/deployments?ref={SHA}"));
    let played = play("{deployment: {state: x}}", &[answer(200, "[]"), answer(202, "{}")]).unwrap();
    assert_eq!((&played.json(2)["required_contexts"], &played.json(2)["auto_merge"]), (&json!(null), &json!(true)));
    assert!(matches!(played.outcome.verdict, Verdict::Retry { .. }));
}

#[test]
fn a_comment_with_a_tag_replaces_its_elder() {
    let section = "{pullRequestComment: {content: 'hi', commentTag: 't'}}";
    let mark = "<!-- argocd-notifications t -->";
    let elder = json!([{"id": 70, "body": "other"}, {"id": 71, "body": format!("old\n{mark}")}]).to_string();
    let answers = [
        answer(200, r#"[{"number": 1}, {"number": 2}]"#),
        answer(200, &elder),
        answer(200, "[]"),
        answer(200, "{}"),
        answer(201, "{}"),
    ];
    let played = play(section, &answers).unwrap();
    delivered(&played);
    let expected = [
        "GET x/commits/0123456789abcdef/pulls",
        "GET x/issues/1/comments",
        "GET x/issues/2/comments",
        "PATCH x/issues/comments/71",
        "POST x/issues/2/comments",
    ];
    assert_eq!(played.lines()[1..], expected.map(|line| line.replace(" x/", &format!(" {REPO}/"))));
    assert_eq!(played.json(4), json!({"body": format!("hi\n{mark}\n{mark}")}));
    assert_eq!(played.json(5), played.json(4));

    let played =
        play("{pullRequestComment: {content: hi}}", &[answer(200, r#"[{"number": 1}]"#), answer(201, "{}")]).unwrap();
    assert_eq!(played.json(2), json!({"body": "hi"}));
    let none = play(section, &[answer(200, "[]")]).unwrap();
    let Verdict::Delivered { note: Some(note), .. } = none.outcome.verdict else { panic!() };
    assert!(note.contains("no pull request"), "{note}");
}

#[test]
fn check_runs_and_dispatches() {
    let section = "{checkRun: {name: cd, details_url: 'https://d', conclusion: success, started_at: '2026-01-01T10:00:00Z', output: {title: T, summary: S}}, repositoryDispatch: {event_type: done, client_payload: '{\"m\": \"{{.app.status.operationState.message}}\"}'}}";
    let played = play(section, &[answer(201, "{}"), answer(204, "")]).unwrap();
    delivered(&played);
    assert_eq!(played.lines()[1..], [format!("POST {REPO}/check-runs"), format!("POST {REPO}/dispatches")]);
    let run = json!({"name": "cd", "head_sha": SHA, "details_url": "https://d", "external_id": "argocd-notifications", "status": "completed",
        "conclusion": "success", "started_at": "2026-01-01T10:00:00Z", "output": {"title": "T", "summary": "S", "text": ""}});
    assert_eq!(played.json(1), run);
    assert_eq!(played.json(2), json!({"event_type": "done", "client_payload": {"m": "bad \"quote\"\nand \\ line"}}));
    assert_eq!(played.prepared.repairs.len(), 1);
    let only =
        play("{repositoryDispatch: {event_type: done}, revisionPath: '{{.nothing}}'}", &[answer(204, "")]).unwrap();
    assert_eq!(only.json(1), json!({"event_type": "done"}));
}

#[test]
fn what_can_never_be_sent_is_said_when_it_is_decided() {
    for (section, word) in [
        ("{status: {state: x}, repoURLPath: nowhere}", "GitHub.repoURL (nowhere)"),
        ("{status: {state: x}, revisionPath: '{{.app.no.such}}'}", "no revision"),
        ("{repoURLPath: 'https://h/o/r'}", "asks for nothing"),
        ("{checkRun: {name: n, status: completed}}", "conclusion is required"),
        ("{checkRun: {name: n, started_at: yesterday}}", "started_at is no time"),
        ("{repositoryDispatch: {event_type: e, client_payload: '{'}}", "client_payload"),
    ] {
        let error = play(section, &[]).unwrap_err();
        assert!(error.contains(word), "{section}: {error}");
    }
    let error = testing::play(KEY, &service(""), "message: m", "", &[]).unwrap_err();
    assert!(error.contains("no section `github`"), "{error}");
}

#[test]
fn too_many_statuses_are_no_failure_and_other_422_are() {
    let body = r#"{"message": "Validation Failed", "errors": [{"message": "This SHA and context has reached the maximum number of statuses."}]}"#;
    let played = play("{status: {state: x, label: l}}", &[answer(422, body)]).unwrap();
    let Verdict::Delivered { note: Some(note), .. } = played.outcome.verdict else { panic!() };
    assert_eq!(note, format!("too many commit statuses for sha {SHA} and context l"));
    let other = play("{status: {state: x}}", &[answer(422, r#"{"message": "No commit found for SHA: x"}"#)]).unwrap();
    let Verdict::Permanent { cause } = other.outcome.verdict else { panic!() };
    assert!(cause.contains("No commit found"), "{cause}");
}

#[test]
fn limits_are_obeyed_and_rights_are_told_from_them() {
    let verdict = |status: u16, headers: &[(&str, &str)], body: &str| {
        play("{status: {state: x}}", &[answer_with(status, headers, body)]).unwrap().outcome
    };
    let after = |outcome: Outcome| match outcome.verdict {
        Verdict::Retry { after, .. } => after,
        other => panic!("{other:?}"),
    };
    assert_eq!(after(verdict(403, &[("retry-after", "9")], "")), Some(Duration::from_secs(9)));
    let reset = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1800000060")];
    assert_eq!(after(verdict(429, &reset, "")), Some(Duration::from_secs(60)));
    let secondary = r#"{"message": "You have exceeded a secondary rate limit"}"#;
    assert_eq!(after(verdict(403, &[], secondary)), Some(Duration::from_secs(60)));
    let denied =
        verdict(403, &[("x-ratelimit-remaining", "4999")], r#"{"message": "Resource not accessible by integration"}"#);
    assert!(matches!(denied.verdict, Verdict::Credentials { .. }) && !denied.forget_answers);
    assert!(verdict(401, &[], "").forget_answers);
    assert!(matches!(verdict(404, &[], "").verdict, Verdict::SlowRetry { .. }));
    assert!(matches!(verdict(502, &[], "").verdict, Verdict::Retry { .. }));
    let token = |status| {
        testing::play(KEY, &service(""), "github: {status: {state: x}}", "", &[answer(status, "{}")]).unwrap().outcome
    };
    assert!(
        matches!(token(404).verdict, Verdict::Credentials { .. })
            && matches!(token(503).verdict, Verdict::Retry { .. })
    );
}

#[test]
fn what_is_done_is_not_done_again() {
    let section = "{status: {state: x}, repositoryDispatch: {event_type: e}}";
    let first = play(section, &[answer(201, "{}"), answer(502, "")]).unwrap();
    let [(key, done)] = first.outcome.remember.as_slice() else { panic!("{:?}", first.outcome) };
    assert_eq!(done, "status");
    let memory = BTreeMap::from([(key.clone(), done.clone())]);
    let second = play_with(section, &[answer(204, "")], &memory).unwrap();
    assert_eq!(second.lines()[1..], [format!("POST {REPO}/dispatches")]);
    delivered(&second);
    assert_eq!(second.outcome.remember, [(key.clone(), String::new())]);
}

#[test]
fn an_enterprises_address_is_completed_for_every_call() {
    let url = |base: &str| {
        let options = service(&format!("enterpriseBaseURL: {base}\n"));
        let config = testing::load(KEY, &options, "message: m");
        base_url(config.services().values().next().unwrap())
    };
    assert_eq!(url("https://git.example.com"), "https://git.example.com/api/v3");
    assert_eq!(url("https://git.example.com/api/v3/"), "https://git.example.com/api/v3");
    assert_eq!(url("https://api.example.ghe.com/"), "https://api.example.ghe.com");
}
