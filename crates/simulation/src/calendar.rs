//! Local time: jobs run by the wall clock, and the wall clock shifts twice a year.

use countersign_model::time::{DAY, HOUR, SECOND};

use crate::json::civil;
use crate::rng::Rng;

/// Microseconds in a minute.
pub(crate) const MINUTE: i64 = 60 * SECOND;

/// A time zone, with the rules for summer time that have held since 2007.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zone {
    Utc,
    London,
    Berlin,
    NewYork,
}

/// 0 is Sunday.
pub(crate) fn weekday(day: i64) -> i64 {
    (day + 4).rem_euclid(7)
}

pub(crate) fn is_weekend(day: i64) -> bool {
    matches!(weekday(day), 0 | 6)
}

/// True on the `n`th Sunday of `month`.
fn is_nth_sunday(day: i64, n: i64, month: i64) -> bool {
    let (_, this_month, day_of_month) = civil(day);
    this_month == month && weekday(day) == 0 && (day_of_month - 1) / 7 + 1 == n
}

/// Day number of the first day of `day`'s year.
fn year_start(day: i64) -> i64 {
    let (year, _, _) = civil(day);
    let mut start = day;
    // At most 12 steps: back to the last day of the month before, until the year changes.
    while civil(start).0 == year {
        start -= civil(start).2;
    }
    start + 1
}

impl Zone {
    pub(crate) fn of_country(country: &str) -> Zone {
        match country {
            "GB" | "IE" => Zone::London,
            "US" | "CA" => Zone::NewYork,
            _ => Zone::Berlin,
        }
    }

    fn standard(self) -> i64 {
        match self {
            Zone::Utc | Zone::London => 0,
            Zone::Berlin => HOUR,
            Zone::NewYork => -5 * HOUR,
        }
    }

    /// Whether `day`, by noon, has summer time.
    fn is_summer(self, day: i64) -> bool {
        let start_of_year = year_start(day);
        // Sundays are at most 31 days away from the rule's anchor: look at the change days of this year.
        let passed = |is_change: &dyn Fn(i64) -> bool| (start_of_year..=day).rev().any(is_change);
        match self {
            Zone::Utc => false,
            Zone::London | Zone::Berlin => {
                let last_sunday =
                    |day: i64, month| civil(day).1 == month && weekday(day) == 0 && civil(day + 7).1 != month;
                passed(&|day| last_sunday(day, 3)) && !passed(&|day| last_sunday(day, 10))
            }
            Zone::NewYork => {
                passed(&|day| is_nth_sunday(day, 2, 3)) && !passed(&|day| is_nth_sunday(day, 1, 11))
            }
        }
    }
}

/// A zone's offsets over the days of a simulation, so that the rules are looked up once a day.
#[derive(Clone, Debug)]
pub(crate) struct Offsets {
    first_day: i64,
    /// Microseconds to add to UTC, from the day before the first.
    offsets: Vec<i64>,
}

impl Offsets {
    pub(crate) fn new(zone: Zone, first_day: i64, days: i64) -> Self {
        let offset = |day| zone.standard() + if zone.is_summer(day) { HOUR } else { 0 };
        Offsets { first_day, offsets: (first_day - 1..=first_day + days).map(offset).collect() }
    }

    fn of_day(&self, day: i64) -> i64 {
        let last = self.offsets.len() as i64 - 1;
        self.offsets[(day - self.first_day + 1).clamp(0, last) as usize]
    }

    /// The instant of a wall-clock time on a local day. The night of the shift itself is taken as the day's noon.
    pub(crate) fn instant(&self, day: i64, local: i64) -> i64 {
        day * DAY + local - self.of_day(day)
    }

    /// Hour of the wall clock, 0 to 23.
    pub(crate) fn hour(&self, time: i64) -> i64 {
        (time + self.of_day(time.div_euclid(DAY))).rem_euclid(DAY) / HOUR
    }

    /// Days on which the wall clock shifts, the first day excluded.
    pub(crate) fn shifts(&self) -> Vec<i64> {
        let days = self.first_day..self.first_day + self.offsets.len() as i64 - 2;
        days.skip(1).filter(|day| self.of_day(*day) != self.of_day(*day - 1)).collect()
    }
}

/// When a scheduled job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recurrence {
    Daily,
    /// On a day of the week, 0 is Sunday.
    Weekly(i64),
    /// On a day of the month, 1 to 28.
    Monthly(i64),
    /// On the last day of the month.
    MonthEnd,
}

impl Recurrence {
    pub(crate) fn holds(self, day: i64) -> bool {
        match self {
            Recurrence::Daily => true,
            Recurrence::Weekly(wanted) => weekday(day) == wanted,
            Recurrence::Monthly(wanted) => civil(day).2 == wanted,
            Recurrence::MonthEnd => civil(day).1 != civil(day + 1).1,
        }
    }
}

/// The rhythm of a workload.
#[derive(Clone, Debug)]
pub(crate) enum Schedule {
    /// A token is renewed when it ends, by each of several instances.
    Polls { minutes: (i64, i64), instances: u16 },
    /// A long-lived token is renewed about once a day, by each of several instances.
    LongLived { instances: u16 },
    /// Pipelines run when people work; means are thousandths of a run.
    Runs { weekday_mean: u64, weekend_mean: u64, hours: (i64, i64) },
    /// Jobs by the wall clock; several steps each.
    Jobs { recurrence: Recurrence, minute_of_day: i64, steps: u16 },
    /// A person runs it by hand on some working days.
    ByHand { active_per_mille: u32 },
    /// Not at all.
    Never,
    /// Exactly so many thousandths of a sign-in a day.
    Evenly { per_mille: u64 },
}

/// One time that a workload wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) time: i64,
    /// Instance or number of the run.
    pub(crate) run: u16,
}

impl Schedule {
    /// The wakes of one UTC day, in no order. `key` identifies the workload.
    pub(crate) fn slots(&self, day: i64, key: u64, offsets: &Offsets, rng: &mut Rng, slots: &mut Vec<Slot>) {
        let start = day * DAY;
        match *self {
            Schedule::Polls { minutes: (low, high), instances } => {
                for run in 0..instances {
                    let mut time = start + rng.between(0, high * MINUTE);
                    while time < start + DAY {
                        slots.push(Slot { time, run });
                        time += rng.between(low * MINUTE, high * MINUTE);
                    }
                }
            }
            Schedule::LongLived { instances } => {
                for run in 0..instances {
                    let phase = Rng::of(&[key, run.into()]).between(0, DAY - 1);
                    // Renewals are 20 to 28 hours apart: 24 hours plus or minus two at both ends.
                    for day in day - 1..=day + 1 {
                        let jitter = Rng::of(&[key, run.into(), day as u64]).between(-2 * HOUR, 2 * HOUR);
                        let time = day * DAY + phase + jitter;
                        if (start..start + DAY).contains(&time) {
                            slots.push(Slot { time, run });
                        }
                    }
                }
            }
            Schedule::Runs { weekday_mean, weekend_mean, hours: (from, to) } => {
                let mean = if is_weekend(day) { weekend_mean } else { weekday_mean };
                let busy = rng.between(300, 1_700) as u64;
                let count = rng.rounded(mean * busy / 1_000);
                for run in 0..count.min(u64::from(u16::MAX)) as u16 {
                    let time = offsets.instant(day, rng.between(from * HOUR, to * HOUR - 1));
                    slots.push(Slot { time, run });
                }
            }
            Schedule::Jobs { recurrence, minute_of_day, steps } => {
                if recurrence.holds(day) {
                    let mut time = offsets.instant(day, minute_of_day * MINUTE) + rng.between(0, 40 * SECOND);
                    for run in 0..steps {
                        slots.push(Slot { time, run });
                        time += rng.between(20 * SECOND, 12 * MINUTE);
                    }
                }
            }
            Schedule::ByHand { active_per_mille } => {
                if !is_weekend(day) && rng.per_mille(active_per_mille) {
                    for run in 0..rng.between(1, 5) as u16 {
                        let time = offsets.instant(day, rng.between(8 * HOUR, 19 * HOUR));
                        slots.push(Slot { time, run });
                    }
                }
            }
            Schedule::Never => {}
            Schedule::Evenly { per_mille } => {
                let count = rng.rounded(per_mille) as i64;
                for n in 0..count {
                    let time = start + DAY / count * n + rng.between(0, DAY / count - 1);
                    slots.push(Slot { time, run: n as u16 });
                }
            }
        }
    }

    /// True when the wall clock decides, so that summer time moves it.
    pub(crate) fn follows_the_wall_clock(&self) -> bool {
        matches!(self, Schedule::Jobs { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::DEFAULT_START;

    const FIRST: i64 = DEFAULT_START.0 / DAY;

    fn shifts(zone: Zone) -> Vec<(i64, i64, i64)> {
        Offsets::new(zone, FIRST, 300).shifts().into_iter().map(civil).collect()
    }

    #[test]
    fn clocks_shift_on_the_legal_days_of_2026() {
        assert_eq!(shifts(Zone::Berlin), [(2026, 3, 29), (2026, 10, 25)]);
        assert_eq!(shifts(Zone::London), [(2026, 3, 29), (2026, 10, 25)]);
        assert_eq!(shifts(Zone::NewYork), [(2026, 3, 8), (2026, 11, 1)]);
        assert!(shifts(Zone::Utc).is_empty());
    }

    #[test]
    fn two_in_the_morning_is_an_hour_earlier_in_summer() {
        let offsets = Offsets::new(Zone::Berlin, FIRST, 60);
        assert_eq!(offsets.instant(FIRST, 2 * HOUR), FIRST * DAY + HOUR);
        assert_eq!(offsets.instant(FIRST + 30, 2 * HOUR), (FIRST + 30) * DAY);
    }

    fn mean_slots(schedule: &Schedule) -> f64 {
        let offsets = Offsets::new(Zone::Utc, FIRST, 200);
        let mut slots = Vec::new();
        for day in FIRST..FIRST + 200 {
            schedule.slots(day, 9, &offsets, &mut Rng::of(&[day as u64]), &mut slots);
        }
        slots.len() as f64 / 200.0
    }

    #[test]
    fn tokens_are_renewed_as_often_as_they_end() {
        let polls = mean_slots(&Schedule::Polls { minutes: (60, 90), instances: 1 });
        assert!((18.0..20.5).contains(&polls), "{polls}");
        let long_lived = mean_slots(&Schedule::LongLived { instances: 1 });
        assert!((0.95..1.05).contains(&long_lived), "{long_lived}");
        let evenly = mean_slots(&Schedule::Evenly { per_mille: 2_500 });
        assert!((2.3..2.7).contains(&evenly), "{evenly}");
    }

    #[test]
    fn month_ends_are_found() {
        let ends: Vec<_> =
            (FIRST..FIRST + 92).filter(|day| Recurrence::MonthEnd.holds(*day)).map(civil).collect();
        assert_eq!(ends, [(2026, 3, 31), (2026, 4, 30), (2026, 5, 31)]);
    }
}
