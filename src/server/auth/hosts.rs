//! By which names the listener may be asked for, and whose pages may ask it to change something. Pure: texts in, answers out.
//!
//! A page of another site whose name resolves to this listener (DNS rebinding) carries its own name in `Host`; one that lets a browser
//! send something here (CSRF) carries its own name in `Origin`, or `cross-site` in `Sec-Fetch-Site`.

use std::net::IpAddr;
use url::Url;

/// Host and port as a request names them, the host in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) struct Authority {
    pub host: String,
    pub port: Option<u16>,
}

impl Authority {
    /// Reads `host`, `host:port` or `[v6]:port`; anything else is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (inner, rest) = rest.split_once(']')?;
                inner.parse::<std::net::Ipv6Addr>().ok()?;
                (inner, rest)
            }
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            None if port.is_empty() => None,
            _ => return None,
        };
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':');
        (!host.is_empty() && host.bytes().all(plain)).then_some(Self { host, port })
    }

    /// Whether it names this machine's loopback: `localhost`, or a literal as everybody writes it.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// As a URL has it.
    pub fn shown(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        self.port.map_or(host.clone(), |port| format!("{host}:{port}"))
    }
}

/// The names that the listener answers to besides those of loopback.
#[derive(Debug, Clone, Default)]
pub(in crate::server) struct Hosts {
    names: Vec<String>,
    external: Option<Url>,
}

impl Hosts {
    /// The host of the external URL and further ones.
    pub fn new(external_url: &str, more: &[String]) -> Self {
        let external = Url::parse(external_url).ok();
        let of_external =
            external.as_ref().and_then(Url::host_str).map(|host| host.trim_matches(['[', ']']).to_owned());
        let more = more.iter().filter_map(|text| Authority::parse(text)).map(|authority| authority.host);
        Self { names: of_external.into_iter().chain(more).collect(), external }
    }

    /// Whether it may be asked for by this name.
    pub fn allow(&self, authority: &Authority) -> bool {
        authority.is_loopback() || self.names.contains(&authority.host)
    }

    /// Whether it was asked for by the name of the external URL.
    pub fn is_external(&self, authority: &Authority) -> bool {
        self.external
            .as_ref()
            .and_then(Url::host_str)
            .is_some_and(|host| host.trim_matches(['[', ']']) == authority.host)
    }

    /// The address that a person's browser has of this listener, without `/` at the end.
    pub fn base(&self, authority: &Authority) -> String {
        match &self.external {
            Some(url) if self.is_external(authority) || !authority.is_loopback() => {
                url.as_str().trim_end_matches('/').to_owned()
            }
            _ => format!("http://{}", authority.shown()),
        }
    }

    /// Whether a page of this origin is one of ours.
    fn is_own(&self, origin: &str, authority: &Authority) -> bool {
        let Ok(origin) = Url::parse(origin) else { return false };
        if !matches!(origin.scheme(), "http" | "https") || !matches!(origin.path(), "" | "/") {
            return false;
        }
        if let Some(external) = self.external.as_ref().filter(|_| self.is_external(authority)) {
            return origin.origin() == external.origin();
        }
        let host = origin.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let default = if origin.scheme() == "https" { 443 } else { 80 };
        host == authority.host && origin.port_or_known_default() == Some(authority.port.unwrap_or(default))
    }
}

/// Where a request that changes something was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum MadeBy {
    /// A page of ours.
    Ourselves,
    /// No browser says where: a program.
    Program,
    /// A page of somebody else.
    Others,
}

/// Judges `Sec-Fetch-Site` and `Origin`. The first cannot be set by a page; where a browser sends it, it decides, for a page that
/// tells nobody where it came from (`Referrer-Policy`) posts its forms with `Origin: null`.
pub(in crate::server) fn made_by(
    hosts: &Hosts,
    authority: &Authority,
    site: Option<&str>,
    origin: Option<&str>,
) -> MadeBy {
    let ours = |origin: &str| hosts.is_own(origin, authority);
    match (site, origin) {
        (Some("same-origin"), None | Some("null")) => MadeBy::Ourselves,
        (Some("same-origin") | None, Some(origin)) if ours(origin) => MadeBy::Ourselves,
        (None, None) => MadeBy::Program,
        _ => MadeBy::Others,
    }
}

/// Whether a body is JSON: what no form of another site can send without being asked first.
pub(in crate::server) fn is_json(content_type: Option<&str>) -> bool {
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// A place of our own to go on to; anything else is the start page. A browser reads `//x`, `/\x` and what holds control characters
/// as another host's.
pub(in crate::server) fn local_path(next: &str) -> &str {
    let plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_local = plain && next.starts_with('/') && !next.starts_with("//") && next.len() <= 2048;
    let base = Url::parse("http://gatepost.invalid/");
    let stays = base.is_ok_and(|base| {
        base.join(next).is_ok_and(|url| url.origin() == base.origin() && !url.path().starts_with("//"))
    });
    let goes_round = ["/login", "/logout"].iter().any(|path| next.starts_with(path));
    if is_local && stays && !goes_round { next } else { "/" }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn authority(text: &str) -> Authority {
        Authority::parse(text).unwrap()
    }

    #[test]
    fn hosts_are_read_as_browsers_write_them() {
        assert_eq!(
            authority("Gatepost.Example.COM.:8443"),
            Authority { host: "gatepost.example.com".into(), port: Some(8443) }
        );
        assert_eq!(authority("[::1]:80").shown(), "[::1]:80");
        for wrong in ["", ":80", "a:", "a:b", "a:99999", "[::1", "[x]:1", "a b", "a@b", "a/b", "a,b", "::1", "[::1]x"] {
            assert_eq!(Authority::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_loopback_and_what_is_listed_is_answered_to() {
        let hosts = Hosts::new("https://gatepost.example.com", &["10.0.0.7:8080".into(), "Other.Example".into()]);
        let names = [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1",
            "127.9.9.9:1",
            "[::1]:8080",
            "gatepost.example.com",
            "10.0.0.7",
            "other.example:9",
        ];
        for name in names {
            assert!(hosts.allow(&authority(name)), "{name}");
        }
        let strangers = [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "gatepost.example.com.evil.example",
            "127.1",
            "0.0.0.0",
            "[::ffff:127.0.0.1]",
            "10.0.0.8",
            "2130706433",
            "xgatepost.example.com",
        ];
        for name in strangers {
            assert!(!hosts.allow(&authority(name)), "{name}");
        }
        assert!(!Hosts::default().allow(&authority("gatepost.example.com")));
    }

    #[test]
    fn a_change_is_made_by_our_own_pages_or_by_programs() {
        let hosts = Hosts::new("https://gatepost.example.com", &["alias.example".into()]);
        let made = |host: &str, site, origin| made_by(&hosts, &authority(host), site, origin);
        let (external, local) = ("gatepost.example.com", "localhost:8080");
        assert_eq!(made(local, None, None), MadeBy::Program);
        assert_eq!(made(local, Some("same-origin"), Some("http://localhost:8080")), MadeBy::Ourselves);
        assert_eq!(made(local, Some("same-origin"), Some("null")), MadeBy::Ourselves, "a form of ours");
        assert_eq!(made(local, None, Some("http://localhost:8080")), MadeBy::Ourselves, "an old browser");
        assert_eq!(made(external, None, Some("https://gatepost.example.com")), MadeBy::Ourselves);
        assert_eq!(made("alias.example", None, Some("https://alias.example")), MadeBy::Ourselves);
        let others = [
            (local, None, Some("null")),
            (local, None, Some("http://localhost:3000")),
            (local, None, Some("http://127.0.0.1:8080")),
            (local, None, Some("https://localhost")),
            (local, None, Some("http://localhost:8080.evil.example")),
            (local, Some("same-origin"), Some("http://evil.example")),
            (local, Some("cross-site"), None),
            (local, Some("cross-site"), Some("http://localhost:8080")),
            (local, Some("same-site"), Some("http://localhost:8080")),
            (local, Some("none"), None),
            (local, Some(""), None),
            (external, None, Some("http://gatepost.example.com")),
            (external, None, Some("https://gatepost.example.com:444")),
            (external, None, Some("https://evil.example")),
            (external, None, Some("")),
        ];
        for (host, site, origin) in others {
            assert_eq!(made(host, site, origin), MadeBy::Others, "{host} {site:?} {origin:?}");
        }
    }

    #[test]
    fn only_json_is_json() {
        assert!(is_json(Some("application/json")) && is_json(Some("Application/JSON; charset=utf-8")));
        for wrong in [
            None,
            Some(""),
            Some("text/plain"),
            Some("text/plain; application/json"),
            Some("application/jsonp"),
            Some("application/x-www-form-urlencoded"),
            Some("multipart/form-data"),
        ] {
            assert!(!is_json(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn nobody_is_led_elsewhere_after_a_login() {
        for good in ["/", "/deliveries?app=a/b&state=dead", "/gates/ns/name#x", "/a%2F%2Fb"] {
            assert_eq!(local_path(good), good);
        }
        let elsewhere = [
            "",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/\n/evil.example",
            " //evil.example",
            "/%0a/../\\evil",
            "/.//evil.example",
            "/a/..//evil.example",
            "evil.example",
            "/login",
            "/login/oidc?next=/",
            "/logout",
            "/ü",
        ];
        for wrong in elsewhere {
            assert_eq!(local_path(wrong), "/", "{wrong}");
        }
        assert_eq!(local_path(&format!("/{}", "a".repeat(3000))), "/");
    }

    #[test]
    fn the_way_back_is_the_external_url_or_the_loopback_that_was_asked() {
        let hosts = Hosts::new("https://gatepost.example.com/x", &["alias.example".into()]);
        assert_eq!(hosts.base(&authority("gatepost.example.com")), "https://gatepost.example.com/x");
        assert_eq!(hosts.base(&authority("alias.example")), "https://gatepost.example.com/x");
        assert_eq!(hosts.base(&authority("localhost:8080")), "http://localhost:8080");
        assert_eq!(Hosts::default().base(&authority("[::1]:1")), "http://[::1]:1");
    }
}
