//! Every number that was chosen, with its reason. "design" is the project's detection design, whose values
//! come from incident reports and from a simulation; they are priors that data may overrule, and none was
//! fitted to the samples in this repository.

use countersign_model::time::{DAY, HOUR};

/// Dimensions in which an identity has habits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dimension {
    /// Where from: address, range, network, country.
    Source,
    /// With which client software.
    Agent,
    /// For which resource.
    Resource,
    /// With which credential.
    Credential,
    /// At which hour of the week.
    Time,
}

/// All dimensions, in the order of every array that has one entry for each.
pub const DIMENSIONS: [Dimension; 5] =
    [Dimension::Source, Dimension::Agent, Dimension::Resource, Dimension::Credential, Dimension::Time];

impl Dimension {
    /// Its place in arrays.
    pub fn index(self) -> usize {
        self as usize
    }

    /// As evidence names it.
    pub fn name(self) -> &'static str {
        match self {
            Dimension::Source => "source",
            Dimension::Agent => "agent",
            Dimension::Resource => "resource",
            Dimension::Credential => "credential",
            Dimension::Time => "time",
        }
    }
}

/// Classes of novelty in one dimension; sources use all six, the others four.
pub const CLASSES: usize = 6;

/// What is assumed of one dimension.
pub struct Assumptions {
    /// Weight of its logarithm. Source full, the rest half or less: deployments, upgrades and rotations change
    /// agent, resource and credential together and harmlessly (design, decision 4).
    pub weight: f64,
    /// Chance that an attacker is new in it (design, 11.2).
    pub attacker_new: f64,
    /// Chance of each class given an attacker who is new (design, 11.2).
    pub attacker_class: [f64; CLASSES],
    /// Share of runs that are new without attack, before anything is learnt. Source: one identity in twenty
    /// without a fixed place; agent, resource and credential: once in 120, 75 and 90 days at four runs a day
    /// (design, 10); time: an hour of the week is met first once a week for the first weeks.
    pub benign_new: f64,
    /// Share of each class among benign novelties, before anything is learnt: near is commoner than far.
    pub benign_class: [f64; CLASSES],
}

/// By [`Dimension`].
pub const ASSUMPTIONS: [Assumptions; 5] = [
    Assumptions {
        weight: 1.0,
        attacker_new: 0.95,
        attacker_class: [0.10, 0.10, 0.10, 0.15, 0.20, 0.35],
        benign_new: 0.05,
        benign_class: [0.45, 0.20, 0.18, 0.09, 0.06, 0.02],
    },
    Assumptions {
        weight: 0.5,
        attacker_new: 0.50,
        attacker_class: [0.3, 0.2, 0.1, 0.4, 0.0, 0.0],
        benign_new: 0.003,
        benign_class: [0.4, 0.2, 0.1, 0.3, 0.0, 0.0],
    },
    Assumptions {
        weight: 0.5,
        attacker_new: 0.30,
        attacker_class: [0.4, 0.2, 0.1, 0.3, 0.0, 0.0],
        benign_new: 0.004,
        benign_class: [0.4, 0.2, 0.1, 0.3, 0.0, 0.0],
    },
    Assumptions {
        weight: 0.5,
        attacker_new: 0.15,
        attacker_class: [0.10, 0.45, 0.20, 0.25, 0.0, 0.0],
        benign_new: 0.003,
        benign_class: [0.50, 0.05, 0.10, 0.35, 0.0, 0.0],
    },
    Assumptions {
        weight: 0.25,
        attacker_new: 0.30,
        attacker_class: [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        benign_new: 0.10,
        benign_class: [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    },
];

/// Events of one value within this time are one run: tokens of one run are not independent (design, 11.1).
pub const RUN: i64 = 6 * HOUR;

/// Strength of the peers' novelty rate, in runs (design: 3 to 10).
pub const PEER_RUNS: f64 = 5.0;

/// Strength of the parent's rate in a group of peers, in runs (design, 11.1).
pub const PARENT_RUNS: f64 = 20.0;

/// Strength of the peers' class frequencies, in novelties (design, 11.1).
pub const PEER_CLASSES: f64 = 4.0;

/// More than the weighted evidence of an event can come to whose source, agent, resource and credential are all in
/// the baseline, the source frequently: that adds nothing (`evidence::is_frequent`), the other three at most
/// [`KNOWN_LN_MAX`] at half weight each, an hour of the week that is new a quarter of ln(0.3 / 0.001). Such events
/// need no further look while low begins above it.
pub const USUAL_LN_MAX: f64 = 4.5;

/// Days in which a count loses half (design: 30 to 90 is flat, 7 loses recall).
pub const HALF_LIFE_DAYS: f64 = 45.0;

/// Below this many runs, counts decay by active days, so that monthly jobs do not forget (design, 11.1).
pub const FORGETS_BY_CALENDAR_RUNS: f32 = 10.0;

/// Least novelty rate, by [`Dimension`]: everything changes at some time without an announcement, once in 500
/// days at four runs a day, however long an identity has been steady; hours of the week twice as often.
pub const NOVELTY_RATE_MIN: [f64; 5] = [5e-4, 5e-4, 5e-4, 5e-4, 1e-3];

/// Least share of a class among novelties. The address table names the wrong country for 2.2 % of cloud
/// addresses (measured, `enrichment-data`), so no distance can be believed to be rarer than that.
pub const CLASS_RATE_MIN: f64 = 0.02;

/// Largest logarithm that a known value may add (design, 11.1).
pub const KNOWN_LN_MAX: f64 = 2.0;

/// A new value enters the baseline after this many distinct days (design, 11.2)…
pub const QUARANTINE_DAYS_SEEN: u8 = 3;
/// …over at least this time.
pub const QUARANTINE_HOURS: u16 = 5 * 24;

/// Fewer runs, or fewer days, than this: judged by peers alone (design, 11.2).
pub const COLD_RUNS: u16 = 3;
/// See [`COLD_RUNS`].
pub const COLD_DAYS: u16 = 2;

/// Learning ends here at the latest (Microsoft's own upper bound, too).
pub const LEARNING_DAYS_MAX: i64 = 60;

/// Above this novelty rate an identity has no place, and replacement means nothing (design, 10).
pub const MOVABLE_NOVELTY_MAX: f64 = 0.2;

/// Expected events of the old sources without one seen, from which on they count as replaced (design, 11.2).
pub const MOVED_EXPECTED_MIN: f64 = 3.0;
/// Most that replacement takes from the evidence (design, 11.2).
pub const MOVED_LN_MAX: f64 = 7.0;
/// What continued use of the old sources adds (design, 11.2).
pub const PARALLEL_LN: f64 = 1.5;
/// Events of the old sources after the new one appeared, before use counts as parallel: one may be a token
/// that was on its way.
pub const PARALLEL_EVENTS_MIN: u32 = 2;
/// So many events of the old sources are continued use whatever their usual rate was.
pub const PARALLEL_EVENTS_SURE: u32 = 10;

/// Class of a new source from which on it is far from all known ones: no range that the identity or its peers
/// use. Only such a source asks whether the identity has moved or is used by two.
pub const FAR_CLASS: usize = 3;
/// New dimensions beside a near source that make it worth more than listing: fail-overs, address changes and
/// deployments bring one.
pub const NEAR_SOURCE_NOVELTIES_MIN: usize = 2;
/// Software that people sit in front of. Not curl or bare HTTP libraries: scripts and attackers use those.
pub const INTERACTIVE_AGENTS: [&str; 8] =
    ["azure-cli", "powershell", "azure powershell", "postmanruntime", "chrome", "edge", "firefox", "safari"];
/// Hours of the day, in UTC, in which people work somewhere from the Atlantic to the Urals or the Americas.
pub const OFFICE_HOURS: std::ops::Range<i64> = 5..19;

/// Share of their usual rate at which old sources count as continuing (design, 11.2).
pub const PARALLEL_RATE_MIN: f64 = 0.5;

/// Identities that must move together to count as one move (design, 11.2).
pub const CO_MOVEMENT_MIN: usize = 3;
/// Time within which they must.
pub const CO_MOVEMENT: i64 = DAY;
/// What moving together takes from the evidence (design, 11.2).
pub const CO_MOVEMENT_LN: f64 = 4.0;

/// Time for which a change of the directory explains a new credential or resource (design, 11.2).
pub const LEDGER: i64 = 14 * DAY;
/// Evidence number of an actor from which on it counts as rare (design, 11.2).
pub const RARE_ACTOR_LN: f64 = 3.401_197_381_662_155_4; // ln 30
/// Time after which an actor's own earlier change makes it a known one.
pub const ACTOR_KNOWN: i64 = 5 * DAY;

/// Evidence number, at a budget of one finding per 1,000 identities and day, from which a finding is low,
/// medium, high (design, 11.2). By Markov's inequality an e-value exceeds 1,000 on at most one in 1,000
/// harmless identity-days, so the levels scale with the budget.
pub const LEVELS: [f64; 3] = [1e2, 1e3, 1e5];

/// Most that one indicator's precision may multiply the evidence by (design, 11.2).
pub const INDICATOR_ODDS_MAX: f64 = 20.0;
/// Prior evidence of a match on an application id: it names the application itself, not a shared address.
pub const INDICATOR_APP_LN: f64 = 6.907_755_278_982_137; // ln 1000
/// An indicator is held against events at most this long before it was published (design, 3.7).
pub const RETRO_MATCH: i64 = 90 * DAY;

/// Bounds of one day's evidence where the days of an incident multiply, ln 0.2 and ln 10,000 (design, 11.1): one
/// bad day must not carry a month, nor a quiet one wipe it out.
pub const DAY_LN_MIN: f64 = -1.609_437_912_434_100_3;
/// See [`DAY_LN_MIN`].
pub const DAY_LN_MAX: f64 = 9.210_340_371_976_184;
/// ln 2, of the adjuster sqrt(x) / 2 for evidence that may be looked at on any day (design, 9: arXiv 2501.19360).
pub const ADJUSTER_LN: f64 = std::f64::consts::LN_2;

/// Failed attempts from the same place, within a day, from which on the success that follows is supported by them:
/// one or two are a typing error in a deployment.
pub const FAILURES_BEFORE_MIN: u32 = 3;

/// Identities tried from one range within a day from which on it is a spray: a misconfigured host serves a handful.
pub const SPRAY_IDENTITIES: usize = 10;
/// Time within which two detections on one identity support each other.
pub const SUPPORT: i64 = 3 * DAY;

/// Days without an event after which an identity counts as dormant (design, F6: 90 days).
pub const DORMANT_DAYS: i64 = 90;
/// A gap is long for an identity only if it is this many times its longest one so far: quarterly jobs.
pub const DORMANT_GAPS: f64 = 2.0;
/// Evidence of an awakening: one attacker in ten takes a forgotten identity (Midnight Blizzard did) where one active
/// identity-day in 500 is the awakening of one, for 80 % of identities lie idle at any time and few come back
/// (design, 8).
pub const DORMANT_LN: f64 = 3.912_023_005_428_146; // ln 50

/// Hours in which the pooled tail of volume scores forgets half: 60 days are looked back at (design, 11.3).
pub const TAIL_HALF_LIFE_HOURS: f64 = 30.0 * 24.0;
/// Exceedances from which on a tail is fitted rather than counted (design, 11.3).
pub const TAIL_EXCEEDANCES_MIN: f64 = 100.0;

/// Active days of API use before anything of it can be new: three, as for sign-ins.
pub const API_COLD_DAYS: u16 = 3;
/// Days of API use before its dispersion is believed.
pub const YOUNG_DAYS: u16 = 14;
/// Shape of the negative binomial before that: one that lets a month-end be ten times a usual day.
pub const SHAPE_YOUNG: f32 = 0.5;
/// Bounds of the shape (design, 11.3).
pub const SHAPE_MIN: f64 = 0.15;
/// See [`SHAPE_MIN`].
pub const SHAPE_MAX: f64 = 20.0;
/// Share by which an hour moves the dispersion: 50 hours.
pub const SHAPE_GAIN: f32 = 0.02;
/// Share by which a week moves its hour's season: most of it within a month.
pub const SEASON_GAIN: f64 = 0.3;
/// Share by which a day moves the level: growth of years in weeks, a leak of days not at all.
pub const LEVEL_GAIN: f32 = 0.05;
/// Share by which an hour moves the usual number of objects.
pub const OBJECTS_GAIN: f32 = 0.05;
/// Deviations beyond which an hour is learnt as if it were there: one backfill must not be the rule.
pub const WINSOR_DEVIATIONS: f64 = 5.0;
/// Share by which an hour moves the slow channel (design, 11.3).
pub const SLOW_GAIN: f32 = 0.03;
/// Hours for which the slow channel must be high (design, 11.3).
pub const SLOW_HOURS: u16 = 48;

/// Chance of something new on a day, and of one more when there is one.
#[derive(Clone, Copy, Debug)]
pub struct Rare {
    /// Of any.
    pub any: f64,
    /// Of one more.
    pub more: f64,
}

/// New request templates of a service, before anything is learnt: a new feature every 60 days (design, 10), of three
/// requests in the mean.
pub const TEMPLATE_DAYS: Rare = Rare { any: 1.0 / 60.0, more: 0.67 };
/// New classes of the directory: every third of those features, and mostly one.
pub const CLASS_DAYS: Rare = Rare { any: 1.0 / 180.0, more: 0.3 };
/// Directory classes in the first days of an identity, whose all is new: every second asks the directory anything,
/// and synchronisations, backups and inventories ask for several classes.
pub const FIRST_CLASSES: Rare = Rare { any: 0.5, more: 0.5 };
/// Directory classes that one person reads through one application in a day, before anything is learnt: an
/// administrator's script looks at two or three; every class more is half as likely.
pub const USER_CLASSES: Rare = Rare { any: 0.05, more: 0.45 };
/// Strength of the wider group's rate of days with something new, in days.
pub const HURDLE_DAYS: f64 = 20.0;
/// Strength of the wider group's number of new things, in things.
pub const HURDLE_THINGS: f64 = 20.0;
/// Share of failed calls, before anything is learnt.
pub const ERROR_SHARE: f64 = 0.02;
/// Shape of the number of failed calls: an expired permission fails a whole hour.
pub const ERROR_SHAPE: f64 = 0.3;
/// Weight of the error evidence (design, 11.3).
pub const ERROR_WEIGHT: f64 = 0.5;
/// Chance that a day brings several times the usual calls without any attack: scaling out every 60 days and a backfill
/// every 90 (design, 10).
pub const SURGE: f64 = 1.0 / 36.0;
/// The same of mail, files and secrets: a restore or a re-index twice a year.
pub const SURGE_SENSITIVE: f64 = 1.0 / 180.0;
/// Weight of volume beside breadth (design, 11.3).
pub const VOLUME_SHARE: f64 = 0.2;
/// Least that an absence of new requests takes away (design, 11.3).
pub const BREADTH_MIN: f64 = 0.3;
/// Tokens of which the place of use is known, from which on another place can be a surprise.
pub const ELSEWHERE_TOKENS_MIN: f32 = 5.0;
/// Share of calls for mail, files, chats or secrets from which on volume alone calls somebody (design, 11.3).
pub const SENSITIVE_SHARE: f64 = 0.5;

/// Chance that a token of a workload is used in another network than the one it was issued to, before anything is
/// learnt, and the strength of that in tokens: split tunnels and shared caches do it always or never.
pub const ELSEWHERE_RATE: f64 = 0.01;
/// See [`ELSEWHERE_RATE`].
pub const ELSEWHERE_TOKENS: f64 = 5.0;
/// Least of it, as for sources: once in 500 days at four tokens a day.
pub const ELSEWHERE_RATE_MIN: f64 = 5e-4;
/// Chance that a thief uses a stolen token in another network: he took it to use it elsewhere.
pub const ELSEWHERE_ATTACK: f64 = 0.9;
/// Time for which tokens are remembered (design, 2: tokens with continuous access evaluation live 20 to 28 h).
pub const REMEMBERS_TOKENS: i64 = 28 * HOUR;

/// Strength of its kind's novelty rate, in runs of the actor itself (design, 11.1).
pub const ACTOR_CHANGES: f64 = 5.0;
/// Chance that a run of an actor with a past is an operation it never did, before anything is learnt: people and
/// applications. Most applications have one duty.
pub const NEW_OPERATION_RATE: [f64; 2] = [0.10, 0.05];
/// Privileged changes from which on an actor that is new to the tenant is a surprise: before, everybody is.
pub const NEWCOMER_CHANGES_MIN: f64 = 20.0;
/// Chance that a privileged change is made by an actor who never made any, before anything is learnt.
pub const NEWCOMER_RATE: f64 = 0.1;
/// The same for an attacker: a taken account that does not administer, or one made for the purpose.
pub const NEWCOMER_ATTACK: f64 = 0.35;
/// Strength of what the tenant does, in runs of one kind of actor.
pub const KIND_CHANGES: f64 = 20.0;
/// Strength of what is assumed of all tenants, in runs of the tenant.
pub const TENANT_CHANGES: f64 = 100.0;
/// Chance that an identity with a past is changed by somebody who never changed it: teams share their applications.
pub const NEW_ACTOR_RATE: f64 = 0.2;
/// The same for an attacker, newcomers to the tenant left out: the owner's own account is taken in three of ten.
pub const ACTOR_NEW_ATTACK: f64 = 0.35;
/// Chance that an actor changes the directory from a network it never used: people travel.
pub const NEW_PLACE_RATE: f64 = 0.1;
/// The same for an attacker, as for the source of a sign-in.
pub const PLACE_NEW_ATTACK: f64 = 0.9;
/// Weight of the place: audit records carry it for people only, and proxies change it.
pub const PLACE_WEIGHT: f64 = 0.5;
/// Weight of the rank of what is changed (design, 11.4).
pub const TARGET_WEIGHT: f64 = 0.5;
/// Share of identities that can take over the tenant among what attackers change, and among all that is changed.
pub const TIER_0_ATTACK: f64 = 0.3;
/// See [`TIER_0_ATTACK`].
pub const TIER_0_USUAL: f64 = 0.05;
/// Share of each tier (ordinary, directory, sensitive, zero) among what attackers give, and among all grants before
/// anything is learnt: incident reports name mail, files and role management.
pub const TIER_ATTACK: [f64; 4] = [0.10, 0.10, 0.40, 0.40];
/// See [`TIER_ATTACK`].
pub const TIER_USUAL: [f64; 4] = [0.55, 0.23, 0.20, 0.02];
/// Weight of which properties changed (design, 11.4), its share for an attacker, and of a set never met.
pub const SHAPE_WEIGHT: f64 = 0.25;
/// See [`SHAPE_WEIGHT`].
pub const SHAPE_ATTACK: f64 = 0.2;
/// See [`SHAPE_WEIGHT`].
pub const SHAPE_NEW_RATE: f64 = 0.2;
/// Most that one part may add: no actor is surer than that.
pub const ACTOR_TERM_MAX: f64 = 6.0;
/// Chance that an attacker's change is a federated credential (Stratus, published incidents), and its share among
/// all changes.
pub const TRUST_ATTACK: f64 = 0.06;
/// See [`TRUST_ATTACK`].
pub const TRUST_USUAL: f64 = 0.003;
/// Issuers of trusts that attackers add, and of those that others add: known to the tenant already, of a well-known
/// service, a host of its own, a host that anybody gets for free (Stratus signs with a storage site).
pub const ISSUER_ATTACK: [f64; 4] = [0.10, 0.30, 0.25, 0.35];
/// See [`ISSUER_ATTACK`].
pub const ISSUER_USUAL: [f64; 4] = [0.60, 0.30, 0.09, 0.01];
/// Chance that an attacker widens a trust, and that others do: pull requests and wildcards are convenient.
pub const WIDENED_ATTACK: f64 = 0.30;
/// See [`WIDENED_ATTACK`].
pub const WIDENED_USUAL: f64 = 0.10;
/// Time within which changes of one identity are a chain (design, F16).
pub const CHAIN: i64 = 48 * HOUR;
/// Time within which a right counts as fresh (design, 11.4).
pub const FRESH: i64 = DAY;
/// Time between making and deleting that is a life too short for work (design, F11).
pub const SHORT_LIFE: i64 = HOUR;

/// A stream of events has a rhythm after so many days with events.
pub const SILENT_DAYS_SEEN: u32 = 7;
/// It is silent after at least so many days,
pub const SILENT_DAYS_MIN: i64 = 3;
/// after so many times its longest gap,
pub const SILENT_GAPS: f64 = 2.5;
/// and where so many days with events were to be expected: chance alone leaves out as many once in 150 times.
pub const SILENT_EXPECTED_MIN: f64 = 5.0;

/// Chance that an attack on an identity meets a given pattern that a user brought, on a day of it.
pub const PATTERN_ATTACK: f64 = 0.3;
/// Strength, in identity-days, of the assumption that a pattern is met on half of one.
pub const PATTERN_DAYS: f64 = 50.0;

/// Evidence from which on an occasion joins an incident that is open: ln 10.
pub const JOIN_LN: f64 = std::f64::consts::LN_10;

/// An incident takes no further events after this long without one; the next opens another.
pub const INCIDENT_QUIET: i64 = 7 * DAY;

/// Quiet time after which removal of the credentials concerned remediates.
pub const REMEDIATION_QUIET: i64 = 7 * DAY;
/// Low risk ages out after this time (DESIGN, risk state).
pub const LOW_AGES_OUT: i64 = 180 * DAY;

/// Late by more than this is scored and marked, not put in order (Graph's log is up to 2 h late).
pub const WATERMARK: i64 = 2 * HOUR;
/// Event ids are remembered at least this long: closed hours were seen to grow for 13 h.
pub const REMEMBERS_IDS: i64 = 13 * HOUR;
