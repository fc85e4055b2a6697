//! Signed acts: what was signed.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::control::act(data));
