//! Taking due rows: tenants in turn, their lanes in turn, heads of ordering keys only.

use super::super::delivery::{ClaimToken, Claimed, Delivery, Lane, State};
use super::super::rows::{self, Columns};
use super::super::seal::{Keys, LOCKED_WAIT_MS, Locked, Part};
use super::super::store::{ClaimLimits, Claims, Error};
use super::super::turns::{one_each, turns};
use super::writer::fault;
use crate::failpoint;
use serde_json::json;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::collections::{BTreeMap, HashMap};

// Each lane with unsent rows: those that may be taken now, as a JSON array, and when the next one falls due. Lanes in `$3` are not looked
// into: a lane that is blocked or full may have very many.
const LANES: &str = "
SELECT id, config_namespace, service, host,
    CASE WHEN json_array(config_namespace, service, host) IN (SELECT value FROM json_each($3)) THEN '[]' ELSE (
        SELECT json_group_array(seq ORDER BY due_ms, seq) FROM (
            SELECT d.seq, d.due_ms FROM delivery d
            WHERE d.lane = lane.id AND d.state < 2 AND d.due_ms <= $1 AND d.install = $4 AND (d.ordering IS NULL OR NOT EXISTS (
                SELECT 1 FROM delivery o
                WHERE o.ordering = d.ordering AND o.config_namespace = d.config_namespace AND o.service = d.service
                    AND o.seq < d.seq AND o.state < 3 AND o.install = $4))
            ORDER BY d.due_ms, d.seq LIMIT $2)) END AS due,
    (SELECT min(d.due_ms) FROM delivery d WHERE d.lane = lane.id AND d.state < 2 AND d.due_ms > $1 AND d.install = $4) AS next
FROM lane
WHERE EXISTS (SELECT 1 FROM delivery d WHERE d.lane = lane.id AND d.state < 2 AND d.install = $4)";

const TAKE: &str = "
UPDATE delivery SET state = 2, claim = $2, updated_ms = $3 WHERE seq IN (SELECT value FROM json_each($1));
SELECT d.*, l.host AS lane_host, b.payload AS payload FROM delivery d JOIN lane l ON l.id = d.lane
    JOIN body b ON b.seq = d.seq WHERE d.seq IN (SELECT value FROM json_each($1)) ORDER BY d.seq";

// Its key is missing: it waits, and is not counted as tried.
const LOCKED: &str = "
UPDATE delivery SET state = 1, claim = 0, due_ms = $2, reason = $3 WHERE seq = $1";

fn failed(error: sqlx::Error) -> Error {
    fault("claim deliveries", &error)
}

/// Who claims.
pub(super) struct Claimer<'a> {
    pub token: ClaimToken,
    pub process: i64,
    /// The installation: rows of another are not touched.
    pub install: &'a str,
    pub keys: &'a Keys,
}

/// Claims what is due within the limits; each claim begins its round elsewhere.
pub(super) async fn claim(
    connection: &mut SqliteConnection,
    now_ms: i64,
    limits: ClaimLimits,
    claimer: Claimer<'_>,
) -> Result<Claims, Error> {
    let (mut more, mut next_due_ms) = (false, None);
    let (mut lanes, mut due) = (Vec::new(), HashMap::new());
    for open in open_lanes(connection, now_ms, &limits, claimer.install).await? {
        if !limits.blocked.contains(&open.lane) {
            next_due_ms = open.next_ms.into_iter().chain(next_due_ms).min();
        }
        let is_full = limits.held.get(&open.lane).is_some_and(|held| *held >= limits.per_lane);
        if is_full || !open.due.is_empty() {
            lanes.push((open.id, open.lane));
            due.insert(open.id, open.due);
        }
    }
    let mut queues = Vec::new();
    let start = usize::try_from(claimer.token.0.unsigned_abs()).unwrap_or(0);
    for turn in turns(lanes, &limits, start) {
        let mut due = due.remove(&turn.lane).unwrap_or_default();
        due.truncate(turn.room);
        more |= due.len() >= turn.room;
        queues.push(due);
    }
    let chosen = one_each(queues, limits.max);
    more |= chosen.len() >= limits.max;
    let rows = if chosen.is_empty() { Vec::new() } else { take(connection, &chosen, claimer, now_ms).await? };
    Ok(Claims { rows, next_due_ms, more })
}

/// A lane with unsent rows.
struct OpenLane {
    id: i64,
    lane: Lane,
    due: Vec<i64>,
    next_ms: Option<i64>,
}

async fn open_lanes(
    connection: &mut SqliteConnection,
    now_ms: i64,
    limits: &ClaimLimits,
    install: &str,
) -> Result<Vec<OpenLane>, Error> {
    let full = limits.held.iter().filter(|(_, held)| **held >= limits.per_lane).map(|(lane, _)| lane);
    let closed: Vec<_> =
        limits.blocked.iter().chain(full).map(|l| json!([l.config_namespace, l.service, l.host])).collect();
    let query = sqlx::query(LANES).bind(now_ms).bind(i64::try_from(limits.per_lane).unwrap_or(i64::MAX));
    let rows = query.bind(json!(closed).to_string()).bind(install).fetch_all(connection).await.map_err(failed)?;
    let read = |row: &SqliteRow| {
        let due = serde_json::from_str(&row.text("due")?);
        let due = due.map_err(|error| Error::Unstorable(format!("failed to claim deliveries: {error}")))?;
        Ok(OpenLane { id: row.int("id")?, lane: rows::lane(row)?, due, next_ms: row.maybe_int("next")? })
    };
    rows.iter().map(read).collect()
}

async fn take(
    connection: &mut SqliteConnection,
    chosen: &[i64],
    claimer: Claimer<'_>,
    now_ms: i64,
) -> Result<Vec<Claimed>, Error> {
    let list = serde_json::Value::from(chosen).to_string();
    let query = sqlx::query(TAKE).bind(&list).bind(claimer.token.0).bind(now_ms);
    let rows = query.fetch_all(&mut *connection).await.map_err(failed)?;
    let mut claimed = BTreeMap::new();
    for row in &rows {
        let delivery = rows::delivery(row)?;
        debug_assert_eq!(delivery.state, State::Claimed);
        match opened(row, &delivery, claimer.keys)? {
            Ok(payload) => {
                let earlier_process = row.int("process")? < claimer.process;
                let payload = payload.into();
                let token = claimer.token;
                claimed.insert(delivery.sequence, Claimed { delivery, payload, earlier_process, token });
            }
            Err(locked) => put_back(connection, &delivery, &locked, now_ms).await?,
        }
    }
    failpoint::pass("claim.written");
    Ok(chosen.iter().filter_map(|sequence| claimed.remove(sequence)).collect())
}

fn opened(row: &SqliteRow, delivery: &Delivery, keys: &Keys) -> Result<Result<Vec<u8>, Locked>, Error> {
    let key_id = row.maybe_text("key_id")?;
    Ok(keys.open(delivery.id, Part::Body, key_id.as_deref(), row.bytes("payload")?))
}

async fn put_back(
    connection: &mut SqliteConnection,
    delivery: &Delivery,
    locked: &Locked,
    now_ms: i64,
) -> Result<(), Error> {
    tracing::warn!(delivery = %delivery.id, "a body cannot be read: {locked}");
    let query = sqlx::query(LOCKED).bind(delivery.sequence).bind(now_ms.saturating_add(LOCKED_WAIT_MS));
    query.bind(format!("its body is {locked}")).execute(connection).await.map_err(failed)?;
    Ok(())
}
