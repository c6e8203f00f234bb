//! The statements of [`super::Runs`] and how their rows are read: the same for both databases, each of which runs them itself.

use super::super::rows::{Columns, corrupt};
use super::super::statement::Statement;
use super::super::store::Error;
use super::{Kept, Opened, RunFilter};
use crate::gate::approval::{Run, RunId};

/// What is said of these statements when one fails.
pub(in super::super) const WORK: &str = "work on the runs of approvals";
/// Rows that one call forgets at most.
const FORGET_MAX: i64 = 10_000;

/// A row of `approval_run`.
pub(in super::super) fn kept(row: &impl Columns) -> Result<Kept, Error> {
    let run = serde_json::from_str(&row.text("document")?)
        .map_err(|error| corrupt(format!("approval_run.document: {error}")))?;
    Ok(Kept { run, version: row.int("version")?, owed: row.int("owed")? == 1 })
}

/// The row of [`count`].
pub(in super::super) fn counted(row: &impl Columns) -> Result<(u64, Option<i64>), Error> {
    Ok((row.int("open")?.unsigned_abs(), row.maybe_int("oldest")?))
}

/// What an opening came to after [`insert`]: whether it made a row, and if not, which one was there of its subject.
pub(in super::super) fn opened(run: &Run, is_new: bool, known: Option<Kept>) -> Result<Opened, Error> {
    match known {
        _ if is_new => Ok(Opened::New(Kept { run: run.clone(), version: 1, owed: true })),
        Some(known) => Ok(Opened::Known(known)),
        None => Err(Error::Unstorable(format!("there is a run {} already", run.id))),
    }
}

fn document(run: &Run) -> Result<String, Error> {
    serde_json::to_string(run).map_err(|error| Error::Unstorable(error.to_string()))
}

pub(in super::super) fn of_subject(run: &Run) -> Statement {
    let text =
        "SELECT * FROM approval_run WHERE approval_uid = $1 AND branch = $2 AND sha = $3 AND phase <> 'superseded'";
    Statement::new(text)
        .bind(run.approval.uid.as_str())
        .bind(run.subject.branch.as_str())
        .bind(run.subject.sha.as_str())
}

/// How many of an approval are open, as `open`.
pub(in super::super) fn open_of(run: &Run) -> Statement {
    let text = "SELECT count(*) AS open FROM approval_run WHERE approval_uid = $1 AND is_open = 1";
    Statement::new(text).bind(run.approval.uid.as_str())
}

/// Changes no row where somebody else was quicker.
pub(in super::super) fn insert(run: &Run) -> Result<Statement, Error> {
    let text = "INSERT INTO approval_run (id, approval_uid, namespace, name, branch, sha, phase, is_open, requested_ms,
                    deadline_ms, updated_ms, document)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9, $11) ON CONFLICT DO NOTHING";
    Ok(Statement::new(text)
        .bind(run.id.to_string())
        .bind(run.approval.uid.as_str())
        .bind(run.approval.namespace.as_str())
        .bind(run.approval.name.as_str())
        .bind(run.subject.branch.as_str())
        .bind(run.subject.sha.as_str())
        .bind(run.phase.as_str())
        .bind(i64::from(run.phase.is_open()))
        .bind(run.requested_ms)
        .bind(run.deadline_ms)
        .bind(document(run)?))
}

pub(in super::super) fn one(id: RunId) -> Statement {
    Statement::new("SELECT * FROM approval_run WHERE id = $1").bind(id.to_string())
}

pub(in super::super) fn list(filter: &RunFilter) -> Statement {
    let text = "SELECT * FROM approval_run
                WHERE ($1 IS NULL OR namespace = $1) AND ($2 IS NULL OR name = $2) AND ($3 IS NULL OR branch = $3)
                    AND ($4 IS NULL OR sha = $4) AND ($5 IS NULL OR is_open = $5) AND ($6 IS NULL OR requested_ms < $6)
                    AND ($8 IS NULL OR requested_ms < (SELECT a.requested_ms FROM approval_run a WHERE a.id = $8)
                        OR id > $8 AND requested_ms = (SELECT a.requested_ms FROM approval_run a WHERE a.id = $8))
                ORDER BY requested_ms DESC, id LIMIT $7";
    Statement::new(text)
        .bind(filter.namespace.clone())
        .bind(filter.name.clone())
        .bind(filter.branch.clone())
        .bind(filter.sha.clone())
        .bind(filter.is_open.map(i64::from))
        .bind(filter.before_ms)
        .bind(filter.page())
        .bind(filter.after.map(|id| id.to_string()))
}

/// Changes no row where the version is another.
pub(in super::super) fn put(run: &Run, version: i64, now_ms: i64) -> Result<Statement, Error> {
    let text =
        "UPDATE approval_run SET phase = $3, is_open = $4, updated_ms = $5, document = $6, version = version + 1, owed = 1
         WHERE id = $1 AND version = $2";
    Ok(Statement::new(text)
        .bind(run.id.to_string())
        .bind(version)
        .bind(run.phase.as_str())
        .bind(i64::from(run.phase.is_open()))
        .bind(now_ms)
        .bind(document(run)?))
}

pub(in super::super) fn shown(id: RunId, version: i64) -> Statement {
    Statement::new("UPDATE approval_run SET owed = 0 WHERE id = $1 AND version = $2 AND owed = 1")
        .bind(id.to_string())
        .bind(version)
}

pub(in super::super) fn owed(limit: i64) -> Statement {
    Statement::new("SELECT * FROM approval_run WHERE owed = 1 ORDER BY updated_ms LIMIT $1").bind(limit)
}

pub(in super::super) fn due(at_ms: i64, limit: i64) -> Statement {
    Statement::new("SELECT * FROM approval_run WHERE is_open = 1 AND deadline_ms <= $1 ORDER BY deadline_ms LIMIT $2")
        .bind(at_ms)
        .bind(limit)
}

pub(in super::super) const fn count() -> Statement {
    Statement::new("SELECT count(*) AS open, min(requested_ms) AS oldest FROM approval_run WHERE is_open = 1")
}

pub(in super::super) fn forget(before_ms: i64) -> Statement {
    let text = "DELETE FROM approval_run WHERE id IN (
                    SELECT id FROM approval_run WHERE is_open = 0 AND owed = 0 AND updated_ms < $1 LIMIT $2)";
    Statement::new(text).bind(before_ms).bind(FORGET_MAX)
}
