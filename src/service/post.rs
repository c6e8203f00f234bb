//! What services share that post one JSON body: the stored form, recipients that are names in the configuration, the
//! request, and what a receiver says about a refusal. Never here: what a body holds.

use super::http::{self, Headers, Options, check_url};
use super::payload::Payload;
pub use super::stored::refuse;
use super::{Call, PrepareError, Prepared, RequestError, Verdict, stored, text};
use crate::egress::Request;
use crate::notify::ServiceConfig;
use bytes::Bytes;
use serde_json::Value as Json;

/// Largest body that is stored and sent.
const BODY_MAX: usize = 1 << 20;
/// Characters of a receiver's message that a cause shows.
const DETAIL_MAX: usize = 300;

/// A template without the section that a kind cannot do without.
pub fn no_section(kind: &str, advice: &str) -> PrepareError {
    refuse(format!("the template has no `{kind}` section"), advice)
}

/// What is stored: the body alone.
///
/// # Errors
/// A body that is too large.
pub fn stored(body: &[u8]) -> Result<Prepared, PrepareError> {
    if body.len() > BODY_MAX {
        let message = format!("the body has {} bytes, more than the {BODY_MAX} that are sent", body.len());
        return Err(refuse(message, "shorten what the template prints, for example with trunc"));
    }
    Ok(Prepared::of(Payload::new("POST", "", body).to_bytes()))
}

/// The same for JSON.
///
/// # Errors
/// A body that is too large.
pub fn stored_json(body: &Json) -> Result<Prepared, PrepareError> {
    stored(body.to_string().as_bytes())
}

/// The stored body.
///
/// # Errors
/// Where the payload is not ours.
pub fn body(call: &Call<'_>) -> Result<Vec<u8>, RequestError> {
    let service = &call.config.name;
    Payload::read(service, call.payload)?.body(service)
}

/// The stored body as JSON.
///
/// # Errors
/// Where the payload is not ours.
pub fn json_body(call: &Call<'_>) -> Result<Json, RequestError> {
    stored::read(&call.config.name, &body(call)?)
}

/// Sets the parts that a body has only if they are not empty.
pub fn set_filled(body: &mut Json, parts: impl IntoIterator<Item = (&'static str, String)>) {
    for (name, value) in parts.into_iter().filter(|(_, value)| !value.is_empty()) {
        body[name] = value.into();
    }
}

/// What an option that maps recipients holds for this one.
///
/// # Errors
/// A recipient that it does not name; which ones it does is said.
pub fn named<'a>(config: &'a ServiceConfig, option: &str, recipient: &str) -> Result<&'a str, RequestError> {
    let known = config.options.get(option).and_then(Json::as_object);
    let found = known.and_then(|known| known.get(recipient)).and_then(Json::as_str);
    found.ok_or_else(|| {
        let names: Vec<&str> = known.into_iter().flat_map(|known| known.keys().map(String::as_str)).collect();
        let there = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        let cause = format!("`{option}` does not name it (it names {there}); add it or correct the subscription");
        unusable(config, recipient, cause)
    })
}

/// The recipient cannot be reached with the configuration of now.
pub fn unusable(config: &ServiceConfig, recipient: &str, cause: impl Into<String>) -> RequestError {
    RequestError::Recipient { service: config.name.clone(), recipient: recipient.to_owned(), cause: cause.into() }
}

/// An option without which nothing can be sent.
///
/// # Errors
/// Where it is absent.
pub fn required<'a>(config: &'a ServiceConfig, option: &'static str) -> Result<&'a str, RequestError> {
    match config.options.get(option).and_then(Json::as_str).filter(|text| !text.trim().is_empty()) {
        Some(text) => Ok(text),
        None => Err(RequestError::Option { service: config.name.clone(), option }),
    }
}

/// A URL with these segments at the end of its path; a query stays behind them. What is no URL is left for
/// [`request`] to refuse.
pub fn below(api: &str, segments: &[&str]) -> String {
    let Ok(mut url) = url::Url::parse(api.trim()) else { return api.to_owned() };
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url.into()
}

/// A POST of JSON. A content type among `headers` stays.
///
/// # Errors
/// A URL that cannot be used.
pub fn request(config: &ServiceConfig, url: String, headers: Headers, body: Vec<u8>) -> Result<Request, RequestError> {
    check_url(&config.name, &url)?;
    let mut headers = headers.into_list();
    if !headers.iter().any(|(name, _)| name == "Content-Type") {
        headers.push(("Content-Type".to_owned(), b"application/json".to_vec()));
    }
    let transport = Options(config).transport(http::ANSWER_TIMEOUT);
    Ok(Request { method: "POST".to_owned(), url, headers, body: Bytes::from(body), transport })
}

/// The verdict with what the receiver says about it.
pub fn explained(mut verdict: Verdict, detail: &str) -> Verdict {
    let detail = detail.trim();
    if let Verdict::Retry { cause, .. }
    | Verdict::SlowRetry { cause }
    | Verdict::Credentials { cause }
    | Verdict::Permanent { cause }
    | Verdict::Unknown { cause }
    | Verdict::Gone { cause } = &mut verdict
        && !detail.is_empty()
    {
        *cause = format!("{cause}: {}", text::clip_chars(detail, DETAIL_MAX));
    }
    verdict
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn service(options: Json) -> ServiceConfig {
        let (namespace, digest) = (String::new(), String::new());
        ServiceConfig { namespace, name: "s".into(), kind: "teams".into(), options, digest }
    }

    #[test]
    fn unknown_recipients_are_told_what_exists_but_no_url() {
        let config = service(json!({"recipientUrls": {"a": "http://h/secret", "b": "http://h/secret"}}));
        assert_eq!(named(&config, "recipientUrls", "a").unwrap(), "http://h/secret");
        let error = named(&config, "recipientUrls", "x").unwrap_err().to_string();
        assert!(error.contains("'x'") && error.contains("a, b") && !error.contains("secret"), "{error}");
        assert!(named(&service(json!({})), "apiKeys", "x").unwrap_err().to_string().contains("names nothing"));
    }

    #[test]
    fn paths_grow_before_a_query() {
        assert_eq!(below("http://g/api/", &["annotations"]), "http://g/api/annotations");
        assert_eq!(below("http://g", &["a", "b/../c"]), "http://g/a/b%2F..%2Fc");
        assert_eq!(below("http://g/api?orgId=2", &["annotations"]), "http://g/api/annotations?orgId=2");
        assert_eq!(below("nonsense", &["a"]), "nonsense");
    }

    #[test]
    fn details_are_clipped_and_large_bodies_refused() {
        let verdict = explained(Verdict::Permanent { cause: "no".into() }, &"x".repeat(1000));
        assert!(matches!(verdict, Verdict::Permanent { cause } if cause.chars().count() == 304));
        assert!(stored(&vec![0; BODY_MAX + 1]).is_err());
    }
}
