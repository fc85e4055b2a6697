//! MQTT conversations and what is found in them.

use citywall_flow::Direction;
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::{ENTRY, command, probe};
use crate::testing::{Turn, client, hint, server, transcript};
use crate::{Limits, Probe};

/// A control packet.
fn packet(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut bytes = vec![first];
    let mut rest = body.len();
    loop {
        let more = if rest > 127 { 0x80 } else { 0 };
        bytes.push((rest & 0x7f) as u8 | more);
        rest >>= 7;
        if rest == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

/// A string with its length.
fn text(value: &str) -> Vec<u8> {
    [&(value.len() as u16).to_be_bytes()[..], value.as_bytes()].concat()
}

fn connect(level: u8, user: Option<(&str, &str)>) -> Vec<u8> {
    let flags = 2 | if user.is_some() { 0xc0 } else { 0 };
    let properties: &[u8] = if level == 5 { &[5, 0x11, 0, 0, 0, 60] } else { &[] };
    let mut parts = vec![
        text("MQTT"),
        vec![level, flags, 0, 60],
        properties.to_vec(),
        text("lamp-17"),
    ];
    if let Some((name, password)) = user {
        parts.extend([text(name), text(password)]);
    }
    packet(0x10, &parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn check(turns: &[Turn], expected: Expect) {
    expected.assert_eq(&transcript(&ENTRY, &Limits::default(), turns, usize::MAX));
}

#[test]
fn a_device_connects_publishes_and_listens() {
    check(
        &[
            client(connect(4, Some(("admin", "admin")))),
            server([0x20, 2, 0, 0]),
            client(packet(
                0x82,
                &[&[0, 1], &text("lights/+/set"), &[1], &text("x/#"), &[0]],
            )),
            server([0x90, 4, 0, 1, 1, 0x80]),
            client(packet(0x30, &[&text("lights/17/power"), b"41.5"])),
            server(packet(0x32, &[&text("lights/17/set"), &[0, 9], b"off"])),
            client([0x40, 2, 0, 9]),
            client([0xc0, 0]),
            server([0xd0, 0]),
            client(packet(0xa2, &[&[0, 2], &text("x/#")])),
            server([0xb0, 2, 0, 2]),
            client([0xe0, 0]),
        ],
        expect![[r#"
            > {"mqtt":{"connect":{"qos":0,"retain":false,"dup":false,"protocol_string":"MQTT","protocol_version":4,"flags":{"username":true,"password":true,"will_retain":false,"will":false,"clean_session":true},"client_id":"lamp-17","username":"admin","password_length":5,"default_credentials":true}}}
            < {"mqtt":{"connack":{"qos":0,"retain":false,"dup":false,"session_present":false,"return_code":0}}}
            > login mqtt user="admin" password_length=Some(5) default=true success=Some(true)
            < sighting Source Role "mqtt-broker" mqtt.connack
            > sighting Source Role "mqtt-client" mqtt.connect
            > {"mqtt":{"subscribe":{"qos":1,"retain":false,"dup":false,"message_id":1,"topics":[{"topic":"lights/+/set","qos":1},{"topic":"x/#","qos":0}]}}}
            < {"mqtt":{"suback":{"qos":0,"retain":false,"dup":false,"message_id":1,"qos_granted":[1,128]}}}
            > "command":{"protocol":"mqtt","verb":"subscribe","function":"subscribe","point":"lights/+/set","outcome":"accepted"}
            > "command":{"protocol":"mqtt","verb":"subscribe","function":"subscribe","point":"x/#","outcome":"refused","code":128}
            > {"mqtt":{"publish":{"qos":0,"retain":false,"dup":false,"topic":"lights/17/power","message":"41.5","message_length":4}}}
            > "reading":{"protocol":"mqtt","point":"lights/17/power","value":41.5}
            > "command":{"protocol":"mqtt","verb":"publish","function":"publish","point":"lights/17/power","value":41.5,"outcome":"unanswered"}
            < {"mqtt":{"publish":{"qos":1,"retain":false,"dup":false,"topic":"lights/17/set","message_id":9,"message":"off","message_length":3}}}
            < "command":{"protocol":"mqtt","verb":"publish","function":"publish","point":"lights/17/set","value":false,"outcome":"accepted","technique":{"id":"T0855","name":"Unauthorized Command Message"}}
            > {"mqtt":{"unsubscribe":{"qos":1,"retain":false,"dup":false,"message_id":2,"topics":["x/#"]}}}
            < {"mqtt":{"unsuback":{"qos":0,"retain":false,"dup":false,"message_id":2}}}
            > {"mqtt":{"disconnect":{"qos":0,"retain":false,"dup":false}}}
        "#]],
    );
}

#[test]
fn version_5_has_properties_aliases_and_reasons() {
    let publish = |topic: &str, message: &[u8]| packet(0x30, &[&text(topic), &[3, 0x23, 0, 7], message]);
    check(
        &[
            client(connect(5, Some(("meter", "s3cret-long")))),
            server([0x20, 6, 0, 0x87, 3, 0x22, 0, 10]),
            client(publish("air/no2", b"{\"v\":17}")),
            client(publish("", b"18")),
            client(packet(
                0x32,
                &[
                    &text("city/cmd/all"),
                    &[0, 1, 20, 0x26],
                    &text("k\""),
                    &text("v"),
                    &[0x16],
                    &text("secret!"),
                    &[1, 1],
                    b"\xff\xd8",
                ],
            )),
            server([0x40, 4, 0, 1, 0x87, 0]),
            server([0xe0, 2, 0x8e, 0]),
        ],
        expect![[r#"
            > {"mqtt":{"connect":{"qos":0,"retain":false,"dup":false,"protocol_string":"MQTT","protocol_version":5,"flags":{"username":true,"password":true,"will_retain":false,"will":false,"clean_session":true},"client_id":"lamp-17","username":"meter","password_length":11,"default_credentials":false,"properties":{"session_expiry_interval":60}}}}
            < {"mqtt":{"connack":{"qos":0,"retain":false,"dup":false,"session_present":false,"return_code":135,"properties":{"topic_alias_maximum":10}}}}
            > login mqtt user="meter" password_length=Some(11) default=false success=Some(false)
            > {"mqtt":{"publish":{"qos":0,"retain":false,"dup":false,"topic":"air/no2","message":"{\"v\":17}","message_length":8,"properties":{"topic_alias":7}}}}
            > "reading":{"protocol":"mqtt","point":"air/no2","value":"{\"v\":17}"}
            > "command":{"protocol":"mqtt","verb":"publish","function":"publish","point":"air/no2","value":"{\"v\":17}","outcome":"unanswered"}
            > {"mqtt":{"publish":{"qos":0,"retain":false,"dup":false,"topic":"air/no2","message":"18","message_length":2,"properties":{"topic_alias":7}}}}
            > "reading":{"protocol":"mqtt","point":"air/no2","value":18}
            > "command":{"protocol":"mqtt","verb":"publish","function":"publish","point":"air/no2","value":18,"outcome":"unanswered"}
            > {"mqtt":{"publish":{"qos":1,"retain":false,"dup":false,"topic":"city/cmd/all","message_id":1,"message":"\\xff\\xd8","message_length":2,"properties":{"user_properties":[{"key":"k\"","value":"v"}],"authentication_data_length":7,"payload_format_indicator":1}}}}
            > "reading":{"protocol":"mqtt","point":"city/cmd/all","value":"ffd8"}
            < {"mqtt":{"puback":{"qos":0,"retain":false,"dup":false,"message_id":1,"reason_code":135}}}
            > "command":{"protocol":"mqtt","verb":"publish","function":"publish","point":"city/cmd/all","value":"ffd8","outcome":"refused","code":135,"technique":{"id":"T0855","name":"Unauthorized Command Message"}}
            < {"mqtt":{"disconnect":{"qos":0,"retain":false,"dup":false,"reason_code":142}}}
        "#]],
    );
}

#[test]
fn what_does_not_fit_is_marked_and_it_goes_on() {
    let limits = Limits {
        message: 2_048,
        ..Limits::default()
    };
    let turns = [
        client(connect(4, None)),
        client(connect(4, None)),
        client([0x00, 1, 7]),
        client([0xf0, 0]),
        client(packet(0x36, &[&text("a"), &[0, 1], b"x"])),
        client(packet(0x32, &[&text("a"), &[0, 0], b"x"])),
        client([0x82, 1, 0]),
        client(packet(0x30, &[&text("big/topic"), &[b'x'; 3_000]])),
        server(packet(0x30, &[&text("lamp-17/set"), &[b'x'; 3_000]])),
        client(packet(0x30, &[&text("after"), b"1"])),
        Turn::Gap(Direction::ToResponder, 70),
        client(packet(0x30, &[&text("again"), b"2"])),
        Turn::Gap(Direction::ToResponder, 70),
        client(b"payload of a lost packet"),
        client(packet(0x30, &[&text("unseen"), b"3"])),
        server([0x20, 0x80, 0x80, 0x80, 0x80, 1]),
    ];
    expect![[r#"
        > {"mqtt":{"connect":{"qos":0,"retain":false,"dup":false,"protocol_string":"MQTT","protocol_version":4,"flags":{"username":false,"password":false,"will_retain":false,"will":false,"clean_session":true},"client_id":"lamp-17"}}}
        > malformed mqtt.double_connect
        > {"mqtt":{"connect":{"qos":0,"retain":false,"dup":false,"protocol_string":"MQTT","protocol_version":4,"flags":{"username":false,"password":false,"will_retain":false,"will":false,"clean_session":true},"client_id":"lamp-17"}}}
        > malformed mqtt.unassigned_msg_type
        > malformed mqtt.unassigned_msg_type
        > malformed mqtt.invalid_qos_level
        > {"mqtt":{"publish":{"qos":3,"retain":false,"dup":false,"topic":"a","message_id":1,"message":"x","message_length":1}}}
        > "reading":{"protocol":"mqtt","point":"a","value":"x"}
        > "command":{"protocol":"mqtt","verb":"publish","function":"publish","point":"a","value":"x","outcome":"unanswered"}
        > malformed mqtt.missing_msg_id
        > {"mqtt":{"publish":{"qos":1,"retain":false,"dup":false,"topic":"a","message_id":0,"message":"x","message_length":1}}}
        > "reading":{"protocol":"mqtt","point":"a","value":"x"}
        > "command":{"protocol":"mqtt","verb":"publish","function":"publish","point":"a","value":"x","outcome":"unanswered"}
        > malformed mqtt.malformed
        > {"mqtt":{"publish":{"qos":0,"retain":false,"dup":false,"topic":"big/topic","truncated":true,"skipped_length":3014}}}
        > "command":{"protocol":"mqtt","verb":"publish","function":"publish","point":"big/topic","outcome":"unanswered"}
        < {"mqtt":{"publish":{"qos":0,"retain":false,"dup":false,"topic":"lamp-17/set","truncated":true,"skipped_length":3016}}}
        < "command":{"protocol":"mqtt","verb":"publish","function":"publish","point":"lamp-17/set","outcome":"unanswered","technique":{"id":"T0855","name":"Unauthorized Command Message"}}
        > {"mqtt":{"publish":{"qos":0,"retain":false,"dup":false,"topic":"after","message":"1","message_length":1}}}
        > "reading":{"protocol":"mqtt","point":"after","value":1}
        > "command":{"protocol":"mqtt","verb":"publish","function":"publish","point":"after","value":1,"outcome":"unanswered"}
        > {"mqtt":{"publish":{"qos":0,"retain":false,"dup":false,"topic":"again","message":"2","message_length":1}}}
        > "reading":{"protocol":"mqtt","point":"again","value":2}
        > "command":{"protocol":"mqtt","verb":"publish","function":"publish","point":"again","value":2,"outcome":"unanswered"}
        < malformed mqtt.invalid_length
    "#]].assert_eq(&transcript(&ENTRY, &limits, &turns, usize::MAX));
}

#[test]
fn payloads_are_values() {
    let show = |message: &[u8]| format!("{:?}", command::value(message));
    assert_eq!(show(b"-12"), "Int(-12)");
    assert_eq!(show(b" 3.5\n"), "Float(3.5)");
    assert_eq!(show(b"ON"), "Bool(true)");
    assert_eq!(show(b"nan"), "Text(\"nan\")");
    assert_eq!(show(b""), "Text(\"\")");
    assert_eq!(show(b"\xff\x00"), "Bytes([255, 0])");
    assert!(command::commands(b"tele/x/SET") && !command::commands(b"offset/settings"));
}

#[test]
fn the_probe_wants_a_connect() {
    let ask = |bytes: &[u8]| probe(&hint(Direction::ToResponder), bytes);
    let whole = connect(5, None);
    assert_eq!(ask(&whole), Probe::Yes);
    assert_eq!(ask(&whole[..8]), Probe::Maybe);
    assert_eq!(probe(&hint(Direction::ToInitiator), &whole), Probe::Reversed);
    assert_eq!(ask(b"\x10\x0e\x00\x04MQTT\x09"), Probe::No);
    assert_eq!(ask(b"\x10\x0e\x00\x06MQIsdp\x03"), Probe::Yes);
    assert_eq!(ask(b"\x10\x03abc"), Probe::No);
    assert_eq!(ask(b"\x30\x03"), Probe::No);
}

fn turn() -> impl Strategy<Value = Turn> {
    let one = prop_oneof![
        any::<u8>().prop_map(|level| connect(level % 3 + 3, Some(("u", "p")))),
        Just(vec![0x20, 2, 0, 0]),
        Just(vec![0x90, 3, 0, 1, 0]),
        Just(packet(0x82, &[&[0, 1], &text("a/#"), &[1]])),
        (0u8..16, "[a-z/]{0,9}", 0usize..3_000).prop_map(|(flags, topic, size)| packet(
            0x30 | flags,
            &[&text(&topic), &[0, 1, 0][..], &vec![b'7'; size]]
        )),
        (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..60)).prop_map(|(f, b)| packet(f, &[&b])),
        proptest::collection::vec(any::<u8>(), 0..40),
    ];
    prop_oneof![
        5 => one.clone().prop_map(Turn::Client),
        4 => one.prop_map(Turn::Server),
        1 => (any::<bool>(), 0u64..2_000).prop_map(|(c, n)| {
            Turn::Gap(if c { Direction::ToResponder } else { Direction::ToInitiator }, n)
        }),
    ]
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(turns in proptest::collection::vec(turn(), 0..12), piece in 1usize..50) {
        let limits = Limits { message: 2_048, open_requests: 2, ..Limits::default() };
        let whole = transcript(&ENTRY, &limits, &turns, usize::MAX);
        prop_assert_eq!(transcript(&ENTRY, &limits, &turns, piece), whole);
    }

    #[test]
    fn a_sure_probe_stays_sure(bytes in turn(), first in 0usize..40) {
        let (Turn::Client(bytes) | Turn::Server(bytes)) = bytes else { return Ok(()) };
        let early = probe(&hint(Direction::ToResponder), &bytes[..first.min(bytes.len())]);
        if early != Probe::Maybe {
            prop_assert_eq!(probe(&hint(Direction::ToResponder), &bytes), early);
        }
    }
}
