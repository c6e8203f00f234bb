//! Taking due rows: tenants in turn, their lanes in turn, heads of ordering keys only.

use super::super::delivery::{ClaimToken, Claimed, Delivery, Lane, State};
use super::super::rows::{self, Columns};
use super::super::seal::{Keys, LOCKED_WAIT_MS, Locked, Part};
use super::super::store::{ClaimLimits, Claims, Error};
use super::super::turns::{one_each, turns};
use super::sql::{Task, task};
use crate::failpoint;
use rusqlite::{Connection, Row, params};
use serde_json::json;
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
UPDATE delivery SET state = 2, claim = $2, updated_ms = $3 WHERE seq IN (SELECT value FROM json_each($1))";
const TAKEN: &str = "
SELECT d.*, l.host AS lane_host, b.payload AS payload FROM delivery d JOIN lane l ON l.id = d.lane
    JOIN body b ON b.seq = d.seq WHERE d.seq IN (SELECT value FROM json_each($1)) ORDER BY d.seq";

// Its key is missing: it waits, and is not counted as tried.
const LOCKED: &str = "
UPDATE delivery SET state = 1, claim = 0, due_ms = $2, reason = $3 WHERE seq = $1";

/// Who claims.
pub(super) struct Claimer<'a> {
    pub token: ClaimToken,
    pub process: i64,
    /// The installation: rows of another are not touched.
    pub install: &'a str,
    pub keys: &'a Keys,
}

/// Claims what is due within the limits; each claim begins its round elsewhere.
pub(super) fn claim(
    connection: &Connection,
    now_ms: i64,
    limits: &ClaimLimits,
    claimer: &Claimer<'_>,
) -> Result<Claims, Error> {
    let task = task(connection, "claim deliveries");
    let (mut more, mut next_due_ms) = (false, None);
    let (mut lanes, mut due) = (Vec::new(), HashMap::new());
    for open in open_lanes(&task, now_ms, limits, claimer.install)? {
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
    for turn in turns(lanes, limits, start) {
        let mut due = due.remove(&turn.lane).unwrap_or_default();
        due.truncate(turn.room);
        more |= due.len() >= turn.room;
        queues.push(due);
    }
    let chosen = one_each(queues, limits.max);
    more |= chosen.len() >= limits.max;
    let rows = if chosen.is_empty() { Vec::new() } else { take(&task, &chosen, claimer, now_ms)? };
    Ok(Claims { rows, next_due_ms, more })
}

/// A lane with unsent rows.
struct OpenLane {
    id: i64,
    lane: Lane,
    due: Vec<i64>,
    next_ms: Option<i64>,
}

fn open_lanes(task: &Task<'_>, now_ms: i64, limits: &ClaimLimits, install: &str) -> Result<Vec<OpenLane>, Error> {
    let full = limits.held.iter().filter(|(_, held)| **held >= limits.per_lane).map(|(lane, _)| lane);
    let closed: Vec<_> =
        limits.blocked.iter().chain(full).map(|l| json!([l.config_namespace, l.service, l.host])).collect();
    let per_lane = i64::try_from(limits.per_lane).unwrap_or(i64::MAX);
    task.all(LANES, params![now_ms, per_lane, json!(closed).to_string(), install], |row| {
        let due = serde_json::from_str(&row.text("due")?);
        let due = due.map_err(|error| Error::Unstorable(format!("failed to claim deliveries: {error}")))?;
        Ok(OpenLane { id: row.int("id")?, lane: rows::lane(row)?, due, next_ms: row.maybe_int("next")? })
    })
}

fn take(task: &Task<'_>, chosen: &[i64], claimer: &Claimer<'_>, now_ms: i64) -> Result<Vec<Claimed>, Error> {
    let list = serde_json::Value::from(chosen).to_string();
    task.run(TAKE, params![list, claimer.token.0, now_ms])?;
    let mut claimed = BTreeMap::new();
    for taken in task.all(TAKEN, params![list], |row| taken(row, claimer))? {
        match taken {
            Ok(taken) => drop(claimed.insert(taken.delivery.sequence, taken)),
            Err((delivery, locked)) => put_back(task, &delivery, &locked, now_ms)?,
        }
    }
    failpoint::pass("claim.written");
    Ok(chosen.iter().filter_map(|sequence| claimed.remove(sequence)).collect())
}

/// A row with its body, unless that stays closed.
fn taken(row: &Row<'_>, claimer: &Claimer<'_>) -> Result<Result<Claimed, (Delivery, Locked)>, Error> {
    let delivery = rows::delivery(row)?;
    debug_assert_eq!(delivery.state, State::Claimed);
    let key_id = row.maybe_text("key_id")?;
    let earlier_process = row.int("process")? < claimer.process;
    Ok(match claimer.keys.open(delivery.id, Part::Body, key_id.as_deref(), row.bytes("payload")?) {
        Ok(payload) => Ok(Claimed { delivery, payload: payload.into(), earlier_process, token: claimer.token }),
        Err(locked) => Err((delivery, locked)),
    })
}

fn put_back(task: &Task<'_>, delivery: &Delivery, locked: &Locked, now_ms: i64) -> Result<(), Error> {
    tracing::warn!(delivery = %delivery.id, "a body cannot be read: {locked}");
    let due_ms = now_ms.saturating_add(LOCKED_WAIT_MS);
    task.run(LOCKED, params![delivery.sequence, due_ms, format!("its body is {locked}")]).map(drop)
}
