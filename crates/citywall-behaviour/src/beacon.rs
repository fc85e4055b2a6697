//! Call-backs: somebody outside is contacted again and again, at nearly equal times.
//!
//! Owns: the rhythm of contacts of one device with one outside service. Does not own: what they
//! say. A rhythm alone is what time and update clients have too; it is told once, with how even it
//! is, and the incident weighs it together with what else is known.
//!
//! Clouds move. Where a device's rhythm with one host is over and the same rhythm begins with another, on the
//! same port, nothing new is told: it has the home that it had. A device that cannot reach its home tries it,
//! and what stands in for it, at equal times too, so contacts in vain need a longer rhythm.

use std::net::IpAddr;

use citywall_event::{Behaviour, Body, Context, Event, Nanos, Order, Subject, Technique, say};

use crate::recent::Recent;

/// When contacts are a rhythm, and how much is remembered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BeaconLimits {
    /// Contacts in a row.
    pub contacts: u32,
    /// Contacts in a row by HTTP in the clear: devices that are waiting for messages ask like that, and rules
    /// see what they ask. Also where most were in vain.
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
            between: (500_000_000, 10_800_000_000_000),
            spread: 0.25,
            shared_by: 3,
            pairs: 8_192,
        }
    }
}

/// Intervals that are kept of a pair.
const KEPT: usize = 16;

/// Rhythms that are kept of a device and a port.
const HOMES: usize = 4;

type Service = (IpAddr, u8, u16);

/// Finds call-backs.
#[derive(Debug)]
pub struct BeaconWatch {
    limits: BeaconLimits,
    pairs: Recent<(IpAddr, Service), Rhythm>,
    services: Recent<Service, Callers>,
    /// By device, protocol and port.
    homes: Recent<(IpAddr, u8, u16), Homes>,
}

/// Whom a device calls back by habit.
#[derive(Debug, Default)]
struct Homes(Vec<Home>);

#[derive(Debug)]
struct Home {
    host: IpAddr,
    interval: Nanos,
    last: Nanos,
}

#[derive(Debug, Default)]
struct Rhythm {
    /// The first in a row.
    since: Nanos,
    last: Nanos,
    /// Conversations that were answered, and that were not.
    answered: u32,
    vain: u32,
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
            homes: Recent::new(limits.pairs),
        }
    }

    /// Pairs that were forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.pairs.forgotten()
    }

    /// Takes one event; the `Behaviour` is about its `src`. Only contacts from the city's zones to
    /// the outside are heard; names and time are everybody's rhythm.
    pub fn observe(&mut self, event: &Event, context: &Context) -> Option<Behaviour> {
        let contact = match &event.body {
            Body::Contact(contact) => contact,
            Body::Flow(flow) => {
                self.ended(&event.subject, flow.packets[1] > 0);
                return None;
            }
            _ => return None,
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
        if rhythm.told {
            self.homes.get((src, protocol, port))?.touch(dst, event.at);
            return None;
        }
        // What is everybody's is looked at once, as it may move to where it is nobody's yet.
        if shared && rhythm.contacts != limits.contacts {
            return None;
        }
        let (interval, found) = rhythm.judge(&limits, src, service)?;
        rhythm.told = true;
        let homes = self.homes.entry((src, protocol, port));
        let known = homes.known(dst, interval, rhythm.since, event.at);
        (!known && !shared).then_some(found)
    }

    /// A conversation is over.
    fn ended(&mut self, s: &Subject, answered: bool) {
        let (Some(src), Some(dst)) = (s.src_ip, s.dst_ip) else {
            return;
        };
        let (Some(protocol), Some(port)) = (s.protocol, s.dst_port) else {
            return;
        };
        if let Some(rhythm) = self.pairs.get((src, (dst, protocol, port))) {
            let count = if answered {
                &mut rhythm.answered
            } else {
                &mut rhythm.vain
            };
            *count = count.saturating_add(1);
        }
    }
}

impl Homes {
    fn touch(&mut self, host: IpAddr, at: Nanos) {
        if let Some(home) = self.0.iter_mut().find(|home| home.host == host) {
            home.last = at;
        }
    }

    /// True where this rhythm, which began at `since`, is one that the device had before, with this host or with
    /// one that it contacts no more. It is a habit from now on in any case.
    fn known(&mut self, host: IpAddr, interval: Nanos, since: Nanos, at: Nanos) -> bool {
        let alike = |other: Nanos| other <= interval * 3 / 2 && interval <= other * 3 / 2;
        let own = |home: &Home| home.host == host;
        let moved =
            |home: &Home| home.last < since && at - home.last > 2 * home.interval && alike(home.interval);
        let place = self.0.iter().position(own);
        let known = place.or_else(|| self.0.iter().position(moved));
        let place = known.or_else(|| {
            let oldest = |(_, home): &(usize, &Home)| home.last;
            let full = self.0.len() >= HOMES;
            full.then(|| self.0.iter().enumerate().min_by_key(oldest))
                .flatten()
                .map(|(at, _)| at)
        });
        let home = Home {
            host,
            interval,
            last: at,
        };
        match place.and_then(|at| self.0.get_mut(at)) {
            Some(old) => *old = home,
            None => self.0.push(home),
        }
        known.is_some()
    }
}

impl Rhythm {
    fn take(&mut self, event: &Event, limits: &BeaconLimits) {
        let gap = event.at.saturating_sub(self.last);
        if self.last == 0 || gap > limits.between.1 {
            self.intervals.clear();
            self.examples.clear();
            self.contacts = 0;
            self.since = event.at;
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

    /// The time between two contacts, and what is to be told of it.
    fn judge(
        &self,
        limits: &BeaconLimits,
        src: IpAddr,
        (dst, protocol, port): Service,
    ) -> Option<(Nanos, Behaviour)> {
        let wanted = if (protocol, port) == (6, 80) || self.vain > self.answered.max(4) {
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
        let found = Behaviour {
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
        };
        Some((median, found))
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
