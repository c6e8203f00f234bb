//! Tokens of a GitHub App's installation for gates: the installation found by its owner where it is not named, both kept.

use super::error::{AskError, Denied};
use super::tokens::{self, Held, Key, Token, Tokens};
use crate::egress::{Egress, Headers, Request, Response, Transport};
use crate::service::clip_chars;
use crate::service::github_app::{self, App, TOKEN_LIFETIME};
use bytes::Bytes;
use std::time::Duration;

/// How long it is believed which installation an owner has.
const INSTALLATION_LIFETIME: Duration = Duration::from_secs(3600);
/// Pages of installations that are looked through.
const MOST_PAGES: usize = 20;
/// Time before its end that a token is not used any more.
const MARGIN_SECS: i64 = 60;
/// Characters of GitHub's own words that are repeated.
const WORDS: usize = 200;

/// Whose token is wanted.
pub(super) struct Installation<'a> {
    pub api: &'a str,
    pub app: &'a str,
    pub private_key: &'a str,
    /// Empty: that of the owner.
    pub installation: &'a str,
    pub owner: &'a str,
    /// Namespace that asks: tokens are not shared between namespaces.
    pub namespace: &'a str,
}

impl Installation<'_> {
    fn app(&self) -> App<'_> {
        App { api: self.api, id: self.app, private_key: self.private_key }
    }
    fn key(&self, what: &str, of: &str) -> Key {
        let parts = [what, self.namespace, self.api, self.app, self.private_key, of];
        tokens::key(&parts.map(str::as_bytes))
    }
}

/// The token, and what it is kept by.
pub(super) async fn token(
    egress: &Egress,
    transport: &Transport,
    tokens: &Tokens,
    of: &Installation<'_>,
) -> Result<(Key, Held), Denied> {
    let installation = match of.installation {
        "" => {
            let found = tokens.get(of.key("installation", of.owner), find(egress, transport, of)).await?;
            found.value.to_string()
        }
        named => named.to_owned(),
    };
    let key = of.key("token", &installation);
    Ok((key, tokens.get(key, fetch(egress, transport, of, &installation)).await?))
}

async fn fetch(
    egress: &Egress,
    transport: &Transport,
    of: &Installation<'_>,
    installation: &str,
) -> Result<Token, Denied> {
    let answer = ask(egress, transport, of, "POST", of.app().token_url(installation)).await?;
    let Some((value, ends)) = github_app::token(&answer.body) else {
        return Err(Denied { cause: "GitHub answered without a token".into(), passes: true });
    };
    let left = ends.map(|ends| ends.as_second() - crate::clock::now().secs - MARGIN_SECS);
    let lifetime = left.map_or(TOKEN_LIFETIME, |left| Duration::from_secs(u64::try_from(left).unwrap_or(0)));
    Ok(Token { value: value.into(), lifetime: lifetime.min(TOKEN_LIFETIME) })
}

async fn find(egress: &Egress, transport: &Transport, of: &Installation<'_>) -> Result<Token, Denied> {
    for page in 1..=MOST_PAGES {
        let answer = ask(egress, transport, of, "GET", of.app().installations_url(page)).await?;
        match github_app::installation(&answer.body, of.owner) {
            (Some(id), _) => return Ok(Token { value: id.to_string().into(), lifetime: INSTALLATION_LIFETIME }),
            (None, true) => {}
            (None, false) => break,
        }
    }
    Err(Denied::lasting(format!("installation of app {} not found for org: {}", of.app, of.owner)))
}

async fn ask(
    egress: &Egress,
    transport: &Transport,
    of: &Installation<'_>,
    method: &str,
    url: String,
) -> Result<Response, Denied> {
    let headers: Headers = of.app().headers(crate::clock::now().millis()).map_err(Denied::lasting)?;
    let request = Request {
        method: method.to_owned(),
        url,
        headers: headers.into_list(),
        body: Bytes::new(),
        transport: transport.clone(),
    };
    let answer = egress.send(&request).await.map_err(|error| {
        let passes = AskError::of(error.clone(), method, &request.url).is_transport();
        Denied { cause: error.to_string(), passes }
    })?;
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let words = clip_chars(body["message"].as_str().unwrap_or_default(), WORDS);
    let passes = answer.status >= 500 || answer.status == 429;
    Err(Denied { cause: format!("GitHub answered {} to the App: {words}", answer.status), passes })
}
