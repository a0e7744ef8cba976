//! Facts about where an event came from: its address, its user agent, and what threat intelligence says.
//!
//! The crate is pure. It takes bytes and `now`, and never reads a file, asks the clock, opens a connection or
//! logs. It never turns a miss into a fact: what no source knows is unknown, and unknown is not unfamiliar.
//! It never copies a user's database or feed into data of its own.
//!
//! Start with [`Enricher::enrich`]. Addresses are answered by [`sources::Sources`], which asks the user's
//! databases ([`mmdb`]) before the bundled table ([`table`]); user agents by [`agent`]; indicators by
//! [`threat_intel`]; lists of abused applications are read by [`rogue_applications`]. [`build`] makes the bundled table and is used by `cargo xtask refresh-ip-data` only.

pub mod agent;
pub mod build;
mod column;
mod date;
pub mod ip;
pub mod memo;
pub mod mmdb;
pub mod rogue_applications;
pub mod sources;
pub mod table;
pub mod threat_intel;

use countersign_model::event::Event;
use countersign_model::source::Enrichment;

pub use memo::Memo;
pub use sources::Sources;
pub use table::IpTable;
pub use threat_intel::ThreatIntelligence;

/// Everything that enriches an event. Immutable, so one serves all threads.
#[derive(Debug)]
pub struct Enricher {
    /// What is known of addresses.
    pub sources: Sources,
    /// What feeds warn of.
    pub intelligence: ThreatIntelligence,
}

impl Enricher {
    /// The bundled table, and no threat intelligence.
    pub fn embedded() -> Enricher {
        Enricher { sources: Sources::embedded(), intelligence: ThreatIntelligence::default() }
    }

    /// All that enrichment adds to one event.
    pub fn enrich<'t, 'a>(&'t self, event: &'a Event<'_>) -> Enrichment<'t, 'a> {
        let source = event.address().ip.map(|ip| self.sources.facts(ip));
        Enrichment {
            source,
            agent: agent::family(event.user_agent()),
            indicators: self.intelligence.matches(event, source.as_ref()),
            patterns: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::source::{Country, Platform};
    use countersign_model::time::Timestamp;

    #[test]
    fn an_event_gets_all_three() {
        let now = Timestamp(1_787_000_000_000_000);
        let mut builder = ThreatIntelligence::builder();
        builder.add_file("feed", b"AS24940\n198.51.100.7\n", now).unwrap();
        let enricher = Enricher { sources: Sources::embedded(), intelligence: builder.build() };

        let event =
            threat_intel::tests::sign_in("95.216.10.10", "azsdk-go-azidentity/v1.5.1 (go1.21; linux)", "");
        let enrichment = enricher.enrich(&event);
        assert_eq!(enrichment.source.unwrap().country, Country::parse("FI"));
        assert_eq!(
            (&*enrichment.agent.product, enrichment.agent.platform),
            ("azsdk-go-azidentity", Platform::Linux)
        );
        assert_eq!(enrichment.indicators[0].value, "AS24940");
    }

    #[test]
    fn an_event_without_address_and_agent_is_unknown() {
        let event = threat_intel::tests::sign_in("", "", "");
        let enricher = Enricher::embedded();
        let enrichment = enricher.enrich(&event);
        assert_eq!(enrichment.source, None);
        assert_eq!(enrichment.agent.to_string(), "no user agent");
        assert!(enrichment.indicators.is_empty());
    }
}
