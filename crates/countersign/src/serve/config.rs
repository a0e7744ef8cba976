//! What an operator can set: in a file, in the environment, with flags; the later wins. `docs/configuration.md` lists every
//! key, and a test holds it to this file.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The file as it is written: every key may be missing, no other may be there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawConfig {
    /// Address and port of the API: `127.0.0.1:8443`.
    pub(crate) listen: Option<String>,
    /// `postgres://…`; without it SQLite in the data folder.
    pub(crate) database: Option<String>,
    /// Host names and addresses under which clients reach the server; the first is the one that it names itself by.
    pub(crate) names: Option<Vec<String>>,
    /// PEM file with the server's certificate chain; without it one of the development authority.
    pub(crate) certificate: Option<PathBuf>,
    /// PEM file with the key of that certificate.
    pub(crate) certificate_key: Option<PathBuf>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Option<Vec<IpAddr>>,
    /// How long requests may go on after SIGTERM, in seconds.
    pub(crate) drain_seconds: Option<u64>,
    /// How long a connection may send nothing while the server waits for it, in seconds.
    pub(crate) idle_seconds: Option<u64>,
    /// Tokens.
    pub(crate) token: RawToken,
    /// Requests per time.
    pub(crate) limits: RawLimits,
    /// Requests that the server makes.
    pub(crate) outbound: RawOutbound,
    /// Tokens for workloads on the same machine.
    pub(crate) managed_identity: RawManagedIdentity,
    /// How strictly Graph's own limits are held.
    pub(crate) graph: RawGraph,
    /// Another provider of sign-in for people.
    pub(crate) oidc: Option<Oidc>,
}

/// `[token]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawToken {
    /// Lifetime of a token, in seconds.
    pub(crate) lifetime_seconds: Option<u32>,
    /// Days after which a new signing key takes over.
    pub(crate) key_rotation_days: Option<u32>,
}

/// `[limits]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawLimits {
    /// Token requests per client and minute.
    pub(crate) token_per_client_minute: Option<u32>,
    /// Refused token requests per address and minute.
    pub(crate) refusals_per_address_minute: Option<u32>,
    /// Graph requests per application and ten seconds.
    pub(crate) graph_per_application_ten_seconds: Option<u32>,
}

/// `[outbound]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawOutbound {
    /// PEM file with another authority that is trusted.
    pub(crate) ca: Option<PathBuf>,
    /// Whether addresses of private networks and of this machine may be asked.
    pub(crate) allow_private: Option<bool>,
}

/// `[managed_identity]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawManagedIdentity {
    /// Loopback address and port; off without it.
    pub(crate) listen: Option<String>,
    /// Tenant of the identities.
    pub(crate) tenant: Option<String>,
}

/// `[graph]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawGraph {
    /// Whether advanced queries without `ConsistencyLevel: eventual` are refused, as Graph does.
    pub(crate) strict_advanced_queries: Option<bool>,
    /// Whether members behind `unknownFutureValue` are hidden from clients that do not ask for them.
    pub(crate) strict_enumerations: Option<bool>,
    /// Whether confirming a compromise also disables the service principal.
    pub(crate) disable_on_confirm: Option<bool>,
}

/// `[oidc]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Oidc {
    /// Issuer, whose discovery document is read.
    pub(crate) issuer: String,
    /// Client id at that provider.
    pub(crate) client_id: String,
    /// File that holds the client secret at that provider.
    pub(crate) client_secret_file: PathBuf,
    /// Claim that must equal a user's principal name.
    #[serde(default = "default_claim")]
    pub(crate) user_claim: String,
    /// What the button says.
    #[serde(default = "default_label")]
    pub(crate) label: String,
}

fn default_claim() -> String {
    "email".to_owned()
}

fn default_label() -> String {
    "Sign in with your organisation".to_owned()
}

/// The settings in use.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) data: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) database: Option<String>,
    pub(crate) names: Vec<String>,
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
    pub(crate) trusted_proxies: Vec<IpAddr>,
    pub(crate) drain: Duration,
    pub(crate) idle: Duration,
    pub(crate) token_lifetime_seconds: u32,
    pub(crate) key_rotation_days: u32,
    pub(crate) limits: Limits,
    pub(crate) outbound_ca: Option<PathBuf>,
    pub(crate) outbound_allow_private: bool,
    pub(crate) managed_identity: Option<(SocketAddr, String)>,
    pub(crate) graph: GraphSettings,
    pub(crate) oidc: Option<Oidc>,
}

/// Requests per time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) token_per_client_minute: u32,
    pub(crate) refusals_per_address_minute: u32,
    pub(crate) graph_per_application_ten_seconds: u32,
}

/// How strictly Graph's own limits are held.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GraphSettings {
    pub(crate) strict_advanced_queries: bool,
    pub(crate) strict_enumerations: bool,
    pub(crate) disable_on_confirm: bool,
}

/// Variables of the environment, with the key that each stands for.
pub(crate) const VARIABLES: [(&str, &str); 7] = [
    ("COUNTERSIGN_LISTEN", "listen"),
    ("COUNTERSIGN_DATABASE", "database"),
    ("COUNTERSIGN_NAMES", "names"),
    ("COUNTERSIGN_CERTIFICATE", "certificate"),
    ("COUNTERSIGN_CERTIFICATE_KEY", "certificate_key"),
    ("COUNTERSIGN_OUTBOUND_CA", "outbound.ca"),
    ("COUNTERSIGN_OUTBOUND_ALLOW_PRIVATE", "outbound.allow_private"),
];

impl RawConfig {
    /// Reads the file, if there is one, and puts the environment over it.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self> {
        let mut raw = match file {
            None => RawConfig::default(),
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("cannot read the configuration `{}`", file.display()))?;
                Self::parse(&text).with_context(|| format!("configuration `{}`", file.display()))?
            }
        };
        for (variable, key) in VARIABLES {
            if let Ok(value) = std::env::var(variable) {
                raw.set(key, &value).with_context(|| format!("environment variable `{variable}`"))?;
            }
        }
        Ok(raw)
    }

    fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let place = line.map_or(String::new(), |line| format!("line {line}: "));
            anyhow::anyhow!("{place}{}", error.message())
        })
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        match key {
            "listen" => self.listen = Some(value.to_owned()),
            "database" => self.database = Some(value.to_owned()),
            "names" => self.names = Some(value.split(',').map(|name| name.trim().to_owned()).collect()),
            "certificate" => self.certificate = Some(value.into()),
            "certificate_key" => self.certificate_key = Some(value.into()),
            "outbound.ca" => self.outbound.ca = Some(value.into()),
            "outbound.allow_private" => {
                self.outbound.allow_private = Some(value.parse().context("must be `true` or `false`")?);
            }
            other => bail!("no key `{other}`"),
        }
        Ok(())
    }

    /// Checks everything, and fills in what was not set.
    pub(crate) fn resolve(self, data: &Path) -> Result<Config> {
        let listen = parse_address("listen", self.listen.as_deref().unwrap_or("127.0.0.1:8443"))?;
        let certificate = match (self.certificate, self.certificate_key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => bail!("`certificate` and `certificate_key` belong together: set both or neither"),
        };
        let names = self.names.unwrap_or_else(|| vec!["localhost".to_owned(), "127.0.0.1".to_owned()]);
        if names.is_empty() || names.iter().any(|name| name.is_empty() || name.contains(['/', ' ', '@'])) {
            bail!("`names` must hold host names or addresses, such as `id.example.com`");
        }
        let managed_identity = match (self.managed_identity.listen, self.managed_identity.tenant) {
            (None, _) => None,
            (Some(address), Some(tenant)) => {
                let address = parse_address("managed_identity.listen", &address)?;
                if !address.ip().is_loopback() {
                    bail!(
                        "`managed_identity.listen` must be a loopback address: whoever reaches it gets tokens"
                    );
                }
                Some((address, tenant))
            }
            (Some(_), None) => bail!("`managed_identity.tenant` is missing: whose identities are these?"),
        };
        let lifetime = self.token.lifetime_seconds.unwrap_or(3_600);
        if !(600..=86_400).contains(&lifetime) {
            bail!("`token.lifetime_seconds` is {lifetime}; it must lie between 600 and 86400");
        }
        let idle = self.idle_seconds.unwrap_or(60);
        if !(1..=3_600).contains(&idle) {
            bail!("`idle_seconds` is {idle}; it must lie between 1 and 3600");
        }
        let rotation = self.token.key_rotation_days.unwrap_or(90);
        if !(2..=3_650).contains(&rotation) {
            bail!("`token.key_rotation_days` is {rotation}; it must lie between 2 and 3650");
        }
        Ok(Config {
            data: data.to_owned(),
            listen,
            database: self.database,
            names,
            certificate,
            trusted_proxies: self.trusted_proxies.unwrap_or_default(),
            drain: Duration::from_secs(self.drain_seconds.unwrap_or(10)),
            idle: Duration::from_secs(idle),
            token_lifetime_seconds: lifetime,
            key_rotation_days: rotation,
            limits: Limits {
                token_per_client_minute: self.limits.token_per_client_minute.unwrap_or(60_000),
                refusals_per_address_minute: self.limits.refusals_per_address_minute.unwrap_or(6_000),
                graph_per_application_ten_seconds: self
                    .limits
                    .graph_per_application_ten_seconds
                    .unwrap_or(50_000),
            },
            outbound_ca: self.outbound.ca,
            outbound_allow_private: self.outbound.allow_private.unwrap_or(false),
            managed_identity,
            graph: GraphSettings {
                strict_advanced_queries: self.graph.strict_advanced_queries.unwrap_or(false),
                strict_enumerations: self.graph.strict_enumerations.unwrap_or(false),
                disable_on_confirm: self.graph.disable_on_confirm.unwrap_or(false),
            },
            oidc: self.oidc,
        })
    }
}

fn parse_address(key: &str, value: &str) -> Result<SocketAddr> {
    value.parse().with_context(|| {
        format!("`{key}` is `{value}`; it must be an address and a port, such as `127.0.0.1:8443`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<Config> {
        RawConfig::parse(text).and_then(|raw| raw.resolve(Path::new("data")))
    }

    #[test]
    fn an_empty_file_is_the_default() {
        let config = resolve("").unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8443");
        assert_eq!(config.token_lifetime_seconds, 3_600);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, message) in [
            ("listn = \"x\"", "line 1: unknown field `listn`"),
            ("\n[token]\nlifetime = 3", "line 3: unknown field `lifetime`"),
            ("listen = \"8443\"", "`listen` is `8443`"),
            ("certificate = \"a.pem\"", "belong together"),
            ("names = []", "`names` must hold"),
            ("[token]\nlifetime_seconds = 5", "between 600 and 86400"),
            ("[managed_identity]\nlisten = \"0.0.0.0:1\"\ntenant = \"t\"", "must be a loopback address"),
            ("[managed_identity]\nlisten = \"127.0.0.1:1\"", "`managed_identity.tenant` is missing"),
        ] {
            let error = format!("{:#}", resolve(text).unwrap_err());
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    /// Keys that the page lists, as `[table]` or plain.
    fn documented() -> Vec<String> {
        let page = include_str!("../../../../docs/configuration.md");
        let rows = page.lines().filter(|line| {
            line.starts_with("| `")
                && !line.contains(".db`")
                && !line.contains(".key`")
                && !line.contains(".pem`")
        });
        rows.flat_map(|row| row.split('|').nth(1).unwrap_or_default().split(','))
            .map(|key| key.trim().trim_matches('`').to_owned())
            .collect()
    }

    #[test]
    fn the_page_lists_every_key_and_no_other() {
        // An unknown key of any table is refused with the names of those that there are.
        let mut known = Vec::new();
        for table in ["", "token", "limits", "outbound", "managed_identity", "graph", "oidc"] {
            let text = if table.is_empty() {
                "no_such_key = 1".to_owned()
            } else {
                format!("[{table}]\nno_such_key = 1")
            };
            let error = format!("{:#}", RawConfig::parse(&text).unwrap_err());
            let (_, names) = error.split_once("expected").unwrap();
            for name in names.split('`').skip(1).step_by(2) {
                known.push(if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") });
            }
        }
        let tables = ["token", "limits", "outbound", "managed_identity", "graph", "oidc"];
        known.retain(|key| !tables.contains(&key.as_str()));
        known.sort();
        let mut documented = documented();
        documented.sort();
        assert_eq!(documented, known);
        for (variable, key) in VARIABLES {
            let page = include_str!("../../../../docs/configuration.md");
            assert!(page.contains(variable) && documented.iter().any(|known| known == key), "{variable}");
        }
    }

    #[test]
    fn every_variable_sets_a_key() {
        for (variable, key) in VARIABLES {
            let value = if key.ends_with("private") { "true" } else { "a" };
            assert!(RawConfig::default().set(key, value).is_ok(), "{variable}");
        }
    }
}
