//! `/api/v1/gates`: gates by request as their last looks left them. Read-only.

use super::{State, problem};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

/// Adds the routes.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/api/v1/gates", web::get().to(list)).route("/api/v1/gates/{namespace}/{name}", web::get().to(show));
}

async fn list(state: web::Data<State>) -> HttpResponse {
    match &state.gates {
        Some(gates) => HttpResponse::Ok().json(gates.list()),
        None => switched_off(),
    }
}

async fn show(state: web::Data<State>, path: web::Path<(String, String)>) -> HttpResponse {
    let (namespace, name) = path.into_inner();
    let Some(gates) = &state.gates else { return switched_off() };
    match gates.show(&namespace, &name).await {
        Some(view) => HttpResponse::Ok().json(view),
        None => problem::answer(
            StatusCode::NOT_FOUND,
            "No such gate",
            &format!(
                "no WebRequestCommitStatus {namespace}/{name} is handled here; /api/v1/gates lists those that are"
            ),
        ),
    }
}

fn switched_off() -> HttpResponse {
    let detail = "gates are not handled: set gates.enabled = true, and run on a cluster";
    problem::answer(StatusCode::NOT_FOUND, "Gates are switched off", detail)
}
