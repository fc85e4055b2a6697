//! Memory that two processes share.
//!
//! Owns: the sealed memfd (memfd_create(2)), its mapping, and copying in and out of it. Does not
//! own: what lies where (`ring`).
//!
//! This module may use `unsafe`, because a mapping that another process writes has no safe
//! interface. Invariants:
//! - The file's size is sealed before it is mapped, so no access can fail with a bus error.
//! - No reference into the mapping is ever made: what is read is copied out first, and judged after.
//!   The other process may write anything at any time; it can change what a copy holds, not more.
//! - Every offset is checked against the mapping's length. Words are aligned and accessed as atomics.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};

/// A mapping of a whole sealed file.
pub(super) struct Memory {
    file: OwnedFd,
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to this value; all access copies, and words are atomics.
unsafe impl Send for Memory {}

const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

impl Memory {
    /// New memory of so many bytes, all zero.
    pub(super) fn new(len: usize) -> io::Result<Memory> {
        let file = rustix::fs::memfd_create("citywall", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        rustix::fs::ftruncate(&file, len as u64)?;
        rustix::fs::fcntl_add_seals(&file, SEALS)?;
        Memory::map(file, len)
    }

    /// Maps what the other side made; `len` is what is expected of it.
    pub(super) fn map(file: OwnedFd, len: usize) -> io::Result<Memory> {
        let seals = rustix::fs::fcntl_get_seals(&file)?;
        let size = rustix::fs::fstat(&file)?.st_size;
        if !seals.contains(SEALS) || u64::try_from(size).ok() != Some(len as u64) || len == 0 {
            return Err(io::Error::other(
                "the shared memory is not sealed, or of another size",
            ));
        }
        // SAFETY: a new mapping at an address that the kernel chooses touches no other memory.
        let start = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &file,
                0,
            )?
        };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Memory { file, start, len })
    }

    /// The file, to be handed to the other side.
    pub(super) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    fn word(&self, at: usize) -> Option<&AtomicU32> {
        let fits = at.is_multiple_of(4) && at.checked_add(4).is_some_and(|end| end <= self.len);
        // SAFETY: the word lies in the mapping, which starts at a page's border and lives as long as
        // `self`; it is aligned, and both sides access it as a whole.
        fits.then(|| unsafe { AtomicU32::from_ptr(self.start.add(at).cast().as_ptr()) })
    }

    /// A word; 0 where there is none.
    pub(super) fn load(&self, at: usize) -> u32 {
        self.word(at).map_or(0, |word| word.load(Ordering::SeqCst))
    }

    /// Writes a word, after all that was written before.
    pub(super) fn store(&self, at: usize, value: u32) {
        if let Some(word) = self.word(at) {
            word.store(value, Ordering::SeqCst);
        }
    }

    /// As `load`, where a word after it is loaded with its order.
    pub(super) fn peek(&self, at: usize) -> u32 {
        self.word(at).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// As `store`, where a word after it is stored with its order.
    pub(super) fn put(&self, at: usize, value: u32) {
        if let Some(word) = self.word(at) {
            word.store(value, Ordering::Release);
        }
    }

    /// Copies bytes in; false where they do not fit.
    pub(super) fn write(&self, at: usize, bytes: &[u8]) -> bool {
        let fits = at.checked_add(bytes.len()).is_some_and(|end| end <= self.len);
        if fits {
            // SAFETY: the range lies in the mapping, and `bytes` is this process's own memory.
            unsafe {
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.add(at).as_ptr(), bytes.len())
            };
        }
        fits
    }

    /// Copies bytes out, behind what `to` holds; false where they do not lie within.
    pub(super) fn read(&self, at: usize, len: usize, to: &mut Vec<u8>) -> bool {
        let fits = at.checked_add(len).is_some_and(|end| end <= self.len);
        if fits {
            to.reserve(len);
            // SAFETY: the range lies in the mapping; `to` has room for `len` bytes behind its end,
            // which are written before its length says so.
            unsafe {
                let end = to.as_mut_ptr().add(to.len());
                std::ptr::copy_nonoverlapping(self.start.add(at).as_ptr(), end, len);
                to.set_len(to.len() + len);
            }
        }
        fits
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: exactly the range that `map` mapped; nothing refers to it any more.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.len) };
    }
}
