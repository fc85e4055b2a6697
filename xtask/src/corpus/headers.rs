//! IP and transport headers: extension headers, broken fields, cut captures, checksums.

use super::Case;
use super::capture::Capture;
use super::link::question_and_answer;
use super::net::{self, CLIENT, CLIENT6, End, ICMP, ICMPV6, MDNS, SERVER, SERVER6, Segment, TCP, UDP};
use super::talk::{Side, Talk, flag};
use crate::story::wire;

const AREA: &str = "packet";

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        extension_headers(),
        broken_extensions(),
        broken_ipv4(),
        broken_ipv6(),
        broken_tcp(),
        broken_udp(),
        broken_others(),
        icmp(),
        sctp(),
        esp_and_ah(),
        cut(),
        bad_checksums(),
        offload(),
    ]
}

fn dns6() -> Vec<u8> {
    let [packet, _] = question_and_answer(CLIENT6, SERVER6);
    packet[40..].to_vec()
}

/// An IPv6 packet with extension headers in front of a DNS question.
fn extended(first: u8, headers: &[u8]) -> Vec<u8> {
    net::frame(
        CLIENT6,
        SERVER6,
        &net::ipv6(CLIENT6, SERVER6, first, &[headers, &dns6()].concat()),
    )
}

fn extension_headers() -> Case {
    let mut capture = Capture::new();
    // Hop by hop (padding), destination options, routing type 2, an atomic fragment, destination options.
    let headers = [
        &[60, 0, 1, 4, 0, 0, 0, 0][..],
        &[43, 0, 1, 4, 0, 0, 0, 0],
        &[44, 2, 2, 0, 0, 0, 0, 0],
        &SERVER6.v6().octets(),
        &[60, 0, 0, 0, 0, 0, 0, 99],
        &[17, 0, 1, 4, 0, 0, 0, 0],
    ]
    .concat();
    capture.frame(extended(0, &headers));
    let [_, answer] = question_and_answer(CLIENT6, SERVER6);
    capture.frame(net::frame(SERVER6, CLIENT6, &answer));
    Case::new(
        AREA,
        "ipv6-extensions",
        "All extension headers in the order of RFC 8200, 4.1, with an atomic fragment header (RFC 6946) among them: a whole\n\
         packet. One `dns` exchange, no anomaly.",
        capture,
    )
}

fn broken_extensions() -> Case {
    let mut capture = Capture::new();
    // Hop by hop behind destination options.
    capture.frame(extended(60, &[0, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0]));
    // Routing twice.
    let routing = [&[43, 2, 2, 0, 0, 0, 0, 0][..], &SERVER6.v6().octets()].concat();
    let last = [&[17, 2, 2, 0, 0, 0, 0, 0][..], &SERVER6.v6().octets()].concat();
    capture.frame(extended(43, &[routing, last].concat()));
    // Type 0.
    let source_route = [&[17, 2, 0, 1, 0, 0, 0, 0][..], &SERVER6.v6().octets()].concat();
    capture.frame(extended(43, &source_route));
    // Beyond the packet.
    let long = net::ipv6(CLIENT6, SERVER6, 60, &[17, 9, 1, 4, 0, 0, 0, 0]);
    capture.frame(net::frame(CLIENT6, SERVER6, &long));
    // More than any host accepts.
    let mut many = [135, 0, 1, 4, 0, 0, 0, 0].repeat(17);
    many.extend([17, 0, 1, 4, 0, 0, 0, 0]);
    capture.frame(extended(135, &many));
    Case::new(
        AREA,
        "ipv6-broken-extensions",
        "Extension headers out of order, repeated, of the deprecated routing type 0 (RFC 5095), beyond the packet, and\n\
         without end. Filters were evaded by each; hosts still accept the first two, so these are followed.",
        capture,
    )
}

/// The DNS question as IPv4, its header bent.
fn bent(bend: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let [mut packet, _] = question_and_answer(CLIENT, SERVER);
    bend(&mut packet);
    // The EtherType stays that of IPv4, whatever the header says.
    wire::ethernet(CLIENT.mac, SERVER.mac, 0x0800, &packet)
}

/// The DNS question as IPv4 with options in its header.
fn with_options(options: &[u8]) -> Vec<u8> {
    bent(|packet| {
        let payload = packet.split_off(20);
        packet.extend(options);
        packet[0] = 0x40 + (packet.len() / 4) as u8;
        let total = (packet.len() + payload.len()) as u16;
        packet[2..4].copy_from_slice(&total.to_be_bytes());
        packet[10..12].fill(0);
        let sum = wire::checksum(&[packet]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend(payload);
    })
}

fn sealed(bend: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    bent(|packet| {
        bend(packet);
        wire::seal_ipv4(packet);
    })
}

fn broken_ipv4() -> Case {
    let mut capture = Capture::new();
    capture.frame(sealed(|p| p[0] = 0x65));
    capture.frame(sealed(|p| p[0] = 0x44));
    capture.frame(sealed(|p| p[3] = 19));
    capture.frame(sealed(|p| p[2..4].copy_from_slice(&900_u16.to_be_bytes())));
    capture.frame(bent(|p| p[10] ^= 0xff));
    // Router alert is fine; a length of 1 and one beyond the header are not; a loose source route is refused.
    capture.frame(with_options(&[148, 4, 0, 0]));
    capture.frame(with_options(&[148, 1, 0, 0]));
    capture.frame(with_options(&[7, 40, 4, 0]));
    capture.frame(with_options(&[131, 7, 4, 192, 0, 2, 99, 0]));
    Case::new(
        AREA,
        "ipv4-broken",
        "IPv4 headers that break RFC 791: version, header length, total length (too small, beyond the frame), checksum,\n\
         option lengths; and a source route (RFC 7126: to be dropped). What cannot be read gives no `dns` event; what could be is\n\
         read, with its anomaly beside it.",
        capture,
    )
}

fn broken_ipv6() -> Case {
    let [packet, _] = question_and_answer(CLIENT6, SERVER6);
    let ethernet = |packet: &[u8]| wire::ethernet(CLIENT6.mac, SERVER6.mac, 0x86dd, packet);
    let mut capture = Capture::new();
    let mut wrong = packet.clone();
    wrong[0] = 0x40;
    capture.frame(ethernet(&wrong));
    let mut long = packet.clone();
    long[4] = 4;
    capture.frame(ethernet(&long));
    capture.frame([&SERVER6.mac[..], &CLIENT6.mac, &[0x86, 0xdd], &packet[..30]].concat());
    Case::new(
        AREA,
        "ipv6-broken",
        "IPv6 headers that break RFC 8200: the version, a payload length beyond the frame, a header that ends early.",
        capture,
    )
}

const HERE: End = (CLIENT, 40_001);
const THERE: End = (SERVER, 80);

fn broken_tcp() -> Case {
    let mut capture = Capture::new();
    let syn = |flags: u8, options: &[u8]| {
        let segment = Segment {
            seq: 1,
            flags,
            options,
            ..Segment::default()
        };
        net::tcp(HERE, THERE, &segment)
    };
    capture.ip(CLIENT, SERVER, TCP, &syn(flag::SYN, &[])[..12]);
    let mut short = syn(flag::SYN, &[]);
    short[12] = 0x40;
    net::seal(CLIENT, SERVER, TCP, &mut short, 16);
    capture.ip(CLIENT, SERVER, TCP, &short);
    capture.ip(CLIENT, SERVER, TCP, &syn(flag::SYN, &[2, 1, 5, 0xb4]));
    capture.ip(CLIENT, SERVER, TCP, &syn(flag::SYN, &[1, 3, 3, 15]));
    for flags in [0, flag::SYN | flag::FIN, flag::SYN | flag::RST] {
        capture.ip(CLIENT, SERVER, TCP, &syn(flags, &[]));
    }
    Case::new(
        AREA,
        "tcp-broken",
        "TCP headers that break RFC 9293: too short, data offset below 5, an option of length 1, a window scale of 15 (RFC\n\
         7323, 2.3), and flags that no stack sends (none, SYN with FIN, SYN with RST).",
        capture,
    )
}

fn broken_udp() -> Case {
    let ends: [End; 2] = [(CLIENT, 40_000), (SERVER, 9_999)];
    let whole = net::udp(ends[0], ends[1], b"twelve bytes");
    let mut capture = Capture::new();
    capture.ip(CLIENT, SERVER, UDP, &whole[..6]);
    for length in [7_u8, 200] {
        let mut wrong = whole.clone();
        wrong[5] = length;
        net::seal(CLIENT, SERVER, UDP, &mut wrong, 6);
        capture.ip(CLIENT, SERVER, UDP, &wrong);
    }
    capture.ip(CLIENT, SERVER, UDP, &[&whole[..], b"hidden"].concat());
    Case::new(
        AREA,
        "udp-broken",
        "UDP headers that break RFC 768: too short, a length of 7, one beyond the packet; and bytes behind the datagram's\n\
         end (a place to hide data: RFC 9868 calls it the surplus area).",
        capture,
    )
}

fn broken_others() -> Case {
    let mut capture = Capture::new();
    capture.ip(CLIENT, SERVER, ICMP, &[8, 0, 0]);
    capture.ip(CLIENT6, SERVER6, ICMPV6, &[128, 0]);
    capture.ip(CLIENT, SERVER, 132, &[0, 1, 0, 2, 0, 0]);
    capture.ip(CLIENT, SERVER, 2, &[0x16, 0, 0]);
    capture.ip(CLIENT, SERVER, 50, &[0, 0, 0, 1, 0]);
    // An authentication header that says 8 bytes.
    capture.ip(CLIENT, SERVER, 51, &[17, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
    Case::new(
        AREA,
        "others-broken",
        "ICMP, ICMPv6, SCTP, IGMP, ESP headers that end early, and an authentication header shorter than its fixed part.",
        capture,
    )
}

fn icmp() -> Case {
    let mut capture = Capture::new();
    let rest = [0, 7, 0, 1];
    let ping = net::icmp(CLIENT, SERVER, 8, 0, rest, b"payload of a ping");
    capture.ip(CLIENT, SERVER, ICMP, &ping);
    let pong = net::icmp(SERVER, CLIENT, 0, 0, rest, b"payload of a ping");
    capture.ip(SERVER, CLIENT, ICMP, &pong);
    // A datagram to a closed port, and what is said of it.
    let [asked, _] = question_and_answer(CLIENT, SERVER);
    capture.frame(net::frame(CLIENT, SERVER, &asked));
    let refused = net::icmp(SERVER, CLIENT, 3, 3, [0; 4], &asked[..28]);
    capture.ip(SERVER, CLIENT, ICMP, &refused);
    // A neighbour is asked for and tells.
    let asks = net::icmp(CLIENT6, SERVER6, 135, 0, [0; 4], &SERVER6.v6().octets());
    capture.ip(CLIENT6, SERVER6, ICMPV6, &asks);
    let tells = net::icmp(SERVER6, CLIENT6, 136, 0, [0x60, 0, 0, 0], &SERVER6.v6().octets());
    capture.ip(SERVER6, CLIENT6, ICMPV6, &tells);
    // A group is joined.
    let mut join = vec![0x16, 0, 0, 0, 224, 0, 0, 251];
    let sum = wire::checksum(&[&join]);
    join[2..4].copy_from_slice(&sum.to_be_bytes());
    capture.ip(CLIENT, MDNS, 2, &join);
    Case::new(
        AREA,
        "icmp",
        "Echo request and reply are one conversation (RFC 792), neighbour solicitation and advertisement another (RFC 4861).\n\
         A port unreachable answers a DNS question. IGMP (RFC 2236) has its own flow.",
        capture,
    )
}

fn sctp() -> Case {
    let mut capture = Capture::new();
    let chunk = |from: u16, to: u16, tag: u32, body: &[u8]| {
        [
            &from.to_be_bytes()[..],
            &to.to_be_bytes(),
            &tag.to_be_bytes(),
            &[0; 4],
            body,
        ]
        .concat()
    };
    let init = chunk(
        5_000,
        38_412,
        0,
        &[1, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0xff, 0, 0, 1, 0, 1, 0, 0, 0, 1],
    );
    let answer = chunk(
        38_412,
        5_000,
        1,
        &[2, 0, 0, 20, 0, 0, 0, 2, 0, 0, 0xff, 0, 0, 1, 0, 1, 0, 0, 0, 9],
    );
    capture.ip(CLIENT, SERVER, 132, &init);
    capture.ip(SERVER, CLIENT, 132, &answer);
    Case::new(
        AREA,
        "sctp",
        "SCTP (RFC 9260): INIT and INIT ACK are one conversation, keyed by ports.",
        capture,
    )
}

fn esp_and_ah() -> Case {
    let mut capture = Capture::new();
    for number in 1..=2_u8 {
        let packet = [&[0, 0, 0x10, 1, 0, 0, 0, number][..], &[0xa5; 40]].concat();
        capture.ip(CLIENT, SERVER, 50, &packet);
    }
    let [packet, _] = question_and_answer(CLIENT, SERVER);
    let header = [
        17, 4, 0, 0, 0, 0, 0x20, 1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
    ];
    capture.ip(CLIENT, SERVER, 51, &[&header[..], &packet[20..]].concat());
    Case::new(
        AREA,
        "ipsec",
        "ESP (RFC 4303) is a flow whose content is unknown; behind an authentication header (RFC 4302) the DNS question is\n\
         in the clear and is read.",
        capture,
    )
}

fn cut() -> Case {
    let [ask, tell] = question_and_answer(CLIENT, SERVER);
    let mut capture = Capture::new();
    capture.frame(net::frame(CLIENT, SERVER, &ask));
    let answer = net::frame(SERVER, CLIENT, &tell);
    let keep = answer.len() - 8;
    capture.cut(answer, keep);
    let mut talk = Talk::open(&mut capture, HERE, THERE);
    // Of the request's frame only 60 bytes were kept.
    let request = b"GET /cut HTTP/1.1\r\nHost: example\r\n\r\n";
    let segment = talk.segment(Side::Client, flag::ACK | flag::PSH, request, &[]);
    let frame = net::frame(
        CLIENT,
        SERVER,
        &net::ip(CLIENT, SERVER, TCP, &net::tcp(HERE, THERE, &segment)),
    );
    capture.cut(frame, 60);
    talk.skip(Side::Client, request.len());
    talk.say(&mut capture, Side::Server, b"HTTP/1.1 204 No Content\r\n\r\n");
    talk.close(&mut capture);
    for keep in [10, 20, 36] {
        capture.cut(net::frame(CLIENT, SERVER, &ask), keep);
    }
    Case::new(
        AREA,
        "cut-by-snap-length",
        "Frames of which the capture kept only the beginning. That is no anomaly of the sender: no `decode` anomaly, the valid\n\
         prefix counts, and the missing bytes of a stream are a gap (`missing_toserver` 30).",
        capture,
    )
}

fn bad_checksums() -> Case {
    let mut capture = Capture::new();
    let [packet, _] = question_and_answer(CLIENT, SERVER);
    let mut wrong = packet[20..].to_vec();
    wrong[6] ^= 0x55;
    capture.ip(CLIENT, SERVER, UDP, &wrong);
    // The receiver drops the middle segment, so it never said "evil".
    let mut talk = Talk::open(&mut capture, HERE, THERE);
    talk.send(&mut capture, Side::Client, b"GET /goo");
    let segment = talk.segment(Side::Client, flag::ACK | flag::PSH, b"evil", &[]);
    let mut bytes = net::tcp(HERE, THERE, &segment);
    bytes[16] ^= 0x55;
    capture.ip(CLIENT, SERVER, TCP, &bytes);
    talk.say(
        &mut capture,
        Side::Client,
        b"dish HTTP/1.1\r\nHost: example\r\n\r\n",
    );
    talk.say(&mut capture, Side::Server, b"HTTP/1.1 204 No Content\r\n\r\n");
    talk.close(&mut capture);
    Case::new(
        AREA,
        "bad-checksums",
        "Wrong UDP and TCP checksums: receivers drop such packets (Ptacek and Newsham 1998, \"insertion\"), so the path that was\n\
         asked for by HTTP is `/goodish`. The DNS question is told all the same, and `udp.bad_checksum` beside it.",
        capture,
    )
}

fn offload() -> Case {
    let mut capture = Capture::new();
    // The kernel writes only the sum of the pseudo-header and leaves the rest to the network card.
    let partial = |from: End, to: End, protocol: u8, bytes: &mut [u8], at: usize| {
        let length = (bytes.len() as u16).to_be_bytes();
        let pseudo = [
            &from.0.v4().octets()[..],
            &to.0.v4().octets(),
            &[0, protocol],
            &length,
        ];
        let sum = !wire::checksum(&pseudo);
        bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    };
    let [packet, answer] = question_and_answer(CLIENT, SERVER);
    let mut question = packet[20..].to_vec();
    partial((CLIENT, 40_000), (SERVER, 53), UDP, &mut question, 6);
    capture.ip(CLIENT, SERVER, UDP, &question);
    capture.frame(net::frame(SERVER, CLIENT, &answer));
    let mut talk = Talk::open(&mut capture, HERE, THERE);
    let request = b"GET /offload HTTP/1.1\r\nHost: example\r\n\r\n";
    let mut bytes = net::tcp(
        HERE,
        THERE,
        &talk.segment(Side::Client, flag::ACK | flag::PSH, request, &[]),
    );
    partial(HERE, THERE, TCP, &mut bytes, 16);
    capture.ip(CLIENT, SERVER, TCP, &bytes);
    talk.skip(Side::Client, request.len());
    talk.say(&mut capture, Side::Server, b"HTTP/1.1 204 No Content\r\n\r\n");
    talk.close(&mut capture);
    Case::new(
        AREA,
        "checksum-offload",
        "Captured on the sending machine: transport checksums hold the sum of the pseudo-header only, the card does the rest.\n\
         These are no errors: both exchanges are told, without anomalies.",
        capture,
    )
}
