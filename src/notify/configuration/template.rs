//! `template.<name>`: the sections of a notification, compiled.

use super::{Fault, LoadOptions};
use crate::notify::kind::{self, Field, Merge, Record, Shape};
use crate::notify::yaml::{self, Fields, Node};
use gatepost_template::{Profile, Template as Compiled};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

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

/// A value of another service's section.
#[derive(Clone)]
pub(crate) enum Section {
    /// A template.
    Text(Source),
    /// What no template is, or a field that is absent.
    Fixed(Json),
    /// A list.
    List(Vec<Section>),
    /// Fields in the order declared, or pairs in the order written.
    Map(Vec<Member>),
}

/// A member of a section.
#[derive(Clone)]
pub(crate) struct Member {
    /// Name.
    pub name: String,
    /// Whether it is there even when it renders to nothing.
    pub always: bool,
    /// What it holds.
    pub value: Section,
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
    pub(crate) sections: BTreeMap<&'static str, (Merge, Section)>,
}

/// Fields of our own `backstage` section.
pub(crate) const BACKSTAGE: [&str; 9] =
    ["entityRef", "broadcast", "title", "description", "link", "severity", "topic", "scope", "icon"];

impl Template {
    /// Loads a template's key.
    pub(crate) fn load(name: &str, text: &str, options: &LoadOptions) -> Result<Self, Fault> {
        let failed = format!("failed to unmarshal template {name}: ");
        let node =
            yaml::parse(text).map_err(|fault| fault.within(&format!("{failed}error converting YAML to JSON: ")))?;
        Self::from_node(name, &node, text, options)
    }
    /// The same from a node; `text` is what its digest is made of.
    pub(crate) fn from_node(name: &str, node: &Node, text: &str, options: &LoadOptions) -> Result<Self, Fault> {
        let failed = format!("failed to unmarshal template {name}: ");
        let fields = node.fields("", "services.Notification").map_err(|fault| fault.within(&failed))?;
        let reader = Reader { name, failed: &failed, options };
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
        for (name, (_, section)) in &self.sections {
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
            Self::Map(members) => {
                let shown = members.iter().map(|member| (member, member.value.to_json()));
                let shown = shown.filter(|(member, value)| member.always || !is_empty(value));
                Json::Object(shown.map(|(member, value)| (member.name.clone(), value)).collect())
            }
        }
    }
}

/// What `omitempty` leaves out.
pub(crate) fn is_empty(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Bool(flag) => !flag,
        Json::Number(number) => number.as_i64() == Some(0),
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(pairs) => pairs.is_empty(),
    }
}

struct Reader<'a> {
    name: &'a str,
    failed: &'a str,
    options: &'a LoadOptions,
}

impl Reader<'_> {
    fn compile(&self, name: &str, text: String, node: Option<&Node>) -> Result<Source, Fault> {
        if text.is_empty() {
            return Ok(Source { text, compiled: None });
        }
        match Compiled::parse(name, &text, Profile::notifications(), &self.options.limits) {
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
    fn sections(&self, fields: &Fields<'_>) -> Result<BTreeMap<&'static str, (Merge, Section)>, Fault> {
        let mut out = BTreeMap::new();
        for kind in &self.options.kinds {
            let Some(spec) = &kind.section else { continue };
            if let Some(node) = fields.get(kind.name).filter(|node| !node.is_null()) {
                let owner = format!("Notification.{}", kind.name);
                let section = self.record(node, &spec.record, &owner).map_err(|fault| fault.within(self.failed))?;
                out.insert(kind.name, (spec.merge, section));
            }
        }
        Ok(out)
    }
    fn record(&self, node: &Node, record: &Record, owner: &str) -> Result<Section, Fault> {
        let fields = node.fields(owner, &format!("services.{}", record.go))?;
        let mut out = Vec::new();
        for field in record.fields {
            let path = format!("{}.{}", record.go, field.name);
            let value = match fields.get(field.name).filter(|node| !node.is_null()) {
                Some(node) => self.value(node, field, &path)?,
                None => match self.absent(field)? {
                    Some(value) => value,
                    None => continue,
                },
            };
            out.push(Member { name: field.name.to_owned(), always: field.always, value });
        }
        Ok(Section::Map(out))
    }
    /// What stands for a field that is not written.
    fn absent(&self, field: &Field) -> Result<Option<Section>, Fault> {
        let default = || field.default.to_owned();
        Ok(match field.shape {
            Shape::Template if !field.default.is_empty() => {
                Some(Section::Text(self.compile(self.name, default(), None)?))
            }
            Shape::Text | Shape::Template if field.always || !field.default.is_empty() => {
                Some(Section::Fixed(default().into()))
            }
            Shape::Bool if field.always => Some(Section::Fixed((field.default == "true").into())),
            Shape::Int if field.always => Some(Section::Fixed(0.into())),
            _ if field.always => Some(Section::Fixed(Json::Null)),
            _ => None,
        })
    }
    fn value(&self, node: &Node, field: &Field, path: &str) -> Result<Section, Fault> {
        Ok(match field.shape {
            Shape::Template => {
                let text = node.text(path)?;
                let text = if text.is_empty() { field.default.to_owned() } else { text };
                Section::Text(self.compile(self.name, text, Some(node))?)
            }
            Shape::Templates => {
                let items = node.items(path, "[]string")?.iter();
                let read = |item: &Node| self.compile(self.name, item.text(path)?, Some(item)).map(Section::Text);
                Section::List(items.map(read).collect::<Result<_, Fault>>()?)
            }
            Shape::TemplateMap => {
                let read = |(name, item): (String, &Node)| {
                    let value = Section::Text(self.compile(self.name, item.text(path)?, Some(item))?);
                    Ok(Member { name, always: true, value })
                };
                Section::Map(node.fields(path, "map[string]string")?.iter().map(read).collect::<Result<_, Fault>>()?)
            }
            Shape::Record(inner) => self.record(node, inner, path)?,
            Shape::Records(inner) => {
                let items = node.items(path, &format!("[]services.{}", inner.go))?.iter();
                Section::List(items.map(|item| self.record(item, inner, path)).collect::<Result<_, _>>()?)
            }
            _ => Section::Fixed(kind::value(node, field.shape, path, false)?),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn load(text: &str) -> Result<Template, Fault> {
        Template::load("t", text, &LoadOptions::sample())
    }

    #[test]
    fn sections_are_read_without_regard_to_case() {
        let template = load("Message: 42\nWebhook:\n  x: {BODY: b, method: POST}\nemail: {subject: s}\n").unwrap();
        let expected = json!({
            "message": "42", "webhook": {"x": {"method": "POST", "path": "", "body": "b"}}, "email": {"subject": "s", "html": false}
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
