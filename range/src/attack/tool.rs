//! Other people's tools.
//!
//! Owns: finding one, running it for a bounded time, and saying so where it is absent. Does not
//! own: what it is told to do.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// No tool runs longer.
const LONGEST: Duration = Duration::from_secs(12);

/// Where a program is, on the path or where Debian puts those of the administrator.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(more)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Runs it; true where it ended well by itself, and what it said last.
pub(super) fn run(program: &str, arguments: &[String]) -> (bool, String) {
    let Some(found) = find(program) else {
        return (false, "SKIPPED: not installed".to_owned());
    };
    let spawned = Command::new(found)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return (false, error.to_string()),
    };
    let start = Instant::now();
    while start.elapsed() < LONGEST {
        match child.try_wait() {
            Ok(Some(status)) => return (status.success(), format!("ended: {status}")),
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Err(error) => return (false, error.to_string()),
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    (true, "stopped after its time".to_owned())
}
