//! Modbus/TCP: requests and their answers, on any port.
//!
//! Owns: taking ADUs off a stream, pairing by transaction and unit. `pdu` owns the layouts, `resync` going
//! on after damage, `command` what an exchange means, `eve` the event.
//!
//! Transaction ids should tell open requests apart (MODBUS Messaging on TCP/IP V1.0b, section 4.4.1.3), but
//! there are clients that give all of them the same one and send several at once. Those are answered in the
//! order in which they were sent.
//!
//! A command is given out when its answer comes, when it is sent again, when nobody can still wait for the
//! answer, or at the end, so that it says how it ended. An inline wall has it with the request
//! (`Limits::at_request`).

mod command;
mod eve;
pub mod names;
mod pdu;
mod resync;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use citywall_event::{Nanos, Side as Party, Sighting, SightingTrait};
use citywall_flow::{Carrier, Content, Direction};

pub use eve::ModbusExchange;
pub use pdu::{Adu, Body, Fault, Side};

use crate::{
    Dissector, Hint, Input, Item, Limits, Output, Pending, Probe, Protocol, ProtocolEntry, Transaction,
};
use pdu::{HEADER, LENGTHS, Size};
use resync::Search;

/// How this protocol is found.
pub const ENTRY: ProtocolEntry = ProtocolEntry {
    protocol: Protocol::Modbus,
    carried_by: |c| c == Carrier::Tcp,
    probe,
    open,
};

/// The registered port.
const PORT: u16 = 502;

/// A header with its function code.
const HEAD: usize = HEADER + 1;

/// The bytes that the length field does not count: transaction, protocol and itself.
const BEFORE_UNIT: usize = HEADER - 1;

/// A request without an answer for this long stays unanswered: behind a gateway a device that is off never
/// answers, and clients ask on.
const WAIT: Nanos = 30 * 1_000_000_000;

/// Requests of one transaction id that are open together were sent in a run. A client that sends one at a time
/// and had no answer waits for longer than this before it sends another (common libraries wait for half a
/// second or more): it gave the earlier one up, and the next answer is not that one's.
const RUN: Nanos = 250_000_000;

/// Bytes that may be kept of one direction: the longest ADU, and the head behind it that confirms it
/// after damage.
const KEPT: usize = BEFORE_UNIT + *LENGTHS.end() + HEAD;

fn open(limits: &Limits, _hint: &Hint) -> Box<dyn Dissector> {
    Box::new(Modbus {
        open_limit: limits.open_requests.max(1),
        read_commands: limits.read_commands,
        readings: limits.readings,
        at_request: limits.at_request,
        ..Modbus::default()
    })
}

/// Sure once the first ADU is whole and fits its function; on port 502 its header is enough.
fn probe(hint: &Hint, data: &[u8]) -> Probe {
    let protocol_id_or_length_is_wrong = data.iter().skip(2).take(3).any(|b| *b != 0);
    if protocol_id_or_length_is_wrong {
        return Probe::No;
    }
    let Some(&length) = data.get(5) else {
        return Probe::Maybe;
    };
    if !LENGTHS.contains(&usize::from(length)) {
        return Probe::No;
    }
    let Some(&function) = data.get(HEADER) else {
        return Probe::Maybe;
    };
    match (hint.responder_port == PORT, hint.initiator_port == PORT) {
        (true, false) if function != 0 => return Probe::Yes,
        (false, true) if function != 0 => return Probe::Reversed,
        _ => {}
    }
    let size = usize::from(length) - 2;
    let possible = |side| {
        let known = pdu::is_public(function) || (side == Side::Response && pdu::is_public(function & 0x7f));
        known && pdu::size(function, side).fits(size)
    };
    if !possible(Side::Request) && !possible(Side::Response) {
        return Probe::No;
    }
    let Some(body) = data.get(HEAD..HEAD + size) else {
        return Probe::Maybe;
    };
    let valid = |side| possible(side) && pdu::decode(function, body, side).1.is_none();
    let (as_hinted, other) = match hint.direction {
        Direction::ToResponder => (Side::Request, Side::Response),
        Direction::ToInitiator => (Side::Response, Side::Request),
    };
    if valid(as_hinted) {
        Probe::Yes
    } else if valid(other) {
        Probe::Reversed
    } else {
        Probe::No
    }
}

/// A request that waits for its answer.
struct Open {
    id: u64,
    since: Nanos,
    /// Others have its transaction and unit, and answers were missed.
    unsure: bool,
    adu: Adu,
}

/// One Modbus conversation.
#[derive(Default)]
struct Modbus {
    pending: [Pending; 2],
    /// The next byte is not known to start an ADU.
    lost: [bool; 2],
    /// Bytes were missed: a lonely answer says nothing.
    gapped: bool,
    /// The oldest first.
    open: VecDeque<Open>,
    /// Packet time.
    at: Nanos,
    requests: u64,
    roles_told: bool,
    identified: bool,
    open_limit: usize,
    read_commands: bool,
    readings: bool,
    at_request: bool,
}

impl Dissector for Modbus {
    fn feed(&mut self, input: &Input<'_>, out: &mut Output) {
        let i = input.direction.index();
        self.at = input.at;
        match input.content {
            Content::Bytes(data) => {
                let mut pending = std::mem::take(&mut self.pending[i]);
                let kept = pending.feed(data, KEPT, |bytes| self.step(input.direction, bytes, false, out));
                self.lost[i] |= kept.is_err();
                self.pending[i] = pending;
            }
            Content::Gap(_) => {
                self.drain(input.direction, out);
                self.lost[i] = true;
                self.gapped = true;
                self.answers_missed(input.direction);
            }
            Content::End { .. } => self.drain(input.direction, out),
            Content::Datagram(_) => {}
        }
    }

    fn finish(&mut self, _at: Nanos, out: &mut Output) {
        self.drain(Direction::ToResponder, out);
        self.drain(Direction::ToInitiator, out);
        while let Some(open) = self.open.pop_front() {
            self.give(open.id, Some(open.adu), None, out);
        }
    }

    fn held(&self) -> usize {
        let requests = self
            .open
            .iter()
            .map(|open| size_of::<Open>() + open.adu.data().len());
        let pending = self.pending.iter().map(|pending| pending.bytes().len());
        requests.chain(pending).sum()
    }
}

impl Modbus {
    /// Takes one ADU, or bytes that are none, off `bytes`; returns how many (0: more are needed). `last`:
    /// no more will come.
    fn step(&mut self, direction: Direction, bytes: &[u8], last: bool, out: &mut Output) -> usize {
        let side = match direction {
            Direction::ToResponder => Side::Request,
            Direction::ToInitiator => Side::Response,
        };
        if self.lost[direction.index()] {
            match resync::search(bytes, side, last) {
                Search::Header => self.lost[direction.index()] = false,
                Search::Skip(bytes) => return bytes,
            }
        }
        let &[t1, t0, p1, p0, l1, l0, unit, function, ref rest @ ..] = bytes else {
            return 0;
        };
        let length = usize::from(u16::from_be_bytes([l1, l0]));
        if !LENGTHS.contains(&length) {
            return self.lose(direction, out);
        }
        // The header alone says where the ADU ends, whatever its function is.
        let Some(data) = rest.get(..length - 2) else {
            return 0;
        };
        let taken = BEFORE_UNIT + length;
        if (p1, p0) != (0, 0) {
            out.malformed(direction, "modbus.invalid_protocol_id");
            return taken;
        }
        let transaction = u16::from_be_bytes([t1, t0]);
        let adu = match pdu::size(function, side) {
            // Too long for its function: a device may well carry out what it should hold.
            Size::Exact(exact) if exact < data.len() => {
                let mut adu = Adu::new(transaction, unit, function, &data[..exact], side);
                adu.fault = Some(Fault::Length);
                adu
            }
            _ => Adu::new(transaction, unit, function, data, side),
        };
        if let Some(fault) = adu.fault {
            out.malformed(direction, fault.name());
        }
        match side {
            Side::Request => self.request(adu, out),
            Side::Response => self.response(adu, out),
        }
        taken
    }

    /// The stream ends or is torn here: what waited for a confirmation is looked at as it stands.
    fn drain(&mut self, direction: Direction, out: &mut Output) {
        let pending = std::mem::take(&mut self.pending[direction.index()]);
        let mut bytes = pending.bytes();
        while self.lost[direction.index()] {
            match self.step(direction, bytes, true, out) {
                0 => break,
                taken => bytes = bytes.get(taken..).unwrap_or_default(),
            }
        }
    }

    /// The length cannot be right: search for the next header.
    fn lose(&mut self, direction: Direction, out: &mut Output) -> usize {
        out.malformed(direction, Fault::Length.name());
        self.lost[direction.index()] = true;
        self.answers_missed(direction);
        1
    }

    fn request(&mut self, adu: Adu, out: &mut Output) {
        self.requests += 1;
        if self.at_request {
            return self.give(self.requests, Some(adu), None, out);
        }
        self.supersede(&adu, out);
        let at = self.at;
        while let Some(old) = self
            .open
            .pop_front_if(|open| at.saturating_sub(open.since) > WAIT)
        {
            self.give(old.id, Some(old.adu), None, out);
        }
        if self.open.len() >= self.open_limit
            && let Some(oldest) = self.open.pop_front()
        {
            out.malformed(Direction::ToResponder, "modbus.flooded");
            self.give(oldest.id, Some(oldest.adu), None, out);
        }
        self.open.push_back(Open {
            id: self.requests,
            since: at,
            unsure: false,
            adu,
        });
    }

    fn response(&mut self, adu: Adu, out: &mut Output) {
        match self.take_asked(&adu) {
            Some(open) => {
                if command::differs(&open.adu, &adu) {
                    out.malformed(Direction::ToInitiator, "modbus.value_mismatch");
                }
                self.give(open.id, Some(open.adu), Some(adu), out);
            }
            None => {
                let unsure = self.open.iter().any(|open| open.unsure);
                if self.requests > 0 && !self.gapped && !unsure {
                    out.malformed(Direction::ToInitiator, "modbus.unsolicited_response");
                }
                self.give(self.requests, None, Some(adu), out);
            }
        }
    }

    /// Gives out what nobody waits for any more when this is asked: the same request, or, where some time
    /// went by, whatever had its transaction and unit.
    fn supersede(&mut self, next: &Adu, out: &mut Output) {
        let Some(latest) = self.open.iter().rposition(|open| open.adu.pair() == next.pair()) else {
            return;
        };
        if self.at.saturating_sub(self.open[latest].since) > RUN {
            self.give_open(|open| open.adu.pair() == next.pair(), out);
        } else if self.open[latest].adu == *next
            && let Some(open) = self.open.remove(latest)
        {
            self.give(open.id, Some(open.adu), None, out);
        }
    }

    /// Answers may be missing here: of requests of one transaction and unit the order no longer says which the
    /// next answer belongs to.
    fn answers_missed(&mut self, direction: Direction) {
        if direction == Direction::ToResponder {
            return;
        }
        let mut pairs: Vec<(u16, u8)> = self.open.iter().map(|open| open.adu.pair()).collect();
        pairs.sort_unstable();
        for open in &mut self.open {
            let first = pairs.partition_point(|pair| *pair < open.adu.pair());
            open.unsure |= pairs.get(first + 1) == Some(&open.adu.pair());
        }
    }

    /// Gives out the open requests that are meant, as unanswered.
    fn give_open(&mut self, meant: impl Fn(&Open) -> bool, out: &mut Output) {
        for open in std::mem::take(&mut self.open) {
            if meant(&open) {
                self.give(open.id, Some(open.adu), None, out);
            } else {
                self.open.push_back(open);
            }
        }
    }

    /// The open request of the answer's transaction and unit: of several the first that it fits, and where it
    /// fits none, the first. Where their order says nothing, the only one that it fits: better none than the
    /// wrong one.
    fn take_asked(&mut self, answer: &Adu) -> Option<Open> {
        let paired = |(_, open): &(usize, &Open)| open.adu.pair() == answer.pair();
        let (first, earliest) = self.open.iter().enumerate().find(paired)?;
        let mut fitting = self
            .open
            .iter()
            .enumerate()
            .skip(first)
            .filter(|each| paired(each) && !command::differs(&each.1.adu, answer));
        let place = match (fitting.next(), earliest.unsure) {
            (Some((place, _)), true) if fitting.next().is_none() => place,
            (_, true) => return None,
            (Some((place, _)), false) => place,
            (None, false) => first,
        };
        self.open.remove(place)
    }

    /// Gives out one exchange and all that follows from it.
    fn give(&mut self, id: u64, request: Option<Adu>, response: Option<Adu>, out: &mut Output) {
        use Direction::{ToInitiator, ToResponder};
        let place = out.items.len();
        if let Some(request) = &request {
            if self.read_commands || !command::only_reads(request) {
                let command = command::command(request, response.as_ref());
                out.command(ToResponder, command);
            }
            if let Some(response) = &response {
                if self.readings
                    && let Some(reading) = command::reading(request, response)
                {
                    out.reading(ToInitiator, reading);
                }
                self.tell_roles(out);
            }
        }
        if let Some(response) = &response
            && !self.identified
            && matches!(response.function, 17 | 43)
        {
            for sighting in command::identity(response) {
                self.identified = true;
                out.items.push((ToInitiator, Item::Sighting(sighting)));
            }
        }
        let direction = if request.is_some() {
            ToResponder
        } else {
            ToInitiator
        };
        let exchange = Box::new(ModbusExchange {
            id,
            request,
            response,
        });
        // First the exchange, then what follows from it.
        out.items.insert(
            place,
            (direction, Item::Transaction(Transaction::Modbus(exchange))),
        );
    }

    fn tell_roles(&mut self, out: &mut Output) {
        if std::mem::replace(&mut self.roles_told, true) {
            return;
        }
        let roles = [
            (Direction::ToInitiator, "modbus-server", "modbus.response"),
            (Direction::ToResponder, "modbus-client", "modbus.request"),
        ];
        for (direction, role, evidence) in roles {
            let sighting = Sighting {
                side: Party::Source,
                trait_: SightingTrait::Role,
                value: role.to_owned(),
                evidence,
            };
            out.items.push((direction, Item::Sighting(sighting)));
        }
    }
}
