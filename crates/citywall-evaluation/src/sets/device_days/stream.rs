//! Conversations as the ordered stage hears them.
//!
//! Owns: which events a conversation gives and when (its contact at its first packet, its flow when the
//! flow table lets go of it), their order, and numbers drawn from a seed. Does not own: who talks with
//! whom, and why.

use std::net::{IpAddr, Ipv4Addr};

use citywall_behaviour::{Class, Sample, SplitMix64};
use citywall_event::{
    Body, Contact, Event, FirstWords, FlowSummary, Login, Lookup, Mac, NameAsked, Nanos, Order, Subject,
};

/// A second.
pub const SECOND: Nanos = 1_000_000_000;
/// An hour.
pub const HOUR: Nanos = 3_600 * SECOND;
/// A day.
pub const DAY: Nanos = 24 * HOUR;

/// The card of the routers: whatever is not of the city has it.
const GATEWAY: Mac = [2, 0, 0, 0, 0, 1];

pub const ICMP: u8 = 1;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;

/// Draws.
#[derive(Clone, Debug)]
pub struct Dice(SplitMix64);

impl Dice {
    /// From parts of a name: a seed, a device, a day.
    pub fn new(parts: &[u64]) -> Dice {
        let mix =
            |seed, part: &u64| SplitMix64::new(seed ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15)).next_u64();
        Dice(SplitMix64::new(parts.iter().fold(0x5eed, mix)))
    }

    /// Evenly from `low` up to `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + self.0.unit() * (high - low)
    }

    /// Evenly on the scale of the logarithm.
    pub fn wide(&mut self, low: f64, high: f64) -> f64 {
        self.between(low.ln(), high.ln()).exp()
    }

    /// True with this chance.
    pub fn chance(&mut self, share: f64) -> bool {
        self.0.unit() < share
    }

    /// From 0 up to, not including, `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0.below(end)
    }

    /// A whole number from `low` up to, and including, `high`.
    pub fn count(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.below((high - low + 1) as usize) as u64
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.0.below(of.len())]
    }

    /// Waiting for what comes by chance, with this mean.
    pub fn wait(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.0.unit()).ln()
    }

    /// Letters of an alphabet.
    pub fn letters(&mut self, length: usize, alphabet: &[u8]) -> String {
        (0..length).map(|_| char::from(self.pick(alphabet))).collect()
    }
}

/// How a conversation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Both speak.
    Answered,
    /// Nobody answers.
    Silent,
    /// The port is closed.
    Refused,
}

/// A conversation.
#[derive(Clone, Copy, Debug)]
pub struct Talk {
    pub from: IpAddr,
    pub to: IpAddr,
    pub protocol: u8,
    /// 0 for ICMP.
    pub port: u16,
    pub app: Option<&'static str>,
    /// Bytes to the responder and back.
    pub bytes: [u64; 2],
    /// Seconds from its first packet to its last.
    pub lasts: f64,
    pub outcome: Outcome,
    /// A hash of its first words, where they are not what this device always says there.
    pub words: Option<u32>,
}

impl Talk {
    /// Over TCP, answered.
    pub fn tcp(from: IpAddr, to: IpAddr, port: u16, bytes: [u64; 2], lasts: f64) -> Talk {
        Talk {
            from,
            to,
            protocol: TCP,
            port,
            app: None,
            bytes,
            lasts,
            outcome: Outcome::Answered,
            words: None,
        }
    }

    /// Over UDP, answered at once.
    pub fn udp(from: IpAddr, to: IpAddr, port: u16, bytes: [u64; 2]) -> Talk {
        Talk {
            protocol: UDP,
            ..Talk::tcp(from, to, port, bytes, 0.03)
        }
    }

    /// A ping.
    pub fn ping(from: IpAddr, to: IpAddr) -> Talk {
        Talk {
            protocol: ICMP,
            ..Talk::tcp(from, to, 0, [98, 98], 0.01)
        }
    }

    /// The same, with this protocol of applications.
    pub fn app(self, app: &'static str) -> Talk {
        Talk {
            app: Some(app),
            ..self
        }
    }

    /// The same, in vain.
    pub fn ending(self, outcome: Outcome) -> Talk {
        Talk { outcome, ..self }
    }

    /// The same, with these first words.
    pub fn saying(self, words: u32) -> Talk {
        Talk {
            words: Some(words),
            ..self
        }
    }

    /// The hash of what conversation `number` begins with. A hello of TLS or SSH's exchange of keys is never the same
    /// twice; in all else a device begins as it always does.
    fn first_words(&self, number: u64) -> u32 {
        let mut words = FirstWords::default();
        words.take(&self.port.to_be_bytes());
        match self.from {
            _ if matches!(self.port, 22 | 443 | 8_443 | 8_883) => words.take(&number.to_be_bytes()),
            IpAddr::V4(ip) => words.take(&ip.octets()),
            IpAddr::V6(ip) => words.take(&ip.octets()),
        }
        self.words.unwrap_or(words.hash())
    }

    fn summary(&self, at: Nanos, number: u64) -> FlowSummary {
        let answered = self.outcome == Outcome::Answered;
        let tcp = self.protocol == TCP;
        // Handshake and end, and full packets between, every second of which is acknowledged.
        let full = |bytes: u64| bytes.div_ceil(1_448);
        let overhead = if tcp { 4 } else { 0 };
        let (packets, bytes, lasts) = match self.outcome {
            Outcome::Answered => {
                let there = overhead + full(self.bytes[0]) + if tcp { full(self.bytes[1]) / 2 } else { 0 };
                let back = overhead + full(self.bytes[1]) + if tcp { full(self.bytes[0]) / 2 } else { 0 };
                let bytes = [self.bytes[0] + 54 * there, self.bytes[1] + 54 * back];
                ([there, back], bytes, self.lasts)
            }
            Outcome::Silent if tcp => ([3, 0], [180, 0], 7.0),
            Outcome::Silent => ([1, 0], [self.bytes[0] + 42, 0], 0.0),
            Outcome::Refused => ([1, 1], [60, 54], 0.001),
        };
        FlowSummary {
            start: at,
            end: at + seconds(lasts),
            packets,
            bytes,
            established: tcp && answered,
            ended: false,
            refused: self.outcome == Outcome::Refused,
            broken_off: false,
            icmp: (self.protocol == ICMP).then_some(8),
            first_words: if tcp && answered {
                self.first_words(number)
            } else {
                0
            },
        }
    }

    /// How long the flow table keeps it behind its last packet.
    fn kept(&self) -> Nanos {
        SECOND
            * match (self.protocol, self.outcome) {
                (TCP, Outcome::Silent) | (UDP, Outcome::Answered) => 60,
                (TCP, _) => 10,
                _ => 30,
            }
    }
}

/// Seconds as nanoseconds.
pub fn seconds(value: f64) -> Nanos {
    (value * SECOND as f64) as Nanos
}

/// The card of an address.
pub fn card(ip: IpAddr) -> Mac {
    match ip {
        IpAddr::V4(v4) if v4.octets()[0] == 10 => {
            let [a, b, c, d] = v4.octets();
            [2, 0, a, b, c, d]
        }
        _ => GATEWAY,
    }
}

/// All that is said in a city, put in order day by day.
#[derive(Debug, Default)]
pub struct Stream {
    events: Vec<Event>,
    packets: Vec<(Nanos, Sample)>,
    flows: u64,
    number: u64,
}

impl Stream {
    /// A conversation that begins at `at`; gives what other events of it name as their subject.
    pub fn talk(&mut self, at: Nanos, talk: &Talk) -> Subject {
        self.flows += 1;
        let ports = talk.protocol != ICMP;
        let subject = Subject {
            flow_id: self.flows,
            src_ip: Some(talk.from),
            dst_ip: Some(talk.to),
            src_port: ports.then_some(32_768 + (self.flows % 28_000) as u16),
            dst_port: ports.then_some(talk.port),
            src_mac: Some(card(talk.from)),
            dst_mac: Some(card(talk.to)),
            protocol: Some(talk.protocol),
            ..Subject::default()
        };
        self.say(at, subject, None, Body::Contact(Contact { midstream: false }));
        let summary = talk.summary(at, self.flows);
        self.say(summary.end + talk.kept(), subject, talk.app, Body::Flow(summary));
        subject
    }

    /// A login in a conversation that begins at `at`.
    pub fn login(&mut self, at: Nanos, talk: &Talk, success: bool) {
        let subject = self.talk(at, talk);
        let login = Login {
            protocol: talk.app.unwrap_or("telnet"),
            user: "admin".to_owned(),
            password_length: Some(8),
            default_credentials: false,
            success: Some(success),
        };
        self.say(
            at + seconds(talk.lasts * 0.7),
            subject,
            talk.app,
            Body::Login(login),
        );
    }

    /// A name that is asked for. Those that are short and exist are a conversation and nothing more.
    pub fn ask(&mut self, at: Nanos, from: IpAddr, server: IpAddr, name: Option<(String, bool)>) {
        let carried = name.as_ref().map_or(20, |(name, _)| name.len() as u64);
        let subject = self.talk(
            at,
            &Talk::udp(from, server, 53, [20 + carried, 60 + carried]).app("dns"),
        );
        if let Some((name, unknown)) = name {
            self.say(
                at + 8_000_000,
                subject,
                Some("dns"),
                Body::Name(NameAsked { name, unknown }),
            );
        }
    }

    /// Somebody looks for an address on its link, and is answered or not.
    pub fn look(&mut self, at: Nanos, from: IpAddr, target: Ipv4Addr, answered: bool) {
        let IpAddr::V4(asker) = from else { return };
        let mut subject = Subject {
            src_mac: Some(card(from)),
            dst_mac: Some([0xff; 6]),
            ..Subject::default()
        };
        let mut lookup = Lookup {
            sender: Some(asker),
            target,
            answer: false,
        };
        self.say(at, subject, None, Body::Lookup(lookup));
        if answered {
            subject.src_mac = Some(card(IpAddr::V4(target)));
            subject.dst_mac = Some(card(from));
            lookup.answer = true;
            self.say(at + 2_000_000, subject, None, Body::Lookup(lookup));
        }
    }

    /// A packet, for what counts all of them. Only those that make a slice heavy are worth it: the
    /// meter tells of nothing else.
    pub fn packet(&mut self, at: Nanos, from: IpAddr, to: IpAddr, class: Class, bytes: u32) {
        let sample = Sample {
            src: from,
            dst: to,
            class,
            // As if all were for one port: no flood of theirs is for many.
            ports: [0; 2],
            bytes,
        };
        self.packets.push((at, sample));
    }

    fn say(&mut self, at: Nanos, subject: Subject, app_proto: Option<&'static str>, body: Body) {
        self.events.push(Event {
            order: Order::default(),
            at,
            subject,
            app_proto,
            body,
        });
    }

    /// Takes out what was said before `end`, in order; what ends later stays.
    pub fn before(&mut self, end: Nanos) -> (Vec<Event>, Vec<(Nanos, Sample)>) {
        self.events.sort_by_key(|event| event.at);
        self.packets.sort_by_key(|(at, _)| *at);
        let (said, sent) = (
            self.events.partition_point(|event| event.at < end),
            self.packets.partition_point(|(at, _)| *at < end),
        );
        let later = self.events.split_off(said);
        let mut events = std::mem::replace(&mut self.events, later);
        for event in &mut events {
            self.number += 1;
            event.order = Order::of_packet(event.at, 0, self.number, 0);
        }
        let later = self.packets.split_off(sent);
        (events, std::mem::replace(&mut self.packets, later))
    }
}
