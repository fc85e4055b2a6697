//! Signed files, keyrings, memories of serials, journals.
//!
//! The laws: nothing is believed that was not signed, what is read is written again alike, and the
//! sound part of a journal is sound alone.

use citywall_trust::journal::{Chain, End, read_entries};
use citywall_trust::{Accept, Envelope, KeyEntry, Keyring, Payload, Purpose, Serials, Signed, SigningKey};

/// When the seeds were signed.
pub const NOW: i64 = 1_795_362_439_000_000_000;
/// What the seeds say, each of which was signed.
pub const SAID: [&str; 3] = ["signals/deny-command", "cctv/quarantine", "x"];

/// The key that signs the seeds.
pub fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).expect("a seed")
}

/// A text as payload.
pub struct Said(pub String);

impl Payload for Said {
    const PURPOSE: Purpose = Purpose::Act;

    fn subject(&self) -> String {
        self.0.split('/').next().unwrap_or_default().to_owned()
    }

    fn encode(&self) -> Vec<u8> {
        self.0.clone().into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<Said, String> {
        String::from_utf8(bytes.to_vec())
            .map(Said)
            .map_err(|e| e.to_string())
    }
}

/// A signed file.
pub fn envelope(data: &[u8]) {
    let Ok(envelope) = Envelope::parse(data) else {
        return;
    };
    let text = envelope.to_json();
    assert_eq!(Envelope::parse(text.as_bytes()).as_ref(), Ok(&envelope));
    let mut ring = Keyring::default();
    let entry = KeyEntry {
        name: "fuzz".to_owned(),
        principal: "Fuzz".to_owned(),
        public: key().public(),
        purposes: Purpose::ALL.to_vec(),
        revoked: None,
    };
    ring.add(entry).expect("one key");
    let signed: Signed<Said> = Signed::parse(data).expect("parsed before");
    let mut serials = Serials::default();
    if let Ok(verified) = signed.verify(&ring, &mut serials, Accept::OnlyNew, NOW) {
        assert!(
            SAID.contains(&verified.value().0.as_str()),
            "believed: {:?}",
            verified.value().0
        );
        assert!(
            signed.verify(&ring, &mut serials, Accept::OnlyNew, NOW).is_err(),
            "replayed"
        );
    }
}

/// A journal's file.
pub fn journal(data: &[u8]) {
    for from in [None, Some(Chain::default())] {
        let contents = read_entries(data, from);
        let sound = contents.sound as usize;
        assert!(sound <= data.len());
        let again = read_entries(&data[..sound], from);
        assert_eq!(again.end, End::Whole);
        assert_eq!(again.entries, contents.entries);
        assert!(contents.entries.windows(2).all(|w| w[1].seq == w[0].seq + 1));
        if contents.end == End::Whole {
            assert_eq!(sound, data.len());
        }
    }
}

/// A keyring, a private key, or a memory of serials.
pub fn keyring(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(ring) = Keyring::parse(text, "ring") {
        let entries: String = ring.keys().map(Keyring::entry_text).collect();
        let again = Keyring::parse(&format!("version = 1\n{entries}"), "ring");
        assert_eq!(again.as_ref(), Ok(&ring));
    }
    if let Ok(serials) = Serials::parse(text, "serials") {
        assert_eq!(
            Serials::parse(&serials.to_json(), "serials").as_ref(),
            Ok(&serials)
        );
    }
    std::hint::black_box(SigningKey::from_pem(text).is_ok());
}
