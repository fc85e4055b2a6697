//! The envelope: bytes, what they are for, and the signature over both.
//!
//! Owns: the signed form, byte for byte, and the JSON file that carries it. Does not own: what the
//! payload says (`signed`), and which keys are believed (`keyring`).
//!
//! The signed form, version 1; all numbers are big-endian:
//!
//! ```text
//! "citywall-signed/1\n"        18 bytes
//! purpose                       1 byte length, then its name
//! subject                       2 bytes length, then UTF-8
//! serial                        8 bytes
//! issued                        8 bytes, signed, seconds since 1970 UTC
//! expires                       1 byte 0; or 1 byte 1, then 8 bytes as issued
//! key id                       32 bytes
//! payload                       4 bytes length, then the bytes
//! ```
//!
//! The file is one JSON object with exactly these members; `expires` alone may be left out:
//!
//! ```text
//! {"citywall_signed":1,"purpose":"act","subject":"signals/deny-command","serial":7,
//!  "issued":1795362439,"expires":1797954439,"key":"64 hexadecimal digits",
//!  "payload":"base64","signature":"base64 of 64 bytes"}
//! ```

use ring::digest;
use serde::{Deserialize, Serialize};

use crate::key::sha256;
use crate::{KeyId, PublicKey, Purpose, SigningKey, TrustError, base64, hex};

/// What is read at most.
pub mod limits {
    /// Bytes of an envelope's file.
    pub const FILE: usize = 8 << 20;
    /// Bytes of a payload.
    pub const PAYLOAD: usize = 4 << 20;
    /// Bytes of a subject.
    pub const SUBJECT: usize = 512;
}

/// What is signed about a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What for.
    pub purpose: Purpose,
    /// About what: serials count for each subject on its own.
    pub subject: String,
    /// Higher than that of the statement that this one replaces.
    pub serial: u64,
    /// When it was signed, seconds since 1970 UTC.
    pub issued: i64,
    /// When it is over.
    pub expires: Option<i64>,
}

/// A signed payload. Nothing in it is to be believed before [`Envelope::fits`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub(crate) statement: Statement,
    pub(crate) key: KeyId,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: [u8; 64],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    citywall_signed: u64,
    purpose: String,
    subject: String,
    serial: u64,
    issued: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
    key: String,
    payload: String,
    signature: String,
}

/// Only to tell another version from nonsense.
#[derive(Deserialize)]
struct Version {
    citywall_signed: u64,
}

impl Envelope {
    /// Signs.
    ///
    /// # Errors
    /// `TooLarge`; `Format` where the subject is empty or holds control characters.
    pub fn sign(statement: Statement, payload: Vec<u8>, key: &SigningKey) -> Result<Envelope, TrustError> {
        check(&statement, payload.len())?;
        let mut envelope = Envelope {
            statement,
            key: key.public().id(),
            payload,
            signature: [0; 64],
        };
        envelope.signature = key.sign(&envelope.signed_form());
        Ok(envelope)
    }

    /// What the signature is over.
    pub fn signed_form(&self) -> Vec<u8> {
        let Statement {
            purpose,
            subject,
            serial,
            issued,
            expires,
        } = &self.statement;
        let mut form = Vec::with_capacity(128 + self.payload.len());
        form.extend(b"citywall-signed/1\n");
        form.push(purpose.name().len() as u8);
        form.extend(purpose.name().as_bytes());
        form.extend((subject.len() as u16).to_be_bytes());
        form.extend(subject.as_bytes());
        form.extend(serial.to_be_bytes());
        form.extend(issued.to_be_bytes());
        form.push(u8::from(expires.is_some()));
        if let Some(expires) = expires {
            form.extend(expires.to_be_bytes());
        }
        form.extend(self.key.0);
        form.extend((self.payload.len() as u32).to_be_bytes());
        form.extend(&self.payload);
        form
    }

    /// SHA-256 of the signed form: which statement this is.
    pub fn digest(&self) -> [u8; 32] {
        sha256(digest::digest(&digest::SHA256, &self.signed_form()))
    }

    /// Was it signed by this key, as it stands?
    pub fn fits(&self, key: &PublicKey) -> bool {
        key.id() == self.key && key.verifies(&self.signed_form(), &self.signature)
    }

    /// Reads a file's bytes. The signature is not checked.
    ///
    /// # Errors
    /// `TooLarge`, `Version`, or `Format`, which says what and where.
    pub fn parse(bytes: &[u8]) -> Result<Envelope, TrustError> {
        if bytes.len() > limits::FILE {
            return Err(TrustError::TooLarge {
                what: "the signed file",
                size: bytes.len(),
                most: limits::FILE,
            });
        }
        let format = |what: String| TrustError::Format(what);
        if let Ok(Version { citywall_signed }) = serde_json::from_slice(bytes)
            && citywall_signed != 1
        {
            return Err(TrustError::Version(citywall_signed));
        }
        let file: File = serde_json::from_slice(bytes).map_err(|e| format(e.to_string()))?;
        let purpose = Purpose::parse(&file.purpose).ok_or_else(|| {
            format(format!(
                "unknown purpose {:?} (known: {})",
                file.purpose,
                Purpose::names()
            ))
        })?;
        let key = hex::decode(file.key.as_bytes())
            .ok_or_else(|| format("`key` is not 64 lower-case hexadecimal digits".to_owned()))?;
        let payload =
            base64::decode(&file.payload).ok_or_else(|| format("`payload` is no base64".to_owned()))?;
        let signature = base64::decode(&file.signature)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| format("`signature` is no base64 of 64 bytes".to_owned()))?;
        let statement = Statement {
            purpose,
            subject: file.subject,
            serial: file.serial,
            issued: file.issued,
            expires: file.expires,
        };
        check(&statement, payload.len())?;
        Ok(Envelope {
            statement,
            key: KeyId(key),
            payload,
            signature,
        })
    }

    /// The file: one line.
    pub fn to_json(&self) -> String {
        let file = File {
            citywall_signed: 1,
            purpose: self.statement.purpose.name().to_owned(),
            subject: self.statement.subject.clone(),
            serial: self.statement.serial,
            issued: self.statement.issued,
            expires: self.statement.expires,
            key: self.key.hex(),
            payload: base64::encode(&self.payload),
            signature: base64::encode(&self.signature),
        };
        // Texts and numbers always have a form in JSON.
        serde_json::to_string(&file).unwrap_or_default()
    }

    /// The payload, which nobody need stand for: to be looked at, not to be acted by.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// What it claims, before anything is checked: for messages.
    pub fn claims(&self) -> (&Statement, KeyId) {
        (&self.statement, self.key)
    }
}

fn check(statement: &Statement, payload: usize) -> Result<(), TrustError> {
    let subject = &statement.subject;
    for (what, size, most) in [
        ("the payload", payload, limits::PAYLOAD),
        ("the subject", subject.len(), limits::SUBJECT),
    ] {
        if size > most {
            return Err(TrustError::TooLarge { what, size, most });
        }
    }
    if subject.is_empty() || subject.chars().any(char::is_control) {
        return Err(TrustError::Format(
            "the subject is empty or holds control characters".to_owned(),
        ));
    }
    Ok(())
}
