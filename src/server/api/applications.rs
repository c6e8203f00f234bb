//! `/api/v1/applications`: every Application in short, and one with the whole chain of what is decided for it and why.

use super::parameters::Query;
use super::resource::Resource;
use super::{Answer, Kind, Problem, State, deliveries, parameters, shown};
use crate::controller::{Explanation, RosterQuery, RosterRow, Subscribed, explained_view};
use crate::outbox::Delivery;
use crate::outbox::store::Filter;
use crate::source::{Object, files};
use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Rows of a page, at most.
const PAGE_MAX: usize = 1_000;
/// Deliveries that are shown with an Application.
const DELIVERIES: usize = 20;

pub(super) fn resources() -> Vec<Resource> {
    vec![
        Resource::at("/api/v1/applications").get(list),
        Resource::at("/api/v1/applications/{namespace}/{name}").get(show),
    ]
}

/// Which Applications; what is absent matches all, and an empty word those without one.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// A part of `<namespace>/<name>`.
    q: String,
    /// Project.
    #[param(value_type = String)]
    project: Option<String>,
    /// Argo CD's word for the sync status, such as `OutOfSync`.
    #[param(value_type = String)]
    sync: Option<String>,
    /// Argo CD's word for the health, such as `Degraded`.
    #[param(value_type = String)]
    health: Option<String>,
    /// Phase of the last operation, such as `Failed`.
    #[param(value_type = String)]
    phase: Option<String>,
    /// Whether anybody is told of them.
    #[param(value_type = bool)]
    subscribed: Option<bool>,
    /// Only those behind this one: the `next` of the page before.
    #[param(value_type = String, pattern = r"^[^/]+/[^/]+$")]
    after: Option<String>,
    /// Rows of a page; 0 and none read as 100.
    #[param(value_type = usize, minimum = 0, maximum = 1000)]
    limit: Option<usize>,
}

/// An Application in short.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApplicationRow {
    /// Namespace.
    namespace: String,
    /// Name.
    name: String,
    /// Project.
    project: String,
    /// Argo CD's word for the sync status; empty without one.
    sync: String,
    /// Argo CD's word for the health; empty without one.
    health: String,
    /// Phase of the last operation; empty without one.
    phase: String,
    /// When one of these last changed, Unix milliseconds; null where that is not known.
    #[schema(required = true)]
    changed_ms: Option<i64>,
    /// Whether anybody is told of it; null where that was not decided yet.
    #[schema(required = true)]
    subscribed: Option<bool>,
}

impl From<RosterRow> for ApplicationRow {
    fn from(row: RosterRow) -> Self {
        Self {
            namespace: row.namespace.to_string(),
            name: row.name,
            project: row.project.to_string(),
            sync: row.sync.to_string(),
            health: row.health.to_string(),
            phase: row.phase.to_string(),
            changed_ms: row.changed_secs.map(|secs| secs.saturating_mul(1000)),
            subscribed: match row.subscribed {
                Subscribed::Unknown => None,
                Subscribed::No => Some(false),
                Subscribed::Yes => Some(true),
            },
        }
    }
}

/// A page of Applications.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApplicationPage {
    /// In order of namespace and name.
    items: Vec<ApplicationRow>,
    /// What the next page is asked for with, as the parameter `after`; null on the last page.
    #[schema(required = true)]
    next: Option<String>,
    /// How many match, on all pages.
    matching: usize,
    /// How many there are.
    all: usize,
}

/// List Applications, in order of namespace and name.
#[utoipa::path(get, path = "/api/v1/applications", operation_id = "listApplications", tag = "applications", params(Which),
    responses((status = 200, description = "A page of Applications.", body = ApplicationPage)))]
pub(super) async fn list(app: web::Data<State>, Query(which): Query<Which>) -> Answer {
    let limit = parameters::page(which.limit, PAGE_MAX)?;
    let after = which.after.as_deref().map(deliveries::application).transpose()?;
    let query = RosterQuery {
        search: which.q,
        project: which.project,
        sync: which.sync,
        health: which.health,
        phase: which.phase,
        subscribed: which.subscribed,
        among: None,
        after,
        limit,
    };
    let page = app.relay.roster().page(&query);
    let view = ApplicationPage {
        items: page.rows.into_iter().map(ApplicationRow::from).collect(),
        next: page.next.map(|(namespace, name)| format!("{namespace}/{name}")),
        matching: page.matching,
        all: page.all,
    };
    shown(&app, &view)
}

/// One Application: what is decided for it, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExplainedApplication {
    /// `<namespace>/<name>`.
    application: String,
    /// What would be decided now.
    #[serde(flatten)]
    explanation: Explanation,
    /// Its latest deliveries, newest first.
    deliveries: Vec<Delivery>,
}

/// Explain one Application: subscriptions, triggers, conditions with the values of their parts, and its latest deliveries.
///
/// It is read and evaluated anew; nothing is sent or changed.
#[utoipa::path(get, path = "/api/v1/applications/{namespace}/{name}", operation_id = "explainApplication", tag = "applications",
    params(("namespace" = String, Path, description = "Its namespace."), ("name" = String, Path, description = "Its name.")),
    responses(
        (status = 200, description = "What is decided, and why.", body = ExplainedApplication),
        (status = 404, description = "There is no such Application.", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "The cluster did not give it.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(app: web::Data<State>, path: web::Path<(String, String)>) -> Answer {
    let (namespace, name) = path.into_inner();
    let found = find(&app, &namespace, &name).await;
    let found = found.map_err(|cause| {
        Problem::new(Kind::ClusterAway, format!("the Application {namespace}/{name} cannot be read: {cause}"))
    })?;
    let object = found
        .ok_or_else(|| Problem::new(Kind::NoSuchApplication, format!("there is no Application {namespace}/{name}")))?;
    let explanation = explained_view(&app.relay.explain(&object).await?);
    let application = format!("{namespace}/{name}");
    let filter = Filter { object: Some((namespace, name)), limit: DELIVERIES, ..Filter::default() };
    let deliveries = app.relay.store().list(&filter).await?;
    shown(&app, &ExplainedApplication { application, explanation, deliveries })
}

/// Whether anything can have this name: what cannot is not put into a path that is asked for.
fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        && text.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

/// One Application, as it is at its source now.
pub(in crate::server) async fn find(state: &State, namespace: &str, name: &str) -> Result<Option<Object>, String> {
    if !is_name(namespace) || !is_name(name) {
        return Ok(None);
    }
    if let Some(cluster) = &state.cluster {
        return cluster.get(namespace, name).await.map_err(|e| e.to_string());
    }
    let Some(folder) = state.folder.clone() else { return Ok(None) };
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    let found = web::block(move || files::find_application(&folder, &namespace, &name)).await;
    found.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn only_names_are_asked_for() {
        assert!(is_name("order-service") && is_name("a.b-c1"));
        assert!(!is_name("..") && !is_name("") && !is_name("../secrets") && !is_name("a%2e") && !is_name("a b"));
    }
}
