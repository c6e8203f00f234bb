//! Runs of approvals in SQLite.

use super::super::rows::Columns as _;
use super::super::runs::queries::{self, WORK};
use super::super::runs::{Kept, Opened, RunFilter, Runs};
use super::super::statement::Statement;
use super::super::store::Error;
use super::sql::{task, values};
use super::{Priority, SqliteStore, bound};
use crate::gate::approval::{Run, RunId};
use async_trait::async_trait;
use rusqlite::Connection;

/// How many rows it changed.
fn run(connection: &Connection, statement: &Statement) -> Result<u64, Error> {
    task(connection, WORK).run(&statement.text, &values(statement))
}

fn all(connection: &Connection, statement: &Statement) -> Result<Vec<Kept>, Error> {
    task(connection, WORK).all(&statement.text, &values(statement), |row| queries::kept(row))
}

fn maybe(connection: &Connection, statement: &Statement) -> Result<Option<Kept>, Error> {
    Ok(all(connection, statement)?.into_iter().next())
}

fn open(connection: &Connection, new: &Run, open_max: i64) -> Result<Opened, Error> {
    if let Some(known) = maybe(connection, &queries::of_subject(new))? {
        return Ok(Opened::Known(known));
    }
    let open = queries::open_of(new);
    if task(connection, WORK).one(&open.text, &values(&open), |row| row.int("open"))? >= open_max {
        return Ok(Opened::Full);
    }
    let is_new = run(connection, &queries::insert(new)?)? == 1;
    // There is one writer: nobody was quicker with the same subject.
    queries::opened(new, is_new, None)
}

impl SqliteStore {
    async fn runs_of(&self, statement: Statement) -> Result<Vec<Kept>, Error> {
        self.scan(move |connection| all(connection, &statement)).await
    }
}

#[async_trait]
impl Runs for SqliteStore {
    async fn open_run(&self, run: &Run, open_max: usize) -> Result<Opened, Error> {
        let run = run.clone();
        self.write(Priority::Second, move |connection| open(connection, &run, bound(open_max))).await
    }

    async fn run(&self, id: RunId) -> Result<Option<Kept>, Error> {
        self.point(move |connection| maybe(connection, &queries::one(id))).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<Kept>, Error> {
        self.runs_of(queries::list(filter)).await
    }

    async fn put_run(&self, changed: &Run, version: i64, now_ms: i64) -> Result<bool, Error> {
        let statement = queries::put(changed, version, now_ms)?;
        Ok(self.write(Priority::First, move |connection| run(connection, &statement)).await? == 1)
    }

    async fn shown_run(&self, id: RunId, version: i64) -> Result<(), Error> {
        self.write(Priority::Second, move |connection| run(connection, &queries::shown(id, version)).map(drop)).await
    }

    async fn owed_runs(&self, limit: usize) -> Result<Vec<Kept>, Error> {
        self.runs_of(queries::owed(bound(limit))).await
    }

    async fn due_runs(&self, at_ms: i64, limit: usize) -> Result<Vec<Kept>, Error> {
        self.runs_of(queries::due(at_ms, bound(limit))).await
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
