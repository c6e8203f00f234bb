//! `/api/v1`: applications (explain), decisions, deliveries, config. Read-only but for replay and discard.

use super::{State, problem};
use crate::controller::{config_view, explained_view};
use crate::egress::redact::Scrubber;
use crate::outbox::store::{Filter, Moved, Replay};
use crate::outbox::{DeliveryId, State as DeliveryState};
use crate::source::{Object, files};
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

/// Adds the routes.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/api/v1", web::get().to(index))
        .route("/api/v1/config", web::get().to(configuration))
        .route("/api/v1/decisions", web::get().to(decisions))
        .route("/api/v1/status", web::get().to(status))
        .route("/api/v1/applications/{namespace}/{name}", web::get().to(application))
        .route("/api/v1/deliveries", web::get().to(list))
        .route("/api/v1/deliveries/replay", web::post().to(replay))
        .route("/api/v1/deliveries/discard", web::post().to(discard))
        .route("/api/v1/deliveries/{id}", web::get().to(show));
}

/// A page of another site that resolves to loopback (DNS rebinding) carries its own name in `Host`: refused.
/// A change needs a JSON content type, which no plain form of another site can send.
pub(super) async fn only_local_hosts(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let host = request.connection_info().host().to_owned();
    let name = host
        .rsplit_once(':')
        .map_or(host.as_str(), |(name, port)| if port.bytes().all(|b| b.is_ascii_digit()) { name } else { &host });
    let local = name.eq_ignore_ascii_case("localhost")
        || name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let json_body =
        request.headers().get("content-type").is_some_and(|v| v.as_bytes().starts_with(b"application/json"));
    if !local {
        let refusal =
            problem::answer(StatusCode::FORBIDDEN, "Host not allowed", "ask for localhost or a loopback address");
        return Ok(request.into_response(refusal).map_into_right_body());
    }
    if !request.method().is_safe() && !json_body {
        let refusal =
            problem::answer(StatusCode::UNSUPPORTED_MEDIA_TYPE, "JSON only", "send Content-Type: application/json");
        return Ok(request.into_response(refusal).map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}

async fn index() -> HttpResponse {
    HttpResponse::Ok().json(json!({"resources": ["config", "decisions", "status", "deliveries", "deliveries/{id}", "destinations", "log", "applications/{namespace}/{name}"]}))
}

async fn configuration(state: web::Data<State>) -> HttpResponse {
    let all = state.relay.configurations();
    let mut views = all.iter().map(|config| config_view(config));
    let mut own = views.next().unwrap_or_default();
    own["tenants"] = views.collect();
    HttpResponse::Ok().json(masked(&state, own))
}

async fn decisions(state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok().json(masked(&state, json!({"items": state.relay.decisions()})))
}

async fn status(state: web::Data<State>) -> HttpResponse {
    match state.relay.store().counts().await {
        Ok(counts) => HttpResponse::Ok().json(json!({
            "synced": state.relay.is_synced(),
            "durable": state.relay.store().is_durable(),
            "queue": counts.by_state.iter().map(|(s, n)| (s.as_str(), *n)).collect::<std::collections::BTreeMap<_, _>>(),
            "owedAnnotations": counts.owed_annotations,
            "brokenKeys": state.relay.problems(),
        })),
        Err(error) => problem::store(&error),
    }
}

async fn application(state: web::Data<State>, path: web::Path<(String, String)>) -> HttpResponse {
    let (namespace, name) = path.into_inner();
    let object = match find(&state, &namespace, &name).await {
        Ok(Some(object)) => object,
        Ok(None) => {
            return problem::answer(
                StatusCode::NOT_FOUND,
                "No such Application",
                &format!("there is no Application {namespace}/{name}"),
            );
        }
        Err(cause) => return problem::answer(StatusCode::BAD_GATEWAY, "The Application cannot be read", &cause),
    };
    let explained = match state.relay.explain(&object).await {
        Ok(explained) => explained,
        Err(error) => return problem::store(&error),
    };
    let filter = Filter { object: Some((namespace.clone(), name.clone())), limit: 20, ..Filter::default() };
    let deliveries = state.relay.store().list(&filter).await.unwrap_or_default();
    let mut view = explained_view(&explained);
    view["application"] = json!(format!("{namespace}/{name}"));
    view["deliveries"] = json!(deliveries);
    HttpResponse::Ok().json(masked(&state, view))
}

/// What people wrote and what receivers answered may hold secrets; an answer must not show them.
pub(super) fn masked(state: &State, view: serde_json::Value) -> serde_json::Value {
    masked_by(&state.relay.scrubber(), view)
}

/// Text by text, so that what is no text stays what it is.
fn masked_by(scrubber: &Scrubber, view: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match view {
        Value::String(text) => scrubber.scrub(&text).into(),
        Value::Array(items) => items.into_iter().map(|item| masked_by(scrubber, item)).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (scrubber.scrub(&name), masked_by(scrubber, value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}

async fn find(state: &State, namespace: &str, name: &str) -> Result<Option<Object>, String> {
    if let Some(cluster) = &state.cluster {
        return cluster.get(namespace, name).await.map_err(|e| e.to_string());
    }
    let Some(folder) = state.folder.clone() else { return Ok(None) };
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    let found = web::block(move || files::find_application(&folder, &namespace, &name)).await;
    found.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
}

/// Filters of the delivery lists.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Query {
    app: Option<String>,
    trigger: Option<String>,
    service: Option<String>,
    state: Option<String>,
    since: Option<i64>,
    until: Option<i64>,
    after: Option<String>,
    limit: Option<usize>,
    #[serde(deserialize_with = "several")]
    ids: Vec<String>,
    #[serde(rename = "dryRun")]
    dry_run: bool,
    #[serde(rename = "asNew")]
    as_new: bool,
}

/// A list, as JSON has it, or one text parted by commas, as a query has it.
fn several<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        List(Vec<String>),
        Text(String),
    }
    let texts = match Either::deserialize(deserializer)? {
        Either::List(texts) => texts,
        Either::Text(text) => text.split(',').map(str::to_owned).collect(),
    };
    Ok(texts.into_iter().filter(|text| !text.is_empty()).collect())
}

impl Query {
    fn filter(&self) -> Result<Filter, String> {
        let object = self.app.as_deref().map(|app| {
            app.split_once('/')
                .map(|(ns, name)| (ns.to_owned(), name.to_owned()))
                .ok_or_else(|| format!("app `{app}` is not <namespace>/<name>"))
        });
        let states = self.state.as_deref().unwrap_or_default().split(',').filter(|s| !s.is_empty());
        let parse = |text: &String| text.parse::<DeliveryId>().map_err(|e| e.to_string());
        Ok(Filter {
            object: object.transpose()?,
            config_namespace: None,
            trigger: self.trigger.clone(),
            service: self.service.clone(),
            states: states
                .map(|s| DeliveryState::parse(s).ok_or_else(|| format!("there is no state `{s}`")))
                .collect::<Result<_, _>>()?,
            since_ms: self.since,
            until_ms: self.until,
            after: self.after.as_ref().map(parse).transpose()?,
            ids: self.ids.iter().map(parse).collect::<Result<_, _>>()?,
            limit: self.limit.unwrap_or(0),
        })
    }
}

async fn list(state: web::Data<State>, query: web::Query<Query>) -> HttpResponse {
    let filter = match query.filter() {
        Ok(filter) => filter,
        Err(detail) => return problem::invalid(&detail),
    };
    match state.relay.store().list(&filter).await {
        Ok(items) => {
            // Who names ids and got them all has nothing to turn over to.
            let all_named = !filter.ids.is_empty() && items.len() == filter.ids.len();
            let next = items.last().filter(|_| items.len() == filter.page() && !all_named).map(|d| d.id);
            HttpResponse::Ok().json(masked(&state, json!({"items": items, "next": next})))
        }
        Err(error) => problem::store(&error),
    }
}

async fn show(state: web::Data<State>, id: web::Path<String>) -> HttpResponse {
    let id: DeliveryId = match id.parse() {
        Ok(id) => id,
        Err(error) => return problem::invalid(&format!("{error}")),
    };
    match state.relay.store().get(id).await {
        Ok(Some(detail)) => {
            let mut view = json!({"delivery": detail.delivery, "attempts": detail.attempts, "payload": String::from_utf8_lossy(&detail.payload)});
            if let Some(why) = detail.locked {
                view["locked"] = json!(why);
            }
            HttpResponse::Ok().json(masked(&state, view))
        }
        Ok(None) => problem::answer(StatusCode::NOT_FOUND, "No such delivery", &format!("there is no delivery {id}")),
        Err(error) => problem::store(&error),
    }
}

async fn replay(state: web::Data<State>, query: web::Json<Query>) -> HttpResponse {
    let filter = match query.filter() {
        Ok(filter) => filter,
        Err(detail) => return problem::invalid(&detail),
    };
    let how = Replay {
        dry_run: query.dry_run,
        now_ms: crate::clock::now().millis(),
        spacing_ms: state.relay.replay_spacing_ms(),
        as_new: query.as_new,
    };
    let moved = state.relay.store().replay(&filter, how).await;
    state.relay.committed.notify_one();
    answer(moved)
}

async fn discard(state: web::Data<State>, query: web::Json<Query>) -> HttpResponse {
    if query.as_new {
        return problem::invalid("asNew is for replays");
    }
    match query.filter() {
        Ok(filter) => answer(state.relay.store().discard(&filter, query.dry_run, crate::clock::now().millis()).await),
        Err(detail) => problem::invalid(&detail),
    }
}

fn answer(moved: Result<Moved, crate::outbox::Error>) -> HttpResponse {
    match moved {
        Ok(moved) => {
            let skipped: Vec<_> = moved.skipped.iter().map(|(id, why)| json!({"id": id, "reason": why})).collect();
            let made: Vec<_> = moved.made.iter().map(|(of, id)| json!({"id": id, "of": of})).collect();
            HttpResponse::Ok().json(json!({"moved": moved.moved, "made": made, "skipped": skipped}))
        }
        Err(error) => problem::store(&error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn a_secret_of_digits_costs_no_number() {
        let scrubber = Scrubber::new([b"8080".as_slice()]);
        let shown = masked_by(&scrubber, json!({"port": 8080, "at 8080": ["to 8080", null]}));
        assert_eq!(shown, json!({"port": 8080, "at [secret]": ["to [secret]", null]}));
    }

    #[test]
    fn ids_are_read_from_a_query_and_from_json() {
        let (one, two) = ("dlv_0198c0de-0000-7000-8000-000000000001", "dlv_0198c0de-0000-7000-8000-000000000002");
        let query = web::Query::<Query>::from_query(&format!("ids={one},{two}&limit=7")).unwrap().into_inner();
        let body: Query = serde_json::from_value(json!({"ids": [one, two], "limit": 7})).unwrap();
        for read in [query, body] {
            let filter = read.filter().unwrap();
            assert_eq!(filter.ids.iter().map(ToString::to_string).collect::<Vec<_>>(), [one, two]);
            assert_eq!(filter.limit, 7);
        }
        let none = web::Query::<Query>::from_query("ids=").unwrap().into_inner();
        assert!(none.filter().unwrap().ids.is_empty());
        let wrong = web::Query::<Query>::from_query("ids=x").unwrap().into_inner();
        assert!(wrong.filter().unwrap_err().contains("not a delivery id"));
    }
}
