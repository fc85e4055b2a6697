//! SNMP messages made byte by byte, and what is told of them; the laws over arbitrary bytes.

use citywall_flow::{Carrier, Direction};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::{ENTRY, probe};
use crate::testing::{self, Turn, client, server, transcript};
use crate::{Buffer, Hint, Item, Limits, Number, Probe};

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let mut out = vec![tag];
    if contents.len() < 128 {
        out.push(contents.len() as u8);
    } else {
        out.push(0x82);
        out.extend_from_slice(&(contents.len() as u16).to_be_bytes());
    }
    out.extend_from_slice(&contents);
    out
}

fn integer(value: u8) -> Vec<u8> {
    tlv(2, &[&[value]])
}

fn binding(oid: &[u8], value: &[u8]) -> Vec<u8> {
    tlv(0x30, &[&tlv(6, &[oid]), value])
}

/// A v1 (0) or v2c (1) message.
fn message(version: u8, community: &str, pdu: u8, numbers: [u8; 3], bindings: &[Vec<u8>]) -> Vec<u8> {
    tlv(
        0x30,
        &[
            &integer(version),
            &tlv(4, &[community.as_bytes()]),
            &body(pdu, numbers, bindings),
        ],
    )
}

fn body(pdu: u8, numbers: [u8; 3], bindings: &[Vec<u8>]) -> Vec<u8> {
    let [id, first, second] = numbers.map(integer);
    tlv(pdu, &[&id, &first, &second, &tlv(0x30, &[&bindings.concat()])])
}

const SYS_NAME: &[u8] = &[0x2b, 6, 1, 2, 1, 1, 5, 0];
const SYS_DESCR: &[u8] = &[0x2b, 6, 1, 2, 1, 1, 1, 0];
/// NTCIP 1202 phaseMinimumGreen of phase 2.
const MINIMUM_GREEN: &[u8] = &[0x2b, 6, 1, 4, 1, 0x89, 0x36, 4, 2, 1, 1, 2, 1, 4, 2];

const TO: Direction = Direction::ToResponder;
const FROM: Direction = Direction::ToInitiator;

fn run(limits: &Limits, messages: &[(Direction, Vec<u8>)]) -> String {
    let hint = testing::hint_on(Carrier::Udp, 40_000, 161);
    let mut conversation = testing::Conversation::new(&ENTRY, &hint, limits);
    for (direction, message) in messages {
        conversation.datagram(*direction, message);
    }
    conversation.finish()
}

fn check(messages: &[(Direction, Vec<u8>)], expected: Expect) {
    expected.assert_eq(&run(&Limits::default(), messages));
}

#[test]
fn a_set_is_a_command_and_its_response_the_outcome() {
    let write = [binding(MINIMUM_GREEN, &integer(1))];
    check(
        &[
            (TO, message(0, "private", 0xa3, [7, 0, 0], &write)),
            (FROM, message(0, "private", 0xa2, [7, 0, 0], &write)),
            (TO, message(0, "private", 0xa3, [8, 0, 0], &write)),
            (FROM, message(0, "private", 0xa2, [8, 3, 1], &write)),
            (TO, message(0, "private", 0xa3, [9, 0, 0], &write)),
        ],
        expect![[r#"
            > {"snmp":{"version":1,"community_default":true,"community_length":7,"pdu_type":"set_request","request_id":7,"vars":[{"oid":"1.3.6.1.4.1.1206.4.2.1.1.2.1.4.2","type":"integer","value":1}]}}
            > "command":{"protocol":"snmp","verb":"write","function":"set","point":"1.3.6.1.4.1.1206.4.2.1.1.2.1.4.2","value":1,"outcome":"accepted","technique":{"id":"T0855","name":"Unauthorized Command Message"}}
            < sighting Source Role "snmp-agent" snmp.pdu_type
            < sighting Source Role "traffic-signal-controller" snmp.oid
            < {"snmp":{"version":1,"community_default":true,"community_length":7,"pdu_type":"response","request_id":7,"vars":[{"oid":"1.3.6.1.4.1.1206.4.2.1.1.2.1.4.2","type":"integer","value":1}]}}
            > {"snmp":{"version":1,"community_default":true,"community_length":7,"pdu_type":"set_request","request_id":8,"vars":[{"oid":"1.3.6.1.4.1.1206.4.2.1.1.2.1.4.2","type":"integer","value":1}]}}
            > "command":{"protocol":"snmp","verb":"write","function":"set","point":"1.3.6.1.4.1.1206.4.2.1.1.2.1.4.2","value":1,"outcome":"refused","code":3,"technique":{"id":"T0855","name":"Unauthorized Command Message"}}
            < {"snmp":{"version":1,"community_default":true,"community_length":7,"pdu_type":"response","request_id":8,"error":"badValue","error_index":1,"vars":[{"oid":"1.3.6.1.4.1.1206.4.2.1.1.2.1.4.2","type":"integer","value":1}]}}
            > {"snmp":{"version":1,"community_default":true,"community_length":7,"pdu_type":"set_request","request_id":9,"vars":[{"oid":"1.3.6.1.4.1.1206.4.2.1.1.2.1.4.2","type":"integer","value":1}]}}
            > "command":{"protocol":"snmp","verb":"write","function":"set","point":"1.3.6.1.4.1.1206.4.2.1.1.2.1.4.2","value":1,"outcome":"unanswered","technique":{"id":"T0855","name":"Unauthorized Command Message"}}
        "#]],
    );
}

#[test]
fn a_get_is_a_read_and_its_response_gives_readings_and_hints() {
    let asked = [binding(SYS_DESCR, &[5, 0]), binding(SYS_NAME, &[5, 0])];
    let told = [
        binding(SYS_DESCR, &tlv(4, &[b"Signal Controller 2.1\r\nCopyright"])),
        binding(SYS_NAME, &tlv(4, &[b"crossing-4"])),
        binding(MINIMUM_GREEN, &integer(12)),
    ];
    check(
        &[
            (TO, message(1, "city", 0xa0, [1, 0, 0], &asked)),
            (FROM, message(1, "city", 0xa2, [1, 0, 0], &told)),
        ],
        expect![[r#"
            > {"snmp":{"version":2,"community_default":false,"community_length":4,"pdu_type":"get_request","request_id":1,"vars":[{"oid":"1.3.6.1.2.1.1.1.0","type":"null"},{"oid":"1.3.6.1.2.1.1.5.0","type":"null"}]}}
            > "command":{"protocol":"snmp","verb":"read","function":"get","point":"1.3.6.1.2.1.1.1.0","count":2,"outcome":"accepted"}
            < sighting Source Role "snmp-agent" snmp.pdu_type
            < sighting Source Product "Signal Controller 2.1" snmp.sys_descr
            < sighting Source Hostname "crossing-4" snmp.sys_name
            < sighting Source Role "traffic-signal-controller" snmp.oid
            < "reading":{"protocol":"snmp","point":"1.3.6.1.2.1.1.1.0","value":"Signal Controller 2.1\r\nCopyright"}
            < "reading":{"protocol":"snmp","point":"1.3.6.1.2.1.1.5.0","value":"crossing-4"}
            < "reading":{"protocol":"snmp","point":"1.3.6.1.4.1.1206.4.2.1.1.2.1.4.2","value":12}
            < {"snmp":{"version":2,"community_default":false,"community_length":4,"pdu_type":"response","request_id":1,"vars":[{"oid":"1.3.6.1.2.1.1.1.0","type":"octet_string","value":"Signal Controller 2.1\r\nCopyright"},{"oid":"1.3.6.1.2.1.1.5.0","type":"octet_string","value":"crossing-4"},{"oid":"1.3.6.1.4.1.1206.4.2.1.1.2.1.4.2","type":"integer","value":12}]}}
        "#]],
    );
}

#[test]
fn every_type_of_value_is_shown() {
    let values: Vec<Vec<u8>> = [
        tlv(2, &[&[0xff]]),
        tlv(4, &[&[0, 1, 2]]),
        vec![5, 0],
        tlv(6, &[SYS_NAME]),
        tlv(0x40, &[&[10, 0, 0, 1]]),
        tlv(0x41, &[&[0, 0xff, 0xff, 0xff, 0xff]]),
        tlv(0x42, &[&[5]]),
        tlv(0x43, &[&[1, 0]]),
        tlv(0x44, &[&[0x9f, 0x78, 4, 0x3f, 0xc0, 0, 0]]),
        tlv(0x44, &[&[1, 2]]),
        tlv(0x46, &[&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]]),
        vec![0x80, 0],
        vec![0x81, 0],
        vec![0x82, 0],
        tlv(0x4a, &[&[9]]),
    ]
    .iter()
    .map(|value| binding(&[0x2b, 1], value))
    .collect();
    let limits = Limits {
        readings: false,
        ..Limits::default()
    };
    let text = run(&limits, &[(FROM, message(1, "x", 0xa2, [1, 0, 0], &values))]);
    expect![[r#"
        < sighting Source Role "snmp-agent" snmp.pdu_type
        < {"snmp":{"version":2,"community_default":false,"community_length":1,"pdu_type":"response","request_id":1,"vars":[{"oid":"1.3.1","type":"integer","value":-1},{"oid":"1.3.1","type":"octet_string","value":"000102"},{"oid":"1.3.1","type":"null"},{"oid":"1.3.1","type":"oid","value":"1.3.6.1.2.1.1.5.0"},{"oid":"1.3.1","type":"ip_address","value":"10.0.0.1"},{"oid":"1.3.1","type":"counter32","value":4294967295},{"oid":"1.3.1","type":"gauge32","value":5},{"oid":"1.3.1","type":"timeticks","value":256},{"oid":"1.3.1","type":"opaque","value":1.5},{"oid":"1.3.1","type":"opaque","value":"0102"},{"oid":"1.3.1","type":"counter64","value":18446744073709551615},{"oid":"1.3.1","type":"no_such_object"},{"oid":"1.3.1","type":"no_such_instance"},{"oid":"1.3.1","type":"end_of_mib_view"},{"oid":"1.3.1","type":"tag_4a","value":"09"}]}}
    "#]].assert_eq(&text);
}

#[test]
fn traps_of_both_kinds() {
    let up_time = binding(&[0x2b, 6, 1, 2, 1, 1, 3, 0], &tlv(0x43, &[&[9]]));
    let trap_oid = binding(
        &[0x2b, 6, 1, 6, 3, 1, 1, 4, 1, 0],
        &tlv(6, &[&[0x2b, 6, 1, 6, 3, 1, 1, 5, 3]]),
    );
    let index = binding(&[0x2b, 6, 1, 2, 1, 2, 2, 1, 1, 3], &integer(3));
    let v1 = tlv(
        0xa4,
        &[
            &tlv(6, &[&[0x2b, 6, 1, 4, 1, 9]]),
            &tlv(0x40, &[&[10, 0, 0, 9]]),
            &integer(2),
            &integer(0),
            &tlv(0x43, &[&[100]]),
            &tlv(0x30, &[&index]),
        ],
    );
    check(
        &[
            (TO, tlv(0x30, &[&integer(0), &tlv(4, &[b"public"]), &v1])),
            (
                TO,
                message(1, "public", 0xa7, [5, 0, 0], &[up_time, trap_oid, index]),
            ),
        ],
        expect![[r#"
            > sighting Source Role "snmp-agent" snmp.pdu_type
            > "reading":{"protocol":"snmp","point":"1.3.6.1.2.1.2.2.1.1.3","value":3}
            > {"snmp":{"version":1,"community_default":true,"community_length":6,"pdu_type":"trap_v1","trap_type":"linkDown","trap_oid":"1.3.6.1.4.1.9","trap_address":"10.0.0.9","specific_trap":0,"uptime":100,"vars":[{"oid":"1.3.6.1.2.1.2.2.1.1.3","type":"integer","value":3}]}}
            > "reading":{"protocol":"snmp","point":"1.3.6.1.2.1.2.2.1.1.3","value":3}
            > {"snmp":{"version":2,"community_default":true,"community_length":6,"pdu_type":"trap_v2","request_id":5,"trap_oid":"1.3.6.1.6.3.1.1.5.3","vars":[{"oid":"1.3.6.1.2.1.1.3.0","type":"timeticks","value":9},{"oid":"1.3.6.1.6.3.1.1.4.1.0","type":"oid","value":"1.3.6.1.6.3.1.1.5.3"},{"oid":"1.3.6.1.2.1.2.2.1.1.3","type":"integer","value":3}]}}
        "#]],
    );
}

fn v3(flags: u8, scoped: &[u8]) -> Vec<u8> {
    let usm = tlv(
        0x30,
        &[
            &tlv(4, &[&[0x80, 0, 0x1f, 0x88, 4]]),
            &integer(3),
            &integer(99),
            &tlv(4, &[b"operator"]),
            &tlv(4, &[&[0xaa; 12]]),
            &tlv(4, &[]),
        ],
    );
    let header = tlv(
        0x30,
        &[
            &integer(42),
            &tlv(2, &[&[0x05, 0xdc]]),
            &tlv(4, &[&[flags]]),
            &integer(3),
        ],
    );
    tlv(0x30, &[&integer(3), &header, &tlv(4, &[&usm]), scoped])
}

#[test]
fn version_3_shows_its_user_and_hides_what_is_encrypted() {
    let get = body(0xa0, [1, 0, 0], &[binding(SYS_NAME, &[5, 0])]);
    let report = body(
        0xa8,
        [0, 0, 0],
        &[binding(&[0x2b, 6, 1, 6, 3, 15, 1, 1, 4, 0], &tlv(0x41, &[&[1]]))],
    );
    let scoped = |pdu: &[u8]| tlv(0x30, &[&tlv(4, &[&[1, 2]]), &tlv(4, &[b"ctx"]), pdu]);
    check(
        &[
            (TO, v3(5, &scoped(&get))),
            (FROM, v3(0, &scoped(&report))),
            (TO, v3(7, &tlv(4, &[&[0xee; 24]]))),
        ],
        expect![[r#"
            > {"snmp":{"version":3,"msg_id":42,"usm":"operator","engine_boots":3,"engine_time":99,"engine_id":"80001f8804","security_level":"authNoPriv","context_name":"ctx","pdu_type":"get_request","request_id":1,"vars":[{"oid":"1.3.6.1.2.1.1.5.0","type":"null"}]}}
            > "command":{"protocol":"snmp","verb":"read","function":"get","point":"1.3.6.1.2.1.1.5.0","outcome":"refused","code":16}
            < {"snmp":{"version":3,"msg_id":42,"usm":"operator","engine_boots":3,"engine_time":99,"engine_id":"80001f8804","security_level":"noAuthNoPriv","context_name":"ctx","pdu_type":"report","request_id":0,"vars":[{"oid":"1.3.6.1.6.3.15.1.1.4.0","type":"counter32","value":1}]}}
            > {"snmp":{"version":3,"msg_id":42,"usm":"operator","engine_boots":3,"engine_time":99,"engine_id":"80001f8804","security_level":"authPriv","encrypted":true}}
        "#]],
    );
}

#[test]
fn what_is_wrong_is_marked() {
    let good = message(1, "public", 0xa0, [1, 0, 0], &[binding(SYS_NAME, &[5, 0])]);
    let mut cut = good.clone();
    cut.truncate(30);
    let mut trailing = good.clone();
    trailing.push(0);
    let mut indefinite = good.clone();
    indefinite[1] = 0x80;
    let messages = [
        cut,
        trailing,
        indefinite,
        message(2, "public", 0xa0, [1, 0, 0], &[]),
        message(1, "public", 0xa9, [1, 0, 0], &[]),
        message(1, "public", 0xa0, [1, 0, 0], &[binding(&[0x80], &[5, 0])]),
        message(1, "public", 0xa0, [1, 0, 0], &[vec![0x30, 9, 6, 1]]),
    ];
    let messages: Vec<_> = messages.into_iter().map(|m| (TO, m)).collect();
    let marks: String = run(&Limits::default(), &messages)
        .lines()
        .filter(|line| line.contains("malformed"))
        .fold(String::new(), |all, line| all + line + "\n");
    expect![[r#"
        > malformed snmp.truncated
        > malformed snmp.trailing_bytes
        > malformed snmp.ber_indefinite
        > malformed snmp.version
        > malformed snmp.pdu_type
        > malformed snmp.ber_oid
        > malformed snmp.truncated
    "#]]
    .assert_eq(&marks);
}

#[test]
fn open_requests_are_bounded_in_number_and_time() {
    let limits = Limits {
        open_requests: 2,
        ..Limits::default()
    };
    let hint = testing::hint_on(Carrier::Udp, 40_000, 161);
    let mut conversation = testing::Conversation::new(&ENTRY, &hint, &limits);
    let set = |id: u8| message(1, "x", 0xa3, [id, 0, 0], &[binding(MINIMUM_GREEN, &integer(id))]);
    // The second is a retransmission; the fourth pushes out the first.
    for id in [1, 1, 2, 3] {
        conversation.datagram(TO, &set(id));
    }
    conversation.at = 31_000_000_000;
    conversation.datagram(FROM, &message(1, "x", 0xa2, [3, 0, 0], &[]));
    let outcomes: Vec<(String, String)> = conversation
        .out
        .items
        .iter()
        .filter_map(|(_, item)| match item {
            Item::Command(c) => Some((format!("{:?}", c.value), format!("{:?}", c.outcome))),
            _ => None,
        })
        .collect();
    expect![[
        r#"[("Some(Int(1))", "Unanswered"), ("Some(Int(2))", "Unanswered"), ("Some(Int(3))", "Unanswered")]"#
    ]]
    .assert_eq(&format!("{outcomes:?}"));
}

#[test]
fn the_community_is_for_rules_alone() {
    let limits = Limits::default();
    let hint = testing::hint_on(Carrier::Udp, 40_000, 161);
    let mut conversation = testing::Conversation::new(&ENTRY, &hint, &limits);
    conversation.datagram(
        TO,
        &message(1, "s3cret", 0xa0, [1, 0, 0], &[binding(SYS_NAME, &[5, 0])]),
    );
    assert!(!testing::show(&conversation.out).contains("s3cret"));
    let record = conversation
        .out
        .items
        .iter()
        .find_map(|(_, item)| match item {
            Item::Transaction(transaction) => Some(transaction.record()),
            _ => None,
        })
        .expect("a transaction");
    let all = |which| {
        let mut found = Vec::new();
        record.buffers(which, &mut |value| {
            found.push(String::from_utf8_lossy(value).into_owned())
        });
        found
    };
    assert_eq!(all(Buffer::SnmpCommunity), ["s3cret"]);
    assert_eq!(all(Buffer::SnmpOid), ["1.3.6.1.2.1.1.5.0"]);
    assert!(all(Buffer::SnmpUsm).is_empty());
    assert_eq!(record.number(Number::SnmpVersion), Some(2));
    assert_eq!(record.number(Number::SnmpPduType), Some(0));
}

#[test]
fn found_on_any_port_and_either_way() {
    let on = |port, data: &[u8]| probe(&testing::hint_on(Carrier::Udp, 40_000, port), data);
    let get = message(1, "public", 0xa0, [1, 0, 0], &[binding(SYS_NAME, &[5, 0])]);
    let response = message(1, "public", 0xa2, [1, 0, 0], &[binding(SYS_NAME, &integer(1))]);
    assert_eq!(on(161, &get), Probe::Yes);
    assert_eq!(on(9_999, &get), Probe::Yes);
    assert_eq!(on(9_999, &response), Probe::Reversed);
    assert_eq!(on(161, &get[..20]), Probe::Yes);
    assert_eq!(on(9_999, &get[..20]), Probe::No);
    assert_eq!(on(161, b"hello, world"), Probe::No);
}

/// A request and its answer, in a stream each.
fn streams() -> [Vec<u8>; 2] {
    let asked = binding(MINIMUM_GREEN, &tlv(5, &[]));
    let other = binding(SYS_NAME, &tlv(4, &[b"junction 53"]));
    let ask = |id| message(1, "city", 0xa0, [id, 0, 0], std::slice::from_ref(&asked));
    let answer = message(
        1,
        "city",
        0xa2,
        [1, 0, 0],
        &[binding(MINIMUM_GREEN, &integer(7)), other.clone()],
    );
    [
        [ask(1), ask(2)].concat(),
        [answer, message(1, "city", 0xa2, [2, 5, 1], &[other])].concat(),
    ]
}

#[test]
fn over_tcp_messages_stand_one_behind_the_other() {
    let [up, down] = streams();
    let turns = [
        client(&up),
        server(&down),
        client([0x30, 0x80, 1, 2]),
        client(&up),
    ];
    let whole = transcript(&ENTRY, &Limits::default(), &turns, usize::MAX);
    expect![[r#"
        > {"snmp":{"version":2,"community_default":false,"community_length":4,"pdu_type":"get_request","request_id":1,"vars":[{"oid":"1.3.6.1.4.1.1206.4.2.1.1.2.1.4.2","type":"null"}]}}
        > {"snmp":{"version":2,"community_default":false,"community_length":4,"pdu_type":"get_request","request_id":2,"vars":[{"oid":"1.3.6.1.4.1.1206.4.2.1.1.2.1.4.2","type":"null"}]}}
        > "command":{"protocol":"snmp","verb":"read","function":"get","point":"1.3.6.1.4.1.1206.4.2.1.1.2.1.4.2","outcome":"accepted"}
        < sighting Source Role "snmp-agent" snmp.pdu_type
        < sighting Source Role "traffic-signal-controller" snmp.oid
        < sighting Source Hostname "junction 53" snmp.sys_name
        < "reading":{"protocol":"snmp","point":"1.3.6.1.4.1.1206.4.2.1.1.2.1.4.2","value":7}
        < "reading":{"protocol":"snmp","point":"1.3.6.1.2.1.1.5.0","value":"junction 53"}
        < {"snmp":{"version":2,"community_default":false,"community_length":4,"pdu_type":"response","request_id":1,"vars":[{"oid":"1.3.6.1.4.1.1206.4.2.1.1.2.1.4.2","type":"integer","value":7},{"oid":"1.3.6.1.2.1.1.5.0","type":"octet_string","value":"junction 53"}]}}
        > "command":{"protocol":"snmp","verb":"read","function":"get","point":"1.3.6.1.4.1.1206.4.2.1.1.2.1.4.2","outcome":"refused","code":5}
        < {"snmp":{"version":2,"community_default":false,"community_length":4,"pdu_type":"response","request_id":2,"error":"genErr","error_index":1,"vars":[{"oid":"1.3.6.1.2.1.1.5.0","type":"octet_string","value":"junction 53"}]}}
        > malformed snmp.ber_indefinite
    "#]].assert_eq(&whole);
}

#[test]
fn the_probe_of_a_stream_wants_a_whole_message() {
    let [up, down] = streams();
    let on = |port| testing::hint_on(Carrier::Tcp, 40_000, port);
    let first = up.len() / 2;
    for port in [161, 5_000] {
        for end in 0..=up.len() {
            let expected = if end < first { Probe::Maybe } else { Probe::Yes };
            assert_eq!(probe(&on(port), &up[..end]), expected, "{end}");
        }
    }
    let back = Hint {
        direction: FROM,
        ..on(161)
    };
    assert_eq!(probe(&back, &down), Probe::Yes);
    assert_eq!(probe(&on(161), &down), Probe::Reversed);
    // A bind of LDAP, whose message has the number that a version of SNMP has.
    assert_eq!(probe(&on(161), &[0x30, 12, 2, 1, 1, 0x60]), Probe::No);
    // Wrong behind its community: only on the port.
    let mut wrong = up[..first].to_vec();
    wrong[11] = 0xaf;
    assert_eq!(probe(&on(161), &wrong), Probe::Yes);
    assert_eq!(probe(&on(5_000), &wrong), Probe::No);
    assert_eq!(probe(&on(161), &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), Probe::No);
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        gap in proptest::option::of(any::<bool>()),
        tight in any::<bool>(),
        piece in 1usize..40,
    ) {
        let [mut up, mut down] = streams();
        for (at, value) in &changes {
            let bytes = if value % 2 == 0 { &mut up } else { &mut down };
            let i = at.index(bytes.len());
            bytes[i] = *value;
        }
        let mut turns = vec![client(&up), server(&down), client(&up)];
        if let Some(first) = gap {
            turns.insert(1, Turn::Gap(if first { TO } else { FROM }, 9));
        }
        let limits = Limits { message: if tight { 48 } else { 4_096 }, ..Limits::default() };
        let whole = transcript(&ENTRY, &limits, &turns, usize::MAX);
        prop_assert_eq!(&whole, &transcript(&ENTRY, &limits, &turns, piece));
        prop_assert_eq!(&whole, &transcript(&ENTRY, &limits, &turns, 1));
        let hint = testing::hint_on(Carrier::Tcp, 40_000, 161);
        let mut sure = Probe::Maybe;
        for end in 0..=up.len() {
            let answer = probe(&hint, &up[..end]);
            if sure != Probe::Maybe {
                prop_assert_eq!(sure, answer);
            }
            sure = answer;
        }
    }

    #[test]
    fn any_bytes_are_at_most_marked(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(!run(&Limits::default(), &[(TO, data)]).is_empty());
    }

    #[test]
    fn any_damage_is_survived(
        at in 0..60_usize,
        to in any::<u8>(),
        cut in 0..90_usize,
        response in any::<bool>(),
    ) {
        let mut data = message(
            1, "public", if response { 0xa2 } else { 0xa3 }, [1, 0, 0],
            &[binding(SYS_NAME, &tlv(4, &[b"name"])), binding(MINIMUM_GREEN, &integer(1))],
        );
        let length = data.len();
        data[at % length] = to;
        data.truncate(length.min(cut));
        run(&Limits::default(), &[(TO, data.clone()), (FROM, data)]);
    }
}
