//! Log lines on standard error, by level. Under systemd each line carries the journal's level
//! prefix (sd-daemon(3)), so that `journalctl -p warning` works; times are the journal's.

use log::{Level, LevelFilter, Log, Metadata, Record};

struct Lines {
    journal: bool,
}

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("citywall")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let (prefix, name) = match record.level() {
            Level::Error => ("<3>", "error"),
            Level::Warn => ("<4>", "warning"),
            Level::Info => ("<6>", "info"),
            Level::Debug | Level::Trace => ("<7>", "debug"),
        };
        if self.journal {
            errln!("{prefix}{}", record.args());
        } else {
            errln!("citywall: {name}: {}", record.args());
        }
    }

    fn flush(&self) {}
}

/// True where this `device:inode` of `JOURNAL_STREAM` (systemd.exec(5)) is standard error: a
/// program that is started from a service inherits the variable, but may write elsewhere.
fn is_standard_error(stream: &str) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self/fd/2").is_ok_and(|file| stream == format!("{}:{}", file.dev(), file.ino()))
}

/// Starts logging at the level that the command line asks for.
pub fn start(verbose: u8, quiet: bool) {
    let level = match (quiet, verbose) {
        (true, _) => LevelFilter::Error,
        (false, 0) => LevelFilter::Warn,
        (false, 1) => LevelFilter::Info,
        (false, 2) => LevelFilter::Debug,
        (false, _) => LevelFilter::Trace,
    };
    let journal = std::env::var("JOURNAL_STREAM").is_ok_and(|stream| is_standard_error(&stream));
    if log::set_boxed_logger(Box::new(Lines { journal })).is_ok() {
        log::set_max_level(level);
    }
}
