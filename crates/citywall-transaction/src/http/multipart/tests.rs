//! Uploads of forms.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::super::ENTRY;
use super::FILES;
use crate::Limits;
use crate::testing::{Turn, client, transcript};
use citywall_flow::Direction;

fn hashing() -> Limits {
    Limits {
        file_hashes: true,
        ..Limits::default()
    }
}

/// A request that uploads these bytes, whose boundary is `XyZ`.
fn upload(body: &str) -> String {
    format!(
        "POST /up HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=\"XyZ\"\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The files of it: name, state, size, and the first digits of SHA-256.
fn files(turns: &[Turn], piece: usize) -> String {
    let told = transcript(&ENTRY, &hashing(), turns, piece);
    let field = |line: &str, name: &str, end: &str| {
        let from = line.find(&format!("\"{name}\":"))? + name.len() + 3;
        let text = &line[from..];
        Some(text[..text.find(end)?].to_owned())
    };
    told.lines()
        .filter(|line| line.contains("\"fileinfo\""))
        .map(|line| {
            let name = field(line, "filename", ",\"gaps\"").unwrap_or_default();
            let gaps = field(line, "gaps", ",").unwrap_or_default();
            let state = field(line, "state", ",").unwrap_or_default();
            let hash = field(line, "sha256", ",").unwrap_or_default();
            let size = field(line, "size", "}").unwrap_or_default();
            format!(
                "{name} gaps={gaps} {state} {size} {}\n",
                hash.get(..9).unwrap_or("-")
            )
        })
        .collect()
}

fn check(turns: &[Turn], expected: Expect) {
    let whole = files(turns, usize::MAX);
    expected.assert_eq(&whole);
    for piece in [1, 2, 7, 100] {
        assert_eq!(whole, files(turns, piece), "pieces of {piece}");
    }
}

fn check_body(body: &str, expected: Expect) {
    check(&[client(upload(body))], expected);
}

#[test]
fn the_files_of_a_form_are_told_and_hashed() {
    check_body(
        "preamble\r\n--XyZ\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n\
         --XyZ \t\r\nContent-Type: application/octet-stream\r\ncontent-disposition: form-data;\r\n name=\"f\"; filename=\"to;ol \\\"1\\\".exe\"\r\n\r\n\
         MZ\r\n--XyNo\r\n\r\n--Xy\r\n--XyZ\r\n\
         Content-Disposition: form-data; name=\"g\"; filename=\"C:\\tmp\\b.bin\"\r\n\r\nabc\r\n\
         --XyZ\r\nContent-Disposition: form-data; name=\"none\"; filename=\"\"\r\n\r\n\r\n\
         --XyZ--\r\nepilogue",
        expect![[r#"
            "to;ol \"1\".exe" gaps=false "CLOSED" 18 "55030081
            "C:\\tmp\\b.bin" gaps=false "CLOSED" 3 "ba7816bf
        "#]],
    );
    let digest: String = Sha256::digest(b"abc")
        .iter()
        .take(4)
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(digest, "ba7816bf");
}

#[test]
fn a_form_without_files_is_told_as_it_is() {
    check_body(
        "--XyZ\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--XyZ--\r\n",
        expect![[r#"
            "/up" gaps=false "CLOSED" 70 "1d6aac0a
        "#]],
    );
    // No form at all.
    check_body(
        "abc",
        expect![[r#"
        "/up" gaps=false "CLOSED" 3 "ba7816bf
    "#]],
    );
}

#[test]
fn what_is_not_whole_is_truncated() {
    let part = "--XyZ\r\nContent-Disposition: form-data; filename=a\r\n\r\nabc";
    // Its last delimiter is missing.
    check_body(
        &format!("{part}\r\n--Xy"),
        expect![[r#"
        "a" gaps=false "TRUNCATED" 9 -
    "#]],
    );
    // The connection ends in it.
    let request = upload(&format!("{part}\r\n{part}\r\n--XyZ--"));
    check(
        &[client(&request[..request.len() - 10])],
        expect![[r#"
            "a" gaps=false "CLOSED" 3 "ba7816bf
            "a" gaps=false "TRUNCATED" 2 -
        "#]],
    );
    // It ends in a head: there may have been more.
    check(
        &[client(&request[..request.len() - 20])],
        expect![[r#"
        "a" gaps=false "CLOSED" 3 "ba7816bf
        "/up" gaps=false "TRUNCATED" 103 -
    "#]],
    );
    // Bytes are missing in the second file.
    let (first, second) = request.split_at(request.len() - 10);
    check(
        &[
            client(&first[..first.len() - 1]),
            Turn::Gap(Direction::ToResponder, 1),
            client(second),
        ],
        expect![[r#"
            "a" gaps=false "CLOSED" 3 "ba7816bf
            "a" gaps=true "TRUNCATED" 1 -
        "#]],
    );
}

#[test]
fn what_is_read_of_a_form_is_bounded() {
    let part = "--XyZ\r\nContent-Disposition: form-data; filename=a\r\n\r\nabc\r\n";
    let many = files(&[client(upload(&part.repeat(FILES + 3)))], usize::MAX);
    // Those, and the body, which is more than they.
    assert_eq!(many.lines().count(), FILES + 1);
    // A head without end; a boundary that is the beginning of other text.
    check_body(
        &format!("{part}--XyZ\r\n{}", "a: b\r\n".repeat(2_000)),
        expect![[r#"
            "a" gaps=false "CLOSED" 3 "ba7816bf
            "/up" gaps=false "CLOSED" 12065 "311117e3
        "#]],
    );
    check_body(
        &format!("{part}--XyZa\r\n"),
        expect![[r#"
        "a" gaps=false "CLOSED" 3 "ba7816bf
        "/up" gaps=false "CLOSED" 66 "fdfd271a
    "#]],
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_cut_gives_the_same(
        words in proptest::collection::vec(proptest::sample::select(&[
            "--XyZ", "\r\n", "\r\n--XyZ\r\n", "\r\n\r\n", "-", "--", "a", "\r", "\n", " ",
            "Content-Disposition: form-data; filename=\"n\"\r\n\r\n",
        ][..]), 0..16),
        short in 0usize..6,
        piece in 1usize..20,
    ) {
        let request = upload(&words.concat());
        let turns = [client(&request[..request.len() - short])];
        let whole = transcript(&ENTRY, &hashing(), &turns, usize::MAX);
        prop_assert_eq!(&whole, &transcript(&ENTRY, &hashing(), &turns, piece));
        prop_assert_eq!(&whole, &transcript(&ENTRY, &hashing(), &turns, 1));
    }
}
