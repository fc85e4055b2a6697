//! Frames of each link type and tunnel, fragments, and TCP steps for the flow table.

use crate::Seed;
use crate::messages::{arp_message, dhcp_message, dns_answer, dns_query, ntp_message, snmp_message};
use crate::streams::client_hello;
use crate::talk::marked;

const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 0, 2];

fn sum(bytes: &[u8]) -> [u8; 2] {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    }
    sum = (sum & 0xffff) + (sum >> 16);
    (!((sum + (sum >> 16)) as u16)).to_be_bytes()
}

/// From A to B, or back.
fn ipv4(back: bool, protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_with(back, protocol, 0x4000, &[], payload)
}

fn ipv4_with(back: bool, protocol: u8, place: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let words = 5 + options.len() / 4;
    let total = (words * 4 + payload.len()) as u16;
    let (src, dst) = if back { (B, A) } else { (A, B) };
    let mut header = [
        &[0x40 | words as u8, 0][..],
        &total.to_be_bytes(),
        &[0, 9],
        &place.to_be_bytes(),
        &[64, protocol, 0, 0],
        &src,
        &dst,
        options,
    ]
    .concat();
    let check = sum(&header);
    header[10..12].copy_from_slice(&check);
    [&header[..], payload].concat()
}

fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16).to_be_bytes();
    let address = |last| [&[0xfd][..], &[0; 14], &[last]].concat();
    [
        &[0x60, 0, 0, 0][..],
        &length,
        &[next, 64],
        &address(1),
        &address(2),
        payload,
    ]
    .concat()
}

fn udp(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() + 8) as u16;
    [&[src, dst, length, 0].map(u16::to_be_bytes).concat()[..], payload].concat()
}

struct Segment<'a> {
    back: bool,
    ports: [u16; 2],
    seq: u32,
    ack: u32,
    flags: u8,
    options: &'a [u8],
    payload: &'a [u8],
}

fn tcp(s: &Segment<'_>) -> Vec<u8> {
    let [from, to] = if s.back { [s.ports[1], s.ports[0]] } else { s.ports };
    let mut segment = [
        &from.to_be_bytes()[..],
        &to.to_be_bytes(),
        &s.seq.to_be_bytes(),
        &s.ack.to_be_bytes(),
        &[
            ((20 + s.options.len()) * 4) as u8,
            s.flags,
            0xff,
            0xff,
            0,
            0,
            0,
            0,
        ],
        s.options,
        s.payload,
    ]
    .concat();
    let (src, dst) = if s.back { (B, A) } else { (A, B) };
    let pseudo = [
        &src[..],
        &dst,
        &[0, 6],
        &(segment.len() as u16).to_be_bytes(),
        &segment,
    ]
    .concat();
    let check = sum(&pseudo);
    segment[16..18].copy_from_slice(&check);
    ipv4(s.back, 6, &segment)
}

fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    [
        &[2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa][..],
        &kind.to_be_bytes(),
        payload,
    ]
    .concat()
}

/// A handshake, then what both sides say in turn, then FINs: raw IP packets.
fn talk(ports: [u16; 2], turns: &[&[u8]]) -> Vec<Vec<u8>> {
    let options = b"\x02\x04\x05\xb4\x04\x02\x08\x0a\0\0\0\x07\0\0\0\0\x01\x03\x03\x07";
    let mut next = [101u32, 201];
    let mut all = Vec::new();
    let mut push = |back: bool, flags: u8, seq: u32, ack: u32, options: &[u8], payload: &[u8]| {
        all.push(tcp(&Segment {
            back,
            ports,
            seq,
            ack,
            flags,
            options,
            payload,
        }));
    };
    push(false, 0x02, 100, 0, options, b"");
    push(true, 0x12, 200, 101, options, b"");
    push(false, 0x10, 101, 201, b"", b"");
    for (turn, i) in turns.iter().zip(0usize..) {
        let (me, you) = (i % 2, 1 - i % 2);
        push(me == 1, 0x18, next[me], next[you], b"", turn);
        next[me] += turn.len() as u32;
    }
    push(false, 0x11, next[0], next[1], b"", b"");
    push(true, 0x11, next[1], next[0] + 1, b"", b"");
    all
}

/// (name, index in `LINKS`, frame)
fn single() -> Vec<(&'static str, u8, Vec<u8>)> {
    let small = ipv4(false, 17, &udp(1_000, 2_000, b"payload"));
    let inner = ethernet(0x0800, &small);
    let v4 = |protocol: u8, payload: &[u8]| ethernet(0x0800, &ipv4(false, protocol, payload));
    let v6 = |next: u8, payload: &[u8]| ethernet(0x86dd, &ipv6(next, payload));
    let first = |bytes: &[u8], payload: &[u8]| [bytes, payload].concat();
    let hello = talk([40_000, 80], &[b"GET / HTTP/1.1\r\n\r\n"]);
    vec![
        ("tcp", 1, ethernet(0x0800, &hello[0])),
        ("tcp-data", 1, ethernet(0x0800, &hello[3])),
        ("udp", 1, inner.clone()),
        ("arp", 1, ethernet(0x0806, &arp_message(1, 1, 2))),
        ("icmp", 1, v4(1, b"\x08\0\0\0\0\x01\0\x01ping")),
        ("igmp", 1, v4(2, b"\x16\0\0\0\xe0\0\0\x05")),
        ("sctp", 1, v4(132, &[7; 28])),
        ("esp", 1, v4(50, &[9; 24])),
        (
            "ah",
            1,
            v4(
                51,
                &first(&[&[17, 4, 0, 0][..], &[1; 20]].concat(), &udp(1, 2, b"x")),
            ),
        ),
        (
            "options",
            1,
            ethernet(
                0x0800,
                &ipv4_with(false, 17, 0, &[7, 7, 4, 1, 2, 3, 4, 0], &udp(1, 2, b"x")),
            ),
        ),
        (
            "fragment",
            1,
            ethernet(0x0800, &ipv4_with(false, 17, 0x2000, &[], &[0; 16])),
        ),
        (
            "qinq",
            1,
            ethernet(0x88a8, &first(&[0, 3, 0x81, 0, 0, 4, 8, 0], &small)),
        ),
        ("ipv6", 1, v6(17, &udp(546, 547, b"x"))),
        (
            "ipv6-extensions",
            1,
            v6(
                0,
                &first(
                    &[
                        60, 0, 1, 4, 0, 0, 0, 0, 43, 0, 1, 4, 0, 0, 0, 0, 44, 2, 4, 0, 0, 0, 0, 0, 1, 2, 3,
                        4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 0, 0, 1, 0, 0, 0, 9,
                    ],
                    &udp(1, 2, b"x"),
                ),
            ),
        ),
        ("icmpv6", 1, v6(58, b"\x80\0\0\0\0\x01\0\x01ping")),
        (
            "pppoe",
            1,
            ethernet(
                0x8864,
                &first(&[0x11, 0, 0, 5, 0, small.len() as u8 + 2, 0, 0x21], &small),
            ),
        ),
        (
            "mpls",
            1,
            ethernet(0x8847, &first(&[0, 1, 0x40, 64, 0, 0, 0x61, 64], &small)),
        ),
        ("ip-in-ip", 1, v4(4, &small)),
        ("6in4", 1, v4(41, &ipv6(17, &udp(1, 2, b"x")))),
        (
            "gre",
            1,
            v4(47, &first(&[0x20, 0, 0x65, 0x58, 0, 0, 0, 1], &inner)),
        ),
        (
            "erspan",
            1,
            v4(
                47,
                &first(
                    &[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 5, 8, 0x64, 0, 0, 0, 3],
                    &inner,
                ),
            ),
        ),
        (
            "erspan3",
            1,
            v4(
                47,
                &first(
                    &[
                        0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 5, 8, 0x64, 0, 0, 0, 3, 0, 0, 0, 0,
                    ],
                    &inner,
                ),
            ),
        ),
        (
            "vxlan",
            1,
            v4(17, &udp(9, 4789, &first(&[8, 0, 0, 0, 0, 0, 7, 0], &inner))),
        ),
        (
            "geneve",
            1,
            v4(
                17,
                &udp(
                    9,
                    6081,
                    &first(&[1, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 0, 0], &inner),
                ),
            ),
        ),
        ("teredo", 1, v4(17, &udp(9, 3544, &ipv6(17, &udp(1, 2, b"x"))))),
        (
            "llc",
            1,
            [
                &[1, 0x80, 0xc2, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 7, 0x42, 0x42, 3][..],
                &[0; 40],
            ]
            .concat(),
        ),
        ("null", 0, first(&[2, 0, 0, 0], &small)),
        ("ppp", 2, first(&[0xff, 3, 0, 0x21], &small)),
        (
            "pppoe-link",
            6,
            first(&[0x11, 0, 0, 5, 0, small.len() as u8 + 2, 0, 0x21], &small),
        ),
        ("raw", 7, small.clone()),
        ("loop", 8, first(&[0, 0, 0, 2], &small)),
        (
            "sll",
            9,
            first(&[0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0, 8, 0], &small),
        ),
        (
            "sll2",
            13,
            first(
                &[8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0],
                &small,
            ),
        ),
    ]
}

/// Parts of `defrag`: control, place, payload.
fn fragments() -> Vec<(&'static str, Vec<u8>)> {
    const MORE: u16 = 0x8000;
    let part =
        |control: u8, place: u16, payload: &[u8]| [&[control][..], &place.to_be_bytes(), payload].concat();
    let datagram = udp(1_000, 2_000, b"a datagram that is cut in three pieces..");
    let whole = |control| {
        marked(&[
            part(control, MORE, &datagram[..16]),
            part(control, MORE | 2, &datagram[16..32]),
            part(control, 4, &datagram[32..]),
        ])
    };
    let overlap = marked(&[
        part(0, MORE | 1, &[1; 24]),
        part(0, MORE, &[2; 16]),
        part(0, MORE | 2, &[3; 24]),
        part(0, 4, &[4; 9]),
    ]);
    let nested = ipv4(false, 17, &datagram);
    let tunnel = marked(&[part(8, MORE, &nested[..24]), part(8, 3, &nested[24..])]);
    let many: Vec<Vec<u8>> = (0..6).map(|id| part(id << 3, MORE, &[id; 32])).collect();
    vec![
        ("three", [vec![0], whole(0)].concat()),
        ("three-v6", [vec![1], whole(1)].concat()),
        ("overlap", [vec![2], overlap.clone()].concat()),
        ("overlap-windows", [vec![5], overlap].concat()),
        ("tunnel", [vec![3], tunnel].concat()),
        ("limits", [vec![0x18], marked(&many)].concat()),
        ("late", [vec![8], part(0xc0, MORE, &[1; 8])].concat()),
        (
            "raw",
            [
                vec![0],
                part(6, 0, &ipv4_with(false, 17, 0x2000, &[], &datagram[..16])),
            ]
            .concat(),
        ),
    ]
}

/// Steps of `flow`: flags, kind, sequence, acknowledgement, window, option, urgent, length, rare, pause, salt.
fn steps() -> Vec<(&'static str, Vec<u8>)> {
    let step = |flags: u8, kind: u8, seq: u16, ack: u16, urgent: u8, payload: u8, rare: u8, pause: u8| {
        let [a, b] = seq.to_be_bytes();
        let [c, d] = ack.to_be_bytes();
        vec![
            flags, kind, a, b, c, d, 0xea, 0x60, 7, urgent, payload, rare, pause, 0,
        ]
    };
    let open = [
        step(2, 0x60, 60, 0, 0, 0, 0, 1),
        step(0x12, 0x61, 40, 61, 0, 0, 0, 1),
        step(0x10, 0x40, 61, 41, 0, 0, 0, 1),
    ]
    .concat();
    let data = [
        step(0x18, 0x40, 61, 41, 0, 10, 0, 1),
        step(0x10, 0x41, 41, 71, 0, 20, 0, 1),
    ]
    .concat();
    let hole = [
        step(0x18, 0, 81, 41, 0, 10, 0, 1),
        step(0x18, 0, 66, 41, 0, 20, 0, 1),
        step(0x18, 0, 61, 41, 0, 10, 0, 1),
    ]
    .concat();
    let close = [
        step(0x11, 0, 91, 61, 0, 0, 0, 1),
        step(0x11, 1, 61, 92, 0, 0, 0, 1),
        step(0x10, 0, 92, 62, 0, 0, 0, 1),
    ]
    .concat();
    let other = [
        step(0x18, 8, 5, 5, 0, 30, 0x15, 1),
        step(0, 2, 0, 0, 0, 9, 0x20, 1),
        step(4, 0, 95, 0, 0, 0, 0, 0xe3),
        step(0x38, 0, 91, 0, 5, 9, 0, 1),
    ]
    .concat();
    let settings = |policy: u8, mode: u8| vec![policy, 4, 90, mode];
    vec![
        (
            "whole",
            [settings(0, 4), open.clone(), data.clone(), close.clone()].concat(),
        ),
        (
            "hole",
            [settings(4, 4), open.clone(), hole.clone(), close].concat(),
        ),
        ("midstream", [settings(2, 4), hole.clone(), data].concat()),
        (
            "odd",
            [settings(5, 10), open.clone(), hole, other.clone()].concat(),
        ),
        ("full", [vec![1, 0, 4, 0], open, other].concat()),
    ]
}

fn paths() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let datagrams = |src: u16, dst: u16, turns: &[Vec<u8>]| -> Vec<Vec<u8>> {
        let turn = |(turn, i): (&Vec<u8>, usize)| {
            let [from, to] = if i % 2 == 1 { [dst, src] } else { [src, dst] };
            ipv4(i % 2 == 1, 17, &udp(from, to, turn))
        };
        turns.iter().zip(0usize..).map(turn).collect()
    };
    let dns = dns_query("lamp.city.example", 1);
    let mut cut: Vec<Vec<u8>> = Vec::new();
    let long = udp(5_000, 53, &dns);
    cut.push(ipv4_with(false, 17, 0x2000, &[], &long[..24]));
    cut.push(ipv4_with(false, 17, 3, &[], &long[24..]));
    vec![
        ("http", talk([40_000, 80], &[b"GET / HTTP/1.1\r\nHost: lamp\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"])),
        ("tls", talk([40_001, 443], &[&client_hello()])),
        ("ssh", talk([40_002, 22], &[b"SSH-2.0-a\r\n", b"SSH-2.0-b\r\n"])),
        ("telnet", talk([40_003, 23], &[b"\xff\xfb\x01", b"login: ", b"root\r\n", b"Password: ", b"root\r\n", b"# "])),
        ("modbus", talk([40_004, 502], &[b"\0\x01\0\0\0\x06\x01\x03\0\x28\0\x01", b"\0\x01\0\0\0\x05\x01\x03\x02\0\x07"])),
        ("mqtt", talk([40_005, 1_883], &[b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a", b"\x20\x02\0\0", b"\x30\x06\0\x03a/b7"])),
        ("dns", datagrams(5_000, 53, &[dns.clone(), dns_answer("lamp.city.example", 1, &[])])),
        ("dhcp", datagrams(68, 67, &[dhcp_message(1, b"\x35\x01\x01\xff"), dhcp_message(2, b"\x35\x01\x02\xff")])),
        ("ntp", datagrams(5_001, 123, &[ntp_message(0x23, 0), ntp_message(0x24, 1)])),
        ("snmp", datagrams(5_002, 161, &[snmp_message(1, b"\xa0\x19\x02\x01\x01\x02\x01\0\x02\x01\0\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\0\x05\0")])),
        ("fragments", cut),
    ]
}

pub fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (name, link, frame) in single() {
        seeds.push(("packet", name.to_owned(), [vec![link, 0], frame].concat()));
    }
    for (name, bytes) in fragments() {
        seeds.push(("defrag", name.to_owned(), bytes));
    }
    for (name, bytes) in steps() {
        seeds.push(("flow", name.to_owned(), bytes));
    }
    for (name, packets) in paths() {
        // Link type 101 (raw IP), about a millisecond before each.
        let parts: Vec<Vec<u8>> = packets.iter().map(|p| [&[7, 20][..], p].concat()).collect();
        seeds.push(("path", name.to_owned(), marked(&parts)));
    }
    let arp = marked(&[
        [vec![1, 20], ethernet(0x0806, &arp_message(1, 1, 2))].concat(),
        [vec![1, 20], ethernet(0x0806, &arp_message(2, 2, 1))].concat(),
    ]);
    seeds.push(("path", "arp".to_owned(), arp));
    seeds
}
