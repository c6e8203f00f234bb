//! The way to a Gatepost in a cluster: its API listens on loopback in its pod, so `kubectl port-forward` is asked to carry it here.
//!
//! kubectl brings its own credentials, plugins and proxies; nothing of that is repeated here. It ends with the command.

use anyhow::{Context as _, bail};
use secrecy::SecretString;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// How long kubectl may take until it forwards.
const PATIENCE: Duration = Duration::from_secs(20);
/// Port of the API in the pod.
const PORT: &str = "8080";

/// Which Gatepost.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Target {
    /// kubeconfig file of the cluster in which Gatepost runs: kubectl forwards a port to it.
    #[arg(long, value_name = "FILE", global = true)]
    kubeconfig: Option<String>,
    /// Context of the kubeconfig.
    #[arg(long, global = true)]
    context: Option<String>,
    /// Namespace of Gatepost; the context's without it.
    #[arg(short, long, global = true)]
    namespace: Option<String>,
    /// What kubectl forwards a port to: a pod, or `deployment/NAME`.
    #[arg(long, env = "GATEPOST_TARGET", default_value = "deployment/gatepost", global = true)]
    target: String,
}

/// A forwarded port; the end of it ends the forwarding.
#[derive(Debug)]
pub(super) struct Forward {
    _kubectl: Child,
    /// `http://127.0.0.1:PORT`
    pub url: String,
}

impl Target {
    /// Whether a cluster is named.
    pub(super) fn is_named(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some() || self.namespace.is_some()
    }

    fn arguments(&self) -> Vec<String> {
        self.command(&["port-forward", "--address", "127.0.0.1"], &[&format!(":{PORT}")])
    }

    /// What is to be done, where, with what.
    fn command(&self, what: &[&str], with: &[&str]) -> Vec<String> {
        let named =
            [("--kubeconfig", &self.kubeconfig), ("--context", &self.context), ("--namespace", &self.namespace)];
        let named = named.into_iter().filter_map(|(flag, value)| Some([flag.to_owned(), value.clone()?]));
        let mut all: Vec<String> = what.iter().map(|word| (*word).to_owned()).collect();
        all.extend(named.flatten());
        all.push(self.target.clone());
        all.extend(with.iter().map(|word| (*word).to_owned()));
        all
    }

    /// Has kubectl ask the Gatepost in the pod for the token that it made for its own machine.
    pub(super) async fn token(&self) -> anyhow::Result<SecretString> {
        let arguments = self.command(&["exec"], &["--", "/gatepost", "token", "--port", PORT]);
        let shown = format!("kubectl {}", arguments.join(" "));
        let mut command = Command::new("kubectl");
        command.args(&arguments).stdin(Stdio::null()).kill_on_drop(true);
        let run = tokio::time::timeout(PATIENCE, command.output()).await;
        let done = run.with_context(|| format!("`{shown}` said nothing for {} s", PATIENCE.as_secs()))?;
        let done = done.with_context(|| format!("failed to start `{shown}`"))?;
        let token = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        if !done.status.success() || token.is_empty() {
            bail!(
                "this Gatepost asks for a login, and `{shown}` gave no token: {}; name one with --token-file (kubectl create token NAME --audience gatepost)",
                String::from_utf8_lossy(&done.stderr).trim()
            );
        }
        Ok(SecretString::from(token))
    }

    /// Has kubectl forward a port of this machine.
    pub(super) async fn forward(&self) -> anyhow::Result<Forward> {
        let arguments = self.arguments();
        let shown = format!("kubectl {}", arguments.join(" "));
        let mut command = Command::new("kubectl");
        command.args(&arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut kubectl = command.spawn().with_context(|| {
            format!("failed to start `{shown}`; install kubectl, or name a Gatepost that can be reached with --server")
        })?;
        let out = kubectl.stdout.take().context("kubectl has no output")?;
        let mut lines = BufReader::new(out).lines();
        let first = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let first = first.with_context(|| format!("`{shown}` said nothing for {} s", PATIENCE.as_secs()))?;
        if let Some(port) = first?.as_deref().and_then(forwarded_port) {
            // Read on, so that kubectl is never kept waiting by a full pipe.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(Forward { _kubectl: kubectl, url: format!("http://127.0.0.1:{port}") });
        }
        let mut said = String::new();
        if let Some(mut err) = kubectl.stderr.take() {
            err.read_to_string(&mut said).await?;
        }
        bail!(
            "`{shown}` did not forward a port: {}; name the namespace with --namespace, or what runs Gatepost with --target",
            said.trim()
        )
    }
}

/// The port in `Forwarding from 127.0.0.1:45123 -> 8080`.
fn forwarded_port(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("Forwarding from 127.0.0.1:")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectl_is_given_what_was_named() {
        let named = |text: &str| Some(text.to_owned());
        let target =
            Target { kubeconfig: named("k"), context: None, namespace: named("argocd"), target: "pod/x".into() };
        let expected = "port-forward --address 127.0.0.1 --kubeconfig k --namespace argocd pod/x :8080";
        assert_eq!(target.arguments().join(" "), expected);
        assert!(target.is_named());
        assert_eq!(forwarded_port("Forwarding from 127.0.0.1:45123 -> 8080"), Some(45123));
        assert_eq!(forwarded_port("error: no pod"), None);
    }
}
