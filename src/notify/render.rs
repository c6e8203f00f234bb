//! Templates applied in order onto one notification (`spec/notifications.md` 4.2).
//!
//! All sections are rendered whatever the destination; one failing field fails the notification for that destination.

use crate::notify::configuration::{BACKSTAGE, Configuration, Member, Section, Source, Template};
use crate::notify::evaluate::RenderFailure;
use crate::notify::json::{Segment, SegmentKind};
use crate::notify::kind::Merge;
use crate::notify::model::Reason;
use crate::notify::notification::{BackstageMessage, Notification, Rendered, Text, WebhookMessage};
use gatepost_value::{Budget, CallContext, Location, Time, Value};

/// What a run may ask of the world.
#[derive(Clone)]
pub struct Surroundings<'a> {
    /// The time.
    pub now: Time,
    /// Go's `time.Local`.
    pub local: Location,
    /// Fills a buffer with random bytes.
    pub random: &'a dyn Fn(&mut [u8]),
}

impl Surroundings<'_> {
    /// Runs something on a meter of its own.
    pub fn with<T>(&self, config: &Configuration, run: impl FnOnce(&CallContext<'_>) -> T) -> T {
        let options = config.options();
        let budget = Budget::new(options.limits.clone());
        run(&CallContext {
            budget: &budget,
            now: self.now.clone(),
            local: self.local.clone(),
            random: self.random,
            costly: options.costly,
        })
    }
}

/// Applies templates in order, for a destination of this service. Webhook sections of other services are there as well, but what printed
/// which of their bytes is not told.
pub fn render(
    config: &Configuration,
    names: &[String],
    service: &str,
    vars: &Value,
    surroundings: &Surroundings<'_>,
) -> Result<Notification, RenderFailure> {
    let mut out = Notification::default();
    for name in names {
        let template = find(config, name)?;
        let mut run = Renderer { config, service, vars, surroundings };
        run.apply(template, &mut out).map_err(|message| RenderFailure { reason: Reason::RenderFailed, message })?;
    }
    Ok(out)
}

fn find<'a>(config: &'a Configuration, name: &str) -> Result<&'a Template, RenderFailure> {
    config.templates().get(name).map(AsRef::as_ref).ok_or_else(|| {
        let broken = config.template_is_broken(name);
        RenderFailure {
            reason: if broken { Reason::TemplateBroken } else { Reason::TemplateNotConfigured },
            message: format!("template '{name}' is not supported"),
        }
    })
}

struct Renderer<'a> {
    config: &'a Configuration,
    service: &'a str,
    vars: &'a Value,
    surroundings: &'a Surroundings<'a>,
}

impl Renderer<'_> {
    fn apply(&mut self, template: &Template, out: &mut Notification) -> Result<(), String> {
        let message = self.text(&template.message)?;
        if !message.is_empty() {
            out.message = message;
        }
        for (service, hook) in &template.webhook {
            let path = self.whole(&hook.path)?.lossy();
            // Only what is sent has its JSON mended, which needs the pieces.
            let body = if service == self.service { self.text(&hook.body)? } else { self.whole(&hook.body)? };
            out.webhook.insert(service.clone(), WebhookMessage { method: hook.method.clone(), path, body });
        }
        if let Some(fields) = &template.backstage {
            self.backstage(fields, out.backstage.get_or_insert_default())?;
        }
        for (name, (merge, section)) in &template.sections {
            let rendered = self.section(section)?;
            out.section_of.insert((*name).to_owned(), template.name.clone());
            match out.sections.get_mut(*name).filter(|_| *merge == Merge::Fieldwise) {
                Some(earlier) => earlier.overlay(rendered),
                None => drop(out.sections.insert((*name).to_owned(), rendered)),
            }
        }
        Ok(())
    }
    fn text(&self, source: &Source) -> Result<Text, String> {
        let Some(compiled) = &source.compiled else { return Ok(Text::default()) };
        let segments = self.surroundings.with(self.config, |context| compiled.render_segments(self.vars, context));
        let segments = segments.map_err(|error| error.to_string())?;
        Ok(Text { segments: segments.into_iter().map(segment).collect() })
    }
    /// A text as one piece: less work where nobody asks what printed which part of it.
    fn whole(&self, source: &Source) -> Result<Text, String> {
        let Some(compiled) = &source.compiled else { return Ok(Text::default()) };
        let mut out = Vec::new();
        let done = self.surroundings.with(self.config, |context| compiled.render(self.vars, context, &mut out));
        done.map_err(|error| error.to_string())?;
        Ok(Text::whole(out))
    }
    fn backstage(&self, fields: &[(&'static str, Source)], out: &mut BackstageMessage) -> Result<(), String> {
        for (name, source) in fields {
            let text = self.whole(source)?.lossy();
            if !text.is_empty() {
                set(out, name, text);
            }
        }
        Ok(())
    }
    fn section(&self, section: &Section) -> Result<Rendered, String> {
        Ok(match section {
            Section::Text(source) => Rendered::Text(self.text(source)?),
            Section::Fixed(value) => Rendered::Fixed(value.clone()),
            Section::List(items) => {
                Rendered::List(items.iter().map(|item| self.section(item)).collect::<Result<_, _>>()?)
            }
            Section::Map(members) => Rendered::Map(self.members(members)?),
        })
    }
    fn members(&self, members: &[Member]) -> Result<Vec<(String, Rendered)>, String> {
        let mut out = Vec::with_capacity(members.len());
        for member in members {
            let value = self.section(&member.value)?;
            if member.always || !value.is_empty() {
                out.push((member.name.clone(), value));
            }
        }
        Ok(out)
    }
}

fn segment(segment: gatepost_template::Segment) -> Segment {
    let gatepost_template::Segment { kind, bytes, line, column, action } = segment;
    if kind == gatepost_template::SegmentKind::Static {
        return Segment::fixed(bytes.to_vec());
    }
    Segment { kind: SegmentKind::Printed, bytes: bytes.to_vec(), line, column: column + 1, action: action.to_string() }
}

fn set(out: &mut BackstageMessage, name: &str, text: String) {
    debug_assert!(BACKSTAGE.contains(&name));
    let field = match name {
        "broadcast" => return out.broadcast = text.trim() == "true",
        "entityRef" => &mut out.entity_ref,
        "title" => &mut out.title,
        "description" => &mut out.description,
        "link" => &mut out.link,
        "severity" => &mut out.severity,
        "topic" => &mut out.topic,
        "scope" => &mut out.scope,
        _ => &mut out.icon,
    };
    *field = text;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::notify::{ConfigInput, LoadOptions};

    fn rendered(templates: &[(&str, &str)], names: &[&str]) -> Result<Notification, RenderFailure> {
        let configmap = templates.iter().map(|(k, v)| (format!("template.{k}"), (*v).to_owned())).collect();
        let input = ConfigInput { configmap, ..ConfigInput::default() };
        let config = Configuration::load(&input, None, &LoadOptions::sample());
        let surroundings =
            Surroundings { now: Time::unix(0, 0), local: Location::Utc, random: &|buffer| buffer.fill(0) };
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let app = Value::map(vec![("name".into(), Value::str("guest\"book"))]);
        render(&config, &names, "mine", &Value::map(vec![("app".into(), app)]), &surroundings)
    }

    #[test]
    fn messages_are_kept_by_empty_ones_and_webhooks_replaced() {
        let templates = [
            ("a", "message: one\nwebhook: {x: {method: POST, path: /p, body: b}}\nemail: {subject: s, body: b}\n"),
            ("b", "message: ''\nwebhook: {x: {body: c}}\nemail: {subject: t, body: ''}\n"),
        ];
        let out = rendered(&templates, &["a", "b"]).unwrap();
        assert_eq!(out.message.lossy(), "one");
        assert_eq!((out.webhook["x"].method.as_str(), out.webhook["x"].path.as_str()), ("", ""));
        let email = serde_json::json!({"subject": "t", "body": "b", "html": false});
        assert_eq!(out.sections["email"].to_json(), email);
    }

    #[test]
    fn a_field_of_another_service_fails_the_notification_too() {
        let failure = rendered(&[("a", "message: ok\nemail: {subject: '{{ fail \"no\" }}'}\n")], &["a"]).unwrap_err();
        assert_eq!(failure.reason, Reason::RenderFailed);
        let failure = rendered(&[], &["nosuch"]).unwrap_err();
        assert_eq!(failure.message, "template 'nosuch' is not supported");
    }

    #[test]
    fn a_webhook_of_another_service_is_rendered_and_may_fail_the_notification() {
        let hooks = |other: &str| {
            format!(
                "webhook: {{mine: {{path: '/{{{{ .app.name }}}}', body: 'x {{{{ .app.name }}}}'}}, other: {{body: 'x {other}'}}}}\n"
            )
        };
        let out = rendered(&[("a", &hooks("{{ .app.name }}"))], &["a"]).unwrap();
        let pieces = |name: &str| out.webhook[name].body.segments.iter().map(|s| s.kind).collect::<Vec<_>>();
        assert_eq!(pieces("mine"), [SegmentKind::Fixed, SegmentKind::Printed]);
        assert_eq!(pieces("other"), [SegmentKind::Fixed]);
        assert_eq!(out.webhook["mine"].body.lossy(), out.webhook["other"].body.lossy());
        assert_eq!(out.webhook["mine"].path, "/guest\"book");
        let failure = rendered(&[("a", &hooks("{{ fail \"no\" }}"))], &["a"]).unwrap_err();
        assert_eq!(failure.reason, Reason::RenderFailed);
    }

    #[test]
    fn printed_values_are_told_from_text() {
        let out = rendered(&[("a", "message: 'x {{ .app.name }}'\n")], &["a"]).unwrap();
        let kinds: Vec<_> = out.message.segments.iter().map(|s| s.kind).collect();
        assert_eq!(kinds, [SegmentKind::Fixed, SegmentKind::Printed]);
        assert_eq!(out.message.lossy(), "x guest\"book");
    }
}
