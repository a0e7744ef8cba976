#![no_main]

#[path = "../signals.rs"]
mod signals;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| signals::signals(bytes));
