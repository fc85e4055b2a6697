//! `citywall enforce --serve`: its arguments.
//!
//! Owns: the arguments. Does not own: what they do (`crate::enforcer::serve`).

use std::path::{Path, PathBuf};

use citywall_event::Prefix;
use citywall_response::firewall::Mode;

use crate::End;
use crate::enforcer::serve::{self, Options, SOCKET, STATE};

/// What `--serve` takes besides what all of `enforce` take.
#[derive(clap::Args, Clone, Debug)]
pub struct ServeArgs {
    /// Run the enforcer: hear sensors and people, decide, hold what is decided in force.
    #[arg(long)]
    pub serve: bool,
    /// The control socket.
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    socket: PathBuf,
    /// The folder of the journal, the enforcer's own.
    #[arg(long, value_name = "DIR", default_value = STATE)]
    journal: PathBuf,
    /// `observe` (tell what would be done) or `propose` (a person approves), in place of the city
    /// file's word. What may happen without a person takes a signed act.
    #[arg(long, value_name = "MODE")]
    mode: Option<String>,
    /// Public keys that signed acts are proved with.
    #[arg(long, value_name = "FILE")]
    key_ring: Option<PathBuf>,
    /// A signed act: which rungs need no person, in which zones, until when (repeatable).
    #[arg(long, value_name = "FILE", requires = "key_ring")]
    act: Vec<PathBuf>,
    /// A user id that may speak as a sensor (repeatable; also `enforcer.sensors`).
    #[arg(long, value_name = "UID")]
    sensor: Vec<u32>,
    /// How long an action holds unless a playbook or a person says otherwise, in seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=1800))]
    time_to_live: Option<u32>,
    /// Limit what opens anew with who is flooded, whatever else could be done about the flood: no SYNs are
    /// answered in anybody's place, and nothing is dropped by its port.
    #[arg(long)]
    limit_floods: bool,
    /// Stay in the foreground: it always does.
    #[arg(long, hide = true)]
    foreground: bool,
    /// Say what the two processes could do that they must not be able to, and end.
    #[arg(long, hide = true)]
    probe: bool,
}

/// Where the wall stands, and what it is told.
pub struct Place<'a> {
    /// The city file.
    pub city: &'a Path,
    /// The configuration.
    pub config: Option<&'a Path>,
    /// How packets pass.
    pub mode: Mode,
    /// Interfaces of the early drop.
    pub ingress: Vec<String>,
    /// Networks from which the machine is managed.
    pub management: Vec<Prefix>,
    /// Lines a second of the kernel's log.
    pub log_per_second: u32,
}

/// Runs the enforcer.
///
/// # Errors
/// Where a file is invalid, a right is missing, or the hand is gone.
pub fn run(args: &ServeArgs, place: Place<'_>) -> anyhow::Result<End> {
    let _ = args.foreground;
    serve::run(&Options {
        city: place.city.to_owned(),
        config: place.config.map(Path::to_owned),
        state: args.journal.clone(),
        socket: args.socket.clone(),
        mode: args.mode.clone(),
        key_ring: args.key_ring.clone(),
        acts: args.act.clone(),
        sensors: args.sensor.clone(),
        mode_of_place: place.mode,
        ingress: place.ingress,
        management: place.management,
        log_per_second: place.log_per_second,
        time_to_live: args.time_to_live,
        limit_floods: args.limit_floods,
        probe: args.probe,
    })
}
