//! `/api/v1`: applications (explain), decisions, deliveries, config. Read-only but for replay and discard.

use super::{State, problem};
use crate::controller::{config_view, explained_view};
use crate::outbox::store::{Filter, Moved};
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
    HttpResponse::Ok().json(json!({"resources": ["config", "decisions", "status", "deliveries", "deliveries/{id}", "applications/{namespace}/{name}"]}))
}

async fn configuration(state: web::Data<State>) -> HttpResponse {
    let all = state.relay.configurations();
    let mut views = all.iter().map(|config| config_view(config));
    let mut own = views.next().unwrap_or_default();
    own["tenants"] = views.collect();
    HttpResponse::Ok().json(own)
}

async fn decisions(state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok().json(json!({"items": state.relay.decisions()}))
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

/// A condition may read `secrets`; its trace must not show them.
fn masked(state: &State, view: serde_json::Value) -> serde_json::Value {
    let text = state.relay.scrubber().scrub(&view.to_string());
    serde_json::from_str(&text).unwrap_or(serde_json::Value::Null)
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
    ids: Vec<String>,
    #[serde(rename = "dryRun")]
    dry_run: bool,
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
            let next = items.last().filter(|_| items.len() == filter.page()).map(|d| d.id);
            HttpResponse::Ok().json(json!({"items": items, "next": next}))
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
        Ok(Some(detail)) => HttpResponse::Ok().json(masked(&state, json!({"delivery": detail.delivery, "attempts": detail.attempts, "payload": String::from_utf8_lossy(&detail.payload)}))),
        Ok(None) => problem::answer(StatusCode::NOT_FOUND, "No such delivery", &format!("there is no delivery {id}")),
        Err(error) => problem::store(&error),
    }
}

async fn replay(state: web::Data<State>, query: web::Json<Query>) -> HttpResponse {
    let filter = match query.filter() {
        Ok(filter) => filter,
        Err(detail) => return problem::invalid(&detail),
    };
    let moved = state.relay.store().replay(&filter, query.dry_run, crate::clock::now().millis()).await;
    state.relay.committed.notify_one();
    answer(moved)
}

async fn discard(state: web::Data<State>, query: web::Json<Query>) -> HttpResponse {
    match query.filter() {
        Ok(filter) => answer(state.relay.store().discard(&filter, query.dry_run, crate::clock::now().millis()).await),
        Err(detail) => problem::invalid(&detail),
    }
}

fn answer(moved: Result<Moved, crate::outbox::Error>) -> HttpResponse {
    match moved {
        Ok(moved) => {
            let skipped: Vec<_> = moved.skipped.iter().map(|(id, why)| json!({"id": id, "reason": why})).collect();
            HttpResponse::Ok().json(json!({"moved": moved.moved, "skipped": skipped}))
        }
        Err(error) => problem::store(&error),
    }
}
