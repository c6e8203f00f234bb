//! Which redirects are followed, and what of a request goes on to the next hop.
//!
//! Pure. Credentials never follow to another origin unless it is the same host, gone from http to https, of a service.

use super::client::parse;
use super::redact;
use super::request::{Error, Redirects, Request, Response, Transport};
use bytes::Bytes;
use reqwest::{Method, Url};

/// What describes a body; it goes when the body goes.
const OF_THE_BODY: [&str; 4] = ["content-type", "content-encoding", "content-language", "content-location"];
/// What may be told to another origin: nothing that a gate could have put a credential in.
const HARMLESS: [&str; 6] =
    ["accept", "accept-language", "content-type", "content-encoding", "content-language", "user-agent"];

/// One request on its way.
pub(super) struct Hop {
    pub url: Url,
    pub method: Method,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Bytes,
    pub transport: Transport,
}

/// Whether credentials go on to the next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credentials {
    Keep,
    Drop,
}

impl Hop {
    pub(super) fn first(request: &Request) -> Result<Self, Error> {
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| Error::Invalid(format!("`{}` is not an HTTP method", request.method)))?;
        Ok(Self {
            url: parse(&request.url)?,
            method,
            headers: request.headers.clone(),
            body: request.body.clone(),
            transport: request.transport.clone(),
        })
    }

    /// Go's rules: 301, 302 and 303 turn anything but GET and HEAD into GET without a body.
    pub(super) fn redirected(&mut self, status: u16, next: Url, credentials: Credentials) {
        let keeps = matches!(status, 307 | 308) || self.method == Method::GET || self.method == Method::HEAD;
        if !keeps {
            self.method = Method::GET;
            self.body = Bytes::new();
            self.headers.retain(|(name, _)| !listed(&OF_THE_BODY, name));
        }
        if credentials == Credentials::Drop {
            self.headers.retain(|(name, _)| listed(&HARMLESS, name));
            self.transport.tls.certificate = None;
            // A name of the first host.
            self.transport.tls.server_name.clear();
        }
        self.url = next;
    }
}

fn listed(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Where a redirect goes, if this is one that is followed.
pub(super) fn target(hop: &Hop, answer: &Response) -> Result<Option<(Url, Credentials)>, Error> {
    if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = answer.header("location") else { return Ok(None) };
    let from = &hop.url;
    let refuse = |location: String, why: &str| Error::Redirect {
        target: redact::target(from.as_str()),
        location,
        why: why.into(),
    };
    let next = from.join(location).map_err(|_| refuse("an unreadable Location".into(), "it is not a URL"))?;
    if next.origin() == from.origin() {
        return Ok(Some((next, Credentials::Keep)));
    }
    let why = match &hop.transport.redirects {
        Redirects::SameHost if next.host() == from.host() && from.scheme() == "http" && next.scheme() == "https" => {
            return Ok(Some((next, Credentials::Keep)));
        }
        Redirects::SameHost => "it leads to another host; set this URL in the service",
        Redirects::SameOrigin(also) if !is_listed(&next, also) => {
            "it leads to another scheme, host or port; ask that URL instead, or add the host to gates.requests.redirects"
        }
        Redirects::SameOrigin(_) if answer.status >= 307 && !hop.body.is_empty() => {
            "it wants the body repeated at another host; ask that URL instead"
        }
        Redirects::SameOrigin(_) => return Ok(Some((next, Credentials::Drop))),
    };
    Err(refuse(redact::target(next.as_str()), why))
}

fn is_listed(url: &Url, rules: &[super::policy::Rule]) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).trim_end_matches('.');
    let port = url.port_or_known_default().unwrap_or(0);
    rules.iter().any(|rule| rule.covers(host, super::resolver::literal(url), port))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::egress::{ClientCertificate, Rule, TlsOptions};
    use std::time::Duration;

    fn hop(url: &str, method: &str, body: &str, redirects: Redirects) -> Hop {
        let certificate = Some(ClientCertificate { chain_pem: Vec::new(), key_pem: Vec::new() });
        let headers = ["Authorization", "Private-Token", "X-Own", "Content-Type", "Accept"];
        Hop::first(&Request {
            method: method.into(),
            url: url.into(),
            headers: headers.map(|name| (name.to_owned(), b"v".to_vec())).to_vec(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            transport: Transport {
                redirects,
                tls: TlsOptions { certificate, ..TlsOptions::default() },
                ..Transport::default()
            },
        })
        .unwrap()
    }

    fn to(status: u16, location: &str) -> Response {
        let headers = vec![("location".to_owned(), location.as_bytes().to_vec())];
        Response { status, headers, body: Bytes::new(), truncated: false, elapsed: Duration::ZERO }
    }

    fn origin(also: &[&str]) -> Redirects {
        Redirects::SameOrigin(also.iter().map(|rule| Rule::parse(rule).unwrap()).collect())
    }

    fn names(hop: &Hop) -> Vec<&str> {
        hop.headers.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn a_gate_follows_within_its_origin_only() {
        let hop = hop("https://a.example/x", "GET", "", origin(&[]));
        let (next, kept) = target(&hop, &to(302, "/y?z=1")).unwrap().unwrap();
        assert_eq!((next.as_str(), kept), ("https://a.example/y?z=1", Credentials::Keep));
        for elsewhere in ["https://b.example/", "https://a.example:8443/", "http://a.example/", "//169.254.169.254/"] {
            let refused = target(&hop, &to(302, elsewhere)).unwrap_err().to_string();
            assert!(refused.contains("gates.requests.redirects"), "{refused}");
        }
        assert!(target(&hop, &to(200, "/y")).unwrap().is_none());
    }

    #[test]
    fn a_service_may_go_from_http_to_https() {
        let hop = hop("http://a.example/x", "GET", "", Redirects::SameHost);
        assert!(target(&hop, &to(301, "https://a.example/x")).unwrap().is_some());
        assert!(target(&hop, &to(301, "http://a.example:81/x")).is_err());
        assert!(target(&hop, &to(301, "http://b.example/x")).is_err());
    }

    #[test]
    fn nothing_that_could_be_a_credential_goes_to_a_listed_host() {
        let mut first = hop("https://a.example/x", "GET", "", origin(&["b.example:443"]));
        let (next, kept) = target(&first, &to(302, "https://B.example/y")).unwrap().unwrap();
        first.redirected(302, next, kept);
        assert_eq!(names(&first), ["Content-Type", "Accept"]);
        assert!(first.transport.tls.certificate.is_none());
        let posted = hop("https://a.example/x", "POST", "secret", origin(&["b.example"]));
        assert!(target(&posted, &to(307, "https://b.example/y")).unwrap_err().to_string().contains("body repeated"));
        assert!(target(&posted, &to(303, "https://b.example/y")).unwrap().is_some());
    }

    #[test]
    fn a_post_becomes_a_get_without_what_describes_its_body() {
        let mut posted = hop("https://a.example/x", "POST", "text", origin(&[]));
        let next = posted.url.clone();
        posted.redirected(302, next, Credentials::Keep);
        assert_eq!((posted.method.as_str(), posted.body.len()), ("GET", 0));
        assert_eq!(names(&posted), ["Authorization", "Private-Token", "X-Own", "Accept"]);
        let mut kept = hop("https://a.example/x", "POST", "text", origin(&[]));
        let next = kept.url.clone();
        kept.redirected(307, next, Credentials::Keep);
        assert_eq!((kept.method.as_str(), kept.body.len(), names(&kept).len()), ("POST", 4, 5));
    }
}
