//! Small statements of the store: who it is, states of keys, counts, lanes and breakers, values kept by name.

use super::super::breaker::Breaker;
use super::super::delivery::Lane;
use super::super::rows::{self, Columns};
use super::super::seal::Keys;
use super::super::statement::{Statement, Value};
use super::super::store::{Counts, Error, OwedAnnotation};
use super::Identity;
use super::text::write;
use super::writer::fault;
use crate::notify::KeyState;
use sqlx::postgres::{PgArguments, PgConnection, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Row as _};
use std::borrow::Cow;
use std::collections::BTreeMap;

// As many keys as objects are wanted, the longest owed first: read off the index, however many are owed.
const OWED: &str = "
SELECT * FROM key_state WHERE owed > 0 AND uid IN (
    SELECT uid FROM key_state WHERE owed > 0 ORDER BY changed_ms LIMIT $1)
ORDER BY uid, state_key";

const OLDEST_OPEN: &str = "
SELECT min(created_ms) FROM delivery WHERE seq IN (
    SELECT min(seq) FROM delivery WHERE state = 0 UNION ALL
    SELECT min(seq) FROM delivery WHERE state = 1 UNION ALL
    SELECT min(seq) FROM delivery WHERE state = 2)";

/// A statement of both stores, ready to run.
pub(super) fn query(statement: Statement) -> Query<'static, Postgres, PgArguments> {
    let query = match statement.text {
        Cow::Borrowed(text) => sqlx::query(text),
        // What was pushed is compiled in, and whatever somebody sent is a value.
        Cow::Owned(text) => sqlx::query(AssertSqlSafe(text)),
    };
    statement.values.into_iter().fold(query, |query, value| match value {
        Value::Text(text) => query.bind(text),
        Value::Int(number) => query.bind(number),
        Value::Bytes(bytes) => query.bind(bytes),
    })
}

/// Reads the identity that was made with the schema; whoever comes first makes it.
pub(super) async fn identity(connection: &mut PgConnection) -> Result<Identity, Error> {
    let failed = |error: sqlx::Error| fault("read the store's identity", &error);
    sqlx::query(
        "INSERT INTO meta (name, value) VALUES ('install_id', $1), ('epoch', $2) ON CONFLICT (name) DO NOTHING",
    )
    .bind(uuid::Uuid::new_v4().to_string().into_bytes())
    .bind(&rand::random::<[u8; 8]>()[..])
    .execute(&mut *connection)
    .await
    .map_err(failed)?;
    let query = "SELECT (SELECT value FROM meta WHERE name = 'install_id') AS install_id,
                        (SELECT value FROM meta WHERE name = 'epoch') AS epoch";
    let row = sqlx::query(query).fetch_one(connection).await.map_err(failed)?;
    let odd = |what: &str| Error::Unstorable(format!("the store's {what} cannot be read"));
    let epoch = <[u8; 8]>::try_from(row.bytes("epoch")?).map_err(|_| odd("epoch"))?;
    let install_id = String::from_utf8(row.bytes("install_id")?).map_err(|_| odd("install id"))?;
    Ok(Identity { install_id, epoch: u64::from_be_bytes(epoch) })
}

/// Says in the log which keys rows need that are not there.
pub(super) async fn warn_of_missing_keys(connection: &mut PgConnection, keys: &Keys) -> Result<(), Error> {
    let query = sqlx::query("SELECT key_id, count(*) AS n FROM delivery WHERE key_id IS NOT NULL GROUP BY key_id");
    let rows = query.fetch_all(connection).await.map_err(|error| fault("read which keys are needed", &error))?;
    for row in &rows {
        keys.warn_if_missing(&row.text("key_id")?, row.int("n")?, "bodies of deliveries");
    }
    Ok(())
}

/// What is known of an object's keys.
pub(super) async fn states(connection: &mut PgConnection, uid: String) -> Result<BTreeMap<String, KeyState>, Error> {
    let rows = sqlx::query("SELECT * FROM key_state WHERE uid = $1").bind(uid).fetch_all(connection).await;
    rows.map_err(|error| fault("read an object's state", &error))?.iter().map(rows::key_state).collect()
}

pub(super) async fn owed(connection: &mut PgConnection, limit: i64) -> Result<Vec<OwedAnnotation>, Error> {
    let rows = sqlx::query(OWED).bind(limit).fetch_all(connection).await;
    let rows = rows.map_err(|error| fault("read owed annotations", &error))?;
    rows.iter().map(rows::owed_key).collect::<Result<_, _>>().map(rows::owed)
}

pub(super) async fn counts(connection: &mut PgConnection) -> Result<Counts, Error> {
    let failed = |error: sqlx::Error| fault("count deliveries", &error);
    let mut counts = Counts::default();
    let rows = sqlx::query("SELECT state, count(*) AS n FROM delivery GROUP BY state").fetch_all(&mut *connection);
    for row in &rows.await.map_err(failed)? {
        counts.by_state.insert(rows::state(row.int("state")?)?, row.int("n")?.unsigned_abs());
    }
    counts.oldest_open_ms = sqlx::query_scalar(OLDEST_OPEN).fetch_one(&mut *connection).await.map_err(failed)?;
    let owed = sqlx::query("SELECT count(*) AS n FROM key_state WHERE owed > 0").fetch_one(connection).await;
    counts.owed_annotations = owed.map_err(failed)?.int("n")?.unsigned_abs();
    Ok(counts)
}

/// The number of a lane, made if it is new.
pub(super) async fn lane_id(connection: &mut PgConnection, lane: &Lane) -> Result<i64, Error> {
    let failed = |error: sqlx::Error| fault("make a lane", &error);
    let (namespace, service, host) = (write(&lane.config_namespace), write(&lane.service), write(&lane.host));
    sqlx::query("INSERT INTO lane (config_namespace, service, host) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(&namespace)
        .bind(&service)
        .bind(&host)
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    let query = sqlx::query("SELECT id FROM lane WHERE config_namespace = $1 AND service = $2 AND host = $3");
    let row = query.bind(namespace).bind(service).bind(host).fetch_one(connection).await.map_err(failed)?;
    row.int("id")
}

pub(super) async fn breakers(connection: &mut PgConnection) -> Result<Vec<(Lane, Breaker)>, Error> {
    let query = sqlx::query("SELECT * FROM lane WHERE breaker IS NOT NULL");
    let rows = query.fetch_all(connection).await.map_err(|error| fault("read breakers", &error))?;
    // One that cannot be read is a closed one: it opens again by itself.
    let breaker = |text: String| serde_json::from_str(&text).unwrap_or_default();
    rows.iter().map(|row| Ok((rows::lane(row)?, breaker(row.text("breaker")?)))).collect()
}

pub(super) async fn set_breaker(connection: &mut PgConnection, lane: &Lane, text: &str) -> Result<(), Error> {
    let query = sqlx::query("UPDATE lane SET breaker = $4 WHERE config_namespace = $1 AND service = $2 AND host = $3");
    let query = query.bind(write(&lane.config_namespace)).bind(write(&lane.service)).bind(write(&lane.host));
    query.bind(text).execute(connection).await.map_err(|error| fault("keep a breaker", &error))?;
    Ok(())
}

/// Moves the due times that this process set; the clocks of others did not step.
pub(super) async fn shift_due(connection: &mut PgConnection, process: i64, delta_ms: i64) -> Result<(), Error> {
    let query = sqlx::query(
        "UPDATE delivery SET due_ms = due_ms + $1, since_ms = since_ms + $1 WHERE state < 3 AND holder = $2",
    );
    query.bind(delta_ms).bind(process).execute(connection).await.map_err(|error| fault("move due times", &error))?;
    Ok(())
}

pub(super) async fn value(connection: &mut PgConnection, name: String) -> Result<Option<Vec<u8>>, Error> {
    let query = sqlx::query("SELECT value FROM meta WHERE name = $1").bind(name);
    let row = query.fetch_optional(connection).await.map_err(|error| fault("read a value", &error))?;
    row.map(|row| row.try_get("value").map_err(|error| fault("read a value", &error))).transpose()
}

pub(super) async fn set_value(connection: &mut PgConnection, name: &str, value: &[u8]) -> Result<(), Error> {
    let query = sqlx::query(
        "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    );
    query.bind(name).bind(value).execute(connection).await.map_err(|error| fault("keep a value", &error))?;
    Ok(())
}

/// Values begin with their time; one that does not is not forgotten.
const OLD_VALUES: &str = "DELETE FROM meta WHERE name IN (
    SELECT name FROM meta WHERE starts_with(name, $1)
        AND substring(encode(value, 'escape') FROM '^[0-9]{1,18}')::bigint < $2 LIMIT 10000)";

pub(super) async fn forget_values(connection: &mut PgConnection, prefix: &str, before_ms: i64) -> Result<u64, Error> {
    let query = sqlx::query(OLD_VALUES).bind(prefix).bind(before_ms);
    let done = query.execute(connection).await.map_err(|error| fault("forget old values", &error))?;
    Ok(done.rows_affected())
}

/// A write that changes nothing.
pub(super) async fn touch(connection: &mut PgConnection) -> Result<(), Error> {
    let query = sqlx::query("UPDATE meta SET value = value WHERE name = 'epoch'");
    query.execute(connection).await.map_err(|error| fault("write to the store", &error))?;
    Ok(())
}
