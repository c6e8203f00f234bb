//! What is kept of what is over, as `sqlite/retention.rs` has it; the space is the server's own affair (autovacuum).

use super::super::rows::Columns;
use super::super::store::{Error, Pruned, Retention};
use super::super::turns::excess_by_tenant;
use super::writer::fault;
use sqlx::postgres::PgConnection;

/// Rows that one pruning drops at most in each step: bounds the transaction.
const STEP_MAX: i64 = 10_000;
/// How long a key that was cut from the annotation, or a store row of it, is remembered.
const TRUNCATED_AGE_MS: i64 = 90 * 24 * 60 * 60 * 1000;

const OLD: &str = "
SELECT seq FROM delivery WHERE state = 4 AND updated_ms < $1 ORDER BY seq LIMIT $2";
const FINISHED: &str = "
SELECT seq FROM delivery WHERE state IN (3, 5, 6, 7) AND updated_ms < $1 LIMIT $2";
const FINISHED_EXCESS: &str = "
SELECT seq FROM delivery WHERE state IN (3, 5, 6, 7) ORDER BY seq
LIMIT greatest(0, least($2, (SELECT count(*) FROM delivery WHERE state IN (3, 5, 6, 7)) - $1))";
const FINISHED_BYTES: &str = "
SELECT seq FROM (
    SELECT seq, sum(body_bytes) OVER (ORDER BY seq DESC) AS with_newer FROM delivery WHERE state IN (3, 5, 6, 7)) AS sized
WHERE with_newer > $1 ORDER BY seq LIMIT $2";
const SHARES: &str = "
SELECT config_namespace, count(*) AS letters, sum(body_bytes)::bigint AS bytes FROM delivery WHERE state = 4 GROUP BY config_namespace";
const TENANTS_OLDEST: &str = "
SELECT seq FROM delivery WHERE state = 4 AND config_namespace = $1 ORDER BY seq LIMIT $2";
const TENANTS_OLDEST_BYTES: &str = "
SELECT seq FROM (SELECT seq, sum(body_bytes) OVER (ORDER BY seq) - body_bytes AS before FROM delivery
    WHERE state = 4 AND config_namespace = $1) AS sized WHERE before < $2 ORDER BY seq";
const DROP: &str = "
WITH gone AS (DELETE FROM delivery WHERE seq = ANY($1) RETURNING seq),
attempts AS (DELETE FROM attempt USING gone WHERE attempt.seq = gone.seq)
DELETE FROM body USING gone WHERE body.seq = gone.seq";
const FORGOTTEN: &str = "DELETE FROM key_state WHERE phase = 'truncated' AND changed_ms < $1";

fn failed(error: sqlx::Error) -> Error {
    fault("prune the store", &error)
}

/// Drops what the retention no longer covers.
pub(super) async fn prune(connection: &mut PgConnection, keep: Retention, now_ms: i64) -> Result<Pruned, Error> {
    let mut pruned = Pruned::default();
    pruned.dead += select_and_drop(connection, OLD, now_ms.saturating_sub(keep.dead_age_ms)).await?;
    pruned.finished += select_and_drop(connection, FINISHED, now_ms.saturating_sub(keep.finished_age_ms)).await?;
    let whole = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
    pruned.finished += select_and_drop(connection, FINISHED_EXCESS, whole(keep.finished_max)).await?;
    pruned.finished += select_and_drop(connection, FINISHED_BYTES, whole(keep.finished_bytes)).await?;
    pruned.dead += by_share(connection, "letters", TENANTS_OLDEST, keep.dead_max).await?;
    pruned.dead += by_share(connection, "bytes", TENANTS_OLDEST_BYTES, keep.dead_bytes).await?;
    let long_ago = now_ms.saturating_sub(TRUNCATED_AGE_MS);
    sqlx::query(FORGOTTEN).bind(long_ago).execute(connection).await.map_err(failed)?;
    Ok(pruned)
}

async fn select_and_drop(connection: &mut PgConnection, sql: &'static str, bound: i64) -> Result<u64, Error> {
    let rows = sqlx::query_scalar(sql).bind(bound).bind(STEP_MAX).fetch_all(&mut *connection).await.map_err(failed)?;
    drop_rows(connection, rows).await
}

async fn by_share(
    connection: &mut PgConnection,
    measure: &'static str,
    sql: &'static str,
    max: u64,
) -> Result<u64, Error> {
    let rows = sqlx::query(SHARES).fetch_all(&mut *connection).await.map_err(failed)?;
    let mut held = Vec::new();
    for row in &rows {
        held.push((row.text("config_namespace")?, row.int(measure)?.unsigned_abs()));
    }
    let mut dropped = 0;
    for (tenant, excess) in excess_by_tenant(held, max) {
        let excess = i64::try_from(excess).unwrap_or(i64::MAX);
        let tenant = super::text::write(&tenant);
        let oldest =
            sqlx::query_scalar(sql).bind(tenant).bind(excess).fetch_all(&mut *connection).await.map_err(failed)?;
        dropped += drop_rows(connection, oldest).await?;
    }
    Ok(dropped)
}

async fn drop_rows(connection: &mut PgConnection, rows: Vec<i64>) -> Result<u64, Error> {
    if rows.is_empty() {
        return Ok(0);
    }
    let dropped = rows.len() as u64;
    sqlx::query(DROP).bind(rows).execute(connection).await.map_err(failed)?;
    Ok(dropped)
}
