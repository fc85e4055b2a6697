//! Requests that wait for their answer, and the commands that come of them.
//!
//! Owns: matching by request id within a conversation, bounded in number and in packet time.

use std::collections::VecDeque;

use citywall_event::{Command, CommandOutcome, Nanos, Technique, Value, Verb};

use super::message::{Pdu, PduKind};
use super::value::{Bindings, dotted_string};

/// A request without an answer for this long stays unanswered.
const WAIT: Nanos = 30 * 1_000_000_000;

/// Commands that one `set` gives.
const COMMANDS: usize = 256;

/// The root of NTCIP's objects, 1.3.6.1.4.1.1206 (contents of the identifier).
const NTCIP: &[u8] = &[0x2b, 6, 1, 4, 1, 0x89, 0x36];

/// `authorizationError`: what an agent that sends a report instead of a response means.
pub(super) const AUTHORIZATION_ERROR: u32 = 16;

/// A request that waits.
#[derive(Debug)]
struct Open {
    request_id: i64,
    message_id: Option<i64>,
    since: Nanos,
    kind: PduKind,
    /// Point and value; for reads the first point alone.
    points: Vec<(String, Option<Value>, Technique)>,
    /// How many points a read asks for.
    count: u32,
}

/// The open requests of a conversation, the oldest first.
#[derive(Debug, Default)]
pub(super) struct OpenRequests {
    open: VecDeque<Open>,
}

impl OpenRequests {
    /// About how many bytes the requests take.
    pub(super) fn held(&self) -> usize {
        /// A request for a few objects.
        const REQUEST: usize = 512;
        self.open.len() * REQUEST
    }

    /// A request was seen. Where `limit` is reached, the oldest is given up.
    pub(super) fn add(
        &mut self,
        at: Nanos,
        pdu: &Pdu,
        message_id: Option<i64>,
        mut bindings: Bindings<'_>,
        limit: usize,
        each: &mut dyn FnMut(Command),
    ) {
        let (points, count) = if pdu.kind == PduKind::Set {
            let points = bindings.take(COMMANDS).map(|binding| {
                let technique = if binding.oid.starts_with(NTCIP) {
                    Technique::UNAUTHORIZED_COMMAND
                } else {
                    Technique::MODIFY_PARAMETER
                };
                (dotted_string(binding.oid), binding.value(), technique)
            });
            (points.collect::<Vec<_>>(), 1)
        } else {
            let first = bindings
                .next()
                .map(|binding| (dotted_string(binding.oid), None, Technique::POINT_IDENTIFICATION));
            // Not collected: that would make room for four.
            (first.map_or_else(Vec::new, |point| vec![point]), pdu.count)
        };
        if points.is_empty() {
            return;
        }
        // A retransmission is the same request once more.
        let again = self
            .open
            .iter()
            .any(|open| open.request_id == pdu.request_id && open.kind == pdu.kind && open.points == points);
        if again {
            return;
        }
        while self.open.len() >= limit.max(1) {
            if let Some(oldest) = self.open.pop_front() {
                oldest.end(CommandOutcome::Unanswered, each);
            }
        }
        self.open.push_back(Open {
            request_id: pdu.request_id,
            message_id,
            since: at,
            kind: pdu.kind,
            points,
            count,
        });
    }

    /// A response or report was seen. Returns the kind of the request that it answers.
    pub(super) fn answer(
        &mut self,
        pdu: &Pdu,
        message_id: Option<i64>,
        each: &mut dyn FnMut(Command),
    ) -> Option<PduKind> {
        let report = pdu.kind == PduKind::Report;
        let found = self.open.iter().position(|open| {
            // A report may not know the request's id, but it repeats the message's.
            open.request_id == pdu.request_id
                || report && message_id.is_some() && open.message_id == message_id
        })?;
        let open = self.open.remove(found)?;
        let kind = open.kind;
        let outcome = match pdu.numbers[0] {
            _ if report => CommandOutcome::Refused(AUTHORIZATION_ERROR),
            0 => CommandOutcome::Accepted,
            error => CommandOutcome::Refused(error),
        };
        open.end(outcome, each);
        Some(kind)
    }

    /// Gives up what has waited too long.
    pub(super) fn expire(&mut self, now: Nanos, each: &mut dyn FnMut(Command)) {
        while self
            .open
            .front()
            .is_some_and(|open| now.saturating_sub(open.since) > WAIT)
        {
            if let Some(oldest) = self.open.pop_front() {
                oldest.end(CommandOutcome::Unanswered, each);
            }
        }
    }

    /// Gives up all.
    pub(super) fn finish(&mut self, each: &mut dyn FnMut(Command)) {
        self.open
            .drain(..)
            .for_each(|open| open.end(CommandOutcome::Unanswered, each));
    }
}

impl Open {
    fn end(self, outcome: CommandOutcome, each: &mut dyn FnMut(Command)) {
        let (verb, function) = match self.kind {
            PduKind::Set => (Verb::Write, "set"),
            PduKind::GetNext => (Verb::Read, "get-next"),
            PduKind::GetBulk => (Verb::Read, "get-bulk"),
            _ => (Verb::Read, "get"),
        };
        for (point, value, technique) in self.points {
            each(Command {
                protocol: "snmp",
                verb,
                function,
                unit: None,
                point,
                count: self.count,
                value,
                outcome,
                technique: verb.changes().then_some(technique),
            });
        }
    }
}
