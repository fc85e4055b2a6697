//! SNMP over TCP (RFC 3430): messages one after the other, each of which says its length.
//!
//! Owns: the framing, and recognising it at a stream's start.

use super::{ber, from, message, own_port};
use crate::framed::Framing;
use crate::{Hint, Probe};

/// The first message is waited for until it is whole, where it is not longer than this.
const FIRST_MESSAGE: usize = 1_500;

/// Over TCP a message follows the other; its own length says where (RFC 3430).
pub(super) const FRAMING: Framing = Framing {
    end,
    too_long: "snmp.message_limit",
    truncated: "snmp.truncated",
};

/// Where the message that stands here ends; `None` where more bytes are needed to say.
fn end(data: &[u8]) -> Result<Option<usize>, &'static str> {
    let [sequence, length, rest @ ..] = data else {
        return match data.first() {
            Some(byte) if *byte != ber::tag::SEQUENCE => Err("snmp.ber_tag"),
            _ => Ok(None),
        };
    };
    if *sequence != ber::tag::SEQUENCE {
        return Err("snmp.ber_tag");
    }
    let count = match length {
        0..=0x7f => return Ok(Some(2 + usize::from(*length))),
        0x80 => return Err("snmp.ber_indefinite"),
        0x81..=0x84 => usize::from(length & 0x7f),
        _ => return Err("snmp.ber_length"),
    };
    let bytes = rest.get(..count);
    let length = bytes.map(|b| b.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)));
    Ok(length.map(|length| 2 + count + length))
}

/// Is this the start of a stream of messages? The first has to be whole and well formed; on a port of SNMP it
/// may be wrong in what follows its version.
pub(super) fn probe(hint: &Hint, data: &[u8]) -> Probe {
    let total = match end(data) {
        Err(_) => return Probe::No,
        Ok(None) => return Probe::Maybe,
        Ok(Some(total)) if total > FIRST_MESSAGE => return Probe::No,
        Ok(Some(total)) => total,
    };
    let header = match data.get(1) {
        Some(long @ 0x81..) => 2 + usize::from(long & 0x7f),
        _ => 2,
    };
    // What begins likewise (LDAP) is not waited for.
    let begins = [[2, 1, 0, 4], [2, 1, 1, 4], [2, 1, 3, 0x30]];
    let inside = data.get(header..total.min(data.len())).unwrap_or_default();
    let inside = &inside[..inside.len().min(4)];
    if !begins.iter().any(|b| b.starts_with(inside)) {
        return Probe::No;
    }
    match data.get(..total) {
        None => Probe::Maybe,
        Some(first) if message::strict(first) || (own_port(hint) && inside.len() == 4) => from(hint, first),
        Some(_) => Probe::No,
    }
}
