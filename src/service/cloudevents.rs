//! CloudEvents 1.0 over HTTP: the envelope that a webhook puts around its body, or the headers beside it, on request.
//!
//! The id is the delivery's, the time that of the decision: both are the same in every attempt. The body's own bytes stay
//! as they are.

use super::webhook::is_json_type;
use super::{Call, http};
use crate::egress::Request;
use crate::notify::configuration::Fault;
use crate::notify::kind::{Field, Record, Shape};
use base64::Engine as _;
use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value as Json, json};

/// The option: a mode, or a group with a mode and attributes.
pub const FIELD: Field = Field::new("cloudEvents", Shape::Record(&OPTIONS));

static OPTIONS: Record = Record {
    go: "CloudEventsOptions",
    fields: &[Field::new("mode", Shape::Text), Field::new("source", Shape::Text), Field::new("type", Shape::Text)],
};

/// `source` where the options say nothing: the relay.
const SOURCE: &str = "/gatepost";
/// What stands before the trigger in `type` where the options say nothing.
const TYPE: &str = "gatepost.";
/// What a header's value may not hold as it is: controls, space, `"` and `%` (HTTP binding, 3.1.3.2).
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Structured,
    Binary,
}

fn mode(options: &Json) -> Option<&str> {
    options.get(FIELD.name)?.get("mode").and_then(Json::as_str)
}

fn read(mode: &str) -> Option<Mode> {
    match mode {
        "structured" => Some(Mode::Structured),
        "binary" => Some(Mode::Binary),
        _ => None,
    }
}

/// Refuses modes that are not there.
///
/// # Errors
/// Names the mode.
pub fn check(options: &Map<String, Json>) -> Result<(), Fault> {
    let Some(group) = options.get(FIELD.name) else { return Ok(()) };
    let mode = group.get("mode").and_then(Json::as_str).unwrap_or_default();
    if read(mode).is_some() {
        return Ok(());
    }
    Err(Fault::new(format!("`cloudEvents.mode` is '{mode}'")).advise("write `structured` or `binary`"))
}

/// Puts the envelope around a request, if there is to be one.
pub fn wrap(call: &Call<'_>, request: &mut Request) {
    let Some(mode) = mode(&call.config.options).and_then(read) else { return };
    let attributes = attributes(call);
    match mode {
        Mode::Binary => beside(&attributes, request),
        Mode::Structured => around(attributes, request),
    }
}

fn attributes(call: &Call<'_>) -> Map<String, Json> {
    let group = &call.config.options[FIELD.name];
    let text = |name: &str| group.get(name).and_then(Json::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let occurrence = call.occurrence;
    let time = jiff::Timestamp::from_millisecond(call.decided_ms).unwrap_or_default();
    let pairs = [
        ("specversion", "1.0".to_owned()),
        ("id", call.delivery_id.to_owned()),
        ("source", text("source").unwrap_or_else(|| SOURCE.to_owned())),
        ("type", text("type").unwrap_or_else(|| format!("{TYPE}{}", occurrence.trigger))),
        ("subject", format!("{}/{}", occurrence.object.namespace, occurrence.object.name)),
        ("time", time.to_string()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

fn beside(attributes: &Map<String, Json>, request: &mut Request) {
    for (name, value) in attributes {
        let value = utf8_percent_encode(value.as_str().unwrap_or_default(), ESCAPED).to_string();
        request.headers.push((format!("ce-{name}"), value.into_bytes()));
    }
}

fn around(mut attributes: Map<String, Json>, request: &mut Request) {
    let declared = content_type(request);
    let is_json = declared.as_deref().is_none_or(is_json_type)
        && serde_json::from_slice::<serde::de::IgnoredAny>(&request.body).is_ok();
    let kind = declared.or_else(|| is_json.then(|| "application/json".to_owned()));
    if let Some(kind) = kind {
        attributes.insert("datacontenttype".to_owned(), kind.into());
    }
    let (name, data) = match std::str::from_utf8(&request.body) {
        Ok(text) if is_json => ("data", text.trim().to_owned()),
        Ok(text) => ("data", json!(text).to_string()),
        Err(_) => ("data_base64", json!(base64::engine::general_purpose::STANDARD.encode(&request.body)).to_string()),
    };
    let mut out = Json::Object(attributes).to_string();
    out.pop();
    if !request.body.is_empty() {
        out.push_str(&format!(",\"{name}\":{data}"));
    }
    out.push('}');
    request.body = Bytes::from(out);
    request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case(http::CONTENT_TYPE));
    request.headers.push((http::CONTENT_TYPE.to_owned(), b"application/cloudevents+json; charset=utf-8".to_vec()));
}

fn content_type(request: &Request) -> Option<String> {
    let found = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(http::CONTENT_TYPE));
    found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::service::testing::{Played, answer, play};
    use serde_json::json;

    fn sent(options: &str, body: &str) -> Played {
        let options = format!("url: http://h/x\n{options}\n");
        let template = format!("webhook: {{hook: {{method: POST, body: '{body}'}}}}");
        play("service.webhook.hook", &options, &template, "", &[answer(200, "")]).unwrap()
    }

    #[test]
    fn structured_mode_is_one_json_document() {
        let played = sent("cloudEvents: {mode: structured}", r#"{"n": 1.0000000000000000001}"#);
        assert_eq!(played.header(0, "content-type"), "application/cloudevents+json; charset=utf-8");
        let event = played.json(0);
        assert_eq!(
            (&event["id"], &event["specversion"], &event["source"], &event["type"], &event["subject"], &event["time"]),
            (
                &json!("dlv_1"),
                &json!("1.0"),
                &json!("/gatepost"),
                &json!("gatepost.on-failed"),
                &json!("argocd/orders"),
                &json!("2023-11-14T22:13:20.123Z")
            )
        );
        assert_eq!(event["datacontenttype"], "application/json");
        assert!(
            played.text(0).contains(r#""data":{"n": 1.0000000000000000001}"#),
            "the bytes stay: {}",
            played.text(0)
        );
    }

    #[test]
    fn what_is_no_json_is_a_text() {
        let event =
            sent("cloudEvents: {mode: structured, source: urn:x, type: org.example.y}", "plain \"text\"").json(0);
        assert_eq!((&event["data"], &event["source"]), (&json!("plain \"text\""), &json!("urn:x")));
        assert_eq!((&event["type"], event.get("datacontenttype")), (&json!("org.example.y"), None));
        let typed = "headers: [{name: Content-Type, value: text/plain}]\ncloudEvents: {mode: structured}";
        let event = sent(typed, "{}").json(0);
        assert_eq!((&event["data"], &event["datacontenttype"]), (&json!("{}"), &json!("text/plain")));
        let bare = sent("cloudEvents: {mode: structured}", "").json(0);
        assert_eq!(bare.get("data"), None);
    }

    #[test]
    fn binary_mode_leaves_the_body_and_adds_headers() {
        let options =
            "headers: [{name: Content-Type, value: text/plain}]\ncloudEvents: {mode: binary, source: 'a b%é'}";
        let played = sent(options, "body");
        assert_eq!((played.text(0).as_str(), played.header(0, "content-type").as_str()), ("body", "text/plain"));
        assert_eq!(
            (played.header(0, "ce-id"), played.header(0, "ce-source")),
            ("dlv_1".into(), "a%20b%25%C3%A9".into())
        );
        assert_eq!(played.header(0, "ce-specversion"), "1.0");
    }

    #[test]
    fn the_signature_covers_the_envelope() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let played = sent(&format!("cloudEvents: {{mode: structured}}\nsigningSecret: {secret}"), "{}");
        let webhook = standardwebhooks::Webhook::new(secret).unwrap();
        let expected = webhook.sign("dlv_1", 1_800_000_000, played.text(0).as_bytes()).unwrap();
        assert_eq!(played.header(0, "webhook-signature"), expected);
    }

    #[test]
    fn other_modes_are_refused_when_the_configuration_is_loaded() {
        use crate::notify::{ConfigInput, Configuration, LoadOptions};
        let text = "url: http://h\ncloudEvents: {mode: batched}".to_owned();
        let configmap = [("service.webhook.x".to_owned(), text)].into();
        let input = ConfigInput { configmap, ..ConfigInput::default() };
        let options = LoadOptions { kinds: crate::service::kinds(), ..LoadOptions::default() };
        let config = Configuration::load(&input, None, &options);
        assert!(config.problems()[0].cause.contains("batched"), "{:?}", config.problems());
    }
}
