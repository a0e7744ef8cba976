//! `suspiciousApplication` and `maliciousApplication`: what an application is, not what it does. A sum of terms, each
//! shown with its weight: name, publisher, age, reply addresses, permissions, who consented. Only a list of abused
//! applications or Microsoft's own verdict makes one malicious without a person.

use countersign_model::time::{DAY, Timestamp};

use crate::constants::CHAIN;
use crate::directory::names::{CONFUSABLES, THROWAWAY_HOSTS, TRICKS, WELL_KNOWN, is_below};
use crate::directory::permissions::Tier;

/// What is known of an application.
#[derive(Clone, Debug, Default)]
pub(crate) struct Application {
    pub(crate) name: String,
    pub(crate) created: Option<Timestamp>,
    /// Registered in this tenant, or in another.
    pub(crate) is_own: Option<bool>,
    pub(crate) has_verified_publisher: Option<bool>,
    pub(crate) reply_urls: Vec<String>,
    /// The strongest permission, with its name.
    pub(crate) permission: Option<(Tier, String)>,
    /// People who consented for themselves, and whether an administrator did for all.
    pub(crate) user_consents: u32,
    pub(crate) has_admin_consent: bool,
    pub(crate) first_consent: Option<Timestamp>,
    pub(crate) last_credential: Option<Timestamp>,
    /// Consents that Microsoft refused because the application is risky.
    pub(crate) blocked_consents: u32,
    /// `DisabledDueToViolationOfServicesAgreement` or another status.
    pub(crate) disabled_by_microsoft: String,
    /// Another application of the tenant whose name looks the same and is spelled otherwise.
    pub(crate) twin: Option<String>,
    /// List that names it, and what for.
    pub(crate) listed: Option<(String, String)>,
}

/// One term of the score: name, logarithm of the likelihood ratio, words.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Term {
    pub(crate) name: &'static str,
    pub(crate) ln: f64,
    pub(crate) words: String,
}

/// Status of an application that violates Microsoft's terms.
const VIOLATION: &str = "DisabledDueToViolationOfServicesAgreement";

/// True when Microsoft or a list says that it is malicious.
pub(crate) fn is_malicious(application: &Application) -> bool {
    application.listed.is_some() || application.disabled_by_microsoft.eq_ignore_ascii_case(VIOLATION)
}

/// All terms. Shares are estimates: of malicious applications from published consent-phishing reports, of others from
/// what galleries and tenants look like (design, 3.5); each line names them.
pub(crate) fn terms(application: &Application) -> Vec<Term> {
    let mut terms = Vec::new();
    let mut push = |name, malicious: f64, others: f64, words: String| {
        terms.push(Term { name, ln: (malicious / others).ln(), words });
    };
    let name = &application.name;
    if application.disabled_by_microsoft.eq_ignore_ascii_case(VIOLATION) {
        push("disabledByMicrosoft", 0.5, 1e-6, format!("Microsoft disabled it: {VIOLATION}."));
    }
    if let Some((list, purpose)) = &application.listed {
        let purpose = if purpose.is_empty() { String::new() } else { format!(": {purpose}") };
        push("listed", 0.5, 4e-4, format!("Its application id is on the list `{list}`{purpose}."));
    }
    if application.blocked_consents > 0 {
        push(
            "consentBlocked",
            0.3,
            0.002,
            "Microsoft refused a consent to it because it is risky.".to_owned(),
        );
    }
    if let Some(twin) = &application.twin {
        push(
            "lookAlikeName",
            0.3,
            0.003,
            format!("Its name `{name}` is spelled to look like `{twin}`, another application here."),
        );
    } else if let Some(imitated) = look_alike(name) {
        push("lookAlikeName", 0.3, 0.003, format!("Its name `{name}` is spelled to look like {imitated}."));
    } else if let Some(brand) = brand(name)
        && application.is_own == Some(false)
        && application.has_verified_publisher == Some(false)
    {
        push(
            "brandName",
            0.25,
            0.02,
            format!("Its name `{name}` names {brand}, and its publisher is not verified."),
        );
    }
    if mixes_scripts(name) {
        push("mixedScript", 0.08, 0.0015, format!("Its name `{name}` mixes letters of several alphabets."));
    }
    if is_odd(name) {
        push("oddName", 0.15, 0.03, format!("Its name `{name}` says nothing of what it is for."));
    }
    if application.is_own != Some(true) {
        match application.has_verified_publisher {
            Some(true) => push("publisher", 0.10, 0.50, "Its publisher is verified.".to_owned()),
            Some(false) => push("publisher", 0.85, 0.45, "Its publisher is not verified.".to_owned()),
            None => {}
        }
        if let (Some(created), Some(consent)) = (application.created, application.first_consent)
            && consent.since(created) < 30 * DAY
        {
            let days = (consent.since(created) / DAY).max(0);
            push("young", 0.60, 0.15, format!("It was {days} days old when it was consented to."));
        }
    }
    if let Some(address) = application.reply_urls.iter().find(|url| is_address(url)) {
        push("replyAddress", 0.05, 0.002, format!("It answers to a bare address: {address}."));
    } else if let Some(url) = application.reply_urls.iter().find(|url| is_below(host(url), THROWAWAY_HOSTS)) {
        push(
            "replyHost",
            0.25,
            0.02,
            format!("It answers to a host that anybody gets for free: {}.", host(url)),
        );
    } else if let Some(url) = application.reply_urls.iter().find(|url| is_plain_http(url)) {
        push("replyHttp", 0.10, 0.04, format!("It answers over plain HTTP: {url}."));
    }
    match &application.permission {
        Some((Tier::Zero, permission)) => {
            push("permission", 0.20, 0.01, format!("Its {permission} can take over the tenant."));
        }
        Some((Tier::Sensitive, permission)) => {
            push("permission", 0.60, 0.12, format!("Its {permission} reaches mail, files or controls."));
        }
        Some((Tier::Directory | Tier::Ordinary, _)) => push("permission", 0.20, 0.87, String::new()),
        None => {}
    }
    match (application.has_admin_consent, application.user_consents) {
        (true, _) | (false, 4..) => push("consents", 0.15, 0.60, String::new()),
        (false, 1..=3) => push(
            "consents",
            0.70,
            0.30,
            format!(
                "Consented to by {} and no administrator.",
                crate::explanation::count_people(application.user_consents)
            ),
        ),
        (false, 0) => {}
    }
    if let (Some(consent), Some(credential)) = (application.first_consent, application.last_credential)
        && credential.since(consent).abs() <= CHAIN
    {
        push(
            "credentialWithConsent",
            0.30,
            0.10,
            "A credential was added within two days of the consent.".to_owned(),
        );
    }
    terms
}

/// The product that a name imitates without being spelled like it.
fn look_alike(name: &str) -> Option<&'static str> {
    let plain = plain(name);
    let skeleton = skeleton(name);
    let imitates = |known: &&&str| {
        let of_known = self::skeleton(known);
        let is_similar = if known.len() >= 6 { skeleton.contains(&of_known) } else { skeleton == of_known };
        is_similar && !plain.contains(**known)
    };
    let by_shape = WELL_KNOWN.iter().filter(imitates).max_by_key(|known| known.len());
    let by_slip = || {
        let words =
            name.split(|c: char| !c.is_alphanumeric()).map(self::plain).filter(|word| word.len() >= 7);
        words
            .into_iter()
            .find_map(|word| WELL_KNOWN.iter().find(|known| known.len() >= 7 && is_one_slip(&word, known)))
    };
    by_shape.or_else(by_slip).copied()
}

/// The product that a name names openly.
fn brand(name: &str) -> Option<&'static str> {
    let plain = plain(name);
    WELL_KNOWN
        .iter()
        .filter(|known| known.len() >= 6 && plain.contains(**known))
        .max_by_key(|known| known.len())
        .copied()
}

/// Lower case, letters and digits.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// True when two names look the same at a glance and are not.
pub(crate) fn is_twin(name: &str, other: &str) -> bool {
    plain(name) != plain(other) && skeleton(name) == skeleton(other)
}

/// What a name looks like at a glance.
pub(crate) fn skeleton(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    for letter in name.chars() {
        match CONFUSABLES.binary_search_by_key(&letter, |(known, _)| *known) {
            Ok(index) => folded.push_str(CONFUSABLES[index].1),
            Err(_) => folded.extend(letter.to_lowercase()),
        }
    }
    for (from, to) in TRICKS {
        if folded.contains(from) {
            folded = folded.replace(from, to);
        }
    }
    folded.retain(char::is_alphanumeric);
    folded
}

/// Two words that differ by one letter left out, put in, changed or swapped with its neighbour.
fn is_one_slip(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a == b || a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let start = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    let end = end.min(a.len() - start).min(b.len() - start);
    let (left_a, left_b) = (&a[start..a.len() - end], &b[start..b.len() - end]);
    match (left_a, left_b) {
        (&[first, second], &[third, fourth]) => first == fourth && second == third,
        (left_a, left_b) => left_a.len() <= 1 && left_b.len() <= 1,
    }
}

/// Letters of the Latin alphabet beside Cyrillic or Greek ones.
fn mixes_scripts(name: &str) -> bool {
    let is_latin = |c: char| c.is_ascii_alphabetic() || ('\u{c0}'..='\u{24f}').contains(&c);
    let is_other = |c: char| ('\u{370}'..='\u{52f}').contains(&c) && c.is_alphabetic();
    name.split_whitespace().any(|word| word.chars().any(is_latin) && word.chars().any(is_other))
}

/// A name that somebody gave who did not want to think of one.
fn is_odd(name: &str) -> bool {
    let plain = plain(name);
    let is_bare =
        !name.trim().is_empty() && (plain.chars().count() <= 1 || plain.chars().all(|c| c.is_ascii_digit()));
    is_bare || matches!(plain.as_str(), "test" | "testapp" | "app" | "apptest" | "newapp" | "myapp")
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    rest.split(['/', ':', '?', '#']).next().unwrap_or("")
}

fn is_address(url: &str) -> bool {
    let is_local = host(url).starts_with("127.");
    host(url).parse::<std::net::Ipv4Addr>().is_ok() && !is_local
}

fn is_plain_http(url: &str) -> bool {
    let is_http = url.get(..7).is_some_and(|head| head.eq_ignore_ascii_case("http://"));
    is_http && !matches!(host(url), "localhost" | "127.0.0.1" | "[")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ln(application: &Application) -> f64 {
        terms(application).iter().map(|term| term.ln).sum()
    }

    #[test]
    fn names_that_look_like_others_are_seen_and_honest_ones_are_not() {
        for name in
            ["rnicrosoft_office", "Micr0soft Teams", "\u{41c}icrosoft 365", "Micorsoft Defender", "0ffice365"]
        {
            assert!(look_alike(name).is_some(), "{name}");
        }
        for name in [
            "Microsoft Teams",
            "svc-payroll",
            "Contoso CRM bridge",
            "Warehouse scan",
            "Orders sync 2",
            "Splunk",
        ] {
            assert_eq!(look_alike(name), None, "{name}");
        }
        assert!(
            mixes_scripts("\u{41c}icrosoft") && !mixes_scripts("Каталог Contoso") && !mixes_scripts("Zürich")
        );
        assert!(is_odd("x") && is_odd("Test") && !is_odd("R2D2 importer"));
        assert!(is_twin("app-survey-mai1er", "app-survey-mailer"), "a digit for a letter");
        assert!(!is_twin("App Survey Mailer", "app-survey-mailer"), "the same name, written otherwise");
        assert!(!is_twin("app-survey-mailer", "app-survey-reader"));
    }

    #[test]
    fn the_consent_phish_is_suspicious_and_the_vendor_is_not() {
        let day = |day: i64| Some(Timestamp(day * DAY));
        let phish = Application {
            name: "rnicrosoft_office".to_owned(),
            created: day(100),
            is_own: Some(false),
            has_verified_publisher: Some(false),
            reply_urls: vec!["https://login.a1.workers.dev/cb".to_owned()],
            permission: Some((Tier::Sensitive, "delegated Mail.Read".to_owned())),
            user_consents: 1,
            first_consent: day(103),
            ..Application::default()
        };
        assert!(ln(&phish) > 1_000_f64.ln() && !is_malicious(&phish), "{:?}", terms(&phish));
        let vendor = Application {
            name: "Northwind Backup".to_owned(),
            created: day(0),
            is_own: Some(false),
            has_verified_publisher: Some(true),
            reply_urls: vec!["https://app.northwind.example/cb".to_owned()],
            permission: Some((Tier::Sensitive, "Mail.Read".to_owned())),
            has_admin_consent: true,
            first_consent: day(100),
            ..Application::default()
        };
        assert!(ln(&vendor) < 0.0, "{:?}", terms(&vendor));
    }

    #[test]
    fn microsofts_verdict_and_a_list_make_it_malicious() {
        let disabled = Application { disabled_by_microsoft: VIOLATION.to_owned(), ..Application::default() };
        assert!(is_malicious(&disabled) && ln(&disabled) > 100_000_f64.ln());
        let listed =
            Application { listed: Some(("list".to_owned(), String::new())), ..Application::default() };
        assert!(is_malicious(&listed) && ln(&listed) > 1_000_f64.ln());
    }

    #[test]
    fn hosts_of_odd_urls() {
        assert_eq!(host("https://a.b:8443/x"), "a.b");
        assert_eq!(host("ms-app://s-1-15"), "s-1-15");
        assert!(is_address("http://203.0.113.9/cb") && !is_address("http://127.0.0.1/cb"));
        assert!(is_plain_http("http://x.example/") && !is_plain_http("http://localhost:3000"));
    }
}
