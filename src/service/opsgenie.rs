//! `service.opsgenie`: an alert for the team that the recipient names, with that team's API key.

use super::conversation::single;
use super::http::{self, Headers, Options};
use super::{Answer, Call, Draft, Kind, PrepareError, Prepared, RequestError, Step, Verdict, post};
use crate::egress::{Request, Response};
use crate::notify::kind::{Checked, Field, KindSpec, Merge, Record, SectionSpec, Shape, Warning};
use crate::notify::yaml::Node;
use crate::notify::{Rendered, ServiceConfig};
use serde_json::{Map, Value as Json, json};
use std::time::Duration;

/// Opsgenie's API, as its own client has it.
const API: &str = "api.opsgenie.com";
/// What an alert is said to come from.
const SOURCE: &str = "Argo CD";

/// One of `visibleTo`.
const RESPONDER: Record = Record {
    go: "Responder",
    fields: &[
        Field::new("type", Shape::Template).always(),
        Field::new("name", Shape::Template),
        Field::new("id", Shape::Template),
        Field::new("username", Shape::Template).always(),
    ],
};

static SPEC: KindSpec = KindSpec {
    name: "opsgenie",
    own: false,
    options: Record {
        go: "OpsgenieOptions",
        fields: &[Field::new("apiUrl", Shape::Text), Field::new("apiKeys", Shape::TextMap)],
    },
    transport: true,
    section: Some(SectionSpec {
        record: Record {
            go: "OpsgenieNotification",
            fields: &[
                Field::new("description", Shape::Template).always(),
                Field::new("priority", Shape::Template),
                Field::new("alias", Shape::Template),
                Field::new("note", Shape::Template),
                Field::new("actions", Shape::Templates),
                Field::new("tags", Shape::Templates),
                Field::new("details", Shape::TemplateMap),
                Field::new("entity", Shape::Template),
                Field::new("visibleTo", Shape::Records(&RESPONDER)),
                Field::new("user", Shape::Template),
            ],
        },
        merge: Merge::Replace,
    }),
    check: warn_of_plain_http,
};

/// The kind.
pub struct Opsgenie;

impl Kind for Opsgenie {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
        let message = draft.notification.message.lossy();
        if message.is_empty() {
            return Err(post::refuse("an Opsgenie alert needs a message", "set `message` in the template"));
        }
        let team = json!({"type": "team", "id": draft.occurrence.destination.recipient, "username": ""});
        let mut alert = json!({"message": message, "responders": [team], "source": SOURCE});
        let section = draft.notification.sections.get(SPEC.name);
        if let Some(section) = section {
            add(&mut alert, section)?;
        }
        // Opsgenie counts alerts of one alias as one.
        let idempotent = section.is_some_and(|section| !section.string("alias").is_empty());
        Ok(Prepared { idempotent, ..post::stored_json(&alert)? })
    }
    fn step(&self, call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
        single(rounds, || request(call), |response| judge(response, call.now_ms))
    }
    fn host(&self, config: &ServiceConfig, _: &str) -> String {
        http::host(&base(config))
    }
}

fn warn_of_plain_http(_: &Node, options: &Map<String, Json>) -> Checked {
    let url = options.get("apiUrl").and_then(Json::as_str).unwrap_or(API);
    if secure(url) {
        return Ok(Vec::new());
    }
    let cause = format!("the API key goes unencrypted to '{url}': a host without \"api\" in it is called over http");
    Ok(vec![Warning { line: 0, cause, advice: "write apiUrl with https://".to_owned() }])
}

/// Whether a host is called over https where no scheme is written: Opsgenie's client asks for "api" in it.
fn secure(url: &str) -> bool {
    url.contains("://") || url.contains("api")
}

fn base(config: &ServiceConfig) -> String {
    let options = Options(config);
    let url = match options.text("apiUrl").trim().trim_end_matches('/') {
        "" => API,
        url => url,
    };
    match (url.contains("://"), secure(url)) {
        (true, _) => url.to_owned(),
        (false, true) => format!("https://{url}"),
        (false, false) => format!("http://{url}"),
    }
}

fn add(alert: &mut Json, section: &Rendered) -> Result<(), PrepareError> {
    if section.string("description").is_empty() {
        let advice = "set `opsgenie.description` in the template";
        return Err(post::refuse("opsgenie notification description is missing", advice));
    }
    for field in SPEC.section.iter().flat_map(|spec| spec.record.fields) {
        if let Some(value) = section.get(field.name).filter(|value| !value.is_empty()) {
            alert[field.name] = value.to_json();
        }
    }
    Ok(())
}

fn request(call: &Call<'_>) -> Result<Request, RequestError> {
    let (config, service) = (call.config, &call.config.name);
    let key = post::named(config, "apiKeys", &call.occurrence.destination.recipient)?;
    let mut headers = Headers::default();
    headers.set(service, "Content-Type", "application/json; charset=utf-8")?;
    headers.set(service, "Accept", "application/json")?;
    headers.set(service, "Authorization", &format!("GenieKey {}", key.trim()))?;
    post::request(config, format!("{}/v2/alerts", base(config)), headers, post::body(call)?)
}

fn judge(response: &Response, now_ms: i64) -> Verdict {
    let body: Json = serde_json::from_slice(&response.body).unwrap_or_default();
    let mut verdict = http::judge(response, now_ms);
    if let Verdict::Retry { after: after @ None, .. } = &mut verdict {
        let period = response.header("x-ratelimit-period-in-sec").and_then(|text| text.trim().parse().ok());
        *after = period.filter(|_| response.status == 429).map(Duration::from_secs);
    }
    post::explained(verdict, body["message"].as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::service::testing::{Played, answer, answer_with, play};

    const SERVICE: &str = "{apiUrl: api.eu.opsgenie.com, apiKeys: {team-a: key-a}}";
    const NASTY: &str = "{{.app.status.operationState.message}}";

    fn sent(service: &str, template: &str) -> Result<Played, String> {
        play(
            "service.opsgenie",
            service,
            template,
            "team-a",
            &[answer(202, r#"{"result": "Request will be processed"}"#)],
        )
    }

    #[test]
    fn a_message_alone_is_an_alert_of_the_team() {
        let played = sent(SERVICE, &format!("message: '{NASTY}'")).unwrap();
        assert_eq!(played.lines(), ["POST https://api.eu.opsgenie.com/v2/alerts"]);
        assert_eq!(played.header(0, "authorization"), "GenieKey key-a");
        assert_eq!(played.header(0, "content-type"), "application/json; charset=utf-8");
        assert_eq!(played.header(0, "accept"), "application/json");
        let alert = json!({
            "message": "bad \"quote\"\nand \\ line", "source": "Argo CD",
            "responders": [{"type": "team", "id": "team-a", "username": ""}],
        });
        assert_eq!(played.json(0), alert);
        assert_eq!(played.outcome.verdict, Verdict::Delivered { reached: None, note: None });
        assert!(!played.prepared.idempotent);
    }

    #[test]
    fn a_section_adds_its_fields() {
        let template = r#"
message: m
opsgenie:
  description: 'd {{.app.metadata.name}}'
  priority: P1
  alias: '{{.app.metadata.name}}'
  note: a note
  actions: [Restart, '{{.app.metadata.name}}']
  tags: [Critical]
  details: {environment: production, app: '{{.app.metadata.name}}'}
  entity: e
  visibleTo: [{Id: '{{.app.metadata.name}}', Type: team}, {Username: a@b.c, Type: user}]
  user: u
"#;
        let played = sent(SERVICE, template).unwrap();
        let alert = json!({
            "message": "m", "source": "Argo CD", "responders": [{"type": "team", "id": "team-a", "username": ""}],
            "description": "d orders", "priority": "P1", "alias": "orders", "note": "a note",
            "actions": ["Restart", "orders"], "tags": ["Critical"],
            "details": {"environment": "production", "app": "orders"}, "entity": "e", "user": "u",
            "visibleTo": [{"type": "team", "id": "orders", "username": ""}, {"type": "user", "username": "a@b.c"}],
        });
        assert_eq!(played.json(0), alert);
        assert!(played.prepared.idempotent, "an alias is one alert");
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(sent(SERVICE, "message: m\nopsgenie: {priority: P1}").unwrap_err().contains("description is missing"));
        assert!(sent(SERVICE, "opsgenie: {description: d}").unwrap_err().contains("needs a message"));
        let error = sent("apiKeys: {other: secret}", "message: m").unwrap_err();
        assert!(error.contains("names other") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn the_host_says_which_scheme() {
        let url = |api: &str| {
            let options = json!({"apiUrl": api});
            let (namespace, digest) = (String::new(), String::new());
            base(&ServiceConfig { namespace, name: "o".into(), kind: "opsgenie".into(), options, digest })
        };
        assert_eq!(url(""), "https://api.opsgenie.com");
        assert_eq!(url("proxy.example:8080"), "http://proxy.example:8080");
        assert_eq!(url("https://proxy.example/"), "https://proxy.example");
        let checked =
            |api: &str| warn_of_plain_http(&Node::null(), json!({"apiUrl": api}).as_object().unwrap()).unwrap();
        assert_eq!((checked("proxy.example").len(), checked("https://proxy.example").len()), (1, 0));
    }

    #[test]
    fn refusals_say_what_opsgenie_says() {
        let verdict =
            |answer| play("service.opsgenie", SERVICE, "message: m", "team-a", &[answer]).unwrap().outcome.verdict;
        let cause = "the receiver answered 422: Key format is not valid!".to_owned();
        let body = r#"{"message": "Key format is not valid!", "took": 0.1}"#;
        assert_eq!(verdict(answer(422, body)), Verdict::Permanent { cause });
        let limited = verdict(answer_with(429, &[("x-ratelimit-period-in-sec", "60")], "{}"));
        assert!(matches!(limited, Verdict::Retry { after: Some(wait), .. } if wait == Duration::from_secs(60)));
        assert!(matches!(verdict(answer(401, "")), Verdict::Credentials { .. }));
        assert!(matches!(verdict(answer(500, "")), Verdict::Retry { .. }));
    }
}
