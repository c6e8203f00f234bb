//! JSON and YAML that a template's field holds as text (`attachments`, `facts`, `cards`): under the same rule as bodies.

mod yaml;

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

/// The list of objects in a field; empty where the field is.
///
/// # Errors
/// Where it is no list of objects, which the Go controller does not send either.
pub fn objects(
    field: &str,
    text: &Text,
    context: &Context,
    repairs: &mut Vec<Repair>,
) -> Result<Vec<Json>, PrepareError> {
    let refuse = |found: &str| PrepareError {
        reason: Reason::InvalidNotification,
        message: format!("failed to unmarshal {field}: it must be a list of objects, and it holds {found}"),
        advice: "correct the template; `gatepost template notify` shows the rendered text".to_owned(),
    };
    match json(field, text, context, repairs)? {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(Json::Array(items)) if items.iter().all(|item| item.is_object() || item.is_null()) => Ok(items),
        Some(Json::Array(_)) => Err(refuse("other things too")),
        Some(_) => Err(refuse("something else")),
    }
}

/// The YAML in a field, JSON included; `None` where the field is empty. `is_text` tells the keys whose values are texts.
///
/// # Errors
/// Where it is no YAML, which the Go controller does not send either.
pub fn yaml(
    field: &str,
    text: &Text,
    is_text: fn(&str) -> bool,
    context: &Context,
    repairs: &mut Vec<Repair>,
) -> Result<Option<Json>, PrepareError> {
    if text.is_empty() {
        return Ok(None);
    }
    let outcome = json::repair(&text.segments);
    if context.json != JsonMode::Off && outcome.valid {
        repairs.extend(outcome.repairs);
        return Ok(serde_json::from_slice(&outcome.bytes).ok());
    }
    let plain = yaml::plain(text);
    match (context.json, yaml::kept(text, is_text)) {
        (JsonMode::Repair | JsonMode::Strict, Ok(kept)) => {
            if plain.as_ref().ok() != Some(&kept) {
                repairs.extend(yaml::repairs(text));
            }
            Ok(Some(kept))
        }
        // Values make up the structure: there is no telling them from the template.
        _ => plain.map(Some).map_err(|fault| PrepareError {
            reason: Reason::InvalidNotification,
            message: format!("failed to read {field}: {}", fault.cause),
            advice: "correct the template; `gatepost template notify` shows the rendered text".to_owned(),
        }),
    }
}

/// A field that is a whole JSON body: what no printed value breaks keeps its bytes.
///
/// # Errors
/// In strict mode, where it is no JSON and cannot be mended.
pub fn body(field: &str, text: &Text, context: &Context, repairs: &mut Vec<Repair>) -> Result<Vec<u8>, PrepareError> {
    if context.json == JsonMode::Off {
        return Ok(text.bytes());
    }
    let outcome = json::repair(&text.segments);
    if context.json == JsonMode::Strict && !outcome.valid {
        return Err(PrepareError {
            reason: Reason::InvalidNotification,
            message: format!("{field} is no JSON and could not be mended"),
            advice: "correct the template; `gatepost template notify` shows the rendered text".to_owned(),
        });
    }
    repairs.extend(outcome.repairs);
    Ok(outcome.bytes)
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

    #[test]
    fn lists_hold_objects() {
        let read = |text| objects("facts", &Text::literal(text), &Context::default(), &mut Vec::new());
        assert_eq!(read("[{\"a\": 1}, null]").unwrap().len(), 2);
        assert!(read("").unwrap().is_empty() && read("null").unwrap().is_empty());
        assert!(read("[1]").is_err() && read("{}").is_err() && read("[").is_err());
    }

    #[test]
    fn a_body_that_cannot_be_mended_is_sent_unless_strict() {
        let read = |json| {
            let context = Context { json, ..Context::default() };
            body("template", &Text::literal("{"), &context, &mut Vec::new())
        };
        assert_eq!(read(JsonMode::Repair).unwrap(), b"{");
        assert_eq!(read(JsonMode::Off).unwrap(), b"{");
        assert!(read(JsonMode::Strict).unwrap_err().message.contains("template"));
    }
}
