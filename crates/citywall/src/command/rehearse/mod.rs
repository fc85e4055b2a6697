//! `citywall rehearse`: what automatic mode would have done, and what it would have cut.
//!
//! Owns: where the past comes from (a capture, or the log of an earlier run) and the options. Does
//! not own: decisions (`citywall_response::Governor`), the account of them
//! (`citywall_response::rehearsal`), its page (`page`).
//!
//! A capture goes through the pipeline, and the lines of its log are heard; a directory holds such
//! lines. So both are heard by the same code.

mod page;

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Context as _;
use citywall_capture::{FileLimits, Files as CaptureFiles, FrameSource};
use citywall_event::OUTSIDE;
use citywall_policy::City;
use citywall_response::playbook::Runs;
use citywall_response::rehearsal::{Rehearsal, Report};
use citywall_response::{Facts, Mode, Rung, Settings as Governing, VerifiedAct};
use clap::{Args, ValueEnum};

use super::watch::{STORY_CAPTURE, STORY_CITY};
use super::{Invalid, playbook};
use crate::End;
use crate::cli::Files;
use crate::enforcer::confine::confine_reader;
use crate::output::alerting::Alerting;
use crate::pipeline::ordered::Stage;
use crate::pipeline::run::{self, Shared, Signals};
use crate::settings::{CitySource, Settings};

/// `citywall rehearse`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct RehearseArgs {
    /// What has happened: a capture (pcap, pcapng), or the --out directory of an earlier run
    /// (without it: the built-in story).
    #[arg(long, value_name = "DIR|PCAP")]
    pub from: Option<PathBuf>,
    /// The city file.
    #[arg(long, value_name = "FILE")]
    pub city: Option<PathBuf>,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Rules in Suricata's language (repeatable); for captures.
    #[arg(long, value_name = "FILE")]
    pub rules: Vec<PathBuf>,
    /// Playbooks that stand before the built-in ones (repeatable).
    #[arg(long, value_name = "FILE")]
    pub playbook: Vec<PathBuf>,
    /// Which mode had been on.
    #[arg(long, value_enum, default_value_t = RehearsedMode::Automatic)]
    pub mode: RehearsedMode,
    /// Zones that a signed act had named, with commas; `outside` is one [default: all].
    #[arg(long, value_name = "ZONES", value_delimiter = ',')]
    pub zones: Vec<String>,
    /// Rungs that it had named, with commas [default: all].
    #[arg(long, value_name = "RUNGS", value_delimiter = ',')]
    pub rungs: Vec<String>,
    /// Write the journal of the decisions here, one entry a line.
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Modes to rehearse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RehearsedMode {
    /// A signed act had been in force.
    Automatic,
    /// A person had to approve, and nobody did.
    Propose,
    /// Plans were told.
    Observe,
}

const EXAMPLES: &str = "Examples:
  citywall rehearse
      the built-in story, had automatic mode been on everywhere
  citywall rehearse --from /srv/citywall --city city.toml
      the log of a running sensor
  citywall rehearse --from monday.pcapng --city city.toml --zones video,lighting --rungs deny-command,deny-conduit
      had only these been automatic

Nothing is touched. Guards and limits are those of the live wall, on the same events.";

/// Runs the command.
///
/// # Errors
/// Where files are invalid or cannot be read.
pub fn run(args: &RehearseArgs) -> anyhow::Result<End> {
    confine_reader(&args.journal)?;
    let settings = Arc::new(load(args)?);
    let Some(city) = &settings.city else {
        let text = "a rehearsal needs to know who is who: name the city file with --city FILE";
        return Err(Invalid(text.to_owned()).into());
    };
    let rehearsal = Rc::new(RefCell::new(begin(args, city)?));
    let end = match args.from.as_deref() {
        Some(from) if from.is_dir() => hear_log(from, &mut rehearsal.borrow_mut())?,
        from => hear_capture(from, &settings, &rehearsal)?,
    };
    let rehearsal = Rc::try_unwrap(rehearsal)
        .ok()
        .context("the pipeline still runs")?;
    let (report, journal) = rehearsal.into_inner().finish();
    if let Some(path) = &args.journal {
        let mut text = journal.join("\n");
        text.push('\n');
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    tell(args, city, &report);
    Ok(end)
}

fn load(args: &RehearseArgs) -> anyhow::Result<Settings> {
    let files = Files {
        city: args.city.clone(),
        config: args.config.clone(),
        rules: args.rules.clone(),
    };
    let story = args.from.is_none().then(|| CitySource {
        name: "the built-in city file".into(),
        text: STORY_CITY.into(),
    });
    let mut settings = Settings::load(&files, story, None, None).map_err(|e| Invalid(format!("{e:#}")))?;
    // What is rehearsed does not depend on what a log would leave out, and nobody is called.
    settings.config.events.types.clear();
    settings.config.syslog = None;
    settings.config.webhook = None;
    Ok(settings)
}

fn begin(args: &RehearseArgs, city: &City) -> anyhow::Result<Rehearsal> {
    let runs = Runs::new(playbook::load(&args.playbook, None)?);
    let facts = Facts::of(city, 1, Vec::new(), Vec::new());
    let mut governing = Governing::of(city);
    governing.mode = match args.mode {
        RehearsedMode::Observe => Mode::Observe,
        RehearsedMode::Automatic | RehearsedMode::Propose => Mode::Propose,
    };
    let automatic = args.mode == RehearsedMode::Automatic;
    if !automatic && (!args.zones.is_empty() || !args.rungs.is_empty()) {
        let text = "--zones and --rungs say what a signed act names: they need --mode automatic";
        return Err(Invalid(text.to_owned()).into());
    }
    let act = match automatic {
        true => Some(VerifiedAct::rehearsed(zones(args, city)?).only(&rungs(args)?)),
        false => None,
    };
    Ok(Rehearsal::new(facts, governing, runs, act))
}

fn zones(args: &RehearseArgs, city: &City) -> Result<Vec<String>, Invalid> {
    let known: Vec<&str> = city
        .zones
        .iter()
        .map(|z| z.name.as_str())
        .chain([OUTSIDE])
        .collect();
    if args.zones.is_empty() {
        return Ok(known.into_iter().map(str::to_owned).collect());
    }
    for zone in &args.zones {
        if !known.contains(&zone.as_str()) {
            return Err(Invalid(format!(
                "--zones: no zone {zone}; {}",
                hint(zone, &known)
            )));
        }
    }
    Ok(args.zones.clone())
}

fn rungs(args: &RehearseArgs) -> Result<Vec<Rung>, Invalid> {
    if args.rungs.is_empty() {
        return Ok(Rung::ALL.to_vec());
    }
    let known = Rung::ALL.map(Rung::name);
    let parse = |name: &String| {
        Rung::parse(name).ok_or_else(|| Invalid(format!("--rungs: no rung {name}; {}", hint(name, &known))))
    };
    args.rungs.iter().map(parse).collect()
}

fn hint(word: &str, known: &[&str]) -> String {
    match citywall_policy::nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are {}", known.join(", ")),
    }
}

/// The log of an earlier run, its rotated parts first.
fn hear_log(from: &Path, rehearsal: &mut Rehearsal) -> anyhow::Result<End> {
    let mut parts: Vec<(u64, PathBuf)> = Vec::new();
    let listed = std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?;
    for entry in listed {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
        if name == "eve.json" {
            parts.push((u64::MAX, path));
        } else if let Some(number) = name.strip_prefix("eve.json.").and_then(|n| n.parse().ok()) {
            parts.push((number, path));
        }
    }
    parts.sort();
    if parts.is_empty() {
        let text = format!(
            "{}: no eve.json; citywall watch --out DIR writes one",
            from.display()
        );
        return Err(Invalid(text).into());
    }
    let mut end = End::Done;
    for (_, path) in parts {
        let file = std::fs::File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut line = Vec::new();
        let mut number = 0_u64;
        loop {
            line.clear();
            // A line without end must not fill the memory.
            let mut bounded = std::io::Read::take(&mut reader, 2 << 20);
            let read = bounded.read_until(b'\n', &mut line);
            if read.with_context(|| format!("cannot read {}", path.display()))? == 0 {
                break;
            }
            number += 1;
            if let Err(error) = rehearsal.line(line.trim_ascii_end()) {
                // One line is told; the others are heard.
                if !matches!(end, End::Damaged) {
                    errln!("citywall: {}:{number}: {error}", path.display());
                }
                end = End::Damaged;
            }
        }
    }
    Ok(end)
}

/// A capture, or the built-in story, through the pipeline.
fn hear_capture(
    from: Option<&Path>,
    settings: &Arc<Settings>,
    rehearsal: &Rc<RefCell<Rehearsal>>,
) -> anyhow::Result<End> {
    let source: Box<dyn FrameSource> = match from {
        Some(path) => Box::new(CaptureFiles::open(&[path.to_path_buf()], FileLimits::default())?),
        None => Box::new(CaptureFiles::from_readers(
            vec![("the built-in story".into(), Box::new(STORY_CAPTURE))],
            FileLimits::default(),
        )?),
    };
    let alerting = Alerting::start(&settings.config, None).context("cannot start the outputs")?;
    let mut stage = Stage::new(Arc::clone(settings), None, alerting);
    let hears = Rc::clone(rehearsal);
    stage.listen(Box::new(move |line| {
        // Our own lines are good; a test compares them with what is read from a log.
        if let Err(error) = hears.borrow_mut().line(line.trim_ascii_end()) {
            log::error!("{error}");
        }
    }));
    let shared = Shared::new(Arc::clone(settings));
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get().min(64) as u16);
    let outcome = run::replay(source, &shared, workers, &mut stage, &Signals::default(), false);
    stage.finish();
    let mut end = End::Done;
    for damage in &outcome.damage {
        errln!(
            "citywall: {}: {} at byte {}",
            damage.file,
            damage.what,
            damage.offset
        );
        end = End::Damaged;
    }
    if let Some(error) = &outcome.error {
        errln!("citywall: {error}");
        end = End::Failed;
    }
    Ok(end)
}

fn tell(args: &RehearseArgs, city: &City, report: &Report) {
    let text = match args.json {
        true => format!("{}\n", page::json(report)),
        false => page::page(report, city, args),
    };
    // A reader that went away (`| head`) is no failure.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
