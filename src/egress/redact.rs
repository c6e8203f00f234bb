//! What may be shown of requests and answers: never a path, a credential or a known secret.

use std::fmt::Write as _;

const MASK: &str = "[secret]";
/// Shorter values are too likely to hit ordinary text.
const SHORTEST_SECRET: usize = 4;
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

/// Replaces known secret values, also in base64 and URL-encoded form.
#[derive(Clone, Default)]
pub struct Scrubber {
    needles: Vec<String>,
}

impl Scrubber {
    /// A scrubber for these secret values.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut needles = Vec::new();
        for secret in secrets {
            let text = String::from_utf8_lossy(secret);
            let text = text.trim();
            if text.len() >= SHORTEST_SECRET {
                needles.extend([text.to_owned(), base64_of(text.as_bytes()), base64_of(secret), percent(text)]);
            }
        }
        needles.sort_by_key(|n| std::cmp::Reverse(n.len()));
        needles.dedup();
        Self { needles }
    }

    /// The text with every known secret masked.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for needle in &self.needles {
            if out.contains(needle.as_str()) {
                out = out.replace(needle.as_str(), MASK);
            }
        }
        out
    }
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine as _;
    // Without padding and the last character: a secret inside a longer text encodes to the same beginning.
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes)
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
    }
}
