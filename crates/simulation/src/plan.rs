//! Events before they are written, and those that are known before the days are simulated.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_model::time::{DAY, HOUR, SECOND, Timestamp};

use crate::archetypes::Principal;
use crate::calendar::MINUTE;
use crate::catalogue::Agent;
use crate::envelopes::{Actor, Api, Audit, Credential, CredentialKind, audit_id, event_id};
use crate::networks::Address;
use crate::rng::{Rng, mix, mix_all};
use crate::tenant::Tenant;
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
    UserSignIn {
        person: u16,
        address: Address,
    },
    /// A call of one of Microsoft's own clients for a person.
    UserCall {
        person: u16,
        address: Address,
        client: u8,
        ask: u8,
        token: u64,
        issued: i64,
    },
    MicrosoftSignIn {
        app: u8,
        address: Address,
    },
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
    pub(crate) api: Api,
    pub(crate) method: &'static str,
    /// What [`Uri`](crate::envelopes::Uri) makes an address of.
    pub(crate) uri: &'static str,
    pub(crate) object: u32,
    /// Application roles in the token beside the principal's own.
    pub(crate) granted: &'static str,
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
            Body::Call(_) | Body::UserCall { .. } if rng.per_mille(30) => rng.between(30 * MINUTE, 2 * HOUR),
            Body::Call(_) | Body::UserCall { .. } => rng.between(2 * MINUTE, 30 * MINUTE),
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
    /// Times, as begin and end, in which what is created is delivered later by up to so much.
    pub(crate) delays: Vec<(i64, i64, i64)>,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        Plan {
            seed: mix_all(&[seed, 0x91a4]),
            counter: 0,
            events: BTreeMap::new(),
            episodes: Vec::new(),
            delays: Vec::new(),
        }
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

    /// Delivers late what is created while delivery is slow.
    pub(crate) fn delay(&self, events: &mut [Event]) {
        for (from, until, most) in &self.delays {
            for event in &mut *events {
                if (*from..*until).contains(&event.created) {
                    event.delivered += Rng::of(&[event.id, 0x51ea]).between(0, *most);
                }
            }
        }
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
            archetype: principal.archetype.name().to_owned(),
            service_principal_ids: vec![principal.id.to_string()],
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

/// Somebody or something that changes applications: mostly people who often do, sometimes automation.
pub(crate) fn usual_actor(tenant: &Tenant, rng: &mut Rng) -> Actor {
    if rng.per_mille(300) {
        let (principal, name) = rng.pick(&tenant.automation).clone();
        return Actor::App { principal, name };
    }
    let person = tenant.administrator(rng);
    let address = if rng.per_mille(700) { *rng.pick(&tenant.offices) } else { person.home };
    Actor::User { id: person.id, user_principal_name: person.user_principal_name.clone(), ip: address.ip }
}
