//! The entity data model: entity types as static tables, from which filters are typed, SQL is compiled and
//! `$metadata` is written.
//!
//! ```
//! use countersign_odata::edm::{EntityType, Kind, Navigation, Property, Version};
//!
//! static SERVICE_PRINCIPAL: EntityType = EntityType {
//!     name: "servicePrincipal",
//!     base: None,
//!     properties: &[
//!         Property::new("id", Kind::String).required(),
//!         Property::new("appId", Kind::String),
//!         Property::new("tags", Kind::Collection(&Kind::String)).required(),
//!         Property::new("publisherName", Kind::String).beta(),
//!     ],
//!     // Tables may refer to each other and to themselves.
//!     navigation: &[Navigation::many("owners", &SERVICE_PRINCIPAL)],
//!     open: false,
//!     derived: &[],
//! };
//!
//! assert!(SERVICE_PRINCIPAL.property("publisherName", Version::V1).is_none());
//! ```

use std::fmt;

/// Namespace of every type.
pub const NAMESPACE: &str = "microsoft.graph";

/// Version of the API, the first segment of a request's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// `/v1.0`
    V1,
    /// `/beta`
    Beta,
}

impl Version {
    /// The segment of the path: `v1.0` or `beta`.
    pub fn as_str(self) -> &'static str {
        match self {
            Version::V1 => "v1.0",
            Version::Beta => "beta",
        }
    }
}

/// In which versions of the API something exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Versions {
    /// In both.
    #[default]
    Both,
    /// Only in `/v1.0`.
    V1,
    /// Only in `/beta`.
    Beta,
}

impl Versions {
    /// Whether `version` is among them.
    pub fn contains(self, version: Version) -> bool {
        match self {
            Versions::Both => true,
            Versions::V1 => version == Version::V1,
            Versions::Beta => version == Version::Beta,
        }
    }
}

/// An entity type, such as `servicePrincipal`.
pub struct EntityType {
    /// Name without namespace: `servicePrincipal`.
    pub name: &'static str,
    /// The type whose properties it has as well.
    pub base: Option<&'static EntityType>,
    /// Its own properties, in the order of `$metadata`.
    pub properties: &'static [Property],
    /// Its own relations.
    pub navigation: &'static [Navigation],
    /// Whether objects may have properties that are not listed.
    pub open: bool,
    /// Types that stand in the same collections and have this one as their base; an object's `@odata.type` says its own.
    pub derived: &'static [&'static EntityType],
}

impl EntityType {
    /// `microsoft.graph.servicePrincipal`
    pub fn qualified_name(&self) -> String {
        format!("{NAMESPACE}.{}", self.name)
    }

    /// The property of that name in that version, its base's included, and those of derived types. Case is ignored if no
    /// spelling fits exactly.
    pub fn property(&'static self, name: &str, version: Version) -> Option<&'static Property> {
        let derived = || find(&self.derived.iter().map(|entity| entity.properties), name, version);
        find(&self.bases().map(|entity| entity.properties), name, version).or_else(derived)
    }

    /// Itself or the derived type of a qualified name, `microsoft.graph.ipNamedLocation`, with or without `#`.
    pub fn cast(&'static self, qualified: &str) -> Option<&'static EntityType> {
        let (namespace, name) = qualified.trim_start_matches('#').rsplit_once('.')?;
        let is_named = |entity: &&'static EntityType| entity.name.eq_ignore_ascii_case(name);
        let mut all = std::iter::once(self).chain(self.derived.iter().copied());
        all.find(is_named).filter(|_| namespace.eq_ignore_ascii_case(NAMESPACE))
    }

    /// The relation of that name in that version, with the rules of [`EntityType::property`].
    pub fn navigation(&'static self, name: &str, version: Version) -> Option<&'static Navigation> {
        find(&self.bases().map(|entity| entity.navigation), name, version)
    }

    /// All properties of a version, the base's first.
    pub fn all_properties(&'static self, version: Version) -> Vec<&'static Property> {
        let mut tables: Vec<&'static [Property]> = self.bases().map(|entity| entity.properties).collect();
        tables.reverse();
        tables.into_iter().flatten().filter(|property| property.versions.contains(version)).collect()
    }

    /// Whether unlisted properties are allowed, by itself or by its base.
    pub fn is_open(&'static self) -> bool {
        self.bases().any(|entity| entity.open)
    }

    fn bases(&'static self) -> impl Iterator<Item = &'static EntityType> + Clone {
        // Graph's deepest chain is entity, directoryObject, servicePrincipal. The bound makes a cycle
        // harmless.
        std::iter::successors(Some(self), |entity| entity.base).take(BASES_MAX)
    }
}

/// Longest chain of base types.
const BASES_MAX: usize = 8;

trait Named {
    fn is(&self, name: &str, version: Version, exactly: bool) -> bool;
}

fn matches(own: &str, name: &str, exactly: bool) -> bool {
    if exactly { own == name } else { own.eq_ignore_ascii_case(name) }
}

impl Named for Property {
    fn is(&self, name: &str, version: Version, exactly: bool) -> bool {
        matches(self.name, name, exactly) && self.versions.contains(version)
    }
}

impl Named for Navigation {
    fn is(&self, name: &str, version: Version, exactly: bool) -> bool {
        matches(self.name, name, exactly) && self.versions.contains(version)
    }
}

fn find<T: Named>(
    tables: &(impl Iterator<Item = &'static [T]> + Clone),
    name: &str,
    version: Version,
) -> Option<&'static T> {
    [true, false]
        .into_iter()
        .find_map(|exactly| tables.clone().flatten().find(|member| member.is(name, version, exactly)))
}

/// A structured type without identity, such as `signInStatus`.
pub struct ComplexType {
    /// Name without namespace.
    pub name: &'static str,
    /// Its properties, in the order of `$metadata`.
    pub properties: &'static [Property],
    /// Whether values may have properties that are not listed.
    pub open: bool,
}

impl ComplexType {
    /// `microsoft.graph.signInStatus`
    pub fn qualified_name(&self) -> String {
        format!("{NAMESPACE}.{}", self.name)
    }

    /// The property of that name in that version, with the rules of [`EntityType::property`].
    pub fn property(&self, name: &str, version: Version) -> Option<&'static Property> {
        find(&std::iter::once(self.properties), name, version)
    }
}

/// An enumeration; on the wire a member is its name.
pub struct EnumType {
    /// Name without namespace.
    pub name: &'static str,
    /// Members in numeric order, the first is 0.
    pub members: &'static [&'static str],
    /// The member of evolvable enumerations behind which later members stand: `unknownFutureValue`.
    pub sentinel: Option<&'static str>,
}

impl EnumType {
    /// `microsoft.graph.riskLevel`
    pub fn qualified_name(&self) -> String {
        format!("{NAMESPACE}.{}", self.name)
    }

    /// The member of that name, in any case.
    pub fn member(&self, name: &str) -> Option<&'static str> {
        self.position(name).map(|at| self.members[at])
    }

    /// The number of the member of that name, in any case.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.members.iter().position(|member| member.eq_ignore_ascii_case(name))
    }

    /// Whether a client sees the member only if it sends `Prefer: include-unknown-enum-members`.
    pub fn is_evolved(&self, name: &str) -> bool {
        let sentinel = self.sentinel.and_then(|sentinel| self.position(sentinel));
        sentinel.zip(self.position(name)).is_some_and(|(sentinel, at)| at > sentinel)
    }
}

/// The type of a property.
#[derive(Clone, Copy)]
pub enum Kind {
    /// `Edm.String`
    String,
    /// `Edm.Boolean`
    Boolean,
    /// `Edm.Int32`
    Int32,
    /// `Edm.Int64`
    Int64,
    /// `Edm.Double`
    Double,
    /// `Edm.Guid`, on the wire a string.
    Guid,
    /// `Edm.DateTimeOffset`, on the wire a string of RFC 3339.
    DateTimeOffset,
    /// `Edm.Binary`, on the wire base64.
    Binary,
    /// `Edm.Duration`, on the wire a string such as `PT1H`.
    Duration,
    /// An enumeration.
    Enum(&'static EnumType),
    /// A structured value.
    Complex(&'static ComplexType),
    /// An array.
    Collection(&'static Kind),
    /// What a relation to one object leads to; no property has it.
    Entity(&'static EntityType),
    /// What a relation to many objects leads to; no property has it.
    Entities(&'static EntityType),
    /// An open property, of which nothing is known: `Edm.Untyped`.
    Any,
}

impl Kind {
    /// Name in `$metadata` and in messages: `Edm.String`, `microsoft.graph.riskLevel`,
    /// `Collection(Edm.String)`.
    pub fn name(self) -> String {
        let edm = match self {
            Kind::String => "Edm.String",
            Kind::Boolean => "Edm.Boolean",
            Kind::Int32 => "Edm.Int32",
            Kind::Int64 => "Edm.Int64",
            Kind::Double => "Edm.Double",
            Kind::Guid => "Edm.Guid",
            Kind::DateTimeOffset => "Edm.DateTimeOffset",
            Kind::Binary => "Edm.Binary",
            Kind::Duration => "Edm.Duration",
            Kind::Any => "Edm.Untyped",
            Kind::Enum(of) => return of.qualified_name(),
            Kind::Complex(of) => return of.qualified_name(),
            Kind::Entity(of) => return of.qualified_name(),
            Kind::Entities(of) => return format!("Collection({})", of.qualified_name()),
            Kind::Collection(of) => return format!("Collection({})", of.name()),
        };
        edm.to_owned()
    }

    /// The kind of a collection's elements; `None` for what is no collection. An open value may be one.
    pub fn element(self) -> Option<Kind> {
        match self {
            Kind::Collection(of) => Some(*of),
            Kind::Entities(of) => Some(Kind::Entity(of)),
            Kind::Any => Some(Kind::Any),
            _ => None,
        }
    }

    /// What `name` leads to below a value of this kind; `None` if to nothing.
    pub fn member(self, name: &str, version: Version) -> Option<Member> {
        let (property, navigation, open) = match self {
            Kind::Entity(of) => (of.property(name, version), of.navigation(name, version), of.is_open()),
            Kind::Complex(of) => (of.property(name, version), None, of.open),
            Kind::Any => (None, None, true),
            _ => (None, None, false),
        };
        match (property, navigation) {
            (Some(property), _) => Some(Member::Property(property)),
            (None, Some(navigation)) => Some(Member::Navigation(navigation)),
            (None, None) => open.then_some(Member::Open),
        }
    }
}

/// Types are the same if their names are: tables refer to each other in circles.
impl PartialEq for Kind {
    fn eq(&self, other: &Kind) -> bool {
        match (self, other) {
            (Kind::Enum(a), Kind::Enum(b)) => a.name == b.name,
            (Kind::Complex(a), Kind::Complex(b)) => a.name == b.name,
            (Kind::Entity(a), Kind::Entity(b)) | (Kind::Entities(a), Kind::Entities(b)) => a.name == b.name,
            (Kind::Collection(a), Kind::Collection(b)) => a == b,
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        }
    }
}

impl Eq for Kind {}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// What a name leads to below an object.
#[derive(Clone, Copy, Debug)]
pub enum Member {
    /// A listed property.
    Property(&'static Property),
    /// A relation.
    Navigation(&'static Navigation),
    /// An unlisted property of an open type.
    Open,
}

impl Member {
    /// The kind of what is found there.
    pub fn kind(self) -> Kind {
        match self {
            Member::Property(property) => property.kind,
            Member::Navigation(navigation) => navigation.kind(),
            Member::Open => Kind::Any,
        }
    }
}

/// A property of an entity type or of a complex type.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// Name in JSON.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
    /// Where it exists.
    pub versions: Versions,
    /// Whether it may be null; `true` unless marked.
    pub nullable: bool,
    /// Whether `$filter` may name it.
    pub filterable: bool,
    /// Whether it is in an answer only if `$select` names it.
    pub only_selected: bool,
    /// Whether any `$filter` on it is an advanced query.
    pub advanced: bool,
    /// Whether comparing it with null is an advanced query.
    pub null_advanced: bool,
    /// Whether `$orderby` on it is no advanced query.
    pub orderable: bool,
}

impl Property {
    /// A property of both versions that may be null, filtered and returned.
    pub const fn new(name: &'static str, kind: Kind) -> Property {
        Property {
            name,
            kind,
            versions: Versions::Both,
            nullable: true,
            filterable: true,
            only_selected: false,
            advanced: false,
            null_advanced: false,
            orderable: false,
        }
    }

    /// Only in `/beta`.
    #[must_use]
    pub const fn beta(mut self) -> Property {
        self.versions = Versions::Beta;
        self
    }

    /// Only in `/v1.0`.
    #[must_use]
    pub const fn v1(mut self) -> Property {
        self.versions = Versions::V1;
        self
    }

    /// Never null.
    #[must_use]
    pub const fn required(mut self) -> Property {
        self.nullable = false;
        self
    }

    /// `$filter` must not name it, nor anything below it.
    #[must_use]
    pub const fn not_filterable(mut self) -> Property {
        self.filterable = false;
        self
    }

    /// In an answer only if `$select` names it.
    #[must_use]
    pub const fn only_selected(mut self) -> Property {
        self.only_selected = true;
        self
    }

    /// Any `$filter` on it is an advanced query.
    #[must_use]
    pub const fn advanced(mut self) -> Property {
        self.advanced = true;
        self
    }

    /// Comparing it with null is an advanced query.
    #[must_use]
    pub const fn null_advanced(mut self) -> Property {
        self.null_advanced = true;
        self
    }

    /// `$orderby` on it, alone, is no advanced query.
    #[must_use]
    pub const fn orderable(mut self) -> Property {
        self.orderable = true;
        self
    }
}

/// A relation to other objects.
#[derive(Clone, Copy)]
pub struct Navigation {
    /// Name in paths and in `$expand`.
    pub name: &'static str,
    /// Type at the other end.
    pub target: &'static EntityType,
    /// Whether it leads to many.
    pub collection: bool,
    /// Whether what it leads to has no other address and dies with its parent.
    pub contained: bool,
    /// Where it exists.
    pub versions: Versions,
}

impl Navigation {
    /// A relation to many objects.
    pub const fn many(name: &'static str, target: &'static EntityType) -> Navigation {
        Navigation { name, target, collection: true, contained: false, versions: Versions::Both }
    }

    /// A relation to at most one object.
    pub const fn one(name: &'static str, target: &'static EntityType) -> Navigation {
        Navigation { name, target, collection: false, contained: false, versions: Versions::Both }
    }

    /// What it leads to is part of its parent.
    #[must_use]
    pub const fn contained(mut self) -> Navigation {
        self.contained = true;
        self
    }

    /// Only in `/beta`.
    #[must_use]
    pub const fn beta(mut self) -> Navigation {
        self.versions = Versions::Beta;
        self
    }

    /// Only in `/v1.0`.
    #[must_use]
    pub const fn v1(mut self) -> Navigation {
        self.versions = Versions::V1;
        self
    }

    /// The kind of what it leads to.
    pub fn kind(&self) -> Kind {
        if self.collection { Kind::Entities(self.target) } else { Kind::Entity(self.target) }
    }
}

macro_rules! shown_by_name {
    ($( $of:ident )+) => {
        $(
            // Only the name: tables refer to each other in circles.
            impl fmt::Debug for $of {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, "{}({})", stringify!($of), self.name)
                }
            }
        )+
    };
}

shown_by_name! { EntityType ComplexType EnumType Navigation }

/// Types are statics: one is another when it is the same.
impl PartialEq for EntityType {
    fn eq(&self, other: &EntityType) -> bool {
        std::ptr::eq(self, other)
    }
}

impl PartialEq for Navigation {
    fn eq(&self, other: &Navigation) -> bool {
        (self.name, self.kind()) == (other.name, other.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{RISK_DETAIL, SERVICE_PRINCIPAL, SIGN_IN};

    #[test]
    fn properties_belong_to_versions_and_to_bases() {
        let named = |name, version| SIGN_IN.property(name, version).map(|property| property.name);
        assert_eq!(named("signInEventTypes", Version::V1), None);
        assert_eq!(named("signInEventTypes", Version::Beta), Some("signInEventTypes"));
        assert_eq!(named("APPDISPLAYNAME", Version::V1), Some("appDisplayName"));
        assert_eq!(named("id", Version::V1), Some("id"), "from its base");
        assert_eq!(SIGN_IN.all_properties(Version::V1)[0].name, "id");
    }

    #[test]
    fn tables_in_circles_can_be_shown_and_compared() {
        let owners = SERVICE_PRINCIPAL.navigation("owners", Version::V1).unwrap();
        assert_eq!(
            format!("{owners:?} {:?}", owners.target),
            "Navigation(owners) EntityType(servicePrincipal)"
        );
        assert_eq!(owners.kind(), Kind::Entities(&SERVICE_PRINCIPAL));
        assert_eq!(owners.kind().name(), "Collection(microsoft.graph.servicePrincipal)");
    }

    #[test]
    fn members_behind_the_sentinel_are_evolved() {
        assert!(RISK_DETAIL.is_evolved("adminConfirmedServicePrincipalCompromised"));
        assert!(!RISK_DETAIL.is_evolved("none") && !RISK_DETAIL.is_evolved("unknownFutureValue"));
        assert!(!RISK_DETAIL.is_evolved("unheard"));
    }
}
