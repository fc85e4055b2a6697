//! Entries of the enforcer's journal.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::control::entry(data));
