//! The relay: what the source tells becomes configuration and decisions, and decisions become durable.
//!
//! Events of one Application are looked at in order, by the worker that its UID falls to; different ones side by side, so that
//! their commits share one fsync. Nothing of an Application is kept but what the store holds.

use super::report::{Report, Reporter};
use crate::clock;
use crate::egress::redact::Scrubber;
use crate::notify::{
    self, ConfigInput, Configuration, Evaluation, LoadOptions, ObjectId, Occurrence, Reason, World, history,
};
use crate::outbox::{self, Change, DeadReason, Lane, NewDelivery, Store};
use crate::service;
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

/// What is read together and replaced together.
#[derive(Default)]
struct Current {
    input: ConfigInput,
    config: Arc<Configuration>,
    scrubber: Arc<Scrubber>,
    config_map_uid: String,
    config_map_seen: bool,
    secret_seen: bool,
}

impl Current {
    /// Until both parts are known there is nothing to load: a half configuration would report keys that are in order.
    const fn is_complete(&self) -> bool {
        self.config_map_seen && self.secret_seen
    }
}

/// The relay's state. Shared by workers, sender and server.
pub struct Relay {
    store: Arc<dyn Store>,
    options: RelayOptions,
    metrics: Arc<Metrics>,
    reporter: Arc<dyn Reporter>,
    current: RwLock<Current>,
    projects: RwLock<HashMap<String, Value>>,
    decisions: Mutex<VecDeque<Decision>>,
    synced: AtomicBool,
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
            resumable: Mutex::default(),
            committed: Notify::new(),
            owed: Arc::new(Notify::new()),
            relist: Arc::new(Notify::new()),
        }
    }

    /// The configuration in force.
    #[must_use]
    pub fn configuration(&self) -> Arc<Configuration> {
        Arc::clone(&self.read().config)
    }
    /// Masks the Secret's values.
    #[must_use]
    pub fn scrubber(&self) -> Arc<Scrubber> {
        Arc::clone(&self.read().scrubber)
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

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes events until the source is gone.
    pub async fn run(self: Arc<Self>, mut events: mpsc::Receiver<Event>) {
        let workers: Vec<mpsc::Sender<Work>> = (0..WORKERS).map(|_| self.worker()).collect();
        while let Some(event) = events.recv().await {
            match event {
                Event::ConfigMap { data, uid } => {
                    self.reconfigure(|current| {
                        current.config_map_seen = true;
                        current.input.configmap = data;
                        current.config_map_uid = uid;
                    })
                    .await
                }
                Event::Secret(data) => {
                    self.reconfigure(|current| {
                        current.scrubber = Arc::new(Scrubber::new(data.values().map(Vec::as_slice)));
                        current.secret_seen = true;
                        current.input.secret = data;
                    })
                    .await
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
        let config = self.configuration();
        let mut conditions = config.triggers().values().flat_map(|trigger| &trigger.conditions);
        conditions.any(|condition| condition.program.as_ref().is_some_and(|program| program.usage().clock))
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

    async fn reconfigure(&self, change: impl FnOnce(&mut Current)) {
        let (before, now, uid, first) = {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            let first = !current.is_complete();
            change(&mut current);
            if !current.is_complete() {
                return;
            }
            let before = Arc::clone(&current.config);
            current.config = Arc::new(Configuration::load(&current.input, Some(&before), &self.options.load));
            (before, Arc::clone(&current.config), current.config_map_uid.clone(), first)
        };
        self.metrics.config_loads.inc();
        self.report_problems(&before, &now, &uid);
        if !first {
            self.release_changed(&before, &now).await;
        }
        if self.is_synced() {
            self.relist.notify_one();
        }
    }

    fn report_problems(&self, before: &Configuration, now: &Configuration, uid: &str) {
        self.metrics.config_broken.set(i64::try_from(now.problems().len()).unwrap_or(i64::MAX));
        let object = || ObjectId {
            namespace: self.options.namespace.clone(),
            name: self.options.config_map.clone(),
            uid: uid.to_owned(),
        };
        for problem in now.problems().iter().filter(|p| !before.problems().contains(p)) {
            let message = self.scrubber().scrub(&problem.to_string());
            self.reporter.report(Report {
                kind: "ConfigMap",
                object: object(),
                reason: "BrokenKey".into(),
                message,
                warning: true,
            });
        }
        for problem in before.problems().iter().filter(|p| now.problems().iter().all(|q| q.key != p.key)) {
            let message = format!("{} is in order again", problem.key);
            self.reporter.report(Report {
                kind: "ConfigMap",
                object: object(),
                reason: "KeyHealed".into(),
                message,
                warning: false,
            });
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

    /// Evaluates without doing anything: for `explain`. The remarks say what would be wrong with the notifications of the
    /// conditions that hold now, whether they were sent before or not.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn explain(&self, object: &Object) -> Result<(Evaluation, Vec<String>), outbox::Error> {
        let states = self.store.states(&object.id().uid).await?;
        self.with_world(object, &states, false, true, |world| {
            let evaluation = notify::evaluate(world);
            let remarks = self.remarks(world, &evaluation);
            Ok((evaluation, remarks))
        })
    }

    fn remarks(&self, world: &World<'_>, evaluation: &Evaluation) -> Vec<String> {
        let mut remarks = Vec::new();
        for trigger in &evaluation.triggers {
            for condition in trigger.conditions.iter().filter(|condition| condition.triggered) {
                for outcome in &condition.destinations {
                    let found = self.remarks_on(world, &trigger.name, &condition.templates, &outcome.destination);
                    remarks.extend(
                        found
                            .into_iter()
                            .map(|remark| format!("{} to {}: {remark}", trigger.name, outcome.destination.service)),
                    );
                }
            }
        }
        remarks
    }

    fn remarks_on(
        &self,
        world: &World<'_>,
        trigger: &str,
        templates: &[String],
        to: &notify::Destination,
    ) -> Vec<String> {
        let notification = match notify::evaluate::render_for(world, templates, to) {
            Ok(notification) => notification,
            Err(failure) => return vec![failure.message],
        };
        let Some(service) = world.config.service(&to.service) else {
            return vec![format!("notification service '{}' is not supported", to.service)];
        };
        let occurrence = Occurrence {
            object: world.id.clone(),
            config_namespace: world.config.namespace().to_owned(),
            trigger: trigger.to_owned(),
            condition_key: String::new(),
            once_per: String::new(),
            destination: to.clone(),
            arming: 0,
        };
        match service::prepare(service, &notification, &occurrence, &self.options.service) {
            Ok(_) => service::missing_values(&notification, &to.service),
            Err(error) => vec![error.to_string()],
        }
    }

    fn with_world<T>(
        &self,
        object: &Object,
        states: &BTreeMap<String, notify::KeyState>,
        first_list: bool,
        trace: bool,
        look: impl FnOnce(&World<'_>) -> T,
    ) -> T {
        let config = self.configuration();
        let project = self.project_of(object.value());
        let now = clock::now();
        look(&World {
            config: &config,
            object: object.value(),
            id: &object.id(),
            project: project.as_ref(),
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
        let evaluation = self.with_world(object, &states, first_list, false, notify::evaluate);
        let changes = self.changes(&evaluation);
        if !changes.is_empty() {
            let delivers = changes.iter().any(|c| matches!(c, Change::Deliver(_)));
            self.store.commit(&object.id(), changes, clock::now().millis()).await?;
            if delivers {
                self.committed.notify_one();
            }
            self.owed.notify_one();
        }
        self.note(object, &evaluation);
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

    fn changes(&self, evaluation: &Evaluation) -> Vec<Change> {
        evaluation
            .changes
            .iter()
            .map(|change| match change {
                notify::Change::Disarm { state_key, .. } => Change::Disarm { state_key: state_key.clone() },
                notify::Change::Adopt { state_key, at } => Change::Adopt { state_key: state_key.clone(), at: *at },
                notify::Change::Deliver { occurrence, state_key, rendered, digest, .. } => {
                    Change::Deliver(Box::new(self.delivery(occurrence, state_key, rendered, digest)))
                }
            })
            .collect()
    }

    fn delivery(
        &self,
        occurrence: &Occurrence,
        state_key: &str,
        rendered: &Result<notify::Notification, notify::RenderFailure>,
        digest: &str,
    ) -> NewDelivery {
        let config = self.configuration();
        let name = &occurrence.destination.service;
        let service = config.service(name);
        let lane = Lane {
            config_namespace: occurrence.config_namespace.clone(),
            service: name.clone(),
            host: service.map(host_of).unwrap_or_default(),
        };
        let blank = NewDelivery {
            occurrence: occurrence.clone(),
            state_key: state_key.to_owned(),
            service_kind: service.map(|s| s.kind.clone()).unwrap_or_default(),
            payload: Vec::new(),
            lane,
            ordering: None,
            supersedes: false,
            idempotent: false,
            digest: digest.to_owned(),
            dead: None,
        };
        let (Ok(notification), Some(service)) = (rendered, service) else {
            let text = rendered.as_ref().err().map(|f| f.message.clone()).unwrap_or_default();
            return self.dead(blank, DeadReason::RenderFailed, &text);
        };
        match service::prepare(service, notification, occurrence, &self.options.service) {
            Ok(prepared) => {
                self.repaired(occurrence, &prepared.repairs);
                self.tell_missing(occurrence, notification);
                NewDelivery {
                    payload: prepared.payload,
                    ordering: prepared.ordering,
                    supersedes: prepared.supersedes,
                    idempotent: prepared.idempotent,
                    ..blank
                }
            }
            Err(error) => self.dead(blank, DeadReason::InvalidNotification, &error.to_string()),
        }
    }

    fn dead(&self, delivery: NewDelivery, reason: DeadReason, cause: &str) -> NewDelivery {
        let occurrence = &delivery.occurrence;
        let message = format!(
            "failed to notify recipient {{{} {}}} about trigger {}: {cause}",
            occurrence.destination.service, occurrence.destination.recipient, occurrence.trigger
        );
        let (object, message) = (occurrence.object.clone(), self.scrubber().scrub(&message));
        self.reporter.report(Report {
            kind: "Application",
            object,
            reason: "DeadLetter".into(),
            message,
            warning: true,
        });
        NewDelivery { payload: cause.as_bytes().to_vec(), dead: Some(reason), ..delivery }
    }

    fn tell_missing(&self, occurrence: &Occurrence, notification: &notify::Notification) {
        for sentence in service::missing_values(notification, &occurrence.destination.service) {
            let message = format!("the notification about {}: {sentence}", occurrence.trigger);
            let object = occurrence.object.clone();
            self.reporter.report(Report {
                kind: "Application",
                object,
                reason: "MissingValue".into(),
                message,
                warning: true,
            });
        }
    }

    fn repaired(&self, occurrence: &Occurrence, repairs: &[notify::json::Repair]) {
        let count = u64::try_from(repairs.len()).unwrap_or(0);
        self.metrics.json_repairs.with_label_values(&[&occurrence.destination.service]).inc_by(count);
        for repair in repairs {
            tracing::info!(trigger = occurrence.trigger, service = occurrence.destination.service, repair = ?repair, "a value was escaped so that the JSON stays valid");
        }
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

/// What the dispatcher tells: metrics, and Events where an owner has to know.
impl outbox::Observer for Relay {
    fn observe(&self, event: &outbox::Event<'_>) {
        match event {
            outbox::Event::Attempted { delivery, verdict, state, dead, .. } => {
                self.attempted(delivery, verdict, *state);
                if let Some(dead) = dead {
                    let message = format!(
                        "notification about {} to {} is a dead letter ({}): {}",
                        delivery.occurrence.trigger,
                        delivery.lane.service,
                        dead.as_str(),
                        cause(verdict)
                    );
                    self.tell(delivery, "DeadLetter", message);
                }
            }
            outbox::Event::Breaker { lane, breaker } => {
                let state = match breaker.as_str() {
                    "closed" => 0,
                    "open" => 2,
                    _ => 1,
                };
                self.metrics.breaker.with_label_values(&[lane.service.as_str(), lane.host.as_str()]).set(state);
                tracing::warn!(service = lane.service, host = lane.host, breaker = ?breaker, "the breaker of a destination changed");
            }
            outbox::Event::StoreFailed { what, error } => {
                tracing::warn!(what, error = %error, "the store failed; tried again by itself")
            }
            outbox::Event::ClockStepped { delta_ms } => {
                tracing::warn!(delta_ms, "the wall clock was stepped; due times were moved along")
            }
        }
    }
}

impl Relay {
    fn attempted(&self, delivery: &outbox::Delivery, verdict: &outbox::Verdict, state: outbox::State) {
        let service = delivery.lane.service.as_str();
        let delivered = matches!(verdict, outbox::Verdict::Delivered { .. });
        self.metrics.attempts.with_label_values(&[service, state.as_str()]).inc();
        let succeeded = if delivered { "true" } else { "false" };
        self.metrics.deliveries.with_label_values(&[delivery.occurrence.trigger.as_str(), service, succeeded]).inc();
        if !delivered {
            let resource = format!("{}/{}", delivery.occurrence.object.namespace, delivery.occurrence.object.name);
            tracing::warn!(resource, delivery = %delivery.id, service, state = state.as_str(), cause = cause(verdict), "Failed to notify recipient");
            if matches!(verdict, outbox::Verdict::Credentials { .. }) {
                self.tell(
                    delivery,
                    "CredentialsRefused",
                    format!("service {service} pauses: {}; correct its Secret or configuration", cause(verdict)),
                );
            }
            return;
        }
        self.owed.notify_one();
        let elapsed = clock::now().millis().saturating_sub(delivery.created_ms).max(0);
        self.metrics.change_to_delivered.observe(Duration::from_millis(elapsed.unsigned_abs()).as_secs_f64());
        if let outbox::Verdict::Delivered { reached: Some(0), note } = verdict {
            self.metrics.reached_nobody.with_label_values(&[service]).inc();
            self.tell(
                delivery,
                "ReachedNobody",
                format!("service {service} accepted the notification but it reached nobody: {note}"),
            );
        }
    }

    fn tell(&self, delivery: &outbox::Delivery, reason: &str, message: String) {
        let object = delivery.occurrence.object.clone();
        self.reporter.report(Report { kind: "Application", object, reason: reason.into(), message, warning: true });
    }
}

fn cause(verdict: &outbox::Verdict) -> &str {
    use outbox::Verdict as V;
    match verdict {
        V::Retry { cause, .. }
        | V::SlowRetry { cause }
        | V::Credentials { cause }
        | V::Permanent { cause }
        | V::Unknown { cause }
        | V::Gone { cause }
        | V::NotReady { cause } => cause,
        V::Delivered { note, .. } => note,
        V::TakenOver { .. } => "sent by the Go controller meanwhile",
    }
}

fn host_of(service: &notify::ServiceConfig) -> String {
    let url = service.options.get("url").and_then(serde_json::Value::as_str).unwrap_or_default();
    url::Url::parse(url).ok().and_then(|u| u.host_str().map(str::to_owned)).unwrap_or_default()
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
impl super::sender::ObjectReader for crate::source::kubernetes::Kubernetes {
    async fn notified(&self, object: &ObjectId) -> Result<Option<String>, String> {
        let found = self.get(&object.namespace, &object.name).await.map_err(|e| e.to_string())?;
        Ok(found.and_then(|o| o.annotation(history::ANNOTATION)))
    }
}
