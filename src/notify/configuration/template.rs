//! `template.<name>`: the sections of a notification, compiled.

use super::Fault;
use crate::notify::yaml::{self, Fields, Kind, Node, Scalar};
use gatepost_template::{Profile, Template as Compiled};
use gatepost_value::Limits;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Sections of the Go controller's other services.
const SECTIONS: [&str; 15] = [
    "email",
    "slack",
    "teams",
    "teams-workflows",
    "googlechat",
    "mattermost",
    "rocketchat",
    "newrelic",
    "opsgenie",
    "pagerduty",
    "pagerdutyv2",
    "github",
    "alertmanager",
    "awssqs",
    "gcppubsub",
];

/// A text with its compiled form; an empty text has none.
#[derive(Clone)]
pub(crate) struct Source {
    pub text: String,
    pub compiled: Option<Compiled>,
}

/// A `webhook.<name>` section.
#[derive(Clone)]
pub(crate) struct WebhookSource {
    pub method: String,
    pub path: Source,
    pub body: Source,
}

/// A value of another service's section: every text in it is a template.
#[derive(Clone)]
pub(crate) enum Section {
    Text(Source),
    Fixed(Json),
    List(Vec<Section>),
    Map(Vec<(String, Section)>),
}

/// A template: what is rendered for a notification.
#[derive(Clone)]
pub struct Template {
    /// Name.
    pub name: String,
    /// Changes with its text.
    pub digest: String,
    /// Whether its text mentions the Secret.
    pub reads_secret: bool,
    pub(crate) message: Source,
    pub(crate) webhook: BTreeMap<String, WebhookSource>,
    /// Field name and source, in the order of [`BACKSTAGE`].
    pub(crate) backstage: Option<Vec<(&'static str, Source)>>,
    pub(crate) sections: BTreeMap<&'static str, Section>,
}

/// Fields of our own `backstage` section.
pub(crate) const BACKSTAGE: [&str; 9] =
    ["entityRef", "broadcast", "title", "description", "link", "severity", "topic", "scope", "icon"];

impl Template {
    /// Loads a template's key.
    pub(crate) fn load(name: &str, text: &str, limits: &Limits) -> Result<Self, Fault> {
        let failed = format!("failed to unmarshal template {name}: ");
        let node =
            yaml::parse(text).map_err(|fault| fault.within(&format!("{failed}error converting YAML to JSON: ")))?;
        let fields = node.fields("", "services.Notification").map_err(|fault| fault.within(&failed))?;
        let reader = Reader { name, failed: &failed, limits };
        Ok(Self {
            name: name.to_owned(),
            digest: super::hex(&Sha256::digest(text.as_bytes())),
            reads_secret: text.contains("secrets"),
            message: reader.source(name, &fields, "Notification", "message")?,
            webhook: reader.webhook(&fields)?,
            backstage: reader.backstage(&fields)?,
            sections: reader.sections(&fields)?,
        })
    }
    /// The template as the Go controller's JSON form of a notification.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let mut out = Map::new();
        if !self.message.text.is_empty() {
            out.insert("message".into(), self.message.text.clone().into());
        }
        if !self.webhook.is_empty() {
            let hooks = self.webhook.iter().map(|(name, hook)| {
                let value = json!({"method": hook.method, "path": hook.path.text, "body": hook.body.text});
                (name.clone(), value)
            });
            out.insert("webhook".into(), Json::Object(hooks.collect()));
        }
        for (name, section) in &self.sections {
            out.insert((*name).to_owned(), section.to_json());
        }
        Json::Object(out)
    }
}

impl Section {
    fn to_json(&self) -> Json {
        match self {
            Self::Text(source) => source.text.clone().into(),
            Self::Fixed(value) => value.clone(),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Map(pairs) => Json::Object(pairs.iter().map(|(k, v)| (k.clone(), v.to_json())).collect()),
        }
    }
}

struct Reader<'a> {
    name: &'a str,
    failed: &'a str,
    limits: &'a Limits,
}

impl Reader<'_> {
    fn compile(&self, name: &str, text: String, node: Option<&Node>) -> Result<Source, Fault> {
        if text.is_empty() {
            return Ok(Source { text, compiled: None });
        }
        match Compiled::parse(name, &text, Profile::notifications(), self.limits) {
            Ok(compiled) => Ok(Source { text, compiled: Some(compiled) }),
            Err(error) => {
                let place = node.map(|node| node.place).unwrap_or_default();
                let details = error.details();
                // A block scalar's node stands where its text begins.
                let inner = details.line.saturating_sub(1);
                let advice = details.hint.clone().unwrap_or_default();
                Err(Fault::at(place.line + inner, 0, error.to_string()).advise(advice))
            }
        }
    }
    fn source(&self, name: &str, fields: &Fields<'_>, owner: &str, field: &str) -> Result<Source, Fault> {
        let text = fields.text(owner, field).map_err(|fault| fault.within(self.failed))?;
        self.compile(name, text, fields.get(field))
    }
    fn webhook(&self, fields: &Fields<'_>) -> Result<BTreeMap<String, WebhookSource>, Fault> {
        let Some(section) = fields.get("webhook") else { return Ok(BTreeMap::new()) };
        let hooks = section.fields("Notification.webhook", "services.WebhookNotifications");
        let mut out = BTreeMap::new();
        for (service, node) in hooks.map_err(|fault| fault.within(self.failed))?.iter() {
            let hook = node.fields("Notification.webhook", "services.WebhookNotification");
            let hook = hook.map_err(|fault| fault.within(self.failed))?;
            let owner = "WebhookNotification";
            let name = format!("{}{service}", self.name);
            let method = hook.text(owner, "method").map_err(|fault| fault.within(self.failed))?;
            let path = self.source(&name, &hook, owner, "path")?;
            let body = self.source(&name, &hook, owner, "body")?;
            out.insert(service, WebhookSource { method, path, body });
        }
        Ok(out)
    }
    fn backstage(&self, fields: &Fields<'_>) -> Result<Option<Vec<(&'static str, Source)>>, Fault> {
        let Some(node) = fields.get("backstage").filter(|node| !node.is_null()) else { return Ok(None) };
        let section = node.fields("Notification.backstage", "a map").map_err(|fault| fault.within(self.failed))?;
        let known = |name: &str| BACKSTAGE.iter().any(|field| field.eq_ignore_ascii_case(name));
        if let Some((name, node)) = section.iter().find(|(name, _)| !known(name)) {
            let cause = format!("{}the backstage section has no field '{name}'", self.failed);
            let fault = Fault::at(node.place.line, node.place.column, cause);
            return Err(fault.advise(format!("fields are {}", BACKSTAGE.join(", "))));
        }
        let name = format!("{}backstage", self.name);
        let read = |field| Ok((field, self.source(&name, &section, "backstage", field)?));
        BACKSTAGE.into_iter().map(read).collect::<Result<_, _>>().map(Some)
    }
    fn sections(&self, fields: &Fields<'_>) -> Result<BTreeMap<&'static str, Section>, Fault> {
        let mut out = BTreeMap::new();
        for name in SECTIONS {
            if let Some(node) = fields.get(name).filter(|node| !node.is_null()) {
                let owner = format!("Notification.{name}");
                node.fields(&owner, "a notification section").map_err(|fault| fault.within(self.failed))?;
                out.insert(name, self.section(node)?);
            }
        }
        Ok(out)
    }
    fn section(&self, node: &Node) -> Result<Section, Fault> {
        Ok(match &node.kind {
            Kind::List(items) => Section::List(items.iter().map(|item| self.section(item)).collect::<Result<_, _>>()?),
            Kind::Map(pairs) => {
                let read = |(key, value): &(Node, Node)| Ok((key.key_text(), self.section(value)?));
                Section::Map(pairs.iter().map(read).collect::<Result<_, _>>()?)
            }
            Kind::Scalar { .. } => match node.scalar() {
                Some(Scalar::Text(text)) => Section::Text(self.compile(self.name, text, Some(node))?),
                _ => Section::Fixed(node.to_json()),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn load(text: &str) -> Result<Template, Fault> {
        Template::load("t", text, &Limits::default())
    }

    #[test]
    fn sections_are_read_without_regard_to_case() {
        let template = load("Message: 42\nWebhook:\n  x: {BODY: b, method: POST}\nemail: {subject: s}\n").unwrap();
        let expected = json!({
            "message": "42", "webhook": {"x": {"method": "POST", "path": "", "body": "b"}}, "email": {"subject": "s"}
        });
        assert_eq!(template.to_json(), expected);
    }

    #[test]
    fn syntax_errors_name_the_line() {
        let fault = load("webhook:\n  x:\n    body: |\n      ok\n      {{ .app\n").err().unwrap();
        assert!(fault.cause.starts_with("template: tx:"), "{}", fault.cause);
        assert!((4..=6).contains(&fault.line), "{}", fault.line);
    }

    #[test]
    fn our_own_section_knows_its_fields() {
        assert!(load("backstage: {title: x, entityRef: y}\n").unwrap().backstage.is_some());
        assert!(load("backstage: {titel: x}\n").err().unwrap().advice.contains("title"));
    }
}
