//! Who changes the directory how: what one actor is used to do, who is used to change one identity, and what is usual
//! in the tenant.

use std::collections::{HashMap, HashSet};

use countersign_model::time::{HOUR, Timestamp};
use foldhash::fast::FixedState;

use crate::constants::{
    ACTOR_CHANGES, HALF_LIFE_DAYS, KIND_CHANGES, NEW_ACTOR_RATE, NEW_OPERATION_RATE, NEW_PLACE_RATE,
    NEWCOMER_CHANGES_MIN, NEWCOMER_RATE, SHAPE_NEW_RATE, TENANT_CHANGES, TIER_USUAL,
};
use crate::directory::operations::{OPERATIONS, Operation};
use crate::directory::permissions::Tier;
use crate::distinct::Distinct;

/// Minutes of a burst.
const WINDOW: i64 = HOUR / 6;

/// One operation that an actor is used to.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    operation: u8,
    is_used: bool,
    /// Decayed runs, in 1/64: an operation counts once an hour, so that bulk is one habit.
    weight: u16,
    /// Hour of the last counted run, since 1970.
    hour: u32,
}

impl Slot {
    fn is(self, operation: Operation) -> bool {
        self.is_used && self.operation == operation as u8
    }

    /// Its only run is that of the hour of `time`.
    fn began_in(self, time: Timestamp) -> bool {
        self.weight <= 64 && self.hour == time.hour() as u32
    }
}

/// What one actor, a person or an application, is used to do.
#[derive(Clone, Debug)]
pub(crate) struct ActorProfile {
    slots: [Slot; 24],
    day: i32,
    /// Networks that it acts from.
    places: [u32; 4],
    /// It has made a privileged change before.
    pub(crate) is_privileged: bool,
    /// Identities touched by privileged operations within the current ten minutes, and how many that ever were.
    window: Distinct,
    window_start: Timestamp,
    busiest: u16,
    windows: u16,
}

impl ActorProfile {
    pub(crate) fn new() -> Self {
        ActorProfile {
            slots: [Slot::default(); 24],
            day: 0,
            places: [0; 4],
            is_privileged: false,
            window: Distinct::default(),
            window_start: Timestamp::default(),
            busiest: 0,
            windows: 0,
        }
    }

    /// Probability that its next operation is this one: a share of what it does, or, of what it never did, its
    /// novelty rate (Good–Turing, shrunk to its kind's) times how common the operation is among its kind.
    pub(crate) fn probability(
        &self,
        operation: Operation,
        of_its_kind: f64,
        kind_novelty: f64,
        time: Timestamp,
    ) -> f64 {
        // The bulk of this hour does not explain itself.
        let before = || self.slots.iter().filter(|slot| slot.is_used && !slot.began_in(time));
        let runs: f64 = before().map(|slot| f64::from(slot.weight) / 64.0).sum();
        if runs < 0.5 {
            return of_its_kind;
        }
        let once = before().filter(|slot| slot.weight <= 64).count() as f64;
        let novelty = (ACTOR_CHANGES * kind_novelty + once) / (ACTOR_CHANGES + runs);
        match self.slots.iter().find(|slot| slot.is(operation) && !slot.began_in(time)) {
            Some(slot) => (1.0 - novelty.min(0.9)) * f64::from(slot.weight) / 64.0 / runs,
            // What an actor takes up is half as its kind's runs are, half any operation: runs are mostly upkeep.
            None => (novelty * f64::midpoint(of_its_kind, 1.0 / OPERATIONS.len() as f64)).max(1e-6),
        }
    }

    /// True when it did this operation before the hour of `time`: a bulk is new as a whole.
    pub(crate) fn has_done(&self, operation: Operation, time: Timestamp) -> bool {
        self.slots.iter().any(|slot| slot.is(operation) && !slot.began_in(time))
    }

    /// Notes an operation; true when it counts as a run.
    pub(crate) fn note(&mut self, operation: Operation, time: Timestamp) -> bool {
        self.forget(time);
        let hour = time.hour() as u32;
        if let Some(slot) =
            self.slots.iter_mut().find(|slot| slot.is_used && slot.operation == operation as u8)
        {
            if slot.hour == hour {
                return false;
            }
            slot.hour = hour;
            slot.weight = slot.weight.saturating_add(64);
            return true;
        }
        if let Some(slot) = self.slots.iter_mut().min_by_key(|slot| (slot.is_used, slot.weight, slot.hour)) {
            *slot = Slot { operation: operation as u8, is_used: true, weight: 64, hour };
        }
        true
    }

    fn forget(&mut self, time: Timestamp) {
        let day = time.day() as i32;
        let passed = f64::from((day - self.day).clamp(0, 10_000));
        if passed > 0.0 && self.day != 0 {
            let factor = (-std::f64::consts::LN_2 * passed / HALF_LIFE_DAYS).exp();
            for slot in &mut self.slots {
                slot.weight = ((f64::from(slot.weight) * factor) as u16).max(u16::from(slot.is_used));
            }
        }
        self.day = self.day.max(day);
    }

    /// Notes that a privileged operation touched an identity: how many it has touched within ten minutes, and the
    /// chance of so many. A record is broken once in as many windows as there were, whatever their distribution; by
    /// how much has a tail of power one. Of an actor with few windows the tenant's count.
    pub(crate) fn burst(&mut self, target: u64, time: Timestamp, windows: &mut Windows) -> (f64, f64) {
        if time.since(self.window_start) >= WINDOW {
            let count = self.window.count().round();
            if count > 0.0 {
                windows.note(count);
                self.busiest = self.busiest.max(count as u16);
                self.windows = self.windows.saturating_add(1);
            }
            self.window = Distinct::default();
            self.window_start = time;
        }
        self.window.insert(target);
        let count = self.window.count();
        let most = f64::from(self.busiest.max(1));
        let chance = if self.windows < WINDOWS_MIN {
            windows.at_least(count)
        } else if count.round() <= most {
            1.0
        } else {
            most / count / (f64::from(self.windows) + 1.0)
        };
        (count, chance)
    }

    /// Notes the network that it acts from: `Some(true)` when it had others and not this one, `None` when it had none.
    pub(crate) fn is_new_place(&mut self, network: u32) -> Option<bool> {
        let had_any = self.places[0] != 0;
        let is_new = network != 0 && !self.places.contains(&network);
        if is_new {
            self.places.rotate_right(1);
            self.places[0] = network;
        }
        had_any.then_some(is_new)
    }

    /// True when it has done something before.
    pub(crate) fn is_known(&self) -> bool {
        self.day != 0
    }
}

/// Windows from which on an actor has a record of its own.
const WINDOWS_MIN: u16 = 5;

/// Identities touched within ten minutes, over all windows of a tenant: counts by powers of two.
#[derive(Clone, Debug, Default)]
pub(crate) struct Windows {
    by_power: [f64; 16],
}

impl Windows {
    fn note(&mut self, count: f64) {
        self.by_power[(count.max(1.0).log2() as usize).min(15)] += 1.0;
    }

    /// Share of windows with `count` or more: as met, with 20 windows assumed of which each power of two halves.
    fn at_least(&self, count: f64) -> f64 {
        let power = (count.max(1.0).log2() as usize).min(15);
        let met: f64 = self.by_power[power..].iter().sum();
        let all: f64 = self.by_power.iter().sum();
        (met + 20.0 * 0.3_f64.powi(power as i32)) / (all + 20.0)
    }
}

/// Who is used to change one identity.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ChangedBy {
    actors: [u32; 4],
    pub(crate) changes: u16,
}

impl ChangedBy {
    /// Whether an actor changed it before; `None` when nobody did.
    pub(crate) fn knows(&self, actor: u32) -> Option<bool> {
        (self.changes > 0).then(|| self.actors.contains(&actor))
    }

    /// Notes a change.
    pub(crate) fn note(&mut self, actor: u32) {
        self.changes = self.changes.saturating_add(1);
        if !self.actors.contains(&actor) {
            self.actors.rotate_right(1);
            self.actors[0] = actor;
        }
    }
}

/// Kinds of actors that have habits in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ActorKind {
    Person,
    Application,
}

/// What is usual in the tenant.
#[derive(Debug)]
pub(crate) struct DirectoryHabits {
    operations: [[f64; OPERATIONS.len()]; 2],
    runs: [f64; 2],
    /// Changes of identities that were changed before, and those by somebody new to them.
    changes: f64,
    by_new_actor: f64,
    /// Changes whose place is known, and those from a new one.
    places: f64,
    new_places: f64,
    /// Networks that changes are made from.
    networks: HashSet<u32, FixedState>,
    /// Grants by tier.
    tiers: [f64; 4],
    /// Properties that change together, by operation.
    shapes: HashMap<(u8, u32), f64, FixedState>,
    shape_runs: HashMap<u8, f64, FixedState>,
    /// Runs of actors with a past, by kind, and those that were operations they never did.
    seasoned: [f64; 2],
    novelties: [f64; 2],
    pub(crate) windows: Windows,
    /// Privileged changes, and those by actors who never made one.
    privileged: f64,
    by_newcomer: f64,
    pub(crate) issuers: HashMap<String, u32, FixedState>,
}

impl Default for DirectoryHabits {
    fn default() -> Self {
        DirectoryHabits {
            operations: [[0.0; OPERATIONS.len()]; 2],
            runs: [0.0; 2],
            changes: 0.0,
            by_new_actor: 0.0,
            places: 0.0,
            new_places: 0.0,
            networks: HashSet::default(),
            tiers: [0.0; 4],
            shapes: HashMap::default(),
            shape_runs: HashMap::default(),
            seasoned: [0.0; 2],
            novelties: [0.0; 2],
            windows: Windows::default(),
            privileged: 0.0,
            by_newcomer: 0.0,
            issuers: HashMap::default(),
        }
    }
}

impl DirectoryHabits {
    /// Probability of an operation by a kind of actor: its kind within the tenant within what is assumed of all.
    pub(crate) fn probability(&self, operation: Operation, kind: ActorKind) -> f64 {
        let at = operation as usize;
        let assumed = operation.row().usual;
        let tenant_count = self.operations[0][at] + self.operations[1][at];
        let tenant =
            (tenant_count + TENANT_CHANGES * assumed) / (self.runs[0] + self.runs[1] + TENANT_CHANGES);
        let kind = kind as usize;
        (self.operations[kind][at] + KIND_CHANGES * tenant) / (self.runs[kind] + KIND_CHANGES)
    }

    /// Counts a run.
    pub(crate) fn note(&mut self, operation: Operation, kind: ActorKind) {
        self.operations[kind as usize][operation as usize] += 1.0;
        self.runs[kind as usize] += 1.0;
    }

    /// Chance that a run of an actor with a past is an operation it never did.
    pub(crate) fn novelty_rate(&self, kind: ActorKind) -> f64 {
        let kind = kind as usize;
        (self.novelties[kind] + KIND_CHANGES * NEW_OPERATION_RATE[kind])
            / (self.seasoned[kind] + KIND_CHANGES)
    }

    pub(crate) fn note_novelty(&mut self, kind: ActorKind, is_new: bool) {
        self.seasoned[kind as usize] += 1.0;
        self.novelties[kind as usize] += f64::from(u8::from(is_new));
    }

    /// Chance that a privileged change is made by who never made one; `None` while everybody is new.
    pub(crate) fn newcomer_rate(&self) -> Option<f64> {
        (self.privileged >= NEWCOMER_CHANGES_MIN)
            .then(|| (self.by_newcomer + 10.0 * NEWCOMER_RATE) / (self.privileged + 10.0))
    }

    pub(crate) fn note_privileged(&mut self, is_newcomer: bool) {
        self.privileged += 1.0;
        self.by_newcomer += f64::from(u8::from(is_newcomer));
    }

    /// Chance that an identity with a past is changed by somebody new to it.
    pub(crate) fn new_actor_rate(&self) -> f64 {
        (self.by_new_actor + 10.0 * NEW_ACTOR_RATE) / (self.changes + 10.0)
    }

    pub(crate) fn note_actor(&mut self, is_new: bool) {
        self.changes += 1.0;
        self.by_new_actor += f64::from(u8::from(is_new));
    }

    /// Chance that an actor with a place acts from a new one.
    pub(crate) fn new_place_rate(&self) -> f64 {
        (self.new_places + 10.0 * NEW_PLACE_RATE) / (self.places + 10.0)
    }

    /// True when changes are made from networks that are known, and this is none of them.
    pub(crate) fn is_strange_place(&self, network: u32) -> bool {
        self.places >= NEWCOMER_CHANGES_MIN && !self.networks.contains(&network)
    }

    pub(crate) fn note_network(&mut self, network: u32) {
        if self.networks.len() < SHAPES_KEPT {
            self.networks.insert(network);
        }
    }

    pub(crate) fn note_place(&mut self, is_new: bool) {
        self.places += 1.0;
        self.new_places += f64::from(u8::from(is_new));
    }

    /// Share of a tier among grants.
    pub(crate) fn tier_share(&self, tier: Tier) -> f64 {
        let total: f64 = self.tiers.iter().sum();
        (self.tiers[tier as usize] + 20.0 * TIER_USUAL[tier as usize]) / (total + 20.0)
    }

    pub(crate) fn note_tier(&mut self, tier: Tier) {
        self.tiers[tier as usize] += 1.0;
    }

    /// Chance of the properties that changed, given the operation.
    pub(crate) fn shape_share(&self, operation: Operation, shape: u32) -> f64 {
        let runs = self.shape_runs.get(&(operation as u8)).copied().unwrap_or(0.0);
        let met = self.shapes.get(&(operation as u8, shape)).copied().unwrap_or(0.0);
        (met + 5.0 * SHAPE_NEW_RATE) / (runs + 5.0)
    }

    pub(crate) fn note_shape(&mut self, operation: Operation, shape: u32) {
        if self.shapes.len() < SHAPES_KEPT || self.shapes.contains_key(&(operation as u8, shape)) {
            *self.shapes.entry((operation as u8, shape)).or_default() += 1.0;
        }
        *self.shape_runs.entry(operation as u8).or_default() += 1.0;
    }
}

/// Property sets kept: a tenant shows some hundreds.
const SHAPES_KEPT: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_actor_always_does_is_probable_and_bulk_is_one_habit() {
        let habits = DirectoryHabits::default();
        let novelty = habits.novelty_rate(ActorKind::Application);
        let add = Operation::AddServicePrincipalCredentials;
        let before = habits.probability(add, ActorKind::Application);
        let mut rotation = ActorProfile::new();
        let mut runs = 0;
        for day in 0..60 {
            for second in 0..50 {
                runs += u32::from(rotation.note(add, Timestamp(day * 24 * HOUR + second * 1_000_000 + HOUR)));
            }
        }
        assert_eq!(runs, 60, "fifty in an hour are one");
        let later = Timestamp(61 * 24 * HOUR);
        assert!(rotation.probability(add, before, novelty, later) > 0.8);
        let grant = Operation::AddAppRoleAssignment;
        assert!(
            rotation.probability(grant, habits.probability(grant, ActorKind::Application), novelty, later)
                < 0.001
        );
    }

    #[test]
    fn an_actor_on_an_identity_without_a_past_is_neither_new_nor_known() {
        let mut by = ChangedBy::default();
        assert_eq!(by.knows(7), None);
        by.note(7);
        assert_eq!((by.knows(7), by.knows(8)), (Some(true), Some(false)));
    }

    #[test]
    fn stays_small() {
        assert!(size_of::<ActorProfile>() <= 320, "{}", size_of::<ActorProfile>());
    }
}
