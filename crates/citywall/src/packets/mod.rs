//! Packets of live traffic, kept for a while, so that an incident's can be looked at.
//!
//! Owns: the ring of capture files in `OUT/packets`. `keeping` takes copies of frames beside the hot path,
//! `writer` writes them and keeps the budget, `segments` says which file holds what. Does not own: which
//! packets are evidence (`command/evidence`), and who may have them (`citywall-console`).
//!
//! A worker never waits for the disk: what finds no room on its way to the writer is given up and counted.

mod keeping;
mod segments;
mod writer;

pub use segments::{Segment, listed};
pub use writer::{FOLDER, Keeper, Kept};

#[cfg(test)]
mod tests;
