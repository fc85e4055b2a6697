//! TLS conversations built by hand, and the laws that hold for any.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::{ENTRY, certificate::Certificate, socks};
use crate::testing::{Turn, client, hex, hint, server, transcript};
use crate::{Limits, Probe};
use citywall_flow::Direction;

/// A self-signed certificate with a key of 1024 bits and SHA-1, made for this test.
const WEAK: &str = include_str!("weak_certificate.hex");

fn check(turns: &[Turn], expected: Expect) {
    let whole = transcript(&ENTRY, &Limits::default(), turns, usize::MAX);
    expected.assert_eq(&whole);
    for piece in [1, 2, 7, 100] {
        let cut = transcript(&ENTRY, &Limits::default(), turns, piece);
        assert_eq!(whole, cut, "pieces of {piece}");
    }
}

pub(super) fn u16s(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_be_bytes()).collect()
}

/// A vector with two bytes of length.
fn long(body: &[u8]) -> Vec<u8> {
    [&u16s(&[body.len() as u16]), body].concat()
}

pub(super) fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [u16s(&[kind]), long(body)].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    [&[kind], &length[1..], body].concat()
}

pub(super) fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 1], long(body).as_slice()].concat()
}

fn server_name(name: &[u8]) -> Vec<u8> {
    extension(0, &long(&[&[0], long(name).as_slice()].concat()))
}

/// The hello of a client that offers GREASE and TLS 1.3.
pub(super) fn client_hello(more: &[u8]) -> Vec<u8> {
    let extensions = [
        extension(0x3a3a, &[]),
        server_name(b"lamp.city.example"),
        extension(10, &long(&u16s(&[0x2a2a, 29, 23]))),
        extension(11, &[1, 0]),
        extension(13, &long(&u16s(&[0x0403, 0x0804]))),
        extension(16, &long(b"\x02h2\x08http/1.1")),
        extension(43, &[&[6], u16s(&[0x1a1a, 0x0304, 0x0303]).as_slice()].concat()),
        more.to_vec(),
    ]
    .concat();
    let ciphers = u16s(&[0x0a0a, 0x1301, 0xc02f, 0x000a]);
    let body = [
        &u16s(&[0x0303]),
        &[7; 32][..],
        &[32],
        &[9; 32],
        &long(&ciphers),
        &[1, 0],
        &long(&extensions),
    ]
    .concat();
    message(1, &body)
}

pub(super) fn server_hello(session: u8, cipher: u16, extensions: &[u8], random: &[u8]) -> Vec<u8> {
    let body = [
        &u16s(&[0x0303]),
        random,
        &[32],
        &[session; 32],
        &u16s(&[cipher]),
        &[0],
        &long(extensions),
    ]
    .concat();
    message(2, &body)
}

/// As in drafts of TLS 1.3 up to the 21st (draft-ietf-tls-tls13-21 section 4.1.3).
fn draft_server_hello(draft: u8) -> Vec<u8> {
    let share = extension(51, &[&u16s(&[29, 32])[..], &[6; 32]].concat());
    let body = [&[0x7f, draft][..], &[5; 32], &u16s(&[0x1302]), &long(&share)].concat();
    message(2, &body)
}

fn certificate_message(certificates: &[&[u8]]) -> Vec<u8> {
    let list: Vec<u8> = certificates
        .iter()
        .flat_map(|c| [&(c.len() as u32).to_be_bytes()[1..], c].concat())
        .collect();
    message(11, &[&(list.len() as u32).to_be_bytes()[1..], &list].concat())
}

fn retry_random() -> Vec<u8> {
    hex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
}

#[test]
fn a_draft_of_tls_1_3_has_no_session_in_its_server_hello() {
    check(
        &[
            client(record(22, &client_hello(&[]))),
            server([record(22, &draft_server_hello(21)), record(23, &[0xaa; 50])].concat()),
        ],
        expect![[r#"
            > {"tls":{"sni":"lamp.city.example","version":"TLS 1.3 draft","ja3":{"hash":"2b686b83311cff6b8fe1b1cfb091216c","string":"771,4865-49199-10,0-10-11-13-16-43,29-23,0"},"ja3s":{"hash":"0a98027d054609c5eaab93a1604f0408","string":"32533,4866,51"},"ja4":"t13d0306h2_5a6cbdaee546_fb71836bce29","client_alpns":["h2","http/1.1"]}}
        "#]],
    );
}

#[test]
fn tls_1_3_is_told_at_the_server_hello() {
    let versions = extension(43, &u16s(&[0x0304]));
    check(
        &[
            client(record(22, &client_hello(&[]))),
            server(
                [
                    record(22, &server_hello(9, 0x1301, &versions, &[5; 32])),
                    record(20, &[1]),
                    record(23, &[0xaa; 50]),
                    b"garbage".to_vec(),
                ]
                .concat(),
            ),
            client(record(23, b"more")),
        ],
        expect![[r#"
            > {"tls":{"sni":"lamp.city.example","version":"TLS 1.3","ja3":{"hash":"2b686b83311cff6b8fe1b1cfb091216c","string":"771,4865-49199-10,0-10-11-13-16-43,29-23,0"},"ja3s":{"hash":"cce84e7a8b742462e40afb585a3e3ccc","string":"771,4865,43"},"ja4":"t13d0306h2_5a6cbdaee546_fb71836bce29","client_alpns":["h2","http/1.1"]}}
        "#]],
    );
}

#[test]
fn a_retry_gives_both_fingerprints() {
    let versions = extension(43, &u16s(&[0x0304]));
    check(
        &[
            client(
                [
                    record(22, &client_hello(&extension(21, &[0; 9]))),
                    record(20, &[1]),
                    record(23, b"early"),
                ]
                .concat(),
            ),
            server(
                [
                    record(22, &server_hello(9, 0x1301, &versions, &retry_random())),
                    record(20, &[1]),
                ]
                .concat(),
            ),
            client([record(20, &[1]), record(22, &client_hello(&[]))].concat()),
            server(record(22, &server_hello(9, 0x1301, &versions, &[5; 32]))),
        ],
        expect![[r#"
            > {"tls":{"sni":"lamp.city.example","version":"TLS 1.3","ja3":{"hash":"7568fac2eb87bbd10b8c9e01bff068f5","string":"771,4865-49199-10,0-10-11-13-16-43-21,29-23,0"},"ja3s":{"hash":"cce84e7a8b742462e40afb585a3e3ccc","string":"771,4865,43"},"ja4":"t13d0307h2_5a6cbdaee546_dc49850d21d7","ja4_2":"t13d0306h2_5a6cbdaee546_fb71836bce29","client_alpns":["h2","http/1.1"]}}
        "#]],
    );
}

#[test]
fn a_certificate_is_read_and_judged() {
    let leaf = hex(WEAK);
    let hello = server_hello(1, 0x000a, &extension(16, &long(b"\x08http/1.1")), &[5; 32]);
    let messages = [
        hello,
        certificate_message(&[&leaf, b"\x30\x00"]),
        message(14, &[]),
    ]
    .concat();
    // Messages over records, records over messages.
    let records: Vec<u8> = messages.chunks(300).flat_map(|part| record(22, part)).collect();
    check(
        &[client(record(22, &client_hello(&[]))), server(records)],
        expect![[r#"
            > {"tls":{"subject":"C=NL, O=Example City Works, OU=Lights, CN=lamp.city.example, emailAddress=it@city.example","issuerdn":"C=NL, O=Example City Works, OU=Lights, CN=lamp.city.example, emailAddress=it@city.example","subjectaltname":["lamp.city.example","*.lamps.city.example","10.0.0.7"],"serial":"00:A1:B2:C3","fingerprint":"3a:e6:da:c7:6d:69:6c:18:63:d7:0e:6a:7e:cc:5e:a0:7c:cf:7c:98","notbefore":"2024-01-01T00:00:00","notafter":"2024-01-31T12:00:00","chain_length":2,"sni":"lamp.city.example","version":"TLS 1.2","ja3":{"hash":"2b686b83311cff6b8fe1b1cfb091216c","string":"771,4865-49199-10,0-10-11-13-16-43,29-23,0"},"ja3s":{"hash":"809e848a2e67ac0fe6456ecb3122b095","string":"771,10,16"},"ja4":"t13d0306h2_5a6cbdaee546_fb71836bce29","client_alpns":["h2","http/1.1"],"server_alpns":["http/1.1"],"weak":["des_cipher","not_yet_valid","self_signed","small_key","weak_signature"]}}
        "#]],
    );
    let certificate = Certificate::new(&leaf);
    let second = 1_000_000_000;
    assert!(certificate.expired(1_706_702_401 * second) && !certificate.expired(1_706_702_400 * second));
    assert!(
        certificate.not_yet_valid(1_704_067_199 * second)
            && !certificate.not_yet_valid(1_704_067_200 * second)
    );
    for (name, fits) in [
        ("lamp.city.example", true),
        ("LAMP.city.example", true),
        ("a.lamps.city.example", true),
        ("a.b.lamps.city.example", false),
        ("city.example", false),
    ] {
        assert_eq!(certificate.names_match(name.as_bytes()), fits, "{name}");
    }
}

#[test]
fn resumption_shows_by_session_or_ticket() {
    for (session, expected) in [
        (
            9,
            expect![[r#"
        > {"tls":{"session_resumed":true,"sni":"lamp.city.example","version":"TLS 1.2","ja3":{"hash":"2b686b83311cff6b8fe1b1cfb091216c","string":"771,4865-49199-10,0-10-11-13-16-43,29-23,0"},"ja3s":{"hash":"174e7e4992a63f6d419626d97363adb8","string":"771,49199,"},"ja4":"t13d0306h2_5a6cbdaee546_fb71836bce29","client_alpns":["h2","http/1.1"]}}
    "#]],
        ),
        (
            1,
            expect![[r#"
        > {"tls":{"session_resumed":true,"sni":"lamp.city.example","version":"TLS 1.2","ja3":{"hash":"2b686b83311cff6b8fe1b1cfb091216c","string":"771,4865-49199-10,0-10-11-13-16-43,29-23,0"},"ja3s":{"hash":"174e7e4992a63f6d419626d97363adb8","string":"771,49199,"},"ja4":"t13d0306h2_5a6cbdaee546_fb71836bce29","client_alpns":["h2","http/1.1"]}}
    "#]],
        ),
    ] {
        check(
            &[
                client(record(22, &client_hello(&[]))),
                server(
                    [
                        record(22, &server_hello(session, 0xc02f, &[], &[5; 32])),
                        record(20, &[1]),
                        record(22, &[1; 40]),
                    ]
                    .concat(),
                ),
                client([record(20, &[1]), record(22, &[1; 40])].concat()),
            ],
            expected,
        );
    }
}

#[test]
fn old_hellos_and_broken_records() {
    let old = [
        &[0x80, 31, 1, 3, 0],
        u16s(&[6, 0, 16]).as_slice(),
        &[0, 0, 4, 0, 0, 5],
        &[1; 16],
    ]
    .concat();
    assert_eq!((ENTRY.probe)(&hint(Direction::ToResponder), &old), Probe::Yes);
    check(
        &[
            client(&old),
            server([record(22, &server_hello(0, 4, &[], &[5; 32])), record(20, &[1])].concat()),
        ],
        expect![[r#"
            > {"tls":{"session_resumed":true,"version":"TLS 1.2","ja3s":{"hash":"9add96b7bf9f7af4bb848fe40fa0ccb2","string":"771,4,"},"weak":["rc4_cipher"]}}
        "#]],
    );
    check(
        &[client(
            [record(22, &client_hello(&[])), b"\x16\x09\x09\x00\x01x".to_vec()].concat(),
        )],
        expect![[r#"
            > malformed tls.record
            > {"tls":{"sni":"lamp.city.example","ja3":{"hash":"2b686b83311cff6b8fe1b1cfb091216c","string":"771,4865-49199-10,0-10-11-13-16-43,29-23,0"},"ja4":"t13d0306h2_5a6cbdaee546_fb71836bce29","client_alpns":["h2","http/1.1"]}}
        "#]],
    );
    // Cut in the extensions.
    let hello = client_hello(&[]);
    check(
        &[client(record(22, &message(1, &hello[4..100])))],
        expect![[r#"
            > malformed tls.client_hello
            > {"tls":{"ja3":{"hash":"e8f5652454236090acc9e1122eda4c6c","string":"771,4865-49199-10,,,"},"ja4":"t12i030000_5a6cbdaee546_000000000000"}}
        "#]],
    );
    // Longer than the limit.
    check(
        &[
            client([record(22, b"\x01\x02\x00\x00aaaa"), record(21, &[2, 40])].concat()),
            server(record(22, &server_hello(0, 0xc02f, &[], &[5; 32]))),
        ],
        expect![[r#"
            > malformed tls.message_too_long
            > {"tls":{"version":"TLS 1.2","ja3s":{"hash":"174e7e4992a63f6d419626d97363adb8","string":"771,49199,"}}}
        "#]],
    );
}

#[test]
fn a_socks_handshake_may_stand_before() {
    let hello = record(22, &client_hello(&[]));
    let versions = extension(43, &u16s(&[0x0304]));
    let answer = record(22, &server_hello(9, 0x1301, &versions, &[5; 32]));
    let five = b"\x05\x02\x00\x02\x01\x01a\x02bc\x05\x01\x00\x03\x04city\x01\xbb".to_vec();
    let four = b"\x04\x01\x01\xbb\x00\x00\x00\x01me\x00city\x00".to_vec();
    for (request, reply) in [
        (
            five,
            b"\x05\x02\x01\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00".to_vec(),
        ),
        (four, b"\x00\x5a\x00\x00\x00\x00\x00\x00".to_vec()),
    ] {
        let whole = [request.as_slice(), &hello].concat();
        let yes = request.len() + 6;
        for end in 0..whole.len().min(yes + 3) {
            let expected = if end < yes { Probe::Maybe } else { Probe::Yes };
            assert_eq!(
                (ENTRY.probe)(&hint(Direction::ToResponder), &whole[..end]),
                expected,
                "{end}"
            );
        }
        check(
            &[client(request), server(reply), client(&hello), server(&answer)],
            expect![[r#"
                > {"tls":{"sni":"lamp.city.example","version":"TLS 1.3","from_proto":"socks","ja3":{"hash":"2b686b83311cff6b8fe1b1cfb091216c","string":"771,4865-49199-10,0-10-11-13-16-43,29-23,0"},"ja3s":{"hash":"cce84e7a8b742462e40afb585a3e3ccc","string":"771,4865,43"},"ja4":"t13d0306h2_5a6cbdaee546_fb71836bce29","client_alpns":["h2","http/1.1"]}}
            "#]],
        );
    }
    assert_eq!(
        socks::client_part(b"\x05\x04\x00\x00\x00\x06\x01\x03"),
        socks::Part::None
    );
}

#[test]
fn a_database_may_be_asked_for_tls_first() {
    let hello = record(22, &client_hello(&[]));
    let versions = extension(43, &u16s(&[0x0304]));
    let answer = record(22, &server_hello(9, 0x1301, &versions, &[5; 32]));
    let request = b"\x00\x00\x00\x08\x04\xd2\x16\x2f";
    let whole = [request, hello.as_slice()].concat();
    let ask = |data: &[u8]| (ENTRY.probe)(&hint(Direction::ToResponder), data);
    assert_eq!(ask(&whole[..13]), Probe::Maybe);
    assert_eq!(ask(&whole[..14]), Probe::Yes);
    // Refused: it goes on in the clear.
    assert_eq!(
        ask(&[request, &b"\x00\x00\x00\x52\x00\x03"[..]].concat()),
        Probe::No
    );
    assert_eq!(ask(b"\x00\x00\x00\x08\x04\xd2\x16\x2e"), Probe::No);
    check(
        &[client(request), server("S"), client(&hello), server(&answer)],
        expect![[r#"
            > {"tls":{"sni":"lamp.city.example","version":"TLS 1.3","from_proto":"postgres","ja3":{"hash":"2b686b83311cff6b8fe1b1cfb091216c","string":"771,4865-49199-10,0-10-11-13-16-43,29-23,0"},"ja3s":{"hash":"cce84e7a8b742462e40afb585a3e3ccc","string":"771,4865,43"},"ja4":"t13d0306h2_5a6cbdaee546_fb71836bce29","client_alpns":["h2","http/1.1"]}}
        "#]],
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Real handshakes with some bytes changed and pieces left out, in any cut.
    #[test]
    fn any_cut_gives_the_same(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        retry in any::<bool>(),
        piece in 1usize..40,
        tight in any::<bool>(),
    ) {
        let leaf = hex(WEAK);
        let random = if retry { retry_random() } else { vec![5; 32] };
        let mut up = [record(22, &client_hello(&[])), record(20, &[1]), record(22, &client_hello(&[])), record(23, b"x")].concat();
        let mut down = [
            record(22, &server_hello(9, 0xc02f, &[], &random)),
            record(22, &server_hello(9, 0xc02f, &[], &[5; 32])),
            record(22, &[certificate_message(&[&leaf]), message(14, &[])].concat()),
            record(20, &[1]),
        ].concat();
        for (at, value) in &changes {
            if value % 2 == 0 {
                let i = at.index(up.len());
                up[i] = *value;
            } else {
                let i = at.index(down.len());
                down[i] = *value;
            }
        }
        down.truncate(cut.index(down.len() * 2).max(1));
        let turns = [client(up), server(down)];
        let limits = Limits { message: if tight { 200 } else { 65_536 }, ..Limits::default() };
        let whole = transcript(&ENTRY, &limits, &turns, usize::MAX);
        prop_assert_eq!(&whole, &transcript(&ENTRY, &limits, &turns, piece));
        prop_assert_eq!(&whole, &transcript(&ENTRY, &limits, &turns, 1));
    }

    #[test]
    fn hostile_certificates_are_read(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut leaf = hex(WEAK);
        for (at, value) in &changes {
            let i = at.index(leaf.len());
            leaf[i] = *value;
        }
        leaf.truncate(cut.index(leaf.len() * 2));
        let certificate = Certificate::new(&leaf);
        prop_assert_eq!(certificate.fingerprint.len(), 59);
        prop_assert!(certificate.subject.len() <= 2_048);
    }

    #[test]
    fn a_longer_start_never_changes_the_probe(
        start in proptest::sample::select(vec![&b""[..], b"\x16\x03\x01", b"\0\0\0\x08\x04\xd2\x16", b"\x05\x01\x00\x05\x01\x00", b"\x04\x01", b"\x80\x2e\x01\x03"]),
        more in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let data = [start, &more].concat();
        let mut sure = Probe::Maybe;
        for end in 0..=data.len() {
            let answer = (ENTRY.probe)(&hint(Direction::ToResponder), &data[..end]);
            if sure != Probe::Maybe {
                prop_assert_eq!(sure, answer);
            }
            sure = answer;
        }
    }
}
