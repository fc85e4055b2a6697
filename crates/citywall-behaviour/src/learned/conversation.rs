//! A conversation as numbers that hold no address, name or time of day.
//!
//! Owns: the features of one conversation among those of its source in the last minute. Does not own:
//! what is normal (`habit`).

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;

use citywall_event::{Event, FlowSummary, Nanos};
use hashbrown::{DefaultHashBuilder, HashMap};

use crate::recent::Recent;

/// How a conversation went, as one packet trace shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Outcome {
    /// Nobody answered.
    Silent,
    /// Both sides spoke.
    Answered,
    /// The other side refused.
    Refused,
    /// Only its middle was seen.
    Midstream,
}

impl Outcome {
    /// All, in the order of their numbers.
    pub const ALL: [Outcome; 4] = [
        Outcome::Silent,
        Outcome::Answered,
        Outcome::Refused,
        Outcome::Midstream,
    ];
}

/// What is seen of a conversation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// When it is heard of; never goes backward.
    pub at: Nanos,
    /// Who began it.
    pub src: IpAddr,
    /// With whom.
    pub dst: IpAddr,
    /// IP protocol.
    pub protocol: u8,
    /// The responder's port; 0 where there is none.
    pub port: u16,
    /// How it went.
    pub outcome: Outcome,
    /// From first to last packet, nanoseconds.
    pub duration: Nanos,
    /// Packets to the responder and back.
    pub packets: [u64; 2],
    /// Bytes to the responder and back.
    pub bytes: [u64; 2],
}

impl Seen {
    /// The conversation of a flow's event.
    pub fn of(event: &Event, flow: &FlowSummary) -> Option<Seen> {
        let s = &event.subject;
        let answered = flow.packets[1] > 0 && (s.protocol != Some(6) || flow.established);
        Some(Seen {
            at: event.at,
            src: s.src_ip?,
            dst: s.dst_ip?,
            protocol: s.protocol?,
            port: s.dst_port.unwrap_or(0),
            outcome: match (flow.refused, answered) {
                (true, _) => Outcome::Refused,
                (_, true) => Outcome::Answered,
                _ if flow.packets[1] > 0 => Outcome::Midstream,
                _ => Outcome::Silent,
            },
            duration: flow.end.saturating_sub(flow.start),
            packets: flow.packets,
            bytes: flow.bytes,
        })
    }
}

/// Names and units of a conversation's numbers, in their order.
pub const NUMBERS: [&str; 11] = [
    "milliseconds",
    "bytes_sent",
    "bytes_received",
    "packets_sent",
    "packets_received",
    "bytes_per_packet_sent",
    "bytes_per_packet_received",
    "hosts_in_a_minute",
    "ports_in_a_minute",
    "conversations_in_a_minute",
    "failures_in_a_minute",
];

/// A conversation's features.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conversation {
    /// Protocol and port. Ports from 1024 on are one: which of them a program takes says little.
    pub service: u32,
    /// How it went.
    pub outcome: Outcome,
    /// As `NUMBERS` names them.
    pub numbers: [f64; NUMBERS.len()],
}

/// How far back a source's conversations count.
const WINDOW: Nanos = 60_000_000_000;
/// Conversations of a source that are kept of the window.
const KEPT: usize = 1_024;

/// Makes features; one for all sources, at most `sources` of them are known at a time.
#[derive(Debug)]
pub struct ConversationFeatures {
    sources: Recent<IpAddr, Minute>,
    hasher: DefaultHashBuilder,
}

#[derive(Debug, Default)]
struct Minute {
    last: VecDeque<Short>,
    hosts: HashMap<u64, u32>,
    ports: HashMap<u16, u32>,
    failures: u32,
}

#[derive(Clone, Copy, Debug)]
struct Short {
    at: Nanos,
    host: u64,
    port: u16,
    failed: bool,
}

impl ConversationFeatures {
    /// Has heard nothing.
    pub fn new(sources: usize) -> ConversationFeatures {
        ConversationFeatures {
            sources: Recent::new(sources),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// Sources that were forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.sources.forgotten()
    }

    /// Bytes that a source's state can take at most.
    pub const fn bytes_per_source() -> usize {
        // Maps hold a fifth more room than entries, and a byte of control each.
        KEPT * (size_of::<Short>() + 2 * (size_of::<(u64, u32)>() + size_of::<(u16, u32)>() + 2))
    }

    /// Takes the next conversation.
    pub fn observe(&mut self, seen: &Seen) -> Conversation {
        let failed = seen.outcome != Outcome::Answered;
        let short = Short {
            at: seen.at,
            host: self.hasher.hash_one(seen.dst),
            port: seen.port,
            failed,
        };
        let minute = self.sources.entry(seen.src);
        minute.push(short);
        let per = |bytes: u64, packets: u64| bytes as f64 / packets.max(1) as f64;
        let [to, back] = [0, 1].map(|way| per(seen.bytes[way], seen.packets[way]));
        Conversation {
            service: service(seen.protocol, seen.port),
            outcome: seen.outcome,
            numbers: [
                seen.duration as f64 / 1e6,
                seen.bytes[0] as f64,
                seen.bytes[1] as f64,
                seen.packets[0] as f64,
                seen.packets[1] as f64,
                to,
                back,
                minute.hosts.len() as f64,
                minute.ports.len() as f64,
                minute.last.len() as f64,
                f64::from(minute.failures),
            ],
        }
    }
}

impl Minute {
    fn push(&mut self, short: Short) {
        while let Some(first) = self.last.front()
            && (short.at.saturating_sub(first.at) > WINDOW || self.last.len() >= KEPT)
        {
            let Some(gone) = self.last.pop_front() else { break };
            less(&mut self.hosts, gone.host);
            less(&mut self.ports, gone.port);
            self.failures -= u32::from(gone.failed);
        }
        *self.hosts.entry(short.host).or_default() += 1;
        *self.ports.entry(short.port).or_default() += 1;
        self.failures += u32::from(short.failed);
        self.last.push_back(short);
    }
}

fn less<K: Eq + Hash>(counts: &mut HashMap<K, u32>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

fn service(protocol: u8, port: u16) -> u32 {
    let port = if port < 1_024 { port } else { 1_024 };
    u32::from(protocol) << 16 | u32::from(port)
}

/// A service in words.
pub(crate) fn service_name(service: u32) -> String {
    let carrier = match service >> 16 {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "icmpv6".to_owned(),
        other => format!("protocol {other}"),
    };
    match service & 0xffff {
        0 => carrier,
        1_024 => format!("{carrier}/1024 and above"),
        port => format!("{carrier}/{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(at: i64, dst: u8, port: u16, outcome: Outcome) -> Seen {
        Seen {
            at: at * 1_000_000_000,
            src: IpAddr::from([10, 0, 0, 1]),
            dst: IpAddr::from([10, 0, 0, dst]),
            protocol: 6,
            port,
            outcome,
            duration: 2_000_000,
            packets: [4, 2],
            bytes: [400, 100],
        }
    }

    #[test]
    fn a_minute_is_counted_and_forgotten() {
        let mut features = ConversationFeatures::new(8);
        features.observe(&seen(0, 2, 80, Outcome::Silent));
        features.observe(&seen(1, 3, 80, Outcome::Answered));
        let third = features.observe(&seen(2, 3, 443, Outcome::Refused));
        assert_eq!(
            third.numbers,
            [2.0, 400.0, 100.0, 4.0, 2.0, 100.0, 50.0, 2.0, 2.0, 3.0, 2.0]
        );
        let late = features.observe(&seen(100, 3, 443, Outcome::Answered));
        assert_eq!(late.numbers[7..], [1.0, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn a_source_that_does_a_lot_is_bounded() {
        let mut features = ConversationFeatures::new(8);
        let mut last = features.observe(&seen(0, 0, 0, Outcome::Silent));
        for port in 1..5_000 {
            last = features.observe(&seen(1, 1, port, Outcome::Silent));
        }
        assert_eq!(last.numbers[9], KEPT as f64);
        assert_eq!(last.numbers[8], KEPT as f64);
        assert_eq!(features.sources.len(), 1);
    }

    #[test]
    fn addresses_and_times_do_not_show() {
        let a = ConversationFeatures::new(8).observe(&seen(5, 7, 80, Outcome::Answered));
        let b = ConversationFeatures::new(8).observe(&Seen {
            src: IpAddr::from([172, 16, 0, 9]),
            dst: IpAddr::from([1, 2, 3, 4]),
            ..seen(50_000, 1, 80, Outcome::Answered)
        });
        assert_eq!(a, b);
    }
}
