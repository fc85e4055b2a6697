//! A broker that acknowledges, and lamps that tell how they are.
//!
//! Owns: MQTT 3.1.1 as far as the range needs it: connect, publish with quality 0 and 1, subscribe,
//! ping. Nothing is passed on. Does not own: real brokers, which take this one's place where they
//! are installed.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;

use super::serve::{self, wrong};
use crate::log::{Kind, Log, now};

const PORT: u16 = 1_883;
const MESSAGE: usize = 65_536;

/// Serves the broker.
pub(super) fn serve(log: Arc<Log>) -> io::Result<()> {
    serve::tcp(PORT, move |mut stream, peer| {
        loop {
            let (first, body) = packet(&mut stream)?;
            let began = now();
            match first >> 4 {
                1 => stream.write_all(&[0x20, 2, 0, 0])?,
                3 => {
                    let length = usize::from(word(&body, 0)?);
                    let topic = String::from_utf8_lossy(body.get(2..2 + length).unwrap_or_default());
                    log.tell(
                        Kind::Served,
                        "mqtt",
                        peer,
                        began,
                        true,
                        &format!("publish {topic}"),
                    );
                    if first & 0x06 == 0x02 {
                        let [high, low] = word(&body, 2 + length)?.to_be_bytes();
                        stream.write_all(&[0x40, 2, high, low])?;
                    }
                }
                8 => {
                    let [high, low] = word(&body, 0)?.to_be_bytes();
                    stream.write_all(&[0x90, 3, high, low, 0])?;
                }
                12 => stream.write_all(&[0xd0, 0])?,
                14 => return Ok(()),
                _ => {}
            }
        }
    })
}

/// One packet: its first byte and what follows the length.
fn packet(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    let [first] = byte;
    let mut length = 0;
    for shift in [0, 7, 14, 21] {
        stream.read_exact(&mut byte)?;
        length |= usize::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    if length > MESSAGE {
        return Err(wrong("too long"));
    }
    Ok((first, serve::read(stream, length)?))
}

fn word(bytes: &[u8], at: usize) -> io::Result<u16> {
    match bytes.get(at..at + 2) {
        Some([high, low]) => Ok(u16::from_be_bytes([*high, *low])),
        _ => Err(wrong("cut")),
    }
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u16).to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

fn with_length(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut left = body.len();
    loop {
        let more = left > 0x7f;
        bytes.push((left & 0x7f) as u8 | if more { 0x80 } else { 0 });
        left >>= 7;
        if !more {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

/// One who publishes, in one conversation as long as it lasts.
#[derive(Debug)]
pub(crate) struct Publisher {
    to: Ipv4Addr,
    stream: Option<TcpStream>,
    id: u16,
}

impl Publisher {
    /// Has no conversation yet.
    pub(crate) fn new(to: Ipv4Addr) -> Publisher {
        Publisher {
            to,
            stream: None,
            id: 0,
        }
    }

    /// Publishes, and waits until the broker has it.
    pub(crate) fn publish(&mut self, topic: &str, message: &str) -> io::Result<()> {
        let outcome = self.try_publish(topic, message);
        if outcome.is_err() {
            self.stream = None;
        }
        outcome
    }

    fn try_publish(&mut self, topic: &str, message: &str) -> io::Result<()> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let mut stream = serve::connect(self.to, PORT)?;
                // Protocol level 4, a clean session, a minute of keep-alive.
                let client = format!("lamp-{}", std::process::id());
                let body = [text("MQTT"), vec![4, 2, 0, 60], text(&client)].concat();
                stream.write_all(&with_length(0x10, &body))?;
                match packet(&mut stream)? {
                    (0x20, body) if body.get(1) == Some(&0) => {}
                    _ => return Err(wrong("not let in")),
                }
                none.insert(stream)
            }
        };
        self.id = self.id.checked_add(1).unwrap_or(1);
        let id = self.id.to_be_bytes();
        let body = [&text(topic), &id[..], message.as_bytes()].concat();
        stream.write_all(&with_length(0x32, &body))?;
        match packet(stream)? {
            (0x40, got) if got == id => Ok(()),
            _ => Err(wrong("another answer")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_have_long_lengths() {
        assert_eq!(with_length(0x30, &[7])[..2], [0x30, 1]);
        assert_eq!(with_length(0x30, &[0; 321])[..3], [0x30, 0xc1, 2]);
        assert_eq!(text("a/b"), [0, 3, b'a', b'/', b'b']);
    }
}
