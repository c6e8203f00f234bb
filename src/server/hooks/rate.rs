//! How often somebody may come: so many at once, then one each interval. Time comes in; nothing here reads a clock.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Those who are remembered; beyond it the ones that have all their turns again are forgotten, then everybody.
const MOST: usize = 10_000;

/// One limit for many who come.
pub(super) struct Rate<K> {
    /// One turn comes back after this time.
    interval: Duration,
    /// Turns that can be taken at once.
    burst: u32,
    /// When each will have all its turns again.
    full_at: HashMap<K, Instant>,
}

impl<K: Eq + Hash> Rate<K> {
    pub(super) fn new(interval: Duration, burst: u32) -> Self {
        Self { interval, burst, full_at: HashMap::new() }
    }

    /// Whether there is a turn, without taking it.
    ///
    /// # Errors
    /// How long it takes until there is one.
    pub(super) fn look(&self, who: &K, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.get(who).copied().unwrap_or(now).max(now);
        // All turns are taken when the last one would be back only after a whole burst.
        let taken = full_at - now;
        let room = self.interval * self.burst;
        if taken + self.interval <= room { Ok(()) } else { Err(taken + self.interval - room) }
    }

    /// Takes a turn.
    ///
    /// # Errors
    /// How long it takes until there is one.
    pub(super) fn take(&mut self, who: K, now: Instant) -> Result<(), Duration> {
        self.look(&who, now)?;
        if self.full_at.len() >= MOST {
            self.full_at.retain(|_, full_at| *full_at > now);
            if self.full_at.len() >= MOST {
                self.full_at.clear();
            }
        }
        let full_at = self.full_at.entry(who).or_insert(now);
        *full_at = (*full_at).max(now) + self.interval;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_burst_then_one_each_interval() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut rate = Rate::new(second, 3);
        for _ in 0..3 {
            rate.take("a", start).unwrap();
        }
        assert_eq!(rate.take("a", start), Err(second));
        assert_eq!(rate.look(&"b", start), Ok(()), "others have their own");
        rate.take("a", start + second).unwrap();
        assert!(rate.take("a", start + second).is_err());
        rate.take("a", start + 100 * second).unwrap();
        rate.take("a", start + 100 * second).unwrap();
    }

    #[test]
    fn it_does_not_grow() {
        let now = Instant::now();
        let mut rate = Rate::new(Duration::from_secs(1), 1);
        for n in 0..3 * MOST {
            rate.take(n, now).unwrap();
        }
        assert!(rate.full_at.len() <= MOST);
    }
}
