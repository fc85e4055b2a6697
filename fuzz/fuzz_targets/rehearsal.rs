//! Lines of the log, as a rehearsal reads them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::playbook::log_line(data));
