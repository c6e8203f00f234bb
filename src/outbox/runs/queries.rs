//! The statements of [`super::Runs`]: the same for both databases, which differ only in the type of their connection.

/// Defines the queries on one kind of connection.
macro_rules! queries {
    ($connection:ty, $row:ty, $database:ty) => {
        use super::super::rows::{Columns as _, corrupt};
        use super::super::runs::{Kept, Left, Opened, RunFilter, Unshown};
        use super::super::seal::{Keys, Stored};
        use super::super::store::Error;
        use super::writer::fault;
        use crate::gate::approval::{ApprovalId, Run, RunId};
        use sqlx::QueryBuilder;

        /// Rows that one call forgets at most.
        const FORGET_MAX: i64 = 10_000;

        fn failed(error: sqlx::Error) -> Error {
            fault("work on the runs of approvals", &error)
        }

        fn kept(row: &$row, keys: &Keys) -> Result<Kept, Error> {
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

        /// All that can be opened: one that cannot hurts no other.
        fn all_kept(rows: &[$row], keys: &Keys) -> Result<Vec<Kept>, Error> {
            let mut all = Vec::with_capacity(rows.len());
            for row in rows {
                match kept(row, keys) {
                    Ok(kept) => all.push(kept),
                    Err(Error::Sealed(locked)) => tracing::warn!(run = row.text("id")?, "a run of an approval is {locked}"),
                    Err(error) => return Err(error),
                }
            }
            Ok(all)
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
        fn of_runs(keys: &Keys) -> QueryBuilder<$database> {
            let mut query = QueryBuilder::new("SELECT * FROM approval_run WHERE (key_id IS NULL");
            for id in keys.ids() {
                query.push(" OR key_id = ").push_bind(id.to_owned());
            }
            query.push(")");
            query
        }

        pub(super) async fn open(
            connection: &mut $connection,
            run: &Run,
            open_max: i64,
            keys: &Keys,
        ) -> Result<Opened, Error> {
            if let Some(known) = of_subject(&mut *connection, run, keys).await? {
                return Ok(Opened::Known(known));
            }
            // Its name is asked for because there is an index of it.
            let open: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM approval_run WHERE namespace = $1 AND name = $2 AND approval_uid = $3 AND is_open = 1",
            )
            .bind(&run.approval.namespace)
            .bind(&run.approval.name)
            .bind(&run.approval.uid)
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
            if open >= open_max {
                return Ok(Opened::Full);
            }
            if insert(&mut *connection, run, keys).await? {
                return Ok(Opened::New(Kept { run: run.clone(), version: 1, owed: true }));
            }
            let known = of_subject(connection, run, keys).await?;
            known.map(Opened::Known).ok_or_else(|| Error::Unstorable(format!("there is a run {} already", run.id)))
        }

        async fn of_subject(connection: &mut $connection, run: &Run, keys: &Keys) -> Result<Option<Kept>, Error> {
            let row = sqlx::query(
                "SELECT * FROM approval_run WHERE approval_uid = $1 AND branch = $2 AND sha = $3 AND phase <> 'superseded'",
            )
            .bind(&run.approval.uid)
            .bind(&run.subject.branch)
            .bind(&run.subject.sha)
            .fetch_optional(connection)
            .await
            .map_err(failed)?;
            row.as_ref().map(|row| kept(row, keys)).transpose()
        }

        /// False: somebody else was quicker.
        async fn insert(connection: &mut $connection, run: &Run, keys: &Keys) -> Result<bool, Error> {
            let Document { plain, sealed, key_id } = document(run, keys)?;
            let done = sqlx::query(
                "INSERT INTO approval_run (id, approval_uid, namespace, name, branch, sha, phase, is_open, requested_ms,
                     deadline_ms, updated_ms, document, sealed, key_id)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9, $11, $12, $13) ON CONFLICT DO NOTHING",
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
            .bind(plain)
            .bind(sealed)
            .bind(key_id)
            .execute(connection)
            .await
            .map_err(failed)?;
            Ok(done.rows_affected() == 1)
        }

        pub(super) async fn one(connection: &mut $connection, id: RunId, keys: &Keys) -> Result<Option<Kept>, Error> {
            let query = sqlx::query("SELECT * FROM approval_run WHERE id = $1").bind(id.to_string());
            let row = query.fetch_optional(connection).await.map_err(failed)?;
            row.as_ref().map(|row| kept(row, keys)).transpose()
        }

        /// Only what is asked for stands in the statement: a condition that holds for all would keep the database from its indexes.
        pub(super) async fn list(
            connection: &mut $connection,
            filter: &RunFilter,
            keys: &Keys,
        ) -> Result<Vec<Kept>, Error> {
            let mut query = of_runs(keys);
            let texts = [
                (" AND namespace = ", &filter.namespace),
                (" AND name = ", &filter.name),
                (" AND branch = ", &filter.branch),
                (" AND sha = ", &filter.sha),
            ];
            for (condition, value) in texts {
                if let Some(value) = value {
                    query.push(condition).push_bind(value.clone());
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
                query.push(" AND requested_ms <= ").push(ITS).push_bind(after.clone()).push(")");
                query.push(" AND (requested_ms < ").push(ITS).push_bind(after.clone());
                query.push(") OR id > ").push_bind(after).push(")");
            }
            query.push(" ORDER BY requested_ms DESC, id LIMIT ").push_bind(filter.page());
            all_kept(&query.build().fetch_all(connection).await.map_err(failed)?, keys)
        }

        pub(super) async fn put(
            connection: &mut $connection,
            run: &Run,
            version: i64,
            now_ms: i64,
            keys: &Keys,
        ) -> Result<bool, Error> {
            let Document { plain, sealed, key_id } = document(run, keys)?;
            let done = sqlx::query(
                "UPDATE approval_run SET phase = $3, is_open = $4, updated_ms = $5, document = $6, sealed = $7, key_id = $8,
                     version = version + 1, owed = 1
                 WHERE id = $1 AND version = $2",
            )
            .bind(run.id.to_string())
            .bind(version)
            .bind(run.phase.as_str())
            .bind(i64::from(run.phase.is_open()))
            .bind(now_ms)
            .bind(plain)
            .bind(sealed)
            .bind(key_id)
            .execute(connection)
            .await
            .map_err(failed)?;
            Ok(done.rows_affected() == 1)
        }

        pub(super) async fn shown(
            connection: &mut $connection,
            shown: &[(RunId, i64)],
            left: Left,
        ) -> Result<(), Error> {
            for (id, version) in shown {
                let query = sqlx::query("UPDATE approval_run SET owed = $3 WHERE id = $1 AND version = $2 AND owed > 0");
                let query = query.bind(id.to_string()).bind(version).bind(left.code());
                query.execute(&mut *connection).await.map_err(failed)?;
            }
            Ok(())
        }

        pub(super) async fn unshown(connection: &mut $connection, limit: i64) -> Result<Vec<Unshown>, Error> {
            let query = sqlx::query(
                "SELECT id, version, namespace, name, approval_uid FROM approval_run WHERE owed = 2 ORDER BY updated_ms LIMIT $1",
            );
            let rows = query.bind(limit).fetch_all(connection).await.map_err(failed)?;
            let unshown = |row: &$row| {
                let (namespace, name, uid) = (row.text("namespace")?, row.text("name")?, row.text("approval_uid")?);
                let id = row.text("id")?.parse();
                Ok(Unshown {
                    id: id.map_err(|error| corrupt(format!("approval_run.id: {error}")))?,
                    version: row.int("version")?,
                    approval: ApprovalId { namespace, name, uid },
                })
            };
            rows.iter().map(unshown).collect()
        }

        pub(super) async fn owed(
            connection: &mut $connection,
            limit: i64,
            keys: &Keys,
        ) -> Result<Vec<Kept>, Error> {
            let mut query = of_runs(keys);
            query.push(" AND owed = 1 ORDER BY updated_ms LIMIT ").push_bind(limit);
            all_kept(&query.build().fetch_all(connection).await.map_err(failed)?, keys)
        }

        pub(super) async fn due(
            connection: &mut $connection,
            at_ms: i64,
            limit: i64,
            keys: &Keys,
        ) -> Result<Vec<Kept>, Error> {
            let mut query = of_runs(keys);
            query.push(" AND is_open = 1 AND deadline_ms <= ").push_bind(at_ms);
            query.push(" ORDER BY deadline_ms LIMIT ").push_bind(limit);
            all_kept(&query.build().fetch_all(connection).await.map_err(failed)?, keys)
        }

        pub(super) async fn count(connection: &mut $connection) -> Result<(u64, Option<i64>), Error> {
            // Two questions, each answered by an index alone.
            let query = sqlx::query(
                "SELECT (SELECT count(*) FROM approval_run WHERE is_open = 1) AS open,
                     (SELECT min(requested_ms) FROM approval_run WHERE is_open = 1) AS oldest",
            );
            let row = query.fetch_one(connection).await.map_err(failed)?;
            Ok((row.int("open")?.unsigned_abs(), row.maybe_int("oldest")?))
        }

        /// Says in the log which runs wait for a key that is not there.
        pub(super) async fn warn_of_missing_keys(connection: &mut $connection, keys: &Keys) -> Result<(), Error> {
            let query = "SELECT key_id, count(*) AS n FROM approval_run WHERE key_id IS NOT NULL GROUP BY key_id";
            for row in sqlx::query(query).fetch_all(connection).await.map_err(failed)? {
                keys.warn_if_missing(&row.text("key_id")?, row.int("n")?, "runs of approvals");
            }
            Ok(())
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
