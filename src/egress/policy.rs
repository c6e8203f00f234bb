//! The operator's word on top of the address classes: allow and deny lists, and where Gatepost runs.
//!
//! Decides whether one host name or one address and port may be reached. Must never resolve or connect.

use super::address::{Cidr, Class, classify};
use std::net::IpAddr;

/// Which hosts, ranges and ports are allowed or denied beyond the built-in classes.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// `egress.allow`
    pub allow: Vec<Rule>,
    /// `egress.deny`, stronger than allow
    pub deny: Vec<Rule>,
    /// Files mode on a laptop: loopback is allowed.
    pub loopback_allowed: bool,
    /// Addresses of the API server, the store and Gatepost itself; refused unless listed by address and port.
    pub own: Vec<(IpAddr, u16)>,
    /// The same by name, whatever it resolves to.
    pub own_names: Vec<(String, u16)>,
    /// `egress.tenants`: what tenants may reach beyond the public internet, by namespace.
    pub tenants: Vec<Tenants>,
    /// `egress.proxy.enforces`: the proxy of the environment refuses what tenants may not reach.
    pub proxy_enforces: bool,
    /// The tenant whose requests this policy is for; empty for the platform.
    pub tenant: String,
}

/// What the tenants of some namespaces may reach.
#[derive(Debug, Clone)]
pub struct Tenants {
    /// Which namespaces.
    pub namespaces: globset::GlobMatcher,
    /// What is allowed to them.
    pub allow: Vec<Rule>,
}

/// One entry of a list: a range, an address or a host (`*.example.com` for all below), each with an optional port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rule {
    what: What,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum What {
    Range(Cidr),
    Host(String),
    Below(String),
}

/// Why something is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}")]
pub struct Refusal {
    /// The rule in words.
    pub rule: String,
    /// The setting that would allow it.
    pub setting: String,
}

impl Rule {
    /// Parses `10.0.0.0/8`, `10.0.0.1:8080`, `[::1]:80`, `host`, `host:443`, `*.example.com`.
    ///
    /// # Errors
    /// A sentence that names the entry.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(range) = Cidr::parse(text.trim_matches(['[', ']'])) {
            return Ok(Self { what: What::Range(range), port: None });
        }
        let (host, port) = split_port(text)?;
        let what = match Cidr::parse(host.trim_matches(['[', ']'])) {
            Some(range) => What::Range(range),
            None => host_rule(host).ok_or_else(|| format!("`{text}` is neither a range, an address nor a host"))?,
        };
        Ok(Self { what, port })
    }

    /// Whether it names one host or address and a port: no other opens what is Gatepost's own affair.
    fn is_exact(&self) -> bool {
        let one = match &self.what {
            What::Range(range) => range.is_single(),
            What::Host(_) => true,
            What::Below(_) => false,
        };
        one && self.port.is_some()
    }

    pub(super) fn covers(&self, host: &str, ip: Option<IpAddr>, port: u16) -> bool {
        self.port.is_none_or(|p| p == port)
            && match &self.what {
                What::Range(range) => ip.is_some_and(|ip| range.contains(ip)),
                What::Host(name) => name.eq_ignore_ascii_case(host),
                What::Below(suffix) => {
                    host.len() > suffix.len() && host.to_ascii_lowercase().ends_with(suffix.as_str())
                }
            }
    }
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), String> {
    match text.rsplit_once(':') {
        Some((host, port)) => match port.parse() {
            Ok(port) => Ok((host, Some(port))),
            Err(_) => Err(format!("`{text}` does not end in a port number")),
        },
        None => Ok((text, None)),
    }
}

fn host_rule(host: &str) -> Option<What> {
    let legal =
        |h: &str| !h.is_empty() && h.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    match host.strip_prefix("*.") {
        Some(rest) => legal(rest).then(|| What::Below(format!(".{}", rest.to_ascii_lowercase()))),
        None => legal(host).then(|| What::Host(host.trim_end_matches('.').to_owned())),
    }
}

impl Policy {
    /// The policy for what a namespace's own configuration asks for: public addresses and what is listed for it. An empty
    /// name is the platform.
    #[must_use]
    pub fn of_tenant(&self, namespace: &str) -> Self {
        if namespace.is_empty() {
            return self.clone();
        }
        let listed = self.tenants.iter().filter(|entry| entry.namespaces.is_match(namespace));
        let allow = listed.flat_map(|entry| entry.allow.iter().cloned()).collect();
        Self { allow, loopback_allowed: false, tenant: namespace.to_owned(), tenants: Vec::new(), ..self.clone() }
    }

    /// Judges whether a request may go through a proxy, which resolves names by itself.
    ///
    /// # Errors
    /// A tenant's request, unless the operator says that the proxy refuses what tenants may not reach.
    pub fn judge_proxy(&self) -> Result<(), Refusal> {
        if self.tenant.is_empty() || self.proxy_enforces {
            return Ok(());
        }
        Err(Refusal {
            rule: format!("namespace {} may not use the proxy, where addresses cannot be judged", self.tenant),
            setting: "enforces = true to egress.proxy, if the proxy refuses what tenants may not reach".into(),
        })
    }

    /// Judges an address that a host name resolved to, or a literal.
    ///
    /// # Errors
    /// The rule that refuses it, and the setting that would allow it.
    pub fn judge(&self, host: &str, ip: IpAddr, port: u16) -> Result<(), Refusal> {
        let host = host.trim_end_matches('.');
        if self.deny.iter().any(|rule| rule.covers(host, Some(ip), port)) {
            return Err(Refusal {
                rule: format!("{host}:{port} is on egress.deny"),
                setting: "nothing: remove it from egress.deny".into(),
            });
        }
        let named = |(name, own): &(String, u16)| *own == port && name.eq_ignore_ascii_case(host);
        let own = self.own.contains(&(ip, port)) || self.own_names.iter().any(named);
        if self.allow.iter().any(|rule| rule.covers(host, Some(ip), port) && (!own || rule.is_exact())) {
            return Ok(());
        }
        let list = match self.tenant.as_str() {
            "" => "egress.allow".to_owned(),
            namespace => format!("allow of egress.tenants.\"{namespace}\""),
        };
        let setting = format!("\"{}\" to {list}", std::net::SocketAddr::new(ip, port));
        if own {
            return Err(Refusal {
                rule: format!("{ip}:{port} is the API server, the store or Gatepost itself"),
                setting,
            });
        }
        match classify(ip) {
            Class::Forbidden(range) if !(self.loopback_allowed && ip.is_loopback()) => {
                Err(Refusal { rule: format!("{ip} is in {range}"), setting })
            }
            Class::Private if !self.tenant.is_empty() => Err(Refusal {
                rule: format!("{ip} is a private address, which namespace {} may not reach", self.tenant),
                setting,
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow: &[&str], deny: &[&str]) -> Policy {
        let rules = |texts: &[&str]| texts.iter().map(|t| Rule::parse(t).unwrap()).collect();
        Policy { allow: rules(allow), deny: rules(deny), ..Policy::default() }
    }
    fn judge(policy: &Policy, host: &str, ip: &str, port: u16) -> bool {
        policy.judge(host, ip.parse().unwrap(), port).is_ok()
    }

    #[test]
    fn private_is_allowed_and_metadata_is_not() {
        let p = policy(&[], &[]);
        assert!(judge(&p, "backstage", "10.1.2.3", 80) && judge(&p, "hooks.example.com", "93.184.216.34", 443));
        assert!(!judge(&p, "x", "169.254.169.254", 80) && !judge(&p, "localhost", "127.0.0.1", 80));
    }
    #[test]
    fn allow_opens_exactly_what_it_names() {
        let p = policy(&["127.0.0.1:8080", "[::1]:80", "*.corp.example"], &[]);
        assert!(judge(&p, "127.0.0.1", "127.0.0.1", 8080) && !judge(&p, "127.0.0.1", "127.0.0.1", 8081));
        assert!(judge(&p, "::1", "::1", 80) && judge(&p, "a.corp.example", "127.0.0.9", 1));
        assert!(!judge(&p, "corp.example", "127.0.0.9", 1));
    }
    #[test]
    fn deny_is_stronger_and_the_message_names_the_setting() {
        let p = policy(&["10.0.0.0/8"], &["10.0.0.5", "evil.example:443"]);
        assert!(!judge(&p, "a", "10.0.0.5", 1) && judge(&p, "a", "10.0.0.6", 1));
        assert!(!judge(&p, "EVIL.example.", "93.184.216.34", 443) && judge(&p, "evil.example", "93.184.216.34", 80));
        let refusal = policy(&[], &[]).judge("m", "169.254.169.254".parse().unwrap(), 80).unwrap_err();
        assert!(
            refusal.setting.contains("\"169.254.169.254:80\" to egress.allow") && refusal.rule.contains("metadata")
        );
    }
    #[test]
    fn what_is_our_own_opens_by_its_exact_address_and_port_only() {
        let own = |allow: &[&str]| Policy {
            own: vec![("10.0.0.1".parse().unwrap(), 6443), ("127.0.0.1".parse().unwrap(), 9001)],
            loopback_allowed: true,
            ..policy(allow, &[])
        };
        let refused = own(&[]).judge("kubernetes.default.svc", "10.0.0.1".parse().unwrap(), 6443).unwrap_err();
        assert!(refused.rule.contains("the API server, the store or Gatepost itself"), "{refused}");
        assert!(judge(&own(&[]), "x", "10.0.0.1", 443), "another port is another thing");
        assert!(!judge(&own(&[]), "localhost", "127.0.0.1", 9001) && judge(&own(&[]), "localhost", "127.0.0.1", 80));
        for wide in ["10.0.0.0/8", "10.0.0.1", "*.default.svc", "kubernetes.default.svc"] {
            assert!(!judge(&own(&[wide]), "kubernetes.default.svc", "10.0.0.1", 6443), "{wide}");
        }
        assert!(judge(&own(&["10.0.0.1:6443"]), "kubernetes.default.svc", "10.0.0.1", 6443));
        assert!(judge(&own(&["kubernetes.default.svc:6443"]), "kubernetes.default.svc", "10.0.0.1", 6443));
    }
    #[test]
    fn nonsense_entries_are_named() {
        assert!(Rule::parse("a b").unwrap_err().contains("a b"));
        assert!(Rule::parse("host:http").unwrap_err().contains("port"));
    }
    #[test]
    fn own_addresses_are_refused_unless_listed() {
        let own = Policy { own: vec![("10.0.0.1".parse().unwrap(), 6443)], ..policy(&[], &[]) };
        assert!(!judge(&own, "api", "10.0.0.1", 6443) && judge(&own, "api", "10.0.0.1", 443));
        let named = Policy { own_names: vec![("db.example".into(), 5432)], ..policy(&[], &[]) };
        assert!(
            !judge(&named, "DB.example.", "93.184.216.34", 5432) && judge(&named, "db.example", "93.184.216.34", 1)
        );
    }
    #[test]
    fn tenants_reach_the_public_internet_and_what_is_listed_for_them() {
        let glob = |text: &str| globset::Glob::new(text).unwrap().compile_matcher();
        let allow = vec![Rule::parse("10.1.0.0/16").unwrap()];
        let tenants = vec![Tenants { namespaces: glob("team-*"), allow }];
        let all = Policy { tenants, loopback_allowed: true, ..policy(&["10.0.0.0/8", "127.0.0.1"], &["10.1.0.9"]) };
        let (team, other) = (all.of_tenant("team-a"), all.of_tenant("other"));
        assert!(judge(&team, "h", "10.1.2.3", 80) && judge(&team, "h", "93.184.216.34", 443));
        assert!(
            !judge(&team, "h", "10.2.2.3", 80)
                && !judge(&team, "h", "127.0.0.1", 80)
                && !judge(&team, "h", "10.1.0.9", 80)
        );
        let refusal = other.judge("h", "10.1.2.3".parse().unwrap(), 80).unwrap_err();
        assert!(refusal.setting.contains("egress.tenants.\"other\"") && refusal.rule.contains("namespace other"));
        assert!(judge(&all.of_tenant(""), "h", "127.0.0.1", 80), "the platform's own");
        assert!(all.judge_proxy().is_ok() && team.judge_proxy().is_err());
        assert!(Policy { proxy_enforces: true, ..team }.judge_proxy().is_ok());
    }
}
