//! The flow table: from packets to conversations.
//!
//! Owns: finding conversations, datagrams, counters, eviction and closing. Does not own: how a
//! conversation looks at first (`opening`), TCP (`tcp`), the order of ages (`timers`).
//!
//! UDP and ICMP payloads are handed over whatever their checksum says (the decoder tells of a
//! wrong one); only TCP state would be led astray by it.

use hashbrown::HashTable;

use citywall_packet::{Checksum, Nanos, Network, Packet, Tcp, Transport, tcp_flags};

use crate::key::Orientation;
use crate::opening::{first_impression, named};
use crate::sink::{Budget, Sink};
use crate::slab::{Slab, Slot};
use crate::tcp::{Anew, Connection, Piece};
use crate::timers::{Class, Links, Timers};
use crate::{
    CloseReason, Content, Direction, Flow, FlowKey, FlowLimits, FlowStats, HostPolicies, KeyOptions,
    Observer, State,
};

/// A slot with its key's hash, so that the index grows without looking at every slot.
#[derive(Clone, Copy)]
struct Indexed {
    hash: u32,
    slot: u32,
}

impl Indexed {
    /// The index takes buckets from the low bits and tags from the high ones: both get theirs.
    #[inline]
    fn spread(hash: u32) -> u64 {
        u64::from(hash) << 32 | u64::from(hash)
    }
}

/// How many packets `FlowTable::foresee` takes together: more than a processor has reads under way.
pub const AHEAD: usize = 16;

/// All conversations of one worker. Time comes in with each call and is packet time.
///
/// Nothing that is told to the observer depends on hashes or on the order of slots, so the same
/// packets give the same calls.
pub struct FlowTable<S> {
    limits: FlowLimits,
    policies: HostPolicies,
    keys: KeyOptions,
    index: HashTable<Indexed>,
    slab: Slab<S>,
    timers: Timers,
    budget: Budget,
    stats: FlowStats,
    clock: Nanos,
    /// Kept for its memory: the conversations to close.
    closing: Vec<u32>,
}

impl<S: Default> FlowTable<S> {
    /// An empty table, with keys of the default options.
    pub fn new(limits: FlowLimits, policies: HostPolicies) -> FlowTable<S> {
        Self::with_keys(limits, policies, KeyOptions::default())
    }

    /// An empty table. Packets that are dealt out to several tables have to be dealt out by keys of
    /// the same options.
    pub fn with_keys(limits: FlowLimits, policies: HostPolicies, keys: KeyOptions) -> FlowTable<S> {
        FlowTable {
            limits,
            policies,
            keys,
            index: HashTable::new(),
            slab: Slab::new(),
            timers: Timers::new(),
            budget: Budget::new(&limits),
            stats: FlowStats::default(),
            clock: Nanos::MIN,
            closing: Vec::new(),
        }
    }

    /// Follows one packet and tells `observer` what became of it. `data` is the buffer that the
    /// packet's spans refer to, `id` names the conversation if this packet opens one, `now` is
    /// packet time that does not go backward. IP fragments have to be put together before.
    ///
    /// Gives the conversation, after all of the packet's segments were told, and the packet's
    /// direction; `None` for a packet without IP and without hardware addresses.
    #[inline]
    pub fn push<O: Observer<S>>(
        &mut self,
        packet: &Packet,
        data: &[u8],
        id: u64,
        now: Nanos,
        observer: &mut O,
    ) -> Option<(&mut Flow<S>, Direction)> {
        let hash = self.hash(packet);
        self.push_hashed(packet, data, (id, hash), now, observer)
    }

    /// The hash of a packet's key, as this table looks for it.
    pub fn hash(&self, packet: &Packet) -> u64 {
        FlowKey::with(packet, self.keys).map_or(0, |(key, _)| key.hash_with(self.limits.hash_seed))
    }

    /// Looks up packets that are about to be pushed, by their hashes, and changes nothing. Of very
    /// many conversations most are not in the processor's cache: looked up one after the other each
    /// waits for memory; looked up together their waits overlap. Gives a number that means nothing
    /// (it keeps the look-ups from being left out).
    #[inline]
    pub fn foresee(&self, hashes: &[u64; AHEAD]) -> u64 {
        // In two rounds, so that the second's waits overlap too: first the index, then the slots.
        let slots = hashes.map(|hash| {
            let hash = hash as u32;
            let found = self.index.find(Indexed::spread(hash), |i| i.hash == hash);
            found.map_or(u32::MAX, |i| i.slot)
        });
        slots.iter().fold(0, |seen, slot| seen ^ self.slab.touch(*slot))
    }

    /// As `push`, where the hash of the key is known from `FlowKey::hash_with` and the seed of this
    /// table's limits; the hash comes with the id.
    #[inline]
    pub fn push_hashed<O: Observer<S>>(
        &mut self,
        packet: &Packet,
        data: &[u8],
        (id, hash): (u64, u64),
        now: Nanos,
        observer: &mut O,
    ) -> Option<(&mut Flow<S>, Direction)> {
        let Some((key, orientation)) = FlowKey::with(packet, self.keys) else {
            self.stats.unkeyed += 1;
            return None;
        };
        self.clock = self.clock.max(now);
        let hash = hash as u32;
        let slab = &self.slab;
        let same = |i: &Indexed| i.hash == hash && slab.get(i.slot).is_some_and(|slot| slot.key == key);
        let found = self.index.find(Indexed::spread(hash), same).map(|i| i.slot);
        let over = found.and_then(|index| self.is_over(index, packet, orientation));
        let index = match (found, over) {
            (Some(index), None) => index,
            (Some(index), Some((reason, anew))) => {
                self.close(index, reason, observer);
                let syn_seen = anew == Anew::Accepted;
                self.open(key, hash, packet, orientation, (id, syn_seen), observer)
            }
            (None, _) => self.open(key, hash, packet, orientation, (id, false), observer),
        };
        self.follow(index, packet, data, orientation, observer)
    }

    /// Closes what has been silent for its time-out at `border`, in the order of ids. To be called
    /// at borders of packet time, such as each full second, before the packets behind it.
    pub fn expire<O: Observer<S>>(&mut self, border: Nanos, observer: &mut O) {
        while self.expire_part(border, usize::MAX, observer) {}
    }

    /// As `expire`, but closes at most `limit` conversations: true where it is to be called again,
    /// before any other packet, so that the caller can carry off what it was told so far.
    pub fn expire_part<O: Observer<S>>(&mut self, border: Nanos, limit: usize, observer: &mut O) -> bool {
        if self.closing.is_empty() {
            let timeouts = &self.limits.timeouts;
            self.timers
                .collect(&self.slab, timeouts, border, &mut self.closing);
            self.sort_closing();
        }
        self.close_part(limit, silent_reason, observer)
    }

    /// The input is over: closes all conversations, in the order of ids.
    pub fn finish<O: Observer<S>>(&mut self, observer: &mut O) {
        while self.finish_part(usize::MAX, observer) {}
    }

    /// As `finish`, in parts like `expire_part`.
    pub fn finish_part<O: Observer<S>>(&mut self, limit: usize, observer: &mut O) -> bool {
        if self.closing.is_empty() {
            self.closing.extend(self.slab.indices());
            self.sort_closing();
        }
        let reason = |flow: &Flow<S>| match silent_reason(flow) {
            CloseReason::Timeout => CloseReason::Shutdown,
            other => other,
        };
        self.close_part(limit, reason, observer)
    }

    /// What was counted.
    pub fn stats(&self) -> FlowStats {
        FlowStats {
            live: self.slab.live(),
            buffered: self.budget.used,
            buffered_peak: self.budget.peak,
            gaps: self.budget.gaps,
            gap_bytes: self.budget.gap_bytes,
            shed_bytes: self.budget.shed_bytes,
            ..self.stats
        }
    }

    /// Set where the packet is not of the conversation with its key any more: that has timed out,
    /// or its endpoints have begun a new one.
    #[inline]
    fn is_over(&self, index: u32, packet: &Packet, orientation: Orientation) -> Option<(CloseReason, Anew)> {
        let slot = self.slab.get(index)?;
        let class = Class::of(&slot.flow);
        if slot
            .flow
            .last
            .saturating_add(class.timeout(&self.limits.timeouts))
            <= self.clock
        {
            return Some((silent_reason(&slot.flow), Anew::Opens));
        }
        match (&slot.tcp, &packet.transport) {
            (Some(tcp), Transport::Tcp(header))
                if (header.flags & tcp_flags::SYN != 0 || slot.flow.state == State::Closed)
                    && self.usable(header) =>
            {
                let direction = direction(slot.initiator_low, orientation);
                let data = packet.payload.len > 0;
                tcp.begins_anew(header, direction, slot.flow.state, data)
                    .map(|anew| (CloseReason::Closed, anew))
            }
            _ => None,
        }
    }

    /// A receiver drops what has a wrong checksum. But a sender of whom no right one was ever seen
    /// was captured before its card computed them, or was anonymised: there the sum says nothing.
    #[inline]
    fn usable(&self, tcp: &Tcp) -> bool {
        tcp.checksum != Checksum::Invalid || self.limits.use_bad_checksums
    }

    #[inline(never)]
    fn open<O: Observer<S>>(
        &mut self,
        key: FlowKey,
        hash: u32,
        packet: &Packet,
        orientation: Orientation,
        (id, syn_seen): (u64, bool),
        observer: &mut O,
    ) -> u32 {
        let (mut flow, reversed) = first_impression(packet, id, self.clock);
        flow.midstream &= !syn_seen;
        let class = Class::of(&flow);
        if class == Class::TcpNew && self.timers.len(class) >= self.limits.half_open.max(1) {
            self.evict(self.timers.oldest(&self.slab, class), observer);
        } else if self.slab.live() >= self.limits.flows.max(1) as usize {
            self.evict(self.least_wanted(), observer);
        }
        let tcp = matches!(packet.transport, Transport::Tcp(_)).then(Box::<Connection>::default);
        let initiator_low = (orientation == Orientation::Forward) != reversed;
        let index = self.slab.insert(Slot {
            key,
            links: Links::loose(),
            initiator_low,
            flow,
            tcp,
        });
        let entry = Indexed { hash, slot: index };
        self.index
            .insert_unique(Indexed::spread(hash), entry, |i| Indexed::spread(i.hash));
        self.timers.link(&mut self.slab, index, class, self.clock);
        self.stats.opened += 1;
        self.stats.peak = self.stats.peak.max(self.slab.live());
        if let Some(slot) = self.slab.get_mut(index) {
            observer.opened(&mut slot.flow);
        }
        index
    }

    #[inline]
    fn follow<O: Observer<S>>(
        &mut self,
        index: u32,
        packet: &Packet,
        data: &[u8],
        orientation: Orientation,
        observer: &mut O,
    ) -> Option<(&mut Flow<S>, Direction)> {
        let (now, use_bad) = (self.clock, self.limits.use_bad_checksums);
        let slot = self.slab.get_mut(index)?;
        let direction = direction(slot.initiator_low, orientation);
        account(&mut slot.flow, packet, direction, now);
        let mut sink = Sink {
            flow: &mut slot.flow,
            observer,
            at: now,
            budget: &mut self.budget,
            policies: &self.policies,
        };
        let payload = packet.payload.of(data);
        match (&mut slot.tcp, &packet.transport) {
            (Some(connection), Transport::Tcp(tcp)) => {
                if !connection.accepts_checksum(tcp.checksum, direction, &mut sink) && !use_bad {
                    // Its receiver drops it.
                } else {
                    let cut = if packet.truncated {
                        cut_off(packet, tcp, data)
                    } else {
                        0
                    };
                    connection.push(
                        &Piece {
                            tcp,
                            direction,
                            payload,
                            cut,
                        },
                        &mut sink,
                    );
                }
                if connection.buffers() && sink.flow.stop_stream != [false; 2] {
                    connection.release(&mut sink);
                }
            }
            _ => {
                if sink.flow.state == State::New && sink.flow.packets[0] > 0 && sink.flow.packets[1] > 0 {
                    sink.flow.state = State::Established;
                }
                sink.content(direction, Content::Datagram(payload));
            }
        }
        let class = Class::of(&slot.flow);
        if slot.links.stale(class, now) {
            self.timers.unlink(&mut self.slab, index);
            self.timers.link(&mut self.slab, index, class, now);
        }
        self.slab.get_mut(index).map(|slot| (&mut slot.flow, direction))
    }

    /// Where all are too many: what is over first, then the oldest that was never answered, then the
    /// oldest.
    fn least_wanted(&self) -> Option<(Nanos, u32)> {
        let oldest_of = |classes: &[Class]| {
            let oldest = |class| self.timers.oldest(&self.slab, class);
            classes.iter().filter_map(|class| oldest(*class)).min()
        };
        oldest_of(&[Class::TcpClosed, Class::UdpSettled])
            .or_else(|| oldest_of(&[Class::TcpNew, Class::UdpNew]))
            .or_else(|| oldest_of(&Class::ALL))
    }

    /// Makes room for one.
    fn evict<O: Observer<S>>(&mut self, choice: Option<(Nanos, u32)>, observer: &mut O) {
        let Some((_, index)) = choice else {
            return;
        };
        let closed = self
            .slab
            .get(index)
            .is_some_and(|slot| slot.flow.state == State::Closed);
        self.stats.evicted += 1;
        self.stats.evicted_closed += u64::from(closed);
        let reason = if closed {
            CloseReason::Closed
        } else {
            CloseReason::Evicted
        };
        self.close(index, reason, observer);
    }

    /// Last first, so that the next to close is taken from the end.
    fn sort_closing(&mut self) {
        // Each id is read once: there may be a hundred thousand, and none is in the cache.
        let id = |i: u32| self.slab.get(i).map_or(0, |slot| slot.flow.id);
        let mut ids: Vec<(u64, u32)> = self.closing.iter().map(|i| (id(*i), *i)).collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        self.closing.clear();
        self.closing.extend(ids.iter().map(|(_, i)| *i));
    }

    fn close_part<O: Observer<S>>(
        &mut self,
        limit: usize,
        reason: impl Fn(&Flow<S>) -> CloseReason,
        observer: &mut O,
    ) -> bool {
        for done in 0..limit {
            if done % AHEAD == 0 {
                // As in `foresee`: what has been silent for long is in nobody's cache.
                let next = self.closing.iter().rev().take(AHEAD);
                std::hint::black_box(next.fold(0, |seen, slot| seen ^ self.slab.touch(*slot)));
            }
            let Some(index) = self.closing.pop() else { break };
            if let Some(slot) = self.slab.get(index) {
                let reason = reason(&slot.flow);
                self.close(index, reason, observer);
            }
        }
        !self.closing.is_empty()
    }

    fn close<O: Observer<S>>(&mut self, index: u32, reason: CloseReason, observer: &mut O) {
        self.timers.unlink(&mut self.slab, index);
        // Closed where it lies, and then dropped: it is large to be carried about.
        let Some(slot) = self.slab.get_mut(index) else {
            return;
        };
        let hash = slot.key.hash_with(self.limits.hash_seed) as u32;
        if let Ok(entry) = self.index.find_entry(Indexed::spread(hash), |i| i.slot == index) {
            entry.remove();
        }
        if let Some(connection) = &mut slot.tcp {
            // Not the table's clock: what is told must not depend on other conversations.
            let at = slot.flow.last;
            let (budget, policies) = (&mut self.budget, &self.policies);
            connection.flush(&mut Sink {
                flow: &mut slot.flow,
                observer,
                at,
                budget,
                policies,
            });
        }
        observer.closed(&mut slot.flow, reason);
        self.slab.free(index);
    }
}

/// Why a conversation that falls silent is over.
fn silent_reason<S>(flow: &Flow<S>) -> CloseReason {
    if flow.state == State::Closed {
        CloseReason::Closed
    } else {
        CloseReason::Timeout
    }
}

#[inline]
fn direction(initiator_low: bool, orientation: Orientation) -> Direction {
    if initiator_low == (orientation == Orientation::Forward) {
        Direction::ToResponder
    } else {
        Direction::ToInitiator
    }
}

/// Counts a packet.
#[inline]
fn account<S>(flow: &mut Flow<S>, packet: &Packet, direction: Direction, now: Nanos) {
    let i = direction.index();
    if flow.packets[i] == 0
        && let Some(macs) = packet.macs
    {
        let (sender, receiver) = match direction {
            Direction::ToResponder => (&mut flow.initiator, &mut flow.responder),
            Direction::ToInitiator => (&mut flow.responder, &mut flow.initiator),
        };
        sender.mac = sender.mac.or(named(macs.src));
        receiver.mac = receiver.mac.or(named(macs.dst));
    }
    flow.last = now;
    flow.packets[i] = flow.packets[i].wrapping_add(1);
    flow.bytes[i] = flow.bytes[i].wrapping_add(packet.wire_len.into());
    if let Transport::Tcp(tcp) = &packet.transport {
        flow.tcp_flags[i] |= tcp.flags;
    }
}

/// Payload bytes that the IP header promises but the capture does not hold (snap length).
#[cold]
fn cut_off(packet: &Packet, tcp: &Tcp, data: &[u8]) -> u32 {
    let Network::Ip(ip) = packet.network else {
        return 0;
    };
    let header = ip.header.of(data);
    let word = |at: usize| match header.get(at..at + 2) {
        Some(&[high, low]) => u32::from(u16::from_be_bytes([high, low])),
        _ => 0,
    };
    // RFC 791: total length. RFC 8200: length of all behind the 40 bytes of the fixed header.
    let total = if ip.src.is_ipv6() {
        word(4).saturating_add(40)
    } else {
        word(2)
    };
    let headers = ip.header.len.saturating_add(tcp.header.len);
    total.saturating_sub(headers).saturating_sub(packet.payload.len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_small() {
        let slot = size_of::<Option<Slot<()>>>();
        // A control byte and the share of empty places in the index.
        let index = (size_of::<Indexed>() + 1) * 8 / 7;
        assert!(
            slot + index <= 288,
            "a flow takes {slot} bytes and {index} in the index"
        );
        let tcp = size_of::<Connection>();
        assert!(tcp <= 128, "a TCP connection takes {tcp} bytes more");
    }
}
