//! What a conversation speaks, found by its content.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::session::run(data));
