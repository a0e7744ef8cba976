//! Where a request comes from, and under which name the server was called.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::http::{HeaderMap, Uri, header};

use super::config::Config;

/// Where a client is of whom a trusted proxy says what cannot be read: nowhere. It lies in no network that anybody would trust
/// and in no country, and policies about every place apply. The proxy's own address would let everybody in whom it lets in.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The client's address: the connection's, or what a trusted proxy says; `0.0.0.0` if that cannot be read.
pub(crate) fn address(config: &Config, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
    let mut address = peer.ip().to_canonical();
    if config.trusted_proxies.is_empty() {
        return address;
    }
    // Each proxy appends whom it saw, so the list is read from the end as long as proxies are trusted.
    let values: Vec<Cow<'_, str>> = headers
        .get_all("x-forwarded-for")
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    // Empty members of a list are none (RFC 9110 section 5.6.1.2).
    let hops: Vec<&str> = values
        .iter()
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|hop| !hop.is_empty())
        .collect();
    for text in hops.iter().rev() {
        if !config.trusted_proxies.contains(&address) {
            break;
        }
        let Some(seen) = hop(text) else { return NOWHERE };
        address = seen;
    }
    address
}

/// An address as proxies write it: alone or with its port, in brackets, in quotes.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let in_brackets = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or_default();
    let address = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()))
        .or_else(|_| in_brackets.parse::<Ipv6Addr>().map(IpAddr::V6));
    address.ok().map(|address| address.to_canonical())
}

/// `https://host:port` as the client called it, if the host is one of ours; otherwise under our first name. A host that
/// anybody may write must not find its way into what we sign.
pub(crate) fn base(config: &Config, port: u16, uri: &Uri, headers: &HeaderMap) -> String {
    let called = uri
        .authority()
        .map(axum::http::uri::Authority::as_str)
        .or_else(|| headers.get(header::HOST).and_then(|host| host.to_str().ok()));
    if let Some(called) = called
        && is_ours(config, called)
    {
        return format!("https://{}", called.to_ascii_lowercase());
    }
    own(config, port)
}

/// `https://host:port` under our first name.
pub(crate) fn own(config: &Config, port: u16) -> String {
    let name = bracketed(&config.names[0]);
    if port == 443 { format!("https://{name}") } else { format!("https://{name}:{port}") }
}

/// Whether `host` or `host:port` is one of our names, with any port: clients may reach us through another one.
pub(crate) fn is_ours(config: &Config, authority: &str) -> bool {
    config.names.iter().any(|name| {
        let name = bracketed(name);
        let Some((host, rest)) = authority.split_at_checked(name.len()) else { return false };
        host.eq_ignore_ascii_case(&name) && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
    })
}

/// A name as it stands in an address (RFC 3986 section 3.2.2).
fn bracketed(name: &str) -> String {
    if name.contains(':') { format!("[{name}]") } else { name.to_owned() }
}

/// RFC 3986 section 3.2.3: digits alone, where Rust's parser would take a sign too.
fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::serve::config::RawConfig;

    fn config(names: &[&str], proxies: &[&str]) -> Config {
        let raw = RawConfig {
            names: Some(names.iter().map(|name| (*name).to_owned()).collect()),
            trusted_proxies: Some(proxies.iter().map(|proxy| proxy.parse().unwrap()).collect()),
            ..RawConfig::default()
        };
        raw.resolve(Path::new("data")).unwrap()
    }

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::HeaderName::from_static(name), value.parse().unwrap())])
    }

    #[test]
    fn a_foreign_host_is_answered_under_our_own_name() {
        let config = config(&["id.example", "::1"], &[]);
        for (host, expected) in [
            ("id.example:9443", "https://id.example:9443"),
            ("ID.example", "https://id.example"),
            ("[::1]:9443", "https://[::1]:9443"),
            ("evil.example", "https://id.example:8443"),
            ("id.example:x", "https://id.example:8443"),
            ("id.example:+80", "https://id.example:8443"),
            ("id.example:", "https://id.example:8443"),
            ("[id.example]", "https://id.example:8443"),
            ("[[::1]]", "https://id.example:8443"),
            ("id.example:80@evil", "https://id.example:8443"),
        ] {
            assert_eq!(
                base(&config, 8443, &Uri::from_static("/"), &headers("host", host)),
                expected,
                "{host}"
            );
        }
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let peer: SocketAddr = "10.0.0.1:5".parse().unwrap();
        let forwarded = headers("x-forwarded-for", "192.0.2.9, 198.51.100.7, 10.0.0.2");
        let seen = |proxies: &[&str]| address(&config(&["a"], proxies), peer, &forwarded).to_string();
        assert_eq!(seen(&[]), "10.0.0.1");
        assert_eq!(seen(&["10.0.0.1"]), "10.0.0.2");
        assert_eq!(seen(&["10.0.0.1", "10.0.0.2"]), "198.51.100.7");
    }

    #[test]
    fn what_a_trusted_proxy_says_is_read_in_any_form_or_is_nowhere() {
        let peer: SocketAddr = "10.0.0.1:5".parse().unwrap();
        let seen = |proxies: &[&str], forwarded: &str| {
            address(&config(&["a"], proxies), peer, &headers("x-forwarded-for", forwarded)).to_string()
        };
        for (forwarded, expected) in [
            ("203.0.113.77", "203.0.113.77"),
            ("203.0.113.77:50123", "203.0.113.77"),
            ("\"203.0.113.77:50123\"", "203.0.113.77"),
            ("::ffff:203.0.113.77", "203.0.113.77"),
            ("[::ffff:203.0.113.77]:50123", "203.0.113.77"),
            ("2001:db8::77", "2001:db8::77"),
            ("[2001:db8::77]", "2001:db8::77"),
            ("[2001:db8::77]:50123", "2001:db8::77"),
            ("\"[2001:db8::77]\"", "2001:db8::77"),
            ("192.0.2.9, 203.0.113.77:50123, 10.0.0.1:80", "203.0.113.77"),
            ("203.0.113.77, ", "203.0.113.77"),
            ("", "10.0.0.1"),
            ("unknown", "0.0.0.0"),
            ("192.0.2.9, unknown", "0.0.0.0"),
            ("192.0.2.9, unknown, 10.0.0.1", "0.0.0.0"),
            ("203.0.113.77:http", "0.0.0.0"),
            ("[203.0.113.77]", "0.0.0.0"),
            ("\"203.0.113.77", "0.0.0.0"),
            ("unknown, 203.0.113.77", "203.0.113.77"),
        ] {
            assert_eq!(seen(&["10.0.0.1"], forwarded), expected, "{forwarded}");
        }
        assert_eq!(seen(&[], "unknown"), "10.0.0.1", "nobody is believed");
        let mut strange = HeaderMap::new();
        strange.insert("x-forwarded-for", header::HeaderValue::from_bytes(b"caf\xe9").unwrap());
        let proxy = config(&["a"], &["10.0.0.1"]);
        assert_eq!(address(&proxy, peer, &strange), NOWHERE, "what is no text is not passed over");
    }
}
