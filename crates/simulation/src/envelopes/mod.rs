//! The records as Azure Monitor delivers them: an envelope and `properties`, one line each.

mod audits;
mod calls;
mod sign_ins;

pub(crate) use audits::{Actor, Audit, Property, Target, audit_id, write_audit};
pub(crate) use calls::{Api, Call, Caller, Token, Uri, object_id, write_call};
pub(crate) use sign_ins::{SignIn, UserSignIn, principal_of_resource, write_sign_in, write_user_sign_in};

use countersign_model::time::{DAY, HOUR, Timestamp};

use crate::json::{Guid, civil};
use crate::rng::mix;

/// Log category of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// Sign-ins of applications.
    ServicePrincipalSignInLogs,
    /// Sign-ins of managed identities.
    ManagedIdentitySignInLogs,
    /// Sign-ins of Microsoft's own applications.
    MicrosoftServicePrincipalSignInLogs,
    /// Changes to the directory.
    AuditLogs,
    /// Calls of Microsoft Graph.
    MicrosoftGraphActivityLogs,
    /// Calls of the legacy directory API.
    AzureADGraphActivityLogs,
    /// Sign-ins of people by their clients: no workload identities, a reader passes over them.
    NonInteractiveUserSignInLogs,
}

impl Category {
    /// All categories that a simulation writes.
    pub const ALL: [Category; 7] = [
        Category::ServicePrincipalSignInLogs,
        Category::ManagedIdentitySignInLogs,
        Category::MicrosoftServicePrincipalSignInLogs,
        Category::AuditLogs,
        Category::MicrosoftGraphActivityLogs,
        Category::AzureADGraphActivityLogs,
        Category::NonInteractiveUserSignInLogs,
    ];

    /// The value of `category` in the envelope.
    pub fn name(self) -> &'static str {
        match self {
            Category::ServicePrincipalSignInLogs => "ServicePrincipalSignInLogs",
            Category::ManagedIdentitySignInLogs => "ManagedIdentitySignInLogs",
            Category::MicrosoftServicePrincipalSignInLogs => "MicrosoftServicePrincipalSignInLogs",
            Category::AuditLogs => "AuditLogs",
            Category::MicrosoftGraphActivityLogs => "MicrosoftGraphActivityLogs",
            Category::AzureADGraphActivityLogs => "AzureADGraphActivityLogs",
            Category::NonInteractiveUserSignInLogs => "NonInteractiveUserSignInLogs",
        }
    }
}

/// Path of the blob that a record belongs to, as a diagnostic setting to Azure Storage names it.
pub fn path_of(category: Category, tenant: &str, delivered: Timestamp) -> String {
    let (year, month, day) = civil(delivered.day());
    let hour = delivered.0.rem_euclid(DAY) / HOUR;
    let container = category.name().to_ascii_lowercase();
    format!(
        "insights-logs-{container}/tenantId={tenant}/y={year:04}/m={month:02}/d={day:02}/h={hour:02}/m=00/PT1H.json"
    )
}

/// Path in a simple layout of one file a day and category, for small examples.
pub fn daily_path_of(category: Category, delivered: Timestamp) -> String {
    let (year, month, day) = civil(delivered.day());
    format!("{}/{year:04}-{month:02}-{day:02}.json", category.name())
}

/// Kind of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    Secret,
    Certificate,
    /// `certificate` and `clientAssertion` are both seen for certificates.
    Assertion,
    Federated,
    ManagedIdentity,
}

/// What a sign-in proved itself with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) kind: CredentialKind,
    /// Key id; of a federated credential, its object id.
    pub(crate) key: Guid,
}

impl Credential {
    /// Upper-case hexadecimal SHA-1 in real records; here 40 digits that belong to the key.
    fn thumbprint(self) -> String {
        format!("{:032X}{:08X}", self.key.0, mix(self.key.0 as u64) as u32)
    }
}

/// An API that tokens are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResourceRef<'a> {
    pub(crate) name: &'a str,
    pub(crate) app: Guid,
}

/// Who signs in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity<'a> {
    pub(crate) name: &'a str,
    pub(crate) principal: Guid,
    pub(crate) app: Guid,
    pub(crate) owner_tenant: Guid,
    /// Azure resource of a managed identity; empty for others.
    pub(crate) azure_resource: &'a str,
}

/// `properties.id` of the record that belongs to `id`.
pub(crate) fn event_id(id: u64) -> Guid {
    Guid::from_seed(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::time::SECOND;

    use crate::parameters::DEFAULT_START;

    #[test]
    fn blobs_are_named_as_azure_storage_does() {
        let time = DEFAULT_START.plus(5 * HOUR + 59 * 60 * SECOND);
        assert_eq!(
            path_of(Category::AuditLogs, "7c1f7a2e-0d0c-4c55-9a52-6f7f0f2f1a10", time),
            "insights-logs-auditlogs/tenantId=7c1f7a2e-0d0c-4c55-9a52-6f7f0f2f1a10/y=2026/m=03/d=02/h=05/m=00/PT1H.json"
        );
        assert_eq!(daily_path_of(Category::AuditLogs, time), "AuditLogs/2026-03-02.json");
    }
}
