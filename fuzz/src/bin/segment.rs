//! Lets libFuzzer call the target `segment`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| acklog_fuzz::targets::segment(data));
