//! Rule text, and the rules that load on a conversation.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::rules::run(data));
