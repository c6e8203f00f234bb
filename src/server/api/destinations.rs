//! `/api/v1/destinations`: where deliveries go, what waits there, and the switch.

use super::parameters::{Body, Query};
use super::resource::Resource;
use super::{Answer, Kind, Page, Problem, State, Visitor, cut, may_change, parameters, shown};
use crate::outbox::{Destination, Lane, Off, OffBy};
use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Rows of a page, at most.
const PAGE_MAX: usize = 10_000;
/// Parts the three names of a destination in what a page is continued with; in none of them.
const PART: char = '|';

pub(super) fn resources() -> Vec<Resource> {
    vec![
        Resource::at("/api/v1/destinations").get(list),
        Resource::at("/api/v1/destinations/enable").post(enable),
        Resource::at("/api/v1/destinations/disable").post(disable),
    ]
}

/// Which destinations; what is absent matches all.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Namespace of the configuration; empty: the controller's own.
    #[param(value_type = String)]
    config_namespace: Option<String>,
    /// Service.
    #[param(value_type = String)]
    service: Option<String>,
    /// Host.
    #[param(value_type = String)]
    host: Option<String>,
    /// Only those behind this one: the `next` of the page before.
    #[param(value_type = String, pattern = r"^[^|]*\|[^|]*\|[^|]*$")]
    after: Option<String>,
    /// Rows of a page; 0 and none read as 10000.
    #[param(value_type = usize, minimum = 0, maximum = 10000)]
    limit: Option<usize>,
}

/// Which destinations are switched.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SwitchOrder {
    /// Namespace of the configuration; empty: the controller's own; null: all.
    config_namespace: Option<String>,
    /// Service.
    service: String,
    /// Host; null: all.
    host: Option<String>,
    /// Why it is switched off, for people.
    #[serde(default)]
    reason: String,
}

impl Which {
    fn chooses(&self, lane: &Lane) -> bool {
        let same = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        same(&self.config_namespace, &lane.config_namespace)
            && same(&self.service, &lane.service)
            && same(&self.host, &lane.host)
    }
}

fn key(lane: &Lane) -> (&str, &str, &str) {
    (&lane.config_namespace, &lane.service, &lane.host)
}

/// The names of a destination, as a page is continued with.
fn place(text: &str) -> Result<(&str, &str, &str), Problem> {
    let mut parts = text.split(PART);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(namespace), Some(service), Some(host), None) => Ok((namespace, service, host)),
        _ => Err(Problem::new(Kind::InvalidParameter, format!("after: `{text}` is not the `next` of a page"))),
    }
}

async fn chosen(state: &State, which: &Which) -> Result<Vec<Destination>, Problem> {
    let all = state.relay.store().destinations().await?;
    let now_ms = crate::clock::now().millis();
    let chosen = all.into_iter().filter(|one| which.chooses(&one.lane));
    // A pause that is over is not written down until somebody tries.
    Ok(chosen.map(|one| Destination { breaker: one.breaker.at(now_ms), ..one }).collect())
}

/// List destinations: every one that a delivery was ever made for.
///
/// In order of namespace, service and host.
#[utoipa::path(get, path = "/api/v1/destinations", operation_id = "listDestinations", tag = "destinations", params(Which),
    responses((status = 200, description = "A page of destinations.", body = Page<Destination>)))]
pub(super) async fn list(app: web::Data<State>, Query(which): Query<Which>) -> Answer {
    let after = which.after.as_deref().map(place).transpose()?;
    let page = match which.limit {
        None | Some(0) => PAGE_MAX,
        limit => parameters::page(limit, PAGE_MAX)?,
    };
    let mut found = chosen(&app, &which).await?;
    found.sort_by(|a, b| key(&a.lane).cmp(&key(&b.lane)));
    found.retain(|one| after.is_none_or(|after| key(&one.lane) > after));
    let name = |one: &Destination| {
        let (namespace, service, host) = key(&one.lane);
        format!("{namespace}{PART}{service}{PART}{host}")
    };
    shown(&app, &cut(found, page, name))
}

/// What a switch came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Switched {
    /// Those switched.
    switched: Vec<Lane>,
    /// Those that were so already.
    unchanged: Vec<Lane>,
}

/// Switch destinations on again.
#[utoipa::path(post, path = "/api/v1/destinations/enable", operation_id = "enableDestinations", tag = "destinations", request_body = SwitchOrder,
    responses(
        (status = 200, description = "What was done.", body = Switched),
        (status = 404, description = "There is no such destination.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn enable(
    app: web::Data<State>,
    visitor: web::ReqData<Visitor>,
    Body(order): Body<SwitchOrder>,
) -> Answer {
    may_change(&visitor)?;
    switch(&app, order, None).await
}

/// Switch destinations off.
///
/// What is to be sent there waits until somebody switches them on.
#[utoipa::path(post, path = "/api/v1/destinations/disable", operation_id = "disableDestinations", tag = "destinations", request_body = SwitchOrder,
    responses(
        (status = 200, description = "What was done.", body = Switched),
        (status = 404, description = "There is no such destination.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn disable(
    app: web::Data<State>,
    visitor: web::ReqData<Visitor>,
    Body(order): Body<SwitchOrder>,
) -> Answer {
    may_change(&visitor)?;
    let why = app.relay.scrubber().scrub(&order.reason);
    switch(&app, order, Some(Off::new(crate::clock::now().millis(), OffBy::Person, &why))).await
}

async fn switch(state: &State, order: SwitchOrder, off: Option<Off>) -> Answer {
    let SwitchOrder { config_namespace, service, host, .. } = order;
    let which = Which { config_namespace, service: Some(service), host, ..Which::default() };
    let found = chosen(state, &which).await?;
    if found.is_empty() {
        let detail = "nothing was ever to be sent there; see /api/v1/destinations";
        return Err(Problem::new(Kind::NoSuchDestination, detail));
    }
    let (mut switched, mut unchanged) = (Vec::new(), Vec::new());
    for Destination { lane, .. } in found {
        let list = if state.relay.switch(&lane, off.as_ref()).await? { &mut switched } else { &mut unchanged };
        list.push(lane);
    }
    shown(state, &Switched { switched, unchanged })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn an_empty_namespace_is_the_controllers_own_and_none_is_all() {
        let lane = |namespace: &str| Lane { config_namespace: namespace.into(), service: "s".into(), host: "h".into() };
        let which = |text: &str| parameters::read::<Which>(text).unwrap();
        assert!(which("service=s").chooses(&lane("team")) && which("service=s").chooses(&lane("")));
        assert!(which("configNamespace=").chooses(&lane("")) && !which("configNamespace=").chooses(&lane("team")));
        assert!(!which("host=other").chooses(&lane("")));
    }

    #[test]
    fn a_page_is_continued_behind_three_names() {
        assert_eq!(place("|hook|127.0.0.1").ok(), Some(("", "hook", "127.0.0.1")));
        assert!(place("hook").is_err() && place("a|b|c|d").is_err());
    }
}
