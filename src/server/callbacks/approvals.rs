//! `/api/v1/approvals` on the listener of callbacks: runs for people, Argo Rollouts and hook Jobs. Every call carries a bearer token.
//! What whoever logged in to the dashboard may do is in `server/api/approvals.rs`.

use super::{answered, bearer, from};
use crate::controller::approval::{Call, Claimed, Denied, Desk};
use crate::gate::approval::answer::reply;
use crate::gate::approval::{Case, Outcome};
use crate::outbox::runs::RunFilter;
use crate::server::problem;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

/// Largest body of a call.
pub(super) const BODY_MAX: usize = 16 << 10;

/// Adds the routes.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/api/v1/approvals/runs/{id}", web::get().to(show))
        .route("/api/v1/approvals/runs/{id}/approve", web::post().to(approve))
        .route("/api/v1/approvals/runs/{id}/reject", web::post().to(reject))
        .route("/api/v1/approvals/runs/{id}/cancel", web::post().to(cancel))
        .route("/api/v1/approvals/{namespace}/runs", web::get().to(of_namespace))
        .route("/api/v1/approvals/{namespace}/{name}/runs", web::get().to(of_approval))
        .route("/api/v1/approvals/{namespace}/{name}/runs/{run}", web::put().to(put));
}

/// Which runs.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Query {
    branch: Option<String>,
    sha: Option<String>,
    open: Option<bool>,
    before: Option<i64>,
    limit: Option<usize>,
}

impl Query {
    fn filter(self, namespace: String, name: Option<String>) -> RunFilter {
        RunFilter {
            namespace: Some(namespace),
            name,
            branch: self.branch,
            sha: self.sha,
            is_open: self.open,
            before_ms: self.before,
            after: None,
            limit: self.limit.unwrap_or(0).min(1_000),
        }
    }
}

/// Why somebody decides.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Words {
    reason: String,
}

/// Who calls: the bearer of a token.
fn call(request: &HttpRequest) -> Call<'_> {
    Call { who: Claimed::Bearer(bearer(request)), from: from(request) }
}

async fn of_namespace(
    desk: web::Data<Desk>,
    request: HttpRequest,
    namespace: web::Path<String>,
    query: web::Query<Query>,
) -> HttpResponse {
    let filter = query.into_inner().filter(namespace.into_inner(), None);
    told(desk.list_runs(call(&request), filter).await)
}

async fn of_approval(
    desk: web::Data<Desk>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    query: web::Query<Query>,
) -> HttpResponse {
    let (namespace, name) = path.into_inner();
    told(desk.list_runs(call(&request), query.into_inner().filter(namespace, Some(name))).await)
}

async fn show(desk: web::Data<Desk>, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    told(desk.show_run(call(&request), &id).await)
}

async fn approve(d: web::Data<Desk>, r: HttpRequest, id: web::Path<String>, words: web::Json<Words>) -> HttpResponse {
    told(d.vote(call(&r), &id, true, &words.reason).await)
}

async fn reject(d: web::Data<Desk>, r: HttpRequest, id: web::Path<String>, words: web::Json<Words>) -> HttpResponse {
    told(d.vote(call(&r), &id, false, &words.reason).await)
}

async fn cancel(d: web::Data<Desk>, r: HttpRequest, id: web::Path<String>, words: web::Json<Words>) -> HttpResponse {
    told(d.cancel(call(&r), &id, &words.reason).await)
}

async fn put(desk: web::Data<Desk>, request: HttpRequest, path: web::Path<(String, String, String)>) -> HttpResponse {
    let (namespace, name, run) = path.into_inner();
    told(desk.put_run(call(&request), &namespace, &name, &run).await)
}

fn told(result: Result<impl Serialize, Denied>) -> HttpResponse {
    match result {
        Ok(body) => HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(body),
        Err(Denied::Case(case)) => answered(reply(&case)),
        Err(Denied::Forbidden(why)) => problem::answer(StatusCode::FORBIDDEN, "Forbidden", &why),
        Err(Denied::NotFound(why)) => problem::answer(StatusCode::NOT_FOUND, "Not found", &why),
        Err(Denied::Invalid(why)) => problem::invalid(&why),
        Err(Denied::Decided(run)) => {
            answered(reply(&Case::Judged { outcome: Outcome::Conflict, decision: true, shown: true, run }))
        }
        Err(Denied::Full) => problem::answer(
            StatusCode::TOO_MANY_REQUESTS,
            "Too many open runs",
            "this approval has as many open runs as it may have (50); decide or cancel some",
        ),
    }
}
