//! Gates by request: what acts for `crate::gate`'s decisions on a cluster.
//!
//! Watches keep a small record of each gate, strategy and CommitStatus ([`index`]); [`run`] gives each gate its turn, one look at a
//! time; [`look`] reads, lets decide, asks ([`asking`], [`ask`]) and writes: CommitStatuses ([`commit_status`], their only writer), the
//! status ([`status`]), Events ([`told`]). Where the Promoter's kinds are not served, it is looked for them every ten seconds. Never here:
//! what a gate says of a commit.

pub mod application;
pub mod ask;
mod asking;
pub(in crate::controller) mod commit_status;
mod index;
pub(super) mod kinds;
mod look;
mod memories;
mod namespaces;
mod phases;
mod queue;
mod recent;
mod run;
mod status;
mod support;
mod told;
mod view;
mod wake;
mod watch;

pub(super) use commit_status::write as write_commit_status;
pub use memories::forget_unused;
pub use wake::{Wake, WakeReceiver, WakeSender, wakes};

use crate::controller::Changes;
use crate::controller::links::Links;
use crate::coordination;
use crate::egress::redact::Scrubber;
use crate::gate::application::KINDS;
use crate::gate::{Engine, Integers};
use crate::outbox::Store;
use crate::telemetry::Metrics;
use crate::trace::Tracer;
use application::Id;
use ask::{Asker, Objects};
use gatepost_value::Limits;
use index::{Index, Name};
use look::Looker;
use serde_json::Value as Json;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use support::Support;
use tokio_util::sync::CancellationToken;
use view::Views;
use watch::Partition;

/// How often it is looked whether gates can be handled.
const SUPPORT_PAUSE: Duration = Duration::from_secs(10);

/// What the operator says of gates.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Value of the label `promoter.argoproj.io/instance-id` of the gates that are handled.
    pub instance_id: String,
    /// Whether gates without the label are handled too.
    pub take_over: bool,
    /// How whole numbers of answers are read.
    pub integers: Integers,
    /// Gates that are looked at at once.
    pub concurrency: usize,
    /// Gatepost's own namespace: what is in it is the operator's.
    pub namespace: String,
    /// Whose ApplicationGates and ArgoCDCommitStatuses may see the Applications of other namespaces.
    pub grants: Vec<ask::Grant>,
    /// Where pages of gates are.
    pub links: Links,
}

/// What gates need of the rest of the house.
pub struct Parts {
    /// The cluster.
    pub client: kube::Client,
    /// Where intents and memories are kept.
    pub store: Arc<dyn Store>,
    /// Asks endpoints.
    pub asker: Arc<Asker>,
    /// Whether this process decides.
    pub standing: coordination::Status,
    /// Numbers.
    pub metrics: Arc<Metrics>,
    /// Where spans are told.
    pub tracer: Tracer,
}

/// The gates of a cluster.
pub struct Gates {
    parts: Parts,
    settings: Settings,
    views: Arc<Views>,
    application_views: Arc<application::Views>,
    /// The records of the gates that are handled now.
    index: Mutex<Arc<Mutex<Index>>>,
    /// What keeps gates from being handled; empty where nothing does.
    obstacle: Mutex<String>,
}

impl Gates {
    /// Gates that are handled once [`Gates::run`] is.
    #[must_use]
    pub fn new(parts: Parts, settings: Settings) -> Self {
        let obstacle = Mutex::new("it is not known yet whether the cluster has gates".to_owned());
        Self {
            parts,
            settings,
            views: Arc::default(),
            application_views: Arc::default(),
            index: Mutex::default(),
            obstacle,
        }
    }

    /// Handles gates until the process stops, whenever the cluster has them. Wake-ups ask at once.
    pub async fn run(&self, mut wakes: WakeReceiver, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.run_again_and_again(&mut wakes) => {}
        }
    }

    async fn run_again_and_again(&self, wakes: &mut WakeReceiver) {
        loop {
            self.parts.standing.may_decide().await;
            let Settings { instance_id, take_over, .. } = &self.settings;
            match support::support(&self.parts.client, instance_id, *take_over).await {
                Support::Absent => self.note("the cluster does not serve WebRequestCommitStatuses", false),
                Support::Refused(why) => self.note(&why, true),
                Support::Served { unlabelled } => {
                    self.note(unlabelled.as_ref().err().map_or("", String::as_str), true);
                    self.handle(unlabelled.unwrap_or(false), wakes).await;
                }
            }
            tokio::time::sleep(SUPPORT_PAUSE).await;
        }
    }

    /// Says once what keeps gates from being handled.
    fn note(&self, obstacle: &str, warn: bool) {
        let mut known = lock(&self.obstacle);
        if *known != obstacle {
            match warn {
                true if !obstacle.is_empty() => tracing::error!("gates: {obstacle}"),
                _ => tracing::info!("gates: {}", if obstacle.is_empty() { "handled" } else { obstacle }),
            }
            obstacle.clone_into(&mut known);
        }
    }

    async fn handle(&self, unlabelled: bool, wakes: &mut WakeReceiver) {
        let partition = Partition { instance_id: self.settings.instance_id.clone(), unlabelled };
        let looker = Arc::new(self.looker(partition.clone()));
        let Parts { client, metrics, .. } = &self.parts;
        let (mut changes, _watches) = watch::start(client, partition, metrics, &looker.recent);
        let Settings { namespace, grants, concurrency, .. } = &self.settings;
        let reach = application::Reach { namespace: namespace.clone(), grants: grants.clone() };
        let applications = application::run(Arc::clone(&looker), reach);
        let mut running = run::Running::new(looker, *concurrency, wakes);
        tokio::select! {
            () = running.run(&mut changes) => {}
            () = applications => {}
        }
    }

    fn looker(&self, partition: Partition) -> Looker {
        let Parts { client, store, asker, standing, metrics, tracer } = &self.parts;
        let index = Arc::<Mutex<Index>>::default();
        *lock(&self.index) = Arc::clone(&index);
        Looker {
            client: client.clone(),
            engine: Engine::new(Limits::default(), self.settings.integers),
            asking: asking::Asking::new(Arc::clone(asker), Arc::clone(store), Arc::clone(metrics)),
            writer: commit_status::Writer::new(client.clone(), Arc::clone(&index)),
            told: told::Told::start(client.clone(), self.settings.links.clone()),
            index,
            recent: Arc::default(),
            memories: memories::Memories::new(Arc::clone(store)),
            namespaces: namespaces::Namespaces::new(client.clone()),
            views: Arc::clone(&self.views),
            application_views: Arc::clone(&self.application_views),
            children_listed: tokio::sync::SetOnce::new(),
            partition,
            standing: standing.clone(),
            metrics: Arc::clone(metrics),
            tracer: tracer.clone(),
            kept: Mutex::default(),
        }
    }

    /// What happened to gates, for those who watch.
    pub fn changes(&self) -> impl Iterator<Item = &Changes> {
        [self.views.changes(), self.application_views.changes()].into_iter()
    }

    /// Every gate in short, and what keeps gates from being handled.
    #[must_use]
    pub fn list(&self) -> Json {
        let obstacle = Some(lock(&self.obstacle).clone()).filter(|obstacle| !obstacle.is_empty());
        let obstacles: Vec<String> = obstacle.into_iter().chain(self.application_views.obstacles()).collect();
        serde_json::json!({"items": self.views.list(), "obstacle": obstacles.join("; ")})
    }

    /// Every ApplicationGate and ArgoCDCommitStatus in short.
    #[must_use]
    pub fn list_applications(&self) -> Vec<Json> {
        self.application_views.list()
    }

    /// One ApplicationGate or ArgoCDCommitStatus, or the first of the two: phases and why, the Applications that they were judged by.
    /// `None` where there is none.
    #[must_use]
    pub fn show_application(&self, kind: Option<&str>, namespace: &str, name: &str) -> Option<Json> {
        let name = Name { namespace: namespace.to_owned(), name: name.to_owned() };
        let wanted = KINDS.into_iter().filter(|dialect| kind.is_none_or(|kind| dialect.kind == kind));
        let mut found = wanted.filter_map(|dialect| self.application_views.show(&Id { dialect, name: name.clone() }));
        let (uid, mut view) = found.next()?;
        view["commitStatuses"] = self.commit_statuses(&uid);
        Some(view)
    }

    /// The CommitStatuses of a gate, as they are in the cluster.
    fn commit_statuses(&self, uid: &str) -> Json {
        let index = Arc::clone(&lock(&self.index));
        let children = lock(&index).children_of(uid);
        let shown = children.into_iter().map(|(name, child)| {
            let ready = child.ready.unwrap_or_default();
            serde_json::json!({
                "namespace": name.namespace, "name": name.name, "key": child.key, "sha": child.sha,
                "ready": ready.status, "reason": ready.reason, "message": ready.message,
            })
        });
        shown.collect()
    }

    /// One gate: phases and why, steps of the last look, answers clipped and without the values of its Secret. `None` where there is none.
    pub async fn show(&self, namespace: &str, name: &str) -> Option<Json> {
        let name = Name { namespace: namespace.to_owned(), name: name.to_owned() };
        let scrubber = match self.views.secret(&name)? {
            None => Ok(Scrubber::default()),
            Some(secret) => self.scrubber(&name.namespace, &secret).await,
        };
        let scrub = |text: &str| match &scrubber {
            Ok(scrubber) => scrubber.scrub(text),
            Err(()) => "(not shown: the credentials that it may repeat are not known)".to_owned(),
        };
        let mut view = self.views.show(&name, &scrub)?;
        view["commitStatuses"] = self.commit_statuses(&self.views.uid(&name)?);
        Some(view)
    }

    /// A scrubber for a Secret's values; nothing is shown where they cannot be read.
    async fn scrubber(&self, namespace: &str, secret: &str) -> Result<Scrubber, ()> {
        if secret.is_empty() {
            return Err(());
        }
        let found = ask::Cluster::new(self.parts.client.clone()).secret(namespace, secret).await;
        let data = found.ok().flatten().ok_or(())?;
        Ok(Scrubber::new(data.values().map(Vec::as_slice)))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is kept is whole at each step, so a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
