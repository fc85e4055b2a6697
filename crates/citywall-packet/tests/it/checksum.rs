//! Checksums: right, wrong, left to the network card, not there.

use citywall_packet::{
    Checksum, DefragLimits, Defragmenter, LinkType, OverlapPolicies, Transport, decode, decode_reassembled,
    verify_transport,
};
use expect_test::expect;
use proptest::prelude::*;

use crate::build::*;
use crate::verified;

fn checksum_of(data: &[u8]) -> Option<Checksum> {
    let mut packet = decode(&frame(LinkType::RAW, data), &mut Vec::new());
    verify_transport(&mut packet, data);
    match packet.transport {
        Transport::Tcp(tcp) => Some(tcp.checksum),
        Transport::Udp { checksum, .. } | Transport::Icmp { checksum, .. } => Some(checksum),
        _ => None,
    }
}

/// A transport of each kind that has a checksum, and where its field lies in the raw IP packet.
fn samples(payload: &[u8]) -> Vec<(Vec<u8>, usize)> {
    let mut icmp = join(&[&[8, 0, 0, 0, 0, 1, 0, 1], payload]);
    let sum = checksum(&icmp);
    icmp[2..4].copy_from_slice(&sum);
    let mut icmp6 = join(&[&[128, 0, 0, 0, 0, 1, 0, 1], payload]);
    let sum = transport_sum(&A6, &B6, 58, &icmp6);
    icmp6[2..4].copy_from_slice(&sum);
    vec![
        (ipv4(6, &tcp(1, 2, 0x10, &[], payload)), 36),
        (ipv6(6, &tcp_between(&A6, &B6, 1, 2, 0x10, &[], payload)), 56),
        (ipv4(17, &udp(1, 2, payload)), 26),
        (ipv4(1, &icmp), 22),
        (ipv6(58, &icmp6), 42),
        (ipv6(60, &extension(58, 0, &icmp6)), 50),
    ]
}

#[test]
fn told_in_words() {
    let good = ipv4(6, &tcp(1, 2, 0x10, &[], b"odd"));
    expect![[
        r#"0000 10.0.0.1>10.0.0.2 proto 6 ttl 64 id 1 tcp 1>2 A seq 100 ack 200 win 8192 sum ok | 3 "odd""#
    ]]
    .assert_eq(&verified(LinkType::RAW, &good));
    let mut bad = good;
    bad[42] ^= 1;
    expect![[
        r#"0000 10.0.0.1>10.0.0.2 proto 6 ttl 64 id 1 tcp 1>2 A seq 100 ack 200 win 8192 sum BAD | 3 "ode""#
    ]]
    .assert_eq(&verified(LinkType::RAW, &bad));
}

#[test]
fn partial_sums_of_offload_are_tolerated() {
    for length in [0u32, 23] {
        let mut packet = ipv4(6, &tcp(1, 2, 0x10, &[], b"odd"));
        let pseudo = checksum(&join(&[&A, &B, &[0, 6], &length.to_be_bytes()]));
        packet[36..38].copy_from_slice(&[!pseudo[0], !pseudo[1]]);
        assert_eq!(
            checksum_of(&packet),
            Some(Checksum::Unverified),
            "length {length}"
        );
        packet[37] ^= 0x10;
        assert_eq!(checksum_of(&packet), Some(Checksum::Invalid), "length {length}");
    }
}

#[test]
fn joined_segments_are_unverified() {
    // 1,500 bytes fit a frame, so the sum is the sender's; one more, and a card may have joined it.
    for (payload, expected) in [(1_460, Checksum::Invalid), (1_461, Checksum::Unverified)] {
        let mut packet = ipv4(6, &tcp(1, 2, 0x10, &[], &vec![7; payload]));
        assert_eq!(checksum_of(&packet), Some(Checksum::Valid), "{payload}");
        packet[50] ^= 1;
        assert_eq!(checksum_of(&packet), Some(expected), "{payload}");
        let mut six = ipv6(6, &tcp_between(&A6, &B6, 1, 2, 0x10, &[], &vec![7; payload - 20]));
        assert_eq!(checksum_of(&six), Some(Checksum::Valid), "{payload}");
        six[70] ^= 1;
        assert_eq!(checksum_of(&six), Some(expected), "{payload}");
        let mut datagram = ipv4(17, &udp(1, 2, &vec![7; payload + 12]));
        datagram[50] ^= 1;
        assert_eq!(checksum_of(&datagram), Some(expected), "{payload}");
    }
    // Nobody joins echoes, and a wrong IP header is wrong at any length.
    let mut echo = ipv6(58, &join(&[&[128, 0, 0, 0, 0, 1, 0, 1], &[7; 2_000]]));
    assert_eq!(checksum_of(&echo), Some(Checksum::Invalid));
    echo = ipv4(6, &tcp(1, 2, 0x10, &[], &[7; 2_000]));
    echo[8] ^= 1;
    assert_eq!(checksum_of(&echo), Some(Checksum::Invalid));
}

#[test]
fn what_came_in_fragments_has_one_sum() {
    let mut datagram = udp(1, 2, &[7; 2_000]);
    datagram[100] ^= 1;
    let (first, last) = datagram.split_at(1_400);
    let (first, last) = (
        ipv4_with(17, 9, 0x2000, &[], first),
        ipv4_with(17, 9, 175, &[], last),
    );
    let mut defragmenter = Defragmenter::new(DefragLimits::default(), OverlapPolicies::default());
    let mut whole = None;
    for data in [&first, &last] {
        let packet = decode(&frame(LinkType::RAW, data), &mut Vec::new());
        whole = defragmenter
            .push(&packet, data, &mut Vec::new())
            .map(|bytes| (bytes, packet));
    }
    let (bytes, outer) = whole.expect("a whole datagram");
    let mut packet = decode_reassembled(&bytes, &outer, &mut Vec::new());
    verify_transport(&mut packet, &bytes);
    assert!(matches!(
        packet.transport,
        Transport::Udp {
            checksum: Checksum::Invalid,
            ..
        }
    ));
}

#[test]
fn absent_cut_and_fragmented_are_unverified() {
    let mut absent = ipv4(17, &udp(1, 2, b"hi"));
    absent[26..28].copy_from_slice(&[0, 0]);
    assert_eq!(checksum_of(&absent), Some(Checksum::Unverified));
    let mut absent6 = ipv6(17, &udp(1, 2, b"hi"));
    absent6[46..48].copy_from_slice(&[0, 0]);
    assert_eq!(
        checksum_of(&absent6),
        Some(Checksum::Invalid),
        "IPv6 requires one"
    );

    let mut cut = ipv4(17, &udp(1, 2, b"hi"));
    cut[27] ^= 1;
    cut.pop();
    let mut whole = frame(LinkType::RAW, &cut);
    whole.wire_len += 1;
    let mut packet = decode(&whole, &mut Vec::new());
    verify_transport(&mut packet, &cut);
    assert!(matches!(
        packet.transport,
        Transport::Udp {
            checksum: Checksum::Unverified,
            ..
        }
    ));
    assert_eq!(
        checksum_of(&ipv4_with(17, 1, 0x2000, &[], &udp(1, 2, b"12345678"))),
        None
    );
}

#[test]
fn a_wrong_ip_header_makes_the_transport_invalid() {
    for (mut packet, _) in samples(b"payload")
        .into_iter()
        .filter(|(packet, _)| packet[0] == 0x45)
    {
        packet[8] ^= 1;
        assert_eq!(checksum_of(&packet), Some(Checksum::Invalid));
    }
    let broken_options = ipv4_with(17, 1, 0, b"\x44\x09\x05\0", &udp(1, 2, b"hi"));
    assert_eq!(checksum_of(&broken_options), Some(Checksum::Invalid));
}

#[test]
fn rerouted_packets_are_unverified() {
    // The pseudo-header holds the last stop, which the header does not show on the way.
    let source_route = ipv4_with(
        6,
        1,
        0,
        b"\x83\x07\x04\x0a\0\0\x09\0",
        &tcp_between(&A, &[10, 0, 0, 9], 1, 2, 0x10, &[], b"x"),
    );
    assert_eq!(checksum_of(&source_route), Some(Checksum::Unverified));
    let last = [9; 16];
    let segment = tcp_between(&A6, &last, 1, 2, 0x10, &[], b"x");
    let routed = ipv6(43, &join(&[&[6, 2, 4, 1, 0, 0, 0, 0], &last, &segment]));
    assert_eq!(checksum_of(&routed), Some(Checksum::Unverified));
    let arrived = ipv6(43, &join(&[&[6, 2, 4, 0, 0, 0, 0, 0], &last, &segment]));
    assert_eq!(checksum_of(&arrived), Some(Checksum::Invalid));
    let mobile = tcp_between(&last, &B6, 1, 2, 0x10, &[], b"x");
    let home = ipv6(60, &join(&[&[6, 2, 1, 2, 0, 0, 0xc9, 16], &last, &mobile]));
    assert_eq!(checksum_of(&home), Some(Checksum::Unverified));
}

proptest! {
    #[test]
    fn right_is_valid_and_any_flipped_bit_is_not(
        payload in prop::collection::vec(any::<u8>(), 0..200),
        place in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        for (packet, field) in samples(&payload) {
            prop_assert_eq!(checksum_of(&packet), Some(Checksum::Valid));
            // A flip in the checksum field or behind it keeps the headers as they are.
            let behind = &packet[field..];
            let at = field + place.index(behind.len());
            let mut wrong = packet.clone();
            wrong[at] ^= 1 << bit;
            let result = checksum_of(&wrong);
            // One field in 65,536 happens to be the sum of the pseudo-header: that looks like offload.
            // ICMP over IPv4 has no pseudo-header, and so no such chance.
            prop_assert_ne!(result, Some(Checksum::Valid), "at {}", at);
            if packet[0] == 0x45 && packet[9] == 1 {
                prop_assert_eq!(result, Some(Checksum::Invalid), "at {}", at);
            }
        }
    }
}

#[test]
fn what_is_longer_than_it_is_its_receiver_drops() {
    let segment = tcp_between(&A, &B, 1, 2, 0x10, &[], b"x");
    let mut long = ipv4_with(6, 1, 0, b"", &segment);
    assert_eq!(checksum_of(&long), Some(Checksum::Valid));
    long[2..4].copy_from_slice(&1_400u16.to_be_bytes());
    long[10..12].copy_from_slice(&[0, 0]);
    assert_eq!(checksum_of(&long), Some(Checksum::Invalid));
    let mut long = ipv6(6, &tcp_between(&A6, &B6, 1, 2, 0x10, &[], b"x"));
    assert_eq!(checksum_of(&long), Some(Checksum::Valid));
    long[4..6].copy_from_slice(&1_400u16.to_be_bytes());
    assert_eq!(checksum_of(&long), Some(Checksum::Invalid));
}
