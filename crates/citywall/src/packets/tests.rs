//! The ring on disk: numbers, budget, what is given up.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use citywall_capture::{Batch, CaptureError, FileLimits, FrameMeta, FrameSource};
use citywall_packet::LinkType;

use super::*;

/// Batches that are given one by one; then there are no more.
struct Given(VecDeque<Batch>);

impl FrameSource for Given {
    fn next_batch(&mut self, batch: &mut Batch) -> Result<bool, CaptureError> {
        *batch = Batch::default();
        match self.0.pop_front() {
            Some(next) => *batch = next,
            None => return Ok(false),
        }
        Ok(true)
    }
}

/// Frames with these numbers, each of `length` bytes, a second apart.
fn batch(numbers: std::ops::Range<u64>, length: usize) -> Batch {
    let mut batch = Batch::default();
    for number in numbers {
        let from = batch.bytes.len();
        batch.bytes.resize(from + length, number as u8);
        batch.frames.push(FrameMeta {
            data: citywall_packet::Span {
                start: from as u32,
                len: length as u32,
            },
            wire_len: length as u32,
            at: number as i64 * 1_000_000_000,
            link: LinkType::ETHERNET,
            source: 0,
            number,
        });
    }
    batch
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("citywall-packets-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

/// Runs batches through a ring.
fn run(out: &Path, budget: u64, run: u64, batches: Vec<Batch>) -> Kept {
    let source = Box::new(Given(batches.into())) as Box<dyn FrameSource>;
    let (mut keeper, mut sources) = Keeper::start(out, budget, run, vec![source]).unwrap();
    let mut batch = Batch::default();
    while sources[0].next_batch(&mut batch).unwrap() {}
    keeper.finish();
    keeper.kept()
}

/// The numbers that the ring's files hold.
fn held(out: &Path) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    for segment in listed(&out.join(FOLDER)).unwrap() {
        let mut files =
            citywall_capture::Files::open(std::slice::from_ref(&segment.path), FileLimits::default())
                .unwrap();
        let mut batch = Batch::default();
        while files.next_batch(&mut batch).unwrap() {
            for meta in &batch.frames {
                let number = segment.first + meta.number - 1;
                assert_eq!(meta.data.of(&batch.bytes)[0], number as u8);
                assert_eq!(meta.at, number as i64 * 1_000_000_000);
                all.push((segment.run, number));
            }
        }
    }
    all
}

#[test]
fn packets_are_found_by_their_numbers_again_over_gaps_and_restarts() {
    use std::os::unix::fs::PermissionsExt;
    let out = folder("numbers");
    let kept = run(
        &out,
        1 << 20,
        1,
        vec![batch(1..4, 100), batch(4..6, 100), batch(9..11, 100)],
    );
    assert_eq!((kept.bytes, kept.shed), (7 * 116, 0));
    run(&out, 1 << 20, 2, vec![batch(1..3, 100)]);
    let first = [1, 2, 3, 4, 5, 9, 10].map(|number| (1, number));
    assert_eq!(held(&out), [&first[..], &[(2, 1), (2, 2)]].concat());
    let segments = listed(&out.join(FOLDER)).unwrap();
    assert_eq!(
        segments.iter().map(|s| (s.run, s.first)).collect::<Vec<_>>(),
        [(1, 1), (1, 9), (2, 1)]
    );
    assert_eq!(segments[1].begins(), Some(9_000_000_000));
    for segment in segments {
        let mode = std::fs::metadata(segment.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    std::fs::remove_dir_all(&out).unwrap();
}

#[test]
fn the_budget_holds_and_the_oldest_goes_first() {
    let out = folder("budget");
    let batches = (0..100).map(|i| batch(i * 10 + 1..i * 10 + 11, 1_000)).collect();
    let kept = run(&out, 200_000, 1, batches);
    let on_disk: u64 = listed(&out.join(FOLDER))
        .unwrap()
        .iter()
        .map(|s| std::fs::metadata(&s.path).unwrap().len())
        .sum();
    assert!(kept.bytes <= 200_000 && on_disk <= 201_000, "{kept:?}, {on_disk}");
    let numbers: Vec<u64> = held(&out).into_iter().map(|(_, number)| number).collect();
    assert!(
        numbers.len() > 100 && numbers.last() == Some(&1_000),
        "{numbers:?}"
    );
    assert!(
        numbers.windows(2).all(|w| w[0] + 1 == w[1]),
        "the newest, without a gap"
    );
    // A smaller budget holds for what an earlier run left, too.
    let kept = run(&out, 50_000, 2, vec![batch(1..3, 1_000)]);
    assert!(kept.bytes <= 50_000, "{kept:?}");
    assert!(held(&out).ends_with(&[(2, 1), (2, 2)]));
    std::fs::remove_dir_all(&out).unwrap();
}

#[test]
fn what_finds_no_room_is_counted() {
    let out = folder("room");
    // More at once than the budget holds.
    let kept = run(&out, 10_000, 1, vec![batch(1..21, 1_000)]);
    assert_eq!((kept.bytes, kept.shed), (0, 20));
    // More at once than may wait.
    let lane = keeping::Lane::default();
    lane.put(&batch(1..3, 9 << 20));
    assert_eq!(lane.shed(), 2);
    lane.put(&batch(3..4, 9 << 20));
    lane.put(&batch(4..5, 9 << 20));
    assert_eq!((lane.shed(), lane.take().len()), (3, 1));
    lane.put(&batch(5..6, 9 << 20));
    assert_eq!((lane.shed(), lane.take()[0].first), (3, 5));
    std::fs::remove_dir_all(&out).unwrap();
}
