//! The thread that writes kept packets.
//!
//! Owns: segments of bounded size, their modes, and the budget: the oldest segment goes first, those of earlier
//! runs before those of this one. A disk that is full or slow costs packets, which are counted, and nothing
//! else. Does not own: what waits (`keeping`).

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use citywall_capture::{FrameSource, PcapWriter};
use citywall_packet::LinkType;

use super::keeping::{Keeping, Lane, Piece};
use super::segments::{Segment, listed};
use crate::output::eve::{create_private, make_directory};

/// The folder of the ring, within `--out`.
pub const FOLDER: &str = "packets";
/// How often waiting packets are written.
const EVERY: Duration = Duration::from_millis(100);
/// The budget has room for at least so many segments.
const SEGMENTS: u64 = 16;
/// A segment is closed at this many bytes at the latest.
const SEGMENT: u64 = 64 << 20;
/// Bytes beside each packet in a capture.
const RECORD: u64 = 16;

/// How the ring fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Bytes in its files.
    pub bytes: u64,
    /// The most that they may have.
    pub budget: u64,
    /// Packets that were given up: the disk was too slow, or full.
    pub shed: u64,
}

#[derive(Default)]
struct Shared {
    lanes: Vec<Arc<Lane>>,
    bytes: AtomicU64,
    stop: AtomicBool,
}

/// The ring of a run.
pub struct Keeper {
    shared: Arc<Shared>,
    budget: u64,
    writer: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Keeps what these sources give, `budget` bytes at most, in `out`/packets. `run` is when the run began,
    /// nanoseconds since 1970.
    ///
    /// # Errors
    /// Where the folder cannot be made or read, or a thread cannot be started.
    pub fn start(
        out: &Path,
        budget: u64,
        run: u64,
        sources: Vec<Box<dyn FrameSource>>,
    ) -> io::Result<(Keeper, Vec<Box<dyn FrameSource>>)> {
        let folder = out.join(FOLDER);
        make_directory(&folder)?;
        let lanes: Vec<Arc<Lane>> = sources.iter().map(|_| Arc::default()).collect();
        let kept = sources.into_iter().zip(&lanes);
        let kept = kept.map(|(source, lane)| Box::new(Keeping::new(source, Arc::clone(lane))) as _);
        let kept: Vec<Box<dyn FrameSource>> = kept.collect();
        let shared = Arc::new(Shared {
            lanes,
            ..Shared::default()
        });
        let mut files = Files::open(folder, budget, run, Arc::clone(&shared))?;
        let thread = std::thread::Builder::new().name("packets".into());
        let writer = thread.spawn(move || files.write_on())?;
        let keeper = Keeper {
            shared,
            budget,
            writer: Some(writer),
        };
        Ok((keeper, kept))
    }

    /// How the ring fares now.
    pub fn kept(&self) -> Kept {
        kept(&self.shared, self.budget)
    }

    /// Tells somebody else how the ring fares, whenever they ask.
    pub fn watch(&self) -> Box<dyn Fn() -> Kept + Send + Sync> {
        let (shared, budget) = (Arc::clone(&self.shared), self.budget);
        Box::new(move || kept(&shared, budget))
    }

    /// The run is over: writes what waits.
    pub fn finish(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            log::error!("the thread that keeps packets has failed");
        }
    }
}

fn kept(shared: &Shared, budget: u64) -> Kept {
    Kept {
        bytes: shared.bytes.load(Ordering::Relaxed),
        budget,
        shed: shared.lanes.iter().map(|lane| lane.shed()).sum(),
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.finish();
    }
}

/// A segment that is being written.
struct Open {
    path: PathBuf,
    writer: PcapWriter<BufWriter<File>>,
    link: LinkType,
    /// The number that the next packet must have.
    next: u64,
    bytes: u64,
}

struct Files {
    folder: PathBuf,
    budget: u64,
    run: u64,
    shared: Arc<Shared>,
    /// One for each worker.
    open: Vec<Option<Open>>,
    /// All files, the oldest first, with their bytes.
    files: VecDeque<(PathBuf, u64)>,
    failed: bool,
}

impl Files {
    fn open(folder: PathBuf, budget: u64, run: u64, shared: Arc<Shared>) -> io::Result<Files> {
        let mut files = VecDeque::new();
        let mut known = listed(&folder)?;
        // Workers of one run write side by side.
        known.sort_by_key(|segment| (segment.run, segment.begins(), segment.worker));
        for segment in known {
            let bytes = std::fs::metadata(&segment.path).map_or(0, |meta| meta.len());
            files.push_back((segment.path, bytes));
        }
        let open = shared.lanes.iter().map(|_| None).collect();
        let mut all = Files {
            folder,
            budget,
            run,
            shared,
            open,
            files,
            failed: false,
        };
        all.make_room(0)?;
        Ok(all)
    }

    fn write_on(&mut self) {
        loop {
            // Read before what waits is taken: what was put before it was set is written.
            let over = self.shared.stop.load(Ordering::Acquire);
            for worker in 0..self.open.len() {
                for piece in self.shared.lanes[worker].take() {
                    self.piece(worker, &piece);
                }
            }
            if over {
                return;
            }
            std::thread::sleep(EVERY);
        }
    }

    fn piece(&mut self, worker: usize, piece: &Piece) {
        match self.try_write(worker, piece) {
            Ok(()) => self.failed = false,
            Err(error) => {
                // What stands in the file is whole up to the packet that found no room.
                self.open[worker] = None;
                self.shared.lanes[worker].lose(piece.count);
                if !std::mem::replace(&mut self.failed, true) {
                    let folder = self.folder.display();
                    log::warn!("packets cannot be kept in {folder} for now: {error}");
                }
            }
        }
    }

    fn try_write(&mut self, worker: usize, piece: &Piece) -> io::Result<()> {
        let bytes = piece.bytes.len() as u64 + RECORD * piece.count;
        self.make_room(bytes)?;
        let most = (self.budget / SEGMENTS).clamp(1, SEGMENT);
        let fits = |open: &Open| open.link == piece.link && open.next == piece.first && open.bytes < most;
        if !self.open[worker].as_ref().is_some_and(fits) {
            let segment = Segment::new(&self.folder, self.run, worker as u16, piece.first);
            let file = BufWriter::with_capacity(256 << 10, create_private(&segment.path)?);
            self.files.push_back((segment.path.clone(), 0));
            self.open[worker] = Some(Open {
                path: segment.path,
                writer: PcapWriter::new(file, piece.link)?,
                link: piece.link,
                next: piece.first,
                bytes: 0,
            });
        }
        let Some(open) = &mut self.open[worker] else {
            return Ok(());
        };
        let mut rest = piece.bytes.as_slice();
        for (at, wire_len, length) in &piece.frames {
            let (data, after) = rest.split_at_checked(*length).unwrap_or((rest, &[]));
            open.writer.write(*at, *wire_len, data)?;
            rest = after;
        }
        // Whoever asks for packets finds them in the file.
        open.writer.flush()?;
        open.next += piece.count;
        open.bytes += bytes;
        if let Some((_, all)) = self.files.iter_mut().rev().find(|(path, _)| *path == open.path) {
            *all += bytes;
        }
        self.shared.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// The oldest files go until so many bytes have room.
    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        if bytes > self.budget {
            return Err(io::Error::other("more comes at once than the budget holds"));
        }
        let mut all: u64 = self.files.iter().map(|(_, bytes)| bytes).sum();
        while all + bytes > self.budget {
            let Some((path, gone)) = self.files.pop_front() else {
                break;
            };
            for open in &mut self.open {
                if open.as_ref().is_some_and(|open| open.path == path) {
                    *open = None;
                }
            }
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => all -= gone,
            }
        }
        self.shared.bytes.store(all, Ordering::Relaxed);
        Ok(())
    }
}
