//! The `notified` annotation as looks found it, for the patch that follows: what a watch brought a moment ago is not read again.
//!
//! Only a saving: a patch tests what it was made of, and where somebody changed that meanwhile the object is read after all.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Applications that are remembered at once; a burst's others are read.
const MAX: usize = 256;
/// How long one is worth remembering: beyond it something else has probably changed.
const AGE_MAX: Duration = Duration::from_secs(5);

/// One Application as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::controller) struct Found {
    /// Its `notified` annotation.
    pub annotation: Option<String>,
    /// Its resourceVersion.
    pub version: String,
}

/// What was found, by UID.
#[derive(Debug, Default)]
pub(super) struct Finds {
    by_uid: HashMap<String, (Found, Instant)>,
}

impl Finds {
    /// Remembers one, unless there are too many.
    pub(super) fn put(&mut self, uid: &str, found: Found, now: Instant) {
        if self.by_uid.len() >= MAX {
            self.by_uid.retain(|_, (_, since)| now.saturating_duration_since(*since) <= AGE_MAX);
        }
        if self.by_uid.len() < MAX || self.by_uid.contains_key(uid) {
            self.by_uid.insert(uid.to_owned(), (found, now));
        }
    }

    /// Hands one over, once, if it is fresh.
    pub(super) fn take(&mut self, uid: &str, now: Instant) -> Option<Found> {
        let (found, since) = self.by_uid.remove(uid)?;
        (now.saturating_duration_since(since) <= AGE_MAX).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(version: &str) -> Found {
        Found { annotation: None, version: version.to_owned() }
    }

    #[test]
    fn one_is_handed_over_once_and_only_while_it_is_fresh() {
        let (mut finds, now) = (Finds::default(), Instant::now());
        finds.put("u", found("1"), now);
        finds.put("u", found("2"), now);
        assert_eq!(finds.take("u", now + AGE_MAX), Some(found("2")));
        assert_eq!(finds.take("u", now), None);
        finds.put("u", found("3"), now);
        assert_eq!(finds.take("u", now + AGE_MAX + Duration::from_millis(1)), None);
    }

    #[test]
    fn they_are_bounded_and_what_is_old_makes_room() {
        let (mut finds, now) = (Finds::default(), Instant::now());
        (0..=MAX).for_each(|nth| finds.put(&nth.to_string(), found("1"), now));
        assert_eq!(finds.by_uid.len(), MAX);
        finds.put("0", found("2"), now);
        assert_eq!(finds.take("0", now), Some(found("2")));
        finds.put("later", found("1"), now + AGE_MAX * 2);
        finds.put("last", found("1"), now + AGE_MAX * 2);
        assert_eq!(finds.by_uid.len(), 2);
    }
}
