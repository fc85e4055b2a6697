//! DNS over UDP and TCP (RFC 1035, RFC 7766), multicast DNS (RFC 6762), LLMNR (RFC 4795).
//!
//! Owns: recognising it on any port, framing over TCP, one record per message. Does not own:
//! DNS inside TLS or HTTPS, or whether a name is allowed.

use citywall_event::NameAsked;
use citywall_flow::{Carrier, Content, Direction};

use crate::framed::{Framing, Streams};
use crate::told::Told;
use crate::{Dissector, Hint, Input, Item, Limits, Output, Probe, Protocol, ProtocolEntry, Transaction};

mod announce;
mod codes;
mod eve;
mod message;
mod name;
mod rdata;
#[cfg(test)]
mod tests;

pub use message::DnsMessage;
use message::{Flavour, View};
use name::HEADER_BYTES;

/// How this protocol is found.
pub const ENTRY: ProtocolEntry = ProtocolEntry {
    protocol: Protocol::Dns,
    carried_by: |c| matches!(c, Carrier::Udp | Carrier::Tcp),
    probe,
    open,
};

/// On a port that is not DNS's, the first message over TCP must be whole before it is believed;
/// longer ones are not waited for.
const FIRST_MESSAGE: usize = 1_024;

fn flavour(hint: &Hint) -> Flavour {
    if hint.port(5353) {
        Flavour::Mdns
    } else if hint.port(5355) {
        Flavour::Llmnr
    } else {
        Flavour::Dns
    }
}

fn own_port(hint: &Hint) -> bool {
    hint.port(53) || flavour(hint) != Flavour::Dns
}

fn probe(hint: &Hint, data: &[u8]) -> Probe {
    match hint.carrier {
        Carrier::Tcp => probe_stream(hint, data),
        _ if own_port(hint) => match data.first_chunk() {
            Some(header) if message::plausible(header, data.len()) => sure(hint, header),
            _ => Probe::No,
        },
        _ => match data.first_chunk() {
            Some(header) if message::strict(data) => sure(hint, header),
            _ => Probe::No,
        },
    }
}

fn probe_stream(hint: &Hint, data: &[u8]) -> Probe {
    let Some((&length, rest)) = data.split_first_chunk::<2>() else {
        return Probe::Maybe;
    };
    let length = usize::from(u16::from_be_bytes(length));
    if length < HEADER_BYTES {
        return Probe::No;
    }
    if !own_port(hint) && length > FIRST_MESSAGE {
        return Probe::No;
    }
    let Some(header) = rest.first_chunk::<HEADER_BYTES>() else {
        return Probe::Maybe;
    };
    if !message::plausible(header, length) {
        return Probe::No;
    }
    if own_port(hint) {
        return sure(hint, header);
    }
    match rest.get(..length) {
        None => Probe::Maybe,
        Some(first) if message::strict(first) => sure(hint, header),
        Some(_) => Probe::No,
    }
}

/// It is DNS; a response comes from the responder (in multicast DNS everybody speaks to all).
fn sure(hint: &Hint, header: &[u8; HEADER_BYTES]) -> Probe {
    let response = header[2] & 0x80 != 0;
    let from_responder = hint.direction == Direction::ToInitiator;
    if flavour(hint) == Flavour::Mdns || response == from_responder {
        Probe::Yes
    } else {
        Probe::Reversed
    }
}

fn open(limits: &Limits, hint: &Hint) -> Box<dyn Dissector> {
    let streams = (hint.carrier == Carrier::Tcp).then(|| Box::new(Streams::new(FRAMING, limits.message)));
    Box::new(Conversation {
        streams,
        messages: Messages {
            flavour: flavour(hint),
            count: 0,
            open: 0,
            told: None,
        },
    })
}

struct Conversation {
    /// Over TCP only: most conversations are single datagrams, and there are very many of them.
    streams: Option<Box<Streams>>,
    messages: Messages,
}

/// What all messages of a conversation share.
struct Messages {
    flavour: Flavour,
    count: u32,
    /// Questions that wait for their answer.
    open: u32,
    /// Multicast DNS and LLMNR only.
    told: Option<Box<Told>>,
}

impl Messages {
    fn one(&mut self, direction: Direction, data: &[u8], out: &mut Output) {
        let header = data.first_chunk::<HEADER_BYTES>();
        if !header.is_some_and(|header| message::plausible(header, data.len())) {
            let mark = if header.is_none() {
                "dns.header_truncated"
            } else {
                "dns.header"
            };
            return out.malformed(direction, mark);
        }
        let (layout, mark) = message::parse(data);
        let view = View {
            message: data,
            layout: &layout,
        };
        let response = data[2] & 0x80 != 0;
        if self.flavour == Flavour::Dns {
            self.open = if response {
                self.open.saturating_sub(1)
            } else {
                self.open.saturating_add(1)
            };
            out.settled = self.open == 0;
        } else if response {
            let told = self.told.get_or_insert_default();
            announce::sightings(view, self.flavour, told, |sighting| {
                out.items.push((direction, Item::Sighting(sighting)));
            });
        }
        let message = out.spare_dns.fill(data, |raw| DnsMessage {
            raw,
            layout,
            flavour: self.flavour,
            direction,
            tx_id: self.count,
        });
        self.count = self.count.wrapping_add(1);
        if let Some(mark) = mark {
            out.malformed(direction, mark);
        }
        if !codes::opcode_assigned(message.opcode()) {
            out.malformed(direction, "dns.opcode");
        }
        if data[3] & 0x40 != 0 {
            out.malformed(direction, "dns.z_bit");
        }
        let worth_a_look = (self.flavour == Flavour::Dns)
            .then(|| asked(&message, direction))
            .flatten();
        out.transaction(direction, Transaction::Dns(message));
        out.items.extend(worth_a_look);
    }
}

/// Bytes of labels below the last two from which on a name is worth a look: those that carry data
/// are longer than those that people choose.
const LONG: usize = 24;

/// Long names that are asked for, and names that do not exist.
fn asked(message: &DnsMessage, direction: Direction) -> Option<(Direction, Item)> {
    let unknown = message.response() && message.rcode() == 3;
    if message.response() && !unknown {
        return None;
    }
    let question = message.view().questions().next()?;
    // The usual case: a short name that exists, and nothing is allocated.
    if !unknown && !name::may_be_longer(&message.raw, question.name, LONG) {
        return None;
    }
    let mut bytes = Vec::with_capacity(64);
    name::present(&message.raw, question.name, false, &mut bytes);
    let lossy = |error: std::string::FromUtf8Error| String::from_utf8_lossy(error.as_bytes()).into_owned();
    let mut name = String::from_utf8(bytes).unwrap_or_else(lossy);
    name.make_ascii_lowercase();
    let dots = name.rmatch_indices('.').nth(1).map_or(0, |(at, _)| at);
    if !unknown && dots < LONG {
        return None;
    }
    let direction = if message.response() {
        direction.flip()
    } else {
        direction
    };
    Some((direction, Item::Name(NameAsked { name, unknown })))
}

/// Over TCP each message has its length before it (RFC 1035, 4.2.2).
const FRAMING: Framing = Framing {
    end,
    too_long: "dns.message_limit",
    truncated: "dns.truncated",
};

fn end(data: &[u8]) -> Result<Option<usize>, &'static str> {
    let Some(length) = data.first_chunk::<2>() else {
        return Ok(None);
    };
    match usize::from(u16::from_be_bytes(*length)) {
        length if length < HEADER_BYTES => Err("dns.tcp_length"),
        length => Ok(Some(2 + length)),
    }
}

impl Dissector for Conversation {
    fn feed(&mut self, input: &Input<'_>, out: &mut Output) {
        let direction = input.direction;
        if let Content::Datagram(data) = input.content {
            return self.messages.one(direction, data, out);
        }
        if let Some(streams) = &mut self.streams {
            let messages = &mut self.messages;
            streams.feed(direction, input.content, out, |message, out| {
                messages.one(direction, message.get(2..).unwrap_or_default(), out);
            });
        }
    }

    fn held(&self) -> usize {
        self.streams.as_ref().map_or(0, |streams| streams.held())
    }
}
