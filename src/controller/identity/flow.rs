//! The login of people by OpenID Connect's authorization code flow: with PKCE, a state that binds the answer to the browser that
//! asked, and a nonce that binds the token to this login.
//!
//! What is to be remembered meanwhile goes to the caller and comes back from it; nothing of a login is kept here.

use super::oidc::Discovery;
use super::people::{People, Recognised, Stranger, recognised};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// How long a person may take at the issuer.
const PATIENCE_MS: i64 = 10 * 60 * 1000;

/// Why a login failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The issuer cannot be asked.
    #[error("the issuer {issuer} cannot be asked: {cause}")]
    Issuer {
        /// The issuer.
        issuer: String,
        /// Why.
        cause: String,
    },
    /// It has no such endpoint, or one that must not be used.
    #[error("the issuer {issuer} names no {endpoint} that can be used")]
    Endpoint {
        /// The issuer.
        issuer: String,
        /// Which.
        endpoint: &'static str,
    },
    /// Not the answer to the login that this browser began.
    #[error("this is not the answer to a login that this browser began within the last ten minutes: begin again")]
    NotBegun,
    /// The issuer said no.
    #[error("the issuer refused the login: {0}")]
    Refused(String),
    /// The token is not believed.
    #[error("the issuer's token is not believed: {0}")]
    Stranger(#[from] Stranger),
    /// The token belongs to another login.
    #[error("the issuer's token belongs to another login: begin again")]
    Nonce,
}

/// A login that a browser began, kept by that browser, sealed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    state: String,
    nonce: String,
    verifier: String,
    redirect: String,
    until_ms: i64,
    /// Where the person wanted to go.
    pub next: String,
}

/// What the issuer sends a browser back with.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct Returned {
    /// The state.
    pub state: String,
    /// The code.
    pub code: String,
    /// The issuer (RFC 9207).
    pub iss: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
}

impl Begun {
    fn new(next: String, redirect: String, now_ms: i64) -> Self {
        let random = || URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        Self { state: random(), nonce: random(), verifier: random(), redirect, until_ms: now_ms + PATIENCE_MS, next }
    }

    /// Whether this is the answer to this login: of the same browser, in time, by the issuer that was asked.
    ///
    /// # Errors
    /// Not so, or the issuer said no.
    pub fn check(&self, returned: &Returned, issuer: &str, now_ms: i64) -> Result<(), Error> {
        let same = bool::from(self.state.as_bytes().ct_eq(returned.state.as_bytes()));
        if !same || now_ms >= self.until_ms || returned.iss.as_deref().is_some_and(|said| said != issuer) {
            return Err(Error::NotBegun);
        }
        match &returned.error {
            Some(error) => Err(Error::Refused(plain(error))),
            None if returned.code.is_empty() => Err(Error::NotBegun),
            None => Ok(()),
        }
    }

    /// Where the browser is sent.
    fn address(&self, endpoint: &str, client_id: &str, scopes: &[String]) -> Option<String> {
        let mut url = url::Url::parse(endpoint).ok()?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", client_id)
            .append_pair("redirect_uri", &self.redirect)
            .append_pair("scope", &scopes.join(" "))
            .append_pair("state", &self.state)
            .append_pair("nonce", &self.nonce)
            .append_pair("code_challenge", &challenge(&self.verifier))
            .append_pair("code_challenge_method", "S256");
        Some(url.into())
    }
}

fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// A word of an issuer that may be shown.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(128).collect()
}

impl People {
    /// Begins a login: what the browser keeps, and where it is sent.
    ///
    /// # Errors
    /// The issuer cannot be asked.
    pub async fn begin(&self, next: String, redirect: String, now_ms: i64) -> Result<(Begun, String), Error> {
        let discovery = self.known().await?;
        let endpoint = self.endpoint(&discovery.authorization_endpoint, "authorization_endpoint")?;
        let begun = Begun::new(next, redirect, now_ms);
        let address = begun.address(endpoint, &self.login.client_id, &self.login.scopes);
        Ok((begun, address.ok_or_else(|| self.no_endpoint("authorization_endpoint"))?))
    }

    /// Ends a login: who it was.
    ///
    /// # Errors
    /// Not the answer to this login, or not believed.
    pub async fn finish(&self, begun: &Begun, returned: &Returned, now_ms: i64) -> Result<Recognised, Error> {
        begun.check(returned, &self.login.issuer, now_ms)?;
        let token = self.exchange(begun, &returned.code).await?;
        let subject = self.proven(&token, now_ms).await.ok_or(Stranger::Unproven)?;
        let nonce = subject.claims.get("nonce").and_then(Value::as_str).unwrap_or_default();
        if !bool::from(nonce.as_bytes().ct_eq(begun.nonce.as_bytes())) {
            return Err(Error::Nonce);
        }
        Ok(recognised(&self.login, &subject.claims)?)
    }

    async fn exchange(&self, begun: &Begun, code: &str) -> Result<String, Error> {
        let discovery = self.known().await?;
        let endpoint = self.endpoint(&discovery.token_endpoint, "token_endpoint")?;
        let (id, secret) = (self.login.client_id.as_str(), self.login.client_secret.expose_secret());
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", begun.redirect.as_str()),
            ("code_verifier", begun.verifier.as_str()),
            ("client_id", id),
        ];
        let basic = takes_basic(&discovery);
        if !secret.is_empty() && !basic {
            form.push(("client_secret", secret));
        }
        let credentials = (!secret.is_empty() && basic).then_some((id, secret));
        let answer = self.issuers.post(&self.namespace, endpoint.to_owned(), &form, credentials).await;
        let (status, answer) = answer.map_err(|cause| self.away(cause))?;
        let token = answer["id_token"].as_str().filter(|_| status == 200);
        token.map(str::to_owned).ok_or_else(|| {
            let why = answer["error"].as_str().unwrap_or("it sent no id_token; is openid among auth.scopes?");
            Error::Refused(plain(why))
        })
    }

    async fn known(&self) -> Result<std::sync::Arc<Discovery>, Error> {
        self.discovery().await.map_err(|cause| self.away(cause))
    }

    /// An endpoint; where the issuer has TLS its endpoints have it, too.
    fn endpoint<'a>(&self, url: &'a str, name: &'static str) -> Result<&'a str, Error> {
        let plain_allowed = self.login.issuer.starts_with("http://");
        let usable = url.starts_with("https://") || (plain_allowed && url.starts_with("http://"));
        usable.then_some(url).ok_or_else(|| self.no_endpoint(name))
    }

    fn no_endpoint(&self, endpoint: &'static str) -> Error {
        Error::Endpoint { issuer: self.login.issuer.clone(), endpoint }
    }

    fn away(&self, cause: String) -> Error {
        Error::Issuer { issuer: self.login.issuer.clone(), cause }
    }
}

fn takes_basic(discovery: &Discovery) -> bool {
    let methods = &discovery.token_endpoint_auth_methods_supported;
    methods.is_empty() || methods.iter().any(|method| method == "client_secret_basic")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn begun() -> Begun {
        Begun::new("/".into(), "https://g/login/callback".into(), 1_000)
    }

    fn returned(state: &str) -> Returned {
        Returned { state: state.to_owned(), code: "c".into(), ..Returned::default() }
    }

    #[test]
    fn only_the_answer_to_this_login_is_taken() {
        let begun = begun();
        let good = returned(&begun.state);
        assert_eq!(begun.check(&good, "https://i", 1_001), Ok(()));
        assert_eq!(begun.check(&good, "https://i", 1_000 + PATIENCE_MS), Err(Error::NotBegun), "too late");
        let other = Returned { iss: Some("https://evil".into()), ..good.clone() };
        assert_eq!(begun.check(&other, "https://i", 1_001), Err(Error::NotBegun), "another issuer's answer");
        let said = Returned { error: Some("access_denied\u{1b}[1m".into()), code: String::new(), ..good.clone() };
        assert_eq!(begun.check(&said, "https://i", 1_001), Err(Error::Refused("access_denied[1m".into())));
        for wrong in [returned(""), returned("x"), Returned { code: String::new(), ..good }] {
            assert_eq!(begun.check(&wrong, "https://i", 1_001), Err(Error::NotBegun));
        }
    }

    #[test]
    fn the_browser_is_sent_with_a_challenge_and_never_with_the_verifier() {
        let begun = begun();
        let address = begun.address("https://i/auth?tenant=a", "gatepost", &["openid".into(), "email".into()]).unwrap();
        let url = url::Url::parse(&address).unwrap();
        let of = |name: &str| url.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        assert_eq!((of("tenant").as_str(), of("scope").as_str()), ("a", "openid email"));
        assert_eq!((of("code_challenge_method").as_str(), of("code_challenge")), ("S256", challenge(&begun.verifier)));
        assert!(!address.contains(&begun.verifier) && of("state") != of("nonce"));
        // RFC 7636, appendix B.
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }
}
