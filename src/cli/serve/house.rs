//! Puts the rooms together and runs them.

use super::approvals::Serving;
use super::cluster::{self, Cluster, Opened};
use super::traces::{self, Tracing};
use super::{Names, Origin, Plan, folder, hidden, people, policy, rounds};
use crate::cli::repo_server;
use crate::controller::approval::AskingObserver;
use crate::controller::identity::{Issuers, KubernetesCluster, People};
use crate::controller::{Links, LogReporter, Outgoing, Relay, RelayOptions, Reporter, SpanObserver};
use crate::coordination::Status;
use crate::egress::{self, Egress};
use crate::notify::LoadOptions;
use crate::notify::json::JsonMode;
use crate::outbox::{self, Dispatcher, Sender, Settings as DispatchSettings, Store};
use crate::server;
use crate::service::Context as ServiceContext;
use crate::settings::{Delivery, Json, Settings};
use crate::source::Event;
use crate::source::kubernetes::Kubernetes;
use crate::source::repo_server::Keyring;
use crate::telemetry::Metrics;
use crate::trace::Tracer;
use actix_web::dev::Server;
use anyhow::Context as _;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Events that wait between the source and the relay: each holds a whole object.
const EVENTS: usize = 16;
/// How long a stop waits for the Lease to be given back.
const GIVE_BACK_PATIENCE: Duration = Duration::from_secs(3);

/// A running relay.
pub(in crate::cli) struct Running {
    pub(in crate::cli) relay: Arc<Relay>,
    pub(in crate::cli) api: SocketAddr,
    dispatching: tokio::task::JoinHandle<()>,
    guarding: Option<tokio::task::JoinHandle<()>>,
    tracing: Tracing,
    stop: CancellationToken,
    broken: Arc<AtomicBool>,
    /// Its file goes when this does.
    _local: Option<server::auth::LocalToken>,
}

impl Running {
    /// Waits for the stop, then for what is in flight, then closes the store.
    /// The answer: whether it was told to stop, and did not have to.
    pub(in crate::cli) async fn wait(self) -> bool {
        self.stop.cancelled().await;
        let finished = self.dispatching.await.is_ok();
        if !finished {
            tracing::error!("the dispatcher ended badly");
        }
        if let Some(guarding) = self.guarding {
            // Only for as long as an API server that is there needs: the Lease ends by itself too.
            drop(tokio::time::timeout(GIVE_BACK_PATIENCE, guarding).await);
        }
        self.relay.store().close().await;
        self.tracing.end().await;
        finished && !self.broken.load(Ordering::Acquire)
    }
}

/// What every part is given.
pub(super) struct House {
    pub(super) settings: Settings,
    pub(super) names: Names,
    pub(super) self_service: bool,
    pub(super) relay: Arc<Relay>,
    pub(super) store: Arc<dyn Store>,
    pub(super) door: Arc<Egress>,
    pub(super) reporter: Arc<dyn Reporter>,
    pub(super) standing: Status,
    /// The task that keeps the Lease.
    guarding: Option<tokio::task::JoinHandle<()>>,
    tracing: Tracing,
    pub(super) issuers: Arc<Issuers>,
    /// People of the issuer, where one is set up.
    pub(super) people: Option<Arc<People>>,
    pub(super) stop: CancellationToken,
    /// Set by a part without which nothing can go on.
    pub(super) broken: Arc<AtomicBool>,
}

/// Where Applications come from, and what reads them there.
enum Place {
    Folder(PathBuf),
    Cluster(Box<Cluster>),
}

impl Place {
    fn new(origin: &Origin, send: &mpsc::Sender<Event>, metrics: &Arc<Metrics>) -> Self {
        match origin {
            Origin::Files(folder) => Self::Folder(folder.clone()),
            Origin::Cluster(client, watched) => Self::Cluster(Box::new(Cluster {
                client: client.as_ref().clone(),
                watched: watched.clone(),
                source: Kubernetes::new(client.as_ref().clone(), watched.clone(), send.clone(), Arc::clone(metrics)),
                reviews: Arc::new(KubernetesCluster::new(client.as_ref().clone())),
            })),
        }
    }

    fn cluster(&self) -> Option<&Cluster> {
        match self {
            Self::Folder(_) => None,
            Self::Cluster(cluster) => Some(cluster),
        }
    }

    fn folder(&self) -> Option<PathBuf> {
        match self {
            Self::Folder(folder) => Some(folder.clone()),
            Self::Cluster(_) => None,
        }
    }
}

impl House {
    /// Opens the store and the door, and asks for the Lease.
    async fn build(
        plan: &Plan,
        place: &Place,
        metrics: &Arc<Metrics>,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let (settings, names, cluster) = (plan.settings.clone(), plan.names.clone(), place.cluster());
        let store = outbox::open(&settings.store).await?;
        let door = Arc::new(Egress::new(policy::guarded(plan).await?));
        let (standing, guarding) = match cluster {
            Some(cluster) => cluster::guard(plan, &cluster.client, store.install_id(), &stop),
            None => (Status::unguarded(), None),
        };
        let reporter = cluster.map_or_else(|| Arc::new(LogReporter) as Arc<dyn Reporter>, Cluster::reporter);
        let instance = identity(store.install_id());
        let tracing = traces::start(&settings.tracing, &instance, metrics, &traces::environment)?;
        let around = Around { standing: standing.clone(), tracer: tracing.tracer.clone() };
        let relay = relay(plan, cluster, &store, around, metrics, &reporter)?;
        let issuers = Arc::new(Issuers::new(Arc::clone(&door), names.namespace.clone()));
        let people = people::people(&settings.auth, &issuers, &names.namespace)?;
        let self_service = plan.self_service;
        let broken = Arc::default();
        Ok(Self {
            settings,
            names,
            self_service,
            relay,
            store,
            door,
            reporter,
            standing,
            guarding,
            tracing,
            issuers,
            people,
            stop,
            broken,
        })
    }

    /// What makes an attempt of a delivery.
    fn outgoing(&self, cluster: Option<&Cluster>) -> Outgoing {
        let outgoing = Outgoing::new(Arc::clone(&self.relay), Arc::clone(&self.door), cluster.map(Cluster::reader));
        outgoing.reporting(cluster.map(Cluster::reports))
    }

    /// Who may use API and dashboard.
    fn auth(
        &self,
        api: SocketAddr,
        cluster: Option<&Cluster>,
    ) -> anyhow::Result<(server::auth::Auth, Option<server::auth::LocalToken>)> {
        people::auth(people::House {
            settings: &self.settings,
            namespace: &self.names.namespace,
            api,
            cluster: cluster.map(|cluster| Arc::clone(&cluster.reviews)),
            people: self.people.clone(),
        })
    }
}

/// Starts everything.
pub(in crate::cli) async fn start(plan: Plan, stop: CancellationToken) -> anyhow::Result<Running> {
    egress::install_provider();
    let metrics = Arc::new(Metrics::new().context("failed to set up the metrics")?);
    let (send, events) = mpsc::channel::<Event>(EVENTS);
    let place = Place::new(&plan.origin, &send, &metrics);
    let house = House::build(&plan, &place, &metrics, stop).await?;
    let (cluster, source) = (place.cluster(), place.cluster().map(|cluster| cluster.source.clone()));
    let api = plan.api.local_addr().context("the API has no address")?;
    let (auth, local) = house.auth(api, cluster)?;
    let outgoing = house.outgoing(cluster);
    let opened = match &place {
        Place::Cluster(cluster) => cluster::open(&house, cluster)?,
        Place::Folder(folder) => {
            folder::open(&house, folder.clone(), send);
            Opened::default()
        }
    };
    let state = server::State {
        relay: Arc::clone(&house.relay),
        cluster: source.clone(),
        folder: place.folder(),
        gates: opened.gates,
        watchers: Arc::new(server::Watchers::new(house.stop.clone())),
        limits: opened.limits,
        auth: Arc::new(auth),
        desk: opened.approvals.as_ref().map(Serving::desk),
    };
    serve_http(plan.metrics, plan.api, state, &house.stop)?;
    tokio::spawn(Arc::clone(&house.relay).run(events));
    keep_house(&house, source);
    let sender: Arc<dyn Sender> = match opened.approvals {
        Some(approvals) => approvals.sender(Arc::new(outgoing)),
        None => Arc::new(outgoing),
    };
    let dispatching = dispatch(&house.relay, house.store, sender, &house.settings.delivery, &house.stop);
    let House { relay, guarding, tracing, stop, broken, .. } = house;
    Ok(Running { relay, api, dispatching, guarding, tracing, stop, broken, _local: local })
}

/// Tells processes apart: in a pod the host's name is the pod's.
pub(super) fn identity(install_id: &str) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}_{install_id}", host.trim())
}

/// What a relay is told from the start and knows nothing else of.
struct Around {
    standing: Status,
    tracer: Tracer,
}

/// The relay; from now on what the settings hold of secrets is masked, in the log too.
fn relay(
    plan: &Plan,
    cluster: Option<&Cluster>,
    store: &Arc<dyn Store>,
    Around { standing, tracer }: Around,
    metrics: &Arc<Metrics>,
    reporter: &Arc<dyn Reporter>,
) -> anyhow::Result<Arc<Relay>> {
    let reader = cluster.map(Cluster::reader);
    let options = RelayOptions { standing, reader, tracer, ..relay_options(plan)? };
    let relay = Arc::new(Relay::new(Arc::clone(store), options, Arc::clone(metrics), Arc::clone(reporter)));
    relay.hide(hidden::secrets(&plan.settings));
    relay.link(Links::below(&plan.settings.server.external_url));
    let masking = Arc::clone(&relay);
    crate::telemetry::mask_log_lines(move |line| masking.log_scrubber().scrub(line));
    Ok(relay)
}

/// What is done again and again.
fn keep_house(house: &House, cluster: Option<Kubernetes>) {
    let (relay, stop) = (&house.relay, &house.stop);
    tokio::spawn(rounds::prune(Arc::clone(&house.store), stop.clone()));
    tokio::spawn(rounds::sample(Arc::clone(relay), stop.clone()));
    tokio::spawn(rounds::refresh_asked(Arc::clone(relay), cluster.clone(), stop.clone()));
    tokio::spawn(rounds::beat(Arc::clone(relay), cluster, stop.clone()));
}

fn dispatch(
    relay: &Arc<Relay>,
    store: Arc<dyn Store>,
    sender: Arc<dyn Sender>,
    delivery: &Delivery,
    stop: &CancellationToken,
) -> tokio::task::JoinHandle<()> {
    let settings = DispatchSettings {
        attempt_limit: Duration::from_secs(delivery.attempt_limit),
        grace: Duration::from_secs(delivery.grace),
        ..DispatchSettings::default()
    };
    let observer = AskingObserver::new(Arc::clone(relay) as _, Arc::clone(relay.metrics()));
    let observer = SpanObserver::before(Arc::new(observer), relay.tracer());
    let wake = Arc::clone(&relay.committed);
    let dispatcher = Arc::new(Dispatcher::woken_by(wake, store, sender, settings, observer));
    let (waking, waited, relay) = (Arc::clone(&dispatcher), Arc::clone(relay), Arc::clone(relay));
    tokio::spawn(async move {
        loop {
            relay.steered.notified().await;
            for (namespace, service) in relay.take_resumable() {
                waking.resume(&namespace, &service);
            }
            if relay.take_switched() {
                waking.switched();
            }
            // What a changed configuration released may be there later than its service was resumed.
            waking.wake();
        }
    });
    let stop = stop.clone();
    tokio::spawn(async move {
        // What is claimed earlier could only be put back for a while; a process that stands by would keep it from the one that decides.
        tokio::select! {
            () = stop.cancelled() => {}
            () = waited.configured.notified() => dispatcher.run(stop).await,
        }
    })
}

fn serve_http(
    metrics: Option<TcpListener>,
    api: TcpListener,
    state: server::State,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut servers = vec![server::api(api, state.clone()).context("failed to start the API")?];
    if let Some(listener) = metrics {
        servers.push(server::metrics(listener, state).context("failed to start metrics and health")?);
    }
    for running in servers {
        run_server(running, stop);
    }
    Ok(())
}

/// Runs a server until the process stops.
pub(super) fn run_server(server: Server, stop: &CancellationToken) {
    let (handle, stop) = (server.handle(), stop.clone());
    tokio::spawn(server);
    tokio::spawn(async move {
        stop.cancelled().await;
        handle.stop(true).await;
    });
}

/// What services need besides a notification.
pub(in crate::cli) fn service_context(settings: &Settings) -> ServiceContext {
    let json = match settings.delivery.json {
        Json::Repair => JsonMode::Repair,
        Json::Off => JsonMode::Off,
        Json::Strict => JsonMode::Strict,
    };
    ServiceContext { json, cluster: settings.backstage.cluster.clone() }
}

fn relay_options(plan: &Plan) -> anyhow::Result<RelayOptions> {
    let settings = &plan.settings;
    Ok(RelayOptions {
        namespace: plan.names.namespace.clone(),
        config_map: plan.names.config_map.clone(),
        load: LoadOptions {
            costly: settings.templates.costly_functions,
            self_service: plan.self_service,
            ..crate::cli::load_options()
        },
        service: service_context(settings),
        give_up_after: Duration::from_secs(settings.delivery.give_up_after),
        replay_per_second: settings.delivery.replay_per_second,
        repo_server: Arc::new(repo_server::client(plan.repo_server.clone(), keyring(plan))?),
        standing: Status::unguarded(),
        reader: None,
        annotation_lost: settings.notify.annotation_lost,
        project_namespace: settings.notify.project_namespace,
        tracer: Tracer::default(),
    })
}

/// Where Argo CD keeps the credentials of repositories.
fn keyring(plan: &Plan) -> Keyring {
    match &plan.origin {
        Origin::Files(folder) => Keyring::Folder(folder.clone()),
        Origin::Cluster(client, _) => Keyring::Cluster(client.as_ref().clone(), plan.names.namespace.clone()),
    }
}
