//! Lets libFuzzer call the target `body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| acklog_fuzz::targets::body(data));
