//! Two brakes: one Application, trigger and recipient that is told too often, and a tenant that decides too much.
//!
//! Both count in fixed windows and in memory: a restart forgets, which errs on the side of sending. What a tenant is held
//! back from is not lost, it is decided when its window is over; the platform's own floods are only told.

use crate::notify::interest::Digest;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// Notifications an hour for one Application, trigger and recipient.
const TOLD_PER_HOUR: u32 = 60;
/// Decisions a minute of one tenant.
const DECIDED_PER_MINUTE: u32 = 600;
const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;
/// Windows kept; beyond it all are forgotten.
const KEPT_MAX: usize = 100_000;

/// What a count comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pressure {
    /// Within bounds.
    Fine,
    /// The first one beyond: worth telling.
    Exceeded,
    /// Beyond, and told already.
    Over,
}

/// The brakes.
#[derive(Default)]
pub(super) struct Brake {
    told: Windows<Digest>,
    tenants: Windows<String>,
}

impl Brake {
    /// Counts a notification.
    pub(super) fn tell(&self, key: Digest, now_ms: i64) -> Pressure {
        self.told.count(key, now_ms, HOUR_MS, TOLD_PER_HOUR)
    }
    /// Counts a decision of a tenant.
    pub(super) fn decide(&self, tenant: &str, now_ms: i64) -> Pressure {
        self.tenants.count(tenant.to_owned(), now_ms, MINUTE_MS, DECIDED_PER_MINUTE)
    }
}

struct Windows<K>(Mutex<HashMap<K, (i64, u32)>>);

impl<K> Default for Windows<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq> Windows<K> {
    fn count(&self, key: K, now_ms: i64, window_ms: i64, most: u32) -> Pressure {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= KEPT_MAX && !windows.contains_key(&key) {
            windows.retain(|_, (began, _)| now_ms.saturating_sub(*began) < window_ms);
            if windows.len() >= KEPT_MAX {
                windows.clear();
            }
        }
        let (began, count) = windows.entry(key).or_insert((now_ms, 0));
        if !(0..window_ms).contains(&now_ms.saturating_sub(*began)) {
            (*began, *count) = (now_ms, 0);
        }
        *count = count.saturating_add(1);
        match *count {
            n if n <= most => Pressure::Fine,
            n if n == most + 1 => Pressure::Exceeded,
            _ => Pressure::Over,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixty_first_in_an_hour_is_told_once() {
        let brake = Brake::default();
        let pressures: Vec<_> = (0..63).map(|n| brake.tell([1; 16], n * 1_000)).collect();
        assert!(pressures[..60].iter().all(|pressure| *pressure == Pressure::Fine));
        assert_eq!(pressures[60..], [Pressure::Exceeded, Pressure::Over, Pressure::Over]);
        assert_eq!(brake.tell([2; 16], 0), Pressure::Fine, "another recipient");
        assert_eq!(brake.tell([1; 16], HOUR_MS), Pressure::Fine, "another hour");
    }

    #[test]
    fn a_tenant_has_six_hundred_decisions_a_minute() {
        let brake = Brake::default();
        assert!((0..600).all(|_| brake.decide("team", 5) == Pressure::Fine));
        assert_eq!(brake.decide("team", 5), Pressure::Exceeded);
        assert_eq!(brake.decide("other", 5), Pressure::Fine);
        assert_eq!(brake.decide("team", -5), Pressure::Fine, "a clock that was set back opens a new window");
    }

    #[test]
    fn memory_is_bounded() {
        let windows = Windows::default();
        for n in 0..=KEPT_MAX {
            windows.count(n, 0, HOUR_MS, 1);
        }
        assert!(windows.0.lock().unwrap_or_else(PoisonError::into_inner).len() <= KEPT_MAX);
    }
}
