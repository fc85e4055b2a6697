//! `citywall keys`: keys of people and boxes, and what is automatic for a while.
//!
//! Owns: the command's words, and signing an act. Does not own: envelopes and key files
//! (`citywall-trust`), and what an act permits (`citywall-response`).

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use citywall_event::Nanos;
use citywall_response::{Act, Rung};
use citywall_trust::{Purpose, Signed, files};
use clap::{Args, Subcommand};

use super::Invalid;
use crate::End;

const SECOND: Nanos = 1_000_000_000;
/// The longest time that an act of this command can hold.
const LONGEST_HOURS: u32 = 24 * 90;

/// `citywall keys`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct KeysArgs {
    #[command(subcommand)]
    action: KeysAction,
}

const EXAMPLES: &str = "Examples:
  citywall keys new ada.key
  citywall keys show ada.key --name ada-2026 --principal 'Ada Example' --purpose act >> keyring.toml
      begin the file with the line: version = 1
  citywall keys sign --key ada.key --zone cctv --rung deny-conduit --hours 12 --out cctv.act
  citywall enforce --serve --city city.toml --key-ring keyring.toml --act cctv.act

An act makes rungs of the ladder automatic in the zones that it names, until its time is over. What is
never done to anybody is not done by an act either: see docs/adr/0005.";

/// `citywall keys new|show|sign`.
#[derive(Clone, Debug, Subcommand)]
enum KeysAction {
    /// Make a key; its file is never replaced, and can be read by you alone.
    New {
        /// The new file (PEM).
        file: PathBuf,
    },
    /// Print the public part of a key; with a name and a principal as an entry of a keyring.
    Show {
        /// The private key's file.
        file: PathBuf,
        /// Name of the key in messages.
        #[arg(long, value_name = "NAME", requires = "principal")]
        name: Option<String>,
        /// The person of the city file whose key it is.
        #[arg(long, value_name = "PERSON", requires = "name")]
        principal: Option<String>,
        /// What its signatures are believed for: act, playbook, ... (repeatable).
        #[arg(long, value_name = "PURPOSE", requires = "name", value_parser = purpose)]
        purpose: Vec<Purpose>,
    },
    /// Sign an act: what may happen in which zones without a person, until when.
    Sign {
        /// The private key's file.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// A zone of the city file, or `outside` (repeatable).
        #[arg(long, value_name = "ZONE", required = true)]
        zone: Vec<String>,
        /// A rung: deny-command, limit-rate, deny-conduit, quarantine, isolate (repeatable).
        #[arg(long, value_name = "RUNG", required = true, value_parser = rung)]
        rung: Vec<Rung>,
        /// For how many hours.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(LONGEST_HOURS)))]
        hours: u32,
        /// Counts acts; one that is not greater than the last is refused [default: the time in seconds].
        #[arg(long, value_name = "N")]
        serial: Option<u64>,
        /// Where to write the act.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

fn purpose(word: &str) -> Result<Purpose, String> {
    let known = || Purpose::ALL.map(Purpose::name).join(", ");
    Purpose::parse(word).ok_or_else(|| format!("the purposes are {}", known()))
}

fn rung(word: &str) -> Result<Rung, String> {
    let known = || Rung::ALL.map(Rung::name).join(", ");
    Rung::parse(word).ok_or_else(|| format!("the rungs are {}", known()))
}

/// Runs the command.
///
/// # Errors
/// Where a file cannot be used safely, or written.
pub fn run(args: &KeysArgs) -> anyhow::Result<End> {
    match &args.action {
        KeysAction::New { file } => {
            let key = files::new_key(file).map_err(|e| Invalid(e.to_string()))?;
            outln!("{}: key {}", file.display(), key.public().id().hex());
        }
        KeysAction::Show {
            file,
            name,
            principal,
            purpose,
        } => {
            let public = files::load_key(file)
                .map_err(|e| Invalid(e.to_string()))?
                .public();
            match (name, principal) {
                (Some(name), Some(principal)) => {
                    let purposes: Vec<&str> = purpose.iter().map(|p| p.name()).collect();
                    let text = |text: &str| toml::Value::from(text).to_string();
                    outln!(
                        "\n[[key]]\nname = {}\nprincipal = {}",
                        text(name),
                        text(principal)
                    );
                    outln!("public = \"{}\"\npurposes = {purposes:?}", public.text());
                }
                _ => outln!("{}", public.text()),
            }
        }
        KeysAction::Sign {
            key,
            zone,
            rung,
            hours,
            serial,
            out,
        } => sign(key, zone, rung, *hours, *serial, out)?,
    }
    Ok(End::Done)
}

fn sign(
    key: &Path,
    zones: &[String],
    rungs: &[Rung],
    hours: u32,
    serial: Option<u64>,
    out: &Path,
) -> anyhow::Result<()> {
    let key = files::load_key(key).map_err(|e| Invalid(e.to_string()))?;
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let now = Nanos::try_from(since.as_nanos()).unwrap_or(Nanos::MAX);
    let serial = serial.unwrap_or(since.as_secs());
    let expires = now.saturating_add(Nanos::from(hours) * 3_600 * SECOND);
    let act = Act {
        zones: zones.to_vec(),
        rungs: rungs.to_vec(),
        expires,
        serial,
    };
    let signed = Signed::sign(&act, serial, now, Some(expires), &key)?;
    let text = format!("{}\n", signed.to_json().trim_end());
    files::replace(out, text.as_bytes()).with_context(|| format!("cannot write {}", out.display()))?;
    let names: Vec<&str> = rungs.iter().map(|r| r.name()).collect();
    outln!(
        "{}: {} automatic in {} for {hours} h, serial {serial}, signed by key {}",
        out.display(),
        names.join(", "),
        zones.join(", "),
        key.public().id().hex()
    );
    Ok(())
}
