//! `service.grafana`: an annotation with the recipient's tags, at the time of the decision.

use super::conversation::single;
use super::http::{self, Headers, Options};
use super::{Answer, Call, Draft, Kind, PrepareError, Prepared, RequestError, Step, Verdict, post};
use crate::egress::{Request, Response};
use crate::notify::ServiceConfig;
use crate::notify::kind::{Field, KindSpec, Record, Shape, unchecked};
use serde_json::{Value as Json, json};

static SPEC: KindSpec = KindSpec {
    name: "grafana",
    own: false,
    options: Record {
        go: "GrafanaOptions",
        fields: &[Field::new("apiUrl", Shape::Text), Field::new("apiKey", Shape::Text)],
    },
    transport: true,
    section: None,
    check: unchecked,
};

/// The kind.
pub struct Grafana;

impl Kind for Grafana {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
        post::stored_json(&json!({"text": draft.notification.message.lossy()}))
    }
    fn step(&self, call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
        single(rounds, || request(call), |response| judge(response, call.now_ms))
    }
    fn host(&self, config: &ServiceConfig, _: &str) -> String {
        http::host(Options(config).text("apiUrl"))
    }
}

fn request(call: &Call<'_>) -> Result<Request, RequestError> {
    let stored = post::json_body(call)?;
    let body = json!({
        // Whole seconds, as the Go controller has them.
        "time": call.decided_ms.div_euclid(1000) * 1000,
        "isRegion": false,
        "tags": call.occurrence.destination.recipient.split('|').collect::<Vec<_>>(),
        "text": stored["text"],
    });
    let mut headers = Headers::default();
    let key = post::required(call.config, "apiKey")?;
    headers.set(&call.config.name, "Authorization", &format!("Bearer {}", key.trim()))?;
    let url = post::below(post::required(call.config, "apiUrl")?, &["annotations"]);
    post::request(call.config, url, headers, body.to_string().into_bytes())
}

fn judge(response: &Response, now_ms: i64) -> Verdict {
    let body: Json = serde_json::from_slice(&response.body).unwrap_or_default();
    post::explained(http::judge(response, now_ms), body["message"].as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::service::testing::{Played, answer, play};

    const TEMPLATE: &str = "message: '{{.app.status.operationState.message}}'";

    fn sent(service: &str) -> Result<Played, String> {
        play("service.grafana", service, TEMPLATE, "tag1|tag 2", &[answer(200, "{}")])
    }

    #[test]
    fn an_annotation_has_the_recipients_tags() {
        let played = sent("{apiUrl: 'https://g.example/api', apiKey: k}").unwrap();
        assert_eq!(played.lines(), ["POST https://g.example/api/annotations"]);
        assert_eq!(played.header(0, "authorization"), "Bearer k");
        assert_eq!(played.header(0, "content-type"), "application/json");
        let body = json!({
            "time": 1_700_000_000_000_i64, "isRegion": false, "tags": ["tag1", "tag 2"], "text": "bad \"quote\"\nand \\ line",
        });
        assert_eq!(played.json(0), body);
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(sent("{apiUrl: 'http://g'}").unwrap_err().contains("`apiKey`"));
        assert!(sent("{apiKey: k}").unwrap_err().contains("`apiUrl`"));
    }

    #[test]
    fn refusals_say_what_grafana_says() {
        let service = "{apiUrl: 'http://g', apiKey: k}";
        let verdict = |status, body: &str| {
            play("service.grafana", service, TEMPLATE, "t", &[answer(status, body)]).unwrap().outcome.verdict
        };
        let credentials = Verdict::Credentials { cause: "the receiver answered 401: Invalid API key".into() };
        assert_eq!(verdict(401, r#"{"message": "Invalid API key"}"#), credentials);
        assert!(matches!(verdict(400, "no json"), Verdict::Permanent { .. }));
        assert!(matches!(verdict(500, ""), Verdict::Retry { .. }));
    }
}
