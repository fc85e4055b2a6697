//! What must hold for any traffic: the same stream however it is cut, and order among calls.

mod support;

use std::collections::HashMap;
use std::net::Ipv4Addr;

use citywall_flow::{
    CloseReason, Content, Direction, Flow, FlowLimits, FlowTable, HostPolicies, HostPolicy, Observer,
    Segment, StreamMalformed, Timeouts, Urgent,
};
use citywall_packet::{Checksum, OverlapPolicy, Span, Transport, tcp_flags};
use proptest::prelude::*;

use support::{SECOND, Transcript, bare, ip, tcp, tcp_packet};

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const POLICIES: [OverlapPolicy; 7] = [
    OverlapPolicy::First,
    OverlapPolicy::Last,
    OverlapPolicy::Bsd,
    OverlapPolicy::BsdRight,
    OverlapPolicy::Linux,
    OverlapPolicy::Windows,
    OverlapPolicy::Solaris,
];

proptest! {
    /// Cut, reordered, repeated: without contradiction the stream is the same, under each policy.
    #[test]
    fn any_cut_gives_the_same_stream(
        policy in prop::sample::select(&POLICIES[..]),
        isn in prop_oneof![Just(u32::MAX - 50), any::<u32>()],
        stream in prop::collection::vec(any::<u8>(), 1..200),
        cuts in prop::collection::vec(1usize..40, 1..40),
        extra in prop::collection::vec((any::<prop::sample::Index>(), 1usize..60), 0..20),
        order in any::<u64>(),
    ) {
        let mut pieces = Vec::new();
        let mut at = 0;
        for cut in cuts.iter().cycle() {
            let end = (at + cut).min(stream.len());
            pieces.push((at, end));
            at = end;
            if at == stream.len() {
                break;
            }
        }
        for (start, len) in &extra {
            let start = start.index(stream.len());
            pieces.push((start, (start + len).min(stream.len())));
        }
        // A cheap shuffle that shrinks well.
        pieces.sort_by_key(|(start, end)| order.wrapping_mul(2 * *start as u64 + 1).rotate_left(*end as u32 % 64));

        let host = HostPolicy { overlap: policy, urgent: Urgent::InBand };
        let mut table = FlowTable::new(FlowLimits::default(), HostPolicies::new(host));
        let mut transcript = Transcript::default();
        let mut push = |header, payload: &[u8], forth: bool| {
            let (src, dst) = if forth { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
            let (packet, data) = tcp_packet(src, dst, header, payload, 0);
            table.push(&packet, &data, 0, 0, &mut transcript);
        };
        push(tcp(4000, 80, tcp_flags::SYN, isn, 0), b"", true);
        push(tcp(80, 4000, tcp_flags::SYN | tcp_flags::ACK, 7, isn.wrapping_add(1)), b"", false);
        for (start, end) in pieces {
            let seq = isn.wrapping_add(1 + start as u32);
            push(tcp(4000, 80, tcp_flags::ACK, seq, 8), &stream[start..end], true);
        }
        let fin = isn.wrapping_add(1 + stream.len() as u32);
        push(tcp(4000, 80, tcp_flags::ACK | tcp_flags::FIN, fin, 8), b"", true);
        prop_assert_eq!(table.stats().buffered, 0);
        table.finish(&mut transcript);
        prop_assert_eq!(&transcript.streams[0], &stream);
        prop_assert!(!transcript.text.contains("! tcp."), "{}", transcript.text);
        prop_assert!(transcript.text.contains("\n> (end)\n"));
    }
}

/// Holds the observer's contract for each conversation.
#[derive(Default)]
struct Contract {
    open: HashMap<u64, Seen>,
    gone: HashMap<u64, CloseReason>,
    last: i64,
}

#[derive(Default)]
struct Seen {
    ended: [bool; 2],
    told: Vec<(Direction, StreamMalformed)>,
    missing: [u64; 2],
}

impl Observer<()> for Contract {
    fn opened(&mut self, flow: &mut Flow<()>) {
        assert!(!self.gone.contains_key(&flow.id), "opened after it was closed");
        assert!(
            self.open.insert(flow.id, Seen::default()).is_none(),
            "opened twice"
        );
    }

    fn segment(&mut self, flow: &mut Flow<()>, segment: Segment<'_>) {
        let i = segment.direction.index();
        assert!(!flow.stop_stream[i], "a segment that nobody wants");
        let seen = self.open.get_mut(&flow.id).expect("an open conversation");
        assert!(!seen.ended[i], "{:?} after the end", segment.content);
        match segment.content {
            Content::Bytes(bytes) => assert!(!bytes.is_empty()),
            Content::Gap(count) => {
                assert!(count > 0);
                seen.missing[i] += count;
            }
            Content::Datagram(_) => {}
            Content::End { .. } => seen.ended[i] = true,
        }
        if segment.at % 7 == 3 {
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
        assert!(flow.start <= flow.last && flow.last >= self.last.min(flow.last));
        self.gone.insert(flow.id, reason);
    }
}

#[derive(Clone, Debug)]
struct Step {
    forth: bool,
    ports: u16,
    flags: u8,
    seq: u32,
    ack: u32,
    window: u16,
    scale: Option<u8>,
    stamp: Option<u32>,
    urgent: u16,
    payload: usize,
    cut: u32,
    bad: bool,
    datagram: bool,
    pause: i64,
}

fn step() -> impl Strategy<Value = Step> {
    // Mostly near each other, so that sequences mean something; sometimes anything.
    let number = || prop_oneof![8 => 0u32..60, 2 => (u32::MAX - 30)..=u32::MAX, 1 => any::<u32>()];
    let flags = prop_oneof![
        6 => Just(tcp_flags::ACK),
        2 => Just(tcp_flags::SYN),
        2 => Just(tcp_flags::SYN | tcp_flags::ACK),
        1 => Just(tcp_flags::FIN | tcp_flags::ACK),
        1 => Just(tcp_flags::RST),
        1 => any::<u8>(),
    ];
    (
        (any::<bool>(), 1u16..4, flags, number(), number()),
        (
            prop_oneof![Just(0u16), 0u16..100, any::<u16>()],
            prop::option::of(0u8..20),
        ),
        (
            prop::option::weighted(0.3, 0u32..20),
            0u16..40,
            0usize..40,
            prop_oneof![9 => Just(0u32), 1 => 0u32..50],
        ),
        (
            prop::bool::weighted(0.05),
            prop::bool::weighted(0.05),
            prop_oneof![20 => 0i64..1_000, 1 => 0i64..1_000 * SECOND],
        ),
    )
        .prop_map(
            |(
                (forth, ports, flags, seq, ack),
                (window, scale),
                (stamp, urgent, payload, cut),
                (bad, datagram, pause),
            )| {
                Step {
                    forth,
                    ports,
                    flags,
                    seq,
                    ack,
                    window,
                    scale,
                    stamp,
                    urgent,
                    payload,
                    cut,
                    bad,
                    datagram,
                    pause,
                }
            },
        )
}

fn push_step(table: &mut FlowTable<()>, contract: &mut Contract, id: u64, now: i64, step: &Step) {
    let (src, dst) = if step.forth {
        (CLIENT, SERVER)
    } else {
        (SERVER, CLIENT)
    };
    let (src_port, dst_port) = if step.forth {
        (4000 + step.ports, 80)
    } else {
        (80, 4000 + step.ports)
    };
    let mut header = tcp(src_port, dst_port, step.flags, step.seq, step.ack);
    header.window = step.window;
    header.window_scale = step.scale;
    header.timestamp = step.stamp.map(|value| (value, 0));
    header.urgent = step.urgent;
    if step.bad {
        header.checksum = Checksum::Invalid;
    }
    let payload: Vec<u8> = (0..step.payload)
        .map(|i| (step.seq as usize + i + id as usize / 9) as u8)
        .collect();
    let (mut packet, data) = tcp_packet(src, dst, header, &payload, step.cut);
    if step.datagram {
        packet.network = ip(src.into(), dst.into(), 17);
        packet.transport = Transport::Udp {
            src_port,
            dst_port,
            checksum: Checksum::Valid,
        };
    }
    table.push(&packet, &data, id, now, contract);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever comes: no panic, the observer's contract holds, limits hold, and a second run
    /// gives the same.
    #[test]
    fn any_packets(
        steps in prop::collection::vec(step(), 0..80),
        flows in 1u32..5,
        buffered in 0usize..3_000,
        use_bad_checksums in any::<bool>(),
        urgent in prop::sample::select(&[Urgent::InBand, Urgent::OutOfBand][..]),
        overlap in prop::sample::select(&POLICIES[..]),
    ) {
        let limits = FlowLimits {
            flows,
            buffered_bytes: buffered,
            buffered_bytes_per_direction: buffered / 2,
            use_bad_checksums,
            timeouts: Timeouts { tcp_closed: 500, ..Timeouts::default() },
            ..FlowLimits::default()
        };
        let run = |seed| {
            let limits = FlowLimits { hash_seed: seed, ..limits };
            let mut table = FlowTable::new(limits, HostPolicies::new(HostPolicy { overlap, urgent }));
            let mut contract = Contract::default();
            let mut now = 0;
            for (id, step) in (0u64..).zip(&steps) {
                let before = now / SECOND;
                now += step.pause;
                if now / SECOND > before {
                    table.expire(now / SECOND * SECOND, &mut contract);
                }
                push_step(&mut table, &mut contract, id, now, step);
                let stats = table.stats();
                assert!(stats.live <= flows as usize && stats.buffered <= buffered);
                assert_eq!(stats.live, contract.open.len());
            }
            table.finish(&mut contract);
            assert!(contract.open.is_empty());
            let stats = table.stats();
            assert_eq!((stats.live, stats.buffered), (0, 0));
            assert_eq!(stats.opened as usize, contract.gone.len());
            let mut gone: Vec<_> = contract.gone.into_iter().collect();
            gone.sort_by_key(|(id, _)| *id);
            (gone, stats)
        };
        prop_assert_eq!(run(1), run(2));
    }

    /// Spans that point nowhere are empty payloads.
    #[test]
    fn wild_spans(start in any::<u32>(), len in any::<u32>(), header in any::<u32>(), truncated in any::<bool>()) {
        let mut table = FlowTable::new(FlowLimits::default(), HostPolicies::default());
        let mut contract = Contract::default();
        let header_span = Span { start: header, len };
        let mut segment = tcp(1, 2, tcp_flags::ACK, 5, 5);
        segment.header = header_span;
        let mut network = ip(CLIENT.into(), SERVER.into(), 6);
        if let citywall_packet::Network::Ip(ip) = &mut network {
            ip.header = header_span;
        }
        let packet = citywall_packet::Packet {
            network,
            transport: Transport::Tcp(segment),
            payload: Span { start, len },
            truncated,
            ..bare()
        };
        for id in 0..3 {
            table.push(&packet, &[0xff; 64], id, 0, &mut contract);
        }
        table.finish(&mut contract);
        prop_assert!(contract.open.is_empty());
    }
}
