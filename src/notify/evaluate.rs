//! One look at one object: who is subscribed, which conditions hold, what follows.
//!
//! The result says everything, also why something was *not* sent; acting on it is the controller's. Never here: the
//! clock, the store, the network.

use crate::notify::configuration::Configuration;
use crate::notify::model::{Destination, KeyState, ObjectId, Occurrence, Reason};
use crate::notify::notification::Notification;
use crate::notify::subscriptions::Subscription;
use gatepost_value::{Location, Time, Value};
use std::collections::BTreeMap;

/// Everything that one evaluation looks at.
pub struct World<'a> {
    /// The configuration; its namespace becomes part of the state keys.
    pub config: &'a Configuration,
    /// The Application.
    pub object: &'a Value,
    /// Its identity.
    pub id: &'a ObjectId,
    /// Its AppProject, where there is one.
    pub project: Option<&'a Value>,
    /// What the store knows of the object, by state key.
    pub states: &'a BTreeMap<String, KeyState>,
    /// resourceVersion of the event that carried the object; empty without one.
    pub event_resource_version: &'a str,
    /// Whether the object comes from the first list after a start.
    pub first_list: bool,
    /// The time.
    pub now: Time,
    /// Go's `time.Local`.
    pub local: Location,
    /// Fills a buffer with random bytes.
    pub random: &'a dyn Fn(&mut [u8]),
    /// Whether conditions are traced (for `explain`).
    pub trace: bool,
}

/// What one look at one object came to.
#[derive(Debug, Clone, Default)]
pub struct Evaluation {
    /// Why nothing at all was evaluated.
    pub skipped: Option<Reason>,
    /// Who is subscribed, and by what.
    pub subscriptions: Vec<Subscription>,
    /// One entry for each subscribed trigger, by name.
    pub triggers: Vec<TriggerOutcome>,
    /// What is to be done, in order.
    pub changes: Vec<Change>,
}

/// What became of one trigger.
#[derive(Debug, Clone)]
pub struct TriggerOutcome {
    /// Name.
    pub name: String,
    /// `Triggered` if a condition holds, `ConditionFalse`, or why it was not evaluated.
    pub reason: Reason,
    /// Error text; empty without one.
    pub message: String,
    /// Its conditions in order.
    pub conditions: Vec<ConditionOutcome>,
}

/// What became of one condition.
#[derive(Debug, Clone)]
pub struct ConditionOutcome {
    /// `[<index>].<hash of the when text>`.
    pub key: String,
    /// The `when` text.
    pub when: String,
    /// Whether it holds.
    pub triggered: bool,
    /// Why it could not be evaluated.
    pub error: Option<String>,
    /// Printed oncePer value; empty where there is none.
    pub once_per: String,
    /// Templates it sends.
    pub templates: Vec<String>,
    /// Sub-expressions and their values, when asked for.
    pub trace: Vec<(String, String)>,
    /// What it means for each destination.
    pub destinations: Vec<DestinationOutcome>,
}

/// What a condition means for one destination.
#[derive(Debug, Clone)]
pub struct DestinationOutcome {
    /// Who.
    pub destination: Destination,
    /// Key in the `notified…` annotation.
    pub state_key: String,
    /// What was decided.
    pub reason: Reason,
    /// Error text; empty without one.
    pub message: String,
}

/// Why there is nothing to send although it should be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderFailure {
    /// `RenderFailed`, `TemplateNotConfigured`, `TemplateBroken`, `ServiceNotConfigured`, `ServiceBroken`.
    pub reason: Reason,
    /// The text; the Go controller's own words where it has words for it.
    pub message: String,
}

/// One thing to be made durable.
#[derive(Debug, Clone)]
pub enum Change {
    /// The condition rose (or is tried again): `occurrence.arming` becomes the key's arming, armed, pending.
    /// `rendered: Err` is a dead letter at once, parked under `digest`.
    Deliver {
        /// What happened, for whom.
        occurrence: Occurrence,
        /// Key in the `notified…` annotation.
        state_key: String,
        /// What to send.
        rendered: Result<Notification, RenderFailure>,
        /// Digest of the service, the templates and what they use of the Secret.
        digest: String,
        /// `Triggered`, `ResendRequested` or `Released`.
        reason: Reason,
    },
    /// The condition no longer holds.
    Disarm {
        /// Key in the `notified…` annotation.
        state_key: String,
        /// Whether the annotation holds the key, so that it has to be taken out.
        annotation_present: bool,
    },
    /// The annotation says that it was sent, the store did not know: armed, annotated.
    Adopt {
        /// Key in the `notified…` annotation.
        state_key: String,
        /// Unix seconds as found.
        at: i64,
    },
}

/// Looks at one object.
#[must_use]
pub fn evaluate(world: &World<'_>) -> Evaluation {
    todo!()
}
