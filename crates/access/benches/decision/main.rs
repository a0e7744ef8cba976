//! How long a Conditional Access decision takes, by the number of policies.
//!
//! `cargo bench -p countersign-access` prints a table. Each figure is the median of several passes over sign-ins of many
//! principals from many places; locations have 2,000 ranges. Beside the decision stands the time to tell what every policy
//! made of the sign-in, which only its record needs, and the time to compile policies and
//! locations, which only a change takes.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

mod tenant;

use tenant::Tenant;

/// Passes over the sign-ins per measurement.
const PASSES: usize = 31;

fn median(mut measure: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = (0..PASSES).map(|_| measure()).collect();
    times.sort_unstable();
    times[PASSES / 2]
}

/// Nanoseconds for each of `count`.
fn each(count: usize, mut pass: impl FnMut()) -> f64 {
    let time = median(|| {
        let start = Instant::now();
        pass();
        start.elapsed()
    });
    time.as_secs_f64() * 1e9 / count as f64
}

fn main() {
    println!("| Policies | Decision | Decision and record | Compile |");
    println!("|---|---|---|---|");
    for count in [1, 20, 200, 512] {
        let tenant = Tenant::with_policies(count);
        let sign_ins = tenant.sign_ins();
        let decision = each(sign_ins.len(), || {
            for sign_in in &sign_ins {
                black_box(tenant.snapshot.evaluate(black_box(sign_in)).is_blocked());
            }
        });
        let record = each(sign_ins.len(), || {
            for sign_in in &sign_ins {
                let evaluation = tenant.snapshot.evaluate(black_box(sign_in));
                for outcome in evaluation.outcomes() {
                    black_box(outcome);
                }
            }
        });
        let compile = each(1, || drop(black_box(black_box(&tenant).compile())));
        println!("| {count} | {decision:.0} ns | {record:.0} ns | {:.1} ms |", compile / 1e6);
    }
}
