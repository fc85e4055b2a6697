//! Messages that were read, kept to be filled again.
//!
//! Owns: a bounded stack of them, so that the protocols with very many small messages need not go to the
//! allocator for each. Does not own: when a message was read by all.

/// A message that keeps its bytes as they came.
pub(crate) trait Raw {
    /// Those bytes.
    fn raw(&mut self) -> &mut Vec<u8>;
}

/// How many are kept, and up to which size.
const MOST: usize = 4;
const BYTES: usize = 4_096;

/// Messages that wait to be filled again.
#[derive(Debug)]
pub(crate) struct Spare<T>(Vec<Box<T>>);

impl<T> Default for Spare<T> {
    fn default() -> Spare<T> {
        Spare(Vec::new())
    }
}

impl<T: Raw> Spare<T> {
    /// What `make` makes of a copy of these bytes.
    pub(crate) fn fill(&mut self, bytes: &[u8], make: impl FnOnce(Vec<u8>) -> T) -> Box<T> {
        let Some(mut kept) = self.0.pop() else {
            return Box::new(make(bytes.to_vec()));
        };
        let mut raw = std::mem::take(kept.raw());
        raw.clear();
        raw.extend_from_slice(bytes);
        *kept = make(raw);
        kept
    }

    /// Takes one back.
    pub(crate) fn put(&mut self, mut read: Box<T>) {
        if self.0.len() < MOST && read.raw().capacity() <= BYTES {
            self.0.push(read);
        }
    }
}
