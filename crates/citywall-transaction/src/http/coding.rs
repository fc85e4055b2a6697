//! Content codings (RFC 9110 section 8.4) on top of each other.
//!
//! Owns: which codings a body has and in which order they come off; brotli (RFC 7932). Gzip and
//! deflate are in `inflate`. Unknown codings are passed on as they are.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::body::Sink;
use super::field::names;
use super::inflate::{Declared, Inflate};
use super::mark::Mark;

/// Codings on top of each other that are followed; honest servers use one.
const LAYERS: usize = 3;

/// What a decoder takes: of inflate the window of 32 KiB with the state around it; of brotli what is besides
/// the window, which is as large as the stream says.
const INFLATE: usize = 48 * 1024;
const BROTLI: usize = 16 * 1024;

/// Why decoding ends before the body does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Nobody wants more.
    Enough,
    /// It is not what it says.
    Corrupt,
    /// It grows over the budget.
    Budget,
}

/// Compressed bytes are decoded in blocks of this size, counted from the body's start: what a
/// decoder gives before it finds an error depends on how it is fed, and must not depend on how
/// the stream was cut.
const BLOCK: usize = 1_024;

/// The codings of one body, the outermost first.
#[derive(Default)]
pub(super) struct Layers {
    layers: Vec<Layer>,
    /// An incomplete block.
    block: Vec<u8>,
}

enum Layer {
    Inflate(Box<Inflate>),
    Brotli(Box<Brotli>),
}

impl Layers {
    /// Reads a Content-Encoding value.
    pub(super) fn new(encoding: &[u8]) -> (Layers, Option<Mark>) {
        let mut layers = Vec::new();
        let codings = encoding.rsplit(|b| *b == b',').map(<[u8]>::trim_ascii);
        for name in codings.filter(|n| !n.is_empty() && !n.eq_ignore_ascii_case(b"identity")) {
            if layers.len() == LAYERS {
                return (Layers::default(), Some(Mark::CodingLayers));
            }
            // However it is written around: some receiver takes it for that.
            layers.push(if names(name, b"gzip") {
                Layer::Inflate(Box::new(Inflate::new(Declared::Gzip)))
            } else if names(name, b"deflate") {
                Layer::Inflate(Box::new(Inflate::new(Declared::Deflate)))
            } else if name.eq_ignore_ascii_case(b"br") {
                Layer::Brotli(Box::new(Brotli::new()))
            } else {
                // What cannot be taken off is seen as it is.
                break;
            });
        }
        let block = Vec::new();
        (Layers { layers, block }, None)
    }

    /// True where bytes are passed on as they come.
    pub(super) fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// True where a coding turned out not to be there.
    pub(super) fn is_false(&self) -> bool {
        self.layers.iter().any(|layer| match layer {
            Layer::Inflate(inflate) => inflate.is_false(),
            Layer::Brotli(_) => false,
        })
    }

    /// Bytes that the decoders take.
    pub(super) fn held(&self) -> usize {
        let of = |layer: &Layer| match layer {
            Layer::Inflate(_) => INFLATE,
            Layer::Brotli(brotli) => usize::try_from(brotli.state.ringbuffer_size).unwrap_or(0) + BROTLI,
        };
        self.layers.iter().map(of).sum()
    }

    /// Decodes the next bytes into `sink`.
    pub(super) fn decode(&mut self, data: &[u8], sink: &mut Sink) -> Result<(), Stop> {
        if self.layers.is_empty() {
            return sink.write(data);
        }
        let mut rest = data;
        if !self.block.is_empty() {
            let room = (BLOCK - self.block.len()).min(rest.len());
            self.block.extend_from_slice(&rest[..room]);
            rest = &rest[room..];
            if self.block.len() < BLOCK {
                return Ok(());
            }
            decode(&mut self.layers, &self.block, sink)?;
            self.block.clear();
        }
        let mut blocks = rest.chunks_exact(BLOCK);
        for block in &mut blocks {
            decode(&mut self.layers, block, sink)?;
        }
        self.block.extend_from_slice(blocks.remainder());
        Ok(())
    }

    /// The body is over: decodes what is left.
    pub(super) fn finish(&mut self, sink: &mut Sink) -> Result<(), Stop> {
        let rest = std::mem::take(&mut self.block);
        if rest.is_empty() {
            return Ok(());
        }
        decode(&mut self.layers, &rest, sink)
    }
}

/// Recursion is at most `LAYERS` deep.
fn decode(layers: &mut [Layer], data: &[u8], sink: &mut Sink) -> Result<(), Stop> {
    let Some((first, rest)) = layers.split_first_mut() else {
        return sink.write(data);
    };
    let mut next = |piece: &[u8]| {
        if !rest.is_empty() {
            sink.pass(piece.len())?;
        }
        decode(rest, piece, sink)
    };
    match first {
        Layer::Inflate(inflate) => inflate.decode(data, &mut next),
        Layer::Brotli(brotli) => brotli.decode(data, &mut next),
    }
}

struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    ended: bool,
}

impl Brotli {
    fn new() -> Brotli {
        // Strict: windows of at most 16 MiB, as RFC 7932 has them.
        let state = BrotliState::new_strict(
            StandardAlloc::default(),
            StandardAlloc::default(),
            StandardAlloc::default(),
        );
        Brotli { state, ended: false }
    }

    fn decode(&mut self, data: &[u8], next: &mut dyn FnMut(&[u8]) -> Result<(), Stop>) -> Result<(), Stop> {
        let mut piece = [0u8; 8_192];
        let (mut left, mut at, mut total) = (data.len(), 0, 0);
        while !self.ended {
            let (mut room, mut made) = (piece.len(), 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut at,
                data,
                &mut room,
                &mut made,
                &mut piece,
                &mut total,
                &mut self.state,
            );
            next(piece.get(..made).unwrap_or_default())?;
            match result {
                BrotliResult::ResultSuccess => self.ended = true,
                BrotliResult::NeedsMoreInput => break,
                BrotliResult::NeedsMoreOutput => {}
                BrotliResult::ResultFailure => return Err(Stop::Corrupt),
            }
        }
        Ok(())
    }
}
