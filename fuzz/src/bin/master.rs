//! Lets libFuzzer call the target `master`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| acklog_fuzz::targets::master(data));
