//! A signed head: the box says how far its journal had come.
//!
//! Owns: what is signed. Does not own: when (`writer`), and keeping heads elsewhere, which is what
//! makes a cut-off end show.

use serde::{Deserialize, Serialize};

use crate::{Payload, Purpose, hex};

/// How far a journal had come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The journal's name: that of the box.
    pub journal: String,
    /// The last entry's number.
    pub seq: u64,
    /// The last entry's hash.
    pub hash: [u8; 32],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    journal: String,
    seq: u64,
    hash: String,
}

impl Payload for Head {
    const PURPOSE: Purpose = Purpose::JournalHead;

    fn subject(&self) -> String {
        self.journal.clone()
    }

    fn encode(&self) -> Vec<u8> {
        let text = Text {
            journal: self.journal.clone(),
            seq: self.seq,
            hash: hex::encode(&self.hash),
        };
        serde_json::to_vec(&text).unwrap_or_default()
    }

    fn decode(bytes: &[u8]) -> Result<Head, String> {
        let text: Text = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        Ok(Head {
            journal: text.journal,
            seq: text.seq,
            hash: hex::decode(text.hash.as_bytes()).ok_or("`hash` is no hash")?,
        })
    }
}
