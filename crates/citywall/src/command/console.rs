//! `citywall console`: from the box's shell, a way back into the console.
//!
//! Owns: the command's words, and how `watch` starts and ends a console. Does not own: links, accounts
//! and pages (`citywall-console`).

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use citywall_console::{
    ActionView, Ask, Console, Gate, GateError, GateKind, Options, Packets, Rehearsed, Upkeep,
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Invalid;
use super::actions::{Client, Refused};
use super::evidence::Kept;
use crate::End;
use crate::cli::WatchArgs;
use crate::packets;
use crate::settings::Settings;

/// Where a console keeps what is its own, in `--out`.
pub const FOLDER: &str = "console";

/// Bytes of the earlier log that are shown.
const RECALLED: u64 = 64 << 20;

/// `citywall console`.
#[derive(Args, Clone, Debug)]
pub struct ConsoleArgs {
    #[command(subcommand)]
    action: ConsoleAction,
}

/// `citywall console link`.
#[derive(Clone, Debug, Subcommand)]
enum ConsoleAction {
    /// Make a one-time link by which a person of the city file sets a password; the console may run
    /// meanwhile. It works for a day.
    Link {
        /// The person, as the city file names them.
        name: String,
        /// The --out directory of the `citywall watch` that serves the console.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// Runs the command.
///
/// # Errors
/// Where there is no such console, or its folder cannot be written.
pub fn run(args: &ConsoleArgs) -> anyhow::Result<End> {
    let ConsoleAction::Link { name, out } = &args.action;
    let folder = out.join(FOLDER);
    if !folder.is_dir() {
        let text = format!(
            "{} is not there: name the --out directory of a `citywall watch --console` that ran once",
            folder.display()
        );
        return Err(Invalid(text).into());
    }
    let token = citywall_console::leave_link(&folder, name)?;
    outln!("Open this once, at the console's own address:\n  /link/{token}");
    Ok(End::Done)
}

/// Starts the console of a run.
///
/// # Errors
/// Where it cannot listen, or its folder is not one of ours.
pub fn start(
    args: &WatchArgs,
    settings: &Settings,
    live: bool,
    upkeep: Arc<dyn Upkeep>,
) -> anyhow::Result<Option<Console>> {
    let Some(address) = args.console else {
        return Ok(None);
    };
    let gate: Box<dyn Gate> = match &args.enforcer {
        Some(socket) => Box::new(Enforcer {
            socket: socket.clone(),
        }),
        None => Box::new(Rehearsed::new(settings.city.as_ref(), live)),
    };
    let certificate = match &args.console_certificate[..] {
        [certificate, key] => Some((certificate.clone(), key.clone())),
        _ => None,
    };
    let console = citywall_console::start(Options {
        address,
        city: settings.city.clone(),
        city_text: Arc::clone(&settings.city_text),
        reader: super::log::read,
        gate,
        folder: args.out.as_ref().map(|out| out.join(FOLDER)),
        certificate,
        live,
        packets: kept(args, settings, live),
        upkeep: Some(upkeep),
    })
    .context("--console")?;
    if let (true, Some(out)) = (live, &args.out)
        && let Err(error) = recall(&console, out)
    {
        log::warn!("the console does not show what was before this start: {error}");
    }
    errln!("citywall: the console is at {}", console.url);
    if let Some(link) = &console.first_link {
        errln!(
            "citywall: nobody has an account yet; open this once: {}{link}",
            console.url
        );
    }
    Ok(Some(console))
}

/// The packets of a replay lie in its captures, those of live traffic in the ring where one is kept; those of
/// standard input are gone.
fn kept(args: &WatchArgs, settings: &Settings, live: bool) -> Option<Arc<dyn Packets>> {
    let keys = settings.key_options();
    let kept = match (live, &args.out) {
        (true, Some(out)) if settings.packets > 0 => Kept::in_ring(out.join(packets::FOLDER), keys),
        (true, _) => return None,
        (false, _) if args.pcap.iter().all(|file| file.is_file()) => {
            Kept::in_captures(args.pcap.clone(), keys)
        }
        (false, _) => return None,
    };
    Some(Arc::new(kept))
}

/// Shows the end of what the run before wrote.
fn recall(console: &Console, out: &std::path::Path) -> std::io::Result<()> {
    let number = |name: std::ffi::OsString| name.to_str()?.strip_prefix("eve.json.")?.parse::<u64>().ok();
    let names = std::fs::read_dir(out)?.flatten().map(|entry| entry.file_name());
    let Some(newest) = names.filter_map(number).max() else {
        return Ok(());
    };
    let mut file = std::fs::File::open(out.join(format!("eve.json.{newest}")))?;
    let skipped = file.metadata()?.len().saturating_sub(RECALLED);
    file.seek(SeekFrom::Start(skipped))?;
    let mut lines = BufReader::new(file);
    if skipped > 0 {
        // The rest of a line.
        lines.by_ref().take(RECALLED).skip_until(b'\n')?;
    }
    console.recall(lines)
}

/// The gate of a running enforcer: its control socket, where the console speaks for the person who is
/// logged in. The enforcer must name the console's user in `enforcer.consoles`.
struct Enforcer {
    socket: PathBuf,
}

impl Enforcer {
    fn connect(&self, person: &str) -> Result<Client, GateError> {
        let connected = Client::connect(&self.socket).and_then(|mut client| {
            client.speak_for(person)?;
            Ok(client)
        });
        connected.map_err(|e| GateError::Unreachable(format!("{e:#}")))
    }
}

impl Gate for Enforcer {
    fn kind(&self) -> GateKind {
        GateKind::Enforcer
    }

    fn actions(&mut self, person: &str) -> Result<Vec<ActionView>, GateError> {
        let answer = self.connect(person)?.ask(json!({ "type": "list" }));
        let mut answer = answer.map_err(|e| GateError::Unreachable(format!("{e:#}")))?;
        serde_json::from_value(answer["actions"].take())
            .map_err(|e| GateError::Unreachable(format!("the enforcer is of another version: {e}")))
    }

    fn ask(&mut self, person: &str, ask: &Ask, reason: &str) -> Result<String, GateError> {
        let question = match ask {
            Ask::Approve { action, hash } => {
                json!({ "type": "approve", "action": action, "hash": hash, "reason": reason })
            }
            Ask::Reject { action } => json!({ "type": "reject", "action": action, "reason": reason }),
            Ask::Undo { action } => json!({ "type": "undo", "action": action, "reason": reason }),
        };
        let answer = self.connect(person)?.ask(question);
        let answer = answer.map_err(|e| GateError::Refused {
            text: format!("{e:#}"),
            message: e
                .downcast_ref()
                .and_then(|refused: &Refused| serde_json::from_value(refused.message.clone()).ok()),
        })?;
        Ok(answer["done"].as_str().unwrap_or_default().to_owned())
    }

    fn journal(&mut self, person: &str, last: usize) -> Result<Vec<Value>, GateError> {
        let answer = self
            .connect(person)?
            .ask(json!({ "type": "journal", "last": last }));
        let mut answer = answer.map_err(|e| GateError::Unreachable(format!("{e:#}")))?;
        match answer["entries"].take() {
            Value::Array(entries) => Ok(entries),
            _ => Ok(Vec::new()),
        }
    }
}

/// After a replay: serves on until Ctrl-C.
pub fn linger(stop: &Arc<AtomicBool>) {
    errln!("citywall: the replay is over; the console goes on until Ctrl-C");
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(50));
    }
}
