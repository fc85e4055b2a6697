//! Segment -> Transaction, Command, Reading: one folder per protocol; probing and the registry.
//!
//! Owns: what the bytes of a conversation mean. Does not own: their order (`citywall-flow`), the
//! JSON syntax and the common event bodies (`citywall-event`), or whether something is allowed.
//!
//! A protocol's folder has `mod.rs` (its `Dissector` and probe), its record type, and `eve.rs`
//! (field names of its event). To add one: the folder, a variant in `Protocol` and `Transaction`,
//! a line in `registry::PROTOCOLS`, a fuzz target, a capture in `corpus/`.

pub mod arp;
pub mod credentials;
pub mod dhcp;
pub mod dns;
pub mod http;
pub mod modbus;
pub mod mqtt;
pub mod ntp;
pub mod snmp;
pub mod ssh;
pub mod telnet;
pub mod tls;

mod dissector;
mod framed;
mod pending;
mod registry;
mod session;
mod spare;
#[cfg(test)]
mod testing;
mod told;
mod transaction;

pub use dissector::*;
pub use pending::Pending;
pub use registry::{PROTOCOLS, ProtocolEntry};
pub use session::{Session, SessionState};
pub use transaction::*;
