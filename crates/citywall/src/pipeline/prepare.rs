//! From frames to packets that a worker can take: decoded, defragmented, numbered, sharded.
//!
//! Owns: effective time (which never goes backward), the share of each worker, and the budget of
//! decode anomalies. All of this happens before packets are spread over workers, so it does not
//! depend on their number.

use citywall_behaviour::{Class, Meter, Sample, Tally};
use citywall_capture::{Batch, FrameMeta};
use citywall_event::Nanos;
use citywall_flow::{FlowKey, KeyOptions};
use citywall_packet::{
    Defragmenter, Incomplete, Malformed, Network, Packet, Span, Transport, decode_into, decode_reassembled,
    tcp_flags, verify_transport,
};

use super::super::stats::PrepareStats;
use crate::settings::Settings;

/// One packet, ready for its worker.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ready {
    /// What it says, its checksums verified; spans are relative to `data`.
    pub packet: Packet,
    /// Its bytes, in the batch or in `Prepared::reassembled`.
    pub data: Span,
    /// Which of the two.
    pub reassembled: bool,
    /// Effective time.
    pub at: Nanos,
    /// Number in its source.
    pub number: u64,
    /// Its source.
    pub source: u16,
    /// The hash of its conversation's key; 0 where it is of none.
    pub hash: u64,
}

/// Which of the shares a packet falls to. Not by the low half of the hash: by that the worker's table
/// finds its buckets, which would then be every n-th only.
fn share(hash: u64, shares: usize) -> usize {
    (hash >> 32) as usize % shares.max(1)
}

/// Something that belongs to the packet at this place in `Prepared::packets`.
pub type At<T> = (u32, T);

/// A batch of packets, shared by all workers. What a worker does not need of it, it does not touch:
/// another core wrote it.
#[derive(Debug, Default)]
pub struct Prepared {
    /// The bytes.
    pub batch: Batch,
    /// Bytes of datagrams that were put together from fragments.
    pub reassembled: Vec<u8>,
    /// The packets, in order.
    pub packets: Vec<Ready>,
    /// By worker, the places of the packets that fall to it.
    pub shares: Vec<Vec<u32>>,
    /// The places before which all workers have something to do: the first packets of seconds of
    /// effective time, and those that tallies stand before.
    pub borders: Vec<u32>,
    /// What decoding found, in the order of the packets.
    pub malformed: Vec<At<Malformed>>,
    /// Datagrams that were given up, by a fragment of each, told with the packet at which that showed.
    pub incomplete: Vec<At<(Packet, Malformed)>>,
    /// What was counted of packets, in slices that ended before this packet.
    pub tallies: Vec<At<Tally>>,
    /// Effective time, source and number of the last packet (also where the batch is empty).
    pub last: (Nanos, u16, u64),
    /// Frames and bytes prepared so far, those of this batch included.
    pub counted: (u64, u64),
}

impl Prepared {
    /// The bytes of a packet.
    pub fn data(&self, ready: &Ready) -> &[u8] {
        ready.data.of(if ready.reassembled {
            &self.reassembled
        } else {
            &self.batch.bytes
        })
    }
}

/// Appends, and tells where. A batch holds far less than 4 GiB.
fn append(buffer: &mut Vec<u8>, bytes: &[u8]) -> Span {
    let start = buffer.len() as u32;
    buffer.extend_from_slice(bytes);
    Span {
        start,
        len: bytes.len() as u32,
    }
}

/// Decode anomalies of one kind that are written per second of packet time; more are counted.
const ANOMALIES_PER_SECOND: u32 = 50;

/// The state of preparation.
pub struct Preparer {
    defragmenter: Defragmenter,
    keys: KeyOptions,
    /// A secret, so that nobody can aim all conversations at one worker.
    seed: u64,
    /// Workers that the packets are shared out to.
    shares: usize,
    last: (Nanos, u16, u64),
    budget: AnomalyBudget,
    found: Vec<Malformed>,
    incomplete: Vec<Incomplete>,
    /// The last moment of the second that time has come to.
    until: Nanos,
    meter: Meter,
    counted: Vec<Tally>,
    /// Counts.
    pub stats: PrepareStats,
}

impl Preparer {
    /// A fresh start. Later settings (after a reload) change nothing: conversations stay where they are.
    /// `preparers` share the traffic, each for `workers` of its own.
    pub fn new(settings: &Settings, preparers: u16, workers: u16) -> Preparer {
        Preparer {
            defragmenter: settings.defragmenter(),
            keys: settings.key_options(),
            seed: settings.hash_seed,
            shares: workers.max(1).into(),
            last: (0, 0, 0),
            budget: AnomalyBudget::default(),
            found: Vec::new(),
            incomplete: Vec::new(),
            until: Nanos::MIN,
            meter: Meter::new(counting_seed(settings), preparers),
            counted: Vec::new(),
            stats: PrepareStats::default(),
        }
    }

    /// Live: time has come to at least `now` though no packet came. Returns effective time.
    pub fn advance(&mut self, now: Nanos) -> Nanos {
        self.last.0 = self.last.0.max(now);
        self.last.0
    }

    /// Effective time, source and number of the last packet.
    pub fn last(&self) -> (Nanos, u16, u64) {
        self.last
    }

    /// The input is over: what was never completed is counted.
    pub fn finish(&mut self) {
        self.defragmenter.expire(Nanos::MAX, &mut self.incomplete);
        for incomplete in self.incomplete.drain(..) {
            self.stats.malformed(incomplete.kind.name());
        }
    }

    /// Defragmentation counters.
    pub fn defragmenter(&self) -> &Defragmenter {
        &self.defragmenter
    }

    /// Decodes the frames of `prepared.batch`.
    pub fn prepare(&mut self, prepared: &mut Prepared) {
        prepared.packets.clear();
        prepared.shares.resize_with(self.shares, Vec::new);
        prepared.shares.iter_mut().for_each(Vec::clear);
        prepared.borders.clear();
        prepared.malformed.clear();
        prepared.incomplete.clear();
        prepared.reassembled.clear();
        prepared.tallies.clear();
        let frames = std::mem::take(&mut prepared.batch.frames);
        for meta in &frames {
            self.frame(meta, prepared);
        }
        prepared.batch.frames = frames;
        prepared.last = self.last;
        prepared.counted = (self.stats.packets, self.stats.bytes);
    }

    fn frame(&mut self, meta: &FrameMeta, prepared: &mut Prepared) {
        self.stats.frame(meta);
        self.last = (self.last.0.max(meta.at), meta.source, meta.number);
        let place = prepared.packets.len() as u32;
        let begins = self.last.0 > self.until;
        if begins {
            self.until = end_of_second(self.last.0);
            self.expire(place, prepared);
        }
        self.found.clear();
        // Made where it stays: it is too large to be carried about.
        prepared.packets.push(Ready::default());
        let Some(ready) = prepared.packets.last_mut() else {
            return;
        };
        let packet = &mut ready.packet;
        let frame = prepared.batch.frame(meta);
        decode_into(&frame, packet, &mut self.found);
        ready.data = meta.data;
        if is_fragment(packet) {
            let mut whole = self.defragmenter.push(packet, frame.data, &mut self.found);
            // A datagram may be cut again inside a tunnel: bounded, each round needs its own fragments.
            for _ in 0..4 {
                let Some(bytes) = whole.take() else { break };
                *packet = decode_reassembled(&bytes, packet, &mut self.found);
                if is_fragment(packet) {
                    whole = self.defragmenter.push(packet, &bytes, &mut self.found);
                }
                ready.reassembled = true;
                ready.data = append(&mut prepared.reassembled, &bytes);
            }
        }
        // Here, where the bytes are in the cache.
        let bytes = if ready.reassembled {
            &prepared.reassembled
        } else {
            &prepared.batch.bytes
        };
        verify_transport(packet, ready.data.of(bytes));
        ready.at = self.last.0;
        ready.number = meta.number;
        ready.source = meta.source;
        ready.hash = FlowKey::with(packet, self.keys).map_or(0, |(key, _)| key.hash_with(self.seed));
        if let Some(share) = prepared.shares.get_mut(share(ready.hash, self.shares)) {
            share.push(place);
        }
        self.count(packet, meta.wire_len);
        self.admit(place, &mut prepared.malformed);
        if begins || !self.counted.is_empty() {
            prepared.borders.push(place);
            let told = self.counted.drain(..).map(|tally| (place, tally));
            prepared.tallies.extend(told);
        }
    }

    /// Counts a packet by who sends and who receives it.
    #[inline]
    fn count(&mut self, packet: &Packet, bytes: u32) {
        let Network::Ip(ip) = packet.network else { return };
        let class = match packet.transport {
            Transport::Tcp(tcp) => match tcp.flags & (tcp_flags::SYN | tcp_flags::ACK) {
                tcp_flags::SYN => Class::Syn,
                both if both & tcp_flags::SYN != 0 => Class::SynAck,
                _ => Class::Tcp,
            },
            Transport::Udp {
                src_port, dst_port, ..
            } => Class::of_udp(src_port, dst_port),
            Transport::Icmp { v6, kind, .. } => Class::of_icmp(v6, kind),
            // Fragments, and what is cut: whether it asks is not known.
            _ if matches!(ip.protocol, 1 | 58) => Class::Icmp,
            _ => Class::Other,
        };
        let ports = match packet.transport {
            Transport::Tcp(tcp) => [tcp.src_port, tcp.dst_port],
            Transport::Udp {
                src_port, dst_port, ..
            } => [src_port, dst_port],
            _ => [0; 2],
        };
        let sample = Sample {
            src: ip.src,
            dst: ip.dst,
            class,
            ports,
            bytes,
        };
        self.meter.packet(self.last.0, &sample, &mut self.counted);
    }

    /// Datagrams that were never completed are told before the packet at which time showed it.
    fn expire(&mut self, place: u32, prepared: &mut Prepared) {
        self.defragmenter.expire(self.last.0, &mut self.incomplete);
        for incomplete in self.incomplete.drain(..) {
            self.stats.malformed(incomplete.kind.name());
            if self.budget.admit(incomplete.kind, self.last.0) {
                prepared
                    .incomplete
                    .push((place, (incomplete.first, incomplete.kind)));
            }
        }
    }

    /// Counts what was found and keeps what the budget allows.
    fn admit(&mut self, place: u32, told: &mut Vec<At<Malformed>>) {
        for kind in self.found.drain(..) {
            self.stats.malformed(kind.name());
            if self.budget.admit(kind, self.last.0) {
                told.push((place, kind));
            }
        }
    }
}

/// By what the meter's estimates are seeded. Live by the secret, so that nobody can aim at them. In a
/// replay by a constant: how many senders there were, about, must be the same each time, and who aims
/// at it there only makes a bounded table slow.
fn counting_seed(settings: &Settings) -> u64 {
    if settings.interface.is_some() {
        settings.hash_seed
    } else {
        0x9e37_79b9_7f4a_7c15
    }
}

/// The last moment of a moment's second. Not the first of the next, which the end of all time has none of: a capture
/// may say that it is then, and each packet would be the first of a second.
#[inline]
pub(super) fn end_of_second(at: Nanos) -> Nanos {
    let second = at.div_euclid(1_000_000_000).saturating_mul(1_000_000_000);
    second.saturating_add(999_999_999)
}

fn is_fragment(packet: &Packet) -> bool {
    matches!(packet.network, Network::Ip(ip) if ip.fragment.is_some())
}

/// How many anomalies of each kind were written in this second.
#[derive(Default)]
struct AnomalyBudget {
    second: i64,
    used: std::collections::BTreeMap<Malformed, u32>,
}

impl AnomalyBudget {
    fn admit(&mut self, kind: Malformed, at: Nanos) -> bool {
        let second = at.div_euclid(1_000_000_000);
        if second != self.second {
            self.second = second;
            self.used.clear();
        }
        let used = self.used.entry(kind).or_default();
        *used += 1;
        *used <= ANOMALIES_PER_SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Files;
    use citywall_packet::LinkType;

    /// A UDP packet of the conversation of `port`, there or back, in VLAN `vlan`.
    fn frame(port: u16, back: bool, vlan: u8) -> Vec<u8> {
        let mut ends = [(1, port), (2, 502)];
        if back {
            ends.reverse();
        }
        let [(src, src_port), (dst, dst_port)] = ends;
        let mut bytes = vec![2, 0, 0, 0, 0, dst, 2, 0, 0, 0, 0, src, 0x81, 0, 0, vlan, 8, 0];
        bytes.extend([
            0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, src, 10, 0, 0, dst,
        ]);
        bytes.extend([src_port.to_be_bytes(), dst_port.to_be_bytes(), [0, 8], [0, 0]].concat());
        bytes
    }

    /// Which of many workers each frame falls to.
    fn shards(settings: &Settings, frames: &[Vec<u8>], workers: usize) -> Vec<usize> {
        let prepared = prepared(settings, frames);
        let of = |ready: &Ready| share(ready.hash, workers);
        prepared.packets.iter().map(of).collect()
    }

    fn prepared(settings: &Settings, frames: &[Vec<u8>]) -> Prepared {
        let mut prepared = Prepared::default();
        for (number, bytes) in (1..).zip(frames) {
            let data = append(&mut prepared.batch.bytes, bytes);
            prepared.batch.frames.push(FrameMeta {
                data,
                wire_len: data.len,
                at: 0,
                link: LinkType::ETHERNET,
                source: 0,
                number,
            });
        }
        Preparer::new(settings, 1, 1).prepare(&mut prepared);
        prepared
    }

    fn settings() -> Settings {
        Settings::load(&Files::default(), None, None, None).expect("the defaults")
    }

    #[test]
    fn directions_with_vlans_of_their_own_meet_where_vlans_do_not_count() {
        let mut settings = settings();
        let frames = [frame(40_000, false, 100), frame(40_000, true, 101)];
        let apart = shards(&settings, &frames, 1_000);
        assert_ne!(apart[0], apart[1]);
        settings.config.flows.vlan_in_key = false;
        let together = shards(&settings, &frames, 1_000);
        assert_eq!(together[0], together[1]);
    }

    #[test]
    fn a_second_ends_also_at_the_end_of_all_time() {
        let ends = [-1, 0, 1_000_000_000, Nanos::MAX].map(end_of_second);
        assert_eq!(ends, [-1, 999_999_999, 1_999_999_999, Nanos::MAX]);
    }

    #[test]
    fn a_replay_counts_the_same_whatever_the_secret_is() {
        let mut settings = settings();
        let from_anywhere = |number: u16| {
            let mut frame = frame(40_000, false, 1);
            frame[32..34].copy_from_slice(&number.to_be_bytes());
            frame
        };
        let frames: Vec<_> = (0..600).map(from_anywhere).collect();
        settings.hash_seed = 1;
        let one = prepared(&settings, &frames).tallies;
        settings.hash_seed = 2;
        let other = prepared(&settings, &frames).tallies;
        assert!(!one.is_empty() && one == other, "{one:?} {other:?}");
        settings.interface = Some("eth0".into());
        assert_ne!(one, prepared(&settings, &frames).tallies);
    }

    #[test]
    fn nobody_can_aim_at_a_worker() {
        let mut settings = settings();
        let frames: Vec<_> = (1..=400).map(|port| frame(port, port % 2 == 0, 1)).collect();
        settings.hash_seed = 1;
        let of_two = shards(&settings, &frames, 2);
        // All that one seed sends to the first worker, under another seed.
        settings.hash_seed = 2;
        let chosen: Vec<_> = frames
            .iter()
            .zip(&of_two)
            .filter(|(_, worker)| **worker == 0)
            .collect();
        let again = shards(
            &settings,
            &chosen
                .iter()
                .map(|(frame, _)| (*frame).clone())
                .collect::<Vec<_>>(),
            2,
        );
        let still = again.iter().filter(|shard| **shard == 0).count();
        assert!((70..130).contains(&still), "{still} of {}", again.len());
    }
}
