//! `citywall watch`: from traffic to a told story.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Instant, SystemTime};

use anyhow::Context as _;
use citywall_capture::{
    CaptureError, FileLimits, Files as CaptureFiles, FrameSource, Interface, LiveOptions, RunAs,
};
use citywall_console::Forecasts;

use super::{Invalid, console, upkeep};
use crate::End;
use crate::allowed::{LAST_GOOD, SERIALS};
use crate::cli::WatchArgs;
use crate::config::Size;
use crate::enforcer::confine::{self, Reach, Role, confine};
use crate::output::alerting::Alerting;
use crate::output::eve::{self, EveLog, Rotation};
use crate::output::syslog::Target;
use crate::output::{story, summary, webhook};
use crate::packets::Keeper;
use crate::pipeline::learning::LEARNED;
use crate::pipeline::ordered::Stage;
use crate::pipeline::run::{self, Outcome, Shared, Signals};
use crate::settings::{CitySource, Settings};

/// An end was asked for. There is one for the process, as there is of signals: whoever waits for a pipe looks
/// at it too.
static STOP: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// The built-in story's capture and city file, made by `cargo xtask story --seed 1 --bless`.
pub const STORY_CAPTURE: &[u8] = include_bytes!("../../story/story.pcap.gz");
pub const STORY_CITY: &str = include_str!("../../story/city.toml");

/// Runs the command.
///
/// # Errors
/// Where files are invalid, or inputs or outputs cannot be opened.
pub fn run(args: &WatchArgs) -> anyhow::Result<End> {
    let started = Instant::now();
    let settings = Arc::new(load(args)?);
    for refused in &settings.refused {
        log::warn!("rule refused: {refused}");
    }
    let workers = args.workers.unwrap_or_else(cores);
    let live = args.interface.is_some();
    // Sources first: rights are dropped before any packet is parsed or any event is written.
    let mut sources = open(args, &settings, workers)?;
    if live {
        give_up_rights(args, &settings)?;
    }
    let metrics = args.metrics.or(settings.config.metrics.listen);
    // Landlock's rule is on what the kernel holds in memory for this folder, which must not be made anew.
    let _own = std::fs::File::open("/proc/self");
    confine(Role::Sensor, &reach(args, &settings, metrics)?)?;
    if args.probe {
        return Ok(probe());
    }
    let log = args
        .out
        .as_deref()
        .map(|out| open_log(out, &settings, live))
        .transpose()?;
    let mut keeper = None;
    if let Some(out) = args.out.as_deref().filter(|_| settings.packets > 0) {
        let (started, kept) = Keeper::start(out, settings.packets, now(), sources)
            .with_context(|| format!("--keep-packets: cannot keep them in {}", out.display()))?;
        sources = kept;
        keeper = Some(started);
    }
    let mut alerting = Alerting::start(&settings.config, metrics).context("cannot start the outputs")?;
    if let Some(socket) = &args.enforcer {
        alerting
            .report_to(socket)
            .context("--enforcer: cannot start the line to it")?;
    }
    let shared = Arc::new(Shared::new(Arc::clone(&settings)));
    let mut stage = Stage::new(Arc::clone(&settings), log, alerting);
    let signals = listen(live)?;
    let drops = Arc::new(AtomicU64::new(u64::MAX));
    // A replay begins afresh, as its log does.
    let foreseen = match &args.out {
        Some(out) if live => Forecasts::open(&out.join(console::FOLDER)),
        _ => Forecasts::default(),
    };
    let kept = keeper.as_ref().map(Keeper::watch);
    let upkeep = upkeep::Run::new(
        args,
        Arc::clone(&shared),
        kept,
        Arc::clone(&drops),
        foreseen.clone(),
    );
    let console = console::start(args, &settings, live, Arc::new(upkeep))?;
    if let Some(console) = &console {
        let feed = console.feed.clone();
        stage.listen(Box::new(move |line| feed.line(line)));
        let reload = console.reloader();
        if live {
            stage.on_show(Box::new(move |seen| drops.store(seen.drops, Ordering::Relaxed)));
        }
        stage.on_foreseen(Box::new(move |now| foreseen.tell(now)));
        stage.on_reload(Box::new(move |settings| {
            reload(settings.city.clone(), Arc::clone(&settings.city_text))
        }));
    }
    let outcome = if live {
        let interface = settings.interface.as_deref().unwrap_or("");
        if log::log_enabled!(log::Level::Warn) {
            let workers = story::plural(workers.into(), "worker", "workers");
            errln!("watching {interface} with {workers}; Ctrl-C ends");
        }
        run::live(sources, &shared, &mut stage, &signals)
    } else {
        let source = sources.pop().context("no input")?;
        run::replay(source, &shared, workers, &mut stage, &signals, !args.json)
    };
    stage.finish();
    if let Some(keeper) = &mut keeper {
        keeper.finish();
    }
    let numbers = summary::summary(
        &outcome,
        &stage,
        &summary::Usage::now(started),
        workers,
        keeper.as_ref().map(Keeper::kept),
    );
    let end = tell(args, &shared.get(), &outcome, &stage, started, &numbers)?;
    if let Some(console) = &console {
        console.finished(numbers);
        if !live {
            console::linger(&signals.stop);
        }
    }
    Ok(end)
}

/// Nanoseconds since 1970, by the machine's clock.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}

/// One worker per core.
fn cores() -> u16 {
    std::thread::available_parallelism().map_or(1, |n| n.get().min(64) as u16)
}

fn load(args: &WatchArgs) -> anyhow::Result<Settings> {
    let built_in = args.pcap.is_empty() && args.interface.is_none();
    let city = built_in.then(|| CitySource {
        name: "the built-in city file".into(),
        text: STORY_CITY.into(),
    });
    let size = |text: &Option<String>, option: &str| {
        let size = text.as_deref().map(Size::parse).transpose();
        size.map_err(|e| Invalid(format!("{option}: {e}")))
    };
    let disk = size(&args.disk, "--disk")?;
    let packets = size(&args.keep_packets, "--keep-packets")?;
    let mut settings = Settings::load(&args.files, city, args.interface.clone(), disk.map(|d| d.0))
        .map_err(|error| Invalid(format!("{error:#}")))?;
    settings
        .keep_packets(packets.map_or(0, |size| size.0))
        .map_err(Invalid)?;
    settings
        .hold_use()
        .map_err(|error| Invalid(format!("{error:#}")))?;
    settings.hold_models();
    settings.reports = args.enforcer.is_some();
    Ok(settings)
}

fn open(args: &WatchArgs, settings: &Settings, workers: u16) -> anyhow::Result<Vec<Box<dyn FrameSource>>> {
    if let Some(name) = &args.interface {
        return open_interface(name, settings, workers);
    }
    Ok(vec![Box::new(captures(&args.pcap, Some(&**STOP))?)])
}

/// The captures of a replay; the built-in story where none is named.
/// Where `stop` is set, a pipe that has nothing to give has ended.
pub fn captures(files: &[PathBuf], stop: Option<&'static AtomicBool>) -> Result<CaptureFiles, CaptureError> {
    let limits = FileLimits {
        stop,
        ..FileLimits::default()
    };
    if files.is_empty() {
        let story = ("the built-in story".into(), Box::new(STORY_CAPTURE) as _);
        return CaptureFiles::from_readers(vec![story], limits);
    }
    CaptureFiles::open(files, limits)
}

fn open_interface(
    name: &str,
    settings: &Settings,
    workers: u16,
) -> anyhow::Result<Vec<Box<dyn FrameSource>>> {
    let capture = &settings.config.capture;
    let mut sources: Vec<Box<dyn FrameSource>> = Vec::new();
    for worker in 0..workers {
        let block_size = 1 << 20;
        let options = LiveOptions {
            worker,
            workers,
            fanout_group: (std::process::id() % 65_535 + 1) as u16,
            block_size,
            blocks: (capture.ring.0 / u64::from(block_size)).clamp(2, 1024) as u32,
            hold_ms: capture.hold_ms,
            snaplen: capture.snap_length,
            promiscuous: capture.promiscuous,
        };
        sources.push(Box::new(Interface::open(name, options)?));
    }
    Ok(sources)
}

/// Once the rings are open nothing needs a right any more. The directory of the outputs is handed
/// to the user that the process becomes: it makes all files there itself, and can go on to rotate.
fn give_up_rights(args: &WatchArgs, settings: &Settings) -> anyhow::Result<()> {
    let user = settings.config.capture.user;
    let mut run_as = RunAs::Same;
    if rustix::process::geteuid().is_root() {
        if ["uid_map", "gid_map"].iter().all(|map| is_mapped(map, user)) {
            run_as = RunAs::User { uid: user, gid: user };
        } else {
            log::warn!("there is no user {user} in this namespace: still root, but without any right");
        }
    }
    if let (RunAs::User { .. }, Some(out)) = (run_as, &args.out) {
        eve::hand_over(out, user)
            .with_context(|| format!("--out: cannot hand {} to user {user}", out.display()))?;
    }
    if let (RunAs::User { .. }, Some(state)) = (run_as, &settings.config.learning.state) {
        eve::hand_over_kept(state, user, &[LEARNED, SERIALS, LAST_GOOD])
            .with_context(|| format!("learning.state: cannot hand {} to user {user}", state.display()))?;
    }
    let dropped = citywall_capture::drop_privileges(run_as).context("cannot give up rights")?;
    log::info!("runs as user {} from here on, without any right", dropped.uid);
    let files = &args.files;
    for path in files.city.iter().chain(&files.config).chain(&files.rules) {
        if let Err(error) = std::fs::File::open(path) {
            log::warn!("a reload (SIGHUP) will not read {}: {error}", path.display());
        }
    }
    Ok(())
}

/// What is touched from here on, while hostile bytes are read: the files that a reload reads again, the
/// folders of the outputs, and the ports that the outputs were told.
fn reach(args: &WatchArgs, settings: &Settings, metrics: Option<SocketAddr>) -> anyhow::Result<Reach> {
    let mut reach = Reach::default();
    let config = &settings.config;
    let learning = &config.learning;
    let files = args
        .files
        .city
        .iter()
        .chain(&args.files.config)
        .chain(&args.files.rules);
    let files = files
        .chain(&learning.allow_list)
        .chain(&learning.key_ring)
        .chain([&config.inventory.makers])
        .chain(&args.console_certificate);
    files.for_each(|file| reach.read_beside(file));
    reach.read.extend(learning.models.clone());
    // Where there are many captures, they are opened again.
    reach
        .read
        .extend(args.pcap.iter().filter(|file| file.is_file()).cloned());
    // What the run tells of itself: its memory, the host's name.
    reach
        .read
        .extend(["/proc/self", "/proc/sys/kernel/hostname"].map(Into::into));
    if let Some(out) = &args.out {
        eve::make_directory(out).with_context(|| unwritable(out))?;
    }
    if let Some(state) = &learning.state {
        // Where it cannot be made, that is told when something is to be kept there.
        let _ = eve::make_directory(state);
    }
    reach
        .write
        .extend(args.out.iter().chain(&learning.state).cloned());
    for address in metrics.iter().chain(&args.console) {
        reach.listen.push(address.port());
        reach.families.extend([libc::AF_INET, libc::AF_INET6]);
    }
    if let Some(webhook) = &config.webhook {
        reach.resolve_names();
        reach.connect.extend(webhook::ports(&webhook.url));
    }
    if let Some(syslog) = &config.syslog {
        reach.resolve_names();
        reach.connect.extend(
            Target::parse(&syslog.address)
                .ok()
                .and_then(|target| target.tcp_port()),
        );
    }
    if args.enforcer.is_some() {
        reach.families.push(libc::AF_UNIX);
    }
    Ok(reach)
}

/// Tells what is open that must not be.
fn probe() -> End {
    let open = confine::probe(Role::Sensor);
    outln!("sensor: [{}]", open.join(", "));
    if open.is_empty() { End::Done } else { End::Failed }
}

/// True where the kernel knows this id in the process's user namespace, user_namespaces(7). In one
/// that holds root alone (`unshare -r`, some containers) no other user can be become.
pub fn is_mapped(map: &str, id: u32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/self/{map}"));
    // A kernel without user namespaces has no such file, and every user.
    text.map_or(true, |text| {
        text.lines().any(|line| {
            let mut numbers = line.split_whitespace().filter_map(|n| n.parse::<u64>().ok());
            let (first, count) = (numbers.next().unwrap_or(0), numbers.nth(1).unwrap_or(0));
            (first..first.saturating_add(count)).contains(&u64::from(id))
        })
    })
}

fn open_log(out: &std::path::Path, settings: &Settings, live: bool) -> anyhow::Result<EveLog> {
    let events = &settings.config.events;
    // A replay's packet time is not the box's: a capture of a month is not thirty parts.
    let age = if live { events.rotate_age } else { u64::MAX };
    let rotation = Rotation {
        size: events.rotate_size.0,
        age,
        disk: events.disk.0.saturating_sub(settings.packets),
    };
    EveLog::open(out, rotation, live).with_context(|| unwritable(out))
}

fn unwritable(folder: &std::path::Path) -> String {
    let user = rustix::process::geteuid().as_raw();
    format!(
        "cannot write to {} as user {user}: choose another directory with --out",
        folder.display()
    )
}

fn listen(live: bool) -> anyhow::Result<Signals> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let signals = Signals {
        stop: Arc::clone(&STOP),
        ..Signals::default()
    };
    for signal in [SIGINT, SIGTERM] {
        // A second Ctrl-C ends at once, as a user would expect.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&signals.stop))?;
        signal_hook::flag::register(signal, Arc::clone(&signals.stop))?;
    }
    // In a replay there is nothing to read again: it is a terminal that was closed.
    let hung_up = if live { &signals.reload } else { &signals.stop };
    signal_hook::flag::register(SIGHUP, Arc::clone(hung_up))?;
    Ok(signals)
}

fn tell(
    args: &WatchArgs,
    settings: &Settings,
    outcome: &Outcome,
    stage: &Stage,
    started: Instant,
    numbers: &serde_json::Value,
) -> anyhow::Result<End> {
    let usage = summary::Usage::now(started);
    let written = args.out.as_deref().map(|out| summary::write(out, numbers));
    if args.json {
        outln!("{numbers:#}");
    } else {
        let page = story::page(settings, outcome, stage, &usage, args.out.as_deref());
        crate::screen::out(format_args!("{page}"));
    }
    let mut end = End::Done;
    for damage in &outcome.damage {
        errln!(
            "citywall: {}: {} at byte {}, after {} packets; what came before was processed",
            damage.file,
            damage.what,
            damage.offset,
            damage.frames
        );
        end = End::Damaged;
    }
    if let Some(error) = &outcome.error {
        errln!("citywall: {error}");
        end = End::Failed;
    }
    if let Some(failure) = stage.log().and_then(EveLog::failure) {
        errln!(
            "citywall: {failure}; {} events were counted but not written",
            stage.log().map_or(0, |l| l.lost)
        );
        end = End::Failed;
    }
    if let Some(Err(error)) = written {
        errln!("citywall: cannot write summary.json: {error}");
        end = End::Failed;
    }
    Ok(end)
}
