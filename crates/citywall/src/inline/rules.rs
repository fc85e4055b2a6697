//! Rules that drop or reject, on packets that are held.
//!
//! Owns: following conversations for the rules' sake (streams and transactions), and which match
//! stops a packet. Does not own: the rule language (`citywall-rules`), resets.
//!
//! A conversation that a rule dropped stays dropped. Thresholds do not hold anything back here: a
//! rule that is to act acts on each match.

use std::sync::Arc;

use citywall_capture::shared::Told;
use citywall_flow::{
    Carrier, CloseReason, Content, Direction, Flow, FlowLimits, FlowTable, HostPolicies, Observer,
    StreamMalformed,
};
use citywall_packet::{Checksum, Packet, verify_transport};
use citywall_rules::{Action, Conversation, FlowRules, FlowView, Match, RuleBook, Scratch};
use citywall_transaction::{Hint, Item, Limits, Output, Protocol, Session, SessionState};

use super::engine::Report;

/// Conversations that are followed.
const FLOWS: u32 = 16_384;

const SECOND: i64 = 1_000_000_000;

/// A packet that a rule stops.
pub struct Stopped {
    /// To be told; `None` for the later packets of a conversation.
    pub report: Option<Report>,
    /// Both ends are to be told.
    pub reject: bool,
}

/// What is kept with each conversation.
#[derive(Default)]
struct Talked {
    session: Option<Session>,
    rules: FlowRules,
    protocol: Option<Protocol>,
    reversed: bool,
    done: [bool; 2],
    dropped: bool,
}

/// The rules at work.
#[derive(Default)]
pub struct Rules {
    inner: Option<Box<Inner>>,
    last_done: bool,
}

struct Inner {
    table: FlowTable<Talked>,
    teller: Teller,
    border: i64,
    flows: u64,
}

struct Teller {
    book: Arc<RuleBook>,
    limits: Limits,
    scratch: Scratch,
    matches: Vec<Match>,
    found: Output,
    /// The first that stops the packet at hand.
    stopped: Option<(citywall_rules::RuleIndex, bool)>,
}

impl Rules {
    /// The rules of a book; none of them where none would stop anything.
    pub fn new(book: Option<Arc<RuleBook>>) -> Rules {
        let book = book.filter(|book| book.rules().iter().any(|rule| rule.would_drop()));
        let inner = book.map(|book| {
            let limits = FlowLimits {
                flows: FLOWS,
                ..FlowLimits::default()
            };
            Box::new(Inner {
                table: FlowTable::new(limits, HostPolicies::default()),
                teller: Teller {
                    book,
                    limits: Limits {
                        readings: false,
                        ..Limits::default()
                    },
                    scratch: Scratch::default(),
                    matches: Vec::new(),
                    found: Output::default(),
                    stopped: None,
                },
                border: 0,
                flows: 0,
            })
        });
        Rules {
            inner,
            last_done: false,
        }
    }

    /// Some rule could stop a packet.
    pub fn want_packets(&self) -> bool {
        self.inner.is_some()
    }

    /// No rule looks at the conversation of the last packet any more.
    pub fn last_is_done(&self) -> bool {
        self.last_done
    }

    /// Does a rule stop this packet?
    pub fn judge(&mut self, told: &Told, packet: &Packet, data: &[u8]) -> Option<Stopped> {
        self.last_done = false;
        let inner = self.inner.as_deref_mut()?;
        let mut packet = *packet;
        if !told.offloaded {
            verify_transport(&mut packet, data);
        } else if let citywall_packet::Transport::Tcp(tcp) = &mut packet.transport {
            tcp.checksum = Checksum::Unverified;
        }
        let border = told.at.div_euclid(SECOND);
        if border > inner.border {
            inner.border = border;
            inner.table.expire(border * SECOND, &mut inner.teller);
        }
        inner.teller.stopped = None;
        inner.flows += 1;
        let (flow, direction) = inner
            .table
            .push(&packet, data, inner.flows, told.at, &mut inner.teller)?;
        let teller = &mut inner.teller;
        if teller.book.needs_packets() {
            teller.look(flow, direction, |book, view, scratch, out| {
                book.packet(&packet, data, Some(view), scratch, out);
            });
        }
        let (earlier, stopped) = (flow.user.dropped, teller.stopped);
        let tcp = flow.carrier == Carrier::Tcp;
        if let Some((index, reject)) = stopped {
            flow.user.dropped |= tcp;
            let report = report(flow, direction, &teller.book, index, told.at, reject);
            return Some(Stopped { report, reject });
        }
        if earlier {
            return Some(Stopped {
                report: None,
                reject: false,
            });
        }
        self.last_done = tcp
            && flow.stop_stream == [true; 2]
            && !teller.book.needs_packets()
            && flow.user.session.is_none();
        None
    }
}

fn report(
    flow: &Flow<Talked>,
    direction: Direction,
    book: &RuleBook,
    index: citywall_rules::RuleIndex,
    at: i64,
    reject: bool,
) -> Option<Report> {
    let rule = book.rule(index)?;
    let (from, to) = match direction {
        Direction::ToResponder => (&flow.initiator, &flow.responder),
        Direction::ToInitiator => (&flow.responder, &flow.initiator),
    };
    Some(Report {
        at,
        from: (from.ip?, from.port),
        to: (to.ip?, to.port),
        protocol: flow.user.protocol.map(Protocol::name),
        reason: format!("rule {}:{} {}", rule.gid, rule.sid, rule.msg),
        how: if reject { "reset" } else { "drop" },
    })
}

impl Teller {
    fn look(
        &mut self,
        flow: &mut Flow<Talked>,
        direction: Direction,
        run: impl FnOnce(&RuleBook, &mut Conversation<'_>, &mut Scratch, &mut Vec<Match>),
    ) {
        let reversed = flow.user.reversed;
        let mut view = Conversation {
            flow: FlowView::of(flow, flow.user.protocol, reversed),
            direction: if reversed { direction.flip() } else { direction },
            rules: &mut flow.user.rules,
        };
        run(&self.book, &mut view, &mut self.scratch, &mut self.matches);
        for found in self.matches.drain(..) {
            let action = self.book.rule(found.rule).map(|rule| rule.action);
            let reject = match action {
                Some(Action::Drop) => false,
                Some(Action::Reject(_)) => true,
                _ => continue,
            };
            self.stopped.get_or_insert((found.rule, reject));
        }
    }

    fn feed(&mut self, flow: &mut Flow<Talked>, segment: &citywall_flow::Segment<'_>) {
        let hint = Hint {
            carrier: flow.carrier,
            direction: Direction::ToResponder,
            initiator_port: flow.initiator.port,
            responder_port: flow.responder.port,
        };
        let mut session = flow.user.session.take().unwrap_or_else(|| Session::new(hint));
        let mut found = std::mem::take(&mut self.found);
        session.feed(segment, &self.limits, &mut found);
        if let SessionState::Known(protocol) = session.state() {
            flow.user.protocol = Some(protocol);
            flow.user.reversed = session.reversed();
        }
        for (way, item) in found.items.drain(..) {
            if let Item::Transaction(transaction) = item {
                self.look(flow, way, |book, view, scratch, out| {
                    book.transaction(&transaction, view, scratch, out);
                });
            }
        }
        for (done, now) in flow.user.done.iter_mut().zip(&mut found.done) {
            *done |= std::mem::take(now);
        }
        let unknown = matches!(session.state(), SessionState::Unknown);
        let unwanted = flow
            .user
            .protocol
            .is_some_and(|protocol| !self.book.needs_transactions(protocol));
        if unknown || unwanted {
            flow.user.done = [true; 2];
        }
        if flow.user.done != [true; 2] {
            flow.user.session = Some(session);
        }
        self.found = found;
    }
}

impl Observer<Talked> for Teller {
    fn opened(&mut self, _flow: &mut Flow<Talked>) {}

    fn segment(&mut self, flow: &mut Flow<Talked>, segment: citywall_flow::Segment<'_>) {
        let stream = matches!(segment.content, Content::Bytes(_));
        let wants = |teller: &Teller, flow: &mut Flow<Talked>| {
            let reversed = flow.user.reversed;
            let mut view = Conversation {
                flow: FlowView::of(flow, flow.user.protocol, reversed),
                direction: Direction::ToResponder,
                rules: &mut flow.user.rules,
            };
            teller.book.wants_stream(&mut view)
        };
        if stream && wants(self, flow) {
            self.look(flow, segment.direction, |book, view, scratch, out| {
                book.stream(&segment, view, scratch, out);
            });
        }
        if flow.user.done != [true; 2] {
            self.feed(flow, &segment);
        }
        if flow.user.done == [true; 2] && !wants(self, flow) {
            flow.stop_stream = [true; 2];
        }
    }

    fn malformed(&mut self, _flow: &mut Flow<Talked>, _direction: Direction, _kind: StreamMalformed) {}

    fn closed(&mut self, _flow: &mut Flow<Talked>, _reason: CloseReason) {}
}
