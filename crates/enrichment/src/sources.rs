//! All sources of address facts in the order of belief: the user's databases, then ranges that providers
//! publish, then the bundled table. Field by field, because no source knows everything.

use std::net::IpAddr;

use countersign_model::source::{HostingClass, SourceFacts};

use crate::mmdb::{MmdbSource, PartialFacts};
use crate::table::IpTable;

/// Which source answered for a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// None did.
    #[default]
    Nothing,
    /// The bundled table.
    Table,
    /// Ranges that a provider publishes.
    ProviderRanges,
    /// The user's database with this index.
    User(usize),
}

/// Which source answered, per field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// Of the autonomous system and all that follows from it.
    pub network: Origin,
    /// Of the country.
    pub country: Origin,
    /// Of the hosting class.
    pub hosting: Origin,
    /// Of the anonymiser.
    pub anonymiser: Origin,
}

/// All sources together.
#[derive(Debug)]
pub struct Sources {
    /// The user's databases; of two that answer, the first is believed.
    pub user: Vec<MmdbSource>,
    /// The bundled table, or a newer one.
    pub table: IpTable,
}

impl Sources {
    /// The bundled table and nothing else.
    pub fn embedded() -> Sources {
        Sources { user: Vec::new(), table: IpTable::embedded() }
    }

    /// Facts about an address.
    pub fn facts(&self, ip: IpAddr) -> SourceFacts<'_> {
        if self.user.is_empty() { self.table.lookup(ip) } else { self.facts_and_origins(ip).0 }
    }

    /// Facts about an address, and which source each is from.
    pub fn facts_and_origins(&self, ip: IpAddr) -> (SourceFacts<'_>, Origins) {
        let mut facts = self.table.lookup(ip);
        let mut origins = origins_of_table(&facts);
        // The last first, so that the first has the last word.
        for (index, source) in self.user.iter().enumerate().rev() {
            if let Some(partial) = source.lookup(ip) {
                self.apply(&partial, Origin::User(index), &mut facts, &mut origins);
            }
        }
        (facts, origins)
    }

    fn apply<'t>(
        &'t self,
        partial: &PartialFacts<'t>,
        origin: Origin,
        facts: &mut SourceFacts<'t>,
        origins: &mut Origins,
    ) {
        if let Some(asn) = partial.asn {
            let known = self.table.as_name(asn);
            facts.as_name = partial.as_name.unwrap_or(known);
            facts.organisation = self.table.organisation_of(asn);
            // The class list speaks of systems, so it follows the system; ranges and users speak of addresses.
            if facts.asn != asn && matches!(origins.hosting, Origin::Table | Origin::Nothing) {
                facts.hosting = self.table.hosting_of(asn);
                origins.hosting = Origin::Table;
            }
            facts.asn = asn;
            origins.network = origin;
        }
        if partial.anycast {
            (facts.country, origins.country) = (None, origin);
        } else if partial.country.is_some() {
            (facts.country, origins.country) = (partial.country, origin);
        }
        if let Some(hosting) = partial.hosting {
            (facts.hosting, origins.hosting) = (hosting, origin);
        }
        if let Some(anonymiser) = partial.anonymiser {
            (facts.anonymiser, origins.anonymiser) = (anonymiser, origin);
        }
    }
}

fn origins_of_table(facts: &SourceFacts<'_>) -> Origins {
    let known = |known: bool| if known { Origin::Table } else { Origin::Nothing };
    let hosting = if facts.providers.is_empty() {
        known(facts.hosting != HostingClass::Unknown)
    } else {
        Origin::ProviderRanges
    };
    Origins {
        network: known(facts.asn != 0),
        country: known(facts.country.is_some()),
        hosting,
        anonymiser: known(facts.anonymiser != countersign_model::source::Anonymiser::None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::source::{Anonymiser, Country};

    fn checked(partial: &PartialFacts<'static>) -> (SourceFacts<'static>, Origins) {
        // Leaked once per call: facts borrow from the sources.
        let sources: &'static Sources = Box::leak(Box::new(Sources::embedded()));
        // An access network of Deutsche Telekom.
        let mut facts = sources.table.lookup("84.150.10.10".parse().unwrap());
        let mut origins = origins_of_table(&facts);
        sources.apply(partial, Origin::User(0), &mut facts, &mut origins);
        (facts, origins)
    }

    #[test]
    fn a_users_database_is_believed_field_by_field() {
        let (facts, origins) =
            checked(&PartialFacts { country: Country::parse("BE"), ..PartialFacts::default() });
        assert_eq!((facts.asn, facts.country), (3320, Country::parse("BE")));
        assert_eq!((origins.network, origins.country), (Origin::Table, Origin::User(0)));
    }

    #[test]
    fn the_class_follows_the_system() {
        let (facts, origins) = checked(&PartialFacts { asn: Some(24940), ..PartialFacts::default() });
        assert_eq!((facts.hosting, origins.hosting), (HostingClass::Hosting, Origin::Table));
        assert_eq!((facts.as_name, facts.organisation), ("Hetzner Online GmbH", 24940));
    }

    #[test]
    fn an_anycast_address_has_no_country() {
        let partial = PartialFacts {
            country: Country::parse("AU"),
            anycast: true,
            anonymiser: Some(Anonymiser::None),
            ..PartialFacts::default()
        };
        assert_eq!(checked(&partial).0.country, None);
    }
}
