//! A file that HTTP carried: the `fileinfo` event.

use citywall_event::json::Object;
use citywall_flow::Direction;

use crate::Record;

/// Whether the whole file was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// From its first byte to its last.
    Closed,
    /// Not whole: the connection ended, bytes were missing, or it grew over the budget.
    Truncated,
}

/// A file that was carried, with its hashes. Made only where `Limits::file_hashes` is set.
#[derive(Debug)]
pub struct FileInfo {
    /// As the response names it, else the path of the request.
    pub(super) filename: Vec<u8>,
    pub(super) state: FileState,
    /// Bytes missing inside.
    pub(super) gaps: bool,
    /// Decoded bytes.
    pub(super) size: u64,
    pub(super) hashes: Option<Hashes>,
    pub(super) direction: Direction,
}

/// Hashes of a whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hashes {
    pub(super) md5: [u8; 16],
    pub(super) sha1: [u8; 20],
    pub(super) sha256: [u8; 32],
}

impl FileInfo {
    /// SHA-256 of the decoded file, where it is whole.
    pub fn sha256(&self) -> Option<&[u8; 32]> {
        self.hashes.as_ref().map(|h| &h.sha256)
    }

    /// Whether the whole file was seen.
    pub fn state(&self) -> FileState {
        self.state
    }
}

impl Record for FileInfo {
    fn event_type(&self) -> &'static str {
        "fileinfo"
    }

    fn write(&self, o: &mut Object<'_>) {
        o.object("fileinfo", |o| {
            o.bytes("filename", &self.filename);
            o.bool("gaps", self.gaps);
            let state = match self.state {
                FileState::Closed => "CLOSED",
                FileState::Truncated => "TRUNCATED",
            };
            o.str("state", state);
            if let Some(hashes) = &self.hashes {
                o.hex("md5", &hashes.md5);
                o.hex("sha1", &hashes.sha1);
                o.hex("sha256", &hashes.sha256);
            }
            o.bool("stored", false);
            o.u64("size", self.size);
        });
    }

    fn direction(&self) -> Option<Direction> {
        Some(self.direction)
    }
}

/// The name of a file: Content-Disposition's `filename` (RFC 6266), else the path of the target.
pub(super) fn filename(disposition: Option<&[u8]>, target: &[u8]) -> Vec<u8> {
    if let Some(name) = disposition.and_then(disposition_name) {
        return name;
    }
    let end = target
        .iter()
        .position(|b| matches!(b, b'?' | b'#'))
        .unwrap_or(target.len());
    target[..end].to_vec()
}

fn disposition_name(value: &[u8]) -> Option<Vec<u8>> {
    parameter(value, b"filename")
}

/// A parameter of a field's value (RFC 9110 section 5.6.6), where it is not empty. As clients have it, a
/// backslash takes the meaning from a quote or a backslash alone: names may be paths.
pub(super) fn parameter(value: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut rest = value;
    while !rest.is_empty() {
        let (mut quoted, mut escaped) = (false, false);
        let end = rest.iter().position(|b| {
            quoted ^= *b == b'"' && !escaped;
            escaped = quoted && *b == b'\\' && !escaped;
            *b == b';' && !quoted
        });
        let part = rest[..end.unwrap_or(rest.len())].trim_ascii();
        rest = end.map_or(&[][..], |end| &rest[end + 1..]);
        let Some(equals) = part.iter().position(|b| *b == b'=') else {
            continue;
        };
        if part[..equals].trim_ascii().eq_ignore_ascii_case(name) {
            let value = unquoted(part[equals + 1..].trim_ascii());
            return (!value.is_empty()).then_some(value);
        }
    }
    None
}

fn unquoted(text: &[u8]) -> Vec<u8> {
    let Some(text) = text.strip_prefix(b"\"") else {
        return text.to_vec();
    };
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.peek()) {
            (b'"', _) => break,
            (b'\\', Some(b'"' | b'\\')) => plain.extend(bytes.next()),
            _ => plain.push(byte),
        }
    }
    plain
}
