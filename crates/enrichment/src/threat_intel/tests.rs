use std::borrow::Cow;
use std::path::Path;

use countersign_model::event::{Address, Event, SignIn, SignInKind};
use countersign_model::id::{AppId, Id};
use countersign_model::source::{IndicatorKind, IndicatorMatch, SourceFacts};
use countersign_model::time::Timestamp;

use super::*;

/// A sample of the shared collection; `None`, and a sentence, when it is not on this machine.
pub(crate) fn sample(name: &str) -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/threat-intel");
    let text = std::fs::read_to_string(folder.join(name));
    if text.is_err() {
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("skipped: the sample `{name}` is not here");
        }
    }
    text.ok()
}

fn now() -> Timestamp {
    crate::date::parse("2026-08-22T12:00:00Z").unwrap()
}

pub(crate) fn sign_in(ip: &str, user_agent: &str, app: &str) -> Event<'static> {
    Event::SignIn(SignIn {
        time: now(),
        app: AppId(Id::parse(app).into_owned()),
        address: Address { ip: ip.parse().ok(), raw: Cow::Owned(ip.to_owned()) },
        user_agent: Cow::Owned(user_agent.to_owned()),
        ..SignIn::empty(SignInKind::ServicePrincipal)
    })
}

fn at(event: Event<'static>, time: &str) -> Event<'static> {
    let Event::SignIn(mut event) = event else { return event };
    event.time = crate::date::parse(time).unwrap();
    Event::SignIn(event)
}

fn facts(ip: &str, asn: u32) -> SourceFacts<'static> {
    SourceFacts {
        ip: ip.parse().unwrap(),
        asn,
        organisation: asn,
        as_name: "",
        country: None,
        hosting: countersign_model::source::HostingClass::Unknown,
        anonymiser: countersign_model::source::Anonymiser::None,
        providers: countersign_model::source::Providers::default(),
    }
}

fn read(text: &str) -> (FeedSummary, ThreatIntelligence) {
    let mut builder = ThreatIntelligence::builder();
    let summary = builder.add_file("feed", text.as_bytes(), now()).unwrap();
    (summary, builder.build())
}

fn values(matches: &[IndicatorMatch]) -> Vec<&str> {
    matches.iter().map(|found| found.value.as_str()).collect()
}

fn from(ip: &str) -> Event<'static> {
    sign_in(ip, "", "")
}

fn check_addresses(text: &str, format: FeedFormat, listed: &[&str], not_listed: &[&str]) {
    let (summary, intelligence) = read(text);
    assert_eq!(summary.format, format);
    assert_eq!(summary.skipped, []);
    for ip in listed {
        assert_eq!(intelligence.matches(&from(ip), None).len(), 1, "{ip}");
    }
    for ip in not_listed {
        assert_eq!(intelligence.matches(&from(ip), None).len(), 0, "{ip}");
    }
}

#[test]
fn every_spelling_of_a_list_is_read() {
    let list = "# banner\n192.0.2.1\n192.0.2.16/28\n192.0.2.40-192.0.2.49\n192.0.2.60 - 192.0.2.61\n192.0.2.70:443\n\
                192.0.2.80|8080\n[2001:db8::7]:80\n2001:db8:1::/48\n192.0.2[.]90 ; comment\n";
    check_addresses(
        list,
        FeedFormat::List,
        &[
            "192.0.2.1",
            "::ffff:192.0.2.1",
            "192.0.2.31",
            "192.0.2.45",
            "192.0.2.61",
            "192.0.2.70",
            "192.0.2.80",
            "2001:db8::7",
            "2001:db8:1::9",
            "192.0.2.90",
        ],
        &["192.0.2.2", "192.0.2.32", "192.0.2.50", "2001:db8::8", "2001:db8:2::"],
    );
    check_addresses(
        "ExitNode 00\nPublished 2026-08-22 03:13:41\nExitAddress 192.0.2.7 2026-08-22 09:08:31\n",
        FeedFormat::TorExits,
        &["192.0.2.7"],
        &[],
    );
    check_addresses(
        "{\"cidr\":\"192.0.2.0/24\",\"sblid\":\"SBL1\"}\n{\"type\":\"metadata\",\"size\":1}\n",
        FeedFormat::SpamhausDrop,
        &["192.0.2.255"],
        &["198.51.100.1"],
    );
    check_addresses("; DROP\n192.0.2.0/24 ; SBL1\n", FeedFormat::SpamhausDrop, &["192.0.2.255"], &[]);
    check_addresses("\u{feff}IoC,Type\n192.0.2.7,IP\n", FeedFormat::Csv, &["192.0.2.7"], &[]);
}

#[test]
fn being_on_more_lists_weighs_more() {
    let (_, intelligence) = read("192.0.2.1\t9\n192.0.2.2\t3\n192.0.2.3\t1\n");
    let precision = |ip| intelligence.matches(&from(ip), None)[0].precision;
    assert!(precision("192.0.2.1") > precision("192.0.2.2"));
    assert!(precision("192.0.2.2") > precision("192.0.2.3"));
}

#[test]
fn a_line_that_cannot_be_read_is_named_and_the_rest_is_used() {
    let (summary, intelligence) = read("192.0.2.1\n192.0.2.300\nwhat is this\n192.0.2.2\n");
    assert_eq!((summary.indicators, summary.skipped_total), (2, 2));
    assert_eq!(summary.skipped[0].0, "line 2");
    assert_eq!(intelligence.len(), 2);
}

#[test]
fn a_file_in_which_nothing_can_be_read_is_an_error_that_says_what_is_accepted() {
    for text in ["", "hello\nthis is prose\n", "{\"a\": 1}", "[1, 2]", "{broken", "\0\u{1}\u{2}"] {
        let error = ThreatIntelligence::builder().add_file("notes.txt", text.as_bytes(), now()).unwrap_err();
        assert!(error.to_string().contains("`notes.txt`") && error.to_string().contains("STIX"), "{error}");
    }
}

#[test]
fn columns_are_found_by_name_even_when_the_head_is_a_comment() {
    let feed = "# \"first_seen_utc\",\"ioc_id\",\"ioc_value\",\"ioc_type\",\"threat_type\",\"confidence_level\"\n\
                \"2026-08-22 09:46:34\", \"1\", \"192.0.2.7:5638\", \"ip:port\", \"botnet_cc, spam\", \"75\"\n\
                \"2026-08-22 09:30:00\", \"2\", \"[2001:db8::7]:80\", \"ip:port\", \"payload\", \"50\"\n";
    let (summary, intelligence) = read(feed);
    assert_eq!((summary.format, summary.indicators), (FeedFormat::Csv, 2));
    let found = &intelligence.matches(&from("192.0.2.7"), None)[0];
    assert_eq!((found.kind, found.feed.as_str()), (IndicatorKind::Address, "feed"));
    assert!((found.precision - 0.75).abs() < 0.01, "{}", found.precision);
}

#[test]
fn publishers_own_column_names_are_known() {
    let (summary, intelligence) =
        read("value,entity_type,description\n192.0.2.7,ipaddress,proxy\nevil.example,hostname,\nx,file,\n");
    assert_eq!((summary.indicators, summary.not_applicable["trace on a machine"]), (2, 1));
    assert_eq!(intelligence.matches(&from("192.0.2.7"), None)[0].description, "proxy");
    let (summary, intelligence) = read(
        "TimeGenerated,IoC,IoC_Type,ExpirationDateTime,Description,ConfidenceScore,Active\n\
         8/1/2026,192.0.2.7,IP,12/7/2026,campaign,100,TRUE\n\
         8/1/2026,192.0.2.8,IP,8/7/2026,campaign,100,TRUE\n\
         8/1/2026,192.0.2.9,IP,12/7/2026,campaign,100,FALSE\n",
    );
    assert_eq!((summary.indicators, summary.expired, summary.revoked), (1, 1, 1));
    assert_eq!(intelligence.matches(&at(from("192.0.2.8"), "2026-08-05T00:00:00Z"), None).len(), 1);
    assert_eq!(intelligence.matches(&from("192.0.2.8"), None).len(), 0);
}

#[test]
fn a_comment_of_one_word_does_not_make_a_list_a_table() {
    assert_eq!(read("# IP\n192.0.2.7\n").0.format, FeedFormat::List);
}

const BUNDLE: &str = r#"{"type":"bundle","id":"bundle--1","objects":[
 {"type":"identity","id":"identity--1","name":"Example CERT"},
 {"type":"indicator","id":"indicator--1","created_by_ref":"identity--1","modified":"2026-08-22T00:00:00Z","name":"spray",
  "pattern_type":"stix","pattern":"[ipv4-addr:value = '192.0.2.7']","valid_from":"2026-08-01T00:00:00Z","valid_until":"2026-08-20T00:00:00Z","confidence":80},
 {"type":"indicator","id":"indicator--2","modified":"2026-08-22T00:00:00Z","pattern_type":"stix",
  "pattern":"[ipv4-addr:value ISSUBSET '198.51.100.0/24' AND network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = 'curl']","valid_from":"2026-08-01T00:00:00Z"},
 {"type":"indicator","id":"indicator--3","modified":"2026-08-22T00:00:00Z","pattern_type":"stix",
  "pattern":"[user-account:user_id = '00000000-AAAA-bbbb-cccc-000000000001' OR autonomous-system:number = 64496]"},
 {"type":"indicator","id":"indicator--4","modified":"2026-08-21T00:00:00Z","pattern":"[ipv4-addr:value = '192.0.2.9']"},
 {"type":"indicator","id":"indicator--4","modified":"2026-08-22T00:00:00Z","revoked":true,"pattern":"[ipv4-addr:value = '192.0.2.9']"},
 {"type":"indicator","id":"indicator--5","pattern_type":"yara","pattern":"rule x {}"},
 {"type":"indicator","id":"indicator--6","pattern_type":"stix","pattern":"[broken"}]}"#;

#[test]
fn stix_indicators_match_within_their_time() {
    let (summary, intelligence) = read(BUNDLE);
    assert_eq!(summary.format, FeedFormat::Stix);
    assert_eq!((summary.indicators, summary.expired, summary.revoked, summary.skipped_total), (3, 1, 1, 1));
    assert_eq!(summary.not_applicable["pattern in another language"], 1);
    let matches = |time| intelligence.matches(&at(from("192.0.2.7"), time), None).len();
    assert_eq!(matches("2026-08-19T00:00:00Z"), 1);
    assert_eq!(matches("2026-08-20T00:00:00Z"), 0, "the end is exclusive");
    assert_eq!(matches("2026-05-10T00:00:00Z"), 1, "published late");
    assert_eq!(matches("2026-04-10T00:00:00Z"), 0, "too long before");
    assert_eq!(intelligence.matches(&from("192.0.2.9"), None), []);
}

#[test]
fn parts_of_a_conjunction_must_hold_of_the_same_event() {
    let (_, intelligence) = read(BUNDLE);
    let count = |agent| intelligence.matches(&sign_in("198.51.100.7", agent, ""), None).len();
    assert_eq!(count("curl/8.5.0"), 1);
    assert_eq!(count("CURL"), 1);
    assert_eq!(count("curling/1"), 0);
    assert_eq!(count(""), 0);
}

#[test]
fn applications_and_systems_match() {
    let (_, intelligence) = read(BUNDLE);
    let event = sign_in("203.0.113.9", "", "00000000-aaaa-bbbb-cccc-000000000001");
    assert_eq!(intelligence.matches(&event, None)[0].kind, IndicatorKind::AppId);
    let found = intelligence.matches(&from("203.0.113.9"), Some(&facts("203.0.113.9", 64496)));
    assert_eq!(values(&found), ["AS64496"]);
}

#[test]
fn a_newer_version_in_a_later_file_withdraws_an_indicator() {
    let mut builder = ThreatIntelligence::builder();
    let object = |modified: &str, more: &str| {
        format!(
            r#"[{{"type":"indicator","id":"indicator--1","modified":"{modified}"{more},"pattern":"[ipv4-addr:value = '192.0.2.7']"}}]"#
        )
    };
    builder.add_file("new", object("2026-08-22T00:00:00Z", r#","revoked":true"#).as_bytes(), now()).unwrap();
    builder.add_file("old", object("2026-08-01T00:00:00Z", "").as_bytes(), now()).unwrap();
    assert!(builder.build().is_empty());
}

#[test]
fn misp_attributes_are_used_when_marked_for_detection() {
    let event = r#"{"Event":{"info":"spray","date":"2026-08-20","Orgc":{"name":"Example CERT"},"Attribute":[
      {"type":"ip-src","value":"192.0.2.7","to_ids":true,"timestamp":"1787300000","Tag":[{"name":"confidence-level:\"high\""}]},
      {"type":"ip-dst|port","value":"192.0.2.10|443","to_ids":"1"},
      {"type":"AS","value":"AS64496","to_ids":true},
      {"type":"user-agent","value":"evil-tool","to_ids":true},
      {"type":"azure-application-id","value":"00000000-aaaa-bbbb-cccc-000000000001","to_ids":true},
      {"type":"ip-src","value":"192.0.2.8","to_ids":false},
      {"type":"ip-src","value":"192.0.2.9","to_ids":true,"deleted":true},
      {"type":"sha256","value":"00","to_ids":true}],
      "Object":[{"Attribute":[{"type":"ip-dst","value":"192.0.2.55","to_ids":true}]}]}}"#;
    let (summary, intelligence) = read(event);
    assert_eq!((summary.format, summary.indicators, summary.revoked), (FeedFormat::Misp, 6, 1));
    assert_eq!(summary.not_applicable["not marked for detection"], 1);
    let count = |ip| intelligence.matches(&from(ip), None).len();
    assert_eq!([count("192.0.2.7"), count("192.0.2.10"), count("192.0.2.55")], [1, 1, 1]);
    assert_eq!([count("192.0.2.8"), count("192.0.2.9")], [0, 0]);
    let found = intelligence.matches(&sign_in("203.0.113.9", "Evil-Tool/1.2", ""), None);
    assert_eq!(found[0].description, "spray (Example CERT)");
}

#[test]
fn warning_lists_mark_and_do_not_drop() {
    let list = |kind: &str, values: &str| {
        format!(
            r#"{{"name":"Example list","type":"{kind}","version":1,"matching_attributes":[],"list":[{values}]}}"#
        )
    };
    let mut builder = ThreatIntelligence::builder();
    let warning = builder.add_file("w", list("cidr", r#""192.0.2.0/24""#).as_bytes(), now()).unwrap();
    assert_eq!((warning.format, warning.indicators), (FeedFormat::WarningList, 1));
    let summary = builder.add_file("f", b"192.0.2.7\n198.51.100.7\nlogin.example.com\n", now()).unwrap();
    assert_eq!((summary.indicators, summary.marked_benign), (3, 1));
    builder.add_file("w2", list("hostname", r#"".example.com""#).as_bytes(), now()).unwrap();
    let intelligence = builder.build();
    let found = |host| intelligence.matches(&from(host), None).remove(0);
    assert!(found("192.0.2.7").precision < found("198.51.100.7").precision / 5.0);
    assert_eq!(found("192.0.2.7").description, "known benign: Example list");
    assert_eq!(found("LOGIN.example.com").description, "known benign: Example list");
}

#[test]
fn what_is_old_weighs_less_but_not_nothing() {
    let csv = |date: &str| format!("ip,last_seen\n192.0.2.7,{date}\n");
    let precision = |date| read(&csv(date)).1.matches(&from("192.0.2.7"), None)[0].precision;
    assert!((precision("2026-08-22") / precision("2026-08-08") - 2.0).abs() < 0.1);
    assert!(precision("2016-01-01") > 0.04);
}

#[test]
fn overlapping_ranges_all_match() {
    let (_, intelligence) = read("192.0.2.0/24\n192.0.2.0/25\n192.0.2.7\n0.0.0.0/0\n::/0\n");
    assert_eq!(intelligence.matches(&from("192.0.2.7"), None).len(), 4);
    assert_eq!(intelligence.matches(&from("192.0.2.200"), None).len(), 2);
    assert_eq!(intelligence.matches(&from("255.255.255.255"), None).len(), 1);
    assert_eq!(intelligence.matches(&from("ffff::"), None).len(), 1);
}

#[test]
fn no_hit_allocates_nothing() {
    let (_, intelligence) = read("192.0.2.0/24\nevil.example\n");
    assert_eq!(intelligence.matches(&from("198.51.100.7"), None).capacity(), 0);
    assert_eq!(ThreatIntelligence::default().matches(&from("198.51.100.7"), None).capacity(), 0);
}

/// Format, indicators in force, expired, revoked, not applicable, skipped.
type Counts = (FeedFormat, usize, usize, usize, usize, usize);

#[test]
fn samples_of_real_feeds_are_read() {
    use FeedFormat::{CountedList, Csv, List, Misp, Otx, SpamhausDrop, Stix, TorExits, WarningList};
    let samples: &[(&str, Counts)] = &[
        ("formats/cins-ci-badguys.txt", (List, 2, 0, 0, 0, 0)),
        ("formats/feodo-ipblocklist.csv", (Csv, 2, 0, 0, 0, 0)),
        ("formats/firehol.netset", (List, 2, 0, 0, 0, 0)),
        ("formats/otx-pulse.json", (Otx, 4, 0, 1, 1, 0)),
        ("formats/spamhaus-asndrop.json", (SpamhausDrop, 1, 0, 0, 0, 0)),
        ("formats/spamhaus-drop.txt", (SpamhausDrop, 2, 0, 0, 0, 0)),
        ("formats/spamhaus-drop_v4.json", (SpamhausDrop, 2, 0, 0, 0, 0)),
        ("formats/threatfox-ip-port.csv", (Csv, 3, 0, 0, 0, 0)),
        ("formats/tor-exit-addresses.txt", (TorExits, 3, 0, 0, 0, 0)),
        ("formats/torbulkexitlist.txt", (List, 2, 0, 0, 0, 0)),
        ("lists/ipsum.head400.txt", (CountedList, 393, 0, 0, 0, 0)),
        ("lists/tor-exit-nodes-2024.head300.lst", (List, 300, 0, 0, 0, 0)),
        ("stix/indicators-bundle.json", (Stix, 7, 1, 1, 3, 0)),
        ("misp-feed/00005c6f-4e2a-0000-4000-800000000000.json", (Misp, 8, 0, 0, 4, 0)),
        ("misp-feed/00005c6f-4e2a-0000-4000-800000000001.json", (Misp, 0, 0, 0, 1, 0)),
        ("misp-warninglists/rfc1918.json", (WarningList, 3, 0, 0, 0, 0)),
        ("misp-warninglists/microsoft-azure-appid.json", (WarningList, 4, 0, 0, 0, 0)),
    ];
    let mut wrong = Vec::new();
    for (name, expected) in samples {
        let Some(text) = sample(name) else { continue };
        let summary = ThreatIntelligence::builder().add_file(name, text.as_bytes(), now()).unwrap();
        let not_applicable = summary.not_applicable.values().sum();
        let FeedSummary { format, indicators, expired, revoked, skipped_total, .. } = summary;
        let counts = (format, indicators, expired, revoked, not_applicable, skipped_total);
        if counts != *expected {
            wrong.push((name, counts, summary.skipped));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_sample_is_read_or_refused_with_a_reason() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/threat-intel");
    if sample("SOURCES.md").is_none() {
        return;
    }
    for part in ["formats", "lists", "stix", "misp-feed", "misp-warninglists", "taxii"] {
        for entry in std::fs::read_dir(folder.join(part)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let bytes = std::fs::read(&path).unwrap();
            #[expect(clippy::print_stderr, reason = "shown when the test is run by hand")]
            match ThreatIntelligence::builder().add_file(&name, &bytes, now()) {
                Ok(summary) => eprintln!("{summary:?}"),
                Err(error) => eprintln!("{error}"),
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn matching_agrees_with_a_linear_scan(
        ranges in proptest::collection::vec((0u8..=255, 0u8..=40), 0..20),
        probes in proptest::collection::vec(0u8..=255, 20),
    ) {
        let ranges: std::collections::BTreeSet<(u8, u8)> =
            ranges.into_iter().map(|(first, length)| (first, first.saturating_add(length))).collect();
        let lines: Vec<String> =
            ranges.iter().map(|(first, last)| format!("192.0.2.{first}-192.0.2.{last}")).collect();
        let list = lines.join("\n");
        let mut builder = ThreatIntelligence::builder();
        if !list.is_empty() {
            builder.add_file("feed", list.as_bytes(), now()).unwrap();
        }
        let intelligence = builder.build();
        for probe in probes {
            let expected = ranges.iter().filter(|(first, last)| (*first..=*last).contains(&probe)).count();
            let found = intelligence.matches(&from(&format!("192.0.2.{probe}")), None).len();
            proptest::prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn any_text_is_a_feed_or_refused(text in "\\PC*", start in proptest::sample::select(vec![
        "", "{", "[", "ip,type\n", "# \"ioc_value\",\"x\"\n", "ExitAddress ", "{\"Event\":{\"Attribute\":[",
    ])) {
        let _ = ThreatIntelligence::builder().add_file("feed", format!("{start}{text}").as_bytes(), now());
    }
}
