//! Uploads: a device carries far more out of the city than it ever did.
//!
//! Owns: what each device sends to each outside host, by days, and its habit. Does not own: what
//! was in it.
//!
//! A day, so that a little now and then adds up. It is told when it is out of habit, and again each time that it
//! has doubled: the first megabytes too many weigh less than the thousandth. Clouds move: where what a device
//! sent to one host by habit ends, and goes to another from then on, the habit goes with it.

use std::net::IpAddr;

use citywall_event::{Behaviour, Body, Context, Event, Nanos, Order, Technique, counted, say};

use crate::recent::Recent;

/// When an upload is out of habit, and how much is remembered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UploadLimits {
    /// Length of a window, nanoseconds.
    pub window: Nanos,
    /// Bytes that are never told.
    pub floor: u64,
    /// How many times the largest earlier window.
    pub habit: f64,
    /// How long nothing is known of habits: what is told then is told again at eight times as much.
    pub learn: Nanos,
    /// Sent to received, at least: what is mostly received is no upload.
    pub ratio: f64,
    /// Devices, and pairs, that are watched.
    pub devices: usize,
}

impl Default for UploadLimits {
    fn default() -> UploadLimits {
        UploadLimits {
            window: 86_400_000_000_000,
            floor: 20_000_000,
            habit: 4.0,
            learn: 86_400_000_000_000,
            ratio: 4.0,
            devices: 8_192,
        }
    }
}

/// Conversations beyond which more of them make an upload no surer.
const PIECES: u64 = 8;

/// Hosts that are kept of a device.
const HOMES: usize = 8;

/// Conversations and time from which on it is a habit to send much to a host.
const HABIT: (u32, Nanos) = (12, 129_600_000_000_000);

/// Finds uploads out of habit.
#[derive(Debug)]
pub struct UploadWatch {
    limits: UploadLimits,
    pairs: Recent<(IpAddr, IpAddr), Pair>,
    devices: Recent<IpAddr, Homes>,
    /// The first event.
    since: Option<Nanos>,
}

/// Whom a device sends much to by habit.
#[derive(Debug, Default)]
struct Homes(Vec<Home>);

#[derive(Debug)]
struct Home {
    host: IpAddr,
    first: Nanos,
    last: Nanos,
    conversations: u32,
    /// The largest window.
    most: u64,
}

#[derive(Debug, Default)]
struct Pair {
    /// The first conversation of all.
    since: Nanos,
    start: Nanos,
    sent: u64,
    received: u64,
    conversations: u64,
    /// The largest earlier window.
    most: u64,
    /// Bytes of this window that are told next.
    next: u64,
    examples: Vec<Order>,
}

impl UploadWatch {
    /// Has heard nothing.
    pub fn new(limits: UploadLimits) -> UploadWatch {
        UploadWatch {
            limits,
            pairs: Recent::new(limits.devices),
            devices: Recent::new(limits.devices),
            since: None,
        }
    }

    /// Pairs that were forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.pairs.forgotten()
    }

    /// Takes one event; the `Behaviour` is about its `src`. A conversation counts when it ends.
    pub fn observe(&mut self, event: &Event, context: &Context) -> Option<Behaviour> {
        let Body::Flow(flow) = &event.body else {
            return None;
        };
        if context.is_empty() {
            return None;
        }
        let s = &event.subject;
        let (src, dst) = (s.src_ip?, s.dst_ip?);
        let inside = context.locate(Some(src), s.src_mac).zone.is_some();
        if !inside || context.locate(Some(dst), None).zone.is_some() {
            return None;
        }
        let limits = self.limits;
        let began = *self.since.get_or_insert(event.at);
        let pair = self.pairs.entry((src, dst));
        if pair.since == 0 {
            pair.since = event.at;
            pair.start = event.at;
            // It may have been forgotten between two nights.
            pair.most = self.devices.get(src).map_or(0, |homes| homes.most(dst));
        } else if event.at.saturating_sub(pair.start) > limits.window {
            *pair = Pair {
                since: pair.since,
                start: event.at,
                most: pair.most.max(pair.sent),
                ..Pair::default()
            };
        }
        pair.sent += flow.bytes[0];
        pair.received += flow.bytes[1];
        pair.conversations += 1;
        if pair.examples.len() < 4 {
            pair.examples.push(event.order);
        }
        let much = pair.most.max(pair.sent);
        if much < limits.floor {
            return None;
        }
        let homes = self.devices.entry(src);
        if pair.most < limits.floor
            && let Some(most) = homes.moved(dst, pair.since, event.at, pair.sent)
        {
            pair.most = most;
        }
        homes.note(dst, event.at, much);
        let usual = (pair.most as f64 * limits.habit).max(limits.floor as f64);
        let ratio = pair.sent as f64 / pair.received.max(1) as f64;
        if pair.sent < pair.next || (pair.sent as f64) < usual || ratio < limits.ratio {
            return None;
        }
        let learning = event.at.saturating_sub(began) < limits.learn;
        pair.next = pair.sent.saturating_mul(if learning { 8 } else { 2 });
        let megabytes = pair.sent as f64 / 1e6;
        let minutes = (event.at - pair.start) as f64 / 6e10;
        // A person leaves a file somewhere at once; who carries out piece by piece is a program.
        let pieces = 1.0 + (pair.conversations.min(PIECES) - 1) as f64 / 4.0;
        let reason = say!(
            "sent-out",
            "{who} sent {megabytes} MB to {whom} within {minutes} min in {n}, {ratio} times what it \
             received; never more than {most} MB before",
            who = src,
            megabytes = format!("{megabytes:.1}"),
            whom = dst,
            minutes = format!("{minutes:.0}"),
            n = counted(pair.conversations, "conversation", "conversations"),
            ratio = format!("{ratio:.0}"),
            most = format!("{:.1}", pair.most as f64 / 1e6)
        );
        Some(Behaviour {
            kind: "upload_out_of_habit",
            reason,
            score: (1.0 - usual / (2.0 * pair.sent as f64 * pieces)).clamp(0.5, 0.99),
            features: vec![
                ("megabytes", megabytes),
                ("sent_to_received", ratio),
                ("conversations", pair.conversations as f64),
                ("minutes", minutes),
            ],
            technique: Some(Technique::EXFILTRATION),
            evidence: pair.examples.clone(),
        })
    }
}

impl Homes {
    fn most(&self, host: IpAddr) -> u64 {
        let home = self.0.iter().find(|home| home.host == host);
        home.map_or(0, |home| home.most)
    }

    /// A conversation with a host that gets much; `most` is the largest window so far.
    fn note(&mut self, host: IpAddr, at: Nanos, most: u64) {
        if let Some(home) = self.0.iter_mut().find(|home| home.host == host) {
            home.last = at;
            home.conversations = home.conversations.saturating_add(1);
            home.most = home.most.max(most);
            return;
        }
        if self.0.len() >= HOMES
            && let Some(oldest) = (0..self.0.len()).min_by_key(|i| self.0[*i].last)
        {
            self.0.swap_remove(oldest);
        }
        self.0.push(Home {
            host,
            first: at,
            last: at,
            conversations: 1,
            most,
        });
    }

    /// Where what went to another host by habit goes to this one now: the largest window that it had. The other
    /// has heard nothing since this one began, and its turn is over.
    fn moved(&mut self, host: IpAddr, since: Nanos, at: Nanos, sent: u64) -> Option<u64> {
        let habit = |home: &&mut Home| {
            home.host != host
                && home.conversations >= HABIT.0
                && home.last - home.first >= HABIT.1
                && home.last < since
                && at - home.last >= (home.last - home.first) / i64::from(home.conversations) / 2
                && sent <= home.most.saturating_mul(2)
        };
        let home = self.0.iter_mut().find(habit)?;
        home.host = host;
        Some(home.most)
    }
}
