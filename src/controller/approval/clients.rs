//! Clients of Gatepost's own token endpoint: Secrets of a type of their own, read when they are asked about.

use super::access::Client;
use crate::controller::identity::Away;
use async_trait::async_trait;
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Type of the Secrets that hold clients of the token endpoint.
pub const CLIENT_TYPE: &str = "gatepost.dev/oauth-client";
/// The key of such a Secret: SHA-256 of the client secret, in hex.
pub const CLIENT_DIGEST: &str = "secret-sha256";
/// How long what was read of a client is believed.
const CLIENT_KEPT: Duration = Duration::from_secs(1);
/// Secrets read at once.
const CONCURRENT: usize = 20;
/// How long a reader waits for its turn.
const TURN_PATIENCE: Duration = Duration::from_secs(2);
/// Clients that are kept; beyond it the old ones go, and then all.
const CACHED_MAX: usize = 4096;
/// What is tried.
const WHAT: &str = "read a client";

/// Where clients are found.
#[async_trait]
pub trait Clients: Send + Sync + 'static {
    /// The client of `<namespace>/<name>`.
    async fn client(&self, id: &str) -> Result<Option<Client>, Away>;
}

/// Clients in Secrets of a cluster.
pub struct InSecrets {
    client: kube::Client,
    turns: Semaphore,
    known: Mutex<HashMap<String, (Instant, Option<Client>)>>,
}

impl InSecrets {
    /// Asks through this client.
    #[must_use]
    pub fn new(client: kube::Client) -> Self {
        Self { client, turns: Semaphore::new(CONCURRENT), known: Mutex::default() }
    }

    fn known(&self, id: &str) -> Option<Option<Client>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(id).filter(|(since, _)| since.elapsed() < CLIENT_KEPT).map(|(_, client)| client.clone())
    }

    async fn read(&self, id: &str) -> Result<Option<Client>, Away> {
        let named = id.split_once('/').filter(|(namespace, name)| is_name(namespace) && is_name(name));
        let Some((namespace, name)) = named else { return Ok(None) };
        let busy = || Away { what: WHAT, cause: format!("{CONCURRENT} are being read") };
        let turn = tokio::time::timeout(TURN_PATIENCE, self.turns.acquire()).await.map_err(|_| busy())?;
        let _turn = turn.map_err(|_| busy())?;
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let found = api.get_opt(name).await;
        let secret = found.map_err(|error| Away { what: WHAT, cause: error.to_string() })?;
        Ok(secret.and_then(|secret| client_of(id, &secret)))
    }
}

#[async_trait]
impl Clients for InSecrets {
    async fn client(&self, id: &str) -> Result<Option<Client>, Away> {
        if let Some(known) = self.known(id) {
            return Ok(known);
        }
        let found = self.read(id).await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CACHED_MAX {
            known.retain(|_, (since, _)| since.elapsed() < CLIENT_KEPT);
        }
        if known.len() >= CACHED_MAX {
            known.clear();
        }
        known.insert(id.to_owned(), (Instant::now(), found.clone()));
        Ok(found)
    }
}

/// A name of Kubernetes: what is none never becomes part of a path.
fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    !text.is_empty() && text.len() <= 253 && text.bytes().all(plain) && !text.starts_with('.')
}

fn client_of(id: &str, secret: &Secret) -> Option<Client> {
    if secret.type_.as_deref() != Some(CLIENT_TYPE) {
        return None;
    }
    let text = &secret.data.as_ref()?.get(CLIENT_DIGEST)?.0;
    let digest = data_encoding::HEXLOWER_PERMISSIVE.decode(text.trim_ascii()).ok()?;
    Some(Client::new(id.to_owned(), secret.metadata.uid.as_deref().unwrap_or_default(), digest.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn secret(kind: &str, digest: &str) -> Secret {
        serde_json::from_value(serde_json::json!({
            "metadata": {"uid": "u"}, "type": kind,
            "data": {"secret-sha256": data_encoding::BASE64.encode(digest.as_bytes())},
        }))
        .unwrap()
    }

    #[test]
    fn only_a_secret_of_the_type_is_a_client() {
        let digest = "ab".repeat(32);
        assert!(client_of("n/c", &secret(CLIENT_TYPE, &format!("{digest}\n"))).is_some());
        assert!(client_of("n/c", &secret("Opaque", &digest)).is_none());
        assert!(client_of("n/c", &secret(CLIENT_TYPE, "abcd")).is_none());
    }

    #[test]
    fn what_is_no_name_is_never_asked_for() {
        for wrong in ["", "..", "a/b", "A", "a%2f", "a?b", "a b"] {
            assert!(!is_name(wrong), "{wrong}");
        }
        assert!(is_name("ci-runner.v2"));
    }
}
