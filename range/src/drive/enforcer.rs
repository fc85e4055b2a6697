//! The enforcer, and what people tell it.
//!
//! Owns: starting it in the wall's namespace, the signed act that makes it automatic for the run,
//! and the commands of `citywall actions`. Does not own: the sensor.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Act, Setting};
use crate::error::{RangeError, Result, file};
use crate::network;
use crate::scenario::Undone;

/// The enforcer's process.
pub(crate) struct Enforcer {
    /// Where it listens.
    pub socket: PathBuf,
    /// What its actions live for.
    pub time_to_live: Duration,
    child: Child,
}

impl Enforcer {
    /// Starts it, and waits until it listens.
    pub(super) fn start(setting: &Setting<'_>, folder: &Path) -> Result<Enforcer> {
        let socket = folder.join("enforcer.socket");
        let time_to_live = match setting.undone {
            Undone::Time | Undone::Death => Duration::from_secs(6),
            Undone::Command | Undone::Calm | Undone::Harm(..) => Duration::from_secs(60),
        };
        if !setting.enforced {
            // The wall stands in a city whose policy is not in force yet: the rules of the open city
            // are loaded, and are left as they are by the enforcer that is started then.
            let state = folder.join("firewall");
            let enforce = |what: &[&str]| {
                let mut command = super::within(super::WALL, &setting.program.to_string_lossy());
                command.arg("enforce").args(what).arg("--state").arg(&state);
                network::output(&mut command, "").map(drop)
            };
            let open = folder.join("open.toml");
            enforce(&["--apply", "--within", "60s", "--city", &open.to_string_lossy()])?;
            enforce(&["--confirm"])?;
        }
        sign_act(setting, folder)?;
        let child = launch(setting, folder, &socket, time_to_live)?;
        Ok(Enforcer {
            socket,
            time_to_live,
            child,
        })
    }

    /// A command of `citywall actions`.
    fn actions(&self, program: &Path, arguments: &[&str]) -> Result<String> {
        let mut command = super::within(super::WALL, &program.to_string_lossy());
        command
            .arg("actions")
            .args(arguments)
            .arg("--socket")
            .arg(&self.socket);
        network::output(&mut command, "")
    }

    /// All actions, whatever became of them.
    pub(super) fn list(&self, program: &Path) -> Result<Vec<Act>> {
        let text = self.actions(program, &["list", "--json"])?;
        let all: Value = serde_json::from_str(&text).map_err(|error| RangeError::Form {
            what: "citywall actions list --json".to_owned(),
            error,
        })?;
        let acts = all["actions"]
            .as_array()
            .or(all.as_array())
            .cloned()
            .unwrap_or_default();
        let word = |act: &Value, name: &str| act[name].as_str().unwrap_or_default().to_owned();
        let acts = acts.iter().map(|act| Act {
            id: word(act, "id"),
            rung: word(act, "rung"),
            target: word(act, "target"),
            stage: word(act, "stage"),
            reason: word(act, "reason"),
            outcome: act["outcome"].to_string(),
            guards: act["guards"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|guard| guard.as_str().map(str::to_owned))
                .collect(),
        });
        Ok(acts.collect())
    }

    /// A person takes an action back.
    pub(super) fn undo(&self, program: &Path, id: &str) -> Result<()> {
        self.actions(program, &["undo", id]).map(drop)
    }

    /// A person approves an action as it stands.
    pub(super) fn approve(&self, program: &Path, id: &str) -> Result<()> {
        let reason = "seen by the operator";
        self.actions(program, &["approve", id, "--reason", reason])
            .map(drop)
    }

    /// A person proposes something by hand.
    pub(super) fn propose(&self, program: &Path, rung: &str, host: &str) -> Result<()> {
        let reason = "an abuse report came in";
        self.actions(program, &["propose", rung, host, "--reason", reason])
            .map(drop)
    }

    /// Tells it something by a signal.
    pub(super) fn signal(&self, signal: super::Signal) {
        super::signal(&self.child, signal);
    }

    /// Kills all of its processes at once.
    pub(super) fn die(&mut self) {
        let own = self.child.id();
        // The enforcer last: whoever outlives it could see that and clean up.
        for child in children(own) {
            let _ = rustix::process::kill_process(child, super::Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processes that a process started (proc_pid_task(5)).
fn children(parent: u32) -> Vec<rustix::process::Pid> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let ids = text.split_whitespace().filter_map(|id| id.parse().ok());
    ids.filter_map(rustix::process::Pid::from_raw).collect()
}

/// What is automatic in the range: the rungs that the gate lets pass without a person, everywhere.
fn sign_act(setting: &Setting<'_>, folder: &Path) -> Result<()> {
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let keys = |arguments: &[&str]| {
        let mut command = Command::new(setting.program);
        network::output(command.arg("keys").args(arguments), "")
    };
    let (key, act) = (path("ada.key"), path("automatic.act"));
    keys(&["new", &key])?;
    let entry = keys(&[
        "show",
        &key,
        "--name",
        "ada",
        "--principal",
        "Ada Lindqvist",
        "--purpose",
        "act",
    ])?;
    let ring = folder.join("keyring.toml");
    std::fs::write(&ring, format!("version = 1\n{entry}")).map_err(file(&ring))?;
    let mut sign: Vec<&str> = vec!["sign", "--key", &key, "--hours", "1", "--out", &act];
    for zone in &setting.topology.zones {
        sign.extend(["--zone", zone.name]);
    }
    for rung in [
        "deny-command",
        "limit-rate",
        "deny-conduit",
        "quarantine",
        "isolate",
    ] {
        sign.extend(["--rung", rung]);
    }
    keys(&sign).map(drop)
}

/// Starts the enforcer, and waits until it listens.
fn launch(setting: &Setting<'_>, folder: &Path, socket: &Path, life: Duration) -> Result<Child> {
    let mut command = super::within(super::WALL, &setting.program.to_string_lossy());
    command.args(["-v", "enforce", "--serve", "--sensor", "0", "--city"]);
    command.arg(folder.join("city.toml")).arg("--socket").arg(socket);
    command.arg("--journal").arg(folder.join("journal"));
    command.arg("--key-ring").arg(folder.join("keyring.toml"));
    command.arg("--act").arg(folder.join("automatic.act"));
    command.arg("--time-to-live").arg(life.as_secs().to_string());
    command.args(setting.told);
    let mut child = super::spawn(command, folder, "enforcer")?;
    super::says(&mut child, &folder.join("enforcer.errors"), "control socket")?;
    Ok(child)
}

impl Drop for Enforcer {
    fn drop(&mut self) {
        self.signal(super::Signal::TERM);
        // What does not end by itself ends with the namespaces.
        let end = Instant::now() + Duration::from_millis(800);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > end {
                self.die();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
