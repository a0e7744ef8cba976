//! Where a request comes from, and under which name the server was called.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, Uri, header};

use super::config::Config;

/// The client's address: the connection's, or what a trusted proxy says.
pub(crate) fn address(config: &Config, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
    let mut address = peer.ip().to_canonical();
    if config.trusted_proxies.is_empty() {
        return address;
    }
    // Each proxy appends whom it saw, so the list is read from the end as long as proxies are trusted.
    let forwarded: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    for hop in forwarded.iter().rev() {
        if !config.trusted_proxies.contains(&address) {
            break;
        }
        match hop.parse::<IpAddr>() {
            Ok(hop) => address = hop.to_canonical(),
            Err(_) => break,
        }
    }
    address
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
}
