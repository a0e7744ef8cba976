//! Named locations: networks and countries that policies name.

use countersign_model::source::Country;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::document::filled;
use crate::invalid::{Code, Invalid, echo};
use crate::json::Object;
pub use crate::network::{Network, PREFIX_MIN};

/// Most networks in a location.
pub const RANGES_MAX: usize = 2_000;
/// Most named locations in a tenant; one more is refused when it is made.
pub const LOCATIONS_MAX: usize = 195;

/// `@odata.type` of a location of networks.
const IP_LOCATION: &str = "#microsoft.graph.ipNamedLocation";
/// `@odata.type` of a location of countries.
const COUNTRY_LOCATION: &str = "#microsoft.graph.countryNamedLocation";

/// What every location may have.
const MEMBERS: [&str; 5] = ["id", "displayName", "createdDateTime", "modifiedDateTime", "deletedDateTime"];

/// A named location that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedLocation {
    /// Its id.
    pub id: Uuid,
    /// `displayName`.
    pub display_name: String,
    /// Where it is.
    pub area: Area,
}

/// Where a location is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Area {
    /// `ipNamedLocation`.
    Networks {
        /// `isTrusted`: it is part of `AllTrusted`.
        is_trusted: bool,
        /// `ipRanges`: at least one, at most [`RANGES_MAX`].
        networks: Vec<Network>,
    },
    /// `countryNamedLocation`, by the address of the client.
    Countries {
        /// `countriesAndRegions`: at least one.
        countries: Vec<Country>,
        /// `includeUnknownCountriesAndRegions`: an address whose country nobody knows lies in it, too.
        include_unknown: bool,
    },
}

impl NamedLocation {
    /// Reads Graph's JSON of a location, with the id that it has or will have.
    pub fn read(json: &Map<String, Json>) -> Result<NamedLocation, Invalid> {
        let object = Object::new(json);
        let area = match object.text("@odata.type")? {
            Some(kind) if is_type(kind, IP_LOCATION) => networks(object)?,
            Some(kind) if is_type(kind, COUNTRY_LOCATION) => countries(object)?,
            Some(kind) => {
                let problem = format!("'{}' is not a type of named location", echo(kind));
                return Err(object.invalid(Code::Schema, "@odata.type", problem));
            }
            None => return Err(object.invalid(Code::Incomplete, "@odata.type", "is required")),
        };
        Ok(NamedLocation { id: object.id()?, display_name: object.display_name()?.to_owned(), area })
    }

    /// Whether it is part of `AllTrusted`.
    pub fn is_trusted(&self) -> bool {
        matches!(self.area, Area::Networks { is_trusted: true, .. })
    }

    /// The location as Graph shows it: what was left out has its default.
    pub fn complete(json: &Map<String, Json>) -> Map<String, Json> {
        let kind = json.get("@odata.type").and_then(Json::as_str).unwrap_or_default();
        let defaults = if is_type(kind, COUNTRY_LOCATION) {
            json!({"countryLookupMethod": "clientIpAddress", "includeUnknownCountriesAndRegions": false})
        } else {
            json!({"isTrusted": false})
        };
        let mut complete =
            filled(json, &[&defaults, &json!({"modifiedDateTime": null, "deletedDateTime": null})]);
        // `filled` takes annotations away; this one is part of the object. With `#` in front, whatever the client wrote.
        if !kind.is_empty() {
            complete.insert("@odata.type".to_owned(), format!("#{}", kind.trim_start_matches('#')).into());
        }
        complete
    }

    /// The location after a PATCH: what the change names is replaced. A location of networks stays one.
    pub fn merge(
        current: &Map<String, Json>,
        change: &Map<String, Json>,
    ) -> Result<Map<String, Json>, Invalid> {
        let kind =
            |json: &Map<String, Json>| json.get("@odata.type").and_then(Json::as_str).map(str::to_owned);
        let (own, other) = (kind(current).unwrap_or_default(), kind(change));
        if other.is_some_and(|other| !is_type(&other, &own)) {
            return Err(Invalid::member(Code::Schema, "@odata.type", "cannot be changed"));
        }
        let mut merged = current.clone();
        let changed = change.iter().filter(|(name, _)| *name != "@odata.type");
        merged.extend(changed.map(|(name, value)| (name.clone(), value.clone())));
        Ok(merged)
    }
}

/// Clients write type names with and without `#`.
fn is_type(text: &str, kind: &str) -> bool {
    text.trim_start_matches('#') == kind.trim_start_matches('#')
}

fn networks(object: Object<'_>) -> Result<Area, Invalid> {
    object.has_only(&[&MEMBERS, &["isTrusted", "ipRanges"]])?;
    let ranges = object.list("ipRanges")?;
    if ranges.is_empty() {
        return Err(object.invalid(Code::Incomplete, "ipRanges", "must not be empty"));
    }
    if ranges.len() > RANGES_MAX {
        return Err(object.invalid(Code::Limit, "ipRanges", format!("has more than {RANGES_MAX} members")));
    }
    let networks = ranges.iter().map(network).collect::<Result<_, _>>()?;
    Ok(Area::Networks { is_trusted: object.flag("isTrusted")?, networks })
}

fn network(range: &Json) -> Result<Network, Invalid> {
    let Json::Object(members) = range else {
        return Err(Invalid::member(Code::Schema, "ipRanges", "must be a collection of objects"));
    };
    let object = Object::at(members, "ipRanges");
    object.has_only(&[&["cidrAddress"]])?;
    let is_v4 = match object.text("@odata.type")? {
        Some(kind) if is_type(kind, "microsoft.graph.iPv4CidrRange") => true,
        Some(kind) if is_type(kind, "microsoft.graph.iPv6CidrRange") => false,
        Some(_) => {
            return Err(object.invalid(Code::Schema, "@odata.type", "is not a type of range"));
        }
        None => return Err(object.invalid(Code::Incomplete, "@odata.type", "is required")),
    };
    let text = object.required_text("cidrAddress")?;
    Network::parse(text, is_v4)
        .map_err(|why| object.invalid(Code::Schema, "cidrAddress", format!("'{}' {why}", echo(text))))
}

fn countries(object: Object<'_>) -> Result<Area, Invalid> {
    const OWN: [&str; 3] =
        ["countriesAndRegions", "countryLookupMethod", "includeUnknownCountriesAndRegions"];
    object.has_only(&[&MEMBERS, &OWN])?;
    match object.text("countryLookupMethod")? {
        None | Some("clientIpAddress") => {}
        // By the telephone of a person, which no workload has.
        Some("authenticatorAppGps") => {
            return Err(object.invalid(
                Code::Unenforceable,
                "countryLookupMethod",
                "cannot be 'authenticatorAppGps' in a location for workload identities",
            ));
        }
        Some(other) => {
            let problem = format!("has an invalid value '{}'", echo(other));
            return Err(object.invalid(Code::Schema, "countryLookupMethod", problem));
        }
    }
    let countries = object.texts("countriesAndRegions", Country::parse)?;
    if countries.is_empty() {
        return Err(object.invalid(Code::Incomplete, "countriesAndRegions", "must not be empty"));
    }
    Ok(Area::Countries { countries, include_unknown: object.flag("includeUnknownCountriesAndRegions")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(json: Json) -> Map<String, Json> {
        match json {
            Json::Object(members) => members,
            other => panic!("{other} is no object"),
        }
    }

    fn read(json: &Json, change: &Json) -> Result<NamedLocation, Invalid> {
        let mut all = members(json.clone());
        all.insert("id".to_owned(), json!("000000c1-1111-4111-8111-111111111111"));
        for (name, value) in members(change.clone()) {
            // An absent member is written as a text that stands for it here.
            if value == "ABSENT" {
                all.remove(&name)
            } else {
                all.insert(name, value)
            };
        }
        NamedLocation::read(&all)
    }

    fn office() -> Json {
        json!({
            "@odata.type": "#microsoft.graph.ipNamedLocation", "displayName": "office", "isTrusted": true,
            "ipRanges": [
                {"@odata.type": "#microsoft.graph.iPv4CidrRange", "cidrAddress": "12.34.221.11/22"},
                {"@odata.type": "#microsoft.graph.iPv6CidrRange", "cidrAddress": "2001:db8::/48"},
            ],
        })
    }

    fn nordic() -> Json {
        json!({
            "@odata.type": "#microsoft.graph.countryNamedLocation", "displayName": "nordic",
            "countriesAndRegions": ["SE", "no"],
        })
    }

    #[test]
    fn both_kinds_are_read() {
        let Area::Networks { is_trusted, networks } = read(&office(), &json!({})).unwrap().area else {
            panic!()
        };
        assert!(is_trusted);
        assert_eq!(
            networks.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["12.34.220.0/22", "2001:db8::/48"]
        );
        let countries = vec![Country(*b"SE"), Country(*b"NO")];
        assert_eq!(
            read(&nordic(), &json!({})).unwrap().area,
            Area::Countries { countries, include_unknown: false }
        );
    }

    #[test]
    fn what_is_no_location_is_refused() {
        let range = |kind: &str, text: &str| {
            let kind = format!("#microsoft.graph.{kind}");
            json!({"ipRanges": [{"@odata.type": kind, "cidrAddress": text}]})
        };
        let ranges = |count: usize| {
            let one = range("iPv4CidrRange", "192.0.2.0/24")["ipRanges"][0].clone();
            json!({"ipRanges": vec![one; count]})
        };
        assert!(read(&office(), &ranges(RANGES_MAX)).is_ok());
        for (location, change, code, member) in [
            (office(), json!({"@odata.type": "ABSENT"}), Code::Incomplete, "@odata.type"),
            (office(), json!({"@odata.type": "#microsoft.graph.namedLocation"}), Code::Schema, "@odata.type"),
            (office(), json!({"displayName": "ABSENT"}), Code::Incomplete, "displayName"),
            (office(), json!({"displayName": " "}), Code::Incomplete, "displayName"),
            (office(), json!({"displayName": "x".repeat(257)}), Code::Limit, "displayName"),
            (office(), json!({"isTrusted": null}), Code::Schema, "isTrusted"),
            (office(), json!({"ipRanges": "ABSENT"}), Code::Incomplete, "ipRanges"),
            (office(), json!({"ipRanges": []}), Code::Incomplete, "ipRanges"),
            (office(), json!({"ipRanges": null}), Code::Schema, "ipRanges"),
            (office(), json!({"ipRanges": ["192.0.2.0/24"]}), Code::Schema, "ipRanges"),
            (office(), ranges(RANGES_MAX + 1), Code::Limit, "ipRanges"),
            (office(), range("iPv4CidrRange", "192.0.2.0/33"), Code::Schema, "ipRanges.cidrAddress"),
            (office(), range("iPv4CidrRange", "128.0.0.0/1"), Code::Schema, "ipRanges.cidrAddress"),
            (office(), range("iPv6CidrRange", "192.0.2.0/24"), Code::Schema, "ipRanges.cidrAddress"),
            (office(), range("ipRange", "192.0.2.0/24"), Code::Schema, "ipRanges.@odata.type"),
            (
                office(),
                json!({"ipRanges": [{"cidrAddress": "192.0.2.0/24"}]}),
                Code::Incomplete,
                "ipRanges.@odata.type",
            ),
            (office(), json!({"countriesAndRegions": ["NO"]}), Code::Schema, "countriesAndRegions"),
            (nordic(), json!({"countriesAndRegions": []}), Code::Incomplete, "countriesAndRegions"),
            (nordic(), json!({"countriesAndRegions": ["Norway"]}), Code::Schema, "countriesAndRegions"),
            (nordic(), json!({"countriesAndRegions": ["ZZ"]}), Code::Schema, "countriesAndRegions"),
            (
                nordic(),
                json!({"countryLookupMethod": "authenticatorAppGps"}),
                Code::Unenforceable,
                "countryLookupMethod",
            ),
            (nordic(), json!({"countryLookupMethod": "astrology"}), Code::Schema, "countryLookupMethod"),
            (nordic(), json!({"isTrusted": true}), Code::Schema, "isTrusted"),
        ] {
            assert!(read(&location, &json!({})).is_ok(), "it is refused for nothing else");
            let invalid = read(&location, &change).unwrap_err();
            assert_eq!((invalid.code, invalid.member.as_str()), (code, member), "{change}: {invalid}");
            assert!(invalid.text.contains(member), "{invalid}");
        }
    }

    #[test]
    fn what_was_left_out_is_shown() {
        let mut network = members(office());
        network.remove("isTrusted");
        network.insert("@odata.type".to_owned(), json!("microsoft.graph.ipNamedLocation"));
        let complete = NamedLocation::complete(&network);
        assert_eq!(complete["isTrusted"], json!(false));
        assert_eq!(complete["@odata.type"], json!("#microsoft.graph.ipNamedLocation"));
        assert_eq!(
            complete["ipRanges"],
            office()["ipRanges"],
            "as it was written, with the types of the ranges"
        );
        assert_eq!(complete["modifiedDateTime"], Json::Null);
        let complete = NamedLocation::complete(&members(nordic()));
        assert_eq!(complete["countryLookupMethod"], json!("clientIpAddress"));
        assert_eq!(complete["includeUnknownCountriesAndRegions"], json!(false));
    }

    #[test]
    fn a_change_replaces_what_it_names_and_not_the_type() {
        let current = members(office());
        let change = members(json!({"@odata.type": "#microsoft.graph.ipNamedLocation", "isTrusted": false}));
        let merged = NamedLocation::merge(&current, &change).unwrap();
        assert_eq!((&merged["isTrusted"], &merged["displayName"]), (&json!(false), &json!("office")));
        let other = members(json!({"@odata.type": "#microsoft.graph.countryNamedLocation"}));
        assert_eq!(NamedLocation::merge(&current, &other).unwrap_err().member, "@odata.type");
    }
}
