//! The data of resource records: its check and its text.
//!
//! Formats: RFC 1035 (A, NS, CNAME, SOA, PTR, MX, TXT), RFC 3596 (AAAA), RFC 2782 (SRV), RFC 4255
//! (SSHFP), RFC 6891 (OPT), RFC 8659 (CAA), RFC 9460 (SVCB, HTTPS).

use std::net::IpAddr;

use citywall_event::json;

use super::codes::rr;
use super::message::{Resource, be16, be32};
use super::name;

/// Types that `grouped` lists, in its order.
pub(super) const GROUPED: [(u16, &str); 7] = [
    (rr::A, "A"),
    (rr::AAAA, "AAAA"),
    (rr::CNAME, "CNAME"),
    (rr::MX, "MX"),
    (rr::NS, "NS"),
    (rr::PTR, "PTR"),
    (rr::TXT, "TXT"),
];

/// The bit of a type in `Layout::grouped`.
#[inline]
pub(super) fn grouped_bit(rtype: u16) -> u8 {
    match rtype {
        rr::A => 1,
        rr::AAAA => 2,
        rr::CNAME => 4,
        rr::MX => 8,
        rr::NS => 16,
        rr::PTR => 32,
        rr::TXT => 64,
        _ => 0,
    }
}

/// The name inside the data, where its type has one (the first of two for SOA).
#[inline]
pub(super) fn name_at(resource: &Resource) -> Option<usize> {
    let skip = match resource.rtype {
        rr::CNAME | rr::NS | rr::PTR | rr::DNAME | rr::SOA => 0,
        rr::MX => 2,
        rr::SRV => 6,
        _ => return None,
    };
    let at = resource.data + skip;
    (at < resource.end).then_some(at)
}

/// The address in an `A` or `AAAA` record of the Internet.
pub(super) fn address(message: &[u8], resource: &Resource) -> Option<IpAddr> {
    let data = message.get(resource.data..resource.end)?;
    match resource.rtype {
        rr::A if resource.class & 0x7fff == 1 => Some(IpAddr::from(*<&[u8; 4]>::try_from(data).ok()?)),
        rr::AAAA => Some(IpAddr::from(*<&[u8; 16]>::try_from(data).ok()?)),
        _ => None,
    }
}

/// Marks data whose size or names are not as its type says. Empty data is left alone: updates use
/// it (RFC 2136).
#[inline]
pub(super) fn check(message: &[u8], resource: &Resource) -> Option<&'static str> {
    const WRONG: Option<&str> = Some("dns.rdata_length");
    let length = resource.end - resource.data;
    if length == 0 {
        return None;
    }
    match resource.rtype {
        // Other classes have other addresses (Chaosnet).
        rr::A if resource.class & 0x7fff != 1 => None,
        rr::A => WRONG.filter(|_| length != 4),
        rr::AAAA => WRONG.filter(|_| length != 16),
        rr::CNAME | rr::NS | rr::PTR | rr::DNAME | rr::SOA | rr::MX | rr::SRV => {
            let Some(at) = name_at(resource) else { return WRONG };
            let first = match name::labels(message, at, |_| {}) {
                Ok(after) => after,
                Err(error) => return Some(error.malformed()),
            };
            let end = if resource.rtype == rr::SOA {
                match name::labels(message, first, |_| {}) {
                    Ok(after) => after + 20,
                    Err(error) => return Some(error.malformed()),
                }
            } else {
                first
            };
            WRONG.filter(|_| end != resource.end)
        }
        _ => None,
    }
}

/// Start of authority.
pub(super) struct Soa {
    pub mname: usize,
    pub rname: usize,
    /// Serial, refresh, retry, expire, minimum.
    pub numbers: [u32; 5],
}

/// What the data says.
pub(super) enum Rdata<'a> {
    /// Nothing.
    Empty,
    /// An address.
    Ip(IpAddr),
    /// A domain name at this offset.
    Name(usize),
    /// Character strings, each with its length byte.
    Text(&'a [u8]),
    /// Start of authority.
    Soa(Soa),
    /// Priority, weight, port, and the offset of the target's name.
    Srv([u16; 3], usize),
    /// Algorithm, type, fingerprint.
    Sshfp(u8, u8, &'a [u8]),
    /// EDNS options, each with code and length.
    Opt(&'a [u8]),
    /// Flags, tag, value.
    Caa(u8, &'a [u8], &'a [u8]),
    /// Priority, offset of the target's name, parameters.
    Service(u16, usize, &'a [u8]),
    /// Anything else, and what is not as its type says.
    Other(&'a [u8]),
}

/// Reads a record's data.
#[inline]
pub(super) fn read<'a>(message: &'a [u8], resource: &Resource) -> Rdata<'a> {
    let data = message.get(resource.data..resource.end).unwrap_or_default();
    if data.is_empty() {
        return Rdata::Empty;
    }
    known(message, resource, data).unwrap_or(Rdata::Other(data))
}

#[inline]
fn known<'a>(message: &'a [u8], resource: &Resource, data: &'a [u8]) -> Option<Rdata<'a>> {
    let at = resource.data;
    Some(match resource.rtype {
        rr::A => Rdata::Ip(IpAddr::from(<[u8; 4]>::try_from(data).ok()?)),
        rr::AAAA => Rdata::Ip(IpAddr::from(<[u8; 16]>::try_from(data).ok()?)),
        rr::CNAME | rr::NS | rr::PTR | rr::DNAME | rr::MX if check(message, resource).is_none() => {
            Rdata::Name(name_at(resource)?)
        }
        rr::TXT => Rdata::Text(data),
        rr::SOA if check(message, resource).is_none() => {
            let rname = name::skip(message, at)?;
            let fixed = name::skip(message, rname)?;
            let mut numbers = [0; 5];
            for (i, number) in numbers.iter_mut().enumerate() {
                *number = be32(message, fixed + 4 * i)?;
            }
            Rdata::Soa(Soa {
                mname: at,
                rname,
                numbers,
            })
        }
        rr::SRV if check(message, resource).is_none() => Rdata::Srv(
            [be16(message, at)?, be16(message, at + 2)?, be16(message, at + 4)?],
            at + 6,
        ),
        rr::SSHFP => {
            let (&[algorithm, kind], fingerprint) = data.split_first_chunk()?;
            Rdata::Sshfp(algorithm, kind, fingerprint)
        }
        rr::OPT => Rdata::Opt(data),
        rr::CAA => {
            let (&[flags, length], rest) = data.split_first_chunk()?;
            let (tag, value) = rest.split_at_checked(length.into())?;
            Rdata::Caa(flags, tag, value)
        }
        rr::SVCB | rr::HTTPS => {
            let target = at + 2;
            // The target is never compressed, and ends inside the data.
            let after = name::labels(message, target, |_| {}).ok()?;
            Rdata::Service(be16(message, at)?, target, message.get(after..resource.end)?)
        }
        _ => return None,
    })
}

/// The character strings of a TXT record; a last one that is cut short ends with the data.
pub(super) fn strings(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (&length, rest) = data.split_first()?;
        let (text, rest) = rest.split_at_checked(length.into()).unwrap_or((rest, &[]));
        data = rest;
        Some(text)
    })
}

/// Code-length-value triples of EDNS options and service parameters.
pub(super) fn pairs(mut data: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (&[c0, c1, l0, l1], rest) = data.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(u16::from_be_bytes([l0, l1]).into())?;
        data = rest;
        Some((u16::from_be_bytes([c0, c1]), value))
    })
}

/// Appends the presentation form of service parameters: ` alpn=h2,h3 port=443`.
pub(super) fn parameters(data: &[u8], out: &mut Vec<u8>) {
    for (key, value) in pairs(data) {
        out.push(b' ');
        match key {
            0 => {
                out.extend_from_slice(b"mandatory=");
                list(value.chunks_exact(2), out, |key, out| {
                    out.extend_from_slice(b"key");
                    json::number(out, be16(key, 0).unwrap_or(0).into());
                });
            }
            1 => {
                out.extend_from_slice(b"alpn=");
                list(strings(value), out, |id, out| out.extend_from_slice(id));
            }
            2 => out.extend_from_slice(b"no-default-alpn"),
            3 => {
                out.extend_from_slice(b"port=");
                json::number(out, be16(value, 0).unwrap_or(0).into());
            }
            4 => {
                out.extend_from_slice(b"ipv4hint=");
                list(value.as_chunks::<4>().0.iter(), out, |ip, out| {
                    json::ip(out, IpAddr::from(*ip))
                });
            }
            6 => {
                out.extend_from_slice(b"ipv6hint=");
                list(value.as_chunks::<16>().0.iter(), out, |ip, out| {
                    json::ip(out, IpAddr::from(*ip))
                });
            }
            7 => {
                out.extend_from_slice(b"dohpath=");
                out.extend_from_slice(value);
            }
            _ => {
                if key == 5 {
                    out.extend_from_slice(b"ech=");
                } else {
                    out.extend_from_slice(b"key");
                    json::number(out, key.into());
                    out.push(b'=');
                }
                json::hex(out, value);
            }
        }
    }
}

fn list<T>(items: impl Iterator<Item = T>, out: &mut Vec<u8>, each: impl Fn(T, &mut Vec<u8>)) {
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        each(item, out);
    }
}
