//! JA3, JA3S and JA4 of hellos.
//!
//! JA3 and JA3S: the published description by J. Althouse, J. Atkinson and J. Atkins (Salesforce,
//! BSD-3-Clause). JA4: FoxIO's technical description of JA4, TLS client fingerprinting
//! (BSD-3-Clause, copyright 2023 FoxIO), for TLS over TCP.

use citywall_event::json;
use md5::Md5;
use sha2::{Digest, Sha256};

use super::hello::{Hello, Reader, extension, numbers};

/// A fingerprint with the text that it is the hash of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hashed {
    pub(super) text: Vec<u8>,
    /// Lower-case hexadecimal MD5 of `text`.
    pub(super) hash: Vec<u8>,
}

impl Hashed {
    /// The MD5 of a text.
    pub(super) fn new(text: Vec<u8>) -> Hashed {
        let mut hash = Vec::with_capacity(32);
        json::hex(&mut hash, &Md5::digest(&text));
        Hashed { text, hash }
    }
}

/// Values that clients send so that servers learn to ignore what they don't know (RFC 8701).
fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

/// JA3 of a client.
pub(super) fn ja3(hello: &Hello<'_>) -> Hashed {
    let mut text = Vec::with_capacity(256);
    json::number(&mut text, u64::from(hello.version));
    text.push(b',');
    decimals(&mut text, numbers(hello.ciphers));
    text.push(b',');
    decimals(&mut text, hello.extensions().map(|(kind, _)| kind));
    text.push(b',');
    let groups = hello
        .extension(extension::GROUPS)
        .and_then(|body| Reader::new(body).long());
    decimals(&mut text, numbers(groups.unwrap_or_default()));
    text.push(b',');
    let formats = hello
        .extension(extension::POINT_FORMATS)
        .and_then(|body| Reader::new(body).short());
    decimals(
        &mut text,
        formats.unwrap_or_default().iter().map(|b| u16::from(*b)),
    );
    Hashed::new(text)
}

/// JA3S of a server.
pub(super) fn ja3s(hello: &Hello<'_>) -> Hashed {
    let mut text = Vec::with_capacity(64);
    json::number(&mut text, u64::from(hello.version));
    text.push(b',');
    json::number(&mut text, u64::from(hello.chosen_cipher()));
    text.push(b',');
    decimals(&mut text, hello.extensions().map(|(kind, _)| kind));
    Hashed::new(text)
}

fn decimals(text: &mut Vec<u8>, values: impl Iterator<Item = u16>) {
    let start = text.len();
    for value in values.filter(|v| !is_grease(*v)) {
        if text.len() > start {
            text.push(b'-');
        }
        json::number(text, u64::from(value));
    }
}

/// JA4 of a client, 36 bytes of ASCII.
pub(super) fn ja4(hello: &Hello<'_>) -> Vec<u8> {
    let mut ciphers: Vec<u16> = numbers(hello.ciphers).filter(|v| !is_grease(*v)).collect();
    let mut kinds: Vec<u16> = hello
        .extensions()
        .map(|(kind, _)| kind)
        .filter(|v| !is_grease(*v))
        .collect();
    let mut out = Vec::with_capacity(36);
    out.push(b't');
    out.extend_from_slice(version(hello));
    let named = kinds.contains(&extension::SERVER_NAME);
    out.push(if named { b'd' } else { b'i' });
    two_digits(&mut out, ciphers.len());
    two_digits(&mut out, kinds.len());
    out.extend_from_slice(&protocol(hello.protocols().next().unwrap_or_default()));
    ciphers.sort_unstable();
    kinds.retain(|kind| !matches!(*kind, extension::SERVER_NAME | extension::ALPN));
    kinds.sort_unstable();

    let mut text = Vec::with_capacity(5 * (ciphers.len() + kinds.len() + 24));
    hexadecimals(&mut text, ciphers.iter().copied());
    out.push(b'_');
    short_hash(&mut out, &text);
    text.clear();
    hexadecimals(&mut text, kinds.iter().copied());
    if !text.is_empty() {
        let algorithms = hello.extension(extension::SIGNATURE_ALGORITHMS);
        let algorithms = algorithms
            .and_then(|body| Reader::new(body).long())
            .unwrap_or_default();
        let end = text.len();
        text.push(b'_');
        hexadecimals(&mut text, numbers(algorithms).filter(|v| !is_grease(*v)));
        if text.len() == end + 1 {
            text.truncate(end);
        }
    }
    out.push(b'_');
    short_hash(&mut out, &text);
    out
}

/// The highest version that is offered.
fn version(hello: &Hello<'_>) -> &'static [u8; 2] {
    let offered = hello.offered_versions().filter(|v| !is_grease(*v)).max();
    match offered.unwrap_or(hello.version) {
        0x0304 => b"13",
        0x0303 => b"12",
        0x0302 => b"11",
        0x0301 => b"10",
        0x0300 => b"s3",
        0x0002 => b"s2",
        _ => b"00",
    }
}

fn two_digits(out: &mut Vec<u8>, count: usize) {
    let count = count.min(99) as u8;
    out.extend_from_slice(&[b'0' + count / 10, b'0' + count % 10]);
}

/// First and last character of the first application protocol. Where one of them is no letter or
/// digit, the description takes the value's first and last hexadecimal digit instead; bytes
/// outside ASCII, however, stand as `9` in the reference implementations and in every published
/// value of theirs, so they do here.
fn protocol(name: &[u8]) -> [u8; 2] {
    let (Some(&first), Some(&last)) = (name.first(), name.last()) else {
        return *b"00";
    };
    let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble & 15)];
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        [first, last]
    } else if first.is_ascii() && last.is_ascii() {
        [digit(first >> 4), digit(last)]
    } else {
        let shown = |b: u8| if b.is_ascii_alphanumeric() { b } else { b'9' };
        [shown(first), shown(last)]
    }
}

fn hexadecimals(text: &mut Vec<u8>, values: impl Iterator<Item = u16>) {
    let start = text.len();
    for value in values {
        if text.len() > start {
            text.push(b',');
        }
        json::hex(text, &value.to_be_bytes());
    }
}

/// The first twelve digits of the SHA-256, or zeros for an empty list.
fn short_hash(out: &mut Vec<u8>, text: &[u8]) {
    if text.is_empty() {
        out.extend_from_slice(b"000000000000");
    } else {
        json::hex(out, &Sha256::digest(text)[..6]);
    }
}
