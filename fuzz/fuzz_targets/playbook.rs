//! Playbooks: read, checked, explained, and run over an incident.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::playbook::playbook(data));
