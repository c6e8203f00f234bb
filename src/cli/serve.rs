//! `gatepost serve`: puts the rooms together and runs them until it is told to stop.

use super::approvals::serving as approvals;
use super::repo_server::{self, RepoServerFlags};
use super::traces::{self, Tracing};
use super::{gates, hidden, own, rights, rounds};
use crate::controller::approval::AskingObserver;
use crate::controller::{
    ClusterReports, CommitReports, KubernetesReporter, LogReporter, NoAnnotations, ObjectReader, Outgoing, Projector,
    Relay, RelayOptions, Reporter, SpanObserver,
};
use crate::coordination::{Guard, Status, lease_name};
use crate::egress::{Egress, Policy, Rule};
use crate::notify::LoadOptions;
use crate::notify::json::JsonMode;
use crate::outbox::{self, Dispatcher, Sender, Settings as DispatchSettings, Store};
use crate::service::Context as ServiceContext;
use crate::settings::{Delivery, Json, ProjectNamespace, Settings};
use crate::source::repo_server::Keyring;
use crate::source::{self, Event, Namespaces, files::Files, kubernetes::Kubernetes};
use crate::telemetry::{LogFormat, Metrics, start_logging};
use crate::trace::Tracer;
use crate::{egress, server};
use actix_web::dev::Server;
use anyhow::Context as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Events that wait between the source and the relay: each holds a whole object.
const EVENTS: usize = 16;
/// How long a stop waits for the Lease to be given back.
const GIVE_BACK_PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gatepost serve --namespace argocd\n  gatepost serve --files ./manifests --config gatepost.toml"
)]
pub(super) struct Arguments {
    /// Settings file (TOML or YAML); config/gatepost.toml documents every key.
    #[arg(long, value_name = "FILE", env = "GATEPOST_CONFIG")]
    config: Option<PathBuf>,
    /// Folder of manifests to read instead of a cluster.
    #[arg(long, value_name = "FOLDER")]
    files: Option<PathBuf>,
    /// kubeconfig file; without it the one of the environment or of the pod.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig.
    #[arg(long)]
    context: Option<String>,
    /// Namespace of ConfigMap, Secret and AppProjects.
    #[arg(short, long)]
    namespace: Option<String>,
    /// Name of the ConfigMap.
    #[arg(long, default_value = "argocd-notifications-cm")]
    config_map_name: String,
    /// Name of the Secret.
    #[arg(long, default_value = "argocd-notifications-secret")]
    secret_name: String,
    /// Name of the Argo CD operator's NotificationsConfiguration that is read beside the ConfigMap, where its CRD is.
    #[arg(long, default_value = "default-notifications-configuration")]
    notifications_configuration_name: String,
    /// Namespaces besides --namespace whose Applications are served: globs or /regular expressions/, separated by commas.
    #[arg(long, env = "ARGOCD_APPLICATION_NAMESPACES", default_value = "")]
    application_namespaces: String,
    /// Label selector for Applications.
    #[arg(long, default_value = "")]
    app_label_selector: String,
    /// Log level: debug, info, warn, error, or one a target (`gatepost=debug,kube=warn`).
    #[arg(long, env = "ARGOCD_NOTIFICATIONS_CONTROLLER_LOGLEVEL", default_value = "info")]
    loglevel: String,
    /// Log format: json or text.
    #[arg(long, env = "ARGOCD_NOTIFICATIONS_CONTROLLER_LOGFORMAT", default_value = "json")]
    logformat: String,
    /// Port of metrics and health; overrides server.metrics.
    #[arg(long)]
    metrics_port: Option<u16>,
    /// Taken for compatibility; Gatepost looks at Applications side by side anyway.
    #[arg(long, env = "ARGOCD_NOTIFICATION_CONTROLLER_PROCESSORS_COUNT", default_value_t = 1)]
    processors_count: u32,
    /// Serve the configuration of each of --application-namespaces beside the controller's own.
    #[arg(long, env = "ARGOCD_NOTIFICATION_CONTROLLER_SELF_SERVICE_NOTIFICATION_ENABLED", num_args = 0..=1, default_value = "false", default_missing_value = "true")]
    self_service_notification_enabled: String,
    #[command(flatten)]
    repo_server: RepoServerFlags,
}

/// Where Applications come from.
pub(super) enum Origin {
    /// A folder of manifests.
    Files(PathBuf),
    /// An API server.
    Cluster(Box<kube::Client>, source::kubernetes::Settings),
}

/// Everything that is needed to run.
pub(super) struct Plan {
    pub settings: Settings,
    pub namespace: String,
    pub config_map: String,
    pub secret: String,
    /// Name of the operator's resource.
    pub resource: String,
    /// Whether each namespace has a configuration of its own.
    pub self_service: bool,
    /// Host and port of the API server.
    pub api_server: Option<(String, u16)>,
    pub origin: Origin,
    pub repo_server: Option<source::repo_server::Settings>,
    pub metrics: Option<TcpListener>,
    pub api: TcpListener,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let format = if arguments.logformat == "text" { LogFormat::Text } else { LogFormat::Json };
    start_logging(&arguments.loglevel, format);
    let mut settings = Settings::load(arguments.config.as_deref())?;
    if let Some(port) = arguments.metrics_port {
        settings.server.metrics.set_port(port);
    }
    let plan = plan(arguments, settings).await?;
    let stop = CancellationToken::new();
    stop_on_signals(stop.clone())?;
    let in_order = start(plan, stop).await?.wait().await;
    tracing::info!("stopped");
    Ok(if in_order { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn plan(arguments: Arguments, settings: Settings) -> anyhow::Result<Plan> {
    let metrics = Some(listen(settings.server.metrics)?);
    let api = listen(settings.server.api)?;
    let self_service = arguments.self_service_notification_enabled == "true";
    // The Go controller's default is a name in the cluster; a folder has no such neighbour.
    let default = if arguments.files.is_some() { "" } else { repo_server::DEFAULT };
    let repo_server = arguments.repo_server.settings(default)?;
    let mut api_server = None;
    let (origin, namespace) = match arguments.files {
        Some(folder) => (Origin::Files(folder), arguments.namespace.unwrap_or_else(|| "argocd".into())),
        None => {
            egress::install_provider();
            let config = kube_config(arguments.kubeconfig.as_deref(), arguments.context).await?;
            let namespace = arguments.namespace.unwrap_or_else(|| config.default_namespace.clone());
            api_server = host_and_port(&config);
            let client = kube::Client::try_from(config).context("failed to make a client for the API server")?;
            let namespaces =
                Namespaces::parse(&namespace, &arguments.application_namespaces).map_err(anyhow::Error::msg)?;
            let watched = source::kubernetes::Settings {
                namespaces,
                config_map: arguments.config_map_name.clone(),
                secret: arguments.secret_name.clone(),
                resource: arguments.notifications_configuration_name.clone(),
                selector: arguments.app_label_selector,
                self_service,
                projects_everywhere: settings.notify.project_namespace == ProjectNamespace::Application,
            };
            (Origin::Cluster(Box::new(client), watched), namespace)
        }
    };
    Ok(Plan {
        settings,
        namespace,
        config_map: arguments.config_map_name,
        secret: arguments.secret_name,
        resource: arguments.notifications_configuration_name,
        self_service,
        origin,
        api_server,
        repo_server,
        metrics,
        api,
    })
}

fn host_and_port(config: &kube::Config) -> Option<(String, u16)> {
    let url = &config.cluster_url;
    let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("http") { 80 } else { 443 });
    Some((url.host()?.trim_matches(['[', ']']).to_owned(), port))
}

/// The configuration of the cluster that the arguments or the environment name.
pub(super) async fn kube_config(file: Option<&Path>, context: Option<String>) -> anyhow::Result<kube::Config> {
    let options = kube::config::KubeConfigOptions { context, ..Default::default() };
    match file {
        Some(path) => {
            let read = kube::config::Kubeconfig::read_from(path)
                .with_context(|| format!("failed to read the kubeconfig {}", path.display()))?;
            kube::Config::from_custom_kubeconfig(read, &options).await.context("failed to use the kubeconfig")
        }
        None => kube::Config::infer()
            .await
            .context("no cluster found: name a --kubeconfig, run in a pod, or use --files FOLDER"),
    }
}

pub(super) fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("failed to listen on {address}; is another process there?"))
}

fn stop_on_signals(stop: CancellationToken) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("failed to wait for SIGTERM")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        tracing::info!("stopping: no new work is taken, what is in flight is finished");
        stop.cancel();
    });
    Ok(())
}

/// A running relay.
pub(super) struct Running {
    pub relay: Arc<Relay>,
    pub api: SocketAddr,
    dispatching: tokio::task::JoinHandle<()>,
    guarding: Option<tokio::task::JoinHandle<()>>,
    tracing: Tracing,
    stop: CancellationToken,
    broken: Arc<AtomicBool>,
}

impl Running {
    /// Waits for the stop, then for what is in flight, then closes the store.
    /// The answer: whether it was told to stop, and did not have to.
    pub(super) async fn wait(self) -> bool {
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

/// Starts everything.
pub(super) async fn start(plan: Plan, stop: CancellationToken) -> anyhow::Result<Running> {
    egress::install_provider();
    let metrics = Arc::new(Metrics::new().context("failed to set up the metrics")?);
    let store = outbox::open(&plan.settings.store).await?;
    let reporter: Arc<dyn Reporter> = match &plan.origin {
        Origin::Files(_) => Arc::new(LogReporter),
        Origin::Cluster(client, _) => Arc::new(KubernetesReporter::start(client.as_ref().clone())),
    };
    let owners = Arc::clone(&reporter);
    let tracing = traces::start(&plan.settings.tracing, &identity(store.install_id()), &metrics, &traces::environment)?;
    let (standing, guarding) = guard(&plan, store.install_id(), &stop);
    let door = Arc::new(Egress::new(guarded(&plan).await?));
    let (send, events) = mpsc::channel::<Event>(EVENTS);
    let cluster = match &plan.origin {
        Origin::Files(_) => None,
        Origin::Cluster(client, settings) => {
            Some(Kubernetes::new(client.as_ref().clone(), settings.clone(), send.clone(), Arc::clone(&metrics)))
        }
    };
    let reader = cluster.clone().map(|cluster| Arc::new(cluster) as Arc<dyn ObjectReader>);
    let options = RelayOptions {
        standing: standing.clone(),
        reader: reader.clone(),
        tracer: tracing.tracer.clone(),
        ..relay_options(&plan)?
    };
    let relay = Arc::new(Relay::new(Arc::clone(&store), options, Arc::clone(&metrics), reporter));
    relay.hide(hidden::secrets(&plan.settings));
    let masking = Arc::clone(&relay);
    crate::telemetry::mask_log_lines(move |line| masking.log_scrubber().scrub(line));
    let reports = match &plan.origin {
        Origin::Files(_) => None,
        Origin::Cluster(client, _) => {
            Some(Arc::new(ClusterReports::new(client.as_ref().clone())) as Arc<dyn CommitReports>)
        }
    };
    let sender = Outgoing::new(Arc::clone(&relay), Arc::clone(&door), reader).reporting(reports);
    let api = plan.api.local_addr().context("the API has no address")?;
    let mut state = server::State {
        relay: Arc::clone(&relay),
        cluster: cluster.clone(),
        folder: None,
        gates: None,
        limits: Arc::default(),
    };
    let mut approvals = None;
    let broken = Arc::new(AtomicBool::new(false));
    match (plan.origin, cluster.clone()) {
        (Origin::Cluster(client, watched), Some(cluster)) => {
            let shared = gates::Shared {
                client: client.as_ref().clone(),
                store: Arc::clone(&store),
                door: Arc::clone(&door),
                standing: standing.clone(),
                metrics: Arc::clone(&metrics),
                tracer: tracing.tracer.clone(),
            };
            state.gates = gates::start(&plan.settings, &plan.namespace, shared, &stop)?;
            if plan.settings.callbacks.are_served() {
                let parts = approvals::Parts {
                    settings: &plan.settings,
                    namespaces: &watched.namespaces,
                    client: client.as_ref(),
                    store: &store,
                    door: &door,
                    relay: &relay,
                    standing: &standing,
                    reporter: owners,
                };
                approvals = Some(approvals::start(parts, &stop)?);
            }
            let limits = Arc::clone(&state.limits);
            let lease = (plan.settings.coordination.lease > 0).then(|| lease_name(&plan.config_map));
            tokio::spawn(tell_limits(client.as_ref().clone(), plan.namespace, lease, limits));
            tokio::spawn(project(Projector::for_cluster(&relay, *client), stop.clone()));
            tokio::spawn(rounds::relist(cluster.clone(), Arc::clone(&relay), stop.clone()));
            tokio::spawn(watch_cluster(cluster, standing, stop.clone()));
        }
        (Origin::Files(folder), _) => {
            if plan.settings.callbacks.are_served() {
                tracing::warn!(
                    "callbacks.externalUrl is set, and approvals need a cluster: none are served on a folder"
                );
            }
            state.folder = Some(folder.clone());
            let settings = source::files::Settings {
                folder,
                namespace: plan.namespace,
                config_map: plan.config_map,
                secret: plan.secret,
                resource: plan.resource,
                self_service: plan.self_service,
            };
            tokio::spawn(project(
                Projector::new(Arc::clone(&store), Arc::new(NoAnnotations), metrics, Arc::clone(&relay.owed)),
                stop.clone(),
            ));
            let relisting = Arc::clone(&relay);
            tokio::spawn(watch_files(settings, send, relisting, stop.clone(), Arc::clone(&broken)));
        }
        (Origin::Cluster(..), None) => {}
    }
    serve_http(plan.metrics, plan.api, state, &stop)?;
    tokio::spawn(Arc::clone(&relay).run(events));
    tokio::spawn(rounds::prune(Arc::clone(&store), stop.clone()));
    tokio::spawn(rounds::refresh_asked(Arc::clone(&relay), cluster.clone(), stop.clone()));
    tokio::spawn(rounds::beat(Arc::clone(&relay), cluster, stop.clone()));
    let sender: Arc<dyn Sender> = match approvals {
        Some(approvals) => approvals.sender(Arc::new(sender)),
        None => Arc::new(sender),
    };
    let dispatching = dispatch(&relay, store, sender, &plan.settings.delivery, &stop);
    Ok(Running { relay, api, dispatching, guarding, tracing, stop, broken })
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
    let dispatcher = Arc::new(Dispatcher::new(store, sender, settings, observer));
    let (waking, waited, relay) = (Arc::clone(&dispatcher), Arc::clone(relay), Arc::clone(relay));
    tokio::spawn(async move {
        loop {
            relay.committed.notified().await;
            for (namespace, service) in relay.take_resumable() {
                waking.resume(&namespace, &service);
            }
            if relay.take_switched() {
                waking.switched();
            }
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
pub(super) fn service_context(settings: &Settings) -> ServiceContext {
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
        namespace: plan.namespace.clone(),
        config_map: plan.config_map.clone(),
        load: LoadOptions {
            costly: settings.templates.costly_functions,
            self_service: plan.self_service,
            ..super::load_options()
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
        Origin::Cluster(client, _) => Keyring::Cluster(client.as_ref().clone(), plan.namespace.clone()),
    }
}

/// Rules of the egress guard, from the setting of this name.
pub(super) fn rules(texts: &[String], key: &str) -> anyhow::Result<Vec<Rule>> {
    texts.iter().map(|text| Rule::parse(text).map_err(|error| anyhow::anyhow!("{key}: {error}"))).collect()
}

/// The egress guard's rules; loopback is allowed where there is no cluster.
pub(super) fn policy(settings: &Settings, loopback_allowed: bool) -> anyhow::Result<Policy> {
    let tenants = settings.egress.tenants.iter().map(|(name, tenant)| {
        let key = format!("egress.tenants.\"{name}\"");
        let glob = globset::Glob::new(name).with_context(|| format!("{key}: this is no glob of namespaces"))?;
        Ok(egress::Tenants { namespaces: glob.compile_matcher(), allow: rules(&tenant.allow, &key)? })
    });
    Ok(Policy {
        allow: rules(&settings.egress.allow, "egress.allow")?,
        deny: rules(&settings.egress.deny, "egress.deny")?,
        loopback_allowed,
        own: Vec::new(),
        own_names: Vec::new(),
        tenants: tenants.collect::<anyhow::Result<_>>()?,
        proxy_enforces: settings.egress.proxy.enforces,
        tenant: String::new(),
    })
}

/// The policy of a running Gatepost, which knows where it is itself.
async fn guarded(plan: &Plan) -> anyhow::Result<Policy> {
    let listeners = plan.metrics.iter().chain([&plan.api]).filter_map(|listener| listener.local_addr().ok());
    let listeners: Vec<_> = listeners.collect();
    let own = own::addresses(own::Own {
        api_server: plan.api_server.clone(),
        store: outbox::server(&plan.settings.store),
        listeners: &listeners,
    });
    let policy = policy(&plan.settings, matches!(plan.origin, Origin::Files(_)))?;
    // By name too: what it resolves to later is refused all the same.
    let own_names = plan.api_server.clone().into_iter().chain(outbox::server(&plan.settings.store)).collect();
    Ok(Policy { own: own.await, own_names, ..policy })
}

/// Asks what this process may not do and says it, once.
async fn tell_limits(
    client: kube::Client,
    namespace: String,
    lease: Option<String>,
    limits: Arc<OnceLock<Vec<String>>>,
) {
    let found = rights::limits(client, &namespace, lease.as_deref()).await;
    for limit in &found {
        tracing::warn!("{limit}");
    }
    drop(limits.set(found));
}

async fn project(projector: Projector, stop: CancellationToken) {
    projector.run(stop).await;
}

/// Tells processes apart: in a pod the host's name is the pod's.
fn identity(install_id: &str) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}_{install_id}", host.trim())
}

/// Starts the guard of the Lease; on a folder there is nobody to share with.
fn guard(plan: &Plan, install_id: &str, stop: &CancellationToken) -> (Status, Option<tokio::task::JoinHandle<()>>) {
    let seconds = plan.settings.coordination.lease;
    let Origin::Cluster(client, _) = &plan.origin else { return (Status::unguarded(), None) };
    if seconds == 0 {
        return (Status::unguarded(), None);
    }
    let identity = identity(install_id);
    let duration = Duration::from_secs(seconds);
    let (guard, status) = Guard::new(client.as_ref().clone(), &plan.namespace, &plan.config_map, identity, duration);
    (status, Some(tokio::spawn(guard.run(stop.clone()))))
}

async fn watch_cluster(cluster: Kubernetes, standing: Status, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        end = async { standing.may_decide().await; cluster.run().await } => if let Err(error) = end { tracing::info!(error = %error, "the watches ended") },
    }
}

/// A folder that cannot be read at all ends the process: nothing could ever be sent.
async fn watch_files(
    settings: source::files::Settings,
    send: mpsc::Sender<Event>,
    relay: Arc<Relay>,
    stop: CancellationToken,
    broken: Arc<AtomicBool>,
) {
    let files = Files::new(settings, send, Arc::clone(&relay.relist));
    tokio::select! {
        () = stop.cancelled() => {}
        end = files.run() => {
            if let Err(error) = end { tracing::error!(error = %error, "the source ended") }
            broken.store(true, Ordering::Release);
            stop.cancel();
        }
    }
}
