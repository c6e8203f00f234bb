//! Applies one evaluation's changes. Runs inside the writer's savepoint: an error takes all of them back.

use super::super::change::{Change, Committed, NewDelivery};
use super::super::delivery::{DeadReason, DeliveryId, State, unique_key};
use super::super::rows::{self, Columns, code};
use super::super::seal::{Keys, Part};
use super::super::store::Error;
use super::Identity;
use super::objects;
use super::sql::{fault, task};
use crate::failpoint;
use crate::notify::ObjectId;
use rusqlite::{Connection, params};

const ARM: &str = "
INSERT INTO key_state (uid, state_key, namespace, name, armed, arming, phase, changed_ms)
VALUES ($1, $2, $3, $4, 1, $5, 'pending', $6)
ON CONFLICT (uid, state_key) DO UPDATE
SET armed = 1, arming = excluded.arming, phase = 'pending', owed = iif(owed = 2, 2, 0), changed_ms = excluded.changed_ms
WHERE excluded.arming > arming";

// Owed to be set becomes owed to be removed as well: the patch may be on its way.
const DISARM: &str = "
UPDATE key_state
SET armed = 0, owed = iif(owed > 0 OR phase IN ('delivered', 'annotated'), 2, 0), changed_ms = $3
WHERE uid = $1 AND state_key = $2 AND armed = 1";

// A key whose removal is still owed is there because of us, not because someone else delivered.
const ADOPT: &str = "
INSERT INTO key_state (uid, state_key, namespace, name, armed, arming, phase, at, changed_ms)
VALUES ($1, $2, $3, $4, 1, 0, 'annotated', $5, $6)
ON CONFLICT (uid, state_key) DO UPDATE
SET armed = 1, phase = 'annotated', at = excluded.at, resource_version = '', owed = 0, changed_ms = excluded.changed_ms
WHERE (armed = 0 AND owed = 0) OR phase = 'dead'";

const ANNOTATED: [&str; 2] = [
    "UPDATE key_state SET phase = 'annotated', resource_version = $4, owed = 0, changed_ms = $5
     WHERE uid = $1 AND state_key IN (SELECT value FROM json_each($2)) AND armed = 1 AND phase = 'delivered'",
    "UPDATE key_state SET owed = 0, changed_ms = $5
     WHERE uid = $1 AND state_key IN (SELECT value FROM json_each($3)) AND owed = 2",
];

const TRUNCATED: &str = "
UPDATE key_state SET phase = 'truncated', owed = 0, changed_ms = $3
WHERE uid = $1 AND state_key IN (SELECT value FROM json_each($2)) AND phase IN ('annotated', 'delivered')";

const RESTORE: &str = "
UPDATE key_state SET phase = 'delivered', resource_version = '', owed = 1, changed_ms = $3
WHERE uid = $1 AND state_key IN (SELECT value FROM json_each($2)) AND armed = 1 AND phase = 'annotated'";

// The same UID never comes back in Kubernetes; a file does, and then nothing of it has been told yet.
const FORGET: [&str; 3] = [
    "DELETE FROM key_state WHERE uid = $1",
    "DELETE FROM last_object WHERE uid = $1",
    "UPDATE delivery SET unique_key = NULL WHERE namespace = $2 AND name = $3 AND uid = $1",
];

// Its lane, the row, its body, the state of its key.
const DELIVER: [&str; 4] = [
    "INSERT OR IGNORE INTO lane (config_namespace, service, host) VALUES ($6, $10, $20)",
    "INSERT INTO delivery (id, unique_key, uid, namespace, name, config_namespace, trigger_name, condition_key, once_per, service,
        recipient, arming, state_key, service_kind, ordering, supersedes, idempotent, digest, process, state, reason, due_ms,
        created_ms, since_ms, updated_ms, body_bytes, key_id, install, lane)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $21, $22, $23, $23, $23, $23, $24,
        $26, $27, (SELECT id FROM lane WHERE config_namespace = $6 AND service = $10 AND host = $20))",
    "INSERT INTO body (seq, payload) VALUES (last_insert_rowid(), $25)",
    "INSERT INTO key_state (uid, state_key, namespace, name, armed, arming, phase, digest, changed_ms)
     SELECT $3, $13, $4, $5, 1, $12, iif($21 = 4, 'dead', 'pending'), $18, $23 WHERE $13 <> ''
     ON CONFLICT (uid, state_key) DO UPDATE
     SET armed = 1, arming = excluded.arming, phase = excluded.phase, digest = excluded.digest, owed = iif(owed = 2, 2, 0),
        changed_ms = excluded.changed_ms
     WHERE excluded.arming >= arming",
];

const REVIVE: [&str; 3] = [
    "UPDATE delivery SET state = $2, reason = $3, digest = $4, due_ms = $5, since_ms = $5, updated_ms = $5, step = 0, unknowns = 0,
        body_bytes = $6, key_id = $11
     WHERE seq = $1",
    "UPDATE body SET payload = $7 WHERE seq = $1",
    "UPDATE key_state SET phase = iif($2 = 4, 'dead', 'pending'), digest = $4, changed_ms = $5
     WHERE uid = $8 AND state_key = $9 AND arming = $10",
];

// Looked at again under another digest, and left as it is.
const LEAVE: [&str; 2] = [
    "UPDATE delivery SET digest = $2 WHERE seq = $1",
    "UPDATE key_state SET digest = $2 WHERE uid = $3 AND state_key = $4 AND arming = $5",
];

const SUPERSEDE: &str = "
UPDATE delivery SET state = 5, successor = $1, updated_ms = $6
WHERE ordering = $2 AND config_namespace = $3 AND service = $4 AND recipient = $5 AND state < 2 AND supersedes = 1
    AND seq < (SELECT seq FROM delivery WHERE id = $1)
RETURNING id";

/// One evaluation's transaction in the making.
pub(super) struct Evaluation<'a> {
    pub(super) connection: &'a Connection,
    pub(super) identity: &'a Identity,
    pub(super) keys: &'a Keys,
    pub(super) object: &'a ObjectId,
    pub(super) now_ms: i64,
}

impl Evaluation<'_> {
    /// Applies all changes in order.
    pub(super) fn apply(self, changes: Vec<Change>) -> Result<Committed, Error> {
        let mut committed = Committed::default();
        for change in changes {
            let point = change.point();
            self.step(change, &mut committed)?;
            point.into_iter().for_each(failpoint::pass);
        }
        Ok(committed)
    }

    fn step(&self, change: Change, committed: &mut Committed) -> Result<(), Error> {
        let (ObjectId { namespace, name, uid }, now_ms) = (self.object, self.now_ms);
        let task = task(self.connection, "commit a change");
        match change {
            Change::Deliver(new) => self.deliver(&new, committed),
            Change::Arm { state_key, arming } => {
                task.run_each(&[ARM], params![uid, state_key, namespace, name, arming.cast_signed(), now_ms])
            }
            Change::Disarm { state_key } => task.run_each(&[DISARM], params![uid, state_key, now_ms]),
            Change::Adopt { state_key, at } => {
                task.run_each(&[ADOPT], params![uid, state_key, namespace, name, at, now_ms])
            }
            Change::Annotated { state_keys, removed, resource_version } => {
                let values = params![uid, json(&state_keys), json(&removed), resource_version, now_ms];
                task.run_each(&ANNOTATED, values)
            }
            Change::Truncated { state_keys } => task.run_each(&[TRUNCATED], params![uid, json(&state_keys), now_ms]),
            Change::Restore { state_keys } => task.run_each(&[RESTORE], params![uid, json(&state_keys), now_ms]),
            Change::Keep { digest, content } => {
                let stored = self.keys.seal_object(uid, &content)?;
                task.run_each(&[objects::KEEP], params![uid, namespace, name, digest, stored.bytes, stored.key_id])
            }
            Change::Unkeep => task.run_each(&[objects::UNKEEP], params![uid]),
            Change::ForgetObject => task.run_each(&FORGET, params![uid, namespace, name]),
        }
    }

    fn deliver(&self, new: &NewDelivery, committed: &mut Committed) -> Result<(), Error> {
        new.check()?;
        let key = unique_key(&self.identity.install_id, self.identity.epoch, &new.occurrence);
        let id = DeliveryId::new(self.now_ms, rand::random());
        if !self.insert(id, &key, new)? {
            return self.adopt(&key, new, committed);
        }
        failpoint::pass("arming.written");
        committed.ids.push(id);
        self.supersede(id, new, committed)
    }

    /// False: the occurrence has its row already.
    fn insert(&self, id: DeliveryId, key: &[u8; 32], new: &NewDelivery) -> Result<bool, Error> {
        let occurrence = &new.occurrence;
        let body = self.keys.seal(id, Part::Body, &new.payload)?;
        let values = params![
            id.as_bytes(),
            key,
            occurrence.object.uid,
            occurrence.object.namespace,
            occurrence.object.name,
            occurrence.config_namespace,
            occurrence.trigger,
            occurrence.condition_key,
            occurrence.once_per,
            occurrence.destination.service,
            occurrence.destination.recipient,
            occurrence.arming.cast_signed(),
            new.state_key,
            new.service_kind,
            new.ordering,
            new.supersedes,
            new.idempotent,
            new.digest,
            self.identity.process,
            new.lane.host,
            code(new.arrival()),
            new.dead.map_or("", |reason| reason.as_str()),
            self.now_ms,
            i64::try_from(new.payload.len()).unwrap_or(i64::MAX),
            body.bytes,
            body.key_id,
            self.identity.install_id
        ];
        let what = "insert a delivery";
        match task(self.connection, what).try_each(&DELIVER, values) {
            Ok(()) => Ok(true),
            Err(error) if is_taken(&error) => Ok(false),
            Err(error) => Err(fault(what, &error)),
        }
    }

    fn supersede(&self, id: DeliveryId, new: &NewDelivery, committed: &mut Committed) -> Result<(), Error> {
        let (true, Some(ordering)) = (new.supersedes && new.dead.is_none(), &new.ordering) else { return Ok(()) };
        let task = task(self.connection, "supersede deliveries");
        let (occurrence, destination) = (&new.occurrence, &new.occurrence.destination);
        let like = params![
            id.as_bytes(),
            ordering,
            occurrence.config_namespace,
            destination.service,
            destination.recipient,
            self.now_ms
        ];
        for old in task.all(SUPERSEDE, like, |row| row.bytes("id"))? {
            // What the replaced one had replaced is now replaced by the new one.
            task.run("UPDATE delivery SET successor = $1 WHERE successor = $2", params![id.as_bytes(), old])?;
            committed.superseded.push(rows::id(&old)?);
        }
        Ok(())
    }

    /// The occurrence has its row already: its id is the answer. A dead letter made of something else is made anew, unless it may have
    /// arrived.
    fn adopt(&self, key: &[u8; 32], new: &NewDelivery, committed: &mut Committed) -> Result<(), Error> {
        let text = "SELECT seq, id, state, digest, reason FROM delivery WHERE unique_key = $1";
        let (id, sequence, state, digest, reason) =
            task(self.connection, "read a delivery").one(text, params![key], |row| {
                Ok((
                    rows::id(&row.bytes("id")?)?,
                    row.int("seq")?,
                    rows::state(row.int("state")?)?,
                    row.text("digest")?,
                    DeadReason::parse(&row.text("reason")?),
                ))
            })?;
        if state == State::Dead && digest != new.digest {
            match reason.is_some_and(DeadReason::waits_for_a_person) {
                true => self.leave(sequence, new)?,
                false => self.revive(id, sequence, new)?,
            }
        }
        committed.ids.push(id);
        committed.adopted.push(id);
        Ok(())
    }

    fn leave(&self, sequence: i64, new: &NewDelivery) -> Result<(), Error> {
        let occurrence = &new.occurrence;
        let values =
            params![sequence, new.digest, occurrence.object.uid, new.state_key, occurrence.arming.cast_signed()];
        task(self.connection, "leave a dead letter").run_each(&LEAVE, values)
    }

    fn revive(&self, id: DeliveryId, sequence: i64, new: &NewDelivery) -> Result<(), Error> {
        let body = self.keys.seal(id, Part::Body, &new.payload)?;
        let values = params![
            sequence,
            code(new.arrival()),
            new.dead.map_or("", |reason| reason.as_str()),
            new.digest,
            self.now_ms,
            i64::try_from(new.payload.len()).unwrap_or(i64::MAX),
            body.bytes,
            new.occurrence.object.uid,
            new.state_key,
            new.occurrence.arming.cast_signed(),
            body.key_id
        ];
        task(self.connection, "make a dead letter anew").run_each(&REVIVE, values)
    }
}

fn json(texts: &[String]) -> String {
    serde_json::Value::from(texts).to_string()
}

/// The unique key is there; any other broken constraint is an error.
fn is_taken(error: &rusqlite::Error) -> bool {
    error.to_string().contains("delivery.unique_key")
}
