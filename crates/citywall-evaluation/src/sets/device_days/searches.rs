//! Attacks that are seen by whom they reach: floods, scans and worms.
//!
//! Owns: what each does, and what a seed draws of it. Does not own: where and when (`attacks`).

use std::net::IpAddr;

use citywall_behaviour::Class;
use citywall_event::Nanos;

use super::attacks::Raid;
use super::city::{NETWORKS, PORTAL, ours, outside};
use super::stream::{DAY, Outcome, TCP, Talk, UDP, seconds};

/// Ports that scans look for.
const WANTED: [u16; 9] = [22, 23, 80, 443, 445, 502, 1_883, 5_555, 8_080];

impl Raid<'_> {
    /// Whose address it comes from.
    pub fn source(&mut self) -> IpAddr {
        let devices = &self.city.devices;
        match self.by.and_then(|unit| devices.get(unit)) {
            Some(device) => device.ip,
            None => outside(self.dice.below(1 << 40) as u64),
        }
    }

    /// A moment of the day: from the first hour that is given, so that `lasts` seconds are left of it.
    pub fn moment(&mut self, lasts: f64) -> Nanos {
        self.start + seconds(self.dice.between(300.0, (85_000.0 - lasts).max(301.0)))
    }

    /// True where somebody has the address.
    fn lives(&self, ip: IpAddr) -> bool {
        self.city.devices.iter().any(|d| d.ip == ip)
    }

    /// One probe: what is not there says nothing, a closed port refuses.
    fn probe(&mut self, at: Nanos, from: IpAddr, to: IpAddr, (protocol, port): (u8, u16)) {
        let own_link = same_link(from, to);
        let lives = self.lives(to);
        if let (true, IpAddr::V4(target)) = (own_link, to) {
            // On its own link it asks who has the address first; where nobody has, nothing more happens.
            self.stream.look(at, from, target, lives);
            if !lives {
                self.did(at, 1.0);
                return;
            }
        }
        let outcome = match lives {
            false => Outcome::Silent,
            true if self.dice.chance(0.8) => Outcome::Refused,
            true => Outcome::Answered,
        };
        let talk = Talk {
            protocol,
            ..Talk::tcp(from, to, port, [60, 60], 0.05)
        };
        self.talk(at + 3_000_000, talk.ending(outcome));
    }

    /// Addresses of so many hosts, of one or two networks, in no order.
    fn targets(&mut self, count: usize) -> Vec<IpAddr> {
        let mut networks = NETWORKS.to_vec();
        // What is outside reaches what is public.
        if self.by.is_none() {
            networks = vec![95];
        }
        let first = networks.swap_remove(self.dice.below(networks.len()));
        let mut all: Vec<IpAddr> = (1..255).map(|host| ours(first, host)).collect();
        if count > all.len() && !networks.is_empty() {
            let second = networks[self.dice.below(networks.len())];
            all.extend((1..255).map(|host| ours(second, host)));
        }
        let mut drawn = Vec::new();
        while drawn.len() < count && !all.is_empty() {
            drawn.push(all.swap_remove(self.dice.below(all.len())));
        }
        drawn
    }
}

/// True where no router is between them.
fn same_link(from: IpAddr, to: IpAddr) -> bool {
    matches!((from, to), (IpAddr::V4(a), IpAddr::V4(b)) if a.octets()[..3] == b.octets()[..3])
}

/// One port of many hosts, within minutes.
pub fn horizontal(raid: &mut Raid<'_>) {
    let (from, count) = (raid.source(), raid.dice.count(40, 400) as usize);
    let targets = raid.targets(count);
    let service = match raid.dice.chance(0.15) {
        true => (UDP, 161),
        false => (TCP, raid.dice.pick(&WANTED)),
    };
    let every = raid.dice.wide(0.004, 2.0);
    raid.truth.what = format!(
        "port {}, {} hosts, one every {every:.3} s",
        service.1,
        targets.len()
    );
    let mut at = raid.moment(every * 1.5 * targets.len() as f64);
    for to in targets {
        raid.probe(at, from, to, service);
        at += seconds(every * raid.dice.between(0.5, 1.5));
    }
}

/// Many ports of one host, within minutes.
pub fn vertical(raid: &mut Raid<'_>) {
    let from = raid.source();
    let target = loop {
        let device = raid.city.devices[raid.dice.below(raid.city.devices.len())];
        if device.ip != from {
            break device.ip;
        }
    };
    // A wall before it is silent, a host refuses.
    let closed = if raid.dice.chance(0.3) {
        Outcome::Silent
    } else {
        Outcome::Refused
    };
    let count = raid.dice.count(60, 1_000);
    let every = raid.dice.wide(0.001, 0.8);
    raid.truth.what = format!("{count} ports, one every {every:.3} s, closed ones {closed:?}");
    let mut at = raid.moment(every * 1.5 * count as f64);
    let step = raid.dice.count(1, 60) as u16;
    for i in 0..count as u16 {
        let port = 1 + i * step;
        let outcome = if raid.dice.chance(0.02) {
            Outcome::Answered
        } else {
            closed
        };
        raid.talk(at, Talk::tcp(from, target, port, [60, 60], 0.02).ending(outcome));
        at += seconds(every * raid.dice.between(0.5, 1.5));
    }
}

/// A probe every few minutes, for most of a day.
pub fn slow(raid: &mut Raid<'_>) {
    let from = raid.source();
    let every = raid.dice.between(120.0, 600.0);
    let lasts = raid.dice.between(12.0, 22.0) * 3_600.0;
    let begin = raid.moment(lasts);
    let (vertical, port) = (raid.dice.chance(0.3), raid.dice.pick(&WANTED));
    let victim = raid.city.devices[raid.dice.below(8)].ip;
    let targets = raid.targets(254);
    let whose = if same_link(from, targets[0]) {
        "its own link"
    } else {
        "another zone"
    };
    let of = if vertical {
        "a port".to_owned()
    } else {
        format!("a host of {whose} on port {port}")
    };
    raid.truth.what = format!("{of} every {every:.0} s for {:.1} h", lasts / 3_600.0);
    let (mut late, mut i) = (0.0, 0);
    while late < lasts {
        let at = begin + seconds(late);
        if vertical {
            let probe = Talk::tcp(from, victim, 1 + 7 * i as u16, [60, 60], 0.02);
            raid.talk(at, probe.ending(Outcome::Refused));
        } else {
            raid.probe(at, from, targets[i % targets.len()], (TCP, port));
        }
        late += every * raid.dice.between(0.6, 1.4);
        i += 1;
    }
}

/// Many sources, each of which tries a few.
pub fn spread(raid: &mut Raid<'_>) {
    let (port, lasts) = (raid.dice.pick(&WANTED), raid.dice.wide(600.0, 21_600.0));
    let begin = raid.moment(lasts);
    let vertical = raid.dice.chance(0.3);
    let mut targets = raid.targets(254);
    raid.truth.what = match vertical {
        true => format!("ports of one host, within {lasts:.0} s"),
        false => format!("port {port}, within {lasts:.0} s"),
    };
    for source in 0..raid.dice.count(40, 200) {
        let from = outside(raid.dice.below(1 << 40) as u64);
        for i in 0..raid.dice.count(1, 4) {
            let at = begin + seconds(raid.dice.between(0.0, lasts));
            if vertical {
                let port = 1 + (source * 4 + i) as u16 * 11;
                raid.talk(
                    at,
                    Talk::tcp(from, PORTAL, port, [60, 60], 0.02).ending(Outcome::Refused),
                );
            } else if let Some(to) = targets.pop() {
                raid.probe(at, from, to, (TCP, port));
            }
        }
    }
}

/// It reaches others, gives each the same first words, and those that it gets do likewise. What follows the first words
/// is the same for all, or differs with what was found.
pub fn worm(raid: &mut Raid<'_>) {
    let from = raid.source();
    let (port, blind) = (raid.dice.pick(&WANTED), raid.dice.chance(0.5));
    let size = raid.dice.count(200, 1_400);
    let every = raid.dice.wide(0.2, 20.0);
    let differs = raid.dice.chance(0.5);
    let words = 1 + raid.dice.below(1 << 30) as u32;
    let knows = if blind { "blind" } else { "knows its neighbours" };
    raid.truth.what = {
        let after = if differs { "more to some" } else { "to each" };
        format!("port {port}, {knows}, one every {every:.1} s, {size} bytes {after}")
    };
    let begin = raid.moment(every * 400.0 + 3_600.0);
    let mut known: Vec<(usize, IpAddr)> = raid.city.devices.iter().map(|d| (d.unit, d.ip)).collect();
    known.retain(|(_, ip)| *ip != from);
    let count = if blind { 150 } else { 35 };
    let unknown = raid.targets(count);
    let spread = |raid: &mut Raid<'_>, from: IpAddr, begin: Nanos, all: &[IpAddr], first: bool| {
        let mut at = begin;
        for to in all.iter().filter(|to| **to != from) {
            let there = raid.lives(*to);
            let more = if differs { raid.dice.count(0, size) } else { 0 };
            let talk = Talk::tcp(from, *to, port, [size + more, 120], 0.6).saying(words);
            let talk = if there { talk } else { talk.ending(Outcome::Silent) };
            match first {
                true => raid.talk(at, talk),
                false => drop(raid.stream.talk(at, &talk)),
            }
            at += seconds(every * raid.dice.between(0.5, 1.5));
        }
    };
    // Who knows its neighbours tries nobody in vain.
    let mut neighbours = Vec::new();
    while neighbours.len() < 35 && !known.is_empty() {
        neighbours.push(known.swap_remove(raid.dice.below(known.len())));
    }
    let names: Vec<IpAddr> = neighbours.iter().map(|n| n.1).collect();
    let victims = if blind { unknown } else { names };
    spread(raid, from, begin, &victims, true);
    neighbours.retain(|(unit, _)| !raid.busy.contains(unit));
    for (unit, ip) in neighbours.into_iter().take(2) {
        raid.truth.touched.push(unit);
        let later = begin + seconds(raid.dice.between(300.0, 1_200.0));
        spread(raid, ip, later, &victims, false);
    }
}

/// How many packets a flood has at most.
const MOST: usize = 120_000;

/// Somebody outside sends more than a host, or a network, can take.
pub fn flood_in(raid: &mut Raid<'_>) {
    let kind = raid.dice.below(7);
    let devices = &raid.city.devices;
    let victim = devices[raid.dice.below(devices.len())].ip;
    let rate = match kind {
        0 | 3 | 4 => raid.dice.wide(1_500.0, 8_000.0),
        _ => raid.dice.wide(5_000.0, 12_000.0),
    };
    let begin = raid.moment(100.0);
    let network = NETWORKS[raid.dice.below(NETWORKS.len())];
    let lasts = raid.dice.between(5.0, 15.0);
    let of = [
        "SYN",
        "ACK",
        "UDP",
        "ICMP",
        "amplification",
        "SYN in pulses",
        "UDP over a network",
    ][kind];
    raid.truth.what = format!("{of}, {rate:.0} packets a second for {lasts:.0} s");
    let mut late = 0.0;
    for _ in 0..MOST {
        late += raid.dice.wait(1.0 / rate);
        if late > lasts {
            break;
        }
        // Pulses: 200 ms of each second.
        if kind == 5 && late.fract() > 0.2 {
            late = late.floor() + 1.0;
        }
        let at = begin + seconds(late);
        let (one, few) = (raid.dice.below(1 << 40) as u64, raid.dice.below(400) as u64);
        let (from, to, class, bytes) = match kind {
            0 | 5 => (one, victim, Class::Syn, 60),
            1 => (one, victim, Class::Tcp, 60),
            2 => (one, victim, Class::Udp, 500),
            3 => (one, victim, Class::Icmp, 98),
            4 => (few, victim, Class::Reflected, 1_400),
            _ => (
                one,
                ours(network, raid.dice.count(20, 120) as u8),
                Class::Udp,
                500,
            ),
        };
        raid.stream.packet(at, outside(from), to, class, bytes);
        raid.did(at, 1.0);
    }
}

/// A device of ours sends more than it ever did.
pub fn flood_out(raid: &mut Raid<'_>) {
    let from = raid.source();
    let class = raid.dice.pick(&[Class::Udp, Class::Syn, Class::Tcp]);
    let rate = raid.dice.wide(3_500.0, 12_000.0);
    let victims: Vec<IpAddr> = (0..raid.dice.count(1, 3))
        .map(|i| outside(0xf00d ^ i << 32 ^ raid.city.seed))
        .collect();
    let begin = raid.moment(100.0).min(raid.start + DAY - seconds(60.0));
    let lasts = raid.dice.between(5.0, 12.0);
    raid.truth.what = format!("{class:?} to {} hosts, {rate:.0} packets a second", victims.len());
    let mut late = 0.0;
    for _ in 0..MOST {
        late += raid.dice.wait(1.0 / rate);
        if late > lasts {
            break;
        }
        let at = begin + seconds(late);
        let to = raid.dice.pick(&victims);
        raid.stream
            .packet(at, from, to, class, if class == Class::Udp { 500 } else { 60 });
        raid.did(at, 1.0);
    }
}
