//! Who a bearer of a cluster token is (TokenReview with the audience `gatepost`) and what the cluster lets them do
//! (SubjectAccessReview). Nothing is decided here that the cluster does not say; a yes is never kept, a no for ten seconds.

use crate::gate::approval::people::Person;
use async_trait::async_trait;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus, UserInfo};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::{Api, PostParams};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// The audience that a token must be made for.
pub const AUDIENCE: &str = "gatepost";
/// Group of what rights are about.
const GROUP: &str = "gatepost.dev";
/// How long a no is kept.
const NO_KEPT: Duration = Duration::from_secs(10);
/// Reviews at once.
const CONCURRENT: usize = 20;
/// How long a review waits for its turn.
const TURN_PATIENCE: Duration = Duration::from_secs(2);
/// Noes that are kept; beyond it the old ones go, and then all.
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

/// A person or service account that the cluster knows, or that it is asked about as if it did.
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
    /// Somebody whom another issuer than the cluster vouches for.
    #[must_use]
    pub fn vouched(user: String, groups: Vec<String>) -> Self {
        Self { user, groups, ..Self::default() }
    }

    /// As the rules know people.
    #[must_use]
    pub fn person(&self) -> Person {
        Person { user: self.user.clone(), groups: self.groups.clone() }
    }
}

/// What somebody wants to do with something of the group `gatepost.dev`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Right<'a> {
    /// For example `view`.
    pub verb: &'a str,
    /// For example `relays`.
    pub resource: &'a str,
    /// Empty for none.
    pub subresource: &'a str,
    /// Namespace.
    pub namespace: &'a str,
    /// Empty for any.
    pub name: &'a str,
}

/// What the cluster is asked about people.
#[async_trait]
pub trait Cluster: Send + Sync + 'static {
    /// Whose token this is; `None`: nobody's, or not for us.
    async fn who(&self, token: &str) -> Result<Option<Identity>, Away>;
    /// The same for a token that is made for the API server.
    async fn who_of_api_server(&self, token: &str) -> Result<Option<Identity>, Away>;
    /// Whether somebody may do this.
    async fn may(&self, who: &Identity, right: Right<'_>) -> Result<bool, Away>;
}

/// A real one.
pub struct KubernetesCluster {
    client: kube::Client,
    turns: Semaphore,
    noes: Mutex<HashMap<[u8; 32], Instant>>,
}

impl KubernetesCluster {
    /// Asks through this client.
    #[must_use]
    pub fn new(client: kube::Client) -> Self {
        Self { client, turns: Semaphore::new(CONCURRENT), noes: Mutex::default() }
    }

    async fn turn(&self, what: &'static str) -> Result<tokio::sync::SemaphorePermit<'_>, Away> {
        let busy = || Away { what, cause: format!("{CONCURRENT} reviews are under way") };
        let turn = tokio::time::timeout(TURN_PATIENCE, self.turns.acquire()).await.map_err(|_| busy())?;
        turn.map_err(|_| busy())
    }

    fn is_no(&self, digest: &[u8; 32]) -> bool {
        let known = self.noes.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(digest).is_some_and(|since| since.elapsed() < NO_KEPT)
    }

    fn remember_no(&self, digest: [u8; 32]) {
        let mut known = self.noes.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CACHED_MAX {
            known.retain(|_, since| since.elapsed() < NO_KEPT);
        }
        if known.len() >= CACHED_MAX {
            known.clear();
        }
        known.insert(digest, Instant::now());
    }

    /// Reviews a token that must be for this audience; `None`: for the API server.
    async fn review(&self, token: &str, audience: Option<&str>) -> Result<Option<Identity>, Away> {
        const WHAT: &str = "review a token";
        let digest = digest(["token", audience.unwrap_or_default(), token]);
        if token.is_empty() || token.len() > TOKEN_MAX || self.is_no(&digest) {
            return Ok(None);
        }
        let _turn = self.turn(WHAT).await?;
        let audiences = audience.map(|audience| vec![audience.to_owned()]);
        let spec = TokenReviewSpec { token: token.to_owned(), audiences };
        let review = TokenReview { spec, ..TokenReview::default() };
        let api: Api<TokenReview> = Api::all(self.client.clone());
        let answer = api.create(&PostParams::default(), &review).await;
        let status = answer.map_err(|error| Away { what: WHAT, cause: error.to_string() })?.status;
        let known = believed(status.unwrap_or_default(), audience);
        if known.is_none() {
            self.remember_no(digest);
        }
        Ok(known)
    }
}

#[async_trait]
impl Cluster for KubernetesCluster {
    async fn who(&self, token: &str) -> Result<Option<Identity>, Away> {
        self.review(token, Some(AUDIENCE)).await
    }

    async fn who_of_api_server(&self, token: &str) -> Result<Option<Identity>, Away> {
        self.review(token, None).await
    }

    async fn may(&self, who: &Identity, right: Right<'_>) -> Result<bool, Away> {
        const WHAT: &str = "review what somebody may do";
        let digest = asked(who, right);
        if self.is_no(&digest) {
            return Ok(false);
        }
        let _turn = self.turn(WHAT).await?;
        let review = SubjectAccessReview { spec: question(who, right), ..SubjectAccessReview::default() };
        let api: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let answer = api.create(&PostParams::default(), &review).await;
        let status = answer.map_err(|error| Away { what: WHAT, cause: error.to_string() })?.status;
        let may = status.is_some_and(|status| status.allowed && status.denied != Some(true));
        if !may {
            self.remember_no(digest);
        }
        Ok(may)
    }
}

fn question(who: &Identity, right: Right<'_>) -> SubjectAccessReviewSpec {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let attributes = ResourceAttributes {
        group: some(GROUP),
        resource: some(right.resource),
        subresource: some(right.subresource),
        verb: some(right.verb),
        namespace: some(right.namespace),
        name: some(right.name),
        ..ResourceAttributes::default()
    };
    SubjectAccessReviewSpec {
        user: Some(who.user.clone()),
        groups: Some(who.groups.clone()),
        uid: some(&who.uid),
        extra: Some(who.extra.clone()),
        resource_attributes: Some(attributes),
        ..SubjectAccessReviewSpec::default()
    }
}

/// Who the cluster says it is, if it says that the token is for this audience.
fn believed(status: TokenReviewStatus, audience: Option<&str>) -> Option<Identity> {
    let named = status.audiences.unwrap_or_default();
    // An API server that knows nothing of audiences names none: it has not looked whom the token is for.
    let for_us = audience.is_none_or(|wanted| named.iter().any(|audience| audience == wanted));
    status.user.filter(|_| status.authenticated == Some(true) && for_us).and_then(identity)
}

/// The digest of parts, each with its length: no two lists have the same.
fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part.as_bytes());
    }
    digest.finalize().into()
}

fn asked(who: &Identity, right: Right<'_>) -> [u8; 32] {
    let extra = who.extra.iter().flat_map(|(name, values)| [name].into_iter().chain(values));
    let of_right = [right.verb, right.resource, right.subresource, right.namespace, right.name];
    let of_user = ["right", who.user.as_str(), who.uid.as_str()];
    let groups = who.groups.iter().chain(extra).map(String::as_str);
    digest(of_user.into_iter().chain(of_right).chain(groups))
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
    use serde_json::json;

    fn status(value: serde_json::Value) -> TokenReviewStatus {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn only_a_token_for_the_audience_is_believed() {
        let review = |authenticated: bool, audiences: &[&str]| {
            status(json!({"authenticated": authenticated, "audiences": audiences, "user": {"username": "ann"}}))
        };
        assert_eq!(believed(review(true, &["x", "gatepost"]), Some(AUDIENCE)).unwrap().user, "ann");
        for wrong in [review(false, &["gatepost"]), review(true, &["gatepost2"]), review(true, &[])] {
            assert_eq!(believed(wrong, Some(AUDIENCE)), None);
        }
        assert!(believed(review(true, &["https://kubernetes.default.svc"]), None).is_some());
        assert_eq!(believed(status(json!({"authenticated": true, "audiences": ["gatepost"], "user": {}})), None), None);
    }

    #[test]
    fn a_no_is_about_this_person_and_this_right() {
        let ann = Identity::vouched("ann".into(), vec!["a".into(), "b".into()]);
        let view = Right { verb: "view", resource: "relays", subresource: "", namespace: "argocd", name: "" };
        let others = [
            asked(&Identity::vouched("ann".into(), vec!["ab".into()]), view),
            asked(&Identity::vouched("bob".into(), ann.groups.clone()), view),
            asked(&ann, Right { verb: "operate", ..view }),
            asked(&ann, Right { namespace: "team", ..view }),
        ];
        assert!(others.iter().all(|other| *other != asked(&ann, view)));
        assert_eq!(asked(&ann, view), asked(&ann.clone(), view));
    }
}
