//! The store in PostgreSQL, shared by the replicas of one installation: one schema an installation, any number of processes.
//!
//! - Two writers on connections of their own, one for outcomes, claims and people, one for decisions ([`writer`]): neither waits for the other.
//! - Each process has a [`lease`], on the database's clock; what a dead one held is put back for others. Rows are claimed with `SKIP LOCKED`
//!   and recorded only under the token that they were claimed with: no row is sent by two.
//! - Within an ordering key the sequence is also the order of the commits ([`changes`]).
//! - A commit that makes rows fall due notifies the other processes; on every beat each looks by itself.
//! - A lost connection is made anew; where it broke during a commit, decisions and outcomes may simply be committed again, and claims that
//!   may have been made are put back.
//!
//! Due times are those of the processes' wall clocks, as everywhere; a step of one process's clock moves only what that process set.

mod changes;
mod claim;
mod destinations;
mod intents;
mod lease;
mod objects;
mod open;
mod outcome;
mod people;
mod reading;
mod retention;
mod runs;
pub(super) mod text;
mod writer;

use super::breaker::Breaker;
use super::change::{Change, Committed};
use super::delivery::{Attempt, Claimed, Delivery, DeliveryId, Hold, Lane, State, Transition};
use super::destination::{Destination, Off};
use super::seal::Keys;
use super::store::{
    ClaimLimits, Claims, Counts, DeadGroup, Detail, Error, Filter, KeptObject, Moved, OwedAnnotation, Pruned, Release,
    Replay, Retention, Store,
};
use crate::notify::{KeyState, ObjectId};
use async_trait::async_trait;
use changes::Placed;
use futures::future::BoxFuture;
use lease::Lease;
use open::Server;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgListener, PgPool, PgPoolOptions, Postgres};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use text::write;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use writer::{Order, Setup, Work, Writer, fault};

/// Connections for reading, the beat and the notifications of others.
const READERS: u32 = 6;
/// Pause before the notifications of others are asked for again.
const LISTEN_PAUSE: Duration = Duration::from_secs(1);

/// How the store is opened.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Schema of this installation.
    pub schema: String,
    /// PEM file of the certificates that the server's may be signed by.
    pub ca_file: Option<PathBuf>,
    /// After this a process that is not heard of counts as dead. At least 1.25 times the longest attempt.
    pub lease: Duration,
    /// Longest pause between two looks for rows that nobody told of, and between two renewals of the lease.
    pub beat: Duration,
    /// Longest that one statement may take.
    pub statement_timeout: Duration,
    /// How long a server that cannot be reached is waited for at the start.
    pub patience: Duration,
    /// Keys that bodies and answers are encrypted with.
    pub keys: Arc<Keys>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            schema: "gatepost".to_owned(),
            ca_file: None,
            lease: Duration::from_secs(180),
            beat: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            patience: Duration::from_secs(30),
            keys: Arc::default(),
        }
    }
}

/// Host and port that a URL names; none for a socket, and for what is no URL.
pub(super) fn server(url: &str) -> Option<(String, u16)> {
    open::server(url)
}

/// Who this store is.
#[derive(Debug, Clone)]
struct Identity {
    install_id: String,
    epoch: u64,
}

/// The outbox in PostgreSQL. Dropped without [`Store::close`] it is like a process that died: its claims are put back when its lease ends.
pub struct PostgresStore {
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
}

struct Running {
    outcomes: (Writer, JoinHandle<()>),
    decisions: (Writer, JoinHandle<()>),
    /// Beat and notifications; ended when this is dropped.
    tasks: JoinSet<()>,
}

struct Shared {
    server: Server,
    channel: String,
    identity: Identity,
    keys: Arc<Keys>,
    pool: PgPool,
    lease: Lease,
    lanes: Mutex<HashMap<Lane, i64>>,
    changed: Notify,
    /// Claims that may have been committed without an answer.
    forsaken: Mutex<Vec<i64>>,
    /// Rows whose outcome may have been committed without an answer.
    doubtful: Mutex<HashSet<i64>>,
    /// The first damage that was met: nothing heals it but a person.
    damage: OnceLock<Error>,
}

fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PostgresStore {
    /// Connects, brings the schema up to date and takes a lease; refused if a newer version made the schema.
    pub async fn open(url: &str, options: PostgresOptions) -> Result<Self, Error> {
        let server = Server::new(url, &options)?;
        server.prepare(&options).await?;
        let failed = |error: sqlx::Error| Error::Open { path: server.shown().to_owned(), cause: error.to_string() };
        let pool = PgPoolOptions::new().max_connections(READERS).acquire_timeout(options.statement_timeout / 3);
        let pool = pool.connect_with(server.options()).await.map_err(failed)?;
        let mut connection = pool.acquire().await.map_err(failed)?;
        let identity = reading::identity(&mut connection).await?;
        let lease = Lease::new(options.lease, options.beat);
        lease.renew(&mut connection).await?;
        lease::put_back(&mut connection).await?;
        reading::warn_of_missing_keys(&mut connection, &options.keys).await?;
        runs::warn_of_missing_keys(&mut connection, &options.keys).await?;
        drop(connection);
        let shared = Arc::new(Shared {
            channel: format!("{}_due", options.schema),
            server,
            identity,
            keys: options.keys,
            pool,
            lease,
            lanes: Mutex::default(),
            changed: Notify::new(),
            forsaken: Mutex::default(),
            doubtful: Mutex::default(),
            damage: OnceLock::new(),
        });
        Ok(Self::start(shared, options.statement_timeout))
    }

    fn start(shared: Arc<Shared>, statement_timeout: Duration) -> Self {
        let writer = || {
            let notify = format!("NOTIFY {}, '{}'", shared.channel, shared.lease.process());
            // The server gives up on a statement first, and says why.
            Writer::start(Setup { server: shared.server.clone(), patience: statement_timeout * 2, notify })
        };
        let mut tasks = JoinSet::new();
        let (outcomes, decisions) = (writer(), writer());
        tasks.spawn(beat(Arc::clone(&shared)));
        tasks.spawn(listen(Arc::clone(&shared)));
        Self { shared, running: Mutex::new(Some(Running { outcomes, decisions, tasks })) }
    }

    fn writer(&self, choose: fn(&Running) -> &Writer) -> Result<Writer, Error> {
        held(&self.running).as_ref().map(|running| choose(running).clone()).ok_or(Error::Closed)
    }

    /// Outcomes, claims, people.
    async fn first<T: Send + 'static>(&self, order: Order<T>) -> Result<T, Error> {
        let writer = self.writer(|running| &running.outcomes.0)?;
        self.noting(writer.run(order).await)
    }

    /// Decisions and what has time.
    async fn second<T: Send + 'static>(&self, order: Order<T>) -> Result<T, Error> {
        let writer = self.writer(|running| &running.decisions.0)?;
        self.noting(writer.run(order).await)
    }

    async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        F: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Error>>,
    {
        self.writer(|running| &running.outcomes.0)?;
        let mut connection = self.shared.connection().await?;
        self.noting(work(&mut connection).await)
    }

    /// Remembers damage, so that readiness tells of it whatever is asked next.
    fn noting<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error @ Error::Damaged { .. }) = &result {
            let _ = self.shared.damage.set(error.clone());
        }
        result
    }

    /// Lanes are made outside of any transaction: two of them would wait for each other.
    async fn place(&self, changes: Vec<Change>) -> Result<Vec<Placed>, Error> {
        let mut placed = Vec::with_capacity(changes.len());
        for change in changes {
            let lane = match &change {
                Change::Deliver(new) => {
                    new.check()?;
                    self.shared.lane(&new.lane).await?
                }
                _ => 0,
            };
            placed.push(Placed { change, lane });
        }
        Ok(placed)
    }
}

impl Shared {
    async fn connection(&self) -> Result<PoolConnection<Postgres>, Error> {
        self.pool.acquire().await.map_err(|error| fault("connect to PostgreSQL", &error))
    }

    async fn lane(&self, lane: &Lane) -> Result<i64, Error> {
        let known = held(&self.lanes).get(lane).copied();
        if let Some(id) = known {
            return Ok(id);
        }
        let mut connection = self.connection().await?;
        let id = reading::lane_id(&mut connection, lane).await?;
        held(&self.lanes).insert(lane.clone(), id);
        Ok(id)
    }

    /// Renews the lease and takes care of those that ended.
    async fn tend(&self) -> Result<(), Error> {
        let mut connection = self.connection().await?;
        self.lease.renew(&mut connection).await?;
        lease::put_back(&mut connection).await?;
        Ok(())
    }
}

/// The beat: lease, claims of the dead, and a look for rows that nobody told of.
async fn beat(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(shared.lease.pause()).await;
        if let Err(error) = shared.tend().await {
            tracing::warn!(%error, "failed to renew the lease; without it no attempt begins");
        }
        shared.changed.notify_one();
    }
}

/// Hears of rows that other processes made fall due.
async fn listen(shared: Arc<Shared>) {
    loop {
        if let Err(error) = listen_once(&shared).await {
            tracing::warn!(%error, "failed to listen for notifications of other processes; the beat finds their rows");
        }
        tokio::time::sleep(LISTEN_PAUSE).await;
    }
}

async fn listen_once(shared: &Shared) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(&shared.pool).await?;
    listener.listen(&shared.channel).await?;
    loop {
        let own = shared.lease.process().to_string();
        match listener.try_recv().await? {
            Some(told) if told.payload() == own => {}
            // Without one the connection was lost, and with it perhaps a notification.
            _ => shared.changed.notify_one(),
        }
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn install_id(&self) -> &str {
        &self.shared.identity.install_id
    }

    fn epoch(&self) -> u64 {
        self.shared.identity.epoch
    }

    fn is_durable(&self) -> bool {
        true
    }

    async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    fn hold(&self, claimed: &Claimed) -> Hold {
        self.shared.lease.hold(claimed.token)
    }

    async fn states(&self, object_uid: &str) -> Result<BTreeMap<String, KeyState>, Error> {
        let uid = write(object_uid);
        self.read(move |connection| Box::pin(reading::states(connection, uid))).await
    }

    async fn objects(&self, after_uid: &str, limit: usize) -> Result<Vec<ObjectId>, Error> {
        let (after_uid, limit) = (write(after_uid), i64::try_from(limit).unwrap_or(i64::MAX));
        self.read(move |connection| Box::pin(objects::with_state(connection, after_uid, limit))).await
    }

    async fn kept(&self) -> Result<Vec<KeptObject>, Error> {
        self.read(|connection| Box::pin(objects::kept(connection))).await
    }

    async fn last_object(&self, object_uid: &str) -> Result<Option<Vec<u8>>, Error> {
        let (uid, keys) = (write(object_uid), Arc::clone(&self.shared.keys));
        self.read(move |connection| Box::pin(async move { objects::last(connection, uid, &keys).await })).await
    }

    async fn failed_objects(&self, limit: usize) -> Result<Vec<(String, String)>, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(move |connection| Box::pin(objects::failed(connection, limit))).await
    }

    async fn open_of(&self, config_namespace: &str, most: u32) -> Result<u32, Error> {
        let namespace = write(config_namespace);
        self.read(move |connection| Box::pin(objects::open_of(connection, namespace, most))).await
    }

    async fn commit(&self, object: &ObjectId, changes: Vec<Change>, now_ms: i64) -> Result<Committed, Error> {
        let wakes = changes.iter().any(|change| matches!(change, Change::Deliver(_)));
        let (changes, object) = (Arc::new(self.place(changes).await?), Arc::new(object.clone()));
        let shared = Arc::clone(&self.shared);
        let work: Work<Committed> = Box::new(move |connection| {
            let (shared, changes, object) = (Arc::clone(&shared), Arc::clone(&changes), Arc::clone(&object));
            Box::pin(async move {
                let (identity, keys, process) = (&shared.identity, shared.keys.as_ref(), shared.lease.process());
                let object = object.as_ref();
                changes::Evaluation { connection, identity, keys, object, process, now_ms }.apply(&changes).await
            })
        });
        self.second(Order { work, wakes, in_doubt: None }).await
    }

    async fn claim(&self, now_ms: i64, limits: ClaimLimits) -> Result<Claims, Error> {
        let shared = Arc::clone(&self.shared);
        let (token, start) = shared.lease.token();
        let forsaken = Arc::new(std::mem::take(&mut *held(&shared.forsaken)));
        let (limits, put_back) = (Arc::new(limits), Arc::clone(&forsaken));
        let work: Work<Claims> = Box::new(move |connection| {
            let (shared, limits, forsaken) = (Arc::clone(&shared), Arc::clone(&limits), Arc::clone(&forsaken));
            Box::pin(async move {
                let (process, keys) = (shared.lease.process(), shared.keys.as_ref());
                let install = shared.identity.install_id.as_str();
                let claimer = claim::Claimer { token, process, install, keys, forsaken: &forsaken, start };
                claim::claim(connection, now_ms, &limits, claimer).await
            })
        });
        let claims = self.first(Order { work, wakes: false, in_doubt: None }).await;
        if claims.is_err() {
            // Also those of a claim that certainly failed: to put back what is not there costs nothing.
            held(&self.shared.forsaken).extend(put_back.iter().copied().chain([token.0]));
        }
        claims
    }

    async fn record(&self, attempt: Option<Attempt>, transition: Transition) -> Result<State, Error> {
        let sequence = transition.sequence;
        let was_doubtful = held(&self.shared.doubtful).remove(&sequence);
        let (shared, told) = (Arc::clone(&self.shared), Arc::clone(&self.shared));
        let outcome = Arc::new((attempt, transition));
        let work: Work<State> = Box::new(move |connection| {
            let (shared, outcome) = (Arc::clone(&shared), Arc::clone(&outcome));
            Box::pin(async move {
                let (attempt, transition) = (outcome.0.as_ref(), &outcome.1);
                if was_doubtful && let Some(state) = outcome::recorded(connection, transition).await? {
                    return Ok(state);
                }
                outcome::record(connection, attempt, transition, &shared.keys).await
            })
        });
        let in_doubt = Box::new(move || {
            held(&told.doubtful).insert(sequence);
        });
        let recorded = self.first(Order { work, wakes: false, in_doubt: Some(in_doubt) }).await;
        if was_doubtful && recorded.is_err() {
            held(&self.shared.doubtful).insert(sequence);
        }
        recorded
    }

    async fn owed_annotations(&self, limit: usize) -> Result<Vec<OwedAnnotation>, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(move |connection| Box::pin(reading::owed(connection, limit))).await
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
        let (filter, shared) = (Arc::new(filter.clone()), Arc::clone(&self.shared));
        let work: Work<Moved> = Box::new(move |connection| {
            let (filter, shared) = (Arc::clone(&filter), Arc::clone(&shared));
            Box::pin(async move {
                let (keys, process) = (shared.keys.as_ref(), shared.lease.process());
                people::replay(connection, &filter, how, people::Replayer { keys, process }).await
            })
        });
        self.first(Order { work, wakes: !how.dry_run, in_doubt: None }).await
    }

    async fn discard(&self, filter: &Filter, dry_run: bool, now_ms: i64) -> Result<Moved, Error> {
        let (filter, process) = (Arc::new(filter.clone()), self.shared.lease.process());
        let work: Work<Moved> = Box::new(move |connection| {
            let filter = Arc::clone(&filter);
            Box::pin(async move { people::discard(connection, &filter, dry_run, (process, now_ms)).await })
        });
        self.first(Order { work, wakes: !dry_run, in_doubt: None }).await
    }

    async fn release_parked(&self, release: Release, now_ms: i64) -> Result<u64, Error> {
        let (release, process) = (Arc::new(release), self.shared.lease.process());
        let work: Work<u64> = Box::new(move |connection| {
            let release = Arc::clone(&release);
            Box::pin(async move { people::release(connection, &release, (process, now_ms)).await })
        });
        self.first(Order { work, wakes: true, in_doubt: None }).await
    }

    async fn counts(&self) -> Result<Counts, Error> {
        self.read(|connection| Box::pin(reading::counts(connection))).await
    }

    async fn breakers(&self) -> Result<Vec<(Lane, Breaker)>, Error> {
        self.read(|connection| Box::pin(reading::breakers(connection))).await
    }

    async fn set_breaker(&self, lane: &Lane, breaker: &Breaker) -> Result<(), Error> {
        let (lane, text) = (Arc::new(lane.clone()), Arc::new(serde_json::to_string(breaker).unwrap_or_default()));
        let work: Work<()> = Box::new(move |connection| {
            let (lane, text) = (Arc::clone(&lane), Arc::clone(&text));
            Box::pin(async move { reading::set_breaker(connection, &lane, &text).await })
        });
        self.first(Order { work, wakes: false, in_doubt: None }).await
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
        let switched = Arc::new((lane.clone(), off.cloned()));
        let work: Work<bool> = Box::new(move |connection| {
            let switched = Arc::clone(&switched);
            Box::pin(async move { destinations::switch(connection, &switched.0, switched.1.as_ref()).await })
        });
        self.first(Order { work, wakes: true, in_doubt: None }).await
    }

    async fn shift_due(&self, delta_ms: i64) -> Result<(), Error> {
        let process = self.shared.lease.process();
        let work: Work<()> = Box::new(move |connection| Box::pin(reading::shift_due(connection, process, delta_ms)));
        self.first(Order { work, wakes: false, in_doubt: None }).await
    }

    async fn prune(&self, retention: Retention, now_ms: i64) -> Result<Pruned, Error> {
        let work: Work<Pruned> = Box::new(move |connection| Box::pin(retention::prune(connection, retention, now_ms)));
        self.second(Order { work, wakes: false, in_doubt: None }).await
    }

    async fn value(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let name = format!("value.{name}");
        self.read(move |connection| Box::pin(reading::value(connection, name))).await
    }

    async fn set_value(&self, name: &str, value: Vec<u8>) -> Result<(), Error> {
        let kept = Arc::new((format!("value.{name}"), value));
        let work: Work<()> = Box::new(move |connection| {
            let kept = Arc::clone(&kept);
            Box::pin(async move { reading::set_value(connection, &kept.0, &kept.1).await })
        });
        self.second(Order { work, wakes: false, in_doubt: None }).await
    }

    async fn forget_values(&self, prefix: &str, before_ms: i64) -> Result<u64, Error> {
        let prefix = Arc::new(format!("value.{prefix}"));
        let work: Work<u64> = Box::new(move |connection| {
            let prefix = Arc::clone(&prefix);
            Box::pin(async move { reading::forget_values(connection, &prefix, before_ms).await })
        });
        self.second(Order { work, wakes: false, in_doubt: None }).await
    }

    async fn health(&self) -> Result<(), Error> {
        self.shared.damage.get().cloned().map_or(Ok(()), Err)?;
        let work: Work<()> = Box::new(|connection| Box::pin(reading::touch(connection)));
        self.first(Order { work, wakes: false, in_doubt: None }).await
    }

    async fn close(&self) {
        let Some(mut running) = held(&self.running).take() else { return };
        // They hold connections of the pool.
        running.tasks.shutdown().await;
        for (writer, task) in [running.outcomes, running.decisions] {
            drop(writer);
            if let Err(error) = task.await {
                tracing::error!(%error, "a writer of the store ended badly");
            }
        }
        if let Err(error) = self.shared.leave().await {
            tracing::warn!(%error, "failed to end the lease; what is still claimed is put back when it runs out");
        }
        self.shared.pool.close().await;
    }
}

impl Shared {
    async fn leave(&self) -> Result<(), Error> {
        let mut connection = self.connection().await?;
        self.lease.end(&mut connection).await?;
        lease::put_back(&mut connection).await?;
        Ok(())
    }
}
