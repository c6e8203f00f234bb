//! What a callback's body may hold: `{"success": true|false, "mdMessage": "…"}` or `{"status": "pending", "mdMessage": "…"}`.
//! Read only after its caller is known.

use super::markdown;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Largest body in bytes.
pub const BODY_MAX: usize = 64 << 10;
/// Largest `mdMessage` in bytes.
pub const MESSAGE_MAX: usize = 16 << 10;

/// A callback's body that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The decision; `None`: the run goes on waiting.
    pub success: Option<bool>,
    /// The message, without control and bidi characters.
    pub message: String,
    /// SHA-256 of the body, in hex.
    pub sha256: String,
}

/// A body that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Too many bytes.
    #[error("the body has more than {BODY_MAX} bytes")]
    TooLarge,
    /// Too many bytes of message.
    #[error("mdMessage has {0} bytes, at most {MESSAGE_MAX} are taken")]
    MessageTooLarge(usize),
    /// Not the form.
    #[error("{0}")]
    Form(String),
}

#[derive(Deserialize)]
struct Form {
    success: Option<Value>,
    status: Option<Value>,
    #[serde(rename = "mdMessage")]
    message: Option<Value>,
}

impl Body {
    /// Reads a body.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unusable> {
        if bytes.len() > BODY_MAX {
            return Err(Unusable::TooLarge);
        }
        // A field that is there twice could mean either.
        let form: Form = serde_json::from_slice(bytes)
            .map_err(|error| Unusable::Form(format!("the body is not a JSON object as expected: {error}")))?;
        let message = match form.message {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text,
            Some(_) => return Err(Unusable::Form("mdMessage is not a text".to_owned())),
        };
        if message.len() > MESSAGE_MAX {
            return Err(Unusable::MessageTooLarge(message.len()));
        }
        let success = decision(form.success, form.status)?;
        Ok(Self { success, message: markdown::without_control(&message), sha256: hex(&Sha256::digest(bytes)) })
    }
}

fn decision(success: Option<Value>, status: Option<Value>) -> Result<Option<bool>, Unusable> {
    let form = |text: &str| Err(Unusable::Form(text.to_owned()));
    match (success, status) {
        (Some(Value::Bool(success)), None | Some(Value::Null)) => Ok(Some(success)),
        (Some(Value::Bool(_)), Some(_)) => form("success and status are both there: a callback says one of the two"),
        (None | Some(Value::Null), Some(Value::String(status))) if status == "pending" => Ok(None),
        (None | Some(Value::Null), Some(_)) => form("status is not \"pending\"; a decision is said with success"),
        (None, None) => form("success is missing: true or false"),
        (Some(_), _) => form("success is not a boolean: true or false, without quotes"),
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refusal(text: &str) -> String {
        Body::parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn the_seeds_body_is_read() {
        let body = Body::parse(br#"{"success": true, "mdMessage": "Webhook successful"}"#).unwrap();
        assert_eq!((body.success, body.message.as_str(), body.sha256.len()), (Some(true), "Webhook successful", 64));
        assert_eq!(Body::parse(br#"{"status": "pending", "mdMessage": "half"}"#).unwrap().success, None);
        assert_eq!(Body::parse(br#"{"success": false}"#).unwrap().success, Some(false));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        assert!(refusal("nonsense").contains("not a JSON object"));
        assert!(refusal("{}").contains("success is missing"));
        assert!(refusal(r#"{"success": "true"}"#).contains("not a boolean"));
        assert!(refusal(r#"{"success": null}"#).contains("missing"));
        assert!(refusal(r#"{"success": true, "success": false}"#).contains("duplicate"));
        assert!(refusal(r#"{"success": true, "status": "pending"}"#).contains("both"));
        assert!(refusal(r#"{"status": "done"}"#).contains("pending"));
        assert!(refusal(r#"{"success": true, "mdMessage": 1}"#).contains("mdMessage"));
        assert_eq!(Body::parse(&vec![b' '; BODY_MAX + 1]).unwrap_err(), Unusable::TooLarge);
        let long = format!(r#"{{"success": true, "mdMessage": "{}"}}"#, "x".repeat(MESSAGE_MAX + 1));
        assert_eq!(Body::parse(long.as_bytes()).unwrap_err(), Unusable::MessageTooLarge(MESSAGE_MAX + 1));
    }
}
