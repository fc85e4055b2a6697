//! Where the bytes of a capture file come from.
//!
//! Owns: opening a path or standard input, finding gzip (RFC 1952), zstd (RFC 8878) and zip by their
//! first bytes, counting what was taken. Does not own: capture formats.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::bufread::MultiGzDecoder;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::files::FileLimits;
use crate::zip::{self, Zip};
use crate::zstd::Zstd;

/// Compressed bytes that are read at once.
const COMPRESSED_READ: usize = 128 * 1024;

/// A readable stream of uncompressed bytes.
pub(crate) struct Input {
    stream: Stream,
    total: Option<u64>,
}

enum Stream {
    Plain(Raw),
    Gzip(Box<MultiGzDecoder<BufReader<Raw>>>),
    Zstd(Box<Zstd<BufReader<Raw>>>),
    Zip(Box<Zip<BufReader<Raw>>>),
}

/// A reader that hands out the bytes that were looked at first, and counts.
struct Raw {
    reader: Box<dyn Read + Send>,
    head: [u8; 4],
    head_len: usize,
    head_given: usize,
    taken: u64,
}

impl Input {
    /// Opens a file, or standard input for `-`.
    pub(crate) fn open(path: &Path, limits: &FileLimits) -> io::Result<Input> {
        let file = if path.as_os_str() == "-" {
            File::from(io::stdin().as_fd().try_clone_to_owned()?)
        } else {
            File::open(path)?
        };
        let about = file.metadata()?;
        if about.is_file() {
            let total = (path.as_os_str() != "-").then_some(about.len());
            return Input::new(Box::new(file), total, limits);
        }
        let stop = limits.stop;
        Input::new(Box::new(Pipe { file, stop }), None, limits)
    }

    /// Takes any reader; `total` is how many bytes it has, where that is known.
    pub(crate) fn new(
        reader: Box<dyn Read + Send>,
        total: Option<u64>,
        limits: &FileLimits,
    ) -> io::Result<Input> {
        let raw = Raw::new(reader)?;
        let stream = match raw.head {
            [0x1f, 0x8b, ..] if raw.head_len >= 2 => {
                let buffered = BufReader::with_capacity(COMPRESSED_READ, raw);
                Stream::Gzip(Box::new(MultiGzDecoder::new(buffered)))
            }
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] if raw.head_len == 4 => {
                let buffered = BufReader::with_capacity(COMPRESSED_READ, raw);
                Stream::Zstd(Box::new(Zstd::new(buffered, limits.zstd_window)))
            }
            zip::LOCAL if raw.head_len == 4 => {
                let buffered = BufReader::with_capacity(COMPRESSED_READ, raw);
                Stream::Zip(Box::new(Zip::new(buffered)))
            }
            _ => Stream::Plain(raw),
        };
        Ok(Input { stream, total })
    }

    /// Reads uncompressed bytes, as `Read::read`.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(raw) => raw.read(buf),
            Stream::Gzip(gzip) => gzip.read(buf),
            Stream::Zstd(zstd) => zstd.read(buf),
            Stream::Zip(zip) => zip.read(buf),
        }
    }

    /// Bytes of the file (compressed, where it is) that were taken so far.
    pub(crate) fn taken(&self) -> u64 {
        match &self.stream {
            Stream::Plain(raw) => raw.taken,
            Stream::Gzip(gzip) => gzip.get_ref().get_ref().taken,
            Stream::Zstd(zstd) => zstd.get_ref().get_ref().taken,
            Stream::Zip(zip) => zip.get_ref().map_or(0, |source| source.get_ref().taken),
        }
    }

    /// Bytes that the file has, for a regular file. Such a file is always ready to be read, so that
    /// asking it for more never makes frames wait that are there already.
    pub(crate) fn total(&self) -> Option<u64> {
        self.total
    }

    /// Name of the compression, for messages.
    pub(crate) fn compression(&self) -> Option<&'static str> {
        match &self.stream {
            Stream::Plain(_) => None,
            Stream::Gzip(_) => Some("gzip"),
            Stream::Zstd(_) => Some("zstd"),
            Stream::Zip(_) => Some("zip"),
        }
    }
}

/// A pipe, or whatever else may have nothing to give for long: an end that is asked for meanwhile is heard.
struct Pipe {
    file: File,
    stop: Option<&'static AtomicBool>,
}

/// How long a pipe is waited for before it is asked again whether that is wanted.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while let Some(stop) = self.stop {
            let mut waits = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut waits, Some(&PATIENCE)) {
                Ok(0) | Err(Errno::INTR) if stop.load(Ordering::Relaxed) => return Ok(0),
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.file.read(buf)
    }
}

impl Raw {
    fn new(mut reader: Box<dyn Read + Send>) -> io::Result<Raw> {
        let mut head = [0; 4];
        let mut head_len = 0;
        while let Some(rest) = head.get_mut(head_len..).filter(|rest| !rest.is_empty()) {
            match reader.read(rest) {
                Ok(0) => break,
                Ok(n) => head_len += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Raw {
            reader,
            head,
            head_len,
            head_given: 0,
            taken: 0,
        })
    }
}

impl Read for Raw {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = match self.head.get(self.head_given..self.head_len) {
            Some(mut rest) if !rest.is_empty() => {
                let n = rest.read(buf)?;
                self.head_given += n;
                n
            }
            _ => self.reader.read(buf)?,
        };
        self.taken += n as u64;
        Ok(n)
    }
}
