//! A body that somebody wants to see: its first bytes for rules, its hashes for `fileinfo`.
//!
//! Owns: decoding within the budget, keeping and hashing. Does not own: where a body ends
//! (`half`), nor the codings themselves (`coding`).

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use citywall_flow::Direction;

use super::coding::{Layers, Stop};
use super::dissector::RESPONSE;
use super::file::{FileInfo, Hashes};
use super::mark::Mark;
use super::multipart::Parts;
use crate::Limits;

/// A body in progress.
pub(super) struct Body {
    layers: Layers,
    sink: Sink,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// More bytes are wanted.
    Open,
    /// Rules have all that they look at, and nobody hashes.
    Enough,
    /// It does not decode, is over the budget, or has a hole.
    Broken,
}

/// What becomes of the decoded bytes.
pub(super) struct Sink {
    kept: Vec<u8>,
    keep: usize,
    size: u64,
    /// Decoded bytes that may still come; `u64::MAX` where nothing is decoded.
    budget: u64,
    /// Bytes that may still go from one coding to the next.
    between: u64,
    hashers: Option<Box<Hashers>>,
    /// Where it holds files that are hashed by themselves.
    parts: Option<Box<Parts>>,
}

#[derive(Default)]
pub(super) struct Hashers {
    md5: Md5,
    sha1: Sha1,
    sha256: Sha256,
}

impl Hashers {
    pub(super) fn update(&mut self, data: &[u8]) {
        self.md5.update(data);
        self.sha1.update(data);
        self.sha256.update(data);
    }

    pub(super) fn finish(self) -> Hashes {
        Hashes {
            md5: self.md5.finalize().into(),
            sha1: self.sha1.finalize().into(),
            sha256: self.sha256.finalize().into(),
        }
    }
}

/// A body at its end.
pub(super) struct Finished {
    /// The first `Limits::body` decoded bytes.
    pub(super) kept: Vec<u8>,
    /// Decoded size as far as it was followed.
    pub(super) size: u64,
    /// Where hashes were asked for and the body is whole.
    pub(super) hashes: Option<Hashes>,
    /// Hashes were asked for, and it is more than the files inside.
    pub(super) file: bool,
    /// The files inside.
    pub(super) parts: Vec<FileInfo>,
}

impl Body {
    /// A body with this Content-Encoding, or `None` where nobody wants its bytes.
    pub(super) fn new(
        limits: &Limits,
        direction: Direction,
        encoding: Option<&[u8]>,
    ) -> (Option<Box<Body>>, Option<Mark>) {
        if limits.body == 0 && !limits.file_hashes {
            return (None, None);
        }
        let (layers, mark) = Layers::new(encoding.unwrap_or_default());
        // Encoded ones are decoded whoever looks: a bomb is to be told.
        let unseen = direction == RESPONSE && !limits.response_bodies;
        if unseen && layers.is_empty() && !limits.file_hashes {
            return (None, mark);
        }
        let budget = if layers.is_empty() {
            u64::MAX
        } else {
            limits.decompressed as u64
        };
        let body = Body {
            layers,
            sink: Sink {
                kept: Vec::new(),
                keep: limits.body,
                size: 0,
                budget,
                between: limits.decompressed as u64,
                hashers: limits.file_hashes.then(Box::default),
                parts: None,
            },
            state: State::Open,
        };
        (Some(Box::new(body)), mark)
    }

    /// It is of this type: where files are asked for, those inside are.
    pub(super) fn is_of_type(&mut self, content_type: &[u8]) {
        if self.sink.hashers.is_some() {
            self.sink.parts = Parts::new(content_type).map(Box::new);
        }
    }

    /// The next bytes as transferred (without chunk framing).
    pub(super) fn push(&mut self, data: &[u8]) -> Option<Mark> {
        if self.state != State::Open {
            return None;
        }
        let result = self.layers.decode(data, &mut self.sink);
        self.judge(result)
    }

    fn judge(&mut self, result: Result<(), Stop>) -> Option<Mark> {
        let lied = self.layers.is_false().then_some(Mark::Decompression);
        match result {
            Ok(()) => lied,
            Err(Stop::Enough) => {
                self.state = State::Enough;
                lied
            }
            Err(Stop::Corrupt) => {
                self.state = State::Broken;
                Some(Mark::Decompression)
            }
            Err(Stop::Budget) => {
                self.state = State::Broken;
                Some(Mark::DecompressionBudget)
            }
        }
    }

    /// Bytes that it takes, the decoders' windows counted.
    pub(super) fn held(&self) -> usize {
        let parts = self.sink.parts.as_ref().map_or(0, |parts| parts.held());
        self.sink.kept.len() + self.layers.held() + parts
    }

    /// Bytes are missing here.
    pub(super) fn gap(&mut self) {
        self.state = State::Broken;
    }

    /// The end; `whole` = it came to the end that its framing promised, `gap` = bytes are missing.
    pub(super) fn finish(mut self, whole: bool, gap: bool) -> (Finished, Option<Mark>) {
        let mut mark = None;
        if self.state == State::Open {
            let result = self.layers.finish(&mut self.sink);
            mark = self.judge(result);
        }
        let (parts, all) = self.sink.parts.map(|p| p.finish(gap)).unwrap_or_default();
        let file = self.sink.hashers.is_some() && !all;
        let whole = whole && self.state == State::Open;
        let hashes = self.sink.hashers.filter(|_| whole).map(|h| h.finish());
        let finished = Finished {
            kept: self.sink.kept,
            size: self.sink.size,
            hashes,
            file,
            parts,
        };
        (finished, mark)
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body")
            .field("size", &self.sink.size)
            .finish_non_exhaustive()
    }
}

impl Sink {
    /// So many bytes go from one coding to the next. They have a budget of their own, as large as that of what
    /// comes out: the innermost coding may swallow all of them and give nothing.
    pub(super) fn pass(&mut self, bytes: usize) -> Result<(), Stop> {
        self.between = self.between.checked_sub(bytes as u64).ok_or(Stop::Budget)?;
        Ok(())
    }

    /// Decoded bytes.
    pub(super) fn write(&mut self, data: &[u8]) -> Result<(), Stop> {
        let allowed = usize::try_from(self.budget).unwrap_or(usize::MAX).min(data.len());
        let (data, over) = (&data[..allowed], allowed < data.len());
        self.budget -= allowed as u64;
        self.size += data.len() as u64;
        let room = self.keep.saturating_sub(self.kept.len()).min(data.len());
        self.kept.extend_from_slice(&data[..room]);
        if let Some(parts) = &mut self.parts {
            parts.push(data);
        }
        match &mut self.hashers {
            Some(hashers) => hashers.update(data),
            None if self.kept.len() >= self.keep => return Err(Stop::Enough),
            None => {}
        }
        if over { Err(Stop::Budget) } else { Ok(()) }
    }
}
