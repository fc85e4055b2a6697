//! Targets and host names as rules match on them.
//!
//! Owns: the normalised form of a target (RFC 3986 sections 5.2.4 and 6.2.2, as servers do it):
//! scheme and authority off, percent-encoding off once, `\` as `/`, runs of `/` as one, dot
//! segments removed from the path; and the split of an authority into host and port.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memmem};

/// The normalised form of a target.
pub(super) fn normalise(target: &[u8]) -> Cow<'_, [u8]> {
    let target = without_authority(target);
    let split = memchr(b'?', target).unwrap_or(target.len());
    let (path, query) = target.split_at(split);
    let plain = memchr(b'%', target).is_none()
        && memchr(b'\\', path).is_none()
        && memmem::find(path, b"//").is_none()
        && memmem::find(path, b"/.").is_none();
    if plain {
        return Cow::Borrowed(target);
    }
    let mut text = Vec::with_capacity(target.len());
    decode(path, &mut text);
    let mut text = clean(&text);
    decode(query, &mut text);
    Cow::Owned(text)
}

/// `http://host/path` to `/path`; anything else as it is.
fn without_authority(target: &[u8]) -> &[u8] {
    match authority(target) {
        Some(authority) => {
            // The scheme, its "://" and the authority.
            let scheme = memmem::find(target, b"://").unwrap_or(0);
            let rest = &target[(scheme + 3 + authority.len()).min(target.len())..];
            if rest.is_empty() { b"/" } else { rest }
        }
        None => target,
    }
}

/// The authority of a target in absolute form.
pub(super) fn authority(target: &[u8]) -> Option<&[u8]> {
    if target.first() == Some(&b'/') {
        return None;
    }
    let scheme = memmem::find(&target[..target.len().min(16)], b"://")?;
    if scheme == 0 || !target[..scheme].iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    let rest = &target[scheme + 3..];
    let end = rest
        .iter()
        .position(|b| matches!(b, b'/' | b'?' | b'#'))
        .unwrap_or(rest.len());
    Some(&rest[..end])
}

/// A URI as events show it: as it came, but for user information, which may hold a password.
pub(super) fn shown(uri: &[u8]) -> Cow<'_, [u8]> {
    let Some(authority) = authority(uri) else {
        return Cow::Borrowed(uri);
    };
    let Some(user) = memchr::memrchr(b'@', authority) else {
        return Cow::Borrowed(uri);
    };
    let start = memmem::find(uri, b"://").map_or(0, |at| at + 3);
    let rest = uri.get(start + user + 1..).unwrap_or_default();
    Cow::Owned([&uri[..start], rest].concat())
}

fn decode(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr(b'%', rest) {
        out.extend_from_slice(&rest[..at]);
        let digits = (rest.get(at + 1).and_then(digit), rest.get(at + 2).and_then(digit));
        if let (Some(high), Some(low)) = digits {
            out.push(high << 4 | low);
            rest = &rest[at + 3..];
        } else {
            out.push(b'%');
            rest = &rest[at + 1..];
        }
    }
    out.extend_from_slice(rest);
}

fn digit(b: &u8) -> Option<u8> {
    (*b as char).to_digit(16).map(|d| d as u8)
}

/// Removes empty and dot segments. Each segment is looked at once.
fn clean(path: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    let mut rest = path;
    if !rest.first().is_some_and(|b| is_slash(*b)) {
        // `*`, `host:port`: no path.
        return path.to_vec();
    }
    while !rest.is_empty() {
        let from = rest.iter().take_while(|b| is_slash(**b)).count();
        let end = memchr2(b'/', b'\\', &rest[from..]).map_or(rest.len(), |n| from + n);
        let segment = &rest[from..end];
        let last = end == rest.len();
        rest = &rest[end..];
        match segment {
            b".." => {
                let parent = out.iter().rposition(|b| *b == b'/').unwrap_or(0);
                out.truncate(parent);
            }
            b"." | b"" => {}
            _ => {
                out.push(b'/');
                out.extend_from_slice(segment);
                continue;
            }
        }
        if last {
            out.push(b'/');
        }
    }
    out
}

fn is_slash(b: u8) -> bool {
    b == b'/' || b == b'\\'
}

/// Host and port of an authority (RFC 3986 section 3.2), without user information.
pub(super) fn host_and_port(authority: &[u8]) -> (&[u8], Option<u16>) {
    let authority = match memchr::memrchr(b'@', authority) {
        Some(at) => &authority[at + 1..],
        None => authority,
    };
    let from = match authority.first() {
        Some(b'[') => memchr(b']', authority).unwrap_or(0),
        _ => 0,
    };
    match memchr(b':', &authority[from..]) {
        // More than one colon without brackets: an IPv6 address as careless clients write it.
        Some(at) if from > 0 || memchr(b':', &authority[at + 1..]).is_none() => {
            let (host, port) = authority.split_at(from + at);
            (host, port_number(&port[1..]))
        }
        _ => (authority, None),
    }
}

fn port_number(text: &[u8]) -> Option<u16> {
    if text.is_empty() || text.len() > 5 {
        return None;
    }
    text.iter().try_fold(0u16, |value, b| match b {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u16::from(b - b'0')),
        _ => None,
    })
}

/// Lower case, copied only where needed.
pub(super) fn lower(name: &[u8]) -> Cow<'_, [u8]> {
    if name.iter().any(u8::is_ascii_uppercase) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}
