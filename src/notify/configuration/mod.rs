//! The configuration of one namespace: ConfigMap and Secret in, triggers, templates, services and subscriptions out.
//!
//! Every key is loaded by itself. A broken key is a [`Problem`]; its last good text stays in force, and only what needs
//! the key is out of order without one. Never here: reading the objects, deciding about an Application.

mod problem;
mod template;
mod trigger;

pub use problem::{InForce, Problem};
use gatepost_value::{Limits, Value};
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

/// A loaded configuration. Cheap to share, never changes.
#[derive(Clone, Default)]
pub struct Configuration {
    _p: (),
}

impl Configuration {
    /// Loads every key by itself; `previous` lends its last good value to a key that is broken now.
    #[must_use]
    pub fn load(input: &ConfigInput, previous: Option<&Self>, options: &LoadOptions) -> Self {
        todo!()
    }
    /// What the Go controller says to this configuration: it refuses all of it for one error.
    ///
    /// # Errors
    /// The first error, in the order of the keys.
    pub fn strict_load(input: &ConfigInput, options: &LoadOptions) -> Result<Self, String> {
        todo!()
    }
    /// Namespace as it appears in state keys.
    #[must_use]
    pub fn namespace(&self) -> &str {
        todo!()
    }
    /// What is wrong, by key.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        todo!()
    }
    /// Services by name.
    #[must_use]
    pub fn services(&self) -> &BTreeMap<String, Arc<ServiceConfig>> {
        todo!()
    }
    /// A service by name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&ServiceConfig> {
        todo!()
    }
    /// Triggers by name.
    #[must_use]
    pub fn triggers(&self) -> &BTreeMap<String, Arc<Trigger>> {
        todo!()
    }
    /// Templates by name.
    #[must_use]
    pub fn templates(&self) -> &BTreeMap<String, Arc<Template>> {
        todo!()
    }
    /// `context`, without `notificationType`.
    #[must_use]
    pub fn context(&self) -> &BTreeMap<String, String> {
        todo!()
    }
    /// `defaultTriggers`.
    #[must_use]
    pub fn default_triggers(&self) -> Option<&[String]> {
        todo!()
    }
    /// `defaultTriggers.<service>` by service.
    #[must_use]
    pub fn service_default_triggers(&self) -> &BTreeMap<String, Vec<String>> {
        todo!()
    }
    /// Global subscriptions.
    #[must_use]
    pub fn subscriptions(&self) -> &[GlobalSubscription] {
        todo!()
    }
}
