//! `citywall learn evaluate`: tables.
//!
//! Owns: the names of the sets, where their data is looked for, one after the other with what became of each,
//! and what is left where somebody stops. Does not own: the sets and the measures (`citywall-evaluation`), and
//! scores (`scores`).

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use citywall_evaluation::sets::{SetError, floods, forecasts, iot23, modbus, speed};
use citywall_evaluation::{Report, Settings};

use super::EvaluateArgs;
use crate::End;
use crate::command::Invalid;
use crate::pipeline::run::thread_cpu;

/// What a set needs.
struct Wanted {
    data: Option<PathBuf>,
    settings: Settings,
    runs: u32,
}

type Run = fn(&Wanted) -> Result<Vec<Report>, SetError>;

const SETS: [(&str, Run); 8] = [
    ("iot23", iot23),
    ("modbus", modbus),
    ("allow-lists", allow_lists),
    ("floods", floods),
    ("device-days", device_days),
    ("captures", captures),
    ("forecasts", forecasts),
    ("speed", speed),
];

/// The names of the sets.
pub(super) fn names() -> Vec<&'static str> {
    SETS.map(|(name, _)| name).to_vec()
}

/// What became of a set.
enum Became {
    Done(Vec<Report>),
    Skipped(PathBuf),
    Failed(String),
}

/// A set that is over.
struct Over {
    name: &'static str,
    became: Became,
    seconds: f64,
    /// The machine's load before it and after.
    load: [String; 2],
}

/// How often it is looked whether somebody asked to stop.
const LOOK: Duration = Duration::from_millis(200);
/// How often it is said that a set goes on.
const ALIVE: Duration = Duration::from_secs(30);

pub(super) fn run(args: &EvaluateArgs) -> anyhow::Result<End> {
    let settings = Settings {
        draws: args.draws,
        seed: args.seed,
        rate: 1e-3,
        cpu: thread_cpu,
    };
    if let (Some(file), Some(data)) = (&args.scores, &args.data) {
        return super::scores::write(args, data, file);
    }
    let chosen: Vec<(&'static str, Run)> = SETS
        .into_iter()
        .filter(|(name, _)| args.all || args.set.iter().any(|s| s == name))
        .collect();
    if chosen.is_empty() {
        return Err(Invalid(format!(
            "--set: choose among {}, or say --all",
            names().join(", ")
        ))
        .into());
    }
    let wanted = Wanted {
        data: args.data.clone(),
        settings,
        runs: args.runs,
    };
    let stop = stopped()?;
    let count = chosen.len();
    let (to_screen, from_sets) = sync_channel::<Over>(1);
    let names: Vec<&'static str> = chosen.iter().map(|(name, _)| *name).collect();
    // Sets run beside the screen, so that a set which takes minutes holds up nobody who wants to stop.
    let work = move || {
        for (name, set) in chosen {
            let (start, before) = (Instant::now(), load());
            let became = match set(&wanted) {
                Ok(reports) => Became::Done(reports),
                Err(SetError::Absent(path)) => Became::Skipped(path),
                Err(error) => Became::Failed(error.to_string()),
            };
            let over = Over {
                name,
                became,
                seconds: start.elapsed().as_secs_f64(),
                load: [before, load()],
            };
            if to_screen.send(over).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("sets".to_owned())
        .spawn(work)
        .context("cannot start a thread")?;
    let mut over: Vec<Over> = Vec::new();
    let mut begun = Instant::now();
    let mut said = begun;
    let mut interrupted = false;
    if !args.json {
        print(&format!(
            "Seed {}, {} draws, load {}.\n\n",
            args.seed,
            args.draws,
            load()
        ));
    }
    while let Some(name) = names.get(over.len()) {
        if said == begun {
            errln!("citywall: set {name} ({} of {count}) ...", over.len() + 1);
            said = Instant::now();
        }
        match from_sets.recv_timeout(LOOK) {
            Ok(set) => {
                tell(args, &set);
                over.push(set);
                begun = Instant::now();
                said = begun;
            }
            Err(RecvTimeoutError::Timeout) if stop.load(Ordering::Relaxed) => {
                interrupted = true;
                break;
            }
            Err(RecvTimeoutError::Timeout) => {
                if said.elapsed() >= ALIVE {
                    errln!(
                        "citywall: set {name}: {:.0} s so far",
                        begun.elapsed().as_secs_f64()
                    );
                    said = Instant::now();
                }
            }
            // A set that panicked is a defect; what was measured before stands.
            Err(RecvTimeoutError::Disconnected) => {
                over.push(Over {
                    name,
                    became: Became::Failed("it ended without a result".to_owned()),
                    seconds: begun.elapsed().as_secs_f64(),
                    load: [load(), load()],
                });
                break;
            }
        }
    }
    if args.json {
        print(&format!("{:#}\n", json(args, &over, interrupted)));
    }
    let skipped: Vec<&str> = over
        .iter()
        .filter(|o| matches!(o.became, Became::Skipped(_)))
        .map(|o| o.name)
        .collect();
    if !skipped.is_empty() {
        errln!(
            "citywall: SKIPPED {} of {count} sets, their data is not there: {}",
            skipped.len(),
            skipped.join(", ")
        );
    }
    if interrupted {
        errln!(
            "citywall: interrupted: {} of {count} sets were over, their figures stand",
            over.len()
        );
    }
    let failed = interrupted
        || over.len() < count
        || over.iter().any(|o| matches!(o.became, Became::Failed(_)))
        || !args.all && !skipped.is_empty();
    Ok(if failed { End::Failed } else { End::Done })
}

/// Set where somebody asks to stop. A second Ctrl-C ends at once.
fn stopped() -> anyhow::Result<Arc<AtomicBool>> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// A reader that went away (`| head`) is no failure.
fn print(text: &str) {
    let mut screen = std::io::stdout().lock();
    let _ = screen.write_all(text.as_bytes()).and_then(|()| screen.flush());
}

/// A set's tables, as soon as they are there: what comes later cannot lose them.
fn tell(args: &EvaluateArgs, over: &Over) {
    let Over {
        name, seconds, load, ..
    } = over;
    let mut text = String::new();
    match &over.became {
        Became::Done(reports) => {
            errln!("citywall: set {name}: done in {seconds:.1} s");
            reports
                .iter()
                .for_each(|report| text += &format!("{}\n", report.markdown()));
            text += &format!(
                "Set {name}: {seconds:.1} s; the machine's load was {} before and {} after.\n\n",
                load[0], load[1]
            );
        }
        Became::Skipped(path) => {
            errln!(
                "citywall: SKIPPED set {name}: {} is not there; say --data, or set CITYWALL_DATA",
                path.display()
            );
            text += &format!("### {name}: SKIPPED\n\n{} is not there.\n\n", path.display());
        }
        Became::Failed(error) => {
            errln!("citywall: FAILED set {name}: {error}");
            text += &format!("### {name}: FAILED\n\n{error}.\n\n");
        }
    }
    if !args.json {
        print(&text);
    }
}

fn json(args: &EvaluateArgs, over: &[Over], interrupted: bool) -> serde_json::Value {
    let of = |o: &Over| {
        let (state, why) = match &o.became {
            Became::Done(_) => ("done", None),
            Became::Skipped(path) => ("skipped", Some(path.display().to_string())),
            Became::Failed(error) => ("failed", Some(error.clone())),
        };
        serde_json::json!({ "set": o.name, "state": state, "why": why, "seconds": o.seconds, "load": o.load })
    };
    let skipped: Vec<&str> = over
        .iter()
        .filter(|o| matches!(o.became, Became::Skipped(_)))
        .map(|o| o.name)
        .collect();
    let reports: Vec<&Report> = over
        .iter()
        .filter_map(|o| match &o.became {
            Became::Done(reports) => Some(reports),
            _ => None,
        })
        .flatten()
        .collect();
    let sets: Vec<serde_json::Value> = over.iter().map(of).collect();
    serde_json::json!({
        "seed": args.seed, "draws": args.draws, "load": load(), "interrupted": interrupted,
        "skipped": skipped, "sets": sets, "reports": reports,
    })
}

/// The machine's load: figures of CPU time under load are upper values.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

/// The folder of a set: its place below `--data`, or that folder itself; else its place below CITYWALL_DATA.
fn folder(wanted: &Wanted, place: &str) -> Result<PathBuf, SetError> {
    let found = match &wanted.data {
        Some(data) if data.join(place).is_dir() => data.join(place),
        Some(data) => data.clone(),
        None => match std::env::var_os("CITYWALL_DATA") {
            Some(all) => Path::new(&all).join(place),
            None => return Err(SetError::Absent(PathBuf::from("$CITYWALL_DATA").join(place))),
        },
    };
    if found.is_dir() {
        Ok(found)
    } else {
        Err(SetError::Absent(found))
    }
}

fn iot23(wanted: &Wanted) -> Result<Vec<Report>, SetError> {
    let scenarios = iot23::scenarios(&folder(wanted, "iot23")?)?;
    // The bar is recall at 1e-2.
    let settings = Settings {
        rate: 1e-2,
        ..wanted.settings
    };
    let cases = iot23::cases(&scenarios, &settings);
    Ok(cases
        .iter()
        .map(|case| Report::Table(case.run(&settings)))
        .collect())
}

fn allow_lists(wanted: &Wanted) -> Result<Vec<Report>, SetError> {
    super::allow_list::modbus(&folder(wanted, "lemay-modbus")?)
}

fn modbus(wanted: &Wanted) -> Result<Vec<Report>, SetError> {
    let folder = folder(wanted, "lemay-modbus")?;
    let captures = modbus::captures(&folder)?;
    let cases = modbus::cases(&captures, &wanted.settings);
    let mut reports: Vec<Report> = cases
        .iter()
        .map(|case| Report::Table(case.run(&wanted.settings)))
        .collect();
    let channels = modbus::channels(&folder, &captures, &wanted.settings)?;
    reports.push(Report::Plain(channels));
    Ok(reports)
}

/// The folder of all data, for sets that use what is there.
fn everything(wanted: &Wanted) -> Option<PathBuf> {
    wanted
        .data
        .clone()
        .or_else(|| std::env::var_os("CITYWALL_DATA").map(PathBuf::from))
}

fn captures(wanted: &Wanted) -> Result<Vec<Report>, SetError> {
    let all = everything(wanted).ok_or_else(|| SetError::Absent(PathBuf::from("$CITYWALL_DATA")))?;
    Ok(vec![Report::Plain(super::captures::table(&all)?)])
}

fn forecasts(wanted: &Wanted) -> Result<Vec<Report>, SetError> {
    let table = forecasts::table(everything(wanted).as_deref(), wanted.settings.seed)?;
    Ok(vec![Report::Plain(table)])
}

fn floods(wanted: &Wanted) -> Result<Vec<Report>, SetError> {
    let tables = floods::table(everything(wanted).as_deref(), wanted.runs, &wanted.settings)?;
    Ok(tables.into_iter().map(Report::Plain).collect())
}

fn device_days(wanted: &Wanted) -> Result<Vec<Report>, SetError> {
    let tables = super::device_days::run(wanted.runs, &wanted.settings)?;
    Ok(tables.into_iter().map(Report::Plain).collect())
}

fn speed(wanted: &Wanted) -> Result<Vec<Report>, SetError> {
    Ok(vec![Report::Plain(speed::table(&wanted.settings))])
}
