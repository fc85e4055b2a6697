//! Listings of hardware makers.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::text::makers(data));
