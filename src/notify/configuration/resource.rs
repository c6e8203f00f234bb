//! `NotificationsConfiguration` of the Argo CD operator (`spec/notifications.md` 10) beside the ConfigMap: who wins.
//!
//! Key by key the resource wins, because the operator writes the ConfigMap from it; keys that only the ConfigMap has stay
//! in force and are told, because the operator will remove them. Context values are taken as they are, which spares them
//! the operator's unquoted YAML.

use super::{ConfigInput, Fault, InForce, Problem};
use crate::notify::yaml;
use std::collections::BTreeMap;

/// What a `NotificationsConfiguration` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resource {
    /// Its name.
    pub name: String,
    /// Complete ConfigMap keys with their texts: triggers, templates, services and subscriptions together.
    pub keys: BTreeMap<String, String>,
    /// `spec.context`.
    pub context: BTreeMap<String, String>,
}

/// The keys in force and what differs between the two.
pub fn combined(input: &ConfigInput) -> (BTreeMap<String, String>, Vec<Problem>) {
    let Some(resource) = &input.resource else { return (input.configmap.clone(), Vec::new()) };
    let mut keys = input.configmap.clone();
    keys.extend(resource.keys.clone());
    let told = input.configmap.iter().filter_map(|(key, text)| difference(resource, key, text));
    let mut problems: Vec<Problem> = told.collect();
    problems.extend(input.configmap.get("context").into_iter().flat_map(|text| context_differences(resource, text)));
    (keys, problems)
}

fn warning(key: &str, cause: String, advice: &str) -> Problem {
    Fault::new(cause).advise(advice).into_problem(key, InForce::Itself)
}

fn difference(resource: &Resource, key: &str, text: &str) -> Option<Problem> {
    let name = &resource.name;
    match resource.keys.get(key) {
        Some(ours) if ours == text => None,
        Some(_) => Some(warning(
            key,
            format!("drift: the ConfigMap says otherwise than NotificationsConfiguration {name}, which is in force"),
            "change the NotificationsConfiguration; the operator writes the ConfigMap from it",
        )),
        None if key == "context" => None,
        None => Some(warning(
            key,
            format!("drift: the key is in the ConfigMap but not in NotificationsConfiguration {name}; it is in force"),
            "add it to the NotificationsConfiguration: the operator removes it from the ConfigMap at its next change",
        )),
    }
}

/// The ConfigMap's context went through unquoted YAML, so a value is compared as the Go controller reads it.
fn context_differences(resource: &Resource, text: &str) -> Vec<Problem> {
    let Some(found) = yaml::parse(text).ok().and_then(|node| node.text_map("").ok()) else { return Vec::new() };
    let as_read = |value: &str| yaml::parse(value).ok().and_then(|node| node.text("").ok());
    let differs = |(name, value): &(&String, &String)| match resource.context.get(*name) {
        Some(ours) => ours != *value && as_read(ours).as_ref() != Some(*value),
        None => true,
    };
    let told = found.iter().filter(differs).map(|(name, _)| {
        let which = &resource.name;
        let cause =
            format!("drift: context value '{name}' of the ConfigMap is not that of NotificationsConfiguration {which}");
        warning("context", cause, "change the NotificationsConfiguration; the operator writes the ConfigMap from it")
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::{Configuration, LoadOptions, Origin};

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }
    fn load(configmap: &[(&str, &str)], keys: &[(&str, &str)], context: &[(&str, &str)]) -> Configuration {
        let resource = Resource { name: "default".into(), keys: map(keys), context: map(context) };
        let input = ConfigInput { configmap: map(configmap), resource: Some(resource), ..ConfigInput::default() };
        Configuration::load(&input, None, &LoadOptions::sample())
    }

    #[test]
    fn the_resource_wins_key_by_key_and_drift_is_told() {
        let configmap = [("template.a", "message: old"), ("template.b", "message: b"), ("template.same", "message: s")];
        let config = load(&configmap, &[("template.a", "message: new"), ("template.same", "message: s")], &[]);
        assert_eq!(config.templates()["a"].to_json()["message"], "new");
        assert!(config.templates().contains_key("b"));
        let told: Vec<_> = config.problems().iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(told, ["template.a", "template.b"]);
        let (ours, theirs) = (Origin::Resource("default"), Origin::ConfigMap);
        let written: Vec<_> = config.keys().collect();
        assert_eq!(written, [("template.a", ours), ("template.b", theirs), ("template.same", ours)]);
        assert!(config.problems().iter().all(|problem| problem.in_force == InForce::Itself));
    }

    #[test]
    fn context_values_are_taken_as_they_are() {
        let text = "a: yes\nurl: http://h:80/\n";
        let config = load(&[("context", text)], &[], &[("a", "yes"), ("url", "http://h:80/"), ("odd", "x: # y")]);
        assert_eq!(config.context()["a"], "yes");
        assert_eq!(config.context()["odd"], "x: # y");
        assert!(config.problems().is_empty(), "{:?}", config.problems());
        let drifted = load(&[("context", "a: other\nb: extra\n")], &[], &[("a", "yes")]);
        assert_eq!((drifted.context()["a"].as_str(), drifted.context()["b"].as_str()), ("yes", "extra"));
        assert_eq!(drifted.problems().len(), 2);
    }
}
