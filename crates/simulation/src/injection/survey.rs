//! What real logs show of real principals, small enough for a tenant of any size.

use std::collections::BTreeMap;
use std::net::IpAddr;

use countersign_model::event::{
    Actor, ApiActivity, CredentialKind as LoggedKind, DirectoryAudit, Event, SignIn, SignInKind,
};
use countersign_model::id::Id;
use countersign_model::time::{DAY, HOUR, Timestamp};

use crate::envelopes::CredentialKind;
use crate::json::Guid;
use crate::rng::{mix, mix_text};

/// Values of one kind kept of a principal.
const VALUES_MAX: usize = 12;
/// Tokens kept of a principal: attackers replay those of later days.
const TOKENS_MAX: usize = 40;
/// Principals kept, and people.
const PRINCIPALS_MAX: usize = 50_000;
const PEOPLE_MAX: usize = 50;

/// An even sample of different values: those whose hashes are smallest, whatever the order they come in.
#[derive(Clone, Debug)]
pub(super) struct Sample<T> {
    max: usize,
    values: BTreeMap<u64, T>,
}

impl<T> Sample<T> {
    fn new(max: usize) -> Self {
        Sample { max, values: BTreeMap::new() }
    }

    fn see(&mut self, hash: u64, value: impl FnOnce() -> T) {
        let wanted = self.values.len() < self.max
            || self.values.last_key_value().is_some_and(|(largest, _)| hash < *largest);
        if wanted && !self.values.contains_key(&hash) {
            self.values.insert(hash, value());
            if self.values.len() > self.max {
                self.values.pop_last();
            }
        }
    }

    fn see_text(&mut self, text: &str)
    where
        T: for<'t> From<&'t str>,
    {
        // Longer text is no habit worth copying.
        if !text.is_empty() && text.len() < 600 {
            self.see(mix_text(text), || T::from(text));
        }
    }

    pub(super) fn list(&self) -> Vec<&T> {
        self.values.values().collect()
    }
}

/// An API that tokens were asked for.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub(super) app: Guid,
    pub(super) name: String,
}

/// A token of the principal's own.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) time: i64,
}

/// One principal as its logs show it.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub(super) tenant: Guid,
    pub(super) id: Guid,
    pub(super) app: Guid,
    pub(super) owner_tenant: Guid,
    pub(super) name: String,
    pub(super) kind: SignInKind,
    pub(super) credential: CredentialKind,
    pub(super) keys: Sample<Guid>,
    pub(super) addresses: Sample<IpAddr>,
    pub(super) agents: Sample<String>,
    pub(super) resources: Sample<Resource>,
    pub(super) tokens: Sample<Token>,
    pub(super) uris: Sample<String>,
    pub(super) roles: String,
    pub(super) country: String,
    /// Sign-ins by hour of the day, in UTC.
    pub(super) hours: [u32; 24],
    pub(super) sign_ins: u64,
}

impl Picture {
    fn new(tenant: Guid, id: Guid) -> Self {
        Picture {
            tenant,
            id,
            app: Guid::default(),
            owner_tenant: tenant,
            name: String::new(),
            kind: SignInKind::ServicePrincipal,
            credential: CredentialKind::Secret,
            keys: Sample::new(VALUES_MAX),
            addresses: Sample::new(VALUES_MAX),
            agents: Sample::new(VALUES_MAX),
            resources: Sample::new(VALUES_MAX),
            tokens: Sample::new(TOKENS_MAX),
            uris: Sample::new(VALUES_MAX),
            roles: String::new(),
            country: String::new(),
            hours: [0; 24],
            sign_ins: 0,
        }
    }

    fn sign_in(&mut self, event: &SignIn<'_>) {
        self.kind = event.kind;
        if !event.name.is_empty() {
            event.name.as_ref().clone_into(&mut self.name);
        }
        self.app = guid(&event.app.0).unwrap_or(self.app);
        self.owner_tenant = guid(&event.owner_tenant.0).unwrap_or(self.owner_tenant);
        self.see(event.address.ip, &event.user_agent);
        if let Some(country) = event.reported_country {
            country.as_str().clone_into(&mut self.country);
        }
        if event.error_code != 0 {
            return;
        }
        self.sign_ins += 1;
        self.hours[(event.time.0.rem_euclid(DAY) / HOUR) as usize] += 1;
        let credential = match event.credential.kind {
            LoggedKind::Unknown => None,
            LoggedKind::ClientSecret => Some(CredentialKind::Secret),
            LoggedKind::Certificate => Some(CredentialKind::Certificate),
            LoggedKind::Federated => Some(CredentialKind::Federated),
            LoggedKind::ManagedIdentity => Some(CredentialKind::ManagedIdentity),
        };
        self.credential = credential.unwrap_or(self.credential);
        let key = match self.credential {
            CredentialKind::Federated => guid(&event.credential.federated_credential),
            _ => guid(&event.credential.key.0),
        };
        if let Some(key) = key {
            self.keys.see(key.mixed(), || key);
        }
        if let Some(app) = guid(&event.resource.0) {
            let name = event.resource_name.as_ref();
            self.resources.see(app.mixed(), || Resource { app, name: name.to_owned() });
            if app == super::graph() && !event.token.is_empty() {
                let (text, time) = (event.token.as_ref().to_owned(), event.time.0);
                self.tokens.see(mix_text(&text), || Token { text, time });
            }
        }
    }

    fn call(&mut self, event: &ApiActivity<'_>) {
        self.app = guid(&event.app.0).unwrap_or(self.app);
        self.see(event.address.ip, &event.user_agent);
        if event.method == "GET" {
            self.uris.see_text(&event.uri);
        }
        if !event.roles.is_empty() {
            event.roles.as_ref().clone_into(&mut self.roles);
        }
    }

    fn see(&mut self, ip: Option<IpAddr>, agent: &str) {
        if let Some(ip) = ip {
            self.addresses.see(mix_text(&ip.to_string()), || ip);
        }
        self.agents.see_text(agent);
    }
}

/// Somebody who changes the directory.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) id: Guid,
    pub(super) user_principal_name: String,
}

/// What real logs show, learnt one event at a time. The same events in the same order give the same survey.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    pub(super) principals: BTreeMap<(u64, Guid, Guid), Picture>,
    pub(super) people: BTreeMap<Guid, Sample<Person>>,
    /// First and last event.
    pub(super) span: Option<(i64, i64)>,
}

impl Survey {
    /// Looks at an event. Memory stays bounded: a sample of principals and of what each does is kept.
    pub fn learn(&mut self, event: &Event<'_>) {
        let time = event.time().0;
        let (from, to) = self.span.unwrap_or((time, time));
        self.span = Some((from.min(time), to.max(time)));
        let Some(tenant) = guid(&event.tenant().0) else { return };
        match event {
            Event::SignIn(event) if event.kind != SignInKind::MicrosoftServicePrincipal => {
                let Some(id) = guid(&event.service_principal.0) else { return };
                self.picture(tenant, id, |picture| picture.sign_in(event));
            }
            Event::ApiActivity(event) => {
                let Some(id) = guid(&event.service_principal.0) else { return };
                self.picture(tenant, id, |picture| picture.call(event));
            }
            Event::DirectoryAudit(event) => self.change(tenant, event),
            Event::SignIn(_) => {}
        }
    }

    /// How many principals can be attacked: those that signed in.
    pub fn principals(&self) -> usize {
        self.principals.values().filter(|picture| picture.sign_ins > 0).count()
    }

    /// First and last event.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        self.span.map(|(from, to)| (Timestamp(from), Timestamp(to)))
    }

    fn picture(&mut self, tenant: Guid, id: Guid, look: impl FnOnce(&mut Picture)) {
        let key = (mix(tenant.mixed() ^ id.mixed()), tenant, id);
        look(self.principals.entry(key).or_insert_with(|| Picture::new(tenant, id)));
        // Who was let go has the largest hash of all, and is let go again.
        if self.principals.len() > PRINCIPALS_MAX {
            self.principals.pop_last();
        }
    }

    fn change(&mut self, tenant: Guid, event: &DirectoryAudit<'_>) {
        let Actor::User { id, user_principal_name } = &event.initiated_by else { return };
        let Some(id) = guid(id) else { return };
        if user_principal_name.is_empty() {
            return;
        }
        let people = self.people.entry(tenant).or_insert_with(|| Sample::new(PEOPLE_MAX));
        let user_principal_name = user_principal_name.as_ref().to_owned();
        people.see(id.mixed(), || Person { id, user_principal_name });
    }
}

fn guid(id: &Id<'_>) -> Option<Guid> {
    match id {
        Id::Guid(_) => id.as_bytes().try_into().ok().map(|bytes| Guid(u128::from_be_bytes(bytes))),
        Id::Text(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_small_and_does_not_depend_on_order() {
        let texts: Vec<String> = (0..500).map(|n| format!("agent/{n}")).collect();
        let mut forward: Sample<String> = Sample::new(VALUES_MAX);
        let mut backward: Sample<String> = Sample::new(VALUES_MAX);
        for (text, other) in texts.iter().zip(texts.iter().rev()) {
            forward.see_text(text);
            backward.see_text(other);
        }
        assert_eq!(forward.list(), backward.list());
        assert_eq!(forward.list().len(), VALUES_MAX);
    }
}
