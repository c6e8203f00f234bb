//! Backstage's notifications: our own service kind, and the rules for any webhook that points there (`spec/backstage.md`).

use super::http::{Headers, Options, check_url};
use super::payload::Payload;
use super::stored::refuse;
use super::{
    Answer, Call, Context, Draft, Kind, PrepareError, Prepared, QuickRetry, RequestError, Step, Verdict, conversation,
    entity, http, text,
};
use crate::egress::{Request, Response};
use crate::notify::configuration::Fault;
use crate::notify::kind::{Checked, Field, KindSpec, Record, Shape, Warning};
use crate::notify::yaml::Node;
use crate::notify::{BackstageMessage, Occurrence, ServiceConfig};
use bytes::Bytes;
use serde_json::{Map, Value as Json, json};
use std::time::Duration;

/// Path of the endpoint below a backend's URL.
const PATH: &str = "/api/notifications/notifications";
/// The same, deprecated by Backstage.
const OLD_PATH: &str = "/api/notifications";
/// A group of 600 takes three seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Characters that Backstage's database takes for title, topic, scope and icon.
const SHORT_MAX: usize = 255;
/// Bytes of a description: Backstage refuses bodies beyond 100 kB, and JSON escapes can double what is left.
const DESCRIPTION_MAX: usize = 40_000;
/// Severities, most urgent first.
const SEVERITIES: [&str; 4] = ["critical", "high", "normal", "low"];
/// How a refusal begins that may be transient although it is a 400.
const TRANSIENT: &str = "Failed to send user notifications; caused by";
/// What makes it permanent after all.
const PERMANENT: [&str; 3] = ["Entity reference", "value too long", "invalid byte sequence"];

static SPEC: KindSpec = KindSpec {
    name: "backstage",
    own: true,
    options: Record {
        go: "BackstageOptions",
        fields: &[
            Field::new("url", Shape::Text),
            Field::new("token", Shape::Text),
            Field::new("severity", Shape::Text),
            Field::new("topic", Shape::Text),
            Field::new("stripMarkdown", Shape::Bool),
            Field::new("defaultScope", Shape::Bool),
        ],
    },
    transport: true,
    section: None,
    check,
};

/// The kind.
pub struct Backstage;

impl Kind for Backstage {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
        prepare(draft)
    }
    fn step(&self, call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
        conversation::single(rounds, || request(call.config, call.payload), |response| judge(response, call.now_ms))
    }
    fn policy(&self, config: &ServiceConfig) -> QuickRetry {
        Options(config).policy(ANSWER_TIMEOUT)
    }
    fn host(&self, config: &ServiceConfig, _: &str) -> String {
        http::host(Options(config).text("url"))
    }
}

fn check(node: &Node, options: &Map<String, Json>) -> Checked {
    if !options.contains_key("url") {
        let fault = Fault::at(node.place.line, node.place.column, "`url` is missing");
        return Err(fault.advise("set `url` to Backstage's backend"));
    }
    let token = options.get("token").and_then(Json::as_str).unwrap_or_default().trim();
    if token.len() >= 8 && !token.contains(char::is_whitespace) {
        return Ok(Vec::new());
    }
    let cause = "Backstage accepts no static token under 8 characters or with white space".to_owned();
    Ok(vec![Warning { line: 0, cause, advice: "make a longer one and set it on both sides".to_owned() }])
}

/// Whether a URL is that of Backstage's notifications.
#[must_use]
pub fn is_notifications_url(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    path.ends_with(OLD_PATH) || path.ends_with(PATH)
}

fn missing_reference() -> PrepareError {
    refuse(
        "the notification names no Backstage entity: its entityRef is empty or `<no value>`",
        "add the annotation backstage.io/entity-ref (such as component:default/order-service) to the Application, or the \
         annotation that the template reads",
    )
}

/// What a webhook's body says about itself, without changing a byte of it: refuses one that can reach nobody, and takes
/// its scope as the key of ordering.
///
/// # Errors
/// A missing entity reference.
pub fn refine(config: &ServiceConfig, body: &[u8], prepared: &mut Prepared) -> Result<(), PrepareError> {
    // A body that is no JSON is the receiver's to judge.
    let Ok(body) = serde_json::from_slice::<Json>(body) else { return Ok(()) };
    let recipients = &body["recipients"];
    if recipients["type"] == "entity" && reference_is_missing(&recipients["entityRef"]) {
        return Err(missing_reference());
    }
    if let Some(scope) = body["payload"]["scope"].as_str().filter(|scope| !scope.is_empty()) {
        order_by(config, recipients, scope, prepared);
    }
    Ok(())
}

fn reference_is_missing(reference: &Json) -> bool {
    match reference {
        Json::String(text) => entity::is_missing(text),
        Json::Array(items) => items.iter().any(reference_is_missing),
        Json::Null => true,
        _ => false,
    }
}

/// Same scope, same people: one row at Backstage, so the newest is the one that counts.
fn order_by(config: &ServiceConfig, recipients: &Json, scope: &str, prepared: &mut Prepared) {
    prepared.ordering = Some(format!("backstage/{}/{}/{recipients}/{scope}", config.namespace, config.name));
    prepared.supersedes = true;
    prepared.idempotent = true;
}

fn prepare(draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
    let Draft { config, notification, occurrence, context } = draft;
    let empty = BackstageMessage::default();
    let section = notification.backstage.as_ref().unwrap_or(&empty);
    let message = notification.message.lossy();
    let recipients = recipients(section, &occurrence.destination.recipient)?;
    let scope = scope(config, section, occurrence, context);
    let payload = payload(config, section, &message, &scope)?;
    let body = json!({"recipients": recipients, "payload": payload});
    let body = serde_json::to_vec(&body).map_err(|error| refuse(error.to_string(), "report this"))?;
    let idempotent = Options(config).flag("idempotent").unwrap_or(false);
    let mut prepared = Prepared { idempotent, ..Prepared::of(Payload::new("POST", "", &body).to_bytes()) };
    if !scope.is_empty() {
        order_by(config, &recipients, &scope, &mut prepared);
    }
    Ok(prepared)
}

/// The section's references, else the subscription's recipient.
fn recipients(section: &BackstageMessage, recipient: &str) -> Result<Json, PrepareError> {
    if section.broadcast {
        return Ok(json!({"type": "broadcast"}));
    }
    let named = if section.entity_ref.trim().is_empty() { recipient } else { &section.entity_ref };
    let references = named.split(',').map(entity::normalise).collect::<Result<Vec<_>, _>>();
    let references = references.map_err(|refused| match refused {
        entity::Refused::Missing => missing_reference(),
        entity::Refused::NoKind(_) => refuse(refused.to_string(), "correct the Application's annotation"),
    })?;
    Ok(match references.as_slice() {
        [one] => json!({"type": "entity", "entityRef": one}),
        several => json!({"type": "entity", "entityRef": several}),
    })
}

/// Cluster, namespace, Application and trigger, so that a later outcome replaces the earlier one; `-` and
/// `defaultScope: false` switch it off.
fn scope(config: &ServiceConfig, section: &BackstageMessage, occurrence: &Occurrence, context: &Context) -> String {
    match section.scope.trim() {
        "-" => String::new(),
        "" if Options(config).flag("defaultScope") == Some(false) => String::new(),
        "" => {
            let object = &occurrence.object;
            let scope = format!("{}/{}/{}/{}", context.cluster, object.namespace, object.name, occurrence.trigger);
            text::clip_chars(&clean(&scope), SHORT_MAX)
        }
        scope => text::clip_chars(&clean(scope), SHORT_MAX),
    }
}

/// PostgreSQL refuses NUL.
fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// All fields each time: one that is left out would keep what an earlier notification of the scope said.
fn payload(
    config: &ServiceConfig,
    section: &BackstageMessage,
    message: &str,
    scope: &str,
) -> Result<Json, PrepareError> {
    let options = Options(config);
    let plain = |text: &str| {
        let text = clean(text);
        if options.flag("stripMarkdown").unwrap_or(true) { text::strip_markdown(&text) } else { text }
    };
    let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
    let title = if section.title.trim().is_empty() { first } else { &section.title };
    if title.trim().is_empty() {
        return Err(refuse("the notification has no title", "set `backstage.title` or `message` in the template"));
    }
    let description = match section.description.as_str() {
        "" if section.title.trim().is_empty() => rest,
        "" => message,
        description => description,
    };
    let topic = if section.topic.is_empty() { options.text("topic") } else { &section.topic };
    let mut payload = json!({
        "title": text::clip_chars(plain(title).trim(), SHORT_MAX),
        "description": text::clip_bytes(&plain(description), DESCRIPTION_MAX),
        "link": link(&section.link),
        "severity": severity(&section.severity, options.text("severity")),
        "topic": text::clip_chars(&clean(topic), SHORT_MAX),
    });
    if !scope.is_empty() {
        payload["scope"] = scope.into();
    }
    if !section.icon.is_empty() {
        payload["icon"] = text::clip_chars(&clean(&section.icon), SHORT_MAX).into();
    }
    Ok(payload)
}

/// Backstage refuses the whole notification for a link of another scheme.
fn link(text: &str) -> &str {
    let text = text.trim();
    let usable = url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if usable && !text.contains("<no value>") { text } else { "" }
}

fn severity(section: &str, default: &str) -> &'static str {
    let known = |text: &str| SEVERITIES.into_iter().find(|severity| text.trim().eq_ignore_ascii_case(severity));
    known(section).or_else(|| known(default)).unwrap_or("normal")
}

fn request(config: &ServiceConfig, payload: &[u8]) -> Result<Request, RequestError> {
    let service = &config.name;
    let options = Options(config);
    let payload = Payload::read(service, payload)?;
    let url = options.text("url").trim_end_matches('/');
    let url = if is_notifications_url(url) { url.to_owned() } else { format!("{url}{PATH}") };
    check_url(service, &url)?;
    let mut headers = Headers::default();
    headers.set(service, "Content-Type", "application/json")?;
    let token = options.text("token").trim();
    if !token.is_empty() {
        headers.set(service, "Authorization", &format!("Bearer {token}"))?;
    }
    Ok(Request {
        method: payload.method.clone(),
        url,
        headers: headers.into_list(),
        body: Bytes::from(payload.body(service)?),
        transport: options.transport(ANSWER_TIMEOUT),
    })
}

/// What Backstage's answer means.
pub fn judge(response: &Response, now_ms: i64) -> Verdict {
    match response.status {
        200..=299 => reached(response),
        400 => refused(response),
        _ => http::judge(response, now_ms),
    }
}

/// One element a person. An answer that was cut tells only that somebody was reached.
fn reached(response: &Response) -> Verdict {
    let reached = serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(&response.body).ok().map(|list| list.len());
    let note = (reached == Some(0)).then(|| {
        "Backstage answered `[]`: reached nobody; the entity or its owner is unknown to the catalog, the group is empty, \
         or its members switched these notifications off"
            .to_owned()
    });
    Verdict::Delivered { reached, note }
}

/// Backstage says 400 also while its catalog or database is down.
fn refused(response: &Response) -> Verdict {
    let body: Json = serde_json::from_slice(&response.body).unwrap_or_default();
    let message = body["error"]["message"].as_str().unwrap_or_default();
    let cause = format!("the receiver answered 400: {}", text::clip_chars(message, 300));
    let transient = message.starts_with(TRANSIENT) && !PERMANENT.iter().any(|word| message.contains(word));
    if transient { Verdict::Retry { after: None, cause } } else { Verdict::Permanent { cause } }
}

#[cfg(test)]
#[path = "backstage_tests.rs"]
mod tests;
