//! Rules on traffic: packets, stream pieces, transactions.
//!
//! Owns: the three entry points and what happens when a rule matches (flow bits, pass, once per
//! flow). Does not own: the steps through a buffer (`inspect`), thresholds (`thresholds`).

mod facts;
mod packet_tests;

use citywall_flow::{Content, Direction, Segment};
use citywall_packet::{Network, Packet, Transport};
use citywall_transaction::{Protocol, Record, Transaction};

use crate::book::RuleBook;
use crate::detect::{Absent, BitOp, Detect, MAX_VARIABLES, Part, Place, Variables};
use crate::flow_rules::{Conversation, FlowRules, Gate, Half, Joined};
use crate::inspect::{InspectionCounters, Work, inspect};
use crate::prefilter::Seen;
use crate::{Action, RuleIndex};

pub(crate) use facts::Facts;

/// Stream bytes during which a rule may wait for the protocol to be known.
const PROTOCOL_WAIT: u64 = 8_192;
/// Bytes kept meanwhile.
const WAITING_TAIL: usize = 1_024;

/// A rule matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Which.
    pub rule: RuleIndex,
    /// The way of the packet, stream or transaction as the rule means its source and destination;
    /// `None` for a packet without conversation.
    pub direction: Option<Direction>,
}

/// Room that a worker keeps between calls, and its counters.
#[derive(Debug, Default)]
pub struct Scratch {
    candidates: Vec<u32>,
    seen: Seen,
    window: Vec<u8>,
    room: Vec<u8>,
    transformed: Vec<u8>,
    work: Work,
}

impl Scratch {
    /// What inspection has cost so far.
    pub fn counters(&self) -> InspectionCounters {
        self.work.counters
    }

    fn begin(&mut self) {
        self.candidates.clear();
        self.work.begin();
    }

    /// The candidates in the order of the book, each once; they go back with `end`.
    fn take_candidates(&mut self) -> Vec<u32> {
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.sort_unstable();
        candidates.dedup();
        self.work.counters.tried += candidates.len() as u64;
        candidates
    }

    fn end(&mut self, candidates: Vec<u32>) {
        self.candidates = candidates;
    }
}

/// What follows from a match.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    GoOn,
    Stop,
}

impl RuleBook {
    /// Tries the packet rules. `data` is the buffer that the packet was decoded from;
    /// `conversation` is absent for what belongs to no flow (fragments, damaged headers).
    pub fn packet(
        &self,
        packet: &Packet,
        data: &[u8],
        mut conversation: Option<&mut Conversation<'_>>,
        scratch: &mut Scratch,
        out: &mut Vec<Match>,
    ) {
        let mut gate = Gate {
            known: true,
            once: true,
            packet: true,
            payload: true,
            stream: false,
        };
        if let Some(conversation) = &mut conversation {
            if conversation.rules.passed {
                return;
            }
            gate = self.gate(conversation);
            let tried = &mut conversation.rules.once_tried[conversation.direction.index()];
            gate.once &= !*tried;
            *tried = true;
        }
        if !(gate.once || gate.packet || gate.payload) {
            return;
        }
        scratch.begin();
        let facts = Facts::of_packet(packet, conversation.as_deref());
        if gate.once {
            self.once
                .collect(facts.src_port, facts.dst_port, &mut scratch.candidates);
        }
        if gate.packet {
            self.packet
                .collect(facts.src_port, facts.dst_port, &mut scratch.candidates);
        }
        let payload = packet.payload.of(data);
        if gate.payload && !payload.is_empty() {
            self.payload
                .scan(payload, &mut scratch.seen, &mut scratch.candidates);
        }
        if scratch.candidates.is_empty() {
            return;
        }
        let candidates = scratch.take_candidates();
        for &index in &candidates {
            let Some(rule) = self.rules.get(index as usize) else {
                continue;
            };
            let matched = self.packet_matches(
                &rule.detect,
                &facts,
                packet,
                data,
                conversation.as_deref(),
                scratch,
            );
            if matched
                && self.matched(
                    index,
                    Half::Payload,
                    &facts,
                    conversation.as_deref_mut(),
                    scratch,
                    out,
                ) == Then::Stop
            {
                break;
            }
        }
        scratch.end(candidates);
    }

    fn packet_matches(
        &self,
        detect: &Detect,
        facts: &Facts,
        packet: &Packet,
        data: &[u8],
        conversation: Option<&Conversation<'_>>,
        scratch: &mut Scratch,
    ) -> bool {
        // What is looked at as a stream is not looked at twice.
        if detect.stages.stream && facts.carrier == Some(6) {
            return false;
        }
        if !facts.fit(detect, conversation.map(|c| &*c.rules)) {
            return false;
        }
        if !packet_tests::all_hold(&detect.packet, detect.flow.fragment, packet, data) {
            return false;
        }
        let mut variables: Variables = [0; MAX_VARIABLES];
        detect.parts.iter().all(|part| {
            let bytes = match part.place {
                Place::Payload => Some(packet.payload.of(data)),
                Place::Header(place) => packet_tests::header(place, packet, data),
                Place::Buffer(_) => return true,
            };
            bytes.is_some_and(|bytes| inspect(bytes, &part.tests, &mut variables, &mut scratch.work))
        })
    }

    /// Tries the stream rules on the next piece of a TCP stream. Call it after the dissector was fed
    /// with the same piece, so that the first piece already knows its protocol. Give it gaps and
    /// ends, too.
    pub fn stream(
        &self,
        segment: &Segment<'_>,
        conversation: &mut Conversation<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<Match>,
    ) {
        if self.stream_ports.is_empty() || conversation.rules.passed || !self.gate(conversation).stream {
            return;
        }
        let direction = conversation.direction;
        let piece = match segment.content {
            Content::Bytes(piece) if !piece.is_empty() => piece,
            // Nothing can straddle a gap.
            Content::Gap(_) => {
                conversation.rules.tail(direction).bytes.clear();
                return;
            }
            Content::End { .. } => {
                conversation.rules.drop_tail(direction);
                return;
            }
            Content::Bytes(_) | Content::Datagram(_) => return,
        };
        let tail = conversation.rules.tail(direction);
        let before = tail.position;
        if before >= self.stream_depth {
            tail.bytes = Vec::new();
            return;
        }
        // The window is the kept end of what came before, and the piece.
        let kept = tail.bytes.len();
        let mut window = std::mem::take(&mut scratch.window);
        window.clear();
        if kept > 0 {
            window.extend_from_slice(&tail.bytes);
            window.extend_from_slice(piece);
        }
        self.stream_window(
            conversation,
            if kept > 0 { &window } else { piece },
            kept,
            before,
            scratch,
            out,
        );
        scratch.window = window;
        let waiting = self.stream_waits && conversation.flow.protocol.is_none() && before < PROTOCOL_WAIT;
        let keep = if waiting {
            WAITING_TAIL.max(self.tail)
        } else {
            self.tail
        };
        let tail = conversation.rules.tail(direction);
        tail.position = before + piece.len() as u64;
        keep_end(&mut tail.bytes, piece, keep);
    }

    /// `window[kept..]` is new; `before` is the stream position where the new bytes begin.
    fn stream_window(
        &self,
        conversation: &mut Conversation<'_>,
        window: &[u8],
        kept: usize,
        before: u64,
        scratch: &mut Scratch,
        out: &mut Vec<Match>,
    ) {
        scratch.begin();
        let facts = Facts::of_flow(&conversation.flow, conversation.direction);
        self.stream
            .scan(window, &mut scratch.seen, &mut scratch.candidates);
        self.stream_rest
            .collect(facts.src_port, facts.dst_port, &mut scratch.candidates);
        if scratch.candidates.is_empty() {
            return;
        }
        let candidates = scratch.take_candidates();
        let end = before + (window.len() - kept) as u64;
        for &index in &candidates {
            let Some(rule) = self.rules.get(index as usize) else {
                continue;
            };
            let detect = &rule.detect;
            if !facts.fit(detect, Some(conversation.rules)) {
                continue;
            }
            let Some(part) = detect.parts.iter().find(|p| p.place == Place::Payload) else {
                continue;
            };
            // Bytes that an earlier match of this rule has used are not used again.
            let used = conversation.rules.used(index, conversation.direction);
            let start = before.saturating_sub(kept as u64);
            let from = usize::try_from(used.saturating_sub(start))
                .unwrap_or(usize::MAX)
                .min(window.len());
            if !stream_part_matches(detect, part, window, kept, from, start, scratch) {
                continue;
            }
            conversation.rules.use_up(index, conversation.direction, end);
            if self.matched(index, Half::Payload, &facts, Some(conversation), scratch, out) == Then::Stop {
                break;
            }
        }
        scratch.end(candidates);
    }

    /// Tries the rules on a finished transaction. `conversation.direction` need not be set: the
    /// record says its own way.
    pub fn transaction(
        &self,
        transaction: &Transaction,
        conversation: &mut Conversation<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<Match>,
    ) {
        let protocol = match transaction {
            Transaction::Arp(_) => Protocol::Arp,
            Transaction::Dns(_) => Protocol::Dns,
            Transaction::Http(_) => Protocol::Http,
            Transaction::Tls(_) => Protocol::Tls,
            Transaction::Ssh(_) => Protocol::Ssh,
            Transaction::Telnet(_) => Protocol::Telnet,
            Transaction::Dhcp(_) => Protocol::Dhcp,
            Transaction::Ntp(_) => Protocol::Ntp,
            Transaction::Mqtt(_) => Protocol::Mqtt,
            Transaction::Modbus(_) => Protocol::Modbus,
            Transaction::Snmp(_) => Protocol::Snmp,
            // What a file holds was already in its exchange.
            _ => return,
        };
        self.record(protocol, transaction.record(), conversation, scratch, out);
    }

    /// Tries the rules on one record of a protocol.
    pub fn record(
        &self,
        protocol: Protocol,
        record: &dyn Record,
        conversation: &mut Conversation<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<Match>,
    ) {
        let concerned = self.of_protocol(protocol);
        if (concerned.buffers.is_empty() && concerned.rest.is_empty()) || conversation.rules.passed {
            return;
        }
        scratch.begin();
        scratch.candidates.extend_from_slice(&concerned.rest);
        for &buffer in &concerned.buffers {
            let Some(slot) = self.buffers.get(usize::from(buffer)) else {
                continue;
            };
            let Scratch {
                candidates,
                seen,
                room,
                transformed,
                ..
            } = scratch;
            slot.spec.values(record, room, transformed, &mut |value| {
                slot.prefilter.scan(value, seen, candidates);
            });
        }
        if scratch.candidates.is_empty() {
            return;
        }
        let candidates = scratch.take_candidates();
        conversation.flow.protocol = Some(protocol);
        for &index in &candidates {
            let Some(facts) = self.transaction_matches(index, conversation, record, scratch) else {
                continue;
            };
            if self.matched(index, Half::Transaction, &facts, Some(conversation), scratch, out) == Then::Stop
            {
                break;
            }
        }
        scratch.end(candidates);
    }

    /// The way in which the rule matches the record, if it does.
    fn transaction_matches(
        &self,
        index: u32,
        conversation: &Conversation<'_>,
        record: &dyn Record,
        scratch: &mut Scratch,
    ) -> Option<Facts> {
        let detect = &self.rules.get(index as usize)?.detect;
        let way = record.direction().or(detect.leaning);
        let ways: &[Direction] = match way {
            Some(Direction::ToResponder) => &[Direction::ToResponder],
            Some(Direction::ToInitiator) => &[Direction::ToInitiator],
            None => &[Direction::ToResponder, Direction::ToInitiator],
        };
        let facts = ways
            .iter()
            .map(|way| Facts::of_flow(&conversation.flow, *way))
            .find(|facts| facts.fit(detect, Some(conversation.rules)))?;
        let numbers = detect.numbers.iter().all(|test| {
            record
                .number(test.number)
                .is_some_and(|n| test.any.iter().any(|t| t.holds(n)) != test.negated)
        });
        if !numbers {
            return None;
        }
        let mut variables: Variables = [0; MAX_VARIABLES];
        detect
            .parts
            .iter()
            .all(|part| match part.place {
                Place::Buffer(buffer) => self.buffer_matches(buffer, part, record, &mut variables, scratch),
                _ => true,
            })
            .then_some(facts)
    }

    /// Does any value of the buffer satisfy the part?
    fn buffer_matches(
        &self,
        buffer: u16,
        part: &Part,
        record: &dyn Record,
        variables: &mut Variables,
        scratch: &mut Scratch,
    ) -> bool {
        let Some(slot) = self.buffers.get(usize::from(buffer)) else {
            return false;
        };
        let (mut present, mut matched) = (false, false);
        let Scratch {
            room,
            transformed,
            work,
            ..
        } = scratch;
        slot.spec.values(record, room, transformed, &mut |value| {
            present = true;
            if !matched {
                let mut trial = *variables;
                if inspect(value, &part.tests, &mut trial, work) {
                    matched = true;
                    *variables = trial;
                }
            }
        });
        match part.absent {
            Absent::Fails => matched,
            Absent::Required => !present,
            Absent::Accepted => matched || !present,
        }
    }

    /// A rule's tests of this stage hold. Is that all of the rule?
    fn matched(
        &self,
        index: u32,
        half: Half,
        facts: &Facts,
        conversation: Option<&mut Conversation<'_>>,
        scratch: &mut Scratch,
        out: &mut Vec<Match>,
    ) -> Then {
        let Some(rule) = self.rules.get(index as usize) else {
            return Then::GoOn;
        };
        let stages = rule.detect.stages;
        if !(stages.transaction && (stages.packet || stages.stream)) {
            return self.consequences(index, facts, conversation, scratch, out);
        }
        let Some(conversation) = conversation else {
            return Then::GoOn;
        };
        match conversation.rules.join(index, half) {
            Joined::Whole => self.consequences(index, facts, Some(conversation), scratch, out),
            Joined::Waits => Then::GoOn,
            Joined::Full => {
                scratch.work.counters.memory_full += 1;
                Then::GoOn
            }
        }
    }

    /// Once per flow, flow bits, pass, and the match itself.
    fn consequences(
        &self,
        index: u32,
        facts: &Facts,
        conversation: Option<&mut Conversation<'_>>,
        scratch: &mut Scratch,
        out: &mut Vec<Match>,
    ) -> Then {
        let Some(rule) = self.rules.get(index as usize) else {
            return Then::GoOn;
        };
        let detect = &rule.detect;
        if let Some(conversation) = conversation {
            if detect.once {
                let way = facts.direction.unwrap_or(conversation.direction);
                match conversation.rules.first_time(index, way) {
                    Some(true) => {}
                    Some(false) => return Then::GoOn,
                    None => {
                        scratch.work.counters.memory_full += 1;
                        return Then::GoOn;
                    }
                }
            }
            change_bits(detect, conversation.rules);
            // A pass that is not about one packet's content holds for the whole flow.
            if rule.action == Action::Pass && (detect.once || !detect.stages.packet) {
                conversation.rules.passed = true;
            }
        }
        if rule.action == Action::Pass {
            return Then::Stop;
        }
        if !detect.noalert {
            out.push(Match {
                rule: RuleIndex(index),
                direction: facts.direction,
            });
        }
        Then::GoOn
    }
}

fn change_bits(detect: &Detect, rules: &mut FlowRules) {
    for test in &detect.bits {
        for &bit in &test.bits {
            match test.op {
                BitOp::Set => rules.set_bit(bit, true),
                BitOp::Unset => rules.set_bit(bit, false),
                BitOp::Toggle => rules.set_bit(bit, !rules.bit(bit)),
                BitOp::IsSet | BitOp::IsNotSet => {}
            }
        }
    }
}

/// Places counted from the start mean the start of the stream, or of the piece as it was sent;
/// all else may match anywhere in the window.
fn stream_part_matches(
    detect: &Detect,
    part: &Part,
    window: &[u8],
    kept: usize,
    from: usize,
    start: u64,
    scratch: &mut Scratch,
) -> bool {
    let mut try_on = |data: &[u8]| {
        let mut variables: Variables = [0; MAX_VARIABLES];
        inspect(data, &part.tests, &mut variables, &mut scratch.work)
    };
    let rest = window.get(from..).unwrap_or(&[]);
    if !detect.anchored {
        return try_on(rest);
    }
    let whole = start == 0 && from == 0 && kept > 0;
    (whole && try_on(window)) || (from <= kept && try_on(window.get(kept..).unwrap_or(&[])))
}

/// Keeps the last `keep` bytes of `tail` and `piece` in `tail`.
fn keep_end(tail: &mut Vec<u8>, piece: &[u8], keep: usize) {
    if piece.len() >= keep {
        tail.clear();
        tail.extend_from_slice(&piece[piece.len() - keep..]);
        return;
    }
    let excess = (tail.len() + piece.len()).saturating_sub(keep);
    tail.drain(..excess.min(tail.len()));
    tail.extend_from_slice(piece);
}

/// A packet's ports; 0 where there are none.
fn ports(packet: &Packet) -> (u16, u16) {
    match packet.transport {
        Transport::Tcp(tcp) => (tcp.src_port, tcp.dst_port),
        Transport::Udp {
            src_port, dst_port, ..
        }
        | Transport::Sctp {
            src_port, dst_port, ..
        } => (src_port, dst_port),
        _ => (0, 0),
    }
}

/// A packet's IP protocol; `None` without IP.
fn ip_protocol(packet: &Packet) -> Option<u8> {
    match packet.network {
        Network::Ip(ip) => Some(ip.protocol),
        _ => None,
    }
}
