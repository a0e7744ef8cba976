//! `suspiciousSignins`: the evidence that a sign-in was not made by the workload itself.
//!
//! Five dimensions give a likelihood ratio each: how likely is this value if an attacker holds the credential,
//! and how likely if the identity goes on as it did. Source counts fully, the others by half or less.

use std::net::IpAddr;

use countersign_model::event::CredentialKind;
use countersign_model::finding::Evidence;
use countersign_model::id::Id;
use countersign_model::source::{Anonymiser, HostingClass, SourceFacts};
use countersign_model::time::Timestamp;

use crate::baseline::{Baseline, Standing, Table};
use crate::constants::{ASSUMPTIONS, DORMANT_LN, Dimension};
use crate::evidence::{self, Prior};
use crate::ledger::{ChangeKind, Ledger};
use crate::order::hash32;
use crate::peers::{Peers, Spread};

/// The values of one event, reduced to what baselines keep.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Values {
    pub(crate) source: Option<u32>,
    /// Range of the source; 0 when there is none.
    pub(crate) range: u32,
    /// Organisation that runs the network; 0 when unknown.
    pub(crate) network: u32,
    /// Country as its two letters; 0 when unknown.
    pub(crate) country: u32,
    /// `None` where the log never says: sign-ins of managed identities.
    pub(crate) agent: Option<u32>,
    pub(crate) resource: Option<u32>,
    pub(crate) credential: Option<u32>,
    pub(crate) kind: CredentialKind,
}

impl Values {
    /// Each value with its table and dimension; `None` where the event has none.
    pub(crate) fn tables(&self) -> [(Table, Dimension, Option<u32>); 4] {
        [
            (Table::Sources, Dimension::Source, self.source),
            (Table::Agents, Dimension::Agent, self.agent),
            (Table::Resources, Dimension::Resource, self.resource),
            (Table::Credentials, Dimension::Credential, self.credential),
        ]
    }
}

/// How one dimension speaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Term {
    /// Weighted logarithm of the likelihood ratio.
    pub(crate) ln: f64,
    /// Class of novelty; `None` for a known value.
    pub(crate) novel: Option<usize>,
    /// An audit record explains it.
    pub(crate) announced: bool,
}

/// Evidence of one event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Score {
    /// By dimension; `None` where the event says nothing.
    pub(crate) terms: [Option<Term>; 5],
    /// Novelty rate of the source.
    pub(crate) novelty_rate: f64,
    /// A credential that a rare actor added.
    pub(crate) rare_actor: bool,
    /// Days without an event before it, when that is long for the identity (F6).
    pub(crate) dormant_days: Option<i64>,
}

impl Score {
    /// Logarithm of the evidence number.
    pub(crate) fn total(&self) -> f64 {
        self.terms.iter().flatten().map(|term| term.ln).sum::<f64>() + self.dormancy()
    }

    /// Workloads do not move to where people live: who comes from there is somebody, harmless or not, with software of
    /// their own. That is one surprise, and the source counts it already.
    pub(crate) fn at_a_desk(&mut self) {
        if let Some(agent) = &mut self.terms[Dimension::Agent.index()] {
            agent.ln = agent.ln.min(0.0);
        }
    }

    fn dormancy(&self) -> f64 {
        self.dormant_days.map_or(0.0, |_| DORMANT_LN)
    }

    pub(crate) fn novel(&self, dimension: Dimension) -> Option<usize> {
        self.terms[dimension.index()]?.novel
    }

    pub(crate) fn evidence(&self) -> Vec<Evidence> {
        let dimensions = crate::constants::DIMENSIONS.iter().filter_map(|dimension| {
            let term = self.terms[dimension.index()]?;
            Some(Evidence { dimension: dimension.name().to_owned(), ln: term.ln })
        });
        let dormancy =
            self.dormant_days.map(|_| Evidence { dimension: "dormancy".to_owned(), ln: DORMANT_LN });
        dimensions.chain(dormancy).collect()
    }
}

/// How far a new source is from the known ones, from near to far: the class of its novelty.
pub(crate) fn source_class(baseline: &Baseline, peers: &Peers, facts: Option<&SourceFacts<'_>>) -> usize {
    let Some(facts) = facts.filter(|facts| facts.asn != 0) else {
        // Private or unannounced: nothing is known, which never counts as far.
        return 1;
    };
    let knows_network = baseline.knows(Table::Networks, facts.organisation);
    let knows_country =
        facts.country.is_none_or(|country| baseline.knows(Table::Countries, country_value(Some(country))));
    // A cloud's network is everybody's; an access network that several identities use is the company's.
    let is_company_network = facts.hosting == HostingClass::Access
        && peers.spread(baseline.archetype, Table::Networks, facts.organisation) >= Spread::Tenant;
    let peers_use_it = is_company_network || peers.use_range(range_value(facts.ip));
    let hides = facts.anonymiser != Anonymiser::None;
    let is_hosting = matches!(facts.hosting, HostingClass::Hosting | HostingClass::PerhapsHosting);
    match (knows_network, knows_country) {
        (true, true) => 0,
        (true, false) => 1,
        (false, true) if peers_use_it => 1,
        (false, false) if peers_use_it && !hides => 2,
        (false, _) if facts.anonymiser == Anonymiser::Tor => 5,
        (false, true) if is_hosting || hides => 4,
        (false, true) => 3,
        (false, false) if is_hosting || hides => 5,
        (false, false) => 4,
    }
}

/// An IPv4 address as itself; an IPv6 address as a hash of its /64, for hosts change the rest at will.
pub(crate) fn source_value(ip: IpAddr) -> u32 {
    match ip {
        IpAddr::V4(v4) => u32::from(v4),
        IpAddr::V6(v6) => hash32(&v6.octets()[..8]),
    }
}

/// The /24 of an IPv4 address or the /48 of an IPv6 address: what one place usually has.
pub(crate) fn range_value(ip: IpAddr) -> u32 {
    match ip {
        IpAddr::V4(v4) => u32::from(v4) >> 8,
        IpAddr::V6(v6) => hash32(&v6.octets()[..6]),
    }
}

pub(crate) fn country_value(country: Option<countersign_model::source::Country>) -> u32 {
    country.map_or(0, |country| u32::from(u16::from_be_bytes(country.0)))
}

/// Class of a new agent or resource: how many others have it.
fn spread_class(spread: Spread) -> usize {
    match spread {
        Spread::Peers => 0,
        Spread::Tenant => 1,
        Spread::Unseen => 3,
    }
}

/// All that the score of one event rests on.
pub(crate) struct Context<'c> {
    pub(crate) baseline: &'c Baseline,
    pub(crate) priors: &'c [Prior; 5],
    pub(crate) peers: &'c Peers,
    pub(crate) ledger: &'c Ledger,
    pub(crate) facts: Option<&'c SourceFacts<'c>>,
    pub(crate) principal: &'c Id<'c>,
    pub(crate) app: &'c Id<'c>,
    pub(crate) key: &'c Id<'c>,
    pub(crate) time: Timestamp,
}

/// The evidence of one event.
pub(crate) fn score(context: &Context<'_>, values: &Values) -> Score {
    let mut score = Score::default();
    let Context { baseline, priors, peers, .. } = context;
    let source_counts = &baseline.counts[Dimension::Source.index()];
    score.novelty_rate =
        evidence::novelty_rate(Dimension::Source, source_counts, &priors[Dimension::Source.index()]);
    let archetype = baseline.archetype;
    // The first value of a dimension says nothing: there was nothing to differ from.
    let to_judge = |table: Table, value: Option<u32>| value.filter(|_| !baseline.is_empty(table));
    if let Some(source) = to_judge(Table::Sources, values.source) {
        let class = || source_class(baseline, peers, context.facts);
        score.terms[0] = Some(term(context, Dimension::Source, Table::Sources, source, class));
    }
    if let Some(agent) = to_judge(Table::Agents, values.agent) {
        let class = || spread_class(peers.spread(archetype, Table::Agents, agent));
        score.terms[1] = Some(term(context, Dimension::Agent, Table::Agents, agent, class));
    }
    if let Some(resource) = to_judge(Table::Resources, values.resource) {
        let class = || spread_class(peers.spread(archetype, Table::Resources, resource));
        let mut term = term(context, Dimension::Resource, Table::Resources, resource, class);
        let granted = context
            .ledger
            .last(context.principal, context.time, |kind| matches!(kind, ChangeKind::AppRoleGranted { .. }));
        announce(&mut term, granted.is_some_and(|change| !change.is_rare_actor));
        score.terms[2] = Some(term);
    }
    if let Some(credential) = to_judge(Table::Credentials, values.credential) {
        let (class, announced) = credential_class(context, values.kind);
        let mut term = term(context, Dimension::Credential, Table::Credentials, credential, || class);
        announce(&mut term, announced);
        score.rare_actor = term.novel == Some(RARE_ACTOR);
        score.terms[3] = Some(term);
    }
    score.terms[4] = Some(time_term(context));
    score.dormant_days = baseline.dormant_days();
    score
}

/// Inside the window of a change the value speaks for nothing: it was announced.
fn announce(term: &mut Term, announced: bool) {
    if announced && term.novel.is_some() {
        term.ln = term.ln.min(0.0);
        term.announced = true;
    }
}

fn term(
    context: &Context<'_>,
    dimension: Dimension,
    table: Table,
    value: u32,
    class: impl FnOnce() -> usize,
) -> Term {
    let counts = &context.baseline.counts[dimension.index()];
    let prior = &context.priors[dimension.index()];
    let weight = ASSUMPTIONS[dimension.index()].weight;
    match context.baseline.standing(table, value) {
        Standing::Known { share, .. } => {
            let values = context.baseline.known_count(table);
            let ln = weight * evidence::known(dimension, share, values, counts, prior);
            Term { ln, novel: None, announced: false }
        }
        Standing::Pending { .. } | Standing::New => {
            let class = class();
            let ln = weight * evidence::novel(dimension, class, counts, prior);
            Term { ln, novel: Some(class), announced: false }
        }
    }
}

const ANNOUNCED: usize = 0;
const RARE_ACTOR: usize = 1;
const OTHER_KIND: usize = 2;
const UNANNOUNCED: usize = 3;

/// Class of a new credential, and whether the audit log announced it.
fn credential_class(context: &Context<'_>, kind: CredentialKind) -> (usize, bool) {
    let added = context
        .ledger
        .last(context.key, context.time, |kind| matches!(kind, ChangeKind::CredentialAdded { .. }));
    let is_trust = |kind: &ChangeKind| matches!(kind, ChangeKind::FederatedCredentialAdded { .. });
    let trusted = || match kind {
        CredentialKind::Federated => {
            let by_principal = context.ledger.last(context.principal, context.time, is_trust);
            by_principal.or_else(|| context.ledger.last(context.app, context.time, is_trust))
        }
        _ => None,
    };
    match added.or_else(trusted) {
        Some(change) if change.is_rare_actor => (RARE_ACTOR, false),
        Some(_) => (ANNOUNCED, true),
        None if kind != CredentialKind::Unknown && !context.baseline.has_used(kind) => (OTHER_KIND, false),
        None => (UNANNOUNCED, false),
    }
}

fn time_term(context: &Context<'_>) -> Term {
    let index = Dimension::Time.index();
    let counts = &context.baseline.counts[index];
    let prior = &context.priors[index];
    let weight = ASSUMPTIONS[index].weight;
    if context.baseline.is_usual_hour(context.time) {
        // The share of a slot is not kept; with one value of share 1 the ratio is that of "not new".
        let ln = weight * evidence::known(Dimension::Time, 1.0, 1, counts, prior);
        Term { ln, novel: None, announced: false }
    } else {
        Term {
            ln: weight * evidence::novel(Dimension::Time, 0, counts, prior),
            novel: Some(0),
            announced: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::source::{Country, Providers};

    fn facts(
        organisation: u32,
        country: &str,
        hosting: HostingClass,
        anonymiser: Anonymiser,
    ) -> SourceFacts<'static> {
        SourceFacts {
            ip: "192.0.2.1".parse().unwrap(),
            asn: organisation,
            organisation,
            as_name: "",
            country: Country::parse(country),
            hosting,
            anonymiser,
            providers: Providers::default(),
        }
    }

    #[test]
    fn the_class_of_a_source_grows_with_its_distance() {
        let mut baseline = Baseline::new(Timestamp(0));
        baseline.add(Table::Networks, 3320, 0, true, Timestamp(0));
        baseline.add(Table::Countries, country_value(Country::parse("DE")), 0, true, Timestamp(0));
        let mut peers = Peers::default();
        let shared: IpAddr = "198.51.100.7".parse().unwrap();
        peers.adopt_range(range_value(shared));
        peers.adopt_range(range_value(shared));
        let check = |facts: SourceFacts<'_>, expected| {
            assert_eq!(source_class(&baseline, &peers, Some(&facts)), expected, "{facts:?}");
        };
        let (access, hosting, none) = (HostingClass::Access, HostingClass::Hosting, Anonymiser::None);
        check(facts(3320, "DE", access, none), 0);
        check(facts(3320, "FR", access, none), 1);
        check(SourceFacts { ip: shared, ..facts(8068, "DE", hosting, none) }, 1);
        check(SourceFacts { ip: shared, ..facts(8068, "US", hosting, none) }, 2);
        check(facts(8068, "US", hosting, none), 5);
        check(facts(680, "DE", access, none), 3);
        check(facts(24940, "DE", hosting, none), 4);
        check(facts(5089, "GB", access, none), 4);
        check(facts(24940, "FI", hosting, none), 5);
        check(facts(24940, "DE", hosting, Anonymiser::Tor), 5);
        check(facts(5089, "GB", access, Anonymiser::Vpn), 5);
        check(facts(0, "", HostingClass::Unknown, none), 1);
        assert_eq!(source_class(&baseline, &peers, None), 1);
    }
}
