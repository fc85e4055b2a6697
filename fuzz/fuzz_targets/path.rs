//! Frames through packet, flow and session to JSON, as a worker does it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::path::run(data));
