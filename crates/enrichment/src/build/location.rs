//! Reads an IPFire Location database (`location.db`, format 1) into networks and names.
//!
//! All numbers are big endian. The tree has one bit a level; IPv4 lies under `::ffff:0:0/96`. Every offset
//! comes from the file, so every one is checked, and the walk is bounded by the number of nodes.

use std::net::Ipv6Addr;

use countersign_model::source::Country;
use countersign_model::time::{SECOND, Timestamp};

use crate::build::Network;
use crate::ip::IpRange;

const MAGIC: &[u8] = b"LOCDBXX\x01";
const NO_NETWORK: u32 = u32::MAX;
const NODE_BYTES: usize = 12;
const NETWORK_BYTES: usize = 12;
const SYSTEM_BYTES: usize = 8;

/// Why a location database cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    /// Not this format.
    #[error("not a location database of format 1")]
    Format,
    /// A part lies outside the file, or refers to one that does not exist.
    #[error("location database is damaged: {0}")]
    Damaged(&'static str),
}

/// What a location database holds.
#[derive(Debug, Default)]
pub struct LocationDatabase {
    /// When it was made.
    pub created: Timestamp,
    /// Disjoint networks, IPv4 first, each family ascending.
    pub networks: Vec<Network>,
    /// Names of autonomous systems, ascending.
    pub names: Vec<(u32, String)>,
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_be_bytes)
}

fn section(file: &[u8], head_at: usize) -> Option<&[u8]> {
    let start = u32_at(file, head_at)? as usize;
    let length = u32_at(file, head_at + 4)? as usize;
    file.get(start..start.checked_add(length)?)
}

/// Reads the whole database.
pub fn parse(file: &[u8]) -> Result<LocationDatabase, LocationError> {
    if !file.starts_with(MAGIC) {
        return Err(LocationError::Format);
    }
    let part = |at, what| section(file, at).ok_or(LocationError::Damaged(what));
    let created = file.get(8..16).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
    let created =
        created.and_then(|seconds| i64::try_from(seconds).ok()).ok_or(LocationError::Damaged("date"))?;
    let systems = part(28, "autonomous systems")?;
    let networks = part(36, "networks")?;
    let tree = part(44, "tree")?;
    let strings = part(60, "strings")?;
    let mut networks = Walk { tree, networks, out: Vec::new(), visited: 0 }.run()?;
    // The IPv4 block sorts among the IPv6 ones by its place in the tree; the table wants each family whole.
    networks.sort_by_key(|network| network.range);
    Ok(LocationDatabase {
        created: Timestamp(created.saturating_mul(SECOND)),
        networks,
        names: names(systems, strings)?,
    })
}

fn names(systems: &[u8], strings: &[u8]) -> Result<Vec<(u32, String)>, LocationError> {
    systems
        .chunks_exact(SYSTEM_BYTES)
        .map(|entry| {
            let asn = u32_at(entry, 0)?;
            let text = strings.get(u32_at(entry, 4)? as usize..)?;
            let end = text.iter().position(|byte| *byte == 0)?;
            Some((asn, String::from_utf8_lossy(&text[..end]).trim().to_owned()))
        })
        .collect::<Option<_>>()
        .ok_or(LocationError::Damaged("name of an autonomous system"))
}

struct Walk<'f> {
    tree: &'f [u8],
    networks: &'f [u8],
    out: Vec<Network>,
    visited: usize,
}

/// A node to visit: its number, its place, and the facts it inherits.
#[derive(Clone, Copy)]
struct Visit {
    node: u32,
    prefix: u128,
    depth: u32,
    facts: Option<u32>,
}

impl Walk<'_> {
    /// Depth first, the lower half first, so that ranges come out ascending.
    fn run(mut self) -> Result<Vec<Network>, LocationError> {
        let mut pending = vec![Visit { node: 0, prefix: 0, depth: 0, facts: None }];
        while let Some(visit) = pending.pop() {
            self.visited += 1;
            // A tree has as many visits as nodes; more means that a child points back.
            if self.visited > self.tree.len() / NODE_BYTES {
                return Err(LocationError::Damaged("tree has a cycle"));
            }
            let at = (visit.node as usize).checked_mul(NODE_BYTES);
            let word = |offset| at.and_then(|at| u32_at(self.tree, at.checked_add(offset)?));
            let (Some(zero), Some(one), Some(network)) = (word(0), word(4), word(8)) else {
                return Err(LocationError::Damaged("node outside the tree"));
            };
            let facts = if network == NO_NETWORK { visit.facts } else { Some(network) };
            if visit.depth == 128 {
                self.push(visit.prefix, 128, facts)?;
                continue;
            }
            if zero == 0 && one == 0 {
                self.push(visit.prefix, visit.depth, facts)?;
                continue;
            }
            // The stack holds the upper half while the lower is walked. A missing child inherits.
            let half = 1u128 << (127 - visit.depth);
            let child = |node, prefix| Visit { node, prefix, depth: visit.depth + 1, facts };
            match (zero, one) {
                (0, one) => {
                    self.push(visit.prefix, visit.depth + 1, facts)?;
                    pending.push(child(one, visit.prefix | half));
                }
                // Pushed out of order; the final sort puts it right.
                (zero, 0) => {
                    self.push(visit.prefix | half, visit.depth + 1, facts)?;
                    pending.push(child(zero, visit.prefix));
                }
                (zero, one) => {
                    pending.push(child(one, visit.prefix | half));
                    pending.push(child(zero, visit.prefix));
                }
            }
        }
        Ok(self.out)
    }

    fn push(&mut self, prefix: u128, length: u32, facts: Option<u32>) -> Result<(), LocationError> {
        let Some(index) = facts else { return Ok(()) };
        let at = (index as usize).checked_mul(NETWORK_BYTES);
        let entry = at.and_then(|at| self.networks.get(at..at.checked_add(NETWORK_BYTES)?));
        let entry = entry.ok_or(LocationError::Damaged("network outside the table"))?;
        let last = prefix | u128::MAX.checked_shr(length).unwrap_or(0);
        // Blocks above ::ffff:0:0/96 that cover both families do not occur in a sound file.
        let range = IpRange::new(Ipv6Addr::from_bits(prefix).into(), Ipv6Addr::from_bits(last).into());
        let range = range.ok_or(LocationError::Damaged("network covers both families"))?;
        let network = Network {
            range,
            asn: u32::from_be_bytes([entry[4], entry[5], entry[6], entry[7]]),
            country: std::str::from_utf8(&entry[..2]).ok().and_then(Country::parse),
            flags: u16::from_be_bytes([entry[8], entry[9]]) as u8 & 0x0f,
        };
        if network.asn != 0 || network.country.is_some() || network.flags != 0 {
            self.out.push(network);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A database with one IPv4 network, 192.0.2.0/24 of AS 64496, whose upper half is AS 64497.
    fn example() -> Vec<u8> {
        let place = u128::from(u32::from_be_bytes([192, 0, 2, 0])) | 0xffff_0000_0000;
        let mut nodes: Vec<[u32; 3]> = Vec::new();
        for depth in 0..120 {
            let next = nodes.len() as u32 + 1;
            let children = if place >> (127 - depth) & 1 == 1 { [0, next] } else { [next, 0] };
            nodes.push([children[0], children[1], NO_NETWORK]);
        }
        nodes.push([0, 121, 0]);
        nodes.push([0, 0, 1]);
        let network = |country: &[u8; 2], asn: u32, flags: u16| {
            let mut entry = country.to_vec();
            entry.extend([0, 0]);
            entry.extend(asn.to_be_bytes());
            entry.extend(flags.to_be_bytes());
            entry.extend([0, 0]);
            entry
        };
        let parts = [
            [64496u32.to_be_bytes(), 0u32.to_be_bytes(), 64497u32.to_be_bytes(), 4u32.to_be_bytes()].concat(),
            [network(b"NL", 64496, 0), network(b"EU", 64497, 4)].concat(),
            nodes.iter().flatten().flat_map(|word| word.to_be_bytes()).collect(),
            Vec::new(),
            b"One\0Two\0".to_vec(),
        ];
        let mut file = MAGIC.to_vec();
        file.extend(1_700_000_000u64.to_be_bytes());
        file.extend([0; 12]);
        let mut at = 72 + 4096 + 32;
        for part in &parts {
            file.extend((at as u32).to_be_bytes());
            file.extend((part.len() as u32).to_be_bytes());
            at += part.len();
        }
        file.resize(72 + 4096 + 32, 0);
        file.extend(parts.concat());
        file
    }

    #[test]
    fn nested_networks_become_disjoint_ranges() {
        let database = parse(&example()).unwrap();
        assert_eq!(database.created, Timestamp(1_700_000_000 * SECOND));
        assert_eq!(database.names, [(64496, "One".to_owned()), (64497, "Two".to_owned())]);
        assert_eq!(
            database.networks,
            [
                Network {
                    range: IpRange::parse("192.0.2.0/25").unwrap(),
                    asn: 64496,
                    country: Country::parse("NL"),
                    flags: 0
                },
                Network {
                    range: IpRange::parse("192.0.2.128/25").unwrap(),
                    asn: 64497,
                    country: None,
                    flags: 4
                },
            ]
        );
    }

    #[test]
    fn a_child_that_points_back_is_an_error() {
        let mut file = example();
        let tree = u32_at(&file, 44).unwrap() as usize;
        file[tree + 121 * NODE_BYTES..tree + 121 * NODE_BYTES + 4].copy_from_slice(&5u32.to_be_bytes());
        assert!(parse(&file).is_err());
    }

    #[test]
    fn damage_never_panics() {
        let good = example();
        for at in (0..72).chain(good.len() - 1600..good.len()) {
            for bits in [0x01, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= bits;
                let _ = parse(&bad);
            }
        }
        for length in 0..good.len() {
            let _ = parse(&good[..length]);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_after_the_magic_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&[MAGIC, &bytes].concat());
        }
    }
}
