//! `/deliveries`: every delivery, newest first, by Application, trigger, service and state.

use super::frame::{redirect, render};
use super::{DeliveryRow, Frame, Layout, PAGE_ROWS, Paging, Section, Text, Words, href, parts};
use crate::notify::Configuration;
use crate::outbox::store::Filter;
use crate::outbox::{Delivery, DeliveryId, State};
use actix_web::HttpResponse;
use askama::Template;
use serde::Deserialize;
use std::collections::BTreeSet;

const PATH: &str = "/deliveries";
/// Names that are proposed for a field.
const PROPOSED: usize = 100;
/// What is not over yet.
const OPEN: &str = "prepared,claimed,waiting";

/// What the address asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    app: String,
    trigger: String,
    service: String,
    state: String,
    after: String,
}

/// A filter that can be read.
#[derive(Debug, PartialEq)]
enum Reading {
    /// So far so good.
    List(Box<Filter>),
    /// The text names one delivery.
    One(DeliveryId),
    /// It names no Application, but perhaps a part of one.
    PartOfName,
}

impl Asked {
    fn read(&self) -> Result<Reading, String> {
        let app = self.app.trim();
        if let Ok(id) = app.parse() {
            return Ok(Reading::One(id));
        }
        let object = app.split_once('/').map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
        if object.is_none() && !app.is_empty() {
            return Ok(Reading::PartOfName);
        }
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let states = self.state.split(',').filter(|state| !state.is_empty());
        let states = states.map(|state| State::parse(state).ok_or_else(|| format!("there is no state `{state}`")));
        Ok(Reading::List(Box::new(Filter {
            object,
            trigger: given(&self.trigger),
            service: given(&self.service),
            states: states.collect::<Result<_, _>>()?,
            after: given(&self.after)
                .map(|id| id.parse::<DeliveryId>().map_err(|error| error.to_string()))
                .transpose()?,
            limit: PAGE_ROWS + 1,
            ..Filter::default()
        })))
    }
}

/// The page.
#[derive(Template)]
#[template(path = "deliveries.html")]
struct Page {
    layout: Layout,
    app: Text,
    trigger: Text,
    service: Text,
    states: Vec<Choice>,
    triggers: Vec<Text>,
    services: Vec<Text>,
    rows: Vec<DeliveryRow>,
    paging: Paging,
    is_filtered: bool,
    /// Where Applications are looked for by a part of their name.
    elsewhere: Option<String>,
}

/// An entry of the list of states.
struct Choice {
    value: &'static str,
    name: &'static str,
    is_chosen: bool,
}

/// Answers.
pub(super) async fn show(frame: Frame) -> HttpResponse {
    let asked: Asked = match frame.query() {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let found = match asked.read() {
        Ok(Reading::List(filter)) => frame.state.relay.store().list(&filter).await,
        Ok(Reading::One(id)) => return redirect(&parts::path(&["deliveries", &id.to_string()])),
        Ok(Reading::PartOfName) => Ok(Vec::new()),
        Err(detail) => return frame.invalid(&detail),
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => return frame.away(&error),
    };
    let configuration = frame.state.relay.configuration_of("").unwrap_or_default();
    let layout = frame.layout("Deliveries", Section::Deliveries);
    render(&page(layout, &asked, found, &configuration, &frame.words(), frame.now_ms))
}

fn page(
    layout: Layout,
    asked: &Asked,
    mut found: Vec<Delivery>,
    configuration: &Configuration,
    words: &Words,
    now_ms: i64,
) -> Page {
    let has_more = found.len() > PAGE_ROWS;
    found.truncate(PAGE_ROWS);
    let [app, trigger, service] = [&asked.app, &asked.trigger, &asked.service].map(|text| words.line(text.trim()));
    let [shown_app, shown_trigger, shown_service] = [&app, &trigger, &service].map(ToString::to_string);
    let states = choices(&asked.state);
    let state = states.iter().find(|state| state.is_chosen).map_or("", |state| state.value);
    let filters = [
        ("app", shown_app.as_str()),
        ("trigger", shown_trigger.as_str()),
        ("service", shown_service.as_str()),
        ("state", state),
    ];
    let last = found.last().filter(|_| has_more).map(|delivery| delivery.id.to_string());
    let after = Some(asked.after.as_str()).filter(|after| !after.is_empty());
    let is_part = matches!(asked.read(), Ok(Reading::PartOfName));
    Page {
        layout,
        paging: Paging::new(PATH, &filters, after, last.as_deref()),
        is_filtered: filters.iter().any(|(_, value)| !value.is_empty()),
        elsewhere: is_part.then(|| href("/applications", &[("q", &shown_app)])),
        states,
        triggers: proposed(configuration.triggers().keys(), words),
        services: proposed(configuration.services().keys(), words),
        rows: found.iter().map(|delivery| DeliveryRow::new(delivery, words, now_ms)).collect(),
        app,
        trigger,
        service,
    }
}

fn proposed<'a>(names: impl Iterator<Item = &'a String>, words: &Words) -> Vec<Text> {
    let names: BTreeSet<&String> = names.collect();
    names.into_iter().take(PROPOSED).map(|name| words.show(name)).collect()
}

fn choices(chosen: &str) -> Vec<Choice> {
    let single = State::ALL.iter().map(|state| (state.as_str(), super::Badge::from(*state).word));
    let all = [("", "any"), (OPEN, "not over yet")].into_iter().chain(single);
    all.map(|(value, name)| Choice { value, name, is_chosen: value == chosen }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::server::pages::tests::{HOSTILE, check, deliveries};

    fn shown(asked: &Asked, found: Vec<Delivery>) -> String {
        let layout = Layout::sample(Section::Deliveries);
        page(layout, asked, found, &Configuration::default(), &Words::default(), 1_800_000_000_000).render().unwrap()
    }

    #[test]
    fn without_deliveries_it_says_what_to_do() {
        assert!(check(&shown(&Asked::default(), Vec::new())).contains("subscribe"));
        let asked = Asked { trigger: "on-x".into(), ..Asked::default() };
        assert!(check(&shown(&asked, Vec::new())).contains("Nothing matches"));
    }

    #[test]
    fn a_part_of_a_name_leads_to_the_applications() {
        let asked = Asked { app: "shop & co".into(), ..Asked::default() };
        assert_eq!(asked.read(), Ok(Reading::PartOfName));
        assert!(shown(&asked, Vec::new()).contains("/applications?q=shop+%26+co"));
        let id = "dlv_0198c0de-0000-7000-8000-000000000001";
        let asked = Asked { app: format!(" {id} "), ..Asked::default() };
        assert_eq!(asked.read(), Ok(Reading::One(id.parse().unwrap())));
        assert!(Asked { state: "lost".into(), ..Asked::default() }.read().unwrap_err().contains("lost"));
        assert!(Asked { after: "x".into(), ..Asked::default() }.read().is_err());
    }

    #[test]
    fn many_hostile_ones_are_escaped_clipped_and_paged() {
        let found = deliveries(PAGE_ROWS + 1);
        let asked = Asked { trigger: HOSTILE.into(), state: "waiting".into(), after: "x".into(), ..Asked::default() };
        let html = shown(&asked, found.clone());
        check(&html);
        assert_eq!(html.matches("<tr>").count(), PAGE_ROWS + 1, "rows and the head");
        assert!(html.contains(&format!("after={}", found[PAGE_ROWS - 1].id)) && html.contains("Newest"));
    }
}
