//! Telnet dialogues and what is found in them.

use citywall_flow::Direction;
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::{ENTRY, probe};
use crate::testing::{Turn, client, hint, server, transcript};
use crate::{Hint, Limits, Probe};

fn check(turns: &[Turn], expected: Expect) {
    expected.assert_eq(&transcript(&ENTRY, &Limits::default(), turns, usize::MAX));
}

#[test]
fn a_default_password_after_wrong_guesses() {
    check(
        &[
            server(b"\xff\xfd\x18\xff\xfb\x01\r\ncam-7 login: "),
            client(b"\xff\xfc\x18"),
            client("root\r\n"),
            server("root\r\nPassword: "),
            client("hunter22\r\n"),
            server("\r\nLogin incorrect\r\ncam-7 login: "),
            client("root\r\n"),
            server("root\r\nPassword: "),
            client("xc3511\r\n"),
            server("\r\n\r\nBusyBox v1.19.4 built-in shell (ash)\r\n# "),
            client("uname -a\r\n"),
            server("uname -a\r\nLinux cam-7\r\n# "),
            client("exit\r\n"),
        ],
        expect![[r#"
            < sighting Source Role "telnet-server" telnet.prompt
            < sighting Source Hostname "cam-7" telnet.prompt
            > login telnet user="root" password_length=Some(8) default=false success=Some(false)
            > login telnet user="root" password_length=Some(6) default=true success=Some(true)
            > {"telnet":{"user":"root","password_length":6,"default_credentials":true,"success":true,"attempts":2,"commands":2}}
        "#]],
    );
}

#[test]
fn character_mode_with_echo_and_corrections() {
    check(
        &[
            server("Username: "),
            client("a"),
            server("a"),
            client("x"),
            server("x"),
            client(b"\x7f"),
            server(b"\x08 \x08"),
            client("dmin"),
            server("dmin"),
            client("\r\0"),
            server("\r\nPassword: "),
            client("adm"),
            client("in\r\0"),
            server("\r\n\x1b[32mSwitch> \x1b[0m"),
            client("show version\r\0"),
            server("% Access denied\r\nSwitch> "),
        ],
        expect![[r#"
            < sighting Source Role "telnet-server" telnet.prompt
            > login telnet user="admin" password_length=Some(5) default=true success=Some(true)
            > {"telnet":{"user":"admin","password_length":5,"default_credentials":true,"success":true,"attempts":1,"commands":1}}
        "#]],
    );
}

#[test]
fn blind_bots_and_lost_bytes() {
    check(
        &[
            server("login: "),
            client("admin\r\n1234\r\n"),
            server("admin\r\nPassword: \r\nLogin incorrect\r\nlogin: "),
            client("support\r\n"),
            server("Password: "),
            Turn::Gap(Direction::ToResponder, 9),
            Turn::Gap(Direction::ToInitiator, 30),
            server("Welcome!\r\n"),
        ],
        expect![[r#"
            < sighting Source Role "telnet-server" telnet.prompt
            > login telnet user="admin" password_length=Some(4) default=true success=Some(false)
            > login telnet user="support" password_length=None default=false success=Some(true)
            > {"telnet":{"user":"support","default_credentials":false,"success":true,"attempts":2,"commands":0}}
        "#]],
    );
}

#[test]
fn prompts_for_a_name_are_written_in_many_ways() {
    for prompt in [
        "Account Name: ",
        "Login name:",
        "USER ID :",
        "logon:",
        "cam-7 login: ",
    ] {
        let turns = [
            server(prompt),
            client("operator\r\n"),
            server("Password: "),
            client("wrong\r\n"),
            server("\r\nfailed\r\n"),
        ];
        let told = transcript(&ENTRY, &Limits::default(), &turns, usize::MAX);
        assert!(
            told.contains(r#"{"telnet":{"user":"operator""#),
            "{prompt}: {told}"
        );
    }
}

#[test]
fn a_banner_alone_is_a_session_without_attempts() {
    check(
        &[server("Acme PLC\r\nPassword: ")],
        expect![[r#"
            < sighting Source Role "telnet-server" telnet.prompt
            > {"telnet":{"attempts":0,"commands":0}}
        "#]],
    );
    check(&[], expect![[""]]);
}

#[test]
fn the_probe_takes_negotiation_and_login_prompts() {
    let from_server = |bytes: &[u8]| probe(&hint(Direction::ToInitiator), bytes);
    assert_eq!(from_server(b"\xff\xfd\x18"), Probe::Yes);
    assert_eq!(from_server(b"\xff\xfd"), Probe::Maybe);
    assert_eq!(from_server(b"\xff\xd8\xff\xe0"), Probe::No);
    assert_eq!(from_server(b"\xff\xfb\x90"), Probe::No);
    assert_eq!(from_server(b"\r\nDVR\r\nlogin: "), Probe::Yes);
    assert_eq!(from_server(b"220 ftp.example.org login:"), Probe::No);
    assert_eq!(from_server(b"+OK password:"), Probe::No);
    assert_eq!(from_server(b"HTTP/1.1 200 OK\r\nlogin:"), Probe::No);
    assert_eq!(from_server(b"HT"), Probe::Maybe);
    assert_eq!(from_server(b"{\"login:"), Probe::Maybe);
    assert_eq!(from_server(&[b'a'; 1_100]), Probe::No);
    assert_eq!(probe(&hint(Direction::ToResponder), b"GET /login: "), Probe::No);
    let midstream = Hint {
        initiator_port: 23,
        ..hint(Direction::ToResponder)
    };
    assert_eq!(probe(&midstream, b"host login: "), Probe::Reversed);
}

fn turn() -> impl Strategy<Value = Turn> {
    let words = prop_oneof![
        Just(b"login: ".to_vec()),
        Just(b"Password: ".to_vec()),
        Just(b"root\r\n".to_vec()),
        Just(b"xc3511\r\0".to_vec()),
        Just(b"Login incorrect\r\n".to_vec()),
        Just(b"Welcome\n".to_vec()),
        Just(b"# ".to_vec()),
        Just(b"\xff\xfa\x18\x00xterm\xff\xf0".to_vec()),
        Just(b"\xff\xfb\x01".to_vec()),
        Just(b"\x1b[1;32m".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..300),
    ];
    prop_oneof![
        4 => words.clone().prop_map(Turn::Client),
        4 => words.prop_map(Turn::Server),
        1 => any::<bool>().prop_map(|c| Turn::Gap(if c { Direction::ToResponder } else { Direction::ToInitiator }, 5)),
    ]
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(turns in proptest::collection::vec(turn(), 0..14), piece in 1usize..20) {
        let limits = Limits::default();
        let whole = transcript(&ENTRY, &limits, &turns, usize::MAX);
        prop_assert_eq!(transcript(&ENTRY, &limits, &turns, piece), whole);
    }

    #[test]
    fn a_password_never_comes_out(password in "[b-z]{12}") {
        let turns = [
            server("login: "), client("a\r\n"), server("Password: "), client(format!("{password}\r\n")),
            server("ok\r\n$ "), client("ls\r\n"),
        ];
        let text = transcript(&ENTRY, &Limits::default(), &turns, usize::MAX);
        prop_assert!(!text.contains(&password));
        prop_assert!(text.contains("password_length=Some(12)"));
    }

    #[test]
    fn a_sure_probe_stays_sure(bytes in "(HTTP|220|login|\r\n|[a-z ]|:|\\{){0,40}", first in 0usize..200) {
        for direction in [Direction::ToResponder, Direction::ToInitiator] {
            let early = probe(&hint(direction), &bytes.as_bytes()[..first.min(bytes.len())]);
            if early != Probe::Maybe {
                prop_assert_eq!(probe(&hint(direction), bytes.as_bytes()), early);
            }
        }
    }
}
