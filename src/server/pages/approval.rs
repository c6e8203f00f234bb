//! `/approvals/{id}`: one run, who decided what, when, from where and why; and the buttons of whoever may decide.

use super::approvals::{may_see_approvals, people, refused, stage};
use super::frame::render;
use super::outcome::Outcome;
use super::{Frame, Layout, Moment, Section, Text, Words};
use crate::gate::approval::run::{Entry, Vote};
use crate::gate::approval::{Run, RunId, markdown};
use actix_web::{HttpResponse, web};
use askama::Template;
use askama::filters::HtmlSafe;
use std::fmt;

/// Votes that are shown.
const VOTES: usize = 50;
/// Entries of the trail that are shown, the last ones.
const ENTRIES: usize = 60;
/// Characters of a message that are rendered.
const MESSAGE_MAX: usize = 8_000;

/// The page.
#[derive(Template)]
#[template(path = "run.html")]
struct Page {
    layout: Layout,
    id: String,
    approval: Text,
    run: Outcome,
    reason: Text,
    subject: Text,
    commit: Text,
    stage: &'static str,
    requested: Moment,
    opened_by: Text,
    deadline: Moment,
    decided: Option<Moment>,
    attempts: u32,
    people: String,
    answer: Option<Answer>,
    message: Markdown,
    votes: Vec<VoteRow>,
    trail: Vec<EntryRow>,
    more_entries: usize,
    is_open: bool,
    may_decide: bool,
}

/// Markdown from outside as harmless HTML: only [`markdown::to_html`] makes it.
struct Markdown(String);

impl HtmlSafe for Markdown {}

impl fmt::Display for Markdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The decision of the outside process.
struct Answer {
    word: &'static str,
    by: Text,
    at: Moment,
    from: Text,
    body: Text,
}

struct VoteRow {
    user: Text,
    word: &'static str,
    tone: &'static str,
    at: Moment,
    from: Text,
    reason: Text,
}

struct EntryRow {
    at: Moment,
    by: Text,
    from: Text,
    what: Text,
}

/// Answers.
pub(super) async fn show(frame: Frame, id: web::Path<String>) -> HttpResponse {
    if !may_see_approvals(&frame.visitor) {
        return refused(&frame);
    }
    let Ok(id) = id.parse::<RunId>() else { return missing(&frame) };
    match frame.state.relay.store().run(id).await {
        Ok(Some(kept)) => {
            let run = &kept.run;
            let title = format!("{}/{}", run.approval.namespace, run.approval.name);
            let mut layout = frame.layout(&title, Section::Approvals);
            layout.may_change = frame.may_vote(run).await;
            render(&page(layout, run, &frame.words(), frame.now_ms))
        }
        Ok(None) => missing(&frame),
        Err(error) => frame.away(&error),
    }
}

fn missing(frame: &Frame) -> HttpResponse {
    frame.missing(
        "There is no such run.",
        "Decided runs are forgotten after a while. The list shows those that are there.",
    )
}

fn page(layout: Layout, run: &Run, words: &Words, now_ms: i64) -> Page {
    let moment = |at_ms| Moment::new(at_ms, now_ms);
    Page {
        id: run.id.to_string(),
        approval: words.show(&format!("{}/{}", run.approval.namespace, run.approval.name)),
        run: Outcome::run(run.phase, words),
        reason: words.passage(&run.reason),
        subject: words.show(&run.subject.branch),
        commit: words.show(&run.subject.sha),
        stage: stage(run),
        requested: moment(run.requested_ms),
        opened_by: words.show(&run.opened_by),
        deadline: moment(run.deadline_ms),
        decided: run.decided_ms.map(moment),
        attempts: run.attempts,
        people: people(run),
        answer: answer(run, words, now_ms),
        message: message(&run.message, words),
        votes: run.votes.iter().take(VOTES).map(|vote| of_vote(vote, words, now_ms)).collect(),
        trail: trail(run, words, now_ms),
        more_entries: run.trail.len().saturating_sub(ENTRIES),
        is_open: run.phase.is_open(),
        may_decide: layout.may_change && run.phase.is_open(),
        layout,
    }
}

/// Scrubbed and cut before it is rendered, so that what is cut is a text and not a tag.
fn message(text: &str, words: &Words) -> Markdown {
    let shown = words.document(text).to_string();
    Markdown(markdown::to_html(&markdown::clip(&shown, MESSAGE_MAX)))
}

fn answer(run: &Run, words: &Words, now_ms: i64) -> Option<Answer> {
    let answer = run.answer.as_ref()?;
    Some(Answer {
        word: if answer.success { "yes" } else { "no" },
        by: words.show(&answer.by.label()),
        at: Moment::new(answer.at_ms, now_ms),
        from: words.show(&answer.by.from),
        body: words.show(&answer.body_sha256),
    })
}

fn of_vote(vote: &Vote, words: &Words, now_ms: i64) -> VoteRow {
    VoteRow {
        user: words.show(&vote.user),
        word: if vote.approve { "approved" } else { "rejected" },
        tone: if vote.approve { "ok" } else { "bad" },
        at: Moment::new(vote.at_ms, now_ms),
        from: words.show(&vote.from),
        reason: words.show(&vote.reason),
    }
}

/// The last entries, oldest first.
fn trail(run: &Run, words: &Words, now_ms: i64) -> Vec<EntryRow> {
    let row = |entry: &Entry| EntryRow {
        at: Moment::new(entry.at_ms, now_ms),
        by: words.show(&entry.by.label()),
        from: words.show(&entry.by.from),
        what: words.show(&entry.what),
    };
    run.trail.iter().skip(run.trail.len().saturating_sub(ENTRIES)).map(row).collect()
}

#[cfg(test)]
mod tests;
