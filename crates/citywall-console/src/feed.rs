//! The way from the pipeline into the console.
//!
//! Owns: the buffer between the two, its bound, and what is given up when the console is behind:
//! first what is only traffic, then all; counted. The pipeline never waits here.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Bytes of lines that wait.
const BUFFER: usize = 8 << 20;
/// From here on only judgements find room.
const DETAIL: usize = 6 << 20;
/// So much is worth waking the reader for.
const WAKE: usize = 64 << 10;
/// The reader wakes by itself.
const EVERY: Duration = Duration::from_millis(100);

/// Event types that a busy console still takes: what people must know.
const JUDGEMENTS: [&str; 7] = [
    "incident",
    "action",
    "asset",
    "violation",
    "behaviour",
    "alert",
    "command",
];

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    shed: u64,
    over: bool,
}

/// The pipeline's end. Cheap to clone.
#[derive(Clone, Default)]
pub struct Feed {
    shared: Arc<(Mutex<Waiting>, Condvar)>,
}

/// What was read at once.
#[derive(Debug, Default)]
pub struct Batch {
    /// Lines with their line feeds.
    pub lines: Vec<u8>,
    /// Lines that found no room since the batch before.
    pub shed: u64,
    /// Nothing comes any more.
    pub over: bool,
}

impl Feed {
    /// One line of the log, with its line feed.
    pub fn line(&self, line: &[u8]) {
        let mut waiting = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = if is_judgement(line) { BUFFER } else { DETAIL };
        if waiting.lines.len() + line.len() > room {
            waiting.shed += 1;
            return;
        }
        let before = waiting.lines.len();
        waiting.lines.extend_from_slice(line);
        if before < WAKE && waiting.lines.len() >= WAKE {
            self.shared.1.notify_one();
        }
    }

    /// The run is over.
    pub fn end(&self) {
        let mut waiting = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.over = true;
        self.shared.1.notify_one();
    }

    /// Takes what waits, into the buffer of the batch before; returns at the latest after 100 ms.
    pub fn take(&self, batch: &mut Batch) {
        batch.lines.clear();
        let waiting = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut waiting, _) = self
            .shared
            .1
            .wait_timeout_while(waiting, EVERY, |w| w.lines.len() < WAKE && !w.over)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut batch.lines, &mut waiting.lines);
        batch.shed = std::mem::take(&mut waiting.shed);
        batch.over = waiting.over;
    }
}

fn is_judgement(line: &[u8]) -> bool {
    let head = line.get(..line.len().min(512)).unwrap_or(line);
    let Some(at) = memchr::memmem::find(head, b"\"event_type\":\"") else {
        return false;
    };
    let name = head.get(at + 14..).unwrap_or_default();
    let name = name.split(|b| *b == b'"').next().unwrap_or_default();
    JUDGEMENTS.iter().any(|j| j.as_bytes() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_goes_before_judgements_and_both_are_counted() {
        let feed = Feed::default();
        let flow = format!("{{\"event_type\":\"flow\",\"x\":\"{}\"}}\n", "y".repeat(1_000));
        let incident = "{\"event_type\":\"incident\"}\n";
        let mut kept = 0;
        for _ in 0..10_000 {
            feed.line(flow.as_bytes());
        }
        for _ in 0..10 {
            feed.line(incident.as_bytes());
        }
        let mut batch = Batch::default();
        feed.take(&mut batch);
        for line in batch.lines.split(|b| *b == b'\n') {
            kept += u64::from(line.starts_with(b"{\"event_type\":\"flow"));
        }
        assert!(batch.lines.len() <= BUFFER);
        assert_eq!(kept + batch.shed, 10_000);
        assert!(batch.lines.ends_with(incident.repeat(10).as_bytes()));
        feed.end();
        feed.take(&mut batch);
        assert!(batch.over && batch.lines.is_empty() && batch.shed == 0);
    }
}
