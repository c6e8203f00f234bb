//! A destination as people see it: one lane, its breaker, what waits for it, how its last delivery went, and whether it is
//! switched off.
//!
//! Off means "not due", never "dropped", as an open breaker does; but no time ends it. It is kept apart from the breaker,
//! so that what attempts in flight do to the breaker cannot switch anything on.

use super::breaker::Breaker;
use super::delivery::{DeliveryId, Lane, State};
use super::rows::{self, Columns};
use super::store::{DeadGroup, Error};
use serde::{Deserialize, Serialize};

/// Longest reason that is kept, bytes.
const WHY_MAX: usize = 500;

/// Who switched a destination off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum OffBy {
    /// The receiver of a service that signs answered 410: it wants no more. A changed configuration switches it on.
    Receiver,
    /// A person, who alone switches it on again.
    Person,
}

/// That a destination is switched off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Off {
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// By whom.
    pub by: OffBy,
    /// Why; may be empty.
    pub why: String,
}

impl Off {
    /// Switched off now.
    #[must_use]
    pub fn new(at_ms: i64, by: OffBy, why: &str) -> Self {
        Self { at_ms, by, why: super::delivery::clip(why, WHY_MAX).to_owned() }
    }
    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
    /// What cannot be read is off all the same: nothing is sent that somebody stopped.
    fn read(text: &str) -> Self {
        let unreadable = |_| Self { at_ms: 0, by: OffBy::Person, why: "the store's note cannot be read".to_owned() };
        serde_json::from_str(text).unwrap_or_else(unreadable)
    }
}

/// How the last attempt went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastOutcome {
    /// Of which delivery.
    pub delivery: DeliveryId,
    /// Its state now.
    pub state: State,
    /// What it said.
    pub reason: String,
    /// When, Unix milliseconds.
    pub at_ms: i64,
}

/// A destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    /// Configuration namespace, service and host.
    #[serde(flatten)]
    pub lane: Lane,
    /// Whether it may send now, as last kept.
    pub breaker: Breaker,
    /// That it is switched off.
    pub off: Option<Off>,
    /// Deliveries that wait for it or are in flight.
    pub pending: u64,
    /// Creation of the oldest of them, Unix milliseconds.
    pub oldest_pending_ms: Option<i64>,
    /// How its last attempt went.
    pub last: Option<LastOutcome>,
}

/// A row of a destination: that of its lane, with `pending`, `oldest` and, where there was an attempt, `last_*`.
pub(super) fn read(row: &impl Columns) -> Result<Destination, Error> {
    let last = row.maybe_bytes("last_id")?.map(|id| -> Result<LastOutcome, Error> {
        let (delivery, state) = (rows::id(&id)?, rows::state(row.int("last_state")?)?);
        Ok(LastOutcome { delivery, state, reason: row.text("last_reason")?, at_ms: row.int("last_ms")? })
    });
    Ok(Destination {
        lane: rows::lane(row)?,
        breaker: row.maybe_text("breaker")?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        off: off(row)?,
        pending: row.int("pending")?.unsigned_abs(),
        oldest_pending_ms: row.maybe_int("oldest")?,
        last: last.transpose()?,
    })
}

/// A row of a group of dead letters: that of its lane, with `reason`, `n`, `oldest` and `newest`.
pub(super) fn dead_group(row: &impl Columns) -> Result<DeadGroup, Error> {
    Ok(DeadGroup {
        lane: rows::lane(row)?,
        reason: row.text("reason")?,
        count: row.int("n")?.unsigned_abs(),
        oldest_ms: row.int("oldest")?,
        newest_ms: row.int("newest")?,
    })
}

/// What a row of `lane` says about being off.
pub(super) fn off(row: &impl Columns) -> Result<Option<Off>, Error> {
    Ok(row.maybe_text("off")?.map(|text| Off::read(&text)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn a_note_reads_back_and_an_unreadable_one_is_off() {
        let off = Off::new(7, OffBy::Receiver, &"x".repeat(1000));
        assert_eq!(Off::read(&off.to_text()), off);
        assert_eq!(off.why.len(), WHY_MAX);
        assert_eq!(Off::read("{").by, OffBy::Person);
    }
}
