//! Progress of a long replay on standard error: one line that is rewritten on a terminal, a plain
//! line now and then on a pipe.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Nothing is shown before this.
const PATIENCE: Duration = Duration::from_millis(700);

/// Shows how far a replay is.
pub struct Progress {
    started: Instant,
    shown: Instant,
    terminal: bool,
    dirty: bool,
}

impl Progress {
    /// Starts the clock.
    pub fn start() -> Progress {
        let now = Instant::now();
        Progress {
            started: now,
            shown: now,
            terminal: std::io::stderr().is_terminal(),
            dirty: false,
        }
    }

    /// Tells where we are: packets so far, input bytes done and in all.
    pub fn update(&mut self, packets: u64, done: u64, all: Option<u64>) {
        let every = if self.terminal {
            Duration::from_millis(200)
        } else {
            Duration::from_secs(10)
        };
        if self.started.elapsed() < PATIENCE || self.shown.elapsed() < every {
            return;
        }
        self.shown = Instant::now();
        let line = line(self.started.elapsed(), packets, done, all);
        let mut error = std::io::stderr().lock();
        // Progress that cannot be shown is no reason to stop.
        let _ = if self.terminal {
            self.dirty = true;
            write!(error, "\r\x1b[K{line}").and_then(|()| error.flush())
        } else {
            writeln!(error, "{line}")
        };
    }

    /// Clears the line.
    pub fn finish(&mut self) {
        if self.dirty {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
            self.dirty = false;
        }
    }
}

fn line(elapsed: Duration, packets: u64, done: u64, all: Option<u64>) -> String {
    let seconds = elapsed.as_secs_f64().max(0.001);
    let rate = packets as f64 / seconds / 1e6;
    let megabytes = done as f64 / 1e6;
    match all.filter(|all| *all > 0) {
        Some(all) => {
            let share = (done as f64 / all as f64).min(1.0);
            let left = if share > 0.001 {
                seconds / share - seconds
            } else {
                0.0
            };
            format!(
                "{:3.0} %  {packets} packets  {rate:.2} M packets/s  {megabytes:.0} of {:.0} MB  {left:.0} s left",
                share * 100.0,
                all as f64 / 1e6
            )
        }
        None => format!("{packets} packets  {rate:.2} M packets/s  {megabytes:.0} MB  {seconds:.0} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_tell_rate_and_time_left() {
        let second = Duration::from_secs(2);
        assert_eq!(
            line(second, 1_000_000, 50_000_000, Some(200_000_000)),
            " 25 %  1000000 packets  0.50 M packets/s  50 of 200 MB  6 s left"
        );
        assert_eq!(
            line(second, 10, 1_000_000, None),
            "10 packets  0.00 M packets/s  1 MB  2 s"
        );
    }
}
