//! A small site, generated.
//!
//! Owns: packets of devices that poll, stream, keep alive and ask names, and of floods, from a seed; so
//! that an evaluation runs without any foreign data. Simulated: what is found here says that nothing is
//! broken, not how good detection is in a real city.

use std::net::IpAddr;

use citywall_behaviour::{Class, PacketSeen, Party, SplitMix64};
use citywall_event::Nanos;

use super::packets::One;

/// Where simulated time begins.
pub const BEGIN: Nanos = 1_700_000_000_000_000_000;
const SECOND: f64 = 1e9;

/// An address of the site.
pub fn inside(host: u32) -> IpAddr {
    IpAddr::from([10, 1, (host >> 8) as u8, host as u8])
}

/// An address outside.
pub fn outside(host: u32) -> IpAddr {
    IpAddr::from((0xcb00_7100 ^ host.wrapping_mul(0x9e37_79b1)).to_be_bytes())
}

/// A packet of these ends.
pub fn packet(at: Nanos, from: (IpAddr, u16), to: (IpAddr, u16), class: Class, bytes: u32) -> One {
    let last = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => v4.octets(),
        IpAddr::V6(_) => [0; 4],
    };
    let [a, b, c, d] = last(from.0);
    One {
        seen: PacketSeen {
            at,
            card: if a == 10 {
                [2, 0, a, b, c, d]
            } else {
                [2, 0, 0, 0, 0, 1]
            },
            from: (Party::Ip(from.0), from.1),
            to: (Party::Ip(to.0), to.1),
            protocol: match class {
                Class::Udp | Class::Collected | Class::Reflected => 17,
                Class::Icmp | Class::IcmpAnswer => 1,
                Class::Other => 47,
                _ => 6,
            },
            bytes,
        },
        class,
    }
}

/// Normal packets of `devices` devices over so many seconds, in order.
pub fn site_packets(seed: u64, devices: u32, seconds: u32) -> Vec<One> {
    let mut all = Vec::new();
    for device in 0..devices {
        let mut random = SplitMix64::new(seed ^ u64::from(device).wrapping_mul(0x9e37_79b9));
        let mut at = BEGIN + (random.unit() * SECOND) as Nanos;
        let end = BEGIN + Nanos::from(seconds) * 1_000_000_000;
        let (own, server) = ((inside(100 + device), 40_000 + device as u16), inside(10));
        while at < end {
            let wait = match device % 4 {
                0 => polled(&mut all, &mut random, at, server, own.0),
                1 => camera(&mut all, &mut random, at, own, server),
                2 => keeps_alive(&mut all, &mut random, at, own),
                _ => asks(&mut all, &mut random, at, own),
            };
            at += (wait * SECOND) as Nanos;
        }
    }
    all.sort_by_key(|p| p.seen.at);
    all
}

fn polled(all: &mut Vec<One>, random: &mut SplitMix64, at: Nanos, server: IpAddr, device: IpAddr) -> f64 {
    for i in 0..3 {
        let at = at + i * 12_000_000 + (random.unit() * 2e6) as Nanos;
        all.push(packet(at, (server, 45_001), (device, 502), Class::Tcp, 66));
        all.push(packet(
            at + 4_000_000,
            (device, 502),
            (server, 45_001),
            Class::Tcp,
            75 + 2 * random.below(8) as u32,
        ));
    }
    1.0 + random.normal() * 0.01
}

fn camera(all: &mut Vec<One>, random: &mut SplitMix64, at: Nanos, own: (IpAddr, u16), server: IpAddr) -> f64 {
    // One picture: a burst of full packets, acknowledged.
    for i in 0..4 + random.below(4) as i64 {
        all.push(packet(at + i * 300_000, own, (server, 554), Class::Tcp, 1_514));
    }
    all.push(packet(at + 3_000_000, (server, 554), own, Class::Tcp, 66));
    0.2 + random.unit() * 0.02
}

fn keeps_alive(all: &mut Vec<One>, random: &mut SplitMix64, at: Nanos, own: (IpAddr, u16)) -> f64 {
    let cloud = (outside(7), 8_883);
    all.push(packet(at, own, cloud, Class::Tcp, 68));
    all.push(packet(
        at + 30_000_000 + (random.unit() * 1e7) as Nanos,
        cloud,
        own,
        Class::Tcp,
        68,
    ));
    15.0 + random.unit() * 5.0
}

fn asks(all: &mut Vec<One>, random: &mut SplitMix64, at: Nanos, own: (IpAddr, u16)) -> f64 {
    let names = (inside(2), 53);
    let port = 32_768 + random.below(20_000) as u16;
    all.push(packet(
        at,
        (own.0, port),
        names,
        Class::Udp,
        70 + random.below(30) as u32,
    ));
    all.push(packet(
        at + 8_000_000,
        names,
        (own.0, port),
        Class::Udp,
        120 + random.below(90) as u32,
    ));
    5.0 - 40.0 * (1.0 - random.unit()).ln()
}

/// Kinds of floods that are generated.
pub const FLOODS: [&str; 9] = [
    "syn",
    "ack",
    "udp",
    "icmp",
    "amplification",
    "syn-ack reflection",
    "pulses",
    "carpet",
    "outbound",
];

/// A flood of a kind from `at` on, ten seconds long, and which of our addresses suffers or sends it.
pub fn flood(kind: usize, seed: u64, at: Nanos) -> (Vec<One>, IpAddr) {
    let mut random = SplitMix64::new(seed.wrapping_mul(31).wrapping_add(kind as u64));
    let victim = inside(100 + random.below(14) as u32);
    let rate = 6_000.0 * (1.0 + random.unit());
    let mut all = Vec::new();
    let mut time = 0.0;
    while time < 10.0 {
        time += -(1.0 - random.unit()).ln() / rate;
        if kind == 6 && time.fract() > 0.2 {
            time = time.floor() + 1.0;
            continue;
        }
        let at = at + (time * SECOND) as Nanos;
        let from = (
            outside(random.next_u64() as u32),
            random.below(60_000) as u16 + 1_024,
        );
        all.push(match kind {
            0 | 6 => packet(at, from, (victim, 80), Class::Syn, 60),
            1 => packet(at, from, (victim, 80), Class::Tcp, 60),
            2 => packet(at, from, (victim, random.below(60_000) as u16), Class::Udp, 500),
            3 => packet(at, (from.0, 0), (victim, 0), Class::Icmp, 98),
            4 => packet(
                at,
                (outside(random.below(400) as u32), 53),
                (victim, from.1),
                Class::Reflected,
                1_400,
            ),
            5 => packet(
                at,
                (outside(random.below(400) as u32), 443),
                (victim, from.1),
                Class::SynAck,
                60,
            ),
            7 => packet(
                at,
                from,
                (inside(100 + random.below(100) as u32), 80),
                Class::Udp,
                500,
            ),
            _ => packet(
                at,
                (victim, from.1),
                (outside(random.below(3) as u32), 80),
                Class::Udp,
                100,
            ),
        });
    }
    (all, victim)
}
