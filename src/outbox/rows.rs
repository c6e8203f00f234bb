//! From rows to values and back, whichever database they lie in: the only place that knows the codes of `delivery.state` and the words of
//! `key_state.phase`. It decides nothing.

use super::delivery::{Attempt, Delivery, DeliveryId, Lane, State};
use super::intents::{About, Intent};
use super::seal::{Keys, Part};
use super::store::{Error, KeptObject, OwedAnnotation};
use crate::notify::{Destination, KeyState, ObjectId, Occurrence, Phase};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use std::fmt::Display;

/// What [`delivery`] reads, from `delivery d JOIN lane l`.
macro_rules! select_delivery {
    ($rest:literal) => {
        concat!("SELECT d.*, l.host AS lane_host FROM delivery d JOIN lane l ON l.id = d.lane ", $rest)
    };
}
pub(super) use select_delivery;

/// A row of either database, read by the names of its columns.
pub(super) trait Columns {
    fn text(&self, column: &'static str) -> Result<String, Error>;
    fn maybe_text(&self, column: &'static str) -> Result<Option<String>, Error>;
    fn int(&self, column: &'static str) -> Result<i64, Error>;
    fn maybe_int(&self, column: &'static str) -> Result<Option<i64>, Error>;
    fn flag(&self, column: &'static str) -> Result<bool, Error>;
    fn bytes(&self, column: &'static str) -> Result<Vec<u8>, Error>;
    fn maybe_bytes(&self, column: &'static str) -> Result<Option<Vec<u8>>, Error>;
}

macro_rules! columns {
    ($row:ty, $get:ident, $readable:path) => {
        impl Columns for $row {
            fn text(&self, column: &'static str) -> Result<String, Error> {
                self.$get(column).map(|text: String| $readable(text)).map_err(unreadable)
            }
            fn maybe_text(&self, column: &'static str) -> Result<Option<String>, Error> {
                self.$get(column).map(|text: Option<String>| text.map($readable)).map_err(unreadable)
            }
            fn int(&self, column: &'static str) -> Result<i64, Error> {
                self.$get(column).map_err(unreadable)
            }
            fn maybe_int(&self, column: &'static str) -> Result<Option<i64>, Error> {
                self.$get(column).map_err(unreadable)
            }
            fn flag(&self, column: &'static str) -> Result<bool, Error> {
                self.$get(column).map_err(unreadable)
            }
            fn bytes(&self, column: &'static str) -> Result<Vec<u8>, Error> {
                self.$get(column).map_err(unreadable)
            }
            fn maybe_bytes(&self, column: &'static str) -> Result<Option<Vec<u8>>, Error> {
                self.$get(column).map_err(unreadable)
            }
        }
    };
}
columns!(rusqlite::Row<'_>, get, std::convert::identity);
columns!(PgRow, try_get, super::postgres::text::read);

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
pub(super) fn corrupt(cause: String) -> Error {
    Error::Unstorable(format!("the store holds a row that this version cannot read: {cause}"))
}

fn unreadable(error: impl Display) -> Error {
    corrupt(error.to_string())
}

/// An id from its 16 bytes.
pub(super) fn id(bytes: &[u8]) -> Result<DeliveryId, Error> {
    let bytes = bytes.try_into().map_err(|_| corrupt("delivery.id".to_owned()))?;
    Ok(DeliveryId::from_bytes(bytes))
}

/// A row of [`select_delivery`].
pub(super) fn delivery(row: &impl Columns) -> Result<Delivery, Error> {
    let occurrence = occurrence(row)?;
    Ok(Delivery {
        id: id(&row.bytes("id")?)?,
        sequence: row.int("seq")?,
        state_key: row.text("state_key")?,
        service_kind: row.text("service_kind")?,
        lane: Lane {
            config_namespace: occurrence.config_namespace.clone(),
            service: occurrence.destination.service.clone(),
            host: row.text("lane_host")?,
        },
        occurrence,
        ordering: row.maybe_text("ordering")?,
        supersedes: row.flag("supersedes")?,
        idempotent: row.flag("idempotent")?,
        digest: row.text("digest")?,
        state: state(row.int("state")?)?,
        reason: row.text("reason")?,
        due_ms: row.int("due_ms")?,
        created_ms: row.int("created_ms")?,
        since_ms: row.int("since_ms")?,
        updated_ms: row.int("updated_ms")?,
        attempts: count(row, "attempts")?,
        step: count(row, "step")?,
        unknowns: count(row, "unknowns")?,
        successor: row.maybe_bytes("successor")?.as_deref().map(id).transpose()?,
        body_bytes: row.int("body_bytes")?.unsigned_abs(),
    })
}

fn occurrence(row: &impl Columns) -> Result<Occurrence, Error> {
    Ok(Occurrence {
        object: object(row)?,
        config_namespace: row.text("config_namespace")?,
        trigger: row.text("trigger_name")?,
        condition_key: row.text("condition_key")?,
        once_per: row.text("once_per")?,
        destination: Destination { service: row.text("service")?, recipient: row.text("recipient")? },
        arming: row.int("arming")?.cast_unsigned(),
    })
}

/// A row with `namespace`, `name` and `uid`.
pub(super) fn object(row: &impl Columns) -> Result<ObjectId, Error> {
    Ok(ObjectId { namespace: row.text("namespace")?, name: row.text("name")?, uid: row.text("uid")? })
}

fn count(row: &impl Columns, column: &'static str) -> Result<u32, Error> {
    Ok(u32::try_from(row.int(column)?).unwrap_or(u32::MAX))
}

/// A row of `gate_question`.
pub(super) fn intent(row: &impl Columns) -> Result<Intent, Error> {
    Ok(Intent {
        gate: row.text("gate")?,
        about: About { branch: row.text("branch")?, sha: row.text("sha")? },
        attempt: row.int("attempt")?,
        since_ms: row.int("since_ms")?,
        open: row.int("open")? == 1,
    })
}

/// The lane of a row of `lane`.
pub(super) fn lane(row: &impl Columns) -> Result<Lane, Error> {
    Ok(Lane { config_namespace: row.text("config_namespace")?, service: row.text("service")?, host: row.text("host")? })
}

/// A row of `key_state`.
pub(super) fn key_state(row: &impl Columns) -> Result<(String, KeyState), Error> {
    let at = row.int("at")?;
    let phase = match row.text("phase")?.as_str() {
        "pending" => Phase::Pending,
        "delivered" => Phase::Delivered { at },
        "annotated" => Phase::Annotated { at, resource_version: row.text("resource_version")? },
        "dead" => Phase::Dead { digest: row.text("digest")? },
        "truncated" => Phase::Truncated,
        other => return Err(corrupt(format!("key_state.phase {other:?}"))),
    };
    let arming = row.int("arming")?.cast_unsigned();
    Ok((row.text("state_key")?, KeyState { armed: row.flag("armed")?, arming, phase }))
}

/// A row of `last_object` with the size of its content.
pub(super) fn kept(row: &impl Columns) -> Result<KeptObject, Error> {
    Ok(KeptObject { object: object(row)?, digest: row.bytes("digest")?, bytes: row.int("bytes")?.unsigned_abs() })
}

/// The content of a row of `last_object`; none, and a line in the log, where no key opens it.
pub(super) fn last_object(row: &impl Columns, keys: &Keys) -> Result<Option<Vec<u8>>, Error> {
    let (uid, key_id) = (row.text("uid")?, row.maybe_text("key_id")?);
    match keys.open_object(&uid, key_id.as_deref(), row.bytes("content")?) {
        Ok(content) => Ok(Some(content)),
        Err(locked) => {
            tracing::warn!(uid, "the last that was seen of an Application is {locked}");
            Ok(None)
        }
    }
}

/// The body of a row with `payload` and `key_id`, or why it stays closed.
pub(super) fn body(row: &impl Columns, id: DeliveryId, keys: &Keys) -> Result<(Vec<u8>, Option<String>), Error> {
    let key_id = row.maybe_text("key_id")?;
    match keys.open(id, Part::Body, key_id.as_deref(), row.bytes("payload")?) {
        Ok(payload) => Ok((payload, None)),
        Err(locked) => Ok((Vec::new(), Some(locked.to_string()))),
    }
}

/// A row of `attempt`; an answer that none of the keys opens reads as the reason why.
pub(super) fn attempt(row: &impl Columns, id: DeliveryId, keys: &Keys) -> Result<Attempt, Error> {
    let at_ms = row.int("at_ms")?;
    let excerpt = match (row.maybe_bytes("sealed")?, row.maybe_text("key_id")?) {
        (Some(sealed), Some(key)) => match keys.open(id, Part::Answer { at_ms }, Some(&key), sealed) {
            Ok(plain) => String::from_utf8_lossy(&plain).into_owned(),
            Err(locked) => locked.to_string(),
        },
        _ => row.text("excerpt")?,
    };
    Ok(Attempt {
        at_ms,
        duration_ms: row.int("duration_ms")?.unsigned_abs(),
        status: row.maybe_int("status")?.and_then(|status| u16::try_from(status).ok()),
        target: row.text("target")?,
        excerpt,
        reason: row.text("reason")?,
    })
}

/// What one key of an object is owed.
pub(super) struct OwedKey {
    object: ObjectId,
    state_key: String,
    at: i64,
    is_set: bool,
}

/// A row of `key_state` that is owed.
pub(super) fn owed_key(row: &impl Columns) -> Result<OwedKey, Error> {
    let is_set = row.int("owed")? == 1;
    Ok(OwedKey { object: object(row)?, state_key: row.text("state_key")?, at: row.int("at")?, is_set })
}

/// Keys that are owed, ordered by object, as one entry an object.
pub(super) fn owed(keys: Vec<OwedKey>) -> Vec<OwedAnnotation> {
    let mut all: Vec<OwedAnnotation> = Vec::new();
    for OwedKey { object, state_key, at, is_set } in keys {
        if all.last().is_none_or(|last| last.object.uid != object.uid) {
            all.push(OwedAnnotation { object, set: Vec::new(), remove: Vec::new() });
        }
        match all.last_mut() {
            Some(last) if is_set => last.set.push((state_key, at)),
            Some(last) => last.remove.push(state_key),
            None => {}
        }
    }
    all
}
