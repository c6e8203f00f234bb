//! The deprecated keys: `config.yaml` of the ConfigMap and `notifiers.yaml` of the Secret (`spec/notifications.md` 1.4).
//!
//! Both are laid over what the other keys say, as the Go controller lays them; unlike there, `subscriptions` work.

use super::key;
use super::service::{digest, spec};
use super::{Configuration, Fault, GlobalSubscription, LoadOptions, ServiceConfig, Template, Trigger};
use crate::notify::kind;
use crate::notify::yaml::{self, Fields, Kind, Node, Scalar};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Key of the ConfigMap.
pub const CONFIG_KEY: &str = "config.yaml";
/// Key of the Secret.
pub const SERVICES_KEY: &str = "notifiers.yaml";
/// Kinds that `notifiers.yaml` may hold beside `webhook`.
const SERVICES: [&str; 4] = ["email", "slack", "opsgenie", "grafana"];

/// What `config.yaml` says.
#[derive(Clone, Default)]
pub struct Legacy {
    triggers: Vec<LegacyTrigger>,
    templates: Vec<Arc<Template>>,
    context: BTreeMap<String, String>,
    subscriptions: Option<Vec<GlobalSubscription>>,
}

/// One trigger: what it replaces in the first condition of the same name.
#[derive(Clone)]
struct LegacyTrigger {
    name: String,
    condition: String,
    description: String,
    template: String,
    enabled: bool,
}

impl Legacy {
    /// Reads `config.yaml`.
    pub fn read(text: &str, options: &LoadOptions) -> Result<Self, Fault> {
        let failed = "error in unmarshaling legacy config: ";
        Self::read_parts(&yaml::parse(text).map_err(|fault| fault.within(failed))?, options)
            .map_err(|fault| fault.within(failed))
    }

    fn read_parts(node: &Node, options: &LoadOptions) -> Result<Self, Fault> {
        let fields = node.fields("", "settings.legacyConfig")?;
        let list = |name: &str, kind: &str| match fields.get(name) {
            Some(node) => node.items(&format!("legacyConfig.{name}"), &format!("[]settings.{kind}")),
            None => Ok(&[][..]),
        };
        let triggers = list("triggers", "legacyTrigger")?.iter().map(LegacyTrigger::read);
        let templates = list("templates", "legacyTemplate")?.iter().map(|node| template(node, options));
        let context = fields.get("context").map(|node| node.text_map("legacyConfig.context")).transpose()?;
        let subscriptions = fields.get("subscriptions").filter(|node| !node.is_null()).map(key::subscriptions);
        Ok(Self {
            triggers: triggers.collect::<Result<_, _>>()?,
            templates: templates.collect::<Result<_, _>>()?,
            context: context.unwrap_or_default(),
            subscriptions: subscriptions.transpose()?,
        })
    }

    /// Lays it over a configuration; a trigger that cannot be compiled is left out and told.
    pub fn apply(&self, config: &mut Configuration) -> Vec<Fault> {
        let mut faults = Vec::new();
        config.context.extend(self.context.clone());
        if let Some(list) = &self.subscriptions {
            config.subscriptions.clone_from(list);
        }
        for template in &self.templates {
            config.templates.insert(template.name.clone(), Arc::clone(template));
        }
        for legacy in &self.triggers {
            if legacy.enabled {
                config.default_triggers.get_or_insert_default().push(legacy.name.clone());
            }
            let known = config.triggers.get(&legacy.name);
            let trigger = Trigger::overlaid(
                known.map(Arc::as_ref),
                &legacy.name,
                [&legacy.condition, &legacy.description, &legacy.template],
                &config.options.limits,
            );
            match trigger {
                Ok(trigger) => drop(config.triggers.insert(legacy.name.clone(), Arc::new(trigger))),
                Err(fault) => faults.push(fault.within(&format!("trigger {}: ", legacy.name))),
            }
        }
        faults
    }
}

impl LegacyTrigger {
    fn read(node: &Node) -> Result<Self, Fault> {
        let fields = node.fields("legacyConfig.triggers", "settings.legacyTrigger")?;
        let text = |name| fields.text("legacyTrigger", name);
        let enabled = match fields.get("enabled") {
            Some(node) if !node.is_null() => match node.scalar() {
                Some(Scalar::Bool(flag)) => flag,
                _ => return Err(node.refuse("legacyTrigger.enabled", "bool")),
            },
            _ => false,
        };
        Ok(Self {
            name: text("name")?,
            condition: text("condition")?,
            description: text("description")?,
            template: text("template")?,
            enabled,
        })
    }
}

/// A legacy template is a notification with a name, whose subject and body go to the mail's subject and the message.
fn template(node: &Node, options: &LoadOptions) -> Result<Arc<Template>, Fault> {
    let fields = node.fields("legacyConfig.templates", "settings.legacyTemplate")?;
    let name = fields.text("legacyTemplate", "name")?;
    let mut pairs: Vec<(Node, Node)> = match &node.kind {
        Kind::Map(pairs) => {
            pairs.iter().filter(|(key, _)| !is_any(&key.key_text(), &["name", "subject", "body"])).cloned().collect()
        }
        _ => Vec::new(),
    };
    if let Some(body) = filled(&fields, "body") {
        pairs.push((text_node(body, "message"), body.clone()));
    }
    if let Some(subject) = filled(&fields, "subject") {
        let mut email = match fields.get("email").map(|node| &node.kind) {
            Some(Kind::Map(pairs)) => pairs.clone(),
            _ => Vec::new(),
        };
        email.push((text_node(subject, "subject"), subject.clone()));
        pairs.push((text_node(subject, "email"), Node { place: subject.place, kind: Kind::Map(email) }));
    }
    let notification = Node { place: node.place, kind: Kind::Map(pairs) };
    Template::from_node(&name, &notification, &format!("{notification:?}"), options).map(Arc::new)
}

fn is_any(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn filled<'a>(fields: &Fields<'a>, name: &str) -> Option<&'a Node> {
    fields
        .get(name)
        .filter(|node| node.scalar().is_some_and(|value| value != Scalar::Null && value != Scalar::Text(String::new())))
}

fn text_node(near: &Node, text: &str) -> Node {
    Node { place: near.place, kind: Kind::Scalar { text: text.to_owned(), plain: false, tag: String::new() } }
}

/// Reads `notifiers.yaml`: nothing in it is taken from other keys of the Secret.
pub fn services(text: &str, namespace: &str, options: &LoadOptions, strict: bool) -> Result<Vec<ServiceConfig>, Fault> {
    let failed = "error unmarshaling legacy services config: ";
    read_services(text, namespace, options, strict).map_err(|fault| fault.within(failed))
}

fn read_services(
    text: &str,
    namespace: &str,
    options: &LoadOptions,
    strict: bool,
) -> Result<Vec<ServiceConfig>, Fault> {
    let node = yaml::parse(text)?;
    let fields = node.fields("", "settings.legacyServicesConfig")?;
    let mut out = Vec::new();
    let load = |kind: &str, name: String, node: &Node| {
        let read = kind::options(spec(&format!("service.{kind}"), kind, options)?, node, strict)?;
        let options = serde_json::Value::Object(read);
        let digest = digest(kind, &options);
        Ok::<_, Fault>(ServiceConfig { namespace: namespace.to_owned(), name, kind: kind.to_owned(), options, digest })
    };
    for kind in SERVICES {
        if let Some(node) = fields.get(kind).filter(|node| !node.is_null()) {
            out.push(load(kind, kind.to_owned(), node)?);
        }
    }
    if let Some(list) = fields.get("webhook") {
        for node in list.items("legacyServicesConfig.webhook", "[]settings.legacyWebhookOptions")? {
            let name = node.fields("", "settings.legacyWebhookOptions")?.text("legacyWebhookOptions", "name")?;
            out.push(load("webhook", name, node)?);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::notify::ConfigInput;

    fn load(configmap: &[(&str, &str)], services: &str) -> Configuration {
        let configmap = configmap.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let secret = [(SERVICES_KEY.to_owned(), services.as_bytes().to_vec())].into();
        Configuration::load(&ConfigInput { configmap, secret, ..ConfigInput::default() }, None, &LoadOptions::sample())
    }

    #[test]
    fn old_keys_lie_over_new_ones() {
        let old = "triggers: [{name: t, condition: 'true', template: x, enabled: true}]\ntemplates: [{name: x, subject: s, body: b}]\n\
                   context: {a: b}\nsubscriptions: [{recipients: ['hook:r'], triggers: [t]}]\n";
        let new = "- when: 'false'\n  oncePer: app.x\n  send: [y]\n- when: 'true'\n";
        let config = load(&[("config.yaml", old), ("trigger.t", new)], "webhook: [{name: hook, url: 'http://h/'}]\n");
        let conditions = &config.triggers()["t"].conditions;
        assert_eq!((conditions[0].when.as_str(), conditions[0].once_per.as_str()), ("true", "app.x"));
        assert_eq!((conditions[0].send.as_slice(), conditions.len()), (["x".to_owned()].as_slice(), 2));
        assert_eq!(config.templates()["x"].to_json()["message"], "b");
        assert_eq!(config.templates()["x"].to_json()["email"]["subject"], "s");
        assert_eq!(config.default_triggers(), Some(["t".to_owned()].as_slice()));
        assert_eq!(config.subscriptions()[0].recipients, ["hook:r"]);
        assert_eq!(config.service("hook").unwrap().options["url"], "http://h/");
        let keys: Vec<_> = config.problems().iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, [CONFIG_KEY, SERVICES_KEY], "both are said to be deprecated");
    }

    #[test]
    fn a_broken_old_key_breaks_nothing_else() {
        let config = load(&[("config.yaml", "triggers: 1\n"), ("template.x", "message: m")], "email: 7\n");
        assert_eq!(config.templates().len(), 1);
        assert!(config.problems()[0].cause.contains("legacyConfig.triggers"), "{:?}", config.problems());
        assert!(config.problems().iter().any(|problem| problem.key == SERVICES_KEY));
    }
}
