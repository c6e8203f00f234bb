//! `service.pagerduty`: an incident of the service that the recipient names, over the REST API.

use super::conversation::single;
use super::http::{self, Headers, Options};
use super::{Answer, Call, Draft, Kind, PrepareError, Prepared, RequestError, Step, Verdict, post};
use crate::egress::{Request, Response};
use crate::notify::ServiceConfig;
use crate::notify::kind::{Field, KindSpec, Merge, Record, SectionSpec, Shape, unchecked};
use serde_json::{Value as Json, json};
use std::time::Duration;

/// What the Go controller says a body is, its tab included: what PagerDuty is known to accept from it.
const BODY_TYPE: &str = "incident_details\t";

static SPEC: KindSpec = KindSpec {
    name: "pagerduty",
    own: false,
    options: Record {
        go: "PagerDutyOptions",
        fields: &[
            Field::new("token", Shape::Text),
            Field::new("from", Shape::Text),
            Field::new("serviceId", Shape::Text),
            // Gatepost's own.
            Field::new("apiUrl", Shape::Text).or("https://api.pagerduty.com"),
        ],
    },
    transport: false,
    section: Some(SectionSpec {
        record: Record {
            go: "PagerDutyNotification",
            fields: &[
                Field::new("title", Shape::Template).always(),
                Field::new("body", Shape::Template),
                Field::new("urgency", Shape::Template),
                Field::new("priorityId", Shape::Template),
            ],
        },
        merge: Merge::Replace,
    }),
    check: unchecked,
};

/// The kind.
pub struct PagerDuty;

impl Kind for PagerDuty {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
        let Some(section) = draft.notification.sections.get(SPEC.name) else {
            return Err(post::no_section(SPEC.name, "add one with at least a `title`"));
        };
        let title = section.string("title");
        if title.is_empty() {
            return Err(post::refuse("a PagerDuty incident needs a title", "set `pagerduty.title` in the template"));
        }
        let mut details = json!({"type": BODY_TYPE});
        post::set_filled(&mut details, [("details", section.string("body"))]);
        let mut incident = json!({"type": "incident", "title": title, "body": details});
        post::set_filled(&mut incident, [("urgency", section.string("urgency"))]);
        let priority = section.string("priorityId");
        if !priority.is_empty() {
            incident["priority"] = json!({"id": priority, "type": "priority"});
        }
        post::stored_json(&incident)
    }
    fn step(&self, call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
        single(rounds, || request(call), |response| judge(response, call.now_ms))
    }
    fn host(&self, config: &ServiceConfig, _: &str) -> String {
        http::host(Options(config).text("apiUrl"))
    }
}

fn request(call: &Call<'_>) -> Result<Request, RequestError> {
    let (config, name, options) = (call.config, &call.config.name, Options(call.config));
    let mut incident = post::json_body(call)?;
    let service = match call.occurrence.destination.recipient.as_str() {
        "" => post::required(config, "serviceId")?,
        recipient => recipient,
    };
    incident["service"] = json!({"id": service, "type": "service_reference"});
    let mut headers = Headers::default();
    headers.set(name, "Accept", "application/vnd.pagerduty+json;version=2")?;
    headers.set(name, "From", options.text("from"))?;
    headers.set(name, "Authorization", &format!("Token token={}", post::required(config, "token")?.trim()))?;
    let body = json!({"incident": incident}).to_string().into_bytes();
    post::request(config, post::below(options.text("apiUrl"), &["incidents"]), headers, body)
}

fn judge(response: &Response, now_ms: i64) -> Verdict {
    let body: Json = serde_json::from_slice(&response.body).unwrap_or_default();
    let mut verdict = http::judge(response, now_ms);
    if let Verdict::Retry { after: after @ None, .. } = &mut verdict {
        let reset = response.header("ratelimit-reset").and_then(|text| text.trim().parse().ok());
        *after = reset.filter(|_| response.status == 429).map(Duration::from_secs);
    }
    let error = &body["error"];
    let parts = [&error["message"]].into_iter().chain(error["errors"].as_array().into_iter().flatten());
    post::explained(verdict, &parts.filter_map(Json::as_str).collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::service::testing::{Played, answer, answer_with, play};

    const SERVICE: &str = "{token: t0ken, from: ops@example.com, serviceId: PDEFAULT}";
    const TEMPLATE: &str = "pagerduty: {title: '{{.app.metadata.name}} failed', body: '{{.app.status.operationState.message}}', urgency: high, priorityId: P53ZZH5}";

    fn sent(service: &str, template: &str, to: &str) -> Result<Played, String> {
        play("service.pagerduty", service, template, to, &[answer(201, "{}")])
    }

    #[test]
    fn an_incident_is_created() {
        let played = sent(SERVICE, TEMPLATE, "PSERVICE").unwrap();
        assert_eq!(played.lines(), ["POST https://api.pagerduty.com/incidents"]);
        assert_eq!(played.header(0, "authorization"), "Token token=t0ken");
        assert_eq!(played.header(0, "from"), "ops@example.com");
        assert_eq!(played.header(0, "accept"), "application/vnd.pagerduty+json;version=2");
        assert_eq!(played.header(0, "content-type"), "application/json");
        let incident = json!({
            "type": "incident", "title": "orders failed", "urgency": "high",
            "service": {"id": "PSERVICE", "type": "service_reference"},
            "priority": {"id": "P53ZZH5", "type": "priority"},
            "body": {"type": "incident_details\t", "details": "bad \"quote\"\nand \\ line"},
        });
        assert_eq!(played.json(0), json!({"incident": incident}));
    }

    #[test]
    fn what_is_not_given_is_left_out_or_taken_from_the_service() {
        let service = "{token: t, serviceId: PDEFAULT, apiUrl: 'http://127.0.0.1:1/pd/'}";
        let played = sent(service, "pagerduty: {title: t}", "").unwrap();
        assert_eq!(played.lines(), ["POST http://127.0.0.1:1/pd/incidents"]);
        let incident = &played.json(0)["incident"];
        assert_eq!(incident["service"]["id"], "PDEFAULT");
        assert!(incident.get("priority").is_none() && incident.get("urgency").is_none());
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(sent(SERVICE, "message: m", "P").unwrap_err().contains("no `pagerduty` section"));
        assert!(sent(SERVICE, "pagerduty: {body: b}", "P").unwrap_err().contains("title"));
        assert!(sent("from: a", TEMPLATE, "P").unwrap_err().contains("`token`"));
        assert!(sent("token: a", TEMPLATE, "").unwrap_err().contains("`serviceId`"));
    }

    #[test]
    fn refusals_say_what_pagerduty_says() {
        let verdict = |answer| play("service.pagerduty", SERVICE, TEMPLATE, "P", &[answer]).unwrap().outcome.verdict;
        let body =
            r#"{"error": {"message": "Invalid Input Provided", "code": 2001, "errors": ["Service cannot be blank"]}}"#;
        let cause = "the receiver answered 400: Invalid Input Provided; Service cannot be blank".to_owned();
        assert_eq!(verdict(answer(400, body)), Verdict::Permanent { cause });
        let limited = verdict(answer_with(429, &[("ratelimit-reset", "41")], ""));
        assert!(matches!(limited, Verdict::Retry { after: Some(wait), .. } if wait == Duration::from_secs(41)));
        assert!(matches!(verdict(answer(401, "")), Verdict::Credentials { .. }));
        assert!(matches!(verdict(answer(502, "")), Verdict::Retry { .. }));
    }
}
