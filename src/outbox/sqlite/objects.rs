//! Objects that the store knows of: those with keys of state, and those of which the last that was seen is kept.

use super::super::rows::{self, Columns};
use super::super::seal::Keys;
use super::super::store::{Error, KeptObject};
use super::sql::task;
use crate::notify::ObjectId;
use rusqlite::{Connection, params};

pub(super) const KEEP: &str = "
INSERT INTO last_object (uid, namespace, name, digest, content, key_id) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (uid) DO UPDATE
SET namespace = excluded.namespace, name = excluded.name, digest = excluded.digest, content = excluded.content,
    key_id = excluded.key_id";
pub(super) const UNKEEP: &str = "DELETE FROM last_object WHERE uid = $1";

const WITH_STATE: &str = "
SELECT uid, min(namespace) AS namespace, min(name) AS name FROM key_state WHERE uid > $1 GROUP BY uid ORDER BY uid LIMIT $2";
const KEPT: &str = "SELECT uid, namespace, name, digest, length(content) AS bytes FROM last_object ORDER BY uid";
const OPEN: &str = "
SELECT count(*) AS n FROM (SELECT 1 FROM delivery WHERE state < 3 AND config_namespace = $1 LIMIT $2)";

/// `state = 4` is a dead letter.
const FAILED: &str = "SELECT DISTINCT namespace, name FROM delivery WHERE state = 4 LIMIT $1";

pub(super) fn with_state(connection: &Connection, after_uid: &str, limit: i64) -> Result<Vec<ObjectId>, Error> {
    let task = task(connection, "read which objects are known");
    task.all(WITH_STATE, params![after_uid, limit], |row| rows::object(row))
}

pub(super) fn kept(connection: &Connection) -> Result<Vec<KeptObject>, Error> {
    task(connection, "read which objects are kept").all(KEPT, &[], |row| rows::kept(row))
}

pub(super) fn last(connection: &Connection, uid: &str, keys: &Keys) -> Result<Option<Vec<u8>>, Error> {
    let text = "SELECT uid, content, key_id FROM last_object WHERE uid = $1";
    let found =
        task(connection, "read the last of an object").maybe(text, params![uid], |row| rows::last_object(row, keys))?;
    Ok(found.flatten())
}

pub(super) fn open_of(connection: &Connection, namespace: &str, most: u32) -> Result<u32, Error> {
    let count = task(connection, "count open deliveries").one(OPEN, params![namespace, most], |row| row.int("n"))?;
    Ok(u32::try_from(count).unwrap_or(most))
}

pub(super) fn failed(connection: &Connection, limit: i64) -> Result<Vec<(String, String)>, Error> {
    let task = task(connection, "read which objects have dead letters");
    task.all(FAILED, params![limit], |row| Ok((row.text("namespace")?, row.text("name")?)))
}
