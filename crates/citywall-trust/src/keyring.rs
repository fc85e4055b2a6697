//! The keyring: whose keys are believed, for what.
//!
//! Owns: the file's text and its errors. A keyring holds public keys alone. Does not own: the
//! people (the city file names them; `principal` is a person's name there), and reading files.
//!
//! ```toml
//! version = 1
//!
//! [[key]]
//! # For messages; unique in the file.
//! name = "ada-2026"
//! # The person of the city file, or the box, whose key it is.
//! principal = "Ada Example"
//! # `citywall keys show FILE` prints it.
//! public = "KrHEYs8W2GYLVzDlBAdJv5ifG6G8s4PN8ZyuTRgMe0M="
//! # What its signatures are believed for.
//! purposes = ["act", "playbook"]
//! # Where the key is no longer to be believed: why. Then none of its signatures is, old or new,
//! # since who has the key chooses the date.
//! #revoked = ""
//! ```

use serde::Deserialize;

use crate::{KeyId, PublicKey, Purpose, TrustError};

/// Bytes of a keyring, and keys in it.
const BYTES: usize = 1 << 20;
const KEYS: usize = 4_096;

/// One key that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// Name for messages.
    pub name: String,
    /// Whose it is.
    pub principal: String,
    /// The key.
    pub public: PublicKey,
    /// What its signatures are believed for.
    pub purposes: Vec<Purpose>,
    /// Why it is no longer believed.
    pub revoked: Option<String>,
}

/// The keys that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyring {
    keys: Vec<(KeyId, KeyEntry)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: toml::Spanned<u64>,
    #[serde(default)]
    key: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: toml::Spanned<String>,
    principal: toml::Spanned<String>,
    public: toml::Spanned<String>,
    purposes: Vec<toml::Spanned<String>>,
    revoked: Option<String>,
}

impl Keyring {
    /// Reads a keyring. `file` is only for messages.
    ///
    /// # Errors
    /// `Text` with the line of the first thing that is wrong; `TooLarge`.
    pub fn parse(text: &str, file: &str) -> Result<Keyring, TrustError> {
        if text.len() > BYTES {
            return Err(TrustError::TooLarge {
                what: "the keyring",
                size: text.len(),
                most: BYTES,
            });
        }
        let wrong = |span: std::ops::Range<usize>, what: String, fix: String| TrustError::Text {
            file: file.to_owned(),
            line: 1 + text.bytes().take(span.start).filter(|b| *b == b'\n').count(),
            what,
            fix,
        };
        let read: File = toml::from_str(text).map_err(|error| {
            let what = error.message().to_owned();
            let fix = "a key has name, principal, public, purposes and, where it is revoked, revoked";
            wrong(error.span().unwrap_or(0..0), what, fix.to_owned())
        })?;
        if *read.version.get_ref() != 1 {
            let what = format!("keyring version {}", read.version.get_ref());
            let fix = "this program reads version 1".to_owned();
            return Err(wrong(read.version.span(), what, fix));
        }
        let mut ring = Keyring::default();
        for row in read.key {
            if row.name.get_ref().is_empty() || ring.keys.len() >= KEYS {
                let what = format!("a key without a name, or more than {KEYS} keys");
                return Err(wrong(
                    row.name.span(),
                    what,
                    "name it, or declare fewer".to_owned(),
                ));
            }
            if row.principal.get_ref().is_empty() {
                let fix = "name a person of the city file, or a box".to_owned();
                return Err(wrong(
                    row.principal.span(),
                    "the principal is empty".to_owned(),
                    fix,
                ));
            }
            let Some(public) = PublicKey::parse(row.public.get_ref()) else {
                let fix = "write what `citywall keys show FILE` prints: 44 characters".to_owned();
                return Err(wrong(row.public.span(), "this is no public key".to_owned(), fix));
            };
            let mut purposes = Vec::new();
            for word in row.purposes {
                match Purpose::parse(word.get_ref()) {
                    Some(purpose) if !purposes.contains(&purpose) => purposes.push(purpose),
                    Some(_) => {}
                    None => {
                        let what = format!("unknown purpose {:?}", word.get_ref());
                        return Err(wrong(
                            word.span(),
                            what,
                            format!("use one of {}", Purpose::names()),
                        ));
                    }
                }
            }
            let span = row.name.span();
            let entry = KeyEntry {
                name: row.name.into_inner(),
                principal: row.principal.into_inner(),
                public,
                purposes,
                revoked: row.revoked,
            };
            ring.add(entry)
                .map_err(|what| wrong(span, what, "keep one of the two".to_owned()))?;
        }
        Ok(ring)
    }

    /// Adds a key.
    ///
    /// # Errors
    /// In words, where the name or the key is there already.
    pub fn add(&mut self, entry: KeyEntry) -> Result<(), String> {
        let id = entry.public.id();
        if let Some((_, other)) = self
            .keys
            .iter()
            .find(|(known, other)| *known == id || other.name == entry.name)
        {
            return Err(format!(
                "key {} and key {} are the same, or have one name",
                other.name, entry.name
            ));
        }
        self.keys.push((id, entry));
        Ok(())
    }

    /// Finds a key.
    pub fn find(&self, id: KeyId) -> Option<&KeyEntry> {
        self.keys.iter().find(|(known, _)| *known == id).map(|(_, e)| e)
    }

    /// All keys, in the order of the file.
    pub fn keys(&self) -> impl Iterator<Item = &KeyEntry> {
        self.keys.iter().map(|(_, entry)| entry)
    }

    /// One entry as text for a keyring file.
    pub fn entry_text(entry: &KeyEntry) -> String {
        let quote = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let purposes: Vec<String> = entry.purposes.iter().map(|p| quote(p.name())).collect();
        let mut text = format!(
            "[[key]]\nname = {}\nprincipal = {}\npublic = {}\npurposes = [{}]\n",
            quote(&entry.name),
            quote(&entry.principal),
            quote(&entry.public.text()),
            purposes.join(", ")
        );
        if let Some(why) = &entry.revoked {
            text.push_str(&format!("revoked = {}\n", quote(why)));
        }
        text
    }
}
