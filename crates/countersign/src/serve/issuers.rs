//! Keys of foreign issuers, fetched when a federated credential asks for them. The only requests that the server makes on
//! behalf of a client, and only to issuers that an administrator registered.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use countersign_model::time::{HOUR, SECOND, Timestamp};
use countersign_token::federated::{JWKS_BYTES_MAX, Jwks};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde_json::Value as Json;

use super::config::Config;

/// How long keys are believed.
const KEPT: i64 = HOUR;
/// Shortest time between two fetches of one issuer: an unknown key id must not make us a hammer.
const FETCH_AGAIN: i64 = 60 * SECOND;
/// Issuers kept.
const ISSUERS_MAX: usize = 1_000;
/// How long a fetch may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The keys of issuers, kept for a while.
pub(crate) struct Issuers {
    client: reqwest::Client,
    allow_private: bool,
    kept: Mutex<HashMap<String, Arc<Kept>>>,
}

/// The keys of one issuer, with the time of their fetch. Locked while they are fetched: a hundred requests at once make one
/// fetch, and those of other issuers do not wait for it.
type Kept = tokio::sync::Mutex<Option<(Timestamp, Arc<Jwks>)>>;

impl Issuers {
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
        Ok(Self {
            client: builder.build()?,
            allow_private: config.outbound_allow_private,
            kept: Mutex::new(HashMap::new()),
        })
    }

    /// The keys of an issuer; fetched again when they are old or lack `kid`.
    pub(crate) async fn keys(&self, issuer: &str, kid: Option<&str>, now: Timestamp) -> Result<Arc<Jwks>> {
        let kept = self.of(issuer);
        let mut kept = kept.lock().await;
        if let Some((since, keys)) = kept.as_ref() {
            let age = now.since(*since);
            let has_key = kid.is_none_or(|kid| keys.has(kid));
            if age < KEPT && (has_key || age < FETCH_AGAIN) {
                return Ok(Arc::clone(keys));
            }
        }
        let keys = Arc::new(self.fetch(issuer).await?);
        *kept = Some((now, Arc::clone(&keys)));
        Ok(keys)
    }

    fn of(&self, issuer: &str) -> Arc<Kept> {
        let mut all = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if all.len() >= ISSUERS_MAX && !all.contains_key(issuer) {
            all.clear();
        }
        Arc::clone(all.entry(issuer.to_owned()).or_default())
    }

    /// The discovery document of an issuer.
    pub(crate) async fn discover(&self, issuer: &str) -> Result<Json> {
        let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let document: Json = serde_json::from_slice(&self.get(&address).await?)
            .with_context(|| format!("`{address}` is not JSON"))?;
        // OpenID Connect Discovery 1.0 section 4.3: the issuer of the document is the one that was asked for.
        if document["issuer"].as_str() != Some(issuer) {
            bail!("`{address}` names another issuer, {}", document["issuer"]);
        }
        Ok(document)
    }

    async fn fetch(&self, issuer: &str) -> Result<Jwks> {
        let document = self.discover(issuer).await?;
        let keys =
            document["jwks_uri"].as_str().with_context(|| format!("`{issuer}` names no `jwks_uri`"))?;
        Jwks::parse(&self.get(keys).await?).with_context(|| format!("`{keys}` is no key set"))
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

    async fn get(&self, address: &str) -> Result<Vec<u8>> {
        let url = reqwest::Url::parse(address).with_context(|| format!("`{address}` is no address"))?;
        self.check_host(&url)?;
        let response = self.client.get(url).send().await?.error_for_status()?;
        Self::read(response, address).await
    }

    async fn read(mut response: reqwest::Response, address: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if bytes.len() + chunk.len() > JWKS_BYTES_MAX {
                bail!("`{address}` is larger than {JWKS_BYTES_MAX} bytes");
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// A registered issuer must not turn the server into a way into its own network. Names are looked at by
    /// [`PublicOnly`], when they are resolved for the connection itself.
    fn check_host(&self, url: &reqwest::Url) -> Result<()> {
        let host = url.host_str().context("the address has no host")?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if !self.allow_private && bare.parse().is_ok_and(|address| !is_public(address)) {
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
