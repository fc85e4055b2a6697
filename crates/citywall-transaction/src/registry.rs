//! Which protocols there are and how each is recognised.

use citywall_flow::Carrier;

use crate::{Dissector, Hint, Limits, Probe, Protocol};

/// How one protocol is recognised and followed.
pub struct ProtocolEntry {
    /// Which.
    pub protocol: Protocol,
    /// Whether it can be carried so.
    pub carried_by: fn(Carrier) -> bool,
    /// Looks at the first bytes of one direction (or at one datagram).
    pub probe: fn(&Hint, &[u8]) -> Probe,
    /// Starts to follow a conversation.
    pub open: fn(&Limits, &Hint) -> Box<dyn Dissector>,
}

/// All protocols. Order matters only where two probes say yes: the first wins, so strict probes
/// (magic bytes) stand before loose ones.
pub static PROTOCOLS: &[ProtocolEntry] = &[
    crate::tls::ENTRY,
    crate::ssh::ENTRY,
    crate::http::ENTRY,
    crate::mqtt::ENTRY,
    crate::modbus::ENTRY,
    crate::dns::ENTRY,
    crate::dhcp::ENTRY,
    crate::snmp::ENTRY,
    crate::ntp::ENTRY,
    crate::telnet::ENTRY,
    crate::arp::ENTRY,
];
