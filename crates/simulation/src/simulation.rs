//! The days of a simulated tenant, one after the other.

use std::borrow::Cow;

use countersign_model::time::{DAY, SECOND, Timestamp};

use crate::archetypes::Principal;
use crate::attacks;
use crate::background::background_change;
use crate::calendar::{MINUTE, Offsets, Zone};
use crate::catalogue::{GRAPH, RESOURCE_MANAGER, resource_at};
use crate::envelopes::{
    self, Api, Call, Caller, Category, Credential, CredentialKind, Identity, SignIn, Token, Uri, UserSignIn,
    event_id, write_audit, write_call, write_sign_in, write_user_sign_in,
};
use crate::habits::Scratch;
use crate::json::Guid;
use crate::look_alikes::{self, Period, note};
use crate::networks::{NetworkKind, draw_v4};
use crate::parameters::Parameters;
use crate::plan::{Body, Event, Plan};
use crate::rng::{Rng, mix, mix_all};
use crate::tenant::Tenant;
use crate::traffic::{self, TokenUse};
use crate::truth::Episode;

/// One record: a line of JSON without the line break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Which log it belongs to.
    pub category: Category,
    /// When it was written to the log, after the event; it decides the file.
    pub delivered: Timestamp,
    /// The envelope.
    pub line: &'a [u8],
}

/// Ten years: more would be a mistyped number, and calendars are laid out in advance.
const DAYS_MAX: u32 = 3_660;

/// Microsoft's own applications that appear in every tenant.
const MICROSOFT_APPS: [(&str, Guid); 3] = [
    ("Microsoft Approval Management", Guid(0x6503_8f53_16ca_4519_a1d9_aa57_9ef4_30c5)),
    ("Windows Azure Security Resource Provider", Guid(0x8edd_93e1_2103_40b4_bd70_6e34_e586_362d)),
    ("Office 365 Management", Guid(0x0070_0e3b_d5b1_4b5c_8b0a_61d8_6f4e_3c00)),
];

/// Clients of Microsoft's that people use: Teams, the portal, the command lines, Outlook.
const FIRST_PARTY: [Guid; 5] = [
    Guid(0x1fec_8e78_bce4_4aaf_ab1b_5451_cc38_7264),
    Guid(0xc44b_4083_3bb0_49c1_b47d_974e_53cb_df3c),
    Guid(0x04b0_7795_8ddb_461a_bbee_02f9_e1bf_7b46),
    Guid(0x14d8_2eec_204b_4c2f_b7e8_296a_70da_b67e),
    Guid(0x2792_2004_5251_4030_b22d_91ec_d9a3_7ea4),
];

/// What they ask for.
const FIRST_PARTY_ASKS: [&str; 6] = [
    "https://graph.microsoft.com/v1.0/me",
    "https://graph.microsoft.com/v1.0/me/photos/96x96/$value",
    "https://graph.microsoft.com/v1.0/me/joinedTeams",
    "https://graph.microsoft.com/v1.0/users/{u}/presence",
    "https://graph.microsoft.com/v1.0/me/drive/recent",
    "https://graph.microsoft.com/beta/me/calendarView?$top=25",
];

/// A simulated tenant. Give it [`Parameters`], then take its days in order.
///
/// Memory: habits of each principal, the planned episodes, and the compact events of one day; records are
/// written one at a time.
#[derive(Clone, Debug)]
pub struct Simulation {
    parameters: Parameters,
    tenant: Tenant,
    principals: Vec<Principal>,
    offsets: [Offsets; 4],
    plan: Plan,
    /// Days since 1970-01-01.
    first_day: i64,
    next_day: i64,
    end_day: i64,
    /// Created on an earlier day, delivered later.
    pending: Vec<Event>,
}

fn offsets_of(offsets: &[Offsets; 4], zone: Zone) -> &Offsets {
    &offsets[zone as usize]
}

impl Simulation {
    /// Decides who there is and what will happen to them.
    pub fn new(parameters: Parameters) -> Self {
        let seed = parameters.seed;
        let first_day = parameters.first_day();
        let days = i64::from(parameters.days.min(DAYS_MAX));
        let offsets = [Zone::Utc, Zone::London, Zone::Berlin, Zone::NewYork]
            .map(|zone| Offsets::new(zone, first_day, days));
        let mut tenant = Tenant::new(seed);
        let mut principals: Vec<Principal> =
            (0..parameters.principals).map(|index| Principal::new(&parameters, &tenant, index)).collect();
        Principal::distinguish(&mut principals);
        tenant.automate(&principals);
        let mut plan = Plan::new(seed);
        let period = Period { start: first_day * DAY, end: (first_day + days) * DAY };
        if parameters.look_alikes {
            let shifts = [0, 1, 2, 3].map(|zone: usize| offsets[zone].shifts());
            let shifts_of = |principal: &Principal| shifts[principal.zone as usize].clone();
            look_alikes::plan(&mut plan, seed, &tenant, &mut principals, shifts_of, period);
        }
        if days > 0 {
            let offsets_of = |principal: &Principal| offsets_of(&offsets, principal.zone);
            let attacked = parameters.attacked();
            let planted = attacks::plan(&mut plan, seed, attacked, &tenant, &principals, offsets_of, period);
            principals.extend(planted);
        }
        Simulation {
            tenant,
            principals,
            offsets,
            plan,
            first_day,
            next_day: first_day,
            end_day: first_day + days,
            pending: Vec::new(),
            parameters,
        }
    }

    /// Id of the tenant.
    pub fn tenant_id(&self) -> String {
        self.tenant.id.to_string()
    }

    /// Gives every record of the next day to `each`, in the order of delivery; false when no day is left.
    ///
    /// What is created on a day and delivered after midnight comes with the day after. The last day brings all.
    pub fn next_day(&mut self, mut each: impl FnMut(Record<'_>)) -> bool {
        if self.next_day >= self.end_day {
            return false;
        }
        let day = self.next_day;
        self.next_day += 1;
        let mut events = std::mem::take(&mut self.pending);
        let kept = events.len();
        self.live(day, &mut events);
        self.plan.delay(&mut events[kept..]);
        duplicate(&mut events, kept, self.parameters.duplicates_per_mille);
        events.sort_unstable_by_key(|event| (event.delivered, event.id));
        if self.next_day < self.end_day {
            let midnight = self.next_day * DAY;
            let delivered = events.partition_point(|event| event.delivered < midnight);
            self.pending = events.split_off(delivered);
        }
        let mut line = Vec::with_capacity(4_096);
        for event in &events {
            line.clear();
            let category = self.write(event, &mut line);
            each(Record { category, delivered: Timestamp(event.delivered), line: &line });
        }
        true
    }

    /// Gives every record of all remaining days to `each`.
    pub fn for_each_record(&mut self, mut each: impl FnMut(Record<'_>)) {
        while self.next_day(&mut each) {}
    }

    /// Day of the simulation that [`Simulation::next_day`] brings next, from 0.
    pub fn day(&self) -> u32 {
        (self.next_day - self.first_day) as u32
    }

    /// All episodes, attacks and look-alikes. Event ids of attacks are complete from the start, those of
    /// look-alikes after the last day.
    pub fn truth(&self) -> &[Episode] {
        &self.plan.episodes
    }

    /// All that is created on one day.
    fn live(&mut self, day: i64, events: &mut Vec<Event>) {
        events.extend(self.plan.events.remove(&day).unwrap_or_default());
        let mut scratch = Scratch::default();
        for index in 0..self.principals.len() {
            self.live_principal(index, day, &mut scratch, events);
        }
        self.live_tenant(day, events);
    }

    fn live_principal(&mut self, index: usize, day: i64, scratch: &mut Scratch, events: &mut Vec<Event>) {
        let principal = &self.principals[index];
        let offsets = offsets_of(&self.offsets, principal.zone);
        let (tenant, until) = (self.tenant.id, self.end_day * DAY);
        let plan = &mut self.plan;
        principal.wakes(index as u32, day, offsets, scratch, |wake, episodes| {
            events.push(Event::new(wake.time, wake.id, Body::SignIn(wake.body)));
            let mut note_all = |time: i64, id: u64| {
                for episode in episodes {
                    note(plan, *episode, time, || event_id(id).to_string());
                }
            };
            note_all(wake.time, wake.id);
            if wake.body.resource == GRAPH && wake.body.error == 0 {
                let token = TokenUse {
                    key: principal.key,
                    id: wake.id,
                    time: wake.time,
                    local_hour: offsets.hour(wake.time),
                    sign_in: wake.body,
                    instances: principal.instances(),
                    long_lived: wake.long_lived,
                    nightly: wake.nightly,
                    factor: wake.factor,
                    until,
                };
                traffic::call(principal, tenant, &token, events, note_all);
            }
        });
    }

    /// What else happens in a directory: other changes, Microsoft's applications, people.
    fn live_tenant(&self, day: i64, events: &mut Vec<Event>) {
        let mut rng = Rng::of(&[self.parameters.seed, 0x7e4d, day as u64]);
        let mut ids = Ids { base: mix_all(&[self.parameters.seed, 0x7e41d, day as u64]), next: 0 };
        if self.principals.is_empty() {
            return;
        }
        let size = u64::from(self.parameters.principals);
        for _ in 0..rng.rounded(size * 1_000 / 60 + 300) {
            let mut time = day * DAY + rng.between(6 * 3_600, 20 * 3_600) * SECOND;
            let correlation = ids.draw();
            for mut audit in background_change(&self.tenant, &mut rng) {
                audit.correlation = correlation;
                events.push(Event::new(time, ids.draw(), Body::Audit(audit.into())));
                time += rng.between(20_000, 900_000);
            }
        }
        for app in 0..MICROSOFT_APPS.len() as u8 {
            for _ in 0..rng.between(1, 4) {
                let country = self.tenant.country;
                let address = draw_v4(&mut rng, |n| n.kind == NetworkKind::Azure && n.country == country);
                let time = day * DAY + rng.between(0, DAY - 1);
                events.push(Event::new(time, ids.draw(), Body::MicrosoftSignIn { app, address }));
            }
        }
        for _ in 0..rng.rounded(size * 1_000 / 10 + 500) {
            let person = rng.below(self.tenant.people.len() as u64) as u16;
            let home = self.tenant.people[usize::from(person)].home;
            let address = if rng.per_mille(600) { *rng.pick(&self.tenant.offices) } else { home };
            let time = day * DAY + rng.between(6 * 3_600, 21 * 3_600) * SECOND + rng.between(0, SECOND - 1);
            let token = ids.draw();
            events.push(Event::new(time, token, Body::UserSignIn { person, address }));
            let client = rng.below(FIRST_PARTY.len() as u64) as u8;
            let mut at = time;
            for _ in 0..rng.between(1, 9) {
                at += rng.between(SECOND / 5, 4 * MINUTE);
                let ask = rng.below(FIRST_PARTY_ASKS.len() as u64) as u8;
                if at < self.end_day * DAY {
                    let body = Body::UserCall { person, address, client, ask, token, issued: time };
                    events.push(Event::new(at, ids.draw(), body));
                }
            }
        }
    }

    fn write(&self, event: &Event, line: &mut Vec<u8>) -> Category {
        let tenant = self.tenant.id;
        match &event.body {
            Body::SignIn(body) => {
                let principal = &self.principals[body.principal as usize];
                let managed = principal.is_managed();
                let category = if managed {
                    Category::ManagedIdentitySignInLogs
                } else {
                    Category::ServicePrincipalSignInLogs
                };
                let sign_in = SignIn {
                    category,
                    tenant,
                    delivered: event.delivered,
                    created: event.created,
                    id: event.id,
                    identity: principal.identity(event.created),
                    source: (!managed).then(|| (body.address.ip, body.address.country())),
                    user_agent: body.agent.user_agent(),
                    library: body.agent.library(),
                    resource: resource_at(body.resource),
                    credential: body.credential,
                    error: body.error,
                    cae: body.cae,
                };
                write_sign_in(line, &sign_in);
                category
            }
            Body::Audit(audit) => {
                write_audit(line, tenant, event.created, event.id, audit);
                Category::AuditLogs
            }
            Body::Call(body) => {
                let principal = &self.principals[body.principal as usize];
                let roles = match (principal.roles.as_str(), body.granted) {
                    (own, "") => Cow::Borrowed(own),
                    ("", granted) => Cow::Borrowed(granted),
                    (own, granted) => Cow::Owned(format!("{own} {granted}")),
                };
                let call = Call {
                    api: body.api,
                    tenant,
                    time: event.created,
                    id: event.id,
                    app: principal.app,
                    caller: Caller::App { principal: principal.id, roles: &roles },
                    source: (body.address.ip, body.address.country()),
                    user_agent: body.agent.user_agent(),
                    method: body.method,
                    uri: Uri { template: body.uri, object: body.object },
                    status: body.status,
                    bytes: body.bytes,
                    credential: body.credential,
                    token: Token::Of(body.token),
                    issued: body.issued,
                };
                write_call(line, &call);
                match body.api {
                    Api::Graph => Category::MicrosoftGraphActivityLogs,
                    Api::Legacy => Category::AzureADGraphActivityLogs,
                }
            }
            Body::UserSignIn { person, address } => {
                let person = &self.tenant.people[usize::from(*person)];
                let sign_in = UserSignIn {
                    tenant,
                    delivered: event.delivered,
                    created: event.created,
                    id: event.id,
                    user: person.id,
                    user_principal_name: &person.user_principal_name,
                    source: (address.ip, address.country()),
                };
                write_user_sign_in(line, &sign_in);
                Category::NonInteractiveUserSignInLogs
            }
            Body::UserCall { person, address, client, ask, token, issued } => {
                let call = Call {
                    api: Api::Graph,
                    tenant,
                    time: event.created,
                    id: event.id,
                    app: FIRST_PARTY[usize::from(*client)],
                    caller: Caller::User {
                        id: self.tenant.people[usize::from(*person)].id,
                        scopes: "email openid profile User.Read Files.ReadWrite.All Calendars.ReadWrite",
                    },
                    source: (address.ip, address.country()),
                    user_agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36",
                    method: "GET",
                    uri: Uri { template: FIRST_PARTY_ASKS[usize::from(*ask)], object: event.id as u32 % 800 },
                    status: if event.id.is_multiple_of(25) { 404 } else { 200 },
                    bytes: 300 + event.id % 20_000,
                    credential: CredentialKind::Federated,
                    token: Token::Of(*token),
                    issued: *issued,
                };
                write_call(line, &call);
                Category::MicrosoftGraphActivityLogs
            }
            Body::MicrosoftSignIn { app, address } => {
                let (name, app_id) = MICROSOFT_APPS[usize::from(*app)];
                let sign_in = SignIn {
                    category: Category::MicrosoftServicePrincipalSignInLogs,
                    tenant,
                    delivered: event.delivered,
                    created: event.created,
                    id: event.id,
                    identity: Identity {
                        name,
                        principal: envelopes::principal_of_resource(tenant, app_id),
                        app: app_id,
                        // Tenant of Microsoft's services.
                        owner_tenant: Guid(0xf8cd_ef31_a31e_4b4a_93e4_5f57_1e91_255a),
                        azure_resource: "",
                    },
                    source: Some((address.ip, address.country())),
                    user_agent: "",
                    library: "",
                    resource: resource_at(RESOURCE_MANAGER),
                    credential: Credential {
                        kind: CredentialKind::Certificate,
                        key: Guid::from_seed(u64::from(*app) ^ 0x35),
                    },
                    error: 0,
                    cae: false,
                };
                write_sign_in(line, &sign_in);
                Category::MicrosoftServicePrincipalSignInLogs
            }
        }
    }
}

/// Numbers of what happens in a tenant on one day.
struct Ids {
    base: u64,
    next: u64,
}

impl Ids {
    fn draw(&mut self) -> u64 {
        self.next += 1;
        mix(self.base ^ mix(self.next))
    }
}

/// Adds the copies that at-least-once delivery makes: the same record, written again later, up to four in all.
fn duplicate(events: &mut Vec<Event>, first: usize, per_mille: u32) {
    for index in first..events.len() {
        let event = &events[index];
        let mut rng = Rng::of(&[event.id, 0xd0b1]);
        if rng.per_mille(per_mille) {
            let copies = 1 + rng.weighted(&[90, 7, 3]);
            let mut delivered = event.delivered;
            for _ in 0..copies {
                delivered += rng.between(SECOND, 8 * MINUTE);
                let copy = Event { delivered, ..events[index].clone() };
                events.push(copy);
            }
        }
    }
}
