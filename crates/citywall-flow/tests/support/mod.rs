//! Packets from a small text language, and an observer that writes down what it is told.
//!
//! A script has one packet a line: who sends (`c`lient or `s`erver), flags of `SAFRUP.`, sequence
//! number and acknowledgement relative to the two initial sequence numbers, options, payload:
//!
//! ```text
//! c S 0 ws=7 ts=10
//! s SA 0 1
//! c A 1 1 'hello
//! s A 1 6 t=2.5 w=100 'a payload with spaces
//! ```
//!
//! Options: `t=` seconds, `w=` window, `ws=` window scale, `ts=` timestamp, `urg=` urgent pointer,
//! `cut=` bytes that the capture cut off, `bad` checksum. The line `expire 5` closes what has timed
//! out at second 5.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

use citywall_flow::{
    CloseReason, Content, Direction, Flow, FlowLimits, FlowTable, HostPolicies, Observer, Segment,
    StreamMalformed,
};
use citywall_packet::{Checksum, Ip, Macs, Nanos, Network, Packet, Span, Tcp, Transport, Vlans, tcp_flags};

pub const SECOND: Nanos = 1_000_000_000;
pub const CLIENT: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 0, 0, 1), 40_000);
pub const SERVER: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 0, 0, 2), 80);
/// Both streams wrap around after a few bytes.
const CLIENT_ISN: u32 = u32::MAX - 3;
const SERVER_ISN: u32 = u32::MAX - 5;
const HEADERS: u32 = 40;

/// A packet without layers above the link.
pub fn bare() -> Packet {
    Packet {
        at: 0,
        wire_len: 0,
        cap_len: 0,
        macs: Some(Macs {
            src: [2, 0, 0, 0, 0, 1],
            dst: [2, 0, 0, 0, 0, 2],
        }),
        ethertype: 0x0800,
        vlans: Vlans::default(),
        tunnel: None,
        tunnel_depth: 0,
        network: Network::None,
        transport: Transport::None,
        payload: Span::default(),
        truncated: false,
    }
}

/// An IP header of 20 bytes at the start of the buffer.
pub fn ip(src: IpAddr, dst: IpAddr, protocol: u8) -> Network {
    Network::Ip(Ip {
        src,
        dst,
        protocol,
        ttl: 64,
        tos: 0,
        id: 0,
        header: Span { start: 0, len: 20 },
        payload: Span::default(),
        fragment: None,
        reassembled: false,
    })
}

/// A TCP header of 20 bytes behind an IP header of 20 bytes.
pub fn tcp(src_port: u16, dst_port: u16, flags: u8, seq: u32, ack: u32) -> Tcp {
    Tcp {
        src_port,
        dst_port,
        seq,
        ack,
        flags,
        window: 60_000,
        urgent: 0,
        mss: None,
        window_scale: None,
        sack_permitted: false,
        timestamp: None,
        header: Span { start: 20, len: 20 },
        checksum: Checksum::Valid,
    }
}

/// A TCP packet and its bytes; `cut` bytes more were on the wire.
pub fn tcp_packet(src: Ipv4Addr, dst: Ipv4Addr, tcp: Tcp, payload: &[u8], cut: u32) -> (Packet, Vec<u8>) {
    let mut data = vec![0; HEADERS as usize];
    data.extend_from_slice(payload);
    let total = data.len() as u32 + cut;
    data[2..4].copy_from_slice(&(total as u16).to_be_bytes());
    let packet = Packet {
        wire_len: 14 + total,
        cap_len: 14 + data.len() as u32,
        network: ip(src.into(), dst.into(), 6),
        transport: Transport::Tcp(tcp),
        payload: Span {
            start: HEADERS,
            len: payload.len() as u32,
        },
        truncated: cut > 0,
        ..bare()
    };
    (packet, data)
}

/// Writes down what it is told.
#[derive(Default)]
pub struct Transcript {
    pub text: String,
    /// Bytes of both streams, gaps as `_`.
    pub streams: [Vec<u8>; 2],
    pub opened: u32,
    pub closed: u32,
    /// Tell the table to stop after this many segments.
    pub stop_after: Option<u32>,
}

fn arrow(direction: Direction) -> char {
    match direction {
        Direction::ToResponder => '>',
        Direction::ToInitiator => '<',
    }
}

impl Observer<u32> for Transcript {
    fn opened(&mut self, flow: &mut Flow<u32>) {
        self.opened += 1;
        let (from, to) = (flow.initiator, flow.responder);
        let name = |ip: Option<IpAddr>| ip.map_or("-".to_owned(), |ip| ip.to_string());
        let middle = if flow.midstream { " midstream" } else { "" };
        let (a, b) = (name(from.ip), name(to.ip));
        let _ = writeln!(
            self.text,
            "open {}: {a}:{} -> {b}:{}{middle}",
            flow.id, from.port, to.port
        );
    }

    fn segment(&mut self, flow: &mut Flow<u32>, segment: Segment<'_>) {
        let stream = &mut self.streams[segment.direction.index()];
        let what = match segment.content {
            Content::Bytes(bytes) | Content::Datagram(bytes) => {
                stream.extend_from_slice(bytes);
                String::from_utf8_lossy(bytes).escape_debug().to_string()
            }
            Content::Gap(count) => {
                stream.extend(std::iter::repeat_n(b'_', count.min(64) as usize));
                format!("(gap {count})")
            }
            Content::End { reset: false } => "(end)".to_owned(),
            Content::End { reset: true } => "(reset)".to_owned(),
        };
        let _ = writeln!(self.text, "{} {what}", arrow(segment.direction));
        flow.user += 1;
        if self.stop_after.is_some_and(|count| flow.user >= count) {
            flow.stop_stream = [true; 2];
        }
    }

    fn malformed(&mut self, _: &mut Flow<u32>, direction: Direction, kind: StreamMalformed) {
        let _ = writeln!(self.text, "{} ! {}", arrow(direction), kind.name());
    }

    fn closed(&mut self, flow: &mut Flow<u32>, reason: CloseReason) {
        self.closed += 1;
        let [a, b] = flow.packets;
        let _ = write!(
            self.text,
            "close {}: {reason:?}, {:?}, {a}+{b} packets",
            flow.id, flow.state
        );
        if flow.missing != [0; 2] {
            let _ = write!(self.text, ", missing {}+{}", flow.missing[0], flow.missing[1]);
        }
        self.text.push('\n');
    }
}

/// One line of a script as a packet: time in nanoseconds, packet, bytes.
pub fn parse(line: &str) -> (Nanos, Packet, Vec<u8>) {
    let (head, payload) = line.split_once('\'').unwrap_or((line, ""));
    let mut words = head.split_whitespace();
    let client = match words.next() {
        Some("c") => true,
        Some("s") => false,
        other => panic!("a line starts with c or s, not {other:?}"),
    };
    let flags = words
        .next()
        .expect("flags")
        .chars()
        .map(flag)
        .fold(0, |all, flag| all | flag);
    let (isn, peer_isn) = if client {
        (CLIENT_ISN, SERVER_ISN)
    } else {
        (SERVER_ISN, CLIENT_ISN)
    };
    let (src, dst) = if client {
        (CLIENT, SERVER)
    } else {
        (SERVER, CLIENT)
    };
    let (mut at, mut cut, mut numbers) = (0.0, 0, Vec::new());
    let mut header = tcp(src.1, dst.1, flags, 0, 0);
    for word in words {
        match word.split_once('=') {
            None if word == "bad" => header.checksum = Checksum::Invalid,
            None => numbers.push(word.parse::<i64>().expect("a number") as u32),
            Some(("t", value)) => at = value.parse::<f64>().expect("seconds"),
            Some(("w", value)) => header.window = value.parse().expect("a window"),
            Some(("ws", value)) => header.window_scale = Some(value.parse().expect("a scale")),
            Some(("ts", value)) => header.timestamp = Some((value.parse().expect("a timestamp"), 0)),
            Some(("urg", value)) => header.urgent = value.parse().expect("a pointer"),
            Some(("cut", value)) => cut = value.parse().expect("a length"),
            Some((other, _)) => panic!("unknown option {other}"),
        }
    }
    header.seq = isn.wrapping_add(numbers[0]);
    header.ack = numbers.get(1).map_or(0, |ack| peer_isn.wrapping_add(*ack));
    let (packet, data) = tcp_packet(src.0, dst.0, header, payload.as_bytes(), cut);
    ((at * 1e9) as Nanos, packet, data)
}

fn flag(letter: char) -> u8 {
    match letter {
        'S' => tcp_flags::SYN,
        'A' => tcp_flags::ACK,
        'F' => tcp_flags::FIN,
        'R' => tcp_flags::RST,
        'U' => tcp_flags::URG,
        'P' => tcp_flags::PSH,
        '.' => 0,
        other => panic!("unknown flag {other}"),
    }
}

/// Runs a script through a table; `end` tells whether the input ends after it.
pub fn play(table: &mut FlowTable<u32>, transcript: &mut Transcript, script: &str) {
    let mut now = 0;
    for (number, line) in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .enumerate()
    {
        if let Some(second) = line.strip_prefix("expire ") {
            table.expire(second.parse::<Nanos>().expect("seconds") * SECOND, transcript);
            continue;
        }
        let (at, packet, data) = parse(line);
        now = now.max(at);
        let pushed = table.push(&packet, &data, number as u64, now, transcript);
        assert!(pushed.is_some(), "a TCP packet has a conversation");
    }
}

/// What a script gives with these limits and policies.
pub fn told(limits: FlowLimits, policies: HostPolicies, script: &str) -> String {
    let mut table = FlowTable::new(limits, policies);
    let mut transcript = Transcript::default();
    play(&mut table, &mut transcript, script);
    table.finish(&mut transcript);
    assert_eq!(transcript.opened, transcript.closed);
    assert_eq!(table.stats().live, 0);
    assert_eq!(table.stats().buffered, 0);
    transcript.text
}
