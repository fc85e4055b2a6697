//! The rule language: any text is loaded or refused with its place, and what loads can be tried on
//! any conversation.

use citywall_flow::{Carrier, Content, Direction, Segment};
use citywall_packet::{Frame, LinkType, decode};
use citywall_rules::{
    Conversation, FlowRules, FlowView, Match, RuleBook, RuleSource, RuleVars, Scratch, Thresholds,
};
use citywall_transaction::{Hint, Item, Limits, Output, Session, SessionState};

use crate::dissector::PORTS;
use crate::turns::{MARK, parts, turns};

/// A byte for the carrier and one for the ports; rules up to the first mark; then a conversation.
pub fn run(data: &[u8]) {
    let Some((&[first, ports], rest)) = data.split_first_chunk() else {
        return;
    };
    let text = parts(rest).next().unwrap_or_default();
    let source = RuleSource {
        name: "fuzz.rules",
        text,
    };
    let (book, refused) = RuleBook::load(&[source], &RuleVars::default());
    for refused in refused.iter().chain(book.warnings()) {
        assert!(refused.line > 0 && refused.column > 0, "{refused}");
        assert!(
            !refused.reason.is_empty() && !refused.to_string().contains('\n'),
            "{refused:?}"
        );
    }
    if book.is_empty() {
        return;
    }
    let conversation = rest.get(text.len() + MARK.len()..).unwrap_or_default();
    let carrier = if first & 1 == 0 {
        Carrier::Tcp
    } else {
        Carrier::Udp
    };
    let mut bench = Bench::new(book, carrier, ports);
    for turn in turns(first, conversation) {
        turn.contents(carrier == Carrier::Udp, false, |content| {
            bench.piece(turn.direction, content);
        });
    }
    bench.end();
}

struct Bench {
    book: RuleBook,
    flow: FlowView,
    rules: FlowRules,
    scratch: Scratch,
    session: Session,
    thresholds: Thresholds,
    at: i64,
}

impl Bench {
    fn new(book: RuleBook, carrier: Carrier, ports: u8) -> Bench {
        let hint = Hint {
            carrier,
            direction: Direction::ToResponder,
            initiator_port: PORTS[usize::from(ports >> 4)],
            responder_port: PORTS[usize::from(ports & 15)],
        };
        Bench {
            book,
            flow: FlowView {
                carrier,
                initiator: "10.0.0.1".parse().ok(),
                initiator_port: hint.initiator_port,
                responder: "10.0.0.2".parse().ok(),
                responder_port: hint.responder_port,
                established: true,
                protocol: None,
            },
            rules: FlowRules::default(),
            scratch: Scratch::default(),
            session: Session::new(hint),
            thresholds: Thresholds::new(4),
            at: 0,
        }
    }

    /// What a worker does with a piece: the packet that brought it, the dissector, the stream.
    fn piece(&mut self, direction: Direction, content: Content<'_>) {
        self.at += 100_000_000;
        let mut out = Vec::new();
        if let Content::Bytes(bytes) | Content::Datagram(bytes) = content {
            self.packet(direction, bytes, &mut out);
        }
        let segment = Segment {
            at: self.at,
            direction,
            content,
        };
        let mut found = Output::default();
        self.session.feed(&segment, &Limits::default(), &mut found);
        self.take(found, &mut out);
        let mut view = Conversation {
            flow: self.flow,
            direction,
            rules: &mut self.rules,
        };
        self.book.stream(&segment, &mut view, &mut self.scratch, &mut out);
        self.note(&out);
    }

    fn packet(&mut self, direction: Direction, payload: &[u8], out: &mut Vec<Match>) {
        let data = self.frame(direction, payload);
        let frame = Frame {
            data: &data,
            wire_len: data.len() as u32,
            at: self.at,
            link: LinkType::RAW,
        };
        let packet = decode(&frame, &mut Vec::new());
        let mut view = Conversation {
            flow: self.flow,
            direction,
            rules: &mut self.rules,
        };
        self.book
            .packet(&packet, &data, Some(&mut view), &mut self.scratch, out);
        self.book.packet(&packet, &data, None, &mut self.scratch, out);
    }

    /// An IPv4 packet around a payload. Checksums are not looked at here.
    fn frame(&self, direction: Direction, payload: &[u8]) -> Vec<u8> {
        let payload = &payload[..payload.len().min(1_400)];
        let ports = [self.flow.initiator_port, self.flow.responder_port];
        let (hosts, ports) = match direction {
            Direction::ToResponder => ([1, 2], ports),
            Direction::ToInitiator => ([2, 1], [ports[1], ports[0]]),
        };
        let udp = self.flow.carrier == Carrier::Udp;
        let header = if udp { 8 } else { 20 };
        let total = (20 + header + payload.len()) as u16;
        let protocol = if udp { 17 } else { 6 };
        let mut frame = vec![0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, protocol, 0, 0];
        frame[2..4].copy_from_slice(&total.to_be_bytes());
        frame.extend([10, 0, 0, hosts[0], 10, 0, 0, hosts[1]]);
        frame.extend(ports.map(u16::to_be_bytes).concat());
        if udp {
            frame.extend((total - 20).to_be_bytes());
            frame.extend([0, 0]);
        } else {
            frame.extend([0, 0, 0, 7, 0, 0, 0, 9, 0x50, 0x18, 0x20, 0, 0, 0, 0, 0]);
        }
        frame.extend_from_slice(payload);
        frame
    }

    fn take(&mut self, found: Output, out: &mut Vec<Match>) {
        if let SessionState::Known(protocol) = self.session.state() {
            self.flow.protocol = Some(protocol);
        }
        for (direction, item) in found.items {
            let Item::Transaction(transaction) = item else {
                continue;
            };
            let mut view = Conversation {
                flow: self.flow,
                direction,
                rules: &mut self.rules,
            };
            self.book
                .transaction(&transaction, &mut view, &mut self.scratch, out);
        }
    }

    fn note(&mut self, matches: &[Match]) {
        for found in matches {
            let rule = self.book.rule(found.rule).expect("a rule of this book");
            self.thresholds
                .admit(rule, self.at, self.flow.initiator, self.flow.responder, 1);
        }
        assert!(self.thresholds.len() <= 4);
    }

    fn end(&mut self) {
        let mut found = Output::default();
        let mut out = Vec::new();
        self.session.finish(self.at, &mut found);
        self.take(found, &mut out);
        self.note(&out);
    }
}
