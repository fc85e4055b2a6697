//! MQTT 3.1.1 and 5.
#![no_main]

use citywall_transaction::Protocol;

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::dissector::run(Protocol::Mqtt, data));
