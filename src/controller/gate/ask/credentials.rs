//! From what a gate names to what its request shows: headers, a client certificate, a token.
//!
//! Secrets are read of the gate's own namespace, one by one, at each question: a rotated one is used at once. Only those of a
//! ClusterScmProvider lie elsewhere, and only a granted namespace's gates may use them.

use super::error::{AskError, Denied};
use super::github;
use super::oauth2::{self, Styles};
use super::objects::{Data, Kind, Objects};
use super::scm::{self, Provider, Scm};
use super::tokens::{self, Key, Tokens};
use super::{Options, Question};
use crate::egress::{self, ClientCertificate, Egress, Headers, TlsOptions, Transport};
use crate::gate::spec::Authentication;
use serde_json::Value as Json;
use std::sync::Arc;

/// What a request shows.
#[derive(Default)]
pub(super) struct Credential {
    /// Replace the gate's own of the same name.
    pub headers: Headers,
    /// Client certificate and own authorities.
    pub tls: TlsOptions,
    /// The token that was used although it may have been revoked since.
    pub reused: Option<(Key, Arc<str>)>,
    /// What else is asked for where the gate does not say: GitHub's form of answers.
    pub accept: Option<&'static str>,
}

/// Finds credentials.
pub(super) struct Credentials {
    pub objects: Arc<dyn Objects>,
    pub egress: Arc<Egress>,
    pub options: Options,
    tokens: Tokens,
    styles: Styles,
}

impl Credentials {
    pub(super) fn new(egress: Arc<Egress>, objects: Arc<dyn Objects>, options: Options) -> Self {
        Self { objects, egress, options, tokens: Tokens::default(), styles: Styles::default() }
    }

    /// The credentials of a question. Those of an SCM are looked for only after the host was found to be theirs.
    pub(super) async fn find(&self, question: &Question, transport: &Transport) -> Result<Credential, AskError> {
        let namespace = question.namespace.as_str();
        let Some(authentication) = &question.authentication else { return Ok(Credential::default()) };
        let found = match authentication {
            Authentication::Basic { secret } => {
                self.basic(namespace, secret).await.map_err(|d| d.within("failed to apply basic auth"))
            }
            Authentication::Bearer { secret } => {
                self.bearer(namespace, secret).await.map_err(|d| d.within("failed to apply bearer auth"))
            }
            Authentication::Tls { secret } => {
                self.certificate(namespace, secret).await.map_err(|d| d.within("failed to build TLS client"))
            }
            Authentication::OAuth2 { secret, token_url, scopes } => self
                .oauth2(namespace, secret, token_url, scopes, transport)
                .await
                .map_err(|d| d.within("failed to apply oauth2 auth")),
            Authentication::Scm => return self.scm(question, &question.repository, transport).await,
        };
        Ok(found?)
    }

    /// Drops a token that the endpoint refused.
    pub(super) async fn forget(&self, key: Key, token: &str) {
        self.tokens.forget(key, token).await;
    }

    async fn basic(&self, namespace: &str, name: &str) -> Result<Credential, Denied> {
        let secret = self.secret(namespace, name, "basic auth secret").await?;
        let username = value(&secret, name, "username", "username")?;
        let password = value(&secret, name, "password", "password")?;
        let mut headers = Headers::default();
        headers.basic(username, password).map_err(|illegal| Denied::lasting(illegal.to_string()))?;
        Ok(Credential { headers, ..Credential::default() })
    }

    async fn bearer(&self, namespace: &str, name: &str) -> Result<Credential, Denied> {
        let secret = self.secret(namespace, name, "bearer auth secret").await?;
        let token = value(&secret, name, "token", "token")?;
        authorization("Bearer ", token)
    }

    async fn certificate(&self, namespace: &str, name: &str) -> Result<Credential, Denied> {
        let secret = self.secret(namespace, name, "TLS secret").await?;
        let chain_pem = value(&secret, name, "tls.crt", "certificate")?.to_vec();
        let key_pem = value(&secret, name, "tls.key", "private key")?.to_vec();
        let roots_pem = secret.get("ca.crt").cloned().unwrap_or_default();
        let certificate = Some(ClientCertificate { chain_pem, key_pem });
        let tls = TlsOptions { certificate, roots_pem, ..TlsOptions::default() };
        match tls.check() {
            Ok(()) => Ok(Credential { tls, ..Credential::default() }),
            Err(egress::Error::Invalid(cause)) => Err(Denied::lasting(cause)),
            Err(other) => Err(Denied::lasting(other.to_string())),
        }
    }

    async fn oauth2(
        &self,
        namespace: &str,
        name: &str,
        token_url: &str,
        scopes: &[String],
        transport: &Transport,
    ) -> Result<Credential, Denied> {
        let secret = self.secret(namespace, name, "OAuth2 secret").await?;
        let id = value(&secret, name, "clientID", "client ID")?;
        let client_secret = value(&secret, name, "clientSecret", "client secret")?;
        let joined = scopes.join(" ");
        let parts = [b"oauth2", namespace.as_bytes(), token_url.as_bytes(), id, client_secret, joined.as_bytes()];
        let key = tokens::key(&parts);
        let client = oauth2::Client { token_url, id, secret: client_secret, scopes };
        let fetch = oauth2::fetch(&self.egress, transport.clone(), &self.styles, &client);
        let held = self.tokens.get(key, fetch).await?;
        let reused = held.reused.then(|| (key, Arc::clone(&held.value)));
        Ok(Credential { reused, ..authorization("Bearer ", held.value.as_bytes())? })
    }

    async fn scm(&self, question: &Question, repository: &str, transport: &Transport) -> Result<Credential, AskError> {
        let namespace = question.namespace.as_str();
        let found = self.provider(namespace, repository).await;
        let (provider, repository, home) = found.map_err(|denied| AskError::ScmHost(denied.cause))?;
        provider.check(&question.url)?;
        let secret = match provider.scm {
            Scm::Fake => Data::new(),
            _ => self.scm_secret(namespace, &provider, home).await?,
        };
        let shown = self.show(&provider, &repository, &secret, namespace, transport).await;
        Ok(shown.map_err(|denied| denied.within("failed to apply SCM auth"))?)
    }

    async fn show(
        &self,
        provider: &Provider,
        repository: &Json,
        secret: &Data,
        namespace: &str,
        transport: &Transport,
    ) -> Result<Credential, Denied> {
        let Scm::GitHub { domain, app, installation } = &provider.scm else {
            let mut headers = Headers::default();
            scm::show(&provider.scm, secret, &mut headers)?;
            return Ok(Credential { headers, ..Credential::default() });
        };
        let pem = value(secret, &provider.secret, "githubAppPrivateKey", "private key")?;
        let app = github::Installation {
            api: &scm::github_api(domain),
            app,
            private_key: &String::from_utf8_lossy(pem),
            installation,
            owner: repository["github"]["owner"].as_str().unwrap_or_default(),
            namespace,
        };
        let (key, held) = github::token(&self.egress, transport, &self.tokens, &app).await?;
        let reused = held.reused.then(|| (key, Arc::clone(&held.value)));
        let accept = Some(crate::service::github_app::ACCEPT);
        Ok(Credential { reused, accept, ..authorization("token ", held.value.as_bytes())? })
    }

    /// The provider of a repository, the repository's spec, and which kind the provider is.
    async fn provider(&self, namespace: &str, repository: &str) -> Result<(Provider, Json, Kind), Denied> {
        let repository = self.promoter(Kind::GitRepository, namespace, repository).await?;
        let reference = &repository["scmProviderRef"];
        let kind = match reference["kind"].as_str().unwrap_or(Kind::ScmProvider.name()) {
            "ScmProvider" => Kind::ScmProvider,
            "ClusterScmProvider" => Kind::ClusterScmProvider,
            other => return Err(Denied::lasting(format!("unsupported ScmProvider kind: {other}"))),
        };
        let name = reference["name"].as_str().unwrap_or_default();
        let spec = self.promoter(kind, namespace, name).await?;
        Ok((Provider::read(&spec, &repository)?, repository, kind))
    }

    async fn promoter(&self, kind: Kind, namespace: &str, name: &str) -> Result<Json, Denied> {
        let what = kind.name();
        let within = format!("failed to get {what} for SCM host validation");
        match self.objects.promoter(kind, namespace, name).await {
            Ok(Some(spec)) => Ok(spec),
            Ok(None) => Err(Denied::lasting(format!("{within}: {what} \"{name}\" not found"))),
            Err(cause) => Err(Denied { cause: format!("{within}: {cause}"), passes: true }),
        }
    }

    async fn scm_secret(&self, namespace: &str, provider: &Provider, kind: Kind) -> Result<Data, Denied> {
        let home = match kind {
            Kind::ClusterScmProvider => self.options.cluster_secrets_for(namespace)?,
            _ => namespace,
        };
        let what = kind.name();
        let within = |cause: String| format!("failed to get SCM provider and secret: {cause}");
        let name = &provider.secret;
        match self.objects.secret(home, name).await {
            Ok(Some(secret)) => Ok(secret),
            Ok(None) => Err(Denied::lasting(within(format!(
                "secret from {what} not found: Secret \"{name}\" not found in {home}"
            )))),
            Err(cause) => {
                Err(Denied { cause: within(format!("failed to get Secret from {what}: {cause}")), passes: true })
            }
        }
    }

    async fn secret(&self, namespace: &str, name: &str, what: &str) -> Result<Data, Denied> {
        let within = |cause: String| format!("failed to get {what} \"{name}\": failed to get secret: {cause}");
        match self.objects.secret(namespace, name).await {
            Ok(Some(data)) => Ok(data),
            Ok(None) => Err(Denied::lasting(within(format!("Secret \"{name}\" not found")))),
            Err(cause) => Err(Denied { cause: within(cause), passes: true }),
        }
    }
}

fn authorization(word: &str, token: &[u8]) -> Result<Credential, Denied> {
    let mut headers = Headers::default();
    headers
        .set("Authorization", &[word.as_bytes(), token].concat())
        .map_err(|illegal| Denied::lasting(illegal.to_string()))?;
    Ok(Credential { headers, ..Credential::default() })
}

/// A value that has to be there; it may be empty, as in the peer.
fn value<'a>(secret: &'a Data, name: &str, key: &str, what: &str) -> Result<&'a [u8], Denied> {
    let lacking =
        || Denied::lasting(format!("failed to get {what} from secret: key \"{key}\" not found in secret \"{name}\""));
    secret.get(key).map(Vec::as_slice).ok_or_else(lacking)
}
