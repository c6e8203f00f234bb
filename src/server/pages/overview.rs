//! `/`: what happens now, and what needs attention first.

use super::frame::render;
use super::picture::{self, Picture};
use super::{
    Badge, Count, DeliveryRow, Frame, Layout, Link, Moment, PAGE_ROWS, Section, Text, Tone, Words, destinations, rows,
};
use crate::controller::Decision;
use crate::controller::series::{Latency, Sample};
use crate::notify::{Configuration, InForce};
use crate::outbox::store::{Counts, Filter};
use crate::outbox::{Breaker, Delivery, Destination, Error, State};
use actix_web::HttpResponse;
use askama::Template;
use std::sync::Arc;

/// Recent deliveries shown.
const RECENT: usize = 20;
/// Decisions shown.
const DECISIONS: usize = 15;
/// Broken keys named.
const BROKEN: usize = 5;
/// An open delivery older than this needs attention, milliseconds.
const STALE_MS: i64 = 10 * 60 * 1000;

/// The page.
#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    layout: Layout,
    attention: Vec<Attention>,
    /// The first of the broken keys.
    broken: Vec<Text>,
    queue: Vec<(Badge, Count, String)>,
    oldest: Option<Moment>,
    /// Delivered in the last hour.
    delivered: Count,
    /// Attempts of the last hour that brought nothing.
    failed: Count,
    pictures: [Picture; 3],
    destinations: Vec<DestinationRow>,
    more_destinations: usize,
    rows: Vec<DeliveryRow>,
    decisions: Vec<DecisionRow>,
    is_synced: bool,
}

/// Something to look at.
struct Attention {
    tone: Tone,
    what: String,
    href: &'static str,
}

/// A destination in short.
struct DestinationRow {
    service: Text,
    host: Text,
    state: Badge,
    pending: Count,
    oldest: Option<Moment>,
}

/// A decision in short.
struct DecisionRow {
    at: Moment,
    application: Link,
    trigger: Text,
    destination: Text,
    reason: &'static str,
    message: Text,
}

/// What the page is made of.
struct Facts {
    counts: Counts,
    destinations: Vec<Destination>,
    recent: Vec<Delivery>,
    decisions: Vec<Decision>,
    /// Of the last hour, oldest first.
    samples: Vec<Sample>,
    latency: Latency,
    /// Keys that are broken or worth a look.
    problems: Vec<(String, InForce)>,
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
            decisions: relay.decisions(),
            samples: relay.series().samples(),
            latency: Latency::of(relay.metrics()),
            problems: problems(&relay.configurations()),
            is_synced: relay.is_synced(),
            is_durable: relay.store().is_durable(),
        })
    }
}

fn problems(all: &[Arc<Configuration>]) -> Vec<(String, InForce)> {
    let told = |one: &Arc<Configuration>| {
        let tenant = if one.namespace().is_empty() { String::new() } else { format!("{}: ", one.namespace()) };
        one.problems().iter().map(|problem| (format!("{tenant}{}", problem.key), problem.in_force)).collect::<Vec<_>>()
    };
    all.iter().flat_map(told).collect()
}

/// Answers.
pub(super) async fn show(frame: Frame) -> HttpResponse {
    match Facts::read(&frame).await {
        Ok(facts) => render(&page(frame.layout("Overview", Section::Overview), &facts, &frame.words(), frame.now_ms)),
        Err(error) => frame.away(&error),
    }
}

fn page(layout: Layout, facts: &Facts, words: &Words, now_ms: i64) -> Page {
    let by_need = destinations::by_need(&facts.destinations, now_ms);
    Page {
        layout,
        attention: attention(facts, now_ms),
        broken: broken(facts, words),
        queue: State::ALL.iter().map(|state| queue_entry(*state, &facts.counts)).collect(),
        oldest: facts.counts.oldest_open_ms.map(|at| Moment::new(at, now_ms)),
        delivered: Count(facts.samples.iter().map(|sample| u64::from(sample.delivered)).sum()),
        failed: Count(facts.samples.iter().map(|sample| u64::from(sample.failed)).sum()),
        pictures: [picture::queue(&facts.samples), picture::rates(&facts.samples), picture::latency(&facts.latency)],
        destinations: by_need.iter().take(PAGE_ROWS).map(|one| destination_row(one, words, now_ms)).collect(),
        more_destinations: by_need.len().saturating_sub(PAGE_ROWS),
        rows: facts.recent.iter().map(|one| DeliveryRow::new(one, words, now_ms)).collect(),
        decisions: facts.decisions.iter().take(DECISIONS).map(|one| decision_row(one, words, now_ms)).collect(),
        is_synced: facts.is_synced,
    }
}

fn decision_row(decision: &Decision, words: &Words, now_ms: i64) -> DecisionRow {
    let (namespace, name) = decision.application.split_once('/').unwrap_or(("", &decision.application));
    DecisionRow {
        at: Moment::new(decision.at_ms, now_ms),
        application: rows::application(namespace, name, words),
        trigger: words.show(&decision.trigger),
        destination: words.show(&decision.destination),
        reason: decision.reason.as_str(),
        message: words.show(&decision.message),
    }
}

fn broken(facts: &Facts, words: &Words) -> Vec<Text> {
    let broken = facts.problems.iter().filter(|(_, in_force)| *in_force != InForce::Itself);
    broken.take(BROKEN).map(|(key, _)| words.show(key)).collect()
}

fn queue_entry(state: State, counts: &Counts) -> (Badge, Count, String) {
    let count = counts.by_state.get(&state).copied().unwrap_or_default();
    (state.into(), Count(count), super::href("/deliveries", &[("state", state.as_str())]))
}

fn destination_row(destination: &Destination, words: &Words, now_ms: i64) -> DestinationRow {
    DestinationRow {
        service: words.show(&rows::service(&destination.lane)),
        host: words.show(&destination.lane.host),
        state: destinations::state(destination, now_ms),
        pending: Count(destination.pending),
        oldest: destination.oldest_pending_ms.map(|at| Moment::new(at, now_ms)),
    }
}

/// What needs somebody, the worst first.
fn attention(facts: &Facts, now_ms: i64) -> Vec<Attention> {
    let dead = facts.counts.by_state.get(&State::Dead).copied().unwrap_or_default();
    let broken = facts.problems.iter().filter(|(_, in_force)| *in_force != InForce::Itself).count() as u64;
    let off = facts.destinations.iter().filter(|one| one.off.is_some()).count() as u64;
    let is_paused = |one: &&Destination| one.off.is_none() && matches!(one.breaker.at(now_ms), Breaker::Open { .. });
    let paused = facts.destinations.iter().filter(is_paused).count() as u64;
    let is_stale = facts.counts.oldest_open_ms.is_some_and(|at| now_ms.saturating_sub(at) > STALE_MS);
    let counted = [
        (Tone::Bad, dead, "delivery was given up", "deliveries were given up", "/dead-letters"),
        (
            Tone::Bad,
            broken,
            "key of the configuration is broken",
            "keys of the configuration are broken",
            "/configuration",
        ),
        (Tone::Bad, paused, "destination is paused", "destinations are paused", "/destinations"),
        (Tone::Warn, off, "destination is switched off", "destinations are switched off", "/destinations"),
    ];
    let mut all: Vec<Attention> = counted
        .into_iter()
        .filter(|(_, count, ..)| *count > 0)
        .map(|(tone, count, one, many, href)| {
            let what = format!("{} {}", Count(count), if count == 1 { one } else { many });
            Attention { tone, what, href }
        })
        .collect();
    if is_stale {
        let what = "A delivery waits for more than ten minutes".to_owned();
        all.push(Attention { tone: Tone::Warn, what, href: "/deliveries?state=prepared%2Cclaimed%2Cwaiting" });
    }
    if !facts.is_durable {
        let what = "The store is in memory: what waits is lost when the process ends".to_owned();
        all.push(Attention { tone: Tone::Warn, what, href: "/configuration" });
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::notify::Reason;
    use crate::outbox::{Lane, Off, OffBy};
    use crate::server::pages::tests::{HOSTILE, check, deliveries, worst};

    const NOW: i64 = 1_800_000_000_000;

    fn shown(facts: &Facts) -> String {
        page(Layout::sample(Section::Overview), facts, &Words::default(), NOW).render().unwrap()
    }

    fn nothing() -> Facts {
        Facts {
            counts: Counts::default(),
            destinations: Vec::new(),
            recent: Vec::new(),
            decisions: Vec::new(),
            samples: Vec::new(),
            latency: Latency::default(),
            problems: Vec::new(),
            is_synced: true,
            is_durable: true,
        }
    }

    fn destination(number: usize) -> Destination {
        Destination {
            lane: Lane {
                config_namespace: String::new(),
                service: format!("{number}{}", worst(9_000)),
                host: worst(300),
            },
            breaker: Breaker::default().refused(NOW - 1_000),
            off: (number == 0).then(|| Off::new(NOW, OffBy::Person, "")),
            pending: 3,
            oldest_pending_ms: Some(NOW - 60_000),
            last: None,
        }
    }

    fn decision() -> Decision {
        Decision {
            sequence: 1,
            at_ms: NOW,
            application: format!("a/{HOSTILE}"),
            trigger: worst(9_000),
            condition: String::new(),
            destination: worst(9_000),
            reason: Reason::Triggered,
            message: worst(9_000),
        }
    }

    #[test]
    fn when_nothing_needs_anybody_it_says_so() {
        let html = shown(&nothing());
        assert!(check(&html).contains("Nothing: every key is in order"));
        assert!(html.contains("Nothing was sent yet"));
        let starting = shown(&Facts { is_synced: false, ..nothing() });
        assert!(starting.contains("Not everything that was there at the start"));
    }

    #[test]
    fn what_needs_somebody_comes_first_and_leads_there() {
        let counts = Counts {
            by_state: [(State::Dead, 1), (State::Waiting, 12_345)].into(),
            oldest_open_ms: Some(NOW - STALE_MS - 1),
            owed_annotations: 0,
        };
        let facts = Facts {
            counts,
            destinations: (0..60).map(destination).collect(),
            recent: deliveries(RECENT),
            decisions: vec![decision(); 60],
            samples: (0..360)
                .map(|nth| Sample { at_ms: NOW + nth * 10_000, waiting: u32::MAX, failed: 3, ..Sample::default() })
                .collect(),
            latency: Latency { buckets: vec![(0.01, 3), (f64::INFINITY, 1)], count: 4, sum_secs: 9.0 },
            problems: vec![(worst(300), InForce::Nothing), ("template.t".into(), InForce::Itself)],
            is_synced: true,
            is_durable: false,
        };
        let html = shown(&facts);
        check(&html);
        let place = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text}: {html}"));
        assert!(place("1 delivery was given up") < place("1 key of the configuration is broken"));
        assert!(place("59 destinations are paused") < place("1 destination is switched off"));
        assert!(
            place("12\u{202f}345") > 0
                && html.contains("10 more")
                && html.contains("<b>1\u{202f}080</b> failed")
                && html.contains("lost when the process ends")
        );
    }
}
