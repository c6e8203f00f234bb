//! Each row of the table in `spec/backstage.md` that the sender can do something about.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::notify::{Destination, Notification, ObjectId, Reason, Text};

fn service(options: Json) -> ServiceConfig {
    let (namespace, digest) = (String::new(), String::new());
    ServiceConfig { namespace, name: "portal".into(), kind: "backstage".into(), options, digest }
}

fn occurrence(recipient: &str) -> Occurrence {
    Occurrence {
        object: ObjectId { namespace: "argocd".into(), name: "orders".into(), uid: "u".into() },
        config_namespace: String::new(),
        trigger: "on-failed".into(),
        condition_key: "[0].x".into(),
        once_per: String::new(),
        destination: Destination { service: "portal".into(), recipient: recipient.into() },
        arming: 1,
    }
}

fn message() -> BackstageMessage {
    BackstageMessage {
        entity_ref: "Component:orders".into(),
        title: "orders failed".into(),
        description: "**bad** \"quote\"".into(),
        link: "https://argocd.example.com/applications/orders".into(),
        severity: "HIGH".into(),
        ..BackstageMessage::default()
    }
}

fn prepared(message: BackstageMessage, recipient: &str) -> Result<(Json, Prepared), PrepareError> {
    let config = service(json!({"url": "https://portal.example.com", "token": "a-long-token"}));
    let notification =
        Notification { backstage: Some(message), message: Text::literal("m"), ..Notification::default() };
    let context = Context { cluster: "prod".into(), ..Context::default() };
    let occurrence = occurrence(recipient);
    let draft = Draft { config: &config, notification: &notification, occurrence: &occurrence, context: &context };
    let prepared = prepare(&draft)?;
    let request = request(&config, &prepared.payload).unwrap();
    assert_eq!(request.url, "https://portal.example.com/api/notifications/notifications");
    assert_eq!(request.headers[1], ("Authorization".to_owned(), b"Bearer a-long-token".to_vec()));
    Ok((serde_json::from_slice(&request.body).unwrap(), prepared))
}

fn answer(status: u16, body: &str) -> Response {
    let body = Bytes::copy_from_slice(body.as_bytes());
    Response { status, headers: Vec::new(), body, truncated: false, elapsed: Duration::ZERO }
}

fn judged(response: &Response) -> Verdict {
    judge(response, 0)
}

#[test]
fn the_body_is_made_in_code() {
    let (body, prepared) = prepared(message(), "").unwrap();
    assert_eq!(body["recipients"], json!({"type": "entity", "entityRef": "component:default/orders"}));
    let expected = json!({
        "title": "orders failed", "description": "bad \"quote\"", "severity": "high", "topic": "",
        "link": "https://argocd.example.com/applications/orders", "scope": "prod/argocd/orders/on-failed",
    });
    assert_eq!(body["payload"], expected);
    assert!(prepared.supersedes && prepared.idempotent);
    assert!(prepared.ordering.unwrap().ends_with("prod/argocd/orders/on-failed"));
}

#[test]
fn limits_are_kept() {
    let long = BackstageMessage { title: "t".repeat(300), description: "d".repeat(200_000), ..message() };
    let (body, _) = prepared(long, "").unwrap();
    assert_eq!(body["payload"]["title"].as_str().unwrap().chars().count(), 255);
    assert!(body.to_string().len() < 100_000);
    let odd = BackstageMessage { link: "javascript:alert(1)".into(), severity: "warning".into(), ..message() };
    let (body, _) = prepared(odd, "").unwrap();
    assert_eq!((&body["payload"]["link"], &body["payload"]["severity"]), (&json!(""), &json!("normal")));
}

#[test]
fn recipients_come_from_the_section_or_the_subscription() {
    let nobody = BackstageMessage { entity_ref: String::new(), ..message() };
    let (body, _) = prepared(nobody.clone(), "group:default/sre").unwrap();
    assert_eq!(body["recipients"]["entityRef"], "group:default/sre");
    let error = prepared(nobody, "").unwrap_err();
    assert!(error.advice.contains("backstage.io/entity-ref"));
    assert!(prepared(BackstageMessage { entity_ref: "<no value>".into(), ..message() }, "").is_err());
    let all = BackstageMessage { broadcast: true, ..message() };
    assert_eq!(prepared(all, "").unwrap().0["recipients"], json!({"type": "broadcast"}));
    let two = BackstageMessage { entity_ref: "user:a, group:b".into(), ..message() };
    assert_eq!(prepared(two, "").unwrap().0["recipients"]["entityRef"], json!(["user:default/a", "group:default/b"]));
}

#[test]
fn a_webhook_that_points_to_backstage_is_watched_too() {
    assert!(is_notifications_url("https://b/x/api/notifications/notifications/?a=b"));
    assert!(is_notifications_url("https://b/api/notifications"));
    assert!(!is_notifications_url("https://b/api/notifications/other"));
    let config = service(json!({}));
    let mut out = Prepared { payload: vec![], ordering: None, supersedes: false, idempotent: false, repairs: vec![] };
    let body = json!({"recipients": {"type": "entity", "entityRef": "<no value>"}}).to_string();
    assert_eq!(refine(&config, body.as_bytes(), &mut out).unwrap_err().reason, Reason::InvalidNotification);
    let body = json!({"recipients": {"type": "broadcast"}, "payload": {"scope": "s"}}).to_string();
    refine(&config, body.as_bytes(), &mut out).unwrap();
    assert!(out.idempotent && out.ordering.is_some());
    assert!(refine(&config, b"no json", &mut out).is_ok());
}

#[test]
fn answers_are_read() {
    assert!(matches!(judged(&answer(200, "[]")), Verdict::Delivered { reached: Some(0), note: Some(_) }));
    assert_eq!(judged(&answer(200, "[{},{}]")), Verdict::Delivered { reached: Some(2), note: None });
    assert_eq!(judged(&answer(200, "[{},{")), Verdict::Delivered { reached: None, note: None });
    let error = |text: &str| answer(400, &json!({"error": {"name": "InputError", "message": text}}).to_string());
    assert!(matches!(judged(&error(&format!("{TRANSIENT} Error: ECONNREFUSED"))), Verdict::Retry { .. }));
    for cause in ["Error: Entity reference x had missing kind", "value too long for type", "invalid byte sequence"] {
        assert!(matches!(judged(&error(&format!("{TRANSIENT} {cause}"))), Verdict::Permanent { .. }), "{cause}");
    }
    assert!(matches!(judged(&error("missing title")), Verdict::Permanent { .. }));
    assert!(matches!(judged(&answer(401, "")), Verdict::Credentials { .. }));
}
