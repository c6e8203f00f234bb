//! A rendered notification: what the templates of one condition made for one destination.
//!
//! Plain data. How it is made is in `render`, what a service makes of it is in [`crate::service`].

use crate::notify::json::Segment;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// A rendered text that still knows which bytes are the template's own and which were printed by an action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    /// The pieces in order.
    pub segments: Vec<Segment>,
}

impl Text {
    /// A text that no template made.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        Self::whole(text.as_bytes().to_vec())
    }
    /// A text in one piece: what printed which of its bytes is not known.
    #[must_use]
    pub fn whole(bytes: Vec<u8>) -> Self {
        if bytes.is_empty() { Self::default() } else { Self { segments: vec![Segment::fixed(bytes)] } }
    }
    /// The bytes as the Go controller would send them.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.segments.iter().flat_map(|segment| segment.bytes.iter().copied()).collect()
    }
    /// The text with invalid UTF-8 replaced by U+FFFD.
    #[must_use]
    pub fn lossy(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }
    /// Whether nothing was rendered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.segments.iter().all(|segment| segment.bytes.is_empty())
    }
}

/// A rendered value of a service's section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rendered {
    /// What a template made.
    Text(Text),
    /// What no template is.
    Fixed(Json),
    /// A list.
    List(Vec<Self>),
    /// Members in order; those that are empty and left out by Go are not there.
    Map(Vec<(String, Self)>),
}

impl Rendered {
    /// A member by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(members) => members.iter().find(|(known, _)| known == name).map(|(_, value)| value),
            _ => None,
        }
    }
    /// Text of a member; empty where it is absent or no text.
    #[must_use]
    pub fn text(&self, name: &str) -> Text {
        match self.get(name) {
            Some(Self::Text(text)) => text.clone(),
            Some(Self::Fixed(Json::String(text))) => Text::literal(text),
            _ => Text::default(),
        }
    }
    /// The same as a string.
    #[must_use]
    pub fn string(&self, name: &str) -> String {
        self.text(name).lossy()
    }
    /// A member that is a switch; off where it is absent.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Self::Fixed(Json::Bool(true))))
    }
    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Self::Text(text) => text.lossy().into(),
            Self::Fixed(value) => value.clone(),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Map(members) => Json::Object(members.iter().map(|(k, v)| (k.clone(), v.to_json())).collect()),
        }
    }
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Fixed(value) => super::configuration::is_empty(value),
            Self::List(items) => items.is_empty(),
            Self::Map(members) => members.is_empty(),
        }
    }
    /// Members of a later section that are not empty take the place of those here.
    pub(crate) fn overlay(&mut self, later: Self) {
        let (Self::Map(here), Self::Map(later)) = (self, later) else { return };
        for (name, value) in later.into_iter().filter(|(_, value)| !value.is_empty()) {
            match here.iter_mut().find(|(known, _)| *known == name) {
                Some((_, old)) => *old = value,
                None => here.push((name, value)),
            }
        }
    }
}

/// A `webhook.<name>` section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookMessage {
    /// HTTP method as written; empty where there is none.
    pub method: String,
    /// Path that is joined to the service's URL.
    pub path: String,
    /// Body.
    pub body: Text,
}

/// A `backstage` section (our own; the Go controller ignores it). Empty fields count as absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackstageMessage {
    /// Who is told; several references are separated by commas.
    pub entity_ref: String,
    /// Told to everybody instead.
    pub broadcast: bool,
    /// Title.
    pub title: String,
    /// Description.
    pub description: String,
    /// Link.
    pub link: String,
    /// `critical`, `high`, `normal` or `low`.
    pub severity: String,
    /// Topic.
    pub topic: String,
    /// Scope; a later notification of the same scope replaces the earlier one.
    pub scope: String,
    /// Icon name.
    pub icon: String,
}

/// The notification after all templates of a condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notification {
    /// `message`.
    pub message: Text,
    /// `webhook` sections by service name.
    pub webhook: BTreeMap<String, WebhookMessage>,
    /// `backstage` section.
    pub backstage: Option<BackstageMessage>,
    /// Sections of the other services, rendered, by the name of the kind.
    pub sections: BTreeMap<String, Rendered>,
    /// Name of the last template that has a section of the kind, by the name of the kind.
    pub section_of: BTreeMap<String, String>,
}

impl Notification {
    /// The Go controller's JSON form: what `template notify` prints for the recipient `console:stdout`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let mut out = Map::new();
        if !self.message.is_empty() {
            out.insert("message".into(), self.message.lossy().into());
        }
        if !self.webhook.is_empty() {
            let hooks = self.webhook.iter().map(|(name, hook)| {
                let value = json!({"method": hook.method, "path": hook.path, "body": hook.body.lossy()});
                (name.clone(), value)
            });
            out.insert("webhook".into(), Json::Object(hooks.collect()));
        }
        out.extend(self.sections.iter().map(|(name, section)| (name.clone(), section.to_json())));
        Json::Object(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_form_leaves_out_what_is_empty() {
        let hook = WebhookMessage { method: "POST".into(), ..WebhookMessage::default() };
        let out = Notification { webhook: [("x".to_owned(), hook)].into(), ..Notification::default() };
        assert_eq!(out.to_json(), json!({"webhook": {"x": {"method": "POST", "path": "", "body": ""}}}));
        assert!(Text::literal("").is_empty());
    }
}
