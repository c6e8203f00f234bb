//! What is kept of what is over. Dead letters that are too many go by tenant share: the tenant that has most loses its oldest.

use super::super::rows::Columns as _;
use super::super::store::{Error, Pruned, Retention};
use super::super::turns::excess_by_tenant;
use super::sql::{Task, task};
use rusqlite::{Connection, params};

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
const DROP: [&str; 3] = [
    "DELETE FROM attempt WHERE seq IN (SELECT value FROM json_each($1))",
    "DELETE FROM body WHERE seq IN (SELECT value FROM json_each($1))",
    "DELETE FROM delivery WHERE seq IN (SELECT value FROM json_each($1))",
];
const FINISHED_BYTES: &str = "
SELECT seq FROM (SELECT seq, sum(body_bytes) OVER (ORDER BY seq DESC) AS with_newer FROM delivery WHERE state IN (3, 5, 6, 7))
WHERE with_newer > $1 ORDER BY seq LIMIT $2";
/// Pages given back to the file system by one pruning: 32 MiB.
const VACUUM: &str = "PRAGMA incremental_vacuum(4096)";
const FORGOTTEN: &str = "DELETE FROM key_state WHERE phase = 'truncated' AND changed_ms < $1";
/// The last code point ends the range of names that begin with the prefix.
const OLD_VALUES: &str = "
DELETE FROM meta WHERE name IN (SELECT name FROM meta
    WHERE name >= $1 AND name < $1 || char(1114111) AND CAST(value AS INTEGER) < $2 LIMIT $3)";

/// Drops what the retention no longer covers.
pub(super) fn prune(connection: &Connection, keep: Retention, now_ms: i64) -> Result<Pruned, Error> {
    let (task, mut pruned) = (task(connection, "prune the store"), Pruned::default());
    pruned.dead += select_and_drop(&task, OLD, now_ms.saturating_sub(keep.dead_age_ms))?;
    pruned.finished += select_and_drop(&task, FINISHED, now_ms.saturating_sub(keep.finished_age_ms))?;
    let whole = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
    pruned.finished += select_and_drop(&task, FINISHED_EXCESS, whole(keep.finished_max))?;
    pruned.finished += select_and_drop(&task, FINISHED_BYTES, whole(keep.finished_bytes))?;
    pruned.dead += by_share(&task, "letters", TENANTS_OLDEST, keep.dead_max)?;
    pruned.dead += by_share(&task, "bytes", TENANTS_OLDEST_BYTES, keep.dead_bytes)?;
    task.run(FORGOTTEN, params![now_ms.saturating_sub(TRUNCATED_AGE_MS)])?;
    // It gives a page back with each row that it is asked for.
    task.all(VACUUM, &[], |_| Ok(()))?;
    Ok(pruned)
}

/// Drops values that begin with an older time.
pub(super) fn forget_values(connection: &Connection, prefix: &str, before_ms: i64) -> Result<u64, Error> {
    task(connection, "forget old values").run(OLD_VALUES, params![prefix, before_ms, STEP_MAX])
}

fn select_and_drop(task: &Task<'_>, sql: &str, bound: i64) -> Result<u64, Error> {
    let rows = task.all(sql, params![bound, STEP_MAX], |row| row.int("seq"))?;
    drop_rows(task, &rows)
}

fn by_share(task: &Task<'_>, measure: &'static str, sql: &str, max: u64) -> Result<u64, Error> {
    let held = task.all(SHARES, &[], |row| Ok((row.text("config_namespace")?, row.int(measure)?.unsigned_abs())))?;
    let mut dropped = 0;
    for (tenant, excess) in excess_by_tenant(held, max) {
        let excess = i64::try_from(excess).unwrap_or(i64::MAX);
        let oldest = task.all(sql, params![tenant, excess], |row| row.int("seq"))?;
        dropped += drop_rows(task, &oldest)?;
    }
    Ok(dropped)
}

fn drop_rows(task: &Task<'_>, rows: &[i64]) -> Result<u64, Error> {
    if rows.is_empty() {
        return Ok(0);
    }
    task.run_each(&DROP, params![serde_json::Value::from(rows).to_string()])?;
    Ok(rows.len() as u64)
}
