#![no_main]

#[path = "../odata.rs"]
mod odata;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| odata::odata(bytes));
