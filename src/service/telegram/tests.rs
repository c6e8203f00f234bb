//! The calls of the Go controller's library, and each answer that is judged.
#![allow(clippy::unwrap_used)]

use super::super::testing::{Played, answer, play};
use super::*;
use serde_json::json;

const SERVICE: &str = "token: '123:s3cret-TOKEN_1'";
const OK: &str = r#"{"ok":true,"result":{"id":1}}"#;
const URL: &str = "POST https://api.telegram.org/bot123:s3cret-TOKEN_1";

fn played(recipient: &str, answers: &[Answer]) -> Result<Played, String> {
    play("service.telegram", SERVICE, "message: 'm _x_ {{.app.status.operationState.message}}'", recipient, answers)
}
fn judged(answers: &[Answer]) -> Verdict {
    played("news", answers).unwrap().outcome.verdict
}
fn refusal(status: u16, description: &str) -> Answer {
    answer(status, &json!({"ok": false, "error_code": status, "description": description}).to_string())
}

#[test]
fn the_calls_are_gos() {
    let played = played("-100|7", &[answer(200, OK), answer(200, OK)]).unwrap();
    assert_eq!(played.lines(), [format!("{URL}/getMe"), format!("{URL}/sendMessage")]);
    assert_eq!(
        (played.text(0).as_str(), played.header(0, "Content-Type").as_str()),
        ("", "application/x-www-form-urlencoded")
    );
    let expected = "business_connection_id=&chat_id=-100&entities=null&link_preview_options=%7B%7D&message_thread_id=7\
                    &parse_mode=Markdown&reply_parameters=%7B%22message_id%22%3A0%7D\
                    &text=m+_x_+bad+%22quote%22%0Aand+%5C+line";
    assert_eq!(played.text(1), expected);
    assert_eq!(played.outcome.verdict, Verdict::Delivered { reached: None, note: None });
    assert!(!String::from_utf8(played.prepared.payload).unwrap().contains("s3cret"));
}

#[test]
fn recipients_are_channels_chats_and_threads() {
    let read = |text: &str| address(text).unwrap();
    assert_eq!(read("news"), ("@news".into(), None));
    assert_eq!(read("@news"), ("@news".into(), None));
    assert_eq!(read("-100"), ("-100".into(), None));
    assert_eq!(read("12345"), ("12345".into(), None));
    assert_eq!(read("-100|2"), ("-100".into(), Some(2)));
    for text in ["-1x", "-100|x", "-"] {
        assert!(address(text).unwrap_err().message.contains(text), "{text}");
    }
    assert!(played(" ", &[]).unwrap_err().contains("chat's id"));
}

#[test]
fn markdown_that_telegram_cannot_read_goes_as_plain_text() {
    let bad = refusal(400, "Bad Request: can't parse entities: Can't find end of the entity starting at byte offset 2");
    let played = played("news", &[answer(200, OK), bad.clone(), answer(200, OK)]).unwrap();
    assert_eq!(played.lines().len(), 3);
    assert!(played.text(1).contains("parse_mode=Markdown") && !played.text(2).contains("parse_mode"));
    assert!(
        matches!(played.outcome.verdict, Verdict::Delivered { note: Some(note), .. } if note.contains("plain text"))
    );
    assert!(matches!(judged(&[answer(200, OK), bad.clone(), bad]), Verdict::Permanent { .. }));
}

#[test]
fn the_token_is_never_shown() {
    for service in ["{}", "token: 'a/b?s3cret'"] {
        let error = play("service.telegram", service, "message: m", "news", &[]).unwrap_err();
        assert!(error.contains("token") && !error.contains("s3cret"), "{error}");
    }
    let Verdict::Credentials { cause } = judged(&[refusal(401, "Unauthorized")]) else { panic!() };
    assert!(!cause.contains("s3cret"));
}

#[test]
fn a_server_of_ones_own_can_be_named() {
    let service = format!("{SERVICE}\napiURL: http://bots.internal:8081/\n");
    let answers = [answer(200, OK), answer(200, OK)];
    let played = play("service.telegram", &service, "message: m", "news", &answers).unwrap();
    assert_eq!(played.lines()[0], "POST http://bots.internal:8081/bot123:s3cret-TOKEN_1/getMe");
}

#[test]
fn a_long_message_is_clipped() {
    let template = format!("message: '{}'", "x".repeat(MESSAGE_MAX + 1));
    let played = play("service.telegram", SERVICE, &template, "news", &[answer(200, OK), answer(200, OK)]).unwrap();
    assert!(played.text(1).ends_with(&format!("&text={}%E2%80%A6", "x".repeat(MESSAGE_MAX - 1))));
}

#[test]
fn answers_are_judged() {
    let sent = |answer: Answer| judged(&[self::answer(200, OK), answer]);
    for status in [401, 404] {
        assert!(matches!(judged(&[refusal(status, "Not Found")]), Verdict::Credentials { .. }));
    }
    assert!(matches!(sent(refusal(400, "Bad Request: chat not found")), Verdict::SlowRetry { .. }));
    assert!(
        matches!(sent(refusal(403, "Forbidden: bot was kicked")), Verdict::SlowRetry { cause } if cause.contains("kicked"))
    );
    assert!(matches!(sent(refusal(400, "Bad Request: message is too long")), Verdict::Permanent { .. }));
    assert!(matches!(sent(answer(502, "")), Verdict::Retry { .. }));
    assert!(matches!(sent(answer(200, "<html>")), Verdict::SlowRetry { .. }));
    let cut = answer(200, "{\"ok\":true").map(|whole| crate::egress::Response { truncated: true, ..whole });
    assert!(matches!(sent(cut), Verdict::Delivered { .. }));
    let limited = json!({"ok": false, "description": "Too Many Requests", "parameters": {"retry_after": 5}});
    let limited = sent(answer(429, &limited.to_string()));
    assert!(matches!(limited, Verdict::Retry { after: Some(wait), .. } if wait == Duration::from_secs(5)));
    let moved = json!({"description": "Bad Request: group chat was upgraded to a supergroup chat",
        "parameters": {"migrate_to_chat_id": -100_200}});
    let moved = sent(answer(400, &moved.to_string()));
    assert!(matches!(moved, Verdict::SlowRetry { cause } if cause.contains("write -100200")));
    let silent = || Err(crate::egress::Error::NoAnswer { target: "t".into(), cause: "closed".into() });
    assert!(matches!(judged(&[silent()]), Verdict::Retry { .. }));
    assert!(matches!(sent(silent()), Verdict::Unknown { .. }));
}
