//! Reads the address-to-country tables that come with Tor (`geoip`, `geoip6`), made from the same location
//! database but updated with every release, and lays their countries over the networks.

use std::net::{IpAddr, Ipv4Addr};

use countersign_model::source::Country;
use countersign_model::time::Timestamp;

use crate::build::overlay::{address, bits};
use crate::build::text::LineError;
use crate::build::{BuildError, Network};
use crate::ip::IpRange;

/// A range and its country; `None` for codes that are no country.
pub type CountryRange = (IpRange, Option<Country>);

/// Reads `first,last,CC` lines: numbers in `geoip`, addresses in `geoip6`. A code that is no country (`EU`)
/// is an answer, and newer than the networks' own; `??` is none, so such lines are left out.
pub fn parse(text: &str) -> Result<Vec<CountryRange>, LineError> {
    let mut ranges = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') || line.ends_with(",??") {
            continue;
        }
        let range = read(line).ok_or_else(|| LineError {
            line: at + 1,
            text: line.chars().take(80).collect(),
            expected: "first, last, country",
        })?;
        ranges.push(range);
    }
    Ok(ranges)
}

fn read(line: &str) -> Option<CountryRange> {
    let mut fields = line.split(',');
    let range = IpRange::new(end(fields.next()?)?, end(fields.next()?)?)?;
    Some((range, Country::parse(fields.next()?.trim())))
}

fn end(text: &str) -> Option<IpAddr> {
    match text.parse::<u32>() {
        Ok(number) => Some(Ipv4Addr::from_bits(number).into()),
        Err(_) => text.parse().ok(),
    }
}

/// When the database was made that a table was converted from: the head says `# Generated: Wed, 28 Oct 2026
/// 04:40:23 GMT`.
pub fn date(text: &str) -> Option<Timestamp> {
    let generated = text
        .lines()
        .take_while(|line| line.starts_with('#'))
        .find_map(|line| line.trim_start_matches(['#', ' ']).strip_prefix("Generated:"))?;
    let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(generated.trim()).ok()?;
    Some(Timestamp(time.as_microsecond()))
}

/// Gives every address the country of `countries`, and keeps the network's own where `countries` is silent.
/// Both must be ascending and disjoint; the result is too.
pub fn overlay(networks: &[Network], countries: &[CountryRange]) -> Result<Vec<Network>, BuildError> {
    let mut out = Vec::with_capacity(networks.len());
    for (width, v4) in [(32, true), (128, false)] {
        let networks: Vec<&Network> = networks.iter().filter(|n| n.range.first().is_ipv4() == v4).collect();
        let countries: Vec<&CountryRange> =
            countries.iter().filter(|c| c.0.first().is_ipv4() == v4).collect();
        overlay_family(&networks, &countries, width, &mut out)?;
    }
    Ok(out)
}

fn overlay_family(
    networks: &[&Network],
    countries: &[&CountryRange],
    width: u32,
    out: &mut Vec<Network>,
) -> Result<(), BuildError> {
    // Every place where either table changes; between two neighbours both are constant.
    let ends = |range: &IpRange| [Some(bits(range.first())), bits(range.last()).checked_add(1)];
    let mut cuts: Vec<u128> = networks.iter().flat_map(|network| ends(&network.range)).flatten().collect();
    cuts.extend(countries.iter().flat_map(|country| ends(&country.0)).flatten());
    cuts.sort_unstable();
    cuts.dedup();
    let family_end = if width == 128 { u128::MAX } else { (1 << width) - 1 };
    let (mut networks, mut countries) = (networks.iter().peekable(), countries.iter().peekable());
    let mut previous: Option<Network> = None;
    for (at, &cut) in cuts.iter().enumerate() {
        if cut > family_end {
            break;
        }
        let first = address(cut, width);
        let last = address(cuts.get(at + 1).map_or(family_end, |next| next - 1).min(family_end), width);
        while networks.next_if(|network| network.range.last() < first).is_some() {}
        while countries.next_if(|country| country.0.last() < first).is_some() {}
        let network = networks.peek().filter(|network| network.range.contains(first));
        let country = countries.peek().filter(|country| country.0.contains(first));
        if network.is_none() && country.is_none() {
            continue;
        }
        let merged = Network {
            range: IpRange::new(first, last).ok_or(BuildError::Order(first))?,
            asn: network.map_or(0, |network| network.asn),
            country: country.map_or_else(|| network.and_then(|network| network.country), |country| country.1),
            flags: network.map_or(0, |network| network.flags),
        };
        if merged.asn == 0 && merged.country.is_none() && merged.flags == 0 {
            continue;
        }
        // Neighbours that now agree become one.
        let joined = previous
            .filter(|p| (p.asn, p.country, p.flags) == (merged.asn, merged.country, merged.flags))
            .filter(|p| bits(p.range.last()).checked_add(1) == Some(cut))
            .and_then(|p| IpRange::new(p.range.first(), last));
        if let Some(range) = joined {
            previous = Some(Network { range, ..merged });
        } else {
            out.extend(previous.replace(merged));
        }
    }
    out.extend(previous);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str, asn: u32, country: &str) -> Network {
        Network { range: IpRange::parse(text).unwrap(), asn, country: Country::parse(country), flags: 0 }
    }

    #[test]
    fn reads_numbers_and_addresses() {
        let table = parse(
            "# Last updated based on 2026-10-28\n3221225984,3221226239,NL\n2001:db8::,2001:db8::ffff,EU\n1,2,??\n",
        );
        assert_eq!(
            table.unwrap(),
            [
                (IpRange::parse("192.0.2.0/24").unwrap(), Country::parse("NL")),
                (IpRange::parse("2001:db8::/112").unwrap(), None),
            ]
        );
        assert!(parse("1,2\n").is_err());
    }

    #[test]
    fn finds_the_date_in_the_head() {
        let head = "# Location Database Export\n#\n# Generated: Wed, 28 Oct 2026 04:40:23 GMT\n1,2,NL\n";
        assert_eq!(date(head).unwrap().minute(), "2026-10-28 04:40");
        assert_eq!(date("1,2,NL\n"), None);
    }

    #[test]
    fn the_newer_country_wins_and_silence_keeps_the_old_one() {
        let networks = [
            network("192.0.2.0/25", 64496, "NL"),
            network("192.0.2.128/25", 64496, "BE"),
            network("203.0.113.0/24", 64497, "FR"),
        ];
        let countries = [(IpRange::parse("192.0.2.0-192.0.2.191").unwrap(), Country::parse("BE"))];
        assert_eq!(
            overlay(&networks, &countries).unwrap(),
            [network("192.0.2.0/24", 64496, "BE"), network("203.0.113.0/24", 64497, "FR"),]
        );
    }

    #[test]
    fn ends_of_the_families_are_kept() {
        let networks = [network("255.255.255.0/24", 64496, "NL"), network("ffff::/16", 64497, "NL")];
        assert_eq!(overlay(&networks, &[]).unwrap(), networks);
    }
}
