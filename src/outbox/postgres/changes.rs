//! Applies one evaluation's changes within the writer's transaction: an error takes all of them back.
//!
//! Rows of one ordering key are inserted one transaction after the other, whatever process they come from: an advisory lock on the key is
//! held until the commit, so that the order of the sequence is the order in which others see the rows.

use super::super::change::{Change, Committed, NewDelivery};
use super::super::delivery::{DeadReason, DeliveryId, State, unique_key};
use super::super::rows::{self, Columns, code};
use super::super::seal::{Keys, Part};
use super::super::store::Error;
use super::Identity;
use super::objects;
use super::text::write;
use super::writer::fault;
use crate::failpoint;
use crate::notify::ObjectId;
use sha2::{Digest, Sha256};
use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::query::Query;

const ARM: &str = "
INSERT INTO key_state AS k (uid, key_hash, state_key, namespace, name, armed, arming, phase, changed_ms)
VALUES ($1, $2, $3, $4, $5, true, $6, 'pending', $7)
ON CONFLICT (uid, key_hash) DO UPDATE
SET armed = true, arming = excluded.arming, phase = 'pending', owed = CASE WHEN k.owed = 2 THEN 2 ELSE 0 END,
    changed_ms = excluded.changed_ms
WHERE excluded.arming > k.arming";

// Owed to be set becomes owed to be removed as well: the patch may be on its way.
const DISARM: &str = "
UPDATE key_state
SET armed = false, owed = CASE WHEN owed > 0 OR phase IN ('delivered', 'annotated') THEN 2 ELSE 0 END, changed_ms = $3
WHERE uid = $1 AND key_hash = $2 AND armed";

// A key whose removal is still owed is there because of us, not because someone else delivered.
const ADOPT: &str = "
INSERT INTO key_state AS k (uid, key_hash, state_key, namespace, name, armed, arming, phase, at, changed_ms)
VALUES ($1, $2, $3, $4, $5, true, 0, 'annotated', $6, $7)
ON CONFLICT (uid, key_hash) DO UPDATE
SET armed = true, phase = 'annotated', at = excluded.at, resource_version = '', owed = 0, changed_ms = excluded.changed_ms
WHERE (NOT k.armed AND k.owed = 0) OR k.phase = 'dead'";

const ANNOTATED: &str = "
UPDATE key_state SET phase = 'annotated', resource_version = $3, owed = 0, changed_ms = $4
WHERE uid = $1 AND key_hash = ANY($2) AND armed AND phase = 'delivered'";
const REMOVED: &str = "
UPDATE key_state SET owed = 0, changed_ms = $3 WHERE uid = $1 AND key_hash = ANY($2) AND owed = 2";

const TRUNCATED: &str = "
UPDATE key_state SET phase = 'truncated', owed = 0, changed_ms = $3
WHERE uid = $1 AND key_hash = ANY($2) AND phase IN ('annotated', 'delivered')";

const RESTORE: &str = "
UPDATE key_state SET phase = 'delivered', resource_version = '', owed = 1, changed_ms = $3
WHERE uid = $1 AND key_hash = ANY($2) AND armed AND phase = 'annotated'";

// The same UID never comes back in Kubernetes; a file does, and then nothing of it has been told yet.
const FORGET_STATE: &str = "DELETE FROM key_state WHERE uid = $1";
const FORGET_KEYS: &str = "UPDATE delivery SET unique_key = NULL WHERE namespace = $2 AND name = $3 AND uid = $1";

// One round trip: the row, its body, the state of its key. No row is answered where the unique key is there already.
const DELIVER: &str = "
WITH made AS (
    INSERT INTO delivery (id, unique_key, uid, namespace, name, config_namespace, trigger_name, condition_key, once_per, service,
        recipient, arming, state_key, service_kind, ordering, fence, supersedes, idempotent, digest, process, holder, lane, state,
        reason, due_ms, created_ms, since_ms, updated_ms, body_bytes, key_id, install)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $20, $21, $22, $23, $24, $24,
        $24, $24, $25, $27, $29)
    ON CONFLICT (unique_key) DO NOTHING
    RETURNING seq),
kept AS (INSERT INTO body (seq, payload) SELECT seq, $26 FROM made),
risen AS (
    INSERT INTO key_state AS k (uid, key_hash, state_key, namespace, name, armed, arming, phase, digest, changed_ms)
    SELECT $3, $28, $13, $4, $5, true, $12, CASE WHEN $22 = 4 THEN 'dead' ELSE 'pending' END, $19, $24 FROM made WHERE $13 <> ''
    ON CONFLICT (uid, key_hash) DO UPDATE
    SET armed = true, arming = excluded.arming, phase = excluded.phase, digest = excluded.digest,
        owed = CASE WHEN k.owed = 2 THEN 2 ELSE 0 END, changed_ms = excluded.changed_ms
    WHERE excluded.arming >= k.arming)
SELECT seq FROM made";

const REVIVE: &str = "
WITH revived AS (
    UPDATE delivery SET state = $2, reason = $3, digest = $4, due_ms = $5, since_ms = $5, updated_ms = $5, step = 0, unknowns = 0,
        body_bytes = $6, key_id = $8, holder = $12
    WHERE seq = $1),
kept AS (UPDATE body SET payload = $7 WHERE seq = $1)
UPDATE key_state SET phase = CASE WHEN $2 = 4 THEN 'dead' ELSE 'pending' END, digest = $4, changed_ms = $5
WHERE uid = $9 AND key_hash = $10 AND arming = $11";

// Looked at again under another digest, and left as it is.
const LEAVE: &str = "
WITH left_as_it_is AS (UPDATE delivery SET digest = $2 WHERE seq = $1)
UPDATE key_state SET digest = $2 WHERE uid = $3 AND key_hash = $4 AND arming = $5";

const SUPERSEDE: &str = "
UPDATE delivery SET state = 5, successor = $1, updated_ms = $7
WHERE fence = $2 AND ordering = $3 AND config_namespace = $4 AND service = $5 AND recipient = $6 AND state < 2 AND supersedes
    AND seq < (SELECT seq FROM delivery WHERE id = $1)
RETURNING id";

/// What the order of an ordering key is kept by, also the key of its advisory lock.
pub(super) fn fence(config_namespace: &str, service: &str, ordering: &str) -> i64 {
    let mut hash = Sha256::new();
    for text in [config_namespace, service, ordering] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(hash.finalize());
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// What a key of an object's state is found by.
pub(super) fn key_hash(state_key: &str) -> Vec<u8> {
    Sha256::digest(state_key.as_bytes()).to_vec()
}

fn key_hashes(state_keys: &[String]) -> Vec<Vec<u8>> {
    state_keys.iter().map(|key| key_hash(key)).collect()
}

/// A change and, where it delivers, the number of its lane.
#[derive(Debug)]
pub(super) struct Placed {
    pub change: Change,
    pub lane: i64,
}

/// One evaluation's transaction in the making.
pub(super) struct Evaluation<'a> {
    pub connection: &'a mut PgConnection,
    pub identity: &'a Identity,
    pub keys: &'a Keys,
    pub object: &'a ObjectId,
    pub process: i64,
    pub now_ms: i64,
}

impl Evaluation<'_> {
    /// Applies all changes in order.
    pub(super) async fn apply(mut self, changes: &[Placed]) -> Result<Committed, Error> {
        self.lock(changes).await?;
        let mut committed = Committed::default();
        for placed in changes {
            match &placed.change {
                Change::Deliver(new) => self.deliver(new, placed.lane, &mut committed).await?,
                change => {
                    self.step(change).await?;
                    change.point().into_iter().for_each(failpoint::pass);
                }
            }
        }
        Ok(committed)
    }

    /// All locks in one order, so that two evaluations never wait for each other.
    async fn lock(&mut self, changes: &[Placed]) -> Result<(), Error> {
        let ordered = changes.iter().filter_map(|placed| match &placed.change {
            Change::Deliver(new) => fence_of(new),
            _ => None,
        });
        let mut fences: Vec<i64> = ordered.collect();
        fences.sort_unstable();
        fences.dedup();
        for fence in fences {
            lock(self.connection, fence).await?;
        }
        Ok(())
    }

    async fn step(&mut self, change: &Change) -> Result<(), Error> {
        let (uid, now_ms) = (write(&self.object.uid), self.now_ms);
        let (namespace, name) = (write(&self.object.namespace), write(&self.object.name));
        match change {
            Change::Arm { state_key, arming } => {
                let query = sqlx::query(ARM).bind(uid).bind(key_hash(state_key)).bind(write(state_key));
                self.run(query.bind(namespace).bind(name).bind(arming.cast_signed()).bind(now_ms)).await
            }
            Change::Disarm { state_key } => {
                self.run(sqlx::query(DISARM).bind(uid).bind(key_hash(state_key)).bind(now_ms)).await
            }
            Change::Adopt { state_key, at } => {
                let query = sqlx::query(ADOPT).bind(uid).bind(key_hash(state_key)).bind(write(state_key));
                self.run(query.bind(namespace).bind(name).bind(*at).bind(now_ms)).await
            }
            Change::Annotated { state_keys, removed, resource_version } => {
                let written = sqlx::query(ANNOTATED).bind(uid.clone()).bind(key_hashes(state_keys));
                self.run(written.bind(write(resource_version)).bind(now_ms)).await?;
                self.run(sqlx::query(REMOVED).bind(uid).bind(key_hashes(removed)).bind(now_ms)).await
            }
            Change::Truncated { state_keys } => {
                self.run(sqlx::query(TRUNCATED).bind(uid).bind(key_hashes(state_keys)).bind(now_ms)).await
            }
            Change::Restore { state_keys } => {
                self.run(sqlx::query(RESTORE).bind(uid).bind(key_hashes(state_keys)).bind(now_ms)).await
            }
            Change::Keep { digest, content } => {
                let stored = self.keys.seal_object(&self.object.uid, content)?;
                let query = sqlx::query(objects::KEEP).bind(uid).bind(namespace).bind(name).bind(digest.clone());
                self.run(query.bind(stored.bytes).bind(stored.key_id)).await
            }
            Change::Unkeep => self.run(sqlx::query(objects::UNKEEP).bind(uid)).await,
            Change::ForgetObject => {
                self.run(sqlx::query(objects::UNKEEP).bind(uid.clone())).await?;
                self.run(sqlx::query(FORGET_STATE).bind(uid.clone())).await?;
                self.run(sqlx::query(FORGET_KEYS).bind(uid).bind(namespace).bind(name)).await
            }
            // Made by `deliver`, which knows its lane.
            Change::Deliver(_) => Ok(()),
        }
    }

    async fn run(&mut self, query: Query<'_, Postgres, PgArguments>) -> Result<(), Error> {
        query.execute(&mut *self.connection).await.map_err(|error| fault("commit a change", &error))?;
        Ok(())
    }

    async fn deliver(&mut self, new: &NewDelivery, lane: i64, committed: &mut Committed) -> Result<(), Error> {
        new.check()?;
        let key = unique_key(&self.identity.install_id, self.identity.epoch, &new.occurrence);
        let id = DeliveryId::new(self.now_ms, rand::random());
        if self.insert(id, &key, new, lane).await? {
            failpoint::pass("arming.written");
            committed.ids.push(id);
            return self.supersede(id, new, committed).await;
        }
        self.adopt(&key, new, committed).await
    }

    /// False: the occurrence has its row already.
    async fn insert(&mut self, id: DeliveryId, key: &[u8; 32], new: &NewDelivery, lane: i64) -> Result<bool, Error> {
        let occurrence = &new.occurrence;
        let body = self.keys.seal(id, Part::Body, &new.payload)?;
        let made: Option<i64> = sqlx::query_scalar(DELIVER)
            .bind(&id.as_bytes()[..])
            .bind(&key[..])
            .bind(write(&occurrence.object.uid))
            .bind(write(&occurrence.object.namespace))
            .bind(write(&occurrence.object.name))
            .bind(write(&occurrence.config_namespace))
            .bind(write(&occurrence.trigger))
            .bind(write(&occurrence.condition_key))
            .bind(write(&occurrence.once_per))
            .bind(write(&occurrence.destination.service))
            .bind(write(&occurrence.destination.recipient))
            .bind(occurrence.arming.cast_signed())
            .bind(write(&new.state_key))
            .bind(write(&new.service_kind))
            .bind(new.ordering.as_deref().map(write))
            .bind(fence_of(new))
            .bind(new.supersedes)
            .bind(new.idempotent)
            .bind(write(&new.digest))
            .bind(self.process)
            .bind(lane)
            .bind(code(new.arrival()))
            .bind(new.dead.map_or("", |reason| reason.as_str()))
            .bind(self.now_ms)
            .bind(i64::try_from(new.payload.len()).unwrap_or(i64::MAX))
            .bind(body.bytes)
            .bind(body.key_id)
            .bind(key_hash(&new.state_key))
            .bind(&self.identity.install_id)
            .fetch_optional(&mut *self.connection)
            .await
            .map_err(|error| fault("insert a delivery", &error))?;
        Ok(made.is_some())
    }

    async fn supersede(&mut self, id: DeliveryId, new: &NewDelivery, committed: &mut Committed) -> Result<(), Error> {
        let (true, Some(ordering)) = (new.supersedes && new.dead.is_none(), &new.ordering) else { return Ok(()) };
        let replaced = sqlx::query(SUPERSEDE)
            .bind(&id.as_bytes()[..])
            .bind(fence_of(new))
            .bind(write(ordering))
            .bind(write(&new.occurrence.config_namespace))
            .bind(write(&new.occurrence.destination.service))
            .bind(write(&new.occurrence.destination.recipient))
            .bind(self.now_ms)
            .fetch_all(&mut *self.connection)
            .await
            .map_err(|error| fault("supersede deliveries", &error))?;
        for row in replaced {
            let old = row.bytes("id")?;
            // What the replaced one had replaced is now replaced by the new one.
            let chain = sqlx::query("UPDATE delivery SET successor = $1 WHERE successor = $2");
            self.run(chain.bind(&id.as_bytes()[..]).bind(&old)).await?;
            committed.superseded.push(rows::id(&old)?);
        }
        Ok(())
    }

    /// The occurrence has its row already: its id is the answer. A dead letter made of something else is made anew, unless it may have
    /// arrived.
    async fn adopt(&mut self, key: &[u8; 32], new: &NewDelivery, committed: &mut Committed) -> Result<(), Error> {
        let row = sqlx::query("SELECT seq, id, state, digest, reason FROM delivery WHERE unique_key = $1 FOR UPDATE")
            .bind(&key[..])
            .fetch_one(&mut *self.connection)
            .await
            .map_err(|error| fault("read a delivery", &error))?;
        let id = rows::id(&row.bytes("id")?)?;
        let was_dead = rows::state(row.int("state")?)? == State::Dead;
        if was_dead && row.text("digest")? != new.digest {
            let reason = DeadReason::parse(&row.text("reason")?);
            match reason.is_some_and(DeadReason::waits_for_a_person) {
                true => self.leave(row.int("seq")?, new).await?,
                false => self.revive(id, row.int("seq")?, new).await?,
            }
        }
        committed.ids.push(id);
        committed.adopted.push(id);
        Ok(())
    }

    async fn leave(&mut self, sequence: i64, new: &NewDelivery) -> Result<(), Error> {
        let query = sqlx::query(LEAVE)
            .bind(sequence)
            .bind(write(&new.digest))
            .bind(write(&new.occurrence.object.uid))
            .bind(key_hash(&new.state_key))
            .bind(new.occurrence.arming.cast_signed());
        self.run(query).await
    }

    async fn revive(&mut self, id: DeliveryId, sequence: i64, new: &NewDelivery) -> Result<(), Error> {
        let body = self.keys.seal(id, Part::Body, &new.payload)?;
        let query = sqlx::query(REVIVE)
            .bind(sequence)
            .bind(code(new.arrival()))
            .bind(new.dead.map_or("", |reason| reason.as_str()))
            .bind(write(&new.digest))
            .bind(self.now_ms)
            .bind(i64::try_from(new.payload.len()).unwrap_or(i64::MAX))
            .bind(body.bytes)
            .bind(body.key_id)
            .bind(write(&new.occurrence.object.uid))
            .bind(key_hash(&new.state_key))
            .bind(new.occurrence.arming.cast_signed())
            .bind(self.process);
        self.run(query).await
    }
}

fn fence_of(new: &NewDelivery) -> Option<i64> {
    let ordering = new.ordering.as_deref()?;
    Some(fence(&new.occurrence.config_namespace, &new.occurrence.destination.service, ordering))
}

/// Holds an ordering key until the end of the transaction.
pub(super) async fn lock(connection: &mut PgConnection, fence: i64) -> Result<(), Error> {
    let query = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(fence);
    query.execute(connection).await.map_err(|error| fault("wait for an ordering key", &error))?;
    Ok(())
}
