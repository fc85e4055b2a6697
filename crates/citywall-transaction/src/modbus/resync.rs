//! Where the next ADU starts after damage or a gap.
//!
//! Owns: the search for a header. What it answers depends on the bytes alone, never on how they were cut
//! into pieces.

use super::pdu::{self, LENGTHS, Side};
use super::{BEFORE_UNIT, HEAD};

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// An ADU starts at the first byte.
    Header,
    /// None starts in this many bytes; where they are none, more bytes must come before it is known.
    Skip(usize),
}

/// Looks for the first header. `last`: no more bytes will come.
pub(super) fn search(bytes: &[u8], side: Side, last: bool) -> Search {
    for at in 0..bytes.len() {
        match starts(&bytes[at..], side, last) {
            Some(false) => {}
            Some(true) if at == 0 => return Search::Header,
            Some(true) | None => return Search::Skip(at),
        }
    }
    Search::Skip(bytes.len())
}

/// Whether an ADU starts at the first byte. A public function whose length fits it is enough. Any other
/// function needs a second header right behind the ADU, or that the stream ends there. `None`: more bytes
/// are needed.
fn starts(bytes: &[u8], side: Side, last: bool) -> Option<bool> {
    let Some(head) = bytes.first_chunk::<HEAD>() else {
        return last.then_some(false);
    };
    let Some((length, function)) = header(head, side) else {
        return Some(false);
    };
    let public = match side {
        Side::Request => pdu::is_public(function),
        Side::Response => pdu::is_public(function & 0x7f),
    };
    if public && pdu::size(function, side).fits(length - 2) {
        return Some(true);
    }
    let end = BEFORE_UNIT + length;
    match bytes.get(end..).and_then(|next| next.first_chunk::<HEAD>()) {
        Some(next) => Some(header(next, side).is_some()),
        None if last => Some(bytes.len() == end),
        None => None,
    }
}

/// Length and function of what may be a header: protocol 0, a possible length, and a function that can be
/// asked for (in answers also with the exception bit).
fn header(head: &[u8; HEAD], side: Side) -> Option<(usize, u8)> {
    let &[_, _, 0, 0, 0, length, _, function] = head else {
        return None;
    };
    let length = usize::from(length);
    let possible = match side {
        Side::Request => matches!(function, 1..=0x7f),
        Side::Response => !matches!(function, 0 | 0x80),
    };
    (possible && LENGTHS.contains(&length)).then_some((length, function))
}
