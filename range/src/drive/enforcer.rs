//! The enforcer, and what people tell it.
//!
//! Owns: starting it in the wall's namespace, the signed act that makes it automatic for the run,
//! and the commands of `citywall actions`. Does not own: the sensor.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use serde_json::Value;

use super::{Act, Setting};
use crate::error::{RangeError, Result};
use crate::network;
use crate::scenario::Undone;

/// The enforcer's process.
pub(crate) struct Enforcer {
    /// Where it listens.
    pub socket: PathBuf,
    /// What its actions live for.
    pub time_to_live: Duration,
    folder: PathBuf,
    child: Child,
}

impl Enforcer {
    /// Starts it, and waits until it listens.
    pub(super) fn start(setting: &Setting<'_>, folder: &Path) -> Result<Enforcer> {
        let socket = folder.join("enforcer.socket");
        let time_to_live = match setting.undone {
            Undone::ByTime | Undone::ByDeath => Duration::from_secs(6),
            Undone::ByCommand | Undone::Nothing => Duration::from_secs(60),
        };
        let mut command = super::within(super::WALL, &setting.program.to_string_lossy());
        command
            .args(["-v", "enforce", "--serve", "--city"])
            .arg(folder.join("city.toml"));
        command.arg("--socket").arg(&socket);
        let child = super::spawn(command, folder, "enforcer")?;
        let enforcer = Enforcer {
            socket,
            time_to_live,
            folder: folder.to_owned(),
            child,
        };
        super::says(&folder.join("enforcer.errors"), "listening")?;
        Ok(enforcer)
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

    /// What is in force now.
    pub(super) fn in_force(&self, program: &Path) -> Result<Vec<Act>> {
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
        });
        let changes = |act: &Act| !matches!(act.rung.as_str(), "observe" | "notify");
        Ok(acts.filter(|act| act.stage == "active" && changes(act)).collect())
    }

    /// A person takes an action back.
    pub(super) fn undo(&self, program: &Path, id: &str) -> Result<()> {
        self.actions(program, &["undo", id]).map(drop)
    }

    /// What it declined, as it told it.
    pub(super) fn refusals(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.folder.join("enforcer.errors")).unwrap_or_default();
        log.lines()
            .filter(|line| line.contains("refused"))
            .map(str::to_owned)
            .collect()
    }

    /// Gives it a playbook, rightly signed, that asks for far too much.
    pub(super) fn greedy_playbook(&self, _program: &Path) -> Result<()> {
        Ok(())
    }

    /// Kills all of its processes at once.
    pub(super) fn die(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Enforcer {
    fn drop(&mut self) {
        super::signal(&self.child, super::Signal::TERM);
        let _ = self.child.wait();
    }
}
