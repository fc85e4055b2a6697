//! What may stand before the first TLS record: a SOCKS handshake, PostgreSQL's request for TLS, or a
//! conversation that asks for it (`starttls`).
//!
//! Owns: which of them it is, how long it is in each direction, and its name for `tls.from_proto`.

use citywall_flow::Direction;

use super::record;
use super::socks::{self, Part};
use super::starttls;

/// SSLRequest: its length and a code that stands where other messages have their version (PostgreSQL
/// documentation, "Message Formats").
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// What stands at the start of the bytes that are sent in a direction, and the protocol's name where that
/// tells it.
pub(super) fn part(direction: Direction, data: &[u8]) -> (Part, Option<&'static str>) {
    match direction {
        Direction::ToResponder => {
            let (part, name) = client_part(data);
            (part, Some(name))
        }
        Direction::ToInitiator => server_part(data),
    }
}

/// What the client says.
pub(super) fn client_part(data: &[u8]) -> (Part, &'static str) {
    match data.first() {
        Some(0) => (database_part(data), "postgres"),
        Some(4 | 5) => (socks::client_part(data), "socks"),
        _ => starttls::client_part(data),
    }
}

/// What a client of PostgreSQL says.
fn database_part(data: &[u8]) -> Part {
    let shared = data.len().min(SSL_REQUEST.len());
    if data[..shared] != SSL_REQUEST[..shared] {
        Part::None
    } else if shared < SSL_REQUEST.len() {
        Part::Incomplete
    } else {
        Part::Length(shared)
    }
}

/// What the proxy or the server says: PostgreSQL agrees with one letter.
fn server_part(data: &[u8]) -> (Part, Option<&'static str>) {
    match data {
        [b'S'] => (Part::Incomplete, None),
        [b'S', record::HANDSHAKE | record::ALERT, ..] => (Part::Length(1), Some("postgres")),
        [0 | 5, ..] => (socks::server_part(data), Some("socks")),
        _ => starttls::server_part(data),
    }
}
