//! IPv4 options, IPv6 extension headers, fragments as `decode` shows them.

use citywall_packet::LinkType;
use expect_test::expect;

use crate::build::*;
use crate::told;

#[test]
fn ipv4_options_and_offload() {
    let timestamped = ipv4_with(17, 1, 0x4000, b"\x44\x04\x05\0", &udp(1, 2, b"hi"));
    expect![[r#"0000 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]]
        .assert_eq(&told(LinkType::RAW, &timestamped));
    // No length is believed of what is longer than a frame.
    let without_length = |payload: &[u8]| {
        let mut packet = ipv4(17, &udp(1, 2, payload));
        packet[2..4].copy_from_slice(&[0, 0]);
        fix_ipv4(&mut packet);
        told(LinkType::RAW, &packet)
    };
    expect![[r#"
        0000 | 35 "E\x00\x00\x00\x00\x01\x00\x00@\x11f\xea\n\x00\x00\x01\n\x00\x00\x02\x00\x01\x00\x02"..
        ! ipv4.total_length"#]]
    .assert_eq(&without_length(b"offload"));
    let large = without_length(&[b'x'; 1_600]);
    assert!(large.contains("udp 1>2 | 1600"), "{large}");
    let mut no_sum = ipv4(17, &udp(1, 2, b"offload"));
    no_sum[10..12].copy_from_slice(&[0, 0]);
    expect![[r#"0000 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 7 "offload""#]]
        .assert_eq(&told(LinkType::RAW, &no_sum));
}

#[test]
fn ipv4_fragments_have_no_transport() {
    let first = ipv4_with(17, 7, 0x2000, &[], &udp(1, 2, b"01234567"));
    expect![[r#"0000 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 7 fragment 0+ | 16 "\x00\x01\x00\x02\x00\x10\x1e\xf801234567""#]].assert_eq(&told(LinkType::RAW, &first));
    let last = ipv4_with(17, 7, 2, &[], b"tail");
    expect![[r#"0000 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 7 fragment 16 | 4 "tail""#]]
        .assert_eq(&told(LinkType::RAW, &last));
}

#[test]
fn ipv4_authentication_header() {
    let ah = join(&[&[17, 4, 0, 0], &[1; 20], &udp(1, 2, b"hi")]);
    expect![[r#"0000 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]]
        .assert_eq(&told(LinkType::RAW, &ipv4(51, &ah)));
}

#[test]
fn ipv6_extension_headers() {
    // Hop-by-hop, destination, routing (type 2), AH, destination, mobility, HIP, shim6.
    let chain = extension(
        60,
        0,
        &extension(43, 1, &join(&[&[51, 0, 2, 0, 0, 0, 0, 0], &ah_and_on()])),
    );
    expect![[r#"0000 2001:db8::1>2001:db8::2 proto 17 ttl 64 id 0 udp 1>2 | 4 "deep""#]]
        .assert_eq(&told(LinkType::RAW, &ipv6(0, &chain)));
    let none = ipv6(59, b"ignored");
    expect![[r#"0000 2001:db8::1>2001:db8::2 proto 59 ttl 64 id 0 other | 7 "ignored""#]]
        .assert_eq(&told(LinkType::RAW, &none));
    let mut class = ipv6(17, &udp(1, 2, b"hi"));
    class[0] = 0x6b;
    class[1] = 0x80;
    expect![[r#"0000 2001:db8::1>2001:db8::2 proto 17 ttl 64 id 0 tos 184 udp 1>2 | 2 "hi""#]]
        .assert_eq(&told(LinkType::RAW, &class));
}

fn ah_and_on() -> Vec<u8> {
    let rest = extension(139, 0, &extension(140, 0, &extension(17, 0, &udp(1, 2, b"deep"))));
    join(&[&[60, 4, 0, 0], &[1; 20], &extension(135, 0, &rest)])
}

#[test]
fn ipv6_fragments() {
    let first = ipv6(44, &fragment6(17, 0xabcd, 1, &udp(1, 2, b"01234567")));
    expect![[r#"0000 2001:db8::1>2001:db8::2 proto 17 ttl 64 id 43981 fragment 0+ | 16 "\x00\x01\x00\x02\x00\x10\x1e\xf801234567""#]].assert_eq(&told(LinkType::RAW, &first));
    let atomic = ipv6(44, &fragment6(17, 0xabcd, 0, &udp(1, 2, b"whole")));
    expect![[r#"0000 2001:db8::1>2001:db8::2 proto 17 ttl 64 id 43981 udp 1>2 | 5 "whole""#]]
        .assert_eq(&told(LinkType::RAW, &atomic));
}

#[test]
fn ipv6_jumbo_length() {
    let mut jumbo = ipv6(0, &join(&[&[17, 0, 0xc2, 4, 0, 1, 0, 0], &udp(1, 2, b"large")]));
    jumbo[4..6].copy_from_slice(&[0, 0]);
    expect![[r#"0000 2001:db8::1>2001:db8::2 proto 17 ttl 64 id 0 udp 1>2 | 5 "large""#]]
        .assert_eq(&told(LinkType::RAW, &jumbo));
}
