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

mod attack;
mod city;
mod cityfile;
pub mod device;
mod drive;
mod error;
mod inside;
mod judge;
mod log;
mod network;
mod outside;
mod random;
mod report;
mod rules;
mod scenario;
mod scenarios;
mod topology;
mod training;

pub use error::RangeError;
pub use inside::range_device;
pub use outside::{Options, run, why_closed};
pub use report::{Outcome, Report};
pub use scenario::{Scenario, Variant};
pub use scenarios::{SCENARIOS, find};
pub use topology::Topology;
pub use training::{UpOptions, up};
