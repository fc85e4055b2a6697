//! What the story's hosts say, protocol by protocol: bytes from values, as the specifications have them.

pub mod der;
pub mod dhcp;
pub mod dns;
pub mod modbus;
pub mod mqtt;
pub mod ntp;
pub mod snmp;
pub mod ssh;
pub mod tls;

/// A length of 16 bits and what it counts.
fn counted16(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}
