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
    let parameter = value
        .split(|b| *b == b';')
        .map(<[u8]>::trim_ascii)
        .find(|p| p.len() > 9 && p[..9].eq_ignore_ascii_case(b"filename="))?;
    let name = parameter[9..].trim_ascii();
    let name = name.strip_prefix(b"\"").unwrap_or(name);
    let name = name.strip_suffix(b"\"").unwrap_or(name);
    (!name.is_empty()).then(|| name.to_vec())
}
