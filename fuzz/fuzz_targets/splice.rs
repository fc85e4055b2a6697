//! A TCP session from which requests are cut.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::inline::spliced(data));
