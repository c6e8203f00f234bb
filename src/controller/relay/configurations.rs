//! The configurations in force: the controller's own, and with self-service one for each namespace that has a ConfigMap.
//!
//! Each is loaded from its own ConfigMap and Secret and falls back to its own last good keys; a broken one hurts no other.

use crate::egress::redact::Scrubber;
use crate::notify::interest::Interests;
use crate::notify::{ConfigInput, Configuration, LoadOptions, Resource};
use crate::service;
use crate::source::{ConfigData, SecretData};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Values kept that were secret before.
const RETIRED_MAX: usize = 256;

/// What one look works with, taken together.
#[derive(Clone)]
pub(super) struct Plan {
    /// The configuration.
    pub config: Arc<Configuration>,
    /// What its triggers read.
    pub interests: Arc<Interests>,
    /// Rises with every change that decisions may depend on.
    pub edition: u64,
}

/// One namespace's objects and what they say.
#[derive(Default)]
struct Held {
    input: ConfigInput,
    config: Arc<Configuration>,
    interests: Arc<Interests>,
    edition: u64,
    uid: String,
    config_map_seen: bool,
    secret_seen: bool,
    resource_seen: bool,
}

/// All of them.
#[derive(Default)]
pub(super) struct Configurations {
    own: Held,
    /// By namespace; never the controller's own.
    tenants: BTreeMap<String, Held>,
    /// Secret whatever is configured: of the proxy, of the store.
    fixed: Vec<Vec<u8>>,
    /// Values that were secret before: late answers may repeat them.
    retired: VecDeque<Vec<u8>>,
}

/// What a change of an object did to a configuration.
pub(super) struct Reloaded {
    /// Namespace as in state keys: empty for the controller's own.
    pub namespace: String,
    /// Before.
    pub before: Arc<Configuration>,
    /// Now.
    pub now: Arc<Configuration>,
    /// UID of the ConfigMap.
    pub uid: String,
    /// Whether it is the first time.
    pub first: bool,
    /// Whether a decision may be another one now.
    pub differs: bool,
}

impl Configurations {
    /// A configuration by its namespace as in state keys.
    pub(super) fn get(&self, namespace: &str) -> Option<&Arc<Configuration>> {
        match namespace {
            "" => Some(&self.own.config),
            namespace => self.tenants.get(namespace).filter(|held| held.exists()).map(|held| &held.config),
        }
    }

    /// Those that apply to an Application, the one of its own namespace first.
    pub(super) fn of(&self, application_namespace: &str) -> Vec<Plan> {
        let tenant = self.tenants.get(application_namespace).filter(|held| held.exists());
        tenant.into_iter().chain([&self.own]).map(Held::plan).collect()
    }

    /// All plans, the controller's own first.
    pub(super) fn plans(&self) -> Vec<Plan> {
        let tenants = self.tenants.values().filter(|held| held.exists());
        std::iter::once(&self.own).chain(tenants).map(Held::plan).collect()
    }

    /// All of them, the controller's own first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Configuration>> {
        let tenants = self.tenants.values().filter(|held| held.exists()).map(|held| &held.config);
        std::iter::once(&self.own.config).chain(tenants)
    }

    /// UID of a configuration's ConfigMap; empty where there is none.
    pub(super) fn uid(&self, namespace: &str) -> String {
        let held = if namespace.is_empty() { Some(&self.own) } else { self.tenants.get(namespace) };
        held.map(|held| held.uid.clone()).unwrap_or_default()
    }

    /// UID of the controller's own ConfigMap; empty where there is none.
    pub(super) fn own_uid(&self) -> &str {
        &self.own.uid
    }

    /// Takes a ConfigMap; `None` where it is gone.
    pub(super) fn config_map(
        &mut self,
        namespace: &str,
        data: Option<ConfigData>,
        uid: String,
        options: &LoadOptions,
    ) -> Vec<Reloaded> {
        let own_was_complete = self.own.is_complete();
        let held = self.held(namespace);
        let existed = held.exists();
        held.config_map_seen = namespace.is_empty() || data.is_some();
        let data = data.unwrap_or_default();
        let differs = existed != held.exists() || held.input.configmap != data;
        held.input.configmap = data;
        held.uid = uid;
        self.reload(namespace, own_was_complete, differs, options)
    }

    /// Takes a Secret; `None` where it is gone.
    pub(super) fn secret(&mut self, namespace: &str, data: Option<SecretData>, options: &LoadOptions) -> Vec<Reloaded> {
        let own_was_complete = self.own.is_complete();
        let held = self.held(namespace);
        held.secret_seen = true;
        let before = std::mem::replace(&mut held.input.secret, data.unwrap_or_default());
        self.retired.extend(before.into_values());
        while self.retired.len() > RETIRED_MAX {
            self.retired.pop_front();
        }
        self.reload(namespace, own_was_complete, false, options)
    }

    /// Takes a `NotificationsConfiguration`; `None` where it is gone.
    pub(super) fn resource(
        &mut self,
        namespace: &str,
        resource: Option<Resource>,
        options: &LoadOptions,
    ) -> Vec<Reloaded> {
        let own_was_complete = self.own.is_complete();
        let held = self.held(namespace);
        let differs = held.input.resource != resource;
        held.resource_seen = true;
        held.input.resource = resource;
        self.reload(namespace, own_was_complete, differs, options)
    }

    /// Secret besides what is configured.
    pub(super) fn hide(&mut self, fixed: Vec<Vec<u8>>) {
        self.fixed = fixed;
    }

    /// Masks the values of Secrets, and what is secret of services' options.
    pub(super) fn scrubber(&self) -> Scrubber {
        let all = || std::iter::once(&self.own).chain(self.tenants.values());
        let options = all().flat_map(|held| held.config.services().values());
        let options: Vec<String> = options.flat_map(|config| service::secret_values(config)).collect();
        let values = all().flat_map(|held| held.input.secret.values()).chain(&self.retired).chain(&self.fixed);
        let values = values.map(Vec::as_slice).chain(options.iter().map(String::as_bytes));
        Scrubber::new(values)
    }

    fn held(&mut self, namespace: &str) -> &mut Held {
        if namespace.is_empty() {
            return &mut self.own;
        }
        let held = self.tenants.entry(namespace.to_owned()).or_default();
        held.input.namespace = namespace.to_owned();
        held
    }

    /// The source tells the controller's own objects after those of all others: when they are there, everything is.
    fn reload(
        &mut self,
        namespace: &str,
        own_was_complete: bool,
        differs: bool,
        options: &LoadOptions,
    ) -> Vec<Reloaded> {
        if !self.own.is_complete() {
            return Vec::new();
        }
        let all = !own_was_complete;
        let changed = self.tenants.iter_mut().map(|(name, held)| (name.as_str(), held));
        let changed = std::iter::once(("", &mut self.own)).chain(changed).filter(|(name, _)| all || *name == namespace);
        let reloaded: Vec<Reloaded> = changed.map(|(name, held)| held.reload(name, all, differs, options)).collect();
        self.tenants.retain(|_, held| held.exists() || !held.input.secret.is_empty());
        reloaded
    }
}

impl Held {
    /// Until all objects are known there is nothing to load: a half configuration would report keys that are in order.
    const fn is_complete(&self) -> bool {
        self.config_map_seen && self.secret_seen && self.resource_seen
    }

    /// Whether there is a configuration at all, in one form or the other.
    const fn exists(&self) -> bool {
        self.config_map_seen || self.input.resource.is_some()
    }

    fn plan(&self) -> Plan {
        let (config, interests) = (Arc::clone(&self.config), Arc::clone(&self.interests));
        Plan { config, interests, edition: self.edition }
    }

    /// `differs`: something else than the Secret changed.
    fn reload(&mut self, namespace: &str, first: bool, differs: bool, options: &LoadOptions) -> Reloaded {
        let before = Arc::clone(&self.config);
        let input = if self.exists() { self.input.clone() } else { ConfigInput::default() };
        let now = Arc::new(Configuration::load(&input, Some(&before), options));
        let differs = first || differs || secret_matters(&before, &now);
        self.interests = Arc::new(Interests::of(&now));
        self.edition += u64::from(differs);
        self.config = Arc::clone(&now);
        Reloaded { namespace: namespace.to_owned(), before, now, uid: self.uid.clone(), first, differs }
    }
}

/// Whether a new Secret alone can change a decision: services with new credentials are released in the store, without a look.
fn secret_matters(before: &Configuration, now: &Configuration) -> bool {
    let conditions = now.triggers().values().flat_map(|trigger| &trigger.conditions);
    let mut programs = conditions.flat_map(|c| [&c.program, &c.once_per_program]).flatten();
    before.problems() != now.problems()
        || now.templates().values().any(|template| template.reads_secret)
        || programs.any(|program| program.usage().reads(&["secrets"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(text: &str) -> Option<ConfigData> {
        Some([("template.t".to_owned(), format!("message: {text}"))].into())
    }
    fn message(configuration: Option<&Arc<Configuration>>) -> Option<String> {
        configuration?.templates().get("t").map(|template| template.to_json()["message"].to_string())
    }

    #[test]
    fn nothing_is_loaded_before_the_controllers_own_objects_are_known() {
        let (mut all, options) = (Configurations::default(), LoadOptions::default());
        assert!(all.resource("", None, &options).is_empty());
        assert!(all.config_map("team", data("tenant"), String::new(), &options).is_empty());
        assert!(all.secret("team", None, &options).is_empty());
        assert!(all.config_map("", data("own"), String::new(), &options).is_empty());
        let loaded = all.secret("", None, &options);
        assert_eq!(loaded.iter().map(|one| one.namespace.as_str()).collect::<Vec<_>>(), ["", "team"]);
        assert!(loaded.iter().all(|one| one.first));
        assert_eq!(message(all.get("team")).as_deref(), Some("\"tenant\""));
    }

    #[test]
    fn an_application_has_its_namespaces_configuration_and_the_controllers() {
        let (mut all, options) = (Configurations::default(), LoadOptions::default());
        all.resource("", None, &options);
        all.config_map("", data("own"), String::new(), &options);
        all.secret("", None, &options);
        let loaded = all.config_map("team", data("tenant"), String::new(), &options);
        assert_eq!((loaded.len(), loaded[0].first, loaded[0].differs), (1, false, true));
        assert_eq!(all.of("team").len(), 2);
        assert_eq!(all.of("other").len(), 1);
        let secret = all.secret("team", Some([("k".to_owned(), b"v".to_vec())].into()), &options);
        assert!(!secret[0].differs, "nothing reads the Secret but services");
        all.config_map("team", None, String::new(), &options);
        assert_eq!(all.of("team").len(), 1, "its ConfigMap is gone");
        assert!(all.get("team").is_none());
    }
}
