//! NTP messages.
#![no_main]

use citywall_transaction::Protocol;

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::dissector::run(Protocol::Ntp, data));
