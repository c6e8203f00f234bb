//! When an approval is worked on again: after a failure later and later. Its status is written once for what happens within a second, so
//! that many callbacks do not become as many writes of the API server. Times come in as arguments.

use super::keeping::BEAT;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Longest pause before what failed is tried again.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// Shortest time between two writes of one status.
const STATUS_PAUSE: Duration = Duration::from_secs(1);
/// Approvals whose last write is remembered; beyond it those that may be written again are forgotten.
const REMEMBERED: usize = 1024;

/// Pauses of approvals, by their UIDs.
#[derive(Default)]
pub struct Pauses {
    /// When what failed is tried again, and how often it failed.
    failing: Mutex<HashMap<String, (Instant, u32)>>,
    /// When a status was written last.
    written: Mutex<HashMap<String, Instant>>,
}

impl Pauses {
    pub(super) fn may_try(&self, uid: &str, now: Instant) -> bool {
        held(&self.failing).get(uid).is_none_or(|(at, _)| *at <= now)
    }

    pub(super) fn worked(&self, uid: &str) {
        held(&self.failing).remove(uid);
    }

    pub(super) fn failed(&self, uid: &str, now: Instant) {
        let mut failing = held(&self.failing);
        let times = failing.get(uid).map_or(0, |(_, times)| *times).saturating_add(1);
        let pause = BEAT.saturating_mul(1 << times.min(6)).min(RETRY_MAX);
        failing.insert(uid.to_owned(), (now + pause, times));
    }

    pub(super) fn may_write_status(&self, uid: &str, now: Instant) -> bool {
        held(&self.written).get(uid).is_none_or(|at| is_over(*at, now))
    }

    pub(super) fn wrote_status(&self, uid: &str, now: Instant) {
        let mut written = held(&self.written);
        if written.len() >= REMEMBERED {
            written.retain(|_, at| !is_over(*at, now));
        }
        written.insert(uid.to_owned(), now);
    }
}

fn is_over(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) >= STATUS_PAUSE
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_tried_later_and_later_and_what_works_at_once() {
        let (pauses, now) = (Pauses::default(), Instant::now());
        pauses.failed("a", now);
        assert!(!pauses.may_try("a", now + BEAT) && pauses.may_try("a", now + 2 * BEAT) && pauses.may_try("b", now));
        for _ in 0..20 {
            pauses.failed("a", now);
        }
        assert!(!pauses.may_try("a", now + RETRY_MAX - BEAT) && pauses.may_try("a", now + RETRY_MAX));
        pauses.worked("a");
        assert!(pauses.may_try("a", now));
    }

    #[test]
    fn a_status_is_written_once_a_second_and_few_are_remembered() {
        let (pauses, now) = (Pauses::default(), Instant::now());
        assert!(pauses.may_write_status("a", now));
        pauses.wrote_status("a", now);
        assert!(!pauses.may_write_status("a", now) && pauses.may_write_status("a", now + STATUS_PAUSE));
        for number in 0..REMEMBERED {
            pauses.wrote_status(&number.to_string(), now + STATUS_PAUSE);
        }
        assert!(held(&pauses.written).len() <= REMEMBERED && pauses.may_write_status("a", now));
    }
}
