//! SSH (RFC 4253): banners and the first key exchange message, up to encryption.
//!
//! Owns: recognising SSH, what each party says of itself, HASSH, the fields of the `ssh` event. Does
//! not own: anything encrypted. SSH 1 is recognised by its banner only.

mod dissector;
mod eve;
mod handshake;
mod kex;
#[cfg(test)]
mod tests;

use citywall_flow::Carrier;

use crate::{Dissector, Hint, Limits, Probe, Protocol, ProtocolEntry};

pub use handshake::SshHandshake;

/// How this protocol is found.
pub const ENTRY: ProtocolEntry = ProtocolEntry {
    protocol: Protocol::Ssh,
    carried_by: |c| c == Carrier::Tcp,
    probe,
    open,
};

/// Both parties begin with `SSH-`, so that the direction stays as the flow table has it.
fn probe(_hint: &Hint, data: &[u8]) -> Probe {
    let start = b"SSH-";
    let shared = data.len().min(start.len());
    if data[..shared] != start[..shared] {
        return Probe::No;
    }
    match data.get(4) {
        Some(b'1' | b'2') => Probe::Yes,
        Some(_) => Probe::No,
        None => Probe::Maybe,
    }
}

fn open(limits: &Limits, _hint: &Hint) -> Box<dyn Dissector> {
    Box::new(dissector::SshDissector::new(limits))
}
