//! Brakes: one Application, trigger and recipient that is told too often, and a tenant that decides too much or has too much open.
//!
//! The first two count in fixed windows and in memory: a restart forgets, which errs on the side of sending. What a tenant is held
//! back from is not lost, it is decided when its window is over; the platform's own floods are only told.

use crate::notify::interest::Digest;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// Notifications an hour for one Application, trigger and recipient.
const TOLD_PER_HOUR: u32 = 60;
/// Decisions a minute of one tenant.
const DECIDED_PER_MINUTE: u32 = 600;
/// Deliveries of one tenant that may be open.
pub(super) const OPEN_MAX: u32 = 10_000;
/// How long an answer of the store to that is good for.
const OPEN_FRESH_MS: i64 = 1_000;
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

/// What was counted for one look, by state key: a look that is tried again because the store was away counts once.
pub(super) type Counted = BTreeMap<String, bool>;

/// The brakes.
#[derive(Default)]
pub(super) struct Brake {
    told: Windows<Digest>,
    tenants: Windows<String>,
    open: Mutex<HashMap<String, Open>>,
}

/// How many deliveries of a tenant are open, as last asked of the store.
#[derive(Debug, Clone, Copy)]
struct Open {
    asked_ms: i64,
    count: u32,
    told: bool,
}

impl Brake {
    /// Counts a notification.
    pub(super) fn tell(&self, key: Digest, now_ms: i64) -> Pressure {
        self.told.count(key, now_ms, HOUR_MS, TOLD_PER_HOUR)
    }
    /// Whether the store has to be asked how many deliveries of a tenant are open.
    pub(super) fn asks_for_open(&self, tenant: &str, now_ms: i64) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(tenant).is_none_or(|open| !(0..OPEN_FRESH_MS).contains(&now_ms.saturating_sub(open.asked_ms)))
    }
    /// What the store answered.
    pub(super) fn set_open(&self, tenant: &str, count: u32, now_ms: i64) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let told = open.get(tenant).is_some_and(|before| before.told) && count >= OPEN_MAX;
        open.insert(tenant.to_owned(), Open { asked_ms: now_ms, count, told });
    }
    /// Counts one more delivery of a tenant, if there is room.
    pub(super) fn open_one(&self, tenant: &str) -> Pressure {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = open.get_mut(tenant) else { return Pressure::Fine };
        if open.count < OPEN_MAX {
            open.count += 1;
            return Pressure::Fine;
        }
        if std::mem::replace(&mut open.told, true) { Pressure::Over } else { Pressure::Exceeded }
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
    fn a_tenant_has_ten_thousand_open() {
        let brake = Brake::default();
        assert!(brake.asks_for_open("team", 0));
        brake.set_open("team", OPEN_MAX - 1, 0);
        assert!(!brake.asks_for_open("team", OPEN_FRESH_MS - 1) && brake.asks_for_open("team", OPEN_FRESH_MS));
        let pressures: Vec<_> = (0..3).map(|_| brake.open_one("team")).collect();
        assert_eq!(pressures, [Pressure::Fine, Pressure::Exceeded, Pressure::Over]);
        brake.set_open("team", OPEN_MAX, 1);
        assert_eq!(brake.open_one("team"), Pressure::Over, "told once");
        brake.set_open("team", 5, 2);
        assert_eq!((brake.open_one("team"), brake.open_one("other")), (Pressure::Fine, Pressure::Fine));
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
