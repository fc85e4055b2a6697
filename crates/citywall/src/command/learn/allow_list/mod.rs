//! `citywall learn allow-list`: who does what, learned, read, signed and exported.
//!
//! Owns: the words of the command. Does not own: what is learned (`citywall-behaviour`), which list is in
//! force (`allowed`).

mod export;
mod measure;
mod train;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use citywall_behaviour::allow::AllowList;
use citywall_trust::{Serials, Signed, files};
use clap::{Subcommand, ValueEnum};

pub(super) use train::TrainArgs;

pub(super) use measure::{Scorer, modbus};

use crate::End;
use crate::allowed::{self, Listed};
use crate::cli::Files;
use crate::command::Invalid;
use crate::settings::Settings;

/// `citywall learn allow-list train|...`.
#[derive(Clone, Debug, Subcommand)]
pub enum AllowListAction {
    /// Learn a list from captures, a log, or a state directory.
    Train(TrainArgs),
    /// Say a list as sentences.
    Show {
        /// The list, signed or not.
        file: PathBuf,
    },
    /// Allow what was only proposed; the list must be signed anew.
    Accept {
        /// The list; it is written anew.
        file: PathBuf,
        /// The number of a sentence (repeatable).
        #[arg(long, value_name = "N", required_unless_present = "all")]
        entry: Vec<usize>,
        /// Everything.
        #[arg(long, conflicts_with = "entry")]
        all: bool,
    },
    /// Stand for a list: from then on use may be held against it.
    Sign {
        /// The list.
        file: PathBuf,
        /// The private key's file.
        #[arg(long, value_name = "KEY")]
        key: PathBuf,
        /// Counts lists; one that is not greater than the last is refused [default: the time in seconds].
        #[arg(long, value_name = "N")]
        serial: Option<u64>,
        /// Where the signed list goes.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Check a signed list as `watch` does; nothing is remembered.
    Verify {
        /// The signed list.
        file: PathBuf,
        /// Whose signatures count.
        #[arg(long, value_name = "FILE")]
        key_ring: PathBuf,
        /// The state directory, for the highest serial that was seen.
        #[arg(long, value_name = "DIR")]
        state: Option<PathBuf>,
    },
    /// Give a list in a form that others enforce.
    Export {
        /// The list, signed or not.
        file: PathBuf,
        /// The form.
        #[arg(long = "as", value_name = "FORM")]
        form: Form,
        /// The city file: addresses of assets, and what it allows already.
        #[arg(long, value_name = "FILE")]
        city: Option<PathBuf>,
        /// For `mud`: the device, by its name or address.
        #[arg(long, value_name = "NAME", required_if_eq("form", "mud"))]
        device: Option<String>,
        /// For `mud`: where the file will be served.
        #[arg(long, value_name = "URL", default_value = "https://mud.example/device.json")]
        url: String,
        /// For `rules`: the first signature id.
        #[arg(long, value_name = "N", default_value_t = 9_100_000)]
        sid: u32,
    },
}

/// Forms of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// A Manufacturer Usage Description (RFC 8520) of one device.
    Mud,
    /// Conduits for a city file.
    Conduits,
    /// Rules.
    Rules,
}

pub(super) fn run(action: &AllowListAction) -> anyhow::Result<End> {
    match action {
        AllowListAction::Train(args) => train::run(args),
        AllowListAction::Show { file } => {
            print(&read(file)?.sentences());
            Ok(End::Done)
        }
        AllowListAction::Accept { file, entry, all } => {
            let mut list = unsigned(file)?;
            let accepted = list.accept((!all).then_some(entry));
            files::replace(file, &list.encode())?;
            outln!("{}: {accepted} habits accepted", file.display());
            Ok(End::Done)
        }
        AllowListAction::Sign {
            file,
            key,
            serial,
            out,
        } => sign(file, key, *serial, out),
        AllowListAction::Verify {
            file,
            key_ring,
            state,
        } => verify(file, key_ring, state.as_deref()),
        AllowListAction::Export {
            file,
            form,
            city,
            device,
            url,
            sid,
        } => {
            let given = Files {
                city: city.clone(),
                ..Files::default()
            };
            let settings = Settings::load(&given, None, None, None).map_err(|e| Invalid(format!("{e:#}")))?;
            let (list, context) = (read(file)?, &settings.context);
            let text = match form {
                Form::Mud => {
                    let device = device.as_deref().unwrap_or_default();
                    let found = export::mud(&list, device, url, context);
                    let mud = found.ok_or_else(|| {
                        Invalid(format!(
                            "--device: the list has no {device}; `show` says whom it has"
                        ))
                    })?;
                    format!("{mud:#}\n")
                }
                Form::Conduits => export::conduits(&list, settings.city.as_ref(), context),
                Form::Rules => export::rules(&list, *sid, context),
            };
            print(&text);
            Ok(End::Done)
        }
    }
}

/// A reader that went away (`| head`) is no failure.
fn print(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// A list that nobody need stand for.
fn unsigned(file: &Path) -> anyhow::Result<AllowList> {
    let bytes = allowed::read(file)?;
    AllowList::decode(&bytes).map_err(|e| Invalid(format!("{}: {e}", file.display())).into())
}

/// A list to look at, signed or not: the signature is not checked.
pub(super) fn read(file: &Path) -> anyhow::Result<AllowList> {
    let bytes = allowed::read(file)?;
    let inside = Signed::<Listed>::parse(&bytes).map(|signed| signed.envelope().payload().to_vec());
    AllowList::decode(inside.as_deref().unwrap_or(&bytes))
        .map_err(|e| Invalid(format!("{}: {e}", file.display())).into())
}

fn sign(file: &Path, key: &Path, serial: Option<u64>, out: &Path) -> anyhow::Result<End> {
    let list = unsigned(file)?;
    let key = files::load_key(key).map_err(|e| Invalid(e.to_string()))?;
    let now = allowed::now();
    let serial = serial.unwrap_or((now / 1_000_000_000) as u64);
    let (allowed, proposed) = list.counts();
    let signed = Signed::sign(&Listed(list), serial, now, None, &key)?;
    let text = format!("{}\n", signed.to_json());
    files::replace(out, text.as_bytes()).with_context(|| format!("cannot write {}", out.display()))?;
    outln!(
        "{}: {allowed} habits allowed, {proposed} only proposed, serial {serial}, signed by key {}",
        out.display(),
        key.public().id().hex()
    );
    Ok(End::Done)
}

fn verify(file: &Path, key_ring: &Path, state: Option<&Path>) -> anyhow::Result<End> {
    let ring = files::load_keyring(key_ring).map_err(|e| Invalid(e.to_string()))?;
    let mut serials = match state {
        Some(state) => allowed::serials(state)?,
        None => Serials::default(),
    };
    match allowed::believe(file, &ring, &mut serials) {
        Ok((verified, _)) => {
            outln!(
                "{}: {}, serial {}, signed by {}",
                file.display(),
                verified.statement().subject,
                verified.statement().serial,
                verified.signer().name
            );
            Ok(End::Done)
        }
        Err(error) => {
            errln!("citywall: {}: refused: {error:#}", file.display());
            Ok(End::Failed)
        }
    }
}
