//! The report: one HTML file that holds everything and loads nothing.
//!
//! No script, no external resource; the content security policy says so to the browser, too. Names, agents
//! and messages come from logs, so they are written by strangers: they appear as text only, never in an
//! attribute, and [`text::visible`] shows the characters that would otherwise hide.

mod plot;
mod text;

#[cfg(test)]
pub(crate) mod fixture;

use std::collections::{BTreeSet, HashMap};

use countersign_detection::calibration::{CALIBRATION_LEVELS, Family};
use countersign_detection::detector::RiskyPrincipal;
use countersign_enrichment::table::AGE_DAYS_MAX;
use countersign_model::finding::{Finding, LearningState, Notice};
use countersign_model::risk::{RiskDetail, RiskEventType, RiskLevel, RiskState};
use countersign_model::time::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::analyze::result::{Analysis, Point, Timeline};
use plot::{Bars, Shown};
use text::{clipped, count, factor, folded, grouped, visible};

const STYLE: &str = include_str!("report/style.css");

/// Only inline style: a name that slipped through as markup could neither run nor load anything.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Identities with a section of their own; the rest are listed. Nobody reads five hundred, and JSON has all.
const SECTIONS_MAX: usize = 500;
/// Marks in all plots together, about 100 bytes each: a report of 100 identities stays below 15 MB.
const MARKS_MAX: usize = 80_000;
/// Marks of one plot.
const PLOT_MARKS: std::ops::RangeInclusive<usize> = 150..=2_000;
/// Networks in the table beside a plot.
const NETWORKS_MAX: usize = 60;
/// Identities named with a notice.
const NOTICE_PRINCIPALS_MAX: usize = 200;
/// Longest name in a table or heading, in characters.
const NAME_MAX: usize = 60;
/// Longest reason in the table of identities.
const REASON_MAX: usize = 200;
/// Longest sentence shown unfolded.
const SENTENCE_MAX: usize = 700;

/// Makes the report.
pub(crate) fn render(analysis: &Analysis) -> String {
    let sections = Sections::new(analysis);
    let headline = headline(analysis);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(CONTENT_SECURITY_POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="color-scheme" content="light dark";
                title { "Countersign: " (headline) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                (header(analysis, &headline))
                main #main tabindex="-1" {
                    (notices(&analysis.notices, &sections))
                    (overview(analysis, &sections))
                    @for (at, principal) in sections.principals.iter().enumerate() {
                        (principal_section(analysis, &sections, at, principal))
                    }
                    (calibration(analysis))
                    (what_was_read(analysis))
                    (how_to_read(analysis))
                }
                footer { p { "Made by Countersign " (env!("CARGO_PKG_VERSION")) ". All times are UTC." } }
            }
        }
    };
    page.into_string()
}

/// Which identities have a section, and how fine their plots may be.
struct Sections<'a> {
    principals: &'a [RiskyPrincipal],
    by_principal: HashMap<&'a str, usize>,
    findings: HashMap<&'a str, usize>,
    marks_max: usize,
}

impl<'a> Sections<'a> {
    fn new(analysis: &'a Analysis) -> Self {
        let principals = &analysis.risky[..analysis.risky.len().min(SECTIONS_MAX)];
        let ids = principals.iter().enumerate().map(|(at, principal)| (principal.graph.id.as_str(), at));
        let findings = analysis.findings.iter().enumerate().map(|(at, finding)| (finding.id.as_str(), at));
        Self {
            principals,
            by_principal: ids.collect(),
            findings: findings.collect(),
            marks_max: (MARKS_MAX / principals.len().max(1)).clamp(*PLOT_MARKS.start(), *PLOT_MARKS.end()),
        }
    }

    /// Places of the identity's findings in [`Analysis::findings`], strongest first.
    fn findings_of(&self, principal: &RiskyPrincipal) -> Vec<usize> {
        principal.findings.iter().filter_map(|id| self.findings.get(id.as_str()).copied()).collect()
    }
}

/// Ids are made from places in the report, never from what logs hold.
fn anchor(at: usize) -> String {
    format!("identity-{}", at + 1)
}

fn headline(analysis: &Analysis) -> String {
    format!(
        "{} risky of {}",
        grouped(analysis.risky.len() as u64),
        count(analysis.read.principals, "identity")
    )
}

fn header(analysis: &Analysis, headline: &str) -> Markup {
    let Analysis { read, tables, budget, measured, .. } = analysis;
    let is_old = tables.addresses_age_days > AGE_DAYS_MAX;
    let by_level = |level: RiskLevel| {
        analysis.risky.iter().filter(|principal| principal.graph.risk_level == level).count()
    };
    html! {
        header {
            p.product { "Countersign" }
            h1 { "Risk of workload identities" }
            p.headline {
                strong { (headline) }
                @if !analysis.risky.is_empty() {
                    " · " (by_level(RiskLevel::High)) " high, " (by_level(RiskLevel::Medium)) " medium, "
                    (by_level(RiskLevel::Low)) " low"
                    @let past = by_level(RiskLevel::None);
                    @if past > 0 { ", " (past) " no longer at risk" }
                }
            }
            dl.facts {
                div { dt { "Time span" } dd { (span_words(read.span)) } }
                div { dt { "Judged" } dd {
                    (count(read.events(), "event")) " from " (count(read.files, "file"))
                    " (" (text::bytes(read.bytes)) ")"
                } }
                div { dt { "Address table" } dd {
                    (clipped(&tables.addresses, 120))
                    @if is_old {
                        p.warning {
                            strong { "Warning: " }
                            "the table is " (count(tables.addresses_age_days as u64, "day"))
                            " older than the newest event. Networks and countries may have changed since."
                        }
                    } @else if tables.addresses_age_days > 0 {
                        ", " (count(tables.addresses_age_days as u64, "day")) " old at the newest event"
                    } @else if tables.addresses_age_days < -AGE_DAYS_MAX {
                        ", " (count(tables.addresses_age_days.unsigned_abs(), "day"))
                        " newer than the newest event: some addresses may have been others’ then"
                    }
                } }
                div { dt { "False alarms" } dd {
                    "Accepted: " (budget.per_1000_and_day()) " per 1,000 identities and day. "
                    @match measured.false_alarm_rate() {
                        Some(_) if measured.unsupported == 0 => {
                            "Measured here: none. In " (count(measured.identity_days, "identity-day"))
                            ", every finding of medium or high was supported by more than the sign-ins "
                            "themselves."
                        }
                        Some(rate) => {
                            "Measured here: at most " (factor(rate)) ". In "
                            (count(measured.identity_days, "identity-day")) ", "
                            (count(measured.unsupported, "finding"))
                            " of medium or high had nothing but the sign-ins themselves to support it. Each "
                            "such finding is counted as false, though some may be attacks."
                        }
                        None => "Not measured yet: that takes a whole day of events.",
                    }
                } }
            }
            nav aria-label="Contents" {
                ul {
                    @if !analysis.notices.is_empty() { li { a href="#notices" { "Notices" } } }
                    li { a href="#risky" { "Risky identities" } }
                    li { a href="#read" { "What was read" } }
                    li { a href="#how" { "How to read this" } }
                }
            }
        }
    }
}

fn span_words(span: Option<(Timestamp, Timestamp)>) -> Markup {
    html! {
        @match span {
            Some((from, to)) => {
                (moment(from)) " to " (moment(to)) " UTC ("
                (count((to.day() - from.day() + 1).max(1) as u64, "day")) ")"
            }
            None => "no event",
        }
    }
}

fn moment(time: Timestamp) -> Markup {
    html! { time datetime=(time) { (time.minute()) } }
}

fn notices(notices: &[Notice], sections: &Sections<'_>) -> Markup {
    html! {
        @if !notices.is_empty() {
            section aria-labelledby="notices" {
                h2 #notices { "Notices" }
                ul.notices {
                    @for notice in notices {
                        li {
                            p { (moment(notice.time)) ": " (folded(&notice.text, SENTENCE_MAX)) }
                            @if !notice.service_principals.is_empty() {
                                (notice_principals(notice, sections))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn notice_principals(notice: &Notice, sections: &Sections<'_>) -> Markup {
    let more = notice.service_principals.len().saturating_sub(NOTICE_PRINCIPALS_MAX);
    html! {
        details {
            summary { (count(notice.service_principals.len() as u64, "identity")) }
            ul.plain {
                @for id in notice.service_principals.iter().take(NOTICE_PRINCIPALS_MAX) {
                    li { @match sections.by_principal.get(id.as_str()) {
                        Some(at) => a href={ "#" (anchor(*at)) } {
                            (clipped(name(&sections.principals[*at]), NAME_MAX))
                        },
                        None => code { (clipped(id, NAME_MAX)) },
                    } }
                }
                @if more > 0 { li { "and " (grouped(more as u64)) " more" } }
            }
        }
    }
}

/// Its name, or what else there is to call it by.
fn name(principal: &RiskyPrincipal) -> &str {
    let graph = &principal.graph;
    [&graph.display_name, &graph.app_id].into_iter().find(|text| !text.trim().is_empty()).unwrap_or(&graph.id)
}

fn overview(analysis: &Analysis, sections: &Sections<'_>) -> Markup {
    let without_section = analysis.risky.len() - sections.principals.len();
    html! {
        section aria-labelledby="risky" {
            h2 #risky { "Risky identities" }
            @if analysis.risky.is_empty() {
                (nothing_risky(analysis))
            } @else {
                div.wide role="group" aria-labelledby="risky-caption" tabindex="0" {
                    table.overview {
                        caption #risky-caption { "Riskiest first. Names lead to the details." }
                        thead { tr {
                            th scope="col" { "Level" }
                            th scope="col" { "Identity" }
                            th scope="col" { "State" }
                            th scope="col" { "First and last" }
                            th scope="col" { "Strongest reason" }
                        } }
                        tbody { @for (at, principal) in analysis.risky.iter().enumerate() {
                            (overview_row(analysis, sections, at, principal))
                        } }
                    }
                }
                @if without_section > 0 {
                    p.note {
                        "The first " (grouped(sections.principals.len() as u64)) " are described below; "
                        "the JSON output holds the other " (grouped(without_section as u64)) " in full."
                    }
                }
            }
        }
    }
}

fn overview_row(
    analysis: &Analysis,
    sections: &Sections<'_>,
    at: usize,
    principal: &RiskyPrincipal,
) -> Markup {
    let (first, last) = principal.activity;
    let findings = sections.findings_of(principal);
    html! {
        tr {
            td { (level(principal.graph.risk_level)) }
            th scope="row" {
                @if at < sections.principals.len() {
                    a href={ "#" (anchor(at)) } { (clipped(name(principal), NAME_MAX)) }
                } @else {
                    (clipped(name(principal), NAME_MAX))
                }
                span.id { (clipped(&principal.graph.app_id, NAME_MAX)) }
            }
            td.state { (state_words(principal.graph.risk_state)) }
            td.when { (moment(first)) br; (moment(last)) }
            td {
                @if let Some(finding) = findings.first().map(|at| &analysis.findings[*at]) {
                    (clipped(&reason(finding), REASON_MAX))
                }
                @if findings.len() > 1 { span.more { (count(findings.len() as u64, "finding")) } }
            }
        }
    }
}

/// The verdict without level and name, which stand beside it.
fn reason(finding: &Finding) -> String {
    let verdict = &finding.explanation.verdict;
    let names = [&finding.name, &finding.app];
    let rest = names.into_iter().filter(|name| !name.is_empty()).find_map(|name| {
        let (_, rest) = verdict.split_once(". ")?;
        rest.strip_prefix(name.as_str())?.strip_prefix(' ')
    });
    let text = rest.unwrap_or(verdict).trim_end_matches('.');
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => finding.risk_event_type.as_str().to_owned(),
    }
}

fn nothing_risky(analysis: &Analysis) -> Markup {
    let read = &analysis.read;
    html! {
        div.quiet {
            p { strong { "No identity is risky." } }
            @if read.events() == 0 {
                p {
                    "Nothing was judged, either: no event of a workload identity was read. What was skipped, "
                    "and why, stands below."
                }
            } @else {
                p {
                    "Looked at were " (count(read.events(), "event")) " of "
                    (count(read.principals, "identity")) ", " (span_words(read.span))
                    ". In none was the evidence for an attack strong enough to be listed, given the false "
                    "alarms that are accepted: " (analysis.budget.per_1000_and_day())
                    " per 1,000 identities and day."
                }
                p {
                    "That no risk was found does not prove that there is none: an attack that looks like the "
                    "identity’s own work, or that is missing from these logs, is not seen."
                }
            }
        }
    }
}

/// The word is the signal; colour only repeats it.
fn level(level: RiskLevel) -> Markup {
    let (class, word) = match level {
        RiskLevel::High => ("level high", "High"),
        RiskLevel::Medium => ("level medium", "Medium"),
        RiskLevel::Low => ("level low", "Low"),
        RiskLevel::None => ("level none", "None"),
    };
    html! { span class=(class) { (word) } }
}

fn state_words(state: RiskState) -> &'static str {
    match state {
        RiskState::None => "not at risk",
        RiskState::ConfirmedSafe => "confirmed safe",
        RiskState::Remediated => "remediated",
        RiskState::Dismissed => "dismissed",
        RiskState::AtRisk => "at risk",
        RiskState::ConfirmedCompromised => "confirmed compromised",
    }
}

fn detail_words(detail: RiskDetail) -> &'static str {
    match detail {
        RiskDetail::None => "by its findings",
        RiskDetail::AdminConfirmedServicePrincipalCompromised => "an administrator confirmed the compromise",
        RiskDetail::AdminDismissedAllRiskForServicePrincipal => "an administrator dismissed the risk",
    }
}

fn type_words(risk_event_type: RiskEventType) -> &'static str {
    match risk_event_type {
        RiskEventType::SuspiciousSignins => "Suspicious sign-ins",
        RiskEventType::LeakedCredentials => "Leaked credentials",
        RiskEventType::AnomalousServicePrincipalActivity => "Anomalous service principal activity",
        RiskEventType::SuspiciousApiTraffic => "Suspicious API traffic",
        RiskEventType::InvestigationsThreatIntelligence => "Threat intelligence",
        RiskEventType::MaliciousApplication => "Malicious application",
        RiskEventType::SuspiciousApplication => "Suspicious application",
        RiskEventType::AdminConfirmedServicePrincipalCompromised => {
            "Compromise confirmed by an administrator"
        }
    }
}

fn principal_section(
    analysis: &Analysis,
    sections: &Sections<'_>,
    at: usize,
    principal: &RiskyPrincipal,
) -> Markup {
    let id = anchor(at);
    let findings: Vec<&Finding> =
        sections.findings_of(principal).into_iter().map(|at| &analysis.findings[at]).collect();
    html! {
        section.identity aria-labelledby=(id) {
            h2 id=(id) { (level(principal.graph.risk_level)) " " (clipped(name(principal), NAME_MAX)) }
            (principal_facts(principal))
            (activity(analysis, sections, principal, &id))
            @for (at, finding) in findings.iter().enumerate() {
                (finding_article(analysis, finding, at + 1, &id))
            }
            p.back { a href="#risky" { "Back to the list" } }
        }
    }
}

fn principal_facts(principal: &RiskyPrincipal) -> Markup {
    let graph = &principal.graph;
    html! {
        dl.facts {
            @if name(principal).chars().count() > NAME_MAX {
                div { dt { "Name" } dd { (folded(name(principal), NAME_MAX)) } }
            }
            div { dt { "Object id" } dd { code { (clipped(&graph.id, NAME_MAX)) } } }
            div { dt { "Application id" } dd { code { (clipped(&graph.app_id, NAME_MAX)) } } }
            div { dt { "Tenant" } dd { code { (clipped(&principal.tenant, NAME_MAX)) } } }
            div { dt { "Type" } dd {
                (clipped(&graph.service_principal_type, NAME_MAX)) ", "
                (if graph.is_enabled { "enabled" } else { "disabled" })
            } }
            div { dt { "Active" } dd {
                (moment(principal.activity.0)) " to " (moment(principal.activity.1))
            } }
            div { dt { "State" } dd {
                (state_words(graph.risk_state)) ", " (detail_words(graph.risk_detail))
            } }
            @if !principal.risk.history.is_empty() { div { dt { "Risk history" } dd { ol.history {
                @for item in &principal.risk.history {
                    li {
                        (moment(item.time)) " " (level(item.level)) " " (state_words(item.state)) ", "
                        (detail_words(item.detail))
                        @if let Some(by) = &item.initiated_by { ", by " (clipped(by, NAME_MAX)) }
                    }
                }
            } } } }
        }
    }
}

fn activity(analysis: &Analysis, sections: &Sections<'_>, principal: &RiskyPrincipal, id: &str) -> Markup {
    let Some(timeline) = analysis.timelines.get(&principal.graph.id) else { return html! {} };
    let shown: Vec<Shown> = sections
        .findings_of(principal)
        .into_iter()
        .enumerate()
        .map(|(at, index)| {
            let finding = &analysis.findings[index];
            Shown { index, number: at + 1, from: finding.activity, to: finding.last_activity }
        })
        .collect();
    let span = analysis.read.span.unwrap_or(principal.activity);
    let unmarked = shown.iter().any(|shown| {
        let finding = &analysis.findings[shown.index];
        finding.events > finding.event_ids.len() as u64
    });
    html! {
        h3 { "Where it was active" }
        @if timeline.points.is_empty() {
            p { "No event of it is left to draw." }
        } @else {
            (legend(timeline))
            div.wide role="group" aria-label="Plot of the activity" tabindex="0" {
                (plot::timeline(timeline, span, &shown, sections.marks_max, &format!("{id}-plot")))
            }
            @if unmarked {
                p.note {
                    "Of a finding with many events, only the first ones, listed below, are marked as its own."
                }
            }
            @if timeline.omitted > 0 {
                p.note {
                    (count(timeline.omitted, "event"))
                    " left out, beyond what a plot can hold; none belongs to a finding."
                }
            }
            (activity_table(timeline, &shown))
        }
        @if !timeline.changes.is_empty() { (changes_table(timeline)) }
    }
}

fn legend(timeline: &Timeline) -> Markup {
    html! {
        p.legend {
            (key(&html! { circle.usual cx="8" cy="8" r="5" {} }, "events; the larger, the more"))
            @if timeline.points.iter().any(|point| point.finding.is_some()) {
                (key(&html! { path.found d="M8 1l7 7l-7 7l-7-7z" {} }, "events of a finding"))
            }
            @if timeline.points.iter().any(|point| point.failed > 0) {
                (key(&html! { circle."usual failed" cx="8" cy="8" r="5" {} }, "hollow: all failed"))
            }
            @if !timeline.changes.is_empty() {
                (key(&html! { path.change d="M8 13l-6-10h12z" {} }, "directory change"))
            }
        }
    }
}

fn key(shape: &Markup, words: &str) -> Markup {
    html! { span { svg.key viewBox="0 0 16 16" aria-hidden="true" { (shape) } (words) } }
}

fn activity_table(timeline: &Timeline, shown: &[Shown]) -> Markup {
    let networks = plot::networks(timeline);
    let more = networks.len().saturating_sub(NETWORKS_MAX);
    html! {
        details {
            summary { "The same as a table: " (count(networks.len() as u64, "network")) }
            div.wide {
                table {
                    caption { "Activity by network" }
                    thead { tr {
                        th scope="col" { "Network" }
                        th scope="col" { "Addresses" }
                        th scope="col" { "User agents" }
                        th scope="col" { "Resources" }
                        th scope="col" { "First and last hour" }
                        th.number scope="col" { "Events" }
                        th.number scope="col" { "Failed" }
                        th scope="col" { "Findings" }
                    } }
                    tbody { @for (network, points) in networks.iter().take(NETWORKS_MAX) {
                        @let name = plot::network_name(*network, plot::name_of(points), NAME_MAX);
                        (network_row(&name, points, shown))
                    } }
                }
            }
            @if more > 0 { p.note { (count(more as u64, "network")) " more with fewer events." } }
        }
    }
}

fn network_row(name: &str, points: &[&Point], shown: &[Shown]) -> Markup {
    let total = |of: fn(&Point) -> u64| grouped(points.iter().map(|point| of(point)).sum());
    html! {
        tr {
            th scope="row" { bdi { (name) } }
            td { (some_of(points.iter().filter_map(|point| point.ip).map(|ip| ip.to_string()))) }
            td { (some_of(points.iter().map(|point| point.agent.clone()))) }
            td { (some_of(points.iter().map(|point| point.resource.clone()))) }
            td.when { (hours(points)) }
            td.number { (total(|point| point.succeeded + point.failed)) }
            td.number { (total(|point| point.failed)) }
            td { (numbers(points, shown)) }
        }
    }
}

/// The first three different ones, and how many more there are.
fn some_of(texts: impl Iterator<Item = String>) -> Markup {
    const SHOWN: usize = 3;
    let texts: BTreeSet<String> = texts.filter(|text| !text.is_empty()).collect();
    html! {
        @for (at, text) in texts.iter().take(SHOWN).enumerate() {
            @if at > 0 { br; }
            (clipped(text, 44))
        }
        @if texts.is_empty() { "none" }
        @if texts.len() > SHOWN { br; "and " (grouped((texts.len() - SHOWN) as u64)) " more" }
    }
}

fn hours(points: &[&Point]) -> Markup {
    let hours = || points.iter().map(|point| point.hour);
    html! {
        @if let (Some(first), Some(last)) = (hours().min(), hours().max()) {
            (moment(first)) br; (moment(last))
        }
    }
}

fn numbers(points: &[&Point], shown: &[Shown]) -> String {
    let indices: BTreeSet<usize> = points.iter().filter_map(|point| point.finding).collect();
    let numbers = shown.iter().filter(|shown| indices.contains(&shown.index));
    let numbers: Vec<String> = numbers.map(|shown| shown.number.to_string()).collect();
    if numbers.is_empty() { "none".to_owned() } else { numbers.join(", ") }
}

fn changes_table(timeline: &Timeline) -> Markup {
    html! {
        details {
            summary { (count(timeline.changes.len() as u64, "directory change")) " that concern it" }
            table {
                caption { "Directory changes" }
                thead { tr { th scope="col" { "Time" } th scope="col" { "Change" } } }
                tbody { @for (time, words) in &timeline.changes {
                    tr { td.when { (moment(*time)) } td { (folded(words, SENTENCE_MAX)) } }
                } }
            }
        }
    }
}

fn finding_article(analysis: &Analysis, finding: &Finding, number: usize, id: &str) -> Markup {
    let explanation = &finding.explanation;
    let id = format!("{id}-finding-{number}");
    html! {
        article.finding aria-labelledby=(id) {
            h3 id=(id) {
                "Finding " (number) ": " (type_words(finding.risk_event_type)) " " (level(finding.level))
            }
            p.verdict { (folded(&explanation.verdict, SENTENCE_MAX)) }
            p.when {
                (moment(finding.activity)) " to " (moment(finding.last_activity)) ", "
                (count(finding.events, "event")) "; " (learning_words(finding.learning))
                @if finding.corroborated { "; supported by more than the sign-in itself" }
                @if finding.late { "; some of its events arrived late" }
                "."
            }
            @if !explanation.facts.is_empty() {
                ol.reasons { @for fact in &explanation.facts { li { (folded(fact, SENTENCE_MAX)) } } }
            }
            (evidence(analysis, finding, number))
            dl.advice {
                @if !explanation.harmless_if.is_empty() {
                    div { dt { "Harmless if" } dd { (folded(&explanation.harmless_if, SENTENCE_MAX)) } }
                }
                @if !explanation.check_first.is_empty() {
                    div { dt { "Check first" } dd { (folded(&explanation.check_first, SENTENCE_MAX)) } }
                }
                @if !finding.key_ids.is_empty() {
                    div { dt { "Key ids" } dd { @for (at, key) in finding.key_ids.iter().enumerate() {
                        @if at > 0 { ", " }
                        code { (clipped(key, NAME_MAX)) }
                    } } }
                }
                @if !finding.reasons.is_empty() {
                    div { dt { "Reason codes" } dd { @for (at, reason) in finding.reasons.iter().enumerate() {
                        @if at > 0 { ", " }
                        code { (clipped(reason, NAME_MAX)) }
                    } } }
                }
            }
            (event_ids(finding))
        }
    }
}

fn learning_words(learning: LearningState) -> &'static str {
    match learning {
        LearningState::Cold => "the identity was hardly known (cold)",
        LearningState::Learning => "its habits were still being learnt",
        LearningState::Learnt => "its habits were learnt",
    }
}

/// Plot and text alternative in one: a table whose last column is drawn.
fn evidence(analysis: &Analysis, finding: &Finding, number: usize) -> Markup {
    let [low, medium, high] = analysis.budget.thresholds();
    let mut terms: Vec<_> = finding.evidence.iter().collect();
    terms.sort_by(|a, b| b.ln.total_cmp(&a.ln));
    let bars = Bars::over(terms.iter().map(|term| term.ln).chain([finding.score, high]));
    html! {
        table.evidence {
            caption { "Evidence of finding " (number) ", strongest first" }
            thead { tr {
                th scope="col" { "Dimension" }
                th.number scope="col" { "Factor" }
                th scope="col" { "Against it ← → for an attack, logarithmic" }
            } }
            tbody { @for term in terms {
                tr {
                    th scope="row" { (clipped(dimension_words(&term.dimension), NAME_MAX)) }
                    td.number { (plot::factor_words(term.ln)) }
                    @let class = if term.ln < 0.0 { "against" } else { "for" };
                    td { (bars.bar(term.ln, class, &[])) }
                }
            } }
            tfoot { tr {
                th scope="row" { "Together" }
                td.number { "1 : " (factor(finding.score.exp())) }
                td { (bars.bar(finding.score, "all", &[(low, "low"), (medium, "medium"), (high, "high")])) }
            } }
        }
        p.note {
            "Low begins at 1 : " (factor(low.exp())) ", medium at 1 : " (factor(medium.exp()))
            ", high at 1 : " (factor(high.exp()))
            ", or at medium’s when something besides the events themselves supports it. "
            @if let Some(rate) = finding.measured_rate {
                "Other findings at least this strong: " (factor(rate)) " per 1,000 identities and day here."
            }
        }
    }
}

fn dimension_words(dimension: &str) -> &str {
    match dimension {
        "source" => "Source address and network",
        "agent" => "User agent",
        "resource" => "Resource",
        "credential" => "Credential",
        "time" => "Hour of the week",
        "parallelUse" => "Old network used in parallel",
        "moved" => "Old network fell silent",
        "movedTogether" => "Others moved with it",
        "threatIntelligence" => "Threat intelligence",
        "dormancy" => "Long silence before",
        "volume" => "Volume of calls",
        "breadth" => "New requests and classes",
        "errors" => "Failed calls",
        "slowVolume" => "Slow increase",
        "token" => "Token used elsewhere",
        "revokedRole" => "Removed permission in the token",
        "operation" => "Operation, for this actor",
        "authority" => "What was given",
        "trust" => "Issuer and breadth of the trust",
        "target" => "Rank of what was changed",
        "actor" => "Actor, for this identity",
        "properties" => "Properties that changed",
        "place" => "Network of the actor",
        "burst" => "Many at once",
        "selfGrant" => "Gave rights to itself",
        "lowerTierActor" => "Actor of lower rank",
        "freshAuthority" => "Right less than a day old",
        "createUseDelete" => "Made, used and deleted",
        "chain" => "Completes a chain of changes",
        "stepBefore" => "The step before it",
        "daysBefore" => "Days before",
        "privilegeJump" => "New right used within a day",
        "pattern" => "Known pattern, rare here",
        "disabledByMicrosoft" => "Disabled by Microsoft",
        "listed" => "On a list of abused applications",
        "consentBlocked" => "Consent refused as risky",
        "lookAlikeName" => "Name that looks like another",
        "brandName" => "Name of a brand",
        "mixedScript" => "Letters of several alphabets",
        "oddName" => "Name that says nothing",
        "publisher" => "Publisher",
        "young" => "Age of the registration",
        "replyAddress" | "replyHost" | "replyHttp" => "Reply address",
        "permission" => "Strongest permission",
        "consents" => "Who consented",
        "credentialWithConsent" => "Credential soon after consent",
        other => other,
    }
}

fn event_ids(finding: &Finding) -> Markup {
    let kept = finding.event_ids.len() as u64;
    html! {
        @if kept > 0 {
            details {
                summary {
                    @if finding.events > kept {
                        "Ids of the first " (grouped(kept)) " of " (count(finding.events, "event"))
                    } @else {
                        "Ids of the " (count(kept, "event"))
                    }
                }
                pre.ids tabindex="0" { @for id in &finding.event_ids { (visible(id)) "\n" } }
            }
        }
        p.id { "Finding " (visible(&finding.id)) }
    }
}

fn what_was_read(analysis: &Analysis) -> Markup {
    let read = &analysis.read;
    html! {
        section.last aria-labelledby="read" {
            h2 #read { "What was read" }
            p {
                (count(read.records, "record")) " in " (count(read.files, "file")) " ("
                (text::bytes(read.bytes)) "): " (count(read.events(), "event")) " taken in, "
                (count(read.repeated, "repeated event")) " counted once, "
                (count(read.unreadable(), "record")) " damaged."
            }
            @if !read.by_type.is_empty() {
                table.narrow {
                    caption { "Records by log" }
                    thead { tr { th scope="col" { "Log" } th.number scope="col" { "Records" } } }
                    tbody { @for (log, records) in &read.by_type {
                        tr { th scope="row" { (clipped(log, NAME_MAX)) } td.number { (grouped(*records)) } }
                    } }
                }
            }
            (skipped(analysis))
            h3 { "Threat intelligence, lists and inventory" }
            @if analysis.tables.feeds.is_empty() {
                p { "None was loaded." }
            } @else {
                ul { @for feed in &analysis.tables.feeds { li { (folded(feed, SENTENCE_MAX)) } } }
            }
            @if !analysis.tables.patterns.is_empty() {
                h3 { "Known patterns" }
                ul { @for line in &analysis.tables.patterns { li { (folded(line, SENTENCE_MAX)) } } }
            }
        }
    }
}

fn skipped(analysis: &Analysis) -> Markup {
    let mut skipped: Vec<_> = analysis.read.skipped.iter().collect();
    skipped
        .sort_by(|(a_reason, a), (b_reason, b)| b.count.cmp(&a.count).then_with(|| a_reason.cmp(b_reason)));
    html! {
        @if !skipped.is_empty() {
            table {
                caption { "Skipped records" }
                thead { tr {
                    th scope="col" { "Reason" }
                    th.number scope="col" { "Records" }
                    th scope="col" { "Kind" }
                    th scope="col" { "First example" }
                } }
                tbody { @for (reason, skipped) in skipped {
                    tr {
                        th scope="row" { (clipped(reason, REASON_MAX)) }
                        td.number { (grouped(skipped.count)) }
                        td { (if skipped.unreadable { "damaged" } else { "not concerned" }) }
                        td.example { (folded(&skipped.example, REASON_MAX)) }
                    }
                } }
            }
        }
    }
}

/// Whether the levels keep what they promise in this tenant.
fn calibration(analysis: &Analysis) -> Markup {
    let calibration = &analysis.calibration;
    let broken: Vec<_> = calibration.broken().collect();
    html! {
        section aria-labelledby="calibration" {
            h2 #calibration { "Calibration" }
            p {
                "Evidence of 1 : n may be reached on at most one in n harmless identity-days. This is how often it "
                "was, over " (count(calibration.identity_days, "identity-day"))
                ". Attacks count, too, so each number is an upper bound."
            }
            @for (family, evidence, ratio) in &broken {
                p.warning {
                    strong { "Evidence of 1 : " (factor(*evidence)) " in " (family.name()) " was reached "
                        (factor(*ratio)) " times as often as promised." }
                    " Trust that level less in this tenant, or lower the budget."
                }
            }
            table {
                caption { "Identity-days that reached each evidence: measured, and most that are promised" }
                thead { tr {
                    th scope="col" { "Evidence" }
                    @for family in Family::ALL { th.number scope="col" { (family.name()) } }
                    th.number scope="col" { "Promised at most" }
                } }
                tbody { @for (level, evidence) in CALIBRATION_LEVELS.into_iter().enumerate() {
                    tr {
                        th scope="row" { "1 : " (factor(evidence)) }
                        @for family in Family::ALL {
                            td.number { (grouped(calibration.reached[family as usize][level])) }
                        }
                        td.number { (factor(calibration.identity_days as f64 / evidence)) }
                    }
                } }
            }
        }
    }
}

fn how_to_read(analysis: &Analysis) -> Markup {
    let [low, medium, high] = analysis.budget.thresholds().map(|ln| factor(ln.exp()));
    html! {
        section aria-labelledby="how" {
            h2 #how { "How to read this" }
            dl.advice {
                div { dt { "Evidence 1 : n" } dd {
                    "What was seen is n times as likely if somebody else acts in its name as if the "
                    "identity goes about its usual work. Factors of the dimensions multiply; bars show "
                    "their logarithms, so lengths add up."
                } }
                div { dt { "Not a probability" } dd {
                    "Attacks are rare: even evidence of 1 : 1,000 can be harmless. That is why each finding "
                    "says what would make it so."
                } }
                div { dt { "Low" } dd { "From 1 : " (low) ". Listed; nobody needs to be called." } }
                div { dt { "Medium" } dd {
                    "From 1 : " (medium) ", in a new network, on an indicator, by unusual calls or changes. Worth a look today."
                } }
                div { dt { "High" } dd {
                    "From 1 : " (high) ", or from 1 : " (medium)
                    " when something besides the events themselves supports it. Act now."
                } }
                div { dt { "Budget" } dd {
                    "The false alarms you accept. Levels move with it, and a finding that nothing else "
                    "supports takes a share of it; when it is used up, further ones are listed as low."
                } }
                div { dt { "Measured rate" } dd {
                    "A cautious count: every finding that nothing else supports is taken for a false one."
                } }
                div { dt { "Learning" } dd {
                    "Cold: fewer than 3 runs on 2 days, judged by its peers, never above medium. Learning: "
                    "its own rate of novelty is still uncertain. Learnt: judged by its own past."
                } }
                div { dt { "Identity" } dd {
                    "A service principal or managed identity; people are not judged here."
                } }
                div { dt { "Repeatable" } dd {
                    "The same logs, tables and budget give the same findings with the same ids."
                } }
            }
        }
    }
}

#[cfg(test)]
mod tests;
