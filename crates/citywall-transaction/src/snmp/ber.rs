//! Basic encoding rules (X.690), as far as SNMP uses them: definite lengths, no recursion.
//!
//! Owns: tag, length and the primitive types. Every length is checked against what is there; the
//! nesting is as deep as the caller asks for, never as deep as the bytes ask for.

/// Why bytes are not BER as SNMP has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BerError {
    /// A value goes past the end of what holds it.
    Truncated,
    /// Indefinite length, which SNMP forbids (RFC 3417 section 8).
    Indefinite,
    /// A length of more than four bytes.
    Length,
    /// Another tag than the one that belongs here.
    Tag,
    /// An integer of no bytes, or too large for its place.
    Integer,
    /// An object identifier that is empty, ends inside a number, or is too long.
    Oid,
}

impl BerError {
    /// The name in `anomaly` events.
    pub(super) fn malformed(self) -> &'static str {
        match self {
            BerError::Truncated => "snmp.truncated",
            BerError::Indefinite => "snmp.ber_indefinite",
            BerError::Length => "snmp.ber_length",
            BerError::Tag => "snmp.ber_tag",
            BerError::Integer => "snmp.ber_integer",
            BerError::Oid => "snmp.ber_oid",
        }
    }
}

/// Numbers in an object identifier (RFC 2578 section 3.5).
const OID_NUMBERS: usize = 128;

/// Bytes that are read from the front.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Reader<'a> {
        Reader { rest }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next value.
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next value: its tag and contents.
    pub(super) fn any(&mut self) -> Result<(u8, &'a [u8]), BerError> {
        let (&[tag, short], mut rest) = self.rest.split_first_chunk().ok_or(BerError::Truncated)?;
        if tag & 0x1f == 0x1f {
            // A tag of several bytes (X.690, 8.1.2.4), of which SNMP has none.
            return Err(BerError::Tag);
        }
        let length = match short {
            0..=0x7f => usize::from(short),
            0x80 => return Err(BerError::Indefinite),
            _ => {
                let count = usize::from(short & 0x7f);
                if count > 4 {
                    return Err(BerError::Length);
                }
                let (bytes, after) = rest.split_at_checked(count).ok_or(BerError::Truncated)?;
                rest = after;
                bytes
                    .iter()
                    .fold(0, |length, &byte| length << 8 | usize::from(byte))
            }
        };
        let (contents, rest) = rest.split_at_checked(length).ok_or(BerError::Truncated)?;
        self.rest = rest;
        Ok((tag, contents))
    }

    /// The contents of the next value, which has this tag.
    pub(super) fn tagged(&mut self, tag: u8) -> Result<&'a [u8], BerError> {
        let (found, contents) = self.any()?;
        if found == tag {
            Ok(contents)
        } else {
            Err(BerError::Tag)
        }
    }

    /// A sequence, to be read by itself.
    pub(super) fn sequence(&mut self) -> Result<Reader<'a>, BerError> {
        self.tagged(tag::SEQUENCE).map(Reader::new)
    }

    /// An INTEGER.
    pub(super) fn integer(&mut self) -> Result<i64, BerError> {
        signed(self.tagged(tag::INTEGER)?)
    }

    /// An INTEGER that is never negative.
    pub(super) fn natural(&mut self) -> Result<u32, BerError> {
        u32::try_from(self.integer()?).map_err(|_| BerError::Integer)
    }
}

/// Tags (RFC 1155, RFC 2578, RFC 3416).
pub(super) mod tag {
    pub const INTEGER: u8 = 0x02;
    pub const OCTETS: u8 = 0x04;
    pub const NULL: u8 = 0x05;
    pub const OID: u8 = 0x06;
    pub const SEQUENCE: u8 = 0x30;
    pub const IP_ADDRESS: u8 = 0x40;
    pub const COUNTER32: u8 = 0x41;
    pub const GAUGE32: u8 = 0x42;
    pub const TIME_TICKS: u8 = 0x43;
    pub const OPAQUE: u8 = 0x44;
    pub const COUNTER64: u8 = 0x46;
    pub const UINTEGER32: u8 = 0x47;
    pub const NO_SUCH_OBJECT: u8 = 0x80;
    pub const NO_SUCH_INSTANCE: u8 = 0x81;
    pub const END_OF_MIB_VIEW: u8 = 0x82;
}

/// A signed number of up to eight bytes.
pub(super) fn signed(contents: &[u8]) -> Result<i64, BerError> {
    let (&first, _) = contents.split_first().ok_or(BerError::Integer)?;
    if contents.len() > 8 {
        return Err(BerError::Integer);
    }
    let start = if first & 0x80 == 0 { 0 } else { -1 };
    Ok(contents
        .iter()
        .fold(start, |number, &byte| number << 8 | i64::from(byte)))
}

/// An unsigned number of up to eight bytes, a ninth before them being zero. A number whose sign
/// bit is set is what careless agents send for large counters: it is read as unsigned.
pub(super) fn unsigned(contents: &[u8]) -> Result<u64, BerError> {
    let contents = match contents.split_first() {
        None => return Err(BerError::Integer),
        Some((0, rest)) => rest,
        Some(_) => contents,
    };
    if contents.len() > 8 {
        return Err(BerError::Integer);
    }
    Ok(contents
        .iter()
        .fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

/// Gives the numbers of an object identifier to `each`.
pub(super) fn oid(contents: &[u8], mut each: impl FnMut(u32)) -> Result<(), BerError> {
    let mut count = 0;
    let mut number: u32 = 0;
    let mut inside = false;
    for &byte in contents {
        if number >> 25 != 0 {
            return Err(BerError::Oid);
        }
        number = number << 7 | u32::from(byte & 0x7f);
        inside = byte & 0x80 != 0;
        if inside {
            continue;
        }
        if count == 0 {
            // The first two are packed into one (X.690 section 8.19.4).
            let first = (number / 40).min(2);
            each(first);
            each(number - first * 40);
            count += 1;
        } else {
            each(number);
        }
        count += 1;
        if count > OID_NUMBERS {
            return Err(BerError::Oid);
        }
        number = 0;
    }
    if inside || count == 0 {
        Err(BerError::Oid)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(contents: &[u8]) -> Result<Vec<u32>, BerError> {
        let mut found = Vec::new();
        oid(contents, |number| found.push(number)).map(|()| found)
    }

    #[test]
    fn lengths_are_definite_and_inside() {
        let read = |bytes| Reader::new(bytes).any();
        assert_eq!(read(b"\x04\x02ab!"), Ok((4, &b"ab"[..])));
        assert_eq!(read(b"\x04\x81\x02ab"), Ok((4, &b"ab"[..])));
        assert_eq!(read(b"\x30\x80\0\0"), Err(BerError::Indefinite));
        assert_eq!(read(b"\x04\x85\0\0\0\0\x01a"), Err(BerError::Length));
        assert_eq!(read(b"\x04\x84\xff\xff\xff\xffa"), Err(BerError::Truncated));
        assert_eq!(read(b"\x04"), Err(BerError::Truncated));
    }

    #[test]
    fn numbers_have_their_sign_and_size() {
        assert_eq!(signed(b"\xff"), Ok(-1));
        assert_eq!(signed(b"\x00\xff"), Ok(255));
        assert_eq!(signed(b"\x80\0\0\0\0\0\0\0"), Ok(i64::MIN));
        assert_eq!(signed(b""), Err(BerError::Integer));
        assert_eq!(signed(&[1; 9]), Err(BerError::Integer));
        assert_eq!(unsigned(b"\0\xff\xff\xff\xff\xff\xff\xff\xff"), Ok(u64::MAX));
        assert_eq!(unsigned(b"\xff\xff\xff\xff"), Ok(u64::from(u32::MAX)));
    }

    #[test]
    fn object_identifiers() {
        assert_eq!(numbers(b"\x2b\x06\x01\x82\x37"), Ok(vec![1, 3, 6, 1, 311]));
        assert_eq!(numbers(b"\x88\x37\x01"), Ok(vec![2, 999, 1]));
        assert_eq!(numbers(b"\x2b\x8f\xff\xff\xff\x7f"), Ok(vec![1, 3, u32::MAX]));
        assert_eq!(numbers(b"\x2b\x90\x80\x80\x80\x00"), Err(BerError::Oid));
        assert_eq!(numbers(b"\x2b\x86"), Err(BerError::Oid));
        assert_eq!(numbers(b""), Err(BerError::Oid));
        assert_eq!(numbers(&[1; 128]), Err(BerError::Oid));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            let mut left = bytes.len();
            while reader.any().is_ok() {
                prop_assert!(reader.rest.len() < left);
                left = reader.rest.len();
            }
            let _ = (signed(&bytes), unsigned(&bytes), numbers(&bytes));
        }
    }
}
