//! Changes of the directory by somebody who has got hold of an application: a way back in, or more permissions.

use countersign_model::time::{HOUR, SECOND};

use super::{Act, Attack, Deed, Held, Loot};
use crate::archetypes::Principal;
use crate::calendar::MINUTE;
use crate::catalogue::GRAPH;
use crate::changes::{
    Consent, Subject, app_role_changed, application_added, application_deleted, conditional_access_changed,
    consented, owner_added, role_member_changed,
};
use crate::envelopes::{Actor, Api, CredentialKind, principal_of_resource};
use crate::json::Guid;

/// Names that pass for something of the house.
const INCONSPICUOUS: [&str; 6] = [
    "MS Office Sync",
    "Azure AD Connect Helper",
    "Teams Backup Service",
    "Intune Enrollment Agent",
    "Exchange Health Probe",
    "SharePoint Migration Tool",
];

/// Roles of Microsoft Graph that are worth taking.
const POWERFUL: [&str; 5] = [
    "Mail.Read",
    "RoleManagement.ReadWrite.Directory",
    "AppRoleAssignment.ReadWrite.All",
    "Directory.ReadWrite.All",
    "Application.ReadWrite.All",
];

impl Attack<'_> {
    /// The victim as the one who changes something.
    pub(super) fn victim_as_actor(&self) -> Actor {
        Actor::App { principal: self.principal.id, name: self.principal.name.clone() }
    }

    pub(super) fn graph(&self) -> (Guid, &'static str) {
        let api = crate::catalogue::resource_at(GRAPH);
        (principal_of_resource(self.tenant.id, api.app), api.name)
    }

    /// Another principal of the tenant that can be changed; the victim itself when there is none.
    pub(super) fn other(&mut self) -> (u32, Principal) {
        let candidates: Vec<usize> = (0..self.principals.len())
            .filter(|i| *i != self.index as usize)
            .filter(|i| !self.principals[*i].is_managed() && self.principals[*i].is_owned_by(self.tenant))
            .collect();
        let index = if candidates.is_empty() { self.index as usize } else { *self.rng.pick(&candidates) };
        let other = self.principals[index].clone();
        self.story.others.push(other.id.to_string());
        (index as u32, other)
    }

    /// A principal that the attacker makes.
    pub(super) fn plant(&mut self, name: &str, owner: Guid) -> (u32, Principal) {
        let principal = Principal::planted(self.rng.next(), name, owner, self.tenant.zone);
        let index = self.principals.len() + self.planted.len();
        self.planted.push(principal.clone());
        self.story.others.push(principal.id.to_string());
        (index as u32, principal)
    }

    fn post(&mut self, time: i64, held: Held, method: &'static str, uri: &'static str) {
        let object = self.rng.below(500) as u32;
        let status = if method == "POST" { 201 } else { 204 };
        let deed = Deed { after: 0, api: Api::Graph, method, uri, object, status, bytes: 900 };
        self.deeds(time, held, &[deed], "");
    }

    /// Signs in with what was added and looks around or reads.
    pub(super) fn use_it(
        &mut self,
        time: i64,
        index: u32,
        held: Held,
        credential: crate::envelopes::Credential,
        granted: &'static str,
    ) -> i64 {
        let from = (held.sign_in.address, held.sign_in.agent);
        let Some(token) = self.sign_in(time, index, from, GRAPH, credential, 0) else { return time };
        let act = if granted.contains("Mail") { Act::BulkRead } else { Act::EnumerateFast };
        let mut loot = if granted.contains("Mail") {
            Loot::mail(&mut self.rng)
        } else {
            Loot::draw(Vec::new(), &mut self.rng)
        };
        let deeds = loot.deeds(act, 0, &mut self.rng);
        self.deeds(time + SECOND, token, &deeds, granted)
    }

    /// One change of the kinds that incidents show, by the victim, with the calls that make it.
    pub(super) fn change_directory(&mut self, begin: i64, held: Held) {
        let actor = self.victim_as_actor();
        let time = begin + self.rng.between(5 * SECOND, 4 * MINUTE);
        let later = time + self.rng.between(MINUTE, 40 * MINUTE);
        let graph = self.graph();
        let name = [
            "addCredential",
            "firstFederation",
            "selfGrant",
            "roleMember",
            "ownerThenCredential",
            "consentThenCredential",
            "createUseDelete",
            "policyChange",
        ][self.rng.weighted(&[22, 12, 14, 10, 12, 10, 12, 8])];
        match name {
            "addCredential" | "firstFederation" => {
                let kind =
                    if name == "addCredential" { CredentialKind::Secret } else { CredentialKind::Federated };
                let (index, other) = self.other();
                let added = other.new_credential(kind, &mut self.rng);
                let audits = self.credential_added(&actor, &other, other.credential, added);
                self.post(
                    time,
                    held,
                    "POST",
                    "https://graph.microsoft.com/v1.0/applications/{a}/addPassword",
                );
                self.audit(time + SECOND, audits);
                self.use_it(later, index, held, added, "");
            }
            "selfGrant" => {
                let role = *self.rng.pick(&POWERFUL);
                let audits = app_role_changed(&actor, Subject::from(self.principal), graph, role, time, true);
                let uri = "https://graph.microsoft.com/v1.0/servicePrincipals/{q}/appRoleAssignments";
                self.post(time, held, "POST", uri);
                self.audit(time + SECOND, audits);
                self.use_it(later, self.index, held, held.sign_in.credential, role);
            }
            "roleMember" => {
                let role = *self.rng.pick(&[
                    "Global Administrator",
                    "Privileged Role Administrator",
                    "Application Administrator",
                    "Exchange Administrator",
                ]);
                let audits = role_member_changed(&actor, Subject::from(self.principal), role, true);
                self.post(
                    time,
                    held,
                    "POST",
                    "https://graph.microsoft.com/v1.0/roleManagement/directory/roleAssignments",
                );
                self.audit(time + SECOND, audits);
            }
            "ownerThenCredential" => {
                let (index, other) = self.other();
                let added = other.new_credential(CredentialKind::Secret, &mut self.rng);
                let owner = ("ServicePrincipal", self.principal.id, self.principal.name.as_str());
                let audits = owner_added(&actor, Subject::from(&other), owner, self.rng.per_mille(400));
                self.post(
                    time,
                    held,
                    "POST",
                    "https://graph.microsoft.com/v1.0/applications/{a}/owners/$ref",
                );
                self.audit(time + SECOND, audits);
                let audits = self.credential_added(&actor, &other, other.credential, added);
                let added_at = time + self.rng.between(MINUTE, 20 * MINUTE);
                self.audit(added_at, audits);
                self.use_it(later + 20 * MINUTE, index, held, added, "");
            }
            "consentThenCredential" => {
                let (index, other) = self.other();
                let added = other.new_credential(CredentialKind::Secret, &mut self.rng);
                let consent = Consent { admin: true, scopes: "Mail.ReadWrite Files.Read.All offline_access" };
                let audits = consented(&actor, Subject::from(&other), graph, consent);
                self.audit(time, audits);
                let audits = app_role_changed(&actor, Subject::from(&other), graph, "Mail.Read", time, true);
                self.audit(time + MINUTE, audits);
                let audits = self.credential_added(&actor, &other, other.credential, added);
                self.audit(time + 2 * MINUTE, audits);
                self.use_it(later + 3 * MINUTE, index, held, added, "Mail.Read");
            }
            "createUseDelete" => self.create_use_delete(&actor, time, held),
            _ => {
                let policy = *self.rng.pick(&["Require MFA for admins", "Block legacy clients"]);
                let before = r#"{"state":"enabled","conditions":{"users":{"excludeUsers":[]}}}"#;
                let after = format!(
                    r#"{{"state":"enabled","conditions":{{"users":{{"excludeUsers":["{}"]}}}}}}"#,
                    Guid::from_seed(self.rng.next())
                );
                let audits = conditional_access_changed(&actor, policy, Some(before), Some(&after));
                let uri = "https://graph.microsoft.com/v1.0/identity/conditionalAccess/policies/{n}";
                self.post(time, held, "PATCH", uri);
                self.audit(time + SECOND, audits);
            }
        }
        self.story.traits.push(("change", name.to_owned()));
    }

    /// An application that lives for less than an hour.
    pub(super) fn create_use_delete(&mut self, actor: &Actor, time: i64, held: Held) {
        let name = *self.rng.pick(&INCONSPICUOUS);
        let (index, made) = self.plant(name, self.tenant.id);
        let subject = Subject::from(&made);
        let key = made.credential;
        self.audit(time, application_added(actor, subject, false));
        let audits = crate::changes::credentials_changed(actor, subject, &[], &[key]);
        self.audit(time + 20 * SECOND, audits);
        let role = *self.rng.pick(&POWERFUL);
        self.audit(time + MINUTE, app_role_changed(actor, subject, self.graph(), role, time + MINUTE, true));
        let first_use = time + self.rng.between(3 * MINUTE, 9 * MINUTE);
        let used = self.use_it(first_use, index, held, key, role);
        let deleted = (used + MINUTE).min(time + HOUR - MINUTE);
        self.audit(deleted, application_deleted(actor, subject));
    }
}
