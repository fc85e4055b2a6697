//! The ground truth: what devices and attackers themselves write down.
//!
//! Owns: the line's form, writing and reading it. One line of JSON for each request, with the time
//! of the machine's clock. Does not own: what is concluded from it (`judge`).

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::{Result, file};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// When it was over, nanoseconds since 1970.
    pub t: u64,
    /// When it began.
    pub began: u64,
    /// `work` (benign, by a client), `served` (by a server), `attack`.
    pub kind: Kind,
    /// The name of the work, of the protocol, or of the attack's step.
    pub name: String,
    /// The other end.
    pub peer: String,
    /// Whether it was answered as wished.
    pub ok: bool,
    /// In words.
    pub what: String,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A client at its daily work.
    Work,
    /// A server.
    Served,
    /// An attacker.
    Attack,
}

/// A file of lines.
#[derive(Debug)]
pub(crate) struct Log(Mutex<File>);

impl Log {
    /// Opens a file to write behind its end.
    pub(crate) fn open(path: &Path) -> Result<Log> {
        let opened = OpenOptions::new().create(true).append(true).open(path);
        opened.map(|f| Log(Mutex::new(f))).map_err(file(path))
    }

    /// Writes one line, in one piece: several processes may share the file.
    pub(crate) fn tell(&self, kind: Kind, name: &str, peer: &str, began: u64, ok: bool, what: &str) {
        let line = Line {
            t: now(),
            began,
            kind,
            name: name.to_owned(),
            peer: peer.to_owned(),
            ok,
            what: what.to_owned(),
        };
        let Ok(mut text) = serde_json::to_vec(&line) else {
            return;
        };
        text.push(b'\n');
        // A device goes on working when its log's disk is full, as it would in the field.
        if let Ok(mut file) = self.0.lock() {
            let _ = file.write_all(&text);
        }
    }
}

/// The machine's clock, nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
}

/// All whole lines of a file; none where there is no file. A line that was cut by the end of its
/// writer is left out.
pub(crate) fn read(path: &Path) -> Vec<Line> {
    let Ok(file) = File::open(path) else {
        return Vec::new();
    };
    let lines = BufReader::new(file).lines().map_while(std::io::Result::ok);
    lines
        .filter_map(|line| serde_json::from_str(&line).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_read_and_a_cut_line_is_left_out() {
        let path = std::env::temp_dir().join(format!("citywall-range-log-{}", std::process::id()));
        let log = Log::open(&path).unwrap();
        log.tell(Kind::Work, "poll", "10.0.0.1", 5, true, "read holding:0");
        log.tell(Kind::Attack, "scan", "10.0.0.2", 6, false, "refused \"so\"");
        let whole = read(&path);
        assert_eq!(whole.len(), 2);
        assert!(whole[0].ok && whole[0].began == 5 && whole[0].t > 5);
        assert_eq!(
            (whole[1].kind, whole[1].what.as_str()),
            (Kind::Attack, "refused \"so\"")
        );
        let text = std::fs::read(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 9]).unwrap();
        assert_eq!(read(&path), whole[..1]);
        std::fs::remove_file(&path).unwrap();
        assert!(read(&path).is_empty());
    }
}
