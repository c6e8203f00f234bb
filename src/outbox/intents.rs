//! Intents: that a gate's endpoint is about to be asked, on record before it is.
//!
//! An intent without an answer is the same one when the same commit is asked about again, also by a later process: same attempt, so
//! same idempotency key. One that was fulfilled is over, and the next question is the next attempt. Attempts of a branch only ever
//! count up, whatever commit they are about, so that no key is used for two questions.

use super::store::Error;
use async_trait::async_trait;

/// What a gate is to be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Branch of the environment; empty where one question is about all.
    pub branch: String,
    /// The commit.
    pub sha: String,
}

/// One question on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// UID of the gate.
    pub gate: String,
    /// What it is about.
    pub about: About,
    /// Counts the questions of this gate and branch.
    pub attempt: i64,
    /// When this attempt was first on record, Unix milliseconds.
    pub since_ms: i64,
    /// Whether no answer is known.
    pub open: bool,
}

/// Keeps intents.
#[async_trait]
pub trait Intents: Send + Sync + 'static {
    /// Commits that a gate is about to be asked about these. Returns them in the same order, attempts filled in.
    async fn intend(&self, gate: &str, abouts: Vec<About>, now_ms: i64) -> Result<Vec<Intent>, Error>;

    /// Commits that these are answered, and the answers where they belong.
    async fn fulfil(&self, intents: Vec<Intent>) -> Result<(), Error>;

    /// The last intent of each branch of a gate.
    async fn intents(&self, gate: &str) -> Result<Vec<Intent>, Error>;

    /// Drops what was last intended before this time, Unix milliseconds. Returns how many; at most 10,000 a call.
    async fn forget_intents(&self, before_ms: i64) -> Result<u64, Error>;
}
