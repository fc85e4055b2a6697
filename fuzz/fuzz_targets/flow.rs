//! Sequences of TCP segments and datagrams under every host policy: the observer's contract.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::flow::run(data));
