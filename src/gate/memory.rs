//! What is remembered of a gate beside its status: which commits were asked about, and when to try again.
//!
//! The custom resource's schema has no place for it, so the controller keeps it. What is lost costs a request sooner or
//! a success that has to be asked for again, never a commit that passes unasked.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// What is remembered of one gate. To be stored as JSON, by the gate's UID.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Memory {
    /// Generation of the spec that it is about: a changed spec is tried at once.
    pub generation: i64,
    /// Failures of the gate as a whole, since it last worked.
    pub failures: u32,
    /// By branch, in context `environments`; under the empty name in context `promotionstrategy`.
    pub scopes: BTreeMap<String, Tries>,
}

/// What is remembered of one request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Tries {
    /// By branch: the commit that an answer last was about.
    pub asked: BTreeMap<String, String>,
    /// By branch: the commits of the last request, answered or not.
    pub tried: BTreeMap<String, String>,
    /// Requests for `tried`; the number of an attempt is part of what tells it from others.
    pub attempt: u32,
    /// When the last answer had been read, in Unix seconds: newer than the status where that was not worth a write.
    pub last_request: Option<i64>,
    /// Failures in a row.
    pub failures: u32,
    /// When to ask again, in Unix milliseconds.
    pub next_try: Option<i64>,
    /// Whether the receiver itself named `next_try`: then a new commit waits for it, too.
    pub told_to_wait: bool,
    /// Why the last request failed; `None` where it was answered.
    pub error: Option<String>,
    /// What `success.when.variables` gave when the present success was found.
    pub success_variables: Option<Json>,
}

impl Memory {
    /// What is remembered of a request; nothing of another generation's failures.
    #[must_use]
    pub fn scope(&self, name: &str, generation: i64) -> Tries {
        let mut tries = self.scopes.get(name).cloned().unwrap_or_default();
        if self.generation != generation {
            tries = Tries { asked: tries.asked, tried: tries.tried, attempt: tries.attempt, ..Tries::default() };
        }
        tries
    }
}
