//! City files: parsed, checked, compiled.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::text::city(data));
