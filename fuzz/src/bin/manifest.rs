//! Lets libFuzzer call the target `manifest`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| acklog_fuzz::targets::manifest(data));
