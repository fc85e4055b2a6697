//! Runs a dissector over a written conversation and renders what it finds as text. For tests.

use citywall_event::json::Object;
use citywall_event::{Body, Event, Order, Subject};
use citywall_flow::{Carrier, Content, Direction};

use crate::{Hint, Input, Item, Limits, Output, ProtocolEntry};

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
        carrier: Carrier::Tcp,
        direction,
        initiator_port: 50_000,
        responder_port: 5_000,
    }
}

/// What is found, one line each; every turn arrives in pieces of at most `piece` bytes.
pub(crate) fn transcript(entry: &ProtocolEntry, limits: &Limits, turns: &[Turn], piece: usize) -> String {
    let mut dissector = (entry.open)(limits, &hint(Direction::ToResponder));
    let mut out = Output::default();
    for (turn, at) in turns.iter().zip(1..) {
        let (direction, bytes) = match turn {
            Turn::Client(bytes) => (Direction::ToResponder, bytes),
            Turn::Server(bytes) => (Direction::ToInitiator, bytes),
            Turn::Gap(direction, n) => {
                let content = Content::Gap(*n);
                dissector.feed(
                    &Input {
                        at,
                        direction: *direction,
                        content,
                    },
                    &mut out,
                );
                continue;
            }
        };
        for part in bytes.chunks(piece.max(1)) {
            let content = Content::Bytes(part);
            dissector.feed(
                &Input {
                    at,
                    direction,
                    content,
                },
                &mut out,
            );
        }
    }
    dissector.finish(1_000, &mut out);
    out.items
        .into_iter()
        .map(|(direction, item)| line(direction, item))
        .collect()
}

fn line(direction: Direction, item: Item) -> String {
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
        Item::Command(command) => body(Body::Command(command)),
        Item::Reading(reading) => body(Body::Reading(reading)),
        Item::Login(l) => format!(
            "login {} user={:?} password_length={:?} default={} success={:?}",
            l.protocol, l.user, l.password_length, l.default_credentials, l.success
        ),
        Item::Sighting(s) => format!(
            "sighting {:?} {:?} {:?} {}",
            s.side, s.trait_, s.value, s.evidence
        ),
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
