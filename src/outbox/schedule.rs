//! When a failed delivery is tried again. Pure: time and jitter come in.
//!
//! A row's `step` counts its retries: first the service's own quick tries (its `retryMax`, `retryWaitMin`, `retryWaitMax`), then the ladder.
//! `giveUpAfter` ends it; the last try is made at that very moment, so that a late rung of the ladder does not shorten the promise.

use std::time::Duration;

/// Waits after the quick tries; the last one repeats (`spec/delivery.md`, Attempts).
const LADDER_SECONDS: [u64; 9] = [5, 30, 2 * 60, 10 * 60, 30 * 60, 3600, 2 * 3600, 5 * 3600, 10 * 3600];
/// The rung at which a slow retry begins: 2 minutes.
const SLOW_RUNG: u32 = 2;
/// Longest wait that a receiver's Retry-After is granted.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// Shortest wait between two tries.
const MIN_WAIT: Duration = Duration::from_millis(50);
/// Longest quick wait and longest `retryWaitMax` honoured: above it the ladder is the better plan.
const MAX_QUICK_WAIT: Duration = Duration::from_secs(600);
/// Most quick tries honoured.
const MAX_QUICK_TRIES: u32 = 100;

/// A service's `retryMax`, `retryWaitMin` and `retryWaitMax`, with the meaning they have for the Go controller's client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuickRetry {
    /// Tries after the first; negative: none.
    pub max: i64,
    /// First wait; doubles.
    pub wait_min: Duration,
    /// Longest wait.
    pub wait_max: Duration,
}

impl Default for QuickRetry {
    fn default() -> Self {
        Self { max: 3, wait_min: Duration::from_secs(1), wait_max: Duration::from_secs(5) }
    }
}

impl QuickRetry {
    /// Quick tries after the first one.
    #[must_use]
    pub fn tries(&self) -> u32 {
        u32::try_from(self.max.max(0)).unwrap_or(MAX_QUICK_TRIES).min(MAX_QUICK_TRIES)
    }

    fn wait(&self, step: u32) -> Duration {
        let factor = 1_u32.checked_shl(step).unwrap_or(u32::MAX);
        self.wait_min.saturating_mul(factor).min(self.wait_max).min(MAX_QUICK_WAIT)
    }
}

/// How long to wait before retry number `step` (0 is the first). `jitter` from -0.2 to 0.2 spreads the wait; a Retry-After that asks for more is granted up to an hour.
#[must_use]
pub fn delay(step: u32, policy: &QuickRetry, retry_after: Option<Duration>, jitter: f64) -> Duration {
    let plain = match step.checked_sub(policy.tries()) {
        None => policy.wait(step),
        Some(rung) => ladder(rung),
    };
    let jitter = if jitter.is_finite() { jitter.clamp(-0.2, 0.2) } else { 0.0 };
    let spread = plain.mul_f64(1.0 + jitter);
    spread.max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER)).max(MIN_WAIT)
}

/// The step from which a slow retry goes on: at least 2 minutes, quick tries skipped.
#[must_use]
pub fn slow_step(step: u32, policy: &QuickRetry) -> u32 {
    step.max(policy.tries() + SLOW_RUNG)
}

/// The next due time, or `None` when `giveUpAfter` has passed since `since_ms`.
#[must_use]
pub fn next_due_ms(now_ms: i64, since_ms: i64, give_up_after: Duration, delay: Duration) -> Option<i64> {
    let deadline = since_ms.saturating_add(millis(give_up_after));
    (now_ms < deadline).then(|| now_ms.saturating_add(millis(delay)).min(deadline))
}

/// A duration in whole milliseconds, clamped.
#[must_use]
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The wait of a rung.
pub(super) fn ladder(rung: u32) -> Duration {
    let index = usize::try_from(rung).unwrap_or(usize::MAX).min(LADDER_SECONDS.len() - 1);
    Duration::from_secs(LADDER_SECONDS[index])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    const POLICY: QuickRetry =
        QuickRetry { max: 3, wait_min: Duration::from_secs(1), wait_max: Duration::from_secs(3) };

    fn seconds(step: u32) -> u64 {
        delay(step, &POLICY, None, 0.0).as_secs()
    }

    #[test]
    fn quick_tries_come_first_then_the_ladder() {
        let waits: Vec<u64> = (0..13).map(seconds).collect();
        assert_eq!(waits, [1, 2, 3, 5, 30, 120, 600, 1800, 3600, 7200, 18000, 36000, 36000]);
    }

    #[test]
    fn a_negative_retry_max_goes_to_the_ladder_at_once() {
        assert_eq!(delay(0, &QuickRetry { max: -1, ..POLICY }, None, 0.0), Duration::from_secs(5));
    }

    #[test]
    fn slow_retries_begin_at_two_minutes() {
        assert_eq!(seconds(slow_step(0, &POLICY)), 120);
        assert_eq!(slow_step(9, &POLICY), 9);
    }

    #[test]
    fn retry_after_is_granted_and_clamped() {
        assert_eq!(delay(0, &POLICY, Some(Duration::from_secs(40)), -0.2), Duration::from_secs(40));
        assert_eq!(delay(0, &POLICY, Some(Duration::MAX), 0.0), MAX_RETRY_AFTER);
        assert_eq!(delay(4, &POLICY, Some(Duration::ZERO), 0.0), Duration::from_secs(30));
    }

    #[test]
    fn the_last_try_is_at_the_deadline() {
        let day = Duration::from_secs(86_400);
        assert_eq!(next_due_ms(80_000_000, 0, day, Duration::from_secs(36_000)), Some(86_400_000));
        assert_eq!(next_due_ms(86_400_000, 0, day, MIN_WAIT), None);
    }

    proptest! {
        #[test]
        fn never_overflows_and_stays_within_bounds(
            step in any::<u32>(), max in any::<i64>(), min in any::<u64>(), top in any::<u64>(),
            after in proptest::option::of(any::<u64>()), jitter in any::<f64>(), now in any::<i64>(), since in any::<i64>(),
        ) {
            let policy = QuickRetry { max, wait_min: Duration::from_millis(min), wait_max: Duration::from_millis(top) };
            let wait = delay(step, &policy, after.map(Duration::from_secs), jitter);
            prop_assert!(wait >= MIN_WAIT);
            prop_assert!(wait <= ladder(99).mul_f64(1.2));
            prop_assert!(delay(slow_step(step, &policy), &policy, None, jitter) >= Duration::from_secs(96));
            if let Some(due) = next_due_ms(now, since, Duration::from_secs(86_400), wait) {
                prop_assert!(due >= now);
            }
        }

        #[test]
        fn later_steps_never_wait_less(step in 0_u32..40) {
            prop_assume!(step != POLICY.tries() - 1);
            prop_assert!(seconds(step + 1) >= seconds(step));
        }
    }
}
