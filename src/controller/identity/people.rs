//! People whom an OpenID Connect issuer vouches for: what they are called here, and whether they may read or change.
//!
//! Rights come from the lists of the settings alone. On the cluster such a person is asked about under a name with a prefix, so that no
//! issuer can name a user or a group of the cluster's own.

use super::cluster::Identity;
use super::oidc::{Discovery, Expected, Issuers, Subject, claimed_issuer};
use jsonwebtoken::Algorithm;
use secrecy::SecretString;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Signatures that are taken of the issuer of people.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// How long what an issuer says of itself is believed.
const DISCOVERY_KEPT: Duration = Duration::from_secs(300);
/// What names of the cluster's own begin with.
const RESERVED: &str = "system:";

/// The issuer, and what its tokens mean here.
#[derive(Debug, Clone)]
pub struct Login {
    /// The issuer, exactly.
    pub issuer: String,
    /// Gatepost's own client there.
    pub client_id: String,
    /// Its secret; empty: a public client.
    pub client_secret: SecretString,
    /// The client of the command line, which has no secret.
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
    /// Who may read: groups, or `user:<name>`; `*` is everybody.
    pub readers: Vec<String>,
    /// Who may change, and read.
    pub operators: Vec<String>,
}

/// Somebody who logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognised {
    /// As the issuer calls them.
    pub name: String,
    /// Groups, as the issuer calls them.
    pub groups: Vec<String>,
    /// As the cluster is asked about them.
    pub identity: Identity,
    /// Whether they may read.
    pub may_read: bool,
    /// Whether they may change.
    pub may_change: bool,
}

/// Why nobody is recognised.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stranger {
    /// The token is not proven.
    #[error("the token is not one of the issuer for this Gatepost, or has expired")]
    Unproven,
    /// No name.
    #[error("the token has no claim `{0}`: ask the issuer for it (auth.scopes), or name another one in auth.userClaim")]
    NoName(String),
    /// The address is the person's own word.
    #[error("the issuer has not verified the e-mail address of this login")]
    Unverified,
    /// A name of the cluster's own.
    #[error("names that begin with `system:` belong to the cluster: set auth.userPrefix")]
    Reserved,
}

/// The people of one issuer.
pub struct People {
    /// What its tokens mean.
    pub login: Login,
    pub(super) issuers: Arc<Issuers>,
    /// Gatepost's own namespace: what is asked is asked with its reach.
    pub(super) namespace: String,
    discovery: Mutex<Option<(Instant, Arc<Discovery>)>>,
}

impl People {
    /// People of this issuer, whose keys are fetched with the platform's reach.
    #[must_use]
    pub fn new(login: Login, issuers: Arc<Issuers>, namespace: String) -> Self {
        Self { login, issuers, namespace, discovery: Mutex::default() }
    }

    /// Whether a token says that it is of this issuer.
    #[must_use]
    pub fn is_of_issuer(&self, token: &str) -> bool {
        claimed_issuer(token).as_deref() == Some(self.login.issuer.as_str())
    }

    /// Who a bearer of an ID token is.
    ///
    /// # Errors
    /// Not proven, or without a name.
    pub async fn recognise(&self, token: &str, now_ms: i64) -> Result<Recognised, Stranger> {
        let subject = self.proven(token, now_ms).await.ok_or(Stranger::Unproven)?;
        recognised(&self.login, &subject.claims)
    }

    /// What a token of the issuer for one of the clients says.
    pub(super) async fn proven(&self, token: &str, now_ms: i64) -> Option<Subject> {
        let clients = [&self.login.client_id, &self.login.device_client_id];
        let expected = Expected {
            issuer: self.login.issuer.clone(),
            audiences: clients.into_iter().filter(|id| !id.is_empty()).cloned().collect(),
            algorithms: ALGORITHMS.to_vec(),
        };
        let subject = self.issuers.subject(&self.namespace, &expected, token, now_ms).await?;
        is_presented_by(&subject.claims, &expected.audiences).then_some(subject)
    }

    /// What the issuer says of itself, asked for every five minutes.
    ///
    /// # Errors
    /// It cannot be reached, or speaks of another.
    pub async fn discovery(&self) -> Result<Arc<Discovery>, String> {
        let mut held = self.discovery.lock().await;
        if let Some((_, discovery)) = held.as_ref().filter(|(asked, _)| asked.elapsed() < DISCOVERY_KEPT) {
            return Ok(Arc::clone(discovery));
        }
        let discovery = Arc::new(self.issuers.discover(&self.namespace, &self.login.issuer).await?);
        *held = Some((Instant::now(), Arc::clone(&discovery)));
        Ok(discovery)
    }
}

/// A token for several audiences says which client it was given to (`azp`); it has to be one of ours.
fn is_presented_by(claims: &Map<String, Value>, clients: &[String]) -> bool {
    let several = claims.get("aud").and_then(Value::as_array).is_some_and(|all| all.len() > 1);
    match claims.get("azp") {
        Some(Value::String(party)) => clients.contains(party),
        Some(_) => false,
        None => !several,
    }
}

/// Who the claims speak of.
///
/// # Errors
/// No name, or one that may not be used.
pub fn recognised(login: &Login, claims: &Map<String, Value>) -> Result<Recognised, Stranger> {
    let name = claims.get(&login.user_claim).and_then(Value::as_str).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Stranger::NoName(login.user_claim.clone()))?.to_owned();
    let unverified = claims.get("email_verified").is_some_and(|verified| *verified != Value::Bool(true));
    if login.user_claim == "email" && unverified {
        return Err(Stranger::Unverified);
    }
    let user = format!("{}{name}", login.user_prefix);
    if user.starts_with(RESERVED) {
        return Err(Stranger::Reserved);
    }
    let groups = texts(claims.get(&login.groups_claim));
    let prefixed = groups.iter().map(|group| format!("{}{group}", login.group_prefix));
    let identity = Identity::vouched(user, prefixed.filter(|group| !group.starts_with(RESERVED)).collect());
    let may_change = is_listed(&login.operators, &name, &groups);
    let may_read = may_change || is_listed(&login.readers, &name, &groups);
    Ok(Recognised { name, groups, identity, may_read, may_change })
}

fn texts(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Whether a list names somebody. Users and groups are told apart, so that nobody becomes a group by choosing its name.
fn is_listed(list: &[String], user: &str, groups: &[String]) -> bool {
    list.iter().any(|entry| match (entry.as_str(), entry.strip_prefix("user:"), entry.strip_prefix("group:")) {
        ("*", ..) => true,
        (_, Some(name), _) => name == user,
        (_, _, Some(group)) => groups.iter().any(|held| held == group),
        (group, ..) => groups.iter().any(|held| held == group),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use serde_json::json;

    fn login() -> Login {
        Login {
            issuer: "https://i".into(),
            client_id: "gatepost".into(),
            client_secret: SecretString::default(),
            device_client_id: String::new(),
            scopes: Vec::new(),
            user_claim: "email".into(),
            groups_claim: "groups".into(),
            user_prefix: "oidc:".into(),
            group_prefix: "oidc:".into(),
            readers: vec!["developers".into(), "user:guest@x".into()],
            operators: vec!["group:platform".into(), "user:root@x".into()],
        }
    }

    fn said(claims: Value) -> Result<Recognised, Stranger> {
        recognised(&login(), claims.as_object().unwrap())
    }

    #[test]
    fn lists_of_groups_and_users_give_rights() {
        let rights = |claims: Value| said(claims).map(|who| (who.may_read, who.may_change)).unwrap();
        assert_eq!(rights(json!({"email": "a@x", "groups": ["developers"]})), (true, false));
        assert_eq!(rights(json!({"email": "a@x", "groups": ["x", "platform"]})), (true, true));
        assert_eq!(rights(json!({"email": "guest@x"})), (true, false));
        assert_eq!(rights(json!({"email": "root@x", "groups": "developers"})), (true, true));
        assert_eq!(rights(json!({"email": "a@x", "groups": ["user:root@x", "group:platform", "*"]})), (false, false));
        assert_eq!(rights(json!({"email": "developers"})), (false, false), "a name is no group");
        let open = Login { readers: vec!["*".into()], ..login() };
        assert!(recognised(&open, json!({"email": "a@x"}).as_object().unwrap()).unwrap().may_read);
    }

    #[test]
    fn the_cluster_is_asked_under_names_of_their_own() {
        let who = said(json!({"email": "a@x", "groups": ["system:masters"]})).unwrap();
        assert_eq!(
            (who.identity.user.as_str(), who.identity.groups.as_slice()),
            ("oidc:a@x", &["oidc:system:masters".to_owned()][..])
        );
        let bare = Login { user_prefix: String::new(), group_prefix: String::new(), ..login() };
        let claims = json!({"email": "a@x", "groups": ["system:masters", "team"]});
        let who = recognised(&bare, claims.as_object().unwrap()).unwrap();
        assert_eq!(who.identity.groups, ["team"], "never a group of the cluster's own");
        let admin = json!({"email": "system:admin"});
        assert_eq!(recognised(&bare, admin.as_object().unwrap()), Err(Stranger::Reserved));
    }

    #[test]
    fn a_name_has_to_be_there_and_an_address_verified() {
        assert_eq!(said(json!({"groups": ["platform"]})), Err(Stranger::NoName("email".into())));
        assert_eq!(said(json!({"email": ""})), Err(Stranger::NoName("email".into())));
        for unverified in [json!(false), json!("true"), json!(null)] {
            let claims = json!({"email": "a@x", "email_verified": unverified});
            assert_eq!(said(claims), Err(Stranger::Unverified));
        }
        assert!(said(json!({"email": "a@x", "email_verified": true})).is_ok());
    }

    #[test]
    fn a_token_for_several_says_to_whom_it_was_given() {
        let clients = ["gatepost".to_owned(), "cli".to_owned()];
        let ours = |claims: Value| is_presented_by(claims.as_object().unwrap(), &clients);
        assert!(ours(json!({"aud": "gatepost"})) && ours(json!({"aud": ["gatepost"]})));
        assert!(ours(json!({"aud": ["gatepost", "x"], "azp": "cli"})));
        assert!(!ours(json!({"aud": ["gatepost", "x"]})) && !ours(json!({"aud": ["gatepost", "x"], "azp": "x"})));
        assert!(!ours(json!({"aud": "gatepost", "azp": "x"})) && !ours(json!({"aud": "gatepost", "azp": 1})));
    }
}
