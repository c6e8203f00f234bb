//! The span of one request to somebody outside.

use super::{Place, addressed, now};
use crate::controller::gate::ask::{self, AskError};
use crate::egress;
use crate::trace::{Kind, SpanId};

/// Methods that the semantic conventions know; others are one.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
/// The header that tells a trace.
const HEADER: &str = "traceparent";

/// A request on its way.
pub(in crate::controller) struct Call {
    place: Place,
    id: SpanId,
    began: u64,
    method: String,
    /// Scheme, host and port.
    target: String,
}

/// How a request ended: a status, or the class of what went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::controller) enum Ended {
    Answered(u16),
    Failed(&'static str),
}

impl Call {
    /// It begins now.
    pub fn begin(place: &Place, method: &str, url: &str) -> Self {
        let target = egress::redact::target(url);
        Self { place: place.clone(), id: SpanId::random(), began: now(), method: method.to_owned(), target }
    }

    /// The same; whoever is asked is told, where that is wanted and nobody else has told already.
    pub fn of_request(place: &Place, request: &mut egress::Request) -> Self {
        let call = Self::begin(place, &request.method, &request.url);
        let told = request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(HEADER));
        if let Some(value) = call.place.trace.traceparent(call.id).filter(|_| !told) {
            request.headers.push((HEADER.to_owned(), value.into_bytes()));
        }
        call
    }

    /// The same for a question of a gate.
    pub fn of_question(place: &Place, question: &mut ask::Question) -> Self {
        let call = Self::begin(place, &question.method, &question.url);
        let told = question.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(HEADER));
        if let Some(value) = call.place.trace.traceparent(call.id).filter(|_| !told) {
            question.headers.push((HEADER.to_owned(), value));
        }
        call
    }

    /// It is over.
    pub fn end(self, ended: Ended) {
        let method = if METHODS.contains(&self.method.as_str()) { self.method.as_str() } else { "_OTHER" };
        let name = if method == "_OTHER" { "HTTP" } else { method };
        let span = self.place.child(self.id, name).kind(Kind::Client).during(self.began, now());
        let span = addressed(span.text("http.request.method", method).text("url.full", &self.target), &self.target);
        let span = match ended {
            Ended::Answered(status) => span.number("http.response.status_code", i64::from(status)),
            Ended::Failed(_) => span,
        };
        let span = match ended {
            Ended::Answered(status) if status < 400 => span,
            Ended::Answered(status) => span.text("error.type", &status.to_string()).failed(""),
            Ended::Failed(class) => span.text("error.type", class).failed(""),
        };
        self.place.trace.tell(span);
    }
}

impl From<&Result<egress::Response, egress::Error>> for Ended {
    fn from(answer: &Result<egress::Response, egress::Error>) -> Self {
        match answer {
            Ok(answer) => Self::Answered(answer.status),
            Err(egress::Error::Refused { .. }) => Self::Failed("refused"),
            Err(egress::Error::Invalid(_)) => Self::Failed("invalid"),
            Err(egress::Error::Connect { .. }) => Self::Failed("connect"),
            Err(egress::Error::NoAnswer { .. }) => Self::Failed("no_answer"),
            Err(egress::Error::Redirect { .. }) => Self::Failed("redirect"),
            Err(egress::Error::Unusable { .. }) => Self::Failed("unusable"),
        }
    }
}

impl From<&Result<ask::Answer, AskError>> for Ended {
    fn from(answer: &Result<ask::Answer, AskError>) -> Self {
        match answer {
            Ok(answer) => Self::Answered(answer.status),
            Err(AskError::Refused { .. }) => Self::Failed("refused"),
            Err(AskError::Transport { .. }) => Self::Failed("no_answer"),
            Err(AskError::Body { .. }) => Self::Failed("unusable"),
            Err(AskError::Request(_)) => Self::Failed("invalid"),
            Err(AskError::Authentication(_) | AskError::Token(_) | AskError::ScmHost(_)) => {
                Self::Failed("authentication")
            }
        }
    }
}
