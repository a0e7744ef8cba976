//! What the fuzz targets do. The test `fuzz_corpus` of the crate `countersign` replays the committed corpus through
//! the same functions on a stable compiler, so an input that once crashed is a test from then on.
//!
//! A target fails by a panic, so each states what must hold of any input, not only that nothing crashes.

use std::borrow::Cow;

use countersign_detection::{Detector, Policy};
use countersign_enrichment::agent;
use countersign_enrichment::rogue_applications;
use countersign_enrichment::threat_intel::{SKIPPED_LISTED_MAX, ThreatIntelligence};
use countersign_logs::decode::{self as logs, LogType, Sink, Skip};
use countersign_logs::framing::{Batch, Framer};
use countersign_logs::{inventory, parse_time};
use countersign_model::event::{Address, Event, SignIn, SignInKind};
use countersign_model::id::{AppId, Id};
use countersign_model::source::Enrichment;
use countersign_model::time::Timestamp;
use countersign_patterns::Rules;

/// More than the bytes that the framer looks at before it decides on a container: what follows is scanned piece by
/// piece.
const PADDING_BYTES: usize = 300 << 10;
/// 2026-08-22: the feeds and the events of the targets lie around it.
const NOW: Timestamp = Timestamp(1_787_400_000_000_000);
/// Longest product name that the user-agent reader may keep.
const PRODUCT_BYTES_MAX: usize = 64;

/// Frames and decodes a file that comes in two pushes. The first byte says where it is cut, and, one time in eight,
/// blanks in front make the framer decide on the container at the first push already; the rest is the file.
pub(crate) fn decode(bytes: &[u8]) {
    let Some((first, file)) = bytes.split_first() else { return };
    let mut cut = file.len() * usize::from(first >> 3) / 31;
    let mut padding = Vec::new();
    if first & 7 == 7 {
        padding.resize(PADDING_BYTES, b' ');
        // No file has a first line so long that the decision comes in the middle of it.
        cut = cut.max(file.iter().position(|byte| *byte == b'\n').map_or(file.len(), |end| end + 1));
    }
    let (head, tail) = file.split_at(cut);
    let head = [&padding, head].concat();
    let in_two = read([head.as_slice(), tail].into_iter());
    let in_many = read(std::iter::once(head.as_slice()).chain(tail.chunks(7)));
    assert_eq!(in_two, in_many, "what is read depends on how the file was cut into pieces");
    let lines = file.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    assert!(in_two.iter().all(|(line, _)| (1..=lines).contains(line)), "a line that the file does not have");
}

fn read<'b>(pieces: impl Iterator<Item = &'b [u8]>) -> Vec<(u64, String)> {
    let mut found = Found(Vec::new());
    let mut framer = Framer::new();
    let mut take = |batch: Batch| {
        assert!(batch.records.iter().all(|record| record.range.end <= batch.bytes.len()));
        logs::decode(&batch, &mut found);
    };
    pieces.for_each(|piece| framer.push(piece, &mut take));
    framer.finish(&mut take);
    // Refusals of a batch come before its records, and batches depend on the pieces.
    found.0.sort();
    found.0
}

struct Found(Vec<(u64, String)>);

impl Sink for Found {
    fn event(&mut self, log_type: LogType, line: u64, event: &Event<'_>) {
        self.0.push((line, format!("{} {event:?}", log_type.name())));
    }

    fn skip(&mut self, line: u64, skip: Skip) {
        assert!(!skip.to_string().is_empty(), "every skip has a reason");
        self.0.push((line, format!("{skip:?}")));
    }
}

/// Reads a feed of any form, twice, and matches events against it.
pub(crate) fn threat_intel(bytes: &[u8]) {
    let mut builder = ThreatIntelligence::builder();
    let Ok(first) = builder.add_file("feed", bytes, NOW) else { return };
    assert!(first.skipped.len() <= SKIPPED_LISTED_MAX.min(first.skipped_total));
    let again = builder.add_file("feed again", bytes, NOW).expect("what was read once can be read twice");
    assert_eq!((again.format, again.skipped_total), (first.format, first.skipped_total));
    let intelligence = builder.build();
    for (ip, user_agent, app) in [
        ("198.51.100.7", "python-requests/2.31.0", "b1d2c3aa-2f4e-4f3c-8d55-6a7b8c9d0e1f"),
        ("2001:db8::7", "curl/8.5.0", "00000003-0000-0000-c000-000000000000"),
        ("", "", ""),
    ] {
        for found in intelligence.matches(&sign_in(ip, user_agent, app), None) {
            assert!(!found.value.is_empty(), "a match names its indicator");
        }
    }
}

fn sign_in<'a>(ip: &'a str, user_agent: &'a str, app: &'a str) -> Event<'a> {
    Event::SignIn(SignIn {
        time: NOW,
        app: AppId(Id::parse(app)),
        address: Address { ip: ip.parse().ok(), raw: Cow::Borrowed(ip) },
        user_agent: Cow::Borrowed(user_agent),
        ..SignIn::empty(SignInKind::ServicePrincipal)
    })
}

/// Reads the text as Sigma rules, twice, and matches events against them.
pub(crate) fn sigma(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let matched = || {
        let mut builder = Rules::builder();
        let read = builder.add_text("rules.yml", &text);
        assert!(read.refused.iter().all(|refused| !refused.reason.is_empty()), "every refusal has a reason");
        let mut rules = builder.build();
        let found = [("198.51.100.7", "python-requests/2.31.0"), ("2001:db8::7", "curl/8.5.0"), ("", "")]
            .map(|(ip, user_agent)| {
                rules.matches(&sign_in(ip, user_agent, "b1d2c3aa-2f4e-4f3c-8d55-6a7b8c9d0e1f"))
            });
        assert!(found.iter().flatten().count() <= 3 * rules.summary().loaded, "more matches than rules");
        (found, rules.unmatched_fields())
    };
    assert_eq!(matched(), matched(), "the same rules and events give the same");
}

/// Reads the text as the pattern of a STIX indicator.
pub(crate) fn stix_pattern(bytes: &[u8]) {
    let pattern = serde_json::Value::from(String::from_utf8_lossy(bytes));
    let bundle = format!(
        r#"{{"type":"bundle","id":"bundle--1","objects":[{{"type":"indicator","spec_version":"2.1","id":"indicator--1","created":"2026-08-01T00:00:00Z","modified":"2026-08-01T00:00:00Z","valid_from":"2026-08-01T00:00:00Z","pattern_type":"stix","pattern":{pattern}}}]}}"#
    );
    threat_intel(bundle.as_bytes());
}

/// Reduces the text to a family of user agents.
pub(crate) fn user_agent(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let family = agent::family(&text);
    assert!(family.product.len() <= PRODUCT_BYTES_MAX);
    assert_eq!(family, agent::family(&format!("  {text} ")), "blanks around it say nothing");
    assert!(!family.to_string().is_empty());
}

/// Reads the text as a time; what was read must come back from what is printed.
pub(crate) fn time_stamp(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Some(time) = parse_time(&text) else { return };
    let printed = time.to_string();
    assert!(("2000"..="2099").contains(&&printed[..4]), "{printed}");
    assert_eq!(parse_time(&printed), Some(time), "{printed}");
}

/// Judges the events of a log file: the same events give the same findings, and every finding says why.
pub(crate) fn detect(bytes: &[u8]) {
    let findings = || {
        let mut judge = Judge(Detector::new(Policy::default()));
        let mut framer = Framer::new();
        framer.push(bytes, &mut |batch| logs::decode(&batch, &mut judge));
        framer.finish(&mut |batch| logs::decode(&batch, &mut judge));
        judge.0.finish();
        judge.0.findings()
    };
    let first = findings();
    assert_eq!(first, findings(), "what is found depends on something besides the events");
    for finding in &first {
        assert!(finding.score.is_finite() && !finding.explanation.facts.is_empty(), "{finding:?}");
        assert!(finding.id.len() == 64 && !finding.reasons.is_empty(), "{finding:?}");
    }
}

struct Judge(Detector);

impl Sink for Judge {
    fn event(&mut self, _: LogType, _: u64, event: &Event<'_>) {
        self.0.observe(event, &Enrichment::default());
    }

    fn skip(&mut self, _: u64, _: Skip) {}
}

/// Reads a file as objects of the directory and as a list of abused applications, and judges what it holds.
pub(crate) fn inventory(bytes: &[u8]) {
    let read = inventory::read(bytes);
    assert!(read.skipped.len() <= read.skipped_total);
    let mut detector = Detector::new(Policy::default());
    if let Ok((listed, _)) = rogue_applications::read("list", bytes) {
        assert!(!listed.is_empty(), "a list that names nobody is an error");
        detector.list_rogue(listed);
    }
    detector.observe(
        &sign_in("198.51.100.7", "", "22222222-2222-4222-8222-222222222222"),
        &Enrichment::default(),
    );
    detector.inventory(&read.objects, NOW);
    detector.finish();
    assert!(detector.findings().iter().all(|finding| finding.score.is_finite()));
}
