#![no_main]

#[path = "../token.rs"]
mod token;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| token::token(bytes));
