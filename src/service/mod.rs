//! From a rendered notification to an outgoing request, one file per kind of service, and from the answer to a verdict.
//!
//! Pure: no network, no clock. What [`prepare`] returns is stored and holds no URL, header or secret; these are joined in
//! [`step`] at each attempt, so that a rotated Secret or a corrected URL reaches what is pending.

mod alertmanager;
mod awssqs;
mod backstage;
mod chat;
mod cloudevents;
mod commitstatus;
mod conversation;
mod email;
mod embedded;
pub mod entity;
mod gcppubsub;
mod github;
pub mod github_app;
mod googlechat;
mod grafana;
mod http;
mod jwt;
mod mattermost;
mod missing;
mod nats;
mod newrelic;
mod opsgenie;
mod pagerduty;
mod pagerdutyv2;
pub mod payload;
mod post;
mod pushover;
mod rocketchat;
mod secrets;
mod signature;
mod sigv4;
mod slack;
mod stored;
mod teams;
mod teams_workflows;
mod telegram;
#[cfg(test)]
mod testing;
mod text;
mod webex;
mod webhook;

pub use conversation::{Ambient, Answer, Call, CommitReport, Outcome, Outgoing, Step};
pub use http::retry_after;
pub use missing::missing_values;
pub use secrets::values as secret_values;
pub use text::clip_chars;

use crate::egress;
use crate::notify::json::{JsonMode, Repair};
use crate::notify::kind::KindSpec;
use crate::notify::{Notification, Occurrence, Reason, ServiceConfig};
use serde_json::Value as Json;
use std::time::Duration;

/// What preparing needs besides the notification.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// How JSON bodies are treated (`delivery.json`).
    pub json: JsonMode,
    /// Name of this installation: first part of the default Backstage scope.
    pub cluster: String,
}

/// What [`prepare`] is given.
struct Draft<'a> {
    /// The service.
    config: &'a ServiceConfig,
    /// What was rendered.
    notification: &'a Notification,
    /// What it is about.
    occurrence: &'a Occurrence,
    /// Of this installation.
    context: &'a Context,
}

/// What is stored and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// A form of the kind's own, mostly JSON; references only, no URL and no secret.
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

impl Prepared {
    /// A payload without ordering, not known to be idempotent.
    fn of(payload: Vec<u8>) -> Self {
        Self { payload, ordering: None, supersedes: false, idempotent: false, repairs: Vec::new() }
    }
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
    #[error("failed to make a request for service '{service}': {cause}; correct the service's configuration")]
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
    /// An option cannot be used.
    #[error("failed to make a request for service '{service}': {cause}")]
    Setting {
        /// Service name.
        service: String,
        /// Cause and what to do, without the option's value where that is a secret.
        cause: String,
    },
    /// The recipient cannot be reached with this configuration.
    #[error("failed to make a request for recipient '{recipient}' of service '{service}': {cause}")]
    Recipient {
        /// Service name.
        service: String,
        /// Recipient.
        recipient: String,
        /// Cause, without what the configuration holds for the recipient.
        cause: String,
    },
    /// An option is missing.
    #[error(
        "failed to make a request for service '{service}': `{option}` is missing; set it in the service's configuration"
    )]
    Option {
        /// Service name.
        service: String,
        /// Name of the option.
        option: &'static str,
    },
    /// Nothing of this kind can be sent.
    #[error("failed to make a request for service '{service}': services of type '{kind}' are not known")]
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
    /// The request may have been received, and no answer came.
    Unknown {
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

/// One kind of service. Everything about a kind stands in one file: what it reads, what it stores, what it sends, what answers mean.
trait Kind: Sync {
    /// What it reads.
    fn spec(&self) -> &'static KindSpec;
    /// See [`prepare`].
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError>;
    /// See [`step`].
    fn step(&self, call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError>;
    /// See [`policy`].
    fn policy(&self, config: &ServiceConfig) -> QuickRetry {
        http::Options(config).policy(http::ANSWER_TIMEOUT)
    }
    /// See [`host`].
    fn host(&self, config: &ServiceConfig, recipient: &str) -> String;
    /// See [`shown`].
    fn show(&self, section: Json, _template: &str, _decided_ms: i64) -> Json {
        section
    }
    /// See [`memories`].
    fn memories(&self, _: &ServiceConfig, _: &[u8], _: &Occurrence) -> Vec<String> {
        Vec::new()
    }
}

/// All kinds. Adding one is a file and a line here.
static KINDS: &[&dyn Kind] = &[
    &alertmanager::Alertmanager,
    &awssqs::AwsSqs,
    &backstage::Backstage,
    &commitstatus::CommitStatus,
    &email::Email,
    &gcppubsub::GcpPubsub,
    &github::GitHub,
    &googlechat::GoogleChat,
    &grafana::Grafana,
    &mattermost::Mattermost,
    &nats::Nats,
    &newrelic::Newrelic,
    &opsgenie::Opsgenie,
    &pagerduty::PagerDuty,
    &pagerdutyv2::PagerDutyV2,
    &pushover::Pushover,
    &rocketchat::RocketChat,
    &slack::Slack,
    &teams::Teams,
    &teams_workflows::TeamsWorkflows,
    &telegram::Telegram,
    &webex::Webex,
    &webhook::Webhook,
];

fn kind_of(config: &ServiceConfig) -> Option<&'static dyn Kind> {
    KINDS.iter().copied().find(|kind| kind.spec().name == config.kind)
}

/// What each kind reads, for [`crate::notify::LoadOptions`].
#[must_use]
pub fn kinds() -> Vec<&'static KindSpec> {
    KINDS.iter().map(|kind| kind.spec()).collect()
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
    let Some(kind) = kind_of(config) else {
        return Err(PrepareError {
            reason: Reason::ServiceNotConfigured,
            message: format!("services of type '{}' are not known", config.kind),
            advice: format!("give '{}' one of the documented types", config.name),
        });
    };
    kind.prepare(&Draft { config, notification, occurrence, context })
}

/// What to send next in an attempt, after the answers of these rounds; joins the stored payload with the configuration of now.
///
/// # Errors
/// Where the two do not make a request.
pub fn step(call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
    let config = call.config;
    let unknown = || RequestError::Kind { service: config.name.clone(), kind: config.kind.clone() };
    let mut step = kind_of(config).ok_or_else(unknown)?.step(call, rounds)?;
    if let Step::Send(all) = &mut step
        && http::Options(config).flag("sendDeliveryId") == Some(true)
    {
        for request in all.iter_mut().filter_map(Outgoing::request_mut) {
            for name in ["Webhook-Id", "Idempotency-Key"] {
                request.headers.push((name.to_owned(), call.delivery_id.as_bytes().to_vec()));
            }
        }
    }
    Ok(step)
}

/// The Go controller's form of a notification, as its console service prints it.
#[must_use]
pub fn shown(notification: &Notification, decided_ms: i64) -> Json {
    let mut out = notification.to_json();
    for kind in KINDS {
        let name = kind.spec().name;
        if let (Some(section), Some(template)) = (out.get_mut(name), notification.section_of.get(name)) {
            *section = kind.show(section.take(), template, decided_ms);
        }
    }
    out
}

/// Retry settings of a service.
#[must_use]
pub fn policy(config: &ServiceConfig) -> QuickRetry {
    kind_of(config).map_or_else(|| http::Options(config).policy(http::ANSWER_TIMEOUT), |kind| kind.policy(config))
}

/// Whether a service signs what it sends: its receiver knows repeated deliveries, and may ask to be left alone (410).
#[must_use]
pub fn signs(config: &ServiceConfig) -> bool {
    config.kind == webhook::NAME && signature::is_wanted(config)
}

/// Host that a recipient's deliveries go to: one lane with a breaker of its own. Empty where it is not known.
#[must_use]
pub fn host(config: &ServiceConfig, recipient: &str) -> String {
    kind_of(config).map(|kind| kind.host(config, recipient)).unwrap_or_default()
}

/// Keys of what an attempt wants to know of earlier deliveries.
#[must_use]
pub fn memories(config: &ServiceConfig, payload: &[u8], occurrence: &Occurrence) -> Vec<String> {
    kind_of(config).map(|kind| kind.memories(config, payload, occurrence)).unwrap_or_default()
}

/// What it means that no answer came.
#[must_use]
pub fn unanswered(error: &egress::Error) -> Verdict {
    let cause = error.to_string();
    match error {
        egress::Error::Connect { .. } => Verdict::Retry { after: None, cause },
        egress::Error::NoAnswer { .. } | egress::Error::Unusable { .. } => Verdict::Unknown { cause },
        egress::Error::Refused { .. } | egress::Error::Redirect { .. } => Verdict::SlowRetry { cause },
        egress::Error::Invalid(_) => Verdict::Credentials { cause },
    }
}
