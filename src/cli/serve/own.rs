//! Addresses that nobody's notification has any business with, and that egress therefore refuses by name: the API server's,
//! the store's host, and Gatepost's own listeners.
//!
//! Looked up once, at the start. A name that does not resolve then is said and left out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// Who they are.
pub(super) struct Own<'a> {
    /// Host and port of the API server.
    pub api_server: Option<(String, u16)>,
    /// Host and port of the store, where it is a server.
    pub store: Option<(String, u16)>,
    /// Where this process listens.
    pub listeners: &'a [SocketAddr],
}

/// Their addresses.
pub(super) async fn addresses(own: Own<'_>) -> Vec<(IpAddr, u16)> {
    let mut all = Vec::new();
    for (host, port) in [own.api_server, own.store].into_iter().flatten() {
        match tokio::net::lookup_host((host.as_str(), port)).await {
            Ok(found) => all.extend(found.map(|address| (address.ip(), port))),
            Err(error) => {
                tracing::warn!(host, error = %error, "this address of Gatepost's own affairs cannot be resolved; egress does not know it")
            }
        }
    }
    let here = of_this_machine(Path::new("/proc/net"));
    for listener in own.listeners {
        match listener.ip().is_unspecified() {
            true => all.extend(here.iter().map(|ip| (*ip, listener.port()))),
            false => all.push((listener.ip(), listener.port())),
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// Every address of this machine or pod, loopback among them.
fn of_this_machine(proc_net: &Path) -> Vec<IpAddr> {
    let read = |name: &str| std::fs::read_to_string(proc_net.join(name)).unwrap_or_default();
    let mut found = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    found.extend(v4(&read("fib_trie")).into_iter().map(IpAddr::V4));
    found.extend(v6(&read("if_inet6")).into_iter().map(IpAddr::V6));
    found.sort_unstable();
    found.dedup();
    found
}

/// Leaves of the routing table that are local hosts: a line `|-- 10.1.2.3` and the next one `/32 host LOCAL`.
fn v4(fib_trie: &str) -> Vec<Ipv4Addr> {
    let lines = fib_trie.lines().map(str::trim);
    let pairs = lines.clone().zip(lines.skip(1)).filter(|(_, below)| below.starts_with("/32 host LOCAL"));
    pairs.filter_map(|(line, _)| line.strip_prefix("|-- ")?.parse().ok()).collect()
}

/// The first word of each line is an address in 32 hexadecimal digits.
fn v6(if_inet6: &str) -> Vec<Ipv6Addr> {
    let words = if_inet6.lines().filter_map(|line| line.split_whitespace().next());
    words.filter_map(|word| u128::from_str_radix(word, 16).ok()).map(Ipv6Addr::from_bits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.1.2.0\n        /24 link UNICAST\n     |-- 10.1.2.3\n        /32 host LOCAL\n";
        assert_eq!(v4(trie), [Ipv4Addr::new(10, 1, 2, 3)]);
        let v6_lines = "fe80000000000000000000000000abcd 02 40 20 80     eth0\n";
        assert_eq!(v6(v6_lines), ["fe80::abcd".parse::<Ipv6Addr>().unwrap_or(Ipv6Addr::UNSPECIFIED)]);
    }

    #[tokio::test]
    async fn a_listener_on_all_addresses_is_known_by_each() {
        let listeners = ["0.0.0.0:9001".parse().unwrap_or(SocketAddr::from(([0, 0, 0, 0], 9001)))];
        let own = Own { api_server: Some(("192.0.2.7".into(), 6443)), store: None, listeners: &listeners };
        let found = addresses(own).await;
        assert!(found.contains(&(IpAddr::V4(Ipv4Addr::LOCALHOST), 9001)), "{found:?}");
        assert!(found.contains(&(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), 6443)), "{found:?}");
    }
}
