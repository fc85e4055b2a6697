//! MQTT 3.1.1 and 5.0.

use super::Case;
use super::capture::Capture;
use super::net::{DEVICE as SERVER, OPERATOR as CLIENT};
use super::talk::{Side, Side::Client, Side::Server, Talk};
use crate::story::payload::mqtt as old;

const AREA: &str = "transaction";

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        three(
            "mqtt-3.1.1",
            1_883,
            "MQTT 3.1.1 (OASIS 2014): connect with a factory password, subscribe, publish with QoS 0 and 1, ping, disconnect.",
        ),
        three(
            "mqtt-unusual-port",
            18_830,
            "The same on port 18830: found by content.",
        ),
        five(),
        refused(),
        malformed(),
    ]
}

fn play(name: &str, port: u16, readme: &str, talks: &[Vec<(Side, Vec<u8>)>]) -> Case {
    let mut capture = Capture::new();
    for (n, pieces) in (0..).zip(talks) {
        let mut talk = Talk::open(&mut capture, (CLIENT, 40_001 + n), (SERVER, port));
        for (side, bytes) in pieces {
            talk.say(&mut capture, *side, bytes);
        }
        talk.close(&mut capture);
    }
    Case::new(AREA, name, readme, capture)
}

fn three(name: &str, port: u16, readme: &str) -> Case {
    let pieces = vec![
        (Client, old::connect("lamp-17", "admin", "admin")),
        (Server, old::connected()),
        (Client, old::subscribe(1, "city/lamps/17/set")),
        (Server, old::subscribed(1)),
        (
            Client,
            old::publish("city/lamps/17/state", None, "{\"on\":true,\"watts\":41.5}"),
        ),
        (Client, old::publish("city/lamps/17/alarm", Some(2), "door open")),
        (Server, old::published(2)),
        (Server, old::publish("city/lamps/17/set", None, "off")),
        (Client, old::PING.to_vec()),
        (Server, old::PONG.to_vec()),
        (Client, vec![0xe0, 0]),
    ];
    play(name, port, readme, &[pieces])
}

/// A control packet with a body below 128 bytes.
fn packet(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&[first, body.len() as u8][..], &body].concat()
}

fn text(value: &str) -> Vec<u8> {
    [&(value.len() as u16).to_be_bytes()[..], value.as_bytes()].concat()
}

/// CONNECT of version 5: clean start, with a will, session expiry and receive maximum.
fn connect5() -> Vec<u8> {
    packet(
        0x10,
        &[
            &text("MQTT"),
            &[5, 0x0e, 0, 60],
            &[8, 0x11, 0, 0, 0x0e, 0x10, 0x21, 0, 20],
            &text("meter-9"),
            // The will's properties: delay of 5 seconds.
            &[5, 0x18, 0, 0, 0, 5],
            &text("city/meters/9/gone"),
            &text("bye"),
        ],
    )
}

fn five() -> Case {
    let alias = [0x23, 0, 1];
    let user = [&[0x26][..], &text("unit"), &text("kPa")].concat();
    let first = [&[(alias.len() + user.len()) as u8][..], &alias, &user].concat();
    let publish = packet(0x30, &[&text("city/meters/9/pressure"), &first, b"412"]);
    let again = packet(0x30, &[&text(""), &[3], &alias, b"413"]);
    let pieces = vec![
        (Client, connect5()),
        // CONNACK: success, topic alias maximum 10, server keep alive 30.
        (Server, packet(0x20, &[&[0, 0, 6, 0x22, 0, 10, 0x13, 0, 30]])),
        (Client, publish),
        (Client, again),
        (
            Client,
            packet(
                0x82,
                &[&[0, 1, 2, 0x0b, 7], &text("$share/g/city/+/alarm"), &[0x29]],
            ),
        ),
        // SUBACK: not authorised.
        (Server, packet(0x90, &[&[0, 1, 0, 0x87]])),
        (
            Client,
            packet(0x34, &[&text("city/meters/9/log"), &[0, 7, 0], b"entry"]),
        ),
        (Server, packet(0x50, &[&[0, 7]])),
        (Client, packet(0x62, &[&[0, 7]])),
        (Server, packet(0x70, &[&[0, 7]])),
        (
            Client,
            packet(0xa2, &[&[0, 2, 0], &text("$share/g/city/+/alarm")]),
        ),
        (Server, packet(0xb0, &[&[0, 2, 0, 0x11]])),
        // DISCONNECT by the server: administrative action.
        (Server, packet(0xe0, &[&[0x98, 0]])),
    ];
    play(
        "mqtt-5",
        1_883,
        "MQTT 5.0 (OASIS 2019): properties, a will, a topic alias (the second message names no topic, the event does), a shared\n\
         subscription that is refused, QoS 2, and a disconnect by the broker with its reason.",
        &[pieces],
    )
}

fn refused() -> Case {
    let mut answer = old::connected();
    answer[3] = 5;
    play(
        "mqtt-refused",
        1_883,
        "CONNACK with return code 5, not authorised (MQTT 3.1.1, 3.2.2.3): a failed `login`.",
        &[vec![
            (Client, old::connect("meter-9", "meter", "guess-1")),
            (Server, answer),
        ]],
    )
}

fn malformed() -> Case {
    let open = || {
        vec![
            (Client, old::connect("lamp-17", "lamp", "s3cret-enough")),
            (Server, old::connected()),
        ]
    };
    let with = |more: Vec<(Side, Vec<u8>)>| [open(), more].concat();
    play(
        "mqtt-malformed",
        1_883,
        "Packets that break MQTT: a second CONNECT, type 0, QoS 3, reserved flags, an answer without a question, a topic beyond the\n\
         packet, a remaining length of five bytes, an unknown topic alias, a message id of 0, and a server that acknowledges a connection nobody asked for.",
        &[
            with(vec![(Client, old::connect("lamp-17", "lamp", "s3cret-enough"))]),
            with(vec![(Client, vec![0x00, 0])]),
            with(vec![(Client, packet(0x36, &[&text("a"), &[0, 1], b"x"]))]),
            with(vec![(Client, packet(0x80, &[&[0, 1], &text("a"), &[0]]))]),
            with(vec![(Server, old::published(99))]),
            with(vec![(Client, packet(0x30, &[&[0, 200], b"abc"]))]),
            with(vec![(Client, vec![0x30, 0xff, 0xff, 0xff, 0xff, 0x7f])]),
            vec![
                (Client, connect5()),
                (Server, packet(0x20, &[&[0, 0, 0]])),
                (Client, packet(0x30, &[&text(""), &[3, 0x23, 0, 9], b"x"])),
            ],
            with(vec![(Client, old::publish("city/lamps/17/state", Some(0), "on"))]),
            vec![
                (Server, old::connected()),
                (Client, old::publish("city/lamps/17/state", None, "on")),
            ],
        ],
    )
}
