//! The journal's file, as the enforcer uses it.
//!
//! Owns: entries of the governor and of what people asked, written before anything that follows
//! from them is done; what happens where the disk is full. Does not own: the chain
//! (`citywall-trust`), the entries' form (`citywall-response`).
//!
//! While the journal cannot be written nothing new is put in force. What takes back goes on, and is
//! kept to be written once there is room.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use citywall_event::Nanos;
use citywall_response::Entry;
use citywall_trust::journal::{self, Journal, JournalError, Options};

/// Kind of the governor's entries.
const RESPONSE: &str = "response";
/// Kind of what people asked.
const ASKED: &str = "asked";
/// Entries that are kept while nothing can be written. What is beyond is lost, and counted.
const KEPT: usize = 4_096;

/// The journal.
pub struct Record {
    folder: PathBuf,
    journal: Option<Journal>,
    trouble: Option<String>,
    kept: Vec<(&'static str, String)>,
    /// Entries that were lost.
    pub lost: u64,
}

impl Record {
    /// Opens or begins it, and reads the governor's entries, oldest first.
    ///
    /// # Errors
    /// Where it cannot be read or written, or was changed.
    pub fn open(folder: &Path) -> anyhow::Result<(Record, Vec<Entry>)> {
        let (journal, opened) = Journal::open(folder, Options::default(), None)?;
        if opened.cut > 0 {
            log::warn!(
                "the journal ended within an entry: {} bytes were cut off, of which nothing came",
                opened.cut
            );
        }
        let (all, _) = journal::read(folder)?;
        let mut entries = Vec::new();
        for entry in all.iter().filter(|e| e.kind == RESPONSE) {
            let read = Entry::parse(&entry.body.to_string())
                .with_context(|| format!("journal entry {}: not one that this citywall knows", entry.seq))?;
            entries.push(read);
        }
        let record = Record {
            folder: folder.to_owned(),
            journal: Some(journal),
            trouble: None,
            kept: Vec::new(),
            lost: 0,
        };
        Ok((record, entries))
    }

    /// Why nothing can be written, where that is so.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Writes what the governor says; when this is true it is on the disk.
    pub fn write(&mut self, wall: Nanos, entries: &[Entry]) -> bool {
        let texts = entries.iter().map(|e| (RESPONSE, e.to_json()));
        self.append(wall, texts.collect())
    }

    /// Writes what a person asked, as JSON.
    pub fn asked(&mut self, wall: Nanos, body: String) -> bool {
        self.append(wall, vec![(ASKED, body)])
    }

    /// Tries again where something could not be written. True where all is well.
    pub fn retry(&mut self, wall: Nanos) -> bool {
        self.append(wall, Vec::new())
    }

    fn append(&mut self, wall: Nanos, texts: Vec<(&'static str, String)>) -> bool {
        let room = KEPT.saturating_sub(self.kept.len());
        self.lost += texts.len().saturating_sub(room) as u64;
        self.kept.extend(texts.into_iter().take(room));
        if self.kept.is_empty() && self.trouble.is_none() {
            return true;
        }
        match self.flush(wall) {
            Ok(()) => {
                if self.trouble.take().is_some() {
                    log::warn!("the journal is written again");
                }
                self.kept.clear();
                true
            }
            Err(error) => {
                if self.trouble.is_none() {
                    log::error!("{error}; nothing new is put in force until then, undoing goes on");
                }
                self.trouble = Some(error.to_string());
                false
            }
        }
    }

    fn flush(&mut self, wall: Nanos) -> Result<(), JournalError> {
        if self.journal.is_none() {
            self.journal = Some(Journal::open(&self.folder, Options::default(), None)?.0);
        }
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        let texts: Vec<(&str, &str)> = self
            .kept
            .iter()
            .map(|(kind, text)| (*kind, text.as_str()))
            .collect();
        if texts.is_empty() {
            return Ok(());
        }
        let written = journal.append_texts(wall, &texts);
        if matches!(written, Err(JournalError::Uncertain { .. })) {
            // Opened anew it is checked, and a torn end is cut off.
            self.journal = None;
        }
        written.map(|_| ())
    }

    /// The last entries as their lines' bodies, oldest first, with number, time and kind.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn last(&self, count: usize) -> anyhow::Result<Vec<journal::Entry>> {
        let (mut all, _) = journal::read(&self.folder)?;
        Ok(all.split_off(all.len().saturating_sub(count)))
    }
}
