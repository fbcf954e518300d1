//! Lets libFuzzer call the target `frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| acklog_fuzz::targets::frame(data));
