//! What may be shown of requests and answers: never a path, a credential or a known secret.

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::collections::BTreeSet;
use std::fmt::Write as _;

const MASK: &str = "[secret]";
/// Shorter values are too likely to hit ordinary text.
const SHORTEST_SECRET: usize = 4;
/// The same for a part of a secret: a line of a key, a segment of a path, the part of its base64 that is sure.
const SHORTEST_PART: usize = 8;
/// Forms of secrets that are looked for at most; beyond it the longest secrets' own forms are not.
const NEEDLES_MAX: usize = 200_000;
/// Characters of a URL that are shown.
const LONGEST_SHOWN: usize = 300;

/// Scheme, host and port of a URL; chat webhooks carry their secret in the path.
#[must_use]
pub fn target(url: &str) -> String {
    let Ok(url) = url::Url::parse(url) else { return "an unparsable URL".into() };
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

/// A URL for the people whose request it is: with its path and the names of its query, without userinfo, query values and
/// fragment.
#[must_use]
pub fn shown(url: &str) -> String {
    let Ok(mut url) = url::Url::parse(url) else { return "an unparsable URL".into() };
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    let names: Vec<_> = url.query_pairs().map(|(name, _)| percent(&name)).collect();
    url.set_query(None);
    let query: Vec<_> = names.iter().map(|name| format!("{name}=…")).collect();
    let path: String = url.as_str().chars().take(LONGEST_SHOWN).collect();
    if query.is_empty() { path } else { format!("{path}?{}", query.join("&")).chars().take(LONGEST_SHOWN).collect() }
}

/// Replaces known secret values: as they are, in base64 at any place of a longer text, URL-encoded, and as JSON writes them.
#[derive(Clone, Default)]
pub struct Scrubber {
    found: Option<AhoCorasick>,
    /// What is secret cannot be looked for.
    shows_nothing: bool,
}

impl Scrubber {
    /// A scrubber for these secret values.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut needles = BTreeSet::new();
        for secret in secrets {
            let text = String::from_utf8_lossy(secret);
            let text = text.trim();
            if text.len() < SHORTEST_SECRET || needles.len() > NEEDLES_MAX {
                continue;
            }
            forms(text, &mut needles);
            if secret != text.as_bytes() {
                needles.extend([STANDARD_NO_PAD.encode(secret), URL_SAFE_NO_PAD.encode(secret)]);
            }
            for part in parts(text) {
                forms(&part, &mut needles);
            }
        }
        if needles.is_empty() {
            return Self::default();
        }
        // Not told in the log: log lines pass a scrubber themselves.
        match AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&needles) {
            Ok(found) => Self { found: Some(found), shows_nothing: false },
            Err(_) => Self { found: None, shows_nothing: true },
        }
    }

    /// The text with every known secret masked.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        if self.shows_nothing {
            return MASK.to_owned();
        }
        let Some(found) = &self.found else { return text.to_owned() };
        let mut out = String::with_capacity(text.len());
        found.replace_all_with(text, &mut out, |_, _, out| {
            out.push_str(MASK);
            true
        });
        out
    }
}

/// The ways in which a secret may be written.
fn forms(text: &str, needles: &mut BTreeSet<String>) {
    let bytes = text.as_bytes();
    let json = serde_json::Value::from(text).to_string();
    let json = json.trim_matches('"').to_owned();
    let upper = percent(text);
    needles.extend([
        text.to_owned(),
        json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"),
        json,
        STANDARD_NO_PAD.encode(bytes),
        URL_SAFE_NO_PAD.encode(bytes),
        url::form_urlencoded::byte_serialize(bytes).collect(),
        upper.to_lowercase(),
        upper,
    ]);
    // Inside a longer text, such as `user:password`, base64 has one of three beginnings, and an end that depends on what follows.
    for before in 0..3_usize {
        let padded = [&[0_u8; 3][..before], bytes].concat();
        let sure = (padded.len() / 3) * 4;
        for encoded in [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            let core = encoded.get([0, 2, 3][before]..sure).unwrap_or_default();
            if core.len() >= SHORTEST_PART {
                needles.insert(core.to_owned());
            }
        }
    }
}

/// What is as good as the whole: lines of a key; of a URL its password, its path, and what looks like a token in it.
fn parts(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = match text.contains('\n') {
        true => text.lines().map(str::trim).filter(|line| !line.starts_with("-----")).map(str::to_owned).collect(),
        false => Vec::new(),
    };
    if let Ok(url) = url::Url::parse(text)
        && url.has_host()
    {
        let path = url.path();
        let query = url.query().map(|query| format!("{path}?{query}"));
        let values = url.query_pairs().map(|(_, value)| value.into_owned()).collect::<Vec<_>>();
        let segments = path.split('/').map(str::to_owned).chain(values).filter(|part| is_token(part));
        parts.extend(segments);
        if path.split('/').any(is_token) {
            parts.push(path.to_owned());
        }
        parts.extend(query);
        parts.extend(url.password().map(decoded));
        parts.extend(url.password().map(str::to_owned));
    }
    parts.retain(|part| part.len() >= SHORTEST_PART);
    parts
}

/// Words of an API's path are no secrets; long ones with a digit may be.
fn is_token(part: &str) -> bool {
    part.len() >= SHORTEST_PART && part.bytes().any(|b| b.is_ascii_digit())
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_path_and_credentials() {
        assert_eq!(
            target("https://u:p@hooks.example.com:8443/services/T0/SECRET?x=y"),
            "https://hooks.example.com:8443"
        );
        assert_eq!(target("::"), "an unparsable URL");
    }

    #[test]
    fn ones_own_url_is_shown_without_its_values() {
        assert_eq!(
            shown("https://u:p@h.example:8443/check/dev?token=SECRET&b#frag"),
            "https://h.example:8443/check/dev?token=…&b=…"
        );
        assert_eq!(shown("http://h"), "http://h/");
        assert!(shown(&format!("http://h/{}", "a".repeat(5000))).len() < 400);
    }

    #[test]
    fn secrets_are_masked_raw_encoded_and_escaped() {
        let scrubber = Scrubber::new([b"s3cr/t val".as_slice()]);
        for text in ["a s3cr/t val b", "a czNjci90IHZhbA== b", "a s3cr%2Ft%20val b"] {
            assert!(scrubber.scrub(text).contains(MASK), "{text}");
        }
        assert_eq!(scrubber.scrub("nothing"), "nothing");
        assert_eq!(Scrubber::default().scrub("s3cr/t val"), "s3cr/t val");
    }

    #[test]
    fn a_secret_within_a_longer_text_is_masked_in_base64_too() {
        let secret = "canary-0123456789-secret";
        let scrubber = Scrubber::new([secret.as_bytes()]);
        for before in ["", "u:", "us:", "user:", "x-y-z"] {
            for after in ["", "a", "ab", "abc"] {
                let text = format!("{before}{secret}{after}");
                for encoded in [STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                    let shown = scrubber.scrub(&format!("Basic {encoded}"));
                    assert!(shown.contains(MASK), "{text}: {shown}");
                    assert!(encoded.len() - (shown.len() - "Basic ".len() - MASK.len()) >= secret.len(), "{shown}");
                }
            }
        }
    }

    #[test]
    fn parts_that_are_as_good_as_the_whole_are_masked_and_words_are_not() {
        let url = "https://u:p%40ss-w0rd@hooks.example.com/services/T00/B00/abc123DEF456?sig=zyx987wvu";
        let key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----";
        let scrubber = Scrubber::new([url.as_bytes(), key.as_bytes()]);
        for text in
            ["POST /services/T00/B00/abc123DEF456", "abc123DEF456", "zyx987wvu", "p@ss-w0rd", "MC4CAQAwBQYDK2VwBCIEIA"]
        {
            assert!(scrubber.scrub(text).contains(MASK), "{text}");
        }
        assert_eq!(scrubber.scrub("services at hooks.example.com"), "services at hooks.example.com");
        let backstage = Scrubber::new([b"http://backstage:7007/api/notifications/notifications".as_slice()]);
        assert_eq!(backstage.scrub("notifications, /api/notifications"), "notifications, /api/notifications");
    }
}
