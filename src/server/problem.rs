//! Errors of the API as problem details (RFC 9457).

use actix_web::error::{InternalError, JsonPayloadError, QueryPayloadError};
use actix_web::http::StatusCode;
use actix_web::{Error, HttpRequest, HttpResponse};
use serde_json::json;

/// A problem answer.
pub(super) fn answer(status: StatusCode, title: &str, detail: &str) -> HttpResponse {
    HttpResponse::build(status).content_type("application/problem+json").json(json!({
        "type": "about:blank", "status": status.as_u16(), "title": title, "detail": detail,
    }))
}

pub(super) async fn not_found(request: HttpRequest) -> HttpResponse {
    let detail = format!("there is no {} {}; see /api/v1", request.method(), request.path());
    answer(StatusCode::NOT_FOUND, "No such resource", &detail)
}

pub(super) fn store(error: &crate::outbox::Error) -> HttpResponse {
    answer(StatusCode::SERVICE_UNAVAILABLE, "The store did not answer", &error.to_string())
}

pub(super) fn invalid(detail: &str) -> HttpResponse {
    answer(StatusCode::BAD_REQUEST, "Invalid request", detail)
}

pub(super) fn bad_body(error: JsonPayloadError, _: &HttpRequest) -> Error {
    let response = invalid(&error.to_string());
    InternalError::from_response(error, response).into()
}

pub(super) fn bad_query(error: QueryPayloadError, _: &HttpRequest) -> Error {
    let response = invalid(&error.to_string());
    InternalError::from_response(error, response).into()
}
