//! OAuth2 client credentials (RFC 6749, 4.4), as golang.org/x/oauth2 asks for them: first with the credentials in a Basic
//! header, and where that is refused, with them in the form. Which of both a place wants is remembered.
//!
//! Unlike the peer: tokens are kept, the call has a time limit, and a place that is down is not asked a second time at once.

use super::error::Denied;
use super::tokens::Token;
use crate::egress::redact::Scrubber;
use crate::egress::{Egress, Headers, Request, Response, Transport};
use crate::service::clip_chars;
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use url::form_urlencoded::byte_serialize;

/// How long before its end a token is not used any more.
const MARGIN: Duration = Duration::from_secs(60);
/// How long a token is used whose end is not said.
const UNSAID: Duration = Duration::from_secs(5 * 60);
/// Longest use, whatever the answer says.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Characters of a place's own words that are repeated.
const WORDS: usize = 200;
/// Places whose way is remembered; beyond it all are forgotten, which costs one call each.
const MOST_PLACES: usize = 1024;

/// Who asks, and where.
pub(super) struct Client<'a> {
    pub token_url: &'a str,
    pub id: &'a [u8],
    pub secret: &'a [u8],
    pub scopes: &'a [String],
}

/// Where a place wants the credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Header,
    Form,
}

/// Which way each place wants.
#[derive(Default)]
pub(super) struct Styles(Mutex<HashMap<String, Style>>);

impl Styles {
    fn of(&self, url: &str) -> Option<Style> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(url).copied()
    }
    fn learn(&self, url: &str, style: Style) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_PLACES {
            known.clear();
        }
        known.insert(url.to_owned(), style);
    }
}

/// Fetches a token.
pub(super) async fn fetch(
    egress: &Egress,
    transport: Transport,
    styles: &Styles,
    client: &Client<'_>,
) -> Result<Token, Denied> {
    let known = styles.of(client.token_url);
    let first = known.unwrap_or(Style::Header);
    let answer = ask(egress, &transport, client, first).await?;
    let (style, answer) = match known {
        None if refused(&answer) => (Style::Form, ask(egress, &transport, client, Style::Form).await?),
        _ => (first, answer),
    };
    let token = read(client, &answer).map_err(|denied| denied.within("failed to obtain OAuth2 access token"))?;
    styles.learn(client.token_url, style);
    Ok(token)
}

/// Whether the place may have wanted the credentials elsewhere; 5xx and 429 say nothing of that.
fn refused(answer: &Response) -> bool {
    (400..500).contains(&answer.status) && answer.status != 429
}

async fn ask(egress: &Egress, transport: &Transport, client: &Client<'_>, style: Style) -> Result<Response, Denied> {
    let request = request(transport, client, style)
        .map_err(|cause| Denied::lasting(format!("failed to obtain OAuth2 access token: {cause}")))?;
    egress.send(&request).await.map_err(|error| {
        let passes = super::error::AskError::of(error.clone(), "POST", client.token_url).is_transport();
        Denied { cause: format!("failed to obtain OAuth2 access token: {error}"), passes }
    })
}

fn request(transport: &Transport, client: &Client<'_>, style: Style) -> Result<Request, String> {
    let escape = |bytes: &[u8]| byte_serialize(bytes).collect::<String>();
    let mut headers = Headers::default();
    let mut form = String::new();
    match style {
        Style::Header => headers.basic(escape(client.id).as_bytes(), escape(client.secret).as_bytes()),
        Style::Form => {
            form = format!("client_id={}&client_secret={}&", escape(client.id), escape(client.secret));
            Ok(())
        }
    }
    .map_err(|illegal| illegal.to_string())?;
    form.push_str("grant_type=client_credentials");
    if !client.scopes.is_empty() {
        form.push_str(&format!("&scope={}", escape(client.scopes.join(" ").as_bytes())));
    }
    headers
        .set("Content-Type", b"application/x-www-form-urlencoded")
        .and_then(|()| headers.set("Accept", b"application/json"))
        .map_err(|illegal| illegal.to_string())?;
    Ok(Request {
        method: "POST".into(),
        url: client.token_url.to_owned(),
        headers: headers.into_list(),
        body: form.into(),
        transport: transport.clone(),
    })
}

fn read(client: &Client<'_>, answer: &Response) -> Result<Token, Denied> {
    let fields = fields(answer);
    let text = |name: &str| fields[name].as_str().unwrap_or_default();
    let code = text("error");
    if !(200..300).contains(&answer.status) || !code.is_empty() {
        let said = [code, text("error_description")].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
        let said = Scrubber::new([client.id, client.secret]).scrub(&said.join(": "));
        let words = format!("oauth2: cannot fetch token: {} {}", answer.status, clip_chars(&said, WORDS));
        return Err(Denied {
            cause: words.trim_end().to_owned(),
            passes: answer.status >= 500 || answer.status == 429,
        });
    }
    match text("access_token") {
        "" => Err(Denied::lasting("oauth2: server response missing access_token")),
        token => Ok(Token { value: token.into(), lifetime: lifetime(&fields["expires_in"]) }),
    }
}

/// JSON, or a form where the answer says so.
fn fields(answer: &Response) -> Json {
    let kind = answer.header("content-type").unwrap_or_default();
    if kind.starts_with("application/x-www-form-urlencoded") || kind.starts_with("text/plain") {
        let pairs = url::form_urlencoded::parse(&answer.body).map(|(name, value)| (name.into_owned(), value.into()));
        return Json::Object(pairs.collect());
    }
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// A number, or a number as text (some places do so).
fn lifetime(expires_in: &Json) -> Duration {
    let seconds = expires_in.as_f64().or_else(|| expires_in.as_str().and_then(|text| text.trim().parse().ok()));
    match seconds.filter(|seconds| *seconds > 0.0) {
        // A token that is good for less than two margins is used for half its time.
        Some(seconds) => {
            let said = Duration::from_secs_f64(seconds.min(LONGEST.as_secs_f64()));
            said.saturating_sub(MARGIN).max(said / 2)
        }
        None => UNSAID,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn answer(status: u16, kind: &str, body: &str) -> Response {
        let headers = vec![("content-type".to_owned(), kind.as_bytes().to_vec())];
        let body = bytes::Bytes::copy_from_slice(body.as_bytes());
        Response { status, headers, body, truncated: false, elapsed: Duration::ZERO }
    }

    const SCOPES: [&str; 2] = ["deployments:read", "approvals:read"];

    fn with_client<R>(work: impl FnOnce(&Client<'_>) -> R) -> R {
        let scopes = SCOPES.map(str::to_owned);
        work(&Client { token_url: "https://t.example/oauth/token", id: b"cid", secret: b"s&cret", scopes: &scopes })
    }

    #[test]
    fn requests_are_gos() {
        let (header, form) = with_client(|client| {
            let of = |style| request(&Transport::default(), client, style).unwrap();
            (of(Style::Header), of(Style::Form))
        });
        assert!(header.headers.contains(&("Authorization".into(), b"Basic Y2lkOnMlMjZjcmV0".to_vec())));
        assert_eq!(header.body, "grant_type=client_credentials&scope=deployments%3Aread+approvals%3Aread");
        assert!(form.body.starts_with(b"client_id=cid&client_secret=s%26cret&grant_type="));
        assert!(!form.headers.iter().any(|(name, _)| name == "Authorization"));
    }

    #[test]
    fn lifetimes_end_before_the_token_does() {
        assert_eq!(lifetime(&json!(3600)), Duration::from_secs(3540));
        assert_eq!(lifetime(&json!("3600")), Duration::from_secs(3540));
        assert_eq!(lifetime(&json!(40)), Duration::from_secs(20));
        for unsaid in [json!(null), json!(0), json!(-5), json!("x")] {
            assert_eq!(lifetime(&unsaid), UNSAID);
        }
        assert_eq!(lifetime(&json!(1e18)), LONGEST - MARGIN);
    }

    #[test]
    fn answers_are_read_in_both_forms_and_never_repeat_a_secret() {
        let read = |answer: Response| with_client(|client| read(client, &answer));
        assert_eq!(&*read(answer(200, "application/json", r#"{"access_token":"t"}"#)).unwrap().value, "t");
        let form = "access_token=t&expires_in=120";
        assert_eq!(read(answer(200, "text/plain", form)).unwrap().lifetime, Duration::from_secs(60));
        let said = r#"{"error":"invalid_client","error_description":"s&cret is wrong"}"#;
        let denied = read(answer(401, "application/json", said)).err().unwrap();
        assert_eq!(denied.cause, "oauth2: cannot fetch token: 401 invalid_client: [secret] is wrong");
        assert!(!denied.passes && read(answer(503, "", "")).err().unwrap().passes);
        assert!(read(answer(200, "", "{}")).err().unwrap().cause.contains("missing access_token"));
    }
}
