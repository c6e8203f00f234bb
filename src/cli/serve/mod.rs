//! `gatepost serve`: what runs, from arguments and settings; [`house`] puts it together and runs it until it is told to stop.

mod approvals;
mod cluster;
mod folder;
mod gates;
mod hidden;
mod house;
mod own;
mod people;
mod policy;
mod rights;
mod rounds;
mod traces;

pub(super) use house::{Running, service_context, start};
pub(super) use policy::policy;

use super::repo_server::{self, RepoServerFlags};
use crate::egress;
use crate::settings::{ProjectNamespace, Settings};
use crate::source::{self, Namespaces};
use crate::telemetry::{LogFormat, start_logging};
use anyhow::Context as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

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

/// Namespace and names of the objects that configure notifications.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub namespace: String,
    pub config_map: String,
    pub secret: String,
    /// Name of the operator's resource.
    pub resource: String,
}

/// Everything that is needed to run.
pub(super) struct Plan {
    pub settings: Settings,
    pub names: Names,
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
    // Said before anything else is tried: where it is refused, nobody shall have listened there.
    people::stance(&settings, arguments.files.is_none(), settings.server.api)?;
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
            let client = source::client::client(config).context("failed to make a client for the API server")?;
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
        names: Names {
            namespace,
            config_map: arguments.config_map_name,
            secret: arguments.secret_name,
            resource: arguments.notifications_configuration_name,
        },
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
