//! `citywall policy`: who may reach whom, in words.
//!
//! Owns: the command line, the screen and the JSON of show, explain, diff, learn and accept. Does not own: the
//! answers, which are `citywall-policy`'s.

mod accept;
mod diff;
mod explain;
mod learn;
mod show;

use std::path::{Path, PathBuf};

use citywall_policy::{City, limits};
use clap::{Args, Subcommand};

use super::Invalid;
use crate::End;
use crate::enforcer::confine::confine_reader;

/// `citywall policy`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct PolicyArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: PolicyCommand,
}

const EXAMPLES: &str = "Examples:
  citywall policy show --city city.toml
  citywall policy explain scada-1 pumps --protocol modbus --command 'write holding:40 unit 1' --city city.toml
  citywall policy diff city.toml city-new.toml
  citywall policy learn --pcap monday.pcapng --out proposal.toml
  citywall policy learn --from /srv/citywall --city city.toml --sign ada.key --out proposal.signed
  citywall policy accept policy-3.signed --city city.toml --key-ring keyring.toml --dry-run";

/// `citywall policy show|explain|diff|learn|accept`.
#[derive(Clone, Debug, Subcommand)]
pub enum PolicyCommand {
    /// Who may reach whom: a table of zones, then each conduit in words.
    Show {
        /// The city file.
        #[arg(long, value_name = "FILE")]
        city: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// May SRC open something with DST, and why (exit code 1: it may not).
    Explain {
        /// A zone, an asset, an address, or "outside".
        #[arg(value_name = "SRC")]
        from: String,
        /// Likewise.
        #[arg(value_name = "DST")]
        to: String,
        /// A protocol, as `allow` in the city file names it: modbus, http/8080, tcp/22.
        #[arg(long, value_name = "P")]
        protocol: Option<String>,
        /// A command of it: "write holding:40 unit 1".
        #[arg(long, value_name = "C", requires = "protocol")]
        command: Option<String>,
        /// The city file.
        #[arg(long, value_name = "FILE")]
        city: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// What becomes allowed, and what no longer is, when NEW replaces OLD; however they are written.
    Diff {
        /// The city file in force.
        old: PathBuf,
        /// The city file to come.
        new: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Propose zones and conduits from traffic, for a person to read, correct and sign.
    Learn(Box<LearnArgs>),
    /// Replace the city file by one that was signed, after it is shown what changes.
    Accept(accept::AcceptArgs),
}

/// `citywall policy learn`.
#[derive(Args, Clone, Debug)]
#[command(after_help = LEARN)]
pub struct LearnArgs {
    /// Captures to learn from (repeatable).
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "from",
        conflicts_with = "from"
    )]
    pub pcap: Vec<PathBuf>,
    /// The folder of a run: its eve.json and closed parts.
    #[arg(long, value_name = "DIR")]
    pub from: Option<PathBuf>,
    /// The city file to add to; without it, zones are proposed too.
    #[arg(long, value_name = "FILE")]
    pub city: Option<PathBuf>,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What was seen at most this often is doubtful.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub once: u64,
    /// What one device of a zone alone did, at most this often, is doubtful.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub lone: u64,
    /// Where the proposal goes [default: the screen].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Sign the proposal with this private key.
    #[arg(long, value_name = "KEY", requires = "out")]
    pub sign: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

const LEARN: &str = "Traffic may hold an attack, so a proposal is only that: what was seen once, what one device alone did and
what comes from outside is not proposed, but stands at the end in comments. Nothing is put in force.";

/// Runs the command.
///
/// # Errors
/// Where files cannot be read or are invalid.
pub fn run(args: &PolicyArgs) -> anyhow::Result<End> {
    match &args.command {
        // It believes signatures alone, and replaces a file with its owner and its rights.
        PolicyCommand::Accept(_) => {}
        PolicyCommand::Learn(args) => confine_reader(&args.out)?,
        _ => confine_reader(None)?,
    }
    match &args.command {
        PolicyCommand::Show { city, json } => show::run(&read(city)?, *json),
        PolicyCommand::Explain {
            from,
            to,
            protocol,
            command,
            city,
            json,
        } => explain::run(
            &read(city)?,
            [from, to],
            protocol.as_deref(),
            command.as_deref(),
            *json,
        ),
        PolicyCommand::Diff { old, new, json } => diff::run(&read(old)?, &read(new)?, *json),
        PolicyCommand::Learn(args) => learn::run(args),
        PolicyCommand::Accept(args) => accept::run(args),
    }
}

/// Reads a city file.
fn read(path: &Path) -> anyhow::Result<City> {
    use std::io::Read as _;
    let io = |error| anyhow::anyhow!("{}: {error}", path.display());
    let mut text = String::new();
    std::fs::File::open(path)
        .map_err(io)?
        .take(limits::BYTES as u64 + 1)
        .read_to_string(&mut text)
        .map_err(io)?;
    City::parse(&text, &path.display().to_string()).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Invalid(lines.join("\n")).into()
    })
}

/// Text of a city file or of the network, for a screen.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
