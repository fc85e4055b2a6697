//! Domain names in a message (RFC 1035 section 4.1.4): bounded decompression and their text.
//!
//! Owns: following labels and pointers. Pointers may only lead backward, each before the run of
//! labels that it ends, so every walk ends. Does not own: which names stand where in a message.

/// Longest name on the wire, length bytes and root included (RFC 1035 section 2.3.4).
const NAME_BYTES: usize = 255;

/// A name of 255 bytes has at most 127 labels; more pointers than labels serve nobody.
const POINTERS: u32 = 127;

/// Size of the header, before which no name can stand.
pub(super) const HEADER_BYTES: usize = 12;

/// Why a name cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameError {
    /// It goes past the end of the message.
    Truncated,
    /// A length byte that begins with the bits 01 or 10.
    LabelType,
    /// A pointer forward, or into the header.
    Pointer,
    /// A pointer to where the walk has been, or a longer chain of pointers than a name has labels.
    Loop,
    /// More than 255 bytes.
    TooLong,
}

impl NameError {
    /// The name in `anomaly` events.
    pub(super) fn malformed(self) -> &'static str {
        match self {
            NameError::Truncated => "dns.truncated",
            NameError::LabelType => "dns.label_type",
            NameError::Pointer => "dns.name_pointer",
            NameError::Loop => "dns.name_loop",
            NameError::TooLong => "dns.name_too_long",
        }
    }
}

/// Gives each label of the name at `start` to `each`, the first first. Returns where the bytes
/// that follow the name in place begin.
#[inline]
pub(super) fn labels<'a>(
    message: &'a [u8],
    start: usize,
    mut each: impl FnMut(&'a [u8]),
) -> Result<usize, NameError> {
    let mut at = start;
    let mut after = None;
    // A pointer must lead before the run of labels that it ends.
    let mut limit = start;
    let mut bytes = 1;
    let mut pointers = 0;
    loop {
        let length = usize::from(*message.get(at).ok_or(NameError::Truncated)?);
        match length {
            0 => return Ok(after.unwrap_or(at + 1)),
            1..=63 => {
                let end = at + 1 + length;
                let label = message.get(at + 1..end).ok_or(NameError::Truncated)?;
                bytes += 1 + length;
                if bytes > NAME_BYTES {
                    return Err(NameError::TooLong);
                }
                each(label);
                at = end;
            }
            0xc0.. => {
                let low = usize::from(*message.get(at + 1).ok_or(NameError::Truncated)?);
                let target = (length & 0x3f) << 8 | low;
                pointers += 1;
                if target > at || target < HEADER_BYTES {
                    return Err(NameError::Pointer);
                }
                if target >= limit || pointers > POINTERS {
                    return Err(NameError::Loop);
                }
                after.get_or_insert(at + 2);
                limit = target;
                at = target;
            }
            _ => return Err(NameError::LabelType),
        }
    }
}

/// Whether the presentation form of the name at `start` may have more than so many bytes: false is
/// certain, as a byte takes four at most, and a label its dot.
pub(super) fn may_be_longer(message: &[u8], start: usize, most: usize) -> bool {
    let mut length = 0;
    let mut plain = true;
    let whole = labels(message, start, |label| {
        length += label.len() + 1;
        plain &= label.iter().all(|byte| PLAIN[usize::from(*byte)]);
    });
    whole.is_err() || !plain || length > most
}

/// Where the bytes after the name at `at` begin, its pointer not followed.
#[inline]
pub(super) fn skip(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = usize::from(*message.get(at)?);
        match length {
            0 => return Some(at + 1),
            1..=63 => at += 1 + length,
            _ => return Some(at + 2),
        }
    }
}

/// True for bytes that stand for themselves in a name's presentation form.
const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut i = 0x21;
    while i < 0x7f {
        table[i] = i != b'.' as usize && i != b'\\' as usize;
        i += 1;
    }
    table
};

/// Appends the name's presentation form (RFC 4343 section 2.1) without the root's dot: a dot or
/// backslash inside a label gets a backslash, other bytes that are not printable become `\DDD`.
/// `utf8` keeps blanks and bytes from 0x80 on, as multicast DNS names have them (RFC 6762
/// section 16). A name that cannot be followed ends where it breaks off.
#[inline]
pub(super) fn present(message: &[u8], at: usize, utf8: bool, out: &mut Vec<u8>) {
    let mut first = true;
    let _ = labels(message, at, |label| {
        if !first {
            out.push(b'.');
        }
        first = false;
        if label.iter().all(|&b| PLAIN[usize::from(b)]) {
            out.extend_from_slice(label);
        } else {
            escape(label, utf8, out);
        }
    });
}

#[cold]
fn escape(label: &[u8], utf8: bool, out: &mut Vec<u8>) {
    for &byte in label {
        match byte {
            b'.' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            _ if PLAIN[usize::from(byte)] || utf8 && (byte == b' ' || byte >= 0x80) => out.push(byte),
            _ => out.extend_from_slice(&[b'\\', b'0' + byte / 100, b'0' + byte / 10 % 10, b'0' + byte % 10]),
        }
    }
}

/// Appends the labels as they are, joined by dots: what rules match on.
pub(super) fn join(message: &[u8], at: usize, out: &mut Vec<u8>) {
    let mut first = true;
    let _ = labels(message, at, |label| {
        if !first {
            out.push(b'.');
        }
        first = false;
        out.extend_from_slice(label);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(body: &[u8]) -> Vec<u8> {
        let mut message = vec![0; HEADER_BYTES];
        message.extend_from_slice(body);
        message
    }

    fn text(body: &[u8], at: usize) -> Result<String, NameError> {
        let message = message(body);
        labels(&message, HEADER_BYTES + at, |_| {})?;
        let mut out = Vec::new();
        present(&message, HEADER_BYTES + at, false, &mut out);
        Ok(String::from_utf8(out).expect("escaped names are ASCII"))
    }

    #[test]
    fn pointers_lead_backward_only() {
        assert_eq!(text(b"\x03www\x02ex\0\x01a\xc0\x10", 8), Ok("a.ex".to_owned()));
        assert_eq!(text(b"\x03www\x02ex\0\xc0\x0c", 8), Ok("www.ex".to_owned()));
        assert_eq!(text(b"\xc0\x0c", 0), Err(NameError::Loop));
        assert_eq!(text(b"\x01a\xc0\x0c", 0), Err(NameError::Loop));
        assert_eq!(text(b"\xc0\x0e\x01a\0", 0), Err(NameError::Pointer));
        assert_eq!(text(b"\xc0\x00", 0), Err(NameError::Pointer));
        // Two pointers at each other: the second leads forward.
        assert_eq!(text(b"\xc0\x0e\xc0\x0c", 2), Err(NameError::Pointer));
        assert_eq!(text(b"\x41a\0", 0), Err(NameError::LabelType));
        assert_eq!(text(b"\x05ab", 0), Err(NameError::Truncated));
    }

    #[test]
    fn names_end_at_255_bytes() {
        let mut body = Vec::new();
        for length in [63_u8, 63, 63, 61] {
            body.push(length);
            body.extend(std::iter::repeat_n(b'x', usize::from(length)));
        }
        body.push(0);
        assert_eq!(body.len(), 255);
        assert_eq!(text(&body, 0).map(|t| t.len()), Ok(253));
        let mut longer = b"\x01a".to_vec();
        longer.extend_from_slice(&body);
        assert_eq!(text(&longer, 0), Err(NameError::TooLong));
    }

    #[test]
    fn odd_bytes_are_escaped() {
        assert_eq!(
            text(b"\x05a.b\\c\x02\xff \0", 0),
            Ok(r"a\.b\\c.\255\032".to_owned())
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_followed_to_an_end(body in proptest::collection::vec(any::<u8>(), 0..300), at in 0..320_usize) {
            let mut bytes = 1;
            let result = labels(&body, at, |label| bytes += label.len() + 1);
            prop_assert!(bytes <= NAME_BYTES);
            if let Ok(after) = result {
                prop_assert!(after <= body.len());
                prop_assert_eq!(skip(&body, at), Some(after));
            }
        }
    }
}
