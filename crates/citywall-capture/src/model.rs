//! The batch that frames travel in, and the one trait that fills it.

use citywall_packet::{Frame, LinkType, Nanos, Span};

/// Frames in one buffer, in the order they are to be processed.
#[derive(Debug, Default)]
pub struct Batch {
    /// The captured bytes of all frames, one after the other (gaps are allowed).
    pub bytes: Vec<u8>,
    /// One entry a frame.
    pub frames: Vec<FrameMeta>,
}

/// Where a frame lies in its batch and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameMeta {
    /// Range in `Batch::bytes`.
    pub data: Span,
    /// Bytes on the wire.
    pub wire_len: u32,
    /// Capture time as the source said it.
    pub at: Nanos,
    /// Link type.
    pub link: LinkType,
    /// Index of the file on the command line, or of the live worker.
    pub source: u16,
    /// Number of the frame in its source, from 1.
    pub number: u64,
}

impl Batch {
    /// The frame that `meta` describes.
    pub fn frame(&self, meta: &FrameMeta) -> Frame<'_> {
        Frame {
            data: meta.data.of(&self.bytes),
            wire_len: meta.wire_len,
            at: meta.at,
            link: meta.link,
        }
    }

    /// Forgets the frames, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.frames.clear();
    }
}

/// Something that frames come from.
pub trait FrameSource: Send {
    /// Clears `batch` and fills it with the next frames. An empty batch after `Ok(true)` means
    /// "nothing now, ask again" (live); `Ok(false)` means that there will be no more.
    fn next_batch(&mut self, batch: &mut Batch) -> Result<bool, CaptureError>;

    /// How far a replay is: bytes of input taken, and all there are where that is known.
    fn progress(&self) -> (u64, Option<u64>) {
        (0, None)
    }

    /// How far behind the clock an empty batch may be: once a call has found nothing, no frame will
    /// come that is older than the clock by this. Nothing in a replay, where only packet time counts.
    fn lag(&self) -> Nanos {
        0
    }

    /// What the source lost before it could be read, so far.
    fn drops(&self) -> u64 {
        0
    }

    /// Inputs that ended early or were damaged, each with the place; the rest was processed.
    fn damage(&self) -> &[Damage] {
        &[]
    }
}

/// An input that ended early or was damaged. Frames before the place were delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file as it was named.
    pub file: String,
    /// Byte offset in the (decompressed) stream.
    pub offset: u64,
    /// Frames delivered from this file.
    pub frames: u64,
    /// What is wrong there.
    pub what: String,
}

/// Why a source cannot go on, or cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The file cannot be opened or read.
    #[error("{file}: {error}")]
    Io {
        /// The file as it was named.
        file: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is not a capture.
    #[error("{file}: not a pcap or pcapng capture: {what}")]
    NotACapture {
        /// The file as it was named.
        file: String,
        /// What it starts with.
        what: String,
    },
    /// The interface cannot be opened.
    #[error("interface {interface}: {what}")]
    Interface {
        /// Its name.
        interface: String,
        /// What failed, and the fix.
        what: String,
    },
}
