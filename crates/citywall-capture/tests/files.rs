//! Opening paths: several files, standard input's name, progress, files that are not captures.

mod support;

use std::path::{Path, PathBuf};

use citywall_capture::{Batch, FileLimits, Files, FrameSource};
use expect_test::expect;
use support::{drain, pcap};

/// A folder that is removed at the end of a test.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("citywall-capture-{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Folder(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(paths: &[PathBuf]) -> Result<Files, String> {
    Files::open(paths, FileLimits::default()).map_err(|error| error.to_string())
}

fn short(folder: &Path, text: &str) -> String {
    text.replace(&format!("{}/", folder.display()), "")
}

#[test]
fn files_are_merged_in_time_order_and_foreign_ones_are_told() {
    let folder = Folder::new("merge");
    let capture = |times: &[u32]| {
        times
            .iter()
            .fold(pcap(false, 0xa1b2_c3d4, 1), |all, at| all.record(*at, 0, 1, b"x"))
            .bytes
    };
    let cut = capture(&[2, 3]);
    let paths = [
        folder.write("late.pcap", &capture(&[3, 5, 5])),
        folder.write("foreign.txt", b"not a capture"),
        folder.write("empty.pcap", b""),
        folder.write("backward.pcap", &capture(&[4, 1, 6])),
        folder.write("cut.pcap", &cut[..cut.len() - 1]),
    ];
    let (frames, damage) = drain(open(&paths).expect("opens")).expect("reads");
    let order: Vec<String> = frames
        .iter()
        .map(|frame| format!("{}@{}", frame.source, frame.at / 1_000_000_000))
        .collect();
    expect!["4@2 0@3 3@4 3@1 0@5 0@5 3@6"].assert_eq(&order.join(" "));
    let told: Vec<String> = damage
        .iter()
        .map(|damage| {
            format!(
                "{} {} {}: {}\n",
                short(&folder.0, &damage.file),
                damage.offset,
                damage.frames,
                damage.what
            )
        })
        .collect();
    expect![[r#"
        foreign.txt 0 0: not a pcap or pcapng capture: starts with 6e 6f 74 20 61 20 63 61 (text)
        cut.pcap 41 1: cut in the middle of a record, 16 bytes of it are there
    "#]]
    .assert_eq(&told.concat());
}

#[test]
fn many_files_that_follow_each_other() {
    let folder = Folder::new("many");
    let paths: Vec<PathBuf> = (0..100u32)
        .map(|n| {
            let capture = pcap(n % 2 == 0, 0xa1b2_3c4d, 1)
                .record(1000 - n, 0, 1, b"x")
                .record(1000 - n, 1, 1, b"y");
            folder.write(&format!("{n}.pcap"), &capture.bytes)
        })
        .collect();
    let mut files = open(&paths).expect("opens");
    assert_eq!(files.progress(), (0, Some(100 * 58)));
    let mut batch = Batch::default();
    let mut sources = Vec::new();
    while files.next_batch(&mut batch).expect("reads") {
        sources.extend(batch.frames.iter().map(|meta| (meta.source, meta.number)));
    }
    let expected: Vec<_> = (0..100u16).rev().flat_map(|n| [(n, 1), (n, 2)]).collect();
    assert_eq!(sources, expected);
    assert_eq!(files.progress(), (5800, Some(5800)));
    assert_eq!(files.damage(), []);
}

#[test]
fn what_cannot_be_opened() {
    let folder = Folder::new("refused");
    let foreign = folder.write("foreign", b"\x00\x01\x02\x03\x04");
    let mut text = String::new();
    for paths in [
        vec![foreign.clone()],
        vec![foreign.clone(), foreign],
        vec![folder.0.join("missing.pcap")],
        vec![folder.0.clone()],
        vec!["-".into(), "-".into()],
    ] {
        text += &short(&folder.0, &open(&paths).err().unwrap_or_default());
        text += "\n";
    }
    let folder = format!("{}", folder.0.display());
    expect![[r#"
        foreign: not a pcap or pcapng capture: starts with 00 01 02 03 04
        foreign: not a pcap or pcapng capture: starts with 00 01 02 03 04
        missing.pcap: No such file or directory (os error 2)
        FOLDER: Is a directory (os error 21)
        -: standard input can be read only once
    "#]]
    .assert_eq(&text.replace(&folder, "FOLDER"));
}

#[test]
fn no_file_is_no_frame() {
    let (frames, damage) = drain(open(&[]).expect("opens")).expect("reads");
    assert!(frames.is_empty() && damage.is_empty());
}
