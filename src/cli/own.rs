//! What is Gatepost's own: what it keeps secret for itself, and what no service may be pointed at (the API server, the
//! store, its own listeners). Asked once, at the start; names are kept too, so that a later address of theirs is refused
//! all the same.

use crate::egress::Policy;
use crate::settings::Settings;
use secrecy::ExposeSecret as _;
use std::net::{IpAddr, SocketAddr};

/// Shortest text of an encryption key; the ids beside them are shorter.
const KEY_TEXT: usize = 40;

/// Adds to the guard what is Gatepost's own: hosts with ports, and the addresses that it listens on.
pub(super) async fn refuse(policy: &mut Policy, hosts: Vec<(String, u16)>, listeners: &[SocketAddr]) {
    for (host, port) in hosts {
        let found = tokio::net::lookup_host((host.trim_matches(['[', ']']), port)).await;
        policy.own.extend(found.into_iter().flatten().map(|address| (address.ip(), port)));
        policy.own_names.push((host, port));
    }
    let here = addresses_here().await;
    for listener in listeners {
        match listener.ip().is_unspecified() {
            true => policy.own.extend(here.iter().map(|ip| (*ip, listener.port()))),
            false => policy.own.push((listener.ip(), listener.port())),
        }
    }
}

/// Addresses that this host's own name stands for; a pod's address is among them.
async fn addresses_here() -> Vec<IpAddr> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let found = tokio::net::lookup_host((name.trim(), 0)).await;
    found.into_iter().flatten().map(|address| address.ip()).collect()
}

/// The API server as pods are told of it.
pub(super) fn api_server_of_pods() -> Option<(String, u16)> {
    let host = std::env::var("KUBERNETES_SERVICE_HOST").ok()?;
    Some((host, std::env::var("KUBERNETES_SERVICE_PORT").ok()?.parse().ok()?))
}

/// Host and port of a URL.
pub(super) fn place(url: &str, default_port: u16) -> Option<(String, u16)> {
    let url = url::Url::parse(url).ok()?;
    Some((url.host_str()?.to_owned(), url.port_or_known_default().unwrap_or(default_port)))
}

/// What is secret besides the configuration of notifications: credentials of the store and of the proxy.
pub(super) fn secrets(settings: &Settings) -> Vec<Vec<u8>> {
    let proxies = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"];
    let urls = proxies.iter().filter_map(|name| std::env::var(name).ok());
    let urls = urls.chain([settings.store.url.expose_secret().to_owned()]);
    let passwords = urls.filter_map(|text| url::Url::parse(&text).ok()?.password().map(str::to_owned));
    let decoded = |text: String| {
        let plain = percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned();
        [text, plain]
    };
    let keys = settings.store.encryption_keys.expose_secret();
    let keys = keys.split([' ', ',', '\t', '\n']).filter(|part| part.len() >= KEY_TEXT).map(str::to_owned);
    passwords.flat_map(decoded).chain(keys).map(String::into_bytes).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn what_is_gateposts_own_is_refused_by_address_and_by_name() {
        let mut policy = Policy { loopback_allowed: true, ..Policy::default() };
        let hosts = vec![place("postgres://u:p@127.0.0.1/db", 5432).unwrap(), ("localhost".into(), 6443)];
        refuse(&mut policy, hosts, &["127.0.0.1:8080".parse().unwrap()]).await;
        let judge = |host: &str, ip: &str, port| policy.judge(host, ip.parse().unwrap(), port);
        for (host, ip, port) in [("x", "127.0.0.1", 5432), ("x", "127.0.0.1", 8080), ("localhost", "127.0.0.9", 6443)] {
            let refusal = judge(host, ip, port).unwrap_err();
            assert!(refusal.rule.contains("Gatepost itself"), "{host} {port}: {refusal}");
        }
        assert!(judge("x", "127.0.0.1", 8081).is_ok());
    }
}
