//! Access tokens of Gatepost's own `POST /oauth/token`: client credentials in, a signed token out (RFC 6749, RFC 9068).
//!
//! An unknown client and a wrong secret are answered alike, after the same work. A token names the generation of its client:
//! rotating or deleting the client's Secret revokes it at once.

use super::keys::{ACCESS_TOKEN_LIFE_MS, Error, Ring};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use subtle::ConstantTimeEq as _;

/// The token type of RFC 9068.
const TYPE: &str = "at+jwt";
/// What a token allows.
const SCOPE: &str = "approvals:callback";
/// Longest access token that is looked at.
const LENGTH_MAX: usize = 4096;

/// A client, as its Secret has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// `<namespace>/<name>` of the Secret.
    pub id: String,
    /// SHA-256 of the client secret.
    pub secret_sha256: [u8; 32],
    /// Changes with the Secret's UID and the client secret.
    pub generation: String,
}

impl Client {
    /// A client of a Secret's UID and digest.
    #[must_use]
    pub fn new(id: String, uid: &str, secret_sha256: [u8; 32]) -> Self {
        let mut digest = Sha256::new();
        digest.update(uid.as_bytes());
        digest.update(secret_sha256);
        let generation = data_encoding::HEXLOWER.encode(&digest.finalize()[..12]);
        Self { id, secret_sha256, generation }
    }

    /// Whether this is its secret; compared in constant time, and after the same work where there is no such client.
    #[must_use]
    pub fn proves(client: Option<&Self>, secret: &str) -> bool {
        let given = Sha256::digest(secret.as_bytes());
        let expected = client.map_or([0; 32], |client| client.secret_sha256);
        let equal = bool::from(given.ct_eq(&expected));
        equal && client.is_some()
    }
}

/// What a token request asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The client's id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// `grant_type`.
    pub grant_type: String,
    /// Whom the token is for.
    pub audience: Option<String>,
    /// Whether HTTP Basic was used.
    pub basic: bool,
}

/// An error answer of RFC 6749, section 5.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The request is no such request.
    InvalidRequest(&'static str),
    /// Unknown client, wrong secret, no secret.
    InvalidClient {
        /// HTTP Basic was used: the answer names it.
        basic: bool,
    },
    /// Not `client_credentials`.
    UnsupportedGrantType,
}

impl Refusal {
    /// HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        if matches!(self, Self::InvalidClient { .. }) { 401 } else { 400 }
    }

    /// The body.
    #[must_use]
    pub fn body(self) -> Value {
        let (error, description) = match self {
            Self::InvalidRequest(why) => ("invalid_request", why),
            Self::InvalidClient { .. } => ("invalid_client", "unknown client or wrong secret"),
            Self::UnsupportedGrantType => ("unsupported_grant_type", "grant_type has to be client_credentials"),
        };
        json!({"error": error, "error_description": description})
    }
}

impl Wanted {
    /// Reads a form and an `Authorization` header. A form whose first field is written `data=audience=…`, as one well-known
    /// command line has it, means the audience.
    ///
    /// # Errors
    /// A field that is there twice, credentials that cannot be read.
    pub fn read(form: &[u8], authorization: Option<&str>) -> Result<Self, Refusal> {
        let mut fields = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(form) {
            if fields.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(Refusal::InvalidRequest("a field is there twice"));
            }
        }
        let mut take = |name: &str| fields.remove(name).unwrap_or_default();
        let mut wanted = Self {
            client_id: take("client_id"),
            client_secret: take("client_secret"),
            grant_type: take("grant_type"),
            audience: Some(take("audience")).filter(|audience| !audience.is_empty()),
            basic: false,
        };
        if let (None, Some(text)) = (&wanted.audience, take("data").strip_prefix("audience=")) {
            wanted.audience = Some(text.to_owned());
        }
        if let Some(encoded) = authorization.and_then(basic) {
            if !wanted.client_secret.is_empty() {
                return Err(Refusal::InvalidRequest("credentials in the header and in the form: use one of the two"));
            }
            (wanted.client_id, wanted.client_secret) = encoded;
            wanted.basic = true;
        }
        Ok(wanted)
    }
}

/// Client id and secret of HTTP Basic; both are form-encoded there (RFC 6749, section 2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    use base64::Engine as _;
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':')?;
    let plain =
        |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    Some((plain(id), plain(secret)))
}

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    sub: String,
    aud: String,
    client_id: String,
    scope: String,
    iat: i64,
    exp: i64,
    jti: String,
    #[serde(rename = "gen")]
    generation: String,
}

impl Claims {
    /// The client's id.
    #[must_use]
    pub fn client(&self) -> &str {
        &self.client_id
    }

    /// The generation of the client that it was given to.
    #[must_use]
    pub fn generation(&self) -> &str {
        &self.generation
    }
}

/// Who issues tokens, and for whom.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// The external URL.
    pub url: String,
    /// Audiences that tokens may have; the first is the default.
    pub audiences: Vec<String>,
}

impl Issuer {
    /// The answer to a token request whose client was looked up.
    ///
    /// # Errors
    /// The refusal, or the trouble with the keys.
    pub fn issue(
        &self,
        ring: &Ring,
        wanted: &Wanted,
        client: Option<&Client>,
        now_ms: i64,
    ) -> Result<Result<Value, Refusal>, Error> {
        let proven = Client::proves(client, &wanted.client_secret);
        let Some(client) = client.filter(|_| proven) else {
            return Ok(Err(Refusal::InvalidClient { basic: wanted.basic }));
        };
        if wanted.grant_type != "client_credentials" {
            return Ok(Err(Refusal::UnsupportedGrantType));
        }
        let asked = wanted.audience.as_ref().or_else(|| self.audiences.first());
        let Some(audience) = asked.filter(|asked| self.audiences.contains(asked)) else {
            return Ok(Err(Refusal::InvalidRequest("this audience is not one of callbacks.audiences")));
        };
        let token = self.sign(ring, client, audience, now_ms)?;
        Ok(Ok(json!({
            "access_token": token, "token_type": "Bearer", "expires_in": ACCESS_TOKEN_LIFE_MS / 1000, "scope": SCOPE,
        })))
    }

    fn sign(&self, ring: &Ring, client: &Client, audience: &str, now_ms: i64) -> Result<String, Error> {
        let (kid, key) = ring.signing(now_ms).ok_or_else(|| Error::Sign("there is no key yet".to_owned()))?;
        let claims = Claims {
            iss: self.url.clone(),
            sub: client.id.clone(),
            aud: audience.to_owned(),
            client_id: client.id.clone(),
            scope: SCOPE.to_owned(),
            iat: now_ms / 1000,
            exp: (now_ms + ACCESS_TOKEN_LIFE_MS) / 1000,
            jti: uuid::Uuid::new_v4().to_string(),
            generation: client.generation.clone(),
        };
        let header = Header { typ: Some(TYPE.to_owned()), kid: Some(kid), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &claims, &key).map_err(|error| Error::Sign(error.to_string()))
    }

    /// What a token says, if this issuer made it and it has not expired. Whether its client still is what it was is to be asked.
    #[must_use]
    pub fn verify(&self, ring: &Ring, token: &str, now_ms: i64) -> Option<Claims> {
        if token.len() > LENGTH_MAX {
            return None;
        }
        let header = jsonwebtoken::decode_header(token).ok()?;
        if header.alg != Algorithm::ES256 || header.typ.as_deref() != Some(TYPE) {
            return None;
        }
        let key = DecodingKey::from_jwk(&ring.public_of(header.kid.as_deref()?)?).ok()?;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[&self.url]);
        validation.set_audience(&self.audiences);
        // Time is an argument here; the library would read the clock.
        validation.validate_exp = false;
        let said = jsonwebtoken::decode::<Claims>(token, &key, &validation).ok()?.claims;
        let now = now_ms / 1000;
        (said.iat <= now + 60 && now < said.exp).then_some(said)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn issuer() -> Issuer {
        let audiences = vec!["https://api.gatepost.example".to_owned(), "other".to_owned()];
        Issuer { url: "https://gatepost.example".into(), audiences }
    }

    fn client(secret: &str) -> Client {
        Client::new("ci/runner".into(), "u1", Sha256::digest(secret.as_bytes()).into())
    }

    fn wanted(form: &str) -> Wanted {
        Wanted::read(form.as_bytes(), None).unwrap()
    }

    #[test]
    fn the_form_of_the_well_known_command_line_is_read() {
        let form = "data=audience=https://api.gatepost.example&grant_type=client_credentials&client_id=ci/runner&client_secret=s3";
        let read = wanted(form);
        assert_eq!(read.audience.as_deref(), Some("https://api.gatepost.example"));
        assert_eq!((read.client_id.as_str(), read.client_secret.as_str(), read.basic), ("ci/runner", "s3", false));
        let twice = Wanted::read(b"client_id=a&client_id=b", None);
        assert_eq!(twice.unwrap_err().body()["error"], "invalid_request");
    }

    #[test]
    fn basic_credentials_are_decoded_and_not_given_twice() {
        // ci%2Frunner:a%2Bb
        let header = "Basic Y2klMkZydW5uZXI6YSUyQmI=";
        let read = Wanted::read(b"grant_type=client_credentials", Some(header)).unwrap();
        assert_eq!((read.client_id.as_str(), read.client_secret.as_str(), read.basic), ("ci/runner", "a+b", true));
        assert!(Wanted::read(b"client_secret=x", Some(header)).is_err());
    }

    #[test]
    fn a_token_is_issued_and_verified() {
        let ring = Ring::default().tended(NOW).unwrap().unwrap();
        let (issuer, client) = (issuer(), client("s3"));
        let asked = wanted("grant_type=client_credentials&client_id=ci/runner&client_secret=s3");
        let answer = issuer.issue(&ring, &asked, Some(&client), NOW).unwrap().unwrap();
        assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(86400)));
        let token = answer["access_token"].as_str().unwrap();
        let said = issuer.verify(&ring, token, NOW).unwrap();
        assert_eq!((said.client(), said.generation()), ("ci/runner", client.generation.as_str()));
        assert!(issuer.verify(&ring, token, NOW + ACCESS_TOKEN_LIFE_MS).is_none(), "expired");
        let elsewhere = Issuer { url: "https://other.example".into(), ..issuer.clone() };
        assert!(elsewhere.verify(&ring, token, NOW).is_none());
        let stranger = Ring::default().tended(NOW).unwrap().unwrap();
        assert!(issuer.verify(&stranger, token, NOW).is_none());
        assert_eq!(crate::controller::identity::claimed_issuer(token).as_deref(), Some("https://gatepost.example"));
        assert_eq!(crate::controller::identity::claimed_issuer("x.y"), None);
    }

    #[test]
    fn refusals_are_those_of_the_standard() {
        let ring = Ring::default().tended(NOW).unwrap().unwrap();
        let (issuer, client) = (issuer(), client("s3"));
        let refused =
            |form: &str, client: Option<&Client>| issuer.issue(&ring, &wanted(form), client, NOW).unwrap().unwrap_err();
        let wrong = refused("grant_type=client_credentials&client_secret=s4", Some(&client));
        let unknown = refused("grant_type=client_credentials&client_secret=s3", None);
        assert_eq!((wrong, wrong.status(), wrong.body()), (unknown, 401, unknown.body()));
        assert_eq!(refused("client_secret=s3", Some(&client)), Refusal::UnsupportedGrantType);
        let audience = refused("grant_type=client_credentials&client_secret=s3&audience=x", Some(&client));
        assert_eq!((audience.status(), audience.body()["error"].clone()), (400, json!("invalid_request")));
    }

    #[test]
    fn a_rotated_client_is_another_generation() {
        assert_ne!(client("a").generation, client("b").generation);
        let same_secret = Client::new("ci/runner".into(), "u2", client("a").secret_sha256);
        assert_ne!(client("a").generation, same_secret.generation, "deleted and made again");
    }
}
