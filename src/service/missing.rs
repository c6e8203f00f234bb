//! Values that a notification prints as `<no value>`: sent as the Go controller sends them, but told to the owner.

use crate::notify::json::SegmentKind;
use crate::notify::{Notification, Rendered, ServiceConfig, Text};
use std::collections::BTreeSet;

const NO_VALUE: &[u8] = b"<no value>";

/// What is missing in the parts of a notification that a service sends, one sentence each, with what to do.
#[must_use]
pub fn missing_values(notification: &Notification, service: &ServiceConfig) -> Vec<String> {
    let webhook = notification.webhook.get(&service.name);
    let mut found = in_text(webhook.map_or(&notification.message, |webhook| &webhook.body));
    if webhook.is_some_and(|webhook| webhook.path.contains("<no value>")) {
        found.push(format!("the path of the section webhook.{} holds <no value>", service.name));
    }
    if let Some(section) = notification.sections.get(&service.kind) {
        in_section(section, &service.kind, &mut found);
    }
    if notification.backstage.as_ref().is_some_and(|message| message.link.contains("<no value>")) {
        found.push(
            "the link holds <no value>; if it uses {{.context.argocdUrl}}, add argocdUrl to `context` in the ConfigMap"
                .into(),
        );
    }
    let mut told = BTreeSet::new();
    found.retain(|sentence| told.insert(sentence.clone()));
    found
}

/// Goes through a section; `place` is where, such as `slack.attachments`.
fn in_section(section: &Rendered, place: &str, found: &mut Vec<String>) {
    match section {
        Rendered::Text(text) => found.extend(in_text(text).into_iter().map(|sentence| format!("{place}: {sentence}"))),
        Rendered::Fixed(_) => {}
        Rendered::List(items) => items.iter().for_each(|item| in_section(item, place, found)),
        Rendered::Map(members) => {
            members.iter().for_each(|(name, member)| in_section(member, &format!("{place}.{name}"), found));
        }
    }
}

fn in_text(text: &Text) -> Vec<String> {
    let printed = text.segments.iter().filter(|s| s.kind == SegmentKind::Printed && s.bytes == NO_VALUE);
    printed.map(|segment| sentence(&segment.action)).collect()
}

fn sentence(action: &str) -> String {
    let advice = match context_name(action) {
        Some(name) => format!("add {name} to `context` in the ConfigMap"),
        None => "add what it reads to the Application, or guard the template with `if` or `default`".into(),
    };
    format!("{action} has no value; {advice}")
}

/// The name in `.context.NAME`.
fn context_name(action: &str) -> Option<&str> {
    let (_, rest) = action.split_once(".context.")?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    rest.get(..end).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::json::Segment;

    fn service(kind: &str, name: &str) -> ServiceConfig {
        let options = crate::notify::LoadOptions { kinds: crate::service::kinds(), ..Default::default() };
        let configmap = [(format!("service.{kind}.{name}"), "token: x\nurl: http://h/\n".to_owned())].into();
        let input = crate::notify::ConfigInput { configmap, ..Default::default() };
        let config = crate::notify::Configuration::load(&input, None, &options);
        config.service(name).cloned().unwrap_or_else(|| panic!("{:?}", config.problems()))
    }

    #[test]
    fn a_missing_value_in_a_section_is_named_with_its_place() {
        let text = |action: &str| {
            let segments = vec![Segment::fixed(b"[".to_vec()), Segment::printed("<no value>", 1, 2, action)];
            Rendered::Text(Text { segments })
        };
        let fields = vec![
            ("attachments".to_owned(), text("{{.context.argocdUrl}}")),
            ("blocks".to_owned(), Rendered::List(vec![text("{{.app.x}}"), text("{{.app.x}}")])),
        ];
        let sections = [("slack".to_owned(), Rendered::Map(fields))].into();
        let notification = Notification { sections, ..Notification::default() };
        let found = missing_values(&notification, &service("slack", "chat"));
        assert_eq!(found.len(), 2, "{found:?}");
        let first =
            "slack.attachments: {{.context.argocdUrl}} has no value; add argocdUrl to `context` in the ConfigMap";
        assert_eq!(found[0], first);
        assert!(found[1].starts_with("slack.blocks: {{.app.x}} has no value"), "{found:?}");
        assert!(
            missing_values(&notification, &service("webhook", "hook")).is_empty(),
            "sections of others are not sent"
        );
    }

    #[test]
    fn a_missing_context_value_is_named_with_what_to_add() {
        let segments = vec![
            Segment::fixed(b"{\"link\": \"".to_vec()),
            Segment::printed("<no value>", 1, 1, "{{.context.argocdUrl}}"),
            Segment::printed("a", 1, 30, "{{.app.metadata.name}}"),
            Segment::printed("<no value>", 1, 50, "{{.app.status.x}}"),
        ];
        let notification = Notification { message: Text { segments }, ..Notification::default() };
        let found = missing_values(&notification, &service("webhook", "hook"));
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], "{{.context.argocdUrl}} has no value; add argocdUrl to `context` in the ConfigMap");
        assert!(found[1].starts_with("{{.app.status.x}} has no value; add what it reads"));
    }
}
