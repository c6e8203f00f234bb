//! Requests of any form to the API: every answer is JSON or the page, none is a failure of the server, and nothing that
//! is not JSON changes anything.

use actix_web::body::to_bytes;
use actix_web::http::Method;
use actix_web::test::{TestRequest, init_service, try_call_service};
use gatepost::controller::{LogReporter, Relay, RelayOptions};
use gatepost::coordination::Status;
use gatepost::notify::LoadOptions;
use gatepost::outbox::SqliteStore;
use gatepost::server::auth::Auth;
use gatepost::server::{self, State};
use gatepost::service::{self, Context};
use gatepost::settings::{AnnotationLost, ProjectNamespace};
use gatepost::source::repo_server::RepoServer;
use gatepost::telemetry::Metrics;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

const PATHS: [&str; 12] = [
    "",
    "config",
    "decisions",
    "status",
    "deliveries",
    "deliveries/",
    "deliveries/replay",
    "deliveries/discard",
    "destinations",
    "destinations/enable",
    "destinations/disable",
    "applications/",
];

async fn state() -> State {
    let store = Arc::new(SqliteStore::in_memory().await.expect("a store in memory"));
    let options = RelayOptions {
        namespace: "argocd".into(),
        config_map: "cm".into(),
        load: LoadOptions { kinds: service::kinds(), ..LoadOptions::default() },
        service: Context::default(),
        give_up_after: Duration::from_secs(60),
        replay_per_second: 20,
        repo_server: Arc::new(RepoServer::absent()),
        standing: Status::unguarded(),
        reader: None,
        annotation_lost: AnnotationLost::default(),
        project_namespace: ProjectNamespace::default(),
        tracer: gatepost::trace::Tracer::default(),
    };
    let metrics = Arc::new(Metrics::new().expect("metrics"));
    let relay = Arc::new(Relay::new(store, options, metrics, Arc::new(LogReporter)));
    State {
        relay,
        cluster: None,
        folder: None,
        limits: Arc::default(),
        gates: None,
        auth: Arc::new(Auth::open()),
        desk: None,
        watchers: Arc::default(),
    }
}

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
    })
}

fn shared() -> State {
    static STATE: OnceLock<State> = OnceLock::new();
    STATE.get_or_init(|| runtime().block_on(state())).clone()
}

/// Method, path, whether it says that it is JSON, and the rest of the path or the body.
async fn ask(how: u8, path: u8, text: &str, state: State) {
    let app = init_service(server::application(state)).await;
    let method = [Method::GET, Method::POST, Method::PUT, Method::DELETE][usize::from(how & 3)].clone();
    let (tail, body) = text.split_once('\n').unwrap_or((text, ""));
    let tail: String = tail.chars().filter(|c| c.is_ascii_graphic()).collect();
    let uri = format!("/api/v1/{}{tail}", PATHS[usize::from(path) % PATHS.len()]);
    let Ok(uri) = uri.parse::<actix_web::http::Uri>() else { return };
    let mut request =
        TestRequest::default().method(method.clone()).uri(&uri.to_string()).insert_header(("host", "localhost"));
    let json = how & 4 == 0;
    if json {
        request = request.insert_header(("content-type", "application/json"));
    }
    // A server makes an answer of an error as well.
    let answer = match try_call_service(&app, request.set_payload(body.to_owned()).to_request()).await {
        Ok(answer) => answer.into_parts().1.map_into_boxed_body(),
        Err(error) => error.error_response(),
    };
    let status = answer.status();
    assert!(!status.is_server_error() || status == 503, "{method} {uri} {body}: {status}");
    assert!(method == Method::GET || json || status.is_client_error(), "{method} {uri}: {status} without JSON");
    let Ok(body) = to_bytes(answer.into_body()).await else { panic!("{uri}: the answer breaks off") };
    if status.is_success() {
        assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok(), "{uri}: no JSON");
    }
}

/// One input.
pub fn run(bytes: &[u8]) {
    let [how, path, rest @ ..] = bytes else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let local = tokio::task::LocalSet::new();
    let _entered = runtime().enter();
    runtime().block_on(local.run_until(ask(*how, *path, text, shared())));
}
