//! `countersign init`: a data folder, ready to be served; and `countersign tenant`.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use countersign_model::time::Timestamp;
use countersign_store::{Location, Plan, Store};

use super::bootstrap::{self, Created, NewTenant};
use super::{clock, files, tls};
use crate::cli::{Init, TenantCommand};

/// Makes the folder and its first tenant, and prints what is shown only once.
pub(crate) fn run(arguments: &Init) -> Result<()> {
    let now = clock::now();
    let file = files::database_file(&arguments.data);
    let location = location(arguments.database.as_deref(), &file, true)?;
    files::create_folder(&arguments.data)?;
    let made = make(arguments, location, now);
    if made.is_err() {
        files::clear_folder(&arguments.data);
    }
    report(&arguments.data, made?, arguments.json)
}

fn make(arguments: &Init, location: Location<'_>, now: Timestamp) -> Result<Created> {
    let master_key = files::create_master_key(&arguments.data)?;
    tls::create_authority(&arguments.data, now)?;
    super::runtime()?.block_on(async {
        let store = Store::open(location, master_key).await.context("cannot open the database")?;
        if !store.tenants().await?.is_empty() {
            bail!("the database holds the tenants of a server already; nothing was changed there");
        }
        let new = new_tenant(&arguments.tenant)?;
        let created = bootstrap::create_tenant(&store, new, now).await?;
        store.close().await;
        Ok(created)
    })
}

fn new_tenant(arguments: &crate::cli::TenantArguments) -> Result<NewTenant> {
    if let Some(id) = &arguments.tenant_id
        && uuid::Uuid::try_parse(id).is_err()
    {
        bail!("`--tenant-id` is `{id}`; it must be a GUID");
    }
    Ok(NewTenant {
        id: arguments.tenant_id.clone(),
        name: arguments.tenant_name.clone(),
        domain: arguments.tenant_domain.clone(),
        signing_algorithm: arguments.signing_algorithm.as_str().to_owned(),
    })
}

fn report(data: &Path, created: Created, is_json: bool) -> Result<()> {
    let authority = std::path::absolute(tls::authority_file(data))?;
    let created = Created { ca_certificate: authority.display().to_string(), ..created };
    if is_json {
        crate::output::say(&serde_json::to_string_pretty(&created)?);
        return Ok(());
    }
    let mut text = String::new();
    for (name, value) in [
        ("tenant id", &created.tenant_id),
        ("tenant domain", &created.tenant_domain),
        ("administrator", &created.admin_user.user_principal_name),
        ("password", &created.admin_user.password),
        ("client id", &created.admin_app.client_id),
        ("client secret", &created.admin_app.client_secret),
        ("authority to trust", &created.ca_certificate),
    ] {
        writeln!(text, "  {name:<19} {value}")?;
    }
    crate::output::say(&format!(
        "{text}\nKeep the password and the secret: they are not shown again. Next:\n  countersign serve --data {}",
        data.display()
    ));
    Ok(())
}

/// `countersign tenant …`
pub(crate) fn tenant(command: &TenantCommand) -> Result<()> {
    let now = clock::now();
    super::runtime()?.block_on(async {
        match command {
            TenantCommand::Create { data, tenant, json, .. } => {
                let store = open(data.data.as_path(), data.database.as_deref()).await?;
                let created = bootstrap::create_tenant(&store, new_tenant(tenant)?, now).await?;
                store.close().await;
                report(&data.data, created, *json)
            }
            TenantCommand::List { data, json } => {
                let store = open(&data.data, data.database.as_deref()).await?;
                let tenants = store.tenants().await?;
                store.close().await;
                list(&tenants, *json)
            }
            TenantCommand::Update { data, tenant, plan, trial_days, signing_algorithm } => {
                let store = open(&data.data, data.database.as_deref()).await?;
                let Some(mut found) = store.tenant(tenant).await? else {
                    bail!("there is no tenant `{tenant}`")
                };
                if let Some(plan) = plan {
                    found.plan = Plan::parse(plan.as_str()).context("no such plan")?;
                    let until = now.plus(i64::from(*trial_days) * countersign_model::time::DAY);
                    found.plan_until = (found.plan == Plan::Trial).then_some(until);
                }
                if let Some(algorithm) = signing_algorithm {
                    algorithm.as_str().clone_into(&mut found.signing_algorithm);
                }
                store.update_tenant(&found).await?;
                store.close().await;
                list(&[found], false)
            }
        }
    })
}

fn list(tenants: &[countersign_store::Tenant], is_json: bool) -> Result<()> {
    if is_json {
        let all: Vec<serde_json::Value> = tenants
            .iter()
            .map(|tenant| {
                serde_json::json!({
                    "id": tenant.id,
                    "domain": tenant.domain,
                    "displayName": tenant.display_name,
                    "plan": tenant.plan.as_str(),
                    "planUntil": tenant.plan_until.map(|until| until.to_string()),
                    "signingAlgorithm": tenant.signing_algorithm,
                    "created": tenant.created.to_string(),
                })
            })
            .collect();
        crate::output::say(&serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    let mut table = comfy_table::Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    table.set_header(["id", "domain", "name", "plan", "tokens"]);
    for tenant in tenants {
        let plan = match tenant.plan_until {
            Some(until) => format!("{} until {}", tenant.plan.as_str(), until.date()),
            None => tenant.plan.as_str().to_owned(),
        };
        table.add_row([&tenant.id, &tenant.domain, &tenant.display_name, &plan, &tenant.signing_algorithm]);
    }
    crate::output::say(&table.to_string());
    Ok(())
}

/// Where the database is: at the address that was set, or in the data folder's file.
fn location<'a>(database: Option<&'a str>, file: &'a Path, create: bool) -> Result<Location<'a>> {
    let Some(url) = database else { return Ok(Location::Sqlite { file, create }) };
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        // What it is instead may hold a password.
        bail!("`database` must be the address of a PostgreSQL database, such as `postgres://user@host/name`");
    }
    Ok(Location::Postgres(url))
}

/// Opens the database of a data folder.
pub(crate) async fn open(data: &Path, database: Option<&str>) -> Result<Store> {
    let master_key = files::read_master_key(data)?;
    let file = files::database_file(data);
    let location = location(database, &file, false)?;
    Store::open(location, master_key).await.context("cannot open the database")
}
