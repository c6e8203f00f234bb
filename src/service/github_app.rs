//! In the name of a GitHub App: the signed request for an installation's token, and the token in the answer.
//!
//! Pure but for the signature's random numbers; who asks and who remembers the token is elsewhere.

use super::jwt::Key;
use crate::egress::Headers;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value as Json, json};
use std::time::Duration;

/// What the Go controller's client asks for.
pub const ACCEPT: &str = "application/vnd.github.v3+json";
/// How long an installation's token is used; it is good for an hour.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(55 * 60);
/// For clocks that go before GitHub's, as the Go controller's.
const ISSUED_BEFORE_SECS: i64 = 30;
/// How long the App's own word is good, as the Go controller's.
const GOOD_FOR_SECS: i64 = 120;
/// Installations on one page of the list.
pub const PAGE: usize = 100;
/// What stays as it is in a part of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// An App.
pub struct App<'a> {
    /// Address of the API, without a slash at its end.
    pub api: &'a str,
    /// Its number.
    pub id: &'a str,
    /// PEM of its key.
    pub private_key: &'a str,
}

impl App<'_> {
    /// The headers of a request in the App's own name.
    ///
    /// # Errors
    /// A key that cannot be read or used, in words that hold nothing of it.
    pub fn headers(&self, now_ms: i64) -> Result<Headers, String> {
        let issued = now_ms / 1000 - ISSUED_BEFORE_SECS;
        let claims = json!({"iat": issued, "exp": issued + GOOD_FOR_SECS, "iss": self.id});
        let word = Key::parse(self.private_key)?.token(&claims)?;
        let mut headers = Headers::default();
        let legal = headers.set("Accept", ACCEPT.as_bytes());
        legal
            .and_then(|()| headers.set("Authorization", format!("Bearer {word}").as_bytes()))
            .map_err(|illegal| illegal.to_string())?;
        Ok(headers)
    }

    /// Where an installation's tokens are made (POST).
    #[must_use]
    pub fn token_url(&self, installation: &str) -> String {
        format!("{}/app/installations/{}/access_tokens", self.api, utf8_percent_encode(installation, SEGMENT))
    }

    /// Where the App's installations are listed (GET).
    #[must_use]
    pub fn installations_url(&self, page: usize) -> String {
        format!("{}/app/installations?per_page={PAGE}&page={page}", self.api)
    }
}

/// The token of an answer, and when it ends (RFC 3339) where the answer says so.
#[must_use]
pub fn token(body: &[u8]) -> Option<(String, Option<jiff::Timestamp>)> {
    let body: Json = serde_json::from_slice(body).ok()?;
    let ends = body["expires_at"].as_str().and_then(|text| text.parse().ok());
    Some((body["token"].as_str()?.to_owned(), ends))
}

/// The installation of an owner on one page of the list, and whether there may be another page.
#[must_use]
pub fn installation(body: &[u8], owner: &str) -> (Option<i64>, bool) {
    let page: Vec<Json> = serde_json::from_slice(body).unwrap_or_default();
    let of_owner =
        |one: &&Json| one["account"]["login"].as_str().is_some_and(|login| login.eq_ignore_ascii_case(owner));
    (page.iter().find(of_owner).and_then(|one| one["id"].as_i64()), page.len() == PAGE)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn answers_are_read() {
        let (value, ends) = token(br#"{"token":"t","expires_at":"2026-01-02T03:04:05Z"}"#).unwrap();
        assert_eq!((value.as_str(), ends.unwrap().as_second()), ("t", 1_767_323_045));
        assert!(token(b"{}").is_none() && token(b"no").is_none());
        let page = br#"[{"id":1,"account":{"login":"x"}},{"id":7,"account":{"login":"Acme"}}]"#;
        assert_eq!(installation(page, "acme"), (Some(7), false));
        assert_eq!(installation(b"{}", "acme"), (None, false));
    }

    #[test]
    fn an_app_asks_in_its_own_name() {
        let app = App { api: "https://api.github.com", id: "1", private_key: crate::service::testing::RSA_KEY };
        let headers = app.headers(1_800_000_000_000).unwrap().into_list();
        assert!(headers.iter().any(|(name, value)| name == "Authorization" && value.starts_with(b"Bearer ey")));
        assert_eq!(app.token_url("5/../x"), "https://api.github.com/app/installations/5%2F..%2Fx/access_tokens");
        let broken = App { private_key: "secret words", ..app };
        assert!(!broken.headers(0).err().unwrap().contains("secret words"));
    }
}
