//! Link layers: the same question and answer behind every link header, and headers that are broken.

use citywall_packet::LinkType;

use super::Case;
use super::capture::Capture;
use super::net::{self, CLIENT, CLIENT6, End, Host, SERVER, SERVER6};
use super::records::{self, Record, kind};
use crate::story::wire;

const AREA: &str = "packet";

/// A DNS question and its answer as IP packets.
pub fn question_and_answer(from: Host, to: Host) -> [Vec<u8>; 2] {
    let ends: [End; 2] = [(from, 40_000), (to, 53)];
    let asked = "lamp-17.example";
    let answer = Record::new(asked, kind::A, vec![192, 0, 2, 77]);
    let ask = net::udp(ends[0], ends[1], &records::ask(7, asked, kind::A));
    let tell = net::udp(ends[1], ends[0], &records::tell(7, asked, kind::A, &[answer]));
    [
        net::ip(from, to, net::UDP, &ask),
        net::ip(to, from, net::UDP, &tell),
    ]
}

/// An Ethernet frame whose type is followed by `tags` and then by an IP packet.
pub fn tagged(from: Host, to: Host, ethertype: u16, between: &[u8], packet: &[u8]) -> Vec<u8> {
    wire::ethernet(from.mac, to.mac, ethertype, &[between, packet].concat())
}

/// A case with the question and the answer, each put into a frame by `around` (which is told whether it
/// is the answer).
fn both(
    name: &str,
    readme: &str,
    link: LinkType,
    hosts: (Host, Host),
    around: impl Fn(bool, &[u8]) -> Vec<u8>,
) -> Case {
    let mut capture = Capture::on(link);
    for (answer, packet) in [false, true]
        .into_iter()
        .zip(question_and_answer(hosts.0, hosts.1))
    {
        capture.frame(around(answer, &packet));
    }
    Case::new(AREA, name, readme, capture)
}

const V4: (Host, Host) = (CLIENT, SERVER);
const V6: (Host, Host) = (CLIENT6, SERVER6);

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    [link_types(), ethernet(), broken()].concat()
}

fn link_types() -> Vec<Case> {
    let raw = |_: bool, packet: &[u8]| packet.to_vec();
    vec![
        both(
            "null-loopback",
            "BSD loopback (LINKTYPE_NULL): the address family in the byte order of the machine that wrote the file: once\n\
             little-endian, once big-endian. Look for one `dns` exchange and no anomaly.",
            LinkType::NULL,
            V4,
            |answer, packet| {
                let family: [u8; 4] = if answer { [0, 0, 0, 2] } else { [2, 0, 0, 0] };
                [&family, packet].concat()
            },
        ),
        both(
            "openbsd-loopback",
            "OpenBSD loopback (LINKTYPE_LOOP): the address family in network byte order; 24 is IPv6 there.",
            LinkType::LOOP,
            V6,
            |_, packet| [&[0, 0, 0, 24], packet].concat(),
        ),
        both(
            "raw-ip",
            "LINKTYPE_RAW: no link header at all, the IP version is in the first nibble. The flow has no `ether`.",
            LinkType::RAW,
            V4,
            raw,
        ),
        both(
            "raw-ipv4",
            "LINKTYPE_IPV4: IPv4 without a link header.",
            LinkType::IPV4,
            V4,
            raw,
        ),
        both(
            "raw-ipv6",
            "LINKTYPE_IPV6: IPv6 without a link header.",
            LinkType::IPV6,
            V6,
            raw,
        ),
        both(
            "linux-cooked",
            "Linux cooked capture v1 (LINKTYPE_LINUX_SLL), as `tcpdump -i any` wrote for twenty years: packet type, hardware\n\
             type, the sender's address only, protocol.",
            LinkType::LINUX_SLL,
            V4,
            |answer, packet| {
                let (kind, mac) = if answer { (0, SERVER.mac) } else { (4, CLIENT.mac) };
                [&[0, kind, 0, 1, 0, 6][..], &mac, &[0, 0, 8, 0], packet].concat()
            },
        ),
        both(
            "linux-cooked-2",
            "Linux cooked capture v2 (LINKTYPE_LINUX_SLL2): protocol first, interface index, sender's address.",
            LinkType::LINUX_SLL2,
            V6,
            |answer, packet| {
                let (kind, mac) = if answer {
                    (0, SERVER6.mac)
                } else {
                    (4, CLIENT6.mac)
                };
                let head = [0x86, 0xdd, 0, 0, 0, 0, 0, 2, 0, 1, kind, 6];
                [&head[..], &mac, &[0, 0], packet].concat()
            },
        ),
        both(
            "ppp",
            "PPP in HDLC-like framing (RFC 1662, LINKTYPE_PPP): once with address and control field and a protocol of two\n\
             bytes, once compressed to one byte (RFC 1661, 6.5).",
            LinkType(9),
            V4,
            |answer, packet| {
                let head: &[u8] = if answer { &[0x21] } else { &[0xff, 3, 0, 0x21] };
                [head, packet].concat()
            },
        ),
    ]
}

fn ethernet() -> Vec<Case> {
    let e = LinkType::ETHERNET;
    let of = |answer: bool| {
        if answer {
            (SERVER, CLIENT)
        } else {
            (CLIENT, SERVER)
        }
    };
    let vlan = move |ethertype: u16, between: &'static [u8]| {
        move |answer: bool, packet: &[u8]| {
            let (from, to) = of(answer);
            tagged(from, to, ethertype, between, packet)
        }
    };
    vec![
        both(
            "ethernet",
            "Ethernet II, frames padded to 60 bytes: the padding is no part of the datagram (RFC 894), so there is no\n\
             `udp.surplus`.",
            e,
            V4,
            vlan(0x0800, &[]),
        ),
        both(
            "vlan",
            "IEEE 802.1Q: VLAN 100, priority 5. Look for `vlan` in every event.",
            e,
            V4,
            vlan(0x8100, &[0xa0, 100, 8, 0]),
        ),
        both(
            "qinq",
            "IEEE 802.1ad: service tag 200 around customer tag 100; both ids stand in `vlan`, the outer one first.",
            e,
            V4,
            vlan(0x88a8, &[0, 200, 0x81, 0, 0, 100, 8, 0]),
        ),
        both(
            "vlan-too-deep",
            "Nine tags in front of a packet: no network needs that, and what unwraps tags without end can be made to hang.\n\
             `vlan.too_deep`; the packet is not followed.",
            e,
            V4,
            vlan(
                0x8100,
                &[
                    0, 1, 0x81, 0, 0, 2, 0x81, 0, 0, 3, 0x81, 0, 0, 4, 0x81, 0, 0, 5, 0x81, 0, 0, 6, 0x81, 0,
                    0, 7, 0x81, 0, 0, 8, 0x81, 0, 0, 9, 8, 0,
                ],
            ),
        ),
        plain_ethernet(),
    ]
}

fn plain_ethernet() -> Case {
    let mut capture = Capture::new();
    let to_all = [0x01, 0x80, 0xc2, 0, 0, 0x0e];
    // LLDP (IEEE 802.1AB): chassis, port, time to live, end.
    let lldp = [
        2, 7, 4, 2, 0, 192, 0, 2, 20, 4, 3, 7, b'p', b'1', 6, 2, 0, 120, 0, 0,
    ];
    capture.frame(wire::ethernet(SERVER.mac, to_all, 0x88cc, &lldp));
    // Profinet real time, answered.
    capture.frame(wire::ethernet(CLIENT.mac, SERVER.mac, 0x8892, &[0x80, 1, 2, 3]));
    capture.frame(wire::ethernet(SERVER.mac, CLIENT.mac, 0x8892, &[0x80, 2, 2, 3]));
    // Spanning tree in 802.3 with LLC: a length in place of a type.
    let bpdu = [0x42, 0x42, 3, 0, 0, 0, 0, 0];
    capture.frame(wire::ethernet(
        SERVER.mac,
        [1, 0x80, 0xc2, 0, 0, 0],
        bpdu.len() as u16,
        &bpdu,
    ));
    Case::new(
        AREA,
        "without-ip",
        "LLDP, Profinet and spanning tree (IEEE 802.1AB, 802.3): traffic without IP. Flows are keyed by MAC pair, VLAN\n\
         and EtherType; the two Profinet frames are one conversation.",
        capture,
    )
}

fn broken() -> Vec<Case> {
    let [packet, _] = question_and_answer(CLIENT, SERVER);
    let mac = [SERVER.mac, CLIENT.mac].concat();
    let mut capture = Capture::new();
    // Less than a header.
    capture.frame(mac.clone());
    // A length that no frame of this size has.
    capture.frame(wire::ethernet(CLIENT.mac, SERVER.mac, 1_400, &[0x42, 0x42, 3]));
    // A tag without what it tags.
    capture.frame([&mac[..], &[0x81, 0, 0]].concat());
    // ARP that ends early, and ARP whose hardware addresses have 8 bytes.
    capture.frame([&mac[..], &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0]].concat());
    capture.frame(wire::ethernet(
        CLIENT.mac,
        wire::BROADCAST,
        0x0806,
        &[0, 1, 8, 0, 8, 4, 0, 1],
    ));
    // PPPoE: too short, wrong version, longer than the frame, no protocol.
    capture.frame([&mac[..], &[0x88, 0x64, 0x11, 0, 0]].concat());
    capture.frame(tagged(
        CLIENT,
        SERVER,
        0x8864,
        &[0x21, 0, 0, 7, 0, 48, 0, 0x21],
        &packet,
    ));
    capture.frame(tagged(
        CLIENT,
        SERVER,
        0x8864,
        &[0x11, 0, 0, 7, 1, 0, 0, 0x21],
        &packet,
    ));
    capture.frame([&mac[..], &[0x88, 0x64, 0x11, 0, 0, 7, 0, 1, 0]].concat());
    // MPLS: a stack without bottom, cut and too deep.
    capture.frame([&mac[..], &[0x88, 0x47, 0, 1, 0, 64, 0, 2]].concat());
    capture.frame(wire::ethernet(
        CLIENT.mac,
        SERVER.mac,
        0x8847,
        &[0, 1, 0, 64].repeat(17),
    ));
    let ethernet = Case::new(
        AREA,
        "broken-links",
        "Link headers that are broken: one frame for each `ethernet.*`, `vlan.truncated`, `arp.*`, `pppoe.*`, `ppp.*` and\n\
         `mpls.*` anomaly (IEEE 802.3, RFC 826, RFC 2516, RFC 3032). The decoder and the ARP dissector each say what they miss. The\n\
         PPPoE frame whose length is beyond the frame still holds a whole IP packet, which is read.",
        capture,
    );
    let mut cooked = Capture::on(LinkType::LINUX_SLL);
    cooked.frame(vec![0, 0, 0, 1, 0, 6, 2, 0]);
    let cooked = Case::new(
        AREA,
        "broken-cooked",
        "Less than a Linux cooked header: `sll.truncated`.",
        cooked,
    );
    let mut loopback = Capture::on(LinkType::NULL);
    loopback.frame(vec![2, 0]);
    loopback.frame([&[99, 0, 0, 0], &packet[..]].concat());
    let loopback = Case::new(
        AREA,
        "broken-loopback",
        "A loopback header that ends early, and one with an address family that nobody has.",
        loopback,
    );
    let mut raw = Capture::on(LinkType::RAW);
    raw.frame(vec![0x90; 40]);
    let raw = Case::new(AREA, "broken-raw", "Raw IP of version 9: `ip.version`.", raw);
    let mut radio = Capture::on(LinkType(105));
    radio.frame(vec![0x80, 0, 0, 0, 0xff, 0xff]);
    let radio = Case::new(
        AREA,
        "link-unsupported",
        "IEEE 802.11 (link type 105) is not decoded: it is counted and said (`link.unsupported`), not silently dropped.",
        radio,
    );
    vec![ethernet, cooked, loopback, raw, radio]
}
