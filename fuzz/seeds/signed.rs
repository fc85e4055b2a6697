//! Signed files, keyrings and journals.

use citywall_fuzz::trust::{NOW, SAID, Said, key};
use citywall_trust::journal::Chain;
use citywall_trust::{Accept, KeyEntry, Keyring, Purpose, Serials, Signed, SigningKey};

use crate::Seed;

pub fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let mut ring = Keyring::default();
    let entry = KeyEntry {
        name: "fuzz".to_owned(),
        principal: "Fuzz".to_owned(),
        public: key().public(),
        purposes: vec![Purpose::Act, Purpose::Playbook],
        revoked: None,
    };
    let revoked = KeyEntry {
        revoked: Some("lost".to_owned()),
        ..entry.clone()
    };
    let text = |entry: &KeyEntry| format!("version = 1\n{}", Keyring::entry_text(entry)).into_bytes();
    seeds.push(("keyring", "one-key".to_owned(), text(&entry)));
    seeds.push(("keyring", "revoked".to_owned(), text(&revoked)));
    seeds.push((
        "keyring",
        "private".to_owned(),
        SigningKey::seed_to_pem(&[7; 32]).into_bytes(),
    ));
    ring.add(entry).expect("one key");
    let mut serials = Serials::default();
    for (number, said) in SAID.iter().enumerate() {
        let expires = (number == 0).then_some(NOW + 3_600_000_000_000);
        let signed =
            Signed::sign(&Said((*said).to_owned()), number as u64 + 1, NOW, expires, &key()).expect("small");
        seeds.push((
            "envelope",
            format!("said-{number}"),
            signed.to_json().into_bytes(),
        ));
        signed
            .verify(&ring, &mut serials, Accept::OnlyNew, NOW)
            .expect("just signed");
    }
    seeds.push(("keyring", "serials".to_owned(), serials.to_json().into_bytes()));
    let (mut text, mut chain) = (String::new(), Chain::default());
    for (kind, body) in [
        ("decision", r#"{"n":1}"#),
        ("outcome", r#"["ü",null]"#),
        ("journal-part", r#"{"continues":2}"#),
    ] {
        let (line, next) = chain.line(NOW, kind, body).expect("sound");
        text.push_str(&line);
        chain = next;
    }
    let last = text.trim_end().rfind('\n').map_or(0, |at| at + 1);
    seeds.push((
        "journal",
        "continued".to_owned(),
        text[last..].as_bytes().to_vec(),
    ));
    seeds.push((
        "journal",
        "torn".to_owned(),
        text[..text.len() - 9].as_bytes().to_vec(),
    ));
    seeds.push(("journal", "three".to_owned(), text.into_bytes()));
    seeds
}
