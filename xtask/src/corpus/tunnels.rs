//! Tunnels: what is inside is followed as if it were outside, and the flow says in which tunnel it was.

use super::Case;
use super::capture::Capture;
use super::link::{question_and_answer, tagged};
use super::net::{self, CLIENT, CLIENT6, GATE_A, GATE_B, Host, SERVER, SERVER6, UDP, host6};
use crate::story::wire;

const AREA: &str = "packet";
const GRE: u8 = 47;

/// A case: the question and the answer inside, each in what `around` makes; the frame goes from one gate to
/// the other.
fn both(
    name: &str,
    readme: &str,
    hosts: (Host, Host),
    around: impl Fn(Host, Host, &[u8]) -> Vec<u8>,
) -> Case {
    let mut capture = Capture::new();
    let gates = [(GATE_A, GATE_B), (GATE_B, GATE_A)];
    for ((from, to), packet) in gates.into_iter().zip(question_and_answer(hosts.0, hosts.1)) {
        capture.frame(around(from, to, &packet));
    }
    Case::new(AREA, name, readme, capture)
}

fn inner_frame(packet: &[u8]) -> Vec<u8> {
    net::frame(CLIENT, SERVER, packet)
}

fn over_ip(from: Host, to: Host, protocol: u8, head: &[u8], inner: &[u8]) -> Vec<u8> {
    net::frame(from, to, &net::ip(from, to, protocol, &[head, inner].concat()))
}

fn over_udp(from: Host, to: Host, port: u16, head: &[u8], inner: &[u8]) -> Vec<u8> {
    let datagram = net::udp((from, 50_000), (to, port), &[head, inner].concat());
    over_ip(from, to, UDP, &[], &datagram)
}

const V4: (Host, Host) = (CLIENT, SERVER);

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    [link_tunnels(), gre(), overlays(), vec![broken()]].concat()
}

fn link_tunnels() -> Vec<Case> {
    vec![
        both(
            "pppoe",
            "PPPoE session 7 (RFC 2516) as in front of a DSL modem; PPP protocol 0x0021 is IPv4.",
            V4,
            |from, to, packet| {
                let [high, low] = (packet.len() as u16 + 2).to_be_bytes();
                tagged(from, to, 0x8864, &[0x11, 0, 0, 7, high, low, 0, 0x21], packet)
            },
        ),
        both(
            "mpls",
            "Two MPLS labels, 16 and 1001, the latter with the bottom bit (RFC 3032). What is under them no field says.",
            V4,
            |from, to, packet| tagged(from, to, 0x8847, &[0, 1, 0, 64, 0x00, 0x3e, 0x91, 64], packet),
        ),
        both(
            "ip-in-ip",
            "IPv4 in IPv4, protocol 4 (RFC 2003).",
            V4,
            |from, to, packet| over_ip(from, to, 4, &[], packet),
        ),
        both(
            "6in4",
            "IPv6 in IPv4, protocol 41 (RFC 4213): the events speak of the IPv6 hosts.",
            (CLIENT6, SERVER6),
            |from, to, packet| over_ip(from, to, 41, &[], packet),
        ),
        both(
            "teredo",
            "Teredo (RFC 4380): IPv6 in UDP on port 3544; behind an origin indication.",
            (CLIENT6, SERVER6),
            |from, to, packet| {
                let origin = [0, 0, 0x63, 0xbf, 0x3d, 0xff, 0xfd, 0xf5];
                let datagram = net::udp((from, 3_544), (to, 3_544), &[&origin, packet].concat());
                over_ip(from, to, UDP, &[], &datagram)
            },
        ),
    ]
}

fn gre() -> Vec<Case> {
    vec![
        both(
            "gre",
            "GRE without options (RFC 2784), protocol type IPv4.",
            V4,
            |from, to, packet| over_ip(from, to, GRE, &[0, 0, 8, 0], packet),
        ),
        both(
            "gre-key-bridge",
            "GRE with checksum, key 4242 and sequence number (RFC 2890) around whole Ethernet frames (0x6558): the key is the\n\
             tunnel's id, the MAC addresses are the inner ones.",
            V4,
            |from, to, packet| {
                let head = [0xb0, 0, 0x65, 0x58, 0, 0, 0, 0, 0, 0, 0x10, 0x92, 0, 0, 0, 1];
                over_ip(from, to, GRE, &head, &inner_frame(packet))
            },
        ),
        both(
            "gre-pptp",
            "GRE version 1 as PPTP uses it (RFC 2637): call id 77, PPP inside.",
            V4,
            |from, to, packet| {
                let ppp = [&[0xff, 3, 0, 0x21], packet].concat();
                let [high, low] = (ppp.len() as u16).to_be_bytes();
                let head = [0x30, 0x01, 0x88, 0x0b, high, low, 0, 77, 0, 0, 0, 1];
                over_ip(from, to, GRE, &head, &ppp)
            },
        ),
        both(
            "erspan-1",
            "ERSPAN type I: GRE without sequence number, no header of its own (draft-foschiano-erspan).",
            V4,
            |from, to, packet| over_ip(from, to, GRE, &[0, 0, 0x88, 0xbe], &inner_frame(packet)),
        ),
        both(
            "erspan-2",
            "ERSPAN type II, session 123: a mirror port of a far switch (draft-foschiano-erspan).",
            V4,
            |from, to, packet| {
                let head = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 123, 0, 0, 0, 0];
                over_ip(from, to, GRE, &head, &inner_frame(packet))
            },
        ),
        both(
            "erspan-3",
            "ERSPAN type III, session 123, with the platform specific part that its last bit announces.",
            V4,
            |from, to, packet| {
                let head = [
                    0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 123, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0,
                    0, 0, 0,
                ];
                over_ip(from, to, GRE, &head, &inner_frame(packet))
            },
        ),
    ]
}

fn overlays() -> Vec<Case> {
    let nested = |from: Host, to: Host, packet: &[u8], depth: usize| {
        let mut packet = packet.to_vec();
        for _ in 0..depth {
            packet = net::ip(from, to, 4, &packet);
        }
        net::frame(from, to, &packet)
    };
    vec![
        both(
            "vxlan",
            "VXLAN (RFC 7348), network 5001.",
            V4,
            |from, to, packet| {
                over_udp(
                    from,
                    to,
                    4_789,
                    &[8, 0, 0, 0, 0, 0x13, 0x89, 0],
                    &inner_frame(packet),
                )
            },
        ),
        both(
            "vxlan-next-protocol",
            "VXLAN with a next protocol (draft-ietf-nvo3-vxlan-gpe), network 5001, IPv4 directly inside.",
            V4,
            |from, to, packet| over_udp(from, to, 4_790, &[0x0c, 0, 0, 1, 0, 0x13, 0x89, 0], packet),
        ),
        both(
            "geneve",
            "Geneve (RFC 8926), network 5001, with one option of eight bytes.",
            V4,
            |from, to, packet| {
                let head = [2, 0, 0x65, 0x58, 0, 0x13, 0x89, 0, 1, 2, 0x80, 1, 0, 0, 0, 9];
                over_udp(from, to, 6_081, &head, &inner_frame(packet))
            },
        ),
        both(
            "not-vxlan",
            "A DNS question sent to port 4789: a port alone makes no tunnel. It stays DNS.",
            V4,
            |from, to, packet| over_udp(from, to, 4_789, &[], &packet[28..]),
        ),
        both(
            "tunnel-eight-deep",
            "Eight IP headers in each other are still unwrapped: the last level that is.",
            V4,
            move |from, to, packet| nested(from, to, packet, 8),
        ),
        both(
            "tunnel-too-deep",
            "Nine IP headers in each other: `tunnel.too_deep`; the packet is that of the last level that was unwrapped.",
            V4,
            move |from, to, packet| nested(from, to, packet, 9),
        ),
    ]
}

fn broken() -> Case {
    let [packet, _] = question_and_answer(CLIENT, SERVER);
    let inner = inner_frame(&packet);
    let mut capture = Capture::new();
    let mut gre = |head: &[u8], inner: &[u8]| capture.frame(over_ip(GATE_A, GATE_B, GRE, head, inner));
    // GRE: too short for its options, version 5, source routing.
    gre(&[0xb0, 0, 8, 0, 0, 0], &[]);
    gre(&[0, 5, 8, 0], &packet);
    gre(&[0x40, 0, 8, 0], &packet);
    // ERSPAN: too short, and type II's number with type III's version.
    gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0], &[]);
    gre(
        &[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x20, 0, 0, 123, 0, 0, 0, 0],
        &inner,
    );
    // VXLAN with a reserved bit, then without network.
    capture.frame(over_udp(
        GATE_A,
        GATE_B,
        4_789,
        &[0x0a, 0, 0, 0, 0, 0x13, 0x89, 0],
        &inner,
    ));
    capture.frame(over_udp(GATE_A, GATE_B, 4_789, &[0; 8], &inner));
    // Geneve of version 1, and options beyond the packet.
    let geneve = [0x40, 0, 0x65, 0x58, 0, 0x13, 0x89, 0];
    capture.frame(over_udp(GATE_A, GATE_B, 6_081, &geneve, &inner));
    capture.frame(over_udp(
        GATE_A,
        GATE_B,
        6_081,
        &[63, 0, 0x65, 0x58, 0, 0x13, 0x89, 0],
        &[1, 2, 3],
    ));
    // 6in4 whose inner packet is cut.
    let [six, _] = question_and_answer(host6(1), host6(2));
    capture.frame(over_ip(GATE_A, GATE_B, 41, &[], &six[..30]));
    capture.frame(wire::ethernet(GATE_A.mac, GATE_B.mac, 0x86dd, &[0x45; 40]));
    Case::new(
        AREA,
        "broken-tunnels",
        "Tunnel headers that are broken: `gre.*`, `erspan.*`, `vxlan.header`, `geneve.*` (RFC 2784 2.3, RFC 7348, RFC 8926 3.4).\n\
         A header that its receiver refuses ends the packet at the layer before. A reserved VXLAN bit alone is ignored by\n\
         receivers: that frame is said and still unwrapped.",
        capture,
    )
}
