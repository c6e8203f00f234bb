//! Small statements of the store: who it is, states of keys, counts, breakers, values kept by name.

use super::super::breaker::Breaker;
use super::super::delivery::Lane;
use super::super::rows::{self, Columns as _};
use super::super::seal::Keys;
use super::super::store::{Counts, Error, OwedAnnotation};
use super::Identity;
use super::sql::task;
use crate::notify::KeyState;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

const IDENTIFY: [&str; 2] = [
    "INSERT OR IGNORE INTO meta (name, value) VALUES ('install_id', $1), ('epoch', $2), ('processes', 0)",
    "UPDATE meta SET value = value + 1 WHERE name = 'processes'",
];
const IDENTITY: &str = "
SELECT (SELECT value FROM meta WHERE name = 'install_id') AS install_id,
    (SELECT value FROM meta WHERE name = 'epoch') AS epoch,
    (SELECT value FROM meta WHERE name = 'processes') AS process";

// What an earlier process held: put back, unless a newer state came meanwhile.
const REOPEN: [&str; 2] = [
    "UPDATE delivery SET state = 1, claim = 0 WHERE state = 2",
    "UPDATE delivery SET state = 5, successor = (
         SELECT n.id FROM delivery n WHERE n.ordering = delivery.ordering AND n.config_namespace = delivery.config_namespace
             AND n.service = delivery.service AND n.recipient = delivery.recipient AND n.seq > delivery.seq AND n.supersedes = 1
             AND n.state < 4
         ORDER BY n.seq DESC LIMIT 1)
     WHERE state = 1 AND supersedes = 1 AND ordering IS NOT NULL AND EXISTS (
         SELECT 1 FROM delivery n WHERE n.ordering = delivery.ordering AND n.config_namespace = delivery.config_namespace
             AND n.service = delivery.service AND n.recipient = delivery.recipient AND n.seq > delivery.seq AND n.supersedes = 1
             AND n.state < 4)",
];

// As many keys as objects are wanted, the longest owed first: read off the index, however many are owed.
const OWED: &str = "
SELECT * FROM key_state WHERE owed > 0 AND uid IN (
    SELECT uid FROM key_state WHERE owed > 0 ORDER BY changed_ms LIMIT $1)
ORDER BY uid, state_key";

const OLDEST_OPEN: &str = "
SELECT created_ms FROM delivery WHERE seq = (SELECT min(seq) FROM (
    SELECT min(seq) AS seq FROM delivery WHERE state = 0 UNION ALL
    SELECT min(seq) FROM delivery WHERE state = 1 UNION ALL
    SELECT min(seq) FROM delivery WHERE state = 2))";

/// Reads the identity that was made with the store, and counts this process.
pub(super) fn identify(connection: &Connection) -> Result<Identity, Error> {
    let task = task(connection, "read the store's identity");
    task.run_each(&IDENTIFY, params![uuid::Uuid::new_v4().to_string(), rand::random::<i64>()])?;
    task.one(IDENTITY, &[], |row| {
        Ok(Identity {
            install_id: row.text("install_id")?,
            epoch: row.int("epoch")?.cast_unsigned(),
            process: row.int("process")?,
        })
    })
}

/// Puts back what an earlier process held.
pub(super) fn reopen(connection: &Connection) -> Result<(), Error> {
    task(connection, "release earlier claims").run_each(&REOPEN, &[])
}

/// Says in the log which keys rows need that are not there.
pub(super) fn warn_of_missing_keys(connection: &Connection, keys: &Keys) -> Result<(), Error> {
    let text = "SELECT key_id, count(*) AS n FROM delivery WHERE key_id IS NOT NULL GROUP BY key_id";
    let task = task(connection, "read which keys are needed");
    for (key_id, rows) in task.all(text, &[], |row| Ok((row.text("key_id")?, row.int("n")?)))? {
        keys.warn_if_missing(&key_id, rows, "bodies of deliveries");
    }
    Ok(())
}

/// What is known of an object's keys.
pub(super) fn states(connection: &Connection, uid: &str) -> Result<BTreeMap<String, KeyState>, Error> {
    let task = task(connection, "read an object's state");
    let rows = task.all("SELECT * FROM key_state WHERE uid = $1", params![uid], |row| rows::key_state(row))?;
    Ok(rows.into_iter().collect())
}

pub(super) fn owed(connection: &Connection, limit: i64) -> Result<Vec<OwedAnnotation>, Error> {
    task(connection, "read owed annotations").all(OWED, params![limit], |row| rows::owed_key(row)).map(rows::owed)
}

pub(super) fn counts(connection: &Connection) -> Result<Counts, Error> {
    let task = task(connection, "count deliveries");
    let by_state = task.all("SELECT state, count(*) AS n FROM delivery GROUP BY state", &[], |row| {
        Ok((rows::state(row.int("state")?)?, row.int("n")?.unsigned_abs()))
    })?;
    let oldest_open_ms = task.maybe(OLDEST_OPEN, &[], |row| row.int("created_ms"))?;
    let owed = task.one("SELECT count(*) AS n FROM key_state WHERE owed > 0", &[], |row| row.int("n"))?;
    Ok(Counts { by_state: by_state.into_iter().collect(), oldest_open_ms, owed_annotations: owed.unsigned_abs() })
}

pub(super) fn breakers(connection: &Connection) -> Result<Vec<(Lane, Breaker)>, Error> {
    // One that cannot be read is a closed one: it opens again by itself.
    let breaker = |text: &str| serde_json::from_str(text).unwrap_or_default();
    task(connection, "read breakers").all("SELECT * FROM lane WHERE breaker IS NOT NULL", &[], |row| {
        Ok((rows::lane(row)?, breaker(&row.text("breaker")?)))
    })
}

pub(super) fn set_breaker(connection: &Connection, lane: &Lane, text: &str) -> Result<(), Error> {
    let sql = "UPDATE lane SET breaker = $4 WHERE config_namespace = $1 AND service = $2 AND host = $3";
    let values = params![lane.config_namespace, lane.service, lane.host, text];
    task(connection, "keep a breaker").run(sql, values).map(drop)
}

/// Moves the due times of open rows.
pub(super) fn shift_due(connection: &Connection, delta_ms: i64) -> Result<(), Error> {
    let text = "UPDATE delivery SET due_ms = due_ms + $1, since_ms = since_ms + $1 WHERE state < 3";
    task(connection, "move due times").run(text, params![delta_ms]).map(drop)
}

pub(super) fn value(connection: &Connection, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let text = "SELECT value FROM meta WHERE name = $1";
    task(connection, "read a value").maybe(text, params![name], |row| row.bytes("value"))
}

pub(super) fn set_value(connection: &Connection, name: &str, value: &[u8]) -> Result<(), Error> {
    let text = "INSERT OR REPLACE INTO meta (name, value) VALUES ($1, $2)";
    task(connection, "keep a value").run(text, params![name, value]).map(drop)
}

/// A write that changes nothing.
pub(super) fn touch(connection: &Connection) -> Result<(), Error> {
    let text = "UPDATE meta SET value = value WHERE name = 'processes'";
    task(connection, "write to the store").run(text, &[]).map(drop)
}
