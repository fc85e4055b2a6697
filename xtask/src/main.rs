//! `cargo xtask`: what the project makes and measures for itself.
//!
//! Owns: the command line. The story generator is in the library part, so that tests can call it.

mod bench;
mod story_command;

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
    /// Measure packets, bits and events per CPU second and peak memory
    Bench(bench::Args),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Story(args) => story_command::run(&args),
        Command::Bench(args) => bench::run(&args),
    }
}
