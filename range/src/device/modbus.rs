//! A controller with coils and registers, and the master that polls it.
//!
//! Owns: Modbus/TCP as far as the range needs it (MODBUS Application Protocol V1.1b3, MODBUS
//! Messaging on TCP/IP V1.0b). Does not own: what the city allows of it.

use std::io;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::sync::{Arc, Mutex};

use super::serve::{self, wrong};
use crate::log::{Kind, Log, now};

const PORT: u16 = 502;
const POINTS: usize = 1_024;
/// Exception codes, section 7.
const ILLEGAL_FUNCTION: u8 = 1;
const ILLEGAL_ADDRESS: u8 = 2;

struct Memory {
    coils: Vec<bool>,
    registers: Vec<u16>,
}

/// Serves the controller.
pub(super) fn serve(log: Arc<Log>) -> io::Result<()> {
    let memory = Arc::new(Mutex::new(Memory {
        coils: vec![true; POINTS],
        registers: (0..POINTS as u16).collect(),
    }));
    serve::tcp(PORT, move |mut stream, peer| {
        loop {
            let header = serve::read(&mut stream, 7)?;
            let length = usize::from(word(&header, 4)?);
            // The length counts the unit; a message has at most 253 bytes behind it.
            if !(2..=254).contains(&length) {
                return Err(wrong("length"));
            }
            let began = now();
            let asked = serve::read(&mut stream, length - 1)?;
            let (answer, what) = match memory.lock() {
                Ok(mut memory) => memory.answer(&asked),
                Err(_) => return Err(wrong("memory")),
            };
            let ok = answer.first().is_some_and(|f| f & 0x80 == 0);
            log.tell(Kind::Served, "modbus", peer, began, ok, &what);
            let mut message = header.get(..4).unwrap_or_default().to_vec();
            message.extend((answer.len() as u16 + 1).to_be_bytes());
            message.extend(header.get(6));
            message.extend(answer);
            stream.write_all(&message)?;
        }
    })
}

impl Memory {
    /// The answer to a request, and the request in words.
    fn answer(&mut self, asked: &[u8]) -> (Vec<u8>, String) {
        let function = asked.first().copied().unwrap_or(0);
        let refused = |code, what: String| (vec![function | 0x80, code], what);
        let (Ok(at), Ok(value)) = (word(asked, 1), word(asked, 3)) else {
            return refused(ILLEGAL_FUNCTION, format!("function {function}"));
        };
        let (from, count) = (usize::from(at), usize::from(value));
        let echo = || asked.get(..5).unwrap_or_default().to_vec();
        match function {
            1 => match self.coils.get(from..from + count) {
                Some(coils) if (1..=2_000).contains(&count) => {
                    let mut answer = vec![1, count.div_ceil(8) as u8];
                    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |b, bit| b << 1 | u8::from(*bit));
                    answer.extend(coils.chunks(8).map(byte));
                    (answer, format!("read coil:{at} (+{count})"))
                }
                _ => refused(ILLEGAL_ADDRESS, format!("read coil:{at} (+{count})")),
            },
            3 | 4 => match self.registers.get(from..from + count) {
                Some(registers) if (1..=125).contains(&count) => {
                    let mut answer = vec![function, (count * 2) as u8];
                    answer.extend(registers.iter().flat_map(|r| r.to_be_bytes()));
                    (answer, format!("read holding:{at} (+{count})"))
                }
                _ => refused(ILLEGAL_ADDRESS, format!("read holding:{at} (+{count})")),
            },
            5 => match self.coils.get_mut(from) {
                Some(coil) => {
                    *coil = value == 0xff00;
                    (
                        echo(),
                        format!("write coil:{at} = {}", if value == 0xff00 { "on" } else { "off" }),
                    )
                }
                None => refused(ILLEGAL_ADDRESS, format!("write coil:{at}")),
            },
            6 => match self.registers.get_mut(from) {
                Some(register) => {
                    *register = value;
                    (echo(), format!("write holding:{at} = {value}"))
                }
                None => refused(ILLEGAL_ADDRESS, format!("write holding:{at}")),
            },
            _ => refused(ILLEGAL_FUNCTION, format!("function {function}")),
        }
    }
}

/// One who asks a controller, in one conversation as long as it lasts.
#[derive(Debug)]
pub(crate) struct Master {
    to: Ipv4Addr,
    stream: Option<TcpStream>,
    transaction: u16,
}

impl Master {
    /// Has no conversation yet.
    pub(crate) fn new(to: Ipv4Addr) -> Master {
        Master {
            to,
            stream: None,
            transaction: 0,
        }
    }

    /// Reads registers.
    pub(crate) fn read_holding(&mut self, at: u16, count: u16) -> io::Result<Vec<u8>> {
        self.ask(3, at, count)
    }

    /// Writes a register.
    pub(crate) fn write_register(&mut self, at: u16, value: u16) -> io::Result<()> {
        self.ask(6, at, value).map(drop)
    }

    /// Switches a coil.
    pub(crate) fn write_coil(&mut self, at: u16, on: bool) -> io::Result<()> {
        self.ask(5, at, if on { 0xff00 } else { 0 }).map(drop)
    }

    fn ask(&mut self, function: u8, at: u16, value: u16) -> io::Result<Vec<u8>> {
        let outcome = self.try_ask(function, at, value);
        // After a refusal by the device itself the conversation goes on.
        let refused = matches!(&outcome, Err(e) if e.kind() == io::ErrorKind::PermissionDenied);
        if outcome.is_err() && !refused {
            self.stream = None;
        }
        outcome
    }

    fn try_ask(&mut self, function: u8, at: u16, value: u16) -> io::Result<Vec<u8>> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(serve::connect(self.to, PORT)?),
        };
        self.transaction = self.transaction.wrapping_add(1);
        let mut message = self.transaction.to_be_bytes().to_vec();
        message.extend([0, 0, 0, 6, 1, function]);
        message.extend(at.to_be_bytes());
        message.extend(value.to_be_bytes());
        stream.write_all(&message)?;
        let header = serve::read(stream, 7)?;
        let length = usize::from(word(&header, 4)?);
        if word(&header, 0)? != self.transaction || !(2..=254).contains(&length) {
            return Err(wrong("answer to another question"));
        }
        let answer = serve::read(stream, length - 1)?;
        match answer.as_slice() {
            [f, code, ..] if *f == function | 0x80 => {
                let what = format!("exception {code}");
                Err(io::Error::new(io::ErrorKind::PermissionDenied, what))
            }
            [f, ..] if *f == function => Ok(answer),
            _ => Err(wrong("another function")),
        }
    }
}

fn word(bytes: &[u8], at: usize) -> io::Result<u16> {
    match bytes.get(at..at + 2) {
        Some([high, low]) => Ok(u16::from_be_bytes([*high, *low])),
        _ => Err(wrong("too short")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_controller_keeps_what_is_written_and_refuses_what_it_does_not_know() {
        let mut memory = Memory {
            coils: vec![true; 16],
            registers: vec![7; 16],
        };
        assert_eq!(memory.answer(&[6, 0, 3, 1, 0]).1, "write holding:3 = 256");
        assert_eq!(memory.answer(&[3, 0, 2, 0, 2]).0, [3, 4, 0, 7, 1, 0]);
        assert_eq!(memory.answer(&[5, 0, 1, 0, 0]).1, "write coil:1 = off");
        assert_eq!(memory.answer(&[1, 0, 0, 0, 9]).0, [1, 2, 0b1111_1101, 1]);
        assert_eq!(memory.answer(&[3, 0, 15, 0, 2]).0, [0x83, 2]);
        assert_eq!(memory.answer(&[3, 0xff, 0xff, 0xff, 0xff]).0, [0x83, 2]);
        assert_eq!(memory.answer(&[90, 0, 0, 0, 0]).0, [0x80 | 90, 1]);
        assert_eq!(memory.answer(&[]).0, [0x80, 1]);
    }
}
