//! Why an endpoint was not asked, or did not answer. Every text can be shown: no query value, credential or body is in one.

use crate::egress::{self, redact};

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Credentials could not be had: a Secret, a key of it, a provider.
    #[error("failed to apply authentication: {0}")]
    Authentication(String),
    /// The place that hands out tokens could not be reached, or is overloaded.
    #[error("failed to apply authentication: {0}")]
    Token(String),
    /// SCM credentials may not go to the host of this URL.
    #[error("SCM host validation failed: {0}")]
    ScmHost(String),
    /// The request cannot be made: URL, method or header.
    #[error("failed to create HTTP request: {0}")]
    Request(String),
    /// Refused by the guard before anything was sent, or a redirect that is not followed; the text names the setting.
    #[error("HTTP request failed: {target}: {cause}")]
    Refused {
        /// Method and redacted URL.
        target: String,
        /// Rule and setting.
        cause: String,
    },
    /// Nothing came back in time, or nobody could be reached.
    #[error("HTTP request failed: {target}: {cause}")]
    Transport {
        /// Method and redacted URL.
        target: String,
        /// The cause.
        cause: String,
    },
    /// The answer's head came, its body cannot be used: too large, too slow, broken off, too deep.
    #[error("failed to read response body: {target}: {cause}")]
    Body {
        /// Method and redacted URL.
        target: String,
        /// The cause.
        cause: String,
    },
}

impl AskError {
    /// Whether the endpoint may answer another time without anybody changing anything: ask again early, with backoff.
    #[must_use]
    pub fn is_transport(&self) -> bool {
        matches!(self, Self::Transport { .. } | Self::Token(_))
    }

    /// What the door says, in the words of a gate.
    pub(super) fn of(error: egress::Error, method: &str, url: &str) -> Self {
        let target = target(method, url);
        match error {
            egress::Error::Invalid(cause) => Self::Request(cause),
            egress::Error::Refused { .. } | egress::Error::Redirect { .. } => {
                Self::Refused { target, cause: error.to_string() }
            }
            egress::Error::Connect { cause, .. } => {
                Self::Transport { target, cause: format!("failed to connect: {cause}") }
            }
            egress::Error::NoAnswer { cause, .. } => Self::Transport { target, cause: format!("no answer: {cause}") },
            egress::Error::Unusable { cause, .. } => Self::Body { target, cause },
        }
    }
}

/// `Get "https://host/path?name=…"`, as Go's client begins its errors.
pub(super) fn target(method: &str, url: &str) -> String {
    let mut letters = method.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase()).into_iter();
    let method: String = first.chain(letters.map(|letter| letter.to_ascii_lowercase())).collect();
    format!("{method} \"{}\"", redact::shown(url))
}

/// Why there are no credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denied {
    /// In words.
    pub cause: String,
    /// Whether it may pass by itself.
    pub passes: bool,
}

impl Denied {
    /// Somebody has to change something.
    pub(super) fn lasting(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), passes: false }
    }

    /// The same with words before it.
    pub(super) fn within(self, what: &str) -> Self {
        Self { cause: format!("{what}: {}", self.cause), ..self }
    }
}

impl From<Denied> for AskError {
    fn from(denied: Denied) -> Self {
        if denied.passes { Self::Token(denied.cause) } else { Self::Authentication(denied.cause) }
    }
}
