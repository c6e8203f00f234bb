//! `POST /oauth/token` (client credentials, RFC 6749), the keys that its tokens are verified with, and where both are (RFC 8414).

use super::{from, run};
use crate::controller::approval::{Desk, Issued};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

/// Issues a token.
pub(super) async fn issue(desk: web::Data<Desk>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let Ok(form) = run::read(payload).await else {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, json!({"error": "invalid_request"}));
    };
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match desk.issue(&form, authorization, from(&request)).await {
        Issued::Token(body) => uncached(StatusCode::OK).json(body),
        Issued::Refused(refusal) => {
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
            let mut answer = uncached(status);
            if status == StatusCode::UNAUTHORIZED {
                answer.insert_header((header::WWW_AUTHENTICATE, "Basic realm=\"gatepost\""));
            }
            answer.json(refusal.body())
        }
        Issued::TooMany(seconds) => {
            let mut answer = uncached(StatusCode::TOO_MANY_REQUESTS);
            answer.insert_header((header::RETRY_AFTER, seconds.to_string()));
            answer.json(json!({"error": "slow_down", "error_description": "too many requests"}))
        }
        Issued::Away => {
            let mut answer = uncached(StatusCode::SERVICE_UNAVAILABLE);
            answer.insert_header((header::RETRY_AFTER, "5"));
            answer.json(json!({"error": "temporarily_unavailable"}))
        }
    }
}

fn refused(status: StatusCode, body: serde_json::Value) -> HttpResponse {
    uncached(status).json(body)
}

/// Tokens and refusals are nobody else's.
fn uncached(status: StatusCode) -> actix_web::HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer.insert_header((header::CACHE_CONTROL, "no-store")).insert_header((header::PRAGMA, "no-cache"));
    answer
}

/// The keys.
pub(super) async fn keys(desk: web::Data<Desk>) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "public, max-age=300")).json(desk.ring.ring().public())
}

/// Where token endpoint and keys are.
pub(super) async fn about(desk: web::Data<Desk>) -> HttpResponse {
    let url = &desk.issuer.url;
    HttpResponse::Ok().json(json!({
        "issuer": url,
        "token_endpoint": format!("{url}/oauth/token"),
        "jwks_uri": format!("{url}/oauth/jwks"),
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "response_types_supported": [],
    }))
}
