//! Runs of approvals in PostgreSQL. A change of a run may be run twice where an answer was lost: its version makes it happen once.

use super::super::runs::Runs;
use super::super::runs::queries;
use super::PostgresStore;
use super::writer::{Order, Work};
use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};
use std::sync::Arc;

queries!(PgConnection, PgRow, sqlx::Postgres);

fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

const fn order<T>(work: Work<T>) -> Order<T> {
    Order { work, wakes: false, in_doubt: None }
}

#[async_trait]
impl Runs for PostgresStore {
    async fn open_run(&self, run: &Run, open_max: usize) -> Result<Opened, Error> {
        let (run, keys) = (Arc::new(run.clone()), Arc::clone(&self.shared.keys));
        let work: Work<Opened> = Box::new(move |connection| {
            let (run, keys) = (Arc::clone(&run), Arc::clone(&keys));
            Box::pin(async move { open(connection, &run, bound(open_max), &keys).await })
        });
        self.second(order(work)).await
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
        let (run, keys) = (Arc::new(run.clone()), Arc::clone(&self.shared.keys));
        let work: Work<bool> = Box::new(move |connection| {
            let (run, keys) = (Arc::clone(&run), Arc::clone(&keys));
            Box::pin(async move { put(connection, &run, version, now_ms, &keys).await })
        });
        // Other processes hear of it: one of them may own the approval.
        self.first(Order { work, wakes: true, in_doubt: None }).await
    }

    async fn shown_runs(&self, versions: Vec<(RunId, i64)>, left: Left) -> Result<(), Error> {
        let versions: Arc<[(RunId, i64)]> = versions.into();
        let work: Work<()> = Box::new(move |connection| {
            let versions = Arc::clone(&versions);
            Box::pin(async move { shown(connection, &versions, left).await })
        });
        self.second(order(work)).await
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
        self.read(|connection| Box::pin(count(connection))).await
    }

    async fn prune_runs(&self, before_ms: i64) -> Result<u64, Error> {
        self.second(order(Box::new(move |connection| Box::pin(forget(connection, before_ms))))).await
    }
}
