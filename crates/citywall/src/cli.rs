//! The command line: a promise that scripts are written against.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::command::{actions, console, enforce, keys, learn, playbook, policy, range, rehearse};

/// Citywall protects the networks of a city.
#[derive(Debug, Parser)]
#[command(name = "citywall", version, about, long_about = LONG, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// More log lines on standard error: -v info, -vv debug, -vvv trace.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Fewer log lines: errors only.
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

const LONG: &str = "Citywall protects the networks of a city: traffic signals, cameras, pumps, wards.\n\n\
    It reads traffic (a capture file or a mirror port), knows the devices and who may tell which of them\n\
    to do what (the city file), and tells what happened as incidents with reasons.\n\n\
    Start here:  citywall watch";

const EXIT_CODES: &str = "Exit codes:
  0  done
  1  an input or output failed
  2  wrong usage, or an invalid city file, configuration or rule file
  3  an input ended early or was damaged; the rest was processed";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch traffic and tell what happened (no arguments: the built-in story).
    Watch(Box<WatchArgs>),
    /// Validate the city file, configuration and rules, and explain them; touches nothing.
    Check(CheckArgs),
    /// Say what this machine has and lacks, and for what.
    Doctor(DoctorArgs),
    /// Install or remove a hardened systemd unit that watches an interface.
    Service(ServiceArgs),
    /// Replay captures and list who told which device to do what.
    Commands(CommandsArgs),
    /// Say in words who may reach whom, compare, and propose from observed traffic.
    Policy(policy::PolicyArgs),
    /// Learn what is normal, and measure how good detection is.
    Learn(learn::LearnArgs),
    /// Make keys, sign acts, prove a journal.
    Keys(keys::KeysArgs),
    /// Put the city file in force as a firewall, try it, confirm it, take it back.
    Enforce(enforce::EnforceArgs),
    /// The process that touches the kernel's tables; the enforcer starts it.
    #[command(hide = true)]
    Hand(crate::enforcer::hand::HandArgs),
    /// List, approve, reject and undo what the response proposes and does.
    Actions(actions::ActionsArgs),
    /// A one-time link by which somebody sets the password of the console.
    Console(console::ConsoleArgs),
    /// Check playbooks.
    Playbook(playbook::PlaybookArgs),
    /// Say what automatic mode would have done.
    Rehearse(rehearse::RehearseArgs),
    /// Judge the packets of NFQUEUE queues (the enforcer starts this by itself).
    #[command(hide = true)]
    Inline(Box<crate::inline::command::InlineArgs>),
    /// Build a city in network namespaces and try scenarios on it.
    Range(range::RangeArgs),
    /// What the range starts in its namespaces; not for people.
    #[command(hide = true)]
    RangeDevice(range::RangeDeviceArgs),
}

/// The files that describe the city and the run.
#[derive(Args, Clone, Debug, Default)]
pub struct Files {
    /// The city file: zones, conduits, assets, services, people (TOML).
    #[arg(long, value_name = "FILE")]
    pub city: Option<PathBuf>,
    /// The configuration: limits, outputs, intervals (TOML).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Rules in Suricata's language (repeatable); without it, the built-in rules.
    #[arg(long, value_name = "FILE")]
    pub rules: Vec<PathBuf>,
}

/// `citywall watch`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = WATCH_EXAMPLES)]
pub struct WatchArgs {
    /// A capture to replay: pcap or pcapng, plain, gzip, zstd or zip; `-` is standard input (repeatable:
    /// several files are merged in time order).
    #[arg(long, value_name = "FILE", conflicts_with = "interface")]
    pub pcap: Vec<PathBuf>,
    /// An interface to watch live (a mirror port), until Ctrl-C.
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    #[command(flatten)]
    pub files: Files,
    /// Directory for eve.json and summary.json (made if absent; files of an earlier replay are
    /// replaced).
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Disk budget for eve.json and its rotated parts: 500M, 2G ... The oldest parts go first.
    #[arg(long, value_name = "SIZE")]
    pub disk: Option<String>,
    /// Keep the packets of live traffic, so many bytes of them (500M, 2G ...), so that an incident's can be
    /// taken from the console. They lie in --out DIR/packets, the oldest go first; they are part of the
    /// disk budget, of which at least half is left to events. Passwords stand in packets [default: none].
    #[arg(long, value_name = "SIZE", requires = "out", requires = "interface")]
    pub keep_packets: Option<String>,
    /// Worker threads [default: one per core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: Option<u16>,
    /// Print the summary as JSON instead of the story.
    #[arg(long)]
    pub json: bool,
    /// Report incidents to the enforcer that serves this control socket (`citywall enforce --serve`).
    #[arg(long, value_name = "SOCKET")]
    pub enforcer: Option<PathBuf>,
    /// Serve the console: pages for people [default: 127.0.0.1:8440]. After a replay it goes on until
    /// Ctrl-C. Off loopback it speaks TLS, with a certificate of its own. Accounts are kept in
    /// --out DIR/console, without --out in memory.
    #[arg(long, value_name = "ADDR", num_args = 0..=1, require_equals = true, default_missing_value = "127.0.0.1:8440")]
    pub console: Option<std::net::SocketAddr>,
    /// A certificate and its key for the console (PEM), in place of its own.
    #[arg(long, value_names = ["CERT", "KEY"], num_args = 2, requires = "console")]
    pub console_certificate: Vec<PathBuf>,
    /// Serve Prometheus metrics on this address, such as 127.0.0.1:9440.
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<std::net::SocketAddr>,
    /// Try what the process must not be able to do any more, tell what worked, and end (for tests).
    #[arg(long, hide = true)]
    pub probe: bool,
}

const WATCH_EXAMPLES: &str = "Examples:
  citywall watch
      the built-in story
  citywall watch --pcap monday.pcapng.zst --out monday
      a capture of yours; its events go to monday/eve.json
  citywall watch --pcap a.pcap --pcap b.pcap --city city.toml
  citywall watch --console
      the built-in story on http://127.0.0.1:8440, until Ctrl-C
  sudo citywall watch --interface eth1 --city city.toml --out /srv/citywall
      live; once eth1 is open it runs as user nobody, who must be able to reach --out

Ctrl-C ends a run cleanly: what was seen is told and written. A second one ends it at once.
SIGHUP reloads the city file, the configuration and the rules (live).";

/// `citywall check`.
#[derive(Args, Clone, Debug, Default)]
pub struct CheckArgs {
    #[command(flatten)]
    pub files: Files,
    /// Print findings as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `citywall doctor`.
#[derive(Args, Clone, Debug, Default)]
pub struct DoctorArgs {
    /// Print findings as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `citywall service`.
#[derive(Args, Clone, Debug)]
pub struct ServiceArgs {
    /// What to do with the unit.
    #[command(subcommand)]
    pub action: ServiceAction,
}

/// `citywall service install|uninstall`.
#[derive(Clone, Debug, Subcommand)]
pub enum ServiceAction {
    /// Write the unit (and print what was written and what to do next).
    Install {
        /// The interface that the service watches.
        #[arg(long, value_name = "NAME")]
        interface: String,
        /// The city file that the service uses.
        #[arg(long, value_name = "FILE", default_value = "/etc/citywall/city.toml")]
        city: PathBuf,
        /// Write below this directory instead of / (for images and tests).
        #[arg(long, value_name = "DIR", default_value = "/")]
        root: PathBuf,
        /// Print the unit and touch nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Write the unit of the enforcer (`citywall enforce --serve`).
    InstallEnforcer {
        /// The city file that it decides by.
        #[arg(long, value_name = "FILE", default_value = "/etc/citywall/city.toml")]
        city: PathBuf,
        /// The machine is this bridge in the wire; without it, it is a router between the zones.
        #[arg(long, value_name = "BRIDGE")]
        bridge: Option<String>,
        /// Write below this directory instead of / (for images and tests).
        #[arg(long, value_name = "DIR", default_value = "/")]
        root: PathBuf,
        /// Print the unit and touch nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove the units.
    Uninstall {
        /// Below this directory instead of /.
        #[arg(long, value_name = "DIR", default_value = "/")]
        root: PathBuf,
    },
}

/// `citywall commands`.
#[derive(Args, Clone, Debug, Default)]
pub struct CommandsArgs {
    /// Captures to read (repeatable).
    #[arg(long, value_name = "FILE", required = true)]
    pub pcap: Vec<PathBuf>,
    #[command(flatten)]
    pub files: Files,
    /// Only commands that change something (writes, operates, restarts ...).
    #[arg(long)]
    pub changes: bool,
    /// Print a JSON array.
    #[arg(long)]
    pub json: bool,
}
