//! Calls of Microsoft Graph and of the legacy directory API.

use countersign_model::event::{Api, ApiActivity};
use countersign_model::id::{AppId, EventId, Id, ServicePrincipalId, TenantId};

use crate::address;
use crate::fields::Raw;
use crate::outcome::Unreadable;
use crate::text;
use crate::time;

pub(crate) fn decode<'a>(raw: &mut Raw<'a>, api: Api) -> Result<ApiActivity<'a>, Unreadable> {
    let tenant = TenantId(raw.tenant());
    let Raw { envelope, properties, has_properties, .. } = raw;
    let envelope_time = std::mem::take(&mut envelope.time).or(&mut envelope.time_generated);
    let mut caller = std::mem::take(&mut envelope.caller_ip_address);
    let fields = if *has_properties { properties } else { envelope };

    let mut generated = std::mem::take(&mut fields.time_generated);
    let time_text = generated.or(&mut { envelope_time });
    let time = time::parse(time_text.as_str())
        .ok_or_else(|| Unreadable::time("timeGenerated", time_text.as_str()))?;

    let app = AppId(fields.app_id.take_id());
    let mut service_principal = fields.service_principal_id.take_id();
    let user = fields.user_id.take_id();
    if app.is_none() && service_principal.is_none() && user.is_none() {
        return Err(Unreadable::missing("appId"));
    }
    let is_delegated = fields.c_idtyp.as_str().eq_ignore_ascii_case("user")
        || fields.actor_type.as_str().eq_ignore_ascii_case("user")
        || !user.is_none();
    if is_delegated {
        // Some delegated rows name the client's service principal; who acts is the user.
        service_principal = Id::NONE;
    }
    let mut address = fields.ip_address.or(&mut fields.caller_ip_address);
    Ok(ApiActivity {
        id: EventId(fields.request_id.take_id()),
        time,
        api,
        tenant,
        service_principal: ServicePrincipalId(service_principal),
        user,
        app,
        address: address::parse(address.or(&mut caller).take()),
        user_agent: fields.user_agent.take(),
        method: fields.request_method.take(),
        uri: text::request_uri(fields.request_uri.take()),
        status: fields.response_status_code.integer().and_then(|code| u16::try_from(code).ok()).unwrap_or(0),
        response_bytes: fields
            .response_size_bytes
            .integer()
            .and_then(|size| u64::try_from(size).ok())
            .unwrap_or(0),
        roles: text::list(fields.roles.take()),
        scopes: text::list(fields.scopes.take()),
        token: fields.sign_in_activity_id.take(),
    })
}
