//! Applies one evaluation's changes. Runs inside the writer's savepoint: an error takes all of them back.

use super::super::change::{Change, Committed, NewDelivery};
use super::super::delivery::{DeliveryId, State, unique_key};
use super::super::rows::{self, Columns, code};
use super::super::seal::{Keys, Part};
use super::super::store::Error;
use super::Identity;
use super::objects;
use super::writer::fault;
use crate::failpoint;
use crate::notify::ObjectId;
use sqlx::sqlite::SqliteConnection;

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

const ANNOTATED: &str = "
UPDATE key_state SET phase = 'annotated', resource_version = $4, owed = 0, changed_ms = $5
WHERE uid = $1 AND state_key IN (SELECT value FROM json_each($2)) AND armed = 1 AND phase = 'delivered';
UPDATE key_state SET owed = 0, changed_ms = $5
WHERE uid = $1 AND state_key IN (SELECT value FROM json_each($3)) AND owed = 2";

const TRUNCATED: &str = "
UPDATE key_state SET phase = 'truncated', owed = 0, changed_ms = $3
WHERE uid = $1 AND state_key IN (SELECT value FROM json_each($2)) AND phase IN ('annotated', 'delivered')";

const RESTORE: &str = "
UPDATE key_state SET phase = 'delivered', resource_version = '', owed = 1, changed_ms = $3
WHERE uid = $1 AND state_key IN (SELECT value FROM json_each($2)) AND armed = 1 AND phase = 'annotated'";

// The same UID never comes back in Kubernetes; a file does, and then nothing of it has been told yet.
const FORGET: &str = "
DELETE FROM key_state WHERE uid = $1;
DELETE FROM last_object WHERE uid = $1;
UPDATE delivery SET unique_key = NULL WHERE namespace = $2 AND name = $3 AND uid = $1";

// One round trip: its lane, the row, its body, the state of its key.
const DELIVER: &str = "
INSERT OR IGNORE INTO lane (config_namespace, service, host) VALUES ($6, $10, $20);
INSERT INTO delivery (id, unique_key, uid, namespace, name, config_namespace, trigger_name, condition_key, once_per, service,
    recipient, arming, state_key, service_kind, ordering, supersedes, idempotent, digest, process, state, reason, due_ms,
    created_ms, since_ms, updated_ms, body_bytes, key_id, install, lane)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $21, $22, $23, $23, $23, $23, $24, $26, $27,
    (SELECT id FROM lane WHERE config_namespace = $6 AND service = $10 AND host = $20));
INSERT INTO body (seq, payload) VALUES (last_insert_rowid(), $25);
INSERT INTO key_state (uid, state_key, namespace, name, armed, arming, phase, digest, changed_ms)
VALUES ($3, $13, $4, $5, 1, $12, iif($21 = 4, 'dead', 'pending'), $18, $23)
ON CONFLICT (uid, state_key) DO UPDATE
SET armed = 1, arming = excluded.arming, phase = excluded.phase, digest = excluded.digest, owed = iif(owed = 2, 2, 0),
    changed_ms = excluded.changed_ms
WHERE excluded.arming >= arming";

const REVIVE: &str = "
UPDATE delivery SET state = $2, reason = $3, digest = $4, due_ms = $5, since_ms = $5, updated_ms = $5, step = 0, unknowns = 0,
    body_bytes = $6, key_id = $11
WHERE seq = $1;
UPDATE body SET payload = $7 WHERE seq = $1;
UPDATE key_state SET phase = iif($2 = 4, 'dead', 'pending'), digest = $4, changed_ms = $5
WHERE uid = $8 AND state_key = $9 AND arming = $10";

const SUPERSEDE: &str = "
UPDATE delivery SET state = 5, successor = $1, updated_ms = $6
WHERE ordering = $2 AND config_namespace = $3 AND service = $4 AND recipient = $5 AND state < 2 AND supersedes = 1
    AND seq < (SELECT seq FROM delivery WHERE id = $1)
RETURNING id";

// `$1`, not `?1`: sqlx gives numbered parameters to all statements of one text only if there are no gaps, which names do not have.

/// One evaluation's transaction in the making.
pub(super) struct Evaluation<'a> {
    pub(super) connection: &'a mut SqliteConnection,
    pub(super) identity: &'a Identity,
    pub(super) keys: &'a Keys,
    pub(super) object: &'a ObjectId,
    pub(super) now_ms: i64,
}

impl Evaluation<'_> {
    /// Applies all changes in order.
    pub(super) async fn apply(mut self, changes: Vec<Change>) -> Result<Committed, Error> {
        let mut committed = Committed::default();
        for change in changes {
            self.step(change, &mut committed).await?;
        }
        Ok(committed)
    }

    async fn step(&mut self, change: Change, committed: &mut Committed) -> Result<(), Error> {
        let ObjectId { namespace, name, uid } = self.object;
        let point = change.point();
        let query = match change {
            Change::Deliver(new) => return self.deliver(*new, committed).await,
            Change::Arm { state_key, arming } => sqlx::query(ARM)
                .bind(uid)
                .bind(state_key)
                .bind(namespace)
                .bind(name)
                .bind(arming.cast_signed())
                .bind(self.now_ms),
            Change::Disarm { state_key } => sqlx::query(DISARM).bind(uid).bind(state_key).bind(self.now_ms),
            Change::Adopt { state_key, at } => {
                sqlx::query(ADOPT).bind(uid).bind(state_key).bind(namespace).bind(name).bind(at).bind(self.now_ms)
            }
            Change::Annotated { state_keys, removed, resource_version } => sqlx::query(ANNOTATED)
                .bind(uid)
                .bind(json(&state_keys))
                .bind(json(&removed))
                .bind(resource_version)
                .bind(self.now_ms),
            Change::Truncated { state_keys } => {
                sqlx::query(TRUNCATED).bind(uid).bind(json(&state_keys)).bind(self.now_ms)
            }
            Change::Restore { state_keys } => sqlx::query(RESTORE).bind(uid).bind(json(&state_keys)).bind(self.now_ms),
            Change::Keep { digest, content } => {
                let stored = self.keys.seal_object(uid, &content)?;
                let query = sqlx::query(objects::KEEP).bind(uid).bind(namespace).bind(name).bind(digest);
                query.bind(stored.bytes).bind(stored.key_id)
            }
            Change::Unkeep => sqlx::query(objects::UNKEEP).bind(uid),
            Change::ForgetObject => sqlx::query(FORGET).bind(uid).bind(namespace).bind(name),
        };
        query.execute(&mut *self.connection).await.map_err(|error| fault("commit a change", &error))?;
        point.into_iter().for_each(failpoint::pass);
        Ok(())
    }

    async fn deliver(&mut self, new: NewDelivery, committed: &mut Committed) -> Result<(), Error> {
        new.check()?;
        let key = unique_key(&self.identity.install_id, self.identity.epoch, &new.occurrence);
        let id = DeliveryId::new(self.now_ms, rand::random());
        match self.insert(id, &key, &new).await {
            Ok(true) => {
                failpoint::pass("arming.written");
                committed.ids.push(id);
                self.supersede(id, &new, committed).await
            }
            Ok(false) => self.adopt(&key, &new, committed).await,
            Err(error) => Err(error),
        }
    }

    /// False: the occurrence has its row already.
    async fn insert(&mut self, id: DeliveryId, key: &[u8; 32], new: &NewDelivery) -> Result<bool, Error> {
        let occurrence = &new.occurrence;
        let body = self.keys.seal(id, Part::Body, &new.payload)?;
        let done = sqlx::query(DELIVER)
            .bind(&id.as_bytes()[..])
            .bind(&key[..])
            .bind(&occurrence.object.uid)
            .bind(&occurrence.object.namespace)
            .bind(&occurrence.object.name)
            .bind(&occurrence.config_namespace)
            .bind(&occurrence.trigger)
            .bind(&occurrence.condition_key)
            .bind(&occurrence.once_per)
            .bind(&occurrence.destination.service)
            .bind(&occurrence.destination.recipient)
            .bind(occurrence.arming.cast_signed())
            .bind(&new.state_key)
            .bind(&new.service_kind)
            .bind(&new.ordering)
            .bind(new.supersedes)
            .bind(new.idempotent)
            .bind(&new.digest)
            .bind(self.identity.process)
            .bind(&new.lane.host)
            .bind(code(new.arrival()))
            .bind(new.dead.map_or("", |reason| reason.as_str()))
            .bind(self.now_ms)
            .bind(i64::try_from(new.payload.len()).unwrap_or(i64::MAX))
            .bind(body.bytes)
            .bind(body.key_id)
            .bind(&self.identity.install_id)
            .execute(&mut *self.connection)
            .await;
        match done {
            Ok(_) => Ok(true),
            Err(error) if is_taken(&error) => Ok(false),
            Err(error) => Err(fault("insert a delivery", &error)),
        }
    }

    async fn supersede(&mut self, id: DeliveryId, new: &NewDelivery, committed: &mut Committed) -> Result<(), Error> {
        let (true, Some(ordering)) = (new.supersedes && new.dead.is_none(), &new.ordering) else { return Ok(()) };
        let replaced = sqlx::query(SUPERSEDE)
            .bind(&id.as_bytes()[..])
            .bind(ordering)
            .bind(&new.occurrence.config_namespace)
            .bind(&new.occurrence.destination.service)
            .bind(&new.occurrence.destination.recipient)
            .bind(self.now_ms)
            .fetch_all(&mut *self.connection)
            .await
            .map_err(|error| fault("supersede deliveries", &error))?;
        for row in replaced {
            let old = row.bytes("id")?;
            // What the replaced one had replaced is now replaced by the new one.
            sqlx::query("UPDATE delivery SET successor = $1 WHERE successor = $2")
                .bind(&id.as_bytes()[..])
                .bind(&old)
                .execute(&mut *self.connection)
                .await
                .map_err(|error| fault("supersede deliveries", &error))?;
            committed.superseded.push(rows::id(&old)?);
        }
        Ok(())
    }

    /// The occurrence has its row already: its id is the answer. A dead letter made of something else is made anew.
    async fn adopt(&mut self, key: &[u8; 32], new: &NewDelivery, committed: &mut Committed) -> Result<(), Error> {
        let row = sqlx::query("SELECT seq, id, state, digest FROM delivery WHERE unique_key = $1")
            .bind(&key[..])
            .fetch_one(&mut *self.connection)
            .await
            .map_err(|error| fault("read a delivery", &error))?;
        let id = rows::id(&row.bytes("id")?)?;
        let was_dead = rows::state(row.int("state")?)? == State::Dead;
        if was_dead && row.text("digest")? != new.digest {
            self.revive(id, row.int("seq")?, new).await?;
        }
        committed.ids.push(id);
        committed.adopted.push(id);
        Ok(())
    }

    async fn revive(&mut self, id: DeliveryId, sequence: i64, new: &NewDelivery) -> Result<(), Error> {
        let body = self.keys.seal(id, Part::Body, &new.payload)?;
        sqlx::query(REVIVE)
            .bind(sequence)
            .bind(code(new.arrival()))
            .bind(new.dead.map_or("", |reason| reason.as_str()))
            .bind(&new.digest)
            .bind(self.now_ms)
            .bind(i64::try_from(new.payload.len()).unwrap_or(i64::MAX))
            .bind(body.bytes)
            .bind(&new.occurrence.object.uid)
            .bind(&new.state_key)
            .bind(new.occurrence.arming.cast_signed())
            .bind(body.key_id)
            .execute(&mut *self.connection)
            .await
            .map_err(|error| fault("make a dead letter anew", &error))?;
        Ok(())
    }
}

fn json(texts: &[String]) -> String {
    serde_json::Value::from(texts).to_string()
}

/// The unique key is there; any other broken constraint is an error.
fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|database| database.message().contains("delivery.unique_key"))
}
