//! DNS messages made byte by byte, and what is told of them; the laws over arbitrary bytes.

use citywall_flow::{Carrier, Content, Direction};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::{ENTRY, probe};
use crate::testing;
use crate::{Buffer, Input, Item, Limits, Number, Output, Probe};

const TO: Direction = Direction::ToResponder;
const FROM: Direction = Direction::ToInitiator;

/// A name without pointers.
fn name(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    out
}

/// A message: id 0x1234, flags, and the entries of the four sections.
fn message(flags: u16, sections: [&[Vec<u8>]; 4]) -> Vec<u8> {
    let mut out = vec![0x12, 0x34];
    out.extend_from_slice(&flags.to_be_bytes());
    for section in sections {
        out.extend_from_slice(&(section.len() as u16).to_be_bytes());
    }
    sections
        .iter()
        .flat_map(|s| s.iter())
        .for_each(|entry| out.extend_from_slice(entry));
    out
}

fn question(owner: &str, rtype: u16, class: u16) -> Vec<u8> {
    [
        name(owner),
        rtype.to_be_bytes().to_vec(),
        class.to_be_bytes().to_vec(),
    ]
    .concat()
}

/// A record whose owner is given as bytes.
fn record(owner: &[u8], rtype: u16, class: u16, data: &[u8]) -> Vec<u8> {
    let mut out = owner.to_vec();
    out.extend_from_slice(&rtype.to_be_bytes());
    out.extend_from_slice(&class.to_be_bytes());
    out.extend_from_slice(&300_u32.to_be_bytes());
    out.extend_from_slice(&(data.len() as u16).to_be_bytes());
    out.extend_from_slice(data);
    out
}

/// A pointer to the first question's name.
const POINTER: &[u8] = &[0xc0, 0x0c];

#[test]
fn a_conversation_is_settled_while_all_that_was_asked_is_answered() {
    let asked = message(0x0100, [&[question("a.example", 1, 1)], &[], &[], &[]]);
    let told = message(0x8180, [&[question("a.example", 1, 1)], &[], &[], &[]]);
    let settled = |port: u16, turns: &[Direction]| -> Vec<bool> {
        let hint = testing::hint_on(Carrier::Udp, 40_000, port);
        let mut conversation = (ENTRY.open)(&Limits::default(), &hint);
        let feed = |direction: &Direction| {
            let data = if *direction == TO { &asked } else { &told };
            let mut out = Output::default();
            let input = Input {
                at: 0,
                direction: *direction,
                content: Content::Datagram(data),
            };
            conversation.feed(&input, &mut out);
            out.settled
        };
        turns.iter().map(feed).collect()
    };
    assert_eq!(settled(53, &[TO, FROM, TO, FROM]), [false, true, false, true]);
    // Asked twice, answered once; and an answer that nobody asked for.
    assert_eq!(settled(53, &[TO, TO, FROM]), [false, false, false]);
    assert_eq!(settled(53, &[FROM, TO]), [true, false]);
    // Multicast DNS goes on between the same ports.
    assert_eq!(settled(5353, &[TO, FROM]), [false, false]);
}

fn on_port(port: u16, messages: &[(Direction, Vec<u8>)]) -> String {
    let hint = testing::hint_on(Carrier::Udp, 40_000, port);
    let mut conversation = testing::Conversation::new(&ENTRY, &hint, &Limits::default());
    for (direction, message) in messages {
        conversation.datagram(*direction, message);
    }
    conversation.finish()
}

fn check(messages: &[(Direction, Vec<u8>)], expected: Expect) {
    expected.assert_eq(&on_port(53, messages));
}

fn lookup() -> Vec<u8> {
    message(0x0100, [&[question("www.example.org", 1, 1)], &[], &[], &[]])
}

fn answer() -> Vec<u8> {
    message(
        0x8180,
        [
            &[question("www.example.org", 1, 1)],
            &[
                record(POINTER, 5, 1, b"\x03web\xc0\x10"),
                record(b"\xc0\x2d", 1, 1, &[192, 0, 2, 1]),
                record(b"\xc0\x2d", 1, 1, &[192, 0, 2, 2]),
            ],
            &[],
            &[],
        ],
    )
}

#[test]
fn a_lookup_and_its_answer() {
    check(
        &[(TO, lookup()), (FROM, answer())],
        expect![[r#"
        > {"dns":{"version":3,"type":"request","tx_id":0,"id":4660,"flags":"0100","rd":true,"opcode":0,"rcode":"NOERROR","queries":[{"rrname":"www.example.org","rrtype":"A"}]}}
        < {"dns":{"version":3,"type":"response","tx_id":1,"id":4660,"flags":"8180","qr":true,"rd":true,"ra":true,"opcode":0,"rcode":"NOERROR","queries":[{"rrname":"www.example.org","rrtype":"A"}],"answers":[{"rrname":"www.example.org","rrtype":"CNAME","ttl":300,"rdata":"web.example.org"},{"rrname":"web.example.org","rrtype":"A","ttl":300,"rdata":"192.0.2.1"},{"rrname":"web.example.org","rrtype":"A","ttl":300,"rdata":"192.0.2.2"}],"grouped":{"A":["192.0.2.1","192.0.2.2"],"CNAME":["web.example.org"]}}}
    "#]],
    );
}

#[test]
fn every_kind_of_data() {
    let soa = [
        name("ns.ex"),
        name("admin.ex"),
        [1_u32, 2, 3, 4, 5].iter().flat_map(|n| n.to_be_bytes()).collect(),
    ]
    .concat();
    let address = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let https =
        b"\0\x01\0\0\x01\0\x06\x02h2\x02h3\0\x03\0\x02\x01\xbb\0\x04\0\x04\x01\x02\x03\x04\0\x05\0\x01\xaa";
    let records = [
        record(POINTER, 28, 1, &address),
        record(POINTER, 2, 1, &name("ns.ex")),
        record(POINTER, 15, 1, &[&[0, 10][..], &name("mail.ex")].concat()),
        record(POINTER, 6, 1, &soa),
        record(
            POINTER,
            33,
            1,
            &[&[0, 1, 0, 2, 0x13, 0xc4][..], &name("sip.ex")].concat(),
        ),
        record(POINTER, 16, 1, b"\x05v=abc\x03def"),
        record(POINTER, 44, 1, &[4, 2, 0xde, 0xad]),
        record(POINTER, 65, 1, https),
        record(POINTER, 257, 1, b"\0\x05issueca.ex"),
        record(POINTER, 10, 1, &[1, 2, 3]),
        record(POINTER, 4_000, 1, &[0xff]),
        record(POINTER, 16, 3, b"\x049.18"),
    ];
    let options = record(&[0], 41, 1_232, &[0, 10, 0, 2, 0xab, 0xcd]);
    check(
        &[(
            FROM,
            message(0x8583, [&[question("ex", 255, 1)], &records, &[], &[options]]),
        )],
        expect![[r#"
            < {"dns":{"version":3,"type":"response","tx_id":0,"id":4660,"flags":"8583","qr":true,"aa":true,"rd":true,"ra":true,"opcode":0,"rcode":"NXDOMAIN","queries":[{"rrname":"ex","rrtype":"ANY"}],"answers":[{"rrname":"ex","rrtype":"AAAA","ttl":300,"rdata":"2001:0db8:0000:0000:0000:0000:0000:0001"},{"rrname":"ex","rrtype":"NS","ttl":300,"rdata":"ns.ex"},{"rrname":"ex","rrtype":"MX","ttl":300,"rdata":"mail.ex"},{"rrname":"ex","rrtype":"SOA","ttl":300,"soa":{"mname":"ns.ex","rname":"admin.ex","serial":1,"refresh":2,"retry":3,"expire":4,"minimum":5}},{"rrname":"ex","rrtype":"SRV","ttl":300,"srv":{"priority":1,"weight":2,"port":5060,"name":"sip.ex"}},{"rrname":"ex","rrtype":"TXT","ttl":300,"rdata":"v=abcdef","txt":["v=abc","def"]},{"rrname":"ex","rrtype":"SSHFP","ttl":300,"sshfp":{"fingerprint":"dead","algo":4,"type":2}},{"rrname":"ex","rrtype":"HTTPS","ttl":300,"rdata":"1 . alpn=h2,h3 port=443 ipv4hint=1.2.3.4 ech=aa"},{"rrname":"ex","rrtype":"CAA","ttl":300,"rdata":"0 issue \"ca.ex\""},{"rrname":"ex","rrtype":"NULL","ttl":300,"rdata":"010203"},{"rrname":"ex","rrtype":"TYPE4000","ttl":300,"rdata":"ff"},{"rrname":"ex","rrtype":"TXT","rrclass":"CH","ttl":300,"rdata":"9.18"}],"grouped":{"AAAA":["2001:0db8:0000:0000:0000:0000:0000:0001"],"MX":["mail.ex"],"NS":["ns.ex"],"TXT":["v=abcdef","9.18"]},"additionals":[{"rrname":"","rrtype":"OPT","udp_size":1232,"ttl":300,"opt":[{"code":10,"data":"abcd"}]}]}}
            > name "ex" unknown=true
        "#]],
    );
}

#[test]
fn names_are_escaped() {
    let mut odd = b"\x06a.b\\\xff \x02\"\n\0".to_vec();
    odd.extend_from_slice(&[0, 1, 0, 1]);
    check(
        &[(TO, message(0x0100, [&[odd], &[], &[], &[]]))],
        expect![[r#"
            > {"dns":{"version":3,"type":"request","tx_id":0,"id":4660,"flags":"0100","rd":true,"opcode":0,"rcode":"NOERROR","queries":[{"rrname":"a\\.b\\\\\\255\\032.\"\\010","rrtype":"A"}]}}
        "#]],
    );
}

#[test]
fn what_is_wrong_is_marked_and_the_rest_is_told() {
    let ask = question("ex", 1, 1);
    let with = |owner: &[u8], rtype, data: &[u8]| {
        let records = [record(owner, rtype, 1, data)];
        message(0x8180, [std::slice::from_ref(&ask), &records, &[], &[]])
    };
    let mut trailing = lookup();
    trailing.push(0);
    let mut cut = answer();
    cut.truncate(60);
    check(
        &[
            (FROM, with(b"\xc0\x14", 1, &[1, 2, 3, 4])), // At itself.
            (FROM, with(b"\xc0\x16", 1, &[1, 2, 3, 4])), // Forward.
            (FROM, with(b"\x80", 1, &[1, 2, 3, 4])),
            (FROM, with(POINTER, 1, &[1, 2, 3])),
            (FROM, with(POINTER, 5, b"\x05short")),
            (FROM, with(POINTER, 6, b"\0\0")),
            (TO, trailing),
            (FROM, cut),
            (TO, lookup()[..11].to_vec()),
            (TO, [&lookup()[..4], &[0xff; 30]].concat()),
            (TO, message(0x4940, [&[question("ex", 1, 1)], &[], &[], &[]])),
        ],
        expect![[r#"
            < malformed dns.name_loop
            < {"dns":{"version":3,"type":"response","tx_id":0,"id":4660,"flags":"8180","qr":true,"rd":true,"ra":true,"opcode":0,"rcode":"NOERROR","queries":[{"rrname":"ex","rrtype":"A"}]}}
            < malformed dns.name_pointer
            < {"dns":{"version":3,"type":"response","tx_id":1,"id":4660,"flags":"8180","qr":true,"rd":true,"ra":true,"opcode":0,"rcode":"NOERROR","queries":[{"rrname":"ex","rrtype":"A"}]}}
            < malformed dns.label_type
            < {"dns":{"version":3,"type":"response","tx_id":2,"id":4660,"flags":"8180","qr":true,"rd":true,"ra":true,"opcode":0,"rcode":"NOERROR","queries":[{"rrname":"ex","rrtype":"A"}]}}
            < malformed dns.rdata_length
            < {"dns":{"version":3,"type":"response","tx_id":3,"id":4660,"flags":"8180","qr":true,"rd":true,"ra":true,"opcode":0,"rcode":"NOERROR","queries":[{"rrname":"ex","rrtype":"A"}],"answers":[{"rrname":"ex","rrtype":"A","ttl":300,"rdata":"010203"}],"grouped":{"A":["010203"]}}}
            < malformed dns.truncated
            < {"dns":{"version":3,"type":"response","tx_id":4,"id":4660,"flags":"8180","qr":true,"rd":true,"ra":true,"opcode":0,"rcode":"NOERROR","queries":[{"rrname":"ex","rrtype":"A"}],"answers":[{"rrname":"ex","rrtype":"CNAME","ttl":300,"rdata":"0573686f7274"}],"grouped":{"CNAME":["0573686f7274"]}}}
            < malformed dns.rdata_length
            < {"dns":{"version":3,"type":"response","tx_id":5,"id":4660,"flags":"8180","qr":true,"rd":true,"ra":true,"opcode":0,"rcode":"NOERROR","queries":[{"rrname":"ex","rrtype":"A"}],"answers":[{"rrname":"ex","rrtype":"SOA","ttl":300,"rdata":"0000"}]}}
            > malformed dns.trailing_bytes
            > {"dns":{"version":3,"type":"request","tx_id":6,"id":4660,"flags":"0100","rd":true,"opcode":0,"rcode":"NOERROR","queries":[{"rrname":"www.example.org","rrtype":"A"}]}}
            < malformed dns.truncated
            < {"dns":{"version":3,"type":"response","tx_id":7,"id":4660,"flags":"8180","qr":true,"rd":true,"ra":true,"opcode":0,"rcode":"NOERROR","queries":[{"rrname":"www.example.org","rrtype":"A"}],"answers":[{"rrname":"www.example.org","rrtype":"CNAME","ttl":300,"rdata":"web.example.org"}],"grouped":{"CNAME":["web.example.org"]}}}
            > malformed dns.header_truncated
            > malformed dns.header
            > malformed dns.opcode
            > malformed dns.z_bit
            > {"dns":{"version":3,"type":"request","tx_id":8,"id":4660,"flags":"4940","rd":true,"z":true,"opcode":9,"rcode":"NOERROR","queries":[{"rrname":"ex","rrtype":"A"}]}}
        "#]],
    );
}

#[test]
fn multicast_responders_tell_who_they_are() {
    let query = message(0, [&[question("_http._tcp.local", 12, 0x8001)], &[], &[], &[]]);
    let response = message(
        0x8400,
        [
            &[],
            &[record(
                &name("_http._tcp.local"),
                12,
                1,
                &name("Kreuzung Süd._http._tcp.local"),
            )],
            &[],
            &[
                record(&name("cam-7.local"), 1, 0x8001, &[10, 0, 0, 7]),
                record(
                    &name("Kreuzung Süd._http._tcp.local"),
                    16,
                    0x8001,
                    b"\x0amodel=XC-9",
                ),
            ],
        ],
    );
    expect![[r#"
        > {"dns":{"version":3,"type":"request","tx_id":0,"id":4660,"flags":"0000","opcode":0,"rcode":"NOERROR","queries":[{"rrname":"_http._tcp.local","rrtype":"PTR","unicast_response":true}]}}
        > sighting Source Role "web-server" mdns.service
        > sighting Source Hostname "cam-7" mdns.rrname
        > sighting Source Product "XC-9" mdns.txt
        > {"dns":{"version":3,"type":"response","tx_id":1,"id":4660,"flags":"8400","qr":true,"aa":true,"opcode":0,"rcode":"NOERROR","answers":[{"rrname":"_http._tcp.local","rrtype":"PTR","ttl":300,"rdata":"Kreuzung Süd._http._tcp.local"}],"grouped":{"PTR":["Kreuzung Süd._http._tcp.local"]},"additionals":[{"rrname":"cam-7.local","rrtype":"A","cache_flush":true,"ttl":300,"rdata":"10.0.0.7"},{"rrname":"Kreuzung Süd._http._tcp.local","rrtype":"TXT","cache_flush":true,"ttl":300,"rdata":"model=XC-9"}]}}
        > {"dns":{"version":3,"type":"response","tx_id":2,"id":4660,"flags":"8400","qr":true,"aa":true,"opcode":0,"rcode":"NOERROR","answers":[{"rrname":"_http._tcp.local","rrtype":"PTR","ttl":300,"rdata":"Kreuzung Süd._http._tcp.local"}],"grouped":{"PTR":["Kreuzung Süd._http._tcp.local"]},"additionals":[{"rrname":"cam-7.local","rrtype":"A","cache_flush":true,"ttl":300,"rdata":"10.0.0.7"},{"rrname":"Kreuzung Süd._http._tcp.local","rrtype":"TXT","cache_flush":true,"ttl":300,"rdata":"model=XC-9"}]}}
    "#]].assert_eq(&on_port(
        5353,
        &[(TO, query), (TO, response.clone()), (TO, response)],
    ));
}

#[test]
fn link_local_responders_tell_their_name() {
    let response = message(
        0x8000,
        [
            &[question("pult-3", 1, 1)],
            &[record(POINTER, 1, 1, &[10, 0, 0, 3])],
            &[],
            &[],
        ],
    );
    expect![[r#"
        < sighting Source Hostname "pult-3" llmnr.rrname
        < {"dns":{"version":3,"type":"response","tx_id":0,"id":4660,"flags":"8000","qr":true,"opcode":0,"rcode":"NOERROR","queries":[{"rrname":"pult-3","rrtype":"A"}],"answers":[{"rrname":"pult-3","rrtype":"A","ttl":300,"rdata":"10.0.0.3"}],"grouped":{"A":["10.0.0.3"]}}}
    "#]].assert_eq(&on_port(5355, &[(FROM, response)]));
}

#[test]
fn rules_see_names_and_numbers() {
    let hint = testing::hint_on(Carrier::Udp, 40_000, 53);
    let mut conversation = testing::Conversation::new(&ENTRY, &hint, &Limits::default());
    conversation.datagram(TO, &lookup());
    conversation.datagram(FROM, &answer());
    let mut text = String::new();
    for (_, item) in &conversation.out.items {
        let Item::Transaction(transaction) = item else {
            continue;
        };
        let record = transaction.record();
        for which in [
            Buffer::DnsQuery,
            Buffer::DnsQueryName,
            Buffer::DnsAnswerName,
            Buffer::DnsResponseName,
        ] {
            text.push_str(&format!("{which:?}:"));
            record.buffers(which, &mut |value| {
                text.push(' ');
                text.push_str(&String::from_utf8_lossy(value));
            });
            text.push('\n');
        }
        for which in [Number::DnsOpcode, Number::DnsRcode, Number::DnsRrtype] {
            text.push_str(&format!("{which:?}: {:?}\n", record.number(which)));
        }
    }
    expect![[r#"
        DnsQuery: www.example.org
        DnsQueryName: www.example.org
        DnsAnswerName:
        DnsResponseName:
        DnsOpcode: Some(0)
        DnsRcode: Some(0)
        DnsRrtype: Some(1)
        DnsQuery:
        DnsQueryName: www.example.org
        DnsAnswerName: www.example.org web.example.org web.example.org
        DnsResponseName: www.example.org web.example.org web.example.org web.example.org
        DnsOpcode: Some(0)
        DnsRcode: Some(0)
        DnsRrtype: Some(1)
    "#]]
    .assert_eq(&text);
}

fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut stream = Vec::new();
    for message in messages {
        stream.extend_from_slice(&(message.len() as u16).to_be_bytes());
        stream.extend_from_slice(message);
    }
    stream
}

/// A stream in pieces that end at the cuts.
fn in_pieces(stream: &[u8], cuts: &[usize], limits: &Limits) -> String {
    let hint = testing::hint_on(Carrier::Tcp, 40_000, 53);
    let mut conversation = testing::Conversation::new(&ENTRY, &hint, limits);
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
    cuts.sort_unstable();
    let mut start = 0;
    for end in cuts.into_iter().chain([stream.len()]) {
        conversation.feed(TO, Content::Bytes(&stream[start..end]));
        start = end;
    }
    conversation.feed(TO, Content::End { reset: false });
    conversation.finish()
}

#[test]
fn streams_hold_several_messages_and_end_where_framing_is_lost() {
    let stream = framed(&[lookup(), lookup()]);
    let text = in_pieces(&stream, &[1, 20], &Limits::default());
    assert_eq!(text.lines().count(), 2);
    assert!(text.contains("\"tx_id\":1"));
    let mut broken = framed(&[lookup(), vec![0; 3], lookup()]);
    assert_eq!(
        in_pieces(&broken, &[], &Limits::default()).lines().last(),
        Some("> malformed dns.tcp_length")
    );
    broken.truncate(10);
    assert_eq!(
        in_pieces(&broken, &[], &Limits::default()),
        "> malformed dns.truncated\n"
    );
    let small = Limits {
        message: 20,
        ..Limits::default()
    };
    assert_eq!(
        in_pieces(&stream, &[9], &small),
        "> malformed dns.message_limit\n"
    );
}

#[test]
fn a_gap_ends_a_direction() {
    let hint = testing::hint_on(Carrier::Tcp, 40_000, 53);
    let mut conversation = testing::Conversation::new(&ENTRY, &hint, &Limits::default());
    conversation.feed(TO, Content::Gap(7));
    assert_eq!(conversation.out.done, [true, false]);
    conversation.feed(TO, Content::Bytes(&framed(&[lookup()])));
    conversation.feed(FROM, Content::Bytes(&framed(&[answer()])));
    assert_eq!(conversation.finish().lines().count(), 1);
}

#[test]
fn found_on_any_port_and_either_way() {
    let udp = |port, data: &[u8]| probe(&testing::hint_on(Carrier::Udp, 40_000, port), data);
    assert_eq!(udp(53, &lookup()), Probe::Yes);
    assert_eq!(udp(53, &answer()), Probe::Reversed);
    assert_eq!(udp(9_999, &lookup()), Probe::Yes);
    assert_eq!(udp(9_999, &answer()), Probe::Reversed);
    assert_eq!(udp(5_353, &answer()), Probe::Yes);
    assert_eq!(udp(53, &lookup()[..20]), Probe::Yes);
    assert_eq!(udp(9_999, &lookup()[..20]), Probe::No);
    assert_eq!(udp(9_999, &[0; 48]), Probe::No);
    let netbios = question("EKEFFDFEEIEOEFECECCACACACACACAAA", 32, 1);
    assert_eq!(udp(137, &message(0x0110, [&[netbios], &[], &[], &[]])), Probe::No);
    assert_eq!(udp(53, b"GET / HTTP/1.1\r\n\r\n"), Probe::No);
    let tcp = |port, data: &[u8]| probe(&testing::hint_on(Carrier::Tcp, 40_000, port), data);
    let stream = framed(&[lookup()]);
    assert_eq!(tcp(53, &stream), Probe::Yes);
    assert_eq!(tcp(9_999, &stream), Probe::Yes);
    assert_eq!(tcp(9_999, &stream[..20]), Probe::Maybe);
    assert_eq!(tcp(9_999, b"GET / HTTP/1.1\r\n\r\n"), Probe::No);
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(
        stream in proptest::collection::vec(
            prop_oneof![
                4 => Just(lookup()),
                4 => Just(answer()),
                1 => proptest::collection::vec(any::<u8>(), 0..40),
            ],
            0..5,
        ),
        tail in proptest::collection::vec(any::<u8>(), 0..20),
        cuts in proptest::collection::vec(any::<usize>(), 0..8),
    ) {
        let mut bytes = framed(&stream);
        bytes.extend_from_slice(&tail);
        let limits = Limits { message: 100, ..Limits::default() };
        prop_assert_eq!(in_pieces(&bytes, &cuts, &limits), in_pieces(&bytes, &[], &limits));
    }

    #[test]
    fn probes_of_longer_starts_agree(
        stream in prop_oneof![
            Just(framed(&[lookup(), answer()])),
            proptest::collection::vec(any::<u8>(), 0..60),
        ],
        port in prop_oneof![Just(53), Just(9_999)],
    ) {
        let hint = testing::hint_on(Carrier::Tcp, 40_000, port);
        let mut sure = Probe::Maybe;
        for end in 0..=stream.len() {
            let now = probe(&hint, &stream[..end]);
            prop_assert!(sure == Probe::Maybe || now == sure);
            sure = now;
        }
    }

    #[test]
    fn any_damage_is_survived(
        port in prop_oneof![Just(53), Just(5_353), Just(5_355)],
        damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..6),
        cut in any::<usize>(),
    ) {
        let mut data = answer();
        for (at, to) in damage {
            let length = data.len();
            data[at % length] = to;
        }
        let text = on_port(port, &[(TO, data.clone())]);
        prop_assert!(!text.is_empty());
        data.truncate(cut % (data.len() + 1));
        prop_assert!(!on_port(port, &[(TO, data)]).is_empty());
    }

    #[test]
    fn any_bytes_are_at_most_marked(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(!on_port(53, &[(TO, data)]).is_empty());
    }
}
