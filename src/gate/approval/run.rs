//! The run as a state machine: `requesting → waiting → succeeded | failed | timedOut | superseded | cancelled`.
//!
//! Events come in with their time, the changed run and its effects go out. A decided run never goes back, whoever asks. An
//! answer may come before the request is known as delivered: the outside process may be quicker than its own HTTP answer.

use super::people::Person;
pub use super::record::{Answer, ApprovalId, Caller, Entry, InvalidRunId, Phase, RunId, Stage, Subject, Vote};
use serde::{Deserialize, Serialize};

/// Open runs that one approval may have; one more is refused (429).
pub const OPEN_MAX: usize = 50;
/// Longest time that a run may wait: what a callback's `timeout` may say.
pub const TIMEOUT_MAX_MS: i64 = 90 * 24 * 60 * 60 * 1000;
/// Entries of its audit trail that a run keeps; later ones replace the last.
const TRAIL_MAX: usize = 200;

/// A run with everything that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Its identity, and the idempotency key of its request.
    pub id: RunId,
    /// Its approval.
    pub approval: ApprovalId,
    /// What it is bound to.
    pub subject: Subject,
    /// When in a deployment.
    pub stage: Stage,
    /// Where it is.
    pub phase: Phase,
    /// When it was opened, Unix milliseconds.
    pub requested_ms: i64,
    /// When it times out, Unix milliseconds.
    pub deadline_ms: i64,
    /// When it was decided, Unix milliseconds.
    pub decided_ms: Option<i64>,
    /// The outside process' decision.
    pub answer: Option<Answer>,
    /// Approving people that are needed besides; 0: none.
    pub needed: u32,
    /// What people said, one a person.
    pub votes: Vec<Vote>,
    /// Login that opened it, where one did.
    pub opened_by: String,
    /// Markdown of the last callback, cleaned of control characters.
    pub message: String,
    /// Why it is where it is, for people.
    pub reason: String,
    /// Times that the request was tried.
    pub attempts: u32,
    /// When it was last asked for through the API, Unix milliseconds.
    pub polled_ms: Option<i64>,
    /// The audit trail.
    pub trail: Vec<Entry>,
}

/// What a run is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// 128 random bits.
    pub id: RunId,
    /// Its approval.
    pub approval: ApprovalId,
    /// What it is bound to.
    pub subject: Subject,
    /// When in a deployment.
    pub stage: Stage,
    /// Milliseconds until it times out.
    pub timeout_ms: i64,
    /// Approving people that are needed.
    pub needed: u32,
    /// Login that opens it; empty for Gatepost itself.
    pub opened_by: String,
    /// Opened by the API: nobody polls it any more after so many milliseconds, and it is cancelled.
    pub polled: bool,
}

/// What happens to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A try to deliver the request failed and is repeated.
    Tried {
        /// Why it failed.
        cause: String,
    },
    /// The request reached its receiver.
    Delivered,
    /// The request can never be delivered.
    Undeliverable {
        /// Why.
        cause: String,
    },
    /// A callback with a decision.
    Decision {
        /// Yes or no.
        success: bool,
        /// What it says, cleaned.
        message: String,
        /// SHA-256 of its body, in hex.
        body_sha256: String,
        /// Who.
        by: Caller,
    },
    /// A callback that only says how things stand.
    Progress {
        /// What it says, cleaned.
        message: String,
        /// SHA-256 of its body, in hex.
        body_sha256: String,
        /// Who.
        by: Caller,
    },
    /// A person decides.
    Vote {
        /// Who, already judged by [`super::people::may_vote`].
        person: Person,
        /// Yes or no.
        approve: bool,
        /// Why.
        reason: String,
        /// Address.
        from: String,
    },
    /// Time has passed.
    Clock,
    /// A newer SHA appeared.
    Superseded {
        /// The newer one.
        by_sha: String,
    },
    /// It is ended without a decision.
    Cancelled {
        /// By whom.
        by: Caller,
        /// Why.
        reason: String,
    },
    /// It was asked for through the API.
    Polled,
}

/// What an event came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The run went on.
    Changed,
    /// The same decision was there already.
    Same,
    /// Another decision was there already, or the run ended without one.
    Conflict,
    /// Its deadline has passed.
    Late,
    /// Nothing to do.
    Nothing,
}

/// What follows from a step; each is done after the run is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Deliver the request.
    Request,
    /// Show it: status and CommitStatus.
    Show,
    /// Tell of the decision: Event, metrics, rollback.
    Tell,
}

/// A run after an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The run as it is now.
    pub run: Run,
    /// What the event came to.
    pub outcome: Outcome,
    /// What is to be done.
    pub effects: Vec<Effect>,
}

impl Run {
    /// Opens a run at `now_ms`.
    #[must_use]
    pub fn open(opening: Opening, now_ms: i64) -> Step {
        let mut run = Self {
            id: opening.id,
            approval: opening.approval,
            subject: opening.subject,
            stage: opening.stage,
            phase: Phase::Requesting,
            requested_ms: now_ms,
            deadline_ms: now_ms.saturating_add(opening.timeout_ms.clamp(0, TIMEOUT_MAX_MS)),
            decided_ms: None,
            answer: None,
            needed: opening.needed,
            votes: Vec::new(),
            opened_by: opening.opened_by.clone(),
            message: String::new(),
            reason: "the request is on its way".to_owned(),
            attempts: 0,
            polled_ms: opening.polled.then_some(now_ms),
            trail: Vec::new(),
        };
        let by = match opening.opened_by.is_empty() {
            true => Caller::own(),
            false => Caller { kind: "kubernetes".to_owned(), name: opening.opened_by, from: String::new() },
        };
        run.note(now_ms, by, "opened".to_owned(), "");
        Step { run, outcome: Outcome::Changed, effects: vec![Effect::Request, Effect::Show] }
    }

    /// The run after an event at `now_ms`.
    #[must_use]
    pub fn on(mut self, event: Event, now_ms: i64) -> Step {
        if !self.phase.is_open() {
            let outcome = self.afterwards(&event);
            return Step { run: self, outcome, effects: Vec::new() };
        }
        if now_ms >= self.deadline_ms && !matches!(event, Event::Superseded { .. } | Event::Cancelled { .. }) {
            self.time_out(now_ms);
            let outcome = if matches!(event, Event::Clock) { Outcome::Changed } else { Outcome::Late };
            return Step { run: self, outcome, effects: vec![Effect::Show, Effect::Tell] };
        }
        let before = self.phase;
        let outcome = self.react(event, now_ms);
        let effects = match (outcome, before == self.phase || self.phase.is_open()) {
            (Outcome::Changed, true) => vec![Effect::Show],
            (Outcome::Changed, false) => vec![Effect::Show, Effect::Tell],
            _ => Vec::new(),
        };
        Step { run: self, outcome, effects }
    }

    /// What an event on a decided run comes to: nothing changes any more.
    fn afterwards(&self, event: &Event) -> Outcome {
        match (event, self.phase) {
            (Event::Decision { .. } | Event::Progress { .. } | Event::Vote { .. }, Phase::TimedOut) => Outcome::Late,
            (Event::Decision { success, .. }, Phase::Succeeded | Phase::Failed) => self.compared(*success),
            (Event::Vote { approve, .. }, Phase::Succeeded | Phase::Failed) => {
                if *approve == (self.phase == Phase::Succeeded) { Outcome::Same } else { Outcome::Conflict }
            }
            (Event::Decision { .. } | Event::Progress { .. } | Event::Vote { .. }, _) => Outcome::Conflict,
            _ => Outcome::Nothing,
        }
    }

    fn compared(&self, success: bool) -> Outcome {
        match &self.answer {
            Some(answer) if answer.success == success => Outcome::Same,
            _ => Outcome::Conflict,
        }
    }

    fn react(&mut self, event: Event, now_ms: i64) -> Outcome {
        match event {
            Event::Tried { cause } => self.tried(cause),
            Event::Delivered => self.delivered(),
            Event::Undeliverable { cause } => {
                self.attempts = self.attempts.saturating_add(1);
                let reason = format!("the request cannot be delivered: {cause}");
                self.end(Phase::Failed, reason, Caller::own(), now_ms)
            }
            Event::Decision { success, message, body_sha256, by } => {
                self.decision(success, message, body_sha256, by, now_ms)
            }
            Event::Progress { message, body_sha256, by } => {
                self.note(now_ms, by, "progress".to_owned(), &body_sha256);
                self.message = message;
                Outcome::Changed
            }
            Event::Vote { person, approve, reason, from } => self.vote(person, approve, reason, from, now_ms),
            Event::Clock => Outcome::Nothing,
            Event::Superseded { by_sha } => {
                self.end(Phase::Superseded, format!("{by_sha} took its place"), Caller::own(), now_ms)
            }
            Event::Cancelled { by, reason } => self.end(Phase::Cancelled, reason, by, now_ms),
            Event::Polled => {
                self.polled_ms = Some(now_ms);
                Outcome::Changed
            }
        }
    }

    fn tried(&mut self, cause: String) -> Outcome {
        if self.phase != Phase::Requesting {
            return Outcome::Nothing;
        }
        self.attempts = self.attempts.saturating_add(1);
        self.reason = format!("the request is tried again: {cause}");
        Outcome::Changed
    }

    fn delivered(&mut self) -> Outcome {
        if self.phase != Phase::Requesting {
            return Outcome::Nothing;
        }
        self.attempts = self.attempts.saturating_add(1);
        self.phase = Phase::Waiting;
        self.reason = self.waits_for();
        Outcome::Changed
    }

    fn decision(&mut self, success: bool, message: String, body: String, by: Caller, now_ms: i64) -> Outcome {
        if self.answer.is_some() {
            return self.compared(success);
        }
        let what = if success { "answered yes" } else { "answered no" };
        self.note(now_ms, by.clone(), what.to_owned(), &body);
        self.answer = Some(Answer { success, by: by.clone(), at_ms: now_ms, body_sha256: body });
        self.message = message;
        if !success {
            return self.end(Phase::Failed, "the outside process said no".to_owned(), by, now_ms);
        }
        self.phase = Phase::Waiting;
        self.conclude(by, now_ms)
    }

    fn vote(&mut self, person: Person, approve: bool, reason: String, from: String, now_ms: i64) -> Outcome {
        if let Some(earlier) = self.votes.iter().find(|vote| vote.user == person.user) {
            return if earlier.approve == approve { Outcome::Same } else { Outcome::Conflict };
        }
        let by = Caller { kind: "kubernetes".to_owned(), name: person.user.clone(), from: from.clone() };
        let what = if approve { "approved" } else { "rejected" };
        self.note(now_ms, by.clone(), format!("{what}: {reason}"), "");
        self.votes.push(Vote { user: person.user, approve, at_ms: now_ms, from, reason });
        if !approve {
            return self.end(Phase::Failed, format!("rejected by {}", by.name), by, now_ms);
        }
        self.conclude(by, now_ms)
    }

    /// Success needs the answer and the quorum.
    fn conclude(&mut self, by: Caller, now_ms: i64) -> Outcome {
        let answered = self.answer.as_ref().is_some_and(|answer| answer.success);
        if answered && self.approvals() >= self.needed {
            return self.end(Phase::Succeeded, "approved".to_owned(), by, now_ms);
        }
        if self.phase == Phase::Waiting {
            self.reason = self.waits_for();
        }
        Outcome::Changed
    }

    fn end(&mut self, phase: Phase, reason: String, by: Caller, now_ms: i64) -> Outcome {
        self.note(now_ms, by, format!("{}: {reason}", phase.as_str()), "");
        self.phase = phase;
        self.reason = reason;
        self.decided_ms = Some(now_ms);
        Outcome::Changed
    }

    fn time_out(&mut self, now_ms: i64) {
        let waited =
            if self.phase == Phase::Requesting { "the request was never delivered" } else { "nobody answered" };
        let missing = self.needed.saturating_sub(self.approvals());
        let reason = match (&self.answer, missing) {
            (Some(_), 1..) => format!("{missing} approving people were missing at the deadline"),
            _ => format!("{waited} before the deadline"),
        };
        self.end(Phase::TimedOut, reason, Caller::own(), now_ms);
    }

    /// People that have approved so far.
    #[must_use]
    pub fn approvals(&self) -> u32 {
        u32::try_from(self.votes.iter().filter(|vote| vote.approve).count()).unwrap_or(u32::MAX)
    }

    fn waits_for(&self) -> String {
        let missing = self.needed.saturating_sub(self.approvals());
        match (self.answer.is_some(), missing) {
            (false, 0) => "waits for the callback".to_owned(),
            (false, n) => format!("waits for the callback and {n} approving people"),
            (true, n) => format!("waits for {n} approving people"),
        }
    }

    fn note(&mut self, at_ms: i64, by: Caller, what: String, body_sha256: &str) {
        if self.trail.len() >= TRAIL_MAX {
            self.trail.truncate(TRAIL_MAX - 1);
        }
        self.trail.push(Entry { at_ms, by, what, body_sha256: body_sha256.to_owned() });
    }
}
