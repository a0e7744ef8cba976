//! The words of a finding, from the same numbers that decided.

use countersign_model::finding::{Explanation, LearningState};
use countersign_model::risk::{RiskEventType, RiskLevel};
use countersign_model::source::{Anonymiser, Country, HostingClass, IndicatorKind};
use countersign_model::time::Timestamp;

use crate::constants::{Dimension, FAILURES_BEFORE_MIN, FAR_CLASS};
use crate::incident::{Case, Incident, Movement, SignInCase, Source};

/// What the words need beside the incident.
pub(crate) struct About<'a> {
    pub(crate) name: &'a str,
    pub(crate) app: &'a str,
    pub(crate) has_audit: bool,
    pub(crate) measured_rate: Option<f64>,
    pub(crate) corroborated: bool,
}

pub(crate) fn explain(incident: &Incident, about: &About<'_>) -> Explanation {
    match &incident.case {
        Case::SignIn(case) => explain_sign_in(incident, case, about),
        Case::Assessed(assessment) => {
            let mut facts = assessment.facts.clone();
            facts.extend(learning_fact(incident));
            facts.push(evidence_fact(incident, about));
            Explanation {
                verdict: verdict(incident, about, &assessment.action),
                facts,
                harmless_if: assessment.harmless_if.clone(),
                check_first: assessment.check_first.clone(),
            }
        }
    }
}

fn explain_sign_in(incident: &Incident, case: &SignInCase, about: &About<'_>) -> Explanation {
    let mut facts = Vec::new();
    if let Some(source) = &incident.source {
        facts.push(source_fact(incident, case, source));
    }
    facts.extend(indicator_facts(case));
    facts.extend(failures_fact(case));
    facts.extend(software_fact(incident, case));
    facts.extend(credential_fact(case, about.has_audit));
    facts.extend(movement_fact(incident, case));
    facts.extend(learning_fact(incident));
    facts.push(evidence_fact(incident, about));
    Explanation {
        verdict: verdict(incident, about, &sign_in_action(incident, case)),
        facts,
        harmless_if: harmless_if(incident, case),
        check_first: check_first(incident, case, about),
    }
}

fn verdict(incident: &Incident, about: &About<'_>, action: &str) -> String {
    let name = if about.name.is_empty() { about.app } else { about.name };
    let level = match incident.level {
        RiskLevel::High => "High",
        RiskLevel::Medium => "Medium",
        RiskLevel::Low => "Low",
        RiskLevel::None => "No risk",
    };
    format!("{level}. {name} {action}.")
}

fn sign_in_action(incident: &Incident, case: &SignInCase) -> String {
    let credential = credential_name(case);
    match (incident.risk_event_type, case.movement) {
        (RiskEventType::InvestigationsThreatIntelligence, _) => {
            let what = case.indicators.first().map_or("an indicator", |found| match found.kind {
                IndicatorKind::Address | IndicatorKind::Range => "an address",
                IndicatorKind::AutonomousSystem => "a network",
                IndicatorKind::UserAgent => "a user agent",
                IndicatorKind::AppId => "an application id",
                IndicatorKind::Domain => "a domain",
            });
            let how = if case.proven { "signed in with" } else { "was tried with" };
            format!("{how} {what} that threat intelligence names")
        }
        (_, Movement::Parallel) => {
            format!("used {credential} from a new network while the old one kept working")
        }
        (_, Movement::Moved { .. }) => {
            format!("moved to a new network with {credential}; the old one fell silent")
        }
        _ if case.source_class.is_some_and(|class| class < FAR_CLASS) => {
            format!("used {credential} from a new address near its usual ones")
        }
        _ if case.source_class.is_some() => format!("used {credential} from a new network"),
        _ if case.strongest.dormant_days.is_some() => {
            format!("used {credential} after a long time of silence")
        }
        _ => format!("used {credential} in a new way from its usual place"),
    }
}

fn credential_name(case: &SignInCase) -> String {
    let kind = case.strongest.kind.name();
    match last_4(&case.strongest.key) {
        "" => format!("its {kind}"),
        key => format!("its {kind} …{key}"),
    }
}

/// The last four characters: enough to tell keys apart on one identity.
fn last_4(key: &str) -> &str {
    let from = key.char_indices().rev().nth(3).map_or(0, |(at, _)| at);
    &key[from..]
}

fn source_fact(incident: &Incident, case: &SignInCase, source: &Source) -> String {
    let habits = &case.habits;
    let place = |networks: &[String], countries: &[u32]| {
        let networks = &networks[..networks.len().min(3)];
        let countries: Vec<String> = countries.iter().take(3).map(|code| country_name(*code)).collect();
        let more = if habits.networks.len() > 3 { " and others" } else { "" };
        match (networks.is_empty(), countries.is_empty()) {
            (true, _) => String::new(),
            (false, true) => format!(", in {}{more}", networks.join(", ")),
            (false, false) => format!(", in {}{more} ({})", networks.join(", "), countries.join(", ")),
        }
    };
    let mut fact = format!("Source {}{}.", source.ip, describe(source));
    if incident.addresses.len() > 1 {
        fact.push_str(&format!(" {} addresses in all.", incident.addresses.len()));
    }
    if case.source_class.is_none() {
        fact.push_str(" A usual place for this identity.");
        return fact;
    }
    fact.push_str(&format!(
        " In {} and {} this identity used {}{}. Chance of a new source per run: {} (its peers: {}).",
        count(habits.days.max(0) as u64, "day"),
        count(u64::from(habits.runs), "run"),
        count_es(habits.sources as u64, "address"),
        place(&habits.networks, &habits.countries),
        percent(habits.novelty_rate),
        percent(habits.peers_rate),
    ));
    if source.asn != 0 {
        let users = match habits.peers_using_network {
            0 => "None".to_owned(),
            users => users.to_string(),
        };
        fact.push_str(&format!(
            " {users} of {} other identities {} AS{}.",
            habits.peers,
            if habits.peers_using_network == 1 { "uses" } else { "use" },
            source.asn
        ));
    }
    fact
}

/// `, hosting, AS64500 Example Hosting (NL), aws`.
fn describe(source: &Source) -> String {
    let mut words = Vec::new();
    match source.anonymiser {
        Anonymiser::Tor => words.push("a Tor exit".to_owned()),
        Anonymiser::Vpn => words.push("a VPN or proxy".to_owned()),
        Anonymiser::None => {}
    }
    match source.hosting {
        HostingClass::Hosting => words.push("hosting".to_owned()),
        HostingClass::PerhapsHosting => words.push("hosting by its name".to_owned()),
        HostingClass::Access => words.push("access or corporate network".to_owned()),
        HostingClass::Unknown => {}
    }
    if source.asn == 0 {
        words.push("network unknown".to_owned());
    } else {
        let name = if source.as_name.is_empty() { String::new() } else { format!(" {}", source.as_name) };
        let country = source.country.map_or(String::new(), |country| format!(" ({country})"));
        words.push(format!("AS{}{name}{country}", source.asn));
    }
    words.extend(source.providers.names().map(|name| format!("published range of {name}")));
    format!(", {}", words.join(", "))
}

fn indicator_facts(case: &SignInCase) -> Vec<String> {
    let mut facts = Vec::new();
    for found in case.indicators.iter().take(2) {
        let said =
            if found.description.is_empty() { String::new() } else { format!(": {}", found.description) };
        let retro = match (case.retro_match, found.valid_from) {
            (true, Some(from)) => format!(" It was published on {}, after the event.", from.date()),
            _ => String::new(),
        };
        facts.push(format!(
            "`{}` is an indicator of `{}`{said} (right in {} of cases by the feed's own weight).{retro}",
            found.value,
            found.feed,
            percent(f64::from(found.precision)),
        ));
    }
    facts
}

fn failures_fact(case: &SignInCase) -> Option<String> {
    (case.failures_before >= FAILURES_BEFORE_MIN).then(|| {
        format!(
            "{} failed from the same place within a day before one succeeded.",
            count(u64::from(case.failures_before), "attempt")
        )
    })
}

fn software_fact(incident: &Incident, case: &SignInCase) -> Option<String> {
    let strongest = &case.strongest;
    let mut parts = Vec::new();
    if let Some(days) = strongest.dormant_days {
        parts.push(format!("It had been silent for {}, longer than ever.", count(days.max(0) as u64, "day")));
    }
    if strongest.novel[Dimension::Agent.index()].is_some() {
        let users = match strongest.agent_adopters {
            0 => "no other identity uses it".to_owned(),
            1 => "one other identity uses it".to_owned(),
            users => format!("{users} other identities use it"),
        };
        parts.push(format!("Agent {} is new here; {users}.", strongest.agent));
    }
    if strongest.novel[Dimension::Resource.index()].is_some() {
        let announced = if strongest.announced[Dimension::Resource.index()] {
            ", after a permission was granted for it"
        } else {
            ""
        };
        parts.push(format!("Resource {} is new here{announced}.", strongest.resource));
    }
    if strongest.novel[Dimension::Time.index()].is_some() {
        parts
            .push(format!("It was never active at this hour of the week ({} UTC).", incident.first.minute()));
    }
    (!parts.is_empty()).then(|| parts.join(" "))
}

fn credential_fact(case: &SignInCase, has_audit: bool) -> Option<String> {
    let strongest = &case.strongest;
    let is_new = strongest.novel[Dimension::Credential.index()].is_some();
    match (&strongest.credential_change, is_new) {
        (Some(change), true) => Some(format!("The credential is new here: {change}.")),
        (Some(change), false) => Some(format!("The credential is a known one: {change}.")),
        (None, true) if has_audit => {
            Some("The credential is new here, and no audit record announces it.".to_owned())
        }
        (None, true) => {
            Some("The credential is new here; no audit log was read that could announce it.".to_owned())
        }
        (None, false) if !strongest.key.is_empty() && case.source_class.is_some() => {
            let sources = case.habits.key_sources.max(1);
            Some(format!(
                "The same credential was used from {} before: whoever signs in holds the known {}.",
                count_es(u64::from(sources), "usual address"),
                strongest.kind.name()
            ))
        }
        (None, false) => None,
    }
}

fn movement_fact(incident: &Incident, case: &SignInCase) -> Option<String> {
    let usual = case.habits.events_per_hour * 24.0;
    let mut fact = match case.movement {
        Movement::Parallel => format!(
            "{} to {}: {} from the new source, {} from the old ones: two holders of one credential, not a move.",
            incident.first.minute(),
            clock(incident.first, incident.last.max(case.old_last.unwrap_or(incident.last))),
            count(incident.events, "event"),
            case.old_events
        ),
        Movement::Moved { expected } => format!(
            "Since {} the old sources sent nothing where {expected:.0} events were to be expected, while the new one went on: a move, not a theft.",
            case.old_last.unwrap_or(incident.first).minute()
        ),
        Movement::Undecided => format!(
            "Not yet decided whether this is a move: {} from the new source, {} from the old ones since (usual: {usual:.1} a day).",
            count(incident.events, "event"),
            case.old_events
        ),
        Movement::NotAsked => String::new(),
    };
    if case.stolen_with > 0 {
        fact.push_str(&format!(
            " {} identities are used from this source while their own go on: many secrets from one place.",
            case.stolen_with
        ));
    } else if case.moved_with > 0 && case.movement != Movement::Parallel {
        fact.push_str(&format!(
            " {} identities that shared the old range moved here together.",
            case.moved_with
        ));
    }
    let fact = fact.trim().to_owned();
    (!fact.is_empty()).then_some(fact)
}

fn learning_fact(incident: &Incident) -> Option<String> {
    match incident.learning {
        LearningState::Learnt => None,
        LearningState::Cold => Some("The identity is hardly known yet, so it is judged by its peers and never above medium.".to_owned()),
        LearningState::Learning => {
            Some("Its habits are still being learnt; that ends when its novelty rate is certain, after 60 days at the latest.".to_owned())
        }
    }
}

fn evidence_fact(incident: &Incident, about: &About<'_>) -> String {
    let factor = |ln: f64| number(ln.exp());
    let mut parts: Vec<(f64, String)> = incident
        .evidence()
        .iter()
        .map(|evidence| (evidence.ln, format!("{} {}", words(&evidence.dimension), factor(evidence.ln))))
        .collect();
    parts.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let parts: Vec<String> = parts.into_iter().map(|(_, text)| text).collect();
    let mut fact = format!("Evidence 1 : {} ({}).", factor(incident.ln()), parts.join(", "));
    if let Some(rate) = about.measured_rate {
        fact.push_str(&format!(
            " Other findings at least this strong: {} per 1,000 identities and day in this tenant.",
            number(rate)
        ));
    }
    if incident.over_budget {
        fact.push_str(
            " Listed only: the false-alarm budget of these days was used up by stronger or earlier findings.",
        );
    } else if !about.corroborated
        && incident.sign_in().is_some_and(|case| case.source_class.is_none())
        && incident.level == RiskLevel::Low
    {
        fact.push_str(" Listed only: the source is a usual one and nothing else supports it.");
    }
    fact
}

fn harmless_if(incident: &Incident, case: &SignInCase) -> String {
    let network = incident
        .source
        .as_ref()
        .filter(|source| source.asn != 0)
        .map_or_else(|| "the new address".to_owned(), |source| format!("AS{}", source.asn));
    match (incident.risk_event_type, case.movement) {
        (RiskEventType::InvestigationsThreatIntelligence, _) => {
            "the indicator is out of date, or the address is a shared one that the owner uses on purpose"
                .to_owned()
        }
        (_, Movement::Moved { .. }) => "the owner confirms the move".to_owned(),
        (_, _) if case.source_class.is_none() => {
            "the owner deployed a new version, which the facts above describe".to_owned()
        }
        (_, Movement::Parallel) => format!(
            "the owner runs a second instance in {network} on purpose, or the old one is about to stop"
        ),
        _ if case.source_class.is_some_and(|class| class < FAR_CLASS) => {
            "a colleague, a fail-over or a second instance explains it".to_owned()
        }
        _ => format!("the owner moved the job to {network} and the old place stops"),
    }
}

fn check_first(incident: &Incident, case: &SignInCase, about: &About<'_>) -> String {
    let key = match last_4(&case.strongest.key) {
        "" => String::new(),
        key => format!(", key …{key}"),
    };
    let sources = match case.habits.key_sources {
        0 => String::new(),
        sources => format!(" Disabling the key stops {}.", count(u64::from(sources), "usual source")),
    };
    format!(
        "ask the owner of application {}{key} whether {} is theirs; look at what the tokens were used for from {} on.{sources}",
        about.app,
        incident.source.as_ref().map_or_else(|| "the change".to_owned(), |source| source.ip.to_string()),
        incident.first.minute()
    )
}

fn words(dimension: &str) -> &str {
    match dimension {
        "parallelUse" => "parallel use",
        "movedTogether" => "moved together",
        "threatIntelligence" => "threat intelligence",
        other => other,
    }
}

fn country_name(value: u32) -> String {
    Country((value as u16).to_be_bytes()).to_string()
}

pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// People are not persons.
pub(crate) fn count_people(number: u32) -> String {
    if number == 1 { "one person".to_owned() } else { format!("{number} people") }
}

fn count_es(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "es" })
}

/// A share as people read it: percent, or one in so many where that says more.
pub(crate) fn share(share: f64) -> String {
    if share > 0.0 && share < 1e-3 { format!("1 in {}", number(1.0 / share)) } else { percent(share) }
}

/// The first few of a list, and how many more there are.
pub(crate) fn list<T: AsRef<str>>(items: &[T], most: usize) -> String {
    let shown: Vec<&str> = items.iter().take(most).map(AsRef::as_ref).collect();
    match items.len().saturating_sub(most) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent < 0.01 => "below 0.01%".to_owned(),
        percent if percent < 1.0 => format!("{percent:.2}%"),
        percent => format!("{percent:.0}%"),
    }
}

/// Two digits that matter; thousands with separators.
pub fn number(value: f64) -> String {
    if value >= 1e9 {
        return format!("{value:.0e}");
    }
    if value >= 100.0 {
        let scale = 10_f64.powi(value.log10().floor() as i32 - 1);
        let digits = format!("{:.0}", (value / scale).round() * scale);
        let mut grouped = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        return grouped;
    }
    if value >= 10.0 {
        format!("{value:.0}")
    } else if value >= 1.0 {
        format!("{value:.1}")
    } else if value > 0.0 && value < 0.001 {
        "below 0.001".to_owned()
    } else {
        format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// The time of the day, with the date when it is another day.
fn clock(from: Timestamp, to: Timestamp) -> String {
    let minute = to.minute();
    if from.day() == to.day() { minute[11..].to_owned() } else { minute }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_show_two_digits_that_matter() {
        let shown: Vec<String> =
            [41_234.0, 987.0, 5.43, 12.7, 0.04, 0.5, 0.0, 0.000_01, 3e12].map(number).to_vec();
        assert_eq!(shown, ["41,000", "990", "5.4", "13", "0.04", "0.5", "0", "below 0.001", "3e12"]);
    }

    #[test]
    fn shares_are_readable() {
        assert_eq!(percent(0.000_01), "below 0.01%");
        assert_eq!(percent(0.004), "0.40%");
        assert_eq!(percent(0.25), "25%");
    }

    #[test]
    fn keys_are_told_apart_by_their_end() {
        assert_eq!(last_4("5a2b0c11-9f0e-4b2d-8c3e-5d6f7a8ba7f2"), "a7f2");
        assert_eq!(last_4("äöü"), "äöü");
    }
}
