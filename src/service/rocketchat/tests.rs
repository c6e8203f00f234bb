//! The calls of the Go controller's library, and each answer that is judged.
#![allow(clippy::unwrap_used)]

use super::super::testing::{Played, answer, answer_with, play};
use super::*;

const SERVICE: &str = "serverUrl: http://rc.example.com/sub/\nemail: bot\npassword: \"p@ss\\n\"\nalias: al\nicon: ':a:'\navatar: http://x/y\n";
const LOGIN: &str = r#"{"status":"success","data":{"authToken":"tok","userId":"uid"}}"#;
const SENT: &str = r#"{"success":true}"#;

fn played(template: &str, recipient: &str, answers: &[Answer]) -> Result<Played, String> {
    play("service.rocketchat", SERVICE, template, recipient, answers)
}
fn outcome(answers: &[Answer]) -> Outcome {
    played("message: m", "#c", answers).unwrap().outcome
}
fn refusal(status: u16, kind: &str) -> Verdict {
    let body = json!({"success": false, "error": format!("No. [{kind}]"), "errorType": kind}).to_string();
    outcome(&[answer(200, LOGIN), answer(status, &body)]).verdict
}

#[test]
fn the_calls_are_gos() {
    let template = "message: '{{.app.status.operationState.message}}'\nrocketchat:\n  attachments: |\n    [{\"title\": \"{{.app.status.operationState.message}}\", \"text\": \"\", \"fields\": [{\"title\": \"a\"}]}]\n";
    let played = played(template, "#chan", &[answer(200, LOGIN), answer(200, SENT)]).unwrap();
    let lines =
        ["POST http://rc.example.com/sub/api/v1/login", "POST http://rc.example.com/sub/api/v1/chat.postMessage"];
    assert_eq!(played.lines(), lines);
    assert_eq!(played.text(0), "password=p%40ss&user=bot");
    assert_eq!(played.header(0, "Content-Type"), "application/x-www-form-urlencoded");
    assert_eq!((played.header(1, "X-Auth-Token"), played.header(1, "X-User-Id")), ("tok".into(), "uid".into()));
    let nasty = "bad \"quote\"\nand \\ line";
    let attachments = json!([{"title": nasty, "collapsed": false, "fields": [{"title": "a", "short": false}]}]);
    let expected = json!({"channel": "#chan", "text": nasty, "alias": "al", "emoji": ":a:", "avatar": "http://x/y",
        "attachments": attachments});
    assert_eq!(played.json(1), expected);
    assert_eq!(played.prepared.repairs.len(), 1);
    assert_eq!(played.outcome.verdict, Verdict::Delivered { reached: None, note: None });
    let stored = String::from_utf8(played.prepared.payload).unwrap();
    assert!(!stored.contains("p@ss") && !stored.contains("rc.example.com"));
}

#[test]
fn the_login_may_be_used_again() {
    let service =
        &super::super::testing::load("service.rocketchat", SERVICE, "message: m").services()["rocketchat"].clone();
    let Step::Send(all) = login(service).unwrap() else { panic!() };
    assert!(matches!(all.as_slice(), [Outgoing::Reusable { key: "login", .. }]));
}

#[test]
fn rooms_go_by_id_and_pictures_that_are_none_are_left_out() {
    let service = "serverUrl: http://rc\nicon: robot\navatar: x\n";
    let answers = [answer(200, LOGIN), answer(200, SENT)];
    let config = crate::notify::ConfigInput {
        configmap: [("service.rocketchat".to_owned(), service.to_owned())].into(),
        ..crate::notify::ConfigInput::default()
    };
    let options = crate::notify::LoadOptions { kinds: super::super::kinds(), ..crate::notify::LoadOptions::default() };
    let loaded = crate::notify::Configuration::load(&config, None, &options);
    assert_eq!(loaded.problems().len(), 2, "{:?}", loaded.problems());
    let played = play("service.rocketchat", "serverUrl: http://rc", "message: m", "room1", &answers).unwrap();
    assert_eq!(played.json(1), json!({"roomId": "room1", "text": "m"}));
}

#[test]
fn what_cannot_be_sent_is_refused() {
    assert!(played("message: m", "", &[]).unwrap_err().contains("room's id"));
    assert!(played("message: ''", "#c", &[]).unwrap_err().contains("a message or attachments"));
    assert!(played("message: m\nrocketchat: {attachments: '3'}", "#c", &[]).unwrap_err().contains("no list"));
    assert!(play("service.rocketchat", "{}", "message: m", "#c", &[]).unwrap_err().contains("URL"));
}

#[test]
fn logins_are_judged() {
    let refused = answer(401, r#"{"status":"error","error":"Unauthorized","message":"Unauthorized"}"#);
    assert!(matches!(outcome(&[refused]).verdict, Verdict::Credentials { cause } if cause.contains("Unauthorized")));
    let odd = outcome(&[answer(200, "<html>")]);
    assert!(matches!(odd.verdict, Verdict::SlowRetry { .. }) && odd.forget_answers);
    let silent = Err(crate::egress::Error::NoAnswer { target: "t".into(), cause: "closed".into() });
    assert!(matches!(outcome(std::slice::from_ref(&silent)).verdict, Verdict::Retry { .. }));
    assert!(matches!(outcome(&[answer(200, LOGIN), silent]).verdict, Verdict::Unknown { .. }));
}

#[test]
fn a_refused_login_is_forgotten() {
    let out = outcome(&[answer(200, LOGIN), answer(401, r#"{"status":"error"}"#)]);
    assert!(matches!(out.verdict, Verdict::Retry { .. }) && out.forget_answers);
    assert!(!outcome(&[answer(200, LOGIN), answer(200, SENT)]).forget_answers);
    let cut = answer(200, "{\"message\":").map(|whole| crate::egress::Response { truncated: true, ..whole });
    assert!(matches!(outcome(&[answer(200, LOGIN), cut]).verdict, Verdict::Delivered { .. }));
}

#[test]
fn messages_are_judged() {
    assert!(
        matches!(refusal(400, "invalid-channel"), Verdict::SlowRetry { cause } if cause.contains("invalid-channel"))
    );
    assert!(matches!(refusal(400, "error-not-allowed"), Verdict::SlowRetry { .. }));
    assert!(matches!(refusal(200, "error-message"), Verdict::SlowRetry { .. }));
    assert!(matches!(refusal(400, "error-message-size-exceeded"), Verdict::Permanent { .. }));
    assert!(matches!(refusal(403, "error-unauthorized"), Verdict::SlowRetry { .. }));
    assert!(matches!(refusal(502, ""), Verdict::Retry { .. }));
    let said = "Error, too many requests. Please slow down. You must wait 47 seconds before trying this endpoint again. [error-too-many-requests]";
    let body = json!({"success": false, "error": said}).to_string();
    let limited = outcome(&[answer(200, LOGIN), answer(429, &body)]).verdict;
    assert!(matches!(limited, Verdict::Retry { after: Some(wait), .. } if wait == Duration::from_secs(47)));
    let plain = outcome(&[answer(200, LOGIN), answer_with(429, &[("retry-after", "9")], "")]).verdict;
    assert!(matches!(plain, Verdict::Retry { after: Some(wait), .. } if wait == Duration::from_secs(9)));
}
