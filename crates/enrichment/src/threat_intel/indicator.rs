//! One indicator, and the heap that readers collect them on.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use countersign_model::source::IndicatorKind;
use countersign_model::time::Timestamp;
use uuid::Uuid;

use crate::ip::IpRange;
use crate::threat_intel::{BENIGN_WEIGHT, FeedFormat, PRECISION_MAX, SKIPPED_LISTED_MAX, freshness};

/// Longest description that is kept: it is shown on one line.
const DESCRIPTION_CHARS_MAX: usize = 200;
/// Longest value that is kept; also bounds names and agents.
const VALUE_BYTES_MAX: usize = 2048;

/// What of an event an indicator names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Observable {
    /// Addresses the event may come from.
    Addresses(IpRange),
    /// Autonomous system of the address.
    System(u32),
    /// User agent in lower case; only the product when it has no version.
    UserAgent(String),
    /// Application, or service principal, that acts or is acted on.
    App(Uuid),
    /// Host name in lower case.
    Domain(String),
}

impl Observable {
    pub(crate) fn kind(&self) -> IndicatorKind {
        match self {
            Observable::Addresses(range) if range.is_single() => IndicatorKind::Address,
            Observable::Addresses(_) => IndicatorKind::Range,
            Observable::System(_) => IndicatorKind::AutonomousSystem,
            Observable::UserAgent(_) => IndicatorKind::UserAgent,
            Observable::App(_) => IndicatorKind::AppId,
            Observable::Domain(_) => IndicatorKind::Domain,
        }
    }

    /// An address, range, `address:port`, `address|port`, `[address]:port`.
    pub(crate) fn address(text: &str) -> Option<Observable> {
        let text = refang(text);
        if let Some(range) = IpRange::parse(&text) {
            return Some(Observable::Addresses(range));
        }
        let address = match text.strip_prefix('[') {
            Some(rest) => rest.split_once(']').map(|(address, _)| address)?,
            None => text.rsplit_once('|').or_else(|| text.rsplit_once(':')).map(|(address, _)| address)?,
        };
        // `2001:db8::7` never comes here, so what is before the last colon must be IPv4 unless bracketed.
        let ip: IpAddr = address.trim().parse().ok()?;
        (ip.is_ipv4() || text.contains(['[', '|'])).then(|| Observable::Addresses(IpRange::single(ip)))
    }

    /// `AS64496` or `64496`.
    pub(crate) fn system(text: &str) -> Option<Observable> {
        let digits = text.trim();
        let digits = digits.strip_prefix("AS").or_else(|| digits.strip_prefix("as")).unwrap_or(digits);
        digits.parse().ok().filter(|asn| *asn != 0).map(Observable::System)
    }

    /// A hyphenated GUID.
    pub(crate) fn app(text: &str) -> Option<Observable> {
        let text = text.trim();
        (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten().map(Observable::App)
    }

    pub(crate) fn user_agent(text: &str) -> Option<Observable> {
        let text = text.trim();
        (!text.is_empty() && text.len() <= VALUE_BYTES_MAX)
            .then(|| Observable::UserAgent(text.to_ascii_lowercase()))
    }

    /// A host name with a dot in it.
    pub(crate) fn domain(text: &str) -> Option<Observable> {
        let name = refang(text).trim_end_matches('.').to_ascii_lowercase();
        let name = name.strip_prefix("*.").unwrap_or(&name);
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        // A name whose last label is a number is a broken address.
        let is_name = name.len() <= 253
            && name.contains('.')
            && name.split('.').all(is_label)
            && name.rsplit('.').next().is_some_and(|top| top.bytes().any(|b| b.is_ascii_alphabetic()));
        is_name.then(|| Observable::Domain(name.to_owned()))
    }

    /// The host of a URL: an address or a name.
    pub(crate) fn url(text: &str) -> Option<Observable> {
        let text = refang(text);
        let rest = text.split_once("://").map_or(&*text, |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next()?;
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        Observable::address(host).or_else(|| {
            let name = host.split_once(':').map_or(host, |(name, _)| name);
            Observable::domain(name)
        })
    }

    /// Any of the above, by its looks.
    pub(crate) fn sniff(text: &str) -> Option<Observable> {
        if text.contains("://") {
            return Observable::url(text);
        }
        let is_system = text.len() > 2
            && text[..].as_bytes()[..2].eq_ignore_ascii_case(b"as")
            && text.bytes().skip(2).all(|byte| byte.is_ascii_digit());
        if is_system {
            return Observable::system(text);
        }
        Observable::address(text).or_else(|| Observable::app(text)).or_else(|| Observable::domain(text))
    }
}

/// Feeds for people write `192.0.2[.]7` and `hxxp://` so that nobody clicks.
fn refang(text: &str) -> String {
    text.trim().replace("[.]", ".").replace("[:]", ":").replacen("hxxp", "http", 1)
}

/// One indicator: everything in `condition` must hold of the same event.
#[derive(Clone, Debug)]
pub(crate) struct Indicator {
    /// INVARIANT: not empty.
    pub(crate) condition: Vec<Observable>,
    pub(crate) value: String,
    pub(crate) feed: String,
    pub(crate) precision: f32,
    pub(crate) valid_from: Option<Timestamp>,
    /// Not valid at this time any more.
    pub(crate) valid_until: Option<Timestamp>,
    pub(crate) description: String,
}

impl Indicator {
    pub(crate) fn mark_benign(&mut self, list: &str) {
        self.precision *= BENIGN_WEIGHT;
        let separator = if self.description.is_empty() { "" } else { "; " };
        self.description = format!("{}{separator}known benign: {list}", self.description);
    }
}

/// What a reader knows about a record beside its value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Details {
    pub(crate) valid_from: Option<Timestamp>,
    pub(crate) valid_until: Option<Timestamp>,
    /// When it was last known to be bad.
    pub(crate) last_seen: Option<Timestamp>,
    /// 0 to 1; the form's own when absent.
    pub(crate) confidence: Option<f32>,
    pub(crate) description: String,
}

/// What one file yields.
#[derive(Debug)]
pub(crate) struct Collected<'f> {
    pub(crate) feed: &'f str,
    pub(crate) now: Timestamp,
    indicators: Vec<Indicator>,
    /// Index of each condition: feeds repeat an address for every port.
    known: HashMap<Vec<Observable>, usize>,
    pub(crate) indicators_in_force: usize,
    pub(crate) expired: usize,
    pub(crate) revoked: usize,
    pub(crate) not_applicable: BTreeMap<&'static str, usize>,
    pub(crate) skipped: Vec<(String, String)>,
    pub(crate) skipped_total: usize,
}

impl<'f> Collected<'f> {
    pub(crate) fn new(feed: &'f str, now: Timestamp) -> Self {
        Self {
            feed,
            now,
            indicators: Vec::new(),
            known: HashMap::new(),
            indicators_in_force: 0,
            expired: 0,
            revoked: 0,
            not_applicable: BTreeMap::new(),
            skipped: Vec::new(),
            skipped_total: 0,
        }
    }

    /// True when no record was understood.
    pub(crate) fn is_empty(&self) -> bool {
        self.indicators_in_force == 0
            && self.expired == 0
            && self.revoked == 0
            && self.not_applicable.is_empty()
    }

    pub(crate) fn take_indicators(&mut self) -> Vec<Indicator> {
        self.known.clear();
        std::mem::take(&mut self.indicators)
    }

    pub(crate) fn skip(&mut self, record: impl Into<String>, reason: impl Into<String>) {
        self.skipped_total += 1;
        if self.skipped.len() < SKIPPED_LISTED_MAX {
            self.skipped.push((record.into(), reason.into()));
        }
    }

    pub(crate) fn not_applicable(&mut self, reason: &'static str) {
        *self.not_applicable.entry(reason).or_default() += 1;
    }

    /// Counts an indicator and gives it its weight, without keeping it.
    pub(crate) fn weigh(
        &mut self,
        format: FeedFormat,
        condition: Vec<Observable>,
        value: &str,
        details: &Details,
    ) -> Indicator {
        if details.valid_until.is_some_and(|end| end <= self.now) {
            self.expired += 1;
        } else {
            self.indicators_in_force += 1;
        }
        let mut precision = details.confidence.unwrap_or(format.precision()).clamp(0.0, PRECISION_MAX);
        // Addresses change hands; names, systems and applications hardly do.
        if condition.iter().any(|observable| matches!(observable, Observable::Addresses(_))) {
            precision *= freshness(details.last_seen.or(details.valid_from), self.now);
        }
        Indicator {
            condition,
            value: value.trim().chars().take(VALUE_BYTES_MAX).collect(),
            feed: self.feed.to_owned(),
            precision,
            valid_from: details.valid_from,
            valid_until: details.valid_until,
            description: details.description.trim().chars().take(DESCRIPTION_CHARS_MAX).collect(),
        }
    }

    /// Keeps an indicator of one observable; of repeated ones, the widest validity and the most precise.
    pub(crate) fn add(&mut self, format: FeedFormat, observable: Observable, value: &str, details: &Details) {
        let (in_force, expired) = (self.indicators_in_force, self.expired);
        let indicator = self.weigh(format, vec![observable], value, details);
        if let Some(&at) = self.known.get(&indicator.condition) {
            (self.indicators_in_force, self.expired) = (in_force, expired);
            let known = &mut self.indicators[at];
            known.precision = known.precision.max(indicator.precision);
            known.valid_from = known.valid_from.zip(indicator.valid_from).map(|(a, b)| a.min(b));
            known.valid_until = known.valid_until.zip(indicator.valid_until).map(|(a, b)| a.max(b));
        } else {
            self.known.insert(indicator.condition.clone(), self.indicators.len());
            self.indicators.push(indicator);
        }
    }
}
