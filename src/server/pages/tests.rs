//! What holds for every page: valid HTML that a screen reader can use, nothing inline, bounded size, hostile text escaped, the headers.
//! [`check`] is for the tests of each page; the tests here ask the whole server.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::controller::{LogReporter, Relay, RelayOptions};
use crate::notify::json::JsonMode;
use crate::notify::{Destination, LoadOptions, ObjectId, Occurrence};
use crate::outbox::store::ClaimLimits;
use crate::outbox::{Attempt, Change, DeadReason, Delivery, DeliveryId, Lane, NewDelivery, SqliteStore, State, Store};
use crate::server;
use crate::service;
use crate::settings::{AnnotationLost, ProjectNamespace};
use crate::telemetry::Metrics;
use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use scraper::{ElementRef, Html, Selector};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A text that would do harm where it is not escaped.
pub(super) const HOSTILE: &str = "<script>alert('x')</script>\"><img src=x onerror=y>\u{202e}gpj.exe\u{200f} & co";
/// Most bytes of a page.
const BYTES_MAX: usize = 300_000;

/// So many characters, each of which takes the most room when it is escaped.
pub(super) fn worst(length: usize) -> String {
    "<>&\"'".chars().cycle().take(length).collect()
}

/// Deliveries of which every text is hostile and far too long.
pub(super) fn deliveries(count: usize) -> Vec<Delivery> {
    let text = format!("{HOSTILE}{}", worst(10_000));
    let one = |number: usize| Delivery {
        id: DeliveryId::new(1_799_999_999_000 - i64::try_from(number).unwrap(), [7; 10]),
        sequence: 1,
        occurrence: Occurrence {
            object: ObjectId { namespace: HOSTILE.into(), name: HOSTILE.into(), uid: "u".into() },
            config_namespace: text.clone(),
            trigger: text.clone(),
            condition_key: text.clone(),
            once_per: text.clone(),
            destination: Destination { service: text.clone(), recipient: text.clone() },
            arming: 1,
        },
        state_key: text.clone(),
        service_kind: text.clone(),
        lane: Lane { config_namespace: text.clone(), service: text.clone(), host: text.clone() },
        ordering: Some(text.clone()),
        supersedes: true,
        idempotent: false,
        digest: String::new(),
        state: State::Waiting,
        reason: text.clone(),
        due_ms: 1_800_000_060_000,
        created_ms: 1_799_999_000_000,
        since_ms: 1_799_999_000_000,
        updated_ms: 1_799_999_900_000,
        attempts: 4_000_000_000,
        step: 1,
        unknowns: 2,
        successor: Some(DeliveryId::new(1_800_000_000_000, [9; 10])),
        body_bytes: 1_234_567,
    };
    (0..count).map(one).collect()
}

fn all<'a>(page: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    page.select(&Selector::parse(selector).unwrap()).collect()
}

fn name_of(element: &ElementRef<'_>) -> String {
    element.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Asserts what holds for every page, and gives it back.
pub(super) fn check(html: &str) -> &str {
    let page = Html::parse_document(html);
    assert_eq!(page.errors, Vec::<String>::new(), "it is no valid HTML: {html}");
    assert!(html.len() < BYTES_MAX, "{} bytes", html.len());
    assert_eq!(all(&page, "html[lang=en]").len(), 1);
    assert_eq!((all(&page, "head > title").len(), all(&page, "h1").len(), all(&page, "main").len()), (1, 1, 1));
    assert!(
        all(&page, "title, h1, h2, h3, th, button, a, summary, caption").iter().all(|one| !name_of(one).is_empty())
    );
    nothing_inline(&page);
    ids_are_unique(&page);
    fields_have_labels(&page);
    tables_can_be_read(&page);
    assert!(!html.contains("<script>") && !html.contains("<img") && !html.contains('\u{202e}'), "{html}");
    html
}

fn nothing_inline(page: &Html) {
    assert!(all(page, "style, script:not([src]), iframe, object, embed, base").is_empty());
    for element in all(page, "*") {
        let wrong: Vec<_> =
            element.value().attrs().filter(|(name, _)| *name == "style" || name.starts_with("on")).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
    for link in all(page, "[href], [src], [action]") {
        let value = link.value();
        let target = value.attr("href").or(value.attr("src")).or(value.attr("action")).unwrap();
        assert!(target.starts_with('/') && !target.starts_with("//") || target.starts_with('#'), "{target}");
    }
}

fn ids_are_unique(page: &Html) {
    let mut seen = HashSet::new();
    for element in all(page, "[id]") {
        assert!(seen.insert(element.value().attr("id").unwrap()), "{:?} twice", element.value());
    }
    let named = all(page, "[aria-labelledby]");
    assert!(named.iter().all(|one| seen.contains(one.value().attr("aria-labelledby").unwrap())));
    let mut live = HashSet::new();
    assert!(all(page, "[data-live]").iter().all(|one| live.insert(one.value().attr("data-live").unwrap())));
}

fn fields_have_labels(page: &Html) {
    for field in all(page, "input, select, textarea") {
        let wrapped = field.ancestors().filter_map(ElementRef::wrap).find(|one| one.value().name() == "label");
        let id = field.value().attr("id").unwrap_or("-");
        let label = wrapped.or_else(|| all(page, &format!("label[for='{id}']")).first().copied());
        assert!(label.is_some_and(|label| !name_of(&label).is_empty()), "{:?} has no label", field.value());
    }
    assert!(all(page, "button:not([type])").is_empty());
}

fn tables_can_be_read(page: &Html) {
    for table in all(page, "table") {
        assert_eq!(table.select(&Selector::parse("caption").unwrap()).count(), 1);
        assert_eq!(table.select(&Selector::parse("th:not([scope])").unwrap()).count(), 0);
    }
}

/// A request as a browser on this machine makes it.
fn get(path: &str) -> TestRequest {
    TestRequest::get().uri(path).insert_header(("host", "localhost"))
}

async fn state() -> server::State {
    let store = Arc::new(SqliteStore::in_memory().await.unwrap());
    let options = RelayOptions {
        namespace: "argocd".into(),
        config_map: "cm".into(),
        load: LoadOptions { kinds: service::kinds(), ..LoadOptions::default() },
        service: service::Context { json: JsonMode::Repair, cluster: String::new() },
        give_up_after: Duration::from_secs(60),
        replay_per_second: 20,
        repo_server: Arc::new(crate::source::repo_server::RepoServer::absent()),
        standing: crate::coordination::Status::unguarded(),
        reader: None,
        annotation_lost: AnnotationLost::Hold,
        project_namespace: ProjectNamespace::Controller,
        tracer: crate::trace::Tracer::default(),
    };
    let relay = Relay::new(store, options, Arc::new(Metrics::new().unwrap()), Arc::new(LogReporter));
    relay.hide(vec![b"hunter22".to_vec()]);
    server::State {
        relay: Arc::new(relay),
        cluster: None,
        folder: None,
        limits: Arc::default(),
        gates: None,
        watchers: Arc::new(server::Watchers::new(CancellationToken::new())),
        auth: Arc::new(server::auth::Auth::open()),
        desk: None,
    }
}

/// A dead letter; what it said and sent holds a secret.
async fn dead_letter(store: &dyn Store) -> DeliveryId {
    let destination = Destination { service: "hook".into(), recipient: "hunter22".into() };
    let object = ObjectId { namespace: "argocd".into(), name: "web".into(), uid: "u".into() };
    let occurrence = Occurrence {
        object: object.clone(),
        config_namespace: String::new(),
        trigger: "on-x".into(),
        condition_key: "[0].a".into(),
        once_per: String::new(),
        destination,
        arming: 1,
    };
    let new = NewDelivery {
        state_key: occurrence.state_key(),
        lane: Lane { config_namespace: String::new(), service: "hook".into(), host: "h".into() },
        occurrence,
        service_kind: "webhook".into(),
        payload: br#"{"method":"POST","body":"dG9rZW4gaHVudGVyMjI="}"#.to_vec(),
        ordering: None,
        supersedes: false,
        idempotent: false,
        digest: String::new(),
        dead: None,
    };
    let id = store.commit(&object, vec![Change::Deliver(Box::new(new))], 1_000).await.unwrap().ids[0];
    let limits = ClaimLimits { max: 1, per_lane: 1, held: HashMap::new(), blocked: HashSet::new() };
    let claimed = store.claim(2_000, limits).await.unwrap().rows.remove(0);
    let attempt = Attempt {
        at_ms: 2_000,
        duration_ms: 5,
        status: Some(400),
        target: "https://h".into(),
        excerpt: "no hunter22".into(),
        reason: "status 400: hunter22".into(),
    };
    store.record(Some(attempt), claimed.dead(2_000, DeadReason::Rejected)).await.unwrap();
    id
}

#[actix_web::test]
async fn every_page_has_the_headers_and_no_secret() {
    let state = state().await;
    let id = dead_letter(state.relay.store().as_ref()).await;
    let app = init_service(server::application(state)).await;
    let paths = [
        ("/", 200),
        ("/deliveries", 200),
        ("/deliveries?app=argocd/web&state=dead&trigger=hunter22", 200),
        ("/deliveries?state=lost", 400),
        (&format!("/deliveries/{id}"), 200),
        ("/deliveries/dlv_0198c0de-0000-7000-8000-000000000001", 404),
        ("/deliveries/x", 404),
        ("/dead-letters", 200),
        ("/dead-letters?service=hook&configNamespace=&host=h&reason=rejected", 200),
        ("/dead-letters?after=x", 400),
        ("/destinations", 200),
        ("/destinations?after=x", 400),
        ("/applications", 200),
        ("/applications?q=hunter22&health=Healthy&told=no&deliveries=failed", 200),
        ("/applications?after=x", 400),
        ("/applications/argocd/hunter22", 404),
        ("/gates", 200),
        ("/gates/argocd/hunter22", 404),
        ("/approvals", 200),
        ("/approvals?after=x", 400),
        ("/approvals/hunter22", 404),
        ("/configuration", 200),
        ("/configuration?namespace=nobody", 404),
        ("/nowhere%3Cscript%3E", 404),
    ];
    for (path, status) in paths {
        let answer = call_service(&app, get(path).to_request()).await;
        assert_eq!(answer.status().as_u16(), status, "{path}");
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
        let policy = header("content-security-policy").to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
        assert_eq!(header("content-type"), "text/html; charset=utf-8");
        assert_eq!((header("x-content-type-options"), header("referrer-policy")), ("nosniff", "no-referrer"));
        assert_eq!((header("cross-origin-opener-policy"), header("cache-control")), ("same-origin", "no-store"));
        let html = String::from_utf8(read_body(answer).await.to_vec()).unwrap();
        assert!(!check(&html).contains("hunter22"), "{path}: {html}");
    }
}

#[actix_web::test]
async fn an_id_that_is_looked_for_leads_to_its_page() {
    let app = init_service(server::application(state().await)).await;
    let id = "dlv_0198c0de-0000-7000-8000-000000000001";
    let answer = call_service(&app, get(&format!("/deliveries?app={id}")).to_request()).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(answer.headers().get("location").unwrap(), &format!("/deliveries/{id}"));
}

#[actix_web::test]
async fn what_the_api_does_not_have_is_a_problem_and_no_page() {
    let app = init_service(server::application(state().await)).await;
    let answer = call_service(&app, get("/api/v1/nowhere").to_request()).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(answer.headers().get("content-type").unwrap(), "application/problem+json");
}

#[actix_web::test]
async fn a_store_that_is_away_is_told_on_a_page() {
    let state = state().await;
    state.relay.store().close().await;
    let app = init_service(server::application(state)).await;
    for path in ["/", "/deliveries", "/dead-letters", "/destinations", "/applications?deliveries=failed", "/approvals"]
    {
        let answer = call_service(&app, get(path).to_request()).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        let html = String::from_utf8(read_body(answer).await.to_vec()).unwrap();
        assert!(check(&html).contains("tries again by itself"));
    }
}
