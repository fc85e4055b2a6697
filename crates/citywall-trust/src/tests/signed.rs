//! The envelope and what is refused.

use expect_test::expect;
use proptest::prelude::*;

use super::{NOW, Note, key, ring};
use crate::{
    Accept, Envelope, Keyring, Payload, Purpose, Serials, Signed, SigningKey, Statement, TrustError,
};

const SECOND: i64 = 1_000_000_000;

fn sign(text: &str, serial: u64, seed: u8) -> Signed<Note> {
    Signed::sign(
        &Note(text.to_owned()),
        serial,
        NOW,
        Some(NOW + 60 * SECOND),
        &key(seed),
    )
    .unwrap()
}

fn why(signed: &Signed<Note>, ring: &Keyring, now: i64) -> String {
    match signed.verify(ring, &mut Serials::default(), Accept::OnlyNew, now) {
        Ok(_) => "believed".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_form_is_frozen() {
    let signed = sign("signals/deny", 7, 1);
    expect![[r#"{"citywall_signed":1,"purpose":"act","subject":"signals","serial":7,"issued":1795362439,"expires":1795362499,"key":"fd480584dd6cf485f45e799b92fd344f85884ba5e86950bd5da8dd158019d5fc","payload":"c2lnbmFscy9kZW55","signature":"x"}"#]]
        .assert_eq(&format!(
            "{}\"signature\":\"x\"}}",
            signed.to_json().split("\"signature\"").next().unwrap()
        ));
    let form = signed.envelope().signed_form();
    let shown: String = form
        .iter()
        .map(|b| {
            if b.is_ascii_graphic() {
                char::from(*b).to_string()
            } else {
                format!("<{b:02x}>")
            }
        })
        .collect();
    expect!["citywall-signed/1<0a><03>act<00><07>signals<00><00><00><00><00><00><00><07><00><00><00><00>k<03><0e><87><01><00><00><00><00>k<03><0e><c3><fd>H<05><84><dd>l<f4><85><f4>^y<9b><92><fd>4O<85><88>K<a5><e8>iP<bd>]<a8><dd><15><80><19><d5><fc><00><00><00><0c>signals/deny"].assert_eq(&shown);
    // Ed25519 is deterministic: the same words give the same signature.
    assert_eq!(signed, sign("signals/deny", 7, 1));
    let read: Signed<Note> = Signed::parse(signed.to_json().as_bytes()).unwrap();
    assert_eq!(read, signed);
    let verified = read
        .verify(
            &ring(&[(1, &[Purpose::Act])]),
            &mut Serials::default(),
            Accept::OnlyNew,
            NOW,
        )
        .unwrap();
    assert_eq!(verified.value(), &Note("signals/deny".to_owned()));
    assert_eq!(verified.signer().principal, "Person 1");
    assert!(!verified.is_over(NOW) && verified.is_over(NOW + 60 * SECOND));
}

#[test]
fn each_reason_not_to_believe_is_named() {
    let good = ring(&[(1, &[Purpose::Act]), (2, &[Purpose::Playbook])]);
    let signed = sign("signals/deny", 7, 1);
    assert_eq!(why(&signed, &good, NOW), "believed");
    let mut told = String::new();
    let mut tell = |name: &str, text: String| told.push_str(&format!("{name}: {text}\n"));
    tell("unknown key", why(&sign("a/b", 1, 3), &good, NOW));
    tell("purpose of the key", why(&sign("a/b", 1, 2), &good, NOW));
    tell("late", why(&signed, &good, NOW + 60 * SECOND));
    tell("early", why(&signed, &good, NOW - 601 * SECOND));
    let mut revoked = Keyring::default();
    let mut entry = good.keys().next().unwrap().clone();
    entry.revoked = Some("lost".to_owned());
    revoked.add(entry).unwrap();
    tell("revoked", why(&signed, &revoked, NOW));
    // A statement for another purpose, by a key that may sign both.
    let both = ring(&[(1, &[Purpose::Act, Purpose::Playbook])]);
    let statement = |purpose, subject: &str| Statement {
        purpose,
        subject: subject.to_owned(),
        serial: 1,
        issued: NOW / SECOND,
        expires: None,
    };
    let envelope = |s, payload: &[u8]| Envelope::sign(s, payload.to_vec(), &key(1)).unwrap().to_json();
    let read = |text: String| Signed::<Note>::parse(text.as_bytes()).unwrap();
    tell(
        "other purpose",
        why(
            &read(envelope(statement(Purpose::Playbook, "a"), b"a/b")),
            &both,
            NOW,
        ),
    );
    tell(
        "other subject",
        why(&read(envelope(statement(Purpose::Act, "b"), b"a/b")), &both, NOW),
    );
    tell(
        "payload",
        why(&read(envelope(statement(Purpose::Act, "b"), b"\xff")), &both, NOW),
    );
    // The purpose was put in its place by hand.
    let moved = envelope(statement(Purpose::Playbook, "a"), b"a/b").replace("playbook", "act");
    tell("moved", why(&read(moved), &both, NOW));
    for text in [
        "",
        "{}",
        "[]",
        r#"{"citywall_signed":2}"#,
        &signed.to_json().replace("act", "acts"),
        &signed.to_json().replace("\"serial\":7", "\"serial\":7,\"x\":1"),
    ] {
        tell("form", Envelope::parse(text.as_bytes()).unwrap_err().to_string());
    }
    expect![[r#"
        unknown key: key 55aaf27490230163 is not in the keyring; add its public part there if you trust it
        purpose of the key: key key-2 may not sign for act; add it to the key's purposes in the keyring, or sign with another key
        late: it expired 0 s ago; sign it anew
        early: it was signed 601 s in the future; put one of the two clocks right
        revoked: key key-1 was revoked: lost; sign with another key
        other purpose: signed for playbook, but act is needed; sign it for act
        other subject: the envelope is about "b", what is in it about "a"
        payload: the signature is right, but what was signed cannot be read: invalid utf-8 sequence of 1 bytes from index 0
        moved: the signature does not fit: the file was changed after key-1 signed it, or it was never signed by it
        form: this is no signed file: EOF while parsing a value at line 1 column 0; sign it with `citywall keys sign`
        form: this is no signed file: missing field `citywall_signed` at line 1 column 2; sign it with `citywall keys sign`
        form: this is no signed file: invalid length 0, expected struct File with 9 elements at line 1 column 2; sign it with `citywall keys sign`
        form: the signed file has version 2, this program knows version 1; use the program that wrote it
        form: this is no signed file: unknown purpose "acts" (known: playbook, act, journal-head, model, allow-list, policy-proposal, rules, evidence); sign it with `citywall keys sign`
        form: this is no signed file: unknown field `x`, expected one of `citywall_signed`, `purpose`, `subject`, `serial`, `issued`, `expires`, `key`, `payload`, `signature` at line 1 column 71; sign it with `citywall keys sign`
    "#]].assert_eq(&told);
}

#[test]
fn nothing_goes_backward() {
    let ring = ring(&[(1, &[Purpose::Act]), (2, &[Purpose::Act])]);
    let mut serials = Serials::default();
    let mut told = String::new();
    for (name, signed, accept) in [
        ("first", sign("a/on", 5, 1), Accept::OnlyNew),
        ("the same again", sign("a/on", 5, 1), Accept::OnlyNew),
        (
            "the same, where it still holds",
            sign("a/on", 5, 1),
            Accept::NewOrSame,
        ),
        ("older", sign("a/on", 4, 1), Accept::NewOrSame),
        ("other words, same serial", sign("a/off", 5, 1), Accept::NewOrSame),
        ("newer", sign("a/off", 6, 1), Accept::OnlyNew),
        ("what was replaced", sign("a/on", 5, 1), Accept::NewOrSame),
        ("another subject", sign("b/on", 1, 1), Accept::OnlyNew),
        ("another signer", sign("a/on", 1, 2), Accept::OnlyNew),
    ] {
        let result = match signed.verify(&ring, &mut serials, accept, NOW) {
            Ok(_) => "believed".to_owned(),
            Err(error) => error.to_string(),
        };
        told.push_str(&format!("{name}: {result}\n"));
        // The memory outlives the process.
        serials = Serials::parse(&serials.to_json(), "serials").unwrap();
    }
    expect![[r#"
        first: believed
        the same again: serial 5 of "a": 5 was seen already; sign it anew with a serial above 5
        the same, where it still holds: believed
        older: serial 4 of "a": 5 was seen already; sign it anew with a serial above 5
        other words, same serial: serial 5 of "a" was seen with other words; one of the two signers is wrong: sign anew with a higher serial
        newer: believed
        what was replaced: serial 5 of "a": 6 was seen already; sign it anew with a serial above 6
        another subject: believed
        another signer: believed
    "#]].assert_eq(&told);
    assert_eq!(serials.highest(key(1).public().id(), Purpose::Act, "a"), Some(6));
    for text in ["", "{}", r#"{"citywall_serials":2,"serials":[]}"#] {
        assert!(Serials::parse(text, "serials").is_err(), "{text}");
    }
}

#[test]
fn what_is_refused_is_not_remembered() {
    let ring = ring(&[(1, &[Purpose::Act])]);
    let mut serials = Serials::default();
    let late = sign("a/on", 9, 1).verify(&ring, &mut serials, Accept::OnlyNew, NOW + 100 * SECOND);
    assert!(matches!(late, Err(TrustError::Expired(_))));
    assert!(
        sign("a/on", 1, 1)
            .verify(&ring, &mut serials, Accept::OnlyNew, NOW)
            .is_ok()
    );
}

#[test]
fn keyrings_are_read_with_places() {
    let sound = "version = 1\n[[key]]\nname = \"a\"\nprincipal = \"Ada\"\npublic = \"iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=\"\npurposes = [\"act\", \"playbook\"]\n";
    let ring = Keyring::parse(sound, "ring.toml").unwrap();
    let entry = ring.keys().next().unwrap();
    assert_eq!(entry.purposes, [Purpose::Act, Purpose::Playbook]);
    assert_eq!(
        Keyring::parse(&format!("version = 1\n{}", Keyring::entry_text(entry)), "r").unwrap(),
        ring
    );
    assert_eq!(entry.public, key(1).public());
    let mut told = String::new();
    for text in [
        String::new(),
        "version = 2".to_owned(),
        sound.replace("principal", "principle"),
        sound.replace("\"Ada\"", "\"\""),
        sound.replace("iojj", "io"),
        sound.replace("\"act\"", "\"acts\""),
        format!("{sound}{}", sound.replace("version = 1\n", "")),
    ] {
        told.push_str(&format!("{}\n", Keyring::parse(&text, "ring.toml").unwrap_err()));
    }
    expect![[r#"
        ring.toml:1: missing field `version`; a key has name, principal, public, purposes and, where it is revoked, revoked
        ring.toml:1: keyring version 2; this program reads version 1
        ring.toml:4: unknown field `principle`, expected one of `name`, `principal`, `public`, `purposes`, `revoked`; a key has name, principal, public, purposes and, where it is revoked, revoked
        ring.toml:4: the principal is empty; name a person of the city file, or a box
        ring.toml:5: this is no public key; write what `citywall keys show FILE` prints: 44 characters
        ring.toml:6: unknown purpose "acts"; use one of playbook, act, journal-head, model, allow-list, policy-proposal, rules, evidence
        ring.toml:8: key a and key a are the same, or have one name; keep one of the two
    "#]].assert_eq(&told);
}

#[test]
fn keys_are_read_as_other_programs_write_them() {
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    // The example of RFC 8410, section 10.3, and its public key, section 10.1.
    let key = SigningKey::from_pem(pem).unwrap();
    assert_eq!(
        key.public().text(),
        "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
    );
    let seed = [9; 32];
    let read = SigningKey::from_pem(&SigningKey::seed_to_pem(&seed)).unwrap();
    assert_eq!(read.public(), SigningKey::from_seed(&seed).unwrap().public());
    for wrong in [
        "",
        "-----BEGIN PRIVATE KEY-----",
        &pem.replace("MC4", "MC5"),
        &pem.replace("PRIVATE", "PUBLIC"),
    ] {
        assert!(SigningKey::from_pem(wrong).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn no_turned_bit_is_believed(text in "[a-z]{1,8}/[ -~]{0,40}", serial: u64, at: prop::sample::Index, bit in 0u8..8) {
        let ring = ring(&[(1, &Purpose::ALL)]);
        let signed = sign(&text, serial, 1);
        let mut bytes = signed.to_json().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(read) = Signed::<Note>::parse(&bytes) {
            let verified = read.verify(&ring, &mut Serials::default(), Accept::OnlyNew, NOW);
            prop_assert!(verified.is_err(), "byte {} bit {}: {:?}", at, bit, verified);
        }
    }

    #[test]
    fn the_signed_form_tells_statements_apart(
        a in ("[a-z/]{1,6}", 0u64..3, prop::option::of(0i64..3), prop::collection::vec(any::<u8>(), 0..4)),
        b in ("[a-z/]{1,6}", 0u64..3, prop::option::of(0i64..3), prop::collection::vec(any::<u8>(), 0..4)),
    ) {
        let form = |(subject, serial, expires, payload): &(String, u64, Option<i64>, Vec<u8>)| {
            let statement = Statement {
                purpose: Purpose::Act,
                subject: subject.clone(),
                serial: *serial,
                issued: 0,
                expires: *expires,
            };
            Envelope::sign(statement, payload.clone(), &key(1)).unwrap().signed_form()
        };
        prop_assert_eq!(form(&a) == form(&b), a == b);
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(envelope) = Envelope::parse(&bytes) {
            prop_assert_eq!(Envelope::parse(envelope.to_json().as_bytes()).unwrap(), envelope);
        }
    }
}

#[test]
fn limits_hold() {
    let long = Note(format!("{}/", "a".repeat(600)));
    assert!(matches!(
        Signed::sign(&long, 1, NOW, None, &key(1)),
        Err(TrustError::TooLarge { .. })
    ));
    let huge = Note(format!("a/{}", "b".repeat(crate::limits::PAYLOAD)));
    assert!(matches!(
        Signed::sign(&huge, 1, NOW, None, &key(1)),
        Err(TrustError::TooLarge { .. })
    ));
    assert!(Signed::sign(&Note("/x".to_owned()), 1, NOW, None, &key(1)).is_err());
    assert_eq!(Note::PURPOSE, Purpose::Act);
    assert!(Envelope::parse(&vec![b' '; crate::limits::FILE + 1]).is_err());
}
