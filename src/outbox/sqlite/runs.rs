//! Runs of approvals in SQLite.

use super::super::runs::Runs;
use super::super::runs::queries;
use super::{Priority, SqliteStore};
use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::sync::Arc;

queries!(SqliteConnection, SqliteRow, sqlx::Sqlite);

fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[async_trait]
impl Runs for SqliteStore {
    async fn open_run(&self, run: &Run, open_max: usize) -> Result<Opened, Error> {
        let (run, keys) = (run.clone(), Arc::clone(&self.shared.keys));
        self.write(Priority::Second, move |connection| {
            Box::pin(async move { open(connection, &run, bound(open_max), &keys).await })
        })
        .await
    }

    async fn run(&self, id: RunId) -> Result<Option<Kept>, Error> {
        let keys = Arc::clone(&self.shared.keys);
        self.read(move |connection| Box::pin(async move { one(connection, id, &keys).await })).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<Kept>, Error> {
        let (filter, keys) = (filter.clone(), Arc::clone(&self.shared.keys));
        self.read(move |connection| Box::pin(async move { list(connection, &filter, &keys).await })).await
    }

    async fn put_run(&self, run: &Run, version: i64, now_ms: i64) -> Result<bool, Error> {
        let (run, keys) = (run.clone(), Arc::clone(&self.shared.keys));
        self.write(Priority::First, move |connection| {
            Box::pin(async move { put(connection, &run, version, now_ms, &keys).await })
        })
        .await
    }

    async fn shown_runs(&self, versions: Vec<(RunId, i64)>, left: Left) -> Result<(), Error> {
        self.write(Priority::Second, move |connection| {
            Box::pin(async move { shown(connection, &versions, left).await })
        })
        .await
    }

    async fn owed_runs(&self, limit: usize) -> Result<Vec<Kept>, Error> {
        let keys = Arc::clone(&self.shared.keys);
        self.read(move |connection| Box::pin(async move { owed(connection, bound(limit), &keys).await })).await
    }

    async fn owed_statuses(&self, limit: usize) -> Result<Vec<Unshown>, Error> {
        self.read(move |connection| Box::pin(unshown(connection, bound(limit)))).await
    }

    async fn due_runs(&self, at_ms: i64, limit: usize) -> Result<Vec<Kept>, Error> {
        let keys = Arc::clone(&self.shared.keys);
        self.read(move |connection| Box::pin(async move { due(connection, at_ms, bound(limit), &keys).await })).await
    }

    async fn open_runs(&self) -> Result<(u64, Option<i64>), Error> {
        self.read(move |connection| Box::pin(count(connection))).await
    }

    async fn prune_runs(&self, before_ms: i64) -> Result<u64, Error> {
        self.write(Priority::Second, move |connection| Box::pin(forget(connection, before_ms))).await
    }
}
