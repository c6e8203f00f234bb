//! Headers as net/http sends them: canonical names, the last of equal ones wins, blanks around a value left out.

use base64::Engine as _;

/// What net/http takes from elsewhere, whatever a header says: the URL and the body.
const NOT_HEADERS: [&str; 2] = ["Host", "Content-Length"];

/// The headers of one request.
#[derive(Clone, Default)]
pub struct Headers(Vec<(String, Vec<u8>)>);

/// A name or value that HTTP does not allow. The value is not in the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name or value of header \"{0}\" is not legal in HTTP")]
pub struct Illegal(pub String);

impl Headers {
    /// Sets a header. Blanks around the value never reach the wire; a line break at its end comes from a Secret made
    /// with `echo`, or from a YAML block, and is left out.
    ///
    /// # Errors
    /// Names and values that HTTP does not allow.
    pub fn set(&mut self, name: &str, value: &[u8]) -> Result<(), Illegal> {
        let value = trimmed(value);
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        let legal = !name.is_empty() && name.bytes().all(token);
        if !legal || value.iter().any(|b| (*b < 0x20 && *b != b'\t') || *b == 0x7f) {
            return Err(Illegal(name.escape_debug().to_string()));
        }
        let name = canonical(name);
        self.0.retain(|(known, _)| *known != name);
        if !NOT_HEADERS.contains(&name.as_str()) {
            self.0.push((name, value.to_vec()));
        }
        Ok(())
    }

    /// Basic authentication, which replaces any other.
    ///
    /// # Errors
    /// Never in practice: base64 is legal in a header.
    pub fn basic(&mut self, username: &[u8], password: &[u8]) -> Result<(), Illegal> {
        let pair = base64::engine::general_purpose::STANDARD.encode([username, b":", password].concat());
        self.set("Authorization", format!("Basic {pair}").as_bytes())
    }

    /// Whether a header is set, by its canonical name.
    #[must_use]
    pub fn has(&self, canonical: &str) -> bool {
        self.0.iter().any(|(known, _)| known == canonical)
    }

    /// The headers in order.
    #[must_use]
    pub fn into_list(self) -> Vec<(String, Vec<u8>)> {
        self.0
    }
}

fn trimmed(value: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    let start = value.iter().position(|b| !blank(b)).unwrap_or(value.len());
    let end = value.iter().rposition(|b| !blank(b)).map_or(start, |last| last + 1);
    &value[start..end]
}

/// `textproto.CanonicalMIMEHeaderKey`.
#[must_use]
pub fn canonical(name: &str) -> String {
    let mut upper = true;
    let letter = |c: char| {
        let out = if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        upper = c == '-';
        out
    };
    name.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_last_of_equal_names_wins_and_blanks_are_left_out() {
        let mut headers = Headers::default();
        headers.set("x-one", b"1").unwrap();
        headers.set("X-ONE", b" two words\n").unwrap();
        headers.set("host", b"elsewhere").unwrap();
        headers.set("Content-Length", b"9").unwrap();
        assert!(headers.has("X-One") && !headers.has("Host"));
        assert_eq!(headers.into_list(), [("X-One".to_owned(), b"two words".to_vec())]);
    }

    #[test]
    fn what_would_break_the_head_is_refused_without_its_value() {
        for (name, value) in [("X-A", "a\r\nX-B: 1"), ("X-A", "a\0b"), ("X A", "1"), ("", "1"), ("X-A:", "1")] {
            let refused = Headers::default().set(name, value.as_bytes()).unwrap_err();
            assert!(!refused.to_string().contains("X-B"), "{refused}");
        }
    }
}
