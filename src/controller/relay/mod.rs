//! The relay: what the source tells becomes configuration and decisions, and decisions become durable.
//!
//! Events of one Application are looked at in order, by the worker that its UID falls to; different ones side by side, so that
//! their commits share one fsync. Nothing of an Application is kept but what the store holds.

mod configurations;
mod delivery;
mod explain;
mod observe;

pub use self::explain::Explained;

use self::configurations::{Configurations, Reloaded};
use super::report::{Report, Reporter};
use crate::clock;
use crate::egress::redact::Scrubber;
use crate::notify::{
    self, Configuration, Evaluation, InForce, LoadOptions, ObjectId, Reason, Repository, World, history,
};
use crate::outbox::{self, Change, Store};
use crate::service;
use crate::source::repo_server::RepoServer;
use crate::source::{Event, Object};
use crate::telemetry::Metrics;
use gatepost_value::{Location, Time, Value};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};

/// Applications looked at side by side.
const WORKERS: usize = 32;
/// Events that wait for one worker.
const WAITING: usize = 4;
/// Decisions kept for the API.
const REMEMBERED: usize = 2000;
/// Pause before a commit is tried again while the store is not available.
const STORE_PAUSE: Duration = Duration::from_millis(500);
/// Dead letters that one changed service releases, and their spacing.
const RELEASED_AT_ONCE: usize = 10_000;
const RELEASE_SPACING_MS: i64 = 20;

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
    /// What only the repositories know.
    pub repo_server: Arc<RepoServer>,
}

/// One decision, as the API shows it.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
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
    Look { object: Object, first_list: bool },
    Forget(Object),
    Marker(oneshot::Sender<()>),
}

/// The relay's state. Shared by workers, sender and server.
pub struct Relay {
    store: Arc<dyn Store>,
    options: RelayOptions,
    metrics: Arc<Metrics>,
    reporter: Arc<dyn Reporter>,
    current: RwLock<Configurations>,
    projects: RwLock<HashMap<String, Value>>,
    decisions: Mutex<VecDeque<Decision>>,
    synced: AtomicBool,
    undecided: AtomicBool,
    resumable: Mutex<Vec<(String, String)>>,
    /// Woken when deliveries were committed.
    pub committed: Notify,
    /// Woken when annotations may be owed.
    pub owed: Arc<Notify>,
    /// Woken when every Application has to be looked at again.
    pub relist: Arc<Notify>,
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
            projects: RwLock::default(),
            decisions: Mutex::default(),
            synced: AtomicBool::new(false),
            undecided: AtomicBool::new(false),
            resumable: Mutex::default(),
            committed: Notify::new(),
            owed: Arc::new(Notify::new()),
            relist: Arc::new(Notify::new()),
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
    /// Masks the values of all Secrets.
    #[must_use]
    pub fn scrubber(&self) -> Arc<Scrubber> {
        self.read().scrubber()
    }
    /// `delivery.giveUpAfter`.
    #[must_use]
    pub fn give_up_after(&self) -> Duration {
        self.options.give_up_after
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

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Configurations> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes events until the source is gone.
    pub async fn run(self: Arc<Self>, mut events: mpsc::Receiver<Event>) {
        let workers: Vec<mpsc::Sender<Work>> = (0..WORKERS).map(|_| self.worker()).collect();
        while let Some(event) = events.recv().await {
            match event {
                Event::ConfigMap { namespace, data, uid } => {
                    let namespace = self.label(namespace);
                    self.reconfigure(|all, options| all.config_map(&namespace, data, uid, options)).await;
                }
                Event::Resource { namespace, resource } => {
                    let namespace = self.label(namespace);
                    self.reconfigure(|all, options| all.resource(&namespace, resource, options)).await;
                }
                Event::Secret { namespace, data } => {
                    let namespace = self.label(namespace);
                    self.reconfigure(|all, options| all.secret(&namespace, data, options)).await;
                }
                Event::Project(object) => self.project(object.name(), Some(object.value().clone())),
                Event::ProjectDeleted(object) => self.project(object.name(), None),
                Event::Synced => self.synced(&workers).await,
                Event::Application { object, first_list } => {
                    let worker = &workers[slot(&object.id().uid)];
                    drop(worker.send(Work::Look { object, first_list }).await);
                }
                Event::ApplicationDeleted(object) => {
                    let worker = &workers[slot(&object.id().uid)];
                    drop(worker.send(Work::Forget(object)).await);
                }
            }
        }
    }

    /// The first list is done only when the workers have looked at all of it: a marker goes through each of them.
    async fn synced(&self, workers: &[mpsc::Sender<Work>]) {
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
        self.synced.store(true, Ordering::Release);
        tracing::info!("all Applications have been looked at");
    }

    fn worker(self: &Arc<Self>) -> mpsc::Sender<Work> {
        let (send, mut receive) = mpsc::channel(WAITING);
        let relay = Arc::clone(self);
        tokio::spawn(async move {
            while let Some(work) = receive.recv().await {
                match work {
                    Work::Look { object, first_list } => relay.look(&object, first_list).await,
                    Work::Forget(object) => relay.forget(&object).await,
                    Work::Marker(done) => drop(done.send(())),
                }
            }
        });
        send
    }

    /// Whether a condition's answer changes with time alone: then every Application is looked at again on a beat.
    #[must_use]
    pub fn reads_clock(&self) -> bool {
        let all = self.configurations();
        let mut conditions =
            all.iter().flat_map(|config| config.triggers().values()).flat_map(|trigger| &trigger.conditions);
        conditions.any(|condition| condition.program.as_ref().is_some_and(|program| program.usage().clock))
    }

    /// A namespace as in state keys: empty for the controller's own.
    fn label(&self, namespace: String) -> String {
        if namespace == self.options.namespace { String::new() } else { namespace }
    }

    /// Whether something waits for the repo-server since the last call: then every Application is looked at again.
    #[must_use]
    pub fn take_undecided(&self) -> bool {
        self.undecided.swap(false, Ordering::AcqRel)
    }

    fn project(&self, name: &str, value: Option<Value>) {
        self.metrics.watch_events.with_label_values(&["AppProject"]).inc();
        let mut projects = self.projects.write().unwrap_or_else(PoisonError::into_inner);
        match value {
            Some(value) => drop(projects.insert(name.to_owned(), value)),
            None => drop(projects.remove(name)),
        }
        if self.is_synced() {
            self.relist.notify_one();
        }
    }

    async fn reconfigure(&self, change: impl FnOnce(&mut Configurations, &LoadOptions) -> Vec<Reloaded>) {
        let reloaded = {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            change(&mut current, &self.options.load)
        };
        if reloaded.is_empty() {
            return;
        }
        self.metrics.config_broken.set(i64::try_from(self.problems()).unwrap_or(i64::MAX));
        for one in reloaded {
            self.metrics.config_loads.inc();
            self.report_problems(&one);
            if !one.first {
                self.release_changed(&one.before, &one.now).await;
            }
        }
        if self.is_synced() {
            self.relist.notify_one();
        }
    }

    fn report_problems(&self, Reloaded { namespace, before, now, uid, .. }: &Reloaded) {
        let namespace = if namespace.is_empty() { &self.options.namespace } else { namespace };
        let tell = |reason: &str, message: String, warning: bool| {
            let object =
                ObjectId { namespace: namespace.clone(), name: self.options.config_map.clone(), uid: uid.clone() };
            self.reporter.report(Report { kind: "ConfigMap", object, reason: reason.into(), message, warning });
        };
        for problem in now.problems().iter().filter(|p| !before.problems().contains(p)) {
            let reason = if problem.in_force == InForce::Itself { "ConfigurationWarning" } else { "BrokenKey" };
            tell(reason, self.scrubber().scrub(&problem.to_string()), true);
        }
        for problem in before.problems().iter().filter(|p| now.problems().iter().all(|q| q.key != p.key)) {
            tell("KeyHealed", format!("{} is in order again", problem.key), false);
        }
    }

    /// What a service refused is tried again when its resolved configuration changed (the Secret included).
    async fn release_changed(&self, before: &Configuration, now: &Configuration) {
        let now_ms = clock::now().millis();
        let give_up_ms = i64::try_from(self.options.give_up_after.as_millis()).unwrap_or(i64::MAX);
        for (name, config) in now.services() {
            if before.service(name).is_some_and(|old| old.digest == config.digest) {
                continue;
            }
            let release = outbox::store::Release {
                config_namespace: config.namespace.clone(),
                service: name.clone(),
                digest: None,
                since_ms: now_ms.saturating_sub(give_up_ms),
                spacing_ms: RELEASE_SPACING_MS,
                limit: RELEASED_AT_ONCE,
            };
            self.resumable
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((config.namespace.clone(), name.clone()));
            match self.store.release_parked(release, now_ms).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(
                    service = name,
                    count,
                    "the service's configuration changed; what it refused is tried again"
                ),
                Err(error) => {
                    tracing::warn!(service = name, error = %error, "failed to release what the service refused")
                }
            }
        }
        self.committed.notify_one();
    }

    fn project_of(&self, object: &Value) -> Option<Value> {
        let name = object.at(&["spec", "project"]).and_then(|v| v.as_str().map(str::to_owned));
        let name = name.filter(|n| !n.is_empty()).unwrap_or_else(|| "default".into());
        self.projects.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned()
    }

    fn with_world<T>(
        &self,
        config: &Configuration,
        object: &Object,
        states: &BTreeMap<String, notify::KeyState>,
        first_list: bool,
        trace: bool,
        repository: &Arc<Repository>,
        look: impl FnOnce(&World<'_>) -> T,
    ) -> T {
        let project = self.project_of(object.value());
        let now = clock::now();
        look(&World {
            config,
            object: object.value(),
            id: &object.id(),
            project: project.as_ref(),
            repository,
            states,
            event_resource_version: object.resource_version(),
            first_list,
            now: Time::unix(now.secs, now.nanos),
            local: Location::Utc,
            random: &fill_random,
            trace,
        })
    }

    async fn forget(&self, object: &Object) {
        self.metrics.watch_events.with_label_values(&["ApplicationDeleted"]).inc();
        if let Err(error) = self.store.commit(&object.id(), vec![Change::ForgetObject], clock::now().millis()).await {
            tracing::warn!(object = ?object, error = %error, "failed to forget a deleted Application");
        }
    }

    async fn look(&self, object: &Object, first_list: bool) {
        self.metrics.watch_events.with_label_values(&["Application"]).inc();
        loop {
            match self.try_look(object, first_list).await {
                Ok(()) => return,
                Err(error) if error.is_transient() => {
                    tracing::warn!(object = ?object, error = %error, "decisions pause until the store is back");
                    tokio::time::sleep(STORE_PAUSE).await;
                }
                Err(error) => return self.unstorable(object, &error),
            }
        }
    }

    async fn try_look(&self, object: &Object, first_list: bool) -> Result<(), outbox::Error> {
        let states = self.store.states(&object.id().uid).await?;
        let configs = self.read().of(&self.label(object.namespace().to_owned()));
        let look = |repository: &Arc<Repository>| -> Vec<Evaluation> {
            let one = |config: &Arc<Configuration>| {
                self.with_world(config, object, &states, first_list, false, repository, notify::evaluate)
            };
            configs.iter().map(one).collect()
        };
        let evaluations = self.options.repo_server.consult(look).await;
        let undecided = evaluations.iter().any(|evaluation| evaluation.undecided);
        self.undecided.fetch_or(undecided, Ordering::AcqRel);
        let pairs = configs.iter().zip(&evaluations);
        let changes: Vec<Change> = pairs.flat_map(|(config, evaluation)| self.changes(config, evaluation)).collect();
        if !changes.is_empty() {
            let delivers = changes.iter().any(|c| matches!(c, Change::Deliver(_)));
            self.store.commit(&object.id(), changes, clock::now().millis()).await?;
            if delivers {
                self.committed.notify_one();
            }
            self.owed.notify_one();
        }
        evaluations.iter().for_each(|evaluation| self.note(object, evaluation));
        Ok(())
    }

    fn unstorable(&self, object: &Object, error: &outbox::Error) {
        let message = format!("failed to store what was decided: {error}");
        self.reporter.report(Report {
            kind: "Application",
            object: object.id(),
            reason: "Unstorable".into(),
            message,
            warning: true,
        });
    }

    /// Metrics, log and the list of decisions; what is unchanged is not told again.
    fn note(&self, object: &Object, evaluation: &Evaluation) {
        let application = format!("{}/{}", object.namespace(), object.name());
        if let Some(reason) = evaluation.skipped {
            self.metrics.decisions.with_label_values(&[reason.as_str()]).inc();
            tracing::debug!(resource = application, reason = reason.as_str(), "Processing skipped");
            return;
        }
        for trigger in &evaluation.triggers {
            let triggered = if trigger.reason == Reason::Triggered { "true" } else { "false" };
            self.metrics.trigger_evaluations.with_label_values(&[trigger.name.as_str(), triggered]).inc();
            if trigger.conditions.is_empty() && !trigger.message.is_empty() {
                self.remember(&application, &trigger.name, "", "", trigger.reason, &trigger.message);
            }
            for condition in &trigger.conditions {
                for outcome in &condition.destinations {
                    let destination = format!("{}:{}", outcome.destination.service, outcome.destination.recipient);
                    self.remember(
                        &application,
                        &trigger.name,
                        &condition.key,
                        &destination,
                        outcome.reason,
                        &outcome.message,
                    );
                }
            }
        }
    }

    fn remember(
        &self,
        application: &str,
        trigger: &str,
        condition: &str,
        destination: &str,
        reason: Reason,
        message: &str,
    ) {
        self.metrics.decisions.with_label_values(&[reason.as_str()]).inc();
        if matches!(reason, Reason::ConditionFalse | Reason::AlreadySent | Reason::AlreadyPending | Reason::DeadLetter)
        {
            return;
        }
        let message = self.scrubber().scrub(message);
        tracing::info!(
            resource = application,
            trigger,
            condition,
            destination,
            reason = reason.as_str(),
            message,
            "decided"
        );
        let decision = Decision {
            at_ms: clock::now().millis(),
            application: application.to_owned(),
            trigger: trigger.to_owned(),
            condition: condition.to_owned(),
            destination: destination.to_owned(),
            reason,
            message,
        };
        let mut decisions = self.decisions.lock().unwrap_or_else(PoisonError::into_inner);
        if decisions.len() >= REMEMBERED {
            decisions.pop_front();
        }
        decisions.push_back(decision);
    }
}

fn slot(uid: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    usize::try_from(hasher.finish() % WORKERS as u64).unwrap_or(0)
}

fn fill_random(buffer: &mut [u8]) {
    use rand::RngCore as _;
    rand::rng().fill_bytes(buffer);
}

/// Reads the annotation of an Application on an API server.
#[async_trait::async_trait]
impl crate::controller::ObjectReader for crate::source::kubernetes::Kubernetes {
    async fn notified(&self, object: &ObjectId) -> Result<Option<String>, String> {
        let found = self.get(&object.namespace, &object.name).await.map_err(|e| e.to_string())?;
        Ok(found.and_then(|o| o.annotation(history::ANNOTATION)))
    }
}
