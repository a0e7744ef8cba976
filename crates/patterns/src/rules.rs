//! The rules that were brought along, and the events that match them.

use std::collections::{BTreeMap, HashSet};

use countersign_model::event::Event;
use countersign_model::source::{PatternMatch, Severity};
use countersign_model::time::{SECOND, Timestamp};
use foldhash::fast::FixedState;
use rsigma_eval::{CorrelationConfig, CorrelationEngine, compile_rule};
use rsigma_parser::{CorrelationRule, Level, LogSource, SigmaCollection, SigmaRule, parse_sigma_yaml};

use crate::documents::split;
use crate::fields::{Field, Log};
use crate::translate::{self, Basis, Use};
use crate::view::{self, View};

/// Longest text of rules: the largest published collection in one file is a tenth of it.
const TEXT_BYTES_MAX: usize = 16 << 20;
/// Most rules: the largest published collection, for all systems, has some 4,000.
const RULES_MAX: usize = 10_000;
/// Most groups of events that correlations keep. At the limit the engine drops the oldest in an order that is not the
/// same in each run, so what has run out is dropped long before, by [`EVICTION`].
const GROUPS_MAX: usize = 50_000;
/// Most events kept of one group.
const GROUP_EVENTS_MAX: usize = 1_000;
/// Event time after which groups that have run out are dropped, in seconds.
const EVICTION: i64 = 3_600;
/// Most ids of events of one instant that are remembered.
const INSTANT_MAX: usize = 4_096;

/// Longest reason or title in a message.
const REASON_CHARS_MAX: usize = 300;

/// A rule that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The text it stands in.
    pub file: String,
    /// Its title, or its number where it has none.
    pub title: String,
    /// Why.
    pub reason: String,
}

/// What was made of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulesSummary {
    /// Rules in use, correlations among them.
    pub loaded: usize,
    /// Rules that are not.
    pub refused: Vec<Refused>,
}

/// What a finding says of a rule.
struct Meta {
    title: String,
    id: String,
    author: String,
    severity: Severity,
    tags: Vec<String>,
    /// Only correlations look at its matches.
    is_hidden: bool,
}

/// A rule that was read and translated.
struct Loaded {
    meta: Meta,
    /// Name that correlations may use instead of the id.
    name: String,
    logs: Vec<Log>,
}

struct Pending {
    file: String,
    rule: CorrelationRule,
}

/// Collects rules.
#[derive(Default)]
pub struct Builder {
    rules: SigmaCollection,
    loaded: Vec<Loaded>,
    correlations: Vec<Pending>,
    uses: Vec<(Log, Use, String)>,
    summary: RulesSummary,
}

impl Builder {
    /// Takes in one text of rules, one or many YAML documents. The answer counts this text alone, with correlations
    /// as loaded; whether what they rest on is there, only [`Builder::build`] can tell.
    pub fn add_text(&mut self, file: &str, text: &str) -> RulesSummary {
        let refused_before = self.summary.refused.len();
        let before = self.count();
        if text.len() > TEXT_BYTES_MAX {
            self.refuse(file, "all rules", "text is longer than 16 MiB");
        } else {
            for (title, document) in split(text.trim_start_matches('\u{feff}')) {
                self.document(file, &title, document);
            }
        }
        RulesSummary {
            loaded: self.count() - before,
            refused: self.summary.refused[refused_before..].to_vec(),
        }
    }

    fn count(&self) -> usize {
        self.loaded.len() + self.correlations.len()
    }

    fn refuse(&mut self, file: &str, title: &str, reason: &str) {
        let (title, reason) = (one_line(title), one_line(reason));
        self.summary.refused.push(Refused { file: file.to_owned(), title, reason });
    }

    fn document(&mut self, file: &str, title: &str, document: &str) {
        let collection = match parse_sigma_yaml(document) {
            Ok(collection) => collection,
            Err(error) => return self.refuse(file, title, &error.to_string()),
        };
        if !collection.errors.is_empty() {
            // A rule of which only a part is understood would match something else.
            return self.refuse(file, title, &collection.errors.join("; "));
        }
        for filter in collection.filters {
            self.refuse(file, &filter.title, "is a filter, and filters are not read");
        }
        for rule in collection.rules {
            let title = rule.title.clone();
            if let Err(reason) = self.rule(rule) {
                self.refuse(file, &title, &reason);
            }
        }
        for rule in collection.correlations {
            if self.count() == RULES_MAX {
                self.refuse(file, &rule.title, &format!("there are more than {RULES_MAX} rules"));
            } else {
                self.correlations.push(Pending { file: file.to_owned(), rule });
            }
        }
    }

    fn rule(&mut self, mut rule: SigmaRule) -> Result<(), String> {
        if self.count() == RULES_MAX {
            return Err(format!("there are more than {RULES_MAX} rules"));
        }
        let (log, uses) = translate::rule(&mut rule)?;
        let meta = meta(&rule.title, rule.id.as_deref(), rule.author.as_deref(), rule.level, &rule.tags);
        self.is_new(&meta)?;
        // The engine's own name for it: titles and ids repeat, and rules may have no id.
        rule.id = Some(translated(self.loaded.len()));
        let name = rule.name.take().unwrap_or_default();
        compile_rule(&rule).map_err(|error| error.to_string())?;
        self.uses.extend(uses.into_iter().map(|used| (log, used, rule.title.clone())));
        self.loaded.push(Loaded { meta, name, logs: vec![log] });
        self.rules.rules.push(rule);
        Ok(())
    }

    /// Files are named twice easily, and a rule counted twice is no stronger.
    fn is_new(&self, meta: &Meta) -> Result<(), String> {
        let is_same = |other: &&Loaded| {
            if meta.id.is_empty() { other.meta.title == meta.title } else { other.meta.id == meta.id }
        };
        match self.loaded.iter().find(is_same) {
            Some(other) => Err(format!("is loaded already, as `{}`", other.meta.title)),
            None => Ok(()),
        }
    }

    /// The rules, ready for events.
    pub fn build(mut self) -> Rules {
        let mut engine = CorrelationEngine::new(CorrelationConfig {
            // Time is an argument; nothing is to be read off an event.
            timestamp_fields: Vec::new(),
            timestamp_fallback: rsigma_eval::TimestampFallback::Skip,
            max_state_entries: GROUPS_MAX,
            max_group_entries: Some(GROUP_EVENTS_MAX),
            // A pattern is complete once, and must be met again from the start.
            action_on_match: rsigma_eval::CorrelationAction::Reset,
            ..CorrelationConfig::default()
        });
        if let Err(error) = engine.add_collection(&self.rules) {
            // Each was compiled before; kept for what the engine may ask of all together.
            self.refuse("", "all rules", &error.to_string());
            self.loaded.clear();
        }
        self.correlate(&mut engine);
        let mut fields: BTreeMap<(Log, Field), Used> = BTreeMap::new();
        for (log, (field, spelled), title) in self.uses {
            let used = fields.entry((log, field)).or_insert_with(|| Used { spelled, rules: Vec::new() });
            if !used.rules.contains(&title) {
                used.rules.push(title);
            }
        }
        self.summary.loaded = self.loaded.len();
        Rules {
            has_correlations: engine.correlation_rule_count() > 0,
            engine,
            rules: self.loaded.into_iter().map(|loaded| loaded.meta).collect(),
            unseen: fields.into_iter().map(|((log, field), used)| (log, field, used)).collect(),
            summary: self.summary,
            evicted: i64::MIN,
            instant: Timestamp(i64::MIN),
            ids: HashSet::default(),
        }
    }

    /// Adds correlations from the ground up: one is taken when all that it rests on is there, so rings never are.
    fn correlate(&mut self, engine: &mut CorrelationEngine) {
        let mut pending = std::mem::take(&mut self.correlations);
        loop {
            let (ready, waiting): (Vec<_>, Vec<_>) = pending
                .into_iter()
                .partition(|pending| pending.rule.rules.iter().all(|named| self.find(named).is_some()));
            pending = waiting;
            if ready.is_empty() {
                break;
            }
            for Pending { file, mut rule } in ready {
                let title = rule.title.clone();
                if let Err(reason) = self.correlation(engine, &mut rule) {
                    self.refuse(&file, &title, &reason);
                }
            }
        }
        for Pending { file, rule } in pending {
            let missing = rule.rules.iter().find(|named| self.find(named).is_none());
            // Rules under a correlation are meant for it alone, though it cannot be used.
            self.hide(&rule);
            let reason = format!("rests on `{}`, which is not loaded", missing.map_or("", String::as_str));
            self.refuse(&file, &rule.title, &reason);
        }
    }

    fn correlation(
        &mut self,
        engine: &mut CorrelationEngine,
        rule: &mut CorrelationRule,
    ) -> Result<(), String> {
        let meta = meta(&rule.title, rule.id.as_deref(), rule.author.as_deref(), rule.level, &rule.tags);
        self.is_new(&meta)?;
        self.hide(rule);
        let named: Vec<(String, usize)> =
            rule.rules.iter().filter_map(|named| Some((named.clone(), self.find(named)?))).collect();
        let names: Vec<String> = named.iter().map(|(_, at)| translated(*at)).collect();
        let basis: Vec<Basis<'_>> = named
            .iter()
            .zip(&names)
            .map(|((named, at), translated)| Basis { named, translated, logs: &self.loaded[*at].logs })
            .collect();
        let uses = translate::correlation(rule, &basis, GROUP_EVENTS_MAX as u64)?;
        let mut logs: Vec<Log> = basis.iter().flat_map(|basis| basis.logs).copied().collect();
        logs.sort_unstable();
        logs.dedup();
        rule.id = Some(translated(self.loaded.len()));
        let name = rule.name.take().unwrap_or_default();
        engine.add_correlation(rule).map_err(|error| error.to_string())?;
        self.uses.extend(uses.into_iter().map(|(log, used)| (log, used, rule.title.clone())));
        self.loaded.push(Loaded { meta, name, logs });
        Ok(())
    }

    /// Takes the matches of single rules back when a correlation speaks for them.
    fn hide(&mut self, rule: &CorrelationRule) {
        if rule.generate {
            return;
        }
        for named in &rule.rules {
            if let Some(at) = self.find(named) {
                self.loaded[at].meta.is_hidden = true;
            }
        }
    }

    /// The rule of this id, name or title.
    fn find(&self, named: &str) -> Option<usize> {
        let by = |what: fn(&Loaded) -> &str| {
            self.loaded.iter().position(|loaded| !named.is_empty() && what(loaded) == named)
        };
        by(|loaded| &loaded.meta.id)
            .or_else(|| by(|loaded| &loaded.name))
            .or_else(|| by(|loaded| &loaded.meta.title))
    }
}

/// Messages of parsers span lines and quote what they stumble over.
fn one_line(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.retain(|c| !c.is_control());
    if let Some((end, _)) = line.char_indices().nth(REASON_CHARS_MAX) {
        line.truncate(end);
        line.push('…');
    }
    line
}

fn translated(at: usize) -> String {
    format!("rule_{at}")
}

fn meta(title: &str, id: Option<&str>, author: Option<&str>, level: Option<Level>, tags: &[String]) -> Meta {
    Meta {
        title: title.to_owned(),
        id: id.unwrap_or("").to_owned(),
        author: author.unwrap_or("").to_owned(),
        severity: match level {
            // An author who gives none claims nothing.
            None | Some(Level::Informational) => Severity::Informational,
            Some(Level::Low) => Severity::Low,
            Some(Level::Medium) => Severity::Medium,
            Some(Level::High) => Severity::High,
            Some(Level::Critical) => Severity::Critical,
        },
        tags: tags.iter().filter(|tag| tag.starts_with("attack.")).cloned().collect(),
        is_hidden: false,
    }
}

struct Used {
    spelled: String,
    rules: Vec<String>,
}

/// Rules over events, with what correlations remember.
pub struct Rules {
    engine: CorrelationEngine,
    has_correlations: bool,
    /// By number, which is the id that the engine knows.
    rules: Vec<Meta>,
    /// Fields that have not had a value yet.
    unseen: Vec<(Log, Field, Used)>,
    summary: RulesSummary,
    /// When groups that ran out were dropped last, in seconds.
    evicted: i64,
    /// Time of the last event, and the ids of the events that bear it.
    instant: Timestamp,
    ids: HashSet<Vec<u8>, FixedState>,
}

impl Rules {
    /// Starts to collect rules.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// What was made of all texts together.
    pub fn summary(&self) -> &RulesSummary {
        &self.summary
    }

    /// The patterns that this event completes. Events must come in the order of time; one that comes again, which
    /// logs deliver now and then, counts once.
    pub fn matches(&mut self, event: &Event<'_>) -> Vec<PatternMatch> {
        if self.rules.is_empty() || self.is_repeated(event) {
            return Vec::new();
        }
        let view = View(event);
        let log = view::log(event);
        self.unseen.retain(|(of, field, _)| *of != log || view.values(field).is_empty());

        let source = LogSource {
            service: Some(log.service().to_owned()),
            category: match event {
                Event::SignIn(event) => Some(event.kind.log().to_owned()),
                Event::DirectoryAudit(_) | Event::ApiActivity(_) => None,
            },
            ..LogSource::default()
        };
        let mut results = self.engine.engine().evaluate_pruned(&view, &source);
        if self.has_correlations {
            let seconds = event.time().0.div_euclid(SECOND);
            if seconds.saturating_sub(self.evicted) >= EVICTION {
                self.engine.evict_expired(seconds);
                self.evicted = seconds;
            }
            results = self.engine.process_with_detections(&view, results, seconds);
        }
        let number = |id: &Option<String>| id.as_deref()?.strip_prefix("rule_")?.parse::<usize>().ok();
        let mut matched: Vec<usize> =
            results.iter().filter_map(|result| number(&result.header.rule_id)).collect();
        matched.sort_unstable();
        matched.dedup();
        matched
            .into_iter()
            .filter_map(|at| self.rules.get(at))
            .filter(|rule| !rule.is_hidden)
            .map(|rule| PatternMatch {
                title: rule.title.clone(),
                id: rule.id.clone(),
                author: rule.author.clone(),
                severity: rule.severity,
                tags: rule.tags.clone(),
            })
            .collect()
    }

    /// Fields that rules name and no event had a value in, each with the titles of the rules: they may be misspelled,
    /// or the logs may lack the column; the rules are silent either way.
    pub fn unmatched_fields(&self) -> Vec<(String, Vec<String>)> {
        let mut unmatched: Vec<(String, Vec<String>)> =
            self.unseen.iter().map(|(_, _, used)| (used.spelled.clone(), used.rules.clone())).collect();
        unmatched.sort();
        unmatched
    }

    /// A record that is delivered again bears the same time, so it is enough to look at one instant.
    fn is_repeated(&mut self, event: &Event<'_>) -> bool {
        if event.time() != self.instant {
            self.instant = event.time();
            self.ids.clear();
        }
        let id = &event.id().0;
        if id.is_none() || self.ids.len() == INSTANT_MAX {
            return false;
        }
        let key = [view::log(event).service().as_bytes(), id.as_bytes()].concat();
        !self.ids.insert(key)
    }
}
