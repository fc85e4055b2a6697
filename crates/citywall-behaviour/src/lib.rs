//! Behaviour that is not normal: what shows only over many conversations.
//!
//! Owns: detectors that are keyed wider than a flow and live in the ordered stage: scans, the
//! guessing of passwords, floods. Does not own: single conversations, learned models, and what follows.
//!
//! Each detector takes every event, in order, and gives at most one `Behaviour` for it. Time is
//! packet time; memory is bounded by its limits, and what was forgotten is counted.

mod flood;
mod guessing;
mod recent;
mod scan;
#[cfg(test)]
mod tests;

pub use flood::{Class, FloodDetector, FloodFound, FloodLimits, Key, Meter, SLICE, Sample, Tally};
pub use guessing::{GuessingLimits, PasswordGuessing};
pub use scan::{ScanDetector, ScanLimits};
