//! Who signs in: the facts of a service principal that policies look at.

use serde_json::{Map, Value as Json};
use uuid::Uuid;

/// Microsoft's own tenants: applications they own are never in scope, since their first-party services are not.
const MICROSOFT_TENANTS: [Uuid; 2] = [
    Uuid::from_u128(0xf8cd_ef31_a31e_4b4a_93e4_5f57_1e91_255a),
    Uuid::from_u128(0x72f9_88bf_86f1_41af_91ab_2d7c_d011_db47),
];

/// Whether policies can be about a service principal. Microsoft's documents name the first kind alone; a policy reaches
/// the second and third when it says so itself ([`crate::policy::Extension`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// An application of this tenant and for this tenant alone.
    SingleTenantApplication,
    /// An application for several tenants, or one of another tenant.
    MultiTenantApplication,
    /// A managed identity.
    ManagedIdentity,
    /// Beyond every policy: Microsoft's own services, and what is neither application nor managed identity.
    Beyond,
}

/// What decides about the scope, as Graph spells it on a service principal.
#[derive(Clone, Copy, Debug)]
pub struct ScopeFacts<'a> {
    /// `servicePrincipalType`: `Application`, `ManagedIdentity`, …
    pub service_principal_type: &'a str,
    /// `signInAudience`.
    pub sign_in_audience: Option<&'a str>,
    /// `appOwnerOrganizationId`.
    pub app_owner_organization_id: Option<Uuid>,
}

impl Scope {
    /// The scope of a service principal in the tenant `tenant`. It is asked at each sign-in: an application that becomes
    /// multi-tenant leaves the scope, and the policies about it stay as they are.
    pub fn of(facts: ScopeFacts<'_>, tenant: Uuid) -> Scope {
        let owner = facts.app_owner_organization_id;
        match facts.service_principal_type {
            _ if owner.is_some_and(|owner| MICROSOFT_TENANTS.contains(&owner)) => Scope::Beyond,
            "ManagedIdentity" => Scope::ManagedIdentity,
            "Application" if owner == Some(tenant) && facts.sign_in_audience == Some("AzureADMyOrg") => {
                Scope::SingleTenantApplication
            }
            "Application" => Scope::MultiTenantApplication,
            _ => Scope::Beyond,
        }
    }
}

/// A service principal that signs in.
#[derive(Clone, Copy, Debug)]
pub struct Principal<'a> {
    /// Its object id, which is not the appId.
    pub id: Uuid,
    /// Whether policies can be about it.
    pub scope: Scope,
    /// Its custom security attributes.
    pub attributes: &'a Attributes,
}

/// `customSecurityAttributes` of a service principal, as far as rules can see them: texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Vec<Attribute>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Attribute {
    set: String,
    name: String,
    values: Values,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// Of an attribute that has one value.
    One(String),
    /// Of an attribute that may have several, even where it has one or none.
    Several(Vec<String>),
}

impl Attributes {
    /// Reads Graph's object of attribute sets: `{"Ops": {"Zone": "lab", "Teams": ["pay", "tax"]}}`. Annotations are
    /// passed over, and so are numbers and Booleans: rules compare texts, and an attribute of another type is to them as if
    /// it were not there.
    pub fn read(sets: &Map<String, Json>) -> Attributes {
        let mut attributes = Vec::new();
        for (set, members) in sets {
            for (name, value) in members.as_object().into_iter().flatten() {
                let values = match value {
                    _ if name.contains('@') => None,
                    Json::String(text) => Some(Values::One(text.clone())),
                    Json::Array(values) => Some(Values::Several(
                        values.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
                    )),
                    _ => None,
                };
                if let Some(values) = values {
                    attributes.push(Attribute { set: set.clone(), name: name.clone(), values });
                }
            }
        }
        Attributes(attributes)
    }

    /// The value of an attribute; names are compared without regard to case, as Entra does.
    pub fn get(&self, set: &str, name: &str) -> Option<&Values> {
        // An object has at most 50 of them.
        let found = self.0.iter().find(|attribute| {
            attribute.name.eq_ignore_ascii_case(name) && attribute.set.eq_ignore_ascii_case(set)
        });
        found.map(|attribute| &attribute.values)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TENANT: Uuid = Uuid::from_u128(1);

    #[test]
    fn who_is_in_scope() {
        let of = |kind, audience, owner| {
            let facts = ScopeFacts {
                service_principal_type: kind,
                sign_in_audience: audience,
                app_owner_organization_id: owner,
            };
            Scope::of(facts, TENANT)
        };
        let (ours, theirs) = (Some(TENANT), Some(Uuid::from_u128(2)));
        assert_eq!(of("Application", Some("AzureADMyOrg"), ours), Scope::SingleTenantApplication);
        assert_eq!(of("Application", Some("AzureADMultipleOrgs"), ours), Scope::MultiTenantApplication);
        assert_eq!(of("Application", Some("AzureADMyOrg"), theirs), Scope::MultiTenantApplication);
        assert_eq!(of("Application", None, ours), Scope::MultiTenantApplication);
        assert_eq!(of("ManagedIdentity", None, None), Scope::ManagedIdentity);
        assert_eq!(of("Legacy", None, ours), Scope::Beyond);
        for microsoft in MICROSOFT_TENANTS {
            for kind in ["Application", "ManagedIdentity"] {
                assert_eq!(of(kind, Some("AzureADMyOrg"), Some(microsoft)), Scope::Beyond);
            }
        }
        assert_eq!(MICROSOFT_TENANTS[0].to_string(), "f8cdef31-a31e-4b4a-93e4-5f571e91255a");
        assert_eq!(MICROSOFT_TENANTS[1].to_string(), "72f988bf-86f1-41af-91ab-2d7cd011db47");
    }

    #[test]
    fn attributes_are_read_as_graph_writes_them() {
        let json = json!({
            "Ops": {
                "@odata.type": "#microsoft.graph.customSecurityAttributeValue",
                "Zone": "lab",
                "Teams@odata.type": "#Collection(String)",
                "Teams": ["pay", "tax"],
                "Level": 3,
            },
            "Empty": null,
        });
        let attributes = Attributes::read(json.as_object().unwrap());
        assert_eq!(attributes.get("Ops", "Zone"), Some(&Values::One("lab".to_owned())));
        assert_eq!(attributes.get("ops", "ZONE"), attributes.get("Ops", "Zone"));
        let teams = Values::Several(vec!["pay".to_owned(), "tax".to_owned()]);
        assert_eq!(attributes.get("Ops", "Teams"), Some(&teams));
        for absent in ["Level", "@odata.type", "Teams@odata.type", "Other"] {
            assert_eq!(attributes.get("Ops", absent), None, "{absent}");
        }
        assert_eq!(attributes.get("Other", "Zone"), None);
    }
}
