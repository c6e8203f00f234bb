//! Places between two durable steps where a test lets the process die, as by kill -9. Nothing of it is in a release build.
//!
//! `GATEPOST_FAILPOINTS` names a file; it holds the name of a point and a number, and the process aborts when it passes that point
//! for the so-manieth time since the file said so. A file and not a value, so that a running process is armed without a restart.
//! Never decides anything: code around a point is the same with and without it.

/// The points, in the order in which one event passes them. What is decided is written, committed and told; the claim, the attempt
/// and its outcome follow; then the annotation.
pub const POINTS: [&str; 17] = [
    "decision.begun",
    "arming.written",
    "disarm.written",
    "group.applied",
    "group.committed",
    "decision.committed",
    "disarm.committed",
    "claim.written",
    "claim.committed",
    "attempt.begun",
    "answer.received",
    "outcome.written",
    "outcome.committed",
    "annotation.owed",
    "annotation.patched",
    "annotation.written",
    "annotation.recorded",
];

/// Passes a point.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn pass(_point: &'static str) {}

#[cfg(debug_assertions)]
pub use armed::pass;

#[cfg(debug_assertions)]
mod armed {
    use std::path::PathBuf;
    use std::sync::{Mutex, OnceLock, PoisonError};

    /// What the file said last, and how often that point was passed since.
    struct Armed {
        text: String,
        passed: u64,
    }

    static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
    static ARMED: Mutex<Armed> = Mutex::new(Armed { text: String::new(), passed: 0 });

    /// Passes a point.
    pub fn pass(point: &'static str) {
        debug_assert!(super::POINTS.contains(&point), "{point} is not in the list of points");
        let file = FILE.get_or_init(|| std::env::var_os("GATEPOST_FAILPOINTS").map(PathBuf::from));
        let Some(text) = file.as_ref().and_then(|path| std::fs::read_to_string(path).ok()) else { return };
        if ARMED.lock().unwrap_or_else(PoisonError::into_inner).is_over(&text, point) {
            std::process::abort();
        }
    }

    impl Armed {
        fn is_over(&mut self, text: &str, point: &str) -> bool {
            if self.text != text {
                *self = Self { text: text.to_owned(), passed: 0 };
            }
            let mut words = text.split_whitespace();
            if words.next() != Some(point) {
                return false;
            }
            self.passed += 1;
            words.next().and_then(|times| times.parse().ok()) == Some(self.passed)
        }
    }

    #[cfg(test)]
    mod tests {
        use super::Armed;

        #[test]
        fn a_point_is_over_at_the_pass_that_the_file_names() {
            let mut armed = Armed { text: String::new(), passed: 0 };
            let passes = [("a 2", "a"), ("a 2", "b"), ("a 2", "a"), ("b 1", "a"), ("b 1", "b"), ("", "a")];
            let over: Vec<bool> = passes.iter().map(|(text, point)| armed.is_over(text, point)).collect();
            assert_eq!(over, [false, false, true, false, true, false]);
        }
    }
}
