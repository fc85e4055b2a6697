//! SSH conversations built by hand, and the laws that hold for any.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::ENTRY;
use crate::Limits;
use crate::testing::{Turn, client, server, transcript};

fn check(turns: &[Turn], expected: Expect) {
    let whole = transcript(&ENTRY, &Limits::default(), turns, usize::MAX);
    expected.assert_eq(&whole);
    for piece in [1, 2, 7, 100] {
        let cut = transcript(&ENTRY, &Limits::default(), turns, piece);
        assert_eq!(whole, cut, "pieces of {piece}");
    }
}

fn packet(payload: &[u8]) -> Vec<u8> {
    let padding = 8;
    let length = (1 + payload.len() + padding) as u32;
    [
        &length.to_be_bytes(),
        &[padding as u8][..],
        payload,
        &vec![0; padding],
    ]
    .concat()
}

fn kexinit(mark: &str) -> Vec<u8> {
    let mut payload = vec![20];
    payload.extend([7; 16]);
    for list in [
        "kex", "key", "enc-up", "enc-down", "mac-up", "mac-down", "none", "zlib", "", "",
    ] {
        let text = format!("{list}{mark}");
        payload.extend((text.len() as u32).to_be_bytes());
        payload.extend(text.as_bytes());
    }
    payload.extend([0; 5]);
    packet(&payload)
}

#[test]
fn banners_and_algorithms_of_both_make_one_event() {
    check(
        &[
            server("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"),
            client("SSH-2.0-PuTTY_Release_0.80\n"),
            client([packet(&[2, 0, 0]), kexinit("1"), vec![0xff; 100]].concat()),
            server([kexinit("2"), b"encrypted".to_vec()].concat()),
        ],
        expect![[r#"
            < sighting Source Software "OpenSSH_9.2p1 Debian-2" ssh.banner
            > sighting Source Software "PuTTY_Release_0.80" ssh.banner
            > {"ssh":{"client":{"proto_version":"2.0","software_version":"PuTTY_Release_0.80","hassh":{"hash":"aaea73dd5abbe0f062982694d77393cb","string":"kex1;enc-up1;mac-up1;none1"}},"server":{"proto_version":"2.0","software_version":"OpenSSH_9.2p1","hassh":{"hash":"3dcddb055edb28e927c62af44eaf701a","string":"kex2;enc-down2;mac-down2;zlib2"}}}}
        "#]],
    );
}

#[test]
fn lines_before_the_banner_and_old_versions() {
    check(
        &[
            server("Only for the city's staff.\r\n\r\nSSH-1.5-old thing\r\n\0\0\0\x10"),
            client("SSH-1.99-\r\n"),
        ],
        expect![[r#"
            < sighting Source Software "old thing" ssh.banner
            > malformed ssh.banner
            > {"ssh":{"client":{"proto_version":"1.99","software_version":""},"server":{"proto_version":"1.5","software_version":"old"}}}
        "#]],
    );
    let long = format!("{}\nSSH-2.0-{}\r\n", "x".repeat(400), "y".repeat(300));
    check(
        &[server(long), client(b"SSH-2.0-a\r\n\xff\xff\xff\xff")],
        expect![[r#"
            < malformed ssh.banner_too_long
            < sighting Source Software "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy" ssh.banner
            > sighting Source Software "a" ssh.banner
            > malformed ssh.packet_length
            > {"ssh":{"client":{"proto_version":"2.0","software_version":"a"},"server":{"proto_version":"2.0","software_version":"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"}}}
        "#]],
    );
    check(
        &[server("x".repeat(20_000)), client("SSH-2.0-a")],
        expect![[r#""#]],
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_cut_gives_the_same(
        noise in proptest::collection::vec(any::<u8>(), 0..300),
        lines in 0usize..5,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        piece in 1usize..40,
    ) {
        let mut down = [
            &b"a line\r\n".repeat(lines * lines * 130)[..], b"SSH-2.0-server text\r\n", &packet(&noise), &kexinit(""), &noise,
        ].concat();
        let mut up = [&b"SSH-2.0-client\n"[..], &kexinit("x")].concat();
        for (at, value) in &changes {
            let i = at.index(up.len());
            up[i] = *value;
            let i = at.index(down.len());
            down[i] = *value;
        }
        let turns = [server(down), client(up), client(noise)];
        let limits = Limits::default();
        let whole = transcript(&ENTRY, &limits, &turns, usize::MAX);
        prop_assert_eq!(&whole, &transcript(&ENTRY, &limits, &turns, piece));
        prop_assert_eq!(&whole, &transcript(&ENTRY, &limits, &turns, 1));
    }
}
