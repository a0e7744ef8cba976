//! `countersign user` and `countersign managed-identity`: what Graph has no call for.

use anyhow::{Context as _, Result, bail};
use countersign_store::entity::{SERVICE_PRINCIPAL, USER};
use countersign_store::{Scoped, Store, Tenant};

use super::{clock, directory, ids, init, passwords};
use crate::cli::{ManagedIdentityCommand, UserCommand};
use crate::output;

pub(crate) async fn tenant(store: &Store, name: Option<&str>) -> Result<Tenant> {
    if let Some(name) = name {
        return store.tenant(name).await?.with_context(|| format!("there is no tenant `{name}`"));
    }
    match <[Tenant; 1]>::try_from(store.tenants().await?) {
        Ok([tenant]) => Ok(tenant),
        Err(tenants) => bail!("there are {} tenants: say which with --tenant", tenants.len()),
    }
}

/// `countersign user …`
pub(crate) fn user(command: &UserCommand) -> Result<()> {
    super::runtime()?.block_on(async {
        let (UserCommand::Totp { account, .. } | UserCommand::Password { account }) = command;
        let store = init::open(&account.data.data, account.data.database.as_deref()).await?;
        let tenant = tenant(&store, account.tenant.as_deref()).await?;
        let mut scoped = store.begin(&store.scope(&tenant)).await?;
        let found = scoped.get_by(&USER, "user_principal_name", &account.user).await?;
        let found =
            found.with_context(|| format!("there is no user `{}` in `{}`", account.user, tenant.domain))?;
        let mut secrets = scoped.user_secrets(&found.id).await?.unwrap_or_default();
        let text = match command {
            UserCommand::Totp { remove: true, .. } => {
                secrets.totp_secret = None;
                secrets.totp_last_step = 0;
                format!("{} signs in with the password alone", account.user)
            }
            UserCommand::Totp { .. } => {
                let secret = ids::random::<20>()?;
                secrets.totp_secret = Some(secret.to_vec());
                secrets.totp_last_step = 0;
                let secret = base32(&secret);
                format!(
                    "{secret}\notpauth://totp/Countersign:{}?secret={secret}&issuer=Countersign",
                    account.user.replace('@', "%40")
                )
            }
            UserCommand::Password { .. } => {
                let password = passwords::generate()?;
                secrets.password_hash = Some(passwords::hash(&password)?);
                password
            }
        };
        scoped.set_user_secrets(&found.id, &secrets).await?;
        if matches!(command, UserCommand::Password { .. }) {
            let mut user = found;
            directory::revoke_sign_ins(&mut user.body, clock::now());
            scoped.update(&USER, user).await?;
        }
        finish(store, scoped, &text).await
    })
}

async fn finish(store: Store, scoped: Scoped, text: &str) -> Result<()> {
    scoped.commit().await?;
    store.close().await;
    output::say(text);
    Ok(())
}

/// RFC 4648 section 6, without padding: what authenticator apps take.
fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut block = [0; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        for at in 0..(chunk.len() * 8).div_ceil(5) {
            text.push(char::from(LETTERS[(bits >> (35 - 5 * at)) as usize & 31]));
        }
    }
    text
}

/// `countersign managed-identity …`
pub(crate) fn managed_identity(command: &ManagedIdentityCommand) -> Result<()> {
    super::runtime()?.block_on(async {
        let ManagedIdentityCommand::Create { data, tenant: name, name: display_name, json } = command;
        let store = init::open(&data.data, data.database.as_deref()).await?;
        let tenant = tenant(&store, name.as_deref()).await?;
        let mut scoped = store.begin(&store.scope(&tenant)).await?;
        let body = directory::managed_identity(display_name, clock::now())?;
        let record = scoped.insert(&SERVICE_PRINCIPAL, body).await?;
        let (client_id, id) = (record.text("appId").unwrap_or_default().to_owned(), record.id);
        scoped.claim_names(&client_id).await?;
        let text = if *json {
            serde_json::json!({ "clientId": client_id, "servicePrincipalId": id, "tenantId": tenant.id })
                .to_string()
        } else {
            format!("  client id             {client_id}\n  service principal id  {id}")
        };
        finish(store, scoped, &text).await
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_that_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
    }
}
