//! Changes of the directory, as `AuditLogs` holds them.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::json::{Guid, Json};
use crate::rng::mix;

/// Who changed the directory.
#[derive(Clone, Debug)]
pub(crate) enum Actor {
    User { id: Guid, user_principal_name: String, ip: IpAddr },
    App { principal: Guid, name: String },
}

/// One thing that a change was about.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) id: Guid,
    pub(crate) name: String,
    pub(crate) kind: Cow<'static, str>,
    pub(crate) properties: Vec<Property>,
}

/// One changed property; values are JSON texts inside a JSON string, as the log nests them.
#[derive(Clone, Debug)]
pub(crate) struct Property {
    pub(crate) name: Cow<'static, str>,
    pub(crate) old: Option<String>,
    pub(crate) new: Option<String>,
}

/// One change to the directory.
#[derive(Clone, Debug)]
pub(crate) struct Audit {
    pub(crate) operation: Cow<'static, str>,
    pub(crate) operation_type: &'static str,
    /// `category`, as `ApplicationManagement`.
    pub(crate) category: Cow<'static, str>,
    /// `loggedByService`.
    pub(crate) service: Cow<'static, str>,
    pub(crate) actor: Actor,
    pub(crate) targets: Vec<Target>,
    /// Application that the change concerns, for `additionalDetails`.
    pub(crate) app: Guid,
    pub(crate) user_agent: Cow<'static, str>,
    /// Why it was refused; it was made when there is no reason.
    pub(crate) refused: Option<Cow<'static, str>>,
    /// Records of one action share it.
    pub(crate) correlation: u64,
}

/// `properties.id` of the audit record that belongs to `id`.
pub(crate) fn audit_id(correlation: u64, id: u64) -> String {
    let letters: String = (0..5).map(|i| char::from(b'A' + (mix(id ^ i) % 26) as u8)).collect();
    format!("Directory_{}_{letters}_{}", Guid::from_seed(correlation), 10_000_000 + mix(id) % 900_000_000)
}

/// Writes one change to the directory, without a line break.
pub(crate) fn write_audit(out: &mut Vec<u8>, tenant: Guid, time: i64, id: u64, audit: &Audit) {
    let mut json = Json(out);
    let correlation = Guid::from_seed(audit.correlation);
    json.raw(r#"{"time":"#).time(time, id, "Z").raw(r#","resourceId":"/tenants/"#).bare_guid(tenant);
    json.raw(r#"/providers/Microsoft.aadiam","operationName":"#).string(&audit.operation);
    json.raw(r#","operationVersion":"1.0","category":"AuditLogs","tenantId":"#).guid(tenant);
    json.raw(r#","resultSignature":"None","durationMs":0"#);
    if let Actor::User { ip, .. } = &audit.actor {
        json.raw(r#","callerIpAddress":"#).address(*ip);
    }
    json.raw(r#","correlationId":"#)
        .guid(correlation)
        .raw(r#","Level":4,"properties":{"tenantId":"#)
        .guid(tenant);
    json.raw(r#","resultType":"","resultDescription":"","operationName":"#).string(&audit.operation);
    json.raw(r#","identity":"","tenantGeo":"EU","id":"#).string(&audit_id(audit.correlation, id));
    json.raw(r#","category":"#).string(&audit.category).raw(r#","correlationId":"#).guid(correlation);
    json.raw(if audit.refused.is_some() { r#","result":"failure""# } else { r#","result":"success""# });
    json.raw(r#","resultReason":"#).string(audit.refused.as_deref().unwrap_or_default());
    json.raw(r#","activityDisplayName":"#).string(&audit.operation);
    json.raw(r#","activityDateTime":"#).time(time, id, "+00:00");
    json.raw(r#","loggedByService":"#)
        .string(&audit.service)
        .raw(r#","operationType":"#)
        .string(audit.operation_type);
    json.raw(r#","userAgent":null,"initiatedBy":{"#);
    match &audit.actor {
        Actor::User { id, user_principal_name, ip } => {
            json.raw(r#""user":{"id":"#).guid(*id).raw(r#","displayName":null,"userPrincipalName":"#);
            json.string(user_principal_name).raw(r#","ipAddress":"#).address(*ip).raw(r#","roles":[]}"#);
        }
        Actor::App { principal, name } => {
            json.raw(r#""app":{"appId":null,"displayName":"#).string(name);
            json.raw(r#","servicePrincipalId":"#).guid(*principal).raw(r#","servicePrincipalName":null}"#);
        }
    }
    json.raw(r#"},"performedBy":null,"targetResources":["#);
    for (n, target) in audit.targets.iter().enumerate() {
        json.raw(if n > 0 { "," } else { "" }).raw(r#"{"id":"#).guid(target.id);
        json.raw(r#","displayName":"#).string(&target.name).raw(r#","type":"#).string(&target.kind);
        if target.kind == "User" {
            json.raw(r#","userPrincipalName":"#).string(&target.name);
        }
        json.raw(r#","modifiedProperties":["#);
        for (n, property) in target.properties.iter().enumerate() {
            json.raw(if n > 0 { "," } else { "" }).raw(r#"{"displayName":"#).string(&property.name);
            json.raw(r#","oldValue":"#).string_or_null(property.old.as_deref());
            json.raw(r#","newValue":"#).string_or_null(property.new.as_deref()).raw("}");
        }
        json.raw(r#"],"administrativeUnits":[]}"#);
    }
    json.raw(r#"],"additionalDetails":[{"key":"User-Agent","value":"#).string(&audit.user_agent);
    json.raw("}");
    if audit.app != Guid::default() {
        json.raw(r#",{"key":"AppId","value":"#).guid(audit.app).raw("}");
    }
    json.raw("]}}");
}
