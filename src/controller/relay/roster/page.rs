//! A page of Applications: searched, filtered, in order of namespace and name, with what stands behind it.

use super::words::Word;
use super::{Place, Record, Roster, SLICE, State, Subscribed};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Rows of a page, unless fewer are asked for.
const ROWS_MAX: usize = 1_000;

/// Which Applications. What is `None` or empty matches all; an empty word matches those without one.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// A part of `<namespace>/<name>`.
    pub search: String,
    /// Project.
    pub project: Option<String>,
    /// Argo CD's word for the sync status.
    pub sync: Option<String>,
    /// Argo CD's word for the health.
    pub health: Option<String>,
    /// Phase of the last operation.
    pub phase: Option<String>,
    /// Whether anybody is told of them.
    pub subscribed: Option<bool>,
    /// Only these, by namespace and name.
    pub among: Option<BTreeSet<(String, String)>>,
    /// Only those behind this one: the next page.
    pub after: Option<(String, String)>,
    /// Rows; 0 reads as 50.
    pub limit: usize,
}

/// One Application, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: String,
    /// Project.
    pub project: Arc<str>,
    /// Argo CD's word for the sync status; empty without one.
    pub sync: Arc<str>,
    /// Argo CD's word for the health; empty without one.
    pub health: Arc<str>,
    /// Phase of the last operation; empty without one.
    pub phase: Arc<str>,
    /// When one of these three last changed, Unix seconds; `None` where that is not known.
    pub changed_secs: Option<i64>,
    /// Whether anybody is told of it.
    pub subscribed: Subscribed,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// In order of namespace and name.
    pub rows: Vec<Row>,
    /// How many match, on all pages.
    pub matching: usize,
    /// How many there are.
    pub all: usize,
    /// What the next page is behind; `None` on the last one.
    pub next: Option<(String, String)>,
}

/// How many Applications have which word, most first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Applications.
    pub all: usize,
    /// By project.
    pub projects: Vec<(Arc<str>, u32)>,
    /// By sync status.
    pub syncs: Vec<(Arc<str>, u32)>,
    /// By health.
    pub healths: Vec<(Arc<str>, u32)>,
    /// By phase of the last operation.
    pub phases: Vec<(Arc<str>, u32)>,
}

impl Query {
    fn limit(&self) -> usize {
        const ROWS: usize = 50;
        if self.limit == 0 { ROWS } else { self.limit.min(ROWS_MAX) }
    }

    /// Whether all match.
    fn is_open(&self) -> bool {
        let words = [&self.project, &self.sync, &self.health, &self.phase];
        self.search.is_empty()
            && words.iter().all(|word| word.is_none())
            && self.subscribed.is_none()
            && self.among.is_none()
    }

    fn is_behind(&self, place: Place<'_>) -> bool {
        let after = self.after.as_ref().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
        after.is_none_or(|after| (&**place.0, place.1) > after)
    }

    fn matches(&self, state: &State, place: Place<'_>, record: &Record) -> bool {
        let is = |words: &super::Words, word: Word, wanted: &Option<String>| {
            wanted.as_deref().is_none_or(|wanted| words.is(word, wanted))
        };
        is(&state.projects, record.project, &self.project)
            && is(&state.syncs, record.sync, &self.sync)
            && is(&state.healths, record.health, &self.health)
            && is(&state.phases, record.phase, &self.phase)
            && self.subscribed.is_none_or(|wanted| (record.subscribed == Subscribed::Yes) == wanted)
            && contains(&self.search, place.0, place.1)
    }
}

/// Whether a text is a part of `<namespace>/<name>`.
fn contains(search: &str, namespace: &str, name: &str) -> bool {
    match search.split_once('/') {
        Some((end, begin)) => namespace.ends_with(end) && name.starts_with(begin),
        None => namespace.contains(search) || name.contains(search),
    }
}

/// A page as it fills.
struct Filling<'q> {
    query: &'q Query,
    page: Page,
}

impl Filling<'_> {
    /// Takes one record in; `false` when nothing more is needed.
    fn take(&mut self, state: &State, place: Place<'_>, record: &Record) -> bool {
        if !self.query.matches(state, place, record) {
            return true;
        }
        self.page.matching += 1;
        if !self.query.is_behind(place) {
            return true;
        }
        if self.page.rows.len() < self.query.limit() {
            self.page.rows.push(state.row(place, record));
            return true;
        }
        if self.page.next.is_none() {
            let last = self.page.rows.last();
            self.page.next = last.map(|row| (row.namespace.to_string(), row.name.clone()));
        }
        // The rest only has to be counted, where that is not known anyway.
        !self.query.is_open()
    }
}

impl Roster {
    /// One page.
    #[must_use]
    pub fn page(&self, query: &Query) -> Page {
        let mut filling = Filling { query, page: Page::default() };
        match &query.among {
            Some(places) => self.visit(places, &mut filling),
            None => {
                // Where all match, what stands before the page need not be counted.
                let from = query.after.clone().filter(|_| query.is_open());
                self.walk(from, |state, place, record| filling.take(state, place, record));
            }
        }
        let all = self.read().count;
        let matching = if query.is_open() { all } else { filling.page.matching };
        Page { all, matching, ..filling.page }
    }

    /// Those of these places that are there.
    fn visit(&self, places: &BTreeSet<(String, String)>, filling: &mut Filling<'_>) {
        let mut rest = places.iter().peekable();
        while rest.peek().is_some() {
            let state = self.read();
            for (namespace, name) in rest.by_ref().take(SLICE) {
                let found = state.spaces.get_key_value(namespace.as_str());
                let found = found.and_then(|(space, apps)| Some((space, apps.get(name.as_str())?)));
                if let Some((space, record)) = found {
                    filling.take(&state, (space, name), record);
                }
            }
        }
    }

    /// How many there are of what.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let state = self.read();
        Totals {
            all: state.count,
            projects: state.projects.counts(),
            syncs: state.syncs.counts(),
            healths: state.healths.counts(),
            phases: state.phases.counts(),
        }
    }
}

impl State {
    /// A record as lists show it.
    pub(super) fn row(&self, place: Place<'_>, record: &Record) -> Row {
        Row {
            namespace: Arc::clone(place.0),
            name: place.1.to_owned(),
            project: self.projects.text(record.project),
            sync: self.syncs.text(record.sync),
            health: self.healths.text(record.health),
            phase: self.phases.text(record.phase),
            changed_secs: (record.changed > 0).then(|| i64::from(record.changed)),
            subscribed: record.subscribed,
        }
    }
}
