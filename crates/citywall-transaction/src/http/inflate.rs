//! Gzip (RFC 1952) and what HTTP calls deflate (RFC 1950, or RFC 1951 from many servers).
//!
//! Owns: the framing around the compressed data, fed in any pieces. Checksums of gzip are not
//! verified: receivers show the content whether they hold or not.

use flate2::{Decompress, FlushDecompress, Status};

use super::coding::Stop;

/// One stream.
pub(super) struct Inflate {
    inner: Decompress,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    /// Deflate: the first byte decides with the second whether there is a zlib header.
    Sniff(Option<u8>),
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
    /// Over.
    Ended,
}

const FLAG_CHECKSUM: u8 = 2;
const FLAG_EXTRA: u8 = 4;
const FLAG_NAME: u8 = 8;
const FLAG_COMMENT: u8 = 16;

impl Inflate {
    /// A gzip stream.
    pub(super) fn gzip() -> Inflate {
        Inflate {
            inner: Decompress::new(false),
            stage: Stage::Fixed(0, 0),
        }
    }

    /// A deflate stream with or without zlib header.
    pub(super) fn deflate() -> Inflate {
        Inflate {
            inner: Decompress::new(true),
            stage: Stage::Sniff(None),
        }
    }

    /// Decodes the next bytes.
    pub(super) fn decode(
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
                Stage::Ended => return Ok(()),
                Stage::Sniff(Some(first)) => self.sniff(first, data[0], next)?,
                _ => {
                    self.stage = header(self.stage, data[0])?;
                    if let Stage::Fixed(0, _) = self.stage {
                        self.inner = Decompress::new(false);
                    }
                    data = &data[1..];
                }
            }
        }
        Ok(())
    }

    /// Is there a zlib header (RFC 1950 section 2.2)? `second` stays in the input.
    fn sniff(
        &mut self,
        first: u8,
        second: u8,
        next: &mut dyn FnMut(&[u8]) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let check = u16::from_be_bytes([first, second]);
        let zlib = first & 15 == 8 && check % 31 == 0;
        self.inner = Decompress::new(zlib);
        self.stage = Stage::Data(false);
        self.inflate(&[first], next).map(|_| ())
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
        Stage::Sniff(_) => Stage::Sniff(Some(b)),
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
        Stage::Data(_) | Stage::Ended => stage,
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
