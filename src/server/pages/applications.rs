//! `/applications`: every Application that is there, searched and filtered, with what became of it and of its last delivery.

use super::frame::render;
use super::outcome::Outcome;
use super::{Badge, Count, Frame, Layout, Link, Moment, PAGE_ROWS, Paging, Section, Text, Words, href, parts, rows};
use crate::controller::{RosterPage, RosterQuery, RosterRow, RosterTotals, Subscribed};
use crate::coordination::Standing;
use crate::outbox::store::Filter;
use crate::outbox::{Delivery, Error, Store};
use actix_web::HttpResponse;
use askama::Template;
use futures::StreamExt as _;
use serde::Deserialize;
use std::sync::Arc;

/// Projects that the filter offers.
const PROJECTS_OFFERED: usize = 100;
/// Words of a kind that are counted at the head.
const WORDS_COUNTED: usize = 10;
/// Applications with dead letters that the filter takes in.
const FAILED_MAX: usize = 20_000;
/// Questions to the store at once, for the last delivery of each row.
const AT_ONCE: usize = 8;
/// Longest filter in bytes; names are not longer.
const FILTER_MAX: usize = 512;

/// What is asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Asked {
    q: String,
    project: String,
    health: String,
    sync: String,
    phase: String,
    /// `yes` or `no`.
    told: String,
    /// `failed`: only those with dead letters.
    deliveries: String,
    after: String,
}

impl Asked {
    fn filters(&self) -> [(&'static str, &str); 7] {
        [
            ("q", &self.q),
            ("project", &self.project),
            ("health", &self.health),
            ("sync", &self.sync),
            ("phase", &self.phase),
            ("told", &self.told),
            ("deliveries", &self.deliveries),
        ]
    }

    fn query(&self) -> RosterQuery {
        let word = |word: &str| Some(word.to_owned()).filter(|word| !word.is_empty());
        let place = self.after.split_once('/');
        RosterQuery {
            search: self.q.trim().to_lowercase(),
            project: word(&self.project),
            sync: word(&self.sync),
            health: word(&self.health),
            phase: word(&self.phase),
            subscribed: match self.told.as_str() {
                "yes" => Some(true),
                "no" => Some(false),
                _ => None,
            },
            among: None,
            after: place.map(|(namespace, name)| (namespace.to_owned(), name.to_owned())),
            limit: PAGE_ROWS,
        }
    }
}

/// The page.
#[derive(Template)]
#[template(path = "applications.html")]
struct Page {
    layout: Layout,
    /// As they were asked for, to fill the form again.
    asked: Filters,
    projects: Vec<Text>,
    counts: Vec<Counted>,
    matching: Count,
    all: Count,
    is_filtered: bool,
    rows: Vec<Row>,
    paging: Paging,
    empty: String,
}

/// Argo CD's words.
const HEALTHS: &[&str] = &["Healthy", "Progressing", "Suspended", "Degraded", "Missing", "Unknown"];
const SYNCS: &[&str] = &["Synced", "OutOfSync", "Unknown"];
const OPERATIONS: &[&str] = &["Succeeded", "Running", "Failed", "Error", "Terminating"];

/// What the form shows.
struct Filters {
    q: Text,
    project: Text,
    health: Vec<Choice>,
    sync: Vec<Choice>,
    phase: Vec<Choice>,
    told: String,
    deliveries: String,
}

/// A word that a filter offers.
struct Choice {
    word: Text,
    is_chosen: bool,
}

/// The words of a filter; one that was asked for is among them.
fn choices(known: &[&str], asked: &str, words: &Words) -> Vec<Choice> {
    let other = Some(asked).filter(|asked| !asked.is_empty() && !known.contains(asked));
    let all = known.iter().copied().chain(other);
    all.map(|word| Choice { word: words.show(word), is_chosen: word == asked }).collect()
}

/// How many Applications have a word; leads to them.
struct Counted {
    outcome: Outcome,
    count: Count,
    href: String,
}

/// One Application.
struct Row {
    application: Link,
    project: Text,
    health: Outcome,
    sync: Outcome,
    operation: Outcome,
    changed: Option<Moment>,
    told: &'static str,
    delivery: Option<Last>,
}

/// Its last delivery.
struct Last {
    state: Badge,
    at: Moment,
    href: String,
}

/// What the page is made of.
struct Facts {
    page: RosterPage,
    totals: RosterTotals,
    /// Of each row, in their order.
    last: Vec<Option<Delivery>>,
    standing: Standing,
    is_synced: bool,
}

impl Facts {
    async fn read(frame: &Frame, asked: &Asked) -> Result<Self, Error> {
        let relay = &frame.state.relay;
        let mut query = asked.query();
        if asked.deliveries == "failed" {
            query.among = Some(relay.store().failed_objects(FAILED_MAX).await?.into_iter().collect());
        }
        let page = relay.roster().page(&query);
        let last = last_deliveries(relay.store(), &page.rows).await?;
        let (totals, standing) = (relay.roster().totals(), relay.standing().now());
        Ok(Self { page, totals, last, standing, is_synced: relay.is_synced() })
    }
}

/// The last delivery of each, side by side.
async fn last_deliveries(store: &Arc<dyn Store>, rows: &[RosterRow]) -> Result<Vec<Option<Delivery>>, Error> {
    let one = |row: &RosterRow| {
        let (store, object) = (Arc::clone(store), Some((row.namespace.to_string(), row.name.clone())));
        let filter = Filter { object, limit: 1, ..Filter::default() };
        async move { Ok(store.list(&filter).await?.into_iter().next()) }
    };
    let asked: Vec<_> = rows.iter().map(one).collect();
    let answers: Vec<Result<_, Error>> = futures::stream::iter(asked).buffered(AT_ONCE).collect().await;
    answers.into_iter().collect()
}

/// Answers.
pub(super) async fn show(frame: Frame) -> HttpResponse {
    let asked: Asked = match frame.query() {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    if !asked.after.is_empty() && !asked.after.contains('/') {
        return frame.invalid("`after` is <namespace>/<name> of the last row of a page");
    }
    if asked.filters().iter().any(|(_, value)| value.len() > FILTER_MAX) {
        return frame.invalid("a filter is longer than any name");
    }
    match Facts::read(&frame, &asked).await {
        Ok(facts) => {
            let layout = frame.layout("Applications", Section::Applications);
            render(&page(layout, &asked, &facts, &frame.words(), frame.now_ms))
        }
        Err(error) => frame.away(&error),
    }
}

fn page(layout: Layout, asked: &Asked, facts: &Facts, words: &Words, now_ms: i64) -> Page {
    let next = facts.page.next.as_ref().and_then(|(namespace, name)| words.exact(&format!("{namespace}/{name}")));
    let shown = asked.filters().map(|(name, value)| (name, words.line(value).to_string()));
    let filters = shown.each_ref().map(|(name, value)| (*name, value.as_str()));
    let after = Some(asked.after.as_str()).filter(|after| !after.is_empty());
    let is_filtered = filters.iter().any(|(_, value)| !value.is_empty());
    Page {
        layout,
        asked: Filters {
            q: words.line(&asked.q),
            project: words.line(&asked.project),
            health: choices(HEALTHS, &asked.health, words),
            sync: choices(SYNCS, &asked.sync, words),
            phase: choices(OPERATIONS, &asked.phase, words),
            told: asked.told.clone(),
            deliveries: asked.deliveries.clone(),
        },
        projects: facts.totals.projects.iter().take(PROJECTS_OFFERED).map(|(name, _)| words.show(name)).collect(),
        counts: counted(&facts.totals, words),
        matching: count(facts.page.matching),
        all: count(facts.page.all),
        is_filtered,
        rows: facts
            .page
            .rows
            .iter()
            .zip(&facts.last)
            .map(|(row, last)| of(row, last.as_ref(), words, now_ms))
            .collect(),
        paging: Paging::new("/applications", &filters, after, next.as_deref()),
        empty: empty(facts, is_filtered),
    }
}

fn count(number: usize) -> Count {
    Count(number as u64)
}

fn counted(totals: &RosterTotals, words: &Words) -> Vec<Counted> {
    let mut all = counted_by("health", &totals.healths, |word| Outcome::health(word, words), words);
    all.extend(counted_by("sync", &totals.syncs, |word| Outcome::sync(word, words), words));
    all
}

/// The words of one column; `field` is its filter.
fn counted_by(field: &str, all: &[(Arc<str>, u32)], outcome: impl Fn(&str) -> Outcome, words: &Words) -> Vec<Counted> {
    let one = |(word, number): &(Arc<str>, u32)| {
        let href = href("/applications", &[(field, words.exact(word)?.as_str())]);
        Some(Counted { outcome: outcome(word), count: Count(u64::from(*number)), href })
    };
    let named = all.iter().filter(|(word, _)| !word.is_empty()).take(WORDS_COUNTED);
    named.filter_map(one).collect()
}

fn of(row: &RosterRow, last: Option<&Delivery>, words: &Words, now_ms: i64) -> Row {
    Row {
        application: rows::application(&row.namespace, &row.name, words),
        project: words.show(&row.project),
        health: Outcome::health(&row.health, words),
        sync: Outcome::sync(&row.sync, words),
        operation: Outcome::operation(&row.phase, words),
        changed: row.changed_secs.map(|at| Moment::new(at.saturating_mul(1000), now_ms)),
        told: match row.subscribed {
            Subscribed::Yes => "yes",
            Subscribed::No => "nobody",
            Subscribed::Unknown => "not known yet",
        },
        delivery: last.map(|delivery| Last {
            state: delivery.state.into(),
            at: Moment::new(delivery.updated_ms, now_ms),
            href: parts::path(&["deliveries", &delivery.id.to_string()]),
        }),
    }
}

/// Why there is nothing to list, and what to do.
fn empty(facts: &Facts, is_filtered: bool) -> String {
    match &facts.standing {
        _ if facts.page.all > 0 && is_filtered => "No Application matches. Take a filter away.".to_owned(),
        _ if facts.page.all > 0 => "There are no more Applications.".to_owned(),
        Standing::Standby { holder } => {
            format!("This process stands by and sees no Applications: {holder} decides. Ask that one.")
        }
        _ if !facts.is_synced => "The first list of Applications is being read.".to_owned(),
        _ => {
            "There is no Application. Gatepost sees those of its own namespace; --application-namespaces adds others, \
              and --app-label-selector must let them through."
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests;
