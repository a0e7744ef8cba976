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
    /// Places in `families`.
    agents: HashMap<Box<str>, usize, FixedState>,
    families: Vec<AgentFamily<'static>>,
}

impl<'t> Memo<'t> {
    /// A memory that holds nothing yet.
    pub fn new(enricher: &'t Enricher) -> Self {
        Self { enricher, sources: HashMap::default(), agents: HashMap::default(), families: Vec::new() }
    }

    /// The same as [`Enricher::enrich`].
    pub fn enrich<'m>(&'m mut self, event: &Event<'_>) -> Enrichment<'t, 'm> {
        let source = event.address().ip.map(|ip| self.source(ip));
        let indicators = self.enricher.intelligence.matches(event, source.as_ref());
        Enrichment { source, agent: self.agent(event.user_agent()), indicators, patterns: Vec::new() }
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
        let at = self.agents.get(user_agent).copied().unwrap_or_else(|| self.learn_agent(user_agent));
        let family = &self.families[at];
        AgentFamily { product: Cow::Borrowed(&family.product), ..*family }
    }

    fn learn_agent(&mut self, user_agent: &str) -> usize {
        if self.families.len() >= AGENTS_MAX {
            self.agents.clear();
            self.families.clear();
        }
        let AgentFamily { product, major, platform } = agent::family(user_agent);
        self.families.push(AgentFamily { product: Cow::Owned(product.into_owned()), major, platform });
        self.agents.insert(user_agent.into(), self.families.len() - 1);
        self.families.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::event::{Address, SignIn, SignInKind};

    fn sign_in(ip: &str, user_agent: String) -> Event<'static> {
        Event::SignIn(SignIn {
            address: Address { ip: ip.parse().ok(), raw: "".into() },
            user_agent: user_agent.into(),
            ..SignIn::empty(SignInKind::ServicePrincipal)
        })
    }

    #[test]
    fn remembering_changes_nothing_even_when_it_forgets() {
        let enricher = Enricher::embedded();
        let mut memo = Memo::new(&enricher);
        for number in 0..AGENTS_MAX * 2 {
            let agent = format!("tool-{}/{}.1", number % 5_000, number % 7);
            let event = sign_in(if number % 2 == 0 { "52.94.76.10" } else { "192.0.2.1" }, agent);
            let (remembered, fresh) = (memo.enrich(&event), enricher.enrich(&event));
            assert_eq!((remembered.source, &remembered.agent), (fresh.source, &fresh.agent));
        }
    }
}
