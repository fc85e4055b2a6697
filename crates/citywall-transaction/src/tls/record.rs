//! The record layer (RFC 8446 section 5.1) and handshake messages in it (section 4), in any cut.
//!
//! Owns: record headers, and putting messages together that lie across records. Keeps at most one
//! incomplete message of a kind that is read; others are skipped unseen.

use super::hello;

pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;
pub(super) const APPLICATION: u8 = 23;
const HEARTBEAT: u8 = 24;

/// Where one direction is in its records.
#[derive(Debug, Default)]
pub(super) struct Records {
    header: [u8; 5],
    have: usize,
    /// Bytes of the current record that are still to come.
    left: usize,
    /// False until the first record's header is complete.
    started: bool,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A header goes on.
    Header,
    /// A record of this type begins (its content follows).
    Begins(u8),
    /// Content of a record of this type.
    Content(u8, &'a [u8]),
    /// An SSL 2.0 hello of this version; its content is passed over.
    OldHello(u16),
    /// Not a record.
    Invalid,
}

impl Records {
    /// The next piece and how many bytes it takes, at least one.
    pub(super) fn next<'a>(&mut self, data: &'a [u8]) -> (usize, Piece<'a>) {
        if self.left > 0 {
            let used = self.left.min(data.len());
            self.left -= used;
            return (used, Piece::Content(self.header[0], &data[..used]));
        }
        let used = (self.header.len() - self.have).min(data.len());
        self.header[self.have..self.have + used].copy_from_slice(&data[..used]);
        self.have += used;
        if self.have < self.header.len() {
            return (used, Piece::Header);
        }
        self.have = 0;
        (used, self.begin())
    }

    fn begin(&mut self) -> Piece<'static> {
        let first = !std::mem::replace(&mut self.started, true);
        let [kind, major, minor, high, low] = self.header;
        if first && kind & 0x80 != 0 && minor == hello::CLIENT_HELLO {
            // Two bytes of length, then type and version, which the header holds.
            let length = usize::from(u16::from_be_bytes([kind & 0x7f, major]));
            self.left = length.saturating_sub(3);
            self.header[0] = 0;
            return Piece::OldHello(u16::from_be_bytes([high, low]));
        }
        let length = u16::from_be_bytes([high, low]);
        let known = (CHANGE_CIPHER_SPEC..=HEARTBEAT).contains(&kind);
        if !known || major != 3 || minor > 4 || length > super::RECORD {
            return Piece::Invalid;
        }
        self.left = usize::from(length);
        Piece::Begins(kind)
    }
}

/// Handshake messages of one direction.
#[derive(Debug, Default)]
pub(super) struct Messages {
    kept: Vec<u8>,
    /// Bytes of a message that nobody reads.
    skip: usize,
}

/// What was found in a piece of handshake content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// A message of a kind that is read: its type and body.
    Whole(u8, &'a [u8]),
    /// A message of a kind that is not read begins.
    Skipped(u8),
    /// A message is longer than the limit and is passed over.
    TooLong(u8),
}

impl Messages {
    /// Bytes of an incomplete message.
    pub(super) fn held(&self) -> usize {
        self.kept.len()
    }

    /// The next piece of content.
    pub(super) fn feed(&mut self, mut data: &[u8], limit: usize, each: &mut dyn FnMut(Message<'_>)) {
        while !data.is_empty() {
            if self.skip > 0 {
                let used = self.skip.min(data.len());
                self.skip -= used;
                data = &data[used..];
                continue;
            }
            if self.kept.is_empty()
                && let Some((kind, length)) = header(data)
                && wanted(kind, length, limit)
                && let Some(body) = data.get(4..4 + length)
            {
                // The usual case: whole, and read where it lies.
                each(Message::Whole(kind, body));
                data = &data[4 + length..];
                continue;
            }
            data = self.collect(data, limit, each);
        }
    }

    /// Keeps what belongs to the current message; returns the rest.
    fn collect<'a>(&mut self, data: &'a [u8], limit: usize, each: &mut dyn FnMut(Message<'_>)) -> &'a [u8] {
        let used = 4usize.saturating_sub(self.kept.len()).min(data.len());
        self.kept.extend_from_slice(&data[..used]);
        let data = &data[used..];
        let Some((kind, length)) = header(&self.kept) else {
            return data;
        };
        if !wanted(kind, length, limit) {
            each(if is_read(kind) {
                Message::TooLong(kind)
            } else {
                Message::Skipped(kind)
            });
            self.skip = length;
            self.kept = Vec::new();
            return data;
        }
        let used = (4 + length - self.kept.len()).min(data.len());
        self.kept.extend_from_slice(&data[..used]);
        if self.kept.len() == 4 + length {
            let whole = std::mem::take(&mut self.kept);
            each(Message::Whole(kind, &whole[4..]));
        }
        &data[used..]
    }
}

fn header(data: &[u8]) -> Option<(u8, usize)> {
    match data {
        [kind, a, b, c, ..] => Some((*kind, u32::from_be_bytes([0, *a, *b, *c]) as usize)),
        _ => None,
    }
}

fn is_read(kind: u8) -> bool {
    matches!(
        kind,
        hello::CLIENT_HELLO | hello::SERVER_HELLO | hello::CERTIFICATE
    )
}

fn wanted(kind: u8, length: usize, limit: usize) -> bool {
    is_read(kind) && length <= limit
}
