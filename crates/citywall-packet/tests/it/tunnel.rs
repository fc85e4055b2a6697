//! Tunnels, in each other too.

use citywall_packet::{LinkType, MAX_TUNNELS};
use expect_test::expect;

use crate::build::*;
use crate::{told, told_cut};

fn small() -> Vec<u8> {
    ipv4(17, &udp(1, 2, b"hi"))
}

fn small_frame() -> Vec<u8> {
    inner_ethernet(0x0800, &small())
}

fn over_ipv4(protocol: u8, payload: &[u8]) -> String {
    told(LinkType::RAW, &ipv4(protocol, payload))
}

fn over_udp(dst: u16, payload: &[u8]) -> String {
    told(LinkType::ETHERNET, &udp_frame(50000, dst, payload))
}

#[test]
fn ip_in_ip() {
    expect![[
        r#"0000 [ip-in-ip 0 10.0.0.1>10.0.0.2] 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#
    ]]
    .assert_eq(&over_ipv4(4, &small()));
    expect!["0000 [ip-in-ip 0 10.0.0.1>10.0.0.2] 2001:db8::1>2001:db8::2 proto 59 ttl 64 id 0 other | 0"]
        .assert_eq(&over_ipv4(41, &ipv6(59, b"")));
    expect![[
        r#"0000 [ip-in-ip 0 2001:db8::1>2001:db8::2] 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#
    ]]
    .assert_eq(&told(LinkType::RAW, &ipv6(4, &small())));
}

#[test]
fn gre_version_0() {
    expect![[r#"0000 [gre 0 10.0.0.1>10.0.0.2] 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]]
        .assert_eq(&over_ipv4(47, &gre(0, 0x0800, &small())));
    let all = join(&[b"\xab\xcd\0\0", b"\0\0\x10\0", b"\0\0\0\x05", &small_frame()]);
    expect![[r#"02:00:00:00:01:0a>02:00:00:00:01:0b 0800 [gre 4096 10.0.0.1>10.0.0.2] 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]].assert_eq(&over_ipv4(47, &gre(0xb000, 0x6558, &all)));
    let mpls = gre(
        0x2000,
        0x8847,
        &join(&[&[0, 0, 0, 9], &label(33, true, &small())]),
    );
    expect![[
        r#"0800 [mpls 33 10.0.0.1>10.0.0.2 depth 2] 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#
    ]]
    .assert_eq(&over_ipv4(47, &mpls));
    expect![[r#"0000 10.0.0.1>10.0.0.2 proto 47 ttl 64 id 1 other | 5 "\x00\x00\x124?""#]]
        .assert_eq(&over_ipv4(47, &gre(0, 0x1234, b"?")));
}

#[test]
fn of_nvgre_the_virtual_subnet_is_told() {
    let id = |flags, key: u32| {
        let rest = if flags & 0x1000 == 0 {
            &b""[..]
        } else {
            &[0, 0, 0, 1]
        };
        let told = over_ipv4(
            47,
            &gre(flags, 0x6558, &join(&[&key.to_be_bytes(), rest, &small_frame()])),
        );
        let (_, id) = told.split_once("[gre ").expect("a tunnel");
        id.split(' ').next().unwrap_or_default().to_owned()
    };
    assert_eq!(id(0x2000, 0x0012_3401), "4660");
    // Both directions are one tunnel, whatever their flows have.
    assert_eq!(id(0x2000, 0x0012_34ff), "4660");
    // Reserved, or with a sequence number: a key.
    assert_eq!(id(0x2000, 0x000f_ff01), "1048321");
    assert_eq!(id(0x2000, 5), "5");
    assert_eq!(id(0x3000, 0x0012_3401), "1192961");
}

#[test]
fn gre_version_1_is_pptp() {
    let ppp = join(&[&[0xff, 3, 0, 0x21], &small()]);
    let head = join(&[
        &(ppp.len() as u16).to_be_bytes(),
        b"\0\x07",
        b"\0\0\0\x01",
        b"\0\0\0\x02",
    ]);
    expect![[r#"0800 [gre 7 10.0.0.1>10.0.0.2] 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]]
        .assert_eq(&over_ipv4(47, &gre(0x3081, 0x880b, &join(&[&head, &ppp]))));
    let acknowledgement = gre(0x2081, 0x880b, b"\0\0\0\x07\0\0\0\x02");
    expect![[r#"0000 10.0.0.1>10.0.0.2 proto 47 ttl 64 id 1 other | 12 " \x81\x88\x0b\x00\x00\x00\x07\x00\x00\x00\x02""#]].assert_eq(&over_ipv4(47, &acknowledgement));
}

#[test]
fn erspan() {
    let type_1 = gre(0, 0x88be, &small_frame());
    expect![[r#"02:00:00:00:01:0a>02:00:00:00:01:0b 0800 [erspan 0 10.0.0.1>10.0.0.2] 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]].assert_eq(&over_ipv4(47, &type_1));
    let type_2 = gre(
        0x1000,
        0x88be,
        &join(&[b"\0\0\0\x01", b"\x10\x05\x08\x64\0\0\0\x03", &small_frame()]),
    );
    expect![[r#"02:00:00:00:01:0a>02:00:00:00:01:0b 0800 [erspan 100 10.0.0.1>10.0.0.2] 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]].assert_eq(&over_ipv4(47, &type_2));
    let head = b"\x20\x05\x08\x65\0\0\0\x01\0\0\0\x01";
    let type_3 = gre(
        0x1000,
        0x22eb,
        &join(&[b"\0\0\0\x01", head, b"platform", &small_frame()]),
    );
    expect![[r#"02:00:00:00:01:0a>02:00:00:00:01:0b 0800 [erspan 101 10.0.0.1>10.0.0.2] 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]].assert_eq(&over_ipv4(47, &type_3));
}

#[test]
fn vxlan_by_content() {
    expect![[r#"02:00:00:00:01:0a>02:00:00:00:01:0b 0800 [vxlan 5000 10.0.0.1>10.0.0.2] 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]].assert_eq(&over_udp(4789, &vxlan(5000, &small_frame())));
    let tagged = inner_ethernet(0x8100, &tag(9, 0x86dd, &ipv6(59, b"")));
    expect!["02:00:00:00:01:0a>02:00:00:00:01:0b 86dd vlan 9 [vxlan 1 10.0.0.1>10.0.0.2] 2001:db8::1>2001:db8::2 proto 59 ttl 64 id 0 other | 0"].assert_eq(&over_udp(8472, &vxlan(1, &tagged)));
    // An answer to a resolver that happened to pick this port stays DNS.
    let dns = b"\x08\x01\x81\x83\0\x01\0\0\0\0\0\0\x03www\x07example\x03org\0\0\x01\0\x01";
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0800 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 50000>4789 | 33 "\x08\x01\x81\x83\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example".."#]].assert_eq(&over_udp(4789, dns));
    let not_ip = inner_ethernet(0x88cc, b"lldp");
    expect![[r#"02:00:00:00:01:0a>02:00:00:00:01:0b 88cc [vxlan 2 10.0.0.1>10.0.0.2] | 4 "lldp""#]]
        .assert_eq(&over_udp(4789, &vxlan(2, &not_ip)));
}

#[test]
fn vxlan_with_a_next_protocol() {
    let head = |kind| [0x0c, 0, 0, kind, 0, 0, 9, 0];
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0800 [vxlan 9 10.0.0.1>10.0.0.2] 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]].assert_eq(&over_udp(4790, &join(&[&head(1), &small()])));
    expect!["02:00:00:00:00:0a>02:00:00:00:00:0b 0800 [vxlan 9 10.0.0.1>10.0.0.2] 2001:db8::1>2001:db8::2 proto 59 ttl 64 id 0 other | 0"].assert_eq(&over_udp(4790, &join(&[&head(2), &ipv6(59, b"")])));
    expect![[r#"02:00:00:00:01:0a>02:00:00:00:01:0b 0800 [vxlan 9 10.0.0.1>10.0.0.2] 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]].assert_eq(&over_udp(4790, &join(&[&head(3), &small_frame()])));
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0800 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 50000>4790 | 24 "\x0c\x00\x00\x04\x00\x00\t\x00a service header""#]].assert_eq(&over_udp(4790, &join(&[&head(4), b"a service header"])));
}

#[test]
fn geneve_inner_kinds() {
    let frame = geneve(2, 0x6558, 6000, &join(&[b"option 1", &small_frame()]));
    expect![[r#"02:00:00:00:01:0a>02:00:00:00:01:0b 0800 [geneve 6000 10.0.0.1>10.0.0.2] 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]].assert_eq(&over_udp(6081, &frame));
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0800 [geneve 6001 10.0.0.1>10.0.0.2] 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]].assert_eq(&over_udp(6081, &geneve(0, 0x0800, 6001, &small())));
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0800 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 50000>6081 | 20 "just a client\'s port""#]].assert_eq(&over_udp(6081, b"just a client's port"));
}

#[test]
fn teredo_by_port_and_by_content() {
    let mut client = A6;
    client[2..4].copy_from_slice(&[0, 0]);
    let inside = ipv6_between(client, B6, 17, &udp(7, 8, b"hi"));
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0800 [teredo 0 10.0.0.1>10.0.0.2] 2001::1>2001:db8::2 proto 17 ttl 64 id 0 udp 7>8 | 2 "hi""#]].assert_eq(&over_udp(3544, &inside));
    let authentication = join(&[
        b"\0\x01\x01\x02",
        b"iau",
        b"nonce678",
        b"\0",
        b"\0\0abcdef",
        &inside,
    ]);
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0800 [teredo 0 10.0.0.1>10.0.0.2] 2001::1>2001:db8::2 proto 17 ttl 64 id 0 udp 7>8 | 2 "hi""#]].assert_eq(&over_udp(3544, &authentication));
    let peers = over_udp(40001, &inside);
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0800 [teredo 0 10.0.0.1>10.0.0.2] 2001::1>2001:db8::2 proto 17 ttl 64 id 0 udp 7>8 | 2 "hi""#]].assert_eq(&peers);
    // The same on another port, but without a Teredo address, is a payload.
    let other = ipv6_between(A6, B6, 17, &udp(7, 8, b"hi"));
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0800 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 50000>40001 | 50 "`\x00\x00\x00\x00\n\x11@ \x01\r\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01".."#]].assert_eq(&over_udp(40001, &other));
}

#[test]
fn tunnels_in_tunnels() {
    let inner = udp_frame(50001, 4789, &vxlan(2, &small_frame()));
    let outer = udp_frame(50000, 4789, &vxlan(1, &inner));
    expect![[r#"02:00:00:00:01:0a>02:00:00:00:01:0b 0800 [vxlan 2 10.0.0.1>10.0.0.2 depth 2] 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 1>2 | 2 "hi""#]].assert_eq(&told(LinkType::ETHERNET, &outer));
    let mut packet = small();
    for _ in 0..=MAX_TUNNELS {
        packet = ipv4(4, &packet);
    }
    let text = told(LinkType::RAW, &packet);
    assert!(
        text.contains("depth 8") && text.ends_with("! tunnel.too_deep"),
        "{text}"
    );
}

#[test]
fn a_cut_tunnel_stays_what_is_whole() {
    let frame = udp_frame(50000, 4789, &vxlan(5000, &small_frame()));
    // Within the inner Ethernet header; within the inner IP header.
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0800 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 50000>4789 | 14 "\x08\x00\x00\x00\x00\x13\x88\x00\x02\x00\x00\x00\x01\x0b" truncated"#]].assert_eq(&told_cut(LinkType::ETHERNET, &frame, 14 + 20 + 8 + 8 + 6));
    expect![[r#"02:00:00:00:01:0a>02:00:00:00:01:0b 0800 [vxlan 5000 10.0.0.1>10.0.0.2] | 6 "E\x00\x00\x1e\x00\x01" truncated"#]].assert_eq(&told_cut(LinkType::ETHERNET, &frame, 14 + 20 + 8 + 8 + 14 + 6));
    let gre = ethernet(0x0800, &ipv4(47, &gre(0, 0x0800, &small())));
    expect![[r#"02:00:00:00:00:0a>02:00:00:00:00:0b 0800 10.0.0.1>10.0.0.2 proto 47 ttl 64 id 1 other | 10 "\x00\x00\x08\x00E\x00\x00\x1e\x00\x01" truncated"#]].assert_eq(&told_cut(LinkType::ETHERNET, &gre, 14 + 20 + 4 + 6));
}
