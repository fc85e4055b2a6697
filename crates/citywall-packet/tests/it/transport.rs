//! Transport headers.

use citywall_packet::LinkType;
use expect_test::expect;

use crate::build::*;
use crate::told;

fn over_ipv4(protocol: u8, payload: &[u8]) -> String {
    told(LinkType::RAW, &ipv4(protocol, payload))
}

#[test]
fn tcp_options() {
    let syn = b"\x02\x04\x05\xb4\x04\x02\x08\x0a\0\0\0\x07\0\0\0\0\x01\x03\x03\x07";
    expect!["0000 10.0.0.1>10.0.0.2 proto 6 ttl 64 id 1 tcp 40000>443 S seq 100 ack 200 win 8192 mss 1460 ws 7 sack ts 7/0 | 0"].assert_eq(&over_ipv4(6, &tcp(40000, 443, 0x02, syn, b"")));
    let stamped = b"\x01\x01\x08\x0a\0\0\0\x08\0\0\0\x09";
    expect![[r#"0000 10.0.0.1>10.0.0.2 proto 6 ttl 64 id 1 tcp 40000>443 AP seq 100 ack 200 win 8192 ts 8/9 | 4 "data""#]].assert_eq(&over_ipv4(6, &tcp(40000, 443, 0x18, stamped, b"data")));
    let unknown = b"\xfe\x06abcd\x01\0\xff\xff\xff\xff";
    expect!["0000 10.0.0.1>10.0.0.2 proto 6 ttl 64 id 1 tcp 40000>443 A seq 100 ack 200 win 8192 | 0"]
        .assert_eq(&over_ipv4(6, &tcp(40000, 443, 0x10, unknown, b"")));
    let mut urgent = tcp(1, 2, !0x06, &[], b"!");
    urgent[19] = 1;
    expect![[r#"0000 10.0.0.1>10.0.0.2 proto 6 ttl 64 id 1 tcp 1>2 CEUAPF seq 100 ack 200 win 8192 urgent 1 | 1 "!""#]].assert_eq(&over_ipv4(6, &urgent));
}

#[test]
fn udp_lengths() {
    expect!["0000 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 53>53 | 0"]
        .assert_eq(&over_ipv4(17, &udp(53, 53, b"")));
    let surplus = join(&[&udp(53, 53, b"answer"), b"hidden"]);
    expect![[r#"
        0000 10.0.0.1>10.0.0.2 proto 17 ttl 64 id 1 udp 53>53 | 6 "answer"
        ! udp.surplus"#]]
    .assert_eq(&over_ipv4(17, &surplus));
}

#[test]
fn icmp() {
    expect![[r#"0000 10.0.0.1>10.0.0.2 proto 1 ttl 64 id 1 icmp 8/0 id 5 seq 6 | 1 "p""#]]
        .assert_eq(&over_ipv4(1, &[8, 0, 0, 0, 0, 5, 0, 6, b'p']));
    let unreachable = join(&[&[3, 3, 0, 0, 0, 0, 0, 0], &ipv4(17, &udp(1, 2, b""))]);
    expect![[r#"0000 10.0.0.1>10.0.0.2 proto 1 ttl 64 id 1 icmp 3/3 id 0 seq 0 | 28 "E\x00\x00\x1c\x00\x01\x00\x00@\x11f\xce\n\x00\x00\x01\n\x00\x00\x02\x00\x01\x00\x02".."#]].assert_eq(&over_ipv4(1, &unreachable));
    let echo = ipv6(58, &[128, 0, 0, 0, 0, 5, 0, 6]);
    expect!["0000 2001:db8::1>2001:db8::2 proto 58 ttl 64 id 0 icmpv6 128/0 id 5 seq 6 | 0"]
        .assert_eq(&told(LinkType::RAW, &echo));
    let neighbour = ipv6(58, &join(&[&[135, 0, 0, 0, 0, 0, 0, 0], &B6]));
    expect![[r#"0000 2001:db8::1>2001:db8::2 proto 58 ttl 64 id 0 icmpv6 135/0 id 0 seq 0 | 16 " \x01\r\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02""#]].assert_eq(&told(LinkType::RAW, &neighbour));
    // Each ICMP only over its own IP.
    expect![[r#"0000 10.0.0.1>10.0.0.2 proto 58 ttl 64 id 1 other | 8 "\x80\x00\x00\x00\x00\x05\x00\x06""#]]
        .assert_eq(&over_ipv4(58, &[128, 0, 0, 0, 0, 5, 0, 6]));
}

#[test]
fn others() {
    let sctp = [0x0b, 0x59, 0x0b, 0x5a, 0, 0, 1, 0, 0, 0, 0, 0, b'c'];
    expect![[r#"0000 10.0.0.1>10.0.0.2 proto 132 ttl 64 id 1 sctp 2905>2906 tag 256 | 1 "c""#]]
        .assert_eq(&over_ipv4(132, &sctp));
    expect!["0000 10.0.0.1>10.0.0.2 proto 2 ttl 64 id 1 igmp 0x16 224.0.0.251 | 0"]
        .assert_eq(&over_ipv4(2, &[0x16, 0, 0, 0, 224, 0, 0, 251]));
    expect![[r#"0000 10.0.0.1>10.0.0.2 proto 2 ttl 64 id 1 igmp 0x22 0.0.0.0 | 8 "\x04\x00\x00\x00\xe0\x00\x00\xfb""#]].assert_eq(&over_ipv4(
        2,
        &[0x22, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 224, 0, 0, 251],
    ));
    expect![[r#"0000 10.0.0.1>10.0.0.2 proto 50 ttl 64 id 1 esp 0x1000 seq 3 | 1 "\xee""#]]
        .assert_eq(&over_ipv4(50, &[0, 0, 0x10, 0, 0, 0, 0, 3, 0xee]));
    expect![[r#"0000 10.0.0.1>10.0.0.2 proto 89 ttl 64 id 1 other | 4 "ospf""#]]
        .assert_eq(&over_ipv4(89, b"ospf"));
}
