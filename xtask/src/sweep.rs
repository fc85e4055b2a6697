//! `cargo xtask sweep`: replays every capture below a folder and says how each ended.
//!
//! Owns: finding captures by their first bytes, running the binary under a limit of time and memory, and the
//! totals. Exit 0 and exit 3 (damaged, with the place) are right; anything else is an error, and the command
//! fails. Does not own: what the events should be, which tests say.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

/// Longest run of one capture.
const TIME: Duration = Duration::from_secs(60);

/// Address space of one run, KiB (`ulimit -v`).
const MEMORY: u64 = 2 << 20;

/// How many of the slowest and the biggest are shown.
const SHOWN: usize = 5;

/// `cargo xtask sweep`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Folder that is searched for captures
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// The binary
    #[arg(long, value_name = "FILE", default_value = "target/release/citywall")]
    pub binary: PathBuf,
    /// Worker counts: each capture is replayed with each, and the events must be the same bytes
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    pub workers: Vec<u16>,
    /// Print JSON: every capture with what came of it
    #[arg(long)]
    pub json: bool,
}

/// What came of one capture.
struct Swept {
    capture: PathBuf,
    /// Exit code; `None` where it was killed, by us or by a signal.
    code: Option<i32>,
    wall: Duration,
    memory: u64,
    packets: u64,
    malformed: BTreeMap<String, u64>,
    /// Standard error: where it is damaged, or what went wrong.
    told: String,
    /// Worker counts that gave other bytes than the first.
    differing: Vec<u16>,
    shed: bool,
}

impl Swept {
    /// Why this is not as it should be.
    fn fault(&self) -> Option<String> {
        let told = self.told.trim();
        match self.code {
            None => Some(format!("killed after {:.1} s: {told}", self.wall.as_secs_f64())),
            Some(0) if !self.differing.is_empty() && !self.shed => {
                Some(format!("other events with {:?} workers", self.differing))
            }
            Some(0) => None,
            Some(3) if told.contains(" at byte ") => None,
            Some(code) => Some(format!("exit {code}: {told}")),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Where the folder or the binary cannot be used, or a capture ended otherwise than with exit 0 or 3.
pub fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(
        args.binary.exists(),
        "{} does not exist: build it, or name one with --binary",
        args.binary.display()
    );
    ensure!(!args.workers.is_empty(), "--workers names no number");
    let mut captures = Vec::new();
    find(&args.data, &mut captures)?;
    captures.sort();
    ensure!(!captures.is_empty(), "no capture below {}", args.data.display());
    let work = std::env::temp_dir().join(format!("citywall-sweep-{}", std::process::id()));
    fs::create_dir_all(&work)?;
    let swept: Vec<Swept> = captures
        .into_iter()
        .map(|capture| sweep(args, capture, &work))
        .collect::<anyhow::Result<_>>()?;
    fs::remove_dir_all(&work)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&as_json(&swept))?);
    } else {
        print(args, &swept);
    }
    let faults = swept.iter().filter(|s| s.fault().is_some()).count();
    if faults > 0 {
        bail!("{faults} captures did not end as they should");
    }
    Ok(())
}

/// Captures below a folder; links are not followed.
fn find(folder: &Path, captures: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, entry.path());
        if kind.is_dir() {
            find(&path, captures)?;
        } else if kind.is_file() && is_capture(&path) {
            captures.push(path);
        }
    }
    Ok(())
}

/// By the first four bytes (pcap in both orders and resolutions, pcapng), also inside gzip; a zstd file or an
/// empty one has only its name to tell.
fn is_capture(path: &Path) -> bool {
    let mut magic = Vec::new();
    let Ok(file) = File::open(path) else { return false };
    if file.take(4).read_to_end(&mut magic).is_err() {
        return false;
    }
    if magic.starts_with(&[0x1f, 0x8b]) {
        let Ok(file) = File::open(path) else { return false };
        magic.clear();
        // Where the compressed data are damaged, what came before decides.
        let _ = flate2::read::MultiGzDecoder::new(file)
            .take(4)
            .read_to_end(&mut magic);
    }
    match magic[..] {
        [0xa1, 0xb2, 0xc3, 0xd4] | [0xd4, 0xc3, 0xb2, 0xa1] => true,
        [0xa1, 0xb2, 0x3c, 0x4d] | [0x4d, 0x3c, 0xb2, 0xa1] => true,
        [0x0a, 0x0d, 0x0d, 0x0a] => true,
        [] | [0x28, 0xb5, 0x2f, 0xfd] => named_capture(path),
        _ => false,
    }
}

fn named_capture(path: &Path) -> bool {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    name.split('.')
        .skip(1)
        .any(|part| ["pcap", "pcapng", "cap"].contains(&part))
}

fn sweep(args: &Args, capture: PathBuf, work: &Path) -> anyhow::Result<Swept> {
    let mut first: Option<(Swept, Option<u64>)> = None;
    for workers in &args.workers {
        let run = replay(&args.binary, &capture, *workers, work)?;
        let Some((swept, events)) = &mut first else {
            first = Some(run);
            continue;
        };
        if run.1 != *events || run.0.code != swept.code {
            swept.differing.push(*workers);
        }
        swept.wall = swept.wall.max(run.0.wall);
        swept.memory = swept.memory.max(run.0.memory);
        swept.shed |= run.0.shed;
        if swept.fault().is_none() && run.0.fault().is_some() {
            (swept.code, swept.told) = (run.0.code, run.0.told);
        }
    }
    Ok(first.context("no run")?.0)
}

/// One run, and a hash of the events that it wrote.
fn replay(binary: &Path, capture: &Path, workers: u16, work: &Path) -> anyhow::Result<(Swept, Option<u64>)> {
    let out = work.join("out");
    let _ = fs::remove_dir_all(&out);
    let (screen, errors) = (work.join("stdout"), work.join("stderr"));
    let started = Instant::now();
    let child = Command::new("sh")
        .args([
            "-c",
            "ulimit -v \"$1\"; shift; exec \"$@\"",
            "sh",
            &MEMORY.to_string(),
        ])
        .arg(binary)
        .args([
            "-q",
            "watch",
            "--json",
            "--workers",
            &workers.to_string(),
            "--pcap",
        ])
        .arg(capture)
        .arg("--out")
        .arg(&out)
        .stdin(Stdio::null())
        .stdout(File::create(&screen)?)
        .stderr(File::create(&errors)?)
        .spawn()
        .with_context(|| format!("cannot run {}", binary.display()))?;
    let code = wait(child, started)?;
    let wall = started.elapsed();
    let summary: Value = fs::read(&screen)
        .ok()
        .and_then(|b| serde_json::from_slice(&b).ok())
        .unwrap_or_default();
    let malformed = serde_json::from_value(summary["malformed"].clone()).unwrap_or_default();
    let mut told = String::from_utf8_lossy(&fs::read(&errors)?).into_owned();
    if summary.is_null() && code == Some(0) {
        told.push_str("no summary was printed");
    }
    let swept = Swept {
        capture: capture.to_owned(),
        code: if summary.is_null() && code == Some(0) {
            None
        } else {
            code
        },
        wall,
        memory: summary["timing"]["peak_memory_bytes"].as_u64().unwrap_or(0),
        packets: summary["packets"].as_u64().unwrap_or(0),
        malformed,
        told,
        differing: Vec::new(),
        shed: summary["nothing_was_shed"] != true,
    };
    Ok((swept, hash(&out.join("eve.json"))))
}

/// Waits within the limit; a run that takes longer is killed.
fn wait(mut child: Child, started: Instant) -> anyhow::Result<Option<i32>> {
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code());
        }
        if started.elapsed() > TIME {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

fn hash(path: &Path) -> Option<u64> {
    let bytes = fs::read(path).ok()?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&bytes);
    Some(hasher.finish())
}

fn sums(swept: &[Swept]) -> BTreeMap<&str, (u64, usize)> {
    let mut sums = BTreeMap::<&str, (u64, usize)>::new();
    for (kind, count) in swept.iter().flat_map(|s| &s.malformed) {
        let sum = sums.entry(kind).or_default();
        *sum = (sum.0 + count, sum.1 + 1);
    }
    sums
}

fn print(args: &Args, swept: &[Swept]) {
    let short = |s: &Swept| {
        s.capture
            .strip_prefix(&args.data)
            .unwrap_or(&s.capture)
            .display()
            .to_string()
    };
    let packets: u64 = swept.iter().map(|s| s.packets).sum();
    let empty = swept.iter().filter(|s| s.packets == 0).count();
    println!(
        "captures {:>8}   {packets} packets; {empty} captures have none",
        swept.len()
    );
    let faults: Vec<_> = swept.iter().filter_map(|s| Some((s, s.fault()?))).collect();
    let ended = |code| {
        swept
            .iter()
            .filter(move |s| s.code == Some(code) && s.fault().is_none())
    };
    println!("exit 0   {:>8}", ended(0).count());
    println!("exit 3   {:>8}", ended(3).count());
    for capture in ended(3) {
        let place = format!("citywall: {}: ", capture.capture.display());
        println!(
            "  {}: {}",
            short(capture),
            capture.told.trim().replace(&place, "")
        );
    }
    println!("errors   {:>8}", faults.len());
    for (capture, fault) in &faults {
        println!("  {}: {fault}", short(capture));
    }
    let shed: Vec<&Swept> = swept.iter().filter(|s| s.shed && s.fault().is_none()).collect();
    println!(
        "shed     {:>8}   something was given up for lack of room",
        shed.len()
    );
    shed.iter().for_each(|s| println!("  {}", short(s)));
    let mut kinds: Vec<_> = sums(swept).into_iter().collect();
    kinds.sort_by_key(|(kind, (count, _))| (std::cmp::Reverse(*count), *kind));
    println!(
        "malformed{:>8}   by kind: times, captures",
        kinds.iter().map(|k| k.1.0).sum::<u64>()
    );
    for (kind, (count, captures)) in kinds {
        println!("  {kind:<32}{count:>8}{captures:>6}");
    }
    let mut order: Vec<&Swept> = swept.iter().collect();
    order.sort_by_key(|s| std::cmp::Reverse(s.wall));
    println!("slowest");
    for s in order.iter().take(SHOWN) {
        println!(
            "  {:>7.2} s  {:>8} packets  {}",
            s.wall.as_secs_f64(),
            s.packets,
            short(s)
        );
    }
    order.sort_by_key(|s| std::cmp::Reverse(s.memory));
    println!("biggest");
    for s in order.iter().take(SHOWN) {
        println!(
            "  {:>7.1} MB {:>8} packets  {}",
            s.memory as f64 / 1e6,
            s.packets,
            short(s)
        );
    }
}

fn as_json(swept: &[Swept]) -> Value {
    let each = |s: &Swept| {
        json!({
            "capture": s.capture, "exit": s.code, "wall_seconds": s.wall.as_secs_f64(), "packets": s.packets,
            "peak_memory_bytes": s.memory, "malformed": s.malformed, "told": s.told.trim(),
            "fault": s.fault(), "shed": s.shed,
        })
    };
    swept.iter().map(each).collect()
}
