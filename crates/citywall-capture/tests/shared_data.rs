//! All captures of the shared data open and are read to their end.

mod support;

use std::path::{Path, PathBuf};

use citywall_capture::{Batch, FileLimits, Files, FrameSource};

fn captures(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            captures(&path, found);
            continue;
        }
        let name = entry.file_name().to_string_lossy().to_lowercase();
        let name = name.trim_end_matches(".gz").trim_end_matches(".zst");
        if [".pcap", ".pcapng", ".cap", ".ntar"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            found.push(path);
        }
    }
}

/// Frames and damage of some files.
fn read(paths: &[PathBuf]) -> (u64, Vec<String>) {
    let mut files = match Files::open(paths, FileLimits::default()) {
        Ok(files) => files,
        Err(error) => return (0, vec![error.to_string()]),
    };
    let (mut count, mut batch) = (0, Batch::default());
    while files.next_batch(&mut batch).expect("files do not fail") {
        for meta in &batch.frames {
            assert_eq!(batch.frame(meta).data.len(), meta.data.len as usize);
            assert!(meta.wire_len >= meta.data.len);
        }
        count += batch.frames.len() as u64;
    }
    let (taken, total) = files.progress();
    let damage: Vec<String> = files
        .damage()
        .iter()
        .map(|d| format!("{} at {}: {}", d.file, d.offset, d.what))
        .collect();
    assert!(
        !damage.is_empty() || Some(taken) == total,
        "{taken} of {total:?} taken"
    );
    (count, damage)
}

#[test]
fn every_capture_is_read_to_its_end() {
    let Some(folder) = support::shared_data() else {
        return;
    };
    let mut paths = Vec::new();
    captures(&folder, &mut paths);
    paths.sort();
    let (mut frames, mut empty, mut damaged) = (0, 0, Vec::new());
    for path in &paths {
        let (count, damage) = read(std::slice::from_ref(path));
        frames += count;
        empty += u32::from(count == 0 && damage.is_empty());
        damaged.extend(damage);
    }
    eprintln!(
        "{} captures, {frames} frames, {empty} empty, {} damaged",
        paths.len(),
        damaged.len()
    );
    for damage in &damaged {
        eprintln!("  {damage}");
    }
    assert!(!paths.is_empty(), "no capture in {}", folder.display());
    assert!(
        damaged.len() * 20 < paths.len(),
        "more than a twentieth is damaged"
    );
    // All of them in one go: the same frames, the same damage.
    let (merged, merged_damage) = read(&paths);
    assert_eq!((merged, merged_damage.len()), (frames, damaged.len()));
}
