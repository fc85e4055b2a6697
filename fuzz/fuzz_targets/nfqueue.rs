//! Datagrams of nfnetlink_queue.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::inline::queue(data));
