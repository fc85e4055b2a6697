//! The part of an input that is in memory.
//!
//! Owns: one buffer that is filled with large reads, the position in the stream, and how the stream
//! ended. Does not own: what the bytes mean.

use std::io;

use crate::input::Input;

/// Bytes of an input from `start` on that were read and not yet consumed.
pub(crate) struct Window {
    /// Memory. Its whole length is initialised, so that reads go straight into it; what lies before
    /// `start` was consumed, what lies from `end` on is stale.
    buf: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset in the stream of the first byte of `buf`.
    base: u64,
    /// How far `buf` is filled where the input has that much ready.
    goal: usize,
    ending: Ending,
}

/// Whether more bytes can come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// They can.
    Open,
    /// The input is at its end.
    End,
    /// The input cannot be read on, for this reason.
    Failed(String),
}

/// Less than this is not worth a read.
const LEAST_GOAL: usize = 64 * 1024;

impl Window {
    /// A window of `size` bytes. It grows where a record needs more.
    pub(crate) fn new(size: usize) -> Window {
        let size = size.max(LEAST_GOAL);
        Window {
            buf: vec![0; size],
            start: 0,
            end: 0,
            base: 0,
            goal: size,
            ending: Ending::Open,
        }
    }

    /// What is there.
    #[inline]
    pub(crate) fn data(&self) -> &[u8] {
        self.buf.get(self.start..self.end).unwrap_or(&[])
    }

    /// Where `data` starts in `memory`.
    #[inline]
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// The buffer, consumed and stale bytes included.
    #[inline]
    pub(crate) fn memory(&self) -> &[u8] {
        &self.buf
    }

    /// Offset of `data` in the uncompressed stream.
    pub(crate) fn position(&self) -> u64 {
        self.base + self.start as u64
    }

    /// How the stream ended, if it did.
    pub(crate) fn ending(&self) -> &Ending {
        &self.ending
    }

    /// Goes on by `n` bytes, or to the end of `data`.
    #[inline]
    pub(crate) fn consume(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.end);
    }

    /// Tries to have `want` bytes in `data`, and reads further where that cannot block. False where
    /// the input ended before. What was consumed may be overwritten.
    pub(crate) fn fill(&mut self, input: &mut Input, want: usize) -> bool {
        if self.end - self.start >= want {
            return true;
        }
        self.buf.copy_within(self.start..self.end, 0);
        self.base += self.start as u64;
        self.end -= self.start;
        self.start = 0;
        if want > self.buf.len() {
            self.buf.resize(want, 0);
        }
        let goal = self.goal.max(want).min(self.buf.len());
        while self.ending == Ending::Open && self.end < goal {
            self.read(input, goal);
            if self.end >= want && input.total().is_none() {
                break;
            }
        }
        self.end >= want
    }

    fn read(&mut self, input: &mut Input, goal: usize) {
        let Some(free) = self.buf.get_mut(self.end..goal) else {
            return;
        };
        match input.read(free) {
            Ok(0) => self.ending = Ending::End,
            Ok(n) => self.end = (self.end + n).min(goal),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                self.ending = Ending::Failed(match input.compression() {
                    // It is as its writer wanted it, and says itself what is in the way.
                    Some(_) if error.kind() == io::ErrorKind::Unsupported => error.to_string(),
                    Some(name) => format!("the {name} stream is damaged: {error}"),
                    None => format!("cannot be read: {error}"),
                });
            }
        }
    }

    /// Gives the memory with the consumed bytes away and goes on in `memory`, which is recycled:
    /// frames travel to their batch without being copied. `all_used` says that the window was
    /// emptied as far as whole records go; where it was not, the next fill reads less, because what
    /// is left over has to be copied.
    pub(crate) fn hand_over(&mut self, memory: &mut Vec<u8>, all_used: bool) {
        let mut other = std::mem::take(memory);
        if other.len() < self.buf.len() {
            other.resize(self.buf.len(), 0);
        }
        let rest = self.end - self.start;
        if let (Some(to), Some(from)) = (other.get_mut(..rest), self.buf.get(self.start..self.end)) {
            to.copy_from_slice(from);
        }
        self.goal = if all_used {
            other.len()
        } else {
            (self.start + self.start / 8).max(LEAST_GOAL)
        };
        *memory = std::mem::replace(&mut self.buf, other);
        self.base += self.start as u64;
        self.start = 0;
        self.end = rest;
    }
}
