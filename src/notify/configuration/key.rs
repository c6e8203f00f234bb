//! Which key of the ConfigMap says what (`spec/notifications.md` 1.1). Unknown keys are somebody else's.

use super::legacy::{self, Legacy};
use super::service;
use super::{ConfigInput, Entry, Fault, GlobalSubscription, InForce, LoadOptions, Problem, Room, Template, Trigger};
use crate::notify::selector::Selector;
use crate::notify::yaml::{self, Node};
use std::sync::Arc;

type Read = Result<Option<(Entry, Vec<Problem>)>, Fault>;

/// Reads one key; `None` for keys without a meaning here.
pub fn read(key: &str, text: &str, input: &ConfigInput, options: &LoadOptions, strict: bool) -> Read {
    let entry = match key.split_once('.') {
        _ if key == "subscriptions" => Entry::Subscriptions(subscriptions(&json(text)?)?),
        _ if key == "defaultTriggers" => Entry::DefaultTriggers(json(text)?.texts("")?),
        _ if key == "context" => Entry::Context(json(text)?.text_map("")?),
        _ if key == legacy::CONFIG_KEY => return legacy(text, options),
        Some(("defaultTriggers", name)) => {
            let failed = format!("failed to unmarshal default trigger {name}: ");
            let list = json(text).and_then(|node| node.texts("")).map_err(|fault| fault.within(&failed))?;
            Entry::ServiceDefaultTriggers(name.to_owned(), list)
        }
        Some(("template", name)) => Entry::Template(Arc::new(Template::load(name, text, options)?)),
        Some(("trigger", name)) => Entry::Trigger(Arc::new(Trigger::load(name, text, &options.limits)?)),
        Some(("service", _)) => return service_entry(key, text, input, options, strict),
        Some(("gatepost", rest)) if rest.starts_with("service.") => {
            return if strict { Ok(None) } else { service_entry(key, text, input, options, strict) };
        }
        _ => return Ok(None),
    };
    Ok(Some((entry, Vec::new())))
}

/// What a broken key would have been, for reasons such as `TriggerBroken`.
pub fn room(key: &str) -> Option<(Room, String)> {
    match key.split_once('.') {
        Some(("template", name)) => Some((Room::Template, name.to_owned())),
        Some(("trigger", name)) => Some((Room::Trigger, name.to_owned())),
        Some(("service" | "gatepost", _)) => {
            service::name_of(key).ok().map(|(_, name)| (Room::Service, name.to_owned()))
        }
        _ => None,
    }
}

fn json(text: &str) -> Result<Node, Fault> {
    yaml::parse(text).map_err(|fault| fault.within("error converting YAML to JSON: "))
}

fn legacy(text: &str, options: &LoadOptions) -> Read {
    if text.is_empty() {
        return Ok(None);
    }
    let entry = Entry::Legacy(Arc::new(Legacy::read(text, options)?));
    let fault = Fault::new("the key is deprecated").advise("move what it holds to trigger.*, template.* and context");
    Ok(Some((entry, vec![fault.into_problem(legacy::CONFIG_KEY, InForce::Itself)])))
}

fn service_entry(key: &str, text: &str, input: &ConfigInput, options: &LoadOptions, strict: bool) -> Read {
    let loaded = service::load(key, text, input, options, strict)?;
    let warnings = loaded.warnings.into_iter().map(|warning| {
        Fault::at(warning.line, 0, warning.cause).advise(warning.advice).into_problem(key, InForce::Itself)
    });
    Ok(Some((Entry::Service(Arc::new(loaded.config)), warnings.collect())))
}

/// No coercion here: `recipients: [1]` is refused, as the Go controller does.
pub fn subscriptions(node: &Node) -> Result<Vec<GlobalSubscription>, Fault> {
    node.items("", "[]subscription")?.iter().map(subscription).collect()
}

fn subscription(item: &Node) -> Result<GlobalSubscription, Fault> {
    let fields = item.fields("", "rawSubscription")?;
    let list = |name: &str| {
        let field = format!("rawSubscription.{name}");
        fields.get(name).filter(|node| !node.is_null()).map(|node| node.strict_texts(&field)).transpose()
    };
    let selector = match fields.get("selector") {
        None => String::new(),
        Some(node) => {
            let text = node.strict_text("rawSubscription.selector")?;
            let failed = "error unmarshaling JSON: while decoding JSON: ";
            Selector::parse(&text)
                .map_err(|cause| Fault::at(node.place.line, node.place.column, format!("{failed}{cause}")))?;
            text
        }
    };
    Ok(GlobalSubscription {
        recipients: list("recipients")?.unwrap_or_default(),
        triggers: list("triggers")?,
        selector,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_of_broken_keys() {
        assert_eq!(room("trigger.a.b"), Some((Room::Trigger, "a.b".to_owned())));
        assert_eq!(room("service.webhook.x"), Some((Room::Service, "x".to_owned())));
        assert_eq!(room("gatepost.service.backstage.b"), Some((Room::Service, "b".to_owned())));
        assert_eq!(room("context"), None);
    }
}
