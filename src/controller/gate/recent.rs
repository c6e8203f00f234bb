//! Gates and strategies as they were seen a moment ago, whole: what a watch brought is not asked for again by the look that it causes.
//!
//! Only for moments, so that a watch that has silently died misleads nobody for longer than that, and a cluster full of strategies costs no
//! memory. Must never answer with an older version than one that was seen, or written by this process.

use super::index::Name;
use super::lock;
use super::watch::{Kind, version};
use kube::api::DynamicObject;
use serde_json::Value as Json;
use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long what was seen counts as new.
const FRESH: Duration = Duration::from_secs(5);
/// Bytes of JSON that are kept at most.
const BYTES_MAX: usize = 4 << 20;

type Key = (Kind, Name);

/// The objects, packed.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    objects: HashMap<Key, Packed>,
    /// In the order in which they came; one that came again stands twice.
    order: VecDeque<(Instant, Key)>,
    bytes: usize,
}

#[derive(Debug)]
struct Packed {
    at: Instant,
    version: u64,
    text: Vec<u8>,
}

impl Recent {
    /// An object was seen so, or is so since it was written.
    pub fn put(&self, kind: Kind, name: &Name, object: &DynamicObject, now: Instant) {
        // What cannot be written as JSON was never read as such.
        let (version, text) = (version(&object.metadata), serde_json::to_vec(object).unwrap_or_default());
        let mut kept = lock(&self.0);
        kept.drop_old(now);
        let key = (kind, name.clone());
        if kept.objects.get(&key).is_some_and(|known| known.version > version) {
            return;
        }
        kept.remove(&key);
        if kept.bytes + text.len() > BYTES_MAX {
            return;
        }
        kept.bytes += text.len();
        kept.order.push_back((now, key.clone()));
        kept.objects.insert(key, Packed { at: now, version, text });
    }

    /// An object is gone.
    pub fn remove(&self, kind: Kind, name: &Name) {
        lock(&self.0).remove(&(kind, name.clone()));
    }

    /// An object, if it was seen a moment ago.
    pub fn get(&self, kind: Kind, name: &Name, now: Instant) -> Option<Json> {
        let mut kept = lock(&self.0);
        kept.drop_old(now);
        let packed = kept.objects.get(&(kind, name.clone()))?;
        serde_json::from_slice(&packed.text).ok()
    }
}

impl Kept {
    fn remove(&mut self, key: &Key) {
        if let Some(packed) = self.objects.remove(key) {
            self.bytes -= packed.text.len();
        }
    }

    fn drop_old(&mut self, now: Instant) {
        while let Some((at, key)) = self.order.pop_front_if(|(at, _)| now.saturating_duration_since(*at) >= FRESH) {
            if self.objects.get(&key).is_some_and(|packed| packed.at == at) {
                self.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn name(name: &str) -> Name {
        Name { namespace: "n".into(), name: name.into() }
    }

    fn object(version: u64, text: &str) -> DynamicObject {
        serde_json::from_value(json!({"metadata": {"resourceVersion": version.to_string()}, "text": text})).unwrap()
    }

    #[test]
    fn the_newest_version_is_shown_for_a_moment() {
        let (recent, began) = (Recent::default(), Instant::now());
        let put = |version: u64, at| recent.put(Kind::Gate, &name("g"), &object(version, ""), at);
        let get = |at| {
            recent
                .get(Kind::Gate, &name("g"), at)
                .map(|object| object["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap())
        };
        put(7, began);
        put(5, began);
        assert_eq!(get(began), Some(7), "what was written is newer than what the watch still has to tell");
        put(9, began + FRESH / 2);
        assert_eq!(get(began + FRESH), Some(9));
        assert_eq!(recent.get(Kind::Strategy, &name("g"), began), None);
        assert_eq!(get(began + FRESH * 2), None);
        put(10, began + FRESH * 2);
        recent.remove(Kind::Gate, &name("g"));
        assert_eq!(get(began + FRESH * 2), None);
        let kept = lock(&recent.0);
        assert_eq!((kept.bytes, kept.objects.len()), (0, 0));
    }

    #[test]
    fn it_keeps_no_more_than_its_bytes_and_forgets_the_older_version_of_what_is_too_long() {
        let (recent, now) = (Recent::default(), Instant::now());
        recent.put(Kind::Gate, &name("g"), &object(1, "short"), now);
        recent.put(Kind::Gate, &name("g"), &object(2, &"x".repeat(BYTES_MAX)), now);
        assert_eq!(recent.get(Kind::Gate, &name("g"), now), None);
        recent.put(Kind::Gate, &name("h"), &object(1, "short"), now);
        assert!(recent.get(Kind::Gate, &name("h"), now).is_some());
    }
}
