//! Telnet, DHCP and NTP.

use std::net::Ipv4Addr;

use super::Case;
use super::capture::{Capture, SECOND};
use super::net::{DEVICE as SERVER, End, Host, OPERATOR as CLIENT, host};
use super::talk::{Side::Client, Side::Server, Talk};
use crate::story::payload::dhcp::{self, Kind, Lease};
use crate::story::payload::ntp;

const AREA: &str = "transaction";

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        telnet(
            "telnet",
            23,
            "Telnet (RFC 854, RFC 857): negotiation, a failed login, then one with a factory password. `login` says user, length of\n\
             the password and that it is a default; no password stands in any event.",
        ),
        telnet(
            "telnet-unusual-port",
            2_601,
            "The same on port 2601: found by content.",
        ),
        dhcp_case(
            "dhcp",
            67,
            68,
            "DHCP (RFC 2131): discover, offer, request, acknowledgement; the camera's name and class. Look at the `asset`.",
        ),
        dhcp_case(
            "dhcp-unusual-port",
            1_067,
            1_068,
            "The same on ports 1067 and 1068: found by content.",
        ),
        dhcp_malformed(),
        ntp_case(
            "ntp",
            123,
            "NTP (RFC 5905): a question, its answer, and a \"kiss of death\" (stratum 0, section 7.4).",
        ),
        ntp_case(
            "ntp-unusual-port",
            1_230,
            "The same on port 1230: found by content.",
        ),
        ntp_control(),
    ]
}

fn telnet(name: &str, port: u16, readme: &str) -> Case {
    let mut capture = Capture::new();
    let c = &mut capture;
    let mut talk = Talk::open(c, (CLIENT, 40_001), (SERVER, port));
    // WILL ECHO, WILL SUPPRESS GO AHEAD, DO TERMINAL TYPE; the client agrees to the former two.
    talk.say(c, Server, &[255, 251, 1, 255, 251, 3, 255, 253, 24]);
    talk.say(c, Client, &[255, 253, 1, 255, 253, 3, 255, 252, 24]);
    talk.say(c, Server, b"BusyBox on camera-6\r\n\r\ncamera-6 login: ");
    for (user, password, answer) in [
        ("root", "letmein", "\r\nLogin incorrect\r\ncamera-6 login: "),
        ("root", "xc3511", "\r\n\r\nBusyBox v1.19.4\r\n# "),
    ] {
        // The server echoes the name, letter by letter, and not the password.
        for letter in user.chars() {
            talk.say(c, Client, letter.to_string().as_bytes());
            talk.say(c, Server, letter.to_string().as_bytes());
        }
        talk.say(c, Client, b"\r\0");
        talk.say(c, Server, b"\r\nPassword: ");
        talk.say(c, Client, password.as_bytes());
        talk.say(c, Client, b"\r\0");
        talk.say(c, Server, answer.as_bytes());
    }
    talk.say(c, Client, b"uname -a\r\0");
    talk.say(
        c,
        Server,
        b"uname -a\r\nLinux camera-6 3.10.0 armv7l GNU/Linux\r\n# ",
    );
    talk.say(c, Client, b"exit\r\0");
    talk.close(c);
    Case::new(AREA, name, readme, capture)
}

const NOBODY: Host = Host {
    mac: [2, 0, 10, 0, 0, 60],
    ..host(0, 0, 0, 0)
};
const ALL: Host = Host {
    mac: [0xff; 6],
    ..host(255, 255, 255, 255)
};

fn lease(camera: Host) -> Lease<'static> {
    Lease {
        id: 0x1234_5678,
        client: camera.mac,
        hostname: "camera-6",
        class: "dome-cam/4.1",
        address: camera.v4(),
        server: SERVER.v4(),
        router: Ipv4Addr::new(10, 0, 0, 1),
        resolver: Ipv4Addr::new(10, 0, 0, 53),
        domain: "city.example",
    }
}

fn dhcp_case(name: &str, server_port: u16, client_port: u16, readme: &str) -> Case {
    let mut capture = Capture::new();
    let lease = lease(host(10, 0, 0, 60));
    let (asks, tells): (End, End) = ((NOBODY, client_port), (SERVER, server_port));
    let everybody = |port: u16| -> End { (ALL, port) };
    // No relay is between them: its address is none.
    let direct = |kind| {
        let mut message = dhcp::message(&lease, kind);
        message[3] = 0;
        message[24..28].fill(0);
        message
    };
    capture.udp(asks, everybody(server_port), &direct(Kind::Discover));
    capture.udp(tells, everybody(client_port), &direct(Kind::Offer));
    capture.udp(asks, everybody(server_port), &direct(Kind::Request));
    // The acknowledgement goes to the client alone, at the address that it gets (RFC 2131, 4.1).
    capture.udp(tells, (host(10, 0, 0, 60), client_port), &direct(Kind::Ack));
    Case::new(AREA, name, readme, capture)
}

fn dhcp_malformed() -> Case {
    let mut capture = Capture::new();
    let lease = lease(host(10, 0, 0, 60));
    let whole = dhcp::message(&lease, Kind::Discover);
    let mut put = |bytes: &[u8]| capture.udp((NOBODY, 68), (ALL, 67), bytes);
    put(&whole);
    put(&whole[..200]);
    // Options that end within an option.
    put(&[&whole[..240], &[53, 1, 1, 12, 200, b'x']].concat());
    let mut wrong = whole.clone();
    wrong[2] = 17;
    put(&wrong);
    let mut wrong = whole.clone();
    wrong[0] = 9;
    put(&wrong);
    // Overload says 7 where 1 to 3 are defined (RFC 2132, 9.3).
    put(&[&whole[..240], &[53, 1, 1, 52, 1, 7, 255]].concat());
    put(&[
        &whole[..240],
        &[0, 0, 53, 1, 1][..],
        &[43, 0].repeat(1_200),
        &[255],
    ]
    .concat());
    Case::new(
        AREA,
        "dhcp-malformed",
        "DHCP messages that end early, have an option beyond the end, a hardware address of 17 bytes, an operation 9, an overload\n\
         of 7, 1,200 options.",
        capture,
    )
}

fn ntp_case(name: &str, port: u16, readme: &str) -> Case {
    let mut capture = Capture::new();
    let (client, server): (End, End) = ((CLIENT, 40_123), (SERVER, port));
    let sent = capture.now();
    capture.udp(client, server, &ntp::request(sent));
    let at = capture.now();
    capture.udp(server, client, &ntp::answer(sent, at, [192, 0, 2, 1]));
    capture.wait(16 * SECOND);
    let sent = capture.now();
    capture.udp(client, server, &ntp::request(sent));
    let mut kiss = ntp::answer(sent, capture.now(), *b"RATE");
    kiss[0] = 0xe4;
    kiss[1] = 0;
    capture.udp(server, client, &kiss);
    Case::new(AREA, name, readme, capture)
}

fn ntp_control() -> Case {
    let mut capture = Capture::new();
    let server: End = (SERVER, 123);
    let mut put = |port: u16, bytes: &[u8]| capture.udp((CLIENT, port), server, bytes);
    // Mode 6, read variables (RFC 9327); mode 7, "monlist".
    put(40_001, &[0x16, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    put(40_002, &[0x17, 0, 3, 42, 0, 0, 0, 0]);
    let whole = ntp::request(0);
    // A sound message first, so that the conversation is known to be NTP.
    put(40_003, &whole);
    put(40_003, &whole[..30]);
    put(40_007, &whole);
    put(40_007, &[&[0x3b], &whole[1..]].concat());
    put(40_008, &[0x17, 0, 3, 42, 0, 0, 0, 0]);
    let mut wrong = whole.clone();
    wrong[1] = 17;
    put(40_004, &wrong);
    put(40_005, &[&whole[..], &[1, 2, 3]].concat());
    put(40_006, &[0x16, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 40, 1]);
    // Two clients of 72 bytes are promised.
    capture.udp(
        server,
        (CLIENT, 40_008),
        &[0x97, 0, 3, 42, 0, 2, 0, 72, 1, 2, 3, 4],
    );
    Case::new(
        AREA,
        "ntp-control",
        "Mode 6 and mode 7: management and \"monlist\" (the amplifier of 2014); then a message that ends early, version 7, a\n\
         stratum of 17, a bad extension, and counts that do not fit what follows.",
        capture,
    )
}
