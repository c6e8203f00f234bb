//! What stands before every route of the API: whatever goes wrong behind it is answered as a problem that says where.
//!
//! A panic and an answer that takes too long are problems too; the process and the connection go on. Pages are not touched.

use super::problem::{self, Kind, MEDIA_TYPE, Problem};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ResponseHead, ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};
use futures::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// How long an answer may take to begin; the store and the cluster have shorter patience of their own.
const PATIENCE: Duration = Duration::from_secs(60);

/// Answers what went wrong in the way of the API.
pub(in crate::server) async fn problems(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if !request.path().starts_with("/api/") {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let path = request.path().to_owned();
    let called = tokio::time::timeout(PATIENCE, next.call(request));
    let problem = match AssertUnwindSafe(called).catch_unwind().await {
        Ok(Ok(Ok(response))) => {
            let known = response.response().extensions().get::<Problem>().cloned();
            return Ok(response.map_into_boxed_body().map_body(|head, body| told(known, head, body, &path)));
        }
        Ok(Ok(Err(error))) => return Err(passed_on(error, &path)),
        Ok(Err(_)) => Problem::new(Kind::TimedOut, "no answer came in time; try again later"),
        Err(_) => Problem::new(Kind::Internal, "this is a bug of Gatepost; its log says more"),
    };
    Err(problem.at(&path).into())
}

/// The body of an answer; of a problem with the path in it, of another error one made from its status.
fn told(known: Option<Problem>, head: &mut ResponseHead, body: BoxBody, path: &str) -> BoxBody {
    let is_problem = |value: &HeaderValue| value.as_bytes().starts_with(MEDIA_TYPE.as_bytes());
    let said = head.headers.get(header::CONTENT_TYPE).is_some_and(is_problem);
    let problem = match known {
        Some(problem) => problem,
        None if head.status.as_u16() < 400 || said => return body,
        None => problem::of_status(head.status, "the request cannot be answered"),
    };
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    head.headers.remove(header::CONTENT_LENGTH);
    BoxBody::new(problem.at(path).body())
}

/// What something between here and the route refused.
fn passed_on(error: Error, path: &str) -> Error {
    let response: HttpResponse = error.error_response();
    let known = response.extensions().get::<Problem>().cloned();
    let response = response.map_body(|head, body| told(known, head, body, path));
    InternalError::from_response(error, response).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use actix_web::http::StatusCode;
    use actix_web::test::{TestRequest, init_service, read_body, try_call_service};
    use actix_web::{App, middleware, web};

    async fn fails() -> HttpResponse {
        panic!("a secret text")
    }

    /// Status, media type and body of an answer, however it comes about.
    async fn asked(uri: &str) -> (StatusCode, String, serde_json::Value) {
        let app = App::new()
            .wrap(middleware::from_fn(problems))
            .route("/api/v1/panic", web::get().to(fails))
            .route("/api/v1/plain", web::get().to(|| async { HttpResponse::NotImplemented().body("plain") }))
            .route("/api/v1/id/{id}", web::get().to(|_: web::Path<u8>| async { HttpResponse::Ok().body("fine") }))
            .route("/page", web::get().to(|| async { HttpResponse::NotFound().body("a page") }));
        let app = init_service(app).await;
        let request = TestRequest::get().uri(uri).to_request();
        let response = match try_call_service(&app, request).await {
            Ok(response) => response.into_parts().1.map_into_boxed_body(),
            Err(error) => error.error_response(),
        };
        let kind = response.headers().get("content-type").map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
        let status = response.status();
        let body = actix_web::body::to_bytes(response.into_body()).await.unwrap();
        (status, kind, serde_json::from_slice(&body).unwrap_or_default())
    }

    #[actix_web::test]
    async fn a_panic_is_a_problem_that_tells_nothing_of_it() {
        let (status, kind, body) = asked("/api/v1/panic").await;
        assert_eq!((status.as_u16(), kind.as_str()), (500, MEDIA_TYPE));
        assert_eq!(body["type"], "urn:gatepost:problem:internal");
        assert_eq!(body["instance"], "/api/v1/panic");
        assert!(!body.to_string().contains("secret"), "{body}");
    }

    #[actix_web::test]
    async fn what_the_framework_refuses_is_a_problem_too() {
        for (uri, status) in [("/api/v1/plain", 501), ("/api/v1/id/x", 404), ("/api/v1/nowhere", 404)] {
            let (found, kind, body) = asked(uri).await;
            assert_eq!((found.as_u16(), kind.as_str()), (status, MEDIA_TYPE), "{uri}");
            assert_eq!((&body["status"], &body["instance"]), (&status.into(), &uri.into()));
        }
    }

    #[actix_web::test]
    async fn pages_and_answers_are_left_alone() {
        let (status, kind, body) = asked("/page").await;
        assert_eq!((status.as_u16(), kind.as_str(), body), (404, "", serde_json::Value::Null));
        assert_eq!(asked("/api/v1/id/7").await.0, StatusCode::OK);
        let app = App::new().wrap(middleware::from_fn(problems)).route("/", web::get().to(|| async { "fine" }));
        let response = actix_web::test::call_service(&init_service(app).await, TestRequest::get().to_request()).await;
        assert_eq!(read_body(response).await, "fine");
    }
}
