//! What holds for all bytes: no panic, spans within the buffer, prefixes that agree.

use citywall_packet::{
    DefragLimits, Defragmenter, Frame, LinkType, Network, OverlapPolicies, Packet, Span, Transport, decode,
    decode_reassembled, describe, verify_transport,
};
use proptest::prelude::*;

use crate::build::*;

const LINKS: [u32; 14] = [0, 1, 9, 12, 14, 50, 51, 101, 108, 113, 195, 228, 229, 276];

/// Panics where a span of `packet` is not within a buffer of `length` bytes.
pub fn assert_in_bounds(packet: &Packet, length: usize) {
    let check = |name: &str, span: Span| {
        let end = span.start as usize + span.len as usize;
        assert!(end <= length, "{name} {span:?} ends behind {length}: {packet:?}");
    };
    check("payload", packet.payload);
    if let Network::Ip(ip) = packet.network {
        check("header", ip.header);
        check("ip payload", ip.payload);
        assert_eq!(ip.header.start + ip.header.len, ip.payload.start, "{packet:?}");
    }
    if let Transport::Tcp(tcp) = packet.transport {
        check("tcp header", tcp.header);
        assert_eq!(
            tcp.header.start + tcp.header.len,
            packet.payload.start,
            "{packet:?}"
        );
    }
    assert_eq!(packet.cap_len as usize, length);
}

/// Everything that is done to a packet, on any bytes.
fn exercise(frame: &Frame<'_>) {
    let mut out = Vec::new();
    let mut packet = decode(frame, &mut out);
    assert_in_bounds(&packet, frame.data.len());
    verify_transport(&mut packet, frame.data);
    describe(&packet, frame.data);
    let again = decode_reassembled(frame.data, &packet, &mut out);
    assert_in_bounds(&again, frame.data.len());
    let mut table = Defragmenter::new(DefragLimits::default(), OverlapPolicies::default());
    assert!(
        table
            .push(&packet, frame.data, &mut out)
            .is_none_or(|whole| !whole.is_empty())
    );
}

/// Frames that are right, of many kinds.
fn samples() -> Vec<(LinkType, Vec<u8>)> {
    let small = ipv4(17, &udp(1, 2, b"payload"));
    let inner = inner_ethernet(0x0800, &small);
    let options = b"\x02\x04\x05\xb4\x04\x02\x08\x0a\0\0\0\x07\0\0\0\0\x01\x03\x03\x07";
    let ah = join(&[&[17, 4, 0, 0], &[1; 20], &udp(1, 2, b"payload")]);
    let mut client = A6;
    client[2..4].copy_from_slice(&[0, 0]);
    let eth = |kind, payload: &[u8]| (LinkType::ETHERNET, ethernet(kind, payload));
    let v4 = |protocol, payload: &[u8]| eth(0x0800, &ipv4(protocol, payload));
    let v6 = |next, payload: &[u8]| eth(0x86dd, &ipv6(next, payload));
    vec![
        v4(6, &tcp(1, 2, 0x02, options, b"payload")),
        v4(51, &ah),
        v4(1, b"\x08\0\0\0\0\x01\0\x01payload"),
        v4(132, &[1; 40]),
        eth(
            0x88a8,
            &tag(
                3,
                0x8100,
                &tag(4, 0x0800, &ipv4(6, &tcp(1, 2, 0x18, &[], b"payload"))),
            ),
        ),
        v6(0, &extension(60, 1, &extension(17, 0, &udp(1, 2, b"payload")))),
        v6(44, &fragment6(17, 9, 1, b"a first fragment")),
        v6(58, b"\x80\0\0\0\0\x01\0\x01payload"),
        eth(0x8864, &pppoe(5, &join(&[&[0, 0x21], &small]))),
        eth(0x8847, &label(6, true, &small)),
        v4(47, &gre(0x2000, 0x6558, &join(&[&[0, 0, 0, 1], &inner]))),
        v4(
            47,
            &gre(
                0x1000,
                0x88be,
                &join(&[&[0, 0, 0, 1, 0x10, 5, 8, 0x64, 0, 0, 0, 3], &inner]),
            ),
        ),
        v4(41, &ipv6(17, &udp(1, 2, b"payload"))),
        v4(17, &udp(9, 4789, &vxlan(7, &inner))),
        v4(
            17,
            &udp(9, 6081, &geneve(1, 0x6558, 7, &join(&[b"optn", &inner]))),
        ),
        v4(
            17,
            &udp(9, 3544, &ipv6_between(client, B6, 17, &udp(1, 2, b"payload"))),
        ),
        (
            LinkType::LINUX_SLL,
            join(&[&[0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0, 8, 0], &small]),
        ),
        (LinkType::NULL, join(&[&[2, 0, 0, 0], &small])),
        (LinkType(9), join(&[&[0xff, 3, 0, 0x21], &small])),
        (LinkType::RAW, small),
    ]
}

#[test]
fn samples_are_clean() {
    for (link, data) in samples() {
        let mut out = Vec::new();
        let packet = decode(&frame(link, &data), &mut out);
        assert!(out.is_empty(), "{out:?} {}", describe(&packet, &data));
        assert!(
            matches!(packet.network, Network::Ip(_)),
            "{}",
            describe(&packet, &data)
        );
    }
}

/// Cut by the snap length at any place, a frame that is right stays free of anomalies, and says either
/// what the whole one says or less of it.
#[test]
fn any_prefix_says_the_same_or_less() {
    for (link, data) in samples() {
        let mut out = Vec::new();
        let whole = decode(&frame(link, &data), &mut out);
        for length in 0..data.len() {
            let cut = Frame {
                data: &data[..length],
                ..frame(link, &data)
            };
            let part = decode(&cut, &mut out);
            let text = describe(&part, cut.data);
            assert!(out.is_empty(), "{out:?} {text}");
            assert!(part.truncated, "{length} of {}: {text}", data.len());
            assert_in_bounds(&part, length);
            if part.tunnel_depth != whole.tunnel_depth {
                assert!(part.tunnel_depth < whole.tunnel_depth, "{text}");
                continue;
            }
            assert_eq!(part.tunnel, whole.tunnel, "{text}");
            assert!(part.macs == whole.macs || part.macs.is_none(), "{text}");
            agree(&part, &whole);
        }
    }
}

/// What a cut packet says of IP and transport is what the whole one says.
fn agree(part: &Packet, whole: &Packet) {
    if let (Network::Ip(some), Network::Ip(all)) = (part.network, whole.network) {
        assert_eq!(
            (some.src, some.dst, some.ttl, some.tos),
            (all.src, all.dst, all.ttl, all.tos)
        );
        assert_eq!(some.header.start, all.header.start);
        assert!(some.header.len <= all.header.len);
    } else {
        assert_eq!(part.network, Network::None);
    }
    match (part.transport, whole.transport) {
        (Transport::None, _) => {}
        (Transport::Tcp(some), Transport::Tcp(all)) => {
            assert_eq!(
                (some.src_port, some.dst_port, some.seq),
                (all.src_port, all.dst_port, all.seq)
            );
            assert!(some.mss.is_none() || some.mss == all.mss);
        }
        (some, all) => assert_eq!(some, all),
    }
    if part.transport != Transport::None && part.payload.len > 0 {
        assert_eq!(part.payload.start, whole.payload.start);
        assert!(part.payload.len < whole.payload.len);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes(data in prop::collection::vec(any::<u8>(), 0..200), more in 0u32..100) {
        for link in LINKS {
            let wire_len = data.len() as u32 + more;
            exercise(&Frame { data: &data, wire_len, at: 0, link: LinkType(link) });
        }
    }

    #[test]
    fn damaged_frames(
        which in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        length in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let samples = samples();
        let (link, mut data) = samples[which.index(samples.len())].clone();
        for (at, byte) in damage {
            let at = at.index(data.len());
            data[at] = byte;
        }
        let wire_len = data.len() as u32;
        if cut {
            data.truncate(length.index(data.len()));
        }
        exercise(&Frame { data: &data, wire_len, at: 0, link });
    }
}
