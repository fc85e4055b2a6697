//! What exists on the network: assets, found from traffic, with the evidence for what is said of
//! each.
//!
//! Owns: which addresses belong to one device (and which MAC is a router's and stands for nobody),
//! hints about names, systems and roles, makers by OUI, first and last seen, and when a change is
//! told. Does not own: what a device may do (policy), and where hints are read (transaction).
//!
//! Entry points: [`Inventory::observe`] for each event in order, [`Inventory::tick`] at borders of
//! packet time, then [`Inventory::drain_changes`]. Everything is bounded by [`Limits`]; what does
//! not fit is counted in [`Counters`].

mod changes;
mod claims;
mod device;
mod inventory;
mod learn;
mod makers;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_claims;

pub use device::{Device, Hint};
pub use inventory::{Counters, Inventory, Limits};
pub use makers::Makers;
