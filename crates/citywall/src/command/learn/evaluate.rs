//! `citywall learn evaluate`: tables.
//!
//! Owns: the names of the sets, where their data is looked for, and the form of scores. Does not own:
//! the sets and the measures (`citywall-evaluation`).

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use citywall_evaluation::sets::{SetError, floods, forecasts, iot23, modbus, speed};
use citywall_evaluation::{Report, Settings};

use super::EvaluateArgs;
use crate::End;
use crate::command::Invalid;
use crate::pipeline::run::thread_cpu;

/// What a set needs.
struct Wanted<'a> {
    data: Option<&'a Path>,
    settings: Settings,
    runs: u32,
}

type Run = fn(&Wanted<'_>) -> Result<Vec<Report>, SetError>;

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

pub(super) fn run(args: &EvaluateArgs) -> anyhow::Result<End> {
    let settings = Settings {
        draws: args.draws,
        seed: args.seed,
        rate: 1e-3,
        cpu: thread_cpu,
    };
    if let (Some(file), Some(data)) = (&args.scores, &args.data) {
        return scores(args, data, file);
    }
    let chosen: Vec<&(&str, Run)> = SETS
        .iter()
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
        data: args.data.as_deref(),
        settings,
        runs: args.runs,
    };
    let (mut reports, mut skipped) = (Vec::new(), Vec::new());
    for (name, set) in &chosen {
        match set(&wanted) {
            Ok(found) => reports.extend(found),
            Err(SetError::Absent(path)) => skipped.push((*name, path)),
            Err(error) => return Err(error.into()),
        }
    }
    // A reader that went away (`| head`) is no failure.
    let _ = print(args, &reports, &skipped);
    let asked = !args.all && !skipped.is_empty();
    Ok(if asked { End::Failed } else { End::Done })
}

fn print(args: &EvaluateArgs, reports: &[Report], skipped: &[(&str, PathBuf)]) -> std::io::Result<()> {
    let mut screen = std::io::stdout().lock();
    for (name, path) in skipped {
        errln!(
            "citywall: SKIPPED set {name}: {} is not there; say --data, or set CITYWALL_DATA",
            path.display()
        );
    }
    if args.json {
        let skipped: Vec<&str> = skipped.iter().map(|(name, _)| *name).collect();
        let all =
            serde_json::json!({ "seed": args.seed, "load": load(), "skipped": skipped, "reports": reports });
        serde_json::to_writer_pretty(&mut screen, &all)?;
        return writeln!(screen);
    }
    writeln!(
        screen,
        "Seed {}, {} draws, load {}.\n",
        args.seed,
        args.draws,
        load()
    )?;
    for report in reports {
        writeln!(screen, "{}", report.markdown())?;
    }
    for (name, path) in skipped {
        writeln!(
            screen,
            "### {name}: SKIPPED\n\n{} is not there.\n",
            path.display()
        )?;
    }
    Ok(())
}

/// The machine's load: figures of CPU time under load are upper values.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

/// The folder of a set: `--data`, or its place below CITYWALL_DATA.
fn folder(wanted: &Wanted<'_>, place: &str) -> Result<PathBuf, SetError> {
    let found = match wanted.data {
        Some(data) => data.to_owned(),
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

fn iot23(wanted: &Wanted<'_>) -> Result<Vec<Report>, SetError> {
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

fn allow_lists(wanted: &Wanted<'_>) -> Result<Vec<Report>, SetError> {
    super::allow_list::modbus(&folder(wanted, "lemay-modbus")?)
}

fn modbus(wanted: &Wanted<'_>) -> Result<Vec<Report>, SetError> {
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
fn everything(wanted: &Wanted<'_>) -> Option<PathBuf> {
    let given = wanted.data.map(Path::to_owned);
    given.or_else(|| std::env::var_os("CITYWALL_DATA").map(PathBuf::from))
}

fn captures(wanted: &Wanted<'_>) -> Result<Vec<Report>, SetError> {
    let all = everything(wanted).ok_or_else(|| SetError::Absent(PathBuf::from("$CITYWALL_DATA")))?;
    Ok(vec![Report::Plain(super::captures::table(&all)?)])
}

fn forecasts(wanted: &Wanted<'_>) -> Result<Vec<Report>, SetError> {
    let table = forecasts::table(everything(wanted).as_deref(), wanted.settings.seed)?;
    Ok(vec![Report::Plain(table)])
}

fn floods(wanted: &Wanted<'_>) -> Result<Vec<Report>, SetError> {
    let tables = floods::table(everything(wanted).as_deref(), wanted.runs, &wanted.settings)?;
    Ok(tables.into_iter().map(Report::Plain).collect())
}

fn device_days(wanted: &Wanted<'_>) -> Result<Vec<Report>, SetError> {
    let tables = super::device_days::run(wanted.runs, &wanted.settings)?;
    Ok(tables.into_iter().map(Report::Plain).collect())
}

fn speed(wanted: &Wanted<'_>) -> Result<Vec<Report>, SetError> {
    Ok(vec![Report::Plain(speed::table(&wanted.settings))])
}

fn scores(args: &EvaluateArgs, data: &Path, file: &Path) -> anyhow::Result<End> {
    if args.set != ["iot23"] {
        return Err(Invalid("--scores: this set gives no scores; use --set iot23".into()).into());
    }
    let home = std::env::var_os("CITYWALL_DATA").map(|all| Path::new(&all).join("iot23"));
    let home =
        home.ok_or_else(|| Invalid("--scores: set CITYWALL_DATA to the data that is learned from".into()))?;
    let lines = iot23::scores(&iot23::scenarios(&home)?, &iot23::scenarios(data)?);
    let mut text = "# citywall-scores 1\nfile\tconversation\tscore\n".to_owned();
    for (name, number, score) in &lines {
        let _ = writeln!(text, "{name}\t{number}\t{score}");
    }
    let mut out = std::fs::File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    out.write_all(text.as_bytes())?;
    outln!("{}: {} scores", file.display(), lines.len());
    Ok(End::Done)
}
