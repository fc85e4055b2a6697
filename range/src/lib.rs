//! A city in network namespaces, to try the wall in: devices that speak the real protocols,
//! attackers, scenarios.
//!
//! Owns: building and taking down the namespaces, the devices, the attacks, what each scenario must
//! show. Drives the real binary; names no other crate of the workspace.
//!
//! From the outside in: [`Options`] say what is to be run; [`run`] starts the binary again inside
//! user, network, mount and process namespaces, one for each run of a scenario, so that everything
//! dies with it; there a [`Topology`] becomes namespaces, its devices and its benign work start,
//! the product starts, and the scenario is played and judged by what the devices themselves logged.

#![allow(dead_code)]

mod cityfile;
pub mod device;
mod error;
mod log;
mod random;
mod topology;

pub use error::RangeError;
pub use topology::Topology;
