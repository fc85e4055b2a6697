//! Sequences of segments and datagrams: the flow table's contract with its observer.
//!
//! Besides the contract: where the senders do not contradict themselves (every byte of a stream is
//! the low byte of its sequence number), what is delivered, gaps counted, is their stream.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use citywall_flow::{
    CloseReason, Content, Direction, Flow, FlowLimits, FlowStats, FlowTable, HostPolicies, HostPolicy,
    Observer, Segment, StreamMalformed, Timeouts, Urgent,
};
use citywall_packet::{
    Checksum, Ip, Macs, Network, OverlapPolicy, Packet, Span, Tcp, Transport, Vlans, tcp_flags,
};

const SECOND: i64 = 1_000_000_000;
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const HEADERS: u32 = 40;
const STEP: usize = 14;

/// Four bytes of settings, then [`STEP`] bytes for each packet.
pub fn run(data: &[u8]) {
    let Some((settings, rest)) = data.split_first_chunk::<4>() else {
        return;
    };
    let first = play(settings, rest, 1);
    let second = play(settings, rest, 2);
    assert_eq!(first, second, "the seed of the hash shows");
}

fn play(settings: &[u8; 4], rest: &[u8], hash_seed: u64) -> (Vec<(u64, CloseReason)>, FlowStats) {
    let [policy, flows, buffered, mode] = *settings;
    let buffered = usize::from(buffered) * 32;
    let limits = FlowLimits {
        half_open: 16,
        flows: 1 + u32::from(flows % 5),
        buffered_bytes: buffered,
        buffered_bytes_per_direction: buffered / 2,
        use_bad_checksums: mode & 1 == 1,
        timeouts: Timeouts {
            tcp_closed: 500,
            ..Timeouts::default()
        },
        hash_seed,
    };
    let host = HostPolicy {
        overlap: OverlapPolicy::ALL[usize::from(policy) % OverlapPolicy::ALL.len()],
        urgent: if mode & 2 == 0 {
            Urgent::InBand
        } else {
            Urgent::OutOfBand
        },
    };
    let mut table = FlowTable::new(limits, HostPolicies::new(host));
    let mut contract = Contract {
        consistent: mode & 6 == 4,
        spares: mode & 8 == 8,
        ..Contract::default()
    };
    let mut now = 0i64;
    for (id, step) in (0u64..).zip(rest.chunks_exact(STEP)) {
        let mut packet = Step::read(step);
        if contract.consistent {
            packet.salt = 0;
        }
        let before = now / SECOND;
        now += packet.pause;
        if now / SECOND > before {
            table.expire(now / SECOND * SECOND, &mut contract);
        }
        if packet.header.flags & tcp_flags::SYN != 0 {
            // Sequence numbers start anew.
            contract.open.values_mut().for_each(|seen| seen.next = [None; 2]);
        }
        packet.push(&mut table, &mut contract, id, now);
        let stats = table.stats();
        assert!(stats.live <= limits.flows as usize && stats.buffered <= limits.buffered_bytes);
        assert_eq!(stats.live, contract.open.len());
    }
    table.finish(&mut contract);
    assert!(contract.open.is_empty(), "not every conversation was closed");
    let stats = table.stats();
    assert_eq!((stats.live, stats.buffered), (0, 0));
    assert_eq!(stats.opened as usize, contract.gone.len());
    let mut gone: Vec<_> = contract.gone.into_iter().collect();
    gone.sort_by_key(|(id, _)| *id);
    (gone, stats)
}

/// Holds the observer's contract for each conversation.
#[derive(Default)]
struct Contract {
    open: HashMap<u64, Seen>,
    gone: HashMap<u64, CloseReason>,
    /// The streams do not contradict themselves.
    consistent: bool,
    /// Now and then nothing more is wanted of a stream.
    spares: bool,
}

#[derive(Default)]
struct Seen {
    ended: [bool; 2],
    told: Vec<(Direction, StreamMalformed)>,
    missing: [u64; 2],
    /// The next byte of each stream.
    next: [Option<u8>; 2],
}

impl Observer<()> for Contract {
    fn opened(&mut self, flow: &mut Flow<()>) {
        assert!(!self.gone.contains_key(&flow.id), "opened after it was closed");
        let before = self.open.insert(flow.id, Seen::default());
        assert!(before.is_none(), "opened twice");
    }

    fn segment(&mut self, flow: &mut Flow<()>, segment: Segment<'_>) {
        let i = segment.direction.index();
        assert!(!flow.stop_stream[i], "a segment that nobody wants");
        let seen = self.open.get_mut(&flow.id).expect("an open conversation");
        assert!(!seen.ended[i], "{:?} after the end", segment.content);
        match segment.content {
            Content::Bytes(bytes) => {
                assert!(!bytes.is_empty());
                if self.consistent {
                    let mut next = seen.next[i].unwrap_or(bytes[0]);
                    for &byte in bytes {
                        assert_eq!(byte, next, "the stream is not what was sent");
                        next = next.wrapping_add(1);
                    }
                    seen.next[i] = Some(next);
                }
            }
            Content::Gap(count) => {
                assert!(count > 0);
                seen.missing[i] += count;
                seen.next[i] = seen.next[i].map(|next| next.wrapping_add(count as u8));
            }
            Content::Datagram(_) => {}
            Content::End { .. } => seen.ended[i] = true,
        }
        if self.spares && segment.at % 7 == 3 {
            flow.stop_stream[i] = true;
        }
    }

    fn malformed(&mut self, flow: &mut Flow<()>, direction: Direction, kind: StreamMalformed) {
        let seen = self.open.get_mut(&flow.id).expect("an open conversation");
        assert!(!seen.told.contains(&(direction, kind)), "told twice");
        seen.told.push((direction, kind));
    }

    fn closed(&mut self, flow: &mut Flow<()>, reason: CloseReason) {
        let seen = self.open.remove(&flow.id).expect("an open conversation");
        assert_eq!(seen.missing, flow.missing);
        assert!(flow.start <= flow.last);
        self.gone.insert(flow.id, reason);
    }
}

/// One packet.
struct Step {
    forth: bool,
    ports: u16,
    header: Tcp,
    payload: usize,
    /// Bytes that the capture cut off.
    cut: u32,
    datagram: bool,
    pause: i64,
    /// Changes the payload where streams may contradict themselves.
    salt: u8,
}

impl Step {
    fn read(bytes: &[u8]) -> Step {
        let number = |a: u8, b: u8, wide: bool| {
            let value = u32::from(u16::from_be_bytes([a, b]));
            // Near each other, around the wrap of sequence numbers; sometimes anywhere.
            if wide { value << 16 } else { value.wrapping_sub(64) }
        };
        let kind = bytes[1];
        let rare = bytes[11];
        Step {
            forth: kind & 1 == 0,
            ports: u16::from(kind >> 1 & 3),
            header: Tcp {
                src_port: 0,
                dst_port: 0,
                seq: number(bytes[2], bytes[3], kind & 8 != 0),
                ack: number(bytes[4], bytes[5], kind & 16 != 0),
                flags: bytes[0],
                window: u16::from_be_bytes([bytes[6], bytes[7]]),
                urgent: bytes[9].into(),
                mss: None,
                window_scale: (kind & 32 != 0).then_some(bytes[8] & 31),
                sack_permitted: false,
                timestamp: (kind & 64 != 0).then_some((bytes[8].into(), 0)),
                header: Span { start: 20, len: 20 },
                checksum: if rare & 0xf0 == 0x40 {
                    Checksum::Invalid
                } else {
                    Checksum::Valid
                },
            },
            payload: bytes[10].into(),
            cut: if rare & 0xf0 == 0x10 {
                u32::from(rare & 15) * 5
            } else {
                0
            },
            datagram: rare & 0xf0 == 0x20,
            pause: match bytes[12] {
                near @ 0..=0xdf => near.into(),
                far => i64::from(far & 31) * 20 * SECOND,
            },
            salt: bytes[13],
        }
    }

    fn push(mut self, table: &mut FlowTable<()>, contract: &mut Contract, id: u64, now: i64) {
        let client = (CLIENT, 4_000 + self.ports);
        let server = (SERVER, 80);
        let (src, dst) = if self.forth {
            (client, server)
        } else {
            (server, client)
        };
        (self.header.src_port, self.header.dst_port) = (src.1, dst.1);
        // A SYN takes the first sequence number.
        let syn = u32::from(self.header.flags & tcp_flags::SYN != 0);
        let start = self.header.seq.wrapping_add(syn) as u8;
        let mut data = vec![0; HEADERS as usize];
        data.extend((0..self.payload).map(|i| start.wrapping_add(i as u8) ^ (self.salt & 1)));
        let total = data.len() as u32 + self.cut;
        data[2..4].copy_from_slice(&(total as u16).to_be_bytes());
        let transport = if self.datagram {
            Transport::Udp {
                src_port: src.1,
                dst_port: dst.1,
                checksum: Checksum::Valid,
            }
        } else {
            Transport::Tcp(self.header)
        };
        let packet = Packet {
            at: now,
            wire_len: 14 + total,
            cap_len: 14 + data.len() as u32,
            macs: Some(Macs {
                src: [2, 0, 0, 0, 0, 1],
                dst: [2, 0, 0, 0, 0, 2],
            }),
            ethertype: 0x0800,
            vlans: Vlans::default(),
            tunnel: None,
            tunnel_depth: 0,
            network: Network::Ip(Ip {
                src: src.0.into(),
                dst: dst.0.into(),
                protocol: if self.datagram { 17 } else { 6 },
                ttl: 64,
                tos: 0,
                id: 0,
                header: Span { start: 0, len: 20 },
                payload: Span {
                    start: 20,
                    len: data.len() as u32 - 20,
                },
                fragment: None,
                reassembled: false,
            }),
            transport,
            payload: Span {
                start: HEADERS,
                len: self.payload as u32,
            },
            truncated: self.cut > 0,
        };
        table.push(&packet, &data, id, now, contract);
    }
}
