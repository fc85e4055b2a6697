//! `citywall range`: a city in network namespaces, to try the wall in.
//!
//! Owns: the command's words and what it prints. Does not own: the range (`citywall-range`).

use std::path::PathBuf;

use anyhow::Context;
use citywall_range::{Options, SCENARIOS, Scenario, UpOptions, Variant};
use clap::{Args, Subcommand};

use crate::End;
use crate::command::Invalid;
use crate::screen;

/// `citywall range`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct RangeArgs {
    #[command(subcommand)]
    action: RangeAction,
}

const EXAMPLES: &str = "Examples:
  citywall range list
  citywall range run pump-write
      one scenario, three ways: response on, response off, benign work alone
  citywall range run --all --json
  citywall range run --repeat 30 pump-write signal-write
      figures: median, 95th percentile, worst
  citywall range up --attack camera-worm --pause
      for training: the city, a guide, and the attack when you press Enter

Needs no root where user namespaces are allowed; everything happens in namespaces of its own, and
nothing of it outlives the command. What is missing on a machine is said with what to install.";

/// `citywall range list|run|up`.
#[derive(Clone, Debug, Subcommand)]
enum RangeAction {
    /// List the scenarios.
    List {
        /// Print a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Run scenarios and judge them; exit code 1 where one fails.
    Run(RunArgs),
    /// Bring the city up for people, and leave it running until Ctrl-C.
    Up {
        /// The scenario to attack with.
        #[arg(long, value_name = "SCENARIO")]
        attack: Option<String>,
        /// Wait for Enter before the attack.
        #[arg(long, requires = "attack")]
        pause: bool,
        /// The city that is drawn.
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
        /// Keep all logs in this directory.
        #[arg(long, value_name = "DIR")]
        keep: Option<PathBuf>,
    },
}

/// `citywall range run`.
#[derive(Args, Clone, Debug)]
struct RunArgs {
    /// Names of scenarios.
    #[arg(value_name = "SCENARIO", required_unless_present = "all")]
    scenarios: Vec<String>,
    /// All scenarios.
    #[arg(long, conflicts_with = "scenarios")]
    all: bool,
    /// Run each so often, in another city each time.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeat: u32,
    /// The first city that is drawn.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Cities at one time [default: 2; 1 with --repeat, so that times mean something].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    jobs: Option<u8>,
    /// Only these ways: on, off, benign [default: all three].
    #[arg(long, value_name = "WAY", value_delimiter = ',', value_parser = way)]
    only: Vec<Variant>,
    /// Keep all logs in this directory.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Print JSON instead of the table.
    #[arg(long)]
    json: bool,
}

fn way(text: &str) -> Result<Variant, String> {
    match text {
        "on" => Ok(Variant::On),
        "off" => Ok(Variant::Off),
        "benign" => Ok(Variant::Benign),
        _ => Err("the ways are on, off and benign".to_owned()),
    }
}

/// `citywall range-device KIND FILE`: what the range starts in its namespaces.
#[derive(Args, Clone, Debug)]
pub struct RangeDeviceArgs {
    /// `host`, `attack` or `inside`.
    kind: String,
    /// What it is to be.
    spec: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// An unknown scenario, or no namespaces on this machine.
pub fn run(args: &RangeArgs) -> anyhow::Result<End> {
    match &args.action {
        RangeAction::List { json } => Ok(list(*json)),
        RangeAction::Run(args) => run_scenarios(args),
        RangeAction::Up {
            attack,
            pause,
            seed,
            keep,
        } => {
            if let Some(name) = attack {
                find(name)?;
            }
            citywall_range::up(&UpOptions {
                program: program()?,
                rules: rules(),
                seed: *seed,
                attack: attack.clone(),
                pause: *pause,
                keep: keep.clone(),
            })?;
            Ok(End::Done)
        }
    }
}

/// Is a device of the range, until it is killed.
///
/// # Errors
/// What kept it from being one.
pub fn device(args: &RangeDeviceArgs) -> anyhow::Result<End> {
    citywall_range::range_device(&args.kind, &args.spec)?;
    Ok(End::Done)
}

fn list(json: bool) -> End {
    if json {
        let all: Vec<_> = SCENARIOS
            .iter()
            .map(|s| serde_json::json!({"name": s.name, "title": s.title, "lesson": s.lesson}))
            .collect();
        outln!("{}", serde_json::json!(all));
    } else {
        SCENARIOS
            .iter()
            .for_each(|s| outln!("{:<20} {}", s.name, s.title));
    }
    End::Done
}

fn run_scenarios(args: &RunArgs) -> anyhow::Result<End> {
    let scenarios: Vec<&'static Scenario> = match args.all {
        true => SCENARIOS.to_vec(),
        false => args
            .scenarios
            .iter()
            .map(|name| find(name))
            .collect::<Result<_, _>>()?,
    };
    let jobs = args.jobs.unwrap_or(if args.repeat > 1 { 1 } else { 2 });
    let options = Options {
        program: program()?,
        rules: rules(),
        seed: args.seed,
        repeat: args.repeat,
        jobs: usize::from(jobs),
        variants: if args.only.is_empty() {
            Variant::ALL.to_vec()
        } else {
            args.only.clone()
        },
        keep: args.keep.clone(),
    };
    let report = citywall_range::run(&scenarios, &options, &|line| errln!("{line}"))?;
    if args.json {
        outln!("{}", report.json());
    } else {
        screen::out(format_args!("{}", report.table()));
    }
    Ok(if report.passed() { End::Done } else { End::Failed })
}

fn find(name: &str) -> Result<&'static Scenario, Invalid> {
    citywall_range::find(name).map_err(|error| Invalid(error.to_string()))
}

/// The range starts this binary again, as the product and as every device.
fn program() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("this program's own file")
}

fn rules() -> String {
    crate::settings::BUILT_IN_RULES.to_owned()
}
