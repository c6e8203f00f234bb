//! Errors of the API as problem details (RFC 9457): what each kind of them is called, and what its answer says.
//!
//! Whoever finds a problem makes one ([`Problem::new`], or [`answer`] where there is only a status); `guard.rs` adds where it
//! happened. A detail is for the caller: never a secret, a path of this machine or the text of a panic.

use actix_web::error::{InternalError, JsonPayloadError, PathError, QueryPayloadError};
use actix_web::http::{StatusCode, header};
use actix_web::{Error, HttpRequest, HttpResponse, ResponseError};
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;
use utoipa::ToSchema;

/// What each `type` begins with; `docs/api.md` lists what follows.
pub(super) const URN: &str = "urn:gatepost:problem:";
/// Media type of an answer.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";
/// Seconds after which something that is away may be back.
const RETRY_SECONDS: u32 = 5;

/// What went wrong. The name, the status and the title belong together and do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Kind {
    /// A parameter of the path or the query cannot be read.
    InvalidParameter,
    /// A parameter that there is not.
    UnknownParameter,
    /// A body that cannot be read.
    InvalidBody,
    /// Nobody that is known.
    Unauthorized,
    /// Known, but not for this.
    Forbidden,
    /// A name in `Host` that is not Gatepost's.
    HostNotAllowed,
    /// No such path.
    NoSuchResource,
    /// No such Application.
    NoSuchApplication,
    /// No such delivery.
    NoSuchDelivery,
    /// No such destination.
    NoSuchDestination,
    /// No such gate.
    NoSuchGate,
    /// No such run of an approval.
    NoSuchRun,
    /// Gates, or approvals, are not handled here.
    SwitchedOff,
    /// The path is there, the method is not.
    MethodNotAllowed,
    /// The run is decided already.
    AlreadyDecided,
    /// The body is too large.
    BodyTooLarge,
    /// The body is not JSON.
    UnsupportedMediaType,
    /// Too many calls.
    TooManyRequests,
    /// A bug.
    Internal,
    /// The cluster did not give what was asked of it.
    ClusterAway,
    /// The store did not answer.
    StoreAway,
    /// As many watch as may.
    TooManyWatchers,
    /// It took too long.
    TimedOut,
    /// Nothing more than its status is known.
    Other(StatusCode),
}

impl Kind {
    /// Every kind that has a name.
    #[cfg(test)]
    pub(super) const NAMED: [Self; 23] = [
        Self::InvalidParameter,
        Self::UnknownParameter,
        Self::InvalidBody,
        Self::Unauthorized,
        Self::Forbidden,
        Self::HostNotAllowed,
        Self::NoSuchResource,
        Self::NoSuchApplication,
        Self::NoSuchDelivery,
        Self::NoSuchDestination,
        Self::NoSuchGate,
        Self::NoSuchRun,
        Self::SwitchedOff,
        Self::MethodNotAllowed,
        Self::AlreadyDecided,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::TooManyRequests,
        Self::Internal,
        Self::ClusterAway,
        Self::StoreAway,
        Self::TooManyWatchers,
        Self::TimedOut,
    ];

    /// Status, name and title.
    pub(super) fn words(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::InvalidParameter => (StatusCode::BAD_REQUEST, "invalid-parameter", "Invalid parameter"),
            Self::UnknownParameter => (StatusCode::BAD_REQUEST, "unknown-parameter", "Unknown parameter"),
            Self::InvalidBody => (StatusCode::BAD_REQUEST, "invalid-body", "Invalid body"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "Unauthorized"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "Forbidden"),
            Self::HostNotAllowed => (StatusCode::FORBIDDEN, "host-not-allowed", "Host not allowed"),
            Self::NoSuchResource => (StatusCode::NOT_FOUND, "no-such-resource", "No such resource"),
            Self::NoSuchApplication => (StatusCode::NOT_FOUND, "no-such-application", "No such Application"),
            Self::NoSuchDelivery => (StatusCode::NOT_FOUND, "no-such-delivery", "No such delivery"),
            Self::NoSuchDestination => (StatusCode::NOT_FOUND, "no-such-destination", "No such destination"),
            Self::NoSuchGate => (StatusCode::NOT_FOUND, "no-such-gate", "No such gate"),
            Self::NoSuchRun => (StatusCode::NOT_FOUND, "no-such-run", "No such run"),
            Self::SwitchedOff => (StatusCode::NOT_FOUND, "switched-off", "Switched off"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed"),
            Self::AlreadyDecided => (StatusCode::CONFLICT, "already-decided", "Decided already"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large"),
            Self::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "JSON only"),
            Self::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
            Self::ClusterAway => (StatusCode::BAD_GATEWAY, "cluster-away", "The cluster did not answer"),
            Self::StoreAway => (StatusCode::SERVICE_UNAVAILABLE, "store-away", "The store did not answer"),
            Self::TooManyWatchers => (StatusCode::SERVICE_UNAVAILABLE, "too-many-watchers", "Too many watchers"),
            Self::TimedOut => (StatusCode::SERVICE_UNAVAILABLE, "timed-out", "It took too long"),
            Self::Other(status) => (status, "", status.canonical_reason().unwrap_or("Error")),
        }
    }

    /// What can be said of a status alone.
    fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::BAD_REQUEST => Self::InvalidParameter,
            StatusCode::UNAUTHORIZED => Self::Unauthorized,
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::NOT_FOUND => Self::NoSuchResource,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Self::BodyTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::TOO_MANY_REQUESTS => Self::TooManyRequests,
            StatusCode::INTERNAL_SERVER_ERROR => Self::Internal,
            other => Self::Other(other),
        }
    }
}

/// An answer that is a problem (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::server) struct Problem {
    #[serde(skip)]
    #[schema(ignore)]
    pub(super) kind: Kind,
    /// What kind of problem: `urn:gatepost:problem:` and one of the names that docs/api.md lists, or `about:blank`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    name: Cow<'static, str>,
    /// The same for all problems of a type.
    #[schema(value_type = String)]
    title: Cow<'static, str>,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What went wrong this time, and what to do.
    detail: String,
    /// Path of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    instance: Option<String>,
}

impl Problem {
    /// A problem of this kind.
    pub(in crate::server) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (status, name, title) = kind.words();
        let name = if name.is_empty() { Cow::Borrowed("about:blank") } else { Cow::Owned(format!("{URN}{name}")) };
        Self { kind, name, title: title.into(), status: status.as_u16(), detail: detail.into(), instance: None }
    }

    /// The same where it happened.
    pub(super) fn at(self, instance: &str) -> Self {
        Self { instance: Some(instance.to_owned()), ..self }
    }

    /// The body of its answer.
    pub(super) fn body(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Its answer. The problem goes along, so that what stands before all routes can add the path.
    pub(in crate::server) fn response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.kind.words().0);
        response.content_type(MEDIA_TYPE).insert_header((header::CACHE_CONTROL, "no-store"));
        response.insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
        match self.kind {
            Kind::StoreAway | Kind::TooManyWatchers | Kind::TimedOut => {
                response.insert_header((header::RETRY_AFTER, RETRY_SECONDS));
            }
            Kind::Unauthorized => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            _ => {}
        }
        let mut response = response.body(self.body());
        response.extensions_mut().insert(self.clone());
        response
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.title, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.words().0
    }

    fn error_response(&self) -> HttpResponse {
        self.response()
    }
}

impl From<crate::outbox::Error> for Problem {
    fn from(error: crate::outbox::Error) -> Self {
        Self::new(Kind::StoreAway, error.to_string())
    }
}

/// A problem of which only the status is known to have a meaning of its own.
pub(in crate::server) fn answer(status: StatusCode, title: &str, detail: &str) -> HttpResponse {
    Problem { title: title.to_owned().into(), ..Problem::new(Kind::of(status), detail) }.response()
}

/// A problem of a status alone.
pub(super) fn of_status(status: StatusCode, detail: &str) -> Problem {
    Problem::new(Kind::of(status), detail)
}

/// Whatever is not there.
pub(in crate::server) async fn not_found(request: HttpRequest) -> HttpResponse {
    let detail = format!("there is no {} {}; see /api/v1", request.method(), request.path());
    Problem::new(Kind::NoSuchResource, detail).response()
}

/// A request that cannot be fulfilled as it is.
pub(in crate::server) fn invalid(detail: &str) -> HttpResponse {
    Problem::new(Kind::InvalidParameter, detail).response()
}

/// A body that is no JSON, too large, or of another form.
pub(in crate::server) fn bad_body(error: JsonPayloadError, _: &HttpRequest) -> Error {
    let (kind, detail) = match &error {
        JsonPayloadError::OverflowKnownLength { limit, .. } | JsonPayloadError::Overflow { limit } => {
            (Kind::BodyTooLarge, format!("a body has at most {limit} bytes"))
        }
        JsonPayloadError::ContentType => (Kind::UnsupportedMediaType, "send Content-Type: application/json".to_owned()),
        JsonPayloadError::Deserialize(cause) => (Kind::InvalidBody, cause.to_string()),
        other => (Kind::InvalidBody, other.to_string()),
    };
    refused(error, &Problem::new(kind, detail))
}

/// A query that cannot be read.
pub(in crate::server) fn bad_query(error: QueryPayloadError, _: &HttpRequest) -> Error {
    let problem = Problem::new(Kind::InvalidParameter, error.to_string());
    refused(error, &problem)
}

/// A path whose parts cannot be read.
pub(in crate::server) fn bad_path(error: PathError, _: &HttpRequest) -> Error {
    let problem = Problem::new(Kind::InvalidParameter, error.to_string());
    refused(error, &problem)
}

fn refused<E: fmt::Debug + fmt::Display + 'static>(error: E, problem: &Problem) -> Error {
    InternalError::from_response(error, problem.response()).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_told_apart_and_each_is_documented() {
        let names: BTreeSet<_> = Kind::NAMED.iter().map(|kind| kind.words().1).collect();
        assert_eq!(names.len(), Kind::NAMED.len());
        let page = include_str!("../../../docs/api.md");
        for kind in Kind::NAMED {
            let (status, name, _) = kind.words();
            let row = format!("| `{name}` | {} |", status.as_u16());
            assert!(page.contains(&row), "docs/api.md has no row that begins {row:?}");
        }
    }

    #[test]
    fn a_problem_says_type_title_status_detail_and_instance() {
        let problem = Problem::new(Kind::NoSuchGate, "there is none").at("/api/v1/gates/a/b");
        let body: serde_json::Value = serde_json::from_str(&problem.body()).unwrap();
        let expected = serde_json::json!({"type": "urn:gatepost:problem:no-such-gate", "title": "No such gate",
            "status": 404, "detail": "there is none", "instance": "/api/v1/gates/a/b"});
        assert_eq!(body, expected);
    }

    #[test]
    fn what_has_no_name_is_its_status() {
        let response = answer(StatusCode::IM_A_TEAPOT, "Teapot", "short and stout");
        let problem = response.extensions().get::<Problem>().cloned().unwrap();
        assert_eq!((problem.name.as_ref(), problem.title.as_ref()), ("about:blank", "Teapot"));
    }
}
