//! Networks in CIDR notation, and the table that tells which locations an address lies in.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::bits::Bits;

/// Named locations of a tenant, by the order in which they were compiled.
pub(crate) type LocationSet = Bits<4>;
/// As many locations as a [`LocationSet`] has room for.
pub(crate) const LOCATION_BITS: usize = 256;

/// Shortest prefix of a network, for both families: a location that holds more is no place.
pub const PREFIX_MIN: u8 = 8;
/// What lies before an IPv4 address in its form as an IPv6 address (RFC 4291 section 2.5.5.2), in bits.
const MAPPED_PREFIX: u8 = 96;

/// A network: all addresses from `first` to `last`, both within. Addresses are numbers; those of IPv4 are below 2³².
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    pub(crate) is_v4: bool,
    pub(crate) first: u128,
    pub(crate) last: u128,
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotANetwork {
    #[error("is not an address with a prefix length")]
    Form,
    #[error("is not an address of that family")]
    Family,
    #[error("has a prefix that is too long")]
    TooLong,
    #[error("is too large: the prefix must be /{PREFIX_MIN} or longer")]
    TooLarge,
}

impl Network {
    /// Reads CIDR notation (RFC 4632 section 3.1) of one family. Bits behind the prefix may be set and mean nothing. A
    /// network of IPv4 that is written as one of IPv6 is the network of IPv4, as the addresses in it are.
    pub(crate) fn parse(text: &str, is_v4: bool) -> Result<Network, NotANetwork> {
        let (address, prefix) = text.split_once('/').ok_or(NotANetwork::Form)?;
        let address: IpAddr = address.parse().map_err(|_| NotANetwork::Form)?;
        if address.is_ipv4() != is_v4 {
            return Err(NotANetwork::Family);
        }
        // `parse` would take a sign, and zeros in front make two texts of one network.
        let is_plain =
            prefix.bytes().all(|byte| byte.is_ascii_digit()) && (prefix == "0" || !prefix.starts_with('0'));
        let prefix: u8 = prefix.parse().ok().filter(|_| is_plain).ok_or(NotANetwork::Form)?;
        match address {
            IpAddr::V4(address) => Network::new(true, u32::from(address).into(), 32, prefix),
            IpAddr::V6(address) => {
                // Checked first: a prefix that is too long would make the subtraction below look valid.
                if prefix > 128 {
                    return Err(NotANetwork::TooLong);
                }
                match (address.to_ipv4_mapped(), prefix.checked_sub(MAPPED_PREFIX)) {
                    (Some(mapped), Some(prefix)) => Network::new(true, u32::from(mapped).into(), 32, prefix),
                    _ => Network::new(false, address.into(), 128, prefix),
                }
            }
        }
    }

    fn new(is_v4: bool, address: u128, bits: u8, prefix: u8) -> Result<Network, NotANetwork> {
        if prefix > bits {
            return Err(NotANetwork::TooLong);
        }
        if prefix < PREFIX_MIN {
            return Err(NotANetwork::TooLarge);
        }
        // The prefix has at least 8 bits, so the shift is below 128.
        let host = (1_u128 << (bits - prefix)) - 1;
        Ok(Network { is_v4, first: address & !host, last: address | host })
    }

    /// Whether the address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (is_v4, number) = number(address);
        is_v4 == self.is_v4 && (self.first..=self.last).contains(&number)
    }
}

/// The family of an address and its number. An IPv4 address in the form of IPv6 is one of IPv4.
fn number(address: IpAddr) -> (bool, u128) {
    match address.to_canonical() {
        IpAddr::V4(address) => (true, u32::from(address).into()),
        IpAddr::V6(address) => (false, address.into()),
    }
}

/// Which locations an address lies in: disjoint intervals, sorted, for each family.
#[derive(Clone, Debug, Default)]
pub(crate) struct Networks {
    v4: Intervals,
    v6: Intervals,
}

impl Networks {
    /// Merges networks, each with the number of its location.
    pub(crate) fn new(networks: &[(Network, usize)]) -> Networks {
        let of_family = |is_v4| networks.iter().filter(move |(network, _)| network.is_v4 == is_v4);
        Networks { v4: Intervals::new(of_family(true)), v6: Intervals::new(of_family(false)) }
    }

    pub(crate) fn locations(&self, address: IpAddr) -> LocationSet {
        match number(address) {
            (true, number) => self.v4.locations(number),
            (false, number) => self.v6.locations(number),
        }
    }
}

/// Where the set of locations changes: from `starts[i]` up to the next start it is `sets[i]`; below the first it is
/// empty. Two lists, so that the search touches nothing but numbers.
#[derive(Clone, Debug, Default)]
struct Intervals {
    starts: Vec<u128>,
    sets: Vec<LocationSet>,
}

impl Intervals {
    fn new<'n>(networks: impl Iterator<Item = &'n (Network, usize)>) -> Intervals {
        // How much each location is entered or left at each number. Networks of one location may overlap, so they are
        // counted.
        let mut changes: BTreeMap<u128, Vec<(usize, i32)>> = BTreeMap::new();
        for (network, location) in networks {
            changes.entry(network.first).or_default().push((*location, 1));
            // Behind the last address of all nothing is left.
            if let Some(behind) = network.last.checked_add(1) {
                changes.entry(behind).or_default().push((*location, -1));
            }
        }
        let mut intervals = Intervals::default();
        let mut entered = [0_i32; LOCATION_BITS];
        let mut current = LocationSet::NONE;
        for (start, changes) in changes {
            for (location, by) in changes {
                entered[location] += by;
                if entered[location] > 0 { current.insert(location) } else { current.remove(location) }
            }
            if current != intervals.sets.last().copied().unwrap_or_default() {
                intervals.starts.push(start);
                intervals.sets.push(current);
            }
        }
        intervals
    }

    fn locations(&self, number: u128) -> LocationSet {
        let behind = self.starts.partition_point(|start| *start <= number);
        behind.checked_sub(1).map_or(LocationSet::NONE, |at| self.sets[at])
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host_bits = (self.last - self.first).count_ones();
        if self.is_v4 {
            write!(f, "{}/{}", Ipv4Addr::from(self.first as u32), 32 - host_bits)
        } else {
            write!(f, "{}/{}", Ipv6Addr::from(self.first), 128 - host_bits)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Network, NotANetwork> {
        Network::parse(text, !text.contains(':'))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn bits_behind_the_prefix_mean_nothing() {
        let network = parse("12.34.221.11/22").unwrap();
        assert_eq!(network, parse("12.34.220.0/22").unwrap());
        assert_eq!(network.to_string(), "12.34.220.0/22");
        for (inside, expected) in
            [("12.34.220.0", true), ("12.34.223.255", true), ("12.34.219.255", false), ("12.34.224.0", false)]
        {
            assert_eq!(network.contains(address(inside)), expected, "{inside}");
        }
        assert_eq!(parse("2001:db8:1:2:3::4/48").unwrap().to_string(), "2001:db8:1::/48");
    }

    #[test]
    fn one_address_is_a_network() {
        let one = parse("198.51.100.7/32").unwrap();
        assert!(one.contains(address("198.51.100.7")));
        assert!(!one.contains(address("198.51.100.6")) && !one.contains(address("198.51.100.8")));
        let one = parse("2001:db8::7/128").unwrap();
        assert!(one.contains(address("2001:db8::7")) && !one.contains(address("2001:db8::8")));
    }

    #[test]
    fn the_edges_of_all_addresses() {
        for (text, last) in [
            ("255.255.255.255/32", "255.255.255.255"),
            ("255.0.0.0/8", "255.255.255.255"),
            ("ff00::/8", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("0.0.0.0/8", "0.255.255.255"),
            ("::/8", "ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            let network = parse(text).unwrap();
            assert!(network.contains(address(last)), "{text}");
            let table = Networks::new(&[(network, 3)]);
            assert!(table.locations(address(last)).contains(3), "{text}");
        }
    }

    #[test]
    fn what_is_too_large_or_no_network_is_refused() {
        for (text, why) in [
            ("0.0.0.0/0", NotANetwork::TooLarge),
            ("128.0.0.0/1", NotANetwork::TooLarge),
            ("10.0.0.0/7", NotANetwork::TooLarge),
            ("::/0", NotANetwork::TooLarge),
            ("2000::/7", NotANetwork::TooLarge),
            // All of IPv4, and more than a /8 of it, in the form of IPv6.
            ("::ffff:0.0.0.0/96", NotANetwork::TooLarge),
            ("::ffff:10.0.0.0/103", NotANetwork::TooLarge),
            ("192.0.2.0/33", NotANetwork::TooLong),
            ("2001:db8::/129", NotANetwork::TooLong),
            ("::ffff:192.0.2.0/129", NotANetwork::TooLong),
            ("192.0.2.0/256", NotANetwork::Form),
            ("192.0.2.1", NotANetwork::Form),
            ("192.0.2.0/", NotANetwork::Form),
            ("192.0.2.0/+24", NotANetwork::Form),
            ("192.0.2.0/024", NotANetwork::Form),
            ("192.0.2.0/24/24", NotANetwork::Form),
            (" 192.0.2.0/24", NotANetwork::Form),
            ("192.0.2.0.1/24", NotANetwork::Form),
            ("/24", NotANetwork::Form),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
        assert_eq!(Network::parse("192.0.2.0/24", false), Err(NotANetwork::Family));
        assert_eq!(Network::parse("2001:db8::/32", true), Err(NotANetwork::Family));
    }

    #[test]
    fn both_forms_of_an_address_are_the_same() {
        let network = parse("::ffff:198.51.100.0/120").unwrap();
        assert_eq!(network, parse("198.51.100.0/24").unwrap());
        for form in ["198.51.100.10", "::ffff:198.51.100.10"] {
            assert!(network.contains(address(form)), "{form}");
        }
        // A network of IPv6 holds no address of IPv4, although the numbers of their IPv6 forms lie in it.
        assert!(!parse("::/8").unwrap().contains(address("::ffff:198.51.100.10")));
    }

    #[test]
    fn overlapping_networks_of_one_location_are_left_once() {
        let networks: Vec<_> =
            [("10.0.0.0/8", 0), ("10.1.0.0/16", 0), ("10.1.2.0/24", 1), ("10.255.0.0/16", 0)]
                .map(|(text, location)| (parse(text).unwrap(), location))
                .to_vec();
        let table = Networks::new(&networks);
        let found = |text: &str| table.locations(address(text)).iter().collect::<Vec<_>>();
        assert_eq!(found("9.255.255.255"), [0; 0]);
        assert_eq!(found("10.0.0.0"), [0]);
        assert_eq!(found("10.1.1.255"), [0]);
        assert_eq!(found("10.1.2.0"), [0, 1]);
        assert_eq!(found("10.1.3.0"), [0]);
        assert_eq!(found("10.255.255.255"), [0]);
        assert_eq!(found("11.0.0.0"), [0; 0]);
    }
}
