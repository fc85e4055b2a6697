//! Who receives how much, in slices of 100 ms.
//!
//! Owns: the counting of every packet, by destination and by source, and the tallies of those that
//! are heavy, of networks too. Exact for the first keys of a slice; keys beyond are
//! counted by a sketch until they are heavy themselves, so no heavy key is missed whatever comes
//! before it. All room is fixed (about 1.2 MiB). Does not own: what is too much (`detector`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use citywall_event::Nanos;

use super::class::{CLASSES, Class};
use super::sketch::{CountMin, Distinct, Few, hash128};

/// Length of a slice, nanoseconds.
pub const SLICE: Nanos = 100_000_000;

/// Packets in a slice from which on a key is told of.
pub const HEAVY: u32 = 24;

/// Packets of one key at which a slice is told before its end: a burst can be over within it. What comes
/// of the same slice later is told by itself and adds to that.
const EARLY: u32 = 512;

/// Keys that are counted exactly in a slice, for each of the two ways to see a packet. A power of two.
const EXACT: usize = 2_048;

/// Receivers in one network from which on it is told of as such.
const NETWORK_HOSTS: usize = 8;

/// Heavy keys beyond those.
const LATE: usize = 256;

/// One packet.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// From.
    pub src: IpAddr,
    /// To.
    pub dst: IpAddr,
    /// What.
    pub class: Class,
    /// The source and the destination port, where it has them.
    pub ports: [u16; 2],
    /// On the wire.
    pub bytes: u32,
}

/// A majority vote (Boyer and Moore 1981) on ports: those that SYNs are for, or that answers come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortVote {
    /// The candidate.
    pub port: u16,
    /// Its votes that no other's outweighs. Those for it are at least so many; of the rest at least half
    /// are for others.
    pub lead: u32,
}

impl PortVote {
    #[inline]
    fn add(&mut self, port: u16, votes: u32) {
        if self.port == port {
            self.lead = self.lead.saturating_add(votes);
        } else if self.lead < votes {
            (self.port, self.lead) = (port, votes - self.lead);
        } else {
            self.lead -= votes;
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// All that one host receives.
    To(IpAddr),
    /// All that one network receives: /24 of IPv4, /64 of IPv6, by its first address.
    Network(IpAddr),
    /// All that one host sends.
    From(IpAddr),
}

/// What was counted of a key in one slice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tally {
    /// Of whom.
    pub key: Key,
    /// The slice's first moment.
    pub start: Nanos,
    /// Packets by class.
    pub packets: [u32; CLASSES],
    /// Bytes of all.
    pub bytes: u64,
    /// Packets the other way: what the receiver sent, what the sender received.
    pub back: u32,
    /// Bytes the other way.
    pub back_bytes: u64,
    /// SYNs the other way.
    pub back_syns: u32,
    /// Hosts of a network that received; else 1.
    pub hosts: u32,
    /// How many others there were: senders of a receiver, receivers of a sender.
    pub others: Distinct,
    /// The other that clearly has the most packets (a lead of a quarter), where there is one (majority vote, Boyer and
    /// Moore 1981); who it is is not proved.
    pub main: Option<IpAddr>,
    /// Which port most SYNs are for, and which most of `Reflected` come from.
    pub ports: [PortVote; 2],
    /// Pairs of host and port that SYNs were for.
    pub tried: Distinct,
    /// Others that SYNs came from or went to.
    pub askers: Few,
}

impl Tally {
    /// Adds what another meter counted of the same key in the same slice.
    pub fn merge(&mut self, other: &Tally) {
        for (mine, other) in self.packets.iter_mut().zip(other.packets) {
            *mine = mine.saturating_add(other);
        }
        self.bytes += other.bytes;
        self.back = self.back.saturating_add(other.back);
        self.back_bytes += other.back_bytes;
        self.back_syns = self.back_syns.saturating_add(other.back_syns);
        self.hosts = self.hosts.max(other.hosts);
        self.others.merge(&other.others);
        if self.main != other.main {
            self.main = None;
        }
        self.vote(&other.ports);
        self.tried.merge(&other.tried);
        self.askers.merge(other.askers);
    }

    /// SYNs.
    pub fn syns(&self) -> u32 {
        self.of(Class::Syn)
    }

    fn vote(&mut self, others: &[PortVote; 2]) {
        let votes = self.ports.iter_mut().zip(others);
        votes.for_each(|(mine, other)| mine.add(other.port, other.lead));
    }

    /// Packets of all classes.
    pub fn total(&self) -> u32 {
        self.packets.iter().sum()
    }

    /// Packets of one class.
    pub fn of(&self, class: Class) -> u32 {
        self.packets[class as usize]
    }
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    key: u128,
    packets: [u32; CLASSES],
    bytes: u64,
    others: Distinct,
    /// Packets.
    seen: u32,
    /// Candidate of the majority vote, and its lead.
    main: u128,
    lead: u32,
    ports: [PortVote; 2],
    tried: Distinct,
    askers: Few,
}

const EMPTY: Cell = Cell {
    key: 0,
    packets: [0; CLASSES],
    bytes: 0,
    others: Distinct::EMPTY,
    seen: 0,
    main: 0,
    lead: 0,
    ports: [PortVote { port: 0, lead: 0 }; 2],
    tried: Distinct::EMPTY,
    askers: Few::EMPTY,
};

/// One way to see packets.
#[derive(Clone, Debug)]
struct Board {
    heavy: u32,
    /// Open addressing, at most half full: one more than the place in `cells`, 0 where free. Apart
    /// from the cells, so that those in use lie side by side: a usual slice stays in the nearest cache.
    index: Vec<u16>,
    cells: Vec<Cell>,
    rest: CountMin,
    rest_used: bool,
    late: Vec<Cell>,
    /// A key has come to `EARLY`.
    early: bool,
}

/// Counts every packet.
#[derive(Clone, Debug)]
pub struct Meter {
    seed: u64,
    heavy: u32,
    /// The slice's first moment.
    start: Nanos,
    to: Board,
    from: Board,
    /// Scratch: receivers of a slice by network, the network's hash above the place in `cells`.
    nets: Vec<u64>,
    uncounted: u64,
}

impl Meter {
    /// Nothing counted yet. The seed keeps keys from being aimed at one cell; `meters` is how many
    /// share the traffic, each of which tells what could be heavy together.
    pub fn new(seed: u64, meters: u16) -> Meter {
        let heavy = (HEAVY / u32::from(meters.max(1))).max(4);
        Meter {
            seed,
            heavy,
            start: Nanos::MIN,
            to: Board::new(heavy),
            from: Board::new(heavy),
            nets: Vec::new(),
            uncounted: 0,
        }
    }

    /// Counts a packet. `at` never goes backward; where it begins a new slice, what the last one had
    /// is appended to `out` first. Where a key has much already, the slice so far is.
    #[inline]
    pub fn packet(&mut self, at: Nanos, sample: &Sample, out: &mut Vec<Tally>) {
        self.advance(at, out);
        let (src, dst) = (bits(sample.src), bits(sample.dst));
        let (src_hash, dst_hash) = (hash128(self.seed, src), hash128(self.seed, dst));
        // What is tried, where something is: this host and port.
        let tried = match sample.class {
            Class::Syn => hash128(self.seed ^ u64::from(sample.ports[1]), dst),
            _ => 0,
        };
        let mut counted = self.to.add(dst, dst_hash, (src, src_hash), tried, sample);
        counted &= self.from.add(src, src_hash, (dst, dst_hash), tried, sample);
        self.uncounted += u64::from(!counted);
        if self.to.early || self.from.early {
            self.close(out);
        }
    }

    /// Time goes on: tells the slice that has ended.
    #[inline]
    pub fn advance(&mut self, at: Nanos, out: &mut Vec<Tally>) {
        // Most packets are of the slice of the one before: no division for them.
        if at.wrapping_sub(self.start) as u64 >= SLICE as u64 {
            self.close(out);
            self.start = at.div_euclid(SLICE).saturating_mul(SLICE);
        }
    }

    /// Packets of light keys that were counted by the sketch alone.
    pub fn uncounted(&self) -> u64 {
        self.uncounted
    }

    #[cold]
    fn close(&mut self, out: &mut Vec<Tally>) {
        let start = self.start;
        let first = out.len();
        for cell in self.to.heavy() {
            let back = self.from.find(cell.key, self.seed);
            out.push(cell.tally(Key::To(address(cell.key)), start, back));
        }
        for cell in self.from.heavy() {
            let back = self.to.find(cell.key, self.seed);
            out.push(cell.tally(Key::From(address(cell.key)), start, back));
        }
        self.networks(start, out);
        // Not by the hash's order, which is the seed's.
        out[first..].sort_by_key(|t| t.key);
        self.to.clear();
        self.from.clear();
    }

    /// Networks of which several hosts received.
    fn networks(&mut self, start: Nanos, out: &mut Vec<Tally>) {
        // A word each: sorted in a quarter of the time that networks themselves take. The hash is
        // seeded, and two networks that meet in 53 bits of it would be told as one.
        const PLACE: u64 = EXACT as u64 - 1;
        self.nets.clear();
        let receivers = (0u64..)
            .zip(&self.to.cells)
            .map(|(place, cell)| hash128(self.seed, network(cell.key)) & !PLACE | place);
        self.nets.extend(receivers);
        self.nets.sort_unstable();
        for group in self.nets.chunk_by(|a, b| a & !PLACE == b & !PLACE) {
            if group.len() < NETWORK_HOSTS {
                continue;
            }
            let mut sum = EMPTY;
            let mut back = EMPTY;
            for place in group {
                let cell = &self.to.cells[(place & PLACE) as usize];
                sum.merge(cell);
                if let Some(sent) = self.from.find(cell.key, self.seed) {
                    back.merge(sent);
                }
            }
            if sum.total() >= self.heavy {
                let net = network(self.to.cells[(group[0] & PLACE) as usize].key);
                let mut tally = sum.tally(Key::Network(address(net)), start, Some(&back));
                tally.hosts = group.len() as u32;
                out.push(tally);
            }
        }
    }
}

impl Board {
    fn new(heavy: u32) -> Board {
        Board {
            heavy,
            index: vec![0; EXACT * 2],
            cells: Vec::with_capacity(EXACT),
            rest: CountMin::new(4_096),
            rest_used: false,
            late: Vec::with_capacity(LATE),
            early: false,
        }
    }

    /// Counts; false where only the sketch did.
    #[inline]
    fn add(&mut self, key: u128, hash: u64, other: (u128, u64), tried: u64, sample: &Sample) -> bool {
        let mask = self.index.len() - 1;
        let mut place = hash as usize & mask;
        // At most half of the places are taken, so the search ends.
        while let Some(at) = usize::from(self.index[place]).checked_sub(1) {
            let cell = &mut self.cells[at];
            if cell.key == key {
                cell.count(other, tried, sample);
                self.early |= cell.seen >= EARLY;
                return true;
            }
            place = (place + 1) & mask;
        }
        if self.cells.len() < EXACT {
            let mut cell = Cell { key, ..EMPTY };
            cell.count(other, tried, sample);
            self.cells.push(cell);
            self.index[place] = self.cells.len() as u16;
            return true;
        }
        self.overflow(key, hash, other, tried, sample)
    }

    #[cold]
    fn overflow(&mut self, key: u128, hash: u64, other: (u128, u64), tried: u64, sample: &Sample) -> bool {
        if let Some(cell) = self.late.iter_mut().find(|c| c.key == key) {
            cell.count(other, tried, sample);
            self.early |= cell.seen >= EARLY;
            return true;
        }
        self.rest_used = true;
        let estimate = self.rest.add(hash, 1);
        if estimate < self.heavy || self.late.len() >= LATE {
            return false;
        }
        // It comes in with what the sketch has: which class those were is not known.
        let mut cell = Cell { key, ..EMPTY };
        cell.count(other, tried, sample);
        cell.packets[sample.class as usize] = estimate;
        self.late.push(cell);
        true
    }

    fn heavy(&self) -> impl Iterator<Item = &Cell> {
        let all = self.cells.iter().chain(&self.late);
        all.filter(|cell| cell.total() >= self.heavy)
    }

    fn find(&self, key: u128, seed: u64) -> Option<&Cell> {
        let mask = self.index.len() - 1;
        let mut place = hash128(seed, key) as usize & mask;
        while let Some(at) = usize::from(self.index[place]).checked_sub(1) {
            if self.cells[at].key == key {
                return Some(&self.cells[at]);
            }
            place = (place + 1) & mask;
        }
        self.late.iter().find(|cell| cell.key == key)
    }

    fn clear(&mut self) {
        self.index.fill(0);
        self.cells.clear();
        self.late.clear();
        self.early = false;
        if std::mem::take(&mut self.rest_used) {
            self.rest.clear();
        }
    }
}

impl Cell {
    #[inline]
    fn count(&mut self, other: (u128, u64), tried: u64, sample: &Sample) {
        self.packets[sample.class as usize] += 1;
        self.bytes += u64::from(sample.bytes);
        self.seen += 1;
        match sample.class {
            Class::Syn => {
                self.ports[0].add(sample.ports[1], 1);
                self.tried.add(tried);
                self.askers.add(other.1);
            }
            Class::Reflected => self.ports[1].add(sample.ports[0], 1),
            _ => {}
        }
        self.others.add(other.1);
        if self.main == other.0 {
            self.lead += 1;
        } else if self.lead == 0 {
            (self.main, self.lead) = (other.0, 1);
        } else {
            self.lead -= 1;
        }
    }

    fn total(&self) -> u32 {
        self.packets.iter().sum()
    }

    fn merge(&mut self, other: &Cell) {
        for (mine, other) in self.packets.iter_mut().zip(other.packets) {
            *mine = mine.saturating_add(other);
        }
        self.bytes += other.bytes;
        self.others.merge(&other.others);
        let votes = self.ports.iter_mut().zip(other.ports);
        votes.for_each(|(mine, other)| mine.add(other.port, other.lead));
        self.tried.merge(&other.tried);
        self.askers.merge(other.askers);
    }

    fn tally(&self, key: Key, start: Nanos, back: Option<&Cell>) -> Tally {
        Tally {
            key,
            start,
            packets: self.packets,
            bytes: self.bytes,
            back: back.map_or(0, Cell::total),
            back_bytes: back.map_or(0, |b| b.bytes),
            back_syns: back.map_or(0, |b| b.packets[Class::Syn as usize]),
            hosts: 1,
            others: self.others,
            main: (self.lead * 4 > self.total()).then(|| address(self.main)),
            ports: self.ports,
            tried: self.tried,
            askers: self.askers,
        }
    }
}

/// IPv4 as IPv4-mapped IPv6 (RFC 4291, 2.5.5.2), so that one table serves both.
#[inline]
fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => 0xffff_0000_0000 | u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn address(bits: u128) -> IpAddr {
    if bits >> 32 == 0xffff {
        IpAddr::V4(Ipv4Addr::from(bits as u32))
    } else {
        IpAddr::V6(Ipv6Addr::from(bits))
    }
}

/// /24 of IPv4, /64 of IPv6.
#[inline]
fn network(bits: u128) -> u128 {
    if bits >> 32 == 0xffff {
        bits & !0xff
    } else {
        bits & !u128::from(u64::MAX)
    }
}
