//! The skeleton that published incidents share: how the credential was obtained, where it is used from, which
//! credential it is, what is done with it, how the client calls itself, and when.

use super::acts::Act;
use crate::envelopes::CredentialKind;
use crate::networks::{Address, Network, NetworkKind, draw_v4};
use crate::rng::Rng;

/// Where the credential is used from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Vps,
    SameCloud,
    Residential,
    RunnerPool,
}

/// What the attacker has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The workload's own key.
    Known,
    /// A key added for the purpose.
    KeyAdded,
    /// A federated credential added for the purpose.
    FederationAdded,
    /// A token of the workload: nobody signs in.
    TokenReplayed,
}

/// How the client calls itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Copied,
    Generic,
    New,
}

/// What an attack is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Skeleton {
    pub(crate) obtained: &'static str,
    pub(crate) entry: Entry,
    pub(crate) place: Use,
    pub(crate) act: Act,
    pub(crate) manner: Manner,
    pub(crate) in_schedule: bool,
}

/// What about a victim decides how it can be attacked.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools)]
pub(crate) struct Victim {
    /// Its credential cannot be carried away, its tokens can.
    pub(crate) managed: bool,
    /// The tenant's own application: federated credentials can be added.
    pub(crate) owned: bool,
    pub(crate) vendor: bool,
    /// Works on runners.
    pub(crate) pipeline: bool,
    /// Takes tokens for the directory API.
    pub(crate) graph: bool,
}

impl Skeleton {
    pub(crate) fn draw(victim: Victim, rng: &mut Rng) -> Skeleton {
        let weight = |possible: bool, weight: u32| if possible { weight } else { 0 };
        let entry = [Entry::Known, Entry::KeyAdded, Entry::FederationAdded, Entry::TokenReplayed][rng
            .weighted(&[
                weight(!victim.managed, 56),
                weight(!victim.managed, 18),
                weight(victim.owned && !victim.managed, 10),
                weight(victim.graph, if victim.managed { 100 } else { 16 }),
            ])];
        let obtained = match entry {
            Entry::KeyAdded | Entry::FederationAdded => "ownAdd",
            _ if victim.vendor => "vendor",
            _ if victim.pipeline || rng.per_mille(150) => "runner",
            _ => "leak",
        };
        let runner = if victim.pipeline { 25 } else { 4 };
        let place = [Use::Vps, Use::SameCloud, Use::Residential, Use::RunnerPool]
            [rng.weighted(&[46, 22, 20, runner])];
        // A token is stolen to be used.
        let nothing = if entry == Entry::TokenReplayed { 0 } else { 30 };
        let act = Act::ALL[rng.weighted(&[nothing, 17, 11, 16, 10, 16])];
        let manner = [Manner::Copied, Manner::Generic, Manner::New][rng.weighted(&[30, 40, 30])];
        Skeleton { obtained, entry, place, act, manner, in_schedule: rng.per_mille(450) }
    }

    /// Name of its family: credential and place.
    pub(crate) fn family(self, kind: CredentialKind) -> String {
        let credential = match (self.entry, kind) {
            (Entry::KeyAdded, _) => "addedKey",
            (Entry::FederationAdded, _) => "addedFederation",
            (Entry::TokenReplayed, _) => "replayedToken",
            (Entry::Known, CredentialKind::Federated) => "stolenAssertion",
            (Entry::Known, CredentialKind::Certificate | CredentialKind::Assertion) => "stolenCertificate",
            (Entry::Known, CredentialKind::Secret | CredentialKind::ManagedIdentity) => "stolenSecret",
        };
        format!("{credential}{:?}", self.place)
    }

    /// The rest of it, for the truth.
    pub(crate) fn traits(self) -> [(&'static str, String); 5] {
        let agent = match self.manner {
            Manner::Copied => "copied",
            Manner::Generic => "generic",
            Manner::New => "new",
        };
        [
            ("obtained", self.obtained.to_owned()),
            ("use", format!("{:?}", self.place)),
            ("act", self.act.name().to_owned()),
            ("agent", agent.to_owned()),
            ("time", if self.in_schedule { "inSchedule" } else { "off" }.to_owned()),
        ]
    }
}

/// Addresses to attack from; none for [`Use::RunnerPool`], where each run has another. `home` is where the victim
/// works, if that is known, `country` where the tenant does.
pub(crate) fn addresses(place: Use, home: Option<&Network>, country: &str, rng: &mut Rng) -> Vec<Address> {
    let count = rng.weighted(&[70, 20, 10]) + 1;
    match place {
        Use::Vps => {
            let kind = if rng.per_mille(550) { NetworkKind::ForeignHosting } else { NetworkKind::Hosting };
            let home = home.map_or(0, |network| network.asn);
            draw_v4(rng, |n| n.kind == kind && n.asn != home).pool(count, rng)
        }
        Use::SameCloud => {
            // Of a workload outside the clouds: the cloud in the tenant's country.
            let cloud = home.filter(|network| {
                matches!(
                    network.kind,
                    NetworkKind::Azure | NetworkKind::Aws | NetworkKind::Gcp | NetworkKind::Runner
                )
            });
            let (asn, country) = cloud.map_or((8_075, country), |network| (network.asn, network.country));
            draw_v4(rng, |n| n.asn == asn && n.country == country).pool(count, rng)
        }
        // Residential proxies change their address a lot, within a country.
        Use::Residential => (0..count * 2)
            .map(|_| draw_v4(rng, |n| n.kind == NetworkKind::Access && n.country == country))
            .collect(),
        Use::RunnerPool => Vec::new(),
    }
}
