//! `service.alertmanager`: one alert, posted to every target side by side; one that takes it is enough.

use super::http::{self, Headers, Options};
use super::{
    Answer, Call, Draft, Kind, Outgoing, PrepareError, Prepared, QuickRetry, RequestError, Step, Verdict, post,
    unanswered,
};
use crate::egress::Request;
use crate::notify::kind::{Field, KindSpec, Merge, Record, SectionSpec, Shape, unchecked};
use crate::notify::{Rendered, ServiceConfig};
use serde_json::{Value as Json, json};
use std::time::Duration;

/// Where an Alertmanager is if nothing is said.
const TARGET: &str = "127.0.0.1:9093";
/// The label that names an alert.
const ALERT_NAME: &str = "alertname";
/// Seconds that a target has to answer.
const TIMEOUT_SECONDS: u64 = 3;
/// Go's zero time, which templates are shown with.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

static SPEC: KindSpec = KindSpec {
    name: "alertmanager",
    own: false,
    options: Record {
        go: "AlertmanagerOptions",
        fields: &[
            Field::new("targets", Shape::Texts),
            Field::new("scheme", Shape::Text).or("http"),
            Field::new("apiPath", Shape::Text).or("/api/v2/alerts"),
            Field::new("basicAuth", Shape::Record(&http::BASIC_AUTH)),
            Field::new("bearerToken", Shape::Text),
            Field::new("timeout", Shape::Int),
        ],
    },
    transport: true,
    section: Some(SectionSpec {
        record: Record {
            go: "AlertmanagerNotification",
            fields: &[
                Field::new("labels", Shape::TemplateMap).always(),
                Field::new("annotations", Shape::TemplateMap).always(),
                Field::new("generatorURL", Shape::Template).or("{{.app.spec.source.repoURL}}").always(),
                Field::new("startsAt", Shape::Text).or(NO_TIME).always(),
            ],
        },
        merge: Merge::Fieldwise,
    }),
    check: unchecked,
};

/// The kind.
pub struct Alertmanager;

impl Kind for Alertmanager {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
        let Some(section) = draft.notification.sections.get(SPEC.name) else {
            return Err(post::no_section(SPEC.name, "add one with at least one label"));
        };
        if section.get("labels").is_none_or(Rendered::is_empty) {
            let advice = "set `alertmanager.labels` in the template";
            return Err(post::refuse("an alert needs at least one label", advice));
        }
        let template = draft.notification.section_of.get(SPEC.name).map_or("", String::as_str);
        // Equal labels are one alert, whenever it began.
        Ok(Prepared { idempotent: true, ..post::stored_json(&alert(section.to_json(), template))? })
    }
    fn step(&self, call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
        match rounds.first() {
            None => requests(call).map(|all| Step::Send(all.into_iter().map(Outgoing::Http).collect())),
            Some(answers) => Ok(Step::done(judge(call, answers))),
        }
    }
    fn policy(&self, config: &ServiceConfig) -> QuickRetry {
        Options(config).policy(timeout(config))
    }
    fn host(&self, config: &ServiceConfig, _: &str) -> String {
        urls(config).first().map(|url| http::host(url)).unwrap_or_default()
    }
    fn show(&self, section: Json, template: &str, decided_ms: i64) -> Json {
        let mut shown = alert(section, template);
        shown["startsAt"] = rfc3339(decided_ms).into();
        shown
    }
}

/// The alert without its time. Labels that are empty are left out, as Alertmanager does itself; so is a generatorURL
/// that is no URL, for which it would refuse the whole alert.
fn alert(mut section: Json, template: &str) -> Json {
    let mut labels = section["labels"].take();
    if let Some(labels) = labels.as_object_mut() {
        labels.retain(|_, value| *value != "");
        labels.entry(ALERT_NAME).or_insert_with(|| template.into());
    }
    let source = http_url(section["generatorURL"].as_str().unwrap_or_default());
    let source = if url::Url::parse(&source).is_ok() { source } else { String::new() };
    json!({"labels": labels, "annotations": section["annotations"], "generatorURL": source})
}

/// `git@host:org/repo` as people's browsers open it.
fn http_url(text: &str) -> String {
    match text.strip_prefix("git@") {
        Some(rest) => format!("https://{}", rest.replacen(':', "/", 1)),
        None => text.to_owned(),
    }
}

fn rfc3339(unix_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(unix_ms).map_or_else(|_| NO_TIME.to_owned(), |at| at.to_string())
}

fn timeout(config: &ServiceConfig) -> Duration {
    let seconds = config.options.get("timeout").and_then(Json::as_u64).filter(|seconds| *seconds > 0);
    Duration::from_secs(seconds.unwrap_or(TIMEOUT_SECONDS))
}

fn targets(config: &ServiceConfig) -> Vec<&str> {
    let list = config.options.get("targets").and_then(Json::as_array).filter(|list| !list.is_empty());
    list.map_or_else(|| vec![TARGET], |list| list.iter().filter_map(Json::as_str).collect())
}

fn urls(config: &ServiceConfig) -> Vec<String> {
    let options = Options(config);
    let (scheme, path) = (options.text("scheme"), options.text("apiPath"));
    targets(config).into_iter().map(|target| format!("{scheme}://{target}{path}")).collect()
}

fn requests(call: &Call<'_>) -> Result<Vec<Request>, RequestError> {
    let mut alert = post::json_body(call)?;
    alert["startsAt"] = rfc3339(call.decided_ms).into();
    let body = json!([alert]).to_string();
    let request = |url: String| {
        let mut request = post::request(call.config, url, authentication(call.config)?, body.clone().into_bytes())?;
        request.transport = Options(call.config).transport(timeout(call.config));
        Ok(request)
    };
    urls(call.config).into_iter().map(request).collect()
}

/// Basic authentication goes before a bearer token.
fn authentication(config: &ServiceConfig) -> Result<Headers, RequestError> {
    let mut headers = Headers::default();
    let options = Options(config);
    let bearer = options.text("bearerToken").trim();
    if let Some(auth) = config.options.get("basicAuth").and_then(Json::as_object) {
        let text = |name| auth.get(name).and_then(Json::as_str).unwrap_or_default();
        headers.basic(&config.name, text("username"), text("password"))?;
    } else if !bearer.is_empty() {
        headers.set(&config.name, "Authorization", &format!("Bearer {bearer}"))?;
    }
    Ok(headers)
}

/// One that took it is enough; else the answer that leaves most hope, since asking all of them again does no harm.
fn judge(call: &Call<'_>, answers: &[Answer]) -> Verdict {
    let verdicts: Vec<Verdict> = answers
        .iter()
        .map(|answer| match answer {
            Ok(response) => http::judge(response, call.now_ms),
            Err(error) => unanswered(error),
        })
        .collect();
    let taken = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Delivered { .. })).count();
    if taken > 0 {
        let some = taken < verdicts.len();
        let note = some.then(|| format!("{taken} of {} targets took it", verdicts.len()));
        return Verdict::Delivered { reached: None, note };
    }
    let hope = verdicts.into_iter().min_by_key(despair);
    hope.unwrap_or_else(|| Verdict::SlowRetry { cause: "no target is configured".to_owned() })
}

const fn despair(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Delivered { .. } => 0,
        Verdict::Retry { .. } => 1,
        Verdict::Unknown { .. } => 2,
        Verdict::SlowRetry { .. } => 3,
        Verdict::Credentials { .. } => 4,
        Verdict::Permanent { .. } => 5,
        Verdict::Gone { .. } => 6,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::egress;
    use crate::notify::Destination;
    use crate::service::testing::{Played, answer, load, play, rendered};

    const THREE: &str = "{targets: ['a:1', 'b:2', 'c:3'], scheme: https, apiPath: /x, timeout: 7, bearerToken: t}";
    const TEMPLATE: &str = "alertmanager: {labels: {severity: 'x {{.app.metadata.name}}', gone: '{{\"\"}}'}, annotations: {message: '{{.app.status.operationState.message}}'}}";

    fn sent(service: &str, template: &str, answers: &[Answer]) -> Result<Played, String> {
        play("service.alertmanager", service, template, "", answers)
    }
    fn none() -> Answer {
        Err(egress::Error::Connect { target: "http://b:2".into(), cause: "refused".into() })
    }

    #[test]
    fn an_alert_goes_to_the_default_target() {
        let played = sent("{}", TEMPLATE, &[answer(200, "")]).unwrap();
        assert_eq!(played.lines(), ["POST http://127.0.0.1:9093/api/v2/alerts"]);
        assert_eq!(
            (played.header(0, "content-type"), played.header(0, "authorization")),
            ("application/json".into(), String::new())
        );
        let alert = json!({
            "labels": {"alertname": "t", "severity": "x orders"}, "annotations": {"message": "bad \"quote\"\nand \\ line"},
            "generatorURL": "https://github.com/acme/orders.git", "startsAt": "2023-11-14T22:13:20.123Z",
        });
        assert_eq!(played.json(0), json!([alert]));
        assert!(played.prepared.idempotent);
    }

    #[test]
    fn one_of_all_targets_is_enough() {
        let played = sent(THREE, TEMPLATE, &[answer(500, ""), none(), answer(200, "")]).unwrap();
        assert_eq!(played.lines(), ["POST https://a:1/x", "POST https://b:2/x", "POST https://c:3/x"]);
        assert_eq!(played.header(2, "authorization"), "Bearer t");
        assert_eq!(played.requests[0].transport.answer_timeout, Duration::from_secs(7));
        let note = Some("1 of 3 targets took it".to_owned());
        assert_eq!(played.outcome.verdict, Verdict::Delivered { reached: None, note });
    }

    #[test]
    fn without_any_the_most_hopeful_answer_counts() {
        let verdict = |answers: &[Answer]| sent(THREE, TEMPLATE, answers).unwrap().outcome.verdict;
        assert!(matches!(verdict(&[answer(400, ""), answer(401, ""), none()]), Verdict::Retry { .. }));
        assert!(matches!(verdict(&[answer(400, ""), answer(401, ""), answer(400, "")]), Verdict::Credentials { .. }));
        assert!(matches!(verdict(&[answer(400, ""), answer(400, ""), answer(400, "")]), Verdict::Permanent { .. }));
    }

    #[test]
    fn basic_authentication_goes_first() {
        let service = "{basicAuth: {username: u, password: p}, bearerToken: t}";
        assert_eq!(sent(service, TEMPLATE, &[answer(200, "")]).unwrap().header(0, "authorization"), "Basic dTpw");
    }

    #[test]
    fn what_names_the_alert_and_where_it_comes_from_can_be_said() {
        let template = "alertmanager: {labels: {alertname: Mine}, generatorURL: 'git@github.com:acme/x.git'}";
        let played = sent("{}", template, &[answer(200, "")]).unwrap();
        let alert = &played.json(0)[0];
        assert_eq!((&alert["labels"]["alertname"], &alert["annotations"]), (&json!("Mine"), &Json::Null));
        assert_eq!(alert["generatorURL"], "https://github.com/acme/x.git");
        let none = "alertmanager: {labels: {a: b}, generatorURL: '{{.app.spec.nothing}}'}";
        assert_eq!(sent("{}", none, &[answer(200, "")]).unwrap().json(0)[0]["generatorURL"], "");
    }

    #[test]
    fn an_alert_needs_labels() {
        assert!(sent("{}", "message: m", &[]).unwrap_err().contains("no `alertmanager` section"));
        assert!(sent("{}", "alertmanager: {annotations: {a: b}}", &[]).unwrap_err().contains("at least one label"));
    }

    #[test]
    fn it_is_shown_as_it_is_sent() {
        let config = load("service.alertmanager", "{}", TEMPLATE);
        let to = Destination { service: "console".into(), recipient: "stdout".into() };
        let shown = crate::service::shown(&rendered(&config, &to).unwrap(), 0);
        assert_eq!(shown["alertmanager"]["labels"]["alertname"], "t");
        assert_eq!(shown["alertmanager"]["startsAt"], "1970-01-01T00:00:00Z");
    }
}
