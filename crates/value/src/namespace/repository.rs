//! URLs of Git repositories as Argo CD's `repo` functions read them: with a scheme, as `user@host:path`, or as a path.

/// Schemes that Git knows.
const TRANSPORTS: [&str; 9] = ["ssh", "git", "git+ssh", "http", "https", "ftp", "ftps", "rsync", "file"];
/// Longest text that is looked at as `user@host:path`.
const LONGEST_SCP: usize = 2048;

/// The parts that matter here. Scheme and user are dropped.
struct Url {
    /// What follows `scheme:` where no path does.
    opaque: Option<String>,
    host: String,
    /// As written.
    raw_path: String,
    /// With its escapes resolved.
    path: String,
    /// With its question mark or hash.
    rest: String,
}

/// The URL with scheme `https` and without user.
pub(super) fn url_to_https(text: &str) -> String {
    let url = parse(text);
    if let Some(opaque) = url.opaque {
        return format!("https:{opaque}{}", url.rest);
    }
    let slash =
        if !url.host.is_empty() && !url.raw_path.is_empty() && !url.raw_path.starts_with('/') { "/" } else { "" };
    let slashes = if url.host.is_empty() && url.raw_path.is_empty() { "" } else { "//" };
    format!("https:{slashes}{}{slash}{}{}", url.host, escape_path(&url.raw_path), url.rest)
}

/// `owner/name` of a repository's URL, or the whole path where it has fewer than two parts.
pub fn full_name_by_url(text: &str) -> String {
    let url = parse(text);
    let path = url.path.strip_suffix(".git").unwrap_or(&url.path);
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).take(2).collect();
    if parts.len() == 2 { parts.join("/") } else { path.to_owned() }
}

/// Go's `url.QueryEscape`.
pub(super) fn query_escape(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(*byte)),
            b' ' => out.push('+'),
            other => push_escaped(&mut out, *other),
        }
    }
    out
}

fn push_escaped(out: &mut String, byte: u8) {
    out.push_str(&format!("%{byte:02X}"));
}

fn parse(text: &str) -> Url {
    parse_transport(text).or_else(|| parse_scp(text)).unwrap_or_else(|| local(text))
}

fn local(text: &str) -> Url {
    Url { opaque: None, host: String::new(), raw_path: text.to_owned(), path: text.to_owned(), rest: String::new() }
}

fn parse_transport(text: &str) -> Option<Url> {
    if text.bytes().any(|b| b < b' ' || b == 0x7f) {
        return None;
    }
    let (scheme, rest) = text.split_once(':')?;
    if !TRANSPORTS.contains(&scheme.to_ascii_lowercase().as_str()) {
        return None;
    }
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (hierarchy, rest) = rest.split_at(end);
    if !hierarchy.starts_with('/') {
        let opaque = Some(hierarchy.to_owned());
        let (host, raw_path, path) = Default::default();
        return (!hierarchy.is_empty()).then(|| Url { opaque, host, raw_path, path, rest: rest.to_owned() });
    }
    let (authority, raw_path) = match hierarchy.strip_prefix("//") {
        Some(after) => after.split_at(after.find('/').unwrap_or(after.len())),
        None => ("", hierarchy),
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if !is_host(host) {
        return None;
    }
    let path = unescape(raw_path)?;
    Some(Url { opaque: None, host: host.to_owned(), raw_path: raw_path.to_owned(), path, rest: rest.to_owned() })
}

/// A host with an optional port of digits.
fn is_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !host.ends_with(']') => {
            if !port.bytes().all(|b| b.is_ascii_digit()) {
                return false;
            }
            name
        }
        _ => host,
    };
    !name.contains([' ', '<', '>', '"', '\\', '^', '`', '{', '|', '}'])
}

fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (high, low) = (char::from(bytes.next()?).to_digit(16)?, char::from(bytes.next()?).to_digit(16)?);
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

/// Escapes what may not stand in a path; escapes that are there stay.
fn escape_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@%!'()*[]".contains(&byte);
        if plain { out.push(char::from(byte)) } else { push_escaped(&mut out, byte) }
    }
    out
}

/// `user@host:path`
fn parse_scp(text: &str) -> Option<Url> {
    if text.len() > LONGEST_SCP {
        return None;
    }
    let allowed = |extra: &'static str| move |c: char| c.is_ascii_alphanumeric() || extra.contains(c);
    let (user, rest) = text.split_once('@').unwrap_or(("", text));
    if text.contains('@') && user.is_empty() || !user.chars().all(allowed("-._~")) {
        return None;
    }
    let (host, after) = rest.split_once(':')?;
    if host.is_empty() || !host.chars().all(allowed("._-")) {
        return None;
    }
    let end = after.find(|c: char| !allowed("/._-")(c)).unwrap_or(after.len());
    let (path, query) = after.split_at(end);
    if path.is_empty() {
        return None;
    }
    let query = query.strip_prefix('?').unwrap_or(query);
    let rest = if query.is_empty() { String::new() } else { format!("?{query}") };
    Some(Url { opaque: None, host: host.to_owned(), raw_path: path.to_owned(), path: path.to_owned(), rest })
}

#[cfg(test)]
mod tests {
    use super::{full_name_by_url, query_escape, url_to_https};

    #[test]
    fn urls_become_https() {
        let cases = [
            ("git@h.example.org:o/r.git", "https://h.example.org/o/r.git"),
            ("ssh://git@h.example.org:2222/a/b.git", "https://h.example.org:2222/a/b.git"),
            ("https://user:pw@h.example.org/a/b", "https://h.example.org/a/b"),
            ("http://h.example.org", "https://h.example.org"),
            ("a/b c", "https://a/b%20c"),
            ("", "https:"),
        ];
        for (url, want) in cases {
            assert_eq!(url_to_https(url), want, "{url}");
        }
    }

    #[test]
    fn names_are_the_first_two_parts() {
        let cases = [
            ("git@h.example.org:o/r.git", "o/r"),
            ("https://h.example.org/only", "/only"),
            ("https://h.example.org/a/b/c.git", "a/b"),
            ("https://h.example.org/a%20b/c", "a b/c"),
        ];
        for (url, want) in cases {
            assert_eq!(full_name_by_url(url), want, "{url}");
        }
    }

    #[test]
    fn queries_are_escaped() {
        assert_eq!(query_escape(b"a b&c/\xff~"), "a+b%26c%2F%FF~");
    }
}
