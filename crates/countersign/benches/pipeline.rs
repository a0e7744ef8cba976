//! How fast the core is, as ratios to the fastest plain JSON parser over the same bytes in the same run.
//!
//! `cargo bench` measures one thread on simulated sign-ins and prints a table; each figure is the median of several
//! passes. Absolute times depend on the machine and its neighbours, ratios hardly.

use std::hint::black_box;
use std::time::{Duration, Instant};

use countersign_detection::{Detector, Policy};
use countersign_enrichment::{Enricher, Memo};
use countersign_logs::decode::{self, LogType, Sink, Skip};
use countersign_logs::framing::{Batch, Framer};
use countersign_model::event::Event;
use countersign_simulation::{Category, Parameters, Simulation};
use serde::Deserialize as _;

/// Passes over the data per measurement.
const PASSES: usize = 7;

/// Sign-ins of a synthetic tenant, in event-time order as a sorted file would have them.
fn sign_ins() -> (Vec<u8>, usize) {
    let parameters = Parameters {
        principals: 1_000,
        days: 10,
        sign_ins_per_principal_day: Some(12.0),
        ..Parameters::default()
    };
    let mut bytes = Vec::new();
    let mut records = 0;
    Simulation::new(parameters).for_each_record(|record| {
        if record.category == Category::ServicePrincipalSignInLogs {
            bytes.extend_from_slice(record.line);
            bytes.push(b'\n');
            records += 1;
        }
    });
    (bytes, records)
}

/// Median time of a pass.
fn measure(mut pass: impl FnMut()) -> Duration {
    pass();
    let mut times: Vec<Duration> = (0..PASSES)
        .map(|_| {
            let start = Instant::now();
            pass();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[PASSES / 2]
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

fn frame(bytes: &[u8], mut each: impl FnMut(&Batch)) {
    let mut framer = Framer::new();
    for piece in bytes.chunks(1 << 20) {
        framer.push(piece, &mut |batch| each(&batch));
    }
    framer.finish(&mut |batch| each(&batch));
}

struct Each<F>(F);

impl<F: FnMut(Event<'_>)> Sink for Each<F> {
    fn event(&mut self, _: LogType, _: u64, event: Event<'_>) {
        (self.0)(event);
    }
    fn skip(&mut self, _: u64, skip: Skip) {
        panic!("{skip:?}");
    }
}

fn decode_each(bytes: &[u8], each: impl FnMut(Event<'_>)) {
    let mut sink = Each(each);
    frame(bytes, |batch| decode::decode(batch, &mut sink));
}

fn main() {
    let (bytes, records) = sign_ins();
    let enricher = Enricher::embedded();
    println!("{records} sign-ins, {} MB, {} bytes each\n", bytes.len() >> 20, bytes.len() / records);

    let parsers: [(&str, Duration); 5] = [
        (
            "serde_json, values passed over",
            measure(|| {
                for line in lines(&bytes) {
                    let mut deserializer = serde_json::Deserializer::from_slice(line);
                    black_box(serde::de::IgnoredAny::deserialize(&mut deserializer).unwrap());
                }
            }),
        ),
        (
            "serde_json::Value",
            measure(|| {
                for line in lines(&bytes) {
                    black_box(serde_json::from_slice::<serde_json::Value>(line).unwrap());
                }
            }),
        ),
        (
            "sonic_rs::Value",
            measure(|| {
                for line in lines(&bytes) {
                    black_box(sonic_rs::from_slice::<sonic_rs::Value>(line).unwrap());
                }
            }),
        ),
        ("simd_json tape", {
            let mut copy = Vec::new();
            let mut buffers = simd_json::Buffers::default();
            measure(|| {
                for line in lines(&bytes) {
                    copy.clear();
                    copy.extend_from_slice(line);
                    black_box(simd_json::to_tape_with_buffers(&mut copy, &mut buffers).unwrap());
                }
            })
        }),
        ("simd_json borrowed value", {
            let mut copy = Vec::new();
            let mut buffers = simd_json::Buffers::default();
            measure(|| {
                for line in lines(&bytes) {
                    copy.clear();
                    copy.extend_from_slice(line);
                    black_box(simd_json::to_borrowed_value_with_buffers(&mut copy, &mut buffers).unwrap());
                }
            })
        }),
    ];
    let fastest = parsers.iter().map(|(_, time)| *time).min().unwrap();
    let row = |name: &str, time: Duration| {
        let each = time.as_nanos() as f64 / records as f64;
        let rate = records as f64 / time.as_secs_f64() / 1000.0;
        println!(
            "{name:<42} {each:>8.0} ns  {rate:>7.0} k/s  {:>6.2}",
            fastest.as_secs_f64() / time.as_secs_f64()
        );
    };
    println!("{:<42} {:>11}  {:>11}  {:>6}", "one thread", "per record", "records", "ratio");
    for (name, time) in parsers {
        row(name, time);
    }
    println!();
    row(
        "framing alone",
        measure(|| {
            frame(&bytes, |batch| {
                black_box(batch.records.len());
            })
        }),
    );
    row(
        "decode",
        measure(|| {
            decode_each(&bytes, |event| {
                black_box(&event);
            })
        }),
    );
    let mut memo = Memo::new(&enricher);
    row(
        "decode, enrich",
        measure(|| {
            decode_each(&bytes, |event| {
                black_box(memo.enrich(&event));
            })
        }),
    );
    let mut stored = Vec::new();
    row(
        "decode, store for sorting, read back",
        measure(|| {
            decode_each(&bytes, |event| {
                stored.clear();
                stored = postcard::to_extend(&event, std::mem::take(&mut stored)).unwrap();
                black_box(postcard::from_bytes::<Event<'_>>(&stored).unwrap());
            })
        }),
    );
    row(
        "decode, enrich, detect",
        measure(|| {
            let mut detector = Detector::new(Policy::default());
            decode_each(&bytes, |event| {
                detector.observe(&event, &memo.enrich(&event));
            });
            black_box(detector.identities());
        }),
    );
    row(
        "the whole: decode, store, enrich, detect",
        measure(|| {
            let mut detector = Detector::new(Policy::default());
            decode_each(&bytes, |event| {
                stored.clear();
                stored = postcard::to_extend(&event, std::mem::take(&mut stored)).unwrap();
                let event = postcard::from_bytes::<Event<'_>>(&stored).unwrap();
                detector.observe(&event, &memo.enrich(&event));
            });
            black_box(detector.identities());
        }),
    );
    println!("\n{} bytes of baseline per principal", Detector::BASELINE_BYTES);
}
