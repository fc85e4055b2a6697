//! Orders between the wall's processes, and their answers.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::control::orders(data));
