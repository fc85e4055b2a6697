//! Rules on traffic: packets, stream pieces, transactions.
//!
//! Owns: the three entry points (those for streams and transactions in files of their own) and what
//! happens when a rule matches (flow bits, pass, once per flow). Does not own: the steps through a buffer (`inspect`), thresholds (`thresholds`).

mod facts;
mod packet_tests;
mod record;
mod stream;

use citywall_flow::Direction;
use citywall_packet::{Network, Packet};

use crate::book::RuleBook;
use crate::detect::{BitOp, Detect, MAX_VARIABLES, Place, Variables};
use crate::flow_rules::{Conversation, FlowRules, Gate, Half, Joined};
use crate::inspect::{InspectionCounters, Work, inspect};
use crate::prefilter::Seen;
use crate::{Action, RuleIndex};

pub(crate) use facts::Facts;

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

/// A packet's IP protocol; `None` without IP.
fn ip_protocol(packet: &Packet) -> Option<u8> {
    match packet.network {
        Network::Ip(ip) => Some(ip.protocol),
        _ => None,
    }
}
