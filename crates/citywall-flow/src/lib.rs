//! Packet -> Flow, Segment: the flow table, TCP reassembly with host policies, timers, eviction.
//!
//! Owns: what belongs to one conversation, in which order its bytes were sent, and when it is
//! over. Does not own: what the bytes mean (`citywall-transaction`), or the clock (packet time is
//! an argument everywhere).

mod model;

pub use model::*;
