//! The phases that a gate's environments went through since the process began: the last changes of each, for people to look at.
//!
//! Bounded, and forgotten with the gate. No decision reads it.

use super::status::rfc3339;
use crate::gate::Phase;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, VecDeque};

/// Changes that are kept of an environment.
const CHANGES_MAX: usize = 50;
/// Environments of a gate of which changes are kept.
const ENVIRONMENTS_MAX: usize = 64;
/// Characters of a commit that are kept.
const SHA_MAX: usize = 64;

/// An environment as it is now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Present<'a> {
    pub branch: &'a str,
    pub phase: Phase,
    /// The commit that the phase is about; empty where the last look does not say.
    pub sha: &'a str,
}

/// Another phase, or the same one for another commit.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    at_ms: i64,
    phase: Phase,
    sha: Box<str>,
}

/// What one gate's environments went through.
#[derive(Debug, Clone, Default)]
pub(super) struct Phases {
    of: BTreeMap<String, VecDeque<Change>>,
}

impl Phases {
    /// How the environments are at `at_ms`; those that are not named are gone.
    pub fn note<'a>(&mut self, environments: impl Iterator<Item = Present<'a>>, at_ms: i64) {
        let mut before = std::mem::take(&mut self.of);
        for present in environments.take(ENVIRONMENTS_MAX) {
            let mut changes = before.remove(present.branch).unwrap_or_default();
            note(&mut changes, present, at_ms);
            self.of.insert(present.branch.to_owned(), changes);
        }
    }

    /// For each environment its changes, oldest first.
    pub fn shown(&self) -> Json {
        let change = |Change { at_ms, phase, sha }: &Change| json!({"at": rfc3339(at_ms.div_euclid(1000)), "phase": phase.as_str(), "sha": sha});
        let of = self.of.iter().map(|(branch, changes)| (branch.clone(), changes.iter().map(change).collect()));
        Json::Object(of.collect())
    }
}

fn note(changes: &mut VecDeque<Change>, present: Present<'_>, at_ms: i64) {
    let sha: String = present.sha.chars().take(SHA_MAX).collect();
    if let Some(last) = changes.back_mut()
        && last.phase == present.phase
        && (sha.is_empty() || last.sha.is_empty() || *last.sha == *sha)
    {
        if last.sha.is_empty() {
            last.sha = sha.into();
        }
        return;
    }
    if changes.len() >= CHANGES_MAX {
        changes.pop_front();
    }
    changes.push_back(Change { at_ms, phase: present.phase, sha: sha.into() });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prod(phase: Phase, sha: &str) -> Present<'_> {
        Present { branch: "prod", phase, sha }
    }

    fn seen(phases: &Phases) -> Vec<(Phase, &str)> {
        phases.of.get("prod").into_iter().flatten().map(|change| (change.phase, &*change.sha)).collect()
    }

    #[test]
    fn only_changes_are_kept() {
        let mut phases = Phases::default();
        let looks = [(Phase::Pending, "aa"), (Phase::Pending, "aa"), (Phase::Pending, ""), (Phase::Success, "aa")];
        looks.iter().for_each(|(phase, sha)| phases.note([prod(*phase, sha)].into_iter(), 1_000));
        phases.note([prod(Phase::Success, "bb")].into_iter(), 2_000);
        assert_eq!(seen(&phases), [(Phase::Pending, "aa"), (Phase::Success, "aa"), (Phase::Success, "bb")]);
        assert_eq!(phases.shown()["prod"][2], json!({"at": "1970-01-01T00:00:02Z", "phase": "success", "sha": "bb"}));
    }

    #[test]
    fn a_commit_that_is_known_later_is_filled_in() {
        let mut phases = Phases::default();
        ["", "aa"].into_iter().for_each(|sha| phases.note([prod(Phase::Failure, sha)].into_iter(), 0));
        assert_eq!(seen(&phases), [(Phase::Failure, "aa")]);
    }

    #[test]
    fn the_last_fifty_stay_and_an_environment_that_is_gone_goes() {
        let mut phases = Phases::default();
        for nth in 0..CHANGES_MAX as i64 * 2 {
            phases.note([prod(Phase::Pending, &nth.to_string())].into_iter(), nth);
        }
        let seen = seen(&phases);
        assert_eq!((seen.len(), seen[0].1, seen[CHANGES_MAX - 1].1), (CHANGES_MAX, "50", "99"));
        phases.note([Present { branch: "dev", phase: Phase::Success, sha: "" }].into_iter(), 0);
        assert_eq!(phases.of.keys().collect::<Vec<_>>(), ["dev"]);
    }
}
