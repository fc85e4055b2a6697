//! Capture files: any bytes as one file and as two, from readers that give little and that fail.

use std::io::{self, ErrorKind, Read};

use citywall_capture::{Batch, FileLimits, Files, FrameSource};

use crate::turns::parts;

/// Bytes of frames after which a file is left: compressed files may hold very many.
const MOST: usize = 4 << 20;

/// The first byte says how the readers behave; the parts are one or two files.
pub fn run(data: &[u8]) {
    let Some((&mood, rest)) = data.split_first() else {
        return;
    };
    let limits = FileLimits {
        batch_bytes: 64 << 10,
        batch_frames: 1 + usize::from(mood & 7) * 5,
        frame_bytes: 32 << 10,
        zstd_window: 1 << 20,
        stop: None,
    };
    let files: Vec<&[u8]> = parts(rest).take(2).collect();
    let smooth = drain(&files, 0, limits);
    if mood & 8 != 0 {
        // A reader that gives a few bytes at a time changes nothing.
        let rough = drain(&files, 1 + usize::from(mood >> 4), limits);
        assert!(alike(&files, &smooth, &rough), "{smooth:?}\n{rough:?}");
    }
    if mood & 0x30 == 0x30 {
        failing(rest, limits);
    }
}

/// Two readings of the same files. Of a damaged compressed stream more or less is decoded before the
/// damage is found, depending on how much one read gave.
fn alike(files: &[&[u8]], smooth: &Option<Told>, rough: &Option<Told>) -> bool {
    if smooth == rough {
        return true;
    }
    if !files.iter().any(|file| {
        file.starts_with(b"\x1f\x8b")
            || file.get(1..4) == Some(b"\xb5\x2f\xfd")
            || file.get(1..4) == Some(b"\x2a\x4d\x18")
    }) {
        return false;
    }
    match (smooth, rough, files.len()) {
        (Some((smooth, _)), Some((rough, _)), 1) => smooth.starts_with(rough) || rough.starts_with(smooth),
        _ => true,
    }
}

/// Frames, with a sum over their bytes; and the damage.
type Told = (Vec<(i64, u16, u64, usize, u32)>, Vec<(u64, u64, String)>);

fn drain(files: &[&[u8]], step: usize, limits: FileLimits) -> Option<Told> {
    let readers = files.iter().map(|bytes| {
        let reader: Box<dyn Read + Send> = Box::new(Slow {
            bytes: bytes.to_vec(),
            at: 0,
            step,
            fails_at: None,
            interrupted: false,
        });
        ("file".to_owned(), reader)
    });
    let mut files = Files::from_readers(readers.collect(), limits).ok()?;
    let mut frames = Vec::new();
    let mut batch = Batch::default();
    let mut bytes = 0;
    let mut numbers = [0; 2];
    while files.next_batch(&mut batch).ok()? {
        assert!(!batch.frames.is_empty() && batch.frames.len() <= limits.batch_frames);
        for meta in &batch.frames {
            let frame = batch.frame(meta);
            assert_eq!(
                frame.data.len(),
                meta.data.len as usize,
                "a span outside its batch"
            );
            assert!(meta.data.len <= limits.frame_bytes);
            let number = &mut numbers[usize::from(meta.source)];
            *number += 1;
            assert_eq!(meta.number, *number);
            let sum = frame
                .data
                .iter()
                .fold(0u32, |sum, b| sum.wrapping_mul(31).wrapping_add((*b).into()));
            frames.push((
                meta.at,
                meta.source,
                meta.number,
                frame.data.len(),
                sum ^ meta.link.0,
            ));
            bytes += 16 + frame.data.len();
        }
        if bytes > MOST {
            return None;
        }
    }
    assert!(batch.frames.is_empty());
    assert!(
        matches!(files.next_batch(&mut batch), Ok(false)),
        "the end is the end"
    );
    let damage = files.damage().iter();
    let damage = damage.map(|d| (d.offset, d.frames, d.what.clone())).collect();
    Some((frames, damage))
}

/// A reader that fails in the middle: what came before is delivered, the failure is told.
fn failing(bytes: &[u8], limits: FileLimits) {
    let reader: Box<dyn Read + Send> = Box::new(Slow {
        bytes: bytes.to_vec(),
        at: 0,
        step: 0,
        fails_at: Some(bytes.len() / 2),
        interrupted: false,
    });
    let Ok(mut files) = Files::from_readers(vec![("file".to_owned(), reader)], limits) else {
        return;
    };
    let mut batch = Batch::default();
    let mut read = 0;
    while let Ok(true) = files.next_batch(&mut batch) {
        read += 16 + batch.bytes.len();
        if read > MOST {
            return;
        }
    }
}

struct Slow {
    bytes: Vec<u8>,
    at: usize,
    /// Bytes given at a time; 0 = as many as are wanted.
    step: usize,
    fails_at: Option<usize>,
    interrupted: bool,
}

impl Read for Slow {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.step > 0 && !std::mem::replace(&mut self.interrupted, true) {
            return Err(ErrorKind::Interrupted.into());
        }
        self.interrupted = false;
        let end = self.fails_at.unwrap_or(self.bytes.len()).min(self.bytes.len());
        let rest = &self.bytes[self.at.min(end)..end];
        if rest.is_empty() && self.fails_at.is_some() {
            return Err(io::Error::other("the disk is gone"));
        }
        let mut n = rest.len().min(to.len());
        if self.step > 0 {
            n = n.min(self.step);
        }
        to[..n].copy_from_slice(&rest[..n]);
        self.at += n;
        Ok(n)
    }
}
