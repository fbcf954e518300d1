//! Lets libFuzzer call the target `stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| acklog_fuzz::targets::stream(data));
