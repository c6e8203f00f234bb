//! Who comes: the address of the connection, or what proxies that are trusted say of it.

use crate::egress::address::Cidr;
use actix_web::HttpRequest;
use std::net::{IpAddr, Ipv6Addr};

/// The address that a request came from: behind a trusted proxy the last one that is not trusted itself. Of IPv6 the network, for
/// one caller has all of it.
pub(super) fn of(request: &HttpRequest, trusted: &[Cidr]) -> IpAddr {
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|range| range.contains(*ip));
    let peer = request.peer_addr().map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
    let forwarded = request.headers().get("x-forwarded-for").and_then(|value| value.to_str().ok());
    let forwarded = forwarded.filter(|_| is_trusted(&peer)).unwrap_or_default();
    let said = forwarded.split(',').rev().map_while(|text| text.trim().parse::<IpAddr>().ok());
    let address = said.map(|ip| ip.to_canonical()).find(|ip| !is_trusted(ip)).unwrap_or(peer);
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use actix_web::test::TestRequest;

    fn address(peer: &str, forwarded: &str) -> String {
        let trusted = [Cidr::parse("10.0.0.0/8").unwrap()];
        let request = TestRequest::default().peer_addr(format!("{peer}:1").parse().unwrap());
        of(&request.insert_header(("X-Forwarded-For", forwarded)).to_http_request(), &trusted).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(address("192.0.2.1", "203.0.113.9"), "192.0.2.1");
        assert_eq!(address("10.0.0.1", "203.0.113.9"), "203.0.113.9");
        assert_eq!(address("10.0.0.1", "1.1.1.1, 203.0.113.9, 10.0.0.7"), "203.0.113.9");
        assert_eq!(address("10.0.0.1", "nonsense"), "10.0.0.1");
        assert_eq!(address("[2001:db8:1:2:3::4]", ""), "2001:db8:1:2::");
    }
}
