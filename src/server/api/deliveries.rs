//! `/api/v1/deliveries`: what was to be sent, what became of it, and what people may do about it.

use super::parameters::{Body, Query};
use super::resource::Resource;
use super::{Answer, Kind, Page, Problem, State, Visitor, cut, may_change, parameters, shown};
use crate::outbox::store::{Filter, Moved, Replay};
use crate::outbox::{Attempt, Delivery, DeliveryId, State as DeliveryState};
use crate::service::payload::Readable;
use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Rows of a page, at most.
const PAGE_MAX: usize = 10_000;
/// Ids that a request names, at most.
const IDS_MAX: usize = 1_000;

pub(super) fn resources() -> Vec<Resource> {
    vec![
        Resource::at("/api/v1/deliveries").get(list),
        Resource::at("/api/v1/deliveries/replay").post(replay),
        Resource::at("/api/v1/deliveries/discard").post(discard),
        Resource::at("/api/v1/deliveries/{id}").get(show),
    ]
}

/// Which deliveries; what is absent matches all.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// `<namespace>/<name>` of the Application.
    #[param(value_type = String, pattern = r"^[^/]+/[^/]+$", example = "argocd/order-service")]
    app: Option<String>,
    /// Trigger.
    #[param(value_type = String)]
    trigger: Option<String>,
    /// Service.
    #[param(value_type = String)]
    service: Option<String>,
    /// Namespace of the configuration; empty: the controller's own.
    #[param(value_type = String)]
    config_namespace: Option<String>,
    /// Host of the destination.
    #[param(value_type = String)]
    host: Option<String>,
    /// What the last attempt said; of a dead letter the cause, such as `rejected`.
    #[param(value_type = String)]
    reason: Option<String>,
    /// States, separated by commas.
    #[param(value_type = String, example = "dead,waiting",
        pattern = r"^((prepared|claimed|waiting|delivered|dead|superseded|takenOver|discarded)(,(prepared|claimed|waiting|delivered|dead|superseded|takenOver|discarded))*)?$")]
    state: Option<String>,
    /// Created at or after, Unix milliseconds.
    #[param(value_type = i64)]
    since: Option<i64>,
    /// Created before, Unix milliseconds.
    #[param(value_type = i64)]
    until: Option<i64>,
    /// Only those older than this one: the `next` of the page before.
    #[param(value_type = String, pattern = r"^dlv_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    after: Option<String>,
    /// Rows of a page; 0 and none read as 100, or as many as there are ids.
    #[param(value_type = usize, minimum = 0, maximum = 10000)]
    limit: Option<usize>,
    /// Only these, at most 1000, separated by commas, as far as the other filters choose them too.
    #[param(value_type = String,
        pattern = r"^(dlv_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(,dlv_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})*)?$")]
    ids: String,
}

/// Which deliveries are to be sent again, and how.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ReplayOrder {
    /// `<namespace>/<name>` of the Application.
    #[schema(pattern = r"^[^/]+/[^/]+$")]
    app: Option<String>,
    /// Trigger.
    trigger: Option<String>,
    /// Service.
    service: Option<String>,
    /// Namespace of the configuration; empty: the controller's own.
    config_namespace: Option<String>,
    /// Host of the destination.
    host: Option<String>,
    /// What the last attempt said; of a dead letter the cause, such as `rejected`.
    reason: Option<String>,
    /// States, separated by commas.
    #[schema(
        pattern = r"^((prepared|claimed|waiting|delivered|dead|superseded|takenOver|discarded)(,(prepared|claimed|waiting|delivered|dead|superseded|takenOver|discarded))*)?$"
    )]
    state: Option<String>,
    /// Created at or after, Unix milliseconds.
    since: Option<i64>,
    /// Created before, Unix milliseconds.
    until: Option<i64>,
    /// Only those older than this one.
    #[schema(pattern = r"^dlv_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    after: Option<String>,
    /// At most so many, the newest; 0 and none read as 100, or as many as there are ids.
    #[schema(minimum = 0, maximum = 10000)]
    limit: Option<usize>,
    /// Only these, as far as the other filters choose them too.
    #[schema(max_items = 1000)]
    ids: Vec<DeliveryId>,
    /// Say what would be done and do nothing.
    dry_run: bool,
    /// Send what is over once more, delivered ones too, as new deliveries with ids of their own.
    as_new: bool,
}

/// Which deliveries are to be thrown away.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct DiscardOrder {
    /// `<namespace>/<name>` of the Application.
    #[schema(pattern = r"^[^/]+/[^/]+$")]
    app: Option<String>,
    /// Trigger.
    trigger: Option<String>,
    /// Service.
    service: Option<String>,
    /// Namespace of the configuration; empty: the controller's own.
    config_namespace: Option<String>,
    /// Host of the destination.
    host: Option<String>,
    /// What the last attempt said; of a dead letter the cause, such as `rejected`.
    reason: Option<String>,
    /// States, separated by commas.
    #[schema(
        pattern = r"^((prepared|claimed|waiting|delivered|dead|superseded|takenOver|discarded)(,(prepared|claimed|waiting|delivered|dead|superseded|takenOver|discarded))*)?$"
    )]
    state: Option<String>,
    /// Created at or after, Unix milliseconds.
    since: Option<i64>,
    /// Created before, Unix milliseconds.
    until: Option<i64>,
    /// Only those older than this one.
    #[schema(pattern = r"^dlv_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    after: Option<String>,
    /// At most so many, the newest; 0 and none read as 100, or as many as there are ids.
    #[schema(minimum = 0, maximum = 10000)]
    limit: Option<usize>,
    /// Only these, as far as the other filters choose them too.
    #[schema(max_items = 1000)]
    ids: Vec<DeliveryId>,
    /// Say what would be done and do nothing.
    dry_run: bool,
}

impl Which {
    fn filter(&self) -> Result<Filter, Problem> {
        let object = self.app.as_deref().map(application).transpose()?;
        let states = listed(self.state.as_deref().unwrap_or_default());
        let ids = listed(&self.ids);
        if self.limit.is_some_and(|limit| limit > PAGE_MAX) {
            parameters::page(self.limit, PAGE_MAX)?;
        }
        let ids: Vec<DeliveryId> = ids.map(|text| id("ids", text)).collect::<Result<_, _>>()?;
        if ids.len() > IDS_MAX {
            return Err(invalid(format!("ids: {} are more than {IDS_MAX}; name filters instead", ids.len())));
        }
        Ok(Filter {
            object,
            config_namespace: self.config_namespace.clone(),
            host: self.host.clone(),
            reason: self.reason.clone(),
            trigger: self.trigger.clone(),
            service: self.service.clone(),
            states: states.map(state).collect::<Result<_, _>>()?,
            since_ms: self.since,
            until_ms: self.until,
            after: self.after.as_deref().map(|text| id("after", text)).transpose()?,
            ids,
            limit: self.limit.unwrap_or(0),
        })
    }
}

macro_rules! which {
    ($order:ident) => {
        impl From<&$order> for Which {
            fn from(order: &$order) -> Self {
                Self {
                    app: order.app.clone(),
                    trigger: order.trigger.clone(),
                    service: order.service.clone(),
                    config_namespace: order.config_namespace.clone(),
                    host: order.host.clone(),
                    reason: order.reason.clone(),
                    state: order.state.clone(),
                    since: order.since,
                    until: order.until,
                    after: order.after.clone(),
                    limit: order.limit,
                    ids: order.ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
                }
            }
        }
    };
}
which!(ReplayOrder);
which!(DiscardOrder);

/// What commas part. Only no text at all is none: a part that is empty is a mistake, and must not choose everything.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(move |_| !text.is_empty())
}

fn invalid(detail: String) -> Problem {
    Problem::new(Kind::InvalidParameter, detail)
}

/// Namespace and name.
pub(super) fn application(text: &str) -> Result<(String, String), Problem> {
    let parts = text.split_once('/').filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty());
    let parts = parts.filter(|(_, name)| !name.contains('/'));
    parts
        .map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
        .ok_or_else(|| invalid(format!("app: `{text}` is not <namespace>/<name>")))
}

fn state(text: &str) -> Result<DeliveryState, Problem> {
    DeliveryState::parse(text).ok_or_else(|| {
        let all = DeliveryState::ALL.map(DeliveryState::as_str);
        let advice = match parameters::nearest(text, all.into_iter()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are: {}", all.join(", ")),
        };
        invalid(format!("state: there is no state `{text}`; {advice}"))
    })
}

fn id(name: &str, text: &str) -> Result<DeliveryId, Problem> {
    text.parse().map_err(|error| invalid(format!("{name}: {error}")))
}

/// List deliveries, newest first.
///
/// Dead letters are those with `state=dead`.
#[utoipa::path(get, path = "/api/v1/deliveries", operation_id = "listDeliveries", tag = "deliveries", params(Which),
    responses((status = 200, description = "A page of deliveries.", body = Page<Delivery>)))]
pub(super) async fn list(app: web::Data<State>, Query(which): Query<Which>) -> Answer {
    let filter = which.filter()?;
    let page = filter.page();
    // Who names ids and got them all has nothing to turn over to.
    let all_named = !filter.ids.is_empty() && page >= filter.ids.len();
    let ahead = Filter { limit: if all_named { page } else { page.saturating_add(1).min(PAGE_MAX) }, ..filter };
    let found = app.relay.store().list(&ahead).await?;
    let key = |delivery: &Delivery| delivery.id.to_string();
    if page < PAGE_MAX || all_named {
        return shown(&app, &cut(found, page, key));
    }
    // There is no looking ahead of the largest page: the next one may be empty.
    let next = found.last().filter(|_| found.len() == page).map(key);
    shown(&app, &Page { items: found, next })
}

/// A delivery with everything that is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveryDetail {
    /// The delivery.
    delivery: Delivery,
    /// Its attempts, oldest first.
    attempts: Vec<Attempt>,
    /// Method and path below the service's URL, where it is one HTTP request.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    request: String,
    /// Its body as it was rendered, before URL, headers and credentials are added, or why there is none; empty where it is closed.
    payload: String,
    /// Why the body cannot be shown: encrypted, and no key opens it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    locked: Option<String>,
}

/// Show one delivery with its attempts and its body.
#[utoipa::path(get, path = "/api/v1/deliveries/{id}", operation_id = "getDelivery", tag = "deliveries",
    params(("id" = DeliveryId, Path, description = "Its id.")),
    responses(
        (status = 200, description = "The delivery.", body = DeliveryDetail),
        (status = 404, description = "There is no such delivery.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(app: web::Data<State>, path: web::Path<String>) -> Answer {
    let id = id("id", &path)?;
    let detail = app.relay.store().get(id).await?;
    let detail = detail.ok_or_else(|| Problem::new(Kind::NoSuchDelivery, format!("there is no delivery {id}")))?;
    let Readable { line: request, body } = Readable::of(&detail.payload);
    let payload = String::from_utf8_lossy(&body).into_owned();
    let (delivery, attempts, locked) = (detail.delivery, detail.attempts, detail.locked);
    shown(&app, &DeliveryDetail { delivery, attempts, request, payload, locked })
}

/// What an order did, or would do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Outcome {
    /// Those moved.
    moved: Vec<DeliveryId>,
    /// The new ones that were made, with those that they repeat.
    made: Vec<Made>,
    /// Those left as they are.
    skipped: Vec<Skipped>,
}

/// A new delivery that repeats another.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Made {
    /// The new one.
    id: DeliveryId,
    /// The one that it repeats.
    of: DeliveryId,
}

/// A delivery that was left as it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Skipped {
    /// Which.
    id: DeliveryId,
    /// Why.
    reason: String,
}

impl From<Moved> for Outcome {
    fn from(moved: Moved) -> Self {
        let made = moved.made.into_iter().map(|(of, id)| Made { id, of });
        let skipped = moved.skipped.into_iter().map(|(id, reason)| Skipped { id, reason });
        Self { moved: moved.moved, made: made.collect(), skipped: skipped.collect() }
    }
}

/// Send deliveries again.
///
/// Dead and discarded ones, under their old ids; with `asNew` whatever is over, as new deliveries. Some a second
/// (`delivery.replayPerSecond`).
#[utoipa::path(post, path = "/api/v1/deliveries/replay", operation_id = "replayDeliveries", tag = "deliveries", request_body = ReplayOrder,
    responses((status = 200, description = "What was done.", body = Outcome)))]
pub(super) async fn replay(
    app: web::Data<State>,
    visitor: web::ReqData<Visitor>,
    Body(order): Body<ReplayOrder>,
) -> Answer {
    may_change(&visitor)?;
    let filter = Which::from(&order).filter()?;
    let how = Replay {
        dry_run: order.dry_run,
        now_ms: crate::clock::now().millis(),
        spacing_ms: app.relay.replay_spacing_ms(),
        as_new: order.as_new,
    };
    let moved = app.relay.store().replay(&filter, how).await;
    app.relay.committed.notify_one();
    app.relay.changes.queue_moved();
    shown(&app, &Outcome::from(moved?))
}

/// Throw deliveries away.
///
/// They are never sent, and the same occurrence makes no other.
#[utoipa::path(post, path = "/api/v1/deliveries/discard", operation_id = "discardDeliveries", tag = "deliveries", request_body = DiscardOrder,
    responses((status = 200, description = "What was done.", body = Outcome)))]
pub(super) async fn discard(
    app: web::Data<State>,
    visitor: web::ReqData<Visitor>,
    Body(order): Body<DiscardOrder>,
) -> Answer {
    may_change(&visitor)?;
    let filter = Which::from(&order).filter()?;
    let moved = app.relay.store().discard(&filter, order.dry_run, crate::clock::now().millis()).await?;
    app.relay.changes.queue_moved();
    shown(&app, &Outcome::from(moved))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use serde_json::json;

    const ONE: &str = "dlv_0198c0de-0000-7000-8000-000000000001";
    const TWO: &str = "dlv_0198c0de-0000-7000-8000-000000000002";

    #[test]
    fn ids_are_read_from_a_query_and_from_json() {
        let query: Which = parameters::read(&format!("ids={ONE},{TWO}&limit=7")).unwrap();
        let body: ReplayOrder = serde_json::from_value(json!({"ids": [ONE, TWO], "limit": 7})).unwrap();
        for read in [query, Which::from(&body)] {
            let filter = read.filter().unwrap();
            assert_eq!(filter.ids.iter().map(ToString::to_string).collect::<Vec<_>>(), [ONE, TWO]);
            assert_eq!(filter.limit, 7);
        }
        let none: Which = parameters::read("ids=").unwrap();
        assert!(none.filter().unwrap().ids.is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let said = |query: &str| parameters::read::<Which>(query).unwrap().filter().unwrap_err().to_string();
        assert!(said("ids=x").contains("ids: \"x\" is not a delivery id"), "{}", said("ids=x"));
        assert!(said("state=deat").contains("did you mean `dead`?"), "{}", said("state=deat"));
        for app in ["order-service", "/x", "x/", "a/b/c"] {
            assert!(said(&format!("app={app}")).contains("is not <namespace>/<name>"), "{app}");
        }
        assert!(said("ids=,").contains("not a delivery id") && said("state=dead,").contains("no state ``"));
        assert!(said("limit=10001").contains("more than 10000"));
    }

    #[test]
    fn only_a_replay_makes_new_ones() {
        let read = |value| serde_json::from_value::<DiscardOrder>(value).map(|_| ()).map_err(|e| e.to_string());
        assert_eq!(read(json!({"ids": [ONE], "dryRun": true})), Ok(()));
        assert!(read(json!({"asNew": true})).unwrap_err().contains("unknown field `asNew`"));
        assert!(read(json!({"ids": [""]})).unwrap_err().contains("not a delivery id"));
        assert!(read(json!({"idz": []})).unwrap_err().contains("unknown field `idz`"));
    }
}
