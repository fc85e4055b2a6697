//! `citywall learn evaluate --scores`: scores of data without labels.
//!
//! Owns: which files of a folder are scored, and the form of the file of scores (`docs/evaluation.md`). Does not own:
//! what is learned and how it scores (`citywall-evaluation`, `allow_list`, `captures`).

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use citywall_behaviour::Seen;
use citywall_capture::{Damage, FileLimits, Files as CaptureFiles};
use citywall_evaluation::sets::{floods, iot23, modbus};
use citywall_event::Body;

use super::EvaluateArgs;
use super::allow_list::Scorer as AllowScorer;
use crate::End;
use crate::cli::Files;
use crate::command::Invalid;
use crate::pipeline::run;
use crate::settings::Settings;

/// Bits of a conversation's number that say which packet was its first.
const FIRST_PACKET: u64 = (1 << 44) - 1;

/// Writes the scores of what is in `data`.
pub(super) fn write(args: &EvaluateArgs, data: &Path, file: &Path) -> anyhow::Result<End> {
    let [set] = args.set.as_slice() else {
        return Err(Invalid("--scores: name one set with --set".into()).into());
    };
    let unit = match set.as_str() {
        "iot23" => "conversation",
        "modbus" | "allow-lists" | "floods" => "packet",
        "captures" => "behaviour",
        _ => {
            return Err(Invalid(format!(
                "--scores: set {set} is simulated or has nothing to score; use iot23, modbus, allow-lists, floods or captures"
            ))
            .into());
        }
    };
    let captures = found(data)?;
    let logs = set == "iot23" && iot23::scenarios(data).is_ok();
    if captures.is_empty() && !logs {
        let what = match set.as_str() {
            "iot23" => "a log of conversations or a capture",
            _ => "a capture (.pcap, .pcapng, .cap)",
        };
        return Err(Invalid(format!("--data {}: there is not {what}", data.display())).into());
    }
    let out = File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    let mut list = List {
        out: BufWriter::new(out),
        count: 0,
        damaged: false,
        data,
    };
    writeln!(list.out, "# citywall-scores 1\nfile\t{unit}\tscore")?;
    match set.as_str() {
        "iot23" => conversations(args, data, &captures, &mut list)?,
        "modbus" => {
            let learned = modbus::captures(&home("lemay-modbus")?)?;
            let scorer = modbus::Scorer::learn(&learned, args.seed);
            let mut scorer = scorer.context("too few normal packets to learn from")?;
            list.packets(&captures, |path, hear| Ok(scorer.score(path, hear)?))?;
        }
        "allow-lists" => {
            let scorer = AllowScorer::learn(&home("lemay-modbus")?)?;
            list.packets(&captures, |path, hear| scorer.score(path, hear))?;
        }
        "floods" => list.packets(&captures, |path, hear| Ok(floods::scores(path, args.seed, hear)?))?,
        _ => {
            for path in &captures {
                let (kinds, damage) = super::captures::scores(path)?;
                let name = list.begin(path);
                if kinds.is_empty() {
                    list.line(&name, "-", 0.0)?;
                }
                for (kind, score) in kinds {
                    list.line(&name, kind, score)?;
                }
                list.damage(&damage);
            }
        }
    }
    list.out
        .flush()
        .with_context(|| format!("cannot write {}", file.display()))?;
    outln!("{}: {} scores", file.display(), list.count);
    Ok(if list.damaged { End::Damaged } else { End::Done })
}

/// Where what is learned from lies.
fn home(place: &str) -> anyhow::Result<PathBuf> {
    let all = std::env::var_os("CITYWALL_DATA")
        .ok_or_else(|| Invalid("--scores: set CITYWALL_DATA to the data that is learned from".into()))?;
    Ok(Path::new(&all).join(place))
}

/// Captures of a folder and its folders, by name; or the one that was given.
fn found(data: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let (mut captures, mut folders) = (Vec::new(), vec![data.to_owned()]);
    if data.is_file() {
        return Ok(vec![data.to_owned()]);
    }
    while let Some(folder) = folders.pop() {
        let list = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in list.flatten() {
            let name = entry.file_name().to_string_lossy().to_lowercase();
            // A link to a folder above would never end.
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(_) if (name.contains(".pcap") || name.ends_with(".cap")) && entry.path().is_file() => {
                    captures.push(entry.path());
                }
                _ => {}
            }
        }
    }
    captures.sort();
    Ok(captures)
}

fn conversations(
    args: &EvaluateArgs,
    data: &Path,
    captures: &[PathBuf],
    list: &mut List<'_>,
) -> anyhow::Result<()> {
    errln!("citywall: learning, seed {}", args.seed);
    let scorer = iot23::Scorer::learn(&iot23::scenarios(&home("iot23")?)?);
    for log in iot23::scenarios(data).unwrap_or_default() {
        for (number, score) in scorer.log(&log).into_iter().enumerate() {
            list.line(&clean(&log.name), &(number + 1).to_string(), score)?;
        }
    }
    let settings = Arc::new(Settings::load(&Files::default(), None, None, None)?);
    for path in captures {
        let name = list.begin(path);
        let mut source = CaptureFiles::open(std::slice::from_ref(path), FileLimits::default())?;
        let mut score = scorer.capture();
        let mut wrong = Ok(());
        let damage = run::events(&mut source, &settings, &mut |event| {
            if let Body::Flow(flow) = &event.body
                && let Some(seen) = Seen::of(event, flow)
                && wrong.is_ok()
            {
                let first = event.subject.flow_id & FIRST_PACKET;
                wrong = list.line(&name, &first.to_string(), score(&seen));
            }
        })?;
        wrong?;
        list.damage(&damage);
    }
    Ok(())
}

/// The file of scores.
struct List<'a> {
    out: BufWriter<File>,
    count: u64,
    damaged: bool,
    data: &'a Path,
}

impl List<'_> {
    /// Says which file comes, and gives its place below the folder.
    fn begin(&self, path: &Path) -> String {
        errln!("citywall: scoring {}", path.display());
        let below = path.strip_prefix(self.data).unwrap_or(path);
        match below.as_os_str().is_empty() {
            true => clean(&path.file_name().unwrap_or_default().to_string_lossy()),
            false => clean(&below.to_string_lossy()),
        }
    }

    fn line(&mut self, file: &str, what: &str, score: f64) -> std::io::Result<()> {
        self.count += 1;
        writeln!(self.out, "{file}\t{what}\t{score}")
    }

    fn packets(
        &mut self,
        captures: &[PathBuf],
        mut score: impl FnMut(&Path, &mut dyn FnMut(f64)) -> anyhow::Result<Vec<Damage>>,
    ) -> anyhow::Result<()> {
        for path in captures {
            let name = self.begin(path);
            let (mut number, mut wrong) = (0u64, Ok(()));
            let damage = score(path, &mut |score| {
                number += 1;
                if wrong.is_ok() {
                    wrong = self.line(&name, &number.to_string(), score);
                }
            })?;
            wrong?;
            self.damage(&damage);
        }
        Ok(())
    }

    fn damage(&mut self, damage: &[Damage]) {
        self.damaged |= !damage.is_empty();
        for damage in damage {
            errln!(
                "citywall: {}: {} at byte {}: nothing is scored from there on",
                damage.file,
                damage.what,
                damage.offset
            );
        }
    }
}

/// A name that cannot break the table.
fn clean(name: &str) -> String {
    name.replace(|c: char| c.is_control(), "_")
}
