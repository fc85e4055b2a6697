//! One capture file from its first byte to its end.
//!
//! Owns: input, window and format together, the count of frames, and the place where the file turned
//! out to be damaged. Does not own: batches and the order between files (`files`).

use crate::format::{Format, Next, Record, Start};
use crate::input::Input;
use crate::model::{CaptureError, Damage};
use crate::window::{Ending, Window};

/// A file that is being read.
pub(crate) struct CaptureFile {
    name: String,
    input: Input,
    window: Window,
    format: Format,
    /// The largest frame that is believed.
    limit: u32,
    frames: u64,
    /// Bytes of a block that still are to be skipped.
    skip: u64,
    damage: Option<Damage>,
    ended: bool,
}

/// What came of asking for a frame.
pub(crate) enum Step {
    /// The next frame; `start` is its place in `memory`, until the window is filled again.
    Frame(Record),
    /// There is none without reading on, which was not wished.
    Starved,
    /// There are no more; `damage` says whether that is as it should be.
    End,
}

impl CaptureFile {
    /// Reads the start of an input. An input without a byte is a capture without a frame.
    pub(crate) fn start(
        name: String,
        input: Input,
        window: usize,
        limit: u32,
    ) -> Result<CaptureFile, CaptureError> {
        let window = Window::new(window);
        let mut file = CaptureFile {
            name,
            input,
            window,
            format: Format::Unknown,
            limit,
            frames: 0,
            skip: 0,
            damage: None,
            ended: false,
        };
        file.window.fill(&mut file.input, 1);
        while !file.ended {
            if file.window.data().is_empty() {
                file.end();
                break;
            }
            match Format::start(file.window.data()) {
                Start::Known(format, used) => {
                    file.format = format;
                    file.window.consume(used);
                    break;
                }
                Start::Need(n) if file.window.fill(&mut file.input, n) => {}
                Start::Need(_) => file.end(),
                Start::Foreign(what) => {
                    let what = match file.input.compression() {
                        Some(name) => format!("the {name} stream {what}"),
                        None => what,
                    };
                    return Err(CaptureError::NotACapture {
                        file: file.name,
                        what,
                    });
                }
            }
        }
        Ok(file)
    }

    /// The next frame. With `may_read` false, only from what is in memory already.
    #[inline]
    pub(crate) fn next(&mut self, may_read: bool) -> Step {
        while !self.ended {
            if self.skip > 0 && !self.skip_on(may_read) {
                return if self.ended { Step::End } else { Step::Starved };
            }
            match self.format.next(self.window.data(), self.limit) {
                Next::Frame(mut record, used) => {
                    record.start += self.window.start();
                    self.window.consume(used);
                    self.frames += 1;
                    return Step::Frame(record);
                }
                Next::Skip(n) => self.skip = n,
                Next::Need(_) if !may_read => return Step::Starved,
                Next::Need(n) if self.window.fill(&mut self.input, n) => {}
                Next::Need(_) => self.end(),
                Next::Damaged(what) => self.damaged(self.window.position(), what.into_owned()),
            }
        }
        Step::End
    }

    /// Skips as much as is there; false where more has to be read first, or the file ended.
    fn skip_on(&mut self, may_read: bool) -> bool {
        while self.skip > 0 {
            let there = self.window.data().len();
            if there == 0 {
                if !may_read {
                    return false;
                }
                if !self.window.fill(&mut self.input, 1) {
                    self.end();
                    return false;
                }
                continue;
            }
            let step = usize::try_from(self.skip).unwrap_or(there).min(there);
            self.window.consume(step);
            self.skip -= step as u64;
        }
        true
    }

    /// The input has no more bytes than those in the window.
    #[cold]
    fn end(&mut self) {
        let rest = self.window.data().len();
        let position = self.window.position();
        match self.window.ending() {
            Ending::Failed(why) => {
                let why = why.clone();
                self.damaged(position, why);
            }
            _ if self.skip > 0 => {
                let missing = self.skip;
                self.damaged(
                    position,
                    format!("cut in the middle of a block, {missing} bytes are missing"),
                );
            }
            _ if rest > 0 => {
                let part = if matches!(self.format, Format::Unknown) {
                    "file header"
                } else {
                    "record"
                };
                self.damaged(
                    position,
                    format!("cut in the middle of a {part}, {rest} bytes of it are there"),
                );
            }
            _ => self.ended = true,
        }
    }

    #[cold]
    fn damaged(&mut self, offset: u64, what: String) {
        self.ended = true;
        self.damage = Some(Damage {
            file: self.name.clone(),
            offset,
            frames: self.frames,
            what,
        });
    }

    /// Frames given so far.
    #[inline]
    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    /// What was found wrong, once.
    pub(crate) fn take_damage(&mut self) -> Option<Damage> {
        self.damage.take()
    }

    /// Bytes of the file taken so far, and all it has where that is known.
    pub(crate) fn progress(&self) -> (u64, Option<u64>) {
        (self.input.taken(), self.input.total())
    }

    /// The bytes of a frame that was just given.
    #[inline]
    pub(crate) fn bytes(&self, record: &Record) -> &[u8] {
        self.window
            .memory()
            .get(record.start..record.start + record.len as usize)
            .unwrap_or(&[])
    }

    /// See `Window::hand_over`.
    pub(crate) fn hand_over(&mut self, memory: &mut Vec<u8>, all_used: bool) {
        self.window.hand_over(memory, all_used);
    }
}
