//! Plots as SVG, without script: recall over the budget, and evidence of harmless days against what is promised.

use countersign_detection::calibration::Family;
use countersign_simulation::evaluation::BUDGETS;
use maud::{Markup, html};

use super::outcome::{Method, Outcome};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const MARGIN: f64 = 48.0;

fn x(share: f64) -> f64 {
    MARGIN + share.clamp(0.0, 1.0) * (WIDTH - 2.0 * MARGIN)
}

fn y(share: f64) -> f64 {
    HEIGHT - MARGIN - share.clamp(0.0, 1.0) * (HEIGHT - 2.0 * MARGIN)
}

/// Recall of each method over the false alarms that are accepted, on a logarithmic axis.
pub(super) fn recall(methods: &[Method]) -> Markup {
    let first = BUDGETS[0].ln();
    let place = |budget: f64| (budget.ln() - first) / (BUDGETS[BUDGETS.len() - 1].ln() - first);
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-labelledby="recall-title" {
            title #recall-title { "Recall over false alarms per 1,000 identities and day" }
            @for step in 0..=5_u8 {
                @let share = f64::from(step) / 5.0;
                line.grid x1=(x(0.0)) x2=(x(1.0)) y1=(y(share)) y2=(y(share)) {}
                text.tick x=(x(0.0) - 8.0) y=(y(share) + 4.0) text-anchor="end" { (format!("{share:.1}")) }
            }
            @for budget in BUDGETS {
                text.tick x=(x(place(budget))) y=(HEIGHT - MARGIN + 18.0) text-anchor="middle" { (budget) }
            }
            text.label x=(WIDTH / 2.0) y=(HEIGHT - 8.0) text-anchor="middle" { "false alarms per 1,000 identities and day" }
            @for (number, method) in methods.iter().enumerate() {
                @let points: Vec<String> = BUDGETS.iter().zip(&method.recall)
                    .map(|(budget, recall)| format!("{:.1},{:.1}", x(place(*budget)), y(recall.mean))).collect();
                polyline class=(format!("line m{number}")) points=(points.join(" ")) { title { (method.name) } }
                @if number == 0 {
                    @for (budget, recall) in BUDGETS.iter().zip(&method.recall) {
                        line.whisker x1=(x(place(*budget))) x2=(x(place(*budget))) y1=(y(recall.low)) y2=(y(recall.high)) {}
                    }
                }
            }
        }
    }
}

/// Evidence of the highest harmless days against their rank: on or below the line the promise is kept.
pub(super) fn quantiles(outcome: &Outcome) -> Markup {
    const DECADES: f64 = 6.0;
    let scale = |decimal: f64| decimal / DECADES;
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-labelledby="qq-title" {
            title #qq-title { "Evidence of harmless identity-days against their rank" }
            @for step in 0..=6_u8 {
                @let share = scale(f64::from(step));
                line.grid x1=(x(0.0)) x2=(x(1.0)) y1=(y(share)) y2=(y(share)) {}
                text.tick x=(x(0.0) - 8.0) y=(y(share) + 4.0) text-anchor="end" { "1e" (step) }
                text.tick x=(x(share)) y=(HEIGHT - MARGIN + 18.0) text-anchor="middle" { "1e-" (step) }
            }
            line.promise x1=(x(0.0)) y1=(y(0.0)) x2=(x(1.0)) y2=(y(1.0)) { title { "what is promised" } }
            text.label x=(WIDTH / 2.0) y=(HEIGHT - 8.0) text-anchor="middle" { "share of harmless identity-days with more" }
            @for (number, family) in Family::ALL.into_iter().enumerate() {
                @let calibration = outcome.calibration(family);
                @let days = calibration.days.max(1) as f64;
                @let points: Vec<String> = calibration.highest.iter().enumerate()
                    .filter(|(rank, _)| *rank < 40 || rank % 25 == 0)
                    .map(|(rank, ln)| {
                        let share = -((rank as f64 + 0.5) / days).log10();
                        format!("{:.1},{:.1}", x(scale(share)), y(scale(ln / std::f64::consts::LN_10)))
                    }).collect();
                polyline class=(format!("line m{number}")) points=(points.join(" ")) { title { (family.name()) } }
            }
        }
    }
}
