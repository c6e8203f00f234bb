//! `/api/v1/destinations`: where deliveries go, what waits there, and the switch.

use super::api::masked;
use super::{State, problem};
use crate::outbox::{Destination, Lane, Off, OffBy};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

/// Adds the routes.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/api/v1/destinations", web::get().to(list))
        .route("/api/v1/destinations/enable", web::post().to(enable))
        .route("/api/v1/destinations/disable", web::post().to(disable));
}

/// Which destinations; what is absent matches all.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Query {
    /// Namespace of the configuration; empty: the controller's own.
    config_namespace: Option<String>,
    service: Option<String>,
    host: Option<String>,
    /// Why it is switched off, for people.
    reason: String,
}

impl Query {
    fn chooses(&self, lane: &Lane) -> bool {
        let same = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        same(&self.config_namespace, &lane.config_namespace)
            && same(&self.service, &lane.service)
            && same(&self.host, &lane.host)
    }
}

async fn chosen(state: &State, query: &Query) -> Result<Vec<Destination>, HttpResponse> {
    let all = state.relay.store().destinations().await.map_err(|error| problem::store(&error))?;
    let now_ms = crate::clock::now().millis();
    let chosen = all.into_iter().filter(|one| query.chooses(&one.lane));
    // A pause that is over is not written down until somebody tries.
    Ok(chosen.map(|one| Destination { breaker: one.breaker.at(now_ms), ..one }).collect())
}

async fn list(state: web::Data<State>, query: web::Query<Query>) -> HttpResponse {
    match chosen(&state, &query).await {
        Ok(items) => HttpResponse::Ok().json(masked(&state, json!({"items": items}))),
        Err(answer) => answer,
    }
}

async fn enable(state: web::Data<State>, query: web::Json<Query>) -> HttpResponse {
    switch(&state, &query, None).await
}

async fn disable(state: web::Data<State>, query: web::Json<Query>) -> HttpResponse {
    let why = state.relay.scrubber().scrub(&query.reason);
    switch(&state, &query, Some(Off::new(crate::clock::now().millis(), OffBy::Person, &why))).await
}

async fn switch(state: &State, query: &Query, off: Option<Off>) -> HttpResponse {
    if query.service.is_none() {
        return problem::invalid("name the service");
    }
    let found = match chosen(state, query).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    if found.is_empty() {
        let detail = "nothing was ever to be sent there; see /api/v1/destinations";
        return problem::answer(StatusCode::NOT_FOUND, "No such destination", detail);
    }
    let mut switched = Vec::new();
    for one in &found {
        match state.relay.switch(&one.lane, off.as_ref()).await {
            Ok(true) => switched.push(&one.lane),
            Ok(false) => {}
            Err(error) => return problem::store(&error),
        }
    }
    let unchanged: Vec<&Lane> = found.iter().map(|one| &one.lane).filter(|lane| !switched.contains(lane)).collect();
    HttpResponse::Ok().json(json!({"switched": switched, "unchanged": unchanged}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_namespace_is_the_controllers_own_and_none_is_all() {
        let lane = |namespace: &str| Lane { config_namespace: namespace.into(), service: "s".into(), host: "h".into() };
        let query = |text: &str| web::Query::<Query>::from_query(text).map(web::Query::into_inner).unwrap_or_default();
        assert!(query("service=s").chooses(&lane("team")) && query("service=s").chooses(&lane("")));
        assert!(query("configNamespace=").chooses(&lane("")) && !query("configNamespace=").chooses(&lane("team")));
        assert!(!query("host=other").chooses(&lane("")));
    }
}
