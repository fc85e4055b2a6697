//! DHCP messages made byte by byte, and what is told of them; the laws over arbitrary bytes.

use citywall_flow::{Carrier, Direction};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::{ENTRY, probe};
use crate::testing;
use crate::{Limits, Probe};

/// The fixed part with the magic number: `op`, flags, `yiaddr`, `giaddr`.
fn fixed(op: u8, flags: u16, assigned: [u8; 4], relay: [u8; 4]) -> Vec<u8> {
    let mut message = vec![op, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef, 0, 1];
    message.extend_from_slice(&flags.to_be_bytes());
    message.extend_from_slice(&[0; 4]);
    message.extend_from_slice(&assigned);
    message.extend_from_slice(&[10, 0, 0, 1]);
    message.extend_from_slice(&relay);
    message.extend_from_slice(&[2, 0, 0, 0, 0, 7]);
    message.resize(236, 0);
    message.extend_from_slice(&[99, 130, 83, 99]);
    message
}

fn option(message: &mut Vec<u8>, code: u8, value: &[u8]) {
    message.extend_from_slice(&[code, value.len() as u8]);
    message.extend_from_slice(value);
}

fn discover(relay: [u8; 4]) -> Vec<u8> {
    let mut message = fixed(1, 0, [0; 4], relay);
    option(&mut message, 53, &[1]);
    option(&mut message, 61, &[1, 2, 0, 0, 0, 0, 7]);
    option(&mut message, 12, b"lamp-17\0");
    option(&mut message, 60, b"udhcp 1.30");
    option(&mut message, 55, &[1, 3, 6, 15, 200]);
    message.push(255);
    message
}

fn ack(flags: u16) -> Vec<u8> {
    let mut message = fixed(2, flags, [10, 0, 0, 50], [0; 4]);
    option(&mut message, 53, &[5]);
    option(&mut message, 54, &[10, 0, 0, 1]);
    option(&mut message, 51, &3600_u32.to_be_bytes());
    option(&mut message, 1, &[255, 255, 255, 0]);
    option(&mut message, 3, &[10, 0, 0, 1]);
    option(&mut message, 6, &[10, 0, 0, 2, 10, 0, 0, 3]);
    message.push(255);
    message
}

fn run(messages: &[(Direction, Vec<u8>)]) -> String {
    let hint = testing::hint_on(Carrier::Udp, 68, 67);
    let mut conversation = testing::Conversation::new(&ENTRY, &hint, &Limits::default());
    for (direction, message) in messages {
        conversation.datagram(*direction, message);
    }
    conversation.finish()
}

fn check(messages: &[(Direction, Vec<u8>)], expected: Expect) {
    expected.assert_eq(&run(messages));
}

#[test]
fn a_client_tells_of_itself_and_gets_an_address() {
    check(
        &[
            (Direction::ToResponder, discover([0; 4])),
            (Direction::ToInitiator, ack(0)),
        ],
        expect![[r#"
            > sighting Card([2, 0, 0, 0, 0, 7]) Hostname "lamp-17" dhcp.hostname
            > sighting Card([2, 0, 0, 0, 0, 7]) System "Linux" dhcp.vendor_class_identifier
            > sighting Card([2, 0, 0, 0, 0, 7]) Product "udhcp 1.30" dhcp.vendor_class_identifier
            > {"dhcp":{"type":"request","id":3735928559,"client_mac":"02:00:00:00:00:07","assigned_ip":"0.0.0.0","client_ip":"0.0.0.0","relay_ip":"0.0.0.0","next_server_ip":"10.0.0.1","client_id":"02:00:00:00:00:07","dhcp_type":"discover","hostname":"lamp-17","vendor_class_identifier":"udhcp 1.30","params":["subnet_mask","router","dns_server","domain","option_200"]}}
            < sighting Source Role "dhcp-server" dhcp.type
            < sighting Card([2, 0, 0, 0, 0, 7]) Address "10.0.0.50" dhcp.assigned_ip
            < {"dhcp":{"type":"reply","id":3735928559,"client_mac":"02:00:00:00:00:07","assigned_ip":"10.0.0.50","client_ip":"0.0.0.0","relay_ip":"0.0.0.0","next_server_ip":"10.0.0.1","dhcp_type":"ack","server_id":"10.0.0.1","subnet_mask":"255.255.255.0","lease_time":3600,"dns_servers":["10.0.0.2","10.0.0.3"],"routers":["10.0.0.1"]}}
        "#]],
    );
}

fn hints(messages: &[(Direction, Vec<u8>)], expected: Expect) {
    let text = run(messages);
    let hints = text.lines().filter(|line| line.contains("sighting"));
    expected.assert_eq(&hints.fold(String::new(), |all, line| all + line + "\n"));
}

/// The message, of another client.
fn of(client: u8, mut message: Vec<u8>) -> Vec<u8> {
    message[33] = client;
    message
}

#[test]
fn each_client_of_a_broadcast_is_told_apart() {
    hints(
        &[
            (Direction::ToResponder, discover([0; 4])),
            (Direction::ToResponder, of(8, discover([0; 4]))),
            (Direction::ToResponder, discover([0; 4])),
            (Direction::ToInitiator, ack(0x8000)),
            (Direction::ToInitiator, of(8, ack(0x8000))),
            // Back to the first.
            (Direction::ToInitiator, ack(0x8000)),
        ],
        expect![[r#"
            > sighting Card([2, 0, 0, 0, 0, 7]) Hostname "lamp-17" dhcp.hostname
            > sighting Card([2, 0, 0, 0, 0, 7]) System "Linux" dhcp.vendor_class_identifier
            > sighting Card([2, 0, 0, 0, 0, 7]) Product "udhcp 1.30" dhcp.vendor_class_identifier
            > sighting Card([2, 0, 0, 0, 0, 8]) Hostname "lamp-17" dhcp.hostname
            > sighting Card([2, 0, 0, 0, 0, 8]) System "Linux" dhcp.vendor_class_identifier
            > sighting Card([2, 0, 0, 0, 0, 8]) Product "udhcp 1.30" dhcp.vendor_class_identifier
            < sighting Source Role "dhcp-server" dhcp.type
            < sighting Card([2, 0, 0, 0, 0, 7]) Address "10.0.0.50" dhcp.assigned_ip
            < sighting Card([2, 0, 0, 0, 0, 8]) Address "10.0.0.50" dhcp.assigned_ip
            < sighting Card([2, 0, 0, 0, 0, 7]) Address "10.0.0.50" dhcp.assigned_ip
        "#]],
    );
}

#[test]
fn a_relay_sends_in_the_name_of_its_clients() {
    let relay = [10, 9, 0, 1];
    let mut passed = ack(0);
    passed[24..28].copy_from_slice(&relay);
    hints(
        &[
            (Direction::ToResponder, discover(relay)),
            (Direction::ToInitiator, passed),
        ],
        expect![[r#"
            > sighting Card([2, 0, 0, 0, 0, 7]) Hostname "lamp-17" dhcp.hostname
            > sighting Card([2, 0, 0, 0, 0, 7]) System "Linux" dhcp.vendor_class_identifier
            > sighting Card([2, 0, 0, 0, 0, 7]) Product "udhcp 1.30" dhcp.vendor_class_identifier
            < sighting Card([2, 0, 0, 0, 0, 7]) Address "10.0.0.50" dhcp.assigned_ip
        "#]],
    );
}

/// InfiniBand leaves the field empty (RFC 4390): then the sender is the client, but not behind a relay or
/// where all are sent to.
#[test]
fn without_a_hardware_address_the_parties_count_where_they_are_alone() {
    let nameless = |mut message: Vec<u8>| {
        message[1..3].copy_from_slice(&[32, 0]);
        message
    };
    hints(
        &[
            (Direction::ToResponder, nameless(discover([10, 9, 0, 1]))),
            (Direction::ToInitiator, nameless(ack(0x8000))),
        ],
        expect![[r#"
            < sighting Source Role "dhcp-server" dhcp.type
        "#]],
    );
    hints(
        &[
            (Direction::ToResponder, nameless(discover([0; 4]))),
            (Direction::ToInitiator, nameless(ack(0))),
        ],
        expect![[r#"
            > sighting Source Hostname "lamp-17" dhcp.hostname
            > sighting Source System "Linux" dhcp.vendor_class_identifier
            > sighting Source Product "udhcp 1.30" dhcp.vendor_class_identifier
            < sighting Source Role "dhcp-server" dhcp.type
            < sighting Destination Address "10.0.0.50" dhcp.assigned_ip
        "#]],
    );
}

#[test]
fn options_overflow_into_other_fields_and_pieces_are_joined() {
    let mut message = fixed(1, 0, [0; 4], [0; 4]);
    // In `file`: the second piece of the host name; in `sname`: the third and the message type.
    message[108..115].copy_from_slice(b"\x0c\x05-home");
    message[115] = 255;
    message[44..54].copy_from_slice(b"\x0c\x03-ok\x35\x01\x03\xff\x00");
    option(&mut message, 12, b"kiosk");
    option(&mut message, 52, &[3]);
    message.push(255);
    check(
        &[(Direction::ToResponder, message)],
        expect![[r#"
            > sighting Card([2, 0, 0, 0, 0, 7]) Hostname "kiosk-home-ok" dhcp.hostname
            > {"dhcp":{"type":"request","id":3735928559,"client_mac":"02:00:00:00:00:07","assigned_ip":"0.0.0.0","client_ip":"0.0.0.0","relay_ip":"0.0.0.0","next_server_ip":"10.0.0.1","dhcp_type":"request","hostname":"kiosk-home-ok"}}
        "#]],
    );
}

#[test]
fn what_is_wrong_is_marked() {
    let mut cut = discover([0; 4]);
    cut.truncate(250);
    let mut overload = fixed(1, 0, [0; 4], [0; 4]);
    option(&mut overload, 52, &[9]);
    let mut hardware = fixed(1, 0, [0; 4], [0; 4]);
    hardware[2] = 77;
    let marks: String = run(&[
        (Direction::ToResponder, cut),
        (Direction::ToResponder, overload),
        (Direction::ToResponder, hardware),
        (Direction::ToResponder, vec![1; 100]),
        (Direction::ToResponder, vec![9; 300]),
    ])
    .lines()
    .filter(|line| line.contains("malformed"))
    .fold(String::new(), |all, line| all + line + "\n");
    expect![[r#"
        > malformed dhcp.option_truncated
        > malformed dhcp.overload
        > malformed dhcp.hardware_length
        > malformed dhcp.truncated
        > malformed dhcp.opcode
    "#]]
    .assert_eq(&marks);
}

#[test]
fn found_on_any_port_and_either_way() {
    let on = |port, data: &[u8]| probe(&testing::hint_on(Carrier::Udp, 40_000, port), data);
    assert_eq!(on(67, &discover([0; 4])), Probe::Yes);
    assert_eq!(on(67, &ack(0)), Probe::Reversed);
    assert_eq!(on(9_999, &discover([0; 4])), Probe::Yes);
    assert_eq!(on(9_999, &[1; 300]), Probe::No);
    assert_eq!(on(67, &[1; 100]), Probe::No);
}

proptest! {
    #[test]
    fn any_options_are_read_to_an_end(
        op in 1..=2_u8,
        tail in proptest::collection::vec(any::<u8>(), 0..200),
        fields in proptest::collection::vec(any::<u8>(), 192),
    ) {
        let mut message = fixed(op, 0, [1; 4], [0; 4]);
        message[44..236].copy_from_slice(&fields);
        option(&mut message, 52, &[3]);
        message.extend_from_slice(&tail);
        let text = run(&[(Direction::ToResponder, message)]);
        prop_assert!(text.contains("\"dhcp\""));
    }

    #[test]
    fn any_bytes_are_at_most_marked(data in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(!run(&[(Direction::ToResponder, data)]).is_empty());
    }
}
