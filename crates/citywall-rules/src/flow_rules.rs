//! What the rules remember of one conversation.
//!
//! Owns: flow bits, which rules have had their say, and the end of each stream. Small while
//! nothing of it is needed: one pointer and a few flags.

use std::net::IpAddr;

use citywall_flow::{Carrier, Direction, Flow, State};
use citywall_transaction::Protocol;

/// Rules remembered per flow, of each kind.
const MEMORY: usize = 64;

/// The conversation, as rules see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowView {
    /// What carries it.
    pub carrier: Carrier,
    /// Address of the client.
    pub initiator: Option<IpAddr>,
    /// Port of the client.
    pub initiator_port: u16,
    /// Address of the server.
    pub responder: Option<IpAddr>,
    /// Port of the server.
    pub responder_port: u16,
    /// Both sides have been heard; for TCP the handshake is complete, or it was picked up midstream.
    pub established: bool,
    /// What it speaks, once known.
    pub protocol: Option<Protocol>,
}

impl FlowView {
    /// The view of a flow. `reversed` as `Session::reversed` says it: the flow table has client and
    /// server the wrong way round.
    pub fn of<S>(flow: &Flow<S>, protocol: Option<Protocol>, reversed: bool) -> FlowView {
        let (initiator, responder) = if reversed {
            (&flow.responder, &flow.initiator)
        } else {
            (&flow.initiator, &flow.responder)
        };
        let established = match flow.state {
            State::New => false,
            State::Established | State::Closing => true,
            State::Closed => flow.packets[0] > 0 && flow.packets[1] > 0,
        };
        FlowView {
            carrier: flow.carrier,
            initiator: initiator.ip,
            initiator_port: initiator.port,
            responder: responder.ip,
            responder_port: responder.port,
            established,
            protocol,
        }
    }
}

/// A conversation at one moment: how it stands, which way this piece goes, and what the rules
/// remember of it.
#[derive(Debug)]
pub struct Conversation<'a> {
    /// How it stands.
    pub flow: FlowView,
    /// Which way the packet, segment or transaction goes.
    pub direction: Direction,
    /// What the rules remember.
    pub rules: &'a mut FlowRules,
}

/// Per-flow state of the rules. Keep one with each flow.
#[derive(Debug, Default)]
pub struct FlowRules {
    pub(crate) gate: Gate,
    pub(crate) passed: bool,
    /// Rules that say nothing of single packets have been tried, by direction.
    pub(crate) once_tried: [bool; 2],
    memory: Option<Box<Memory>>,
}

/// Which stages concern this conversation; filled at its first packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gate {
    pub known: bool,
    pub once: bool,
    pub packet: bool,
    pub payload: bool,
    pub stream: bool,
}

#[derive(Debug, Default)]
struct Memory {
    bits: Vec<u64>,
    tails: [Tail; 2],
    marks: Vec<Mark>,
    once: Vec<(u32, Direction)>,
    halves: Vec<(u32, Half)>,
}

/// The end of one direction's stream, and how much of it there has been.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    /// Bytes of the stream so far, gaps not counted.
    pub position: u64,
    /// The last of them.
    pub bytes: Vec<u8>,
}

/// Up to where a rule's match has used a stream.
#[derive(Clone, Copy, Debug)]
struct Mark {
    rule: u32,
    direction: Direction,
    position: u64,
}

impl FlowRules {
    fn memory(&mut self) -> &mut Memory {
        self.memory.get_or_insert_default()
    }

    /// A flow bit.
    #[inline]
    pub(crate) fn bit(&self, bit: u16) -> bool {
        self.memory
            .as_ref()
            .and_then(|m| m.bits.get(usize::from(bit) / 64))
            .is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// Sets or clears a flow bit.
    pub(crate) fn set_bit(&mut self, bit: u16, on: bool) {
        if !on && !self.bit(bit) {
            return;
        }
        let word = usize::from(bit) / 64;
        let bits = &mut self.memory().bits;
        if bits.len() <= word {
            bits.resize(word + 1, 0);
        }
        let mask = 1u64 << (bit % 64);
        if on {
            bits[word] |= mask;
        } else {
            bits[word] &= !mask;
        }
    }

    /// The stream's tail in a direction.
    pub(crate) fn tail(&mut self, direction: Direction) -> &mut Tail {
        &mut self.memory().tails[direction.index()]
    }

    /// Frees a tail's bytes.
    pub(crate) fn drop_tail(&mut self, direction: Direction) {
        if let Some(memory) = &mut self.memory {
            memory.tails[direction.index()].bytes = Vec::new();
        }
    }

    /// Up to which stream position a rule's last match has used the bytes.
    pub(crate) fn used(&self, rule: u32, direction: Direction) -> u64 {
        self.memory.as_ref().map_or(0, |m| {
            m.marks
                .iter()
                .find(|k| k.rule == rule && k.direction == direction)
                .map_or(0, |k| k.position)
        })
    }

    /// Remembers that a rule has used the stream up to here. When full, the oldest is forgotten.
    pub(crate) fn use_up(&mut self, rule: u32, direction: Direction, position: u64) {
        let marks = &mut self.memory().marks;
        match marks
            .iter_mut()
            .find(|k| k.rule == rule && k.direction == direction)
        {
            Some(mark) => mark.position = position,
            None => {
                if marks.len() >= MEMORY {
                    marks.remove(0);
                }
                marks.push(Mark {
                    rule,
                    direction,
                    position,
                });
            }
        }
    }

    /// True the first time for this rule and direction; `None` where the memory is full.
    pub(crate) fn first_time(&mut self, rule: u32, direction: Direction) -> Option<bool> {
        let once = &mut self.memory().once;
        if once.contains(&(rule, direction)) {
            return Some(false);
        }
        if once.len() >= MEMORY {
            return None;
        }
        once.push((rule, direction));
        Some(true)
    }

    /// One half of a rule that tests both bytes and a transaction has matched; they may come in
    /// either order. A payload half stays; a transaction's is used up by the match.
    pub(crate) fn join(&mut self, rule: u32, half: Half) -> Joined {
        let halves = &mut self.memory().halves;
        if let Some(i) = halves.iter().position(|h| *h == (rule, half.other())) {
            if half == Half::Payload {
                halves[i] = (rule, Half::Payload);
            }
            return Joined::Whole;
        }
        if halves.contains(&(rule, half)) {
            return Joined::Waits;
        }
        if halves.len() >= MEMORY {
            return Joined::Full;
        }
        halves.push((rule, half));
        Joined::Waits
    }

    /// Bytes of a direction's stream that rules have seen.
    pub(crate) fn position(&self, direction: Direction) -> u64 {
        self.memory
            .as_ref()
            .map_or(0, |m| m.tails[direction.index()].position)
    }
}

/// Which half of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    Payload,
    Transaction,
}

impl Half {
    fn other(self) -> Half {
        match self {
            Half::Payload => Half::Transaction,
            Half::Transaction => Half::Payload,
        }
    }
}

/// What a half makes of its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// The other half was there: the rule matches.
    Whole,
    /// It is remembered.
    Waits,
    /// It could not be remembered.
    Full,
}
