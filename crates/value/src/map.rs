//! Maps with string keys: frozen ones (shared by everybody, never changed) and live ones (Go's reference semantics).

use crate::{GoType, Str, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

/// A map with string keys, ordered by key bytes as Go's templates and JSON visit them.
#[derive(Clone)]
pub enum Map {
    /// Never changes: configuration, the Application, decoded JSON.
    Frozen(Arc<FrozenMap>),
    /// Made by a template or expression (`dict`); clones share it, as Go maps do.
    Live(LiveMap),
}

/// Sorted entries and the Go type of the elements.
#[derive(Clone)]
pub struct FrozenMap {
    elem: GoType,
    entries: Vec<(Str, Value)>,
}

/// A map that can be written; clones share the contents.
#[derive(Clone)]
pub struct LiveMap {
    elem: GoType,
    entries: Arc<Entries>,
}

/// What the clones of a live map share; dropped without recursion.
struct Entries(RwLock<BTreeMap<Str, Value>>);

impl Drop for Entries {
    fn drop(&mut self) {
        let entries = self.0.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        crate::release::release(std::mem::take(entries).into_values());
    }
}

impl FrozenMap {
    /// Sorts the entries; of duplicate keys the last one wins, as in encoding/json.
    #[must_use]
    pub fn new(elem: GoType, mut entries: Vec<(Str, Value)>) -> Self {
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 = std::mem::replace(&mut later.1, Value::Nil);
            }
            same
        });
        Self { elem, entries }
    }
    /// The element of a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&Value> {
        self.entries.binary_search_by(|(k, _)| k.as_bytes().cmp(key)).ok().map(|i| &self.entries[i].1)
    }
    /// The values, leaving the map empty.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Value> + use<> {
        std::mem::take(&mut self.entries).into_iter().map(|(_, value)| value)
    }
    /// All entries in key order.
    #[must_use]
    pub fn entries(&self) -> &[(Str, Value)] {
        &self.entries
    }
}

impl LiveMap {
    /// A new map with these elements' type and entries.
    #[must_use]
    pub fn new(elem: GoType, entries: BTreeMap<Str, Value>) -> Self {
        Self { elem, entries: Arc::new(Entries(RwLock::new(entries))) }
    }
    /// Sets a key. Callers refuse to put a map into itself first ([`Value::contains_map`]).
    pub fn insert(&self, key: Str, value: Value) {
        self.entries.0.write().unwrap_or_else(std::sync::PoisonError::into_inner).insert(key, value);
    }
    /// Removes a key.
    pub fn remove(&self, key: &[u8]) {
        self.entries.0.write().unwrap_or_else(std::sync::PoisonError::into_inner).remove(key);
    }
    /// The values of a map that nobody else holds.
    pub(crate) fn take_if_last(&mut self) -> impl Iterator<Item = Value> + use<> {
        let entries = Arc::get_mut(&mut self.entries)
            .map(|e| std::mem::take(e.0.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner)));
        entries.unwrap_or_default().into_values()
    }
    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<Str, Value>> {
        self.entries.0.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Map {
    /// A frozen `map[string]interface {}`.
    #[must_use]
    pub fn frozen(entries: Vec<(Str, Value)>) -> Self {
        Self::Frozen(Arc::new(FrozenMap::new(GoType::Any, entries)))
    }
    /// A frozen map whose elements have the given Go type.
    #[must_use]
    pub fn frozen_of(elem: GoType, entries: Vec<(Str, Value)>) -> Self {
        Self::Frozen(Arc::new(FrozenMap::new(elem, entries)))
    }
    /// An empty live `map[string]interface {}`.
    #[must_use]
    pub fn live() -> Self {
        Self::Live(LiveMap::new(GoType::Any, BTreeMap::new()))
    }
    /// The element of a key (cheap clone).
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        match self {
            Self::Frozen(map) => map.get(key).cloned(),
            Self::Live(map) => map.read().get(key).cloned(),
        }
    }
    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Frozen(map) => map.entries.len(),
            Self::Live(map) => map.read().len(),
        }
    }
    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The Go type of the elements.
    #[must_use]
    pub fn elem(&self) -> &GoType {
        match self {
            Self::Frozen(map) => &map.elem,
            Self::Live(map) => &map.elem,
        }
    }
    /// All entries in key order (cheap clones).
    #[must_use]
    pub fn entries(&self) -> Vec<(Str, Value)> {
        match self {
            Self::Frozen(map) => map.entries.clone(),
            Self::Live(map) => map.read().iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        }
    }
    /// Identity: equal for clones of one map, different for maps made separately.
    #[must_use]
    pub fn id(&self) -> usize {
        match self {
            Self::Frozen(map) => Arc::as_ptr(map) as usize,
            Self::Live(map) => Arc::as_ptr(&map.entries) as usize,
        }
    }
    /// A live copy (one level) with the same elements; the first write to a frozen map goes through this.
    #[must_use]
    pub fn thaw(&self) -> LiveMap {
        match self {
            Self::Live(map) => map.clone(),
            Self::Frozen(map) => LiveMap::new(map.elem.clone(), map.entries.iter().cloned().collect()),
        }
    }
}
