//! JSON and YAML that a template's field holds as text (`attachments`, `facts`, `cards`): under the same rule as bodies.

use super::{Context, PrepareError};
use crate::notify::json::{self, JsonMode, Repair};
use crate::notify::{Reason, Text};
use serde_json::Value as Json;

/// The JSON in a field; `None` where the field is empty. What was mended is added to `repairs`.
///
/// # Errors
/// Where it is no JSON, which the Go controller does not send either.
pub fn json(
    field: &str,
    text: &Text,
    context: &Context,
    repairs: &mut Vec<Repair>,
) -> Result<Option<Json>, PrepareError> {
    if text.is_empty() {
        return Ok(None);
    }
    let bytes = if context.json == JsonMode::Off {
        text.bytes()
    } else {
        let outcome = json::repair(&text.segments);
        if outcome.valid {
            repairs.extend(outcome.repairs);
        }
        outcome.bytes
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| PrepareError {
        reason: Reason::InvalidNotification,
        message: format!("failed to unmarshal {field}: {error}"),
        advice: "correct the template; `gatepost template notify` shows the rendered text".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::notify::json::Segment;

    #[test]
    fn a_value_stays_inside_its_string() {
        let segments = vec![
            Segment::fixed(br#"[{"title": ""#.to_vec()),
            Segment::printed("a\"b", 1, 1, "{{.x}}"),
            Segment::fixed(br#""}]"#.to_vec()),
        ];
        let (text, mut repairs) = (Text { segments }, Vec::new());
        let read = json("attachments", &text, &Context::default(), &mut repairs).unwrap();
        assert_eq!(read, Some(serde_json::json!([{"title": "a\"b"}])));
        assert_eq!(repairs.len(), 1);
        let off = Context { json: JsonMode::Off, ..Context::default() };
        assert!(json("attachments", &text, &off, &mut repairs).unwrap_err().message.contains("attachments"));
        assert_eq!(json("blocks", &Text::default(), &off, &mut repairs).unwrap(), None);
    }
}
