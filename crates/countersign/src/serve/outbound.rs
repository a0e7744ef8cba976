//! Requests to others: issuers, providers of sign-in, receivers and transmitters of security events. All go to addresses that
//! somebody registered, over TLS, and unless the operator allows it to no private network.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use countersign_token::federated::JWKS_BYTES_MAX;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde_json::Value as Json;

use super::config::Config;

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest answer that is read: that of a key set.
const ANSWER_BYTES_MAX: usize = JWKS_BYTES_MAX;

/// What makes requests. Clones share connections.
#[derive(Clone)]
pub(crate) struct Outbound {
    client: reqwest::Client,
    allow_private: bool,
}

/// What somebody answered who was sent something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
}

impl Outbound {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let mut builder = reqwest::Client::builder()
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")));
        if let Some(file) = &config.outbound_ca {
            let pem = std::fs::read(file)
                .with_context(|| format!("cannot read `outbound.ca`, `{}`", file.display()))?;
            let authority = reqwest::Certificate::from_pem(&pem)
                .with_context(|| format!("`outbound.ca`, `{}`, holds no certificate", file.display()))?;
            builder = builder.tls_certs_merge([authority]);
        }
        if !config.outbound_allow_private {
            builder = builder.dns_resolver(PublicOnly);
        }
        Ok(Self { client: builder.build()?, allow_private: config.outbound_allow_private })
    }

    /// Posts a form, and reads the JSON of the answer.
    pub(crate) async fn post(&self, address: &str, form: String) -> Result<Json> {
        let url = reqwest::Url::parse(address).with_context(|| format!("`{address}` is no address"))?;
        self.check_host(&url)?;
        let request = self
            .client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(form);
        let response = request.send().await?.error_for_status()?;
        serde_json::from_slice(&Self::read(response, address).await?)
            .with_context(|| format!("`{address}` did not answer with JSON"))
    }

    /// What is at an address.
    pub(crate) async fn get(&self, address: &str) -> Result<Vec<u8>> {
        let url = reqwest::Url::parse(address).with_context(|| format!("`{address}` is no address"))?;
        self.check_host(&url)?;
        let response = self.client.get(url).send().await?.error_for_status()?;
        Self::read(response, address).await
    }

    async fn read(mut response: reqwest::Response, address: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                bail!("`{address}` is larger than {ANSWER_BYTES_MAX} bytes");
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// An address that somebody wished for must not turn the server into a way into its own network. Names are looked at by
    /// [`PublicOnly`], when they are resolved for the connection itself.
    fn check_host(&self, url: &reqwest::Url) -> Result<()> {
        let host = url.host_str().context("the address has no host")?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if !self.allow_private && bare.parse().is_ok_and(|address| !is_public(address)) {
            bail!("`{host}` {IS_PRIVATE}");
        }
        Ok(())
    }

    /// Sends a security event token (RFC 8935 section 2.1).
    pub(crate) async fn push(
        &self,
        address: &str,
        authorization: Option<&str>,
        token: String,
    ) -> Result<Answered> {
        let url = reqwest::Url::parse(address).with_context(|| format!("`{address}` is no address"))?;
        self.check_host(&url)?;
        let mut request = self
            .client
            .post(url)
            .header("content-type", countersign_signals::set::MEDIA_TYPE)
            .header("accept", "application/json")
            .body(token);
        if let Some(authorization) = authorization {
            let mut value = reqwest::header::HeaderValue::from_str(authorization)?;
            value.set_sensitive(true);
            request = request.header("authorization", value);
        }
        let response = request.send().await?;
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let answered =
            Answered { status: response.status().as_u16(), retry_after: retry_after.map(str::to_owned) };
        // Read to its end, or the connection could not be used again; what it says decides nothing.
        let _ = Self::read(response, address).await;
        Ok(answered)
    }

    /// Refuses an address in a private network, as far as its name can be resolved now. One that cannot is looked at when it
    /// is connected to.
    pub(crate) async fn check(&self, address: &str) -> Result<()> {
        let url = reqwest::Url::parse(address).with_context(|| format!("`{address}` is no address"))?;
        self.check_host(&url)?;
        let host = url.host_str().unwrap_or_default();
        if !self.allow_private
            && let Ok(mut found) = tokio::net::lookup_host((host, 0)).await
            && found.any(|address| !is_public(address.ip()))
        {
            bail!("`{host}` {IS_PRIVATE}");
        }
        Ok(())
    }
}

const IS_PRIVATE: &str = "lies in a private network; `outbound.allow_private` allows that";

/// Resolves names to public addresses alone. What is checked is what is connected to: a second answer of the name server
/// comes too late.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if found.iter().any(|address| !is_public(address.ip())) {
                return Err(format!("`{}` {IS_PRIVATE}", name.as_str()).into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_broadcast()
                || address.is_multicast()
                || address.is_documentation()
                || a == 0
                // RFC 6598: carriers' shared space.
                || (a == 100 && (64..128).contains(&b))
                || a >= 240)
        }
        IpAddr::V6(address) => {
            let first = address.segments()[0];
            !(address.is_loopback()
                || address.is_unspecified()
                || address.is_multicast()
                || (first & 0xfe00) == 0xfc00
                || (first & 0xffc0) == 0xfe80)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks_are_known() {
        for (address, expected) in [
            ("8.8.8.8", true),
            ("2606:4700::1", true),
            ("127.0.0.1", false),
            ("10.1.2.3", false),
            ("172.16.0.1", false),
            ("192.168.0.1", false),
            ("169.254.169.254", false),
            ("100.64.0.1", false),
            ("0.0.0.0", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("fd00::1", false),
            ("fe80::1", false),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
        }
    }
}
