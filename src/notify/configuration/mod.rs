//! The configuration of one namespace: ConfigMap and Secret in, triggers, templates, services and subscriptions out.
//!
//! Every key is loaded by itself. A broken key is a [`Problem`]; its last good text stays in force, and only what needs
//! the key is out of order without one. Never here: reading the objects, deciding about an Application.

mod key;
mod legacy;
mod problem;
mod resource;
mod secret;
mod service;
mod template;
mod trigger;

pub(crate) use problem::Fault;
pub use problem::{InForce, Problem};
pub use resource::Resource;
pub(crate) use template::{BACKSTAGE, Member, Section, Source, is_empty};

use crate::notify::kind::KindSpec;
use gatepost_value::{GoType, Limits, Value};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
pub use template::Template;
pub use trigger::{Condition, Trigger};

/// The two objects as they are.
#[derive(Clone, Default)]
pub struct ConfigInput {
    /// Namespace as it appears in state keys; empty for the controller's own.
    pub namespace: String,
    /// `data` of the ConfigMap.
    pub configmap: BTreeMap<String, String>,
    /// `data` of the Secret.
    pub secret: BTreeMap<String, Vec<u8>>,
    /// The operator's resource, where there is one.
    pub resource: Option<Resource>,
}

/// How a configuration is loaded.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// Limits of each render and evaluation.
    pub limits: Limits,
    /// Whether templates may make keys, hash passwords and resolve names.
    pub costly: bool,
    /// Self-service mode: templates and conditions do not see `secrets`.
    pub self_service: bool,
    /// Kinds of services that are known (`crate::service` declares them).
    pub kinds: Vec<&'static KindSpec>,
}

#[cfg(test)]
impl LoadOptions {
    /// Two kinds, enough for the tests of this room.
    pub(crate) fn sample() -> Self {
        use crate::notify::kind::{Field, Merge, Record, SectionSpec, Shape, unchecked};
        static WEBHOOK: KindSpec = KindSpec {
            name: "webhook",
            own: false,
            options: Record {
                go: "WebhookOptions",
                fields: &[Field::new("url", Shape::Text), Field::new("token", Shape::Text)],
            },
            transport: true,
            section: None,
            check: unchecked,
        };
        static EMAIL: KindSpec = KindSpec {
            name: "email",
            own: false,
            options: Record { go: "EmailOptions", fields: &[] },
            transport: false,
            section: Some(SectionSpec {
                record: Record {
                    go: "EmailNotification",
                    fields: &[
                        Field::new("subject", Shape::Template),
                        Field::new("body", Shape::Template),
                        Field::new("html", Shape::Bool).always(),
                    ],
                },
                merge: Merge::Fieldwise,
            }),
            check: unchecked,
        };
        Self { kinds: vec![&WEBHOOK, &EMAIL], ..Self::default() }
    }
}

/// A service as configured.
#[derive(Clone, PartialEq)]
pub struct ServiceConfig {
    /// Namespace of its configuration; empty for the controller's own.
    pub namespace: String,
    /// Name that subscriptions use.
    pub name: String,
    /// Type, such as `webhook`.
    pub kind: String,
    /// Options with the Secret's values filled in.
    pub options: serde_json::Value,
    /// Changes when anything that is sent with it changes (SHA-256 of type and options).
    pub digest: String,
}

/// A global subscription (`subscriptions` key).
#[derive(Debug, Clone, PartialEq)]
pub struct GlobalSubscription {
    /// `service:recipient`.
    pub recipients: Vec<String>,
    /// Triggers; `None` where the list is absent.
    pub triggers: Option<Vec<String>>,
    /// Label selector as written.
    pub selector: String,
}

/// What one key says.
#[derive(Clone)]
enum Entry {
    Subscriptions(Vec<GlobalSubscription>),
    DefaultTriggers(Vec<String>),
    ServiceDefaultTriggers(String, Vec<String>),
    Template(Arc<Template>),
    Trigger(Arc<Trigger>),
    Service(Arc<ServiceConfig>),
    Context(BTreeMap<String, String>),
    Legacy(Arc<legacy::Legacy>),
    LegacyServices(Vec<Arc<ServiceConfig>>),
}

/// A key that is in force: the text it was read from and what it says.
#[derive(Clone)]
struct Held {
    text: String,
    entry: Entry,
}

/// What kind of thing a broken key would have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Room {
    Template,
    Trigger,
    Service,
}

/// Where the text of a key that is in force is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'a> {
    /// In the ConfigMap.
    ConfigMap,
    /// In the `NotificationsConfiguration` of this name, from which the operator writes the ConfigMap.
    Resource(&'a str),
    /// In the Secret.
    Secret,
}

/// A loaded configuration. Cheap to share, never changes.
#[derive(Clone, Default)]
pub struct Configuration {
    namespace: String,
    /// Name of the operator's resource, where there is one, and the keys that it has.
    resource: Option<(String, BTreeSet<String>)>,
    held: BTreeMap<String, Held>,
    problems: Vec<Problem>,
    broken: BTreeSet<(Room, String)>,
    services: BTreeMap<String, Arc<ServiceConfig>>,
    triggers: BTreeMap<String, Arc<Trigger>>,
    templates: BTreeMap<String, Arc<Template>>,
    context: BTreeMap<String, String>,
    default_triggers: Option<Vec<String>>,
    service_default_triggers: BTreeMap<String, Vec<String>>,
    subscriptions: Vec<GlobalSubscription>,
    legacy: Option<Arc<legacy::Legacy>>,
    secrets: Value,
    secret_digest: String,
    options: LoadOptions,
}

impl Configuration {
    /// Loads every key by itself; `previous` lends its last good value to a key that is broken now.
    #[must_use]
    pub fn load(input: &ConfigInput, previous: Option<&Self>, options: &LoadOptions) -> Self {
        let mut out = Self::empty(input, options);
        let (keys, drift) = resource::combined(input);
        out.problems = drift;
        for (key, text) in &keys {
            match key::read(key, text, input, options, false) {
                Ok(None) => {}
                Ok(Some((entry, warnings))) => {
                    out.problems.extend(warnings);
                    out.hold(key, text, entry);
                }
                Err(fault) => out.fall_back(key, fault, input, previous),
            }
        }
        if let Some(resource) = &input.resource {
            out.context.extend(resource.context.clone());
            out.resource = Some((resource.name.clone(), resource.keys.keys().cloned().collect()));
        }
        if let Err(fault) = out.read_legacy_services(input, false) {
            out.fall_back(legacy::SERVICES_KEY, fault, input, previous);
        }
        for fault in out.apply_legacy() {
            out.problems.push(fault.into_problem(legacy::CONFIG_KEY, InForce::Nothing));
        }
        out
    }
    /// What the Go controller says to this configuration: it refuses all of it for one error.
    ///
    /// # Errors
    /// The first error, in the order of the keys.
    pub fn strict_load(input: &ConfigInput, options: &LoadOptions) -> Result<Self, String> {
        let mut out = Self::empty(input, options);
        for (key, text) in &input.configmap {
            if let Some((entry, _)) = key::read(key, text, input, options, true).map_err(|fault| fault.cause)? {
                out.hold(key, text, entry);
            }
        }
        out.read_legacy_services(input, true).map_err(|fault| fault.cause)?;
        out.apply_legacy().into_iter().next().map_or(Ok(out), |fault| Err(fault.cause))
    }
    fn read_legacy_services(&mut self, input: &ConfigInput, strict: bool) -> Result<(), Fault> {
        let text = input.secret.get(legacy::SERVICES_KEY).map(|bytes| String::from_utf8_lossy(bytes));
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(()) };
        let services = legacy::services(&text, &input.namespace, &self.options, strict)?;
        // The text is the Secret's: it is not kept, and a broken one falls back to what it said.
        self.hold(legacy::SERVICES_KEY, "", Entry::LegacyServices(services.into_iter().map(Arc::new).collect()));
        let fault = Fault::new("the Secret's key is deprecated")
            .advise("move what it holds to service.* keys of the ConfigMap");
        self.problems.push(fault.into_problem(legacy::SERVICES_KEY, InForce::Itself));
        Ok(())
    }
    /// Last of all, because it is laid over what the other keys say.
    fn apply_legacy(&mut self) -> Vec<Fault> {
        self.legacy.clone().map(|legacy| legacy.apply(self)).unwrap_or_default()
    }
    fn empty(input: &ConfigInput, options: &LoadOptions) -> Self {
        let entries = input
            .secret
            .iter()
            .map(|(key, value)| (key.as_str().into(), Value::Bytes(bytes::Bytes::from(value.clone()))));
        Self {
            namespace: input.namespace.clone(),
            secrets: Value::Map(gatepost_value::Map::frozen_of(GoType::Bytes, entries.collect())),
            secret_digest: secret_digest(&input.secret),
            options: options.clone(),
            ..Self::default()
        }
    }
    /// A broken key: its last good text is read again, so that it follows the Secret; else what it said stays.
    fn fall_back(&mut self, key: &str, fault: Fault, input: &ConfigInput, previous: Option<&Self>) {
        let Some(held) = previous.and_then(|previous| previous.held.get(key)) else {
            self.broken.extend(key::room(key));
            self.problems.push(fault.into_problem(key, InForce::Nothing));
            return;
        };
        let again = key::read(key, &held.text, input, &self.options, false).ok().flatten();
        let entry = again.map_or_else(|| held.entry.clone(), |(entry, _)| entry);
        self.hold(key, &held.text, entry);
        self.problems.push(fault.into_problem(key, InForce::LastGood));
    }
    fn hold(&mut self, key: &str, text: &str, entry: Entry) {
        self.held.insert(key.to_owned(), Held { text: text.to_owned(), entry: entry.clone() });
        match entry {
            Entry::Subscriptions(list) => self.subscriptions = list,
            Entry::DefaultTriggers(list) => self.default_triggers = Some(list),
            Entry::ServiceDefaultTriggers(service, list) => {
                self.service_default_triggers.insert(service, list);
            }
            Entry::Template(template) => {
                self.templates.insert(template.name.clone(), template);
            }
            Entry::Trigger(trigger) => {
                self.triggers.insert(trigger.name.clone(), trigger);
            }
            Entry::Service(service) => self.add_service(key, service),
            Entry::Context(context) => self.context = context,
            Entry::Legacy(legacy) => self.legacy = Some(legacy),
            Entry::LegacyServices(services) => {
                self.services.extend(services.into_iter().map(|service| (service.name.clone(), service)));
            }
        }
    }
    /// Two keys may give one name; the later key wins, which is said (the Go controller's winner is random).
    fn add_service(&mut self, key: &str, service: Arc<ServiceConfig>) {
        let name = service.name.clone();
        if self.services.insert(name.clone(), service).is_some() {
            let fault =
                Fault::new(format!("another key configures a service named '{name}' too; this one is in force"));
            self.problems.push(fault.advise("give one of them another name").into_problem(key, InForce::Itself));
        }
    }
    /// Namespace as it appears in state keys.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
    /// What is wrong, by key.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
    /// Every key that is in force, with its last good text where it is broken now, and where it is written.
    pub fn keys(&self) -> impl Iterator<Item = (&str, Origin<'_>)> {
        self.held.keys().map(|key| (key.as_str(), self.origin(key)))
    }
    fn origin(&self, key: &str) -> Origin<'_> {
        match &self.resource {
            _ if key == legacy::SERVICES_KEY => Origin::Secret,
            Some((name, keys)) if keys.contains(key) => Origin::Resource(name),
            _ => Origin::ConfigMap,
        }
    }
    /// Name of the operator's `NotificationsConfiguration` that is read beside the ConfigMap, where there is one.
    #[must_use]
    pub fn resource(&self) -> Option<&str> {
        self.resource.as_ref().map(|(name, _)| name.as_str())
    }
    /// Services by name.
    #[must_use]
    pub const fn services(&self) -> &BTreeMap<String, Arc<ServiceConfig>> {
        &self.services
    }
    /// A service by name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&ServiceConfig> {
        self.services.get(name).map(Arc::as_ref)
    }
    /// Triggers by name.
    #[must_use]
    pub const fn triggers(&self) -> &BTreeMap<String, Arc<Trigger>> {
        &self.triggers
    }
    /// Templates by name.
    #[must_use]
    pub const fn templates(&self) -> &BTreeMap<String, Arc<Template>> {
        &self.templates
    }
    /// `context`, without `notificationType`.
    #[must_use]
    pub const fn context(&self) -> &BTreeMap<String, String> {
        &self.context
    }
    /// `defaultTriggers`.
    #[must_use]
    pub fn default_triggers(&self) -> Option<&[String]> {
        self.default_triggers.as_deref()
    }
    /// `defaultTriggers.<service>` by service.
    #[must_use]
    pub const fn service_default_triggers(&self) -> &BTreeMap<String, Vec<String>> {
        &self.service_default_triggers
    }
    /// Global subscriptions.
    #[must_use]
    pub fn subscriptions(&self) -> &[GlobalSubscription] {
        &self.subscriptions
    }
    /// `secrets` as expressions and templates see it; nil in self-service mode.
    pub(crate) fn secrets(&self) -> Option<&Value> {
        (!self.options.self_service).then_some(&self.secrets)
    }
    pub(crate) fn secret_digest(&self) -> &str {
        &self.secret_digest
    }
    pub(crate) const fn options(&self) -> &LoadOptions {
        &self.options
    }
    pub(crate) fn trigger_is_broken(&self, name: &str) -> bool {
        self.broken.contains(&(Room::Trigger, name.to_owned()))
    }
    pub(crate) fn template_is_broken(&self, name: &str) -> bool {
        self.broken.contains(&(Room::Template, name.to_owned()))
    }
    pub(crate) fn service_is_broken(&self, name: &str) -> bool {
        self.broken.contains(&(Room::Service, name.to_owned()))
    }
}

fn secret_digest(secret: &BTreeMap<String, Vec<u8>>) -> String {
    let mut hash = Sha256::new();
    for (key, value) in secret {
        for part in [key.as_bytes(), value] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    hex(&hash.finalize())
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(pairs: &[(&str, &str)]) -> ConfigInput {
        let configmap = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        ConfigInput { configmap, ..ConfigInput::default() }
    }
    fn load(pairs: &[(&str, &str)], previous: Option<&Configuration>) -> Configuration {
        Configuration::load(&input(pairs), previous, &LoadOptions::sample())
    }

    #[test]
    fn one_broken_key_hurts_nothing_else() {
        let good = load(&[("trigger.a", "- when: 'true'\n  send: [t]\n"), ("template.t", "message: one")], None);
        assert!(good.problems().is_empty());
        let broken = [("trigger.a", "- when: 'true'\n  send: [t]\n"), ("template.t", "message: {a: b}")];
        let later = load(&broken, Some(&good));
        assert_eq!(later.problems()[0].in_force, InForce::LastGood);
        assert_eq!(later.templates()["t"].to_json(), serde_json::json!({"message": "one"}));
        let fresh = load(&broken, None);
        assert_eq!(fresh.problems()[0].in_force, InForce::Nothing);
        assert_eq!(fresh.problems()[0].line, Some(1));
        assert!(fresh.template_is_broken("t") && fresh.triggers().contains_key("a"));
        assert!(Configuration::strict_load(&input(&broken), &LoadOptions::sample()).is_err());
    }

    #[test]
    fn a_key_that_vanishes_is_gone() {
        let good = load(&[("template.t", "message: one")], None);
        assert!(load(&[], Some(&good)).templates().is_empty());
    }

    #[test]
    fn two_keys_for_one_service_are_said() {
        let both = load(&[("service.webhook", "url: a"), ("service.webhook.webhook", "url: b")], None);
        assert_eq!(both.problems().len(), 1);
        assert_eq!(both.service("webhook").map(|s| s.options["url"].clone()), Some("b".into()));
    }

    #[test]
    fn the_last_good_service_follows_the_secret() {
        let with = |text: &str, token: &str, previous: Option<&Configuration>| {
            let mut input = input(&[("service.webhook.x", text)]);
            input.secret.insert("k".to_owned(), token.as_bytes().to_vec());
            Configuration::load(&input, previous, &LoadOptions::sample())
        };
        let good = with("url: http://h/$k", "old", None);
        let later = with("url: [", "new", Some(&good));
        assert_eq!(later.service("x").map(|s| s.options["url"].clone()), Some("http://h/new".into()));
    }
}
