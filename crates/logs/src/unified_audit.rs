//! Records of the unified audit log, Microsoft 365's own copy of the directory's changes: often the only audit log that
//! is left when an incident is looked into. It says the same as the audit log in another shape: `Actor` and `Target` are
//! lists of `{ID, Type}` that together name one thing, what changed stands beside them, and further targets are
//! properties, as `Role.ObjectID`.

use std::borrow::Cow;
use std::fmt;

use countersign_model::event::{Actor, DirectoryAudit, ModifiedProperty, Target};
use countersign_model::id::{AppId, EventId, Id, ServicePrincipalId, TenantId};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::address;
use crate::fields::{Scalar, modified_property};
use crate::json::{FromMap, ITEMS_MAX, Lenient, Name, ignore_scalars, pick};
use crate::outcome::{LogType, Skip, Unreadable, excerpt};
use crate::text;
use crate::time;

/// `RecordType` of changes of the directory, as number and as name.
const CHANGES: [&str; 2] = ["8", "AzureActiveDirectory"];

/// `RecordType` of sign-ins: nearly all of users, and without the columns of a sign-in log.
const SIGN_INS: [&str; 4] = ["9", "AzureActiveDirectoryAccountLogon", "15", "AzureActiveDirectoryStsLogon"];

/// A record, or the row of an export around it.
#[derive(Debug, Default)]
pub(crate) struct Record<'a> {
    record_type: Scalar<'a>,
    workload: Scalar<'a>,
    time: Scalar<'a>,
    id: Scalar<'a>,
    operation: Scalar<'a>,
    organisation: Scalar<'a>,
    result: Scalar<'a>,
    user: Scalar<'a>,
    actor_address: Scalar<'a>,
    client_address: Scalar<'a>,
    user_agent: Scalar<'a>,
    correlation: Scalar<'a>,
    actor: Vec<Part<'a>>,
    target: Vec<Part<'a>>,
    modified: Vec<ModifiedProperty<'a>>,
    extended: Vec<Extended<'a>>,
    data: Option<Data<'a>>,
}

/// `AuditData`: the record itself inside a row.
#[derive(Debug)]
enum Data<'a> {
    Object(Box<Record<'a>>),
    Text(Cow<'a, str>),
}

/// One entry of `Actor` or `Target`. `Type` says what `ID` is: 1 a display name, 2 an object id, an application id, a
/// class or `Class_<object id>`, 3 a passport id, 4 service principal names, 5 a user principal name.
#[derive(Debug, Default)]
struct Part<'a> {
    id: Scalar<'a>,
    kind: Scalar<'a>,
}

/// One entry of `ExtendedProperties`.
#[derive(Debug, Default)]
struct Extended<'a> {
    name: Scalar<'a>,
    value: Scalar<'a>,
}

/// `additionalDetails`: JSON text in an extended property.
#[derive(Debug, Default, Deserialize)]
struct AdditionalDetails {
    #[serde(rename = "User-Agent")]
    user_agent: Option<String>,
    #[serde(rename = "AppId")]
    app_id: Option<String>,
}

/// Reads a record or the row around it; `Err` when the text is no JSON object in UTF-8.
pub(crate) fn parse(bytes: &[u8]) -> Result<Record<'_>, Unreadable> {
    let damaged = || Unreadable::new("record of the unified audit log is no JSON object");
    let text = std::str::from_utf8(bytes).map_err(|_| damaged())?;
    let mut record = Record::default();
    let mut deserializer = sonic_rs::Deserializer::from_str(text);
    RecordSeed { record: &mut record, is_row: true }.deserialize(&mut deserializer).map_err(|_| damaged())?;
    deserializer.end().map_err(|_| damaged())?;
    Ok(record)
}

impl<'a> Record<'a> {
    /// The record inside this row when it is text, as `Search-UnifiedAuditLog` writes it.
    pub(crate) fn take_text(&mut self) -> Option<Cow<'a, str>> {
        match self.data.take() {
            Some(Data::Text(text)) => Some(text),
            Some(Data::Object(record)) => {
                self.unpack(*record);
                None
            }
            None => None,
        }
    }

    /// The record inside speaks; the row around it only where that is silent.
    fn unpack(&mut self, record: Record<'a>) {
        let row = std::mem::replace(self, record);
        if self.record_type.is_absent() {
            self.record_type = row.record_type;
        }
        if self.time.is_absent() {
            self.time = row.time;
        }
    }

    fn slot(&mut self, name: &str) -> Option<&mut Scalar<'a>> {
        Some(match name {
            "RecordType" | "auditLogRecordType" => &mut self.record_type,
            "Workload" | "service" => &mut self.workload,
            "CreationTime" | "CreationDate" | "createdDateTime" => &mut self.time,
            "Id" => &mut self.id,
            "Operation" => &mut self.operation,
            "OrganizationId" => &mut self.organisation,
            "ResultStatus" => &mut self.result,
            "UserId" => &mut self.user,
            "ActorIpAddress" => &mut self.actor_address,
            "ClientIP" | "ClientIPAddress" => &mut self.client_address,
            "UserAgent" => &mut self.user_agent,
            "InterSystemsId" => &mut self.correlation,
            _ => return None,
        })
    }

    /// Why this is no change of the directory, if it is none.
    fn skip(&self) -> Option<Skip> {
        let number;
        let record_type = match &self.record_type {
            Scalar::Integer(value) => {
                number = value.to_string();
                number.as_str()
            }
            other => other.as_str(),
        };
        let is_one_of = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(record_type));
        let workload = self.workload.as_str();
        let is_directory = workload.is_empty() || workload.eq_ignore_ascii_case("AzureActiveDirectory");
        if is_directory && is_one_of(&SIGN_INS) {
            return Some(Skip::UserSignIn(LogType::UnifiedAuditLog));
        }
        if is_directory && is_one_of(&CHANGES) {
            return None;
        }
        let name = if record_type.is_empty() && is_directory {
            "unified audit log, without a record type".to_owned()
        } else if is_directory {
            format!("unified audit log, record type {}", excerpt(record_type))
        } else {
            format!("unified audit log of {}", excerpt(workload))
        };
        Some(Skip::OtherLog(Cow::Owned(name)))
    }

    /// The change that it is; `Err` says why it is none.
    pub(crate) fn decode(mut self) -> Result<DirectoryAudit<'a>, Skip> {
        if let Some(skip) = self.skip() {
            return Err(skip);
        }
        let time = time::parse(self.time.as_str())
            .ok_or_else(|| Skip::Unreadable(Unreadable::time("CreationTime", self.time.as_str())))?;
        let operation = text::operation(self.operation.take());
        if operation.is_empty() {
            return Err(Skip::Unreadable(Unreadable::missing("Operation")));
        }
        let details: AdditionalDetails = self
            .extended("additionalDetails")
            .and_then(|details| serde_json::from_str(&details.take()).ok())
            .unwrap_or_default();
        let category = self.category();
        let correlation = match self.correlation.take_id() {
            id if id.is_none() => self.extended("correlationId").map_or(Id::NONE, Scalar::take_id),
            id => id,
        };
        let succeeded = ["Success", "Succeeded", "True"]
            .iter()
            .any(|word| word.eq_ignore_ascii_case(self.result.as_str()));
        let reason = match self.modified.iter().find(|property| property.name == "MethodExecutionResult.") {
            Some(property) if !succeeded => property.new.clone(),
            _ => Cow::Borrowed(""),
        };
        let (first, target_app) = target(std::mem::take(&mut self.target));
        let app = match details.app_id {
            Some(app) if !text::is_absent(&app) => Id::parse(&app).into_owned(),
            _ => target_app,
        };
        let user_agent = match details.user_agent {
            Some(agent) if !text::is_absent(&agent) => Cow::Owned(agent),
            _ => self.user_agent.take(),
        };
        Ok(DirectoryAudit {
            id: EventId(self.id.take_id()),
            time,
            tenant: TenantId(self.organisation.take_id()),
            operation,
            category,
            succeeded,
            reason,
            initiated_by: actor(std::mem::take(&mut self.actor), self.user.take()),
            targets: targets(first, self.modified),
            address: address::parse(self.actor_address.or(&mut self.client_address).take()),
            user_agent,
            app: AppId(app),
            correlation,
        })
    }

    fn extended(&mut self, name: &str) -> Option<&mut Scalar<'a>> {
        self.extended
            .iter_mut()
            .find(|property| property.name.as_str() == name)
            .map(|property| &mut property.value)
    }

    /// The audit log's category; older records name it, newer ones name the class of what was changed.
    fn category(&mut self) -> Cow<'a, str> {
        if let Some(category) = self.extended("auditEventCategory")
            && !category.is_absent()
        {
            return category.take();
        }
        let class = self.extended("extendedAuditEventCategory").map_or(Cow::Borrowed(""), Scalar::take);
        match class.as_ref() {
            "Application" | "ServicePrincipal" => Cow::Borrowed("ApplicationManagement"),
            "Role" => Cow::Borrowed("RoleManagement"),
            "User" => Cow::Borrowed("UserManagement"),
            "Group" => Cow::Borrowed("GroupManagement"),
            "Company" => Cow::Borrowed("DirectoryManagement"),
            _ => class,
        }
    }
}

/// What the parts of an actor or a target say together.
#[derive(Debug, Default)]
struct Named<'a> {
    id: Id<'a>,
    /// `ServicePrincipal`, `User`, … from `ServicePrincipal_<object id>`.
    class: Cow<'a, str>,
    name: Cow<'a, str>,
    user_principal_name: Cow<'a, str>,
    /// First id that is not its own: a service principal's application, or the application that a user worked with.
    app: Id<'a>,
}

fn named(parts: Vec<Part<'_>>) -> Named<'_> {
    let mut named = Named::default();
    let mut ids = Vec::new();
    for mut part in parts {
        let kind = part.kind.integer();
        let text = part.id.take();
        match kind {
            Some(1) => named.name = text,
            Some(5) => named.user_principal_name = text,
            Some(2) => match text.split_once('_') {
                Some((class, id)) if named.id.is_none() && !id.is_empty() => {
                    named.id = Id::parse(id).into_owned();
                    named.class = Cow::Owned(class.to_owned());
                }
                _ => ids.push(Id::from_cow(text)),
            },
            _ => {}
        }
    }
    let mut guids = ids.into_iter().filter(|id| matches!(id, Id::Guid(_)));
    named.app = guids.find(|id| *id != named.id).unwrap_or(Id::NONE);
    if named.id.is_none() {
        named.id = std::mem::replace(&mut named.app, Id::NONE);
    }
    named
}

/// Who made the change. `UserId` speaks for records without an `Actor`: a user principal name, or
/// `ServicePrincipal_<object id>`.
fn actor<'a>(parts: Vec<Part<'a>>, user: Cow<'a, str>) -> Actor<'a> {
    let found = named(parts);
    match found.class.as_ref() {
        "ServicePrincipal" => {
            return Actor::App {
                service_principal: ServicePrincipalId(found.id),
                app: AppId(found.app),
                name: found.name,
            };
        }
        "User" => return Actor::User { id: found.id, user_principal_name: found.user_principal_name },
        _ => {}
    }
    if let Some(id) = user.strip_prefix("ServicePrincipal_") {
        let service_principal = ServicePrincipalId(Id::parse(id).into_owned());
        return Actor::App { service_principal, app: AppId(found.app), name: found.name };
    }
    // A service of Microsoft's, as `Microsoft Azure AD Internal - Jit Provisioning`: it has a name and a certificate.
    if !found.name.is_empty() {
        return Actor::App {
            service_principal: ServicePrincipalId::default(),
            app: AppId::default(),
            name: found.name,
        };
    }
    let user_principal_name =
        if found.user_principal_name.is_empty() { user } else { found.user_principal_name };
    if user_principal_name.is_empty() {
        return Actor::Unknown;
    }
    Actor::User { id: found.id, user_principal_name }
}

/// What was changed, and the application that it belongs to.
fn target(parts: Vec<Part<'_>>) -> (Target<'_>, Id<'_>) {
    let Named { id, class, name, user_principal_name, app } = named(parts);
    let is_application = matches!(class.as_ref(), "Application" | "ServicePrincipal");
    let name = if name.is_empty() { user_principal_name } else { name };
    let target = Target { id, kind: class, name, modified: Vec::new() };
    (target, if is_application { app } else { Id::NONE })
}

/// The audit log's targets: the thing itself with what changed, then the other side of an assignment, which this log
/// writes as properties.
fn targets<'a>(mut first: Target<'a>, modified: Vec<ModifiedProperty<'a>>) -> Vec<Target<'a>> {
    let mut others = Vec::new();
    for class in ["ServicePrincipal", "Application", "User", "Group", "Role"] {
        let value = |of: &str| {
            let is_it = |property: &&ModifiedProperty<'a>| {
                property.name.strip_prefix(class).and_then(|rest| rest.strip_prefix('.')) == Some(of)
            };
            modified.iter().find(is_it).map_or(Cow::Borrowed(""), |property| {
                if property.new.is_empty() { property.old.clone() } else { property.new.clone() }
            })
        };
        let id = Id::from_cow(value("ObjectID"));
        if id.is_none() || id == first.id {
            continue;
        }
        let name = if class == "User" { value("UPN") } else { value("DisplayName") };
        others.push(Target { id, kind: Cow::Borrowed(class), name, modified: Vec::new() });
    }
    first.modified = modified;
    let is_empty = first.id.is_none() && first.name.is_empty() && first.modified.is_empty();
    if is_empty {
        return others;
    }
    std::iter::once(first).chain(others).collect()
}

struct RecordSeed<'r, 'de> {
    record: &'r mut Record<'de>,
    /// A row may hold a record, a record holds none.
    is_row: bool,
}

impl<'de> DeserializeSeed<'de> for RecordSeed<'_, 'de> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RecordSeed<'_, 'de> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record of the unified audit log, which is a JSON object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let record = self.record;
        while let Some(name) = map.next_key::<Name<'de>>()? {
            match name.0.as_ref() {
                "Actor" => record.actor = map.next_value::<Listed<Part<'de>>>()?.0,
                "Target" => record.target = map.next_value::<Listed<Part<'de>>>()?.0,
                "ModifiedProperties" => {
                    let Listed(found) = map.next_value::<Listed<Property<'de>>>()?;
                    record.modified = found.into_iter().map(|Property(property)| property).collect();
                }
                "ExtendedProperties" => record.extended = map.next_value::<Listed<Extended<'de>>>()?.0,
                "AuditData" | "auditData" if self.is_row => {
                    record.data = map.next_value::<DataValue<'de>>()?.0;
                }
                key => match record.slot(key) {
                    Some(slot) => {
                        let value: Scalar<'de> = map.next_value()?;
                        if slot.is_absent() {
                            *slot = value;
                        }
                    }
                    None => {
                        map.next_value::<IgnoredAny>()?;
                    }
                },
            }
        }
        Ok(())
    }
}

struct DataValue<'a>(Option<Data<'a>>);

impl<'de> Deserialize<'de> for DataValue<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DataVisitor;
        impl<'de> Visitor<'de> for DataVisitor {
            type Value = Option<Data<'de>>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("audit data")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let mut record = Box::<Record<'de>>::default();
                RecordSeed { record: &mut record, is_row: false }.visit_map(map)?;
                Ok(Some(Data::Object(record)))
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Some(Data::Text(Cow::Borrowed(text))))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Some(Data::Text(Cow::Owned(text.to_owned()))))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(None)
            }
            ignore_scalars!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64));
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(None)
            }
        }
        deserializer.deserialize_any(DataVisitor).map(DataValue)
    }
}

/// Objects of a list, at most [`ITEMS_MAX`]; other entries, and anything that is no list, are passed over.
struct Listed<T>(Vec<T>);

impl<'de, T: FromMap<'de>> Deserialize<'de> for Listed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: FromMap<'de>> Visitor<'de> for ListVisitor<T> {
            type Value = Vec<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of objects")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(Lenient(found)) = seq.next_element::<Lenient<Option<T>>>()? {
                    if let Some(item) = found
                        && items.len() < ITEMS_MAX
                    {
                        items.push(item);
                    }
                }
                Ok(items)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Vec::new())
            }
            // Exchange writes `ExtendedProperties` as text.
            fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Vec::new())
            }
            ignore_scalars!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64));
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Vec::new())
            }
        }
        deserializer.deserialize_any(ListVisitor(std::marker::PhantomData)).map(Listed)
    }
}

impl<'de> FromMap<'de> for Part<'de> {
    fn from_map<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        let mut part = Part::default();
        pick(map, &mut [("ID", &mut part.id), ("Type", &mut part.kind)])?;
        Ok(part)
    }
}

impl<'de> FromMap<'de> for Extended<'de> {
    fn from_map<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        let mut extended = Extended::default();
        pick(map, &mut [("Name", &mut extended.name), ("Value", &mut extended.value)])?;
        Ok(extended)
    }
}

struct Property<'a>(ModifiedProperty<'a>);

impl<'de> FromMap<'de> for Property<'de> {
    fn from_map<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        let mut name = Scalar::Absent;
        let mut old = Scalar::Absent;
        let mut new = Scalar::Absent;
        pick(map, &mut [("Name", &mut name), ("OldValue", &mut old), ("NewValue", &mut new)])?;
        Ok(Property(modified_property(&mut name, old.take(), new.take())))
    }
}
