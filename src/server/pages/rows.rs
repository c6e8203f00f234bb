//! Deliveries as rows of a table: the same on every page that lists them (`delivery_rows.html`).

use super::{Badge, Link, Moment, Text, Words, causes, parts};
use crate::outbox::{Delivery, State};

/// One delivery in a list.
pub(in crate::server) struct DeliveryRow {
    /// Its id, and where its page is.
    pub id: String,
    /// Where its page is.
    pub href: String,
    /// `namespace/name`.
    pub application: Link,
    /// Trigger.
    pub trigger: Text,
    /// `service` of a tenant as `namespace: service`.
    pub service: Text,
    /// Recipient.
    pub recipient: Text,
    /// Where it is in its life.
    pub state: Badge,
    /// Attempts made.
    pub attempts: u32,
    /// What the last attempt said, or why it is dead.
    pub reason: Text,
    /// Last change.
    pub updated: Moment,
    /// Next attempt, where one is to come.
    pub due: Option<Moment>,
}

impl DeliveryRow {
    /// A row.
    pub fn new(delivery: &Delivery, words: &Words, now_ms: i64) -> Self {
        let id = delivery.id.to_string();
        Self {
            href: parts::path(&["deliveries", &id]),
            id,
            application: application(&delivery.occurrence.object.namespace, &delivery.occurrence.object.name, words),
            trigger: words.show(&delivery.occurrence.trigger),
            service: words.show(&service(&delivery.lane)),
            recipient: words.show(&delivery.occurrence.destination.recipient),
            state: delivery.state.into(),
            attempts: delivery.attempts,
            reason: match delivery.state {
                State::Dead => words.show(causes::of(&delivery.reason).name),
                _ => words.show(&delivery.reason),
            },
            updated: Moment::new(delivery.updated_ms, now_ms),
            due: (delivery.state == State::Waiting).then(|| Moment::new(delivery.due_ms, now_ms)),
        }
    }
}

/// An Application, with the address of its page.
pub(in crate::server) fn application(namespace: &str, name: &str, words: &Words) -> Link {
    let name_shown = format!("{namespace}/{name}");
    let href = words.exact(&name_shown).map(|_| parts::path(&["applications", namespace, name]));
    Link { name: words.show(&name_shown), href: href.unwrap_or_default() }
}

/// The service of a lane; that of a tenant with its namespace.
pub(in crate::server) fn service(lane: &crate::outbox::Lane) -> String {
    match lane.config_namespace.as_str() {
        "" => lane.service.clone(),
        namespace => format!("{namespace}: {}", lane.service),
    }
}
