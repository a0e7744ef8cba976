//! Subject identifiers (RFC 9493; SSF 1.0 section 3): whom an event is about, and when two of them are the same.
//!
//! Our own workloads have one profile, described for receivers in docs/ssf-workload-subject.md and made and read by
//! [`Tenant`].

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::invalid::Invalid;
use crate::json;

/// Most members of a complex subject; SSF names seven.
pub const MEMBERS_MAX: usize = 16;
/// Most entries of `aliases` and `ip-addresses`.
pub const ENTRIES_MAX: usize = 32;
/// Longest name of a member of a complex subject, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// `format` of a simple subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// RFC 9493 section 3.2.1.
    Account,
    /// RFC 9493 section 3.2.2.
    Email,
    /// RFC 9493 section 3.2.3.
    IssSub,
    /// RFC 9493 section 3.2.4.
    Opaque,
    /// RFC 9493 section 3.2.5.
    PhoneNumber,
    /// RFC 9493 section 3.2.6.
    Did,
    /// RFC 9493 section 3.2.7.
    Uri,
    /// SSF 1.0: the id of a token.
    JwtId,
    /// SSF 1.0: the id of a SAML assertion.
    SamlAssertionId,
}

impl Format {
    /// Each of them.
    pub const ALL: [Format; 9] = [
        Format::Account,
        Format::Email,
        Format::IssSub,
        Format::Opaque,
        Format::PhoneNumber,
        Format::Did,
        Format::Uri,
        Format::JwtId,
        Format::SamlAssertionId,
    ];

    /// Its name, and the members that it requires beside `format`.
    pub fn definition(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Format::Account => ("account", &["uri"]),
            Format::Email => ("email", &["email"]),
            Format::IssSub => ("iss_sub", &["iss", "sub"]),
            Format::Opaque => ("opaque", &["id"]),
            Format::PhoneNumber => ("phone_number", &["phone_number"]),
            Format::Did => ("did", &["url"]),
            Format::Uri => ("uri", &["uri"]),
            Format::JwtId => ("jwt_id", &["iss", "jti"]),
            Format::SamlAssertionId => ("saml_assertion_id", &["issuer", "assertion_id"]),
        }
    }
}

/// A subject identifier that names one thing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Simple {
    /// A format whose members are texts, in the order of its definition.
    Texts(Format, Vec<String>),
    /// SSF 1.0, `ip-addresses`.
    IpAddresses(Vec<String>),
}

impl Simple {
    /// `iss_sub`.
    pub fn iss_sub(iss: &str, sub: &str) -> Simple {
        Simple::Texts(Format::IssSub, vec![iss.to_owned(), sub.to_owned()])
    }

    /// `opaque`.
    pub fn opaque(id: &str) -> Simple {
        Simple::Texts(Format::Opaque, vec![id.to_owned()])
    }

    /// `iss` and `sub`, if it is that format.
    pub fn as_iss_sub(&self) -> Option<(&str, &str)> {
        match self {
            Simple::Texts(Format::IssSub, values) => Some((values.first()?, values.get(1)?)),
            _ => None,
        }
    }

    /// `id`, if it is `opaque`.
    pub fn as_opaque(&self) -> Option<&str> {
        match self {
            Simple::Texts(Format::Opaque, values) => values.first().map(String::as_str),
            _ => None,
        }
    }

    fn read(object: &Map<String, Value>) -> Result<Simple, Invalid> {
        let name = json::required(object, "format")?;
        if name == "ip-addresses" {
            has_only(object, &["ip-addresses"])?;
            let addresses = json::texts(object, "ip-addresses", ENTRIES_MAX)?;
            let addresses = addresses.filter(|list| !list.is_empty());
            return addresses.map(Simple::IpAddresses).ok_or(Invalid::new("ip-addresses", "is missing"));
        }
        let format = Format::ALL.into_iter().find(|format| format.definition().0 == name);
        let format = format.ok_or(Invalid::new("format", "is not known here"))?;
        let (_, members) = format.definition();
        has_only(object, members)?;
        let values = members.iter().map(|member| json::required(object, member).map(str::to_owned));
        Ok(Simple::Texts(format, values.collect::<Result<_, _>>()?))
    }

    /// Its JSON.
    pub fn to_json(&self) -> Value {
        match self {
            Simple::Texts(format, values) => {
                let (name, members) = format.definition();
                let mut object = Map::from_iter([("format".to_owned(), name.into())]);
                let texts = members.iter().zip(values);
                object.extend(texts.map(|(member, value)| ((*member).to_owned(), value.as_str().into())));
                object.into()
            }
            Simple::IpAddresses(addresses) => json!({"format": "ip-addresses", "ip-addresses": addresses}),
        }
    }
}

/// RFC 9493 section 3: no members that the format does not describe. One that is not understood could narrow whom it
/// names.
fn has_only(object: &Map<String, Value>, members: &[&str]) -> Result<(), Invalid> {
    let known = |name: &String| name == "format" || members.contains(&name.as_str());
    if object.keys().all(known) {
        return Ok(());
    }
    Err(Invalid::new("format", "does not have all the members that are there"))
}

/// Whom an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// One identifier.
    Simple(Simple),
    /// RFC 9493 section 3.2.8: several identifiers of the same subject.
    Aliases(Vec<Simple>),
    /// SSF 1.0 section 3.3: several things at once, by the name of the member, such as `application` and `tenant`.
    Complex(BTreeMap<String, Simple>),
}

impl Subject {
    /// Reads a subject identifier. A format that is not known is an error, for it could be about anybody.
    pub fn read(value: &Value) -> Result<Subject, Invalid> {
        let object = value.as_object().ok_or(Invalid::new("subject", "must be an object"))?;
        Subject::of(object).map_err(|invalid| invalid.within("subject"))
    }

    fn of(object: &Map<String, Value>) -> Result<Subject, Invalid> {
        match json::required(object, "format")? {
            "complex" => Subject::complex(object),
            "aliases" => Subject::aliases(object),
            _ => Simple::read(object).map(Subject::Simple),
        }
    }

    fn complex(object: &Map<String, Value>) -> Result<Subject, Invalid> {
        // `format` is one of them.
        if object.len() < 2 || object.len() > MEMBERS_MAX + 1 {
            return Err(Invalid::new("format", "complex must have members, and not too many"));
        }
        let mut members = BTreeMap::new();
        for (name, value) in object.iter().filter(|(name, _)| *name != "format") {
            // SSF 1.0 section 3.3 allows further names, so the name is not judged; it is not repeated either.
            let simple = value.as_object().filter(|_| name.len() <= NAME_BYTES_MAX);
            let simple = simple.ok_or(Invalid::new("complex", "must have subjects as members"))?;
            members.insert(name.clone(), Simple::read(simple).map_err(|invalid| invalid.within("complex"))?);
        }
        Ok(Subject::Complex(members))
    }

    fn aliases(object: &Map<String, Value>) -> Result<Subject, Invalid> {
        has_only(object, &["identifiers"])?;
        let list = object.get("identifiers").and_then(Value::as_array);
        let list = list.filter(|list| (1..=ENTRIES_MAX).contains(&list.len()));
        let list = list.ok_or(Invalid::new("identifiers", "must be a list, not empty and not too long"))?;
        // RFC 9493 section 3.2.8: aliases are not nested, and a format that no simple subject has is refused below.
        let read = |value: &Value| {
            let object =
                value.as_object().ok_or(Invalid::new("identifiers", "must be a list of subjects"))?;
            Simple::read(object).map_err(|invalid| invalid.within("identifiers"))
        };
        list.iter().map(read).collect::<Result<_, _>>().map(Subject::Aliases)
    }

    /// Its JSON.
    pub fn to_json(&self) -> Value {
        match self {
            Subject::Simple(simple) => simple.to_json(),
            Subject::Aliases(list) => {
                let identifiers: Vec<Value> = list.iter().map(Simple::to_json).collect();
                json!({"format": "aliases", "identifiers": identifiers})
            }
            Subject::Complex(members) => {
                let mut object = Map::from_iter([("format".to_owned(), "complex".into())]);
                object.extend(members.iter().map(|(name, simple)| (name.clone(), simple.to_json())));
                object.into()
            }
        }
    }

    /// The subject of the events that a stream sends about itself (SSF 1.0 section 8.1.4.1).
    pub fn of_stream(stream: Uuid) -> Subject {
        Subject::Simple(Simple::opaque(&stream.to_string()))
    }

    /// SSF 1.0 section 8.1.3.1: simple subjects match if they are identical, complex ones if each member is missing on
    /// one side or identical on both.
    pub fn matches(&self, other: &Subject) -> bool {
        match (self, other) {
            (Subject::Complex(one), Subject::Complex(two)) => {
                one.iter().all(|(name, simple)| two.get(name).is_none_or(|same| same == simple))
            }
            (one, two) => one == two,
        }
    }

    /// Whether this is what a receiver means by `wanted`. Narrower than [`Subject::matches`]: complex subjects must have
    /// a member in common, for otherwise taking away some user would take away every workload.
    pub fn is_meant_by(&self, wanted: &Subject) -> bool {
        let in_common = match (self, wanted) {
            (Subject::Complex(own), Subject::Complex(wanted)) => {
                wanted.keys().any(|name| own.contains_key(name))
            }
            _ => true,
        };
        in_common && self.matches(wanted)
    }
}

/// The tenant whose workloads are subjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenant<'a> {
    /// `iss` of its tokens of version 2.0.
    pub issuer: &'a str,
    /// Its id.
    pub id: Uuid,
}

impl Tenant<'_> {
    /// The subject of a workload, by the object id of its service principal.
    pub fn subject(&self, service_principal: Uuid) -> Subject {
        Subject::Complex(BTreeMap::from([
            ("application".to_owned(), Simple::iss_sub(self.issuer, &service_principal.to_string())),
            ("tenant".to_owned(), Simple::opaque(&self.id.to_string())),
        ]))
    }

    /// The workload that a subject names, if it can be one of this tenant: the complex subject above, whose `tenant` may
    /// be missing since the issuer says it too, or its `iss_sub` alone. The id is that of a service principal or of an
    /// application; whether there is one, the caller knows.
    pub fn workload(&self, subject: &Subject) -> Option<Uuid> {
        let named = match subject {
            Subject::Simple(simple) => simple,
            Subject::Complex(members) => {
                // A user in an application, or a session of it, is not the application.
                let known = members.keys().all(|name| matches!(name.as_str(), "application" | "tenant"));
                let own = members
                    .get("tenant")
                    .is_none_or(|tenant| tenant.as_opaque().and_then(guid) == Some(self.id));
                members.get("application").filter(|_| known && own)?
            }
            Subject::Aliases(_) => return None,
        };
        let (iss, sub) = named.as_iss_sub()?;
        guid(sub).filter(|_| iss == self.issuer)
    }
}

/// An id as Graph writes it, in any case: with hyphens and nothing around it, of which there is but one spelling.
pub(crate) fn guid(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|id| id.to_string().eq_ignore_ascii_case(text))
}
