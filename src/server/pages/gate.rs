//! `/gates/{namespace}/{name}`: one gate, why it holds, what was answered, what it went through, what it wrote.

use super::frame::render;
use super::gates::{Summary, moment};
use super::outcome::{Outcome, gate_tone};
use super::picture::{self, Band, Change, Picture};
use super::{Frame, Layout, Link, Millis, Moment, Section, Text, Words, rows};
use crate::gate::application::Dialect;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Environments whose phase is shown, and whose changes are drawn.
const ENVIRONMENTS: usize = 12;
/// Reasons why it holds that are shown.
const REASONS: usize = 12;
/// Steps of the last look that are shown.
const STEPS: usize = 10;
/// Answers that are shown.
const ANSWERS: usize = 5;
/// CommitStatuses that are shown.
const WRITTEN: usize = 12;
/// Applications that are shown, of all environments together.
const APPLICATIONS: usize = 12;
/// Changes that are drawn, of all environments together.
const CHANGES: usize = 80;
/// Characters of an environment's name in the picture.
const NAME_MAX: usize = 32;

/// What is asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// Of which kind, where several gates have the name.
    kind: String,
}

/// A gate, as the API has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Whole {
    #[serde(flatten)]
    summary: Summary,
    why: Vec<String>,
    steps: Vec<StepOf>,
    answers: BTreeMap<String, AnswerOf>,
    history: BTreeMap<String, Vec<ChangeOf>>,
    commit_statuses: Vec<WrittenOf>,
    environments: Vec<JudgedOf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct StepOf {
    scope: String,
    decision: String,
    until: Option<String>,
    error: Option<String>,
    trigger: Option<bool>,
    result: Option<String>,
    variables: Option<String>,
    trigger_output: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AnswerOf {
    at: Option<String>,
    status: u16,
    content_type: String,
    milliseconds: u64,
    bytes: u64,
    attempt: i64,
    body: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ChangeOf {
    at: String,
    phase: String,
    sha: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WrittenOf {
    name: String,
    key: String,
    sha: String,
    ready: String,
    reason: String,
    message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JudgedOf {
    branch: String,
    phase: String,
    description: String,
    applications: Vec<ApplicationOf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ApplicationOf {
    namespace: String,
    name: String,
    phase: String,
    health: String,
    sync: String,
}

/// The page.
#[derive(Template)]
#[template(path = "gate.html")]
struct Page {
    layout: Layout,
    kind: Text,
    strategy: Text,
    key: Text,
    mode: Text,
    ready: Option<(Outcome, Text, Text)>,
    looked: Option<Moment>,
    next_look: Option<Moment>,
    next_try: Option<Moment>,
    why: Vec<Text>,
    environments: Vec<Environment>,
    phases: Picture,
    steps: Vec<Step>,
    answers: Vec<Answer>,
    judged: Vec<Judged>,
    written: Vec<Written>,
}

struct Environment {
    branch: Text,
    phase: Outcome,
    commit: Text,
}

struct Step {
    scope: Text,
    decision: Text,
    fires: &'static str,
    result: Text,
    variables: Text,
    said: Text,
    until: Option<Moment>,
}

struct Answer {
    scope: Text,
    at: Option<Moment>,
    status: u16,
    kind: Text,
    took: Millis,
    bytes: u64,
    attempt: i64,
    body: Text,
}

/// What one Application came to.
struct Judged {
    branch: Text,
    application: Link,
    phase: Outcome,
    health: Outcome,
    sync: Outcome,
}

struct Written {
    name: Text,
    key: Text,
    commit: Text,
    ready: Outcome,
    said: Text,
}

/// Answers.
pub(super) async fn show(frame: Frame, place: web::Path<(String, String)>) -> HttpResponse {
    let (namespace, name) = place.into_inner();
    let asked: Asked = match frame.query() {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let Some(gates) = &frame.state.gates else {
        return frame.missing("Gates are switched off.", "Set gates.enabled = true, and run on a cluster.");
    };
    let kind = Dialect::named(&asked.kind).map(|dialect| dialect.kind);
    let found = match kind {
        Some(_) => None,
        None => gates.show(&namespace, &name).await,
    };
    let found = found.or_else(|| gates.show_application(kind, &namespace, &name));
    let whole = found.and_then(|view| serde_json::from_value::<Whole>(view).ok());
    let Some(whole) = whole else {
        let advice = "The list shows the gates that are handled here, and what keeps others from being handled.";
        return frame.missing(&format!("No gate {namespace}/{name} is handled here."), advice);
    };
    let layout = frame.layout(&format!("{namespace}/{name}"), Section::Gates);
    render(&page(layout, &whole, &frame.words(), frame.now_ms))
}

fn page(layout: Layout, whole: &Whole, words: &Words, now_ms: i64) -> Page {
    let gate = &whole.summary;
    let time = |text: &Option<String>| text.as_deref().and_then(|text| moment(text, now_ms));
    let ready = gate.ready.as_ref();
    let environments = gate.phases.iter().take(ENVIRONMENTS).map(|(branch, of)| Environment {
        branch: words.show(branch),
        phase: Outcome::gate(&of.phase, words),
        commit: words.show(&of.sha),
    });
    Page {
        layout,
        kind: words.show(&gate.kind),
        strategy: words.show(&gate.strategy),
        key: words.show(&gate.key),
        mode: words.show(&gate.mode),
        ready: ready.map(|ready| {
            (Outcome::condition(&ready.status, words), words.show(&ready.reason), words.passage(&ready.message))
        }),
        looked: time(&gate.looked_at),
        next_look: time(&gate.next_look),
        next_try: time(&gate.next_try),
        why: whole.why.iter().take(REASONS).map(|why| words.line(why)).collect(),
        environments: environments.collect(),
        phases: picture::phases(&bands(whole, words), now_ms),
        steps: whole.steps.iter().take(STEPS).map(|step| of_step(step, words, now_ms)).collect(),
        answers: whole
            .answers
            .iter()
            .take(ANSWERS)
            .map(|(scope, answer)| of_answer(scope, answer, words, now_ms))
            .collect(),
        judged: judged(&whole.environments, words),
        written: whole.commit_statuses.iter().take(WRITTEN).map(|one| written(one, words)).collect(),
    }
}

/// What the environments went through; the newest changes where there are too many.
fn bands(whole: &Whole, words: &Words) -> Vec<Band> {
    let each = CHANGES / whole.history.len().clamp(1, ENVIRONMENTS);
    let band = |(branch, changes): (&String, &Vec<ChangeOf>)| Band {
        environment: crate::gate::approval::markdown::clip(&words.show(branch).to_string(), NAME_MAX),
        changes: changes.iter().skip(changes.len().saturating_sub(each)).filter_map(|one| change(one, words)).collect(),
    };
    whole.history.iter().take(ENVIRONMENTS).map(band).collect()
}

fn change(change: &ChangeOf, words: &Words) -> Option<Change> {
    let at: jiff::Timestamp = change.at.parse().ok()?;
    let phase = crate::gate::Phase::parse(&change.phase).map_or("unknown", crate::gate::Phase::as_str);
    let commit: String = change.sha.chars().take(10).collect();
    let commit = if commit.is_empty() { "its commit".to_owned() } else { words.show(&commit).to_string() };
    Some(Change { at_ms: at.as_millisecond(), phase, tone: gate_tone(phase), commit })
}

fn scope(scope: &str, words: &Words) -> Text {
    words.show(if scope.is_empty() { "all environments" } else { scope })
}

fn of_step(step: &StepOf, words: &Words, now_ms: i64) -> Step {
    let shown = |text: &Option<String>| words.show(text.as_deref().unwrap_or_default());
    Step {
        scope: scope(&step.scope, words),
        decision: words.show(&step.decision),
        fires: match step.trigger {
            Some(true) => "fires",
            Some(false) => "does not fire",
            None => "",
        },
        result: shown(&step.result),
        variables: shown(&step.variables),
        said: shown(&step.error.clone().or_else(|| step.trigger_output.clone())),
        until: step.until.as_deref().and_then(|at| moment(at, now_ms)),
    }
}

fn of_answer(of: &str, answer: &AnswerOf, words: &Words, now_ms: i64) -> Answer {
    Answer {
        scope: scope(of, words),
        at: answer.at.as_deref().and_then(|at| moment(at, now_ms)),
        status: answer.status,
        kind: words.show(&answer.content_type),
        took: Millis(answer.milliseconds),
        bytes: answer.bytes,
        attempt: answer.attempt,
        body: words.passage(&answer.body),
    }
}

fn judged(environments: &[JudgedOf], words: &Words) -> Vec<Judged> {
    let of = |environment: &JudgedOf, one: &ApplicationOf| Judged {
        branch: words.show(&environment.branch),
        application: rows::application(&one.namespace, &one.name, words),
        phase: Outcome::gate(&one.phase, words),
        health: Outcome::health(&one.health, words),
        sync: Outcome::sync(&one.sync, words),
    };
    let all =
        environments.iter().flat_map(|environment| environment.applications.iter().map(move |one| (environment, one)));
    all.take(APPLICATIONS).map(|(environment, one)| of(environment, one)).collect()
}

fn written(one: &WrittenOf, words: &Words) -> Written {
    let said = if one.ready == "True" { String::new() } else { format!("{}: {}", one.reason, one.message) };
    Written {
        name: words.show(&one.name),
        key: words.show(&one.key),
        commit: words.show(&one.sha),
        ready: Outcome::condition(&one.ready, words),
        said: words.show(said.trim_start_matches(": ")),
    }
}

#[cfg(test)]
mod tests;
