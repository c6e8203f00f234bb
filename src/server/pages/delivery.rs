//! `/deliveries/{id}`: the life of one delivery: what was decided, each attempt with its answer, what comes next and why.

use super::frame::render;
use super::request::{self, Request};
use super::{Badge, Count, Frame, Layout, Link, Millis, Moment, Section, Text, Tone, Words, causes, parts, rows};
use crate::outbox::store::Detail;
use crate::outbox::{Attempt, Delivery, DeliveryId, State};
use actix_web::{HttpResponse, web};
use askama::Template;
use serde_json::json;

/// Newest attempts that are shown with all of their answer.
const IN_FULL: usize = 5;

/// The page.
#[derive(Template)]
#[template(path = "delivery.html")]
struct Page {
    layout: Layout,
    id: String,
    state: Badge,
    /// What is to be known of the state, and what to do.
    explanation: Vec<Text>,
    said: Text,
    application: Link,
    trigger: Text,
    condition: Text,
    once_per: Text,
    service: Text,
    kind: Text,
    host: Text,
    recipient: Text,
    ordering: Text,
    created: Moment,
    updated: Moment,
    due: Option<Moment>,
    body_bytes: Count,
    unknowns: u32,
    successor: Option<Link>,
    /// Newest first.
    attempts: Vec<AttemptRow>,
    forgotten: u32,
    request: Request,
    locked: Option<Text>,
    replay: Option<String>,
    repeat: Option<String>,
    discard: Option<String>,
}

/// One try.
struct AttemptRow {
    number: u32,
    at: Moment,
    took: Millis,
    status: Option<Badge>,
    code: Option<u16>,
    target: Text,
    reason: Text,
    answer: Text,
}

/// Answers.
pub(super) async fn show(frame: Frame, path: web::Path<String>) -> HttpResponse {
    let advice = "Deliveries that are over are dropped after the times of `store.retention`; the list shows those that are there.";
    let id: DeliveryId = match path.parse() {
        Ok(id) => id,
        Err(error) => return frame.missing(&format!("{error}"), advice),
    };
    match frame.state.relay.store().get(id).await {
        Ok(Some(detail)) => {
            let layout = frame.layout("Delivery", Section::Deliveries);
            render(&page(layout, &detail, &frame.words(), frame.now_ms))
        }
        Ok(None) => frame.missing(&format!("There is no delivery {id}."), advice),
        Err(error) => frame.away(&error),
    }
}

fn page(layout: Layout, detail: &Detail, words: &Words, now_ms: i64) -> Page {
    let delivery = &detail.delivery;
    let occurrence = &delivery.occurrence;
    let moment = |at_ms| Moment::new(at_ms, now_ms);
    let by = |extra: &str| layout.may_change.then(|| action(delivery.id, extra));
    let has_body = causes::of(&delivery.reason).has_body && detail.locked.is_none();
    let is_dead = delivery.state == State::Dead;
    Page {
        id: delivery.id.to_string(),
        state: delivery.state.into(),
        explanation: explanation(delivery, words),
        said: words.passage(if is_dead { "" } else { &delivery.reason }),
        application: rows::application(&occurrence.object.namespace, &occurrence.object.name, words),
        trigger: words.show(&occurrence.trigger),
        condition: words.show(&occurrence.condition_key),
        once_per: words.show(&occurrence.once_per),
        service: words.show(&rows::service(&delivery.lane)),
        kind: words.show(&delivery.service_kind),
        host: words.show(&delivery.lane.host),
        recipient: words.show(&occurrence.destination.recipient),
        ordering: words.show(delivery.ordering.as_deref().unwrap_or_default()),
        created: moment(delivery.created_ms),
        updated: moment(delivery.updated_ms),
        due: delivery.state.is_unsent().then(|| moment(delivery.due_ms)),
        body_bytes: Count(delivery.body_bytes),
        unknowns: delivery.unknowns,
        successor: delivery.successor.map(|id| link(id, words)),
        attempts: attempts(detail, words, now_ms),
        forgotten: delivery.attempts.saturating_sub(u32::try_from(detail.attempts.len()).unwrap_or(u32::MAX)),
        request: request::read(&detail.payload, words),
        locked: detail.locked.as_deref().map(|why| words.passage(why)),
        replay: by("").filter(|_| delivery.state.may_replay() && (!is_dead || has_body)),
        repeat: by("asNew").filter(|_| !delivery.state.is_open() && !delivery.state.may_replay() && has_body),
        discard: by("").filter(|_| delivery.state.may_discard()),
        layout,
    }
}

/// What a button asks the API for.
fn action(id: DeliveryId, flag: &str) -> String {
    match flag {
        "" => json!({"ids": [id]}).to_string(),
        flag => json!({"ids": [id], flag: true}).to_string(),
    }
}

fn link(id: DeliveryId, words: &Words) -> Link {
    let id = id.to_string();
    Link { name: words.show(&id), href: parts::path(&["deliveries", &id]) }
}

fn explanation(delivery: &Delivery, words: &Words) -> Vec<Text> {
    let sentences: &[&str] = match delivery.state {
        State::Prepared => &["It is decided and stored, and waits for its turn."],
        State::Claimed => &["An attempt is under way."],
        State::Waiting => &["The last attempt brought nothing; it is tried again by itself."],
        State::Delivered => &["The receiver has it."],
        State::Superseded => &["A newer state of the same thing took its place before it was sent."],
        State::TakenOver => {
            &["The Go controller sent it while Gatepost was away, as the Application's annotation says."]
        }
        State::Discarded => &["Somebody threw it away. It is not sent, and not made again for the same occurrence."],
        State::Dead => {
            let cause = causes::of(&delivery.reason);
            return vec![words.passage(&format!("It was given up: {}.", cause.name)), words.passage(cause.advice)];
        }
    };
    sentences.iter().map(|sentence| words.passage(sentence)).collect()
}

fn attempts(detail: &Detail, words: &Words, now_ms: i64) -> Vec<AttemptRow> {
    let newest_first = detail.attempts.iter().rev().zip(0_u32..);
    let rows = newest_first.map(|(attempt, place)| {
        let number = detail.delivery.attempts.saturating_sub(place);
        attempt_row(attempt, number, (place as usize) < IN_FULL, words, now_ms)
    });
    rows.collect()
}

fn attempt_row(attempt: &Attempt, number: u32, in_full: bool, words: &Words, now_ms: i64) -> AttemptRow {
    AttemptRow {
        number,
        at: Moment::new(attempt.at_ms, now_ms),
        took: Millis(attempt.duration_ms),
        status: attempt.status.map(verdict),
        code: attempt.status,
        target: words.show(&attempt.target),
        reason: if in_full { words.passage(&attempt.reason) } else { words.show(&attempt.reason) },
        answer: if in_full { words.passage(&attempt.excerpt) } else { Text::default() },
    }
}

fn verdict(status: u16) -> Badge {
    match status {
        200..=299 => Badge::new("taken", Tone::Ok),
        300..=399 => Badge::new("sent elsewhere", Tone::Warn),
        400..=499 => Badge::new("refused", Tone::Bad),
        _ => Badge::new("failed", Tone::Bad),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::server::pages::tests::{HOSTILE, check, deliveries, worst};

    fn shown(detail: &Detail) -> String {
        page(Layout::sample(Section::Deliveries), detail, &Words::default(), 1_800_000_000_000).render().unwrap()
    }

    fn detail(state: State, reason: &str, attempts: usize) -> Detail {
        let mut delivery = deliveries(1).remove(0);
        (delivery.state, delivery.reason) = (state, reason.to_owned());
        delivery.attempts = u32::try_from(attempts).unwrap() + 3;
        let attempt = Attempt {
            at_ms: 1_799_999_000_000,
            duration_ms: 12_000,
            status: Some(503),
            target: "https://hooks.example".into(),
            excerpt: worst(2_048),
            reason: worst(2_048),
        };
        Detail { delivery, attempts: vec![attempt; attempts], payload: worst(1 << 20).into(), locked: None }
    }

    #[test]
    fn every_state_says_what_it_means_and_offers_what_may_be_done() {
        for state in State::ALL {
            let html = shown(&detail(state, "gaveUp", 1));
            check(&html);
            assert_eq!(html.contains("/api/v1/deliveries/discard"), state.may_discard(), "{state:?}");
            let resends = html.contains("/api/v1/deliveries/replay");
            assert_eq!(resends, !state.is_open(), "{state:?}");
            assert_eq!(html.contains("asNew"), resends && !state.may_replay(), "{state:?}");
        }
        let without_body = shown(&detail(State::Dead, "renderFailed", 0));
        assert!(!without_body.contains("/deliveries/replay") && without_body.contains("made anew by itself"));
    }

    #[test]
    fn the_longest_life_is_bounded_and_escaped() {
        let mut longest = detail(State::Waiting, HOSTILE, 64);
        longest.locked = Some(HOSTILE.into());
        let html = shown(&longest);
        check(&html);
        assert!(html.contains("3 older attempts are not kept") && html.contains("Attempt 67"));
    }

    #[test]
    fn who_may_only_look_has_no_buttons() {
        let layout = Layout::for_looking(Section::Deliveries);
        let html = page(layout, &detail(State::Dead, "gone", 1), &Words::default(), 0).render().unwrap();
        assert!(!check(&html).contains("data-action") && !html.contains("<dialog"));
    }
}
