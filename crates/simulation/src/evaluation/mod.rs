//! How good a detector is, on labelled histories: recall at a fixed number of false alarms, the worst family, time to
//! detect, look-alikes that call somebody, and whether evidence is reached as seldom as it promises. Beside it the
//! rules that people use today ([`baselines`]), on the same events.
//!
//! Pure: alerts, labels and day scores go in, numbers come out. Nothing here knows how a detector works.

pub mod baselines;
mod statistics;

use std::collections::{BTreeMap, HashMap, HashSet};

use countersign_model::time::{DAY, SECOND, Timestamp};

pub use statistics::{Interval, interval};

/// False alarms per 1,000 identities and day at which recall is measured.
pub const BUDGETS: [f64; 4] = [0.1, 0.5, 1.0, 5.0];

/// What really happened to some identities.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// True for an attack, false for a look-alike.
    pub is_attack: bool,
    /// Its class.
    pub family: String,
    /// Object ids of all identities concerned.
    pub principals: Vec<String>,
    /// Begin and end, in event time.
    pub from: Timestamp,
    /// See `from`.
    pub to: Timestamp,
    /// Ids of its records.
    pub events: Vec<String>,
}

/// What a detector said.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Object id of the identity.
    pub principal: String,
    /// First and last activity.
    pub from: Timestamp,
    /// See `from`.
    pub to: Timestamp,
    /// When it was raised first.
    pub detected: Timestamp,
    /// Orders the alerts of one detector; higher is surer.
    pub score: f64,
    /// Somebody is called.
    pub pages: bool,
    /// Ids of the records it rests on.
    pub events: Vec<String>,
}

/// One history with its labels, and how much of it was seen.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Attacks and look-alikes.
    pub labels: Vec<Label>,
    /// Sum over the days of identities active on them.
    pub identity_days: u64,
    /// Times of the records of each label, in order.
    pub times: Vec<Vec<Timestamp>>,
}

impl History {
    /// A history of which the events are still to come.
    pub fn new(labels: Vec<Label>) -> Self {
        let times = vec![Vec::new(); labels.len()];
        History { labels, identity_days: 0, times }
    }

    /// Finds the labels of events by their ids.
    pub fn index(&self) -> HashMap<String, usize> {
        let of = |(at, label): (usize, &Label)| {
            label.events.iter().map(move |id| (id.clone(), at)).collect::<Vec<_>>()
        };
        self.labels.iter().enumerate().flat_map(of).collect()
    }
}

/// How one detector did on one history.
#[derive(Clone, Debug, Default)]
pub struct Result {
    /// Share of attacks found at each of [`BUDGETS`].
    pub recall: [f64; BUDGETS.len()],
    /// Attacks found at 1 and at 5 false alarms per 1,000 identities and day, and all, by family.
    pub families: BTreeMap<String, [u32; 3]>,
    /// Alerts that call somebody and belong to no attack.
    pub false_pages: u64,
    /// Attacks that somebody is called about, at the detector's own levels.
    pub paged: u64,
    /// Attacks in all.
    pub attacks: u64,
    /// Look-alikes that somebody is called about, and all, by family.
    pub look_alikes: BTreeMap<String, [u32; 2]>,
    /// Of attacks found at the detector's own levels: events until then, and minutes from the first.
    pub time_to_detect: Vec<(u32, f64)>,
    /// See [`History::identity_days`].
    pub identity_days: u64,
}

/// Scores the alerts of one detector.
pub fn score(history: &History, alerts: &[Alert]) -> Result {
    let mut by_principal: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, label) in history.labels.iter().enumerate() {
        for principal in &label.principals {
            by_principal.entry(principal).or_default().push(at);
        }
    }
    let events: Vec<HashSet<&str>> =
        history.labels.iter().map(|label| label.events.iter().map(String::as_str).collect()).collect();
    // Labels that each alert belongs to.
    let belongs: Vec<Vec<usize>> = alerts
        .iter()
        .map(|alert| {
            let candidates = by_principal.get(alert.principal.as_str()).map_or(&[][..], Vec::as_slice);
            candidates
                .iter()
                .copied()
                .filter(|at| matches(alert, &history.labels[*at], &events[*at]))
                .collect()
        })
        .collect();
    let is_attack = |at: &usize| history.labels[*at].is_attack;
    let is_false = |alert: usize| !belongs[alert].iter().any(is_attack);

    let mut result = Result { identity_days: history.identity_days, ..Result::default() };
    result.attacks = history.labels.iter().filter(|label| label.is_attack).count() as u64;
    let mut order: Vec<usize> = (0..alerts.len()).collect();
    order.sort_by(|a, b| {
        alerts[*b].score.total_cmp(&alerts[*a].score).then_with(|| {
            (&alerts[*a].principal, alerts[*a].detected).cmp(&(&alerts[*b].principal, alerts[*b].detected))
        })
    });
    for (place, budget) in BUDGETS.into_iter().enumerate() {
        let allowed = budget * history.identity_days as f64 / 1000.0;
        let mut false_alarms = 0.0;
        let mut found: HashSet<usize> = HashSet::new();
        for alert in &order {
            if is_false(*alert) {
                false_alarms += 1.0;
                if false_alarms > allowed {
                    break;
                }
            }
            found.extend(belongs[*alert].iter().copied().filter(|at| is_attack(at)));
        }
        result.recall[place] = ratio(found.len() as u64, result.attacks);
        for (at, label) in history.labels.iter().enumerate().filter(|(_, label)| label.is_attack) {
            let family = result.families.entry(label.family.clone()).or_default();
            let hit = u32::from(found.contains(&at));
            match budget {
                1.0 => {
                    family[0] += hit;
                    family[2] += 1;
                }
                5.0 => family[1] += hit,
                _ => {}
            }
        }
    }
    for (at, label) in history.labels.iter().enumerate() {
        let mut paging: Vec<&Alert> = (0..alerts.len())
            .filter(|alert| alerts[*alert].pages && belongs[*alert].contains(&at))
            .filter(|alert| label.is_attack || is_false(*alert))
            .map(|alert| &alerts[alert])
            .collect();
        paging.sort_by_key(|alert| alert.detected);
        if !label.is_attack {
            let family = result.look_alikes.entry(label.family.clone()).or_default();
            family[0] += u32::from(!paging.is_empty());
            family[1] += 1;
        } else if let Some(first) = paging.first() {
            result.paged += 1;
            let times = &history.times[at];
            let until = times.iter().filter(|time| **time <= first.detected).count() as u32;
            let begun = times.first().copied().unwrap_or(label.from);
            let minutes = first.detected.since(begun).max(0) as f64 / (60 * SECOND) as f64;
            result.time_to_detect.push((until.max(1), minutes));
        }
    }
    result.false_pages =
        (0..alerts.len()).filter(|alert| alerts[*alert].pages && is_false(*alert)).count() as u64;
    result
}

/// An alert belongs to a label when it rests on one of its records, or was active while it went on; a day later at
/// most, for what is judged at the end of a day.
fn matches(alert: &Alert, label: &Label, events: &HashSet<&str>) -> bool {
    let shares = alert.events.iter().any(|id| events.contains(id.as_str()));
    // The records of an attack are all known: an alert that names records must name one of them, or be of the
    // attack's own days.
    let overlaps = alert.from <= label.to.plus(DAY) && alert.to >= label.from;
    shares || overlaps && (label.is_attack || alert.events.is_empty())
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Evidence levels whose exceedance is measured.
pub const LEVELS: [f64; 6] = [1e1, 1e2, 1e3, 1e4, 1e5, 1e6];

/// The evidence of one identity on one day.
#[derive(Clone, Copy, Debug)]
pub struct Day<'d> {
    /// Object id of the identity.
    pub principal: &'d str,
    /// Days since 1970.
    pub day: i64,
    /// Logarithm of its strongest evidence; negative infinity where nothing had to be judged.
    pub ln: f64,
    /// Events that were judged.
    pub events: u32,
    /// Those of them that reached each of [`LEVELS`].
    pub events_reached: [u32; LEVELS.len()],
}

/// How often evidence was reached on harmless identity-days.
#[derive(Clone, Debug, Default)]
pub struct Calibration {
    /// Harmless identity-days.
    pub days: u64,
    /// Days that reached each of [`LEVELS`].
    pub reached: [u64; LEVELS.len()],
    /// Events of these days that were judged.
    pub events: u64,
    /// Those of them that reached each of [`LEVELS`].
    pub events_reached: [u64; LEVELS.len()],
    /// Evidence of the highest days, by logarithm, descending: for a plot against what is promised.
    pub highest: Vec<f64>,
    /// Sum of the evidence, each day bounded by 10,000: an e-value has a mean of at most one.
    pub sum: f64,
}

/// Highest days kept.
const HIGHEST_MAX: usize = 2_000;

impl Calibration {
    /// Takes in days. Those of attacks and the week after are left out.
    pub fn add<'d>(&mut self, history: &History, days: impl Iterator<Item = Day<'d>>) {
        let mut attacked: HashMap<&str, Vec<(i64, i64)>> = HashMap::new();
        for label in history.labels.iter().filter(|label| label.is_attack) {
            for principal in &label.principals {
                attacked.entry(principal).or_default().push((label.from.day(), label.to.day() + 7));
            }
        }
        for Day { principal, day, ln, events, events_reached } in days {
            let is_attacked = attacked
                .get(principal)
                .is_some_and(|spans| spans.iter().any(|(from, to)| (*from..=*to).contains(&day)));
            if is_attacked {
                continue;
            }
            self.days += 1;
            self.events += u64::from(events);
            for (sum, reached) in self.events_reached.iter_mut().zip(events_reached) {
                *sum += u64::from(reached);
            }
            for (reached, level) in self.reached.iter_mut().zip(LEVELS) {
                *reached += u64::from(ln >= level.ln());
            }
            if ln.is_finite() {
                self.sum += ln.exp().min(1e4);
                self.highest.push(ln);
            }
        }
        self.highest.sort_by(|a, b| b.total_cmp(a));
        self.highest.truncate(HIGHEST_MAX);
    }

    /// Measured over nominal at each level, by days: what the levels of findings promise.
    pub fn ratios(&self) -> [f64; LEVELS.len()] {
        over_nominal(&self.reached, self.days)
    }

    /// Measured over nominal at each level, by events: what a likelihood ratio promises. At most 1 is kept, 2 is the
    /// gate.
    pub fn event_ratios(&self) -> [f64; LEVELS.len()] {
        over_nominal(&self.events_reached, self.events)
    }
}

fn over_nominal(reached: &[u64; LEVELS.len()], all: u64) -> [f64; LEVELS.len()] {
    std::array::from_fn(|level| reached[level] as f64 * LEVELS[level] / all.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(is_attack: bool, family: &str, principal: &str, day: i64, events: &[&str]) -> Label {
        Label {
            is_attack,
            family: family.to_owned(),
            principals: vec![principal.to_owned()],
            from: Timestamp(day * DAY),
            to: Timestamp(day * DAY + 10 * SECOND),
            events: events.iter().map(|id| (*id).to_owned()).collect(),
        }
    }

    fn alert(principal: &str, day: i64, score: f64, events: &[&str]) -> Alert {
        Alert {
            principal: principal.to_owned(),
            from: Timestamp(day * DAY),
            to: Timestamp(day * DAY),
            detected: Timestamp(day * DAY),
            score,
            pages: score > 5.0,
            events: events.iter().map(|id| (*id).to_owned()).collect(),
        }
    }

    #[test]
    fn recall_is_what_comes_before_the_budget_is_used_up() {
        let mut history = History::new(vec![
            label(true, "a", "p1", 10, &["e1"]),
            label(true, "b", "p2", 20, &["e2"]),
            label(false, "rotation", "p3", 30, &["e3"]),
        ]);
        history.identity_days = 1_000;
        history.times[0] = vec![Timestamp(10 * DAY - 60 * SECOND), Timestamp(10 * DAY)];
        let alerts = [
            alert("p1", 10, 9.0, &["e1"]),
            alert("p3", 30, 8.0, &["e3"]),
            alert("p4", 5, 7.0, &["x"]),
            alert("p2", 20, 2.0, &["e2"]),
        ];
        let result = score(&history, &alerts);
        // One false alarm is allowed at 1, five at 5; at 0.5 the first false one ends it.
        let expected = [0.5, 0.5, 0.5, 1.0];
        assert!(
            result.recall.iter().zip(expected).all(|(recall, expected)| (recall - expected).abs() < 1e-12)
        );
        assert_eq!((result.false_pages, result.paged, result.attacks), (2, 1, 2));
        assert_eq!(result.families["b"], [0, 1, 1]);
        assert_eq!(result.look_alikes["rotation"], [1, 1]);
        assert_eq!(result.time_to_detect, [(2, 1.0)]);
    }

    #[test]
    fn an_alert_on_another_identity_or_another_week_finds_nothing() {
        let mut history = History::new(vec![label(true, "a", "p1", 10, &["e1"])]);
        history.identity_days = 100_000;
        let result = score(&history, &[alert("p2", 10, 9.0, &["e9"]), alert("p1", 13, 9.0, &["e9"])]);
        assert!(result.recall[3].abs() < 1e-12);
        assert_eq!(result.false_pages, 2);
    }

    #[test]
    fn attacked_days_are_no_calibration() {
        let history = History::new(vec![label(true, "a", "p1", 10, &[])]);
        let mut calibration = Calibration::default();
        let day = |principal, day, ln: f64| {
            let reached = LEVELS.map(|level| u32::from(ln >= level.ln()));
            Day { principal, day, ln, events: 10, events_reached: reached }
        };
        let days = [day("p1", 11, 20.0), day("p1", 30, 5.0), day("p2", 11, f64::NEG_INFINITY)];
        calibration.add(&history, days.into_iter());
        assert_eq!((calibration.days, calibration.reached[0], calibration.reached[2]), (2, 1, 0));
        assert!((calibration.ratios()[1] - 50.0).abs() < 1e-9);
        assert!((calibration.event_ratios()[1] - 5.0).abs() < 1e-9, "one event of twenty at 1 : 100");
    }
}
