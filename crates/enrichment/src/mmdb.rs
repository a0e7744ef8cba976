//! Databases in MaxMind's format that users bring. Which product it is does not matter: the fields that a
//! record has say what it knows.
//!
//! A user's database is read in place and never copied into a table of ours: its licence may forbid that.

use std::net::IpAddr;

use countersign_model::source::{Anonymiser, Country, HostingClass};
use maxminddb::Reader;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("not a readable database in MaxMind's format")]
pub struct MmdbError(#[from] maxminddb::MaxMindDbError);

/// One database.
#[derive(Debug)]
pub struct MmdbSource {
    reader: Reader<Vec<u8>>,
}

/// What one database says of an address; `None` where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartialFacts<'m> {
    /// Autonomous system number.
    pub asn: Option<u32>,
    /// Name of the autonomous system.
    pub as_name: Option<&'m str>,
    /// Country.
    pub country: Option<Country>,
    /// True when the address is everywhere, so that no country means anything.
    pub anycast: bool,
    /// Hosting or access network.
    pub hosting: Option<HostingClass>,
    /// Tor, VPN, or certainly neither.
    pub anonymiser: Option<Anonymiser>,
}

/// A value of whatever type; products disagree about types, and none may make a record unreadable.
#[derive(Deserialize)]
#[serde(untagged)]
enum Loose<'m> {
    Bool(bool),
    Number(u64),
    Text(&'m str),
    Place {
        #[serde(borrow)]
        iso_code: &'m str,
    },
    Other(IgnoredAny),
}

impl<'m> Loose<'m> {
    fn text(&self) -> Option<&'m str> {
        match self {
            Loose::Text(text) if !text.is_empty() => Some(text),
            Loose::Bool(_) | Loose::Number(_) | Loose::Text(_) | Loose::Place { .. } | Loose::Other(_) => {
                None
            }
        }
    }

    fn flag(&self) -> Option<bool> {
        match self {
            Loose::Bool(flag) => Some(*flag),
            Loose::Number(number) => Some(*number != 0),
            Loose::Text(text) => text.parse().ok(),
            Loose::Place { .. } | Loose::Other(_) => None,
        }
    }

    /// A number, or IPinfo's `AS64496`.
    fn asn(&self) -> Option<u32> {
        match self {
            Loose::Number(number) => u32::try_from(*number).ok(),
            Loose::Text(text) => text.trim_start_matches("AS").parse().ok(),
            Loose::Bool(_) | Loose::Place { .. } | Loose::Other(_) => None,
        }
    }

    fn country(&self) -> Option<Country> {
        match self {
            Loose::Place { iso_code } => Country::parse(iso_code),
            Loose::Text(code) => Country::parse(code),
            Loose::Bool(_) | Loose::Number(_) | Loose::Other(_) => None,
        }
    }
}

type Field<'m> = Option<Loose<'m>>;

/// Every field that any known product has and that says something of interest.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Record<'m> {
    // MaxMind Country and City; in IPinfo's `country` is a name and `country_code` the code.
    #[serde(borrow)]
    country: Field<'m>,
    #[serde(borrow)]
    registered_country: Field<'m>,
    #[serde(borrow)]
    country_code: Field<'m>,
    // MaxMind ASN, ISP; IPinfo.
    #[serde(borrow)]
    autonomous_system_number: Field<'m>,
    #[serde(borrow)]
    autonomous_system_organization: Field<'m>,
    #[serde(borrow)]
    asn: Field<'m>,
    #[serde(borrow)]
    as_name: Field<'m>,
    #[serde(borrow)]
    as_type: Field<'m>,
    #[serde(borrow)]
    user_type: Field<'m>,
    // MaxMind Anonymous IP: present only when true. IPinfo Core, Plus and privacy: true or false.
    #[serde(borrow)]
    is_anonymous: Field<'m>,
    #[serde(borrow)]
    is_anonymous_vpn: Field<'m>,
    #[serde(borrow)]
    is_public_proxy: Field<'m>,
    #[serde(borrow)]
    is_residential_proxy: Field<'m>,
    #[serde(borrow)]
    is_tor_exit_node: Field<'m>,
    #[serde(borrow)]
    is_hosting_provider: Field<'m>,
    #[serde(borrow)]
    is_anycast: Field<'m>,
    #[serde(borrow)]
    is_hosting: Field<'m>,
    #[serde(borrow)]
    is_vpn: Field<'m>,
    #[serde(borrow)]
    is_proxy: Field<'m>,
    #[serde(borrow)]
    is_tor: Field<'m>,
    #[serde(borrow)]
    is_relay: Field<'m>,
    #[serde(borrow)]
    hosting: Field<'m>,
    #[serde(borrow)]
    proxy: Field<'m>,
    #[serde(borrow)]
    relay: Field<'m>,
    #[serde(borrow)]
    tor: Field<'m>,
    #[serde(borrow)]
    vpn: Field<'m>,
    // MaxMind Enterprise keeps the same fields one level down.
    #[serde(borrow)]
    traits: Option<Box<Record<'m>>>,
}

impl MmdbSource {
    /// Opens a database. Damage deep inside shows only when that part is read, and then as no answer.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<MmdbSource, MmdbError> {
        Ok(MmdbSource { reader: Reader::from_source(bytes)? })
    }

    /// Type and date that the database gives itself.
    pub fn description(&self) -> String {
        let metadata = self.reader.metadata();
        let built = i64::try_from(metadata.build_epoch).unwrap_or_default();
        let built = countersign_model::time::Timestamp(built.saturating_mul(countersign_model::time::SECOND));
        format!("{} of {}", metadata.database_type, built.date())
    }

    /// What the database says; `None` when it has no record, or one that cannot be read.
    pub fn lookup(&self, ip: IpAddr) -> Option<PartialFacts<'_>> {
        let found = self.reader.lookup(ip.to_canonical()).ok()?;
        let record: Record<'_> = found.decode().ok()??;
        let facts = record.facts();
        (facts != PartialFacts::default()).then_some(facts)
    }
}

impl<'m> Record<'m> {
    fn facts(&self) -> PartialFacts<'m> {
        let inner = self.traits.as_deref().map(Record::facts).unwrap_or_default();
        let country = [&self.country_code, &self.country, &self.registered_country];
        PartialFacts {
            asn: first(&[&self.autonomous_system_number, &self.asn], Loose::asn).or(inner.asn),
            as_name: first(&[&self.autonomous_system_organization, &self.as_name], Loose::text)
                .or(inner.as_name),
            country: first(&country, Loose::country).or(inner.country),
            anycast: any(&[&self.is_anycast]) == Some(true) || inner.anycast,
            hosting: self.hosting_class().or(inner.hosting),
            anonymiser: self.anonymiser().or(inner.anonymiser),
        }
    }

    fn hosting_class(&self) -> Option<HostingClass> {
        let network = first(&[&self.as_type, &self.user_type], Loose::text);
        match (any(&[&self.is_hosting_provider, &self.is_hosting, &self.hosting]), network) {
            (Some(true), _) | (_, Some("hosting" | "content_delivery_network")) => {
                Some(HostingClass::Hosting)
            }
            (Some(false), _) | (None, Some(_)) => Some(HostingClass::Access),
            (None, None) => None,
        }
    }

    fn anonymiser(&self) -> Option<Anonymiser> {
        let tor = any(&[&self.is_tor_exit_node, &self.is_tor, &self.tor]);
        let hidden = any(&[
            &self.is_anonymous_vpn,
            &self.is_public_proxy,
            &self.is_residential_proxy,
            &self.is_vpn,
            &self.is_proxy,
            &self.is_relay,
            &self.vpn,
            &self.proxy,
            &self.relay,
        ]);
        // MaxMind calls plain hosting anonymous, too; we have a field of its own for that.
        let anonymous = any(&[&self.is_anonymous]).filter(|_| any(&[&self.is_hosting_provider]).is_none());
        match (tor, hidden.or(anonymous)) {
            (Some(true), _) => Some(Anonymiser::Tor),
            (_, Some(true)) => Some(Anonymiser::Vpn),
            (Some(false), _) | (_, Some(false)) => Some(Anonymiser::None),
            (None, None) => None,
        }
    }
}

fn first<'m, T>(fields: &[&Field<'m>], read: impl Fn(&Loose<'m>) -> Option<T>) -> Option<T> {
    fields.iter().find_map(|field| field.as_ref().and_then(&read))
}

/// True when any field is, false when one is present and none is true.
fn any(fields: &[&Field<'_>]) -> Option<bool> {
    fields.iter().filter_map(|field| field.as_ref().and_then(Loose::flag)).reduce(|a, b| a || b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// A sample database; `None`, and a sentence, when it is not on this machine.
    fn sample(name: &str) -> Option<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/ip/mmdb");
        let bytes = std::fs::read(folder.join(name));
        if bytes.is_err() {
            #[expect(clippy::print_stderr, reason = "a skipped test says so")]
            {
                eprintln!("skipped: the sample `{name}` is not here");
            }
        }
        bytes.ok()
    }

    fn check(file: &str, ip: &str, expected: &PartialFacts<'_>) {
        let Some(bytes) = sample(file) else { return };
        let source = MmdbSource::from_bytes(bytes).unwrap();
        assert_eq!(source.lookup(ip.parse().unwrap()).unwrap_or_default(), *expected, "{file} {ip}");
        assert_eq!(source.lookup(format!("::ffff:{ip}").parse().unwrap()).unwrap_or_default(), *expected);
    }

    #[test]
    fn each_product_gives_what_it_has() {
        let nothing = PartialFacts::default();
        let country = |code| PartialFacts { country: Country::parse(code), ..nothing };
        let hides = |anonymiser| PartialFacts { anonymiser: Some(anonymiser), ..nothing };
        check("GeoLite2-Country-Test.mmdb", "2.125.160.217", &country("GB"));
        let google = PartialFacts { asn: Some(15169), as_name: Some("Google Inc."), ..nothing };
        check("GeoLite2-ASN-Test.mmdb", "1.0.0.7", &google);
        let telstra = PartialFacts { asn: Some(1221), as_name: Some("Telstra Pty Ltd"), ..nothing };
        check("GeoIP2-ISP-Test.mmdb", "1.128.0.7", &telstra);
        check("GeoIP2-Anonymous-IP-Test.mmdb", "1.0.0.7", &nothing);
        check("GeoIP2-Anonymous-IP-Test.mmdb", "1.2.0.7", &hides(Anonymiser::Vpn));
        check("GeoIP2-Anonymous-IP-Test.mmdb", "1.124.213.1", &hides(Anonymiser::Tor));
        let hosting = PartialFacts { hosting: Some(HostingClass::Hosting), ..nothing };
        check("GeoIP2-Anonymous-IP-Test.mmdb", "6.1.0.2", &hosting);
        check("GeoIP-Anonymous-Plus-Test.mmdb", "1.2.0.1", &hides(Anonymiser::Vpn));
        let cloudflare = PartialFacts {
            asn: Some(13335),
            as_name: Some("Cloudflare, Inc."),
            country: Country::parse("AU"),
            ..nothing
        };
        check("ipinfo_lite_sample.mmdb", "1.0.0.7", &cloudflare);
        let all = PartialFacts {
            anycast: true,
            hosting: Some(HostingClass::Hosting),
            anonymiser: Some(Anonymiser::None),
            ..cloudflare
        };
        check("ipinfo_core_sample.mmdb", "1.0.0.1", &all);
        check("ipinfo_plus_sample.mmdb", "1.0.0.1", &all);
        let vpn = PartialFacts { hosting: Some(HostingClass::Access), ..hides(Anonymiser::Vpn) };
        check("ipinfo_privacy_sample.mmdb", "1.0.97.76", &vpn);
        check("ipinfo_privacy_sample.mmdb", "203.0.113.7", &nothing);
    }

    #[test]
    fn a_damaged_database_gives_no_answer_and_no_panic() {
        assert!(MmdbSource::from_bytes(Vec::new()).is_err());
        assert!(MmdbSource::from_bytes(b"hello".to_vec()).is_err());
        for name in ["bad-cyclic-data-structure.mmdb", "bad-libmaxminddb-corrupt-search-tree.mmdb"] {
            let Some(bytes) = sample(name) else { continue };
            let Ok(source) = MmdbSource::from_bytes(bytes) else { continue };
            for ip in ["1.1.1.1", "255.255.255.255", "::", "2001:db8::1"] {
                let _ = source.lookup(ip.parse().unwrap());
            }
        }
    }

    #[test]
    fn flipped_bytes_never_panic() {
        let Some(good) = sample("ipinfo_plus_sample.mmdb") else { return };
        for at in (0..good.len()).step_by(7) {
            let mut bad = good.clone();
            bad[at] ^= 0xff;
            if let Ok(source) = MmdbSource::from_bytes(bad) {
                let _ = source.lookup("1.0.0.1".parse().unwrap());
                let _ = source.lookup("1.0.97.76".parse().unwrap());
            }
        }
    }
}
