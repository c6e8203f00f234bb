//! The life of one delivery, as types.
//!
//! ```text
//! prepared ──claim──► claimed ──► delivered
//!    ▲                  │ ├─────► dead ──replay / release──► prepared
//!    │                  │ └─────► takenOver
//!    └── release ◄──────┴───────► waiting ──claim──► claimed
//! prepared, waiting ──newer row of the same key──► superseded
//! prepared, waiting, dead ──a person──► discarded
//! ```
//! An outcome can only be made from a [`Claimed`] delivery: [`Transition`] has no other constructors, one function per arrow.
//! The id is given by the insert that wins and never changes, over attempts, restarts and owners.

use crate::notify::Occurrence;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use uuid::Uuid;

/// Largest body in bytes that a row holds; a larger one is [`super::Error::Unstorable`].
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Bytes of an answer that an attempt keeps.
pub const MAX_EXCERPT_BYTES: usize = 2048;
/// Newest attempts that a row keeps.
pub const MAX_ATTEMPTS_KEPT: usize = 64;

/// Identity of a delivery: `dlv_` and a UUIDv7, so that ids sort by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId(Uuid);

impl DeliveryId {
    const PREFIX: &'static str = "dlv_";

    /// Makes the id of a delivery created at `now_ms` (Unix milliseconds).
    #[must_use]
    pub fn new(now_ms: i64, random: [u8; 10]) -> Self {
        let millis = u64::try_from(now_ms).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    pub(super) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The UUID.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// When the delivery was made, Unix milliseconds.
    #[must_use]
    pub fn created_ms(&self) -> i64 {
        let millis = self.0.as_bytes()[..6].iter().fold(0, |millis: i64, byte| (millis << 8) | i64::from(*byte));
        millis.max(0)
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, self.0.hyphenated())
    }
}

/// A text that is no delivery id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a delivery id; they look like dlv_0198c0de-0000-7000-8000-000000000000")]
pub struct InvalidId(String);

impl FromStr for DeliveryId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let uuid = text.strip_prefix(Self::PREFIX).and_then(|rest| Uuid::parse_str(rest).ok());
        uuid.map(Self).ok_or_else(|| InvalidId(text.chars().take(100).collect()))
    }
}

impl utoipa::PartialSchema for DeliveryId {
    fn schema() -> RefOr<Schema> {
        const PATTERN: &str = "^dlv_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
        let about = "Identity of a delivery: ids sort by time.";
        ObjectBuilder::new().schema_type(Type::String).pattern(Some(PATTERN)).description(Some(about)).into()
    }
}

impl utoipa::ToSchema for DeliveryId {}

impl Serialize for DeliveryId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeliveryId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// SHA-256 over the length-prefixed tuple that makes an occurrence unique (`spec/delivery.md`, Identity). `epoch` is the store's: a store
/// that was lost and made anew never mistakes a new rise for an old one.
#[must_use]
pub fn unique_key(install_id: &str, epoch: u64, occurrence: &Occurrence) -> [u8; 32] {
    let mut hash = Sha256::new();
    let texts = [
        install_id,
        &occurrence.object.uid,
        &occurrence.config_namespace,
        &occurrence.trigger,
        &occurrence.condition_key,
        &occurrence.once_per,
        &occurrence.destination.service,
        &occurrence.destination.recipient,
    ];
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.update(epoch.to_be_bytes());
    hash.update(occurrence.arming.to_be_bytes());
    hash.finalize().into()
}

/// The queue that a delivery waits in: limits, breaker and token bucket are per lane, so that one slow host costs no other a slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lane {
    /// Namespace of the configuration (the tenant); empty for the controller's own.
    pub config_namespace: String,
    /// Name of the service.
    pub service: String,
    /// Host that it resolves to, as far as known when decided; may be empty.
    pub host: String,
}

/// Where a delivery is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = DeliveryState)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Decided and committed; never tried, or put back by a replay.
    Prepared,
    /// Held by a dispatcher: queued for or in an attempt.
    Claimed,
    /// Tried; waits for its next time.
    Waiting,
    /// The receiver has it.
    Delivered,
    /// Dead letter: given up until a person or a changed configuration releases it.
    Dead,
    /// Replaced by a newer state of the same thing before it was sent.
    Superseded,
    /// The Go controller sent it while Gatepost was away.
    TakenOver,
    /// Thrown away by a person.
    Discarded,
}

impl State {
    /// Every state, in the order of the life.
    pub const ALL: [Self; 8] = [
        Self::Prepared,
        Self::Claimed,
        Self::Waiting,
        Self::Delivered,
        Self::Dead,
        Self::Superseded,
        Self::TakenOver,
        Self::Discarded,
    ];

    /// The state as people and machines read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Claimed => "claimed",
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Superseded => "superseded",
            Self::TakenOver => "takenOver",
            Self::Discarded => "discarded",
        }
    }

    /// Reads what [`State::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether an attempt is still to come: it holds back what is behind it in its ordering key.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Prepared | Self::Claimed | Self::Waiting)
    }

    /// Whether it may be claimed once it is due, or superseded.
    #[must_use]
    pub const fn is_unsent(self) -> bool {
        matches!(self, Self::Prepared | Self::Waiting)
    }

    /// Whether a person may put it back into the queue.
    #[must_use]
    pub const fn may_replay(self) -> bool {
        matches!(self, Self::Dead | Self::Discarded)
    }

    /// Whether a person may throw it away; what is in flight may not be, as its outcome is still to be told.
    #[must_use]
    pub const fn may_discard(self) -> bool {
        matches!(self, Self::Prepared | Self::Waiting | Self::Dead)
    }
}

/// Why a delivery is a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeadReason {
    /// The template failed; nothing to send. Made anew when template or service change.
    RenderFailed,
    /// Rendered, but it cannot be a valid request.
    InvalidNotification,
    /// The receiver refused it for what it is (400, 413, 415, 422).
    Rejected,
    /// The receiver refused the credentials until `giveUpAfter`.
    Credentials,
    /// Sent `retryMax` times without ever learning the outcome; repeating could send it twice.
    UnknownOutcome,
    /// Tried until `giveUpAfter`.
    GaveUp,
    /// The receiver is gone for good (410).
    Gone,
}

impl DeadReason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::RenderFailed,
        Self::InvalidNotification,
        Self::Rejected,
        Self::Credentials,
        Self::UnknownOutcome,
        Self::GaveUp,
        Self::Gone,
    ];

    /// The reason as people and machines read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RenderFailed => "renderFailed",
            Self::InvalidNotification => "invalidNotification",
            Self::Rejected => "rejected",
            Self::Credentials => "credentials",
            Self::UnknownOutcome => "unknown-outcome",
            Self::GaveUp => "gaveUp",
            Self::Gone => "gone",
        }
    }

    /// Reads what [`DeadReason::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

    /// Whether the stored body is worth sending again; without it the decision has to be rendered anew.
    #[must_use]
    pub const fn has_body(self) -> bool {
        !matches!(self, Self::RenderFailed | Self::InvalidNotification)
    }

    /// Whether only a person puts it back into the queue: it may have arrived, so that nothing may repeat it by itself.
    #[must_use]
    pub const fn waits_for_a_person(self) -> bool {
        matches!(self, Self::UnknownOutcome)
    }

    /// Whether a changed configuration releases it by itself. An unknown outcome waits for a person: repeating could send it twice.
    #[must_use]
    pub const fn released_by_change(self) -> bool {
        matches!(self, Self::Rejected | Self::Credentials | Self::GaveUp)
    }
}

/// One try, as kept in the row's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// When it began, Unix milliseconds.
    pub at_ms: i64,
    /// How long it took.
    pub duration_ms: u64,
    /// HTTP status, if one came.
    pub status: Option<u16>,
    /// Scheme and host; never a path or a query, which may be secret.
    pub target: String,
    /// First 2 KiB of the answer, scrubbed by the sender.
    pub excerpt: String,
    /// What came of it, for people.
    pub reason: String,
}

/// A delivery as lists and dashboards show it: everything but the body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// Number that the store gave it: the order within an ordering key.
    pub sequence: i64,
    /// What happened, and who is told.
    pub occurrence: Occurrence,
    /// Key in the annotation.
    pub state_key: String,
    /// Type of the service.
    pub service_kind: String,
    /// Its queue.
    pub lane: Lane,
    /// Sent strictly one after the other within (configuration namespace, service, this).
    pub ordering: Option<String>,
    /// A newer one of the same ordering key and recipient replaces it while unsent.
    pub supersedes: bool,
    /// Repeating it does no harm.
    pub idempotent: bool,
    /// Digest of the service, template and Secret that it was made with.
    pub digest: String,
    /// Where it is in its life.
    pub state: State,
    /// Why it is dead, or what the last attempt said.
    pub reason: String,
    /// Not before this, Unix milliseconds.
    pub due_ms: i64,
    /// When it was decided, Unix milliseconds.
    pub created_ms: i64,
    /// `giveUpAfter` counts from here: creation, or the last replay or release. Unix milliseconds.
    pub since_ms: i64,
    /// Last change, Unix milliseconds.
    pub updated_ms: i64,
    /// Attempts made.
    pub attempts: u32,
    /// Position in the retry schedule.
    pub step: u32,
    /// Attempts of unknown outcome.
    pub unknowns: u32,
    /// The newer delivery that replaced it.
    pub successor: Option<DeliveryId>,
    /// Size of the body.
    pub body_bytes: u64,
}

/// Whether a dispatcher still holds what it claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Nobody else can have it before an attempt that begins now is over.
    Sure,
    /// The store was not heard of for a while: begin nothing.
    Doubtful,
    /// It was put back for others.
    Lost,
}

/// Proof that a dispatcher holds a delivery. An outcome is committed only while the row still carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClaimToken(pub(super) i64);

/// A delivery that a dispatcher holds. The only thing an outcome can be made from.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// What is delivered.
    pub delivery: Delivery,
    /// The rendered notification; URL, headers and credentials are resolved when it is sent.
    pub payload: Bytes,
    /// Made by an earlier process: the object has to be read first, the Go controller may have sent it meanwhile.
    pub earlier_process: bool,
    pub(super) token: ClaimToken,
}

impl Claimed {
    /// The receiver has it.
    #[must_use]
    pub fn delivered(&self, at_ms: i64, note: String) -> Transition {
        self.arrow(at_ms, Arrow::Delivered { note })
    }

    /// To be tried again, not before `due_ms`.
    #[must_use]
    pub fn waiting(&self, at_ms: i64, due_ms: i64, step: u32, unknown: bool, cause: String) -> Transition {
        self.arrow(at_ms, Arrow::Waiting { due_ms, step, unknown, cause })
    }

    /// Given up.
    #[must_use]
    pub fn dead(&self, at_ms: i64, reason: DeadReason) -> Transition {
        self.arrow(at_ms, Arrow::Dead { reason })
    }

    /// The Go controller sent it, at `sent_at` (Unix seconds) as its annotation says.
    #[must_use]
    pub fn taken_over(&self, at_ms: i64, sent_at: i64) -> Transition {
        self.arrow(at_ms, Arrow::TakenOver { sent_at })
    }

    /// Not tried: put back as it was, due at `due_ms`.
    #[must_use]
    pub fn released(&self, at_ms: i64, due_ms: i64, cause: String) -> Transition {
        self.arrow(at_ms, Arrow::Released { due_ms, cause })
    }

    fn arrow(&self, at_ms: i64, arrow: Arrow) -> Transition {
        let delivery = &self.delivery;
        let ordering = delivery.ordering.clone().filter(|_| delivery.supersedes);
        let replaceable = ordering.map(|ordering| Replaceable {
            config_namespace: delivery.lane.config_namespace.clone(),
            service: delivery.lane.service.clone(),
            recipient: delivery.occurrence.destination.recipient.clone(),
            ordering,
        });
        Transition { id: delivery.id, sequence: delivery.sequence, token: self.token, at_ms, arrow, replaceable }
    }
}

/// What a delivery shares with those that may replace it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Replaceable {
    pub config_namespace: String,
    pub service: String,
    pub recipient: String,
    pub ordering: String,
}

/// What becomes of a claimed delivery. Made by the functions of [`Claimed`] only.
#[derive(Debug, Clone)]
pub struct Transition {
    pub(super) id: DeliveryId,
    pub(super) sequence: i64,
    pub(super) token: ClaimToken,
    pub(super) at_ms: i64,
    pub(super) arrow: Arrow,
    pub(super) replaceable: Option<Replaceable>,
}

impl Transition {
    /// The state that follows.
    #[must_use]
    pub const fn state(&self) -> State {
        match self.arrow {
            Arrow::Delivered { .. } => State::Delivered,
            Arrow::Waiting { .. } | Arrow::Released { .. } => State::Waiting,
            Arrow::Dead { .. } => State::Dead,
            Arrow::TakenOver { .. } => State::TakenOver,
        }
    }

    /// When it falls due again, where it does. Unix milliseconds.
    #[must_use]
    pub const fn due_ms(&self) -> Option<i64> {
        match self.arrow {
            Arrow::Waiting { due_ms, .. } | Arrow::Released { due_ms, .. } => Some(due_ms),
            _ => None,
        }
    }

    /// Why it is a dead letter, where it becomes one.
    #[must_use]
    pub const fn dead_reason(&self) -> Option<DeadReason> {
        match self.arrow {
            Arrow::Dead { reason } => Some(reason),
            _ => None,
        }
    }
}

/// An arrow as the columns of the row that it changes; `None` leaves a column as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step<'a> {
    pub reason: &'a str,
    pub due_ms: Option<i64>,
    pub step: Option<i64>,
    pub unknown: bool,
}

impl Transition {
    /// What the row becomes.
    pub(super) fn step(&self) -> Step<'_> {
        let (reason, due_ms, step, unknown) = match &self.arrow {
            Arrow::Delivered { note } => (note.as_str(), None, None, false),
            Arrow::Waiting { due_ms, step, unknown, cause } => {
                (cause.as_str(), Some(*due_ms), Some(i64::from(*step)), *unknown)
            }
            Arrow::Dead { reason } => (reason.as_str(), None, None, *reason == DeadReason::UnknownOutcome),
            Arrow::TakenOver { .. } => ("sent by the Go controller meanwhile", None, None, false),
            Arrow::Released { due_ms, cause } => (cause.as_str(), Some(*due_ms), None, false),
        };
        Step { reason: clip(reason, MAX_EXCERPT_BYTES), due_ms, step, unknown }
    }
}

/// The arrows out of `claimed`.
#[derive(Debug, Clone)]
pub(super) enum Arrow {
    Delivered { note: String },
    Waiting { due_ms: i64, step: u32, unknown: bool, cause: String },
    Dead { reason: DeadReason },
    TakenOver { sent_at: i64 },
    Released { due_ms: i64, cause: String },
}

/// Cuts a text to at most `max` bytes at a character's edge.
pub(super) fn clip(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::notify::{Destination, ObjectId};

    fn occurrence() -> Occurrence {
        Occurrence {
            object: ObjectId { namespace: "argocd".into(), name: "web".into(), uid: "u-1".into() },
            config_namespace: String::new(),
            trigger: "on-deployed".into(),
            condition_key: "[0].abc".into(),
            once_per: "sha".into(),
            destination: Destination { service: "slack".into(), recipient: "general".into() },
            arming: 1,
        }
    }

    #[test]
    fn ids_read_back_and_sort_by_time() {
        let (early, late) = (DeliveryId::new(1_000, [255; 10]), DeliveryId::new(2_000, [0; 10]));
        assert!(early.to_string() < late.to_string());
        assert_eq!(early.to_string().parse::<DeliveryId>().unwrap(), early);
        assert!("dlv_x".parse::<DeliveryId>().is_err());
        assert!(late.to_string().starts_with("dlv_"));
        assert_eq!([early.created_ms(), late.created_ms()], [1_000, 2_000]);
    }

    #[test]
    fn the_key_tells_fields_apart_that_read_the_same_joined() {
        let mut shifted = occurrence();
        shifted.trigger = "on-deployed[0]".into();
        shifted.condition_key = ".abc".into();
        assert_ne!(unique_key("i", 7, &occurrence()), unique_key("i", 7, &shifted));
    }

    #[test]
    fn the_key_changes_with_epoch_arming_and_install() {
        let base = unique_key("i", 7, &occurrence());
        assert_ne!(base, unique_key("i", 8, &occurrence()));
        assert_ne!(base, unique_key("j", 7, &occurrence()));
        assert_ne!(base, unique_key("i", 7, &Occurrence { arming: 2, ..occurrence() }));
    }

    #[test]
    fn states_and_reasons_read_back() {
        assert!(State::ALL.iter().all(|s| State::parse(s.as_str()) == Some(*s)));
        assert!(DeadReason::ALL.iter().all(|r| DeadReason::parse(r.as_str()) == Some(*r)));
    }

    #[test]
    fn clipping_keeps_whole_characters() {
        assert_eq!(clip("aé", 2), "a");
        assert_eq!(clip("abc", 9), "abc");
    }
}
