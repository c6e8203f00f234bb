//! The two things that a dispatcher is given: who sends, and who watches.

use super::breaker::Breaker;
use super::delivery::{Attempt, Claimed, DeadReason, Delivery, Lane, State};
use super::destination::Off;
use super::schedule::QuickRetry;
use async_trait::async_trait;
use std::time::Duration;

/// What a try came to; the classification is the service's (`spec/delivery.md`, Attempts).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Delivered {
        /// How many people it reached, where the receiver tells; `Some(0)` is "nobody".
        reached: Option<u32>,
        /// What to tell about it.
        note: String,
    },
    /// Not accepted, nothing done there: again, soon (transport, 408, 425, 429, 5xx except 501).
    Retry {
        /// What the receiver asked for.
        after: Option<Duration>,
        /// Why.
        cause: String,
    },
    /// Again from 2 minutes on (404, 405, 409, refused redirects: a roll-out in progress).
    SlowRetry {
        /// Why.
        cause: String,
    },
    /// 401, 403: the lane pauses with one probe a step.
    Credentials {
        /// Why.
        cause: String,
    },
    /// Refused for what it is.
    Permanent {
        /// Why.
        cause: String,
    },
    /// The request was written and no status came.
    Unknown {
        /// Why.
        cause: String,
    },
    /// 410.
    Gone {
        /// Why.
        cause: String,
        /// Whether the receiver may ask to be left alone (a service that signs): the destination is switched off.
        switches_off: bool,
    },
    /// The Go controller sent it meanwhile, at this time (Unix seconds).
    TakenOver {
        /// Time in the annotation.
        at: i64,
    },
    /// Nothing was tried (service not configured yet, object not readable): put back for a moment, no attempt counted.
    NotReady {
        /// Why.
        cause: String,
    },
}

/// One try and its facts. The target is scheme and host; the excerpt is scrubbed by the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendOutcome {
    /// HTTP status, if one came.
    pub status: Option<u16>,
    /// Scheme and host.
    pub target: String,
    /// Start of the answer.
    pub excerpt: String,
    /// What it came to.
    pub verdict: Verdict,
}

/// Requests per second that a lane may make.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Sustained.
    pub per_second: f64,
    /// At once after a pause.
    pub burst: u32,
}

/// How a lane's deliveries are tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// The service's own quick tries.
    pub quick: QuickRetry,
    /// `delivery.giveUpAfter`.
    pub give_up_after: Duration,
    /// Tries in flight at once.
    pub in_flight: usize,
    /// Token bucket; `None`: no limit.
    pub rate: Option<Rate>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            quick: QuickRetry::default(),
            give_up_after: Duration::from_secs(24 * 60 * 60),
            in_flight: 4,
            rate: None,
        }
    }
}

/// Resolves a claimed delivery's references and sends it. Bounded in time by its own timeouts; must not panic.
#[async_trait]
pub trait Sender: Send + Sync + 'static {
    /// One try.
    async fn send(&self, claimed: &Claimed) -> SendOutcome;

    /// How this lane is to be tried.
    fn policy(&self, lane: &Lane) -> Policy {
        let _ = lane;
        Policy::default()
    }
}

/// What a dispatcher tells about its work, for metrics, Events and the log.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// Deliveries were taken out of the store, to be tried.
    Claimed {
        /// Those, as they are now.
        rows: &'a [Claimed],
        /// When that was committed, Unix milliseconds.
        at_ms: i64,
    },
    /// A try is over and its outcome committed.
    Attempted {
        /// The delivery as it was claimed.
        delivery: &'a Delivery,
        /// The try.
        attempt: &'a Attempt,
        /// What it came to.
        verdict: &'a Verdict,
        /// The state that it has now.
        state: State,
        /// Why it is a dead letter, where it became one.
        dead: Option<DeadReason>,
    },
    /// A lane's breaker opened, closed or went half open.
    Breaker {
        /// The lane.
        lane: &'a Lane,
        /// Now.
        breaker: &'a Breaker,
    },
    /// A receiver asked to be left alone: its destination is switched off.
    SwitchedOff {
        /// The lane.
        lane: &'a Lane,
        /// What is kept of it.
        off: &'a Off,
    },
    /// The store did not take or give; tried again by itself.
    StoreFailed {
        /// What was tried.
        what: &'static str,
        /// Why not.
        error: &'a super::Error,
    },
    /// The wall clock was stepped; due times were moved along.
    ClockStepped {
        /// By so many milliseconds.
        delta_ms: i64,
    },
}

/// Watches a dispatcher. Called inline: must be quick.
pub trait Observer: Send + Sync + 'static {
    /// Something happened.
    fn observe(&self, event: &Event<'_>);
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn observe(&self, _: &Event<'_>) {}
}
