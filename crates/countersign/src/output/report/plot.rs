//! The plots: what an identity did over time, and what speaks for an attack. Inline SVG without style
//! attributes, so that the report's content security policy can stay strict.

use std::collections::BTreeMap;

use countersign_model::source::Country;
use countersign_model::time::{DAY, HOUR, Timestamp};
use maud::{Markup, html};

use super::text::{clip, count, factor};
use crate::analyze::result::{Point, Timeline};

/// Rows of one plot; further networks share the last.
const ROWS_MAX: usize = 12;
/// Columns of one plot: more would overlap.
const COLUMNS_MAX: i64 = 110;
/// Changes drawn; the table beside the plot lists them all.
const CHANGES_MAX: usize = 60;
/// Longest label of a row in characters.
const LABEL_MAX: usize = 36;

const WIDTH: f64 = 1080.0;
const LEFT: f64 = 276.0;
/// Half a label of the time axis.
const RIGHT: f64 = 34.0;
const ROW: f64 = 24.0;
const AXIS: f64 = 24.0;
/// Room above the rows: the lane of directory changes.
const LANE: f64 = 22.0;

/// Sizes of a bin of the time axis, and of the steps between its labels.
const STEPS: [i64; 13] = [
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
    91 * DAY,
    182 * DAY,
    364 * DAY,
];

/// A network in a country: what a row stands for. Events without an address come under `None`.
pub(super) type Network = Option<(u32, Option<Country>)>;

pub(super) fn network(point: &Point) -> Network {
    point.ip.map(|_| (point.asn, point.country))
}

/// `AS3320 Deutsche Telekom AG (DE)`. Only the name is clipped: number and country tell networks apart.
pub(super) fn network_name(network: Network, as_name: &str, characters_max: usize) -> String {
    let Some((asn, country)) = network else { return "No address recorded".to_owned() };
    let country = country.map_or(String::new(), |country| format!(" ({country})"));
    match (asn, as_name) {
        (0, _) => format!("Network unknown{country}"),
        (asn, "") => format!("AS{asn}{country}"),
        (asn, name) => {
            let rest = format!("AS{asn} {country}").chars().count();
            format!("AS{asn} {}{country}", clip(name, characters_max.saturating_sub(rest)))
        }
    }
}

/// Events of one bin in one row.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    succeeded: u64,
    failed: u64,
}

impl Mark {
    fn add(&mut self, point: &Point) {
        self.succeeded += point.succeeded;
        self.failed += point.failed;
    }

    fn events(self) -> u64 {
        self.succeeded + self.failed
    }

    fn words(self) -> String {
        match self.failed {
            0 => count(self.events(), "event"),
            failed => format!("{}, {failed} failed", count(self.events(), "event")),
        }
    }
}

struct Row {
    label: String,
    usual: BTreeMap<i64, Mark>,
    found: BTreeMap<(i64, usize), Mark>,
}

/// Rows in the order shown: usual networks first, then those that a finding came from first.
pub(super) fn networks(timeline: &Timeline) -> Vec<(Network, Vec<&Point>)> {
    let mut by_network: BTreeMap<Network, Vec<&Point>> = BTreeMap::new();
    for point in &timeline.points {
        by_network.entry(network(point)).or_default().push(point);
    }
    let mut networks: Vec<(Network, Vec<&Point>)> = by_network.into_iter().collect();
    let is_new = |points: &[&Point]| points.first().is_some_and(|point| point.finding.is_some());
    let events = |points: &[&Point]| points.iter().map(|point| point.succeeded + point.failed).sum::<u64>();
    networks.sort_by_cached_key(|(network, points)| {
        (is_new(points), std::cmp::Reverse(events(points)), *network)
    });
    networks
}

/// Bins the points so that at most about `marks_max` marks result.
fn rows(networks: &[(Network, Vec<&Point>)], bin: i64) -> Vec<Row> {
    let has_finding = |points: &[&Point]| points.iter().any(|point| point.finding.is_some());
    let own_rows = if networks.len() <= ROWS_MAX { networks.len() } else { ROWS_MAX - 1 };
    // Networks of findings get their own row before others do.
    let mut order: Vec<usize> = (0..networks.len()).collect();
    order.sort_by_key(|at| !has_finding(&networks[*at].1));
    let own: Vec<usize> = order.into_iter().take(own_rows).collect();
    let mut rows = Vec::new();
    let mut others = Row { label: String::new(), usual: BTreeMap::new(), found: BTreeMap::new() };
    for (at, (network, points)) in networks.iter().enumerate() {
        let mut row = Row {
            label: network_name(*network, name_of(points), LABEL_MAX),
            usual: BTreeMap::new(),
            found: BTreeMap::new(),
        };
        let target = if own.contains(&at) { &mut row } else { &mut others };
        for point in points {
            let column = point.hour.0.div_euclid(bin);
            match point.finding {
                None => target.usual.entry(column).or_default().add(point),
                Some(finding) => target.found.entry((column, finding)).or_default().add(point),
            }
        }
        if own.contains(&at) {
            rows.push(row);
        }
    }
    if networks.len() > own_rows {
        others.label = format!("{} other networks", networks.len() - own_rows);
        rows.push(others);
    }
    rows
}

/// The first name that any point of a network has; a table may lack it.
pub(super) fn name_of<'a>(points: &[&'a Point]) -> &'a str {
    points.iter().map(|point| point.as_name.as_str()).find(|name| !name.is_empty()).unwrap_or("")
}

/// A finding as the timeline shows it: its place among all findings, its number in the section, its first and
/// last event.
pub(super) struct Shown {
    pub(super) index: usize,
    pub(super) number: usize,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

/// What a row shows, over time. `label` is the id of the plot's title.
pub(super) fn timeline(
    timeline: &Timeline,
    span: (Timestamp, Timestamp),
    findings: &[Shown],
    marks_max: usize,
    label: &str,
) -> Markup {
    let networks = networks(timeline);
    let (from, to) = span_of(timeline, span);
    let length = (to.0 - from.0).max(HOUR);
    let fits = |bin: &&i64| length / **bin <= COLUMNS_MAX;
    let mut bins = STEPS.iter().filter(fits).peekable();
    let mut bin = *bins.next().unwrap_or(&STEPS[STEPS.len() - 1]);
    let mut rows = rows(&networks, bin);
    let marks = |rows: &[Row]| rows.iter().map(|row| row.usual.len() + row.found.len()).sum::<usize>();
    while marks(&rows) > marks_max
        && let Some(wider) = bins.next()
    {
        bin = *wider;
        rows = self::rows(&networks, bin);
    }

    let scale = (WIDTH - LEFT - RIGHT) / (to.0 - from.0).max(HOUR) as f64;
    let x = |time: i64| LEFT + (time - from.0) as f64 * scale;
    // A mark stands in the middle of its bin, and never outside the plot.
    let middle = |column: i64| x(column * bin + bin / 2).clamp(LEFT, WIDTH - RIGHT);
    let top = if timeline.changes.is_empty() { 6.0 } else { LANE };
    let bottom = top + rows.len() as f64 * ROW;
    let height = bottom + AXIS;
    let number =
        |index: usize| findings.iter().find(|shown| shown.index == index).map_or(0, |shown| shown.number);
    let spoken = format!(
        "Activity from {} to {}: {}, {}, {}. The table below says the same in words.",
        from.date(),
        to.date(),
        count(rows.len() as u64, "row"),
        count(findings.len() as u64, "finding"),
        count(timeline.changes.len() as u64, "directory change"),
    );
    let radius = radius(&rows, bin as f64 * scale);
    let mut numbered = Vec::new();
    html! {
        svg.timeline viewBox={ "0 0 " (WIDTH) " " (n(height)) } role="img" aria-labelledby=(label) {
            title id=(label) { (spoken) }
            g.band { @for shown in findings {
                rect x=(n(x(shown.from.0) - 3.0)) y=(n(top)) height=(n(bottom - top))
                    width=(n((x(shown.to.0) - x(shown.from.0)).max(0.0) + 6.0)) {}
            } }
            g.grid {
                @for at in 0..=rows.len() {
                    path d={ "M" (LEFT) " " (n(top + at as f64 * ROW)) "H" (WIDTH - RIGHT) } {}
                }
            }
            g.axis { @for (time, text) in ticks(from, to) {
                path d={ "M" (n(x(time))) " " (n(top)) "V" (n(bottom + 5.0)) } {}
                text x=(n(x(time))) y=(n(bottom + 18.0)) { (text) }
            } }
            g.label { @for (at, row) in rows.iter().enumerate() {
                text x=(LEFT - 10.0) y=(n(top + (at as f64 + 0.5) * ROW + 4.0)) { (row.label) }
            } }
            @if !timeline.changes.is_empty() {
                g.label { text x=(LEFT - 10.0) y="15" { "Directory changes" } }
                g.change { @for (time, words) in timeline.changes.iter().take(CHANGES_MAX) {
                    path d={ "M" (n(x(time.0))) " 16l-5-9h10z" } {
                        title { (time.minute()) ": " (clip(words, 160)) }
                    }
                } }
                g.fall { @for (time, _) in timeline.changes.iter().take(CHANGES_MAX) {
                    path d={ "M" (n(x(time.0))) " 16V" (n(bottom)) } {}
                } }
            }
            @for (at, row) in rows.iter().enumerate() {
                @let y = n(top + (at as f64 + 0.5) * ROW);
                @for (class, failed_only) in [("usual", false), ("usual failed", true)] {
                    @let marks: Vec<_> =
                        row.usual.iter().filter(|(_, mark)| (mark.succeeded == 0) == failed_only).collect();
                    @if !marks.is_empty() {
                        g class=(class) { @for (column, mark) in marks {
                            circle cx=(n(middle(*column))) cy=(y) r=(n(radius(*mark))) {
                                title { (bin_words(*column, bin)) ": " (mark.words()) }
                            }
                        } }
                    }
                }
            }
            @for (at, row) in rows.iter().enumerate() {
                @let y = top + (at as f64 + 0.5) * ROW;
                @for ((column, finding), mark) in &row.found {
                    @let (centre, half) = (middle(*column), radius(*mark) + 2.4);
                    path class=(if mark.succeeded == 0 { "found failed" } else { "found" })
                        d=(diamond(centre, y, half)) {
                        title {
                            "Finding " (number(*finding)) ", " (bin_words(*column, bin)) ": " (mark.words())
                        }
                    }
                    @if first_time(&mut numbered, (at, *finding)) {
                        text.number x=(n(centre - half - 3.0)) y=(n(y + 4.0)) { (number(*finding)) }
                    }
                }
            }
        }
    }
}

/// Size of a mark: grows with the logarithm of its events, so that one is visible beside a million. The
/// largest of the plot fits its column and its row.
fn radius(rows: &[Row], column_width: f64) -> impl Fn(Mark) -> f64 + use<> {
    const LEAST: f64 = 1.8;
    let marks = rows.iter().flat_map(|row| row.usual.values().chain(row.found.values()));
    // Not below 50: where all is rare, rare should not look large.
    let most = marks.map(|mark| mark.events()).max().unwrap_or(0).max(50) as f64;
    let largest = (column_width * 0.55).clamp(3.2, ROW / 3.0);
    move |mark| LEAST + (largest - LEAST) * (mark.events() as f64).ln_1p() / most.ln_1p()
}

fn diamond(x: f64, y: f64, half: f64) -> String {
    let (x, top, half) = (n(x), n(y - half), n(half));
    format!("M{x} {top}l{half} {half}l-{half} {half}l-{half}-{half}z")
}

fn first_time<T: PartialEq>(seen: &mut Vec<T>, item: T) -> bool {
    let is_new = !seen.contains(&item);
    if is_new {
        seen.push(item);
    }
    is_new
}

/// The span of all logs, widened when this identity was seen outside of it.
fn span_of(timeline: &Timeline, (from, to): (Timestamp, Timestamp)) -> (Timestamp, Timestamp) {
    let hours = timeline.points.iter().map(|point| point.hour);
    let times = hours.chain(timeline.changes.iter().map(|(time, _)| *time));
    let (first, last) = times.fold((from, to), |(first, last), time| (first.min(time), last.max(time)));
    (first, last.max(first.plus(HOUR)))
}

fn bin_words(column: i64, bin: i64) -> String {
    let from = Timestamp(column * bin);
    match bin {
        bin if bin < DAY => format!("{}, {} h", from.minute(), bin / HOUR),
        DAY => from.date(),
        bin => format!("{} and {} days on", from.date(), bin / DAY - 1),
    }
}

/// At most ten labels, on whole days where days are what is seen.
fn ticks(from: Timestamp, to: Timestamp) -> Vec<(i64, String)> {
    let length = to.0 - from.0;
    let step = *STEPS.iter().find(|step| length / **step <= 9).unwrap_or(&STEPS[STEPS.len() - 1]);
    let first = from.0.div_euclid(step) + i64::from(from.0.rem_euclid(step) > 0);
    let last = to.0.div_euclid(step);
    (first..=last)
        .map(|at| {
            let time = Timestamp(at * step);
            (time.0, if step < DAY { time.minute()[5..].to_owned() } else { time.date() })
        })
        .collect()
}

const BAR_WIDTH: f64 = 440.0;
const BAR_HEIGHT: f64 = 14.0;
/// Room beside the bars: half the name of a limit.
const BAR_MARGIN: f64 = 16.0;
/// Room below a bar for the names of its limits.
const LIMIT_HEIGHT: f64 = 14.0;

/// The scale that all bars of one finding share.
pub(super) struct Bars {
    least: f64,
    most: f64,
}

impl Bars {
    /// A scale that holds all these logarithms, and zero.
    pub(super) fn over(logarithms: impl Iterator<Item = f64>) -> Self {
        let (least, most) = logarithms
            .filter(|ln| ln.is_finite())
            .fold((0.0_f64, 1.0_f64), |(least, most), ln| (least.min(ln), most.max(ln)));
        Bars { least, most }
    }

    fn x(&self, ln: f64) -> f64 {
        let ln = ln.clamp(self.least, self.most);
        BAR_MARGIN + (ln - self.least) / (self.most - self.least) * (BAR_WIDTH - 2.0 * BAR_MARGIN)
    }

    /// One bar; `limits` are marked and named below it. What it shows stands beside it in words.
    pub(super) fn bar(&self, ln: f64, class: &str, limits: &[(f64, &'static str)]) -> Markup {
        let (zero, end) = (self.x(0.0), self.x(ln));
        let height = if limits.is_empty() { BAR_HEIGHT } else { BAR_HEIGHT + LIMIT_HEIGHT };
        html! {
            svg.bar viewBox={ "0 0 " (BAR_WIDTH) " " (height) } aria-hidden="true" {
                rect class=(class) x=(n(zero.min(end))) y="3" width=(n((end - zero).abs().max(1.0)))
                    height="8" {}
                path.zero d={ "M" (n(zero)) " 0V" (BAR_HEIGHT) } {}
                @for (limit, name) in limits {
                    path.limit d={ "M" (n(self.x(*limit))) " 11v6" } {}
                    text x=(n(self.x(*limit))) y="26" { (name) }
                }
            }
        }
    }
}

/// `× 900`, `× 0.22`, `× 1/1,100`: the factors that the facts name, so that the two can be compared.
pub(super) fn factor_words(ln: f64) -> String {
    let value = ln.exp();
    if value < 0.01 { format!("× 1/{}", factor((-ln).exp())) } else { format!("× {}", factor(value)) }
}

/// A coordinate: tenths of a pixel are enough, and short.
fn n(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_few_and_on_whole_days() {
        for days in [1, 2, 7, 30, 60, 180, 365, 1000] {
            let from = Timestamp(1_777_727_211_045_137);
            let ticks = ticks(from, from.plus(days * DAY));
            assert!((2..=10).contains(&ticks.len()), "{days} days: {ticks:?}");
            assert!(days < 7 || ticks.iter().all(|(time, _)| time % DAY == 0), "{days} days: {ticks:?}");
        }
    }

    #[test]
    fn bars_hold_their_scale() {
        let bars = Bars::over([6.8, -1.5, f64::NAN].into_iter());
        assert!(bars.x(-1.5) < bars.x(0.0) && bars.x(0.0) < bars.x(6.8));
        assert!(bars.x(1e9) <= BAR_WIDTH && bars.x(-1e9) >= 0.0);
    }

    #[test]
    fn factors_are_those_of_the_facts() {
        assert_eq!([6.8_f64, 0.0, -1.5, -7.0].map(factor_words), ["× 900", "× 1.0", "× 0.22", "× 1/1,100"]);
    }
}
