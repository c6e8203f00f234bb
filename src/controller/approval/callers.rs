//! Who calls, and whether they may answer this run. All four kinds of credentials end here in one [`Caller`] or in one of the
//! answer table's refusals; the body has not been read by then.

use super::access::Claims;
use super::crd::{OidcAlgorithm, OidcCaller, WebhookApproval};
use super::deed::Deed;
use super::desk::Desk;
use crate::clock;
use crate::controller::identity::{Expected, Identity, Issuers, Subject, TooMany, claimed_issuer, oidc};
use crate::gate::approval::{ApprovalId, Caller, Case, Run, RunId, token};
use crate::outbox::runs::Kept;
use jsonwebtoken::Algorithm;
use std::net::IpAddr;
use std::sync::Arc;

/// A caller that may answer a run, and the run.
#[derive(Debug)]
pub struct Admitted {
    /// Who.
    pub caller: Caller,
    /// Which.
    pub kept: Kept,
}

/// A caller that is known by something else than a run's own token.
#[derive(Debug, Clone)]
pub enum Known {
    /// A client of Gatepost's own token endpoint, with its id.
    Client(String),
    /// Somebody that the cluster knows.
    Cluster(Identity),
    /// A person of the issuer that the settings name.
    Person(Identity),
    /// Whoever keeps this Gatepost, by a credential that is no person's.
    Keeper(String),
    /// A subject of an OpenID Connect issuer, and the rule that its token was proven by.
    Subject(Subject, Box<OidcCaller>),
}

impl Known {
    /// As the audit trail has it.
    #[must_use]
    pub fn caller(&self, from: IpAddr) -> Caller {
        let (kind, name) = match self {
            Self::Client(id) => ("oauth", id.clone()),
            Self::Cluster(identity) => ("kubernetes", identity.user.clone()),
            Self::Person(identity) => ("oidc", identity.user.clone()),
            Self::Keeper(name) => ("gatepost", name.clone()),
            Self::Subject(subject, _) => ("oidc", subject.name.clone()),
        };
        Caller { kind: kind.to_owned(), name, from: from.to_string() }
    }
}

impl Desk {
    /// Whether a caller may answer a run.
    ///
    /// # Errors
    /// The case of the answer table.
    pub async fn admit(&self, path: &str, bearer: Option<&str>, from: IpAddr) -> Result<Admitted, Case> {
        let id = path.parse::<RunId>().ok();
        let admitted = match bearer {
            None | Some("") => Err(Case::Unknown),
            Some(bearer) if token::is_one(bearer) => self.by_run_token(id, bearer, from).await,
            Some(bearer) => self.by_name(id, bearer, from).await,
        };
        match admitted {
            Ok(admitted) => self.count(admitted),
            Err(Case::Unknown) => Err(self.limits.wrong(from).err().map_or(Case::Unknown, too_many)),
            Err(case) => Err(case),
        }
    }

    fn count(&self, admitted: Admitted) -> Result<Admitted, Case> {
        let Caller { kind, .. } = &admitted.caller;
        // All bearers of run tokens have one name: each run is a caller of its own.
        let name = if kind == "runToken" { admitted.kept.run.id.to_string() } else { admitted.caller.label() };
        self.limits.caller(&name).map(|()| admitted).map_err(too_many)
    }

    async fn by_run_token(&self, id: Option<RunId>, bearer: &str, from: IpAddr) -> Result<Admitted, Case> {
        let said = token::verify(&self.ring.ring().run_keys(), bearer).ok_or(Case::Unknown)?;
        if id != Some(said.run) {
            return Err(Case::Forbidden);
        }
        let kept = self.kept(said.run).await?.ok_or(Case::Unknown)?;
        if token::Claims::of(&kept.run) != said {
            return Err(Case::Unknown);
        }
        match self.shelf.of(&kept.run.approval) {
            Some(approval) if approval.believes().run_token.is_none() => Err(Case::Forbidden),
            _ => {
                let caller = Caller { kind: "runToken".to_owned(), name: String::new(), from: from.to_string() };
                Ok(Admitted { caller, kept })
            }
        }
    }

    async fn by_name(&self, id: Option<RunId>, bearer: &str, from: IpAddr) -> Result<Admitted, Case> {
        let kept = match id {
            Some(id) => self.kept(id).await?,
            None => None,
        };
        let approval = kept.as_ref().and_then(|kept| self.shelf.of(&kept.run.approval));
        let known = self.identify(bearer, approval.as_ref(), from).await?;
        let kept = kept.ok_or(Case::NoSuchRun)?;
        let may = match &approval {
            Some(approval) => self.may_answer(&known, approval).await?,
            // The approval is gone: nobody speaks for it any more.
            None => false,
        };
        if may { Ok(Admitted { caller: known.caller(from), kept }) } else { Err(Case::Forbidden) }
    }

    async fn kept(&self, id: RunId) -> Result<Option<Kept>, Case> {
        self.store.run(id).await.map_err(|_| Case::StoreAway)
    }

    /// Who a bearer is. `about`: the approval whose issuers are asked; without one those of all approvals.
    ///
    /// # Errors
    /// Nobody that is known, or nobody can be asked now.
    pub async fn identify(
        &self,
        bearer: &str,
        about: Option<&Arc<WebhookApproval>>,
        from: IpAddr,
    ) -> Result<Known, Case> {
        let issuer = claimed_issuer(bearer);
        if issuer.as_ref() == Some(&self.issuer.url) {
            return self.client(bearer).await.map(Known::Client);
        }
        // From here on somebody else is asked, who must not drown in questions.
        self.limits.ask(from).map_err(too_many)?;
        if let Some(issuer) = &issuer
            && let Some(known) = self.subject(bearer, issuer, about).await
        {
            return Ok(known);
        }
        if let Some(known) = self.person_of_issuer(bearer).await {
            return Ok(known);
        }
        let Some(cluster) = &self.cluster else { return Err(Case::Unknown) };
        let identity = cluster.who(bearer).await.map_err(|error| self.away(&error.to_string()))?;
        identity.map(Known::Cluster).ok_or(Case::Unknown)
    }

    /// Who a person is that asks through the API: one of the issuer that the settings name, else whoever [`Self::identify`] knows.
    ///
    /// # Errors
    /// Nobody that is known, or nobody can be asked now.
    pub(super) async fn identify_person(&self, bearer: &str, from: IpAddr) -> Result<Known, Case> {
        match self.person_of_issuer(bearer).await {
            Some(known) => Ok(known),
            None => self.identify(bearer, None, from).await,
        }
    }

    async fn person_of_issuer(&self, bearer: &str) -> Option<Known> {
        let people = self.people.as_ref().filter(|people| people.is_of_issuer(bearer))?;
        let recognised = people.recognise(bearer, clock::now().millis()).await.ok()?;
        Some(Known::Person(recognised.identity))
    }

    async fn client(&self, bearer: &str) -> Result<String, Case> {
        let now_ms = clock::now().millis();
        let said: Claims = self.issuer.verify(&self.ring.ring(), bearer, now_ms).ok_or(Case::Unknown)?;
        let Some(clients) = &self.clients else { return Err(Case::Unknown) };
        let client = clients.client(said.client()).await.map_err(|error| self.away(&error.to_string()))?;
        let current = client.filter(|client| client.generation == said.generation());
        current.map(|client| client.id).ok_or(Case::Unknown)
    }

    /// Who a token of an issuer is of: by a rule whose claims it satisfies, else by one that at least proves it.
    async fn subject(&self, bearer: &str, issuer: &str, about: Option<&Arc<WebhookApproval>>) -> Option<Known> {
        let asked = about.map_or_else(|| self.shelf.all(), |approval| vec![Arc::clone(approval)]);
        let (now_ms, mut proven) = (clock::now().millis(), None);
        for approval in asked {
            let ApprovalId { namespace, .. } = approval.id();
            for rule in approval.believes().oidc.unwrap_or_default().into_iter().filter(|rule| rule.issuer == issuer) {
                let Some(subject) = self.issuers.subject(&namespace, &expected(&rule), bearer, now_ms).await else {
                    continue;
                };
                let satisfied = oidc::satisfies(&subject.claims, &rule.claims);
                let known = Known::Subject(subject, Box::new(rule));
                if satisfied {
                    return Some(known);
                }
                proven = proven.or(Some(known));
            }
        }
        proven
    }

    /// Whether somebody known may answer the runs of an approval.
    pub(super) async fn may_answer(&self, known: &Known, approval: &WebhookApproval) -> Result<bool, Case> {
        let believes = approval.believes();
        match known {
            Known::Client(id) => Ok(believes.oauth.is_some_and(|oauth| oauth.clients.contains(id))),
            // The very rule: one of the same issuer for another audience proves nothing here.
            Known::Subject(subject, rule) => {
                let is_its_own = believes.oidc.is_some_and(|rules| rules.contains(rule));
                Ok(is_its_own && oidc::satisfies(&subject.claims, &rule.claims))
            }
            Known::Person(_) | Known::Keeper(_) => Ok(false),
            Known::Cluster(_) if believes.kubernetes.is_none() => Ok(false),
            Known::Cluster(identity) => self.may(identity, Deed::Callback, &approval.id()).await,
        }
    }

    /// Whether the cluster lets somebody do this.
    pub(super) async fn may(&self, who: &Identity, deed: Deed, id: &ApprovalId) -> Result<bool, Case> {
        let Some(cluster) = &self.cluster else { return Ok(false) };
        cluster.may(who, deed.on(id)).await.map_err(|error| self.away(&error.to_string()))
    }

    fn away(&self, cause: &str) -> Case {
        tracing::warn!(cause, "a caller cannot be judged now");
        Case::StoreAway
    }
}

/// Whether a token satisfies one of these rules of a namespace: for what believes callers of issuers as an approval does.
pub async fn satisfies_one(issuers: &Issuers, namespace: &str, rules: &[OidcCaller], bearer: &str) -> bool {
    let Some(issuer) = claimed_issuer(bearer) else { return false };
    let now_ms = clock::now().millis();
    for rule in rules.iter().filter(|rule| rule.issuer == issuer) {
        let subject = issuers.subject(namespace, &expected(rule), bearer, now_ms).await;
        if subject.is_some_and(|subject| oidc::satisfies(&subject.claims, &rule.claims)) {
            return true;
        }
    }
    false
}

/// What a token has to be that is judged by a rule of an approval.
fn expected(rule: &OidcCaller) -> Expected {
    Expected {
        issuer: rule.issuer.clone(),
        audiences: vec![rule.audience.clone()],
        algorithms: rule.algorithms.iter().map(|name| algorithm(*name)).collect(),
    }
}

const fn algorithm(name: OidcAlgorithm) -> Algorithm {
    match name {
        OidcAlgorithm::RS256 => Algorithm::RS256,
        OidcAlgorithm::RS384 => Algorithm::RS384,
        OidcAlgorithm::RS512 => Algorithm::RS512,
        OidcAlgorithm::PS256 => Algorithm::PS256,
        OidcAlgorithm::PS384 => Algorithm::PS384,
        OidcAlgorithm::PS512 => Algorithm::PS512,
        OidcAlgorithm::ES256 => Algorithm::ES256,
        OidcAlgorithm::ES384 => Algorithm::ES384,
        OidcAlgorithm::EdDSA => Algorithm::EdDSA,
    }
}

/// The case of somebody who comes too often.
pub(super) fn too_many(wait: TooMany) -> Case {
    Case::TooMany { retry_after: wait.0 }
}

/// What a run's token is, for those who send its request.
#[must_use]
pub fn run_token(desk: &Desk, run: &Run) -> Option<String> {
    let key = desk.ring.ring().run_key(clock::now().millis())?;
    Some(token::make(&key, &token::Claims::of(run)))
}
