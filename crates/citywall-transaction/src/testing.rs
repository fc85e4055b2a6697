//! What the tests of the protocols share: feeding a conversation, and showing what was found in it.

use citywall_event::json::Object;
use citywall_event::{Body, Event, Nanos, Order, Subject};
use citywall_flow::{Carrier, Content, Direction};

use crate::{Dissector, Hint, Input, Item, Limits, Output, ProtocolEntry};

/// A conversation between these ports.
pub(crate) fn hint_on(carrier: Carrier, initiator_port: u16, responder_port: u16) -> Hint {
    Hint {
        carrier,
        direction: Direction::ToResponder,
        initiator_port,
        responder_port,
    }
}

/// One turn of a conversation.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    /// The client sends.
    Client(Vec<u8>),
    /// The server sends.
    Server(Vec<u8>),
    /// Bytes that the capture lost.
    Gap(Direction, u64),
}

/// The client's turn.
pub(crate) fn client(bytes: impl AsRef<[u8]>) -> Turn {
    Turn::Client(bytes.as_ref().to_vec())
}

/// The server's turn.
pub(crate) fn server(bytes: impl AsRef<[u8]>) -> Turn {
    Turn::Server(bytes.as_ref().to_vec())
}

/// A hint for ports that no protocol owns.
pub(crate) fn hint(direction: Direction) -> Hint {
    Hint {
        direction,
        ..hint_on(Carrier::Tcp, 50_000, 5_000)
    }
}

/// A conversation under test.
pub(crate) struct Conversation {
    dissector: Box<dyn Dissector>,
    pub out: Output,
    pub at: Nanos,
}

impl Conversation {
    pub(crate) fn new(entry: &ProtocolEntry, hint: &Hint, limits: &Limits) -> Conversation {
        Conversation {
            dissector: (entry.open)(limits, hint),
            out: Output::default(),
            at: 0,
        }
    }

    pub(crate) fn feed(&mut self, direction: Direction, content: Content<'_>) {
        let input = Input {
            at: self.at,
            direction,
            content,
        };
        self.dissector.feed(&input, &mut self.out);
    }

    pub(crate) fn datagram(&mut self, direction: Direction, data: &[u8]) {
        self.feed(direction, Content::Datagram(data));
    }

    /// Ends it and shows what was found.
    pub(crate) fn finish(mut self) -> String {
        self.dissector.finish(self.at, &mut self.out);
        show(&self.out)
    }
}

/// What is found in a conversation; every turn arrives in pieces of at most `piece` bytes.
pub(crate) fn transcript(entry: &ProtocolEntry, limits: &Limits, turns: &[Turn], piece: usize) -> String {
    let mut conversation = Conversation::new(entry, &hint(Direction::ToResponder), limits);
    for turn in turns {
        conversation.at += 1;
        let (direction, bytes) = match turn {
            Turn::Client(bytes) => (Direction::ToResponder, bytes),
            Turn::Server(bytes) => (Direction::ToInitiator, bytes),
            Turn::Gap(direction, n) => {
                conversation.feed(*direction, Content::Gap(*n));
                continue;
            }
        };
        for part in bytes.chunks(piece.max(1)) {
            conversation.feed(direction, Content::Bytes(part));
        }
    }
    conversation.at = 1_000;
    conversation.finish()
}

/// One line for each item: an arrow for its direction, then the event's JSON or the value.
pub(crate) fn show(out: &Output) -> String {
    out.items
        .iter()
        .map(|(direction, item)| line(*direction, item))
        .collect()
}

fn line(direction: Direction, item: &Item) -> String {
    let arrow = match direction {
        Direction::ToResponder => ">",
        Direction::ToInitiator => "<",
    };
    let text = match item {
        Item::Transaction(transaction) => {
            let record = transaction.record();
            let mut json = Vec::new();
            Object::write(&mut json, |o| record.write(o));
            String::from_utf8_lossy(&json).into_owned()
        }
        Item::Command(command) => body(Body::Command(command.clone())),
        Item::Reading(reading) => body(Body::Reading(reading.clone())),
        Item::Login(l) => format!(
            "login {} user={:?} password_length={:?} default={} success={:?}",
            l.protocol, l.user, l.password_length, l.default_credentials, l.success
        ),
        Item::Sighting(s) => format!(
            "sighting {:?} {:?} {:?} {}",
            s.side, s.trait_, s.value, s.evidence
        ),
        Item::Name(n) => format!("name {:?} unknown={}", n.name, n.unknown),
        Item::Malformed(name) => format!("malformed {name}"),
    };
    format!("{arrow} {text}\n")
}

/// The members of the object that an event is about.
fn body(body: Body) -> String {
    let name = body.event_type().unwrap_or("");
    let event = Event {
        order: Order::default(),
        at: 0,
        subject: Subject::default(),
        app_proto: None,
        body,
    };
    let mut json = Vec::new();
    event.write(&mut json, None);
    let text = String::from_utf8_lossy(&json).into_owned();
    let start = text.find(&format!("\"{name}\":{{")).unwrap_or(0);
    let object = text[start..].trim_end();
    object.strip_suffix('}').unwrap_or(object).to_owned()
}

/// The bytes of a run of hexadecimal digits; blanks are free.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|b| !b.is_ascii_whitespace())
        .map(|b| char::from(b).to_digit(16).expect("a hexadecimal digit") as u8)
        .collect();
    digits
        .chunks_exact(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}
