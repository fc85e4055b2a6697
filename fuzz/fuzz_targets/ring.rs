//! The ring between holder and parser, written by a hostile parser.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::inline::ring(data));
