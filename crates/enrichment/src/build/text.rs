//! The tab-separated inputs: one `#` head line, UTF-8.

use std::net::IpAddr;

use countersign_model::source::Country;
use countersign_model::time::Timestamp;

use crate::build::{Network, System, class_bits};
use crate::ip::IpRange;

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `{text}` is not {expected}")]
pub struct LineError {
    /// Line, from 1.
    pub line: usize,
    /// The line, cut to what fits a message.
    pub text: String,
    /// What was expected.
    pub expected: &'static str,
}

fn lines<T>(
    text: &str,
    expected: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, LineError> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(at, line)| {
            read(line).ok_or_else(|| LineError {
                line: at + 1,
                text: line.chars().take(80).collect(),
                expected,
            })
        })
        .collect()
}

/// `start end asn country flags`, as in the networks tables.
pub fn networks(text: &str) -> Result<Vec<Network>, LineError> {
    lines(text, "start, end, ASN, country, flags", |line| {
        let mut fields = line.split('\t');
        let first: IpAddr = fields.next()?.parse().ok()?;
        let last: IpAddr = fields.next()?.parse().ok()?;
        Some(Network {
            range: IpRange::new(first, last)?,
            asn: fields.next()?.parse().ok()?,
            country: Country::parse(fields.next()?),
            flags: fields.next()?.parse().ok()?,
        })
    })
}

/// `asn class class-source name-source name`: the names, and what of the class list is not `-`.
pub fn systems(text: &str) -> Result<Vec<(u32, System)>, LineError> {
    lines(text, "ASN, class, class source, name source, name", |line| {
        let mut fields = line.splitn(5, '\t');
        let asn = fields.next()?.parse().ok()?;
        let class = class_bits(fields.next()?);
        let name = fields.nth(2)?.trim();
        Some((asn, System { name: if name == "-" { String::new() } else { name.to_owned() }, class }))
    })
}

/// `asn class source`: the committed class list.
pub fn classes(text: &str) -> Result<Vec<(u32, u8)>, LineError> {
    lines(text, "ASN, class, source", |line| {
        let mut fields = line.split('\t');
        Some((fields.next()?.parse().ok()?, class_bits(fields.next()?)))
    })
}

/// `range provider`.
pub fn providers(text: &str) -> Result<Vec<(IpRange, String)>, LineError> {
    lines(text, "range, provider", |line| {
        let (range, provider) = line.split_once('\t')?;
        Some((IpRange::parse(range)?, provider.trim().to_owned()))
    })
}

/// One range a line.
pub fn ranges(text: &str) -> Result<Vec<IpRange>, LineError> {
    lines(text, "an address or a range", IpRange::parse)
}

/// A day as `2026-10-28`, at midnight UTC.
pub fn date(text: &str) -> Option<Timestamp> {
    (text.len() == 10).then(|| crate::date::parse(text)).flatten()
}

/// `name asn,asn,… reason`: systems that one organisation runs.
pub fn organisations(text: &str) -> Result<Vec<Vec<u32>>, LineError> {
    lines(text, "organisation, ASNs, reason", |line| {
        let mut fields = line.split('\t');
        let asns = fields.nth(1)?;
        fields.next().filter(|reason| !reason.is_empty())?;
        asns.split(',').map(|asn| asn.trim().parse().ok()).collect()
    })
}

/// Names from a table of `start,end,asn,"name"` rows; rows that say nothing are skipped, because the table is
/// only asked for names that are missing elsewhere.
pub fn names_csv(text: &str) -> impl Iterator<Item = (u32, String)> + '_ {
    let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    reader.into_records().filter_map(|record| {
        let record = record.ok()?;
        let asn = record.get(2)?.parse().ok()?;
        let name = record.get(3)?.trim();
        (!name.is_empty()).then(|| (asn, name.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_line_is_named() {
        let error = networks("# head\n192.0.2.0\t192.0.2.255\t64496\tNL\t0\n192.0.2.0\tx\n").unwrap_err();
        assert_eq!(error.line, 3);
    }

    #[test]
    fn classes_are_sets() {
        use crate::table::class::{HOSTING, PERHAPS_HOSTING, VPN};
        assert_eq!(
            classes("64496\thosting,vpn\tX\n64497\thosting?\tN\n").unwrap(),
            [(64496, HOSTING | VPN), (64497, PERHAPS_HOSTING)]
        );
    }

    #[test]
    fn a_name_may_hold_what_looks_like_a_separator() {
        let systems = systems("64496\t-\t-\tI\tExample, Inc.\n64497\tcdn\tC\tI\t-\n").unwrap();
        assert_eq!(systems[0].1.name, "Example, Inc.");
        assert_eq!(systems[1].1.name, "");
    }

    #[test]
    fn a_group_without_a_reason_is_refused() {
        assert_eq!(organisations("Example\t64496,64497\tone network\n").unwrap(), [[64496, 64497]]);
        assert!(organisations("Example\t64496,64497\n").is_err());
    }
}
