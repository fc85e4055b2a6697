//! Reading and proving a journal, all its files.
//!
//! Owns: the order of the files, and what `verify` says. Changes nothing. Does not own: cutting off
//! torn ends (`writer`).

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Break, Chain, End, Entry, FILE, HEAD, Head, JournalError, NAME, read_entries};
use crate::{Keyring, Signed, TrustError};

/// What a journal proves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verification {
    /// Files, in their order.
    pub files: u64,
    /// Sound entries.
    pub entries: u64,
    /// The number of the first entry that is left; 1 where none was removed.
    pub first: u64,
    /// Where the sound part of the chain stands at its end.
    pub head: Chain,
    /// Bytes of a torn last line.
    pub torn: u64,
    /// The last head whose signature was checked: up to it the journal is proved, not only whole.
    pub signed: Option<u64>,
    /// The first place that is wrong: file, and where in it.
    pub broken: Option<(String, Break)>,
}

impl Verification {
    /// Is it whole, to its last byte?
    pub fn is_whole(&self) -> bool {
        self.broken.is_none() && self.torn == 0
    }
}

/// The closed files of a journal, the oldest first.
pub(super) fn parts(folder: &Path) -> std::io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.strip_prefix(NAME)?.strip_prefix('.')?.parse().ok());
        if let Some(number) = number {
            found.push((number, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

pub(super) fn bytes_of(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Walks over all sound entries; gives what the chain alone proves.
fn walk(
    folder: &Path,
    mut each: impl FnMut(&Entry, Chain) -> Result<(), String>,
) -> Result<Verification, JournalError> {
    let io = |path: &Path, error| JournalError::Io {
        file: path.display().to_string(),
        error,
    };
    let mut paths: Vec<PathBuf> = parts(folder)
        .map_err(|e| io(folder, e))?
        .into_iter()
        .map(|(_, path)| path)
        .collect();
    // Between two files of a rotation there may be none.
    paths.push(folder.join(NAME));
    let mut found = Verification::default();
    let mut chain = None;
    let last = paths.len() - 1;
    for (index, path) in paths.iter().enumerate() {
        let bytes = match bytes_of(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && index == last && index > 0 => break,
            other => other.map_err(|e| io(path, e))?,
        };
        found.files += 1;
        let contents = read_entries(&bytes, chain);
        let mut before = contents.before;
        for (line, entry) in contents.entries.iter().enumerate() {
            if found.entries == 0 {
                found.first = entry.seq;
            }
            let after = Chain {
                seq: entry.seq,
                hash: entry.hash,
            };
            if let Err(what) = each(entry, before) {
                let at = Break {
                    line: line as u64 + 1,
                    offset: 0,
                    what,
                };
                found.broken = Some((path.display().to_string(), at));
                return Ok(found);
            }
            found.entries += 1;
            (before, found.head) = (after, after);
        }
        chain = Some(contents.after);
        let torn = |offset| Break {
            line: contents.entries.len() as u64 + 1,
            offset,
            what: "a closed file ends within a line".to_owned(),
        };
        match contents.end {
            End::Whole => {}
            End::Torn(at) if index == last => found.torn = bytes.len() as u64 - at,
            End::Torn(at) => found.broken = Some((path.display().to_string(), torn(at))),
            End::Broken(at) => found.broken = Some((path.display().to_string(), at)),
        }
        if found.broken.is_some() {
            return Ok(found);
        }
    }
    Ok(found)
}

/// All sound entries of a journal, the oldest first, and what the chain proves.
///
/// # Errors
/// Where a file cannot be read. A broken journal is no error: it says so itself.
pub fn read(folder: &Path) -> Result<(Vec<Entry>, Verification), JournalError> {
    let mut entries = Vec::new();
    let found = walk(folder, |entry, _| {
        entries.push(entry.clone());
        Ok(())
    })?;
    Ok((entries, found))
}

/// Proves a journal: the chain, each signed head by the keyring, and a head that was kept elsewhere.
///
/// # Errors
/// Where a file cannot be read.
pub fn verify(folder: &Path, ring: &Keyring, kept: Option<&Head>) -> Result<Verification, JournalError> {
    let mut signed = None;
    let mut met = kept.is_none_or(|head| head.seq == 0);
    let mut found = walk(folder, |entry, before| {
        if let Some(head) = kept.filter(|head| head.seq == entry.seq) {
            met = head.hash == entry.hash;
            if !met {
                return Err(format!(
                    "entry {} is not the one that was there when its head was kept",
                    entry.seq
                ));
            }
        }
        if entry.kind == HEAD {
            signed = check_head(entry, before, ring)?.or(signed);
        }
        Ok(())
    })?;
    found.signed = signed;
    if let Some(head) = kept
        && !met
        && found.broken.is_none()
    {
        let what = format!(
            "the journal ends at entry {}, but had entry {} once: its end was cut off",
            found.head.seq, head.seq
        );
        let at = Break {
            line: 0,
            offset: 0,
            what,
        };
        found.broken = Some((folder.join(NAME).display().to_string(), at));
    }
    Ok(found)
}

/// Is this a head of the chain as it stood before? `None`: signed by a key that is not believed,
/// which proves nothing, but breaks nothing.
fn check_head(entry: &Entry, before: Chain, ring: &Keyring) -> Result<Option<u64>, String> {
    let text = entry.body.to_string();
    let signed: Signed<Head> = Signed::parse(text.as_bytes()).map_err(|e| e.to_string())?;
    let head = match signed.verify_without_serial(ring, entry.at) {
        Ok(head) => head.into_value(),
        Err(TrustError::UnknownKey(_) | TrustError::Revoked { .. } | TrustError::NotAllowed { .. }) => {
            return Ok(None);
        }
        Err(error) => return Err(error.to_string()),
    };
    if head.seq != before.seq || head.hash != before.hash {
        return Err("the signed head is that of another place of the journal".to_owned());
    }
    Ok(Some(head.seq))
}
