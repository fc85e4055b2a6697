//! `eve.json` and its rotated parts under one disk budget.
//!
//! Owns: files, modes, rotation, what happens when the disk is full: writing stops, counting goes
//! on, and the run says so and ends with an error. Does not own what a line says.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use citywall_event::Nanos;

/// Bytes collected before they are written.
const BUFFER: usize = 64 * 1024;

/// Size, age and budget of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// A part is closed at this many bytes.
    pub size: u64,
    /// Or at this age of packet time, in seconds.
    pub age: u64,
    /// All parts together.
    pub disk: u64,
}

/// The log.
pub struct EveLog {
    directory: PathBuf,
    rotation: Rotation,
    file: File,
    buffer: Vec<u8>,
    /// Bytes of the open part, buffered ones included.
    written: u64,
    /// Packet time of the open part's first line.
    since: Option<Nanos>,
    /// Closed parts, oldest first: number and bytes.
    parts: std::collections::VecDeque<(u64, u64)>,
    /// Bytes of these.
    kept: u64,
    next_part: u64,
    /// Parts removed to keep the budget.
    pub removed: u64,
    failure: Option<io::Error>,
    /// Lines that could not be written.
    pub lost: u64,
}

/// Makes a file that only its owner can read, in the place of one that may be there: that one may
/// be another user's, or a link that leads elsewhere.
pub fn create_private(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Makes the directory (mode 0700) if it is absent.
pub fn make_directory(directory: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

/// Makes the directory and gives it to this user, who is to write there from now on. One that is
/// not the user's yet and holds files of others (`--out /tmp`) is refused: it is not ours to give.
///
/// # Errors
/// Where it cannot be made, or must not or cannot be given.
pub fn hand_over(directory: &Path, user: u32) -> io::Result<()> {
    make_directory(directory)?;
    give(directory, user, |name| {
        ["summary.json", "eve.json", "console", "packets"].contains(&name) || name.starts_with("eve.json.")
    })
}

/// Gives a directory that is not the user's yet and holds nothing but what is `own`.
fn give(directory: &Path, user: u32, own: impl Fn(&str) -> bool) -> io::Result<()> {
    let opened = File::open(directory)?;
    if opened.metadata()?.uid() == user {
        return Ok(());
    }
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if !own(&name) {
            let what = format!("it holds '{name}': give a directory that is for this alone");
            return Err(io::Error::other(what));
        }
    }
    std::os::unix::fs::fchown(&opened, Some(user), Some(user))
}

/// As `hand_over`, for a directory in which these files are kept over the end of a run: they are given
/// too, whoever made them. A link, or a file that has another name elsewhere, is left as it is.
///
/// # Errors
/// Where it cannot be made, or must not or cannot be given.
pub fn hand_over_kept(directory: &Path, user: u32, names: &[&str]) -> io::Result<()> {
    make_directory(directory)?;
    // What is written anew has its file's name with an ending, until it takes its place.
    give(directory, user, |name| {
        names.iter().any(|own| name.starts_with(own))
    })?;
    for name in names {
        let no_link = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(no_link)
            .open(directory.join(name));
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        let meta = file.metadata()?;
        if meta.is_file() && meta.nlink() == 1 {
            std::os::unix::fs::fchown(&file, Some(user), Some(user))?;
        }
    }
    Ok(())
}

fn part_name(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("eve.json.{number}"))
}

/// Closed parts that an earlier run left, oldest first.
fn existing_parts(directory: &Path) -> io::Result<Vec<(u64, u64)>> {
    let mut parts = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name
            .to_str()
            .and_then(|n| n.strip_prefix("eve.json."))
            .and_then(|n| n.parse().ok());
        // A file that only looks like a part is somebody else's.
        if let Some(number) = number.filter(|number| part_name(directory, *number) == entry.path()) {
            parts.push((number, entry.metadata()?.len()));
        }
    }
    parts.sort_unstable();
    Ok(parts)
}

impl EveLog {
    /// Opens the log. A replay starts afresh (parts of an earlier run are removed); live, what is
    /// there becomes the newest closed part.
    ///
    /// # Errors
    /// Where the directory or file cannot be made.
    pub fn open(directory: &Path, rotation: Rotation, live: bool) -> io::Result<EveLog> {
        make_directory(directory)?;
        let current = directory.join("eve.json");
        let mut parts = existing_parts(directory)?;
        let mut next_part = parts.last().map_or(1, |(number, _)| number + 1);
        if live {
            if let Ok(meta) = fs::metadata(&current)
                && meta.len() > 0
            {
                fs::rename(&current, part_name(directory, next_part))?;
                parts.push((next_part, meta.len()));
                next_part += 1;
            }
        } else {
            for (number, _) in parts.drain(..) {
                fs::remove_file(part_name(directory, number))?;
            }
            next_part = 1;
        }
        // A part is never more than a quarter of the budget, or the newest alone would fill it.
        let rotation = Rotation {
            size: rotation.size.min(rotation.disk / 4).max(4096),
            ..rotation
        };
        Ok(EveLog {
            directory: directory.to_owned(),
            rotation,
            file: create_private(&current)?,
            buffer: Vec::with_capacity(BUFFER + 16 * 1024),
            written: 0,
            since: None,
            kept: parts.iter().map(|(_, bytes)| bytes).sum(),
            parts: parts.into(),
            next_part,
            removed: 0,
            failure: None,
            lost: 0,
        })
    }

    /// Appends one line (with its line feed). `at` is the packet time of the ordered stage.
    pub fn line(&mut self, line: &[u8], at: Nanos) {
        if self.failure.is_some() {
            self.lost += 1;
            return;
        }
        let since = *self.since.get_or_insert(at);
        let age = at.saturating_sub(since) / 1_000_000_000;
        let old = u64::try_from(age).is_ok_and(|age| age >= self.rotation.age);
        if self.written > 0 && (old || self.written + line.len() as u64 > self.rotation.size) {
            let done = self.rotate();
            self.note(done);
            if self.failure.is_some() {
                self.lost += 1;
                return;
            }
            self.since = Some(at);
        }
        self.written += line.len() as u64;
        self.buffer.extend_from_slice(line);
        if self.buffer.len() >= BUFFER {
            let done = self.write_out();
            self.note(done);
        }
    }

    fn note(&mut self, done: io::Result<()>) {
        if let Err(error) = done
            && self.failure.is_none()
        {
            log::error!(
                "cannot write {}: {error}; events are counted but no longer written",
                self.path()
            );
            self.lost += self.buffer.iter().filter(|b| **b == b'\n').count() as u64;
            self.buffer.clear();
            self.failure = Some(error);
        }
    }

    fn path(&self) -> String {
        self.directory.join("eve.json").display().to_string()
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.write_out()?;
        let current = self.directory.join("eve.json");
        fs::rename(&current, part_name(&self.directory, self.next_part))?;
        self.parts.push_back((self.next_part, self.written));
        self.kept += self.written;
        self.next_part += 1;
        self.written = 0;
        while self.kept + self.rotation.size > self.rotation.disk {
            let Some((number, bytes)) = self.parts.pop_front() else {
                break;
            };
            fs::remove_file(part_name(&self.directory, number))?;
            self.removed += 1;
            self.kept = self.kept.saturating_sub(bytes);
        }
        self.file = create_private(&current)?;
        Ok(())
    }

    /// Writes what is buffered.
    pub fn flush(&mut self) {
        if self.failure.is_none() {
            let done = self.write_out();
            self.note(done);
        }
    }

    /// Why writing stopped, if it did.
    pub fn failure(&self) -> Option<String> {
        self.failure
            .as_ref()
            .map(|error| format!("{}: {error}", self.path()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("citywall-eve-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    #[test]
    fn rotates_by_size_and_keeps_the_budget() {
        let directory = scratch("size");
        let rotation = Rotation {
            size: 4096,
            age: 1 << 40,
            disk: 16_384,
        };
        let mut log = EveLog::open(&directory, rotation, false).unwrap();
        let line = [b'x'; 100];
        for at in 0..1_000 {
            log.line(&line, at);
        }
        log.flush();
        let sizes: Vec<u64> = fs::read_dir(&directory)
            .unwrap()
            .map(|e| e.unwrap().metadata().unwrap().len())
            .collect();
        assert!(sizes.iter().sum::<u64>() <= 16_384, "{sizes:?}");
        assert!(sizes.iter().all(|s| *s <= 4_096) && sizes.len() >= 3, "{sizes:?}");
        assert!(log.removed > 0 && log.lost == 0);
        let mode = fs::metadata(directory.join("eve.json"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn rotates_by_packet_time_and_live_keeps_what_was_there() {
        let directory = scratch("age");
        let rotation = Rotation {
            size: 1 << 20,
            age: 60,
            disk: 1 << 30,
        };
        let mut log = EveLog::open(&directory, rotation, true).unwrap();
        log.line(b"a\n", 0);
        log.line(b"b\n", 59_000_000_000);
        log.line(b"c\n", 61_000_000_000);
        log.flush();
        drop(log);
        assert_eq!(fs::read(directory.join("eve.json.1")).unwrap(), b"a\nb\n");
        let mut log = EveLog::open(&directory, rotation, true).unwrap();
        log.line(b"d\n", 0);
        log.flush();
        assert_eq!(fs::read(directory.join("eve.json.2")).unwrap(), b"c\n");
        assert_eq!(fs::read(directory.join("eve.json")).unwrap(), b"d\n");
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn what_stands_in_the_place_of_a_file_is_not_written_through() {
        let directory = scratch("link");
        make_directory(&directory).unwrap();
        let (own, link) = (directory.join("own"), directory.join("eve.json"));
        fs::write(&own, b"kept").unwrap();
        std::os::unix::fs::symlink(&own, &link).unwrap();
        create_private(&link).unwrap().write_all(b"new").unwrap();
        assert_eq!(
            (fs::read(&own).unwrap(), fs::read(&link).unwrap()),
            (b"kept".to_vec(), b"new".to_vec())
        );
        // A directory that holds what is not of this program is nobody's to give away.
        let user = fs::metadata(&directory).unwrap().uid();
        assert!(hand_over(&directory, user).is_ok());
        let refused = hand_over(&directory, user + 1).unwrap_err().to_string();
        assert_eq!(refused, "it holds 'own': give a directory that is for this alone");
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn what_is_kept_is_handed_over_and_nothing_else() {
        let directory = scratch("kept");
        make_directory(&directory).unwrap();
        let owner = |name: &str| fs::symlink_metadata(directory.join(name)).unwrap().uid();
        fs::write(directory.join("learning.json"), b"{}").unwrap();
        let elsewhere = scratch("elsewhere");
        make_directory(&elsewhere).unwrap();
        fs::write(elsewhere.join("own"), b"own").unwrap();
        fs::hard_link(elsewhere.join("own"), directory.join("serials.json")).unwrap();
        let names = ["learning.json", "serials.json", "last-good"];
        if !rustix::process::geteuid().is_root() {
            errln!("skipped: only root can give files away");
            return;
        }
        hand_over_kept(&directory, 4_711, &names).unwrap();
        assert_eq!(
            (owner("."), owner("learning.json"), owner("serials.json")),
            (4_711, 4_711, 0)
        );
        // What root made there later is given the next time.
        fs::write(directory.join("last-good"), b"list").unwrap();
        hand_over_kept(&directory, 4_711, &names).unwrap();
        assert_eq!(owner("last-good"), 4_711);
        std::os::unix::fs::symlink(elsewhere.join("own"), directory.join("link")).unwrap();
        assert!(hand_over_kept(&directory, 4_711, &["link"]).is_err());
        assert!(
            hand_over_kept(&elsewhere, 4_711, &names)
                .unwrap_err()
                .to_string()
                .contains("'own'")
        );
        fs::remove_dir_all(directory).unwrap();
        fs::remove_dir_all(elsewhere).unwrap();
    }

    #[test]
    fn a_full_disk_is_told_and_counted() {
        let directory = scratch("full");
        let rotation = Rotation {
            size: 1 << 30,
            age: 1 << 40,
            disk: 1 << 40,
        };
        let mut log = EveLog::open(&directory, rotation, false).unwrap();
        // The kernel's own full disk.
        log.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        log.line(b"a\n", 0);
        log.flush();
        log.line(b"b\n", 1);
        assert_eq!(log.lost, 2);
        assert!(log.failure().is_some_and(|f| f.contains("No space left")));
        fs::remove_dir_all(directory).unwrap();
    }
}
