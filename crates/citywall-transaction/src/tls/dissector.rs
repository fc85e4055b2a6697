//! Follows a TLS connection until it turns encrypted.
//!
//! Owns: what has been seen of the handshake, and when that is all there will be. From then on
//! neither direction's bytes are wanted, which is what makes TLS cheap.

use citywall_event::Nanos;
use citywall_flow::{Content, Direction};

use super::certificate::Certificate;
use super::fingerprint;
use super::handshake::{Client, Server, TlsHandshake};
use super::hello::{self, Hello, Reader, extension};
use super::preamble;
use super::record::{self, Message, Messages, Piece, Records};
use super::socks::Part;
use super::weakness::weaknesses;
use crate::{Dissector, Input, Limits, Output, Transaction};

/// Application protocols of one hello that are kept.
const PROTOCOLS: usize = 32;

const CLIENT: Direction = Direction::ToResponder;
const SERVER: Direction = Direction::ToInitiator;

/// One connection.
pub(super) struct TlsDissector {
    limit: usize,
    sides: [Side; 2],
    handshake: Box<TlsHandshake>,
    /// The server asked for another hello.
    retry: bool,
    told: u32,
    ended: bool,
}

#[derive(Default)]
struct Side {
    preamble: Preamble,
    records: Records,
    messages: Messages,
    /// Nothing more can be read in this direction: encrypted, lost or over.
    closed: bool,
    /// ChangeCipherSpec was seen: handshake records are encrypted, or a second hello follows.
    encrypted: bool,
}

/// What may stand before the first record.
#[derive(Default)]
enum Preamble {
    #[default]
    Unknown,
    Kept(Vec<u8>),
    Over,
}

/// Malformed handshakes, each told once.
#[derive(Clone, Copy)]
enum Mark {
    Record,
    ClientHello,
    ServerHello,
    Certificate,
    TooLong,
}

impl Mark {
    fn name(self) -> &'static str {
        match self {
            Mark::Record => "tls.record",
            Mark::ClientHello => "tls.client_hello",
            Mark::ServerHello => "tls.server_hello",
            Mark::Certificate => "tls.certificate",
            Mark::TooLong => "tls.message_too_long",
        }
    }
}

impl Dissector for TlsDissector {
    fn feed(&mut self, input: &Input<'_>, out: &mut Output) {
        if self.ended {
            return out.all_done();
        }
        match input.content {
            Content::Bytes(data) => self.bytes(input.direction, data, out),
            Content::Gap(_) | Content::End { .. } => self.side(input.direction).closed = true,
            Content::Datagram(_) => {}
        }
        self.conclude(input.at, false, out);
    }

    fn finish(&mut self, at: Nanos, out: &mut Output) {
        self.conclude(at, true, out);
    }

    fn held(&self) -> usize {
        self.sides.iter().map(|side| side.messages.held()).sum()
    }
}

impl TlsDissector {
    pub(super) fn new(limits: &Limits, from: Option<&'static str>) -> TlsDissector {
        TlsDissector {
            limit: limits.message,
            sides: Default::default(),
            handshake: Box::new(TlsHandshake {
                from,
                ..TlsHandshake::default()
            }),
            retry: false,
            told: 0,
            ended: false,
        }
    }

    fn side(&mut self, direction: Direction) -> &mut Side {
        &mut self.sides[direction.index()]
    }

    fn tell(&mut self, mark: Mark, direction: Direction, out: &mut Output) {
        let bit = 1 << (mark as u32 * 2 + direction.index() as u32);
        if self.told & bit == 0 {
            self.told |= bit;
            out.malformed(direction, mark.name());
        }
    }

    fn bytes(&mut self, direction: Direction, data: &[u8], out: &mut Output) {
        let nothing = self.nothing_stands_before(direction);
        let part = |data: &[u8]| {
            if nothing {
                (Part::None, None)
            } else {
                preamble::part(direction, data)
            }
        };
        match &mut self.sides[direction.index()].preamble {
            Preamble::Over => return self.records(direction, data, out),
            preamble @ Preamble::Unknown => {
                if part(data).0 == Part::None {
                    *preamble = Preamble::Over;
                    return self.records(direction, data, out);
                }
                *preamble = Preamble::Kept(data.to_vec());
            }
            Preamble::Kept(kept) => kept.extend_from_slice(data),
        }
        let Preamble::Kept(kept) = &mut self.side(direction).preamble else {
            return;
        };
        let (length, name) = match part(kept) {
            (Part::Incomplete, _) => return,
            (Part::None, _) => (0, None),
            (Part::Length(length), name) => (length, name),
        };
        let kept = std::mem::take(kept);
        self.side(direction).preamble = Preamble::Over;
        if let Some(name) = name {
            self.handshake.from.get_or_insert(name);
        }
        self.records(direction, kept.get(length..).unwrap_or_default(), out);
    }

    /// A client that began with TLS had nothing to ask of the server before, whatever that says.
    fn nothing_stands_before(&self, direction: Direction) -> bool {
        direction == SERVER && self.handshake.client.is_some() && self.handshake.from.is_none()
    }

    fn records(&mut self, direction: Direction, mut data: &[u8], out: &mut Output) {
        while !data.is_empty() && !self.side(direction).closed && !self.is_complete() {
            let (used, piece) = self.side(direction).records.next(data);
            match piece {
                Piece::Header => {}
                Piece::Begins(kind) => self.record_begins(direction, kind),
                Piece::Content(record::HANDSHAKE, content) => self.content(direction, content, out),
                Piece::Content(..) => {}
                Piece::OldHello(version) if direction == CLIENT => {
                    self.handshake.client.get_or_insert_with(|| Client {
                        version,
                        ..Client::default()
                    });
                }
                Piece::OldHello(_) | Piece::Invalid => {
                    // An SSL 2.0 server's answer is not read.
                    if self.handshake.version() != Some(0x0002) {
                        self.tell(Mark::Record, direction, out);
                    }
                    self.side(direction).closed = true;
                }
            }
            data = data.get(used..).unwrap_or_default();
        }
    }

    fn record_begins(&mut self, direction: Direction, kind: u8) {
        let server = self.handshake.server.as_ref().map(|server| server.version);
        match (kind, direction) {
            (record::CHANGE_CIPHER_SPEC, SERVER) => match server {
                // Right after the hello, without a certificate: resumed by ticket (RFC 5077).
                Some(version) => {
                    self.handshake.resumed |= version < 0x0304 && self.handshake.certificate.is_none();
                    self.side(SERVER).closed = true;
                }
                // Between HelloRetryRequest and hello it says nothing (RFC 8446 appendix D.4).
                None if self.retry => {}
                None => self.side(SERVER).closed = true,
            },
            // The same between a client's two hellos.
            (record::CHANGE_CIPHER_SPEC, CLIENT) => {
                let side = self.side(CLIENT);
                side.encrypted = true;
                side.messages = Messages::default();
            }
            (record::APPLICATION, SERVER) => self.side(SERVER).closed = true,
            // Before the server's hello this is early data, after which a second hello may come.
            (record::APPLICATION, CLIENT) if server.is_some() => self.side(CLIENT).closed = true,
            _ => {}
        }
    }

    fn content(&mut self, direction: Direction, content: &[u8], out: &mut Output) {
        let mut messages = std::mem::take(&mut self.side(direction).messages);
        messages.feed(content, self.limit, &mut |message| {
            // What follows in the same piece must not count: it would depend on the cut.
            if !self.is_complete() && !self.side(direction).closed {
                self.message(direction, message, out);
            }
        });
        self.side(direction).messages = messages;
    }

    fn message(&mut self, direction: Direction, message: Message<'_>, out: &mut Output) {
        match (direction, message) {
            (CLIENT, Message::Whole(hello::CLIENT_HELLO, body)) => self.client_hello(body, out),
            (SERVER, Message::Whole(hello::SERVER_HELLO, body)) => self.server_hello(body, out),
            (SERVER, Message::Whole(hello::CERTIFICATE, body)) => self.certificates(body, out),
            (SERVER, Message::Skipped(hello::SERVER_HELLO_DONE)) => self.side(SERVER).closed = true,
            (_, Message::TooLong(kind)) if !self.side(direction).encrypted => {
                self.tell(Mark::TooLong, direction, out);
                if direction == SERVER && kind == hello::CERTIFICATE {
                    self.side(SERVER).closed = true;
                }
            }
            _ => {}
        }
    }

    fn client_hello(&mut self, body: &[u8], out: &mut Output) {
        let hello = Hello::client(body);
        if let Some(client) = &mut self.handshake.client {
            // Where the server's side was not captured, what looks like a hello may be encrypted;
            // a second hello has the random of the first (RFC 8446 section 4.1.2).
            let second = self.retry || (!hello.broken && hello.random == client.random);
            if second && client.second_ja4.is_empty() {
                client.second_ja4 = fingerprint::ja4(&hello);
            }
            return;
        }
        if self.sides[0].encrypted {
            return;
        }
        if hello.broken {
            self.tell(Mark::ClientHello, CLIENT, out);
        }
        // Without its ciphers a hello has no fingerprint that would tell it from others.
        let readable = !hello.ciphers.is_empty();
        self.handshake.client = Some(Client {
            version: hello.version,
            random: hello.random.to_vec(),
            session: hello.session.to_vec(),
            server_name: hello.server_name().map(<[u8]>::to_vec),
            protocols: hello.protocols().take(PROTOCOLS).map(<[u8]>::to_vec).collect(),
            ja3: readable.then(|| fingerprint::ja3(&hello)),
            ja4: if readable {
                fingerprint::ja4(&hello)
            } else {
                Vec::new()
            },
            second_ja4: Vec::new(),
        });
    }

    fn server_hello(&mut self, body: &[u8], out: &mut Output) {
        let hello = Hello::server(body);
        if hello.broken {
            self.tell(Mark::ServerHello, SERVER, out);
        }
        if hello.is_retry() {
            self.retry = true;
            return;
        }
        // Where it ends before the cipher, nothing was agreed on.
        if self.handshake.server.is_some() || hello.ciphers.is_empty() {
            return;
        }
        let version = hello.chosen_version();
        let modern = version >= 0x0304;
        let client = self.handshake.client.as_ref();
        let same_session = client.is_some_and(|c| !c.session.is_empty() && c.session == hello.session);
        // TLS 1.3 echoes the client's session id always; there a pre-shared key tells.
        self.handshake.resumed = if modern {
            hello.extension(extension::PRE_SHARED_KEY).is_some()
        } else {
            same_session
        };
        self.handshake.server = Some(Server {
            version,
            cipher: hello.chosen_cipher(),
            protocols: hello.protocols().take(PROTOCOLS).map(<[u8]>::to_vec).collect(),
            ja3s: fingerprint::ja3s(&hello),
        });
        if modern {
            self.side(SERVER).closed = true;
        }
    }

    /// The list of RFC 5246 section 7.4.2, the leaf first.
    fn certificates(&mut self, body: &[u8], out: &mut Output) {
        let mut list = Reader::new(body);
        let announced = list.u24();
        let mut whole = announced == Some(list.rest.len());
        while !list.rest.is_empty() && announced.is_some() {
            let Some(bytes) = list.u24().and_then(|length| list.take(length)) else {
                whole = false;
                break;
            };
            self.handshake.chain += 1;
            if self.handshake.certificate.is_none() {
                let certificate = Certificate::new(bytes);
                whole &= !certificate.broken;
                self.handshake.certificate = Some(Box::new(certificate));
            }
        }
        if !whole {
            self.tell(Mark::Certificate, SERVER, out);
        }
        self.handshake.resumed &= self.handshake.certificate.is_none();
        self.side(SERVER).closed = true;
    }

    /// All that will be seen in the clear has been seen.
    fn is_complete(&self) -> bool {
        let client_ready = self.sides[0].closed || (self.handshake.client.is_some() && !self.retry_pending());
        client_ready && self.sides[1].closed
    }

    /// Gives the handshake out once all is known, or when the connection is `over`.
    fn conclude(&mut self, at: Nanos, over: bool, out: &mut Output) {
        if self.ended {
            return;
        }
        if !over && !self.is_complete() {
            for (done, side) in out.done.iter_mut().zip(&self.sides) {
                *done |= side.closed;
            }
            return;
        }
        self.ended = true;
        out.all_done();
        let mut handshake = std::mem::take(&mut self.handshake);
        if handshake.client.is_none() && handshake.server.is_none() && handshake.certificate.is_none() {
            return;
        }
        handshake.weak = weaknesses(&handshake, at);
        out.transaction(CLIENT, Transaction::Tls(handshake));
    }

    /// A second hello is still to come.
    fn retry_pending(&self) -> bool {
        self.retry
            && self.handshake.server.is_none()
            && self
                .handshake
                .client
                .as_ref()
                .is_some_and(|c| c.second_ja4.is_empty())
    }
}
