//! `citywall enforce --serve`: from a city file to a running enforcer, and its loop.
//!
//! Owns: the order of the start (who gives up what, when), waiting, the clocks, signals, the end. Does
//! not own: what happens in a round (`drive`), rights and lists (`confine`).

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use citywall_capture::RunAs;
use citywall_event::{Nanos, Prefix};
use citywall_policy::City;
use citywall_response::firewall::{self, Deployment, Listing, Mode, TABLE, Wall};
use citywall_response::{Act, Facts, Governor, Input, Moment, Notice, Settings, VerifiedAct, Vital};
use citywall_trust::{Signed, files};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};

use super::channel::{Channel, Gone};
use super::confine::{self, Reach, Role};
use super::connections::{Connections, Heard, Id};
use super::drive::Drive;
use super::inspection::Inspection;
use super::lines::{LineError, Message, Speaker};
use super::orders::Order;
use super::people::{People, known_to_consoles};
use super::record::Record;
use super::{answers, applied};
use super::{nft, own};
use crate::End;
use crate::command::Invalid;
use crate::config::Config;

/// Where the control socket is by default.
pub const SOCKET: &str = "/run/citywall/control.sock";
/// Where the journal is by default.
pub const STATE: &str = "/var/lib/citywall-enforcer";
/// How often the kernel is told that the enforcer lives.
pub const HEARTBEAT: Nanos = 2 * SECOND;
const SECOND: Nanos = 1_000_000_000;
/// Notices that are heard together.
const TOGETHER: usize = 4_096;

/// What `--serve` is told.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The city file.
    pub city: PathBuf,
    /// The configuration, where there is one.
    pub config: Option<PathBuf>,
    /// The folder of the journal.
    pub state: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// `observe` or `propose`, where the city file's mode is not to count.
    pub mode: Option<String>,
    /// Public keys that signed acts are proved with.
    pub key_ring: Option<PathBuf>,
    /// Signed acts.
    pub acts: Vec<PathBuf>,
    /// User ids of sensors, besides those of the configuration.
    pub sensors: Vec<u32>,
    /// How packets pass the machine.
    pub mode_of_place: Mode,
    /// Interfaces where what is cut off is dropped early.
    pub ingress: Vec<String>,
    /// Networks from which this machine is managed: no measure cuts them off.
    pub management: Vec<Prefix>,
    /// Lines a second that the kernel's log is told about what the policy denies.
    pub log_per_second: u32,
    /// Seconds that an action holds by default, where it is less than the governor's own.
    pub time_to_live: Option<u32>,
    /// Who is flooded is limited, whatever else could be done.
    pub limit_floods: bool,
    /// Say what could be done that must not be, and end.
    pub probe: bool,
}

/// Serves until it is asked to stop.
///
/// # Errors
/// Where a file is invalid, a right is missing, or the hand is gone.
pub fn run(options: &Options) -> anyhow::Result<End> {
    let config = match &options.config {
        Some(path) => Config::read(path).map_err(Invalid)?,
        None => Config::default(),
    };
    let city = read_city(&options.city)?;
    let sensors: Vec<u32> = options
        .sensors
        .iter()
        .chain(&config.enforcer.sensors)
        .copied()
        .collect();
    let own = own::addresses();
    let own_macs = own::macs();
    let run_as = run_as(config.enforcer.user);
    let prepared = prepare(&city, options, &own)?;
    applied::show_frames(options.mode_of_place)?;
    let listener = open_socket(&options.socket)?;
    hand_over(&options.state, run_as)?;
    let signals = Signals::listen()?;

    // The hand is the last that is started with rights.
    let mut hand = Channel::start(&hand_arguments(options, run_as), &prepared.load).context(
        "the hand, which must hold CAP_NET_ADMIN: run as root, or in a user namespace of your own",
    )?;
    // The inspection keeps the one right as well, and is started for good.
    let mut inspection = match options.probe {
        true => Inspection::default(),
        false => Inspection::start(&options.city, user_of(run_as)),
    };
    give_up_rights(options, run_as)?;
    inspection.listen();
    if options.probe {
        return probe(hand);
    }
    hand.call(&Order::Load).context("cannot load the ruleset")?;
    let held = hand
        .call(&Order::List)
        .context("cannot read what is in force")?
        .held;
    hand.call(&Order::Heartbeat)
        .context("cannot write the sign of life")?;

    let (record, entries) = Record::open(&options.state).context("the journal")?;
    let settings = Settings {
        syn_proxy: prepared.syn_proxy && !options.limit_floods,
        drop_answers: prepared.drop_answers && !options.limit_floods,
        ..settings(options, &city)?
    };
    if !settings.syn_proxy {
        log::info!("who is flooded with SYNs is limited: no SYNs are answered in its place");
    }
    let consoles = config.enforcer.consoles.clone();
    let people = People::of(&city, sensors.clone(), consoles.clone());
    let mut facts = Facts::of(&city, 1, own.clone(), own_macs.clone());
    known_to_consoles(&mut facts, &consoles);
    facts.managed_from(&options.management);
    let now = now();
    let restored = Governor::restore(facts, settings, &entries, &held, now);
    let connections = Connections::new(listener).context("cannot serve the control socket")?;
    inspection.restore(&held, now.wall);
    if inspection.runs() {
        let queue = hand.call(&Order::InsertQueue);
        if let Err(error) = queue {
            log::error!("no packets are inspected, so commands cannot be denied: {error:#}");
        }
    }
    let drive = Drive::new(restored, record, hand, connections, people, inspection, now)?;
    log::warn!(
        "enforcing {}: {} entries of the journal, {} elements in force, control socket {}",
        options.city.display(),
        entries.len(),
        held.len(),
        options.socket.display()
    );
    let mut server = Server {
        options: options.clone(),
        sensors,
        consoles,
        own,
        own_macs,
        revision: 1,
        drive,
        signals,
        next_tick: now.steady,
        next_heartbeat: now.steady + HEARTBEAT,
    };
    let result = server.serve();
    if let Err(gone) = &result {
        log::error!("{gone}: what is in force ends by its own time; start the enforcer again");
    }
    server.drive.into_hand().end();
    let _ = fs::remove_file(&options.socket);
    result?;
    log::warn!("stopped; what is in force stays until its time is over");
    Ok(End::Done)
}

/// By two clocks; the steady one goes on while the machine sleeps, as the kernel's time-outs do.
fn now() -> Moment {
    let wall = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let steady = clock_gettime(ClockId::Boottime);
    Moment {
        wall: Nanos::try_from(wall.as_nanos()).unwrap_or(Nanos::MAX),
        steady: steady
            .tv_sec
            .saturating_mul(SECOND)
            .saturating_add(steady.tv_nsec),
    }
}

fn read_city(path: &Path) -> anyhow::Result<City> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read {}", path.display()))
        .map_err(|e| Invalid(format!("{e:#}")))?;
    City::parse(&text, &path.display().to_string()).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Invalid(lines.join("\n")).into()
    })
}

fn settings(options: &Options, city: &City) -> anyhow::Result<Settings> {
    use citywall_policy::ResponseMode;
    use citywall_response::Mode;
    let mode = match (options.mode.as_deref(), city.response.mode) {
        (Some("observe"), _) | (None, ResponseMode::Observe) => Mode::Observe,
        (Some("propose"), _) | (None, ResponseMode::Propose) => Mode::Propose,
        (Some("automatic"), _) => bail!(Invalid(
            "--mode automatic: it takes a signed act, which names zones, rungs and an end: give --key-ring FILE and --act FILE".into()
        )),
        (Some(other), _) => bail!(Invalid(format!("--mode {other}: there are observe and propose"))),
    };
    let default = Settings::of(city);
    let shorter = options.time_to_live.map(|seconds| Nanos::from(seconds) * SECOND);
    Ok(Settings {
        mode,
        time_to_live: shorter.map_or(default.time_to_live, |life| life.min(default.time_to_live)),
        ..default
    })
}

/// The acts that are given, as far as the keyring proves them. One that it does not prove is told,
/// and permits nothing.
fn read_acts(options: &Options, now: Moment) -> Vec<VerifiedAct> {
    let Some(ring) = &options.key_ring else {
        return Vec::new();
    };
    let ring = match files::load_keyring(ring) {
        Ok(ring) => ring,
        Err(error) => {
            log::error!("no act is believed: {error}");
            return Vec::new();
        }
    };
    let read = |path: &PathBuf| {
        let text = fs::read(path).map_err(|e| e.to_string())?;
        let signed = Signed::<Act>::parse(&text).map_err(|e| e.to_string())?;
        let verified = signed
            .verify_without_serial(&ring, now.wall)
            .map_err(|e| e.to_string())?;
        Ok::<VerifiedAct, String>(VerifiedAct::from(verified))
    };
    let mut acts = Vec::new();
    for path in &options.acts {
        match read(path) {
            Ok(act) => acts.push(act),
            Err(error) => log::error!("{}: not believed: {error}", path.display()),
        }
    }
    acts
}

/// What is found out about the kernel while there are rights to ask it.
struct Prepared {
    /// The transaction that the hand loads: none where there is a table already, which somebody applied
    /// and confirmed, or an enforcer before this one left.
    load: String,
    /// The wall that is then in force can answer SYNs in a device's place.
    syn_proxy: bool,
    /// It can drop answers that nobody asked for by their port.
    drop_answers: bool,
}

fn prepare(city: &City, options: &Options, own: &[std::net::IpAddr]) -> anyhow::Result<Prepared> {
    let (ruleset, _) = city.compile();
    let deployment = Deployment {
        mode: options.mode_of_place,
        ingress: options.ingress.clone(),
        own: own.to_vec(),
        management: options.management.clone(),
        log_per_second: options.log_per_second,
        log_group: None,
        syn_proxy: nft::has_syn_proxy(),
    };
    deployment
        .check()
        .map_err(|e| Invalid(format!("--routed, --bridge, --management: {e}")))?;
    let wall = Wall::new(&ruleset, &deployment);
    let now = match nft::list(&format!("list table inet {TABLE}\n")) {
        Ok(answer) => Listing::parse([answer.as_slice()])?,
        Err(_) => Listing::default(),
    };
    if now.is_empty() {
        return Ok(Prepared {
            load: firewall::install(&wall, &now),
            syn_proxy: wall.answers_syns(),
            drop_answers: wall.drops_answers(),
        });
    }
    let differences = firewall::differences(&wall, &now);
    if !differences.is_empty() {
        log::warn!(
            "the firewall in force is not what {} says ({} places differ): see `citywall enforce --dry-run`; it is left as it is",
            options.city.display(),
            differences.len()
        );
    }
    let wall = now.wall();
    Ok(Prepared {
        load: String::new(),
        syn_proxy: wall.answers_syns(),
        drop_answers: wall.drops_answers(),
    })
}

/// Binds the socket. Everybody may connect: who it is tells the kernel, and the city file who that is.
fn open_socket(path: &Path) -> anyhow::Result<UnixListener> {
    let place = || format!("--socket {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(place)?;
    }
    if UnixStream::connect(path).is_ok() {
        bail!(
            "{}: another enforcer serves it; stop that one, or name another socket",
            place()
        );
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).with_context(place),
        _ => {}
    }
    let listener = UnixListener::bind(path).with_context(place)?;
    fs::set_permissions(path, PermissionsExt::from_mode(0o666)).with_context(place)?;
    Ok(listener)
}

fn run_as(user: u32) -> RunAs {
    if !rustix::process::geteuid().is_root() {
        return RunAs::Same;
    }
    if ["uid_map", "gid_map"]
        .iter()
        .all(|map| crate::command::watch::is_mapped(map, user))
    {
        return RunAs::User { uid: user, gid: user };
    }
    log::info!("there is no user {user} in this namespace: still root, but without its rights");
    RunAs::Same
}

/// The user that a process is told to become.
fn user_of(run_as: RunAs) -> Option<u32> {
    match run_as {
        RunAs::User { uid, .. } => Some(uid),
        RunAs::Same => None,
    }
}

/// The folder of the journal is the user's that the enforcer becomes.
fn hand_over(state: &Path, run_as: RunAs) -> anyhow::Result<()> {
    let place = || format!("--state {}", state.display());
    fs::create_dir_all(state).with_context(place)?;
    if let RunAs::User { uid, gid } = run_as {
        let journal = |name: &str| name.starts_with(citywall_trust::journal::NAME);
        let entries = fs::read_dir(state).with_context(place)?;
        for entry in entries {
            let entry = entry.with_context(place)?;
            let name = entry.file_name();
            if !journal(&name.to_string_lossy()) {
                bail!(
                    "{} holds {name:?}, which is none of the enforcer's: name a folder of its own",
                    place()
                );
            }
            rustix::fs::chownat(
                rustix::fs::CWD,
                entry.path(),
                Some(rustix::fs::Uid::from_raw(uid)),
                Some(rustix::fs::Gid::from_raw(gid)),
                rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
            )
            .with_context(place)?;
        }
        chown(state, Some(uid), Some(gid)).with_context(place)?;
        fs::set_permissions(state, PermissionsExt::from_mode(0o700)).with_context(place)?;
    }
    Ok(())
}

fn hand_arguments(options: &Options, run_as: RunAs) -> Vec<String> {
    let mut arguments = Vec::new();
    if options.mode_of_place == Mode::Bridge {
        arguments.push("--bridge".to_owned());
    }
    if let Some(user) = user_of(run_as) {
        arguments.extend(["--user".to_owned(), user.to_string()]);
    }
    if options.probe {
        arguments.push("--probe".to_owned());
    }
    arguments
}

fn give_up_rights(options: &Options, run_as: RunAs) -> anyhow::Result<()> {
    let dropped = citywall_capture::drop_privileges(run_as).context("cannot give up rights")?;
    let mut reach = Reach::default();
    reach.read_beside(&options.city);
    let files = options
        .config
        .iter()
        .chain(&options.key_ring)
        .chain(&options.acts);
    for file in files {
        reach.read_beside(file);
    }
    // Accounts; how files are replaced is said at `read_beside`.
    reach.read_beside(Path::new("/etc/passwd"));
    reach.read.push("/proc/self/net".into());
    reach.write.push(options.state.clone());
    let program = std::env::current_exe().context("this program's own path")?;
    reach.execute_programs(&[]);
    reach.execute.push(program);
    confine::confine(Role::Enforcer, &reach)?;
    log::info!("decides as user {} from here on, without any right", dropped.uid);
    Ok(())
}

/// What could be done that must not be, by both processes.
fn probe(mut hand: Channel) -> anyhow::Result<End> {
    let ours = confine::probe(Role::Enforcer).join(", ");
    let mut its = String::from("no answer");
    for _ in 0..200 {
        match hand.answer() {
            Ok(Some(answer)) => {
                its = answer.sentence;
                break;
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
            Err(gone) => bail!(gone),
        }
    }
    outln!("enforcer: [{ours}]\nhand: [{its}]");
    Ok(if ours.is_empty() && its.is_empty() {
        End::Done
    } else {
        End::Failed
    })
}

/// What the outside asks.
struct Signals {
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
    /// Wakes the loop.
    wake: UnixStream,
}

impl Signals {
    fn listen() -> anyhow::Result<Signals> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let (wake, end) = UnixStream::pair().context("cannot make a pair of sockets")?;
        wake.set_nonblocking(true)?;
        end.set_nonblocking(true)?;
        let signals = Signals {
            stop: Arc::default(),
            reload: Arc::default(),
            wake,
        };
        for (signal, flag) in [
            (SIGINT, &signals.stop),
            (SIGTERM, &signals.stop),
            (SIGHUP, &signals.reload),
        ] {
            signal_hook::flag::register(signal, Arc::clone(flag))?;
            signal_hook::low_level::pipe::register(signal, end.try_clone()?)?;
        }
        Ok(signals)
    }

    fn clear(&self) {
        use std::io::Read;
        let mut buffer = [0; 64];
        while matches!((&self.wake).read(&mut buffer), Ok(n) if n > 0) {}
    }
}

/// The running enforcer.
struct Server {
    options: Options,
    sensors: Vec<u32>,
    consoles: Vec<u32>,
    own: Vec<std::net::IpAddr>,
    own_macs: Vec<citywall_event::Mac>,
    revision: u64,
    drive: Drive,
    signals: Signals,
    next_tick: Nanos,
    next_heartbeat: Nanos,
}

impl Server {
    /// Whether an act's serial is new is the governor's matter.
    fn hear_acts(&mut self, now: Moment) -> Result<(), Gone> {
        for act in read_acts(&self.options, now) {
            log::warn!("an act of {} is in force", act.signer());
            self.drive.hear(now, Input::Act(act))?;
        }
        Ok(())
    }

    fn serve(&mut self) -> Result<(), Gone> {
        self.hear_acts(now())?;
        while !self.signals.stop.load(Ordering::Relaxed) {
            let ready = self.wait();
            self.signals.clear();
            let now = now();
            if self.signals.reload.swap(false, Ordering::Relaxed) {
                self.reload(now)?;
            }
            self.drive.hear_hand(now)?;
            if ready.accepts {
                self.drive.accept(now.steady);
            }
            for id in &ready.writes {
                self.drive.connections.flush(*id);
            }
            self.round(now, ready.reads)?;
            self.tick(now)?;
            self.drive.connections.sweep(now.steady);
        }
        Ok(())
    }

    /// Waits for whatever comes first.
    fn wait(&self) -> Ready {
        let now = now().steady;
        let unheard = self.drive.connections.unheard(now);
        let interests = self.drive.connections.interests(now);
        let held_back = interests.iter().any(|(_, _, reads, _)| !reads);
        let mut until = self.next_tick.min(self.next_heartbeat);
        if let Some(due) = self.drive.due() {
            until = until.min(due);
        }
        if held_back {
            until = until.min(now + 50_000_000);
        }
        if !unheard.is_empty() {
            until = now;
        }
        let left = Duration::from_nanos((until - now).clamp(0, SECOND) as u64);
        let hand = self.drive.hand_socket();
        let mut fds = vec![
            PollFd::new(&hand, PollFlags::IN),
            PollFd::new(&self.signals.wake, PollFlags::IN),
        ];
        let listener = self.drive.connections.listener();
        fds.push(PollFd::new(&listener, PollFlags::IN));
        for (_, fd, reads, writes) in &interests {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, *reads);
            flags.set(PollFlags::OUT, *writes);
            fds.push(PollFd::new(fd, flags));
        }
        let left = Timespec::try_from(left).ok();
        if let Err(error) = poll(&mut fds, left.as_ref())
            && error != rustix::io::Errno::INTR
        {
            log::error!("cannot wait: {error}");
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut ready = Ready {
            accepts: fds.get(2).is_some_and(|fd| !fd.revents().is_empty()),
            reads: unheard,
            writes: Vec::new(),
        };
        let gone = PollFlags::HUP | PollFlags::ERR;
        for ((id, _, _, _), fd) in interests.iter().zip(fds.iter().skip(3)) {
            let events = fd.revents();
            if events.intersects(PollFlags::IN | gone) && !ready.reads.contains(id) {
                ready.reads.push(*id);
            }
            if events.contains(PollFlags::OUT) {
                ready.writes.push(*id);
            }
        }
        ready
    }

    /// Hears everybody who said something. Notices of one round are heard together, so that of a
    /// storm the worst come first.
    fn round(&mut self, now: Moment, reads: Vec<Id>) -> Result<(), Gone> {
        let (mut notices, mut vitals) = (Vec::new(), Vec::new());
        for id in reads {
            for heard in self.drive.connections.hear(id, now.steady) {
                let message = match heard {
                    Heard::Line(line) => Message::parse(&line),
                    Heard::TooLong => Err(LineError::Long),
                };
                match message {
                    Ok(message) => self.message(now, id, message, &mut notices, &mut vitals)?,
                    Err(error) => self.refuse_line(id, &error),
                }
                if notices.len() >= TOGETHER {
                    self.drive
                        .hear(now, Input::Notices(std::mem::take(&mut notices)))?;
                }
            }
        }
        if !notices.is_empty() {
            self.drive.hear(now, Input::Notices(notices))?;
        }
        if !vitals.is_empty() {
            self.drive.hear(now, Input::Vitals(vitals))?;
        }
        Ok(())
    }

    fn refuse_line(&mut self, id: Id, error: &LineError) {
        self.drive.counts.refused_lines += 1;
        let line = answers::error(None, error.code(), &error.to_string());
        self.drive.connections.send(id, &line);
        // Who speaks another language, or has lost the place, will not find it again.
        if matches!(error, LineError::Long | LineError::Version(_)) {
            self.drive.connections.end(id);
        }
    }

    fn message(
        &mut self,
        now: Moment,
        id: Id,
        message: Message,
        notices: &mut Vec<Notice>,
        vitals: &mut Vec<Vital>,
    ) -> Result<(), Gone> {
        let Some(connection) = self.drive.connections.get(id) else {
            return Ok(());
        };
        let (speaker, peer) = (connection.speaker, connection.peer.clone());
        let refuse = |drive: &mut Drive, code: &str, text: &str, end: bool| {
            drive.connections.send(id, &answers::error(None, code, text));
            if end {
                drive.connections.end(id);
            }
        };
        match (speaker, message) {
            (None, Message::Hello(speaker)) => {
                let person = self.drive.people().person(&peer);
                let allowed = match speaker {
                    Speaker::Sensor => self.drive.people().sensor(&peer),
                    Speaker::Person if person.is_some() || self.drive.people().is_console(&peer) => Ok(()),
                    Speaker::Person => Err(self.drive.people().nobody(&peer)),
                };
                let welcome = answers::welcome(&peer.account, person);
                match allowed {
                    Ok(()) => {
                        let wanted = self.drive.wanted();
                        if let Some(connection) = self.drive.connections.get(id) {
                            connection.speaks_as(speaker);
                        }
                        self.drive.connections.send(id, &welcome);
                        if speaker == Speaker::Sensor {
                            log::info!("a sensor has come: {}", peer.account);
                            self.drive.connections.send(id, &wanted);
                        }
                    }
                    Err(why) => refuse(&mut self.drive, "not-permitted", &why, true),
                }
            }
            (None, _) => refuse(
                &mut self.drive,
                "no-hello",
                "the first line must be a `hello`",
                true,
            ),
            (Some(_), Message::Hello(_)) => refuse(&mut self.drive, "twice", "a second `hello`", true),
            (Some(Speaker::Person), Message::For(person)) => {
                match self.drive.people().on_behalf(&peer, &person) {
                    Ok(peer) => {
                        let welcome = answers::welcome(&peer.account, self.drive.people().person(&peer));
                        if let Some(connection) = self.drive.connections.get(id) {
                            connection.peer = peer;
                        }
                        self.drive.connections.send(id, &welcome);
                    }
                    Err(why) => refuse(&mut self.drive, "not-permitted", &why, true),
                }
            }
            (Some(Speaker::Sensor), Message::For(_)) => {
                refuse(
                    &mut self.drive,
                    "not-a-person",
                    "a sensor speaks for nobody",
                    false,
                );
            }
            (Some(Speaker::Sensor), Message::Notice(notice)) => {
                self.drive.counts.notices += 1;
                notices.push(*notice);
            }
            (Some(Speaker::Sensor), Message::Vitals(new)) => vitals.extend(new),
            (Some(Speaker::Person), Message::Ask(request)) => {
                self.drive.ask(now, id, &peer, request)?;
            }
            (Some(Speaker::Sensor), Message::Ask(_)) => {
                refuse(
                    &mut self.drive,
                    "not-a-person",
                    "a sensor cannot ask for this",
                    false,
                );
            }
            (Some(Speaker::Person), _) => {
                refuse(
                    &mut self.drive,
                    "not-a-sensor",
                    "notices and vitals come from sensors",
                    false,
                );
            }
        }
        Ok(())
    }

    fn tick(&mut self, now: Moment) -> Result<(), Gone> {
        let due = self.drive.due().is_some_and(|due| due <= now.steady);
        if now.steady >= self.next_tick || due {
            // A machine that slept is not made up for.
            self.next_tick = now.steady + SECOND;
            self.drive.tick(now)?;
        }
        if now.steady >= self.next_heartbeat {
            self.next_heartbeat = now.steady + HEARTBEAT;
            self.drive.order(&Order::Heartbeat, "the sign of life")?;
        }
        Ok(())
    }

    /// SIGHUP: the city file again. The firewall's chains stay: they are applied by who may.
    fn reload(&mut self, now: Moment) -> Result<(), Gone> {
        let city = match read_city(&self.options.city) {
            Ok(city) => city,
            Err(error) => {
                log::error!("not reloaded, the old city file stays in force: {error:#}");
                return Ok(());
            }
        };
        self.revision += 1;
        let addresses = own::addresses();
        if !addresses.is_empty() {
            self.own = addresses;
        }
        let mut facts = Facts::of(&city, self.revision, self.own.clone(), self.own_macs.clone());
        known_to_consoles(&mut facts, &self.consoles);
        facts.managed_from(&self.options.management);
        let people = People::of(&city, self.sensors.clone(), self.consoles.clone());
        self.drive.reload(now, facts, people)?;
        self.drive.inspection.city(&self.options.city);
        self.hear_acts(now)?;
        log::warn!("reloaded the city file; for changed conduits run `citywall enforce --apply`");
        Ok(())
    }
}

/// Who can be heard or told.
struct Ready {
    accepts: bool,
    reads: Vec<Id>,
    writes: Vec<Id>,
}
