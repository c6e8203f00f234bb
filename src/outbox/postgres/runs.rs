//! Runs of approvals in PostgreSQL. A change of a run may be run twice where an answer was lost: its version makes it happen once.

use super::super::rows::Columns as _;
use super::super::runs::queries::{self, WORK};
use super::super::runs::{Kept, Left, Opened, RunFilter, Runs, Unshown};
use super::super::seal::Keys;
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

async fn all(connection: &mut PgConnection, statement: Statement, keys: &Keys) -> Result<Vec<Kept>, Error> {
    let rows = query(statement).fetch_all(connection).await.map_err(failed)?;
    rows.iter().filter_map(|row| queries::kept_among(row, keys).transpose()).collect()
}

async fn maybe(connection: &mut PgConnection, statement: Statement, keys: &Keys) -> Result<Option<Kept>, Error> {
    let row = query(statement).fetch_optional(connection).await.map_err(failed)?;
    row.as_ref().map(|row| queries::kept(row, keys)).transpose()
}

async fn open(connection: &mut PgConnection, new: &Run, open_max: i64, keys: &Keys) -> Result<Opened, Error> {
    if let Some(known) = maybe(connection, queries::of_subject(new), keys).await? {
        return Ok(Opened::Known(known));
    }
    let open = query(queries::open_of(new)).fetch_one(&mut *connection).await.map_err(failed)?;
    if open.int("open")? >= open_max {
        return Ok(Opened::Full);
    }
    let is_new = run(connection, queries::insert(new, keys)?).await? == 1;
    let known = if is_new { None } else { maybe(connection, queries::of_subject(new), keys).await? };
    queries::opened(new, is_new, known)
}

async fn shown(connection: &mut PgConnection, versions: &[(RunId, i64)], left: Left) -> Result<(), Error> {
    for (id, version) in versions {
        run(connection, queries::shown(*id, *version, left)).await?;
    }
    Ok(())
}

/// Says in the log which runs wait for a key that is not there.
pub(super) async fn warn_of_missing_keys(connection: &mut PgConnection, keys: &Keys) -> Result<(), Error> {
    let rows = query(queries::needed_keys()).fetch_all(connection).await.map_err(failed)?;
    rows.iter().try_for_each(|row| queries::warn_of_missing_key(row, keys))
}

impl PostgresStore {
    async fn runs_of(&self, statement: Statement) -> Result<Vec<Kept>, Error> {
        let keys = Arc::clone(&self.shared.keys);
        self.read(move |connection| Box::pin(async move { all(connection, statement, &keys).await })).await
    }
}

#[async_trait]
impl Runs for PostgresStore {
    async fn open_run(&self, run: &Run, open_max: usize) -> Result<Opened, Error> {
        let (run, keys) = (Arc::new(run.clone()), Arc::clone(&self.shared.keys));
        let work: Work<Opened> = Box::new(move |connection| {
            let (run, keys) = (Arc::clone(&run), Arc::clone(&keys));
            Box::pin(async move { open(connection, &run, bound(open_max), &keys).await })
        });
        self.second(Order { work, wakes: false, in_doubt: None }).await
    }

    async fn run(&self, id: RunId) -> Result<Option<Kept>, Error> {
        let keys = Arc::clone(&self.shared.keys);
        self.read(move |connection| Box::pin(async move { maybe(connection, queries::one(id), &keys).await })).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<Kept>, Error> {
        self.runs_of(queries::list(filter, &self.shared.keys)).await
    }

    async fn put_run(&self, run: &Run, version: i64, now_ms: i64) -> Result<bool, Error> {
        // Other processes hear of it: one of them may own the approval.
        Ok(self.first(order(queries::put(run, version, now_ms, &self.shared.keys)?, true)).await? == 1)
    }

    async fn shown_runs(&self, versions: Vec<(RunId, i64)>, left: Left) -> Result<(), Error> {
        let versions: Arc<[(RunId, i64)]> = versions.into();
        let work: Work<()> = Box::new(move |connection| {
            let versions = Arc::clone(&versions);
            Box::pin(async move { shown(connection, &versions, left).await })
        });
        self.second(Order { work, wakes: false, in_doubt: None }).await
    }

    async fn owed_runs(&self, limit: usize) -> Result<Vec<Kept>, Error> {
        self.runs_of(queries::owed(bound(limit), &self.shared.keys)).await
    }

    async fn owed_statuses(&self, limit: usize) -> Result<Vec<Unshown>, Error> {
        let statement = queries::unshown(bound(limit));
        self.read(move |connection| {
            Box::pin(async move {
                let rows = query(statement).fetch_all(connection).await.map_err(failed)?;
                rows.iter().map(queries::not_shown).collect()
            })
        })
        .await
    }

    async fn due_runs(&self, at_ms: i64, limit: usize) -> Result<Vec<Kept>, Error> {
        self.runs_of(queries::due(at_ms, bound(limit), &self.shared.keys)).await
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
