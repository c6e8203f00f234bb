//! Runs of approvals in the store: what is decided there is decided, whoever owns the approval.
//!
//! A run is changed by comparing its version and swapping it ([`Runs::put_run`]): of two who change it at once one reads it
//! anew. The rules of a run are in `gate::approval`; here a run is only kept. With an encryption key its document is sealed like a
//! delivery's body; what runs are looked for by is not. One whose key is missing is in no list and is not changed.

pub(super) mod queries;

use super::store::Error;
use crate::gate::approval::{ApprovalId, Run, RunId};
use async_trait::async_trait;

/// A run as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The run.
    pub run: Run,
    /// Counts its changes.
    pub version: i64,
    /// Whether what follows from this version, its CommitStatus among it, is yet to be done.
    pub owed: bool,
}

/// What is left to be done for a version of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Nothing.
    Nothing,
    /// The approval's status is yet to show it.
    Status,
}

impl Left {
    /// The code in the column `owed`, where 1 is everything.
    pub(super) const fn code(self) -> i64 {
        match self {
            Self::Nothing => 0,
            Self::Status => 2,
        }
    }
}

/// A version of a run that the status of its approval does not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unshown {
    /// The run.
    pub id: RunId,
    /// The version.
    pub version: i64,
    /// Its approval.
    pub approval: ApprovalId,
}

/// What an opening came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// It is there now.
    New(Kept),
    /// One of this approval and subject was there.
    Known(Kept),
    /// The approval has as many open runs as it may have.
    Full,
}

/// Which runs; empty fields match all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Namespace of the approval.
    pub namespace: Option<String>,
    /// Name of the approval.
    pub name: Option<String>,
    /// Branch that they are bound to; empty: opened through the API.
    pub branch: Option<String>,
    /// SHA that they are bound to.
    pub sha: Option<String>,
    /// Only those that are open, or only those that are not.
    pub is_open: Option<bool>,
    /// Only those requested before, Unix milliseconds: the next page.
    pub before_ms: Option<i64>,
    /// Only those behind this one in the list: the next page, where several were requested at once.
    pub after: Option<RunId>,
    /// At most so many; 0 reads as 100.
    pub limit: usize,
}

impl RunFilter {
    pub(super) fn page(&self) -> i64 {
        const MAX: usize = 10_000;
        let limit = if self.limit == 0 { 100 } else { self.limit.min(MAX) };
        i64::try_from(limit).unwrap_or(i64::MAX)
    }
}

/// Where runs are kept, beside the deliveries of the same store.
#[async_trait]
pub trait Runs: Send + Sync + 'static {
    /// Keeps a new run, unless its approval and subject have one that was not superseded, or too many are open.
    async fn open_run(&self, run: &Run, open_max: usize) -> Result<Opened, Error>;

    /// One run.
    async fn run(&self, id: RunId) -> Result<Option<Kept>, Error>;

    /// Newest first.
    async fn runs(&self, filter: &RunFilter) -> Result<Vec<Kept>, Error>;

    /// Keeps a changed run if it still has this version; false: somebody was quicker, and nothing was changed.
    async fn put_run(&self, run: &Run, version: i64, now_ms: i64) -> Result<bool, Error>;

    /// What follows from these versions is done, but for what is left.
    async fn shown_runs(&self, versions: Vec<(RunId, i64)>, left: Left) -> Result<(), Error>;

    /// Runs from whose version something follows that is not done, the longest owed first.
    async fn owed_runs(&self, limit: usize) -> Result<Vec<Kept>, Error>;

    /// Versions of which only the status is left, the longest owed first.
    async fn owed_statuses(&self, limit: usize) -> Result<Vec<Unshown>, Error>;

    /// Open runs whose deadline is at or before this, the earliest first.
    async fn due_runs(&self, at_ms: i64, limit: usize) -> Result<Vec<Kept>, Error>;

    /// Number of open runs, and when the oldest was requested, Unix milliseconds.
    async fn open_runs(&self) -> Result<(u64, Option<i64>), Error>;

    /// Forgets runs that were over before this; returns how many, at most 10,000 a call.
    async fn prune_runs(&self, before_ms: i64) -> Result<u64, Error>;
}
