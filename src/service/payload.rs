//! What a prepared HTTP request is in the store: method, path and body; no URL, no header, no secret.

use super::RequestError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The stored form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// HTTP method.
    pub method: String,
    /// Path that is joined to the service's URL; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Body in base64.
    pub body: String,
}

impl Payload {
    /// A payload with this body.
    #[must_use]
    pub fn new(method: &str, path: &str, body: &[u8]) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), body: STANDARD.encode(body) }
    }
    /// As JSON.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
    /// From JSON.
    ///
    /// # Errors
    /// Where it is not ours.
    pub fn read(service: &str, bytes: &[u8]) -> Result<Self, RequestError> {
        serde_json::from_slice(bytes).map_err(|error| refused(service, &error.to_string()))
    }
    /// The body.
    ///
    /// # Errors
    /// Where it is no base64.
    pub fn body(&self, service: &str) -> Result<Vec<u8>, RequestError> {
        STANDARD.decode(&self.body).map_err(|error| refused(service, &error.to_string()))
    }
}

/// A stored payload of whatever kind as people read it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Readable {
    /// Method and path below the service's URL, where it is one HTTP request; else empty.
    pub line: String,
    /// The request's body, or the payload as it is.
    pub body: Vec<u8>,
}

impl Readable {
    /// Unwraps an HTTP request; what is none stays as it is.
    #[must_use]
    pub fn of(stored: &[u8]) -> Self {
        Self::unwrapped(stored).unwrap_or_else(|| Self { line: String::new(), body: stored.to_vec() })
    }
    fn unwrapped(stored: &[u8]) -> Option<Self> {
        let payload: Payload = serde_json::from_slice(stored).ok()?;
        let body = STANDARD.decode(&payload.body).ok()?;
        Some(Self { line: format!("{} {}", payload.method, payload.path).trim().to_owned(), body })
    }
}

fn refused(service: &str, cause: &str) -> RequestError {
    RequestError::Payload { service: service.to_owned(), cause: cause.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_what_is_inside_a_request_and_all_else_as_it_is() {
        let read = Readable::of(&Payload::new("POST", "/x", b"{\"a\": 1}").to_bytes());
        assert_eq!((read.line.as_str(), read.body.as_slice()), ("POST /x", &b"{\"a\": 1}"[..]));
        assert_eq!(Readable::of(&Payload::new("PUT", "", b"").to_bytes()).line, "PUT");
        for other in [r#"{"method":"POST","body":"%"}"#, r#"{"text":"x"}"#, "template failed"] {
            let read = Readable::of(other.as_bytes());
            assert_eq!((read.line.as_str(), read.body.as_slice()), ("", other.as_bytes()));
        }
    }
}
