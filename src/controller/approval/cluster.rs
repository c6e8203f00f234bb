//! Who a bearer of a cluster token is (TokenReview with the audience `gatepost`) and what the cluster lets them do
//! (SubjectAccessReview). Nothing is decided here that the cluster does not say; a yes is never kept, a no for ten seconds.

use super::access::Client;
use crate::gate::approval::people::Person;
use async_trait::async_trait;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PostParams};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// The audience that a token must be made for.
pub const AUDIENCE: &str = "gatepost";
/// Type of the Secrets that hold clients of the token endpoint.
pub const CLIENT_TYPE: &str = "gatepost.dev/oauth-client";
/// The key of such a Secret: SHA-256 of the client secret, in hex.
pub const CLIENT_DIGEST: &str = "secret-sha256";
/// How long a no is kept.
const NO_KEPT: Duration = Duration::from_secs(10);
/// How long what was read of a client is believed.
const CLIENT_KEPT: Duration = Duration::from_secs(1);
/// Reviews at once.
const CONCURRENT: usize = 20;
/// How long a review waits for its turn.
const TURN_PATIENCE: Duration = Duration::from_secs(2);
/// Entries of a cache; beyond it the old ones go, and then all.
const CACHED_MAX: usize = 4096;
/// Longest cluster token that is looked at.
const TOKEN_MAX: usize = 16 << 10;

/// The cluster cannot be asked now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to {what}: {cause}")]
pub struct Away {
    /// What was tried.
    pub what: &'static str,
    /// Why not.
    pub cause: String,
}

/// A person or service account that the cluster knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Login and groups.
    pub user: String,
    /// Groups.
    pub groups: Vec<String>,
    uid: String,
    extra: BTreeMap<String, Vec<String>>,
}

impl Identity {
    /// Somebody that another door has recognised already.
    #[must_use]
    pub fn named(user: &str, groups: &[String]) -> Self {
        Self { user: user.to_owned(), groups: groups.to_vec(), ..Self::default() }
    }

    /// As the rules know people.
    #[must_use]
    pub fn person(&self) -> Person {
        Person { user: self.user.clone(), groups: self.groups.clone() }
    }
}

/// What somebody wants to do with an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Read it and its runs.
    Read,
    /// Answer a run.
    Callback,
    /// Open a run.
    Run,
    /// Vote on a run.
    Approve,
    /// End a run.
    Cancel,
}

impl Deed {
    /// Verb and subresource.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Read => ("get", ""),
            Self::Callback => ("create", "callback"),
            Self::Run => ("create", "runs"),
            Self::Approve => ("create", "approve"),
            Self::Cancel => ("create", "cancel"),
        }
    }
}

/// What approvals ask the cluster.
#[async_trait]
pub trait Cluster: Send + Sync + 'static {
    /// Whose token this is; `None`: nobody's, or not for us.
    async fn who(&self, token: &str) -> Result<Option<Identity>, Away>;
    /// Whether somebody may do this with an approval.
    async fn may(&self, who: &Identity, deed: Deed, namespace: &str, name: &str) -> Result<bool, Away>;
    /// The client of `<namespace>/<name>`.
    async fn client(&self, id: &str) -> Result<Option<Client>, Away>;
}

/// A real one.
pub struct KubernetesCluster {
    client: kube::Client,
    turns: Semaphore,
    strangers: Mutex<HashMap<[u8; 32], Instant>>,
    clients: Mutex<HashMap<String, (Instant, Option<Client>)>>,
}

impl KubernetesCluster {
    /// Asks through this client.
    #[must_use]
    pub fn new(client: kube::Client) -> Self {
        Self { client, turns: Semaphore::new(CONCURRENT), strangers: Mutex::default(), clients: Mutex::default() }
    }

    async fn turn(&self, what: &'static str) -> Result<tokio::sync::SemaphorePermit<'_>, Away> {
        let busy = || Away { what, cause: format!("{CONCURRENT} reviews are under way") };
        let turn = tokio::time::timeout(TURN_PATIENCE, self.turns.acquire()).await.map_err(|_| busy())?;
        turn.map_err(|_| busy())
    }

    fn is_stranger(&self, digest: &[u8; 32]) -> bool {
        let known = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(digest).is_some_and(|since| since.elapsed() < NO_KEPT)
    }

    fn remember_stranger(&self, digest: [u8; 32]) {
        let mut known = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut known, |since| since.elapsed() < NO_KEPT);
        known.insert(digest, Instant::now());
    }

    fn known_client(&self, id: &str) -> Option<Option<Client>> {
        let known = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(id).filter(|(since, _)| since.elapsed() < CLIENT_KEPT).map(|(_, client)| client.clone())
    }
}

fn make_room<K: std::hash::Hash + Eq, V>(cache: &mut HashMap<K, V>, is_fresh: impl Fn(&V) -> bool) {
    if cache.len() >= CACHED_MAX {
        cache.retain(|_, value| is_fresh(value));
    }
    if cache.len() >= CACHED_MAX {
        cache.clear();
    }
}

#[async_trait]
impl Cluster for KubernetesCluster {
    async fn who(&self, token: &str) -> Result<Option<Identity>, Away> {
        const WHAT: &str = "review a token";
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if token.len() > TOKEN_MAX || self.is_stranger(&digest) {
            return Ok(None);
        }
        let _turn = self.turn(WHAT).await?;
        let spec = TokenReviewSpec { token: token.to_owned(), audiences: Some(vec![AUDIENCE.to_owned()]) };
        let review = TokenReview { spec, ..TokenReview::default() };
        let api: Api<TokenReview> = Api::all(self.client.clone());
        let answer = api.create(&PostParams::default(), &review).await;
        let status = answer.map_err(|error| Away { what: WHAT, cause: error.to_string() })?.status.unwrap_or_default();
        let for_us = status.audiences.unwrap_or_default().iter().any(|audience| audience == AUDIENCE);
        let known = status.user.filter(|_| status.authenticated == Some(true) && for_us).and_then(identity);
        if known.is_none() {
            self.remember_stranger(digest);
        }
        Ok(known)
    }

    async fn may(&self, who: &Identity, deed: Deed, namespace: &str, name: &str) -> Result<bool, Away> {
        const WHAT: &str = "review what somebody may do";
        let _turn = self.turn(WHAT).await?;
        let (verb, subresource) = deed.words();
        let attributes = ResourceAttributes {
            group: Some("gatepost.dev".to_owned()),
            resource: Some("webhookapprovals".to_owned()),
            subresource: Some(subresource.to_owned()).filter(|s| !s.is_empty()),
            verb: Some(verb.to_owned()),
            namespace: Some(namespace.to_owned()),
            name: Some(name.to_owned()).filter(|s| !s.is_empty()),
            ..ResourceAttributes::default()
        };
        let spec = SubjectAccessReviewSpec {
            user: Some(who.user.clone()),
            groups: Some(who.groups.clone()),
            uid: Some(who.uid.clone()).filter(|uid| !uid.is_empty()),
            extra: Some(who.extra.clone()),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        let api: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let answer = api.create(&PostParams::default(), &review).await;
        let status = answer.map_err(|error| Away { what: WHAT, cause: error.to_string() })?.status;
        Ok(status.is_some_and(|status| status.allowed && status.denied != Some(true)))
    }

    async fn client(&self, id: &str) -> Result<Option<Client>, Away> {
        if let Some(known) = self.known_client(id) {
            return Ok(known);
        }
        let found = self.read_client(id).await?;
        let mut known = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut known, |(since, _)| since.elapsed() < CLIENT_KEPT);
        known.insert(id.to_owned(), (Instant::now(), found.clone()));
        Ok(found)
    }
}

impl KubernetesCluster {
    async fn read_client(&self, id: &str) -> Result<Option<Client>, Away> {
        const WHAT: &str = "read a client";
        let named = id.split_once('/').filter(|(namespace, name)| is_name(namespace) && is_name(name));
        let Some((namespace, name)) = named else { return Ok(None) };
        let _turn = self.turn(WHAT).await?;
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let found = api.get_opt(name).await;
        let secret = found.map_err(|error| Away { what: WHAT, cause: error.to_string() })?;
        Ok(secret.and_then(|secret| client_of(id, &secret)))
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

fn identity(user: UserInfo) -> Option<Identity> {
    let name = user.username.filter(|name| !name.is_empty())?;
    Some(Identity {
        user: name,
        groups: user.groups.unwrap_or_default(),
        uid: user.uid.unwrap_or_default(),
        extra: user.extra.unwrap_or_default(),
    })
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
