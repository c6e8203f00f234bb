//! An Application whose annotations, labels and status are anybody's: who is subscribed is found, the annotation of what
//! was notified is read, and a look at it ends with a reason for each destination, twice the same.

use super::{in_world, pairs};
use gatepost::notify::{ConfigInput, Configuration, LoadOptions, evaluate, history};
use gatepost_value::json::{Numbers, from_serde};
use serde_json::{Map, Value, json};
use std::cell::LazyCell;
use std::collections::BTreeMap;

thread_local! {
    static CONFIGURATION: LazyCell<Configuration> = const { LazyCell::new(configuration) };
}

fn configuration() -> Configuration {
    let configmap = pairs(include_str!("configuration.txt"));
    let options = LoadOptions { kinds: gatepost::service::kinds(), ..LoadOptions::default() };
    let loaded = Configuration::load(&ConfigInput { configmap, ..ConfigInput::default() }, None, &options);
    assert!(loaded.problems().is_empty(), "{:?}", loaded.problems());
    loaded
}

fn look(config: &Configuration, object: &Value, notified: &str) -> String {
    let found = history::parse(notified);
    let object = from_serde(object, Numbers::Kubernetes);
    let evaluation = in_world((config, &object), true, evaluate);
    drop(history::project(&BTreeMap::new(), &found));
    for condition in evaluation.triggers.iter().flat_map(|trigger| &trigger.conditions) {
        for outcome in &condition.destinations {
            assert!(!outcome.state_key.is_empty() && !outcome.reason.as_str().is_empty());
        }
    }
    format!("{:?} {:?}", evaluation.triggers, found)
}

/// One input.
pub fn run(text: &str) {
    let mut annotations: Map<String, Value> =
        pairs(text).into_iter().map(|(name, value)| (name, value.into())).collect();
    let notified = annotations.get(history::ANNOTATION).and_then(Value::as_str).unwrap_or(text).to_owned();
    annotations.insert("notifications.argoproj.io/subscribe.on-failed.hook".into(), text.into());
    let object = json!({
        "metadata": {"name": "a", "namespace": "argocd", "annotations": annotations, "labels": {"l": text}},
        "spec": {"project": text, "source": {"repoURL": text}},
        "status": {"operationState": {"phase": "Failed", "message": text, "finishedAt": text, "operation": {}}},
    });
    CONFIGURATION.with(|config| {
        assert_eq!(look(config, &object, &notified), look(config, &object, &notified), "another look");
    });
}
