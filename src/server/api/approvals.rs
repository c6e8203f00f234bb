//! `/api/v1/approvals/runs`: runs of approvals for whoever may look at everything, and the votes of people who are logged in.
//!
//! The outside process and Argo Rollouts have doors of their own on the callbacks listener (`server/callbacks`). Here nobody is
//! believed more than there: a vote counts only if the cluster lets this very person approve.

use super::parameters::{Body, Query};
use super::resource::Resource;
use super::{Answer, Kind, Page, Problem, State, cut, parameters, shown};
use crate::controller::approval::{Call, Claimed, Denied, Desk, RunDetail, RunSummary};
use crate::gate::approval::RunId;
use crate::gate::approval::answer::reply;
use crate::outbox::runs::RunFilter;
use crate::server::auth::Vouched;
use actix_web::http::StatusCode;
use actix_web::web;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

/// Rows of a page, at most.
const PAGE_MAX: usize = 1_000;

pub(super) fn resources() -> Vec<Resource> {
    vec![
        Resource::at("/api/v1/approvals/runs").get(list),
        Resource::at("/api/v1/approvals/runs/{id}").get(show),
        Resource::at("/api/v1/approvals/runs/{id}/approve").post(approve),
        Resource::at("/api/v1/approvals/runs/{id}/reject").post(reject),
        Resource::at("/api/v1/approvals/runs/{id}/cancel").post(cancel),
        Resource::at("/api/v1/approvals/{namespace}/runs").get(of_namespace),
        Resource::at("/api/v1/approvals/{namespace}/{name}/runs").get(of_approval),
    ]
}

/// Which runs; what is absent matches all.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Namespace of the approval.
    #[param(value_type = String)]
    namespace: Option<String>,
    /// Name of the approval.
    #[param(value_type = String)]
    name: Option<String>,
    /// Environment's branch, or `<namespace>/<name>` of the Application.
    #[param(value_type = String)]
    branch: Option<String>,
    /// SHA, revision, or name of the run.
    #[param(value_type = String)]
    sha: Option<String>,
    /// Only those that are open, or only those that are not.
    #[param(value_type = bool)]
    open: Option<bool>,
    /// Only those behind this one: the `next` of the page before.
    #[param(value_type = String, pattern = r"^[0-9a-f]{32}$")]
    after: Option<String>,
    /// Rows of a page; 0 and none read as 100.
    #[param(value_type = usize, minimum = 0, maximum = 1000)]
    limit: Option<usize>,
}

/// Which runs of a namespace or an approval; what is absent matches all.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// Environment's branch, or `<namespace>/<name>` of the Application.
    #[param(value_type = String)]
    branch: Option<String>,
    /// SHA, revision, or name of the run.
    #[param(value_type = String)]
    sha: Option<String>,
    /// Only those that are open, or only those that are not.
    #[param(value_type = bool)]
    open: Option<bool>,
    /// Only those behind this one: the `next` of the page before.
    #[param(value_type = String, pattern = r"^[0-9a-f]{32}$")]
    after: Option<String>,
    /// Rows of a page; 0 and none read as 100.
    #[param(value_type = usize, minimum = 0, maximum = 1000)]
    limit: Option<usize>,
}

impl Part {
    fn of(self, namespace: String, name: Option<String>) -> Which {
        let Self { branch, sha, open, after, limit } = self;
        Which { namespace: Some(namespace), name, branch, sha, open, after, limit }
    }
}

/// Why somebody decides.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Words {
    /// Why; kept with the decision.
    #[schema(max_length = 1024)]
    reason: String,
}

fn desk(state: &State) -> Result<&Desk, Problem> {
    let detail = "approvals are not served: set callbacks.externalUrl, and run on a cluster";
    state.desk.as_deref().ok_or_else(|| Problem::new(Kind::SwitchedOff, detail))
}

fn refused(denied: Denied) -> Problem {
    match denied {
        Denied::Case(case) => {
            let reply = reply(&case);
            let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let detail = reply.body["detail"].as_str().unwrap_or_default().to_owned();
            match status {
                StatusCode::SERVICE_UNAVAILABLE => Problem::new(Kind::StoreAway, detail),
                status => super::problem::of_status(status, &detail),
            }
        }
        Denied::Forbidden(why) => Problem::new(Kind::Forbidden, why),
        Denied::NotFound(why) => Problem::new(Kind::NoSuchRun, why),
        Denied::Invalid(why) => Problem::new(Kind::InvalidBody, why),
        Denied::Decided(run) => {
            Problem::new(Kind::AlreadyDecided, format!("the run is {}: {}", run.phase.as_str(), run.reason))
        }
        Denied::Full => Problem::new(Kind::TooManyRequests, "this approval has as many open runs as it may have"),
    }
}

/// List runs of approvals, newest first.
#[utoipa::path(get, path = "/api/v1/approvals/runs", operation_id = "listRuns", tag = "approvals", params(Which),
    responses(
        (status = 200, description = "A page of runs.", body = Page<RunSummary>),
        (status = 404, description = "Approvals are not served here.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(app: web::Data<State>, by: web::ReqData<Vouched>, Query(which): Query<Which>) -> Answer {
    page(&app, &by, which).await
}

/// List runs of the approvals of a namespace, newest first.
#[utoipa::path(get, path = "/api/v1/approvals/{namespace}/runs", operation_id = "listRunsOfNamespace", tag = "approvals",
    params(("namespace" = String, Path, description = "Its name."), Part),
    responses(
        (status = 200, description = "A page of runs.", body = Page<RunSummary>),
        (status = 404, description = "Approvals are not served here.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn of_namespace(
    app: web::Data<State>,
    by: web::ReqData<Vouched>,
    path: web::Path<String>,
    Query(part): Query<Part>,
) -> Answer {
    page(&app, &by, part.of(path.into_inner(), None)).await
}

/// List runs of an approval, newest first.
#[utoipa::path(get, path = "/api/v1/approvals/{namespace}/{name}/runs", operation_id = "listRunsOfApproval", tag = "approvals",
    params(("namespace" = String, Path, description = "Its namespace."), ("name" = String, Path, description = "Its name."), Part),
    responses(
        (status = 200, description = "A page of runs.", body = Page<RunSummary>),
        (status = 404, description = "Approvals are not served here.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn of_approval(
    app: web::Data<State>,
    by: web::ReqData<Vouched>,
    path: web::Path<(String, String)>,
    Query(part): Query<Part>,
) -> Answer {
    let (namespace, name) = path.into_inner();
    page(&app, &by, part.of(namespace, Some(name))).await
}

async fn page(app: &State, by: &Vouched, which: Which) -> Answer {
    let page = parameters::page(which.limit, PAGE_MAX)?;
    let after = which.after.as_deref().map(id).transpose()?;
    let filter = RunFilter {
        namespace: which.namespace,
        name: which.name,
        branch: which.branch,
        sha: which.sha,
        is_open: which.open,
        before_ms: None,
        after,
        limit: page.saturating_add(1),
    };
    let found = desk(app)?.list_runs(call(by), filter).await.map_err(refused)?;
    shown(app, &cut(found.items, page, |run| run.id.clone()))
}

/// Whoever the listener has recognised.
fn call(by: &Vouched) -> Call<'static> {
    Call { who: Claimed::Known { known: by.caller.clone(), reads_all: by.reads_all }, from: by.from }
}

fn id(text: &str) -> Result<RunId, Problem> {
    text.parse().map_err(|error| Problem::new(Kind::InvalidParameter, format!("after: {error}")))
}

/// Show a run with its votes and its audit trail.
#[utoipa::path(get, path = "/api/v1/approvals/runs/{id}", operation_id = "getRun", tag = "approvals",
    params(("id" = String, Path, description = "Its id.", pattern = "^[0-9a-f]{32}$")),
    responses(
        (status = 200, description = "The run.", body = RunDetail),
        (status = 404, description = "There is no such run, or approvals are not served here.", body = Problem,
            content_type = "application/problem+json")))]
pub(super) async fn show(app: web::Data<State>, by: web::ReqData<Vouched>, path: web::Path<String>) -> Answer {
    shown(&app, &desk(&app)?.show_run(call(&by), &path).await.map_err(refused)?)
}

/// Approve a run, under your own login.
#[utoipa::path(post, path = "/api/v1/approvals/runs/{id}/approve", operation_id = "approveRun", tag = "approvals", request_body = Words,
    params(("id" = String, Path, description = "Its id.", pattern = "^[0-9a-f]{32}$")),
    responses(
        (status = 200, description = "The run as it is now.", body = RunDetail),
        (status = 404, description = "There is no such run, or approvals are not served here.", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "It is decided already.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn approve(
    app: web::Data<State>,
    by: web::ReqData<Vouched>,
    path: web::Path<String>,
    Body(words): Body<Words>,
) -> Answer {
    vote(&app, &by, &path, (true, &words.reason)).await
}

/// Reject a run, under your own login.
#[utoipa::path(post, path = "/api/v1/approvals/runs/{id}/reject", operation_id = "rejectRun", tag = "approvals", request_body = Words,
    params(("id" = String, Path, description = "Its id.", pattern = "^[0-9a-f]{32}$")),
    responses(
        (status = 200, description = "The run as it is now.", body = RunDetail),
        (status = 404, description = "There is no such run, or approvals are not served here.", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "It is decided already.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn reject(
    app: web::Data<State>,
    by: web::ReqData<Vouched>,
    path: web::Path<String>,
    Body(words): Body<Words>,
) -> Answer {
    vote(&app, &by, &path, (false, &words.reason)).await
}

/// End a run without a decision.
#[utoipa::path(post, path = "/api/v1/approvals/runs/{id}/cancel", operation_id = "cancelRun", tag = "approvals", request_body = Words,
    params(("id" = String, Path, description = "Its id.", pattern = "^[0-9a-f]{32}$")),
    responses(
        (status = 200, description = "The run as it is now.", body = RunDetail),
        (status = 404, description = "There is no such run, or approvals are not served here.", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "It is decided already.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn cancel(
    app: web::Data<State>,
    by: web::ReqData<Vouched>,
    path: web::Path<String>,
    Body(words): Body<Words>,
) -> Answer {
    shown(&app, &desk(&app)?.cancel(call(&by), &path, &words.reason).await.map_err(refused)?)
}

async fn vote(app: &State, by: &Vouched, id: &str, (approve, reason): (bool, &str)) -> Answer {
    shown(app, &desk(app)?.vote(call(by), id, approve, reason).await.map_err(refused)?)
}
