//! Values that a notification prints as `<no value>`: sent as the Go controller sends them, but told to the owner.

use crate::notify::json::SegmentKind;
use crate::notify::{Notification, Text};

const NO_VALUE: &[u8] = b"<no value>";

/// What is missing in the parts of a notification that a service sends, one sentence each, with what to do.
#[must_use]
pub fn missing_values(notification: &Notification, service: &str) -> Vec<String> {
    let body = notification.webhook.get(service).map_or(&notification.message, |webhook| &webhook.body);
    let mut found = in_text(body);
    if notification.backstage.as_ref().is_some_and(|message| message.link.contains("<no value>")) {
        found.push(
            "the link holds <no value>; if it uses {{.context.argocdUrl}}, add argocdUrl to `context` in the ConfigMap"
                .into(),
        );
    }
    found.dedup();
    found
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

    #[test]
    fn a_missing_context_value_is_named_with_what_to_add() {
        let segments = vec![
            Segment::fixed(b"{\"link\": \"".to_vec()),
            Segment::printed("<no value>", 1, 1, "{{.context.argocdUrl}}"),
            Segment::printed("a", 1, 30, "{{.app.metadata.name}}"),
            Segment::printed("<no value>", 1, 50, "{{.app.status.x}}"),
        ];
        let notification = Notification { message: Text { segments }, ..Notification::default() };
        let found = missing_values(&notification, "hook");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], "{{.context.argocdUrl}} has no value; add argocdUrl to `context` in the ConfigMap");
        assert!(found[1].starts_with("{{.app.status.x}} has no value; add what it reads"));
    }
}
