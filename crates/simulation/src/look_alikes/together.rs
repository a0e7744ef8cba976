//! Look-alikes that several principals have together.

use countersign_model::time::{DAY, HOUR, SECOND};

use super::{Change, Effect, NEW_DAYS, Period};
use crate::archetypes::{Archetype, Principal, Site};
use crate::calendar::MINUTE;
use crate::catalogue::Agent;
use crate::changes::{Subject, renamed, verified_publisher};
use crate::envelopes::event_id;
use crate::json::Guid;
use crate::networks::{Address, NetworkKind, draw_v4};
use crate::plan::{Plan, SignInBody, usual_actor};
use crate::rng::Rng;
use crate::tenant::Tenant;
use crate::truth::EpisodeKind;

/// Gives each of the principals that `moves` accepts the same move; returns how many there were.
fn move_together(
    plan: &mut Plan,
    principals: &mut [Principal],
    family: &str,
    group: &str,
    (from, until, end): (i64, i64, i64),
    mut moves: impl FnMut(&Principal) -> Option<Vec<Address>>,
) {
    for principal in principals.iter_mut().filter(|principal| !principal.is_managed()) {
        let Some(addresses) = moves(principal) else { continue };
        let to = (from + NEW_DAYS * DAY).min(until).min(end) - 1;
        let episode = plan.episode(EpisodeKind::LookAlike, family, principal, (from, to));
        plan.episode_mut(episode).traits.insert("group", group.to_owned());
        principal.changes.push(Change { from, until, effect: Effect::MoveTo(addresses), episode });
    }
}

/// How often something that happens on `percent` of days happens; at least once in two weeks.
fn occurrences(period: Period, percent: u64) -> u64 {
    let count = period.days() * percent / 100;
    if period.days() >= 14 { count.max(1) } else { count }
}

/// The egress address of an office changes: all who work behind it move.
pub(super) fn move_offices(
    plan: &mut Plan,
    tenant: &Tenant,
    principals: &mut [Principal],
    period: Period,
    rng: &mut Rng,
) {
    for n in 0..occurrences(period, 2) {
        let office = rng.below(tenant.offices.len() as u64) as usize;
        let country = tenant.offices[office].country();
        let address = draw_v4(rng, |n| n.kind == NetworkKind::Access && n.country == country);
        let from = period.anytime(rng);
        let group = format!("egress-{}", n + 1);
        move_together(plan, principals, "egressChange", &group, (from, i64::MAX, period.end), |principal| {
            (principal.site == Site::Office(office) && principal.archetype != Archetype::SelfHostedCi)
                .then(|| vec![address])
        });
    }
}

/// A region fails: its workloads run elsewhere for minutes to hours and return.
pub(super) fn fail_regions_over(
    plan: &mut Plan,
    tenant: &Tenant,
    principals: &mut [Principal],
    period: Period,
    rng: &mut Rng,
) {
    for n in 0..occurrences(period, 3) {
        let region = rng.below(tenant.regions.len() as u64) as usize;
        let home = tenant.regions[region].network();
        let refuge = draw_v4(rng, |n| n.kind == home.kind && n.country != home.country);
        let from = period.anytime(rng);
        let until = from + rng.between(30, 600) * MINUTE;
        let group = format!("failover-{}", n + 1);
        let network = refuge.network().name;
        move_together(plan, principals, "regionFailover", &group, (from, until, period.end), |principal| {
            let affected = principal.site == Site::Region(region) && rng.per_mille(800);
            affected.then(|| draw_v4(rng, |n| n.name == network).pool(2, rng))
        });
    }
}

/// A vendor moves to another cloud: for all its principals at once, for good.
pub(super) fn move_vendors(
    plan: &mut Plan,
    tenant: &Tenant,
    principals: &mut [Principal],
    period: Period,
    rng: &mut Rng,
) {
    let busiest = principals.iter().find_map(|principal| match principal.site {
        Site::Vendor(vendor) => Some(vendor),
        _ => None,
    });
    for (index, vendor) in tenant.vendors.iter().enumerate() {
        let moves = period.sometime(400, rng).is_some() || (period.days() >= 14 && busiest == Some(index));
        let from = period.anytime(rng);
        let old = vendor.addresses[0].network().asn;
        let clouds = [NetworkKind::Aws, NetworkKind::Azure, NetworkKind::Gcp];
        let address = draw_v4(rng, |n| clouds.contains(&n.kind) && n.asn != old);
        let addresses = address.pool(vendor.addresses.len(), rng);
        if moves {
            let group = format!("vendor-{}", index + 1);
            move_together(
                plan,
                principals,
                "vendorMove",
                &group,
                (from, i64::MAX, period.end),
                |principal| (principal.site == Site::Vendor(index)).then(|| addresses.clone()),
            );
        }
    }
}

/// A vendor is bought: its applications bear another name and belong to another tenant.
pub(super) fn rename_vendor(
    plan: &mut Plan,
    tenant: &Tenant,
    principals: &mut [Principal],
    period: Period,
    rng: &mut Rng,
) {
    let vendors: Vec<usize> = principals
        .iter()
        .filter_map(|principal| match principal.site {
            Site::Vendor(vendor) => Some(vendor),
            _ => None,
        })
        .collect();
    if period.days() < 14 || vendors.is_empty() {
        return;
    }
    let vendor = *rng.pick(&vendors);
    let from = period.anytime(rng);
    let owner = Guid::from_seed(rng.next());
    let of_vendor = principals.iter_mut().filter(|principal| principal.site == Site::Vendor(vendor));
    for principal in of_vendor.take(TOGETHER_MAX) {
        let name = principal.name.replace(' ', " by Contoso Partners ");
        let other = (!principal.is_owned_by(tenant)).then_some(owner);
        rename(plan, tenant, principal, ("publisherRename", &name, other), (from, period.end), rng);
    }
}

/// Two companies become one: applications are renamed by the dozen.
pub(super) fn merge_tenants(
    plan: &mut Plan,
    tenant: &Tenant,
    principals: &mut [Principal],
    period: Period,
    rng: &mut Rng,
) {
    if period.days() < 14 || !rng.per_mille(500) {
        return;
    }
    let begin = period.anytime(rng);
    let own = principals
        .iter_mut()
        .filter(|principal| !principal.is_managed() && principal.is_owned_by(tenant))
        .filter(|principal| principal.key % 3 == 0);
    for (n, principal) in own.take(TOGETHER_MAX).enumerate() {
        let name = format!("ctso-{}", principal.name);
        let from = begin + n as i64 * 3 * MINUTE;
        if from < period.end {
            rename(plan, tenant, principal, ("tenantMerge", &name, None), (from, period.end), rng);
        }
    }
}

/// Principals that one event concerns, at most.
const TOGETHER_MAX: usize = 30;

fn rename(
    plan: &mut Plan,
    tenant: &Tenant,
    principal: &mut Principal,
    (family, name, owner): (&str, &str, Option<Guid>),
    (from, end): (i64, i64),
    rng: &mut Rng,
) {
    let to = (from + NEW_DAYS * DAY).min(end) - 1;
    let episode = plan.episode(EpisodeKind::LookAlike, family, principal, (from, to));
    plan.episode_mut(episode).traits.insert("group", family.to_owned());
    let actor = usual_actor(tenant, rng);
    let subject = Subject { name, ..Subject::from(&*principal) };
    let mut audits = renamed(&actor, subject, &principal.name);
    if owner.is_some() {
        audits.extend(verified_publisher(&actor, subject, true));
    }
    if from < end - SECOND {
        let ids = plan.audit(from, audits);
        plan.episode_mut(episode).event_ids.extend(ids);
    }
    let effect = Effect::Rename { name: name.to_owned(), owner };
    principal.changes.push(Change { from, until: i64::MAX, effect, episode });
}

/// A registered exercise: keys that do not work, and a few that do, from one rented server.
pub(super) fn test_penetration(
    plan: &mut Plan,
    tenant: &Tenant,
    principals: &[Principal],
    period: Period,
    rng: &mut Rng,
) {
    let candidates: Vec<usize> = (0..principals.len()).filter(|i| !principals[*i].is_managed()).collect();
    if period.days() < 14 || candidates.is_empty() {
        return;
    }
    let country = tenant.country;
    let address = draw_v4(rng, |n| n.kind == NetworkKind::Hosting && n.country == country);
    let agent = Agent::draw_generic(rng);
    let begin = period.anytime(rng);
    for _ in 0..rng.between(2, 9) {
        let index = *rng.pick(&candidates);
        let principal = &principals[index];
        let mut time = begin + rng.between(0, 6 * HOUR);
        let mut ids = Vec::new();
        let from = time;
        for attempt in 0..rng.between(2, 8) {
            let works = attempt > 1 && rng.per_mille(120);
            let body = SignInBody {
                principal: index as u32,
                address,
                agent,
                resource: principal.resources[0],
                credential: principal.credential,
                error: if works { 0 } else { 7_000_215 },
                cae: false,
            };
            if time < period.end {
                ids.push(event_id(plan.sign_in(time, body)).to_string());
            }
            time += rng.between(SECOND, 5 * MINUTE);
        }
        if ids.is_empty() {
            continue;
        }
        let span = (from, time.min(period.end - 1));
        let episode = plan.episode(EpisodeKind::LookAlike, "penetrationTest", principal, span);
        let episode = plan.episode_mut(episode);
        episode.event_ids = ids;
        episode.traits.insert("group", "exercise".to_owned());
    }
}

/// For some hours records of all logs arrive late, out of order and more often than once.
pub(super) fn delay_delivery(plan: &mut Plan, principals: &[Principal], period: Period, rng: &mut Rng) {
    for n in 0..occurrences(period, 3) {
        let from = period.anytime(rng);
        let until = (from + rng.between(HOUR, 7 * HOUR)).min(period.end - 1);
        plan.delays.push((from, until, rng.between(HOUR, 9 * HOUR)));
        for principal in principals.iter().filter(|principal| principal.key % 8 == n % 8).take(TOGETHER_MAX) {
            let number = plan.episode(EpisodeKind::LookAlike, "lateDelivery", principal, (from, until));
            plan.episode_mut(number).traits.insert("group", format!("delivery-{}", n + 1));
        }
    }
}
