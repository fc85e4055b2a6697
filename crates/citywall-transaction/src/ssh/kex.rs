//! SSH_MSG_KEXINIT (RFC 4253 section 7.1) and HASSH, its fingerprint.
//!
//! HASSH: the published description by B. Reardon, A. Karas and others (Salesforce, BSD-3-Clause):
//! the MD5 of four name lists joined by `;`.

use citywall_event::json;
use citywall_flow::Direction;
use md5::{Digest, Md5};

/// The message's number.
pub(super) const KEXINIT: u8 = 20;

/// A fingerprint with the text that it is the hash of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hassh {
    pub(super) text: Vec<u8>,
    /// Lower-case hexadecimal MD5 of `text`.
    pub(super) hash: Vec<u8>,
}

/// HASSH of a payload (after the message number), `None` where a list does not fit.
pub(super) fn hassh(payload: &[u8], direction: Direction) -> Option<Hassh> {
    // Key exchange, host key, then encryption, MAC and compression for each direction.
    let mut lists = [&[][..]; 8];
    let mut rest = payload.get(16..)?;
    for list in &mut lists {
        let (length, after) = rest.split_first_chunk::<4>()?;
        (*list, rest) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    }
    let way = direction.index();
    let parts = [lists[0], lists[2 + way], lists[4 + way], lists[6 + way]];
    let text = parts.join(&b';');
    let mut hash = Vec::with_capacity(32);
    json::hex(&mut hash, &Md5::digest(&text));
    Some(Hassh { text, hash })
}
