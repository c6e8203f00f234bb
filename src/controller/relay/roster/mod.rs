//! A small record of each Application that the source brought: what pages list, search and count. Never the object.
//!
//! About 150 bytes each (`tests.rs` reckons it), kept in order of namespace and name. Who looks for something takes the lock for a few
//! hundred records at a time; what streams past takes it for one record, and for reading only where nothing changed.
//! Nothing is decided by it, and losing it costs nothing: the next list brings all again.

mod page;
#[cfg(test)]
mod tests;
mod words;

pub use page::{Page, Query, Row, Totals};

use self::words::{Word, Words};
use crate::notify::ObjectId;
use crate::source::Object;
use gatepost_value::Value;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Records that are passed over under one lock.
const SLICE: usize = 512;

/// One Application.
#[derive(Debug, Clone, Copy)]
struct Record {
    /// Of its UID: one of the same name made later is another one.
    uid: u64,
    /// When one of the words below last changed, Unix seconds; 0 where that is not known.
    changed: u32,
    project: Word,
    sync: Word,
    health: Word,
    phase: Word,
    /// The list, or the time between two, in which it was last seen.
    turn: u8,
    subscribed: Subscribed,
}

/// Whether anybody is told of an Application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Subscribed {
    /// It was not decided yet, or cannot be (its status is out of date).
    #[default]
    Unknown,
    /// Nobody is.
    No,
    /// Somebody is.
    Yes,
}

#[derive(Debug, Default)]
struct State {
    spaces: BTreeMap<Arc<str>, BTreeMap<Box<str>, Record>>,
    count: usize,
    projects: Words,
    syncs: Words,
    healths: Words,
    phases: Words,
    turn: u8,
    is_listing: bool,
}

/// Every Application that is there.
#[derive(Debug, Default)]
pub struct Roster {
    state: RwLock<State>,
}

/// What an object says of the words of its record.
struct Seen<'a> {
    namespace: &'a str,
    name: &'a str,
    uid: u64,
    words: [Option<Value>; 4],
    object: &'a Object,
}

/// Where the words of a record are.
const WORDS: [&[&str]; 4] = [
    &["spec", "project"],
    &["status", "sync", "status"],
    &["status", "health", "status"],
    &["status", "operationState", "phase"],
];
/// Where an object says when it became what it is.
const TIMES: [&[&str]; 3] = [
    &["status", "health", "lastTransitionTime"],
    &["status", "operationState", "finishedAt"],
    &["status", "operationState", "startedAt"],
];

impl<'a> Seen<'a> {
    fn of(object: &'a Object) -> Self {
        let words = WORDS.map(|path| object.value().at(path));
        let uid = fingerprint(&object.id().uid);
        Self { namespace: object.namespace(), name: object.name(), uid, words, object }
    }

    /// Project, sync status, health, phase of the operation; empty where there is none.
    fn texts(&self) -> [&str; 4] {
        self.words.each_ref().map(|word| word.as_ref().and_then(Value::as_str).unwrap_or_default())
    }

    /// When it became what it is, by its own word.
    fn since(&self) -> u32 {
        let times = TIMES.iter().filter_map(|path| self.object.value().at(path)?.as_str()?.parse().ok());
        let newest = times.map(jiff::Timestamp::as_second).max().or_else(|| self.object.changed_at());
        u32::try_from(newest.unwrap_or_default()).unwrap_or_default()
    }
}

impl Roster {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// An Application is there, as it is at `now_secs`.
    pub(super) fn put(&self, object: &Object, now_secs: i64) {
        let seen = Seen::of(object);
        // Most events change nothing here: readers do not wait for them.
        let is_known = self.read().has(&seen);
        if !is_known {
            self.write().put(&seen, now_secs);
        }
    }

    /// Whether anybody is told of it.
    pub(super) fn note_subscribed(&self, id: &ObjectId, subscribed: bool) {
        let subscribed = if subscribed { Subscribed::Yes } else { Subscribed::No };
        let is_known = self.read().record(&id.namespace, &id.name).is_none_or(|record| record.subscribed == subscribed);
        if !is_known && let Some(record) = self.write().record_mut(&id.namespace, &id.name) {
            record.subscribed = subscribed;
        }
    }

    /// An Application is gone. Another one of its name stays.
    pub(super) fn forget(&self, id: &ObjectId) {
        let mut state = self.write();
        if state.record(&id.namespace, &id.name).is_some_and(|record| record.uid == fingerprint(&id.uid)) {
            state.remove(&id.namespace, &id.name);
        }
    }

    /// A list of all Applications begins.
    pub(super) fn begin_list(&self) {
        let mut state = self.write();
        state.turn = state.turn.wrapping_add(1);
        state.is_listing = true;
    }

    /// The list is at its end: what it did not bring is forgotten.
    pub(super) fn end_list(&self) {
        let is_listing = std::mem::take(&mut self.write().is_listing);
        if !is_listing {
            return;
        }
        let turn = self.read().turn;
        let mut gone = Vec::new();
        self.walk(None, |_, place, record| {
            if record.turn != turn {
                gone.push((place.0.to_string(), place.1.to_owned()));
            }
            true
        });
        for (namespace, name) in gone {
            let mut state = self.write();
            if state.record(&namespace, &name).is_some_and(|record| record.turn != turn) {
                state.remove(&namespace, &name);
            }
        }
    }

    /// One Application, if it is there.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<Row> {
        let state = self.read();
        let (space, apps) = state.spaces.get_key_value(namespace)?;
        let (name, record) = apps.get_key_value(name)?;
        Some(state.row((space, name), record))
    }

    /// Visits every record behind `last` in order until the visitor has enough, a slice at a time: others get their turn in
    /// between. What changes meanwhile is seen or not.
    fn walk(&self, mut last: Option<(String, String)>, mut visit: impl FnMut(&State, Place<'_>, &Record) -> bool) {
        loop {
            let state = self.read();
            let after = last.as_ref().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
            let mut passed = 0;
            let mut reached = None;
            for (place, record) in state.after(after).take(SLICE) {
                if !visit(&state, place, record) {
                    return;
                }
                passed += 1;
                reached = Some(place);
            }
            last = reached.map(|(namespace, name)| (namespace.to_string(), name.to_owned()));
            if passed < SLICE {
                return;
            }
        }
    }
}

/// Namespace and name.
type Place<'a> = (&'a Arc<str>, &'a str);

impl State {
    fn record(&self, namespace: &str, name: &str) -> Option<&Record> {
        self.spaces.get(namespace)?.get(name)
    }

    fn record_mut(&mut self, namespace: &str, name: &str) -> Option<&mut Record> {
        self.spaces.get_mut(namespace)?.get_mut(name)
    }

    /// Whether a record says the same already.
    fn has(&self, seen: &Seen<'_>) -> bool {
        let [project, sync, health, phase] = seen.texts();
        self.record(seen.namespace, seen.name).is_some_and(|record| {
            record.uid == seen.uid
                && record.turn == self.turn
                && self.projects.is(record.project, project)
                && self.syncs.is(record.sync, sync)
                && self.healths.is(record.health, health)
                && self.phases.is(record.phase, phase)
        })
    }

    fn put(&mut self, seen: &Seen<'_>, now_secs: i64) {
        let [project, sync, health, phase] = seen.texts();
        // Taken before those of the old record are given back: the same word has the same number, another one has not.
        let mut record = Record {
            uid: seen.uid,
            changed: 0,
            project: self.projects.take(project),
            sync: self.syncs.take(sync),
            health: self.healths.take(health),
            phase: self.phases.take(phase),
            turn: self.turn,
            subscribed: Subscribed::Unknown,
        };
        match self.remove(seen.namespace, seen.name).filter(|before| before.uid == seen.uid) {
            None => record.changed = seen.since(),
            Some(before) => {
                let is_same = before.words() == record.words();
                record.changed = if is_same { before.changed } else { u32::try_from(now_secs).unwrap_or_default() };
                record.subscribed = before.subscribed;
            }
        }
        let space = match self.spaces.get_mut(seen.namespace) {
            Some(space) => space,
            None => self.spaces.entry(Arc::from(seen.namespace)).or_default(),
        };
        space.insert(Box::from(seen.name), record);
        self.count += 1;
    }

    fn remove(&mut self, namespace: &str, name: &str) -> Option<Record> {
        let space = self.spaces.get_mut(namespace)?;
        let record = space.remove(name)?;
        if space.is_empty() {
            self.spaces.remove(namespace);
        }
        self.count = self.count.saturating_sub(1);
        self.projects.give_back(record.project);
        self.syncs.give_back(record.sync);
        self.healths.give_back(record.health);
        self.phases.give_back(record.phase);
        Some(record)
    }

    /// All records behind a place, in order.
    fn after<'s>(&'s self, place: Option<(&str, &str)>) -> impl Iterator<Item = (Place<'s>, &'s Record)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let (namespace, name) = place.unwrap_or_default();
        let begun = self.spaces.get_key_value(namespace).into_iter().flat_map(move |(space, apps)| {
            apps.range::<str, _>((Excluded(name), Unbounded)).map(move |(name, record)| ((space, &**name), record))
        });
        let rest = self.spaces.range::<str, _>((Excluded(namespace), Unbounded));
        let rest = rest.flat_map(|(space, apps)| apps.iter().map(move |(name, record)| ((space, &**name), record)));
        begun.chain(rest)
    }
}

impl Record {
    /// What counts as a change.
    const fn words(&self) -> (Word, Word, Word) {
        (self.sync, self.health, self.phase)
    }
}

fn fingerprint(uid: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    hasher.finish()
}
