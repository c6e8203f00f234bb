//! What is remembered of each Application since the start: a few dozen bytes that say whether an event brings anything new.
//!
//! Losing it costs one evaluation each and nothing else: the truth is in the store.

use super::found::{Finds, Found};
use crate::notify::interest::{Digest, digest_of};
use crate::notify::{ObjectId, history};
use crate::source::Object;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Largest projection that is kept; beyond it the object is read when it is needed.
const PROJECTION_BYTES: usize = 8 << 10;
/// All projections together.
const PROJECTIONS_BYTES: usize = 16 << 20;

/// What conditions that read the clock need, to be run again without an event.
#[derive(Debug, Clone)]
pub(super) struct Timed {
    /// Which Application.
    pub id: ObjectId,
    /// Namespace of the configuration, as in state keys.
    pub namespace: String,
    /// Its triggers that read the clock.
    pub triggers: Vec<String>,
    /// What they read of it, as JSON; `None` where that is too much.
    pub projection: Option<Box<[u8]>>,
    /// What they came to last.
    pub outcome: Digest,
}

/// One Application.
#[derive(Debug)]
struct Seen {
    /// Of what was last decided and made durable.
    digest: Option<Digest>,
    /// Of the `notified` annotation as last seen.
    notified: Digest,
    own: Own,
    timed: Option<Box<Timed>>,
}

/// What we wrote of the `notified` annotation ourselves.
#[derive(Debug, Default)]
struct Own {
    /// As we last wrote it, or are about to.
    written: Option<Digest>,
    /// It is not on record yet.
    in_flight: bool,
    /// An event said otherwise meanwhile.
    contradicted: bool,
}

impl Own {
    fn compare(&mut self, notified: Digest) -> bool {
        let same = self.written == Some(notified);
        self.contradicted |= self.in_flight && !same;
        same
    }
}

#[derive(Debug, Default)]
struct State {
    seen: HashMap<Digest, Seen>,
    /// What the list that is going on has brought so far.
    listed: Option<HashSet<Digest>>,
    projected_bytes: usize,
    found: Finds,
}

/// Everything that was seen. Shared by relay and projector.
#[derive(Debug, Default)]
pub struct Sightings {
    state: Mutex<State>,
}

impl Sightings {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A list of all Applications begins.
    pub(super) fn begin_list(&self) {
        self.lock().listed = Some(HashSet::new());
    }

    /// An Application is there.
    pub(super) fn is_there(&self, uid: &str) {
        if let Some(listed) = &mut self.lock().listed {
            listed.insert(digest_of(Some(uid)));
        }
    }

    /// The list is at its end: what it brought; the others are forgotten. None where no list was going on.
    pub(super) fn end_list(&self) -> Option<HashSet<Digest>> {
        let mut state = self.lock();
        let listed = state.listed.take()?;
        let gone: Vec<Digest> = state.seen.keys().filter(|key| !listed.contains(*key)).copied().collect();
        for key in gone {
            state.remove(&key);
        }
        Some(listed)
    }

    /// Whether an Application was seen and not forgotten.
    pub(super) fn knows(&self, uid: &str) -> bool {
        self.lock().seen.contains_key(&digest_of(Some(uid)))
    }

    /// How many Applications have a `notified` annotation.
    pub(super) fn annotated(&self) -> usize {
        let none = digest_of(None);
        self.lock().seen.values().filter(|seen| seen.notified != none).count()
    }

    /// Whether this was decided before: the same sight, and the annotation as it was or as we wrote it ourselves.
    pub(super) fn is_known(&self, uid: &str, digest: Option<&Digest>, notified: Option<&str>) -> bool {
        let notified = digest_of(notified);
        let mut state = self.lock();
        let Some(seen) = state.seen.get_mut(&digest_of(Some(uid))) else { return false };
        if digest.is_none() || seen.digest.as_ref() != digest {
            return false;
        }
        if !seen.own.compare(notified) && seen.notified != notified {
            return false;
        }
        seen.notified = notified;
        true
    }

    /// Keeps what was decided and made durable.
    pub(super) fn keep(&self, uid: &str, digest: Option<Digest>, notified: Option<&str>, timed: Option<Timed>) {
        let (key, notified) = (digest_of(Some(uid)), digest_of(notified));
        let mut state = self.lock();
        let mut own = state.remove(&key).map(|seen| seen.own).unwrap_or_default();
        own.compare(notified);
        let timed = timed.map(|timed| Box::new(state.bounded(timed)));
        state.seen.insert(key, Seen { digest, notified, own, timed });
    }

    /// The Application is gone.
    pub(super) fn forget(&self, uid: &str) {
        self.lock().remove(&digest_of(Some(uid)));
    }

    /// The projector is about to write this annotation: its echo brings nothing new.
    pub(in crate::controller) fn expect(&self, uid: &str, notified: Option<&str>) {
        let (key, unseen) = (digest_of(Some(uid)), digest_of(None));
        let blank = || Seen { digest: None, notified: unseen, own: Own::default(), timed: None };
        self.lock().seen.entry(key).or_insert_with(blank).own =
            Own { written: Some(digest_of(notified)), in_flight: true, contradicted: false };
    }

    /// Something was decided about this object: its annotation will be written before long.
    pub(in crate::controller) fn found(&self, object: &Object) {
        let found =
            Found { annotation: object.annotation(history::ANNOTATION), version: object.resource_version().to_owned() };
        self.lock().found.put(&object.id().uid, found, Instant::now());
    }

    /// What the look before the notification found, if that is not long ago.
    pub(in crate::controller) fn take_found(&self, uid: &str) -> Option<Found> {
        self.lock().found.take(uid, Instant::now())
    }

    /// Whether this process has written the annotation, or is about to: then what it listed at its start may be older.
    pub(super) fn was_written(&self, uid: &str) -> bool {
        self.lock().seen.get(&digest_of(Some(uid))).is_some_and(|seen| seen.own.written.is_some())
    }

    /// What the projector wrote is on record now. If an event said otherwise before that, the next one is looked at whatever it brings:
    /// a key taken out by hand means something only once ours is on record.
    pub(in crate::controller) fn recorded(&self, uid: &str) {
        if let Some(seen) = self.lock().seen.get_mut(&digest_of(Some(uid))) {
            seen.own.in_flight = false;
            if std::mem::take(&mut seen.own.contradicted) {
                seen.digest = None;
            }
        }
    }

    /// Applications with conditions that read the clock, by key.
    pub(super) fn timed(&self) -> Vec<Digest> {
        self.lock().seen.iter().filter(|(_, seen)| seen.timed.is_some()).map(|(key, _)| *key).collect()
    }

    /// What one of them needs.
    pub(super) fn timed_of(&self, key: &Digest) -> Option<Timed> {
        self.lock().seen.get(key)?.timed.as_deref().cloned()
    }
}

impl State {
    fn remove(&mut self, key: &Digest) -> Option<Seen> {
        let seen = self.seen.remove(key)?;
        let freed = seen.timed.as_ref().and_then(|timed| timed.projection.as_ref()).map_or(0, |bytes| bytes.len());
        self.projected_bytes = self.projected_bytes.saturating_sub(freed);
        Some(seen)
    }

    fn bounded(&mut self, timed: Timed) -> Timed {
        let bytes = timed.projection.as_ref().map_or(0, |bytes| bytes.len());
        if bytes > PROJECTION_BYTES || self.projected_bytes + bytes > PROJECTIONS_BYTES {
            return Timed { projection: None, ..timed };
        }
        self.projected_bytes += bytes;
        timed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Digest = [1; 16];
    const SECOND: Digest = [2; 16];

    fn known(sightings: &Sightings, digest: Digest, notified: Option<&str>) -> bool {
        sightings.is_known("u", Some(&digest), notified)
    }

    #[test]
    fn the_same_sight_is_known_and_another_is_not() {
        let sightings = Sightings::default();
        assert!(!known(&sightings, FIRST, None));
        sightings.keep("u", Some(FIRST), None, None);
        assert!(known(&sightings, FIRST, None));
        assert!(!known(&sightings, SECOND, None));
        assert!(!known(&sightings, FIRST, Some("{}")));
        sightings.keep("u", None, None, None);
        assert!(!sightings.is_known("u", None, None), "without a digest nothing is known");
        sightings.forget("u");
        assert!(!known(&sightings, FIRST, None));
    }

    #[test]
    fn what_a_list_does_not_bring_is_forgotten() {
        let sightings = Sightings::default();
        for uid in ["stays", "goes"] {
            sightings.keep(uid, Some(FIRST), Some("{}"), None);
        }
        assert_eq!(sightings.end_list(), None, "no list is going on");
        assert_eq!(sightings.annotated(), 2);
        sightings.begin_list();
        sightings.is_there("stays");
        assert_eq!(sightings.end_list().map(|listed| listed.len()), Some(1));
        assert!(sightings.knows("stays") && !sightings.knows("goes"));
    }

    #[test]
    fn an_echo_is_known_and_its_removal_is_not() {
        let sightings = Sightings::default();
        sightings.keep("u", Some(FIRST), None, None);
        sightings.expect("u", Some("{\"k\":1}"));
        assert!(known(&sightings, FIRST, Some("{\"k\":1}")));
        sightings.recorded("u");
        assert!(known(&sightings, FIRST, Some("{\"k\":1}")));
        assert!(!known(&sightings, FIRST, None), "a key taken out by hand asks for a resend");
    }

    #[test]
    fn a_removal_before_the_record_is_looked_at_again() {
        let sightings = Sightings::default();
        sightings.keep("u", Some(FIRST), None, None);
        sightings.expect("u", Some("{\"k\":1}"));
        assert!(known(&sightings, FIRST, Some("{\"k\":1}")), "the echo");
        assert!(!known(&sightings, FIRST, None), "the removal, while the patch is being recorded");
        sightings.keep("u", Some(FIRST), None, None);
        sightings.recorded("u");
        assert!(!known(&sightings, FIRST, None));
    }

    #[test]
    fn an_echo_after_the_record_is_known() {
        let sightings = Sightings::default();
        sightings.keep("u", Some(FIRST), None, None);
        sightings.expect("u", Some("{\"k\":1}"));
        sightings.recorded("u");
        assert!(known(&sightings, FIRST, Some("{\"k\":1}")));
    }

    #[test]
    fn projections_are_bounded() {
        let sightings = Sightings::default();
        let timed = |bytes: usize| Timed {
            id: ObjectId { namespace: "n".into(), name: "a".into(), uid: "u".into() },
            namespace: String::new(),
            triggers: vec!["t".into()],
            projection: Some(vec![b' '; bytes].into()),
            outcome: FIRST,
        };
        let has_projection =
            |uid: &str| sightings.timed_of(&digest_of(Some(uid))).is_some_and(|t| t.projection.is_some());
        sightings.keep("large", None, None, Some(timed(PROJECTION_BYTES + 1)));
        assert!(!has_projection("large"));
        for nth in 0..=PROJECTIONS_BYTES / PROJECTION_BYTES {
            sightings.keep(&format!("u{nth}"), None, None, Some(timed(PROJECTION_BYTES)));
        }
        let last = format!("u{}", PROJECTIONS_BYTES / PROJECTION_BYTES);
        assert!(has_projection("u0") && !has_projection(&last));
        sightings.forget("u0");
        sightings.keep(&last, None, None, Some(timed(PROJECTION_BYTES)));
        assert!(has_projection(&last));
        assert_eq!(sightings.timed().len(), PROJECTIONS_BYTES / PROJECTION_BYTES + 1);
    }
}
