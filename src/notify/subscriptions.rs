//! Who is subscribed to which trigger, and by what (`spec/notifications.md` 2).

use crate::notify::configuration::{Configuration, Fault};
use crate::notify::model::Destination;
use crate::notify::selector::Selector;
use crate::notify::yaml::{self, Node};
use gatepost_value::Value;
use std::collections::BTreeMap;

const SIMPLE: &str = "notifications.argoproj.io/subscribe.";
const LIST: &str = "notifications.argoproj.io/subscriptions";
const LEGACY: &str = "recipients.argocd-notifications.argoproj.io";

/// One destination of one trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Trigger name.
    pub trigger: String,
    /// Who is told.
    pub destination: Destination,
    /// What says so: a key of the ConfigMap or an annotation.
    pub origin: String,
}

/// A `subscriptions` annotation that cannot be read: it subscribes nobody, the others go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenSubscription {
    /// Name of the annotation.
    pub annotation: String,
    /// Whether it is the project's.
    pub of_project: bool,
    /// Why, with line and column of its value.
    pub cause: String,
}

impl std::fmt::Display for BrokenSubscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whose = if self.of_project { "project annotation" } else { "annotation" };
        let Self { annotation, cause, .. } = self;
        write!(f, "the {whose} {annotation} cannot be read and subscribes nobody: {cause}; ")?;
        f.write_str("it is a list of `trigger: [...]` and `destinations: [{service: ..., recipients: [...]}]`")
    }
}

/// Everything that subscriptions say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscribed {
    /// Who is subscribed.
    pub all: Vec<Subscription>,
    /// What could not be read.
    pub broken: Vec<BrokenSubscription>,
}

/// All subscriptions of an object: global ones, its own, its project's; of equal ones the first stays.
#[must_use]
pub fn of(config: &Configuration, object: &Value, project: Option<&Value>) -> Subscribed {
    let mut out = Collector { config, found: Subscribed::default() };
    out.global(object);
    out.annotations(object, "annotation", false);
    if let Some(project) = project {
        out.annotations(project, "project annotation", true);
    }
    out.found
}

struct Collector<'a> {
    config: &'a Configuration,
    found: Subscribed,
}

impl Collector<'_> {
    fn add(&mut self, trigger: &str, service: &str, recipient: &str, origin: &str) {
        let destination = Destination { service: service.to_owned(), recipient: recipient.to_owned() };
        if !self.found.all.iter().any(|known| known.trigger == trigger && known.destination == destination) {
            self.found.all.push(Subscription { trigger: trigger.to_owned(), destination, origin: origin.to_owned() });
        }
    }
    fn global(&mut self, object: &Value) {
        let config = self.config;
        for subscription in config.subscriptions() {
            let fits = Selector::parse(&subscription.selector).is_ok_and(|s| s.matches(&texts(object, "labels")));
            if !fits {
                continue;
            }
            let named = subscription.triggers.as_deref().filter(|triggers| !triggers.is_empty());
            for trigger in named.or(config.default_triggers()).unwrap_or_default() {
                for recipient in &subscription.recipients {
                    let mut parts = recipient.split(':');
                    let (service, recipient) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                    self.add(trigger, service, recipient, "subscriptions");
                }
            }
        }
    }
    fn annotations(&mut self, object: &Value, source: &str, of_project: bool) {
        for (key, value) in texts(object, "annotations") {
            let origin = format!("{source} {key}");
            if let Some(rest) = key.strip_prefix(SIMPLE) {
                self.simple(rest, &value, &origin);
            } else if key.starts_with(LIST) {
                if let Err(fault) = self.list(&value, &origin) {
                    let place = match (fault.line, fault.column) {
                        (0, _) => String::new(),
                        (line, column) => format!("line {line}, column {column}: "),
                    };
                    let cause = format!("{place}{}", fault.cause);
                    self.found.broken.push(BrokenSubscription { annotation: key, of_project, cause });
                }
            } else if let Some(rest) = key.strip_suffix(LEGACY).filter(|_| of_project) {
                self.legacy(rest.trim_end_matches('.'), &value, &origin);
            }
        }
    }
    /// `subscribe.[<trigger>.]<service>: a;b`
    fn simple(&mut self, rest: &str, value: &str, origin: &str) {
        let mut parts = rest.split('.');
        let first = parts.next().unwrap_or_default();
        let (trigger, service) = match parts.next() {
            Some(service) => (first, service),
            None => ("", first),
        };
        let recipients: Vec<&str> = match value {
            "" => vec![""],
            _ => value.split(';').map(str::trim).filter(|recipient| !recipient.is_empty()).collect(),
        };
        for trigger in self.triggers(trigger, service) {
            for recipient in &recipients {
                self.add(&trigger, service, recipient, origin);
            }
        }
    }
    /// The named trigger, else the service's default triggers, else the default triggers.
    fn triggers(&self, named: &str, service: &str) -> Vec<String> {
        if !named.is_empty() {
            return vec![named.to_owned()];
        }
        let own = self.config.service_default_triggers().get(service).map(Vec::as_slice);
        own.or(self.config.default_triggers()).unwrap_or_default().to_vec()
    }
    /// `subscriptions`: a YAML list.
    fn list(&mut self, value: &str, origin: &str) -> Result<(), Fault> {
        let node = yaml::parse(value)?;
        let mut found = Vec::new();
        for item in node.items("", "[]subscription")? {
            found.extend(listed(item)?);
        }
        for (triggers, service, recipient) in found {
            let triggers = if triggers.is_empty() { self.triggers("", &service) } else { triggers };
            for trigger in triggers {
                let named = self.triggers(&trigger, &service);
                named.iter().for_each(|trigger| self.add(trigger, &service, &recipient, origin));
            }
        }
        Ok(())
    }
    /// `[<trigger>.]recipients.argocd-notifications.argoproj.io: "slack:a, email:b"`
    fn legacy(&mut self, trigger: &str, value: &str, origin: &str) {
        for entry in value.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let (service, recipient) = entry.split_once(':').unwrap_or((entry, ""));
            let (service, recipient) = (service.trim(), recipient.trim());
            let own = self.config.service_default_triggers().get(service).cloned();
            for trigger in own.unwrap_or_else(|| self.triggers(trigger, service)) {
                self.add(&trigger, service, recipient, origin);
            }
        }
    }
}

type Listed = Vec<(Vec<String>, String, String)>;

fn listed(item: &Node) -> Result<Listed, Fault> {
    let fields = item.fields("", "subscription")?;
    let triggers = fields.get("trigger").map_or_else(|| Ok(Vec::new()), |node| node.texts("trigger"))?;
    let mut out = Vec::new();
    let destinations = match fields.get("destinations") {
        Some(node) => node.items("destinations", "[]destination")?,
        None => &[],
    };
    for destination in destinations {
        let fields = destination.fields("destinations", "destination")?;
        let service = fields.text("destination", "service")?;
        let recipients = fields.get("recipients").map_or_else(|| Ok(Vec::new()), |node| node.texts("recipients"))?;
        out.extend(recipients.into_iter().map(|recipient| (triggers.clone(), service.clone(), recipient)));
    }
    Ok(out)
}

/// A map of texts in the metadata.
fn texts(object: &Value, name: &str) -> BTreeMap<String, String> {
    let Some(Value::Map(map)) = object.at(&["metadata", name]) else { return BTreeMap::new() };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    map.entries().iter().filter_map(|(key, value)| Some((key.as_str()?.to_owned(), text(value)?))).collect()
}

/// The annotation of an Application that says which Backstage entity it is. What could not be sent for want of it is made anew when it
/// comes.
pub(crate) const ENTITY: &str = "backstage.io/entity-ref";

/// Text of one annotation.
pub(crate) fn annotation(object: &Value, name: &str) -> Option<String> {
    object.at(&["metadata", "annotations", name]).and_then(|value| value.as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::{ConfigInput, LoadOptions};

    fn subscribed(configmap: &[(&str, &str)], annotations: &[(&str, &str)]) -> Vec<String> {
        let configmap = configmap.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let input = ConfigInput { configmap, ..ConfigInput::default() };
        let config = Configuration::load(&input, None, &LoadOptions::sample());
        let pairs =
            |list: &[(&str, &str)]| Value::map(list.iter().map(|(k, v)| ((*k).into(), Value::str(*v))).collect());
        let metadata =
            Value::map(vec![("annotations".into(), pairs(annotations)), ("labels".into(), pairs(&[("a", "b")]))]);
        let found = of(&config, &Value::map(vec![("metadata".into(), metadata)]), None);
        found
            .all
            .into_iter()
            .map(|s| format!("{}>{}:{}", s.trigger, s.destination.service, s.destination.recipient))
            .collect()
    }

    #[test]
    fn no_phantom_destination_comes_of_an_unrelated_annotation() {
        let annotations = [("notifications.argoproj.io/subscribe.t.slack", "a"), ("zzz", "b"), ("aaa", "c")];
        assert_eq!(subscribed(&[("defaultTriggers", "[d]")], &annotations), ["t>slack:a"]);
    }

    #[test]
    fn a_list_that_cannot_be_read_is_told_and_the_others_count() {
        let object = |text: &str| {
            let annotations = [
                ("notifications.argoproj.io/subscriptions", text),
                ("notifications.argoproj.io/subscribe.t.slack", "a"),
            ];
            let annotations = annotations.iter().map(|(k, v)| ((*k).into(), Value::str(*v))).collect();
            let metadata = Value::map(vec![("annotations".into(), Value::map(annotations))]);
            Value::map(vec![("metadata".into(), metadata)])
        };
        let config = Configuration::load(&ConfigInput::default(), None, &LoadOptions::sample());
        for broken in ["trigger: x", "- trigger: [", "- destinations: 5"] {
            let found = of(&config, &object(broken), None);
            assert_eq!((found.all.len(), found.broken.len()), (1, 1), "{broken}");
            let told = found.broken[0].to_string();
            assert!(told.contains("annotation notifications.argoproj.io/subscriptions cannot be read"), "{told}");
        }
        assert_eq!(of(&config, &object("[]"), None).broken, []);
    }

    #[test]
    fn global_and_own_are_merged_in_order() {
        let configmap =
            [("subscriptions", "- recipients: ['slack:x:y', backstage]\n  triggers: [t]\n  selector: a=b\n")];
        let annotations = [("notifications.argoproj.io/subscribe.t.slack", " x ; z ")];
        assert_eq!(subscribed(&configmap, &annotations), ["t>slack:x", "t>backstage:", "t>slack:z"]);
    }
}
