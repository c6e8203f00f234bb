//! What is kept of what is over. Dead letters that are too many go by tenant share: the tenant that has most loses its oldest.

use super::super::store::{Error, Pruned, Retention};
use super::writer::fault;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

/// Rows that one pruning drops at most in each step: pruning shares the writer with everybody else.
const STEP_MAX: i64 = 10_000;
/// How long a key that was cut from the annotation, or a store row of it, is remembered.
const TRUNCATED_AGE_MS: i64 = 90 * 24 * 60 * 60 * 1000;

const OLD: &str = "
SELECT seq FROM delivery WHERE state = 4 AND updated_ms < $1 ORDER BY seq LIMIT $2";
const FINISHED: &str = "
SELECT seq FROM delivery WHERE state > 4 AND updated_ms < $1 UNION ALL
SELECT seq FROM delivery WHERE state = 3 AND updated_ms < $1 LIMIT $2";
const FINISHED_EXCESS: &str = "
SELECT seq FROM delivery WHERE state IN (3, 5, 6, 7) ORDER BY seq
LIMIT max(0, min($2, (SELECT count(*) FROM delivery WHERE state IN (3, 5, 6, 7)) - $1))";
const SHARES: &str = "
SELECT config_namespace, count(*) AS letters, sum(body_bytes) AS bytes FROM delivery WHERE state = 4 GROUP BY config_namespace";
const TENANTS_OLDEST: &str = "
SELECT seq FROM delivery WHERE state = 4 AND config_namespace = $1 ORDER BY seq LIMIT $2";
const TENANTS_OLDEST_BYTES: &str = "
SELECT seq FROM (SELECT seq, sum(body_bytes) OVER (ORDER BY seq) - body_bytes AS before FROM delivery
    WHERE state = 4 AND config_namespace = $1) WHERE before < $2 ORDER BY seq";
const DROP: &str = "
DELETE FROM attempt WHERE seq IN (SELECT value FROM json_each($1));
DELETE FROM body WHERE seq IN (SELECT value FROM json_each($1));
DELETE FROM delivery WHERE seq IN (SELECT value FROM json_each($1))";
const FORGOTTEN: &str = "DELETE FROM key_state WHERE phase = 'truncated' AND changed_ms < $1";
/// The last code point ends the range of names that begin with the prefix.
const OLD_VALUES: &str = "
DELETE FROM meta WHERE name IN (SELECT name FROM meta
    WHERE name >= $1 AND name < $1 || char(1114111) AND CAST(value AS INTEGER) < $2 LIMIT $3)";

fn failed(error: sqlx::Error) -> Error {
    fault("prune the store", &error)
}

/// Drops what the retention no longer covers.
pub(super) async fn prune(connection: &mut SqliteConnection, keep: Retention, now_ms: i64) -> Result<Pruned, Error> {
    let mut pruned = Pruned::default();
    pruned.dead += select_and_drop(connection, OLD, now_ms.saturating_sub(keep.dead_age_ms)).await?;
    pruned.finished += select_and_drop(connection, FINISHED, now_ms.saturating_sub(keep.finished_age_ms)).await?;
    let finished_max = i64::try_from(keep.finished_max).unwrap_or(i64::MAX);
    pruned.finished += select_and_drop(connection, FINISHED_EXCESS, finished_max).await?;
    pruned.dead += by_share(connection, "letters", TENANTS_OLDEST, keep.dead_max).await?;
    pruned.dead += by_share(connection, "bytes", TENANTS_OLDEST_BYTES, keep.dead_bytes).await?;
    let long_ago = now_ms.saturating_sub(TRUNCATED_AGE_MS);
    sqlx::query(FORGOTTEN).bind(long_ago).execute(&mut *connection).await.map_err(failed)?;
    Ok(pruned)
}

/// Drops values that begin with an older time.
pub(super) async fn forget_values(
    connection: &mut SqliteConnection,
    prefix: &str,
    before_ms: i64,
) -> Result<u64, Error> {
    let query = sqlx::query(OLD_VALUES).bind(prefix).bind(before_ms).bind(STEP_MAX);
    let done = query.execute(connection).await.map_err(|error| fault("forget old values", &error))?;
    Ok(done.rows_affected())
}

async fn select_and_drop(connection: &mut SqliteConnection, sql: &'static str, bound: i64) -> Result<u64, Error> {
    let rows = sqlx::query_scalar(sql).bind(bound).bind(STEP_MAX).fetch_all(&mut *connection).await.map_err(failed)?;
    drop_rows(connection, rows).await
}

async fn by_share(connection: &mut SqliteConnection, measure: &str, sql: &'static str, max: u64) -> Result<u64, Error> {
    let rows = sqlx::query(SHARES).fetch_all(&mut *connection).await.map_err(failed)?;
    let mut held = Vec::new();
    for row in &rows {
        let amount: i64 = row.try_get(measure).map_err(failed)?;
        held.push((row.try_get::<String, _>("config_namespace").map_err(failed)?, amount.unsigned_abs()));
    }
    let mut dropped = 0;
    for (tenant, excess) in excess_by_tenant(held, max) {
        let excess = i64::try_from(excess).unwrap_or(i64::MAX);
        let oldest =
            sqlx::query_scalar(sql).bind(tenant).bind(excess).fetch_all(&mut *connection).await.map_err(failed)?;
        dropped += drop_rows(connection, oldest).await?;
    }
    Ok(dropped)
}

async fn drop_rows(connection: &mut SqliteConnection, rows: Vec<i64>) -> Result<u64, Error> {
    if rows.is_empty() {
        return Ok(0);
    }
    let list = serde_json::Value::from(rows.as_slice()).to_string();
    sqlx::query(DROP).bind(list).execute(connection).await.map_err(failed)?;
    Ok(rows.len() as u64)
}

/// How much each tenant has above the level to which `max` fills them all.
fn excess_by_tenant(mut held: Vec<(String, u64)>, max: u64) -> Vec<(String, u64)> {
    if held.iter().map(|(_, amount)| amount).sum::<u64>() <= max {
        return Vec::new();
    }
    held.sort_by_key(|(_, amount)| *amount);
    let mut left = max;
    let mut tenants = held.len() as u64;
    let mut excess = Vec::new();
    for (tenant, amount) in held {
        let share = left.div_ceil(tenants.max(1)).min(left).min(amount);
        left -= share;
        tenants -= 1;
        if amount > share {
            excess.push((tenant, amount - share));
        }
    }
    excess
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenant_that_has_most_loses() {
        let held = vec![("a".to_owned(), 10), ("b".to_owned(), 1_000), ("c".to_owned(), 20)];
        assert_eq!(excess_by_tenant(held.clone(), 100), [("b".to_owned(), 930)]);
        assert!(excess_by_tenant(held, 1_030).is_empty());
    }
}
