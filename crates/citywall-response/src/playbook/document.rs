//! A playbook together with the text that it was read from: what a signature is over.
//!
//! Owns: the payload of `Signed<Document>`. The bytes that are signed are the file's own, so nothing
//! depends on how JSON is written anew. The standard's own signature objects are not looked at:
//! `docs/adr/0012-playbooks.md`.

use citywall_trust::{Payload, Purpose};

use super::error::PlaybookError;
use super::model::Playbook;

/// A text and the playbook that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    text: String,
    playbook: Playbook,
}

impl Document {
    /// Reads and checks a text.
    ///
    /// # Errors
    /// As `Playbook::parse`.
    pub fn parse(text: &str, file: &str) -> Result<Document, Vec<PlaybookError>> {
        Ok(Document {
            playbook: Playbook::parse(text, file)?,
            text: text.to_owned(),
        })
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The playbook.
    pub fn playbook(&self) -> &Playbook {
        &self.playbook
    }

    /// The playbook, without its text.
    pub fn into_playbook(self) -> Playbook {
        self.playbook
    }
}

impl Payload for Document {
    const PURPOSE: Purpose = Purpose::Playbook;

    fn subject(&self) -> String {
        self.playbook.id.clone()
    }

    fn encode(&self) -> Vec<u8> {
        self.text.clone().into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<Document, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is no UTF-8 text".to_owned())?;
        Document::parse(text, "signed playbook").map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            lines.join("\n")
        })
    }
}
