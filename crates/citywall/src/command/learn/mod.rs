//! `citywall learn`: what is learned from use, and how good it is.
//!
//! Owns: the words of the command. Does not own: detectors (`citywall-behaviour`), measures
//! (`citywall-evaluation`).

mod allow_list;
mod captures;
mod device_days;
mod evaluate;
mod explain;
mod meaning;
pub mod model;
mod scores;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use self::allow_list::AllowListAction;
use crate::End;
use crate::enforcer::confine::confine_reader;

/// `citywall learn`.
#[derive(Args, Clone, Debug)]
pub struct LearnArgs {
    #[command(subcommand)]
    action: LearnAction,
}

/// `citywall learn evaluate|...`.
#[derive(Clone, Debug, Subcommand)]
enum LearnAction {
    /// Measure detectors and trivial baselines on data sets, and print the tables.
    Evaluate(EvaluateArgs),
    /// Train a model of what is normal on captures; it is not signed yet.
    Train(model::TrainArgs),
    /// Stand for a model.
    Sign(model::SignArgs),
    /// Check a signed model before its first use, and put it in force.
    Verify(model::VerifyArgs),
    /// Say what a model is and what it was trained on.
    Show {
        /// The model, signed or not.
        file: PathBuf,
        /// A folder that `watch --out` was given: say how far its class had moved from the model there.
        #[arg(long, value_name = "DIR")]
        log: Option<PathBuf>,
    },
    /// Put the model before in force again.
    Rollback(model::RollbackArgs),
    /// Say why something was told: its reasons and its evidence.
    Explain(explain::ExplainArgs),
    /// Learn who does what, read it, sign it, and give it to those who enforce it.
    #[command(subcommand)]
    AllowList(AllowListAction),
}

const EVALUATE: &str = "Examples:
  citywall learn evaluate --all
      every set; those whose data is not there are skipped, and named
  citywall learn evaluate --set iot23 --data folder-with-conn-logs
  citywall learn evaluate --set iot23 --data unknown --scores scores.tsv
      scores for data without labels; the form is in docs/evaluation.md
  citywall learn evaluate --set modbus --data captures --scores scores.tsv
      the same for each packet of any captures; also --set allow-lists, floods, captures

Exit code: 0 where all that was chosen was measured, or with --all all whose data is there; 1 where a set failed, a set that
was named has no data, or somebody stopped it (what was measured is printed); 3 where a scored capture is damaged.
Data is looked for in --data, then below $CITYWALL_DATA.";

/// `citywall learn evaluate`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EVALUATE)]
pub struct EvaluateArgs {
    /// A set (repeatable).
    #[arg(long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(evaluate::names()))]
    set: Vec<String>,
    /// Every set.
    #[arg(long, conflicts_with = "set")]
    all: bool,
    /// The folder of the set's data.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Write scores of the data in --data to this file, learned from CITYWALL_DATA; no labels are needed.
    #[arg(long, value_name = "FILE", requires = "data")]
    scores: Option<PathBuf>,
    /// Seed of all that is drawn.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Draws of the bootstrap.
    #[arg(long, value_name = "N", default_value_t = 200)]
    draws: usize,
    /// Runs of each generated attack.
    #[arg(long, value_name = "N", default_value_t = 20)]
    runs: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where a file cannot be used.
pub fn run(args: &LearnArgs) -> anyhow::Result<End> {
    // Those that keep keys, models and lists read files that were verified, or that whoever runs them made.
    match &args.action {
        LearnAction::Evaluate(args) => confine_reader(&args.scores)?,
        LearnAction::Train(args) => confine_reader([&args.out])?,
        LearnAction::Show { .. } | LearnAction::Explain(_) => confine_reader(None)?,
        LearnAction::AllowList(AllowListAction::Train(args)) => confine_reader(&args.out)?,
        _ => {}
    }
    match &args.action {
        LearnAction::Evaluate(args) => evaluate::run(args),
        LearnAction::Train(args) => model::train(args),
        LearnAction::Sign(args) => model::sign(args),
        LearnAction::Verify(args) => model::verify(args),
        LearnAction::Show { file, log } => show::show(file, log.as_deref()),
        LearnAction::Rollback(args) => model::rollback(args),
        LearnAction::Explain(args) => explain::run(args),
        LearnAction::AllowList(action) => allow_list::run(action),
    }
}
