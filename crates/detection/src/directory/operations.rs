//! Operations of the directory audit log: what they are called, and how often attackers and others use them.
//!
//! Names changed over the years and differ between the audit log and the unified audit log, so that one
//! operation has several names; some operations that mean the same to a defender are one here. PIM writes a
//! request and its completion under names of their own: two records of one change, tied by their correlation.

/// An operation on the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Operation {
    /// Credential added to a service principal.
    AddServicePrincipalCredentials,
    /// Credentials of an application changed.
    ChangeApplicationCredentials,
    /// Application permission granted.
    AddAppRoleAssignment,
    /// Delegated permission granted.
    AddDelegatedGrant,
    /// Consent given to an application.
    ConsentToApplication,
    /// Member added to a role.
    AddRoleMember,
    /// Eligible member added to a role.
    AddEligibleRoleMember,
    /// Scoped member added to a role.
    AddScopedRoleMember,
    /// Role assigned for a time.
    AssignRoleInPim,
    /// Eligible role assigned for a time.
    AssignEligibleRoleInPim,
    /// Role activated.
    ActivateRole,
    /// Owner added to an application.
    AddApplicationOwner,
    /// Owner added to a service principal.
    AddServicePrincipalOwner,
    /// Authentication of a domain changed.
    SetDomainAuthentication,
    /// Federation settings of a domain changed.
    SetFederationSettings,
    /// Domain added.
    AddDomain,
    /// Domain verified.
    VerifyDomain,
    /// Cross-tenant access changed.
    ChangeCrossTenantAccess,
    /// Certificate authorities changed.
    ChangeCertificateAuthorities,
    /// Partner added.
    AddPartner,
    /// Identity provider changed.
    ChangeIdentityProvider,
    /// Conditional access policy added.
    AddConditionalAccessPolicy,
    /// Conditional access policy changed.
    UpdateConditionalAccessPolicy,
    /// Conditional access policy deleted.
    DeleteConditionalAccessPolicy,
    /// Application created.
    AddApplication,
    /// Service principal created.
    AddServicePrincipal,
    /// Application changed.
    UpdateApplication,
    /// Service principal changed.
    UpdateServicePrincipal,
    /// Application deleted.
    DeleteApplication,
    /// Service principal removed.
    RemoveServicePrincipal,
    /// Credential removed from a service principal.
    RemoveServicePrincipalCredentials,
    /// External secrets changed.
    UpdateExternalSecrets,
    /// Owner removed from an application or service principal.
    RemoveOwner,
    /// Policy of an application or service principal changed.
    ChangePolicyOfApplication,
    /// Verified publisher changed.
    ChangeVerifiedPublisher,
    /// Application permission removed.
    RemoveAppRoleAssignment,
    /// Delegated permission removed.
    RemoveDelegatedGrant,
    /// Consent restored.
    RestoreConsent,
    /// Application assigned to a user or group.
    AssignApplicationToUser,
    /// Application unassigned from a user or group.
    UnassignApplicationFromUser,
    /// Member removed from a role.
    RemoveRoleMember,
    /// Role definition changed.
    ChangeRoleDefinition,
    /// Settings of role activation changed.
    ChangeRoleSettings,
    /// Alert on roles disabled.
    DisableRoleAlert,
    /// Named location changed.
    ChangeNamedLocation,
    /// Authentication context changed.
    ChangeAuthenticationContext,
    /// Security defaults or continuous access evaluation changed.
    ChangeSecurityDefaults,
    /// Policy changed.
    ChangePolicy,
    /// Authorization policy changed.
    ChangeAuthorizationPolicy,
    /// Consent policy changed.
    ChangePermissionGrantPolicy,
    /// Authentication methods policy changed.
    ChangeAuthenticationMethodsPolicy,
    /// Settings of the tenant changed.
    ChangeTenantSettings,
    /// Domain changed or removed.
    ChangeDomain,
    /// Provisioning configuration changed.
    ChangeSynchronization,
    /// Security attributes changed.
    ChangeAttributes,
    /// Administrative unit changed.
    ChangeAdministrativeUnit,
    /// Recovery key or local password read.
    ReadRecoveryKey,
    /// Risk of a service principal judged.
    JudgeServicePrincipalRisk,
    /// User created.
    AddUser,
    /// Guest invited.
    InviteUser,
    /// User changed.
    UpdateUser,
    /// User deleted.
    DeleteUser,
    /// Account enabled or disabled.
    ChangeAccountState,
    /// Password reset by an administrator.
    ResetPassword,
    /// Password changed by its user.
    ChangePassword,
    /// Sign-in methods of a user changed.
    ChangeSignInMethods,
    /// Sessions of a user revoked.
    RevokeSessions,
    /// Licence changed.
    ChangeLicence,
    /// Group created.
    AddGroup,
    /// Group changed.
    UpdateGroup,
    /// Group deleted.
    DeleteGroup,
    /// Member added to a group.
    AddGroupMember,
    /// Member removed from a group.
    RemoveGroupMember,
    /// Owner of a group changed.
    ChangeGroupOwner,
    /// Device registered.
    AddDevice,
    /// Device changed.
    UpdateDevice,
    /// Device deleted.
    DeleteDevice,
    /// Another operation.
    Other,
}

/// What is assumed of an operation before anything is learnt.
pub(crate) struct Row {
    /// The operation: rows stand in its order.
    pub(crate) operation: Operation,
    /// As people call what happened.
    pub(crate) name: &'static str,
    /// Chance that a change which an attacker makes is this one. Operations that give rights, credentials or
    /// trust, or that take a control away, share 0.8 (design, 11.4); within that, by how often incident
    /// reports name them: credentials and application permissions first.
    pub(crate) attack: f64,
    /// Share of this one among all changes of an ordinary tenant. Upkeep of users, groups and devices is most
    /// of them; no published count was found, so this holds only until the tenant's own counts outweigh it.
    pub(crate) usual: f64,
    /// Gives rights, credentials or trust, or takes a control away.
    pub(crate) privileged: bool,
}

const fn privileged(operation: Operation, name: &'static str, attack: f64, usual: f64) -> Row {
    Row { operation, name, attack, usual, privileged: true }
}

const fn ordinary(operation: Operation, name: &'static str, attack: f64, usual: f64) -> Row {
    Row { operation, name, attack, usual, privileged: false }
}

/// By [`Operation`]. A federated credential is an [`Operation::UpdateApplication`] by name: whoever reads the
/// changed properties must treat it as a credential.
pub(crate) const OPERATIONS: [Row; 78] = [
    privileged(
        Operation::AddServicePrincipalCredentials,
        "credential added to a service principal",
        0.11,
        0.002,
    ),
    privileged(Operation::ChangeApplicationCredentials, "credentials of an application changed", 0.14, 0.006),
    privileged(Operation::AddAppRoleAssignment, "application permission granted", 0.11, 0.006),
    privileged(Operation::AddDelegatedGrant, "delegated permission granted", 0.045, 0.007),
    privileged(Operation::ConsentToApplication, "consent given to an application", 0.065, 0.006),
    privileged(Operation::AddRoleMember, "member added to a role", 0.06, 0.003),
    privileged(Operation::AddEligibleRoleMember, "eligible member added to a role", 0.012, 0.0008),
    privileged(Operation::AddScopedRoleMember, "scoped member added to a role", 0.005, 0.0003),
    privileged(Operation::AssignRoleInPim, "role assigned for a time", 0.01, 0.0015),
    privileged(Operation::AssignEligibleRoleInPim, "eligible role assigned for a time", 0.01, 0.0012),
    privileged(Operation::ActivateRole, "role activated", 0.013, 0.015),
    privileged(Operation::AddApplicationOwner, "owner added to an application", 0.03, 0.0015),
    privileged(Operation::AddServicePrincipalOwner, "owner added to a service principal", 0.025, 0.0008),
    privileged(Operation::SetDomainAuthentication, "authentication of a domain changed", 0.015, 0.0001),
    privileged(Operation::SetFederationSettings, "federation settings of a domain changed", 0.025, 0.0001),
    privileged(Operation::AddDomain, "domain added", 0.008, 0.0003),
    privileged(Operation::VerifyDomain, "domain verified", 0.005, 0.0002),
    privileged(Operation::ChangeCrossTenantAccess, "cross-tenant access changed", 0.008, 0.0003),
    privileged(Operation::ChangeCertificateAuthorities, "certificate authorities changed", 0.004, 0.00005),
    privileged(Operation::AddPartner, "partner added", 0.003, 0.00005),
    privileged(Operation::ChangeIdentityProvider, "identity provider changed", 0.002, 0.00005),
    privileged(Operation::AddConditionalAccessPolicy, "conditional access policy added", 0.01, 0.0004),
    privileged(Operation::UpdateConditionalAccessPolicy, "conditional access policy changed", 0.022, 0.0015),
    privileged(Operation::DeleteConditionalAccessPolicy, "conditional access policy deleted", 0.01, 0.0002),
    privileged(Operation::AddApplication, "application created", 0.03, 0.004),
    privileged(Operation::AddServicePrincipal, "service principal created", 0.023, 0.008),
    ordinary(Operation::UpdateApplication, "application changed", 0.04, 0.015),
    ordinary(Operation::UpdateServicePrincipal, "service principal changed", 0.025, 0.03),
    ordinary(Operation::DeleteApplication, "application deleted", 0.006, 0.002),
    ordinary(Operation::RemoveServicePrincipal, "service principal removed", 0.006, 0.0025),
    ordinary(
        Operation::RemoveServicePrincipalCredentials,
        "credential removed from a service principal",
        0.004,
        0.0015,
    ),
    ordinary(Operation::UpdateExternalSecrets, "external secrets changed", 0.002, 0.0002),
    ordinary(Operation::RemoveOwner, "owner removed from an application or service principal", 0.003, 0.0012),
    ordinary(
        Operation::ChangePolicyOfApplication,
        "policy of an application or service principal changed",
        0.005,
        0.0004,
    ),
    ordinary(Operation::ChangeVerifiedPublisher, "verified publisher changed", 0.002, 0.0001),
    ordinary(Operation::RemoveAppRoleAssignment, "application permission removed", 0.002, 0.002),
    ordinary(Operation::RemoveDelegatedGrant, "delegated permission removed", 0.001, 0.002),
    ordinary(Operation::RestoreConsent, "consent restored", 0.001, 0.00005),
    ordinary(Operation::AssignApplicationToUser, "application assigned to a user or group", 0.004, 0.035),
    ordinary(
        Operation::UnassignApplicationFromUser,
        "application unassigned from a user or group",
        0.001,
        0.016,
    ),
    ordinary(Operation::RemoveRoleMember, "member removed from a role", 0.004, 0.012),
    ordinary(Operation::ChangeRoleDefinition, "role definition changed", 0.006, 0.0002),
    ordinary(Operation::ChangeRoleSettings, "settings of role activation changed", 0.006, 0.0004),
    ordinary(Operation::DisableRoleAlert, "alert on roles disabled", 0.002, 0.0001),
    ordinary(Operation::ChangeNamedLocation, "named location changed", 0.008, 0.0005),
    ordinary(Operation::ChangeAuthenticationContext, "authentication context changed", 0.001, 0.00005),
    ordinary(
        Operation::ChangeSecurityDefaults,
        "security defaults or continuous access evaluation changed",
        0.003,
        0.00005,
    ),
    ordinary(Operation::ChangePolicy, "policy changed", 0.005, 0.0025),
    ordinary(Operation::ChangeAuthorizationPolicy, "authorization policy changed", 0.005, 0.00015),
    ordinary(Operation::ChangePermissionGrantPolicy, "consent policy changed", 0.004, 0.0001),
    ordinary(
        Operation::ChangeAuthenticationMethodsPolicy,
        "authentication methods policy changed",
        0.005,
        0.0003,
    ),
    ordinary(Operation::ChangeTenantSettings, "settings of the tenant changed", 0.005, 0.001),
    ordinary(Operation::ChangeDomain, "domain changed or removed", 0.002, 0.00015),
    ordinary(Operation::ChangeSynchronization, "provisioning configuration changed", 0.002, 0.0006),
    ordinary(Operation::ChangeAttributes, "security attributes changed", 0.001, 0.0006),
    ordinary(Operation::ChangeAdministrativeUnit, "administrative unit changed", 0.002, 0.002),
    ordinary(Operation::ReadRecoveryKey, "recovery key or local password read", 0.003, 0.001),
    ordinary(Operation::JudgeServicePrincipalRisk, "risk of a service principal judged", 0.001, 0.00002),
    ordinary(Operation::AddUser, "user created", 0.004, 0.013),
    ordinary(Operation::InviteUser, "guest invited", 0.002, 0.006),
    ordinary(Operation::UpdateUser, "user changed", 0.004, 0.24),
    ordinary(Operation::DeleteUser, "user deleted", 0.001, 0.009),
    ordinary(Operation::ChangeAccountState, "account enabled or disabled", 0.001, 0.007),
    ordinary(Operation::ResetPassword, "password reset by an administrator", 0.003, 0.009),
    ordinary(Operation::ChangePassword, "password changed by its user", 0.001, 0.025),
    ordinary(Operation::ChangeSignInMethods, "sign-in methods of a user changed", 0.003, 0.035),
    ordinary(Operation::RevokeSessions, "sessions of a user revoked", 0.001, 0.015),
    ordinary(Operation::ChangeLicence, "licence changed", 0.0005, 0.06),
    ordinary(Operation::AddGroup, "group created", 0.0005, 0.01),
    ordinary(Operation::UpdateGroup, "group changed", 0.0005, 0.04),
    ordinary(Operation::DeleteGroup, "group deleted", 0.0005, 0.005),
    ordinary(Operation::AddGroupMember, "member added to a group", 0.0025, 0.11),
    ordinary(Operation::RemoveGroupMember, "member removed from a group", 0.0005, 0.08),
    ordinary(Operation::ChangeGroupOwner, "owner of a group changed", 0.001, 0.007),
    ordinary(Operation::AddDevice, "device registered", 0.0008, 0.02),
    ordinary(Operation::UpdateDevice, "device changed", 0.0004, 0.08298),
    ordinary(Operation::DeleteDevice, "device deleted", 0.0003, 0.015),
    ordinary(Operation::Other, "another operation", 0.0055, 0.015),
];

impl Operation {
    /// The operation of a name, spelled as [`ALIASES`] are but for its case.
    pub(crate) fn parse(name: &str) -> Operation {
        let spelled = || name.bytes().map(|byte| byte.to_ascii_lowercase());
        match ALIASES.binary_search_by(|(alias, _)| alias.bytes().cmp(spelled())) {
            Ok(index) => ALIASES[index].1,
            Err(_) => Operation::Other,
        }
    }

    /// What is assumed of it.
    pub(crate) fn row(self) -> &'static Row {
        let row = &OPERATIONS[self as usize];
        debug_assert_eq!(row.operation, self, "rows stand in the order of operations");
        row
    }
}

/// Names of operations, sorted: lower case, every dash `-`, each run of white space one blank, none at the
/// ends, no full stop at the end.
pub(crate) const ALIASES: &[(&str, Operation)] = &[
    ("add a partner to cross-tenant access setting", Operation::ChangeCrossTenantAccess),
    ("add administrative unit", Operation::ChangeAdministrativeUnit),
    ("add app role assignment grant to group", Operation::AssignApplicationToUser),
    ("add app role assignment grant to service principal", Operation::AddAppRoleAssignment),
    ("add app role assignment grant to user", Operation::AssignApplicationToUser),
    ("add app role assignment to group", Operation::AssignApplicationToUser),
    ("add app role assignment to service principal", Operation::AddAppRoleAssignment),
    ("add app role assignment to user", Operation::AssignApplicationToUser),
    ("add application", Operation::AddApplication),
    ("add authenticationcontextclassreference", Operation::ChangeAuthenticationContext),
    ("add bitlocker key", Operation::UpdateDevice),
    ("add certificatebasedauthconfiguration", Operation::ChangeCertificateAuthorities),
    ("add certificationbasedauthconfiguration", Operation::ChangeCertificateAuthorities),
    ("add conditional access policy", Operation::AddConditionalAccessPolicy),
    ("add delegated permission grant", Operation::AddDelegatedGrant),
    ("add device", Operation::AddDevice),
    ("add domain to company", Operation::AddDomain),
    ("add eligible member to role", Operation::AddEligibleRoleMember),
    ("add eligible member to role in pim completed", Operation::AssignEligibleRoleInPim),
    ("add eligible member to role in pim completed (permanent)", Operation::AssignEligibleRoleInPim),
    ("add eligible member to role in pim completed (renew)", Operation::AssignEligibleRoleInPim),
    ("add eligible member to role in pim completed (time bound)", Operation::AssignEligibleRoleInPim),
    ("add eligible member to role in pim completed (timebound)", Operation::AssignEligibleRoleInPim),
    ("add eligible member to role in pim requested", Operation::AssignEligibleRoleInPim),
    ("add eligible member to role in pim requested (permanent)", Operation::AssignEligibleRoleInPim),
    ("add eligible member to role in pim requested (renew)", Operation::AssignEligibleRoleInPim),
    ("add eligible member to role in pim requested (time bound)", Operation::AssignEligibleRoleInPim),
    ("add eligible member to role in pim requested (timebound)", Operation::AssignEligibleRoleInPim),
    ("add eligibleroleassignment to roledefinition", Operation::AddEligibleRoleMember),
    ("add fido2 security key", Operation::ChangeSignInMethods),
    ("add group", Operation::AddGroup),
    ("add member to administrative unit", Operation::ChangeAdministrativeUnit),
    ("add member to group", Operation::AddGroupMember),
    ("add member to restricted management administrative unit", Operation::ChangeAdministrativeUnit),
    ("add member to role", Operation::AddRoleMember),
    ("add member to role approval requested (pim activation)", Operation::ActivateRole),
    ("add member to role completed (pim activation)", Operation::ActivateRole),
    ("add member to role in pim completed", Operation::AssignRoleInPim),
    ("add member to role in pim completed (permanent)", Operation::AssignRoleInPim),
    ("add member to role in pim completed (renew)", Operation::AssignRoleInPim),
    ("add member to role in pim completed (time bound)", Operation::AssignRoleInPim),
    ("add member to role in pim completed (timebound)", Operation::AssignRoleInPim),
    ("add member to role in pim requested", Operation::AssignRoleInPim),
    ("add member to role in pim requested (permanent)", Operation::AssignRoleInPim),
    ("add member to role in pim requested (renew)", Operation::AssignRoleInPim),
    ("add member to role in pim requested (time bound)", Operation::AssignRoleInPim),
    ("add member to role in pim requested (timebound)", Operation::AssignRoleInPim),
    ("add member to role outside of pim (permanent)", Operation::AddRoleMember),
    ("add member to role request approved (pim activation)", Operation::ActivateRole),
    ("add member to role requested (pim activation)", Operation::ActivateRole),
    (
        "add member to role scoped over restricted management administrative unit",
        Operation::AddScopedRoleMember,
    ),
    ("add named location", Operation::ChangeNamedLocation),
    ("add oauth2 permission grant", Operation::AddDelegatedGrant),
    ("add oauth2permissiongrant", Operation::AddDelegatedGrant),
    ("add owner to application", Operation::AddApplicationOwner),
    ("add owner to group", Operation::ChangeGroupOwner),
    ("add owner to policy", Operation::ChangePolicy),
    ("add owner to service principal", Operation::AddServicePrincipalOwner),
    ("add partner to company", Operation::AddPartner),
    ("add passwordless phone sign-in credential", Operation::ChangeSignInMethods),
    ("add permission grant policy", Operation::ChangePermissionGrantPolicy),
    ("add policy", Operation::ChangePolicy),
    ("add policy to application", Operation::ChangePolicyOfApplication),
    ("add policy to service principal", Operation::ChangePolicyOfApplication),
    ("add policy to serviceprincipal", Operation::ChangePolicyOfApplication),
    ("add provisioning configuration", Operation::ChangeSynchronization),
    ("add registered owner to device", Operation::AddDevice),
    ("add registered users to device", Operation::AddDevice),
    ("add role assignment to role definition", Operation::AddRoleMember),
    ("add role definition", Operation::ChangeRoleDefinition),
    ("add role from template", Operation::AddRoleMember),
    ("add role member to role", Operation::AddRoleMember),
    ("add scoped member to role", Operation::AddScopedRoleMember),
    ("add service principal", Operation::AddServicePrincipal),
    ("add service principal credentials", Operation::AddServicePrincipalCredentials),
    ("add unverified domain", Operation::AddDomain),
    ("add user", Operation::AddUser),
    ("add verified domain", Operation::AddDomain),
    ("add windows hello for business credential", Operation::ChangeSignInMethods),
    ("admin deleted security info", Operation::ChangeSignInMethods),
    ("admin registered security info", Operation::ChangeSignInMethods),
    ("admin started password reset", Operation::ResetPassword),
    ("admin updated security info", Operation::ChangeSignInMethods),
    ("assign label to group", Operation::UpdateGroup),
    ("authentication methods policy reset", Operation::ChangeAuthenticationMethodsPolicy),
    ("authentication methods policy update", Operation::ChangeAuthenticationMethodsPolicy),
    ("authentication strength policy create", Operation::ChangeAuthenticationMethodsPolicy),
    ("authentication strength policy delete", Operation::ChangeAuthenticationMethodsPolicy),
    ("authentication strength policy update", Operation::ChangeAuthenticationMethodsPolicy),
    ("cancel application update with safe rollout", Operation::UpdateApplication),
    ("change password (self-service)", Operation::ChangePassword),
    ("change user license", Operation::ChangeLicence),
    ("change user password", Operation::ChangePassword),
    ("complete application update after safe rollout", Operation::UpdateApplication),
    ("complete application update with safe rollout", Operation::UpdateApplication),
    ("confirm service principal compromised", Operation::JudgeServicePrincipalRisk),
    ("consent to application", Operation::ConsentToApplication),
    ("convert domain to federated", Operation::SetDomainAuthentication),
    ("create a partner cross-tenant identity sync setting", Operation::ChangeCrossTenantAccess),
    ("create application", Operation::AddApplication),
    ("create company settings", Operation::ChangeTenantSettings),
    ("create custom identity provider", Operation::ChangeIdentityProvider),
    ("create identity provider", Operation::ChangeIdentityProvider),
    ("create v2 application", Operation::AddApplication),
    ("deactivate pim alert", Operation::DisableRoleAlert),
    ("delete a partner cross-tenant identity sync setting", Operation::ChangeCrossTenantAccess),
    ("delete administrative unit", Operation::ChangeAdministrativeUnit),
    ("delete application", Operation::DeleteApplication),
    ("delete authenticationcontextclassreference", Operation::ChangeAuthenticationContext),
    ("delete certificatebasedauthconfiguration", Operation::ChangeCertificateAuthorities),
    ("delete certificationbasedauthconfiguration", Operation::ChangeCertificateAuthorities),
    ("delete company settings", Operation::ChangeTenantSettings),
    ("delete conditional access policy", Operation::DeleteConditionalAccessPolicy),
    ("delete device", Operation::DeleteDevice),
    ("delete group", Operation::DeleteGroup),
    ("delete named location", Operation::ChangeNamedLocation),
    ("delete partner specific cross-tenant access setting", Operation::ChangeCrossTenantAccess),
    ("delete permission grant policy", Operation::ChangePermissionGrantPolicy),
    ("delete policy", Operation::ChangePolicy),
    ("delete pre-created device", Operation::DeleteDevice),
    ("delete provisioning configuration", Operation::ChangeSynchronization),
    ("delete role definition", Operation::ChangeRoleDefinition),
    ("delete service principal", Operation::RemoveServicePrincipal),
    ("delete user", Operation::DeleteUser),
    ("delete v2 application", Operation::DeleteApplication),
    ("delete v2 application permission grant", Operation::RemoveDelegatedGrant),
    ("device no longer compliant", Operation::UpdateDevice),
    ("device no longer managed", Operation::UpdateDevice),
    ("disable account", Operation::ChangeAccountState),
    ("disable pim alert", Operation::DisableRoleAlert),
    ("disable strong authentication", Operation::ChangeSignInMethods),
    ("dismiss service principal risk", Operation::JudgeServicePrincipalRisk),
    ("enable account", Operation::ChangeAccountState),
    ("enable strong authentication", Operation::ChangeSignInMethods),
    ("finish applying group based license to user", Operation::ChangeLicence),
    ("finish applying group based license to users", Operation::ChangeLicence),
    ("grant contextual consent to application", Operation::ConsentToApplication),
    ("hard delete application", Operation::DeleteApplication),
    ("hard delete group", Operation::DeleteGroup),
    ("hard delete service principal", Operation::RemoveServicePrincipal),
    ("hard delete user", Operation::DeleteUser),
    ("invite external user", Operation::InviteUser),
    ("invite external user with reset invitation status", Operation::InviteUser),
    ("offboarded resource from pim", Operation::ChangeRoleSettings),
    ("onboarded resource to pim", Operation::ChangeRoleSettings),
    ("pim policy removed", Operation::ChangeRoleSettings),
    ("pre-create device", Operation::AddDevice),
    ("promote company to partner", Operation::AddPartner),
    ("read bitlocker key", Operation::ReadRecoveryKey),
    ("recover device local administrator password", Operation::ReadRecoveryKey),
    ("redeem extern user invite", Operation::InviteUser),
    ("redeem external user invite", Operation::InviteUser),
    ("register device", Operation::AddDevice),
    ("remove app role assignment from group", Operation::UnassignApplicationFromUser),
    ("remove app role assignment from service principal", Operation::RemoveAppRoleAssignment),
    ("remove app role assignment from user", Operation::UnassignApplicationFromUser),
    ("remove application", Operation::DeleteApplication),
    ("remove delegated permission grant", Operation::RemoveDelegatedGrant),
    ("remove domain from company", Operation::ChangeDomain),
    ("remove eligible member from role", Operation::RemoveRoleMember),
    ("remove eligible member from role in pim completed (permanent)", Operation::RemoveRoleMember),
    ("remove eligible member from role in pim completed (timebound)", Operation::RemoveRoleMember),
    ("remove eligible member from role in pim requested (permanent)", Operation::RemoveRoleMember),
    ("remove eligible member from role in pim requested (timebound)", Operation::RemoveRoleMember),
    ("remove eligibleroleassignment from roledefinition", Operation::RemoveRoleMember),
    ("remove member from administrative unit", Operation::ChangeAdministrativeUnit),
    ("remove member from group", Operation::RemoveGroupMember),
    ("remove member from restricted management administrative unit", Operation::ChangeAdministrativeUnit),
    ("remove member from role", Operation::RemoveRoleMember),
    ("remove member from role (pim activation expired)", Operation::RemoveRoleMember),
    ("remove member from role completed (pim deactivate)", Operation::RemoveRoleMember),
    ("remove member from role in pim completed (permanent)", Operation::RemoveRoleMember),
    ("remove member from role in pim completed (timebound)", Operation::RemoveRoleMember),
    ("remove member from role in pim requested (permanent)", Operation::RemoveRoleMember),
    ("remove member from role in pim requested (timebound)", Operation::RemoveRoleMember),
    ("remove member from role requested (pim deactivate)", Operation::RemoveRoleMember),
    (
        "remove member from role scoped over restricted management administrative unit",
        Operation::RemoveRoleMember,
    ),
    ("remove oauth2permissiongrant", Operation::RemoveDelegatedGrant),
    ("remove owner from application", Operation::RemoveOwner),
    ("remove owner from group", Operation::ChangeGroupOwner),
    ("remove owner from policy", Operation::ChangePolicy),
    ("remove owner from service principal", Operation::RemoveOwner),
    ("remove permanent direct role assignment", Operation::RemoveRoleMember),
    ("remove permanent eligible role assignment", Operation::RemoveRoleMember),
    ("remove policy credentials", Operation::ChangePolicy),
    ("remove policy from application", Operation::ChangePolicyOfApplication),
    ("remove policy from service principal", Operation::ChangePolicyOfApplication),
    ("remove registered owner from device", Operation::DeleteDevice),
    ("remove registered users from device", Operation::DeleteDevice),
    ("remove role assignment from role definition", Operation::RemoveRoleMember),
    ("remove scoped member from role", Operation::RemoveRoleMember),
    ("remove service principal", Operation::RemoveServicePrincipal),
    ("remove service principal credentials", Operation::RemoveServicePrincipalCredentials),
    ("remove unverified domain", Operation::ChangeDomain),
    ("remove verified domain", Operation::ChangeDomain),
    ("reset password", Operation::ResetPassword),
    ("reset password (by admin)", Operation::ResetPassword),
    ("reset password (self-service)", Operation::ChangePassword),
    ("reset the cross-tenant access default setting", Operation::ChangeCrossTenantAccess),
    ("reset user password", Operation::ResetPassword),
    ("restore application", Operation::AddApplication),
    ("restore consent", Operation::RestoreConsent),
    ("restore eligible member from role in pim completed", Operation::AssignEligibleRoleInPim),
    ("restore group", Operation::AddGroup),
    ("restore service principal", Operation::AddServicePrincipal),
    ("restore user", Operation::AddUser),
    ("reveal local administrator password", Operation::ReadRecoveryKey),
    ("set accidental deletion threshold", Operation::ChangeTenantSettings),
    ("set company information", Operation::ChangeTenantSettings),
    ("set delegated permission grant", Operation::AddDelegatedGrant),
    ("set directory feature on tenant", Operation::ChangeTenantSettings),
    ("set dirsync feature", Operation::ChangeTenantSettings),
    ("set dirsyncenabled flag", Operation::ChangeTenantSettings),
    ("set domain authentication", Operation::SetDomainAuthentication),
    ("set domainfederationsettings", Operation::SetFederationSettings),
    ("set federation settings on domain", Operation::SetFederationSettings),
    ("set force change user password", Operation::ResetPassword),
    ("set group license", Operation::ChangeLicence),
    ("set group to be managed by user", Operation::UpdateGroup),
    ("set partnership", Operation::AddPartner),
    ("set password policy", Operation::ChangeTenantSettings),
    ("set user manager", Operation::UpdateUser),
    ("set verified publisher", Operation::ChangeVerifiedPublisher),
    ("start applying group based license to users", Operation::ChangeLicence),
    ("tenant offboarded from pim", Operation::ChangeRoleSettings),
    ("trigger group license recalculation", Operation::ChangeLicence),
    ("unlock user account (self-service)", Operation::ChangePassword),
    ("unregister device", Operation::DeleteDevice),
    ("unset verified publisher", Operation::ChangeVerifiedPublisher),
    ("update a partner cross-tenant access setting", Operation::ChangeCrossTenantAccess),
    ("update a partner cross-tenant identity sync setting", Operation::ChangeCrossTenantAccess),
    ("update administrative unit", Operation::ChangeAdministrativeUnit),
    ("update application", Operation::UpdateApplication),
    ("update application - certificates and secrets management", Operation::ChangeApplicationCredentials),
    ("update application certificates and secrets management", Operation::ChangeApplicationCredentials),
    ("update application with safe rollout", Operation::UpdateApplication),
    ("update attribute mappings or scope", Operation::ChangeSynchronization),
    ("update attribute values assigned to a serviceprincipal", Operation::ChangeAttributes),
    ("update attribute values assigned to a user", Operation::ChangeAttributes),
    ("update authentication methods policy", Operation::ChangeAuthenticationMethodsPolicy),
    ("update authenticationcontextclassreference", Operation::ChangeAuthenticationContext),
    ("update authorization policy", Operation::ChangeAuthorizationPolicy),
    ("update certificatebasedauthconfiguration", Operation::ChangeCertificateAuthorities),
    ("update company", Operation::ChangeTenantSettings),
    ("update company settings", Operation::ChangeTenantSettings),
    ("update conditional access policy", Operation::UpdateConditionalAccessPolicy),
    ("update continuous access evaluation", Operation::ChangeSecurityDefaults),
    ("update custom identity provider", Operation::ChangeIdentityProvider),
    ("update delegated permission grant", Operation::AddDelegatedGrant),
    ("update device", Operation::UpdateDevice),
    ("update domain", Operation::ChangeDomain),
    ("update external secrets", Operation::UpdateExternalSecrets),
    ("update federation settings on domain", Operation::SetFederationSettings),
    ("update group", Operation::UpdateGroup),
    ("update identity provider", Operation::ChangeIdentityProvider),
    ("update local administrator password", Operation::UpdateDevice),
    ("update named location", Operation::ChangeNamedLocation),
    ("update permission grant policy", Operation::ChangePermissionGrantPolicy),
    ("update pim alert setting", Operation::DisableRoleAlert),
    ("update policy", Operation::ChangePolicy),
    ("update provisioning setting or credentials", Operation::ChangeSynchronization),
    ("update role", Operation::ChangeRoleDefinition),
    ("update role definition", Operation::ChangeRoleDefinition),
    ("update role setting in pim", Operation::ChangeRoleSettings),
    ("update security defaults", Operation::ChangeSecurityDefaults),
    ("update service principal", Operation::UpdateServicePrincipal),
    ("update service principal/update application", Operation::UpdateServicePrincipal),
    ("update stsrefreshtokenvalidfrom timestamp", Operation::RevokeSessions),
    ("update the company default cross-tenant access setting", Operation::ChangeCrossTenantAccess),
    ("update user", Operation::UpdateUser),
    ("update v2 application", Operation::UpdateApplication),
    ("user changed default security info", Operation::ChangeSignInMethods),
    ("user deleted security info", Operation::ChangeSignInMethods),
    ("user registered all required security info", Operation::ChangeSignInMethods),
    ("user registered security info", Operation::ChangeSignInMethods),
    ("user started password change", Operation::ChangePassword),
    ("user started security info registration", Operation::ChangeSignInMethods),
    ("user updated security info", Operation::ChangeSignInMethods),
    ("verify domain", Operation::VerifyDomain),
    ("verify email verified domain", Operation::VerifyDomain),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_sum_to_one() {
        let sum = |share: fn(&Row) -> f64| OPERATIONS.iter().map(share).sum::<f64>();
        assert!((sum(|row| row.attack) - 1.0).abs() < 1e-9);
        assert!((sum(|row| row.usual) - 1.0).abs() < 1e-9);
        assert!((sum(|row| if row.privileged { row.attack } else { 0.0 }) - 0.8).abs() < 1e-9);
        assert!(OPERATIONS.iter().all(|row| row.attack > 0.0 && row.usual > 0.0));
    }

    #[test]
    fn tables_are_in_order() {
        assert!(OPERATIONS.iter().enumerate().all(|(index, row)| row.operation as usize == index));
        assert!(ALIASES.is_sorted_by(|left, right| left.0 < right.0));
    }

    #[test]
    fn aliases_are_normalised_and_every_operation_has_one() {
        for (alias, _) in ALIASES {
            assert!(alias.is_ascii() && !alias.ends_with('.') && !alias.contains("  "), "{alias}");
            assert_eq!(*alias, alias.trim().to_ascii_lowercase());
        }
        for row in OPERATIONS.iter().filter(|row| row.operation != Operation::Other) {
            assert!(ALIASES.iter().any(|(_, operation)| *operation == row.operation), "{:?}", row.operation);
        }
    }

    #[test]
    fn old_and_new_names_are_one_operation() {
        assert_eq!(
            Operation::parse("update application - certificates and secrets management"),
            Operation::ChangeApplicationCredentials
        );
        assert_eq!(
            Operation::parse("add oauth2permissiongrant"),
            Operation::parse("add delegated permission grant")
        );
        assert_eq!(Operation::parse("Add domain to company"), Operation::AddDomain);
        assert_eq!(Operation::parse("never heard of"), Operation::Other);
    }
}
