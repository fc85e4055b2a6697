//! Keys: Ed25519 (RFC 8032), and their ids.
//!
//! Owns: the private key in memory, its text (PKCS#8 in PEM, RFC 8410 and RFC 7468, which other
//! programs read too), the public key, the key id. Does not own: files, and who a key belongs to.

use std::fmt;

use ring::digest;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::{TrustError, base64, hex};

/// What stands before the 32 bytes of a key in PKCS#8, version 1 (RFC 8410, section 7).
const PKCS8_HEAD: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

/// Which key: SHA-256 over `citywall-key/1`, a line feed and the public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub(crate) [u8; 32]);

impl KeyId {
    /// All digits.
    pub fn hex(&self) -> String {
        hex::encode(&self.0)
    }

    /// Reads all digits.
    pub fn parse(text: &str) -> Option<KeyId> {
        hex::decode(text.as_bytes()).map(KeyId)
    }
}

/// The first 16 digits: enough for a person.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0.get(..8).unwrap_or(&[])))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// From the 32 bytes of RFC 8032. Whether they are a point of the curve shows when a signature
    /// is checked.
    pub fn new(bytes: [u8; 32]) -> PublicKey {
        PublicKey(bytes)
    }

    /// Reads base64 of the 32 bytes.
    pub fn parse(text: &str) -> Option<PublicKey> {
        Some(PublicKey(base64::decode(text)?.try_into().ok()?))
    }

    /// As base64.
    pub fn text(&self) -> String {
        base64::encode(&self.0)
    }

    /// Its id.
    pub fn id(&self) -> KeyId {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"citywall-key/1\n");
        context.update(&self.0);
        KeyId(sha256(context.finish()))
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(message, signature)
            .is_ok()
    }
}

/// Digests of SHA-256 have 32 bytes.
pub(crate) fn sha256(digest: digest::Digest) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    bytes
}

/// A private key. It is never shown.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.id())
    }
}

impl SigningKey {
    /// From 32 random bytes, which are the secret.
    ///
    /// # Errors
    /// `Key` where the cryptographic library refuses them (it does not).
    pub fn from_seed(seed: &[u8; 32]) -> Result<SigningKey, TrustError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| TrustError::Key)?;
        SigningKey::new(pair)
    }

    /// Reads a private key in PEM, as `citywall keys new` and `openssl genpkey -algorithm ed25519`
    /// write it.
    ///
    /// # Errors
    /// `Key` where it is none.
    pub fn from_pem(text: &str) -> Result<SigningKey, TrustError> {
        let body = text
            .trim()
            .strip_prefix(PEM_BEGIN)
            .and_then(|rest| rest.strip_suffix(PEM_END))
            .ok_or(TrustError::Key)?;
        let body: String = body.lines().map(str::trim).collect();
        let der = base64::decode(&body).ok_or(TrustError::Key)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| TrustError::Key)?;
        SigningKey::new(pair)
    }

    /// The text of a private key file.
    pub fn seed_to_pem(seed: &[u8; 32]) -> String {
        let der = [&PKCS8_HEAD[..], seed].concat();
        format!("{PEM_BEGIN}\n{}\n{PEM_END}\n", base64::encode(&der))
    }

    fn new(pair: Ed25519KeyPair) -> Result<SigningKey, TrustError> {
        let public = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| TrustError::Key)?;
        Ok(SigningKey {
            public: PublicKey(public),
            pair,
        })
    }

    /// Its public part.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut bytes = [0; 64];
        let signature = self.pair.sign(message);
        for (to, from) in bytes.iter_mut().zip(signature.as_ref()) {
            *to = *from;
        }
        bytes
    }
}
