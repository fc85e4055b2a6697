//! What the wall's processes, its people and its sensors say to one another, and what the enforcer
//! writes down.
//!
//! The laws: a line, an order or an entry is refused or read, and what is read is written again alike.

use citywall_response::{Act, Entry};
use citywall_trust::Payload;

/// The control socket's lines.
#[path = "../../crates/citywall/src/enforcer/lines.rs"]
pub mod talk;

/// The hand's orders.
#[path = "../../crates/citywall/src/enforcer/orders.rs"]
pub mod hand;

/// The parser's orders.
#[path = "../../crates/citywall/src/inline/orders.rs"]
pub mod parser;

#[allow(dead_code)]
#[path = "../../crates/citywall/src/inline/policy.rs"]
mod policy;

pub use policy::Denial;
use talk::Message;

/// Lines of the control socket, one after another.
pub fn lines(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        let message = match Message::parse(line) {
            Ok(message) => message,
            Err(error) => {
                assert!(!error.code().is_empty() && !error.to_string().is_empty());
                continue;
            }
        };
        let again = match &message {
            Message::Notice(notice) => talk::notice_line(notice),
            Message::Vitals(vitals) => talk::vitals_line(vitals),
            Message::Hello(speaker) => Some(talk::hello_line(*speaker)),
            Message::For(_) | Message::Ask(_) => None,
        };
        if let Some(again) = again {
            let read = Message::parse(again.trim_end().as_bytes());
            assert_eq!(read.as_ref(), Ok(&message));
        }
    }
}

/// The first byte chooses: an order to the hand, its answer, or an order to the parser.
pub fn orders(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    match kind % 3 {
        0 => {
            if let Ok((number, order)) = hand::Order::decode(data) {
                assert_eq!(order.encode(number).as_deref(), Ok(data), "an order has one form");
            }
        }
        1 => {
            if let Ok(answer) = hand::Answer::decode(data) {
                let written = answer.encode().expect("it was read");
                assert_eq!(hand::Answer::decode(&written).as_ref(), Ok(&answer));
            }
        }
        _ => {
            if let Ok(order) = parser::Order::read(data) {
                let written = order.write();
                if written.len() <= parser::MESSAGE {
                    assert_eq!(parser::Order::read(&written).ok().as_ref(), Some(&order));
                }
            }
        }
    }
}

/// An entry of the enforcer's journal.
pub fn entry(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(entry) = Entry::parse(text) {
        assert_eq!(Entry::parse(&entry.to_json()).as_ref(), Ok(&entry));
    }
}

/// What a signed act says.
pub fn act(data: &[u8]) {
    if let Ok(act) = Act::decode(data) {
        assert_eq!(Act::decode(&act.encode()).as_ref(), Ok(&act));
    }
}
