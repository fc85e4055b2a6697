//! Distinguished names as text: `C=NL, O=City Works, CN=*.city.example`.
//!
//! Owns: attribute names (RFC 4519, RFC 2985) and string types. In the order of the certificate,
//! parts of one set joined by ` + `, as EVE has it.

use super::der::{self, Der};

/// Longer names are cut: nobody reads them, and they would fill the log.
const LONGEST: usize = 2_048;

/// Attribute types by the DER of their object identifiers.
const ATTRIBUTES: &[(&[u8], &str)] = &[
    (b"\x55\x04\x03", "CN"),
    (b"\x55\x04\x04", "SN"),
    (b"\x55\x04\x05", "serialNumber"),
    (b"\x55\x04\x06", "C"),
    (b"\x55\x04\x07", "L"),
    (b"\x55\x04\x08", "ST"),
    (b"\x55\x04\x09", "street"),
    (b"\x55\x04\x0a", "O"),
    (b"\x55\x04\x0b", "OU"),
    (b"\x55\x04\x0c", "title"),
    (b"\x55\x04\x0d", "description"),
    (b"\x55\x04\x0f", "businessCategory"),
    (b"\x55\x04\x11", "postalCode"),
    (b"\x55\x04\x29", "name"),
    (b"\x55\x04\x2a", "GN"),
    (b"\x55\x04\x2b", "initials"),
    (b"\x55\x04\x61", "organizationIdentifier"),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", "emailAddress"),
    (b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01", "UID"),
    (b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19", "DC"),
    (b"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x01", "jurisdictionL"),
    (b"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x02", "jurisdictionST"),
    (b"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x03", "jurisdictionC"),
];

const COMMON_NAME: &[u8] = b"\x55\x04\x03";

/// The text of a Name (RFC 5280 section 4.1.2.4), from its content.
pub(super) fn text(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    let mut sets = Der::new(name);
    while let Some(mut set) = sets.enter(der::SET) {
        let mut first = true;
        while let Some((oid, tag, value)) = attribute(&mut set) {
            if !first {
                out.extend_from_slice(b" + ");
            } else if !out.is_empty() {
                out.extend_from_slice(b", ");
            }
            first = false;
            match ATTRIBUTES.iter().find(|(known, _)| *known == oid) {
                Some((_, name)) => out.extend_from_slice(name.as_bytes()),
                None => dotted(&mut out, oid),
            }
            out.push(b'=');
            string(&mut out, tag, value);
            if out.len() > LONGEST {
                out.truncate(LONGEST);
                return out;
            }
        }
    }
    out
}

/// The last common name.
pub(super) fn common_name(name: &[u8]) -> Option<&[u8]> {
    let mut found = None;
    let mut sets = Der::new(name);
    while let Some(mut set) = sets.enter(der::SET) {
        while let Some((oid, _, value)) = attribute(&mut set) {
            if oid == COMMON_NAME {
                found = Some(value);
            }
        }
    }
    found
}

/// Type, string tag and value of the next attribute of a set.
fn attribute<'a>(set: &mut Der<'a>) -> Option<(&'a [u8], u8, &'a [u8])> {
    let mut pair = set.enter(der::SEQUENCE)?;
    let oid = pair.expect(der::OID)?;
    let (tag, value) = pair.next()?;
    Some((oid, tag, value))
}

fn string(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    if tag == der::BMP_STRING {
        let units = value.chunks_exact(2).map(|b| u16::from_be_bytes([b[0], b[1]]));
        let mut utf8 = [0; 4];
        for c in char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')) {
            out.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
        }
    } else {
        out.extend_from_slice(value);
    }
}

/// An object identifier in numbers (X.690 section 8.19); arcs over 64 bits are cut.
fn dotted(out: &mut Vec<u8>, oid: &[u8]) {
    let mut arc = 0u64;
    let mut first = true;
    for b in oid {
        arc = arc << 7 | u64::from(b & 0x7f);
        if b & 0x80 != 0 {
            continue;
        }
        if first {
            let root = (arc / 40).min(2);
            citywall_event::json::number(out, root);
            arc -= root * 40;
            first = false;
        }
        out.push(b'.');
        citywall_event::json::number(out, arc);
        arc = 0;
    }
}
