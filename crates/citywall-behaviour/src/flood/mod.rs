//! Floods: far more than somebody takes, or than it ever got.
//!
//! Owns: counting every packet (`meter`, one a source of packets) and judging what was counted
//! (`detector`, in the ordered stage). Does not own: what is done about a flood.

mod detector;
mod meter;
mod sketch;
#[cfg(test)]
mod tests;

pub use detector::{FloodDetector, FloodFound, FloodLimits};
pub use meter::{Class, Key, Meter, SLICE, Sample, Tally};
