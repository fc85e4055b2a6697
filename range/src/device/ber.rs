//! BER as far as SNMP needs it (ITU-T X.690).
//!
//! Owns: writing and reading tag, length and content. Does not own: what is in it.

use std::io;

use super::serve::wrong;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

/// Tag, length and content.
pub(super) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match content.len() {
        short @ 0..=0x7f => bytes.push(short as u8),
        long => {
            bytes.push(0x82);
            bytes.extend((long as u16).to_be_bytes());
        }
    }
    bytes.extend(content);
    bytes
}

/// A whole number in as few bytes as it needs.
pub(super) fn integer(value: i64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let needless = |pair: &&[u8]| match pair {
        [0, next] => next & 0x80 == 0,
        [0xff, next] => next & 0x80 != 0,
        _ => false,
    };
    let skip = bytes.windows(2).take_while(needless).count();
    tlv(INTEGER, bytes.get(skip..).unwrap_or_default())
}

/// An object's name from its dotted form.
pub(super) fn oid(dotted: &str) -> io::Result<Vec<u8>> {
    let numbers = dotted.split('.').map(str::parse::<u32>);
    let numbers: Vec<u32> = numbers.collect::<Result<_, _>>().map_err(|_| wrong("object"))?;
    let [first, second, rest @ ..] = numbers.as_slice() else {
        return Err(wrong("object"));
    };
    let mut content = vec![(first * 40 + second) as u8];
    for number in rest {
        let mut groups = vec![(number & 0x7f) as u8];
        let mut left = number >> 7;
        while left > 0 {
            groups.push(0x80 | (left & 0x7f) as u8);
            left >>= 7;
        }
        content.extend(groups.iter().rev());
    }
    Ok(tlv(OID, &content))
}

/// Takes one element with this tag off the front: its content.
pub(super) fn take<'a>(bytes: &mut &'a [u8], tag: u8) -> io::Result<&'a [u8]> {
    let (found, content) = any(bytes)?;
    if found == tag {
        Ok(content)
    } else {
        Err(wrong(format!("tag {found:02x}")))
    }
}

/// Takes one element off the front: tag and content.
pub(super) fn any<'a>(bytes: &mut &'a [u8]) -> io::Result<(u8, &'a [u8])> {
    let [tag, first, rest @ ..] = *bytes else {
        return Err(wrong("cut"));
    };
    let (length, rest) = match (first, rest) {
        (0..=0x7f, rest) => (usize::from(*first), rest),
        (0x81, [a, rest @ ..]) => (usize::from(*a), rest),
        (0x82, [a, b, rest @ ..]) => (usize::from(u16::from_be_bytes([*a, *b])), rest),
        _ => return Err(wrong("length")),
    };
    let content = rest.get(..length).ok_or_else(|| wrong("cut"))?;
    *bytes = rest.get(length..).unwrap_or_default();
    Ok((*tag, content))
}

/// The value of an integer's content.
pub(super) fn number(content: &[u8]) -> i64 {
    let negative = content.first().is_some_and(|b| b & 0x80 != 0);
    let start = if negative { -1 } else { 0 };
    content
        .iter()
        .fold(start, |value, byte| value << 8 | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_as_short_as_they_can_be() {
        for value in [0, 1, 127, 128, 255, 256, -1, -128, -129, i64::MAX, i64::MIN] {
            let bytes = integer(value);
            let mut rest = &bytes[..];
            assert_eq!(number(take(&mut rest, INTEGER).unwrap()), value);
            assert!(rest.is_empty());
        }
        assert_eq!(integer(128), [2, 2, 0, 128]);
        assert_eq!(
            oid("1.3.6.1.4.1.1206").unwrap(),
            [6, 7, 43, 6, 1, 4, 1, 0x89, 0x36]
        );
        assert!(oid("1").is_err() && oid("1.x").is_err());
        let long = tlv(OCTETS, &[9; 300]);
        assert_eq!(any(&mut &long[..]).unwrap(), (OCTETS, &[9; 300][..]));
        assert!(any(&mut &long[..200]).is_err());
    }
}
