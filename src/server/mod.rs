//! Listeners: metrics and health for the cluster, API and dashboard for people who log in, hooks for those who wake gates.

mod address;
mod api;
mod assets;
pub mod auth;
mod callbacks;
pub mod hooks;
mod pages;
mod stream;

pub use callbacks::{Certificate, Error as CallbacksError, Reach, callbacks};
pub use stream::Watchers;

use self::api::problem;
use crate::controller::Relay;
use crate::controller::approval::Desk;
use crate::controller::gate::Gates;
use crate::coordination::Standing;
use crate::source::kubernetes::Kubernetes;
use actix_web::body::MessageBody;
use actix_web::dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::{App, Error, HttpResponse, HttpServer, web};
use std::net::TcpListener;
use std::sync::{Arc, OnceLock};

/// What the handlers work with.
#[derive(Clone)]
pub struct State {
    /// The relay.
    pub relay: Arc<Relay>,
    /// Reads Applications for `explain`; `None` in files mode.
    pub cluster: Option<Kubernetes>,
    /// Manifests folder in files mode.
    pub folder: Option<std::path::PathBuf>,
    /// What the cluster does not allow this process, once it is known; for readiness.
    pub limits: Arc<OnceLock<Vec<String>>>,
    /// Gates, where they are handled.
    pub gates: Option<Arc<Gates>>,
    /// Who is told that something changed.
    pub watchers: Arc<Watchers>,
    /// Who gets in.
    pub auth: Arc<auth::Auth>,
    /// Runs of approvals, where they are served.
    pub desk: Option<Arc<Desk>>,
}

/// Serves `/metrics`, `/healthz`, `/readyz`.
///
/// # Errors
/// The listener cannot be used.
pub fn metrics(listener: TcpListener, state: State) -> std::io::Result<Server> {
    let app = move || {
        App::new()
            .app_data(web::Data::new(state.clone()))
            .route("/metrics", web::get().to(scrape))
            .route("/healthz", web::get().to(healthy))
            .route("/readyz", web::get().to(ready))
    };
    Ok(HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(2).listen(listener)?.run())
}

/// Serves `/api/v1` and the dashboard.
///
/// # Errors
/// The listener cannot be used.
pub fn api(listener: TcpListener, state: State) -> std::io::Result<Server> {
    Ok(HttpServer::new(move || application(state.clone()))
        .workers(1)
        .disable_signals()
        .shutdown_timeout(2)
        .listen(listener)?
        .run())
}

/// The routes of [`api`] with all that stands before them.
pub fn application(
    state: State,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(web::Data::new(state))
        .app_data(web::JsonConfig::default().limit(64 << 10).error_handler(problem::bad_body))
        .app_data(web::QueryConfig::default().error_handler(problem::bad_query))
        .app_data(web::PathConfig::default().error_handler(problem::bad_path))
        .wrap(actix_web::middleware::from_fn(auth::recognise))
        .wrap(actix_web::middleware::from_fn(api::problems))
        .configure(auth::routes)
        .configure(api::routes)
        .configure(assets::routes)
        .configure(pages::routes)
        .default_service(web::to(pages::not_found))
}

async fn scrape(state: web::Data<State>) -> HttpResponse {
    refresh(&state.relay).await;
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(state.relay.metrics().render())
}

/// Gauges that are read from the store when somebody looks.
async fn refresh(relay: &Relay) {
    let metrics = relay.metrics();
    let healthy = relay.store().health().await.is_ok();
    metrics.store.with_label_values(&["healthy"]).set(i64::from(healthy));
    metrics.store.with_label_values(&["durable"]).set(i64::from(relay.store().is_durable()));
    if let Ok(off) = relay.store().switched_off().await {
        metrics.disabled.reset();
        for (lane, _) in off {
            let labels = [lane.config_namespace.as_str(), lane.service.as_str(), lane.host.as_str()];
            metrics.disabled.with_label_values(&labels).set(1);
        }
    }
    let Ok(counts) = relay.store().counts().await else { return };
    for (state, count) in &counts.by_state {
        metrics.queue.with_label_values(&[state.as_str()]).set(i64::try_from(*count).unwrap_or(i64::MAX));
    }
    let now = crate::clock::now().millis();
    metrics.oldest.set(counts.oldest_open_ms.map_or(0, |at| now.saturating_sub(at).max(0) / 1000));
}

async fn healthy() -> HttpResponse {
    HttpResponse::Ok().body("ok\n")
}

async fn ready(state: web::Data<State>) -> HttpResponse {
    let relay = &state.relay;
    let store = relay.store().health().await;
    let detail = serde_json::json!({
        "synced": relay.is_synced(),
        "brokenKeys": relay.problems(),
        "store": store.as_ref().map_or_else(ToString::to_string, |()| "writable".into()),
        "durable": relay.store().is_durable(),
        "limits": state.limits.get().map(Vec::as_slice).unwrap_or_default(),
        "standing": match relay.standing().now() {
            Standing::Unknown => "not known yet".to_owned(),
            Standing::Holder => "decides".to_owned(),
            Standing::Standby { holder } => format!("stands by: {holder} decides"),
            Standing::Unguarded => "decides, without a Lease".to_owned(),
        },
    });
    // One that stands by is as ready as it can be.
    let in_place = relay.is_synced() || matches!(relay.standing().now(), Standing::Standby { .. });
    if in_place && store.is_ok() {
        HttpResponse::Ok().json(detail)
    } else {
        HttpResponse::ServiceUnavailable().json(detail)
    }
}
