//! What the rivals see: numbers of each device for each hour.
//!
//! Owns: the features of a window, and who contacted whom before. Without address, name or time of day; what
//! takes a day to show is there as sums since midnight, so that no rival is too short-sighted for slow attacks.
//! Does not own: scores (`rivals`).

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use citywall_behaviour::Sample;
use citywall_event::{Body, Event, FlowSummary, Nanos};

use super::city::City;
use super::stream::{DAY, HOUR};

/// Names of the features.
pub const FEATURES: [&str; 22] = [
    "conversations",
    "conversations in the busiest minute",
    "in vain",
    "share in vain",
    "hosts",
    "hosts in vain",
    "services in vain",
    "ports",
    "bytes sent",
    "bytes received",
    "sent to received",
    "largest to one host outside",
    "failed logins",
    "short SSH sessions",
    "long names",
    "unknown names",
    "look-ups unanswered",
    "packets in 100 ms",
    "hosts in vain since midnight",
    "failed logins and short sessions since midnight",
    "largest to one host outside since midnight",
    "evenness of contacts since midnight",
];
/// How many.
pub const NUMBERS: usize = FEATURES.len();
/// Which of them are rates.
pub const RATES: [usize; 2] = [1, 17];

/// One device in one hour.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub unit: u16,
    pub day: u16,
    pub hour: u8,
    pub features: [f32; NUMBERS],
    /// It contacted a service that it never had before what is calibrated on.
    pub new_destination: bool,
}

/// A host and a port that answers there.
type Service = (IpAddr, u16);

#[derive(Debug, Default)]
struct Hour {
    conversations: u32,
    minutes: HashMap<u8, u32>,
    in_vain: u32,
    ended: u32,
    hosts: HashSet<IpAddr>,
    hosts_in_vain: HashSet<IpAddr>,
    services_in_vain: HashSet<Service>,
    ports: HashSet<u16>,
    bytes: [u64; 2],
    outside: HashMap<IpAddr, u64>,
    logins: u32,
    sessions: u32,
    names: [u32; 2],
    looks: u32,
    packets: u32,
    new_destination: bool,
}

#[derive(Debug, Default)]
struct Today {
    in_vain: HashSet<IpAddr>,
    tries: u32,
    outside: HashMap<IpAddr, u64>,
    contacts: HashMap<Service, (Nanos, Vec<Nanos>)>,
}

/// Intervals of a service that are kept, and how many are a rhythm.
const INTERVALS: usize = 16;
const FEW: usize = 8;

/// Counts.
pub struct Windows {
    begin: Nanos,
    /// Until then destinations are learned.
    learned: Nanos,
    units: HashMap<IpAddr, usize>,
    hours: Vec<Hour>,
    days: Vec<Today>,
    known: Vec<HashSet<Service>>,
    now: i64,
    /// Packets of this slice by unit.
    slice: (Nanos, HashMap<usize, u32>),
    pub rows: Vec<Row>,
}

impl Windows {
    /// Nothing counted yet.
    pub fn new(city: &City, begin: Nanos, learned: Nanos) -> Windows {
        let units = city.units();
        Windows {
            begin,
            learned,
            units: city.devices.iter().map(|d| (d.ip, d.unit)).collect(),
            hours: (0..units).map(|_| Hour::default()).collect(),
            days: (0..units).map(|_| Today::default()).collect(),
            known: vec![HashSet::new(); units],
            now: 0,
            slice: (0, HashMap::new()),
            rows: Vec::new(),
        }
    }

    fn border(&self) -> usize {
        self.hours.len() - 1
    }

    /// Takes an event.
    pub fn event(&mut self, event: &Event) {
        self.turn(event.at);
        let subject = &event.subject;
        let unit = match (subject.src_ip, &event.body) {
            (Some(ip), _) => self.units.get(&ip).copied().unwrap_or(self.border()),
            (None, Body::Lookup(look)) if !look.answer => {
                let asker = look.sender.map(IpAddr::V4);
                asker
                    .and_then(|ip| self.units.get(&ip).copied())
                    .unwrap_or(self.border())
            }
            _ => return,
        };
        let (hour, today) = (&mut self.hours[unit], &mut self.days[unit]);
        match &event.body {
            Body::Lookup(_) => hour.looks += 1,
            Body::Name(asked) => hour.names[usize::from(asked.unknown)] += 1,
            Body::Login(login) if login.success == Some(false) => {
                hour.logins += 1;
                today.tries += 1;
            }
            Body::Contact(_) => {
                let (Some(to), port) = (subject.dst_ip, subject.dst_port.unwrap_or(0)) else {
                    return;
                };
                let since = event.at - self.begin;
                hour.conversations += 1;
                *hour
                    .minutes
                    .entry((since % HOUR / (HOUR / 60)) as u8)
                    .or_default() += 1;
                hour.hosts.insert(to);
                hour.ports.insert(port);
                let known = &mut self.known[unit];
                // Whoever comes from outside is new: there it is the service that counts.
                if !known.contains(&(to, port)) {
                    hour.new_destination = true;
                    if event.at < self.learned {
                        known.insert((to, port));
                    }
                }
                if !self.units.contains_key(&to) {
                    today.contact((to, port), event.at);
                }
            }
            Body::Flow(flow) => {
                let to = (subject.dst_ip, subject.dst_port.unwrap_or(0));
                let outside = to.0.is_some_and(|ip| !self.units.contains_key(&ip));
                ended(hour, today, flow, to, outside);
                let short = event.app_proto == Some("ssh") && flow.established && flow.packets[0] < 60;
                hour.sessions += u32::from(short);
                today.tries += u32::from(short);
            }
            _ => {}
        }
    }

    /// Takes a packet: those of a slice count for its sender, and for the border where that is outside.
    pub fn packet(&mut self, at: Nanos, sample: &Sample) {
        self.turn(at);
        let slice = at / (HOUR / 36_000);
        if slice != self.slice.0 {
            self.close_slice();
            self.slice.0 = slice;
        }
        let unit = self.units.get(&sample.src).copied().unwrap_or(self.border());
        *self.slice.1.entry(unit).or_default() += 1;
    }

    fn close_slice(&mut self) {
        for (unit, packets) in self.slice.1.drain() {
            let hour = &mut self.hours[unit];
            hour.packets = hour.packets.max(packets);
        }
    }

    /// Everything is counted.
    pub fn finish(mut self, end: Nanos) -> Vec<Row> {
        self.turn(end);
        self.rows
    }

    /// Goes on to the hour of a moment.
    fn turn(&mut self, at: Nanos) {
        let hour = (at - self.begin).div_euclid(HOUR);
        while self.now < hour {
            self.close_slice();
            self.close();
            self.now += 1;
            if self.now % (DAY / HOUR) == 0 {
                self.days.iter_mut().for_each(|day| *day = Today::default());
            }
        }
    }

    fn close(&mut self) {
        let (day, hour) = (self.now / (DAY / HOUR), self.now % (DAY / HOUR));
        for (unit, (counted, today)) in self.hours.iter_mut().zip(&self.days).enumerate() {
            let counted = std::mem::take(counted);
            self.rows.push(Row {
                unit: unit as u16,
                day: day as u16,
                hour: hour as u8,
                features: features(&counted, today),
                new_destination: counted.new_destination,
            });
        }
    }
}

fn ended(hour: &mut Hour, today: &mut Today, flow: &FlowSummary, to: (Option<IpAddr>, u16), outside: bool) {
    let Some(ip) = to.0 else { return };
    hour.ended += 1;
    hour.bytes[0] += flow.bytes[0];
    hour.bytes[1] += flow.bytes[1];
    if flow.refused || flow.packets[1] == 0 {
        hour.in_vain += 1;
        hour.hosts_in_vain.insert(ip);
        hour.services_in_vain.insert((ip, to.1));
        today.in_vain.insert(ip);
    }
    if outside {
        *hour.outside.entry(ip).or_default() += flow.bytes[0];
        *today.outside.entry(ip).or_default() += flow.bytes[0];
    }
}

impl Today {
    fn contact(&mut self, service: Service, at: Nanos) {
        let (last, intervals) = self.contacts.entry(service).or_default();
        if *last != 0 {
            if intervals.len() >= INTERVALS {
                intervals.remove(0);
            }
            intervals.push(at - *last);
        }
        *last = at;
    }

    /// How even the most even contacts are: from 0 to 1.
    fn evenness(&self) -> f64 {
        let spread = |intervals: &Vec<Nanos>| {
            let mut sorted = intervals.clone();
            sorted.sort_unstable();
            let median = sorted[sorted.len() / 2].max(1);
            let mut off: Vec<Nanos> = intervals.iter().map(|i| (i - median).abs()).collect();
            off.sort_unstable();
            off[off.len() / 2] as f64 / median as f64
        };
        let rhythms = self.contacts.values().map(|c| &c.1).filter(|i| i.len() >= FEW);
        rhythms.map(|i| 1.0 - spread(i).min(1.0)).fold(0.0, f64::max)
    }
}

fn features(hour: &Hour, today: &Today) -> [f32; NUMBERS] {
    let most = |of: &HashMap<IpAddr, u64>| of.values().copied().max().unwrap_or(0) as f64;
    [
        f64::from(hour.conversations),
        f64::from(hour.minutes.values().copied().max().unwrap_or(0)),
        f64::from(hour.in_vain),
        f64::from(hour.in_vain) / f64::from(hour.ended.max(1)),
        hour.hosts.len() as f64,
        hour.hosts_in_vain.len() as f64,
        hour.services_in_vain.len() as f64,
        hour.ports.len() as f64,
        hour.bytes[0] as f64,
        hour.bytes[1] as f64,
        hour.bytes[0] as f64 / hour.bytes[1].max(1) as f64,
        most(&hour.outside),
        hour.logins.into(),
        hour.sessions.into(),
        hour.names[0].into(),
        hour.names[1].into(),
        hour.looks.into(),
        hour.packets.into(),
        today.in_vain.len() as f64,
        today.tries.into(),
        most(&today.outside),
        today.evenness(),
    ]
    .map(|value| value as f32)
}
