//! Whether a request proves that it comes from somebody who holds a key of the gate's Secret.
//!
//! Pure. Comparisons take the same time wherever texts differ. The forms are those of the senders:
//!
//! | key of the Secret | what is shown |
//! |---|---|
//! | `github` | `X-Hub-Signature-256: sha256=<hex of HMAC-SHA256 of the body>` (GitHub, Gitea, Forgejo, Bitbucket as `X-Hub-Signature`) |
//! | `gitlab` | `X-Gitlab-Token: <the key>` |
//! | `standard` | Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature` (GitLab's signing tokens, Svix and others) |
//! | `bearer` | `Authorization: Bearer <the key>` |

use crate::controller::gate::ask::Data;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// How far a Standard Webhooks timestamp may be from now.
const TOLERANCE_SECS: i64 = 300;
/// Shorter keys believe nobody: they could be guessed.
const SHORTEST_KEY: usize = 16;
/// Signatures of one request that are looked at.
const MOST_SIGNATURES: usize = 8;

/// Headers of a request, by lower-case name.
pub(super) trait Shown {
    /// The first value; `None` where there is none, or it is no text.
    fn header(&self, name: &str) -> Option<&str>;
}

/// What can be said before the body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Early {
    /// A token was shown, and is right.
    Proven,
    /// Only a signature of the body can prove it.
    NeedsBody,
    /// Nothing is shown that a key of the Secret could prove.
    Nothing,
}

/// Judges what needs no body.
pub(super) fn early(keys: &Data, shown: &impl Shown) -> Early {
    let token = |key: &str, token: Option<&str>| {
        token.zip(usable(keys, key)).is_some_and(|(token, key)| same(token.as_bytes(), key))
    };
    if token("bearer", bearer(shown)) || token("gitlab", shown.header("x-gitlab-token")) {
        return Early::Proven;
    }
    let signed = github_signature(shown).is_some() && usable(keys, "github").is_some();
    let standard = shown.header("webhook-signature").is_some() && usable(keys, "standard").is_some();
    if signed || standard { Early::NeedsBody } else { Early::Nothing }
}

/// The token of `Authorization: Bearer …`.
pub(super) fn bearer(shown: &impl Shown) -> Option<&str> {
    let (word, token) = shown.header("authorization")?.split_once(' ')?;
    word.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Judges the signatures of a body.
pub(super) fn signed(keys: &Data, shown: &impl Shown, body: &[u8], now_secs: i64) -> bool {
    let github = usable(keys, "github").zip(github_signature(shown));
    let github = github.is_some_and(|(key, signature)| verify(key, &[body], &signature));
    // Both are computed, so that the time does not tell which key there is.
    let standard = usable(keys, "standard").is_some_and(|key| standard(key, shown, body, now_secs));
    github | standard
}

fn usable<'a>(keys: &'a Data, name: &str) -> Option<&'a [u8]> {
    // A line break at the end comes from a Secret made with `echo`; no sender signs with one.
    keys.get(name).map(|key| key.trim_ascii_end()).filter(|key| key.len() >= SHORTEST_KEY)
}

fn github_signature(shown: &impl Shown) -> Option<Vec<u8>> {
    let text = shown.header("x-hub-signature-256").or_else(|| shown.header("x-hub-signature"))?;
    data_encoding::HEXLOWER_PERMISSIVE.decode(text.trim().strip_prefix("sha256=")?.as_bytes()).ok()
}

fn standard(key: &[u8], shown: &impl Shown, body: &[u8], now_secs: i64) -> bool {
    let parts = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| shown.header(name));
    let [Some(id), Some(time), Some(signatures)] = parts else { return false };
    let recent = time.parse::<i64>().is_ok_and(|time| now_secs.abs_diff(time) <= TOLERANCE_SECS.unsigned_abs());
    let key = match key.strip_prefix(b"whsec_") {
        Some(encoded) => STANDARD.decode(encoded).unwrap_or_default(),
        None => key.to_vec(),
    };
    let believed = |signature: &str| {
        let signature = signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
        signature.is_some_and(|signature| verify(&key, &[id.as_bytes(), b".", time.as_bytes(), b".", body], &signature))
    };
    recent && key.len() >= SHORTEST_KEY && signatures.split(' ').take(MOST_SIGNATURES).any(believed)
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    parts.iter().for_each(|part| mac.update(part));
    Some(mac)
}

fn verify(key: &[u8], parts: &[&[u8]], signature: &[u8]) -> bool {
    mac(key, parts).is_some_and(|mac| mac.verify_slice(signature).is_ok())
}

/// Compares digests, so that neither the place of a difference nor a length shows in the time.
fn same(one: &[u8], other: &[u8]) -> bool {
    let label = b"gatepost hook token";
    mac(label, &[other]).is_some_and(|mac| verify(label, &[one], &mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const KEY: &str = "a key of sixteen or more";
    const NOW: i64 = 1_800_000_000;

    struct Headers(Vec<(&'static str, String)>);
    impl Shown for Headers {
        fn header(&self, name: &str) -> Option<&str> {
            self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
        }
    }

    fn keys(name: &str, key: &str) -> Data {
        Data::from([(name.to_owned(), key.as_bytes().to_vec())])
    }

    fn github(key: &str, body: &[u8]) -> Headers {
        let digest = mac(key.as_bytes(), &[body]).unwrap().finalize().into_bytes();
        Headers(vec![("x-hub-signature-256", format!("sha256={}", data_encoding::HEXLOWER.encode(&digest)))])
    }

    fn standard_headers(key: &[u8], time: i64, body: &[u8]) -> Headers {
        let time = time.to_string();
        let digest = mac(key, &[b"msg_1", b".", time.as_bytes(), b".", body]).unwrap().finalize().into_bytes();
        let signature = format!("v1a,xx v1,AAAA v1,{}", STANDARD.encode(digest));
        Headers(vec![("webhook-id", "msg_1".into()), ("webhook-timestamp", time), ("webhook-signature", signature)])
    }

    #[test]
    fn githubs_own_example_is_believed() {
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let shown = Headers(vec![("x-hub-signature-256", signature.into())]);
        let keys = keys("github", "It's a Secret to Everybody");
        assert_eq!(early(&keys, &shown), Early::NeedsBody);
        assert!(signed(&keys, &shown, b"Hello, World!", NOW));
        assert!(!signed(&keys, &shown, b"Hello, World?", NOW));
    }

    #[test]
    fn the_standards_own_example_is_believed_while_it_is_new() {
        let keys = keys("standard", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let shown = |time: &str| {
            let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".to_owned();
            let id = "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned();
            Headers(vec![("webhook-id", id), ("webhook-timestamp", time.into()), ("webhook-signature", signature)])
        };
        let (body, time) = (br#"{"test": 2432232314}"#, 1_614_265_330);
        assert!(signed(&keys, &shown("1614265330"), body, time + TOLERANCE_SECS));
        assert!(!signed(&keys, &shown("1614265330"), body, time + TOLERANCE_SECS + 1));
        assert!(!signed(&keys, &shown("1614265331"), body, time), "the time is signed too");
    }

    #[test]
    fn a_signature_of_another_key_body_or_form_is_not_believed() {
        assert!(signed(&keys("github", KEY), &github(KEY, b"b"), b"b", NOW));
        assert!(signed(&keys("github", &format!("{KEY}\n")), &github(KEY, b"b"), b"b", NOW));
        assert!(!signed(&keys("github", "another key of sixteen"), &github(KEY, b"b"), b"b", NOW));
        assert!(!signed(&keys("standard", KEY), &github(KEY, b"b"), b"b", NOW));
        assert!(signed(&keys("standard", KEY), &standard_headers(KEY.as_bytes(), NOW, b"b"), b"b", NOW));
        assert!(!signed(&keys("github", KEY), &standard_headers(KEY.as_bytes(), NOW, b"b"), b"b", NOW));
        for broken in ["sha256=zz", "sha1=00", ""] {
            assert!(!signed(&keys("github", KEY), &Headers(vec![("x-hub-signature-256", broken.into())]), b"b", NOW));
        }
    }

    #[test]
    fn tokens_are_believed_before_the_body_is_read() {
        let bearer = |text: &str| Headers(vec![("authorization", text.to_owned())]);
        assert_eq!(early(&keys("bearer", KEY), &bearer(&format!("bearer {KEY}"))), Early::Proven);
        assert_eq!(early(&keys("bearer", KEY), &bearer(&format!("Basic {KEY}"))), Early::Nothing);
        assert_eq!(early(&keys("bearer", KEY), &bearer("Bearer ")), Early::Nothing);
        assert_eq!(early(&keys("gitlab", KEY), &bearer(&format!("Bearer {KEY}"))), Early::Nothing);
        let gitlab = Headers(vec![("x-gitlab-token", KEY.into())]);
        assert_eq!(early(&keys("gitlab", KEY), &gitlab), Early::Proven);
        assert_eq!(early(&Data::new(), &gitlab), Early::Nothing);
    }

    #[test]
    fn short_keys_believe_nobody() {
        let empty = Headers(vec![("authorization", "Bearer ".into()), ("x-gitlab-token", String::new())]);
        for key in ["", "\n", "short"] {
            assert_eq!(early(&keys("bearer", key), &empty), Early::Nothing);
            assert_eq!(early(&keys("gitlab", key), &empty), Early::Nothing);
            assert!(!signed(&keys("github", key), &github(key, b"b"), b"b", NOW));
            assert!(!signed(&keys("standard", key), &standard_headers(key.as_bytes(), NOW, b"b"), b"b", NOW));
        }
        assert!(!signed(
            &keys("standard", "whsec_AAAAAAAAAAAAAAAA"),
            &standard_headers(&[0; 12], NOW, b"b"),
            b"b",
            NOW
        ));
    }
}
