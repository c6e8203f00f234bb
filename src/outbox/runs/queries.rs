//! The statements of [`super::Runs`]: the same for both databases, which differ only in the type of their connection.

/// Defines the queries on one kind of connection.
macro_rules! queries {
    ($connection:ty, $row:ty) => {
        use super::super::rows::{Columns as _, corrupt};
        use super::super::runs::{Kept, Opened, RunFilter};
        use super::super::store::Error;
        use super::writer::fault;
        use crate::gate::approval::{Run, RunId};

        /// Rows that one call forgets at most.
        const FORGET_MAX: i64 = 10_000;

        fn failed(error: sqlx::Error) -> Error {
            fault("work on the runs of approvals", &error)
        }

        fn kept(row: &$row) -> Result<Kept, Error> {
            let run = serde_json::from_str(&row.text("document")?)
                .map_err(|error| corrupt(format!("approval_run.document: {error}")))?;
            Ok(Kept { run, version: row.int("version")?, owed: row.int("owed")? == 1 })
        }

        fn document(run: &Run) -> Result<String, Error> {
            serde_json::to_string(run).map_err(|error| Error::Unstorable(error.to_string()))
        }

        pub(super) async fn open(connection: &mut $connection, run: &Run, open_max: i64) -> Result<Opened, Error> {
            if let Some(known) = of_subject(&mut *connection, run).await? {
                return Ok(Opened::Known(known));
            }
            let open: i64 =
                sqlx::query_scalar("SELECT count(*) FROM approval_run WHERE approval_uid = $1 AND is_open = 1")
                    .bind(&run.approval.uid)
                    .fetch_one(&mut *connection)
                    .await
                    .map_err(failed)?;
            if open >= open_max {
                return Ok(Opened::Full);
            }
            if insert(&mut *connection, run).await? {
                return Ok(Opened::New(Kept { run: run.clone(), version: 1, owed: true }));
            }
            let known = of_subject(connection, run).await?;
            known.map(Opened::Known).ok_or_else(|| Error::Unstorable(format!("there is a run {} already", run.id)))
        }

        async fn of_subject(connection: &mut $connection, run: &Run) -> Result<Option<Kept>, Error> {
            let row = sqlx::query(
                "SELECT * FROM approval_run WHERE approval_uid = $1 AND branch = $2 AND sha = $3 AND phase <> 'superseded'",
            )
            .bind(&run.approval.uid)
            .bind(&run.subject.branch)
            .bind(&run.subject.sha)
            .fetch_optional(connection)
            .await
            .map_err(failed)?;
            row.as_ref().map(kept).transpose()
        }

        /// False: somebody else was quicker.
        async fn insert(connection: &mut $connection, run: &Run) -> Result<bool, Error> {
            let done = sqlx::query(
                "INSERT INTO approval_run (id, approval_uid, namespace, name, branch, sha, phase, is_open, requested_ms,
                     deadline_ms, updated_ms, document)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9, $11) ON CONFLICT DO NOTHING",
            )
            .bind(run.id.to_string())
            .bind(&run.approval.uid)
            .bind(&run.approval.namespace)
            .bind(&run.approval.name)
            .bind(&run.subject.branch)
            .bind(&run.subject.sha)
            .bind(run.phase.as_str())
            .bind(i64::from(run.phase.is_open()))
            .bind(run.requested_ms)
            .bind(run.deadline_ms)
            .bind(document(run)?)
            .execute(connection)
            .await
            .map_err(failed)?;
            Ok(done.rows_affected() == 1)
        }

        pub(super) async fn one(connection: &mut $connection, id: RunId) -> Result<Option<Kept>, Error> {
            let query = sqlx::query("SELECT * FROM approval_run WHERE id = $1").bind(id.to_string());
            let row = query.fetch_optional(connection).await.map_err(failed)?;
            row.as_ref().map(kept).transpose()
        }

        pub(super) async fn list(connection: &mut $connection, filter: &RunFilter) -> Result<Vec<Kept>, Error> {
            let rows = sqlx::query(
                "SELECT * FROM approval_run
                 WHERE ($1 IS NULL OR namespace = $1) AND ($2 IS NULL OR name = $2) AND ($3 IS NULL OR branch = $3)
                     AND ($4 IS NULL OR sha = $4) AND ($5 IS NULL OR is_open = $5) AND ($6 IS NULL OR requested_ms < $6)
                     AND ($8 IS NULL OR requested_ms < (SELECT a.requested_ms FROM approval_run a WHERE a.id = $8)
                         OR id > $8 AND requested_ms = (SELECT a.requested_ms FROM approval_run a WHERE a.id = $8))
                 ORDER BY requested_ms DESC, id LIMIT $7",
            )
            .bind(&filter.namespace)
            .bind(&filter.name)
            .bind(&filter.branch)
            .bind(&filter.sha)
            .bind(filter.is_open.map(i64::from))
            .bind(filter.before_ms)
            .bind(filter.page())
            .bind(filter.after.map(|id| id.to_string()))
            .fetch_all(connection)
            .await
            .map_err(failed)?;
            rows.iter().map(kept).collect()
        }

        pub(super) async fn put(
            connection: &mut $connection,
            run: &Run,
            version: i64,
            now_ms: i64,
        ) -> Result<bool, Error> {
            let done = sqlx::query(
                "UPDATE approval_run SET phase = $3, is_open = $4, updated_ms = $5, document = $6, version = version + 1, owed = 1
                 WHERE id = $1 AND version = $2",
            )
            .bind(run.id.to_string())
            .bind(version)
            .bind(run.phase.as_str())
            .bind(i64::from(run.phase.is_open()))
            .bind(now_ms)
            .bind(document(run)?)
            .execute(connection)
            .await
            .map_err(failed)?;
            Ok(done.rows_affected() == 1)
        }

        pub(super) async fn shown(connection: &mut $connection, id: RunId, version: i64) -> Result<(), Error> {
            let query = sqlx::query("UPDATE approval_run SET owed = 0 WHERE id = $1 AND version = $2 AND owed = 1");
            query.bind(id.to_string()).bind(version).execute(connection).await.map_err(failed)?;
            Ok(())
        }

        pub(super) async fn owed(connection: &mut $connection, limit: i64) -> Result<Vec<Kept>, Error> {
            let query = sqlx::query("SELECT * FROM approval_run WHERE owed = 1 ORDER BY updated_ms LIMIT $1");
            query.bind(limit).fetch_all(connection).await.map_err(failed)?.iter().map(kept).collect()
        }

        pub(super) async fn due(connection: &mut $connection, at_ms: i64, limit: i64) -> Result<Vec<Kept>, Error> {
            let query = sqlx::query(
                "SELECT * FROM approval_run WHERE is_open = 1 AND deadline_ms <= $1 ORDER BY deadline_ms LIMIT $2",
            );
            query.bind(at_ms).bind(limit).fetch_all(connection).await.map_err(failed)?.iter().map(kept).collect()
        }

        pub(super) async fn count(connection: &mut $connection) -> Result<(u64, Option<i64>), Error> {
            let query = sqlx::query(
                "SELECT count(*) AS open, min(requested_ms) AS oldest FROM approval_run WHERE is_open = 1",
            );
            let row = query.fetch_one(connection).await.map_err(failed)?;
            Ok((row.int("open")?.unsigned_abs(), row.maybe_int("oldest")?))
        }

        pub(super) async fn forget(connection: &mut $connection, before_ms: i64) -> Result<u64, Error> {
            let query = sqlx::query(
                "DELETE FROM approval_run WHERE id IN (
                     SELECT id FROM approval_run WHERE is_open = 0 AND owed = 0 AND updated_ms < $1 LIMIT $2)",
            );
            let done = query.bind(before_ms).bind(FORGET_MAX).execute(connection).await.map_err(failed)?;
            Ok(done.rows_affected())
        }
    };
}
pub(in super::super) use queries;
