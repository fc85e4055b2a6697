//! The product, driven by its command line as a city would.
//!
//! Owns: starting the sensor and the enforcer, reading what they tell, and giving them commands.
//! Does not own: judging what they did.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{RangeError, Result, file};
use crate::log::now;
use crate::network::{self, SENSOR, SPAN, WALL, within};
use crate::scenario::{Twist, Undone};
use crate::{cityfile, rules};

mod enforcer;
mod monitor;
pub(crate) use enforcer::Enforcer;
pub(crate) use monitor::Monitor;

/// How long a process of the product may take to be ready.
const PATIENCE: Duration = Duration::from_secs(20);

/// An event of the product, with the time at which we could read it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub at: u64,
    pub event: Value,
}

/// What the enforcer says of one action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Act {
    pub id: String,
    pub rung: String,
    pub target: String,
    pub stage: String,
    pub reason: String,
    /// What became of it, as JSON.
    pub outcome: String,
    /// What holds it back.
    pub guards: Vec<String>,
}

impl Act {
    /// It would change something.
    pub(crate) fn changes(&self) -> bool {
        !matches!(self.rung.as_str(), "observe" | "notify")
    }
}

/// The product as it runs.
pub(crate) struct Product {
    program: PathBuf,
    folder: PathBuf,
    topology: crate::Topology,
    pub enforcer: Option<Enforcer>,
    watch: Child,
    eve: Tail,
    /// All events so far.
    pub seen: Vec<Seen>,
    /// What it said no to when it was asked for too much.
    pub declined: Vec<String>,
}

/// How the product is to be started.
pub(crate) struct Setting<'a> {
    pub program: &'a Path,
    pub folder: &'a Path,
    pub topology: &'a crate::Topology,
    /// The rules that the product brings along.
    pub rules: &'a str,
    pub responds: bool,
    pub enforced: bool,
    pub undone: Undone,
    /// Words for the enforcer's command line.
    pub told: &'a [&'a str],
}

impl Product {
    /// Writes its files, starts it, and waits until it watches.
    pub(crate) fn start(setting: &Setting<'_>) -> Result<Product> {
        let folder = setting.folder.join("product");
        std::fs::create_dir_all(&folder).map_err(file(&folder))?;
        write(&folder.join("city.toml"), &cityfile::write(setting.topology))?;
        write(&folder.join("open.toml"), &cityfile::write_open(setting.topology))?;
        write(&folder.join("citywall.toml"), CONFIGURATION)?;
        write(
            &folder.join("city.rules"),
            &format!("{}{}", setting.rules, rules::OWN),
        )?;
        let enforcer = match setting.responds {
            true => Some(Enforcer::start(setting, &folder)?),
            false => None,
        };
        let mut command = within(SENSOR, &setting.program.to_string_lossy());
        command.args([
            "-v",
            "watch",
            "--interface",
            SPAN,
            "--workers",
            "1",
            "--json",
            "--city",
        ]);
        command
            .arg(folder.join("city.toml"))
            .arg("--config")
            .arg(folder.join("citywall.toml"));
        command
            .arg("--rules")
            .arg(folder.join("city.rules"))
            .arg("--out")
            .arg(folder.join("out"));
        if let Some(enforcer) = &enforcer {
            command.arg("--enforcer").arg(&enforcer.socket);
        }
        let watch = spawn(command, &folder, "watch")?;
        let eve = Tail::new(folder.join("out").join("eve.json"));
        let mut product = Product {
            program: setting.program.to_owned(),
            folder,
            topology: setting.topology.clone(),
            enforcer,
            watch,
            eve,
            seen: Vec::new(),
            declined: Vec::new(),
        };
        let errors = product.folder.join("watch.errors");
        says(&mut product.watch, &errors, &format!("watching {SPAN}"))?;
        Ok(product)
    }

    /// Reads what came since the last time.
    pub(crate) fn listen(&mut self) {
        let at = now();
        for line in self.eve.lines() {
            if let Ok(event) = serde_json::from_str(&line) {
                self.seen.push(Seen { at, event });
            }
        }
    }

    /// What its processes wrote to their logs.
    pub(crate) fn log(&self) -> String {
        ["watch", "enforcer"]
            .map(|process| {
                std::fs::read_to_string(self.folder.join(format!("{process}.errors"))).unwrap_or_default()
            })
            .concat()
    }

    /// Gives it another file in place of one that it has, and tells it to read its files anew.
    pub(crate) fn reload(&self, name: &str, text: &str) -> Result<()> {
        write(&self.folder.join(name), text)?;
        signal(&self.watch, Signal::HUP);
        if let Some(enforcer) = &self.enforcer {
            enforcer.signal(Signal::HUP);
        }
        Ok(())
    }

    /// The rules of the kernel, without counters and times.
    pub(crate) fn ruleset() -> Result<String> {
        network::output(within(WALL, "nft").args(["-s", "list", "ruleset"]), "")
    }

    /// All actions, whatever became of them; none where nobody responds.
    pub(crate) fn actions(&self) -> Result<Vec<Act>> {
        match &self.enforcer {
            Some(enforcer) => enforcer.list(&self.program),
            None => Ok(Vec::new()),
        }
    }

    /// A person approves an action as it stands.
    pub(crate) fn approve(&self, id: &str) -> Result<()> {
        match &self.enforcer {
            Some(enforcer) => enforcer.approve(&self.program, id),
            None => Ok(()),
        }
    }

    /// When the kernel had taken each action's rules, by the enforcer's journal.
    pub(crate) fn applied(&self) -> HashMap<String, u64> {
        let text =
            std::fs::read_to_string(self.folder.join("journal").join("journal.jsonl")).unwrap_or_default();
        let entry = |line: &str| {
            let entry: serde_json::Value = serde_json::from_str(line).ok()?;
            let id = entry["body"]["fact"]["applied"]["action"].as_str()?;
            Some((id.to_owned(), entry["at"].as_u64()?))
        };
        text.lines().filter_map(entry).collect()
    }

    /// A person takes an action back.
    pub(crate) fn undo(&self, id: &str) -> Result<()> {
        match &self.enforcer {
            Some(enforcer) => enforcer.undo(&self.program, id),
            None => Ok(()),
        }
    }

    /// From here on a host is deaf for another: in the host itself, so that the wall's rules stay as they are.
    pub(crate) fn deafen(&self, host: &str, to: &str) -> Result<()> {
        let Some(address) = self.topology_host(to) else {
            return Ok(());
        };
        let rules = format!(
            "table inet harm {{ chain input {{ type filter hook input priority 0; ip saddr {address} drop; }}; }}"
        );
        let mut command = within(host, "nft");
        network::output(command.args(["-f", "-"]), &rules).map(drop)
    }

    /// Kills everything that responds, at once and without a chance to clean up.
    pub(crate) fn die(&mut self) {
        if let Some(enforcer) = &mut self.enforcer {
            enforcer.die();
        }
        let _ = self.watch.kill();
    }

    /// Where the enforcer listens.
    pub(crate) fn socket(&self) -> Option<PathBuf> {
        self.enforcer.as_ref().map(|e| e.socket.clone())
    }

    /// The longest time to live that an action of this run can have.
    pub(crate) fn longest_life(&self) -> Duration {
        self.enforcer.as_ref().map_or(Duration::ZERO, |e| e.time_to_live)
    }

    /// Does to the product what the scenario wants done to it.
    pub(crate) fn twist(&mut self, twist: Twist) -> Result<()> {
        match twist {
            Twist::None => Ok(()),
            Twist::RulesForEverything => {
                let old = std::fs::read_to_string(self.folder.join("city.rules")).unwrap_or_default();
                self.reload("city.rules", &(old + rules::EVERYTHING))
            }
            Twist::HugeConfiguration => {
                let city = std::fs::read_to_string(self.folder.join("city.toml")).unwrap_or_default();
                self.reload("city.toml", &(city + &"# once more\n".repeat(3_000_000)))
            }
            Twist::GreedyProposal(whom) => {
                let Some(host) = self.topology_host(whom) else {
                    return Ok(());
                };
                if let Some(enforcer) = &self.enforcer
                    && let Err(error) = enforcer.propose(&self.program, "isolate", &host)
                {
                    self.declined.push(format!("{whom}: {error}"));
                }
                Ok(())
            }
        }
    }

    fn topology_host(&self, name: &str) -> Option<String> {
        self.topology.host(name).map(|host| host.address.to_string())
    }

    /// The sensor's process is alive.
    pub(crate) fn watches(&mut self) -> bool {
        matches!(self.watch.try_wait(), Ok(None))
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        // So that its summary is written, for those who keep the logs.
        signal(&self.watch, Signal::INT);
        let end = Instant::now() + Duration::from_millis(1_500);
        while self.watches() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.watch.kill();
        let _ = self.watch.wait();
    }
}

/// The box's configuration: nothing is buffered long, and nobody is another user in a namespace
/// that knows only one.
const CONFIGURATION: &str = "[capture]\nring = \"16M\"\n";

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(file(path))
}

/// Starts a process with its output in files.
fn spawn(mut command: Command, folder: &Path, name: &str) -> Result<Child> {
    let create = |ending: &str| {
        let path = folder.join(format!("{name}.{ending}"));
        File::create(&path).map_err(file(&path))
    };
    command
        .stdin(Stdio::null())
        .stdout(create("output")?)
        .stderr(create("errors")?);
    command.spawn().map_err(|e| RangeError::Command {
        command: network::words(&command),
        said: e.to_string(),
    })
}

/// Waits until a process has told something; in vain where it has ended.
fn says(child: &mut Child, path: &Path, text: &str) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let told = std::fs::read_to_string(path).unwrap_or_default();
        if told.contains(text) {
            return Ok(());
        }
        if Instant::now() > end || matches!(child.try_wait(), Ok(Some(_))) {
            return Err(RangeError::Patience {
                what: format!("{text:?} in {}, which says: {}", path.display(), told.trim()),
                seconds: PATIENCE.as_secs(),
            });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(child: &Child, signal: Signal) {
    let _ = kill_process(Pid::from_child(child), signal);
}

/// A file that grows.
struct Tail {
    path: PathBuf,
    at: u64,
    rest: Vec<u8>,
}

impl Tail {
    fn new(path: PathBuf) -> Tail {
        Tail {
            path,
            at: 0,
            rest: Vec::new(),
        }
    }

    /// The whole lines that came since the last time.
    fn lines(&mut self) -> Vec<String> {
        let Ok(mut file) = File::open(&self.path) else {
            return Vec::new();
        };
        if file.seek(SeekFrom::Start(self.at)).is_err() {
            return Vec::new();
        }
        self.at += file.read_to_end(&mut self.rest).unwrap_or(0) as u64;
        let Some(end) = self.rest.iter().rposition(|b| *b == b'\n') else {
            return Vec::new();
        };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        String::from_utf8_lossy(&whole)
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_file_is_read_line_by_line() {
        let path = std::env::temp_dir().join(format!("citywall-range-tail-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let mut tail = Tail::new(path.clone());
        assert!(tail.lines().is_empty());
        std::fs::write(&path, "one\ntw").unwrap();
        assert_eq!(tail.lines(), ["one"]);
        assert!(tail.lines().is_empty());
        std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
        assert_eq!(tail.lines(), ["two", "three"]);
        std::fs::remove_file(&path).unwrap();
    }
}
