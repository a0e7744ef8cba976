//! The tenant that everything happens in: its places, its people, its vendors.

use crate::archetypes::{Archetype, Principal};
use crate::calendar::Zone;
use crate::catalogue::VENDORS;
use crate::json::Guid;
use crate::networks::{Address, NetworkKind, draw_v4};
use crate::rng::{Rng, mix_all};

/// A person who administers applications.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: Guid,
    pub(crate) user_principal_name: String,
    pub(crate) home: Address,
}

/// A vendor and the addresses it works from.
#[derive(Clone, Debug)]
pub(crate) struct Vendor {
    pub(crate) name: &'static str,
    pub(crate) tenant: Guid,
    pub(crate) addresses: Vec<Address>,
}

/// The tenant that everything happens in.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    pub(crate) id: Guid,
    pub(crate) country: &'static str,
    pub(crate) zone: Zone,
    /// Egress addresses of the offices.
    pub(crate) offices: Vec<Address>,
    /// One address in each cloud region in use.
    pub(crate) regions: Vec<Address>,
    pub(crate) vendors: Vec<Vendor>,
    /// The first ones administer often, the last one rarely.
    pub(crate) people: Vec<Person>,
    /// Service principals that change applications: deployment and key rotation.
    pub(crate) automation: Vec<(Guid, String)>,
}

impl Tenant {
    pub(crate) fn new(seed: u64) -> Self {
        const COUNTRIES: [&str; 6] = ["DE", "FR", "US", "GB", "NL", "SE"];
        const NAMES: [&str; 9] =
            ["anna", "bruno", "chiara", "david", "elif", "farid", "greta", "hugo", "ines"];
        let mut rng = Rng::of(&[seed, 0x7e4a]);
        let country = *rng.pick(&COUNTRIES);
        let access = |country: &'static str| {
            move |n: &crate::networks::Network| n.kind == NetworkKind::Access && n.country == country
        };
        let mut offices: Vec<Address> =
            (0..rng.between(2, 4)).map(|_| draw_v4(&mut rng, access(country))).collect();
        let abroad = *rng.pick(&COUNTRIES);
        offices.push(draw_v4(&mut rng, access(abroad)));

        let cloud = |kind: NetworkKind, country: &'static str| {
            move |n: &crate::networks::Network| n.kind == kind && n.country == country
        };
        let mut regions = vec![
            draw_v4(&mut rng, cloud(NetworkKind::Azure, country)),
            draw_v4(&mut rng, cloud(NetworkKind::Azure, country)),
            draw_v4(&mut rng, cloud(NetworkKind::Azure, "NL")),
        ];
        let second = *rng.pick(&[NetworkKind::Aws, NetworkKind::Gcp]);
        regions.push(draw_v4(&mut rng, |n| n.kind == second));

        let vendors = VENDORS
            .iter()
            .map(|name| {
                let kind = *rng.pick(&[
                    NetworkKind::Aws,
                    NetworkKind::Azure,
                    NetworkKind::Gcp,
                    NetworkKind::Hosting,
                ]);
                let count = rng.between(2, 24) as usize;
                let addresses = draw_v4(&mut rng, |n| n.kind == kind).pool(count, &mut rng);
                Vendor { name, tenant: Guid::from_seed(rng.next()), addresses }
            })
            .collect();
        let people = (0..rng.between(4, NAMES.len() as i64) as usize)
            .map(|n| Person {
                id: Guid::from_seed(rng.next()),
                user_principal_name: format!("{}@contoso.example", NAMES[n]),
                home: draw_v4(&mut rng, access(country)),
            })
            .collect();
        let automation = ["Key rotation", "Landing zone pipeline"]
            .map(|name| (Guid::from_seed(rng.next()), name.to_owned()));
        Tenant {
            id: Guid::from_seed(mix_all(&[seed, 0x1d])),
            country,
            zone: Zone::of_country(country),
            offices,
            regions,
            vendors,
            people,
            automation: automation.to_vec(),
        }
    }

    /// Pipelines of its own, if there are some, are what changes applications automatically.
    pub(crate) fn automate(&mut self, principals: &[Principal]) {
        let id = self.id;
        let pipelines = principals.iter().filter(|principal| {
            matches!(principal.archetype, Archetype::HostedCi | Archetype::SelfHostedCi)
                && principal.owner_tenant == id
        });
        for (automation, pipeline) in self.automation.iter_mut().zip(pipelines) {
            *automation = (pipeline.id, pipeline.name.clone());
        }
    }

    /// Somebody who often administers.
    pub(crate) fn administrator(&self, rng: &mut Rng) -> &Person {
        let often = (self.people.len() - 1).min(3);
        &self.people[rng.below(often as u64) as usize]
    }

    /// Somebody who hardly ever does.
    pub(crate) fn rare_administrator(&self) -> &Person {
        &self.people[self.people.len() - 1]
    }
}
