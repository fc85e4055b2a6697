//! `citywall playbook`: what playbooks would do, and who stands for them.
//!
//! Owns: the files, the screen and the JSON of check, list, show, sign and verify, and how other
//! commands load playbooks. Does not own: what a playbook may say (`citywall_response::playbook`).

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use citywall_response::playbook::{
    BUILT_IN, Document, Explanation, Playbook, Playbooks, built_in, explain, limits,
};
use citywall_trust::{Keyring, Signed, files};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Invalid;
use crate::End;

/// `citywall playbook`.
#[derive(Args, Clone, Debug)]
pub struct PlaybookArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: PlaybookCommand,
}

/// `citywall playbook check|list|show|sign|verify`.
#[derive(Clone, Debug, Subcommand)]
pub enum PlaybookCommand {
    /// Say what playbooks would do, step by step, and what is wrong with them; runs nothing.
    #[command(after_help = CHECK)]
    Check {
        /// CACAO 2.0 playbooks, plain or signed.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Print a JSON array, one object a file.
        #[arg(long)]
        json: bool,
    },
    /// List the built-in playbooks.
    List {
        /// Print a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Print a built-in playbook: a start for one of your own.
    Show {
        /// Its name, as `list` says it.
        name: String,
        /// Say in words what it would do, instead of the document.
        #[arg(long)]
        explain: bool,
    },
    /// Sign a playbook that is good.
    Sign {
        /// The playbook.
        file: PathBuf,
        /// The private key (PEM).
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Counts versions; a smaller one than was seen is refused [default: the time in seconds].
        #[arg(long, value_name = "N")]
        serial: Option<u64>,
        /// Where to write the signed playbook [default: FILE.signed].
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Say who signed a playbook, and whether that counts.
    Verify {
        /// The signed playbook.
        file: PathBuf,
        /// The keys that count.
        #[arg(long, value_name = "FILE")]
        keyring: PathBuf,
    },
}

const CHECK: &str =
    "A playbook can do two things: propose a rung of the ladder on suspects of its own incident,
and ask a person. Start from one of ours:

  citywall playbook show scan > mine.json
  citywall playbook check mine.json

Exit codes: 0 all are good, 2 one is not.";

/// Runs the command.
///
/// # Errors
/// Where files cannot be read or written, or are invalid.
pub fn run(args: &PlaybookArgs) -> anyhow::Result<End> {
    match &args.command {
        PlaybookCommand::Check { files, json } => check(files, *json),
        PlaybookCommand::List { json } => Ok(list(*json)),
        PlaybookCommand::Show { name, explain } => show(name, *explain),
        PlaybookCommand::Sign {
            file,
            key,
            serial,
            out,
        } => sign(file, key, *serial, out.as_deref()),
        PlaybookCommand::Verify { file, keyring } => verify(file, keyring),
    }
}

/// Reads playbooks for use, in the order of preference, the built-in ones behind them. With a
/// keyring only those that a key of it signed are taken.
///
/// # Errors
/// Where one cannot be read, is invalid, or nobody stands for it.
pub fn load(paths: &[PathBuf], keyring: Option<&Keyring>) -> anyhow::Result<Playbooks> {
    let mut own = Vec::new();
    for path in paths {
        let bytes = read(path)?;
        let document = match (Signed::<Document>::parse(&bytes), keyring) {
            (Ok(signed), Some(ring)) => signed
                .verify_without_serial(ring, now())
                .map_err(|e| Invalid(format!("{}: {e}", path.display())))?
                .into_value(),
            (Err(error), Some(_)) => {
                let text = format!(
                    "{}: nobody has signed it ({error}); citywall playbook sign does",
                    path.display()
                );
                return Err(Invalid(text).into());
            }
            (Ok(signed), None) => unsealed(&signed, path)?,
            (Err(_), None) => plain(&bytes, path)?,
        };
        own.push(document.into_playbook());
    }
    Ok(Playbooks::new(own).and_built_in())
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX))
}

/// At most what a signed playbook of the largest size takes.
fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut bytes = Vec::new();
    file.take(limits::BYTES as u64 * 2 + 65_536)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(bytes)
}

fn plain(bytes: &[u8], path: &Path) -> Result<Document, Invalid> {
    let name = path.display().to_string();
    let text = std::str::from_utf8(bytes).map_err(|e| {
        Invalid(format!(
            "{name}: no UTF-8 text after byte {}; save it as UTF-8",
            e.valid_up_to()
        ))
    })?;
    Document::parse(text, &name).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Invalid(lines.join("\n"))
    })
}

/// What lies in an envelope, whoever signed it.
fn unsealed(signed: &Signed<Document>, path: &Path) -> Result<Document, Invalid> {
    plain(signed.envelope().payload(), path)
}

fn check(paths: &[PathBuf], as_json: bool) -> anyhow::Result<End> {
    let mut reports = Vec::new();
    let mut end = End::Done;
    let mut screen = std::io::stdout().lock();
    for path in paths {
        let bytes = read(path)?;
        let signed = Signed::<Document>::parse(&bytes).ok();
        let document = match &signed {
            Some(signed) => unsealed(signed, path),
            None => plain(&bytes, path),
        };
        if document.is_err() {
            end = End::Usage;
        }
        if as_json {
            reports.push(report(path, &document));
            continue;
        }
        match document {
            Err(errors) => errln!("{errors}"),
            Ok(document) => {
                let mut page = page(document.playbook());
                if let Some(signed) = &signed {
                    let key = signed.envelope().claims().1.hex();
                    page.push_str(&format!(
                        "\nSigned by key {}; citywall playbook verify says whose it is.\n",
                        key.get(..16).unwrap_or(&key)
                    ));
                }
                let _ = screen.write_all(page.as_bytes());
            }
        }
    }
    if as_json {
        let _ = writeln!(screen, "{}", serde_json::to_string_pretty(&reports)?);
    }
    Ok(end)
}

fn report(path: &Path, document: &Result<Document, Invalid>) -> Value {
    match document {
        Err(errors) => json!({
            "file": path.display().to_string(), "valid": false,
            "errors": errors.0.lines().collect::<Vec<_>>(),
        }),
        Ok(document) => {
            let playbook = document.playbook();
            let told = explain(playbook);
            json!({
                "file": path.display().to_string(), "valid": true, "id": playbook.id, "name": playbook.name,
                "modified": playbook.modified, "incidents": playbook.incidents,
                "rungs": told.rungs.iter().map(|r| r.name()).collect::<Vec<_>>(),
                "steps": told.lines.iter()
                    .map(|l| json!({ "depth": l.depth, "number": l.number, "text": l.text }))
                    .collect::<Vec<_>>(),
                "guards": told.guards, "notes": told.notes,
            })
        }
    }
}

/// A playbook for people.
fn page(playbook: &Playbook) -> String {
    let told = explain(playbook);
    let mut page = format!("{}: good\n\n{}\n", playbook.file, playbook.name);
    if !playbook.description.is_empty() {
        page.push_str(&format!("  {}\n", playbook.description));
    }
    if !playbook.incidents.is_empty() {
        page.push_str(&format!(
            "  Chosen where the evidence shows: {}\n",
            playbook.incidents.join(", ")
        ));
    }
    page.push_str("\nWhat it would do\n");
    page.push_str(&steps(&told));
    page.push_str("\nWhat holds it back\n");
    for guard in &told.guards {
        page.push_str(&format!("  - {guard}\n"));
    }
    if !told.notes.is_empty() {
        page.push_str("\nTo know\n");
        told.notes
            .iter()
            .for_each(|n| page.push_str(&format!("  - {n}\n")));
    }
    page.push('\n');
    page
}

fn steps(told: &Explanation) -> String {
    let mut text = String::new();
    for line in &told.lines {
        let number = line.number.map_or(String::new(), |n| format!("{n}."));
        text.push_str(&format!(
            "  {}{number:<4}{}\n",
            "    ".repeat(line.depth),
            line.text
        ));
    }
    text
}

fn list(as_json: bool) -> End {
    let mut screen = std::io::stdout().lock();
    let all: Vec<(&str, Playbook)> = BUILT_IN
        .iter()
        .filter_map(|(name, text)| Some((*name, Playbook::parse(text, name).ok()?)))
        .collect();
    if as_json {
        let list: Vec<Value> = all
            .iter()
            .map(|(name, p)| json!({ "name": name, "id": p.id, "title": p.name, "incidents": p.incidents }))
            .collect();
        let _ = writeln!(screen, "{}", Value::Array(list));
        return End::Done;
    }
    for (name, playbook) in all {
        let _ = writeln!(
            screen,
            "{name:<20} {} ({})",
            playbook.name,
            playbook.incidents.join(", ")
        );
    }
    End::Done
}

fn show(name: &str, in_words: bool) -> anyhow::Result<End> {
    let Some(text) = built_in(name) else {
        let known = BUILT_IN.map(|(name, _)| name);
        let fix = match citywall_policy::nearest(name, known) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are {}", known.join(", ")),
        };
        return Err(Invalid(format!("no built-in playbook {name}; {fix}")).into());
    };
    let mut screen = std::io::stdout().lock();
    let _ = match Playbook::parse(text, &format!("built-in {name}")) {
        Ok(playbook) if in_words => screen.write_all(page(&playbook).as_bytes()),
        _ => screen.write_all(text.as_bytes()),
    };
    Ok(End::Done)
}

fn sign(file: &Path, key: &Path, serial: Option<u64>, out: Option<&Path>) -> anyhow::Result<End> {
    let document = plain(&read(file)?, file)?;
    let key = files::load_key(key).map_err(|e| Invalid(e.to_string()))?;
    let now = now();
    let serial = serial.unwrap_or(now.unsigned_abs() / 1_000_000_000);
    let expires = document.playbook().valid_until;
    let signed = Signed::sign(&document, serial, now, expires, &key)?;
    let out = out.map_or_else(
        || {
            let mut name = file.as_os_str().to_owned();
            name.push(".signed");
            PathBuf::from(name)
        },
        Path::to_path_buf,
    );
    let text = format!("{}\n", signed.to_json().trim_end());
    files::replace(&out, text.as_bytes()).with_context(|| format!("cannot write {}", out.display()))?;
    outln!(
        "{}: {:?}, serial {serial}, signed by key {}",
        out.display(),
        document.playbook().name,
        key.public().id().hex()
    );
    Ok(End::Done)
}

fn verify(file: &Path, keyring: &Path) -> anyhow::Result<End> {
    let ring = files::load_keyring(keyring).map_err(|e| Invalid(e.to_string()))?;
    let invalid = |e: String| Invalid(format!("{}: {e}", file.display()));
    let signed = Signed::<Document>::parse(&read(file)?).map_err(|e| invalid(e.to_string()))?;
    let verified = signed
        .verify_without_serial(&ring, now())
        .map_err(|e| invalid(e.to_string()))?;
    outln!(
        "{}: {:?}, serial {}, signed by {} ({})",
        file.display(),
        verified.value().playbook().name,
        verified.statement().serial,
        verified.signer().name,
        verified.signer().principal
    );
    Ok(End::Done)
}
