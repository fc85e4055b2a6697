//! When the kernel held which rule: what `nft monitor` tells, with the time.
//!
//! Owns: the process and its lines. Does not own: the rules.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use crate::error::{RangeError, Result};
use crate::log::now;
use crate::network::{WALL, within, words};

/// Lines that are kept.
const LINES: usize = 20_000;

/// Watches the kernel's rules in the wall's namespace.
pub(crate) struct Monitor {
    child: Child,
    lines: Arc<Mutex<Vec<(u64, String)>>>,
}

impl Monitor {
    /// Starts to watch.
    pub(crate) fn start() -> Result<Monitor> {
        let mut command = within(WALL, "nft");
        command
            .arg("monitor")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let spawned = command.spawn();
        let mut child = spawned.map_err(|e| RangeError::Command {
            command: words(&command),
            said: e.to_string(),
        })?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        if let Some(stdout) = child.stdout.take() {
            let lines = Arc::clone(&lines);
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(std::io::Result::ok) {
                    let at = now();
                    match lines.lock() {
                        Ok(mut lines) if lines.len() < LINES => lines.push((at, line)),
                        _ => {}
                    }
                }
            });
        }
        Ok(Monitor { child, lines })
    }

    /// When something with this word was first added.
    pub(crate) fn first(&self, word: &str) -> Option<u64> {
        let lines = self.lines.lock().ok()?;
        let added = |line: &str| line.starts_with("add") && line.contains(&format!("\"{word}\""));
        lines.iter().find(|(_, line)| added(line)).map(|(at, _)| *at)
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
