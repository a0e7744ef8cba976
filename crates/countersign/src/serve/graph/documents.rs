//! What the API says of itself: the service document, `$metadata`, an `OpenAPI` document. All are made from the routes and the
//! entity types.

use std::collections::BTreeMap;

use countersign_odata::csdl::{self, Service};
use countersign_odata::edm::{ComplexType, EntityType, Kind, Property, Version};
use countersign_store::entity::{
    CONDITIONAL_ACCESS_TEMPLATE, ORGANIZATION, ROLE_DEFINITION, SIGN_IN, SUBSCRIBED_SKU,
    WHAT_IF_ANALYSIS_RESULT,
};
use serde_json::{Map, Value as Json, json};

use super::roles::Shape;
use super::routes::{Operation, ROUTES, Route};

/// The type that a route reads or writes.
fn entity_of(operation: Operation) -> Option<&'static EntityType> {
    match operation {
        Operation::List(collection) | Operation::Get(collection) => Some(collection.set.entity),
        Operation::ListOrganization | Operation::GetOrganization => Some(&ORGANIZATION),
        Operation::ListSubscribedSkus | Operation::GetSubscribedSku => Some(&SUBSCRIBED_SKU),
        Operation::ListRoleDefinitions | Operation::GetRoleDefinition => Some(&ROLE_DEFINITION),
        Operation::ListDirectoryRoles | Operation::GetDirectoryRole => Some(Shape::Role.entity()),
        Operation::ListDirectoryRoleTemplates | Operation::GetDirectoryRoleTemplate => {
            Some(Shape::Template.entity())
        }
        Operation::ListSignIns | Operation::GetSignIn => Some(&SIGN_IN),
        Operation::CreateRule(rule)
        | Operation::UpdateRule(rule)
        | Operation::ListDeletedRules(rule)
        | Operation::GetDeletedRule(rule) => Some(rule.set().entity),
        Operation::WhatIf => Some(&WHAT_IF_ANALYSIS_RESULT),
        Operation::ListTemplates | Operation::GetTemplate => Some(&CONDITIONAL_ACCESS_TEMPLATE),
        Operation::CreateApplication => Some(super::routes::APPLICATIONS.set.entity),
        Operation::CreateServicePrincipal => Some(super::routes::SERVICE_PRINCIPALS.set.entity),
        Operation::Update(holder) => Some(holder.set().entity),
        Operation::CreateFederated(_) | Operation::UpdateFederated(_) => {
            Some(super::routes::FEDERATED.set.entity)
        }
        Operation::CreateAssignment => Some(super::routes::ASSIGNMENTS.set.entity),
        Operation::CreateGrant | Operation::UpdateGrant => Some(super::routes::GRANTS.set.entity),
        Operation::CreateRoleAssignment => Some(super::routes::ROLE_ASSIGNMENTS.set.entity),
        _ => None,
    }
}

/// Collections at the root of the API, with their types.
fn sets() -> Vec<(&'static str, &'static EntityType)> {
    ROUTES
        .iter()
        .filter(|route| route.method == "GET" && !route.path.contains('/') && route.path != "me")
        .filter_map(|route| entity_of(route.operation).map(|entity| (route.path, entity)))
        .collect()
}

/// `$metadata`
pub(crate) fn metadata(version: Version) -> String {
    let mut entities: Vec<&'static EntityType> = Vec::new();
    for entity in ROUTES.iter().filter_map(|route| entity_of(route.operation)) {
        if !entities.iter().any(|known| known.name == entity.name) {
            entities.push(entity);
        }
    }
    csdl::metadata(&Service {
        version,
        container: "GraphService",
        entities,
        sets: sets(),
        singletons: Vec::new(),
        operations: Vec::new(),
    })
}

/// The service document.
pub(crate) fn service(version: Version, base: &str) -> Json {
    let sets: Vec<Json> =
        sets().iter().map(|(name, _)| json!({ "name": name, "kind": "EntitySet", "url": name })).collect();
    json!({ "@odata.context": format!("{base}/{}/$metadata", version.as_str()), "value": sets })
}

/// `OpenAPI` 3.0: every route, with the shapes of what it takes and gives.
pub(crate) fn openapi(version: Version, base: &str) -> Json {
    let mut schemas = Map::new();
    let mut paths: BTreeMap<String, Map<String, Json>> = BTreeMap::new();
    for route in ROUTES {
        if let Some(entity) = entity_of(route.operation) {
            add_entity(&mut schemas, entity, version);
        }
        let operation = operation(route);
        paths
            .entry(format!("/{}", path_of(route)))
            .or_default()
            .insert(route.method.to_ascii_lowercase(), operation);
    }
    schemas.insert("error".to_owned(), error_schema());
    json!({
        "openapi": "3.0.3",
        "info": { "title": "Countersign: Microsoft Graph for workload identities", "version": version.as_str() },
        "servers": [{ "url": format!("{base}/{}", version.as_str()) }],
        "security": [{ "bearer": [] }],
        "components": {
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
            "schemas": schemas,
        },
        "paths": paths,
    })
}

fn path_of(route: &Route) -> String {
    // Casts keep their namespace in the address.
    route
        .path
        .replace("deletedItems/application", "deletedItems/microsoft.graph.application")
        .replace("deletedItems/servicePrincipal", "deletedItems/microsoft.graph.servicePrincipal")
}

fn operation(route: &Route) -> Json {
    let mut parameters: Vec<Json> = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    let is_list = matches!(
        route.operation,
        Operation::List(_)
            | Operation::ListDeleted(_)
            | Operation::ListDeletedRules(_)
            | Operation::ListSignIns
            | Operation::ListRoleDefinitions
            | Operation::ListDirectoryRoles
            | Operation::ListDirectoryRoleTemplates
    );
    if is_list {
        for (name, schema) in [
            ("$filter", json!({ "type": "string" })),
            ("$select", json!({ "type": "string" })),
            ("$orderby", json!({ "type": "string" })),
            ("$top", json!({ "type": "integer", "minimum": 1 })),
            ("$skip", json!({ "type": "integer", "minimum": 0 })),
            ("$count", json!({ "type": "boolean" })),
            ("$search", json!({ "type": "string" })),
            ("$expand", json!({ "type": "string" })),
            ("$skiptoken", json!({ "type": "string" })),
        ] {
            parameters.push(json!({ "name": name, "in": "query", "required": false, "schema": schema }));
        }
    }
    let mut operation = Map::new();
    operation.insert("operationId".into(), format!("{} {}", route.method, route.path).into());
    operation.insert("parameters".into(), parameters.into());
    let entity = entity_of(route.operation).map(|entity| json!({ "$ref": reference(entity.name) }));
    if matches!(route.method, "POST" | "PATCH") {
        let schema = entity.clone().filter(|_| route.method == "PATCH" || !route.path.ends_with('}'));
        let schema = schema.unwrap_or_else(|| json!({ "type": "object" }));
        operation
            .insert("requestBody".into(), json!({ "content": { "application/json": { "schema": schema } } }));
    }
    let shape = match (&entity, is_list) {
        (Some(entity), true) => json!({
            "type": "object",
            "properties": { "value": { "type": "array", "items": entity } },
            "required": ["value"],
        }),
        (Some(entity), false) => entity.clone(),
        (None, _) => json!({ "type": "object" }),
    };
    let fine = if route.path.ends_with("$count") {
        json!({ "description": "a number", "content": { "text/plain": { "schema": { "type": "integer" } } } })
    } else {
        json!({ "description": "done", "content": { "application/json": { "schema": shape } } })
    };
    let refused = json!({
        "description": "refused",
        "content": { "application/json": { "schema": { "$ref": reference("error") } } },
    });
    operation.insert(
        "responses".into(),
        json!({
            "200": fine,
            "201": { "description": "made", "content": { "application/json": { "schema": { "type": "object" } } } },
            "204": { "description": "done, nothing to say" },
            "4XX": refused,
        }),
    );
    Json::Object(operation)
}

fn reference(name: &str) -> String {
    format!("#/components/schemas/microsoft.graph.{name}").replace("microsoft.graph.error", "error")
}

fn error_schema() -> Json {
    json!({
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message", "innerError"],
                "properties": {
                    "code": { "type": "string" },
                    "message": { "type": "string" },
                    "innerError": { "type": "object" },
                },
            },
        },
    })
}

fn add_entity(schemas: &mut Map<String, Json>, entity: &'static EntityType, version: Version) {
    let name = entity.qualified_name();
    if schemas.contains_key(&name) {
        return;
    }
    // Entered first, so that types that refer to each other end.
    schemas.insert(name.clone(), Json::Null);
    let properties = entity.all_properties(version);
    let shape = object_schema(schemas, properties.into_iter(), version);
    schemas.insert(name, shape);
}

fn add_complex(schemas: &mut Map<String, Json>, complex: &'static ComplexType, version: Version) {
    let name = complex.qualified_name();
    if schemas.contains_key(&name) {
        return;
    }
    schemas.insert(name.clone(), Json::Null);
    let properties = complex.properties.iter().filter(|property| property.versions.contains(version));
    let shape = object_schema(schemas, properties, version);
    schemas.insert(name, shape);
}

fn object_schema(
    schemas: &mut Map<String, Json>,
    properties: impl Iterator<Item = &'static Property>,
    version: Version,
) -> Json {
    let mut members = Map::new();
    for property in properties {
        members.insert(property.name.to_owned(), kind_schema(schemas, property.kind, version));
    }
    json!({ "type": "object", "properties": members })
}

fn kind_schema(schemas: &mut Map<String, Json>, kind: Kind, version: Version) -> Json {
    match kind {
        Kind::String | Kind::Duration => json!({ "type": "string", "nullable": true }),
        Kind::Boolean => json!({ "type": "boolean", "nullable": true }),
        Kind::Int32 | Kind::Int64 => json!({ "type": "integer", "nullable": true }),
        Kind::Double => json!({ "type": "number", "nullable": true }),
        Kind::Guid => json!({ "type": "string", "format": "uuid", "nullable": true }),
        Kind::DateTimeOffset => json!({ "type": "string", "format": "date-time", "nullable": true }),
        Kind::Binary => json!({ "type": "string", "format": "byte", "nullable": true }),
        Kind::Enum(of) => json!({ "type": "string", "enum": of.members, "nullable": true }),
        Kind::Complex(of) => {
            add_complex(schemas, of, version);
            json!({ "allOf": [{ "$ref": format!("#/components/schemas/{}", of.qualified_name()) }], "nullable": true })
        }
        Kind::Collection(of) => json!({ "type": "array", "items": kind_schema(schemas, *of, version) }),
        Kind::Any | Kind::Entity(_) | Kind::Entities(_) => json!({}),
    }
}
