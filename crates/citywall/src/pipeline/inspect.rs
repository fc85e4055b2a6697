//! Rules on what a worker sees: packets, stream pieces, transactions. A match becomes an `Alert`;
//! thresholds are the ordered stage's.

use citywall_event::{Alert, Body};
use citywall_flow::{Direction, Flow, Segment};
use citywall_packet::Packet;
use citywall_rules::{
    Conversation as RuleView, FlowRules, FlowView, InspectionCounters, Match, RuleBook, Scratch,
};
use citywall_transaction::Transaction;

use super::conversation::Conversation;
use super::worker::Teller;

/// What inspection reuses from packet to packet.
#[derive(Default)]
pub struct Inspector {
    scratch: Scratch,
    matches: Vec<Match>,
}

impl Teller {
    /// Rules on one packet.
    pub fn inspect_packet(
        &mut self,
        flow: &mut Flow<Conversation>,
        packet: &Packet,
        data: &[u8],
        direction: Direction,
    ) {
        self.inspect(flow, direction, |book, view, scratch, out| {
            book.packet(packet, data, Some(view), scratch, out);
        });
    }

    /// Rules on a piece of a stream; to be called behind the dissector, so that rules of a protocol know the
    /// conversation from its first piece.
    pub fn inspect_stream(&mut self, flow: &mut Flow<Conversation>, segment: &Segment<'_>) {
        self.inspect(flow, segment.direction, |book, view, scratch, out| {
            book.stream(segment, view, scratch, out);
        });
    }

    /// Rules on a transaction.
    pub fn inspect_transaction(
        &mut self,
        flow: &mut Flow<Conversation>,
        direction: Direction,
        transaction: &Transaction,
    ) {
        self.inspect(flow, direction, |book, view, scratch, out| {
            book.transaction(transaction, view, scratch, out);
        });
    }

    /// True where some rule still wants this conversation's stream.
    pub fn rules_want_stream(&self, flow: &mut Flow<Conversation>) -> bool {
        let book = &self.settings.rules;
        book.needs_stream() && book.wants_stream(&mut view(flow, Direction::ToResponder, self.book))
    }

    fn inspect(
        &mut self,
        flow: &mut Flow<Conversation>,
        direction: Direction,
        run: impl FnOnce(&RuleBook, &mut RuleView<'_>, &mut Scratch, &mut Vec<Match>),
    ) {
        let Inspector { scratch, matches } = &mut self.inspector;
        let view = &mut view(flow, direction, self.book);
        run(&self.settings.rules, view, scratch, matches);
        if !self.inspector.matches.is_empty() {
            if self.has_room() {
                self.alerts(flow, direction);
            } else {
                self.alerts_shed(self.inspector.matches.len());
                self.inspector.matches.clear();
            }
        }
    }

    #[cold]
    fn alerts(&mut self, flow: &mut Flow<Conversation>, direction: Direction) {
        let settings = std::sync::Arc::clone(&self.settings);
        let mut matches = std::mem::take(&mut self.inspector.matches);
        for found in matches.drain(..) {
            let Some(rule) = settings.rules.rule(found.rule) else {
                continue;
            };
            flow.user.alerted = true;
            let mut metadata: Vec<(String, String)> = rule
                .metadata()
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect();
            metadata.sort();
            let alert = Alert {
                gid: rule.gid,
                sid: rule.sid,
                rev: rule.rev,
                signature: rule.msg.to_string(),
                category: rule.category.to_string(),
                severity: rule.severity,
                would_drop: rule.would_drop(),
                metadata,
                technique: rule.technique().map(str::to_owned),
            };
            let towards = found
                .direction
                .map_or(direction, |way| if flow.user.reversed { way.flip() } else { way });
            self.flow_event(flow, towards, Body::Alert(Box::new(alert)));
        }
        self.inspector.matches = matches;
    }

    /// What inspection has cost so far.
    pub fn inspection(&self) -> InspectionCounters {
        self.inspector.scratch.counters()
    }
}

/// The conversation as rules see it: from the client's side.
fn view(flow: &mut Flow<Conversation>, direction: Direction, book: u16) -> RuleView<'_> {
    if flow.user.book != book {
        // What is remembered is of the rules before a reload, by their numbers.
        flow.user.book = book;
        flow.user.rules = FlowRules::default();
    }
    let seen = FlowView::of(flow, flow.user.protocol, flow.user.reversed);
    let direction = if flow.user.reversed {
        direction.flip()
    } else {
        direction
    };
    RuleView {
        flow: seen,
        direction,
        rules: &mut flow.user.rules,
    }
}
