use countersign_simulation::*;
use std::collections::BTreeMap;
fn main() {
    for seed in 1..=6 {
        let t = std::time::Instant::now();
        let mut s = Simulation::new(Parameters { principals: 200, days: 60, seed, ..Parameters::default() });
        let mut n: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        let mut most: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        let mut bytes = 0;
        s.for_each_record(|r| {
            let e = n.entry(r.category.name()).or_default();
            e.0 += 1;
            e.1 += r.line.len() as u64;
            bytes += r.line.len();
            if r.category == Category::MicrosoftGraphActivityLogs {
                let text = r.line;
                let i = text.windows(7).position(|w| w == b"\"appId\"").unwrap();
                *most.entry(text[i..i + 46].to_vec()).or_default() += 1;
            }
        });
        let mut v: Vec<u64> = most.values().copied().collect();
        v.sort_unstable();
        println!(
            "seed {seed} {:?} {} MB in {:?}; callers {} top {:?} median {:?}",
            n.iter().map(|(k, v)| (*k, v.0)).collect::<Vec<_>>(),
            bytes / 1_000_000,
            t.elapsed(),
            v.len(),
            v.iter().rev().take(8).collect::<Vec<_>>(),
            v.get(v.len() / 2)
        );
    }
}
