//! Journals: read.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::trust::journal(data));
