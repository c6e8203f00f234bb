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

fn refused(service: &str, cause: &str) -> RequestError {
    RequestError::Payload { service: service.to_owned(), cause: cause.to_owned() }
}
