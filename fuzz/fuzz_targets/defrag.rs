//! Sequences of fragments under every overlap policy, with limits that are soon reached.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::frames::defrag(data));
