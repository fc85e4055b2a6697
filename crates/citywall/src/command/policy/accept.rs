//! `citywall policy accept`: a city file that people signed takes the place of the one that it was made from.
//!
//! Owns: the order of the checks, and the files: the city file, the one before it, the memory of serials. Does not
//! own: signatures (`citywall-trust`), what changes (`citywall-policy`), how many people it takes
//! (`citywall-console`). Nothing is loaded by it: it says how.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use citywall_console::{PolicyProposal, digest, needed};
use citywall_event::Nanos;
use citywall_policy::{City, Difference, Role, difference, limits};
use citywall_trust::{Accept, Signed, Verified, files};
use clap::Args;
use serde_json::json;

use super::{clean, diff};
use crate::End;
use crate::command::Invalid;

/// `citywall policy accept`.
#[derive(Args, Clone, Debug)]
#[command(after_help = ACCEPT)]
pub struct AcceptArgs {
    /// The signed proposal, as the console's page gives it.
    file: PathBuf,
    /// The city file that it replaces; it must be the one that the proposal was made from.
    #[arg(long, value_name = "FILE")]
    city: PathBuf,
    /// Whose signatures count.
    #[arg(long, value_name = "FILE")]
    key_ring: PathBuf,
    /// Show what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const ACCEPT: &str = "The console signs with its own key, DIR/console/policy.key, once enough people have. To believe it, once:
  citywall keys show DIR/console/policy.key --name console --principal 'Citywall console' --purpose policy-proposal >> keyring.toml
      begin the file with the line: version = 1

The file before is kept as FILE.before, the highest serial in FILE.serials: what is older than the last that was accepted is
refused.";

/// What was believed, and what it would do.
struct Believed {
    verified: Verified<PolicyProposal>,
    new: City,
    found: Difference,
}

pub(super) fn run(args: &AcceptArgs) -> anyhow::Result<End> {
    // What is renamed takes a link's place: the file behind it is meant.
    let city = match std::fs::canonicalize(&args.city) {
        Ok(path) => path,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => args.city.clone(),
        Err(error) => return Err(Invalid(format!("{}: {error}", args.city.display())).into()),
    };
    let serials_file = beside(&city, "serials");
    let present = present(&city)?;
    let mut serials = files::load_serials(&serials_file).map_err(|e| Invalid(e.to_string()))?;
    let believed = match believe(args, &present, &mut serials) {
        Ok(believed) => believed,
        Err(error) if error.is::<Invalid>() => return Err(error),
        Err(error) => {
            errln!(
                "citywall: {}: REFUSED: {error:#}; {} stays as it is",
                args.file.display(),
                city.display()
            );
            return Ok(End::Failed);
        }
    };
    tell(args, &city, &believed)?;
    if args.dry_run {
        return Ok(End::Done);
    }
    if !present.is_empty() {
        files::replace(&beside(&city, "before"), present.as_bytes())?;
    }
    // The serial first: after a crash this very proposal still counts, and no older one does.
    files::save_serials(&serials_file, &serials)?;
    replace(&city, believed.verified.value().toml.as_bytes())
        .with_context(|| format!("cannot replace {}", city.display()))?;
    if !args.json {
        outln!("\n{} is replaced.", city.display());
        if !present.is_empty() {
            outln!("The one before is {}.", beside(&city, "before").display());
        }
        outln!(
            "It is not loaded yet. A running citywall reads it at SIGHUP (systemctl reload, or kill -HUP).\n\
             For the kernel's tables: citywall enforce --dry-run --city {0}, then citywall enforce --apply --city {0}",
            city.display()
        );
    }
    Ok(End::Done)
}

/// A file beside the city file.
fn beside(city: &Path, end: &str) -> PathBuf {
    let mut name = city.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{end}"));
    city.with_file_name(name)
}

/// The city file's text; none where there is no file yet.
fn present(city: &Path) -> anyhow::Result<String> {
    let file = match File::open(city) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        file => file.map_err(|e| Invalid(format!("{}: {e}", city.display())))?,
    };
    let mut text = String::new();
    file.take(limits::BYTES as u64 + 1)
        .read_to_string(&mut text)
        .map_err(|e| Invalid(format!("{}: {e}", city.display())))?;
    Ok(text)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let most = citywall_trust::limits::FILE as u64;
    let io = |e| Invalid(format!("{}: {e}", path.display()));
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(io)?
        .take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    Ok(bytes)
}

/// Checks it all; nothing of it is used before that.
fn believe(
    args: &AcceptArgs,
    present: &str,
    serials: &mut citywall_trust::Serials,
) -> anyhow::Result<Believed> {
    let ring = files::load_keyring(&args.key_ring).map_err(|e| Invalid(e.to_string()))?;
    let signed = Signed::<PolicyProposal>::parse(&read(&args.file)?)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Nanos::try_from(now.as_nanos()).unwrap_or(Nanos::MAX);
    let verified = signed.verify(&ring, serials, Accept::NewOrSame, now)?;
    let proposal = verified.value();
    let Some(base) = &proposal.base else {
        anyhow::bail!(
            "it is a fragment that `citywall policy learn` proposed, and no city file: work it in, and hand it in on \
             the console's page Policy"
        );
    };
    if *base != digest(present) {
        anyhow::bail!(
            "{} is not the city file that it was made from: it was changed since; propose it anew from the present one",
            args.city.display()
        );
    }
    let parse = |text: &str, name: &str| {
        City::parse(text, name).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            anyhow::Error::msg(lines.join("\n"))
        })
    };
    let new = parse(&proposal.toml, &args.file.display().to_string())?;
    let old = match present {
        "" => None,
        text => Some(parse(text, &args.city.display().to_string())?),
    };
    let nothing = City::default();
    let found = difference(old.as_ref().unwrap_or(&nothing), &new)?;
    if let Some(old) = &old {
        people(old, &new, &found, proposal)?;
    }
    Ok(Believed { verified, new, found })
}

/// Whoever has the console's key could leave out the second person: what the present city file says of people
/// is asked once more.
fn people(old: &City, new: &City, found: &Difference, proposal: &PolicyProposal) -> anyhow::Result<()> {
    let may = |name: &str| {
        let person = old.principal(name);
        person.is_some_and(|p| p.roles.contains(&Role::Approver) || p.roles.contains(&Role::Administrator))
    };
    let signers: BTreeSet<&str> = proposal
        .people
        .iter()
        .map(|p| p.name.as_str())
        .filter(|name| may(name))
        .collect();
    let wanted = needed(Some(old), new, found).people;
    let have = u32::try_from(signers.len()).unwrap_or(u32::MAX);
    anyhow::ensure!(
        have >= wanted,
        "{wanted} different people who are approver or administrator must stand for it, {have} do"
    );
    Ok(())
}

fn tell(args: &AcceptArgs, city: &Path, believed: &Believed) -> anyhow::Result<()> {
    let Believed { verified, new, found } = believed;
    let (proposal, statement) = (verified.value(), verified.statement());
    let findings: Vec<String> = new.check().iter().map(ToString::to_string).collect();
    let mut screen = std::io::stdout().lock();
    if args.json {
        let told = json!({
            "city": city.display().to_string(), "dry_run": args.dry_run, "serial": statement.serial,
            "key": verified.signer().name, "people": proposal.people, "findings": findings,
            "difference": diff::to_json(found),
        });
        writeln!(screen, "{told:#}")?;
        return Ok(());
    }
    writeln!(
        screen,
        "{}: signed by key {}, serial {}",
        args.file.display(),
        clean(&verified.signer().name),
        statement.serial
    )?;
    for person in &proposal.people {
        let at = i64::try_from(person.at)
            .unwrap_or(0)
            .saturating_mul(1_000_000_000);
        writeln!(
            screen,
            "  {}, {}: {}",
            clean(&person.name),
            new.local_time(at),
            clean(&person.why)
        )?;
    }
    writeln!(screen)?;
    diff::print(&mut screen, found)?;
    if !findings.is_empty() {
        writeln!(screen, "Look at this:")?;
    }
    for finding in &findings {
        writeln!(screen, "  {}", clean(finding))?;
    }
    Ok(())
}

/// Writes the new file beside the old one, with its owner and mode, and puts it in its place once it is on the disk.
fn replace(city: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = beside(city, &format!("new-{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        let old = std::fs::metadata(city);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(bytes)?;
        // A city file is no secret, and may be read by other accounts than that of who replaces it.
        let mode = old.as_ref().map_or(0o644, |old| old.mode() & 0o777);
        if let Ok(old) = &old
            && let mine = file.metadata()?
            && (mine.uid(), mine.gid()) != (old.uid(), old.gid())
        {
            fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
        file.set_permissions(PermissionsExt::from_mode(mode))?;
        file.sync_all()?;
        std::fs::rename(&new, city)?;
        match city.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
            _ => File::open(".")?.sync_all(),
        }
    };
    write().inspect_err(|_| {
        // What is half-written is of no use.
        let _ = std::fs::remove_file(&new);
    })
}
