//! Taking due rows while others do the same: candidates are looked for without locks, tenants and lanes in turn, then those chosen are taken
//! with `SKIP LOCKED`. What another process took in between is simply not among them.

use super::super::delivery::{ClaimToken, Claimed, Delivery, Lane};
use super::super::rows::{self, Columns};
use super::super::seal::{Keys, LOCKED_WAIT_MS, Locked, Part};
use super::super::store::{ClaimLimits, Claims, Error};
use super::super::turns::{Turn, one_each, turns};
use super::text::write;
use super::writer::fault;
use crate::failpoint;
use sqlx::postgres::PgConnection;
use std::collections::{BTreeMap, HashMap};

const DUE_LANES: &str = "
SELECT id, config_namespace, service, host FROM lane
WHERE EXISTS (SELECT 1 FROM delivery d WHERE d.lane = lane.id AND d.state < 2 AND d.due_ms <= $1 AND d.install = $2)
ORDER BY id";

const CANDIDATES: &str = "
SELECT turn.lane, found.seq
FROM unnest($1::bigint[], $2::bigint[]) AS turn (lane, room)
CROSS JOIN LATERAL (
    SELECT d.seq, d.due_ms FROM delivery d
    WHERE d.lane = turn.lane AND d.state < 2 AND d.due_ms <= $3 AND d.install = $4 AND (d.fence IS NULL OR NOT EXISTS (
        SELECT 1 FROM delivery o
        WHERE o.fence = d.fence AND o.ordering = d.ordering AND o.config_namespace = d.config_namespace AND o.service = d.service
            AND o.seq < d.seq AND o.state < 3 AND o.install = $4))
    ORDER BY d.due_ms, d.seq LIMIT turn.room) AS found
ORDER BY found.due_ms, found.seq";

// The conditions again: since the candidates were read another process may have taken one, tried it and set it to a later time.
const TAKE: &str = "
WITH chosen AS MATERIALIZED (
    SELECT seq FROM delivery WHERE seq = ANY($1) AND state < 2 AND due_ms <= $4 ORDER BY seq FOR UPDATE SKIP LOCKED)
UPDATE delivery d SET state = 2, claim = $2, holder = $3, updated_ms = $4
FROM chosen, lane l, body b
WHERE d.seq = chosen.seq AND l.id = d.lane AND b.seq = d.seq
RETURNING d.*, l.host AS lane_host, b.payload AS payload, d.process <> $3 AND NOT EXISTS (
    SELECT 1 FROM process p WHERE p.id = d.process AND p.lease_until > clock_timestamp()) AS earlier_process";

const NEXT_DUE: &str = "
SELECT l.config_namespace, l.service, l.host, due.next
FROM lane l CROSS JOIN LATERAL (
    SELECT min(d.due_ms) AS next FROM delivery d WHERE d.lane = l.id AND d.state < 2 AND d.due_ms > $1) AS due
WHERE due.next IS NOT NULL";

// Its key is missing: it waits, and is not counted as tried.
const LOCKED: &str = "
UPDATE delivery SET state = 1, claim = 0, due_ms = $2, reason = $3 WHERE seq = $1";

// Claims whose commit nobody heard of.
const FORSAKE: &str = "
UPDATE delivery SET state = 1, claim = 0 WHERE state = 2 AND holder = $1 AND claim = ANY($2)";

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
    /// Claims of this process that may have been committed without its knowledge.
    pub forsaken: &'a [i64],
    /// Where the round of turns begins.
    pub start: usize,
}

/// Claims what is due within the limits.
pub(super) async fn claim(
    connection: &mut PgConnection,
    now_ms: i64,
    limits: &ClaimLimits,
    claimer: Claimer<'_>,
) -> Result<Claims, Error> {
    if !claimer.forsaken.is_empty() {
        let query = sqlx::query(FORSAKE).bind(claimer.process).bind(claimer.forsaken);
        query.execute(&mut *connection).await.map_err(failed)?;
    }
    let turns = turns(due_lanes(connection, now_ms, claimer.install).await?, limits, claimer.start);
    let queues = candidates(connection, &turns, now_ms, claimer.install).await?;
    let mut more = queues.iter().zip(&turns).any(|(due, turn)| due.len() >= turn.room);
    let chosen = one_each(queues, limits.max);
    let rows = if chosen.is_empty() { Vec::new() } else { take(connection, &chosen, claimer, now_ms).await? };
    // Fewer than chosen: others were quicker, and what is behind theirs may be free now.
    more |= chosen.len() >= limits.max || rows.len() < chosen.len();
    Ok(Claims { rows, next_due_ms: next_due(connection, now_ms, limits).await?, more })
}

async fn due_lanes(connection: &mut PgConnection, now_ms: i64, install: &str) -> Result<Vec<(i64, Lane)>, Error> {
    let rows = sqlx::query(DUE_LANES).bind(now_ms).bind(install).fetch_all(connection).await.map_err(failed)?;
    rows.iter().map(|row| Ok((row.int("id")?, rows::lane(row)?))).collect()
}

/// Due rows of each lane, in the order of the turns.
async fn candidates(
    connection: &mut PgConnection,
    turns: &[Turn],
    now_ms: i64,
    install: &str,
) -> Result<Vec<Vec<i64>>, Error> {
    if turns.is_empty() {
        return Ok(Vec::new());
    }
    let lanes: Vec<i64> = turns.iter().map(|turn| turn.lane).collect();
    let rooms: Vec<i64> = turns.iter().map(|turn| i64::try_from(turn.room).unwrap_or(i64::MAX)).collect();
    let query = sqlx::query(CANDIDATES).bind(lanes).bind(rooms).bind(now_ms).bind(install);
    let mut by_lane: HashMap<i64, Vec<i64>> = HashMap::new();
    for row in &query.fetch_all(connection).await.map_err(failed)? {
        by_lane.entry(row.int("lane")?).or_default().push(row.int("seq")?);
    }
    Ok(turns.iter().map(|turn| by_lane.remove(&turn.lane).unwrap_or_default()).collect())
}

async fn take(
    connection: &mut PgConnection,
    chosen: &[i64],
    claimer: Claimer<'_>,
    now_ms: i64,
) -> Result<Vec<Claimed>, Error> {
    let query = sqlx::query(TAKE).bind(chosen).bind(claimer.token.0).bind(claimer.process).bind(now_ms);
    let rows = query.fetch_all(&mut *connection).await.map_err(failed)?;
    let mut claimed = BTreeMap::new();
    for row in &rows {
        let delivery = rows::delivery(row)?;
        let key_id = row.maybe_text("key_id")?;
        match claimer.keys.open(delivery.id, Part::Body, key_id.as_deref(), row.bytes("payload")?) {
            Ok(payload) => {
                let (payload, earlier_process) = (payload.into(), row.flag("earlier_process")?);
                let token = claimer.token;
                claimed.insert(delivery.sequence, Claimed { delivery, payload, earlier_process, token });
            }
            Err(locked) => put_back(connection, &delivery, &locked, now_ms).await?,
        }
    }
    failpoint::pass("claim.written");
    Ok(chosen.iter().filter_map(|sequence| claimed.remove(sequence)).collect())
}

async fn put_back(
    connection: &mut PgConnection,
    delivery: &Delivery,
    locked: &Locked,
    now_ms: i64,
) -> Result<(), Error> {
    tracing::warn!(delivery = %delivery.id, "a body cannot be read: {locked}");
    let query = sqlx::query(LOCKED).bind(delivery.sequence).bind(now_ms.saturating_add(LOCKED_WAIT_MS));
    query.bind(write(&format!("its body is {locked}"))).execute(connection).await.map_err(failed)?;
    Ok(())
}

async fn next_due(connection: &mut PgConnection, now_ms: i64, limits: &ClaimLimits) -> Result<Option<i64>, Error> {
    let rows = sqlx::query(NEXT_DUE).bind(now_ms).fetch_all(connection).await.map_err(failed)?;
    let mut next: Option<i64> = None;
    for row in &rows {
        if !limits.blocked.contains(&rows::lane(row)?) {
            next = next.into_iter().chain([row.int("next")?]).min();
        }
    }
    Ok(next)
}
