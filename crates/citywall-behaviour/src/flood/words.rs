//! Words for floods.
//!
//! Owns: who suffers or sends what. Does not own: when it is told.

use citywall_event::{Phrase, say};

use super::meter::Key;

pub(super) fn name(key: Key) -> Phrase {
    match key {
        Key::To(ip) => say!("receives", "{who} receives", who = ip),
        Key::Network(ip) => say!(
            "network-receives",
            "hosts of the network of {who} receive",
            who = ip
        ),
        Key::From(ip) => say!("sends", "{who} sends", who = ip),
    }
}

/// What there is too much of.
pub(super) fn of_what(kind: usize) -> Phrase {
    match kind {
        0 => say!("flood-of-syns", "SYNs that nothing follows"),
        1 => say!("flood-of-acks", "small TCP packets that lead to nothing"),
        2 => say!("flood-of-datagrams", "datagrams that nobody answers"),
        3 => say!("flood-of-answers", "answers that nobody asked for"),
        4 => say!("flood-of-icmp", "ICMP messages"),
        5 => say!("flood-of-others", "packets and fragments of other protocols"),
        _ => say!("flood-outbound", "packets that are not answered"),
    }
}
