//! Who says so: keys, signatures and the journal that cannot be rewritten unnoticed.
//!
//! Owns: one envelope [`Signed<T>`], keys and their files, the memory of serials, and the
//! append-only, hash-chained journal ([`journal`]). Does not own: what is signed or recorded, and
//! who may do what (the city file says that).
//!
//! Entry points: [`SigningKey`], [`Keyring::parse`], [`Signed::sign`], [`Signed::parse`],
//! [`Signed::verify`], [`journal::Journal::open`]. Files are read in `files` and `journal` alone;
//! times and seeds are arguments.

mod base64;
mod envelope;
mod error;
pub mod files;
mod hex;
pub mod journal;
mod key;
mod keyring;
mod purpose;
mod serials;
mod signed;
#[cfg(test)]
mod tests;

pub use envelope::{Envelope, Statement, limits};
pub use error::TrustError;
pub use key::{KeyId, PublicKey, SigningKey};
pub use keyring::{KeyEntry, Keyring};
pub use purpose::Purpose;
pub use serials::{Accept, Serials};
pub use signed::{Payload, Signed, Signer, Verified};
