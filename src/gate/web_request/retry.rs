//! What a step remembers from one look to the next, as transitions.

use crate::gate::memory::{Commits, Retry, Tries, Why};
use crate::gate::schedule;
use crate::gate::strategy::Environment;
use std::time::Duration;

/// What a try to come means for a look now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Waiting {
    /// Nothing is waited for.
    No,
    /// It is time: ask, whatever the mode says.
    Due,
    /// Not yet: what failed is still so.
    Failed {
        /// When, in Unix milliseconds.
        until: i64,
        /// How it failed.
        error: String,
    },
    /// Not yet: the answer stands until then.
    Answered {
        /// When, in Unix milliseconds.
        until: i64,
    },
}

/// Commits by branch.
pub(super) fn commits(environments: &[Environment]) -> Commits {
    environments.iter().map(|environment| (environment.branch.clone(), environment.sha.clone())).collect()
}

/// What the try to come means for a request about `commits` at `now`.
pub(super) fn waiting(tries: &Tries, commits: &Commits, now_ms: i64) -> Waiting {
    let Some(retry) = &tries.retry else { return Waiting::No };
    let same = retry.about == *commits;
    if now_ms >= retry.at {
        return if same && retry.why != Why::Undecided { Waiting::Due } else { Waiting::No };
    }
    if !same && !retry.told {
        return Waiting::No;
    }
    match &retry.why {
        Why::Failed(error) => Waiting::Failed { until: retry.at, error: error.clone() },
        Why::Trouble => Waiting::Answered { until: retry.at },
        Why::Unjudged | Why::Undecided => Waiting::No,
    }
}

/// When and how fast to try again.
pub(super) struct Clock {
    pub(super) now_ms: i64,
    /// The gate's own interval.
    pub(super) every: Option<Duration>,
    /// From 0 to 1.
    pub(super) chance: f64,
}

impl Clock {
    /// Since when the interval runs that a look in this time began, Unix milliseconds: since the question, so that slow answers do not
    /// make questions fewer than was asked for; but half of it is left in peace after the answer.
    pub(super) fn asked_ms(&self, began_ms: i64) -> i64 {
        let half = self.every.map_or(0, |every| i64::try_from(every.as_millis() / 2).unwrap_or(i64::MAX));
        began_ms.clamp(self.now_ms.saturating_sub(half), self.now_ms)
    }
}

/// What came to nothing is tried again. `told` is what the receiver asked for. A try that is waited for already, for the
/// same reason, stays where it is: looks in between must not put it off.
pub(super) fn try_again(tries: &mut Tries, about: &Commits, clock: &Clock, why: Why, told: Option<Duration>) {
    let waited_for = |retry: &Retry| retry.at > clock.now_ms && retry.about == *about && retry.why == why;
    if tries.retry.as_ref().is_some_and(waited_for) {
        return;
    }
    tries.failures = tries.failures.saturating_add(1);
    let delay = schedule::delay(tries.failures, clock.every, clock.chance);
    let wait = delay.max(told.unwrap_or_default());
    let at = clock.now_ms.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
    tries.retry = Some(Retry { at, told: told.is_some_and(|told| told > delay), about: about.clone(), why });
}

/// All went well.
pub(super) fn succeeded(tries: &mut Tries) {
    tries.failures = 0;
    tries.retry = None;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(why: Why, told: bool) -> Tries {
        let about = [("b".to_owned(), "old".to_owned())].into();
        Tries { retry: Some(Retry { at: 100, told, about, why }), ..Tries::default() }
    }
    fn at(tries: &Tries, sha: &str, now: i64) -> Waiting {
        waiting(tries, &[("b".to_owned(), sha.to_owned())].into(), now)
    }

    #[test]
    fn better_a_new_commit_waits_only_where_the_receiver_said_so() {
        let failed = tries(Why::Failed("x".into()), false);
        assert_eq!(at(&failed, "old", 99), Waiting::Failed { until: 100, error: "x".into() });
        assert_eq!(at(&failed, "old", 100), Waiting::Due);
        assert_eq!(at(&failed, "new", 99), Waiting::No);
        assert_eq!(at(&tries(Why::Trouble, true), "new", 99), Waiting::Answered { until: 100 });
        assert_eq!(at(&tries(Why::Trouble, true), "new", 100), Waiting::No);
    }

    #[test]
    fn looks_in_between_put_nothing_off() {
        let clock = |now_ms| Clock { now_ms, every: None, chance: 0.0 };
        let about: Commits = [("b".to_owned(), "old".to_owned())].into();
        let mut tries = Tries::default();
        try_again(&mut tries, &about, &clock(0), Why::Unjudged, None);
        try_again(&mut tries, &about, &clock(4_000), Why::Unjudged, None);
        assert_eq!(tries.retry.as_ref().map(|retry| (retry.at, tries.failures)), Some((5_000, 1)));
        try_again(&mut tries, &about, &clock(5_000), Why::Unjudged, None);
        assert_eq!(tries.retry.as_ref().map(|retry| retry.at), Some(15_000));
        try_again(&mut tries, &about, &clock(6_000), Why::Trouble, Some(Duration::from_secs(60)));
        assert_eq!(tries.retry.as_ref().map(|retry| (retry.at, retry.told)), Some((66_000, true)));
    }

    #[test]
    fn what_asks_for_nothing_is_only_looked_at_again() {
        assert_eq!(at(&tries(Why::Undecided, false), "old", 100), Waiting::No);
        assert_eq!(at(&tries(Why::Unjudged, false), "old", 99), Waiting::No);
        assert_eq!(at(&tries(Why::Unjudged, false), "old", 100), Waiting::Due);
    }
}
