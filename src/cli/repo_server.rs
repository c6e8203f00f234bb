//! The flags that name Argo CD's repo-server, with the names and variables of the Argo CD controller.

use crate::source::repo_server::{Error, Keyring, RepoServer, Settings, Tls};
use anyhow::bail;
use clap::builder::BoolishValueParser;
use std::path::PathBuf;

/// Where Argo CD's own manifests have it.
pub(super) const DEFAULT: &str = "argocd-repo-server:8081";
/// Folder of Argo CD's configuration, where `ARGOCD_APP_CONF_PATH` names no other.
const CONFIG: &str = "/app/config";
const PREFIX: &str = "Argo CD's repo-server";

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = PREFIX)]
pub(super) struct RepoServerFlags {
    /// Address of Argo CD's repo-server, which `repo.GetCommitMetadata` and `repo.GetAppDetails` ask; empty for none.
    /// In a cluster the default is argocd-repo-server:8081.
    #[arg(long, value_name = "HOST:PORT")]
    argocd_repo_server: Option<String>,
    /// Connect to the repo-server without TLS.
    #[arg(long, env = "ARGOCD_NOTIFICATION_CONTROLLER_REPO_SERVER_PLAINTEXT", num_args = 0..=1, default_value = "false", default_missing_value = "true", value_parser = BoolishValueParser::new(), action = clap::ArgAction::Set)]
    argocd_repo_server_plaintext: bool,
    /// Check the repo-server's certificate against tls.crt and ca.crt of Argo CD's configuration (reposerver/tls).
    #[arg(long, num_args = 0..=1, default_value = "false", default_missing_value = "true", value_parser = BoolishValueParser::new(), action = clap::ArgAction::Set)]
    argocd_repo_server_strict_tls: bool,
    /// CA certificate that the repo-server's certificate is checked against; without it, it is not checked.
    #[arg(long, value_name = "FILE", env = "ARGOCD_NOTIFICATION_CONTROLLER_REPO_SERVER_CA_CERT_PATH")]
    repo_server_ca_cert_path: Option<PathBuf>,
    /// Certificate that is shown to the repo-server; passed over where there is no such file.
    #[arg(
        long,
        value_name = "FILE",
        env = "ARGOCD_NOTIFICATION_CONTROLLER_REPO_SERVER_CLIENT_CERT_PATH",
        default_value = "/app/config/reposerver/mtls/client.crt"
    )]
    repo_server_client_cert_path: PathBuf,
    /// Its key.
    #[arg(
        long,
        value_name = "FILE",
        env = "ARGOCD_NOTIFICATION_CONTROLLER_REPO_SERVER_CLIENT_CERT_KEY_PATH",
        default_value = "/app/config/reposerver/mtls/client.key"
    )]
    repo_server_client_cert_key_path: PathBuf,
}

impl RepoServerFlags {
    /// The settings; `None` where no repo-server is named.
    pub(super) fn settings(&self, default: &str) -> anyhow::Result<Option<Settings>> {
        let address = self.argocd_repo_server.as_deref().unwrap_or(default).trim();
        if address.is_empty() {
            return Ok(None);
        }
        let tls = if self.argocd_repo_server_plaintext { None } else { Some(self.tls()?) };
        Ok(Some(Settings { address: address.to_owned(), tls }))
    }

    fn tls(&self) -> anyhow::Result<Tls> {
        let named = |path: &PathBuf| !path.as_os_str().is_empty();
        let (certificate, key) = (&self.repo_server_client_cert_path, &self.repo_server_client_cert_key_path);
        if named(certificate) != named(key) {
            bail!(
                "--repo-server-client-cert-path and --repo-server-client-cert-key-path belong together: name both or none"
            );
        }
        let client = named(certificate).then(|| (certificate.clone(), key.clone()));
        Ok(Tls { roots: self.roots(), client })
    }

    fn roots(&self) -> Option<Vec<PathBuf>> {
        if let Some(path) = self.repo_server_ca_cert_path.as_ref().filter(|path| !path.as_os_str().is_empty()) {
            return Some(vec![path.clone()]);
        }
        let folder = std::env::var_os("ARGOCD_APP_CONF_PATH").map_or_else(|| PathBuf::from(CONFIG), PathBuf::from);
        let folder = folder.join("reposerver").join("tls");
        self.argocd_repo_server_strict_tls.then(|| vec![folder.join("tls.crt"), folder.join("ca.crt")])
    }
}

/// The client, or one that says that none is configured.
pub(super) fn client(settings: Option<Settings>, keyring: Keyring) -> Result<RepoServer, Error> {
    match settings {
        Some(settings) => RepoServer::new(settings, keyring),
        None => Ok(RepoServer::absent()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        flags: RepoServerFlags,
    }

    fn settings(line: &[&str]) -> Option<Settings> {
        Line::parse_from(["x"].iter().chain(line)).flags.settings(DEFAULT).unwrap()
    }

    #[test]
    fn certificates_are_checked_only_where_that_is_asked_for() {
        let default = settings(&[]).unwrap();
        assert_eq!(default.address, DEFAULT);
        assert!(default.tls.unwrap().roots.is_none());
        assert!(settings(&["--argocd-repo-server-plaintext"]).unwrap().tls.is_none());
        assert!(settings(&["--argocd-repo-server-plaintext=true"]).unwrap().tls.is_none());
        let strict = settings(&["--argocd-repo-server-strict-tls"]).unwrap().tls.unwrap().roots.unwrap();
        assert!(strict[0].ends_with("reposerver/tls/tls.crt") && strict[1].ends_with("ca.crt"));
        let ca = settings(&["--repo-server-ca-cert-path", "my.crt"]).unwrap().tls.unwrap().roots.unwrap();
        assert_eq!(ca, [PathBuf::from("my.crt")]);
    }

    #[test]
    fn an_empty_address_is_none() {
        assert!(settings(&["--argocd-repo-server", ""]).is_none());
    }
}
