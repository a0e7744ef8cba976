//! Lays published ranges and lists over the networks: a disjoint cover of a whole address family.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::build::{BuildError, Network};
use crate::ip::IpRange;
use crate::table::Marks;

/// Marks that all addresses of a range carry. Ranges may overlap; an address carries the marks of all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) range: IpRange,
    pub(crate) marks: Marks,
}

/// The facts from `start` to the next step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) start: u128,
    pub(crate) asn: u32,
    /// Two letters, or zeros for none.
    pub(crate) country: [u8; 2],
    pub(crate) marks: Marks,
}

pub(crate) fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

/// The address of a family (32 or 128 bits wide).
pub(crate) fn address(bits: u128, width: u32) -> IpAddr {
    if width == 32 { Ipv4Addr::from_bits(bits as u32).into() } else { Ipv6Addr::from_bits(bits).into() }
}

/// First address after `range`; `None` at the end of the family.
fn after(range: &IpRange, width: u32) -> Option<u128> {
    bits(range.last()).checked_add(1).filter(|next| width == 128 || next >> width == 0)
}

/// Covers a family of `width` bits from address zero on, neighbours with equal facts merged.
pub(crate) fn cover<'n>(
    networks: impl Iterator<Item = &'n Network>,
    marks: &[Mark],
    width: u32,
) -> Result<Vec<Step>, BuildError> {
    let base = base_steps(networks, width)?;
    let overlay =
        mark_steps(marks.iter().filter(|mark| mark.range.first().is_ipv4() == (width == 32)), width);
    let mut steps: Vec<Step> = Vec::with_capacity(base.len() + overlay.len());
    let (mut base, mut overlay) = (base.into_iter().peekable(), overlay.into_iter().peekable());
    let (mut under, mut over) = (Step::default(), Marks::default());
    while let Some(start) =
        [base.peek().map(|s| s.start), overlay.peek().map(|(s, _)| *s)].into_iter().flatten().min()
    {
        under = base.next_if(|step| step.start == start).unwrap_or(under);
        over = overlay.next_if(|(at, _)| *at == start).map_or(over, |(_, marks)| marks);
        let marks = Marks { flags: under.marks.flags | over.flags, providers: over.providers };
        let step = Step { start, marks, ..under };
        if steps.last().is_none_or(|last| Step { start, ..*last } != step) {
            steps.push(step);
        }
    }
    Ok(steps)
}

fn base_steps<'n>(networks: impl Iterator<Item = &'n Network>, width: u32) -> Result<Vec<Step>, BuildError> {
    let mut steps = Vec::new();
    // First address not yet covered; `None` once the family is full.
    let mut next = Some(0);
    for network in networks {
        let start = bits(network.range.first());
        let free = next.filter(|next| *next <= start).ok_or(BuildError::Order(network.range.first()))?;
        if free < start || steps.is_empty() && start != 0 {
            steps.push(Step { start: free, ..Step::default() });
        }
        steps.push(Step {
            start,
            asn: network.asn,
            country: network.country.map_or([0, 0], |country| country.0),
            marks: Marks { flags: network.flags, providers: 0 },
        });
        next = after(&network.range, width);
    }
    steps.extend(next.map(|start| Step { start, ..Step::default() }));
    Ok(steps)
}

/// The union of all marks as steps: counts per bit, because ranges nest and overlap.
fn mark_steps<'m>(marks: impl Iterator<Item = &'m Mark>, width: u32) -> Vec<(u128, Marks)> {
    let mut changes: Vec<(u128, Marks, i32)> = Vec::new();
    for mark in marks {
        changes.push((bits(mark.range.first()), mark.marks, 1));
        changes.extend(after(&mark.range, width).map(|end| (end, mark.marks, -1)));
    }
    changes.sort_unstable_by_key(|(at, ..)| *at);
    let mut counts = [0i32; 24];
    let mut steps = Vec::new();
    for same_place in changes.chunk_by(|a, b| a.0 == b.0) {
        for (_, marks, change) in same_place {
            let set = u32::from(marks.providers) | u32::from(marks.flags) << 16;
            for (bit, count) in counts.iter_mut().enumerate() {
                *count += change * (set >> bit & 1) as i32;
            }
        }
        let set =
            counts.iter().enumerate().fold(0u32, |set, (bit, count)| set | u32::from(*count > 0) << bit);
        steps.push((same_place[0].0, Marks { flags: (set >> 16) as u8, providers: set as u16 }));
    }
    steps
}
