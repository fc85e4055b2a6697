//! Network time: NTP versions 1 to 4 (RFC 1059, 1119, 1305, 5905), control messages (mode 6, RFC
//! 9327) and the private messages of ntpd (mode 7, "monlist").
//!
//! Owns: recognising it and the `ntp` record. Does not own: whether a server tells the truth.

use citywall_event::{Side, Sighting, SightingTrait};
use citywall_flow::{Carrier, Content};

use crate::{Dissector, Hint, Input, Item, Limits, Output, Probe, Protocol, ProtocolEntry, Transaction};

mod eve;
mod message;
#[cfg(test)]
mod tests;

use message::Body;
pub use message::NtpMessage;

/// How this protocol is found.
pub const ENTRY: ProtocolEntry = ProtocolEntry {
    protocol: Protocol::Ntp,
    carried_by: |c| c == Carrier::Udp,
    probe,
    open,
};

fn probe(hint: &Hint, data: &[u8]) -> Probe {
    let Ok(message) = message::parse(data, hint.direction) else {
        return Probe::No;
    };
    if !hint.port(123) && !message::strict(&message, data) {
        return Probe::No;
    }
    match message.sender() {
        Some(sender) if sender != hint.direction => Probe::Reversed,
        _ => Probe::Yes,
    }
}

fn open(_limits: &Limits, _hint: &Hint) -> Box<dyn Dissector> {
    Box::new(Conversation { told: [false; 2] })
}

struct Conversation {
    /// By direction: its sender is known to be a server.
    told: [bool; 2],
}

impl Dissector for Conversation {
    fn feed(&mut self, input: &Input<'_>, out: &mut Output) {
        let Content::Datagram(data) = input.content else {
            return;
        };
        let direction = input.direction;
        let message = match message::parse(data, direction) {
            Ok(message) => message,
            Err(mark) => return out.malformed(direction, mark),
        };
        if let Some(mark) = message.mark() {
            out.malformed(direction, mark);
        }
        let told = &mut self.told[direction.index()];
        if !*told && matches!(message.body, Body::Time(_)) && matches!(message.mode, 4 | 5) {
            *told = true;
            let sighting = Sighting {
                side: Side::Source,
                trait_: SightingTrait::Role,
                value: "ntp-server".to_owned(),
                evidence: "ntp.mode",
            };
            out.items.push((direction, Item::Sighting(sighting)));
        }
        out.transaction(direction, Transaction::Ntp(Box::new(message)));
    }
}
