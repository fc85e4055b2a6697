//! What holds for every capture: cutting, compressing, merging, batching and damaging it.

mod support;

use std::io::Write;

use citywall_capture::{FileLimits, PcapWriter};
use citywall_packet::LinkType;
use proptest::collection::vec;
use proptest::prelude::*;
use support::{Bytes, Got, pcap, read_all};

/// (seconds, fraction, data) of a frame.
type Frames = Vec<(u32, u32, Vec<u8>)>;

fn frames(most: usize) -> impl Strategy<Value = Frames> {
    vec((0u32..100, 0u32..1_000_000, vec(any::<u8>(), 0..200)), 0..most)
}

/// A capture in any format, and for each of its offsets how many frames end before it.
fn capture(format: u8, frames: &Frames) -> (Vec<u8>, Vec<usize>) {
    let big = format & 1 != 0;
    let mut ends = Vec::new();
    let bytes = match format / 2 % 3 {
        0 => frames
            .iter()
            .fold(pcap(big, 0xa1b2_c3d4, 1), |all, (seconds, fraction, data)| {
                let all = all.record(*seconds, *fraction, data.len() as u32, data);
                ends.push(all.bytes.len());
                all
            }),
        1 => frames
            .iter()
            .fold(pcap(big, 0xa1b2_3c4d, 101), |all, (seconds, fraction, data)| {
                let all = all.record(*seconds, *fraction, 1500, data);
                ends.push(all.bytes.len());
                all
            }),
        _ => {
            let start = Bytes::new(big).section().interface(1, 0, &[(9, &[6])]);
            frames.iter().fold(start, |all, (seconds, fraction, data)| {
                let time = u64::from(*seconds) * 1_000_000 + u64::from(*fraction);
                let all = all
                    .packet(0, time, data.len() as u32, data)
                    .block(5, Bytes::new(big).u32(0));
                ends.push(all.bytes.len() - 16);
                all
            })
        }
    };
    (bytes.bytes, ends)
}

fn small() -> FileLimits {
    FileLimits {
        batch_frames: 3,
        ..FileLimits::default()
    }
}

proptest! {
    #[test]
    fn a_cut_capture_gives_the_frames_before_the_cut(format: u8, frames in frames(12), cut: prop::sample::Index) {
        let (bytes, ends) = capture(format, &frames);
        let cut = cut.index(bytes.len() + 1);
        let (whole, none) = read_all(&[&bytes], small()).unwrap();
        prop_assert_eq!(none, []);
        prop_assert_eq!(whole.len(), frames.len());
        let (part, damage) = read_all(&[&bytes[..cut]], small()).unwrap();
        let expected = ends.iter().filter(|end| **end <= cut).count();
        prop_assert_eq!(&part[..], &whole[..expected]);
        prop_assert!(damage.len() <= 1);
        if let [damage] = &damage[..] {
            prop_assert_eq!(damage.frames, expected as u64);
            prop_assert!(damage.offset < cut as u64);
        }
    }

    #[test]
    fn a_cut_compressed_capture_gives_a_prefix(frames in frames(40), cut: prop::sample::Index, gz: bool) {
        let (bytes, _) = capture(0, &frames);
        let packed = if gz { gzip(&bytes) } else { zstd(&bytes) };
        let (whole, none) = read_all(&[&packed], small()).unwrap();
        prop_assert_eq!(none, []);
        prop_assert_eq!(&whole, &read_all(&[&bytes], small()).unwrap().0);
        let cut = cut.index(packed.len() + 1);
        let (part, damage) = read_all(&[&packed[..cut]], small()).unwrap_or_default();
        prop_assert_eq!(&part[..], &whole[..part.len()]);
        // A cut at 0 leaves an empty file; one in the magic number leaves no capture at all.
        prop_assert_eq!(damage.is_empty(), cut < 2 || (!gz && cut < 4) || cut == packed.len());
    }

    #[test]
    fn merged_captures_are_the_sorted_union(mut all in vec(frames(12), 2..6), formats: [u8; 6]) {
        let mut captures = Vec::new();
        let mut union = Vec::<Got>::new();
        for (index, frames) in all.iter_mut().enumerate() {
            frames.sort_by_key(|(seconds, fraction, _)| (*seconds, *fraction));
            let (bytes, _) = capture(formats[index], frames);
            let (read, _) = read_all(&[&bytes], small()).unwrap();
            union.extend(read.into_iter().map(|frame| Got { source: index as u16, ..frame }));
            captures.push(bytes);
        }
        union.sort_by_key(|frame| (frame.at, frame.source, frame.number));
        let captures: Vec<&[u8]> = captures.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(read_all(&captures, small()).unwrap(), (union, Vec::new()));
    }

    #[test]
    fn arbitrary_bytes_end(bytes in vec(any::<u8>(), 0..300), magic in 0usize..9, copies in 1usize..3) {
        const MAGICS: [&[u8]; 9] = [
            b"", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x34\xcd\xb2\xa1", b"\x1f\x8b\x08\0",
            b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18",
            b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\0\0\0\0\0\0\0\0\x1c\0\0\0",
            b"\x0a\x0d\x0d\x0a\0\0\0\x1c\x1a\x2b\x3c\x4d\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\x1c",
        ];
        let bytes = [MAGICS[magic], &bytes].concat();
        let captures: Vec<&[u8]> = (0..copies).map(|_| &bytes[..]).collect();
        let _ = read_all(&captures, small());
    }

    #[test]
    fn changed_bytes_end(format: u8, frames in frames(12), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..5)) {
        let (mut bytes, _) = capture(format, &frames);
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        let _ = read_all(&[&bytes], small());
        let _ = read_all(&[&bytes, &bytes], small());
    }

    #[test]
    fn what_is_written_is_read(frames in frames(20)) {
        let mut writer = PcapWriter::new(Vec::new(), LinkType::ETHERNET).unwrap();
        for (seconds, fraction, data) in &frames {
            writer.write(i64::from(*seconds) * 1_000_000_000 + i64::from(*fraction), 300, data).unwrap();
        }
        let (read, damage) = read_all(&[&writer.finish().unwrap()], FileLimits::default()).unwrap();
        prop_assert_eq!(damage, []);
        let read: Frames = read
            .into_iter()
            .map(|got| ((got.at / 1_000_000_000) as u32, (got.at % 1_000_000_000) as u32, got.data))
            .collect();
        prop_assert_eq!(read, frames);
    }
}

#[test]
fn batches_of_any_size_hold_the_same_frames() {
    let frames: Frames = (0..40_000u32)
        .map(|n| (n / 7, n, vec![n as u8; n as usize % 1500]))
        .collect();
    for format in [0, 3, 4] {
        let (bytes, _) = capture(format, &frames);
        let (expected, _) = read_all(&[&bytes], FileLimits::default()).unwrap();
        assert_eq!(expected.len(), frames.len());
        for (batch_frames, batch_bytes) in [(1000, 1 << 16), (usize::MAX, 1 << 22), (7, 1 << 20)] {
            let limits = FileLimits {
                batch_frames,
                batch_bytes,
                ..FileLimits::default()
            };
            assert!(read_all(&[&bytes], limits).unwrap().0 == expected);
            assert!(read_all(&[&bytes, b""], limits).unwrap().0 == expected);
        }
    }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    to.write_all(plain).and_then(|()| to.finish()).unwrap()
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(plain, ruzstd::encoding::CompressionLevel::Fastest)
}
