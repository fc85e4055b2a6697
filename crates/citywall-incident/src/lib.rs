//! Incidents: what many events mean together.
//!
//! Owns: which events are evidence and of what, how evidence of the same suspects becomes one
//! incident, how bad it is, its words, and the least that would stop it, as proposals. Does not
//! own: detectors, the policy, and doing anything: `Action`s here are only proposed.
//!
//! A deterministic fold: [`Situation::assess`] for each event in order, [`Situation::tick`] at
//! borders of packet time, [`Situation::finish`] at the end. The same events give the same
//! incidents. Everything is bounded by [`Limits`].

mod action;
mod evidence;
mod incident;
mod situation;
#[cfg(test)]
mod tests;
mod words;

pub use situation::{Counters, Limits, Situation};
