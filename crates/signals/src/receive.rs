//! What others say of our workloads, and what becomes of it here.

use std::collections::BTreeMap;

use countersign_model::risk::{RiskEventType, RiskLevel};
use countersign_model::time::Timestamp;
use uuid::Uuid;

use crate::event::{Body, Event};
use crate::set::{Received, Told};
use crate::signal::{CredentialKind, PRINCIPAL};
use crate::subject::{Tenant, guid};

/// How much of a reason is kept, in characters.
pub const REASON_CHARS_MAX: usize = 512;

/// What a token of a registered transmitter means. In each case it was accepted: who sends learns nothing of who is known
/// here, and does not send it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A finding, if there is such a workload.
    Finding(Finding),
    /// Nothing.
    Ignored(Ignored),
}

/// Why a token means nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// Another event than those that become findings.
    Event,
    /// A level of somebody who is no application.
    Principal,
    /// A subject that is no workload of this tenant.
    Subject,
}

/// What becomes a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Object id of a service principal, or id of an application.
    pub workload: Uuid,
    /// `riskEventType`.
    pub risk_event_type: RiskEventType,
    /// `riskLevel`.
    pub risk_level: RiskLevel,
    /// `activityDateTime`.
    pub at: Timestamp,
    /// The kind of the credential that leaked, to tell it on.
    pub credential: Option<CredentialKind>,
    /// The credential that leaked, as the transmitter names it; see [`Finding::key_ids`].
    pub key_id: Option<Uuid>,
    /// `reason` in `additionalInfo`.
    pub reason: Option<String>,
}

impl Finding {
    /// `keyIds`: the credential, if it is one that the workload has.
    pub fn key_ids(&self, own: &[Uuid]) -> Vec<Uuid> {
        self.key_id.filter(|id| own.contains(id)).into_iter().collect()
    }

    /// Whether it replaces what the transmitter said before. A level does, for it speaks of the workload and not of an
    /// incident; a leaked credential stays leaked.
    pub fn is_level(&self) -> bool {
        self.risk_event_type == RiskEventType::InvestigationsThreatIntelligence
    }
}

/// What a token says of a workload of that tenant.
pub fn effect(received: &Received, tenant: &Tenant<'_>) -> Effect {
    let Some(Told { subject, event }) = &received.told else { return Effect::Ignored(Ignored::Event) };
    let said = match said(event) {
        Ok(said) => said,
        Err(ignored) => return Effect::Ignored(ignored),
    };
    let Some(workload) = tenant.workload(subject) else { return Effect::Ignored(Ignored::Subject) };
    // Nothing can have happened after it was told, and a time in the future would be the newest for ever.
    let at = event.circumstances.event_timestamp.unwrap_or(received.issued_at).min(received.issued_at);
    Effect::Finding(Finding {
        workload,
        risk_event_type: said.risk_event_type,
        risk_level: said.risk_level,
        at,
        credential: said.credential,
        key_id: said.key_id,
        reason: reason(event).filter(|reason| !reason.is_empty()),
    })
}

struct Said {
    risk_event_type: RiskEventType,
    risk_level: RiskLevel,
    credential: Option<CredentialKind>,
    key_id: Option<Uuid>,
}

fn said(event: &Event) -> Result<Said, Ignored> {
    match &event.body {
        Body::CredentialCompromise { credential_type, key_id } => Ok(Said {
            risk_event_type: RiskEventType::LeakedCredentials,
            risk_level: RiskLevel::High,
            credential: Some(match credential_type.as_str() {
                "x509" => CredentialKind::Certificate,
                // Whatever else others call it, a workload has nothing but secrets beside.
                _ => CredentialKind::Secret,
            }),
            key_id: key_id.as_deref().and_then(guid),
        }),
        Body::RiskLevelChange(change) if change.principal == PRINCIPAL => Ok(Said {
            risk_event_type: RiskEventType::InvestigationsThreatIntelligence,
            risk_level: change.current_level.risk(),
            credential: None,
            key_id: None,
        }),
        Body::RiskLevelChange(_) => Err(Ignored::Principal),
        _ => Err(Ignored::Event),
    }
}

/// `reason_admin` in English or the first that there is, or `risk_reason`; without what steers a terminal, cut to
/// [`REASON_CHARS_MAX`].
fn reason(event: &Event) -> Option<String> {
    let texts: &BTreeMap<String, String> = &event.circumstances.reason_admin;
    let english = texts.iter().find(|(language, _)| {
        // RFC 5646 section 2.1.1: tags have any case; `en-GB` is English, too.
        language.split('-').next().is_some_and(|primary| primary.eq_ignore_ascii_case("en"))
    });
    let of_admin = english.or_else(|| texts.iter().next()).map(|(_, text)| text);
    let of_risk = match &event.body {
        Body::RiskLevelChange(change) => change.risk_reason.as_ref(),
        _ => None,
    };
    let text = of_admin.or(of_risk)?;
    Some(text.chars().filter(|character| !character.is_control()).take(REASON_CHARS_MAX).collect())
}

/// What becomes of levels that one transmitter says of one workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It counts; those before it are remediated.
    Newest,
    /// It came late: it is remediated from the beginning.
    Outdated,
}

/// The standing of a level of that time, given the time of the newest one before. Of two at the same second the one that
/// came last counts, for transmitters keep the order.
pub fn standing(newest: Option<Timestamp>, at: Timestamp) -> Standing {
    if newest.is_some_and(|newest| at < newest) { Standing::Outdated } else { Standing::Newest }
}
