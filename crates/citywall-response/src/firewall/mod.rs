//! The policy and the measures as nftables.
//!
//! Owns: the translation of a `Ruleset` into our tables, the timed sets, the transactions that
//! change them, reading the kernel's answer, and the diff between what is and what should be. Does
//! not own: running `nft` (the binary does).
//!
//! Entry points: [`Wall::new`], [`install`], [`uninstall`], [`add`], [`remove`], [`heartbeat`],
//! [`block_list`], [`Listing::parse`], [`differences`]. Why text is written and JSON is read:
//! `docs/adr/0015-nft-text-out-json-in.md`.

mod conduits;
mod deployment;
mod elements;
mod ends;
mod frames;
mod install;
mod listing;
mod measures;
mod model;

#[cfg(test)]
mod tests;
mod text;
mod wall;

pub use deployment::{Deployment, DeploymentError, Mode};
pub use elements::{
    Element, ElementError, Wanted, add, block_list, flush, heartbeat, measure_of, remove, sets_of, silence,
};
pub use install::{Difference, differences, install, restore, uninstall};
pub use listing::{Listing, ListingError};
pub use model::{Family, TABLE, Table};
pub use wall::{Wall, marks};

/// What the name of an ingress chain begins with; the interface follows.
const EARLY: &str = "early_";

/// The chain in which SYNs are answered in a device's place.
const ANSWERING: &str = "answering";
