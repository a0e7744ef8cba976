//! How fast the core is, as ratios to the fastest plain JSON parser over the same bytes in the same run.
//!
//! `cargo bench` measures one thread on simulated sign-ins and on all logs mixed, and prints a table of each; each figure is the median CPU time of
//! several passes. Absolute times depend on the machine and its neighbours, ratios hardly.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::hint::black_box;
use std::sync::OnceLock;
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

/// Records of a synthetic tenant in the order of delivery, of the logs that are wanted.
fn records(parameters: Parameters, wanted: impl Fn(Category) -> bool) -> (Vec<u8>, usize) {
    let mut bytes = Vec::new();
    let mut records = 0;
    Simulation::new(parameters).for_each_record(|record| {
        if wanted(record.category) {
            bytes.extend_from_slice(record.line);
            bytes.push(b'\n');
            records += 1;
        }
    });
    (bytes, records)
}

/// Sign-ins alone: what the first target was set on.
fn sign_ins() -> (Vec<u8>, usize) {
    let parameters = Parameters {
        principals: 1_000,
        days: 10,
        sign_ins_per_principal_day: Some(12.0),
        ..Parameters::default()
    };
    records(parameters, |category| category == Category::ServicePrincipalSignInLogs)
}

/// All logs of a tenant as they come, mixed; sign-ins of people, which are passed over, left out.
fn mixed() -> (Vec<u8>, usize) {
    let parameters = Parameters { principals: 200, days: 21, ..Parameters::default() };
    records(parameters, |category| category != Category::NonInteractiveUserSignInLogs)
}

/// CPU time of this thread, so that neighbours on the machine count as little as possible; wall time where the
/// system does not tell.
fn now() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = START.get_or_init(Instant::now);
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds =
        schedstat.and_then(|text| text.split(' ').next().and_then(|number| number.parse().ok()));
    nanoseconds.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

/// The table that is printed.
struct Bench {
    records: usize,
    /// Only rows whose name holds this word are measured.
    wanted: String,
    fastest: Option<Duration>,
    rows: Vec<(&'static str, Duration)>,
}

impl Bench {
    fn row(&mut self, name: &'static str, mut pass: impl FnMut()) {
        if !name.contains(&self.wanted) {
            return;
        }
        pass();
        let mut times: Vec<Duration> = (0..PASSES)
            .map(|_| {
                let start = now();
                pass();
                now().checked_sub(start).unwrap()
            })
            .collect();
        times.sort();
        self.rows.push((name, times[PASSES / 2]));
    }

    /// Ends the rows that the others are compared with.
    fn compare_with_fastest(&mut self) {
        self.fastest = self.rows.iter().map(|(_, time)| *time).min();
    }

    fn print(&self) {
        println!("| one thread | per record | records | ratio to the fastest parser |");
        println!("|---|---:|---:|---:|");
        for (name, time) in &self.rows {
            let each = time.as_nanos() as f64 / self.records as f64;
            let rate = self.records as f64 / time.as_secs_f64() / 1000.0;
            let ratio = self.fastest.map_or(0.0, |fastest| fastest.as_secs_f64() / time.as_secs_f64());
            println!("| {name} | {each:.0} ns | {rate:.0} k/s | {ratio:.2} |");
        }
    }
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

impl<F: FnMut(&Event<'_>)> Sink for Each<F> {
    fn event(&mut self, _: LogType, _: u64, event: &Event<'_>) {
        (self.0)(event);
    }
    fn skip(&mut self, _: u64, skip: Skip) {
        panic!("{skip:?}");
    }
}

fn decode_each(bytes: &[u8], each: impl FnMut(&Event<'_>)) {
    let mut sink = Each(each);
    frame(bytes, |batch| decode::decode(batch, &mut sink));
}

fn main() {
    // `cargo bench -- detect` measures the rows whose name holds the word, for a profiler.
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    for (name, (bytes, records)) in [("sign-ins", sign_ins()), ("records of all logs", mixed())] {
        println!("{records} {name}, {} MB, {} bytes each\n", bytes.len() >> 20, bytes.len() / records);
        let mut bench = Bench { records, wanted: wanted.clone(), fastest: None, rows: Vec::new() };
        parsers(&mut bench, &bytes);
        bench.compare_with_fastest();
        let state = core(&mut bench, &bytes);
        bench.print();
        println!(
            "\n{state:.0} bytes of state per identity, {} of them its sign-ins\n",
            Detector::BASELINE_BYTES
        );
    }
}

/// Parsers that make something of every value, over the same lines.
fn parsers(bench: &mut Bench, bytes: &[u8]) {
    bench.row("serde_json, values passed over", || {
        for line in lines(bytes) {
            let mut deserializer = serde_json::Deserializer::from_slice(line);
            black_box(serde::de::IgnoredAny::deserialize(&mut deserializer).unwrap());
        }
    });
    bench.row("serde_json::Value", || {
        for line in lines(bytes) {
            black_box(serde_json::from_slice::<serde_json::Value>(line).unwrap());
        }
    });
    bench.row("sonic_rs::Value", || {
        for line in lines(bytes) {
            black_box(sonic_rs::from_slice::<sonic_rs::Value>(line).unwrap());
        }
    });
    let mut copy = Vec::new();
    let mut buffers = simd_json::Buffers::default();
    bench.row("simd_json tape", || {
        for line in lines(bytes) {
            copy.clear();
            copy.extend_from_slice(line);
            black_box(simd_json::to_tape_with_buffers(&mut copy, &mut buffers).unwrap());
        }
    });
}

/// The steps of an analysis; answers the bytes of state per identity after them.
fn core(bench: &mut Bench, bytes: &[u8]) -> f64 {
    let mut state = 0.0;
    let enricher = Enricher::embedded();
    let mut memo = Memo::new(&enricher);
    let mut stored = Vec::new();
    bench.row("framing alone", || {
        frame(bytes, |batch| {
            black_box(batch.records.len());
        });
    });
    bench.row("decode", || {
        decode_each(bytes, |event| {
            black_box(event);
        });
    });
    bench.row("decode, enrich", || {
        decode_each(bytes, |event| {
            black_box(memo.enrich(event));
        });
    });
    bench.row("decode, store for sorting, read back", || {
        decode_each(bytes, |event| {
            stored.clear();
            stored = postcard::to_extend(event, std::mem::take(&mut stored)).unwrap();
            black_box(postcard::from_bytes::<Event<'_>>(&stored).unwrap());
        });
    });
    bench.row("decode, enrich, detect", || {
        let mut detector = Detector::new(Policy::default());
        decode_each(bytes, |event| {
            detector.observe(event, &memo.enrich(event));
        });
        state = detector.bytes_per_identity();
    });
    bench.row("the whole: decode, store, read back, enrich, detect", || {
        let mut detector = Detector::new(Policy::default());
        decode_each(bytes, |event| {
            stored.clear();
            stored = postcard::to_extend(event, std::mem::take(&mut stored)).unwrap();
            let event = postcard::from_bytes::<Event<'_>>(&stored).unwrap();
            detector.observe(&event, &memo.enrich(&event));
        });
        black_box(detector.identities());
    });
    state
}
