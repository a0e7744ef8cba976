//! What all collections do alike: list, count, read one.

use countersign_odata::edm::{EntityType, Kind};
use countersign_odata::error::ODataError;
use countersign_odata::project::project;
use countersign_odata::query::{Expand, Expr, Options, Search};
use countersign_store::entity::{
    APP_ROLE_ASSIGNMENT, APPLICATION, FEDERATED_IDENTITY_CREDENTIAL, RISK_HISTORY, SERVICE_PRINCIPAL, USER,
};
use countersign_store::{Listing, Record, Scoped};
use serde_json::{Map, Value as Json};

use super::call::{Answer, Call, failed};
use super::routes::{Area, Collection, Param};
use super::{attributes, conditional_access, risk, roles, search};

/// Children that `$expand` gives at most.
const EXPANDED_MAX: usize = 20;

/// `GET` of a collection.
pub(crate) async fn list(call: &Call<'_>, collection: &'static Collection) -> Result<Answer, ODataError> {
    let options = call.options(collection.set.entity, collection.area)?;
    risk::check_plan(call, collection, &options)?;
    attributes::check_options(call, &options)?;
    page(call, collection, collection.name, &options, false).await
}

/// A page of a collection, or of what is deleted of it, under the name that `@odata.context` has for it.
pub(crate) async fn page(
    call: &Call<'_>,
    collection: &'static Collection,
    name: &str,
    options: &Options,
    deleted: bool,
) -> Result<Answer, ODataError> {
    let mut scoped = call.read().await?;
    let parent = parent(call, collection, &mut scoped).await?;
    let filter = whole_filter(collection.set.entity, options);
    let listing = Listing {
        within: parent.iter().map(|(column, id)| (*column, id.as_str())).collect(),
        deleted,
        filter: filter.as_ref(),
        order: &options.order_by,
        top: options.top.map_or(collection.area.page_size(), |top| top as usize),
        skip: options.skip.unwrap_or(0) as usize,
        skip_token: options.skip_token.as_deref(),
    };
    // The directory counts on the first page only.
    let wants_count = options.count && !(collection.area == Area::Directory && options.skip_token.is_some());
    let count =
        if wants_count { Some(scoped.count(collection.set, &listing).await.map_err(failed)?) } else { None };
    let page = scoped.list(collection.set, &listing).await.map_err(failed)?;
    let mut values = Vec::with_capacity(page.records.len());
    for record in page.records {
        values.push(show(call, collection, &mut scoped, record, options).await?);
    }
    Ok(Answer::ok(page_of(call, name, values, count, page.skip_token)))
}

/// The body of a page.
pub(crate) fn page_of(
    call: &Call<'_>,
    name: &str,
    values: Vec<Json>,
    count: Option<i64>,
    skip_token: Option<String>,
) -> Json {
    let mut body = Map::new();
    body.insert("@odata.context".into(), call.context(name));
    if let Some(count) = count {
        body.insert("@odata.count".into(), count.into());
    }
    if let Some(token) = skip_token {
        body.insert("@odata.nextLink".into(), next_link(call, token).into());
    }
    body.insert("value".into(), Json::Array(values));
    Json::Object(body)
}

/// Absolute, on the host that the client called, and with all its options: clients follow it as it is.
fn next_link(call: &Call<'_>, token: String) -> String {
    let mut options = call.options.clone();
    options.skip = None;
    options.skip_token = Some(token);
    let path = call.path.trim_matches('/');
    format!("{}/{}/{path}?{}", call.base, call.version.as_str(), options.to_query())
}

/// `GET` of `$count`.
pub(crate) async fn count(call: &Call<'_>, collection: &'static Collection) -> Result<Answer, ODataError> {
    let options = call.options(collection.set.entity, collection.area)?;
    if collection.area == Area::Directory && !call.is_eventual() {
        return Err(ODataError::request_bad_request("$count needs the header 'ConsistencyLevel: eventual'."));
    }
    risk::check_plan(call, collection, &options)?;
    attributes::check_options(call, &options)?;
    let mut scoped = call.read().await?;
    let parent = parent(call, collection, &mut scoped).await?;
    let filter = whole_filter(collection.set.entity, &options);
    let listing = Listing {
        within: parent.iter().map(|(column, id)| (*column, id.as_str())).collect(),
        filter: filter.as_ref(),
        ..Listing::default()
    };
    scoped.count(collection.set, &listing).await.map(Answer::Count).map_err(failed)
}

/// `GET` of one object.
pub(crate) async fn get(call: &Call<'_>, collection: &'static Collection) -> Result<Answer, ODataError> {
    let options = call.options(collection.set.entity, collection.area)?;
    let mut scoped = call.read().await?;
    let parent = parent(call, collection, &mut scoped).await?;
    let at = usize::from(parent.is_some());
    let record = resolve(call, collection, at, &mut scoped).await?;
    if let Some((column, id)) = &parent {
        check_parent(collection, column, id, &record)?;
    }
    let etag = record.etag();
    let body = show(call, collection, &mut scoped, record, &options).await?;
    let body = call.with_context(&format!("{}/$entity", collection.name), body);
    Ok(Answer::Json { status: 200, body, etag: Some(etag), location: None })
}

/// A filter and a search are one condition.
pub(crate) fn whole_filter(entity: &'static EntityType, options: &Options) -> Option<Expr> {
    let searched: Option<Expr> =
        options.search.as_ref().map(|search: &Search| search::condition(entity, search));
    match (options.filter.clone(), searched) {
        (Some(filter), Some(searched)) => Some(Expr::And(vec![filter, searched])),
        (filter, searched) => filter.or(searched),
    }
}

/// The object in whose path a collection stands; it must exist in this tenant.
async fn parent(
    call: &Call<'_>,
    collection: &'static Collection,
    scoped: &mut Scoped,
) -> Result<Option<(&'static str, String)>, ODataError> {
    let Some(column) = collection.parent else { return Ok(None) };
    let is_application = call.path.trim_matches('/').to_ascii_lowercase().starts_with("applications");
    let of = match column {
        "service_principal_id" => &super::routes::RISKY,
        _ if is_application => &super::routes::APPLICATIONS,
        _ => &super::routes::SERVICE_PRINCIPALS,
    };
    let record = resolve(call, of, 0, scoped).await?;
    Ok(Some((column, record.id)))
}

/// An object of a collection may only be read through its own parent.
pub(crate) fn check_parent(
    collection: &'static Collection,
    column: &str,
    parent: &str,
    record: &Record,
) -> Result<(), ODataError> {
    let member = match column {
        "service_principal_id" => "servicePrincipalId",
        "object_id" => "_objectId",
        "principal_id" => "principalId",
        "resource_id" => "resourceId",
        _ => "clientId",
    };
    debug_assert_eq!(collection.parent, Some(column));
    match record.text(member) {
        Some(id) if id.eq_ignore_ascii_case(parent) => Ok(()),
        _ => Err(ODataError::not_found(&record.id)),
    }
}

/// The object that a path names, which is there and not deleted.
pub(crate) async fn resolve(
    call: &Call<'_>,
    collection: &'static Collection,
    at: usize,
    scoped: &mut Scoped,
) -> Result<Record, ODataError> {
    let found = match call.params.get(at) {
        None => None,
        // Ids of app role assignments differ in letter case only by chance; they are kept in lower case.
        Some(Param::Id(id)) => {
            match scoped.get(collection.set, &id.to_ascii_lowercase()).await.map_err(failed)? {
                Some(record) => Some(record),
                None => by_name(collection, id, scoped).await?,
            }
        }
        Some(Param::Key(name, value)) => {
            let key = collection.keys.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
            let Some((_, column)) = key else {
                return Err(ODataError::bad_request(format!("'{name}' is no key of this resource.")));
            };
            scoped.get_by(collection.set, column, value).await.map_err(failed)?
        }
    };
    match found {
        Some(record) if record.deleted.is_none() => Ok(record),
        _ => Err(ODataError::not_found(call.id(at))),
    }
}

/// Some objects are found by a name in the place of an id.
async fn by_name(
    collection: &'static Collection,
    name: &str,
    scoped: &mut Scoped,
) -> Result<Option<Record>, ODataError> {
    match collection.set.entity.name {
        "user" => scoped.get_by(collection.set, "user_principal_name", name).await.map_err(failed),
        _ => Ok(None),
    }
}

/// An object as this caller sees it.
pub(crate) async fn show(
    call: &Call<'_>,
    collection: &'static Collection,
    scoped: &mut Scoped,
    record: Record,
    options: &Options,
) -> Result<Json, ODataError> {
    let mut expanded = Vec::new();
    for expand in &options.expand {
        expanded.push((expand.navigation.name, expanded_value(call, scoped, &record, expand).await?));
    }
    let entity = collection.set.entity;
    let mut body = record.into_public();
    hide_keys(&mut body, options);
    risk::hide(call, collection, &mut body);
    attributes::hide(call, &mut body);
    if let Json::Object(members) = &mut body {
        conditional_access::add_members(call, collection, members);
    }
    if call.server.config.graph.strict_enumerations && !call.wants_unknown_members() {
        mask_members(entity, &mut body);
    }
    let mut body = project(entity, call.version, &options.select, body);
    if let Json::Object(members) = &mut body {
        for (name, value) in expanded {
            members.insert(name.to_owned(), value);
        }
    }
    Ok(body)
}

/// Certificates are shown only where `$select` names them.
fn hide_keys(body: &mut Json, options: &Options) {
    if options.select.names("keyCredentials") {
        return;
    }
    for credential in body.get_mut("keyCredentials").and_then(Json::as_array_mut).into_iter().flatten() {
        credential["key"] = Json::Null;
    }
}

/// Members that came after an enumeration's sentinel, for clients that did not say that they know them.
fn mask_members(entity: &'static countersign_odata::edm::EntityType, body: &mut Json) {
    let Json::Object(members) = body else { return };
    for (name, value) in members {
        let property = entity.property(name, countersign_odata::edm::Version::Beta);
        if let (Some(Kind::Enum(of)), Some(text)) = (property.map(|property| property.kind), value.as_str())
            && of.is_evolved(text)
        {
            *value = of.sentinel.into();
        }
    }
}

async fn expanded_value(
    call: &Call<'_>,
    scoped: &mut Scoped,
    record: &Record,
    expand: &Expand,
) -> Result<Json, ODataError> {
    let top = expand.top.map_or(EXPANDED_MAX, |top| (top as usize).min(EXPANDED_MAX));
    let within = match expand.navigation.name {
        "owners" => {
            let ids = scoped.owners(&record.id).await.map_err(failed)?;
            return directory_objects(call, scoped, ids.into_iter().take(top).collect(), expand).await;
        }
        "ownedObjects" => {
            let ids = scoped.owned(&record.id).await.map_err(failed)?;
            return directory_objects(call, scoped, ids.into_iter().take(top).collect(), expand).await;
        }
        "memberOf" => {
            let roles = scoped.directory_roles(&record.id).await.map_err(failed)?;
            return Ok(Json::Array(
                roles.iter().take(top).filter_map(|id| roles::directory_role(id)).collect(),
            ));
        }
        "principal" => {
            let ids = record.text("principalId").map(str::to_owned).into_iter().collect();
            let objects = directory_objects(call, scoped, ids, expand).await?;
            return Ok(objects.get(0).cloned().unwrap_or(Json::Null));
        }
        "roleDefinition" => {
            let definition = record.text("roleDefinitionId").and_then(roles::definition);
            return Ok(definition.unwrap_or(Json::Null));
        }
        "history" => (&RISK_HISTORY, "service_principal_id"),
        "federatedIdentityCredentials" => (&FEDERATED_IDENTITY_CREDENTIAL, "object_id"),
        "appRoleAssignments" => (&APP_ROLE_ASSIGNMENT, "principal_id"),
        "appRoleAssignedTo" => (&APP_ROLE_ASSIGNMENT, "resource_id"),
        "oauth2PermissionGrants" => (&countersign_store::entity::OAUTH2_PERMISSION_GRANT, "client_id"),
        other => {
            return Err(ODataError::unsupported_query(format!("Expanding '{other}' is not supported.")));
        }
    };
    let listing = Listing {
        within: vec![(within.1, record.id.as_str())],
        filter: expand.filter.as_ref(),
        order: &expand.order_by,
        top,
        ..Listing::default()
    };
    let page = scoped.list(within.0, &listing).await.map_err(failed)?;
    let entity = within.0.entity;
    let shown = page
        .records
        .into_iter()
        .map(|child| project(entity, call.version, &expand.select, child.into_public()));
    Ok(Json::Array(shown.collect()))
}

async fn directory_objects(
    call: &Call<'_>,
    scoped: &mut Scoped,
    ids: Vec<String>,
    expand: &Expand,
) -> Result<Json, ODataError> {
    let mut objects = Vec::new();
    for id in ids {
        if let Some((entity, body)) = directory_object(scoped, &id).await? {
            let kind = format!("#{}", entity.qualified_name());
            let mut body = project(entity, call.version, &expand.select, body);
            body["@odata.type"] = kind.into();
            objects.push(body);
        }
    }
    Ok(Json::Array(objects))
}

/// Any object of the directory by its id: a user, an application or a service principal.
pub(crate) async fn directory_object(
    scoped: &mut Scoped,
    id: &str,
) -> Result<Option<(&'static countersign_odata::edm::EntityType, Json)>, ODataError> {
    let id = id.to_ascii_lowercase();
    for set in [&SERVICE_PRINCIPAL, &USER, &APPLICATION] {
        if let Some(record) = scoped.get(set, &id).await.map_err(failed)?
            && record.deleted.is_none()
        {
            let mut body = record.into_public();
            hide_keys(&mut body, &Options::default());
            return Ok(Some((set.entity, body)));
        }
    }
    Ok(None)
}
