//! Whether the repo-server is asked at all: one that is gone, or late three times in a row, is left alone for a moment.
//!
//! Pure: the time comes in.

use std::time::{Duration, Instant};

/// How long it is left alone.
const REST: Duration = Duration::from_secs(10);
/// Calls without an answer in time, one after the other, that count as gone.
const LATE: u32 = 3;

/// What is known of the server's health.
#[derive(Debug, Default)]
pub(super) struct Pause {
    late: u32,
    until: Option<(Instant, String)>,
}

impl Pause {
    /// Why it is not asked now.
    pub(super) fn stands(&self, now: Instant) -> Option<String> {
        let (until, text) = self.until.as_ref()?;
        (now < *until).then(|| format!("{text} (asked again in a moment)"))
    }
    /// It answered, even if with a refusal.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }
    /// There is no connection to it.
    pub(super) fn gone(&mut self, now: Instant, text: &str) {
        self.until = Some((now + REST, text.to_owned()));
    }
    /// It did not answer in time.
    pub(super) fn late(&mut self, now: Instant, text: &str) {
        self.late += 1;
        if self.late >= LATE {
            self.gone(now, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_late_answer_is_no_reason_to_stop_asking() {
        let (mut pause, now) = (Pause::default(), Instant::now());
        pause.late(now, "late");
        pause.late(now, "late");
        assert!(pause.stands(now).is_none());
        pause.late(now, "late");
        assert!(pause.stands(now).is_some_and(|text| text.starts_with("late")));
        assert!(pause.stands(now + REST).is_none());
        pause.answered();
        assert!(pause.stands(now).is_none());
    }

    #[test]
    fn a_server_that_is_gone_rests_at_once() {
        let (mut pause, now) = (Pause::default(), Instant::now());
        pause.gone(now, "gone");
        assert!(pause.stands(now).is_some());
    }
}
