//! The waist: facts about a city's networks, and the wire format that carries them.
//!
//! Owns: `Event` and its bodies, their total order and ids, the JSON that leaves the box
//! (Suricata's EVE names where Suricata has them), the registry of event types and fields with
//! what is personal, and `Context`, the read-only table by which the data plane knows zones and
//! assets. Does not own: how facts are found or judged. Names no other crate of the workspace.

mod body;
mod context;
mod first_words;
mod flow;
mod header;
pub mod json;
mod order;
mod party;
mod phrase;
mod spec;
mod technique;

pub use body::*;
pub use context::*;
pub use first_words::FirstWords;
pub use flow::*;
pub use header::*;
pub use order::*;
pub use party::*;
pub use phrase::*;
pub use spec::*;
pub use technique::*;

/// Nanoseconds since the Unix epoch, UTC. Packet time; the machine's clock never enters an event.
pub type Nanos = i64;

/// An IEEE 802 MAC address.
pub type Mac = [u8; 6];
