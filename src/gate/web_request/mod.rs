//! One look at a `WebRequestCommitStatus` (`spec/gates.md` 3 to 8), in two halves with the requests between them.
//!
//! [`begin`] decides what is asked and renders it, [`conclude`] judges the answers and says what follows: status,
//! CommitStatuses, events, when to look again. Each environment stands for itself: what fails in one changes nothing in the
//! others, and what was stored of it stays. A commit that was not asked about never passes.

mod begin;
mod conclude;
mod draft;
mod ending;
mod error;
mod judge;
pub(in crate::gate) mod probe;
mod retry;
mod values;
pub(in crate::gate) mod verdict;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use begin::begin;
pub use conclude::{conclude, refuse};
pub use draft::{CommitStatusDraft, Owner};
pub use error::{Cause, Failure};

use super::memory::Memory;
use super::spec::{Authentication, Gate};
use super::status::{Phase, Status};
use super::strategy::{Environment, Strategy};
use gatepost_value::{Location, Time, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a look is about.
pub struct Input<'a> {
    /// The gate, as it is stored.
    pub gate: &'a Gate,
    /// The strategy that it names.
    pub strategy: &'a Strategy,
    /// Labels and annotations of its namespace.
    pub namespace: &'a NamespaceMetadata,
    /// What is remembered of it.
    pub memory: &'a Memory,
    /// The time.
    pub now: Time,
    /// Go's `time.Local`.
    pub local: Location,
    /// Fills a buffer with random bytes.
    pub random: &'a dyn Fn(&mut [u8]),
}

/// What templates see of a namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamespaceMetadata {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// What a look has decided before anything is asked.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// One step for each applicable environment, in the strategy's order; one for all in context `promotionstrategy`.
    pub steps: Vec<Step>,
    /// Why there is no step at all: the gate as a whole cannot be looked at.
    pub refusal: Option<Cause>,
    /// When it was decided, Unix milliseconds: intervals count from here, however long the answers take.
    pub at_ms: i64,
}

impl Plan {
    /// The requests to be made, by the names that their answers go under. They depend on nothing of each other.
    pub fn asks(&self) -> impl Iterator<Item = (&str, &Ask)> {
        self.steps.iter().filter_map(|step| match &step.decision {
            Decision::Ask(ask) => Some((step.scope.as_str(), &**ask)),
            _ => None,
        })
    }
}

/// One request's worth of a look.
#[derive(Debug, Clone)]
pub struct Step {
    /// The branch in context `environments`, empty in context `promotionstrategy`.
    pub scope: String,
    /// The environments that it is about, with their commits.
    pub environments: Vec<Environment>,
    /// What is done.
    pub decision: Decision,
    /// What the trigger came to; empty in polling mode.
    pub trigger: Trigger,
}

/// What is done about a request.
#[derive(Debug, Clone)]
pub enum Decision {
    /// Nothing is evaluated: the present commits have succeeded already.
    Skip,
    /// It is made.
    Ask(Box<Ask>),
    /// It is not made; the success expression is evaluated without an answer.
    Carry {
        /// When it will be made, in Unix milliseconds, where the time is known.
        until: Option<i64>,
    },
    /// It failed lately and waits for its next try; what failed is still so.
    Hold {
        /// When, in Unix milliseconds.
        until: i64,
        /// How it failed.
        error: String,
    },
    /// It could not be decided or rendered.
    Failed(Cause),
}

/// What `trigger.when` came to.
#[derive(Debug, Clone, Default)]
pub struct Trigger {
    /// What `variables` gave.
    pub variables: Option<Value>,
    /// Whether the expression said to ask.
    pub fires: Option<bool>,
    /// What `output` gave.
    pub output: Option<Value>,
}

/// A request to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The request.
    pub request: RenderedRequest,
    /// How often these commits have been asked about, this time included. With the gate's UID, the scope and the commits
    /// it tells this attempt from every other.
    pub attempt: u32,
}

/// A request without its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedRequest {
    /// One of GET, POST, PUT, PATCH, DELETE.
    pub method: String,
    /// The URL as it was rendered, not judged yet.
    pub url: String,
    /// Headers by name, not judged yet.
    pub headers: BTreeMap<String, String>,
    /// The body; `None` without a template for one.
    pub body: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// What it authenticates with.
    pub authentication: Option<Authentication>,
}

/// An answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers as they came, `Content-Encoding` left out where the body was decoded.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// A request was not answered: what failed, with the stage in front and secrets taken out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AskError(pub String);

/// Answers by the names that [`Plan::asks`] gives.
pub type Answers = BTreeMap<String, Result<Answer, AskError>>;

/// What follows from a look.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The status to store, with the conditions as they were: `Ready` is made by [`super::ready`]. Whether it is worth a
    /// write says [`Status::differs_from`].
    pub status: Status,
    /// What to remember. Durable before the next look.
    pub memory: Memory,
    /// CommitStatuses as they should be, in the strategy's order. An environment that failed has none: what is there stays.
    pub commit_statuses: Vec<CommitStatusDraft>,
    /// Names of the CommitStatuses that may exist. Others with the gate's label that the gate controls are orphans; `None`
    /// where that cannot be told.
    pub keep: Option<Vec<String>>,
    /// What people should be told.
    pub events: Vec<Event>,
    /// What failed, in the strategy's order.
    pub failures: Vec<Failure>,
    /// Branches that were not successful before and are now.
    pub newly_successful: Vec<String>,
    /// The next try of what failed, or was answered with trouble, in Unix milliseconds.
    pub next_try: Option<i64>,
    /// When to look again at the latest; `None` for no timer.
    pub requeue_after: Option<Duration>,
    /// How it came about, step by step.
    pub looks: Vec<Look>,
}

impl Outcome {
    /// All that failed in one text, `None` where nothing did.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        if let [Failure { cause: cause @ Cause::NoStrategy { .. }, .. }] = self.failures.as_slice() {
            return Some(cause.to_string());
        }
        let texts: Vec<String> = self.failures.iter().map(ToString::to_string).collect();
        (!texts.is_empty()).then(|| format!("failed to process WebRequestCommitStatus: {}", texts.join("; ")))
    }
}

/// A Kubernetes Event on the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Whether it is of type `Warning`, else `Normal`.
    pub warning: bool,
    /// One word.
    pub reason: &'static str,
    /// What was being done, one word.
    pub action: &'static str,
    /// A sentence.
    pub note: String,
}

/// How one step came about: what the simulator and people who ask why are shown.
#[derive(Debug, Clone)]
pub struct Look {
    /// The step's name.
    pub scope: String,
    /// What it was decided to do.
    pub decision: Decision,
    /// What the trigger came to.
    pub trigger: Trigger,
    /// What was read of the answer, as expressions see it.
    pub response: Option<Value>,
    /// What `trigger.response.output` gave.
    pub response_output: Option<serde_json::Value>,
    /// What `success.when.variables` gave.
    pub success_variables: Option<Value>,
    /// What `success.when.expression` gave.
    pub result: Option<Value>,
    /// What `success.when.output` gave.
    pub success_output: Option<serde_json::Value>,
    /// The phase of each environment.
    pub phases: BTreeMap<String, Phase>,
    /// Branches whose carried success was for a commit that was not asked about, and became pending.
    pub unasked: Vec<String>,
}
