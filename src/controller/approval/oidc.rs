//! Tokens of OpenID Connect issuers: exact issuer and audience, an algorithm of the list, a rule for claims. An issuer's keys
//! are fetched with the reach of the approval's namespace, at most once a minute.

use super::crd::{OidcAlgorithm, OidcCaller};
use crate::egress::{Egress, Request, Transport};
use bytes::Bytes;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Least time between two fetches of one issuer's keys.
const FETCH_PAUSE: Duration = Duration::from_secs(60);
/// Bytes of an issuer's answers.
const ANSWER_MAX: usize = 256 << 10;
/// Issuers whose keys are kept.
const ISSUERS_MAX: usize = 256;
/// Difference of clocks that is forgiven, in seconds.
const LEEWAY: i64 = 60;
/// Longest token that is looked at.
const TOKEN_MAX: usize = 16 << 10;

/// What a token of an issuer says of its bearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Issuer and subject.
    pub name: String,
    /// Every claim.
    pub claims: Map<String, Value>,
}

/// The keys of issuers.
pub struct Issuers {
    egress: Arc<Egress>,
    /// Namespace that reaches as far as the platform does.
    platform: String,
    known: Mutex<HashMap<(String, String), Arc<Issuer>>>,
}

#[derive(Default)]
struct Issuer {
    keys: tokio::sync::Mutex<Option<(Instant, Arc<JwkSet>)>>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Issuers {
    /// Fetches through this door.
    #[must_use]
    pub fn new(egress: Arc<Egress>, platform: String) -> Self {
        Self { egress, platform, known: Mutex::default() }
    }

    /// Whose token this is, by one rule of an approval of this namespace; `None`: not proven. Claims are not judged yet.
    pub async fn subject(&self, namespace: &str, rule: &OidcCaller, token: &str, now_ms: i64) -> Option<Subject> {
        if token.len() > TOKEN_MAX {
            return None;
        }
        let header = jsonwebtoken::decode_header(token).ok()?;
        if !rule.algorithms.iter().any(|allowed| algorithm(*allowed) == header.alg) {
            return None;
        }
        let keys = self.keys(namespace, &rule.issuer, header.kid.as_deref()).await?;
        let key = match header.kid.as_deref() {
            Some(kid) => keys.find(kid)?,
            None => keys.keys.first().filter(|_| keys.keys.len() == 1)?,
        };
        let claims = verified(token, &DecodingKey::from_jwk(key).ok()?, rule, header.alg)?;
        if !is_timely(&claims, now_ms / 1000) {
            return None;
        }
        let name = format!("{}#{}", rule.issuer, claims.get("sub")?.as_str()?);
        Some(Subject { name, claims })
    }

    /// The keys of an issuer; fetched again for a key that is not among them, once a minute.
    async fn keys(&self, namespace: &str, issuer: &str, kid: Option<&str>) -> Option<Arc<JwkSet>> {
        let entry = self.entry(namespace, issuer);
        let mut held = entry.keys.lock().await;
        if let Some((fetched, keys)) = held.as_ref() {
            let has_it = kid.is_none_or(|kid| keys.find(kid).is_some());
            if fetched.elapsed() < FETCH_PAUSE || (has_it && fetched.elapsed() < FETCH_PAUSE * 60) {
                return Some(Arc::clone(keys));
            }
        }
        let keys = match self.fetch(namespace, issuer).await {
            Ok(keys) => Arc::new(keys),
            Err(cause) => {
                tracing::warn!(
                    issuer,
                    namespace,
                    cause,
                    "failed to fetch the keys of an issuer; tokens of it are refused"
                );
                // What was known stays good: an issuer that is away for a while must not lock everybody out.
                held.take().map_or_else(|| Arc::new(JwkSet { keys: Vec::new() }), |(_, keys)| keys)
            }
        };
        *held = Some((Instant::now(), Arc::clone(&keys)));
        Some(keys)
    }

    fn entry(&self, namespace: &str, issuer: &str) -> Arc<Issuer> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (namespace.to_owned(), issuer.to_owned());
        if known.len() >= ISSUERS_MAX && !known.contains_key(&key) {
            known.clear();
        }
        Arc::clone(known.entry(key).or_default())
    }

    async fn fetch(&self, namespace: &str, issuer: &str) -> Result<JwkSet, String> {
        let place = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let discovery: Discovery = self.get(namespace, place).await?;
        if discovery.issuer != issuer {
            return Err("its discovery document names another issuer".to_owned());
        }
        self.get(namespace, discovery.jwks_uri).await
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, namespace: &str, url: String) -> Result<T, String> {
        let tenant = if namespace == self.platform { String::new() } else { namespace.to_owned() };
        let transport = Transport {
            owner: format!("oidc/{namespace}"),
            tenant,
            answer_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            answer_limit: ANSWER_MAX,
            ..Transport::default()
        };
        let request = Request { method: "GET".to_owned(), url, headers: Vec::new(), body: Bytes::new(), transport };
        let answer = self.egress.send(&request).await.map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("it answered {}", answer.status));
        }
        serde_json::from_slice(&answer.body).map_err(|error| error.to_string())
    }
}

fn verified(token: &str, key: &DecodingKey, rule: &OidcCaller, algorithm: Algorithm) -> Option<Map<String, Value>> {
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[&rule.issuer]);
    validation.set_audience(&[&rule.audience]);
    // Time is an argument here; the library would read the clock.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    jsonwebtoken::decode::<Map<String, Value>>(token, key, &validation).ok().map(|data| data.claims)
}

fn is_timely(claims: &Map<String, Value>, now: i64) -> bool {
    let time = |name: &str| claims.get(name).map(|value| value.as_i64().or_else(|| value.as_f64().map(|f| f as i64)));
    let ends = time("exp").flatten().is_some_and(|exp| now < exp.saturating_add(LEEWAY));
    let began = |name| time(name).is_none_or(|at| at.is_some_and(|at| at <= now.saturating_add(LEEWAY)));
    ends && began("nbf") && began("iat")
}

/// Whether the claims satisfy every rule; without a rule nobody does.
#[must_use]
pub fn satisfies(claims: &Map<String, Value>, rules: &std::collections::BTreeMap<String, Vec<String>>) -> bool {
    let holds = |name: &String, wanted: &Vec<String>| match claims.get(name) {
        Some(Value::String(text)) => wanted.contains(text),
        Some(Value::Bool(flag)) => wanted.contains(&flag.to_string()),
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).any(|text| wanted.iter().any(|w| w == text)),
        _ => false,
    };
    !rules.is_empty() && rules.iter().all(|(name, wanted)| holds(name, wanted))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use serde_json::json;

    fn claims(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn every_rule_has_to_hold_and_none_is_nobody() {
        let said = claims(json!({"repository": "org/app", "groups": ["a", "b"], "verified": true, "n": 1}));
        let rules = |pairs: &[(&str, &[&str])]| {
            pairs.iter().map(|(n, v)| ((*n).to_owned(), v.iter().map(|x| (*x).to_owned()).collect())).collect()
        };
        assert!(satisfies(
            &said,
            &rules(&[("repository", &["org/app"]), ("groups", &["x", "b"]), ("verified", &["true"])])
        ));
        assert!(!satisfies(&said, &rules(&[("repository", &["org/app"]), ("groups", &["x"])])));
        assert!(!satisfies(&said, &rules(&[("n", &["1"])])) && !satisfies(&said, &rules(&[("absent", &["x"])])));
        assert!(!satisfies(&said, &rules(&[])));
    }

    #[test]
    fn a_token_has_its_time() {
        let timely = |value| is_timely(&claims(value), 1_000);
        assert!(
            timely(json!({"exp": 1_001}))
                && timely(json!({"exp": 941}))
                && timely(json!({"exp": 2_000.5, "iat": 1_060}))
        );
        for wrong in [json!({}), json!({"exp": 940}), json!({"exp": 2_000, "nbf": 1_061}), json!({"exp": "2000"})] {
            assert!(!timely(wrong.clone()), "{wrong}");
        }
    }
}
