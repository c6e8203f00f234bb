//! What is asked and what comes back.

use crate::gate::spec::Authentication;
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
    /// Credentials; Secrets are those of the gate's own namespace.
    pub authentication: Option<Authentication>,
    /// Name of the GitRepository whose credentials `Authentication::Scm` means.
    pub repository: String,
    /// Sent as `Idempotency-Key` where the gate sets no such header itself: the same for a repetition of one attempt.
    pub key: String,
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
