//! Reassembly: what comes out, what is reported, what is bounded.

use std::net::IpAddr;

use citywall_packet::{
    DefragLimits, Defragmenter, Frame, LinkType, Malformed, Nanos, OverlapPolicies, OverlapPolicy, Packet,
    decode, decode_reassembled,
};
use expect_test::expect;
use proptest::prelude::*;

use crate::build::*;
use crate::tell;

pub const SECOND: Nanos = 1_000_000_000;

/// A defragmenter with what it said so far.
pub struct Bench {
    pub table: Defragmenter,
    pub out: Vec<Malformed>,
}

impl Bench {
    pub fn new(limits: DefragLimits, policy: OverlapPolicy) -> Self {
        Bench {
            table: Defragmenter::new(limits, OverlapPolicies::new(policy)),
            out: Vec::new(),
        }
    }

    pub fn with(policy: OverlapPolicy) -> Self {
        Bench::new(DefragLimits::default(), policy)
    }

    pub fn push(&mut self, data: &[u8], at: Nanos) -> Option<Vec<u8>> {
        self.push_frame(LinkType::RAW, data, at).map(|(_, whole)| whole)
    }

    pub fn push_frame(&mut self, link: LinkType, data: &[u8], at: Nanos) -> Option<(Packet, Vec<u8>)> {
        let packet = decode(
            &Frame {
                at,
                ..frame(link, data)
            },
            &mut self.out,
        );
        Some((packet, self.table.push(&packet, data, &mut self.out)?))
    }

    pub fn names(&self) -> Vec<&'static str> {
        self.out.iter().map(|kind| kind.name()).collect()
    }
}

/// IPv4 fragment of protocol 17; offset in bytes.
pub fn piece(offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    ipv4_with(17, 7, (offset / 8) | if more { 0x2000 } else { 0 }, &[], payload)
}

/// IPv6 fragment of next header 17; offset in bytes.
pub fn piece6(offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    ipv6(44, &fragment6(17, 7, offset | u16::from(more), payload))
}

#[test]
fn ipv4_in_a_vlan() {
    let mut bench = Bench::with(OverlapPolicy::First);
    let whole = udp(1, 2, b"twenty-four bytes of it!");
    let tagged = |packet: &[u8]| ethernet(0x8100, &tag(5, 0x0800, packet));
    let options = b"\x94\x04\0\0";
    assert!(
        bench
            .push_frame(LinkType::ETHERNET, &tagged(&piece(16, false, &whole[16..])), 1)
            .is_none()
    );
    let first = ipv4_with(17, 7, 0x2000, options, &whole[..16]);
    let (last, data) = bench
        .push_frame(LinkType::ETHERNET, &tagged(&first), 2)
        .expect("it is whole");
    let packet = decode_reassembled(&data, &last, &mut bench.out);
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0800 vlan 5 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 7 reassembled udp 1>2 | 24 "twenty-four bytes of it!""#]].assert_eq(&tell(&packet, &data, &bench.out));
    assert_eq!(data, ipv4_with(17, 7, 0, options, &whole));
    expect!["DefragStats { fragments: 2, refused: 0, completed: 1, timed_out: 0, condemned: 0, evicted: 0, overlaps: 0, held: 0, held_bytes: 0 }"].assert_eq(&format!("{:?}", bench.table.stats()));
}

#[test]
fn ipv6_behind_extension_headers() {
    let mut bench = Bench::with(OverlapPolicy::First);
    let whole = extension(17, 0, &udp(1, 2, b"sixteen bytes: .."));
    let part = |offset: u16, more: bool, payload: &[u8]| {
        let fragment = fragment6(60, 9, offset | u16::from(more), payload);
        ipv6(
            0,
            &extension(43, 0, &join(&[&[44, 0, 2, 0, 0, 0, 0, 0], &fragment])),
        )
    };
    assert!(bench.push(&part(0, true, &whole[..16]), 1).is_none());
    let (last, data) = bench
        .push_frame(LinkType::RAW, &part(16, false, &whole[16..]), 2)
        .expect("it is whole");
    let packet = decode_reassembled(&data, &last, &mut bench.out);
    expect![[
        r#"0000 2001:db8::1>2001:db8::2 proto 17 ttl 64 id 0 reassembled udp 1>2 | 17 "sixteen bytes: ..""#
    ]]
    .assert_eq(&tell(&packet, &data, &bench.out));
    assert_eq!(
        data,
        ipv6(0, &extension(43, 0, &join(&[&[60, 0, 2, 0, 0, 0, 0, 0], &whole])))
    );
}

#[test]
fn a_fragmented_tunnel_with_a_fragmented_packet() {
    let mut bench = Bench::with(OverlapPolicy::First);
    let whole = udp(1, 2, b"within a tunnel");
    let mut result = None;
    for (offset, more, part) in [(0, true, &whole[..16]), (16, false, &whole[16..])] {
        let inner = piece(offset, more, part);
        for (at, more) in [(0, true), (24, false)] {
            let bytes = if more { &inner[..24] } else { &inner[24..] };
            let outer = ipv4_with(
                4,
                100 + offset,
                (at / 8) | if more { 0x2000 } else { 0 },
                &[],
                bytes,
            );
            if let Some((last, data)) = bench.push_frame(LinkType::RAW, &outer, 1) {
                let packet = decode_reassembled(&data, &last, &mut bench.out);
                if let Some(inside) = bench.table.push(&packet, &data, &mut bench.out) {
                    let packet = decode_reassembled(&inside, &packet, &mut bench.out);
                    result = Some(tell(&packet, &inside, &bench.out));
                }
            }
        }
    }
    expect![[r#"0000 [ip-in-ip 0 10.0.0.1>10.0.0.2] 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 7 reassembled udp 1>2 | 15 "within a tunnel""#]].assert_eq(&result.unwrap_or_default());
}

#[test]
fn vlans_and_ids_do_not_mix() {
    let mut bench = Bench::with(OverlapPolicy::First);
    let whole = udp(1, 2, b"12345678");
    let first = piece(0, true, &whole[..8]);
    let last = piece(8, false, &whole[8..]);
    let tagged = |id, packet: &[u8]| ethernet(0x8100, &tag(id, 0x0800, packet));
    assert!(
        bench
            .push_frame(LinkType::ETHERNET, &tagged(1, &first), 1)
            .is_none()
    );
    assert!(
        bench
            .push_frame(LinkType::ETHERNET, &tagged(2, &last), 1)
            .is_none()
    );
    assert!(bench.push(&last, 1).is_none());
    assert_eq!(bench.table.stats().held, 3);
    assert!(
        bench
            .push_frame(LinkType::ETHERNET, &tagged(1, &last), 1)
            .is_some()
    );
    // Fragments of one IPv6 datagram may name different next headers: the first counts.
    assert!(bench.push(&ipv6(44, &fragment6(59, 3, 8, b"!")), 1).is_none());
    let data = bench
        .push(&ipv6(44, &fragment6(17, 3, 1, b"12345678")), 1)
        .expect("it is whole");
    assert_eq!(data[6], 17);
}

#[test]
fn duplicates_are_told_and_harmless() {
    for make in [piece as fn(u16, bool, &[u8]) -> Vec<u8>, piece6] {
        let mut bench = Bench::with(OverlapPolicy::First);
        assert!(bench.push(&make(0, true, b"12345678"), 1).is_none());
        assert!(bench.push(&make(0, true, b"12345678"), 1).is_none());
        assert!(
            bench
                .push(&make(8, false, b"9"), 1)
                .is_some_and(|data| data.ends_with(b"123456789"))
        );
        assert_eq!(bench.names(), ["fragment.duplicate"]);
    }
}

#[test]
fn overlapping_ipv6_condemns_the_datagram() {
    for policy in OverlapPolicy::ALL {
        let mut bench = Bench::with(policy);
        assert!(bench.push(&piece6(0, true, b"1234567812345678"), 1).is_none());
        assert!(bench.push(&piece6(8, true, b"ABCDEFGH"), 1).is_none());
        assert!(bench.push(&piece6(0, true, b"1234567812345678"), 1).is_none());
        assert!(bench.push(&piece6(16, false, b"end"), 1).is_none());
        assert_eq!(
            bench.names(),
            ["fragment.overlap_different", "fragment.overlap_ipv6"]
        );
        let stats = bench.table.stats();
        assert_eq!((stats.condemned, stats.refused, stats.completed), (1, 2, 0));
        // It is forgotten without a word: it has been reported.
        let mut given_up = Vec::new();
        bench.table.expire(Nanos::MAX, &mut given_up);
        assert_eq!((given_up.len(), bench.table.stats().held_bytes), (0, 0));
    }
}

#[test]
fn time_out_by_packet_time() {
    let mut bench = Bench::with(OverlapPolicy::First);
    let mut given_up = Vec::new();
    bench.push(&piece(0, true, b"12345678"), SECOND);
    bench.push(&piece6(8, true, b"12345678"), 20 * SECOND);
    bench.table.expire(31 * SECOND, &mut given_up);
    assert!(given_up.is_empty());
    bench.table.expire(31 * SECOND + 1, &mut given_up);
    expect!["fragment.timeout 1 8 1000000000"].assert_eq(
        &given_up
            .iter()
            .map(|one| {
                format!(
                    "{} {} {} {}",
                    one.kind.name(),
                    one.fragments,
                    one.bytes,
                    one.first.at
                )
            })
            .collect::<Vec<_>>()
            .join("\n"),
    );
    // The same id again, after its time: the old half must not complete the new one.
    assert!(bench.push(&piece6(0, true, b"12345678"), 51 * SECOND).is_none());
    assert!(bench.push(&piece6(16, false, b"end"), 51 * SECOND).is_none());
    assert_eq!(bench.names(), ["fragment.timeout"]);
    // Time that goes backward ends nothing.
    assert!(bench.push(&piece6(8, true, b"12345678"), 0).is_some());
    assert_eq!(bench.table.stats().timed_out, 2);
}

#[test]
fn a_cut_or_corrupted_fragment_is_not_used() {
    let mut bench = Bench::with(OverlapPolicy::First);
    let data = piece(0, true, b"1234567812345678");
    let cut = Frame {
        wire_len: data.len() as u32,
        ..frame(LinkType::RAW, &data[..30])
    };
    let packet = decode(&cut, &mut bench.out);
    assert!(bench.table.push(&packet, cut.data, &mut bench.out).is_none());
    let mut corrupted = data;
    corrupted[8] ^= 1;
    assert!(bench.push(&corrupted, 1).is_none());
    assert_eq!((bench.table.stats().refused, bench.table.stats().held), (2, 0));
}

#[test]
fn limits_hold_and_the_oldest_goes_first() {
    let limits = DefragLimits {
        datagrams: 2,
        bytes: 10_000,
        fragments: 4,
        timeout: SECOND,
    };
    let mut bench = Bench::new(limits, OverlapPolicy::First);
    let part = |id: u16, offset: u16, length: usize| {
        ipv4_with(17, id, (offset / 8) | 0x2000, &[], &vec![b'x'; length])
    };
    for id in 0..5 {
        bench.push(&part(id, 0, 8), 1);
        assert!(bench.table.stats().held <= 2);
    }
    assert_eq!(bench.table.stats().evicted, 3);
    bench.push(&part(9, 0, 7000), 1);
    assert_eq!(
        bench.table.stats().held_bytes.cmp(&10_000),
        std::cmp::Ordering::Less
    );
    bench.push(&part(10, 0, 7000), 1);
    assert_eq!((bench.table.stats().held, bench.table.stats().evicted), (1, 6));
    // Larger than all there is.
    bench.push(&part(11, 0, 16_000), 1);
    assert_eq!((bench.table.stats().held, bench.table.stats().held_bytes), (0, 0));
    for turn in 0..4 {
        bench.push(&part(12, turn * 16, 8), 1);
    }
    assert_eq!((bench.table.stats().held, bench.table.stats().held_bytes), (0, 0));
    assert!(
        bench.names().iter().all(|name| *name == "fragment.limit"),
        "{:?}",
        bench.names()
    );
}

#[test]
fn the_policy_is_the_destination_hosts() {
    let mut policies = OverlapPolicies::new(OverlapPolicy::First);
    let subnet = IpAddr::from([10, 0, 0, 0]);
    policies
        .insert(subnet, 8, OverlapPolicy::Solaris)
        .expect("a prefix");
    policies
        .insert(IpAddr::from(B), 32, OverlapPolicy::Last)
        .expect("a prefix");
    assert_eq!(policies.of(IpAddr::from(B)), OverlapPolicy::Last);
    assert_eq!(policies.of(IpAddr::from(A)), OverlapPolicy::Solaris);
    assert_eq!(policies.of(IpAddr::from([11, 0, 0, 1])), OverlapPolicy::First);
    assert_eq!(policies.of(IpAddr::from(A6)), OverlapPolicy::First);
    policies
        .insert(IpAddr::from(A6), 0, OverlapPolicy::Windows)
        .expect("a prefix");
    assert_eq!(policies.of(IpAddr::from(B6)), OverlapPolicy::Windows);
    assert_eq!(policies.of(IpAddr::from([11, 0, 0, 1])), OverlapPolicy::First);
    let wrong = policies
        .insert(subnet, 33, OverlapPolicy::Last)
        .map_err(|error| error.to_string());
    expect![[r#"Err("the prefix length of 10.0.0.0/33 is larger than 32")"#]]
        .assert_eq(&format!("{wrong:?}"));
    let unknown = "amiga"
        .parse::<OverlapPolicy>()
        .map_err(|error| error.to_string());
    expect![[r#"Err("unknown overlap policy \"amiga\": expected first, last, bsd, bsd-right, linux, windows or solaris")"#]].assert_eq(&format!("{unknown:?}"));

    let mut table = Defragmenter::new(DefragLimits::default(), policies);
    let mut result = None;
    for data in [
        piece(0, true, b"oldoldol"),
        piece(0, true, b"newnewne"),
        piece(8, false, b"!"),
    ] {
        let packet = decode(&frame(LinkType::RAW, &data), &mut Vec::new());
        result = table.push(&packet, &data, &mut Vec::new());
    }
    assert!(result.is_some_and(|data| data.ends_with(b"newnewne!")));
}

/// The payload cut at multiples of 8 and shuffled: (offset, more, bytes).
fn split(payload: &[u8], cuts: &[usize]) -> Vec<(u16, bool, Vec<u8>)> {
    let mut places: Vec<usize> = cuts
        .iter()
        .map(|cut| cut * 8)
        .filter(|at| *at < payload.len())
        .collect();
    places.push(0);
    places.push(payload.len());
    places.sort_unstable();
    places.dedup();
    places
        .windows(2)
        .map(|pair| {
            (
                pair[0] as u16,
                pair[1] < payload.len(),
                payload[pair[0]..pair[1]].to_vec(),
            )
        })
        .collect()
}

proptest! {
    #[test]
    fn any_split_in_any_order_gives_the_same_datagram(
        payload in prop::collection::vec(any::<u8>(), 9..400),
        mut cuts in prop::collection::vec(1usize..50, 1..12),
        shuffle in prop::collection::vec(any::<u32>(), 16),
    ) {
        // One cut at least lies within the payload, so that there are two fragments.
        cuts[0] = cuts[0] % ((payload.len() - 1) / 8) + 1;
        let mut parts: Vec<_> = split(&payload, &cuts).into_iter().zip(shuffle).collect();
        prop_assert!(parts.len() > 1);
        parts.sort_by_key(|(_, key)| *key);
        for policy in OverlapPolicy::ALL {
            for (make, whole) in [
                (piece as fn(u16, bool, &[u8]) -> Vec<u8>, ipv4_with(17, 7, 0, &[], &payload)),
                (piece6, ipv6(17, &payload)),
            ] {
                let mut bench = Bench::with(policy);
                let mut results = Vec::new();
                for ((offset, more, bytes), _) in &parts {
                    results.extend(bench.push(&make(*offset, *more, bytes), 1));
                }
                prop_assert_eq!(&results, &vec![whole]);
                let stats = bench.table.stats();
                prop_assert_eq!((stats.held, stats.held_bytes, stats.overlaps), (0, 0, 0));
            }
        }
    }

    /// Whatever overlaps: no panic, the accounting ends at zero, and the bytes of the result come
    /// from a fragment that had them there.
    #[test]
    fn any_overlap_is_resolved_from_what_was_sent(
        parts in prop::collection::vec((0u16..8, 1u16..8, any::<bool>()), 1..30),
    ) {
        for policy in OverlapPolicy::ALL {
            let mut bench = Bench::with(policy);
            for (index, (offset, length, more)) in parts.iter().enumerate() {
                let bytes = vec![index as u8; usize::from(*length) * 8];
                if let Some(whole) = bench.push(&piece(offset * 8, *more, &bytes), 1) {
                    for (at, owner) in whole[20..].iter().enumerate() {
                        let (offset, length, _) = parts[usize::from(*owner)];
                        let range = usize::from(offset) * 8..usize::from(offset + length) * 8;
                        prop_assert!(range.contains(&at));
                    }
                }
            }
            bench.table.expire(Nanos::MAX, &mut Vec::new());
            let stats = bench.table.stats();
            prop_assert_eq!((stats.held, stats.held_bytes), (0, 0));
        }
    }
}
