//! `[auth]`: who may use API and dashboard.

use secrecy::SecretString;
use serde::Deserialize;
use std::path::Path;

/// `[auth]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Auth {
    /// Whether somebody has to log in.
    pub mode: AuthMode,
    /// Whether tokens of the cluster are taken, made for the audience `gatepost`.
    pub kubernetes: bool,
    /// Whether tokens of the cluster are taken that were made for the API server.
    pub accept_api_server_tokens: bool,
    /// Tokens by their digest: `<name>:<read|change>:<SHA-256 in hex>`.
    pub tokens: Vec<String>,
    /// OpenID Connect issuer of people; empty: none.
    pub issuer: String,
    /// Gatepost's client there.
    pub client_id: String,
    /// The client's secret; empty: a public client.
    pub client_secret: SecretString,
    /// File with the client's secret.
    pub client_secret_file: String,
    /// Client of the command line; empty: `client_id`.
    pub device_client_id: String,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Claim with the name.
    pub user_claim: String,
    /// Claim with the groups.
    pub groups_claim: String,
    /// What a name has before it on the cluster.
    pub user_prefix: String,
    /// What a group has before it on the cluster.
    pub group_prefix: String,
    /// Who may read.
    pub readers: Vec<String>,
    /// Who may change.
    pub operators: Vec<String>,
    /// Seconds that a session lives unused.
    pub session_idle: u64,
    /// Seconds that a session lives at most.
    pub session_longest: u64,
}

/// Whether somebody has to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// Always but on a folder, on loopback, where no way to log in is set up.
    #[default]
    Auto,
    /// Always.
    Required,
    /// Never; on a folder and on loopback only.
    None,
}

/// Settings of `[auth]` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Whoever is between could name anybody.
    #[error("auth.issuer = \"{0}\" is refused: it is an https URL, exactly as the issuer's tokens have it")]
    Issuer(String),
    /// No client.
    #[error("auth.clientId is empty: name the client that the issuer knows Gatepost as")]
    ClientId,
    /// One of two.
    #[error("auth.clientSecret and auth.clientSecretFile are both set: one of the two")]
    TwoSecrets,
    /// The file.
    #[error("failed to read auth.clientSecretFile {path}: {cause}")]
    SecretFile {
        /// File.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
    /// A session that ends at once.
    #[error("auth.sessionIdle and auth.sessionLongest are seconds, one at least")]
    Session,
}

impl Auth {
    /// Whether people log in at an issuer.
    #[must_use]
    pub fn has_issuer(&self) -> bool {
        !self.issuer.is_empty()
    }

    /// The client's secret, from wherever it is.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn secret(&self) -> Result<SecretString, Error> {
        if self.client_secret_file.is_empty() {
            return Ok(self.client_secret.clone());
        }
        let read = std::fs::read_to_string(Path::new(&self.client_secret_file));
        let text = read.map_err(|cause| Error::SecretFile { path: self.client_secret_file.clone(), cause })?;
        Ok(SecretString::from(text.trim().to_owned()))
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        use secrecy::ExposeSecret as _;
        if self.has_issuer() && !is_safe(&self.issuer) {
            return Err(Error::Issuer(self.issuer.clone()));
        }
        if self.has_issuer() && self.client_id.is_empty() {
            return Err(Error::ClientId);
        }
        if !self.client_secret_file.is_empty() && !self.client_secret.expose_secret().is_empty() {
            return Err(Error::TwoSecrets);
        }
        if self.session_idle == 0 || self.session_longest == 0 {
            return Err(Error::Session);
        }
        Ok(())
    }
}

/// TLS, or a process of this machine.
fn is_safe(issuer: &str) -> bool {
    let Ok(url) = url::Url::parse(issuer) else { return false };
    let is_here = match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_here)
}
