//! IP reassembly: fragments in, whole datagrams out. Owns the table of incomplete datagrams and its
//! limits; `datagram` owns one of them and `rebuild` the header of the result. Does not decode what
//! comes out (`decode_reassembled`).
//!
//! Overlaps of IPv4 fragments are resolved as the destination host would
//! ([`OverlapPolicies`]). Overlapping IPv6 fragments condemn their datagram whatever the policy: RFC
//! 5722 and RFC 8200 (4.5) make every host drop it, with all fragments still to come. An exact
//! duplicate is no overlap.

mod datagram;
mod rebuild;

use std::collections::BTreeMap;
use std::net::IpAddr;

use hashbrown::HashMap;

use crate::checksum;
use crate::ipv4::protocol;
use crate::ipv6::{Extension, NoExtension};
use crate::malformed::Malformed;
use crate::model::{Fragment, Ip, Nanos, Network, Packet, TunnelKind, Vlans};
use crate::policy::OverlapPolicies;
use datagram::{Datagram, Piece};

/// The largest IPv4 datagram, and the largest IPv6 payload.
const MAX_DATAGRAM: usize = 65_535;

/// Bounds of a [`Defragmenter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefragLimits {
    /// Datagrams that may wait for fragments. Over it, the oldest is given up.
    pub datagrams: usize,
    /// Bytes held by all of them, with the bookkeeping. Over it, the oldest is given up.
    pub bytes: usize,
    /// Fragments of one datagram. Over it, that datagram is given up.
    pub fragments: u16,
    /// How long a datagram waits after its first fragment.
    pub timeout: Nanos,
}

impl Default for DefragLimits {
    /// 4096 datagrams, 16 MiB, 1024 fragments each, 30 seconds.
    fn default() -> Self {
        DefragLimits {
            datagrams: 4096,
            bytes: 16 << 20,
            fragments: 1024,
            timeout: 30_000_000_000,
        }
    }
}

/// What a [`Defragmenter`] has done, and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefragStats {
    /// Fragments given to it.
    pub fragments: u64,
    /// Fragments that were not used: cut by the capture, malformed, or of a condemned datagram.
    pub refused: u64,
    /// Datagrams that became whole.
    pub completed: u64,
    /// Datagrams that did not in time.
    pub timed_out: u64,
    /// Datagrams dropped for overlapping IPv6 fragments.
    pub condemned: u64,
    /// Datagrams given up because of a limit.
    pub evicted: u64,
    /// Fragments that overlapped another, duplicates not counted.
    pub overlaps: u64,
    /// Datagrams held now.
    pub held: usize,
    /// Bytes held now, with the bookkeeping.
    pub held_bytes: usize,
}

/// A datagram that was given up because its time was over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// The fragment of it that was seen first.
    pub first: Packet,
    /// Fragments that were kept.
    pub fragments: u16,
    /// Bytes of its payload that were there.
    pub bytes: u32,
    /// Why: `Malformed::FragmentTimeout`.
    pub kind: Malformed,
}

/// What fragments of one datagram have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    src: IpAddr,
    dst: IpAddr,
    /// IPv4 only: for IPv6 the first fragment's alone counts, and others may differ (RFC 8200, 4.5).
    protocol: u8,
    id: u32,
    vlans: Vlans,
    tunnel: Option<(TunnelKind, u32)>,
}

impl Key {
    fn new(packet: &Packet, ip: &Ip) -> Self {
        Key {
            src: ip.src,
            dst: ip.dst,
            protocol: if ip.src.is_ipv6() { 0 } else { ip.protocol },
            id: ip.id,
            vlans: packet.vlans,
            tunnel: packet.tunnel.map(|tunnel| (tunnel.kind, tunnel.id)),
        }
    }
}

/// Puts IP datagrams together. Memory is bounded by [`DefragLimits`].
#[derive(Debug)]
pub struct Defragmenter {
    limits: DefragLimits,
    policies: OverlapPolicies,
    /// Never iterated: what is seen in order is `ages`.
    datagrams: HashMap<Key, Box<Datagram>>,
    /// Keys by age: the number counts datagrams.
    ages: BTreeMap<u64, Key>,
    next_age: u64,
    stats: DefragStats,
}

impl Defragmenter {
    /// An empty table.
    pub fn new(limits: DefragLimits, policies: OverlapPolicies) -> Self {
        Defragmenter {
            limits,
            policies,
            datagrams: HashMap::new(),
            ages: BTreeMap::new(),
            next_age: 0,
            stats: DefragStats::default(),
        }
    }

    /// Takes one fragment; other packets are ignored. `data` is the buffer that `packet` was decoded
    /// from. Gives the whole datagram when this fragment completes it: a raw IP packet that shows no
    /// trace of fragmentation, for [`decode_reassembled`](crate::decode_reassembled). What comes out of
    /// that may be a fragment again (a fragmented packet in a fragmented tunnel).
    pub fn push(&mut self, packet: &Packet, data: &[u8], out: &mut Vec<Malformed>) -> Option<Vec<u8>> {
        let Network::Ip(ip) = &packet.network else {
            return None;
        };
        let fragment = ip.fragment?;
        self.stats.fragments += 1;
        let (header, payload) = (ip.header.of(data), ip.payload.of(data));
        if packet.truncated || dropped_by_receiver(ip, header) {
            self.stats.refused += 1;
            return None;
        }
        if let Some(wrong) = misplaced(ip, fragment, payload.len()) {
            self.stats.refused += 1;
            out.push(wrong);
            return None;
        }
        if fragment.offset == 0 && splits_header(ip.protocol, payload) {
            out.push(Malformed::FragmentTinyFirst);
        }
        self.place(packet, ip, fragment, header, payload, out)
    }

    /// Puts a sound fragment where it belongs.
    fn place(
        &mut self,
        packet: &Packet,
        ip: &Ip,
        fragment: Fragment,
        header: &[u8],
        payload: &[u8],
        out: &mut Vec<Malformed>,
    ) -> Option<Vec<u8>> {
        let key = Key::new(packet, ip);
        self.forget_stale(&key, packet.at, out);
        let cost = payload.len() + header.len() + Datagram::COST + Piece::COST;
        if !self.make_room(cost, !self.datagrams.contains_key(&key), out) {
            self.stats.refused += 1;
            return None;
        }
        // Asked only now, because the oldest datagram may have been this one.
        let new = !self.datagrams.contains_key(&key);
        let policy = self.policies.of(ip.dst);
        let (ages, next_age) = (&mut self.ages, &mut self.next_age);
        let datagram = self.datagrams.entry(key).or_insert_with(|| {
            ages.insert(*next_age, key);
            *next_age += 1;
            Box::new(Datagram::new(*next_age - 1, packet, policy))
        });
        if datagram.condemned {
            self.stats.refused += 1;
            return None;
        }
        let before = if new { 0 } else { datagram.cost() };
        let found = datagram.insert(fragment, header, payload, out);
        self.stats.overlaps += u64::from(found.overlap);
        self.stats.refused += u64::from(found.refused);
        self.stats.condemned += u64::from(datagram.condemned);
        let (after, fragments) = (datagram.cost(), datagram.fragments);
        self.stats.held = self.datagrams.len();
        self.stats.held_bytes = (self.stats.held_bytes + after).saturating_sub(before);
        if found.complete {
            let whole = self.remove(&key)?;
            return self.finish(&whole, out);
        }
        if fragments >= self.limits.fragments {
            self.remove(&key);
            self.stats.evicted += 1;
            out.push(Malformed::FragmentLimit);
        }
        None
    }

    fn finish(&mut self, whole: &Datagram, out: &mut Vec<Malformed>) -> Option<Vec<u8>> {
        let built = rebuild::rebuild(whole);
        match built {
            Some(_) => self.stats.completed += 1,
            // The header of the first fragment makes it longer than a datagram can be.
            None => out.push(Malformed::FragmentTooLarge),
        }
        built
    }

    /// Gives up all datagrams whose time is over at `now`, oldest first, and appends them to `out`.
    /// Call it now and then; with the largest time at the end of the input.
    pub fn expire(&mut self, now: Nanos, out: &mut Vec<Incomplete>) {
        while let Some((_, &key)) = self.ages.first_key_value() {
            let stale = match self.datagrams.get(&key) {
                Some(datagram) => datagram.stale(now, self.limits.timeout),
                None => true,
            };
            if !stale {
                return;
            }
            if let Some(datagram) = self.remove(&key)
                && !datagram.condemned
            {
                self.stats.timed_out += 1;
                out.push(datagram.incomplete());
            }
        }
    }

    /// What was done so far, and what is held.
    pub fn stats(&self) -> DefragStats {
        self.stats
    }

    /// A sender may use an id again: the old datagram, if its time is over, must not mix with the new.
    fn forget_stale(&mut self, key: &Key, now: Nanos, out: &mut Vec<Malformed>) {
        let timeout = self.limits.timeout;
        if self
            .datagrams
            .get(key)
            .is_some_and(|datagram| datagram.stale(now, timeout))
            && let Some(old) = self.remove(key)
            && !old.condemned
        {
            self.stats.timed_out += 1;
            out.push(Malformed::FragmentTimeout);
        }
    }

    /// Gives up the oldest datagrams until `cost` bytes, and a new datagram if it is one, fit. False
    /// where they do not fit into an empty table.
    fn make_room(&mut self, cost: usize, new: bool, out: &mut Vec<Malformed>) -> bool {
        let full = |table: &Self| {
            (new && table.datagrams.len() >= table.limits.datagrams.max(1))
                || table.stats.held_bytes + cost > table.limits.bytes
        };
        if !full(self) {
            return true;
        }
        out.push(Malformed::FragmentLimit);
        while full(self) {
            let Some((_, &key)) = self.ages.first_key_value() else {
                return false;
            };
            self.remove(&key);
            self.stats.evicted += 1;
        }
        true
    }

    fn remove(&mut self, key: &Key) -> Option<Box<Datagram>> {
        let datagram = self.datagrams.remove(key)?;
        self.ages.remove(&datagram.age);
        self.stats.held = self.datagrams.len();
        self.stats.held_bytes = self.stats.held_bytes.saturating_sub(datagram.cost());
        Some(datagram)
    }
}

/// True for a fragment that no host would take: without its header, or with a wrong header checksum.
fn dropped_by_receiver(ip: &Ip, header: &[u8]) -> bool {
    let wrong_sum = || header.get(10..12) != Some(&[0, 0]) && checksum::fold(checksum::sum(header)) != 0xffff;
    header.is_empty() || (ip.src.is_ipv4() && wrong_sum())
}

/// What is wrong with the place of a fragment on its own, if anything.
fn misplaced(ip: &Ip, fragment: Fragment, length: usize) -> Option<Malformed> {
    // IPv6 counts the payload from behind the fixed header; the fragment header itself goes away.
    let around = if ip.src.is_ipv6() {
        (ip.header.len as usize).saturating_sub(48)
    } else {
        20
    };
    match fragment.offset as usize + length + around {
        _ if length == 0 => Some(Malformed::FragmentEmpty),
        _ if fragment.more && !length.is_multiple_of(8) => Some(Malformed::FragmentLength),
        end if end > MAX_DATAGRAM => Some(Malformed::FragmentTooLarge),
        _ => None,
    }
}

/// True where the first fragment ends within its transport header (RFC 1858) or, for IPv6, within its
/// header chain (RFC 7112): a filter that looks at first fragments only would see no ports.
fn splits_header(upper: u8, payload: &[u8]) -> bool {
    let (mut kind, mut rest) = (upper, payload);
    // Ends: each extension header consumes at least 8 bytes.
    loop {
        match Extension::read(kind, rest) {
            Ok(extension) => {
                kind = extension.next;
                rest = rest.get(extension.length..).unwrap_or(&[]);
            }
            Err(NoExtension::Upper) => break,
            Err(NoExtension::Short) => return true,
            Err(NoExtension::Length) => return false,
        }
    }
    let needed = match kind {
        protocol::TCP => 20,
        protocol::UDP | protocol::ICMP | protocol::ICMPV6 => 8,
        _ => 0,
    };
    rest.len() < needed
}
