//! Remembers what enrichment said: workloads repeat their addresses and user agents over and over.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;

use countersign_model::event::Event;
use countersign_model::source::{AgentFamily, Enrichment, SourceFacts};
use foldhash::fast::FixedState;

use crate::{Enricher, agent};

/// Addresses remembered; beyond it all are forgotten and learnt anew, which is cheaper than choosing.
const ADDRESSES_MAX: usize = 1 << 16;
/// User agents remembered.
const AGENTS_MAX: usize = 1 << 12;

/// An [`Enricher`] for one thread, with a memory.
#[derive(Debug)]
pub struct Memo<'t> {
    enricher: &'t Enricher,
    sources: HashMap<IpAddr, SourceFacts<'t>, FixedState>,
    agents: HashMap<Box<str>, AgentFamily<'static>, FixedState>,
}

impl<'t> Memo<'t> {
    /// A memory that holds nothing yet.
    pub fn new(enricher: &'t Enricher) -> Self {
        Self { enricher, sources: HashMap::default(), agents: HashMap::default() }
    }

    /// The same as [`Enricher::enrich`].
    pub fn enrich<'m>(&'m mut self, event: &Event<'_>) -> Enrichment<'t, 'm> {
        let source = event.address().ip.map(|ip| self.source(ip));
        let indicators = self.enricher.intelligence.matches(event, source.as_ref());
        Enrichment { source, agent: self.agent(event.user_agent()), indicators }
    }

    fn source(&mut self, ip: IpAddr) -> SourceFacts<'t> {
        if let Some(facts) = self.sources.get(&ip) {
            return *facts;
        }
        if self.sources.len() >= ADDRESSES_MAX {
            self.sources.clear();
        }
        let facts = self.enricher.sources.facts(ip);
        self.sources.insert(ip, facts);
        facts
    }

    fn agent(&mut self, user_agent: &str) -> AgentFamily<'_> {
        if !self.agents.contains_key(user_agent) {
            if self.agents.len() >= AGENTS_MAX {
                self.agents.clear();
            }
            let AgentFamily { product, major, platform } = agent::family(user_agent);
            let family = AgentFamily { product: Cow::Owned(product.into_owned()), major, platform };
            self.agents.insert(user_agent.into(), family);
        }
        self.agents.get(user_agent).map_or_else(AgentFamily::default, |family| AgentFamily {
            product: Cow::Borrowed(&family.product),
            ..*family
        })
    }
}
