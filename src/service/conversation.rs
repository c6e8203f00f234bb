//! How one attempt goes: a service says what to send, sees the answers, and says what to send next or what it came to.
//!
//! Pure: the one who sends (`crate::controller`) keeps the answers of an attempt and asks again until there is an outcome.
//! An attempt that is repeated begins anew; what must outlast it is put into [`Outcome::remember`].

use super::{RequestError, Verdict};
use crate::egress;
use crate::notify::{Occurrence, ServiceConfig};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a service may know in an attempt.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The service as configured now.
    pub config: &'a ServiceConfig,
    /// What [`super::prepare`] made.
    pub payload: &'a [u8],
    /// What it is about.
    pub occurrence: &'a Occurrence,
    /// Id of the delivery: the same in every attempt.
    pub delivery_id: &'a str,
    /// Time of the attempt, Unix milliseconds.
    pub now_ms: i64,
    /// Time of the decision, Unix milliseconds: the same in every attempt.
    pub decided_ms: i64,
    /// What earlier deliveries left under the keys of [`super::memories`].
    pub memory: &'a BTreeMap<String, String>,
}

/// Something to send.
#[derive(Debug, Clone)]
pub enum Outgoing {
    /// An HTTP request.
    Http(egress::Request),
    /// An HTTP request whose answer may be used again in later attempts, such as one for a token. Kept in memory only,
    /// under this key, and only if the status is below 300.
    Reusable {
        /// The request.
        request: egress::Request,
        /// Key among those of this service's configuration.
        key: &'static str,
        /// How long the answer is good for.
        lifetime: Duration,
    },
}

impl Outgoing {
    /// The HTTP request, if it is one.
    pub const fn request_mut(&mut self) -> Option<&mut egress::Request> {
        match self {
            Self::Http(request) | Self::Reusable { request, .. } => Some(request),
        }
    }
}

/// An answer, or why there is none.
pub type Answer = Result<egress::Response, egress::Error>;

/// What comes next.
#[derive(Debug, Clone)]
pub enum Step {
    /// These are sent side by side; their answers come back in order.
    Send(Vec<Outgoing>),
    /// The attempt is over.
    Done(Outcome),
}

impl Step {
    /// One HTTP request.
    #[must_use]
    pub fn http(request: egress::Request) -> Self {
        Self::Send(vec![Outgoing::Http(request)])
    }
    /// Over, nothing to remember.
    #[must_use]
    pub const fn done(verdict: Verdict) -> Self {
        Self::Done(Outcome { verdict, remember: Vec::new(), forget_answers: false })
    }
}

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// For the delivery.
    pub verdict: Verdict,
    /// Kept in the store, by key (one of [`super::memories`]).
    pub remember: Vec<(String, String)>,
    /// Whether reusable answers of this service are of no more use (a token was refused).
    pub forget_answers: bool,
}

/// An attempt of one request.
///
/// # Errors
/// Where the request cannot be made.
pub fn single(
    rounds: &[Vec<Answer>],
    request: impl FnOnce() -> Result<egress::Request, RequestError>,
    judge: impl FnOnce(&egress::Response) -> Verdict,
) -> Result<Step, RequestError> {
    match rounds.first().and_then(|answers| answers.first()) {
        None => request().map(Step::http),
        Some(Ok(response)) => Ok(Step::done(judge(response))),
        Some(Err(error)) => Ok(Step::done(super::unanswered(error))),
    }
}
