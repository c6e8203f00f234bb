//! What one evaluation of one object asks of the store, as plain data; applied in order, all or nothing.
//!
//! Whether a change is right was decided before (`notify`). The store only guards what races: a stale arming does nothing, a delivery that
//! is there already is adopted.

use super::delivery::{DeadReason, DeliveryId, Lane, MAX_BODY_BYTES, State};
use super::store::Error;
use crate::notify::Occurrence;

/// Longest text of a row that is not its body; a oncePer value of a megabyte is a mistake, not a key.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// One step of an evaluation's transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The condition has risen: rise number `arming` (the old row's + 1). An `arming` not above the row's does nothing.
    Arm {
        /// Key of the row.
        state_key: String,
        /// Number of this rise.
        arming: u64,
    },
    /// The condition no longer holds. If the annotation has (or is owed) the key, its removal becomes owed.
    Disarm {
        /// Key of the row.
        state_key: String,
    },
    /// A notification was decided. Arms the row with the occurrence's arming where that is newer, and sets it pending (or dead on arrival).
    /// Where the same occurrence is there already its id is adopted; if that one is a dead letter of another digest it is made anew with this body.
    Deliver(Box<NewDelivery>),
    /// The annotation holds a key that the store does not know as sent: someone else delivered it.
    Adopt {
        /// Key of the row.
        state_key: String,
        /// Time in the annotation, Unix seconds.
        at: i64,
    },
    /// The annotation was patched: these keys are in it, those were taken out of it. Rows that moved on meanwhile are left alone.
    Annotated {
        /// Keys written.
        state_keys: Vec<String>,
        /// Keys removed because disarmed.
        removed: Vec<String>,
        /// resourceVersion that the patch produced.
        resource_version: String,
    },
    /// Removed from the annotation by our own cut to the 100 newest: they stay sent.
    Truncated {
        /// Keys cut.
        state_keys: Vec<String>,
    },
    /// These keys were lost from the annotation by no wish of a person: they are to be written again.
    Restore {
        /// Keys to write again.
        state_keys: Vec<String>,
    },
    /// The object as it is now, in case it is gone before it is seen again.
    Keep {
        /// Of what the content was made of.
        digest: Vec<u8>,
        /// Its own affair of whoever reads it back ([`super::Store::last_object`]).
        content: Vec<u8>,
    },
    /// Nobody asks for the deletion of the object any more: what was kept of it goes.
    Unkeep,
    /// The object is gone. What was decided is still delivered (it happened); its rows of state go, and what was kept of it.
    ForgetObject,
}

impl Change {
    /// Whether it only records what was done elsewhere, and what is found done where the record is lost. A cut is none: it comes before
    /// what it is about.
    pub(super) const fn is_record(&self) -> bool {
        matches!(self, Self::Annotated { .. })
    }

    /// The fail point that lies behind it, while it is not committed yet.
    pub(super) const fn point(&self) -> Option<&'static str> {
        match self {
            Self::Disarm { .. } => Some("disarm.written"),
            Self::Annotated { .. } => Some("annotation.written"),
            _ => None,
        }
    }
}

/// A notification that was decided, ready for its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// What happened, and who is told.
    pub occurrence: Occurrence,
    /// Key in the annotation ([`Occurrence::state_key`]); empty for what no annotation tells of, such as the request of an approval.
    pub state_key: String,
    /// Type of the service (`slack`, `webhook`, `backstage`…).
    pub service_kind: String,
    /// The rendered notification, at most 1 MiB. What it means is between the renderer and the [`super::Sender`].
    pub payload: Vec<u8>,
    /// Its queue.
    pub lane: Lane,
    /// Strictly one after the other within (configuration namespace, service, this): Backstage scope, commit status target, Slack grouping key.
    pub ordering: Option<String>,
    /// A newer one of the same ordering key *and recipient* replaces this while unsent.
    pub supersedes: bool,
    /// Repeating it does no harm: an unknown outcome is then retried like any other failure.
    pub idempotent: bool,
    /// Digest of the service, template and Secret it was made with: a dead letter is released when it changes.
    pub digest: String,
    /// Dead on arrival: kept to be seen, never sent.
    pub dead: Option<DeadReason>,
}

impl NewDelivery {
    /// The state that its row begins in.
    pub(super) const fn arrival(&self) -> State {
        if self.dead.is_some() { State::Dead } else { State::Prepared }
    }

    /// Refuses what no row holds.
    pub(super) fn check(&self) -> Result<(), Error> {
        let bytes = self.payload.len();
        if bytes > MAX_BODY_BYTES {
            return Err(Error::Unstorable(format!("the body has {bytes} bytes, at most {MAX_BODY_BYTES} are stored")));
        }
        let Occurrence { object, config_namespace, trigger, condition_key, once_per, destination, .. } =
            &self.occurrence;
        let texts = [
            ("object", &object.name),
            ("configuration namespace", config_namespace),
            ("trigger", trigger),
            ("condition key", condition_key),
            ("oncePer value", once_per),
            ("service", &destination.service),
            ("recipient", &destination.recipient),
        ];
        match texts.iter().find(|(_, text)| text.len() > MAX_TEXT_BYTES) {
            Some((what, text)) => Err(Error::Unstorable(format!(
                "the {what} has {} bytes, at most {MAX_TEXT_BYTES} are stored",
                text.len()
            ))),
            None => Ok(()),
        }
    }
}

/// What a commit did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// Id of each [`Change::Deliver`], in order.
    pub ids: Vec<DeliveryId>,
    /// Those of them that were there already.
    pub adopted: Vec<DeliveryId>,
    /// Older deliveries that were replaced.
    pub superseded: Vec<DeliveryId>,
    /// A claim came after them in the same transaction: nobody need be woken to claim them.
    pub claimed: bool,
}
