//! Call-backs: somebody outside is contacted again and again, at nearly equal times.
//!
//! Owns: the rhythm of contacts of one device with one outside service. Does not own: what they
//! say. A rhythm alone is what time and update clients have too; it is told once, with how even it
//! is, and the incident weighs it together with what else is known.

use std::net::IpAddr;

use citywall_event::{Behaviour, Body, Context, Event, Nanos, Order, Technique, say};

use crate::recent::Recent;

/// When contacts are a rhythm, and how much is remembered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BeaconLimits {
    /// Contacts in a row.
    pub contacts: u32,
    /// Contacts in a row by HTTP in the clear: devices that are waiting for messages ask like that, and rules
    /// see what they ask.
    pub clear: u32,
    /// Shortest and longest time between two, nanoseconds.
    pub between: (Nanos, Nanos),
    /// Spread (median absolute deviation over median) at most: call-backs with 30 % of uniform
    /// jitter have 0.15.
    pub spread: f64,
    /// Others of the city that may reach the same service before it counts as everybody's.
    pub shared_by: usize,
    /// Pairs that are watched.
    pub pairs: usize,
}

impl Default for BeaconLimits {
    fn default() -> BeaconLimits {
        BeaconLimits {
            contacts: 10,
            clear: 100,
            between: (500_000_000, 7_200_000_000_000),
            spread: 0.25,
            shared_by: 3,
            pairs: 8_192,
        }
    }
}

/// Intervals that are kept of a pair.
const KEPT: usize = 16;

type Service = (IpAddr, u8, u16);

/// Finds call-backs.
#[derive(Debug)]
pub struct BeaconWatch {
    limits: BeaconLimits,
    pairs: Recent<(IpAddr, Service), Rhythm>,
    services: Recent<Service, Callers>,
}

#[derive(Debug, Default)]
struct Rhythm {
    last: Nanos,
    /// Contacts in a row.
    contacts: u32,
    intervals: Vec<Nanos>,
    told: bool,
    examples: Vec<Order>,
}

#[derive(Debug, Default)]
struct Callers(Vec<IpAddr>);

impl BeaconWatch {
    /// Has heard nothing.
    pub fn new(limits: BeaconLimits) -> BeaconWatch {
        BeaconWatch {
            limits,
            pairs: Recent::new(limits.pairs),
            services: Recent::new(limits.pairs),
        }
    }

    /// Pairs that were forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.pairs.forgotten()
    }

    /// Takes one event; the `Behaviour` is about its `src`. Only contacts from the city's zones to
    /// the outside are heard; names and time are everybody's rhythm.
    pub fn observe(&mut self, event: &Event, context: &Context) -> Option<Behaviour> {
        let Body::Contact(contact) = &event.body else {
            return None;
        };
        if contact.midstream || context.is_empty() {
            return None;
        }
        let s = &event.subject;
        let (src, dst) = (s.src_ip?, s.dst_ip?);
        let (protocol, port) = (s.protocol?, s.dst_port?);
        let inside = |ip, mac| context.locate(Some(ip), mac).zone.is_some();
        if matches!(port, 53 | 123) || !inside(src, s.src_mac) || inside(dst, None) || group(dst) {
            return None;
        }
        let service = (dst, protocol, port);
        let callers = &mut self.services.entry(service).0;
        if !callers.contains(&src) && callers.len() <= self.limits.shared_by {
            callers.push(src);
        }
        let shared = callers.len() > self.limits.shared_by;
        let limits = self.limits;
        let rhythm = self.pairs.entry((src, service));
        rhythm.take(event, &limits);
        if shared || rhythm.told {
            return None;
        }
        let found = rhythm.judge(&limits, src, service)?;
        rhythm.told = true;
        Some(found)
    }
}

impl Rhythm {
    fn take(&mut self, event: &Event, limits: &BeaconLimits) {
        let gap = event.at.saturating_sub(self.last);
        if self.last == 0 || gap > limits.between.1 {
            self.intervals.clear();
            self.examples.clear();
            self.contacts = 0;
        } else if gap < limits.between.0 {
            // Several conversations of one visit.
            return;
        } else {
            if self.intervals.len() >= KEPT {
                self.intervals.remove(0);
            }
            self.intervals.push(gap);
        }
        self.last = event.at;
        self.contacts = self.contacts.saturating_add(1);
        if self.examples.len() < 4 {
            self.examples.push(event.order);
        }
    }

    fn judge(&self, limits: &BeaconLimits, src: IpAddr, (dst, protocol, port): Service) -> Option<Behaviour> {
        let wanted = if (protocol, port) == (6, 80) {
            limits.clear
        } else {
            limits.contacts
        };
        if self.contacts < wanted || self.intervals.is_empty() {
            return None;
        }
        let median = median(&mut self.intervals.clone());
        let mut off: Vec<Nanos> = self.intervals.iter().map(|i| (i - median).abs()).collect();
        let spread = self::median(&mut off) as f64 / median.max(1) as f64;
        if spread > limits.spread {
            return None;
        }
        let seconds = median as f64 / 1e9;
        let carrier = if protocol == 6 { "tcp" } else { "udp" };
        Some(Behaviour {
            kind: "periodic_callback",
            reason: say!(
                "called-back",
                "{who} contacted {whom} ({service}) {n} times, every {seconds} s, within {percent} % of that",
                who = src,
                whom = dst,
                service = format!("{carrier}/{port}"),
                n = self.contacts,
                seconds = format!("{seconds:.1}"),
                percent = format!("{:.0}", spread * 100.0)
            ),
            score: (1.0 - spread * 2.0).clamp(0.5, 0.99),
            features: vec![
                ("contacts", f64::from(self.contacts)),
                ("seconds_between", seconds),
                ("spread", spread),
            ],
            technique: Some(Technique::APPLICATION_LAYER_PROTOCOL),
            evidence: self.examples.clone(),
        })
    }
}

fn median(values: &mut [Nanos]) -> Nanos {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

fn group(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_multicast() || v6.is_unicast_link_local(),
    }
}
