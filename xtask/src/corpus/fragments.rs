//! IP fragments: in and out of order, overlapping in every way that hosts disagree on, broken.
//!
//! What was put together is seen in the value of an SNMP variable: a text that says which fragment won.

use super::Case;
use super::capture::{Capture, SECOND};
use super::link::question_and_answer;
use super::net::{self, CLIENT, CLIENT6, End, Host, SERVER, SERVER6, UDP, host};
use crate::story::payload::snmp::{Pdu, Value, message};
use crate::story::wire;

const AREA: &str = "packet";

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        in_order(),
        reversed(),
        ipv6(),
        policies(),
        ipv6_overlap(),
        duplicate(),
        broken(),
        timeout(),
        limit(),
    ]
}

/// One IPv4 fragment: identification, offset in bytes, whether more follow, payload.
fn fragment(from: Host, to: Host, id: u16, offset: usize, more: bool, payload: &[u8]) -> Vec<u8> {
    let mut packet = wire::ipv4(from.v4(), to.v4(), UDP, 64, payload);
    packet[4..6].copy_from_slice(&id.to_be_bytes());
    let place = (offset / 8) as u16 | if more { 0x2000 } else { 0 };
    packet[6..8].copy_from_slice(&place.to_be_bytes());
    wire::seal_ipv4(&mut packet);
    net::frame(from, to, &packet)
}

/// One IPv6 fragment (RFC 8200, 4.5).
fn fragment6(id: u8, offset: usize, more: bool, payload: &[u8]) -> Vec<u8> {
    let [high, low] = (offset as u16 | u16::from(more)).to_be_bytes();
    let body = [&[UDP, 0, high, low, 0, 0, 0, id], payload].concat();
    net::frame(CLIENT6, SERVER6, &net::ipv6(CLIENT6, SERVER6, 44, &body))
}

/// The DNS question as UDP, cut at multiples of eight.
fn pieces(datagram: &[u8], at: &[usize]) -> Vec<(usize, bool, Vec<u8>)> {
    let mut cuts = vec![0];
    cuts.extend(at);
    cuts.push(datagram.len());
    cuts.windows(2)
        .map(|w| (w[0], w[1] != datagram.len(), datagram[w[0]..w[1]].to_vec()))
        .collect()
}

fn question() -> Vec<u8> {
    question_and_answer(CLIENT, SERVER)[0][20..].to_vec()
}

fn in_order() -> Case {
    let mut capture = Capture::new();
    for (offset, more, bytes) in pieces(&question(), &[8, 24]) {
        capture.frame(fragment(CLIENT, SERVER, 1, offset, more, &bytes));
    }
    capture.frame(net::frame(
        SERVER,
        CLIENT,
        &question_and_answer(CLIENT, SERVER)[1],
    ));
    Case::new(
        AREA,
        "fragments-in-order",
        "A DNS question in three IPv4 fragments (RFC 791). One `dns` exchange in the flow of the whole datagram; the fragments before the last have a flow of their own, without ports.",
        capture,
    )
}

fn reversed() -> Case {
    let mut capture = Capture::new();
    for (offset, more, bytes) in pieces(&question(), &[8, 24]).into_iter().rev() {
        capture.frame(fragment(CLIENT, SERVER, 1, offset, more, &bytes));
    }
    Case::new(
        AREA,
        "fragments-reversed",
        "The same fragments, the last one first, as Linux once sent them all.",
        capture,
    )
}

fn ipv6() -> Case {
    let datagram = question_and_answer(CLIENT6, SERVER6)[0][40..].to_vec();
    let mut capture = Capture::new();
    for (offset, more, bytes) in pieces(&datagram, &[16]) {
        capture.frame(fragment6(1, offset, more, &bytes));
    }
    Case::new(
        AREA,
        "fragments-ipv6",
        "A DNS question in two IPv6 fragments (RFC 8200, 4.5).",
        capture,
    )
}

/// Offset of the text in the datagram of `spelled`; the overlaps begin there.
const TEXT: usize = 56;

/// An SNMP request that sets a text of 16 units of 8 bytes each, which starts at `TEXT`; no UDP checksum,
/// because no sum would hold whatever wins.
fn spelled(to: End) -> Vec<u8> {
    let from: End = (CLIENT, 40_000);
    for length in 1..40 {
        let community = "x".repeat(length);
        let text = "=".repeat(16 * 8);
        let bindings = [("1.3.6.1.2.1.1.6.0".to_owned(), Value::Text(text))];
        let mut datagram = net::udp(from, to, &message(1, &community, Pdu::Set, 1, &bindings));
        if datagram.windows(8).position(|w| w == b"========") == Some(TEXT) {
            datagram[6..8].fill(0);
            return datagram;
        }
    }
    Vec::new()
}

/// Place and length in units of 8 bytes, and the letter that fills it: old pieces, then those that meet them.
const SEQUENCE: &[(usize, usize, u8)] = &[
    (0, 2, b'a'),
    (3, 2, b'b'),
    (6, 2, b'c'),
    (9, 2, b'd'),
    (12, 2, b'e'),
    // Starts before and ends within.
    (2, 2, b'B'),
    // Starts within and ends behind.
    (7, 2, b'C'),
    // Starts before and ends with.
    (8, 3, b'D'),
    // Starts before and ends behind.
    (11, 4, b'E'),
    // The same again.
    (0, 2, b'A'),
    (5, 1, b'f'),
    (15, 1, b'z'),
];

/// Address and policy of each target host.
pub const POLICIES: [(&str, u8); 7] = [
    ("first", 31),
    ("last", 32),
    ("bsd", 33),
    ("bsd-right", 34),
    ("linux", 35),
    ("windows", 36),
    ("solaris", 37),
];

/// A configuration that gives each target host its policy.
pub fn policy_config() -> String {
    let mut text = "# Each host resolves overlaps in its own way.\n".to_owned();
    for (policy, last) in POLICIES {
        text += &format!("[[host]]\nnetwork = \"192.0.2.{last}\"\noverlap = \"{policy}\"\n\n");
    }
    text.trim_end().to_owned() + "\n"
}

fn policies() -> Case {
    let mut capture = Capture::new();
    for (_, last) in POLICIES {
        let target = host(192, 0, 2, last);
        let datagram = spelled((target, 161));
        let end = TEXT + 16 * 8;
        // All but the text first; its last piece says where the datagram ends.
        capture.frame(fragment(CLIENT, target, 7, 0, true, &datagram[..TEXT]));
        for &(place, units, letter) in SEQUENCE {
            let bytes = vec![letter; units * 8];
            let last_piece = place + units == 16;
            capture.frame(fragment(CLIENT, target, 7, TEXT + place * 8, !last_piece, &bytes));
        }
        assert_eq!(datagram.len(), end, "the text ends the datagram");
        capture.wait(SECOND);
    }
    Case::new(
        AREA,
        "fragments-overlap-policies",
        "The same overlapping fragments to seven hosts with seven policies (Ptacek and Newsham 1998; Shankar and Paxson 2003;\n\
         Novak 2005): small letters came first, capitals of the same letter overlap them. The text in `snmp.vars` says which\n\
         fragment each host believed; a sensor that does not know can be told another story than the host hears.",
        capture,
    )
    .with("config.toml", &policy_config())
}

fn ipv6_overlap() -> Case {
    let datagram = question_and_answer(CLIENT6, SERVER6)[0][40..].to_vec();
    let mut capture = Capture::new();
    capture.frame(fragment6(9, 0, true, &datagram[..16]));
    capture.frame(fragment6(9, 8, true, &datagram[8..24]));
    capture.frame(fragment6(9, 16, false, &datagram[16..]));
    Case::new(
        AREA,
        "fragments-ipv6-overlap",
        "Overlapping IPv6 fragments: every host drops the whole datagram, with what is still to come (RFC 5722). No `dns` event.",
        capture,
    )
}

fn duplicate() -> Case {
    let mut capture = Capture::new();
    let [first, second, third] = [0, 1, 2].map(|n| pieces(&question(), &[8, 24])[n].clone());
    for (offset, more, bytes) in [&first, &second, &second, &third] {
        capture.frame(fragment(CLIENT, SERVER, 1, *offset, *more, bytes));
    }
    Case::new(
        AREA,
        "fragments-duplicate",
        "A fragment that comes twice, with the same content: said, and the datagram is whole all the same.",
        capture,
    )
}

fn broken() -> Case {
    let mut capture = Capture::new();
    let datagram = question();
    let mut put = |id: u16, offset: usize, more: bool, bytes: &[u8]| {
        capture.frame(fragment(CLIENT, SERVER, id, offset, more, bytes));
    };
    put(1, 8, true, &[]);
    put(2, 0, true, &datagram[..12]);
    put(3, 65_528, false, &[0; 16]);
    // The transport header is split.
    put(4, 0, true, &[0; 0]);
    let tcp = net::tcp((CLIENT, 40_001), (SERVER, 80), &net::Segment::default());
    let mut tiny = wire::ipv4(CLIENT.v4(), SERVER.v4(), 6, 64, &tcp[..8]);
    tiny[4..8].copy_from_slice(&[0, 5, 0x20, 0]);
    wire::seal_ipv4(&mut tiny);
    capture.frame(net::frame(CLIENT, SERVER, &tiny));
    let mut put = |id: u16, offset: usize, more: bool, bytes: &[u8]| {
        capture.frame(fragment(CLIENT, SERVER, id, offset, more, bytes));
    };
    // Teardrop: a fragment inside another.
    put(6, 0, true, &[0x11; 32]);
    put(6, 8, true, &[0x22; 8]);
    // Overlap with the same content.
    put(7, 0, true, &[0x33; 16]);
    put(7, 8, true, &[0x33; 16]);
    // Two ends.
    put(8, 16, false, &[0x44; 8]);
    put(8, 32, false, &[0x44; 8]);
    Case::new(
        AREA,
        "fragments-broken",
        "Fragments without payload, of a length that is no multiple of 8, beyond the largest datagram (\"ping of death\"), with a\n\
         split TCP header (RFC 1858), inside another (\"teardrop\"), overlapping alike, and two that both claim to be the last.\n\
         None of the datagrams becomes whole. Fragments have no ports, so their own flow has none.",
        capture,
    )
}

fn timeout() -> Case {
    let mut capture = Capture::new();
    let [first, second, _] = [0, 1, 2].map(|n| pieces(&question(), &[8, 24])[n].clone());
    capture.frame(fragment(CLIENT, SERVER, 1, first.0, first.1, &first.2));
    capture.frame(fragment(CLIENT, SERVER, 1, second.0, second.1, &second.2));
    capture.wait(45 * SECOND);
    capture.frame(net::frame(
        CLIENT,
        SERVER,
        &question_and_answer(CLIENT, SERVER)[0],
    ));
    Case::new(
        AREA,
        "fragments-timeout",
        "Two of three fragments, then 45 seconds of silence: RFC 791 suggests 15 seconds, Linux waits 30. The datagram is given\n\
         up and said (`fragment.timeout`), so that nobody holds memory by sending halves.",
        capture,
    )
}

fn limit() -> Case {
    let mut capture = Capture::new();
    for id in 0..10 {
        capture.frame(fragment(CLIENT, SERVER, id, 0, true, &question()[..24]));
    }
    Case::new(
        AREA,
        "fragments-limit",
        "Ten half datagrams where the configuration has room for eight: the oldest are given up, and it is said.",
        capture,
    )
    .with("config.toml", "[limits]\nfragments = 8\n")
}
