//! `service.webhook.<name>`: the bytes and headers that the Go controller sends (`spec/notifications.md` 5).
//!
//! A receiver whose path is Backstage's is additionally treated as Backstage where that costs no byte. On request only: a
//! CloudEvents envelope (`cloudevents.rs`) and a signature (`signature.rs`), both made at each attempt.

use super::http::{Headers, Options, check_url};
use super::payload::Payload;
use super::{
    Answer, Call, Draft, Kind, PrepareError, Prepared, RequestError, Step, Verdict, backstage, cloudevents,
    conversation, http, signature,
};
use crate::egress::{Request, Response};
use crate::notify::json::{self, JsonMode, Repair};
use crate::notify::kind::{Checked, Field, KindSpec, Record, Shape, Warning};
use crate::notify::yaml::Node;
use crate::notify::{Reason, ServiceConfig, Text};
use bytes::Bytes;
use serde_json::{Map, Value as Json};

/// Largest body that is stored and sent.
const BODY_MAX: usize = 1 << 20;

/// One of `headers`.
const HEADER: Record =
    Record { go: "Header", fields: &[Field::new("name", Shape::Text), Field::new("value", Shape::Text)] };

/// Type in the key.
pub const NAME: &str = "webhook";

static SPEC: KindSpec = KindSpec {
    name: NAME,
    own: false,
    options: Record {
        go: "WebhookOptions",
        fields: &[
            Field::new("url", Shape::Text),
            Field::new("headers", Shape::Records(&HEADER)),
            Field::new("basicAuth", Shape::Record(&http::BASIC_AUTH)),
            signature::FIELD,
            cloudevents::FIELD,
        ],
    },
    transport: true,
    section: None,
    check,
};

/// The kind.
pub struct Webhook;

impl Kind for Webhook {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
        prepare(draft)
    }
    fn step(&self, call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
        conversation::single(rounds, || dressed(call), |response| judge(call, response))
    }
    fn host(&self, config: &ServiceConfig, _: &str) -> String {
        http::host(Options(config).text("url"))
    }
}

fn check(node: &Node, options: &Map<String, Json>) -> Checked {
    cloudevents::check(options)?;
    let mut warnings = warn_of_newlines(node)?;
    warnings.extend(signature::warnings(options));
    Ok(warnings)
}

fn warn_of_newlines(node: &Node) -> Checked {
    let mut warnings = Vec::new();
    let Some(list) = node.fields("", "services.WebhookOptions")?.get("headers") else { return Ok(warnings) };
    for item in list.items("WebhookOptions.headers", "[]services.Header")? {
        let header = item.fields("Header", "services.Header")?;
        if header.text("Header", "value")?.ends_with(['\n', '\r']) {
            let name = header.text("Header", "name")?;
            let cause = format!("the value of header {name} ends with a line break, which is left out when it is sent");
            let advice = "make the Secret's value without one (`echo -n`); the Go controller refuses to send it".into();
            warnings.push(Warning { line: item.place.line, cause, advice });
        }
    }
    Ok(warnings)
}

fn prepare(draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
    let Draft { config, notification, context, .. } = draft;
    let section = notification.webhook.get(&config.name);
    let method = section.map(|hook| hook.method.as_str()).filter(|method| !method.is_empty()).unwrap_or("GET");
    if !method.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)) {
        let message = format!("'{method}' is no HTTP method");
        let advice = "write a plain one such as POST: `method` is not a template".to_owned();
        return Err(PrepareError { reason: Reason::InvalidNotification, message, advice });
    }
    let path = section.map_or("", |hook| hook.path.as_str());
    let (body, repairs) = render_body(config, section.map_or(&notification.message, |hook| &hook.body), context.json)?;
    if body.len() > BODY_MAX {
        return Err(PrepareError {
            reason: Reason::InvalidNotification,
            message: format!("the body has {} bytes, more than the {BODY_MAX} that are sent", body.len()),
            advice: "shorten what the template prints, for example with trunc".to_owned(),
        });
    }
    let payload = Payload::new(method, path, &body).to_bytes();
    // Who checks signatures has the id to know a delivery again.
    let idempotent = Options(config).flag("idempotent").unwrap_or(false) || signature::is_wanted(config);
    let mut prepared = Prepared { idempotent, repairs, ..Prepared::of(payload) };
    if backstage::is_notifications_url(&join(Options(config).text("url"), path)) {
        backstage::refine(config, &body, &mut prepared)?;
    }
    Ok(prepared)
}

fn render_body(config: &ServiceConfig, text: &Text, mode: JsonMode) -> Result<(Vec<u8>, Vec<Repair>), PrepareError> {
    let content_type = content_type(config);
    let declared = content_type.as_deref().map(is_json_type);
    if mode == JsonMode::Off || declared == Some(false) || text.is_empty() {
        return Ok((text.bytes(), Vec::new()));
    }
    let outcome = json::repair(&text.segments);
    let structured = outcome.bytes.trim_ascii_start().first().is_some_and(|b| matches!(b, b'{' | b'['));
    if declared.is_none() && !(outcome.valid && structured) {
        return Ok((text.bytes(), Vec::new()));
    }
    if mode == JsonMode::Strict && !outcome.valid {
        return Err(PrepareError {
            reason: Reason::InvalidNotification,
            message: "the rendered body is no JSON and could not be mended".to_owned(),
            advice: "correct the template; `gatepost template notify` shows the rendered text".to_owned(),
        });
    }
    Ok((outcome.bytes, outcome.repairs))
}

fn headers(config: &ServiceConfig) -> impl Iterator<Item = (&str, &str)> {
    let list = config.options.get("headers").and_then(Json::as_array);
    list.into_iter().flatten().map(|header| {
        let text = |name| header.get(name).and_then(Json::as_str).unwrap_or_default();
        (text("name"), text("value"))
    })
}

/// The last one wins, as on the wire.
fn content_type(config: &ServiceConfig) -> Option<String> {
    let named = headers(config).filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    named.last().map(|(_, value)| value.to_ascii_lowercase())
}

pub(super) fn is_json_type(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.ends_with("/json") || essence.ends_with("+json")
}

/// Plain text, as the Go controller joins: a query in `url` stays before the path.
fn join(url: &str, path: &str) -> String {
    if path.is_empty() {
        return url.to_owned();
    }
    format!("{}/{}", url.trim_end_matches('/'), path.trim_start_matches('/'))
}

/// The request with what was asked for beyond the Go controller's.
fn dressed(call: &Call<'_>) -> Result<Request, RequestError> {
    let mut request = request(call.config, call.payload)?;
    cloudevents::wrap(call, &mut request);
    signature::sign(call, &mut request)?;
    Ok(request)
}

fn request(config: &ServiceConfig, payload: &[u8]) -> Result<Request, RequestError> {
    let service = &config.name;
    let payload = Payload::read(service, payload)?;
    let options = Options(config);
    let url = join(options.text("url"), &payload.path);
    check_url(service, &url)?;
    let mut out = Headers::default();
    for (name, value) in headers(config) {
        out.set(service, name, value)?;
    }
    if let Some(auth) = config.options.get("basicAuth") {
        let text = |name| auth.get(name).and_then(Json::as_str).unwrap_or_default();
        out.basic(service, text("username"), text("password"))?;
    }
    Ok(Request {
        method: payload.method.clone(),
        url,
        headers: out.into_list(),
        body: Bytes::from(payload.body(service)?),
        transport: options.transport(http::ANSWER_TIMEOUT),
    })
}

fn judge(call: &Call<'_>, response: &Response) -> Verdict {
    let path = Payload::read(&call.config.name, call.payload).map(|payload| payload.path).unwrap_or_default();
    if backstage::is_notifications_url(&join(Options(call.config).text("url"), &path)) {
        return backstage::judge(response, call.now_ms);
    }
    http::judge(response, call.now_ms)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::notify::json::Segment;
    use crate::notify::{Destination, Notification, WebhookMessage};
    use crate::service::{Context, policy, testing};
    use serde_json::json;
    use std::time::Duration;

    fn service(options: Json) -> ServiceConfig {
        let (namespace, digest) = (String::new(), String::new());
        ServiceConfig { namespace, name: "hook".into(), kind: "webhook".into(), options, digest }
    }
    fn notification(method: &str, path: &str, body: Vec<Segment>) -> Notification {
        let hook = WebhookMessage { method: method.into(), path: path.into(), body: Text { segments: body } };
        Notification { webhook: [("hook".to_owned(), hook)].into(), ..Notification::default() }
    }
    fn prepared(
        config: &ServiceConfig,
        notification: &Notification,
        context: &Context,
    ) -> Result<Prepared, PrepareError> {
        let occurrence = testing::occurrence(Destination { service: "hook".into(), recipient: String::new() });
        prepare(&Draft { config, notification, occurrence: &occurrence, context })
    }
    fn sent(options: Json, notification: &Notification) -> Request {
        let config = service(options);
        let ready = prepared(&config, notification, &Context::default()).unwrap();
        request(&config, &ready.payload).unwrap()
    }

    #[test]
    fn defaults_are_gos() {
        let message = Notification { message: Text::literal("hello"), ..Notification::default() };
        let request = sent(json!({"url": "http://h/b"}), &message);
        assert_eq!((request.method.as_str(), request.url.as_str()), ("GET", "http://h/b"));
        assert_eq!(request.body.as_ref(), b"hello");
        assert!(request.headers.is_empty());
    }

    #[test]
    fn paths_are_joined_as_text() {
        let url = |url: &str, path: &str| sent(json!({"url": url}), &notification("POST", path, vec![])).url;
        assert_eq!(url("http://h/b//", "//a/"), "http://h/b/a/");
        assert_eq!(url("http://h/b?q=1", "a"), "http://h/b?q=1/a");
        assert_eq!(url("http://h", "/a?x=1"), "http://h/a?x=1");
    }

    #[test]
    fn a_stored_payload_holds_no_secret_and_follows_the_configuration() {
        let old =
            service(json!({"url": "http://old/", "headers": [{"name": "Authorization", "value": "Bearer s3cr3t"}]}));
        let ready = prepared(&old, &notification("POST", "/p", vec![]), &Context::default()).unwrap();
        let text = String::from_utf8(ready.payload.clone()).unwrap();
        assert!(!text.contains("s3cr3t") && !text.contains("old"));
        let new = service(json!({"url": "http://new/", "basicAuth": {"username": "u", "password": "p"}}));
        let request = request(&new, &ready.payload).unwrap();
        assert_eq!(request.url, "http://new/p");
        assert_eq!(request.headers, [("Authorization".to_owned(), b"Basic dTpw".to_vec())]);
    }

    #[test]
    fn json_is_mended_by_content_type_or_shape() {
        let body = || {
            vec![
                Segment::fixed(br#"{"a":""#.to_vec()),
                Segment::printed("x\"y", 1, 1, "{{.x}}"),
                Segment::fixed(br#""}"#.to_vec()),
            ]
        };
        let with = |kind: &str| json!({"url": "http://h/", "headers": [{"name": "content-type", "value": kind}]});
        let mended = br#"{"a":"x\"y"}"#.as_slice();
        let plain = br#"{"a":"x"y"}"#.as_slice();
        let body_with = |options| sent(options, &notification("POST", "", body())).body;
        assert_eq!(body_with(with("application/cloudevents+json; charset=utf-8")), mended);
        assert_eq!(body_with(json!({"url": "http://h/"})), mended);
        assert_eq!(body_with(with("text/plain")), plain);
        let off = Context { json: JsonMode::Off, ..Context::default() };
        let config = service(with("application/json"));
        let ready = prepared(&config, &notification("POST", "", body()), &off).unwrap();
        assert_eq!(request(&config, &ready.payload).unwrap().body, plain);
        let strict = Context { json: JsonMode::Strict, ..Context::default() };
        let broken = notification("POST", "", vec![Segment::fixed(b"{".to_vec())]);
        assert_eq!(prepared(&config, &broken, &strict).unwrap_err().reason, Reason::InvalidNotification);
    }

    #[test]
    fn urls_that_cannot_be_used_are_refused() {
        for url in ["", "ftp://h/", "://"] {
            let config = service(json!({"url": url}));
            let ready = prepared(&config, &notification("POST", "", vec![]), &Context::default()).unwrap();
            assert!(matches!(request(&config, &ready.payload), Err(RequestError::Url { .. })), "{url}");
        }
    }

    #[test]
    fn retries_are_those_of_the_options() {
        let policy = |options| policy(&service(options));
        assert_eq!(policy(json!({})).max, 3);
        assert_eq!(policy(json!({"retryMax": -1})).max, 0);
        let slow = policy(json!({"retryMax": 1, "retryWaitMin": 2_000_000_000i64, "idempotent": true}));
        assert_eq!((slow.max, slow.wait_min, slow.idempotent), (1, Duration::from_secs(2), true));
        assert_eq!(slow.answer_timeout, http::ANSWER_TIMEOUT);
    }

    #[test]
    fn an_attempt_is_one_request_and_its_answer() {
        let template = "webhook: {hook: {method: POST, body: '{\"m\": \"{{.app.status.operationState.message}}\"}'}}";
        let answers = [testing::answer_with(429, &[("retry-after", "7")], "")];
        let played = testing::play("service.webhook.hook", "url: http://h/x", template, "", &answers).unwrap();
        assert_eq!(played.lines(), ["POST http://h/x"]);
        assert_eq!(played.json(0)["m"], "bad \"quote\"\nand \\ line");
        let Verdict::Retry { after, .. } = played.outcome.verdict else { panic!("{:?}", played.outcome) };
        assert_eq!(after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_signed_service_is_idempotent_and_is_told_apart() {
        let options = "url: http://h/x\nsigningSecret: whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
        let played =
            testing::play("gatepost.service.webhook.hook", options, "message: m", "", &[testing::answer(410, "")])
                .unwrap();
        assert!(played.prepared.idempotent);
        assert!(matches!(played.outcome.verdict, Verdict::Gone { .. }));
        let text = String::from_utf8(played.prepared.payload).unwrap();
        assert!(!text.contains("AAAA") && !text.contains("whsec_"), "{text}");
        assert!(crate::service::signs(&service(json!({"signingSecret": ["whsec_AAAA"]}))));
        assert!(!crate::service::signs(&service(json!({"url": "http://h"}))));
    }

    #[test]
    fn nothing_is_added_that_was_not_asked_for() {
        let answers = [testing::answer(200, "")];
        let plain = testing::play("service.webhook.hook", "url: http://h/x", "message: m", "", &answers).unwrap();
        assert!(plain.requests[0].headers.is_empty());
        assert_eq!(plain.text(0), "m");
        assert!(!plain.prepared.idempotent);
    }

    #[test]
    fn the_delivery_id_goes_out_where_it_is_asked_for() {
        let options = "url: http://h/x\nsendDeliveryId: true\n";
        let played =
            testing::play("service.webhook.hook", options, "message: m", "", &[testing::answer(200, "")]).unwrap();
        assert_eq!(
            (played.header(0, "Webhook-Id"), played.header(0, "Idempotency-Key")),
            ("dlv_1".into(), "dlv_1".into())
        );
    }
}
