//! From rows to values and back: the only place that knows the codes of `delivery.state` and the words of `key_state.phase`.

use super::super::delivery::{Delivery, DeliveryId, Lane, State};
use super::super::store::Error;
use super::writer::fault;
use crate::notify::{Destination, KeyState, ObjectId, Occurrence, Phase};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// What [`delivery`] reads, from `delivery d JOIN lane l`.
macro_rules! select_delivery {
    ($rest:literal) => {
        concat!("SELECT d.*, l.host AS lane_host FROM delivery d JOIN lane l ON l.id = d.lane ", $rest)
    };
}
pub(super) use select_delivery;

/// Code of a state; the migration says why these.
pub(super) const fn code(state: State) -> i64 {
    match state {
        State::Prepared => 0,
        State::Waiting => 1,
        State::Claimed => 2,
        State::Delivered => 3,
        State::Dead => 4,
        State::Superseded => 5,
        State::TakenOver => 6,
        State::Discarded => 7,
    }
}

/// The state of a code.
pub(super) fn state(code_read: i64) -> Result<State, Error> {
    let found = State::ALL.into_iter().find(|state| code(*state) == code_read);
    found.ok_or_else(|| corrupt(format!("delivery.state {code_read}")))
}

/// One bad row is the trouble of whoever asked for it, not of the whole group.
fn corrupt(cause: String) -> Error {
    Error::Unstorable(format!("the store holds a row that this version cannot read: {cause}"))
}

fn read(error: sqlx::Error) -> Error {
    fault("read a row", &error)
}

/// An id from its 16 bytes.
pub(super) fn id(bytes: &[u8]) -> Result<DeliveryId, Error> {
    let bytes = bytes.try_into().map_err(|_| corrupt("delivery.id".to_owned()))?;
    Ok(DeliveryId::from_bytes(bytes))
}

/// A row of [`select_delivery`].
pub(super) fn delivery(row: &SqliteRow) -> Result<Delivery, Error> {
    let successor: Option<Vec<u8>> = row.try_get("successor").map_err(read)?;
    let id_bytes: Vec<u8> = row.try_get("id").map_err(read)?;
    let occurrence = occurrence(row)?;
    Ok(Delivery {
        id: id(&id_bytes)?,
        sequence: row.try_get("seq").map_err(read)?,
        state_key: row.try_get("state_key").map_err(read)?,
        service_kind: row.try_get("service_kind").map_err(read)?,
        lane: Lane {
            config_namespace: occurrence.config_namespace.clone(),
            service: occurrence.destination.service.clone(),
            host: row.try_get("lane_host").map_err(read)?,
        },
        occurrence,
        ordering: row.try_get("ordering").map_err(read)?,
        supersedes: row.try_get("supersedes").map_err(read)?,
        idempotent: row.try_get("idempotent").map_err(read)?,
        digest: row.try_get("digest").map_err(read)?,
        state: state(row.try_get("state").map_err(read)?)?,
        reason: row.try_get("reason").map_err(read)?,
        due_ms: row.try_get("due_ms").map_err(read)?,
        created_ms: row.try_get("created_ms").map_err(read)?,
        since_ms: row.try_get("since_ms").map_err(read)?,
        updated_ms: row.try_get("updated_ms").map_err(read)?,
        attempts: count(row, "attempts")?,
        step: count(row, "step")?,
        unknowns: count(row, "unknowns")?,
        successor: successor.as_deref().map(id).transpose()?,
        body_bytes: row.try_get::<i64, _>("body_bytes").map_err(read)?.unsigned_abs(),
    })
}

fn occurrence(row: &SqliteRow) -> Result<Occurrence, Error> {
    Ok(Occurrence {
        object: ObjectId {
            namespace: row.try_get("namespace").map_err(read)?,
            name: row.try_get("name").map_err(read)?,
            uid: row.try_get("uid").map_err(read)?,
        },
        config_namespace: row.try_get("config_namespace").map_err(read)?,
        trigger: row.try_get("trigger_name").map_err(read)?,
        condition_key: row.try_get("condition_key").map_err(read)?,
        once_per: row.try_get("once_per").map_err(read)?,
        destination: Destination {
            service: row.try_get("service").map_err(read)?,
            recipient: row.try_get("recipient").map_err(read)?,
        },
        arming: row.try_get::<i64, _>("arming").map_err(read)?.cast_unsigned(),
    })
}

fn count(row: &SqliteRow, column: &'static str) -> Result<u32, Error> {
    let value: i64 = row.try_get(column).map_err(read)?;
    Ok(u32::try_from(value).unwrap_or(u32::MAX))
}

/// A row of `key_state`.
pub(super) fn key_state(row: &SqliteRow) -> Result<(String, KeyState), Error> {
    let phase: String = row.try_get("phase").map_err(read)?;
    let at = row.try_get("at").map_err(read)?;
    let phase = match phase.as_str() {
        "pending" => Phase::Pending,
        "delivered" => Phase::Delivered { at },
        "annotated" => Phase::Annotated { at, resource_version: row.try_get("resource_version").map_err(read)? },
        "dead" => Phase::Dead { digest: row.try_get("digest").map_err(read)? },
        "truncated" => Phase::Truncated,
        other => return Err(corrupt(format!("key_state.phase {other:?}"))),
    };
    let arming: i64 = row.try_get("arming").map_err(read)?;
    let armed = row.try_get("armed").map_err(read)?;
    Ok((row.try_get("state_key").map_err(read)?, KeyState { armed, arming: arming.cast_unsigned(), phase }))
}
