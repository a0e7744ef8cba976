use std::collections::BTreeSet;

use super::fixture::{add, analysis, empty};
use super::*;

/// All values of an attribute.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let opening = format!(" {name}=\"");
    page.split(opening.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// What holds for every report.
#[track_caller]
fn check(page: &str) {
    let lower = page.to_lowercase();
    assert!(!lower.contains("<script"), "a script");
    assert!(!lower.contains("javascript:"), "a script in a link");
    for resource in ["src=\"", "url(", "@import", "<link", "<iframe", "<img", "<object", "<use"] {
        assert!(!lower.contains(resource), "{resource} loads something");
    }
    assert!(attributes(page, "style").is_empty(), "style attributes");
    let ids = attributes(page, "id");
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "an id occurs twice");
    for target in attributes(page, "href") {
        assert!(unique.contains(target.strip_prefix('#').unwrap_or("outside")), "{target} leads nowhere");
    }
    for label in attributes(page, "aria-labelledby") {
        assert!(unique.contains(label), "{label} names nothing");
    }
    let levels: Vec<u8> = ["<h1", "<h2", "<h3", "<h4"]
        .iter()
        .zip(1..)
        .flat_map(|(tag, level)| page.match_indices(tag).map(move |(at, _)| (at, level)))
        .collect::<std::collections::BTreeMap<usize, u8>>()
        .into_values()
        .collect();
    assert_eq!(levels.iter().filter(|level| **level < 2).count(), 1, "one title");
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "headings skip a level: {levels:?}");
    let tables = page.matches("<table").count();
    assert_eq!(tables, page.matches("<caption").count(), "a table without a caption");
}

#[test]
fn every_risky_identity_has_a_section_and_a_link() {
    let page = render(&analysis());
    check(&page);
    assert_eq!(page.matches("<section class=\"identity\"").count(), 3);
    assert_eq!(page.matches("<article class=\"finding\"").count(), 3);
    for link in ["#identity-1", "#identity-2", "#identity-3"] {
        assert!(page.contains(&format!("href=\"{link}\"")), "{link}");
    }
    assert!(page.contains("3 risky of 412 identities"));
    assert!(page.contains("Used its secret …a7f2 from a new network"), "the reason stands without the name");
    assert!(page.contains("AS3320 Deutsche Telekom AG (DE)"));
    assert!(page.contains("Ids of the first 40 of 4,120 events"));
}

#[test]
fn names_are_text_wherever_they_come_from() {
    let attack = "<script>alert(1)</script>\" onload=\"x' onclick='y\u{202e}gpj.exe";
    let mut analysis = analysis();
    let everywhere = || attack.to_owned();
    let principal = &mut analysis.risky[0];
    for field in [
        &mut principal.graph.display_name,
        &mut principal.graph.app_id,
        &mut principal.graph.service_principal_type,
        &mut principal.tenant,
    ] {
        *field = everywhere();
    }
    principal.risk.history[0].initiated_by = Some(everywhere());
    let timeline = analysis.timelines.get_mut(&principal.graph.id).unwrap();
    timeline.changes[0].1 = everywhere();
    for point in &mut timeline.points {
        (point.as_name, point.agent, point.resource) = (everywhere(), everywhere(), everywhere());
    }
    let finding = &mut analysis.findings[0];
    finding.name = everywhere();
    finding.event_ids = vec![everywhere()];
    finding.key_ids = vec![everywhere()];
    finding.reasons = vec![everywhere()];
    finding.evidence[0].dimension = everywhere();
    finding.explanation.verdict = format!("High. {attack} did it.");
    finding.explanation.facts = vec![everywhere()];
    finding.explanation.harmless_if = everywhere();
    finding.explanation.check_first = everywhere();
    analysis.notices[0].text = everywhere();
    analysis.notices[0].service_principals.push(everywhere());
    analysis.tables.addresses = everywhere();
    analysis.tables.feeds = vec![everywhere()];
    analysis.read.by_type.insert(everywhere(), 1);
    let skipped = analysis.read.skipped.values().next().unwrap().clone();
    let example = everywhere();
    analysis.read.skipped.insert(everywhere(), crate::analyze::result::Skipped { example, ..skipped });

    let page = render(&analysis);
    check(&page);
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload"));
    assert!(page.contains("⟨U+202E⟩") && !page.contains('\u{202e}'), "direction marks are shown");
    assert!(attributes(&page, "onload").is_empty() && attributes(&page, "onclick").is_empty());
}

#[test]
fn an_id_from_a_log_never_becomes_an_anchor() {
    let mut analysis = analysis();
    let hostile = "x\"><script>1</script>";
    let timeline = analysis.timelines.remove(&analysis.risky[0].graph.id).unwrap();
    analysis.timelines.insert(hostile.to_owned(), timeline);
    hostile.clone_into(&mut analysis.risky[0].graph.id);
    hostile.clone_into(&mut analysis.findings[0].id);
    analysis.risky[0].findings = vec![hostile.to_owned()];
    let page = render(&analysis);
    check(&page);
    assert_eq!(page.matches("<article class=\"finding\"").count(), 3);
}

#[test]
fn long_names_are_clipped_in_tables_and_whole_in_the_details() {
    let mut analysis = empty();
    let long = "ä".repeat(10_000);
    add(&mut analysis, 0, RiskLevel::High, &long);
    let page = render(&analysis);
    check(&page);
    let table = page.split("<table class=\"overview\">").nth(1).unwrap().split("</table>").next().unwrap();
    assert!(
        table.contains(&format!("{}…", "ä".repeat(NAME_MAX))) && !table.contains(&"ä".repeat(REASON_MAX + 1))
    );
    assert!(page.contains(&long));
    assert!(page.contains("All 10,000 characters"));
}

#[test]
fn an_identity_without_a_name_goes_by_its_application() {
    let mut analysis = empty();
    add(&mut analysis, 0, RiskLevel::Low, "");
    let page = render(&analysis);
    check(&page);
    assert!(page.contains("<a href=\"#identity-1\"><bdi>b1d2c3aa-"));
}

#[test]
fn nothing_risky_says_what_was_looked_at() {
    let mut analysis = analysis();
    analysis.risky.clear();
    analysis.findings.clear();
    analysis.timelines.clear();
    let page = render(&analysis);
    check(&page);
    assert!(page.contains("No identity is risky."));
    assert!(page.contains("1,199,990 events of 412 identities"));

    let page = render(&empty());
    check(&page);
    assert!(page.contains("Nothing was judged, either"));
    assert!(page.contains("Not measured yet"));
}

#[test]
fn an_old_address_table_is_warned_of() {
    let mut analysis = analysis();
    assert!(!render(&analysis).contains("Warning:"));
    analysis.tables.addresses_age_days = 91;
    assert!(render(&analysis).contains("Warning: </strong>the table is 91 days older"));
}

#[test]
fn a_finding_without_its_identity_s_timeline_is_still_told() {
    let mut analysis = analysis();
    analysis.timelines.clear();
    analysis.findings[0].score = f64::INFINITY;
    analysis.findings[1].evidence[0].ln = f64::NAN;
    check(&render(&analysis));
}

#[test]
fn a_hundred_busy_identities_stay_below_15_megabytes() {
    let mut analysis = empty();
    for number in 0..100 {
        add(&mut analysis, number, RiskLevel::Medium, "svc-busy");
        let id = analysis.risky[number].graph.id.clone();
        let timeline = analysis.timelines.get_mut(&id).unwrap();
        // Every hour of three months, from a network of its own each.
        let model = timeline.points[0].clone();
        timeline.points.extend((0..8_000).map(|at| Point {
            hour: model.hour.plus(at / 4 * countersign_model::time::HOUR),
            asn: (at % 40) as u32 + 1,
            agent: format!("agent-{at}"),
            ..model.clone()
        }));
        analysis.findings[number].event_ids =
            (0..200).map(|at| format!("8c1f0a6e-0000-4b7e-9a55-{at:012x}")).collect();
    }
    let page = render(&analysis);
    check(&page);
    assert!(page.len() < 15 << 20, "{} bytes", page.len());
}

#[test]
fn sections_are_bounded_and_the_list_is_whole() {
    let mut analysis = empty();
    for number in 0..=SECTIONS_MAX {
        add(&mut analysis, number, RiskLevel::Low, "svc-many");
    }
    let page = render(&analysis);
    check(&page);
    assert_eq!(page.matches("<section class=\"identity\"").count(), SECTIONS_MAX);
    assert!(page.contains("the JSON output holds the other 1 in full"));
}
