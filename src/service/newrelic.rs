//! `service.newrelic`: a deployment marker of the application that the recipient names.

use super::conversation::single;
use super::http::{self, Headers, Options};
use super::{Answer, Call, Draft, Kind, PrepareError, Prepared, RequestError, Step, Verdict, post};
use crate::egress::{Request, Response};
use crate::notify::ServiceConfig;
use crate::notify::kind::{Field, KindSpec, Merge, Record, SectionSpec, Shape, unchecked};
use serde_json::{Value as Json, json};

static SPEC: KindSpec = KindSpec {
    name: "newrelic",
    own: false,
    options: Record {
        go: "NewrelicOptions",
        fields: &[Field::new("apiKey", Shape::Text), Field::new("apiURL", Shape::Text).or("https://api.newrelic.com")],
    },
    transport: true,
    section: Some(SectionSpec {
        record: Record {
            go: "NewrelicNotification",
            fields: &[
                Field::new("revision", Shape::Template)
                    .or("{{.app.status.operationState.syncResult.revision}}")
                    .always(),
                Field::new("changelog", Shape::Template)
                    .or("{{(call .repo.GetCommitMetadata .app.status.sync.revision).Message}}"),
                Field::new("description", Shape::Template),
                Field::new("user", Shape::Template)
                    .or("{{(call .repo.GetCommitMetadata .app.status.sync.revision).Author}}"),
            ],
        },
        merge: Merge::Replace,
    }),
    check: unchecked,
};

/// The kind.
pub struct Newrelic;

impl Kind for Newrelic {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
        let Some(section) = draft.notification.sections.get(SPEC.name) else {
            return Err(post::no_section(SPEC.name, "write `newrelic: {}` into it for the defaults"));
        };
        let mut deployment = json!({"revision": section.string("revision")});
        let description = match section.string("description") {
            text if text.is_empty() => draft.notification.message.lossy(),
            text => text,
        };
        let more = [("changelog", section.string("changelog")), ("description", description)];
        post::set_filled(&mut deployment, more.into_iter().chain([("user", section.string("user"))]));
        post::stored_json(&json!({"deployment": deployment}))
    }
    fn step(&self, call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
        single(rounds, || request(call), |response| judge(response, call.now_ms))
    }
    fn host(&self, config: &ServiceConfig, _: &str) -> String {
        http::host(Options(config).text("apiURL"))
    }
}

fn request(call: &Call<'_>) -> Result<Request, RequestError> {
    let mut headers = Headers::default();
    headers.set(&call.config.name, "X-Api-Key", post::required(call.config, "apiKey")?)?;
    let application = &call.occurrence.destination.recipient;
    let url =
        post::below(Options(call.config).text("apiURL"), &["v2", "applications", application, "deployments.json"]);
    post::request(call.config, url, headers, post::body(call)?)
}

/// The Go controller does not look at the answer at all.
fn judge(response: &Response, now_ms: i64) -> Verdict {
    let body: Json = serde_json::from_slice(&response.body).unwrap_or_default();
    post::explained(http::judge(response, now_ms), body["error"]["title"].as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::service::testing::{answer, play};

    const SERVICE: &str = "{apiKey: k, apiURL: 'https://nr.example/'}";
    const TEMPLATE: &str = "message: '{{.app.status.operationState.message}}'\nnewrelic: {changelog: c, user: u}";

    #[test]
    fn a_marker_goes_to_the_application() {
        let played = play("service.newrelic", SERVICE, TEMPLATE, "4711", &[answer(201, "{}")]).unwrap();
        assert_eq!(played.lines(), ["POST https://nr.example/v2/applications/4711/deployments.json"]);
        assert_eq!(
            (played.header(0, "x-api-key"), played.header(0, "content-type")),
            ("k".into(), "application/json".into())
        );
        let deployment = json!({
            "revision": "0123456789abcdef", "changelog": "c", "description": "bad \"quote\"\nand \\ line", "user": "u",
        });
        assert_eq!(played.json(0), json!({"deployment": deployment}));
        assert_eq!(played.outcome.verdict, Verdict::Delivered { reached: None, note: None });
    }

    #[test]
    fn defaults_and_odd_recipients() {
        let template = "newrelic: {changelog: '{{\"\"}}', user: '{{\"\"}}', revision: r, description: d}";
        let played = play("service.newrelic", "apiKey: k", template, "a/../b", &[answer(200, "")]).unwrap();
        assert_eq!(played.lines(), ["POST https://api.newrelic.com/v2/applications/a%2F..%2Fb/deployments.json"]);
        assert_eq!(played.json(0), json!({"deployment": {"revision": "r", "description": "d"}}));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = |service, template| play("service.newrelic", service, template, "1", &[]).unwrap_err();
        assert!(error("{}", TEMPLATE).contains("`apiKey`"));
        assert!(error(SERVICE, "message: m").contains("no `newrelic` section"));
    }

    #[test]
    fn the_answer_counts() {
        let verdict = |status, body: &str| {
            play("service.newrelic", SERVICE, TEMPLATE, "1", &[answer(status, body)]).unwrap().outcome.verdict
        };
        let cause = "the receiver answered 401: The API key provided is invalid".to_owned();
        let body = r#"{"error": {"title": "The API key provided is invalid"}}"#;
        assert_eq!(verdict(401, body), Verdict::Credentials { cause });
        assert!(matches!(verdict(404, ""), Verdict::SlowRetry { .. }));
        assert!(matches!(verdict(422, ""), Verdict::Permanent { .. }));
        assert!(matches!(verdict(503, ""), Verdict::Retry { .. }));
    }
}
