//! What a directory says an application is: facts from `application` and `servicePrincipal` objects, and from lists of
//! applications that are known to be abused.

use crate::id::{AppId, Id, TenantId};
use crate::time::Timestamp;

/// Which object of Microsoft Graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// `application`: the registration, in its home tenant.
    Application,
    /// `servicePrincipal`: the application in this tenant.
    ServicePrincipal,
}

/// One object of the directory. What an object does not say is `None` or empty.
#[derive(Clone, Debug, PartialEq)]
pub struct DirectoryObject {
    /// Which object.
    pub kind: ObjectKind,
    /// `id`.
    pub id: Id<'static>,
    /// `appId`.
    pub app: AppId<'static>,
    /// `displayName`.
    pub name: String,
    /// `createdDateTime`.
    pub created: Option<Timestamp>,
    /// `appOwnerOrganizationId`.
    pub owner: Option<TenantId<'static>>,
    /// Whether `verifiedPublisher` names one.
    pub has_verified_publisher: Option<bool>,
    /// `accountEnabled`.
    pub is_enabled: Option<bool>,
    /// `disabledByMicrosoftStatus`; empty when it is not.
    pub disabled_by_microsoft: String,
    /// `replyUrls`, or the `redirectUris` of all platforms.
    pub reply_urls: Vec<String>,
    /// Ids of the application permissions that are asked for (`requiredResourceAccess` of type `Role`).
    pub app_roles: Vec<Id<'static>>,
    /// Names of delegated permissions, where they are given.
    pub scopes: Vec<String>,
    /// Ids of credentials with their start.
    pub credentials: Vec<(String, Option<Timestamp>)>,
}

/// An application on a list of abused ones.
#[derive(Clone, Debug, PartialEq)]
pub struct RogueApplication {
    /// Application id.
    pub app: AppId<'static>,
    /// Name on the list.
    pub name: String,
    /// What the list says it is used for; a few words.
    pub purpose: String,
    /// Name of the list.
    pub list: String,
}
