//! Frame -> Packet: link layers, tunnels, IP, transport, and IP defragmentation.
//!
//! Owns: what one frame says on the wire, down to the transport payload, as plain values and byte
//! ranges. Does not own: conversations (`citywall-flow`), protocols above transport
//! (`citywall-transaction`), or where frames come from (`citywall-capture`).

mod model;

pub use model::*;
