//! Which addresses may be connected to: pure rules over parsed addresses.
//!
//! Decides by the table of `spec/security.md` ("Outgoing"). Must never resolve or connect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address this is to the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// On the public internet.
    Public,
    /// Private networks: allowed to the platform, not to tenants.
    Private,
    /// Refused to everybody unless listed; the text names the range.
    Forbidden(&'static str),
}

/// An address range in CIDR form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr {
    base: IpAddr,
    bits: u8,
}

impl Cidr {
    /// Parses `10.0.0.0/8`, `fd00::/8` or a single address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base.parse().ok()?, bits.parse().ok()?),
            None => {
                let base: IpAddr = text.parse().ok()?;
                (base, if base.is_ipv4() { 32 } else { 128 })
            }
        };
        let max = if base.is_ipv4() { 32 } else { 128 };
        (bits <= max).then_some(Self { base, bits })
    }
    /// Whether it is one address.
    #[must_use]
    pub const fn is_single(&self) -> bool {
        self.bits == if self.base.is_ipv4() { 32 } else { 128 }
    }
    /// Whether an address lies in the range. A v4 range never holds a v6 address, mapped or not.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.base, ip) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => same_prefix(v4(base), v4(ip), 96 + u32::from(self.bits)),
            (IpAddr::V6(base), IpAddr::V6(ip)) => same_prefix(base.to_bits(), ip.to_bits(), u32::from(self.bits)),
            _ => false,
        }
    }
}

const fn v4(ip: Ipv4Addr) -> u128 {
    ip.to_bits() as u128
}

const fn same_prefix(a: u128, b: u128, bits: u32) -> bool {
    bits == 0 || (a ^ b).leading_zeros() >= bits
}

const PRIVATE_V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
];

const FORBIDDEN_V4: &[(Ipv4Addr, u32, &str)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 32, "0.0.0.0 (unspecified)"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "127.0.0.0/8 (loopback)"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "169.254.0.0/16 (link-local, cloud metadata)"),
    (Ipv4Addr::new(168, 63, 129, 16), 32, "168.63.129.16 (cloud metadata)"),
    (Ipv4Addr::new(100, 100, 100, 200), 32, "100.100.100.200 (cloud metadata)"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "192.0.0.0/24 (protocol assignments)"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "198.18.0.0/15 (benchmarking)"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "224.0.0.0/4 (multicast)"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "240.0.0.0/4 (reserved)"),
];

const FORBIDDEN_V6: &[(Ipv6Addr, u32, &str)] = &[
    (Ipv6Addr::LOCALHOST, 128, "::1 (loopback)"),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, "::ffff:0:0/96 (IPv4-mapped)"),
    (Ipv6Addr::UNSPECIFIED, 96, "::/96 (IPv4-compatible, unspecified)"),
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96, "64:ff9b::/96 (NAT64)"),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, "64:ff9b:1::/48 (NAT64)"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, "2001::/32 (Teredo)"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "2002::/16 (6to4)"),
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128, "fd00:ec2::254 (cloud metadata)"),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128, "fd20:ce::254 (cloud metadata)"),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "fe80::/10 (link-local)"),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "fec0::/10 (site-local)"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "ff00::/8 (multicast)"),
];

const UNIQUE_LOCAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7);

/// Classifies an address.
#[must_use]
pub fn classify(ip: IpAddr) -> Class {
    match ip {
        IpAddr::V4(ip) => classify_v4(ip),
        IpAddr::V6(ip) => classify_v6(ip),
    }
}

fn classify_v4(ip: Ipv4Addr) -> Class {
    let within = |base: Ipv4Addr, bits: u32| same_prefix(v4(base), v4(ip), 96 + bits);
    if let Some((_, _, name)) = FORBIDDEN_V4.iter().find(|(base, bits, _)| within(*base, *bits)) {
        return Class::Forbidden(name);
    }
    if PRIVATE_V4.iter().any(|(base, bits)| within(*base, *bits)) { Class::Private } else { Class::Public }
}

fn classify_v6(ip: Ipv6Addr) -> Class {
    let within = |base: Ipv6Addr, bits: u32| same_prefix(base.to_bits(), ip.to_bits(), bits);
    if let Some((_, _, name)) = FORBIDDEN_V6.iter().find(|(base, bits, _)| within(*base, *bits)) {
        return Class::Forbidden(name);
    }
    let (base, bits) = UNIQUE_LOCAL_V6;
    if within(base, bits) { Class::Private } else { Class::Public }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(text: &str) -> Class {
        classify(text.parse().unwrap())
    }

    #[test]
    fn every_forbidden_range_is_refused_at_both_ends() {
        for ip in [
            "0.0.0.0",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.0.0",
            "169.254.169.254",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.0",
            "192.0.0.255",
            "198.18.0.0",
            "198.19.255.255",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.0",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::1",
            "64:ff9b:1::1",
            "2001::1",
            "2002:7f00:1::",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(matches!(class(ip), Class::Forbidden(_)), "{ip}");
        }
    }

    #[test]
    fn private_and_public_ranges_end_where_they_should() {
        for ip in [
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "fc00::1",
            "fdff::1",
        ] {
            assert_eq!(class(ip), Class::Private, "{ip}");
        }
        for ip in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:4860::8888",
            "2003::1",
            "fbff::1",
        ] {
            assert_eq!(class(ip), Class::Public, "{ip}");
        }
    }

    #[test]
    fn cidr_holds_exactly_its_range() {
        let range = Cidr::parse("10.1.0.0/16").unwrap();
        assert!(range.contains("10.1.255.255".parse().unwrap()) && !range.contains("10.2.0.0".parse().unwrap()));
        assert!(!range.contains("::ffff:10.1.0.1".parse().unwrap()));
        assert!(Cidr::parse("10.0.0.0/33").is_none() && Cidr::parse("x/8").is_none());
        assert!(Cidr::parse("0.0.0.0/0").unwrap().contains("1.2.3.4".parse().unwrap()));
    }
}
