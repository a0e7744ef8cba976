//! A question of What If, read from Graph's JSON as strictly as a policy is: an answer to another question than was asked
//! would say that somebody is let in whom a policy blocks.

use std::net::IpAddr;

use countersign_model::risk::RiskLevel;
use countersign_model::source::Country;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::evaluate::Risk;
use crate::invalid::{Code, Invalid, echo};
use crate::json::{Object, guid};

/// Most resources of one question.
pub const RESOURCES_MAX: usize = 100;

/// `@odata.type` of the one identity that policies for workloads can be about.
const IDENTITY: &str = "microsoft.graph.servicePrincipalSignIn";
/// `@odata.type` of a sign-in to applications.
const CONTEXT: &str = "microsoft.graph.applicationContext";
const MEMBERS: [&str; 4] = ["signInIdentity", "signInContext", "signInConditions", "appliedPoliciesOnly"];
const CONDITIONS: [&str; 3] = ["servicePrincipalRiskLevel", "ipAddress", "country"];
/// What Graph knows of people, devices and agents. No policy here can have a condition on it, so no answer depends on it.
const CONDITIONS_OF_OTHERS: [&str; 8] = [
    "authenticationFlow",
    "clientAppType",
    "deviceInfo",
    "devicePlatform",
    "insiderRiskLevel",
    "signInRiskLevel",
    "userRiskLevel",
    "agentIdRiskLevel",
];

/// What is asked. What was left out is not said, and nothing is made up for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Object id of the service principal. Whether it exists is for the caller to find out.
    pub principal: Uuid,
    /// appIds of the resources, 1 to [`RESOURCES_MAX`].
    pub resources: Vec<Uuid>,
    /// `servicePrincipalRiskLevel`
    pub risk: Risk,
    /// `ipAddress`
    pub address: Option<IpAddr>,
    /// `country`, in any case.
    pub country: Option<Country>,
    /// `appliedPoliciesOnly`
    pub applied_only: bool,
}

impl Question {
    /// Reads the body of a question.
    pub fn read(json: &Map<String, Json>) -> Result<Question, Invalid> {
        let question = Object::new(json);
        question.has_only(&[&MEMBERS])?;
        let identity = typed(question, "signInIdentity", IDENTITY)?;
        identity.has_only(&[&["servicePrincipalId"]])?;
        let id = identity.required_text("servicePrincipalId")?;
        let principal =
            guid(id).ok_or_else(|| identity.invalid(Code::Schema, "servicePrincipalId", "must be a GUID"))?;
        let context = typed(question, "signInContext", CONTEXT)?;
        context.has_only(&[&["includeApplications"]])?;
        let resources = context.texts("includeApplications", guid)?;
        if !(1..=RESOURCES_MAX).contains(&resources.len()) {
            let problem = format!("must name 1 to {RESOURCES_MAX} applications");
            return Err(context.invalid(Code::Limit, "includeApplications", problem));
        }
        let applied_only = match question.value("appliedPoliciesOnly") {
            None => false,
            Some(_) => question.flag("appliedPoliciesOnly")?,
        };
        let asked = Question {
            principal,
            resources,
            risk: Risk::NotSaid,
            address: None,
            country: None,
            applied_only,
        };
        match question.object("signInConditions", "signInConditions")? {
            None => Ok(asked),
            Some(conditions) => asked.under(conditions),
        }
    }

    fn under(self, conditions: Object<'_>) -> Result<Question, Invalid> {
        conditions.has_only(&[&CONDITIONS, &CONDITIONS_OF_OTHERS])?;
        let refused = |name: &str, problem: &str| conditions.invalid(Code::Schema, name, problem);
        let risk =
            match conditions.text("servicePrincipalRiskLevel")? {
                None => Risk::NotSaid,
                Some(text) => Risk::Level(level(text).ok_or_else(|| {
                    refused("servicePrincipalRiskLevel", "must be none, low, medium or high")
                })?),
            };
        let address = conditions.text("ipAddress")?.map(str::parse::<IpAddr>).transpose();
        let address = address.map_err(|_| refused("ipAddress", "is not an IP address"))?;
        let country =
            match conditions.text("country")? {
                None => None,
                Some(text) => Some(Country::parse(text).ok_or_else(|| {
                    refused("country", "must be a country in the two letters of ISO 3166-1")
                })?),
            };
        Ok(Question { risk, address, country, ..self })
    }
}

/// An object that must be there and be of one type.
fn typed<'j>(question: Object<'j>, name: &'static str, kind: &str) -> Result<Object<'j>, Invalid> {
    let object = question.required(name, name)?;
    match object.text("@odata.type")? {
        Some(own) if own.trim_start_matches('#').eq_ignore_ascii_case(kind) => Ok(object),
        Some(other) => {
            let problem = format!("is of type '{}'; only '#{kind}' can be evaluated", echo(other));
            Err(question.invalid(Code::Schema, name, problem))
        }
        None => {
            Err(question.invalid(Code::Incomplete, name, format!("needs '@odata.type', which is '#{kind}'")))
        }
    }
}

fn level(text: &str) -> Option<RiskLevel> {
    [RiskLevel::None, RiskLevel::Low, RiskLevel::Medium, RiskLevel::High]
        .into_iter()
        .find(|level| level.as_str().eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PAYROLL: Uuid = Uuid::from_u128(0x0000_00a1_1111_4111_8111_1111_1111_1111);
    const GRAPH: Uuid = Uuid::from_u128(0x0000_0003_0000_0000_c000_0000_0000_0000);

    /// The good question with another value at a path such as `/signInConditions/country`.
    fn read(path: &str, value: &Json) -> Result<Question, Invalid> {
        let mut question = json!({
            "signInIdentity": {
                "@odata.type": "#microsoft.graph.servicePrincipalSignIn", "servicePrincipalId": PAYROLL,
            },
            "signInContext": {
                "@odata.type": "#microsoft.graph.applicationContext", "includeApplications": [GRAPH],
            },
            "signInConditions": {
                "servicePrincipalRiskLevel": "high", "country": "fr", "ipAddress": "203.0.113.10",
            },
            "appliedPoliciesOnly": true,
        });
        let (parent, name) = path.rsplit_once('/').unwrap();
        question.pointer_mut(parent).unwrap()[name] = value.clone();
        Question::read(question.as_object().unwrap())
    }

    #[test]
    fn a_question_is_read() {
        let expected = Question {
            principal: PAYROLL,
            resources: vec![GRAPH],
            risk: Risk::Level(RiskLevel::High),
            address: Some("203.0.113.10".parse().unwrap()),
            country: Some(Country(*b"FR")),
            applied_only: true,
        };
        assert_eq!(read("/appliedPoliciesOnly", &json!(true)), Ok(expected.clone()));
        let people = json!("browser");
        assert_eq!(read("/signInConditions/clientAppType", &people), Ok(expected.clone()));
        let all = Question { applied_only: false, ..expected.clone() };
        assert_eq!(read("/appliedPoliciesOnly", &Json::Null), Ok(all));
        let nothing = Question { risk: Risk::NotSaid, address: None, country: None, ..expected };
        for conditions in [json!(null), json!({}), json!({"ipAddress": null, "country": null})] {
            assert_eq!(read("/signInConditions", &conditions), Ok(nothing.clone()), "{conditions}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (path, value, member) in [
            ("/moon", json!("full"), "moon"),
            ("/appliedPoliciesOnly", json!("true"), "appliedPoliciesOnly"),
            ("/signInIdentity", json!(null), "signInIdentity"),
            ("/signInIdentity", json!({"servicePrincipalId": PAYROLL}), "signInIdentity"),
            ("/signInIdentity/@odata.type", json!("#microsoft.graph.userSignIn"), "signInIdentity"),
            ("/signInIdentity/moon", json!("full"), "signInIdentity.moon"),
            ("/signInIdentity/servicePrincipalId", json!("payroll"), "signInIdentity.servicePrincipalId"),
            ("/signInContext/includeApplications", json!([]), "signInContext.includeApplications"),
            ("/signInContext/includeApplications", json!("All"), "signInContext.includeApplications"),
            ("/signInContext/includeApplications", json!(["All"]), "signInContext.includeApplications"),
            ("/signInConditions", json!([]), "signInConditions"),
            ("/signInConditions/moon", json!("full"), "signInConditions.moon"),
            ("/signInConditions/ipAddress", json!(3), "signInConditions.ipAddress"),
            ("/signInConditions/ipAddress", json!("198.51.100"), "signInConditions.ipAddress"),
            ("/signInConditions/country", json!(7), "signInConditions.country"),
            ("/signInConditions/country", json!(""), "signInConditions.country"),
            ("/signInConditions/country", json!("ZZ"), "signInConditions.country"),
            (
                "/signInConditions/servicePrincipalRiskLevel",
                json!(3),
                "signInConditions.servicePrincipalRiskLevel",
            ),
            (
                "/signInConditions/servicePrincipalRiskLevel",
                json!("extreme"),
                "signInConditions.servicePrincipalRiskLevel",
            ),
        ] {
            let invalid = read(path, &value).unwrap_err();
            assert_eq!(invalid.member, member, "{path} {value}: {invalid}");
            assert!(invalid.text.contains(member), "{invalid}");
        }
    }
}
