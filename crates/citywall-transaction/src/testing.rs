//! What the tests of the protocols share: feeding pieces and showing what came out.

use citywall_event::Nanos;
use citywall_event::json::Object;
use citywall_flow::{Carrier, Content, Direction};

use crate::{Dissector, Hint, Input, Item, Limits, Output, ProtocolEntry};

/// A conversation between these ports.
pub(crate) fn hint(carrier: Carrier, initiator_port: u16, responder_port: u16) -> Hint {
    Hint {
        carrier,
        direction: Direction::ToResponder,
        initiator_port,
        responder_port,
    }
}

/// One line per item: an arrow for its direction, then the event's JSON or the value.
pub(crate) fn show(out: &Output) -> String {
    let mut text = String::new();
    for (direction, item) in &out.items {
        text.push_str(match direction {
            Direction::ToResponder => "> ",
            Direction::ToInitiator => "< ",
        });
        match item {
            Item::Transaction(transaction) => {
                let mut json = Vec::new();
                Object::write(&mut json, |o| transaction.record().write(o));
                text.push_str(&String::from_utf8(json).expect("events are UTF-8"));
            }
            Item::Command(command) => {
                let mut json = Vec::new();
                Object::write(&mut json, |o| command.write(o));
                text.push_str("command ");
                text.push_str(&String::from_utf8(json).expect("events are UTF-8"));
            }
            Item::Reading(r) => text.push_str(&format!("reading {} {:?}", r.point, r.value)),
            Item::Login(login) => text.push_str(&format!("{login:?}")),
            Item::Sighting(s) => text.push_str(&format!(
                "sighting {:?} {:?} {:?} ({})",
                s.side, s.trait_, s.value, s.evidence
            )),
            Item::Malformed(name) => text.push_str(&format!("malformed {name}")),
        }
        text.push('\n');
    }
    text
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

    /// Ends it and shows what came out.
    pub(crate) fn finish(mut self) -> String {
        self.dissector.finish(self.at, &mut self.out);
        show(&self.out)
    }
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
