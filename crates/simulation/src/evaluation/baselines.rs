//! Rules that are in use today, as their publishers describe them, on the same events as the detector: what it has to
//! beat. Each alerts once for an identity and day, with the highest score of that day.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use countersign_model::event::{ApiActivity, Event, SignIn};
use countersign_model::source::SourceFacts;
use countersign_model::time::{DAY, HOUR, Timestamp};

use super::Alert;
use crate::rng::{mix, mix_text};

/// A rule.
trait Rule {
    /// A score when an event is an alert.
    fn judge(&mut self, event: &Event<'_>, facts: Option<&SourceFacts<'_>>) -> Option<f64>;
}

/// A rule with its name, and its alerts by identity and day.
type Entry = (&'static str, Box<dyn Rule>, BTreeMap<(String, i64), Alert>);

/// All rules with their alerts so far.
pub struct Baselines {
    rules: Vec<Entry>,
}

impl Default for Baselines {
    fn default() -> Self {
        let rule = |name, rule: Box<dyn Rule>| (name, rule, BTreeMap::new());
        Baselines {
            rules: vec![
                rule("any new property", Box::<AnyNewProperty>::default()),
                rule("new ASN in 10 days", Box::<NewAsn>::default()),
                rule("new country in the tenant, 14 days", Box::<NewCountry>::default()),
                rule("drift above 150 %", Box::<Drift>::default()),
                rule("z-score of calls, 7 days", Box::<ZScore>::default()),
                rule("1,000 calls an hour, 4 classes", Box::<Static>::default()),
                rule("rare ASN, 20 buckets", Box::<Rare>::default()),
            ],
        }
    }
}

impl Baselines {
    /// Shows an event to all rules.
    pub fn observe(&mut self, event: &Event<'_>, facts: Option<&SourceFacts<'_>>) {
        let Some(principal) = event.service_principal() else { return };
        for (_, rule, alerts) in &mut self.rules {
            let Some(score) = rule.judge(event, facts) else { continue };
            let time = event.time();
            let alert = alerts.entry((principal.to_string(), time.day())).or_insert_with(|| Alert {
                principal: principal.to_string(),
                from: time,
                to: time,
                detected: time,
                score,
                pages: true,
                events: Vec::new(),
            });
            alert.to = time;
            alert.score = alert.score.max(score);
        }
    }

    /// Each rule's name and alerts.
    pub fn alerts(&self) -> impl Iterator<Item = (&'static str, Vec<Alert>)> + '_ {
        self.rules.iter().map(|(name, _, alerts)| (*name, alerts.values().cloned().collect()))
    }
}

fn key(event: &Event<'_>) -> Option<u64> {
    event.service_principal().map(|principal| mix_text(&principal.to_string()))
}

fn succeeded<'e, 'a>(event: &'e Event<'a>) -> Option<&'e SignIn<'a>> {
    match event {
        Event::SignIn(sign_in) if sign_in.error_code == 0 => Some(sign_in),
        _ => None,
    }
}

fn call<'e, 'a>(event: &'e Event<'a>) -> Option<&'e ApiActivity<'a>> {
    match event {
        Event::ApiActivity(call) => Some(call),
        _ => None,
    }
}

/// An order among equals that depends on nothing: the rule itself has none.
fn shuffled(principal: u64, time: Timestamp) -> f64 {
    (mix(principal ^ time.day() as u64) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Pure novelty: any property of a sign-in that the identity did not show in two days or more.
#[derive(Default)]
struct AnyNewProperty {
    first: HashMap<u64, Timestamp>,
    seen: HashSet<(u64, u64)>,
}

impl Rule for AnyNewProperty {
    fn judge(&mut self, event: &Event<'_>, facts: Option<&SourceFacts<'_>>) -> Option<f64> {
        let sign_in = succeeded(event)?;
        let principal = key(event)?;
        let first = *self.first.entry(principal).or_insert(sign_in.time);
        let country = facts.and_then(|facts| facts.country);
        let properties = [
            sign_in.address.ip.map_or(0, |ip| mix_text(&ip.to_string())),
            facts.map_or(0, |facts| u64::from(facts.asn)) ^ 1 << 60,
            country.map_or(0, |country| mix_text(country.as_str())) ^ 2 << 60,
            mix_text(&sign_in.user_agent) ^ 3 << 60,
            mix_text(&sign_in.resource.to_string()) ^ 4 << 60,
            mix_text(&sign_in.credential.key.to_string()) ^ 5 << 60,
        ];
        let new = properties.into_iter().filter(|property| self.seen.insert((principal, *property))).count();
        (new > 0 && sign_in.time.since(first) >= 2 * DAY).then(|| shuffled(principal, sign_in.time))
    }
}

/// A pair of identity and network that was not seen in ten days; only successes.
#[derive(Default)]
struct NewAsn {
    first: HashMap<u64, Timestamp>,
    last: HashMap<(u64, u32), Timestamp>,
}

impl Rule for NewAsn {
    fn judge(&mut self, event: &Event<'_>, facts: Option<&SourceFacts<'_>>) -> Option<f64> {
        let sign_in = succeeded(event)?;
        let asn = facts?.asn;
        let principal = key(event)?;
        let first = *self.first.entry(principal).or_insert(sign_in.time);
        let last = self.last.insert((principal, asn), sign_in.time);
        let is_new = last.is_none_or(|last| sign_in.time.since(last) > 10 * DAY);
        (is_new && sign_in.time.since(first) >= DAY).then(|| shuffled(principal, sign_in.time))
    }
}

/// A country that no identity of the tenant signed in from in 14 days.
#[derive(Default)]
struct NewCountry {
    first: Option<Timestamp>,
    last: HashMap<[u8; 2], Timestamp>,
}

impl Rule for NewCountry {
    fn judge(&mut self, event: &Event<'_>, facts: Option<&SourceFacts<'_>>) -> Option<f64> {
        let sign_in = succeeded(event)?;
        let country = facts?.country?;
        let first = *self.first.get_or_insert(sign_in.time);
        let last = self.last.insert(country.0, sign_in.time);
        let is_new = last.is_none_or(|last| sign_in.time.since(last) > 14 * DAY);
        (is_new && sign_in.time.since(first) >= 14 * DAY)
            .then(|| shuffled(key(event).unwrap_or(0), sign_in.time))
    }
}

/// What one identity did on one day, as the drift rule adds it up.
#[derive(Default)]
struct DriftDay {
    day: i64,
    sign_ins: f64,
    sources: HashSet<u64>,
    resources: HashSet<u64>,
}

impl DriftDay {
    fn score(&self) -> f64 {
        self.sign_ins + 10.0 * self.sources.len() as f64 + 10.0 * self.resources.len() as f64
    }
}

/// Sign-ins, sources and resources of a day against the mean of up to 90 days before: more than one and a half times.
#[derive(Default)]
struct Drift {
    today: HashMap<u64, DriftDay>,
    past: HashMap<u64, (f64, f64)>,
}

impl Rule for Drift {
    fn judge(&mut self, event: &Event<'_>, _: Option<&SourceFacts<'_>>) -> Option<f64> {
        let sign_in = succeeded(event)?;
        let principal = key(event)?;
        let day = sign_in.time.day();
        let today = self.today.entry(principal).or_default();
        let past = self.past.entry(principal).or_default();
        if today.day != day {
            if today.day != 0 {
                let keep = 1.0 - 1.0 / 90.0;
                *past = (past.0 * keep + today.score(), past.1 * keep + 1.0);
            }
            *today = DriftDay { day, ..DriftDay::default() };
        }
        today.sign_ins += 1.0;
        today.sources.insert(sign_in.address.ip.map_or(0, |ip| mix_text(&ip.to_string())));
        today.resources.insert(mix_text(&sign_in.resource.to_string()));
        let ratio = today.score() / (past.0 / past.1.max(1.0)).max(1.0);
        (past.1 >= 7.0 && ratio > 1.5).then_some(ratio)
    }
}

/// The current hour, its calls, and the hours before with theirs.
type CallHours = (i64, f64, VecDeque<(i64, f64)>);

/// Calls of the hour against mean and deviation of the last seven days' hours.
#[derive(Default)]
struct ZScore {
    hours: HashMap<u64, CallHours>,
}

impl Rule for ZScore {
    fn judge(&mut self, event: &Event<'_>, _: Option<&SourceFacts<'_>>) -> Option<f64> {
        let call = call(event)?;
        let hour = call.time.hour();
        let (now, calls, past) = self.hours.entry(key(event)?).or_insert((hour, 0.0, VecDeque::new()));
        if *now != hour {
            past.push_back((*now, *calls));
            while past.front().is_some_and(|(past, _)| hour - past > 168) {
                past.pop_front();
            }
            (*now, *calls) = (hour, 0.0);
        }
        *calls += 1.0;
        let first = past.front()?.0;
        let hours = (hour - first) as f64;
        if hours < 24.0 {
            return None;
        }
        // Hours without calls are zeros.
        let mean = past.iter().map(|(_, calls)| calls).sum::<f64>() / hours;
        let variance = past.iter().map(|(_, calls)| calls * calls).sum::<f64>() / hours - mean * mean;
        let z = (*calls - mean) / variance.max(1.0).sqrt();
        (z > 3.0).then_some(z)
    }
}

/// A fixed number of calls in an hour, over several kinds of resources.
#[derive(Default)]
struct Static {
    hours: HashMap<u64, (i64, u32, HashSet<u64>)>,
}

impl Rule for Static {
    fn judge(&mut self, event: &Event<'_>, _: Option<&SourceFacts<'_>>) -> Option<f64> {
        let call = call(event)?;
        let hour = call.time.0.div_euclid(HOUR);
        let (now, calls, roots) = self.hours.entry(key(event)?).or_default();
        if *now != hour {
            (*now, *calls) = (hour, 0);
            roots.clear();
        }
        *calls += 1;
        let path = call
            .uri
            .split_once("://")
            .map_or(&*call.uri, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
        let root = path.split(['/', '?']).find(|part| !matches!(*part, "" | "v1.0" | "beta" | "v2"));
        roots.insert(mix_text(root.unwrap_or("")));
        (*calls >= 1_000 && roots.len() >= 4).then(|| f64::from(*calls))
    }
}

/// A network that is present in few of an identity's hourly buckets, of which there are 20 or more.
#[derive(Default)]
struct Rare {
    buckets: HashMap<u64, (i64, f64)>,
    present: HashMap<(u64, u32), (i64, f64)>,
}

impl Rule for Rare {
    fn judge(&mut self, event: &Event<'_>, facts: Option<&SourceFacts<'_>>) -> Option<f64> {
        let sign_in = succeeded(event)?;
        let asn = facts?.asn;
        let principal = key(event)?;
        let hour = sign_in.time.hour();
        let count = |entry: &mut (i64, f64)| {
            if entry.0 != hour {
                *entry = (hour, entry.1 + 1.0);
            }
            entry.1
        };
        let buckets = count(self.buckets.entry(principal).or_default());
        let present = count(self.present.entry((principal, asn)).or_default());
        let share = present / buckets;
        (buckets >= 20.0 && share < 0.05).then(|| -share.ln())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::event::SignInKind;
    use countersign_model::id::ServicePrincipalId;
    use countersign_model::source::{Anonymiser, Country, HostingClass, Providers};

    fn facts(asn: u32, country: &str) -> SourceFacts<'static> {
        SourceFacts {
            ip: "192.0.2.1".parse().unwrap(),
            asn,
            organisation: asn,
            as_name: "",
            country: Country::parse(country),
            hosting: HostingClass::Access,
            anonymiser: Anonymiser::None,
            providers: Providers::default(),
        }
    }

    #[test]
    fn each_rule_for_sign_ins_sees_a_new_network_abroad() {
        let mut baselines = Baselines::default();
        let sign_in = |hour: i64| {
            let mut sign_in = SignIn::empty(SignInKind::ServicePrincipal);
            sign_in.service_principal = ServicePrincipalId::parse("p");
            sign_in.time = Timestamp(hour * HOUR);
            sign_in
        };
        for hour in 0..24 * 30 {
            baselines.observe(&Event::SignIn(sign_in(hour)), Some(&facts(1, "DE")));
        }
        let quiet: usize = baselines.alerts().map(|(_, alerts)| alerts.len()).sum();
        assert_eq!(quiet, 0);
        baselines.observe(&Event::SignIn(sign_in(24 * 30)), Some(&facts(2, "RU")));
        let saw: Vec<&str> =
            baselines.alerts().filter(|(_, alerts)| !alerts.is_empty()).map(|(name, _)| name).collect();
        assert_eq!(
            saw,
            [
                "any new property",
                "new ASN in 10 days",
                "new country in the tenant, 14 days",
                "rare ASN, 20 buckets"
            ]
        );
    }
}
