//! What is asked and what comes back.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

/// One rendered request of a gate.
#[derive(Debug, Clone)]
pub struct Question {
    /// Namespace of the gate: whose Secrets may be read, and which addresses may be reached.
    pub namespace: String,
    /// Name of the gate, for the log and the connection pool.
    pub gate: String,
    /// `GET`, `POST`, …, upper case.
    pub method: String,
    /// Absolute URL.
    pub url: String,
    /// Headers in order; of one name (in any case) the last one counts.
    pub headers: Vec<(String, String)>,
    /// `None`: no body is attached. An empty one is attached with length 0.
    pub body: Option<Bytes>,
    /// Time for everything: credentials, connection, redirects, the whole body. Zero means 30 s.
    pub timeout: Duration,
    /// Credentials.
    pub authentication: Authentication,
    /// Sent as `Idempotency-Key` where the gate sets no such header itself: the same for a repetition of one attempt.
    pub key: String,
}

/// Which credentials a question carries. Secrets are named, of the gate's own namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Authentication {
    /// None.
    #[default]
    None,
    /// `username` and `password` of a Secret.
    Basic {
        /// The Secret's name.
        secret: String,
    },
    /// `token` of a Secret.
    Bearer {
        /// The Secret's name.
        secret: String,
    },
    /// Client credentials with `clientID` and `clientSecret` of a Secret.
    OAuth2 {
        /// The Secret's name.
        secret: String,
        /// Where tokens are.
        token_url: String,
        /// What is asked for.
        scopes: Vec<String>,
    },
    /// `tls.crt`, `tls.key` and perhaps `ca.crt` of a Secret.
    Tls {
        /// The Secret's name.
        secret: String,
    },
    /// The credentials of the strategy's repository.
    Scm {
        /// `spec.gitRepositoryRef.name` of the PromotionStrategy.
        repository: String,
    },
}

/// A whole answer, of any status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers by Go's canonical names (`Content-Type`), with all values.
    pub headers: BTreeMap<String, Vec<String>>,
    /// The whole body, decompressed; at most `gates.requests.answerLimit` bytes, as JSON at most 127 levels deep.
    pub body: Bytes,
    /// From the start to the last byte, redirects and tokens included.
    pub took: Duration,
    /// What the endpoint asks for with `Retry-After`, at most a day.
    pub retry_after: Option<Duration>,
}
