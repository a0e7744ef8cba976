//! One day of one principal: when it signs in, and how.
//!
//! A function of the principal and the day alone, so that an attacker's plan can know the tokens of a day that is
//! not simulated yet.

use countersign_model::time::{DAY, SECOND};

use crate::archetypes::Principal;
use crate::calendar::{MINUTE, Offsets, Schedule, Slot};
use crate::catalogue::GRAPH;
use crate::envelopes::{Credential, CredentialKind};
use crate::json::Guid;
use crate::look_alikes::Choice;
use crate::plan::SignInBody;
use crate::rng::{Rng, mix, mix_all};
use crate::traffic::duties::Rhythm;

/// One sign-in of a principal's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wake {
    pub(crate) time: i64,
    pub(crate) id: u64,
    pub(crate) body: SignInBody,
    /// The token lives for a day.
    pub(crate) long_lived: bool,
    /// Taken for a nightly duty.
    pub(crate) nightly: bool,
    /// How many times the usual calls are made, in thousandths.
    pub(crate) factor: u64,
}

/// Buffers that live through a day.
#[derive(Default)]
pub(crate) struct Scratch {
    slots: Vec<Slot>,
    episodes: Vec<u32>,
}

/// Numbers of one principal's events of one day.
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

impl Principal {
    /// Gives each of its sign-ins of a day to `each`, with the numbers of the episodes that shaped it.
    pub(crate) fn wakes(
        &self,
        index: u32,
        day: i64,
        offsets: &Offsets,
        scratch: &mut Scratch,
        mut each: impl FnMut(Wake, &[u32]),
    ) {
        let mut rng = Rng::of(&[self.key, 0xda4, day as u64]);
        let mut ids = Ids { base: mix_all(&[self.key, 0x1d5, day as u64]), next: 0 };
        let exact = matches!(self.schedule, Schedule::Evenly { .. });
        scratch.slots.clear();
        self.slots(day, offsets, &mut rng, &mut scratch.slots);
        for slot in &scratch.slots {
            scratch.episodes.clear();
            let choice = self.choose(*slot, &mut rng, &mut scratch.episodes);
            let mut wake = |time: i64, resource: u8, rng: &mut Rng| {
                let error = if rng.per_mille(1) { 90_033 } else { 0 };
                let body = body_of(index, &choice, resource, error);
                let wake = Wake { time, id: ids.draw(), body, ..self.wake_of(&choice) };
                each(wake, &scratch.episodes);
            };
            if exact {
                let resource = self.resources[usize::from(slot.run) % self.resources.len()];
                wake(slot.time, resource, &mut rng);
                continue;
            }
            for (n, resource) in self.resources.iter().copied().chain(choice.extra_resource).enumerate() {
                for copy in 0..choice.copies {
                    let time = slot.time + (n as i64 * 7 + copy * 41) * SECOND + rng.between(0, 5 * SECOND);
                    wake(time, resource, &mut rng);
                }
            }
        }
        for (time, address, agent, episode) in self.developer_runs(day, offsets, &mut rng) {
            scratch.episodes.clear();
            let choice = self.choose(Slot { time, run: 0 }, &mut rng, &mut scratch.episodes);
            let resource = *rng.pick(&self.resources);
            let choice = Choice { address, agent, factor: 0, ..choice };
            let body = body_of(index, &choice, resource, 0);
            each(Wake { time, id: ids.draw(), body, ..self.wake_of(&choice) }, &[episode]);
        }
        if self.forgotten_copy && !exact {
            let body = SignInBody {
                principal: index,
                address: self.sources.draw(0, &mut rng),
                agent: self.agent,
                resource: self.resources[0],
                credential: Credential {
                    kind: CredentialKind::Secret,
                    key: Guid::from_seed(self.key ^ 0x01d),
                },
                error: 7_000_222,
                cae: false,
            };
            let time = day * DAY + (mix(self.key) % 86_000) as i64 * SECOND + rng.between(0, MINUTE);
            each(Wake { time, id: ids.draw(), body, long_lived: false, nightly: false, factor: 0 }, &[]);
        }
        if let Some(traffic) = &self.traffic
            && traffic.rhythm == Rhythm::Nightly
        {
            let time = offsets.instant(day, traffic.minute_of_day * MINUTE) + rng.between(0, 3 * MINUTE);
            if time >= self.born && self.lives(time) {
                scratch.episodes.clear();
                let choice = self.choose(Slot { time, run: 0 }, &mut rng, &mut scratch.episodes);
                let body = body_of(index, &choice, GRAPH, 0);
                let wake = Wake { time, id: ids.draw(), body, nightly: true, ..self.wake_of(&choice) };
                each(wake, &scratch.episodes);
            }
        }
    }

    /// A wake without time, number and body.
    fn wake_of(&self, choice: &Choice) -> Wake {
        Wake {
            time: 0,
            id: 0,
            body: body_of(0, choice, 0, 0),
            long_lived: choice.cae
                || (self.is_managed() && matches!(self.schedule, Schedule::LongLived { .. })),
            nightly: false,
            factor: choice.factor,
        }
    }

    /// Instances, or steps of a job, that share its work.
    pub(crate) fn instances(&self) -> u16 {
        match self.schedule {
            Schedule::Polls { instances, .. } | Schedule::LongLived { instances } => instances,
            Schedule::Jobs { steps, .. } => steps,
            _ => 1,
        }
    }
}

fn body_of(index: u32, choice: &Choice, resource: u8, error: u32) -> SignInBody {
    SignInBody {
        principal: index,
        address: choice.address,
        agent: choice.agent,
        resource,
        credential: choice.credential,
        error,
        cae: choice.cae,
    }
}
