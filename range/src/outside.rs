//! Starting the runs, each in namespaces of its own, and waiting for what comes of them.
//!
//! Owns: whether namespaces can be made and what to do where they cannot; the processes outside;
//! how many run at one time; the folders. Does not own: what happens inside (`inside`).
//!
//! Nothing leaks: the process inside is the first of a process namespace, so that all others die
//! with it; it ends when its standard input ends, and that is a pipe from here.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use crate::attack::find_tool;
use crate::city::DEVICE;
use crate::error::{RangeError, Result, file};
use crate::inside::{Job, Told};
use crate::judge::Played;
use crate::report::{Ended, Report};
use crate::scenario::{Scenario, Variant};

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The binary, for the product and for the devices.
    pub program: PathBuf,
    /// The rules that the product brings along.
    pub rules: String,
    /// What the city is drawn from; each repetition takes the next.
    pub seed: u64,
    /// How often each is run.
    pub repeat: u32,
    /// How many runs at one time.
    pub jobs: usize,
    /// The ways to run each scenario.
    pub variants: Vec<Variant>,
    /// Where all logs are kept; `None`: nowhere.
    pub keep: Option<PathBuf>,
}

/// No run takes longer.
const LONGEST: Duration = Duration::from_secs(90);

/// Programs without which there is no city, and their packages in Debian.
const NEEDED: [(&str, &str); 7] = [
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("mount", "mount"),
    ("ip", "iproute2"),
    ("tc", "iproute2"),
    ("nft", "nftables"),
    ("sysctl", "procps"),
];

/// The ways into namespaces, the most modest first: user, network, mount and process namespaces;
/// the same without a process tree of its own in /proc; and, for root alone, without a user
/// namespace.
const WAYS: [&[&str]; 3] = [
    &["-Urnmpf", "--mount-proc", "--kill-child"],
    &["-Urnmpf", "--kill-child"],
    &["-nmpf", "--mount-proc", "--kill-child"],
];

/// Why no city can be built on this machine; `None` where it can.
pub fn why_closed() -> Option<RangeError> {
    way().err()
}

/// Finds a way in that works.
pub(crate) fn way() -> Result<&'static [&'static str]> {
    for (program, package) in NEEDED {
        if find_tool(program).is_none() {
            return Err(RangeError::Missing { program, package });
        }
    }
    let mut why = String::new();
    for way in WAYS {
        let try_out = "mount -t tmpfs range /run && mkdir /run/netns && ip netns add try && \
                       ip link add dev a type veth peer name eth0 netns try && \
                       ip link add br0 type bridge && nft add table inet try";
        let output = Command::new("unshare")
            .args(way)
            .args(["sh", "-c", try_out])
            .output();
        match output {
            Ok(output) if output.status.success() => return Ok(way),
            Ok(output) if why.is_empty() => {
                why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            }
            Ok(_) => {}
            Err(error) => why = error.to_string(),
        }
    }
    Err(RangeError::Closed { why, fix: fix() })
}

/// What to allow, by what this kernel says of itself.
fn fix() -> String {
    let value = |name: &str| {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        std::fs::read_to_string(path).map(|v| v.trim().to_owned()).ok()
    };
    let closed = [
        ("user.max_user_namespaces", "0", "100000"),
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ];
    for (name, bad, good) in closed {
        if value(name).as_deref() == Some(bad) {
            return format!("user namespaces are closed: sudo sysctl -w {name}={good}, or run this as root");
        }
    }
    "run this as root, or allow user, network and mount namespaces (in a container: seccomp and AppArmor must \
     allow unshare and mount)"
        .to_owned()
}

/// Runs scenarios; `progress` hears a line now and then.
///
/// # Errors
/// Where no city can be built, or a folder not be written. A scenario that fails is no error.
pub fn run(
    scenarios: &[&'static Scenario],
    options: &Options,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Report> {
    let way = way()?;
    let folder = Folder::new(options.keep.as_deref())?;
    let mut queue = Vec::new();
    for round in 0..options.repeat.max(1) {
        for scenario in scenarios {
            queue.extend(
                options
                    .variants
                    .iter()
                    .map(|variant| (round, *scenario, *variant)),
            );
        }
    }
    let start = Instant::now();
    let count = queue.len();
    queue.reverse();
    let queue = Mutex::new(queue);
    let ended = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.clamp(1, 16) {
            scope.spawn(|| {
                // A poisoned lock means that another worker panicked: then this one ends as well.
                while let Some((round, scenario, variant)) = queue.lock().ok().and_then(|mut q| q.pop()) {
                    let run = one(&folder.path, options, way, scenario, variant, round, progress);
                    let verdict = match &run.result {
                        Ok(played) if played.problems.is_empty() => "ok".to_owned(),
                        Ok(played) => format!("FAILED: {}", played.problems.join("; ")),
                        Err(error) => format!("FAILED: {error}"),
                    };
                    let Ok(mut ended) = ended.lock() else { return };
                    ended.push((round, run.clone()));
                    let (place, name, seconds) = (ended.len(), variant.name(), run.seconds);
                    progress(&format!(
                        "[{place}/{count}] {}, {name}: {verdict} ({seconds:.1} s)",
                        scenario.name
                    ));
                }
            });
        }
    });
    let mut ended = ended.into_inner().unwrap_or_default();
    let place = |run: &Ended| scenarios.iter().position(|s| s.name == run.scenario);
    ended.sort_by_key(|(round, run)| (place(run), run.variant, *round));
    let ended: Vec<Ended> = ended.into_iter().map(|(_, run)| run).collect();
    Ok(Report::new(&ended, start.elapsed().as_secs_f64()))
}

fn one(
    folder: &Path,
    options: &Options,
    way: &[&str],
    scenario: &'static Scenario,
    variant: Variant,
    round: u32,
    progress: &(dyn Fn(&str) + Sync),
) -> Ended {
    let start = Instant::now();
    let name = variant.name().replace(' ', "-");
    let job = Job {
        program: options.program.clone(),
        folder: folder.join(format!("{}.{name}.{round}", scenario.name)),
        scenario: scenario.name.to_owned(),
        variant,
        seed: options.seed.wrapping_add(u64::from(round)),
        rules: options.rules.clone(),
        training: None,
    };
    let result = play(&job, way, &|text| {
        progress(&format!("{}, {}: {text}", scenario.name, variant.name()))
    });
    if options.keep.is_none() && result.is_ok() {
        let _ = std::fs::remove_dir_all(&job.folder);
    }
    Ended {
        scenario: scenario.name,
        variant,
        result: result.map_err(|error| error.to_string()),
        seconds: start.elapsed().as_secs_f64(),
    }
}

/// Starts the binary again, inside.
pub(crate) fn start(job: &Job, way: &[&str], stdin: Stdio, stdout: Stdio) -> Result<Child> {
    // Of an earlier run into the same folder; only what a run makes is removed.
    for old in ["hosts", "attack", "product"] {
        let _ = std::fs::remove_dir_all(job.folder.join(old));
    }
    std::fs::create_dir_all(&job.folder).map_err(file(&job.folder))?;
    let path = job.folder.join("job.json");
    let text = serde_json::to_vec_pretty(job).map_err(|error| RangeError::Form {
        what: path.display().to_string(),
        error,
    })?;
    std::fs::write(&path, text).map_err(file(&path))?;
    let errors = job.folder.join("inside.errors");
    let errors = std::fs::File::create(&errors).map_err(file(&errors))?;
    let spawned = Command::new("unshare")
        .args(way)
        .arg(&job.program)
        .args([DEVICE, "inside"])
        .arg(&path)
        .stdin(stdin)
        .stdout(stdout)
        .stderr(errors)
        .spawn();
    spawned.map_err(file(&job.program))
}

fn play(job: &Job, way: &[&str], progress: &dyn Fn(&str)) -> Result<Played> {
    let mut child = start(job, way, Stdio::piped(), Stdio::piped())?;
    let (tell, told) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(std::io::Result::ok) {
                if let Ok(line) = serde_json::from_str::<Told>(&line) {
                    let _ = tell.send(line);
                }
            }
        });
    }
    let end = Instant::now() + LONGEST;
    let outcome = loop {
        match told.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(Told::Progress { text }) => progress(&text),
            Ok(Told::Outcome { outcome }) => break Ok(*outcome),
            Ok(Told::Failed { text }) => break Err(text),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                break Err(format!("not over after {} s", LONGEST.as_secs()));
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break Err("ended without a word".to_owned()),
        }
    };
    // Its input ends with this, and it with its input; --kill-child sees to what does not listen.
    drop(child.stdin.take());
    let patience = Instant::now() + Duration::from_secs(3);
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
    outcome.map_err(|said| {
        let errors = std::fs::read_to_string(job.folder.join("inside.errors")).unwrap_or_default();
        RangeError::Command {
            command: format!("{}, {}", job.scenario, job.variant.name()),
            said: format!("{said} {}", errors.trim()),
        }
    })
}

/// Where the runs' files go; removed at the end unless it is to be kept.
pub(crate) struct Folder {
    pub path: PathBuf,
    kept: bool,
}

impl Folder {
    /// Makes it.
    pub(crate) fn new(keep: Option<&Path>) -> Result<Folder> {
        let path = match keep {
            Some(path) => path.to_owned(),
            None => std::env::temp_dir().join(format!("citywall-range-{}", std::process::id())),
        };
        std::fs::create_dir_all(&path).map_err(file(&path))?;
        // Inside, the working directory is another.
        let path = path.canonicalize().map_err(file(&path))?;
        Ok(Folder {
            path,
            kept: keep.is_some(),
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
