//! What somebody does with a token that is not theirs: enumerate, read, change.

use countersign_model::time::SECOND;

use crate::calendar::MINUTE;
use crate::envelopes::Api;
use crate::rng::{Rng, mix_all, mix_text};
use crate::traffic::duties::Ask;

/// What is done with the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Only signs in: to see whether it works, or for an API that no log shows.
    Nothing,
    /// Looks around within minutes.
    EnumerateFast,
    /// Looks around a little at a time, over days.
    EnumerateSlowly,
    /// Takes content away within minutes to hours.
    BulkRead,
    /// Takes content away a little at a time, over weeks.
    DripRead,
    /// Changes the directory, for a way back in or for more permissions.
    DirectoryChange,
}

impl Act {
    pub(crate) const ALL: [Act; 6] = [
        Act::Nothing,
        Act::EnumerateFast,
        Act::EnumerateSlowly,
        Act::BulkRead,
        Act::DripRead,
        Act::DirectoryChange,
    ];

    /// Its name in the truth.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Act::Nothing => "nothing",
            Act::EnumerateFast => "enumerateFast",
            Act::EnumerateSlowly => "enumerateSlowly",
            Act::BulkRead => "bulkRead",
            Act::DripRead => "dripRead",
            Act::DirectoryChange => "directoryChange",
        }
    }

    /// Days that it goes on, at most; 0 when it is done within one or two.
    pub(crate) fn days(self, rng: &mut Rng) -> i64 {
        match self {
            Act::EnumerateSlowly => rng.between(2, 9),
            Act::DripRead => rng.between(6, 28),
            _ => 0,
        }
    }

    /// Whether it goes on for days.
    pub(crate) fn is_slow(self) -> bool {
        matches!(self, Act::EnumerateSlowly | Act::DripRead)
    }

    /// Whether it needs a token for the directory API.
    pub(crate) fn calls(self) -> bool {
        self != Act::Nothing
    }
}

/// One call of an attacker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deed {
    /// Time since the one before, in microseconds.
    pub(crate) after: i64,
    pub(crate) api: Api,
    pub(crate) method: &'static str,
    pub(crate) uri: &'static str,
    pub(crate) object: u32,
    pub(crate) status: u16,
    pub(crate) bytes: u64,
}

macro_rules! graph {
    ($path:literal) => {
        concat!("https://graph.microsoft.com/v1.0/", $path)
    };
}

/// First looks: lists of everything.
const LISTS: &[&str] = &[
    graph!("organization"),
    graph!("domains"),
    graph!("users?$top=999"),
    graph!("users?$top=999&$skiptoken={p}"),
    graph!("groups?$top=999"),
    graph!("groups?$top=999&$skiptoken={p}"),
    graph!("applications?$top=999"),
    graph!("servicePrincipals?$top=999"),
    graph!("directoryRoles"),
    graph!("roleManagement/directory/roleAssignments?$expand=principal"),
    graph!("roleManagement/directory/roleDefinitions"),
    graph!("oauth2PermissionGrants?$top=999"),
    graph!("devices?$top=999"),
    graph!("identity/conditionalAccess/policies"),
    graph!("policies/authorizationPolicy"),
];

/// Then one object after the other.
const RELATIONS: &[&str] = &[
    graph!("groups/{g}/members?$top=999"),
    graph!("groups/{g}/owners?$top=999"),
    graph!("servicePrincipals/{q}/owners"),
    graph!("servicePrincipals/{q}/appRoleAssignments"),
    graph!("servicePrincipals/{q}/appRoleAssignedTo?$top=999"),
    graph!("applications/{a}/owners"),
    graph!("users/{u}/memberOf"),
    graph!("directoryRoles/{r}/members"),
];

/// The legacy API knows the same, and tools like it.
const LEGACY: &[&str] = &[
    "/v2/{t}/tenantDetails?api-version=1.61-internal",
    "/v2/{t}/users?api-version=1.61-internal&$top=500",
    "/v2/{t}/groups?api-version=1.61-internal&$top=500",
    "/v2/{t}/applications?api-version=1.61-internal&$top=500",
    "/v2/{t}/servicePrincipals?api-version=1.61-internal&$top=500",
    "/v2/{t}/roleDefinitions?api-version=1.61-internal",
    "/v2/{t}/policies?api-version=1.61-internal",
    "/v2/{t}/groups/{g}/$links/members?api-version=1.61-internal",
    "/v2/{t}/oauth2PermissionGrants?api-version=1.61-internal",
];

const MAIL: &[&str] = &[
    graph!("users/{u}/messages?$top=1000"),
    graph!("users/{u}/messages?$top=1000&$skip=1000"),
    graph!("users/{u}/mailFolders"),
    graph!("users/{u}/messages?$search=\"password\""),
    graph!("users/{u}/messages/{n}/attachments"),
];

const FILES: &[&str] = &[
    graph!("sites?search=*"),
    graph!("users/{u}/drive/root/children?$top=999"),
    graph!("drives/{d}/root/children?$top=999"),
    graph!("drives/{d}/items/{n}/content"),
    graph!("sites/{s}/drives"),
];

const DIRECTORY: &[&str] = &[
    graph!("users/{u}?$select=id,displayName,mobilePhone,onPremisesSamAccountName"),
    graph!("users/{u}/authentication/methods"),
    graph!("groups/{g}/transitiveMembers?$top=999"),
];

/// What an attacker wants and can do, drawn once for an attack.
#[derive(Clone, Debug)]
pub(crate) struct Loot {
    wanted: &'static [&'static str],
    legacy: bool,
    /// Whether it asks for what the workload itself asks for.
    own: Vec<Ask>,
    /// Objects are taken in turn from here.
    object: u32,
    /// Thousandths of the URIs that its permissions allow.
    allowed: u64,
    key: u64,
}

impl Loot {
    /// `own` is what the workload asks for, if the attacker does as it does.
    pub(crate) fn draw(own: Vec<Ask>, rng: &mut Rng) -> Loot {
        Loot {
            wanted: [MAIL, FILES, DIRECTORY][rng.weighted(&[45, 35, 20])],
            legacy: rng.per_mille(180),
            own,
            object: rng.below(2_000) as u32,
            allowed: *rng.pick(&[1_000, 1_000, 900, 600, 150]),
            key: rng.next(),
        }
    }

    /// Reads mail, and may.
    pub(crate) fn mail(rng: &mut Rng) -> Loot {
        Loot { wanted: MAIL, legacy: false, own: Vec::new(), allowed: 1_000, ..Loot::draw(Vec::new(), rng) }
    }

    /// The calls of one token, `n` being the number of the token. None for acts that call nothing.
    pub(crate) fn deeds(&mut self, act: Act, n: usize, rng: &mut Rng) -> Vec<Deed> {
        let (count, fastest, slowest) = match act {
            Act::Nothing | Act::DirectoryChange => return Vec::new(),
            Act::EnumerateFast => {
                // By hand some lists; by tool each object.
                let (low, high) = *rng.pick(&[(5, 20), (20, 120), (120, 600)]);
                let pace = *rng.pick(&[(SECOND / 20, SECOND), (SECOND / 2, 20 * SECOND)]);
                (rng.between(low, high), pace.0, pace.1)
            }
            Act::EnumerateSlowly => (rng.between(2, 9), MINUTE / 2, 9 * MINUTE),
            Act::BulkRead => {
                let (low, high) = *rng.pick(&[(10, 60), (60, 400), (400, 1_500)]);
                (rng.between(low, high), SECOND / 10, 3 * SECOND)
            }
            Act::DripRead => (rng.between(3, 25), 5 * SECOND, 4 * MINUTE),
        };
        (0..count).map(|step| self.deed(act, n as i64 * 1_000 + step, (fastest, slowest), rng)).collect()
    }

    fn deed(&mut self, act: Act, step: i64, pace: (i64, i64), rng: &mut Rng) -> Deed {
        let turn = step as usize;
        let (api, uri, bytes) = match act {
            Act::EnumerateFast | Act::EnumerateSlowly if self.legacy => {
                (Api::Legacy, LEGACY[turn % LEGACY.len()], 90_000)
            }
            Act::EnumerateFast | Act::EnumerateSlowly if turn % 1_000 < LISTS.len() => {
                (Api::Graph, LISTS[turn % 1_000], 600_000)
            }
            Act::EnumerateFast | Act::EnumerateSlowly => (Api::Graph, *rng.pick(RELATIONS), 9_000),
            _ if !self.own.is_empty() => {
                let ask = *rng.pick(&self.own);
                (Api::Graph, ask.uri, ask.bytes)
            }
            _ => (Api::Graph, *rng.pick(self.wanted), 900_000),
        };
        self.object = self.object.wrapping_add(u32::from(rng.per_mille(600)));
        let allowed = mix_all(&[self.key, mix_text(uri)]) % 1_000 < self.allowed;
        Deed {
            after: rng.between(pace.0, pace.1),
            api,
            method: "GET",
            uri,
            object: self.object,
            status: if allowed { 200 } else { 403 },
            bytes: if allowed { 500 + rng.below(u64::from(bytes)) } else { 412 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_acts_take_little_at_a_time() {
        let mut rng = Rng::of(&[3]);
        let mut loot = Loot::draw(Vec::new(), &mut rng);
        for n in 0..50 {
            assert!(loot.deeds(Act::EnumerateSlowly, n, &mut rng).len() < 10);
            assert!(loot.deeds(Act::DripRead, n, &mut rng).len() <= 25);
            assert!(loot.deeds(Act::EnumerateFast, n, &mut rng).len() >= 5);
            assert!(loot.deeds(Act::Nothing, n, &mut rng).is_empty());
        }
        assert!(Act::ALL.iter().all(|act| act.days(&mut rng) <= 28));
    }
}
