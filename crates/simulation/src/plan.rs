//! Events before they are written, and those that are known before the days are simulated.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_model::time::{DAY, HOUR, SECOND, Timestamp};

use crate::archetypes::{Principal, Tenant};
use crate::calendar::MINUTE;
use crate::catalogue::Agent;
use crate::envelopes::{Actor, Audit, Credential, CredentialKind, Property, Target, audit_id, event_id};
use crate::json::Guid;
use crate::networks::Address;
use crate::rng::{Rng, mix, mix_all};
use crate::truth::{Episode, EpisodeKind};

/// One record to be.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) delivered: i64,
    pub(crate) created: i64,
    /// All ids of the record belong to it; copies of a record share it.
    pub(crate) id: u64,
    pub(crate) body: Body,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    SignIn(SignInBody),
    Audit(Arc<Audit>),
    Call(CallBody),
    UserSignIn { person: u16, address: Address },
    MicrosoftSignIn { app: u8, address: Address },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct SignInBody {
    pub(crate) principal: u32,
    pub(crate) address: Address,
    pub(crate) agent: Agent,
    pub(crate) resource: u8,
    pub(crate) credential: Credential,
    pub(crate) error: u32,
    pub(crate) cae: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct CallBody {
    pub(crate) principal: u32,
    pub(crate) address: Address,
    pub(crate) agent: Agent,
    pub(crate) credential: CredentialKind,
    pub(crate) uri: &'static str,
    pub(crate) status: u16,
    pub(crate) bytes: u64,
    /// The sign-in that the token came from, and when that was.
    pub(crate) token: u64,
    pub(crate) issued: i64,
}

impl Event {
    /// An event with the delay that its log has.
    pub(crate) fn new(created: i64, id: u64, body: Body) -> Self {
        let mut rng = Rng::of(&[id, 0xde1a]);
        let delay = match body {
            // 28 to 1077 s were measured on a live tenant, short delays being the more common.
            Body::SignIn(_) | Body::UserSignIn { .. } | Body::MicrosoftSignIn { .. } => {
                rng.between(28 * SECOND, 1_077 * SECOND - 1).min(rng.between(28 * SECOND, 1_077 * SECOND - 1))
            }
            Body::Audit(_) => rng.between(MINUTE, 15 * MINUTE),
            // Mostly under half an hour, up to two hours.
            Body::Call(_) if rng.per_mille(30) => rng.between(30 * MINUTE, 2 * HOUR),
            Body::Call(_) => rng.between(2 * MINUTE, 30 * MINUTE),
        };
        Event { delivered: created + delay, created, id, body }
    }
}

/// Events and episodes known before the days are simulated.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    seed: u64,
    counter: u64,
    /// By the day they are created on.
    pub(crate) events: BTreeMap<i64, Vec<Event>>,
    pub(crate) episodes: Vec<Episode>,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        Plan { seed: mix_all(&[seed, 0x91a4]), counter: 0, events: BTreeMap::new(), episodes: Vec::new() }
    }

    fn next_id(&mut self) -> u64 {
        self.counter += 1;
        mix(self.seed ^ mix(self.counter))
    }

    fn push(&mut self, created: i64, id: u64, body: Body) {
        self.events.entry(created.div_euclid(DAY)).or_default().push(Event::new(created, id, body));
    }

    /// Plans a sign-in and returns its number.
    pub(crate) fn sign_in(&mut self, time: i64, body: SignInBody) -> u64 {
        let id = self.next_id();
        self.push(time, id, Body::SignIn(body));
        id
    }

    /// Plans a call and returns its id.
    pub(crate) fn call(&mut self, time: i64, body: CallBody) -> String {
        let id = self.next_id();
        self.push(time, id, Body::Call(body));
        event_id(id).to_string()
    }

    /// Plans the records of one change and returns their ids.
    pub(crate) fn audit(&mut self, time: i64, audits: Vec<Audit>) -> Vec<String> {
        let correlation = self.next_id();
        let mut ids = Vec::new();
        for (n, audit) in audits.into_iter().enumerate() {
            let id = self.next_id();
            ids.push(audit_id(correlation, id));
            let body = Body::Audit(Arc::new(Audit { correlation, ..audit }));
            self.push(time + n as i64 * 12_345, id, body);
        }
        ids
    }

    /// Opens an episode and returns its number.
    pub(crate) fn episode(
        &mut self,
        kind: EpisodeKind,
        family: &str,
        principal: &Principal,
        (from, to): (i64, i64),
    ) -> u32 {
        self.episodes.push(Episode {
            kind,
            family: family.to_owned(),
            service_principal_id: principal.id.to_string(),
            app_id: principal.app.to_string(),
            name: principal.name.clone(),
            from: Timestamp(from),
            to: Timestamp(to),
            event_ids: Vec::new(),
            traits: BTreeMap::new(),
        });
        self.episodes.len() as u32 - 1
    }

    pub(crate) fn episode_mut(&mut self, number: u32) -> &mut Episode {
        &mut self.episodes[number as usize]
    }
}

/// `Update application – Certificates and secrets management ` as Entra really spells it: with an en dash and a
/// blank at the end.
pub(crate) const SECRETS_MANAGEMENT: &str =
    "Update application \u{2013} Certificates and secrets management ";

const PORTAL: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36 Edg/134.0.0.0";
const AUTOMATION: &str = "python-requests/2.32.3";

fn agent_of(actor: &Actor) -> &'static str {
    match actor {
        Actor::User { .. } => PORTAL,
        Actor::App { .. } => AUTOMATION,
    }
}

/// Somebody or something that changes applications: mostly people who often do, sometimes automation.
pub(crate) fn usual_actor(tenant: &Tenant, rng: &mut Rng) -> Actor {
    if rng.per_mille(300) {
        let (principal, name) = *rng.pick(&tenant.automation);
        return Actor::App { principal, name: name.to_owned() };
    }
    let person = tenant.administrator(rng);
    let address = if rng.per_mille(700) { *rng.pick(&tenant.offices) } else { person.home };
    Actor::User { id: person.id, user_principal_name: person.user_principal_name.clone(), ip: address.ip }
}

/// What an audit record is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    pub(crate) principal: Guid,
    pub(crate) app: Guid,
    pub(crate) application: Guid,
}

impl<'a> From<&'a Principal> for Subject<'a> {
    fn from(principal: &'a Principal) -> Self {
        Subject {
            name: &principal.name,
            principal: principal.id,
            app: principal.app,
            application: principal.application,
        }
    }
}

fn property(name: &'static str, old: Option<String>, new: Option<String>) -> Property {
    Property { name, old, new }
}

/// A value as `modifiedProperties` nests it: JSON inside the string.
fn quoted(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    crate::json::Json(&mut bytes).string(text);
    String::from_utf8(bytes).ok()
}

fn key_descriptions(credentials: &[Credential], name: &str) -> String {
    let entries: Vec<String> = credentials
        .iter()
        .map(|credential| {
            let (kind, display_name) = match credential.kind {
                CredentialKind::Certificate | CredentialKind::Assertion => {
                    ("AsymmetricX509Cert", format!("CN={name}"))
                }
                _ => ("Password", name.to_owned()),
            };
            let key = credential.key;
            let text =
                format!("[KeyIdentifier={key},KeyType={kind},KeyUsage=Verify,DisplayName={display_name}]");
            quoted(&text).unwrap_or_default()
        })
        .collect();
    format!("[{}]", entries.join(","))
}

fn key_description(before: &[Credential], after: &[Credential], name: &str) -> Property {
    property("KeyDescription", Some(key_descriptions(before, name)), Some(key_descriptions(after, name)))
}

/// A key was added to a service principal whose application belongs to another tenant.
pub(crate) fn service_principal_credential_added(
    actor: &Actor,
    subject: Subject<'_>,
    added: Credential,
) -> Vec<Audit> {
    vec![Audit {
        operation: "Add service principal credentials",
        operation_type: "Update",
        actor: actor.clone(),
        targets: vec![Target {
            id: subject.principal,
            name: subject.name.to_owned(),
            kind: "ServicePrincipal",
            properties: vec![
                key_description(&[], &[added], subject.name),
                property("Included Updated Properties", None, quoted("KeyDescription")),
                property("TargetId.ServicePrincipalNames", None, quoted(&subject.app.to_string())),
            ],
        }],
        app: subject.app,
        user_agent: agent_of(actor),
        correlation: 0,
    }]
}

/// An application was registered: its application and its principal.
pub(crate) fn application_added(actor: &Actor, subject: Subject<'_>) -> Vec<Audit> {
    let audit = |operation, id, kind| Audit {
        operation,
        operation_type: "Add",
        actor: actor.clone(),
        targets: vec![Target {
            id,
            name: subject.name.to_owned(),
            kind,
            properties: vec![
                property("AppId", Some("[]".to_owned()), Some(format!("[\"{}\"]", subject.app))),
                property("Included Updated Properties", None, quoted("AppId, DisplayName")),
            ],
        }],
        app: subject.app,
        user_agent: agent_of(actor),
        correlation: 0,
    };
    vec![
        audit("Add application", subject.application, "Application"),
        audit("Add service principal", subject.principal, "ServicePrincipal"),
    ]
}

/// Secrets or certificates of an application changed. One action, two records, as Entra writes it.
pub(crate) fn credentials_changed(
    actor: &Actor,
    subject: Subject<'_>,
    before: &[Credential],
    after: &[Credential],
) -> Vec<Audit> {
    let audit = |operation, properties| Audit {
        operation,
        operation_type: "Update",
        actor: actor.clone(),
        targets: vec![Target {
            id: subject.application,
            name: subject.name.to_owned(),
            kind: "Application",
            properties,
        }],
        app: subject.app,
        user_agent: agent_of(actor),
        correlation: 0,
    };
    let included = || property("Included Updated Properties", None, quoted("KeyDescription"));
    let keys = key_description(before, after, subject.name);
    vec![audit(SECRETS_MANAGEMENT, vec![keys, included()]), audit("Update application", vec![included()])]
}

/// A federated credential was added to an application.
pub(crate) fn federation_added(
    actor: &Actor,
    subject: Subject<'_>,
    credential: Guid,
    issuer: &str,
    token_subject: &str,
) -> Vec<Audit> {
    let new = format!(
        concat!(
            r#"[{{"Name":"deploy","Issuer":{},"Subject":{},"Id":"{}","Description":"","#,
            r#""Audiences":["api://AzureADTokenExchange"],"ClaimsMatchingExpressionValue":null,"#,
            r#""ClaimsMatchingExpressionLanguageVersion":null,"EncodingVersion":1,"TrustedIssuer":null}}]"#
        ),
        quoted(issuer).unwrap_or_default(),
        quoted(token_subject).unwrap_or_default(),
        credential
    );
    vec![Audit {
        operation: "Update application",
        operation_type: "Update",
        actor: actor.clone(),
        targets: vec![Target {
            id: subject.application,
            name: subject.name.to_owned(),
            kind: "Application",
            properties: vec![
                property("FederatedIdentityCredentials", Some("[]".to_owned()), Some(new)),
                property("Included Updated Properties", None, quoted("FederatedIdentityCredentials")),
            ],
        }],
        app: subject.app,
        user_agent: agent_of(actor),
        correlation: 0,
    }]
}

/// An application role of an API was given to a principal.
pub(crate) fn app_role_assigned(
    actor: &Actor,
    subject: Subject<'_>,
    (resource, resource_name): (Guid, &str),
    role: &str,
    time: i64,
) -> Vec<Audit> {
    let mut assigned = Vec::new();
    crate::json::Json(&mut assigned).time(time, 0, "Z");
    let assigned = String::from_utf8(assigned).ok();
    let guid = |guid: Guid| quoted(&guid.to_string());
    let new = |name, value| property(name, None, value);
    vec![Audit {
        operation: "Add app role assignment to service principal",
        operation_type: "Assign",
        actor: actor.clone(),
        targets: vec![
            Target {
                id: resource,
                name: resource_name.to_owned(),
                kind: "ServicePrincipal",
                properties: vec![
                    new("AppRole.Id", guid(Guid::from_seed(crate::rng::mix_text(role)))),
                    new("AppRole.Value", quoted(role)),
                    new("AppRole.DisplayName", quoted(role)),
                    new("AppRoleAssignment.CreatedDateTime", assigned.clone()),
                    new("AppRoleAssignment.LastModifiedDateTime", assigned),
                    new("ServicePrincipal.ObjectID", guid(subject.principal)),
                    new("ServicePrincipal.DisplayName", quoted(subject.name)),
                    new("ServicePrincipal.AppId", guid(subject.app)),
                    new("ServicePrincipal.Name", guid(subject.app)),
                    new("TargetId.ServicePrincipalNames", guid(resource)),
                ],
            },
            Target {
                id: subject.principal,
                name: subject.app.to_string(),
                kind: "ServicePrincipal",
                properties: Vec::new(),
            },
        ],
        app: subject.app,
        user_agent: agent_of(actor),
        correlation: 0,
    }]
}

/// A change of no consequence for the principals that are simulated: what else goes on in a directory.
pub(crate) fn background_change(tenant: &Tenant, rng: &mut Rng) -> Vec<Audit> {
    let actor = usual_actor(tenant, rng);
    let app = Guid::from_seed(rng.next());
    let name = format!("{} trial", rng.pick(crate::catalogue::DUTIES));
    let target = |kind, properties| Target {
        id: Guid::from_seed(app.0 as u64 ^ 1),
        name: name.clone(),
        kind,
        properties,
    };
    let audit = |operation, operation_type, targets| Audit {
        operation,
        operation_type,
        actor: actor.clone(),
        targets,
        app,
        user_agent: agent_of(&actor),
        correlation: 0,
    };
    let named = || vec![property("DisplayName", Some("[]".to_owned()), Some(format!("[\"{name}\"]")))];
    match rng.below(4) {
        0 => vec![
            audit("Add application", "Add", vec![target("Application", named())]),
            audit("Add service principal", "Add", vec![target("ServicePrincipal", named())]),
        ],
        1 => {
            let enabled = property("AccountEnabled", Some("[false]".to_owned()), Some("[true]".to_owned()));
            vec![audit("Update service principal", "Update", vec![target("ServicePrincipal", vec![enabled])])]
        }
        2 => {
            let owner = vec![property("Application.DisplayName", None, quoted(&name))];
            vec![audit(
                "Add owner to application",
                "Assign",
                vec![target("User", owner), target("Application", Vec::new())],
            )]
        }
        _ => {
            let consent = vec![
                property("ConsentContext.IsAdminConsent", None, quoted("True")),
                property("ConsentContext.IsAppOnly", None, quoted("False")),
                property("ConsentContext.OnBehalfOfAll", None, quoted("True")),
                property("ConsentContext.Tags", None, quoted("WindowsAzureActiveDirectoryIntegratedApp")),
                property("ConsentAction.Permissions", None, quoted("[] => [[Scope: User.Read]]; ")),
            ];
            vec![audit("Consent to application", "Assign", vec![target("ServicePrincipal", consent)])]
        }
    }
}
