//! `gatepost migrate`: what changes when Gatepost takes the Argo CD controller's place, and the way out of the operator's care.

pub(super) mod installation;
mod openshift;
mod report;

use super::output::Format;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say, entry by entry, what behaves differently and which hosts egress would refuse. Changes nothing.
    #[command(
        after_help = "Exit code 0: nothing needs a hand before the change; 1: something does.\n\nExamples:\n  gatepost migrate report --namespace argocd\n  gatepost migrate report cm.yaml secret.yaml -o json"
    )]
    Report {
        /// Manifests instead of a running installation; `-` for standard input.
        files: Vec<String>,
        #[command(flatten)]
        cluster: Cluster,
        /// Settings file of Gatepost, for its egress lists.
        #[arg(long, value_name = "FILE", env = "GATEPOST_CONFIG")]
        config: Option<PathBuf>,
        /// How the answer is printed.
        #[arg(short, long, value_enum, default_value = "table")]
        output: Format,
    },
    /// Copy the operator's configuration and Secret to names of Gatepost's own, so that they stay when the operator's
    /// notifications are switched off.
    #[command(
        after_help = "The way back: set spec.notifications.enabled: true in the ArgoCD resource, stop Gatepost, and delete the two copies.\n\nExamples:\n  gatepost migrate openshift --namespace argocd --dry-run\n  gatepost migrate openshift --namespace argocd"
    )]
    Openshift {
        #[command(flatten)]
        cluster: Cluster,
        /// Name of the ConfigMap that is made.
        #[arg(long, default_value = "gatepost-notifications-cm")]
        config_map: String,
        /// Name of the Secret that is made.
        #[arg(long, default_value = "gatepost-notifications-secret")]
        secret: String,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Where the installation is.
#[derive(Debug, Args)]
pub(super) struct Cluster {
    /// kubeconfig file; without it the one of the environment.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig.
    #[arg(long)]
    pub context: Option<String>,
    /// Namespace of the Argo CD installation.
    #[arg(short, long, default_value = "argocd")]
    pub namespace: String,
    /// Name of the ConfigMap.
    #[arg(long, default_value = "argocd-notifications-cm")]
    pub config_map_name: String,
    /// Name of the Secret.
    #[arg(long, default_value = "argocd-notifications-secret")]
    pub secret_name: String,
    /// Name of the operator's NotificationsConfiguration.
    #[arg(long, default_value = "default-notifications-configuration")]
    pub notifications_configuration_name: String,
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Report { files, cluster, config, output } => {
            let found = installation::find(&files, &cluster).await?;
            report::run(&found, config.as_deref(), output).await
        }
        Command::Openshift { cluster, config_map, secret, dry_run } => {
            openshift::run(&cluster, &config_map, &secret, dry_run).await
        }
    }
}
