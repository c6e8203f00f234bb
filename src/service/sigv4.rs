//! AWS Signature Version 4: the headers that authenticate one request. Checked against the vectors that AWS published.
//!
//! Pure: the time comes in. Only what is needed to call APIs whose parameters are in the body: one path, one query, no
//! chunked bodies.

use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use url::Url;

/// What AWS leaves as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The same in paths.
const PATH: &AsciiSet = &ESCAPED.remove(b'/');

/// Access key, secret key, and the token of temporary ones.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Access key.
    pub key: String,
    /// Secret key.
    pub secret: String,
    /// Session token; empty for lasting credentials.
    pub token: String,
}

/// What is signed for.
pub struct Scope<'a> {
    /// Region.
    pub region: &'a str,
    /// Name of the service as signatures have it, such as `sqs`.
    pub service: &'a str,
    /// Unix milliseconds.
    pub now_ms: i64,
}

/// The headers to add to a request that has these headers; names come in and go out in lower case. `None` where the time
/// is beyond the calendar.
pub fn sign(
    credentials: &Credentials,
    scope: &Scope<'_>,
    method: &str,
    url: &Url,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Vec<(String, String)>> {
    let at = jiff::Timestamp::from_millisecond(scope.now_ms).ok()?;
    let (date, time) = (at.strftime("%Y%m%d").to_string(), at.strftime("%Y%m%dT%H%M%SZ").to_string());
    let mut added = vec![("x-amz-date".to_owned(), time.clone())];
    if !credentials.token.is_empty() {
        added.push(("x-amz-security-token".to_owned(), credentials.token.clone()));
    }
    let mut all: Vec<(String, String)> = headers.iter().map(|(k, v)| ((*k).to_owned(), trimmed(v))).collect();
    all.extend(added.iter().cloned());
    all.push(("host".to_owned(), host(url)));
    all.sort();
    let names = all.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let canonical = canonical(method, url, &all, &names, body);
    let within = format!("{date}/{}/{}/aws4_request", scope.region, scope.service);
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{within}\n{}", hex(&Sha256::digest(canonical)));
    let first = hmac(format!("AWS4{}", credentials.secret).as_bytes(), date.as_bytes());
    let key = [scope.region, scope.service, "aws4_request"].iter().fold(first, |key, part| hmac(&key, part.as_bytes()));
    let signature = hex(&hmac(&key, to_sign.as_bytes()));
    added.push((
        "authorization".to_owned(),
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{within}, SignedHeaders={names}, Signature={signature}",
            credentials.key
        ),
    ));
    Some(added)
}

fn canonical(method: &str, url: &Url, headers: &[(String, String)], names: &str, body: &[u8]) -> String {
    let mut lines = String::new();
    for (name, value) in headers {
        let _ = writeln!(lines, "{name}:{value}");
    }
    // The path is encoded already, and encoded once more for the signature, as all services but S3 want it.
    let path = utf8_percent_encode(url.path(), PATH);
    format!("{method}\n{path}\n{}\n{lines}\n{names}\n{}", query(url), hex(&Sha256::digest(body)))
}

fn query(url: &Url) -> String {
    let escaped = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
    let mut pairs: Vec<_> = url.query_pairs().map(|(k, v)| (escaped(&k), escaped(&v))).collect();
    pairs.sort();
    pairs.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("&")
}

/// The host as HTTP sends it.
fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

/// Blanks around a value go, those within become one.
fn trimmed(value: &str) -> String {
    value.split(' ').filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// 2015-08-30T12:36:00Z
    const NOW_MS: i64 = 1_440_938_160_000;

    fn credentials(token: &str) -> Credentials {
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned();
        Credentials { key: "AKIDEXAMPLE".to_owned(), secret, token: token.to_owned() }
    }
    /// A published vector; most differ from the first in a field or two.
    struct Vector<'a> {
        service: &'a str,
        method: &'a str,
        url: &'a str,
        headers: &'a [(&'a str, &'a str)],
        body: &'a str,
        token: &'a str,
        signature: &'a str,
    }
    const VANILLA: Vector<'static> = Vector {
        service: "service",
        method: "GET",
        url: "https://example.amazonaws.com/",
        headers: &[],
        body: "",
        token: "",
        signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    };
    const POST: Vector<'static> = Vector {
        method: "POST",
        signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ..VANILLA
    };
    const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
    const UNRESERVED: &str = "https://example.amazonaws.com/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    fn signature(vector: &Vector<'_>) -> String {
        let scope = Scope { region: "us-east-1", service: vector.service, now_ms: NOW_MS };
        let (url, body) = (Url::parse(vector.url).unwrap(), vector.body.as_bytes());
        let signed = sign(&credentials(vector.token), &scope, vector.method, &url, vector.headers, body).unwrap();
        let header = signed.into_iter().find(|(name, _)| name == "authorization").unwrap().1;
        header.rsplit_once('=').unwrap().1.to_owned()
    }

    /// From "aws-sig-v4-test-suite" and the IAM example of AWS's documentation.
    #[test]
    fn the_published_vectors_are_met() {
        let vectors = [
            VANILLA,
            POST,
            Vector {
                url: UNRESERVED,
                signature: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
                ..VANILLA
            },
            Vector {
                url: "https://example.amazonaws.com/?Param2=value2&Param1=value1",
                signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
                ..VANILLA
            },
            Vector {
                headers: &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
                signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
                ..VANILLA
            },
            Vector {
                headers: &[("content-type", "application/x-www-form-urlencoded")],
                body: "Param1=value1",
                signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
                ..POST
            },
            Vector {
                token: TOKEN,
                signature: "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
                ..POST
            },
            Vector {
                service: "iam",
                url: "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
                headers: &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")],
                signature: "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
                ..VANILLA
            },
        ];
        for vector in vectors {
            assert_eq!(signature(&vector), vector.signature, "{} {}", vector.method, vector.url);
        }
    }

    #[test]
    fn the_session_token_is_signed_and_sent() {
        let scope = Scope { region: "eu-west-1", service: "sqs", now_ms: NOW_MS };
        let url = Url::parse("http://127.0.0.1:4566/").unwrap();
        let signed = sign(&credentials("tok"), &scope, "POST", &url, &[("content-type", "x")], b"{}").unwrap();
        assert!(signed.contains(&("x-amz-security-token".to_owned(), "tok".to_owned())));
        assert!(signed.contains(&("x-amz-date".to_owned(), "20150830T123600Z".to_owned())));
        let (_, authorization) = signed.last().unwrap();
        assert!(
            authorization.contains("Credential=AKIDEXAMPLE/20150830/eu-west-1/sqs/aws4_request"),
            "{authorization}"
        );
        assert!(authorization.contains("SignedHeaders=content-type;host;x-amz-date;x-amz-security-token"));
    }
}
