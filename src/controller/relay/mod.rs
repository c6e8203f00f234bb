//! The relay: what the source tells becomes configuration and decisions, and decisions become durable.
//!
//! Events of one Application are looked at in order, by the worker that its UID falls to; different ones side by side, so that
//! their commits share one fsync. Of an Application nothing is kept but a digest of what its triggers read (`sightings.rs`).

mod brake;
mod configurations;
mod configure;
mod delivery;
mod departure;
mod destinations;
mod explain;
mod found;
mod kept;
mod look;
mod losses;
mod note;
mod observe;
mod roster;
mod secrecy;
mod sightings;
#[cfg(test)]
mod tests;
mod timed;

pub use explain::Explained;
pub(in crate::controller) use found::Found;
pub use roster::{
    Page as RosterPage, Query as RosterQuery, Roster, Row as RosterRow, Subscribed, Totals as RosterTotals,
};
pub use sightings::Sightings;

use self::brake::Brake;
use self::configurations::{Configurations, Plan};
use self::departure::Settled;
use self::kept::Kept;
use self::losses::Losses;
use self::secrecy::Secrecy;
use super::changes::Changes;
use super::links::Links;
use super::report::{Report, Reporter};
use super::sender::ObjectReader;
use super::series::{Attempts, Series};
use crate::coordination::Status;
use crate::notify::{Configuration, LoadOptions, ObjectId, Reason, history};
use crate::outbox::Store;
use crate::service;
use crate::settings::{AnnotationLost, ProjectNamespace};
use crate::source::repo_server::RepoServer;
use crate::source::{Cause, Event, Object};
use crate::telemetry::Metrics;
use crate::trace::Tracer;
use gatepost_value::Value;
use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, oneshot};

/// Applications looked at side by side.
const WORKERS: usize = 32;
/// Events that wait for one worker: each holds a whole object.
const WAITING: usize = 1;
/// Decisions kept for the API.
pub const REMEMBERED: usize = 2000;

/// Settings of the relay.
#[derive(Clone)]
pub struct RelayOptions {
    /// Controller's namespace: of ConfigMap, Secret, AppProjects.
    pub namespace: String,
    /// Name of the ConfigMap, for Events about it.
    pub config_map: String,
    /// How configuration is loaded.
    pub load: LoadOptions,
    /// JSON rule and cluster name.
    pub service: service::Context,
    /// Until when a delivery is retried.
    pub give_up_after: Duration,
    /// Deliveries a second that a replay puts back.
    pub replay_per_second: u32,
    /// What only the repositories know.
    pub repo_server: Arc<RepoServer>,
    /// Whether this process may decide.
    pub standing: Status,
    /// Who can be asked for an Application; nobody where Applications are files.
    pub reader: Option<Arc<dyn ObjectReader>>,
    /// `notify.annotationLost`
    pub annotation_lost: AnnotationLost,
    /// `notify.projectNamespace`
    pub project_namespace: ProjectNamespace,
    /// Where spans are told.
    pub tracer: Tracer,
}

/// One decision, as the API shows it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// Counts the decisions of this process.
    pub sequence: u64,
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// `namespace/name`.
    pub application: String,
    /// Trigger.
    pub trigger: String,
    /// Condition key.
    pub condition: String,
    /// `service:recipient`.
    pub destination: String,
    /// Why or why not.
    pub reason: Reason,
    /// Error text; empty without one.
    pub message: String,
}

/// What a worker is given.
enum Work {
    Look { object: Object, cause: Cause, received: Instant },
    Gone(Object),
    Missed { object: ObjectId, tries: u32 },
    Marker(oneshot::Sender<()>),
}

/// The relay's state. Shared by workers, sender and server.
pub struct Relay {
    store: Arc<dyn Store>,
    options: RelayOptions,
    metrics: Arc<Metrics>,
    reporter: Arc<dyn Reporter>,
    current: RwLock<Configurations>,
    secrecy: Secrecy,
    /// By namespace and name.
    projects: RwLock<HashMap<(String, String), Value>>,
    sightings: Arc<Sightings>,
    roster: Roster,
    series: Series,
    links: OnceLock<Links>,
    kept: Kept,
    losses: Losses,
    refreshes: Mutex<Vec<ObjectId>>,
    brake: Brake,
    decisions: Mutex<VecDeque<Decision>>,
    synced: AtomicBool,
    undecided: AtomicBool,
    resumable: Mutex<Vec<(String, String)>>,
    switched: AtomicBool,
    /// What happened, for those who watch.
    pub changes: Changes,
    /// Woken when deliveries were committed, or something else may have fallen due: the dispatcher waits for it.
    pub committed: Arc<Notify>,
    /// Woken when a service was configured anew or a destination switched ([`Relay::take_resumable`], [`Relay::take_switched`]).
    pub steered: Notify,
    /// Woken when annotations may be owed.
    pub owed: Arc<Notify>,
    /// Woken when some Applications have to be read again ([`Relay::take_refreshes`]).
    pub refresh: Notify,
    /// Woken when every Application has to be looked at again.
    pub relist: Arc<Notify>,
    /// Told once, when the configuration is there: nothing can be sent before.
    pub configured: Notify,
}

impl Relay {
    /// A relay that has seen nothing yet.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        options: RelayOptions,
        metrics: Arc<Metrics>,
        reporter: Arc<dyn Reporter>,
    ) -> Self {
        Self {
            store,
            options,
            metrics,
            reporter,
            current: RwLock::default(),
            secrecy: Secrecy::default(),
            projects: RwLock::default(),
            sightings: Arc::default(),
            roster: Roster::default(),
            series: Series::default(),
            links: OnceLock::new(),
            kept: Kept::default(),
            losses: Losses::default(),
            refreshes: Mutex::default(),
            refresh: Notify::new(),
            brake: Brake::default(),
            decisions: Mutex::default(),
            synced: AtomicBool::new(false),
            undecided: AtomicBool::new(false),
            resumable: Mutex::default(),
            switched: AtomicBool::new(false),
            changes: Changes::default(),
            committed: Arc::default(),
            steered: Notify::new(),
            owed: Arc::new(Notify::new()),
            relist: Arc::new(Notify::new()),
            configured: Notify::new(),
        }
    }

    /// The configuration in force for a namespace as in state keys (empty: the controller's own), if there is one.
    #[must_use]
    pub fn configuration_of(&self, namespace: &str) -> Option<Arc<Configuration>> {
        self.read().get(namespace).cloned()
    }
    /// All configurations in force, the controller's own first.
    #[must_use]
    pub fn configurations(&self) -> Vec<Arc<Configuration>> {
        self.read().all().cloned().collect()
    }
    /// How many keys are broken or worth a warning, in all configurations.
    #[must_use]
    pub fn problems(&self) -> usize {
        self.read().all().map(|config| config.problems().len()).sum()
    }
    /// `delivery.giveUpAfter`.
    #[must_use]
    pub fn give_up_after(&self) -> Duration {
        self.options.give_up_after
    }
    /// Milliseconds between the due times of two replayed deliveries (`delivery.replayPerSecond`).
    #[must_use]
    pub fn replay_spacing_ms(&self) -> i64 {
        1000 / i64::from(self.options.replay_per_second.max(1))
    }
    /// Whether everything that was there at the start has been looked at.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.synced.load(Ordering::Acquire)
    }
    /// Services (configuration namespace, name) whose configuration changed since the last call: their lanes resume at once.
    #[must_use]
    pub fn take_resumable(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.resumable.lock().unwrap_or_else(PoisonError::into_inner))
    }
    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }
    /// Where spans are told.
    #[must_use]
    pub fn tracer(&self) -> &Tracer {
        &self.options.tracer
    }
    /// The metrics.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }
    /// Where owners are told.
    #[must_use]
    pub fn reporter(&self) -> &Arc<dyn Reporter> {
        &self.reporter
    }
    /// The latest decisions, newest first; those that only say "nothing to do" are not kept.
    #[must_use]
    pub fn decisions(&self) -> Vec<Decision> {
        self.decisions.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }

    /// Whether this process decides or another does.
    #[must_use]
    pub fn standing(&self) -> &Status {
        &self.options.standing
    }

    /// What is remembered of each Application; the projector tells it what it writes.
    #[must_use]
    pub fn sightings(&self) -> &Arc<Sightings> {
        &self.sightings
    }

    /// A small record of each Application: what lists of them are made from.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// How the last hour went.
    #[must_use]
    pub fn series(&self) -> &Series {
        &self.series
    }

    /// From now on Events and log lines say where the page of a delivery is.
    pub fn link(&self, links: Links) {
        // Said once, at the start.
        let _ = self.links.set(links);
    }

    /// Takes a sample of what was sent and what waits.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn sample(&self) -> Result<(), crate::outbox::Error> {
        let counts = self.store.counts().await?;
        self.series.note(&counts, Attempts::of(&self.metrics), crate::clock::now().millis());
        Ok(())
    }

    /// Whether something waits for the repo-server since the last call: then every Application is looked at again.
    #[must_use]
    pub fn take_undecided(&self) -> bool {
        self.undecided.swap(false, Ordering::AcqRel)
    }

    /// Applications that have to be read again, since the last call.
    #[must_use]
    pub fn take_refreshes(&self) -> Vec<ObjectId> {
        std::mem::take(&mut *self.refreshes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn ask_to_refresh(&self, objects: Vec<ObjectId>) {
        if !objects.is_empty() {
            self.refreshes.lock().unwrap_or_else(PoisonError::into_inner).extend(objects);
            self.refresh.notify_one();
        }
    }

    /// A namespace as in state keys: empty for the controller's own.
    fn label(&self, namespace: &str) -> String {
        if namespace == self.options.namespace { String::new() } else { namespace.to_owned() }
    }

    /// What applies to an Application of this namespace.
    fn plans(&self, namespace: &str) -> Vec<Plan> {
        self.read().of(&self.label(namespace))
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Configurations> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes events until the source is gone.
    pub async fn run(self: Arc<Self>, mut events: mpsc::Receiver<Event>) {
        let workers: Vec<mpsc::Sender<Work>> = (0..WORKERS).map(|_| self.worker()).collect();
        let judging = tokio::spawn(Arc::clone(&self).judge_losses());
        while let Some(event) = events.recv().await {
            match event {
                Event::ConfigMap { namespace, data, uid } => {
                    let namespace = self.label(&namespace);
                    self.reconfigure(|all, options| all.config_map(&namespace, data, uid, options)).await;
                }
                Event::Resource { namespace, resource } => {
                    let namespace = self.label(&namespace);
                    self.reconfigure(|all, options| all.resource(&namespace, resource, options)).await;
                }
                Event::Secret { namespace, data } => {
                    let namespace = self.label(&namespace);
                    self.reconfigure(|all, options| all.secret(&namespace, data, options)).await;
                }
                Event::Project(object) => self.project(&object, Some(object.value().clone())),
                Event::ProjectDeleted(object) => self.project(&object, None),
                Event::Listing => self.begin_list().await,
                Event::Synced => self.synced(&workers).await,
                Event::Application { object, cause, received } => {
                    let worker = &workers[slot(&object.id().uid)];
                    drop(worker.send(Work::Look { object, cause, received }).await);
                }
                Event::ApplicationDeleted(object) => {
                    let worker = &workers[slot(&object.id().uid)];
                    drop(worker.send(Work::Gone(object)).await);
                }
            }
        }
        judging.abort();
    }

    /// The first list is done only when the workers have looked at all of it: a marker goes through each of them.
    async fn synced(self: &Arc<Self>, workers: &[mpsc::Sender<Work>]) {
        let mut done = Vec::with_capacity(workers.len());
        for worker in workers {
            let (send, receive) = oneshot::channel();
            if worker.send(Work::Marker(send)).await.is_ok() {
                done.push(receive);
            }
        }
        for receive in done {
            // An error says that the worker is gone: the process is stopping.
            let _ = receive.await;
        }
        if !self.synced.swap(true, Ordering::AcqRel) {
            tracing::info!("all Applications have been looked at");
        }
        self.roster.end_list();
        if let Some(present) = self.sightings.end_list() {
            let workers = workers.iter().map(mpsc::Sender::downgrade).collect();
            tokio::spawn(Arc::clone(self).settle_absent(present, workers));
        }
    }

    fn worker(self: &Arc<Self>) -> mpsc::Sender<Work> {
        let (send, mut receive) = mpsc::channel(WAITING);
        let (relay, later) = (Arc::clone(self), send.downgrade());
        tokio::spawn(async move {
            // What is done is kept elsewhere, for as long as it takes: a worker that waits takes no memory for it.
            while let Some(work) = receive.recv().await {
                match work {
                    Work::Look { object, cause, received } => Box::pin(relay.look(&object, cause, received)).await,
                    Work::Gone(object) => {
                        if Box::pin(relay.gone(&object)).await == Settled::No {
                            departure::again(later.clone(), object.id(), 0);
                        }
                    }
                    Work::Missed { object, tries } => {
                        if Box::pin(relay.missed(&object)).await == Settled::No {
                            departure::again(later.clone(), object, tries);
                        }
                    }
                    Work::Marker(done) => drop(done.send(())),
                }
            }
        });
        send
    }
}

fn slot(uid: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    usize::try_from(hasher.finish() % WORKERS as u64).unwrap_or(0)
}

/// Reads an Application on an API server.
#[async_trait::async_trait]
impl crate::controller::ObjectReader for crate::source::kubernetes::Kubernetes {
    async fn notified(&self, object: &ObjectId) -> Result<Option<String>, String> {
        let found = self.get(&object.namespace, &object.name).await.map_err(|e| e.to_string())?;
        Ok(found.and_then(|o| o.annotation(history::ANNOTATION)))
    }

    async fn exists(&self, object: &ObjectId) -> Result<bool, String> {
        if !self.is_served(&object.namespace) {
            return Ok(true);
        }
        let found = self.get(&object.namespace, &object.name).await.map_err(|e| e.to_string())?;
        Ok(found.is_some_and(|found| found.id().uid == object.uid))
    }
}
