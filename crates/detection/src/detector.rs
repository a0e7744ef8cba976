//! The fold: one enriched event in, changed findings out.

use std::collections::HashMap;
use std::net::IpAddr;

use countersign_model::event::Event;
use countersign_model::finding::{Finding, Notice};
use countersign_model::id::{ServicePrincipalId, TenantId};
use countersign_model::inventory::{DirectoryObject, RogueApplication};
use countersign_model::risk::RiskyServicePrincipal;
use countersign_model::source::Enrichment;
use countersign_model::time::Timestamp;
use foldhash::fast::FixedState;

use crate::baseline::Baseline;
use crate::budget::Policy;
use crate::calibration::{Calibration, DayScore};
use crate::order::{Clock, Seen};
use crate::risk::Risk;
use crate::tenant::Tenant;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed {
    /// Taken in.
    Taken,
    /// Seen before: its id was delivered again.
    Repeated,
}

/// How often alarms were raised, over all tenants.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// Sum over the days of identities active on them.
    pub identity_days: u64,
    /// Findings of medium and high that nothing besides the event itself supports.
    pub unsupported: u64,
}

impl Measured {
    /// False alarms per 1,000 identities and day, at most: every unsupported finding is counted as false.
    /// `None` before a day is over.
    pub fn false_alarm_rate(&self) -> Option<f64> {
        (self.identity_days > 0).then(|| self.unsupported as f64 * 1000.0 / self.identity_days as f64)
    }
}

/// An identity and the risk of it.
#[derive(Clone, Debug)]
pub struct RiskyPrincipal {
    /// Graph's shape.
    pub graph: RiskyServicePrincipal,
    /// Tenant id.
    pub tenant: String,
    /// Risk with its history.
    pub risk: Risk,
    /// First and last event of the identity.
    pub activity: (Timestamp, Timestamp),
    /// Ids of its findings, strongest first.
    pub findings: Vec<String>,
}

/// The detector: baselines, ledger and incidents of all tenants.
#[derive(Debug)]
pub struct Detector {
    policy: Policy,
    tenants: Vec<Tenant>,
    tenant_index: HashMap<TenantId<'static>, usize, FixedState>,
    seen: Seen,
    clock: Clock,
    late: u64,
    rogue: Vec<RogueApplication>,
    keeps_days: bool,
}

impl Detector {
    /// A detector that has seen nothing.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            tenants: Vec::new(),
            tenant_index: HashMap::default(),
            seen: Seen::default(),
            clock: Clock::default(),
            late: 0,
            rogue: Vec::new(),
            keeps_days: false,
        }
    }

    /// Takes in one event. Events come in event-time order; one that is later than the watermark is scored and
    /// marked.
    pub fn observe(&mut self, event: &Event<'_>, enrichment: &Enrichment<'_, '_>) -> Observed {
        if self.seen.is_repeated(event) {
            return Observed::Repeated;
        }
        let late = self.clock.is_late(event.time());
        self.late += u64::from(late);
        let policy = self.policy;
        if !enrichment.patterns.is_empty() {
            self.tenant(event.tenant()).matched(policy, event, enrichment, late);
        }
        match event {
            Event::SignIn(sign_in) => self.tenant(&sign_in.tenant).sign_in(policy, sign_in, enrichment, late),
            Event::DirectoryAudit(audit) => self.tenant(&audit.tenant).audit(policy, audit, enrichment, late),
            Event::ApiActivity(call) => self.tenant(&call.tenant).call(policy, call, enrichment, late),
        }
        Observed::Taken
    }

    fn tenant(&mut self, id: &TenantId<'_>) -> &mut Tenant {
        // Nearly always the one of the event before.
        let index: &HashMap<TenantId<'_>, usize, FixedState> = &self.tenant_index;
        let at = index.get(id).copied().unwrap_or_else(|| {
            self.tenant_index.insert(id.to_owned_id(), self.tenants.len());
            let mut tenant = Tenant::new(id.to_string());
            self.rogue.iter().for_each(|listed| tenant.rogue(listed));
            tenant.keep_days(self.keeps_days);
            self.tenants.push(tenant);
            self.tenants.len() - 1
        });
        &mut self.tenants[at]
    }

    /// Holds applications against a list of abused ones. Before the first event: what was met before is not looked at
    /// again.
    pub fn list_rogue(&mut self, listed: Vec<RogueApplication>) {
        self.rogue = listed;
    }

    /// Takes in objects of the directory as they were at `time`. With several tenants each object goes to those that
    /// know its application; answers how many found none.
    pub fn inventory(&mut self, objects: &[DirectoryObject], time: Timestamp) -> usize {
        let policy = self.policy;
        let is_single = self.tenants.len() == 1;
        let mut homeless = 0;
        for object in objects {
            let mut has_home = false;
            for tenant in
                self.tenants.iter_mut().filter(|tenant| is_single || tenant.knows_application(object))
            {
                tenant.inventory(policy, object, time);
                has_home = true;
            }
            homeless += usize::from(!has_home);
        }
        homeless
    }

    /// How often evidence of each height was reached, over all tenants.
    pub fn calibration(&self) -> Calibration {
        let mut calibration = Calibration::default();
        self.tenants.iter().for_each(|tenant| calibration.add(tenant.calibration()));
        calibration
    }

    /// Keeps the strongest evidence of every identity and day, for an evaluation.
    pub fn keep_days(&mut self) {
        self.keeps_days = true;
    }

    /// Mean bytes of state of an identity, its profiles included.
    pub fn bytes_per_identity(&self) -> f64 {
        let (bytes, identities) =
            self.tenants.iter().map(Tenant::state).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        bytes as f64 / identities.max(1) as f64
    }

    /// The days kept, each with the object id of its identity.
    pub fn days(&self) -> Vec<(String, DayScore)> {
        self.tenants.iter().flat_map(Tenant::days).collect()
    }

    /// Ends the last day: what movement can be decided by now is.
    pub fn finish(&mut self) {
        for tenant in &mut self.tenants {
            tenant.finish(self.policy);
        }
    }

    /// Event time of the newest event.
    pub fn newest(&self) -> Timestamp {
        self.clock.newest()
    }

    /// Events that came later than the watermark allows.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Identities that did something, or that something was found about.
    pub fn identities(&self) -> usize {
        self.tenants.iter().map(Tenant::identities).sum()
    }

    /// Bytes of baseline per identity.
    pub const BASELINE_BYTES: usize = std::mem::size_of::<Baseline>();

    /// Tells whether an address, as a value of its own, is in the baseline of an identity: `None` for an unknown
    /// identity.
    pub fn knows_source(
        &self,
        tenant: &TenantId<'_>,
        principal: &ServicePrincipalId<'_>,
        ip: IpAddr,
    ) -> Option<bool> {
        let index: &HashMap<TenantId<'_>, usize, FixedState> = &self.tenant_index;
        self.tenants[*index.get(tenant)?].knows_source(principal, ip)
    }

    /// All findings of low and above, strongest first.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.tenants.iter().flat_map(Tenant::findings).collect();
        findings.sort_by(|a, b| {
            b.level
                .cmp(&a.level)
                .then(b.score.total_cmp(&a.score))
                .then(a.activity.cmp(&b.activity))
                .then(a.id.cmp(&b.id))
        });
        findings
    }

    /// All identities with a finding of low and above, riskiest first.
    pub fn risky(&self) -> Vec<RiskyPrincipal> {
        let newest = self.clock.newest();
        let mut risky: Vec<(f64, RiskyPrincipal)> =
            self.tenants.iter().flat_map(|tenant| tenant.risky(newest)).collect();
        risky.sort_by(|(a_score, a), (b_score, b)| {
            b.graph
                .risk_level
                .cmp(&a.graph.risk_level)
                .then(b_score.total_cmp(a_score))
                .then(a.graph.id.cmp(&b.graph.id))
        });
        risky.into_iter().map(|(_, principal)| principal).collect()
    }

    /// What concerns several identities.
    pub fn notices(&self) -> Vec<Notice> {
        let mut notices: Vec<Notice> = self.tenants.iter().flat_map(Tenant::notices).collect();
        notices.sort_by(|a, b| a.time.cmp(&b.time).then_with(|| a.text.cmp(&b.text)));
        notices
    }

    /// How often alarms were raised.
    pub fn measured(&self) -> Measured {
        Measured {
            identity_days: self.tenants.iter().map(Tenant::identity_days).sum(),
            unsupported: self.tenants.iter().map(Tenant::unsupported).sum(),
        }
    }
}
