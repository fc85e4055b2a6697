//! Modbus/TCP: who told which device to do what to which point.

use super::Case;
use super::capture::{Capture, SECOND};
use super::net::{DEVICE as SERVER, OPERATOR as CLIENT};
use super::talk::{Side::Client, Side::Server, Talk};
use crate::story::payload::modbus::{adu, bits, read, registers, write};

const AREA: &str = "transaction";

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        reads(
            "modbus-read",
            502,
            "All four reads (MODBUS Application Protocol V1.1b3, 6.1 to 6.4): `command` who asked, `reading` what the device said.",
        ),
        reads(
            "modbus-unusual-port",
            15_020,
            "The same on port 15020: found by content.",
        ),
        writes(),
        exceptions(),
        device(),
        malformed(),
    ]
}

/// Requests and answers of one conversation, each with its own transaction number.
fn exchange(port: u16, pairs: &[(Vec<u8>, Option<Vec<u8>>)]) -> Capture {
    let mut capture = Capture::new();
    let c = &mut capture;
    let mut talk = Talk::open(c, (CLIENT, 40_001), (SERVER, port));
    for (n, (ask, answer)) in (1..).zip(pairs) {
        talk.say(c, Client, &adu(n, 1, ask));
        if let Some(answer) = answer {
            talk.say(c, Server, &adu(n, 1, answer));
        }
        c.wait(SECOND);
    }
    talk.close(c);
    capture
}

fn reads(name: &str, port: u16, readme: &str) -> Case {
    let capture = exchange(
        port,
        &[
            (read(3, 40, 3), Some(registers(3, &[420, 65_535, 7]))),
            (read(4, 0, 1), Some(registers(4, &[1_234]))),
            (read(1, 8, 10), Some(bits(1, &[0b1010_0101, 0b10]))),
            (read(2, 0, 3), Some(bits(2, &[0b101]))),
            // Two registers that only look like one exchange: the answer never comes.
            (read(3, 99, 1), None),
        ],
    );
    Case::new(AREA, name, readme, capture)
}

fn writes() -> Case {
    let several = [
        &[16, 0, 40, 0, 2, 4][..],
        &700_u16.to_be_bytes(),
        &800_u16.to_be_bytes(),
    ]
    .concat();
    let coils = vec![15, 0, 16, 0, 10, 2, 0xcd, 1];
    let mask = vec![22, 0, 4, 0, 0xf2, 0, 0x25];
    let both = [&[23][..], &[0, 3, 0, 2, 0, 14, 0, 1, 2, 0, 255]].concat();
    let capture = exchange(
        502,
        &[
            (write(6, 40, 500), Some(write(6, 40, 500))),
            (write(5, 3, 0xff00), Some(write(5, 3, 0xff00))),
            (several.clone(), Some(several[..5].to_vec())),
            (coils.clone(), Some(coils[..5].to_vec())),
            (mask.clone(), Some(mask)),
            (both, Some(registers(23, &[1, 2]))),
        ],
    );
    Case::new(
        AREA,
        "modbus-write",
        "Writes of one and several registers and coils, mask write, read and write at once (V1.1b3, 6.5, 6.6, 6.11, 6.12, 6.16,\n\
         6.17): each `command` has point, count, value and outcome.",
        capture,
    )
}

fn exceptions() -> Case {
    let capture = exchange(
        502,
        &[
            (write(6, 9_000, 1), Some(vec![0x86, 2])),
            (read(3, 0, 1), Some(vec![0x83, 6])),
            (read(3, 1, 1), Some(vec![0x83, 99])),
        ],
    );
    Case::new(
        AREA,
        "modbus-exception",
        "A write to an illegal address and a read while the device is busy (V1.1b3, 7): the `command`'s outcome is refused, with\n\
         the code. The third code is not assigned.",
        capture,
    )
}

fn device() -> Case {
    let identification = [&[43, 14, 1, 1, 0, 0, 2][..], &[0, 4], b"Acme", &[1, 5], b"PLC-9"].concat();
    let capture = exchange(
        502,
        &[
            (vec![43, 14, 1, 0], Some(identification)),
            (vec![17], Some([&[17, 6][..], b"P9 ok", &[0xff]].concat())),
            (vec![7], Some(vec![7, 0x6d])),
            (vec![8, 0, 0, 0xa5, 0x37], Some(vec![8, 0, 0, 0xa5, 0x37])),
            // Restart communications, then listen only, which nobody answers.
            (vec![8, 0, 1, 0, 0], Some(vec![8, 0, 1, 0, 0])),
            (vec![8, 0, 4, 0, 0], None),
        ],
    );
    Case::new(
        AREA,
        "modbus-device",
        "Device identification, server id, status, and diagnostics (V1.1b3, 6.7, 6.8, 6.13, 6.21): the asset learns maker and\n\
         product; restart and listen-only are alerts of the built-in rules.",
        capture,
    )
}

fn malformed() -> Case {
    let mut capture = Capture::new();
    let c = &mut capture;
    let mut talk = Talk::open(c, (CLIENT, 40_001), (SERVER, 502));
    talk.say(c, Client, &adu(1, 1, &read(3, 0, 1)));
    talk.say(c, Server, &adu(1, 1, &registers(3, &[7])));
    // More registers than fit, a coil value that is neither on nor off, a function nobody has.
    talk.say(c, Client, &adu(2, 1, &read(3, 0, 2_000)));
    talk.say(c, Client, &adu(3, 1, &write(5, 1, 0x1234)));
    talk.say(c, Client, &adu(4, 1, &[0x80, 1]));
    talk.say(c, Client, &adu(5, 1, &[3, 0]));
    // An answer to no question, and one that says another value than was written.
    talk.say(c, Server, &adu(77, 1, &registers(3, &[1])));
    talk.say(c, Client, &adu(6, 1, &write(6, 40, 500)));
    talk.say(c, Server, &adu(6, 1, &write(6, 40, 501)));
    // Another protocol number.
    let mut other = adu(7, 1, &read(3, 0, 1));
    other[2..4].copy_from_slice(&[0x12, 0x34]);
    talk.say(c, Client, &other);
    talk.close(c);
    let mut flood = Talk::open(c, (CLIENT, 40_002), (SERVER, 502));
    for n in 0..20 {
        flood.send(c, Client, &adu(n, 1, &read(3, n, 1)));
    }
    flood.close(c);
    Case::new(
        AREA,
        "modbus-malformed",
        "Quantities, values, functions and lengths that V1.1b3 does not allow, an answer without question, one that differs from\n\
         what was written, a foreign protocol number; then 20 requests without an answer (`modbus.flooded`).",
        capture,
    )
    .with("config.toml", "[limits]\nopen_requests = 16\n")
}
