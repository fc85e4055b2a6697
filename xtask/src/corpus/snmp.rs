//! SNMP versions 1, 2c and 3.

use super::Case;
use super::capture::Capture;
use super::net::{DEVICE as SERVER, End, OPERATOR as CLIENT};
use crate::story::payload::der;
use crate::story::payload::snmp::{DESCRIPTION, NAME, OBJECT, PATTERN_CONTROL, Pdu, UPTIME, Value, message};

const AREA: &str = "transaction";

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        trap_v1(),
        v2c(
            "snmp-v2c",
            161,
            "SNMP 2c (RFC 3416): get, get-bulk, set accepted and refused; every variable with its value, all types of RFC 2578.",
        ),
        v2c(
            "snmp-unusual-port",
            16_100,
            "The same on port 16100: found by content.",
        ),
        notifications(),
        v3(),
        malformed(),
    ]
}

fn manager() -> End {
    (CLIENT, 40_161)
}

fn binding(oid: &str, value: Vec<u8>) -> Vec<u8> {
    der::sequence(&[der::oid(oid), value])
}

/// A message of any shape.
fn raw(version: i64, community: &str, tag: u8, fields: [i64; 3], bindings: &[Vec<u8>]) -> Vec<u8> {
    let body = [
        der::number(2, fields[0]),
        der::number(2, fields[1]),
        der::number(2, fields[2]),
        der::sequence(bindings),
    ]
    .concat();
    der::sequence(&[
        der::number(2, version),
        der::octets(community.as_bytes()),
        der::tagged(tag, &body),
    ])
}

fn trap_v1() -> Case {
    let mut capture = Capture::new();
    let body = [
        der::oid("1.3.6.1.4.1.1206.4.2.1"),
        der::tagged(0x40, &[192, 0, 2, 20]),
        der::number(2, 6),
        der::number(2, 17),
        der::number(0x43, 4_711),
        der::sequence(&[
            binding(NAME, der::octets(b"signal-12")),
            binding("1.3.6.1.4.1.1206.4.2.1.3.11.0", der::number(2, 3)),
        ]),
    ]
    .concat();
    let trap = der::sequence(&[
        der::number(2, 0),
        der::octets(b"public"),
        der::tagged(0xa4, &body),
    ]);
    capture.udp((SERVER, 50_162), (CLIENT, 162), &trap);
    Case::new(
        AREA,
        "snmp-v1-trap",
        "An SNMP v1 trap (RFC 1157, 4.1.6) of a signal controller: enterprise, agent, generic and specific trap, uptime, variables.",
        capture,
    )
}

fn v2c(name: &str, port: u16, readme: &str) -> Case {
    let mut capture = Capture::new();
    let agent: End = (SERVER, port);
    let asks: Vec<(String, Value)> = [DESCRIPTION, OBJECT, UPTIME, NAME]
        .map(|o| (o.to_owned(), Value::Null))
        .to_vec();
    capture.udp(manager(), agent, &message(1, "public", Pdu::Get, 1, &asks));
    let tells = vec![
        (
            DESCRIPTION.to_owned(),
            Value::Text("Signal controller S4, fw 2.1".into()),
        ),
        (OBJECT.to_owned(), Value::Oid("1.3.6.1.4.1.1206.4")),
        (UPTIME.to_owned(), Value::Ticks(360_000)),
        (NAME.to_owned(), Value::Text("signal-12".into())),
    ];
    capture.udp(agent, manager(), &message(1, "public", Pdu::Response, 1, &tells));
    // Get-bulk: 0 non-repeaters, 8 repetitions; all types, and two of the exceptions.
    capture.udp(
        manager(),
        agent,
        &raw(
            1,
            "public",
            0xa5,
            [2, 0, 8],
            &[binding("1.3.6.1.2.1.2.2.1", der::null())],
        ),
    );
    let values = [
        der::number(2, -5),
        der::number(0x41, 4_000_000_000),
        der::number(0x42, 100),
        der::number(0x46, 1 << 40),
        der::tagged(0x40, &[192, 0, 2, 20]),
        der::tagged(4, &[0, 0x1b, 0xff]),
        vec![0x81, 0],
        vec![0x82, 0],
    ];
    let rows: Vec<Vec<u8>> = (1..)
        .zip(values)
        .map(|(n, v)| binding(&format!("1.3.6.1.2.1.2.2.1.{n}"), v))
        .collect();
    capture.udp(agent, manager(), &raw(1, "public", 0xa2, [2, 0, 0], &rows));
    let set = |id, value| {
        message(
            1,
            "private",
            Pdu::Set,
            id,
            &[(PATTERN_CONTROL.to_owned(), Value::Integer(value))],
        )
    };
    capture.udp(manager(), agent, &set(3, 254));
    capture.udp(
        agent,
        manager(),
        &message(
            1,
            "private",
            Pdu::Response,
            3,
            &[(PATTERN_CONTROL.to_owned(), Value::Integer(254))],
        ),
    );
    // Refused: wrongValue (10) in the first variable.
    capture.udp(manager(), agent, &set(4, 9_999));
    capture.udp(
        agent,
        manager(),
        &raw(
            1,
            "private",
            0xa2,
            [4, 10, 1],
            &[binding(PATTERN_CONTROL, der::number(2, 9_999))],
        ),
    );
    Case::new(AREA, name, readme, capture)
}

fn notifications() -> Case {
    let mut capture = Capture::new();
    let bindings = [
        binding(UPTIME, der::number(0x43, 99)),
        binding("1.3.6.1.6.3.1.1.4.1.0", der::oid("1.3.6.1.6.3.1.1.5.3")),
    ];
    let receiver: End = (CLIENT, 162);
    let sender: End = (SERVER, 50_162);
    capture.udp(sender, receiver, &raw(1, "public", 0xa7, [7, 0, 0], &bindings));
    capture.udp(sender, receiver, &raw(1, "public", 0xa6, [8, 0, 0], &bindings));
    capture.udp(receiver, sender, &raw(1, "public", 0xa2, [8, 0, 0], &bindings));
    Case::new(
        AREA,
        "snmp-v2c-notify",
        "A v2 trap (linkDown) and an inform that is answered (RFC 3416, 4.2.6 and 4.2.7).",
        capture,
    )
}

/// A v3 message (RFC 3412): flags, user, and what the scoped PDU is.
fn secured(id: i64, flags: u8, user: &str, scoped: Vec<u8>) -> Vec<u8> {
    let engine = [0x80, 0, 0x04, 0xb6, 5, 1, 2, 3, 4];
    let mac = if flags & 1 != 0 {
        vec![0xaa; 12]
    } else {
        Vec::new()
    };
    let salt = if flags & 2 != 0 { vec![0x55; 8] } else { Vec::new() };
    let usm = der::sequence(&[
        der::octets(&engine),
        der::number(2, 12),
        der::number(2, 3_456),
        der::octets(user.as_bytes()),
        der::octets(&mac),
        der::octets(&salt),
    ]);
    let global = der::sequence(&[
        der::number(2, id),
        der::number(2, 65_507),
        der::octets(&[flags]),
        der::number(2, 3),
    ]);
    der::sequence(&[der::number(2, 3), global, der::octets(&usm), scoped])
}

fn v3() -> Case {
    let mut capture = Capture::new();
    let agent: End = (SERVER, 161);
    let pdu = |tag: u8, value: Vec<u8>| {
        let list = der::sequence(&[binding(NAME, value)]);
        let body = [der::number(2, 5), der::number(2, 0), der::number(2, 0), list].concat();
        der::sequence(&[
            der::octets(&[0x80, 0, 0x04, 0xb6, 5]),
            der::octets(b""),
            der::tagged(tag, &body),
        ])
    };
    // In the clear, authenticated.
    capture.udp(
        manager(),
        agent,
        &secured(1, 5, "operator", pdu(0xa0, der::null())),
    );
    capture.udp(
        agent,
        manager(),
        &secured(1, 1, "operator", pdu(0xa2, der::octets(b"signal-12"))),
    );
    // Encrypted.
    capture.udp(
        manager(),
        agent,
        &secured(2, 7, "operator", der::octets(&[0x5a; 48])),
    );
    capture.udp(
        agent,
        manager(),
        &secured(2, 3, "operator", der::octets(&[0xa5; 56])),
    );
    Case::new(
        AREA,
        "snmp-v3",
        "SNMP v3 (RFC 3412, RFC 3414): authenticated in the clear, then encrypted. User and engine are known; what is encrypted\n\
         stays unknown, and that is said.",
        capture,
    )
}

fn malformed() -> Case {
    let mut capture = Capture::new();
    let agent: End = (SERVER, 161);
    let good = message(1, "public", Pdu::Get, 1, &[(NAME.to_owned(), Value::Null)]);
    let mut port = 41_000;
    // Each begins a conversation of its own with a sound message, so that it is known to be SNMP.
    let mut put = |bytes: &[u8]| {
        port += 1;
        capture.udp((CLIENT, port), agent, &good);
        capture.udp((CLIENT, port), agent, bytes);
    };
    put(&good);
    put(&[&good[..], &[0, 0, 0]].concat());
    put(&good[..good.len() - 4]);
    put(&der::sequence(&[
        der::number(2, 7),
        der::octets(b"public"),
        der::tagged(0xa0, &[2, 1, 1]),
    ]));
    put(&raw(1, "public", 0xaf, [1, 0, 0], &[]));
    // An object identifier that ends within an arc, an integer of nine bytes.
    put(&raw(
        1,
        "public",
        0xa0,
        [1, 0, 0],
        &[der::sequence(&[der::tagged(6, &[0x2b, 0x86]), der::null()])],
    ));
    put(&raw(
        1,
        "public",
        0xa3,
        [1, 0, 0],
        &[binding(NAME, der::tagged(2, &[1; 9]))],
    ));
    // Indefinite length (X.690, 8.1.3.6; not allowed in SNMP), a length of eight bytes, a tag of many bytes.
    put(&[&[0x30, 0x80][..], &good[2..], &[0, 0]].concat());
    put(&[&[0x30, 0x88, 0, 0, 0, 0, 0, 0, 0, 40][..], &good[2..]].concat());
    put(&raw(
        1,
        "public",
        0xa3,
        [1, 0, 0],
        &[binding(NAME, vec![0x1f, 0x81, 1, 1, 0])],
    ));
    // Version 3: encrypted though no flag says so; privacy without authentication.
    put(&secured(9, 4, "operator", der::octets(&[0x5a; 48])));
    put(&secured(10, 6, "operator", der::octets(&[0x5a; 48])));
    Case::new(
        AREA,
        "snmp-malformed",
        "Encodings that break X.690 or RFC 3416, 3412: trailing and missing bytes, an unknown version and PDU, an open object\n\
         identifier, indefinite length, privacy without authentication (RFC 3412, 6.4).",
        capture,
    )
}
