//! The sensor's line to the enforcer: incidents as notices, and how devices fare.
//!
//! Owns: the connection and its backoff, a bounded queue, counting for the devices that the enforcer
//! asks for, and for all others what will have been before, should it act. Does not own: the lines' form
//! (`enforcer::lines`), what an incident is, which packets were lost (`pipeline::losses`).
//!
//! An enforcer that is slow or gone never holds up the ordered stage: the queue fills, and what does
//! not fit is counted. It changes nothing of what is written.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use citywall_event::{Body, CommandOutcome, Context, Event, Nanos, Service};
use citywall_response::{Notice, Vital};
use hashbrown::HashMap;

use crate::enforcer::lines::{LINE, Speaker, VITALS, hello_line, notice_line, vitals_line};
use crate::pipeline::losses::Carried;

/// Lines that wait for the enforcer.
const QUEUE: usize = 1_024;
/// Between two reports of how devices fare.
const EVERY: Duration = Duration::from_millis(500);
/// How a device fared before is counted over one to two of these.
const BEFORE: Duration = Duration::from_secs(5);
/// Devices that are counted for.
const KNOWN: usize = 8_192;
/// The first and the longest wait before the enforcer is tried again.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// How long the end of a run waits for what is still queued.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the connection's threads and the stage share.
#[derive(Default)]
struct Shared {
    wanted: Mutex<Wanted>,
    /// Grows when `wanted` changes.
    asked: AtomicU64,
    dropped: AtomicU64,
    sent: AtomicU64,
}

/// What the enforcer asked for last.
#[derive(Clone, Default)]
struct Wanted {
    /// Whose vitals.
    addresses: Vec<IpAddr>,
    /// Those who are acted against: what others have to do with them counts for nobody.
    apart: Vec<IpAddr>,
}

/// The line to the enforcer.
pub struct Reporting {
    queue: Option<SyncSender<String>>,
    done: Receiver<()>,
    shared: Arc<Shared>,
    heard: u64,
    wanted: Wanted,
    known: Known,
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
            wanted: Wanted::default(),
            known: Known::new(Instant::now()),
            since: Instant::now(),
        })
    }

    /// An event, in order.
    pub fn event(&mut self, event: &Event, context: &Context) {
        if let Body::Incident(report) = &event.body {
            let notice = Notice::from(&**report);
            // First how those who are in it fared so far: what is done at once has that to be held against.
            self.tell_before(&notice);
            match notice_line(&notice) {
                Some(line) => self.send(line),
                None => log::error!("incident {} does not fit a line to the enforcer", report.number),
            }
        }
        let (counts, beats) = count(&event.body);
        if counts == Counts::default() || !is_permitted(event, context) {
            return;
        }
        let now = Instant::now();
        let ends = [event.subject.src_ip, event.subject.dst_ip];
        for (me, other) in [(ends[0], ends[1]), (ends[1], ends[0])] {
            let apart = |ip: IpAddr| self.wanted.apart.contains(&ip);
            if let Some(me) = me
                && (apart(me) || !other.is_some_and(apart))
                && let Some(watched) = self.known.of(me, now, &self.wanted)
            {
                watched.add(counts);
                if beats {
                    watched.pulse.beat(now);
                }
            }
        }
    }

    /// How packets fared.
    pub fn carried(&mut self, carried: &[Carried]) {
        if carried.is_empty() {
            return;
        }
        let now = Instant::now();
        for talk in carried {
            if talk.ends.iter().any(|ip| self.wanted.apart.contains(ip)) {
                continue;
            }
            for ip in talk.ends {
                if let Some(watched) = self.known.of(ip, now, &self.wanted) {
                    watched.add(Counts {
                        packets: talk.packets.into(),
                        lost: talk.lost.into(),
                        ..Counts::default()
                    });
                }
            }
        }
    }

    fn tell_before(&mut self, notice: &Notice) {
        let suspects = notice.suspects.iter().filter_map(|s| s.address);
        let reached = notice.crossings.iter().flat_map(|c| c.targets.iter().copied());
        let others = notice.victims.iter().filter_map(|v| v.address);
        let changed = notice.changes.iter().map(|c| c.target);
        let mut all: Vec<IpAddr> = suspects.chain(reached).chain(others).chain(changed).collect();
        all.sort_unstable();
        all.dedup();
        // Of those whose vitals are wanted the enforcer knows.
        all.retain(|ip| !self.wanted.addresses.contains(ip));
        let now = Instant::now();
        let told: Vec<Vital> = all
            .iter()
            .filter_map(|ip| self.known.before(*ip, now))
            .take(VITALS)
            .collect();
        if !told.is_empty()
            && let Some(line) = vitals_line(&told)
        {
            self.send(line);
        }
    }

    /// Time passes: now and then the enforcer is told how devices fare.
    pub fn tick(&mut self) {
        let asked = self.shared.asked.load(Ordering::Acquire);
        if asked != self.heard {
            self.heard = asked;
            let wanted = self
                .shared
                .wanted
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            let before = std::mem::replace(&mut self.wanted, wanted);
            for ip in self
                .wanted
                .addresses
                .iter()
                .filter(|ip| !before.addresses.contains(*ip))
            {
                // Their span begins now.
                if let Some(watched) = self.known.devices.get_mut(ip) {
                    watched.span = Counts::default();
                }
            }
        }
        let span = self.since.elapsed();
        if self.wanted.addresses.is_empty() || span < EVERY {
            return;
        }
        self.since = Instant::now();
        let span = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        let now = self.since;
        let told: Vec<Vital> = self
            .wanted
            .addresses
            .iter()
            .map(|ip| match self.known.of(*ip, now, &self.wanted) {
                Some(watched) => {
                    let counts = std::mem::take(&mut watched.span);
                    counts.vital(*ip, span, watched.pulse.is_alive(now))
                }
                None => Counts::default().vital(*ip, span, None),
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

/// What is counted of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    packets: u64,
    asked: u64,
    answered: u64,
    lost: u64,
}

impl Counts {
    fn add(&mut self, more: Counts) {
        self.packets = self.packets.saturating_add(more.packets);
        self.asked = self.asked.saturating_add(more.asked);
        self.answered = self.answered.saturating_add(more.answered);
        self.lost = self.lost.saturating_add(more.lost);
    }

    fn vital(self, address: IpAddr, span: Nanos, heartbeat: Option<bool>) -> Vital {
        Vital {
            address,
            span,
            packets: self.packets,
            asked: self.asked,
            answered: self.answered,
            lost: self.lost,
            heartbeat,
        }
    }
}

/// A device that is counted for.
#[derive(Default)]
struct Watched {
    /// Since it was told last.
    span: Counts,
    /// In the stretch of time that goes on, and in the one before.
    recent: [Counts; 2],
    /// The number of the stretch.
    stretch: u64,
    pulse: Pulse,
}

impl Watched {
    fn add(&mut self, counts: Counts) {
        self.span.add(counts);
        self.recent[0].add(counts);
    }

    fn turn_to(&mut self, stretch: u64) {
        self.recent = match stretch.saturating_sub(self.stretch) {
            0 => self.recent,
            1 => [Counts::default(), self.recent[0]],
            _ => Default::default(),
        };
        self.stretch = self.stretch.max(stretch);
    }
}

/// All devices that are counted for: whom an act will be about is not known before.
struct Known {
    devices: HashMap<IpAddr, Watched>,
    began: Instant,
    /// The stretch in which room was looked for last.
    cleared: u64,
}

impl Known {
    fn new(began: Instant) -> Known {
        Known {
            devices: HashMap::new(),
            began,
            cleared: 0,
        }
    }

    fn stretch(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_secs() / BEFORE.as_secs()
    }

    /// A device; `None` where there is no room for one more. Those of whom nothing was heard lately go first.
    fn of(&mut self, ip: IpAddr, now: Instant, wanted: &Wanted) -> Option<&mut Watched> {
        let stretch = self.stretch(now);
        if self.devices.len() >= KNOWN && !self.devices.contains_key(&ip) {
            if self.cleared == stretch {
                return None;
            }
            self.cleared = stretch;
            self.devices
                .retain(|ip, device| device.stretch + 1 >= stretch || wanted.addresses.contains(ip));
            if self.devices.len() >= KNOWN {
                return None;
            }
        }
        let watched = self.devices.entry(ip).or_default();
        watched.turn_to(stretch);
        Some(watched)
    }

    /// How a device fared lately.
    fn before(&mut self, ip: IpAddr, now: Instant) -> Option<Vital> {
        let stretch = self.stretch(now);
        let watched = self.devices.get_mut(&ip)?;
        watched.turn_to(stretch);
        let mut counts = watched.recent[1];
        counts.add(watched.recent[0]);
        let span = i64::try_from(BEFORE.as_nanos() * 2).unwrap_or(i64::MAX);
        Some(counts.vital(ip, span, watched.pulse.is_alive(now)))
    }
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

/// What an event says of those who are in it, and whether it is a sign of life. Commands that change
/// something are left out: to deny them may be what was decided, and that they find no answer is then
/// no harm.
fn count(body: &Body) -> (Counts, bool) {
    match body {
        Body::Command(command) if !command.verb.changes() => {
            let answered = command.outcome != CommandOutcome::Unanswered;
            let counts = Counts {
                packets: 1,
                asked: 1,
                answered: answered.into(),
                lost: 0,
            };
            (counts, answered)
        }
        Body::Reading(_) => (
            Counts {
                packets: 1,
                ..Counts::default()
            },
            true,
        ),
        _ => (Counts::default(), false),
    }
}

/// Whether the policy permits what a command or a reading shows. What is forbidden is nobody's sign of life:
/// else an attack that asks again and again would be a heartbeat, and to deny it a harm that is taken back.
fn is_permitted(event: &Event, context: &Context) -> bool {
    let s = &event.subject;
    let src = (context.locate(s.src_ip, s.src_mac), s.src_ip);
    let dst = (context.locate(s.dst_ip, s.dst_mac), s.dst_ip);
    let service = |port| Service {
        protocol: s.protocol.unwrap_or(0),
        port,
        app_proto: event.app_proto,
    };
    match &event.body {
        Body::Command(command) => {
            // A broker passes on to its clients what it was given.
            let mut servers = [s.dst_port, s.src_port].map(service).into_iter();
            servers.any(|service| {
                context
                    .judge_command_on(src, dst, Some(&service), command)
                    .is_ok()
            })
        }
        // Who tells a value was asked, or tells it by itself.
        _ => {
            context.judge_contact(dst, src, &service(s.src_port)).is_ok()
                || context.judge_contact(src, dst, &service(s.dst_port)).is_ok()
        }
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
            self.want(Wanted::default());
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
                        let parse = |a: &serde_json::Value| a.as_str()?.parse().ok();
                        let list = |name: &str| {
                            let all = line[name].as_array().map_or(&[][..], Vec::as_slice);
                            all.iter().filter_map(parse).take(VITALS).collect()
                        };
                        let (addresses, apart) = (list("addresses"), list("apart"));
                        want(&shared, Wanted { addresses, apart });
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

    fn want(&self, wanted: Wanted) {
        want(&self.shared, wanted);
    }
}

fn want(shared: &Shared, wanted: Wanted) {
    *shared.wanted.lock().unwrap_or_else(PoisonError::into_inner) = wanted;
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
    use citywall_event::{Command, Order, Reading, Subject, Value, Verb};
    use citywall_policy::City;

    #[test]
    fn what_was_before_is_known_of_everybody_and_bounded() {
        let start = Instant::now();
        let at = |s: u64| start + Duration::from_secs(s);
        let (mut known, wanted) = (Known::new(start), Wanted::default());
        let device: IpAddr = [10, 0, 0, 1].into();
        let lose = |known: &mut Known, second: u64| {
            let counts = Counts {
                packets: 10,
                lost: 1,
                ..Counts::default()
            };
            known.of(device, at(second), &wanted).unwrap().add(counts);
        };
        lose(&mut known, 0);
        lose(&mut known, 4);
        lose(&mut known, 6);
        let before =
            |known: &mut Known, second| known.before(device, at(second)).map(|v| (v.packets, v.lost));
        assert_eq!(before(&mut known, 7), Some((30, 3)));
        assert_eq!(before(&mut known, 11), Some((10, 1)));
        assert_eq!(before(&mut known, 60), Some((0, 0)));
        for n in 0..KNOWN as u32 * 2 {
            known.of(IpAddr::from(n.to_be_bytes()), at(60), &wanted);
        }
        assert_eq!(known.devices.len(), KNOWN);
        // Later there is room again.
        let new: IpAddr = [192, 0, 2, 1].into();
        assert!(known.of(new, at(61), &wanted).is_none());
        assert!(known.of(new, at(90), &wanted).is_some());
    }

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

    #[test]
    fn what_the_policy_forbids_is_nobodys_sign_of_life() {
        let city = r#"
            [city]
            name = "Eastmere"
            [[domain]]
            name = "water"
            [[zone]]
            name = "pumps"
            domain = "water"
            networks = ["10.1.0.0/24"]
            [[zone]]
            name = "desk"
            domain = "water"
            networks = ["10.2.0.0/24"]
            [[conduit]]
            from = ["desk"]
            to = ["pumps"]
            allow = ["modbus: read"]
            reason = "polling"
        "#;
        let city = City::parse(city, "city.toml").unwrap();
        let (_, context) = city.compile();
        let end = |ip: [u8; 4], port| (Some(IpAddr::from(ip)), Some(port));
        let (desk, pump) = (end([10, 2, 0, 9], 40_000), end([10, 1, 0, 7], 502));
        let stray = end([10, 9, 0, 9], 40_000);
        let event = |(src_ip, src_port), (dst_ip, dst_port), body| Event {
            order: Order::default(),
            at: 0,
            subject: Subject {
                src_ip,
                src_port,
                dst_ip,
                dst_port,
                protocol: Some(6),
                ..Subject::default()
            },
            app_proto: Some("modbus"),
            body,
        };
        let command = |verb| {
            Body::Command(Box::new(Command {
                protocol: "modbus",
                verb,
                function: "read_holding_registers",
                unit: Some(1),
                point: "holding:0".into(),
                count: 8,
                value: None,
                outcome: CommandOutcome::Accepted,
                technique: None,
            }))
        };
        let reading = || {
            Body::Reading(Box::new(Reading {
                protocol: "modbus",
                unit: Some(1),
                point: "holding:0".into(),
                value: Value::Uint(7),
            }))
        };
        let told = |from, to, body| is_permitted(&event(from, to, body), &context);
        assert!(told(desk, pump, command(Verb::Read)));
        assert!(told(pump, desk, reading()));
        assert!(!told(desk, pump, command(Verb::Write)));
        assert!(!told(stray, pump, command(Verb::Read)));
        assert!(!told(pump, stray, reading()));
    }
}
