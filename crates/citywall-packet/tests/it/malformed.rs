//! Every kind of anomaly is hit by a frame.

use std::collections::BTreeSet;

use citywall_packet::{DefragLimits, LinkType, Malformed, OverlapPolicy, decode};
use expect_test::expect;

use crate::build::*;
use crate::defrag::{Bench, SECOND, piece, piece6};

fn anomalies(link: LinkType, data: &[u8]) -> Vec<Malformed> {
    let mut out = Vec::new();
    decode(&frame(link, data), &mut out);
    out
}

/// `data` with the byte at `at` replaced, and the IPv4 checksum right again where there is one.
fn changed(mut data: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
    data[at] = byte;
    if data[0] >> 4 == 4 && data.len() >= usize::from(data[0] & 15) * 4 {
        fix_ipv4(&mut data);
    }
    data
}

fn link_cases() -> Vec<(LinkType, Vec<u8>)> {
    let eth = |kind, payload: &[u8]| (LinkType::ETHERNET, ethernet(kind, payload));
    let arp = |fixed: &[u8]| eth(0x0806, &join(&[fixed, &[0; 8]]));
    let mut tags = ipv4(17, &udp(1, 2, b""));
    tags = tag(1, 0x0800, &tags);
    for _ in 0..10 {
        tags = tag(1, 0x8100, &tags);
    }
    vec![
        (LinkType(195), vec![1]),
        (LinkType::ETHERNET, vec![1; 13]),
        eth(1501, b"x"),
        eth(100, b"\x42\x42\x03"),
        eth(0x8100, &[0, 1, 8]),
        eth(0x8100, &tags),
        (LinkType::LINUX_SLL, vec![0; 15]),
        (LinkType::LINUX_SLL2, vec![0; 19]),
        (LinkType::NULL, vec![2, 0, 0]),
        (LinkType::NULL, vec![7, 0, 0, 0]),
        (LinkType(9), vec![0xff, 3, 0]),
        eth(0x8864, &[0x11, 0, 0]),
        eth(0x8864, &[0x21, 0, 0, 0, 0, 0]),
        eth(0x8864, &[0x11, 0, 0, 1, 0, 9, 0xc0, 0x21]),
        eth(0x8847, &label(5, false, b"")),
        eth(0x8847, &[0; 4 * 17]),
        arp(&[0, 1, 8, 0, 6, 4, 0, 1]),
        arp(&[0, 1, 8, 0, 6, 16, 0, 1]),
        (LinkType::RAW, vec![0x50]),
    ]
}

fn ip_cases() -> Vec<(LinkType, Vec<u8>)> {
    let good = || ipv4(17, &udp(1, 2, b"hi"));
    let good6 = || ipv6(17, &udp(1, 2, b"hi"));
    let raw = |data| (LinkType::RAW, data);
    let mut chain = udp(1, 2, b"");
    for _ in 0..20 {
        chain = extension(139, 0, &chain);
    }
    let mut wrong_sum = good();
    wrong_sum[11] ^= 1;
    vec![
        raw(good()[..19].to_vec()),
        raw(good()[..29].to_vec()),
        (LinkType::IPV4, good6()),
        raw(changed(good(), 0, 0x44)),
        raw(changed(good(), 3, 19)),
        raw(wrong_sum),
        raw(ipv4_with(17, 1, 0, b"\x44\x09\x05\0", &udp(1, 2, b""))),
        raw(ipv4_with(17, 1, 0, b"\x83\x03\x04\0", &udp(1, 2, b""))),
        raw(good6()[..39].to_vec()),
        raw(good6()[..47].to_vec()),
        (LinkType::IPV6, ipv4(17, &udp(1, 2, b"as long as an IPv6 header"))),
        raw(ipv6(60, &[17, 1, 0, 0, 0, 0, 0, 0])),
        raw(ipv6(139, &chain)),
        raw(ipv6(60, &extension(0, 0, &extension(17, 0, &udp(1, 2, b""))))),
        raw(ipv6(43, &extension(43, 0, &extension(17, 0, &udp(1, 2, b""))))),
        raw(ipv6(43, &[17, 0, 0, 0, 0, 0, 0, 0])),
        raw(ipv6(51, &[17, 0, 0, 0, 0, 0, 0, 0])),
        raw(ipv4(51, &[17, 4, 0, 0])),
    ]
}

fn tunnel_cases() -> Vec<(LinkType, Vec<u8>)> {
    let raw = |data| (LinkType::RAW, data);
    let over_gre = |data: &[u8]| raw(ipv4(47, data));
    let over_udp = |port, data: &[u8]| raw(ipv4(17, &udp(1, port, data)));
    let inside = inner_ethernet(0x0800, &ipv4(17, &udp(1, 2, b"")));
    let mut nested = ipv4(17, &udp(1, 2, b""));
    for _ in 0..9 {
        nested = ipv4(4, &nested);
    }
    vec![
        raw(nested),
        over_gre(&[0, 0]),
        over_gre(&gre(0x2000, 0x0800, b"")),
        over_gre(&gre(2, 0x0800, b"")),
        over_gre(&gre(0x4000, 0x0800, b"")),
        over_gre(&gre(0x1001, 0x880b, &[0; 12])),
        over_gre(&gre(0x1000, 0x88be, &[0, 0, 0, 1, 0x10])),
        over_gre(&gre(0x1000, 0x88be, &[0; 40])),
        over_udp(4789, &join(&[&[8, 0, 1, 0, 0, 0, 1, 0], &inside])),
        over_udp(4789, &join(&[&[0, 0, 0, 0, 0, 0, 1, 0], &inside])),
        over_udp(6081, &geneve(0x40, 0x6558, 1, &inside)),
        over_udp(6081, &geneve(0x3f, 0x6558, 1, &inside)),
    ]
}

fn transport_cases() -> Vec<(LinkType, Vec<u8>)> {
    let raw = |protocol, data: &[u8]| (LinkType::RAW, ipv4(protocol, data));
    vec![
        raw(6, &[0; 19]),
        raw(6, &changed(tcp(1, 2, 0x10, &[], b""), 12, 0x60)),
        raw(6, &changed(tcp(1, 2, 0x10, &[], b""), 12, 0x40)),
        raw(6, &tcp(1, 2, 0x10, b"\x02\x03\x05\0", b"")),
        raw(6, &tcp(1, 2, 0x10, b"\xfe\x09\x05\0", b"")),
        raw(6, &tcp(1, 2, 0x02, b"\x03\x03\x0f\0", b"")),
        raw(6, &tcp(1, 2, 0x03, &[], b"")),
        raw(6, &tcp(1, 2, 0x00, &[], b"")),
        raw(17, &[0; 7]),
        raw(17, &changed(udp(1, 2, b""), 5, 7)),
        raw(17, &changed(udp(1, 2, b""), 5, 9)),
        raw(17, &join(&[&udp(1, 2, b""), b"more"])),
        raw(1, &[8, 0, 0, 0]),
        (LinkType::RAW, ipv6(58, &[128, 0, 0, 0])),
        raw(132, &[0; 11]),
        raw(2, &[0x16, 0, 0, 0]),
        raw(50, &[0; 7]),
    ]
}

/// Sequences of fragments.
fn fragment_cases() -> Vec<Vec<Vec<u8>>> {
    let eight = b"12345678";
    let sixteen = b"1234567812345678";
    vec![
        vec![piece(8, false, b"")],
        vec![piece(0, true, b"123456789")],
        vec![piece(65_528, false, eight)],
        vec![ipv4_with(6, 7, 0x2000, &[], eight)],
        vec![ipv6(44, &fragment6(60, 1, 1, &[6, 4, 0, 0, 0, 0, 0, 0]))],
        vec![piece(0, true, eight), piece(0, true, eight)],
        vec![piece(0, true, sixteen), piece(8, true, eight)],
        vec![piece(0, true, sixteen), piece(0, true, b"-+-+-+-+")],
        vec![
            piece(0, true, b"twenty-four bytes of it!"),
            piece(8, false, b"abc"),
        ],
        vec![
            piece(0, true, b"twenty-four bytes of it!"),
            piece(8, true, b"ur bytes"),
        ],
        vec![piece6(0, true, sixteen), piece6(8, true, eight)],
        vec![piece(8, false, b"abc"), piece(8, false, b"abcd")],
        // Options of the first fragment make the whole longer than its length field can say.
        vec![
            piece(65_504, false, eight),
            ipv4_with(17, 7, 0x2000, &[1; 40], &[0; 65_000]),
            piece(65_000, true, &[0; 504]),
        ],
    ]
}

#[test]
fn every_kind_is_hit() {
    let mut hit = BTreeSet::new();
    let mut lines = String::new();
    let groups = [link_cases(), ip_cases(), tunnel_cases(), transport_cases()];
    for (link, data) in groups.into_iter().flatten() {
        let found = anomalies(link, &data);
        assert!(!found.is_empty(), "nothing said of {link:?} {data:02x?}");
        lines.push_str(&found.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" "));
        lines.push('\n');
        hit.extend(found);
    }
    for sequence in fragment_cases() {
        let mut bench = Bench::with(OverlapPolicy::First);
        for data in &sequence {
            assert!(bench.push(data, 1).is_none());
        }
        lines.push_str(&bench.names().join(" "));
        lines.push('\n');
        hit.extend(bench.out);
    }
    let limits = DefragLimits {
        datagrams: 1,
        ..DefragLimits::default()
    };
    let mut bench = Bench::new(limits, OverlapPolicy::First);
    bench.push(&piece(0, true, b"12345678"), 1);
    bench.push(&piece6(0, true, b"12345678"), 1);
    bench.push(&piece6(0, true, b"12345678"), 40 * SECOND);
    hit.extend(bench.out);
    expect![[r#"
        link.unsupported
        ethernet.truncated
        ethernet.length
        ethernet.length
        vlan.truncated
        vlan.too_deep
        sll.truncated
        sll.truncated
        loopback.truncated
        loopback.family
        ppp.truncated
        pppoe.truncated
        pppoe.header
        pppoe.length
        mpls.truncated
        mpls.too_deep
        arp.truncated
        arp.format
        ip.version
        ipv4.truncated
        ipv4.truncated
        ipv4.version
        ipv4.header_length
        ipv4.total_length
        ipv4.checksum
        ipv4.option_length
        ipv4.source_route
        ipv6.truncated
        ipv6.truncated
        ipv6.version
        ipv6.extension_truncated
        ipv6.extension_chain
        ipv6.extension_order
        ipv6.extension_repeated
        ipv6.routing_type0 udp.truncated
        ah.length
        ah.length
        tunnel.too_deep
        gre.truncated
        gre.truncated
        gre.version
        gre.flags
        gre.flags
        erspan.truncated
        erspan.version
        vxlan.header
        vxlan.header
        geneve.version
        geneve.options
        tcp.truncated
        tcp.truncated
        tcp.header_length
        tcp.option_length
        tcp.option_length
        tcp.window_scale
        tcp.flags
        tcp.flags
        udp.truncated
        udp.length
        udp.length
        udp.surplus
        icmp.truncated
        icmpv6.truncated
        sctp.truncated
        igmp.truncated
        esp.truncated
        fragment.empty
        fragment.length
        fragment.too_large
        fragment.tiny_first
        fragment.tiny_first
        fragment.duplicate
        fragment.overlap_same
        fragment.overlap_different
        fragment.end_conflict
        fragment.overlap_different fragment.teardrop
        fragment.overlap_same fragment.overlap_ipv6
        fragment.end_conflict
        fragment.too_large
    "#]]
    .assert_eq(&lines);
    let missed: Vec<_> = Malformed::ALL.iter().filter(|kind| !hit.contains(kind)).collect();
    assert!(missed.is_empty(), "no frame hits {missed:?}");
}

#[test]
fn names_are_dotted_and_unique() {
    let names: BTreeSet<_> = Malformed::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), Malformed::ALL.len());
    for name in names {
        let (layer, what) = name.split_once('.').expect("a dot");
        let plain = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        assert!(plain(layer) && plain(what) && !what.is_empty(), "{name}");
    }
}
