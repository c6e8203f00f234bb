//! Runs of approvals in SQLite.

use super::super::runs::Runs;
use super::super::runs::queries;
use super::{Priority, SqliteStore};
use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

queries!(SqliteConnection, SqliteRow);

fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[async_trait]
impl Runs for SqliteStore {
    async fn open_run(&self, run: &Run, open_max: usize) -> Result<Opened, Error> {
        let run = run.clone();
        self.write(Priority::Second, move |connection| {
            Box::pin(async move { open(connection, &run, bound(open_max)).await })
        })
        .await
    }

    async fn run(&self, id: RunId) -> Result<Option<Kept>, Error> {
        self.read(move |connection| Box::pin(one(connection, id))).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<Kept>, Error> {
        let filter = filter.clone();
        self.read(move |connection| Box::pin(async move { list(connection, &filter).await })).await
    }

    async fn put_run(&self, run: &Run, version: i64, now_ms: i64) -> Result<bool, Error> {
        let run = run.clone();
        self.write(Priority::First, move |connection| {
            Box::pin(async move { put(connection, &run, version, now_ms).await })
        })
        .await
    }

    async fn shown_run(&self, id: RunId, version: i64) -> Result<(), Error> {
        self.write(Priority::Second, move |connection| Box::pin(shown(connection, id, version))).await
    }

    async fn owed_runs(&self, limit: usize) -> Result<Vec<Kept>, Error> {
        self.read(move |connection| Box::pin(owed(connection, bound(limit)))).await
    }

    async fn due_runs(&self, at_ms: i64, limit: usize) -> Result<Vec<Kept>, Error> {
        self.read(move |connection| Box::pin(due(connection, at_ms, bound(limit)))).await
    }

    async fn open_runs(&self) -> Result<(u64, Option<i64>), Error> {
        self.read(move |connection| Box::pin(count(connection))).await
    }

    async fn prune_runs(&self, before_ms: i64) -> Result<u64, Error> {
        self.write(Priority::Second, move |connection| Box::pin(forget(connection, before_ms))).await
    }
}
