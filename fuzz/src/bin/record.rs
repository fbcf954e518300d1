//! Lets libFuzzer call the target `record`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| acklog_fuzz::targets::record(data));
