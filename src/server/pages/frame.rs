//! What surrounds the making of a page: who asks, of what, when; the answer's headers; and pages that say what went wrong.

use super::{Layout, Section, Text, Words};
use crate::controller::approval::Known;
use crate::gate::approval::Run;
use crate::server::auth::{Visitor, Vouched};
use crate::server::{State, problem};
use actix_web::dev::Payload;
use actix_web::error::InternalError;
use actix_web::http::{StatusCode, header};
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest, HttpResponse, web};
use askama::Template;
use serde::de::DeserializeOwned;
use std::future::{Ready, ready};

/// Nothing but what comes from here, nothing inline, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What every page is made with.
pub(in crate::server) struct Frame {
    /// What the server works with.
    pub state: web::Data<State>,
    /// Who asks.
    pub visitor: Visitor,
    /// When, Unix milliseconds.
    pub now_ms: i64,
    query: String,
    /// As approvals know who asks.
    known: Option<Known>,
}

impl FromRequest for Frame {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let state = request.app_data::<web::Data<State>>().cloned();
        let visitor = request.extensions().get::<Visitor>().filter(|visitor| visitor.may_read).cloned();
        ready(match (state, visitor) {
            (Some(state), Some(visitor)) => {
                let (now_ms, query) = (crate::clock::now().millis(), request.query_string().to_owned());
                let known = request.extensions().get::<Vouched>().map(|vouched| vouched.caller.clone());
                Ok(Self { state, visitor, now_ms, query, known })
            }
            _ => Err(refused()),
        })
    }
}

/// Whom the middleware did not recognise is shown nothing.
fn refused() -> Error {
    let answer = problem::answer(StatusCode::UNAUTHORIZED, "Not logged in", "log in first, at /login");
    InternalError::from_response("not logged in", answer).into()
}

impl Frame {
    /// Makes of foreign texts what may be shown.
    pub fn words(&self) -> Words {
        Words::new(self.state.relay.scrubber())
    }

    /// What the address asks for; else a page that says why it cannot be read.
    // The error is the answer, once a request: a box would only move it.
    #[allow(clippy::result_large_err)]
    pub fn query<T: DeserializeOwned>(&self) -> Result<T, HttpResponse> {
        match web::Query::<T>::from_query(&self.query) {
            Ok(read) => Ok(read.into_inner()),
            Err(error) => Err(self.invalid(&error.to_string())),
        }
    }

    /// Whether who asks may vote on a run: people may who may change nothing else.
    pub async fn may_vote(&self, run: &Run) -> bool {
        match self.state.desk.as_deref().zip(self.known.as_ref()) {
            Some((desk, known)) => desk.may_vote(known, run).await,
            None => false,
        }
    }

    /// The surroundings of a page.
    pub fn layout(&self, title: &str, section: Section) -> Layout {
        Layout::new(title, section, &self.visitor, &self.words())
    }

    /// A page that tells why there is no other: the store does not answer.
    pub fn away(&self, error: &crate::outbox::Error) -> HttpResponse {
        let advice = "The page tries again by itself. Deliveries are kept and go on as soon as the store answers.";
        self.apology(StatusCode::SERVICE_UNAVAILABLE, "The store does not answer", &error.to_string(), advice)
    }

    /// A page that tells that there is no such thing.
    pub fn missing(&self, what: &str, advice: &str) -> HttpResponse {
        self.apology(StatusCode::NOT_FOUND, "Not found", what, advice)
    }

    /// A page that tells that a filter cannot be read.
    pub fn invalid(&self, detail: &str) -> HttpResponse {
        let advice = "Correct the address, or begin again from the menu.";
        self.apology(StatusCode::BAD_REQUEST, "This cannot be asked", detail, advice)
    }

    /// A page that says what went wrong and what to do.
    pub fn apology(&self, status: StatusCode, title: &str, detail: &str, advice: &str) -> HttpResponse {
        let words = self.words();
        let page = Apology {
            layout: self.layout(title, Section::None),
            detail: words.passage(detail),
            advice: words.passage(advice),
        };
        render_as(status, &page)
    }
}

/// What went wrong.
#[derive(Template)]
#[template(path = "apology.html")]
struct Apology {
    layout: Layout,
    detail: Text,
    advice: Text,
}

/// A page as an answer.
pub(in crate::server) fn render(page: &impl Template) -> HttpResponse {
    render_as(StatusCode::OK, page)
}

/// Sends a visitor on to another page.
pub(in crate::server) fn redirect(to: &str) -> HttpResponse {
    html_answer(StatusCode::SEE_OTHER).insert_header((header::LOCATION, to)).finish()
}

/// A page as an answer with this status.
pub(in crate::server) fn render_as(status: StatusCode, page: &impl Template) -> HttpResponse {
    match page.render() {
        Ok(html) => html_answer(status).body(html),
        Err(error) => {
            tracing::error!(error = %error, "failed to render a page");
            html_answer(StatusCode::INTERNAL_SERVER_ERROR).finish()
        }
    }
}

/// An answer with the headers of every page.
fn html_answer(status: StatusCode) -> actix_web::HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header(("Cross-Origin-Opener-Policy", "same-origin"))
        .insert_header((header::CACHE_CONTROL, "no-store"));
    answer
}

/// What nobody answers: of the API a problem, else a page.
pub(in crate::server) async fn not_found(request: HttpRequest) -> HttpResponse {
    let path = request.path();
    if path.starts_with("/api/") || !request.method().is_safe() {
        return problem::not_found(request).await;
    }
    match Frame::extract(&request).await {
        Ok(frame) => frame.missing(&format!("There is no page {path}."), "Choose one from the menu."),
        Err(error) => error.error_response(),
    }
}
