//! Call-backs: somebody outside is contacted again and again, at nearly equal times.
//!
//! Owns: the rhythm of contacts of one device with one outside service. Does not own: what they
//! say, and what is habit (`rhythm_habit`). A rhythm alone is what time and update clients have too; it is
//! told once, with how even it is, and the incident weighs it together with what else is known. Of a device
//! that is known for its first days, it weighs by what that device, and the city, did before.

use std::net::IpAddr;

use citywall_event::{Behaviour, Body, Context, Event, Nanos, Order, Technique, counted, say};

use crate::recent::Recent;
use crate::rhythm_habit::{FIRST_DAYS, Familiar, Service, Traits, Verdict};

/// When contacts are a rhythm, and how much is remembered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BeaconLimits {
    /// Contacts in a row.
    pub contacts: u32,
    /// Contacts in a row by HTTP in the clear: devices that are waiting for messages ask like that, and rules
    /// see what they ask.
    pub clear: u32,
    /// Contacts in a row with a service that is new to a device that is known for long.
    pub known: u32,
    /// Shortest and longest time between two, nanoseconds.
    pub between: (Nanos, Nanos),
    /// Spread (median absolute deviation over median) at most: call-backs with 30 % of uniform
    /// jitter have 0.15.
    pub spread: f64,
    /// The same for a service that is new to a device that is known for long: 50 % of jitter have 0.25, and some
    /// more where there are few.
    pub wide: f64,
    /// Others of the city that may reach the same service before it counts as everybody's.
    pub shared_by: usize,
    /// Pairs, services and devices that are watched, of each.
    pub pairs: usize,
}

impl Default for BeaconLimits {
    fn default() -> BeaconLimits {
        BeaconLimits {
            contacts: 10,
            clear: 100,
            known: 9,
            between: (500_000_000, 14_400_000_000_000),
            spread: 0.25,
            wide: 0.3,
            shared_by: 3,
            pairs: 8_192,
        }
    }
}

/// The spread of what is no rhythm yet, but a habit.
const NEARLY: f64 = 0.4;
/// Intervals that are kept of a pair.
const KEPT: usize = 16;

/// Finds call-backs.
#[derive(Debug)]
pub struct BeaconWatch {
    limits: BeaconLimits,
    pairs: Recent<(IpAddr, Service), Rhythm>,
    services: Recent<Service, Callers>,
    devices: Recent<IpAddr, Familiar>,
    /// The first contact of all.
    begun: Option<Nanos>,
}

#[derive(Debug, Default)]
struct Rhythm {
    /// The first contact ever.
    first: Nanos,
    last: Nanos,
    /// Contacts in a row.
    contacts: u32,
    intervals: Vec<Nanos>,
    /// What conversations sent that have ended, how many those were, and how many of them were answered.
    sizes: Vec<u64>,
    ended: [u32; 2],
    told: bool,
    suspect: bool,
    examples: Vec<Order>,
}

#[derive(Debug, Default)]
struct Callers {
    first: Nanos,
    devices: Vec<IpAddr>,
}

impl BeaconWatch {
    /// Has heard nothing.
    pub fn new(limits: BeaconLimits) -> BeaconWatch {
        BeaconWatch {
            limits,
            pairs: Recent::new(limits.pairs),
            services: Recent::new(limits.pairs),
            devices: Recent::new(limits.pairs),
            begun: None,
        }
    }

    /// Pairs that were forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.pairs.forgotten()
    }

    /// Takes one event; the `Behaviour` is about its `src`. Only contacts from the city's zones to
    /// the outside are heard; names and time are everybody's rhythm.
    pub fn observe(&mut self, event: &Event, context: &Context) -> Option<Behaviour> {
        if context.is_empty() {
            return None;
        }
        let s = &event.subject;
        match &event.body {
            Body::Contact(contact) if !contact.midstream => {}
            Body::Flow(flow) => {
                let pair = (s.src_ip?, (s.dst_ip?, s.protocol?, s.dst_port?));
                // Pairs are only of contacts from the city to the outside.
                if let Some(rhythm) = self.pairs.get(pair) {
                    rhythm.ended(flow.bytes);
                }
                return None;
            }
            _ => return None,
        }
        let (src, dst) = (s.src_ip?, s.dst_ip?);
        let inside = |ip, mac| context.locate(Some(ip), mac).zone.is_some();
        if !inside(src, s.src_mac) {
            return None;
        }
        let begun = *self.begun.get_or_insert(event.at);
        let device = self.devices.entry(src);
        if device.since == 0 {
            device.since = event.at;
        }
        let (protocol, port) = (s.protocol?, s.dst_port?);
        if matches!(port, 53 | 123) || inside(dst, None) || group(dst) {
            return None;
        }
        let service = (dst, protocol, port);
        let limits = self.limits;
        let callers = self.services.entry(service);
        if callers.first == 0 {
            callers.first = event.at;
        }
        if !callers.devices.contains(&src) && callers.devices.len() <= limits.shared_by {
            callers.devices.push(src);
        }
        let shared = callers.devices.len() > limits.shared_by;
        device.contact(service, event.at);
        let rhythm = self.pairs.entry((src, service));
        rhythm.take(event, &limits);
        let known = device.known(rhythm.first);
        // What many do, what was told, and what is nearly a rhythm is a habit as well: that it moves is no news.
        let (median, spread) = rhythm.even(&limits, service, known)?;
        let traits = Traits {
            service,
            first: rhythm.first,
            now: event.at,
            interval: median,
            spread,
            widest: if known { limits.wide } else { limits.spread },
            sizes: rhythm.sizes(),
            answered: rhythm.answered(),
            callers: callers.devices.len(),
            old_service: callers.first.saturating_sub(begun) < FIRST_DAYS,
        };
        let new = !rhythm.told && !shared && spread <= traits.widest;
        let verdict = new.then(|| device.judge(&traits));
        let score = match verdict {
            Some(Verdict::Early) => Some((1.0 - spread * 2.0).clamp(0.5, 0.99)),
            Some(Verdict::Weighs(score)) => Some(score),
            Some(Verdict::Successor) | None => None,
        };
        // What was told of loudly is nobody's habit.
        rhythm.suspect |= score.is_some_and(|score| score >= 0.5) && device.known(event.at);
        if !rhythm.suspect {
            device.learn(&traits);
        }
        rhythm.told |= new;
        score.map(|score| rhythm.tell(src, &traits, score))
    }
}

impl Rhythm {
    fn take(&mut self, event: &Event, limits: &BeaconLimits) {
        let gap = event.at.saturating_sub(self.last);
        if self.last == 0 {
            self.first = event.at;
        }
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

    /// A conversation has ended with so many bytes there and back.
    fn ended(&mut self, bytes: [u64; 2]) {
        self.ended[0] = self.ended[0].saturating_add(1);
        if bytes[1] == 0 {
            return;
        }
        self.ended[1] = self.ended[1].saturating_add(1);
        if self.sizes.len() >= KEPT {
            self.sizes.remove(0);
        }
        self.sizes.push(bytes[0]);
    }

    /// Share of what has ended that was answered; all, where nothing has ended yet.
    fn answered(&self) -> f64 {
        match self.ended {
            [0, _] => 1.0,
            [ended, answered] => f64::from(answered) / f64::from(ended),
        }
    }

    /// Median of the sizes, and their spread.
    fn sizes(&self) -> Option<(u64, f64)> {
        let (size, spread) = spread(self.sizes.iter().map(|s| i64::try_from(*s).unwrap_or(i64::MAX)))?;
        Some((size.max(0) as u64, spread))
    }

    /// The median interval and the spread, where it is nearly a rhythm.
    fn even(&self, limits: &BeaconLimits, (_, protocol, port): Service, known: bool) -> Option<(Nanos, f64)> {
        let wanted = match known {
            true => limits.known,
            false if (protocol, port) == (6, 80) => limits.clear,
            false => limits.contacts,
        };
        if self.contacts < wanted {
            return None;
        }
        spread(self.intervals.iter().copied()).filter(|(_, spread)| *spread <= NEARLY)
    }

    fn tell(&self, src: IpAddr, traits: &Traits, score: f64) -> Behaviour {
        let ((dst, protocol, port), spread) = (traits.service, traits.spread);
        let seconds = traits.interval as f64 / 1e9;
        let carrier = if protocol == 6 { "tcp" } else { "udp" };
        Behaviour {
            kind: "periodic_callback",
            reason: say!(
                "called-back",
                "{who} contacted {whom} ({service}) {n}, every {seconds} s, within {percent} % of that",
                who = src,
                whom = dst,
                service = format!("{carrier}/{port}"),
                n = counted(self.contacts, "time", "times"),
                seconds = format!("{seconds:.1}"),
                percent = format!("{:.0}", spread * 100.0)
            ),
            score,
            features: vec![
                ("contacts", f64::from(self.contacts)),
                ("seconds_between", seconds),
                ("spread", spread),
            ],
            technique: Some(Technique::APPLICATION_LAYER_PROTOCOL),
            evidence: self.examples.clone(),
        }
    }
}

/// The median, and how far from it half of the values are at most, as a share of it.
fn spread(values: impl Iterator<Item = i64>) -> Option<(i64, f64)> {
    let mut values: Vec<i64> = values.collect();
    if values.is_empty() {
        return None;
    }
    let middle = median(&mut values);
    let mut off: Vec<i64> = values.iter().map(|v| (v - middle).abs()).collect();
    Some((middle, median(&mut off) as f64 / middle.max(1) as f64))
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
