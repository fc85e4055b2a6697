//! zstd streams (RFC 8878) as a reader.
//!
//! Owns: several frames one after the other, skippable frames, checksums, and handing out what was
//! decoded before a damaged place. Does not own: the decoding of blocks (`ruzstd`).

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// An empty raw block marked as the last one, and room for a checksum that is then not looked at.
const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

/// Decodes everything that `source` has. Memory is bounded by the window limit.
pub(crate) struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    state: State,
}

enum State {
    /// The next bytes start a frame, or there are none.
    Between,
    /// In the middle of a frame.
    Inside,
    /// The stream is damaged; what was decoded before is still handed out.
    Failed(String),
}

impl<R: BufRead> Zstd<R> {
    /// Refuses frames that need a window of more than `window` bytes.
    pub(crate) fn new(source: R, window: u64) -> Zstd<R> {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(window);
        Zstd {
            source,
            decoder,
            state: State::Between,
        }
    }

    /// What the compressed bytes come from.
    pub(crate) fn get_ref(&self) -> &R {
        &self.source
    }

    fn start_frame(&mut self) {
        self.state = match self.decoder.init(&mut self.source) {
            Ok(()) => State::Inside,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length, ..
            })) => self.skip(length),
            Err(error) => self.failed(&error),
        };
    }

    /// Says what is wrong; the decoder's own words hide that the input just ended.
    fn failed(&mut self, error: &FrameDecoderError) -> State {
        State::Failed(match self.source.fill_buf() {
            Ok([]) => "unexpected end of file".into(),
            _ => error.to_string(),
        })
    }

    fn skip(&mut self, length: u32) -> State {
        let mut skipped = (&mut self.source).take(u64::from(length));
        match io::copy(&mut skipped, &mut io::sink()) {
            Ok(n) if n == u64::from(length) => State::Between,
            Ok(_) => State::Failed("unexpected end of file".into()),
            Err(error) => State::Failed(error.to_string()),
        }
    }

    fn decode_block(&mut self) {
        if let Err(error) = self
            .decoder
            .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
        {
            self.state = self.failed(&error);
            // The decoder keeps a whole window back until the frame ends. Ending the frame for it
            // hands out what was decoded before the damage; if even that fails, it stays back.
            let _ = self
                .decoder
                .decode_blocks(&LAST_BLOCK[..], BlockDecodingStrategy::UptoBlocks(1));
        }
    }

    fn end_frame(&mut self) {
        let said = self.decoder.get_checksum_from_data();
        self.state = if said.is_none() || said == self.decoder.get_calculated_checksum() {
            State::Between
        } else {
            State::Failed("checksum of a frame is wrong".into())
        };
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(out);
            }
            match &self.state {
                State::Failed(what) => return Err(io::Error::new(io::ErrorKind::InvalidData, what.clone())),
                State::Inside if self.decoder.is_finished() => self.end_frame(),
                State::Inside => self.decode_block(),
                State::Between if self.source.fill_buf()?.is_empty() => return Ok(0),
                State::Between => self.start_frame(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn read(bytes: &[u8]) -> (Vec<u8>, Option<String>) {
        let mut reader = Zstd::new(bytes, 8 << 20);
        let (mut all, mut part) = (Vec::new(), [0u8; 777]);
        loop {
            match reader.read(&mut part) {
                Ok(0) => return (all, None),
                Ok(n) => all.extend_from_slice(&part[..n]),
                Err(error) => return (all, Some(error.to_string())),
            }
        }
    }

    fn sample(len: usize) -> Vec<u8> {
        (0..len as u32)
            .flat_map(|n| (n / 7).wrapping_mul(2_654_435_761).to_le_bytes())
            .take(len)
            .collect()
    }

    #[test]
    fn frames_one_after_the_other_with_a_skippable_one_between() {
        let plain = sample(300_000);
        let frame = compress_to_vec(&plain[..], CompressionLevel::Fastest);
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let (all, error) = read(&[&skippable[..], &frame, &skippable, &frame].concat());
        assert_eq!(error, None);
        assert!(all == [&plain[..], &plain].concat());
    }

    #[test]
    fn a_cut_stream_gives_all_whole_blocks() {
        let plain = sample(1_000_000);
        let frame = compress_to_vec(&plain[..], CompressionLevel::Fastest);
        let (all, error) = read(&frame[..frame.len() - 10]);
        assert!(error.is_some());
        assert!(all.len() >= 7 * 128 * 1024, "{} bytes only", all.len());
        assert!(plain.starts_with(&all));
    }

    #[test]
    fn a_wrong_checksum_is_told() {
        let plain = sample(1000);
        let mut frame = compress_to_vec(&plain[..], CompressionLevel::Fastest);
        if let Some(last) = frame.last_mut() {
            *last ^= 1;
        }
        let (all, error) = read(&frame);
        assert_eq!(error.as_deref(), Some("checksum of a frame is wrong"));
        assert!(all == plain);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let frame = [&[0x28, 0xb5, 0x2f, 0xfd][..], &bytes].concat();
            let _ = read(&frame);
        }

        #[test]
        fn a_changed_byte_ends(at in 0usize..20_000, to: u8) {
            let mut frame = compress_to_vec(&sample(20_000)[..], CompressionLevel::Fastest);
            let at = at % frame.len();
            frame[at] = to;
            let _ = read(&frame);
        }
    }
}
