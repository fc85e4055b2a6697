//! Capture files as a source of frames.
//!
//! Owns: opening files and standard input, their order in time, cutting them into batches. Does not
//! own: one file (`capture_file`).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use citywall_packet::{Nanos, Span};

use crate::capture_file::{CaptureFile, Step};
use crate::format::Record;
use crate::input::Input;
use crate::model::{Batch, CaptureError, Damage, FrameMeta, FrameSource};

/// Where more files than this are given, those whose time has not come are closed again, so that
/// a directory full of captures needs neither a descriptor nor a buffer for each.
const KEPT_OPEN: usize = 16;
/// Window of a file that is merged with others, in bytes.
const MERGED_WINDOW: usize = 128 * 1024;

/// Sizes that reading files keeps to.
#[derive(Clone, Copy, Debug)]
pub struct FileLimits {
    /// Bytes of frames that a batch should have. 512 KiB; 64 KiB to 64 MiB are used.
    pub batch_bytes: usize,
    /// Frames that a batch has at most. 2048.
    pub batch_frames: usize,
    /// A record that claims more bytes than this is damage, not a frame. 256 KiB, the longest that
    /// tcpdump writes; at most 64 MiB are used.
    pub frame_bytes: u32,
    /// Memory that a zstd stream may ask for, in bytes. 128 MiB, as the `zstd` command allows.
    pub zstd_window: u64,
    /// Where this is set, a pipe that has nothing to give has ended.
    pub stop: Option<&'static AtomicBool>,
}

impl Default for FileLimits {
    fn default() -> FileLimits {
        FileLimits {
            batch_bytes: 512 * 1024,
            batch_frames: 2048,
            frame_bytes: 256 * 1024,
            zstd_window: 128 << 20,
            stop: None,
        }
    }
}

impl FileLimits {
    /// The same, within what positions of 32 bits can address.
    fn bounded(self) -> FileLimits {
        FileLimits {
            batch_bytes: self.batch_bytes.clamp(64 << 10, 64 << 20),
            batch_frames: self.batch_frames.max(1),
            frame_bytes: self.frame_bytes.min(64 << 20),
            ..self
        }
    }
}

/// One or several capture files, read as streams: pcap and pcapng, plain, in gzip, zstd or, alone in an archive, zip.
///
/// A single file keeps its own order, also where its time goes backward. Of several files always
/// the one whose next frame is the earliest comes next; of equal times the one named first. So
/// files that are each in order give one stream in order.
///
/// Hand the same [`Batch`] back to `next_batch` again and again: its memory is what the next bytes
/// are read into, and a fresh one would have to be allocated and cleared. What lies in
/// `Batch::bytes` outside the frames' spans has no meaning.
pub struct Files {
    lanes: Vec<Lane>,
    /// Time of the next frame and index of each lane that has one; used for several files only.
    order: BinaryHeap<Reverse<(Nanos, u16)>>,
    limits: FileLimits,
    damage: Vec<Damage>,
}

/// One file among several.
struct Lane {
    state: State,
    /// Bytes of the file that were taken when it was last looked at.
    taken: u64,
    /// All bytes it has, where that is known.
    total: Option<u64>,
}

enum State {
    /// Closed until its time comes.
    Parked(PathBuf),
    /// Being read; `next` is its next frame, where files are merged.
    Open {
        file: Box<CaptureFile>,
        next: Option<Record>,
    },
    /// At its end, or not a capture.
    Done,
}

impl Files {
    /// Opens files; `-` is standard input. A file of zero bytes is a capture without frames.
    ///
    /// # Errors
    /// `Io` where a file cannot be opened, standard input is named twice, or there are more than
    /// 65,535 files; `NotACapture` where no file is one. If some are, the others are damage.
    pub fn open(paths: &[PathBuf], limits: FileLimits) -> Result<Files, CaptureError> {
        if let Some(second) = paths.iter().filter(|path| path.as_os_str() == "-").nth(1) {
            let error = io::Error::new(
                io::ErrorKind::InvalidInput,
                "standard input can be read only once",
            );
            return Err(CaptureError::Io {
                file: name(second),
                error,
            });
        }
        let limits = limits.bounded();
        let inputs = paths.iter().map(|path| {
            let input = Input::open(path, &limits);
            let park = (paths.len() > KEPT_OPEN).then(|| path.clone());
            (name(path), input, park)
        });
        Files::start(paths.len(), inputs, limits)
    }

    /// Reads captures from any readers, each with a name for messages. Such a reader is read when
    /// a frame is needed, never ahead of it by more than one `read`.
    ///
    /// # Errors
    /// As `open`.
    pub fn from_readers(
        readers: Vec<(String, Box<dyn Read + Send>)>,
        limits: FileLimits,
    ) -> Result<Files, CaptureError> {
        let limits = limits.bounded();
        let count = readers.len();
        let inputs = readers
            .into_iter()
            .map(|(name, reader)| (name, Input::new(reader, None, &limits), None));
        Files::start(count, inputs, limits)
    }

    fn start(
        count: usize,
        inputs: impl Iterator<Item = (String, io::Result<Input>, Option<PathBuf>)>,
        limits: FileLimits,
    ) -> Result<Files, CaptureError> {
        let merged = count > 1;
        let window = if merged { MERGED_WINDOW } else { limits.batch_bytes };
        let mut files = Files {
            lanes: Vec::new(),
            order: BinaryHeap::new(),
            limits,
            damage: Vec::new(),
        };
        let mut foreign = None;
        let mut captures = 0;
        for (file, input, park) in inputs {
            let index = files.next_index(&file)?;
            let input = input.map_err(|error| CaptureError::Io {
                file: file.clone(),
                error,
            })?;
            let park = park.filter(|_| input.total().is_some());
            let total = input.total();
            files.lanes.push(Lane {
                state: State::Done,
                taken: 0,
                total,
            });
            match CaptureFile::start(file.clone(), input, window, limits.frame_bytes) {
                Ok(opened) => {
                    captures += 1;
                    files.enter(index, Box::new(opened), merged, park);
                }
                Err(CaptureError::NotACapture { what, .. }) => {
                    let told = format!("not a pcap or pcapng capture: {what}");
                    files.damage.push(Damage {
                        file: file.clone(),
                        offset: 0,
                        frames: 0,
                        what: told,
                    });
                    foreign.get_or_insert(CaptureError::NotACapture { file, what });
                }
                Err(error) => return Err(error),
            }
        }
        match foreign {
            Some(error) if captures == 0 => Err(error),
            _ => Ok(files),
        }
    }

    fn next_index(&self, file: &str) -> Result<u16, CaptureError> {
        u16::try_from(self.lanes.len()).map_err(|_| CaptureError::Io {
            file: file.to_owned(),
            error: io::Error::new(io::ErrorKind::InvalidInput, "more than 65,536 files"),
        })
    }

    /// Takes up a file that was just opened; where files are merged, by the time of its first frame.
    fn enter(&mut self, index: u16, mut file: Box<CaptureFile>, merged: bool, park: Option<PathBuf>) {
        let mut next = None;
        if merged && let Step::Frame(record) = file.next(true) {
            self.order.push(Reverse((record.at, index)));
            next = Some(record);
        }
        let Some(lane) = self.lanes.get_mut(usize::from(index)) else {
            return;
        };
        lane.taken = file.progress().0;
        lane.state = match park {
            _ if merged && next.is_none() => {
                self.damage.extend(file.take_damage());
                State::Done
            }
            Some(path) => {
                lane.taken = 0;
                State::Parked(path)
            }
            None => State::Open { file, next },
        };
    }

    /// The next frames of the only file: they are parsed where they were read, and the memory goes
    /// to the batch.
    fn next_of_one(&mut self, batch: &mut Batch) -> bool {
        batch.frames.clear();
        let Some(Lane {
            state: State::Open { file, .. },
            ..
        }) = self.lanes.first_mut()
        else {
            batch.clear();
            return false;
        };
        let first = file.frames() + 1;
        let mut full = false;
        while !full {
            let Step::Frame(record) = file.next(batch.frames.is_empty()) else {
                break;
            };
            batch
                .frames
                .push(meta(&record, record.start, 0, first + batch.frames.len() as u64));
            full = batch.frames.len() >= self.limits.batch_frames;
        }
        if batch.frames.is_empty() {
            batch.bytes.clear();
            self.damage.extend(file.take_damage());
            return false;
        }
        file.hand_over(&mut batch.bytes, !full);
        true
    }

    /// The next frames of several files, copied into the batch.
    fn next_of_several(&mut self, batch: &mut Batch) -> bool {
        batch.clear();
        while batch.frames.len() < self.limits.batch_frames && batch.bytes.len() < self.limits.batch_bytes {
            let Some(mut top) = self.order.peek_mut() else {
                break;
            };
            let Reverse((_, index)) = *top;
            let Some(lane) = self.lanes.get_mut(usize::from(index)) else {
                PeekMut::pop(top);
                continue;
            };
            lane.reopen(self.limits, &mut self.damage);
            match lane.take(index, batch, &mut self.damage) {
                Some(at) => *top = Reverse((at, index)),
                None => {
                    PeekMut::pop(top);
                }
            }
        }
        !batch.frames.is_empty()
    }
}

impl Lane {
    /// Opens a file again that was closed until its time came.
    fn reopen(&mut self, limits: FileLimits, damage: &mut Vec<Damage>) {
        let State::Parked(path) = &self.state else { return };
        let file = name(path);
        let opened = Input::open(path, &limits)
            .map_err(|error| CaptureError::Io {
                file: file.clone(),
                error,
            })
            .and_then(|input| CaptureFile::start(file.clone(), input, MERGED_WINDOW, limits.frame_bytes));
        self.state = match opened {
            Ok(mut file) => match file.next(true) {
                Step::Frame(record) => State::Open {
                    file: Box::new(file),
                    next: Some(record),
                },
                Step::Starved | Step::End => {
                    damage.extend(file.take_damage());
                    State::Done
                }
            },
            Err(error) => {
                let what = format!("cannot be opened a second time: {error}");
                damage.push(Damage {
                    file,
                    offset: 0,
                    frames: 0,
                    what,
                });
                State::Done
            }
        };
    }

    /// Puts the next frame into the batch; gives the time of the one after it.
    #[inline]
    fn take(&mut self, index: u16, batch: &mut Batch, damage: &mut Vec<Damage>) -> Option<Nanos> {
        let State::Open { file, next } = &mut self.state else {
            return None;
        };
        if let Some(record) = next.take() {
            batch
                .frames
                .push(meta(&record, batch.bytes.len(), index, file.frames()));
            batch.bytes.extend_from_slice(file.bytes(&record));
        }
        if let Step::Frame(record) = file.next(true) {
            *next = Some(record);
            return Some(record.at);
        }
        self.taken = file.progress().0;
        damage.extend(file.take_damage());
        self.state = State::Done;
        None
    }

    fn taken(&self) -> u64 {
        match &self.state {
            State::Open { file, .. } => file.progress().0,
            State::Parked(_) | State::Done => self.taken,
        }
    }
}

#[inline]
fn meta(record: &Record, start: usize, source: u16, number: u64) -> FrameMeta {
    FrameMeta {
        // Batches stay below 2^32 bytes: `FileLimits::bounded`.
        data: Span {
            start: start as u32,
            len: record.len,
        },
        wire_len: record.wire_len,
        at: record.at,
        link: record.link,
        source,
        number,
    }
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

impl FrameSource for Files {
    fn next_batch(&mut self, batch: &mut Batch) -> Result<bool, CaptureError> {
        Ok(if self.lanes.len() == 1 {
            self.next_of_one(batch)
        } else {
            self.next_of_several(batch)
        })
    }

    fn progress(&self) -> (u64, Option<u64>) {
        let taken = self.lanes.iter().map(Lane::taken).sum();
        let total = self
            .lanes
            .iter()
            .try_fold(0u64, |sum, lane| Some(sum.saturating_add(lane.total?)));
        (taken, total)
    }

    fn damage(&self) -> &[Damage] {
        &self.damage
    }
}
