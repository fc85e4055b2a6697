//! ARP and DNS in all its carriers.

use super::Case;
use super::capture::{Capture, SECOND};
use super::net::{CLIENT6, DEVICE as SERVER, End, Host, MDNS, OPERATOR as CLIENT, SERVER6, host, host6};
use super::records::{self, Record, ask, kind, message, name, service, tell, texts};
use super::talk::{Side::Client, Side::Server, Talk};
use crate::story::wire::{self, Station};

const AREA: &str = "transaction";

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        arp(),
        arp_malformed(),
        dns(
            "dns-udp",
            53,
            "DNS over UDP (RFC 1035): A, AAAA through an alias, MX, TXT, \"no such name\", and a question that nobody answers.",
        ),
        dns(
            "dns-unusual-port",
            5_300,
            "The same on port 5300: found by content, not by port.",
        ),
        dns_tcp(),
        mdns(),
        llmnr(),
        dns_malformed(),
    ]
}

fn arp() -> Case {
    let mut capture = Capture::new();
    let station = |h: Host| Station {
        mac: h.mac,
        ip: h.v4(),
    };
    let unknown = |h: Host| Station {
        mac: [0; 6],
        ip: h.v4(),
    };
    capture.frame(wire::arp(1, station(CLIENT), unknown(SERVER)));
    capture.frame(wire::arp(2, station(SERVER), station(CLIENT)));
    // Nobody has this one.
    capture.frame(wire::arp(1, station(CLIENT), unknown(host(10, 0, 0, 99))));
    capture.wait(SECOND);
    // A probe before an address is used, and its announcement (RFC 5227).
    let new = host(10, 0, 0, 50);
    capture.frame(wire::arp(
        1,
        Station {
            mac: new.mac,
            ip: [0, 0, 0, 0].into(),
        },
        unknown(new),
    ));
    capture.frame(wire::arp(
        1,
        station(new),
        Station {
            mac: [0; 6],
            ip: new.v4(),
        },
    ));
    capture.wait(SECOND);
    // Somebody else says that it is the server.
    let liar = Station {
        mac: [2, 0, 0, 0, 6, 66],
        ip: SERVER.v4(),
    };
    capture.frame(wire::arp(2, liar, station(CLIENT)));
    Case::new(
        AREA,
        "arp",
        "Who has, reply, a question without answer, probe and announcement (RFC 826, RFC 5227); then another device claims the\n\
         server's address. ARP has no ports, so there is no case on an unusual one.",
        capture,
    )
}

fn arp_malformed() -> Case {
    let mut capture = Capture::new();
    let good = Station {
        mac: CLIENT.mac,
        ip: CLIENT.v4(),
    };
    let asked = Station {
        mac: [0; 6],
        ip: SERVER.v4(),
    };
    let group = Station {
        mac: [1, 0, 0x5e, 0, 0, 1],
        ..good
    };
    let multicast = Station {
        ip: [224, 0, 0, 1].into(),
        ..good
    };
    capture.frame(wire::arp(1, group, asked));
    capture.frame(wire::arp(1, multicast, asked));
    capture.frame(wire::arp(77, good, asked));
    Case::new(
        AREA,
        "arp-malformed",
        "ARP by a sender with a group hardware address, with a multicast IP address, and with an unassigned operation.",
        capture,
    )
}

fn dns(title: &str, port: u16, readme: &str) -> Case {
    let mut capture = Capture::new();
    let server: End = (SERVER, port);
    let mut exchange = |id: u16, question: &[u8], answer: Option<&[u8]>| {
        let client: End = (CLIENT, 40_000 + id);
        capture.udp(client, server, question);
        if let Some(answer) = answer {
            capture.udp(server, client, answer);
        }
    };
    let a = [Record::new("lamp-17.example", kind::A, vec![192, 0, 2, 77])];
    let q = "lamp-17.example";
    exchange(1, &ask(1, q, kind::A), Some(&tell(1, q, kind::A, &a)));
    let q = "www.example";
    let aaaa = [
        Record::new(q, kind::CNAME, name("web.example")),
        Record::new("web.example", kind::AAAA, SERVER6.v6().octets().to_vec()),
    ];
    exchange(2, &ask(2, q, kind::AAAA), Some(&tell(2, q, kind::AAAA, &aaaa)));
    let mx = [Record::new(
        "example",
        kind::MX,
        [&[0, 10][..], &name("mail.example")].concat(),
    )];
    exchange(
        3,
        &ask(3, "example", kind::MX),
        Some(&tell(3, "example", kind::MX, &mx)),
    );
    let txt = [Record::new(
        "example",
        kind::TXT,
        texts(&["v=spf1 -all", "gr\u{fc}n"]),
    )];
    exchange(
        4,
        &ask(4, "example", kind::TXT),
        Some(&tell(4, "example", kind::TXT, &txt)),
    );
    let soa = [name("ns.example"), name("admin.example"), [0, 0, 0, 1].repeat(5)].concat();
    let authority = [Record::new("example", kind::SOA, soa)];
    let none = message(
        5,
        0x8183,
        Some(("no.example", kind::A, 1)),
        [&[], &authority, &[]],
    );
    exchange(5, &ask(5, "no.example", kind::A), Some(&none));
    exchange(6, &ask(6, "silence.example", kind::A), None);
    Case::new(AREA, title, readme, capture)
}

fn dns_tcp() -> Case {
    let mut capture = Capture::new();
    let c = &mut capture;
    let framed = |m: Vec<u8>| [&(m.len() as u16).to_be_bytes()[..], &m].concat();
    let mut talk = Talk::open(c, (CLIENT, 40_001), (SERVER, 53));
    let questions = [ask(1, "a.example", kind::A), ask(2, "b.example", kind::A)].map(framed);
    let stream = questions.concat();
    // Both in one go, cut in the middle of the second's length.
    talk.say(c, Client, &stream[..questions[0].len() + 1]);
    talk.say(c, Client, &stream[questions[0].len() + 1..]);
    // Answered in the other order (RFC 7766, 6.2.1.1).
    for (id, q, last) in [(2, "b.example", 2), (1, "a.example", 1)] {
        let answer = [Record::new(q, kind::A, vec![192, 0, 2, last])];
        talk.say(c, Server, &framed(tell(id, q, kind::A, &answer)));
    }
    talk.close(c);
    Case::new(
        AREA,
        "dns-tcp",
        "DNS over TCP (RFC 7766): two pipelined questions in one stream, cut within a length field, and answered out of order.",
        capture,
    )
}

fn mdns() -> Case {
    let mut capture = Capture::new();
    let camera = host(10, 0, 0, 60);
    let query = message(0, 0, Some(("_rtsp._tcp.local", kind::PTR, 1)), [&[], &[], &[]]);
    capture.udp((CLIENT, 5_353), (MDNS, 5_353), &query);
    let flush = |record: Record| Record {
        class: 0x8001,
        ..record
    };
    let instance = "camera-6._rtsp._tcp.local";
    let answers = [Record::new("_rtsp._tcp.local", kind::PTR, name(instance))];
    let more = [
        flush(Record::new(instance, kind::SRV, service(554, "camera-6.local"))),
        flush(Record::new(
            instance,
            kind::TXT,
            texts(&["model=Dome 4", "path=/live"]),
        )),
        flush(Record::new(
            "camera-6.local",
            kind::A,
            camera.v4().octets().to_vec(),
        )),
    ];
    let answer = message(0, 0x8400, None, [&answers, &[], &more]);
    capture.udp((camera, 5_353), (MDNS, 5_353), &answer);
    Case::new(
        AREA,
        "mdns",
        "Multicast DNS (RFC 6762) and service discovery (RFC 6763): a question to the group, and a camera that says its name,\n\
         service and model. Look at the `asset` events: the host name and what it offers are learned from this.",
        capture,
    )
}

fn llmnr() -> Case {
    let mut capture = Capture::new();
    let group = Host {
        mac: [0x33, 0x33, 0, 1, 0, 3],
        ip: "ff02::1:3".parse().unwrap_or(CLIENT6.ip),
    };
    let printer = host6(0x77);
    let q = "printer";
    capture.udp(
        (CLIENT6, 50_123),
        (group, 5_355),
        &message(9, 0, Some((q, kind::AAAA, 1)), [&[], &[], &[]]),
    );
    let answer = [Record::new(q, kind::AAAA, printer.v6().octets().to_vec())];
    let answer = message(9, 0x8000, Some((q, kind::AAAA, 1)), [&answer, &[], &[]]);
    capture.udp((printer, 5_355), (CLIENT6, 50_123), &answer);
    Case::new(
        AREA,
        "llmnr",
        "LLMNR (RFC 4795) by IPv6: the question goes to a group, the answer comes from the printer itself.",
        capture,
    )
}

fn dns_malformed() -> Case {
    let mut capture = Capture::new();
    let mut put = |id: u16, bytes: &[u8]| capture.udp((CLIENT, 41_000 + id), (SERVER, 53), bytes);
    let header = |id: u8, flags: u16, questions: u8, answers: u8| {
        let [high, low] = flags.to_be_bytes();
        vec![0, id, high, low, 0, questions, 0, answers, 0, 0, 0, 0]
    };
    let with = |mut head: Vec<u8>, tail: &[u8]| {
        head.extend(tail);
        head
    };
    // A name that points at itself, one that points beyond the message, a label type that nobody uses.
    put(1, &with(header(1, 0x0100, 1, 0), &[0xc0, 12, 0, 1, 0, 1]));
    put(2, &with(header(2, 0x0100, 1, 0), &[0xc0, 200, 0, 1, 0, 1]));
    put(3, &with(header(3, 0x0100, 1, 0), &[0x81, b'a', 0, 0, 1, 0, 1]));
    // 320 bytes of name.
    let long = [
        &[[63].as_slice(), &[b'a'; 63]].concat().repeat(5)[..],
        &[0, 0, 1, 0, 1],
    ]
    .concat();
    put(4, &with(header(4, 0x0100, 1, 0), &long));
    // Fewer questions than promised, bytes behind the end, the reserved bit, an unassigned opcode.
    put(5, &with(header(5, 0x0100, 2, 0), &[1, b'a', 0, 0, 1, 0, 1]));
    put(6, &with(ask(6, "a.example", kind::A), b"and more"));
    put(
        7,
        &message(7, 0x0140, Some(("a.example", kind::A, 1)), [&[], &[], &[]]),
    );
    put(
        8,
        &message(8, 0x4900, Some(("a.example", kind::A, 1)), [&[], &[], &[]]),
    );
    // An address of three bytes.
    let short = [Record::new("a.example", kind::A, vec![192, 0, 2])];
    put(9, &records::tell(9, "a.example", kind::A, &short));
    // Behind a sound question: less than a header, and one that promises more than there is.
    put(10, &ask(10, "a.example", kind::A));
    put(10, &ask(10, "a.example", kind::A)[..9]);
    put(11, &ask(11, "a.example", kind::A));
    put(11, &[0, 11, 1, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0]);
    // Over TCP: a length below the header's, and one beyond what is held.
    for (port, length) in [(42_001, 5_u16), (42_002, 0xffff)] {
        let mut talk = Talk::open(&mut capture, (CLIENT, port), (SERVER, 53));
        let question = ask(1, "a.example", kind::A);
        let framed = [&(question.len() as u16).to_be_bytes()[..], &question].concat();
        talk.say(&mut capture, Client, &framed);
        talk.say(
            &mut capture,
            Client,
            &[&length.to_be_bytes()[..], &[0; 40]].concat(),
        );
        talk.close(&mut capture);
    }
    Case::new(
        AREA,
        "dns-malformed",
        "Messages that break RFC 1035: names that loop, point outside, are too long or of an unknown label type; counts that do\n\
         not fit; trailing bytes; reserved bits; lengths over TCP that cannot be. Each is said; none makes the decoder loop.",
        capture,
    )
}
