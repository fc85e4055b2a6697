//! Nothing goes backward: the highest serial of each signer, purpose and subject.
//!
//! Owns: the memory and its text. It never forgets: a full memory refuses. Does not own: reading
//! and writing its file (`files`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Envelope, KeyId, Purpose, TrustError, hex};

/// Subjects that are remembered.
const SUBJECTS: usize = 65_536;

/// What is accepted besides a higher serial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// Nothing: the statement acts once, when it is heard.
    OnlyNew,
    /// The very statement that has the highest serial: it holds as long as it is not replaced, and
    /// is read at each start.
    NewOrSame,
}

/// The highest serials that were seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Serials {
    /// The serial, and the digest of the statement that had it.
    known: BTreeMap<(KeyId, Purpose, String), (u64, [u8; 32])>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    citywall_serials: u64,
    serials: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    key: String,
    purpose: String,
    subject: String,
    serial: u64,
    digest: String,
}

impl Serials {
    /// Would the statement be accepted?
    ///
    /// # Errors
    /// `Serial`, `Conflict`, `SerialsFull`.
    pub fn check(&self, envelope: &Envelope, accept: Accept) -> Result<(), TrustError> {
        let statement = &envelope.statement;
        let (serial, subject) = (statement.serial, statement.subject.clone());
        let slot = (envelope.key, statement.purpose, subject.clone());
        let Some(&(known, digest)) = self.known.get(&slot) else {
            return match self.known.len() {
                full if full >= SUBJECTS => Err(TrustError::SerialsFull(full)),
                _ => Ok(()),
            };
        };
        let same = digest == envelope.digest();
        match serial.cmp(&known) {
            std::cmp::Ordering::Greater => Ok(()),
            std::cmp::Ordering::Equal if !same => Err(TrustError::Conflict { serial, subject }),
            std::cmp::Ordering::Equal if accept == Accept::NewOrSame => Ok(()),
            _ => Err(TrustError::Serial {
                found: serial,
                known,
                subject,
            }),
        }
    }

    /// Remembers a statement that was checked.
    pub(crate) fn remember(&mut self, envelope: &Envelope) {
        let statement = &envelope.statement;
        let slot = (envelope.key, statement.purpose, statement.subject.clone());
        self.known.insert(slot, (statement.serial, envelope.digest()));
    }

    /// The highest serial of a subject; the next one to sign with is above it.
    pub fn highest(&self, key: KeyId, purpose: Purpose, subject: &str) -> Option<u64> {
        self.known
            .get(&(key, purpose, subject.to_owned()))
            .map(|(serial, _)| *serial)
    }

    /// The memory as text.
    pub fn to_json(&self) -> String {
        let row =
            |((key, purpose, subject), (serial, digest)): (&(KeyId, Purpose, String), &(u64, [u8; 32]))| {
                Row {
                    key: key.hex(),
                    purpose: purpose.name().to_owned(),
                    subject: subject.clone(),
                    serial: *serial,
                    digest: hex::encode(digest),
                }
            };
        let file = File {
            citywall_serials: 1,
            serials: self.known.iter().map(row).collect(),
        };
        serde_json::to_string_pretty(&file).unwrap_or_default()
    }

    /// Reads the memory. `file` is only for messages.
    ///
    /// # Errors
    /// `Text`: a memory that cannot be read must not count as an empty one.
    pub fn parse(text: &str, file: &str) -> Result<Serials, TrustError> {
        let wrong = |line: usize, what: String| TrustError::Text {
            file: file.to_owned(),
            line,
            what,
            fix: "restore it from a backup; without it, old statements could be played again".to_owned(),
        };
        let read: File = serde_json::from_str(text).map_err(|e| wrong(e.line(), e.to_string()))?;
        if read.citywall_serials != 1 {
            let what = format!(
                "version {} of the memory of serials is not known",
                read.citywall_serials
            );
            return Err(wrong(1, what));
        }
        let mut serials = Serials::default();
        for row in read.serials {
            let key = KeyId::parse(&row.key);
            let digest = hex::decode(row.digest.as_bytes());
            let (Some(key), Some(purpose), Some(digest)) = (key, Purpose::parse(&row.purpose), digest) else {
                return Err(wrong(1, format!("the entry of {:?} cannot be read", row.subject)));
            };
            let slot = (key, purpose, row.subject);
            if serials.known.len() >= SUBJECTS || serials.known.insert(slot, (row.serial, digest)).is_some() {
                return Err(wrong(
                    1,
                    "an entry stands twice, or there are too many".to_owned(),
                ));
            }
        }
        Ok(serials)
    }
}
