//! Answers, per event, which indicators it matches. Nearly always none, and then nothing is allocated.

use std::net::IpAddr;

use countersign_model::event::{Actor, Event};
use countersign_model::id::Id;
use countersign_model::source::{IndicatorMatch, SourceFacts};
use uuid::Uuid;

use crate::threat_intel::RETRO_MATCH;
use crate::threat_intel::indicator::{Indicator, Observable};

type Map<K> = std::collections::HashMap<K, Vec<u32>, foldhash::fast::FixedState>;

/// Ranges over one address that are remembered: more feeds that say the same add nothing.
const OVERLAP_MAX: usize = 32;

/// All indicators, arranged for matching. Immutable, so one serves all threads.
#[derive(Debug, Default)]
pub struct ThreatIntelligence {
    indicators: Vec<Indicator>,
    addresses: Map<IpAddr>,
    ranges: Ranges,
    systems: Map<u32>,
    apps: Map<Uuid>,
    /// Sorted by text, so that an event's text is compared ignoring case without a copy.
    agents: Vec<(String, Vec<u32>)>,
    domains: Vec<(String, Vec<u32>)>,
}

/// Overlapping ranges as disjoint steps: from each start on, these indicators hold.
#[derive(Debug, Default)]
struct Ranges {
    starts: Vec<IpAddr>,
    holding: Vec<Vec<u32>>,
}

impl Ranges {
    fn new(mut ranges: Vec<(IpAddr, IpAddr, u32)>) -> Self {
        ranges.sort_unstable();
        let mut cuts: Vec<(IpAddr, bool, u32)> = Vec::with_capacity(ranges.len() * 2);
        for (first, last, id) in ranges {
            cuts.push((first, true, id));
            cuts.extend(next(last).map(|end| (end, false, id)));
        }
        // Ends before starts at the same place.
        cuts.sort_unstable();
        let mut steps = Ranges::default();
        let mut active = std::collections::BTreeSet::new();
        for same_place in cuts.chunk_by(|a, b| a.0 == b.0) {
            for (_, starts, id) in same_place {
                if *starts {
                    active.insert(*id)
                } else {
                    active.remove(id)
                };
            }
            steps.starts.push(same_place[0].0);
            steps.holding.push(active.iter().copied().take(OVERLAP_MAX).collect());
        }
        steps
    }

    fn holding(&self, ip: IpAddr) -> &[u32] {
        match self.starts.partition_point(|start| *start <= ip) {
            0 => &[],
            below => &self.holding[below - 1],
        }
    }
}

/// The address after `ip` in the order that puts all of IPv4 before IPv6.
fn next(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(ip) => Some(match ip.to_bits().checked_add(1) {
            Some(bits) => std::net::Ipv4Addr::from_bits(bits).into(),
            None => std::net::Ipv6Addr::UNSPECIFIED.into(),
        }),
        IpAddr::V6(ip) => ip.to_bits().checked_add(1).map(|bits| std::net::Ipv6Addr::from_bits(bits).into()),
    }
}

impl ThreatIntelligence {
    pub(crate) fn new(indicators: Vec<Indicator>) -> Self {
        let mut made = ThreatIntelligence::default();
        let mut ranges = Vec::new();
        let (mut agents, mut domains) = (Map::<String>::default(), Map::<String>::default());
        for (id, indicator) in indicators.iter().enumerate() {
            let id = id as u32;
            // A conjunction is found by its rarest part and checked whole when found.
            let Some(key) = indicator.condition.iter().min_by_key(|observable| rarity(observable)) else {
                continue;
            };
            match key {
                Observable::Addresses(range) if range.is_single() => {
                    made.addresses.entry(range.first()).or_default().push(id);
                }
                Observable::Addresses(range) => ranges.push((range.first(), range.last(), id)),
                Observable::System(asn) => made.systems.entry(*asn).or_default().push(id),
                Observable::App(app) => made.apps.entry(*app).or_default().push(id),
                Observable::UserAgent(agent) => agents.entry(agent.clone()).or_default().push(id),
                Observable::Domain(name) => domains.entry(name.clone()).or_default().push(id),
            }
        }
        made.ranges = Ranges::new(ranges);
        made.agents = sorted(agents);
        made.domains = sorted(domains);
        made.indicators = indicators;
        made
    }

    /// Number of indicators, expired ones included.
    pub fn len(&self) -> usize {
        self.indicators.len()
    }

    /// True when there is nothing to match.
    pub fn is_empty(&self) -> bool {
        self.indicators.is_empty()
    }

    /// The indicators that an event matches, the most precise first. `source` are the facts about its address.
    pub fn matches(&self, event: &Event<'_>, source: Option<&SourceFacts<'_>>) -> Vec<IndicatorMatch> {
        if self.indicators.is_empty() {
            return Vec::new();
        }
        let mut found: Vec<u32> = Vec::new();
        self.candidates(event, source, |ids| found.extend_from_slice(ids));
        if found.is_empty() {
            return Vec::new();
        }
        found.sort_unstable();
        found.dedup();
        let mut matches: Vec<IndicatorMatch> = found
            .into_iter()
            .map(|id| &self.indicators[id as usize])
            .filter(|indicator| is_valid(indicator, event))
            .filter(|indicator| indicator.condition.iter().all(|observable| holds(observable, event, source)))
            .map(to_match)
            .collect();
        matches.sort_by(|a, b| b.precision.total_cmp(&a.precision).then_with(|| a.value.cmp(&b.value)));
        matches
    }

    fn candidates(&self, event: &Event<'_>, source: Option<&SourceFacts<'_>>, mut found: impl FnMut(&[u32])) {
        if let Some(ip) = event.address().ip {
            let ip = ip.to_canonical();
            if !self.addresses.is_empty() {
                found(slice(self.addresses.get(&ip)));
            }
            found(self.ranges.holding(ip));
        }
        if let Some(source) = source.filter(|source| source.asn != 0 && !self.systems.is_empty()) {
            found(slice(self.systems.get(&source.asn)));
        }
        if !self.apps.is_empty() {
            for_each_app(event, |app| found(slice(self.apps.get(&app))));
        }
        if !self.agents.is_empty() {
            let agent = event.user_agent().trim();
            found(of(&self.agents, agent));
            let product = product_of(agent);
            if product.len() < agent.len() {
                found(of(&self.agents, product));
            }
        }
        if !self.domains.is_empty() {
            found(of(&self.domains, host_of(event)));
        }
    }
}

/// How few events carry a part, the rarest lowest.
fn rarity(observable: &Observable) -> u8 {
    match observable {
        Observable::Domain(_) => 0,
        Observable::App(_) => 1,
        Observable::Addresses(range) if range.is_single() => 2,
        Observable::UserAgent(_) => 3,
        Observable::Addresses(_) => 4,
        Observable::System(_) => 5,
    }
}

fn sorted(map: Map<String>) -> Vec<(String, Vec<u32>)> {
    let mut entries: Vec<_> = map.into_iter().collect();
    entries.sort_unstable();
    entries
}

/// The entry of a text, whose keys are in lower case.
fn of<'m>(entries: &'m [(String, Vec<u32>)], text: &str) -> &'m [u32] {
    if text.is_empty() {
        return &[];
    }
    let lower = || text.bytes().map(|byte| byte.to_ascii_lowercase());
    match entries.binary_search_by(|(key, _)| key.bytes().cmp(lower())) {
        Ok(at) => &entries[at].1,
        Err(_) => &[],
    }
}

fn slice(ids: Option<&Vec<u32>>) -> &[u32] {
    ids.map_or(&[], Vec::as_slice)
}

/// What precedes the version: a feed that gives only a product means all its versions.
fn product_of(agent: &str) -> &str {
    agent.split(['/', ' ']).next().unwrap_or(agent)
}

/// The record's own spelling of where it came from, when that is a host name.
fn host_of<'e>(event: &'e Event<'_>) -> &'e str {
    let address = event.address();
    if address.ip.is_some() { "" } else { address.raw.trim_end_matches('.') }
}

/// Every application and service principal that the event names as acting or as acted on.
fn for_each_app(event: &Event<'_>, mut see: impl FnMut(Uuid)) {
    let mut see = |id: &Id<'_>| {
        if let Id::Guid(guid) = id {
            see(*guid);
        }
    };
    match event {
        Event::SignIn(event) => {
            see(&event.app.0);
            see(&event.service_principal.0);
        }
        Event::ApiActivity(event) => {
            see(&event.app.0);
            see(&event.service_principal.0);
        }
        Event::DirectoryAudit(event) => {
            see(&event.app.0);
            if let Actor::App { service_principal, app, .. } = &event.initiated_by {
                see(&service_principal.0);
                see(&app.0);
            }
        }
    }
}

fn is_valid(indicator: &Indicator, event: &Event<'_>) -> bool {
    let time = event.time();
    indicator.valid_until.is_none_or(|end| time < end)
        && indicator.valid_from.is_none_or(|start| time >= start.plus(-RETRO_MATCH))
}

fn holds(observable: &Observable, event: &Event<'_>, source: Option<&SourceFacts<'_>>) -> bool {
    match observable {
        Observable::Addresses(range) => {
            event.address().ip.is_some_and(|ip| range.contains(ip.to_canonical()))
        }
        Observable::System(asn) => source.is_some_and(|source| source.asn == *asn),
        Observable::UserAgent(agent) => {
            let text = event.user_agent().trim();
            text.eq_ignore_ascii_case(agent) || product_of(text).eq_ignore_ascii_case(agent)
        }
        Observable::App(app) => {
            let mut found = false;
            for_each_app(event, |named| found |= named == *app);
            found
        }
        Observable::Domain(name) => host_of(event).eq_ignore_ascii_case(name),
    }
}

fn to_match(indicator: &Indicator) -> IndicatorMatch {
    IndicatorMatch {
        kind: indicator.condition[0].kind(),
        value: indicator.value.clone(),
        feed: indicator.feed.clone(),
        precision: indicator.precision,
        valid_from: indicator.valid_from,
        description: indicator.description.clone(),
    }
}
