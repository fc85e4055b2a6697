//! Frames of every link type: decoded, verified, described, given to the defragmenter.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| citywall_fuzz::frames::packet(data));
