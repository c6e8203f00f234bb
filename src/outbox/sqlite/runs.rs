//! Runs of approvals in SQLite.

use super::super::rows::Columns as _;
use super::super::runs::queries::{self, WORK};
use super::super::runs::{Kept, Left, Opened, RunFilter, Runs, Unshown};
use super::super::seal::Keys;
use super::super::statement::Statement;
use super::super::store::Error;
use super::sql::{task, values};
use super::{Priority, SqliteStore, bound};
use crate::gate::approval::{Run, RunId};
use async_trait::async_trait;
use rusqlite::Connection;
use std::sync::Arc;

/// How many rows it changed.
fn run(connection: &Connection, statement: &Statement) -> Result<u64, Error> {
    task(connection, WORK).run(&statement.text, &values(statement))
}

fn all(connection: &Connection, statement: &Statement, keys: &Keys) -> Result<Vec<Kept>, Error> {
    let rows = task(connection, WORK).all(&statement.text, &values(statement), |row| queries::kept_among(row, keys))?;
    Ok(rows.into_iter().flatten().collect())
}

fn maybe(connection: &Connection, statement: &Statement, keys: &Keys) -> Result<Option<Kept>, Error> {
    task(connection, WORK).maybe(&statement.text, &values(statement), |row| queries::kept(row, keys))
}

fn open(connection: &Connection, new: &Run, open_max: i64, keys: &Keys) -> Result<Opened, Error> {
    if let Some(known) = maybe(connection, &queries::of_subject(new), keys)? {
        return Ok(Opened::Known(known));
    }
    let open = queries::open_of(new);
    if task(connection, WORK).one(&open.text, &values(&open), |row| row.int("open"))? >= open_max {
        return Ok(Opened::Full);
    }
    let is_new = run(connection, &queries::insert(new, keys)?)? == 1;
    // There is one writer: nobody was quicker with the same subject.
    queries::opened(new, is_new, None)
}

/// Says in the log which runs wait for a key that is not there.
pub(super) fn warn_of_missing_keys(connection: &Connection, keys: &Keys) -> Result<(), Error> {
    let needed = queries::needed_keys();
    task(connection, WORK).all(&needed.text, &[], |row| queries::warn_of_missing_key(row, keys)).map(drop)
}

impl SqliteStore {
    async fn runs_of(&self, statement: Statement) -> Result<Vec<Kept>, Error> {
        let keys = Arc::clone(&self.shared.keys);
        self.scan(move |connection| all(connection, &statement, &keys)).await
    }
}

#[async_trait]
impl Runs for SqliteStore {
    async fn open_run(&self, run: &Run, open_max: usize) -> Result<Opened, Error> {
        let (run, keys) = (run.clone(), Arc::clone(&self.shared.keys));
        self.write(Priority::Second, move |connection| open(connection, &run, bound(open_max), &keys)).await
    }

    async fn run(&self, id: RunId) -> Result<Option<Kept>, Error> {
        let keys = Arc::clone(&self.shared.keys);
        self.point(move |connection| maybe(connection, &queries::one(id), &keys)).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<Kept>, Error> {
        self.runs_of(queries::list(filter, &self.shared.keys)).await
    }

    async fn put_run(&self, changed: &Run, version: i64, now_ms: i64) -> Result<bool, Error> {
        let statement = queries::put(changed, version, now_ms, &self.shared.keys)?;
        Ok(self.write(Priority::First, move |connection| run(connection, &statement)).await? == 1)
    }

    async fn shown_runs(&self, versions: Vec<(RunId, i64)>, left: Left) -> Result<(), Error> {
        self.write(Priority::Second, move |connection| {
            versions
                .iter()
                .try_for_each(|(id, version)| run(connection, &queries::shown(*id, *version, left)).map(drop))
        })
        .await
    }

    async fn owed_runs(&self, limit: usize) -> Result<Vec<Kept>, Error> {
        self.runs_of(queries::owed(bound(limit), &self.shared.keys)).await
    }

    async fn owed_statuses(&self, limit: usize) -> Result<Vec<Unshown>, Error> {
        let statement = queries::unshown(bound(limit));
        self.scan(move |connection| {
            task(connection, WORK).all(&statement.text, &values(&statement), |row| queries::not_shown(row))
        })
        .await
    }

    async fn due_runs(&self, at_ms: i64, limit: usize) -> Result<Vec<Kept>, Error> {
        self.runs_of(queries::due(at_ms, bound(limit), &self.shared.keys)).await
    }

    async fn open_runs(&self) -> Result<(u64, Option<i64>), Error> {
        let work = |connection: &Connection| {
            task(connection, WORK).one(&queries::count().text, &[], |row| queries::counted(row))
        };
        self.scan(work).await
    }

    async fn prune_runs(&self, before_ms: i64) -> Result<u64, Error> {
        self.write(Priority::Second, move |connection| run(connection, &queries::forget(before_ms))).await
    }
}
