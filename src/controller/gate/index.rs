//! What is known of gates, strategies and CommitStatuses between two looks: a small record each, never an object.
//!
//! Decides nothing and reads nothing by itself: watches and looks tell it what they saw, looks ask it.

use crate::gate::ready::Child;
use crate::gate::status::{Condition, Phase};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Namespace and name of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name {
    pub namespace: String,
    pub name: String,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A gate that this process handles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GateRecord {
    pub uid: String,
    pub generation: i64,
    /// Name of its strategy.
    pub strategy: String,
    /// The key that it reports under.
    pub key: String,
}

/// A CommitStatus, whoever wrote it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ChildRecord {
    pub uid: String,
    /// UID of its controller; empty without one.
    pub owner: String,
    /// Its label for the key.
    pub key: String,
    pub sha: String,
    /// What it says; `None` where that is no phase.
    pub phase: Option<Phase>,
    /// `metadata.resourceVersion`, as the number that it is.
    pub version: u64,
    pub generation: i64,
    /// Digest of its labels and owners, which no generation counts.
    pub dress: u64,
    pub ready: Option<Condition>,
}

/// What was last applied, and what it looked like then: if it still does, nothing need be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Applied {
    digest: u64,
    generation: i64,
    dress: u64,
}

/// Whether a CommitStatus is as it was last applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// As it should be.
    Same,
    /// It was applied by this process, and is to be another now.
    Changed,
    /// This process does not know what it looks like.
    Unknown,
}

/// What a look read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LastRead {
    pub uid: String,
    pub generation: i64,
    /// `metadata.resourceVersion` of the strategy; 0 where there was none.
    pub strategy: u64,
}

/// The records.
#[derive(Debug, Default)]
pub(super) struct Index {
    gates: BTreeMap<Name, GateRecord>,
    by_strategy: HashMap<Name, BTreeSet<Name>>,
    strategies: HashMap<Name, u64>,
    /// What the last look at a gate read: watches that tell of it later tell nothing new.
    read: HashMap<Name, LastRead>,
    children: BTreeMap<Name, ChildRecord>,
    applied: HashMap<Name, Applied>,
    by_commit: HashMap<(String, String), BTreeSet<Name>>,
    by_owner: HashMap<String, BTreeSet<Name>>,
}

impl Index {
    /// A gate is there; whether it has to be looked at because of that.
    pub fn put_gate(&mut self, name: Name, record: GateRecord) -> bool {
        let known = self.gates.get(&name);
        if known == Some(&record) {
            return false;
        }
        let was_read =
            self.read.get(&name).is_some_and(|read| (&read.uid, read.generation) == (&record.uid, record.generation));
        let read = self.read.remove(&name);
        self.drop_gate(&name);
        self.read.extend(read.map(|read| (name.clone(), read)));
        let strategy = Name { namespace: name.namespace.clone(), name: record.strategy.clone() };
        self.by_strategy.entry(strategy).or_default().insert(name.clone());
        self.gates.insert(name, record);
        !was_read
    }

    /// A look read this.
    pub fn note_read(&mut self, gate: &Name, read: LastRead) {
        if self.gates.contains_key(gate) {
            self.read.insert(gate.clone(), read);
        }
    }

    /// A gate is gone, or somebody else's now.
    pub fn drop_gate(&mut self, name: &Name) -> Option<GateRecord> {
        let record = self.gates.remove(name)?;
        self.read.remove(name);
        let strategy = Name { namespace: name.namespace.clone(), name: record.strategy.clone() };
        if let Some(gates) = self.by_strategy.get_mut(&strategy) {
            gates.remove(name);
            if gates.is_empty() {
                self.by_strategy.remove(&strategy);
            }
        }
        Some(record)
    }

    /// Whether the last look at a gate has not read it as it is, or its strategy in this version.
    pub fn is_news(&self, gate: &Name, strategy: u64) -> bool {
        let Some(record) = self.gates.get(gate) else { return false };
        self.read.get(gate).is_none_or(|read| {
            (&read.uid, read.generation) != (&record.uid, record.generation) || read.strategy < strategy
        })
    }

    /// Every gate.
    pub fn gates(&self) -> impl Iterator<Item = (&Name, &GateRecord)> {
        self.gates.iter()
    }

    /// A gate.
    pub fn gate(&self, name: &Name) -> Option<&GateRecord> {
        self.gates.get(name)
    }

    /// A strategy was seen in this version; the gates that have to be looked at because of that.
    pub fn put_strategy(&mut self, name: &Name, version: u64) -> Vec<Name> {
        if self.strategies.insert(name.clone(), version) == Some(version) {
            return Vec::new();
        }
        let mut gates = self.gates_of(name);
        gates.retain(|gate| self.is_news(gate, version));
        gates
    }

    /// A strategy is gone; the gates that have to be looked at because of that.
    pub fn drop_strategy(&mut self, name: &Name) -> Vec<Name> {
        self.strategies.remove(name);
        self.gates_of(name)
    }

    /// Names of the strategies that are known.
    pub fn strategies(&self) -> Vec<Name> {
        self.strategies.keys().cloned().collect()
    }

    fn gates_of(&self, strategy: &Name) -> Vec<Name> {
        self.by_strategy.get(strategy).into_iter().flatten().cloned().collect()
    }

    /// A CommitStatus is there; the gates whose readiness may be another because of that. Nothing where a newer version of it
    /// is known already.
    pub fn put_child(&mut self, name: Name, record: ChildRecord) -> Vec<Name> {
        if self.children.get(&name).is_some_and(|known| known.uid == record.uid && known.version >= record.version) {
            return Vec::new();
        }
        let mut touched = self.drop_child(&name);
        let commit = (record.key.clone(), record.sha.clone());
        self.by_commit.entry(commit).or_default().insert(name.clone());
        self.by_owner.entry(record.owner.clone()).or_default().insert(name.clone());
        self.children.insert(name.clone(), record);
        touched.extend(self.touched_by(&name));
        touched.sort();
        touched.dedup();
        touched
    }

    /// A CommitStatus is gone; the gates whose readiness may be another because of that.
    pub fn drop_child(&mut self, name: &Name) -> Vec<Name> {
        let touched = self.touched_by(name);
        let Some(record) = self.children.remove(name) else { return Vec::new() };
        let commit = (record.key, record.sha);
        if let Some(others) = self.by_commit.get_mut(&commit) {
            others.remove(name);
            if others.is_empty() {
                self.by_commit.remove(&commit);
            }
        }
        if let Some(siblings) = self.by_owner.get_mut(&record.owner) {
            siblings.remove(name);
            if siblings.is_empty() {
                self.by_owner.remove(&record.owner);
            }
        }
        touched
    }

    /// Names and versions of all CommitStatuses.
    pub fn child_versions(&self) -> Vec<(Name, u64)> {
        self.children.iter().map(|(name, record)| (name.clone(), record.version)).collect()
    }

    /// Gates that own this CommitStatus, or one on the same key and commit.
    fn touched_by(&self, name: &Name) -> Vec<Name> {
        let Some(record) = self.children.get(name) else { return Vec::new() };
        let same = self.by_commit.get(&(record.key.clone(), record.sha.clone()));
        let owners: BTreeSet<&str> =
            same.into_iter().flatten().filter_map(|name| Some(self.children.get(name)?.owner.as_str())).collect();
        let owned = self.gates.iter().filter(|(_, gate)| owners.contains(gate.uid.as_str()));
        owned.map(|(name, _)| name.clone()).collect()
    }

    /// The CommitStatuses that an object controls.
    pub fn children_of(&self, uid: &str) -> Vec<(Name, ChildRecord)> {
        let names = self.by_owner.get(uid).into_iter().flatten();
        names.filter_map(|name| Some((name.clone(), self.children.get(name)?.clone()))).collect()
    }

    /// Those of an object's CommitStatuses that have these names, as `Ready` reads them.
    pub fn readiness(&self, uid: &str, names: &[String]) -> Vec<Child> {
        let all = self.children_of(uid).into_iter().filter(|(name, _)| names.contains(&name.name));
        all.map(|(name, record)| Child { name: name.name, generation: record.generation, ready: record.ready })
            .collect()
    }

    /// Another CommitStatus on the same key and commit as one that an object controls: whose it answers, and which it is.
    pub fn rival(&self, uid: &str) -> Option<(Name, Name, String)> {
        self.children_of(uid).into_iter().find_map(|(own, record)| {
            let same = self.by_commit.get(&(record.key, record.sha.clone()))?;
            let other = same.iter().find(|name| **name != own)?;
            Some((own, other.clone(), record.sha))
        })
    }

    /// Notes what was applied, or found to be as it should be.
    pub fn note_applied(&mut self, name: &Name, digest: u64) {
        if let Some(record) = self.children.get(name) {
            let applied = Applied { digest, generation: record.generation, dress: record.dress };
            self.applied.insert(name.clone(), applied);
        }
    }

    /// Whether a CommitStatus is as it would be applied.
    pub fn compare(&self, name: &Name, digest: u64) -> Standing {
        match (self.applied.get(name), self.children.get(name)) {
            (Some(applied), Some(record))
                if applied.generation == record.generation && applied.dress == record.dress =>
            {
                if applied.digest == digest { Standing::Same } else { Standing::Changed }
            }
            (None, Some(_)) => Standing::Unknown,
            _ => Standing::Changed,
        }
    }

    /// Forgets that a CommitStatus was applied: it was deleted on purpose.
    pub fn forget_applied(&mut self, name: &Name) {
        self.applied.remove(name);
    }

    /// Whether somebody edited or deleted a CommitStatus that this process applied for an object.
    pub fn was_edited(&self, namespace: &str, uid: &str, names: &[String]) -> bool {
        names.iter().any(|name| {
            let name = Name { namespace: namespace.to_owned(), name: name.clone() };
            let Some(applied) = self.applied.get(&name) else { return false };
            let record = self.children.get(&name).filter(|record| record.owner == uid);
            record.is_none_or(|record| (record.generation, record.dress) != (applied.generation, applied.dress))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(namespace: &str, name: &str) -> Name {
        Name { namespace: namespace.into(), name: name.into() }
    }

    fn gate(strategy: &str) -> GateRecord {
        GateRecord { uid: "u".into(), generation: 1, strategy: strategy.into(), key: "k".into() }
    }

    fn child(owner: &str, sha: &str, version: u64) -> ChildRecord {
        ChildRecord {
            uid: format!("uid-{version}"),
            owner: owner.into(),
            key: "k".into(),
            sha: sha.into(),
            phase: None,
            version,
            generation: 1,
            dress: 7,
            ready: None,
        }
    }

    #[test]
    fn a_gate_is_looked_at_when_its_spec_or_its_strategy_changes() {
        let mut index = Index::default();
        let (one, app) = (name("n", "g"), name("n", "app"));
        assert!(index.put_gate(one.clone(), gate("app")));
        assert!(!index.put_gate(one.clone(), gate("app")), "its status alone was written");
        assert_eq!(index.put_strategy(&app, 1), std::slice::from_ref(&one));
        assert!(index.put_strategy(&app, 1).is_empty(), "a watch that starts anew");
        assert!(index.put_strategy(&name("other", "app"), 1).is_empty());
        assert!(index.put_gate(one.clone(), gate("other")));
        assert!(index.drop_strategy(&app).is_empty());
        assert_eq!(index.drop_gate(&one).map(|gate| gate.strategy), Some("other".to_owned()));
    }

    #[test]
    fn what_a_look_has_read_is_no_news() {
        let mut index = Index::default();
        let (one, app) = (name("n", "g"), name("n", "app"));
        index.put_gate(one.clone(), gate("app"));
        index.note_read(&one, LastRead { uid: "u".into(), generation: 2, strategy: 5 });
        assert!(!index.put_gate(one.clone(), GateRecord { generation: 2, ..gate("app") }));
        assert!(index.put_strategy(&app, 5).is_empty());
        assert_eq!(index.put_strategy(&app, 6), std::slice::from_ref(&one));
        assert!(!index.is_news(&one, 5) && index.is_news(&one, 6));
        assert!(index.put_gate(one.clone(), GateRecord { generation: 3, ..gate("app") }));
        assert!(index.is_news(&one, 0));
    }

    #[test]
    fn a_second_commit_status_on_key_and_commit_is_found_in_any_namespace() {
        let mut index = Index::default();
        index.put_gate(name("n", "g"), gate("app"));
        assert_eq!(index.put_child(name("n", "own"), child("u", "aa", 1)), [name("n", "g")]);
        assert!(index.rival("u").is_none());
        assert_eq!(index.put_child(name("far", "x"), child("", "aa", 2)), [name("n", "g")]);
        assert_eq!(index.rival("u"), Some((name("n", "own"), name("far", "x"), "aa".to_owned())));
        assert_eq!(index.drop_child(&name("far", "x")), [name("n", "g")]);
        assert!(index.rival("u").is_none());
        assert!(index.put_child(name("far", "x"), child("", "bb", 3)).is_empty());
    }

    #[test]
    fn an_older_version_changes_nothing_and_an_edit_is_seen() {
        let mut index = Index::default();
        let own = name("n", "own");
        assert_eq!(index.compare(&own, 1), Standing::Changed, "there is none");
        index.put_child(own.clone(), child("u", "aa", 2));
        assert_eq!(index.compare(&own, 1), Standing::Unknown);
        index.note_applied(&own, 1);
        assert_eq!((index.compare(&own, 1), index.compare(&own, 2)), (Standing::Same, Standing::Changed));
        index.put_child(own.clone(), ChildRecord { generation: 0, uid: "uid-2".into(), ..child("u", "aa", 1) });
        let names = ["own".to_owned()];
        assert!(!index.was_edited("n", "u", &names));
        index.put_child(own.clone(), ChildRecord { generation: 2, ..child("u", "aa", 3) });
        assert!(index.was_edited("n", "u", &names));
        index.drop_child(&own);
        assert!(index.was_edited("n", "u", &names), "it was deleted");
        index.forget_applied(&own);
        assert!(!index.was_edited("n", "u", &names));
    }
}
