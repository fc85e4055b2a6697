//! Gzip (RFC 1952) and what HTTP calls deflate (RFC 1950, or RFC 1951 from many servers).
//!
//! Owns: the framing around the compressed data, fed in any pieces. Checksums of gzip are not
//! verified: receivers show the content whether they hold or not.

use flate2::{Decompress, FlushDecompress, Status};

use super::coding::Stop;

/// What the head says that a stream is. The stream itself decides, as it does for browsers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Declared {
    Gzip,
    Deflate,
}

/// One stream.
pub(super) struct Inflate {
    inner: Decompress,
    stage: Stage,
    declared: Declared,
    /// The first bytes, until they are enough to decide.
    start: Vec<u8>,
    /// It is not compressed at all.
    plain: bool,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// The first bytes decide what it is.
    Sniff,
    /// Gzip: this many of the ten fixed bytes were read; the flags.
    Fixed(u8, u8),
    /// Gzip: the extra field's length, low byte first.
    ExtraLength(Option<u8>, u8),
    /// Gzip: this much of the extra field is left.
    Extra(u16, u8),
    /// Gzip: in the name, the comment.
    Text(u8),
    /// Gzip: header checksum bytes left.
    Checksum(u8),
    /// Compressed data; true for gzip.
    Data(bool),
    /// Gzip: bytes of the trailer left, then another member may follow.
    Trailer(u8),
    /// Not compressed.
    Plain,
    /// Over.
    Ended,
}

const FLAG_CHECKSUM: u8 = 2;
const FLAG_EXTRA: u8 = 4;
const FLAG_NAME: u8 = 8;
const FLAG_COMMENT: u8 = 16;

impl Inflate {
    /// A stream of which nothing was seen yet.
    pub(super) fn new(declared: Declared) -> Inflate {
        Inflate {
            inner: Decompress::new(false),
            stage: Stage::Sniff,
            declared,
            start: Vec::new(),
            plain: false,
        }
    }

    /// True where it is not compressed, whatever the head says.
    pub(super) fn is_false(&self) -> bool {
        self.plain
    }

    /// Decodes the next bytes.
    pub(super) fn decode(
        &mut self,
        data: &[u8],
        next: &mut dyn FnMut(&[u8]) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        if !matches!(self.stage, Stage::Sniff) {
            return self.go_on(data, next);
        }
        self.start.extend_from_slice(data);
        let &[a, b, c, ..] = self.start.as_slice() else {
            return Ok(());
        };
        let start = std::mem::take(&mut self.start);
        // RFC 1952 section 2.3.1, RFC 1950 section 2.2.
        let zlib = a & 15 == 8 && u16::from_be_bytes([a, b]).is_multiple_of(31);
        self.stage = match self.declared {
            _ if [a, b, c] == [0x1f, 0x8b, 8] => Stage::Fixed(0, 0),
            _ if zlib => {
                self.inner = Decompress::new(true);
                Stage::Data(false)
            }
            Declared::Deflate => Stage::Data(false),
            Declared::Gzip => Stage::Plain,
        };
        self.plain = matches!(self.stage, Stage::Plain);
        let mut given = false;
        let result = self.go_on(&start, &mut |piece| {
            given |= !piece.is_empty();
            next(piece)
        });
        if result == Err(Stop::Corrupt) && !given {
            // Nothing came of it: it is shown as it is.
            self.stage = Stage::Plain;
            self.plain = true;
            return next(&start);
        }
        result
    }

    fn go_on(
        &mut self,
        mut data: &[u8],
        next: &mut dyn FnMut(&[u8]) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        while !data.is_empty() {
            match self.stage {
                Stage::Data(gzip) => {
                    let (used, ended) = self.inflate(data, next)?;
                    data = data.get(used..).unwrap_or_default();
                    match (ended, gzip) {
                        (true, true) => self.stage = Stage::Trailer(8),
                        (true, false) => self.stage = Stage::Ended,
                        (false, _) => return Ok(()),
                    }
                }
                Stage::Plain => return next(data),
                Stage::Ended => return Ok(()),
                before => {
                    self.stage = header(before, data[0])?;
                    if let Stage::Trailer(1) = before {
                        // Another member may follow.
                        self.inner.reset(false);
                    }
                    data = &data[1..];
                }
            }
        }
        Ok(())
    }

    /// Inflates; returns how many bytes were used and whether the stream ended.
    fn inflate(
        &mut self,
        data: &[u8],
        next: &mut dyn FnMut(&[u8]) -> Result<(), Stop>,
    ) -> Result<(usize, bool), Stop> {
        let mut piece = [0u8; 8_192];
        let mut used = 0;
        loop {
            let (input, output) = (self.inner.total_in(), self.inner.total_out());
            let status = self
                .inner
                .decompress(&data[used..], &mut piece, FlushDecompress::None)
                .map_err(|_| Stop::Corrupt)?;
            let taken = (self.inner.total_in() - input) as usize;
            let made = (self.inner.total_out() - output) as usize;
            used = (used + taken).min(data.len());
            next(piece.get(..made).unwrap_or_default())?;
            match status {
                Status::StreamEnd => return Ok((used, true)),
                _ if taken == 0 && made == 0 => return Ok((data.len(), false)),
                _ if used == data.len() && made < piece.len() => return Ok((used, false)),
                _ => {}
            }
        }
    }
}

/// One byte of framing.
fn header(stage: Stage, b: u8) -> Result<Stage, Stop> {
    Ok(match stage {
        Stage::Fixed(at, flags) => match (at, b) {
            (0, 0x1f) | (1, 0x8b) | (2, 8) => Stage::Fixed(at + 1, flags),
            // Zero bytes after a member are padding.
            (0, 0) if flags == 0xff => stage,
            (0..=2, _) => return Err(Stop::Corrupt),
            (3, _) => Stage::Fixed(4, b & 0x1f),
            (9, _) => after_fixed(flags),
            _ => Stage::Fixed(at + 1, flags),
        },
        Stage::ExtraLength(None, flags) => Stage::ExtraLength(Some(b), flags),
        Stage::ExtraLength(Some(low), flags) => match u16::from_le_bytes([low, b]) {
            0 => after_fixed(flags & !FLAG_EXTRA),
            length => Stage::Extra(length, flags),
        },
        Stage::Extra(1, flags) => after_fixed(flags & !FLAG_EXTRA),
        Stage::Extra(left, flags) => Stage::Extra(left.saturating_sub(1), flags),
        Stage::Text(flags) if b == 0 => {
            let done = if flags & FLAG_NAME != 0 {
                FLAG_NAME
            } else {
                FLAG_COMMENT
            };
            after_fixed(flags & !done)
        }
        Stage::Text(_) => stage,
        Stage::Checksum(2) => Stage::Checksum(1),
        Stage::Checksum(_) => Stage::Data(true),
        Stage::Trailer(1) => Stage::Fixed(0, 0xff),
        Stage::Trailer(left) => Stage::Trailer(left.saturating_sub(1)),
        Stage::Sniff | Stage::Data(_) | Stage::Plain | Stage::Ended => stage,
    })
}

/// What comes next for the flags that are still open.
fn after_fixed(flags: u8) -> Stage {
    if flags & FLAG_EXTRA != 0 {
        Stage::ExtraLength(None, flags)
    } else if flags & (FLAG_NAME | FLAG_COMMENT) != 0 {
        Stage::Text(flags)
    } else if flags & FLAG_CHECKSUM != 0 {
        Stage::Checksum(2)
    } else {
        Stage::Data(true)
    }
}
