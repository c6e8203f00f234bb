//! What every store promises, whichever database is behind it; one conformance suite runs over all of them (`conformance.rs`).
//!
//! A method that returns has committed (fsync included, where there is a disk). Times come in as Unix milliseconds: a store never reads a clock.

use super::breaker::Breaker;
use super::change::{Change, Committed};
use super::delivery::{Attempt, Claimed, Delivery, DeliveryId, Hold, Lane, State, Transition};
use super::destination::{Destination, Off};
use super::intents::Intents;
use super::seal::Locked;
use crate::notify::{KeyState, ObjectId};
use async_trait::async_trait;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Why the store did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The store could not be opened at all.
    #[error("failed to open the store {path}: {cause}")]
    Open {
        /// File, or the URL without its password.
        path: String,
        /// The cause.
        cause: String,
    },
    /// Another process has it.
    #[error("the store {path} is in use by another process; stop it, or give this one a store.path of its own")]
    Locked {
        /// File.
        path: String,
    },
    /// SQLite's locks and WAL are not safe there.
    #[error("the store {path} lies on a network file system ({kind}), where SQLite loses data; use a local volume")]
    NetworkFileSystem {
        /// File.
        path: String,
        /// Type of the file system.
        kind: String,
    },
    /// This evaluation cannot be stored; others can. Retrying does not help.
    #[error("unstorable: {0}")]
    Unstorable(String),
    /// Connection, disk or corruption: nothing was changed; try again later.
    #[error("the store is not available: failed to {what}: {cause}")]
    Unavailable {
        /// What was tried.
        what: &'static str,
        /// The cause.
        cause: String,
    },
    /// What the disk gives back is not what was written. Deliveries pause: what was lost is not known.
    #[error(
        "the store is damaged: failed to {what}: {cause}; stop Gatepost, then restore a copy of the store or move it away: \
         without it the annotations tell what was sent, and what was pending is decided anew"
    )]
    Damaged {
        /// What was tried.
        what: &'static str,
        /// The cause.
        cause: String,
    },
    /// Settings of the store that do not go together or cannot be read.
    #[error("{0}")]
    Settings(String),
    /// Too little space is left: decisions pause, outcomes go on.
    #[error(
        "only {free_bytes} bytes are free where the store lies, {reserve_bytes} are kept in reserve: decisions pause until there is space"
    )]
    Reserve {
        /// Free bytes.
        free_bytes: u64,
        /// The setting.
        reserve_bytes: u64,
    },
    /// No key opens it: it waits, and nothing else does.
    #[error("what is stored is {0}")]
    Sealed(Locked),
    /// The row is no longer held under this claim (closed store, second record).
    #[error("{0} is not held by this claim any more")]
    ClaimLost(DeliveryId),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl Error {
    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Damaged { .. } | Self::Reserve { .. })
    }
}

/// How much a claim may take.
#[derive(Debug, Clone)]
pub struct ClaimLimits {
    /// Rows in all.
    pub max: usize,
    /// Rows of one lane, those already held included.
    pub per_lane: usize,
    /// Rows that the dispatcher holds already, by lane.
    pub held: HashMap<Lane, usize>,
    /// Lanes that take nothing now (breaker open).
    pub blocked: HashSet<Lane>,
}

/// What a claim took.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// The rows, tenants and lanes in turn.
    pub rows: Vec<Claimed>,
    /// When the next row of a lane that is not blocked falls due, Unix milliseconds; always later than the claim.
    pub next_due_ms: Option<i64>,
    /// Limits left due rows behind.
    pub more: bool,
}

/// Annotation keys that an object is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwedAnnotation {
    /// The object.
    pub object: ObjectId,
    /// Keys to write with their time (Unix seconds).
    pub set: Vec<(String, i64)>,
    /// Keys to take out.
    pub remove: Vec<String>,
}

/// An object of which the last that was seen is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptObject {
    /// The object.
    pub object: ObjectId,
    /// As given with [`Change::Keep`].
    pub digest: Vec<u8>,
    /// Bytes of its content.
    pub bytes: u64,
}

/// Which deliveries; empty fields match all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Namespace and name of the object.
    pub object: Option<(String, String)>,
    /// Namespace of the configuration (tenant).
    pub config_namespace: Option<String>,
    /// Trigger.
    pub trigger: Option<String>,
    /// Service.
    pub service: Option<String>,
    /// Host of the destination.
    pub host: Option<String>,
    /// What it said last; of a dead letter the cause ([`super::DeadReason::as_str`]).
    pub reason: Option<String>,
    /// States; empty: all.
    pub states: Vec<State>,
    /// Created at or after, Unix milliseconds.
    pub since_ms: Option<i64>,
    /// Created before, Unix milliseconds.
    pub until_ms: Option<i64>,
    /// Page: only those older than this one.
    pub after: Option<DeliveryId>,
    /// Only these; empty: all.
    pub ids: Vec<DeliveryId>,
    /// Rows a page holds; 0 reads as 100, or as many as there are ids. At most 10,000.
    pub limit: usize,
}

impl Filter {
    /// The page size in force.
    #[must_use]
    pub fn page(&self) -> usize {
        const MAX: usize = 10_000;
        match (self.limit, self.ids.len()) {
            (0, 0) => 100,
            (0, named) => named.min(MAX),
            (limit, _) => limit.min(MAX),
        }
    }
}

/// Dead letters of one destination that died of one cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadGroup {
    /// The destination.
    pub lane: Lane,
    /// The cause ([`super::DeadReason::as_str`]).
    pub reason: String,
    /// How many.
    pub count: u64,
    /// Creation of the first of them, Unix milliseconds.
    pub oldest_ms: i64,
    /// Creation of the last of them, Unix milliseconds.
    pub newest_ms: i64,
}

/// A delivery with everything that is known of it.
#[derive(Debug, Clone)]
pub struct Detail {
    /// The delivery.
    pub delivery: Delivery,
    /// Its attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// Its body; empty if it is closed.
    pub payload: Vec<u8>,
    /// Why the body cannot be shown: encrypted, and no key opens it.
    pub locked: Option<String>,
}

/// How deliveries are replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replay {
    /// Say what would be done and do nothing.
    pub dry_run: bool,
    /// Now, Unix milliseconds.
    pub now_ms: i64,
    /// Milliseconds between the due times of two of them (rate limit).
    pub spacing_ms: i64,
    /// Make a new delivery of each that is over, with an id of its own: receivers that know ids take it as another one.
    pub as_new: bool,
}

/// What a replay or a discard did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moved {
    /// Those moved.
    pub moved: Vec<DeliveryId>,
    /// The new ones that were made, each after the one that it repeats.
    pub made: Vec<(DeliveryId, DeliveryId)>,
    /// Those left, with the reason.
    pub skipped: Vec<(DeliveryId, String)>,
}

/// What a changed configuration releases.
#[derive(Debug, Clone)]
pub struct Release {
    /// Namespace of the configuration.
    pub config_namespace: String,
    /// Service whose configuration changed.
    pub service: String,
    /// Its digest now; rows that failed with this one stay. `None`: release whatever it was made with.
    pub digest: Option<String>,
    /// Only what was decided at or after this, Unix milliseconds.
    pub since_ms: i64,
    /// Milliseconds between the due times of two released dead letters (rate limit).
    pub spacing_ms: i64,
    /// At most so many.
    pub limit: usize,
}

/// Depth of the queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows by state.
    pub by_state: BTreeMap<State, u64>,
    /// Creation of the oldest row that is still open, Unix milliseconds.
    pub oldest_open_ms: Option<i64>,
    /// Annotation keys owed.
    pub owed_annotations: u64,
}

/// What is kept of what is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Age of dead letters in milliseconds.
    pub dead_age_ms: i64,
    /// Dead letters.
    pub dead_max: u64,
    /// Bytes of dead letters' bodies.
    pub dead_bytes: u64,
    /// Age of delivered, superseded, taken over and discarded rows in milliseconds.
    pub finished_age_ms: i64,
    /// Rows of these.
    pub finished_max: u64,
    /// Bytes of their bodies.
    pub finished_bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        Self {
            dead_age_ms: 30 * DAY_MS,
            dead_max: 100_000,
            dead_bytes: 1 << 30,
            finished_age_ms: 7 * DAY_MS,
            finished_max: 100_000,
            finished_bytes: 1 << 30,
        }
    }
}

/// What pruning dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Dead letters: worth a metric and an Event.
    pub dead: u64,
    /// Rows that were over.
    pub finished: u64,
}

/// The durable outbox.
#[async_trait]
pub trait Store: Intents + super::runs::Runs {
    /// Id of this installation; part of every unique key.
    fn install_id(&self) -> &str;

    /// 64 random bits made with the store.
    fn epoch(&self) -> u64;

    /// Whether rows outlive the process.
    fn is_durable(&self) -> bool;

    /// Returns when another process, or the end of one, may have made rows fall due. Never, in a store of one process.
    async fn changed(&self) {
        std::future::pending().await
    }

    /// Whether a claim is still ours, to be asked before an attempt begins. Always, in a store of one process.
    fn hold(&self, _claimed: &Claimed) -> Hold {
        Hold::Sure
    }

    /// What is known of the object's keys.
    async fn states(&self, object_uid: &str) -> Result<BTreeMap<String, KeyState>, Error>;

    /// Objects that have keys of state, by UID, those after `after_uid`, at most `limit`.
    async fn objects(&self, after_uid: &str, limit: usize) -> Result<Vec<ObjectId>, Error>;

    /// Objects of which the last that was seen is kept.
    async fn kept(&self) -> Result<Vec<KeptObject>, Error>;

    /// The last that was seen of an object, as given with [`Change::Keep`]; also none where no key opens it.
    async fn last_object(&self, object_uid: &str) -> Result<Option<Vec<u8>>, Error>;

    /// Namespaces and names of objects that have dead letters, at most `limit`.
    async fn failed_objects(&self, limit: usize) -> Result<Vec<(String, String)>, Error>;

    /// How many deliveries of a configuration's namespace are open, counted up to `most`.
    async fn open_of(&self, config_namespace: &str, most: u32) -> Result<u32, Error>;

    /// Applies one evaluation, all or nothing, in one transaction with whatever else waits.
    async fn commit(&self, object: &ObjectId, changes: Vec<Change>, now_ms: i64) -> Result<Committed, Error>;

    /// Takes due rows, tenants and lanes in turn, heads of ordering keys only. Committed before it returns.
    async fn claim(&self, now_ms: i64, limits: ClaimLimits) -> Result<Claims, Error>;

    /// Commits what became of a claimed row, with the attempt if one was made. Returns the state that it has now
    /// ([`State::Superseded`] where a retry was overtaken by a newer row).
    async fn record(&self, attempt: Option<Attempt>, transition: Transition) -> Result<State, Error>;

    /// Objects whose annotation is behind, at most `limit`, the longest owed first.
    async fn owed_annotations(&self, limit: usize) -> Result<Vec<OwedAnnotation>, Error>;

    /// Newest first.
    async fn list(&self, filter: &Filter) -> Result<Vec<Delivery>, Error>;

    /// One delivery with attempts and body.
    async fn get(&self, id: DeliveryId) -> Result<Option<Detail>, Error>;

    /// Puts dead and discarded rows back into the queue under their old id, the oldest first; or makes new ones of
    /// whatever is over.
    async fn replay(&self, filter: &Filter, how: Replay) -> Result<Moved, Error>;

    /// Throws rows away: never sent, never made again by the same occurrence.
    async fn discard(&self, filter: &Filter, dry_run: bool, now_ms: i64) -> Result<Moved, Error>;

    /// Puts what a service refused back into the queue because its configuration changed; waiting rows fall due at once. Returns how many.
    async fn release_parked(&self, release: Release, now_ms: i64) -> Result<u64, Error>;

    /// Depth of the queue.
    async fn counts(&self) -> Result<Counts, Error>;

    /// Breakers as last kept.
    async fn breakers(&self) -> Result<Vec<(Lane, Breaker)>, Error>;

    /// Keeps a breaker.
    async fn set_breaker(&self, lane: &Lane, breaker: &Breaker) -> Result<(), Error>;

    /// Every destination that a delivery was ever made for, in order of namespace, service and host.
    async fn destinations(&self) -> Result<Vec<Destination>, Error>;

    /// Dead letters by destination and cause, the largest group first.
    async fn dead_letters(&self) -> Result<Vec<DeadGroup>, Error>;

    /// Destinations that are switched off.
    async fn switched_off(&self) -> Result<Vec<(Lane, Off)>, Error>;

    /// Switches a destination off, or with `None` on again. False: there is no such one, or it is so already.
    async fn switch(&self, lane: &Lane, off: Option<&Off>) -> Result<bool, Error>;

    /// Moves the due times of open rows that this process set: its wall clock was stepped.
    async fn shift_due(&self, delta_ms: i64) -> Result<(), Error>;

    /// Drops what is old or too much, dead letters by tenant share.
    async fn prune(&self, retention: Retention, now_ms: i64) -> Result<Pruned, Error>;

    /// A small value kept by name (cursors).
    async fn value(&self, name: &str) -> Result<Option<Vec<u8>>, Error>;

    /// Keeps a small value.
    async fn set_value(&self, name: &str, value: Vec<u8>) -> Result<(), Error>;

    /// Drops values whose name begins with `prefix` and that begin, in decimal digits, with an older time in Unix
    /// milliseconds. Returns how many; at most 10,000 a call.
    async fn forget_values(&self, prefix: &str, before_ms: i64) -> Result<u64, Error>;

    /// Whether decisions can be committed now: writable and above the reserve.
    async fn health(&self) -> Result<(), Error>;

    /// Finishes what waits and lets go of the store.
    async fn close(&self);
}
