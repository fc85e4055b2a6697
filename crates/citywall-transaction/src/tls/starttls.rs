//! Conversations that begin in the clear and ask for TLS: SMTP (RFC 3207), IMAP and POP3 (RFC 9051 section
//! 6.2.1, RFC 2595 section 4), FTP (RFC 4217), XMPP (RFC 6120 section 5), LDAP (RFC 4511 section 4.14),
//! MySQL (its documentation, "Protocol::SSLRequest").
//!
//! Owns: how long the clear part is, in each direction. A client that says anything but what leads to TLS is
//! none of ours at once; a server's text is not read, only where it ends.

#[cfg(test)]
mod tests;

use super::record;
use super::socks::Part;

/// Bytes of clear text in one direction. Clients say some 100, servers seldom more than 1,000.
const TEXT: usize = 4_096;

/// A line of SMTP has at most 512 bytes (RFC 5321 section 4.5.3.1.4).
const LINE: usize = 512;

/// Commands without meaning for what follows, which clients send first.
const HARMLESS: [&[u8]; 7] = [b"CAPA", b"CLNT", b"FEAT", b"HOST", b"NOOP", b"OPTS", b"SYST"];
/// How SMTP and LMTP begin.
const HELLO: [&[u8]; 3] = [b"EHLO", b"HELO", b"LHLO"];
/// What FTP may be asked to secure its commands with.
const MECHANISMS: [&[u8]; 4] = [b"TLS", b"SSL", b"TLS-C", b"TLS-P"];
/// Commands of IMAP before a login; the last asks for TLS.
const TAGGED: [&[u8]; 4] = [b"CAPABILITY", b"NOOP", b"ID", b"STARTTLS"];

/// LDAP's object identifier for it, as a request's name.
const LDAP_NAME: &[u8] = b"\x80\x161.3.6.1.4.1.1466.20037";

/// What the client says until its first record, and in which protocol.
pub(super) fn client_part(data: &[u8]) -> (Part, &'static str) {
    match data.first() {
        Some(b'<') => (xmpp(data), "xmpp"),
        // An IMAP tag may be a number.
        Some(0x30) => match ldap_request(data) {
            Part::None => lines(data),
            part => (part, "ldap"),
        },
        Some(0x20) => (mysql_request(data), "mysql"),
        Some(b) if is_tag(*b) => lines(data),
        _ => (Part::None, ""),
    }
}

/// What the server says until its first record; the protocol's name where that tells it.
pub(super) fn server_part(data: &[u8]) -> (Part, Option<&'static str>) {
    match data {
        // A greeting of MySQL is less than 256 bytes long and the first packet; its version is 10.
        [45..=255, 0, ..] => (mysql_greeting(data), Some("mysql")),
        [0x30, ..] => (ldap_response(data), Some("ldap")),
        [b'*' | b'+' | b'2' | b'<', ..] => (text(data), None),
        [45..=255] => (Part::Incomplete, None),
        _ => (Part::None, None),
    }
}

/// Lines of SMTP, IMAP, POP3 or FTP, the last of which asks for TLS.
fn lines(data: &[u8]) -> (Part, &'static str) {
    let mut at = 0;
    let mut greeted = false;
    loop {
        let rest = data.get(at..).unwrap_or_default();
        let end = rest.iter().take(LINE).position(|b| *b == b'\n');
        let text = &rest[..end.unwrap_or(rest.len().min(LINE))];
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if at > TEXT || text.iter().any(|b| *b < b' ') {
            return (Part::None, "");
        }
        let Some(end) = end else {
            let undecided = rest.len() < LINE && may_become_one(text);
            return (if undecided { Part::Incomplete } else { Part::None }, "");
        };
        at += end + 1;
        match line(text) {
            Line::Hello => greeted = true,
            Line::Harmless => {}
            // Of an agreement in the clear TLS is the next byte; FTP's clients ask again where it was refused.
            Line::Asks(name) if name != "smtp" || greeted => match data.get(at) {
                None => return (Part::Incomplete, ""),
                Some(b'A' | b'a') if name == "ftp" => {}
                Some(_) => return (Part::Length(at), name),
            },
            Line::Asks(_) | Line::Other => return (Part::None, ""),
        }
    }
}

/// What a client's line says.
enum Line {
    Hello,
    Harmless,
    /// For TLS, in this protocol.
    Asks(&'static str),
    Other,
}

fn line(text: &[u8]) -> Line {
    let (first, more) = word(text);
    let is_one = |words: &[&[u8]], it: &[u8]| words.iter().any(|w| it.eq_ignore_ascii_case(w));
    match more {
        _ if is_one(&HARMLESS, first) => Line::Harmless,
        Some(_) if is_one(&HELLO, first) => Line::Hello,
        None if is_one(&[b"STARTTLS"], first) => Line::Asks("smtp"),
        None if is_one(&[b"STLS"], first) => Line::Asks("pop3"),
        Some(how) if is_one(&[b"AUTH"], first) => match is_one(&MECHANISMS, how) {
            true => Line::Asks("ftp"),
            false => Line::Other,
        },
        // POP3: which mechanisms are there?
        None if is_one(&[b"AUTH"], first) => Line::Harmless,
        Some(command) if first.iter().all(|b| is_tag(*b)) => match word(command) {
            (asks, None) if is_one(&TAGGED[3..], asks) => Line::Asks("imap"),
            (other, _) if is_one(&TAGGED[..3], other) => Line::Harmless,
            _ => Line::Other,
        },
        _ => Line::Other,
    }
}

/// True where a line that begins so could be one that `line` knows. It has no end yet.
fn may_become_one(text: &[u8]) -> bool {
    let (first, more) = word(text);
    let begins = |words: &[&[u8]], it: &[u8]| {
        let same = |w: &&[u8]| w.len() >= it.len() && w[..it.len()].eq_ignore_ascii_case(it);
        words.iter().any(same)
    };
    match more {
        // A word or an IMAP tag.
        None => first.iter().all(|b| is_tag(*b)),
        Some(more) if first.eq_ignore_ascii_case(b"AUTH") => begins(&MECHANISMS, more),
        Some(more) if matches!(line(text), Line::Other) => {
            first.iter().all(|b| is_tag(*b)) && begins(&TAGGED, more)
        }
        Some(_) => true,
    }
}

/// The first word of a line, and what follows its blank.
fn word(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|b| *b == b' ') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// What clients make IMAP tags of; commands are made of the same. (Others might be meant by more: a version
/// of SSH would be a word.)
fn is_tag(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'.'
}

/// A stream's header, then the element that asks for TLS.
fn xmpp(data: &[u8]) -> Part {
    let elements: [&[u8]; 4] = [b"<?xml", b"<stream:stream", b"<starttls", b"</starttls"];
    let mut at = 0;
    while at < TEXT {
        let rest = data.get(at..).unwrap_or_default();
        let Some(first) = rest.first() else {
            return Part::Incomplete;
        };
        if first.is_ascii_whitespace() && at > 0 {
            at += 1;
            continue;
        }
        let begins = |e: &&&[u8]| {
            let shared = e.len().min(rest.len());
            e[..shared] == rest[..shared]
        };
        let Some(element) = elements.iter().find(begins) else {
            return Part::None;
        };
        let end = rest.iter().take(TEXT).position(|b| *b == b'>' || !is_text(*b));
        let end = match end {
            Some(end) if rest[end] == b'>' => end,
            None if rest.len() < TEXT => return Part::Incomplete,
            _ => return Part::None,
        };
        at += end + 1;
        let closes = element.starts_with(b"</") || rest[..end].ends_with(b"/");
        if closes && element.ends_with(b"starttls") {
            // As in `lines`: what follows is a record or it is none of ours.
            return match data.get(at) {
                None => Part::Incomplete,
                Some(_) => Part::Length(at),
            };
        }
    }
    Part::None
}

/// A server's text, up to a record behind the end of a line or an element.
fn text(data: &[u8]) -> Part {
    for (at, pair) in data.windows(2).enumerate().take(TEXT) {
        match pair {
            [b'\n' | b'>', record::HANDSHAKE | record::ALERT] => {
                return match data.get(at + 2) {
                    None => Part::Incomplete,
                    Some(3) => Part::Length(at + 1),
                    Some(_) => Part::None,
                };
            }
            [_, byte] if !is_text(*byte) => return Part::None,
            _ => {}
        }
    }
    if data.len() > TEXT {
        Part::None
    } else {
        Part::Incomplete
    }
}

fn is_text(byte: u8) -> bool {
    byte >= b' ' || matches!(byte, b'\t' | b'\r' | b'\n')
}

/// An extended request with the name that asks for TLS, at the stream's start.
fn ldap_request(data: &[u8]) -> Part {
    match ldap_message(data, 0x77, |operation, whole| {
        let shared = operation.len().min(LDAP_NAME.len());
        operation[..shared] == LDAP_NAME[..shared] && (shared == LDAP_NAME.len() || !whole)
    }) {
        // What follows must be a record.
        Part::Length(length) if data.len() == length => Part::Incomplete,
        part => part,
    }
}

/// Any extended response.
fn ldap_response(data: &[u8]) -> Part {
    ldap_message(data, 0x78, |_, _| true)
}

/// A message with this operation, whose content, as far as it is there, is judged by `fits`; that is also told
/// whether it is whole.
fn ldap_message(data: &[u8], operation: u8, fits: impl Fn(&[u8], bool) -> bool) -> Part {
    let (length, header) = match ber_length(data.get(1..).unwrap_or_default()) {
        Ok(read) => read,
        Err(part) => return part,
    };
    let total = 1 + header + length;
    let here = data.get(1 + header..total.min(data.len())).unwrap_or_default();
    let checked = || {
        let id = match here {
            [] | [2] => return Err(Part::Incomplete),
            [2, id @ 1..=4, ..] => 2 + usize::from(*id),
            _ => return Err(Part::None),
        };
        let [op, protocol @ ..] = here.get(id..).unwrap_or_default() else {
            return Err(Part::Incomplete);
        };
        if *op != operation {
            return Err(Part::None);
        }
        let (inner, inner_header) = ber_length(protocol)?;
        let content = protocol.get(inner_header..).unwrap_or_default();
        let content = &content[..inner.min(content.len())];
        let whole = content.len() == inner;
        if !fits(content, whole) {
            return Err(Part::None);
        }
        if whole { Ok(()) } else { Err(Part::Incomplete) }
    };
    match (checked(), total <= data.len()) {
        (Ok(()), true) => Part::Length(total),
        (Ok(()) | Err(Part::Incomplete), false) => Part::Incomplete,
        // Its parts are longer than the whole, or it is another message.
        (Err(_), _) => Part::None,
    }
}

/// A length of BER (X.690 section 8.1.3), at most four bytes long, and how many bytes it took.
fn ber_length(data: &[u8]) -> Result<(usize, usize), Part> {
    match data {
        [] => Err(Part::Incomplete),
        [short @ 0..=0x7f, ..] => Ok((usize::from(*short), 1)),
        [long @ 0x81..=0x84, rest @ ..] => {
            let count = usize::from(long & 0x7f);
            let bytes = rest.get(..count).ok_or(Part::Incomplete)?;
            let value = bytes.iter().fold(0, |value, b| value << 8 | usize::from(*b));
            if value > TEXT {
                return Err(Part::None);
            }
            Ok((value, 1 + count))
        }
        _ => Err(Part::None),
    }
}

/// 32 bytes as the second packet: capabilities with that for TLS, a size, a character set, and zeros, where
/// MariaDB has four bytes of capabilities at the end.
fn mysql_request(data: &[u8]) -> Part {
    let expected = |at: usize, byte: u8| match at {
        0 => byte == 32,
        1 | 2 => byte == 0,
        3 => byte == 1,
        5 => byte & 0x08 != 0,
        13..32 => byte == 0,
        _ => true,
    };
    let shared = data.len().min(36);
    if data[..shared].iter().enumerate().any(|(at, b)| !expected(at, *b)) {
        return Part::None;
    }
    // What follows must be a record.
    if data.len() > 36 {
        Part::Length(36)
    } else {
        Part::Incomplete
    }
}

fn mysql_greeting(data: &[u8]) -> Part {
    let starts = [data[0], 0, 0, 0, 10];
    let shared = data.len().min(starts.len());
    if data[..shared] != starts[..shared] {
        return Part::None;
    }
    let length = 4 + usize::from(data[0]);
    if data.len() < length {
        Part::Incomplete
    } else {
        Part::Length(length)
    }
}
