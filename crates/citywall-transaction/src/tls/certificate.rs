//! A server's certificate (RFC 5280): the fields that events and rules need, of the leaf only.
//!
//! Owns: the walk through the DER. It verifies nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use citywall_event::{Nanos, json};
use sha1::{Digest, Sha1};

use super::der::{self, Der};
use super::name;

/// Subject alternative names that are kept.
const NAMES: usize = 100;

const RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
const ALTERNATIVE_NAMES: &[u8] = b"\x55\x1d\x11";
/// RSA with MD2, MD5, SHA-1; SHA-1 in OIW's arc; DSA and ECDSA with SHA-1.
const WEAK_SIGNATURES: [&[u8]; 6] = [
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x02",
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04",
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05",
    b"\x2b\x0e\x03\x02\x1d",
    b"\x2a\x86\x48\xce\x38\x04\x03",
    b"\x2a\x86\x48\xce\x3d\x04\x01",
];

/// A leaf certificate.
#[derive(Debug, Default)]
pub(super) struct Certificate {
    pub(super) subject: Vec<u8>,
    pub(super) issuer: Vec<u8>,
    /// Upper-case hexadecimal bytes with colons.
    pub(super) serial: Vec<u8>,
    /// SHA-1 of the DER, lower-case hexadecimal bytes with colons.
    pub(super) fingerprint: Vec<u8>,
    /// Seconds since the Unix epoch.
    pub(super) not_before: Option<i64>,
    pub(super) not_after: Option<i64>,
    pub(super) names: Vec<Vec<u8>>,
    pub(super) common_name: Vec<u8>,
    pub(super) rsa_bits: Option<u32>,
    pub(super) weak_signature: bool,
    pub(super) self_signed: bool,
    /// It could not be read to its end.
    pub(super) broken: bool,
}

impl Certificate {
    /// Reads a certificate; what comes after a break is missing.
    pub(super) fn new(bytes: &[u8]) -> Certificate {
        let mut certificate = Certificate {
            fingerprint: colons(&Sha1::digest(bytes), false),
            ..Certificate::default()
        };
        certificate.broken = certificate.read(bytes).is_none();
        certificate
    }

    fn read(&mut self, bytes: &[u8]) -> Option<()> {
        let mut outer = Der::new(bytes).enter(der::SEQUENCE)?;
        let mut tbs = outer.enter(der::SEQUENCE)?;
        if tbs.peek() == Some(0xa0) {
            tbs.next()?;
        }
        // 20 octets are allowed (RFC 5280 section 4.1.2.2); longer ones exist.
        let serial = tbs.expect(der::INTEGER)?;
        self.serial = colons(&serial[..serial.len().min(64)], true);
        let algorithm = tbs.enter(der::SEQUENCE)?.expect(der::OID)?;
        self.weak_signature = WEAK_SIGNATURES.contains(&algorithm);
        let issuer = tbs.expect(der::SEQUENCE)?;
        self.issuer = name::text(issuer);
        let mut validity = tbs.enter(der::SEQUENCE)?;
        self.not_before = validity.next().and_then(|(tag, text)| seconds(tag, text));
        self.not_after = validity.next().and_then(|(tag, text)| seconds(tag, text));
        let subject = tbs.expect(der::SEQUENCE)?;
        self.subject = name::text(subject);
        self.common_name = name::common_name(subject).unwrap_or_default().to_vec();
        self.self_signed = subject == issuer;
        self.rsa_bits = rsa_bits(tbs.enter(der::SEQUENCE)?);
        while let Some((tag, content)) = tbs.next() {
            if tag == 0xa3 {
                self.read_extensions(content);
            }
        }
        Some(())
    }

    fn read_extensions(&mut self, content: &[u8]) -> Option<()> {
        let mut list = Der::new(content).enter(der::SEQUENCE)?;
        while let Some(mut extension) = list.enter(der::SEQUENCE) {
            if extension.expect(der::OID)? != ALTERNATIVE_NAMES {
                continue;
            }
            let (mut tag, mut value) = extension.next()?;
            if tag != der::OCTET_STRING {
                // The critical flag.
                (tag, value) = extension.next()?;
            }
            if tag == der::OCTET_STRING {
                self.read_names(value);
            }
        }
        Some(())
    }

    /// GeneralNames (RFC 5280 section 4.2.1.6): mail, DNS, URI and IP addresses.
    fn read_names(&mut self, value: &[u8]) -> Option<()> {
        let mut list = Der::new(value).enter(der::SEQUENCE)?;
        while let Some((tag, content)) = list.next() {
            if self.names.len() == NAMES {
                break;
            }
            match (tag, content.len()) {
                (0x81 | 0x82 | 0x86, _) => self.names.push(content.to_vec()),
                (0x87, _) => self.names.extend(address(content)),
                _ => {}
            }
        }
        Some(())
    }

    /// Whether a name that the client asked for is one of the certificate's (RFC 6125 section 6.4:
    /// a wildcard stands for one label).
    pub(super) fn names_match(&self, wanted: &[u8]) -> bool {
        if self.names.is_empty() {
            return matches(&self.common_name, wanted);
        }
        self.names.iter().any(|name| matches(name, wanted))
    }

    /// Whether it was valid at a time.
    pub(super) fn expired(&self, at: Nanos) -> bool {
        self.not_after
            .is_some_and(|end| at.div_euclid(1_000_000_000) > end)
    }

    /// Whether it becomes valid only later.
    pub(super) fn not_yet_valid(&self, at: Nanos) -> bool {
        self.not_before
            .is_some_and(|start| at.div_euclid(1_000_000_000) < start)
    }
}

fn matches(pattern: &[u8], wanted: &[u8]) -> bool {
    match pattern.strip_prefix(b"*.") {
        Some(domain) => {
            let dot = wanted.iter().position(|b| *b == b'.');
            dot.is_some_and(|dot| wanted[dot + 1..].eq_ignore_ascii_case(domain))
        }
        None => pattern.eq_ignore_ascii_case(wanted),
    }
}

fn address(bytes: &[u8]) -> Option<Vec<u8>> {
    let ip: IpAddr = match bytes.len() {
        4 => Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into(),
        16 => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into(),
        _ => return None,
    };
    let mut text = Vec::with_capacity(39);
    json::ip(&mut text, ip);
    Some(text)
}

/// The modulus' length in bits, for RSA keys (RFC 3279 section 2.3.1).
fn rsa_bits(mut key: Der<'_>) -> Option<u32> {
    let algorithm = key.enter(der::SEQUENCE)?.expect(der::OID)?;
    if algorithm != RSA {
        return None;
    }
    let bits = key.expect(der::BIT_STRING)?;
    let modulus = Der::new(bits.get(1..)?)
        .enter(der::SEQUENCE)?
        .expect(der::INTEGER)?;
    let start = modulus.iter().position(|b| *b != 0)?;
    let bytes = u32::try_from(modulus.len() - start).ok()?;
    bytes.checked_mul(8)?.checked_sub(modulus[start].leading_zeros())
}

fn colons(bytes: &[u8], upper: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() * 3);
    for (i, b) in bytes.iter().enumerate() {
        if i > 0 {
            out.push(b':');
        }
        json::hex(&mut out, &[*b]);
    }
    if upper {
        out.make_ascii_uppercase();
    }
    out
}

/// UTCTime and GeneralizedTime in Zulu time (RFC 5280 section 4.1.2.5) in seconds since the epoch.
fn seconds(tag: u8, text: &[u8]) -> Option<i64> {
    let text = text.strip_suffix(b"Z")?;
    let pair = |at: usize| -> Option<i64> {
        match text.get(at..at + 2)? {
            [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some(i64::from(a - b'0') * 10 + i64::from(b - b'0')),
            _ => None,
        }
    };
    let (year, rest) = match tag {
        der::UTC_TIME => {
            let year = pair(0)?;
            (if year < 50 { 2_000 + year } else { 1_900 + year }, 2)
        }
        der::GENERALIZED_TIME => (pair(0)? * 100 + pair(2)?, 4),
        _ => return None,
    };
    let (month, day) = (pair(rest)?, pair(rest + 2)?);
    let (hour, minute) = (pair(rest + 4)?, pair(rest + 6)?);
    let second = if text.len() > rest + 8 { pair(rest + 8)? } else { 0 };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Days since 1970-01-01 (proleptic Gregorian), by counting from 1 March of the year 0.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468
}
