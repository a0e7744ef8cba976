//! Directory audit records.

use std::borrow::Cow;

use countersign_model::event::{Actor, DirectoryAudit};
use countersign_model::id::{AppId, EventId, Id, ServicePrincipalId, TenantId};

use crate::address;
use crate::fields::{Fields, Initiator, Raw, Scalar};
use crate::outcome::Unreadable;
use crate::text;
use crate::time;

pub(crate) fn decode<'a>(raw: &mut Raw<'a>) -> Result<DirectoryAudit<'a>, Unreadable> {
    let tenant = TenantId(raw.tenant());
    let Raw { envelope, properties, has_properties, .. } = raw;
    let has_properties = *has_properties;
    let caller = envelope.caller_ip_address.take();
    let envelope_time = std::mem::take(&mut envelope.time).or(&mut envelope.time_generated);
    let mut envelope_reason = std::mem::take(&mut envelope.result_description);
    let mut envelope_operation = std::mem::take(&mut envelope.operation_name);
    let envelope_id = if has_properties { Id::NONE } else { envelope.correlation_id.take_id() };
    let mut envelope_correlation = std::mem::take(&mut envelope.correlation_id);
    let fields: &mut Fields<'a> = if has_properties { properties } else { envelope };

    let mut activity_time = std::mem::take(&mut fields.activity_date_time);
    let mut time_text = activity_time.or(&mut { envelope_time });
    // Some Graph answers have `createdDateTime` instead.
    let time_text = time_text.or(&mut fields.created_date_time);
    let time = time::parse(time_text.as_str())
        .ok_or_else(|| Unreadable::time("activityDateTime", time_text.as_str()))?;

    let mut operation = fields.activity_display_name.or(&mut fields.operation_name);
    let operation = text::operation(operation.or(&mut envelope_operation).take());
    if operation.is_empty() {
        return Err(Unreadable::missing("activityDisplayName"));
    }
    let Initiator { user, app } = fields.initiator.take().unwrap_or_default();
    let mut user_address = Scalar::Absent;
    let initiated_by = match (user, app) {
        (_, Some(mut app))
            if !(app.service_principal_id.is_absent()
                && app.display_name.is_absent()
                && app.app_id.is_absent()) =>
        {
            // `displayName` alone sometimes holds the id.
            let name = app.display_name.take();
            let service_principal = match app.service_principal_id.take_id() {
                id if !id.is_none() => id,
                _ => match Id::parse(&name) {
                    Id::Guid(guid) => Id::Guid(guid),
                    Id::Text(_) => Id::NONE,
                },
            };
            Actor::App {
                service_principal: ServicePrincipalId(service_principal),
                app: AppId(app.app_id.take_id()),
                name,
            }
        }
        (Some(mut user), _) => {
            user_address = std::mem::take(&mut user.ip_address);
            Actor::User { id: user.id.take_id(), user_principal_name: user.user_principal_name.take() }
        }
        _ => Actor::Unknown,
    };
    let spelled: Cow<'a, str> = if user_address.is_absent() { caller } else { user_address.take() };
    let correlation = match fields.correlation_id.take_id() {
        id if id.is_none() && has_properties => envelope_correlation.take_id(),
        id if id.is_none() => envelope_id,
        id => id,
    };
    Ok(DirectoryAudit {
        id: EventId(fields.id.take_id()),
        time,
        tenant,
        operation,
        category: fields.category.take(),
        succeeded: fields.result.as_str().eq_ignore_ascii_case("success"),
        reason: fields.result_reason.or(&mut fields.result_description).or(&mut envelope_reason).take(),
        initiated_by,
        targets: fields.targets.take().unwrap_or_default(),
        address: address::parse(spelled),
        user_agent: fields.details.user_agent.take(),
        app: AppId(fields.details.app_id.take_id()),
        correlation,
    })
}
