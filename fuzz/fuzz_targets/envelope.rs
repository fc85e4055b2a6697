//! Signed files: read, verified.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::trust::envelope(data));
