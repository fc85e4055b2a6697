//! Overlapping TCP segments: what each host's policy makes of them is seen in the path of a request.

use super::Case;
use super::capture::{Capture, SECOND};
use super::fragments::{POLICIES, policy_config};
use super::net::{CLIENT, SERVER, host};
use super::talk::{Side::Client, Side::Server, Talk};

const AREA: &str = "flow";

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![policies(), same(), acknowledged()]
}

/// Place and length in units of four bytes, and the letter: as in `fragments`, but nothing is in order until
/// the last piece fills the hole at the beginning, so that all overlaps are decided in the queue.
const SEQUENCE: &[(usize, usize, u8)] = &[
    (1, 2, b'a'),
    (4, 2, b'b'),
    (7, 2, b'c'),
    (10, 2, b'd'),
    (13, 2, b'e'),
    (16, 2, b'f'),
    // Starts before and ends within.
    (3, 2, b'B'),
    // Starts within and ends behind.
    (8, 2, b'C'),
    // Starts before and ends with.
    (9, 3, b'D'),
    // Starts before and ends behind.
    (12, 4, b'E'),
    // The same place, another content.
    (1, 2, b'A'),
    // The same start, longer.
    (16, 3, b'F'),
    (6, 1, b'x'),
    (0, 1, b'_'),
];

fn policies() -> Case {
    let mut capture = Capture::new();
    let c = &mut capture;
    for (_, last) in POLICIES {
        let mut talk = Talk::open(c, (CLIENT, 40_000 + u16::from(last)), (host(192, 0, 2, last), 80));
        talk.say(c, Client, b"GET /");
        for &(place, units, letter) in SEQUENCE {
            talk.put_at(c, Client, 4 * place as i32, &vec![letter; units * 4]);
        }
        talk.skip(Client, 19 * 4);
        talk.ack(c, Server);
        talk.say(c, Client, b" HTTP/1.1\r\nHost: example\r\n\r\n");
        talk.say(c, Server, b"HTTP/1.1 204 No Content\r\n\r\n");
        talk.close(c);
        c.wait(SECOND);
    }
    Case::new(
        AREA,
        "overlap-policies",
        "The same overlapping segments to seven hosts with seven policies (Shankar and Paxson 2003; Novak and Sturges 2007):\n\
         small letters came first, capitals of the same letter overlap them. `http.url` is what each host's server read.\n\
         `tcp.overlap_different` says that somebody tries to be read in two ways.",
        capture,
    )
    .with("config.toml", &policy_config())
}

fn same() -> Case {
    let mut capture = Capture::new();
    let c = &mut capture;
    let mut talk = Talk::open(c, (CLIENT, 40_001), (SERVER, 80));
    let request = b"GET /status HTTP/1.1\r\nHost: example\r\n\r\n";
    // Retransmissions that are cut otherwise than the first time.
    talk.put_at(c, Client, 0, &request[..20]);
    talk.put_at(c, Client, 10, &request[10..30]);
    talk.put_at(c, Client, 5, &request[5..]);
    talk.skip(Client, request.len());
    talk.ack(c, Server);
    talk.say(c, Server, b"HTTP/1.1 204 No Content\r\n\r\n");
    talk.close(c);
    Case::new(
        AREA,
        "overlap-same",
        "Segments that overlap with the same content, as retransmission with another cut makes them: no anomaly.",
        capture,
    )
}

fn acknowledged() -> Case {
    let mut capture = Capture::new();
    let c = &mut capture;
    let mut talk = Talk::open(c, (CLIENT, 40_001), (SERVER, 80));
    talk.say(c, Client, b"GET /public");
    // What the application has read cannot be changed any more.
    talk.put_at(c, Client, -6, b"secret");
    talk.say(c, Client, b" HTTP/1.1\r\nHost: example\r\n\r\n");
    talk.say(c, Server, b"HTTP/1.1 204 No Content\r\n\r\n");
    talk.close(c);
    Case::new(
        AREA,
        "overlap-of-delivered",
        "A late segment claims another content for bytes that were acknowledged: the host does not look back, the path stays\n\
         `/public`. The attempt is said where the old bytes are still known.",
        capture,
    )
}
