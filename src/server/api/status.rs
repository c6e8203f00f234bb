//! `/api/v1`, `/api/v1/status` and `/api/v1/config`: what there is, how it goes, and what is configured.

use super::resource::Resource;
use super::{Answer, State, shown};
use crate::controller::{ConfigView, config_view};
use actix_web::web;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

pub(super) fn resources() -> Vec<Resource> {
    vec![
        Resource::at("/api/v1").get(index),
        Resource::at("/api/v1/status").get(status),
        Resource::at("/api/v1/config").get(configuration),
    ]
}

/// What there is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Index {
    /// Paths below `/api/v1/`.
    resources: Vec<String>,
    /// Where the OpenAPI document is.
    openapi: &'static str,
}

/// Name what there is.
#[utoipa::path(get, path = "/api/v1", operation_id = "index", tag = "status",
    responses((status = 200, description = "The resources.", body = Index)))]
pub(super) async fn index(app: web::Data<State>) -> Answer {
    let resources =
        super::openapi::paths().filter_map(|path| path.strip_prefix("/api/v1/")).map(str::to_owned).collect();
    shown(&app, &Index { resources, openapi: super::openapi::PATH })
}

/// How it goes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    /// Whether everything that was there at the start has been looked at.
    synced: bool,
    /// Whether what is pending outlives the process.
    durable: bool,
    /// Deliveries by state.
    queue: BTreeMap<&'static str, u64>,
    /// When the oldest delivery that is open was decided, Unix milliseconds; null without one.
    #[schema(required = true)]
    oldest_open_ms: Option<i64>,
    /// Keys of annotations that are still to be written.
    owed_annotations: u64,
    /// Keys of the configuration that are broken or worth a warning.
    broken_keys: usize,
    /// Version of this Gatepost.
    version: &'static str,
}

/// Say how it goes.
#[utoipa::path(get, path = "/api/v1/status", operation_id = "getStatus", tag = "status",
    responses((status = 200, description = "How it goes.", body = Status)))]
pub(super) async fn status(app: web::Data<State>) -> Answer {
    let relay = &app.relay;
    let counts = relay.store().counts().await?;
    let view = Status {
        synced: relay.is_synced(),
        durable: relay.store().is_durable(),
        queue: counts.by_state.iter().map(|(state, count)| (state.as_str(), *count)).collect(),
        oldest_open_ms: counts.oldest_open_ms,
        owed_annotations: counts.owed_annotations,
        broken_keys: relay.problems(),
        version: env!("CARGO_PKG_VERSION"),
    };
    shown(&app, &view)
}

/// The configuration in force: the controller's own, and those of tenants.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AllConfiguration {
    /// The controller's own.
    #[serde(flatten)]
    own: ConfigView,
    /// Those of other namespaces.
    tenants: Vec<ConfigView>,
}

/// Show what is configured, and what is broken.
///
/// Options of services are not shown: they hold credentials.
#[utoipa::path(get, path = "/api/v1/config", operation_id = "getConfiguration", tag = "configuration",
    responses((status = 200, description = "The configuration in force.", body = AllConfiguration)))]
pub(super) async fn configuration(app: web::Data<State>) -> Answer {
    let all = app.relay.configurations();
    let mut views = all.iter().map(|config| config_view(config));
    let own = views.next().unwrap_or_default();
    shown(&app, &AllConfiguration { own, tenants: views.collect() })
}
