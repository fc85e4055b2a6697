//! The interface between conversations and protocols.

use citywall_event::{Command, Login, NameAsked, Nanos, Reading, Sighting};
use citywall_flow::{Carrier, Content, Direction};

use crate::Transaction;
use crate::dns::DnsMessage;
use crate::snmp::SnmpMessage;
use crate::spare::Spare;

/// Follows one conversation of one protocol.
///
/// Law (held by a property test for each protocol): any cut of a stream into pieces gives the same
/// items. A dissector never panics, keeps at most `Limits` bytes, and goes on after what it does
/// not understand: it marks it as malformed and resynchronises or gives up (`Output::done`).
pub trait Dissector: Send {
    /// The next piece of the conversation.
    fn feed(&mut self, input: &Input<'_>, out: &mut Output);

    /// The conversation is over: what is still open is given out as it stands.
    fn finish(&mut self, _at: Nanos, _out: &mut Output) {}

    /// About how many bytes of messages and requests that are not over it keeps. Asked after each piece: many
    /// conversations that each stay within `Limits` may still be too many together.
    fn held(&self) -> usize {
        0
    }
}

/// One piece, as a dissector sees it. Directions are as the protocol means them: `ToResponder`
/// goes to the server, also where the capture began midstream and the flow had it the other way.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Packet time.
    pub at: Nanos,
    /// To the server or to the client.
    pub direction: Direction,
    /// The piece.
    pub content: Content<'a>,
}

/// What a dissector found, in order.
#[derive(Debug, Default)]
pub struct Output {
    /// The finds.
    pub items: Vec<(Direction, Item)>,
    /// By direction: no more bytes are needed (encrypted from here on, or not understood).
    pub done: [bool; 2],
    /// Nothing that was asked in this conversation waits for an answer, and what comes later would most
    /// likely come in another: names are asked for from a new port each time.
    pub settled: bool,
    pub(crate) spare_dns: Spare<DnsMessage>,
    pub(crate) spare_snmp: Spare<SnmpMessage>,
}

/// One find.
#[derive(Debug)]
pub enum Item {
    /// A request with its answer, a message, a handshake.
    Transaction(Transaction),
    /// Somebody told a device to do something. The direction is that of the command.
    Command(Box<Command>),
    /// A device told a value. The direction is that of the value.
    Reading(Box<Reading>),
    /// Somebody logged in or tried to. The direction is `ToResponder`.
    Login(Login),
    /// A hint about one of the parties; `Side::Source` is the sender in this item's direction.
    Sighting(Sighting),
    /// A name was asked for that is worth a look. The direction is the asker's.
    Name(NameAsked),
    /// Malformed at this protocol's layer; the dotted name (`"dns.name_loop"`).
    Malformed(&'static str),
}

impl Output {
    /// Adds a transaction.
    pub fn transaction(&mut self, direction: Direction, transaction: Transaction) {
        self.items.push((direction, Item::Transaction(transaction)));
    }

    /// Takes back a transaction that was read by all; its memory serves the next.
    pub fn reclaim(&mut self, transaction: Transaction) {
        match transaction {
            Transaction::Dns(message) => self.spare_dns.put(message),
            Transaction::Snmp(message) => self.spare_snmp.put(message),
            _ => {}
        }
    }

    /// Adds a command.
    pub fn command(&mut self, direction: Direction, command: Command) {
        self.items.push((direction, Item::Command(Box::new(command))));
    }

    /// Adds a reading.
    pub fn reading(&mut self, direction: Direction, reading: Reading) {
        self.items.push((direction, Item::Reading(Box::new(reading))));
    }

    /// Adds a mark of malformed bytes.
    pub fn malformed(&mut self, direction: Direction, name: &'static str) {
        self.items.push((direction, Item::Malformed(name)));
    }

    /// Nothing more is needed from either side.
    pub fn all_done(&mut self) {
        self.done = [true; 2];
    }
}

/// What a probe may look at besides the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Hint {
    /// What carries the conversation.
    pub carrier: Carrier,
    /// As the flow table believes it.
    pub direction: Direction,
    /// The initiator's port.
    pub initiator_port: u16,
    /// The responder's port.
    pub responder_port: u16,
}

impl Hint {
    /// True where one of the ports is this one.
    pub fn port(&self, port: u16) -> bool {
        self.initiator_port == port || self.responder_port == port
    }
}

/// A probe's answer to the first bytes of one direction. Law: for a longer prefix of the same
/// bytes, `Yes` and `No` never change; only `Maybe` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It is this protocol, and `hint.direction` is right.
    Yes,
    /// It is this protocol, and the sender of these bytes is the other party than the flow table
    /// believes (midstream).
    Reversed,
    /// Too few bytes to tell.
    Maybe,
    /// It is not.
    No,
}

/// Bounds of what one dissector keeps. Set in `--config`.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Bytes of one message that are kept while it is incomplete.
    pub message: usize,
    /// Open requests that wait for an answer.
    pub open_requests: usize,
    /// Decompressed bytes per HTTP body.
    pub decompressed: usize,
    /// Bytes of an HTTP body that rules see.
    pub body: usize,
    /// Rules see HTTP bodies of responses. Where none does, those that are not encoded are passed over.
    pub response_bodies: bool,
    /// Hash HTTP bodies (`fileinfo`).
    pub file_hashes: bool,
    /// Give out `Command` for plain reads too (they are the bulk of polling).
    pub read_commands: bool,
    /// Give out `Reading`.
    pub readings: bool,
    /// Give each `Command` out with its request, as unanswered, instead of with its answer: for a
    /// wall that decides before the device sees the request. The answers then need not be fed.
    pub at_request: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            message: 64 * 1024,
            open_requests: 128,
            decompressed: 1024 * 1024,
            body: 64 * 1024,
            response_bodies: true,
            file_hashes: false,
            read_commands: true,
            readings: true,
            at_request: false,
        }
    }
}
