#![no_main]

#[path = "../access.rs"]
mod access;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| access::access(bytes));
