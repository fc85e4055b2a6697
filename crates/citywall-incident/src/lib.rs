//! Incidents: what many events mean together.
//!
//! Owns: which events are evidence and of what, how evidence of the same suspects becomes one
//! incident, how bad it is, and its words. Does not own: detectors, the policy, and what is done about
//! an incident (`citywall-response`).
//!
//! A deterministic fold: [`Situation::assess`] for each event in order, [`Situation::tick`] at
//! borders of packet time, [`Situation::finish`] at the end. The same events give the same
//! incidents. Everything is bounded by [`Limits`].

mod evidence;
mod incident;
mod situation;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_reasons;
mod words;

pub use situation::{Counters, Limits, Situation};
