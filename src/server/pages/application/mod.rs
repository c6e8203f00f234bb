//! `/applications/{namespace}/{name}`: what became of one Application, whom it was told, and why or why not.

mod chain;
mod happened;
#[cfg(test)]
mod tests;

use super::frame::render;
use super::outcome::Outcome;
use super::picture::{self, Picture};
use super::{DeliveryRow, Frame, Layout, Moment, Section, Text, Words, href};
use crate::controller::{Decision, Explained};
use crate::outbox::store::Filter;
use crate::outbox::{Delivery, Error};
use crate::server::api;
use crate::source::Object;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use chain::Chain;
use happened::Happened;

/// Deliveries that are listed.
const LISTED: usize = 15;
/// Deliveries that are drawn.
const DRAWN: usize = 40;

/// The page.
#[derive(Template)]
#[template(path = "application.html")]
struct Page {
    layout: Layout,
    project: Text,
    health: Outcome,
    health_message: Text,
    sync: Outcome,
    operation: Outcome,
    operation_message: Text,
    finished: Option<Moment>,
    revision: Text,
    deleting: Option<Moment>,
    timeline: Picture,
    chain: Chain,
    rows: Vec<DeliveryRow>,
    all_deliveries: String,
}

/// What the page is made of.
struct Facts {
    object: Object,
    explained: Vec<Explained>,
    /// Newest first.
    decisions: Vec<Decision>,
    /// Newest first.
    deliveries: Vec<Delivery>,
}

impl Facts {
    async fn read(frame: &Frame, object: Object) -> Result<Self, Error> {
        let relay = &frame.state.relay;
        let explained = relay.explain(&object).await?;
        let place = (object.namespace().to_owned(), object.name().to_owned());
        let name = format!("{}/{}", place.0, place.1);
        let filter = Filter { object: Some(place), limit: DRAWN, ..Filter::default() };
        let deliveries = relay.store().list(&filter).await?;
        let decisions = relay.decisions().into_iter().filter(|decision| decision.application == name).collect();
        Ok(Self { object, explained, decisions, deliveries })
    }
}

/// Answers.
pub(super) async fn show(frame: Frame, place: web::Path<(String, String)>) -> HttpResponse {
    let (namespace, name) = place.into_inner();
    let object = match api::find(&frame.state, &namespace, &name).await {
        Ok(Some(object)) => object,
        Ok(None) => {
            let advice =
                "Perhaps it was deleted, or is in a namespace that is not served. The list shows those that are there.";
            return frame.missing(&format!("There is no Application {namespace}/{name}."), advice);
        }
        Err(cause) => {
            let advice = "The page tries again by itself.";
            return frame.apology(StatusCode::BAD_GATEWAY, "The Application cannot be read", &cause, advice);
        }
    };
    match Facts::read(&frame, object).await {
        Ok(facts) => {
            let layout = frame.layout(&format!("{namespace}/{name}"), Section::Applications);
            render(&page(layout, &facts, &frame.words(), frame.now_ms))
        }
        Err(error) => frame.away(&error),
    }
}

fn page(layout: Layout, facts: &Facts, words: &Words, now_ms: i64) -> Page {
    let object = &facts.object;
    let text = |path: &[&str]| object.text(path).unwrap_or_default();
    let moment = |path: &[&str]| {
        let at: jiff::Timestamp = object.text(path)?.parse().ok()?;
        Some(Moment::new(at.as_millisecond(), now_ms))
    };
    let happened = Happened { object, decisions: &facts.decisions, deliveries: &facts.deliveries };
    let application = format!("{}/{}", object.namespace(), object.name());
    Page {
        layout,
        project: words.show(&text(&["spec", "project"])),
        health: Outcome::health(&text(&["status", "health", "status"]), words),
        health_message: words.passage(&text(&["status", "health", "message"])),
        sync: Outcome::sync(&text(&["status", "sync", "status"]), words),
        operation: Outcome::operation(&text(&["status", "operationState", "phase"]), words),
        operation_message: words.passage(&text(&["status", "operationState", "message"])),
        finished: moment(&["status", "operationState", "finishedAt"]),
        revision: words.show(&text(&["status", "sync", "revision"])),
        deleting: moment(&["metadata", "deletionTimestamp"]),
        timeline: picture::timeline(&happened.lanes(words), now_ms),
        chain: Chain::of(&facts.explained, words),
        rows: facts.deliveries.iter().take(LISTED).map(|one| DeliveryRow::new(one, words, now_ms)).collect(),
        all_deliveries: href("/deliveries", &[("app", words.exact(&application).unwrap_or_default().as_str())]),
    }
}
