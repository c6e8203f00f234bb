//! `/destinations`: where deliveries go: whether each takes them now, what waits for it, and the switch.

use super::frame::render;
use super::{
    Badge, Count, Frame, Layout, Link, Moment, PAGE_ROWS, Paging, Section, Text, Tone, Words, href, parts, rows,
};
use crate::outbox::breaker::Cause;
use crate::outbox::store::DeadGroup;
use crate::outbox::{Breaker, Destination, Error, Lane, OffBy};
use actix_web::HttpResponse;
use askama::Template;
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;

const PATH: &str = "/destinations";

/// What the address asks for: how many are left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    after: usize,
}

/// The page.
#[derive(Template)]
#[template(path = "destinations.html")]
struct Page {
    layout: Layout,
    rows: Vec<Row>,
    paging: Paging,
    total: Count,
}

/// One destination.
struct Row {
    service: Text,
    host: Text,
    state: Badge,
    /// Why it is in that state, and until when.
    why: Text,
    until: Option<Moment>,
    since: Option<Moment>,
    pending: Count,
    oldest: Option<Moment>,
    dead: Count,
    dead_href: String,
    last: Option<Last>,
    is_off: bool,
    /// What its button asks the API for.
    body: Option<String>,
}

/// How the last attempt went.
struct Last {
    state: Badge,
    at: Moment,
    reason: Text,
    delivery: Link,
}

/// Answers.
pub(super) async fn show(frame: Frame) -> HttpResponse {
    let asked: Asked = match frame.query() {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    match read(&frame).await {
        Ok((destinations, dead)) => {
            let layout = frame.layout("Destinations", Section::Destinations);
            render(&page(layout, &asked, &destinations, &dead, &frame.words(), frame.now_ms))
        }
        Err(error) => frame.away(&error),
    }
}

async fn read(frame: &Frame) -> Result<(Vec<Destination>, Vec<DeadGroup>), Error> {
    let store = frame.state.relay.store();
    Ok((store.destinations().await?, store.dead_letters().await?))
}

/// How much a destination needs somebody: those that are off or paused first, then those with most to do.
pub(super) fn by_need(destinations: &[Destination], now_ms: i64) -> Vec<&Destination> {
    let need = |one: &Destination| match one.breaker.at(now_ms) {
        _ if one.off.is_some() => 3,
        Breaker::Open { .. } => 2,
        Breaker::HalfOpen { .. } => 1,
        Breaker::Closed { .. } => 0,
    };
    let mut sorted: Vec<&Destination> = destinations.iter().collect();
    sorted.sort_by_key(|one| std::cmp::Reverse((need(one), one.pending)));
    sorted
}

/// Whether a destination takes deliveries now.
pub(super) fn state(destination: &Destination, now_ms: i64) -> Badge {
    match &destination.off {
        Some(_) => Badge::new("switched off", Tone::Bad),
        None => (&destination.breaker.at(now_ms)).into(),
    }
}

fn page(
    layout: Layout,
    asked: &Asked,
    destinations: &[Destination],
    dead: &[DeadGroup],
    words: &Words,
    now_ms: i64,
) -> Page {
    let mut graves: HashMap<&Lane, u64> = HashMap::new();
    for group in dead {
        *graves.entry(&group.lane).or_default() += group.count;
    }
    let rows = by_need(destinations, now_ms).into_iter().skip(asked.after).take(PAGE_ROWS);
    let rows: Vec<Row> = rows
        .map(|one| row(one, graves.get(&one.lane).copied().unwrap_or_default(), layout.may_change, words, now_ms))
        .collect();
    let end = asked.after.saturating_add(rows.len());
    let next = (end < destinations.len()).then(|| end.to_string());
    let after = (asked.after > 0).then(|| asked.after.to_string());
    Page {
        layout,
        rows,
        paging: Paging::new(PATH, &[], after.as_deref(), next.as_deref()),
        total: Count(destinations.len() as u64),
    }
}

fn row(destination: &Destination, dead: u64, may_change: bool, words: &Words, now_ms: i64) -> Row {
    let moment = |at_ms| Moment::new(at_ms, now_ms);
    let lane = &destination.lane;
    let breaker = destination.breaker.at(now_ms);
    let body = json!({"service": lane.service, "configNamespace": lane.config_namespace, "host": lane.host});
    let body = words.exact(&body.to_string());
    Row {
        service: words.show(&rows::service(lane)),
        host: words.show(&lane.host),
        state: state(destination, now_ms),
        why: words.show(&why(destination, breaker)),
        until: breaker.until_ms().filter(|_| destination.off.is_none()).map(moment),
        since: destination.off.as_ref().map(|off| moment(off.at_ms)),
        pending: Count(destination.pending),
        oldest: destination.oldest_pending_ms.map(moment),
        dead: Count(dead),
        dead_href: body
            .as_ref()
            .map(|_| href("/deliveries", &[("service", lane.service.as_str()), ("state", "dead")]))
            .unwrap_or_default(),
        last: destination.last.as_ref().map(|last| {
            let id = last.delivery.to_string();
            Last {
                state: last.state.into(),
                at: moment(last.at_ms),
                reason: words.show(&last.reason),
                delivery: Link { name: words.show(&id), href: parts::path(&["deliveries", &id]) },
            }
        }),
        is_off: destination.off.is_some(),
        body: body.filter(|_| may_change),
    }
}

fn why(destination: &Destination, breaker: Breaker) -> String {
    if let Some(off) = &destination.off {
        let by = match off.by {
            OffBy::Receiver => "its receiver wants no more (410); a changed configuration switches it on",
            OffBy::Person => "by hand",
        };
        return if off.why.is_empty() { by.to_owned() } else { format!("{by}: {}", off.why) };
    }
    match breaker {
        Breaker::Closed { failures: 0 } => String::new(),
        Breaker::Closed { failures } => format!("{failures} failures since the last success"),
        Breaker::HalfOpen { .. } => "one delivery is tried; its outcome decides".to_owned(),
        Breaker::Open { cause: Cause::Failing, .. } => "it did not answer ten times in a row".to_owned(),
        Breaker::Open { cause: Cause::Credentials, .. } => {
            "it refuses the credentials; correct the Secret, then it goes on at once".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::outbox::destination::LastOutcome;
    use crate::outbox::{DeliveryId, Off, State};
    use crate::server::pages::tests::{check, worst};

    const NOW: i64 = 1_800_000_000_000;

    fn destination(service: &str) -> Destination {
        Destination {
            lane: Lane { config_namespace: String::new(), service: service.into(), host: "h.example".into() },
            breaker: Breaker::default(),
            off: None,
            pending: 3,
            oldest_pending_ms: Some(NOW - 60_000),
            last: Some(LastOutcome {
                delivery: DeliveryId::new(NOW, [0; 10]),
                state: State::Waiting,
                reason: worst(2_000),
                at_ms: NOW - 5_000,
            }),
        }
    }

    fn shown(asked: &Asked, all: &[Destination], dead: &[DeadGroup]) -> String {
        page(Layout::sample(Section::Destinations), asked, all, dead, &Words::default(), NOW).render().unwrap()
    }

    #[test]
    fn without_any_it_says_what_to_do() {
        assert!(check(&shown(&Asked::default(), &[], &[])).contains("subscribe"));
    }

    #[test]
    fn the_ones_that_need_somebody_come_first() {
        let off =
            Destination { off: Some(Off::new(NOW - 1_000, OffBy::Person, "mended <here>")), ..destination("off") };
        let paused = Destination { breaker: Breaker::default().refused(NOW - 1_000), ..destination("paused") };
        let dead = DeadGroup {
            lane: destination("well").lane,
            reason: "gaveUp".into(),
            count: 41,
            oldest_ms: NOW,
            newest_ms: NOW,
        };
        let html = shown(&Asked::default(), &[destination("well"), paused, off], &[dead]);
        check(&html);
        let place = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text}: {html}"));
        assert!(place("mended &#60;here&#62;") < place("refuses the credentials"));
        assert!(place("refuses the credentials") < place("state=dead"));
        assert_eq!(html.matches("destinations/enable").count(), 1);
        assert_eq!(html.matches("destinations/disable").count(), 2);
        assert!(html.contains(">41<") && html.contains("data-reason"));
    }

    #[test]
    fn many_with_the_longest_names_are_paged() {
        let all: Vec<_> = (0..120).map(|n| destination(&format!("{n}{}", worst(10_000)))).collect();
        assert!(check(&shown(&Asked::default(), &all, &[])).contains("after=50"));
        let last = shown(&Asked { after: 100 }, &all, &[]);
        assert!(!last.contains("Older") && last.contains("Newest"));
    }
}
