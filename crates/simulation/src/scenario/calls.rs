//! Calls of directory APIs.

use std::ops::Range;

use countersign_model::time::Timestamp;

use super::{Look, Scenario, at, named, source};
use crate::calendar::MINUTE;
use crate::envelopes::{Api, Call, Caller, CredentialKind, Token, Uri, write_call};
use crate::rng::mix_text;

/// How a call looks. By default it is a successful read of 2,000 bytes with `Directory.Read.All`, from the
/// principal's usual address and agent, with the token of its latest sign-in before the call.
#[derive(Clone, Debug)]
#[must_use]
pub struct Request {
    address: String,
    country: Option<String>,
    agent: String,
    credential: CredentialKind,
    status: u16,
    bytes: u64,
    roles: String,
    scopes: String,
    user: Option<String>,
    token: Option<(u64, i64)>,
    token_of: Option<Timestamp>,
    api: Api,
}

impl Request {
    fn of(look: Look) -> Self {
        Request {
            address: look.address,
            country: look.country,
            agent: look.agent,
            credential: look.kind,
            status: 200,
            bytes: 2_000,
            roles: "Directory.Read.All".into(),
            scopes: String::new(),
            user: None,
            token: None,
            token_of: None,
            api: Api::Graph,
        }
    }

    /// From this address.
    pub fn address(mut self, address: &str) -> Self {
        address.clone_into(&mut self.address);
        self
    }

    /// With this user agent.
    pub fn agent(mut self, agent: &str) -> Self {
        agent.clone_into(&mut self.agent);
        self
    }

    /// Answered with this HTTP status.
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Answered with so many bytes.
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// With these application permissions in the token, separated by blanks.
    pub fn roles(mut self, roles: &str) -> Self {
        roles.clone_into(&mut self.roles);
        self
    }

    /// With the token of the principal's latest sign-in at or before `time`, instead of before the call.
    pub fn token_of(mut self, time: Timestamp) -> Self {
        self.token_of = Some(time);
        self
    }

    /// With a token of this name, issued at `issued`, that no sign-in record belongs to.
    pub fn token_without_sign_in(mut self, name: &str, issued: Timestamp) -> Self {
        self.token = Some((mix_text(name), issued.0));
        self
    }

    /// For a person, by user principal name, with these delegated permissions: no application permissions and no
    /// service principal in the record.
    pub fn on_behalf_of(mut self, user: &str, scopes: &str) -> Self {
        self.user = Some(user.to_owned());
        scopes.clone_into(&mut self.scopes);
        self
    }

    /// Of the legacy directory API; the URI is a path such as `/v2/{t}/users`, `{t}` being the tenant.
    pub fn legacy(mut self) -> Self {
        self.api = Api::Legacy;
        self
    }
}

/// Object id of the user of that name, as calls and changes name it.
pub fn user_id(user_principal_name: &str) -> String {
    named("user", user_principal_name).to_string()
}

impl Scenario {
    /// Calls Microsoft Graph with the token of the sign-in that was added last.
    pub fn calls(self, time: Timestamp, method: &str, uri: &str, change: impl FnOnce(Look) -> Look) -> Self {
        let (token, issued) = self.token;
        let look = change(self.current().look.clone());
        let mut request = Request::of(look);
        request.token = Some((token, issued));
        self.push_call(time, method, uri, &request)
    }

    /// Calls a directory API once. In `uri`, `{n}` stands for an object id that no other call names, `{u}` and
    /// other letters for one that all calls share.
    pub fn call(
        self,
        time: Timestamp,
        method: &str,
        uri: &str,
        told: impl FnOnce(Request) -> Request,
    ) -> Self {
        let request = told(Request::of(self.current().look.clone()));
        self.push_call(time, method, uri, &request)
    }

    /// Calls so many times, evenly over a span of time, taking the URIs in turn.
    pub fn call_times(
        mut self,
        span: Range<Timestamp>,
        count: usize,
        method: &str,
        uris: &[&str],
        told: impl Fn(Request) -> Request,
    ) -> Self {
        let step = (span.end.0 - span.start.0) / (count.max(1) as i64);
        for (n, uri) in uris.iter().cycle().take(count).enumerate() {
            self = self.call(span.start.plus(step * n as i64), method, uri, &told);
        }
        self
    }

    /// Signs in each night of `days` at `hour` and calls so many times within the next half hour.
    pub fn calls_nightly(
        mut self,
        days: Range<i64>,
        hour: i64,
        count: usize,
        uris: &[&str],
        told: impl Fn(Request) -> Request,
    ) -> Self {
        for day in days {
            let begin = at(day, hour, 0).plus(self.rng.between(0, 4 * MINUTE));
            self.push_sign_in(begin, |look| look);
            let span = begin.plus(MINUTE)..begin.plus(31 * MINUTE);
            self = self.call_times(span, count, "GET", uris, &told);
        }
        self
    }

    /// Signs in each hour of `days` and calls so many times within it.
    pub fn calls_hourly(
        mut self,
        days: Range<i64>,
        count: usize,
        uris: &[&str],
        told: impl Fn(Request) -> Request,
    ) -> Self {
        for hour in days.start * 24..days.end * 24 {
            let begin = at(0, hour, 0).plus(self.rng.between(0, 4 * MINUTE));
            self.push_sign_in(begin, |look| look);
            let span = begin.plus(MINUTE)..begin.plus(51 * MINUTE);
            self = self.call_times(span, count, "GET", uris, &told);
        }
        self
    }

    fn push_call(mut self, time: Timestamp, method: &str, uri: &str, request: &Request) -> Self {
        let id = self.next_id();
        let member = self.current();
        let (ip, country) = source(&request.address, request.country.as_deref());
        let until = request.token_of.unwrap_or(time).0;
        let latest = || {
            let before = member.tokens.iter().filter(|(signed_in, _)| *signed_in <= until).max();
            before.map_or(self.token, |(signed_in, token)| (*token, *signed_in))
        };
        let (token, issued) = request.token.unwrap_or_else(latest);
        let event = Call {
            api: request.api,
            tenant: named("tenant", "scenario"),
            time: time.0,
            id,
            app: named("app", &member.name),
            caller: match &request.user {
                Some(user) => Caller::User { id: named("user", user), scopes: &request.scopes },
                None => Caller::App { principal: named("principal", &member.name), roles: &request.roles },
            },
            source: (ip, country),
            user_agent: &request.agent,
            method,
            uri: Uri { template: uri, object: 0 },
            status: request.status,
            bytes: request.bytes,
            credential: request.credential,
            token: Token::Of(token),
            issued,
        };
        let mut line = Vec::with_capacity(2_048);
        write_call(&mut line, &event);
        self.records.push((time.0 + 5 * MINUTE, id, line));
        self
    }
}
