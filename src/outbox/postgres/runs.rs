//! Runs of approvals in PostgreSQL. A change of a run may be run twice where an answer was lost: its version makes it happen once.

use super::super::rows::Columns as _;
use super::super::runs::queries::{self, WORK};
use super::super::runs::{Kept, Opened, RunFilter, Runs};
use super::super::statement::Statement;
use super::super::store::Error;
use super::PostgresStore;
use super::reading::query;
use super::writer::{Order, Work, fault};
use crate::gate::approval::{Run, RunId};
use async_trait::async_trait;
use sqlx::postgres::PgConnection;
use std::sync::Arc;

fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn failed(error: sqlx::Error) -> Error {
    fault(WORK, &error)
}

/// Work that runs one statement and answers how many rows it changed.
fn order(statement: Statement, wakes: bool) -> Order<u64> {
    let work: Work<u64> = Box::new(move |connection| Box::pin(run(connection, statement.clone())));
    Order { work, wakes, in_doubt: None }
}

async fn run(connection: &mut PgConnection, statement: Statement) -> Result<u64, Error> {
    Ok(query(statement).execute(connection).await.map_err(failed)?.rows_affected())
}

async fn all(connection: &mut PgConnection, statement: Statement) -> Result<Vec<Kept>, Error> {
    query(statement).fetch_all(connection).await.map_err(failed)?.iter().map(queries::kept).collect()
}

async fn maybe(connection: &mut PgConnection, statement: Statement) -> Result<Option<Kept>, Error> {
    Ok(all(connection, statement).await?.into_iter().next())
}

async fn open(connection: &mut PgConnection, new: &Run, open_max: i64) -> Result<Opened, Error> {
    if let Some(known) = maybe(connection, queries::of_subject(new)).await? {
        return Ok(Opened::Known(known));
    }
    let open = query(queries::open_of(new)).fetch_one(&mut *connection).await.map_err(failed)?;
    if open.int("open")? >= open_max {
        return Ok(Opened::Full);
    }
    let is_new = run(connection, queries::insert(new)?).await? == 1;
    let known = if is_new { None } else { maybe(connection, queries::of_subject(new)).await? };
    queries::opened(new, is_new, known)
}

#[async_trait]
impl Runs for PostgresStore {
    async fn open_run(&self, run: &Run, open_max: usize) -> Result<Opened, Error> {
        let run = Arc::new(run.clone());
        let work: Work<Opened> = Box::new(move |connection| {
            let run = Arc::clone(&run);
            Box::pin(async move { open(connection, &run, bound(open_max)).await })
        });
        self.second(Order { work, wakes: false, in_doubt: None }).await
    }

    async fn run(&self, id: RunId) -> Result<Option<Kept>, Error> {
        self.read(move |connection| Box::pin(maybe(connection, queries::one(id)))).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<Kept>, Error> {
        let statement = queries::list(filter);
        self.read(move |connection| Box::pin(all(connection, statement))).await
    }

    async fn put_run(&self, run: &Run, version: i64, now_ms: i64) -> Result<bool, Error> {
        // Other processes hear of it: one of them may own the approval.
        Ok(self.first(order(queries::put(run, version, now_ms)?, true)).await? == 1)
    }

    async fn shown_run(&self, id: RunId, version: i64) -> Result<(), Error> {
        self.second(order(queries::shown(id, version), false)).await.map(drop)
    }

    async fn owed_runs(&self, limit: usize) -> Result<Vec<Kept>, Error> {
        self.read(move |connection| Box::pin(all(connection, queries::owed(bound(limit))))).await
    }

    async fn due_runs(&self, at_ms: i64, limit: usize) -> Result<Vec<Kept>, Error> {
        self.read(move |connection| Box::pin(all(connection, queries::due(at_ms, bound(limit))))).await
    }

    async fn open_runs(&self) -> Result<(u64, Option<i64>), Error> {
        self.read(|connection| {
            Box::pin(async move {
                let row = query(queries::count()).fetch_one(connection).await.map_err(failed)?;
                queries::counted(&row)
            })
        })
        .await
    }

    async fn prune_runs(&self, before_ms: i64) -> Result<u64, Error> {
        self.second(order(queries::forget(before_ms), false)).await
    }
}
