//! `/approvals`: runs that wait for a decision, the nearest deadline first, and below them those that are decided.

use super::frame::render;
use super::outcome::Outcome;
use super::{Count, Frame, Layout, Link, Moment, PAGE_ROWS, Paging, Section, Text, Words, parts};
use crate::gate::approval::{Run, RunId, markdown};
use crate::outbox::Error;
use crate::outbox::runs::{Kept, RunFilter};
use crate::server::auth::Visitor;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use serde::Deserialize;

/// Characters of a message in a list.
const MESSAGE_MAX: usize = 120;

/// What is asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// The last run of the page before.
    after: String,
}

/// The page.
#[derive(Template)]
#[template(path = "approvals.html")]
struct Page {
    layout: Layout,
    waiting: Vec<Row>,
    open: Count,
    more: Count,
    decided: Vec<Row>,
    paging: Paging,
    is_first: bool,
    /// Whether runs can be opened here.
    are_served: bool,
}

/// One run.
struct Row {
    approval: Link,
    run: Outcome,
    subject: Text,
    commit: Text,
    stage: &'static str,
    said: Text,
    people: String,
    requested: Moment,
    deadline: Moment,
    decided: Option<Moment>,
}

/// What the page is made of.
struct Facts {
    are_served: bool,
    /// The nearest deadline first.
    waiting: Vec<Kept>,
    open: u64,
    /// Newest first; one more than are shown where there are more.
    decided: Vec<Kept>,
}

impl Facts {
    async fn read(frame: &Frame, after: Option<RunId>) -> Result<Self, Error> {
        let store = frame.state.relay.store();
        let filter = RunFilter { is_open: Some(false), after, limit: PAGE_ROWS + 1, ..RunFilter::default() };
        Ok(Self {
            are_served: frame.state.desk.is_some(),
            waiting: store.due_runs(i64::MAX, PAGE_ROWS).await?,
            open: store.open_runs().await?.0,
            decided: store.runs(&filter).await?,
        })
    }
}

/// Whether somebody may look at runs and what was said about them.
pub(super) const fn may_see_approvals(visitor: &Visitor) -> bool {
    visitor.may_read
}

/// Tells that somebody may not.
pub(super) fn refused(frame: &Frame) -> HttpResponse {
    let advice = "Ask for the right to read webhookapprovals (config/samples/approvals and docs/security/people.md).";
    frame.apology(StatusCode::FORBIDDEN, "Not allowed", "You may not look at approvals.", advice)
}

/// Answers.
pub(super) async fn show(frame: Frame) -> HttpResponse {
    if !may_see_approvals(&frame.visitor) {
        return refused(&frame);
    }
    let asked: Asked = match frame.query() {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let after = match asked.after.as_str() {
        "" => None,
        text => match text.parse::<RunId>() {
            Ok(id) => Some(id),
            Err(error) => return frame.invalid(&format!("`after` is the last run of a page: {error}")),
        },
    };
    match Facts::read(&frame, after).await {
        Ok(facts) => {
            let layout = frame.layout("Approvals", Section::Approvals);
            render(&page(layout, &facts, after, &frame.words(), frame.now_ms))
        }
        Err(error) => frame.away(&error),
    }
}

fn page(layout: Layout, facts: &Facts, after: Option<RunId>, words: &Words, now_ms: i64) -> Page {
    let has_more = facts.decided.len() > PAGE_ROWS;
    let decided = &facts.decided[..facts.decided.len().min(PAGE_ROWS)];
    let next = decided.last().filter(|_| has_more).map(|kept| kept.run.id.to_string());
    let is_first = after.is_none();
    let after = after.map(|id| id.to_string());
    let row = |kept: &Kept| of(&kept.run, words, now_ms);
    Page {
        layout,
        waiting: facts.waiting.iter().filter(|_| is_first).map(row).collect(),
        open: Count(facts.open),
        more: Count(facts.open.saturating_sub(facts.waiting.len() as u64)),
        decided: decided.iter().map(row).collect(),
        paging: Paging::new("/approvals", &[], after.as_deref(), next.as_deref()),
        is_first,
        are_served: facts.are_served,
    }
}

fn of(run: &Run, words: &Words, now_ms: i64) -> Row {
    let id = run.id.to_string();
    let name = words.show(&format!("{}/{}", run.approval.namespace, run.approval.name));
    let message = markdown::to_plain(&run.message, MESSAGE_MAX);
    Row {
        approval: Link { name, href: parts::path(&["approvals", &id]) },
        run: Outcome::run(run.phase, words),
        subject: words.show(&run.subject.branch),
        commit: words.show(&run.subject.sha),
        stage: stage(run),
        said: words.show(if message.is_empty() { &run.reason } else { &message }),
        people: people(run),
        requested: Moment::new(run.requested_ms, now_ms),
        deadline: Moment::new(run.deadline_ms, now_ms),
        decided: run.decided_ms.map(|at| Moment::new(at, now_ms)),
    }
}

/// Approving people that are there, of those that are needed.
pub(super) fn people(run: &Run) -> String {
    match run.needed {
        0 => "none needed".to_owned(),
        needed => format!("{} of {needed}", run.approvals()),
    }
}

/// When in a deployment.
pub(super) const fn stage(run: &Run) -> &'static str {
    use crate::gate::approval::run::Stage;
    match run.stage {
        Stage::BeforeDeployment => "before the deployment",
        Stage::WithinDeployment => "within the deployment",
        Stage::AfterDeployment => "after the deployment",
    }
}

#[cfg(test)]
pub(super) mod tests;
