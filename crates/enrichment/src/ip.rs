//! Addresses as text: single addresses, CIDR blocks, and `first-last` ranges.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A closed range of addresses of one family. INVARIANT: `first <= last`, both of the same family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IpRange {
    first: IpAddr,
    last: IpAddr,
}

impl IpRange {
    /// The range that holds one address.
    pub fn single(ip: IpAddr) -> IpRange {
        let ip = ip.to_canonical();
        IpRange { first: ip, last: ip }
    }

    /// Both ends; `None` when they are of different families or in the wrong order.
    pub fn new(first: IpAddr, last: IpAddr) -> Option<IpRange> {
        let (first, last) = (first.to_canonical(), last.to_canonical());
        (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(IpRange { first, last })
    }

    /// Reads `192.0.2.7`, `192.0.2.0/24` (host bits are ignored) or `192.0.2.1-192.0.2.9`.
    pub fn parse(text: &str) -> Option<IpRange> {
        let text = text.trim();
        if let Some((network, length)) = text.split_once('/') {
            return IpRange::of_prefix(network.parse().ok()?, length.parse().ok()?);
        }
        match text.split_once('-') {
            Some((first, last)) => IpRange::new(first.trim().parse().ok()?, last.trim().parse().ok()?),
            None => Some(IpRange::single(text.parse().ok()?)),
        }
    }

    /// The block of all addresses that share the first `length` bits of `network`.
    pub fn of_prefix(network: IpAddr, length: u8) -> Option<IpRange> {
        match network {
            IpAddr::V4(network) if length <= 32 => {
                let host = u32::MAX.checked_shr(length.into()).unwrap_or(0);
                let first = network.to_bits() & !host;
                Some(IpRange {
                    first: Ipv4Addr::from_bits(first).into(),
                    last: Ipv4Addr::from_bits(first | host).into(),
                })
            }
            IpAddr::V6(network) if length <= 128 => {
                let host = u128::MAX.checked_shr(length.into()).unwrap_or(0);
                let first = network.to_bits() & !host;
                IpRange::new(Ipv6Addr::from_bits(first).into(), Ipv6Addr::from_bits(first | host).into())
            }
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        }
    }

    /// First address.
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// Last address.
    pub fn last(&self) -> IpAddr {
        self.last
    }

    /// True when the range holds one address only.
    pub fn is_single(&self) -> bool {
        self.first == self.last
    }

    /// True when `ip`, which must be canonical, lies in the range.
    pub fn contains(&self, ip: IpAddr) -> bool {
        // `IpAddr` orders all of IPv4 before IPv6, and both ends are of one family.
        self.first <= ip && ip <= self.last
    }

    /// True for blocks reserved for documentation (RFC 5737, RFC 3849), which nobody runs.
    pub fn is_documentation(&self) -> bool {
        ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"]
            .into_iter()
            .filter_map(IpRange::parse)
            .any(|block| block.covers(self))
    }

    /// True when every address of `other` lies in the range.
    pub fn covers(&self, other: &IpRange) -> bool {
        self.contains(other.first) && self.contains(other.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&str, &str)>) {
        let expected = expected.map(|(first, last)| (first.parse().unwrap(), last.parse().unwrap()));
        assert_eq!(IpRange::parse(text).map(|range| (range.first(), range.last())), expected, "{text}");
    }

    #[test]
    fn reads_every_spelling_of_a_range() {
        check("192.0.2.7", Some(("192.0.2.7", "192.0.2.7")));
        check(" 192.0.2.7/24 ", Some(("192.0.2.0", "192.0.2.255")));
        check("0.0.0.0/0", Some(("0.0.0.0", "255.255.255.255")));
        check("192.0.2.1 - 192.0.2.9", Some(("192.0.2.1", "192.0.2.9")));
        check("2001:db8::/32", Some(("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff")));
        check("::ffff:192.0.2.7", Some(("192.0.2.7", "192.0.2.7")));
        check("::/0", Some(("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")));
    }

    #[test]
    fn knows_the_documentation_blocks() {
        assert!(IpRange::parse("203.0.113.128/25").unwrap().is_documentation());
        assert!(!IpRange::parse("203.0.112.0/23").unwrap().is_documentation());
    }

    #[test]
    fn refuses_what_is_not_a_range() {
        for text in
            ["", "192.0.2.0/33", "2001:db8::/129", "192.0.2.9-192.0.2.1", "192.0.2.1-::1", "host", "1.2.3"]
        {
            check(text, None);
        }
    }
}
