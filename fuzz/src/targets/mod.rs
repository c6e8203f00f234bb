//! What comes from outside the house, as functions of one input each; a function panics only where a promise is broken.
//! libFuzzer runs them (`fuzz_targets/`), and `tests/it/fuzzing.rs` does on some thousand inputs with every test run.

pub mod annotations;
pub mod answers;
pub mod api;
pub mod configuration;

use gatepost::notify::{Configuration, ObjectId, Repository, World};
use gatepost_value::{Location, Time, Value};
use std::collections::BTreeMap;

/// Keys and values of a text whose parts are parted by lines of `===`; a last one without a partner has an empty value.
pub fn pairs(text: &str) -> BTreeMap<String, String> {
    let mut parts = text.trim_end().split("\n===\n");
    let mut pairs = BTreeMap::new();
    while let Some(key) = parts.next() {
        pairs.insert(key.to_owned(), parts.next().unwrap_or_default().to_owned());
    }
    pairs
}

/// Looks at an Application of which nothing was decided yet, at a time and with randomness that are always the same.
pub fn in_world<R>((config, object): (&Configuration, &Value), trace: bool, look: impl FnOnce(&World<'_>) -> R) -> R {
    look(&World {
        config,
        object,
        id: &ObjectId { namespace: "argocd".into(), name: "a".into(), uid: "u".into() },
        project: None,
        repository: &Repository::absent("none"),
        states: &BTreeMap::new(),
        event_resource_version: "",
        first_list: false,
        now: Time::unix(1_795_262_400, 0),
        local: Location::Utc,
        random: &|buffer| buffer.fill(7),
        trace,
    })
}
