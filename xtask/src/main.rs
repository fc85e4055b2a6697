//! `cargo xtask`: what the project makes and measures for itself.
//!
//! Owns: the command line. The story generator is in the library part, so that tests can call it.

mod bench;
mod inline_bench;
mod story_command;
mod sweep;

use std::process::Command as Process;

use anyhow::ensure;
use clap::{Parser, Subcommand};

#[derive(Parser, Debug)]
#[command(
    name = "cargo xtask",
    about = "What the project makes and measures for itself"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Make a story: capture, city file and ground truth, all from a seed
    Story(story_command::Args),
    /// Remake the captures of the corpus and all that stands beside them
    Corpus,
    /// Rewrite what Citywall is expected to say of the corpus; read the difference before you commit it
    Bless,
    /// Measure packets, bits and events per CPU second and peak memory
    Bench(bench::Args),
    /// Measure the inline path: one flow through the queue, and what it adds to the way of a packet
    InlineBench(inline_bench::Args),
    /// Replay every capture below a folder: none may end otherwise than with exit 0, or 3 and the place
    Sweep(sweep::Args),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Story(args) => story_command::run(&args),
        Command::Corpus => remake(),
        Command::Bless => bless(),
        Command::Bench(args) => bench::run(&args),
        Command::InlineBench(args) => inline_bench::run(&args),
        Command::Sweep(args) => sweep::run(&args),
    }
}

fn remake() -> anyhow::Result<()> {
    let changed = xtask::corpus::write(&xtask::corpus::home())?;
    println!("{} cases, {changed} files changed", xtask::corpus::cases().len());
    Ok(())
}

/// The runner does it, because only it knows what a case's text is.
fn bless() -> anyhow::Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let status = Process::new(cargo)
        .args(["test", "--package", "citywall", "--test", "corpus"])
        .env("UPDATE_EXPECT", "1")
        .status()?;
    ensure!(status.success(), "the runner failed");
    Ok(())
}
