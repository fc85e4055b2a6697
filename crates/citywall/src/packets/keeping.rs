//! Copies of frames, taken where they come from.
//!
//! Owns: the buffer between a worker and the writer, bounded: what finds no room is given up and counted.
//! Does not own: files.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use citywall_capture::{Batch, CaptureError, Damage, FrameMeta, FrameSource};
use citywall_packet::{LinkType, Nanos};

/// Bytes of one worker that wait for the disk.
const WAITING: usize = 16 << 20;

/// A piece is full at this many bytes: what is lost with one is little.
const PIECE: usize = 64 << 10;

/// Consecutive packets of one link type, as records of a capture.
#[derive(Debug, PartialEq)]
pub(super) struct Piece {
    /// Number of the first packet.
    pub(super) first: u64,
    /// How many.
    pub(super) count: u64,
    pub(super) link: LinkType,
    /// Each with its time, wire length and bytes.
    pub(super) frames: Vec<(Nanos, u32, usize)>,
    /// All bytes.
    pub(super) bytes: Vec<u8>,
}

/// What waits of one worker.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pieces: Mutex<Vec<Piece>>,
    waiting: AtomicU64,
    shed: AtomicU64,
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, Vec<Piece>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that waits.
    pub(super) fn take(&self) -> Vec<Piece> {
        let mut pieces = self.lock();
        self.waiting.store(0, Ordering::Relaxed);
        std::mem::take(&mut *pieces)
    }

    /// Packets that found no room.
    pub(super) fn shed(&self) -> u64 {
        self.shed.load(Ordering::Relaxed)
    }

    /// Counts packets that could not be written.
    pub(super) fn lose(&self, packets: u64) {
        self.shed.fetch_add(packets, Ordering::Relaxed);
    }

    /// Keeps a batch, or none of it.
    pub(super) fn put(&self, batch: &Batch) {
        let bytes: usize = batch
            .frames
            .iter()
            .map(|meta| meta.data.of(&batch.bytes).len())
            .sum();
        if self.waiting.load(Ordering::Relaxed) as usize + bytes > WAITING {
            return self.lose(batch.frames.len() as u64);
        }
        let mut pieces = self.lock();
        for meta in &batch.frames {
            add(&mut pieces, meta, meta.data.of(&batch.bytes));
        }
        self.waiting.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

fn add(pieces: &mut Vec<Piece>, meta: &FrameMeta, data: &[u8]) {
    let goes_on = |piece: &Piece| {
        let next = piece.link == meta.link && piece.first + piece.count == meta.number;
        next && piece.bytes.len() < PIECE
    };
    if !pieces.last().is_some_and(goes_on) {
        pieces.push(Piece {
            first: meta.number,
            count: 0,
            link: meta.link,
            frames: Vec::new(),
            bytes: Vec::new(),
        });
    }
    if let Some(piece) = pieces.last_mut() {
        piece.count += 1;
        piece.frames.push((meta.at, meta.wire_len, data.len()));
        piece.bytes.extend_from_slice(data);
    }
}

/// A source whose frames are kept.
pub struct Keeping {
    source: Box<dyn FrameSource>,
    lane: Arc<Lane>,
}

impl Keeping {
    pub(super) fn new(source: Box<dyn FrameSource>, lane: Arc<Lane>) -> Keeping {
        Keeping { source, lane }
    }
}

impl FrameSource for Keeping {
    fn next_batch(&mut self, batch: &mut Batch) -> Result<bool, CaptureError> {
        let more = self.source.next_batch(batch)?;
        if !batch.frames.is_empty() {
            self.lane.put(batch);
        }
        Ok(more)
    }

    fn progress(&self) -> (u64, Option<u64>) {
        self.source.progress()
    }

    fn lag(&self) -> Nanos {
        self.source.lag()
    }

    fn drops(&self) -> u64 {
        self.source.drops()
    }

    fn damage(&self) -> &[Damage] {
        self.source.damage()
    }
}
