//! TCP conversations in which every segment can be bent.
//!
//! Owns: sequence numbers of both sides. There is no loss but the one that a case wants.

use super::capture::Capture;
use super::net::{self, End, Segment};
pub use crate::story::wire::flag;

/// Urgent pointer counts; the story has no use for it.
pub const URG: u8 = 0x20;

/// Bytes of data in a full segment.
const MSS: usize = 1_460;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Opened the conversation.
    Client = 0,
    /// Was called.
    Server = 1,
}

use Side::{Client, Server};

impl Side {
    /// The other one.
    pub fn other(self) -> Side {
        match self {
            Client => Server,
            Server => Client,
        }
    }
}

/// One conversation.
#[derive(Clone, Debug)]
pub struct Talk {
    ends: [End; 2],
    /// Next sequence number of each side.
    pub seq: [u32; 2],
}

impl Talk {
    /// A conversation of which nothing was sent yet.
    pub fn between(client: End, server: End) -> Talk {
        Talk {
            ends: [client, server],
            seq: [1_000_000, 5_000_000],
        }
    }

    /// SYN, SYN and ACK, ACK.
    pub fn open(capture: &mut Capture, client: End, server: End) -> Talk {
        let mut talk = Talk::between(client, server);
        talk.syn(capture);
        talk.accept(capture);
        talk.ack(capture, Client);
        talk
    }

    /// The client's SYN.
    pub fn syn(&mut self, capture: &mut Capture) {
        let segment = Segment {
            ack: 0,
            ..self.segment(Client, flag::SYN, b"", &[2, 4, 5, 0xb4])
        };
        self.put(capture, Client, &segment);
        self.seq[0] = self.seq[0].wrapping_add(1);
    }

    /// The server's SYN and ACK.
    pub fn accept(&mut self, capture: &mut Capture) {
        let segment = self.segment(Server, flag::SYN | flag::ACK, b"", &[2, 4, 5, 0xb4]);
        self.put(capture, Server, &segment);
        self.seq[1] = self.seq[1].wrapping_add(1);
    }

    /// The next segment of a side, with everything as it should be.
    pub fn segment<'a>(&self, side: Side, flags: u8, data: &'a [u8], options: &'a [u8]) -> Segment<'a> {
        Segment {
            seq: self.seq[side as usize],
            ack: self.seq[side.other() as usize],
            flags,
            options,
            data,
            ..Segment::default()
        }
    }

    /// Sends a segment as it is; nothing is counted.
    pub fn put(&self, capture: &mut Capture, side: Side, segment: &Segment<'_>) {
        let (from, to) = (self.ends[side as usize], self.ends[side.other() as usize]);
        capture.ip(from.0, to.0, net::TCP, &net::tcp(from, to, segment));
    }

    /// Data at a distance from the next sequence number; nothing is counted.
    pub fn put_at(&self, capture: &mut Capture, side: Side, distance: i32, data: &[u8]) {
        let segment = self.segment(side, flag::ACK | flag::PSH, data, &[]);
        let seq = segment.seq.wrapping_add_signed(distance);
        self.put(capture, side, &Segment { seq, ..segment });
    }

    /// Counts bytes of a side as sent.
    pub fn skip(&mut self, side: Side, bytes: usize) {
        let seq = &mut self.seq[side as usize];
        *seq = seq.wrapping_add(bytes as u32);
    }

    /// Sends data that nobody acknowledges yet.
    pub fn send(&mut self, capture: &mut Capture, side: Side, data: &[u8]) {
        for chunk in data.chunks(MSS) {
            let segment = self.segment(side, flag::ACK | flag::PSH, chunk, &[]);
            self.put(capture, side, &segment);
            self.skip(side, chunk.len());
        }
    }

    /// Sends data, and the other side acknowledges, in good time for its window.
    pub fn say(&mut self, capture: &mut Capture, side: Side, data: &[u8]) {
        for part in data.chunks(16 * MSS) {
            self.send(capture, side, part);
            self.ack(capture, side.other());
        }
    }

    /// An acknowledgement without data.
    pub fn ack(&self, capture: &mut Capture, side: Side) {
        let segment = self.segment(side, flag::ACK, b"", &[]);
        self.put(capture, side, &segment);
    }

    /// A FIN of one side.
    pub fn fin(&mut self, capture: &mut Capture, side: Side) {
        let segment = self.segment(side, flag::FIN | flag::ACK, b"", &[]);
        self.put(capture, side, &segment);
        self.skip(side, 1);
    }

    /// The polite end, the client first.
    pub fn close(&mut self, capture: &mut Capture) {
        self.fin(capture, Client);
        self.fin(capture, Server);
        self.ack(capture, Client);
    }

    /// The rude end.
    pub fn reset(&self, capture: &mut Capture, side: Side) {
        let segment = self.segment(side, flag::RST | flag::ACK, b"", &[]);
        self.put(capture, side, &segment);
    }
}
