//! Taking events into the baselines, and new values out of quarantine.

use countersign_model::finding::LearningState;
use countersign_model::time::Timestamp;

use super::Tenant;
use crate::baseline::{Standing, Table};
use crate::budget::Policy;
use crate::constants::{DIMENSIONS, Dimension};
use crate::suspicious_signins::{Score, Values};

impl Tenant {
    /// Ends quarantines of an identity.
    pub(super) fn settle(&mut self, at: usize, time: Timestamp) {
        let principal = &mut *self.principals[at];
        let held: Vec<(Table, u32)> = principal
            .incidents
            .iter()
            .flat_map(|incident| self.incidents[*incident as usize].held())
            .collect();
        let mut adopted = Vec::new();
        principal.baseline.settle(time, &held, &mut adopted);
        for (table, value) in adopted {
            match table {
                // An IPv6 source is kept as a hash, which tells nothing of its range.
                Table::Sources => self.peers.adopt_range(value >> 8),
                _ => self.peers.adopt(principal.baseline.archetype, table, value),
            }
        }
    }

    /// Takes an event into the baseline whose values are all there already, at these slots.
    pub(super) fn learn_usual(
        &mut self,
        at: usize,
        values: &Values,
        slots: [Option<usize>; 4],
        time: Timestamp,
    ) {
        let principal = &mut *self.principals[at];
        let baseline = &mut principal.baseline;
        let mut counted = [false; DIMENSIONS.len()];
        for (slot, (table, dimension, _)) in slots.into_iter().zip(values.tables()) {
            if let Some(slot) = slot {
                counted[dimension.index()] = baseline.see(table, slot, time);
            }
        }
        if let (Some(source), Some(credential)) = (slots[0], slots[3]) {
            baseline.use_key_from(credential, source);
        }
        baseline.use_kind(values.kind);
        let is_new_hour = !baseline.is_usual_hour(time);
        if !counted.contains(&true) {
            if is_new_hour {
                baseline.see_hour(time, true);
            }
            return;
        }
        baseline.count_run();
        baseline.see_hour(time, is_new_hour);
        let is_novel_hour = is_new_hour && baseline.is_first_novelty_today(Dimension::Time);
        let group = (baseline.archetype, principal.template);
        self.peers.count_usual(group, counted, is_novel_hour);
        self.learn_place(at, values, time);
    }

    /// Network and country follow the source into the baseline, never ahead of it.
    pub(super) fn learn_place(&mut self, at: usize, values: &Values, time: Timestamp) {
        let baseline = &mut self.principals[at].baseline;
        if !values.source.is_some_and(|source| baseline.knows(Table::Sources, source)) {
            return;
        }
        for (table, value) in [(Table::Networks, values.network), (Table::Countries, values.country)] {
            if value == 0 {
                continue;
            }
            if let Some(slot) = baseline.slot(table, value) {
                baseline.see(table, slot, time);
            } else {
                baseline.add(table, value, 0, true, time);
                self.peers.adopt(baseline.archetype, table, value);
            }
        }
    }

    /// Takes the event into the baseline.
    pub(super) fn learn(
        &mut self,
        at: usize,
        values: &Values,
        score: &Score,
        policy: Policy,
        time: Timestamp,
    ) {
        let principal = &mut *self.principals[at];
        let template = principal.template;
        let baseline = &mut principal.baseline;
        let archetype = baseline.archetype;
        let group = (archetype, template);
        let steadiness = 1.0 - score.novelty_rate;
        let peers = &mut self.peers;
        let is_first = baseline.runs() == 0;
        let is_quiet = score.total() < policy.budget.thresholds()[0];
        let is_cold = {
            let priors = peers.priors(archetype, template);
            baseline.learning(time, &priors[0]) == LearningState::Cold
        };
        let mut counted = false;
        let mut slots = [None; 4];
        for (place, (table, dimension, value)) in values.tables().into_iter().enumerate() {
            let Some(value) = value else { continue };
            match baseline.standing(table, value) {
                Standing::Known { slot, .. } => {
                    slots[place] = Some(slot);
                    if baseline.see(table, slot, time) {
                        counted = true;
                        peers.count(group, dimension, None, 1.0);
                    }
                }
                Standing::Pending { slot } => {
                    slots[place] = Some(slot);
                    counted |= baseline.see(table, slot, time);
                }
                Standing::New => {
                    counted = true;
                    let term = score.terms[dimension.index()];
                    let class = term.and_then(|term| term.novel).unwrap_or(0);
                    // Near or announced values are let in at once, and all while nothing is known yet.
                    let is_near =
                        class <= 1 && table != Table::Credentials || term.is_some_and(|term| term.announced);
                    let adopt = is_first || baseline.is_empty(table) || (is_cold && is_quiet) || is_near;
                    slots[place] = Some(baseline.add(table, value, class, adopt, time));
                    match (adopt, table) {
                        (true, Table::Sources) => peers.adopt_range(values.range),
                        (true, _) => peers.adopt(archetype, table, value),
                        (false, _) => {}
                    }
                    if !is_first {
                        let novelty =
                            (is_quiet && baseline.is_first_novelty_today(dimension)).then_some(class);
                        let weight = if dimension == Dimension::Source { steadiness } else { 1.0 };
                        peers.count(group, dimension, novelty, weight);
                    }
                }
            }
        }
        if let (Some(source), Some(credential)) = (slots[0], slots[3]) {
            baseline.use_key_from(credential, source);
        }
        baseline.use_kind(values.kind);
        self.learn_place(at, values, time);
        let (peers, baseline) = (&mut self.peers, &mut self.principals[at].baseline);
        if counted {
            baseline.count_run();
            let is_new_hour = !baseline.is_usual_hour(time);
            baseline.see_hour(time, is_new_hour && !is_first);
            if is_first {
                return;
            }
            let novelty = is_new_hour && baseline.is_first_novelty_today(Dimension::Time);
            peers.count(group, Dimension::Time, novelty.then_some(0), 1.0);
        } else if !baseline.is_usual_hour(time) {
            baseline.see_hour(time, true);
        }
    }
}
