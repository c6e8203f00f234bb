//! One look at an `ApplicationGate`: what Argo CD made of an environment's commit becomes a CommitStatus on it
//! (`spec/gates.md` 22).
//!
//! Each environment stands for itself: what fails in one changes nothing in the others. A commit that no Application is at
//! is pending; one that nothing is known of never passes. Commits come from the strategy's status, never from git.

mod judge;
mod place;
mod record;
mod spec;
mod status;

#[cfg(test)]
mod tests;

pub use place::{Place, repository};
pub use record::Record;
pub use spec::{DEFAULT_EXPRESSION, DEFAULT_KEY, DEFAULT_SETTLE, Error, Gate, Spec};
pub use status::{ApplicationStatus, EnvironmentStatus, MOST_APPLICATIONS, Status};

use super::engine::Engine;
use super::names;
use super::spec::ReportOn;
use super::status::Phase;
use super::strategy::Strategy;
use super::web_request::{CommitStatusDraft, Event};
use gatepost_value::json::{Numbers, from_serde};
use gatepost_value::namespace::Record as Struct;
use gatepost_value::{Location, Str, Time, Value};
use judge::{Counts, Judge, Judged, Scene};
use std::collections::BTreeMap;

/// Label that says by which ApplicationGate a CommitStatus was written.
pub const GATE_LABEL: &str = "gatepost.dev/application-gate";

/// What a look is about.
pub struct Input<'a> {
    /// The gate, as it is stored.
    pub gate: &'a Gate,
    /// The strategy that it names.
    pub strategy: &'a Strategy,
    /// The Applications that it selects.
    pub applications: &'a [&'a Record],
    /// The time.
    pub now: Time,
    /// Go's `time.Local`.
    pub local: Location,
    /// Fills a buffer with random bytes.
    pub random: &'a dyn Fn(&mut [u8]),
}

/// What follows from a look.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The status to store, with the conditions as they were.
    pub status: Status,
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
    /// All that failed in one text, `None` where nothing did.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        (!self.failures.is_empty()).then(|| format!("failed to process ApplicationGate: {}", self.failures.join("; ")))
    }
}

/// Looks once.
#[must_use]
pub fn look(engine: &Engine, input: &Input<'_>) -> Outcome {
    let mut outcome = Outcome { status: input.gate.status.clone(), ..Outcome::default() };
    outcome.status.observed_generation = input.gate.generation;
    let spec = &input.gate.spec;
    let branches = input.strategy.branches(&spec.key, spec.report_on);
    let placed = place_all(input, &branches);
    if let Some(refusal) = one_repository(&placed) {
        outcome.failures.push(refusal);
        return outcome;
    }
    let judge = Judge::new(engine, input);
    let commits = commits(input, &branches);
    outcome.status.environments = Vec::new();
    for branch in &branches {
        let before = input.gate.status.environment(branch);
        let looked = commits.get(branch.as_str()).map_or_else(
            || Err("the strategy does not say".to_owned()),
            |commits| commits.clone().and_then(|commits| look_at(&judge, input, branch, &commits, &placed)),
        );
        match looked {
            Ok(looked) => outcome.add(before, looked),
            Err(why) => outcome.fail(before, branch, &why),
        }
    }
    outcome.keep = Some(branches.iter().map(|branch| status_name(&input.gate.name, branch)).collect());
    outcome
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

/// What came of one environment.
struct Looked {
    status: EnvironmentStatus,
    draft: CommitStatusDraft,
    look_again: Option<i64>,
}

fn look_at(
    judge: &Judge<'_>,
    input: &Input<'_>,
    branch: &str,
    commits: &Commits,
    placed: &[Placed<'_>],
) -> Result<Looked, String> {
    let before = input.gate.status.environment(branch).map_or("", |entry| entry.phase.as_str());
    let scene = Scene { branch, judged_sha: &commits.judged, reported_sha: &commits.reported, before };
    let of_branch = placed.iter().filter(|(_, place)| place.branch == branch);
    let judged: Result<Vec<_>, _> = of_branch
        .map(|(record, place)| {
            let judged = judge.judge(&scene, record, place);
            judged.map_err(|why| format!("failed to evaluate when for Application {}: {why}", record.name))
        })
        .collect();
    let mut judged = judged?;
    let counts = Counts::of(&judged);
    let unsettled = judge::unsettled_until(&judged, input.gate.spec.settle, &input.now);
    let phase = if unsettled.is_some() { Phase::Pending } else { counts.phase() };
    let words = match counts.total() {
        0 => format!("No Application of {branch} is selected"),
        _ => counts.words(),
    };
    let data = template_data(judge, input, &scene, phase, counts, &words);
    let description = match input.gate.spec.description.as_str() {
        "" => words,
        template => render(judge, template, &data, "description")?,
    };
    let url = match input.gate.spec.url.as_str() {
        "" => None,
        template => Some(checked_url(render(judge, template, &data, "URL")?)?),
    };
    judged.sort_by_key(|one| (one.phase == Phase::Success, one.record.name.clone()));
    let status = EnvironmentStatus {
        branch: branch.to_owned(),
        reported_sha: commits.reported.clone(),
        phase,
        description: description.clone(),
        applications: judged.into_iter().take(MOST_APPLICATIONS).map(stored).collect(),
    };
    let draft = CommitStatusDraft { description, url, ..draft(input, branch, &commits.reported, phase) };
    Ok(Looked { status, draft, look_again: unsettled })
}

impl Outcome {
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
        self.status.environments.push(looked.status);
        self.commit_statuses.push(looked.draft);
    }

    /// What was stored of an environment that failed stays.
    fn fail(&mut self, before: Option<&EnvironmentStatus>, branch: &str, why: &str) {
        self.failures.push(format!("environment {branch:?}: {why}"));
        self.status.environments.extend(before.cloned());
    }
}

fn stored(one: Judged<'_>) -> ApplicationStatus {
    ApplicationStatus {
        namespace: one.record.namespace.clone(),
        name: one.record.name.clone(),
        phase: one.phase,
        sha: one.sha,
        health: one.record.text("/status/health/status").to_owned(),
        sync: one.record.text("/status/sync/status").to_owned(),
        output: one.output,
    }
}

fn status_name(gate: &str, branch: &str) -> String {
    names::unique(&format!("{gate}-{branch}-application-gate"))
}

fn draft(input: &Input<'_>, branch: &str, sha: &str, phase: Phase) -> CommitStatusDraft {
    let (gate, key) = (input.gate.name.as_str(), input.gate.spec.key.as_str());
    let labels = [
        (names::KEY_LABEL, key.to_owned()),
        (names::ENVIRONMENT_LABEL, names::label(branch)),
        (GATE_LABEL, names::label(gate)),
    ];
    CommitStatusDraft {
        name: status_name(gate, branch),
        branch: branch.to_owned(),
        labels: labels.map(|(name, value)| (name.to_owned(), value)).into(),
        repository: input.strategy.repository.clone(),
        sha: sha.to_owned(),
        title: format!("{key}/{branch}"),
        phase,
        description: String::new(),
        url: None,
    }
}

fn template_data(
    judge: &Judge<'_>,
    input: &Input<'_>,
    scene: &Scene<'_>,
    phase: Phase,
    counts: Counts,
    words: &str,
) -> Value {
    let number = |count: usize| Value::int(i64::try_from(count).unwrap_or(i64::MAX));
    let fields = [
        ("Branch", Value::str(scene.branch)),
        ("Phase", Value::str(phase.as_str())),
        ("Description", Value::str(words)),
        ("Environment", judge::environment(scene)),
        ("Healthy", number(counts.success)),
        ("Degraded", number(counts.failure)),
        ("Pending", number(counts.pending)),
        ("Total", number(counts.total())),
        ("PromotionStrategy", judge.strategy()),
        ("ApplicationGate", from_serde(&input.gate.object, Numbers::Kubernetes)),
    ];
    let fields = fields.into_iter().map(|(name, value)| (Str::from_static(name), value)).collect();
    Struct::value("applicationgate.TemplateData", fields)
}

fn render(judge: &Judge<'_>, text: &str, data: &Value, what: &str) -> Result<String, String> {
    judge.render(text, data).map_err(|error| format!("failed to render {what} template: {error}"))
}

/// The API server would refuse anything else.
fn checked_url(text: String) -> Result<String, String> {
    match url::Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(text),
        _ => Err(format!("the URL template gives {text:?}, which is no http or https URL")),
    }
}
