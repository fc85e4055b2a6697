//! Frame -> Packet: link layers, tunnels, IP, transport, and IP defragmentation.
//!
//! Owns: what one frame says on the wire, down to the transport payload, as plain values and byte
//! ranges. Does not own: conversations (`citywall-flow`), protocols above transport
//! (`citywall-transaction`), or where frames come from (`citywall-capture`).
//!
//! The path: [`decode`] a frame; [`verify_transport`] where the checksum matters; give packets with
//! `Ip::fragment` to the [`Defragmenter`] and what comes out of it to [`decode_reassembled`].

mod bytes;
mod checksum;
mod decode;
mod defrag;
mod describe;
mod ipv4;
mod ipv6;
mod link;
mod malformed;
mod model;
mod policy;
mod transport;
mod tunnel;

pub use checksum::verify_transport;
pub use decode::{MAX_TUNNELS, decode, decode_into, decode_reassembled};
pub use defrag::{DefragLimits, DefragStats, Defragmenter, Incomplete};
pub use describe::describe;
pub use malformed::Malformed;
pub use model::*;
pub use policy::{OverlapPolicies, PolicyError};
