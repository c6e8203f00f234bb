//! Which gate is looked at next: one look at a time for each, what comes meanwhile is one more look after it.
//!
//! Decides the order only; knows neither gates nor the clock.

use super::index::Name;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Instant;

/// What is wanted of a gate; the later includes the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Want {
    /// Its `Ready` condition is to follow its CommitStatuses.
    Readiness,
    /// A whole look.
    Look,
    /// A whole look that asks whatever the interval.
    Ask,
}

#[derive(Debug, Default)]
struct Slot {
    running: bool,
    wanted: Option<Want>,
    timer: Option<Instant>,
    /// It was forgotten while it ran.
    gone: bool,
}

/// The gates that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    slots: HashMap<Name, Slot>,
    /// In the order in which they were asked for.
    waiting: VecDeque<Name>,
    timers: BTreeSet<(Instant, Name)>,
}

impl Queue {
    /// Something is wanted of a gate now.
    pub fn want(&mut self, name: Name, want: Want) {
        let slot = self.slots.entry(name.clone()).or_default();
        if slot.wanted.is_none() && !slot.running {
            self.waiting.push_back(name);
        }
        slot.wanted = slot.wanted.max(Some(want));
        slot.gone = false;
    }

    /// The gate whose turn it is; it counts as running from here on.
    pub fn next(&mut self, now: Instant) -> Option<(Name, Want)> {
        while let Some((at, _)) = self.timers.first()
            && *at <= now
        {
            let (_, name) = self.timers.pop_first()?;
            if let Some(slot) = self.slots.get_mut(&name) {
                slot.timer = None;
            }
            self.want(name, Want::Look);
        }
        while let Some(name) = self.waiting.pop_front() {
            let Some(slot) = self.slots.get_mut(&name) else { continue };
            let Some(want) = slot.wanted.take() else { continue };
            slot.running = true;
            // A look sets its timer anew; the condition alone does not.
            if want > Want::Readiness
                && let Some(at) = slot.timer.take()
            {
                self.timers.remove(&(at, name.clone()));
            }
            return Some((name, want));
        }
        None
    }

    /// Whether a gate is being looked at.
    pub fn is_running(&self, name: &Name) -> bool {
        self.slots.get(name).is_some_and(|slot| slot.running)
    }

    /// What was wanted is done; `again` is when to look again without being asked, `None` to leave the timer as it is.
    pub fn done(&mut self, name: &Name, again: Option<Instant>) {
        let Some(slot) = self.slots.get_mut(name) else { return };
        slot.running = false;
        if slot.gone {
            self.slots.remove(name);
            return;
        }
        if slot.wanted.is_some() {
            self.waiting.push_back(name.clone());
        }
        if let Some(at) = again {
            if let Some(old) = slot.timer.replace(at) {
                self.timers.remove(&(old, name.clone()));
            }
            self.timers.insert((at, name.clone()));
        }
    }

    /// A gate is gone. What runs ends by itself, and before another of the same name begins.
    pub fn forget(&mut self, name: &Name) {
        let Some(slot) = self.slots.get_mut(name) else { return };
        if let Some(at) = slot.timer.take() {
            self.timers.remove(&(at, name.clone()));
        }
        (slot.wanted, slot.gone) = (None, true);
        if !slot.running {
            self.slots.remove(name);
        }
    }

    /// When the next timer ends.
    pub fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::Duration;

    fn name(name: &str) -> Name {
        Name { namespace: "n".into(), name: name.into() }
    }

    #[test]
    fn what_comes_during_a_look_is_one_more_look() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.want(name("a"), Want::Readiness);
        queue.want(name("a"), Want::Look);
        queue.want(name("b"), Want::Readiness);
        assert_eq!(queue.next(now).unwrap(), (name("a"), Want::Look));
        queue.want(name("a"), Want::Ask);
        queue.want(name("a"), Want::Readiness);
        assert_eq!(queue.next(now).unwrap().0, name("b"));
        assert!(queue.next(now).is_none(), "a is being looked at");
        queue.done(&name("a"), None);
        assert_eq!(queue.next(now).unwrap(), (name("a"), Want::Ask));
        queue.done(&name("a"), None);
        assert!(queue.next(now).is_none());
    }

    #[test]
    fn a_timer_ends_once_and_a_look_takes_it_with_it() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let second = Duration::from_secs(1);
        queue.want(name("a"), Want::Look);
        queue.next(now).unwrap();
        queue.done(&name("a"), Some(now + second));
        assert_eq!((queue.next_timer(), queue.next(now)), (Some(now + second), None));
        queue.want(name("a"), Want::Readiness);
        queue.next(now).unwrap();
        queue.done(&name("a"), None);
        assert_eq!(queue.next_timer(), Some(now + second), "readiness alone leaves it");
        assert_eq!(queue.next(now + second).unwrap(), (name("a"), Want::Look));
        queue.done(&name("a"), Some(now + second * 2));
        queue.forget(&name("a"));
        assert_eq!((queue.next_timer(), queue.next(now + second * 9)), (None, None));
    }

    #[test]
    fn one_made_anew_waits_for_the_end_of_the_look_at_the_old() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.want(name("a"), Want::Look);
        queue.next(now).unwrap();
        queue.forget(&name("a"));
        queue.want(name("a"), Want::Look);
        assert!(queue.next(now).is_none());
        queue.done(&name("a"), None);
        assert_eq!(queue.next(now).unwrap(), (name("a"), Want::Look));
        queue.forget(&name("a"));
        queue.done(&name("a"), Some(now));
        assert!(queue.slots.is_empty() && queue.timers.is_empty());
    }
}
