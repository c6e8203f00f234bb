//! Name resolution that returns only allowed addresses, so that what is connected is what was checked.

use super::policy::{Policy, Refusal};
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Who knows the addresses of names.
#[derive(Clone)]
pub(super) struct Lookup(Arc<Ask>);

type Ask = dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync;

impl Lookup {
    /// Asks this.
    #[cfg(test)]
    pub(super) fn new(ask: impl Fn(String) -> Vec<SocketAddr> + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |host| {
            let found = ask(host);
            Box::pin(async move { Ok(found) })
        }))
    }
}

impl Default for Lookup {
    /// The system's resolver.
    fn default() -> Self {
        Self(Arc::new(|host| {
            Box::pin(async move { tokio::net::lookup_host((host.as_str(), 0)).await.map(Iterator::collect) })
        }))
    }
}

/// Resolver of one pool: one host and port under one policy. Behind a proxy the proxy's own name is resolved unjudged:
/// the operator set it.
pub(super) struct Guarded {
    pub policy: Arc<Policy>,
    pub port: u16,
    pub proxied: bool,
    /// The host whose addresses are meant, whatever name is asked for.
    pub instead: Option<String>,
    pub lookup: Lookup,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, port, proxied) = (Arc::clone(&self.policy), self.port, self.proxied);
        let host = self.instead.clone().unwrap_or_else(|| name.as_str().to_owned());
        let ask = (self.lookup.0)(host.clone());
        Box::pin(async move {
            let found = ask.await?;
            if proxied {
                return Ok(Box::new(found.into_iter()) as Addrs);
            }
            let allowed = allowed(&policy, &host, port, found)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

pub(super) fn allowed(
    policy: &Policy,
    host: &str,
    port: u16,
    found: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, Refusal> {
    let mut refusal = None;
    let mut kept = Vec::with_capacity(found.len());
    for address in found {
        match policy.judge(host, address.ip(), port) {
            Ok(()) => kept.push(address),
            Err(no) => refusal = Some(no),
        }
    }
    match refusal {
        Some(no) if kept.is_empty() => Err(no),
        _ => Ok(kept),
    }
}

/// The address of a URL whose host is a literal; the URL parser has already read decimal, octal, hex and short forms.
pub(super) fn literal(url: &reqwest::Url) -> Option<IpAddr> {
    match url.host()? {
        url::Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
        url::Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
        url::Host::Domain(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_literal_form_is_seen_as_the_address_it_connects_to() {
        for form in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://0x7f.1/",
            "http://127。0。0。1/",
            "http://user:pw@127.0.0.1/",
            "http://127.0.0.1./",
            "http://%31%32%37.0.0.1/",
        ] {
            let url = reqwest::Url::parse(form).unwrap();
            assert_eq!(literal(&url), Some("127.0.0.1".parse().unwrap()), "{form}");
        }
        let mapped = reqwest::Url::parse("http://[::ffff:169.254.169.254]/").unwrap();
        assert!(Policy::default().judge("x", literal(&mapped).unwrap(), 80).is_err());
        assert!(reqwest::Url::parse("http://[fe80::1%25eth0]/").is_err());
    }

    #[test]
    fn only_the_allowed_of_several_addresses_are_kept() {
        let found = vec!["127.0.0.1:0".parse().unwrap(), "93.184.216.34:0".parse().unwrap()];
        assert_eq!(allowed(&Policy::default(), "h", 80, found).unwrap().len(), 1);
        assert!(allowed(&Policy::default(), "h", 80, vec!["127.0.0.1:0".parse().unwrap()]).is_err());
    }
}
