//! How one attempt goes: a service says what to send, sees the answers, and says what to send next or what it came to.
//!
//! Pure: the one who sends (`crate::controller`) keeps the answers of an attempt and asks again until there is an outcome.
//! An attempt that is repeated begins anew; what must outlast it is put into [`Outcome::remember`].

use super::{RequestError, Verdict};
use crate::egress;
use crate::notify::{Occurrence, ServiceConfig};
use serde::{Deserialize, Serialize};
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
    /// A mail. Its answer has SMTP's code as status.
    Mail(egress::Mail),
    /// A NATS message.
    Publish(egress::Publish),
    /// A CommitStatus of the GitOps Promoter. Only the controller's own configuration may ask.
    CommitStatus(CommitReport),
    /// A question about what the process itself was given. Only the controller's own configuration may ask.
    Ambient(Ambient),
}

/// What is said of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitReport {
    /// Namespace of the PromotionStrategy.
    pub namespace: String,
    /// Its name.
    pub strategy: String,
    /// Key that it names.
    pub key: String,
    /// pending, success or failure.
    pub phase: String,
    /// A sentence.
    pub description: String,
    /// Where to read more; empty for nothing.
    pub url: String,
    /// The commit.
    pub sha: String,
}

/// What the operator gave the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ambient {
    /// Environment variables: the answer is a JSON object of those that are set.
    Variables(&'static [&'static str]),
    /// A file: the answer is its content, or 404.
    File(String),
}

impl Outgoing {
    /// The HTTP request, if it is one.
    pub const fn request_mut(&mut self) -> Option<&mut egress::Request> {
        match self {
            Self::Http(request) | Self::Reusable { request, .. } => Some(request),
            Self::Mail(_) | Self::Publish(_) | Self::CommitStatus(_) | Self::Ambient(_) => None,
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

/// Why a conversation that is told anew stops here.
pub enum Pause {
    /// What comes next.
    Step(Step),
    /// The configuration of now does not make a request.
    Refused(RequestError),
}

impl From<RequestError> for Pause {
    fn from(error: RequestError) -> Self {
        Self::Refused(error)
    }
}

impl Pause {
    /// Over, nothing to remember.
    #[must_use]
    pub const fn done(verdict: Verdict) -> Self {
        Self::Step(Step::done(verdict))
    }
}

/// A conversation of several rounds, told from its beginning each time: what was asked before is answered from the
/// rounds, the first question that was not asked yet stops the tale.
pub struct Tale<'a> {
    rounds: std::slice::Iter<'a, Vec<Answer>>,
}

impl<'a> Tale<'a> {
    /// A tale with these rounds behind it.
    #[must_use]
    pub fn new(rounds: &'a [Vec<Answer>]) -> Self {
        Self { rounds: rounds.iter() }
    }

    /// Tells it.
    ///
    /// # Errors
    /// Where the configuration of now does not make a request.
    pub fn tell(
        rounds: &'a [Vec<Answer>],
        tale: impl FnOnce(&mut Self) -> Result<Outcome, Pause>,
    ) -> Result<Step, RequestError> {
        match tale(&mut Self::new(rounds)) {
            Ok(outcome) => Ok(Step::Done(outcome)),
            Err(Pause::Step(step)) => Ok(step),
            Err(Pause::Refused(error)) => Err(error),
        }
    }

    /// Asks one thing.
    ///
    /// # Errors
    /// Where it was not asked yet, or got no answer.
    pub fn ask(&mut self, one: impl FnOnce() -> Result<Outgoing, RequestError>) -> Result<&'a egress::Response, Pause> {
        let answers = self.ask_all(|| one().map(|one| vec![one]))?;
        match answers.first() {
            Some(Ok(response)) => Ok(response),
            Some(Err(error)) => Err(Pause::done(super::unanswered(error))),
            None => Err(Pause::Step(Step::Send(Vec::new()))),
        }
    }

    /// Asks several things side by side.
    ///
    /// # Errors
    /// Where they were not asked yet.
    pub fn ask_all(
        &mut self,
        all: impl FnOnce() -> Result<Vec<Outgoing>, RequestError>,
    ) -> Result<&'a [Answer], Pause> {
        match self.rounds.next() {
            Some(answers) => Ok(answers),
            None => Err(Pause::Step(Step::Send(all()?))),
        }
    }
}
