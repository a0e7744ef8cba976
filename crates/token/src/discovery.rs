//! The documents by which clients find the endpoints.

use serde_json::{Value, json};

use crate::claims::issuer;

/// The OIDC discovery document of a tenant. `base` is scheme, host and port as the client called them,
/// without a slash at the end: MSAL for Node takes no issuer from another origin. `tenant_id` is the GUID even
/// where a domain was asked for, since MSAL for Python takes its cache's realm from the token endpoint.
/// `v1_issuer_base` is what v1.0 issuers start with, [`crate::claims::V1_ISSUER_BASE`] unless configured.
pub fn openid_configuration(base: &str, tenant_id: &str, version: u8, v1_issuer_base: &str) -> Value {
    let tenant = format!("{base}/{tenant_id}");
    let (oauth2, keys, issuer) = match version {
        1 => ("oauth2", "discovery/keys", issuer(1, v1_issuer_base, tenant_id)),
        _ => ("oauth2/v2.0", "discovery/v2.0/keys", issuer(2, base, tenant_id)),
    };
    json!({
        "token_endpoint": format!("{tenant}/{oauth2}/token"),
        "token_endpoint_auth_methods_supported":
            ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{tenant}/{keys}"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "grant_types_supported":
            ["client_credentials", "authorization_code", "refresh_token",
             "urn:ietf:params:oauth:grant-type:device_code"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer,
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": format!("{base}/oidc/userinfo"),
        "authorization_endpoint": format!("{tenant}/{oauth2}/authorize"),
        "device_authorization_endpoint": format!("{tenant}/{oauth2}/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{tenant}/{oauth2}/logout"),
        "claims_supported":
            ["sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name",
             "msgraph_host", "aud", "exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name",
             "tid", "ver", "at_hash", "c_hash", "email"],
        "tenant_region_scope": Value::Null,
        "cloud_instance_name": authority(base),
        "cloud_graph_host_name": authority(base),
        "msgraph_host": authority(base),
    })
}

/// The answer of instance discovery: this server is the one authority, under the name that it was called by.
pub fn instance_discovery(base: &str, tenant: &str) -> Value {
    let host = authority(base);
    json!({
        "tenant_discovery_endpoint": format!("{base}/{tenant}/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
    })
}

/// Host and port.
fn authority(base: &str) -> &str {
    base.split_once("://").map_or(base, |(_, authority)| authority)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::V1_ISSUER_BASE;

    const BASE: &str = "https://id.example:8443";
    const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";

    #[test]
    fn clients_find_what_they_need() {
        let v2 = openid_configuration(BASE, TENANT, 2, V1_ISSUER_BASE);
        assert_eq!(v2["issuer"], format!("{BASE}/{TENANT}/v2.0"));
        assert_eq!(v2["token_endpoint"], format!("{BASE}/{TENANT}/oauth2/v2.0/token"));
        assert_eq!(v2["authorization_endpoint"], format!("{BASE}/{TENANT}/oauth2/v2.0/authorize"));
        assert_eq!(v2["jwks_uri"], format!("{BASE}/{TENANT}/discovery/v2.0/keys"));
        let v1 = openid_configuration(BASE, TENANT, 1, V1_ISSUER_BASE);
        assert_eq!(v1["issuer"], format!("https://sts.windows.net/{TENANT}/"));
        assert_eq!(v1["token_endpoint"], format!("{BASE}/{TENANT}/oauth2/token"));
        assert_eq!(v1["jwks_uri"], format!("{BASE}/{TENANT}/discovery/keys"));
    }

    #[test]
    fn the_instance_is_the_host_that_was_called() {
        let answer = instance_discovery(BASE, "common");
        assert_eq!(
            answer["tenant_discovery_endpoint"],
            format!("{BASE}/common/v2.0/.well-known/openid-configuration")
        );
        assert_eq!(answer["metadata"][0]["aliases"][0], "id.example:8443");
    }
}
