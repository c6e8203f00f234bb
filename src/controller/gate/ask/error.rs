//! Why an endpoint was not asked, or did not answer. Every text can be shown: no query value, credential or body is in one.

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Credentials could not be had: a Secret, a key of it, a token.
    #[error("failed to apply authentication: {0}")]
    Authentication(String),
    /// SCM credentials may not go to the host of this URL.
    #[error(
        "SCM host validation failed: URL host \"{host}\" is not allowed for the configured SCM provider; permitted host: \"{permitted}\""
    )]
    ScmHost {
        /// Host, and port where it counts.
        host: String,
        /// The provider's.
        permitted: String,
    },
    /// The request cannot be made: URL, method or header.
    #[error("failed to create HTTP request: {0}")]
    Request(String),
    /// Refused by the guard before anything was sent; the text names the setting.
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
        matches!(self, Self::Transport { .. })
    }
}
