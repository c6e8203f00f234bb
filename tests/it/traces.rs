//! Traces: a collector that the test runs is sent the spans of a delivery and of a gate, with their links; one that is dead hurts nothing.
//!
//! What is sent is read with the messages that OpenTelemetry publishes, not with Gatepost's own.

use crate::env::receiver::Received;
use crate::env::{Answer, PATIENCE, Receiver, wait_until};
use crate::gates::{Scene, approved, sha};
use crate::running::Gatepost;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

const TOKEN: &str = "CANARY-token-0123456789";
const API_KEY: &str = "CANARY-api-key-0123456789";

/// A webhook that is tried again at once, with secrets where webhooks have them.
fn configure(folder: &Path, url: &str) {
    let service = json!({
        "url": format!("{url}/in/CANARY-path-0123456789"), "retryMax": 50, "retryWaitMin": 20_000_000, "retryWaitMax": 50_000_000,
        "headers": [{"name": "X-Token", "value": "$token"}],
    });
    let trigger = json!([{"when": "app.status.operationState.phase in ['Failed']", "send": ["failed"]}]);
    let template = json!({"webhook": {"hook": {"method": "POST", "body": "{{.app.metadata.name}}"}}});
    let config = json!({"kind": "ConfigMap", "metadata": {"name": "argocd-notifications-cm"}, "data": {
        "service.webhook.hook": service.to_string(), "trigger.on-failed": trigger.to_string(), "template.failed": template.to_string()}});
    let secret =
        json!({"kind": "Secret", "metadata": {"name": "argocd-notifications-secret"}, "stringData": {"token": TOKEN}});
    std::fs::write(folder.join("config.yaml"), format!("{config}\n---\n{secret}\n")).unwrap();
    let application = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "shop", "uid": "u1", "annotations": {"notifications.argoproj.io/subscribe.on-failed.hook": "somebody"}},
        "spec": {"project": "default", "source": {"repoURL": "https://git.example.com/r.git"}},
        "status": {"operationState": {"phase": "Failed", "startedAt": "2026-01-01T10:00:00Z",
            "finishedAt": "2026-01-01T10:01:00Z", "operation": {}}, "reconciledAt": "2026-01-01T10:02:00Z"},
    });
    std::fs::write(folder.join("shop.yaml"), application.to_string()).unwrap();
}

fn traced(endpoint: &str, more: &str) -> String {
    format!("[tracing]\nendpoint = \"{endpoint}\"\nheaders = \"api-key={API_KEY}\"\n{more}")
}

/// Everything that a collector was sent.
fn spans(collector: &Receiver) -> Vec<Span> {
    let exports = collector.requests().into_iter().map(|request| export(&request));
    let scopes = exports.flat_map(|export| export.resource_spans).flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

fn export(request: &Received) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest::decode(&request.body[..]).unwrap()
}

fn attribute(span: &Span, key: &str) -> Value {
    let found = span.attributes.iter().find(|one| one.key == key).and_then(|one| one.value.clone()?.value);
    match found {
        Some(Any::StringValue(text)) => text.into(),
        Some(Any::IntValue(number)) => number.into(),
        None => Value::Null,
        other => panic!("{key}: {other:?}"),
    }
}

/// The spans of this name in the order of their begin.
fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    let mut found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    found.sort_by_key(|span| span.start_time_unix_nano);
    found
}

fn the<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    match named(spans, name)[..] {
        [one] => one,
        ref several => panic!("{} spans {name}", several.len()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn failed(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code == 2)
}

/// The id of the only delivery once it is delivered.
async fn delivered(gatepost: &Gatepost) -> String {
    wait_until("the notification is delivered", PATIENCE, || async {
        gatepost.get("deliveries?state=delivered").await["items"].as_array().is_some_and(|items| items.len() == 1)
    })
    .await;
    gatepost.get("deliveries").await["items"][0]["id"].as_str().unwrap().to_owned()
}

/// Ids are whole, times are in order, and nothing secret is told.
fn well_formed(collector: &Receiver) -> Vec<Span> {
    let spans = spans(collector);
    let known: BTreeSet<_> = spans.iter().map(|span| (&span.trace_id, &span.span_id)).collect();
    assert_eq!(known.len(), spans.len(), "no two spans have one id");
    for span in &spans {
        assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8), "{}", span.name);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{}", span.name);
    }
    for request in collector.requests() {
        assert!(!request.text().contains("CANARY"), "{}", request.text());
        assert_eq!(request.header("api-key"), Some(API_KEY));
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/traces"));
        assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
    }
    spans
}

/// Each span's parent is there.
fn assert_whole(spans: &[Span]) {
    let known: BTreeSet<_> = spans.iter().map(|span| (&span.trace_id, &span.span_id)).collect();
    for span in spans.iter().filter(|span| !span.parent_span_id.is_empty()) {
        assert!(known.contains(&(&span.trace_id, &span.parent_span_id)), "{}", span.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_one_trace_from_its_row_over_a_retry_to_its_end() {
    let (folder, collector) = (tempfile::tempdir().unwrap(), Receiver::start([]).await);
    let receiver = Receiver::start([Answer::status(503), Answer::status(200)]).await;
    configure(folder.path(), &receiver.url());
    let gatepost = Gatepost::start_on_files_set(folder.path(), &traced(&collector.url(), "")).await;
    let id = delivered(&gatepost).await;
    assert_eq!(gatepost.terminate().await, Some(0), "the end sends what waits");
    let spans = well_formed(&collector);

    let root = the(&spans, "notification");
    assert_eq!(
        hex(&root.trace_id),
        id.trim_start_matches("dlv_").replace('-', ""),
        "a trace is found by the delivery's id"
    );
    assert!(root.parent_span_id.is_empty() && !failed(root));
    for (key, value) in [
        ("gatepost.delivery.id", id.as_str()),
        ("gatepost.trigger", "on-failed"),
        ("gatepost.service", "hook"),
        ("gatepost.service.kind", "webhook"),
        ("gatepost.state", "delivered"),
        ("gatepost.object.name", "shop"),
    ] {
        assert_eq!(attribute(root, key), value, "{key}");
    }
    let [claims, attempts, requests] = ["claim", "attempt", "POST"].map(|name| named(&spans, name));
    assert_eq!([claims.len(), attempts.len(), requests.len()], [2, 2, 2]);
    for (number, (attempt, request)) in (1_i64..).zip(attempts.iter().zip(&requests)) {
        assert_eq!((&attempt.trace_id, &attempt.parent_span_id), (&root.trace_id, &root.span_id));
        assert_eq!((&request.trace_id, &request.parent_span_id), (&attempt.trace_id, &attempt.span_id));
        assert_eq!(attribute(attempt, "gatepost.attempt"), number);
        assert_eq!(request.kind, SpanKind::Client as i32);
        assert_eq!(attribute(request, "http.request.method"), "POST");
        assert_eq!(attribute(request, "url.full"), receiver.url(), "scheme, host and port, and nothing more");
        assert_eq!(attribute(request, "server.address"), "127.0.0.1");
    }
    assert_eq!(attribute(requests[0], "http.response.status_code"), 503);
    assert_eq!(attribute(requests[0], "error.type"), "503");
    assert_eq!(attribute(attempts[0], "error.type"), "retry");
    assert_eq!(
        [failed(attempts[0]), failed(requests[0]), failed(attempts[1]), failed(requests[1])],
        [true, true, false, false]
    );
    assert_eq!(claims.iter().filter(|claim| claim.parent_span_id == root.span_id).count(), 2);

    let (row, look) = (the(&spans, "row"), the(&spans, "look"));
    assert_eq!((&row.trace_id, &row.parent_span_id), (&root.trace_id, &root.span_id));
    assert_eq!((&row.links[0].trace_id, &row.links[0].span_id), (&look.trace_id, &look.span_id));
    assert_ne!(look.trace_id, root.trace_id);
    let commit = the(&spans, "commit");
    assert_eq!((&the(&spans, "decide").parent_span_id, &commit.parent_span_id), (&look.span_id, &look.span_id));
    assert_eq!((&commit.links[0].trace_id, &commit.links[0].span_id), (&root.trace_id, &root.span_id));

    let resource = export(&collector.requests()[0]).resource_spans[0].resource.clone().unwrap();
    let service = resource.attributes.iter().find(|one| one.key == "service.name").unwrap();
    assert_eq!(service.value.clone().unwrap().value, Some(Any::StringValue("gatepost".into())));
    assert!(receiver.requests().iter().all(|request| request.header("traceparent").is_none()), "nobody asked for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_goes_on_with_the_trace_and_receivers_are_told_it_where_that_is_wanted() {
    let (folder, collector) = (tempfile::tempdir().unwrap(), Receiver::start([]).await);
    let receiver = Receiver::start([Answer::status(503)]).await;
    configure(folder.path(), &receiver.url());
    let store = folder.path().join("outbox.db");
    let settings = traced(&collector.url(), "propagate = true\n");
    let start = || Gatepost::start_on_files_around(folder.path(), &store, &settings);
    let first = start().await;
    receiver.wait_for(1, PATIENCE).await;
    assert_eq!(first.terminate().await, Some(0));
    assert!(named(&spans(&collector), "notification").is_empty(), "it is not over");
    receiver.script([Answer::status(200)]);
    let second = start().await;
    let id = delivered(&second).await;
    assert_eq!(second.terminate().await, Some(0));

    let spans = well_formed(&collector);
    assert_whole(&spans);
    let root = the(&spans, "notification");
    assert_eq!(hex(&root.trace_id), id.trim_start_matches("dlv_").replace('-', ""));
    assert_eq!(the(&spans, "row").parent_span_id, root.span_id, "told by the first, under what the second told");
    let attempts = named(&spans, "attempt");
    assert!(attempts.len() >= 2 && attempts.iter().all(|attempt| attempt.parent_span_id == root.span_id));
    let told: BTreeSet<_> =
        receiver.requests().iter().map(|request| request.header("traceparent").unwrap().to_owned()).collect();
    let requests = named(&spans, "POST");
    let expected = requests.iter().map(|one| format!("00-{}-{}-01", hex(&one.trace_id), hex(&one.span_id)));
    assert_eq!(told, expected.collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gates_look_is_one_trace_through_its_question_to_the_commit_status() {
    let (scene, sha, collector) = (Scene::new([approved(true)]).await, sha(), Receiver::start([]).await);
    scene.strategy(&sha).await;
    scene.gate(json!({})).await;
    let gatepost = scene.gatepost_with(&traced(&collector.url(), "propagate = true\n")).await;
    scene.wait_phase("success", &sha).await;
    // A look that the end of the process breaks off is not told.
    wait_until("the look is told", PATIENCE, || async {
        let spans = spans(&collector);
        let asked = named(&spans, "GET").first().map(|question| question.parent_span_id.clone());
        spans.iter().any(|span| Some(&span.span_id) == asked.as_ref())
    })
    .await;
    assert_eq!(gatepost.terminate().await, Some(0));
    let spans = well_formed(&collector);

    let question = the(&spans, "GET");
    let look = spans.iter().find(|span| span.trace_id == question.trace_id && span.name == "look").unwrap();
    assert!(look.parent_span_id.is_empty() && !failed(look));
    assert_eq!(attribute(look, "gatepost.gate.kind"), "WebRequestCommitStatus");
    assert_eq!(
        (attribute(look, "gatepost.gate.name"), attribute(look, "k8s.namespace.name")),
        ("gate".into(), scene.namespace.name.clone().into())
    );
    assert_eq!((question.kind, &question.parent_span_id), (SpanKind::Client as i32, &look.span_id));
    assert_eq!(attribute(question, "http.response.status_code"), 200);
    assert_eq!(attribute(question, "url.full"), scene.receiver.url());
    let applied = spans.iter().filter(|span| span.trace_id == look.trace_id && span.name == "apply CommitStatus");
    let applied: Vec<_> = applied.collect();
    assert_eq!(applied.len(), 1);
    assert_eq!(applied[0].parent_span_id, look.span_id);
    assert_eq!(attribute(applied[0], "gatepost.commit_status.phase"), "success");
    assert_eq!(attribute(applied[0], "vcs.ref.head.revision"), sha);
    assert!(question.end_time_unix_nano <= applied[0].start_time_unix_nano);
    let told = scene.receiver.requests()[0].header("traceparent").unwrap().to_owned();
    assert_eq!(told, format!("00-{}-{}-01", hex(&question.trace_id), hex(&question.span_id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_dead_or_hangs_hurts_nothing() {
    let hanging = Receiver::start([Answer::Hang]).await;
    let closed = format!("http://127.0.0.1:{}", crate::running::free_port());
    for endpoint in [closed, hanging.url()] {
        let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start([]).await);
        configure(folder.path(), &receiver.url());
        let gatepost = Gatepost::start_on_files_set(folder.path(), &traced(&endpoint, "")).await;
        delivered(&gatepost).await;
        assert_eq!(gatepost.terminate().await, Some(0), "{endpoint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sampled_is_not_told() {
    let (folder, collector) = (tempfile::tempdir().unwrap(), Receiver::start([]).await);
    let receiver = Receiver::start([]).await;
    configure(folder.path(), &receiver.url());
    let settings = traced(&collector.url(), "sampling = 0\npropagate = true\n");
    let gatepost = Gatepost::start_on_files_set(folder.path(), &settings).await;
    delivered(&gatepost).await;
    assert_eq!(gatepost.terminate().await, Some(0));
    assert_eq!(collector.count(), 0);
    assert_eq!(receiver.requests()[0].header("traceparent"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_variables_of_opentelemetry_name_a_collector_too() {
    let (folder, collector) = (tempfile::tempdir().unwrap(), Receiver::start([]).await);
    let receiver = Receiver::start([]).await;
    configure(folder.path(), &receiver.url());
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url().into()),
        ("OTEL_EXPORTER_OTLP_HEADERS", format!("api-key={API_KEY}").into()),
    ];
    let gatepost = Gatepost::start_on_files_in(folder.path(), &environment).await;
    let id = delivered(&gatepost).await;
    assert_eq!(gatepost.terminate().await, Some(0));
    assert_eq!(attribute(the(&well_formed(&collector), "notification"), "gatepost.delivery.id"), id);
}
