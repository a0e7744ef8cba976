//! Risk of one identity: aggregation over its findings, and the state machine. Pure: time comes with each event.

use countersign_model::risk::{RiskDetail, RiskLevel, RiskState};
use countersign_model::time::Timestamp;

use crate::constants::{LOW_AGES_OUT, REMEDIATION_QUIET};

/// Something that may change risk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RiskEvent {
    /// The highest level among the open findings is now this.
    Findings(RiskLevel),
    /// Every credential that open findings name was removed.
    CredentialsRemoved,
    /// An administrator confirmed the compromise.
    ConfirmedCompromised {
        /// Who.
        by: String,
    },
    /// An administrator dismissed the risk.
    Dismissed {
        /// Who.
        by: String,
    },
    /// An administrator said that it is safe.
    ConfirmedSafe {
        /// Who.
        by: String,
    },
    /// Time passed.
    Tick,
}

/// One change of risk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryItem {
    /// When.
    pub time: Timestamp,
    /// Level from then on.
    pub level: RiskLevel,
    /// State from then on.
    pub state: RiskState,
    /// Why.
    pub detail: RiskDetail,
    /// Who; `None` when the system did.
    pub initiated_by: Option<String>,
}

/// Risk of one identity, with its history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Risk {
    /// Level.
    pub level: RiskLevel,
    /// State.
    pub state: RiskState,
    /// Why the state is what it is.
    pub detail: RiskDetail,
    /// When level or state changed last.
    pub updated: Timestamp,
    /// All changes, oldest first.
    pub history: Vec<HistoryItem>,
    credentials_removed: Option<Timestamp>,
    last_finding: Timestamp,
}

impl Risk {
    /// Applies an event that happened at `time`.
    pub fn apply(&mut self, event: &RiskEvent, time: Timestamp) {
        match event {
            RiskEvent::Findings(level) => self.findings(*level, time),
            RiskEvent::CredentialsRemoved => self.credentials_removed = Some(time),
            RiskEvent::ConfirmedCompromised { by } => {
                let detail = RiskDetail::AdminConfirmedServicePrincipalCompromised;
                self.set(RiskLevel::High, RiskState::ConfirmedCompromised, detail, Some(by), time);
            }
            RiskEvent::Dismissed { by } => {
                let detail = RiskDetail::AdminDismissedAllRiskForServicePrincipal;
                self.set(RiskLevel::None, RiskState::Dismissed, detail, Some(by), time);
            }
            RiskEvent::ConfirmedSafe { by } => {
                self.set(RiskLevel::None, RiskState::ConfirmedSafe, RiskDetail::None, Some(by), time);
            }
            RiskEvent::Tick => self.tick(time),
        }
    }

    fn findings(&mut self, level: RiskLevel, time: Timestamp) {
        let was_confirmed = self.state == RiskState::ConfirmedCompromised;
        if level > RiskLevel::None {
            self.last_finding = time;
        }
        // A confirmed compromise stays until an administrator ends it.
        if was_confirmed {
            return;
        }
        match level {
            RiskLevel::None if self.state == RiskState::AtRisk => {
                self.set(RiskLevel::None, RiskState::None, RiskDetail::None, None, time);
            }
            RiskLevel::None => {}
            level => self.set(level, RiskState::AtRisk, RiskDetail::None, None, time),
        }
    }

    fn tick(&mut self, time: Timestamp) {
        if self.state != RiskState::AtRisk {
            return;
        }
        let is_quiet = |since: Timestamp, long: i64| time.since(since) >= long;
        let removed = self.credentials_removed.filter(|removed| {
            *removed >= self.last_finding || is_quiet(self.last_finding, REMEDIATION_QUIET)
        });
        let is_remediated =
            removed.is_some_and(|removed| is_quiet(removed.max(self.last_finding), REMEDIATION_QUIET));
        if is_remediated {
            self.set(RiskLevel::None, RiskState::Remediated, RiskDetail::None, None, time);
        } else if self.level == RiskLevel::Low && is_quiet(self.last_finding, LOW_AGES_OUT) {
            // Medium and high stay until somebody acts.
            self.set(RiskLevel::None, RiskState::Remediated, RiskDetail::None, None, time);
        }
    }

    fn set(
        &mut self,
        level: RiskLevel,
        state: RiskState,
        detail: RiskDetail,
        by: Option<&String>,
        time: Timestamp,
    ) {
        if (self.level, self.state, self.detail) == (level, state, detail) {
            return;
        }
        (self.level, self.state, self.detail, self.updated) = (level, state, detail, time);
        self.history.push(HistoryItem { time, level, state, detail, initiated_by: by.cloned() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::time::DAY;

    fn after(events: &[(i64, RiskEvent)]) -> Risk {
        let mut risk = Risk::default();
        for (day, event) in events {
            risk.apply(event, Timestamp(day * DAY));
        }
        risk
    }

    fn by() -> String {
        "admin".to_owned()
    }

    #[test]
    fn a_confirmed_compromise_stays_until_somebody_ends_it() {
        let confirmed =
            [(1, RiskEvent::Findings(RiskLevel::Low)), (2, RiskEvent::ConfirmedCompromised { by: by() })];
        let mut risk = after(&confirmed);
        for event in [
            RiskEvent::Findings(RiskLevel::None),
            RiskEvent::Findings(RiskLevel::Medium),
            RiskEvent::CredentialsRemoved,
            RiskEvent::Tick,
        ] {
            risk.apply(&event, Timestamp(300 * DAY));
        }
        assert_eq!((risk.level, risk.state), (RiskLevel::High, RiskState::ConfirmedCompromised));
        risk.apply(&RiskEvent::Dismissed { by: by() }, Timestamp(301 * DAY));
        assert_eq!((risk.level, risk.state), (RiskLevel::None, RiskState::Dismissed));
        let who: Vec<Option<&str>> = risk.history.iter().map(|item| item.initiated_by.as_deref()).collect();
        assert_eq!(who, [None, Some("admin"), Some("admin")]);
    }

    #[test]
    fn rotation_and_quiet_remediate() {
        let high = (1, RiskEvent::Findings(RiskLevel::High));
        let removed = (2, RiskEvent::CredentialsRemoved);
        assert_eq!(after(&[high.clone(), removed.clone(), (8, RiskEvent::Tick)]).state, RiskState::AtRisk);
        assert_eq!(after(&[high.clone(), removed, (9, RiskEvent::Tick)]).state, RiskState::Remediated);
        assert_eq!(
            after(&[high, (400, RiskEvent::Tick)]).state,
            RiskState::AtRisk,
            "high stays until somebody acts"
        );
    }

    #[test]
    fn low_ages_out_after_six_months_and_a_new_finding_raises_a_dismissed_one_again() {
        let low = (1, RiskEvent::Findings(RiskLevel::Low));
        assert_eq!(after(&[low.clone(), (180, RiskEvent::Tick)]).level, RiskLevel::Low);
        assert_eq!(after(&[low.clone(), (181, RiskEvent::Tick)]).level, RiskLevel::None);
        let again = after(&[
            low,
            (2, RiskEvent::Dismissed { by: by() }),
            (3, RiskEvent::Findings(RiskLevel::Medium)),
        ]);
        assert_eq!((again.level, again.state), (RiskLevel::Medium, RiskState::AtRisk));
    }
}
