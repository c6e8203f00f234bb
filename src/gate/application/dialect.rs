//! The kinds of objects by which Argo CD's outcomes gate, and all in which they differ.
//!
//! Whatever is not named here is the same for each of them. Nobody else asks which kind an object is of.

use super::application_gate::APPLICATION_GATE;
use super::argocd_commit_status::ARGOCD_COMMIT_STATUS;
use super::judge::{Counts, Scene};
use super::record::Record;
use super::spec::{Error, Gate, Spec};
use super::status::{EnvironmentStatus, Status};
use gatepost_value::Value;
use serde_json::Value as Json;
use std::cmp::Ordering;

/// Every kind.
pub static KINDS: [&Dialect; 2] = [&APPLICATION_GATE, &ARGOCD_COMMIT_STATUS];

/// A kind.
pub struct Dialect {
    /// API group and version.
    pub api_version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// The kind's name in paths.
    pub plural: &'static str,
    /// Field manager of its status.
    pub manager: &'static str,
    /// Field manager of the CommitStatuses that its objects write.
    pub commit_status_manager: &'static str,
    /// Label that says by which object a CommitStatus was written.
    pub gate_label: &'static str,
    /// What names of its CommitStatuses end in.
    pub suffix: &'static str,
    /// The key of an object that names none.
    pub default_key: &'static str,
    /// Where its template of the URL stands.
    pub url_field: &'static str,
    /// Whether the Promoter has a controller for it, too: then objects without an instance id are the Promoter's, and the custom
    /// resource has to know `status.instanceID`.
    pub is_promoters: bool,
    /// Where its Applications are.
    pub namespaces: Namespaces,
    /// Whether a selector without any condition selects every Application, or none.
    pub empty_selects_all: bool,
    pub(super) scope: Scope,
    pub(super) together: Together,
    pub(super) memory: Memory,
    /// Reads a `spec`.
    pub(super) read: fn(&'static Dialect, &Json) -> Result<Spec, Error>,
    /// Why an object is about nothing that selects no Application; `None` where it still is.
    pub(super) empty: fn(&Gate) -> Option<String>,
    /// What templates see.
    pub(super) data: fn(&Told<'_>) -> Value,
    /// Writes what was found into the status.
    pub(super) store: fn(&mut Status, &Found<'_>),
}

/// Where the Applications of an object are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespaces {
    /// In those that it names, by default its own.
    Named,
    /// In its own and in all that it was granted.
    Granted,
}

/// Which environments an object is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Those that name its key.
    Keyed,
    /// Those that have Applications.
    Populated,
}

/// What several Applications come to together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Together {
    /// One failure is a failure.
    AnyFailure,
    /// Only failures are a failure.
    AllFailures,
}

/// Where it stands what was said of an environment before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    /// In the status.
    Status,
    /// In the CommitStatuses.
    CommitStatuses,
}

/// What templates may tell of.
pub(super) struct Told<'a> {
    pub gate: &'a Gate,
    pub strategy: &'a dyn Fn() -> Value,
    pub scene: &'a Scene<'a>,
    pub phase: super::Phase,
    pub counts: Counts,
    pub words: &'a str,
}

/// What a look found.
pub(super) struct Found<'a> {
    /// What is said of each environment.
    pub environments: &'a [EnvironmentStatus],
    /// Every Application that is selected.
    pub applications: &'a [&'a Record],
    /// Every branch of the strategy, in its order.
    pub branches: &'a [String],
}

impl Dialect {
    /// The kind of this name.
    #[must_use]
    pub fn named(kind: &str) -> Option<&'static Self> {
        KINDS.into_iter().find(|dialect| dialect.kind == kind)
    }

    /// Group and version of the API.
    #[must_use]
    pub fn group_version(&self) -> (&'static str, &'static str) {
        self.api_version.split_once('/').unwrap_or(("", self.api_version))
    }
}

impl std::fmt::Debug for Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind)
    }
}

impl PartialEq for Dialect {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Eq for Dialect {}

impl PartialOrd for Dialect {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Dialect {
    fn cmp(&self, other: &Self) -> Ordering {
        self.kind.cmp(other.kind)
    }
}
