//! `countersign policy`: Conditional Access on the command line. The same calls as over HTTPS, answered by the same code,
//! without a network in between.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use axum::http::{HeaderMap, HeaderValue, header};
use countersign_access::evaluate::Conditions;
use countersign_access::question::Question;
use countersign_access::rule::Rule;
use countersign_odata::edm::Version;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::config::RawConfig;
use super::directory::GRAPH_APP_ID;
use super::graph::access::PERMISSIONS;
use super::graph::what_if::Judged;
use super::graph::{self, Answer, Caller, CallerKind};
use super::{Server, accounts, clock, ids};
use crate::cli::{PolicyCommand, PolicyRisk, PolicyScope, PolicySettings, PolicyState};
use crate::output;

const POLICIES: &str = "/identity/conditionalAccess/policies";
const LOCATIONS: &str = "/identity/conditionalAccess/namedLocations";
const EVALUATE: &str = "/identity/conditionalAccess/evaluate";
const REPORT_ONLY: &str = "enabledForReportingButNotEnforced";

/// Runs one of them.
pub(crate) fn run(command: &PolicyCommand) -> Result<()> {
    let (PolicyCommand::List { common }
    | PolicyCommand::Create { common, .. }
    | PolicyCommand::Enable { common, .. }
    | PolicyCommand::Disable { common, .. }
    | PolicyCommand::Delete { common, .. }
    | PolicyCommand::WhatIf { common, .. }) = command;
    let mut raw = RawConfig::default();
    raw.database.clone_from(&common.data.database);
    let config = raw.resolve(&common.data.data)?;
    super::runtime()?.block_on(async {
        let server = super::open(config).await?;
        let tenant = accounts::tenant(&server.store, common.tenant.as_deref()).await?;
        let name = match command {
            PolicyCommand::List { .. } => "countersign policy list",
            PolicyCommand::Create { .. } => "countersign policy create",
            PolicyCommand::Enable { .. } => "countersign policy enable",
            PolicyCommand::Disable { .. } => "countersign policy disable",
            PolicyCommand::Delete { .. } => "countersign policy delete",
            PolicyCommand::WhatIf { .. } => "countersign policy what-if",
        };
        let caller = Caller {
            scope: server.store.scope(&tenant),
            tenant,
            app_id: String::new(),
            app_name: name.to_owned(),
            kind: CallerKind::Application {
                service_principal_id: String::new(),
                permissions: PERMISSIONS.iter().map(|permission| permission.name.to_owned()).collect(),
            },
            ip: None,
        };
        let session = Session { server: &server, caller: &caller };
        let text = match command {
            PolicyCommand::List { .. } => session.list(common.json).await,
            PolicyCommand::Create { settings, .. } => session.create(settings, common.json).await,
            PolicyCommand::Enable { id, .. } => session.switch(id, "enabled", common.json).await,
            PolicyCommand::Disable { id, .. } => session.switch(id, "disabled", common.json).await,
            PolicyCommand::Delete { id, .. } => session.delete(id, common.json).await,
            PolicyCommand::WhatIf { principal, resource, ip, country, risk, applied_only, .. } => {
                let conditions = json!({
                    "ipAddress": ip, "country": country, "servicePrincipalRiskLevel": risk.map(PolicyRisk::as_graph),
                });
                session.what_if(principal, resource.as_deref(), conditions, *applied_only, common.json).await
            }
        };
        let Server { store, .. } = server;
        store.close().await;
        output::say(&text?);
        Ok(())
    })
}

/// Calls of the API by whoever may read the data folder, who may do everything.
struct Session<'a> {
    server: &'a Server,
    caller: &'a Caller,
}

impl Session<'_> {
    async fn call(&self, method: &str, path: &str, query: &str, body: Option<&Json>) -> Result<Json> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = body.map(|body| serde_json::to_vec(body).unwrap_or_default()).unwrap_or_default();
        let now = clock::now();
        let request_id = ids::ordered(now)?.to_string();
        let request = graph::Request {
            method,
            version: Version::V1,
            path,
            query,
            headers: &headers,
            body: &body,
            base: "",
            now,
            request_id: &request_id,
        };
        match graph::dispatch(self.server, self.caller, &request).await {
            Ok(Answer::Json { body, .. }) => Ok(body),
            Ok(Answer::Count(number)) => Ok(number.into()),
            Ok(Answer::Empty) => Ok(Json::Null),
            Err(error) => Err(anyhow!("{}", error.message)),
        }
    }

    /// All objects of a collection.
    async fn all(&self, path: &str) -> Result<Vec<Json>> {
        let mut objects = Vec::new();
        let mut query = "$top=999".to_owned();
        loop {
            let page = self.call("GET", path, &query, None).await?;
            objects.extend(page["value"].as_array().cloned().unwrap_or_default().into_iter().map(plain));
            match page["@odata.nextLink"].as_str().and_then(|link| link.split_once('?')) {
                Some((_, next)) => next.clone_into(&mut query),
                None => return Ok(objects),
            }
        }
    }

    async fn list(&self, is_json: bool) -> Result<String> {
        let policies = self.all(POLICIES).await?;
        if is_json {
            return Ok(serde_json::to_string_pretty(&policies)?);
        }
        if policies.is_empty() {
            return Ok("There are no policies.".to_owned());
        }
        let rows =
            policies.iter().map(|policy| [text(policy, "id"), state(policy), text(policy, "displayName")]);
        Ok(table(&["id", "state", "name"], rows.map(Vec::from)))
    }

    async fn create(&self, settings: &PolicySettings, is_json: bool) -> Result<String> {
        let (policy, source) = match &settings.file {
            Some(file) => (read(file)?, Some(file.display().to_string())),
            None => (self.policy(settings).await?, None),
        };
        let made = self.call("POST", POLICIES, "", Some(&policy)).await;
        let made = match source {
            Some(source) => made.with_context(|| format!("`{source}`"))?,
            None => made?,
        };
        let made = plain(made);
        warn_of_everybody(&made);
        told(&made, is_json)
    }

    /// Gives a policy another state.
    async fn switch(&self, id: &str, state: &str, is_json: bool) -> Result<String> {
        let path = path_of(id)?;
        self.call("PATCH", &path, "", Some(&json!({ "state": state }))).await?;
        let policy = plain(self.call("GET", &path, "", None).await?);
        warn_of_everybody(&policy);
        told(&policy, is_json)
    }

    async fn delete(&self, id: &str, is_json: bool) -> Result<String> {
        let path = path_of(id)?;
        let policy = plain(self.call("GET", &path, "", None).await?);
        self.call("DELETE", &path, "", None).await?;
        if is_json {
            return Ok(serde_json::to_string_pretty(&policy)?);
        }
        let (id, name) = (text(&policy, "id"), text(&policy, "displayName"));
        Ok(format!("{id}  {name}\ndeleted: Graph's API can restore it for 30 days"))
    }

    async fn policy(&self, settings: &PolicySettings) -> Result<Json> {
        let name = settings.name.as_deref().context("--name is missing: how the policy is called")?;
        let filter = match (&settings.include_filter, &settings.exclude_filter) {
            (Some(rule), _) => json!({ "mode": "include", "rule": rule }),
            (None, Some(rule)) => json!({ "mode": "exclude", "rule": rule }),
            (None, None) => Json::Null,
        };
        for rule in settings.include_filter.iter().chain(&settings.exclude_filter) {
            Rule::parse(rule).with_context(|| format!("`{rule}` is no rule"))?;
        }
        if settings.include.is_empty() && settings.include_filter.is_none() {
            bail!("--include or --include-filter is missing: whom the policy is about");
        }
        if settings.location.is_empty() && !settings.exclude_location.is_empty() {
            bail!("--exclude-location needs --location: such as `--location all`");
        }
        let mut clients = json!({
            "includeServicePrincipals": self.principals(&settings.include).await?,
            "excludeServicePrincipals": self.principals(&settings.exclude).await?,
            "servicePrincipalFilter": filter,
        });
        if !settings.scope.is_empty() {
            clients["countersignScope"] = settings.scope.iter().copied().map(PolicyScope::as_graph).collect();
        }
        let resources =
            if settings.resource.is_empty() { vec!["all".to_owned()] } else { settings.resource.clone() };
        let locations = if settings.location.is_empty() {
            Json::Null
        } else {
            json!({
                "includeLocations": self.locations(&settings.location).await?,
                "excludeLocations": self.locations(&settings.exclude_location).await?,
            })
        };
        let levels: Vec<&str> = settings.risk.iter().map(|level| level.as_graph()).collect();
        Ok(json!({
            "displayName": name,
            "state": match settings.state {
                PolicyState::ReportOnly => REPORT_ONLY,
                PolicyState::Enabled => "enabled",
                PolicyState::Disabled => "disabled",
            },
            "conditions": {
                "applications": {
                    "includeApplications": applications(&resources)?,
                    "excludeApplications": applications(&settings.exclude_resource)?,
                },
                "clientApplications": clients,
                "servicePrincipalRiskLevels": levels,
                "locations": locations,
            },
            "grantControls": { "operator": "OR", "builtInControls": ["block"] },
        }))
    }

    /// Object ids of principals, named by object id or by appId.
    async fn principals(&self, names: &[String]) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        for name in names {
            if name.eq_ignore_ascii_case("all") {
                ids.push("ServicePrincipalsInMyTenant".to_owned());
            } else {
                ids.push(self.principal(name).await?);
            }
        }
        Ok(ids)
    }

    async fn principal(&self, name: &str) -> Result<String> {
        let unknown =
            || anyhow!("there is no service principal `{name}`: it is named by its object id or its appId");
        let id = Uuid::try_parse(name).map_err(|_| unknown())?;
        let by_id = self.call("GET", &format!("/servicePrincipals/{id}"), "", None).await;
        let found = if let Ok(found) = by_id {
            found
        } else {
            let path = format!("/servicePrincipals(appId='{id}')");
            self.call("GET", &path, "", None).await.map_err(|_| unknown())?
        };
        Ok(text(&found, "id"))
    }

    /// Ids of locations, named by id or by name.
    async fn locations(&self, names: &[String]) -> Result<Vec<String>> {
        let known = self.all(LOCATIONS).await?;
        let mut ids = Vec::new();
        for name in names {
            let id = match name.to_ascii_lowercase().as_str() {
                "all" => "All".to_owned(),
                "all-trusted" => "AllTrusted".to_owned(),
                _ => {
                    let is_named = |location: &&Json| {
                        text(location, "id").eq_ignore_ascii_case(name)
                            || text(location, "displayName") == *name
                    };
                    let mut found = known.iter().filter(is_named);
                    match (found.next(), found.next()) {
                        (Some(location), None) => text(location, "id"),
                        (Some(_), Some(_)) => bail!("several named locations are called `{name}`: use an id"),
                        (None, _) => bail!("there is no named location `{name}`"),
                    }
                }
            };
            ids.push(id);
        }
        Ok(ids)
    }

    async fn what_if(
        &self,
        principal: &str,
        resource: Option<&str>,
        conditions: Json,
        applied_only: bool,
        is_json: bool,
    ) -> Result<String> {
        let resource = resource.unwrap_or(GRAPH_APP_ID);
        let resource =
            Uuid::try_parse(resource).map_err(|_| anyhow!("`{resource}` is no appId of a resource"))?;
        let conditions: Map<String, Json> = match conditions {
            Json::Object(all) => all.into_iter().filter(|(_, value)| !value.is_null()).collect(),
            _ => Map::new(),
        };
        let question = json!({
            "signInIdentity": {
                "@odata.type": "#microsoft.graph.servicePrincipalSignIn",
                "servicePrincipalId": self.principal(principal).await?,
            },
            "signInContext": {
                "@odata.type": "#microsoft.graph.applicationContext",
                "includeApplications": [resource],
            },
            "signInConditions": conditions,
            "appliedPoliciesOnly": applied_only,
        });
        let given = question["signInConditions"].to_string();
        let asked = || format!("what was asked: {given}");
        if is_json {
            let answer = self.call("POST", EVALUATE, "", Some(&question)).await.with_context(asked)?;
            let policies: Vec<Json> =
                answer["value"].as_array().cloned().unwrap_or_default().into_iter().map(plain).collect();
            let blocks = |policy: &Json| policy["policyApplies"] == true && policy["state"] == "enabled";
            let decision = if policies.iter().any(blocks) { "block" } else { "allow" };
            return Ok(serde_json::to_string_pretty(&json!({ "decision": decision, "policies": policies }))?);
        }
        let members = question.as_object().cloned().unwrap_or_default();
        let read = Question::read(&members).with_context(asked)?;
        let judged = graph::what_if::judge(self.server, self.caller, &read).await;
        let judged = judged.map_err(|error| anyhow!("{}", error.message)).with_context(asked)?;
        let judged: Vec<(Json, Judged)> =
            judged.into_iter().map(|one| (one.policy.clone().into_public(), one)).collect();
        let blocking: Vec<String> = judged
            .iter()
            .filter(|(policy, one)| one.applies && policy["state"] == "enabled")
            .map(|(policy, _)| text(policy, "displayName"))
            .collect();
        let rows = judged.iter().map(|(policy, one)| {
            let applies = if one.applies { "yes" } else { "no" };
            vec![text(policy, "displayName"), state(policy), applies.to_owned(), why(policy, one)]
        });
        let verdict = if blocking.is_empty() {
            "allowed".to_owned()
        } else {
            format!("blocked by {}", blocking.join(", "))
        };
        if judged.is_empty() {
            return Ok(verdict);
        }
        Ok(format!("{}\n{verdict}", table(&["policy", "state", "applies", "why"], rows)))
    }
}

/// Why a policy applies or not, in words; Graph has one reason for three of them.
fn why(policy: &Json, judged: &Judged) -> String {
    if judged.applies {
        return "all conditions are met".to_owned();
    }
    if policy["state"] == "disabled" {
        return "it is disabled".to_owned();
    }
    if !judged.is_in_scope {
        return "the workload is out of its scope, such as a managed identity or an application for several tenants"
            .to_owned();
    }
    let lacks = |condition| judged.not_satisfied.contains(condition);
    let is_open = |condition| judged.unknown.contains(condition);
    let mut words = Vec::new();
    if lacks(Conditions::SERVICE_PRINCIPALS) {
        words.push("the workload is not included, or it is excluded");
    }
    if lacks(Conditions::APPLICATION) {
        words.push("it is about another resource");
    }
    if is_open(Conditions::SERVICE_PRINCIPAL_RISK) {
        words.push("it depends on the risk, which was not said");
    } else if lacks(Conditions::SERVICE_PRINCIPAL_RISK) {
        words.push("it is about another risk");
    }
    if is_open(Conditions::LOCATION) {
        words.push("it depends on the location, which was not said");
    } else if lacks(Conditions::LOCATION) {
        words.push("it is about another location");
    }
    words.join("; ")
}

/// Whoever locks himself out must know the way back, which needs no token.
fn warn_of_everybody(policy: &Json) {
    let included = &policy["conditions"]["clientApplications"]["includeServicePrincipals"];
    let is_about_everybody =
        included.as_array().is_some_and(|ids| ids.iter().any(|id| id == "ServicePrincipalsInMyTenant"));
    if policy["state"] == "enabled" && is_about_everybody {
        output::warn(&format!(
            "the policy is about all workloads of the tenant and may block the one that administers it, too; \
             `countersign policy disable {}` takes it out of force",
            text(policy, "id")
        ));
    }
}

/// A policy as it is now.
fn told(policy: &Json, is_json: bool) -> Result<String> {
    if is_json {
        return Ok(serde_json::to_string_pretty(policy)?);
    }
    let what = match state(policy).as_str() {
        "report-only" => "report-only: it blocks nobody, and sign-ins say what it would do",
        "enabled" => "enabled: it blocks from now on",
        _ => "disabled",
    };
    Ok(format!("{}  {}\n{what}", text(policy, "id"), text(policy, "displayName")))
}

fn path_of(id: &str) -> Result<String> {
    let id = Uuid::try_parse(id)
        .map_err(|_| anyhow!("`{id}` is no id of a policy: `countersign policy list` shows them"))?;
    Ok(format!("{POLICIES}/{id}"))
}

/// appIds of resources, or all.
fn applications(names: &[String]) -> Result<Vec<String>> {
    names
        .iter()
        .map(|name| match Uuid::try_parse(name) {
            Ok(id) => Ok(id.to_string()),
            Err(_) if name.eq_ignore_ascii_case("all") => Ok("All".to_owned()),
            Err(_) => bail!("`{name}` is no appId of a resource, nor `all`"),
        })
        .collect()
}

fn read(file: &Path) -> Result<Json> {
    let name = file.display();
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
    } else {
        bytes = std::fs::read(file).with_context(|| format!("cannot read `{name}`"))?;
    }
    match serde_json::from_slice(&bytes) {
        Ok(Json::Object(policy)) => Ok(Json::Object(policy)),
        Ok(_) => bail!("`{name}` must hold one policy, a JSON object"),
        Err(error) => bail!("`{name}` is not JSON: {error}"),
    }
}

/// An object without the annotations of an answer.
fn plain(mut object: Json) -> Json {
    if let Json::Object(members) = &mut object {
        members.retain(|name, _| !name.starts_with("@odata"));
    }
    object
}

/// A text, fit for a terminal.
fn text(object: &Json, name: &str) -> String {
    output::one_line(object[name].as_str().unwrap_or_default())
}

fn state(policy: &Json) -> String {
    match policy["state"].as_str() {
        Some(REPORT_ONLY) => "report-only".to_owned(),
        _ => text(policy, "state"),
    }
}

fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_content_arrangement(comfy_table::ContentArrangement::Disabled);
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}
