//! What is written down: every decision and outcome.
//!
//! Owns: the kinds of entries and their form. Does not own: the chain and the file
//! (`citywall-trust`).

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When, by the governor's clocks.
    pub at: crate::Moment,
    /// What.
    pub fact: Fact,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Placeholder until the kinds are written down.
    Started,
}

/// Why an entry could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EntryError(pub String);

impl Entry {
    /// The entry as one line of JSON: what `citywall-trust` chains.
    pub fn to_json(&self) -> String {
        String::new()
    }

    /// Reads what `to_json` wrote.
    pub fn parse(_text: &str) -> Result<Entry, EntryError> {
        Err(EntryError("not yet".to_owned()))
    }
}
