//! What a delivery sends, as people read it: the stored payload without its wrapping. It never held a URL, a header or a credential
//! of a service; what a template printed passes the scrubber like everything else.

use super::{Text, Words};
use crate::service::payload::Readable;
use serde_json::Value;

/// A stored payload for people.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    /// Method and path below the service's URL, where it is an HTTP request.
    pub line: Text,
    /// The body.
    pub body: Text,
}

/// Reads it: an HTTP request is unwrapped, JSON set in lines, anything else shown as it is.
pub(super) fn read(payload: &[u8], words: &Words) -> Request {
    let Readable { line, body } = Readable::of(payload);
    let body = match serde_json::from_slice::<Value>(&body) {
        Ok(value) => words.document(&serde_json::to_string_pretty(&value).unwrap_or_default()),
        Err(_) => words.document(&String::from_utf8_lossy(&body)),
    };
    let line = if line.is_empty() { Text::default() } else { words.show(&line) };
    Request { line, body }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::egress::redact::Scrubber;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use std::sync::Arc;

    #[test]
    fn a_request_is_unwrapped_and_scrubbed() {
        let words = Words::new(Arc::new(Scrubber::new([b"hunter22".as_slice()])));
        let body = STANDARD.encode(r#"{"token":"hunter22","n":1}"#);
        let payload = format!(r#"{{"method":"POST","path":"/x","body":"{body}"}}"#);
        let request = read(payload.as_bytes(), &words);
        assert_eq!(request.line.to_string(), "POST /x");
        assert!(request.body.to_string().contains("\"token\": \"[secret]\""), "{}", request.body);
        let plain = |text: &str| read(text.as_bytes(), &words).body.to_string();
        assert_eq!(plain("template failed: hunter22"), "template failed: [secret]");
        assert_eq!(plain(r#"{"text":"x"}"#), "{\n  \"text\": \"x\"\n}");
        assert_eq!(plain(r#"{"method":"POST","body":"%"}"#).lines().count(), 4);
    }
}
