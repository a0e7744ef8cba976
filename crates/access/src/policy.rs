//! A Conditional Access policy for workload identities, read from Graph's JSON.
//!
//! Reading refuses what this server would not enforce: conditions of people, controls that no workload can meet, members
//! that nobody knows. A policy that is accepted does what it says.

use countersign_model::risk::RiskLevel;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::invalid::{Code, Invalid, echo};
use crate::json::{Object, guid};
use crate::location::NamedLocation;
use crate::rule::{Rule, RuleError};

/// Most policies in a tenant; one more is refused when it is made. It fixes the size of every set of policies, so that a
/// decision allocates nothing. Entra's own limit is 240.
pub const POLICIES_MAX: usize = 512;
/// Most ids in one list of a policy; a rule over attributes has no such limit.
pub const IDS_MAX: usize = 1_000;

/// The id that stands for the trusted addresses of multifactor authentication. There are none here, so it is accepted and
/// no sign-in comes from there.
const MFA_TRUSTED_ADDRESSES: Uuid = Uuid::nil();

/// A policy. Whom it applies to is blocked: no other control exists for a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its id.
    pub id: Uuid,
    /// `displayName`.
    pub display_name: String,
    /// `state`.
    pub state: State,
    /// `conditions.clientApplications`: who.
    pub clients: Clients,
    /// `conditions.applications`: for which resource.
    pub applications: Applications,
    /// `conditions.servicePrincipalRiskLevels`: at which risk; none for no condition. `none` never matches.
    pub risk_levels: Vec<RiskLevel>,
    /// `conditions.locations`: from where; none for no condition.
    pub locations: Option<Locations>,
}

/// `state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It blocks.
    Enabled,
    /// It does nothing.
    Disabled,
    /// It is evaluated and recorded, and blocks nobody.
    ReportOnly,
}

impl State {
    /// Graph's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Enabled => "enabled",
            State::Disabled => "disabled",
            State::ReportOnly => "enabledForReportingButNotEnforced",
        }
    }

    fn parse(text: &str) -> Option<State> {
        [State::Enabled, State::Disabled, State::ReportOnly].into_iter().find(|state| state.as_str() == text)
    }
}

/// Whom a policy is about. Excluding wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clients {
    /// `includeServicePrincipals` names `ServicePrincipalsInMyTenant`: everybody in scope.
    pub includes_everybody: bool,
    /// Object ids in `includeServicePrincipals`.
    pub include: Vec<Uuid>,
    /// Object ids in `excludeServicePrincipals`.
    pub exclude: Vec<Uuid>,
    /// `servicePrincipalFilter`. An including one adds to the ids.
    pub filter: Option<Filter>,
    /// `countersignScope`: whom beyond single-tenant applications the policy may be about.
    pub scope: Vec<Extension>,
}

/// `servicePrincipalFilter`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// `mode`.
    pub mode: FilterMode,
    /// `rule`.
    pub rule: Rule,
}

/// What becomes of whom a filter matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterMode {
    /// `include`.
    Include,
    /// `exclude`.
    Exclude,
}

/// `countersignScope`, our own: by which a policy goes beyond Entra's scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// `multiTenantApplications`: also those of other tenants, never Microsoft's.
    MultiTenantApplications,
    /// `managedIdentities`.
    ManagedIdentities,
}

/// Which resources a policy is about. Excluding wins. `None`, the suites `Office365` and `MicrosoftAdminPortals`, whose
/// parts are not here, and authentication contexts, which nothing here asks for, are accepted and match no resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applications {
    /// `includeApplications` is `All`.
    pub includes_all: bool,
    /// appIds in `includeApplications`.
    pub include: Vec<Uuid>,
    /// appIds in `excludeApplications`.
    pub exclude: Vec<Uuid>,
}

/// Where a policy applies. Excluding wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locations {
    /// `includeLocations`.
    pub include: Places,
    /// `excludeLocations`.
    pub exclude: Places,
}

/// A list of locations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// `All`: everywhere, also where nobody knows.
    pub everywhere: bool,
    /// `AllTrusted`: every trusted location that there is.
    pub trusted: bool,
    /// Ids of named locations.
    pub named: Vec<Uuid>,
}

/// The ids that a policy names, sorted, each once: whether they exist only the directory can say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Object ids of service principals; else [`Invalid::unknown_principal`].
    pub principals: Vec<Uuid>,
    /// appIds of resources. A policy may be made before its resource is.
    pub applications: Vec<Uuid>,
    /// Ids of named locations; else [`Invalid::unknown_location`].
    pub locations: Vec<Uuid>,
}

/// `@odata.type` of a policy; clients write it with and without `#`.
const TYPE: &str = "microsoft.graph.conditionalAccessPolicy";
/// What a policy may have beside its conditions.
const MEMBERS: [&str; 10] = [
    "id",
    "templateId",
    "displayName",
    "description",
    "createdDateTime",
    "modifiedDateTime",
    "deletedDateTime",
    "state",
    "conditions",
    "grantControls",
];
/// Conditions that have a meaning for workloads.
const CONDITIONS: [&str; 5] =
    ["applications", "clientApplications", "servicePrincipalRiskLevels", "locations", "clientAppTypes"];
/// Conditions of people, devices and agents.
const CONDITIONS_OF_OTHERS: [&str; 8] = [
    "userRiskLevels",
    "signInRiskLevels",
    "insiderRiskLevels",
    "platforms",
    "devices",
    "deviceStates",
    "authenticationFlows",
    "agentIdRiskLevels",
];
const APPLICATIONS: [&str; 3] =
    ["includeApplications", "excludeApplications", "includeAuthenticationContextClassReferences"];
const APPLICATIONS_OF_OTHERS: [&str; 4] =
    ["includeUserActions", "applicationFilter", "globalSecureAccess", "networkAccess"];
const CLIENTS: [&str; 4] =
    ["includeServicePrincipals", "excludeServicePrincipals", "servicePrincipalFilter", "countersignScope"];
const CLIENTS_OF_OTHERS: [&str; 3] =
    ["includeAgentIdServicePrincipals", "excludeAgentIdServicePrincipals", "agentIdServicePrincipalFilter"];
const USERS: [&str; 7] = [
    "excludeUsers",
    "includeGroups",
    "excludeGroups",
    "includeRoles",
    "excludeRoles",
    "includeGuestsOrExternalUsers",
    "excludeGuestsOrExternalUsers",
];
const CONTROLS: [&str; 2] = ["operator", "builtInControls"];
const CONTROLS_OF_OTHERS: [&str; 3] = ["customAuthenticationFactors", "termsOfUse", "authenticationStrength"];

impl Policy {
    /// Reads Graph's JSON of a policy, with the id that it has or will have. Whether the ids in it exist is for the
    /// caller to find out ([`Policy::references`]).
    pub fn read(json: &Map<String, Json>) -> Result<Policy, Invalid> {
        let policy = Object::new(json);
        policy.has_only(&[&MEMBERS, &["sessionControls"]])?;
        policy.says_nothing_of(&["sessionControls"])?;
        policy.text("description")?;
        if policy.text("templateId")?.is_some_and(|id| guid(id).is_none()) {
            return Err(policy.invalid(Code::Schema, "templateId", "must be a GUID"));
        }
        let state = policy.required_text("state")?;
        let state = State::parse(state).ok_or_else(|| {
            policy.invalid(Code::Schema, "state", format!("has an invalid value '{}'", echo(state)))
        })?;
        let conditions = policy.required("conditions", "conditions")?;
        conditions.has_only(&[&CONDITIONS, &CONDITIONS_OF_OTHERS, &["users"]])?;
        conditions.says_nothing_of(&CONDITIONS_OF_OTHERS)?;
        is_about_nobody(conditions)?;
        is_about_every_client(conditions)?;
        controls(policy.required("grantControls", "grantControls")?)?;
        Ok(Policy {
            id: policy.id()?,
            display_name: policy.display_name()?.to_owned(),
            state,
            clients: clients(conditions.required("clientApplications", "conditions.clientApplications")?)?,
            applications: applications(conditions.required("applications", "conditions.applications")?)?,
            risk_levels: conditions.texts("servicePrincipalRiskLevels", risk_level)?,
            locations: conditions.object("locations", "conditions.locations")?.map(locations).transpose()?,
        })
    }

    /// Refuses what says that it is something else. The annotation is not kept, so [`Policy::read`] does not see it.
    pub fn check_type(json: &Map<String, Json>) -> Result<(), Invalid> {
        let policy = Object::new(json);
        match policy.text("@odata.type")? {
            Some(kind) if !kind.trim_start_matches('#').eq_ignore_ascii_case(TYPE) => {
                let problem = format!("'{}' is not the type of a policy", echo(kind));
                Err(policy.invalid(Code::Schema, "@odata.type", problem))
            }
            _ => Ok(()),
        }
    }

    /// Whether its places have to do with a location, by id or as one of the trusted. A change of a location concerns a
    /// policy that rests on it as it was or as it is now.
    pub fn rests_on(&self, location: &NamedLocation) -> bool {
        self.locations
            .iter()
            .flat_map(|locations| [&locations.include, &locations.exclude])
            .any(|places| places.named.contains(&location.id) || (places.trusted && location.is_trusted()))
    }

    /// The ids that it names.
    pub fn references(&self) -> References {
        fn once<'i>(ids: impl IntoIterator<Item = &'i Uuid>) -> Vec<Uuid> {
            let mut ids: Vec<Uuid> = ids.into_iter().copied().collect();
            ids.sort_unstable();
            ids.dedup();
            ids
        }
        let places = self.locations.iter().flat_map(|locations| [&locations.include, &locations.exclude]);
        References {
            principals: once(self.clients.include.iter().chain(&self.clients.exclude)),
            applications: once(self.applications.include.iter().chain(&self.applications.exclude)),
            locations: once(places.flat_map(|places| &places.named)),
        }
    }
}

/// `users` may only say that it is about nobody, as the portal writes it.
fn is_about_nobody(conditions: Object<'_>) -> Result<(), Invalid> {
    let Some(users) = conditions.object("users", "conditions.users")? else { return Ok(()) };
    users.has_only(&[&USERS, &["includeUsers"]])?;
    users.says_nothing_of(&USERS)?;
    match users.texts("includeUsers", Some)?.as_slice() {
        [] | ["None"] => Ok(()),
        _ => Err(users.invalid(
            Code::Unenforceable,
            "includeUsers",
            "must be 'None' in a policy for workload identities",
        )),
    }
}

/// `clientAppTypes` tells browsers from other programs of people; a workload is none of them.
fn is_about_every_client(conditions: Object<'_>) -> Result<(), Invalid> {
    match conditions.texts("clientAppTypes", Some)?.as_slice() {
        [] | ["all"] => Ok(()),
        _ => Err(conditions.invalid(
            Code::Unenforceable,
            "clientAppTypes",
            "must be 'all' in a policy for workload identities",
        )),
    }
}

/// The one control that there is for workloads.
fn controls(controls: Object<'_>) -> Result<(), Invalid> {
    controls.has_only(&[&CONTROLS, &CONTROLS_OF_OTHERS])?;
    controls.says_nothing_of(&CONTROLS_OF_OTHERS)?;
    if let Some(operator) = controls.text("operator")?
        && !["AND", "OR"].iter().any(|known| operator.eq_ignore_ascii_case(known))
    {
        return Err(controls.invalid(Code::Schema, "operator", "must be 'AND' or 'OR'"));
    }
    match controls.texts("builtInControls", Some)?.as_slice() {
        [] => Err(controls.invalid(Code::Incomplete, "builtInControls", "must not be empty")),
        ["block"] => Ok(()),
        _ => Err(controls.invalid(
            Code::Unenforceable,
            "builtInControls",
            "must be 'block' and nothing else in a policy for workload identities",
        )),
    }
}

fn clients(object: Object<'_>) -> Result<Clients, Invalid> {
    object.has_only(&[&CLIENTS, &CLIENTS_OF_OTHERS])?;
    object.says_nothing_of(&CLIENTS_OF_OTHERS)?;
    let include = ids(object, "includeServicePrincipals", |text| match text {
        "ServicePrincipalsInMyTenant" => Some(None),
        id => guid(id).map(Some),
    })?;
    let filter = object
        .object("servicePrincipalFilter", "conditions.clientApplications.servicePrincipalFilter")?
        .map(filter)
        .transpose()?;
    let is_including = filter.as_ref().is_some_and(|filter| filter.mode == FilterMode::Include);
    if include.is_empty() && !is_including {
        return Err(object.invalid(Code::Incomplete, "includeServicePrincipals", "must not be empty"));
    }
    Ok(Clients {
        includes_everybody: include.contains(&None),
        include: include.into_iter().flatten().collect(),
        exclude: ids(object, "excludeServicePrincipals", guid)?,
        filter,
        scope: object.texts("countersignScope", |text| match text {
            "multiTenantApplications" => Some(Extension::MultiTenantApplications),
            "managedIdentities" => Some(Extension::ManagedIdentities),
            _ => None,
        })?,
    })
}

fn filter(object: Object<'_>) -> Result<Filter, Invalid> {
    object.has_only(&[&["mode", "rule"]])?;
    let mode = match object.required_text("mode")? {
        "include" => FilterMode::Include,
        "exclude" => FilterMode::Exclude,
        other => {
            let problem = format!("has an invalid value '{}'", echo(other));
            return Err(object.invalid(Code::Schema, "mode", problem));
        }
    };
    let unreadable = |RuleError { problem, position }| {
        object.invalid(Code::Rule, "rule", format!("cannot be read: {problem} at position {position}"))
    };
    Ok(Filter { mode, rule: Rule::parse(object.required_text("rule")?).map_err(unreadable)? })
}

fn applications(object: Object<'_>) -> Result<Applications, Invalid> {
    object.has_only(&[&APPLICATIONS, &APPLICATIONS_OF_OTHERS])?;
    object.says_nothing_of(&APPLICATIONS_OF_OTHERS)?;
    let include = ids(object, "includeApplications", |text| match text {
        "All" | "None" => Some(Resource::Keyword(text)),
        text => resource(text),
    })?;
    let contexts = object.texts("includeAuthenticationContextClassReferences", is_authentication_context)?;
    if include.is_empty() && contexts.is_empty() {
        return Err(object.invalid(Code::Incomplete, "includeApplications", "must not be empty"));
    }
    if include.len() > 1 && include.contains(&Resource::Keyword("None")) {
        return Err(object.invalid(Code::Schema, "includeApplications", "must name nothing beside 'None'"));
    }
    let by_id = |resources: Vec<Resource<'_>>| {
        let ids = resources.into_iter().filter_map(|resource| match resource {
            Resource::AppId(id) => Some(id),
            Resource::Keyword(_) => None,
        });
        ids.collect()
    };
    Ok(Applications {
        includes_all: include.contains(&Resource::Keyword("All")),
        include: by_id(include),
        exclude: by_id(ids(object, "excludeApplications", resource)?),
    })
}

/// What `includeApplications` and `excludeApplications` name.
#[derive(PartialEq, Eq)]
enum Resource<'j> {
    AppId(Uuid),
    Keyword(&'j str),
}

fn resource(text: &str) -> Option<Resource<'_>> {
    match text {
        "Office365" | "MicrosoftAdminPortals" => Some(Resource::Keyword(text)),
        id => guid(id).map(Resource::AppId),
    }
}

/// An authentication context: `c1` to `c99`.
fn is_authentication_context(text: &str) -> Option<&str> {
    let number: u8 = text.strip_prefix('c')?.parse().ok()?;
    (text == format!("c{number}") && (1..=99).contains(&number)).then_some(text)
}

fn risk_level(text: &str) -> Option<RiskLevel> {
    [RiskLevel::None, RiskLevel::Low, RiskLevel::Medium, RiskLevel::High]
        .into_iter()
        .find(|level| level.as_str() == text)
}

fn locations(object: Object<'_>) -> Result<Locations, Invalid> {
    object.has_only(&[&["includeLocations", "excludeLocations"]])?;
    if object.list("includeLocations")?.is_empty() {
        return Err(object.invalid(Code::Incomplete, "includeLocations", "must not be empty"));
    }
    Ok(Locations {
        include: places(object, "includeLocations")?,
        exclude: places(object, "excludeLocations")?,
    })
}

fn places(object: Object<'_>, name: &str) -> Result<Places, Invalid> {
    let mut places = Places::default();
    for named in ids(object, name, |text| match text {
        "All" | "AllTrusted" => Some(Err(text)),
        id => guid(id).map(Ok),
    })? {
        match named {
            Ok(MFA_TRUSTED_ADDRESSES) => {}
            Ok(id) => places.named.push(id),
            Err("All") => places.everywhere = true,
            Err(_) => places.trusted = true,
        }
    }
    Ok(places)
}

/// A list of ids and keywords, within the limit.
fn ids<'j, T>(
    object: Object<'j>,
    name: &str,
    read: impl Fn(&'j str) -> Option<T>,
) -> Result<Vec<T>, Invalid> {
    if object.list(name)?.len() > IDS_MAX {
        return Err(object.invalid(Code::Limit, name, format!("has more than {IDS_MAX} members")));
    }
    object.texts(name, read)
}

#[cfg(test)]
mod tests;
