//! Networks that addresses are drawn from: real ranges, so that a drawn address enriches to the stated
//! autonomous system and country.
//!
//! Each range lies wholly inside one row of the public address tables that Countersign ships with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::rng::Rng;

/// What a network is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkKind {
    /// Offices and homes.
    Access,
    /// Microsoft Azure.
    Azure,
    /// Amazon Web Services.
    Aws,
    /// Google Cloud.
    Gcp,
    /// Azure ranges in which GitHub runs its hosted runners.
    Runner,
    /// Rented servers in the countries a tenant works in.
    Hosting,
    /// Rented servers elsewhere, some of doubtful repute.
    ForeignHosting,
}

/// One range of addresses.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// What people call it.
    pub name: &'static str,
    /// Autonomous system that announces it.
    pub asn: u32,
    /// ISO 3166-1 alpha-2 code of where it is used.
    pub country: &'static str,
    /// First address.
    pub first: IpAddr,
    /// Bits that all its addresses share.
    pub prefix_len: u8,
    /// What it is used for.
    pub kind: NetworkKind,
}

impl Network {
    /// True when `ip` belongs to it.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.first, ip) {
            (IpAddr::V4(first), IpAddr::V4(ip)) => {
                (u32::from(first) ^ u32::from(ip)).leading_zeros() >= u32::from(self.prefix_len)
            }
            (IpAddr::V6(first), IpAddr::V6(ip)) => {
                (u128::from(first) ^ u128::from(ip)).leading_zeros() >= u32::from(self.prefix_len)
            }
            _ => false,
        }
    }
}

const fn v4(
    name: &'static str,
    asn: u32,
    country: &'static str,
    first: [u8; 4],
    prefix_len: u8,
    kind: NetworkKind,
) -> Network {
    let [a, b, c, d] = first;
    Network { name, asn, country, first: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix_len, kind }
}

const fn v6(
    name: &'static str,
    asn: u32,
    country: &'static str,
    first: [u16; 3],
    prefix_len: u8,
    kind: NetworkKind,
) -> Network {
    let [a, b, c] = first;
    Network { name, asn, country, first: IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)), prefix_len, kind }
}

use NetworkKind::{Access, Aws, Azure, ForeignHosting, Gcp, Hosting, Runner};

/// All of them.
pub const NETWORKS: &[Network] = &[
    v4("GitHub runners US", 8075, "US", [4, 148, 0, 0], 14, Runner),
    v4("GitHub runners US", 8075, "US", [172, 168, 0, 0], 15, Runner),
    v4("GitHub runners US", 8075, "US", [13, 64, 0, 0], 15, Runner),
    v4("GitHub runners US", 8075, "US", [4, 156, 0, 0], 15, Runner),
    v4("GitHub runners NL", 8075, "NL", [4, 180, 0, 0], 16, Runner),
    v4("GitHub runners NL", 8075, "NL", [20, 4, 0, 0], 16, Runner),
    v4("GitHub runners IE", 8075, "IE", [4, 208, 0, 0], 15, Runner),
    v4("GitHub runners IE", 8075, "IE", [20, 223, 0, 0], 16, Runner),
    v4("GitHub runners GB", 8075, "GB", [74, 144, 0, 0], 15, Runner),
    v4("GitHub runners CA", 8075, "CA", [4, 229, 0, 0], 16, Runner),
    v4("GitHub runners CA", 8075, "CA", [20, 116, 0, 0], 16, Runner),
    v4("Azure germanywestcentral", 8075, "DE", [4, 185, 0, 0], 16, Azure),
    v4("Azure germanywestcentral", 8075, "DE", [135, 220, 0, 0], 16, Azure),
    v4("Azure francecentral", 8075, "FR", [4, 211, 0, 0], 16, Azure),
    v4("Azure francecentral", 8075, "FR", [172, 189, 0, 0], 16, Azure),
    v4("Azure uksouth", 8075, "GB", [20, 90, 128, 0], 17, Azure),
    v4("Azure uksouth", 8075, "GB", [20, 108, 0, 0], 16, Azure),
    v4("Azure uksouth", 8075, "GB", [51, 140, 0, 0], 17, Azure),
    v4("Azure uksouth", 8075, "GB", [4, 158, 0, 0], 16, Azure),
    v4("Azure westeurope", 8075, "NL", [51, 136, 0, 0], 17, Azure),
    v4("Azure westeurope", 8075, "NL", [13, 80, 0, 0], 16, Azure),
    v4("Azure westeurope", 8075, "NL", [51, 144, 0, 0], 16, Azure),
    v4("Azure northeurope", 8075, "IE", [20, 107, 224, 0], 20, Azure),
    v4("Azure northeurope", 8075, "IE", [52, 169, 0, 0], 16, Azure),
    v4("Azure northeurope", 8075, "IE", [52, 178, 128, 0], 17, Azure),
    v4("Azure northeurope", 8075, "IE", [40, 127, 128, 0], 17, Azure),
    v4("Azure swedencentral", 8075, "SE", [172, 160, 0, 0], 16, Azure),
    v4("Azure swedencentral", 8075, "SE", [135, 225, 0, 0], 16, Azure),
    v4("Azure swedencentral", 8075, "SE", [4, 225, 128, 0], 17, Azure),
    v4("Azure eastus", 8075, "US", [20, 118, 0, 0], 16, Azure),
    v4("Azure eastus", 8075, "US", [13, 82, 0, 0], 16, Azure),
    v4("Azure eastus", 8075, "US", [40, 76, 0, 0], 16, Azure),
    v4("Azure eastus", 8075, "US", [52, 224, 0, 0], 16, Azure),
    v4("Azure eastus", 8075, "US", [52, 186, 0, 0], 16, Azure),
    v4("Azure southeastasia", 8075, "SG", [4, 193, 0, 0], 16, Azure),
    v4("Azure japaneast", 8075, "JP", [4, 189, 0, 0], 16, Azure),
    v4("AWS eu-central-1", 16509, "DE", [3, 64, 0, 0], 13, Aws),
    v4("AWS eu-west-1", 16509, "IE", [34, 240, 0, 0], 13, Aws),
    v4("AWS eu-west-2", 16509, "GB", [35, 176, 0, 0], 15, Aws),
    v4("AWS eu-west-3", 16509, "FR", [35, 180, 0, 0], 16, Aws),
    v4("AWS eu-north-1", 16509, "SE", [13, 48, 0, 0], 15, Aws),
    v4("AWS us-west-2", 16509, "US", [44, 224, 0, 0], 12, Aws),
    v4("AWS us-east-1", 14618, "US", [3, 208, 0, 0], 13, Aws),
    v4("AWS ap-southeast-1", 16509, "SG", [18, 140, 0, 0], 15, Aws),
    v4("GCP europe-west1", 396_982, "BE", [34, 76, 0, 0], 15, Gcp),
    v4("GCP europe-west3", 396_982, "DE", [34, 159, 0, 0], 16, Gcp),
    v4("GCP europe-west4", 396_982, "NL", [34, 90, 0, 0], 15, Gcp),
    v4("GCP us-central1", 396_982, "US", [34, 68, 0, 0], 14, Gcp),
    v4("Hetzner Falkenstein", 24940, "DE", [78, 46, 0, 0], 15, Hosting),
    v4("Hetzner Helsinki", 24940, "FI", [65, 108, 192, 0], 18, Hosting),
    v4("OVH Roubaix", 16276, "FR", [37, 187, 0, 0], 17, Hosting),
    v4("OVH London", 16276, "GB", [57, 129, 128, 0], 19, Hosting),
    v4("OVH Beauharnois", 16276, "CA", [158, 69, 0, 0], 16, Hosting),
    v4("Scaleway Paris", 12876, "FR", [163, 172, 0, 0], 17, Hosting),
    v4("IONOS Berlin", 8560, "DE", [85, 215, 128, 0], 18, Hosting),
    v4("DigitalOcean Frankfurt", 14061, "DE", [46, 101, 128, 0], 17, Hosting),
    v4("DigitalOcean Amsterdam", 14061, "NL", [188, 166, 0, 0], 17, Hosting),
    v4("DigitalOcean London", 14061, "GB", [178, 62, 0, 0], 17, Hosting),
    v4("DigitalOcean New York", 14061, "US", [104, 131, 0, 0], 16, Hosting),
    v4("DigitalOcean Singapore", 14061, "SG", [128, 199, 128, 0], 17, Hosting),
    v4("Vultr New Jersey", 20473, "US", [144, 202, 0, 0], 17, Hosting),
    v4("Vultr Amsterdam", 20473, "NL", [95, 179, 128, 0], 19, Hosting),
    v4("Vultr Tokyo", 20473, "JP", [167, 179, 64, 0], 18, Hosting),
    v4("Linode London", 63949, "GB", [178, 79, 128, 0], 18, Hosting),
    v4("Linode Fremont", 63949, "US", [45, 33, 0, 0], 17, Hosting),
    v4("Contabo Nuremberg", 51167, "DE", [161, 97, 64, 0], 18, Hosting),
    v4("Selectel Saint Petersburg", 49505, "RU", [87, 228, 32, 0], 19, ForeignHosting),
    v4("REG.RU Moscow", 197_695, "RU", [89, 108, 96, 0], 19, ForeignHosting),
    v4("Timeweb Saint Petersburg", 9123, "RU", [5, 42, 96, 0], 20, ForeignHosting),
    v4("AlexHost Chisinau", 200_019, "MD", [176, 123, 0, 0], 21, ForeignHosting),
    v4("M247 Bucharest", 9009, "RO", [85, 121, 120, 0], 21, ForeignHosting),
    v4("M247 Sofia", 9009, "BG", [38, 180, 2, 0], 23, ForeignHosting),
    v4("FranTech Luxembourg", 53667, "LU", [107, 189, 0, 0], 21, ForeignHosting),
    v4("Virtual Systems Kyiv", 48031, "UA", [156, 246, 128, 0], 20, ForeignHosting),
    v4("HostPapa Buffalo", 36352, "US", [107, 172, 64, 0], 18, ForeignHosting),
    v4("Tencent Hong Kong", 132_203, "HK", [43, 154, 0, 0], 16, ForeignHosting),
    v4("Alibaba Singapore", 45102, "SG", [43, 104, 0, 0], 14, ForeignHosting),
    v4("Deutsche Telekom", 3320, "DE", [93, 192, 0, 0], 11, Access),
    v4("Deutsche Telekom", 3320, "DE", [87, 128, 0, 0], 11, Access),
    v4("Vodafone Germany", 3209, "DE", [188, 96, 0, 0], 12, Access),
    v4("Telefonica Germany", 6805, "DE", [77, 176, 0, 0], 12, Access),
    v4("1&1 Versatel", 8881, "DE", [89, 244, 0, 0], 15, Access),
    v4("Orange", 3215, "FR", [90, 48, 0, 0], 12, Access),
    v4("Free", 12322, "FR", [82, 224, 0, 0], 11, Access),
    v4("SFR", 15557, "FR", [79, 80, 0, 0], 12, Access),
    v4("Comcast", 7922, "US", [98, 192, 0, 0], 11, Access),
    v4("Verizon", 701, "US", [71, 112, 0, 0], 12, Access),
    v4("AT&T", 7018, "US", [99, 32, 0, 0], 12, Access),
    v4("Lumen", 3356, "US", [8, 96, 0, 0], 12, Access),
    v4("BT", 2856, "GB", [86, 128, 0, 0], 11, Access),
    v4("Virgin Media", 5089, "GB", [82, 8, 0, 0], 14, Access),
    v4("Sky", 5607, "GB", [90, 192, 0, 0], 12, Access),
    v4("KPN", 1136, "NL", [77, 160, 0, 0], 12, Access),
    v4("Vodafone Netherlands", 33915, "NL", [84, 24, 0, 0], 14, Access),
    v4("Telia", 3301, "SE", [90, 224, 0, 0], 12, Access),
    v4("Bahnhof", 8473, "SE", [155, 4, 128, 0], 17, Access),
    v4("Swisscom", 3303, "CH", [178, 192, 0, 0], 14, Access),
    v4("Orange Polska", 5617, "PL", [83, 16, 0, 0], 13, Access),
    v6("Azure westeurope v6", 8075, "NL", [0x2603, 0x1029, 0], 40, Azure),
    v6("Azure uksouth v6", 8075, "GB", [0x2603, 0x1020, 0x700], 40, Azure),
    v6("Azure germanywestcentral v6", 8075, "DE", [0x2603, 0x1020, 0xc00], 40, Azure),
    v6("Azure francecentral v6", 8075, "FR", [0x2603, 0x1020, 0x800], 40, Azure),
    v6("Azure swedencentral v6", 8075, "SE", [0x2603, 0x1020, 0x1000], 40, Azure),
    v6("Azure eastus v6", 8075, "US", [0x2603, 0x1070, 0], 30, Azure),
    v6("AWS eu-west-1 v6", 16509, "IE", [0x2a05, 0xd018, 0], 36, Aws),
    v6("AWS us-east-1 v6", 14618, "US", [0x2600, 0x1f18, 0], 36, Aws),
    v6("Hetzner v6", 24940, "DE", [0x2a01, 0x4f8, 0], 32, Hosting),
    v6("Deutsche Telekom v6", 3320, "DE", [0x2003, 0x1000, 0], 22, Access),
    v6("Orange v6", 3215, "FR", [0x2a01, 0xcb00, 0], 28, Access),
    v6("Comcast v6", 7922, "US", [0x2601, 0, 0], 22, Access),
    v6("BT v6", 2856, "GB", [0x2a00, 0x2380, 0], 26, Access),
    v6("KPN v6", 1136, "NL", [0x2a02, 0xa400, 0], 26, Access),
    v6("Telia v6", 3301, "SE", [0x2a13, 0xd480, 0], 30, Access),
];

/// City, region and coordinates that the log reports for a country's addresses; one place a country is enough,
/// because nothing reads finer than the country.
pub(crate) fn place_of(country: &str) -> (&'static str, &'static str, &'static str, &'static str) {
    match country {
        "BE" => ("Brussels", "Brussels Hoofdstedelijk Gewest", "50.85", "4.35"),
        "BG" => ("Sofia", "Sofia-Grad", "42.69", "23.32"),
        "CA" => ("Toronto", "Ontario", "43.65", "-79.38"),
        "CH" => ("Zurich", "Zurich", "47.37", "8.54"),
        "DE" => ("Frankfurt am Main", "Hessen", "50.11", "8.68"),
        "FI" => ("Helsinki", "Uusimaa", "60.17", "24.94"),
        "FR" => ("Paris", "Paris", "48.85", "2.35"),
        "GB" => ("London", "London, City of", "51.51", "-0.12"),
        "HK" => ("Hong Kong", "Hong Kong", "22.28", "114.17"),
        "IE" => ("Dublin", "Dublin", "53.34", "-6.26"),
        "JP" => ("Tokyo", "Tokyo", "35.68", "139.69"),
        "LU" => ("Luxembourg", "Luxembourg", "49.61", "6.13"),
        "MD" => ("Chisinau", "Chisinau", "47.01", "28.86"),
        "NL" => ("Amsterdam", "Noord-Holland", "52.37", "4.89"),
        "PL" => ("Warsaw", "Mazowieckie", "52.23", "21.01"),
        "RO" => ("Bucharest", "Bucuresti", "44.43", "26.1"),
        "RU" => ("Moscow", "Moskva", "55.75", "37.62"),
        "SE" => ("Stockholm", "Stockholms Lan", "59.33", "18.07"),
        "SG" => ("Singapore", "Central Singapore", "1.29", "103.85"),
        "UA" => ("Kyiv", "Kyiv", "50.45", "30.52"),
        "US" => ("Washington", "Virginia", "38.71", "-78.16"),
        _ => ("", "", "0.0", "0.0"),
    }
}

/// One address and the network it was drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) ip: IpAddr,
    network: u16,
}

impl Address {
    pub(crate) fn country(self) -> &'static str {
        self.network().country
    }

    pub(crate) fn network(self) -> &'static Network {
        &NETWORKS[usize::from(self.network)]
    }

    /// Another address of the same /24 (IPv4) or /64 (IPv6).
    pub(crate) fn neighbour(self, rng: &mut Rng) -> Address {
        let ip = match self.ip {
            IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from(u32::from(ip) & !0xff | rng.between(1, 254) as u32)),
            IpAddr::V6(ip) => {
                IpAddr::V6(Ipv6Addr::from(u128::from(ip) & !u128::from(u64::MAX) | u128::from(rng.next())))
            }
        };
        Address { ip, network: self.network }
    }

    /// `count` addresses of one neighbourhood, all different where the neighbourhood allows.
    pub(crate) fn pool(self, count: usize, rng: &mut Rng) -> Vec<Address> {
        let mut pool = vec![self];
        for _ in 0..count * 8 {
            if pool.len() >= count {
                break;
            }
            let next = self.neighbour(rng);
            if !pool.contains(&next) {
                pool.push(next);
            }
        }
        pool
    }
}

/// Draws an address of a network that `wanted` accepts, IPv4 or IPv6 as asked. Falls back to any network of the
/// address family, so that a country without a cloud region still works.
fn draw(rng: &mut Rng, family_v6: bool, wanted: impl Fn(&Network) -> bool) -> Address {
    let family = |network: &Network| network.first.is_ipv6() == family_v6;
    let matching: Vec<usize> =
        (0..NETWORKS.len()).filter(|i| family(&NETWORKS[*i]) && wanted(&NETWORKS[*i])).collect();
    let any: Vec<usize> = (0..NETWORKS.len()).filter(|i| family(&NETWORKS[*i])).collect();
    let index = *rng.pick(if matching.is_empty() { &any } else { &matching });
    let network = &NETWORKS[index];
    let ip = match network.first {
        IpAddr::V4(first) => {
            let host_mask = u32::MAX >> network.prefix_len;
            let mut host = rng.next() as u32 & host_mask;
            if matches!(host & 0xff, 0 | 0xff) {
                host ^= 0x35;
            }
            IpAddr::V4(Ipv4Addr::from(u32::from(first) | host))
        }
        IpAddr::V6(first) => {
            let host_mask = u128::MAX >> network.prefix_len;
            let host = (u128::from(rng.next()) << 64 | u128::from(rng.next())) & host_mask;
            IpAddr::V6(Ipv6Addr::from(u128::from(first) | host))
        }
    };
    Address { ip, network: index as u16 }
}

/// Draws an IPv4 address of a network that `wanted` accepts.
pub(crate) fn draw_v4(rng: &mut Rng, wanted: impl Fn(&Network) -> bool) -> Address {
    draw(rng, false, wanted)
}

/// Draws an IPv6 address of a network that `wanted` accepts.
pub(crate) fn draw_v6(rng: &mut Rng, wanted: impl Fn(&Network) -> bool) -> Address {
    draw(rng, true, wanted)
}

/// Draws an IPv4 address of a kind of network in a country; elsewhere when that country has none.
pub(crate) fn draw_near(rng: &mut Rng, kind: NetworkKind, country: &str) -> Address {
    let at_home = NETWORKS.iter().any(|n| n.first.is_ipv4() && n.kind == kind && n.country == country);
    draw_v4(rng, |n| n.kind == kind && (n.country == country || !at_home))
}

/// The address of one run of a GitHub-hosted runner: new nearly each time, most of them in the United States.
pub(crate) fn hosted_runner(rng: &mut Rng) -> Address {
    const COUNTRIES: [&str; 5] = ["US", "NL", "IE", "GB", "CA"];
    let country = COUNTRIES[rng.weighted(&[62, 13, 10, 8, 7])];
    draw_v4(rng, |network| network.kind == Runner && network.country == country)
}

/// The network an address belongs to, if it is one of [`NETWORKS`]; where the ranges of GitHub's runners and of
/// Azure overlap, the first.
pub fn network_of(ip: IpAddr) -> Option<&'static Network> {
    NETWORKS.iter().find(|network| network.contains(ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_is_valid() {
        for network in NETWORKS {
            let (host_bits, width) = match network.first {
                IpAddr::V4(first) => (u128::from(u32::from(first) & (u32::MAX >> network.prefix_len)), 24),
                IpAddr::V6(first) => (u128::from(first) & (u128::MAX >> network.prefix_len), 48),
            };
            assert_eq!(host_bits, 0, "{} does not start at its prefix", network.name);
            assert!(network.prefix_len <= width && network.prefix_len >= 8, "{}", network.name);
            assert!(network.asn > 0 && network.country.len() == 2, "{}", network.name);
            assert_ne!(place_of(network.country).0, "", "{} has no place", network.country);
        }
    }

    #[test]
    fn drawn_addresses_and_their_neighbours_stay_inside() {
        let mut rng = Rng::of(&[7]);
        for _ in 0..2_000 {
            for address in [draw_v4(&mut rng, |_| true), draw_v6(&mut rng, |_| true), hosted_runner(&mut rng)]
            {
                assert!(address.network().contains(address.ip), "{address:?}");
                assert!(address.network().contains(address.neighbour(&mut rng).ip));
            }
        }
    }

    #[test]
    fn a_pool_has_different_addresses() {
        let mut rng = Rng::of(&[8]);
        let mut pool = draw_v4(&mut rng, |network| network.kind == Azure).pool(20, &mut rng);
        pool.sort_by_key(|address| address.ip);
        pool.dedup();
        assert_eq!(pool.len(), 20);
    }
}
