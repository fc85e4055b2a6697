//! Floods: far more than somebody takes, or than it ever got.
//!
//! Owns: counting every packet (`meter`, one a source of packets) and judging what was counted
//! (`detector`, in the ordered stage). Does not own: what is done about a flood.

mod class;
mod detector;
mod meter;
mod search;
mod sketch;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_answers;
#[cfg(test)]
mod tests_search;
mod words;

pub use class::Class;
pub use detector::{FloodDetector, FloodFound, FloodLimits};
pub use meter::{Key, Meter, SLICE, Sample, Tally};
