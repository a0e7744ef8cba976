//! The habits of one identity, packed: at most 1 KB, whatever it does.
//!
//! Values are kept as 32 bits: an IPv4 address, the number of an autonomous system and a country as
//! themselves, so that explanations can name them; everything else as a hash.

use countersign_model::event::CredentialKind;
use countersign_model::finding::LearningState;
use countersign_model::time::{DAY, HOUR, Timestamp};

use crate::constants::{
    COLD_DAYS, COLD_RUNS, DORMANT_DAYS, DORMANT_GAPS, Dimension, FORGETS_BY_CALENDAR_RUNS, HALF_LIFE_DAYS,
    LEARNING_DAYS_MAX, QUARANTINE_DAYS_SEEN, QUARANTINE_HOURS, RUN,
};
use crate::evidence::{Counts, Prior, novelty_rate, novelty_rate_upper};

/// One value that an identity has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Slot {
    pub(crate) value: u32,
    /// Decayed runs, in 1/64.
    weight: u16,
    /// Hour in which the last counted run began, since the baseline's epoch.
    run_hour: u16,
    first_hour: u16,
    /// Distinct days on which a run was counted, saturating.
    days: u8,
    flags: u8,
}

const USED: u8 = 1;
const PENDING: u8 = 2;
const SINGLETON: u8 = 4;
const CLASS_SHIFT: u8 = 4;
const WEIGHT_UNIT: f32 = 64.0;

impl Slot {
    fn is_used(self) -> bool {
        self.flags & USED != 0
    }

    fn is_pending(self) -> bool {
        self.flags & PENDING != 0
    }

    fn is_known(self) -> bool {
        self.flags & (USED | PENDING) == USED
    }

    pub(crate) fn runs(self) -> f32 {
        f32::from(self.weight) / WEIGHT_UNIT
    }

    fn class(self) -> usize {
        usize::from(self.flags >> CLASS_SHIFT)
    }
}

/// Tables of values. The first five are the dimensions' own; networks and countries help to tell how far a new
/// source is from the old ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Sources,
    Agents,
    Resources,
    Credentials,
    Networks,
    Countries,
}

impl Table {
    pub(crate) const ALL: [Table; 6] = [
        Table::Sources,
        Table::Agents,
        Table::Resources,
        Table::Credentials,
        Table::Networks,
        Table::Countries,
    ];

    fn dimension(self) -> Option<Dimension> {
        match self {
            Table::Sources => Some(Dimension::Source),
            Table::Agents => Some(Dimension::Agent),
            Table::Resources => Some(Dimension::Resource),
            Table::Credentials => Some(Dimension::Credential),
            Table::Networks | Table::Countries => None,
        }
    }
}

/// How a value stands with an identity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Standing {
    /// In the baseline, with its share of the runs.
    Known { slot: usize, share: f64 },
    /// Seen, but still in quarantine.
    Pending { slot: usize },
    /// Never seen, or forgotten.
    New,
}

/// What one identity does, learnt from its events.
#[derive(Clone, Debug)]
pub struct Baseline {
    sources: [Slot; 16],
    agents: [Slot; 8],
    resources: [Slot; 12],
    credentials: [Slot; 6],
    networks: [Slot; 8],
    countries: [Slot; 6],
    pub(crate) counts: [Counts; 5],
    /// Events from known sources, decayed, and the days they took: their quotient is the usual rate.
    events: f32,
    exposure_days: f32,
    /// Hours since 1970 of the first event.
    epoch_hour: u32,
    /// Last day on which counts were decayed, since the epoch.
    day: u16,
    /// Days since the active day before, and the most of all earlier such gaps.
    gap: u16,
    longest_gap: u16,
    active_days: u16,
    runs: u16,
    /// Hours of the week in which it was active.
    week: [u8; 21],
    /// Dimensions in which today's novelty was counted among the peers' already, a bit each.
    novel_today: u8,
    /// Kinds of credential it has used, a bit each.
    credential_kinds: u8,
    /// For each credential the sources it was used from, a bit each.
    key_sources: [u16; 6],
    /// Which group of peers it belongs to.
    pub(crate) archetype: u32,
    /// Hash of the token of its last API call.
    pub(crate) token: u32,
    pub(crate) has_incident: bool,
    pub(crate) is_managed_identity: bool,
    pub(crate) has_address: bool,
    pub(crate) is_tier_0: bool,
}

impl Baseline {
    pub(crate) fn new(time: Timestamp) -> Self {
        Self {
            sources: Default::default(),
            agents: Default::default(),
            resources: Default::default(),
            credentials: Default::default(),
            networks: Default::default(),
            countries: Default::default(),
            counts: Default::default(),
            events: 0.0,
            exposure_days: 0.0,
            epoch_hour: u32::try_from(time.hour()).unwrap_or(0),
            day: 0,
            gap: 0,
            longest_gap: 0,
            active_days: 1,
            runs: 0,
            week: [0; 21],
            novel_today: 0,
            credential_kinds: 0,
            key_sources: [0; 6],
            archetype: 0,
            token: 0,
            has_incident: false,
            is_managed_identity: false,
            has_address: false,
            is_tier_0: false,
        }
    }

    /// Counts time from the first sign-in: an identity may have been known by other things before.
    pub(crate) fn begin(&mut self, time: Timestamp) {
        self.epoch_hour = u32::try_from(time.hour()).unwrap_or(0);
    }

    fn table(&self, table: Table) -> &[Slot] {
        match table {
            Table::Sources => &self.sources,
            Table::Agents => &self.agents,
            Table::Resources => &self.resources,
            Table::Credentials => &self.credentials,
            Table::Networks => &self.networks,
            Table::Countries => &self.countries,
        }
    }

    fn table_mut(&mut self, table: Table) -> &mut [Slot] {
        match table {
            Table::Sources => &mut self.sources,
            Table::Agents => &mut self.agents,
            Table::Resources => &mut self.resources,
            Table::Credentials => &mut self.credentials,
            Table::Networks => &mut self.networks,
            Table::Countries => &mut self.countries,
        }
    }

    /// Hours since the epoch; an event before it counts as at it, one after 7 years as at their end.
    fn hour(&self, time: Timestamp) -> u16 {
        (time.hour() - i64::from(self.epoch_hour)).clamp(0, i64::from(u16::MAX)) as u16
    }

    /// How a value stands.
    pub(crate) fn standing(&self, table: Table, value: u32) -> Standing {
        let slots = self.table(table);
        let Some(slot) = self.slot(table, value) else { return Standing::New };
        if slots[slot].is_pending() {
            return Standing::Pending { slot };
        }
        Standing::Known { slot, share: self.share(table, slot).0 }
    }

    /// The share of a known value among the runs of its table, and how many values are known there.
    pub(crate) fn share(&self, table: Table, slot: usize) -> (f64, usize) {
        let slots = self.table(table);
        let known = slots.iter().filter(|slot| slot.is_known());
        let (sum, values) =
            known.fold((0_u32, 0_u32), |(sum, values), slot| (sum + u32::from(slot.weight), values + 1));
        let runs = f64::from(sum) / f64::from(WEIGHT_UNIT);
        ((f64::from(slots[slot].runs()) + 0.5) / (runs + f64::from(values) / 2.0), values as usize)
    }

    /// Where a value is that has left quarantine.
    pub(crate) fn known_slot(&self, table: Table, value: u32) -> Option<usize> {
        self.table(table).iter().position(|slot| slot.value == value && slot.is_known())
    }

    /// Where a value is, known or in quarantine.
    pub(crate) fn slot(&self, table: Table, value: u32) -> Option<usize> {
        self.table(table).iter().position(|slot| slot.value == value && slot.is_used())
    }

    /// True when a value is in the baseline; cheaper than [`Baseline::standing`].
    pub(crate) fn knows(&self, table: Table, value: u32) -> bool {
        self.known_slot(table, value).is_some()
    }

    /// True when nothing was seen yet: the first value cannot be a surprise.
    pub(crate) fn is_empty(&self, table: Table) -> bool {
        !self.table(table).iter().any(|slot| slot.is_used())
    }

    /// Known values, commonest first.
    pub(crate) fn known_values(&self, table: Table) -> Vec<u32> {
        let mut slots: Vec<Slot> = self.table(table).iter().copied().filter(|slot| slot.is_known()).collect();
        slots.sort_by_key(|slot| (std::cmp::Reverse(slot.weight), slot.value));
        slots.iter().map(|slot| slot.value).collect()
    }

    /// Number of known values.
    pub(crate) fn known_count(&self, table: Table) -> usize {
        self.table(table).iter().filter(|slot| slot.is_known()).count()
    }

    /// Notes a value that is there: counts a run once per [`RUN`]. True when a run was counted.
    pub(crate) fn see(&mut self, table: Table, slot: usize, time: Timestamp) -> bool {
        let hour = self.hour(time);
        let seen = &mut self.table_mut(table)[slot];
        if i64::from(hour.saturating_sub(seen.run_hour)) * HOUR < RUN {
            return false;
        }
        let is_new_day = (u32::from(hour) / 24) != (u32::from(seen.run_hour) / 24);
        seen.run_hour = hour;
        seen.weight = seen.weight.saturating_add(WEIGHT_UNIT as u16);
        seen.days = seen.days.saturating_add(u8::from(is_new_day));
        let was_singleton = seen.flags & SINGLETON != 0;
        let is_pending = seen.is_pending();
        seen.flags &= !SINGLETON;
        if let (Some(dimension), false) = (table.dimension(), is_pending) {
            let counts = &mut self.counts[dimension.index()];
            counts.runs += 1.0;
            if was_singleton {
                counts.singletons = (counts.singletons - 1.0).max(0.0);
            }
        }
        true
    }

    /// Takes in a new value: into the baseline at once, or into quarantine.
    pub(crate) fn add(
        &mut self,
        table: Table,
        value: u32,
        class: usize,
        adopt: bool,
        time: Timestamp,
    ) -> usize {
        let hour = self.hour(time);
        let slots = self.table_mut(table);
        let slot = slots
            .iter()
            .position(|slot| !slot.is_used())
            .or_else(|| (0..slots.len()).min_by_key(|slot| (slots[*slot].weight, slots[*slot].run_hour)))
            .unwrap_or(0);
        let pending = if adopt { 0 } else { PENDING };
        slots[slot] = Slot {
            value,
            weight: WEIGHT_UNIT as u16,
            run_hour: hour,
            first_hour: hour,
            days: 1,
            flags: USED | pending | SINGLETON | ((class as u8) << CLASS_SHIFT),
        };
        match table {
            Table::Sources => self.key_sources.iter_mut().for_each(|sources| *sources &= !(1 << slot)),
            Table::Credentials => self.key_sources[slot] = 0,
            _ => {}
        }
        if let (Some(dimension), true) = (table.dimension(), adopt) {
            self.count_novelty(dimension, class);
        }
        slot
    }

    fn count_novelty(&mut self, dimension: Dimension, class: usize) {
        let counts = &mut self.counts[dimension.index()];
        counts.runs += 1.0;
        counts.singletons += 1.0;
        counts.classes[class] += 1.0;
    }

    /// Moves a value out of quarantine. Its runs in quarantine count from now on.
    pub(crate) fn adopt(&mut self, table: Table, slot: usize) {
        let adopted = &mut self.table_mut(table)[slot];
        if !adopted.is_pending() {
            return;
        }
        adopted.flags &= !PENDING;
        let (class, runs, is_singleton) = (adopted.class(), adopted.runs(), adopted.flags & SINGLETON != 0);
        if let Some(dimension) = table.dimension() {
            let counts = &mut self.counts[dimension.index()];
            counts.runs += runs;
            counts.classes[class] += 1.0;
            counts.singletons += f32::from(u8::from(is_singleton));
        }
    }

    /// Ends quarantine where it is over: a value that kept coming on several days is adopted; one that did not
    /// come again counts as one harmless novelty and is forgotten, so that the novelty rate stays true without
    /// letting the value in. `held` are values under an open incident: those stay.
    pub(crate) fn settle(&mut self, time: Timestamp, held: &[(Table, u32)], adopted: &mut Vec<(Table, u32)>) {
        let hour = self.hour(time);
        for table in Table::ALL {
            for slot in 0..self.table(table).len() {
                let pending = self.table(table)[slot];
                let is_over =
                    pending.is_pending() && hour.saturating_sub(pending.first_hour) >= QUARANTINE_HOURS;
                if !is_over || held.contains(&(table, pending.value)) {
                    continue;
                }
                if pending.days >= QUARANTINE_DAYS_SEEN {
                    self.adopt(table, slot);
                    adopted.push((table, pending.value));
                } else {
                    if let Some(dimension) = table.dimension() {
                        self.count_novelty(dimension, pending.class());
                    }
                    self.table_mut(table)[slot] = Slot::default();
                }
            }
        }
    }

    /// Forgets to the day of `time`; answers whether a new day began.
    pub(crate) fn advance(&mut self, time: Timestamp) -> bool {
        let day = self.hour(time) / 24;
        let passed = day.saturating_sub(self.day);
        if passed == 0 {
            return false;
        }
        self.day = day;
        self.longest_gap = self.longest_gap.max(self.gap);
        self.gap = passed;
        self.novel_today = 0;
        self.active_days = self.active_days.saturating_add(1);
        let most_runs = self.counts.iter().map(|counts| counts.runs).fold(0.0, f32::max);
        let days = if most_runs < FORGETS_BY_CALENDAR_RUNS { 1.0 } else { f32::from(passed) };
        let factor = (-std::f32::consts::LN_2 * days / HALF_LIFE_DAYS as f32).exp();
        for table in Table::ALL {
            for slot in self.table_mut(table) {
                slot.weight = ((f32::from(slot.weight) * factor) as u16).max(u16::from(slot.is_used()));
            }
        }
        for counts in &mut self.counts {
            counts.runs *= factor;
            counts.singletons *= factor;
            counts.classes.iter_mut().for_each(|class| *class *= factor);
        }
        self.events *= factor;
        self.exposure_days = self.exposure_days * factor + f32::from(passed);
        true
    }

    /// Days of silence before today, if that is longer than anything it did before: an identity that had fallen
    /// asleep.
    pub(crate) fn dormant_days(&self) -> Option<i64> {
        let is_long = i64::from(self.gap) >= DORMANT_DAYS
            && f64::from(self.gap) > DORMANT_GAPS * f64::from(self.longest_gap);
        is_long.then_some(i64::from(self.gap))
    }

    /// Counts an event from a known source, for the usual rate.
    pub(crate) fn count_event(&mut self) {
        self.events += 1.0;
    }

    /// Usual events an hour from known sources; 0 before the first day is over.
    pub(crate) fn events_per_hour(&self) -> f64 {
        if self.exposure_days < 1.0 {
            0.0
        } else {
            f64::from(self.events) / (f64::from(self.exposure_days) * 24.0)
        }
    }

    /// True when it was active in this hour of the week before, or in a neighbouring one: clocks change and
    /// schedules drift by an hour.
    pub(crate) fn is_usual_hour(&self, time: Timestamp) -> bool {
        let slot = usize::from(time.hour_of_week());
        [slot, (slot + 1) % 168, (slot + 167) % 168]
            .into_iter()
            .any(|slot| self.week[slot / 8] >> (slot % 8) & 1 == 1)
    }

    /// Notes the hour of the week.
    pub(crate) fn see_hour(&mut self, time: Timestamp, is_new: bool) {
        let slot = usize::from(time.hour_of_week());
        self.week[slot / 8] |= 1 << (slot % 8);
        let counts = &mut self.counts[Dimension::Time.index()];
        counts.runs += 1.0;
        if is_new {
            counts.singletons += 1.0;
            counts.classes[0] += 1.0;
        }
    }

    /// True for the first novelty of the day in a dimension: peers learn from one a day.
    pub(crate) fn is_first_novelty_today(&mut self, dimension: Dimension) -> bool {
        let bit = 1 << dimension.index();
        let is_first = self.novel_today & bit == 0;
        self.novel_today |= bit;
        is_first
    }

    /// Counts one run of the identity as a whole.
    pub(crate) fn count_run(&mut self) {
        self.runs = self.runs.saturating_add(1);
    }

    /// Runs since the beginning.
    pub(crate) fn runs(&self) -> u16 {
        self.runs
    }

    /// Days since the first event.
    pub(crate) fn days(&self, time: Timestamp) -> i64 {
        i64::from(self.hour(time)) / 24
    }

    /// When it was seen first.
    pub(crate) fn since(&self) -> Timestamp {
        Timestamp(i64::from(self.epoch_hour) * HOUR)
    }

    /// How far learning has got.
    pub(crate) fn learning(&self, time: Timestamp, prior: &Prior) -> LearningState {
        if self.runs < COLD_RUNS || self.active_days < COLD_DAYS {
            return LearningState::Cold;
        }
        let counts = &self.counts[Dimension::Source.index()];
        let source = Dimension::Source;
        let is_certain = novelty_rate_upper(source, counts, prior)
            <= (1.5 * novelty_rate(source, counts, prior)).max(0.05);
        if is_certain || time.since(self.since()) >= LEARNING_DAYS_MAX * DAY {
            LearningState::Learnt
        } else {
            LearningState::Learning
        }
    }

    /// True when it has used this kind of credential.
    pub(crate) fn has_used(&self, kind: CredentialKind) -> bool {
        self.credential_kinds >> (kind as u8) & 1 == 1
    }

    /// Notes a kind of credential.
    pub(crate) fn use_kind(&mut self, kind: CredentialKind) {
        self.credential_kinds |= 1 << (kind as u8);
    }

    /// Notes that a credential was used from a source.
    pub(crate) fn use_key_from(&mut self, credential: usize, source: usize) {
        self.key_sources[credential] |= 1 << source;
    }

    /// Number of known sources that a credential was used from.
    pub(crate) fn sources_of_key(&self, credential: usize) -> u32 {
        let known = |source: usize| self.sources[source].is_known();
        (0..self.sources.len())
            .filter(|source| self.key_sources[credential] >> source & 1 == 1 && known(*source))
            .count() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_0: Timestamp = Timestamp(20_000 * DAY);

    fn at(hours: i64) -> Timestamp {
        DAY_0.plus(hours * HOUR)
    }

    #[test]
    fn a_baseline_takes_at_most_one_kilobyte() {
        let bytes = std::mem::size_of::<Baseline>();
        assert!(bytes <= 1024, "{bytes} bytes");
    }

    #[test]
    fn events_within_six_hours_are_one_run() {
        let mut baseline = Baseline::new(DAY_0);
        let slot = baseline.add(Table::Sources, 7, 0, true, at(0));
        assert!(!baseline.see(Table::Sources, slot, at(5)));
        assert!(baseline.see(Table::Sources, slot, at(6)));
        assert!(!baseline.see(Table::Sources, slot, at(11)));
        assert!((baseline.counts[0].runs - 2.0).abs() < 1e-6);
        assert!(baseline.counts[0].singletons.abs() < 1e-6, "seen in two runs, so no singleton");
    }

    #[test]
    fn a_new_value_leaves_quarantine_after_three_days_seen_over_five() {
        let mut baseline = Baseline::new(DAY_0);
        let slot = baseline.add(Table::Sources, 7, 4, false, at(0));
        for hours in [24, 48] {
            baseline.see(Table::Sources, slot, at(hours));
        }
        let mut adopted = Vec::new();
        baseline.settle(at(4 * 24), &[], &mut adopted);
        assert!(matches!(baseline.standing(Table::Sources, 7), Standing::Pending { .. }));
        baseline.settle(at(5 * 24), &[(Table::Sources, 7)], &mut adopted);
        assert!(
            matches!(baseline.standing(Table::Sources, 7), Standing::Pending { .. }),
            "an open incident holds it"
        );
        baseline.settle(at(5 * 24), &[], &mut adopted);
        assert_eq!(adopted, [(Table::Sources, 7)]);
        assert!(baseline.knows(Table::Sources, 7));
    }

    #[test]
    fn a_value_that_did_not_come_again_is_a_novelty_and_is_forgotten() {
        let mut baseline = Baseline::new(DAY_0);
        baseline.add(Table::Sources, 7, 3, false, at(0));
        baseline.settle(at(5 * 24), &[], &mut Vec::new());
        assert_eq!(baseline.standing(Table::Sources, 7), Standing::New);
        assert!((baseline.counts[0].singletons - 1.0).abs() < 1e-6);
        assert!((baseline.counts[0].classes[3] - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_monthly_job_does_not_forget() {
        let mut baseline = Baseline::new(DAY_0);
        let slot = baseline.add(Table::Sources, 7, 0, true, at(0));
        for month in 1..6 {
            baseline.advance(at(month * 30 * 24));
            baseline.see(Table::Sources, slot, at(month * 30 * 24));
        }
        // Six runs, each active day forgetting 1.5 %: by the calendar less than two would be left.
        assert!(baseline.counts[0].runs > 5.5, "{}", baseline.counts[0].runs);
    }

    #[test]
    fn a_schedule_may_shift_by_an_hour() {
        let mut baseline = Baseline::new(DAY_0);
        baseline.see_hour(at(10), true);
        assert!(baseline.is_usual_hour(at(7 * 24 + 9)) && baseline.is_usual_hour(at(7 * 24 + 11)));
        assert!(!baseline.is_usual_hour(at(7 * 24 + 12)));
    }

    #[test]
    fn the_least_used_value_gives_way() {
        let mut baseline = Baseline::new(DAY_0);
        for value in 1..=6 {
            let slot = baseline.add(Table::Credentials, value, 0, true, at(i64::from(value)));
            if value != 3 {
                baseline.see(Table::Credentials, slot, at(20));
            }
        }
        baseline.add(Table::Credentials, 7, 0, true, at(30));
        assert_eq!(baseline.standing(Table::Credentials, 3), Standing::New);
        assert!(baseline.knows(Table::Credentials, 1) && baseline.knows(Table::Credentials, 7));
    }
}
