//! Addresses in all the spellings that logs use.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use countersign_model::event::Address;

use crate::text;

/// Reads an address: strips port, brackets, zone and IPv4 mapping; keeps the record's spelling when it says
/// more than the address.
pub(crate) fn parse(spelling: Cow<'_, str>) -> Address<'_> {
    let trimmed = spelling.trim();
    if text::is_absent(trimmed) {
        return Address::default();
    }
    if let Ok(ip) = trimmed.parse::<IpAddr>() {
        return Address { ip: Some(unmap(ip)), raw: Cow::Borrowed("") };
    }
    let ip = stripped(trimmed);
    Address { ip, raw: spelling }
}

fn stripped(spelling: &str) -> Option<IpAddr> {
    if let Ok(with_port) = spelling.parse::<SocketAddr>() {
        return Some(unmap(with_port.ip()));
    }
    let bare = spelling.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(spelling);
    let without_zone = bare.split('%').next().unwrap_or(bare);
    without_zone.parse::<IpAddr>().ok().map(unmap)
}

/// `::ffff:192.0.2.1` is the IPv4 address it maps.
fn unmap(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(spelling: &'static str, ip: Option<&str>, raw: &str) {
        let address = parse(Cow::Borrowed(spelling));
        assert_eq!(address.ip, ip.map(|ip| ip.parse().unwrap()), "{spelling}");
        assert_eq!(address.raw, raw, "{spelling}");
    }

    #[test]
    fn reads_every_spelling_seen_in_logs() {
        check("203.0.113.9", Some("203.0.113.9"), "");
        check("2001:DB8::1", Some("2001:db8::1"), "");
        check("203.0.113.9:57484", Some("203.0.113.9"), "203.0.113.9:57484");
        check("[2001:db8::1]:30943", Some("2001:db8::1"), "[2001:db8::1]:30943");
        check("[10.11.12.13]", Some("10.11.12.13"), "[10.11.12.13]");
        check("::ffff:203.0.113.9", Some("203.0.113.9"), "");
        check("fe80::1%eth0", Some("fe80::1"), "fe80::1%eth0");
        check("127.0.0.0/8", None, "127.0.0.0/8");
        check("localhost", None, "localhost");
        check("XX.XX.XX.XX", None, "XX.XX.XX.XX");
        check("XX:2a02:cf40::1", None, "XX:2a02:cf40::1");
        check("", None, "");
        check("<null>", None, "");
    }
}
