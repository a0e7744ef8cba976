//! Calls of directory APIs as a habit: what a workload asks for with each of its tokens, and how much.
//!
//! Amounts differ from principal to principal by four orders of magnitude, from day to day by a factor of a few,
//! and follow the hours that people work where people cause them.

pub(crate) mod duties;

use std::sync::Arc;

use countersign_model::time::{DAY, HOUR, SECOND};

use crate::archetypes::{Archetype, Principal};
use crate::calendar::{MINUTE, is_weekend};
use crate::changes::{group_member_changed, user_updated};
use crate::envelopes::{Actor, Audit, object_id};
use crate::json::{Guid, civil};
use crate::plan::{Body, CallBody, Event, SignInBody};
use crate::rng::{Rng, mix, mix_all};
use duties::{Ask, Duty, Rhythm, Write, duty_of};

/// Calls of one token, at most.
const SESSION_MAX: u64 = 3_000;

/// Calls of one principal, a day or a run, on average and at most.
const VOLUME_MAX: u64 = 1_200;

/// How long a token lasts: 75 minutes on average, a day when it is long-lived.
const LIFE: i64 = 75 * MINUTE;
const LONG_LIFE: i64 = 24 * HOUR;

/// What a workload calls directory APIs for.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    pub(crate) duty: &'static Duty,
    pub(crate) rhythm: Rhythm,
    /// Calls a day of a continuing duty, of a run otherwise; in thousandths.
    volume: u64,
    /// Minute of the local day of a nightly duty.
    pub(crate) minute_of_day: i64,
    /// Objects that it works on.
    objects: u32,
    /// Thousandths of its calls that fail, always in the same way.
    errors: u32,
    error: u16,
    /// Which of the duty's asks this one makes; at least one.
    asks: Vec<Ask>,
}

impl Traffic {
    /// Draws the traffic of a workload. `scale` multiplies all amounts, in thousandths.
    pub(crate) fn draw(archetype: Archetype, scale: u64, exact: bool, rng: &mut Rng) -> Traffic {
        let choices: &[&str] = match archetype {
            Archetype::HostedCi | Archetype::SelfHostedCi => {
                &["deployment", "deployment", "deployment", "deployment", "licenceReport"]
            }
            Archetype::ScheduledJob => {
                &["licenceReport", "hrSync", "directoryBackup", "attackPathReview", "monitoring"]
            }
            Archetype::SaasVendor => {
                &["directoryBackup", "calendarService", "mailRelay", "directorySync", "siemExport"]
            }
            Archetype::HandRun => &["licenceReport", "groupManagement", "monitoring"],
            Archetype::ManagedIdentity => {
                &["monitoring", "mailRelay", "documentWorker", "groupManagement", "siemExport"]
            }
            _ => &[
                "directorySync",
                "directorySync",
                "hrSync",
                "hrSync",
                "directoryBackup",
                "siemExport",
                "mailRelay",
                "mailRelay",
                "documentWorker",
                "documentWorker",
                "monitoring",
                "monitoring",
                "attackPathReview",
                "calendarService",
                "groupManagement",
                "legacySync",
            ],
        };
        let duty = duty_of(choices[rng.below(choices.len() as u64) as usize]);
        let runs = matches!(
            archetype,
            Archetype::HostedCi | Archetype::SelfHostedCi | Archetype::ScheduledJob | Archetype::HandRun
        );
        let rhythm = if runs || exact { Rhythm::EachRun } else { duty.rhythm };
        let (low, high) =
            [(2, 10), (10, 40), (40, 120), (120, 400), (400, 900)][rng.weighted(&[34, 34, 22, 8, 2])];
        let drawn = rng.between(low, high) as u64 * u64::from(duty.size) / 10;
        let often = matches!(archetype, Archetype::HostedCi | Archetype::SelfHostedCi);
        // Pipelines run many times a day.
        let most = if often { 12 } else { VOLUME_MAX };
        let drawn = if exact { 2 } else { drawn.min(most) };
        let mut asks: Vec<Ask> = duty.asks.iter().copied().filter(|_| rng.per_mille(750)).collect();
        if asks.is_empty() {
            asks.push(duty.asks[0]);
        }
        Traffic {
            duty,
            rhythm,
            volume: drawn.max(1) * scale,
            minute_of_day: rng.between(0, 23) * 15 % (6 * 60) + rng.between(0, 59),
            objects: rng.between(20, 900) as u32,
            errors: *rng.pick(&[0, 0, 2, 5, 12, 40]),
            error: *rng.pick(&[404, 404, 403, 400]),
            asks,
        }
    }

    /// Draws whether a workload calls at all, and how.
    pub(crate) fn of(
        archetype: Archetype,
        uses_graph: bool,
        scale: u64,
        exact: bool,
        rng: &mut Rng,
    ) -> Option<Traffic> {
        let share = match archetype {
            Archetype::HostedCi | Archetype::SelfHostedCi => 350,
            Archetype::SaasVendor => 800,
            Archetype::ManagedIdentity => 500,
            _ => 600,
        };
        let calls = uses_graph && rng.per_mille(share);
        let traffic = Traffic::draw(archetype, scale, exact, rng);
        (calls && scale > 0).then_some(traffic)
    }

    /// What it asks for.
    pub(crate) fn asks(&self) -> Vec<Ask> {
        self.asks.clone()
    }

    /// True when its write calls come in bursts at the beginning of a month.
    pub(crate) fn is_seasonal(&self) -> bool {
        self.duty.name == "hrSync"
    }

    fn season(&self, time: i64, local_hour: i64) -> u64 {
        let day = time.div_euclid(DAY);
        let (_, _, day_of_month) = civil(day);
        if self.is_seasonal() && day_of_month <= 2 {
            return 12_000;
        }
        match self.rhythm {
            Rhythm::OfficeHours if is_weekend(day) => 120,
            Rhythm::OfficeHours => match local_hour {
                8..=17 => 1_900,
                6 | 7 | 18..=20 => 700,
                _ => 120,
            },
            _ => 1_000,
        }
    }

    /// How many calls one token makes.
    fn count(&self, token: &TokenUse, rng: &mut Rng) -> u64 {
        let mean = match self.rhythm {
            Rhythm::Always | Rhythm::OfficeHours => {
                let life = token.life() as u64 / SECOND as u64;
                self.volume * life / 86_400 / u64::from(token.instances.max(1))
            }
            Rhythm::Nightly => self.volume,
            Rhythm::EachRun => self.volume / u64::from(token.instances.max(1)),
        };
        // Days differ, and now and then one differs a lot.
        let busy =
            Rng::of(&[token.key, 0xb5, (token.time.div_euclid(DAY)) as u64]).between(550, 1_450) as u64;
        let burst = if rng.per_mille(25) { rng.between(2_000, 5_000) as u64 } else { 1_000 };
        let mut thousandths = mean;
        let moment = rng.between(400, 1_600) as u64;
        for factor in [self.season(token.time, token.local_hour), busy, burst, moment, token.factor] {
            thousandths = thousandths.saturating_mul(factor) / 1_000;
        }
        rng.rounded(thousandths).min(SESSION_MAX)
    }
}

/// A token and who uses it, for its calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenUse {
    /// Seed of the principal.
    pub(crate) key: u64,
    /// Number and time of the sign-in.
    pub(crate) id: u64,
    pub(crate) time: i64,
    pub(crate) local_hour: i64,
    pub(crate) sign_in: SignInBody,
    pub(crate) instances: u16,
    /// Lives for a day.
    pub(crate) long_lived: bool,
    /// Taken for a nightly duty.
    pub(crate) nightly: bool,
    /// How much more than usual is called, in thousandths.
    pub(crate) factor: u64,
    /// No call comes after it.
    pub(crate) until: i64,
}

impl TokenUse {
    fn life(&self) -> i64 {
        if self.long_lived { LONG_LIFE } else { LIFE }
    }
}

/// Makes the calls of one token and the changes of the directory that they are.
pub(crate) fn call(
    principal: &Principal,
    tenant: Guid,
    token: &TokenUse,
    events: &mut Vec<Event>,
    mut note: impl FnMut(i64, u64),
) {
    let Some(traffic) = &principal.traffic else { return };
    if (traffic.rhythm == Rhythm::Nightly) != token.nightly {
        return;
    }
    let mut rng = Rng::of(&[token.id, 0xca11]);
    let count = traffic.count(token, &mut rng);
    let spread = matches!(traffic.rhythm, Rhythm::Always | Rhythm::OfficeHours);
    // As fast as it goes: some tens to hundreds of milliseconds a call.
    let step = if spread { token.life() / (count as i64).max(1) } else { rng.between(SECOND / 20, SECOND) };
    // The service slows down who asks too much, for a stretch of calls.
    let throttled = if rng.per_mille(30) { rng.below(count.max(1)) } else { u64::MAX };
    let weights: Vec<u32> = traffic.asks.iter().map(|ask| ask.weight).collect();
    let mut time = token.time + rng.between(SECOND / 5, 8 * SECOND);
    let mut pages: Option<(&Ask, u64)> = None;
    for n in 0..count {
        if time >= token.until {
            break;
        }
        let (ask, uri) = if let Some((ask, left)) = pages.take() {
            pages = (left > 1).then_some((ask, left.saturating_sub(1)));
            (ask, ask.next.unwrap_or(ask.uri))
        } else {
            let ask = &traffic.asks[rng.weighted(&weights)];
            if ask.next.is_some() && rng.per_mille(500) {
                pages = Some((ask, rng.between(1, 6) as u64));
            }
            (ask, ask.uri)
        };
        // A backup goes through all objects in turn; others work on some more than on others.
        let object = if spread {
            rng.below(u64::from(traffic.objects)).min(rng.below(u64::from(traffic.objects))) as u32
        } else {
            (n % u64::from(traffic.objects)) as u32
        };
        let status = match (n.wrapping_sub(throttled), ask.method) {
            (0..4, _) => 429,
            _ if rng.per_mille(traffic.errors) => traffic.error,
            _ if rng.per_mille(1) => 503,
            (_, "POST") => 201,
            (_, "PATCH" | "DELETE") => 204,
            _ => 200,
        };
        let id = mix_all(&[token.id, 0xca, n]);
        let body = CallBody {
            principal: token.sign_in.principal,
            address: token.sign_in.address,
            agent: token.sign_in.agent,
            credential: token.sign_in.credential.kind,
            api: traffic.duty.api,
            method: ask.method,
            uri,
            object,
            granted: "",
            status,
            bytes: if status < 300 { 200 + rng.below(u64::from(ask.bytes)) } else { 380 },
            token: token.id,
            issued: token.time,
        };
        events.push(Event::new(time, id, Body::Call(body)));
        note(time, id);
        if let (Some(write), 0..300) = (ask.write, status) {
            for (n, audit) in written(principal, tenant, write, object).into_iter().enumerate() {
                let audit = Audit { correlation: id, ..audit };
                let id = mix(id ^ (n as u64 + 1));
                events.push(Event::new(time + SECOND / 10, id, Body::Audit(Arc::new(audit))));
            }
        }
        time += rng.between(step / 3, step * 5 / 3);
    }
}

/// The audit records of a call that changes the directory.
fn written(principal: &Principal, tenant: Guid, write: Write, object: u32) -> Vec<Audit> {
    let actor = Actor::App { principal: principal.id, name: principal.name.clone() };
    let user = object_id(tenant, b'u', object);
    let group = object_id(tenant, b'g', object);
    let name = format!("user{object}@contoso.example");
    match write {
        Write::User => user_updated(&actor, user, &name),
        Write::JoinGroup => group_member_changed(&actor, user, &name, group, true),
        Write::LeaveGroup => group_member_changed(&actor, user, &name, group, false),
    }
}

#[cfg(test)]
mod tests {
    use super::duties::DUTIES;
    use super::*;

    #[test]
    fn duties_are_different_and_reachable() {
        for duty in DUTIES {
            assert_eq!(duty_of(duty.name).name, duty.name);
            assert!(!duty.asks.is_empty() && duty.asks.iter().all(|ask| ask.weight > 0 && ask.bytes > 0));
        }
    }

    #[test]
    fn amounts_are_wide_and_bounded() {
        let mut rng = Rng::of(&[5]);
        let mut volumes: Vec<u64> = (0..500)
            .map(|_| Traffic::draw(Archetype::SteadyPoller, 1_000, false, &mut rng).volume / 1_000)
            .collect();
        volumes.sort_unstable();
        assert!(volumes[50] <= 10 && volumes[450] >= 60 && volumes[499] <= VOLUME_MAX, "{volumes:?}");
    }
}
