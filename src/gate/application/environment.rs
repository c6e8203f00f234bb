//! One environment: its Applications judged, alone and together, and what is said of its commit.

use super::dialect::Told;
use super::judge::{self, Counts, Judge, Judged, Scene};
use super::spec::{Gate, Spec, Url};
use super::status::{ApplicationStatus, EnvironmentStatus, MOST_APPLICATIONS};
use super::{Commits, Input, Placed};
use crate::gate::names;
use crate::gate::status::Phase;
use crate::gate::web_request::CommitStatusDraft;
use gatepost_template::MissingKey;

/// What came of one environment.
pub(super) struct Looked {
    pub status: EnvironmentStatus,
    pub draft: CommitStatusDraft,
    pub look_again: Option<i64>,
}

pub(super) fn look_at(
    judge: &Judge<'_>,
    input: &Input<'_>,
    branch: &str,
    commits: &Commits,
    placed: &[Placed<'_>],
    before: Option<&EnvironmentStatus>,
) -> Result<Looked, String> {
    let (spec, together) = (&input.gate.spec, input.gate.dialect.together);
    let before = before.map_or("", |entry| entry.phase.as_str());
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
    let unsettled = judge::unsettled_until(&judged, spec.settle, &input.now);
    let phase = if unsettled.is_some() { Phase::Pending } else { counts.phase(together) };
    let words = match counts.total() {
        0 => format!("No Application of {branch} is selected"),
        _ => counts.words(together),
    };
    let told = Told { gate: input.gate, strategy: &|| judge.strategy(), scene: &scene, phase, counts, words: &words };
    let (description, url) = texts(judge, spec, &told)?;
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

/// Description and URL.
fn texts(judge: &Judge<'_>, spec: &Spec, told: &Told<'_>) -> Result<(String, Option<String>), String> {
    let render = |text: &str, missing: MissingKey, what: &str| {
        let data = (told.gate.dialect.data)(told);
        judge.render(text, &data, missing).map_err(|error| format!("failed to render {what} template: {error}"))
    };
    let description = match spec.description.as_str() {
        "" => told.words.to_owned(),
        template => render(template, MissingKey::Default, "description")?,
    };
    let url = match &spec.url {
        Url { template, .. } if template.is_empty() => None,
        Url { template, missing } => Some(checked_url(render(template, *missing, "URL")?)?),
    };
    Ok((description, url))
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

/// The name of the CommitStatus of a gate and a branch.
pub(super) fn status_name(gate: &Gate, branch: &str) -> String {
    names::unique(&format!("{}-{branch}-{}", gate.name, gate.dialect.suffix))
}

fn draft(input: &Input<'_>, branch: &str, sha: &str, phase: Phase) -> CommitStatusDraft {
    let (gate, key) = (input.gate, input.gate.spec.key.as_str());
    let labels = [
        (names::KEY_LABEL, key.to_owned()),
        (names::ENVIRONMENT_LABEL, names::label(branch)),
        (gate.dialect.gate_label, names::label(&gate.name)),
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

/// The API server would refuse anything else.
fn checked_url(text: String) -> Result<String, String> {
    match url::Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(text),
        _ => Err(format!("the URL template gives {text:?}, which is no http or https URL")),
    }
}
