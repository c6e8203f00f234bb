//! One lane's part of a dispatcher's memory: what is claimed and not yet tried, what is in flight, what is answered and not yet recorded,
//! breaker and token bucket.

use super::breaker::Breaker;
use super::delivery::Claimed;
use super::sender::{Policy, Rate};
use std::collections::VecDeque;

/// Answered deliveries whose outcome may be on its way to the store while others are sent: a commit then costs a lane no slot, and
/// what a crash can repeat at a receiver stays small.
const RECORDING_MAX: usize = 16;

/// A lane as the dispatcher sees it.
#[derive(Debug, Default)]
pub(super) struct LaneQueue {
    queue: VecDeque<Claimed>,
    in_flight: usize,
    recording: usize,
    pub(super) breaker: Breaker,
    bucket: Bucket,
}

impl LaneQueue {
    pub(super) fn with_breaker(breaker: Breaker) -> Self {
        Self { breaker, ..Self::default() }
    }

    pub(super) fn push(&mut self, claimed: Claimed) {
        self.queue.push_back(claimed);
    }

    /// The next one to try now, if the limits let one go.
    pub(super) fn next(&mut self, policy: &Policy, now_ms: i64) -> Option<Claimed> {
        if self.queue.is_empty() || !self.has_slot(policy) {
            return None;
        }
        if policy.rate.is_some_and(|rate| !self.bucket.take(rate, now_ms)) {
            return None;
        }
        self.in_flight += 1;
        self.queue.pop_front()
    }

    /// Takes back what [`LaneQueue::next`] gave, to be the next one again.
    pub(super) fn keep(&mut self, claimed: Claimed) {
        self.queue.push_front(claimed);
        self.dropped();
    }

    /// What [`LaneQueue::next`] gave is not tried.
    pub(super) fn dropped(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// A try is over; its outcome is not recorded yet.
    pub(super) fn answered(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.recording += 1;
    }

    /// An outcome is recorded.
    pub(super) fn recorded(&mut self) {
        self.recording = self.recording.saturating_sub(1);
    }

    /// Rows held: queued, in flight, and not yet recorded.
    pub(super) fn held(&self) -> usize {
        self.queue.len() + self.in_flight + self.recording
    }

    fn has_slot(&self, policy: &Policy) -> bool {
        self.in_flight < self.breaker.allows(policy.in_flight.max(1)) && self.recording < RECORDING_MAX
    }

    /// Whether it can be forgotten: a new one would behave the same.
    pub(super) fn is_idle(&self) -> bool {
        self.held() == 0 && self.breaker == Breaker::default()
    }

    /// Whether it waits only for its token bucket.
    pub(super) fn is_throttled(&self, policy: &Policy) -> bool {
        policy.rate.is_some() && !self.queue.is_empty() && self.has_slot(policy)
    }

    /// Takes out what has not been tried.
    pub(super) fn drain(&mut self) -> Vec<Claimed> {
        self.queue.drain(..).collect()
    }
}

/// A token bucket on the wall clock; a clock that steps back gives nothing, one that jumps ahead gives one burst.
#[derive(Debug, Default)]
struct Bucket {
    state: Option<(f64, i64)>,
}

impl Bucket {
    fn take(&mut self, rate: Rate, now_ms: i64) -> bool {
        let burst = f64::from(rate.burst.max(1));
        let (tokens, at) = self.state.unwrap_or((burst, now_ms));
        let passed = u32::try_from(now_ms.saturating_sub(at).max(0)).unwrap_or(u32::MAX);
        let tokens = (tokens + f64::from(passed) / 1000.0 * rate.per_second).min(burst);
        let granted = tokens >= 1.0;
        self.state = Some((if granted { tokens - 1.0 } else { tokens }, now_ms));
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_gives_a_burst_and_then_the_rate() {
        let rate = Rate { per_second: 2.0, burst: 3 };
        let mut bucket = Bucket::default();
        let burst = (0..10).filter(|_| bucket.take(rate, 0)).count();
        assert_eq!(burst, 3);
        let second = (0..=1000).filter(|ms| bucket.take(rate, *ms)).count();
        assert_eq!(second, 2);
        assert!(!bucket.take(rate, -5));
    }
}
