//! One look at an object that gates by Argo CD's outcomes: what Argo CD made of an environment's commit becomes a CommitStatus on it
//! (`spec/gates.md` 16, 22). In what the kinds of such objects differ says [`Dialect`].
//!
//! Each environment stands for itself: what fails in one changes nothing in the others. A commit that no Application is at
//! is pending; one that nothing is known of never passes. Commits come from the strategy's status, never from git.

mod application_gate;
mod argocd_commit_status;
mod dialect;
mod environment;
mod judge;
mod place;
mod record;
mod spec;
mod status;

#[cfg(test)]
mod tests;

pub use application_gate::{APPLICATION_GATE, DEFAULT_EXPRESSION};
pub use argocd_commit_status::ARGOCD_COMMIT_STATUS;
pub use dialect::{Dialect, KINDS, Namespaces};
pub use place::{Place, repository};
pub use record::Record;
pub use spec::{DEFAULT_SETTLE, Error, Gate, Rule, Spec, Url};
pub use status::{ApplicationStatus, EnvironmentStatus, MOST_APPLICATIONS, SelectedApplication, Status};

use super::engine::Engine;
use super::spec::ReportOn;
use super::status::Phase;
use super::strategy::Strategy;
use super::web_request::{CommitStatusDraft, Event};
use dialect::{Found, Memory, Scope};
use environment::Looked;
use gatepost_value::{Location, Time};
use judge::Judge;
use std::collections::BTreeMap;

/// What a look is about.
pub struct Input<'a> {
    /// The gate, as it is stored.
    pub gate: &'a Gate,
    /// The strategy that it names.
    pub strategy: &'a Strategy,
    /// The Applications that it selects.
    pub applications: &'a [&'a Record],
    /// What its CommitStatus of a name says now.
    pub said: &'a dyn Fn(&str) -> Option<Said>,
    /// The time.
    pub now: Time,
    /// Go's `time.Local`.
    pub local: Location,
    /// Fills a buffer with random bytes.
    pub random: &'a dyn Fn(&mut [u8]),
}

/// What a CommitStatus says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Of which commit.
    pub sha: String,
    /// What.
    pub phase: Phase,
}

/// What follows from a look.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The status to store, with the conditions as they were.
    pub status: Status,
    /// What is said of each environment, in the strategy's order; of one that failed what was said before.
    pub environments: Vec<EnvironmentStatus>,
    /// CommitStatuses as they should be, in the strategy's order. An environment that failed has none: what is there stays.
    pub commit_statuses: Vec<CommitStatusDraft>,
    /// Names of the CommitStatuses that may exist; `None` where that cannot be told.
    pub keep: Option<Vec<String>>,
    /// What people should be told.
    pub events: Vec<Event>,
    /// What failed, in the strategy's order.
    pub failures: Vec<String>,
    /// When to look again although nothing changed, in Unix milliseconds.
    pub look_again: Option<i64>,
}

impl Outcome {
    /// Nothing could be decided; what was stored stays.
    #[must_use]
    pub fn failed(gate: &Gate, why: String) -> Self {
        let mut status = gate.status.clone();
        status.observed_generation = gate.generation;
        let environments = status.environments.clone();
        Self { status, environments, failures: vec![why], ..Self::default() }
    }

    /// All that failed in one text, `None` where nothing did.
    #[must_use]
    pub fn error(&self, dialect: &Dialect) -> Option<String> {
        let failures = || self.failures.join("; ");
        (!self.failures.is_empty()).then(|| format!("failed to process {}: {}", dialect.kind, failures()))
    }
}

/// Looks once.
#[must_use]
pub fn look(engine: &Engine, input: &Input<'_>) -> Outcome {
    let (gate, dialect) = (input.gate, input.gate.dialect);
    let every = input.strategy.every_branch();
    let before = before(input, &every);
    let found = |environments| Found { environments, applications: input.applications, branches: &every };
    if input.applications.is_empty()
        && let Some(why) = (dialect.empty)(gate)
    {
        let mut outcome = Outcome::failed(gate, why);
        outcome.environments = before;
        (dialect.store)(&mut outcome.status, &found(&outcome.environments));
        return outcome;
    }
    let candidates = match dialect.scope {
        Scope::Keyed => input.strategy.branches(&gate.spec.key, gate.spec.report_on),
        Scope::Populated => every.clone(),
    };
    let placed = place_all(input, &candidates);
    if let Some(refusal) = one_repository(&placed) {
        return Outcome { environments: before, ..Outcome::failed(gate, refusal) };
    }
    let mut outcome = Outcome { status: gate.status.clone(), ..Outcome::default() };
    outcome.status.observed_generation = gate.generation;
    outcome.look_at_all(engine, input, &about(dialect.scope, candidates, &placed), &placed, &before);
    (dialect.store)(&mut outcome.status, &found(&outcome.environments));
    outcome
}

/// What was said before of each environment.
fn before(input: &Input<'_>, branches: &[String]) -> Vec<EnvironmentStatus> {
    let of_commit_status = |branch: &String| {
        let Said { sha, phase } = (input.said)(&environment::status_name(input.gate, branch))?;
        Some(EnvironmentStatus {
            branch: branch.clone(),
            reported_sha: sha,
            phase,
            description: "as it was said before".to_owned(),
            applications: Vec::new(),
        })
    };
    match input.gate.dialect.memory {
        Memory::Status => input.gate.status.environments.clone(),
        Memory::CommitStatuses => branches.iter().filter_map(of_commit_status).collect(),
    }
}

/// The environments that a gate is about.
fn about(scope: Scope, mut candidates: Vec<String>, placed: &[Placed<'_>]) -> Vec<String> {
    match scope {
        Scope::Keyed => {}
        Scope::Populated => candidates.retain(|branch| placed.iter().any(|(_, place)| place.branch == *branch)),
    }
    candidates
}

/// The commits of an environment.
#[derive(Debug, Clone)]
struct Commits {
    judged: String,
    reported: String,
}

/// The commits of each environment, or why it has none of its own.
fn commits<'b>(input: &Input<'_>, branches: &'b [String]) -> BTreeMap<&'b str, Result<Commits, String>> {
    let report_on = input.gate.spec.report_on;
    let of = |branch: &str| {
        let judged = input.strategy.sha(branch, ReportOn::Active).map_err(|error| error.to_string())?;
        let reported = input.strategy.sha(branch, report_on).map_err(|error| error.to_string())?;
        Ok(Commits { judged, reported })
    };
    let mut found: BTreeMap<_, Result<Commits, String>> = branches.iter().map(|b| (b.as_str(), of(b))).collect();
    let mut by_sha: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (branch, commits) in &found {
        if let Ok(commits) = commits {
            by_sha.entry(commits.reported.clone()).or_default().push(branch);
        }
    }
    // The Promoter looks CommitStatuses up by key and commit, and takes two of them for none.
    for (sha, sharing) in by_sha.into_iter().filter(|(_, sharing)| sharing.len() > 1) {
        let why =
            format!("environments {} share commit {sha}: each needs a gate with a key of its own", sharing.join(", "));
        for branch in sharing {
            found.insert(branch, Err(why.clone()));
        }
    }
    found
}

/// An Application with its place.
type Placed<'r> = (&'r Record, Place);

fn place_all<'r>(input: &Input<'r>, branches: &[String]) -> Vec<Placed<'r>> {
    let placed = input.applications.iter().filter_map(|record| Some((*record, Place::of(record, branches)?)));
    placed.collect()
}

fn one_repository(placed: &[Placed<'_>]) -> Option<String> {
    let (first, place) = placed.first()?;
    let other = placed.iter().find(|(_, other)| other.repository != place.repository);
    other.map(|(record, other)| {
        format!(
            "all applications must have the same repo configured: {} has {}, {} has {}",
            first.name, place.repository, record.name, other.repository
        )
    })
}

impl Outcome {
    fn look_at_all(
        &mut self,
        engine: &Engine,
        input: &Input<'_>,
        branches: &[String],
        placed: &[Placed<'_>],
        before: &[EnvironmentStatus],
    ) {
        let judge = Judge::new(engine, input);
        let commits = commits(input, branches);
        for branch in branches {
            let before = EnvironmentStatus::find(before, branch);
            let looked = commits.get(branch.as_str()).map_or_else(
                || Err("the strategy does not say".to_owned()),
                |commits| {
                    let commits = commits.clone()?;
                    environment::look_at(&judge, input, branch, &commits, placed, before)
                },
            );
            match looked {
                Ok(looked) => self.add(before, looked),
                Err(why) => self.fail(before, branch, &why),
            }
        }
        self.keep = Some(branches.iter().map(|branch| environment::status_name(input.gate, branch)).collect());
    }

    fn add(&mut self, before: Option<&EnvironmentStatus>, looked: Looked) {
        let (branch, phase) = (looked.status.branch.as_str(), looked.status.phase);
        let old = before.map(|entry| entry.phase);
        if old != Some(phase) {
            let was = old.map_or("<none>", Phase::as_str);
            let title = &looked.draft.title;
            self.events.push(Event {
                warning: phase == Phase::Failure,
                reason: "CommitStatusPhaseChanged",
                action: "EvaluatingCommitStatus",
                note: format!("Commit status {title:?} for environment branch {branch} changed from {was} to {phase}"),
            });
        }
        self.look_again = self.look_again.into_iter().chain(looked.look_again).min();
        self.environments.push(looked.status);
        self.commit_statuses.push(looked.draft);
    }

    /// What was said of an environment that failed stays.
    fn fail(&mut self, before: Option<&EnvironmentStatus>, branch: &str, why: &str) {
        self.failures.push(format!("environment {branch:?}: {why}"));
        self.environments.extend(before.cloned());
    }
}
