//! The files inside a body of type `multipart` (RFC 2046 section 5.1), as forms send them (RFC 7578).
//!
//! Owns: going over delimiters and the heads of parts, in any cut, and hashing what has a file name. Keeps a
//! head or the beginning of a delimiter, never content. A part's own parts are its content.

#[cfg(test)]
mod tests;

use memchr::memmem;

use super::body::Hashers;
use super::dissector::REQUEST;
use super::field::{Field, field};
use super::file::{FileInfo, FileState, parameter};

/// Bytes of one part's head. Beyond them the rest of the body is not read.
const HEAD: usize = 8_192;
/// Files of one body. Beyond them likewise.
const FILES: usize = 64;
/// Bytes of a file's name that are kept.
const NAME: usize = 1_024;
/// Bytes of a boundary. (RFC 2046 allows 70.)
const BOUNDARY: usize = 256;

/// A body in progress.
pub(super) struct Parts {
    /// CR, LF, two dashes and the boundary.
    delimiter: Vec<u8>,
    stage: Stage,
    /// Bytes that the next ones decide on.
    kept: Vec<u8>,
    files: Vec<FileInfo>,
}

enum Stage {
    /// Right behind a delimiter.
    Delimited,
    /// The head of a part.
    Head,
    /// Content of a part; of a file where there is one. What stands before the first part is content of none.
    Content(Option<Box<File>>),
    /// The last delimiter was seen.
    Over,
    /// It is not as it should be, or more than is read.
    Lost,
}

struct File {
    name: Vec<u8>,
    size: u64,
    hashers: Hashers,
}

impl Parts {
    /// Bytes that it takes.
    pub(super) fn held(&self) -> usize {
        size_of::<Parts>() + self.kept.len() + self.files.len() * size_of::<FileInfo>()
    }

    /// Of a body of this Content-Type, where that has parts.
    pub(super) fn new(content_type: &[u8]) -> Option<Parts> {
        let multipart = content_type.get(..10)?.eq_ignore_ascii_case(b"multipart/");
        let boundary = parameter(content_type, b"boundary").filter(|b| multipart && b.len() <= BOUNDARY)?;
        Some(Parts {
            delimiter: [b"\r\n--", boundary.as_slice()].concat(),
            stage: Stage::Content(None),
            // The first delimiter may stand at the body's start.
            kept: b"\r\n".to_vec(),
            files: Vec::new(),
        })
    }

    /// The next decoded bytes.
    pub(super) fn push(&mut self, data: &[u8]) {
        let joined;
        let mut rest = data;
        if !self.kept.is_empty() {
            let mut kept = std::mem::take(&mut self.kept);
            kept.extend_from_slice(data);
            joined = kept;
            rest = &joined;
        }
        while let Some(used) = self.step(rest) {
            rest = rest.get(used..).unwrap_or_default();
        }
        if !matches!(self.stage, Stage::Over | Stage::Lost) {
            self.kept = rest.to_vec();
        }
    }

    /// How many bytes were used up; `None` where more are needed to go on.
    fn step(&mut self, data: &[u8]) -> Option<usize> {
        match &mut self.stage {
            Stage::Content(file) => {
                let found = memmem::find(data, &self.delimiter);
                let content = found.unwrap_or_else(|| data.len() - begun(data, &self.delimiter));
                if let Some(file) = file {
                    file.write(&data[..content]);
                }
                if found.is_some() {
                    self.file_ended();
                    return Some(content + self.delimiter.len());
                }
                (content > 0).then_some(content)
            }
            Stage::Delimited => {
                // The last one has two dashes behind it.
                if data == b"-" {
                    return None;
                }
                let padding = data
                    .iter()
                    .take_while(|b| matches!(b, b' ' | b'\t' | b'\r'))
                    .count();
                self.stage = match data.get(padding) {
                    _ if data.starts_with(b"--") => Stage::Over,
                    Some(b'\n') if padding < HEAD => Stage::Head,
                    None if padding < HEAD => return None,
                    // The boundary is the beginning of other text.
                    _ => Stage::Lost,
                };
                Some(padding + 1)
            }
            Stage::Head => {
                // A head may be empty.
                let end = if data.starts_with(b"\r\n") {
                    Some((0, 2))
                } else {
                    memmem::find(data, b"\r\n\r\n").map(|at| (at, at + 4))
                };
                match end {
                    Some((head, end)) if head <= HEAD => {
                        self.part_begins(&data[..head]);
                        Some(end)
                    }
                    None if data.len() <= HEAD + 3 => None,
                    _ => {
                        self.stage = Stage::Lost;
                        None
                    }
                }
            }
            Stage::Over | Stage::Lost => None,
        }
    }

    fn part_begins(&mut self, head: &[u8]) {
        let name = disposition(head)
            .and_then(|value| parameter(&value, b"filename"))
            .map(|mut name| {
                name.truncate(NAME);
                Box::new(File {
                    name,
                    size: 0,
                    hashers: Hashers::default(),
                })
            });
        self.stage = match name {
            Some(_) if self.files.len() >= FILES => Stage::Lost,
            file => Stage::Content(file),
        };
    }

    fn file_ended(&mut self) {
        if let Stage::Content(Some(file)) = std::mem::replace(&mut self.stage, Stage::Delimited) {
            self.files.extend(file.told(true, false));
        }
    }

    /// The body is over, or nothing more of it is known. Gives the files, and whether they are all that it was
    /// made of. `gap` = bytes are missing.
    pub(super) fn finish(mut self, gap: bool) -> (Vec<FileInfo>, bool) {
        let mut all = matches!(self.stage, Stage::Over);
        if let Stage::Content(Some(mut file)) = self.stage {
            file.write(&self.kept);
            self.files.extend(file.told(false, gap));
            // It says itself that something is missing.
            all = true;
        }
        let all = all && !self.files.is_empty();
        (self.files, all)
    }
}

impl File {
    fn write(&mut self, data: &[u8]) {
        self.size += data.len() as u64;
        self.hashers.update(data);
    }

    /// Nothing where it is empty: a form's field for a file that nobody chose is.
    fn told(self, whole: bool, gaps: bool) -> Option<FileInfo> {
        let info = FileInfo {
            filename: self.name,
            state: if whole {
                FileState::Closed
            } else {
                FileState::Truncated
            },
            gaps,
            size: self.size,
            hashes: whole.then(|| self.hashers.finish()),
            direction: REQUEST,
        };
        (info.size > 0).then_some(info)
    }
}

/// How many bytes at the end of `data` may be the beginning of `delimiter`, which is not in it.
fn begun(data: &[u8], delimiter: &[u8]) -> usize {
    let most = data.len().min(delimiter.len() - 1);
    // CR stands in a delimiter once, unless the boundary has one.
    (1..=most)
        .rev()
        .find(|n| data[data.len() - n..] == delimiter[..*n])
        .unwrap_or(0)
}

/// The value of Content-Disposition, folded lines put together.
fn disposition(head: &[u8]) -> Option<Vec<u8>> {
    let mut found: Option<Vec<u8>> = None;
    for line in head.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match &mut found {
            Some(value) if line.starts_with(b" ") || line.starts_with(b"\t") => value.extend_from_slice(line),
            Some(_) => break,
            None => {
                let colon = memchr::memchr(b':', line).unwrap_or(line.len());
                let is_it = field(line[..colon].trim_ascii()) == Some(Field::ContentDisposition);
                found = line.get(colon + 1..).filter(|_| is_it).map(<[u8]>::to_vec);
            }
        }
    }
    found
}
