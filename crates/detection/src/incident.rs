//! An incident: the events of one identity that rest on the same surprise, and how the evidence grew with them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use countersign_model::event::CredentialKind;
use countersign_model::finding::{EVENT_IDS_MAX, Evidence, LearningState};
use countersign_model::risk::{RiskEventType, RiskLevel};
use countersign_model::source::{Anonymiser, Country, HostingClass, IndicatorMatch, Providers, SourceFacts};
use countersign_model::time::{HOUR, Timestamp};

use crate::assessment::Assessment;
use crate::baseline::Table;
use crate::budget::Circumstances;
use crate::constants::{
    CO_MOVEMENT_LN, Dimension, FAILURES_BEFORE_MIN, FAR_CLASS, INCIDENT_QUIET, MOVABLE_NOVELTY_MAX,
    MOVED_EXPECTED_MIN, MOVED_LN_MAX, NEAR_SOURCE_NOVELTIES_MIN, PARALLEL_EVENTS_MIN, PARALLEL_EVENTS_SURE,
    PARALLEL_LN, PARALLEL_RATE_MIN,
};
use crate::suspicious_signins::Score;

/// Facts about a source, kept beyond the tables they came from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) ip: IpAddr,
    pub(crate) asn: u32,
    pub(crate) as_name: String,
    pub(crate) country: Option<Country>,
    pub(crate) hosting: HostingClass,
    pub(crate) anonymiser: Anonymiser,
    pub(crate) providers: Providers,
}

impl From<&SourceFacts<'_>> for Source {
    fn from(facts: &SourceFacts<'_>) -> Self {
        Source {
            ip: facts.ip,
            asn: facts.asn,
            as_name: facts.as_name.to_owned(),
            country: facts.country,
            hosting: facts.hosting,
            anonymiser: facts.anonymiser,
            providers: facts.providers,
        }
    }
}

/// Whether a new source takes the place of the old ones or is used beside them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Movement {
    /// The question does not arise: the source is near, or the identity has no place.
    NotAsked,
    /// Too early to tell.
    Undecided,
    /// The old sources go on: two holders of one credential.
    Parallel,
    /// The old sources fell silent while the new one went on; with so many events expected of them.
    Moved { expected: f64 },
}

/// What the baseline looked like when the incident began, for the words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Habits {
    pub(crate) days: i64,
    pub(crate) runs: u16,
    pub(crate) sources: usize,
    /// Names of the networks, commonest first.
    pub(crate) networks: Vec<String>,
    pub(crate) countries: Vec<u32>,
    pub(crate) novelty_rate: f64,
    pub(crate) peers_rate: f64,
    pub(crate) peers: u32,
    pub(crate) peers_using_network: u32,
    pub(crate) events_per_hour: f64,
    pub(crate) key_sources: u32,
}

/// The event with the strongest evidence so far, in words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strongest {
    pub(crate) terms: Vec<Evidence>,
    pub(crate) ln: f64,
    pub(crate) novel: [Option<usize>; 5],
    pub(crate) announced: [bool; 5],
    pub(crate) agent: String,
    pub(crate) resource: String,
    pub(crate) key: String,
    pub(crate) kind: CredentialKind,
    /// What the audit log says of the credential.
    pub(crate) credential_change: Option<String>,
    /// Identities of the tenant that use the agent.
    pub(crate) agent_adopters: u32,
    /// Days without an event before it, when that is long for the identity.
    pub(crate) dormant_days: Option<i64>,
}

/// What an incident rests on.
#[derive(Clone, Debug)]
pub(crate) enum Case {
    /// A sign-in that does not look like the workload's own: what its sources do later decides, too.
    SignIn(Box<SignInCase>),
    /// Anything else: judged when it happens, see [`Assessment`].
    Assessed(Box<Assessment>),
}

/// The events of one identity that rest on the same surprise.
#[derive(Clone, Debug)]
pub(crate) struct Incident {
    pub(crate) id: String,
    pub(crate) risk_event_type: RiskEventType,
    pub(crate) principal: u32,
    /// Events with the same reason belong together.
    pub(crate) reason: u64,
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
    pub(crate) detected: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) source: Option<Source>,
    pub(crate) events: u64,
    pub(crate) event_ids: Vec<String>,
    pub(crate) key_ids: BTreeSet<String>,
    pub(crate) addresses: BTreeSet<IpAddr>,
    pub(crate) learning: LearningState,
    pub(crate) tier_0: bool,
    pub(crate) late: bool,
    pub(crate) case: Case,
    /// Another detection on the same identity supports it.
    pub(crate) supported: bool,
    pub(crate) level: RiskLevel,
    /// Who did it, where one actor's deeds are found on many identities: they cost one token together.
    pub(crate) cause: Option<u64>,
    /// A token of the budget was spent on it.
    pub(crate) paid: bool,
    /// The budget was used up.
    pub(crate) over_budget: bool,
}

/// The part of an incident that only sign-ins have.
#[derive(Clone, Debug)]
pub(crate) struct SignInCase {
    /// Prefix of the new source, and those of the old ones, for co-movement.
    pub(crate) prefix: u32,
    pub(crate) old_prefixes: Vec<u32>,
    pub(crate) source_class: Option<usize>,
    pub(crate) values: BTreeSet<(u8, u32)>,
    pub(crate) habits: Habits,
    pub(crate) strongest: Strongest,
    /// Events from the old sources since the first from the new one, and the last of them.
    pub(crate) old_events: u32,
    pub(crate) old_last: Option<Timestamp>,
    pub(crate) movement: Movement,
    /// Identities that moved together, this one among them.
    pub(crate) moved_with: usize,
    /// Identities whose credentials are used from the same new source while their old ones go on.
    pub(crate) stolen_with: usize,
    pub(crate) rare_actor: bool,
    /// Failed attempts from the source of the incident before one succeeded.
    pub(crate) failures_before: u32,
    pub(crate) indicators: Vec<IndicatorMatch>,
    pub(crate) retro_match: bool,
    /// The source is in an access network's range that several identities use: the company's own exit.
    pub(crate) own_network: bool,
    /// A person seems to use it by hand.
    pub(crate) by_hand: bool,
    pub(crate) proven: bool,
}

impl Incident {
    pub(crate) fn is_open(&self, time: Timestamp) -> bool {
        time.since(self.last) <= INCIDENT_QUIET
    }

    /// Its sign-in part; `None` for other detections.
    pub(crate) fn sign_in(&self) -> Option<&SignInCase> {
        match &self.case {
            Case::SignIn(case) => Some(case),
            Case::Assessed(_) => None,
        }
    }

    /// See [`Incident::sign_in`].
    pub(crate) fn sign_in_mut(&mut self) -> Option<&mut SignInCase> {
        match &mut self.case {
            Case::SignIn(case) => Some(case),
            Case::Assessed(_) => None,
        }
    }

    /// Values that must stay in quarantine because of it.
    pub(crate) fn held(&self) -> impl Iterator<Item = (Table, u32)> + '_ {
        let is_held = self.level > RiskLevel::None;
        let table = |index: u8| Table::ALL.into_iter().find(move |table| *table as u8 == index);
        let values = self.sign_in().into_iter().flat_map(|case| &case.values);
        values.filter(move |_| is_held).filter_map(move |(index, value)| Some((table(*index)?, *value)))
    }

    /// Takes in one more event.
    pub(crate) fn append(&mut self, time: Timestamp, event_id: String, key: &str, ip: Option<IpAddr>) {
        self.last = self.last.max(time);
        self.events += 1;
        if self.event_ids.len() < EVENT_IDS_MAX && !event_id.is_empty() && !self.event_ids.contains(&event_id)
        {
            self.event_ids.push(event_id);
        }
        if !key.is_empty() && self.key_ids.len() < EVENT_IDS_MAX {
            self.key_ids.insert(key.to_owned());
        }
        if let Some(ip) = ip
            && self.addresses.len() < EVENT_IDS_MAX
        {
            self.addresses.insert(ip);
        }
    }

    /// Takes in ids of events that it rests on besides the one that raised it.
    pub(crate) fn take_ids(&mut self, events: &[String]) {
        for event in events {
            if self.event_ids.len() < EVENT_IDS_MAX && !event.is_empty() && !self.event_ids.contains(event) {
                self.event_ids.push(event.clone());
                self.events += 1;
            }
        }
    }

    /// The evidence by name, what came later included.
    pub(crate) fn evidence(&self) -> Vec<Evidence> {
        match &self.case {
            Case::SignIn(case) => case.evidence(self.risk_event_type),
            Case::Assessed(assessment) => assessment.terms.clone(),
        }
    }

    /// Logarithm of the evidence number, everything counted.
    pub(crate) fn ln(&self) -> f64 {
        match &self.case {
            Case::SignIn(case) => {
                let movement: f64 = case.movement_evidence().iter().map(|evidence| evidence.ln).sum();
                case.strongest.ln + movement
            }
            Case::Assessed(assessment) => assessment.ln(),
        }
    }

    /// True when something besides the events themselves supports it.
    pub(crate) fn is_corroborated(&self) -> bool {
        self.supported
            || match &self.case {
                Case::SignIn(case) => case.is_corroborated(self.risk_event_type),
                Case::Assessed(assessment) => assessment.corroborated,
            }
    }

    pub(crate) fn circumstances(&self) -> Circumstances {
        let corroborated = self.is_corroborated();
        let common = Circumstances {
            corroborated,
            new_source: true,
            learning: self.learning,
            ..Circumstances::default()
        };
        match &self.case {
            Case::SignIn(case) => Circumstances {
                // An indicator is a reason of its own; without one, only a new source calls anybody.
                new_source: case.source_class.is_some()
                    || self.risk_event_type == RiskEventType::InvestigationsThreatIntelligence,
                undecided: case.movement == Movement::Undecided,
                near: case.is_near(),
                by_hand: case.by_hand,
                tier_0: self.tier_0,
                // Whoever tried did not hold the credential.
                most: if case.proven { RiskLevel::High } else { RiskLevel::Low },
                ..common
            },
            Case::Assessed(assessment) => Circumstances { most: assessment.most, ..common },
        }
    }
}

impl SignInCase {
    /// Decides between replacement and parallel use from what both sides did since: `first` and `last` bound the
    /// events from the new source.
    pub(crate) fn decide_movement(&mut self, first: Timestamp, last: Timestamp) {
        let far = self.source_class.is_some_and(|class| class >= FAR_CLASS);
        if !far || self.habits.novelty_rate >= MOVABLE_NOVELTY_MAX {
            self.movement = Movement::NotAsked;
            return;
        }
        let expected = |from: Timestamp, to: Timestamp| {
            self.habits.events_per_hour * (to.since(from).max(0) as f64 / HOUR as f64)
        };
        // Silence counts only while the new source goes on: a workload that stops altogether has not moved.
        let silent_since = self.old_last.unwrap_or(first);
        let missed = expected(silent_since, last);
        let usual = self.old_last.map_or(0.0, |last| expected(first, last));
        let goes_on = self.old_events >= PARALLEL_EVENTS_SURE
            || self.old_events >= PARALLEL_EVENTS_MIN
                && f64::from(self.old_events) >= PARALLEL_RATE_MIN * usual;
        self.movement = if missed >= MOVED_EXPECTED_MIN {
            Movement::Moved { expected: missed }
        } else if self.movement == Movement::Parallel || goes_on {
            Movement::Parallel
        } else {
            Movement::Undecided
        };
    }

    /// What movement adds to the evidence, by name.
    pub(crate) fn movement_evidence(&self) -> Vec<Evidence> {
        let mut evidence = Vec::new();
        let mut push =
            |dimension: &str, ln: f64| evidence.push(Evidence { dimension: dimension.to_owned(), ln });
        match self.movement {
            // Somebody at a desk is always beside the workload.
            Movement::Parallel if self.by_hand => {}
            Movement::Parallel => push("parallelUse", PARALLEL_LN),
            Movement::Moved { expected } => push("moved", -expected.min(MOVED_LN_MAX)),
            Movement::NotAsked | Movement::Undecided => {}
        }
        if self.moved_with > 0 && self.movement != Movement::Parallel {
            push("movedTogether", -CO_MOVEMENT_LN);
        }
        evidence
    }

    fn evidence(&self, risk_event_type: RiskEventType) -> Vec<Evidence> {
        let mut evidence = self.strongest.terms.clone();
        evidence.extend(self.movement_evidence());
        if risk_event_type == RiskEventType::InvestigationsThreatIntelligence {
            // Source and agent count unweighted here; what is left is the indicators' own weight.
            let indicators = self.strongest.ln - self.strongest.terms.iter().map(|term| term.ln).sum::<f64>();
            evidence.push(Evidence { dimension: "threatIntelligence".to_owned(), ln: indicators });
        }
        evidence
    }

    fn is_corroborated(&self, risk_event_type: RiskEventType) -> bool {
        match risk_event_type {
            RiskEventType::InvestigationsThreatIntelligence => {
                self.movement == Movement::Parallel && self.proven
            }
            _ => {
                // Somebody at a desk is always beside the workload, so that says nothing.
                (self.movement == Movement::Parallel && !self.by_hand)
                    || self.rare_actor
                    || self.stolen_with > 0
                    || self.failures_before >= FAILURES_BEFORE_MIN
                    || !self.indicators.is_empty()
            }
        }
    }

    fn is_near(&self) -> bool {
        let is_new = |dimension: Dimension| {
            let index = dimension.index();
            self.strongest.novel[index].is_some() && !self.strongest.announced[index]
        };
        let others = [Dimension::Agent, Dimension::Resource, Dimension::Credential];
        let novelties = others.into_iter().filter(|dimension| is_new(*dimension)).count();
        self.own_network
            || self.source_class.is_some_and(|class| class < FAR_CLASS)
                && novelties < NEAR_SOURCE_NOVELTIES_MIN
    }

    /// Keeps the words of the strongest event.
    pub(crate) fn strengthen(&mut self, ln: f64, score: &Score, words: impl FnOnce() -> Strongest) {
        self.rare_actor |= score.rare_actor;
        if self.strongest.terms.is_empty() || ln > self.strongest.ln {
            self.strongest = Strongest {
                terms: score.evidence(),
                ln,
                novel: score.terms.map(|term| term.and_then(|term| term.novel)),
                announced: score.terms.map(|term| term.is_some_and(|term| term.announced)),
                dormant_days: score.dormant_days,
                ..words()
            };
        }
    }
}
