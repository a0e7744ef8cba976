//! What enrichment says about an event: facts about the address, the family of the user agent, and the
//! threat-intelligence indicators it matched.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// ISO 3166-1 alpha-2 code in upper case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Country(pub [u8; 2]);

impl Country {
    /// Reads a code; `None` for text that is not a country (`EU`, `AP`, `ZZ`, `-`, retired codes). `UK` is `GB`.
    pub fn parse(code: &str) -> Option<Country> {
        let &[first, second] = code.as_bytes() else { return None };
        let code = [first.to_ascii_uppercase(), second.to_ascii_uppercase()];
        match &code {
            b"EU" | b"AP" | b"ZZ" | b"CS" | b"AN" | b"NT" | b"XX" => None,
            b"UK" => Some(Country(*b"GB")),
            _ if code.iter().all(u8::is_ascii_uppercase) => Some(Country(code)),
            _ => None,
        }
    }

    /// The two letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("??")
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What kind of network an address is in. Unknown is a value of its own and never counts as unfamiliar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum HostingClass {
    /// No class known: private, unannounced, or nothing says so.
    #[default]
    Unknown,
    /// An access or corporate network: announced, and on no hosting list.
    Access,
    /// Only the name of the autonomous system suggests hosting: half weight.
    PerhapsHosting,
    /// Data centre, cloud or content network.
    Hosting,
}

/// How an address hides who uses it, if it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Anonymiser {
    /// Not known to hide anybody.
    #[default]
    None,
    /// A VPN, proxy or relay.
    Vpn,
    /// A Tor exit.
    Tor,
}

/// Providers whose published ranges hold the address. GitHub's runners are also Microsoft's: a set, not one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Providers(pub u16);

impl Providers {
    /// Names by bit.
    pub const NAMES: [&str; 11] = [
        "aws",
        "microsoft",
        "google",
        "oci",
        "digitalocean",
        "linode",
        "vultr",
        "cloudflare",
        "github",
        "icloud-private-relay",
        "protonvpn",
    ];

    /// The names in the set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().enumerate().filter(move |(bit, _)| self.0 >> bit & 1 == 1).map(|(_, name)| *name)
    }

    /// True when no published range holds the address.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True when both sets share a provider.
    pub fn shares(self, other: Providers) -> bool {
        self.0 & other.0 != 0
    }
}

/// Facts about one address, all from one version of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceFacts<'t> {
    /// The address, IPv4-mapped IPv6 already unwrapped.
    pub ip: IpAddr,
    /// Autonomous system number; 0 when unannounced or private.
    pub asn: u32,
    /// Smallest ASN of the organisation that runs `asn` (8068, 8069 and 8075 are one); 0 when unknown.
    pub organisation: u32,
    /// Name of the autonomous system; empty when unknown.
    pub as_name: &'t str,
    /// Country; `None` when unknown or meaningless (anycast).
    pub country: Option<Country>,
    /// Hosting, access network, or unknown.
    pub hosting: HostingClass,
    /// Tor, VPN or neither.
    pub anonymiser: Anonymiser,
    /// Providers that publish the range as theirs.
    pub providers: Providers,
}

/// Operating system a user agent names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Platform {
    /// None named.
    #[default]
    Unknown,
    /// Windows.
    Windows,
    /// Linux.
    Linux,
    /// macOS.
    MacOs,
    /// Android, iOS and the like.
    Mobile,
}

/// A user agent reduced to what stays over patch releases: product, major version, platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentFamily<'a> {
    /// Product, as `python-requests`; empty when the record has no user agent.
    pub product: Cow<'a, str>,
    /// Major version, when it has one.
    pub major: Option<u32>,
    /// Operating system.
    pub platform: Platform,
}

impl fmt::Display for AgentFamily<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.product.is_empty() {
            return f.write_str("no user agent");
        }
        f.write_str(&self.product)?;
        if let Some(major) = self.major {
            write!(f, "/{major}")?;
        }
        match self.platform {
            Platform::Unknown => Ok(()),
            Platform::Windows => f.write_str(" on Windows"),
            Platform::Linux => f.write_str(" on Linux"),
            Platform::MacOs => f.write_str(" on macOS"),
            Platform::Mobile => f.write_str(" on a mobile device"),
        }
    }
}

/// What of an event a threat-intelligence indicator names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum IndicatorKind {
    /// One address.
    Address,
    /// A range of addresses.
    Range,
    /// An autonomous system.
    AutonomousSystem,
    /// A user agent.
    UserAgent,
    /// An application id.
    AppId,
    /// A domain name.
    Domain,
}

/// One indicator that an event matched.
#[derive(Clone, Debug, PartialEq)]
pub struct IndicatorMatch {
    /// What was matched.
    pub kind: IndicatorKind,
    /// The indicator as the feed wrote it.
    pub value: String,
    /// Name of the feed: the file it was read from, or the producer it names.
    pub feed: String,
    /// Probability, 0 to 1, that a match means what the feed says: the feed's precision times the
    /// indicator's own confidence and freshness.
    pub precision: f32,
    /// When the indicator became valid or was seen first, if the feed says.
    pub valid_from: Option<crate::time::Timestamp>,
    /// What the feed says it is: a name, labels, a comment; may be empty.
    pub description: String,
}

/// Severity that a rule's author gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For the record.
    Informational,
    /// Seldom worth a look by itself.
    Low,
    /// Worth a look among others.
    Medium,
    /// Worth a look today.
    High,
    /// Act now.
    Critical,
}

/// A known attack pattern that an event completed.
#[derive(Clone, Debug, PartialEq)]
pub struct PatternMatch {
    /// Title of the rule.
    pub title: String,
    /// Its id; may be empty.
    pub id: String,
    /// Its author, which the Detection Rule License asks to name; may be empty.
    pub author: String,
    /// Severity that the author gave it.
    pub severity: Severity,
    /// Its `attack.…` tags.
    pub tags: Vec<String>,
}

/// All that enrichment adds to one event.
#[derive(Clone, Debug, Default)]
pub struct Enrichment<'t, 'a> {
    /// Facts about the address; `None` when the event has none that can be read.
    pub source: Option<SourceFacts<'t>>,
    /// Family of the user agent.
    pub agent: AgentFamily<'a>,
    /// Indicators that match; empty nearly always.
    pub indicators: Vec<IndicatorMatch>,
    /// Patterns that it completed; empty nearly always.
    pub patterns: Vec<PatternMatch>,
}
