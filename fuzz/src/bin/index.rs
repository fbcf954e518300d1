//! Lets libFuzzer call the target `index`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| acklog_fuzz::targets::index(data));
