//! A resolver that knows its own city, and those who ask it.
//!
//! Owns: DNS as far as the range needs it (RFC 1035): one question, one answer. Whatever lies below
//! `tunnel.example` has a text, as a tunnel's far end would answer. Does not own: real resolvers.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::serve::{self, wrong};
use crate::log::{Kind, Log, now};

const PORT: u16 = 53;
/// Record types (RFC 1035 section 3.2.2).
pub(crate) const A: u16 = 1;
pub(crate) const TXT: u16 = 16;

/// Serves names.
pub(super) fn serve(log: Arc<Log>) -> io::Result<()> {
    serve::udp(PORT, move |asked, peer| {
        let began = now();
        let (name, kind, end) = question(asked).ok()?;
        let answer = match kind {
            A if name.ends_with(".eastmere.example") => Some(vec![192, 0, 2, 80]),
            TXT if name.ends_with(".tunnel.example") => Some([&[16][..], b"go on, I have it"].concat()),
            _ => None,
        };
        log.tell(Kind::Served, "dns", peer, began, answer.is_some(), &name);
        let mut message = asked.get(..2)?.to_vec();
        // An answer to a question that wished for recursion, with it; 3 = no such name.
        message.extend([0x81, if answer.is_some() { 0x80 } else { 0x83 }, 0, 1, 0]);
        message.extend([u8::from(answer.is_some()), 0, 0, 0, 0]);
        message.extend(asked.get(12..end)?);
        if let Some(data) = answer {
            // A pointer to the question's name, class IN, a minute.
            message.extend([0xc0, 12]);
            message.extend(kind.to_be_bytes());
            message.extend([0, 1, 0, 0, 0, 60]);
            message.extend((data.len() as u16).to_be_bytes());
            message.extend(data);
        }
        Some(message)
    })
}

/// Name, type and end of the first question.
fn question(message: &[u8]) -> io::Result<(String, u16, usize)> {
    let mut name = String::new();
    let mut at = 12;
    loop {
        let length = usize::from(*message.get(at).ok_or_else(|| wrong("cut"))?);
        at += 1;
        if length == 0 {
            break;
        }
        if length > 63 || name.len() > 255 {
            return Err(wrong("name"));
        }
        let label = message.get(at..at + length).ok_or_else(|| wrong("cut"))?;
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&String::from_utf8_lossy(label).to_lowercase());
        at += length;
    }
    match message.get(at..at + 4) {
        Some([high, low, ..]) => Ok((name, u16::from_be_bytes([*high, *low]), at + 4)),
        _ => Err(wrong("cut")),
    }
}

/// Asks for a name; an error where there is none.
pub(crate) fn ask(to: Ipv4Addr, name: &str, kind: u16, id: u16) -> io::Result<()> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        message.push(label.len().min(63) as u8);
        message.extend(label.bytes().take(63));
    }
    message.push(0);
    message.extend(kind.to_be_bytes());
    message.extend([0, 1]);
    let fits = |answer: &[u8]| answer.get(..2) == Some(&id.to_be_bytes()[..]);
    let answer = serve::ask(to, PORT, &message, fits)?;
    match answer.get(3).map(|flags| flags & 0x0f) {
        Some(0) => Ok(()),
        _ => Err(wrong("no such name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_and_a_cut_one_refused() {
        let mut message = vec![0; 12];
        message.extend(b"\x03www\x08Eastmere\x07example\x00\x00\x01\x00\x01");
        let (name, kind, end) = question(&message).unwrap();
        assert_eq!(
            (name.as_str(), kind, end),
            ("www.eastmere.example", A, message.len())
        );
        for cut in 0..message.len() {
            assert!(question(&message[..cut]).is_err());
        }
        message[12] = 0xc0;
        assert!(question(&message).is_err());
    }
}
