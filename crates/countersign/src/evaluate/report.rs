//! The evaluation as one page that loads nothing.

use countersign_detection::calibration::Family;
use countersign_simulation::evaluation::{BUDGETS, LEVELS};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::outcome::{Outcome, seeds, share};
use super::plots;
use crate::output::{count, grouped};

const STYLE: &str = include_str!("style.css");

pub(super) fn render(outcome: &Outcome) -> String {
    let methods = outcome.methods();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { "Countersign: detection quality" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { "Detection quality" }
                    p {
                        (count(outcome.attacks(), "attack")) " on " (count(outcome.identity_days(), "identity-day"))
                        ": " (outcome.source) ", seeds " (seeds(&outcome.seeds)) ", budget " (outcome.budget) "."
                    }
                    h2 { "Recall at a number of false alarms" }
                    (plots::recall(&methods))
                    table {
                        thead { tr {
                            th scope="col" { "Method" }
                            @for budget in BUDGETS { th.number scope="col" { "at " (budget) } }
                            th scope="col" { "Worst family at 5" }
                        } }
                        tbody { @for (number, method) in methods.iter().enumerate() {
                            tr {
                                th scope="row" { span class=(format!("key m{number}")) {} (method.name) }
                                @for recall in &method.recall { td.number { (share(recall)) } }
                                td { @if let Some((family, recall)) = &method.worst { (format!("{recall:.2} ")) (family) } }
                            }
                        } }
                    }
                    (own_levels(outcome))
                    h2 { "Calibration" }
                    p { "Evidence of harmless identity-days against their rank. On or below the dashed line the promise is kept." }
                    (plots::quantiles(outcome))
                    (calibration(outcome))
                    h2 { "Families" }
                    (families(outcome))
                    h2 { "Look-alikes" }
                    (look_alikes(outcome))
                }
            }
        }
    };
    page.into_string()
}

fn own_levels(outcome: &Outcome) -> Markup {
    let (paged, false_pages) = outcome.paged();
    let (time, bytes) = outcome.cost();
    html! {
        h2 { "At its own levels" }
        dl {
            dt { "Attacks that somebody is called about" } dd { (share(&paged)) }
            dt { "False calls per 1,000 identities and day" } dd { (share(&false_pages)) }
            @if let Some((events, minutes)) = outcome.time_to_detect() {
                dt { "Median time to detect" } dd { (count(u64::from(events), "event")) ", " (format!("{minutes:.0}")) " minutes" }
            }
            dt { "Enrichment and detection" } dd { (format!("{:.0}", time.mean)) " ns an event" }
            dt { "State" } dd { (grouped(bytes.mean.round() as u64)) " bytes an identity" }
        }
    }
}

fn calibration(outcome: &Outcome) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Measured over nominal" }
                @for level in LEVELS { th.number scope="col" { (format!("{:.0e}", 1.0 / level)) } }
                th.number scope="col" { "Mean of E" }
            } }
            tbody { @for (number, family) in Family::ALL.into_iter().enumerate() {
                @let calibration = outcome.calibration(family);
                tr {
                    th scope="row" { span class=(format!("key m{number}")) {} (family.name()) ", by event" }
                    @for ratio in calibration.event_ratios() { td.number { (format!("{ratio:.2}")) } }
                    td {}
                }
                tr {
                    th scope="row" { span class=(format!("key m{number}")) {} (family.name()) ", by identity-day" }
                    @for ratio in calibration.ratios() { td.number { (format!("{ratio:.2}")) } }
                    td.number { (format!("{:.2}", calibration.sum / calibration.days.max(1) as f64)) }
                }
            } }
        }
    }
}

fn families(outcome: &Outcome) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Attack" } th.number scope="col" { "All" }
                th.number scope="col" { "Found at 1" } th.number scope="col" { "Found at 5" }
            } }
            tbody { @for (family, [one, five, all]) in outcome.families(0) {
                tr { th scope="row" { (family) } td.number { (all) } td.number { (one) } td.number { (five) } }
            } }
        }
    }
}

fn look_alikes(outcome: &Outcome) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Look-alike" } th.number scope="col" { "All" } th.number scope="col" { "Somebody called" }
            } }
            tbody { @for (family, [paged, all]) in outcome.look_alikes() {
                tr { th scope="row" { (family) } td.number { (all) } td.number { (paged) } }
            } }
        }
    }
}
