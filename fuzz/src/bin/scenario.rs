//! Lets libFuzzer call the target `scenario`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| acklog_fuzz::targets::scenario(data));
