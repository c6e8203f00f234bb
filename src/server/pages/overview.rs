//! `/`: what happens now, and what needs attention first.

use super::frame::render;
use super::{Badge, Count, DeliveryRow, Frame, Layout, Moment, PAGE_ROWS, Section, Text, Tone, Words, rows};
use crate::outbox::store::{Counts, Filter};
use crate::outbox::{Breaker, Delivery, Destination, Error, State};
use actix_web::HttpResponse;
use askama::Template;

/// Recent deliveries shown.
const RECENT: usize = 20;
/// An open delivery older than this needs attention, milliseconds.
const STALE_MS: i64 = 10 * 60 * 1000;

/// The page.
#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    layout: Layout,
    attention: Vec<Attention>,
    queue: Vec<(Badge, Count, String)>,
    oldest: Option<Moment>,
    destinations: Vec<DestinationRow>,
    more_destinations: usize,
    rows: Vec<DeliveryRow>,
    is_synced: bool,
}

/// Something to look at.
struct Attention {
    tone: Tone,
    what: String,
    href: String,
}

/// A destination in short.
struct DestinationRow {
    service: Text,
    host: Text,
    state: Badge,
    pending: Count,
    oldest: Option<Moment>,
}

/// What the page is made of.
struct Facts {
    counts: Counts,
    destinations: Vec<Destination>,
    recent: Vec<Delivery>,
    broken_keys: usize,
    is_synced: bool,
    is_durable: bool,
}

impl Facts {
    async fn read(frame: &Frame) -> Result<Self, Error> {
        let relay = &frame.state.relay;
        let recent = Filter { limit: RECENT, ..Filter::default() };
        Ok(Self {
            counts: relay.store().counts().await?,
            destinations: relay.store().destinations().await?,
            recent: relay.store().list(&recent).await?,
            broken_keys: relay.problems(),
            is_synced: relay.is_synced(),
            is_durable: relay.store().is_durable(),
        })
    }
}

/// Answers.
pub(super) async fn show(frame: Frame) -> HttpResponse {
    match Facts::read(&frame).await {
        Ok(facts) => render(&page(frame.layout("Overview", Section::Overview), &facts, &frame.words(), frame.now_ms)),
        Err(error) => frame.away(&error),
    }
}

fn page(layout: Layout, facts: &Facts, words: &Words, now_ms: i64) -> Page {
    let mut by_need: Vec<&Destination> = facts.destinations.iter().collect();
    by_need.sort_by_key(|one| std::cmp::Reverse((need(one, now_ms), one.pending)));
    Page {
        layout,
        attention: attention(facts, now_ms),
        queue: State::ALL.iter().map(|state| queue_entry(*state, &facts.counts)).collect(),
        oldest: facts.counts.oldest_open_ms.map(|at| Moment::new(at, now_ms)),
        destinations: by_need.iter().take(PAGE_ROWS).map(|one| destination_row(one, words, now_ms)).collect(),
        more_destinations: by_need.len().saturating_sub(PAGE_ROWS),
        rows: facts.recent.iter().map(|one| DeliveryRow::new(one, words, now_ms)).collect(),
        is_synced: facts.is_synced,
    }
}

fn queue_entry(state: State, counts: &Counts) -> (Badge, Count, String) {
    let count = counts.by_state.get(&state).copied().unwrap_or_default();
    (state.into(), Count(count), super::href("/deliveries", &[("state", state.as_str())]))
}

/// How much a destination needs somebody: those that are off or paused first.
fn need(destination: &Destination, now_ms: i64) -> u8 {
    match destination.breaker.at(now_ms) {
        _ if destination.off.is_some() => 3,
        Breaker::Open { .. } => 2,
        Breaker::HalfOpen { .. } => 1,
        Breaker::Closed { .. } => 0,
    }
}

fn destination_row(destination: &Destination, words: &Words, now_ms: i64) -> DestinationRow {
    let state = match &destination.off {
        Some(_) => Badge::new("switched off", Tone::Bad),
        None => (&destination.breaker.at(now_ms)).into(),
    };
    DestinationRow {
        service: words.show(&rows::service(&destination.lane)),
        host: words.show(&destination.lane.host),
        state,
        pending: Count(destination.pending),
        oldest: destination.oldest_pending_ms.map(|at| Moment::new(at, now_ms)),
    }
}

/// What needs somebody, the worst first.
fn attention(facts: &Facts, now_ms: i64) -> Vec<Attention> {
    let mut all = Vec::new();
    let mut add = |tone, count: usize, what: &str, href: &str| {
        if count > 0 {
            all.push(Attention { tone, what: format!("{} {what}", Count(count as u64)), href: href.to_owned() });
        }
    };
    let dead = facts.counts.by_state.get(&State::Dead).copied().unwrap_or_default();
    let is_paused = |one: &&Destination| one.off.is_none() && matches!(one.breaker.at(now_ms), Breaker::Open { .. });
    let off = facts.destinations.iter().filter(|one| one.off.is_some()).count();
    let stale = facts.counts.oldest_open_ms.is_some_and(|at| now_ms.saturating_sub(at) > STALE_MS);
    add(Tone::Bad, usize::try_from(dead).unwrap_or(usize::MAX), "given up: replay or discard them", "/dead-letters");
    add(Tone::Bad, facts.broken_keys, "keys of the configuration broken or worth a warning", "/configuration");
    add(Tone::Bad, facts.destinations.iter().filter(is_paused).count(), "destinations paused", "/destinations");
    add(Tone::Warn, off, "destinations switched off", "/destinations");
    add(Tone::Warn, usize::from(stale), "or more deliveries wait for over ten minutes", "/deliveries?state=waiting");
    add(Tone::Warn, usize::from(!facts.is_durable), "store in memory only: what waits is lost at a restart", "/configuration");
    all
}
