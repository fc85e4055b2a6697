//! DHCP for IPv4 (RFC 2131) and its ancestor BOOTP (RFC 951).
//!
//! Owns: recognising it by its magic number, one record per message, hints about clients. Does
//! not own: leases (who has which address when).

use citywall_event::{Side, Sighting, SightingTrait};
use citywall_flow::{Carrier, Content, Direction};

use crate::told::{Told, brief};
use crate::{Dissector, Hint, Input, Item, Limits, Output, Probe, Protocol, ProtocolEntry, Transaction};

mod codes;
mod eve;
mod message;
mod options;
#[cfg(test)]
mod tests;

pub use message::DhcpMessage;
use options::code;

/// How this protocol is found.
pub const ENTRY: ProtocolEntry = ProtocolEntry {
    protocol: Protocol::Dhcp,
    carried_by: |c| c == Carrier::Udp,
    probe,
    open,
};

fn probe(hint: &Hint, data: &[u8]) -> Probe {
    let own_port = hint.port(67) || hint.port(68);
    if !message::plausible(data, own_port) {
        return Probe::No;
    }
    let reply = data.first() == Some(&2);
    if reply == (hint.direction == Direction::ToInitiator) {
        Probe::Yes
    } else {
        Probe::Reversed
    }
}

fn open(_limits: &Limits, _hint: &Hint) -> Box<dyn Dissector> {
    Box::new(Conversation::default())
}

#[derive(Default)]
struct Conversation {
    told: Told,
}

impl Dissector for Conversation {
    fn feed(&mut self, input: &Input<'_>, out: &mut Output) {
        let Content::Datagram(data) = input.content else {
            return;
        };
        let direction = input.direction;
        let (message, mark) = match message::parse(data, direction) {
            Ok(found) => found,
            Err(mark) => return out.malformed(direction, mark),
        };
        if let Some(mark) = mark {
            out.malformed(direction, mark);
        }
        self.sightings(&message, direction, out);
        out.transaction(direction, Transaction::Dhcp(Box::new(message)));
    }
}

impl Conversation {
    fn tell(
        &mut self,
        direction: Direction,
        side: Side,
        hint: (SightingTrait, String, &'static str),
        out: &mut Output,
    ) {
        let (trait_, value, evidence) = hint;
        let card = match side {
            Side::Card(card) => Some(card),
            _ => None,
        };
        // Addresses go from one client to another and back: each lease is news.
        let again = trait_ == SightingTrait::Address;
        if !value.is_empty() && (again || self.told.first_of(card, trait_, &value)) {
            let sighting = Sighting {
                side,
                trait_,
                value,
                evidence,
            };
            out.items.push((direction, Item::Sighting(sighting)));
        }
    }

    fn sightings(&mut self, message: &DhcpMessage, direction: Direction, out: &mut Output) {
        let relayed = message.relayed();
        // A client is who the message says that it is: broadcasts are of all clients of a link, and a relay
        // sends in the name of others.
        let client = |else_: Side| message.client_card().map_or(else_, Side::Card);
        if message.reply() {
            if !relayed && matches!(message.kind(), Some(2 | 5 | 6)) {
                let role = (SightingTrait::Role, "dhcp-server".to_owned(), "dhcp.type");
                self.tell(direction, Side::Source, role, out);
            }
            let side = client(Side::Destination);
            let named = side != Side::Destination;
            if let Some(ip) = message.bound_address()
                && (named || !relayed && !message.broadcast())
            {
                let bound = (SightingTrait::Address, ip.to_string(), "dhcp.assigned_ip");
                self.tell(direction, side, bound, out);
            }
            return;
        }
        let side = client(Side::Source);
        if relayed && side == Side::Source {
            // The sender is a relay, and whose message it is is not said in a way that is known.
            return;
        }
        let text = |code| {
            let value = message.options.get(code)?;
            Some(brief(&String::from_utf8_lossy(options::text(&value))).to_owned())
        };
        if let Some(name) = text(code::HOSTNAME) {
            let hint = (SightingTrait::Hostname, name, "dhcp.hostname");
            self.tell(direction, side, hint, out);
        }
        if let Some(class) = text(code::VENDOR_CLASS) {
            const EVIDENCE: &str = "dhcp.vendor_class_identifier";
            if let Some(system) = codes::system(&class) {
                let hint = (SightingTrait::System, system.to_owned(), EVIDENCE);
                self.tell(direction, side, hint, out);
            }
            self.tell(direction, side, (SightingTrait::Product, class, EVIDENCE), out);
        }
    }
}
