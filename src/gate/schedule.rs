//! When a gate asks again after a failure, as a pure function.
//!
//! The first try comes after five seconds, each further one after twice as long, up to the gate's own interval or five
//! minutes; a receiver that says `Retry-After` is believed for up to an hour.

use gatepost_value::{Location, Time};
use std::time::Duration;

/// Before the first try.
pub const FIRST: Duration = Duration::from_secs(5);
/// Between tries.
pub const LONGEST: Duration = Duration::from_secs(300);
/// What a receiver may ask for.
pub const LONGEST_TOLD: Duration = Duration::from_secs(3_600);
/// Part of a delay that is added by chance, so that many gates do not ask in step.
const JITTER: f64 = 0.2;

/// The delay after so many failures in a row (from 1). `every` is the gate's own interval, which no delay exceeds;
/// `chance` is from 0 to 1.
#[must_use]
pub fn delay(failures: u32, every: Option<Duration>, chance: f64) -> Duration {
    let doubled = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10));
    let longest = every.map_or(LONGEST, |every| every.min(LONGEST));
    doubled.mul_f64(1.0 + JITTER * chance.clamp(0.0, 1.0)).min(longest)
}

/// What a `Retry-After` header asks for: seconds, or a time.
#[must_use]
pub fn retry_after(header: &str, now: &Time) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(LONGEST_TOLD));
    }
    let layout = "Mon, 02 Jan 2006 15:04:05 MST";
    let at = Time::parse(layout, header, &Location::Utc, &Location::Utc).ok()?;
    let wait = u64::try_from(at.sub(now)).unwrap_or(0);
    Some(Duration::from_nanos(wait).min(LONGEST_TOLD))
}

/// Whether an answer with this status code says that the receiver, not the commit, is the trouble.
#[must_use]
pub const fn is_trouble(status: u16) -> bool {
    status == 429 || status >= 500
}

/// A chance from 0 to 1.
pub(super) fn chance(random: &dyn Fn(&mut [u8])) -> f64 {
    let mut bytes = [0; 4];
    random(&mut bytes);
    f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HOUR: Option<Duration> = Some(Duration::from_secs(3_600));

    #[test]
    fn better_tries_come_soon_and_then_slower() {
        let seconds: Vec<_> = (1..=9).map(|failures| delay(failures, HOUR, 0.0).as_secs()).collect();
        assert_eq!(seconds, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(delay(1, HOUR, 1.0), Duration::from_secs(6));
        assert_eq!(delay(u32::MAX, None, 1.0), LONGEST);
        // Never later than the gate would ask anyway.
        assert_eq!(delay(4, Some(Duration::from_secs(2)), 0.5), Duration::from_secs(2));
    }

    #[test]
    fn better_retry_after_is_read_in_both_forms() {
        let now = Time::parse_rfc3339("2026-01-02T03:04:05Z").unwrap();
        let wait = |header| retry_after(header, &now).map(|wait| wait.as_secs());
        assert_eq!(wait(" 120 "), Some(120));
        assert_eq!(wait("Fri, 02 Jan 2026 03:05:05 GMT"), Some(60));
        assert_eq!(wait("Fri, 02 Jan 2026 03:00:00 GMT"), Some(0));
        assert_eq!(wait("99999999"), Some(3_600));
        assert_eq!(wait("soon"), None);
    }
}
