//! From a rendered notification to an outgoing request, one file per kind of service, and from the answer to a verdict.
//!
//! Pure: no network, no clock. What [`prepare`] returns is stored and holds no URL, header or secret; these are joined in
//! [`request`] at each attempt, so that a rotated Secret or a corrected URL reaches what is pending.

mod backstage;
pub mod entity;
mod http;
mod missing;
mod payload;
mod text;
mod webhook;

pub use missing::missing_values;

use crate::egress;
use crate::notify::json::{JsonMode, Repair};
use crate::notify::{Notification, Occurrence, Reason, ServiceConfig};
use std::time::Duration;

/// What preparing needs besides the notification.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// How JSON bodies are treated (`delivery.json`).
    pub json: JsonMode,
    /// Name of this installation: first part of the default Backstage scope.
    pub cluster: String,
}

/// What is stored and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// JSON: `{"method", "path", "body" (base64)}`; references only, no URL and no secret.
    pub payload: Vec<u8>,
    /// Deliveries with equal keys leave strictly one after the other.
    pub ordering: Option<String>,
    /// Whether a newer one replaces older unsent ones of the same ordering key.
    pub supersedes: bool,
    /// Whether sending it twice does no harm.
    pub idempotent: bool,
    /// What was changed so that the JSON stays valid.
    pub repairs: Vec<Repair>,
}

/// A notification that cannot become a valid request: a dead letter at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {advice}")]
pub struct PrepareError {
    /// The reason for logs, metrics and `explain`.
    pub reason: Reason,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub advice: String,
}

/// A stored payload cannot become a request with the configuration of now; the next attempt may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The stored payload is not ours.
    #[error("failed to read the stored payload of a delivery to service '{service}': {cause}")]
    Payload {
        /// Service name.
        service: String,
        /// Cause.
        cause: String,
    },
    /// The URL cannot be used.
    #[error("failed to make a request for service '{service}': {cause}; correct `url` in the service's configuration")]
    Url {
        /// Service name.
        service: String,
        /// Cause, without the URL.
        cause: String,
    },
    /// A header cannot be sent.
    #[error(
        "failed to make a request for service '{service}': the value of header {header} holds a character that HTTP does not allow; check the Secret key it comes from"
    )]
    Header {
        /// Service name.
        service: String,
        /// Header name.
        header: String,
    },
    /// Nothing of this kind can be sent.
    #[error(
        "failed to make a request for service '{service}': services of type '{kind}' cannot be sent to by this version"
    )]
    Kind {
        /// Service name.
        service: String,
        /// Service type.
        kind: String,
    },
}

/// What an answer means for the delivery (`spec/delivery.md`, Attempts).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Delivered {
        /// How many people it reached, where the receiver says so.
        reached: Option<usize>,
        /// Something the operator should know (for example that nobody was reached).
        note: Option<String>,
    },
    /// Try again on the schedule.
    Retry {
        /// The receiver's own wish (Retry-After as a duration).
        after: Option<Duration>,
        /// Why.
        cause: String,
    },
    /// Try again, from two minutes on: often a roll-out in progress.
    SlowRetry {
        /// Why.
        cause: String,
    },
    /// The destination pauses: credentials are refused.
    Credentials {
        /// Why.
        cause: String,
    },
    /// Never accepted like this: a dead letter at once.
    Permanent {
        /// Why.
        cause: String,
    },
    /// The receiver is gone for good (410).
    Gone {
        /// Why.
        cause: String,
    },
}

/// The quick first tries of a service and what they may assume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuickRetry {
    /// Tries after the first; 0 is one try only.
    pub max: u32,
    /// First wait.
    pub wait_min: Duration,
    /// Longest wait.
    pub wait_max: Duration,
    /// Whether the service promises that repeating does no harm (`idempotent: true`, or a signing service).
    pub idempotent: bool,
    /// Time from the request to the end of the answer.
    pub answer_timeout: Duration,
}

/// Makes what is stored from a rendered notification.
///
/// # Errors
/// Where no valid request can come of it.
pub fn prepare(
    config: &ServiceConfig,
    notification: &Notification,
    occurrence: &Occurrence,
    context: &Context,
) -> Result<Prepared, PrepareError> {
    match config.kind.as_str() {
        "webhook" => webhook::prepare(config, notification, context),
        "backstage" => backstage::prepare(config, notification, occurrence, context),
        kind => Err(PrepareError {
            reason: Reason::ServiceNotConfigured,
            message: format!("services of type '{kind}' cannot be sent to by this version"),
            advice: format!("point '{}' to a webhook, or leave it to the Go controller", config.name),
        }),
    }
}

/// Joins a stored payload with the configuration of now. `delivery_id` goes on the wire only where the service asks for it.
///
/// # Errors
/// Where the two do not make a request.
pub fn request(config: &ServiceConfig, payload: &[u8], delivery_id: &str) -> Result<egress::Request, RequestError> {
    let mut request = match config.kind.as_str() {
        "webhook" => webhook::request(config, payload)?,
        "backstage" => backstage::request(config, payload)?,
        kind => return Err(RequestError::Kind { service: config.name.clone(), kind: kind.to_owned() }),
    };
    if config.options.get("sendDeliveryId").and_then(serde_json::Value::as_bool) == Some(true) {
        request.headers.push(("Webhook-Id".to_owned(), delivery_id.as_bytes().to_vec()));
        request.headers.push(("Idempotency-Key".to_owned(), delivery_id.as_bytes().to_vec()));
    }
    Ok(request)
}

/// What the answer means.
#[must_use]
pub fn judge(config: &ServiceConfig, payload: &[u8], response: &egress::Response) -> Verdict {
    match config.kind.as_str() {
        "webhook" => webhook::judge(config, payload, response),
        "backstage" => backstage::judge(response),
        _ => http::judge(response),
    }
}

/// Retry settings of a service.
#[must_use]
pub fn policy(config: &ServiceConfig) -> QuickRetry {
    match config.kind.as_str() {
        "backstage" => backstage::policy(config),
        _ => webhook::policy(config),
    }
}
