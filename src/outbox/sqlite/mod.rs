//! The store in one SQLite file: WAL, `synchronous = FULL`, one writer, a few readers, one process.
//!
//! All writes pass the [`writer`], a thread with the connection that writes; [`readers`] see what is committed. A store in memory is the same without the file: tests and pods that may not
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
mod queues;
mod readers;
mod reading;
mod retention;
mod runs;
mod sql;
mod writer;

use super::breaker::Breaker;
use super::change::{Change, Committed};
use super::delivery::{Attempt, ClaimToken, Delivery, DeliveryId, Lane, State, Transition};
use super::destination::{Destination, Off};
use super::seal::Keys;
use super::store::{
    ClaimLimits, Claims, Counts, DeadGroup, Detail, Error, Filter, KeptObject, Moved, OwedAnnotation, Pruned, Release,
    Replay, Retention, Store,
};
use crate::notify::{KeyState, ObjectId};
use async_trait::async_trait;
use readers::{Readers, blocking};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use writer::{Priority, Writer};

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
    writer: Mutex<Option<(Writer, JoinHandle<()>)>>,
}

#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    reserve_bytes: u64,
    readers: Readers,
    lock: Mutex<Option<open::ProcessLock>>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SqliteStore {
    /// Opens (or makes) the file; refused if another process has it, if it lies on a network file system or if a newer version wrote it.
    pub async fn open(path: &Path, reserve_bytes: u64) -> Result<Self, Error> {
        Self::open_with(path, SqliteOptions { reserve_bytes, ..SqliteOptions::default() }).await
    }

    /// [`SqliteStore::open`] with everything that can be chosen.
    pub async fn open_with(path: &Path, options: SqliteOptions) -> Result<Self, Error> {
        let path = path.to_owned();
        blocking(move || Self::open_file(path, options)).await
    }

    fn open_file(path: PathBuf, options: SqliteOptions) -> Result<Self, Error> {
        let lock = open::secure(&path)?;
        let connection = open::connect(Some(&path), options.max_pages)?;
        let readers = Readers::open(&path)?;
        let log = log::Log::start(&path, options.long_log)?;
        let file = OpenFile { path, reserve_bytes: options.reserve_bytes, readers, lock: Mutex::new(Some(lock)) };
        Self::start(connection, Some((file, log)), options.keys)
    }

    /// A store that ends with the process.
    pub async fn in_memory() -> Result<Self, Error> {
        Self::in_memory_with(Arc::default()).await
    }

    /// The same with bodies encrypted: a dump of the process's memory shows fewer of them.
    pub async fn in_memory_with(keys: Arc<Keys>) -> Result<Self, Error> {
        blocking(|| Self::start(open::connect(None, None)?, None, keys)).await
    }

    fn start(connection: Connection, file: Option<(OpenFile, log::Log)>, keys: Arc<Keys>) -> Result<Self, Error> {
        let (file, log) = file.unzip();
        let identity = reading::identify(&connection)?;
        reading::reopen(&connection)?;
        reading::warn_of_missing_keys(&connection, &keys)?;
        runs::warn_of_missing_keys(&connection, &keys)?;
        let claims = AtomicI64::new(0);
        let writer = Mutex::new(Some(Writer::start(connection, log)?));
        let damage = OnceLock::new();
        Ok(Self { shared: Arc::new(Shared { identity, keys, claims, file, damage, writer }) })
    }

    fn writer(&self) -> Result<Writer, Error> {
        held(&self.shared.writer).as_ref().map(|(writer, _)| writer.clone()).ok_or(Error::Closed)
    }

    async fn write<T, F>(&self, priority: Priority, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
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

    /// Reads a few rows that are committed, found by an index; in memory there is one connection only, the writer's.
    async fn point<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        let Some(file) = &self.shared.file else { return self.write(Priority::First, work).await };
        self.noting(file.readers.point(work).await)
    }

    /// Reads what is committed and may be much.
    async fn scan<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        let Some(file) = &self.shared.file else { return self.write(Priority::First, work).await };
        self.noting(file.readers.scan(work).await)
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
        self.point(move |connection| reading::states(connection, &uid)).await
    }

    async fn objects(&self, after_uid: &str, limit: usize) -> Result<Vec<ObjectId>, Error> {
        let (after_uid, limit) = (after_uid.to_owned(), bound(limit));
        self.scan(move |connection| objects::with_state(connection, &after_uid, limit)).await
    }

    async fn kept(&self) -> Result<Vec<KeptObject>, Error> {
        self.scan(objects::kept).await
    }

    async fn last_object(&self, object_uid: &str) -> Result<Option<Vec<u8>>, Error> {
        let (uid, keys) = (object_uid.to_owned(), Arc::clone(&self.shared.keys));
        self.point(move |connection| objects::last(connection, &uid, &keys)).await
    }

    async fn failed_objects(&self, limit: usize) -> Result<Vec<(String, String)>, Error> {
        let limit = bound(limit);
        self.scan(move |connection| objects::failed(connection, limit)).await
    }

    async fn open_of(&self, config_namespace: &str, most: u32) -> Result<u32, Error> {
        let namespace = config_namespace.to_owned();
        self.scan(move |connection| objects::open_of(connection, &namespace, most)).await
    }

    async fn commit(&self, object: &ObjectId, changes: Vec<Change>, now_ms: i64) -> Result<Committed, Error> {
        let delivers = changes.iter().any(|change| matches!(change, Change::Deliver(_)));
        if delivers {
            self.check_reserve()?;
        }
        let (object, shared) = (object.clone(), Arc::clone(&self.shared));
        let priority = match (delivers, changes.iter().all(Change::is_record)) {
            (true, _) => Priority::Due,
            (false, false) => Priority::Second,
            (false, true) => Priority::Later,
        };
        let writer = self.writer()?;
        let run = writer.run_in_group(priority, move |connection: &Connection| {
            let (identity, keys) = (&shared.identity, shared.keys.as_ref());
            changes::Evaluation { connection, identity, keys, object: &object, now_ms }.apply(changes)
        });
        let (committed, claimed) = self.noting(run.await)?;
        Ok(Committed { claimed, ..committed })
    }

    async fn claim(&self, now_ms: i64, limits: ClaimLimits) -> Result<Claims, Error> {
        let shared = Arc::clone(&self.shared);
        // Of no earlier process either: claims count in the lower half, processes in the upper.
        let count = shared.claims.fetch_add(1, Ordering::Relaxed) + 1;
        let token = ClaimToken((shared.identity.process << 32) | (count & 0xffff_ffff));
        self.write(Priority::Claim, move |connection| {
            let (process, install, keys) = (shared.identity.process, &shared.identity.install_id, shared.keys.as_ref());
            claim::claim(connection, now_ms, &limits, &claim::Claimer { token, process, install, keys })
        })
        .await
    }

    async fn record(&self, attempt: Option<Attempt>, transition: Transition) -> Result<State, Error> {
        let keys = Arc::clone(&self.shared.keys);
        let work = move |connection: &Connection| outcome::record(connection, attempt.as_ref(), &transition, &keys);
        self.write(Priority::First, work).await
    }

    async fn owed_annotations(&self, limit: usize) -> Result<Vec<OwedAnnotation>, Error> {
        let limit = bound(limit);
        self.point(move |connection| reading::owed(connection, limit)).await
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<Delivery>, Error> {
        let filter = filter.clone();
        self.scan(move |connection| people::list(connection, &filter)).await
    }

    async fn get(&self, id: DeliveryId) -> Result<Option<Detail>, Error> {
        let keys = Arc::clone(&self.shared.keys);
        self.scan(move |connection| people::get(connection, id, &keys)).await
    }

    async fn replay(&self, filter: &Filter, how: Replay) -> Result<Moved, Error> {
        let (filter, shared) = (filter.clone(), Arc::clone(&self.shared));
        self.write(Priority::First, move |connection| {
            let (keys, process) = (shared.keys.as_ref(), shared.identity.process);
            people::replay(connection, &filter, how, &people::Replayer { keys, process })
        })
        .await
    }

    async fn discard(&self, filter: &Filter, dry_run: bool, now_ms: i64) -> Result<Moved, Error> {
        let filter = filter.clone();
        let work = move |connection: &Connection| people::discard(connection, &filter, dry_run, now_ms);
        self.write(Priority::First, work).await
    }

    async fn release_parked(&self, release: Release, now_ms: i64) -> Result<u64, Error> {
        self.write(Priority::First, move |connection| people::release(connection, &release, now_ms)).await
    }

    async fn counts(&self) -> Result<Counts, Error> {
        self.scan(reading::counts).await
    }

    async fn breakers(&self) -> Result<Vec<(Lane, Breaker)>, Error> {
        self.scan(reading::breakers).await
    }

    async fn set_breaker(&self, lane: &Lane, breaker: &Breaker) -> Result<(), Error> {
        let (lane, text) = (lane.clone(), serde_json::to_string(breaker).unwrap_or_default());
        self.write(Priority::First, move |connection| reading::set_breaker(connection, &lane, &text)).await
    }

    async fn destinations(&self) -> Result<Vec<Destination>, Error> {
        self.scan(destinations::all).await
    }

    async fn dead_letters(&self) -> Result<Vec<DeadGroup>, Error> {
        self.scan(destinations::dead).await
    }

    async fn switched_off(&self) -> Result<Vec<(Lane, Off)>, Error> {
        self.scan(destinations::switched_off).await
    }

    async fn switch(&self, lane: &Lane, off: Option<&Off>) -> Result<bool, Error> {
        let (lane, off) = (lane.clone(), off.cloned());
        let work = move |connection: &Connection| destinations::switch(connection, &lane, off.as_ref());
        self.write(Priority::First, work).await
    }

    async fn shift_due(&self, delta_ms: i64) -> Result<(), Error> {
        self.write(Priority::First, move |connection| reading::shift_due(connection, delta_ms)).await
    }

    async fn prune(&self, retention: Retention, now_ms: i64) -> Result<Pruned, Error> {
        self.write(Priority::Second, move |connection| retention::prune(connection, retention, now_ms)).await
    }

    async fn value(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let name = format!("value.{name}");
        self.point(move |connection| reading::value(connection, &name)).await
    }

    async fn set_value(&self, name: &str, value: Vec<u8>) -> Result<(), Error> {
        let name = format!("value.{name}");
        self.write(Priority::Second, move |connection| reading::set_value(connection, &name, &value)).await
    }

    async fn forget_values(&self, prefix: &str, before_ms: i64) -> Result<u64, Error> {
        let prefix = format!("value.{prefix}");
        let work = move |connection: &Connection| retention::forget_values(connection, &prefix, before_ms);
        self.write(Priority::Second, work).await
    }

    async fn health(&self) -> Result<(), Error> {
        self.shared.damage.get().cloned().map_or(Ok(()), Err)?;
        self.check_reserve()?;
        self.write(Priority::First, reading::touch).await
    }

    async fn close(&self) {
        if let Some(file) = &self.shared.file {
            // Before the writer: the last that closes the file copies its log back, which one that only reads cannot.
            file.readers.close().await;
        }
        let running = held(&self.shared.writer).take();
        if let Some((writer, thread)) = running {
            drop(writer);
            if !matches!(tokio::task::spawn_blocking(move || thread.join()).await, Ok(Ok(()))) {
                tracing::error!("the store's writer ended badly");
            }
        }
        if let Some(file) = &self.shared.file {
            held(&file.lock).take();
        }
    }
}

fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
