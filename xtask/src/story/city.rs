//! The city that a story plays in: zones, hosts, and how frames travel between them.
//!
//! Owns: the vantage point. The capture is what a mirror of all ports of the city's core switch sees, taken where
//! frames come in: each packet stands once in it, with the sender's own MAC as its source. The core switch
//! routes between the zones, so the destination of a packet to another zone is the switch's own MAC in the
//! sender's zone. Hosts outside all share the MAC of the provider's router. What the switch itself sends (its
//! ARP answers, the DHCP relay's copies to clients) does not come in anywhere and is not seen.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::Ipv4Addr;

use super::dice::Dice;
use super::makers::{self, Maker};
use super::recorder::{FrameId, Recorder};
use super::wire::{self, Mac, Station};
use super::{MS, US};

/// A host's place in `World`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(usize);

/// What a zone is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Purpose {
    Signals,
    Centre,
    Cctv,
    Pumps,
    Scada,
    Lights,
    Core,
    Offices,
}

/// All purposes, in the order of the city file.
pub const PURPOSES: [Purpose; 8] = [
    Purpose::Signals,
    Purpose::Centre,
    Purpose::Cctv,
    Purpose::Pumps,
    Purpose::Scada,
    Purpose::Lights,
    Purpose::Core,
    Purpose::Offices,
];

/// A zone with its own network of 256 addresses.
#[derive(Clone, Debug)]
pub struct Zone {
    /// What for.
    pub purpose: Purpose,
    /// Name in the city file.
    pub name: &'static str,
    /// The first three bytes of its addresses.
    pub network: [u8; 3],
    /// The core switch's address there.
    pub gateway: Ipv4Addr,
    gateway_mac: Mac,
}

/// How a host's network stack behaves.
#[derive(Clone, Copy, Debug)]
pub struct Stack {
    /// Initial time to live.
    pub ttl: u8,
    /// Receive window in bytes.
    pub window: u32,
    /// Offers window scaling and selective acknowledgement.
    pub scales: bool,
    /// Uses TCP timestamps.
    pub timestamps: bool,
    /// First and last ephemeral port.
    ports: (u16, u16),
    /// Time to answer, in microseconds.
    answers: (i64, i64),
}

/// Linux on a server or desktop.
pub const LINUX: Stack = Stack {
    ttl: 64,
    window: 64_256,
    scales: true,
    timestamps: true,
    ports: (32_768, 60_999),
    answers: (150, 900),
};
/// Linux in a small device.
pub const EMBEDDED: Stack = Stack {
    ttl: 64,
    window: 29_312,
    scales: true,
    timestamps: true,
    ports: (32_768, 61_000),
    answers: (600, 4_000),
};
/// Windows.
pub const WINDOWS: Stack = Stack {
    ttl: 128,
    window: 2_102_272,
    scales: true,
    timestamps: false,
    ports: (49_152, 65_535),
    answers: (200, 1_200),
};
/// A controller's real-time system.
pub const CONTROLLER: Stack = Stack {
    ttl: 64,
    window: 8_192,
    scales: false,
    timestamps: false,
    ports: (1_024, 4_999),
    answers: (2_000, 11_000),
};
/// Somewhere in the Internet.
pub const REMOTE: Stack = Stack {
    ttl: 64,
    window: 64_128,
    scales: true,
    timestamps: true,
    ports: (32_768, 60_999),
    answers: (12_000, 46_000),
};

/// A host.
#[derive(Clone, Debug)]
pub struct Host {
    /// Name in the city file (or of the story, for hosts outside).
    pub name: String,
    /// Role in the city file.
    pub role: &'static str,
    /// Its zone, by purpose; `None` is outside.
    pub zone: Option<Purpose>,
    /// Address.
    pub ip: Ipv4Addr,
    /// Hardware address; outside: the provider's router.
    pub mac: Mac,
    /// Who made it.
    pub maker: Option<&'static str>,
    /// Behaviour.
    pub stack: Stack,
    clock: u32,
}

/// The city, and what was seen of it so far.
#[derive(Debug)]
pub struct World {
    seed: u64,
    /// Nanoseconds since 1970 when the capture starts.
    pub start: i64,
    /// The city's name.
    pub name: &'static str,
    /// By `PURPOSES`.
    pub zones: Vec<Zone>,
    hosts: Vec<Host>,
    ports: HashSet<(HostId, u16)>,
    /// What was seen.
    pub recorder: Recorder,
    /// How often what was said, for the ground truth.
    pub counts: BTreeMap<&'static str, u64>,
    /// Every password that is seen in clear.
    pub secrets: BTreeSet<String>,
    router_mac: Mac,
    uplink_mac: Mac,
}

/// Names of cities that are in no atlas.
const CITIES: &[&str] = &[
    "Aldermoor",
    "Brackwater",
    "Castelmar",
    "Dunhollow",
    "Eastmere",
    "Fernstad",
    "Grenholm",
];

impl World {
    /// The empty city of a seed.
    pub fn new(seed: u64) -> World {
        let mut dice = Dice::new(seed, "world");
        // A working day in 2026, between 7 and 17 o'clock UTC.
        let day = 20_454 + dice.within(0..=364);
        let second = dice.within(7 * 3_600..=17 * 3_600);
        let start = (day * 86_400 + second) * 1_000_000_000 + dice.within(0..=999_999_999);
        let second_byte = dice.within(8..=250) as u8;
        let mut thirds: Vec<u8> = (1..=250).collect();
        dice.shuffle(&mut thirds);
        let last = if dice.chance(60) { 1 } else { 254 };
        let switch = dice.pick(makers::ROUTERS);
        let first_mac = switch.mac(&mut dice);
        let zones = PURPOSES
            .into_iter()
            .zip(thirds)
            .enumerate()
            .map(|(n, (purpose, third))| {
                let mut gateway_mac = first_mac;
                gateway_mac[5] = gateway_mac[5].wrapping_add(n as u8 + 1);
                Zone {
                    purpose,
                    name: dice.pick(names(purpose)),
                    network: [10, second_byte, third],
                    gateway: Ipv4Addr::new(10, second_byte, third, last),
                    gateway_mac,
                }
            })
            .collect();
        World {
            seed,
            start,
            name: dice.pick(CITIES),
            zones,
            hosts: Vec::new(),
            ports: HashSet::new(),
            recorder: Recorder::default(),
            counts: BTreeMap::new(),
            secrets: BTreeSet::new(),
            router_mac: dice.pick(makers::ROUTERS).mac(&mut dice),
            uplink_mac: first_mac,
        }
    }

    /// Choices for one purpose.
    pub fn dice(&self, purpose: &str) -> Dice {
        Dice::new(self.seed, purpose)
    }

    /// Counts one more of something.
    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// The zone of a purpose.
    pub fn zone(&self, purpose: Purpose) -> &Zone {
        &self.zones[purpose as usize]
    }

    /// Adds a host to a zone at an address that is free.
    pub fn add(
        &mut self,
        zone: Purpose,
        name: String,
        role: &'static str,
        stack: Stack,
        from: &[Maker],
    ) -> HostId {
        let mut dice = self.dice(&format!("host {name}"));
        let [a, b, c] = self.zone(zone).network;
        let ip = loop {
            let ip = Ipv4Addr::new(a, b, c, dice.within(10..=240) as u8);
            if self.hosts.iter().all(|h| h.ip != ip) {
                break ip;
            }
        };
        let maker = dice.pick(from);
        self.hosts.push(Host {
            name,
            role,
            zone: Some(zone),
            ip,
            mac: maker.mac(&mut dice),
            maker: Some(maker.name),
            stack,
            clock: dice.roll() as u32,
        });
        HostId(self.hosts.len() - 1)
    }

    /// Adds a host outside, in a network for documentation (RFC 5737).
    pub fn add_outside(&mut self, name: &str, role: &'static str) -> HostId {
        let mut dice = self.dice(&format!("outside {name}"));
        let ip = loop {
            let [a, b, c] = dice.pick(&[[192, 0, 2], [198, 51, 100], [203, 0, 113]]);
            let ip = Ipv4Addr::new(a, b, c, dice.within(2..=250) as u8);
            if self.hosts.iter().all(|h| h.ip != ip) {
                break ip;
            }
        };
        self.hosts.push(Host {
            name: name.to_owned(),
            role,
            zone: None,
            ip,
            mac: self.router_mac,
            maker: None,
            stack: Stack {
                ttl: 64 - dice.within(6..=15) as u8,
                ..REMOTE
            },
            clock: dice.roll() as u32,
        });
        HostId(self.hosts.len() - 1)
    }

    /// A host.
    pub fn host(&self, id: HostId) -> &Host {
        &self.hosts[id.0]
    }

    /// All hosts.
    pub fn hosts(&self) -> impl Iterator<Item = (HostId, &Host)> {
        self.hosts.iter().enumerate().map(|(n, host)| (HostId(n), host))
    }

    /// Hosts of a zone.
    pub fn members(&self, zone: Purpose) -> Vec<HostId> {
        self.hosts()
            .filter(|(_, h)| h.zone == Some(zone))
            .map(|(id, _)| id)
            .collect()
    }

    /// The host with an address.
    pub fn at(&self, ip: Ipv4Addr) -> Option<HostId> {
        self.hosts().find(|(_, h)| h.ip == ip).map(|(id, _)| id)
    }

    /// An ephemeral port that the host has not used yet.
    pub fn free_port(&mut self, host: HostId, dice: &mut Dice) -> u16 {
        let (first, last) = self.host(host).stack.ports;
        loop {
            let port = dice.within(first.into()..=last.into()) as u16;
            if self.ports.insert((host, port)) {
                return port;
            }
        }
    }

    /// Time until the host's next packet is seen, in nanoseconds.
    pub fn reaction(&self, host: HostId, dice: &mut Dice) -> i64 {
        let (first, last) = self.host(host).stack.answers;
        dice.within(first * US..=last * US)
    }

    /// The host's TCP timestamp clock, in milliseconds.
    pub fn stamp(&self, host: HostId, at: i64) -> u32 {
        self.host(host)
            .clock
            .wrapping_add(((at - self.start) / MS) as u32)
    }

    /// An IP packet from a host, as it comes in at the core.
    pub fn send_ip(&mut self, at: i64, from: HostId, to: Ipv4Addr, protocol: u8, payload: &[u8]) -> FrameId {
        let host = self.host(from);
        let packet = wire::ipv4(host.ip, to, protocol, host.stack.ttl, payload);
        let frame = wire::ethernet(host.mac, self.next_hop(host, to), 0x0800, &packet);
        self.recorder.push(at, frame)
    }

    fn next_hop(&self, from: &Host, to: Ipv4Addr) -> Mac {
        let Some(purpose) = from.zone else {
            return self.uplink_mac;
        };
        let zone = self.zone(purpose);
        let near = to.octets()[..3] == zone.network;
        let peer = near.then(|| self.at(to)).flatten();
        peer.map_or(zone.gateway_mac, |id| self.host(id).mac)
    }

    /// A UDP datagram.
    pub fn send_udp(
        &mut self,
        at: i64,
        from: HostId,
        port: u16,
        to: Ipv4Addr,
        to_port: u16,
        data: &[u8],
    ) -> FrameId {
        let datagram = wire::udp((self.host(from).ip, port), (to, to_port), data);
        self.send_ip(at, from, to, wire::UDP, &datagram)
    }

    /// A datagram of a host that has no address yet, to all.
    pub fn send_unconfigured(&mut self, at: i64, from: HostId, ports: (u16, u16), data: &[u8]) -> FrameId {
        let (nobody, all) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
        let datagram = wire::udp((nobody, ports.0), (all, ports.1), data);
        let packet = wire::ipv4(nobody, all, wire::UDP, self.host(from).stack.ttl, &datagram);
        let frame = wire::ethernet(self.host(from).mac, wire::BROADCAST, 0x0800, &packet);
        self.recorder.push(at, frame)
    }

    /// Asks for the owner of an address; a host of the zone answers, the core's answer is not seen.
    pub fn ask_arp(&mut self, at: i64, from: HostId, whom: Ipv4Addr, dice: &mut Dice) -> Vec<FrameId> {
        let asker = Station {
            mac: self.host(from).mac,
            ip: self.host(from).ip,
        };
        let request = wire::arp(
            1,
            asker,
            Station {
                mac: [0; 6],
                ip: whom,
            },
        );
        let mut frames = vec![self.recorder.push(at, request)];
        let zone = self.host(from).zone;
        // Nobody answers one who announces itself by asking for its own address.
        if let Some(owner) = self
            .at(whom)
            .filter(|id| *id != from && self.host(*id).zone == zone)
        {
            let at = at + self.reaction(owner, dice);
            let reply = wire::arp(
                2,
                Station {
                    mac: self.host(owner).mac,
                    ip: whom,
                },
                asker,
            );
            frames.push(self.recorder.push(at, reply));
        }
        frames
    }
}

fn names(purpose: Purpose) -> &'static [&'static str] {
    match purpose {
        Purpose::Signals => &["signals", "junctions", "traffic-signals"],
        Purpose::Centre => &["traffic-centre", "control-room", "traffic-desk"],
        Purpose::Cctv => &["cctv", "cameras", "video"],
        Purpose::Pumps => &["pumps", "water-works", "pumping"],
        Purpose::Scada => &["water-scada", "water-desk"],
        Purpose::Lights => &["street-lights", "lighting", "lamps"],
        Purpose::Core => &["core", "data-centre"],
        Purpose::Offices => &["offices", "town-hall"],
    }
}
