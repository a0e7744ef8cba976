//! `$metadata`: the service in CSDL 4.0 XML.

use std::collections::{BTreeMap, BTreeSet};

use crate::edm::{ComplexType, EntityType, EnumType, Kind, NAMESPACE, Property, Version};

/// What a service offers, in one version. Types are found by walking from what is named here.
#[derive(Clone, Debug)]
pub struct Service {
    /// The version whose properties are shown.
    pub version: Version,
    /// Name of the entity container, the parent of sets and singletons: `GraphService`.
    pub container: &'static str,
    /// Types that nothing else leads to.
    pub entities: Vec<&'static EntityType>,
    /// Collections at the root: name and type.
    pub sets: Vec<(&'static str, &'static EntityType)>,
    /// Single objects at the root: name and type.
    pub singletons: Vec<(&'static str, &'static EntityType)>,
    /// Bound actions and functions.
    pub operations: Vec<Operation>,
}

/// An action or a function on objects of a type.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Name without namespace: `confirmCompromised`.
    pub name: &'static str,
    /// Whether it only reads.
    pub is_function: bool,
    /// What it is called on: [`Kind::Entity`] or [`Kind::Entities`].
    pub bound_to: Kind,
    /// Names and types in the body of an action, or in the parentheses of a function.
    pub parameters: Vec<(&'static str, Kind)>,
    /// What it answers with.
    pub returns: Option<Kind>,
}

/// The document, with types in the order of their names.
pub fn metadata(service: &Service) -> String {
    let mut types = Types { version: service.version, ..Types::default() };
    service.entities.iter().for_each(|entity| types.add(Kind::Entity(entity)));
    service.sets.iter().chain(&service.singletons).for_each(|(_, entity)| types.add(Kind::Entity(entity)));
    for operation in &service.operations {
        types.add(operation.bound_to);
        operation.parameters.iter().for_each(|(_, kind)| types.add(*kind));
        operation.returns.into_iter().for_each(|kind| types.add(kind));
    }

    let mut xml = Xml::default();
    xml.text.push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
    let edmx = "http://docs.oasis-open.org/odata/ns/edmx";
    xml.open("edmx:Edmx", &[("Version", "4.0"), ("xmlns:edmx", edmx)]);
    xml.open("edmx:DataServices", &[]);
    let edm = "http://docs.oasis-open.org/odata/ns/edm";
    xml.open("Schema", &[("Namespace", NAMESPACE), ("xmlns", edm)]);
    types.enums.values().for_each(|of| write_enum(&mut xml, of));
    types.complex.values().for_each(|of| write_complex(&mut xml, of, service.version));
    types.entities.values().for_each(|of| write_entity(&mut xml, of, service.version));
    service.operations.iter().for_each(|operation| write_operation(&mut xml, operation));
    write_container(&mut xml, service);
    xml.close("Schema");
    xml.close("edmx:DataServices");
    xml.close("edmx:Edmx");
    xml.text
}

struct Types {
    version: Version,
    entities: BTreeMap<&'static str, &'static EntityType>,
    complex: BTreeMap<&'static str, &'static ComplexType>,
    enums: BTreeMap<&'static str, &'static EnumType>,
}

impl Default for Types {
    fn default() -> Types {
        Types {
            version: Version::V1,
            entities: BTreeMap::new(),
            complex: BTreeMap::new(),
            enums: BTreeMap::new(),
        }
    }
}

impl Types {
    /// Adds a type and all that it leads to. A list of what is to be visited instead of recursion: relations
    /// form chains as long as there are types.
    fn add(&mut self, kind: Kind) {
        let mut open = vec![kind];
        let version = self.version;
        let of_version = |properties: &'static [Property]| {
            properties
                .iter()
                .filter(move |property| property.versions.contains(version))
                .map(|property| property.kind)
        };
        while let Some(kind) = open.pop() {
            match kind {
                Kind::Collection(of) => open.push(*of),
                Kind::Enum(of) => {
                    self.enums.insert(of.name, of);
                }
                Kind::Complex(of) if self.complex.insert(of.name, of).is_none() => {
                    open.extend(of_version(of.properties));
                }
                Kind::Entity(of) | Kind::Entities(of) if self.entities.insert(of.name, of).is_none() => {
                    open.extend(of.base.map(Kind::Entity));
                    open.extend(of.derived.iter().map(|derived| Kind::Entity(derived)));
                    open.extend(of_version(of.properties));
                    let relations =
                        of.navigation.iter().filter(|relation| relation.versions.contains(version));
                    open.extend(relations.map(|relation| Kind::Entity(relation.target)));
                }
                _ => {}
            }
        }
    }
}

fn write_enum(xml: &mut Xml, of: &EnumType) {
    xml.open("EnumType", &[("Name", of.name)]);
    for (number, member) in of.members.iter().enumerate() {
        xml.empty("Member", &[("Name", member), ("Value", &number.to_string())]);
    }
    xml.close("EnumType");
}

fn write_complex(xml: &mut Xml, of: &ComplexType, version: Version) {
    let mut attributes = vec![("Name", of.name)];
    attributes.extend(of.open.then_some(("OpenType", "true")));
    xml.open("ComplexType", &attributes);
    write_properties(xml, of.properties, version);
    xml.close("ComplexType");
}

fn write_entity(xml: &mut Xml, of: &'static EntityType, version: Version) {
    let base = of.base.map(EntityType::qualified_name);
    let mut attributes = vec![("Name", of.name)];
    attributes.extend(base.as_deref().map(|base| ("BaseType", base)));
    attributes.extend(of.open.then_some(("OpenType", "true")));
    xml.open("EntityType", &attributes);
    if of.properties.iter().any(|property| property.name == "id") {
        xml.open("Key", &[]);
        xml.empty("PropertyRef", &[("Name", "id")]);
        xml.close("Key");
    }
    write_properties(xml, of.properties, version);
    for relation in of.navigation.iter().filter(|relation| relation.versions.contains(version)) {
        let kind = relation.kind().name();
        let mut attributes = vec![("Name", relation.name), ("Type", kind.as_str())];
        attributes.extend(relation.contained.then_some(("ContainsTarget", "true")));
        xml.empty("NavigationProperty", &attributes);
    }
    xml.close("EntityType");
}

fn write_properties(xml: &mut Xml, properties: &[Property], version: Version) {
    for property in properties.iter().filter(|property| property.versions.contains(version)) {
        let kind = property.kind.name();
        let mut attributes = vec![("Name", property.name), ("Type", kind.as_str())];
        attributes.extend((!property.nullable).then_some(("Nullable", "false")));
        xml.empty("Property", &attributes);
    }
}

fn write_operation(xml: &mut Xml, operation: &Operation) {
    let element = if operation.is_function { "Function" } else { "Action" };
    xml.open(element, &[("Name", operation.name), ("IsBound", "true")]);
    xml.empty("Parameter", &[("Name", "bindingParameter"), ("Type", &operation.bound_to.name())]);
    for (name, kind) in &operation.parameters {
        xml.empty("Parameter", &[("Name", name), ("Type", &kind.name())]);
    }
    if let Some(kind) = operation.returns {
        xml.empty("ReturnType", &[("Type", &kind.name())]);
    }
    xml.close(element);
}

fn write_container(xml: &mut Xml, service: &Service) {
    xml.open("EntityContainer", &[("Name", service.container)]);
    let mut written = BTreeSet::new();
    for (name, entity) in service.sets.iter().filter(|(name, _)| written.insert(*name)) {
        xml.empty("EntitySet", &[("Name", name), ("EntityType", &entity.qualified_name())]);
    }
    for (name, entity) in service.singletons.iter().filter(|(name, _)| written.insert(*name)) {
        xml.empty("Singleton", &[("Name", name), ("Type", &entity.qualified_name())]);
    }
    xml.close("EntityContainer");
}

#[derive(Default)]
struct Xml {
    text: String,
    depth: usize,
}

impl Xml {
    fn open(&mut self, element: &str, attributes: &[(&str, &str)]) {
        self.tag(element, attributes, ">\n");
        self.depth += 1;
    }

    fn empty(&mut self, element: &str, attributes: &[(&str, &str)]) {
        self.tag(element, attributes, " />\n");
    }

    fn close(&mut self, element: &str) {
        self.depth -= 1;
        self.text.push_str(&format!("{}</{element}>\n", "  ".repeat(self.depth)));
    }

    fn tag(&mut self, element: &str, attributes: &[(&str, &str)], end: &str) {
        self.text.push_str(&format!("{}<{element}", "  ".repeat(self.depth)));
        for (name, value) in attributes {
            self.text.push_str(&format!(" {name}=\"{}\"", escaped(value)));
        }
        self.text.push_str(end);
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{FEDERATED, SERVICE_PRINCIPAL, SIGN_IN};

    static ROOT: EntityType = EntityType {
        name: "identityProtectionRoot",
        base: None,
        properties: &[],
        navigation: &[crate::edm::Navigation::many("riskySignIns", &SIGN_IN).contained()],
        open: false,
        derived: &[],
    };

    #[test]
    fn the_document_names_everything_that_is_reached() {
        let service = Service {
            version: Version::V1,
            container: "GraphService",
            entities: vec![],
            sets: vec![("servicePrincipals", &SERVICE_PRINCIPAL)],
            singletons: vec![("identityProtection", &ROOT)],
            operations: vec![Operation {
                name: "dismiss",
                is_function: false,
                bound_to: Kind::Entities(&FEDERATED),
                parameters: vec![("servicePrincipalIds", Kind::Collection(&Kind::String))],
                returns: None,
            }],
        };
        insta::assert_snapshot!(metadata(&service));
        let beta = metadata(&Service { version: Version::Beta, ..service });
        assert!(beta.contains("\"signInEventTypes\"") && !beta.contains("\"legacyName\""));
    }

    #[test]
    fn attributes_are_escaped() {
        assert_eq!(escaped("<\"&'>"), "&lt;&quot;&amp;'&gt;");
    }
}
