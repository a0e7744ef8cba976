//! A new tenant: what must be there before anybody can sign in.

use anyhow::{Context, Result};
use countersign_model::time::Timestamp;
use countersign_store::entity::{
    APP_ROLE_ASSIGNMENT, APPLICATION, OAUTH2_PERMISSION_GRANT, ROLE_ASSIGNMENT, SERVICE_PRINCIPAL, USER,
};
use countersign_store::{Plan, Store, Tenant, UserSecrets};
use serde::Serialize;
use serde_json::{Map, json};

use super::directory;
use super::graph::access::{GLOBAL_ADMINISTRATOR, PERMISSIONS};
use super::{ids, passwords};

/// What a new tenant is called.
#[derive(Debug)]
pub(crate) struct NewTenant {
    /// Id, where it must be that of a tenant elsewhere.
    pub(crate) id: Option<String>,
    /// Display name.
    pub(crate) name: String,
    /// Domain; made from the name when it is missing.
    pub(crate) domain: Option<String>,
    /// `RS256` or `ES256`.
    pub(crate) signing_algorithm: String,
}

/// What is printed once and never again.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Created {
    pub(crate) tenant_id: String,
    pub(crate) tenant_domain: String,
    pub(crate) admin_user: AdminUser,
    pub(crate) admin_app: AdminApp,
    pub(crate) ca_certificate: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AdminUser {
    pub(crate) user_principal_name: String,
    pub(crate) password: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AdminApp {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) object_id: String,
    pub(crate) service_principal_id: String,
}

/// Makes the tenant, Microsoft Graph in it, an administrator and an application with every permission of Graph.
pub(crate) async fn create_tenant(store: &Store, new: NewTenant, now: Timestamp) -> Result<Created> {
    let tenant = Tenant {
        id: match new.id {
            Some(id) => id.to_ascii_lowercase(),
            None => ids::guid()?,
        },
        domain: new.domain.unwrap_or_else(|| domain_of(&new.name)),
        display_name: new.name,
        plan: Plan::Premium,
        plan_until: None,
        signing_algorithm: new.signing_algorithm,
        created: now,
    };
    let mut scoped = store
        .create_tenant(&tenant)
        .await
        .with_context(|| format!("cannot create the tenant `{}` ({})", tenant.display_name, tenant.id))?;

    let graph = scoped.insert(&SERVICE_PRINCIPAL, directory::graph_service_principal(now)?).await?;
    scoped.claim_names(directory::GRAPH_APP_ID).await?;

    let tools = scoped.insert(&SERVICE_PRINCIPAL, directory::command_line_tools(now)?).await?;
    scoped.claim_names(directory::COMMAND_LINE_APP_ID).await?;
    scoped.insert(&OAUTH2_PERMISSION_GRANT, directory::grant_of_all_scopes(&tools.id, &graph.id)?).await?;

    let user_principal_name = format!("admin@{}", tenant.domain);
    let user = scoped.insert(&USER, directory::user(&user_principal_name, "Administrator", now)?).await?;
    let password = passwords::generate()?;
    let secrets = UserSecrets { password_hash: Some(passwords::hash(&password)?), ..UserSecrets::default() };
    scoped.set_user_secrets(&user.id, &secrets).await?;
    scoped.insert(&ROLE_ASSIGNMENT, directory::role_assignment(&user.id, GLOBAL_ADMINISTRATOR.id)?).await?;

    let given = directory::object(json!({
        "displayName": "Countersign administration",
        "signInAudience": "AzureADMyOrg",
    }));
    let mut application = directory::application(&tenant, given, now)?;
    let secret = directory::secret(Some("made by init"), None, None, now)?;
    let key_id = secret.credential["keyId"].as_str().unwrap_or_default().to_owned();
    application.insert("passwordCredentials".into(), json!([secret.credential]));
    let application = scoped.insert(&APPLICATION, application).await?;
    scoped
        .add_secret_hash(&application.id, &key_id, &store.master_key().hash(secret.text.as_bytes()))
        .await?;
    let principal = directory::service_principal(&application.body, &tenant.id, Map::new(), now)?;
    let principal = scoped.insert(&SERVICE_PRINCIPAL, principal).await?;
    scoped.claim_names(principal.text("appId").unwrap_or_default()).await?;
    scoped.add_owner(&application.id, &user.id, now).await?;
    for permission in PERMISSIONS.iter().filter(|permission| !permission.role_id.is_empty()) {
        let assignment = directory::app_role_assignment(
            &principal.body,
            "ServicePrincipal",
            &graph.body,
            permission.role_id,
            now,
        )?;
        scoped.insert(&APP_ROLE_ASSIGNMENT, assignment).await?;
    }
    scoped.commit().await?;
    Ok(Created {
        tenant_id: tenant.id,
        tenant_domain: tenant.domain,
        admin_user: AdminUser { user_principal_name, password },
        admin_app: AdminApp {
            client_id: application.text("appId").unwrap_or_default().to_owned(),
            client_secret: secret.text,
            object_id: application.id,
            service_principal_id: principal.id,
        },
        ca_certificate: String::new(),
    })
}

/// `Contoso Ltd.` → `contoso-ltd.example`: a domain that belongs to nobody (RFC 2606).
fn domain_of(name: &str) -> String {
    let words: Vec<String> = name
        .split(|character: char| !character.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let label = if words.is_empty() { "tenant".to_owned() } else { words.join("-") };
    format!("{}.example", &label[..label.len().min(63)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_made_of_names() {
        for (name, domain) in
            [("Contoso", "contoso.example"), ("Contoso Ltd.", "contoso-ltd.example"), ("–", "tenant.example")]
        {
            assert_eq!(domain_of(name), domain);
        }
    }
}
