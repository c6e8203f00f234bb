//! `service.pagerdutyv2`: an event for the integration whose routing key the recipient names (Events API v2).

use super::conversation::single;
use super::http::{self, Headers, Options};
use super::{Answer, Call, Draft, Kind, PrepareError, Prepared, RequestError, Step, Verdict, post};
use crate::egress::{Request, Response};
use crate::notify::ServiceConfig;
use crate::notify::kind::{Field, KindSpec, Merge, Record, SectionSpec, Shape, unchecked};
use serde_json::{Value as Json, json};

/// Who sends the events.
const CLIENT: &str = "ArgoCD";

static SPEC: KindSpec = KindSpec {
    name: "pagerdutyv2",
    own: false,
    options: Record {
        go: "PagerDutyV2Options",
        fields: &[
            Field::new("serviceKeys", Shape::TextMap),
            // Gatepost's own.
            Field::new("apiUrl", Shape::Text).or("https://events.pagerduty.com"),
        ],
    },
    transport: false,
    section: Some(SectionSpec {
        record: Record {
            go: "PagerDutyV2Notification",
            fields: &[
                Field::new("summary", Shape::Template).always(),
                Field::new("severity", Shape::Template).always(),
                Field::new("source", Shape::Template).always(),
                Field::new("component", Shape::Template),
                Field::new("group", Shape::Template),
                Field::new("class", Shape::Template),
                Field::new("url", Shape::Template).always(),
                Field::new("dedupKey", Shape::Template),
            ],
        },
        merge: Merge::Replace,
    }),
    check: unchecked,
};

/// The kind.
pub struct PagerDutyV2;

impl Kind for PagerDutyV2 {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
        let Some(section) = draft.notification.sections.get(SPEC.name) else {
            return Err(post::no_section(SPEC.name, "add one with `summary`, `severity` and `source`"));
        };
        let mut payload = json!({});
        for name in ["summary", "severity", "source"] {
            let text = section.string(name);
            if text.is_empty() {
                let advice = format!("set `pagerdutyv2.{name}` in the template");
                return Err(post::refuse(format!("a PagerDuty event needs a {name}"), advice));
            }
            payload[name] = text.into();
        }
        post::set_filled(&mut payload, ["component", "group", "class"].map(|name| (name, section.string(name))));
        let mut event = json!({"event_action": "trigger", "client": CLIENT, "payload": payload});
        let dedup_key = section.string("dedupKey");
        // Events of one key are one alert.
        let idempotent = !dedup_key.is_empty();
        post::set_filled(&mut event, [("dedup_key", dedup_key), ("client_url", section.string("url"))]);
        Ok(Prepared { idempotent, ..post::stored_json(&event)? })
    }
    fn step(&self, call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
        single(rounds, || request(call), |response| judge(response, call.now_ms))
    }
    fn host(&self, config: &ServiceConfig, _: &str) -> String {
        http::host(Options(config).text("apiUrl"))
    }
}

/// The routing key is a secret: it comes into the body only here.
fn request(call: &Call<'_>) -> Result<Request, RequestError> {
    let key = post::named(call.config, "serviceKeys", &call.occurrence.destination.recipient)?;
    let mut event = post::json_body(call)?;
    event["routing_key"] = key.trim().into();
    let url = post::below(Options(call.config).text("apiUrl"), &["v2", "enqueue"]);
    post::request(call.config, url, Headers::default(), event.to_string().into_bytes())
}

fn judge(response: &Response, now_ms: i64) -> Verdict {
    let body: Json = serde_json::from_slice(&response.body).unwrap_or_default();
    let parts = [&body["message"]].into_iter().chain(body["errors"].as_array().into_iter().flatten());
    let detail = parts.filter_map(Json::as_str).collect::<Vec<_>>().join("; ");
    let verdict = match http::judge(response, now_ms) {
        // A corrected Secret heals it.
        Verdict::Permanent { cause } if detail.to_ascii_lowercase().contains("routing key") => {
            Verdict::Credentials { cause }
        }
        verdict => verdict,
    };
    post::explained(verdict, &detail)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::service::testing::{Played, answer, play};

    const SERVICE: &str = "serviceKeys: {my-service: r0utingkey}";
    const TEMPLATE: &str = "pagerdutyv2: {summary: '{{.app.status.operationState.message}}', severity: critical, source: '{{.app.metadata.name}}', component: c, group: g, class: k, url: 'https://argocd.example', dedupKey: '{{.app.metadata.name}}'}";

    fn sent(service: &str, template: &str, to: &str) -> Result<Played, String> {
        play("service.pagerdutyv2", service, template, to, &[answer(202, r#"{"status": "success"}"#)])
    }

    #[test]
    fn an_event_is_enqueued() {
        let played = sent(SERVICE, TEMPLATE, "my-service").unwrap();
        assert_eq!(played.lines(), ["POST https://events.pagerduty.com/v2/enqueue"]);
        assert_eq!(played.header(0, "content-type"), "application/json");
        let payload = json!({
            "summary": "bad \"quote\"\nand \\ line", "severity": "critical", "source": "orders",
            "component": "c", "group": "g", "class": "k",
        });
        let event = json!({
            "routing_key": "r0utingkey", "event_action": "trigger", "client": "ArgoCD", "payload": payload,
            "dedup_key": "orders", "client_url": "https://argocd.example",
        });
        assert_eq!(played.json(0), event);
        assert!(played.prepared.idempotent);
        assert!(!String::from_utf8_lossy(&played.prepared.payload).contains("r0utingkey"));
        assert_eq!(played.outcome.verdict, Verdict::Delivered { reached: None, note: None });
    }

    #[test]
    fn what_is_empty_is_left_out() {
        let service = "{serviceKeys: {s: k}, apiUrl: 'https://events.eu.pagerduty.com'}";
        let played = sent(service, "pagerdutyv2: {summary: a, severity: info, source: b}", "s").unwrap();
        assert_eq!(played.lines(), ["POST https://events.eu.pagerduty.com/v2/enqueue"]);
        let payload = json!({"summary": "a", "severity": "info", "source": "b"});
        let event = json!({"routing_key": "k", "event_action": "trigger", "client": "ArgoCD", "payload": payload});
        assert_eq!(played.json(0), event);
        assert!(!played.prepared.idempotent);
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(sent(SERVICE, "message: m", "my-service").unwrap_err().contains("no `pagerdutyv2` section"));
        let error = sent(SERVICE, "pagerdutyv2: {summary: a, source: b}", "my-service").unwrap_err();
        assert!(error.contains("needs a severity"), "{error}");
        assert!(sent(SERVICE, TEMPLATE, "x").unwrap_err().contains("names my-service"));
    }

    #[test]
    fn refusals_say_what_pagerduty_says() {
        let verdict = |status, body: &str| {
            play("service.pagerdutyv2", SERVICE, TEMPLATE, "my-service", &[answer(status, body)])
                .unwrap()
                .outcome
                .verdict
        };
        let invalid = r#"{"status": "invalid event", "message": "Event object is invalid", "errors": ["'payload.severity' is invalid"]}"#;
        let cause = "the receiver answered 400: Event object is invalid; 'payload.severity' is invalid".to_owned();
        assert_eq!(verdict(400, invalid), Verdict::Permanent { cause });
        let key = r#"{"status": "invalid key", "message": "Invalid routing key"}"#;
        assert!(matches!(verdict(400, key), Verdict::Credentials { .. }));
        assert!(matches!(verdict(429, ""), Verdict::Retry { .. }));
        assert!(matches!(verdict(500, ""), Verdict::Retry { .. }));
    }
}
