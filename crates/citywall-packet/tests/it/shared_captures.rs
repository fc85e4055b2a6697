//! Replays every little-endian pcap file under the shared data, where that is there: no panic, all
//! spans within the frame, and the defragmenter stays within its bounds.

use std::path::{Path, PathBuf};

use citywall_packet::{
    DefragLimits, Defragmenter, Frame, LinkType, OverlapPolicies, decode, decode_reassembled, describe,
    verify_transport,
};

use crate::laws::assert_in_bounds;

/// Frames that are taken from one file: enough for all that is odd, and quick.
const MAX_FRAMES: usize = 20_000;

fn data_folder() -> Option<PathBuf> {
    let folder = match (
        std::env::var_os("CITYWALL_DATA"),
        std::env::var_os("XDG_CACHE_HOME"),
    ) {
        (Some(folder), _) => PathBuf::from(folder),
        (None, Some(cache)) => Path::new(&cache).join("citywall-data"),
        (None, None) => Path::new(&std::env::var_os("HOME")?).join(".cache/citywall-data"),
    };
    folder.is_dir().then_some(folder)
}

/// All files below `folder` whose name ends with ".pcap", in order.
fn captures(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(_) if path.extension().is_some_and(|extension| extension == "pcap") => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The frames of a little-endian pcap file; none for any other file.
fn frames(bytes: &[u8]) -> Vec<Frame<'_>> {
    let mut frames = Vec::new();
    let (Some(0xa1b2_c3d4 | 0xa1b2_3c4d), Some(link)) = (word(bytes, 0), word(bytes, 20)) else {
        return frames;
    };
    let mut at = 24;
    while let (Some(seconds), Some(length), Some(wire_len)) =
        (word(bytes, at), word(bytes, at + 8), word(bytes, at + 12))
    {
        let Some(data) = bytes.get(at + 16..at + 16 + length as usize) else {
            break;
        };
        let link = LinkType(link & 0xffff);
        frames.push(Frame {
            data,
            wire_len,
            at: i64::from(seconds) * 1_000_000_000,
            link,
        });
        at += 16 + data.len();
        if frames.len() == MAX_FRAMES {
            break;
        }
    }
    frames
}

#[test]
fn every_capture_replays() {
    let Some(folder) = data_folder() else {
        eprintln!("SKIPPED: no shared captures; set CITYWALL_DATA to their folder");
        return;
    };
    let limits = DefragLimits::default();
    let (mut files, mut count, mut whole) = (0u64, 0u64, 0u64);
    for path in captures(&folder) {
        let Ok(bytes) = std::fs::read(&path) else {
            continue;
        };
        files += 1;
        let mut table = Defragmenter::new(limits, OverlapPolicies::default());
        let mut out = Vec::new();
        for frame in frames(&bytes) {
            count += 1;
            out.clear();
            let mut packet = decode(&frame, &mut out);
            assert_in_bounds(&packet, frame.data.len());
            verify_transport(&mut packet, frame.data);
            describe(&packet, frame.data);
            let mut next = table.push(&packet, frame.data, &mut out);
            while let Some(data) = next {
                whole += 1;
                packet = decode_reassembled(&data, &packet, &mut out);
                assert_in_bounds(&packet, data.len());
                next = table.push(&packet, &data, &mut out);
            }
            assert!(table.stats().held_bytes <= limits.bytes);
            assert!(out.len() < 64, "{out:?}");
        }
    }
    eprintln!("{files} files, {count} frames, {whole} datagrams put together");
    assert!(count > 0, "no frames in {}", folder.display());
}
