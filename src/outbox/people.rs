//! What people may do to a delivery, and how a filter reads as SQL: the same over every store.

use super::delivery::{DeadReason, Delivery, State};
use super::rows::code;
use super::statement::Statement;
use super::store::Filter;

/// Most ids that one statement names.
const IDS_MAX: usize = 10_000;

/// What a person asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Replay,
    /// A new delivery of one that is over.
    Repeat,
    Discard,
}

/// Why a delivery cannot be moved, as far as the delivery itself tells.
pub(super) fn refusal(wish: Wish, delivery: &Delivery) -> Option<String> {
    let allowed = match wish {
        Wish::Replay => delivery.state.may_replay(),
        Wish::Repeat => !delivery.state.is_open(),
        Wish::Discard => delivery.state.may_discard(),
    };
    if !allowed {
        return Some(format!("it is {}", delivery.state.as_str()));
    }
    let has_body = DeadReason::parse(&delivery.reason).is_none_or(DeadReason::has_body);
    let is_empty = wish != Wish::Discard && !has_body;
    is_empty.then(|| "it has no body to send; mend its template, then it is made anew".to_owned())
}

/// Said of a delivery that was dropped meanwhile.
pub(super) const GONE: &str = "it is not there any more";
/// Said of a delivery whose place something newer took.
pub(super) const REPLACED: &str = "a newer state of the same thing was sent or is on its way";

/// What one database has of its own.
#[derive(Clone, Copy)]
pub(super) struct Dialect {
    /// Makes a text storable.
    pub text: fn(&str) -> String,
    /// Before a column, it keeps its index from being used; empty where the database counts its rows and chooses by itself.
    pub by_hand: &'static str,
}

/// Of several conditions the one whose index a list is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Whichever the database takes.
    Any,
    State,
    Trigger,
    Service,
}

impl Way {
    /// Delivered rows are many, those in other states mostly few; a trigger's rows are told from its index whatever the service.
    fn of(filter: &Filter) -> Self {
        let is_narrow = filter.object.is_some() || filter.host.is_some() || !filter.ids.is_empty();
        let few = !filter.states.is_empty() && !filter.states.contains(&State::Delivered);
        match (&filter.trigger, &filter.service) {
            (None, None) => Self::Any,
            _ if is_narrow => Self::Any,
            _ if few => Self::State,
            (Some(_), _) => Self::Trigger,
            (None, Some(_)) => Self::Service,
        }
    }

    /// What stands before the column of `own`.
    fn mark(self, own: Self, dialect: Dialect) -> &'static str {
        if self == Self::Any || self == own { "" } else { dialect.by_hand }
    }
}

/// Adds a filter's conditions, order and page to a query over `delivery d` that ends in a condition.
pub(super) fn narrow(query: &mut Statement, filter: &Filter, dialect: Dialect) {
    let (text, way) = (dialect.text, Way::of(filter));
    if let Some((namespace, name)) = &filter.object {
        query.push(" AND d.namespace = ").push_bind(text(namespace)).push(" AND d.name = ").push_bind(text(name));
    }
    let texts = [
        ("d.config_namespace", &filter.config_namespace, ""),
        ("d.trigger_name", &filter.trigger, way.mark(Way::Trigger, dialect)),
        ("d.service", &filter.service, way.mark(Way::Service, dialect)),
        ("d.reason", &filter.reason, ""),
    ];
    for (column, value, mark) in texts {
        if let Some(value) = value {
            query.push(&format!(" AND {mark}{column} = ")).push_bind(text(value));
        }
    }
    at_host(query, filter, text);
    for (clause, value) in [(" AND d.created_ms >= ", filter.since_ms), (" AND d.created_ms < ", filter.until_ms)] {
        if let Some(value) = value {
            query.push(clause).push_bind(value);
        }
    }
    if let Some(after) = filter.after {
        query.push(" AND d.seq < (SELECT seq FROM delivery WHERE id = ").push_bind(after.as_bytes().to_vec()).push(")");
    }
    if !filter.states.is_empty() {
        let codes: Vec<String> = filter.states.iter().map(|state| code(*state).to_string()).collect();
        let mark = way.mark(Way::State, dialect);
        // A partial index is used only where the query says its very words.
        match codes.as_slice() {
            [one] => query.push(&format!(" AND {mark}d.state = {one}")),
            several => query.push(&format!(" AND {mark}d.state IN ({})", several.join(", "))),
        };
    }
    if !filter.ids.is_empty() {
        query.push(" AND d.id IN (");
        for (index, id) in filter.ids.iter().take(IDS_MAX).enumerate() {
            query.push(if index == 0 { "" } else { ", " }).push_bind(id.as_bytes().to_vec());
        }
        query.push(")");
    }
    query.push(" ORDER BY d.seq DESC LIMIT ").push_bind(i64::try_from(filter.page()).unwrap_or(i64::MAX));
}

/// Adds the condition on the destination's host; with namespace and service it is one lane, which has indexes of its own.
fn at_host(query: &mut Statement, filter: &Filter, text: fn(&str) -> String) {
    let Some(host) = &filter.host else { return };
    match (&filter.config_namespace, &filter.service) {
        (Some(namespace), Some(service)) => {
            query.push(" AND d.lane = (SELECT id FROM lane WHERE config_namespace = ").push_bind(text(namespace));
            query.push(" AND service = ").push_bind(text(service)).push(" AND host = ").push_bind(text(host)).push(")");
        }
        _ => {
            query.push(" AND d.lane IN (SELECT id FROM lane WHERE host = ").push_bind(text(host)).push(")");
        }
    }
}
