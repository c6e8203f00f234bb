//! What goes through the door and what comes back.

use super::policy::Rule;
use bytes::Bytes;
use std::time::Duration;

/// One outgoing HTTP request, resolved (no references left).
#[derive(Clone)]
pub struct Request {
    /// HTTP method.
    pub method: String,
    /// Absolute URL.
    pub url: String,
    /// Headers in order; a later one of the same name replaces an earlier one.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Body.
    pub body: Bytes,
    /// How the connection is made.
    pub transport: Transport,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Connection settings; equal settings of one service share a pool.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Transport {
    /// Namespace of the configuration and name of the service: the pool's owner.
    pub owner: String,
    /// Namespace whose own configuration asks for it; empty for the platform. Decides what may be reached.
    pub tenant: String,
    /// TLS settings.
    pub tls: TlsOptions,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Time from the request to the head of the answer, redirects among it.
    pub answer_timeout: Duration,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
    /// Idle connections kept per host.
    pub max_idle_per_host: usize,
    /// Bytes of the answer's body that are read, after decompression.
    pub answer_limit: usize,
    /// Only a whole answer will do: one that is longer, broken off or stalled is an [`Error::Unusable`].
    pub whole: bool,
    /// Longest time between two pieces of a body.
    pub longest_pause: Duration,
    /// Longest time for the whole of a body.
    pub longest_body: Duration,
    /// Which redirects are followed.
    pub redirects: Redirects,
}

/// Which redirects are followed, three at most. Each hop is judged by the guard again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Redirects {
    /// To the same host and port; from http to https of the same host, whatever the port.
    #[default]
    SameHost,
    /// To the same scheme, host and port; elsewhere only to these, without credentials: no client certificate, and of the
    /// headers only what describes the body and the answer.
    SameOrigin(Vec<Rule>),
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            owner: String::new(),
            tenant: String::new(),
            tls: TlsOptions::default(),
            connect_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(120),
            idle_timeout: Duration::from_secs(90),
            max_idle_per_host: 4,
            answer_limit: 64 << 10,
            whole: false,
            longest_pause: Duration::from_secs(10),
            longest_body: Duration::from_secs(30),
            redirects: Redirects::SameHost,
        }
    }
}

/// TLS settings of one service.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct TlsOptions {
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
    /// PEM certificates that replace the system roots: the service's own, or Argo CD's `argocd-tls-certs-cm`.
    pub roots_pem: Vec<u8>,
    /// What the client shows of itself.
    pub certificate: Option<ClientCertificate>,
    /// Name that is asked for in the handshake and looked for in the certificate, where it is not the URL's host.
    pub server_name: String,
}

impl std::fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsOptions")
            .field("insecure_skip_verify", &self.insecure_skip_verify)
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

impl TlsOptions {
    /// Whether the certificates can be read.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn check(&self) -> Result<(), Error> {
        super::tls::check(self)
    }
}

/// A client certificate with its key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClientCertificate {
    /// PEM of the certificate and those that signed it.
    pub chain_pem: Vec<u8>,
    /// PEM of the private key.
    pub key_pem: Vec<u8>,
}

impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientCertificate")
    }
}

/// The answer; the body is cut at [`Transport::answer_limit`].
#[derive(Debug, Clone)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Headers with lower-case names.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The beginning of the body.
    pub body: Bytes,
    /// Whether there was more.
    pub truncated: bool,
    /// How long it took.
    pub elapsed: Duration,
}

impl Response {
    /// First value of a header by lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).and_then(|(_, v)| std::str::from_utf8(v).ok())
    }
}

/// Why there is no answer. Texts never hold URLs' paths, headers or bodies.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The guard refused the address: rule and the setting that would allow it.
    #[error("egress refused {target}: {rule}; to allow it add {setting}")]
    Refused {
        /// Scheme, host and port.
        target: String,
        /// The rule.
        rule: String,
        /// The setting.
        setting: String,
    },
    /// The request itself cannot be sent (bad URL, bad header value).
    #[error("failed to build the request: {0}")]
    Invalid(String),
    /// Nothing was written: DNS, connect or TLS failed; safe to repeat.
    #[error("failed to connect to {target}: {cause}")]
    Connect {
        /// Scheme, host and port.
        target: String,
        /// The cause.
        cause: String,
    },
    /// The request was written (or may have been) and no status came: outcome unknown.
    #[error("no answer from {target}: {cause}")]
    NoAnswer {
        /// Scheme, host and port.
        target: String,
        /// The cause.
        cause: String,
    },
    /// A redirect that is not followed.
    #[error("{target} redirects to {location}, which is not followed: {why}")]
    Redirect {
        /// Scheme, host and port.
        target: String,
        /// The Location, scheme and host only.
        location: String,
        /// The reason.
        why: String,
    },
    /// A status came, but not an answer within the bounds: too large, too slow, broken off. Only where the whole is wanted.
    #[error("the answer of {target} cannot be used: {cause}")]
    Unusable {
        /// Scheme, host and port.
        target: String,
        /// The cause.
        cause: String,
    },
}
