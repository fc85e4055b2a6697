//! Which file of the ring holds what.
//!
//! Owns: the files' names, and finding those that are there. Does not own: writing them.
//!
//! A segment is a capture of consecutive packets of one worker of one run: the number of its first packet stands in
//! its name, so that the packet that an event's id names can be found.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use citywall_event::Nanos;

/// Segments of one ring that are looked at.
const MOST: usize = 65_536;

/// A file of the ring.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// When its run began, nanoseconds since 1970.
    pub run: u64,
    /// The worker, as in events' ids.
    pub worker: u16,
    /// The number of its first packet, as in events' ids.
    pub first: u64,
    /// Where it is.
    pub path: PathBuf,
}

impl Segment {
    /// The file of this run, worker and first packet.
    pub fn new(folder: &Path, run: u64, worker: u16, first: u64) -> Segment {
        Segment {
            run,
            worker,
            first,
            path: folder.join(format!("{run:020}-{worker:05}-{first:020}.pcap")),
        }
    }

    fn of(path: PathBuf) -> Option<Segment> {
        let name = path.file_name()?.to_str()?.strip_suffix(".pcap")?;
        let mut numbers = name.split('-');
        let run = numbers.next()?.parse().ok()?;
        let worker = numbers.next()?.parse().ok()?;
        let first = numbers.next()?.parse().ok()?;
        let whole = numbers.next().is_none();
        whole.then_some(Segment {
            run,
            worker,
            first,
            path,
        })
    }

    /// The time of its first packet; `None` where there is none yet.
    pub fn begins(&self) -> Option<Nanos> {
        // The file's header, and the first record's time: seconds and nanoseconds.
        let mut head = [0; 32];
        File::open(&self.path).ok()?.read_exact(&mut head).ok()?;
        let number = |place: usize| {
            let bytes = head.get(place..place + 4)?.try_into().ok()?;
            Some(Nanos::from(u32::from_le_bytes(bytes)))
        };
        Some(number(24)? * 1_000_000_000 + number(28)?)
    }
}

/// All segments of a folder, in the order of run, worker and packets; none where there is no folder.
///
/// # Errors
/// Where it cannot be read.
pub fn listed(folder: &Path) -> io::Result<Vec<Segment>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut all = Vec::new();
    for entry in entries.take(MOST) {
        all.extend(Segment::of(entry?.path()));
    }
    all.sort();
    Ok(all)
}
