//! Lets libFuzzer call the target `query`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| acklog_fuzz::targets::query(data));
