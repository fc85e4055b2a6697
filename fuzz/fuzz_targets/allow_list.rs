//! Learned allow-lists: decoded, said, exported, held against.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::allow::allow_list(data));
