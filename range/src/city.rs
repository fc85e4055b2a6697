//! The city as it runs: its devices, its attackers, and who must be ready before anything starts.
//!
//! Owns: the processes. Does not own: what they do (`device`, `attack`), and the product (`drive`).

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::attack::{self, Part};
use crate::device;
use crate::error::{RangeError, Result, file};
use crate::log::{Line, read};
use crate::network::{self, within};
use crate::topology::Topology;

/// How long a device may take to be ready.
const PATIENCE: Duration = Duration::from_secs(20);

/// The hidden command under which the binary is a device.
pub(crate) const DEVICE: &str = "range-device";

/// A city that lives.
pub(crate) struct City {
    pub topology: Topology,
    /// The binary.
    program: PathBuf,
    /// Where all logs lie.
    folder: PathBuf,
    devices: Vec<Running>,
}

/// A process of ours; it dies with this value.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    name: String,
    ready: mpsc::Receiver<String>,
}

impl Running {
    /// Starts one, with its errors in a file.
    fn start(mut command: Command, name: &str, errors: &Path) -> Result<Running> {
        let errors = std::fs::File::create(errors).map_err(file(errors))?;
        let spawned = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn();
        let mut child = spawned.map_err(|e| RangeError::Command {
            command: network::words(&command),
            said: e.to_string(),
        })?;
        let (tell, ready) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stdout).lines();
                if let Some(Ok(line)) = lines.next() {
                    let _ = tell.send(line);
                }
            });
        }
        Ok(Running {
            stdin: child.stdin.take(),
            child,
            name: name.to_owned(),
            ready,
        })
    }

    /// Waits for its first line.
    fn wait_ready(&self) -> Result<()> {
        let said = self.ready.recv_timeout(PATIENCE);
        said.map(drop).map_err(|_| RangeError::Patience {
            what: format!("{} to be ready", self.name),
            seconds: PATIENCE.as_secs(),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl City {
    /// Builds the namespaces and starts all devices; their work has begun when this returns.
    pub(crate) fn start(topology: Topology, program: &Path, folder: &Path) -> Result<City> {
        network::build(&topology)?;
        for name in ["hosts", "attack"] {
            let folder = folder.join(name);
            std::fs::create_dir_all(&folder).map_err(file(&folder))?;
        }
        let mut city = City {
            topology,
            program: program.to_owned(),
            folder: folder.to_owned(),
            devices: Vec::new(),
        };
        // Servers first: no client is to fail because a server is not up yet.
        for server in [true, false] {
            let hosts = city.topology.hosts.iter();
            let chosen = hosts.filter(|h| !(h.serves.is_empty() && h.works.is_empty()));
            let chosen: Vec<_> = chosen.filter(|h| h.works.is_empty() == server).cloned().collect();
            let before = city.devices.len();
            for host in chosen {
                let device = city.device(&host)?;
                city.devices.push(device);
            }
            for device in city.devices.iter().skip(before) {
                device.wait_ready()?;
            }
        }
        Ok(city)
    }

    fn device(&self, host: &crate::topology::Host) -> Result<Running> {
        let spec = device::Spec {
            host: host.name.to_owned(),
            address: host.address,
            log: self.log(host.name),
            serves: host.serves.clone(),
            works: host.works.clone(),
        };
        self.spawn(host.name, "host", host.name, &spec)
    }

    fn spawn(&self, at: &str, kind: &str, name: &str, spec: &impl serde::Serialize) -> Result<Running> {
        let folder = self.folder.join(if kind == "host" { "hosts" } else { "attack" });
        let path = folder.join(format!("{name}.spec.json"));
        let text = serde_json::to_vec_pretty(spec).map_err(|error| RangeError::Form {
            what: path.display().to_string(),
            error,
        })?;
        std::fs::write(&path, text).map_err(file(&path))?;
        let mut command = within(at, &self.program.to_string_lossy());
        command.args([DEVICE, kind]).arg(&path);
        Running::start(command, name, &folder.join(format!("{name}.errors")))
    }

    /// Makes the attackers ready, in their hosts.
    pub(crate) fn attackers(&self, parts: &[Part]) -> Result<Vec<Running>> {
        let mut attackers = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let spec = attack::Spec {
                log: self.attack_log(),
                part: part.clone(),
            };
            let name = format!("{index}-{}", part.at);
            attackers.push(self.spawn(&part.at, "attack", &name, &spec)?);
        }
        for attacker in &attackers {
            attacker.wait_ready()?;
        }
        Ok(attackers)
    }

    /// Where a host writes what it did.
    pub(crate) fn log(&self, host: &str) -> PathBuf {
        self.folder.join("hosts").join(format!("{host}.jsonl"))
    }

    /// What the attackers wrote down so far.
    pub(crate) fn attack_lines(&self) -> Vec<Line> {
        read(&self.attack_log())
    }

    fn attack_log(&self) -> PathBuf {
        self.folder.join("attack").join("attack.jsonl")
    }

    /// What a host wrote down so far.
    pub(crate) fn lines(&self, host: &str) -> Vec<Line> {
        read(&self.log(host))
    }
}

/// Lets the attackers go, all at once.
pub(crate) fn go(attackers: &mut [Running]) {
    for attacker in attackers {
        if let Some(stdin) = &mut attacker.stdin {
            let _ = stdin.write_all(b"go\n");
        }
    }
}
