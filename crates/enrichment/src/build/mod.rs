//! Builds the table file: rows in, bytes out. The same rows give the same bytes.
//!
//! Used by `xtask refresh-ip-data` only; nothing at run time builds a table. [`location`] and [`tor_geoip`]
//! read the upstream forms, [`text`] the tab-separated ones.

pub mod location;
pub mod overlay;
pub mod text;
pub mod tor_geoip;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use countersign_model::source::{Country, Providers};
use countersign_model::time::{SECOND, Timestamp};

use crate::column::push_number;
use crate::ip::IpRange;
use crate::table::{BODY_BYTES_MAX, FORMAT, HEAD_BYTES, MAGIC, Marks, class, flag};
use overlay::{Mark, Step};

/// Highest level whose window any zstd decoder accepts without a setting.
const COMPRESSION_LEVEL: i32 = 19;

/// One range of the networks table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The addresses.
    pub range: IpRange,
    /// Autonomous system; 0 when unannounced.
    pub asn: u32,
    /// Country, if it is one.
    pub country: Option<Country>,
    /// The location database's flags: 1 anonymous proxy, 2 satellite, 4 anycast, 8 hostile network.
    pub flags: u8,
}

/// An autonomous system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct System {
    /// Name; empty when unknown.
    pub name: String,
    /// Class bits, see [`class_bits`].
    pub class: u8,
}

/// Everything a table is made of.
#[derive(Debug, Default)]
pub struct Inputs {
    /// Date of the countries.
    pub countries_date: Timestamp,
    /// Date of the networks.
    pub networks_date: Timestamp,
    /// Ranges of both families, disjoint and ascending.
    pub networks: Vec<Network>,
    /// Autonomous systems by number.
    pub systems: BTreeMap<u32, System>,
    /// Ranges that providers publish, with the provider's name (see [`Providers::NAMES`]).
    pub providers: Vec<(IpRange, String)>,
    /// Ranges of VPN services.
    pub vpn: Vec<IpRange>,
    /// Tor exits.
    pub tor: Vec<IpRange>,
    /// Groups of autonomous systems that one organisation runs.
    pub organisations: Vec<Vec<u32>>,
}

/// Why a table cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Two networks share an address, or they are not in order.
    #[error("networks are not ascending and disjoint at `{0}`")]
    Order(std::net::IpAddr),
    /// A provider that the model has no bit for.
    #[error("provider `{0}` is not in the model's list")]
    Provider(String),
    /// An autonomous system in two groups, or a group of fewer than two.
    #[error("organisation groups disagree about autonomous system `{0}`")]
    Organisation(u32),
    /// Larger than the reader accepts.
    #[error("table of {0} bytes is beyond the reader's limit of {BODY_BYTES_MAX}")]
    TooLarge(usize),
    /// The compressor failed.
    #[error("cannot compress the table")]
    Compress(#[source] std::io::Error),
}

/// Reads a class list as `hosting,vpn`; words that are no class are ignored, so that a newer list still reads.
pub fn class_bits(list: &str) -> u8 {
    list.split(',')
        .filter_map(|word| class::NAMES.iter().position(|name| *name == word.trim()))
        .fold(0, |bits, bit| bits | 1 << bit)
}

/// Builds the table file.
pub fn build(inputs: &Inputs) -> Result<Vec<u8>, BuildError> {
    let marks = marks_of(inputs)?;
    let organisations = smallest_of_group(&inputs.organisations)?;
    let v4 = overlay::cover(inputs.networks.iter().filter(|n| n.range.first().is_ipv4()), &marks, 32)?;
    let v6 = overlay::cover(inputs.networks.iter().filter(|n| n.range.first().is_ipv6()), &marks, 128)?;

    let steps = || v4.iter().chain(&v6);
    let numbers: BTreeSet<u32> =
        steps().map(|step| step.asn).chain(inputs.systems.keys().copied()).chain([0]).collect();
    let ranks = Ranking::new(numbers.iter().copied(), steps().map(|step| step.asn));
    let countries = Ranking::new([], steps().map(|step| step.country));
    let marks = Ranking::new([], steps().map(|step| step.marks));

    let mut body = Vec::new();
    push_number(&mut body, countries.order.len() as u128);
    body.extend(countries.order.iter().flatten());
    push_number(&mut body, marks.order.len() as u128);
    for mark in &marks.order {
        body.push(mark.flags);
        body.extend(mark.providers.to_le_bytes());
    }
    push_systems(&mut body, &numbers, &ranks, &organisations, &inputs.systems);
    for family in [&v4, &v6] {
        push_family(&mut body, family, &ranks, &countries, &marks);
    }
    finish(&body, inputs)
}

fn finish(body: &[u8], inputs: &Inputs) -> Result<Vec<u8>, BuildError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(BuildError::TooLarge(body.len()));
    }
    let mut file = Vec::with_capacity(HEAD_BYTES);
    file.extend(MAGIC);
    file.extend(FORMAT.to_le_bytes());
    file.extend((inputs.countries_date.0 / SECOND).to_le_bytes());
    file.extend((inputs.networks_date.0 / SECOND).to_le_bytes());
    file.extend((body.len() as u32).to_le_bytes());
    file.extend(zstd::bulk::compress(body, COMPRESSION_LEVEL).map_err(BuildError::Compress)?);
    Ok(file)
}

/// All marks that published ranges and lists put on addresses.
fn marks_of(inputs: &Inputs) -> Result<Vec<Mark>, BuildError> {
    let mut marks = Vec::new();
    for (range, provider) in &inputs.providers {
        let bit = Providers::NAMES
            .iter()
            .position(|name| name == provider)
            .ok_or_else(|| BuildError::Provider(provider.clone()))?;
        marks.push(Mark { range: *range, marks: Marks { flags: 0, providers: 1 << bit } });
    }
    for (ranges, flags) in [(&inputs.vpn, flag::VPN), (&inputs.tor, flag::TOR)] {
        marks.extend(ranges.iter().map(|range| Mark { range: *range, marks: Marks { flags, providers: 0 } }));
    }
    Ok(marks)
}

fn smallest_of_group(groups: &[Vec<u32>]) -> Result<HashMap<u32, u32>, BuildError> {
    let mut smallest_of = HashMap::new();
    for group in groups {
        let smallest = *group.iter().min().ok_or(BuildError::Organisation(0))?;
        for asn in group {
            if group.len() < 2 || smallest_of.insert(*asn, smallest).is_some() {
                return Err(BuildError::Organisation(*asn));
            }
        }
    }
    Ok(smallest_of)
}

/// Distinct values, the most frequent first (ties by value), so that frequent ones take few bytes.
struct Ranking<K> {
    order: Vec<K>,
    rank: HashMap<K, u32>,
}

impl<K: Copy + Ord + Hash> Ranking<K> {
    fn new(known: impl IntoIterator<Item = K>, seen: impl Iterator<Item = K>) -> Self {
        let mut counts: HashMap<K, u64> = known.into_iter().map(|key| (key, 0)).collect();
        for key in seen {
            *counts.entry(key).or_default() += 1;
        }
        let mut order: Vec<K> = counts.keys().copied().collect();
        order.sort_by_key(|key| (std::cmp::Reverse(counts[key]), *key));
        let rank = order.iter().enumerate().map(|(rank, key)| (*key, rank as u32)).collect();
        Self { order, rank }
    }

    fn push(&self, column: &mut Vec<u8>, key: K) {
        push_number(column, u128::from(self.rank[&key]));
    }
}

fn push_systems(
    body: &mut Vec<u8>,
    numbers: &BTreeSet<u32>,
    ranks: &Ranking<u32>,
    organisations: &HashMap<u32, u32>,
    systems: &BTreeMap<u32, System>,
) {
    let unnamed = System::default();
    let system = |asn: &u32| systems.get(asn).unwrap_or(&unnamed);
    push_number(body, numbers.len() as u128);
    let mut previous = 0;
    for asn in numbers {
        push_number(body, u128::from(asn - previous));
        previous = *asn;
    }
    for asn in numbers {
        ranks.push(body, *asn);
    }
    body.extend(numbers.iter().map(|asn| system(asn).class));
    for asn in numbers {
        push_number(body, u128::from(organisations.get(asn).copied().unwrap_or(0)));
    }
    for asn in numbers {
        push_number(body, system(asn).name.len() as u128);
    }
    for asn in numbers {
        body.extend(system(asn).name.as_bytes());
    }
}

fn push_family(
    body: &mut Vec<u8>,
    steps: &[Step],
    ranks: &Ranking<u32>,
    countries: &Ranking<[u8; 2]>,
    marks: &Ranking<Marks>,
) {
    let gaps: Vec<u128> = steps
        .iter()
        .scan(0, |previous, step| Some(step.start - std::mem::replace(previous, step.start)))
        .collect();
    let power = |gap: u128| if gap == 0 { 0 } else { gap.trailing_zeros() };
    push_number(body, steps.len() as u128);
    body.extend(gaps.iter().map(|gap| power(*gap) as u8));
    for gap in &gaps {
        push_number(body, gap >> power(*gap));
    }
    for step in steps {
        ranks.push(body, step.asn);
    }
    for step in steps {
        countries.push(body, step.country);
    }
    for step in steps {
        marks.push(body, step.marks);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::table::IpTable;

    fn range(text: &str) -> IpRange {
        IpRange::parse(text).unwrap()
    }

    fn network(text: &str, asn: u32, country: &str, flags: u8) -> Network {
        Network { range: range(text), asn, country: Country::parse(country), flags }
    }

    fn example() -> Inputs {
        let system = |name: &str, class| System { name: name.to_owned(), class };
        Inputs {
            countries_date: Timestamp(1_777_000_000 * SECOND),
            networks_date: Timestamp(1_776_000_000 * SECOND),
            networks: vec![
                network("192.0.2.0/24", 64496, "NL", 0),
                network("198.51.100.0/24", 64497, "DE", 4),
                network("203.0.113.0/24", 0, "US", 0),
                network("2001:db8::/32", 64498, "BE", 0),
            ],
            systems: BTreeMap::from([
                (64496, system("Example hosting", class::HOSTING)),
                (64497, system("Example anycast", 0)),
                (64498, system("Example access", class::VPN)),
            ]),
            providers: vec![
                (range("192.0.2.128/25"), "microsoft".to_owned()),
                (range("192.0.2.192/26"), "github".to_owned()),
                (range("2001:db8:1::/48"), "aws".to_owned()),
            ],
            vpn: vec![range("192.0.2.0/30")],
            tor: vec![range("192.0.2.1"), range("2001:db8:2::7")],
            organisations: vec![vec![64498, 64496]],
        }
    }

    #[test]
    fn a_table_says_what_went_into_it() {
        use countersign_model::source::{Anonymiser, HostingClass};
        let table = IpTable::from_bytes(&build(&example()).unwrap()).unwrap();
        let facts = |ip: &str| table.lookup(ip.parse().unwrap());

        let hosted = facts("::ffff:192.0.2.200");
        assert_eq!(hosted.ip, "192.0.2.200".parse::<IpAddr>().unwrap());
        assert_eq!((hosted.asn, hosted.organisation, hosted.as_name), (64496, 64496, "Example hosting"));
        assert_eq!(hosted.country, Country::parse("NL"));
        assert_eq!(hosted.providers.names().collect::<Vec<_>>(), ["microsoft", "github"]);
        assert_eq!(hosted.hosting, HostingClass::Hosting);

        assert_eq!(facts("192.0.2.1").anonymiser, Anonymiser::Tor);
        assert_eq!(facts("192.0.2.2").anonymiser, Anonymiser::Vpn);
        assert_eq!(facts("192.0.2.4").anonymiser, Anonymiser::None);
        assert_eq!(facts("198.51.100.7").country, None, "anycast is everywhere");
        assert_eq!(facts("198.51.100.7").hosting, HostingClass::Access);
        assert_eq!(facts("203.0.113.7").country, None, "nobody announces it");
        assert_eq!(facts("203.0.113.7").hosting, HostingClass::Unknown);
        assert_eq!(facts("2001:db8:2::7").anonymiser, Anonymiser::Tor);
        assert_eq!(facts("2001:db8::1").organisation, 64496);
        assert_eq!(facts("2001:db9::").asn, 0);
        assert_eq!(table.as_name(64497), "Example anycast");
        assert_eq!(table.date().date(), "2026-04-24");
    }

    #[test]
    fn the_same_rows_give_the_same_bytes() {
        assert_eq!(build(&example()).unwrap(), build(&example()).unwrap());
    }

    #[test]
    fn rows_out_of_order_are_refused() {
        let mut inputs = example();
        inputs.networks.swap(0, 1);
        assert!(matches!(build(&inputs), Err(BuildError::Order(_))));
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let good = build(&example()).unwrap();
        assert!(IpTable::from_bytes(&[]).is_err());
        assert!(IpTable::from_bytes(&good[..good.len() - 4]).is_err());
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            let _ = IpTable::from_bytes(&bad);
        }
    }

    #[derive(Debug, Clone)]
    struct RandomRanges {
        networks: Vec<(u128, u128, u32)>,
        marks: Vec<(u128, u128)>,
    }

    /// Boundaries in a small space, spread over the family by `shift`, so that ranges touch often.
    fn random_ranges() -> impl Strategy<Value = RandomRanges> {
        let boundaries = prop::collection::btree_set(0u128..4096, 0..40);
        let marks = prop::collection::vec((0u128..4096, 0u128..64), 0..20);
        (boundaries, marks, any::<u32>()).prop_map(|(boundaries, marks, seed)| {
            let boundaries: Vec<u128> = boundaries.into_iter().collect();
            let networks = boundaries
                .windows(2)
                .enumerate()
                .filter(|(at, _)| seed >> (at % 32) & 1 == 0)
                .map(|(at, pair)| (pair[0], pair[1] - 1, 64_496 + (at as u32 % 3)))
                .collect();
            RandomRanges {
                networks,
                marks: marks.into_iter().map(|(first, length)| (first, (first + length).min(4095))).collect(),
            }
        })
    }

    proptest! {
        #[test]
        fn lookup_agrees_with_a_linear_scan(ranges in random_ranges(), probes in prop::collection::vec(0u128..4096, 50)) {
            for v6 in [false, true] {
                // Stretch the space over the buckets, and let the last address be the family's last.
                let (shift, low) = if v6 { (113, (1u128 << 113) - 1) } else { (20, (1u128 << 20) - 1) };
                // Keep out of ::ffff:0:0/96, which is IPv4.
                let ip = |bits: u128| -> IpAddr {
                    if v6 { Ipv6Addr::from_bits((1 << 125) | bits).into() } else { Ipv4Addr::from_bits(bits as u32).into() }
                };
                let range = |first: u128, last: u128| IpRange::new(ip(first << shift), ip(last << shift | low)).unwrap();
                let networks: Vec<Network> = ranges.networks.iter()
                    .map(|(first, last, asn)| Network { range: range(*first, *last), asn: *asn, country: Country::parse("NL"), flags: 0 })
                    .collect();
                let providers: Vec<(IpRange, String)> = ranges.marks.iter().enumerate()
                    .map(|(at, (first, last))| (range(*first, *last), Providers::NAMES[at % 11].to_owned()))
                    .collect();
                let mut sorted = networks.clone();
                sorted.sort_by_key(|network| network.range);
                sorted.dedup_by(|b, a| a.range.last() >= b.range.first());
                let inputs = Inputs { networks: sorted.clone(), providers: providers.clone(), ..Inputs::default() };
                let table = IpTable::from_bytes(&build(&inputs).unwrap()).unwrap();
                for probe in probes.iter().flat_map(|probe| [probe << shift, probe << shift | low]) {
                    let facts = table.lookup(ip(probe));
                    let asn = sorted.iter().find(|network| network.range.contains(ip(probe))).map_or(0, |network| network.asn);
                    let bits = providers.iter().filter(|(range, _)| range.contains(ip(probe)))
                        .fold(0, |bits, (_, name)| bits | 1 << Providers::NAMES.iter().position(|n| n == name).unwrap());
                    prop_assert_eq!(facts.asn, asn);
                    prop_assert_eq!(facts.providers.0, bits);
                }
            }
        }
    }
}
