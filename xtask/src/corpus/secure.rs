//! TLS and SSH: what is in the clear before everything is encrypted.

use super::Case;
use super::capture::Capture;
use super::net::{CLIENT, SERVER};
use super::talk::{Side::Client, Side::Server, Talk};
use crate::story::dice::Dice;
use crate::story::payload::{ssh, tls};

const AREA: &str = "transaction";

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        tls12(
            "tls-1.2",
            443,
            2026,
            "TLS 1.2 (RFC 5246) with its certificate in the clear: subject, issuer, validity, names, JA3 and JA4.",
        ),
        tls12(
            "tls-unusual-port",
            10_443,
            2026,
            "The same on port 10443: found by content.",
        ),
        tls12(
            "tls-expired",
            443,
            2023,
            "A certificate that ended in March 2024, in November 2026: judged by packet time, not by the machine's clock.",
        ),
        tls13(),
        tls10(),
        tls_malformed(),
        ssh_case(
            "ssh",
            22,
            "SSH (RFC 4253): banners, and HASSH from the key exchange's algorithm lists.",
        ),
        ssh_case(
            "ssh-unusual-port",
            49_022,
            "The same on port 49022: found by content, and the built-in rule says that the port is unusual.",
        ),
        ssh_1(),
    ]
}

fn tls12(name: &str, port: u16, year: i64, readme: &str) -> Case {
    let dice = &mut Dice::new(1, "corpus tls");
    let mut capture = Capture::new();
    let c = &mut capture;
    let mut talk = Talk::open(c, (CLIENT, 40_001), (SERVER, port));
    talk.say(
        c,
        Client,
        &tls::client_hello(&tls::CLIENTS[1], "portal.example", dice),
    );
    talk.say(c, Server, &tls::server_1_2("portal.example", year, dice));
    talk.say(c, Client, &tls::client_1_2(dice));
    talk.say(c, Server, &tls::finished_1_2(dice));
    talk.say(c, Client, &tls::data(120, dice));
    talk.say(c, Server, &tls::data(900, dice));
    talk.close(c);
    Case::new(AREA, name, readme, capture)
}

fn tls13() -> Case {
    let dice = &mut Dice::new(2, "corpus tls");
    let mut capture = Capture::new();
    let c = &mut capture;
    let mut talk = Talk::open(c, (CLIENT, 40_001), (SERVER, 443));
    let hello = tls::client_hello(&tls::CLIENTS[0], "portal.example", dice);
    // The hello in two segments, cut within the name.
    talk.say(c, Client, &hello[..130]);
    talk.say(c, Client, &hello[130..]);
    talk.say(c, Server, &tls::server_1_3(&hello, dice));
    talk.say(c, Client, &tls::client_1_3(dice));
    talk.say(c, Client, &tls::data(120, dice));
    talk.close(c);
    Case::new(
        AREA,
        "tls-1.3",
        "TLS 1.3 (RFC 8446): the version is in an extension, the certificate is encrypted. JA4 begins with t13.",
        capture,
    )
}

fn record(kind: u8, version: u8, content: &[u8]) -> Vec<u8> {
    [
        &[kind, 3, version][..],
        &(content.len() as u16).to_be_bytes(),
        content,
    ]
    .concat()
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], &(body.len() as u32).to_be_bytes()[1..], body].concat()
}

fn tls10() -> Case {
    let mut capture = Capture::new();
    let c = &mut capture;
    let mut talk = Talk::open(c, (CLIENT, 40_001), (SERVER, 443));
    // RC4 and 3DES, no extensions: as devices from 2008 speak.
    let client = [&[3, 1][..], &[7; 32], &[0, 0, 6, 0, 5, 0, 4, 0, 10, 1, 0]].concat();
    talk.say(c, Client, &record(22, 1, &handshake(1, &client)));
    let server = [&[3, 1][..], &[9; 32], &[0, 0, 5, 0]].concat();
    talk.say(
        c,
        Server,
        &record(22, 1, &[handshake(2, &server), handshake(14, &[])].concat()),
    );
    // An alert: handshake failure.
    talk.say(c, Client, &record(21, 1, &[2, 40]));
    talk.close(c);
    Case::new(
        AREA,
        "tls-1.0-weak",
        "TLS 1.0 with RC4 and without any extension: deprecated (RFC 8996, RFC 7465). The event says what is weak.",
        capture,
    )
}

fn tls_malformed() -> Case {
    let dice = &mut Dice::new(3, "corpus tls");
    let mut capture = Capture::new();
    let c = &mut capture;
    let open = |c: &mut Capture, port: u16| Talk::open(c, (CLIENT, port), (SERVER, 443));
    // A hello whose cipher list is longer than it.
    let mut talk = open(c, 40_001);
    let body = [&[3, 3][..], &[7; 32], &[0, 0xff, 0xfe, 0, 5, 1, 0]].concat();
    talk.say(c, Client, &record(22, 1, &handshake(1, &body)));
    talk.close(c);
    let hello = tls::client_hello(&tls::CLIENTS[0], "portal.example", dice);
    // A server hello that ends early; a certificate that is none; a record of a kind that nobody knows.
    let mut talk = open(c, 40_002);
    talk.say(c, Client, &hello);
    talk.say(c, Server, &record(22, 3, &handshake(2, &[3, 3, 1, 2, 3])));
    talk.close(c);
    let mut talk = open(c, 40_003);
    talk.say(c, Client, &hello);
    let server = [&[3, 3][..], &[9; 32], &[0, 0xc0, 0x2f, 0]].concat();
    talk.say(c, Server, &record(22, 3, &handshake(2, &server)));
    talk.say(
        c,
        Server,
        &record(22, 3, &handshake(11, &[0, 0, 9, 0, 0, 6, 1, 2, 3, 4, 5, 6])),
    );
    talk.close(c);
    let mut talk = open(c, 40_004);
    talk.say(c, Client, &hello);
    talk.say(c, Server, &record(99, 3, &[1, 2, 3]));
    talk.close(c);
    // A handshake message of sixteen megabytes is announced.
    let mut talk = open(c, 40_005);
    talk.say(c, Client, &hello);
    talk.say(c, Server, &record(22, 3, &[2, 0xff, 0xff, 0xff, 3, 3]));
    talk.close(c);
    Case::new(
        AREA,
        "tls-malformed",
        "Hellos and certificates whose inner lengths do not fit, a record type that does not exist, a message longer than anybody\n\
         holds: each is said by its name.",
        capture,
    )
}

fn ssh_case(name: &str, port: u16, readme: &str) -> Case {
    let dice = &mut Dice::new(4, "corpus ssh");
    let mut capture = Capture::new();
    let c = &mut capture;
    let mut talk = Talk::open(c, (CLIENT, 40_001), (SERVER, port));
    talk.say(c, Server, format!("{}\r\n", ssh::SERVERS[1].banner).as_bytes());
    talk.say(c, Client, format!("{}\r\n", ssh::CLIENTS[0].banner).as_bytes());
    talk.say(c, Client, &ssh::key_exchange_init(&ssh::CLIENTS[0], dice));
    talk.say(c, Server, &ssh::key_exchange_init(&ssh::SERVERS[1], dice));
    talk.say(c, Client, &ssh::key_exchange(dice));
    talk.say(c, Server, &ssh::key_exchange_reply(dice));
    talk.say(c, Client, &ssh::new_keys(dice));
    talk.say(c, Client, &dice.bytes(64));
    talk.close(c);
    Case::new(AREA, name, readme, capture)
}

fn ssh_1() -> Case {
    let mut capture = Capture::new();
    let c = &mut capture;
    let mut talk = Talk::open(c, (CLIENT, 40_001), (SERVER, 22));
    talk.say(
        c,
        Server,
        b"Welcome to the lift controller\r\nSSH-1.99-Lift_1.0\r\n",
    );
    talk.say(c, Client, b"SSH-2.0-Test\r\n");
    // A packet length that RFC 4253, 6.1 does not allow.
    talk.say(c, Client, &[0xff, 0xff, 0xff, 0xff, 4, 20, 0, 0]);
    talk.close(c);
    let mut talk = Talk::open(c, (CLIENT, 40_002), (SERVER, 22));
    talk.say(c, Server, b"SSH-2.0-\xff\xfe\r\n");
    talk.say(c, Client, b"SSH-2.0-Test\r\n");
    talk.close(c);
    let mut talk = Talk::open(c, (CLIENT, 40_005), (SERVER, 22));
    talk.say(c, Server, b"SSH-2.0-\r\n");
    talk.say(c, Client, b"SSH-2.0-Test\r\n");
    talk.close(c);
    // KEXINIT whose first list is longer than the packet.
    let mut talk = Talk::open(c, (CLIENT, 40_003), (SERVER, 22));
    talk.say(c, Server, b"SSH-2.0-Lift_1.0\r\n");
    talk.say(c, Client, b"SSH-2.0-Test\r\n");
    let body = [
        &[0, 0, 0, 28, 4, 20][..],
        &[7; 16],
        &[0, 0, 9, 9, b'a', b'b'],
        &[0; 4],
    ]
    .concat();
    talk.say(c, Client, &body);
    talk.close(c);
    let mut talk = Talk::open(c, (CLIENT, 40_004), (SERVER, 22));
    talk.say(
        c,
        Server,
        &[b"SSH-2.0-".as_slice(), &[b'x'; 400], b"\r\n"].concat(),
    );
    talk.close(c);
    Case::new(
        AREA,
        "ssh-banners",
        "Lines in front of the banner (RFC 4253, 4.2), a server that offers version 1 too, a banner that is no text, an empty one, one that is\n\
         too long, a packet length and a KEXINIT that cannot be.",
        capture,
    )
}
