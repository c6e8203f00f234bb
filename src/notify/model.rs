//! The words that decisions are written in: who is told, about what occurrence, why or why not.
//!
//! Plain data. The rules are in the sibling modules; the durable form is the outbox's.

use serde::{Deserialize, Serialize};

/// One Application (or any other object) that notifications are about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ObjectId {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID from the API server; in files mode `file:<namespace>/<name>`.
    pub uid: String,
}

/// A destination as subscriptions name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Told)]
pub struct Destination {
    /// Name of the service (not its type).
    pub service: String,
    /// Recipient, may be empty.
    pub recipient: String,
}

/// Identity of one thing that happened, for one destination (`spec/delivery.md`, Identity). `arming` is filled by the decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Occurrence {
    /// The object.
    pub object: ObjectId,
    /// Namespace of the configuration; empty for the controller's own.
    pub config_namespace: String,
    /// Trigger name.
    pub trigger: String,
    /// `[<index>].<hash of the when text>`.
    pub condition_key: String,
    /// Printed oncePer value; empty where there is none.
    pub once_per: String,
    /// Who is told.
    pub destination: Destination,
    /// Which rise of the condition this is; 0 with oncePer.
    pub arming: u64,
}

impl Occurrence {
    /// The key in the `notified.notifications.argoproj.io` annotation (`spec/notifications.md` 3.2).
    #[must_use]
    pub fn state_key(&self) -> String {
        let mut key = String::new();
        for prefix in [&self.once_per, &self.config_namespace] {
            if !prefix.is_empty() {
                key.push_str(prefix);
                key.push(':');
            }
        }
        let Destination { service, recipient } = &self.destination;
        key.push_str(&format!("{}:{}:{service}:{recipient}", self.trigger, self.condition_key));
        key
    }
}

/// What the store knows of one state key of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyState {
    /// Whether the condition holds since the last rise (always true with oncePer).
    pub armed: bool,
    /// Number of the last rise.
    pub arming: u64,
    /// How far its delivery is.
    pub phase: Phase,
}

/// How far the delivery of a state key's current arming is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "phase")]
pub enum Phase {
    /// In the outbox.
    Pending,
    /// The receiver has it; the annotation is owed. Unix seconds.
    Delivered {
        /// When.
        at: i64,
    },
    /// The annotation holds the key since this resourceVersion (empty: found there, written by someone else).
    Annotated {
        /// Unix seconds as written in the annotation.
        at: i64,
        /// resourceVersion that our patch produced.
        resource_version: String,
    },
    /// Given up; parked under the digest of service, template and Secret that it failed with.
    Dead {
        /// Digest of what it was made and sent with.
        digest: String,
    },
    /// Removed from the annotation by our own truncation to the 100 newest: stays sent.
    Truncated,
}

/// Why something was or was not sent. Logs, metrics, `explain`, API read this one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// The condition holds and the notification was put into the outbox.
    Triggered,
    /// The key removed by hand from the annotation: sent again.
    ResendRequested,
    /// What it failed with has changed: tried again.
    Released,
    /// Nobody is subscribed.
    NoDestinations,
    /// `sync status out of date`.
    SyncStatusOutOfDate,
    /// The condition does not hold.
    ConditionFalse,
    /// The condition could not be evaluated.
    ConditionError,
    /// Delivered before (store or annotation).
    AlreadySent,
    /// In the outbox already.
    AlreadyPending,
    /// Dead letter; waits for a change of configuration or a replay.
    DeadLetter,
    /// No such trigger in the configuration.
    TriggerNotConfigured,
    /// The trigger's key is broken.
    TriggerBroken,
    /// `notification service 'x' is not supported`.
    ServiceNotConfigured,
    /// The service's key is broken.
    ServiceBroken,
    /// `template 'x' is not supported`.
    TemplateNotConfigured,
    /// The template's key is broken.
    TemplateBroken,
    /// Rendering failed.
    RenderFailed,
    /// The rendered notification cannot be a valid request (for example a missing entity reference).
    InvalidNotification,
    /// A tenant asks for more than it may; decided when its window is over.
    Quota,
    /// So many Applications lost their annotation at once that it was no wish for a resend: held (`notify.annotationLost`).
    AnnotationLost,
    /// An annotation with subscriptions that cannot be read.
    SubscriptionBroken,
    /// What the condition or a template asks the repo-server has no answer yet: decided when it has one.
    RepositoryUnavailable,
}

impl Reason {
    /// The reason as people and machines read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Triggered => "triggered",
            Self::ResendRequested => "resendRequested",
            Self::Released => "released",
            Self::NoDestinations => "noDestinations",
            Self::SyncStatusOutOfDate => "syncStatusOutOfDate",
            Self::ConditionFalse => "conditionFalse",
            Self::ConditionError => "conditionError",
            Self::AlreadySent => "alreadySent",
            Self::AlreadyPending => "alreadyPending",
            Self::DeadLetter => "deadLetter",
            Self::TriggerNotConfigured => "triggerNotConfigured",
            Self::TriggerBroken => "triggerBroken",
            Self::ServiceNotConfigured => "serviceNotConfigured",
            Self::ServiceBroken => "serviceBroken",
            Self::TemplateNotConfigured => "templateNotConfigured",
            Self::TemplateBroken => "templateBroken",
            Self::RenderFailed => "renderFailed",
            Self::Quota => "quota",
            Self::AnnotationLost => "annotationLost",
            Self::SubscriptionBroken => "subscriptionBroken",
            Self::InvalidNotification => "invalidNotification",
            Self::RepositoryUnavailable => "repositoryUnavailable",
        }
    }
}
