//! The path of a packet through the process: prepare -> worker -> order.
//!
//! One thread prepares batches (reads, decodes, defragments, shards), N workers follow the
//! conversations that fall to them and share nothing, one thread merges what they found into the
//! one order and judges what is wider than a flow. Live, each worker prepares for itself. Every
//! queue is bounded; a full one makes its writer wait, so a replay never loses anything and memory
//! stays flat.

pub mod conversation;
pub mod facts;
pub mod habits;
pub mod inspect;
pub mod judge;
pub mod learning;
pub mod losses;
pub mod merge;
pub mod ordered;
pub mod prepare;
pub mod propose;
mod questions;
pub mod run;
pub mod worker;
