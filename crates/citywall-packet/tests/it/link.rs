//! Link layers and ARP.

use citywall_packet::LinkType;
use expect_test::expect;

use crate::build::*;
use crate::{told, told_cut};

fn small() -> Vec<u8> {
    ipv4(17, &udp(1, 2, b"hi"))
}

#[test]
fn ethernet_and_padding() {
    let mut frame = ethernet(0x0800, &small());
    frame.resize(60, 0);
    expect![[
        r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0800 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#
    ]]
    .assert_eq(&told(LinkType::ETHERNET, &frame));
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 88cc | 4 "lldp""#]]
        .assert_eq(&told(LinkType::ETHERNET, &ethernet(0x88cc, b"lldp")));
}

#[test]
fn vlan_tags() {
    let one = ethernet(0x8100, &tag(0x2005, 0x0800, &small()));
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0800 vlan 5 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]].assert_eq(&told(LinkType::ETHERNET, &one));
    let two = ethernet(0x88a8, &tag(100, 0x8100, &tag(7, 0x86dd, &ipv6(59, b""))));
    expect!["02:00:00:00:00:0a>02:00:00:00:00:0b 86dd vlan 100 vlan 7 2001:db8::1>2001:db8::2 proto 59 ttl 64 id 0 other | 0"].assert_eq(&told(LinkType::ETHERNET, &two));
    let three = ethernet(
        0x9100,
        &tag(1, 0x8100, &tag(2, 0x8100, &tag(3, 0x0800, &small()))),
    );
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0800 vlan 1 vlan 2 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]].assert_eq(&told(LinkType::ETHERNET, &three));
    let priority_only = ethernet(0x8100, &tag(0xe000, 0x0800, &small()));
    expect![[
        r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0800 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#
    ]]
    .assert_eq(&told(LinkType::ETHERNET, &priority_only));
    let redundancy_tag = ethernet(0x892f, &join(&[&[0, 9, 0, 1], &[0x88, 0xb8], b"goose"]));
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 88b8 | 5 "goose""#]]
        .assert_eq(&told(LinkType::ETHERNET, &redundancy_tag));
}

#[test]
fn ieee_802_3() {
    let mut bpdu = ethernet(5, b"\x42\x42\x03ab");
    bpdu.resize(60, 0);
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0000 | 5 "BB\x03ab""#]]
        .assert_eq(&told(LinkType::ETHERNET, &bpdu));
    let snap = join(&[b"\xaa\xaa\x03\0\0\0\x08\0", &small()]);
    expect![[
        r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0800 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#
    ]]
    .assert_eq(&told(LinkType::ETHERNET, &ethernet(snap.len() as u16, &snap)));
    let cdp = join(&[b"\xaa\xaa\x03\0\0\x0c\x20\0", b"cdp"]);
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0000 | 11 "\xaa\xaa\x03\x00\x00\x0c \x00cdp""#]]
        .assert_eq(&told(LinkType::ETHERNET, &ethernet(cdp.len() as u16, &cdp)));
    let tagged = ethernet(0x8100, &tag(4, 3, b"\x42\x42\x03padding"));
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0000 vlan 4 | 3 "BB\x03""#]]
        .assert_eq(&told(LinkType::ETHERNET, &tagged));
}

#[test]
fn linux_cooked() {
    let v1 = join(&[&[0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0, 8, 0], &small()]);
    expect![[
        r#"02:00:00:00:00:09>00:00:00:00:00:00 0800 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#
    ]]
    .assert_eq(&told(LinkType::LINUX_SLL, &v1));
    let no_address = join(&[&[0, 4, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0], &small()]);
    expect![[r#"0800 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]]
        .assert_eq(&told(LinkType::LINUX_SLL, &no_address));
    let netlink = join(&[&[0, 4, 3, 0x38, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16], b"nl"]);
    expect![[r#"0000 | 2 "nl""#]].assert_eq(&told(LinkType::LINUX_SLL, &netlink));
    let llc = join(&[
        &[0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0, 0, 4],
        b"\x42\x42\x03x",
    ]);
    expect![[r#"02:00:00:00:00:09>00:00:00:00:00:00 0000 | 4 "BB\x03x""#]]
        .assert_eq(&told(LinkType::LINUX_SLL, &llc));
    let head = [0x86, 0xdd, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0];
    let v2 = join(&[&head, &ipv6(17, &udp(1, 2, b"hi"))]);
    expect![[r#"02:00:00:00:00:09>00:00:00:00:00:00 86dd 2001:db8::1>2001:db8::2 proto 17 ttl 64 id 0 udp 1>2 | 2 "hi""#]].assert_eq(&told(LinkType::LINUX_SLL2, &v2));
}

#[test]
fn loopback_in_both_byte_orders() {
    for (family, payload) in [(2u32, small()), (30, ipv6(59, b"")), (24, ipv6(59, b""))] {
        let little = told(LinkType::NULL, &join(&[&family.to_le_bytes(), &payload]));
        let big = told(LinkType::LOOP, &join(&[&family.to_be_bytes(), &payload]));
        assert_eq!(little, big);
        assert!(little.contains('>'), "{little}");
    }
    expect![[r#"0800 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]]
        .assert_eq(&told(LinkType::NULL, &join(&[&[2, 0, 0, 0], &small()])));
}

#[test]
fn raw_ip() {
    let v4 = told(LinkType::RAW, &small());
    expect![[r#"0000 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]].assert_eq(&v4);
    for link in [12, 14, 228] {
        assert_eq!(told(LinkType(link), &small()), v4);
    }
    let v6 = told(LinkType::RAW, &ipv6(59, b""));
    expect!["0000 2001:db8::1>2001:db8::2 proto 59 ttl 64 id 0 other | 0"].assert_eq(&v6);
    assert_eq!(told(LinkType::IPV6, &ipv6(59, b"")), v6);
}

#[test]
fn ppp() {
    let plain = told(LinkType(9), &join(&[&[0xff, 3, 0, 0x21], &small()]));
    expect![[r#"0800 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]].assert_eq(&plain);
    assert_eq!(told(LinkType(9), &join(&[&[0x21], &small()])), plain);
    assert_eq!(told(LinkType(50), &join(&[&[0xff, 3, 0, 0x21], &small()])), plain);
    expect![[r#"0000 | 7 "\xff\x03\xc0!lcp""#]].assert_eq(&told(LinkType(9), b"\xff\x03\xc0\x21lcp"));
}

#[test]
fn pppoe_session() {
    let v4 = ethernet(0x8864, &pppoe(77, &join(&[&[0, 0x21], &small(), b""])));
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0800 [pppoe 77] 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]].assert_eq(&told(LinkType::ETHERNET, &v4));
    let v6 = ethernet(
        0x8864,
        &join(&[&pppoe(78, &join(&[&[0, 0x57], &ipv6(59, b"")])), b"padding"]),
    );
    expect!["02:00:00:00:00:0a>02:00:00:00:00:0b 86dd [pppoe 78] 2001:db8::1>2001:db8::2 proto 59 ttl 64 id 0 other | 0"].assert_eq(&told(LinkType::ETHERNET, &v6));
    let bare = pppoe(79, &join(&[&[0, 0x21], &small()]));
    expect![[r#"0800 [pppoe 79] 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]]
        .assert_eq(&told(LinkType(51), &bare));
    let echo = ethernet(0x8864, &pppoe(77, b"\xc0\x21echo"));
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 8864 | 12 "\x11\x00\x00M\x00\x06\xc0!echo""#]]
        .assert_eq(&told(LinkType::ETHERNET, &echo));
}

#[test]
fn mpls() {
    let ip = ethernet(0x8847, &label(16, false, &label(17, true, &small())));
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0800 [mpls 17] 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]].assert_eq(&told(LinkType::ETHERNET, &ip));
    let ip6 = ethernet(0x8847, &label(2, true, &ipv6(59, b"")));
    expect!["02:00:00:00:00:0a>02:00:00:00:00:0b 86dd [mpls 2] 2001:db8::1>2001:db8::2 proto 59 ttl 64 id 0 other | 0"].assert_eq(&told(LinkType::ETHERNET, &ip6));
    let frame = inner_ethernet(0x0800, &small());
    let control_word = ethernet(0x8847, &label(18, true, &join(&[&[0, 0, 0, 1], &frame])));
    expect![[r#"02:00:00:00:01:0a>02:00:00:00:01:0b 0800 [mpls 18] 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]].assert_eq(&told(LinkType::ETHERNET, &control_word));
    let no_control_word = ethernet(0x8847, &label(18, true, &frame));
    expect![[r#"02:00:00:00:01:0a>02:00:00:00:01:0b 0800 [mpls 18] 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]].assert_eq(&told(LinkType::ETHERNET, &no_control_word));
    let channel = ethernet(0x8847, &label(18, true, b"\x10\0\0\x07bfd"));
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 8847 | 11 "\x00\x01!@\x10\x00\x00\x07bfd""#]]
        .assert_eq(&told(LinkType::ETHERNET, &channel));
}

#[test]
fn arp() {
    let body = join(&[&[0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 0xa], &A, &[0; 6], &B]);
    let mut frame = ethernet(0x0806, &body);
    frame.resize(60, 0);
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0806 arp 1 02:00:00:00:00:0a 10.0.0.1 > 00:00:00:00:00:00 10.0.0.2 | 46 "\x00\x01\x08\x00\x06\x04\x00\x01\x02\x00\x00\x00\x00\n\n\x00\x00\x01\x00\x00\x00\x00\x00\x00".."#]].assert_eq(&told(LinkType::ETHERNET, &frame));
    let mut reply = frame.clone();
    reply[21] = 2;
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0806 arp 2 02:00:00:00:00:0a 10.0.0.1 > 00:00:00:00:00:00 10.0.0.2 | 46 "\x00\x01\x08\x00\x06\x04\x00\x02\x02\x00\x00\x00\x00\n\n\x00\x00\x01\x00\x00\x00\x00\x00\x00".."#]].assert_eq(&told(LinkType::ETHERNET, &reply));
    let mut infiniband = frame;
    infiniband[15] = 32;
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0806 | 46 "\x00 \x08\x00\x06\x04\x00\x01\x02\x00\x00\x00\x00\n\n\x00\x00\x01\x00\x00\x00\x00\x00\x00".."#]].assert_eq(&told(LinkType::ETHERNET, &infiniband));
}

#[test]
fn a_cut_frame_keeps_its_prefix() {
    let frame = ethernet(
        0x8100,
        &tag(
            5,
            0x0800,
            &ipv4(6, &tcp(1234, 80, 0x18, b"\x02\x04\x05\xb4", b"GET /")),
        ),
    );
    for length in [0, 13, 14, 17, 18, 37, 38, 57, 58, 60, 62, 65, 67] {
        let text = told_cut(LinkType::ETHERNET, &frame, length);
        assert!(!text.contains('!'), "{text}");
    }
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0000 | 3 "\x00\x05\x08" truncated"#]]
        .assert_eq(&told_cut(LinkType::ETHERNET, &frame, 17));
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0800 vlan 5 10.0.0.1>10.0.0.2 proto 6 ttl 64 id 1 | 7 "\x04\xd2\x00P\x00\x00\x00" truncated"#]].assert_eq(&told_cut(LinkType::ETHERNET, &frame, 45));
    expect!["02:00:00:00:00:0a>02:00:00:00:00:0b 0800 vlan 5 10.0.0.1>10.0.0.2 proto 6 ttl 64 id 1 tcp 1234>80 AP seq 100 ack 200 win 8192 | 0 truncated"].assert_eq(&told_cut(LinkType::ETHERNET, &frame, 60));
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0800 vlan 5 10.0.0.1>10.0.0.2 proto 6 ttl 64 id 1 tcp 1234>80 AP seq 100 ack 200 win 8192 mss 1460 | 3 "GET" truncated"#]].assert_eq(&told_cut(LinkType::ETHERNET, &frame, 65));
}
