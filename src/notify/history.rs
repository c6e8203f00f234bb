//! The `notified.notifications.argoproj.io` annotation: what it holds and what it should hold.
//!
//! It is a projection of the store for the Go controller's sake; never the source of truth while the store knows better.

use crate::notify::model::{KeyState, Phase};
use std::collections::BTreeMap;

/// Name of the annotation.
pub const ANNOTATION: &str = "notified.notifications.argoproj.io";

/// resourceVersion of a projection where there is no annotation to be written (manifests in files): the absence of a key means nothing.
pub const NOWHERE: &str = "nowhere";

/// Keys that the annotation holds at most, as the Go controller keeps them.
pub const MAX_KEYS: usize = 100;

/// What the annotation should hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Projection {
    /// Text of the annotation; `None` where there should be none.
    pub text: Option<String>,
    /// Keys of the store that did not fit among the newest.
    pub truncated: Vec<String>,
}

/// Reads the annotation; garbage counts as empty.
#[must_use]
pub fn parse(text: &str) -> BTreeMap<String, i64> {
    serde_json::from_str(text).unwrap_or_default()
}

/// What the annotation should hold: the keys found there that the store does not know (other configurations', older
/// ones'), and those of the store that are delivered and armed; the [`MAX_KEYS`] newest of all.
#[must_use]
pub fn project(states: &BTreeMap<String, KeyState>, found: &BTreeMap<String, i64>) -> Projection {
    project_bounded(states, found, MAX_KEYS)
}

/// As [`project`] with another bound: 422 answers (256 KiB of annotations) ask for fewer keys.
#[must_use]
pub fn project_bounded(states: &BTreeMap<String, KeyState>, found: &BTreeMap<String, i64>, max: usize) -> Projection {
    let foreign = found.iter().filter(|(key, _)| !states.contains_key(*key)).map(|(key, at)| (key, *at));
    let own = states.iter().filter_map(|(key, state)| Some((key, delivered_at(state)?)));
    let mut keys: Vec<(&String, i64)> = foreign.chain(own).collect();
    keys.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let dropped = keys.split_off(max.min(keys.len()));
    let truncated = dropped.into_iter().map(|(key, _)| key.clone()).filter(|key| states.contains_key(key)).collect();
    let kept: BTreeMap<&String, i64> = keys.into_iter().collect();
    let text = if kept.is_empty() { None } else { serde_json::to_string(&kept).ok() };
    Projection { text, truncated }
}

fn delivered_at(state: &KeyState) -> Option<i64> {
    match &state.phase {
        Phase::Delivered { at } | Phase::Annotated { at, .. } if state.armed => Some(*at),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(armed: bool, phase: Phase) -> KeyState {
        KeyState { armed, arming: 1, phase }
    }

    #[test]
    fn garbage_is_empty() {
        assert!(parse("not json").is_empty());
        assert!(parse("").is_empty());
        assert!(parse("[1]").is_empty());
        assert_eq!(parse(r#"{"a":1}"#), BTreeMap::from([("a".to_owned(), 1)]));
    }

    #[test]
    fn only_delivered_and_armed_keys_are_written() {
        let states = BTreeMap::from([
            ("delivered".to_owned(), state(true, Phase::Delivered { at: 5 })),
            ("disarmed".to_owned(), state(false, Phase::Delivered { at: 5 })),
            ("pending".to_owned(), state(true, Phase::Pending)),
            ("dead".to_owned(), state(true, Phase::Dead { digest: "d".into() })),
        ]);
        let found = BTreeMap::from([("disarmed".to_owned(), 4), ("foreign".to_owned(), 3)]);
        let projection = project(&states, &found);
        assert_eq!(projection.text.as_deref(), Some(r#"{"delivered":5,"foreign":3}"#));
        assert!(projection.truncated.is_empty());
        assert_eq!(project(&BTreeMap::new(), &BTreeMap::new()).text, None);
    }

    #[test]
    fn of_150_keys_the_100_newest_stay() {
        let states = (0..150).map(|n| (format!("k{n:03}"), state(true, Phase::Delivered { at: n }))).collect();
        let projection = project(&states, &BTreeMap::new());
        assert_eq!(parse(projection.text.as_deref().unwrap_or_default()).len(), 100);
        assert_eq!(projection.truncated.len(), 50);
        assert!(projection.truncated.contains(&"k049".to_owned()));
    }
}
