//! Writing the journal: an entry is on the disk before anybody is told that it is recorded.
//!
//! Owns: the open file, its lock, flushing, what a crash or a full disk left, rotation, signed heads.
//! Does not own: the line's form (`chain`).

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use citywall_event::Nanos;
use rustix::fs::OFlags;
use serde::Serialize;

use super::reader::parts;
use super::{Chain, End, Entry, FILE, HEAD, Head, JournalError, NAME, PART, read_entries};
use crate::{Signed, SigningKey, files};

/// How a journal is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The journal's name in signed heads: that of the box.
    pub name: String,
    /// A file that has become this large is closed, and the next one begun.
    pub rotate: u64,
    /// Entries between two signed heads.
    pub sign_every: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            name: "journal".to_owned(),
            rotate: 64 << 20,
            sign_every: 256,
        }
    }
}

/// What was found when a journal was opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Opened {
    /// The entries of the file that is continued; those of closed files are read by `read`.
    pub entries: Vec<Entry>,
    /// Bytes of a torn last line that were cut off: an entry that nobody was told is recorded.
    pub cut: u64,
}

/// A journal that is written.
#[derive(Debug)]
pub struct Journal {
    options: Options,
    path: PathBuf,
    file: File,
    chain: Chain,
    /// Bytes of whole, flushed lines.
    length: u64,
    unsigned: u64,
    key: Option<SigningKey>,
    uncertain: bool,
}

impl Journal {
    /// Opens the journal in a folder, or begins one; the folder is made where it is absent. Where a
    /// crash left a piece of a line, it is cut off and told. The key signs heads.
    ///
    /// # Errors
    /// `Broken` where the file is not what was written; `Taken`; `Io`.
    pub fn open(
        folder: &Path,
        options: Options,
        key: Option<SigningKey>,
    ) -> Result<(Journal, Opened), JournalError> {
        let path = folder.join(NAME);
        let io = |error| io_error(&path, error);
        if !folder.is_dir() {
            let mut builder = std::fs::DirBuilder::new();
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.recursive(true).create(folder).map_err(io)?;
        }
        let fresh = !path.exists();
        let file = open_file(&path, true)?;
        if fresh {
            files::sync_folder(&path).map_err(io)?;
        }
        let mut journal = Journal {
            options,
            file,
            chain: Chain::default(),
            length: 0,
            unsigned: 0,
            key,
            uncertain: false,
            path,
        };
        let opened = journal.take_up(folder)?;
        Ok((journal, opened))
    }

    /// Reads what is there, cuts a torn end, and finds where the chain stands.
    fn take_up(&mut self, folder: &Path) -> Result<Opened, JournalError> {
        let size = self.file.metadata().map_err(|e| io_error(&self.path, e))?.len();
        // A part of a file must not be taken for a torn whole.
        if size > FILE {
            let error = std::io::Error::other(format!("it has {size} bytes, more than {FILE}"));
            return Err(io_error(&self.path, error));
        }
        let mut bytes = Vec::new();
        (&self.file)
            .take(FILE)
            .read_to_end(&mut bytes)
            .map_err(|e| io_error(&self.path, e))?;
        let closed = parts(folder).map_err(|e| io_error(&self.path, e))?;
        let before = match closed.last() {
            Some(last) => Some(end_of(last)?),
            None => None,
        };
        let contents = read_entries(&bytes, before);
        let cut = match contents.end {
            End::Whole => 0,
            End::Torn(at) => {
                self.file
                    .set_len(at)
                    .and_then(|()| self.file.sync_all())
                    .map_err(|e| io_error(&self.path, e))?;
                bytes.len() as u64 - at
            }
            End::Broken(at) => {
                return Err(JournalError::Broken {
                    file: self.path.display().to_string(),
                    at,
                });
            }
        };
        self.chain = contents.after;
        self.length = contents.sound;
        let signed = contents.entries.iter().rposition(|e| e.kind == HEAD);
        self.unsigned = (contents.entries.len() - signed.map_or(0, |at| at + 1)) as u64;
        // A crash between closing a file and beginning the next one.
        if contents.entries.is_empty() && !closed.is_empty() {
            self.begin_part(0)?;
        }
        Ok(Opened {
            entries: contents.entries,
            cut,
        })
    }

    /// Where the chain stands.
    pub fn head(&self) -> Chain {
        self.chain
    }

    /// The file that is written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records one entry. When this returns, it is on the disk.
    ///
    /// # Errors
    /// Nothing is recorded then. A full disk is an `Io`; the journal can go on once there is room.
    pub fn append(&mut self, at: Nanos, kind: &str, body: &impl Serialize) -> Result<Chain, JournalError> {
        let body = serde_json::to_string(body).map_err(|e| JournalError::Entry(e.to_string()))?;
        self.append_texts(at, &[(kind, &body)])
    }

    /// Records several entries with one flush, all or none; bodies are JSON text.
    ///
    /// # Errors
    /// As `append`.
    pub fn append_texts(&mut self, at: Nanos, entries: &[(&str, &str)]) -> Result<Chain, JournalError> {
        let chain = self.write(at, entries)?;
        if self.key.is_some() && self.unsigned >= self.options.sign_every.max(1) {
            self.sign_head(at)?;
        }
        if self.length >= self.options.rotate.clamp(1, FILE / 2) {
            self.rotate(at)?;
        }
        Ok(chain)
    }

    fn write(&mut self, at: Nanos, entries: &[(&str, &str)]) -> Result<Chain, JournalError> {
        if self.uncertain {
            return Err(JournalError::Uncertain {
                file: self.path.display().to_string(),
            });
        }
        let (mut text, mut chain) = (String::new(), self.chain);
        for (kind, body) in entries {
            let (line, next) = chain.line(at, kind, body)?;
            text.push_str(&line);
            chain = next;
        }
        if let Err(error) = self.file.write_all(text.as_bytes()) {
            // Part of the line may stand there; without it the file is as it was.
            self.uncertain = self.file.set_len(self.length).is_err();
            return Err(io_error(&self.path, error));
        }
        if let Err(error) = self.file.sync_data() {
            // What the disk holds now is unknown, and a second flush would not tell.
            self.uncertain = true;
            return Err(io_error(&self.path, error));
        }
        self.length += text.len() as u64;
        self.unsigned += entries.len() as u64;
        self.chain = chain;
        Ok(chain)
    }

    /// Records a signed head of what stands in the journal. Without a key there is nothing to sign
    /// with, and nothing happens.
    ///
    /// # Errors
    /// As `append`.
    pub fn sign_head(&mut self, at: Nanos) -> Result<(), JournalError> {
        let Some(key) = &self.key else { return Ok(()) };
        let head = Head {
            journal: self.options.name.clone(),
            seq: self.chain.seq,
            hash: self.chain.hash,
        };
        let signed = Signed::sign(&head, self.chain.seq, at, None, key)?.to_json();
        self.write(at, &[(HEAD, &signed)])?;
        self.unsigned = 0;
        Ok(())
    }

    /// Ends with a signed head.
    ///
    /// # Errors
    /// As `append`; what was recorded before stands.
    pub fn close(mut self, at: Nanos) -> Result<Chain, JournalError> {
        if self.unsigned > 0 {
            self.sign_head(at)?;
        }
        Ok(self.chain)
    }

    /// Closes the file and begins the next one; the chain goes on.
    ///
    /// # Errors
    /// As `append`; the entries stand in one of the two files.
    pub fn rotate(&mut self, at: Nanos) -> Result<(), JournalError> {
        if self.length == 0 {
            return Ok(());
        }
        if self.unsigned > 0 {
            self.sign_head(at)?;
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let io = |error| io_error(&self.path, error);
        let number = parts(folder).map_err(io)?.last().map_or(1, |(n, _)| n + 1);
        let closed = folder.join(format!("{NAME}.{number}"));
        std::fs::rename(&self.path, closed).map_err(io)?;
        let next = open_file(&self.path, true);
        // Until the next file is there, nothing may be written: the old one is closed.
        self.uncertain = next.is_err();
        self.file = next?;
        files::sync_folder(&self.path).map_err(|e| io_error(&self.path, e))?;
        self.length = 0;
        self.begin_part(at)
    }

    /// The first entry of a file that continues another: it carries the chain.
    fn begin_part(&mut self, at: Nanos) -> Result<(), JournalError> {
        let body = format!(r#"{{"continues":{}}}"#, self.chain.seq);
        self.write(at, &[(PART, &body)])?;
        Ok(())
    }
}

fn io_error(path: &Path, error: std::io::Error) -> JournalError {
    JournalError::Io {
        file: path.display().to_string(),
        error,
    }
}

fn open_file(path: &Path, lock: bool) -> Result<File, JournalError> {
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .open(path)
        .map_err(|e| io_error(path, e))?;
    if lock {
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => JournalError::Taken {
                file: path.display().to_string(),
            },
            TryLockError::Error(error) => io_error(path, error),
        })?;
    }
    Ok(file)
}

/// Where the chain stands at the end of a closed file.
fn end_of((_, path): &(u64, PathBuf)) -> Result<Chain, JournalError> {
    let bytes = super::reader::bytes_of(path).map_err(|e| io_error(path, e))?;
    let contents = read_entries(&bytes, None);
    match contents.end {
        End::Whole => Ok(contents.after),
        End::Torn(offset) => Err(JournalError::Broken {
            file: path.display().to_string(),
            at: super::Break {
                line: contents.entries.len() as u64 + 1,
                offset,
                what: "a closed file ends within a line".to_owned(),
            },
        }),
        End::Broken(at) => Err(JournalError::Broken {
            file: path.display().to_string(),
            at,
        }),
    }
}

#[cfg(test)]
impl Journal {
    /// A journal on a device that is always full.
    pub(crate) fn on_full_disk() -> Journal {
        let path = PathBuf::from("/dev/full");
        Journal {
            options: Options::default(),
            file: open_file(&path, false).expect("/dev/full"),
            path,
            chain: Chain::default(),
            length: 0,
            unsigned: 0,
            key: None,
            uncertain: false,
        }
    }
}
