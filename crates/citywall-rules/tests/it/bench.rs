//! A conversation played to the rules: real frames, real dissectors, real rules.

use citywall_flow::{Carrier, Content, Direction, Segment};
use citywall_packet::{Frame, LinkType, decode};
use citywall_rules::{
    Conversation, FlowRules, FlowView, Match, Refused, RuleBook, RuleSource, RuleVars, Scratch,
};
use citywall_transaction::{Hint, Item, Limits, Output, Session, SessionState};

/// Loads rules of which none may be refused.
pub fn load(rules: &str) -> RuleBook {
    let (book, refused) = try_load(rules);
    let shown: Vec<String> = refused.iter().map(ToString::to_string).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
    book
}

/// Loads rules.
pub fn try_load(rules: &str) -> (RuleBook, Vec<Refused>) {
    let source = RuleSource {
        name: "test.rules",
        text: rules.as_bytes(),
    };
    RuleBook::load(&[source], &RuleVars::default())
}

/// What the options match on one TCP stream piece from the client.
pub fn matches(options: &str, data: &[u8]) -> bool {
    let rule = format!("alert tcp any any -> any any (msg:\"t\"; {options}; sid:1;)");
    let mut bench = Bench::tcp(&rule, 40_000, 4_000);
    bench.client(data);
    bench.text == "> 1\n"
}

/// One conversation.
pub struct Bench {
    pub book: RuleBook,
    pub flow: FlowView,
    pub rules: FlowRules,
    pub scratch: Scratch,
    /// An arrow and a sid for each match.
    pub text: String,
    session: Session,
}

const TO_SERVER: Direction = Direction::ToResponder;
const TO_CLIENT: Direction = Direction::ToInitiator;

impl Bench {
    /// An established TCP conversation, 10.0.0.1 to 10.0.0.2.
    pub fn tcp(rules: &str, client: u16, server: u16) -> Bench {
        Bench::new(rules, Carrier::Tcp, client, server)
    }

    /// A UDP conversation.
    pub fn udp(rules: &str, client: u16, server: u16) -> Bench {
        Bench::new(rules, Carrier::Udp, client, server)
    }

    fn new(rules: &str, carrier: Carrier, client: u16, server: u16) -> Bench {
        let hint = Hint {
            carrier,
            direction: TO_SERVER,
            initiator_port: client,
            responder_port: server,
        };
        Bench {
            book: load(rules),
            flow: FlowView {
                carrier,
                initiator: "10.0.0.1".parse().ok(),
                initiator_port: client,
                responder: "10.0.0.2".parse().ok(),
                responder_port: server,
                established: true,
                protocol: None,
            },
            rules: FlowRules::default(),
            scratch: Scratch::default(),
            text: String::new(),
            session: Session::new(hint),
        }
    }

    /// The client sends.
    pub fn client(&mut self, data: &[u8]) -> &mut Bench {
        self.send(TO_SERVER, data)
    }

    /// The server sends.
    pub fn server(&mut self, data: &[u8]) -> &mut Bench {
        self.send(TO_CLIENT, data)
    }

    fn send(&mut self, direction: Direction, data: &[u8]) -> &mut Bench {
        if self.flow.carrier == Carrier::Udp {
            let (from, to) = match direction {
                Direction::ToResponder => (1, 2),
                Direction::ToInitiator => (2, 1),
            };
            let (src, dst) = match direction {
                Direction::ToResponder => (self.flow.initiator_port, self.flow.responder_port),
                Direction::ToInitiator => (self.flow.responder_port, self.flow.initiator_port),
            };
            self.piece(direction, Content::Datagram(data));
            self.frame(&udp_frame(from, to, src, dst, data), Some(direction));
        } else {
            self.piece(direction, Content::Bytes(data));
        }
        self
    }

    /// A piece of the stream, or a gap, or its end.
    pub fn piece(&mut self, direction: Direction, content: Content<'_>) -> &mut Bench {
        let segment = Segment {
            at: 0,
            direction,
            content,
        };
        let mut found = Output::default();
        self.session.feed(&segment, &Limits::default(), &mut found);
        self.take(found);
        let mut out = Vec::new();
        let mut view = Conversation {
            flow: self.flow,
            direction,
            rules: &mut self.rules,
        };
        self.book.stream(&segment, &mut view, &mut self.scratch, &mut out);
        self.note(&out);
        self
    }

    /// The conversation ends.
    pub fn end(&mut self) -> &mut Bench {
        let mut found = Output::default();
        self.session.finish(0, &mut found);
        self.take(found);
        self
    }

    fn take(&mut self, found: Output) {
        if let SessionState::Known(protocol) = self.session.state() {
            self.flow.protocol = Some(protocol);
        }
        for (direction, item) in found.items {
            let Item::Transaction(transaction) = item else {
                continue;
            };
            let mut out = Vec::new();
            let mut view = Conversation {
                flow: self.flow,
                direction,
                rules: &mut self.rules,
            };
            self.book
                .transaction(&transaction, &mut view, &mut self.scratch, &mut out);
            self.note(&out);
        }
    }

    /// A raw IPv4 frame; without direction it belongs to no conversation.
    pub fn frame(&mut self, data: &[u8], direction: Option<Direction>) -> &mut Bench {
        let frame = Frame {
            data,
            wire_len: data.len() as u32,
            at: 0,
            link: LinkType::RAW,
        };
        let packet = decode(&frame, &mut Vec::new());
        let mut out = Vec::new();
        let mut view = direction.map(|direction| Conversation {
            flow: self.flow,
            direction,
            rules: &mut self.rules,
        });
        self.book
            .packet(&packet, data, view.as_mut(), &mut self.scratch, &mut out);
        self.note(&out);
        self
    }

    fn note(&mut self, matches: &[Match]) {
        for found in matches {
            let rule = self.book.rule(found.rule).unwrap();
            self.text.push_str(match found.direction {
                Some(Direction::ToResponder) => "> ",
                Some(Direction::ToInitiator) => "< ",
                None => "- ",
            });
            self.text.push_str(&format!("{}\n", rule.sid));
        }
    }
}

/// An IPv4 packet; RFC 791. Addresses are 10.0.0.`from` and 10.0.0.`to`.
pub fn ip_frame(from: u8, to: u8, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = (20 + payload.len()) as u16;
    let mut frame = vec![0x45, 0x10, 0, 0, 0x12, 0x34, 0x40, 0, 64, protocol, 0, 0];
    frame[2..4].copy_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&[10, 0, 0, from, 10, 0, 0, to]);
    let sum: u32 = frame
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    frame[10..12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A UDP datagram without checksum.
pub fn udp_frame(from: u8, to: u8, src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    let length = (8 + payload.len()) as u16;
    let mut udp = [src, dst, length, 0].map(u16::to_be_bytes).concat();
    udp.extend_from_slice(payload);
    ip_frame(from, to, 17, &udp)
}

/// A TCP segment; RFC 9293.
pub fn tcp_frame(flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut tcp = [40_000u16, 4_000].map(u16::to_be_bytes).concat();
    tcp.extend_from_slice(&7u32.to_be_bytes());
    tcp.extend_from_slice(&9u32.to_be_bytes());
    tcp.extend_from_slice(&[0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    tcp.extend_from_slice(payload);
    ip_frame(1, 2, 6, &tcp)
}
