//! What is kept: one file per Graph entity, each with its properties and its columns.
//!
//! An entity lives in a row as the JSON that Graph shows (`body`), beside the columns that find it. This list is the only
//! one: filters, `$metadata`, `OpenAPI` and the schema's columns are made from it. Members of a body whose name begins with
//! `_` are ours and never leave.

mod application;
mod audit;
mod conditional_access;
mod credential;
mod enumerations;
mod federated_identity_credential;
mod grants;
mod risk;
mod roles;
mod service_principal;
mod sign_in;
mod tenant;
mod user;

use countersign_odata::edm::EntityType;

pub use application::APPLICATION;
pub use audit::DIRECTORY_AUDIT;
pub use conditional_access::{
    CONDITIONAL_ACCESS_POLICY, CONDITIONAL_ACCESS_TEMPLATE, NAMED_LOCATION, WHAT_IF_ANALYSIS_RESULT,
};
pub use federated_identity_credential::FEDERATED_IDENTITY_CREDENTIAL;
pub use grants::{APP_ROLE_ASSIGNMENT, OAUTH2_PERMISSION_GRANT};
pub use risk::{RISK_HISTORY, RISKY_SERVICE_PRINCIPAL, SERVICE_PRINCIPAL_RISK_DETECTION};
pub use roles::{DIRECTORY_ROLE, DIRECTORY_ROLE_TEMPLATE, ROLE_ASSIGNMENT, ROLE_DEFINITION};
pub use service_principal::SERVICE_PRINCIPAL;
pub use sign_in::SIGN_IN;
pub use tenant::{ORGANIZATION, SUBSCRIBED_SKU};
pub use user::USER;

/// How a column holds a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    /// Lower-case text: Entra compares without regard to case.
    Text,
    /// Microseconds since 1970.
    Time,
    /// Boolean.
    Flag,
}

/// A column beside the body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// Member of the body; members that begin with `_` are ours.
    pub(crate) property: &'static str,
    /// Name in the table.
    pub(crate) name: &'static str,
    /// What it holds.
    pub(crate) kind: ColumnKind,
    /// True when it may be null.
    pub(crate) nullable: bool,
}

const fn text(property: &'static str, name: &'static str) -> Column {
    Column { property, name, kind: ColumnKind::Text, nullable: false }
}

const fn time(property: &'static str, name: &'static str) -> Column {
    Column { property, name, kind: ColumnKind::Time, nullable: false }
}

const fn flag(property: &'static str, name: &'static str) -> Column {
    Column { property, name, kind: ColumnKind::Flag, nullable: false }
}

impl Column {
    const fn or_null(self) -> Self {
        Column { nullable: true, ..self }
    }
}

/// Entities of one type in one table.
#[derive(Debug)]
pub struct EntitySet {
    /// Properties and navigation, as Graph describes them.
    pub entity: &'static EntityType,
    /// Name of the table.
    pub(crate) table: &'static str,
    /// Columns beside `tenant_id`, `id`, `version`, `deleted_us` and `body`.
    pub(crate) columns: &'static [Column],
}

impl EntitySet {
    /// The column that holds `property`.
    pub(crate) fn column(&self, property: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.property == property)
    }
}
