//! What services over HTTP share: transport options, headers, the policy of quick retries, what a status means.

use super::{QuickRetry, RequestError, Verdict};
use crate::egress::{self, ClientCertificate, Response, TlsOptions, Transport};
use crate::notify::ServiceConfig;
use crate::notify::kind::{Field, Record, Shape};
use serde_json::Value as Json;
use std::time::Duration;

/// Time from the request to the end of the answer; the Go controller waits for ever.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// Name of the header that says what a body is.
pub const CONTENT_TYPE: &str = "Content-Type";
/// A user name with its password.
pub const BASIC_AUTH: Record =
    Record { go: "BasicAuth", fields: &[Field::new("username", Shape::Text), Field::new("password", Shape::Text)] };
/// Tries after the first where `retryMax` is absent or 0.
const RETRY_MAX: i64 = 3;
/// First wait where `retryWaitMin` is absent or 0.
const RETRY_WAIT_MIN: Duration = Duration::from_secs(1);
/// Longest wait where `retryWaitMax` is absent or 0.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(5);
/// Longest Retry-After that is believed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// Reads options of a service.
pub struct Options<'a>(pub &'a ServiceConfig);

impl<'a> Options<'a> {
    /// A text; empty where absent.
    pub fn text(&self, name: &str) -> &'a str {
        self.0.options.get(name).and_then(Json::as_str).unwrap_or_default()
    }
    /// A switch.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.0.options.get(name).and_then(Json::as_bool)
    }
    fn number(&self, name: &str) -> i64 {
        self.0.options.get(name).and_then(Json::as_i64).unwrap_or(0)
    }
    /// A duration in nanoseconds; `None` where absent or not positive.
    fn duration(&self, name: &str) -> Option<Duration> {
        u64::try_from(self.number(name)).ok().filter(|n| *n > 0).map(Duration::from_nanos)
    }
    /// The policy of quick retries.
    pub fn policy(&self, answer_timeout: Duration) -> QuickRetry {
        let max = match self.number("retryMax") {
            0 => RETRY_MAX,
            n => n,
        };
        QuickRetry {
            max: u32::try_from(max.max(0)).unwrap_or(u32::MAX),
            wait_min: self.duration("retryWaitMin").unwrap_or(RETRY_WAIT_MIN),
            wait_max: self.duration("retryWaitMax").unwrap_or(RETRY_WAIT_MAX),
            idempotent: self.flag("idempotent").unwrap_or(false),
            answer_timeout: self.duration("answerTimeout").unwrap_or(answer_timeout),
        }
    }
    fn tls(&self) -> TlsOptions {
        let group = self.0.options.get("tls");
        let text = |name| group.and_then(|group| group.get(name)).and_then(Json::as_str).unwrap_or_default();
        let shown = ClientCertificate { chain_pem: text("certificate").into(), key_pem: text("key").into() };
        TlsOptions {
            insecure_skip_verify: self.flag("insecureSkipVerify").unwrap_or(false),
            roots_pem: text("ca").into(),
            // With one of the two only, sending says which one is missing.
            certificate: (!(shown.chain_pem.is_empty() && shown.key_pem.is_empty())).then_some(shown),
            server_name: text("serverName").trim().to_owned(),
        }
    }
    /// How the connection is made.
    pub fn transport(&self, answer_timeout: Duration) -> Transport {
        let defaults = Transport::default();
        // As the Go controller, a text that is no duration is ignored.
        let idle = gatepost_value::time::parse_duration(self.text("idleConnTimeout")).ok();
        let idle = idle.and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0).map(Duration::from_nanos);
        let per_host = usize::try_from(self.number("maxIdleConnsPerHost")).ok().filter(|n| *n > 0);
        Transport {
            owner: format!("{}/{}", self.0.namespace, self.0.name),
            tenant: self.0.namespace.clone(),
            tls: self.tls(),
            answer_timeout: self.policy(answer_timeout).answer_timeout,
            idle_timeout: idle.unwrap_or(defaults.idle_timeout),
            max_idle_per_host: per_host.unwrap_or(defaults.max_idle_per_host),
            ..defaults
        }
    }
}

/// Headers of a service's request; errors name the service.
#[derive(Default)]
pub struct Headers(egress::Headers);

impl Headers {
    /// Sets a header.
    ///
    /// # Errors
    /// Names and values that HTTP does not allow.
    pub fn set(&mut self, service: &str, name: &str, value: &str) -> Result<(), RequestError> {
        self.0.set(name, value.as_bytes()).map_err(|illegal| refused(service, illegal))
    }
    /// Basic authentication, which replaces any other.
    ///
    /// # Errors
    /// Never in practice: base64 is legal in a header.
    pub fn basic(&mut self, service: &str, username: &str, password: &str) -> Result<(), RequestError> {
        self.0.basic(username.as_bytes(), password.as_bytes()).map_err(|illegal| refused(service, illegal))
    }
    /// The headers in order.
    #[must_use]
    pub fn into_list(self) -> Vec<(String, Vec<u8>)> {
        self.0.into_list()
    }
}

impl From<egress::Headers> for Headers {
    fn from(headers: egress::Headers) -> Self {
        Self(headers)
    }
}

fn refused(service: &str, illegal: egress::Illegal) -> RequestError {
    RequestError::Header { service: service.to_owned(), header: illegal.0 }
}

/// Checks a URL as far as sending needs it.
///
/// # Errors
/// Other schemes than http and https, and texts without a host.
pub fn check_url(service: &str, url: &str) -> Result<(), RequestError> {
    let refuse = |cause: &str| RequestError::Url { service: service.to_owned(), cause: cause.to_owned() };
    if let Some(escape) = bad_escape(url.split(['?', '#']).next().unwrap_or_default()) {
        return Err(refuse(&format!("invalid URL escape \"{escape}\"")));
    }
    let parsed = url::Url::parse(url).map_err(|error| refuse(&error.to_string()))?;
    match (parsed.scheme(), parsed.has_host()) {
        ("http" | "https", true) => Ok(()),
        ("http" | "https", false) => Err(refuse("the URL has no host")),
        (scheme, _) => Err(refuse(&format!("unsupported protocol scheme \"{scheme}\""))),
    }
}

/// The first `%` of a URL before its query that two hexadecimal digits do not follow.
fn bad_escape(text: &str) -> Option<String> {
    let digit = |b: Option<&u8>| b.is_some_and(u8::is_ascii_hexdigit);
    let bytes = text.as_bytes();
    let at = bytes
        .iter()
        .enumerate()
        .position(|(i, b)| *b == b'%' && !(digit(bytes.get(i + 1)) && digit(bytes.get(i + 2))))?;
    Some(text.get(at..)?.chars().take(3).collect())
}

/// What a status means where the service says nothing else (`spec/delivery.md`, Attempts).
#[must_use]
pub fn judge(response: &Response, now_ms: i64) -> Verdict {
    let cause = format!("the receiver answered {}", response.status);
    match response.status {
        200..=299 => Verdict::Delivered { reached: None, note: None },
        408 | 425 | 429 | 500 | 502..=599 => Verdict::Retry { after: retry_after(response, now_ms), cause },
        401 | 403 => Verdict::Credentials { cause },
        404 | 405 | 409 | 300..=399 => Verdict::SlowRetry { cause },
        410 => Verdict::Gone { cause },
        _ => Verdict::Permanent { cause },
    }
}

/// Retry-After as seconds or as a date, clamped.
pub fn retry_after(response: &Response, now_ms: i64) -> Option<Duration> {
    let text = response.header("retry-after")?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => until(text, now_ms)?,
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// From now to a date as HTTP writes it; nothing left is no wait at all.
fn until(date: &str, now_ms: i64) -> Option<Duration> {
    let at = jiff::fmt::rfc2822::parse(date).ok()?.timestamp().as_millisecond();
    Some(Duration::from_millis(u64::try_from(at.saturating_sub(now_ms)).unwrap_or(0)))
}

/// Host of a URL; empty where it has none.
pub fn host(url: &str) -> String {
    url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)]) -> Response {
        let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), v.as_bytes().to_vec())).collect();
        Response { status, headers, body: bytes::Bytes::new(), truncated: false, elapsed: Duration::ZERO }
    }

    #[test]
    fn statuses() {
        assert!(matches!(judge(&answer(204, &[]), 0), Verdict::Delivered { .. }));
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert!(matches!(judge(&answer(status, &[]), 0), Verdict::Retry { .. }), "{status}");
        }
        for status in [400, 413, 415, 422, 501] {
            assert!(matches!(judge(&answer(status, &[]), 0), Verdict::Permanent { .. }), "{status}");
        }
        assert!(matches!(judge(&answer(404, &[]), 0), Verdict::SlowRetry { .. }));
        assert!(matches!(judge(&answer(401, &[]), 0), Verdict::Credentials { .. }));
        assert!(matches!(judge(&answer(410, &[]), 0), Verdict::Gone { .. }));
        let Verdict::Retry { after, .. } = judge(&answer(429, &[("retry-after", "99999999")]), 0) else { panic!() };
        assert_eq!(after, Some(RETRY_AFTER_MAX));
        let date = answer(503, &[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")]);
        assert_eq!(retry_after(&date, 1_445_412_470_000), Some(Duration::from_secs(10)));
        assert_eq!(retry_after(&date, 1_445_412_490_000), Some(Duration::ZERO));
    }

    #[test]
    fn headers_are_canonical_and_the_last_wins() {
        let mut headers = Headers::default();
        headers.set("s", "x-a", "1").unwrap();
        headers.set("s", "X-A", "2 \n").unwrap();
        headers.set("s", "host", "evil").unwrap();
        headers.basic("s", "u", "p").unwrap();
        let list = headers.into_list();
        assert_eq!(list[0], ("X-A".to_owned(), b"2".to_vec()));
        assert_eq!(list[1].0, "Authorization");
        assert_eq!(list.len(), 2);
        assert!(check_url("s", "http://h/%zz").is_err() && check_url("s", "http://h/%20?q=%zz").is_ok());
        assert!(Headers::default().set("s", "X-A", "a\nb").is_err());
        assert!(Headers::default().set("s", "bad name", "a").is_err());
    }
}
