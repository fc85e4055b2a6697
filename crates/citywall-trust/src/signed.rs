//! `Signed<T>` and `Verified<T>`: a value that somebody stands for, and one that was checked.
//!
//! Owns: the order of the checks. `Verified` has no other maker than [`Signed::verify`]. Does not
//! own: the bytes (`envelope`), the types that are signed: their crates implement [`Payload`].

use std::marker::PhantomData;

use citywall_event::Nanos;

use crate::{Accept, Envelope, KeyId, Keyring, Purpose, Serials, SigningKey, Statement, TrustError};

/// How far in the future a statement may be signed, seconds: clocks of one city differ.
const SKEW: i64 = 600;
const SECOND: Nanos = 1_000_000_000;

/// A type that can be signed. Its purpose is fixed, so that no signature counts for another type.
pub trait Payload: Sized {
    /// What a signature of it is for.
    const PURPOSE: Purpose;

    /// About what: serials count for each subject on its own.
    fn subject(&self) -> String;

    /// The bytes that are signed.
    fn encode(&self) -> Vec<u8>;

    /// Reads the bytes; they were signed by a key that is believed, but still may be wrong.
    ///
    /// # Errors
    /// In words.
    fn decode(bytes: &[u8]) -> Result<Self, String>;
}

/// A value in its envelope, not checked yet.
#[derive(Debug)]
pub struct Signed<T> {
    envelope: Envelope,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Signed<T> {
    fn clone(&self) -> Signed<T> {
        Signed {
            envelope: self.envelope.clone(),
            of: PhantomData,
        }
    }
}

impl<T> PartialEq for Signed<T> {
    fn eq(&self, other: &Signed<T>) -> bool {
        self.envelope == other.envelope
    }
}

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The key.
    pub key: KeyId,
    /// Its name in the keyring.
    pub name: String,
    /// Whose it is: a person of the city file, or a box.
    pub principal: String,
}

/// A value whose signature, purpose, time and serial were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T> {
    value: T,
    signer: Signer,
    statement: Statement,
}

impl<T> Verified<T> {
    /// The value.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The value, without who signed it.
    pub fn into_value(self) -> T {
        self.value
    }

    /// Who signed.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// What was signed about it.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// When it is over.
    pub fn expires(&self) -> Option<Nanos> {
        self.statement.expires.map(|s| s.saturating_mul(SECOND))
    }

    /// Is it over by now? For values that were verified a while ago.
    pub fn is_over(&self, now: Nanos) -> bool {
        self.expires().is_some_and(|end| now >= end)
    }
}

impl<T: Payload> Signed<T> {
    /// Signs a value at a time.
    ///
    /// # Errors
    /// Where it is too large, or its subject is empty.
    pub fn sign(
        value: &T,
        serial: u64,
        now: Nanos,
        expires: Option<Nanos>,
        key: &SigningKey,
    ) -> Result<Signed<T>, TrustError> {
        let statement = Statement {
            purpose: T::PURPOSE,
            subject: value.subject(),
            serial,
            issued: now.div_euclid(SECOND),
            expires: expires.map(|at| at.div_euclid(SECOND)),
        };
        let envelope = Envelope::sign(statement, value.encode(), key)?;
        Ok(Signed::of(envelope))
    }

    /// Reads a file's bytes. Nothing is checked but the form.
    ///
    /// # Errors
    /// As `Envelope::parse`.
    pub fn parse(bytes: &[u8]) -> Result<Signed<T>, TrustError> {
        Envelope::parse(bytes).map(Signed::of)
    }

    fn of(envelope: Envelope) -> Signed<T> {
        Signed {
            envelope,
            of: PhantomData,
        }
    }

    /// The file: one line of JSON.
    pub fn to_json(&self) -> String {
        self.envelope.to_json()
    }

    /// The envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Checks it all, and remembers its serial.
    ///
    /// # Errors
    /// The first reason not to believe it. Nothing is remembered then.
    pub fn verify(
        &self,
        ring: &Keyring,
        serials: &mut Serials,
        accept: Accept,
        now: Nanos,
    ) -> Result<Verified<T>, TrustError> {
        let verified = self.verify_without_serial(ring, now)?;
        serials.check(&self.envelope, accept)?;
        serials.remember(&self.envelope);
        Ok(verified)
    }

    /// Checks all but the serial: for what is only looked at (`citywall playbook check`), or has
    /// an order of its own (the journal's heads).
    ///
    /// # Errors
    /// The first reason not to believe it.
    pub fn verify_without_serial(&self, ring: &Keyring, now: Nanos) -> Result<Verified<T>, TrustError> {
        let Envelope {
            statement,
            key,
            payload,
            ..
        } = &self.envelope;
        let known = ring.find(*key).ok_or(TrustError::UnknownKey(*key))?;
        if !self.envelope.fits(&known.public) {
            return Err(TrustError::Signature(known.name.clone()));
        }
        if let Some(why) = &known.revoked {
            return Err(TrustError::Revoked {
                name: known.name.clone(),
                why: why.clone(),
            });
        }
        if statement.purpose != T::PURPOSE {
            return Err(TrustError::Purpose {
                found: statement.purpose,
                wanted: T::PURPOSE,
            });
        }
        if !known.purposes.contains(&statement.purpose) {
            return Err(TrustError::NotAllowed {
                name: known.name.clone(),
                purpose: statement.purpose,
            });
        }
        let now = now.div_euclid(SECOND);
        if let Some(over) = statement.expires.filter(|end| now >= *end) {
            return Err(TrustError::Expired(now.saturating_sub(over)));
        }
        let early = statement.issued.saturating_sub(now);
        if early > SKEW {
            return Err(TrustError::NotYet(early));
        }
        let value = T::decode(payload).map_err(TrustError::Payload)?;
        let subject = value.subject();
        if subject != statement.subject {
            return Err(TrustError::Subject {
                envelope: statement.subject.clone(),
                payload: subject,
            });
        }
        Ok(Verified {
            value,
            signer: Signer {
                key: *key,
                name: known.name.clone(),
                principal: known.principal.clone(),
            },
            statement: statement.clone(),
        })
    }
}
