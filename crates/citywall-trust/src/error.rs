//! Why something is not trusted, and what to do about it.
//!
//! Owns: `TrustError`. Does not own: the journal's errors (`journal`).

use crate::{KeyId, Purpose};

/// Why something is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Not an envelope at all.
    #[error("this is no signed file: {0}; sign it with `citywall keys sign`")]
    Format(String),
    /// A version that this program does not know.
    #[error("the signed file has version {0}, this program knows version 1; use the program that wrote it")]
    Version(u64),
    /// Larger than any that is read.
    #[error("{what} has {size} bytes, more than {most}")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Bytes.
        size: usize,
        /// The limit.
        most: usize,
    },
    /// The key is not in the keyring.
    #[error("key {0} is not in the keyring; add its public part there if you trust it")]
    UnknownKey(KeyId),
    /// The signature does not fit the bytes.
    #[error(
        "the signature does not fit: the file was changed after {0} signed it, or it was never signed by it"
    )]
    Signature(String),
    /// The keyring says that the key is no longer to be believed.
    #[error("key {name} was revoked: {why}; sign with another key")]
    Revoked {
        /// The key's name.
        name: String,
        /// Why.
        why: String,
    },
    /// Signed for something else than it is used for.
    #[error("signed for {found}, but {wanted} is needed; sign it for {wanted}")]
    Purpose {
        /// In the envelope.
        found: Purpose,
        /// What the reader needs.
        wanted: Purpose,
    },
    /// The keyring does not let the key sign such things.
    #[error(
        "key {name} may not sign for {purpose}; add it to the key's purposes in the keyring, or sign with another key"
    )]
    NotAllowed {
        /// The key's name.
        name: String,
        /// The purpose.
        purpose: Purpose,
    },
    /// Its time is over.
    #[error("it expired {0} s ago; sign it anew")]
    Expired(i64),
    /// It was made in the future.
    #[error("it was signed {0} s in the future; put one of the two clocks right")]
    NotYet(i64),
    /// The envelope names another subject than what is in it.
    #[error("the envelope is about {envelope:?}, what is in it about {payload:?}")]
    Subject {
        /// In the envelope.
        envelope: String,
        /// In the payload.
        payload: String,
    },
    /// What is inside cannot be read.
    #[error("the signature is right, but what was signed cannot be read: {0}")]
    Payload(String),
    /// A newer one was seen.
    #[error(
        "serial {found} of {subject:?}: {known} was seen already; sign it anew with a serial above {known}"
    )]
    Serial {
        /// In the envelope.
        found: u64,
        /// Highest that was seen.
        known: u64,
        /// About what.
        subject: String,
    },
    /// Two different statements with one serial.
    #[error(
        "serial {serial} of {subject:?} was seen with other words; one of the two signers is wrong: sign anew with a higher serial"
    )]
    Conflict {
        /// The serial.
        serial: u64,
        /// About what.
        subject: String,
    },
    /// The memory of serials is full: without it nothing can be kept from going backward.
    #[error("the memory of serials is full ({0} subjects); remove subjects that are no longer used")]
    SerialsFull(usize),
    /// A file of keys or serials is wrong.
    #[error("{file}:{line}: {what}; {fix}")]
    Text {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
        /// What to do.
        fix: String,
    },
    /// A file cannot be used.
    #[error("{file}: {what}; {fix}")]
    File {
        /// The file.
        file: String,
        /// What is wrong.
        what: String,
        /// What to do.
        fix: String,
    },
    /// A secret key's bytes are no key.
    #[error("this is no Ed25519 private key (PKCS#8, RFC 8410); make one with `citywall keys new`")]
    Key,
}
