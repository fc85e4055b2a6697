//! A hash of the first bytes that a client says.
//!
//! Owns: how many bytes are looked at, and the hash. Does not own: whose they are, and what it means that many say the
//! same.

/// Takes a stream in pieces; where it is cut makes no difference. FNV-1a of 32 bits (Fowler, Noll, Vo): it need not
/// withstand somebody who looks for two streams with the same hash, as all that he gains is to be told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirstWords {
    hash: u32,
    taken: u8,
}

/// Enough to tell what is asked of an HTTP server, and to have come upon what is random in a TLS hello or an SSH key
/// exchange.
const WORDS: u8 = 64;

const BASIS: u32 = 0x811c_9dc5;
const PRIME: u32 = 0x0100_0193;

impl FirstWords {
    /// The next bytes of the stream.
    #[inline]
    pub fn take(&mut self, bytes: &[u8]) {
        if self.taken == 0 && !bytes.is_empty() {
            self.hash = BASIS;
        }
        let room = usize::from(WORDS.saturating_sub(self.taken));
        for byte in bytes.iter().take(room) {
            self.hash = (self.hash ^ u32::from(*byte)).wrapping_mul(PRIME);
            self.taken += 1;
        }
    }

    /// Bytes are missing here: what follows are no first words.
    pub fn end(&mut self) {
        self.taken = WORDS;
    }

    /// No more is wanted.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.taken >= WORDS
    }

    /// The hash of what was said so far; 0 where nothing was.
    pub fn hash(&self) -> u32 {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(pieces: &[&[u8]]) -> u32 {
        let mut words = FirstWords::default();
        pieces.iter().for_each(|piece| words.take(piece));
        words.hash()
    }

    #[test]
    fn it_is_fnv_1a_of_the_first_bytes() {
        // The values that its authors give for these texts.
        assert_eq!(of(&[b"a"]), 0xe40c_292c);
        assert_eq!(of(&[b"foobar"]), 0xbf9c_f968);
        assert_eq!(of(&[]), 0);
    }

    #[test]
    fn what_is_behind_a_gap_is_none() {
        let mut words = FirstWords::default();
        words.take(b"foo");
        words.end();
        words.take(b"bar");
        assert_eq!((words.hash(), words.is_full()), (of(&[b"foo"]), true));
    }

    proptest! {
        #[test]
        fn any_cut_of_a_stream_gives_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..200) {
            let (head, tail) = bytes.split_at(at.min(bytes.len()));
            prop_assert_eq!(of(&[head, tail]), of(&[&bytes]));
            prop_assert_eq!(of(&[&bytes]), of(&[bytes.get(..64).unwrap_or(&bytes)]));
        }
    }
}
