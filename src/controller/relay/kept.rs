//! The last of an Application that somebody wants to know the end of: kept in the store, packed, so that it can be told of after a
//! deletion that nobody saw.
//!
//! Only of Applications with a subscription to a trigger that reads `metadata.deletionTimestamp`; of all others nothing is kept.
//! Written when something worth telling changed, not with every event. Here is only what says whether to write: a few dozen bytes each.

use crate::notify::history;
use crate::notify::interest::{Digest, digest_of, digest_of_all};
use crate::outbox::Change;
use crate::outbox::store::KeptObject;
use crate::source::Object;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use gatepost_value::{Str, Value};
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Largest packed object; a larger one is kept without its long lists.
const CONTENT_BYTES: usize = 64 << 10;
/// All of them together.
const ALL_BYTES: u64 = 64 << 20;
/// Largest object when it is unpacked.
const UNPACKED_BYTES: u64 = 8 << 20;

/// What makes it worth to write the object anew; of annotations all but our own.
const ESSENCE: [&[&str]; 9] = [
    &["metadata", "name"],
    &["metadata", "labels"],
    &["metadata", "finalizers"],
    &["metadata", "deletionTimestamp"],
    &["spec"],
    &["status", "health", "status"],
    &["status", "sync", "status"],
    &["status", "sync", "revision"],
    &["status", "operationState", "phase"],
];
/// Lists that make an Application large, and that few notifications about its end tell of.
const LONG: [&[&str]; 4] =
    [&["status", "resources"], &["status", "history"], &["status", "operationState"], &["status", "conditions"]];

/// What is known of one kept object.
#[derive(Debug, Clone, Copy)]
struct Known {
    digest: Digest,
    bytes: u64,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<Digest, Known>,
    bytes: u64,
}

/// Which objects are kept. A copy of what the store has, so that nothing is written that is there already.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<State>);

impl Kept {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the store has.
    pub(super) fn load(&self, all: &[KeptObject]) {
        let known = all.iter().filter_map(|one| {
            let digest = Digest::try_from(one.digest.as_slice()).ok()?;
            Some((digest_of(Some(&one.object.uid)), Known { digest, bytes: one.bytes }))
        });
        let known: HashMap<_, _> = known.collect();
        let bytes = known.values().map(|one| one.bytes).sum();
        *self.lock() = State { known, bytes };
    }

    /// What is to be changed in the store now that an object looks like this; `wanted`: its end is to be told.
    pub(super) fn change(&self, object: &Object, wanted: bool) -> Option<Change> {
        let key = digest_of(Some(&object.id().uid));
        let before = self.lock().known.get(&key).copied();
        if !wanted {
            return before.map(|_| Change::Unkeep);
        }
        let digest = essence(object.value());
        if before.is_some_and(|before| before.digest == digest) {
            return None;
        }
        let content = pack(object.value())?;
        let held = self.lock().bytes.saturating_sub(before.map_or(0, |before| before.bytes));
        if held.saturating_add(content.len() as u64) > ALL_BYTES {
            tracing::warn!(object = ?object, "too much is kept for the end of Applications: of this one nothing new is kept");
            return None;
        }
        Some(Change::Keep { digest: digest.to_vec(), content })
    }

    /// The change is in the store.
    pub(super) fn changed(&self, uid: &str, change: &Change) {
        let key = digest_of(Some(uid));
        let mut state = self.lock();
        let after = match change {
            Change::Keep { digest, content } => {
                let digest = Digest::try_from(digest.as_slice()).ok();
                digest.map(|digest| Known { digest, bytes: content.len() as u64 })
            }
            Change::Unkeep | Change::ForgetObject => None,
            _ => return,
        };
        let before = match after {
            Some(after) => state.known.insert(key, after),
            None => state.known.remove(&key),
        };
        let (before, after) = (before.map_or(0, |one| one.bytes), after.map_or(0, |one| one.bytes));
        state.bytes = state.bytes.saturating_sub(before).saturating_add(after);
    }
}

fn essence(object: &Value) -> Digest {
    let part = |path: &&[&str]| digest_of(object.at(path).and_then(|v| serde_json::to_string(&v).ok()).as_deref());
    let mut parts: Vec<Digest> = ESSENCE.iter().map(part).collect();
    if let Some(Value::Map(annotations)) = object.at(&["metadata", "annotations"]) {
        let foreign = annotations.entries().into_iter().filter(|(name, _)| name.as_str() != Some(history::ANNOTATION));
        parts.extend(foreign.flat_map(|(name, value)| [digest_of(name.as_str()), digest_of(value.as_str())]));
    }
    digest_of_all(&parts)
}

/// The object as it is kept; nothing of one that is too large even without its lists.
fn pack(object: &Value) -> Option<Vec<u8>> {
    let whole = packed(object)?;
    if whole.len() <= CONTENT_BYTES {
        return Some(whole);
    }
    let slim = LONG.iter().fold(object.clone(), |object, path| without(&object, path));
    packed(&slim).filter(|content| content.len() <= CONTENT_BYTES)
}

fn packed(object: &Value) -> Option<Vec<u8>> {
    let text = serde_json::to_vec(object).ok()?;
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&text).ok()?;
    encoder.finish().ok()
}

/// The object as it was kept; nothing of what is none.
pub(super) fn unpack(content: &[u8]) -> Option<Object> {
    let mut text = Vec::new();
    DeflateDecoder::new(content).take(UNPACKED_BYTES).read_to_end(&mut text).ok()?;
    serde_json::from_slice::<Value>(&text).ok().map(Object::new)
}

fn without(value: &Value, path: &[&str]) -> Value {
    let (Value::Map(map), Some((name, rest))) = (value, path.split_first()) else { return value.clone() };
    let entries = map.entries().into_iter().filter_map(|(key, inner)| match (key.as_str() == Some(name), rest) {
        (false, _) => Some((key, inner)),
        (true, []) => None,
        (true, rest) => Some((key, without(&inner, rest))),
    });
    Value::map(entries.collect::<Vec<(Str, Value)>>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gatepost_value::json::{Numbers, from_serde};
    use serde_json::{Value as Json, json};

    fn object(change: impl FnOnce(&mut Json)) -> Object {
        let mut object = json!({
            "metadata": {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "1", "annotations": {"k": "v"}},
            "spec": {"project": "p"},
            "status": {"reconciledAt": "then", "resources": [{"name": "r"}]},
        });
        change(&mut object);
        Object::new(from_serde(&object, Numbers::Kubernetes))
    }

    #[test]
    fn it_is_written_when_something_worth_telling_changed() {
        let kept = Kept::default();
        let first = kept.change(&object(|_| {}), true).unwrap();
        kept.changed("u", &first);
        let Change::Keep { content, .. } = &first else { panic!("{first:?}") };
        let back = unpack(content).unwrap();
        assert_eq!((back.id(), back.annotation("k").as_deref()), (object(|_| {}).id(), Some("v")));
        let again = |change: fn(&mut Json)| kept.change(&object(change), true).is_some();
        assert!(!again(|o| o["status"]["reconciledAt"] = json!("now")));
        assert!(!again(|o| o["metadata"]["annotations"][history::ANNOTATION] = json!("{}")));
        assert!(again(|o| o["metadata"]["annotations"]["k"] = json!("w")));
        assert!(again(|o| o["spec"]["project"] = json!("q")));
        assert_eq!(kept.change(&object(|_| {}), false), Some(Change::Unkeep));
        kept.changed("u", &Change::Unkeep);
        assert_eq!(kept.change(&object(|_| {}), false), None, "nothing is kept of those whose end nobody asks for");
    }

    #[test]
    fn what_the_store_has_is_not_written_again() {
        let (kept, before) = (Kept::default(), Kept::default());
        let Some(Change::Keep { digest, content }) = before.change(&object(|_| {}), true) else { panic!() };
        let bytes = content.len() as u64;
        kept.load(&[KeptObject { object: object(|_| {}).id(), digest, bytes }]);
        assert_eq!(kept.change(&object(|_| {}), true), None);
    }

    #[test]
    fn a_large_object_loses_its_lists_and_all_together_are_bounded() {
        let mut state = 1_u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            format!("{state:x}")
        };
        let resources: Vec<String> = (0..20_000).map(|_| noise()).collect();
        let large = object(|o| o["status"]["resources"] = json!(resources));
        let Some(Change::Keep { content, .. }) = Kept::default().change(&large, true) else { panic!() };
        assert!(content.len() <= CONTENT_BYTES);
        assert!(unpack(&content).unwrap().value().at(&["status", "resources"]).is_none());
        let kept = Kept::default();
        let digest = vec![0; 16];
        kept.load(&[KeptObject {
            object: crate::notify::ObjectId { uid: "other".into(), ..large.id() },
            digest,
            bytes: ALL_BYTES,
        }]);
        assert_eq!(kept.change(&large, true), None);
    }
}
