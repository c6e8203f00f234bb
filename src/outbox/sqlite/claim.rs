//! Taking due rows: tenants in turn, their lanes in turn, heads of ordering keys only.

use super::super::delivery::{ClaimToken, Claimed, Lane, State};
use super::super::store::{ClaimLimits, Claims, Error};
use super::rows;
use super::writer::fault;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use std::collections::{BTreeMap, VecDeque};

const DUE_LANES: &str = "
SELECT id, config_namespace, service, host FROM lane
WHERE EXISTS (SELECT 1 FROM delivery d WHERE d.lane = lane.id AND d.state < 2 AND d.due_ms <= $1)";

const DUE_ROWS: &str = "
SELECT d.seq FROM delivery d
WHERE d.lane = $1 AND d.state < 2 AND d.due_ms <= $2 AND (d.ordering IS NULL OR NOT EXISTS (
    SELECT 1 FROM delivery o
    WHERE o.ordering = d.ordering AND o.config_namespace = d.config_namespace AND o.service = d.service
        AND o.seq < d.seq AND o.state < 3))
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

fn failed(error: sqlx::Error) -> Error {
    fault("claim deliveries", &error)
}

/// Claims what is due within the limits; each claim begins its round elsewhere.
pub(super) async fn claim(
    connection: &mut SqliteConnection,
    now_ms: i64,
    limits: ClaimLimits,
    token: ClaimToken,
    process: i64,
) -> Result<Claims, Error> {
    let mut more = false;
    let mut queues = Vec::new();
    let start = usize::try_from(token.0.unsigned_abs()).unwrap_or(0);
    for (id, lane) in in_turn(due_lanes(connection, now_ms).await?, start) {
        if limits.blocked.contains(&lane) {
            continue;
        }
        let room = limits.per_lane.saturating_sub(limits.held.get(&lane).copied().unwrap_or(0)).min(limits.max);
        let due = due_rows(connection, id, now_ms, room).await?;
        more |= due.len() >= room;
        queues.push(due);
    }
    let chosen = one_each(queues, limits.max);
    more |= chosen.len() >= limits.max;
    let rows = if chosen.is_empty() { Vec::new() } else { take(connection, &chosen, token, now_ms, process).await? };
    Ok(Claims { rows, next_due_ms: next_due(connection, now_ms, &limits).await?, more })
}

async fn due_lanes(connection: &mut SqliteConnection, now_ms: i64) -> Result<Vec<(i64, Lane)>, Error> {
    let rows = sqlx::query(DUE_LANES).bind(now_ms).fetch_all(connection).await.map_err(failed)?;
    rows.iter().map(|row| Ok((row.try_get("id").map_err(failed)?, lane(row)?))).collect()
}

/// The lane of a row of `lane`.
pub(super) fn lane(row: &sqlx::sqlite::SqliteRow) -> Result<Lane, Error> {
    Ok(Lane {
        config_namespace: row.try_get("config_namespace").map_err(failed)?,
        service: row.try_get("service").map_err(failed)?,
        host: row.try_get("host").map_err(failed)?,
    })
}

async fn due_rows(connection: &mut SqliteConnection, lane: i64, now_ms: i64, room: usize) -> Result<Vec<i64>, Error> {
    if room == 0 {
        return Ok(Vec::new());
    }
    let limit = i64::try_from(room).unwrap_or(i64::MAX);
    sqlx::query_scalar(DUE_ROWS).bind(lane).bind(now_ms).bind(limit).fetch_all(connection).await.map_err(failed)
}

async fn next_due(connection: &mut SqliteConnection, now_ms: i64, limits: &ClaimLimits) -> Result<Option<i64>, Error> {
    let rows = sqlx::query(NEXT_DUE).bind(now_ms).fetch_all(connection).await.map_err(failed)?;
    let mut next = None;
    for row in &rows {
        if !limits.blocked.contains(&lane(row)?) {
            let due: i64 = row.try_get("next").map_err(failed)?;
            next = Some(next.map_or(due, |other: i64| other.min(due)));
        }
    }
    Ok(next)
}

async fn take(
    connection: &mut SqliteConnection,
    chosen: &[i64],
    token: ClaimToken,
    now_ms: i64,
    process: i64,
) -> Result<Vec<Claimed>, Error> {
    let list = serde_json::Value::from(chosen).to_string();
    sqlx::query(TAKE).bind(&list).bind(token.0).bind(now_ms).execute(&mut *connection).await.map_err(failed)?;
    let rows = sqlx::query(TAKEN).bind(&list).fetch_all(connection).await.map_err(failed)?;
    let mut claimed = BTreeMap::new();
    for row in &rows {
        let delivery = rows::delivery(row)?;
        let payload: Vec<u8> = row.try_get("payload").map_err(failed)?;
        let earlier_process = row.try_get::<i64, _>("process").map_err(failed)? < process;
        debug_assert_eq!(delivery.state, State::Claimed);
        claimed.insert(delivery.sequence, Claimed { delivery, payload: payload.into(), earlier_process, token });
    }
    Ok(chosen.iter().filter_map(|sequence| claimed.remove(sequence)).collect())
}

/// One lane of each tenant in turn, beginning with another tenant and another lane each time.
fn in_turn(lanes: Vec<(i64, Lane)>, start: usize) -> Vec<(i64, Lane)> {
    let mut tenants: BTreeMap<String, VecDeque<(i64, Lane)>> = BTreeMap::new();
    for entry in lanes {
        tenants.entry(entry.1.config_namespace.clone()).or_default().push_back(entry);
    }
    let mut tenants: Vec<_> = tenants.into_values().collect();
    for lanes in &mut tenants {
        let by = start % lanes.len().max(1);
        lanes.rotate_left(by);
    }
    let by = start % tenants.len().max(1);
    tenants.rotate_left(by);
    one_each(tenants, usize::MAX)
}

/// Takes one from each queue, round after round, up to `max`.
fn one_each<T, Q: IntoIterator<Item = T>>(queues: Vec<Q>, max: usize) -> Vec<T> {
    let mut queues: VecDeque<_> = queues.into_iter().map(IntoIterator::into_iter).collect();
    let mut taken = Vec::new();
    while let Some(mut queue) = queues.pop_front() {
        if taken.len() >= max {
            break;
        }
        if let Some(item) = queue.next() {
            taken.push(item);
            queues.push_back(queue);
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(tenant: &str, host: &str) -> (i64, Lane) {
        (0, Lane { config_namespace: tenant.into(), service: "s".into(), host: host.into() })
    }

    #[test]
    fn a_tenant_with_many_lanes_gets_one_turn_a_round() {
        let lanes = vec![lane("a", "1"), lane("a", "2"), lane("a", "3"), lane("b", "1")];
        let order: Vec<_> =
            in_turn(lanes, 0).into_iter().map(|(_, l)| format!("{}{}", l.config_namespace, l.host)).collect();
        assert_eq!(order, ["a1", "b1", "a2", "a3"]);
    }

    #[test]
    fn a_short_budget_is_shared() {
        assert_eq!(one_each(vec![vec![1, 2, 3], vec![10], vec![20, 21]], 4), [1, 10, 20, 2]);
    }
}
