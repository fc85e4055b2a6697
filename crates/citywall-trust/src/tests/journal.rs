//! The journal: chain, files, crashes.

use expect_test::expect;
use proptest::prelude::*;
use serde_json::json;

use super::{Folder, NOW, key, ring};
use crate::journal::{Chain, End, Head, Journal, JournalError, NAME, Options, read, read_entries, verify};
use crate::{Keyring, Purpose};

fn lines(count: u64) -> Vec<u8> {
    let (mut text, mut chain) = (String::new(), Chain::default());
    for n in 0..count {
        let (line, next) = chain
            .line(
                NOW + n as i64,
                "decision",
                &format!(r#"{{"n":{n},"why":"because \"ü\""}}"#),
            )
            .unwrap();
        text.push_str(&line);
        chain = next;
    }
    text.into_bytes()
}

#[test]
fn the_form_is_frozen() {
    expect![[r#"
        {"v":1,"seq":1,"at":1795362439000000000,"prev":"0000000000000000000000000000000000000000000000000000000000000000","kind":"decision","body":{"n":0,"why":"because \"ü\""},"hash":"4aae68f6530f9b5f62d63ccf2c4be07afcc60ce8a2c67bcc1f253db0d92a085c"}
        {"v":1,"seq":2,"at":1795362439000000001,"prev":"4aae68f6530f9b5f62d63ccf2c4be07afcc60ce8a2c67bcc1f253db0d92a085c","kind":"decision","body":{"n":1,"why":"because \"ü\""},"hash":"cbe1fdd2113ed27d3f41d2d8c17f00106de815a24ad45dad0e03d0521d429781"}
    "#]].assert_eq(&String::from_utf8(lines(2)).unwrap());
    let contents = read_entries(&lines(2), Some(Chain::default()));
    assert_eq!((contents.end, contents.entries.len()), (End::Whole, 2));
    assert_eq!(contents.entries[1].body, json!({"n": 1, "why": "because \"ü\""}));
}

#[test]
fn what_cannot_be_a_line_is_refused() {
    let chain = Chain::default();
    for (kind, body) in [
        ("", "1"),
        ("A", "1"),
        ("a", ""),
        ("a", "1\n"),
        ("a", "1,\"v\":2"),
        ("a", "}"),
        ("a\"", "1"),
    ] {
        assert!(
            matches!(chain.line(0, kind, body), Err(JournalError::Entry(_))),
            "{kind} {body}"
        );
    }
    let long = format!("\"{}\"", "x".repeat(crate::journal::LINE));
    assert!(matches!(
        chain.line(0, "a", &long),
        Err(JournalError::TooLong { .. })
    ));
}

#[test]
fn a_cut_at_any_byte_leaves_whole_entries() {
    let bytes = lines(3);
    let ends: Vec<usize> = (0..bytes.len())
        .filter(|i| bytes[*i] == b'\n')
        .map(|i| i + 1)
        .collect();
    for cut in 0..bytes.len() {
        let contents = read_entries(&bytes[..cut], Some(Chain::default()));
        let whole = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(contents.entries.len(), whole);
        let sound = if whole == 0 { 0 } else { ends[whole - 1] };
        let expected = if sound == cut {
            End::Whole
        } else {
            End::Torn(sound as u64)
        };
        assert_eq!(contents.end, expected, "cut at {cut}");
    }
}

proptest! {
    #[test]
    fn any_turned_bit_shows(at: prop::sample::Index, bit in 0u8..8) {
        let sound = lines(4);
        let mut bytes = sound.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let contents = read_entries(&bytes, Some(Chain::default()));
        prop_assert_ne!(&contents.end, &End::Whole);
        let line = sound[..at].iter().filter(|b| **b == b'\n').count();
        prop_assert_eq!(contents.entries.len(), line, "all before it is sound, nothing from it on");
    }

    #[test]
    fn lines_in_another_order_or_missing_show(order in Just((0..5usize).collect::<Vec<_>>()).prop_shuffle(), keep in 1usize..=5) {
        let bytes = lines(5);
        let split: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
        let order = &order[..keep];
        let text: Vec<u8> = order.iter().flat_map(|i| split[*i].to_vec()).collect();
        let contents = read_entries(&text, Some(Chain::default()));
        let straight = order.iter().enumerate().all(|(i, n)| i == *n);
        prop_assert_eq!(contents.end == End::Whole, straight);
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let contents = read_entries(&bytes, None);
        prop_assert!(contents.sound as usize <= bytes.len());
    }
}

#[test]
fn entries_outlive_the_process_and_torn_ends_are_cut() {
    let folder = Folder::new("torn");
    let open = || Journal::open(&folder.0, Options::default(), None).unwrap();
    let (mut journal, opened) = open();
    assert_eq!((opened.entries.len(), opened.cut), (0, 0));
    for n in 0..3 {
        journal.append(NOW, "decision", &json!({ "n": n })).unwrap();
    }
    assert!(matches!(
        Journal::open(&folder.0, Options::default(), None),
        Err(JournalError::Taken { .. })
    ));
    let head = journal.head();
    drop(journal);
    let path = folder.0.join(NAME);
    let whole = std::fs::read(&path).unwrap();
    // A crash while the fourth entry was written.
    let (line, _) = head.line(NOW, "decision", "{}").unwrap();
    std::fs::write(&path, [&whole, &line.as_bytes()[..40]].concat()).unwrap();
    assert_eq!(verify(&folder.0, &Keyring::default(), None).unwrap().torn, 40);
    let (mut journal, opened) = open();
    assert_eq!((opened.entries.len(), opened.cut, journal.head()), (3, 40, head));
    journal.append(NOW, "decision", &1).unwrap();
    drop(journal);
    let found = verify(&folder.0, &Keyring::default(), None).unwrap();
    assert!(found.is_whole());
    assert_eq!((found.entries, found.first, found.signed), (4, 1, None));
    // Somebody changed what stands there.
    let changed = String::from_utf8(std::fs::read(&path).unwrap())
        .unwrap()
        .replace("{\"n\":1}", "{\"n\":7}");
    std::fs::write(&path, changed).unwrap();
    let error = Journal::open(&folder.0, Options::default(), None)
        .unwrap_err()
        .to_string();
    expect!["DIR/journal.jsonl:2: the journal is broken here (byte 222): the hash does not fit the line: it was changed; keep the file as evidence, move it away and begin a new journal"].assert_eq(&error.replace(&folder.0.display().to_string(), "DIR"));
}

#[test]
fn heads_are_signed_and_the_chain_goes_on_over_files() {
    let folder = Folder::new("heads");
    let options = Options {
        name: "box-1".to_owned(),
        rotate: 4_000,
        sign_every: 4,
    };
    let ring = ring(&[(1, &[Purpose::JournalHead])]);
    for round in 0..3 {
        let (mut journal, _) = Journal::open(&folder.0, options.clone(), Some(key(1))).unwrap();
        for n in 0..10 {
            journal
                .append(NOW, "decision", &json!({ "round": round, "n": n }))
                .unwrap();
        }
        journal.close(NOW).unwrap();
    }
    let (entries, found) = read(&folder.0).unwrap();
    assert!(found.is_whole() && found.files > 2, "{found:?}");
    assert_eq!(entries.iter().filter(|e| e.kind == "decision").count(), 30);
    assert!(entries.windows(2).all(|w| w[1].seq == w[0].seq + 1));
    let proved = verify(&folder.0, &ring, None).unwrap();
    assert!(proved.is_whole());
    assert_eq!(
        proved.signed,
        Some(entries.len() as u64 - 1),
        "closed with a head"
    );
    assert_eq!(verify(&folder.0, &Keyring::default(), None).unwrap().signed, None);
    // A head that was kept elsewhere shows that the end is missing.
    let last = entries.last().unwrap();
    let kept = Head {
        journal: "box-1".to_owned(),
        seq: last.seq,
        hash: last.hash,
    };
    assert!(verify(&folder.0, &ring, Some(&kept)).unwrap().is_whole());
    let path = folder.0.join(NAME);
    let text = std::fs::read_to_string(&path).unwrap();
    let cut = text.trim_end().rfind('\n').map_or(0, |at| at + 1);
    std::fs::write(&path, &text[..cut]).unwrap();
    assert!(verify(&folder.0, &ring, None).unwrap().is_whole());
    assert!(!verify(&folder.0, &ring, Some(&kept)).unwrap().is_whole());
    // A file in the middle is gone.
    std::fs::remove_file(folder.0.join(format!("{NAME}.2"))).unwrap();
    assert!(!verify(&folder.0, &ring, None).unwrap().is_whole());
    // Without the oldest file the rest is whole, and says where it begins.
    std::fs::remove_file(folder.0.join(format!("{NAME}.1"))).unwrap();
    let rest = verify(&folder.0, &ring, None).unwrap();
    assert!(rest.is_whole() && rest.first > 1, "{rest:?}");
}

#[test]
fn a_chain_made_anew_has_no_head_of_the_box() {
    let folder = Folder::new("anew");
    let forged = key(2);
    let (mut journal, _) = Journal::open(&folder.0, Options::default(), Some(forged)).unwrap();
    journal.append(NOW, "decision", &1).unwrap();
    journal.close(NOW).unwrap();
    let ring = ring(&[(1, &[Purpose::JournalHead])]);
    let found = verify(&folder.0, &ring, None).unwrap();
    assert_eq!((found.is_whole(), found.signed), (true, None));
}

#[test]
fn a_full_disk_is_told_every_time() {
    let mut journal = Journal::on_full_disk();
    for _ in 0..3 {
        let error = journal.append(NOW, "decision", &1).unwrap_err();
        assert!(
            matches!(error, JournalError::Io { .. } | JournalError::Uncertain { .. }),
            "{error}"
        );
    }
    assert_eq!(journal.head(), Chain::default());
}
