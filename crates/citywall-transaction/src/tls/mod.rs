//! TLS 1.0 to 1.3 (RFC 2246, 4346, 5246, 8446), SSL 3.0 (RFC 6101) and the SSL 2.0 hello.
//!
//! Owns: recognising TLS, also behind a SOCKS handshake, PostgreSQL's request for it or a conversation that asks for it (SMTP
//! and others); the plain part of the handshake; JA3, JA3S and JA4; what is weak about it; the fields of the `tls` event. Does not own: anything
//! encrypted, DTLS, QUIC. Of FoxIO's fingerprints only JA4 is here; the others of that family have
//! another licence.

mod certificate;
mod der;
mod dissector;
mod eve;
mod fingerprint;
mod handshake;
mod hello;
mod name;
mod preamble;
mod record;
mod socks;
mod starttls;
#[cfg(test)]
mod tests;
mod weakness;

use citywall_flow::{Carrier, Direction};

use crate::{Dissector, Hint, Limits, Probe, Protocol, ProtocolEntry};

pub use handshake::TlsHandshake;

/// How this protocol is found.
pub const ENTRY: ProtocolEntry = ProtocolEntry {
    protocol: Protocol::Tls,
    carried_by: |c| c == Carrier::Tcp,
    probe,
    open,
};

/// The largest record (RFC 5246 section 6.2.3).
const RECORD: u16 = 16_384 + 2_048;

fn probe(hint: &Hint, data: &[u8]) -> Probe {
    match preamble::client_part(data).0 {
        socks::Part::None => records(hint, data),
        socks::Part::Incomplete => Probe::Maybe,
        socks::Part::Length(length) => match records(hint, &data[length..]) {
            // The client is that of TLS too, and says something at once.
            Probe::Yes if data.len() > length => Probe::Yes,
            Probe::Maybe => Probe::Maybe,
            _ => Probe::No,
        },
    }
}

/// The first record: a handshake record with a hello, an SSL 2.0 hello, or, where the capture began
/// in the middle, application data.
fn records(hint: &Hint, data: &[u8]) -> Probe {
    let from = |sender| {
        if hint.direction == sender {
            Probe::Yes
        } else {
            Probe::Reversed
        }
    };
    let Some(&kind) = data.first() else {
        return Probe::Maybe;
    };
    if kind & 0x80 != 0 {
        return match old_hello(data) {
            Probe::Yes => from(Direction::ToResponder),
            other => other,
        };
    }
    if kind != record::HANDSHAKE && kind != record::APPLICATION {
        return Probe::No;
    }
    if data.get(1).is_some_and(|major| *major != 3) || data.get(2).is_some_and(|minor| *minor > 4) {
        return Probe::No;
    }
    let Some(&[high, low]) = data.get(3..5) else {
        return Probe::Maybe;
    };
    let length = u16::from_be_bytes([high, low]);
    if length == 0 || length > RECORD {
        return Probe::No;
    }
    if kind == record::APPLICATION {
        return Probe::Yes;
    }
    match data.get(5) {
        Some(&hello::CLIENT_HELLO) => from(Direction::ToResponder),
        Some(&(hello::SERVER_HELLO | hello::CERTIFICATE)) => from(Direction::ToInitiator),
        Some(_) => Probe::No,
        None => Probe::Maybe,
    }
}

/// The hello of SSL 2.0, which clients of SSL 3.0 and TLS 1.0 sent for compatibility (RFC 5246
/// appendix E.2): its lengths must add up.
fn old_hello(data: &[u8]) -> Probe {
    let known = |at: usize, good: &[u8]| data.get(at).is_none_or(|b| good.contains(b));
    if !known(2, &[hello::CLIENT_HELLO]) || !known(3, &[0, 3]) || !known(4, &[0, 1, 2, 3]) {
        return Probe::No;
    }
    let Some(lengths) = data.get(5..11) else {
        return Probe::Maybe;
    };
    let part = |at: usize| usize::from(u16::from_be_bytes([lengths[at], lengths[at + 1]]));
    let total = usize::from(u16::from_be_bytes([data[0] & 0x7f, data[1]]));
    let (ciphers, session, challenge) = (part(0), part(2), part(4));
    let fits = 9 + ciphers + session + challenge == total
        && ciphers.is_multiple_of(3)
        && ciphers > 0
        && matches!(session, 0 | 16)
        && (16..=32).contains(&challenge);
    if fits { Probe::Yes } else { Probe::No }
}

fn open(limits: &Limits, _hint: &Hint) -> Box<dyn Dissector> {
    Box::new(dissector::TlsDissector::new(limits, None))
}

/// Follows TLS that another protocol carries from here on, which `from` names.
pub(crate) fn open_inside(limits: &Limits, from: &'static str) -> Box<dyn Dissector> {
    Box::new(dissector::TlsDissector::new(limits, Some(from)))
}
