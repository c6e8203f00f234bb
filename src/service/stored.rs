//! A stored payload of a kind's own form, as JSON: written at decision time, read at each attempt. Never a secret or a URL
//! of a service.

use super::{PrepareError, RequestError};
use crate::notify::Reason;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Largest payload that is stored.
const BYTES_MAX: usize = 1 << 20;

/// Writes it.
///
/// # Errors
/// Where it is too large.
pub fn write<T: Serialize>(payload: &T) -> Result<Vec<u8>, PrepareError> {
    let bytes = serde_json::to_vec(payload).map_err(|error| refuse(error.to_string(), "report this"))?;
    if bytes.len() <= BYTES_MAX {
        return Ok(bytes);
    }
    let message = format!("the notification has {} bytes, more than the {BYTES_MAX} that are sent", bytes.len());
    Err(refuse(message, "shorten what the template prints, for example with trunc"))
}

/// Reads it.
///
/// # Errors
/// Where it is not ours.
pub fn read<T: DeserializeOwned>(service: &str, bytes: &[u8]) -> Result<T, RequestError> {
    serde_json::from_slice(bytes)
        .map_err(|error| RequestError::Payload { service: service.to_owned(), cause: error.to_string() })
}

/// A notification that can never be sent like this.
pub fn refuse(message: impl Into<String>, advice: impl Into<String>) -> PrepareError {
    PrepareError { reason: Reason::InvalidNotification, message: message.into(), advice: advice.into() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn payloads_come_back_and_are_bounded() {
        let bytes = write(&("a", 1)).unwrap();
        assert_eq!(read::<(String, u8)>("s", &bytes).unwrap(), ("a".to_owned(), 1));
        assert!(matches!(read::<u8>("s", b"[]"), Err(RequestError::Payload { .. })));
        assert!(write(&"x".repeat(BYTES_MAX)).unwrap_err().message.contains("bytes"));
    }
}
