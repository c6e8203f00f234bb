//! Tokens of OpenID Connect issuers: exact issuer and audience, an algorithm of the list, its time. An issuer's keys are fetched
//! with the reach of the namespace that asks, at most once a minute.

use crate::egress::{Egress, Request, Transport};
use bytes::Bytes;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
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

/// What a token has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The issuer, exactly.
    pub issuer: String,
    /// Audiences, exactly; one has to be the token's.
    pub audiences: Vec<String>,
    /// Signatures that are taken, never one with a shared secret.
    pub algorithms: Vec<Algorithm>,
}

/// What an issuer says of itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Discovery {
    /// Its name.
    pub issuer: String,
    /// Where its keys are.
    pub jwks_uri: String,
    /// Where people log in.
    pub authorization_endpoint: String,
    /// Where codes become tokens.
    pub token_endpoint: String,
    /// Where a device begins.
    pub device_authorization_endpoint: String,
    /// What can be asked for.
    pub scopes_supported: Vec<String>,
    /// How clients prove themselves there; empty: HTTP Basic.
    pub token_endpoint_auth_methods_supported: Vec<String>,
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

impl Issuers {
    /// Fetches through this door.
    #[must_use]
    pub fn new(egress: Arc<Egress>, platform: String) -> Self {
        Self { egress, platform, known: Mutex::default() }
    }

    /// Whose token this is, asked by this namespace; `None`: not proven. Claims are not judged yet.
    pub async fn subject(&self, namespace: &str, expected: &Expected, token: &str, now_ms: i64) -> Option<Subject> {
        if token.len() > TOKEN_MAX {
            return None;
        }
        let header = jsonwebtoken::decode_header(token).ok()?;
        if !expected.algorithms.contains(&header.alg) {
            return None;
        }
        let keys = self.keys(namespace, &expected.issuer, header.kid.as_deref()).await?;
        let key = match header.kid.as_deref() {
            Some(kid) => keys.find(kid)?,
            None => keys.keys.first().filter(|_| keys.keys.len() == 1)?,
        };
        let claims = signed(token, &DecodingKey::from_jwk(key).ok()?, header.alg)?;
        if !is_for(&claims, expected) || !is_timely(&claims, now_ms / 1000) {
            return None;
        }
        let name = format!("{}#{}", expected.issuer, claims.get("sub")?.as_str().filter(|sub| !sub.is_empty())?);
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
        let discovery = self.discover(namespace, issuer).await?;
        self.get(namespace, discovery.jwks_uri).await
    }

    /// What an issuer says of itself.
    ///
    /// # Errors
    /// It cannot be reached, or speaks of another.
    pub async fn discover(&self, namespace: &str, issuer: &str) -> Result<Discovery, String> {
        let place = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let discovery: Discovery = self.get(namespace, place).await?;
        if discovery.issuer != issuer {
            return Err("its discovery document names another issuer".to_owned());
        }
        Ok(discovery)
    }

    async fn get<T: DeserializeOwned>(&self, namespace: &str, url: String) -> Result<T, String> {
        let (status, body) = self.send(namespace, "GET", url, Vec::new(), Bytes::new()).await?;
        if status != 200 {
            return Err(format!("it answered {status}"));
        }
        serde_json::from_slice(&body).map_err(|error| error.to_string())
    }

    /// Posts a form; with HTTP Basic where it is given. Answers with status and JSON.
    ///
    /// # Errors
    /// No answer, or none in JSON.
    pub async fn post(
        &self,
        namespace: &str,
        url: String,
        form: &[(&str, &str)],
        basic: Option<(&str, &str)>,
    ) -> Result<(u16, Value), String> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut headers = vec![
            ("Content-Type".to_owned(), b"application/x-www-form-urlencoded".to_vec()),
            ("Accept".to_owned(), b"application/json".to_vec()),
        ];
        if let Some(credentials) = basic {
            headers.push(("Authorization".to_owned(), basic_of(credentials)));
        }
        let (status, body) = self.send(namespace, "POST", url, headers, Bytes::from(body)).await?;
        let value = serde_json::from_slice(&body).map_err(|_| format!("it answered {status}, and not in JSON"))?;
        Ok((status, value))
    }

    async fn send(
        &self,
        namespace: &str,
        method: &str,
        url: String,
        headers: Vec<(String, Vec<u8>)>,
        body: Bytes,
    ) -> Result<(u16, Bytes), String> {
        let tenant = if namespace == self.platform { String::new() } else { namespace.to_owned() };
        let transport = Transport {
            owner: format!("oidc/{namespace}"),
            tenant,
            answer_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            answer_limit: ANSWER_MAX,
            ..Transport::default()
        };
        let request = Request { method: method.to_owned(), url, headers, body, transport };
        let answer = self.egress.send(&request).await.map_err(|error| error.to_string())?;
        Ok((answer.status, answer.body))
    }
}

/// HTTP Basic with both parts form-encoded (RFC 6749, section 2.3.1).
fn basic_of((id, secret): (&str, &str)) -> Vec<u8> {
    use base64::Engine as _;
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(id), encoded(secret));
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)).into_bytes()
}

/// The claims of a token that this key signed. Whom it is for and when it ends is judged by [`is_for`] and [`is_timely`]: the
/// library looks at a claim only where there is one, and reads the clock.
fn signed(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Option<Map<String, Value>> {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_aud = false;
    validation.validate_exp = false;
    validation.validate_nbf = false;
    jsonwebtoken::decode::<Map<String, Value>>(token, key, &validation).ok().map(|data| data.claims)
}

/// Whether a token is of the issuer and for one of the audiences. One that names none is for nobody.
#[must_use]
pub fn is_for(claims: &Map<String, Value>, expected: &Expected) -> bool {
    let wanted = |audience: &Value| audience.as_str().is_some_and(|name| expected.audiences.iter().any(|a| a == name));
    let named = match claims.get("aud") {
        Some(Value::Array(all)) => all.iter().any(wanted),
        Some(one) => wanted(one),
        None => false,
    };
    named && claims.get("iss").and_then(Value::as_str) == Some(expected.issuer.as_str())
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

/// The issuer that a token names, without any proof: it only says whose keys to ask.
#[must_use]
pub fn claimed_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        iss: String,
    }
    (token.len() <= TOKEN_MAX)
        .then(|| jsonwebtoken::dangerous::insecure_decode_claims::<Named>(token).ok())?
        .map(|named| named.iss)
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

    #[test]
    fn a_token_is_for_whom_it_names_and_for_nobody_if_it_names_none() {
        let expected = Expected {
            issuer: "https://i".into(),
            audiences: vec!["gatepost".into(), "cli".into()],
            algorithms: vec![Algorithm::ES256],
        };
        let is_ours = |value| is_for(&claims(value), &expected);
        assert!(is_ours(json!({"iss": "https://i", "aud": "cli"})));
        assert!(is_ours(json!({"iss": "https://i", "aud": ["x", "gatepost"]})));
        for wrong in [
            json!({"iss": "https://i"}),
            json!({"iss": "https://i", "aud": null}),
            json!({"iss": "https://i", "aud": []}),
            json!({"iss": "https://i", "aud": 1}),
            json!({"iss": "https://i", "aud": "gatepost2"}),
            json!({"iss": "https://i", "aud": [["gatepost"]]}),
            json!({"iss": "https://i/", "aud": "gatepost"}),
            json!({"iss": ["https://i"], "aud": "gatepost"}),
            json!({"aud": "gatepost"}),
        ] {
            assert!(!is_ours(wrong.clone()), "{wrong}");
        }
    }

    #[test]
    fn credentials_are_encoded_before_they_are_joined() {
        assert_eq!(basic_of(("a:b", "c d")), b"Basic YSUzQWI6Yytk");
    }
}
