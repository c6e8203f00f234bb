//! Whether a lane may send now. Pure: closed → open → half open → closed; kept in the store, so that a restart does not hammer a receiver that is down.
//!
//! Open means "not due", never "dropped": a breaker only holds back.

use super::schedule;
use serde::{Deserialize, Serialize};

/// Failures in a row that open it.
const FAILURES_TO_OPEN: u32 = 10;
/// The longest pause is this rung of the ladder (10 minutes), so that a receiver that is back is found soon.
const LAST_RUNG: u32 = 3;

/// Why a breaker opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = BreakerCause)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// Failures in a row.
    Failing,
    /// The receiver refuses the credentials; one is enough. Ends at once when the service's configuration changes.
    Credentials,
}

/// One lane's breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum Breaker {
    /// Sends freely.
    Closed {
        /// Failures since the last success.
        failures: u32,
    },
    /// Sends nothing until then.
    Open {
        /// Unix milliseconds.
        until_ms: i64,
        /// How often it opened in a row; makes the pauses longer.
        times: u32,
        /// Why.
        cause: Cause,
    },
    /// Sends one at a time; the outcome closes or opens it.
    HalfOpen {
        /// How often it opened in a row.
        times: u32,
        /// Why it was open.
        cause: Cause,
    },
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// The receiver answered.
    #[must_use]
    pub const fn succeeded(self) -> Self {
        Self::Closed { failures: 0 }
    }

    /// The receiver did not answer, or with an error of its own.
    #[must_use]
    pub fn failed(self, now_ms: i64) -> Self {
        match self {
            Self::Closed { failures } if failures + 1 < FAILURES_TO_OPEN => Self::Closed { failures: failures + 1 },
            Self::Closed { .. } => Self::open(now_ms, 0, Cause::Failing),
            Self::HalfOpen { times, cause } => Self::open(now_ms, times.saturating_add(1), cause),
            // What was in flight when it opened tells nothing new.
            Self::Open { .. } => self,
        }
    }

    /// The receiver refused the credentials.
    #[must_use]
    pub fn refused(self, now_ms: i64) -> Self {
        match self {
            Self::Closed { .. } => Self::open(now_ms, 0, Cause::Credentials),
            Self::HalfOpen { times, .. } => Self::open(now_ms, times.saturating_add(1), Cause::Credentials),
            Self::Open { .. } => self,
        }
    }

    /// Time passes: an open one whose pause is over becomes half open.
    #[must_use]
    pub const fn at(self, now_ms: i64) -> Self {
        match self {
            Self::Open { until_ms, times, cause } if until_ms <= now_ms => Self::HalfOpen { times, cause },
            other => other,
        }
    }

    /// How many tries may be in flight, out of the lane's own limit.
    #[must_use]
    pub fn allows(&self, limit: usize) -> usize {
        match self {
            Self::Closed { .. } => limit,
            Self::HalfOpen { .. } => limit.min(1),
            Self::Open { .. } => 0,
        }
    }

    /// The end of its pause, Unix milliseconds.
    #[must_use]
    pub const fn until_ms(&self) -> Option<i64> {
        match self {
            Self::Open { until_ms, .. } => Some(*until_ms),
            Self::Closed { .. } | Self::HalfOpen { .. } => None,
        }
    }

    /// The same pause on a wall clock that was stepped.
    #[must_use]
    pub const fn shifted(self, delta_ms: i64) -> Self {
        match self {
            Self::Open { until_ms, times, cause } => {
                Self::Open { until_ms: until_ms.saturating_add(delta_ms), times, cause }
            }
            other => other,
        }
    }

    /// `closed`, `open` or `halfOpen`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Closed { .. } => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen { .. } => "halfOpen",
        }
    }

    fn open(now_ms: i64, times: u32, cause: Cause) -> Self {
        let pause = schedule::ladder(times.min(LAST_RUNG));
        Self::Open { until_ms: now_ms.saturating_add(schedule::millis(pause)), times, cause }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    fn opened() -> Breaker {
        (0..FAILURES_TO_OPEN).fold(Breaker::default(), |breaker, _| breaker.failed(0))
    }

    #[test]
    fn opens_after_failures_in_a_row_only() {
        assert_eq!(opened(), Breaker::Open { until_ms: 5_000, times: 0, cause: Cause::Failing });
        let mut breaker = Breaker::default();
        for _ in 0..100 {
            breaker = (0..FAILURES_TO_OPEN - 1).fold(breaker, |b, _| b.failed(0)).succeeded();
        }
        assert_eq!(breaker, Breaker::default());
    }

    #[test]
    fn a_failed_probe_makes_the_pause_longer_and_a_good_one_closes() {
        let half = opened().at(5_000);
        assert_eq!((half.allows(4), opened().allows(4)), (1, 0));
        assert_eq!(half.failed(5_000).until_ms(), Some(35_000));
        assert_eq!(half.succeeded(), Breaker::default());
    }

    #[test]
    fn one_refusal_of_credentials_opens() {
        assert_eq!(Breaker::default().refused(0).as_str(), "open");
    }

    #[test]
    fn reads_back() {
        let text = serde_json::to_string(&opened()).unwrap();
        assert_eq!(serde_json::from_str::<Breaker>(&text).unwrap(), opened());
    }

    proptest! {
        #[test]
        fn always_opens_again_to_a_probe(events in proptest::collection::vec((0_u8..4, 0_i64..1_000_000), 0..60)) {
            let mut now = 0;
            let mut breaker = Breaker::default();
            for (event, pass) in events {
                now += pass;
                breaker = match event {
                    0 => breaker.failed(now),
                    1 => breaker.refused(now),
                    2 => breaker.succeeded(),
                    _ => breaker.at(now),
                };
                prop_assert!(breaker.until_ms().is_none_or(|until| until - now <= 600_000));
            }
            prop_assert!(breaker.at(now + 600_000).allows(4) >= 1);
        }
    }
}
