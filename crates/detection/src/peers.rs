//! What the other identities of a tenant do: novelty rates and classes by group, and who else knows a value.
//!
//! Priors change once a day, so that scoring within a day does not depend on the order of identities, and a
//! noisy identity counts for one novelty a day at most.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::baseline::Table;
use crate::constants::{CLASSES, DIMENSIONS, Dimension, HALF_LIFE_DAYS, PARENT_RUNS, PEER_CLASSES};
use crate::evidence::{Prior, global_prior};

type Map<K, V> = HashMap<K, V, FixedState>;

/// Counts of one group in one dimension.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    runs: f64,
    novelties: f64,
    classes: [f64; CLASSES],
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.runs += other.runs;
        self.novelties += other.novelties;
        for (class, more) in self.classes.iter_mut().zip(other.classes) {
            *class += more;
        }
    }

    fn scale(&mut self, factor: f64) {
        self.runs *= factor;
        self.novelties *= factor;
        self.classes.iter_mut().for_each(|class| *class *= factor);
    }

    /// Shrinks this group's rates to its parent's.
    fn prior(&self, parent: &Prior) -> Prior {
        let seen: f64 = self.classes.iter().sum();
        let mut classes = parent.classes;
        for (class, count) in classes.iter_mut().zip(self.classes) {
            *class = (count + PEER_CLASSES * *class) / (seen + PEER_CLASSES);
        }
        Prior {
            novelty: (self.novelties + PARENT_RUNS * parent.novelty) / (self.runs + PARENT_RUNS),
            classes,
        }
    }
}

type Group = [Tally; DIMENSIONS.len()];

/// The peers of one tenant.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    tenant: Group,
    archetypes: Map<u32, Group>,
    templates: Map<u32, Group>,
    /// Identities in the tenant, in each archetype and under each template.
    members: u32,
    archetype_members: Map<u32, u32>,
    template_members: Map<u32, u32>,
    /// What the day has brought so far, by (archetype, template).
    today: Map<(u32, u32), Group>,
    day: i64,
    /// Identities that have a value in their baseline: in the tenant, and in one archetype.
    adopters: Map<(u8, u32), u32>,
    /// Identities that have a source of a range in their baseline.
    range_adopters: Map<u32, u32>,
    archetype_adopters: Map<(u32, u8, u32), u32>,
    /// Priors by (archetype, template), made when first asked for on a day.
    priors: Map<(u32, u32), [Prior; DIMENSIONS.len()]>,
}

/// How widely a value is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Spread {
    Unseen,
    Tenant,
    Peers,
}

/// Members from which on a group says something of one of them that is not its own habit counted twice.
const MEMBERS_MIN: u32 = 3;

/// Identities that must know a value before peers count as knowing it.
const ADOPTERS_MIN: u32 = 2;

impl Peers {
    /// Begins a day: yesterday's counts become part of the priors.
    pub(crate) fn advance(&mut self, day: i64) {
        let passed = day - self.day;
        if passed <= 0 {
            return;
        }
        let factor = if self.day == 0 {
            1.0
        } else {
            (-std::f64::consts::LN_2 * passed as f64 / HALF_LIFE_DAYS).exp()
        };
        self.day = day;
        let groups = self.archetypes.values_mut().chain(self.templates.values_mut());
        for tally in groups.chain(std::iter::once(&mut self.tenant)).flatten() {
            tally.scale(factor);
        }
        // Sums of fractions depend on their order, and a map's order is its own.
        let mut today: Vec<((u32, u32), Group)> = self.today.drain().collect();
        today.sort_unstable_by_key(|(key, _)| *key);
        for ((archetype, template), group) in today {
            let tenant = &mut self.tenant;
            let archetype = self.archetypes.entry(archetype).or_default();
            let template = self.templates.entry(template).or_default();
            for (index, tally) in group.iter().enumerate() {
                tenant[index].add(tally);
                archetype[index].add(tally);
                template[index].add(tally);
            }
        }
        self.priors.clear();
    }

    /// Takes in a new identity.
    pub(crate) fn join(&mut self, archetype: u32, template: u32) {
        self.members += 1;
        *self.archetype_members.entry(archetype).or_default() += 1;
        *self.template_members.entry(template).or_default() += 1;
    }

    /// Counts a run of an identity, `novelty` with its class when it was the first of its kind that day. `weight` is
    /// what the class says of the others: an identity that is always new has classes of its own.
    pub(crate) fn count(
        &mut self,
        (archetype, template): (u32, u32),
        dimension: Dimension,
        novelty: Option<usize>,
        weight: f64,
    ) {
        let tally = &mut self.today.entry((archetype, template)).or_default()[dimension.index()];
        tally.runs += 1.0;
        if let Some(class) = novelty {
            tally.novelties += 1.0;
            tally.classes[class] += weight;
        }
    }

    /// Counts a run without novelty in the dimensions of `counted`, and one in time.
    pub(crate) fn count_usual(
        &mut self,
        (archetype, template): (u32, u32),
        counted: [bool; DIMENSIONS.len()],
        is_novel_hour: bool,
    ) {
        let group = self.today.entry((archetype, template)).or_default();
        for (tally, counted) in group.iter_mut().zip(counted) {
            tally.runs += f64::from(u8::from(counted));
        }
        let time = &mut group[Dimension::Time.index()];
        time.runs += 1.0;
        if is_novel_hour {
            time.novelties += 1.0;
            time.classes[0] += 1.0;
        }
    }

    /// The priors of an identity: template within archetype within tenant within what is assumed of all.
    pub(crate) fn priors(&mut self, archetype: u32, template: u32) -> [Prior; DIMENSIONS.len()] {
        if let Some(priors) = self.priors.get(&(archetype, template)) {
            return *priors;
        }
        let is_group = |members: Option<&u32>| members.copied().unwrap_or(0) >= MEMBERS_MIN;
        let groups = [
            Some(&self.tenant).filter(|_| self.members >= MEMBERS_MIN),
            self.archetypes.get(&archetype).filter(|_| is_group(self.archetype_members.get(&archetype))),
            self.templates.get(&template).filter(|_| is_group(self.template_members.get(&template))),
        ];
        let priors = DIMENSIONS.map(|dimension| {
            let widest = global_prior(dimension);
            groups.iter().flatten().fold(widest, |parent, group| group[dimension.index()].prior(&parent))
        });
        self.priors.insert((archetype, template), priors);
        priors
    }

    /// Notes that an identity has taken a value into its baseline.
    pub(crate) fn adopt(&mut self, archetype: u32, table: Table, value: u32) {
        *self.adopters.entry((table as u8, value)).or_default() += 1;
        *self.archetype_adopters.entry((archetype, table as u8, value)).or_default() += 1;
    }

    /// Notes that an identity has taken a source of a range into its baseline.
    pub(crate) fn adopt_range(&mut self, range: u32) {
        *self.range_adopters.entry(range).or_default() += 1;
    }

    /// True when several identities work from a range.
    pub(crate) fn use_range(&self, range: u32) -> bool {
        self.range_adopters.get(&range).copied().unwrap_or(0) >= ADOPTERS_MIN
    }

    /// How widely a value is known; the asking identity itself does not know it.
    pub(crate) fn spread(&self, archetype: u32, table: Table, value: u32) -> Spread {
        let of = |count: Option<&u32>| count.copied().unwrap_or(0) >= ADOPTERS_MIN;
        if of(self.archetype_adopters.get(&(archetype, table as u8, value))) {
            Spread::Peers
        } else if of(self.adopters.get(&(table as u8, value))) {
            Spread::Tenant
        } else {
            Spread::Unseen
        }
    }

    /// True when several identities of the tenant know a value.
    pub(crate) fn is_common(&self, table: Table, value: u32) -> bool {
        self.adopters(table, value) >= ADOPTERS_MIN
    }

    /// Identities of the tenant that know a value.
    pub(crate) fn adopters(&self, table: Table, value: u32) -> u32 {
        self.adopters.get(&(table as u8, value)).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priors_change_with_the_day_and_not_within_it() {
        let mut peers = Peers::default();
        peers.advance(100);
        for (archetype, template) in [(1, 1), (1, 2), (1, 3), (2, 4)] {
            peers.join(archetype, template);
        }
        let before = peers.priors(1, 1)[0].novelty;
        for _ in 0..100 {
            peers.count((1, 1), Dimension::Source, Some(0), 1.0);
        }
        assert!((peers.priors(1, 1)[0].novelty - before).abs() < 1e-12);
        peers.advance(101);
        assert!(peers.priors(1, 1)[0].novelty > 0.9);
        assert!(peers.priors(2, 4)[0].novelty > before, "the rest of the tenant learns from it too");
    }

    #[test]
    fn a_value_is_known_to_peers_from_the_second_one_on() {
        let mut peers = Peers::default();
        peers.adopt(1, Table::Networks, 8068);
        assert_eq!(peers.spread(1, Table::Networks, 8068), Spread::Unseen);
        peers.adopt(2, Table::Networks, 8068);
        assert_eq!(peers.spread(1, Table::Networks, 8068), Spread::Tenant);
        peers.adopt(1, Table::Networks, 8068);
        assert_eq!(peers.spread(1, Table::Networks, 8068), Spread::Peers);
    }
}
