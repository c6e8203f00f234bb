//! The statements of [`super::Runs`] and how their rows are read: the same for both databases, each of which runs them itself.

use super::super::rows::{Columns, corrupt};
use super::super::seal::{Keys, Stored};
use super::super::statement::{Naming, Statement};
use super::super::store::Error;
use super::{Kept, Left, Opened, RunFilter, Unshown};
use crate::gate::approval::{ApprovalId, Run, RunId};

/// What is said of these statements when one fails.
pub(in super::super) const WORK: &str = "work on the runs of approvals";
/// Rows that one call forgets at most.
const FORGET_MAX: i64 = 10_000;

/// A row of `approval_run`.
pub(in super::super) fn kept(row: &impl Columns, keys: &Keys) -> Result<Kept, Error> {
    let unreadable = |error: serde_json::Error| corrupt(format!("approval_run.document: {error}"));
    let run = match (row.maybe_bytes("sealed")?, row.maybe_text("key_id")?) {
        (Some(sealed), Some(key_id)) => {
            let plain = keys.open_run(&row.text("id")?, &key_id, sealed).map_err(Error::Sealed)?;
            serde_json::from_slice(&plain).map_err(unreadable)?
        }
        _ => serde_json::from_str(&row.text("document")?).map_err(unreadable)?,
    };
    Ok(Kept { run, version: row.int("version")?, owed: row.int("owed")? == 1 })
}

/// A row among others: one that cannot be opened hurts none of them.
pub(in super::super) fn kept_among(row: &impl Columns, keys: &Keys) -> Result<Option<Kept>, Error> {
    match kept(row, keys) {
        Err(Error::Sealed(locked)) => {
            tracing::warn!(run = row.text("id")?, "a run of an approval is {locked}");
            Ok(None)
        }
        kept => kept.map(Some),
    }
}

/// A row of [`unshown`].
pub(in super::super) fn not_shown(row: &impl Columns) -> Result<Unshown, Error> {
    let (namespace, name, uid) = (row.text("namespace")?, row.text("name")?, row.text("approval_uid")?);
    let id = row.text("id")?.parse();
    Ok(Unshown {
        id: id.map_err(|error| corrupt(format!("approval_run.id: {error}")))?,
        version: row.int("version")?,
        approval: ApprovalId { namespace, name, uid },
    })
}

/// Says in the log what a row of [`needed_keys`] waits for, if that key is not there.
pub(in super::super) fn warn_of_missing_key(row: &impl Columns, keys: &Keys) -> Result<(), Error> {
    keys.warn_if_missing(&row.text("key_id")?, row.int("n")?, "runs of approvals");
    Ok(())
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

/// A run as its row has it: sealed, or as plain text.
struct Document {
    plain: String,
    sealed: Option<Vec<u8>>,
    key_id: Option<String>,
}

fn document(run: &Run, keys: &Keys) -> Result<Document, Error> {
    let plain = serde_json::to_string(run).map_err(|error| Error::Unstorable(error.to_string()))?;
    if !keys.encrypts() {
        return Ok(Document { plain, sealed: None, key_id: None });
    }
    let Stored { bytes, key_id } = keys.seal_run(&run.id.to_string(), plain.as_bytes())?;
    Ok(Document { plain: String::new(), sealed: Some(bytes), key_id })
}

/// Begins a query of runs that one of the keys opens: what waits for its key keeps no other from its turn.
fn of_runs(keys: &Keys) -> Statement {
    let mut query = Statement::begin("SELECT * FROM approval_run WHERE (key_id IS NULL", Naming::Numbered);
    for id in keys.ids() {
        query.push(" OR key_id = ").push_bind(id);
    }
    query.push(")");
    query
}

pub(in super::super) fn of_subject(run: &Run) -> Statement {
    let text =
        "SELECT * FROM approval_run WHERE approval_uid = $1 AND branch = $2 AND sha = $3 AND phase <> 'superseded'";
    Statement::new(text)
        .bind(run.approval.uid.as_str())
        .bind(run.subject.branch.as_str())
        .bind(run.subject.sha.as_str())
}

/// How many of an approval are open, as `open`. Its name is asked for because there is an index of it.
pub(in super::super) fn open_of(run: &Run) -> Statement {
    let text = "SELECT count(*) AS open FROM approval_run
                WHERE namespace = $1 AND name = $2 AND approval_uid = $3 AND is_open = 1";
    Statement::new(text)
        .bind(run.approval.namespace.as_str())
        .bind(run.approval.name.as_str())
        .bind(run.approval.uid.as_str())
}

/// Changes no row where somebody else was quicker.
pub(in super::super) fn insert(run: &Run, keys: &Keys) -> Result<Statement, Error> {
    let text = "INSERT INTO approval_run (id, approval_uid, namespace, name, branch, sha, phase, is_open, requested_ms,
                    deadline_ms, updated_ms, document, sealed, key_id)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9, $11, $12, $13) ON CONFLICT DO NOTHING";
    let Document { plain, sealed, key_id } = document(run, keys)?;
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
        .bind(plain)
        .bind(sealed)
        .bind(key_id))
}

pub(in super::super) fn one(id: RunId) -> Statement {
    Statement::new("SELECT * FROM approval_run WHERE id = $1").bind(id.to_string())
}

/// Only what is asked for stands in the statement: a condition that holds for all would keep the database from its indexes.
pub(in super::super) fn list(filter: &RunFilter, keys: &Keys) -> Statement {
    let mut query = of_runs(keys);
    let texts = [
        (" AND namespace = ", &filter.namespace),
        (" AND name = ", &filter.name),
        (" AND branch = ", &filter.branch),
        (" AND sha = ", &filter.sha),
    ];
    for (condition, value) in texts {
        if let Some(value) = value {
            query.push(condition).push_bind(value.as_str());
        }
    }
    if let Some(is_open) = filter.is_open {
        query.push(if is_open { " AND is_open = 1" } else { " AND is_open = 0" });
    }
    if let Some(before_ms) = filter.before_ms {
        query.push(" AND requested_ms < ").push_bind(before_ms);
    }
    if let Some(after) = filter.after {
        const ITS: &str = "(SELECT a.requested_ms FROM approval_run a WHERE a.id = ";
        let after = after.to_string();
        query.push(" AND requested_ms <= ").push(ITS).push_bind(after.as_str()).push(")");
        query.push(" AND (requested_ms < ").push(ITS).push_bind(after.as_str());
        query.push(") OR id > ").push_bind(after).push(")");
    }
    query.push(" ORDER BY requested_ms DESC, id LIMIT ").push_bind(filter.page());
    query
}

/// Changes no row where the version is another.
pub(in super::super) fn put(run: &Run, version: i64, now_ms: i64, keys: &Keys) -> Result<Statement, Error> {
    let text =
        "UPDATE approval_run SET phase = $3, is_open = $4, updated_ms = $5, document = $6, sealed = $7, key_id = $8,
                    version = version + 1, owed = 1
                WHERE id = $1 AND version = $2";
    let Document { plain, sealed, key_id } = document(run, keys)?;
    Ok(Statement::new(text)
        .bind(run.id.to_string())
        .bind(version)
        .bind(run.phase.as_str())
        .bind(i64::from(run.phase.is_open()))
        .bind(now_ms)
        .bind(plain)
        .bind(sealed)
        .bind(key_id))
}

pub(in super::super) fn shown(id: RunId, version: i64, left: Left) -> Statement {
    Statement::new("UPDATE approval_run SET owed = $3 WHERE id = $1 AND version = $2 AND owed > 0")
        .bind(id.to_string())
        .bind(version)
        .bind(left.code())
}

pub(in super::super) fn unshown(limit: i64) -> Statement {
    let text = "SELECT id, version, namespace, name, approval_uid FROM approval_run WHERE owed = 2 ORDER BY updated_ms LIMIT $1";
    Statement::new(text).bind(limit)
}

pub(in super::super) fn owed(limit: i64, keys: &Keys) -> Statement {
    let mut query = of_runs(keys);
    query.push(" AND owed = 1 ORDER BY updated_ms LIMIT ").push_bind(limit);
    query
}

pub(in super::super) fn due(at_ms: i64, limit: i64, keys: &Keys) -> Statement {
    let mut query = of_runs(keys);
    query.push(" AND is_open = 1 AND deadline_ms <= ").push_bind(at_ms);
    query.push(" ORDER BY deadline_ms LIMIT ").push_bind(limit);
    query
}

/// Two questions, each answered by an index alone.
pub(in super::super) const fn count() -> Statement {
    let text = "SELECT (SELECT count(*) FROM approval_run WHERE is_open = 1) AS open,
                    (SELECT min(requested_ms) FROM approval_run WHERE is_open = 1) AS oldest";
    Statement::new(text)
}

/// Which keys open what is there, and how many runs each.
pub(in super::super) const fn needed_keys() -> Statement {
    Statement::new("SELECT key_id, count(*) AS n FROM approval_run WHERE key_id IS NOT NULL GROUP BY key_id")
}

pub(in super::super) fn forget(before_ms: i64) -> Statement {
    let text = "DELETE FROM approval_run WHERE id IN (
                    SELECT id FROM approval_run WHERE is_open = 0 AND owed = 0 AND updated_ms < $1 LIMIT $2)";
    Statement::new(text).bind(before_ms).bind(FORGET_MAX)
}
