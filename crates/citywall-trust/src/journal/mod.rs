//! The journal: what was decided and done, in a form that cannot be changed unnoticed.
//!
//! Owns: the form of an entry, the chain, signed heads, the files. Does not own: what is recorded:
//! an entry's body is JSON of its writer.
//!
//! One entry a line; the members stand in exactly this order:
//!
//! ```text
//! {"v":1,"seq":7,"at":1795362439123456789,"prev":"64 digits","kind":"decision","body":{...},"hash":"64 digits"}
//! ```
//!
//! `hash` is SHA-256 over `citywall-journal/1`, a line feed and the line's bytes before `,"hash"`.
//! `prev` is the hash of the entry before; the first entry has zeros. `seq` counts from 1 without a
//! gap, over all files. `at` is what the writer's clock said, in nanoseconds; it may go backward,
//! the chain does not.
//!
//! Kinds that the journal writes itself: `journal-head` (a signed head: see [`Head`]) and
//! `journal-part` (the first entry of a file that continues another).
//!
//! What it can prove: no entry was changed, taken out or put in between, by who does not hold the
//! box's key, up to the last signed head; and of what follows that, that it fits together. Entries cut
//! off at the end show only where somebody keeps a later head elsewhere ([`verify`] takes one).

mod chain;
mod head;
mod reader;
mod writer;

pub use chain::{Break, Chain, Contents, End, Entry, read_entries};
pub use head::Head;
pub use reader::{Verification, read, verify};
pub use writer::{Journal, Opened, Options};

/// Longest line, its line feed included.
pub const LINE: usize = 64 << 10;
/// Longest kind.
pub const KIND: usize = 64;
/// Largest file that is read.
pub const FILE: u64 = 256 << 20;
/// Name of the file that is written; closed ones have a number behind a dot.
pub const NAME: &str = "journal.jsonl";

/// Kind of the first entry of a file that continues another.
const PART: &str = "journal-part";
/// Kind of a signed head.
const HEAD: &str = "journal-head";

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// An entry is too large.
    #[error("a journal entry of kind {kind} has {size} bytes, more than {LINE}; record less of it")]
    TooLong {
        /// Its kind.
        kind: String,
        /// Bytes.
        size: usize,
    },
    /// A kind that is none, or a body that is no JSON.
    #[error("a journal entry cannot be written: {0}")]
    Entry(String),
    /// What stands in the file is not what was written.
    #[error("{file}:{at}; keep the file as evidence, move it away and begin a new journal")]
    Broken {
        /// The file.
        file: String,
        /// Where and what.
        at: Break,
    },
    /// The disk or the file system.
    #[error("{file}: {error}; nothing may be decided that cannot be recorded: make room, or repair the disk")]
    Io {
        /// The file.
        file: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// An earlier write failed in a way that leaves the file uncertain.
    #[error("{file}: an earlier write failed; open the journal anew")]
    Uncertain {
        /// The file.
        file: String,
    },
    /// Another process writes it.
    #[error("{file}: another process writes this journal; stop it, or name another folder")]
    Taken {
        /// The file.
        file: String,
    },
    /// Signing failed.
    #[error("the journal's head cannot be signed: {0}")]
    Sign(#[from] crate::TrustError),
}
