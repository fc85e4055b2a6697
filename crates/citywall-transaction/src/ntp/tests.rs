//! NTP messages made byte by byte, and what is told of them; the laws over arbitrary bytes.

use citywall_flow::{Carrier, Direction};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::{ENTRY, probe};
use crate::testing::{self, hex};
use crate::{Limits, Probe};

const CLIENT: &str = "23 00 06 ec 00000000 00000000 00000000 0000000000000000 0000000000000000
    0000000000000000 e90a1b2c80000000";
const SERVER: &str = "24 01 06 ec 00000100 00000200 47505300 e90a1b0000000000 e90a1b2c80000000
    e90a1b2c81000000 e90a1b2c82000000";
const MONLIST: &str = "17 00 03 2a 0000 0000";

fn check(messages: &[(Direction, &str)], expected: Expect) {
    let hint = testing::hint_on(Carrier::Udp, 40_000, 123);
    let mut conversation = testing::Conversation::new(&ENTRY, &hint, &Limits::default());
    for (direction, message) in messages {
        conversation.datagram(*direction, &hex(message));
    }
    expected.assert_eq(&conversation.finish());
}

#[test]
fn a_client_asks_and_a_server_answers() {
    check(
        &[(Direction::ToResponder, CLIENT), (Direction::ToInitiator, SERVER)],
        expect![[r#"
            > {"ntp":{"version":4,"mode":3,"leap":0,"stratum":0,"poll":6,"precision":-20,"root_delay":0,"root_dispersion":0,"reference_id":"00:00:00:00","transmit_timestamp":"2023-11-23T18:40:44.500000+0000"}}
            < sighting Source Role "ntp-server" ntp.mode
            < {"ntp":{"version":4,"mode":4,"leap":0,"stratum":1,"poll":6,"precision":-20,"root_delay":0.00390625,"root_dispersion":0.0078125,"reference_id":"47:50:53:00","reference_clock":"GPS","reference_timestamp":"2023-11-23T18:40:00.000000+0000","origin_timestamp":"2023-11-23T18:40:44.500000+0000","receive_timestamp":"2023-11-23T18:40:44.503906+0000","transmit_timestamp":"2023-11-23T18:40:44.507812+0000"}}
        "#]],
    );
}

#[test]
fn monlist_and_control_are_named() {
    check(
        &[
            (Direction::ToResponder, MONLIST),
            (Direction::ToInitiator, "d7 00 03 2a 0002 0004 00000001 00000002"),
            (Direction::ToInitiator, "97 00 03 2a 0002 0048 00000001"),
            (Direction::ToResponder, "16 02 0001 0000 0000 0000 0000"),
        ],
        expect![[r#"
            > {"ntp":{"version":2,"mode":7,"private":{"response":false,"sequence":0,"implementation":3,"request_code":42,"monlist":true,"error":0,"items":0,"item_size":0}}}
            < {"ntp":{"version":2,"mode":7,"private":{"response":true,"more":true,"sequence":0,"implementation":3,"request_code":42,"monlist":true,"error":0,"items":2,"item_size":4}}}
            < malformed ntp.private_length
            < {"ntp":{"version":2,"mode":7,"private":{"response":true,"sequence":0,"implementation":3,"request_code":42,"monlist":true,"error":0,"items":2,"item_size":72}}}
            > {"ntp":{"version":2,"mode":6,"control":{"response":false,"opcode":2,"operation":"read_variables","sequence":1,"status":0,"association_id":0,"offset":0,"count":0}}}
        "#]],
    );
}

#[test]
fn what_is_wrong_is_marked() {
    check(
        &[
            (Direction::ToResponder, "23 00 06"),
            (Direction::ToResponder, ""),
            (Direction::ToResponder, &SERVER.replacen("24 01", "3c 01", 1)),
            (Direction::ToInitiator, &SERVER.replacen("24 01", "24 11", 1)),
        ],
        expect![[r#"
            > malformed ntp.truncated
            > malformed ntp.truncated
            > malformed ntp.version
            < malformed ntp.stratum
            < sighting Source Role "ntp-server" ntp.mode
            < {"ntp":{"version":4,"mode":4,"leap":0,"stratum":17,"poll":6,"precision":-20,"root_delay":0.00390625,"root_dispersion":0.0078125,"reference_id":"47:50:53:00","reference_timestamp":"2023-11-23T18:40:00.000000+0000","origin_timestamp":"2023-11-23T18:40:44.500000+0000","receive_timestamp":"2023-11-23T18:40:44.503906+0000","transmit_timestamp":"2023-11-23T18:40:44.507812+0000"}}
        "#]],
    );
}

#[test]
fn found_on_any_port_and_either_way() {
    let probe_on = |port, message: &str| probe(&testing::hint_on(Carrier::Udp, 40_000, port), &hex(message));
    assert_eq!(probe_on(123, CLIENT), Probe::Yes);
    assert_eq!(probe_on(123, SERVER), Probe::Reversed);
    assert_eq!(probe_on(9_999, CLIENT), Probe::Yes);
    assert_eq!(probe_on(9_999, SERVER), Probe::Reversed);
    assert_eq!(probe_on(9_999, MONLIST), Probe::Yes);
    assert_eq!(probe_on(9_999, "23 00 06 ec"), Probe::No);
    assert_eq!(probe_on(9_999, &"23".repeat(48)), Probe::No);
    assert_eq!(probe_on(9_999, &"00".repeat(48)), Probe::No);
}

proptest! {
    #[test]
    fn any_bytes_are_one_message_or_one_mark(data in proptest::collection::vec(any::<u8>(), 0..80)) {
        let hint = testing::hint_on(Carrier::Udp, 40_000, 123);
        let mut conversation = testing::Conversation::new(&ENTRY, &hint, &Limits::default());
        conversation.datagram(Direction::ToResponder, &data);
        prop_assert!((1..=3).contains(&conversation.finish().lines().count()));
    }
}
