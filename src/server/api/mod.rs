//! `/api/v1`: everything that the command line and the dashboard show, as JSON. One file a resource; `openapi.rs` makes the document
//! of what they say about themselves.
//!
//! What stands before them: `guard.rs` (problems), the check of names (`resource.rs`), and who asks (`server::auth`). An answer is
//! scrubbed before it leaves ([`shown`]). Nothing changes anything but a POST, and a POST needs a visitor who may.

mod applications;
mod approvals;
mod decisions;
mod deliveries;
mod destinations;
mod gates;
mod guard;
mod log_levels;
mod openapi;
mod parameters;
pub(in crate::server) mod problem;
mod resource;
mod series;
mod status;

pub(super) use applications::find;
pub(super) use guard::problems;
pub(super) use openapi::takes_posts;
pub(super) use problem::{Kind, Problem};

pub(super) use self::resource::Resource;
use super::State;
use super::auth::Visitor;
use crate::egress::redact::Scrubber;
use actix_web::{HttpResponse, web};
use serde::Serialize;

/// What a handler comes to.
type Answer = Result<HttpResponse, Problem>;

/// Every resource.
fn resources() -> Vec<Resource> {
    let all = [
        status::resources(),
        decisions::resources(),
        applications::resources(),
        deliveries::resources(),
        destinations::resources(),
        gates::resources(),
        approvals::resources(),
        series::resources(),
        log_levels::resources(),
        super::stream::resources(),
        openapi::resources(),
    ];
    all.into_iter().flatten().collect()
}

/// Adds the routes.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    resources().into_iter().for_each(|resource| resource.register(config));
}

/// A page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Page<T> {
    /// The entries.
    pub(super) items: Vec<T>,
    /// What the next page is asked for with, as the parameter `after`; null on the last page.
    #[schema(required = true)]
    pub(super) next: Option<String>,
}

/// A page of what `all` begins with: one entry more than the page holds says that there is another page.
fn cut<T>(mut all: Vec<T>, page: usize, key: impl FnOnce(&T) -> String) -> Page<T> {
    let more = all.len() > page;
    all.truncate(page);
    let next = all.last().filter(|_| more).map(key);
    Page { items: all, next }
}

/// An answer without the secrets that people may have written into it, or that receivers may have repeated.
fn shown(state: &State, view: &impl Serialize) -> Answer {
    let value = serde_json::to_value(view)
        .map_err(|error| Problem::new(Kind::Internal, format!("the answer cannot be written as JSON: {error}")))?;
    Ok(HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(masked(state, value)))
}

/// Refuses a change to whom it is not for.
fn may_change(visitor: &Visitor) -> Result<(), Problem> {
    if visitor.may_change {
        return Ok(());
    }
    Err(Problem::new(Kind::Forbidden, format!("{} may look, and may not change anything", visitor.name)))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_of_digits_costs_no_number() {
        let scrubber = Scrubber::new([b"8080".as_slice()]);
        let shown = masked_by(&scrubber, json!({"port": 8080, "at 8080": ["to 8080", null]}));
        assert_eq!(shown, json!({"port": 8080, "at [secret]": ["to [secret]", null]}));
    }

    #[test]
    fn a_page_says_what_the_next_one_is_behind() {
        let of = |count: usize| cut((0..count).collect(), 3, ToString::to_string);
        assert_eq!((of(4).items, of(4).next), (vec![0, 1, 2], Some("2".to_owned())));
        assert_eq!((of(3).items.len(), of(3).next, of(0).next), (3, None, None));
    }
}
