//! Conversations that ask for TLS, and those that never do.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::super::ENTRY;
use super::super::tests::{client_hello, extension, record, server_hello, u16s};
use crate::testing::{Turn, client, hex, hint, server, transcript};
use crate::{Limits, Probe};
use citywall_flow::Direction;

fn hello() -> Vec<u8> {
    record(22, &client_hello(&[]))
}

fn answer() -> Vec<u8> {
    let versions = extension(43, &u16s(&[0x0304]));
    record(22, &server_hello(9, 0x1301, &versions, &[5; 32]))
}

/// A request of LDAP for this name, and the answer that agrees.
fn ldap(name: &[u8]) -> [Vec<u8>; 2] {
    let operation = [&[0x77, name.len() as u8 + 2, 0x80, name.len() as u8][..], name].concat();
    let request = [&[0x30, operation.len() as u8 + 3, 2, 1, 1][..], &operation].concat();
    // With a length as Active Directory writes it.
    [request, hex("30 84 0000000c 02 01 01 78 07 0a 01 00 04 00 04 00")]
}

/// A server of MySQL, and a client that asks it for TLS where `flags` says so.
fn mysql(flags: u8) -> [Vec<u8>; 2] {
    let greeting = b"\x0a8.0.36\0\x01\0\0\0abcdefgh\0\xff\xff\x21\x02\0\xff\xc7\x15\0\0\0\0\0\0\0\0\0\0abcdefghijkl\0mysql_native_password\0";
    let request = [
        &[0x20, 0, 0, 1, 0x85, flags, 0x7f, 0, 0, 0, 0, 1, 0x21][..],
        &[0; 23],
    ]
    .concat();
    [[&[greeting.len() as u8, 0, 0, 0][..], greeting].concat(), request]
}

/// What is said before TLS, a turn each; the server's turns are those with a `<` before.
fn conversation(turns: &[&str]) -> Vec<Turn> {
    let turn = |text: &&str| match text.strip_prefix("< ") {
        Some(text) => server(format!("{text}\r\n")),
        None => client(format!("{text}\r\n")),
    };
    turns.iter().map(turn).collect()
}

/// What is told of a conversation in which TLS follows: `tls.from_proto` and what the hellos have.
fn told(mut turns: Vec<Turn>) -> String {
    turns.extend([client(hello()), server(answer())]);
    let whole = transcript(&ENTRY, &Limits::default(), &turns, usize::MAX);
    for piece in [1, 2, 7, 100] {
        let cut = transcript(&ENTRY, &Limits::default(), &turns, piece);
        assert_eq!(whole, cut, "pieces of {piece}");
    }
    // The probe is sure with the hello's type, and was not before.
    let mut said: Vec<u8> = Vec::new();
    for turn in &turns {
        if let Turn::Client(bytes) = turn {
            said.extend(bytes);
        }
    }
    let sure = said.len() - hello().len() + 6;
    for end in 0..said.len() {
        let expected = if end < sure { Probe::Maybe } else { Probe::Yes };
        assert_eq!(ask(&said[..end]), expected, "{end}");
    }
    whole.split("\"ja3\"").next().unwrap_or_default().to_owned()
}

fn ask(said: &[u8]) -> Probe {
    (ENTRY.probe)(&hint(Direction::ToResponder), said)
}

#[test]
fn tls_is_found_behind_what_asks_for_it() {
    let cases: Vec<(Vec<Turn>, Expect)> = vec![
        (
            conversation(&[
                "< 220 mail ESMTP",
                "EHLO lamp",
                "< 250-mail\r\n250 STARTTLS",
                "STARTTLS",
                "< 220 Go ahead",
            ]),
            expect![[r#"> {"tls":{"sni":"lamp.city.example","version":"TLS 1.3","from_proto":"smtp","#]],
        ),
        (
            conversation(&[
                "< * OK ready",
                "0001 capability",
                "< * CAPABILITY IMAP4rev1\r\n0001 OK",
                "0002 ID (\"name\" \"x\")",
                "< 0002 OK",
                "0003 starttls",
                "< 0003 OK",
            ]),
            expect![[r#"> {"tls":{"sni":"lamp.city.example","version":"TLS 1.3","from_proto":"imap","#]],
        ),
        (
            conversation(&[
                "< +OK pop",
                "AUTH",
                "< -ERR",
                "CAPA",
                "< +OK\r\nSTLS\r\n.",
                "STLS",
                "< +OK",
            ]),
            expect![[r#"> {"tls":{"sni":"lamp.city.example","version":"TLS 1.3","from_proto":"pop3","#]],
        ),
        (
            conversation(&[
                "< 220 ftp",
                "FEAT",
                "< 211 no",
                "AUTH TLS",
                "< 504 no",
                "AUTH SSL",
                "< 234 yes",
            ]),
            expect![[r#"> {"tls":{"sni":"lamp.city.example","version":"TLS 1.3","from_proto":"ftp","#]],
        ),
        (
            vec![
                client("<?xml version='1.0'?><stream:stream to='city' xmlns='jabber:client'>\n"),
                server(
                    "<?xml version='1.0'?><stream:stream id='1'><stream:features><starttls/></stream:features>",
                ),
                client("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
                server("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
            ],
            expect![[r#"> {"tls":{"sni":"lamp.city.example","version":"TLS 1.3","from_proto":"xmpp","#]],
        ),
        (
            {
                let [request, response] = ldap(b"1.3.6.1.4.1.1466.20037");
                vec![client(request), server(response)]
            },
            expect![[r#"> {"tls":{"sni":"lamp.city.example","version":"TLS 1.3","from_proto":"ldap","#]],
        ),
        (
            {
                let [greeting, request] = mysql(0xae);
                vec![server(greeting), client(request)]
            },
            expect![[r#"> {"tls":{"sni":"lamp.city.example","version":"TLS 1.3","from_proto":"mysql","#]],
        ),
    ];
    for (turns, expected) in cases {
        expected.assert_eq(&told(turns));
    }
}

#[test]
fn what_never_asks_for_tls_is_none_of_ours() {
    let [who_am_i, _] = ldap(b"1.3.6.1.4.1.4203.1.11.3");
    let [_, plain] = mysql(0xa6);
    let said: [&[u8]; 15] = [
        b"EHLO lamp\r\nMAIL FROM:<a@b>\r\n",
        // Refused: it goes on in the clear.
        b"EHLO lamp\r\nSTARTTLS\r\nMAIL FROM:<a@b>\r\n",
        // Neither SMTP without a greeting nor IMAP without a tag.
        b"STARTTLS\r\n",
        b"a001 LOGIN u p\r\n",
        b"USER root\r\n",
        b"CAPA\r\nUSER root\r\n",
        b"AUTH LOGIN\r\n",
        b"root\r\n",
        b"GET / HTTP/1.1\r\n",
        b"OPTIONS * HTTP/1.1\r\n",
        b"SSH-2.0-x",
        b"<html>",
        b"<stream:stream><auth>",
        &who_am_i,
        &plain,
    ];
    for said in said {
        assert_eq!(ask(said), Probe::No, "{}", String::from_utf8_lossy(said));
    }
    // However long it goes on with what says nothing.
    assert_eq!(ask(&b"NOOP\r\n".repeat(2_000)), Probe::No);
    assert_eq!(ask(&[&b"EHLO "[..], &[b'a'; 2_000]].concat()), Probe::No);
    assert_eq!(ask(&[b'<'; 9_000]), Probe::No);
}

#[test]
fn a_server_that_does_not_speak_tls_is_marked() {
    // The client begins with TLS, the server greets it, or refuses it, as one of mail.
    for greets in [&["< 220 mail ESMTP"][..], &[]] {
        let mut turns = conversation(greets);
        turns.extend([client(hello()), server("502 What?\r\n")]);
        for piece in [usize::MAX, 1] {
            let told = transcript(&ENTRY, &Limits::default(), &turns, piece);
            assert!(told.contains("< malformed tls.record"), "{told}");
        }
    }
}

proptest! {
    /// Every start with some bytes changed and pieces left out: any cut gives the same, and a sure probe
    /// stays sure.
    #[test]
    fn any_cut_gives_the_same(
        which in 0usize..7,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cut in any::<prop::sample::Index>(),
        piece in 1usize..40,
    ) {
        let (mut up, mut down) = match which {
            0 => (b"EHLO a\r\nSTARTTLS\r\n".to_vec(), b"220 a\r\n250 b\r\n220 c\r\n".to_vec()),
            1 => (b"1 NOOP\n2 STARTTLS\r\n".to_vec(), b"* OK\r\n2 OK\r\n".to_vec()),
            2 => (b"STLS\r\n".to_vec(), b"+OK\r\n".to_vec()),
            3 => (b"AUTH TLS\r\n".to_vec(), b"220 f\r\n234 AUTH\r\n".to_vec()),
            4 => (b"<stream:stream>\n<starttls></starttls>".to_vec(), b"<a><proceed/>".to_vec()),
            5 => ldap(b"1.3.6.1.4.1.1466.20037").into(),
            _ => {
                let [greeting, request] = mysql(0xae);
                (request, greeting)
            }
        };
        up.extend(hello());
        down.extend(answer());
        for (at, value) in &changes {
            let bytes = if value % 2 == 0 { &mut up } else { &mut down };
            let i = at.index(bytes.len().min(60));
            bytes[i] = *value;
        }
        down.truncate(cut.index(down.len() * 2).max(1));
        for turns in [[client(&up), server(&down)], [server(&down), client(&up)]] {
            let whole = transcript(&ENTRY, &Limits::default(), &turns, usize::MAX);
            prop_assert_eq!(&whole, &transcript(&ENTRY, &Limits::default(), &turns, piece));
            prop_assert_eq!(&whole, &transcript(&ENTRY, &Limits::default(), &turns, 1));
        }
        let mut sure = Probe::Maybe;
        for end in 0..=up.len() {
            let answer = ask(&up[..end]);
            if sure != Probe::Maybe {
                prop_assert_eq!(sure, answer);
            }
            sure = answer;
        }
    }
}
