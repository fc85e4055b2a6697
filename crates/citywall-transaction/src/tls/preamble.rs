//! What may stand before the first TLS record: a SOCKS handshake, or PostgreSQL's request for TLS.
//!
//! Owns: which of them it is, and how long it is in each direction.

use citywall_flow::Direction;

use super::record;
use super::socks::{self, Part};

/// SSLRequest: its length and a code that stands where other messages have their version (PostgreSQL
/// documentation, "Message Formats").
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// What stands at the start of the bytes that are sent in a direction.
pub(super) fn part(direction: Direction, data: &[u8]) -> Part {
    match direction {
        Direction::ToResponder => client_part(data),
        Direction::ToInitiator => server_part(data),
    }
}

/// What the client says.
pub(super) fn client_part(data: &[u8]) -> Part {
    if data.first() != Some(&SSL_REQUEST[0]) {
        return socks::client_part(data);
    }
    let shared = data.len().min(SSL_REQUEST.len());
    if data[..shared] != SSL_REQUEST[..shared] {
        Part::None
    } else if shared < SSL_REQUEST.len() {
        Part::Incomplete
    } else {
        Part::Length(shared)
    }
}

/// What the proxy or the database says: the latter agrees with one letter.
fn server_part(data: &[u8]) -> Part {
    match data {
        [b'S'] => Part::Incomplete,
        [b'S', record::HANDSHAKE | record::ALERT, ..] => Part::Length(1),
        _ => socks::server_part(data),
    }
}

/// The name of the protocol whose part this is, for `tls.from_proto`.
pub(super) fn name(direction: Direction, data: &[u8]) -> &'static str {
    match (direction, data.first()) {
        (Direction::ToResponder, Some(0)) | (Direction::ToInitiator, Some(b'S')) => "postgres",
        _ => "socks",
    }
}
