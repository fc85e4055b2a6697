//! Uploads: a device carries far more out of the city than it ever did.
//!
//! Owns: what each device sends to each outside host, by hours, and its habit. Does not own: what
//! was in it.

use std::net::IpAddr;

use citywall_event::{Behaviour, Body, Context, Event, Nanos, Order, Technique, say};

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
    /// Sent to received, at least: what is mostly received is no upload.
    pub ratio: f64,
    /// Devices, and pairs, that are watched.
    pub devices: usize,
}

impl Default for UploadLimits {
    fn default() -> UploadLimits {
        UploadLimits {
            window: 3_600_000_000_000,
            floor: 20_000_000,
            habit: 4.0,
            ratio: 4.0,
            devices: 8_192,
        }
    }
}

/// Finds uploads out of habit.
#[derive(Debug)]
pub struct UploadWatch {
    limits: UploadLimits,
    pairs: Recent<(IpAddr, IpAddr), Pair>,
}

#[derive(Debug, Default)]
struct Pair {
    start: Nanos,
    sent: u64,
    received: u64,
    conversations: u64,
    /// The largest earlier window.
    most: u64,
    told: bool,
    examples: Vec<Order>,
}

impl UploadWatch {
    /// Has heard nothing.
    pub fn new(limits: UploadLimits) -> UploadWatch {
        UploadWatch {
            limits,
            pairs: Recent::new(limits.devices),
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
        let pair = self.pairs.entry((src, dst));
        if event.at.saturating_sub(pair.start) > limits.window {
            *pair = Pair {
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
        let usual = (pair.most as f64 * limits.habit).max(limits.floor as f64);
        let ratio = pair.sent as f64 / pair.received.max(1) as f64;
        if pair.told || (pair.sent as f64) < usual || ratio < limits.ratio {
            return None;
        }
        pair.told = true;
        let megabytes = pair.sent as f64 / 1e6;
        let minutes = (event.at - pair.start) as f64 / 6e10;
        Some(Behaviour {
            kind: "upload_out_of_habit",
            reason: say!(
                "sent-out",
                "{who} sent {megabytes} MB to {whom} within {minutes} min in {n} conversations, {ratio} times what it \
                 received; never more than {most} MB before",
                who = src,
                megabytes = format!("{megabytes:.1}"),
                whom = dst,
                minutes = format!("{minutes:.0}"),
                n = pair.conversations,
                ratio = format!("{ratio:.0}"),
                most = format!("{:.1}", pair.most as f64 / 1e6)
            ),
            score: (1.0 - usual / (2.0 * pair.sent as f64)).clamp(0.5, 0.99),
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
