//! SNMP v1, v2c and v3 over UDP and TCP (RFC 1157, RFC 3416, RFC 3414, RFC 3430).
//!
//! Owns: recognising it on any port, one record per message, commands from requests and readings
//! from answers. Does not own: MIBs (objects go by their numbers), decryption.

use std::collections::VecDeque;

use citywall_event::{Nanos, Reading, Side, Sighting, SightingTrait};
use citywall_flow::{Carrier, Content, Direction};

use crate::framed::Streams;
use crate::told::Told;
use crate::{Dissector, Hint, Input, Item, Limits, Output, Probe, Protocol, ProtocolEntry, Transaction};

mod agent;
mod ber;
mod eve;
mod message;
mod open;
mod stream;
#[cfg(test)]
mod tests;
mod value;

pub use message::SnmpMessage;
use message::{Pdu, PduKind};
use open::OpenRequests;
use stream::FRAMING;
use value::Bindings;

/// How this protocol is found.
pub const ENTRY: ProtocolEntry = ProtocolEntry {
    protocol: Protocol::Snmp,
    carried_by: |c| matches!(c, Carrier::Udp | Carrier::Tcp),
    probe,
    open,
};

/// Informs of one conversation that are remembered until they are acknowledged.
const INFORMS: usize = 16;

/// Readings that one message gives.
const READINGS: usize = 256;

/// Bindings whose values tell of the device, not of the process: sysUpTime.0 and snmpTrapOID.0,
/// with which every v2 trap begins.
const TRAP_HEAD: usize = 2;

fn own_port(hint: &Hint) -> bool {
    hint.port(161) || hint.port(162)
}

fn probe(hint: &Hint, data: &[u8]) -> Probe {
    if hint.carrier == Carrier::Tcp {
        return stream::probe(hint, data);
    }
    // A sequence that begins with a version number.
    let loose = data.first() == Some(&ber::tag::SEQUENCE)
        && data
            .get(1..8)
            .is_some_and(|head| head.windows(3).any(|w| matches!(w, [2, 1, 0 | 1 | 3])));
    if message::strict(data) || own_port(hint) && loose {
        from(hint, data)
    } else {
        Probe::No
    }
}

/// It is SNMP; is its sender the one that `hint` says?
fn from(hint: &Hint, data: &[u8]) -> Probe {
    let (parts, _) = message::parse(data);
    match parts.pdu {
        Some(pdu) if pdu.kind.answers() != (hint.direction == Direction::ToInitiator) => Probe::Reversed,
        // What is encrypted comes from the port that is SNMP's, or cannot be told.
        None if hint.initiator_port == 161 && hint.responder_port != 161 => Probe::Reversed,
        _ => Probe::Yes,
    }
}

fn open(limits: &Limits, hint: &Hint) -> Box<dyn Dissector> {
    let streams = (hint.carrier == Carrier::Tcp).then(|| Box::new(Streams::new(FRAMING, limits.message)));
    Box::new(Conversation {
        streams,
        messages: Messages {
            read_commands: limits.read_commands,
            readings: limits.readings,
            open_limit: limits.open_requests,
            at_request: limits.at_request,
            requests: OpenRequests::default(),
            informs: VecDeque::new(),
            told: Told::default(),
        },
    })
}

struct Conversation {
    /// Over TCP only.
    streams: Option<Box<Streams>>,
    messages: Messages,
}

/// What all messages of a conversation share.
struct Messages {
    read_commands: bool,
    readings: bool,
    open_limit: usize,
    at_request: bool,
    requests: OpenRequests,
    /// Ids of informs that wait for their acknowledgement, the newest last.
    informs: VecDeque<i64>,
    told: Told,
}

impl Messages {
    /// What follows from a message: commands, readings, hints.
    fn consequences(&mut self, at: Nanos, message: &SnmpMessage, pdu: &Pdu, out: &mut Output) {
        let (direction, parts) = (message.direction, &message.parts);
        let message_id = parts.security.as_ref().map(|s| s.message_id);
        let bindings = message.bindings();
        match pdu.kind {
            PduKind::Set | PduKind::Get | PduKind::GetNext | PduKind::GetBulk => {
                if pdu.kind == PduKind::Set || self.read_commands {
                    let mut each = |command| out.command(direction, command);
                    self.requests
                        .add(at, pdu, message_id, bindings, self.open_limit, &mut each);
                    if self.at_request {
                        self.requests.finish(&mut each);
                    }
                }
            }
            // A manager repeats what it was informed of: it measured nothing.
            PduKind::Response if self.acknowledges(pdu.request_id) => {}
            PduKind::Response | PduKind::Report => {
                let mut each = |command| out.command(direction.flip(), command);
                let asked = self.requests.answer(pdu, message_id, &mut each);
                // What a `set` is answered with is what was written, not what was measured.
                let measured = pdu.kind == PduKind::Response && asked != Some(PduKind::Set);
                if pdu.numbers[0] == 0 && pdu.kind == PduKind::Response {
                    self.agent(direction, bindings, out);
                }
                if measured && pdu.numbers[0] == 0 {
                    self.values(direction, bindings, 0, out);
                }
            }
            PduKind::TrapV1 => {
                self.agent(direction, bindings, out);
                self.values(direction, bindings, 0, out);
            }
            PduKind::TrapV2 => {
                self.agent(direction, bindings, out);
                self.values(direction, bindings, TRAP_HEAD, out);
            }
            PduKind::Inform => {
                if self.informs.len() >= INFORMS {
                    self.informs.pop_front();
                }
                self.informs.push_back(pdu.request_id);
                self.agent(direction, bindings, out);
                self.values(direction, bindings, TRAP_HEAD, out);
            }
        }
    }

    /// True for the id of an inform, which is then forgotten.
    fn acknowledges(&mut self, id: i64) -> bool {
        let found = self.informs.iter().position(|inform| *inform == id);
        found.and_then(|place| self.informs.remove(place)).is_some()
    }

    fn agent(&mut self, direction: Direction, bindings: Bindings<'_>, out: &mut Output) {
        let mut role = |value: &str, evidence| {
            if self.told.first(SightingTrait::Role, value) {
                let sighting = Sighting {
                    side: Side::Source,
                    trait_: SightingTrait::Role,
                    value: value.to_owned(),
                    evidence,
                };
                out.items.push((direction, Item::Sighting(sighting)));
            }
        };
        role("snmp-agent", "snmp.pdu_type");
        for binding in bindings.take(READINGS).filter(|binding| binding.has_value()) {
            agent::sighting(&binding, &mut self.told, |sighting| {
                out.items.push((direction, Item::Sighting(sighting)));
            });
        }
    }

    fn values(&mut self, direction: Direction, bindings: Bindings<'_>, skip: usize, out: &mut Output) {
        if !self.readings {
            return;
        }
        for binding in bindings.take(READINGS).skip(skip) {
            if let Some(value) = binding.value() {
                let reading = Reading {
                    protocol: "snmp",
                    unit: None,
                    point: value::dotted_string(binding.oid),
                    value,
                };
                out.reading(direction, reading);
            }
        }
    }

    fn one(&mut self, at: Nanos, direction: Direction, data: &[u8], out: &mut Output) {
        self.requests.expire(at, &mut |command| {
            out.command(Direction::ToResponder, command);
        });
        let (parts, mark) = message::parse(data);
        if let Some(mark) = mark {
            out.malformed(direction, mark);
        }
        if parts.version == 0 {
            return;
        }
        let message = out.spare_snmp.fill(data, |raw| SnmpMessage {
            raw,
            parts,
            direction,
        });
        if let Some(pdu) = &message.parts.pdu {
            self.consequences(at, &message, pdu, out);
        }
        out.transaction(direction, Transaction::Snmp(message));
    }
}

impl Dissector for Conversation {
    fn feed(&mut self, input: &Input<'_>, out: &mut Output) {
        let (at, direction) = (input.at, input.direction);
        let messages = &mut self.messages;
        match (input.content, &mut self.streams) {
            (Content::Datagram(data), _) => messages.one(at, direction, data, out),
            (content, Some(streams)) => streams.feed(direction, content, out, |data, out| {
                messages.one(at, direction, data, out);
            }),
            (_, None) => {}
        }
    }

    fn finish(&mut self, _at: Nanos, out: &mut Output) {
        self.messages.requests.finish(&mut |command| {
            out.command(Direction::ToResponder, command);
        });
    }

    fn held(&self) -> usize {
        self.messages.requests.held() + self.streams.as_ref().map_or(0, |streams| streams.held())
    }
}
