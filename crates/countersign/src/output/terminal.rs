//! The result as text: what was read, the risky identities, and the explanation of each finding.

use std::io::{self, IsTerminal as _, Write};

use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, Width};
use countersign_model::finding::Finding;
use countersign_model::risk::RiskLevel;

use super::{count, grouped, one_line};
use crate::analyze::result::{Analysis, Read};

/// Width of text that goes to no terminal.
const WIDTH_WITHOUT_TERMINAL: u16 = 110;
/// Findings explained on the terminal; files hold all of them.
const EXPLAINED_MAX: usize = 100;
/// Lines about known patterns on the terminal; files hold all of them.
const PATTERN_LINES_MAX: usize = 12;
/// Characters of a name in a table: as many as the id below it has.
const NAME_MAX: usize = 36;
/// Characters of a GUID, with a blank on each side.
const ID_WIDTH: u16 = 38;

/// How text may look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    colour: bool,
    width: u16,
}

impl Style {
    /// Colours only on a terminal, and only if the user did not say `NO_COLOR`.
    pub(super) fn of_stdout() -> Self {
        let is_terminal = io::stdout().is_terminal();
        let width = if is_terminal { Table::new().width() } else { None };
        Style {
            colour: is_terminal && std::env::var_os("NO_COLOR").is_none(),
            width: width.unwrap_or(WIDTH_WITHOUT_TERMINAL).max(60),
        }
    }

    fn level(self, level: RiskLevel) -> Cell {
        let cell = Cell::new(level.as_str());
        match (self.colour, level) {
            (true, RiskLevel::High) => cell.fg(Color::Red).add_attribute(Attribute::Bold),
            (true, RiskLevel::Medium) => cell.fg(Color::Yellow),
            _ => cell,
        }
    }

    fn bold(self, text: &str) -> String {
        if self.colour { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

pub(super) fn write(analysis: &Analysis, spilled: u64, style: Style, out: &mut impl Write) -> io::Result<()> {
    read(&analysis.read, spilled, style, out)?;
    for feed in &analysis.tables.feeds {
        writeln!(out, "  threat intelligence  {}", one_line(feed))?;
    }
    for line in analysis.tables.patterns.iter().take(PATTERN_LINES_MAX) {
        writeln!(out, "  known patterns  {}", one_line(line))?;
    }
    if let Some(more) = analysis.tables.patterns.len().checked_sub(PATTERN_LINES_MAX).filter(|more| *more > 0)
    {
        writeln!(
            out,
            "  known patterns  and {} more: --json or --report hold them all",
            count(more as u64, "line")
        )?;
    }
    writeln!(out)?;
    for notice in &analysis.notices {
        wrapped(out, "Notice: ", "        ", &notice.text, style.width)?;
    }
    if analysis.risky.is_empty() {
        writeln!(
            out,
            "{}",
            style.bold(&format!(
                "No risk found among {}.",
                count(analysis.read.principals, "workload identity")
            ))
        )?;
    } else {
        risky(analysis, style, out)?;
        for finding in analysis.findings.iter().take(EXPLAINED_MAX) {
            writeln!(out)?;
            explain(finding, style, out)?;
        }
        if let Some(more) = analysis.findings.len().checked_sub(EXPLAINED_MAX).filter(|more| *more > 0) {
            writeln!(out, "\nand {} more: --report or --detections hold them all", grouped(more as u64))?;
        }
    }
    budget(analysis, style, out)
}

fn read(read: &Read, spilled: u64, style: Style, out: &mut impl Write) -> io::Result<()> {
    let span =
        read.span.map_or(String::new(), |(from, to)| format!(", {} to {} UTC", from.minute(), to.minute()));
    writeln!(
        out,
        "{}",
        style.bold(&format!(
            "Read {} in {}: {} of {}{span}",
            count(read.records, "record"),
            count(read.files, "file"),
            count(read.events(), "event"),
            count(read.principals, "workload identity"),
        ))
    )?;
    for (log, records) in &read.by_type {
        writeln!(out, "  {:>13}  {}", grouped(*records), one_line(log))?;
    }
    if read.repeated > 0 {
        writeln!(out, "  {:>13}  delivered more than once, counted once", grouped(read.repeated))?;
    }
    if spilled > 0 {
        writeln!(out, "  {:>13}  MB sorted on disk", grouped(spilled >> 20))?;
    }
    if !read.skipped.is_empty() {
        writeln!(out, "Skipped:")?;
        let mut skipped: Vec<_> = read.skipped.iter().collect();
        skipped.sort_by_key(|(reason, skipped)| {
            (!skipped.unreadable, std::cmp::Reverse(skipped.count), (*reason).clone())
        });
        for (reason, skipped) in skipped {
            let head = format!("  {:>13}  ", grouped(skipped.count));
            let text = format!("{reason} (first: {})", skipped.example);
            wrapped(out, &head, "                 ", &text, style.width)?;
        }
    }
    Ok(())
}

fn risky(analysis: &Analysis, style: Style, out: &mut impl Write) -> io::Result<()> {
    let at_risk =
        analysis.risky.iter().filter(|principal| principal.graph.risk_level > RiskLevel::None).count();
    let title = format!(
        "{} of {} at risk",
        grouped(at_risk as u64),
        count(analysis.read.principals, "workload identity")
    );
    writeln!(out, "{}", style.bold(&title))?;
    let mut table = Table::new();
    // No lines: they cost width and tell nothing.
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(style.width);
    if !style.colour {
        table.force_no_tty();
    }
    table.set_header(["level", "state", "name, app id", "first, last", "top reason"]);
    // Ids are copied, so they stay in one piece.
    if let Some(identity) = table.column_mut(2) {
        identity.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(ID_WIDTH)));
    }
    for principal in &analysis.risky {
        let top = principal
            .findings
            .first()
            .and_then(|id| analysis.findings.iter().find(|finding| finding.id == *id));
        let (name, app) = (shortened(&principal.graph.display_name), one_line(&principal.graph.app_id));
        table.add_row([
            style.level(principal.graph.risk_level),
            Cell::new(principal.graph.risk_state.as_str()),
            Cell::new(format!("{name}\n{app}")),
            Cell::new(format!("{}\n{}", principal.activity.0.date(), principal.activity.1.date())),
            Cell::new(top.map_or(String::new(), reason)),
        ]);
    }
    writeln!(out, "{}", table.trim_fmt())
}

/// What speaks loudest, in a few words, the most telling first.
const REASONS: [(&str, &str); 39] = [
    ("DisabledByMicrosoft", "disabled by Microsoft"),
    ("ListedApplication", "on a list of abused applications"),
    ("ManyPrincipalsFromOneSource", "many credentials used from one place"),
    ("TokenReplay", "token used in another network"),
    ("CreateUseDelete", "made, used and deleted"),
    ("SelfEscalation", "gave rights to itself"),
    ("LowerTierActor", "way in given by a lower rank"),
    ("PrivilegeJump", "new right used at once"),
    ("ChainOfChanges", "chain of changes"),
    ("FederatedTrustDrift", "federated trust changed"),
    ("CredentialUsedInParallel", "credential used in parallel"),
    ("DirectoryEnumeration", "walked through the directory"),
    ("FailuresBefore", "failures before"),
    ("DormantAwakening", "awoke after long silence"),
    ("LookAlikeName", "name that looks like another"),
    ("ConsentBlockedAsRisky", "consent refused as risky"),
    ("ThreatIntelligence", "threat intelligence"),
    ("KnownPattern", "known attack pattern"),
    ("CredentialAddedByRareActor", "credential added by a rare actor"),
    ("MovedTogether", "moved together with others"),
    ("Moved", "moved"),
    ("UnfamiliarHosting", "new hosting network"),
    ("UnfamiliarCountry", "new country"),
    ("UnfamiliarASN", "new network"),
    ("UnfamiliarIP", "new address"),
    ("UnfamiliarUserAgent", "new agent"),
    ("UnfamiliarResource", "new resource"),
    ("UnfamiliarCredential", "new credential"),
    ("OffSchedule", "off schedule"),
    ("FreshAuthority", "used a fresh right"),
    ("BurstOfChanges", "burst of changes"),
    ("UnfamiliarOperation", "change it does not make"),
    ("UnfamiliarActor", "changed by somebody new"),
    ("PrivilegedPermission", "privileged permission"),
    ("UnfamiliarRequests", "new requests"),
    ("UnusualVolume", "unusual volume"),
    ("ManyErrors", "many errors"),
    ("SlowIncrease", "slow increase"),
    ("TokenRoleMismatch", "removed permission used"),
];

/// The first three reasons of a finding.
fn reason(finding: &Finding) -> String {
    let holds = |code: &str| finding.reasons.iter().any(|reason| reason == code);
    let words: Vec<&str> =
        REASONS.iter().filter(|(code, _)| holds(code)).map(|(_, words)| *words).take(3).collect();
    words.join(", ")
}

fn shortened(text: &str) -> String {
    let text = one_line(text);
    if text.chars().count() <= NAME_MAX {
        return text;
    }
    text.chars().take(NAME_MAX - 1).chain(['…']).collect()
}

fn explain(finding: &Finding, style: Style, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", style.bold(&one_line(&finding.explanation.verdict)))?;
    for (number, fact) in finding.explanation.facts.iter().enumerate() {
        wrapped(out, &format!("  {}. ", number + 1), "     ", fact, style.width)?;
    }
    wrapped(out, "  Harmless if ", "     ", &finding.explanation.harmless_if, style.width)?;
    wrapped(out, "  First check: ", "     ", &finding.explanation.check_first, style.width)?;
    let shown: Vec<&str> = finding.event_ids.iter().take(3).map(String::as_str).collect();
    let more = finding.events.saturating_sub(shown.len() as u64);
    let more = if more > 0 { format!(" and {} more", grouped(more)) } else { String::new() };
    wrapped(out, "  Events: ", "     ", &format!("{}{more}", shown.join(" ")), style.width)
}

fn budget(analysis: &Analysis, style: Style, out: &mut impl Write) -> io::Result<()> {
    writeln!(out)?;
    let measured = analysis
        .measured
        .false_alarm_rate()
        .map_or("not measurable yet".to_owned(), |rate| format!("at most {rate:.2}"));
    let text = format!(
        "False alarms per 1,000 identities and day: budget {}, measured {measured} ({} that nothing else supports, \
         over {} identity-days).",
        analysis.budget.per_1000_and_day(),
        count(analysis.measured.unsupported, "finding"),
        grouped(analysis.measured.identity_days),
    );
    wrapped(out, "", "", &text, style.width)?;
    for (family, evidence, ratio) in analysis.calibration.broken() {
        let text = format!(
            "Warning: evidence of {} in {} was reached {ratio:.1} times as often as promised: trust that level less \
             in this tenant, or lower --budget.",
            grouped(evidence as u64),
            family.name()
        );
        wrapped(out, "", "", &text, style.width)?;
    }
    wrapped(out, "", "", &format!("Addresses: {}.", analysis.tables.addresses), style.width)
}

/// Text in lines of at most `width` characters; a word that is longer stands alone.
fn wrapped(out: &mut impl Write, first: &str, rest: &str, text: &str, width: u16) -> io::Result<()> {
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in one_line(text).split_whitespace() {
        let length = line.chars().count() + usize::from(!is_empty) + word.chars().count();
        if length > usize::from(width) && !is_empty {
            writeln!(out, "{line}")?;
            rest.clone_into(&mut line);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    writeln!(out, "{line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_at_the_width() {
        let mut out = Vec::new();
        wrapped(&mut out, "  1. ", "     ", "one two three four a-word-that-is-very-long-indeed five", 16)
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "  1. one two\n     three four\n     a-word-that-is-very-long-indeed\n     five\n");
    }
}
