//! `/gates`: gates by request and by Argo CD's outcomes, those that hold something first, and what to do where there is none.

use super::frame::render;
use super::outcome::{Outcome, gate_tone};
use super::{Count, Frame, Layout, Link, Moment, PAGE_ROWS, Paging, Section, Text, Tone, Words, href, parts};
use crate::controller::gate::Gates;
use crate::gate::application::Dialect;
use actix_web::HttpResponse;
use askama::Template;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Environments of a gate that a list shows.
const ENVIRONMENTS: usize = 6;

/// What is asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Asked {
    after: String,
}

/// A gate in short, as the API has it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Summary {
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub strategy: String,
    pub key: String,
    pub mode: String,
    pub phases: BTreeMap<String, PhaseOf>,
    pub ready: Option<Condition>,
    pub error: Option<String>,
    pub looked_at: Option<String>,
    pub next_look: Option<String>,
    pub next_try: Option<String>,
}

/// How an environment is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct PhaseOf {
    pub phase: String,
    pub sha: String,
}

/// The `Ready` condition.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Condition {
    pub status: String,
    pub reason: String,
    pub message: String,
}

/// The page.
#[derive(Template)]
#[template(path = "gates.html")]
struct Page {
    layout: Layout,
    /// What keeps gates from being handled; empty where nothing does.
    obstacle: Text,
    counts: Vec<(Count, &'static str, Tone)>,
    rows: Vec<Row>,
    paging: Paging,
    /// What to do, where there is no gate.
    empty: &'static str,
}

/// One gate.
struct Row {
    gate: Link,
    kind: Text,
    strategy: Text,
    key: Text,
    environments: Vec<Environment>,
    more: usize,
    said: Text,
    next: Option<Moment>,
}

/// An environment with its phase.
struct Environment {
    branch: Text,
    phase: Outcome,
}

/// What the page is made of.
#[derive(Default)]
struct Facts {
    is_enabled: bool,
    obstacle: String,
    all: Vec<Summary>,
}

impl Facts {
    fn read(gates: Option<&Gates>) -> Self {
        let Some(gates) = gates else { return Self::default() };
        let mut list = gates.list();
        let obstacle = list["obstacle"].as_str().unwrap_or_default().to_owned();
        let items = list["items"].take();
        let by_request: Vec<Summary> = serde_json::from_value(items).unwrap_or_default();
        let of_applications = gates.list_applications().into_iter();
        let of_applications = of_applications.filter_map(|view| serde_json::from_value(view).ok());
        Self { is_enabled: true, obstacle, all: by_request.into_iter().chain(of_applications).collect() }
    }
}

/// Answers.
pub(super) async fn show(frame: Frame) -> HttpResponse {
    let asked: Asked = match frame.query() {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let facts = Facts::read(frame.state.gates.as_deref());
    render(&page(frame.layout("Gates", Section::Gates), facts, &asked.after, &frame.words(), frame.now_ms))
}

/// Those that hold something first, then by name.
type Order = (u8, String);

fn order(gate: &Summary) -> Order {
    let worst = match () {
        () if gate.error.is_some() => 0,
        () if gate.phases.values().any(|of| of.phase == "failure") => 1,
        () if gate.phases.values().any(|of| of.phase != "success") => 2,
        () => 3,
    };
    (worst, format!("{}/{}/{}", gate.namespace, gate.name, gate.kind))
}

/// A place in that order, as an address holds it.
fn place_of(order: &Order) -> String {
    format!("{}-{}", order.0, order.1)
}

fn parsed(after: &str) -> Option<Order> {
    let (worst, name) = after.split_once('-')?;
    Some((worst.parse().ok()?, name.to_owned()))
}

fn page(layout: Layout, facts: Facts, after: &str, words: &Words, now_ms: i64) -> Page {
    let counts = counts(&facts.all);
    let mut all: Vec<(Order, Summary)> = facts.all.into_iter().map(|gate| (order(&gate), gate)).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let behind = parsed(after);
    all.retain(|(order, _)| behind.as_ref().is_none_or(|behind| order > behind));
    let next = (all.len() > PAGE_ROWS).then(|| place_of(&all[PAGE_ROWS - 1].0)).and_then(|next| words.exact(&next));
    all.truncate(PAGE_ROWS);
    Page {
        layout,
        obstacle: words.passage(&facts.obstacle),
        counts,
        rows: all.iter().map(|(_, gate)| of(gate, words, now_ms)).collect(),
        paging: Paging::new("/gates", &[], behind.as_ref().map(|_| after), next.as_deref()),
        empty: empty(facts.is_enabled, &facts.obstacle),
    }
}

fn counts(all: &[Summary]) -> Vec<(Count, &'static str, Tone)> {
    let of = |phase: &str| all.iter().flat_map(|gate| gate.phases.values()).filter(|of| of.phase == phase).count();
    let failed = all.iter().filter(|gate| gate.error.is_some()).count();
    let all = [
        (of("success"), "environments pass", Tone::Ok),
        (of("pending"), "environments wait", Tone::Warn),
        (of("failure"), "environments may not pass", Tone::Bad),
        (failed, "gates cannot be looked at", Tone::Bad),
    ];
    all.into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, what, tone)| (Count(count as u64), what, tone))
        .collect()
}

fn of(gate: &Summary, words: &Words, now_ms: i64) -> Row {
    let environment = |(branch, of): (&String, &PhaseOf)| Environment {
        branch: words.show(branch),
        phase: Outcome::gate(&of.phase, words),
    };
    let mut phases: Vec<_> = gate.phases.iter().collect();
    phases.sort_by_key(|(_, of)| gate_tone(&of.phase) == Tone::Ok);
    let ready = gate.ready.as_ref().filter(|ready| ready.status != "True");
    let said = gate.error.as_deref().or(ready.map(|ready| ready.message.as_str())).unwrap_or_default();
    Row {
        gate: link(gate, words),
        kind: words.show(&gate.kind),
        strategy: words.show(&gate.strategy),
        key: words.show(&gate.key),
        environments: phases.iter().copied().take(ENVIRONMENTS).map(environment).collect(),
        more: phases.len().saturating_sub(ENVIRONMENTS),
        said: words.show(said),
        next: gate.next_try.as_deref().or(gate.next_look.as_deref()).and_then(|at| moment(at, now_ms)),
    }
}

/// Gates of different kinds may have one name.
fn link(gate: &Summary, words: &Words) -> Link {
    let kind = Dialect::named(&gate.kind).map_or("", |dialect| dialect.kind);
    let name = format!("{}/{}", gate.namespace, gate.name);
    let address = words.exact(&name).map(|_| parts::path(&["gates", &gate.namespace, &gate.name]));
    let address = address.map(|address| href(&address, &[("kind", kind)]));
    Link { name: words.show(&name), href: address.unwrap_or_default() }
}

/// A time as the API says it.
pub(super) fn moment(text: &str, now_ms: i64) -> Option<Moment> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Moment::new(at.as_millisecond(), now_ms))
}

fn empty(is_enabled: bool, obstacle: &str) -> &'static str {
    match (is_enabled, obstacle.is_empty()) {
        (false, _) => {
            "Gates are switched off. Set gates.enabled = true in the configuration file and run on a cluster with the GitOps Promoter."
        }
        (true, false) => {
            "No gate can be handled now; what stands above says why. It is looked again every ten seconds."
        }
        (true, true) => {
            "There is no gate that is handled here. Make a WebRequestCommitStatus or an ApplicationGate; the Promoter's kinds without the label of \
             this installation are handled only with gates.takeOver = true."
        }
    }
}

#[cfg(test)]
mod tests;
