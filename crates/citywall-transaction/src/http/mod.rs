//! HTTP/1: requests and responses of RFC 9112 and RFC 9110 (and the simple request of RFC 1945).
//!
//! Owns: recognising HTTP, message framing, pairing of requests and responses, content codings,
//! what rules may see of an exchange, and the fields of the `http` and `fileinfo` events. Does not
//! own: HTTP/2 and HTTP/3, TLS (a tunnel's bytes are handed to `crate::tls`), or rules.

mod bodies;
mod body;
mod coding;
mod dissector;
mod eve;
mod exchange;
mod field;
mod file;
mod give;
mod half;
mod head;
mod inflate;
mod login;
mod mark;
mod multipart;
#[cfg(test)]
mod tests;
mod tunnel;
mod uri;

use citywall_flow::{Carrier, Direction};

use crate::{Dissector, Hint, Limits, Probe, Protocol, ProtocolEntry};

pub use exchange::HttpExchange;
pub use file::{FileInfo, FileState};

/// How this protocol is found.
pub const ENTRY: ProtocolEntry = ProtocolEntry {
    protocol: Protocol::Http,
    carried_by: |c| c == Carrier::Tcp,
    probe,
    open,
};

/// Methods of RFC 9110, WebDAV and common use; others are recognised by their whole request line.
const METHODS: [&[u8]; 17] = [
    b"GET",
    b"POST",
    b"HEAD",
    b"PUT",
    b"DELETE",
    b"OPTIONS",
    b"CONNECT",
    b"TRACE",
    b"PATCH",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"MOVE",
    b"COPY",
    b"LOCK",
    b"SUBSCRIBE",
    b"NOTIFY",
];

/// The first line may be this long before we stop waiting for its end.
const PROBE_LINE: usize = 1_500;

/// A response begins with `HTTP/1.` or `HTTP/0.`; a request is believed at `GET /` and the like,
/// any other only with its whole first line, since RTSP, SIP and ICAP look the same at first.
fn probe(hint: &Hint, data: &[u8]) -> Probe {
    let from = |sender: Direction| {
        if hint.direction == sender {
            Probe::Yes
        } else {
            Probe::Reversed
        }
    };
    let version = b"HTTP/";
    let shared = data.len().min(version.len());
    if data[..shared] == version[..shared] {
        return match data.get(5..7) {
            Some(b"1." | b"0.") => from(Direction::ToInitiator),
            Some(_) => Probe::No,
            None => match data.get(5) {
                Some(b'0' | b'1') | None => Probe::Maybe,
                Some(_) => Probe::No,
            },
        };
    }
    match request_line(data) {
        Probe::Yes => from(Direction::ToResponder),
        other => other,
    }
}

fn request_line(data: &[u8]) -> Probe {
    let name = data.iter().take_while(|b| b.is_ascii_uppercase()).count();
    let method = &data[..name];
    let Some(&after) = data.get(name) else {
        return if METHODS.iter().any(|m| m.starts_with(method)) {
            Probe::Maybe
        } else {
            Probe::No
        };
    };
    if after != b' ' || !METHODS.contains(&method) {
        return Probe::No;
    }
    let target = &data[name + 1..];
    match target.first() {
        None => return Probe::Maybe,
        Some(b'/') => return Probe::Yes,
        Some(_) => {}
    }
    match memchr::memchr(b'\n', target) {
        Some(end) if memchr::memmem::find(&target[..end], b" HTTP/1.").is_some() => Probe::Yes,
        Some(_) => Probe::No,
        None if data.len() > PROBE_LINE => Probe::No,
        None => Probe::Maybe,
    }
}

fn open(limits: &Limits, hint: &Hint) -> Box<dyn Dissector> {
    Box::new(dissector::HttpDissector::new(limits, *hint))
}
