//! Behaviour: scans and the guessing of passwords, and what only looks like them.

use super::Case;
use super::capture::{Capture, MS, SECOND};
use super::net::{CLIENT, SERVER, Segment, host};
use super::policy::{CAMERA, CITY};
use super::talk::{Side::Client, Side::Server, Talk, flag};

const AREA: &str = "behaviour";

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        horizontal(),
        vertical(),
        guessing(),
        poller(),
        flood(),
        callback(),
    ]
}

fn horizontal() -> Case {
    let mut capture = Capture::new();
    let c = &mut capture;
    for n in 1..=40 {
        Talk::between((CLIENT, 40_000 + u16::from(n)), (host(10, 20, 0, n), 502)).syn(c);
        c.wait(50 * MS);
    }
    c.wait(90 * SECOND);
    c.udp((CLIENT, 41_000), (SERVER, 9_999), b"tick");
    Case::new(
        AREA,
        "horizontal-scan",
        "One host asks forty others on port 502, none answers (ATT&CK for ICS T0846). The scan is told when the tries have timed\n\
         out, with numbers and examples.",
        capture,
    )
}

fn vertical() -> Case {
    let mut capture = Capture::new();
    let c = &mut capture;
    for port in 1..=60 {
        let mut talk = Talk::between((CLIENT, 40_000 + port), (SERVER, port));
        talk.syn(c);
        if port == 22 {
            talk.accept(c);
            talk.reset(c, Client);
        } else {
            let refusal = talk.segment(Server, flag::RST | flag::ACK, b"", &[]);
            talk.put(
                c,
                Server,
                &Segment {
                    seq: 0,
                    window: 0,
                    ..refusal
                },
            );
        }
        c.wait(20 * MS);
    }
    c.wait(30 * SECOND);
    c.udp((CLIENT, 41_000), (SERVER, 9_999), b"tick");
    Case::new(
        AREA,
        "vertical-scan",
        "Sixty ports of one host, all closed but one (ATT&CK T1046).",
        capture,
    )
}

fn guessing() -> Case {
    let mut capture = Capture::new();
    let c = &mut capture;
    let mut talk = Talk::open(c, (CLIENT, 40_001), (SERVER, 23));
    talk.say(c, Server, &[255, 251, 1, 255, 251, 3]);
    talk.say(c, Client, &[255, 253, 1, 255, 253, 3]);
    talk.say(c, Server, b"\r\ncam login: ");
    for n in 0..8 {
        talk.say(c, Client, b"root\r\0");
        talk.say(c, Server, b"root\r\nPassword: ");
        talk.say(c, Client, format!("secret-{n}\r\0").as_bytes());
        let answer: &[u8] = if n == 7 {
            b"\r\n\r\n# "
        } else {
            b"\r\nLogin incorrect\r\ncam login: "
        };
        talk.say(c, Server, answer);
        c.wait(SECOND);
    }
    talk.say(c, Client, b"ls\r\0");
    talk.close(c);
    Case::new(
        AREA,
        "password-guessing",
        "Seven failed logins by telnet, then one that works (ATT&CK T1110): first `password_guessing`, then `password_guessed`.",
        capture,
    )
}

fn poller() -> Case {
    let mut capture = Capture::new();
    let c = &mut capture;
    for n in 1..=40 {
        let mut talk = Talk::open(c, (CLIENT, 40_000 + u16::from(n)), (host(10, 20, 0, n), 502));
        talk.close(c);
        if n % 10 == 0 {
            // A few are down.
            Talk::between((CLIENT, 41_000 + u16::from(n)), (host(10, 20, 1, n), 502)).syn(c);
        }
    }
    c.wait(90 * SECOND);
    c.udp((CLIENT, 41_000), (SERVER, 9_999), b"tick");
    Case::new(
        AREA,
        "poller-is-no-scanner",
        "A server that opens forty conversations which are answered, and four that are not: no `behaviour` event.",
        capture,
    )
}

fn flood() -> Case {
    let mut capture = Capture::new();
    let c = &mut capture;
    // One conversation, so that the log stays short: what is counted is packets.
    for _ in 0..900 {
        Talk::between((CLIENT, 40_001), (SERVER, 80)).syn(c);
        c.wait(MS);
    }
    c.wait(10 * SECOND);
    c.udp((CLIENT, 41_000), (SERVER, 9_999), b"tick");
    Case::new(
        AREA,
        "syn-flood",
        "Nine hundred connections are asked for within a second, and nothing follows (ATT&CK for ICS T0814). The flood is told, and that it\n\
         is over.",
        capture,
    )
}

fn callback() -> Case {
    let mut capture = Capture::new();
    let c = &mut capture;
    for n in 0..14 {
        let mut talk = Talk::open(c, (CAMERA, 40_000 + n), (host(203, 0, 113, 9), 8_443));
        talk.close(c);
        c.wait(60 * SECOND);
    }
    Case::new(
        AREA,
        "periodic-callback",
        "A camera calls a host outside once a minute as malware asks for orders (ATT&CK T1071).",
        capture,
    )
    .with("city.toml", CITY)
}
