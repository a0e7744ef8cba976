//! What applications are: facts from audit records, from inventory and from lists, and the judgement of them.

use countersign_model::event::{Actor, DirectoryAudit};
use countersign_model::id::{Id, ServicePrincipalId};
use countersign_model::inventory::{DirectoryObject, ObjectKind, RogueApplication};
use countersign_model::risk::RiskEventType;
use countersign_model::source::Enrichment;
use countersign_model::time::Timestamp;

use super::Tenant;
use super::assessed::Opening;
use crate::assessment::Assessment;
use crate::budget::Policy;
use crate::directory::change::{Change, Subject};
use crate::directory::operations::Operation;
use crate::directory::permissions::{self, Tier};
use crate::order::hash64;
use crate::suspicious_application::{self as application, Application};

impl Tenant {
    /// Takes what a change says of the applications it concerns.
    pub(super) fn applications_change(
        &mut self,
        policy: Policy,
        audit: &DirectoryAudit<'_>,
        enrichment: &Enrichment<'_, '_>,
        change: &Change,
        concerned: &[(usize, Subject)],
        late: bool,
    ) {
        for (at, subject) in concerned {
            let facts = &mut *self.principals[*at].application.get_or_insert_default();
            if !subject.name.is_empty() && Id::parse(&subject.name) != subject.app.0 {
                facts.name.clone_from(&subject.name);
            }
            match change.operation {
                Operation::AddApplication => {
                    facts.created = facts.created.or(Some(audit.time));
                    facts.is_own = Some(true);
                }
                Operation::ConsentToApplication => {
                    facts.first_consent = facts.first_consent.or(Some(audit.time));
                    if is_admin_consent(audit) {
                        facts.has_admin_consent = true;
                    } else {
                        facts.user_consents += 1;
                    }
                }
                _ => {}
            }
            if change.gives_entry() {
                facts.last_credential = Some(audit.time);
            }
            if let Some(given) = &change.authority
                && !given.words.starts_with("role ")
                && facts.permission.as_ref().is_none_or(|(tier, _)| given.tier > *tier)
            {
                facts.permission = Some((given.tier, given.words.clone()));
            }
            let addresses =
                audit.targets.iter().flat_map(|target| &target.modified).filter(|p| p.name == "AppAddress");
            for property in addresses {
                facts.reply_urls = reply_urls(&property.new);
            }
            let opening = Opening::of_application_change(audit, enrichment, late);
            self.list_application(*at);
            let twin = self.twin(*at);
            if let Some(facts) = &mut self.principals[*at].application {
                facts.twin = twin;
            }
            self.judge_application(policy, *at, opening);
        }
    }

    /// A change that was refused: of consents Microsoft says when the application is risky.
    pub(super) fn refused(
        &mut self,
        policy: Policy,
        audit: &DirectoryAudit<'_>,
        enrichment: &Enrichment<'_, '_>,
        change: &Change,
        late: bool,
    ) {
        let is_risky = |text: &str| text.to_ascii_lowercase().contains("consentblockedforriskyapps");
        let says = audit
            .targets
            .iter()
            .flat_map(|target| &target.modified)
            .any(|p| is_risky(&p.new) || is_risky(&p.old));
        if !(says || is_risky(&audit.reason)) {
            return;
        }
        for subject in &change.subjects {
            let at = self.enrol(&ServicePrincipalId(subject.id.clone()), &subject.app, audit.time);
            let facts = &mut *self.principals[at].application.get_or_insert_default();
            facts.name.clone_from(&subject.name);
            facts.blocked_consents += 1;
            let opening = Opening::of_application_change(audit, enrichment, late);
            if self.principals[at].name.is_empty() {
                self.principals[at].name.clone_from(&subject.name);
            }
            self.judge_application(policy, at, opening);
        }
    }

    /// Takes in one object of the directory, as it was at `time`.
    pub(crate) fn inventory(&mut self, policy: Policy, object: &DirectoryObject, time: Timestamp) {
        let at = match object.kind {
            ObjectKind::ServicePrincipal => {
                self.enrol(&ServicePrincipalId(object.id.clone()), &object.app, time)
            }
            ObjectKind::Application => {
                let at = self.enrol_application(&object.app, time);
                self.objects.insert(object.id.clone(), at as u32);
                at
            }
        };
        let own_tenant = Id::parse(&self.id);
        let is_own = match object.kind {
            // Only the home tenant has the registration.
            ObjectKind::Application => Some(true),
            ObjectKind::ServicePrincipal => object.owner.as_ref().map(|owner| owner.0 == own_tenant),
        };
        let principal = &mut *self.principals[at];
        if principal.name.is_empty() {
            principal.name.clone_from(&object.name);
        }
        if let Some(is_enabled) = object.is_enabled {
            principal.is_enabled = is_enabled;
        }
        let facts = &mut *principal.application.get_or_insert_default();
        facts.name.clone_from(&object.name);
        facts.created = object.created.or(facts.created);
        facts.is_own = is_own.or(facts.is_own);
        facts.has_verified_publisher = object.has_verified_publisher.or(facts.has_verified_publisher);
        if !object.reply_urls.is_empty() {
            facts.reply_urls.clone_from(&object.reply_urls);
        }
        if !object.disabled_by_microsoft.is_empty() {
            facts.disabled_by_microsoft.clone_from(&object.disabled_by_microsoft);
        }
        let roles = object.app_roles.iter().filter_map(|id| match id {
            Id::Guid(id) => permissions::app_role(id.as_u128()),
            Id::Text(_) => None,
        });
        let named = roles.map(|role| (permissions::tier(role), role.to_owned()));
        // On behalf of a person a scope reaches no further than that person does.
        let delegated = object
            .scopes
            .iter()
            .map(|scope| (permissions::tier(scope).min(Tier::Sensitive), format!("delegated {scope}")));
        if let Some(strongest) = named.chain(delegated).max_by_key(|(tier, _)| *tier)
            && facts.permission.as_ref().is_none_or(|(tier, _)| strongest.0 > *tier)
        {
            facts.permission = Some(strongest);
        }
        facts.last_credential =
            object.credentials.iter().filter_map(|(_, start)| *start).max().or(facts.last_credential);
        self.list_application(at);
        let opening = Opening::of_application(time, &object.id);
        self.judge_application(policy, at, opening);
    }

    /// True when an identity of this application, or this object, is known.
    pub(crate) fn knows_application(&self, object: &DirectoryObject) -> bool {
        self.applications.contains_key(&object.app)
            || self.objects.contains_key(&object.id)
            || self.index.contains_key(&ServicePrincipalId(object.id.clone()))
    }

    /// Holds applications against a list: they are judged when they are met.
    pub(crate) fn rogue(&mut self, listed: &RogueApplication) {
        self.listed.insert(listed.app.clone(), (listed.list.clone(), listed.purpose.clone()));
    }

    /// Names an identity.
    pub(super) fn name(&mut self, at: usize, name: &str) {
        name.clone_into(&mut self.principals[at].name);
        self.looks.entry(hash64(application::skeleton(name).as_bytes())).or_insert(at as u32);
    }

    /// The name of another application that looks like this one's.
    fn twin(&self, at: usize) -> Option<String> {
        let name = &self.principals[at].name;
        let other = *self.looks.get(&hash64(application::skeleton(name).as_bytes()))? as usize;
        let other_name = &self.principals[other].name;
        (other != at && application::is_twin(name, other_name)).then(|| other_name.clone())
    }

    fn list_application(&mut self, at: usize) {
        let principal = &mut *self.principals[at];
        if let Some(listed) = self.listed.get(&principal.app)
            && let Some(facts) = &mut principal.application
        {
            facts.listed = Some(listed.clone());
        }
    }

    /// An application that is on a list has signed in or called: `event` says when.
    pub(super) fn met(&mut self, policy: Policy, at: usize, event: &Id<'_>, time: Timestamp) {
        let principal = &mut *self.principals[at];
        if self.listed.is_empty() || !self.listed.contains_key(&principal.app) {
            return;
        }
        principal.application.get_or_insert_default();
        self.list_application(at);
        let opening = Opening::of_application(time, event);
        self.judge_application(policy, at, opening);
    }

    fn judge_application(&mut self, policy: Policy, at: usize, mut opening: Opening<'_>) {
        let principal = &self.principals[at];
        let Some(facts) = &principal.application else { return };
        let terms = application::terms(facts);
        let is_malicious = application::is_malicious(facts);
        let ln: f64 = terms.iter().map(|term| term.ln).sum();
        let [low, ..] = policy.budget.thresholds();
        if ln < low {
            return;
        }
        let mut assessment = Assessment::standing(opening.time.day());
        for term in &terms {
            assessment.add(term.name, term.ln);
            if term.ln > 0.0 {
                assessment.reasons.insert(reason(term.name));
                assessment.facts.push(term.words.clone());
            }
        }
        // Microsoft's verdict is another's, not ours.
        assessment.corroborated =
            facts.disabled_by_microsoft.len() > 1 || facts.blocked_consents > 0 && facts.listed.is_some();
        assessment.action = if is_malicious {
            "is known to be malicious".to_owned()
        } else {
            "has the marks of an application made to deceive".to_owned()
        };
        opening.event_type = if is_malicious {
            RiskEventType::MaliciousApplication
        } else {
            RiskEventType::SuspiciousApplication
        };
        "somebody here knows its publisher and uses it on purpose".clone_into(&mut assessment.harmless_if);
        assessment.check_first = format!(
            "ask who consented to application {}; disable it and revoke its grants if nobody needs it",
            principal.app
        );
        self.assessed(policy, at, &opening, assessment);
    }
}

/// The reason code of a term.
fn reason(term: &'static str) -> &'static str {
    match term {
        "disabledByMicrosoft" => "DisabledByMicrosoft",
        "listed" => "ListedApplication",
        "consentBlocked" => "ConsentBlockedAsRisky",
        "lookAlikeName" => "LookAlikeName",
        "brandName" => "BrandName",
        "mixedScript" => "MixedScriptName",
        "oddName" => "OddName",
        "publisher" => "UnverifiedPublisher",
        "young" => "YoungApplication",
        "replyAddress" | "replyHost" | "replyHttp" => "SuspiciousReplyUrl",
        "permission" => "PrivilegedPermission",
        "consents" => "RareConsent",
        _ => "CredentialWithConsent",
    }
}

impl<'o> Opening<'o> {
    fn of_application(time: Timestamp, event: &'o Id<'o>) -> Opening<'o> {
        Opening {
            event_type: RiskEventType::SuspiciousApplication,
            reason: hash64(b"application"),
            time,
            event,
            ip: None,
            source: None,
            key: String::new(),
            cause: None,
            late: false,
        }
    }

    fn of_application_change(
        audit: &'o DirectoryAudit<'_>,
        enrichment: &Enrichment<'_, '_>,
        late: bool,
    ) -> Opening<'o> {
        Opening {
            ip: audit.address.ip,
            source: enrichment.source.as_ref().map(Into::into),
            late,
            ..Opening::of_application(audit.time, &audit.id.0)
        }
    }
}

fn is_admin_consent(audit: &DirectoryAudit<'_>) -> bool {
    let property = audit
        .targets
        .iter()
        .flat_map(|target| &target.modified)
        .find(|property| property.name == "ConsentContext.IsAdminConsent");
    match property {
        Some(property) => property.new.to_ascii_lowercase().contains("true"),
        // Applications consent for nobody but all.
        None => matches!(audit.initiated_by, Actor::App { .. }),
    }
}

/// `[{"AddressType":0,"Address":"https://…"}]`.
fn reply_urls(value: &str) -> Vec<String> {
    let Ok(serde_json::Value::Array(entries)) = serde_json::from_str(value) else { return Vec::new() };
    entries.iter().filter_map(|entry| Some(entry.get("Address")?.as_str()?.to_owned())).collect()
}

/// What is kept of an application beside its identity.
pub(super) type Facts = Application;
