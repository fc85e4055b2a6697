//! Crowding: one client takes a server's places and keeps them, or begins without end.
//!
//! Owns: how many conversations each client has open with each port of each server, how many began
//! and how many ended. Does not own: floods of packets (`flood`); many clients that each behave (a
//! crowd); many requests inside one conversation.
//!
//! Attacks of this kind (slow-loris, slow reads, requests without end) are quiet in packets: a
//! hundred conversations that say nothing cost a server more than a thousand that are over. A
//! proxy's pool looks alike at first, so what a client has kept before is its habit.

use std::net::IpAddr;

use citywall_event::{Behaviour, Body, Event, FlowSummary, Nanos, Order, Technique, counted, say};

use crate::recent::Recent;

/// When a client crowds, and how much is remembered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrowdingLimits {
    /// Length of a window, nanoseconds of packet time.
    pub window: Nanos,
    /// Conversations that one client holds open with one port of one server.
    pub held: u32,
    /// Conversations that one client begins in a window.
    pub begun: u32,
    /// How many times what it did in calm windows before.
    pub habit: u32,
    /// Clients and servers that are watched.
    pub pairs: usize,
}

impl Default for CrowdingLimits {
    fn default() -> CrowdingLimits {
        CrowdingLimits {
            window: 5_000_000_000,
            held: 100,
            begun: 500,
            habit: 4,
            pairs: 8_192,
        }
    }
}

const TCP: u8 = 6;

/// Examples that are kept.
const EXAMPLES: usize = 4;

/// Finds clients that crowd.
#[derive(Debug)]
pub struct CrowdingWatch {
    limits: CrowdingLimits,
    pairs: Recent<(IpAddr, IpAddr, u16), Pair>,
}

/// One client and one port of one server.
#[derive(Debug, Default)]
struct Pair {
    open: u32,
    start: Nanos,
    /// In this window and in the one before.
    begun: [u32; 2],
    ended: [u32; 2],
    /// The most that it held, and began in a window, while nothing was told.
    habit: [u32; 2],
    told: [bool; 2],
    examples: Vec<Order>,
}

impl CrowdingWatch {
    /// Has heard nothing.
    pub fn new(limits: CrowdingLimits) -> CrowdingWatch {
        CrowdingWatch {
            limits,
            pairs: Recent::new(limits.pairs),
        }
    }

    /// Pairs that were forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.pairs.forgotten()
    }

    /// Takes one event; the `Behaviour` is about its `src`.
    pub fn observe(&mut self, event: &Event) -> Option<Behaviour> {
        let s = &event.subject;
        if s.protocol != Some(TCP) {
            return None;
        }
        let key = (s.src_ip?, s.dst_ip?, s.dst_port?);
        match &event.body {
            Body::Contact(contact) if !contact.midstream => {
                let pair = self.pairs.entry(key);
                pair.turn(event.at, &self.limits);
                pair.open = pair.open.saturating_add(1);
                pair.begun[0] = pair.begun[0].saturating_add(1);
                if pair.examples.len() < EXAMPLES {
                    pair.examples.push(event.order);
                }
                pair.judge(key, &self.limits)
            }
            // Told at once: what was closed takes no place, however long it is still remembered.
            Body::Ended(ended) => self.end(key, event.at, ended.answered),
            Body::Flow(flow) if !flow.ended => self.end(key, event.at, answered(flow)),
            _ => None,
        }
    }

    fn end(&mut self, key: (IpAddr, IpAddr, u16), at: Nanos, answered: bool) -> Option<Behaviour> {
        let pair = self.pairs.get(key)?;
        pair.turn(at, &self.limits);
        pair.open = pair.open.saturating_sub(1);
        // What was refused or never answered says nothing of how a server is used.
        if answered {
            pair.ended[0] = pair.ended[0].saturating_add(1);
        }
        None
    }
}

fn answered(flow: &FlowSummary) -> bool {
    !flow.refused && flow.packets[1] > 0
}

impl Pair {
    /// Goes on to the window of a moment.
    fn turn(&mut self, at: Nanos, limits: &CrowdingLimits) {
        let gone = at.saturating_sub(self.start);
        if self.start != 0 && gone < limits.window {
            return;
        }
        let next_to_it = gone < limits.window.saturating_mul(2);
        if self.start != 0 {
            for (kind, value) in [self.open, self.begun[0]].into_iter().enumerate() {
                // At most twice as much a window: nobody makes an attack a habit within a minute.
                let grown = value.min(self.habit[kind].saturating_mul(2).max(8));
                if !self.told[kind] {
                    self.habit[kind] = self.habit[kind].max(grown);
                }
            }
        }
        for counts in [&mut self.begun, &mut self.ended] {
            *counts = [0, if next_to_it { counts[0] } else { 0 }];
        }
        self.start = at;
        self.examples.clear();
    }

    fn judge(
        &mut self,
        (src, dst, port): (IpAddr, IpAddr, u16),
        limits: &CrowdingLimits,
    ) -> Option<Behaviour> {
        let begun: u32 = self.begun.iter().sum();
        let ended: u32 = self.ended.iter().sum();
        let beyond = |value: u32, least: u32, habit: u32| {
            value >= least.max(1) && value >= habit.saturating_mul(limits.habit)
        };
        let held = beyond(self.open, limits.held, self.habit[0]) && ended < begun / 4;
        let many = beyond(self.begun[0], limits.begun, self.habit[1]) && ended >= begun / 4;
        let (kind, reason, least) = if held && !self.told[0] {
            self.told[0] = true;
            let reason = say!(
                "holds-open",
                "{who} holds {open} open with {whom} ({service}) and began {begun} of them in the last \
                 seconds; {ended} ended",
                who = src,
                open = counted(self.open, "conversation", "conversations"),
                whom = dst,
                service = format!("tcp/{port}"),
                begun = begun,
                ended = ended
            );
            ("connections_held", reason, limits.held)
        } else if many && !self.told[1] {
            self.told[1] = true;
            let reason = say!(
                "begins-many",
                "{who} began {begun} with {whom} ({service}) in the last seconds and goes on; never more \
                 than {habit} before",
                who = src,
                begun = counted(begun, "conversation", "conversations"),
                whom = dst,
                service = format!("tcp/{port}"),
                habit = self.habit[1]
            );
            ("request_flood", reason, limits.begun)
        } else {
            return None;
        };
        let worst = if kind == "connections_held" {
            self.open
        } else {
            self.begun[0]
        };
        Some(Behaviour {
            kind,
            reason,
            // Half at the limit, certain far beyond.
            score: 1.0 - f64::from(least) / (2.0 * f64::from(worst.max(1))),
            features: vec![
                ("open", self.open.into()),
                ("begun", begun.into()),
                ("ended", ended.into()),
            ],
            technique: Some(Technique::DENIAL_OF_SERVICE),
            evidence: self.examples.clone(),
        })
    }
}
