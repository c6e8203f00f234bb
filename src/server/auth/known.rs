//! Who a bearer is, by whatever way of proving it is set up: the token of this machine, tokens by their digest, the issuer of people, the
//! cluster. The first that knows the bearer decides.

use super::Visitor;
use crate::clock;
use crate::controller::approval::Known as Caller;
use crate::controller::identity::{Away, Cluster, Identity, Limits, People, Recognised, Right};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

/// What rights on the dashboard are about, on the cluster.
const RESOURCE: &str = "relays";
/// Longest bearer token that is looked at.
const TOKEN_MAX: usize = 16 << 10;

/// Somebody who is known.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub name: String,
    pub groups: Vec<String>,
    /// As approvals know them.
    pub caller: Caller,
    pub may_read: bool,
    pub may_change: bool,
}

impl Known {
    /// Whoever keeps this Gatepost: may do everything that needs no person.
    pub fn keeper(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            groups: Vec::new(),
            caller: Caller::Keeper(name.to_owned()),
            may_read: true,
            may_change: true,
        }
    }

    fn of_cluster(identity: Identity, may_read: bool, may_change: bool) -> Self {
        Self {
            name: identity.user.clone(),
            groups: identity.groups.clone(),
            caller: Caller::Cluster(identity),
            may_read: may_read || may_change,
            may_change,
        }
    }

    /// As handlers see them.
    pub fn visitor(&self, csrf: Option<String>) -> Visitor {
        Visitor {
            name: self.name.clone(),
            may_read: self.may_read,
            may_change: self.may_change,
            csrf,
            groups: self.groups.clone(),
        }
    }
}

impl From<Recognised> for Known {
    fn from(who: Recognised) -> Self {
        let caller = Caller::Person(who.identity);
        Self { name: who.name, groups: who.groups, caller, may_read: who.may_read, may_change: who.may_change }
    }
}

/// What a session was made of.
#[derive(Clone)]
pub(super) enum Proof {
    /// A login at the issuer, which is over.
    Login,
    /// A bearer token, which is looked at again from time to time.
    Bearer(SecretString),
}

/// Why nobody is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// No way knows the bearer.
    Unknown,
    /// Too often, from this address; come again after so many seconds.
    TooMany(u32),
    /// Who knows cannot be asked now.
    Away(Away),
}

/// A token by its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticToken {
    name: String,
    may_change: bool,
    digest: [u8; 32],
}

impl StaticToken {
    /// Reads `<name>:<read|change>:<SHA-256 in hex>`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, digest) = text.rsplit_once(':')?;
        let (name, right) = rest.rsplit_once(':')?;
        let may_change = match right {
            "change" => true,
            "read" => false,
            _ => return None,
        };
        let digest = data_encoding::HEXLOWER_PERMISSIVE.decode(digest.trim().as_bytes()).ok()?;
        let name = name.trim();
        (!name.is_empty()).then_some(Self { name: name.to_owned(), may_change, digest: digest.try_into().ok()? })
    }
}

/// The ways of proving who one is.
#[derive(Default)]
pub struct Ways {
    /// Digest of the token of this machine.
    pub local: Option<[u8; 32]>,
    /// Tokens by their digest.
    pub tokens: Vec<StaticToken>,
    /// People of an issuer.
    pub people: Option<Arc<People>>,
    /// Who knows people and service accounts, where tokens of the cluster are taken.
    pub cluster: Option<Arc<dyn Cluster>>,
    /// Whether tokens that were made for the API server are taken.
    pub api_server_tokens: bool,
    /// Gatepost's own namespace.
    pub namespace: String,
}

impl Ways {
    /// Who a bearer is.
    pub(super) async fn of_bearer(&self, token: &str, from: IpAddr, limits: &Limits) -> Result<Known, Refused> {
        if token.is_empty() || token.len() > TOKEN_MAX {
            return Err(wrong(limits, from));
        }
        if let Some(known) = self.of_digest(&Sha256::digest(token.as_bytes()).into()) {
            return Ok(known);
        }
        limits.ask(from).map_err(|wait| Refused::TooMany(wait.0))?;
        if let Some(people) = self.people.as_ref().filter(|people| people.is_of_issuer(token)) {
            match people.recognise(token, clock::now().millis()).await {
                Ok(who) => return Ok(who.into()),
                Err(why) => tracing::debug!(%why, "a token of the issuer is not believed"),
            }
        }
        match self.of_cluster(token).await {
            Ok(Some(known)) => Ok(known),
            Ok(None) => Err(wrong(limits, from)),
            Err(away) => Err(Refused::Away(away)),
        }
    }

    /// Compared with every one, each in constant time.
    fn of_digest(&self, digest: &[u8; 32]) -> Option<Known> {
        let is = |other: &[u8; 32]| bool::from(digest.ct_eq(other));
        let local = self.local.as_ref().filter(|local| is(local)).map(|_| Known::keeper("local"));
        let listed = self.tokens.iter().filter(|token| is(&token.digest)).map(|token| {
            let name = format!("token:{}", token.name);
            Known { may_change: token.may_change, ..Known::keeper(&name) }
        });
        // Not the last one by a shorter way: that would tell by its time where a token stands.
        listed.fold(local, |_, known| Some(known))
    }

    async fn of_cluster(&self, token: &str) -> Result<Option<Known>, Away> {
        let Some(cluster) = &self.cluster else { return Ok(None) };
        let mut identity = cluster.who(token).await?;
        if identity.is_none() && self.api_server_tokens {
            identity = cluster.who_of_api_server(token).await?;
        }
        let Some(identity) = identity else { return Ok(None) };
        let right = |verb| Right { verb, resource: RESOURCE, subresource: "", namespace: &self.namespace, name: "" };
        let (view, operate) =
            futures::try_join!(cluster.may(&identity, right("view")), cluster.may(&identity, right("operate")))?;
        Ok(Some(Known::of_cluster(identity, view, operate)))
    }
}

fn wrong(limits: &Limits, from: IpAddr) -> Refused {
    limits.wrong(from).err().map_or(Refused::Unknown, |wait| Refused::TooMany(wait.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use async_trait::async_trait;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// A cluster that knows `ann` by `for-gatepost`, `bob` by `for-api-server`, and lets `ann` view.
    struct Small;

    #[async_trait]
    impl Cluster for Small {
        async fn who(&self, token: &str) -> Result<Option<Identity>, Away> {
            match token {
                "away" => Err(Away { what: "review a token", cause: "forbidden".into() }),
                "for-gatepost" => Ok(Some(Identity::vouched("ann".into(), vec!["team".into()]))),
                _ => Ok(None),
            }
        }
        async fn who_of_api_server(&self, token: &str) -> Result<Option<Identity>, Away> {
            Ok((token == "for-api-server").then(|| Identity::vouched("bob".into(), Vec::new())))
        }
        async fn may(&self, who: &Identity, right: Right<'_>) -> Result<bool, Away> {
            assert_eq!((right.resource, right.namespace, right.name), ("relays", "argocd", ""));
            Ok(who.user == "ann" && right.verb == "view")
        }
    }

    fn ways(api_server_tokens: bool) -> Ways {
        let digest = |text: &str| Sha256::digest(text.as_bytes()).into();
        let hex = data_encoding::HEXLOWER.encode(&Sha256::digest(b"robot-secret"));
        let tokens = vec![StaticToken::parse(&format!("ci:read:{hex}")).unwrap()];
        let cluster: Arc<dyn Cluster> = Arc::new(Small);
        Ways {
            local: Some(digest("of-this-machine")),
            tokens,
            people: None,
            cluster: Some(cluster),
            api_server_tokens,
            namespace: "argocd".into(),
        }
    }

    async fn rights(ways: &Ways, token: &str) -> Result<(String, bool, bool), Refused> {
        ways.of_bearer(token, HERE, &Limits::new(10)).await.map(|known| (known.name, known.may_read, known.may_change))
    }

    #[tokio::test]
    async fn each_way_knows_its_own() {
        let ways = ways(false);
        assert_eq!(rights(&ways, "of-this-machine").await, Ok(("local".into(), true, true)));
        assert_eq!(rights(&ways, "robot-secret").await, Ok(("token:ci".into(), true, false)));
        assert_eq!(rights(&ways, "for-gatepost").await, Ok(("ann".into(), true, false)));
        for stranger in ["", "of-this-machin", "for-api-server", "ann", &"x".repeat(TOKEN_MAX + 1)] {
            assert_eq!(rights(&ways, stranger).await, Err(Refused::Unknown), "{stranger:.20}");
        }
        assert!(matches!(rights(&ways, "away").await, Err(Refused::Away(_))));
        assert_eq!(rights(&Ways::default(), "for-gatepost").await, Err(Refused::Unknown), "no way at all");
    }

    #[tokio::test]
    async fn tokens_of_the_api_server_are_taken_where_the_settings_say_so() {
        assert_eq!(rights(&ways(true), "for-api-server").await, Ok(("bob".into(), false, false)));
    }

    #[tokio::test]
    async fn a_flood_of_wrong_tokens_is_slowed_down_and_costs_the_right_one_nothing() {
        let (ways, limits) = (ways(false), Limits::new(10));
        let mut slowed = false;
        for _ in 0..200 {
            slowed |= matches!(ways.of_bearer("wrong", HERE, &limits).await, Err(Refused::TooMany(_)));
        }
        assert!(slowed && ways.of_bearer("of-this-machine", HERE, &limits).await.is_ok());
    }

    #[test]
    fn a_token_by_its_digest_says_what_it_may() {
        let hex = "ab".repeat(32);
        let token = StaticToken::parse(&format!("ci:robot:change:{hex}")).unwrap();
        assert_eq!((token.name.as_str(), token.may_change), ("ci:robot", true));
        for wrong in [
            "",
            "ci",
            &hex,
            &format!("ci:{hex}"),
            &format!(":read:{hex}"),
            &format!("ci:write:{hex}"),
            "ci:read:abcd",
            "ci:read:zz",
        ] {
            assert_eq!(StaticToken::parse(wrong), None, "{wrong}");
        }
    }
}
