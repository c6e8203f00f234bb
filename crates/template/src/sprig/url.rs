//! URLs as Go's `net/url` reads and writes them. Not the WHATWG rules: nothing is normalised but the scheme's case.

use gatepost_value::fmt::quote;
use std::net::IpAddr;

/// The place in a URL, which decides what is escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Path,
    Host,
    Zone,
    User,
    Fragment,
    Query,
}

impl Place {
    /// Whether a byte stands there as it is.
    fn plain(self, byte: u8) -> bool {
        let extra: &[u8] = match self {
            Self::Path => b"$&+,/:;=@",
            Self::Host | Self::Zone => b"!\"$&'()*+,:;<=>[]",
            Self::User => b"$&+,;=",
            Self::Fragment => b"!$&()*+,/:;=?@",
            Self::Query => b"",
        };
        byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || extra.contains(&byte)
    }
}

/// A URL in its parts, unescaped where Go unescapes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) scheme: Vec<u8>,
    pub(super) opaque: Vec<u8>,
    /// User and password, if there is any user part.
    pub(super) user: Option<(Vec<u8>, Option<Vec<u8>>)>,
    pub(super) host: Vec<u8>,
    pub(super) path: Vec<u8>,
    pub(super) query: Vec<u8>,
    pub(super) fragment: Vec<u8>,
}

/// `url.QueryEscape`.
pub(super) fn query_escape(text: &[u8]) -> Vec<u8> {
    escape(text, Place::Query)
}

fn escape(text: &[u8], place: Place) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        if place.plain(byte) {
            out.push(byte);
        } else if byte == b' ' && place == Place::Query {
            out.push(b'+');
        } else {
            out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
    out
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn hex_pair(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| text.get(at).and_then(|&b| (b as char).to_digit(16));
    u8::try_from(digit(1)? << 4 | digit(2)?).ok()
}

fn unescape(text: &[u8], place: Place) -> Result<Vec<u8>, String> {
    let invalid = |at: usize| Err(format!("invalid URL escape {}", quote(&text[at..(at + 3).min(text.len())])));
    let in_host = matches!(place, Place::Host | Place::Zone);
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if byte != b'%' {
            if in_host && byte.is_ascii() && !place.plain(byte) {
                return Err(format!("invalid character {} in host name", quote(&[byte])));
            }
            out.push(byte);
            at += 1;
            continue;
        }
        let Some(decoded) = hex_pair(&text[at..]) else { return invalid(at) };
        // Hosts escape what is not ASCII, and "%" for zones; zones a space too.
        let allowed = match place {
            Place::Host => decoded >= 0x80 || decoded == b'%',
            Place::Zone => decoded == b'%' || decoded == b' ' || Place::Host.plain(decoded),
            _ => true,
        };
        if !allowed {
            return invalid(at);
        }
        out.push(decoded);
        at += 3;
    }
    Ok(out)
}

fn cut(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|&b| b == separator) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// The text before the first colon, if it can be a scheme, and the rest.
fn scheme(text: &[u8]) -> Result<(&[u8], &[u8]), String> {
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    Ok((b"", text))
}

impl Url {
    /// `url.Parse`; the error is Go's, `parse "…": …` included.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let (before, fragment) = cut(text, b'#');
        let mut url = Self::parse_plain(before).map_err(|reason| format!("parse {}: {reason}", quote(before)))?;
        if let Some(fragment) = fragment.filter(|fragment| !fragment.is_empty()) {
            url.fragment =
                unescape(fragment, Place::Fragment).map_err(|reason| format!("parse {}: {reason}", quote(text)))?;
        }
        Ok(url)
    }

    fn parse_plain(text: &[u8]) -> Result<Self, String> {
        if text.iter().any(u8::is_ascii_control) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        if text == b"*" {
            return Ok(Self { path: b"*".to_vec(), ..Self::default() });
        }
        let (name, rest) = scheme(text)?;
        let mut url = Self { scheme: name.to_ascii_lowercase(), ..Self::default() };
        let (mut rest, query) = cut(rest, b'?');
        url.query = query.unwrap_or_default().to_vec();
        if !rest.starts_with(b"/") {
            if !url.scheme.is_empty() {
                url.opaque = rest.to_vec();
                return Ok(url);
            }
            if cut(rest, b'/').0.contains(&b':') {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        let has_authority = rest.starts_with(b"//") && (!url.scheme.is_empty() || !rest.starts_with(b"///"));
        if has_authority {
            let end = rest[2..].iter().position(|&b| b == b'/').map_or(rest.len(), |at| at + 2);
            url.authority(&rest[2..end])?;
            rest = &rest[end..];
        }
        url.path = unescape(rest, Place::Path)?;
        Ok(url)
    }

    fn authority(&mut self, text: &[u8]) -> Result<(), String> {
        let Some(at) = text.iter().rposition(|&b| b == b'@') else {
            self.host = host(&self.scheme, text)?;
            return Ok(());
        };
        self.host = host(&self.scheme, &text[at + 1..])?;
        let info = &text[..at];
        if !info.iter().all(|&b| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&b)) {
            return Err("net/url: invalid userinfo".to_owned());
        }
        let (name, password) = cut(info, b':');
        let password = password.map(|password| unescape(password, Place::User)).transpose();
        self.user = Some((unescape(name, Place::User)?, password?));
        Ok(())
    }

    /// The host without port and brackets.
    pub(super) fn hostname(&self) -> &[u8] {
        let colon = self.host.iter().rposition(|&b| b == b':');
        let name = match colon {
            Some(at) if valid_port(&self.host[at..]) => &self.host[..at],
            _ => &self.host,
        };
        name.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]")).unwrap_or(name)
    }

    /// User and password, escaped.
    pub(super) fn userinfo(&self) -> Vec<u8> {
        let Some((name, password)) = &self.user else { return Vec::new() };
        let mut out = escape(name, Place::User);
        if let Some(password) = password {
            out.push(b':');
            out.extend(escape(password, Place::User));
        }
        out
    }

    /// `URL.String` of a URL put together from its parts.
    pub(super) fn join(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.scheme.is_empty() {
            out.extend_from_slice(&self.scheme);
            out.push(b':');
        }
        if self.opaque.is_empty() {
            self.join_hierarchy(&mut out);
        } else {
            out.extend_from_slice(&self.opaque);
        }
        if !self.query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push(b'#');
            out.extend(escape(&self.fragment, Place::Fragment));
        }
        out
    }

    fn join_hierarchy(&self, out: &mut Vec<u8>) {
        if !self.host.is_empty() || self.user.is_some() || !self.scheme.is_empty() && !self.path.is_empty() {
            out.extend_from_slice(b"//");
            if self.user.is_some() {
                out.extend(self.userinfo());
                out.push(b'@');
            }
            out.extend(escape(&self.host, Place::Host));
        }
        let path = if self.path == b"*" { b"*".to_vec() } else { escape(&self.path, Place::Path) };
        if !path.is_empty() && path[0] != b'/' && !self.host.is_empty() {
            out.push(b'/');
        }
        // A colon in the first segment would be taken for a scheme.
        if out.is_empty() && cut(&path, b'/').0.contains(&b':') {
            out.extend_from_slice(b"./");
        }
        out.extend(path);
    }
}

fn valid_port(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

fn checked_port(text: &[u8]) -> Result<(), String> {
    if valid_port(text) { Ok(()) } else { Err(format!("invalid port {} after host", quote(text))) }
}

fn host(scheme: &[u8], text: &[u8]) -> Result<Vec<u8>, String> {
    match text.iter().rposition(|&b| b == b'[') {
        Some(0) => return bracketed(text),
        Some(_) => return Err("invalid IP-literal".to_owned()),
        None => {}
    }
    if let Some(first) = text.iter().position(|&b| b == b':') {
        // Lists of hosts with ports are let through but for the web's own schemes.
        let strict = scheme == b"http" || scheme == b"https";
        let last = text.iter().rposition(|&b| b == b':').unwrap_or(first);
        checked_port(&text[if strict { first } else { last }..])?;
    }
    unescape(text, Place::Host)
}

/// `[address%25zone]:port`.
fn bracketed(text: &[u8]) -> Result<Vec<u8>, String> {
    let Some(close) = text.iter().rposition(|&b| b == b']') else { return Err("missing ']' in host".to_owned()) };
    let (inner, port) = (&text[1..close], &text[close + 1..]);
    checked_port(port)?;
    let zone = inner.windows(3).position(|w| w == b"%25").unwrap_or(inner.len());
    let address = unescape(&inner[..zone], Place::Host)?;
    let zone = unescape(&inner[zone..], Place::Zone)?;
    match shown(&address).parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) => {}
        Ok(IpAddr::V4(_)) => return Err("invalid IP-literal".to_owned()),
        Err(_) => {
            let literal = [address.as_slice(), &zone].concat();
            return Err(format!("invalid host: ParseAddr({}): unable to parse IP", quote(&literal)));
        }
    }
    Ok([b"[", address.as_slice(), &zone, b"]", port].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn parts_and_back() {
        let url = Url::parse(b"HTTPS://u%40:p@h.org:8443/a%20b?x=1#f%20g").unwrap();
        assert_eq!(
            (url.scheme.as_slice(), url.hostname(), url.path.as_slice()),
            (&b"https"[..], &b"h.org"[..], &b"/a b"[..])
        );
        assert_eq!(url.join(), b"https://u%40:p@h.org:8443/a%20b?x=1#f%20g");
        assert_eq!(Url::parse(b"mailto:a@b").unwrap().opaque, b"a@b");
        assert_eq!(Url::parse(b"http://[fe80::1%25e0]:80/").unwrap().hostname(), b"fe80::1%e0");
        assert_eq!(query_escape("a b&c/é".as_bytes()), b"a+b%26c%2F%C3%A9");
    }

    #[test]
    fn refusals() {
        let cases: [(&str, &str); 7] = [
            ("http://h:x/", "parse \"http://h:x/\": invalid port \":x\" after host"),
            ("://h", "parse \"://h\": missing protocol scheme"),
            ("a:b:c", ""),
            ("1:b", "parse \"1:b\": first path segment in URL cannot contain colon"),
            ("/%zz", "parse \"/%zz\": invalid URL escape \"%zz\""),
            ("http://a b/", "parse \"http://a b/\": invalid character \" \" in host name"),
            ("http://[1.2.3.4]/", "parse \"http://[1.2.3.4]/\": invalid IP-literal"),
        ];
        for (given, wanted) in cases {
            assert_eq!(Url::parse(given.as_bytes()).err().unwrap_or_default(), wanted, "{given}");
        }
    }
}
