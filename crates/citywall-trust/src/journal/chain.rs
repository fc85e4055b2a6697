//! The chain: how an entry becomes a line, and whether lines are what was written.
//!
//! Owns: the line's form and its check. Pure. Does not own: files.

use std::fmt;

use citywall_event::Nanos;
use ring::digest;
use serde::Deserialize;
use serde_json::Value;

use super::{JournalError, KIND, LINE, PART};
use crate::hex;
use crate::key::sha256;

const DOMAIN: &[u8] = b"citywall-journal/1\n";
/// `,"hash":"` + 64 digits + `"}`.
const TAIL: usize = 9 + 64 + 2;

/// Where a chain stands: the last entry's number and hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// The last entry's number; 0 before the first.
    pub seq: u64,
    /// The last entry's hash; zeros before the first.
    pub hash: [u8; 32],
}

/// One entry as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its number.
    pub seq: u64,
    /// When, by the writer's clock.
    pub at: Nanos,
    /// What sort of entry.
    pub kind: String,
    /// What was recorded.
    pub body: Value,
    /// Its hash.
    pub hash: [u8; 32],
}

/// The first place where lines are not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// Line of the file, from 1.
    pub line: u64,
    /// Byte at which the line begins.
    pub offset: u64,
    /// What does not fit.
    pub what: String,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: the journal is broken here (byte {}): {}",
            self.line, self.offset, self.what
        )
    }
}

/// How a file ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With a whole line, or it is empty.
    Whole,
    /// With a piece of a line, as a crash leaves it: it begins at this byte.
    Torn(u64),
    /// It is not what was written.
    Broken(Break),
}

/// What is in a file's bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// Where the chain stood before the first entry.
    pub before: Chain,
    /// The sound entries before the end or the break.
    pub entries: Vec<Entry>,
    /// Where the chain stands after them.
    pub after: Chain,
    /// Bytes of the sound entries.
    pub sound: u64,
    /// How it ends.
    pub end: End,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    v: u64,
    seq: u64,
    at: i64,
    prev: String,
    kind: String,
    body: Value,
    hash: String,
}

fn hash_of(covered: &[u8]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(DOMAIN);
    context.update(covered);
    sha256(context.finish())
}

impl Chain {
    /// The line of the next entry, with its line feed, and where the chain then stands. `body` is
    /// JSON text.
    ///
    /// # Errors
    /// `TooLong`, `Entry`.
    pub fn line(&self, at: Nanos, kind: &str, body: &str) -> Result<(String, Chain), JournalError> {
        let sound = !kind.is_empty()
            && kind.len() <= KIND
            && kind
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !sound {
            return Err(JournalError::Entry(format!(
                "{kind:?} is no kind: use at most {KIND} lower-case letters, digits and hyphens"
            )));
        }
        if body.contains(['\n', '\r']) {
            return Err(JournalError::Entry("its body holds a line break".to_owned()));
        }
        let seq = self
            .seq
            .checked_add(1)
            .ok_or_else(|| JournalError::Entry("the journal is full".to_owned()))?;
        let prev = hex::encode(&self.hash);
        let mut line =
            format!(r#"{{"v":1,"seq":{seq},"at":{at},"prev":"{prev}","kind":"{kind}","body":{body}"#);
        let hash = hash_of(line.as_bytes());
        line.push_str(r#","hash":""#);
        line.push_str(&hex::encode(&hash));
        line.push_str("\"}\n");
        if line.len() > LINE {
            return Err(JournalError::TooLong {
                kind: kind.to_owned(),
                size: line.len(),
            });
        }
        let next = Chain { seq, hash };
        // What is written must be readable: a body that is no JSON would break the journal.
        next_entry(Some(*self), line.trim_end_matches('\n').as_bytes()).map_err(JournalError::Entry)?;
        Ok((line, next))
    }

    /// Checks one line, without its line feed, as the next of the chain.
    ///
    /// # Errors
    /// In words.
    pub fn check(&self, line: &[u8]) -> Result<Entry, String> {
        next_entry(Some(*self), line)
    }
}

/// Checks a line; without a chain, as the first of the oldest file: it begins the journal, or continues
/// a file that was removed, and then its number and predecessor are believed.
fn next_entry(chain: Option<Chain>, line: &[u8]) -> Result<Entry, String> {
    let covered = line
        .len()
        .checked_sub(TAIL)
        .and_then(|at| line.split_at_checked(at));
    let Some((covered, tail)) = covered else {
        return Err("the line is too short".to_owned());
    };
    let said = tail
        .strip_prefix(br#","hash":""#)
        .and_then(|rest| rest.strip_suffix(b"\"}"))
        .and_then(hex::decode)
        .ok_or("the line does not end with a hash")?;
    if hash_of(covered) != said {
        return Err("the hash does not fit the line: it was changed".to_owned());
    }
    let read: Line = serde_json::from_slice(line).map_err(|e| format!("the line is no entry: {e}"))?;
    if read.v != 1 {
        return Err(format!("entry version {} is not known", read.v));
    }
    if hex::decode(read.hash.as_bytes()) != Some(said) {
        return Err("the line has two hashes".to_owned());
    }
    let prev: [u8; 32] = hex::decode(read.prev.as_bytes()).ok_or("`prev` is no hash")?;
    if let Some(chain) = chain {
        if chain.seq.checked_add(1) != Some(read.seq) {
            return Err(format!(
                "entry {} follows entry {}: entries are missing, or in another order",
                read.seq, chain.seq
            ));
        }
        if chain.hash != prev {
            return Err(format!(
                "entry {} does not continue the entry before it",
                read.seq
            ));
        }
    } else if !(read.seq == 1 && prev == [0; 32] || read.seq > 1 && read.kind == PART) {
        return Err(format!("entry {} cannot be the first of a file", read.seq));
    }
    Ok(Entry {
        seq: read.seq,
        at: read.at,
        kind: read.kind,
        body: read.body,
        hash: said,
    })
}

/// Reads a file's bytes as the continuation of `from`; `None`: the file is the oldest that is left,
/// and what stood before it is believed.
pub fn read_entries(bytes: &[u8], from: Option<Chain>) -> Contents {
    let mut contents = Contents {
        before: from.unwrap_or_default(),
        entries: Vec::new(),
        after: from.unwrap_or_default(),
        sound: 0,
        end: End::Whole,
    };
    let mut chain = from;
    let mut rest = bytes;
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let Some(length) = rest.iter().take(LINE).position(|b| *b == b'\n') else {
            contents.end = match rest.len() {
                long if long >= LINE => broken(number, contents.sound, "the line is too long".to_owned()),
                _ => End::Torn(contents.sound),
            };
            return contents;
        };
        let (line, after) = rest.split_at(length);
        match next_entry(chain, line) {
            Ok(entry) => {
                if chain.is_none() {
                    contents.before = Chain {
                        seq: entry.seq.saturating_sub(1),
                        hash: prev_of(line),
                    };
                }
                let now = Chain {
                    seq: entry.seq,
                    hash: entry.hash,
                };
                (chain, contents.after) = (Some(now), now);
                contents.sound += length as u64 + 1;
                contents.entries.push(entry);
            }
            Err(what) => {
                contents.end = broken(number, contents.sound, what);
                return contents;
            }
        }
        rest = after.get(1..).unwrap_or(&[]);
    }
    contents
}

fn broken(line: u64, offset: u64, what: String) -> End {
    End::Broken(Break { line, offset, what })
}

/// The predecessor that a sound line names.
fn prev_of(line: &[u8]) -> [u8; 32] {
    #[derive(Deserialize)]
    struct Prev {
        prev: String,
    }
    serde_json::from_slice::<Prev>(line)
        .ok()
        .and_then(|p| hex::decode(p.prev.as_bytes()))
        .unwrap_or_default()
}
