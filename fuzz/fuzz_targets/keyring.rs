//! Keyrings, private keys, memories of serials.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::trust::keyring(data));
