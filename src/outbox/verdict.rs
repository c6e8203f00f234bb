//! From what a try came to, to what becomes of the row. Pure.

use super::delivery::{Claimed, DeadReason, Transition};
use super::schedule;
use super::sender::{Policy, Verdict};
use std::time::Duration;

/// How long a row waits whose try could not even be begun.
const NOT_READY_WAIT_MS: i64 = 5_000;

/// Decides the arrow. `jitter` is from -0.2 to 0.2.
pub(super) fn judge(claimed: &Claimed, verdict: &Verdict, policy: &Policy, now_ms: i64, jitter: f64) -> Transition {
    let retry = Retry { claimed, policy, now_ms, jitter };
    let step = claimed.delivery.step;
    match verdict {
        Verdict::Delivered { reached, note } => claimed.delivered(now_ms, told(*reached, note)),
        Verdict::Retry { after, cause } => retry.again(step, *after, false, cause, DeadReason::GaveUp),
        Verdict::SlowRetry { cause } => {
            retry.again(schedule::slow_step(step, &policy.quick), None, false, cause, DeadReason::GaveUp)
        }
        Verdict::Credentials { cause } => retry.again(step, None, false, cause, DeadReason::Credentials),
        Verdict::Unknown { cause } => retry.unknown(cause),
        Verdict::Permanent { .. } => claimed.dead(now_ms, DeadReason::Rejected),
        Verdict::Gone { .. } => claimed.dead(now_ms, DeadReason::Gone),
        Verdict::TakenOver { at } => claimed.taken_over(now_ms, *at),
        Verdict::NotReady { cause } => claimed.released(now_ms, now_ms + NOT_READY_WAIT_MS, cause.clone()),
    }
}

/// What to say of a try, for people.
pub(super) fn describe(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Delivered { reached, note } => told(*reached, note),
        Verdict::Retry { cause, .. }
        | Verdict::SlowRetry { cause }
        | Verdict::Credentials { cause }
        | Verdict::Permanent { cause }
        | Verdict::Unknown { cause }
        | Verdict::Gone { cause, .. }
        | Verdict::NotReady { cause } => cause.clone(),
        Verdict::TakenOver { .. } => "sent by the Go controller meanwhile".to_owned(),
    }
}

fn told(reached: Option<u32>, note: &str) -> String {
    match (reached, note) {
        (Some(0), "") => "delivered, but reached nobody".to_owned(),
        (Some(n), "") => format!("delivered, reached {n}"),
        (None, "") => "delivered".to_owned(),
        (_, note) => note.to_owned(),
    }
}

struct Retry<'a> {
    claimed: &'a Claimed,
    policy: &'a Policy,
    now_ms: i64,
    jitter: f64,
}

impl Retry<'_> {
    fn again(&self, step: u32, after: Option<Duration>, unknown: bool, cause: &str, end: DeadReason) -> Transition {
        let delay = schedule::delay(step, &self.policy.quick, after, self.jitter);
        let since = self.claimed.delivery.since_ms;
        match schedule::next_due_ms(self.now_ms, since, self.policy.give_up_after, delay) {
            Some(due) => self.claimed.waiting(self.now_ms, due, step.saturating_add(1), unknown, cause.to_owned()),
            None => self.claimed.dead(self.now_ms, end),
        }
    }

    /// What may have arrived is repeated `retryMax` times only, unless repeating does no harm.
    fn unknown(&self, cause: &str) -> Transition {
        let delivery = &self.claimed.delivery;
        if delivery.idempotent {
            return self.again(delivery.step, None, false, cause, DeadReason::GaveUp);
        }
        if delivery.unknowns >= self.policy.quick.tries() {
            return self.claimed.dead(self.now_ms, DeadReason::UnknownOutcome);
        }
        self.again(delivery.step, None, true, cause, DeadReason::UnknownOutcome)
    }
}
