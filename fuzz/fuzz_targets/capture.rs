//! Capture files, one and two of them, from readers that give little and fail.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::capture::run(data));
