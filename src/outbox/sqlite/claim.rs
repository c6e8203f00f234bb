//! Taking due rows: tenants in turn, their lanes in turn, heads of ordering keys only.

use super::super::delivery::{ClaimToken, Claimed, Delivery, Lane, State};
use super::super::rows::{self, Columns};
use super::super::seal::{Keys, LOCKED_WAIT_MS, Locked, Part};
use super::super::store::{ClaimLimits, Claims, Error};
use super::super::turns::{Turn, one_each, turns};
use super::writer::fault;
use crate::failpoint;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::collections::BTreeMap;

const DUE_LANES: &str = "
SELECT id, config_namespace, service, host FROM lane
WHERE EXISTS (SELECT 1 FROM delivery d WHERE d.lane = lane.id AND d.state < 2 AND d.due_ms <= $1 AND d.install = $2)";

const DUE_ROWS: &str = "
SELECT d.seq FROM delivery d
WHERE d.lane = $1 AND d.state < 2 AND d.due_ms <= $2 AND d.install = $4 AND (d.ordering IS NULL OR NOT EXISTS (
    SELECT 1 FROM delivery o
    WHERE o.ordering = d.ordering AND o.config_namespace = d.config_namespace AND o.service = d.service
        AND o.seq < d.seq AND o.state < 3 AND o.install = $4))
ORDER BY d.due_ms, d.seq LIMIT $3";

const NEXT_DUE: &str = "
SELECT config_namespace, service, host,
    (SELECT min(d.due_ms) FROM delivery d WHERE d.lane = lane.id AND d.state < 2 AND d.due_ms > $1) AS next
FROM lane WHERE next IS NOT NULL";

const TAKE: &str = "
UPDATE delivery SET state = 2, claim = $2, updated_ms = $3 WHERE seq IN (SELECT value FROM json_each($1))";

const TAKEN: &str = concat!(
    "SELECT d.*, l.host AS lane_host, b.payload AS payload FROM delivery d JOIN lane l ON l.id = d.lane ",
    "JOIN body b ON b.seq = d.seq WHERE d.seq IN (SELECT value FROM json_each($1)) ORDER BY d.seq"
);

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
    let mut more = false;
    let mut queues = Vec::new();
    let start = usize::try_from(claimer.token.0.unsigned_abs()).unwrap_or(0);
    for turn in turns(due_lanes(connection, now_ms, claimer.install).await?, &limits, start) {
        let due = due_rows(connection, &turn, now_ms, claimer.install).await?;
        more |= due.len() >= turn.room;
        queues.push(due);
    }
    let chosen = one_each(queues, limits.max);
    more |= chosen.len() >= limits.max;
    let rows = if chosen.is_empty() { Vec::new() } else { take(connection, &chosen, claimer, now_ms).await? };
    Ok(Claims { rows, next_due_ms: next_due(connection, now_ms, &limits).await?, more })
}

async fn due_lanes(connection: &mut SqliteConnection, now_ms: i64, install: &str) -> Result<Vec<(i64, Lane)>, Error> {
    let rows = sqlx::query(DUE_LANES).bind(now_ms).bind(install).fetch_all(connection).await.map_err(failed)?;
    rows.iter().map(|row| Ok((row.int("id")?, rows::lane(row)?))).collect()
}

async fn due_rows(
    connection: &mut SqliteConnection,
    turn: &Turn,
    now_ms: i64,
    install: &str,
) -> Result<Vec<i64>, Error> {
    if turn.room == 0 {
        return Ok(Vec::new());
    }
    let limit = i64::try_from(turn.room).unwrap_or(i64::MAX);
    let query = sqlx::query_scalar(DUE_ROWS).bind(turn.lane).bind(now_ms).bind(limit).bind(install);
    query.fetch_all(connection).await.map_err(failed)
}

async fn next_due(connection: &mut SqliteConnection, now_ms: i64, limits: &ClaimLimits) -> Result<Option<i64>, Error> {
    let rows = sqlx::query(NEXT_DUE).bind(now_ms).fetch_all(connection).await.map_err(failed)?;
    let mut next: Option<i64> = None;
    for row in &rows {
        if !limits.blocked.contains(&rows::lane(row)?) {
            next = next.into_iter().chain([row.int("next")?]).min();
        }
    }
    Ok(next)
}

async fn take(
    connection: &mut SqliteConnection,
    chosen: &[i64],
    claimer: Claimer<'_>,
    now_ms: i64,
) -> Result<Vec<Claimed>, Error> {
    let list = serde_json::Value::from(chosen).to_string();
    let query = sqlx::query(TAKE).bind(&list).bind(claimer.token.0).bind(now_ms);
    query.execute(&mut *connection).await.map_err(failed)?;
    let rows = sqlx::query(TAKEN).bind(&list).fetch_all(&mut *connection).await.map_err(failed)?;
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
