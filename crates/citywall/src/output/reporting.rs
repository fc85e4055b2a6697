//! The sensor's line to the enforcer: incidents as notices, and how devices fare.
//!
//! Owns: the connection and its backoff, a bounded queue, counting for the devices that the enforcer
//! asks for. Does not own: the lines' form (`enforcer::lines`), what an incident is.
//!
//! An enforcer that is slow or gone never holds up the ordered stage: the queue fills, and what does
//! not fit is counted. It changes nothing of what is written.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use citywall_event::{Body, CommandOutcome, Event};
use citywall_response::{Notice, Vital};

use crate::enforcer::lines::{LINE, Speaker, VITALS, hello_line, notice_line, vitals_line};

/// Lines that wait for the enforcer.
const QUEUE: usize = 1_024;
/// Between two reports of how devices fare.
const EVERY: Duration = Duration::from_millis(500);
/// The first and the longest wait before the enforcer is tried again.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// How long the end of a run waits for what is still queued.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the connection's threads and the stage share.
#[derive(Default)]
struct Shared {
    wanted: Mutex<Vec<IpAddr>>,
    /// Grows when `wanted` changes.
    asked: AtomicU64,
    dropped: AtomicU64,
    sent: AtomicU64,
}

/// The line to the enforcer.
pub struct Reporting {
    queue: Option<SyncSender<String>>,
    done: Receiver<()>,
    shared: Arc<Shared>,
    heard: u64,
    vitals: BTreeMap<IpAddr, Watched>,
    since: Instant,
}

impl Reporting {
    /// Starts the connection; an enforcer that is not there yet is waited for.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub fn start(socket: &Path) -> std::io::Result<Reporting> {
        let (queue, lines) = sync_channel(QUEUE);
        let (ended, done) = sync_channel(1);
        let shared = Arc::new(Shared::default());
        let line = Line {
            socket: socket.to_owned(),
            shared: Arc::clone(&shared),
            told: false,
        };
        std::thread::Builder::new()
            .name("enforcer".into())
            .spawn(move || {
                line.run(&lines);
                let _ = ended.send(());
            })?;
        Ok(Reporting {
            queue: Some(queue),
            done,
            shared,
            heard: 0,
            vitals: BTreeMap::new(),
            since: Instant::now(),
        })
    }

    /// An event, in order.
    pub fn event(&mut self, event: &Event) {
        if let Body::Incident(report) = &event.body {
            match notice_line(&Notice::from(&**report)) {
                Some(line) => self.send(line),
                None => log::error!("incident {} does not fit a line to the enforcer", report.number),
            }
        }
        if self.vitals.is_empty() {
            return;
        }
        for address in [event.subject.src_ip, event.subject.dst_ip].into_iter().flatten() {
            if let Some(watched) = self.vitals.get_mut(&address)
                && count(&mut watched.vital, &event.body)
            {
                watched.pulse.beat(Instant::now());
            }
        }
    }

    /// Time passes: now and then the enforcer is told how devices fare.
    pub fn tick(&mut self) {
        let asked = self.shared.asked.load(Ordering::Acquire);
        if asked != self.heard {
            self.heard = asked;
            let wanted = self.shared.wanted.lock().unwrap_or_else(PoisonError::into_inner);
            // What is known of those who are still wanted stays: that is how they fared before.
            self.vitals.retain(|address, _| wanted.contains(address));
            for address in wanted.iter().take(VITALS) {
                self.vitals.entry(*address).or_insert_with(|| Watched {
                    vital: fresh(*address),
                    pulse: Pulse::default(),
                });
            }
        }
        let span = self.since.elapsed();
        if self.vitals.is_empty() || span < EVERY {
            return;
        }
        self.since = Instant::now();
        let span = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        let now = self.since;
        let told: Vec<Vital> = self
            .vitals
            .values_mut()
            .map(|watched| {
                let next = fresh(watched.vital.address);
                Vital {
                    span,
                    heartbeat: watched.pulse.is_alive(now),
                    ..std::mem::replace(&mut watched.vital, next)
                }
            })
            .collect();
        if let Some(line) = vitals_line(&told) {
            self.send(line);
        }
    }

    fn send(&self, line: String) {
        let taken = self
            .queue
            .as_ref()
            .is_some_and(|queue| queue.try_send(line).is_ok());
        if !taken {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits a bounded time for what is queued.
    pub fn finish(&mut self) {
        self.queue = None;
        if self.done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            log::warn!("the enforcer did not take everything in {} s", PATIENCE.as_secs());
        }
    }

    /// Lines that were sent, and that found no room.
    pub fn counters(&self) -> [(&'static str, u64); 2] {
        let count = |c: &AtomicU64| c.load(Ordering::Relaxed);
        [
            ("sent", count(&self.shared.sent)),
            ("dropped", count(&self.shared.dropped)),
        ]
    }
}

fn fresh(address: IpAddr) -> Vital {
    Vital {
        address,
        span: 0,
        packets: 0,
        asked: 0,
        answered: 0,
        lost: 0,
        heartbeat: None,
    }
}

/// One whose vitals are wanted.
struct Watched {
    vital: Vital,
    pulse: Pulse,
}

/// Signs of life, and how far apart they are. Its heartbeat is whatever comes again and again: it is
/// gone when the silence is three times the longest that there was.
#[derive(Default)]
struct Pulse {
    last: Option<Instant>,
    beats: u32,
    longest: Duration,
}

/// Signs of life from which on their spaces say something.
const BEATS: u32 = 5;
/// Silence that is never too long.
const PAUSE: Duration = Duration::from_millis(300);

impl Pulse {
    fn beat(&mut self, now: Instant) {
        if self.is_alive(now) == Some(false) {
            *self = Pulse::default();
        }
        if let Some(last) = self.last {
            self.longest = self.longest.max(now.saturating_duration_since(last));
        }
        self.last = Some(now);
        self.beats = self.beats.saturating_add(1);
    }

    /// `None` while too little is known.
    fn is_alive(&self, now: Instant) -> Option<bool> {
        let last = self.last.filter(|_| self.beats >= BEATS)?;
        Some(now.saturating_duration_since(last) <= self.longest.saturating_mul(3).max(PAUSE))
    }
}

/// What an event says of one who is in it; true where it is a sign of life. Commands that change
/// something are left out: to deny them may be what was decided, and that they find no answer is then
/// no harm.
fn count(vital: &mut Vital, body: &Body) -> bool {
    match body {
        Body::Command(command) if !command.verb.changes() => {
            let answered = command.outcome != CommandOutcome::Unanswered;
            vital.packets += 1;
            vital.asked += 1;
            vital.answered += u64::from(answered);
            answered
        }
        Body::Reading(_) => {
            vital.packets += 1;
            true
        }
        Body::Contact(_) | Body::Sighting(_) => {
            vital.packets += 1;
            false
        }
        Body::Flow(flow) => {
            vital.packets += flow.packets[0].saturating_add(flow.packets[1]);
            false
        }
        _ => false,
    }
}

/// The connection's thread.
struct Line {
    socket: PathBuf,
    shared: Arc<Shared>,
    /// That there is no enforcer was told.
    told: bool,
}

impl Line {
    fn run(mut self, lines: &Receiver<String>) {
        let mut wait = BACKOFF[0];
        let mut kept: Option<String> = None;
        loop {
            match self.connect() {
                Ok((stream, open)) => {
                    wait = BACKOFF[0];
                    if !self.serve(stream, &open, lines, &mut kept) {
                        return;
                    }
                }
                Err(why) if !self.told => {
                    log::warn!(
                        "no enforcer at {}: {why}; watching goes on, and it is tried again",
                        self.socket.display()
                    );
                    self.told = true;
                }
                Err(why) => log::debug!("no enforcer: {why}"),
            }
            // What was asked by the one that is gone does not count for the next.
            self.want(Vec::new());
            if !keep_one(lines, &mut kept, wait) {
                return;
            }
            wait = (wait * 2).min(BACKOFF[1]);
        }
    }

    fn connect(&mut self) -> Result<(UnixStream, Arc<AtomicBool>), String> {
        let mut stream = UnixStream::connect(&self.socket).map_err(|e| e.to_string())?;
        let timeout = Some(Duration::from_secs(5));
        let set = stream
            .set_write_timeout(timeout)
            .and_then(|()| stream.set_read_timeout(timeout));
        set.map_err(|e| e.to_string())?;
        stream
            .write_all(hello_line(Speaker::Sensor).as_bytes())
            .map_err(|e| e.to_string())?;
        let reader = stream.try_clone().map_err(|e| e.to_string())?;
        let mut reader = BufReader::new(reader);
        let welcome = read_line(&mut reader).ok_or("it closed the connection")?;
        if welcome["type"].as_str() != Some("welcome") {
            return Err(welcome["text"]
                .as_str()
                .unwrap_or("it does not welcome us")
                .to_owned());
        }
        stream.set_read_timeout(None).map_err(|e| e.to_string())?;
        log::warn!("the enforcer at {} hears this sensor", self.socket.display());
        self.told = false;
        let open = Arc::new(AtomicBool::new(true));
        let (shared, still) = (Arc::clone(&self.shared), Arc::clone(&open));
        let hear = move || {
            while let Some(line) = read_line(&mut reader) {
                match line["type"].as_str() {
                    Some("wanted") => {
                        let list = line["addresses"].as_array().map_or(&[][..], Vec::as_slice);
                        let parse = |a: &serde_json::Value| a.as_str()?.parse().ok();
                        want(&shared, list.iter().filter_map(parse).take(VITALS).collect());
                    }
                    Some("error") => log::warn!("the enforcer: {}", line["text"].as_str().unwrap_or("")),
                    _ => {}
                }
            }
            still.store(false, Ordering::Release);
        };
        let thread = std::thread::Builder::new().name("enforcer-in".into());
        thread.spawn(hear).map_err(|e| e.to_string())?;
        Ok((stream, open))
    }

    /// Sends until the enforcer is gone (true) or the run is over (false).
    fn serve(
        &self,
        mut stream: UnixStream,
        open: &AtomicBool,
        lines: &Receiver<String>,
        kept: &mut Option<String>,
    ) -> bool {
        loop {
            let line = match kept.take() {
                Some(line) => line,
                None => match lines.recv_timeout(Duration::from_millis(200)) {
                    Ok(line) => line,
                    Err(RecvTimeoutError::Timeout) if open.load(Ordering::Acquire) => continue,
                    Err(RecvTimeoutError::Timeout) => return true,
                    Err(RecvTimeoutError::Disconnected) => return false,
                },
            };
            if !open.load(Ordering::Acquire) || stream.write_all(line.as_bytes()).is_err() {
                *kept = Some(line);
                let _ = stream.shutdown(std::net::Shutdown::Both);
                return true;
            }
            self.shared.sent.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn want(&self, addresses: Vec<IpAddr>) {
        want(&self.shared, addresses);
    }
}

fn want(shared: &Shared, addresses: Vec<IpAddr>) {
    *shared.wanted.lock().unwrap_or_else(PoisonError::into_inner) = addresses;
    shared.asked.fetch_add(1, Ordering::Release);
}

/// Waits; the queue fills meanwhile. False where the run is over and nothing is left to be sent.
fn keep_one(lines: &Receiver<String>, kept: &mut Option<String>, wait: Duration) -> bool {
    if kept.is_some() {
        std::thread::sleep(wait);
        return true;
    }
    match lines.recv_timeout(wait) {
        Ok(line) => {
            *kept = Some(line);
            true
        }
        Err(RecvTimeoutError::Timeout) => true,
        Err(RecvTimeoutError::Disconnected) => false,
    }
}

/// The next line as JSON; `None` at the end, or where it is no line of an enforcer.
fn read_line(reader: &mut BufReader<UnixStream>) -> Option<serde_json::Value> {
    let mut line = String::new();
    let limit = LINE as u64 * 4;
    let read = reader.by_ref().take(limit).read_line(&mut line).ok()?;
    if read == 0 || !line.ends_with('\n') {
        return None;
    }
    serde_json::from_str(&line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_is_gone_after_three_times_the_longest_silence() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut pulse = Pulse::default();
        for beat in 0..4 {
            pulse.beat(at(beat * 200));
        }
        assert_eq!(pulse.is_alive(at(9_000)), None, "too little is known");
        pulse.beat(at(1_000));
        assert_eq!(pulse.is_alive(at(2_200)), Some(true));
        assert_eq!(pulse.is_alive(at(2_201)), Some(false));
        // It comes back: the pause was no part of its rhythm.
        pulse.beat(at(9_000));
        assert_eq!(pulse.is_alive(at(9_001)), None);
        for beat in 1..5 {
            pulse.beat(at(9_000 + beat * 10));
        }
        assert_eq!(pulse.is_alive(at(9_340)), Some(true));
        assert_eq!(pulse.is_alive(at(9_341)), Some(false));
    }
}
