//! The store in one SQLite file: WAL, `synchronous = FULL`, one writer, a few readers, one process.
//!
//! All writes pass the [`writer`]; reads see what is committed. A store in memory is the same without the file: tests and pods that may not
//! write use it. Claims of an earlier process are put back when the file is opened; whatever was in flight then has an unknown outcome and is repeated.

mod changes;
mod claim;
mod destinations;
mod intents;
mod log;
mod objects;
mod open;
mod outcome;
mod people;
mod retention;
mod runs;
mod writer;

use super::breaker::Breaker;
use super::change::{Change, Committed};
use super::delivery::{Attempt, ClaimToken, Delivery, DeliveryId, Lane, State, Transition};
use super::destination::{Destination, Off};
use super::rows::{self, Columns};
use super::seal::Keys;
use super::store::{
    ClaimLimits, Claims, Counts, DeadGroup, Detail, Error, Filter, KeptObject, Moved, OwedAnnotation, Pruned, Release,
    Replay, Retention, Store,
};
use crate::notify::{KeyState, ObjectId};
use async_trait::async_trait;
use futures::future::BoxFuture;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqlitePoolOptions};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, OnceLock};
use writer::{Priority, Writer, fault};

/// Space that is kept free for outcomes (`store.reserve`).
pub const DEFAULT_RESERVE_BYTES: u64 = 64 * 1024 * 1024;
/// How a file is opened.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// Bytes that must stay free where the file lies, else decisions pause (`store.reserve`).
    pub reserve_bytes: u64,
    /// Keys that bodies and answers are encrypted with.
    pub keys: Arc<Keys>,
    /// Most pages that the file may have, of [`PAGE_BYTES`] each; beyond it the disk counts as full.
    pub max_pages: Option<u32>,
    /// Whether the write-ahead log gets its 16 MiB at once, which makes the first commits as quick as the later ones.
    pub long_log: bool,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { reserve_bytes: DEFAULT_RESERVE_BYTES, keys: Arc::default(), max_pages: None, long_log: false }
    }
}

/// Bytes of a page of the file.
pub const PAGE_BYTES: u32 = open::PAGE_SIZE;
/// Connections for reading.
const READERS: u32 = 2;

// What an earlier process held: put back, unless a newer state came meanwhile.
const REOPEN: &str = "
UPDATE delivery SET state = 1, claim = 0 WHERE state = 2;
UPDATE delivery SET state = 5, successor = (
    SELECT n.id FROM delivery n WHERE n.ordering = delivery.ordering AND n.config_namespace = delivery.config_namespace
        AND n.service = delivery.service AND n.recipient = delivery.recipient AND n.seq > delivery.seq AND n.supersedes = 1 AND n.state < 4
    ORDER BY n.seq DESC LIMIT 1)
WHERE state = 1 AND supersedes = 1 AND ordering IS NOT NULL AND EXISTS (
    SELECT 1 FROM delivery n WHERE n.ordering = delivery.ordering AND n.config_namespace = delivery.config_namespace
        AND n.service = delivery.service AND n.recipient = delivery.recipient AND n.seq > delivery.seq AND n.supersedes = 1 AND n.state < 4)";

// As many keys as objects are wanted, the longest owed first: read off the index, however many are owed.
const OWED: &str = "
SELECT * FROM key_state WHERE owed > 0 AND uid IN (
    SELECT uid FROM key_state WHERE owed > 0 ORDER BY changed_ms LIMIT $1)
ORDER BY uid, state_key";

/// Who this store is, and which of its processes this is.
#[derive(Debug, Clone)]
struct Identity {
    install_id: String,
    epoch: u64,
    process: i64,
}

/// The outbox in SQLite. Clones share it.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    identity: Identity,
    keys: Arc<Keys>,
    claims: AtomicI64,
    file: Option<OpenFile>,
    /// The first damage that was met: nothing heals it but a person.
    damage: OnceLock<Error>,
    writer: Mutex<Option<(Writer, tokio::task::JoinHandle<()>)>>,
}

#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    reserve_bytes: u64,
    readers: SqlitePool,
    lock: Mutex<Option<open::ProcessLock>>,
}

impl SqliteStore {
    /// Opens (or makes) the file; refused if another process has it, if it lies on a network file system or if a newer version wrote it.
    pub async fn open(path: &Path, reserve_bytes: u64) -> Result<Self, Error> {
        Self::open_with(path, SqliteOptions { reserve_bytes, ..SqliteOptions::default() }).await
    }

    /// [`SqliteStore::open`] with everything that can be chosen.
    pub async fn open_with(path: &Path, options: SqliteOptions) -> Result<Self, Error> {
        let lock = open::secure(path)?;
        let connection = open::connect(Some(path), options.max_pages).await?;
        // A file does not go away between two reads: asking each time would double the cost of a small one.
        let readers = SqlitePoolOptions::new().max_connections(READERS).min_connections(1).test_before_acquire(false);
        let readers = readers.connect_with(open::reading(path)).await;
        let readers = readers.map_err(|error| fault("open the store for reading", &error))?;
        let (path, reserve_bytes) = (path.to_owned(), options.reserve_bytes);
        let log = log::Log::start(&path, options.long_log).await?;
        let file = OpenFile { path, reserve_bytes, readers, lock: Mutex::new(Some(lock)) };
        Self::start(connection, Some((file, log)), options.keys).await
    }

    /// A store that ends with the process.
    pub async fn in_memory() -> Result<Self, Error> {
        Self::in_memory_with(Arc::default()).await
    }

    /// The same with bodies encrypted: a dump of the process's memory shows fewer of them.
    pub async fn in_memory_with(keys: Arc<Keys>) -> Result<Self, Error> {
        Self::start(open::connect(None, None).await?, None, keys).await
    }

    async fn start(
        mut connection: SqliteConnection,
        file: Option<(OpenFile, log::Log)>,
        keys: Arc<Keys>,
    ) -> Result<Self, Error> {
        let (file, log) = file.unzip();
        let identity = identify(&mut connection).await?;
        sqlx::query(REOPEN).execute(&mut connection).await.map_err(|error| fault("release earlier claims", &error))?;
        warn_of_missing_keys(&mut connection, &keys).await?;
        runs::warn_of_missing_keys(&mut connection, &keys).await?;
        let claims = AtomicI64::new(0);
        let writer = Mutex::new(Some(Writer::start(connection, log)));
        let damage = OnceLock::new();
        Ok(Self { shared: Arc::new(Shared { identity, keys, claims, file, damage, writer }) })
    }

    fn writer(&self) -> Result<Writer, Error> {
        let held = self.shared.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        held.as_ref().map(|(writer, _)| writer.clone()).ok_or(Error::Closed)
    }

    async fn write<T, F>(&self, priority: Priority, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, Error>> + Send + 'static,
    {
        self.noting(self.writer()?.run(priority, work).await)
    }

    /// Remembers damage, so that readiness tells of it whatever is asked next.
    fn noting<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error @ Error::Damaged { .. }) = &result {
            let _ = self.shared.damage.set(error.clone());
        }
        result
    }

    /// Reads what is committed; in memory there is one connection only, the writer's.
    async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, Error>> + Send + 'static,
    {
        let Some(file) = &self.shared.file else { return self.write(Priority::First, work).await };
        let mut connection =
            file.readers.acquire().await.map_err(|error| fault("open the store for reading", &error))?;
        self.noting(work(&mut connection).await)
    }

    fn check_reserve(&self) -> Result<(), Error> {
        let Some(file) = &self.shared.file else { return Ok(()) };
        let space = rustix::fs::statvfs(&file.path);
        let space =
            space.map_err(|error| Error::Unavailable { what: "ask for free space", cause: error.to_string() })?;
        let free_bytes = space.f_bavail.saturating_mul(space.f_frsize);
        if free_bytes < file.reserve_bytes {
            return Err(Error::Reserve { free_bytes, reserve_bytes: file.reserve_bytes });
        }
        Ok(())
    }
}

/// Reads the identity that was made with the store, and counts this process.
async fn identify(connection: &mut SqliteConnection) -> Result<Identity, Error> {
    let failed = |error: sqlx::Error| fault("read the store's identity", &error);
    let made = (uuid::Uuid::new_v4().to_string(), rand::random::<i64>());
    sqlx::query(
        "INSERT OR IGNORE INTO meta (name, value) VALUES ('install_id', $1), ('epoch', $2), ('processes', 0);
         UPDATE meta SET value = value + 1 WHERE name = 'processes'",
    )
    .bind(made.0)
    .bind(made.1)
    .execute(&mut *connection)
    .await
    .map_err(failed)?;
    let row = sqlx::query(
        "SELECT (SELECT value FROM meta WHERE name = 'install_id') AS install_id,
                (SELECT value FROM meta WHERE name = 'epoch') AS epoch,
                (SELECT value FROM meta WHERE name = 'processes') AS process",
    )
    .fetch_one(connection)
    .await
    .map_err(failed)?;
    Ok(Identity {
        install_id: row.try_get_unchecked("install_id").map_err(failed)?,
        epoch: row.try_get_unchecked::<i64, _>("epoch").map_err(failed)?.cast_unsigned(),
        process: row.try_get_unchecked("process").map_err(failed)?,
    })
}

#[async_trait]
impl Store for SqliteStore {
    fn install_id(&self) -> &str {
        &self.shared.identity.install_id
    }

    fn epoch(&self) -> u64 {
        self.shared.identity.epoch
    }

    fn is_durable(&self) -> bool {
        self.shared.file.is_some()
    }

    async fn states(&self, object_uid: &str) -> Result<BTreeMap<String, KeyState>, Error> {
        let uid = object_uid.to_owned();
        self.read(move |connection| {
            Box::pin(async move {
                let query = sqlx::query("SELECT * FROM key_state WHERE uid = $1").bind(uid);
                let rows =
                    query.fetch_all(connection).await.map_err(|error| fault("read an object's state", &error))?;
                rows.iter().map(rows::key_state).collect()
            })
        })
        .await
    }

    async fn objects(&self, after_uid: &str, limit: usize) -> Result<Vec<ObjectId>, Error> {
        let (after_uid, limit) = (after_uid.to_owned(), i64::try_from(limit).unwrap_or(i64::MAX));
        self.read(move |connection| Box::pin(objects::with_state(connection, after_uid, limit))).await
    }

    async fn kept(&self) -> Result<Vec<KeptObject>, Error> {
        self.read(|connection| Box::pin(objects::kept(connection))).await
    }

    async fn last_object(&self, object_uid: &str) -> Result<Option<Vec<u8>>, Error> {
        let (uid, keys) = (object_uid.to_owned(), Arc::clone(&self.shared.keys));
        self.read(move |connection| Box::pin(async move { objects::last(connection, uid, &keys).await })).await
    }

    async fn failed_objects(&self, limit: usize) -> Result<Vec<(String, String)>, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(move |connection| Box::pin(objects::failed(connection, limit))).await
    }

    async fn open_of(&self, config_namespace: &str, most: u32) -> Result<u32, Error> {
        let namespace = config_namespace.to_owned();
        self.read(move |connection| Box::pin(objects::open_of(connection, namespace, most))).await
    }

    async fn commit(&self, object: &ObjectId, changes: Vec<Change>, now_ms: i64) -> Result<Committed, Error> {
        if changes.iter().any(|change| matches!(change, Change::Deliver(_))) {
            self.check_reserve()?;
        }
        let (object, shared) = (object.clone(), Arc::clone(&self.shared));
        let priority = if changes.iter().all(Change::is_record) { Priority::Later } else { Priority::Second };
        self.write(priority, move |connection| {
            Box::pin(async move {
                let (identity, keys) = (&shared.identity, shared.keys.as_ref());
                changes::Evaluation { connection, identity, keys, object: &object, now_ms }.apply(changes).await
            })
        })
        .await
    }

    async fn claim(&self, now_ms: i64, limits: ClaimLimits) -> Result<Claims, Error> {
        let shared = Arc::clone(&self.shared);
        // Of no earlier process either: claims count in the lower half, processes in the upper.
        let count = shared.claims.fetch_add(1, Ordering::Relaxed) + 1;
        let token = ClaimToken((shared.identity.process << 32) | (count & 0xffff_ffff));
        self.write(Priority::Claim, move |connection| {
            Box::pin(async move {
                let (process, install, keys) =
                    (shared.identity.process, &shared.identity.install_id, shared.keys.as_ref());
                claim::claim(connection, now_ms, limits, claim::Claimer { token, process, install, keys }).await
            })
        })
        .await
    }

    async fn record(&self, attempt: Option<Attempt>, transition: Transition) -> Result<State, Error> {
        let keys = Arc::clone(&self.shared.keys);
        self.write(Priority::First, move |connection| {
            Box::pin(async move { outcome::record(connection, attempt.as_ref(), &transition, &keys).await })
        })
        .await
    }

    async fn owed_annotations(&self, limit: usize) -> Result<Vec<OwedAnnotation>, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(move |connection| Box::pin(owed(connection, limit))).await
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<Delivery>, Error> {
        let filter = filter.clone();
        self.read(move |connection| Box::pin(async move { people::list(connection, &filter).await })).await
    }

    async fn get(&self, id: DeliveryId) -> Result<Option<Detail>, Error> {
        let keys = Arc::clone(&self.shared.keys);
        self.read(move |connection| Box::pin(async move { people::get(connection, id, &keys).await })).await
    }

    async fn replay(&self, filter: &Filter, how: Replay) -> Result<Moved, Error> {
        let (filter, shared) = (filter.clone(), Arc::clone(&self.shared));
        self.write(Priority::First, move |connection| {
            Box::pin(async move {
                let (keys, process) = (shared.keys.as_ref(), shared.identity.process);
                people::replay(connection, &filter, how, people::Replayer { keys, process }).await
            })
        })
        .await
    }

    async fn discard(&self, filter: &Filter, dry_run: bool, now_ms: i64) -> Result<Moved, Error> {
        let filter = filter.clone();
        self.write(Priority::First, move |connection| {
            Box::pin(async move { people::discard(connection, &filter, dry_run, now_ms).await })
        })
        .await
    }

    async fn release_parked(&self, release: Release, now_ms: i64) -> Result<u64, Error> {
        self.write(Priority::First, move |connection| {
            Box::pin(async move { people::release(connection, &release, now_ms).await })
        })
        .await
    }

    async fn counts(&self) -> Result<Counts, Error> {
        self.read(move |connection| Box::pin(counts(connection))).await
    }

    async fn breakers(&self) -> Result<Vec<(Lane, Breaker)>, Error> {
        self.read(move |connection| Box::pin(breakers(connection))).await
    }

    async fn set_breaker(&self, lane: &Lane, breaker: &Breaker) -> Result<(), Error> {
        let (lane, text) = (lane.clone(), serde_json::to_string(breaker).unwrap_or_default());
        self.write(Priority::First, move |connection| {
            Box::pin(async move {
                let query = sqlx::query(
                    "UPDATE lane SET breaker = $4 WHERE config_namespace = $1 AND service = $2 AND host = $3",
                );
                let query = query.bind(lane.config_namespace).bind(lane.service).bind(lane.host).bind(text);
                query.execute(connection).await.map_err(|error| fault("keep a breaker", &error))?;
                Ok(())
            })
        })
        .await
    }

    async fn destinations(&self) -> Result<Vec<Destination>, Error> {
        self.read(|connection| Box::pin(destinations::all(connection))).await
    }

    async fn dead_letters(&self) -> Result<Vec<DeadGroup>, Error> {
        self.read(|connection| Box::pin(destinations::dead(connection))).await
    }

    async fn switched_off(&self) -> Result<Vec<(Lane, Off)>, Error> {
        self.read(|connection| Box::pin(destinations::switched_off(connection))).await
    }

    async fn switch(&self, lane: &Lane, off: Option<&Off>) -> Result<bool, Error> {
        let (lane, off) = (lane.clone(), off.cloned());
        self.write(Priority::First, move |connection| {
            Box::pin(async move { destinations::switch(connection, &lane, off.as_ref()).await })
        })
        .await
    }

    async fn shift_due(&self, delta_ms: i64) -> Result<(), Error> {
        self.write(Priority::First, move |connection| {
            Box::pin(async move {
                let query =
                    sqlx::query("UPDATE delivery SET due_ms = due_ms + $1, since_ms = since_ms + $1 WHERE state < 3");
                query.bind(delta_ms).execute(connection).await.map_err(|error| fault("move due times", &error))?;
                Ok(())
            })
        })
        .await
    }

    async fn prune(&self, retention: Retention, now_ms: i64) -> Result<Pruned, Error> {
        self.write(Priority::Second, move |connection| Box::pin(retention::prune(connection, retention, now_ms))).await
    }

    async fn value(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let name = format!("value.{name}");
        self.read(move |connection| {
            Box::pin(async move {
                let query = sqlx::query_scalar("SELECT value FROM meta WHERE name = $1").bind(name);
                query.fetch_optional(connection).await.map_err(|error| fault("read a value", &error))
            })
        })
        .await
    }

    async fn set_value(&self, name: &str, value: Vec<u8>) -> Result<(), Error> {
        let name = format!("value.{name}");
        self.write(Priority::Second, move |connection| {
            Box::pin(async move {
                let query =
                    sqlx::query("INSERT OR REPLACE INTO meta (name, value) VALUES ($1, $2)").bind(name).bind(value);
                query.execute(connection).await.map_err(|error| fault("keep a value", &error))?;
                Ok(())
            })
        })
        .await
    }

    async fn forget_values(&self, prefix: &str, before_ms: i64) -> Result<u64, Error> {
        let prefix = format!("value.{prefix}");
        self.write(Priority::Second, move |connection| {
            Box::pin(async move { retention::forget_values(connection, &prefix, before_ms).await })
        })
        .await
    }

    async fn health(&self) -> Result<(), Error> {
        self.shared.damage.get().cloned().map_or(Ok(()), Err)?;
        self.check_reserve()?;
        self.write(Priority::First, |connection| {
            Box::pin(async move {
                let query = sqlx::query("UPDATE meta SET value = value WHERE name = 'processes'");
                query.execute(connection).await.map_err(|error| fault("write to the store", &error))?;
                Ok(())
            })
        })
        .await
    }

    async fn close(&self) {
        let held = self.shared.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some((writer, task)) = held {
            drop(writer);
            if let Err(error) = task.await {
                tracing::error!(%error, "the store's writer ended badly");
            }
        }
        if let Some(file) = &self.shared.file {
            file.readers.close().await;
            file.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        }
    }
}

async fn owed(connection: &mut SqliteConnection, limit: i64) -> Result<Vec<OwedAnnotation>, Error> {
    let rows = sqlx::query(OWED).bind(limit).fetch_all(connection).await;
    rows::owed(&rows.map_err(|error| fault("read owed annotations", &error))?)
}

async fn warn_of_missing_keys(connection: &mut SqliteConnection, keys: &Keys) -> Result<(), Error> {
    let query = sqlx::query("SELECT key_id, count(*) AS n FROM delivery WHERE key_id IS NOT NULL GROUP BY key_id");
    let rows = query.fetch_all(connection).await.map_err(|error| fault("read which keys are needed", &error))?;
    for row in &rows {
        keys.warn_if_missing(&row.text("key_id")?, row.int("n")?, "bodies of deliveries");
    }
    Ok(())
}

async fn counts(connection: &mut SqliteConnection) -> Result<Counts, Error> {
    let failed = |error: sqlx::Error| fault("count deliveries", &error);
    let mut counts = Counts::default();
    let rows =
        sqlx::query("SELECT state, count(*) AS n FROM delivery GROUP BY state").fetch_all(&mut *connection).await;
    for row in &rows.map_err(failed)? {
        counts.by_state.insert(rows::state(row.int("state")?)?, row.int("n")?.unsigned_abs());
    }
    let oldest = sqlx::query_scalar(
        "SELECT created_ms FROM delivery WHERE seq = (SELECT min(seq) FROM (
            SELECT min(seq) AS seq FROM delivery WHERE state = 0 UNION ALL
            SELECT min(seq) FROM delivery WHERE state = 1 UNION ALL
            SELECT min(seq) FROM delivery WHERE state = 2))",
    );
    counts.oldest_open_ms = oldest.fetch_optional(&mut *connection).await.map_err(failed)?;
    let owed: i64 = sqlx::query_scalar("SELECT count(*) FROM key_state WHERE owed > 0")
        .fetch_one(connection)
        .await
        .map_err(failed)?;
    counts.owed_annotations = owed.unsigned_abs();
    Ok(counts)
}

async fn breakers(connection: &mut SqliteConnection) -> Result<Vec<(Lane, Breaker)>, Error> {
    let failed = |error: sqlx::Error| fault("read breakers", &error);
    let rows =
        sqlx::query("SELECT * FROM lane WHERE breaker IS NOT NULL").fetch_all(connection).await.map_err(failed)?;
    let mut all = Vec::with_capacity(rows.len());
    for row in &rows {
        let text = row.text("breaker")?;
        // One that cannot be read is a closed one: it opens again by itself.
        all.push((rows::lane(row)?, serde_json::from_str(&text).unwrap_or_default()));
    }
    Ok(all)
}
