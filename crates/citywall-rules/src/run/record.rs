//! Rules on transactions: buffers and numbers of a protocol's records.

use citywall_flow::Direction;
use citywall_transaction::{Protocol, Record, Transaction};

use super::{Facts, Match, Scratch, Then};
use crate::book::RuleBook;
use crate::detect::{Absent, MAX_VARIABLES, Part, Place, Variables};
use crate::flow_rules::{Conversation, Half};
use crate::inspect::inspect;

impl RuleBook {
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
}
