//! The binary: command line, configuration, roles, the clock, the signals.
//!
//! The only member that names both planes: it puts the data plane (packets to events) and the
//! control plane (events to incidents) together. Owns no detection and no protocol.

#![deny(clippy::print_stdout, clippy::print_stderr)]

// First: the macros in it are for all that follow.
#[macro_use]
mod screen;

mod allowed;
mod cli;
mod command;
mod config;
mod enforcer;
mod inline;
mod logging;
mod output;
mod packets;
mod pipeline;
mod settings;
mod stats;

use std::process::ExitCode;

use clap::Parser;

/// Very many small things are allocated by a worker and freed by it a batch later (ADR 3).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How a command ended.
pub enum End {
    /// All done.
    Done,
    /// A file given is invalid.
    Usage,
    /// An input ended early or was damaged; the rest was processed.
    Damaged,
    /// Something else went wrong and was told.
    Failed,
}

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    logging::start(cli.verbose, cli.quiet);
    let result = match cli.command {
        cli::Command::Watch(args) => command::watch::run(&args),
        cli::Command::Check(args) => command::check::run(&args),
        cli::Command::Doctor(args) => command::doctor::run(&args),
        cli::Command::Service(args) => command::service::run(&args),
        cli::Command::Commands(args) => command::commands::run(&args),
        cli::Command::Policy(args) => command::policy::run(&args),
        cli::Command::Learn(args) => command::learn::run(&args),
        cli::Command::Keys(args) => command::keys::run(&args),
        cli::Command::Enforce(args) => command::enforce::run(&args),
        cli::Command::Hand(args) => enforcer::hand::run(&args),
        cli::Command::Actions(args) => command::actions::run(&args),
        cli::Command::Console(args) => command::console::run(&args),
        cli::Command::Playbook(args) => command::playbook::run(&args),
        cli::Command::Rehearse(args) => command::rehearse::run(&args),
        cli::Command::Inline(args) => inline::command::run(&args),
        cli::Command::Range(args) => command::range::run(&args),
        cli::Command::RangeDevice(args) => command::range::device(&args),
    };
    if let Some(error) = screen::failed() {
        errln!("citywall: standard output: {error}: what is missing there was not kept");
        return ExitCode::FAILURE;
    }
    match result {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::Usage) => ExitCode::from(2),
        Ok(End::Damaged) => ExitCode::from(3),
        Ok(End::Failed) => ExitCode::FAILURE,
        Err(error) => {
            errln!("citywall: {error:#}");
            ExitCode::from(if error.is::<command::Invalid>() { 2 } else { 1 })
        }
    }
}
