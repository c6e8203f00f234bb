//! Objects that the store knows of: those with keys of state, and those of which the last that was seen is kept.

use super::super::rows::{self, Columns};
use super::super::seal::Keys;
use super::super::store::{Error, KeptObject};
use super::writer::fault;
use crate::notify::ObjectId;
use sqlx::postgres::PgConnection;

pub(super) const KEEP: &str = "
INSERT INTO last_object (uid, namespace, name, digest, content, key_id) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (uid) DO UPDATE
SET namespace = excluded.namespace, name = excluded.name, digest = excluded.digest, content = excluded.content,
    key_id = excluded.key_id";
pub(super) const UNKEEP: &str = "DELETE FROM last_object WHERE uid = $1";

const WITH_STATE: &str = "
SELECT uid, min(namespace) AS namespace, min(name) AS name FROM key_state WHERE uid > $1 GROUP BY uid ORDER BY uid LIMIT $2";
const KEPT: &str =
    "SELECT uid, namespace, name, digest, length(content)::bigint AS bytes FROM last_object ORDER BY uid";
const OPEN: &str = "
SELECT count(*) AS n FROM (SELECT 1 FROM delivery WHERE state < 3 AND config_namespace = $1 LIMIT $2) AS open";

/// `state = 4` is a dead letter.
const FAILED: &str = "SELECT DISTINCT namespace, name FROM delivery WHERE state = 4 LIMIT $1";

pub(super) async fn with_state(
    connection: &mut PgConnection,
    after_uid: String,
    limit: i64,
) -> Result<Vec<ObjectId>, Error> {
    let found = sqlx::query(WITH_STATE).bind(after_uid).bind(limit).fetch_all(connection).await;
    found.map_err(|error| fault("read which objects are known", &error))?.iter().map(rows::object).collect()
}

pub(super) async fn kept(connection: &mut PgConnection) -> Result<Vec<KeptObject>, Error> {
    let found = sqlx::query(KEPT).fetch_all(connection).await;
    found.map_err(|error| fault("read which objects are kept", &error))?.iter().map(rows::kept).collect()
}

pub(super) async fn last(connection: &mut PgConnection, uid: String, keys: &Keys) -> Result<Option<Vec<u8>>, Error> {
    let query = sqlx::query("SELECT uid, content, key_id FROM last_object WHERE uid = $1").bind(uid);
    let row = query.fetch_optional(connection).await.map_err(|error| fault("read the last of an object", &error))?;
    row.map(|row| rows::last_object(&row, keys)).transpose().map(Option::flatten)
}

pub(super) async fn open_of(connection: &mut PgConnection, namespace: String, most: u32) -> Result<u32, Error> {
    let row = sqlx::query(OPEN).bind(namespace).bind(i64::from(most)).fetch_one(connection).await;
    let count = row.map_err(|error| fault("count open deliveries", &error))?.int("n")?;
    Ok(u32::try_from(count).unwrap_or(most))
}

pub(super) async fn failed(connection: &mut PgConnection, limit: i64) -> Result<Vec<(String, String)>, Error> {
    let found = sqlx::query(FAILED).bind(limit).fetch_all(connection).await;
    let found = found.map_err(|error| fault("read which objects have dead letters", &error))?;
    found.iter().map(|row| Ok((row.text("namespace")?, row.text("name")?))).collect()
}
