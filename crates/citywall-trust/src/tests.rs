//! Forged, replayed, cut and turned bits: none is believed.

mod files;
mod journal;
mod signed;

use crate::{KeyEntry, Keyring, Payload, Purpose, SigningKey};

/// A time of the tests: 2026-11-22T15:47:19Z.
const NOW: i64 = 1_795_362_439_000_000_000;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).expect("a seed")
}

fn ring(entries: &[(u8, &[Purpose])]) -> Keyring {
    let mut ring = Keyring::default();
    for (seed, purposes) in entries {
        ring.add(KeyEntry {
            name: format!("key-{seed}"),
            principal: format!("Person {seed}"),
            public: key(*seed).public(),
            purposes: purposes.to_vec(),
            revoked: None,
        })
        .expect("other keys");
    }
    ring
}

/// A payload of the tests: its text, with its subject before a slash.
#[derive(Clone, Debug, PartialEq)]
struct Note(String);

impl Payload for Note {
    const PURPOSE: Purpose = Purpose::Act;

    fn subject(&self) -> String {
        self.0.split('/').next().unwrap_or_default().to_owned()
    }

    fn encode(&self) -> Vec<u8> {
        self.0.clone().into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<Note, String> {
        let text = String::from_utf8(bytes.to_vec()).map_err(|e| e.to_string())?;
        Ok(Note(text))
    }
}

/// A folder that goes with the test.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("citywall-trust-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
