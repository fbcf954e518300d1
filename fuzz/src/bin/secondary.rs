//! Lets libFuzzer call the target `secondary`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| acklog_fuzz::targets::secondary(data));
